//! The frames of one direction, by their headers (RFC 9113, 4.1).

/// Before the first frame of a client.
pub const PREFACE: usize = 24;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const PADDED: u8 = 8;

const HEADER: usize = 9;

/// The header of a frame.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// Of its payload, in bytes.
    pub length: usize,
    pub kind: u8,
    pub flags: u8,
    /// Zero is the connection.
    pub stream: u32,
}

/// Where in its frames a direction is.
#[derive(Debug)]
pub struct Frames {
    header: [u8; HEADER],
    have: usize,
    /// Bytes of preface or payload to pass over.
    skip: usize,
}

// === impl Frame ===

impl Frame {
    /// Whether it brings some of a body: a payload of 256 bytes or less may be padding alone.
    pub fn has_content(self) -> bool {
        self.kind == DATA && self.length > if self.flags & PADDED != 0 { 256 } else { 0 }
    }
}

// === impl Frames ===

impl Frames {
    /// Of a direction that begins with so many bytes of preface.
    pub fn behind(preface: usize) -> Self {
        Self { header: [0; HEADER], have: 0, skip: preface }
    }

    /// Reads on until `goes_on`, which is told each frame's header, is false. Whether it was true to the end.
    pub fn follow(&mut self, mut data: &[u8], mut goes_on: impl FnMut(Frame) -> bool) -> bool {
        while !data.is_empty() {
            if self.skip > 0 {
                let n = self.skip.min(data.len());
                self.skip -= n;
                data = &data[n..];
                continue;
            }
            let n = (HEADER - self.have).min(data.len());
            self.header[self.have..self.have + n].copy_from_slice(&data[..n]);
            self.have += n;
            data = &data[n..];
            if self.have == HEADER {
                let [a, b, c, kind, flags, stream @ ..] = self.header;
                let length = u32::from_be_bytes([0, a, b, c]) as usize;
                (self.have, self.skip) = (0, length);
                let stream = u32::from_be_bytes(stream) & (u32::MAX >> 1);
                if !goes_on(Frame { length, kind, flags, stream }) {
                    return false;
                }
            }
        }
        true
    }
}
