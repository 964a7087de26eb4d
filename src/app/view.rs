//! Evidence as people get to see it: judged, reported, rare paths merged. The same for the API, the dashboard, the
//! command line and a store without a proxy.

use crate::evidence::{self, Evidence, Proposals};
use crate::gate::{self, Facts, Judgement, Policy};
use crate::model::{Notice, Severity, Timestamp};
use crate::pipeline::StoreStatus;
use crate::report::{self, DivergenceDetail, ProxyInfo, Report, ReportFacts, RuleInfo};
use crate::routes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a view is made of.
#[derive(Debug)]
pub struct View<'a> {
    pub now: Timestamp,
    pub evidence: Evidence,
    pub policy: &'a Policy,
    /// Why what was counted may be lost, if it may.
    pub durable: Result<(), String>,
    pub mirroring: bool,
    pub rules: Vec<RuleInfo>,
    pub notices: Vec<Notice>,
    pub proxy: ProxyInfo,
}

/// The names that the rare ones among too many sibling paths are shown under: their template's.
pub fn renamed(evidence: &Evidence) -> BTreeMap<String, String> {
    routes::collapse(evidence.routes.iter().map(|(name, route)| (&**name, route.counts.requests)))
}

/// The evidence by the names that are shown.
pub fn collapsed(evidence: &Evidence, keep_examples: usize) -> Evidence {
    let renamed = renamed(evidence);
    if renamed.is_empty() {
        return evidence.clone();
    }
    evidence.collapsed(&|name| renamed.get(name).map(|new| Arc::from(new.as_str())), keep_examples)
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
            rates: BTreeMap::new(),
        };
        let mut judgement = gate::judge(self.policy, &self.evidence, &facts);
        judgement.notices.extend(report::expiry_notices(&self.rules, self.now));
        judgement
    }

    pub fn report(&self) -> Report {
        let judgement = self.judgement(None);
        let bounds = gate::route_bounds(self.policy, &self.evidence);
        let mut notices = self.notices.clone();
        if let Err(why) = &self.durable {
            notices.push(Notice {
                code: "store_failing".into(),
                severity: Severity::Error,
                message: format!("the evidence is not durable: {why}"),
                hint: Some(
                    "serving goes on, and what can be mended is tried again every second; the log says more".into(),
                ),
                since: None,
            });
        }
        notices.extend(super::hints::of(&self.evidence));
        // What the gate says itself is not said twice.
        notices.retain(|n| !judgement.notices.iter().any(|said| said.code == n.code && said.message == n.message));
        let facts = ReportFacts {
            generated_at: self.now,
            rules: &self.rules,
            notices,
            proxy: self.proxy.clone(),
            bounds: &|name, _| bounds.get(name).copied().unwrap_or((0.0, 1.0)),
            critical: &|name| self.policy.for_route(name).1,
            min_comparisons: &|name| self.policy.for_route(name).0.min_comparisons,
        };
        report::build(&self.evidence, &judgement, &facts)
    }

    pub fn divergence(&self, fingerprint: &str) -> Option<DivergenceDetail> {
        report::find(&self.evidence, fingerprint)
    }

    /// Rules for what is volatile.
    pub fn proposals(&self) -> Proposals {
        evidence::propose(&self.evidence, &self.rules.iter().map(|rule| rule.id.clone()).collect())
    }
}
