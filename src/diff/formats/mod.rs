//! Bodies that are neither JSON nor markup nor plain text: each format is decoded into JSON text, which the JSON
//! comparison pairs and walks under the rules at `json:` locations; what it finds is then told in the format's words.
//!
//! A decoder loses nothing that a client could see. What it does lose (chunks, quotes, widths of integers) is
//! representation, and told as that.

mod binary;
mod cbor;
mod events;
mod form;
mod messagepack;
mod multipart;
mod ndjson;
mod sse;
mod table;
mod writer;

use super::body::{AsJson, as_json, unparsed};
use super::budget::{Budget, Spent};
use super::context::Context;
use super::headers::Parameterised;
use super::media::content_type;
use super::spec::Align;
use super::{Finding, Findings, Tier, json};
use crate::model::Answer;
use writer::Writer;

pub use form::decoded as form_text;
pub(super) use ndjson::is_sequence;

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Ndjson,
    JsonSeq,
    Sse,
    Form,
    Multipart,
    Csv,
    Tsv,
    MessagePack,
    Cbor,
    CborSeq,
}

/// Why a body could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It is not what it is said to be.
    Malformed,
    /// A limit was hit, by name: `depth`, `time`, `size`, ...
    Limit(&'static str),
}

/// A body as JSON text.
#[derive(Debug)]
struct Decoded {
    json: Vec<u8>,
    /// The events of a stream.
    events: usize,
    /// The member that tells one element from all others, where there is one.
    key: Option<&'static str>,
}

type Bytes<'a> = (&'a [u8], &'a [u8]);

/// Compares two unequal bodies of one format.
pub(super) fn compare(
    format: Format,
    context: &Context<'_>,
    answers: (&Answer, &Answer),
    bodies: Bytes<'_>,
    out: &mut Findings,
) {
    let mut budget = Budget::new(context.expired);
    if matches!(format, Format::Csv | Format::Tsv) {
        return table::compare(format, context, answers, bodies, &mut budget, out);
    }
    let mut decode =
        |answer: &Answer, body: &[u8]| read(format, &content_type(answer), body, limit(context), &mut budget);
    let decoded = (decode(answers.0, bodies.0), decode(answers.1, bodies.1));
    let Some((a, b)) = both(format, context, bodies, decoded, out) else { return };
    if a.json == b.json {
        return out.push(same_content(format, answers, bodies));
    }
    let key = a.key.filter(|key| b.key == Some(key)).map(|key| Align::Key(vec![key.to_owned()]));
    let options = json::Options { root_align: key.as_ref(), ..json::Options::default() };
    let Some(found) = walk(context, (a.json, b.json), &mut budget, &options) else { return };
    out.absorb(if format.is_stream() { events::told(found, a.events, b.events) } else { found }, false);
}

/// One body as JSON text; no table.
fn read(
    format: Format,
    declared: &Parameterised,
    body: &[u8],
    limit: usize,
    budget: &mut Budget<'_>,
) -> Result<Decoded, Fault> {
    let mut writer = Writer::new(limit);
    match format {
        Format::Ndjson => return ndjson::decode(body, b'\n', writer, budget),
        Format::JsonSeq => return ndjson::decode(body, ndjson::RECORD, writer, budget),
        Format::Sse => return sse::decode(body, writer, budget),
        Format::Multipart => return multipart::decode(body, declared, writer, budget),
        Format::CborSeq => return cbor::decode_sequence(body, writer, budget),
        Format::Form => form::decode(body, &mut writer, budget)?,
        Format::MessagePack => messagepack::decode(body, &mut writer, budget)?,
        Format::Cbor => cbor::decode(body, &mut writer, budget)?,
        // Of a table both sides are read together.
        Format::Csv | Format::Tsv => return Err(Fault::Malformed),
    }
    Ok(Decoded { json: writer.finish(), events: 1, key: None })
}

/// One body as the JSON text that locations speak of; `None` where it is not what it is said to be, or too much.
pub(super) fn document(format: Format, declared: &Parameterised, body: &[u8], limit: usize) -> Option<Vec<u8>> {
    let budget = &mut Budget::new(&|| false);
    match format {
        Format::Csv | Format::Tsv => table::document(format, declared, body, limit, budget).ok(),
        _ => read(format, declared, body, limit, budget).ok().map(|decoded| decoded.json),
    }
}

/// The most that a body may become.
fn limit(context: &Context<'_>) -> usize {
    usize::try_from(context.limits.decoded).unwrap_or(usize::MAX)
}

/// Both sides, where both could be decoded; else what is to be said is said.
fn both<T>(
    format: Format,
    context: &Context<'_>,
    bodies: Bytes<'_>,
    decoded: (Result<T, Fault>, Result<T, Fault>),
    out: &mut Findings,
) -> Option<(T, T)> {
    match decoded {
        (Ok(a), Ok(b)) => Some((a, b)),
        (Err(Fault::Limit(what)), _) | (_, Err(Fault::Limit(what))) => {
            out.budget = Some(format!("the limit on {what} was reached").into());
            None
        }
        (a, b) => {
            unparsed((a.is_err(), b.is_err()), format.name(), bodies.0, bodies.1, context, out);
            None
        }
    }
}

/// What differs between two unequal documents that were decoded; `None` where all of it is how the legs name themselves.
fn walk(
    context: &Context<'_>,
    (a, b): (Vec<u8>, Vec<u8>),
    budget: &mut Budget<'_>,
    options: &json::Options<'_>,
) -> Option<Findings> {
    match as_json(context, &a, &b, budget, options) {
        AsJson::Same => None,
        AsJson::Compared(found) => Some(found),
        AsJson::NotJson { .. } => {
            // What was decoded is JSON; were it not, nothing was compared.
            Some(Findings { budget: Some("the body could not be compared".into()), ..Findings::default() })
        }
    }
}

/// The finding of two bodies that decode to the same.
fn same_content(format: Format, answers: (&Answer, &Answer), bodies: Bytes<'_>) -> Finding {
    let boundary = |answer, body| multipart::boundary(&content_type(answer), body);
    if format == Format::Multipart && boundary(answers.0, bodies.0) != boundary(answers.1, bodies.1) {
        return Finding::new("ctype.params", Tier::Repr, "header:content-type").classes("boundary", "boundary");
    }
    Finding::new("body.encoding", Tier::Repr, "body").classes(format.name(), format.name())
}

impl From<Spent> for Fault {
    fn from(spent: Spent) -> Self {
        Fault::Limit(spent.0)
    }
}

// === impl Format ===

impl Format {
    /// By a media type in lower case, without parameters.
    pub(super) fn named(name: &str) -> Option<Format> {
        Some(match name {
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonl"
            | "application/jsonlines"
            | "application/x-jsonlines"
            | "application/stream+json"
            | "application/x-json-stream" => Format::Ndjson,
            "application/json-seq" => Format::JsonSeq,
            "text/event-stream" => Format::Sse,
            "application/x-www-form-urlencoded" => Format::Form,
            "text/csv" | "application/csv" | "text/x-csv" => Format::Csv,
            "text/tab-separated-values" | "text/tsv" => Format::Tsv,
            "application/msgpack" | "application/x-msgpack" | "application/vnd.msgpack" => Format::MessagePack,
            "application/cbor" => Format::Cbor,
            "application/cbor-seq" => Format::CborSeq,
            _ if name.starts_with("multipart/") => Format::Multipart,
            _ if name.ends_with("+json-seq") => Format::JsonSeq,
            _ if name.ends_with("+msgpack") => Format::MessagePack,
            _ if name.ends_with("+cbor") => Format::Cbor,
            _ if name.ends_with("+cbor-seq") => Format::CborSeq,
            _ => return None,
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Format::Ndjson => "ndjson",
            Format::JsonSeq => "json-seq",
            Format::Sse => "event-stream",
            Format::Form => "form",
            Format::Multipart => "multipart",
            Format::Csv => "csv",
            Format::Tsv => "tsv",
            Format::MessagePack => "msgpack",
            Format::Cbor => "cbor",
            Format::CborSeq => "cbor-seq",
        }
    }

    /// Whether it is an array of events.
    pub(super) const fn is_stream(self) -> bool {
        matches!(self, Format::Ndjson | Format::JsonSeq | Format::Sse | Format::CborSeq)
    }

    /// Whether anything at all may be read as it, so that what looks like JSON is more likely that.
    pub(super) const fn is_loose(self) -> bool {
        matches!(self, Format::Form | Format::Csv | Format::Tsv)
    }

    pub(super) const fn is_text(self) -> bool {
        !matches!(self, Format::Multipart | Format::MessagePack | Format::Cbor | Format::CborSeq)
    }
}
