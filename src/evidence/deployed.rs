//! Which build is deployed, as far as answers tell: the newest, or again one that was before it.

use crate::model::{Moment, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// By the steady clock, and by labelled answers in order of arrival: how long and how many have to be of one older build
/// alone to call it a rollback. In a rolling deployment answers of the newest build come in between.
const ROLLBACK_AFTER: Duration = Duration::from_secs(60);
const ROLLBACK_ANSWERS: u64 = 20;

/// What answers showed since the newest epoch's build has been the newest.
#[derive(Debug, Default)]
pub(super) struct Deployed {
    /// Latest arrival of an exchange that the newest build answered. Without one it may not even be deployed yet.
    newest: Option<Timestamp>,
    rollback: Option<Streak>,
}

/// Answers of one older build since any other one answered.
#[derive(Debug)]
struct Streak {
    build: Arc<str>,
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
        self.rollback.take_if(|streak| arrived >= streak.arrived);
    }

    /// An older build answered; whether that makes it certain that the newest is no longer deployed.
    pub(super) fn older(&mut self, build: &Arc<str>, arrived: Timestamp, now: Moment) -> bool {
        if self.newest.is_none_or(|seen| arrived <= seen) {
            return false;
        }
        match &mut self.rollback {
            Some(streak) if streak.build == *build => {
                streak.answers += 1;
                streak.answers >= ROLLBACK_ANSWERS && now.steady.saturating_sub(streak.since) >= ROLLBACK_AFTER
            }
            other => {
                *other = Some(Streak { build: build.clone(), arrived, since: now.steady, answers: 1 });
                false
            }
        }
    }

    /// The clock was set back: nothing has arrived later than now.
    pub(super) fn set_back(&mut self, now: Timestamp) {
        self.newest = self.newest.map(|seen| seen.min(now));
        if let Some(streak) = &mut self.rollback {
            streak.arrived = streak.arrived.min(now);
        }
    }
}
