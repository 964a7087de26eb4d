//! What a body is declared to be, as far as a comparator for it exists.

use super::formats::Format;
use super::headers::Parameterised;
use super::xml;
use crate::model::Answer;
use http::header::CONTENT_TYPE;

/// The kind of a body by its Content-Type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    Json,
    Markup,
    Text,
    /// Text of which the indentation says something.
    Indented,
    /// One message.
    Protobuf,
    /// Something that is compared as the JSON it amounts to.
    Coded(Format),
    Opaque,
    /// Nothing is declared.
    Unknown,
}

/// The Content-Type with its parameters; empty where there is none.
pub(super) fn content_type(answer: &Answer) -> Parameterised {
    let declared = answer.headers.first(&CONTENT_TYPE);
    declared.map(|value| Parameterised::parse(&String::from_utf8_lossy(value))).unwrap_or_default()
}

// === impl Media ===

impl Media {
    pub(super) fn named(name: &str) -> Media {
        if let Some(format) = Format::named(name) {
            return Media::Coded(format);
        }
        match name {
            "" => Media::Unknown,
            "application/xml" | "text/xml" => Media::Markup,
            "application/javascript"
            | "application/ecmascript"
            | "application/x-javascript"
            | "application/graphql"
            | "application/toml" => Media::Text,
            "application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml" | "text/vnd.yaml"
            | "text/x-python" => Media::Indented,
            "application/protobuf"
            | "application/x-protobuf"
            | "application/vnd.google.protobuf"
            | "application/x-google-protobuf" => Media::Protobuf,
            _ if name.ends_with("+xml") => Media::Markup,
            _ if name.ends_with("+yaml") => Media::Indented,
            _ if says_json(name) => Media::Json,
            _ if name.starts_with("text/") => Media::Text,
            _ => Media::Opaque,
        }
    }

    /// Whether a body so declared is looked into where it looks like JSON.
    pub(super) fn may_be_json(self) -> bool {
        match self {
            Media::Coded(format) => format.is_text() && format != Format::Multipart,
            Media::Protobuf => false,
            _ => true,
        }
    }

    /// Whether a charset says nothing of it: it is always UTF-8, or no text.
    pub(super) fn takes_no_charset(self) -> bool {
        let utf8 = matches!(self, Media::Json | Media::Coded(Format::Ndjson | Format::JsonSeq | Format::Sse));
        utf8 || !self.may_be_text()
    }

    /// Whether such a body reads as UTF-8 where no charset is said. XML says its encoding, or is UTF-8; of other text a
    /// client guesses, and is right where it is ASCII.
    pub(super) fn reads_as_utf8(self, body: &[u8]) -> bool {
        body.is_ascii() || self == Media::Markup && xml::is_utf8(body)
    }

    /// Whether it is XML: by its type, or, where there is none, by how it begins.
    pub(super) fn is_xml(self, body: &[u8]) -> bool {
        self == Media::Markup || (self == Media::Unknown && body.starts_with(b"<?xml"))
    }

    /// Whether it is text where its bytes are.
    pub(super) fn may_be_text(self) -> bool {
        match self {
            Media::Coded(format) => format.is_text(),
            other => !matches!(other, Media::Protobuf | Media::Opaque),
        }
    }
}

/// Whether one of the words after the slash is `json`: `application/x-amz-json-1.1`, `application/problem+json`.
fn says_json(name: &str) -> bool {
    let words = name.split_once('/').map_or("", |(_, subtype)| subtype);
    words.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == "json")
}
