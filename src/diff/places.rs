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
    let Some(text) = charset::whole_utf8(&declared, body) else { return Places::Unknown };
    let document = |format| formats::document(format, &declared, &text, limit);
    match Media::named(&declared.head) {
        _ if declared.head.starts_with("application/grpc") => Places::Unknown,
        Media::Protobuf => Places::Unknown,
        // Such lines are found in the text itself.
        Media::Coded(Format::Ndjson) => Places::Text(text),
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
    let mut fields = serde_json::Map::new();
    for part in serde_json::from_slice::<Vec<Part>>(&parts).unwrap_or_default() {
        // A name that repeats has an array of its values.
        match fields.get_mut(&part.name) {
            Some(serde_json::Value::Array(all)) => all.push(part.body),
            _ => drop(fields.insert(part.name, serde_json::Value::Array(vec![part.body]))),
        }
    }
    let alone = |value: &mut serde_json::Value| {
        if let Some([one]) = value.as_array().map(Vec::as_slice) {
            *value = one.clone();
        }
    };
    fields.values_mut().for_each(alone);
    parts.push(b'\n');
    parts.extend(serde_json::Value::Object(fields).to_string().into_bytes());
    parts
}
