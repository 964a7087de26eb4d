//! `multipart/*`: an array of its parts. What divides them, and what stands before the first and after the last, means
//! nothing; each part's body is read by its own type.

use super::{Decoded, Fault, Writer};
use crate::diff::budget::Budget;
use crate::diff::headers::Parameterised;
use crate::diff::json::is_json;
use crate::diff::media::Media;
use crate::diff::text::is_text;
use std::collections::BTreeMap;

/// Parts and lines of a part's head: more are no multipart body that anybody sends.
const MAX_PARTS: usize = 10_000;
const MAX_FIELDS: usize = 100;

/// A part's fields by lower-case names.
type Fields = BTreeMap<String, Vec<String>>;

pub(super) fn decode(
    body: &[u8],
    declared: &Parameterised,
    mut writer: Writer,
    budget: &mut Budget<'_>,
) -> Result<Decoded, Fault> {
    let boundary = boundary(declared, body).ok_or(Fault::Malformed)?;
    let parts = split(body, &boundary, budget)?;
    let form = declared.head == "multipart/form-data";
    writer.begin(b'[');
    for part in &parts {
        budget.tick(1)?;
        write(part, form, &mut writer, budget)?;
    }
    writer.end(b']');
    Ok(Decoded { json: writer.finish(), events: parts.len(), key: form.then_some("name") })
}

/// `--` and the boundary, as declared, else as the body's first line.
pub(super) fn boundary(declared: &Parameterised, body: &[u8]) -> Option<Vec<u8>> {
    if let Some(name) = declared.params.get("boundary").filter(|name| !name.is_empty()) {
        return Some(format!("--{name}").into_bytes());
    }
    let start = body.trim_ascii_start();
    let end = memchr::memchr2(b'\r', b'\n', start).unwrap_or(start.len());
    let line = start.get(..end).unwrap_or_default().trim_ascii_end();
    (line.len() > 2 && line.starts_with(b"--")).then(|| line.to_vec())
}

/// What stands between the boundaries; the last one must be there.
fn split<'a>(body: &'a [u8], boundary: &[u8], budget: &mut Budget<'_>) -> Result<Vec<&'a [u8]>, Fault> {
    let mut parts = Vec::new();
    let mut start: Option<usize> = None;
    for at in memchr::memmem::find_iter(body, boundary) {
        budget.tick(1)?;
        let (before, after) = (body.get(..at).unwrap_or_default(), body.get(at + boundary.len()..).unwrap_or_default());
        let at_line = before.is_empty() || before.ends_with(b"\n");
        let last = after.starts_with(b"--");
        let blanks = after.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let line_end = match after.get(blanks..).unwrap_or_default() {
            [b'\r', b'\n', ..] => Some(2),
            [b'\n', ..] => Some(1),
            _ => None,
        };
        if !at_line || (!last && line_end.is_none()) {
            continue;
        }
        if let Some(from) = start.take() {
            // The line end before a boundary belongs to it.
            let part = body.get(from..at).unwrap_or_default();
            let part = part.strip_suffix(b"\n").unwrap_or(part);
            parts.push(part.strip_suffix(b"\r").unwrap_or(part));
        }
        if last {
            return Ok(parts);
        }
        if parts.len() >= MAX_PARTS {
            return Err(Fault::Limit("parts"));
        }
        start = Some(at + boundary.len() + blanks + line_end.unwrap_or_default());
    }
    Err(Fault::Malformed)
}

fn write(part: &[u8], form: bool, writer: &mut Writer, budget: &mut Budget<'_>) -> Result<(), Fault> {
    let (fields, body) = fields(part)?;
    let first = |name: &str| fields.get(name).and_then(|values| values.first());
    writer.begin(b'{');
    let disposition = first("content-disposition").map(|v| Parameterised::parse(v)).unwrap_or_default();
    if let Some(name) = disposition.params.get("name").filter(|_| form) {
        writer.key(b"name")?;
        writer.string(name.as_bytes())?;
    }
    writer.key(b"headers")?;
    writer.begin(b'{');
    for (name, values) in &fields {
        writer.key(name.as_bytes())?;
        match values.as_slice() {
            [one] => writer.string(one.as_bytes())?,
            several => {
                writer.begin(b'[');
                several.iter().try_for_each(|v| writer.string(v.as_bytes()))?;
                writer.end(b']');
            }
        }
    }
    writer.end(b'}');
    writer.key(b"body")?;
    let media = first("content-type").map_or(Media::Unknown, |v| Media::named(&Parameterised::parse(v).head));
    let trimmed = body.trim_ascii();
    let container = matches!(trimmed.first(), Some(b'{' | b'['));
    if (media == Media::Json || (media == Media::Unknown && container)) && is_json(trimmed, budget)? {
        writer.raw(trimmed)?;
    } else if is_text(body) {
        writer.string(body)?;
    } else {
        writer.binary(body)?;
    }
    writer.end(b'}');
    Ok(())
}

/// The head of a part by lower-case names, without lengths, and its body.
fn fields(part: &[u8]) -> Result<(Fields, &[u8]), Fault> {
    let mut fields: Fields = BTreeMap::new();
    let mut rest = part;
    for _ in 0..MAX_FIELDS {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return Ok((fields, rest));
        }
        // Replacing what is no UTF-8 would make other names the same.
        let line = std::str::from_utf8(line).map_err(|_| Fault::Malformed)?;
        let Some((name, value)) = line.split_once(':') else { return Err(Fault::Malformed) };
        let name = name.trim().to_ascii_lowercase();
        let value = match name.as_str() {
            "content-length" => continue,
            "content-type" | "content-disposition" => normal(value),
            _ => value.trim().to_owned(),
        };
        fields.entry(name).or_default().push(value);
    }
    Err(Fault::Limit("fields"))
}

/// A value with parameters, however quoted, spaced and ordered.
fn normal(value: &str) -> String {
    let Parameterised { head, params } = Parameterised::parse(value);
    params.iter().fold(head, |text, (name, value)| format!("{text}; {name}={value:?}"))
}
