//! Epochs: which one an exchange belongs to, when a new one begins, and what of the old ones is kept.
//!
//! - The first build ever seen is adopted by the epoch that has none; another label starts an epoch (`build`).
//! - An answer of a build that is known counts in that build's epoch, from `requests` on. One without a label counts
//!   in the newest, except that what was in flight when an epoch was begun by hand stays where it began.
//! - Labels that come faster than builds are deployed get no epochs any more (see `turnover`): the newest counts them, and
//!   says how many they were.
//! - When only an older build has answered for a while, it was rolled back to: that starts an epoch of it (`build`).
//! - Where primary and candidate exchange places an epoch starts (`build`), which takes nothing that was in flight and
//!   adopts the first build that answers in it.
//! - Rules that change for every route start an epoch (`rules`); rules that change for some restart those.
//! - What was compared under rules older than those of its epoch or route is never judged under the new: it counts
//!   in the epoch whose rules it was compared under, or is taken out where there is none.

use super::deployed::Deployed;
use super::dirt::Dirt;
use super::turnover::Turnover;
use super::{
    Compared, Diverged, Epoch, EpochInfo, EpochReason, Evidence, Keep, LatencyTerms, Move, PastEpoch, Places,
    Relocated, Rules, Settled, Settlement, pace::Terms,
};
use crate::model::{Bucket, Moment, Timestamp};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Older epochs whose evidence can still grow.
const MAX_OLDER: usize = 4;
/// Older epochs whose totals are still told.
const MAX_HISTORY: usize = 100;

/// Time that passes without a look, or that the wall clock gains on the other between two: as much may be a machine that is
/// busy, or a clock that is being steered. More of it was not watched, or has not been.
const TOLERATED: Duration = Duration::from_secs(5);

/// Where a mirrored exchange was counted as pending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    pub epoch: u64,
    pub route: Arc<str>,
}

/// The newest epoch, a few older ones, and the totals of more.
#[derive(Debug)]
pub struct Book {
    /// Oldest first; never empty.
    older: Vec<Epoch>,
    newest: Epoch,
    history: Vec<PastEpoch>,
    next: u64,
    rules: Rules,
    latency: Terms,
    keep_examples: usize,
    forgotten: Vec<u64>,
    /// Epochs that became history since then.
    moved: BTreeSet<u64>,
    turnover: Turnover,
    deployed: Deployed,
    /// The label that the last start gave, and the one before it.
    declared: Option<Arc<str>>,
    declared_before: Option<Arc<str>>,
    /// When it was last told the time.
    now: Moment,
}

// === impl Book ===

impl Book {
    /// Begins with nothing: the first epoch, reason `start`.
    pub fn new(rules: Rules, keep_examples: usize, now: Timestamp) -> Self {
        let info = EpochInfo {
            id: "1".into(),
            candidate_build: None,
            rules: rules.digest.clone(),
            started_at: now,
            reason: EpochReason::Start,
            ..Default::default()
        };
        let mut newest = Epoch::kept(1, Evidence::new(info), None);
        newest.dirt.epoch = true;
        Self {
            older: Vec::new(),
            newest,
            history: Vec::new(),
            next: 2,
            rules,
            latency: Terms::default(),
            keep_examples,
            forgotten: Vec::new(),
            moved: BTreeSet::new(),
            turnover: Turnover::new(),
            deployed: Deployed::default(),
            declared: None,
            declared_before: None,
            now: Moment { wall: now, steady: Duration::ZERO },
        }
    }

    /// Goes on with what was kept: epochs by number, totals of older ones, the next free number, the label that the
    /// start before gave. Rules that differ restart what they apply to.
    pub fn resume(
        mut epochs: Vec<Epoch>,
        mut history: Vec<PastEpoch>,
        next: u64,
        declared_before: Option<Arc<str>>,
        rules: Rules,
        keep_examples: usize,
        now: Timestamp,
    ) -> Self {
        epochs.sort_by_key(|e| e.number);
        let Some(mut newest) = epochs.pop() else {
            let mut book = Book::new(rules, keep_examples, now);
            book.renumber(next.max(1));
            (book.history, book.declared_before) = (history, declared_before);
            return book;
        };
        newest.ended_at = None;
        // Of those further back history tells.
        epochs.drain(..epochs.len().saturating_sub(MAX_OLDER));
        history.retain(|past| epochs.iter().all(|epoch| epoch.number != past.number));
        let next = next.max(newest.number + 1);
        let answered = newest.evidence.totals().settled().mirrored > 0;
        let started_at = newest.evidence.epoch.started_at;
        let mut book = Self {
            older: epochs,
            newest,
            history,
            next,
            rules: rules.clone(),
            latency: Terms::default(),
            keep_examples,
            forgotten: Vec::new(),
            moved: BTreeSet::new(),
            turnover: Turnover::new(),
            deployed: Deployed::seen(answered.then_some(started_at)),
            declared: None,
            declared_before,
            now: Moment { wall: now, steady: Duration::ZERO },
        };
        book.set_rules(rules, now);
        // Whether this start gives one is to be kept, though nothing else changes.
        book.newest.dirt.epoch |= book.declared_before.is_some();
        book
    }

    /// Nothing was watched between the two; or, where the second comes before the first, the clock was set back.
    pub fn was_away(&mut self, from: Timestamp, to: Timestamp) {
        match to < from {
            true => self.set_back(to),
            false => self.newest.evidence.epoch.away.add(from, to),
        }
        self.newest.dirt.epoch = true;
    }

    /// Tells it the time, again and again. Where nothing was watched since the last time (the process stood still, the
    /// machine slept), or the clock was set, evidence does not span it: then the moment it was last told is returned.
    /// `busy`: there was work to do since then, which may take its time while others watch.
    pub fn pass(&mut self, now: Moment, busy: bool) -> Option<Timestamp> {
        let last = std::mem::replace(&mut self.now, now);
        let passed = now.steady.saturating_sub(last.steady);
        let stood = if busy { Duration::ZERO } else { passed };
        let gained = now.wall.since(last.wall + passed);
        let lost = last.wall.since(now.wall);
        let odd = [stood, gained, lost].into_iter().any(|time| time > TOLERATED);
        odd.then(|| {
            self.was_away(last.wall, now.wall);
            last.wall
        })
    }

    /// Nothing has been later than now: what says so was written down by a clock that was wrong, or is wrong now.
    fn set_back(&mut self, now: Timestamp) {
        let evidence = &mut self.newest.evidence;
        evidence.epoch.started_at = evidence.epoch.started_at.min(now);
        evidence.epoch.away.set_back(now);
        for route in evidence.routes.values_mut().map(Arc::make_mut) {
            route.since = route.since.min(now);
            route.pace.set_back(now);
        }
        self.newest.dirt.routes.extend(self.newest.evidence.routes.keys().cloned());
        self.deployed.set_back(now);
    }

    /// Those in force.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The kill switch: while it is off nothing is watched, whichever epoch is the newest.
    pub fn set_mirroring(&mut self, on: bool, now: Timestamp) {
        let away = &mut self.newest.evidence.epoch.away;
        match on {
            true if away.is_open() => away.close(now),
            false if !away.is_open() => away.open(now),
            _ => return,
        }
        self.newest.dirt.epoch = true;
    }

    pub fn newest(&self) -> &Epoch {
        &self.newest
    }

    /// All epochs with evidence, oldest first.
    pub fn epochs(&self) -> impl Iterator<Item = &Epoch> {
        self.older.iter().chain([&self.newest])
    }

    /// Older epochs, oldest first, with their totals up to date.
    pub fn history(&self) -> Vec<PastEpoch> {
        let mut all = self.history.clone();
        for epoch in &self.older {
            all.push(PastEpoch {
                number: epoch.number,
                info: epoch.evidence.epoch.clone(),
                ended_at: epoch.ended_at.unwrap_or(epoch.evidence.epoch.started_at),
                totals: epoch.evidence.totals().settled(),
            });
        }
        all.sort_by_key(|past| past.number);
        all
    }

    /// Whether an epoch is still told of, be it by its totals only.
    pub fn is_told(&self, number: u64) -> bool {
        self.epochs().any(|e| e.number == number) || self.history.iter().any(|past| past.number == number)
    }

    /// Fingerprints of what older epochs have shown, as far as their evidence is kept.
    pub fn known(&self) -> HashSet<Arc<str>> {
        let routes = self.older.iter().flat_map(|epoch| epoch.evidence.routes.values());
        routes.flat_map(|route| route.divergences.keys().cloned()).collect()
    }

    /// The number the next epoch will have.
    pub fn next_number(&self) -> u64 {
        self.next
    }

    /// Epochs dropped since [`Book::kept`] was last called; what is kept of them can go.
    pub fn forgotten(&self) -> &[u64] {
        &self.forgotten
    }

    /// Epochs of which only history tells since [`Book::kept`] was last called: their last totals.
    pub fn moved(&self) -> impl Iterator<Item = &PastEpoch> {
        self.history.iter().filter(|past| self.moved.contains(&past.number))
    }

    /// Whether anything changed since [`Book::kept`] was last called.
    pub fn is_dirty(&self) -> bool {
        !self.forgotten.is_empty() || !self.moved.is_empty() || self.epochs().any(|e| !e.dirt.is_clean())
    }

    /// Everything has been written down.
    pub fn kept(&mut self) {
        self.forgotten.clear();
        self.moved.clear();
        for epoch in self.older.iter_mut().chain([&mut self.newest]) {
            epoch.dirt = Dirt::default();
        }
    }

    /// Lets go of one exchange's example that the store had no room for.
    pub fn drop_example(&mut self, number: u64, route: &str, id: &str) {
        for epoch in self.older.iter_mut().chain([&mut self.newest]).filter(|e| e.number == number) {
            if let Some(evidence) = epoch.evidence.route_mut(route) {
                for row in evidence.divergences.values_mut() {
                    row.examples.retain(|e| e.id() != id);
                }
            }
        }
    }

    /// Drops epochs that ended longer than `keep_for` ago, and the oldest one more when `tight`.
    pub fn forget(&mut self, keep_for: Duration, tight: bool, now: Timestamp) {
        let too_old = |ended: Timestamp| now.since(ended) > keep_for;
        let mut drop: BTreeSet<u64> = self.history.iter().filter(|p| too_old(p.ended_at)).map(|p| p.number).collect();
        drop.extend(self.older.iter().filter(|e| e.ended_at.is_some_and(too_old)).map(|e| e.number));
        if tight {
            let oldest = self.history.iter().map(|p| p.number).chain(self.older.iter().map(|e| e.number)).min();
            drop.extend(oldest);
        }
        self.history.retain(|p| !drop.contains(&p.number));
        self.older.retain(|e| !drop.contains(&e.number));
        self.forgotten.extend(drop);
    }

    /// Requests that were not mirrored.
    pub fn skipped(&mut self, route: &Arc<str>, bucket: Bucket, times: u64, now: Timestamp) {
        let (digest, latency) = (self.rules.route.clone(), self.latency.0.clone());
        let keep = Keep { rules: &*digest, latency: &*latency, examples: self.keep_examples, now };
        self.newest.evidence.skipped(route, bucket, times, keep);
        self.newest.touch(route);
    }

    /// A mirrored exchange begins: pending in the newest epoch.
    pub fn begin(&mut self, route: &Arc<str>, now: Timestamp) -> Begun {
        let (digest, latency) = (self.rules.route.clone(), self.latency.0.clone());
        let keep = Keep { rules: &*digest, latency: &*latency, examples: self.keep_examples, now };
        self.newest.evidence.begin(route, keep);
        Begun { epoch: self.newest.number, route: route.clone() }
    }

    /// A mirrored exchange is settled. To be called in order of arrival. Where it was counted, should it be divergent.
    pub fn settle(&mut self, begun: &Begun, settled: &Settled, now: Timestamp) -> Option<Diverged> {
        let mut build = settled.build.as_ref();
        if let Some(label) = build {
            let is_own = || begun.epoch == self.newest.number || self.epochs().all(|e| e.build().is_none());
            if self.newest.build().is_none() && is_own() {
                self.newest.evidence.epoch.candidate_build = Some(label.clone());
                self.newest.dirt.epoch = true;
            } else if self.epochs().all(|e| e.build() != Some(label)) {
                match self.turnover.take(self.now.steady) {
                    true => self.start(Some(label.clone()), EpochReason::Build, now),
                    false => build = None,
                }
            } else if self.newest.build() != Some(label) && self.deployed.older(label, settled.arrived, self.now) {
                self.start(Some(label.clone()), EpochReason::Build, now);
            }
            if self.newest.build() == Some(label) {
                self.deployed.newest(settled.arrived);
            }
        }
        let target = self.belongs(begun, settled, build);
        let here = target == Some(begun.epoch) && begun.route == settled.route;
        if !here {
            self.retract(begun);
        }
        let number = target?;
        let (digest, latency) = (self.rules.route.clone(), self.latency.0.clone());
        let keep = Keep { rules: &*digest, latency: &*latency, examples: self.keep_examples, now };
        let epoch = self.epoch_mut(number)?;
        if !here {
            epoch.evidence.begin(&settled.route, keep);
        }
        epoch.evidence.epoch.other_builds += u64::from(build.is_none() && settled.build.is_some());
        let rows = epoch.evidence.apply(settled, keep);
        match &settled.result {
            Settlement::Compared(compared) if compared.found() => epoch.touch_tables(&settled.route),
            _ => epoch.touch(&settled.route),
        }
        let rows = rows?;
        let since = epoch.evidence.routes.get(&settled.route)?.since;
        Some(Diverged { epoch: number, route: settled.route.clone(), since, rows })
    }

    /// What a divergent exchange showed when it was asked again. Lost where its epoch is gone, or another build or other
    /// rules have come since: what they show says nothing of it.
    pub fn asked_again(&mut self, diverged: &Diverged, compared: &Compared) {
        let now = (self.newest.build().cloned(), self.newest.evidence.epoch.rules.clone());
        let alike = |e: &&mut Epoch| (e.build(), &e.evidence.epoch.rules) == (now.0.as_ref(), &now.1);
        if let Some(epoch) = self.epoch_mut(diverged.epoch).filter(alike) {
            epoch.evidence.asked_again(diverged, compared);
            epoch.touch_tables(&diverged.route);
        }
    }

    /// Begins a new epoch by hand; without a label it is the same build's.
    pub fn new_epoch(&mut self, build: Option<Arc<str>>, now: Timestamp) {
        let build = build.or_else(|| self.newest.build().cloned());
        self.start(build, EpochReason::Manual, now);
    }

    /// A start says which build is deployed: adopted by an epoch that has none, otherwise a new one unless it is the newest
    /// epoch's. Where the start before said the same of the same legs it is no news: what came since, by hand or with
    /// answers, stands.
    pub fn declare(&mut self, label: Arc<str>, now: Timestamp) {
        let news = self.declared_before.as_ref() != Some(&label);
        match self.newest.build() {
            Some(current) if *current == label || !news => {}
            Some(_) => self.start(Some(label.clone()), EpochReason::Build, now),
            None => self.newest.evidence.epoch.candidate_build = Some(label.clone()),
        }
        self.declared = Some(label);
        self.newest.dirt.epoch = true;
    }

    /// The label that the last start gave; none where the legs have exchanged places since.
    pub fn declared(&self) -> Option<&Arc<str>> {
        self.declared.as_ref()
    }

    /// Where the legs are from now on; what it means that they are elsewhere. A candidate that has moved may be the same, one
    /// that has exchanged places with the primary can't be.
    pub fn set_places(&mut self, places: Places, now: Timestamp) -> Option<Relocated> {
        let before = self.newest.evidence.epoch.places.clone();
        if before.as_ref() == Some(&places) {
            return None;
        }
        let exchanged = before.as_ref().is_some_and(|before| places.exchanged(before));
        if exchanged {
            self.start(None, EpochReason::Build, now);
            self.newest.apart = true;
            self.deployed = Deployed::default();
            (self.declared, self.declared_before) = (None, None);
        }
        let from = before.map(|before| before.candidate).filter(|from| *from != places.candidate);
        let evidence = &mut self.newest.evidence;
        let moved = from.map(|from| Move { at: now, from, to: places.candidate.clone() });
        let moved = moved.filter(|_| evidence.routes.values().any(|route| route.counts.mirrored > 0));
        evidence.epoch.places = Some(places);
        self.newest.dirt.epoch = true;
        if exchanged {
            return Some(Relocated::Exchanged);
        }
        let moved = moved?;
        self.newest.evidence.epoch.moved = Some(moved.clone());
        Some(Relocated::Moved(moved))
    }

    /// Other rules are in force from their generation on.
    pub fn set_rules(&mut self, rules: Rules, now: Timestamp) {
        self.rules = rules.clone();
        let routes = &self.newest.evidence.routes;
        let changed: Vec<(Arc<str>, String)> = routes
            .iter()
            .map(|(name, route)| (name, route, (rules.route)(name)))
            .filter(|(_, route, digest)| route.rules != *digest)
            .map(|(name, _, digest)| (name.clone(), digest))
            .collect();
        if !changed.is_empty() && changed.len() == routes.len() {
            let build = self.newest.build().cloned();
            self.start(build, EpochReason::Rules, now);
            self.newest.generation = rules.generation;
            return;
        }
        for (name, digest) in changed {
            self.newest.evidence.restart_route(&name, digest, now);
            self.newest.restarted.insert(name.clone(), rules.generation);
            self.newest.dirt.cleared.insert(name.clone());
            self.newest.touch(&name);
        }
        if self.newest.evidence.epoch.rules != rules.digest {
            self.newest.evidence.epoch.rules = rules.digest;
            self.newest.dirt.epoch = true;
        }
    }

    /// The settings by which latency is counted are these from now on. Where they are others for a route, its latency
    /// starts afresh; nothing else of it does.
    pub fn set_latency(&mut self, terms: Arc<dyn Fn(&str) -> LatencyTerms + Send + Sync>) {
        let mut changed = Vec::new();
        for (name, route) in &mut self.newest.evidence.routes {
            let terms = terms(name);
            if route.pace.counts.terms != terms && Arc::make_mut(route).pace.adopt(terms) {
                changed.push(name.clone());
            }
        }
        changed.iter().for_each(|name| self.newest.touch(name));
        self.latency = Terms(terms);
    }

    fn start(&mut self, build: Option<Arc<str>>, reason: EpochReason, now: Timestamp) {
        let number = self.next;
        let info = EpochInfo {
            id: number.to_string(),
            resets: self.resets(build.as_ref(), reason),
            candidate_build: build,
            rules: self.rules.digest.clone(),
            started_at: now,
            reason,
            places: self.newest.evidence.epoch.places.clone(),
            ..Default::default()
        };
        let mut fresh = Epoch::kept(number, Evidence::new(info), None);
        (fresh.dirt.epoch, fresh.apart) = (true, reason == EpochReason::Manual);
        let away = &mut self.newest.evidence.epoch.away;
        if let Some(since) = away.open_since() {
            away.close(now);
            fresh.evidence.epoch.away.open(since);
        }
        // A build's epoch takes what is already in flight; its comparisons may be of any generation in force.
        fresh.generation = self.newest.generation;
        if reason == EpochReason::Build {
            fresh.restarted = self.newest.restarted.clone();
        }
        // The same build's epoch goes on being deployed.
        self.deployed.begin(fresh.build() == self.newest.build());
        let mut old = std::mem::replace(&mut self.newest, fresh);
        self.next = number + 1;
        old.ended_at = Some(now);
        // Examples are for the newest only: they are what is large.
        let lightened: Vec<Arc<str>> = old.evidence.routes.keys().cloned().collect();
        for route in old.evidence.routes.values_mut().map(Arc::make_mut) {
            route.divergences.values_mut().for_each(|row| row.examples.clear());
        }
        lightened.iter().for_each(|route| old.touch_tables(route));
        old.dirt.epoch = true;
        self.older.push(old);
        if self.older.len() > MAX_OLDER {
            let gone = self.older.remove(0);
            self.moved.insert(gone.number);
            // What is in flight there will be taken out when it settles; its totals are whole exchanges.
            self.history.push(PastEpoch {
                number: gone.number,
                ended_at: gone.ended_at.unwrap_or(now),
                totals: gone.evidence.totals().settled(),
                info: gone.evidence.epoch,
            });
        }
        if self.history.len() > MAX_HISTORY {
            let gone = self.history.remove(0);
            self.forgotten.push(gone.number);
        }
    }

    /// How often evidence of a build was given up by hand, with an epoch that begins for `reason`. What compared nothing
    /// was no try.
    fn resets(&self, build: Option<&Arc<str>>, reason: EpochReason) -> u64 {
        let by_hand = reason == EpochReason::Manual;
        let history = self.history.iter().map(|past| (&past.info, past.totals.compared));
        let known = history.chain(self.epochs().map(|e| (&e.evidence.epoch, e.evidence.totals().compared)));
        let same = known.filter(|(info, _)| info.candidate_build.as_ref() == build);
        same.map(|(info, compared)| info.resets + u64::from(by_hand && compared > 0)).max().unwrap_or(0)
    }

    /// The epoch an exchange of that build counts in, or none.
    fn belongs(&self, begun: &Begun, settled: &Settled, build: Option<&Arc<str>>) -> Option<u64> {
        let label_fits = |e: &Epoch| build.is_none() || e.build() == build;
        let rules_fit = |e: &Epoch| settled.generation >= e.least_generation(&settled.route);
        let in_time = |e: &Epoch| !e.apart || begun.epoch >= e.number;
        let newest_first = || [&self.newest].into_iter().chain(self.older.iter().rev());
        // A restarted route is taken out of its own epoch, not moved to the one before.
        let first = newest_first().find(|e| label_fits(e) && in_time(e) && settled.generation >= e.generation);
        first
            .or_else(|| newest_first().find(|e| label_fits(e) && settled.generation >= e.generation))
            .filter(|e| rules_fit(e))
            .map(|e| e.number)
    }

    fn retract(&mut self, begun: &Begun) {
        if let Some(epoch) = self.epoch_mut(begun.epoch) {
            epoch.evidence.retract(&begun.route);
            if !epoch.evidence.routes.contains_key(&begun.route) {
                epoch.dirt.routes.remove(&begun.route);
                epoch.dirt.tables.remove(&begun.route);
                epoch.dirt.cleared.insert(begun.route.clone());
            }
            epoch.dirt.epoch = true;
        }
    }

    fn epoch_mut(&mut self, number: u64) -> Option<&mut Epoch> {
        self.older.iter_mut().chain([&mut self.newest]).find(|e| e.number == number)
    }

    fn renumber(&mut self, number: u64) {
        self.newest.number = number;
        self.newest.evidence.epoch.id = number.to_string();
        self.next = number + 1;
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
