//! One mirrored exchange from its start to its settlement. Runs in a task of its own, detached from the client.

use super::ask::{self, Asked};
use super::{Legs, MirrorSettings};
use crate::flow::{Exchange, Judge, Pair, PrimaryOutcome};
use crate::model::{Answer, BodyEnd, FailureKind, Incomparable, Leg, LegRecord, Outcome, PerLeg, RequestHead};
use http::StatusCode;
use http::header::{IF_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// Asks the mirror legs, waits for what the primary did, and hands the pair on or settles it as incomparable.
pub async fn run(legs: Arc<Legs>, settings: Arc<MirrorSettings>, judge: Arc<dyn Judge>, mut exchange: Exchange) {
    let mut due = exchange.due;
    let mut primary = None;
    if settings.start == super::Start::AfterPrimary {
        // The primary's own time-outs bound this wait.
        primary = Some((&mut exchange.primary).await);
        due = Instant::now();
    }
    let with_control = legs.control_wanted(&exchange);
    let candidate = legs.ask(Leg::Candidate, &exchange, &settings, due);
    let control = async {
        match with_control {
            true => Some(legs.ask(Leg::Control, &exchange, &settings, due).await),
            false => None,
        }
    };
    let (candidate, control) = tokio::join!(candidate, control);
    let primary = match primary {
        Some(primary) => primary.map_err(|_| Incomparable::ClientAborted),
        None => primary_in_time(&mut exchange, due + settings.timeout).await,
    };
    settle(&legs, &*judge, exchange, primary, candidate, control);
}

/// The primary's outcome. Its head may take as long as the primary is given; once it is there, the body has until
/// `deadline`, so that a stream without end does not hold back everything that came after it.
async fn primary_in_time(exchange: &mut Exchange, deadline: Instant) -> Result<PrimaryOutcome, Incomparable> {
    let kept = |kept: Result<PrimaryOutcome, oneshot::error::RecvError>| kept.map_err(|_| Incomparable::ClientAborted);
    match timeout_at(deadline, &mut exchange.primary).await {
        Ok(outcome) => kept(outcome),
        Err(_) if exchange.primary_head.load(Ordering::Relaxed) => Err(Incomparable::Budget),
        Err(_) => kept((&mut exchange.primary).await),
    }
}

fn settle(
    legs: &Legs,
    judge: &dyn Judge,
    exchange: Exchange,
    primary: Result<PrimaryOutcome, Incomparable>,
    candidate: Asked,
    control: Option<Asked>,
) {
    let build = match &candidate.outcome {
        Outcome::Answer(answer) => legs.build_of(answer),
        Outcome::Failed(_) => None,
    };
    let mut records = PerLeg { primary: None, candidate: Some(candidate.record), control: None };
    records.control = control.as_ref().map(|c| c.record);
    let judged = judge_primary(&exchange.request, primary, &mut records.primary)
        .and_then(|answer| if candidate.spoilt { Err(Incomparable::CaptureLost) } else { Ok(answer) });
    match judged {
        Err(reason) => exchange.ticket.incomparable(reason, judge.generation(), build, records),
        Ok(primary) => judge.submit(Pair {
            ticket: exchange.ticket,
            id: exchange.id,
            route: exchange.route,
            arrived: exchange.arrived,
            request: exchange.request,
            request_body: exchange.body.captured(),
            build,
            legs: records,
            primary,
            candidate: candidate.outcome,
            // A control that failed says nothing of noise.
            control: control.map(|c| c.outcome).filter(is_whole),
            permit: exchange.admission.permit,
        }),
    }
}

/// The primary's answer where there is one to compare with, else why not.
///
/// | the primary | becomes |
/// |---|---|
/// | promise broken, client gone | `client_aborted` |
/// | no answer, or a broken body | `primary_failed` |
/// | 304, 412, or the whole for a part, to validators that mirror legs are not sent | `conditional` |
/// | anything else | its answer |
fn judge_primary(
    request: &RequestHead,
    primary: Result<PrimaryOutcome, Incomparable>,
    record: &mut Option<LegRecord>,
) -> Result<Answer, Incomparable> {
    match primary? {
        PrimaryOutcome::ClientAborted => Err(Incomparable::ClientAborted),
        PrimaryOutcome::Failed { record: failed } => {
            *record = Some(failed);
            Err(Incomparable::PrimaryFailed)
        }
        PrimaryOutcome::Answered { answer, record: answered } => {
            *record = Some(answered);
            let asked = |names: &[http::HeaderName]| names.iter().any(|n| request.headers.contains_key(n));
            let conditional = match answer.status {
                StatusCode::NOT_MODIFIED => asked(&ask::CONDITIONS),
                StatusCode::PRECONDITION_FAILED => asked(&[IF_MATCH, IF_UNMODIFIED_SINCE]),
                StatusCode::OK => asked(&[IF_RANGE]),
                _ => false,
            };
            match answer.end {
                BodyEnd::Broken(_) => Err(Incomparable::PrimaryFailed),
                BodyEnd::Complete if conditional => Err(Incomparable::Conditional),
                BodyEnd::Complete => Ok(answer),
            }
        }
    }
}

fn is_whole(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Answer(answer) if answer.end == BodyEnd::Complete)
}

/// Whether an outcome is one that opens a breaker: the leg could not be talked to.
pub fn is_transport_failure(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Failed(failure) => failure.kind != FailureKind::IdleRace,
        Outcome::Answer(_) => false,
    }
}
