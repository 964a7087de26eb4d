//! Redacting inside JSON without touching anything else: values are replaced in the text itself, so that order, white
//! space and number spelling stay as they were sent.

use regex::Regex;
use std::borrow::Cow;

/// The configured locations, followed all at once through a document.
#[derive(Debug, Default)]
pub(super) struct JsonPaths {
    paths: Vec<Vec<Step>>,
    /// For text that should be JSON but is not (cut short, wrapped): the last name of each path and what follows it.
    loose: Vec<Regex>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
    /// `.*` or `[*]`: any member or element.
    Any,
    /// `..`: what comes next may stand at any depth.
    Deep,
}

/// How the tag of a value is made, from the text of a string or the raw text of anything else.
type Tag<'a> = &'a dyn Fn(&[u8]) -> String;

/// Which paths are under way, and how many of their steps have been taken.
type Active = Vec<(usize, usize)>;

// === impl JsonPaths ===

impl JsonPaths {
    pub(super) fn add(&mut self, location: &str) -> Result<(), String> {
        let path = parse(location.strip_prefix("json:").unwrap_or(location))
            .ok_or("a location such as json:$.user.email, json:$..token or json:$.items[*].key is expected")?;
        if let Some(Step::Key(key)) = path.iter().rev().find(|s| matches!(s, Step::Key(_))) {
            let key = regex::escape(&escaped(key));
            let value = r#""(?:[^"\\]|\\.)*(?:"|\\?$)|[^"\s,\]}][^\s,\]}]*"#;
            let pattern = format!(r#"("{key}"\s*:\s*)({value})"#);
            self.loose.push(Regex::new(&pattern).map_err(|e| e.to_string())?);
        }
        self.paths.push(path);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// A body: one JSON text, or lines that each are one (NDJSON, server-sent events), or neither.
    pub(super) fn body<'a>(&self, whole: &'a str, tag: Tag<'_>) -> Cow<'a, str> {
        if self.paths.is_empty() {
            return Cow::Borrowed(whole);
        }
        let (marks, text) = whole.split_at(whole.len() - whole.trim_start_matches('\u{feff}').len());
        match self.unmarked(text, tag) {
            Cow::Owned(done) => format!("{marks}{done}").into(),
            Cow::Borrowed(_) => Cow::Borrowed(whole),
        }
    }

    fn unmarked<'a>(&self, text: &'a str, tag: Tag<'_>) -> Cow<'a, str> {
        if let Some(done) = self.document(text, self.start(), tag) {
            return done.into();
        }
        // The events of a stream are located as elements of one array.
        let mut events = self.start();
        events.extend(self.advance(&self.start(), |s| matches!(s, Step::Any | Step::Index(_))));
        let line = |line: &str| {
            let at = line.find(['{', '[']).unwrap_or(0);
            let (lead, json) = line.split_at(at);
            match self.document(json, events.clone(), tag) {
                Some(done) => format!("{lead}{done}"),
                None => self.loosely(line, tag),
            }
        };
        // Line by line only where every line stands for itself; else a value may run over several.
        if text.lines().any(|l| serde_json::from_str::<serde::de::IgnoredAny>(l.trim_start_matches("data:")).is_ok()) {
            return text.split_inclusive('\n').map(line).collect::<String>().into();
        }
        self.loosely(text, tag).into()
    }

    /// The excerpt of a value at an exact place such as `$.a[3].b`.
    pub(super) fn excerpt<'a>(&self, place: &str, text: &'a str, tag: Tag<'_>) -> Cow<'a, str> {
        if self.paths.is_empty() {
            return Cow::Borrowed(text);
        }
        let Some(steps) = parse(place) else { return self.loosely(text, tag).into() };
        let mut active = self.start();
        for step in &steps {
            active = self.advance(&active, |s| match (s, step) {
                (Step::Any, _) | (_, Step::Any) => true,
                (wanted, step) => wanted == step,
            });
            if self.hit(&active) {
                let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
                return tag(inner.as_bytes()).into();
            }
        }
        self.document(text, active, tag).unwrap_or_else(|| self.loosely(text, tag)).into()
    }

    fn loosely(&self, text: &str, tag: Tag<'_>) -> String {
        let mut text = text.to_owned();
        for key in &self.loose {
            let replaced = key.replace_all(&text, |found: &regex::Captures<'_>| {
                let (lead, value) = (&found[1], &found[2]);
                // Once is enough: two paths may end in one name.
                if value.starts_with("\"[redacted ") {
                    format!("{lead}{value}")
                } else {
                    format!("{lead}\"{}\"", tag(value.trim_matches('"').as_bytes()))
                }
            });
            text = replaced.into_owned();
        }
        text
    }

    /// `None` where the text is not one JSON text.
    fn document(&self, text: &str, active: Active, tag: Tag<'_>) -> Option<String> {
        serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
        let mut walk = Walk { paths: self, text, at: 0, copied: 0, out: String::with_capacity(text.len()), tag };
        walk.value(&active)?;
        walk.out.push_str(text.get(walk.copied..)?);
        Some(walk.out)
    }

    fn start(&self) -> Active {
        (0..self.paths.len()).map(|p| (p, 0)).collect()
    }

    fn hit(&self, active: &Active) -> bool {
        active.iter().any(|(path, taken)| *taken == self.paths[*path].len())
    }

    /// The paths that go on below a child, given which steps it satisfies.
    fn advance(&self, active: &Active, takes: impl Fn(&Step) -> bool) -> Active {
        let mut next = Active::new();
        for (path, taken) in active {
            let steps = &self.paths[*path];
            let mut at = *taken;
            if steps.get(at) == Some(&Step::Deep) {
                next.push((*path, at));
                at += 1;
            }
            if steps.get(at).is_some_and(&takes) {
                next.push((*path, at + 1));
            }
        }
        next
    }
}

/// `$.a.b`, `$['a']`, `$[0]`, `$[*]`, `$.*`, `$..a`.
fn parse(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("..") {
            steps.push(Step::Deep);
            if after.starts_with('[') {
                rest = after;
                continue;
            }
            let (step, tail) = name(after)?;
            steps.push(step);
            rest = tail;
        } else if let Some(after) = rest.strip_prefix('.') {
            let (step, tail) = name(after)?;
            steps.push(step);
            rest = tail;
        } else {
            let after = rest.strip_prefix('[')?;
            if let Some(quote) = after.chars().next().filter(|c| matches!(c, '\'' | '"')) {
                let (key, tail) = quoted(&after[1..], quote)?;
                steps.push(Step::Key(key));
                rest = tail.strip_prefix(']')?;
            } else {
                let (inner, tail) = after.split_once(']')?;
                steps.push(if inner == "*" { Step::Any } else { Step::Index(inner.parse().ok()?) });
                rest = tail;
            }
        }
    }
    (!matches!(steps.last(), Some(Step::Deep))).then_some(steps)
}

fn name(text: &str) -> Option<(Step, &str)> {
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (name, tail) = text.split_at(end);
    match name {
        "" => None,
        "*" => Some((Step::Any, tail)),
        name => Some((Step::Key(name.to_owned()), tail)),
    }
}

/// A quoted name up to its closing quote; a backslash takes the next character as it is.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut key = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => key.push(chars.next()?.1),
            c if c == quote => return Some((key, &text[at + c.len_utf8()..])),
            c => key.push(c),
        }
    }
    None
}

/// A key as it is usually written between its quotes.
fn escaped(key: &str) -> String {
    let text = serde_json::Value::from(key).to_string();
    text[1..text.len() - 1].to_owned()
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
}

impl Walk<'_> {
    /// `None` only where the text is not JSON after all.
    fn value(&mut self, active: &Active) -> Option<()> {
        self.space();
        let from = self.at;
        if self.paths.hit(active) {
            self.skip()?;
            let raw = self.text.get(from..self.at)?;
            let inner = raw.strip_prefix('"').and_then(|r| r.strip_suffix('"')).unwrap_or(raw);
            self.out.push_str(self.text.get(self.copied..from)?);
            self.out.push_str(&format!("\"{}\"", (self.tag)(inner.as_bytes())));
            self.copied = self.at;
            return Some(());
        }
        match self.peek()? {
            b'{' if !active.is_empty() => self.members(active),
            b'[' if !active.is_empty() => self.elements(active),
            _ => self.skip(),
        }
    }

    fn members(&mut self, active: &Active) -> Option<()> {
        self.at += 1;
        loop {
            self.space();
            match self.peek()? {
                b'}' => break,
                b',' => self.at += 1,
                _ => {
                    let from = self.at;
                    self.skip()?;
                    let key: String = serde_json::from_str(self.text.get(from..self.at)?).ok()?;
                    self.space();
                    // The colon.
                    self.at += 1;
                    let next = self.paths.advance(active, |s| match s {
                        Step::Any => true,
                        Step::Key(wanted) => *wanted == key,
                        _ => false,
                    });
                    self.value(&next)?;
                }
            }
        }
        self.at += 1;
        Some(())
    }

    fn elements(&mut self, active: &Active) -> Option<()> {
        self.at += 1;
        let mut index = 0;
        loop {
            self.space();
            match self.peek()? {
                b']' => break,
                b',' => self.at += 1,
                _ => {
                    let next = self.paths.advance(active, |s| match s {
                        Step::Any => true,
                        Step::Index(wanted) => *wanted == index,
                        _ => false,
                    });
                    self.value(&next)?;
                    index += 1;
                }
            }
        }
        self.at += 1;
        Some(())
    }

    /// Over one whole value.
    fn skip(&mut self) -> Option<()> {
        let bytes = self.text.as_bytes();
        let mut depth = 0usize;
        loop {
            match *bytes.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    while *bytes.get(self.at)? != b'"' {
                        self.at += if bytes[self.at] == b'\\' { 2 } else { 1 };
                    }
                    self.at += 1;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                // A number or a word.
                _ => {
                    while bytes.get(self.at).is_some_and(|b| !b",:]} \t\r\n".contains(b)) {
                        self.at += 1;
                    }
                }
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}
