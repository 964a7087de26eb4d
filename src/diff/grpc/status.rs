//! How a call ended: status, message and details, in trailers or in the head where there are only trailers.

use super::super::context::Context;
use super::super::json::JsonRules;
use super::super::origin::percent_decoded;
use super::super::rules::Scheme;
use super::super::{Finding, Findings, Tier};
use super::pair::{Codec, Message, Pair};
use super::{DETAILS, ENCODING, MESSAGE, STATUS, field, frames, media_type};
use crate::model::Answer;
use http::{HeaderMap, HeaderName};
use std::borrow::Cow;

/// What a call's end is told in; compared here, not among headers and trailers.
pub(in crate::diff) fn is_status_field(name: &HeaderName) -> bool {
    [STATUS, MESSAGE, ENCODING, DETAILS].contains(name)
}

/// Adds what differs in how two calls ended; `true` when the status differs and counts, and so owns what follows.
pub(in crate::diff) fn status(context: &Context<'_>, primary: &Answer, candidate: &Answer, out: &mut Findings) -> bool {
    let (a, b) = (field(primary, &STATUS), field(candidate, &STATUS));
    let mut owns = false;
    if a != b {
        let class = |v: &Option<String>| v.clone().unwrap_or_else(|| "missing".to_owned());
        // A call that went well and now fails is what a 200 that becomes a 500 is.
        let tier = if (a.as_deref() == Some("0")) != (b.as_deref() == Some("0")) { Tier::Break } else { Tier::Value };
        let finding = Finding::new("grpc.status", tier, "grpc:status").classes(&class(&a), &class(&b));
        owns = note(context, "status", finding.values(a.as_deref(), b.as_deref()), &a, &b, out);
    }
    let mut rest = Findings::default();
    message(context, primary, candidate, &mut rest);
    let (x, y) = (form(primary, candidate), form(candidate, primary));
    if x != y {
        let finding = Finding::new("grpc.trailers_only_form", Tier::Repr, "grpc:status").classes(x, y);
        note(context, "status", finding, &None, &None, &mut rest);
    }
    details(context, primary, candidate, &mut rest);
    out.absorb(rest, owns);
    owns
}

/// Whether nothing but the form differs in what two failed calls sent before their trailers: some servers send an empty
/// message with an error, others none.
pub(super) fn is_form(primary: &Answer, candidate: &Answer) -> bool {
    let (a, b) = (field(primary, &STATUS), field(candidate, &STATUS));
    let nothing = |a: &Answer| a.body.is_empty() || has_only_empty_messages(a);
    a == b && a.is_some_and(|status| status != "0") && nothing(primary) && nothing(candidate)
}

/// Head and trailers to be compared. What one side sends in its only trailers the other sends behind the head: it is
/// compared as a trailer.
pub(in crate::diff) fn metadata<'a>(answer: &'a Answer, other: &Answer) -> (Cow<'a, HeaderMap>, Cow<'a, HeaderMap>) {
    let trailers = answer.trailers.as_ref().map_or_else(|| Cow::Owned(HeaderMap::new()), Cow::Borrowed);
    let behind = other.trailers.as_ref().filter(|_| trailers_only(answer) && !trailers_only(other));
    let moved: Vec<&HeaderName> = behind
        .into_iter()
        .flat_map(HeaderMap::keys)
        .filter(|name| answer.headers.has(name) && !other.headers.has(name))
        .collect();
    if moved.is_empty() {
        return (Cow::Borrowed(answer.headers.table()), trailers);
    }
    let (mut head, mut trailers) = (answer.headers.clone().into_table(), trailers.into_owned());
    for name in moved {
        for value in head.get_all(name) {
            trailers.append(name, value.clone());
        }
        head.remove(name);
    }
    (Cow::Owned(head), Cow::Owned(trailers))
}

fn message(context: &Context<'_>, primary: &Answer, candidate: &Answer, out: &mut Findings) {
    let sent = |answer| field(answer, &MESSAGE).filter(|m| !m.is_empty());
    let (a, b) = (sent(primary), sent(candidate));
    if a == b {
        return;
    }
    let (x, y) = (a.as_deref().map(readable), b.as_deref().map(readable));
    let fine = |answer| field(answer, &STATUS).is_some_and(|status| status == "0");
    let finding = if fine(primary) && fine(candidate) {
        // It describes an error, and there is none: some servers say "OK", others nothing.
        let idle = Finding::new("grpc.message", Tier::Repr, "grpc:message").classes("no error", "no error");
        idle.values(x.as_deref(), y.as_deref())
    } else if x == y {
        let escapes = Finding::new("grpc.message", Tier::Repr, "grpc:message").classes("escapes", "escapes");
        escapes.values(a.as_deref(), b.as_deref())
    } else {
        Finding::new("grpc.message", Tier::Value, "grpc:message").values(x.as_deref(), y.as_deref())
    };
    note(context, "message", finding, &x, &y, out);
}

/// `google.rpc.Status` in base64: one finding, where it differs first.
fn details(context: &Context<'_>, primary: &Answer, candidate: &Answer, out: &mut Findings) {
    let (a, b) = (field(primary, &DETAILS), field(candidate, &DETAILS));
    if a == b {
        return;
    }
    let location = format!("trailer:{DETAILS}");
    let kind = match (&a, &b) {
        (Some(_), None) => "trailer.missing",
        (None, _) => "trailer.extra",
        _ => "trailer.value",
    };
    let plain = || Finding::new(kind, Tier::Value, &location).values(a.as_deref(), b.as_deref());
    let bytes = |text: &Option<String>| text.as_deref().and_then(|t| frames::base64(t.as_bytes()));
    let mut finding = match (bytes(&a), bytes(&b)) {
        (Some(x), Some(y)) if x == y => Finding { tier: Tier::Repr, ..plain() }.classes("base64", "base64"),
        (Some(x), Some(y)) => {
            let of = context.rules.schema().and_then(|schema| schema.message("google.rpc.Status"));
            let pair = Pair { codec: Codec::Protobuf(of), stream: false, rules: &JsonRules::none() };
            let mut found = Findings::default();
            let compared = pair.compare(context, &[Message::from(x)], &[Message::from(y)], &mut found);
            if found.budget.is_some() {
                out.budget = found.budget;
                return;
            }
            // The worst of them, and of equals the first.
            match found.list.into_iter().min_by_key(|f| f.tier).filter(|_| compared.is_ok()) {
                Some(first) => {
                    let place = first.exact.strip_prefix("grpc:").unwrap_or_default();
                    let exact = format!("{location}, {place}").into();
                    Finding { kind: kind.into(), exact, location: location.as_str().into(), ..first }
                }
                None => plain(),
            }
        }
        _ => plain(),
    };
    context.rules.cover(Scheme::Trailer, DETAILS.as_str(), &mut finding, a.as_deref(), b.as_deref());
    out.push(finding);
}

fn note(
    context: &Context<'_>,
    name: &str,
    mut finding: Finding,
    a: &Option<String>,
    b: &Option<String>,
    out: &mut Findings,
) -> bool {
    context.rules.cover(Scheme::Grpc, name, &mut finding, a.as_deref(), b.as_deref());
    let counts = finding.counts();
    out.push(finding);
    counts
}

fn trailers_only(answer: &Answer) -> bool {
    answer.headers.has(&STATUS)
}

/// How an answer is built. An empty message is part of the form only where both calls failed in the same way.
fn form(answer: &Answer, other: &Answer) -> &'static str {
    if trailers_only(answer) {
        "trailers only"
    } else if has_only_empty_messages(answer) && is_form(answer, other) {
        "an empty message and trailers"
    } else {
        "headers and trailers"
    }
}

/// gRPC-Web answers have been unwrapped by now.
fn has_only_empty_messages(answer: &Answer) -> bool {
    media_type(answer).starts_with("application/grpc")
        && answer.body.contiguous().is_some_and(|body| frames::only_empty_messages(&body))
}

/// Text with its `%20` read; what is no escape, or no UTF-8 then, stays.
fn readable(text: &str) -> String {
    String::from_utf8(percent_decoded(text)).unwrap_or_else(|_| text.to_owned())
}
