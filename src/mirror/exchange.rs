//! One mirrored exchange from its start to its settlement. Runs in a task of its own, detached from the client.

use super::ask::{self, Asked};
use super::confirm::Wish;
use super::overrun::Beside;
use super::{Legs, Mirrors, Plan, Policy};
use crate::clock::recently;
use crate::flow::{BodyOutcome, Exchange, Judge, Pair, PrimaryOutcome, RequestBody};
use crate::model::{
    Answer, BodyEnd, FailureKind, Incomparable, Leg, LegRecord, Outcome, PerLeg, RequestHead, is_read_only,
};
use http::StatusCode;
use http::header::IF_RANGE;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::time::{Instant, timeout_at};

/// Between two looks at a primary that takes its time.
const LOOK: Duration = Duration::from_millis(500);

/// Request bodies up to this size are read for the name of the route at once, larger ones where they hold up nobody.
const READ_AT_ONCE: u64 = 32 << 10;

/// Asks the mirror legs, waits for what the primary did, and hands the pair on or settles it as incomparable.
pub(super) async fn run(plan: Arc<Plan>, mut exchange: Box<Exchange>) {
    let Plan { shared, legs, .. } = &*plan;
    let mut lag = exchange.due.elapsed();
    shared.skew.record(lag);
    let policy = plan.policy(exchange.admission.configured);
    let settings = &policy.settings;
    let leave = legs.breaker(Leg::Candidate).leave(exchange.admission.probe);
    let mut due = exchange.due;
    let mut primary = None;
    if settings.start == super::Start::AfterPrimary {
        let outcome = primary_in_time(&mut exchange, due + settings.timeout).await;
        if let Some(reason) = unanswered(&outcome) {
            // What the old system did not do the new one is not asked to do.
            let legs = PerLeg { primary: outcome.ok().and_then(|outcome| record_of(&outcome)), ..PerLeg::default() };
            let exchange = named(exchange, shared).await;
            return exchange.ticket.incomparable(reason, shared.judge.generation(), None, legs);
        }
        primary = outcome.ok();
        due = Instant::now();
        lag = due - exchange.due;
    }
    // From here on the leg's own outcome is told.
    leave.used();
    let with_control = legs.control_wanted(exchange.ticket.id());
    let beside = Beside::Follows { primary: exchange.primary_head.progress(), overrun: &shared.overrun };
    let question = &exchange.question;
    let (mut candidate, control) = match with_control {
        // Boxed, so that the tasks of those that ask no control are not as large.
        true => {
            let (candidate, control) = tokio::join!(
                Box::pin(legs.ask(Leg::Candidate, question, settings, due, beside)),
                Box::pin(legs.ask(Leg::Control, question, settings, due, beside)),
            );
            (candidate, Some(control))
        }
        false => (legs.ask(Leg::Candidate, question, settings, due, beside).await, None),
    };
    question.body.let_go();
    let goes_on = candidate.spoilt.is_none() && is_open(&candidate.outcome);
    if goes_on {
        // Both over the same time.
        exchange.primary_head.cut();
    }
    let primary = match primary {
        Some(primary) => Ok(primary),
        None => match candidate.spoilt {
            // What the primary does is not waited for.
            Some(reason) if reason != Incomparable::Budget => primary_so_far(&mut exchange, reason),
            _ => primary_in_time(&mut exchange, due + settings.timeout).await,
        },
    };
    if goes_on
        && let Ok(PrimaryOutcome::Answered { answer, .. }) = &primary
        && answer.end == BodyEnd::Complete
    {
        // A stream that ends is no endless one.
        candidate.outcome = ask::timed_out("no end of its answer", settings);
        candidate.record.class = candidate.outcome.class();
    }
    let exchange = named(exchange, shared).await;
    settle(shared, legs, policy, *exchange, primary, candidate, control, lag);
}

/// The exchange with its final route, where the request's body has a say in that: it has come whole, or names nothing.
async fn named(mut exchange: Box<Exchange>, shared: &Mirrors) -> Box<Exchange> {
    let Some(routes) = exchange.naming.take() else { return exchange };
    let Some(configured) = exchange.admission.configured else { return exchange };
    let RequestBody::Shared(_) = &exchange.question.body else { return exchange };
    if exchange.question.body.ended() != Some(BodyOutcome::Complete) {
        return exchange;
    }
    let (body, method) = (exchange.question.body.captured(), exchange.question.head.method.clone());
    let at_once = body.len() <= READ_AT_ONCE;
    let read = move || routes.name_by_body(configured, &method, &body.contiguous()?);
    let name = if at_once {
        read()
    } else {
        // One at a time: they take processor time that users may need.
        let _turn = shared.reading.acquire().await;
        tokio::task::spawn_blocking(read).await.ok().flatten()
    };
    if let Some(name) = name {
        exchange.ticket.rename(name);
    }
    exchange
}

/// The primary's outcome. Its head may take as long as the primary is given; once it is there, the body has until
/// `deadline`, so that a stream without end does not hold back everything that came after it: it is cut there.
async fn primary_in_time(exchange: &mut Exchange, deadline: Instant) -> Result<PrimaryOutcome, Incomparable> {
    loop {
        // Mostly the primary was first.
        match exchange.primary.try_recv() {
            Ok(outcome) => return Ok(outcome),
            Err(TryRecvError::Closed) => return Err(Incomparable::ClientAborted),
            Err(TryRecvError::Empty) => {}
        }
        let look = deadline.max(Instant::from_std(recently()) + LOOK);
        match timeout_at(look, &mut exchange.primary).await {
            Ok(outcome) => return outcome.map_err(|_| Incomparable::ClientAborted),
            Err(_) if exchange.primary_head.is_seen() => {
                exchange.primary_head.cut();
                return exchange.primary.try_recv().map_err(|missing| match missing {
                    TryRecvError::Empty => Incomparable::Budget,
                    TryRecvError::Closed => Incomparable::ClientAborted,
                });
            }
            // A request that is still on its way has had its time too.
            Err(_) if exchange.question.body.ended().is_none() => return Err(Incomparable::CaptureLost),
            // Bounded by the time the primary has for its answer.
            Err(_) => {}
        }
    }
}

/// The primary's outcome beside a leg that is not judged for `reason`. It is asked for only where it may be the reason
/// itself: nobody read the request to its end.
fn primary_so_far(exchange: &mut Exchange, reason: Incomparable) -> Result<PrimaryOutcome, Incomparable> {
    if exchange.question.body.ended() != Some(BodyOutcome::Unread) {
        return Err(reason);
    }
    exchange.primary.try_recv().map_err(|missing| match missing {
        TryRecvError::Empty => reason,
        TryRecvError::Closed => Incomparable::ClientAborted,
    })
}

fn settle(
    shared: &Mirrors,
    legs: &Arc<Legs>,
    policy: &Arc<Policy>,
    mut exchange: Exchange,
    primary: Result<PrimaryOutcome, Incomparable>,
    candidate: Asked,
    control: Option<Asked>,
    lag: Duration,
) {
    let judge: &dyn Judge = &*shared.judge;
    let build = match &candidate.outcome {
        Outcome::Answer(answer) => legs.build_of(answer),
        Outcome::Failed(_) => None,
    };
    let mut records = PerLeg { primary: None, candidate: Some(candidate.record), control: None };
    records.control = control.as_ref().map(|c| c.record);
    let judged =
        judge_primary(&exchange.question.head, primary, &candidate.outcome, &mut records.primary).and_then(|answer| {
            match candidate.spoilt {
                Some(reason) => Err(reason),
                // What had to be given up for want of room is not known to differ.
                None if lost_detail(&answer, &candidate.outcome) => Err(Incomparable::CaptureLost),
                None => Ok(answer),
            }
        });
    if policy.settings.confirm && judged.is_ok() && is_read_only(&exchange.question.head.method) {
        exchange.ticket.ask_again(shared.confirmer.again(Wish {
            legs: legs.clone(),
            policy: policy.clone(),
            question: exchange.question.clone(),
            id: exchange.ticket.id().clone(),
            arrived: exchange.ticket.arrived(),
        }));
    }
    match judged {
        Err(reason) => exchange.ticket.incomparable(reason, judge.generation(), build, records),
        Ok(primary) => judge.submit(Pair {
            // A control that failed, or whose answer could not be kept, says nothing of noise.
            control: control
                .filter(|c| c.spoilt.is_none())
                .map(|c| c.outcome)
                .filter(|c| is_fit(c, &primary) && !lost_detail(&primary, c)),
            ticket: exchange.ticket,
            question: exchange.question,
            build,
            legs: records,
            lag,
            primary,
            candidate: candidate.outcome,
            permit: exchange.admission.permit,
        }),
    }
}

/// The primary's answer where there is one to compare with, else why not.
///
/// | the primary | becomes |
/// |---|---|
/// | client gone, or the promise dropped | `client_aborted` |
/// | no answer, or a broken body | `primary_failed` |
/// | 304, 412, or the whole for a part, to validators that mean nothing to another system | `conditional` |
/// | anything else | its answer |
fn judge_primary(
    request: &RequestHead,
    primary: Result<PrimaryOutcome, Incomparable>,
    candidate: &Outcome,
    record: &mut Option<LegRecord>,
) -> Result<Box<Answer>, Incomparable> {
    let missing = unanswered(&primary);
    let primary = primary?;
    *record = record_of(&primary);
    if let Some(reason) = missing {
        return Err(reason);
    }
    let PrimaryOutcome::Answered { answer, .. } = primary else { return Err(Incomparable::PrimaryFailed) };
    let asked = |names: &[http::HeaderName]| names.iter().any(|name| request.headers.has(name));
    let refused = |status: StatusCode| status == StatusCode::PRECONDITION_FAILED;
    let conditional = match answer.status {
        StatusCode::NOT_MODIFIED => asked(&ask::CONDITIONS),
        StatusCode::OK if asked(&[IF_RANGE]) => true,
        status if refused(status) => asked(&ask::CONDITIONS),
        // A write is sent with its conditions, which the candidate may see otherwise.
        _ => matches!(candidate, Outcome::Answer(a) if refused(a.status)) && asked(&ask::CONDITIONS),
    };
    if conditional { Err(Incomparable::Conditional) } else { Ok(answer) }
}

/// Why there is no answer of the primary's to compare with, where there is none.
fn unanswered(primary: &Result<PrimaryOutcome, Incomparable>) -> Option<Incomparable> {
    match primary {
        Err(reason) => Some(*reason),
        Ok(PrimaryOutcome::ClientAborted) => Some(Incomparable::ClientAborted),
        Ok(PrimaryOutcome::Failed { .. }) => Some(Incomparable::PrimaryFailed),
        Ok(PrimaryOutcome::Answered { answer, .. }) => match answer.end {
            BodyEnd::Broken(_) => Some(Incomparable::PrimaryFailed),
            BodyEnd::Complete | BodyEnd::Open | BodyEnd::Cut { .. } => None,
        },
    }
}

fn record_of(primary: &PrimaryOutcome) -> Option<LegRecord> {
    match primary {
        PrimaryOutcome::Answered { record, .. } | PrimaryOutcome::Failed { record } => Some(*record),
        PrimaryOutcome::ClientAborted => None,
    }
}

/// Whether two bodies are known to differ only by digests that were made for want of room.
pub(super) fn lost_detail(primary: &Answer, other: &Outcome) -> bool {
    let Outcome::Answer(other) = other else { return false };
    (primary.body.given_up() || other.body.given_up()) && !primary.body.same_bytes(&other.body)
}

/// Whether the control's answer can be compared: it is whole, or goes on like the primary's.
fn is_fit(outcome: &Outcome, primary: &Answer) -> bool {
    matches!(outcome, Outcome::Answer(answer) if answer.end == BodyEnd::Complete || answer.end == primary.end)
}

pub(super) fn is_open(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Answer(answer) if answer.end == BodyEnd::Open)
}

/// Whether an outcome is one that opens a breaker: the leg could not be talked to, or broke off in the middle.
pub fn is_transport_failure(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Failed(failure) => failure.kind != FailureKind::IdleRace,
        Outcome::Answer(answer) => matches!(answer.end, BodyEnd::Broken(_)),
    }
}
