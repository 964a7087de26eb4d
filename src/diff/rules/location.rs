//! Locations as rules write them and reports print them.

use super::super::path::Path;
use super::super::xml::XmlPath;
use super::glob;

/// What a location speaks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::diff) enum Scheme {
    Status,
    Header,
    Cookie,
    Trailer,
    Body,
    Json,
    Text,
    Xml,
    Grpc,
    Transport,
}

/// A scheme and, for most, a name or path below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) scheme: Scheme,
    name: String,
}

const FORMS: &str = "status, header:NAME, cookie:NAME, trailer:NAME, body, json:PATH, text, xml:PATH, grpc:status, grpc:PATH, transport";

// === impl Location ===

impl Location {
    /// # Errors
    /// A fragment that names the text and the forms there are.
    pub(super) fn parse(text: &str) -> Result<Location, String> {
        let (scheme, name) = match text.split_once(':') {
            None => match text {
                "status" => (Scheme::Status, ""),
                "body" => (Scheme::Body, ""),
                "text" => (Scheme::Text, ""),
                "transport" => (Scheme::Transport, ""),
                "" => return Err(format!("names no location; write one of {FORMS}")),
                _ => return Err(format!("`{text}` is no location; write one of {FORMS}")),
            },
            Some((scheme, name)) => {
                let scheme = match scheme {
                    "header" => Scheme::Header,
                    "cookie" => Scheme::Cookie,
                    "trailer" => Scheme::Trailer,
                    "json" => Scheme::Json,
                    "xml" => Scheme::Xml,
                    "grpc" => Scheme::Grpc,
                    _ => return Err(format!("`{text}` is no location; write one of {FORMS}")),
                };
                if name.is_empty() {
                    return Err(format!("`{text}` lacks what comes after the colon; write one of {FORMS}"));
                }
                (scheme, name)
            }
        };
        let name = match scheme {
            Scheme::Header | Scheme::Trailer => {
                let name = name.to_ascii_lowercase();
                if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
                    return Err(format!(
                        "`{name}` is no field name; write it as reports print it, e.g. header:cache-control"
                    ));
                }
                name
            }
            Scheme::Json if !name.starts_with('$') => {
                return Err(format!("`{name}` is no JSONPath; start it with `$`, e.g. json:$.items[*].id"));
            }
            Scheme::Grpc if !name.starts_with('$') && !matches!(name, "status" | "message") => {
                return Err(format!(
                    "`{name}` is no place in a gRPC answer; write grpc:status, grpc:message or grpc:$.a"
                ));
            }
            Scheme::Xml => {
                XmlPath::parse(name).map_err(|e| e.strip_prefix("at: ").unwrap_or(&e).to_owned())?;
                name.to_owned()
            }
            _ => name.to_owned(),
        };
        Ok(Location { scheme, name })
    }

    /// Whether both are one place, however it is spelt.
    pub(super) fn is_same(&self, other: &Location) -> bool {
        fn read_alike<T: PartialEq, E>(read: fn(&str) -> Result<T, E>, a: &str, b: &str) -> bool {
            matches!((read(a), read(b)), (Ok(a), Ok(b)) if a == b)
        }
        let alike = match self.scheme {
            Scheme::Json | Scheme::Grpc => read_alike(Path::parse, &self.name, &other.name),
            Scheme::Xml => read_alike(XmlPath::parse, &self.name, &other.name),
            _ => false,
        };
        self.scheme == other.scheme && (alike || self.name == other.name)
    }

    /// Whether it is a place in a document that is compared as JSON.
    pub(super) fn is_path(&self) -> bool {
        match self.scheme {
            Scheme::Json | Scheme::Xml => true,
            Scheme::Grpc => self.name.starts_with('$'),
            _ => false,
        }
    }

    /// Whether it may stand for more than one place: `header:x-*`.
    pub(super) fn is_pattern(&self) -> bool {
        self.has_wildcards() && self.name.contains('*')
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        if self.has_wildcards() { glob::matches(&self.name, name) } else { self.name == name }
    }

    /// A `[*]` in a path is literal, as reports print it.
    fn has_wildcards(&self) -> bool {
        matches!(self.scheme, Scheme::Header | Scheme::Cookie | Scheme::Trailer)
    }
}
