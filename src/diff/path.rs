//! JSONPath as locations use it: the part of RFC 9535 that names places, read from rules and written into reports.
//!
//! Filters, slices, unions and negative indexes are refused with a position: a rule stands at one place. What
//! [`push_name`] and [`push_index`] write parses back into a path that matches where it came from.

use super::value::shape::looks_like_id;
use super::value::text::{Unit, push_unit, units};
use std::fmt::Write;

/// Keys longer than this are written as `.*`, so that a location stays readable.
const MAX_KEY: usize = 128;

/// A parsed path, without the `$`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    pub steps: Vec<Step>,
}

/// One segment with its one selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `..`: at any depth below.
    pub descendant: bool,
    pub select: Select,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Select {
    /// A member by name, unescaped (WTF-8 where it holds lone surrogates).
    Name(Box<[u8]>),
    Index(usize),
    /// Any member or element.
    Wild,
}

/// Why a path could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at character {at} of the path)")]
pub struct PathError {
    /// Counted from 1.
    pub at: usize,
    pub message: String,
}

/// How narrow a path is; of two that match one place the greater wins.
pub type Specificity = (usize, usize, std::cmp::Reverse<usize>);

/// Writes one member of an object onto a location: `.name`, or `['na me']` where it is no identifier.
pub fn push_name(out: &mut String, key: &[u8]) {
    if key.len() > MAX_KEY {
        out.push_str(".*");
        return;
    }
    if let Some(name) = std::str::from_utf8(key).ok().filter(|k| is_shorthand(k)) {
        out.push('.');
        out.push_str(name);
        return;
    }
    out.push_str("['");
    for unit in units(key) {
        match unit {
            Unit::Char('\'') => out.push_str("\\'"),
            Unit::Char('\\') => out.push_str("\\\\"),
            Unit::Char('\n') => out.push_str("\\n"),
            Unit::Char('\r') => out.push_str("\\r"),
            Unit::Char('\t') => out.push_str("\\t"),
            Unit::Char(c) if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            Unit::Char(c) => out.push(c),
            Unit::Surrogate(s) => {
                let _ = write!(out, "\\u{s:04x}");
            }
        }
    }
    out.push_str("']");
}

/// Like [`push_name`], with `.*` for a key that looks like an id.
pub fn push_name_pattern(out: &mut String, key: &[u8]) {
    if std::str::from_utf8(key).is_ok_and(looks_like_id) { out.push_str(".*") } else { push_name(out, key) }
}

/// Writes one position of an array onto an exact location.
pub fn push_index(out: &mut String, index: usize) {
    let _ = write!(out, "[{index}]");
}

fn is_shorthand(name: &str) -> bool {
    let mut chars = name.chars();
    let word = |c: char| c == '_' || c.is_ascii_alphanumeric() || (!c.is_ascii() && c.is_alphanumeric());
    chars.next().is_some_and(|c| word(c) && !c.is_ascii_digit()) && chars.all(word)
}

// === impl Path ===

impl Path {
    /// Reads `$` and the segments after it.
    ///
    /// # Errors
    /// What is not of the subset, with its position and what to write instead.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        Reader { text, at: 0, bare: false }.path()
    }

    /// Like [`Path::parse`], but a name after a dot goes on to the next dot or bracket, whatever its signs: `$.user-id`,
    /// `$.@type`, `$.items.0`.
    ///
    /// # Errors
    /// As there.
    pub fn parse_bare(text: &str) -> Result<Self, PathError> {
        Reader { text, at: 0, bare: true }.path()
    }

    /// Reads the way from an element to what identifies it: `meta.id`, `[0]`, `tags[0]`. Names between dots may hold
    /// other signs too, as long as no bracket is among them.
    ///
    /// # Errors
    /// What is no such way, or leads to several places.
    pub fn below(text: &str) -> Result<Self, PathError> {
        if !text.contains(['[', ']']) {
            let step = |name: &str| Step { descendant: false, select: Select::Name(name.as_bytes().into()) };
            return Ok(Self { steps: text.split('.').map(step).collect() });
        }
        let dot = if text.starts_with('[') { "" } else { "." };
        let path = Self::parse(&format!("${dot}{text}"))?;
        match path.steps.iter().position(|s| s.descendant || s.select == Select::Wild) {
            Some(at) => Err(PathError { at: at + 1, message: "it leads to several places".into() }),
            None => Ok(path),
        }
    }

    /// Names count most, then wild steps, then the absence of `..`.
    pub fn specificity(&self) -> Specificity {
        let wild = self.steps.iter().filter(|s| s.select == Select::Wild).count();
        let deep = self.steps.iter().filter(|s| s.descendant).count();
        (self.steps.len() - wild, wild, std::cmp::Reverse(deep))
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Whether names after dots may hold any sign.
    bare: bool,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn eat(&mut self, what: &str) -> bool {
        let found = self.rest().starts_with(what);
        if found {
            self.at += what.len();
        }
        found
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.at += 1;
        }
    }

    fn error<T>(&self, message: impl Into<String>) -> Result<T, PathError> {
        let before = self.text.get(..self.at).unwrap_or(self.text);
        Err(PathError { at: before.chars().count() + 1, message: message.into() })
    }

    fn path(mut self) -> Result<Path, PathError> {
        if !self.eat("$") {
            return self.error("a path starts with `$`, e.g. `$.items[*].price`");
        }
        let mut steps = Vec::new();
        loop {
            let before = self.at;
            self.blanks();
            if self.rest().is_empty() {
                if before != self.at {
                    return self.error("white space after the path");
                }
                return Ok(Path { steps });
            }
            let descendant = self.eat("..");
            let select = if self.peek() == Some('[') {
                self.at += 1;
                self.bracket()?
            } else if descendant || self.eat(".") {
                self.dotted()?
            } else {
                return self.error("expected `.name`, `[...]` or `..`");
            };
            steps.push(Step { descendant, select });
        }
    }

    fn dotted(&mut self) -> Result<Select, PathError> {
        if self.bare {
            return self.bare();
        }
        if self.eat("*") {
            return Ok(Select::Wild);
        }
        let start = self.at;
        while let Some(c) = self.peek() {
            let first = self.at == start;
            if c == '_' || c.is_ascii_alphabetic() || !c.is_ascii() || (!first && c.is_ascii_digit()) {
                self.at += c.len_utf8();
            } else {
                break;
            }
        }
        let name = self.text.get(start..self.at).unwrap_or("");
        if name.is_empty() {
            return self.error("expected a name or `*`; names with other signs are written `['a-b']`");
        }
        if matches!(self.peek(), Some('-' | '@' | '/' | ':' | '#' | '+' | '~' | '=')) {
            return self.error("this sign can't stand in a bare name; write `['a-b']`");
        }
        Ok(Select::Name(name.as_bytes().into()))
    }

    fn bare(&mut self) -> Result<Select, PathError> {
        let rest = self.rest();
        let name = rest.split(['.', '[']).next().unwrap_or_default().trim_end_matches([' ', '\t', '\n', '\r']);
        self.at += name.len();
        match name {
            "" => self.error("expected a name or `*`"),
            "*" => Ok(Select::Wild),
            name => Ok(Select::Name(name.as_bytes().into())),
        }
    }

    fn bracket(&mut self) -> Result<Select, PathError> {
        self.blanks();
        let select = match self.peek() {
            Some('*') => {
                self.at += 1;
                Select::Wild
            }
            Some(quote @ ('\'' | '"')) => {
                self.at += 1;
                Select::Name(self.quoted(quote)?)
            }
            Some('0'..='9') => self.index()?,
            Some('-') => return self.error("negative indexes are not supported; use `[*]` or a position"),
            Some('?') => return self.error("filters are not supported; use `[*]`, `[3]` or `['name']`"),
            Some(':') => return self.error("slices are not supported; use `[*]` or `[3]`"),
            _ => return self.error("expected `*`, a position or a quoted name"),
        };
        self.blanks();
        match self.peek() {
            Some(']') => {
                self.at += 1;
                Ok(select)
            }
            Some(',') => self.error("several selectors in one bracket are not supported; write one rule for each"),
            Some(':') => self.error("slices are not supported; use `[*]` or `[3]`"),
            _ => self.error("expected `]`"),
        }
    }

    fn index(&mut self) -> Result<Select, PathError> {
        let start = self.at;
        while matches!(self.peek(), Some('0'..='9')) {
            self.at += 1;
        }
        let digits = self.text.get(start..self.at).unwrap_or("");
        if digits.len() > 1 && digits.starts_with('0') {
            self.at = start;
            return self.error("a position has no leading zero");
        }
        match digits.parse::<u32>() {
            Ok(i) => Ok(Select::Index(i as usize)),
            Err(_) => {
                self.at = start;
                self.error("the position is too large")
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Box<[u8]>, PathError> {
        let mut name = Vec::new();
        loop {
            match self.next() {
                None => return self.error(format!("the name is not closed with {quote}")),
                Some(c) if c == quote => return Ok(name.into()),
                Some('\\') => {
                    let unit = match self.next() {
                        Some('b') => Unit::Char('\u{8}'),
                        Some('f') => Unit::Char('\u{c}'),
                        Some('n') => Unit::Char('\n'),
                        Some('r') => Unit::Char('\r'),
                        Some('t') => Unit::Char('\t'),
                        Some(c) if c == quote || c == '/' || c == '\\' => Unit::Char(c),
                        Some('u') => self.unicode()?,
                        _ => return self.error("unknown escape in a name"),
                    };
                    push_unit(&mut name, unit);
                }
                Some(c) if u32::from(c) < 0x20 => return self.error("control characters in a name are escaped"),
                Some(c) => push_unit(&mut name, Unit::Char(c)),
            }
        }
    }

    /// Four hexadecimal digits, joined with a second escape where the two are a surrogate pair.
    fn unicode(&mut self) -> Result<Unit, PathError> {
        let high = self.hex4()?;
        if (0xD800..0xDC00).contains(&high) && self.rest().starts_with("\\u") {
            let back = self.at;
            self.at += 2;
            let low = self.hex4()?;
            if (0xDC00..0xE000).contains(&low) {
                let code = 0x10000 + ((u32::from(high) - 0xD800) << 10) + (u32::from(low) - 0xDC00);
                return Ok(char::from_u32(code).map_or(Unit::Surrogate(high), Unit::Char));
            }
            self.at = back;
        }
        Ok(char::from_u32(u32::from(high)).map_or(Unit::Surrogate(high), Unit::Char))
    }

    fn hex4(&mut self) -> Result<u16, PathError> {
        match self.rest().get(..4).filter(|h| h.bytes().all(|b| b.is_ascii_hexdigit())) {
            Some(hex) => {
                self.at += 4;
                Ok(u16::from_str_radix(hex, 16).unwrap_or(0))
            }
            None => self.error("expected four hexadecimal digits after \\u"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn show(path: &Path) -> String {
        let mut out = String::from("$");
        for step in &path.steps {
            if step.descendant {
                out.push_str("..");
            }
            match &step.select {
                Select::Name(n) => {
                    let _ = write!(out, "<{}>", String::from_utf8_lossy(n));
                }
                Select::Index(i) => {
                    let _ = write!(out, "<#{i}>");
                }
                Select::Wild => out.push_str("<*>"),
            }
        }
        out
    }

    #[test]
    fn what_is_read() {
        for (text, expect) in [
            ("$", "$"),
            ("$.a.b", "$<a><b>"),
            ("$.data.result[*].value[1]", "$<data><result><*><value><#1>"),
            ("$..requestId", "$..<requestId>"),
            ("$..*", "$..<*>"),
            ("$..[*]", "$..<*>"),
            ("$..['a b'][0]", "$..<a b><#0>"),
            ("$.*[ \"q'\\\"\" ]", "$<*><q'\">"),
            ("$['\\u00e9\\'\\\\']", "$<é'\\>"),
            ("$['\\ud83d\\ude00']", "$<😀>"),
            ("$ .a [0]", "$<a><#0>"),
            ("$.ünïcode_1", "$<ünïcode_1>"),
        ] {
            assert_eq!(Path::parse(text).map(|p| show(&p)), Ok(expect.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (text, at, part) in [
            ("", 1, "starts with `$`"),
            ("a.b", 1, "starts with `$`"),
            ("$.a[?@.b]", 5, "filters"),
            ("$.a[1:2]", 6, "slices"),
            ("$.a[:2]", 5, "slices"),
            ("$.a[1,2]", 6, "several selectors"),
            ("$.a[-1]", 5, "negative"),
            ("$.a[01]", 5, "leading zero"),
            ("$.a-b", 4, "['a-b']"),
            ("$.1", 3, "expected a name"),
            ("$.", 3, "expected a name"),
            ("$..", 4, "expected a name"),
            ("$['a", 5, "not closed"),
            ("$['a'", 6, "expected `]`"),
            ("$['\\x']", 6, "unknown escape"),
            ("$a", 2, "expected `.name`"),
            ("$.a ", 5, "white space"),
            ("$[99999999999]", 3, "too large"),
        ] {
            let error = Path::parse(text).expect_err(text);
            assert!(error.message.contains(part), "{text}: {error}");
            assert_eq!(error.at, at, "{text}: {error}");
        }
    }

    #[test]
    fn bare_names_go_on_to_the_next_dot_or_bracket() {
        for (text, expect) in [
            ("$.user-id", "$<user-id>"),
            ("$.@type", "$<@type>"),
            ("$.$ref[0]", "$<$ref><#0>"),
            ("$.items.0.x", "$<items><0><x>"),
            ("$.x:y..a/b", "$<x:y>..<a/b>"),
            ("$.user email", "$<user email>"),
            ("$.*.*x[*]..*", "$<*><*x><*>..<*>"),
            ("$ .a [0]..['b-c']", "$<a><#0>..<b-c>"),
        ] {
            assert_eq!(Path::parse_bare(text).map(|p| show(&p)), Ok(expect.to_owned()), "{text}");
        }
        for text in ["", "a", "$.", "$..", "$.a..", "$.a ", "$a", "$.a['b','c']", "$.a[01]", "$.a[?@.b]", "$.a[0]b"] {
            assert!(Path::parse_bare(text).is_err(), "{text}");
        }
    }

    #[test]
    fn narrower_wins() {
        let order = ["$..*", "$.*", "$..x", "$.x", "$.*.x", "$.a..x", "$.a.x", "$.a[*].x", "$.a.b.x"];
        let of = |t: &str| Path::parse(t).unwrap().specificity();
        assert!(order.is_sorted_by(|a, b| of(a) < of(b)));
    }

    #[test]
    fn ids_become_wild() {
        for (key, expect) in [
            ("name", ".name"),
            ("we ird", "['we ird']"),
            ("42", ".*"),
            ("2fa", "['2fa']"),
            ("1b4e28ba-2fa1-11d2-883f-0016d3cca427", ".*"),
            ("a@b.example", ".*"),
            ("10.0.0.1", ".*"),
            ("billing_address_line1", ".billing_address_line1"),
            ("it's", "['it\\'s']"),
            ("", "['']"),
        ] {
            let mut out = String::new();
            push_name_pattern(&mut out, key.as_bytes());
            assert_eq!(out, expect, "{key}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(key in "\\PC{0,20}|[\\x00-\\x7f]{0,12}", index in 0usize..100_000) {
            let mut text = String::from("$");
            push_name(&mut text, key.as_bytes());
            push_index(&mut text, index);
            let path = Path::parse(&text).map_err(|e| TestCaseError::fail(format!("{text}: {e}")))?;
            let selects: Vec<_> = path.steps.into_iter().map(|s| s.select).collect();
            prop_assert_eq!(selects, vec![Select::Name(key.as_bytes().into()), Select::Index(index)]);
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\$?[.\\[\\]*'\"a-c0-9?:, \\\\u\\PC]{0,24}") {
            let strict = Path::parse(&text);
            let bare = Path::parse_bare(&text);
            prop_assert!(strict.is_err() || strict == bare, "{text}");
        }
    }
}
