//! Which build is deployed, as far as answers tell: the newest, again one that was before it, or one that does not name
//! itself.

use crate::model::{Moment, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// By the steady clock, and by answers in order of arrival: how long and how many labelled ones have to be of one older
/// build alone to call it a rollback. In a rolling deployment answers of the newest build come in between. The same for
/// answers without a label, where the newest build has one: here and there one of a balancer or of a file has none.
const ROLLBACK_AFTER: Duration = Duration::from_secs(60);
const ROLLBACK_ANSWERS: u64 = 20;

/// What answers showed since the newest epoch's build has been the newest.
#[derive(Debug, Default)]
pub(super) struct Deployed {
    /// Latest arrival of an exchange that the newest build answered. Without one it may not even be deployed yet.
    newest: Option<Timestamp>,
    /// Answers of one older build since any other one answered.
    rollback: Option<(Arc<str>, Streak)>,
    /// Answers without a label since any had one.
    unnamed: Option<Streak>,
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
        Self { newest, rollback: None, unnamed: None }
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

    /// Any build answered what arrived then, and named itself.
    pub(super) fn named(&mut self, arrived: Timestamp) {
        self.unnamed.take_if(|streak| arrived >= streak.arrived);
    }

    /// An answer named no build. Once that makes it certain that none does any more: the arrival of the first of them, and
    /// how many they are.
    pub(super) fn unnamed(&mut self, arrived: Timestamp, now: Moment) -> Option<(Timestamp, u64)> {
        let streak = self.unnamed.get_or_insert_with(|| Streak::new(arrived, now));
        streak.add(now).then_some((streak.arrived, streak.answers))
    }

    /// The clock was set back: nothing has arrived later than now.
    pub(super) fn set_back(&mut self, now: Timestamp) {
        self.newest = self.newest.map(|seen| seen.min(now));
        for streak in self.rollback.iter_mut().map(|(_, streak)| streak).chain(&mut self.unnamed) {
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
