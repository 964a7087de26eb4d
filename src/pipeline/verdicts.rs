//! What the gate says of the evidence now and then: when to judge, and what of it is kept.
//!
//! A point is taken when its turn has come, more and more rarely; at once where the verdict is another one, be it seen
//! here or told to somebody who asked; and once more when an epoch ends.

use super::core::StoreStatus;
use crate::evidence::{Book, Evidence};
use crate::gate::{self, Facts, Histories, Point, Policy};
use crate::model::{Moment, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// How long a change of the verdict that nobody asked for may go unseen.
const EVERY: Duration = Duration::from_secs(30);
/// The least time between two judgements, while nothing is kept yet.
const FIRST: Duration = Duration::from_secs(1);
/// Judging takes one part in so many of the time, of which traffic feels nothing,
const SHARE: u32 = 1_000;
/// or more, lest a change of the verdict go unseen for longer than that; but never more than one part in so many.
const MOST: u32 = 100;

/// What was said of each epoch that is told of.
#[derive(Debug)]
pub(super) struct Verdicts {
    histories: Arc<Histories>,
    /// When it was last judged, and how long the next time is to wait.
    judged: Option<(Duration, Duration)>,
}

/// What is judged, and what there is to know for it.
#[derive(Debug)]
pub(super) struct Judged<'a> {
    book: &'a Book,
    policy: Option<&'a Policy>,
    not_durable: Option<String>,
    mirroring: bool,
}

// === impl Verdicts ===

impl Verdicts {
    pub(super) fn new(mut histories: Histories, book: &Book) -> Self {
        // Epochs may have ended while nobody ran.
        for (_, history) in histories.iter_mut().filter(|(number, _)| **number != book.newest().number) {
            Arc::make_mut(history).retire();
        }
        let mut verdicts = Self { histories: Arc::new(histories), judged: None };
        verdicts.forget(book);
        verdicts
    }

    pub(super) fn histories(&self) -> &Arc<Histories> {
        &self.histories
    }

    /// The next judgement is not to wait for its time.
    pub(super) fn hurry(&mut self) {
        self.judged = None;
    }

    /// Judges the newest epoch where it is time to; whether something was kept.
    pub(super) fn judge(&mut self, judged: &Judged<'_>, now: Moment, clock: impl Fn() -> Duration) -> bool {
        if self.judged.is_some_and(|(at, wait)| now.steady.saturating_sub(at) < wait) {
            return false;
        }
        let newest = judged.book.newest();
        let start = clock();
        let point = judged.point(&newest.evidence, now.wall);
        let cost = clock().saturating_sub(start);
        let history = self.histories.get(&newest.number);
        let spacing = history.map_or(FIRST, |history| history.spacing(now.wall));
        let wait = spacing.max(cost * SHARE).min(EVERY).max(cost * MOST);
        self.judged = Some((now.steady, wait));
        let news = |point: &Point| history.is_none_or(|h| h.is_due(now.wall) || h.verdict() != Some(point.verdict));
        let Some(point) = point.filter(news) else { return false };
        self.add(newest.number, point);
        true
    }

    /// Somebody was told this verdict of that epoch; whether it was kept.
    pub(super) fn told(&mut self, book: &Book, number: u64, point: Point) -> bool {
        let news = self.histories.get(&number).is_none_or(|h| h.verdict() != Some(point.verdict));
        let kept = news && number == book.newest().number;
        if kept {
            self.add(number, point);
        }
        kept
    }

    /// The last word on the epochs that have ended since the one of that number was the newest.
    pub(super) fn ended_since(&mut self, judged: &Judged<'_>, before: u64, now: Timestamp) {
        let book = judged.book;
        for epoch in book.epochs().filter(|e| e.number >= before && e.number != book.newest().number) {
            if let Some(point) = judged.point(&epoch.evidence, now) {
                self.add(epoch.number, point);
            }
            if let Some(history) = Arc::make_mut(&mut self.histories).get_mut(&epoch.number) {
                Arc::make_mut(history).retire();
            }
        }
        self.forget(book);
        self.hurry();
    }

    /// Lets go of epochs that are no longer told of.
    pub(super) fn forget(&mut self, book: &Book) {
        if !self.histories.keys().all(|number| book.is_told(*number)) {
            Arc::make_mut(&mut self.histories).retain(|number, _| book.is_told(*number));
        }
    }

    fn add(&mut self, number: u64, point: Point) {
        let history = Arc::make_mut(&mut self.histories).entry(number).or_default();
        Arc::make_mut(history).push(point);
    }
}

// === impl Judged ===

impl<'a> Judged<'a> {
    pub(super) fn of(book: &'a Book, policy: Option<&'a Policy>, status: &StoreStatus, mirroring: bool) -> Self {
        let not_durable = (!status.durable).then(|| status.why.clone().unwrap_or_default());
        Self { book, policy, not_durable, mirroring }
    }

    /// What the gate says of this evidence now; `None` while there is nothing to say it of.
    fn point(&self, evidence: &Evidence, now: Timestamp) -> Option<Point> {
        let policy = self.policy?;
        if evidence.routes.values().all(|route| route.counts.compared == 0) {
            return None;
        }
        // Examples are not judged.
        let evidence = policy.by_template(evidence, 0);
        let facts = Facts { not_durable: self.not_durable.clone(), mirroring: self.mirroring, ..Facts::at(now) };
        Point::of(&gate::judge(policy, &evidence, &facts), policy, &evidence, now)
    }
}
