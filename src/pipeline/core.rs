//! The ledger without its thread: events in, evidence and snapshots out, the time handed in. What is waited for goes
//! by a clock that never steps; the wall clock is only written down.
//!
//! Exchanges are applied in order of arrival: one that is settled waits, pending, until every earlier one is settled
//! or has had its time, so that an early reader cannot see only the quick and clean ones.

use super::examples;
use super::rates::{PerSecond, Rates};
use super::verdicts::{Judged, Verdicts};
use crate::evidence::{
    Begun, Book, Compared, Diverged, EpochInfo, EpochReason, Evidence, Exhibit, PastEpoch, Places, Rules, Settled,
    Settlement,
};
use crate::flow::{Again, Batch, Event, Inbox, Keeper};
use crate::gate::{Histories, Point, Policy};
use crate::model::{Incomparable, Latencies, Moment, PerLeg, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// How often what changed is made durable.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// How often old epochs are looked through.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// Events that are applied before whoever else is ready gets the processor,
const AT_ONCE: usize = 64;
/// unless so many have come since the last time: the ledger would fall behind.
const RUSH: usize = 1024;
/// Exchanges, and bytes of settled ones, that may wait for an earlier one; beyond it that one is passed over early.
const MAX_OPEN: usize = 200_000;
const MAX_OPEN_BYTES: usize = 64 << 20;

/// What the ledger starts with.
pub struct LedgerOptions {
    pub book: Book,
    pub histories: Histories,
    /// `None`: in memory only, and said so.
    pub keeper: Option<Box<dyn Keeper>>,
    pub mirroring: bool,
    pub policy: Option<Policy>,
    /// How long an exchange may hold those after it back: somewhat more than `mirror.timeout`.
    pub patience: Duration,
    pub keep_for: Duration,
    /// Bytes in use on disk beyond which older epochs go early.
    pub max_size: u64,
}

impl std::fmt::Debug for LedgerOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LedgerOptions").field("patience", &self.patience).finish_non_exhaustive()
    }
}

/// The evidence at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub taken_at: Timestamp,
    /// Of the newest epoch.
    pub evidence: Evidence,
    /// Older epochs with their totals, oldest first.
    pub history: Vec<PastEpoch>,
    /// Fingerprints that older epochs have shown, as far as their evidence is kept.
    pub known: Arc<HashSet<Arc<str>>>,
    /// What the gate said of them all over time.
    pub histories: Arc<Histories>,
    /// Comparisons a second at present, of the newest epoch.
    pub rates: Arc<PerSecond>,
    pub store: StoreStatus,
    /// What commits took that succeeded, since the process started.
    pub commits: Arc<Latencies>,
    /// The kill switch.
    pub mirroring: bool,
    /// Mirrored and not judged yet, over all epochs.
    pub pending: usize,
}

/// Whether the evidence would survive.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StoreStatus {
    pub durable: bool,
    /// Why not; completes "the evidence is not durable: ...".
    pub why: Option<String>,
    pub failing_since: Option<Timestamp>,
    pub last_commit: Option<Timestamp>,
    /// On disk.
    pub bytes: u64,
    /// Failures since the process started.
    pub errors: u64,
}

/// One mirrored exchange on its way.
#[derive(Debug, Default)]
struct Open {
    /// `None` where it settled before its beginning was drained. With when that was, by the steady clock.
    begun: Option<(Begun, Duration)>,
    settled: Option<Box<Settled>>,
    /// What `settled` takes in memory.
    bytes: usize,
    again: Option<Again>,
}

/// The sole owner of the evidence.
pub struct Core {
    book: Book,
    verdicts: Verdicts,
    rates: Rates,
    keeper: Option<Box<dyn Keeper>>,
    mirroring: bool,
    policy: Option<Arc<Policy>>,
    patience: Duration,
    keep_for: Duration,
    max_size: u64,
    /// From the first sequence number that is not yet applied on.
    open: BTreeMap<u64, Open>,
    /// What the settled among them take in memory.
    open_bytes: usize,
    next: u64,
    /// Done with since the inbox was told: exchanges and their bytes.
    done: (u64, usize),
    /// Bytes of examples that came into the book since they were last weighed there.
    example_bytes: usize,
    /// There was a rush when events came last.
    hurried: bool,
    /// Examples that came into the book and may not be made yet.
    unmade: Vec<Arc<Exhibit>>,
    /// Passed over because they took too long; applied when they settle.
    late: BTreeSet<u64>,
    status: StoreStatus,
    commits: Arc<Latencies>,
    /// Something to keep beside the book: the switch, the policy.
    dirty: bool,
    /// By the steady clock, like the rest.
    committed: Option<Duration>,
    checked: Duration,
    forgot: Duration,
    /// When an epoch last went early: the newest one's number, and the bytes in use before.
    went_early: Option<(u64, u64)>,
    cached: Option<Arc<Snapshot>>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("next", &self.next).field("open", &self.open.len()).finish_non_exhaustive()
    }
}

// === impl Core ===

impl Core {
    pub fn new(options: LedgerOptions, now: Moment) -> Self {
        let LedgerOptions { mut book, histories, keeper, mirroring, policy, patience, keep_for, max_size } = options;
        book.set_mirroring(mirroring, now.wall);
        let verdicts = Verdicts::new(histories, &book);
        let policy = policy.map(Arc::new);
        if let Some(policy) = policy.clone() {
            book.set_latency(Arc::new(move |route| policy.latency_terms(route)));
        }
        let status = match &keeper {
            Some(_) => StoreStatus { durable: true, ..Default::default() },
            None => StoreStatus { why: Some("it is kept in memory only".into()), ..Default::default() },
        };
        Self {
            book,
            verdicts,
            rates: Rates::default(),
            keeper,
            mirroring,
            policy,
            patience,
            keep_for,
            max_size,
            open: BTreeMap::new(),
            open_bytes: 0,
            next: 0,
            done: (0, 0),
            example_bytes: 0,
            hurried: false,
            unmade: Vec::new(),
            late: BTreeSet::new(),
            status,
            commits: Arc::default(),
            dirty: true,
            committed: None,
            checked: now.steady,
            forgot: now.steady,
            went_early: None,
            cached: None,
        }
    }

    /// What time it is: to be said before anything is taken in. Where the clocks say that nothing was watched since it was
    /// last said, evidence does not span it.
    pub fn pass(&mut self, now: Moment, busy: bool) {
        if let Some(from) = self.book.pass(now, busy) {
            self.cached = None;
            tracing::warn!(
                %from,
                to = %now.wall,
                "the process stood still, or the clock was set: what lies between is no part of what the evidence spans"
            );
        }
    }

    /// Takes in what has come, applies what is due.
    pub fn drain(&mut self, inbox: &Inbox, now: Moment) {
        let mut events = inbox.drain().into_iter();
        self.hurried = events.len() > RUSH;
        loop {
            // Also where none has come: it is time that lets some be passed over.
            self.events(events.by_ref().take(AT_ONCE), now);
            if events.as_slice().is_empty() {
                break;
            }
            if !self.hurried {
                // Those who serve do not wait for the end of our share of time.
                std::thread::yield_now();
            }
        }
        self.make_examples();
        let (exchanges, bytes) = std::mem::take(&mut self.done);
        if exchanges > 0 {
            inbox.applied(exchanges, bytes);
        }
    }

    /// Applies events, in whatever order they came.
    pub fn events(&mut self, events: impl IntoIterator<Item = Event>, now: Moment) {
        for event in events {
            self.cached = None;
            match event {
                Event::Skipped { route, bucket, times } => {
                    self.book.skipped(&route, bucket, times, now.wall);
                }
                Event::Mirrored { seq, route } => {
                    let begun = self.book.begin(&route, now.wall);
                    self.open.entry(seq).or_default().begun = Some((begun, now.steady));
                }
                Event::Settled { seq, settled, bytes, again } => {
                    let open = self.open.entry(seq).or_default();
                    (open.settled, open.bytes, open.again) = (Some(settled), bytes, again);
                    self.open_bytes += bytes;
                }
                Event::AskedAgain { diverged, compared } => self.book.asked_again(&diverged, &compared),
            }
        }
        self.release(now);
        if self.example_bytes > examples::MAX_BYTES / 2 {
            self.trim_examples();
        }
    }

    /// The evidence now; shared until something changes.
    pub fn snapshot(&mut self, now: Timestamp) -> Arc<Snapshot> {
        match &self.cached {
            Some(snapshot) if snapshot.store == self.status => snapshot.clone(),
            _ => {
                let snapshot = Arc::new(Snapshot {
                    taken_at: now,
                    evidence: self.book.newest().evidence.clone(),
                    history: self.book.history(),
                    known: Arc::new(self.book.known()),
                    histories: self.verdicts.histories().clone(),
                    rates: self.rates.present().clone(),
                    store: self.status.clone(),
                    commits: self.commits.clone(),
                    mirroring: self.mirroring,
                    pending: self.open.len(),
                });
                self.cached = Some(snapshot.clone());
                snapshot
            }
        }
    }

    /// Whether it is time to commit.
    pub fn is_due(&self, now: Moment) -> bool {
        let due = self.committed.is_none_or(|at| now.steady.saturating_sub(at) >= COMMIT_EVERY);
        due && (self.dirty || self.book.is_dirty())
    }

    /// Judges the newest epoch where it is time to, and keeps what was said where that is news or its turn has come.
    /// `clock` times the judging.
    pub fn judge(&mut self, now: Moment, clock: impl Fn() -> Duration) {
        let judged = Judged::of(&self.book, self.policy.as_deref(), &self.status, self.mirroring);
        if self.verdicts.judge(&judged, now, clock) {
            (self.dirty, self.cached) = (true, None);
        }
    }

    /// Looks at how often routes are compared, where it is time to.
    pub fn measure(&mut self, now: Moment) {
        if self.rates.look(self.book.newest(), now.steady) {
            self.cached = None;
        }
    }

    /// Somebody was told this verdict of that epoch. Where it is news, it is kept.
    pub fn told(&mut self, number: u64, point: Point) {
        if self.verdicts.told(&self.book, number, point) {
            (self.dirty, self.cached) = (true, None);
        }
    }

    /// Looks after what was kept while there is nothing to keep; at most as often as commits would come.
    pub fn check(&mut self, now: Moment) {
        let last = self.committed.map_or(self.checked, |at| at.max(self.checked));
        if !self.status.durable || now.steady.saturating_sub(last) < COMMIT_EVERY {
            return;
        }
        self.checked = now.steady;
        if let Some(Err(why)) = self.keeper.as_mut().map(|keeper| keeper.check()) {
            self.dirty = true;
            self.failed(why, now.wall);
        }
    }

    /// Makes what changed durable. A failure is told, and tried again the next time; nothing else stops.
    /// `clock` times the commit.
    pub fn commit(&mut self, now: Moment, clock: impl Fn() -> Duration) {
        self.committed = Some(now.steady);
        if now.steady.saturating_sub(self.forgot) >= FORGET_EVERY {
            self.forgot = now.steady;
            let tight = self.is_tight();
            self.book.forget(self.keep_for, tight, now.wall);
            self.verdicts.forget(&self.book);
            self.cached = None;
        }
        let Some(keeper) = &mut self.keeper else {
            self.dirty = false;
            self.book.kept();
            self.trim_examples();
            return;
        };
        let (mirroring, policy) = (self.mirroring, self.policy.as_ref());
        let (histories, hurried) = (self.verdicts.histories(), self.hurried);
        let batch = Batch { book: &self.book, histories, mirroring, policy, hurried, now: now.wall };
        let start = clock();
        let result = keeper.keep(batch);
        match result {
            Ok(kept) => {
                self.commits.record(clock().saturating_sub(start));
                if self.status.failing_since.is_some() {
                    tracing::info!("the evidence is durable again");
                }
                self.status.durable = true;
                (self.status.why, self.status.failing_since) = (None, None);
                self.status.last_commit = Some(now.wall);
                self.status.bytes = kept.bytes;
                self.dirty = false;
                self.book.kept();
                for (epoch, route, id) in &kept.evicted {
                    self.book.drop_example(*epoch, route, id);
                    self.cached = None;
                }
            }
            Err(why) => {
                self.failed(why, now.wall);
                // No commit says what has to go.
                self.trim_examples();
            }
        }
    }

    /// Whether an older epoch has to go early. None does where the one before it made no room: it is the newest that is
    /// large then, and stays.
    fn is_tight(&mut self) -> bool {
        if self.status.bytes <= self.max_size {
            return false;
        }
        let Some(used) = self.keeper.as_mut().and_then(|keeper| keeper.in_use()) else { return false };
        let newest = self.book.newest().number;
        let helped = |(number, before)| number != newest || used < before;
        let tight = used > self.max_size && self.went_early.is_none_or(helped);
        if tight || used <= self.max_size {
            self.went_early = tight.then_some((newest, used));
        }
        tight
    }

    /// Begins a new epoch by hand: this one.
    pub fn new_epoch(&mut self, build: Option<Arc<str>>, now: Timestamp) -> EpochInfo {
        self.change();
        let before = self.book.newest().number;
        self.book.new_epoch(build, now);
        self.begun_since(before, now);
        self.book.newest().evidence.epoch.clone()
    }

    /// Other rules are in force.
    pub fn set_rules(&mut self, rules: Rules, now: Timestamp) {
        self.change();
        let before = self.book.newest().number;
        self.book.set_rules(rules, now);
        self.begun_since(before, now);
    }

    /// The legs are there from now on.
    pub fn set_places(&mut self, places: Places, now: Timestamp) {
        self.change();
        let before = self.book.newest().number;
        if let Some(relocated) = self.book.set_places(places, now) {
            tracing::warn!("{relocated}");
        }
        self.begun_since(before, now);
    }

    /// Flips the kill switch, durably.
    pub fn set_mirroring(&mut self, on: bool, now: Timestamp) {
        self.change();
        self.mirroring = on;
        self.book.set_mirroring(on, now);
    }

    /// The gate's settings, kept for those who ask without a configuration; latency is counted by them.
    pub fn set_policy(&mut self, policy: Policy) {
        self.change();
        let policy = Arc::new(policy);
        self.policy = Some(policy.clone());
        self.book.set_latency(Arc::new(move |route| policy.latency_terms(route)));
    }

    /// How long an exchange may hold those after it back, from now on.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Settles whatever is still in flight as `shutdown`.
    pub fn close(&mut self, now: Timestamp) {
        self.cached = None;
        self.open_bytes = 0;
        for (_, open) in std::mem::take(&mut self.open) {
            let Some((begun, _)) = open.begun else { continue };
            let settled = open.settled.unwrap_or_else(|| {
                Box::new(Settled {
                    id: "".into(),
                    route: begun.route.clone(),
                    generation: Settled::NO_RULES,
                    build: None,
                    arrived: now,
                    legs: PerLeg::default(),
                    result: Settlement::Incomparable(Incomparable::Shutdown),
                })
            });
            self.settle(&begun, &settled, now);
        }
        self.make_examples();
        self.late.clear();
        // The last word is said whenever it comes.
        self.verdicts.hurry();
    }

    pub fn book(&self) -> &Book {
        &self.book
    }

    /// A change that people made: committed at once.
    fn change(&mut self) {
        self.cached = None;
        self.dirty = true;
        self.committed = None;
    }

    fn failed(&mut self, why: String, now: Timestamp) {
        if self.status.failing_since.is_none() {
            tracing::error!(error = %why, "the evidence is not durable; serving goes on, and so do the tries");
            self.status.failing_since = Some(now);
        }
        self.status.durable = false;
        self.status.why = Some(why);
        self.status.errors += 1;
    }

    /// Makes the examples that stay: of many that came at once few do.
    fn make_examples(&mut self) {
        for exhibit in self.unmade.drain(..) {
            if Arc::strong_count(&exhibit) > 1 {
                exhibit.example();
            }
        }
    }

    fn trim_examples(&mut self) {
        self.example_bytes = 0;
        if examples::trim(&mut self.book, examples::MAX_BYTES) > 0 {
            self.cached = None;
        }
    }

    fn release(&mut self, now: Moment) {
        while let Some(open) = self.open.get(&self.next) {
            let crowded = self.open.len() > MAX_OPEN || self.open_bytes > MAX_OPEN_BYTES;
            match open {
                Open { begun: Some(_), settled: Some(_), .. } => self.apply(self.next, now.wall),
                Open { begun: Some((_, since)), settled: None, .. }
                    if crowded || now.steady.saturating_sub(*since) >= self.patience =>
                {
                    self.late.insert(self.next);
                }
                _ => break,
            }
            self.next += 1;
        }
        let due: Vec<u64> =
            self.late.iter().copied().filter(|s| self.open.get(s).is_some_and(|o| o.settled.is_some())).collect();
        for seq in due {
            self.late.remove(&seq);
            self.apply(seq, now.wall);
        }
    }

    fn settle(&mut self, begun: &Begun, settled: &Settled, now: Timestamp) -> Option<Diverged> {
        let before = self.book.newest().number;
        let diverged = self.book.settle(begun, settled, now);
        if let Settlement::Compared(Compared { example: Some(exhibit), .. }) = &settled.result {
            self.unmade.push(exhibit.clone());
        }
        self.begun_since(before, now);
        diverged
    }

    /// What there is to do when epochs have begun since the one of that number was the newest.
    fn begun_since(&mut self, before: u64, now: Timestamp) {
        if self.book.newest().number == before {
            return;
        }
        // The start of an epoch is made durable at once.
        self.committed = None;
        let judged = Judged::of(&self.book, self.policy.as_deref(), &self.status, self.mirroring);
        self.verdicts.ended_since(&judged, before, now);
        let info = &self.book.newest().evidence.epoch;
        let (build, reason) = (info.candidate_build.as_deref().unwrap_or("not named"), info.reason.as_str());
        match (info.reason, info.resets) {
            // The candidate's answers alone could fill a log.
            (EpochReason::Build, _) => tracing::debug!(epoch = %info.id, build, reason, "an epoch has begun"),
            (_, 0) => tracing::info!(epoch = %info.id, build, reason, "an epoch has begun"),
            (_, resets) => tracing::warn!(
                epoch = %info.id,
                build,
                reason,
                resets,
                "an epoch has begun: evidence of this build was given up by hand before, so alpha_pass and alpha_fail are \
                 multiplied by {:.3}",
                crate::stats::spend(1.0, resets)
            ),
        }
    }

    fn apply(&mut self, seq: u64, now: Timestamp) {
        self.cached = None;
        if let Some(Open { begun: Some((begun, _)), settled: Some(settled), bytes, again }) = self.open.remove(&seq) {
            self.open_bytes = self.open_bytes.saturating_sub(bytes);
            self.done = (self.done.0 + 1, self.done.1 + bytes);
            self.example_bytes += bytes;
            let diverged = self.settle(&begun, &settled, now);
            if let (Some(diverged), Some(again)) = (diverged, again) {
                again.ask(diverged);
            }
        }
    }
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
