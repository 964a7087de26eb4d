//! What a report says in sentences, shared by every format for people.

use super::format::{share, thousands};
use super::{DivergenceReport, Report, RouteReport, age, chart, duration};
use crate::evidence::EpochReason;
use crate::gate::{self, Criterion, CriterionResult, Verdict};
use crate::model::{Bucket, Incomparable, Timestamp};
use std::collections::{HashMap, HashSet};

/// What is guaranteed, word for word; [`MEANING_READ`] says how to read it.
pub(super) const MEANING: &str = "P( at some poll the gate says PASS while the average conditional divergence \
     probability of the requests compared so far is >= tau ) <= alpha_pass; symmetrically for FAIL and <= tau.";
pub(super) const MEANING_READ: &str = "tau is the limit of a route, and alpha_pass of FAIL is alpha_fail, shared out over \
     all that may fail. It speaks of the requests compared in this epoch; it does not say that the rate is below tau in \
     the long run, or for traffic that never came.";

/// What a pass is worth, in a sentence.
pub(super) fn pass_means(alpha_pass: Option<f64>) -> String {
    let odds = match alpha_pass.filter(|a| *a > 0.0 && *a <= 1.0) {
        Some(alpha) => format!("at most 1 in {:.0}", (1.0 / alpha).floor()),
        None => "at most the share gate.alpha_pass".to_owned(),
    };
    format!(
        "Of candidates beyond these limits {odds} would ever get this verdict, however often one asks. It speaks of the \
         traffic of this epoch, not of traffic that never came."
    )
}

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
            let failed: Vec<_> = required.iter().filter(|c| c.verdict == Verdict::Fail).collect();
            let routes = failed.iter().filter(|c| c.criterion == Criterion::Divergence).count();
            let others = criteria(failed.iter().map(|c| c.criterion).filter(|c| *c != Criterion::Divergence));
            match failed.first() {
                _ if routes > 0 => {
                    let verb = if routes == 1 { "diverges" } else { "diverge" };
                    let all = report.routes.iter().filter(|r| r.counts.compared > 0).count().max(routes);
                    let noun = if all == 1 { "route" } else { "routes" };
                    let also = if others.is_empty() { others } else { format!("; {others} failed as well") };
                    format!(
                        "{candidate} does not behave like the primary: {routes} of {all} {noun} {verb} too often{also}"
                    )
                }
                Some(c) if failed.len() == 1 => format!("{candidate} must not replace the primary: {}", c.sentence()),
                _ => format!("{candidate} must not replace the primary: {others} failed"),
            }
        }
        Verdict::Inconclusive => inconclusive(report, count(Verdict::Inconclusive), required.len()),
    }
}

/// `errors and latency`: each once, in the order of first appearance.
fn criteria(all: impl Iterator<Item = Criterion>) -> String {
    let mut names: Vec<&str> = Vec::new();
    for c in all {
        if !names.contains(&c.as_str()) {
            names.push(c.as_str());
        }
    }
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

fn inconclusive(report: &Report, open: usize, all: usize) -> String {
    let t = &report.totals;
    if t.requests == 0 {
        gate::nothing_arrived(&report.epoch)
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

/// What the evidence speaks of: from when to when, why it began then, under which rules, and what of it began later.
pub(super) fn covers(report: &Report) -> String {
    let epoch = &report.epoch;
    let rules = match epoch.rules.get(..8) {
        Some(short) => format!("rules {short}"),
        None if epoch.rules.is_empty() => "no rules known".to_owned(),
        None => format!("rules {}", epoch.rules),
    };
    let mut text = format!(
        "covers {} to {} UTC, {}, under {rules}",
        chart::clock(epoch.started_at),
        chart::clock(report.generated_at),
        began(report)
    );
    let mut afresh: Vec<_> = report.routes.iter().filter(|r| r.restarts > 0).collect();
    afresh.sort_by_key(|r| std::cmp::Reverse(r.since));
    if !afresh.is_empty() {
        let noun =
            if afresh.len() == 1 { "1 route".to_owned() } else { format!("{} routes", thousands(afresh.len() as u64)) };
        let named = afresh.iter().take(3).map(|r| format!("{} {}", r.route, age(report.generated_at, r.since)));
        let named = named.collect::<Vec<_>>().join(", ");
        let more = if afresh.len() > 3 { ", ..." } else { "" };
        text.push_str(&format!("; {noun} began afresh within it because the rules changed: {named}{more}"));
    }
    text
}

/// Why the epoch began.
fn began(report: &Report) -> String {
    let epoch = &report.epoch;
    let before = report.epochs.first().and_then(|e| e.epoch.candidate_build.as_deref());
    match (epoch.reason, epoch.resets) {
        (EpochReason::Start, _) => "since the first evidence that was kept".to_owned(),
        (EpochReason::Build, _) if epoch.candidate_build.is_none() => {
            "since primary and candidate exchanged places".to_owned()
        }
        (EpochReason::Build, _) => match before {
            Some(before) => format!("since build {} came after {before}", build_name(report)),
            None => format!("since build {} came", build_name(report)),
        },
        (EpochReason::Rules, _) => {
            "since the rules of all routes changed, or a new version compares otherwise".to_owned()
        }
        (EpochReason::Manual, 0) => "since it was begun by hand".to_owned(),
        (EpochReason::Manual, n) => {
            format!("since it was begun by hand, the {} time that evidence of this build was given up", ordinal(n))
        }
    }
}

/// `1st`, `2nd`, `11th`.
fn ordinal(n: u64) -> String {
    let ending = match (n % 100, n % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{}{ending}", thousands(n))
}

/// `88,120 method, 41 shed`: the buckets that are not empty, largest first.
pub(super) fn not_mirrored(report: &Report) -> String {
    listed(Bucket::ALL.map(|b| (b.as_str(), report.totals.not_mirrored.get(b))))
}

/// The same for what could not be judged.
pub(super) fn incomparable(report: &Report) -> String {
    listed(Incomparable::ALL.map(|r| (r.as_str(), report.totals.incomparable_reasons.get(r))))
}

/// The same with what is pending: all that was mirrored and not compared.
pub(super) fn rest(report: &Report) -> String {
    let t = &report.totals;
    let mut text = incomparable(report);
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

/// `12 of them transient: alike when asked again`.
pub(super) fn transient(report: &Report) -> String {
    format!("{} of them transient: alike when asked again", thousands(report.totals.transient))
}

/// `12 asked again, 3 of them transient: alike when asked again`; empty when none was.
pub(super) fn asked_again(report: &Report) -> String {
    match report.totals.asked_again {
        0 => String::new(),
        n => format!("{} asked again, {}", thousands(n), transient(report)),
    }
}

/// `, asked again 12 times and alike in 3`, of one divergence; empty when it was not.
pub fn confirmed(asked_again: u64, transient: u64) -> String {
    match asked_again {
        0 => String::new(),
        n => format!(", asked again {} times and alike in {}", thousands(n), thousands(transient)),
    }
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
    /// `None` while there are too few comparisons for them to say anything.
    pub bounds: Option<(f64, f64)>,
    pub limit: Option<f64>,
    /// `None` for the row that stands for several.
    pub route: Option<&'a RouteReport>,
}

/// The routes of which something was compared, worst first. Those that the gate judges together make one row.
pub(super) fn rows(report: &Report) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let mut pooled = Vec::new();
    let known: HashSet<&str> = report.routes.iter().map(|r| &*r.route).collect();
    let divergence = || report.gate.criteria.iter().filter(|c| c.criterion == Criterion::Divergence);
    let pool = divergence().find(|c| c.route.as_deref().is_some_and(|r| !known.contains(r)));
    let mut by_route: HashMap<&str, Vec<&CriterionResult>> = HashMap::new();
    for c in &report.gate.criteria {
        by_route.entry(c.route.as_deref().unwrap_or_default()).or_default().push(c);
    }
    for route in report.routes.iter().filter(|r| r.counts.compared > 0) {
        let own = by_route.get(&*route.route).map(Vec::as_slice).unwrap_or_default();
        let judged = own.iter().find(|c| c.criterion == Criterion::Divergence);
        if judged.is_none() && pool.is_some() {
            pooled.push(route);
            continue;
        }
        let any = route.counts.compared > 0;
        let d = route.divergence;
        let verdict = Verdict::all(own.iter().filter(|c| c.required).map(|c| c.verdict));
        // Where the verdict rests on them they are shown, however few there were.
        let enough = verdict != Verdict::Inconclusive || route.counts.compared >= route.min_comparisons;
        rows.push(Row {
            verdict,
            name: route.route.to_string(),
            critical: route.critical,
            compared: route.counts.compared,
            divergent: route.counts.divergent,
            rate: any.then_some(d.rate),
            bounds: (any && enough).then_some((d.lower, d.upper)),
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
        let least = pooled.iter().map(|r| r.min_comparisons).max().unwrap_or(0);
        let enough = pool.verdict != Verdict::Inconclusive || compared >= least;
        let row = Row {
            verdict: pool.verdict,
            name: format!("{} {noun}", pooled.len()),
            critical: false,
            compared,
            divergent,
            rate: (compared > 0).then(|| divergent as f64 / compared as f64),
            bounds: pool.lower.zip(pool.upper).filter(|_| compared > 0 && enough),
            limit: pool.limit,
            route: None,
        };
        let at = rows.iter().position(|r| rank(r.verdict) > rank(pool.verdict)).unwrap_or(rows.len());
        rows.insert(at, row);
    }
    rows
}

/// `3 routes were not mirrored: POST /a, …`: those of which nothing was compared, most requests first.
pub(super) fn uncompared(report: &Report, names: usize) -> Vec<String> {
    let mut idle: Vec<_> = report.routes.iter().filter(|r| r.counts.compared == 0).collect();
    idle.sort_by(|a, b| b.counts.requests.cmp(&a.counts.requests).then(a.route.cmp(&b.route)));
    let (mirrored, not): (Vec<_>, Vec<_>) = idle.into_iter().partition(|r| r.counts.mirrored > 0);
    let line = |list: Vec<&RouteReport>, one: &str, many: &str| {
        let shown: Vec<_> = list.iter().take(names).map(|r| &*r.route).collect();
        let more = list.len() - shown.len();
        let more = if more > 0 { format!(" and {} more", thousands(more as u64)) } else { String::new() };
        let what = if list.len() == 1 { one } else { many };
        (!list.is_empty()).then(|| format!("{} {what}: {}{more}", thousands(list.len() as u64), shown.join(", ")))
    };
    [
        line(not, "route was not mirrored", "routes were not mirrored"),
        line(mirrored, "route was mirrored, not compared yet", "routes were mirrored, not compared yet"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// One difference as people think of it: the same kind at the same location between the same classes, whatever the
/// route.
#[derive(Debug)]
pub(super) struct Group<'a> {
    /// The one that counts most.
    pub worst: &'a DivergenceReport,
    pub all: Vec<&'a DivergenceReport>,
    pub routes: usize,
    pub counted: u64,
    /// counted / what those routes compared.
    pub share: f64,
    /// On any of them.
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
}

/// What counts, the most telling first.
pub(super) fn groups<'a>(report: &'a Report) -> Vec<Group<'a>> {
    let of: HashMap<&str, u64> = report.routes.iter().map(|r| (&*r.route, r.counts.compared)).collect();
    let mut alike: HashMap<[&str; 4], Vec<&DivergenceReport>> = HashMap::new();
    for d in report.divergences.iter().filter(|d| d.counted > 0) {
        // A 500 is not told of as one more 404.
        alike.entry([&d.kind, &d.location, &d.primary_class, &d.candidate_class]).or_default().push(d);
    }
    let group = |list: Vec<&'a DivergenceReport>| {
        // Each once, for what it compared.
        let routes: HashSet<&str> = list.iter().map(|d| &*d.route).collect();
        let compared: u64 = routes.iter().filter_map(|r| of.get(r)).sum();
        let counted = list.iter().map(|d| d.counted).sum::<u64>();
        let counted = if compared == 0 { counted } else { counted.min(compared) };
        let share = if compared == 0 { 0.0 } else { counted as f64 / compared as f64 };
        let first_seen = list.iter().map(|d| d.first_seen).min()?;
        let last_seen = list.iter().map(|d| d.last_seen).max()?;
        Some(Group { worst: list.first()?, routes: routes.len(), all: list, counted, share, first_seen, last_seen })
    };
    let mut groups: Vec<Group<'a>> = alike.into_values().filter_map(group).collect();
    groups.sort_by(|a, b| {
        let owns = |g: &Group<'_>| layer(&g.worst.kind);
        b.counted.cmp(&a.counted).then(a.worst.tier.cmp(&b.worst.tier)).then(owns(a).cmp(&owns(b))).then_with(|| {
            let d = |g: &Group<'a>| g.worst;
            let place = |d: &'a DivergenceReport| [&d.location, &d.kind, &d.primary_class, &d.candidate_class];
            place(d(a)).cmp(&place(d(b)))
        })
    });
    groups
}

/// What counts most on one route.
pub(super) fn worst_of<'a>(report: &'a Report, route: &str) -> Option<&'a DivergenceReport> {
    let counted = report.divergences.iter().filter(|d| &*d.route == route && d.counted > 0);
    counted.min_by_key(|d| (std::cmp::Reverse(d.counted), d.tier, layer(&d.kind)))
}

/// Differences of an earlier layer own the exchange: what follows from them is told after them.
fn layer(kind: &str) -> u8 {
    match kind.split('.').next().unwrap_or_default() {
        "transport" => 0,
        "status" => 1,
        "redirect" | "grpc" => 2,
        "ctype" | "coding" => 3,
        "parse" | "body" | "stream" => 4,
        "json" | "text" | "xml" | "csv" => 5,
        _ => 6,
    }
}

fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Fail => 0,
        Verdict::Inconclusive => 1,
        Verdict::Pass => 2,
    }
}

/// `4,810 of 5,613`, `25 of 30 blocks`.
pub(super) fn progress(c: &CriterionResult, needed: u64) -> String {
    let unit = if c.criterion == Criterion::Latency { " blocks" } else { "" };
    format!("{} of {}{unit}", thousands(c.samples), thousands(needed))
}

/// `0.303 % [0.270, 0.338], limit 0.1 %, of 412,118`: a number comes with its limit and its sample size.
pub(super) fn measured(c: &CriterionResult) -> String {
    let ratio = c.criterion == Criterion::Latency;
    let value = |x: f64| match c.criterion {
        _ if ratio => format!("{x:.2}x"),
        Criterion::Minimum => duration(std::time::Duration::from_secs_f64(x.max(0.0))),
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
            Some(needed) if needed > c.samples => progress(c, needed),
            _ => format!("of {}", thousands(c.samples)),
        });
    }
    parts.join(", ")
}
