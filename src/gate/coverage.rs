//! The share of all requests, mirrored or not, that are on routes that pass.

use super::judge::View;
use super::pool::TAIL;
use super::words::percent;
use super::{Criterion, CriterionResult, Verdict};
use std::collections::BTreeMap;

/// Never fails: what is not covered is unknown, not wrong.
pub(super) fn result(view: &View<'_>, divergence: &[CriterionResult]) -> CriterionResult {
    let by_route: BTreeMap<&str, &CriterionResult> =
        divergence.iter().filter_map(|r| Some((r.route.as_deref()?, r))).collect();
    let mut total = 0u64;
    let (mut covered, mut foreseen, mut eta) = (0u64, 0u64, None);
    let mut missing: Option<(u64, String)> = None;
    for (name, route) in &view.evidence.routes {
        let requests = route.counts.requests;
        total += requests;
        let pooled = || by_route.get(TAIL).filter(|_| view.pool.tail.contains(name));
        let judged = by_route.get(&**name).or_else(pooled);
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
            let unheard = if judged.is_none() { ", of which nothing was compared" } else { "" };
            missing = Some((requests, format!("{name}{unheard}")));
        }
    }
    let limit = view.policy.default.coverage;
    let share = (total > 0).then(|| covered as f64 / total as f64);
    let passes = share.is_some_and(|share| share >= limit);
    let reachable = total > 0 && (covered + foreseen) as f64 >= limit * total as f64;
    let reason = match (share, missing) {
        (None, _) => "no request has arrived yet".to_owned(),
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
