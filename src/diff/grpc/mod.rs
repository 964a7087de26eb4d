//! gRPC answers and protobuf bodies: how a call ended, its frames, and the fields of its messages.
//!
//! Messages are turned into JSON text, by field names where a descriptor set knows the method ([`typed`]) and else by
//! field numbers ([`plain`]), and compared as such: alignment, rules and classes are those of the JSON comparison, with
//! `grpc:$` for `json:$`. Codecs other than protobuf and JSON are compared byte by byte.

mod frames;
mod known;
mod plain;
mod schema;
mod status;
mod text;
mod typed;
mod wire;

#[cfg(test)]
mod tests;

pub use schema::{Schema, SchemaError};
pub(super) use status::{is_status_field, metadata, status};

use super::body::{opaque, unparsed};
use super::budget::Budget;
use super::compare::Context;
use super::finding::Cover;
use super::headers::Parameterised;
use super::json::{self, JsonOutcome, JsonRules};
use super::spec::Ignore;
use super::value::Session;
use super::{Finding, Findings, Tier};
use crate::model::Answer;
use frames::Framed;
use http::header::CONTENT_TYPE;
use plain::Guess;
use prost_reflect::MessageDescriptor;
use serde_json::value::RawValue;
use std::borrow::Cow;
use text::Text;
use typed::{Set, Writer};
use wire::Fault;

/// Where messages are.
const AT: &str = "grpc:$";
/// One message of a stream.
const EVENT: &str = "grpc:$[*]";
/// How many times its decoded size a message may take as text.
const EXPANSION: u64 = 4;

type Message<'a> = Cow<'a, [u8]>;

/// Whether an answer is declared as gRPC, gRPC-Web included.
pub(super) fn is_grpc(answer: &Answer) -> bool {
    answer.headers.get(CONTENT_TYPE).is_some_and(|v| v.as_bytes().starts_with(b"application/grpc"))
}

/// Whether an answer's body is declared as one protobuf message.
pub(super) fn is_protobuf(answer: &Answer) -> bool {
    const TYPES: [&str; 4] = [
        "application/protobuf",
        "application/x-protobuf",
        "application/vnd.google.protobuf",
        "application/x-google-protobuf",
    ];
    TYPES.contains(&media_type(answer).as_str())
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
        return bytes(context, &payloads(&ours), &payloads(&theirs), out);
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

/// How the bytes of a message are read.
#[derive(Debug)]
enum Codec {
    /// By the fields of this type, where it is known.
    Protobuf(Option<MessageDescriptor>),
    Json,
    Other,
}

/// What there is to know about messages beside their bytes.
struct Pair<'r> {
    codec: Codec,
    /// Each side is a list of messages.
    stream: bool,
    rules: &'r JsonRules,
}

/// Both sides as JSON.
struct Texts {
    primary: String,
    candidate: String,
}

/// Why there is no JSON.
enum NoText {
    /// Which sides are not what they are said to be.
    Bad((bool, bool)),
    Limit(&'static str),
}

// === impl Codec ===

impl Codec {
    fn name(&self) -> &'static str {
        match self {
            Codec::Protobuf(_) => "protobuf",
            Codec::Json => "json",
            Codec::Other => "bytes",
        }
    }
}

// === impl Pair ===

impl Pair<'_> {
    /// Adds what differs. An error says which one of two sides is not what it is said to be; no finding was made then.
    fn compare(
        &self,
        context: &Context<'_>,
        ours: &[Message<'_>],
        theirs: &[Message<'_>],
        out: &mut Findings,
    ) -> Result<(), (bool, bool)> {
        let counts = (ours.len(), theirs.len());
        if ours.is_empty() || theirs.is_empty() {
            count(context, counts, None, out);
            return Ok(());
        }
        let texts = match self.texts(context, ours, theirs) {
            Ok(texts) => texts,
            Err(NoText::Limit(limit)) => {
                over(limit, out);
                return Ok(());
            }
            Err(NoText::Bad((true, true))) => {
                count(context, counts, None, out);
                bytes(context, ours, theirs, out);
                return Ok(());
            }
            Err(NoText::Bad(bad)) => return Err(bad),
        };
        let (mut found, mut budget) = (Findings::default(), Budget::new(context.expired));
        let mut session = Session { skew: context.skew, ..Session::default() };
        let options = json::Options { prefix: AT, ..json::Options::default() };
        let (x, y) = (texts.primary.as_bytes(), texts.candidate.as_bytes());
        match json::compare_with(x, y, self.rules, &mut budget, &mut session, &options, &mut found) {
            JsonOutcome::Done => {}
            JsonOutcome::Limit(limit) => over(limit, &mut found),
            JsonOutcome::NotJson { primary, candidate } => return Err((primary, candidate)),
        }
        self.tell(context, found, ours, theirs, out);
        Ok(())
    }

    /// Findings on JSON as findings on messages.
    fn tell(
        &self,
        context: &Context<'_>,
        mut found: Findings,
        ours: &[Message<'_>],
        theirs: &[Message<'_>],
        out: &mut Findings,
    ) {
        let lonely = |f: &Finding| {
            self.stream && &*f.location == EVENT && matches!(&*f.kind, "json.item_missing" | "json.item_extra")
        };
        let (events, mut rest): (Vec<_>, Vec<_>) = found.list.into_iter().partition(|f| lonely(f));
        let one_way =
            events.iter().all(|f| f.kind == events.first().map_or_else(|| f.kind.clone(), |e| e.kind.clone()));
        if ours.len() != theirs.len() && one_way {
            // One finding for all messages that one side has not; what covers them all covers it.
            let cover =
                events.first().and_then(|e| e.cover.clone()).filter(|_| events.iter().all(|e| e.cover.is_some()));
            count(context, (ours.len(), theirs.len()), cover.clone(), out);
            let both = ours.len().min(theirs.len());
            let at_end = |f: &Finding| event(&f.exact).is_some_and(|at| at >= both);
            if !rest.iter().any(Finding::counts) && events.iter().all(at_end) {
                ended_early(context, ours.len() < theirs.len(), both, cover, out);
                found.dropped = 0;
            }
        } else {
            if ours.len() != theirs.len() {
                count(context, (ours.len(), theirs.len()), None, out);
            }
            rest.extend(events);
        }
        let untold = rest.is_empty() && ours.len() == theirs.len() && found.budget.is_none();
        let mut told = Findings { list: Vec::new(), dropped: found.dropped, budget: found.budget };
        for finding in rest {
            told.push(self.renamed(finding));
        }
        if untold {
            let finding = Finding::new("grpc.field", Tier::Repr, AT).classes("wire", "wire");
            told.push(finding);
        }
        out.absorb(told, false);
    }

    fn renamed(&self, mut finding: Finding) -> Finding {
        let what = finding.kind.strip_prefix("json.").unwrap_or_default().to_owned();
        let kind = match (what.as_str(), &*finding.location) {
            ("item_missing", EVENT) if self.stream => "stream.event_missing",
            ("item_extra", EVENT) if self.stream => "stream.event_extra",
            ("order", AT) | ("moved", EVENT) if self.stream => "stream.order",
            _ => "grpc.field",
        };
        // In what way values differ, where that is not in the kind any more.
        if !matches!(finding.tier, Tier::Break | Tier::Value) && finding.primary_class == finding.candidate_class {
            finding = finding.classes(&what, &what);
        }
        if matches!(self.codec, Codec::Protobuf(None)) && plain::is_guessed(&finding.exact) {
            finding.exact = format!("{}, guessed", finding.exact).into();
        }
        Finding { kind: kind.into(), ..finding }
    }

    fn texts(&self, context: &Context<'_>, ours: &[Message<'_>], theirs: &[Message<'_>]) -> Result<Texts, NoText> {
        let most = context.limits.decoded.saturating_mul(EXPANSION);
        let list = |all: &[Message<'_>], write: &mut dyn FnMut(&[u8], Text) -> Result<Text, Fault>| {
            let mut out = Text::up_to(most);
            if self.stream {
                out.push("[")?;
            }
            let mut first = true;
            for message in all {
                out.separate(&mut first)?;
                out = write(message, out)?;
            }
            if self.stream {
                out.push("]")?;
            }
            Ok(out.into_string())
        };
        let budget = || Budget::new(context.expired);
        match &self.codec {
            Codec::Protobuf(of) => match (of, context.rules.schema()) {
                (Some(of), Some(schema)) => {
                    let mut set = Set::new();
                    let mut write = |all: &[Message<'_>]| {
                        let mut budget = budget();
                        list(all, &mut |message, out| {
                            let mut writer = Writer { schema, set: &mut set, budget: &mut budget, out };
                            writer.root(of, message)?;
                            Ok(writer.out)
                        })
                    };
                    // Once to learn what is set anywhere, then for good.
                    let _ = both(write(ours), write(theirs))?;
                    both(write(ours), write(theirs))
                }
                _ => {
                    let plain = |sides: [&[Message<'_>]; 2]| {
                        let views = sides.map(|all| all.iter().map(|m| &**m).collect::<Vec<_>>());
                        let guess = Guess::of(&views, &mut budget())?;
                        let write = |all: &[Message<'_>]| {
                            let mut budget = budget();
                            list(all, &mut |message, mut out| {
                                guess.write(message, &mut out, &mut budget)?;
                                Ok(out)
                            })
                        };
                        let [ours, theirs] = sides;
                        Ok((write(ours)?, write(theirs)?))
                    };
                    match plain([ours, theirs]) {
                        Ok((primary, candidate)) => Ok(Texts { primary, candidate }),
                        Err(Fault::Limit(limit)) => Err(NoText::Limit(limit)),
                        // Which of them it is.
                        Err(Fault::Wire) => both(plain([ours, &[]]).map(|t| t.0), plain([&[], theirs]).map(|t| t.1)),
                    }
                }
            },
            Codec::Json => {
                let write = |all: &[Message<'_>]| {
                    list(all, &mut |message, mut out| {
                        let text = serde_json::from_slice::<&RawValue>(message).map_err(|_| Fault::Wire)?;
                        out.push(text.get())?;
                        Ok(out)
                    })
                };
                both(write(ours), write(theirs))
            }
            Codec::Other => Err(NoText::Bad((true, true))),
        }
    }
}

fn both(primary: Result<String, Fault>, candidate: Result<String, Fault>) -> Result<Texts, NoText> {
    match (primary, candidate) {
        (Ok(primary), Ok(candidate)) => Ok(Texts { primary, candidate }),
        (Err(Fault::Limit(limit)), _) | (_, Err(Fault::Limit(limit))) => Err(NoText::Limit(limit)),
        (p, c) => Err(NoText::Bad((p.is_err(), c.is_err()))),
    }
}

/// How many messages there are, where that differs.
fn count(context: &Context<'_>, (ours, theirs): (usize, usize), cover: Option<Cover>, out: &mut Findings) {
    if ours == theirs {
        return;
    }
    let class = |n: usize| match n {
        0 => "none",
        1 => "one",
        _ => "many",
    };
    let finding = Finding::new("grpc.frame_count", Tier::Value, AT).classes(class(ours), class(theirs));
    let finding = Finding { cover, ..finding.values(Some(&ours.to_string()), Some(&theirs.to_string())) };
    let aspect = if ours > theirs { Ignore::Missing } else { Ignore::Extra };
    out.push(at_root(context, &[aspect, Ignore::Value], finding));
}

/// One side's messages are the beginning of the other's.
fn ended_early(context: &Context<'_>, primary: bool, after: usize, cover: Option<Cover>, out: &mut Findings) {
    let class = |ended| if ended { "ended" } else { "went on" };
    let finding = Finding::new("stream.ended_early", Tier::Value, AT).classes(class(primary), class(!primary));
    let side = |ended| Some(if ended { format!("ended after {after} messages") } else { "went on".to_owned() });
    let finding = Finding { primary: side(primary), candidate: side(!primary), cover, ..finding };
    let aspect = if primary { Ignore::Extra } else { Ignore::Missing };
    out.push(at_root(context, &[aspect, Ignore::Value], finding));
}

/// Messages that nothing here reads, one by one.
fn bytes(context: &Context<'_>, ours: &[Message<'_>], theirs: &[Message<'_>], out: &mut Findings) {
    for (i, (x, y)) in ours.iter().zip(theirs).enumerate().filter(|(_, (x, y))| x != y) {
        if (context.expired)() {
            return over("time", out);
        }
        let mut found = Findings::default();
        opaque(x, y, "", &mut found);
        for finding in found.list {
            let exact = format!("{AT}, message {i}").into();
            let finding = Finding { kind: "grpc.field".into(), location: AT.into(), exact, ..finding };
            out.push(at_root(context, &[Ignore::Value], finding));
        }
    }
}

/// The finding, covered where a rule on all messages ignores these aspects.
fn at_root(context: &Context<'_>, aspects: &[Ignore], mut finding: Finding) -> Finding {
    if finding.cover.is_none() {
        finding.cover = context.rules.grpc.at_root().ignores(aspects).cloned().map(Cover::Rule);
    }
    finding
}

fn recoded(answers: (&Answer, &Answer), out: &mut Findings) {
    let name = |a: &Answer| field(a, "grpc-encoding").unwrap_or_else(|| "identity".to_owned());
    let (x, y) = (name(answers.0), name(answers.1));
    let kind = if x == y { "coding.bytes" } else { "coding.changed" };
    let finding = Finding::new(kind, Tier::Repr, "header:grpc-encoding").classes(&x, &y);
    out.push(finding.values(Some(&x), Some(&y)));
}

fn over(limit: &str, out: &mut Findings) {
    out.budget = Some(format!("the limit on {limit} was reached").into());
}

/// The position in the stream of an exact place that is one message of it.
fn event(exact: &str) -> Option<usize> {
    exact.strip_prefix(AT)?.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// A field of the trailers, or of the head where there are only trailers.
fn field(answer: &Answer, name: &str) -> Option<String> {
    let value = answer.trailers.as_ref().and_then(|t| t.get(name)).or_else(|| answer.headers.get(name))?;
    Some(String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
}

fn content_type(answer: &Answer) -> Parameterised {
    let declared = answer.headers.get(CONTENT_TYPE).map(|v| String::from_utf8_lossy(v.as_bytes()));
    declared.map(|text| Parameterised::parse(&text)).unwrap_or_default()
}

fn media_type(answer: &Answer) -> String {
    content_type(answer).head
}

/// How messages are coded: what stands behind the `+` of the type, `proto` where nothing does.
fn suffix(answer: &Answer) -> String {
    media_type(answer).split_once('+').map_or_else(|| "proto".to_owned(), |(_, suffix)| suffix.to_owned())
}
