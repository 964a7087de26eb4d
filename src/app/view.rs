//! Evidence as people get to see it: judged, reported, rare paths merged. The same for the API, the dashboard, the
//! command line and a store without a proxy.

use crate::evidence::{self, Evidence, PastEpoch, Proposals};
use crate::gate::{self, Facts, Histories, History, Judgement, Point, Policy};
use crate::model::{Notice, Severity, Timestamp};
use crate::pipeline::{PerSecond, StoreStatus};
use crate::report::{
    self, DivergenceDetail, EpochReport, HistoryDocument, HistoryReport, ProxyInfo, Report, ReportFacts, RuleInfo,
};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// What a view is made of.
#[derive(Debug)]
pub struct View<'a> {
    pub now: Timestamp,
    pub evidence: Evidence,
    pub policy: &'a Policy,
    /// Why what was counted may be lost, if it may.
    pub durable: Result<(), String>,
    /// Since when the store has been failing, where it is.
    pub failing_since: Option<Timestamp>,
    pub mirroring: bool,
    pub rules: Vec<RuleInfo>,
    pub notices: Vec<Notice>,
    pub proxy: ProxyInfo,
    /// Fingerprints that older epochs have shown.
    pub known: Arc<HashSet<Arc<str>>>,
    /// Older epochs, oldest first.
    pub past: &'a [PastEpoch],
    /// What the gate said of them all.
    pub histories: &'a Histories,
    /// Comparisons a second at present by the names that are shown; `None` where nobody adds to the evidence.
    pub rates: Option<PerSecond>,
}

/// The evidence by the names that are shown.
pub fn collapsed(evidence: &Evidence, policy: &Policy, keep_examples: usize) -> Evidence {
    policy.by_template(evidence, keep_examples).into_owned()
}

/// Rates by the names that are shown.
pub fn collapsed_rates(evidence: &Evidence, policy: &Policy, rates: &PerSecond) -> PerSecond {
    let renamed = policy.template_names(evidence).renamed;
    let mut shown = PerSecond::new();
    for (name, rate) in rates {
        let name = renamed.get(&**name).map_or_else(|| name.clone(), |new| Arc::from(new.as_str()));
        *shown.entry(name).or_default() += rate;
    }
    shown
}

/// As reports take it.
pub fn rule_info(rule: crate::diff::RuleInfo) -> RuleInfo {
    RuleInfo {
        id: rule.id.to_string(),
        owner: rule.owner,
        expires: rule.expires,
        why: rule.why,
        on: rule.on,
        at: rule.at,
        expired: rule.expired,
        pairs: rule.pairs,
    }
}

/// As the gate wants to know it.
pub fn durable(store: &StoreStatus) -> Result<(), String> {
    match (&store.why, store.durable) {
        (None, true) => Ok(()),
        (Some(why), _) => Err(why.clone()),
        (None, false) => Err("it is kept in memory only".to_owned()),
    }
}

// === impl View ===

impl View<'_> {
    pub fn judgement(&self, expected_build: Option<&str>) -> Judgement {
        let facts = Facts {
            now: self.now,
            not_durable: self.durable.clone().err(),
            expected_build,
            mirroring: self.mirroring,
            rates: self.rates.clone().unwrap_or_default(),
        };
        let mut judgement = gate::judge(self.policy, &self.evidence, &facts);
        if self.rates.is_none() {
            judgement.eta_seconds = None;
            judgement.criteria.iter_mut().for_each(|criterion| criterion.eta_seconds = None);
        }
        judgement.notices.extend(report::expiry_notices(&self.rules, self.now));
        judgement
    }

    pub fn report(&self) -> Report {
        self.reported(&self.judgement(None))
    }

    /// The report with a judgement that was made of the same.
    pub fn reported(&self, judgement: &Judgement) -> Report {
        let bounds = gate::route_bounds(self.policy, &self.evidence, &judgement.criteria);
        let mut notices = self.notices.clone();
        if let Err(why) = &self.durable {
            notices.push(Notice {
                code: "store_failing".into(),
                severity: Severity::Error,
                message: format!("the evidence is not durable: {why}"),
                hint: Some(
                    "serving goes on, and what can be mended is tried again every second; the log says more".into(),
                ),
                since: self.failing_since,
            });
        }
        notices.extend(super::hints::of(&self.evidence));
        // What the gate says itself is not said twice, in whichever words.
        notices.retain(|n| !judgement.notices.iter().any(|said| said.code == n.code));
        let facts = ReportFacts {
            generated_at: self.now,
            rules: &self.rules,
            notices,
            proxy: self.proxy.clone(),
            history: &self.until_now(judgement),
            epochs: self.epochs(),
            bounds: &|name, _| bounds.get(name).copied().unwrap_or((0.0, 1.0)),
            critical: &|name| self.policy.for_route(name).1,
            min_comparisons: &|name| self.policy.for_route(name).0.min_comparisons,
        };
        report::build(&self.evidence, judgement, &facts)
    }

    /// What a judgement adds to the history of the newest epoch.
    pub fn point(&self, judgement: &Judgement) -> Option<Point> {
        Point::of(judgement, self.policy, &self.evidence, self.now)
    }

    /// What the gate said of the newest epoch (`None`) or of an older one, of one route or of all. `None` where there is
    /// no such epoch.
    pub fn history(&self, epoch: Option<&str>, route: Option<&str>) -> Option<HistoryDocument> {
        let newest = &self.evidence.epoch;
        let (info, history) = match epoch.filter(|id| *id != newest.id) {
            None => (newest.clone(), self.until_now(&self.judgement(None))),
            Some(id) => {
                let past = self.past.iter().find(|past| past.info.id == id)?;
                (past.info.clone(), self.histories.get(&past.number).map(|h| History::clone(h)).unwrap_or_default())
            }
        };
        let epochs = self.epochs();
        Some(HistoryDocument::new(self.now, info, HistoryReport::whole(&history, route), epochs))
    }

    /// The history of the newest epoch with what is said of it now at its end.
    pub fn until_now(&self, judgement: &Judgement) -> History {
        let number = self.evidence.epoch.id.parse().ok();
        let kept = number.and_then(|number: u64| self.histories.get(&number));
        let mut history = kept.map(|h| History::clone(h)).unwrap_or_default();
        // What was written with the last of the evidence needs no saying twice.
        let said = |point: &Point| {
            let last = history.points().last();
            last.is_some_and(|last| {
                let same = last.compared == point.compared && last.verdict == point.verdict;
                same && point.at.since(last.at) < Duration::from_secs(1)
            })
        };
        if let Some(point) = self.point(judgement).filter(|point| !said(point)) {
            history.push(point);
        }
        history
    }

    /// The newest first.
    fn epochs(&self) -> Vec<EpochReport> {
        let of = |past: &PastEpoch| EpochReport::of(past, self.histories.get(&past.number).map(|h| &**h));
        self.past.iter().rev().map(of).collect()
    }

    pub fn divergence(&self, fingerprint: &str) -> Option<DivergenceDetail> {
        report::find(&self.evidence, fingerprint)
    }

    /// Rules for what is volatile.
    pub fn proposals(&self) -> Proposals {
        evidence::propose(&self.evidence, &self.rules.iter().map(|rule| rule.id.clone()).collect())
    }
}
