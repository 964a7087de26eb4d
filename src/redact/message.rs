//! Requests and answers as examples show them: redacted first, then cut.

use super::{Redactor, cut};
use crate::diff::{self, Finding, Places, path};
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

/// What may be shown of a body.
enum Shown {
    /// All of it as text, with what must not be seen replaced.
    Text(String),
    Dump,
    Nothing,
}

/// Which findings about a body hide what they show of it.
#[derive(Default)]
struct Veils {
    lines: bool,
    bytes: bool,
    /// Those about the parts of a form.
    parts: bool,
}

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
        let text = match plain_text(bytes) {
            Some(text) if self.shows_bodies() => Shown::Text(head(text, MAX_BODY + 1).to_owned()),
            None if self.shows_bodies() => Shown::Dump,
            _ => self.shown(content_type, bytes),
        };
        match text {
            Shown::Text(text) => Some((cut(text, MAX_BODY), false)),
            Shown::Dump => Some((dump(&bytes[..bytes.len().min(MAX_DUMP)]), true)),
            Shown::Nothing => None,
        }
    }

    fn shown(&self, content_type: &[u8], bytes: &[u8]) -> Shown {
        let text = plain_text(bytes);
        let places =
            if bytes.is_empty() { Places::Text(Cow::Borrowed(bytes)) } else { diff::places(content_type, bytes) };
        let hides = match (&places, text) {
            (Places::Unknown, _) => true,
            (Places::Coded(json) | Places::Form(json), None) => self.hides(json),
            // What only the decoded body says can't be replaced where it is written.
            (Places::Coded(json), Some(text)) => {
                let json = String::from_utf8_lossy(json);
                self.hides_at_places(&json) || !self.secrets(&json).is_subset(&self.secrets(text))
            }
            (Places::Text(Cow::Owned(in_utf8)), _) => self.hides(in_utf8),
            (Places::Text(Cow::Borrowed(_)), None) => self.hides(bytes),
            (Places::Text(Cow::Borrowed(_)) | Places::Form(_), Some(_)) => false,
        };
        match text {
            _ if hides => Shown::Nothing,
            None if self.hides(bytes) => Shown::Nothing,
            None => Shown::Dump,
            Some(text) => {
                let shown = match places {
                    Places::Form(_) => self.replaced(&self.form(text)),
                    _ => self.replaced(text),
                };
                shown.map_or(Shown::Nothing, Shown::Text)
            }
        }
    }

    /// Hides what is told of the bodies of two answers as a whole, where a line or some bytes of them by themselves may
    /// show what is redacted in all of it. For findings as they were made.
    pub fn bodies(&self, findings: &mut [Finding], answers: [&Answer; 2]) {
        let of_body = |finding: &Finding| finding.location.starts_with("body") || &*finding.location == "text";
        let of_part = |finding: &Finding| finding.location.starts_with("json:$[");
        if self.shows_bodies() || !findings.iter().any(|finding| of_body(finding) || of_part(finding)) {
            return;
        }
        let veils = answers.map(|answer| self.veils(answer));
        let any = |of: fn(&Veils) -> bool| veils.iter().any(of);
        let (lines, bytes, parts) = (any(|v| v.lines), any(|v| v.bytes), any(|v| v.parts));
        for finding in findings {
            let veiled = match of_body(finding) {
                true if finding.kind.starts_with("text.") => lines,
                true => bytes,
                false => parts && of_part(finding),
            };
            if !veiled {
                continue;
            }
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

    fn veils(&self, answer: &Answer) -> Veils {
        let answer = diff::decoded(answer);
        let Some(bytes) = answer.body.contiguous() else { return Veils::default() };
        let content_type = answer.headers.first(&CONTENT_TYPE).unwrap_or_default();
        match (self.shown(content_type, &bytes), plain_text(&bytes)) {
            (Shown::Nothing, _) => {
                Veils { lines: true, bytes: true, parts: content_type.starts_with(b"multipart/form-data") }
            }
            (Shown::Text(shown), Some(text)) if shown != text => {
                let by_line: Option<String> = text.split_inclusive('\n').map(|line| self.replaced(line)).collect();
                // Of a long line a part is shown, which may lack what tells that it is to be redacted.
                let long = text.lines().any(|line| line.len() > diff::EXCERPT);
                Veils { lines: long || by_line != Some(shown), bytes: true, parts: false }
            }
            _ => Veils::default(),
        }
    }

    /// A text with what stands at the configured locations replaced, and what the patterns match; `None` where it can't
    /// be told what stands there.
    fn replaced(&self, text: &str) -> Option<String> {
        let shown = self.json.body(text, &|v| self.tag(v))?;
        Some(self.text(&shown).into_owned())
    }

    /// A form with the values replaced that stand at the configured locations, and what patterns match once decoded.
    fn form(&self, text: &str) -> String {
        let part = |part: &str| String::from_utf8_lossy(&diff::form_text(part.as_bytes())).into_owned();
        let mut seen: HashMap<String, usize> = HashMap::new();
        let mut pair = |pair: &str| {
            let (name, value) = pair.split_once('=').map_or((pair, None), |(name, value)| (name, Some(value)));
            let plain_name = part(name);
            let shown = if self.matches(&plain_name) { self.tag(plain_name.as_bytes()) } else { name.to_owned() };
            let Some(value) = value else { return shown };
            let (mut at, plain) = (String::from("json:$"), part(value));
            path::push_name(&mut at, plain_name.as_bytes());
            // A name that repeats has an array of its values.
            let before = seen.entry(at.clone()).or_default();
            let places = [at.clone(), format!("{at}[{before}]")];
            *before += 1;
            match places.iter().map(|place| self.excerpt(place, &plain)).find(|shown| **shown != plain) {
                Some(redacted) => format!("{shown}={redacted}"),
                None => format!("{shown}={value}"),
            }
        };
        text.split('&').map(&mut pair).collect::<Vec<_>>().join("&")
    }

    /// Whether something stands at a configured location, or may.
    fn hides_at_places(&self, json: &str) -> bool {
        self.json.body(json, &|v| self.tag(v)).is_none_or(|shown| shown != json)
    }

    /// The same, or a pattern matches.
    fn hides(&self, json: &[u8]) -> bool {
        let text = String::from_utf8_lossy(json);
        self.hides_at_places(&text) || self.matches(&text)
    }

    fn captured(&self, headers: &Fields, body: &Captured) -> ExampleMessage {
        let content_type = headers.first(&CONTENT_TYPE).unwrap_or_default();
        let (text, binary) = match body.contiguous().map(|bytes| self.body(content_type, &bytes)) {
            Some(Some(shown)) => shown,
            Some(None) => (format!("[not kept: {} bytes, which hold or may hold what is redacted]", body.len()), false),
            None => (format!("[not kept: {}]", body.summary()), false),
        };
        ExampleMessage { body: text, body_bytes: body.len(), binary, ..ExampleMessage::default() }
    }
}

fn plain_text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| is_plain(text))
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
