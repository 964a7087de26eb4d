//! gRPC answers: status and message wherever they are sent, messages by their frames. Without a schema the bytes of
//! a message are only equal or not.

use super::body::{opaque, unparsed};
use super::coding::{self, Limits};
use super::compare::Context;
use super::rules::Scheme;
use super::{Finding, Findings, Tier};
use crate::model::Answer;
use http::header::CONTENT_TYPE;
use std::borrow::Cow;

/// Whether an answer is declared as gRPC.
pub(super) fn is_grpc(answer: &Answer) -> bool {
    answer.headers.get(CONTENT_TYPE).is_some_and(|v| v.as_bytes().starts_with(b"application/grpc"))
}

/// Adds what differs in status and message; `true` when the status differs and counts, and so owns what follows.
pub(super) fn status(context: &Context<'_>, primary: &Answer, candidate: &Answer, out: &mut Findings) -> bool {
    let (a, b) = (field(primary, "grpc-status"), field(candidate, "grpc-status"));
    let mut owns = false;
    if a != b {
        let class = |v: &Option<String>| v.clone().unwrap_or_else(|| "missing".to_owned());
        // A call that went well and now fails is what a 200 that becomes a 500 is.
        let tier = if (a.as_deref() == Some("0")) != (b.as_deref() == Some("0")) { Tier::Break } else { Tier::Value };
        let finding = Finding::new("grpc.status", tier, "grpc:status").classes(&class(&a), &class(&b));
        owns = note(context, "status", finding.values(a.as_deref(), b.as_deref()), &a, &b, out);
    }
    let mut rest = Findings::default();
    let (a, b) = (field(primary, "grpc-message"), field(candidate, "grpc-message"));
    let (a, b) = (a.filter(|m| !m.is_empty()), b.filter(|m| !m.is_empty()));
    if a != b {
        let finding = Finding::new("grpc.message", Tier::Value, "grpc:message").values(a.as_deref(), b.as_deref());
        note(context, "message", finding, &a, &b, &mut rest);
    }
    let (a, b) = (trailers_only(primary), trailers_only(candidate));
    if a != b {
        let class = |only| if only { "trailers only" } else { "headers and trailers" };
        let finding = Finding::new("grpc.trailers_only_form", Tier::Repr, "grpc:status").classes(class(a), class(b));
        note(context, "status", finding, &None, &None, &mut rest);
    }
    out.absorb(rest, owns);
    owns
}

/// Adds what differs in the messages of two unequal bodies.
pub(super) fn messages(context: &Context<'_>, answers: (&Answer, &Answer), a: &[u8], b: &[u8], out: &mut Findings) {
    let (Some(ours), Some(theirs)) = (frames(a), frames(b)) else {
        return unparsed((frames(a).is_none(), frames(b).is_none()), "grpc", a, b, context, out);
    };
    if ours.len() != theirs.len() {
        let (x, y) = (ours.len().to_string(), theirs.len().to_string());
        let class = |n: usize| match n {
            0 => "none",
            1 => "one",
            _ => "many",
        };
        let finding =
            Finding::new("grpc.frame_count", Tier::Value, "grpc:$").classes(class(ours.len()), class(theirs.len()));
        note(context, "$", finding.values(Some(&x), Some(&y)), &Some(x.clone()), &Some(y.clone()), out);
    }
    let mut recoded = false;
    for (i, (x, y)) in ours.iter().zip(&theirs).enumerate() {
        if x == y {
            continue;
        }
        let (x, y) = (message(answers.0, *x, context.limits), message(answers.1, *y, context.limits));
        if x == y {
            recoded = true;
            continue;
        }
        let mut found = Findings::default();
        opaque(&x, &y, "", &mut found);
        for mut finding in found.list {
            finding.kind = "grpc.field".into();
            finding.location = "grpc:$".into();
            finding.exact = format!("grpc:$, message {i}").into();
            note(context, "$", finding, &None, &None, out);
        }
    }
    if recoded {
        let name = |a: &Answer| field(a, "grpc-encoding").unwrap_or_else(|| "identity".to_owned());
        let (x, y) = (name(answers.0), name(answers.1));
        let kind = if x == y { "coding.bytes" } else { "coding.changed" };
        let finding = Finding::new(kind, Tier::Repr, "header:grpc-encoding").classes(&x, &y);
        out.push(finding.values(Some(&x), Some(&y)));
    }
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

/// A field of the trailers, or of the head where there are only trailers.
fn field(answer: &Answer, name: &str) -> Option<String> {
    let value = answer.trailers.as_ref().and_then(|t| t.get(name)).or_else(|| answer.headers.get(name))?;
    Some(String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
}

fn trailers_only(answer: &Answer) -> bool {
    answer.headers.contains_key("grpc-status")
}

/// The flag and payload of each frame; `None` where the bytes are not whole frames.
fn frames(mut body: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut all = Vec::new();
    while !body.is_empty() {
        let (head, rest) = body.split_first_chunk::<5>()?;
        let [flag, a, b, c, d] = *head;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
        let (payload, rest) = rest.split_at_checked(length)?;
        all.push((flag, payload));
        body = rest;
    }
    Some(all)
}

/// A message's own bytes, uncompressed where its flag says it is compressed and that can be undone.
fn message<'a>(answer: &Answer, (flag, payload): (u8, &'a [u8]), limits: Limits) -> Cow<'a, [u8]> {
    if flag != 1 {
        return Cow::Borrowed(payload);
    }
    let coding = field(answer, "grpc-encoding").map(|c| c.to_ascii_lowercase());
    let undone = coding.map(|c| coding::decode(payload, &[c], limits));
    undone.and_then(Result::ok).unwrap_or(Cow::Borrowed(payload))
}
