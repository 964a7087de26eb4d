//! Two bodies that are not the same bytes: which comparator is asked, by what they are declared and look like.
//!
//! HTML is compared as text.

use super::budget::Budget;
use super::context::Context;
use super::json::{self, JsonOutcome};
use super::media::{Media, content_type};
use super::rules::Scheme;
use super::value::Session;
use super::{Finding, Findings, Tier, aside, charset, formats, grpc, text, xml};
use crate::model::{Answer, Leg};
use formats::Format;
use http::StatusCode;
use std::borrow::Cow;
use std::fmt::Write;

/// Bytes shown around the first difference of two bodies that nothing else understands.
const WINDOW: usize = 64;

/// Containers in one another in what is compared at once.
const AT_ONCE: usize = 16;

const AT: &str = "body";

/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

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
    let declared = (content_type(answers.0), content_type(answers.1));
    let (primary, candidate) = (charset::utf8(&declared.0, primary), charset::utf8(&declared.1, candidate));
    if primary == candidate {
        return out.push(Finding::new("text.encoding", Tier::Repr, "text").classes("text", "text"));
    }
    let media = (Media::named(&declared.0.head), Media::named(&declared.1.head));
    // A part of a body is bytes, whatever the whole is; but parts may come as a multipart body.
    let partial = [answers.0.status, answers.1.status].contains(&StatusCode::PARTIAL_CONTENT);
    // Wrong or missing types are no reason not to look, as long as both are what they look like.
    let alike = looks_like_json(&primary) && looks_like_json(&candidate);
    let both = media == (Media::Json, Media::Json);
    match media {
        (Media::Coded(a), Media::Coded(b))
            if a == b && if partial { a == Format::Multipart } else { !(alike && a.is_loose()) } =>
        {
            formats::compare(a, context, answers, (&primary, &candidate), out);
        }
        (Media::Protobuf, Media::Protobuf) if !partial => grpc::bodies(context, answers, &primary, &candidate, out),
        (a, b) if !partial && (both || alike && a.may_be_json() && b.may_be_json()) => {
            json_or_text(context, answers, media, &primary, &candidate, out);
        }
        (a, b) if !partial && a.is_xml(&primary) && b.is_xml(&candidate) => {
            let xhtml = [&declared.0, &declared.1].into_iter().any(|d| d.head == "application/xhtml+xml");
            xml::compare(context, xhtml, (&primary, &candidate), out);
        }
        _ => by_lines_or_bytes(media, &primary, &candidate, context, out),
    }
}

/// Compares two bodies that came as they are under the same head, where they are JSON that is compared at once.
pub(super) fn compare_at_once(
    context: &Context<'_>,
    of: &Answer,
    primary: &[u8],
    candidate: &[u8],
) -> Option<Findings> {
    let declared = content_type(of);
    let charset = declared.params.get("charset");
    if Media::named(&declared.head) != Media::Json
        || grpc::is_grpc(of)
        || charset.is_some_and(|charset| !charset.eq_ignore_ascii_case("utf-8"))
    {
        return None;
    }
    let options = json::Options { at_once: true, ..json::Options::default() };
    let mut budget = Budget::new(context.expired);
    budget.depth = AT_ONCE;
    match as_json(context, primary, candidate, &mut budget, &options) {
        AsJson::Compared(found) if found.budget.is_none() => Some(found),
        _ => None,
    }
}

/// How two bodies compared as JSON.
pub(super) enum AsJson {
    /// Equal once the legs' own origins are put aside.
    Same,
    /// Compared as far as the budget went; something is found.
    Compared(Findings),
    NotJson {
        primary: bool,
        candidate: bool,
    },
}

/// Compares two unequal JSON texts with the rules at `json:` locations, each leg's own origin put aside.
pub(super) fn as_json(
    context: &Context<'_>,
    primary: &[u8],
    candidate: &[u8],
    budget: &mut Budget<'_>,
    options: &json::Options<'_>,
) -> AsJson {
    let (primary, candidate) = aside::json(context, primary, candidate);
    if primary == candidate {
        return AsJson::Same;
    }
    let mut found = Findings::default();
    let mut session = Session { skew: context.skew, control: context.other == Leg::Control, ..Session::default() };
    let rules = &context.rules.json;
    match json::compare_with(&primary, &candidate, rules, budget, &mut session, options, &mut found) {
        JsonOutcome::Done => {
            if found.is_match() {
                // Something outside all values, such as a byte order mark.
                found.push(Finding::new("json.whitespace", Tier::Repr, "json:$").classes("text", "text"));
            }
        }
        JsonOutcome::Limit(what) => found.budget = Some(format!("the limit on {what} was reached").into()),
        JsonOutcome::NotJson { primary, candidate } => return AsJson::NotJson { primary, candidate },
    }
    AsJson::Compared(found)
}

/// What is declared as JSON, or looks like it.
fn json_or_text(
    context: &Context<'_>,
    answers: (&Answer, &Answer),
    media: (Media, Media),
    primary: &[u8],
    candidate: &[u8],
    out: &mut Findings,
) {
    let mut budget = Budget::new(context.expired);
    // A byte order mark is no part of the text; where one side alone has it, that side is none to most who read JSON.
    let (primary, candidate) = match (primary.strip_prefix(MARK), candidate.strip_prefix(MARK)) {
        (Some(a), Some(b)) => (a, b),
        _ => (primary, candidate),
    };
    let bad = match as_json(context, primary, candidate, &mut budget, &json::Options::default()) {
        AsJson::Same => return,
        AsJson::Compared(found) => return out.absorb(found, false),
        AsJson::NotJson { primary, candidate } => (primary, candidate),
    };
    // One JSON text to a line is often declared as if it were one.
    let several = |body: &[u8], budget: &mut Budget<'_>| formats::is_sequence(body, budget).unwrap_or(false);
    if bad == (true, true) && several(primary, &mut budget) && several(candidate, &mut budget) {
        return formats::compare(Format::Ndjson, context, answers, (primary, candidate), out);
    }
    if media == (Media::Json, Media::Json) {
        return unparsed(bad, "json", primary, candidate, context, out);
    }
    by_lines_or_bytes(media, primary, candidate, context, out);
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
    by_lines_or_bytes((Media::Unknown, Media::Unknown), primary, candidate, context, &mut rest);
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

/// At least one body is known by its digest or its length only.
pub(super) fn digests(answers: (&Answer, &Answer), out: &mut Findings) {
    let mut finding = Finding::new("body.opaque", Tier::Value, AT).classes("digest", "digest");
    finding.primary_shape = Some("bytes".into());
    finding.candidate_shape = Some("bytes".into());
    finding.primary = Some(answers.0.body.summary());
    finding.candidate = Some(answers.1.body.summary());
    out.push(finding);
}

fn by_lines_or_bytes(
    media: (Media, Media),
    primary: &[u8],
    candidate: &[u8],
    context: &Context<'_>,
    out: &mut Findings,
) {
    let text = text::is_text(primary) && text::is_text(candidate);
    let declared = |m| matches!(m, Media::Text | Media::Indented | Media::Markup);
    let indented = media == (Media::Indented, Media::Indented);
    match media {
        (a, b) if declared(a) && declared(b) => text::compare(context, primary, candidate, indented, out),
        (a, b) if text && a.may_be_text() && b.may_be_text() => {
            text::compare(context, primary, candidate, indented, out);
        }
        _ => opaque(primary, candidate, "", out),
    }
}

fn window(body: &[u8], at: usize, remark: &str) -> String {
    let end = body.len().min(at.saturating_add(WINDOW));
    let mut text = format!("{} bytes{remark}, from {at}: ", body.len());
    for byte in body.get(at.min(end)..end).unwrap_or_default() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The first bytes of a body.
pub(super) fn head(body: &[u8]) -> &[u8] {
    body.get(..body.len().min(512)).unwrap_or_default()
}

fn looks_like_json(body: &[u8]) -> bool {
    let body = body.strip_prefix(MARK).unwrap_or(body);
    matches!(body.trim_ascii_start().first(), Some(b'{' | b'['))
}
