//! JSON text as the decoders write it: bounded in size, numbers and strings exact.

use super::Fault;
use crate::diff::value::text::{Unit, push_unit};
use std::io::Write;
use xxhash_rust::xxh3::xxh3_128;

/// Bytes of a binary value that are shown whole.
const MAX_BINARY: usize = 64;
/// Bytes shown of one that is longer.
const BINARY_HEAD: usize = 32;

/// Puts the commas where they belong; what is opened must be closed.
#[derive(Debug)]
pub(super) struct Writer {
    out: Vec<u8>,
    limit: usize,
    /// Whether a comma stands before what comes next.
    comma: bool,
}

/// The content of a string that was written, as it is read back: WTF-8.
pub(super) fn read_back(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len());
    for chunk in content.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        chunk.invalid().iter().for_each(|byte| push_unit(&mut out, Unit::Surrogate(surrogate(*byte))));
    }
    out
}

/// What stands for a byte that is no UTF-8.
fn surrogate(byte: u8) -> u16 {
    0xDC00 + u16::from(byte)
}

// === impl Writer ===

impl Writer {
    /// `limit` is in bytes: names that repeat make a table much longer than it was.
    pub(super) fn new(limit: usize) -> Self {
        Self { out: Vec::new(), limit, comma: false }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.out
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn begin(&mut self, bracket: u8) {
        self.separate();
        self.out.push(bracket);
        self.comma = false;
    }

    pub(super) fn end(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.comma = true;
    }

    /// A value that is JSON already.
    pub(super) fn raw(&mut self, json: &[u8]) -> Result<(), Fault> {
        self.separate();
        self.out.extend_from_slice(json);
        self.within()
    }

    pub(super) fn string(&mut self, content: &[u8]) -> Result<(), Fault> {
        self.separate();
        self.quoted(content);
        self.within()
    }

    pub(super) fn key(&mut self, name: &[u8]) -> Result<(), Fault> {
        self.separate();
        self.quoted(name);
        self.out.push(b':');
        self.comma = false;
        self.within()
    }

    /// Bytes that are no text: `{"$binary": "0a1b"}`, with length and digest for all that is not shown.
    pub(super) fn binary(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let text = if bytes.len() <= MAX_BINARY {
            hex(bytes)
        } else {
            let head = hex(bytes.get(..BINARY_HEAD).unwrap_or_default());
            format!("{head}… ({} bytes, xxh3 {:032x})", bytes.len(), xxh3_128(bytes))
        };
        self.begin(b'{');
        self.key(b"$binary")?;
        self.string(text.as_bytes())?;
        self.end(b'}');
        Ok(())
    }

    fn separate(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
        self.comma = true;
    }

    /// Bytes that are no UTF-8 become lone surrogates, one for each, which no text holds: other bytes, another string.
    fn quoted(&mut self, content: &[u8]) {
        self.out.push(b'"');
        for chunk in content.utf8_chunks() {
            let mut rest = chunk.valid().as_bytes();
            while let Some(at) = rest.iter().position(|b| *b < 0x20 || matches!(b, b'"' | b'\\')) {
                let (plain, special) = rest.split_at(at);
                self.out.extend_from_slice(plain);
                match special.first() {
                    Some(b @ (b'"' | b'\\')) => self.out.extend([b'\\', *b]),
                    Some(b'\n') => self.out.extend(b"\\n"),
                    Some(b'\r') => self.out.extend(b"\\r"),
                    Some(b'\t') => self.out.extend(b"\\t"),
                    Some(b) => self.escape(u16::from(*b)),
                    None => {}
                }
                rest = special.get(1..).unwrap_or_default();
            }
            self.out.extend_from_slice(rest);
            for byte in chunk.invalid() {
                self.escape(surrogate(*byte));
            }
        }
        self.out.push(b'"');
    }

    fn escape(&mut self, unit: u16) {
        // Writing to memory does not fail.
        let _ = write!(self.out, "\\u{unit:04x}");
    }

    fn within(&self) -> Result<(), Fault> {
        if self.out.len() > self.limit { Err(Fault::Limit("size")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Writer) -> Result<(), Fault>) -> Result<String, Fault> {
        let mut writer = Writer::new(100);
        write(&mut writer)?;
        Ok(String::from_utf8(writer.finish()).unwrap())
    }

    #[test]
    fn what_is_written_is_json() {
        let all = text(|w| {
            w.begin(b'[');
            w.raw(b"1.50")?;
            w.begin(b'{');
            w.key(b"a\"b")?;
            w.string(b"\x01\n\xff\xc3\xa9")?;
            w.key(b"c")?;
            w.begin(b'[');
            w.end(b']');
            w.end(b'}');
            w.binary(b"\x0a\x1b")?;
            w.end(b']');
            Ok(())
        });
        let expected = r#"[1.50,{"a\"b":"\u0001\n\udcffé","c":[]},{"$binary":"0a1b"}]"#;
        assert_eq!(all, Ok(expected.to_owned()));
        assert_eq!(text(|w| w.string(&[b'a'; 200])), Err(Fault::Limit("size")));
    }
}
