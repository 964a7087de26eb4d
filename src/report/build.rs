//! Evidence, judgement and what the proxy knows of itself, put together.

use super::types::LegsOf;
use super::{
    DivergenceDetail, DivergenceReport, DivergenceShares, EpochReport, GateSummary, HistoryReport, Latency,
    LatencyRatio, LatencySummary, ProxyInfo, Report, RouteReport, RuleInfo, ShareTrend, rules,
};
use crate::evidence::{Counts, Divergence, Evidence, Histogram, RouteEvidence};
use crate::gate::{History, Judgement};
use crate::model::{Leg, Notice, PerLeg, Timestamp};
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
            let ids = divergence.examples.iter().map(|e| e.id().to_owned()).collect();
            divergences.push(describe(divergence, name, route, ids));
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
            latency: latency(&route.latency, facts.proxy.control),
            divergences_overflow: route.divergences_overflow,
            overflow_counted: route.overflow_counted,
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
    let told = rules::notices(&rules, evidence, totals.compared);
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
        latency: overall(evidence).map(|legs| latency(&legs, facts.proxy.control)).unwrap_or_default(),
        proxy: facts.proxy.clone(),
        history: HistoryReport::brief(facts.history),
        epochs: facts.epochs.clone(),
    }
}

/// One divergence with its examples, by fingerprint, be it the one it had under another name of its route.
pub fn find(evidence: &Evidence, fingerprint: &str) -> Option<DivergenceDetail> {
    let by = |fingerprint: &str| one(evidence, fingerprint);
    by(fingerprint).or_else(|| by(evidence.former.get(fingerprint)?))
}

fn one(evidence: &Evidence, fingerprint: &str) -> Option<DivergenceDetail> {
    evidence.routes.iter().find_map(|(name, route)| {
        let divergence = route.divergences.get(fingerprint)?;
        let examples = divergence.examples.iter().map(|exhibit| exhibit.example().clone()).collect();
        Some(describe(divergence, name, route, examples))
    })
}

fn describe<E>(
    d: &Divergence,
    name: &std::sync::Arc<str>,
    route: &RouteEvidence,
    examples: Vec<E>,
) -> DivergenceReport<E> {
    let excused = d.counted == 0;
    DivergenceReport {
        fingerprint: d.fingerprint.clone(),
        route: name.clone(),
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
        share: ratio(d.count, route.counts.compared),
        first_seen: d.first_seen,
        last_seen: d.last_seen,
        trend: d.trend.beside(&route.trend).map(|t| ShareTrend {
            from: t.from,
            seconds: t.seconds,
            count: t.part,
            compared: t.whole,
        }),
        summary: d.summary.clone(),
        samples_kept: d.examples.len() as u64,
        examples,
    }
}

fn latency(legs: &PerLeg<Histogram>, control: bool) -> Latency {
    let (primary, candidate) = (summary(&legs.primary), summary(&legs.candidate));
    let over =
        |a: u64, b: u64| (primary.count > 0 && candidate.count > 0 && b > 0).then(|| rounded(a as f64 / b as f64));
    Latency {
        ratio: LatencyRatio {
            p50: over(candidate.p50_us, primary.p50_us),
            p99: over(candidate.p99_us, primary.p99_us),
        },
        primary,
        candidate,
        control: control.then(|| summary(&legs.control)),
    }
}

/// Over all routes; `None` where nothing was measured.
fn overall(evidence: &Evidence) -> Option<PerLeg<Histogram>> {
    let mut routes = evidence.routes.values().map(|route| &route.latency);
    let mut sum = routes.next()?.clone();
    for latency in routes {
        for leg in Leg::ALL {
            sum.get_mut(leg).merge(latency.get(leg));
        }
    }
    Some(sum)
}

fn summary(h: &Histogram) -> LatencySummary {
    let [p10_us, p25_us, p50_us, p75_us, p90_us, p95_us, p99_us, p999_us] =
        quantiles(h, [0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999]);
    let (count, max_us) = (h.len(), h.max());
    LatencySummary { count, p10_us, p25_us, p50_us, p75_us, p90_us, p95_us, p99_us, p999_us, max_us }
}

/// Several quantiles in one pass, as the histogram gives each by itself; zeros of an empty one.
fn quantiles<const N: usize>(h: &Histogram, wanted: [f64; N]) -> [u64; N] {
    let mut found = [0; N];
    let mut seen = 0;
    let mut next = 0;
    for (value, count) in h.iter() {
        seen += count;
        while let (Some(q), Some(slot)) = (wanted.get(next), found.get_mut(next)) {
            let rank = ((q * h.len() as f64).ceil() as u64).max(1);
            if seen < rank {
                break;
            }
            *slot = value;
            next += 1;
        }
    }
    found
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn quantiles_in_one_pass_are_those_of_the_histogram() {
        let mut h = Histogram::default();
        assert_eq!(quantiles(&h, [0.5, 0.99]), [0, 0]);
        for n in 1..2_000_u64 {
            h.record(Duration::from_micros(n * n % 7_919 + 1));
            let wanted = [0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999];
            assert_eq!(quantiles(&h, wanted), wanted.map(|q| h.value_at_quantile(q)));
        }
    }
}
