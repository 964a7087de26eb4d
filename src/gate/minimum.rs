//! How long the evidence spans: long enough to have met the traffic's ups and downs.

use super::judge::View;
use super::words::duration;
use super::{Criterion, CriterionResult, Verdict};

/// From when the oldest route's evidence began (not before the epoch did) until now. `observed` and `limit` are
/// seconds.
pub(super) fn result(view: &View<'_>) -> CriterionResult {
    let epoch = view.evidence.epoch.started_at;
    let compared = view.evidence.routes.values().filter(|r| r.counts.compared > 0);
    let began = compared.map(|r| r.since).min().map(|since| since.max(epoch));
    let span = began.map(|began| view.facts.now.since(began)).unwrap_or_default();
    let min = view.policy.default.min_duration;
    let (verdict, reason) = match began {
        None => (Verdict::Inconclusive, "there is no evidence yet".to_owned()),
        Some(_) if span < min => {
            (Verdict::Inconclusive, format!("evidence spans {}, min_duration is {}", duration(span), duration(min)))
        }
        Some(_) => (Verdict::Pass, format!("evidence spans {}, min_duration is {}", duration(span), duration(min))),
    };
    CriterionResult {
        criterion: Criterion::Minimum,
        required: view.decides(Criterion::Minimum),
        route: None,
        verdict,
        observed: Some(span.as_secs_f64()),
        lower: None,
        upper: None,
        limit: Some(min.as_secs_f64()),
        samples: 0,
        samples_needed: None,
        eta_seconds: began.map(|_| min.saturating_sub(span).as_secs_f64().ceil() as u64).filter(|eta| *eta > 0),
        reason,
    }
}
