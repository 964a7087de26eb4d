//! How long the evidence spans: long enough to have met the traffic's ups and downs.

use super::judge::View;
use super::words::duration;
use super::{Criterion, CriterionResult, GateSettings, Verdict};
use crate::model::Timestamp;
use std::sync::Arc;

/// From when the oldest route's evidence began (not before the epoch did) until now, without the time in which no proxy
/// ran or mirroring was off. From when its own began, of every route with settings of its own, and of those judged one by
/// one whose evidence began afresh too late: one that only turned up later waits for nobody.
pub(super) fn results(view: &View<'_>) -> Vec<CriterionResult> {
    let default = &view.policy.default;
    let compared = view.evidence.routes.iter().filter(|(_, route)| route.counts.compared > 0);
    let mut results = vec![result(view, None, compared.clone().map(|(_, route)| route.since).min(), false, default)];
    results.extend(compared.filter_map(|(name, route)| {
        let own = view.policy.for_route(name).0;
        let restarted = route.restarts > 0;
        let asks_own = own.spans_unlike(default);
        let asked = asks_own || (restarted && view.pool.individual.contains(name));
        let result = asked.then(|| result(view, Some(name.clone()), Some(route.since), restarted, own));
        result.filter(|result| asks_own || result.verdict != Verdict::Pass)
    }));
    results
}

/// `observed` and `limit` are seconds.
fn result(
    view: &View<'_>,
    route: Option<Arc<str>>,
    began: Option<Timestamp>,
    restarted: bool,
    settings: &GateSettings,
) -> CriterionResult {
    let began = began.map(|since| since.max(view.evidence.epoch.started_at));
    let watched = |began| {
        let now = view.facts.now;
        now.since(began).saturating_sub(view.evidence.epoch.away.within(began, now))
    };
    let span = began.map(watched).unwrap_or_default();
    let min = settings.min_duration;
    let (verdict, reason) = match began {
        None => (Verdict::Inconclusive, "there is no evidence yet".to_owned()),
        Some(_) => {
            let verdict = if span < min { Verdict::Inconclusive } else { Verdict::Pass };
            let since = if restarted { " since its rules changed" } else { "" };
            (verdict, format!("evidence spans {}{since}, min_duration is {}", duration(span), duration(min)))
        }
    };
    let left = || min.saturating_sub(span).as_secs_f64().ceil() as u64;
    CriterionResult {
        criterion: Criterion::Minimum,
        required: settings.criteria.contains(&Criterion::Minimum),
        route,
        measure: None,
        verdict,
        observed: Some(span.as_secs_f64()),
        lower: None,
        upper: None,
        limit: Some(min.as_secs_f64()),
        samples: 0,
        samples_needed: None,
        eta_seconds: began.filter(|_| view.facts.mirroring).map(|_| left()).filter(|eta| *eta > 0),
        reason,
    }
}
