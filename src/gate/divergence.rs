//! The share of exchanges that diverge, route by route: in excess of the control's own share where there is one.

use super::check::{Limits, Rates, Sample, Tested};
use super::judge::View;
use super::legs::{Legs, PAIRED};
use super::pool::{TAIL, uncompared};
use super::weights::Weights;
use super::words::{percent, thousands};
use super::{Criterion, CriterionResult, ExpectedRates, GateSettings, Policy, Verdict, because, unmirrored};
use crate::evidence::{Evidence, RouteEvidence};
use crate::model::Bucket;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The bounds of one route looked at alone: lower at `alpha_fail`, upper at `alpha_pass`, both valid however often
/// they are read. The verdict shares `alpha_fail` out over all routes; [`route_bounds`] gives the bounds it uses.
pub fn bounds(settings: &GateSettings, critical: bool, route: &RouteEvidence) -> (f64, f64) {
    let tested = Legs::of(route).test(&limits(settings, critical, 1.0)).tested;
    (tested.lower, tested.upper)
}

/// The bounds (lower, upper) that the verdict uses, of every route: `lower > limit` is what FAIL rests on,
/// `upper < limit` what PASS does. What is `judged` of the same evidence has most of them.
pub fn route_bounds(
    policy: &Policy,
    evidence: &Evidence,
    judged: &[CriterionResult],
) -> BTreeMap<Arc<str>, (f64, f64)> {
    let policy = &*policy.after_resets(evidence.epoch.resets);
    let weights = Weights::new(policy, evidence);
    let divergence = judged.iter().filter(|c| c.criterion == Criterion::Divergence);
    let known: HashMap<&str, (f64, f64)> =
        divergence.filter_map(|c| Some((c.route.as_deref()?, (c.lower?, c.upper?)))).collect();
    let of = |(name, route): (&Arc<str>, &Arc<RouteEvidence>)| {
        if let Some(bounds) = known.get(&**name) {
            return (name.clone(), *bounds);
        }
        let (settings, critical) = policy.for_route(name);
        let tested = Legs::of(route).test(&limits(settings, critical, weights.route(name))).tested;
        (name.clone(), (tested.lower, tested.upper))
    };
    evidence.routes.iter().map(of).collect()
}

/// Every route judged by itself, then the pooled rare ones, then critical routes that nothing was compared of.
pub(super) fn results(view: &View<'_>) -> Vec<CriterionResult> {
    let mut results: Vec<_> = view.pool.individual.iter().filter_map(|name| Some(individual(view, name)?.0)).collect();
    let mut pooled = Vec::new();
    for name in &view.pool.tail {
        match individual(view, name) {
            // A rare route that already diverges beyond its limit is not hidden among the others.
            Some((result, true)) => results.push(result),
            _ => pooled.push(name),
        }
    }
    results.extend(tail(view, &pooled));
    results.extend(unseen_critical(view));
    results
}

/// One route's result, and whether it is beyond its limit, be it with enough comparisons to fail or not.
fn individual(view: &View<'_>, name: &Arc<str>) -> Option<(CriterionResult, bool)> {
    let route = view.evidence.routes.get(name)?;
    let (settings, critical) = view.policy.for_route(name);
    let legs = Legs::of(route);
    let limits = limits(settings, critical, view.weights.route(name));
    let Decided { sample, tested, verdict, mut reason } = decide(&legs, &limits, settings);
    if let Some(excused) = excused(route).filter(|_| verdict == Verdict::Pass) {
        reason = format!("{reason}; {excused}");
    }
    let rate = view.rate(name, route, sample.n);
    let required = settings.criteria.contains(&Criterion::Divergence);
    Some((result(name.clone(), required, verdict, reason, &sample, &tested, &limits, rate), tested.crosses))
}

/// What a pass is not about: differences at places where the control differed too, where the candidate has more of them.
/// Until those are too many to be chance they are noise.
fn excused(route: &RouteEvidence) -> Option<String> {
    let pairs = route.noise.values().map(|known| known.pairs).filter(|pairs| !pairs.above);
    let (candidate, control) = pairs.fold((0, 0), |(a, b), pairs| (a + pairs.candidate, b + pairs.control));
    (candidate > control).then(|| {
        format!(
            "not counted, at places known to be noisy: {} where the candidate alone differed, {} where the control did",
            thousands(candidate),
            thousands(control)
        )
    })
}

/// The limits of a route looked at by itself.
pub(super) fn own_limits(policy: &Policy, name: &str, weight: f64) -> Limits {
    let (settings, critical) = policy.for_route(name);
    limits(settings, critical, weight)
}

/// Whether the numbers are beyond the limit, be it with enough comparisons to fail or not.
pub(super) fn is_beyond(legs: &Legs, limits: &Limits) -> bool {
    legs.all().plus > 0 && legs.test(limits).tested.crosses
}

/// The rare ones as one. It decides only against: those judged by themselves already hold the share `coverage`, so
/// a route seen a few times does not hold up the verdict; a tail that is beyond its limit does.
fn tail(view: &View<'_>, names: &[&Arc<str>]) -> Option<CriterionResult> {
    let routes: Vec<_> = names.iter().filter_map(|n| Some((*n, view.evidence.routes.get(*n)?))).collect();
    if routes.is_empty() {
        return None;
    }
    let settings = &view.policy.default;
    let mut legs = Legs::default();
    let mut rate = 0.0;
    for (name, route) in &routes {
        let one = Legs::of(route);
        legs.add(one);
        rate += view.rate(name, route, one.all().n).unwrap_or(0.0);
    }
    let limits = Limits { limit: settings.tail_tolerance, ..limits(settings, false, view.weights.pooled()) };
    let Decided { sample, tested, verdict, reason } = decide(&legs, &limits, settings);
    let noun = if routes.len() == 1 { "rare route" } else { "rare routes, pooled" };
    let reason = format!("{} {noun}: {reason}", thousands(routes.len() as u64));
    let required = tested.crosses && settings.criteria.contains(&Criterion::Divergence);
    let rate = (rate > 0.0).then_some(rate);
    Some(result(TAIL.into(), required, verdict, reason, &sample, &tested, &limits, rate))
}

/// Critical routes of which nothing was compared: they hold up the verdict like any critical route with too little
/// evidence.
fn unseen_critical(view: &View<'_>) -> Vec<CriterionResult> {
    let routes = view.evidence.routes.iter().map(|(name, route)| (name, route.counts.compared as f64));
    let describe = uncompared(view.policy, routes).into_iter().map(|(name, route)| {
        let limits = limits(&route.settings, true, 1.0);
        let tested = Sample::default().test(&limits);
        let needed = thousands(tested.needed.unwrap_or(0));
        let why = view.evidence.routes.get(&name).and_then(|seen| unmirrored(&seen.counts)).map(|(bucket, n)| {
            let (why, remedy) = because(bucket);
            let limit = if bucket == Bucket::Method { "; or limit the route by `methods`" } else { "" };
            format!(": {} requests {why}; {remedy}{limit}", thousands(n))
        });
        let why = why.unwrap_or_default();
        let reason = format!("0 of {needed} comparisons: nothing of this critical route has been compared yet{why}");
        let required = route.settings.criteria.contains(&Criterion::Divergence);
        result(name, required, Verdict::Inconclusive, reason, &Sample::default(), &tested, &limits, None)
    });
    describe.collect()
}

/// Comparisons a pass takes where exchanges diverge as expected; `None` where they never get there.
pub(super) fn expected(rates: &ExpectedRates, limits: &Limits, settings: &GateSettings) -> Option<u64> {
    let ExpectedRates { noise, control, .. } = *rates;
    let diverging = (rates.diverging() + noise).min(1.0);
    let all = Rates { plus: diverging, minus: noise * control, paired: control > 0.0 };
    let needed = all.needed(limits)?;
    if control <= 0.0 {
        return Some(needed);
    }
    // Only some comparisons may come with a control answer.
    let pairs = Rates { plus: noise, minus: 0.0, paired: false }.needed(&Noise::limits(settings))?;
    let needed = needed.max((pairs as f64 / control).ceil() as u64);
    // The others are not to be beyond the limit by themselves by then, or they hold it up for ever.
    let rest = Rates { plus: diverging, minus: 0.0, paired: false }.crossing(limits).filter(|_| control < 1.0);
    (!rest.is_some_and(|rest| (1.0 - control) * needed as f64 >= rest as f64)).then_some(needed)
}

/// Comparisons after which a candidate that diverges in `rate` of them, in excess of the control, fails.
pub(super) fn failing(rate: f64, rates: &ExpectedRates, limits: &Limits, settings: &GateSettings) -> Option<u64> {
    let ExpectedRates { noise, control, .. } = *rates;
    let plus = (rate + noise).min(1.0);
    let least = |n: u64| n.max(settings.min_comparisons);
    if control <= 0.0 {
        return Rates { plus, minus: 0.0, paired: false }.crossing(limits).map(least);
    }
    let share = Limits { alpha_fail: limits.alpha_fail * PAIRED, ..*limits };
    let pairs = Rates { plus, minus: noise, paired: true }.crossing(&share).map(least)?;
    Some((pairs as f64 / control).ceil() as u64)
}

struct Decided {
    sample: Sample,
    tested: Tested,
    verdict: Verdict,
    reason: String,
}

fn decide(legs: &Legs, limits: &Limits, settings: &GateSettings) -> Decided {
    let said = legs.test(limits);
    let noise = Noise::of(legs.control_differed, legs.paired.n, settings);
    let tested = noise.delay(said.tested, legs);
    let (verdict, reason) = say(&said.sample, &tested, &noise, said.gap, limits, settings);
    Decided { sample: said.sample, tested, verdict, reason }
}

pub(super) fn limits(settings: &GateSettings, critical: bool, weight: f64) -> Limits {
    Limits {
        limit: if critical { settings.critical_tolerance } else { settings.tolerance },
        alpha_pass: settings.alpha_pass,
        alpha_fail: settings.alpha_fail * weight,
        design_effect: settings.design_effect,
    }
}

/// How often the control differed, against `noise_cap`. A bug that shows only where the old system is noisy anyway
/// can't be seen, so without a bound on noise there is no pass, and with too much of it there is no verdict.
enum Noise {
    None,
    Low,
    Unknown { differed: u64, n: u64, needed: Option<u64> },
    High { differed: u64, n: u64 },
}

impl Noise {
    fn of(differed: u64, n: u64, settings: &GateSettings) -> Self {
        if n == 0 {
            return Noise::None;
        }
        let limits = Noise::limits(settings);
        let sample = Sample { n, plus: differed, minus: 0, paired: false };
        if sample.passes(&limits) {
            Noise::Low
        } else if differed as f64 >= limits.limit * n as f64 {
            Noise::High { differed, n }
        } else {
            Noise::Unknown { differed, n, needed: sample.needed(&limits) }
        }
    }

    fn limits(settings: &GateSettings) -> Limits {
        Limits {
            limit: settings.noise_cap,
            alpha_pass: settings.alpha_pass,
            alpha_fail: settings.alpha_pass,
            design_effect: settings.design_effect,
        }
    }

    /// A pass also takes what it takes to know the noise.
    fn delay(&self, tested: Tested, legs: &Legs) -> Tested {
        let needed = match self {
            Noise::None | Noise::Low => tested.needed,
            Noise::Unknown { needed, .. } => {
                // Only some comparisons come with a control answer.
                let each = legs.all().n as f64 / legs.paired.n.max(1) as f64;
                let compared = needed.map(|pairs| (pairs as f64 * each).ceil() as u64);
                tested.needed.zip(compared).map(|(a, b)| a.max(b))
            }
            Noise::High { .. } => None,
        };
        Tested { needed, ..tested }
    }
}

/// The truth table, first line that fits:
///
/// | noise | numbers | verdict |
/// |---|---|---|
/// | high | any | inconclusive |
/// | any | beyond the limit, enough comparisons | fail |
/// | any | beyond the limit, too few | inconclusive |
/// | none or low | below the limit | pass |
/// | any | what had no control answer stands out | inconclusive |
/// | any | any | inconclusive |
fn say(
    sample: &Sample,
    tested: &Tested,
    noise: &Noise,
    gap: Option<String>,
    limits: &Limits,
    settings: &GateSettings,
) -> (Verdict, String) {
    let (limit, cap) = (limits.limit, percent(settings.noise_cap));
    let mut told = sample.told("diverged");
    if sample.paired && (sample.plus > 0 || sample.minus > 0) {
        told = format!("{told} where the control did not, {} the other way round", thousands(sample.minus));
    }
    match noise {
        Noise::High { differed, n } => {
            let share = format!("{} of {}", thousands(*differed), thousands(*n));
            let reason = format!("too noisy to judge: the control differed in {share} comparisons, noise_cap is {cap}");
            return (Verdict::Inconclusive, reason);
        }
        _ if tested.crosses && sample.n >= settings.min_comparisons => {
            return (Verdict::Fail, format!("{told}: {}", tested.above(limit)));
        }
        _ if tested.crosses => {
            let least = thousands(settings.min_comparisons);
            let reason =
                format!("{told}, beyond the limit {}; it may fail from {least} comparisons on", percent(limit));
            return (Verdict::Inconclusive, reason);
        }
        Noise::Unknown { differed, n, needed } if tested.passes => {
            let of =
                needed.map_or_else(|| thousands(*n), |needed| format!("{} of {}", thousands(*n), thousands(needed)));
            let differed = thousands(*differed);
            let reason = format!(
                "{of} comparisons with the control, {differed} of them noise: not yet known to be below noise_cap {cap}"
            );
            return (Verdict::Inconclusive, reason);
        }
        Noise::None | Noise::Low | Noise::Unknown { .. } => {}
    }
    if let Some(gap) = gap {
        return (Verdict::Inconclusive, gap);
    }
    match tested.needed {
        _ if tested.passes => (Verdict::Pass, format!("{told}: {}", tested.below(limit))),
        Some(needed) => {
            let (n, needed) = (thousands(sample.n), thousands(needed));
            let rest =
                if sample.plus == 0 { "none diverged".into() } else { format!("{} diverged", thousands(sample.plus)) };
            (Verdict::Inconclusive, format!("{n} of {needed} comparisons, {rest}"))
        }
        None => {
            (Verdict::Inconclusive, format!("{told}: at this rate it does not get below the limit {}", percent(limit)))
        }
    }
}

fn result(
    route: Arc<str>,
    required: bool,
    verdict: Verdict,
    reason: String,
    sample: &Sample,
    tested: &Tested,
    limits: &Limits,
    rate: Option<f64>,
) -> CriterionResult {
    let needed = if verdict == Verdict::Fail { None } else { tested.needed };
    let more = needed.map(|needed| needed.saturating_sub(sample.n)).filter(|_| verdict == Verdict::Inconclusive);
    let known = sample.n > 0;
    CriterionResult {
        criterion: Criterion::Divergence,
        required,
        route: Some(route),
        measure: None,
        verdict,
        observed: tested.observed,
        lower: known.then_some(tested.lower),
        upper: known.then_some(tested.upper),
        limit: Some(limits.limit),
        samples: sample.n,
        samples_needed: needed,
        eta_seconds: more.filter(|more| *more > 0).zip(rate).map(|(more, rate)| (more as f64 / rate).ceil() as u64),
        reason,
    }
}
