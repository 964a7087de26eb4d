//! Requests and answers as examples show them: redacted first, then cut.

use super::{Redactor, cut};
use crate::evidence::ExampleMessage;
use crate::model::{Answer, BodyEnd, Captured, Outcome, RequestHead};
use std::fmt::Write;

/// Bytes of a body that an example shows.
pub const MAX_BODY: usize = 16 * 1024;
/// Bytes of a binary body that are dumped.
const MAX_DUMP: usize = 512;
/// Bytes of a request line that are shown.
const MAX_START: usize = 4096;

impl Redactor {
    /// A request as it was sent to the legs.
    pub fn request(&self, head: &RequestHead, body: &Captured) -> ExampleMessage {
        let start = cut(format!("{} {}", head.method, self.text(&head.uri.to_string())), MAX_START);
        ExampleMessage { start, headers: self.headers(head.headers.table()), ..self.captured(body) }
    }

    /// What a leg did.
    pub fn outcome(&self, outcome: &Outcome) -> ExampleMessage {
        match outcome {
            Outcome::Answer(answer) => self.answer(answer),
            Outcome::Failed(failure) => {
                let start = format!("transport.{}: {}", failure.kind.as_str(), self.text(&failure.detail));
                ExampleMessage { start: cut(start, MAX_START), ..ExampleMessage::default() }
            }
        }
    }

    /// An answer; its body should have no content coding any more where that could be removed.
    pub fn answer(&self, answer: &Answer) -> ExampleMessage {
        let reason = answer.reason.text(answer.status);
        let mut start = format!("{} {}", answer.status.as_str(), self.text(&reason)).trim_end().to_owned();
        if let BodyEnd::Broken(failure) = &answer.end {
            let _ = write!(start, " (transport.{}: {})", failure.kind.as_str(), self.text(&failure.detail));
        }
        if let BodyEnd::Cut { events } = &answer.end {
            let _ = match events {
                1 => write!(start, " (compared over the first event)"),
                n => write!(start, " (compared over the first {n} events)"),
            };
        }
        let mut headers = self.headers(answer.headers.table());
        for (name, value) in answer.trailers.iter().flat_map(|t| self.headers(t)) {
            headers.push((format!("trailer:{name}"), value));
        }
        ExampleMessage { start: cut(start, MAX_START), headers, ..self.captured(&answer.body) }
    }

    /// A body as text, redacted whole and cut after that; or the beginning of it as a hex dump, with `true`.
    pub fn body(&self, bytes: &[u8]) -> (String, bool) {
        match std::str::from_utf8(bytes) {
            Ok(text) if is_plain(text) => (self.plain(text), false),
            _ => (dump(&bytes[..bytes.len().min(MAX_DUMP)]), true),
        }
    }

    fn plain(&self, text: &str) -> String {
        if self.shows_bodies() {
            return cut(head(text, MAX_BODY + 1).to_owned(), MAX_BODY);
        }
        let text = self.json.body(text, &|v| self.tag(v));
        cut(self.text(&text).into_owned(), MAX_BODY)
    }

    fn captured(&self, body: &Captured) -> ExampleMessage {
        let (text, binary) = match body.contiguous() {
            Some(bytes) => self.body(&bytes),
            None => (format!("[not kept: {}]", body.summary()), false),
        };
        ExampleMessage { body: text, body_bytes: body.len(), binary, ..ExampleMessage::default() }
    }
}

/// The beginning of a text, of at least `bytes` where it is as long.
fn head(text: &str, bytes: usize) -> &str {
    let end = (bytes..text.len()).find(|i| text.is_char_boundary(*i)).unwrap_or(text.len());
    text.get(..end).unwrap_or(text)
}

/// Whether a text holds no control character but those that texts are laid out with.
fn is_plain(text: &str) -> bool {
    let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\x1b' | '\x0c');
    // Looked for by whole blocks, which processors are quick at: such a byte, or the first of two that may be one.
    let low = |b: u8| (b < b' ') | (b == 0x7F) | (b == 0xC2);
    let laid_out = |b: u8| (b == b'\n') | (b == b'\r') | (b == b'\t') | (b == 0x1B) | (b == 0x0C);
    let clean = text.as_bytes().chunks(256).all(|block| {
        !block.iter().fold(false, |seen, b| seen | low(*b))
            || !block.iter().fold(false, |seen, b| seen | low(*b) & !laid_out(*b))
    });
    clean || !text.chars().any(control)
}

/// Sixteen bytes to a line: offset, hexadecimal, what is printable.
fn dump(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 5);
    for (i, row) in bytes.chunks(16).enumerate() {
        let _ = write!(out, "{:08x} ", i * 16);
        for at in 0..16 {
            let _ = match row.get(at) {
                Some(byte) => write!(out, " {byte:02x}"),
                None => write!(out, "   "),
            };
        }
        let plain: String =
            row.iter().map(|b| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { '.' }).collect();
        let _ = writeln!(out, "  |{plain}|");
    }
    out
}
