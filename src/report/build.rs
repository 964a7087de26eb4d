//! Evidence, judgement and what the proxy knows of itself, put together.

use super::types::LegsOf;
use super::{
    DivergenceDetail, DivergenceReport, DivergenceShares, EpochReport, GateSummary, HistoryReport, Latency,
    LatencyRatio, LatencySummary, ProxyInfo, Report, RouteReport, RuleInfo, rules,
};
use crate::evidence::{Counts, Divergence, Evidence, Histogram, RouteEvidence};
use crate::gate::{History, Judgement};
use crate::model::{Notice, Timestamp};
use std::fmt::{self, Debug, Formatter};

/// Bounds on a route's divergence, the same that the verdict uses: name and evidence in, lower and upper out.
pub type Bounds<'a> = dyn Fn(&str, &RouteEvidence) -> (f64, f64) + 'a;

/// What a report says beside evidence and judgement.
pub struct ReportFacts<'a> {
    pub generated_at: Timestamp,
    pub rules: &'a [RuleInfo],
    /// Shown together with the judgement's own.
    pub notices: Vec<Notice>,
    pub proxy: ProxyInfo,
    /// What the gate said of this epoch until now, the judgement included.
    pub history: &'a History,
    /// Older epochs, the newest first.
    pub epochs: Vec<EpochReport>,
    pub bounds: &'a Bounds<'a>,
    /// Whether a route is marked critical.
    pub critical: &'a dyn Fn(&str) -> bool,
    /// How many comparisons a route needs before it may fail.
    pub min_comparisons: &'a dyn Fn(&str) -> u64,
}

impl Debug for ReportFacts<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReportFacts").field("generated_at", &self.generated_at).finish_non_exhaustive()
    }
}

/// The report. Totals are the sums of the routes, whatever those are.
pub fn build(evidence: &Evidence, judgement: &Judgement, facts: &ReportFacts<'_>) -> Report {
    let mut totals = Counts::default();
    let mut divergences = Vec::new();
    let mut routes = Vec::with_capacity(evidence.routes.len());
    for (name, route) in &evidence.routes {
        totals.merge(&route.counts);
        for divergence in route.divergences.values() {
            let ids = divergence.examples.iter().map(|e| e.id.clone()).collect();
            divergences.push(describe(divergence, name, route.counts.compared, ids));
        }
        let (lower, upper) = (facts.bounds)(name, route);
        routes.push(RouteReport {
            route: name.clone(),
            since: route.since,
            restarts: route.restarts,
            divergence: DivergenceShares {
                rate: ratio(route.counts.divergent, route.counts.compared),
                lower: rounded(lower),
                upper: rounded(upper),
                noise: route.control.noise(),
            },
            status: LegsOf {
                primary: route.status.primary,
                candidate: route.status.candidate,
                control: facts.proxy.control.then_some(route.status.control),
            },
            latency: latency(route, facts.proxy.control),
            divergences_overflow: route.divergences_overflow,
            critical: (facts.critical)(name),
            min_comparisons: (facts.min_comparisons)(name),
            counts: route.counts.clone(),
        });
    }
    divergences.sort_by(|a, b| {
        b.counted.cmp(&a.counted).then(a.tier.cmp(&b.tier)).then(b.count.cmp(&a.count)).then_with(|| {
            (&a.route, &a.location, &a.kind, &a.fingerprint).cmp(&(&b.route, &b.location, &b.kind, &b.fingerprint))
        })
    });
    let rules = rules::describe(facts.rules, evidence, totals.compared);
    let told = rules::notices(&rules, totals.compared);
    Report {
        schema: 1,
        generated_at: facts.generated_at,
        epoch: evidence.epoch.clone(),
        notices: merge_notices(&judgement.notices, &[&facts.notices[..], &told].concat()),
        rules,
        totals,
        routes,
        divergences,
        gate: GateSummary {
            verdict: judgement.verdict,
            criteria: judgement.criteria.clone(),
            eta_seconds: judgement.eta_seconds,
        },
        proxy: facts.proxy.clone(),
        history: HistoryReport::brief(facts.history),
        epochs: facts.epochs.clone(),
    }
}

/// One divergence with its examples, by fingerprint.
pub fn find(evidence: &Evidence, fingerprint: &str) -> Option<DivergenceDetail> {
    evidence.routes.iter().find_map(|(name, route)| {
        let divergence = route.divergences.get(fingerprint)?;
        Some(describe(divergence, name, route.counts.compared, divergence.examples.clone()))
    })
}

fn describe<E>(d: &Divergence, route: &std::sync::Arc<str>, compared: u64, examples: Vec<E>) -> DivergenceReport<E> {
    let excused = d.counted == 0;
    DivergenceReport {
        fingerprint: d.fingerprint.clone(),
        route: route.clone(),
        kind: d.kind.clone(),
        location: d.location.clone(),
        tier: d.tier,
        count: d.count,
        counted: d.counted,
        asked_again: d.asked_again,
        transient: d.transient,
        excused,
        excused_by: d.excused_by.clone().filter(|_| excused),
        primary_class: d.primary_class.clone(),
        candidate_class: d.candidate_class.clone(),
        share: ratio(d.count, compared),
        first_seen: d.first_seen,
        last_seen: d.last_seen,
        summary: d.summary.clone(),
        samples_kept: d.examples.len() as u64,
        examples,
    }
}

fn latency(route: &RouteEvidence, control: bool) -> Latency {
    let (primary, candidate) = (summary(&route.latency.primary), summary(&route.latency.candidate));
    let over =
        |a: u64, b: u64| (primary.count > 0 && candidate.count > 0 && b > 0).then(|| rounded(a as f64 / b as f64));
    Latency {
        ratio: LatencyRatio {
            p50: over(candidate.p50_us, primary.p50_us),
            p99: over(candidate.p99_us, primary.p99_us),
        },
        primary,
        candidate,
        control: control.then(|| summary(&route.latency.control)),
    }
}

fn summary(h: &Histogram) -> LatencySummary {
    if h.is_empty() {
        return LatencySummary::default();
    }
    LatencySummary {
        count: h.len(),
        p50_us: h.value_at_quantile(0.5),
        p90_us: h.value_at_quantile(0.9),
        p99_us: h.value_at_quantile(0.99),
        p999_us: h.value_at_quantile(0.999),
        max_us: h.max(),
    }
}

/// The gate's notices, then those it does not know of, each code and message once. A state that the whole proxy is in
/// is told once, in whoever's words came first.
fn merge_notices(a: &[Notice], b: &[Notice]) -> Vec<Notice> {
    let mut all: Vec<Notice> = a.to_vec();
    for notice in b {
        let state = notice.code == "mirroring_off";
        if !all.iter().any(|n| n.code == notice.code && (state || n.message == notice.message)) {
            all.push(notice.clone());
        }
    }
    all.sort_by_key(|n| std::cmp::Reverse(n.severity));
    all
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { rounded(part as f64 / whole as f64) }
}

/// To twelve decimals: short in JSON, and read back as the same number by any parser.
fn rounded(x: f64) -> f64 {
    (x * 1e12).round() / 1e12
}
