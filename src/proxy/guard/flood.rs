//! HTTP/2 floods: frames that cost work and bring nobody anything (PING, SETTINGS, PRIORITY, RST_STREAM, CONTINUATION,
//! DATA without data). The `h2` crate answers them as fast as they come, so they are counted here, by their frame
//! headers alone, and a connection that has spent its credit ends. What frames mean is the `h2` crate's business.

use super::{OnRefusal, Refusal};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Frames that may come at once.
const CREDIT: u32 = 1000;
/// A frame is earned back every so often,
const EARNED_EVERY: Duration = Duration::from_millis(10);
/// and for so many bytes of content either way: clients that measure their bandwidth send a PING now and then.
const EARNED_BYTES: usize = 1024;

/// A client's HTTP/2 connection, the first bytes of which may have been read already.
#[derive(Debug)]
pub struct FloodGuard<IO> {
    read: Vec<u8>,
    at: usize,
    io: IO,
    meter: Meter,
    on_refusal: OnRefusalDebug,
}

struct OnRefusalDebug(Option<OnRefusal>);

/// Follows the frames of one direction and keeps the credit.
#[derive(Debug)]
struct Meter {
    header: [u8; HEADER],
    have: usize,
    /// Bytes of preface or payload to pass over.
    skip: usize,
    credit: u32,
    bytes: usize,
    earned_until: Instant,
}

const HEADER: usize = 9;
const PREFACE: usize = 24;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const PADDED: u8 = 8;

// === impl FloodGuard ===

impl<IO> FloodGuard<IO> {
    /// `read` is what was read of `io` to tell the protocol, from its first byte on.
    pub fn new(io: IO, read: Vec<u8>, on_refusal: Option<OnRefusal>) -> Self {
        Self { read, at: 0, io, meter: Meter::new(Instant::now()), on_refusal: OnRefusalDebug(on_refusal) }
    }

    fn check(&mut self, new: &[u8]) -> io::Result<()> {
        if self.meter.follow(new, Instant::now) {
            return Ok(());
        }
        let refusal = Refusal::bad("http2_flood", "more HTTP/2 control frames than any use explains");
        if let Some(tell) = self.on_refusal.0.take() {
            tell(&refusal);
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, refusal))
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for FloodGuard<IO> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let rest = this.read.get(this.at..).unwrap_or_default();
        if rest.is_empty() {
            ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        } else {
            let n = rest.len().min(buf.remaining());
            buf.put_slice(&rest[..n]);
            this.at += n;
        }
        Poll::Ready(this.check(&buf.filled()[before..]))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for FloodGuard<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let n = ready!(Pin::new(&mut self.io).poll_write(cx, buf))?;
        self.meter.content(n);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let n = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, bufs))?;
        self.meter.content(n);
        Poll::Ready(Ok(n))
    }
}

// === impl Meter ===

impl Meter {
    fn new(now: Instant) -> Self {
        Self { header: [0; HEADER], have: 0, skip: PREFACE, credit: CREDIT, bytes: 0, earned_until: now }
    }

    /// Reads on; `false` once the credit is spent.
    fn follow(&mut self, mut data: &[u8], now: impl Fn() -> Instant) -> bool {
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
            if self.have == HEADER && !self.frame(&now) {
                return false;
            }
        }
        true
    }

    fn frame(&mut self, now: impl Fn() -> Instant) -> bool {
        let [a, b, c, kind, flags, ..] = self.header;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        (self.have, self.skip) = (0, length);
        match kind {
            HEADERS | WINDOW_UPDATE => true,
            DATA if flags & END_STREAM != 0 => true,
            // A payload this short may be padding alone.
            DATA if length > if flags & PADDED != 0 { 256 } else { 0 } => {
                self.content(length);
                true
            }
            _ => self.spend(now),
        }
    }

    fn spend(&mut self, now: impl Fn() -> Instant) -> bool {
        if self.credit == 0 {
            let now = now();
            let passed = now.saturating_duration_since(self.earned_until);
            let earned = u32::try_from(passed.as_millis() / EARNED_EVERY.as_millis()).unwrap_or(CREDIT);
            if earned == 0 {
                return false;
            }
            self.credit = earned.min(CREDIT);
            self.earned_until = now;
        }
        self.credit -= 1;
        true
    }

    /// Content went by, in either direction.
    fn content(&mut self, length: usize) {
        self.bytes += length;
        let earned = self.bytes / EARNED_BYTES;
        self.bytes %= EARNED_BYTES;
        self.credit = self.credit.saturating_add(u32::try_from(earned).unwrap_or(CREDIT)).min(CREDIT);
    }
}

impl std::fmt::Debug for OnRefusalDebug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnRefusal")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: usize, kind: u8, flags: u8) -> Vec<u8> {
        let mut frame = vec![0, (length >> 8) as u8, length as u8, kind, flags, 0, 0, 0, 1];
        frame.resize(HEADER + length, 0);
        frame
    }

    /// How many of `frame` pass at one moment, fed in pieces.
    fn passed(frame: &[u8], piece: usize) -> usize {
        let now = Instant::now();
        let mut meter = Meter::new(now);
        assert!(meter.follow(&[b'P'; PREFACE], || now));
        (0..5000).take_while(|_| frame.chunks(piece).all(|part| meter.follow(part, || now))).count()
    }

    #[test]
    fn frames_without_use_are_limited_and_others_are_not() {
        for piece in [1, 4, 1000] {
            for (kind, length) in [(6, 8), (4, 0), (4, 6), (2, 5), (3, 4), (9, 1), (0, 0), (77, 3)] {
                assert_eq!(passed(&frame(length, kind, 0), piece), CREDIT as usize, "type {kind}");
            }
            assert_eq!(passed(&frame(20, DATA, PADDED), piece), CREDIT as usize, "nothing but padding");
            for useful in [frame(1, DATA, 0), frame(0, DATA, END_STREAM), frame(9, HEADERS, 4), frame(4, 8, 0)] {
                assert_eq!(passed(&useful, piece), 5000, "{useful:?}");
            }
        }
    }

    #[test]
    fn time_and_content_earn_credit() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        let later = |ms| move || start + Duration::from_millis(ms);
        for _ in 0..CREDIT {
            assert!(meter.spend(later(0)));
        }
        assert!(!meter.spend(later(9)));
        meter.content(EARNED_BYTES * 2);
        assert_eq!([0; 3].map(|_| meter.spend(later(9))), [true, true, false]);
        assert_eq!([0; 2].map(|_| meter.spend(later(11))), [true, false]);
        for n in 1..10_000 {
            assert!(meter.spend(later(11 + 10 * n)), "one in ten milliseconds is never too much");
        }
    }
}
