//! Where the places are that locations speak of, for those who look for some in one body by itself.

use super::Limits;
use super::charset;
use super::formats::{self, Format};
use super::headers::Parameterised;
use super::media::Media;
use std::borrow::Cow;

/// A body, by what of it has places.
#[derive(Debug, PartialEq, Eq)]
pub enum Places<'a> {
    /// It is text that is JSON, or lines of JSON, or has no places; in UTF-8.
    Text(Cow<'a, [u8]>),
    /// The fields of a form: places are those of its JSON.
    Form(Vec<u8>),
    /// It is written otherwise than its JSON; a text to a line.
    Coded(Vec<u8>),
    /// It has places, and by itself it can't be said where.
    Unknown,
}

/// The places of a body of this Content-Type.
pub fn places<'a>(content_type: &[u8], body: &'a [u8]) -> Places<'a> {
    let declared = Parameterised::parse(&String::from_utf8_lossy(content_type));
    let limit = usize::try_from(Limits::default().decoded).unwrap_or(usize::MAX);
    let text = charset::utf8(&declared, body.into());
    let document = |format| formats::document(format, &declared, &text, limit);
    match Media::named(&declared.head) {
        _ if declared.head.starts_with("application/grpc") => Places::Unknown,
        Media::Protobuf => Places::Unknown,
        // Such lines are found in the text itself.
        Media::Coded(Format::Ndjson | Format::Sse) => Places::Text(text),
        Media::Coded(format) => match document(format) {
            Some(json) if format == Format::Form => Places::Form(json),
            Some(json) if declared.head == "multipart/form-data" => Places::Coded(with_fields(json)),
            Some(json) => Places::Coded(json),
            None => Places::Unknown,
        },
        _ => Places::Text(text),
    }
}

/// The parts of a form, and in a line of its own what they say as fields: for their sender it is the same as one that is
/// not in parts.
fn with_fields(mut parts: Vec<u8>) -> Vec<u8> {
    #[derive(serde::Deserialize)]
    struct Part {
        #[serde(default)]
        name: String,
        body: serde_json::Value,
    }
    let fields: serde_json::Map<_, _> = serde_json::from_slice::<Vec<Part>>(&parts)
        .map(|parts| parts.into_iter().map(|part| (part.name, part.body)).collect())
        .unwrap_or_default();
    parts.push(b'\n');
    parts.extend(serde_json::Value::Object(fields).to_string().into_bytes());
    parts
}
