//! The share of what should have been compared and was not. Too much of it, and the rest proves little.

use super::judge::View;
use super::words::{percent, thousands};
use super::{Criterion, CriterionResult, GateSettings, Verdict};
use crate::evidence::Counts;
use crate::model::Incomparable;
use std::sync::Arc;

/// Over all routes, and every route judged by itself that is beyond the limit.
pub(super) fn results(view: &View<'_>) -> Vec<CriterionResult> {
    let mut results = vec![result(None, &view.evidence.totals(), &view.policy.default)];
    for name in &view.pool.individual {
        if let Some(route) = view.evidence.routes.get(name) {
            let (settings, _) = view.policy.for_route(name);
            let result = result(Some(name.clone()), &route.counts, settings);
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

/// Why most of them were not judged, and what to do about it.
fn mostly(counts: &Counts) -> Option<String> {
    let mut why = vec![
        (counts.not_mirrored.shed, "shed under load", "raise mirror.max_in_flight or lower mirror.sample"),
        (counts.not_mirrored.breaker_open, "skipped while the candidate was down", "see to the candidate"),
    ];
    for reason in Incomparable::ALL {
        let (what, remedy) = match reason {
            Incomparable::ClientAborted => {
                ("given up by the client", "find out why they hang up, or allow for it with gate.max_unjudged")
            }
            Incomparable::PrimaryFailed => ("not answered by the primary", "see to the primary"),
            Incomparable::Conditional => (
                "answered from the client's own cache (conditional)",
                "set sample = 0 on the routes of cached files, or allow for it with gate.max_unjudged",
            ),
            Incomparable::CaptureLost => ("without a kept body", "raise mirror.memory_budget"),
            Incomparable::Budget => (
                "too large or too different to compare in time",
                "lower mirror.max_body, or leave such routes out with sample = 0",
            ),
            Incomparable::Shutdown => ("cut off by a restart", "they pass as evidence grows"),
        };
        why.push((counts.incomparable_reasons.get(reason), what, remedy));
    }
    let (n, what, remedy) = why.into_iter().max_by_key(|(n, ..)| *n).filter(|(n, ..)| *n > 0)?;
    Some(format!("most of them, {}, were {what}: {remedy}", thousands(n)))
}

fn result(route: Option<Arc<str>>, counts: &Counts, settings: &GateSettings) -> CriterionResult {
    let (lost, of) = lost(counts);
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
                let why = mostly(counts).map(|why| format!("; {why}")).unwrap_or_default();
                (Verdict::Inconclusive, format!("{reason}{why}"))
            } else {
                (Verdict::Pass, format!("{told}: at most {} may be", percent(limit)))
            }
        }
    };
    CriterionResult {
        criterion: Criterion::Unjudged,
        required: settings.criteria.contains(&Criterion::Unjudged),
        route,
        measure: None,
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
