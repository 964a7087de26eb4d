//! What is never stored or shown.
//!
//! Values are not removed but replaced by keyed tags: under one key equal values stay equal and different ones
//! different, so that a difference between two secrets is still seen without the secrets.
//!
//! The room does not decide what is kept; it makes what is kept safe to show. It cannot look into compressed bodies: hand
//! over bodies with their coding removed.

mod json;
mod matches;
mod message;
mod reading;

pub use message::MAX_BODY;

use crate::diff::Finding;
use http::{HeaderMap, HeaderName};
use json::JsonPaths;
use reading::Readings;
use regex::Regex;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// `[redact]`, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedactSettings {
    /// Header names in lower case, request and response alike.
    pub headers: Vec<String>,
    /// Locations such as `json:$.user.email`.
    pub json: Vec<String>,
    /// Regular expressions; what they match is replaced wherever it appears.
    pub patterns: Vec<String>,
}

/// Headers that are redacted whatever the settings say.
pub const ALWAYS: [&str; 4] = ["authorization", "cookie", "set-cookie", "proxy-authorization"];

/// A `[redact]` that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("redact.{key}[{index}]: {message}")]
pub struct RedactError {
    /// `headers`, `json` or `patterns`.
    pub key: &'static str,
    pub index: usize,
    pub message: String,
}

/// Replaces what must not be seen.
pub struct Redactor {
    key: [u8; 32],
    /// Few enough to be looked through.
    headers: Vec<HeaderName>,
    json: JsonPaths,
    patterns: Vec<Regex>,
}

/// Longest header value that is shown, in bytes.
const MAX_VALUE: usize = 4096;
/// Header fields that are shown of one message.
const MAX_FIELDS: usize = 256;

/// The name of a member in a location: `.name` or `['odd name']`.
static MEMBER: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a constant pattern, compiled by a test")]
    Regex::new(r"\.[^.\[\]]+|\['(?:[^'\\]|\\.)*'\]").expect("a valid pattern")
});
/// The name of an element or attribute in a location, with its namespace.
static ELEMENT: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a constant pattern, compiled by a test")]
    Regex::new(r"(?:\{[^}]*\})?[^/@\[\]{}]+").expect("a valid pattern")
});

// === impl Redactor ===

impl Redactor {
    /// `key` keys the tags: the same key gives the same tags, in this process and the next.
    pub fn new(settings: &RedactSettings, key: [u8; 32]) -> Result<Self, Vec<RedactError>> {
        let mut errors = Vec::new();
        let mut headers: Vec<_> = ALWAYS.into_iter().map(HeaderName::from_static).collect();
        for (index, name) in settings.headers.iter().enumerate() {
            match HeaderName::try_from(name) {
                Ok(name) => headers.push(name),
                Err(_) => {
                    errors.push(RedactError { key: "headers", index, message: "a header name is expected".into() });
                }
            }
        }
        let mut json = JsonPaths::default();
        for (index, path) in settings.json.iter().enumerate() {
            if let Err(message) = json.add(path) {
                errors.push(RedactError { key: "json", index, message });
            }
        }
        let mut patterns = Vec::new();
        for (index, pattern) in settings.patterns.iter().enumerate() {
            match Regex::new(pattern) {
                Ok(regex) if regex.is_match("") => {
                    let message = "the expression matches the empty text, so it would match everywhere".into();
                    errors.push(RedactError { key: "patterns", index, message });
                }
                Ok(regex) => patterns.push(regex),
                Err(e) => errors.push(RedactError { key: "patterns", index, message: e.to_string() }),
            }
        }
        if errors.is_empty() { Ok(Redactor { key, headers, json, patterns }) } else { Err(errors) }
    }

    /// What stands in a value's place.
    pub fn tag(&self, value: &[u8]) -> String {
        let hash = blake3::keyed_hash(&self.key, value);
        let hex = hash.to_hex();
        format!("[redacted {}…]", &hex.as_str()[..8])
    }

    /// A text with everything the patterns match replaced, however it is written there. Equal matches get equal tags in
    /// every spelling.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.patterns.is_empty() {
            return Cow::Borrowed(text);
        }
        let readings = Readings::of(text);
        let found = self.found(&readings);
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        let (mut out, mut copied) = (String::with_capacity(text.len()), 0);
        for (part, value) in matches::settled(text, &readings, found) {
            out.push_str(text.get(copied..part.start).unwrap_or_default());
            out.push_str(&self.tag(value.as_bytes()));
            copied = part.end;
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        out.into()
    }

    /// What the patterns match of any reading of a text: where it is written, and what it says.
    fn found(&self, readings: &Readings<'_>) -> Vec<matches::Match> {
        let mut found = Vec::new();
        for (number, read) in readings.texts() {
            for part in self.patterns.iter().flat_map(|pattern| pattern.find_iter(read)).filter(|part| !part.is_empty())
            {
                found.push((readings.source(number, part.range()), part.as_str().to_owned()));
            }
        }
        found
    }

    /// Whether a pattern matches some reading of a text.
    fn matches(&self, text: &str) -> bool {
        let any = |text: &str| self.patterns.iter().any(|pattern| pattern.is_match(text));
        any(text) || !self.patterns.is_empty() && Readings::of(text).texts().skip(1).any(|(_, read)| any(read))
    }

    /// All that the patterns match in a text, as it reads.
    fn secrets(&self, text: &str) -> BTreeSet<String> {
        if self.patterns.is_empty() {
            return BTreeSet::new();
        }
        self.found(&Readings::of(text)).into_iter().map(|(_, value)| value).collect()
    }

    /// Whether nothing in bodies is replaced.
    fn shows_bodies(&self) -> bool {
        self.json.is_empty() && self.patterns.is_empty()
    }

    /// Header fields as they may be shown, bounded, in their order per name.
    pub fn headers(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let shown = headers.iter().take(MAX_FIELDS);
        let show = |(name, value): (&HeaderName, &http::HeaderValue)| {
            let value = match std::str::from_utf8(value.as_bytes()) {
                Ok(value) => self.header_value(name, value),
                Err(_) => self.header_value(name, &String::from_utf8_lossy(value.as_bytes())),
            };
            (name.as_str().to_owned(), cut(value, MAX_VALUE))
        };
        shown.map(show).collect()
    }

    /// Hides what patterns match where findings are grouped by it: names of members, elements, cookies and fields, which
    /// become any name, and the words by which hunks of text are told apart. For findings as they were made, of every leg.
    pub fn groups(&self, findings: &mut [Finding]) {
        let matches = |text: &str| self.matches(text);
        if self.patterns.is_empty() {
            return;
        }
        // All hunks of an exchange carry the words of the first one.
        let hunk = |f: &Finding| &*f.kind == "text.hunk";
        let shown = |f: &Finding| [&f.primary, &f.candidate].into_iter().flatten().any(|text| matches(text));
        let words = |f: &Finding| matches(&f.primary_class) || matches(&f.candidate_class);
        let hides = findings.iter().filter(|f| hunk(f)).any(|f| shown(f) || words(f));
        for finding in findings {
            if hides && hunk(finding) {
                for class in [&mut finding.primary_class, &mut finding.candidate_class] {
                    *class = self.tag(class.as_bytes()).into();
                }
            }
            for place in [&mut finding.location, &mut finding.exact] {
                if matches(place) {
                    *place = without_names(place, matches).into();
                }
            }
        }
    }

    /// Redacts the values of a finding by where it stands and by pattern, then cuts them to excerpts.
    pub fn finding(&self, finding: &mut Finding) {
        let exact = if finding.location.starts_with("grpc:") { &finding.location } else { &finding.exact };
        // What a cookie is good for is no secret, as in the header itself.
        let attribute = &*finding.kind == "cookie.attr";
        for excerpt in [&mut finding.primary, &mut finding.candidate].into_iter().flatten() {
            let shown = if attribute { self.text(excerpt) } else { self.excerpt(exact, excerpt) };
            if let Cow::Owned(redacted) = shown {
                *excerpt = redacted;
            }
        }
        finding.shorten();
    }

    /// Borrowed where nothing is replaced.
    fn excerpt<'a>(&self, location: &str, text: &'a str) -> Cow<'a, str> {
        let by_pattern = |text: Cow<'a, str>| match self.text(&text) {
            Cow::Owned(redacted) => Cow::Owned(redacted),
            Cow::Borrowed(_) => text,
        };
        let tag = |value: &[u8]| self.tag(value);
        let body = |text: &str| match self.json.body(text, &tag) {
            Some(shown) => shown.into_owned(),
            None => self.tag(text.as_bytes()),
        };
        let (kind, rest) = location.split_once(':').unwrap_or((location, ""));
        match kind {
            // It may be several lines in one, which nothing tells apart any more.
            "header" | "trailer" => match HeaderName::try_from(rest) {
                Ok(name) if !self.headers.contains(&name) => self.text(text),
                _ => self.tag(text.as_bytes()).into(),
            },
            "cookie" => self.tag(text.as_bytes()).into(),
            // An event of a stream is an element of the array that locations speak of.
            _ if kind.starts_with("body, event ") => {
                let place = format!("$[{}]", kind.trim_start_matches("body, event "));
                // Or a document of its own.
                by_pattern(body(&self.json.excerpt(&place, text, &tag)).into())
            }
            // Of messages the pattern is asked: an exact place may say more than a path.
            "json" | "grpc" => by_pattern(self.json.excerpt(rest, text, &tag)),
            _ => by_pattern(body(text).into()),
        }
    }

    fn header_value(&self, name: &HeaderName, value: &str) -> String {
        if !self.headers.contains(name) {
            return self.text(value).into_owned();
        }
        match name.as_str() {
            "cookie" => value.split(';').map(|pair| self.cookie(pair)).collect::<Vec<_>>().join(";"),
            "set-cookie" => match value.split_once(';') {
                Some((pair, attributes)) => format!("{};{}", self.cookie(pair), self.text(attributes)),
                None => self.cookie(value),
            },
            _ => self.tag(value.as_bytes()),
        }
    }

    /// `name=value` with the value tagged; without a name, all of it.
    fn cookie(&self, pair: &str) -> String {
        match pair.split_once('=') {
            Some((name, value)) => format!("{}={}", self.text(name), self.tag(value.trim().as_bytes())),
            None if pair.trim().is_empty() => pair.to_owned(),
            None => self.tag(pair.trim().as_bytes()),
        }
    }
}

impl std::fmt::Debug for Redactor {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redactor").field("headers", &self.headers).finish_non_exhaustive()
    }
}

/// A location with the names in it replaced that are not to be seen, by what stands for any name there.
fn without_names(place: &str, hidden: impl Fn(&str) -> bool) -> String {
    let Some((scheme, rest)) = place.split_once(':') else { return place.to_owned() };
    let (names, any) = match scheme {
        "header" | "trailer" | "cookie" if hidden(rest) => return format!("{scheme}:*"),
        "header" | "trailer" | "cookie" => return place.to_owned(),
        "xml" => (&*ELEMENT, "*"),
        _ => (&*MEMBER, ".*"),
    };
    let shown = |name: &regex::Captures<'_>| if hidden(&name[0]) { any.to_owned() } else { name[0].to_owned() };
    format!("{scheme}:{}", names.replace_all(rest, shown))
}

/// At most `max` bytes, cut between characters and marked.
fn cut(mut text: String, max: usize) -> String {
    if text.len() > max {
        let end = (0..=max).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests;
