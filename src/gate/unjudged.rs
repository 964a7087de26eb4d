//! The share of what should have been compared and was not. Too much of it, and the rest proves little.

use super::judge::View;
use super::words::{percent, thousands};
use super::{Criterion, CriterionResult, GateSettings, Verdict};
use crate::evidence::Counts;
use std::sync::Arc;

/// Over all routes, and every route judged by itself that is beyond the limit.
pub(super) fn results(view: &View<'_>) -> Vec<CriterionResult> {
    let mut total = (0, 0);
    for route in view.evidence.routes.values() {
        let (lost, of) = lost(&route.counts);
        total = (total.0 + lost, total.1 + of);
    }
    let mut results = vec![result(None, total, &view.policy.default)];
    for name in &view.pool.individual {
        if let Some(route) = view.evidence.routes.get(name) {
            let (settings, _) = view.policy.for_route(name);
            let result = result(Some(name.clone()), lost(&route.counts), settings);
            results.extend(Some(result).filter(|r| r.verdict != Verdict::Pass));
        }
    }
    results
}

/// What was given up, of all that was to be mirrored. What a breaker skipped and what was shed are missing for
/// reasons that have to do with the candidate and the load; what was sampled out or rate limited is not.
fn lost(counts: &Counts) -> (u64, u64) {
    let skipped = counts.not_mirrored.shed + counts.not_mirrored.breaker_open;
    (counts.incomparable + skipped, counts.mirrored + skipped)
}

fn result(route: Option<Arc<str>>, (lost, of): (u64, u64), settings: &GateSettings) -> CriterionResult {
    let limit = settings.max_unjudged;
    let share = (of > 0).then(|| lost as f64 / of as f64);
    let (verdict, reason) = match share {
        None => (Verdict::Inconclusive, "nothing has been mirrored yet".to_owned()),
        Some(share) => {
            let told =
                format!("{} of {} exchanges were not judged, {}", thousands(lost), thousands(of), percent(share));
            if share > limit {
                let reason =
                    format!("{told}: more than {}, so what was judged may not be what users see", percent(limit));
                (Verdict::Inconclusive, reason)
            } else {
                (Verdict::Pass, format!("{told}: at most {} may be", percent(limit)))
            }
        }
    };
    CriterionResult {
        criterion: Criterion::Unjudged,
        required: settings.criteria.contains(&Criterion::Unjudged),
        route,
        verdict,
        observed: share,
        lower: None,
        upper: None,
        limit: Some(limit),
        samples: of,
        samples_needed: None,
        eta_seconds: None,
        reason,
    }
}
