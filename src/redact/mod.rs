//! What is never stored or shown.
//!
//! Values are not removed but replaced by keyed tags: under one key equal values stay equal and different ones
//! different, so that a difference between two secrets is still seen without the secrets.
//!
//! The room does not decide what is kept; it makes what is kept safe to show. It cannot look into compressed bodies: hand
//! over bodies with their coding removed.

mod json;
mod message;

pub use message::MAX_BODY;

use crate::diff::Finding;
use http::{HeaderMap, HeaderName};
use json::JsonPaths;
use regex::Regex;
use std::borrow::Cow;
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

    /// A text with everything the patterns match replaced; for URLs and whatever else has no structure of its own.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for pattern in &self.patterns {
            if let Cow::Owned(new) =
                pattern.replace_all(&text, |found: &regex::Captures<'_>| self.tag(found[0].as_bytes()))
            {
                text = Cow::Owned(new);
            }
        }
        text
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

    /// Hides what patterns match where findings are grouped by it: names of members, which become any name, and the words
    /// by which hunks of text are told apart. For findings as they were made, of every leg.
    pub fn groups(&self, findings: &mut [Finding]) {
        let matches = |text: &str| self.patterns.iter().any(|pattern| pattern.is_match(text));
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
                    let any = |name: &regex::Captures<'_>| {
                        if matches(&name[0]) { ".*".to_owned() } else { name[0].to_owned() }
                    };
                    *place = MEMBER.replace_all(place, any).into_owned().into();
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
        let (kind, rest) = location.split_once(':').unwrap_or((location, ""));
        match kind {
            "header" | "trailer" => match HeaderName::try_from(rest) {
                Ok(name) => self.header_value(&name, text).into(),
                Err(_) => self.tag(text.as_bytes()).into(),
            },
            "cookie" => self.tag(text.as_bytes()).into(),
            // An event of a stream is an element of the array that locations speak of.
            _ if kind.starts_with("body, event ") => {
                let place = format!("$[{}]", kind.trim_start_matches("body, event "));
                let shown = self.json.excerpt(&place, text, &|v| self.tag(v));
                // Or a document of its own.
                by_pattern(self.json.body(&shown, &|v| self.tag(v)).into_owned().into())
            }
            // Of messages the pattern is asked: an exact place may say more than a path.
            "json" | "grpc" => by_pattern(self.json.excerpt(rest, text, &|v| self.tag(v))),
            _ => by_pattern(self.json.body(text, &|v| self.tag(v))),
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
            Some((name, value)) => format!("{name}={}", self.tag(value.trim().as_bytes())),
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
