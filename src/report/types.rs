//! The report's JSON, as types. It is an outward interface: fields are added, never renamed or given another meaning.

use super::{EpochReport, HistoryReport};
use crate::diff::Tier;
use crate::evidence::{Counts, EpochInfo, Example, SPANS, StatusCounts};
use crate::gate::{CriterionResult, Verdict};
use crate::model::{Notice, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Everything a report says. `schema` is 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub schema: u32,
    pub generated_at: Timestamp,
    pub epoch: EpochInfo,
    pub totals: Counts,
    pub routes: Vec<RouteReport>,
    /// Those that count most first.
    pub divergences: Vec<DivergenceReport>,
    pub rules: Vec<RuleReport>,
    pub notices: Vec<Notice>,
    pub gate: GateSummary,
    /// Over all routes.
    #[serde(default)]
    pub latency: Latency,
    #[serde(default)]
    pub proxy: ProxyInfo,
    /// How the bounds of this epoch closed in.
    #[serde(default)]
    pub history: HistoryReport,
    /// Older epochs, the newest first.
    #[serde(default)]
    pub epochs: Vec<EpochReport>,
}

/// What a report says of one route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteReport {
    pub route: Arc<str>,
    /// When this route's evidence began.
    pub since: Timestamp,
    /// How often it was started afresh within the epoch, because its rules changed.
    #[serde(default)]
    pub restarts: u64,
    #[serde(flatten)]
    pub counts: Counts,
    pub divergence: DivergenceShares,
    pub status: LegsOf<StatusCounts>,
    pub latency: Latency,
    /// Sightings, once an exchange and fingerprint, that had no place in the bounded table of divergences; those of them
    /// that counted.
    #[serde(default)]
    pub divergences_overflow: u64,
    #[serde(default)]
    pub overflow_counted: u64,
    #[serde(default)]
    pub critical: bool,
    /// `gate.min_comparisons` as it holds for the route: below it its bounds say little.
    #[serde(default)]
    pub min_comparisons: u64,
}

/// One value for each leg that there is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegsOf<T> {
    pub primary: T,
    pub candidate: T,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub control: Option<T>,
}

fn none<T>() -> Option<T> {
    None
}

/// Shares between 0 and 1. Meaningless while the route has compared nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DivergenceShares {
    /// divergent / compared.
    pub rate: f64,
    /// Bounds of the excess over the control where there is one, of the rate otherwise; valid at any time.
    pub lower: f64,
    pub upper: f64,
    /// Share of exchanges in which the control differed.
    pub noise: f64,
}

/// Request start to answer head, by leg.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    pub primary: LatencySummary,
    pub candidate: LatencySummary,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<LatencySummary>,
    pub ratio: LatencyRatio,
}

/// Quantiles in microseconds; all zero where `count` is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencySummary {
    pub count: u64,
    #[serde(default)]
    pub p10_us: u64,
    #[serde(default)]
    pub p25_us: u64,
    pub p50_us: u64,
    #[serde(default)]
    pub p75_us: u64,
    pub p90_us: u64,
    #[serde(default)]
    pub p95_us: u64,
    pub p99_us: u64,
    pub p999_us: u64,
    pub max_us: u64,
}

/// Candidate over primary; `None` where either has no sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencyRatio {
    pub p50: Option<f64>,
    pub p99: Option<f64>,
}

/// One divergence; `E` is an exchange id in the list, a whole [`Example`] where one divergence is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DivergenceReport<E = String> {
    pub fingerprint: Arc<str>,
    pub route: Arc<str>,
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
    /// Whether it never counted.
    pub excused: bool,
    /// `representation`, `noise` or `rule:ID`; `None` unless excused.
    pub excused_by: Option<Arc<str>>,
    pub primary_class: Arc<str>,
    pub candidate_class: Arc<str>,
    /// count / what its route compared.
    pub share: f64,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// Its share over time; `None` where it was not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trend: Option<ShareTrend>,
    pub summary: String,
    pub examples: Vec<E>,
    #[serde(default)]
    pub samples_kept: u64,
}

/// Counts by spans of time of equal length, the oldest first. The last span is not over yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareTrend {
    pub from: Timestamp,
    /// Length of a span.
    pub seconds: u64,
    /// Exchanges that showed it.
    pub count: Vec<u64>,
    /// What its route compared.
    pub compared: Vec<u64>,
}

/// One span of a [`ShareTrend`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareSpan {
    pub from: Timestamp,
    pub count: u64,
    pub compared: u64,
}

impl ShareTrend {
    /// The spans, the oldest first.
    pub fn spans(&self) -> Vec<ShareSpan> {
        let counts = self.count.iter().zip(&self.compared);
        let from = |i: usize| self.from + Duration::from_secs(self.seconds.saturating_mul(i as u64));
        counts.enumerate().map(|(i, (count, all))| ShareSpan { from: from(i), count: *count, compared: *all }).collect()
    }

    /// Of what looks alike on several routes: how often it was seen, of all that these routes compared.
    pub fn joined(parts: &[&DivergenceReport]) -> Option<Self> {
        let trends = || parts.iter().filter_map(|d| Some((&*d.route, d.trend.as_ref()?)));
        let spans = || trends().flat_map(|(route, trend)| trend.spans().into_iter().map(move |span| (route, span)));
        // Powers of two, and every span begins at a multiple: the longest holds the others whole.
        let mut seconds = trends().map(|(_, trend)| trend.seconds).max()?.max(1);
        let at = |span: &ShareSpan, seconds: u64| span.from.as_micros() / 1_000_000 / seconds;
        let ends = |seconds| {
            let places = || spans().map(|(_, span)| at(&span, seconds));
            Some((places().min()?, places().max()?))
        };
        let (mut first, mut last) = ends(seconds)?;
        while last - first >= SPANS as u64 {
            seconds = seconds.saturating_mul(2);
            (first, last) = ends(seconds)?;
        }
        let mut joined = Self {
            from: Timestamp::from_micros(first * seconds * 1_000_000),
            seconds,
            count: vec![0; (last - first + 1) as usize],
            compared: vec![0; (last - first + 1) as usize],
        };
        let mut known = HashSet::new();
        for (route, trend) in trends() {
            // A route may show it in several ways; what it compared is told once.
            let first_time = known.insert(route);
            for span in trend.spans() {
                let place = (at(&span, seconds) - first) as usize;
                let slots = joined.count.get_mut(place).zip(joined.compared.get_mut(place));
                if let Some((count, compared)) = slots {
                    *count += span.count;
                    *compared += if first_time { span.compared } else { 0 };
                }
            }
        }
        joined.count.iter_mut().zip(&joined.compared).for_each(|(count, compared)| *count = (*count).min(*compared));
        Some(joined)
    }
}

impl ShareSpan {
    /// `None` where nothing was compared.
    pub fn share(&self) -> Option<f64> {
        (self.compared > 0).then(|| self.count as f64 / self.compared as f64)
    }
}

/// One divergence with its examples whole: what `/api/v1/divergences/{fingerprint}` answers.
pub type DivergenceDetail = DivergenceReport<Arc<Example>>;

/// The examples to show beside a report, by fingerprint.
pub type Examples = BTreeMap<Arc<str>, Vec<Arc<Example>>>;

/// A rule as the configuration has it, for the report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleInfo {
    pub id: String,
    pub owner: Option<String>,
    pub expires: Option<String>,
    pub why: Option<String>,
    pub on: String,
    pub at: String,
    /// Whether its day has come.
    pub expired: bool,
    /// Whether it does its work without excusing anything: it says which elements of an array belong together.
    pub pairs: bool,
}

/// What a rule did in this epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleReport {
    pub id: String,
    pub owner: Option<String>,
    pub expires: Option<String>,
    pub state: RuleState,
    /// Exchanges in which it covered something.
    pub hits: u64,
    /// hits / compared.
    pub share: f64,
    #[serde(default)]
    pub why: Option<String>,
    #[serde(default)]
    pub on: String,
    #[serde(default)]
    pub at: String,
    /// Whether it excuses more of a route's exchanges than a rule is expected to; these come first.
    #[serde(default)]
    pub over_broad: bool,
    /// Where it did, the greatest share first.
    #[serde(default)]
    pub routes: Vec<RuleOnRoute>,
    /// Why it may have excused nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What a rule did on one route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleOnRoute {
    pub route: Arc<str>,
    pub hits: u64,
    /// hits / compared.
    pub share: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleState {
    Active,
    Expired,
    Unused,
}

impl RuleState {
    pub const fn as_str(self) -> &'static str {
        match self {
            RuleState::Active => "active",
            RuleState::Expired => "expired",
            RuleState::Unused => "unused",
        }
    }
}

/// The verdict and what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateSummary {
    pub verdict: Verdict,
    pub criteria: Vec<CriterionResult>,
    #[serde(default)]
    pub eta_seconds: Option<u64>,
}

/// The proxy that the report is about, as far as it is known; a report read from a store knows little.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProxyInfo {
    /// Where clients send requests, as a URL without a slash at its end.
    pub listen: Option<String>,
    /// Where the admin interface is, the same way; base of links.
    pub admin: Option<String>,
    pub primary: Option<String>,
    pub candidate: Option<String>,
    /// Whether there is a control leg.
    pub control: bool,
    /// `None` when no proxy is running.
    pub mirroring: Option<bool>,
}
