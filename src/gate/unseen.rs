//! How likely the next exchange is to show a divergence never seen before. Never fails: new ones that turn up are
//! judged as divergences; what keeps turning up says only that there may be more to come.

use super::judge::View;
use super::words::{percent, percent_beside, thousands};
use super::{Criterion, CriterionResult, Verdict};
use crate::evidence::RouteEvidence;
use crate::stats;
use std::sync::Arc;

pub(super) fn result(view: &View<'_>) -> CriterionResult {
    let settings = &view.policy.default;
    let (limit, alpha, effect) = (settings.unseen, settings.alpha_pass, settings.design_effect);
    let kinds = &view.evidence.kinds;
    let n = kinds.unseen.n();
    let passes = n > 0 && kinds.unseen.passes(limit, alpha, effect);
    let more = kinds.unseen.quiet_to_pass(limit, alpha, effect);
    let upper = (n > 0).then(|| {
        let upper = kinds.unseen.upper(alpha, effect);
        // A bisection ends a little beside the root: where that matters the test itself is right.
        if passes { upper.min(limit.next_down()) } else { upper.max(limit) }
    });
    let quiet = match (n, kinds.quiet) {
        (0, _) => "nothing has been compared yet".to_owned(),
        (_, 0) => "the last exchange showed a divergence never seen before".to_owned(),
        (_, quiet) => format!("of the last {} exchanges none showed a divergence never seen before", thousands(quiet)),
    };
    // It speaks of the whole epoch, the bound of its latest part too, so it may be the greater of the two.
    let estimate = stats::good_turing(singletons(view), n).min(1.0);
    let estimate =
        if n > 0 && estimate > 0.0 { format!(" (the usual estimate: {})", percent(estimate)) } else { String::new() };
    let lost: u64 = view.evidence.routes.values().map(|route| route.overflow_counted).sum();
    let lost = match lost {
        0 => String::new(),
        n => format!("; {} had no place in the table of divergences and are taken for such", thousands(n)),
    };
    let quiet = format!("{quiet}{lost}");
    let reason = match (upper, more) {
        (Some(upper), _) if passes => format!(
            "{quiet}: that the next one does has a probability of at most {}{estimate}, the limit is {}",
            percent_beside(upper, limit),
            percent(limit)
        ),
        (_, Some(more)) => {
            format!("{quiet}; it takes {} more without one to be below {}{estimate}", thousands(more), percent(limit))
        }
        (_, None) => format!("{quiet}; no number of them is enough for the limit {}", percent(limit)),
    };
    let routes = view.evidence.routes.iter();
    let rate: f64 = routes.filter_map(|(name, route)| view.rate(name, route, route.counts.compared)).sum();
    let eta = more.filter(|more| *more > 0 && rate > 0.0).map(|more| (more as f64 / rate).ceil() as u64);
    CriterionResult {
        criterion: Criterion::Unseen,
        required: view.decides(Criterion::Unseen),
        route: None,
        measure: None,
        verdict: if passes { Verdict::Pass } else { Verdict::Inconclusive },
        observed: None,
        lower: None,
        upper,
        limit: Some(limit),
        samples: n,
        samples_needed: more.map(|more| n.saturating_add(more)),
        eta_seconds: eta.filter(|_| !passes),
        reason,
    }
}

/// Divergences that counted once; those that found no place in the table are taken for such.
fn singletons(view: &View<'_>) -> u64 {
    let routes = view.evidence.routes.values();
    let of = |r: &Arc<RouteEvidence>| {
        r.divergences.values().filter(|row| row.counted == 1).count() as u64 + r.overflow_counted
    };
    routes.map(of).sum()
}
