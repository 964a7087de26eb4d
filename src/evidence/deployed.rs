//! Which build is deployed, as far as answers tell: the newest, or again one that was before it.

use crate::model::{Moment, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// By the steady clock, and by answers in order of arrival: how long and how many labelled ones have to be of one older
/// build alone to call it a rollback. In a rolling deployment answers of the newest build come in between.
const ROLLBACK_AFTER: Duration = Duration::from_secs(60);
const ROLLBACK_ANSWERS: u64 = 20;

/// What answers showed since the newest epoch's build has been the newest.
#[derive(Debug, Default)]
pub(super) struct Deployed {
    /// Latest arrival of an exchange that the newest build answered. Without one it may not even be deployed yet.
    newest: Option<Timestamp>,
    /// Answers of one older build since any other one answered.
    rollback: Option<(Arc<str>, Streak)>,
}

#[derive(Debug)]
struct Streak {
    /// Arrival of the first.
    arrived: Timestamp,
    /// When that was settled, by the steady clock.
    since: Duration,
    answers: u64,
}

// === impl Deployed ===

impl Deployed {
    /// The newest build was seen by then, if at all.
    pub(super) fn seen(newest: Option<Timestamp>) -> Self {
        Self { newest, rollback: None }
    }

    /// An epoch has begun; of the same build, or not.
    pub(super) fn begin(&mut self, same: bool) {
        *self = Self::seen(self.newest.filter(|_| same));
    }

    /// The newest build answered what arrived then.
    pub(super) fn newest(&mut self, arrived: Timestamp) {
        self.newest = self.newest.max(Some(arrived));
        // One that arrived before the others did and took longer says nothing.
        self.rollback.take_if(|(_, streak)| arrived >= streak.arrived);
    }

    /// An older build answered; whether that makes it certain that the newest is no longer deployed.
    pub(super) fn older(&mut self, build: &Arc<str>, arrived: Timestamp, now: Moment) -> bool {
        if self.newest.is_none_or(|seen| arrived <= seen) {
            return false;
        }
        match &mut self.rollback {
            Some((same, streak)) if same == build => streak.add(now),
            other => other.insert((build.clone(), Streak::new(arrived, now))).1.add(now),
        }
    }

    /// The clock was set back: nothing has arrived later than now.
    pub(super) fn set_back(&mut self, now: Timestamp) {
        self.newest = self.newest.map(|seen| seen.min(now));
        if let Some((_, streak)) = &mut self.rollback {
            streak.arrived = streak.arrived.min(now);
        }
    }
}

// === impl Streak ===

impl Streak {
    fn new(arrived: Timestamp, now: Moment) -> Self {
        Self { arrived, since: now.steady, answers: 0 }
    }

    /// One more; whether that makes it certain.
    fn add(&mut self, now: Moment) -> bool {
        self.answers += 1;
        self.answers >= ROLLBACK_ANSWERS && now.steady.saturating_sub(self.since) >= ROLLBACK_AFTER
    }
}
