//! Two bodies that are not the same bytes: which comparator is asked, by what they are declared and look like.
//!
//! NDJSON and server-sent events are compared as text, and so is HTML.

use super::budget::Budget;
use super::compare::Context;
use super::headers::Parameterised;
use super::json::{self, JsonOutcome};
use super::origin::{Side, map_json, map_json_client};
use super::rules::Scheme;
use super::value::Session;
use super::{Finding, Findings, Tier, charset, text, xml};
use crate::model::{Answer, Leg};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use std::borrow::Cow;
use std::fmt::Write;

/// Bytes shown around the first difference of two bodies that nothing else understands.
const WINDOW: usize = 64;

const AT: &str = "body";

/// What a body is, as far as a comparator for it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Media {
    Json,
    Markup,
    Text,
    Multipart,
    Opaque,
    /// Nothing is declared.
    Unknown,
}

/// Compares two decoded, unequal bodies. Findings of a layer beneath one that owns are marked `secondary`.
pub(super) fn compare(
    context: &Context<'_>,
    answers: (&Answer, &Answer),
    primary: Cow<'_, [u8]>,
    candidate: Cow<'_, [u8]>,
    out: &mut Findings,
) {
    if primary.is_empty() != candidate.is_empty() {
        return empty_vs_content(primary.is_empty(), Tier::Value, out);
    }
    let (primary, candidate) = (charset::utf8(answers.0, primary), charset::utf8(answers.1, candidate));
    if primary == candidate {
        return out.push(Finding::new("text.encoding", Tier::Repr, "text").classes("text", "text"));
    }
    let (a, b) = (Media::of(answers.0), Media::of(answers.1));
    let partial = [answers.0.status, answers.1.status].contains(&StatusCode::PARTIAL_CONTENT);
    let look_alike = looks_like_json(&primary) && looks_like_json(&candidate);
    let declared = a == Media::Json && b == Media::Json;
    if !partial && (declared || (look_alike && a.may_be_json() && b.may_be_json())) {
        // Wrong or missing types are no reason not to look, as long as both are what they look like.
        let (primary, mapped) = map_json(context, Side::Primary, primary);
        let (candidate, also) = map_json(context, Side::Other, candidate);
        let (primary, candidate) = if mapped || also {
            (map_json_client(context, primary), map_json_client(context, candidate))
        } else {
            (primary, candidate)
        };
        if primary == candidate {
            return;
        }
        let mut found = Findings::default();
        let mut budget = Budget::new(context.expired);
        let mut session = Session { skew: context.skew, control: context.other == Leg::Control, ..Session::default() };
        let options = json::Options::default();
        match json::compare_with(
            &primary,
            &candidate,
            &context.rules.json,
            &mut budget,
            &mut session,
            &options,
            &mut found,
        ) {
            JsonOutcome::Done => {
                if found.is_match() {
                    // Something outside all values, such as a byte order mark.
                    found.push(Finding::new("json.whitespace", Tier::Repr, "json:$").classes("text", "text"));
                }
                return out.absorb(found, false);
            }
            JsonOutcome::Limit(what) => {
                found.budget = Some(format!("the limit on {what} was reached").into());
                return out.absorb(found, false);
            }
            JsonOutcome::NotJson { primary: p, candidate: c } if declared => {
                return unparsed((p, c), "json", &primary, &candidate, context, out);
            }
            JsonOutcome::NotJson { .. } => {}
        }
        return by_lines_or_bytes(a, b, &primary, &candidate, context, out);
    }
    by_lines_or_bytes(a, b, &primary, &candidate, context, out);
}

/// One side has a body and the other has none.
pub(super) fn empty_vs_content(primary_is_empty: bool, tier: Tier, out: &mut Findings) {
    let class = |empty| if empty { "empty" } else { "content" };
    let finding = Finding::new("body.empty_vs_content", tier, AT);
    out.push(finding.classes(class(primary_is_empty), class(!primary_is_empty)));
}

/// One side is not what it says it is: that owns, and the rest is only shown. Neither is: compared as text.
pub(super) fn unparsed(
    (primary_bad, candidate_bad): (bool, bool),
    what: &str,
    primary: &[u8],
    candidate: &[u8],
    context: &Context<'_>,
    out: &mut Findings,
) {
    let one = primary_bad != candidate_bad;
    let (kind, tier) = if one { ("parse.one_side", Tier::Break) } else { ("parse.both", Tier::Info) };
    let class = |bad| if bad { format!("not {what}") } else { what.to_owned() };
    let mut finding = Finding::new(kind, tier, AT).classes(&class(primary_bad), &class(candidate_bad));
    finding.primary = Some(super::finding::excerpt(&String::from_utf8_lossy(head(primary))));
    finding.candidate = Some(super::finding::excerpt(&String::from_utf8_lossy(head(candidate))));
    context.rules.cover(Scheme::Body, "", &mut finding, None, None);
    let owns = finding.counts();
    out.push(finding);
    if primary == candidate {
        return;
    }
    let mut rest = Findings::default();
    by_lines_or_bytes(Media::Unknown, Media::Unknown, primary, candidate, context, &mut rest);
    out.absorb(rest, owns);
}

/// Bodies no comparator understands: lengths, the first difference, and a window of bytes from it on.
pub(super) fn opaque(primary: &[u8], candidate: &[u8], remark: &str, out: &mut Findings) {
    let at = primary.iter().zip(candidate).position(|(x, y)| x != y).unwrap_or(primary.len().min(candidate.len()));
    let mut finding = Finding::new("body.opaque", Tier::Value, AT).classes("bytes", "bytes");
    finding.exact = format!("body, byte {at}").into();
    finding.primary_shape = Some("bytes".into());
    finding.candidate_shape = Some("bytes".into());
    finding.primary = Some(window(primary, at, remark));
    finding.candidate = Some(window(candidate, at, remark));
    out.push(finding);
}

/// At least one body is known by its digest only.
pub(super) fn digests(answers: (&Answer, &Answer), out: &mut Findings) {
    let mut finding = Finding::new("body.opaque", Tier::Value, AT).classes("digest", "digest");
    finding.primary_shape = Some("bytes".into());
    finding.candidate_shape = Some("bytes".into());
    let text = |a: &Answer| format!("{} bytes, xxh3 {:032x}", a.body.len(), a.body.xxh3());
    finding.primary = Some(text(answers.0));
    finding.candidate = Some(text(answers.1));
    out.push(finding);
}

fn by_lines_or_bytes(a: Media, b: Media, primary: &[u8], candidate: &[u8], context: &Context<'_>, out: &mut Findings) {
    use Media::{Json, Markup, Text, Unknown};
    let both_text = || text::is_text(primary) && text::is_text(candidate);
    match (a, b) {
        (Markup, Markup) => xml::compare(context, primary, candidate, out),
        (Text | Markup, Text | Markup) => text::compare(context, primary, candidate, out),
        (Json | Text | Markup | Unknown, Json | Text | Markup | Unknown) if both_text() => {
            text::compare(context, primary, candidate, out);
        }
        (Media::Multipart, Media::Multipart) => multipart(primary, candidate, out),
        _ => opaque(primary, candidate, "", out),
    }
}

/// The boundary is another one every time: put aside, the bodies may be equal. That the boundaries differ is told at
/// the Content-Type that names them.
fn multipart(primary: &[u8], candidate: &[u8], out: &mut Findings) {
    let (a, b) = (without_boundary(primary), without_boundary(candidate));
    if a != b {
        opaque(&a, &b, "", out);
    } else {
        out.push(Finding::new("ctype.params", Tier::Repr, "header:content-type").classes("boundary", "boundary"));
    }
}

fn without_boundary(body: &[u8]) -> Vec<u8> {
    let start = body.iter().position(|c| !c.is_ascii_whitespace()).unwrap_or(0);
    let line = body.get(start..).unwrap_or_default();
    let end = memchr::memchr2(b'\r', b'\n', line).unwrap_or(line.len());
    let boundary = line.get(..end).unwrap_or_default();
    if boundary.len() < 3 || !boundary.starts_with(b"--") {
        return body.to_vec();
    }
    let mut out = Vec::with_capacity(body.len());
    let mut from = 0;
    for at in memchr::memmem::find_iter(body, boundary) {
        out.extend_from_slice(body.get(from..at).unwrap_or_default());
        out.extend_from_slice(b"--{boundary}");
        from = at + boundary.len();
    }
    out.extend_from_slice(body.get(from..).unwrap_or_default());
    out
}

fn window(body: &[u8], at: usize, remark: &str) -> String {
    let end = body.len().min(at.saturating_add(WINDOW));
    let mut text = format!("{} bytes{remark}, from {at}: ", body.len());
    for byte in body.get(at.min(end)..end).unwrap_or_default() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn head(body: &[u8]) -> &[u8] {
    body.get(..body.len().min(512)).unwrap_or_default()
}

fn looks_like_json(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    matches!(body.trim_ascii_start().first(), Some(b'{' | b'['))
}

// === impl Media ===

impl Media {
    fn of(answer: &Answer) -> Media {
        let Some(declared) = answer.headers.get(CONTENT_TYPE) else { return Media::Unknown };
        let name = Parameterised::parse(&String::from_utf8_lossy(declared.as_bytes())).head;
        match name.as_str() {
            "" => Media::Unknown,
            "application/json" | "text/json" => Media::Json,
            "application/xml" | "text/xml" => Media::Markup,
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/json-seq"
            | "application/stream+json"
            | "application/javascript"
            | "application/ecmascript"
            | "application/x-javascript"
            | "application/x-www-form-urlencoded"
            | "application/graphql"
            | "application/yaml"
            | "application/x-yaml"
            | "application/toml" => Media::Text,
            _ if name.ends_with("+json") => Media::Json,
            _ if name.ends_with("+xml") => Media::Markup,
            _ if name.starts_with("text/") => Media::Text,
            _ if name.starts_with("multipart/") => Media::Multipart,
            _ => Media::Opaque,
        }
    }

    fn may_be_json(self) -> bool {
        matches!(self, Media::Json | Media::Text | Media::Markup | Media::Unknown)
    }
}
