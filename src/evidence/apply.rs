//! Events in, tallies out: one request after the other.

use super::judge::{Decision, Excuse, Judged, Needed, judge};
use super::table::add_example;
use super::volatility;
use super::{
    Compared, Diverged, Divergence, EpochInfo, Evidence, Kinds, LatencyTerms, Pace, RouteEvidence, Settled, Settlement,
};
use crate::diff::{self, Cover, Finding};
use crate::model::{Bucket, Incomparable, Leg, LegRecord, StatusClass, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The kind of the finding that tells of a race over an idle connection.
const IDLE_RACE: &str = "transport.idle_race";

/// What applying an event takes beside the event.
#[derive(Clone, Copy)]
pub struct Keep<'a> {
    /// Digest of the rules that apply to a route by name, for routes that are new.
    pub rules: &'a dyn Fn(&str) -> String,
    /// What the latency of a route is counted by, the same way.
    pub latency: &'a dyn Fn(&str) -> LatencyTerms,
    /// Per divergence.
    pub examples: usize,
    pub now: Timestamp,
}

/// The divergences of one exchange that count.
#[derive(Debug, Default)]
struct Counted {
    /// Fingerprints.
    rows: Vec<Arc<str>>,
    /// One of them has not counted in the epoch before, as far as the table knows.
    new: bool,
}

impl std::fmt::Debug for Keep<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keep").field("examples", &self.examples).field("now", &self.now).finish_non_exhaustive()
    }
}

// === impl Evidence ===

impl Evidence {
    pub fn new(epoch: EpochInfo) -> Self {
        Self {
            epoch,
            routes: BTreeMap::new(),
            numbered: 0,
            rule_hits: BTreeMap::new(),
            kinds: Kinds::default(),
            globs: BTreeMap::new(),
            former: BTreeMap::new(),
        }
    }

    /// As its routes were kept. What no number was kept of gets the ones that are free, in the order of its beginning.
    pub fn kept(epoch: EpochInfo, mut routes: BTreeMap<Arc<str>, RouteEvidence>) -> Self {
        let taken: BTreeSet<u64> = routes.values().map(|route| route.number).collect();
        let mut free = (1u64..).filter(|number| !taken.contains(number));
        let mut without: Vec<_> = routes.iter_mut().filter(|(_, route)| route.number == 0).collect();
        without.sort_by_key(|(name, route)| (route.since, (*name).clone()));
        for ((_, route), number) in without.into_iter().zip(&mut free) {
            route.number = number;
        }
        let numbered = routes.values().map(|route| route.number).max().unwrap_or(0);
        let routes = routes.into_iter().map(|(name, route)| (name, Arc::new(route))).collect();
        Self { routes, numbered, ..Self::new(epoch) }
    }

    /// Requests that were not mirrored.
    pub fn skipped(&mut self, route: &Arc<str>, bucket: Bucket, times: u64, keep: Keep<'_>) {
        let counts = &mut self.route(route, keep).counts;
        counts.requests += times;
        *counts.not_mirrored.get_mut(bucket) += times;
    }

    /// A request whose mirroring began: pending from here on.
    pub fn begin(&mut self, route: &Arc<str>, keep: Keep<'_>) {
        let counts = &mut self.route(route, keep).counts;
        counts.requests += 1;
        counts.mirrored += 1;
        counts.pending += 1;
    }

    /// Takes a pending exchange out again, from `requests` on: it belongs to another epoch or route, or nowhere.
    pub fn retract(&mut self, route: &str) {
        let Some(evidence) = self.route_mut(route) else { return };
        let counts = &mut evidence.counts;
        if counts.pending > 0 {
            counts.requests -= 1;
            counts.mirrored -= 1;
            counts.pending -= 1;
        }
        if counts.requests == 0 {
            self.routes.remove(route);
        }
    }

    /// An exchange that is pending in its route is settled. Fingerprints of what counted where it is divergent.
    pub fn apply(&mut self, settled: &Settled, keep: Keep<'_>) -> Option<Vec<Arc<str>>> {
        let began = self.epoch.started_at;
        let places = volatility::places(self.routes.len());
        let names_it = settled.build.is_some() && settled.build == self.epoch.candidate_build;
        let route = self.route(&settled.route, keep);
        if route.counts.pending == 0 {
            // Its beginning was never seen: count it from there, so that the law holds.
            route.counts.requests += 1;
            route.counts.mirrored += 1;
        } else {
            route.counts.pending -= 1;
        }
        for (leg, record) in settled.legs.iter() {
            if let Some(record) = record {
                *route.status.get_mut(leg).get_mut(record.class) += 1;
            }
        }
        match &settled.result {
            Settlement::Incomparable(reason) => {
                route.incomparable(*reason);
                None
            }
            Settlement::Compared(compared) => {
                let (decision, counted) = route.compared(settled, compared, places, keep);
                if !matches!(decision, Decision::Incomparable(_)) {
                    route.pace(began, settled, compared);
                    let covers: BTreeSet<&Arc<str>> = compared
                        .candidate
                        .list
                        .iter()
                        .filter_map(|f| f.cover.as_ref())
                        .map(|Cover::Rule(id)| id)
                        .collect();
                    count_rules(&mut route.rule_hits, &covers);
                    let unnamed = route.is_unnamed(settled, names_it);
                    self.epoch.naming.unnamed += u64::from(unnamed);
                    count_rules(&mut self.rule_hits, &covers);
                    self.kinds.observe(counted.new);
                }
                (decision == Decision::Divergent).then_some(counted.rows)
            }
        }
    }

    /// Adds what a divergent exchange showed when it was asked again; lost where it is no part of this any more.
    pub fn asked_again(&mut self, diverged: &Diverged, compared: &Compared) {
        if let Some(route) = self.route_mut(&diverged.route).filter(|route| route.since == diverged.since) {
            route.asked_again(&diverged.rows, compared);
        }
    }

    /// Starts a route's evidence afresh under other rules. What is in flight stays pending in it.
    pub fn restart_route(&mut self, route: &str, rules: String, now: Timestamp) {
        if let Some(evidence) = self.routes.get_mut(route) {
            let evidence = Arc::make_mut(evidence);
            for (rule, gone) in &evidence.rule_hits {
                if let Some(hits) = self.rule_hits.get_mut(rule) {
                    *hits = hits.saturating_sub(*gone);
                }
            }
            let pending = evidence.counts.pending;
            let (number, restarts, named) = (evidence.number, evidence.restarts + 1, evidence.named);
            let fresh = RouteEvidence::new(now, rules, evidence.pace.counts.terms);
            *evidence = RouteEvidence { number, restarts, named, ..fresh };
            self.kinds = Kinds::default();
            evidence.counts.requests = pending;
            evidence.counts.mirrored = pending;
            evidence.counts.pending = pending;
        }
    }

    fn route(&mut self, name: &Arc<str>, keep: Keep<'_>) -> &mut RouteEvidence {
        let numbered = &mut self.numbered;
        let fresh = || {
            *numbered += 1;
            let fresh = RouteEvidence::new(keep.now, (keep.rules)(name), (keep.latency)(name));
            Arc::new(RouteEvidence { number: *numbered, ..fresh })
        };
        Arc::make_mut(self.routes.entry(name.clone()).or_insert_with(fresh))
    }

    /// A route, to be changed.
    pub fn route_mut(&mut self, name: &str) -> Option<&mut RouteEvidence> {
        self.routes.get_mut(name).map(Arc::make_mut)
    }
}

fn count_rules(hits: &mut BTreeMap<Arc<str>, u64>, covers: &BTreeSet<&Arc<str>>) {
    for id in covers {
        match hits.get_mut(*id) {
            Some(hits) => *hits += 1,
            None => {
                hits.insert((*id).clone(), 1);
            }
        }
    }
}

// === impl RouteEvidence ===

impl RouteEvidence {
    /// Nothing yet, since `since`, under the rules of that digest; latency is counted by `terms`.
    pub fn new(since: Timestamp, rules: String, terms: LatencyTerms) -> Self {
        Self {
            since,
            number: 0,
            restarts: 0,
            rules,
            counts: Default::default(),
            paired: Default::default(),
            control: Default::default(),
            errors: Default::default(),
            bursts: Default::default(),
            status: Default::default(),
            latency: Default::default(),
            pace: Pace::new(terms),
            trend: Default::default(),
            divergences: BTreeMap::new(),
            divergences_overflow: 0,
            overflow_counted: 0,
            noise: BTreeMap::new(),
            volatility: BTreeMap::new(),
            rule_hits: BTreeMap::new(),
            named: Default::default(),
        }
    }

    /// Whether the candidate's answer has no label where the epoch's build gives one. Errors may be those of what stands
    /// before it.
    fn is_unnamed(&mut self, settled: &Settled, names_it: bool) -> bool {
        let Some(class) = settled.legs.candidate.as_ref().map(|leg| leg.class) else { return false };
        if matches!(class, StatusClass::ServerError | StatusClass::Failed) {
            return false;
        }
        if names_it {
            self.named.insert(class);
        }
        settled.build.is_none() && self.named.contains(class)
    }

    fn incomparable(&mut self, reason: Incomparable) {
        self.counts.incomparable += 1;
        *self.counts.incomparable_reasons.get_mut(reason) += 1;
    }

    fn compared(
        &mut self,
        settled: &Settled,
        compared: &Compared,
        places: usize,
        keep: Keep<'_>,
    ) -> (Decision, Counted) {
        let judged = judge(&mut self.noise, compared);
        match judged.decision {
            Decision::Incomparable(reason) => {
                self.incomparable(reason);
                return (judged.decision, Counted::default());
            }
            Decision::Matched => self.counts.matched += 1,
            Decision::Divergent => self.counts.divergent += 1,
            Decision::Excused(needed) => {
                self.counts.excused += 1;
                let reasons = &mut self.counts.excused_reasons;
                *match needed {
                    Needed::Representation => &mut reasons.representation,
                    Needed::Noise => &mut reasons.noise,
                    Needed::Rule => &mut reasons.rule,
                } += 1;
            }
        }
        self.counts.compared += 1;
        self.trend.add(settled.arrived);
        self.bursts.add(judged.decision == Decision::Divergent);
        if let Some(paired) = judged.paired {
            self.paired.record(paired.candidate, paired.control);
            self.control.compared += 1;
            self.control.divergent += u64::from(judged.decision == Decision::Divergent);
            self.control.differed += u64::from(paired.differed);
        } else if judged.decision != Decision::Divergent && judged.excuses.contains(&Some(Excuse::Noise)) {
            self.control.unpaired_noise += 1;
        }
        if let (Some(primary), Some(candidate)) = (settled.legs.primary, settled.legs.candidate) {
            self.errors.record(is_error(&candidate), is_error(&primary));
        }
        for leg in Leg::ALL {
            if let Some(took) = settled.legs.get(leg).and_then(|record| record.timing.first_byte) {
                self.latency.get_mut(leg).record(took);
            }
        }
        volatility::record(&mut self.volatility, compared, places);
        let counted = self.sightings(settled, compared, &judged, keep);
        (judged.decision, counted)
    }

    /// Both legs' latency, where it can be compared: answers of one class, or none from the candidate.
    fn pace(&mut self, epoch: Timestamp, settled: &Settled, compared: &Compared) {
        let (Some(primary), Some(candidate)) = (settled.legs.primary, settled.legs.candidate) else { return };
        let Some(took) = primary.timing.first_byte else { return };
        let other = match candidate.class {
            // A connection that had been closed unnoticed is nobody's latency.
            StatusClass::Failed if compared.candidate.list.iter().any(|f| &*f.kind == IDLE_RACE) => return,
            StatusClass::Failed => None,
            class if class != primary.class || candidate.timing.first_byte.is_none() => return,
            _ => candidate.timing.first_byte,
        };
        self.pace.record(epoch, settled.arrived, took, other);
    }

    /// Judged as any other, and nothing is learned from it: it is no exchange of its own.
    fn asked_again(&mut self, rows: &[Arc<str>], compared: &Compared) {
        let decision = judge(&mut self.noise.clone(), compared).decision;
        if matches!(decision, Decision::Incomparable(_)) || self.counts.asked_again >= self.counts.divergent {
            return;
        }
        let alike = u64::from(decision != Decision::Divergent);
        self.counts.asked_again += 1;
        self.counts.transient += alike;
        for print in rows {
            if let Some(row) = self.divergences.get_mut(print) {
                row.asked_again += 1;
                row.transient += alike;
            }
        }
    }

    /// Enters the candidate's findings into the table, each fingerprint once. Secondary ones are told by examples only.
    fn sightings(&mut self, settled: &Settled, compared: &Compared, judged: &Judged, keep: Keep<'_>) -> Counted {
        let mut seen: BTreeMap<Arc<str>, (&Finding, Option<&Excuse>)> = BTreeMap::new();
        for (finding, excuse) in compared.candidate.list.iter().zip(&judged.excuses) {
            if excuse == &Some(Excuse::Secondary) {
                continue;
            }
            let print = diff::fingerprint(
                &settled.route,
                &finding.kind,
                &finding.location,
                &finding.primary_class,
                &finding.candidate_class,
            );
            // The one that counts speaks for its group.
            let shown = seen.entry(print.into()).or_insert((finding, excuse.as_ref()));
            if shown.1.is_some() && excuse.is_none() {
                *shown = (finding, None);
            }
        }
        let mut counted = Counted::default();
        for (print, (finding, excuse)) in seen {
            if excuse.is_none() {
                counted.rows.push(print.clone());
            }
            if !self.divergences.contains_key(&print) {
                if !self.has_room(excuse.is_none()) {
                    self.divergences_overflow += 1;
                    self.overflow_counted += u64::from(excuse.is_none());
                    counted.new |= excuse.is_none();
                    continue;
                }
                self.divergences.insert(print.clone(), fresh(print.clone(), finding, settled.arrived));
            }
            let Some(row) = self.divergences.get_mut(&print) else { continue };
            row.count += 1;
            row.trend.add(settled.arrived);
            match excuse {
                None => {
                    counted.new |= row.counted == 0;
                    row.counted += 1;
                }
                Some(excuse) => row.excused_by = excuse.text(),
            }
            row.tier = row.tier.min(finding.tier);
            row.first_seen = row.first_seen.min(settled.arrived);
            // What is told is the latest; once one has counted, the latest that counted.
            if settled.arrived >= row.last_seen && (excuse.is_none() || row.counted == 0) {
                row.summary = diff::summary(finding);
            }
            row.last_seen = row.last_seen.max(settled.arrived);
            if let Some(example) = compared.example.as_ref().filter(|example| example.claim()) {
                add_example(&mut row.examples, example, keep.examples);
            }
        }
        counted
    }
}

fn fresh(fingerprint: Arc<str>, finding: &Finding, arrived: Timestamp) -> Divergence {
    Divergence {
        fingerprint,
        kind: (&finding.kind).into(),
        location: finding.location.clone(),
        tier: finding.tier,
        count: 0,
        counted: 0,
        asked_again: 0,
        transient: 0,
        excused_by: None,
        primary_class: (&finding.primary_class).into(),
        candidate_class: (&finding.candidate_class).into(),
        first_seen: arrived,
        last_seen: arrived,
        trend: Default::default(),
        summary: diff::summary(finding),
        examples: Vec::new(),
    }
}

fn is_error(record: &LegRecord) -> bool {
    matches!(record.class, StatusClass::ServerError | StatusClass::Failed)
}
