//! Redacting inside JSON without touching anything else: values are replaced in the text itself, so that order, white
//! space and number spelling stay as they were sent.

use crate::diff::budget::MAX_DEPTH;
use crate::diff::path::{Path, Select, Step};
use crate::diff::value::text::{Unit, unescape, units};
use regex::{Regex, RegexBuilder};
use std::borrow::Cow;
use std::fmt::Write;

/// The configured locations, followed all at once through a document.
#[derive(Debug, Default)]
pub(super) struct JsonPaths {
    paths: Vec<Vec<Step>>,
    /// The last name of each path, as an expression for all its spellings.
    names: Vec<String>,
    /// For text that should be JSON but is not (cut short, wrapped): any of those names, up to its value.
    loose: Option<Regex>,
}

/// How the tag of a value is made, from the text of a string or the raw text of anything else.
type Tag<'a> = &'a dyn Fn(&[u8]) -> String;

/// Which paths are under way, and how many of their steps have been taken; each once.
type Active = Vec<(usize, usize)>;

/// Why a text was not gone through to its end.
enum Stop {
    NotJson,
    /// A path leads deeper than documents are compared.
    TooDeep,
}

// === impl JsonPaths ===

impl JsonPaths {
    pub(super) fn add(&mut self, location: &str) -> Result<(), String> {
        let path = location.strip_prefix("json:").unwrap_or(location);
        let path = Path::parse_bare(path).map_err(|e| e.to_string())?;
        let name = path.steps.iter().rev().find_map(|step| match &step.select {
            Select::Name(name) => Some(name),
            _ => None,
        });
        if let Some(name) = name {
            self.names.push(spellings(name));
            let pattern = format!(r#""(?:{})"\s*:\s*"#, self.names.join("|"));
            // No number of locations is refused that were taken one by one.
            let loose = RegexBuilder::new(&pattern).size_limit(usize::MAX).build();
            self.loose = Some(loose.map_err(|e| e.to_string())?);
        }
        self.paths.push(path.steps);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// A body: one JSON text, or lines that each are one (NDJSON, server-sent events), or neither. `None` where a path
    /// leads deeper than it is followed.
    pub(super) fn body<'a>(&self, whole: &'a str, tag: Tag<'_>) -> Option<Cow<'a, str>> {
        if self.paths.is_empty() {
            return Some(Cow::Borrowed(whole));
        }
        let (marks, text) = whole.split_at(whole.len() - whole.trim_start_matches('\u{feff}').len());
        Some(format!("{marks}{}", self.unmarked(text, tag)?).into())
    }

    fn unmarked(&self, text: &str, tag: Tag<'_>) -> Option<String> {
        match self.document(text, &self.start(), tag) {
            Ok(done) => return Some(done),
            Err(Stop::TooDeep) => return None,
            Err(Stop::NotJson) => {}
        }
        // The events of a stream are located as elements of one array.
        let mut events = self.start();
        events.extend(self.advance(&self.start(), |s| matches!(s, Select::Wild | Select::Index(_))));
        let line = |line: &str| {
            let at = line.find(['{', '[']).unwrap_or(0);
            let (lead, json) = line.split_at(at);
            match self.document(json, &events, tag) {
                Ok(done) => Some(format!("{lead}{done}")),
                Err(Stop::NotJson) => Some(self.loosely(line, tag)),
                Err(Stop::TooDeep) => None,
            }
        };
        // Line by line only where every line stands for itself; else a value may run over several.
        if text.lines().any(|l| serde_json::from_str::<serde::de::IgnoredAny>(l.trim_start_matches("data:")).is_ok()) {
            return text.split_inclusive('\n').map(line).collect();
        }
        Some(self.loosely(text, tag))
    }

    /// The excerpt of a value at an exact place such as `$.a[3].b`.
    pub(super) fn excerpt<'a>(&self, place: &str, text: &'a str, tag: Tag<'_>) -> Cow<'a, str> {
        if self.paths.is_empty() {
            return Cow::Borrowed(text);
        }
        let Ok(Path { steps }) = Path::parse(place) else {
            // Where a path can't be read, nothing tells what it leads to; other places have no path.
            let shown = if place.starts_with('$') { tag(text.as_bytes()) } else { self.loosely(text, tag) };
            return shown.into();
        };
        let mut active = self.start();
        for step in &steps {
            active = self.advance(&active, |wanted| match (wanted, &step.select) {
                (Select::Wild, _) | (_, Select::Wild) => true,
                (wanted, step) => wanted == step,
            });
            if self.hit(&active) {
                let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
                return tag(inner.as_bytes()).into();
            }
        }
        let shown = match self.document(text, &active, tag) {
            Ok(done) => done,
            Err(Stop::NotJson) => self.loosely(text, tag),
            Err(Stop::TooDeep) => tag(text.as_bytes()),
        };
        shown.into()
    }

    fn loosely(&self, text: &str, tag: Tag<'_>) -> String {
        let Some(names) = &self.loose else { return text.to_owned() };
        let (mut out, mut copied) = (String::with_capacity(text.len()), 0);
        while let Some(found) = names.find_at(text, copied) {
            // What is not ended goes on to the end of the text.
            let end = skip(text.as_bytes(), found.end()).unwrap_or(match text.as_bytes().get(found.end()) {
                None | Some(b'}' | b']') => found.end(),
                Some(_) => text.len(),
            });
            out.push_str(text.get(copied..found.end()).unwrap_or_default());
            let value = text.get(found.end()..end).unwrap_or_default();
            if !value.is_empty() {
                let _ = write!(out, "\"{}\"", tag(value.trim_matches('"').as_bytes()));
            }
            copied = end;
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        out
    }

    fn document(&self, text: &str, active: &Active, tag: Tag<'_>) -> Result<String, Stop> {
        serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|_| Stop::NotJson)?;
        let out = String::with_capacity(text.len());
        let mut walk = Walk { paths: self, text, at: 0, copied: 0, out, tag, depth: 0 };
        walk.value(active)?;
        walk.out.push_str(text.get(walk.copied..).unwrap_or_default());
        Ok(walk.out)
    }

    fn start(&self) -> Active {
        (0..self.paths.len()).map(|p| (p, 0)).collect()
    }

    fn hit(&self, active: &Active) -> bool {
        active.iter().any(|(path, taken)| *taken == self.paths[*path].len())
    }

    /// The paths that go on below a child, given which steps it satisfies.
    fn advance(&self, active: &Active, takes: impl Fn(&Select) -> bool) -> Active {
        let mut next = Active::new();
        for (path, taken) in active {
            let Some(step) = self.paths.get(*path).and_then(|steps| steps.get(*taken)) else { continue };
            if step.descendant {
                next.push((*path, *taken));
            }
            if takes(&step.select) {
                next.push((*path, taken + 1));
            }
        }
        // With two `..` one place is come to on several ways.
        next.sort_unstable();
        next.dedup();
        next
    }
}

/// A name of a member as an expression for all the ways to write it between quotes.
fn spellings(name: &[u8]) -> String {
    let mut out = String::new();
    let escaped = |out: &mut String, code: u16| {
        let _ = write!(out, "\\\\u(?i:{code:04x})");
    };
    for unit in units(name) {
        let c = match unit {
            Unit::Char(c) => c,
            Unit::Surrogate(code) => {
                escaped(&mut out, code);
                continue;
            }
        };
        out.push_str("(?:");
        out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
        let short = match c {
            '"' | '\\' | '/' => Some(c),
            '\u{8}' => Some('b'),
            '\u{c}' => Some('f'),
            '\n' => Some('n'),
            '\r' => Some('r'),
            '\t' => Some('t'),
            _ => None,
        };
        if let Some(short) = short {
            out.push_str("|\\\\");
            out.push_str(&regex::escape(short.encode_utf8(&mut [0; 4])));
        }
        out.push('|');
        c.encode_utf16(&mut [0; 2]).iter().for_each(|code| escaped(&mut out, *code));
        out.push(')');
    }
    out
}

// === Walk ===

/// Goes through a text known to be JSON and copies it, but for the values that are hit.
struct Walk<'a> {
    paths: &'a JsonPaths,
    text: &'a str,
    at: usize,
    copied: usize,
    out: String,
    tag: Tag<'a>,
    depth: usize,
}

impl Walk<'_> {
    fn value(&mut self, active: &Active) -> Result<(), Stop> {
        self.space();
        let from = self.at;
        if self.paths.hit(active) {
            let raw = self.skip()?;
            let inner = raw.strip_prefix('"').and_then(|r| r.strip_suffix('"')).unwrap_or(raw);
            self.out.push_str(self.text.get(self.copied..from).ok_or(Stop::NotJson)?);
            let _ = write!(self.out, "\"{}\"", (self.tag)(inner.as_bytes()));
            self.copied = self.at;
            return Ok(());
        }
        let object = match self.peek()? {
            b'{' if !active.is_empty() => true,
            b'[' if !active.is_empty() => false,
            _ => return self.skip().map(drop),
        };
        if self.depth >= MAX_DEPTH {
            return Err(Stop::TooDeep);
        }
        self.depth += 1;
        self.at += 1;
        if object { self.members(active) } else { self.elements(active) }?;
        self.at += 1;
        self.depth -= 1;
        Ok(())
    }

    fn members(&mut self, active: &Active) -> Result<(), Stop> {
        loop {
            self.space();
            match self.peek()? {
                b'}' => return Ok(()),
                b',' => self.at += 1,
                _ => {
                    let name = self.skip()?;
                    let name = name.strip_prefix('"').and_then(|n| n.strip_suffix('"')).ok_or(Stop::NotJson)?;
                    let name = unescape(name.as_bytes());
                    self.space();
                    // The colon.
                    self.at += 1;
                    let next = self.paths.advance(active, |s| match s {
                        Select::Wild => true,
                        Select::Name(wanted) => **wanted == *name,
                        Select::Index(_) => false,
                    });
                    self.value(&next)?;
                }
            }
        }
    }

    fn elements(&mut self, active: &Active) -> Result<(), Stop> {
        let mut index = 0;
        loop {
            self.space();
            match self.peek()? {
                b']' => return Ok(()),
                b',' => self.at += 1,
                _ => {
                    let next = self.paths.advance(active, |s| match s {
                        Select::Wild => true,
                        Select::Index(wanted) => *wanted == index,
                        Select::Name(_) => false,
                    });
                    self.value(&next)?;
                    index += 1;
                }
            }
        }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Ok(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Result<u8, Stop> {
        self.text.as_bytes().get(self.at).copied().ok_or(Stop::NotJson)
    }
}

impl<'a> Walk<'a> {
    /// Over one whole value; its text.
    fn skip(&mut self) -> Result<&'a str, Stop> {
        let from = self.at;
        self.at = skip(self.text.as_bytes(), from).ok_or(Stop::NotJson)?;
        self.text.get(from..self.at).ok_or(Stop::NotJson)
    }
}

/// The end of the value that begins at `at`; `None` where it has none.
fn skip(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0usize;
    loop {
        match *bytes.get(at)? {
            b'"' => {
                at += 1;
                while *bytes.get(at)? != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            // A number or a word.
            _ => {
                while bytes.get(at).is_some_and(|b| !b",:]} \t\r\n".contains(b)) {
                    at += 1;
                }
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_names_may_hold_any_sign() {
        let shown = |path: &str, body: &str| {
            let mut paths = JsonPaths::default();
            paths.add(path).unwrap();
            paths.body(body, &|_| "#".to_owned()).unwrap().into_owned()
        };
        for (path, body, expected) in [
            ("json:$.user-id", r#"{"user-id":1,"user":2}"#, r##"{"user-id":"#","user":2}"##),
            ("$..@type", r#"{"a":{"@type":"x"}}"#, r##"{"a":{"@type":"#"}}"##),
            ("$.items.0.x", r#"{"items":{"0":{"x":1}}}"#, r##"{"items":{"0":{"x":"#"}}}"##),
            ("$.x:y", r#"{"x:y":1"#, r##"{"x:y":"#""##),
        ] {
            assert_eq!(shown(path, body), expected, "{path}");
        }
    }
}
