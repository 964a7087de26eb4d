//! Asking again: whether a divergence is still there a moment later, or was a race between the two systems.
//!
//! Primary and candidate are asked once more, seldom enough that neither feels it. What comes of it goes the way of any
//! other pair, and is added to the divergence it was asked for.

use super::overrun::Beside;
use super::{Legs, Policy, exchange};
use crate::evidence::Diverged;
use crate::flow::{Again, Inbox, Judge, Pair, Passing, Question};
use crate::model::{BodyEnd, Leg, Limit, Outcome, PerLeg, Permit, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Between counting a divergence and asking again.
const AFTER: Duration = Duration::from_secs(1);
/// Between two that are asked again.
const EVERY: Duration = Duration::from_millis(500);
/// Those that wait or are being asked at once; what is divergent beyond them is not asked again.
const WAITING: usize = 16;

/// Takes wishes to ask again. The task behind it ends with it.
#[derive(Debug)]
pub(super) struct Confirmer {
    queue: mpsc::UnboundedSender<Job>,
    places: Arc<Limit>,
}

/// What it takes to ask again.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) legs: Arc<Legs>,
    pub(super) policy: Arc<Policy>,
    pub(super) question: Arc<Question>,
    pub(super) id: Arc<str>,
    pub(super) arrived: Timestamp,
}

#[derive(Debug)]
struct Job {
    wish: Wish,
    diverged: Diverged,
    due: Instant,
    _place: Permit,
}

/// What all of them have in common.
#[derive(Debug, Clone)]
struct Desk {
    judge: Arc<dyn Judge>,
    inbox: Arc<Inbox>,
    enabled: Arc<AtomicBool>,
    in_flight: Arc<Limit>,
    overrun: Arc<Limit>,
}

// === impl Confirmer ===

impl Confirmer {
    /// Nothing is asked while `enabled` is false. Each one takes a place among those in flight.
    pub(super) fn start(
        judge: Arc<dyn Judge>,
        inbox: Arc<Inbox>,
        enabled: Arc<AtomicBool>,
        in_flight: Arc<Limit>,
        overrun: Arc<Limit>,
    ) -> Self {
        // Bounded by the places.
        let (queue, jobs) = mpsc::unbounded_channel();
        tokio::spawn(work(jobs, Desk { judge, inbox, enabled, in_flight, overrun }));
        Self { queue, places: Limit::new(WAITING) }
    }

    pub(super) fn again(&self, wish: Wish) -> Again {
        let queue = self.queue.clone();
        Again::new(self.places.clone(), move |diverged, place| {
            let job = Job { wish, diverged, due: Instant::now() + AFTER, _place: place };
            // With the proxy stopped nobody is asked.
            let _ = queue.send(job);
        })
    }
}

async fn work(mut jobs: mpsc::UnboundedReceiver<Job>, desk: Desk) {
    let mut next = Instant::now();
    while let Some(job) = jobs.recv().await {
        sleep_until(next.max(job.due)).await;
        next = Instant::now() + EVERY;
        tokio::spawn(ask(job, desk.clone()));
    }
}

/// Asks both once more. Whatever keeps either from answering leaves the divergence as it was.
async fn ask(job: Job, desk: Desk) {
    let Wish { legs, policy, question, id, arrived } = &job.wish;
    let (settings, due) = (&policy.settings, Instant::now());
    if legs.breaker_open_for(Leg::Candidate).is_some() || !desk.enabled.load(Ordering::Relaxed) {
        return;
    }
    // The candidate gets no more than it is to get, whatever for.
    let Some(permit) = desk.in_flight.take(1).filter(|_| policy.rates.allow(due)) else { return };
    let passing = Passing::default();
    let progress = passing.progress().clone();
    let (primary, candidate) = tokio::join!(
        async {
            let asked = legs.ask(Leg::Primary, question, settings, due, Beside::Leads(&passing)).await;
            if let Outcome::Answer(answer) = &asked.outcome
                && answer.end == BodyEnd::Complete
            {
                passing.whole(answer.status);
            }
            asked
        },
        legs.ask(
            Leg::Candidate,
            question,
            settings,
            due,
            Beside::Follows { primary: &progress, overrun: &desk.overrun }
        )
    );
    let Outcome::Answer(answer) = primary.outcome else { return };
    // What goes on is another part of it each time.
    if answer.end != BodyEnd::Complete
        || exchange::is_open(&candidate.outcome)
        || primary.spoilt.is_some()
        || candidate.spoilt.is_some()
        || exchange::lost_detail(&answer, &candidate.outcome)
    {
        return;
    }
    desk.judge.submit(Pair {
        ticket: desk.inbox.asked_again(id.clone(), *arrived, job.diverged.clone()),
        question: question.clone(),
        build: None,
        legs: PerLeg { primary: Some(primary.record), candidate: Some(candidate.record), control: None },
        lag: Duration::ZERO,
        primary: answer,
        candidate: candidate.outcome,
        control: None,
        permit,
    });
}
