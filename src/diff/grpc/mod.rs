//! gRPC answers and protobuf bodies: how a call ended, its frames, and the fields of its messages.
//!
//! Messages are turned into JSON text, by field names where a descriptor set knows the method ([`typed`]) and else by
//! field numbers ([`plain`]), and compared as such: alignment, rules and classes are those of the JSON comparison, with
//! `grpc:$` for `json:$`. Codecs other than protobuf and JSON are compared byte by byte.

mod frames;
mod known;
mod pair;
mod plain;
mod schema;
mod status;
mod text;
mod typed;
mod wire;

#[cfg(test)]
mod tests;

pub(super) use frames::is_same_binary;
pub use schema::{Schema, SchemaError};
pub(super) use status::{is_status_field, metadata, status};

use super::body::unparsed;
use super::budget::Budget;
use super::context::Context;
use super::media::content_type;
use super::{Finding, Findings, Tier};
use crate::model::Answer;
use frames::Framed;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};
use pair::{Codec, Pair, count};
use std::borrow::Cow;
use wire::Fault;

/// Where messages are.
const AT: &str = "grpc:$";

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// Whether an answer is declared as gRPC, gRPC-Web included.
pub(super) fn is_grpc(answer: &Answer) -> bool {
    answer.headers.first(&CONTENT_TYPE).is_some_and(|value| value.starts_with(b"application/grpc"))
}

/// An answer as gRPC reads it; another one only for gRPC-Web.
pub(super) fn unwrapped(answer: &Answer) -> Cow<'_, Answer> {
    frames::unwrapped(answer)
}

/// Adds what differs in the messages of two unequal bodies of frames.
pub(super) fn messages(context: &Context<'_>, answers: (&Answer, &Answer), a: &[u8], b: &[u8], out: &mut Findings) {
    let mut budget = Budget::new(context.expired);
    let mut read = |answer, body| frames::read(answer, body, context.limits, &mut budget);
    let (ours, theirs) = match (read(answers.0, a), read(answers.1, b)) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (Err(Fault::Limit(limit)), _) | (_, Err(Fault::Limit(limit))) => return over(limit, out),
        (x, y) => return unparsed((x.is_err(), y.is_err()), "grpc", a, b, context, out),
    };
    if status::is_form(answers.0, answers.1) {
        return;
    }
    let frame = |f: &Framed<'_>| (f.flag, f.payload.len());
    let same = |(x, y): (&Framed<'_>, &Framed<'_>)| x.message.is_some() && x.message == y.message;
    if ours.iter().zip(&theirs).any(|(x, y)| same((x, y)) && (frame(x) != frame(y) || x.payload != y.payload)) {
        recoded(answers, out);
    }
    if ours.len() == theirs.len() && ours.iter().zip(&theirs).all(same) {
        return;
    }
    let method = context.rules.schema().and_then(|schema| schema.response(context.request.uri.path()));
    let single = ours.len() == 1 && theirs.len() == 1;
    let declared = method.as_ref().map(|method| method.stream);
    let (Some(x), Some(y)) = (frames::messages(&ours), frames::messages(&theirs)) else {
        let payloads = |all: &[Framed<'_>]| all.iter().map(|f| Cow::Owned(f.payload.to_vec())).collect::<Vec<_>>();
        count(context, (ours.len(), theirs.len()), None, out);
        return pair::bytes(context, &payloads(&ours), &payloads(&theirs), out);
    };
    let codec = match (suffix(answers.0).as_str(), suffix(answers.1).as_str()) {
        ("proto", "proto") => Codec::Protobuf(method.map(|method| method.message)),
        ("json", "json") => Codec::Json,
        _ => Codec::Other,
    };
    let pair = Pair { codec, stream: declared.unwrap_or(false) || !single, rules: &context.rules.grpc };
    if let Err(bad) = pair.compare(context, &x, &y, out) {
        unparsed(bad, pair.codec.name(), a, b, context, out);
    }
}

/// Adds what differs between two unequal bodies that are one protobuf message each.
pub(super) fn bodies(context: &Context<'_>, answers: (&Answer, &Answer), a: &[u8], b: &[u8], out: &mut Findings) {
    let of = context.rules.schema().and_then(|schema| {
        let named = |answer: &Answer| {
            let params = content_type(answer).params;
            ["proto", "messagetype"].iter().find_map(|name| schema.message(params.get(*name)?))
        };
        let method = || schema.response(context.request.uri.path()).map(|method| method.message);
        named(answers.0).or_else(|| named(answers.1)).or_else(method)
    });
    let pair = Pair { codec: Codec::Protobuf(of), stream: false, rules: &context.rules.grpc };
    if let Err(bad) = pair.compare(context, &[Cow::Borrowed(a)], &[Cow::Borrowed(b)], out) {
        unparsed(bad, pair.codec.name(), a, b, context, out);
    }
}

fn recoded(answers: (&Answer, &Answer), out: &mut Findings) {
    let name = |a: &Answer| field(a, &ENCODING).unwrap_or_else(|| "identity".to_owned());
    let (x, y) = (name(answers.0), name(answers.1));
    let kind = if x == y { "coding.bytes" } else { "coding.changed" };
    let finding = Finding::new(kind, Tier::Repr, "header:grpc-encoding").classes(&x, &y);
    out.push(finding.values(Some(&x), Some(&y)));
}

fn over(limit: &str, out: &mut Findings) {
    out.budget = Some(format!("the limit on {limit} was reached").into());
}

/// A field of the trailers, or of the head where there are only trailers.
fn field(answer: &Answer, name: &HeaderName) -> Option<String> {
    let trailer = answer.trailers.as_ref().and_then(|t| t.get(name)).map(HeaderValue::as_bytes);
    let value = trailer.or_else(|| answer.headers.first(name))?;
    Some(String::from_utf8_lossy(value).trim().to_owned())
}

fn media_type(answer: &Answer) -> String {
    content_type(answer).head
}

/// How messages are coded: what stands behind the `+` of the type, `proto` where nothing does.
fn suffix(answer: &Answer) -> String {
    media_type(answer).split_once('+').map_or_else(|| "proto".to_owned(), |(_, suffix)| suffix.to_owned())
}
