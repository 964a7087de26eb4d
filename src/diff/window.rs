//! Streams that had not ended when their time was up: compared over the events that both had delivered whole by then.

use super::{Finding, Findings, Tier};
use crate::model::{Answer, BodyEnd, Captured, Failure, FailureKind, Outcome, Stream};

/// What of two answers is compared, one of which at least goes on.
#[expect(clippy::large_enum_variant, reason = "lives for one comparison, on the stack")]
#[derive(Debug)]
pub(super) enum Window {
    /// The same number of events on both sides. Events there were of the primary and of the other.
    Events { primary: Answer, other: Answer, delivered: (u64, u64) },
    /// The other gave nothing while the primary did: a failure.
    Silent(Failure),
    /// Heads alone: there is nothing in the bodies to be compared, for this reason.
    Heads(&'static str),
}

/// Both answers as they are compared and shown: cut to the same events where they are streams that go on.
pub fn window(primary: &Answer, other: &Outcome) -> Option<(Answer, Answer)> {
    let Outcome::Answer(other) = other else { return None };
    match of(primary, other)? {
        Window::Events { primary, other, .. } => Some((primary, other)),
        Window::Silent(_) | Window::Heads(_) => None,
    }
}

/// None where both have ended.
pub(super) fn of(primary: &Answer, other: &Answer) -> Option<Window> {
    if primary.end != BodyEnd::Open && other.end != BodyEnd::Open {
        return None;
    }
    let kinds = (Stream::of(&primary.headers), Stream::of(&other.headers));
    let (Some(stream), true) = (kinds.0, kinds.0 == kinds.1) else {
        return Some(Window::Heads("one goes on, and they are not streams of one kind"));
    };
    let (Some(ours), Some(theirs)) = (primary.body.contiguous(), other.body.contiguous()) else {
        return Some(Window::Heads("a stream's beginning was not kept"));
    };
    let delivered = (count(stream, primary, &ours), count(stream, other, &theirs));
    let events = delivered.0.min(delivered.1);
    if events > 0 {
        let cut = |answer: &Answer, body: &[u8]| {
            let (whole, end) = stream.events(body, events);
            // The last event of a stream that has ended needs nothing to end it.
            let end = if whole < events { body.len() } else { end };
            let (body, end) = (answer.body.prefix(end), BodyEnd::Cut { events });
            Answer { body, trailers: None, end, ..answer.clone() }
        };
        return Some(Window::Events { primary: cut(primary, &ours), other: cut(other, &theirs), delivered });
    }
    Some(match (delivered, &other.end) {
        ((0, _), _) => Window::Heads("no event had come of the primary's stream"),
        (_, BodyEnd::Open) => {
            let detail = "gave no event of its stream in the time for one".to_owned();
            Window::Silent(Failure { kind: FailureKind::Timeout, detail })
        }
        _ => {
            let end = |events| BodyEnd::Cut { events };
            let of =
                |answer: &Answer| Answer { body: Captured::empty(), trailers: None, end: end(0), ..answer.clone() };
            Window::Events { primary: of(primary), other: of(other), delivered }
        }
    })
}

/// Adds that the other ended where the primary went on.
pub(super) fn ended_early(other: &Answer, (ours, theirs): (u64, u64), out: &mut Findings) {
    if other.end != BodyEnd::Open && theirs < ours {
        let mut finding = Finding::new("stream.ended_early", Tier::Break, "body").classes("going on", "ended");
        let told = |n| if n == 1 { "1 event".to_owned() } else { format!("{n} events") };
        finding.primary = Some(format!("{} and going on", told(ours)));
        finding.candidate = Some(format!("ended after {}", told(theirs)));
        out.push(finding);
    }
}

/// Whether the other goes on and has not given half of what the primary gave: too little to call the streams alike.
pub(super) fn lags(other: &Answer, (ours, theirs): (u64, u64)) -> bool {
    other.end == BodyEnd::Open && theirs.saturating_mul(2) < ours
}

/// Whole events; of a stream that has ended, what follows the last of them is one as well.
fn count(stream: Stream, answer: &Answer, body: &[u8]) -> u64 {
    let (whole, end) = stream.events(body, u64::MAX);
    let rest = body.get(end..).unwrap_or_default();
    whole + u64::from(answer.end != BodyEnd::Open && !rest.trim_ascii().is_empty())
}
