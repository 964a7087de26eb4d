//! Requests and answers as examples show them: redacted first, then cut.

use super::{Redactor, cut};
use crate::diff::{self, Finding, Places};
use crate::evidence::ExampleMessage;
use crate::model::{Answer, BodyEnd, Captured, Fields, Outcome, RequestHead};
use http::header::CONTENT_TYPE;
use std::borrow::Cow;
use std::collections::HashMap;
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
        ExampleMessage { start, headers: self.headers(head.headers.table()), ..self.captured(&head.headers, body) }
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
        ExampleMessage { start: cut(start, MAX_START), headers, ..self.captured(&answer.headers, &answer.body) }
    }

    /// A body of this Content-Type as text, redacted whole and cut after that; or the beginning of it as a hex dump, with
    /// `true`. `None` where it holds what must not be seen, in a form in which that cannot be replaced.
    pub fn body(&self, content_type: &[u8], bytes: &[u8]) -> Option<(String, bool)> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| is_plain(text));
        if self.shows_bodies() {
            return Some(match text {
                Some(text) => (cut(head(text, MAX_BODY + 1).to_owned(), MAX_BODY), false),
                None => (dump(&bytes[..bytes.len().min(MAX_DUMP)]), true),
            });
        }
        let places = diff::places(content_type, bytes);
        let hides = match &places {
            Places::Unknown => !self.json.is_empty(),
            // By a pattern where it reads otherwise than it is written: the text itself is looked through below.
            Places::Coded(json) => self.hides_at_places(json) || self.matches(json) && !self.matches(bytes),
            Places::Text(Cow::Owned(in_utf8)) => self.hides_at_places(in_utf8) || self.matches(in_utf8),
            Places::Text(Cow::Borrowed(_)) | Places::Form(_) => false,
        };
        match text {
            _ if hides => None,
            Some(text) if matches!(places, Places::Form(_)) => {
                Some((cut(self.replaced(&self.form(text)), MAX_BODY), false))
            }
            Some(text) => Some((cut(self.replaced(text), MAX_BODY), false)),
            None if self.hides_at_places(bytes) || self.matches(bytes) => None,
            None => Some((dump(&bytes[..bytes.len().min(MAX_DUMP)]), true)),
        }
    }

    /// Hides what is told of the bodies of two answers as a whole, where a line or some bytes of them by themselves may
    /// show what is redacted in all of it. For findings as they were made.
    pub fn bodies(&self, findings: &mut [Finding], answers: [&Answer; 2]) {
        let of_body = |finding: &Finding| finding.location.starts_with("body") || &*finding.location == "text";
        if self.shows_bodies() || !findings.iter().any(of_body) || !answers.into_iter().any(|a| self.veils(a)) {
            return;
        }
        for finding in findings.iter_mut().filter(|finding| of_body(finding)) {
            for excerpt in [&mut finding.primary, &mut finding.candidate].into_iter().flatten() {
                *excerpt = self.tag(excerpt.as_bytes());
            }
            if &*finding.kind == "text.hunk" {
                for class in [&mut finding.primary_class, &mut finding.candidate_class] {
                    *class = self.tag(class.as_bytes()).into();
                }
            }
        }
    }

    fn veils(&self, answer: &Answer) -> bool {
        let answer = diff::decoded(answer);
        let Some(bytes) = answer.body.contiguous() else { return false };
        let content_type = answer.headers.first(&CONTENT_TYPE).unwrap_or_default();
        match (self.body(content_type, &bytes), std::str::from_utf8(&bytes)) {
            (None, _) => true,
            (Some((_, false)), Ok(text)) => {
                let by_line: String = text.split_inclusive('\n').map(|line| self.replaced(line)).collect();
                by_line != self.replaced(&self.form_or(content_type, text))
            }
            _ => false,
        }
    }

    fn form_or<'t>(&self, content_type: &[u8], text: &'t str) -> Cow<'t, str> {
        match diff::places(content_type, text.as_bytes()) {
            Places::Form(_) => self.form(text).into(),
            _ => text.into(),
        }
    }

    /// A text with what stands at the configured locations replaced, and what the patterns match.
    fn replaced(&self, text: &str) -> String {
        self.text(&self.json.body(text, &|v| self.tag(v))).into_owned()
    }

    /// A form with the values replaced that stand at the configured locations, or that patterns match once decoded.
    fn form(&self, text: &str) -> String {
        let part = |part: &str| String::from_utf8_lossy(&diff::form_text(part.as_bytes())).into_owned();
        let mut seen: HashMap<String, usize> = HashMap::new();
        let mut pair = |pair: &str| {
            let Some((name, value)) = pair.split_once('=') else { return pair.to_owned() };
            let (at, plain) = (part(name).replace('\\', "\\\\").replace('\'', "\\'"), part(value));
            // A name that repeats has an array of its values.
            let before = seen.entry(at.clone()).or_default();
            let places = [format!("json:$['{at}']"), format!("json:$['{at}'][{before}]")];
            *before += 1;
            match places.iter().map(|place| self.excerpt(place, &plain)).find(|shown| **shown != plain) {
                Some(shown) => format!("{name}={shown}"),
                None => pair.to_owned(),
            }
        };
        text.split('&').map(&mut pair).collect::<Vec<_>>().join("&")
    }

    /// Whether something stands at a configured location.
    fn hides_at_places(&self, json: &[u8]) -> bool {
        let text = String::from_utf8_lossy(json);
        self.json.body(&text, &|v| self.tag(v)) != text
    }

    /// Whether a pattern matches.
    fn matches(&self, bytes: &[u8]) -> bool {
        let text = String::from_utf8_lossy(bytes);
        self.patterns.iter().any(|pattern| pattern.is_match(&text))
    }

    fn captured(&self, headers: &Fields, body: &Captured) -> ExampleMessage {
        let content_type = headers.first(&CONTENT_TYPE).unwrap_or_default();
        let (text, binary) = match body.contiguous().map(|bytes| self.body(content_type, &bytes)) {
            Some(Some(shown)) => shown,
            Some(None) => (format!("[not kept: {} bytes, in which something is redacted]", body.len()), false),
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
