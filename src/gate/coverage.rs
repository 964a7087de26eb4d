//! The share of all requests, mirrored or not, that are on routes that pass.

use super::judge::View;
use super::pool::TAIL;
use super::words::percent;
use super::{Criterion, CriterionResult, Verdict, nothing_arrived};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Never fails: what is not covered is unknown, not wrong.
pub(super) fn result(view: &View<'_>, divergence: &[CriterionResult]) -> CriterionResult {
    let by_route: BTreeMap<&str, &CriterionResult> =
        divergence.iter().filter_map(|r| Some((r.route.as_deref()?, r))).collect();
    let judged = |name: &Arc<str>| {
        let pooled = || by_route.get(TAIL).filter(|_| view.pool.tail.contains(name));
        by_route.get(&**name).or_else(pooled).copied()
    };
    let requests = requests(view);
    let total: u64 = view.evidence.routes.values().map(|route| route.counts.requests).sum();
    let (mut covered, mut foreseen, mut eta) = (0u64, 0u64, None);
    let mut missing: Option<(u64, String)> = None;
    for name in view.evidence.routes.keys() {
        let requests = requests.get(&**name).copied().unwrap_or(0);
        let judged = judged(name);
        match judged {
            Some(r) if r.verdict == Verdict::Pass => {
                covered += requests;
                continue;
            }
            Some(r) if r.eta_seconds.is_some() => {
                foreseen += requests;
                eta = eta.max(r.eta_seconds);
            }
            _ => {}
        }
        if missing.as_ref().is_none_or(|(most, _)| requests > *most) {
            let unheard = if judged.is_none_or(|r| r.samples == 0) { ", of which nothing was compared" } else { "" };
            missing = Some((requests, format!("{name}{unheard}")));
        }
    }
    let limit = view.policy.default.coverage;
    let share = (total > 0).then(|| covered as f64 / total as f64);
    let passes = share.is_some_and(|share| share >= limit);
    let reachable = total > 0 && (covered + foreseen) as f64 >= limit * total as f64;
    let reason = match (share, missing) {
        (None, _) => nothing_arrived(&view.evidence.epoch),
        (Some(share), Some((_, route))) if !passes => {
            format!(
                "{} of all requests are on routes that pass, of {}; waits for {route}",
                percent(share),
                percent(limit)
            )
        }
        (Some(share), _) => {
            format!("{} of all requests are on routes that pass, at least {} must be", percent(share), percent(limit))
        }
    };
    CriterionResult {
        criterion: Criterion::Coverage,
        required: view.decides(Criterion::Coverage),
        route: None,
        measure: None,
        verdict: if passes { Verdict::Pass } else { Verdict::Inconclusive },
        observed: share,
        lower: None,
        upper: None,
        limit: Some(limit),
        samples: total,
        samples_needed: None,
        eta_seconds: eta.filter(|_| !passes && reachable),
        reason,
    }
}

/// Requests by route. Which operation a request names that was not mirrored nobody has read, where it is in the body:
/// they are taken to be like those that were mirrored.
fn requests<'v>(view: &View<'v>) -> BTreeMap<&'v str, u64> {
    let routes = &view.evidence.routes;
    let mut requests: BTreeMap<&str, u64> = routes.iter().map(|(name, r)| (&**name, r.counts.requests)).collect();
    for (name, route) in routes.iter().filter(|(name, _)| view.policy.lacks_operation(name)) {
        let is_one =
            |other: &str| other.strip_prefix(&**name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        let family = || {
            let all = routes.iter().filter(|(other, _)| is_one(other));
            all.map(|(other, r)| (&**other, r.counts.mirrored - r.counts.pending)).filter(|(_, n)| *n > 0)
        };
        let settled: u64 = family().map(|(_, n)| n).sum();
        let skipped = route.counts.not_mirrored.sum();
        if settled == 0 {
            continue;
        }
        let mut left = skipped;
        for (other, n) in family() {
            let part = u64::try_from(u128::from(skipped) * u128::from(n) / u128::from(settled)).unwrap_or(0);
            left -= part;
            *requests.entry(other).or_default() += part;
        }
        // What rounding leaves stays where it was.
        requests.entry(name).and_modify(|n| *n = *n + left - skipped);
    }
    requests
}
