//! Answers that fail (5xx, transport), in excess of the primary's own: all routes together, and any route by itself
//! that has clearly too many.

use super::check::{Limits, Rates, Sample, Tested};
use super::judge::View;
use super::words::{percent, thousands};
use super::{Criterion, CriterionResult, GateSettings, Verdict};
use crate::evidence::RouteEvidence;
use std::sync::Arc;

/// A route's own failures hide in the sum of all, so routes are tested too; they are told of when they fail, or when
/// they have settings of their own.
pub(super) fn results(view: &View<'_>) -> Vec<CriterionResult> {
    let settings = &view.policy.default;
    let mut results = Vec::new();
    let (mut all, mut rate) = (Sample::default(), 0.0);
    for (name, route) in view.evidence.routes.iter().filter(|(_, r)| r.errors.total() > 0) {
        let (own, _) = view.policy.for_route(name);
        let sample = sample(route);
        all.add(sample);
        let route_rate = view.rate(name, route, sample.n);
        rate += route_rate.unwrap_or(0.0);
        let weight = view.weights.route(name);
        let fails = sample.n >= own.min_comparisons && sample.crosses(&limits(own, weight));
        if own.judges_errors_unlike(settings) || fails {
            results.push(result(Some(name.clone()), &sample, own, weight, route_rate));
        }
    }
    if all.n > 0 {
        let rate = (rate > 0.0).then_some(rate);
        results.insert(0, result(None, &all, settings, view.weights.pooled(), rate));
    }
    results
}

fn sample(route: &RouteEvidence) -> Sample {
    let cells = route.errors;
    Sample { n: cells.total(), plus: cells.n10, minus: cells.n01, paired: true }
}

fn result(
    route: Option<Arc<str>>,
    sample: &Sample,
    settings: &GateSettings,
    weight: f64,
    rate: Option<f64>,
) -> CriterionResult {
    let limits = limits(settings, weight);
    let tested = sample.test(&limits);
    // Errors the candidate no longer makes may offset new ones in the mean: new ones have a limit of their own.
    let new = Sample { minus: 0, paired: false, ..*sample };
    let new_limits = new_limits(&limits);
    let new_passes = new.passes(&new_limits);
    let needed = tested.needed.zip(new.needed(&new_limits)).map(|(a, b)| a.max(b));
    let (verdict, reason) = say(sample, &tested, new_passes, needed, settings);
    let needed = needed.filter(|_| verdict != Verdict::Fail);
    let more = needed.map(|n| n.saturating_sub(sample.n)).filter(|more| *more > 0 && verdict == Verdict::Inconclusive);
    CriterionResult {
        criterion: Criterion::Errors,
        required: settings.criteria.contains(&Criterion::Errors),
        route,
        measure: None,
        verdict,
        observed: tested.observed,
        lower: Some(tested.lower),
        upper: Some(tested.upper),
        limit: Some(settings.errors),
        samples: sample.n,
        samples_needed: needed,
        eta_seconds: more.zip(rate).map(|(more, rate)| (more as f64 / rate).ceil() as u64),
        reason,
    }
}

/// Comparisons a pass takes where `rate` of them fail on the candidate only; `None` where they never get there.
pub(super) fn expected(rate: f64, settings: &GateSettings) -> Option<u64> {
    let limits = limits(settings, 1.0);
    let all = Rates { plus: rate, minus: 0.0, paired: true }.needed(&limits);
    let new = Rates { plus: rate, minus: 0.0, paired: false }.needed(&new_limits(&limits));
    all.zip(new).map(|(a, b)| a.max(b))
}

/// What new errors alone are held against.
fn new_limits(limits: &Limits) -> Limits {
    Limits { limit: (2.0 * limits.limit).min(1.0), ..*limits }
}

fn limits(settings: &GateSettings, weight: f64) -> Limits {
    Limits {
        limit: settings.errors,
        alpha_pass: settings.alpha_pass,
        alpha_fail: settings.alpha_fail * weight,
        design_effect: settings.design_effect,
    }
}

fn say(
    sample: &Sample,
    tested: &Tested,
    new_passes: bool,
    needed: Option<u64>,
    settings: &GateSettings,
) -> (Verdict, String) {
    let limit = settings.errors;
    let mut told = sample.told("failed on the candidate only");
    if sample.minus > 0 {
        told = format!("{told}, {} on the primary only", thousands(sample.minus));
    }
    if tested.crosses && sample.n >= settings.min_comparisons {
        return (Verdict::Fail, format!("{told}: {}", tested.above(limit)));
    }
    if tested.crosses {
        let least = thousands(settings.min_comparisons);
        let reason = format!("{told}, beyond the limit {}; it may fail from {least} comparisons on", percent(limit));
        return (Verdict::Inconclusive, reason);
    }
    if tested.passes && new_passes {
        return (Verdict::Pass, format!("{told}: {}", tested.below(limit)));
    }
    match needed {
        Some(needed) => {
            let (n, needed) = (thousands(sample.n), thousands(needed));
            let rest =
                if sample.plus == 0 { "no new error".into() } else { format!("{} new errors", thousands(sample.plus)) };
            (Verdict::Inconclusive, format!("{n} of {needed} comparisons, {rest}"))
        }
        None => {
            (Verdict::Inconclusive, format!("{told}: at this rate it does not get below the limit {}", percent(limit)))
        }
    }
}
