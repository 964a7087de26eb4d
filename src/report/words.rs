//! What a report says in sentences, shared by every format for people.

use super::format::{share, thousands};
use super::{Report, RouteReport, duration};
use crate::gate::{Criterion, CriterionResult, Verdict};
use crate::model::{Bucket, Incomparable};

/// `2026.11.3`, or what stands in for a name.
pub(super) fn build_name(report: &Report) -> &str {
    report.epoch.candidate_build.as_deref().unwrap_or("(build not named)")
}

/// The sentence behind the verdict's word.
pub(super) fn headline(report: &Report) -> String {
    let candidate = match &report.epoch.candidate_build {
        Some(build) => format!("candidate {build}"),
        None => "the candidate".to_owned(),
    };
    let required: Vec<_> = report.gate.criteria.iter().filter(|c| c.required).collect();
    let count = |v| required.iter().filter(|c| c.verdict == v).count();
    match report.gate.verdict {
        Verdict::Pass => {
            format!("{candidate} may replace the primary: {} of {} criteria hold", count(Verdict::Pass), required.len())
        }
        Verdict::Fail => {
            let failed = |c: &&&CriterionResult| c.verdict == Verdict::Fail;
            let routes = required.iter().filter(failed).filter(|c| c.criterion == Criterion::Divergence).count();
            match required.iter().find(|c| c.verdict == Verdict::Fail) {
                _ if routes > 0 => {
                    let verb = if routes == 1 { "diverges" } else { "diverge" };
                    let all = report.routes.len().max(routes);
                    let noun = if all == 1 { "route" } else { "routes" };
                    format!("{candidate} does not behave like the primary: {routes} of {all} {noun} {verb} too often")
                }
                Some(c) => format!("{candidate} must not replace the primary: {}", reason(c)),
                None => format!("{candidate} must not replace the primary"),
            }
        }
        Verdict::Inconclusive => inconclusive(report, count(Verdict::Inconclusive), required.len()),
    }
}

fn inconclusive(report: &Report, open: usize, all: usize) -> String {
    let t = &report.totals;
    if t.requests == 0 {
        "no request has arrived yet".to_owned()
    } else if t.mirrored == 0 {
        format!("{} requests, none mirrored: {}", thousands(t.requests), not_mirrored(report))
    } else if t.compared == 0 {
        "nothing has been compared yet".to_owned()
    } else if all == 0 {
        "no criterion is required, so nothing can be decided".to_owned()
    } else {
        format!("{open} of {all} criteria {} not decided. This is not a pass.", if open == 1 { "is" } else { "are" })
    }
}

/// A criterion's name, route and reason in one line.
pub(super) fn reason(c: &CriterionResult) -> String {
    match &c.route {
        Some(route) => format!("{} {route}: {}", c.criterion.as_str(), c.reason),
        None => format!("{}: {}", c.criterion.as_str(), c.reason),
    }
}

/// `epoch 7, build 2026.11.3, for 2 d 4 h, with a control leg`.
pub(super) fn epoch_line(report: &Report) -> String {
    let age = duration(report.generated_at.since(report.epoch.started_at));
    let build = match &report.epoch.candidate_build {
        Some(build) => format!("build {build}"),
        None => "build not named".to_owned(),
    };
    let control = if report.proxy.control { ", with a control leg" } else { "" };
    format!("epoch {}, {build}, for {age}{control}", report.epoch.id)
}

/// `88,120 method, 41 shed`: the buckets that are not empty, largest first.
pub(super) fn not_mirrored(report: &Report) -> String {
    listed(Bucket::ALL.map(|b| (b.as_str(), report.totals.not_mirrored.get(b))))
}

/// The same for what was mirrored and not compared, with what is pending.
pub(super) fn rest(report: &Report) -> String {
    let t = &report.totals;
    let reasons = Incomparable::ALL.map(|r| (r.as_str(), t.incomparable_reasons.get(r)));
    let mut text = listed(reasons);
    if t.pending > 0 {
        let comma = if text.is_empty() { "" } else { ", " };
        text.push_str(&format!("{comma}{} pending", thousands(t.pending)));
    }
    text
}

fn listed<const N: usize>(mut counts: [(&'static str, u64); N]) -> String {
    counts.sort_by_key(|&(_, n)| std::cmp::Reverse(n));
    let parts = counts.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{} {name}", thousands(*n)));
    parts.collect::<Vec<_>>().join(", ")
}

/// `1,101,204 matched, 86,301 excused, 1,261 divergent`.
pub(super) fn outcomes(report: &Report) -> String {
    let t = &report.totals;
    format!("{} matched, {} excused, {} divergent", thousands(t.matched), thousands(t.excused), thousands(t.divergent))
}

/// `80,102 noise (control differs as well), 799 rule "float-print"`; empty when nothing was excused.
pub(super) fn excused(report: &Report) -> String {
    let e = report.totals.excused_reasons;
    let mut parts = Vec::new();
    if e.noise > 0 {
        parts.push((e.noise, format!("{} noise (control differs as well)", thousands(e.noise))));
    }
    if e.representation > 0 {
        parts.push((e.representation, format!("{} representation", thousands(e.representation))));
    }
    if e.rule > 0 {
        let ids: Vec<_> = report.rules.iter().filter(|r| r.hits > 0).map(|r| format!("\"{}\"", r.id)).collect();
        let noun = if ids.len() > 1 { "rules" } else { "rule" };
        let names = if ids.is_empty() || ids.len() > 3 { String::new() } else { format!(" {}", ids.join(", ")) };
        parts.push((e.rule, format!("{} {noun}{names}", thousands(e.rule))));
    }
    parts.sort_by_key(|p| std::cmp::Reverse(p.0));
    parts.into_iter().map(|p| p.1).collect::<Vec<_>>().join(", ")
}

/// One row of a table of routes.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub verdict: Verdict,
    pub name: String,
    pub critical: bool,
    pub compared: u64,
    pub divergent: u64,
    /// `None` when nothing was compared: no data is not 0 %.
    pub rate: Option<f64>,
    pub bounds: Option<(f64, f64)>,
    pub limit: Option<f64>,
    /// `None` for the row that stands for several.
    pub route: Option<&'a RouteReport>,
}

/// The routes, worst first. Those that the gate judges together make one row.
pub(super) fn rows(report: &Report) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let mut pooled = Vec::new();
    let known = |name: &str| report.routes.iter().any(|r| &*r.route == name);
    let divergence = || report.gate.criteria.iter().filter(|c| c.criterion == Criterion::Divergence);
    let pool = divergence().find(|c| c.route.as_deref().is_some_and(|r| !known(r)));
    for route in &report.routes {
        let own: Vec<_> = report.gate.criteria.iter().filter(|c| c.route.as_deref() == Some(&*route.route)).collect();
        let judged = own.iter().find(|c| c.criterion == Criterion::Divergence);
        if judged.is_none() && pool.is_some() {
            pooled.push(route);
            continue;
        }
        let any = route.counts.compared > 0;
        let d = route.divergence;
        rows.push(Row {
            verdict: Verdict::all(own.iter().filter(|c| c.required).map(|c| c.verdict)),
            name: route.route.to_string(),
            critical: route.critical,
            compared: route.counts.compared,
            divergent: route.counts.divergent,
            rate: any.then_some(d.rate),
            bounds: any.then_some((d.lower, d.upper)),
            limit: judged.and_then(|c| c.limit),
            route: Some(route),
        });
    }
    rows.sort_by(|a, b| {
        let rank = |r: &Row<'_>| (rank(r.verdict), std::cmp::Reverse(r.divergent > 0 || r.compared == 0));
        let bounds = |r: &Row<'_>| r.bounds.unwrap_or_default();
        rank(a)
            .cmp(&rank(b))
            .then(bounds(b).0.total_cmp(&bounds(a).0))
            .then(bounds(b).1.total_cmp(&bounds(a).1))
            .then(a.name.cmp(&b.name))
    });
    if let (Some(pool), false) = (pool, pooled.is_empty()) {
        let sum = |f: fn(&RouteReport) -> u64| pooled.iter().map(|r| f(r)).sum::<u64>();
        let (compared, divergent) = (sum(|r| r.counts.compared), sum(|r| r.counts.divergent));
        let noun = if pooled.len() == 1 { "rare route" } else { "rare routes, pooled" };
        let row = Row {
            verdict: pool.verdict,
            name: format!("{} {noun}", pooled.len()),
            critical: false,
            compared,
            divergent,
            rate: (compared > 0).then(|| divergent as f64 / compared as f64),
            bounds: pool.lower.zip(pool.upper).filter(|_| compared > 0),
            limit: pool.limit,
            route: None,
        };
        let at = rows.iter().position(|r| rank(r.verdict) > rank(pool.verdict)).unwrap_or(rows.len());
        rows.insert(at, row);
    }
    rows
}

fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Fail => 0,
        Verdict::Inconclusive => 1,
        Verdict::Pass => 2,
    }
}

/// `0.303 % [0.270, 0.338], limit 0.1 %, of 412,118`: a number comes with its limit and its sample size.
pub(super) fn measured(c: &CriterionResult) -> String {
    let ratio = c.criterion == Criterion::Latency;
    let value = |x: f64| match c.criterion {
        _ if ratio => format!("{x:.2}x"),
        Criterion::Minimum => format!("{x:.0}"),
        _ => share(x),
    };
    let mut parts = Vec::new();
    match (c.observed, c.lower, c.upper) {
        (Some(o), Some(l), Some(u)) => parts.push(format!("{} [{}, {}]", value(o), value(l), value(u))),
        (Some(o), Some(l), None) => parts.push(format!("{}, lower bound {}", value(o), value(l))),
        (Some(o), None, Some(u)) => parts.push(format!("{}, upper bound {}", value(o), value(u))),
        (Some(o), None, None) => parts.push(value(o)),
        (None, _, Some(u)) => parts.push(format!("upper bound {}", value(u))),
        _ => {}
    }
    if let Some(limit) = c.limit {
        parts.push(format!("limit {}", value(limit)));
    }
    if c.samples > 0 {
        parts.push(match c.samples_needed {
            Some(needed) if needed > c.samples => format!("{} of {}", thousands(c.samples), thousands(needed)),
            _ => format!("of {}", thousands(c.samples)),
        });
    }
    parts.join(", ")
}
