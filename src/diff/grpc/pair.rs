//! The messages of two sides as JSON, compared, and what differs told as gRPC.

use super::super::body::opaque;
use super::super::budget::Budget;
use super::super::context::Context;
use super::super::finding::Cover;
use super::super::json::{self, JsonOutcome, JsonRules};
use super::super::spec::Ignore;
use super::super::value::Session;
use super::super::{Finding, Findings, Tier};
use super::plain::{self, Guess};
use super::schema::Schema;
use super::text::Text;
use super::typed::{Set, Writer};
use super::wire::Fault;
use super::{AT, over};
use prost_reflect::MessageDescriptor;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// One message of a stream.
const EVENT: &str = "grpc:$[*]";
/// How many times its decoded size a message may take as text.
const EXPANSION: u64 = 4;

pub(super) type Message<'a> = Cow<'a, [u8]>;

/// How the bytes of a message are read.
#[derive(Debug)]
pub(super) enum Codec {
    /// By the fields of this type, where it is known.
    Protobuf(Option<MessageDescriptor>),
    Json,
    Other,
}

/// What there is to know about messages beside their bytes.
pub(super) struct Pair<'r> {
    pub(super) codec: Codec,
    /// Each side is a list of messages.
    pub(super) stream: bool,
    pub(super) rules: &'r JsonRules,
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
    pub(super) fn name(&self) -> &'static str {
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
    pub(super) fn compare(
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
            let at_end = |f: &Finding| event(&f.exact).is_some_and(|at| at >= ours.len().min(theirs.len()));
            if !rest.iter().any(Finding::counts) && events.iter().all(at_end) {
                found.dropped = 0;
                if ours.len() > theirs.len() {
                    ended_early(context, (ours.len(), theirs.len()), cover, out);
                }
            }
        } else {
            if ours.len() != theirs.len() {
                count(context, (ours.len(), theirs.len()), None, out);
            }
            rest.extend(events);
        }
        let untold = rest.is_empty() && ours.len() == theirs.len() && found.budget.is_none();
        let mut told = Findings { list: Vec::new(), ..found };
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
            ("order", AT) | ("moved", EVENT) if self.stream => "stream.event_order",
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
        match (&self.codec, context.rules.schema()) {
            (Codec::Protobuf(Some(of)), Some(schema)) => self.by_name(context, schema, of, ours, theirs),
            (Codec::Protobuf(_), _) => match self.by_number(context, ours, theirs) {
                // Which of them it is.
                Err(Fault::Wire) => {
                    let (p, c) = (self.by_number(context, ours, &[]), self.by_number(context, &[], theirs));
                    both(p.map(|texts| texts.primary), c.map(|texts| texts.candidate))
                }
                Err(Fault::Limit(limit)) => Err(NoText::Limit(limit)),
                Ok(texts) => Ok(texts),
            },
            (Codec::Json, _) => {
                let write = |all: &[Message<'_>]| {
                    self.list(context, all, |message, out| {
                        let text = serde_json::from_slice::<&RawValue>(message).map_err(|_| Fault::Wire)?;
                        Ok(out.push(text.get())?)
                    })
                };
                both(write(ours), write(theirs))
            }
            (Codec::Other, _) => Err(NoText::Bad((true, true))),
        }
    }

    fn by_name(
        &self,
        context: &Context<'_>,
        schema: &Schema,
        of: &MessageDescriptor,
        ours: &[Message<'_>],
        theirs: &[Message<'_>],
    ) -> Result<Texts, NoText> {
        let mut set = Set::new();
        let mut write = |all: &[Message<'_>]| {
            let mut budget = Budget::new(context.expired);
            self.list(context, all, |message, out| {
                Writer { schema, set: &mut set, budget: &mut budget, out }.root(of, message)
            })
        };
        // Once to learn what is set anywhere, then for good.
        both(write(ours), write(theirs))?;
        both(write(ours), write(theirs))
    }

    fn by_number(&self, context: &Context<'_>, ours: &[Message<'_>], theirs: &[Message<'_>]) -> Result<Texts, Fault> {
        let sides = [ours, theirs].map(|all| all.iter().map(|m| &**m).collect::<Vec<_>>());
        let guess = Guess::of(&sides, &mut Budget::new(context.expired))?;
        let write = |all: &[Message<'_>]| {
            let mut budget = Budget::new(context.expired);
            self.list(context, all, |message, out| guess.write(message, out, &mut budget))
        };
        Ok(Texts { primary: write(ours)?, candidate: write(theirs)? })
    }

    /// One side's text: its one message, or the list of them.
    fn list(
        &self,
        context: &Context<'_>,
        all: &[Message<'_>],
        mut write: impl FnMut(&[u8], &mut Text) -> Result<(), Fault>,
    ) -> Result<String, Fault> {
        let mut out = Text::up_to(context.limits.decoded.saturating_mul(EXPANSION));
        if self.stream {
            out.push("[")?;
        }
        let mut first = true;
        for message in all {
            out.separate(&mut first)?;
            write(message, &mut out)?;
        }
        if self.stream {
            out.push("]")?;
        }
        Ok(out.into_string())
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
pub(super) fn count(context: &Context<'_>, (ours, theirs): (usize, usize), cover: Option<Cover>, out: &mut Findings) {
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

/// The candidate's messages are the beginning of the primary's.
fn ended_early(context: &Context<'_>, (ours, theirs): (usize, usize), cover: Option<Cover>, out: &mut Findings) {
    let finding = Finding::new("stream.ended_early", Tier::Break, AT).classes("whole", "ended");
    let side = |n| Some(if n == 1 { "1 message".to_owned() } else { format!("{n} messages") });
    let finding = Finding { primary: side(ours), candidate: side(theirs), cover, ..finding };
    out.push(at_root(context, &[Ignore::Missing, Ignore::Value], finding));
}

/// Messages that nothing here reads, one by one.
pub(super) fn bytes(context: &Context<'_>, ours: &[Message<'_>], theirs: &[Message<'_>], out: &mut Findings) {
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

/// The position in the stream of an exact place that is one message of it.
fn event(exact: &str) -> Option<usize> {
    exact.strip_prefix(AT)?.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}
