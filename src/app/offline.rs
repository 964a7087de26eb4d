//! The evidence of a store without a running proxy.

use super::view::{self, View};
use crate::diff;
use crate::evidence::{EpochInfo, EpochReason, Evidence, PastEpoch, Proposals};
use crate::gate::{Histories, Judgement, Policy};
use crate::model::{Notice, Severity, Timestamp};
use crate::report::{DivergenceDetail, ProxyInfo, Report, RuleInfo};
use crate::store::{self, StoreError};
use std::path::Path;
use std::sync::Arc;

const KEEP_EXAMPLES: usize = 5;

/// What a folder holds, read once.
#[derive(Debug)]
pub struct Offline {
    evidence: Evidence,
    past: Vec<PastEpoch>,
    histories: Histories,
    policy: Policy,
    rules: Option<Arc<[diff::RuleInfo]>>,
    mirroring: bool,
    written: Option<Timestamp>,
}

// === impl Offline ===

impl Offline {
    /// Reads the folder's store without changing it. `policy` overrides the one it kept.
    ///
    /// # Errors
    /// Where there is no store, or it is held, foreign or damaged.
    pub fn open(folder: &Path, policy: Option<Policy>) -> Result<Self, StoreError> {
        let stored = store::open_read(folder)?;
        let written = stored.last_commit;
        let newest = stored.epochs.last().map(|e| e.number);
        let past = stored.history.into_iter().filter(|past| Some(past.number) != newest).collect();
        let policy = policy
            .or(stored.policy)
            .unwrap_or_else(|| Policy { default: Default::default(), routes: Default::default() });
        let evidence = match stored.epochs.into_iter().next_back() {
            Some(epoch) => view::collapsed(&epoch.evidence, &policy, KEEP_EXAMPLES),
            None => Evidence::new(EpochInfo {
                id: "0".into(),
                candidate_build: None,
                rules: String::new(),
                started_at: written.unwrap_or_default(),
                reason: EpochReason::Start,
                ..Default::default()
            }),
        };
        let (histories, rules, mirroring) = (stored.histories, stored.rules, stored.mirroring);
        Ok(Self { evidence, past, histories, policy, rules, mirroring, written })
    }

    pub fn report(&self, now: Timestamp) -> Report {
        self.view(now).report()
    }

    pub fn judgement(&self, now: Timestamp, expected_build: Option<&str>) -> Judgement {
        let mut judgement = self.view(now).judgement(expected_build);
        judgement.notices.push(self.notice());
        judgement
    }

    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    pub fn divergence(&self, fingerprint: &str) -> Option<DivergenceDetail> {
        self.view(Timestamp::default()).divergence(fingerprint)
    }

    pub fn proposals(&self) -> Proposals {
        self.view(Timestamp::default()).proposals()
    }

    /// Every stored example with the route it was seen on.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    fn view(&self, now: Timestamp) -> View<'_> {
        let control = self.evidence.routes.values().any(|route| route.paired.total() > 0);
        // Evidence does not grow older than its last entry while nobody adds to it.
        let now = self.written.unwrap_or(now);
        View {
            now,
            evidence: self.evidence.clone(),
            policy: &self.policy,
            durable: Ok(()),
            failing_since: None,
            mirroring: self.mirroring,
            rules: self.rules(now),
            notices: vec![self.notice()],
            proxy: ProxyInfo { control, ..ProxyInfo::default() },
            past: &self.past,
            known: Arc::default(),
            histories: &self.histories,
            rates: None,
        }
    }

    /// The rules as they stood. A version that did not keep them leaves the ids of those that did something.
    fn rules(&self, now: Timestamp) -> Vec<RuleInfo> {
        let today = now.day();
        match &self.rules {
            Some(rules) => rules.iter().cloned().map(|rule| view::rule_info(rule.on_day(&today))).collect(),
            None => {
                let hit = self.evidence.rule_hits.iter().filter(|(_, hits)| **hits > 0);
                hit.map(|(id, _)| RuleInfo { id: id.to_string(), on: "*".into(), ..RuleInfo::default() }).collect()
            }
        }
    }

    fn notice(&self) -> Notice {
        Notice {
            code: "offline".into(),
            severity: Severity::Info,
            message: match self.written {
                Some(at) => format!("no proxy is running: this is what was kept until {at}"),
                None => "no proxy is running, and nothing was kept yet".into(),
            },
            hint: None,
            since: self.written,
        }
    }
}
