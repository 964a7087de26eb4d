//! The state: one epoch's routes, their counters and their divergences.

use super::{Exhibit, Gaps, Histogram, Kinds, Move, Pace, Places, Trend, Volatilities};
use crate::diff::Tier;
use crate::model::{Bucket, Incomparable, PerLeg, StatusClass, Timestamp};
use crate::stats::Bursts;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// All that was accumulated in one epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    pub epoch: EpochInfo,
    /// Shared with the snapshots that show them: one that changes is copied first.
    pub routes: BTreeMap<Arc<str>, Arc<RouteEvidence>>,
    /// The greatest number a route has had.
    pub numbered: u64,
    /// Hits per rule id: exchanges in which the rule covered something.
    pub rule_hits: BTreeMap<Arc<str>, u64>,
    /// Whether divergences never seen before still turn up.
    pub kinds: Kinds,
    /// What means all the routes that one name stands for, where it stands for several: see [`routes::globs`](crate::routes::globs).
    pub globs: BTreeMap<String, String>,
    /// Fingerprints that divergences had, or would have, under the other of two names that their route may be shown by,
    /// with those they have here.
    pub former: BTreeMap<Arc<str>, Arc<str>>,
}

/// Names of automatic routes that are judged and shown under that of a template, old names before new ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TemplateNames {
    pub renamed: BTreeMap<String, String>,
    /// Those that would be, and are left under their own.
    pub apart: BTreeMap<String, String>,
}

/// What an epoch is called and why it began.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochInfo {
    /// A counter over the life of the store, as text.
    pub id: String,
    /// `None` while no build has been named.
    pub candidate_build: Option<Arc<str>>,
    /// Digest of the comparison rules in force.
    pub rules: String,
    pub started_at: Timestamp,
    pub reason: EpochReason,
    /// How often evidence of this build was given up by hand to begin anew: each time it was one more try.
    #[serde(default)]
    pub resets: u64,
    /// When no proxy ran or mirroring was off: nothing was seen of what happened then.
    #[serde(default)]
    pub away: Gaps,
    /// Exchanges counted here under labels of other builds that came too fast to have epochs of their own.
    #[serde(default)]
    pub other_builds: u64,
    /// Where the legs were last. Evidence of older versions did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub places: Option<Places>,
    /// The candidate's last move, where its evidence went on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<Move>,
    #[serde(default)]
    pub naming: Naming,
}

/// How far the answers of an epoch name its build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Naming {
    /// Exchanges counted here whose answers had no label where the build gives one: where answers of that class had it on
    /// that route before.
    pub unnamed: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EpochReason {
    #[default]
    Start,
    Build,
    Rules,
    Manual,
}

impl EpochReason {
    pub const fn as_str(self) -> &'static str {
        match self {
            EpochReason::Start => "start",
            EpochReason::Build => "build",
            EpochReason::Rules => "rules",
            EpochReason::Manual => "manual",
        }
    }
}

/// The law of accounting, as a struct. The same shape for one route and for the totals.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub requests: u64,
    pub mirrored: u64,
    pub not_mirrored: NotMirrored,
    pub pending: u64,
    pub compared: u64,
    pub matched: u64,
    pub excused: u64,
    pub excused_reasons: ExcusedReasons,
    pub divergent: u64,
    /// Divergent ones that were asked again (`mirror.confirm`), and those of them that were alike then.
    #[serde(default)]
    pub asked_again: u64,
    #[serde(default)]
    pub transient: u64,
    pub incomparable: u64,
    pub incomparable_reasons: IncomparableReasons,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotMirrored {
    pub method: u64,
    pub sampled_out: u64,
    pub shed: u64,
    pub rate_limited: u64,
    pub breaker_open: u64,
    pub disabled: u64,
    pub upgrade: u64,
    #[serde(rename = "loop")]
    pub looped: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExcusedReasons {
    pub representation: u64,
    pub noise: u64,
    pub rule: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncomparableReasons {
    pub client_aborted: u64,
    pub primary_failed: u64,
    pub conditional: u64,
    pub capture_lost: u64,
    pub budget: u64,
    pub shutdown: u64,
}

impl NotMirrored {
    pub fn get_mut(&mut self, bucket: Bucket) -> &mut u64 {
        match bucket {
            Bucket::Upgrade => &mut self.upgrade,
            Bucket::Loop => &mut self.looped,
            Bucket::Disabled => &mut self.disabled,
            Bucket::Method => &mut self.method,
            Bucket::SampledOut => &mut self.sampled_out,
            Bucket::BreakerOpen => &mut self.breaker_open,
            Bucket::RateLimited => &mut self.rate_limited,
            Bucket::Shed => &mut self.shed,
        }
    }

    pub fn get(mut self, bucket: Bucket) -> u64 {
        *self.get_mut(bucket)
    }

    pub fn sum(&self) -> u64 {
        Bucket::ALL.into_iter().map(|b| self.get(b)).sum()
    }
}

impl IncomparableReasons {
    pub fn get_mut(&mut self, reason: Incomparable) -> &mut u64 {
        match reason {
            Incomparable::ClientAborted => &mut self.client_aborted,
            Incomparable::PrimaryFailed => &mut self.primary_failed,
            Incomparable::Conditional => &mut self.conditional,
            Incomparable::CaptureLost => &mut self.capture_lost,
            Incomparable::Budget => &mut self.budget,
            Incomparable::Shutdown => &mut self.shutdown,
        }
    }

    pub fn get(mut self, reason: Incomparable) -> u64 {
        *self.get_mut(reason)
    }
}

/// Answers by class, of mirrored exchanges that are settled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusCounts {
    #[serde(rename = "2xx")]
    pub success: u64,
    #[serde(rename = "3xx")]
    pub redirect: u64,
    #[serde(rename = "4xx")]
    pub client_error: u64,
    #[serde(rename = "5xx")]
    pub server_error: u64,
    pub failed: u64,
}

impl StatusCounts {
    pub fn get_mut(&mut self, class: StatusClass) -> &mut u64 {
        match class {
            StatusClass::Success => &mut self.success,
            StatusClass::Redirect => &mut self.redirect,
            StatusClass::ClientError => &mut self.client_error,
            StatusClass::ServerError => &mut self.server_error,
            StatusClass::Failed => &mut self.failed,
        }
    }
}

/// Some of the status classes, a bit for each in the order of [`StatusClass::ALL`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Classes(u8);

impl Classes {
    pub fn insert(&mut self, class: StatusClass) {
        self.0 |= 1 << class as u8;
    }

    pub fn contains(self, class: StatusClass) -> bool {
        self.0 & (1 << class as u8) != 0
    }

    pub fn merge(&mut self, other: Classes) {
        self.0 |= other.0;
    }
}

/// The four cells of paired exchanges: first digit candidate, second its pair (the control; for errors the primary).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cells {
    pub n00: u64,
    pub n10: u64,
    pub n01: u64,
    pub n11: u64,
}

impl Cells {
    pub fn record(&mut self, candidate: bool, pair: bool) {
        *match (candidate, pair) {
            (false, false) => &mut self.n00,
            (true, false) => &mut self.n10,
            (false, true) => &mut self.n01,
            (true, true) => &mut self.n11,
        } += 1;
    }

    pub fn total(&self) -> u64 {
        self.n00 + self.n10 + self.n01 + self.n11
    }
}

/// Exchanges whose control was compared, before noise is taken out: the route's noise as people understand it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlCounts {
    pub compared: u64,
    /// The control had a finding that would count if it were the candidate's: tier counts, no rule covers it.
    pub differed: u64,
    /// Those of them that are divergent. The pairs tell no such thing: they are judged by what was known before.
    #[serde(skip)]
    pub divergent: u64,
    /// Exchanges compared without a control answer, not divergent, in which known noise was excused. What a control
    /// that fell silent can no longer vouch for.
    #[serde(default)]
    pub unpaired_noise: u64,
}

impl ControlCounts {
    pub fn merge(&mut self, other: &ControlCounts) {
        self.compared += other.compared;
        self.differed += other.differed;
        self.divergent += other.divergent;
        self.unpaired_noise += other.unpaired_noise;
    }

    /// Share of exchanges in which the control differed; zero of none.
    pub fn noise(&self) -> f64 {
        if self.compared == 0 { 0.0 } else { self.differed as f64 / self.compared as f64 }
    }
}

/// Known noise, by location and phenomenon: the kind, or a word for kinds that chance picks among.
pub type Noise = BTreeMap<(Arc<str>, Arc<str>), KnownNoise>;

/// One location that differs on the old system by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownNoise {
    /// That its values on the old system have had.
    pub shapes: BTreeSet<Arc<str>>,
    pub pairs: NoisePairs,
}

/// How often candidate and control differed at a known location, over exchanges with a control answer after the one
/// that made it known. Those in which neither did say nothing about which does more often, and are not kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoisePairs {
    /// Only the candidate.
    pub candidate: u64,
    /// Only the control.
    pub control: u64,
    pub both: u64,
    /// The candidate was shown to differ more often than the control: nothing is excused here while that holds.
    /// Follows from the counts of all places of the route.
    #[serde(skip)]
    pub above: bool,
}

impl NoisePairs {
    pub fn merge(&mut self, other: &NoisePairs) {
        self.candidate += other.candidate;
        self.control += other.control;
        self.both += other.both;
    }
}

/// One route's evidence in one epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteEvidence {
    /// When this route's evidence began.
    pub since: Timestamp,
    /// Which of the epoch's routes it was when it was first seen, from 1: neither a restart nor another's merging changes
    /// that. Of several read under one name the least; 0 where nobody counted.
    pub number: u64,
    /// How often it was started afresh within the epoch, because its rules changed.
    pub restarts: u64,
    /// Digest of the rules that apply to this route; when it changes the evidence starts afresh.
    pub rules: String,
    pub counts: Counts,
    /// Exchanges with a control answer, as pairs (candidate differs, control differs), either judged by the noise that
    /// was known before: so not all that differ are divergent, noise that is known from there on among them.
    /// Empty where there is no control: `counts.divergent` of `counts.compared` is the whole story then.
    pub paired: Cells,
    pub control: ControlCounts,
    /// Errors (5xx or transport): candidate against primary, over compared exchanges.
    pub errors: Cells,
    /// How divergences come, in order of arrival.
    pub bursts: Bursts,
    pub status: PerLeg<StatusCounts>,
    /// Request start to answer head.
    pub latency: PerLeg<Histogram>,
    /// The candidate's latency beside the primary's, for the gate.
    pub pace: Pace,
    /// When exchanges were compared.
    pub trend: Trend,
    /// By fingerprint.
    pub divergences: BTreeMap<Arc<str>, Divergence>,
    /// Sightings (once an exchange and fingerprint) that had no place in the bounded table.
    pub divergences_overflow: u64,
    /// Those of them that counted.
    pub overflow_counted: u64,
    /// What the control has shown to be volatile.
    pub noise: Noise,
    /// What was seen where answers differ, for proposing rules.
    pub volatility: Volatilities,
    /// Hits per rule id on this route, as in [`Evidence::rule_hits`].
    pub rule_hits: BTreeMap<Arc<str>, u64>,
    /// Classes of the candidate's answers that have named the epoch's build. Files or what a balancer answers name none.
    pub named: Classes,
}

/// Differences that look alike: same route, location pattern, kind and classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Divergence {
    pub fingerprint: Arc<str>,
    pub kind: Arc<str>,
    pub location: Arc<str>,
    pub tier: Tier,
    /// Exchanges that showed it.
    pub count: u64,
    /// Exchanges in which it counted.
    pub counted: u64,
    /// Exchanges in which it counted that were asked again, and those of them in which nothing counted then.
    #[serde(default)]
    pub asked_again: u64,
    #[serde(default)]
    pub transient: u64,
    /// What excused it last: `representation`, `noise` or `rule:ID`; meaningful when `counted` is zero.
    pub excused_by: Option<Arc<str>>,
    pub primary_class: Arc<str>,
    pub candidate_class: Arc<str>,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// When it was seen; less than `count` where a version that did not keep this saw some of it.
    #[serde(default)]
    pub trend: Trend,
    /// One sentence with a concrete old and new value, from the latest example kept.
    pub summary: String,
    pub examples: Vec<Arc<Exhibit>>,
}
