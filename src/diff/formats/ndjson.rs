//! JSON texts one after the other: a line each (NDJSON), or each after a record separator (RFC 7464).

use super::{Decoded, Fault, Writer};
use crate::diff::budget::{Budget, Spent};
use crate::diff::json::is_json;

/// What each text of a JSON sequence begins with.
pub(super) const RECORD: u8 = 0x1E;

/// An array of the texts between the separators; blank ones mean nothing.
pub(super) fn decode(
    body: &[u8],
    separator: u8,
    mut writer: Writer,
    budget: &mut Budget<'_>,
) -> Result<Decoded, Fault> {
    let mut events = 0;
    writer.begin(b'[');
    for text in texts(body, separator) {
        budget.tick(1)?;
        if !is_json(text, budget)? {
            return Err(Fault::Malformed);
        }
        writer.raw(text)?;
        events += 1;
    }
    writer.end(b']');
    Ok(Decoded { json: writer.finish(), events, key: None })
}

/// Whether a body that is declared as one JSON text is several, one on each line.
pub(in crate::diff) fn is_sequence(body: &[u8], budget: &mut Budget<'_>) -> Result<bool, Spent> {
    for text in texts(body, b'\n') {
        if !is_json(text, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn texts(body: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    body.split(move |b| *b == separator).map(<[u8]>::trim_ascii).filter(|text| !text.is_empty())
}
