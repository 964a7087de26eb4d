//! How long the candidate takes beside the primary, route by route: the median of the paired ratio, tested on the
//! means of blocks of time; p95 and p99 beside it, or as rows of their own where they are to decide.

use super::check::Limits;
use super::judge::View;
use super::quantiles::{self, Quantile};
use super::words::{duration, percent, thousands};
use super::{Criterion, CriterionResult, GateSettings, Quantiles, Verdict};
use crate::evidence::{Blocks, LatencyTerms, RouteEvidence, SLOW_SHARE};
use crate::stats::{BlockBets, threshold};
use std::sync::Arc;
use std::time::Duration;

/// Neighbouring blocks that resemble each other more than this are not independent enough.
const CORRELATED: f64 = 0.3;
/// How many standard errors the mean has to be away from the tested one for that not to matter: a candidate that is
/// never slow may well be never slow twice running.
const CLEAR: f64 = 4.0;

/// Routes judged one by one as for divergence. Rare ones decide against only: a slow one is named, one that is not
/// known does not hold up.
pub(super) fn results(view: &View<'_>) -> Vec<CriterionResult> {
    let mut results = Vec::new();
    for name in &view.pool.individual {
        results.extend(view.evidence.routes.get(name).into_iter().flat_map(|route| judged(view, name, route)));
    }
    for name in &view.pool.tail {
        let judged = view.evidence.routes.get(name).into_iter().flat_map(|route| judged(view, name, route));
        results.extend(judged.filter(|r| r.verdict == Verdict::Fail));
    }
    results
}

/// The median's row, and those of the quantiles where they are criteria.
fn judged(view: &View<'_>, name: &Arc<str>, route: &RouteEvidence) -> Vec<CriterionResult> {
    let settings = view.policy.for_route(name).0;
    let gated = settings.latency.quantiles == Quantiles::Gate;
    // Each check has an equal part of the criterion's share.
    let checks = if gated { 3.0 } else { 1.0 };
    let limits = Limits {
        limit: SLOW_SHARE,
        alpha_pass: settings.alpha_pass,
        alpha_fail: settings.alpha_fail * view.weights.route(name) / checks,
        design_effect: 1.0,
    };
    let terms = view.policy.latency_terms(name);
    let blocks = route.pace.blocks(view.facts.now, route.counts.pending == 0);
    let state = State::new(view, route, settings, &blocks, &terms, &limits);
    let quantiles = quantiles::of(&route.pace, &settings.latency, &limits);
    let mut results = vec![median(view, name, route, settings, &blocks, &state, &quantiles, gated)];
    if gated {
        let rate = view.rate(name, route, route.counts.compared).unwrap_or(0.0).min(1.0);
        results.extend(quantiles.iter().map(|quantile| row(name, settings, &state, quantile, rate)));
    }
    results
}

/// What the blocks say, first that fits.
#[derive(Debug, PartialEq)]
enum State {
    /// Counted by other settings than those it is asked by.
    OtherTerms(LatencyTerms),
    WarmingUp {
        pairs: u64,
        of: u64,
        left: Duration,
    },
    Waiting,
    Slow,
    Correlated(f64),
    Fast,
    Open {
        needed: Option<u64>,
    },
}

impl State {
    fn new(
        view: &View<'_>,
        route: &RouteEvidence,
        settings: &GateSettings,
        blocks: &Blocks,
        terms: &LatencyTerms,
        limits: &Limits,
    ) -> Self {
        let counts = &route.pace.counts;
        if counts.terms != *terms {
            return State::OtherTerms(counts.terms);
        }
        if counts.began.is_none() {
            let left = terms.warm_up.saturating_sub(view.facts.now.since(view.evidence.epoch.started_at));
            return match (counts.warmed, terms.warm_up_pairs) {
                (pairs, of) if pairs < of || !left.is_zero() => State::WarmingUp { pairs, of, left },
                _ => State::Waiting,
            };
        }
        let n = blocks.bets.blocks();
        if n == 0 {
            return State::Waiting;
        }
        let slow = blocks.bets.ln_e_fail() >= threshold(limits.alpha_fail) && blocks.pairs >= settings.min_comparisons;
        let fast = blocks.bets.ln_e_pass() >= threshold(limits.alpha_pass) && n >= settings.latency.min_blocks;
        let r = blocks.serial.lag_one();
        let away = blocks.serial.mean().map_or(0.0, |mean| (mean - SLOW_SHARE).abs());
        if (slow || fast) && r > CORRELATED && away < CLEAR * blocks.serial.standard_error() {
            return State::Correlated(r);
        }
        match (slow, fast) {
            (true, _) => State::Slow,
            (false, true) => State::Fast,
            (false, false) => {
                let needed = blocks.bets.blocks_to_pass(limits.alpha_pass);
                State::Open { needed: needed.map(|needed| needed.max(settings.latency.min_blocks)) }
            }
        }
    }

    const fn verdict(&self) -> Verdict {
        match self {
            State::Slow => Verdict::Fail,
            State::Fast => Verdict::Pass,
            _ => Verdict::Inconclusive,
        }
    }
}

fn median(
    view: &View<'_>,
    name: &Arc<str>,
    route: &RouteEvidence,
    settings: &GateSettings,
    blocks: &Blocks,
    state: &State,
    quantiles: &[Quantile; 2],
    gated: bool,
) -> CriterionResult {
    let terms = &route.pace.counts.terms;
    let n = blocks.bets.blocks();
    let mut reason = say(state, blocks, terms, settings);
    let told: Vec<String> = quantiles.iter().map(Quantile::told).filter(|told| !told.is_empty()).collect();
    if !gated && !told.is_empty() && !matches!(state, State::OtherTerms(_)) {
        reason = format!("{reason}; {}", told.join(", "));
    }
    let p50 = |h: &crate::evidence::Histogram| (!h.is_empty()).then(|| h.value_at_quantile(0.5).max(1) as f64);
    let needed = match state {
        State::Open { needed } => *needed,
        State::Slow => None,
        State::Fast => Some(n),
        State::WarmingUp { .. } | State::Waiting => Some(at_best(blocks, settings)),
        State::OtherTerms(_) | State::Correlated(_) => None,
    };
    CriterionResult {
        criterion: Criterion::Latency,
        required: settings.criteria.contains(&Criterion::Latency),
        route: Some(name.clone()),
        measure: None,
        verdict: state.verdict(),
        observed: p50(&route.latency.candidate).zip(p50(&route.latency.primary)).map(|(new, old)| new / old),
        lower: None,
        upper: None,
        limit: Some(settings.latency.ratio),
        samples: n,
        samples_needed: needed,
        eta_seconds: eta(view, name, route, blocks, state, settings),
        reason,
    }
}

/// Blocks a pass takes where the candidate is never too slow, and the seconds until they are there on a route of so
/// many comparisons a second that begins with the epoch.
pub(super) fn expected(rate: f64, settings: &GateSettings) -> (u64, f64) {
    let bets = BlockBets::new(SLOW_SHARE).blocks_to_pass(settings.alpha_pass).unwrap_or(0);
    let blocks = bets.max(settings.latency.min_blocks);
    let warm = settings.warm_up.as_secs_f64().max(settings.warm_up_pairs as f64 / rate);
    (blocks, warm + blocks as f64 * apart(settings.latency.block, rate))
}

/// Seconds from one block that holds something to the next.
fn apart(block: Duration, rate: f64) -> f64 {
    block.as_secs_f64().max(1.0 / rate)
}

/// Blocks it takes when none was slow.
fn at_best(blocks: &Blocks, settings: &GateSettings) -> u64 {
    let needed = blocks.bets.blocks_to_pass(settings.alpha_pass).unwrap_or(0);
    needed.max(settings.latency.min_blocks)
}

fn say(state: &State, blocks: &Blocks, terms: &LatencyTerms, settings: &GateSettings) -> String {
    let n = blocks.bets.blocks();
    let beyond = beyond(terms);
    let share = if blocks.pairs > 0 { blocks.slow as f64 / blocks.pairs as f64 } else { 0.0 };
    let slow =
        format!("the candidate took longer than {beyond} in {} of {} pairs", percent(share), thousands(blocks.pairs));
    let told = format!("{slow}, {} of {}", count(n, "block", "blocks"), duration(terms.block));
    match state {
        State::OtherTerms(counted) => format!(
            "its blocks were counted by other settings (longer than {}, {} each), so these can't be judged by them",
            self::beyond(counted),
            duration(counted.block)
        ),
        State::WarmingUp { pairs, of, .. } if pairs < of => {
            format!("warming up: {} of the first {} pairs, which do not count", thousands(*pairs), thousands(*of))
        }
        State::WarmingUp { left, .. } => {
            format!("warming up: what arrives in the next {} does not count", duration(*left))
        }
        State::Waiting => {
            let all = thousands(at_best(blocks, settings));
            format!("0 of {all} blocks of {}: the first is not over yet", duration(terms.block))
        }
        State::Slow => format!("{told}: at most half may"),
        State::Correlated(r) => format!(
            "{told}: blocks still correlated ({r:.2} with the one before, at most {CORRELATED} may be); \
             gate.latency.block is too short for how load moves here"
        ),
        State::Fast => format!("{told}: less than half, as it has to be"),
        State::Open { needed: Some(needed) } => {
            format!("{} of {} blocks of {}: {slow}", thousands(n), thousands(*needed), duration(terms.block))
        }
        State::Open { needed: None } => format!("{told}: at this rate it is never shown to be less than half"),
    }
}

/// `1.1x the primary plus 2 ms`.
fn beyond(terms: &LatencyTerms) -> String {
    match terms.slack.is_zero() {
        true => format!("{}x the primary", terms.ratio),
        false => format!("{}x the primary plus {}", terms.ratio, duration(terms.slack)),
    }
}

fn count(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(n), if n == 1 { one } else { many })
}

/// What is left of the warm-up, and the blocks that are missing: each as long as it is, or as far apart as they came
/// where the route is quiet.
fn eta(
    view: &View<'_>,
    name: &str,
    route: &RouteEvidence,
    blocks: &Blocks,
    state: &State,
    settings: &GateSettings,
) -> Option<u64> {
    let (n, block) = (blocks.bets.blocks(), route.pace.counts.terms.block);
    let since = route.pace.counts.began.map_or(0.0, |began| view.facts.now.since(began).as_secs_f64());
    let rate = view.rate(name, route, route.counts.compared);
    let apart = if n > 0 { block.as_secs_f64().max(since / n as f64) } else { apart(block, rate.unwrap_or(1.0)) };
    let missing_blocks = |needed: u64| needed.saturating_sub(n) as f64 * apart;
    let seconds = match state {
        State::Open { needed: Some(needed) } => missing_blocks(*needed),
        State::Waiting => missing_blocks(at_best(blocks, settings)),
        State::WarmingUp { pairs, of, left } => {
            let missing = of.saturating_sub(*pairs);
            let rate = if missing > 0 { rate? } else { 1.0 };
            left.as_secs_f64().max(missing as f64 / rate) + missing_blocks(at_best(blocks, settings))
        }
        _ => return None,
    };
    Some(seconds.ceil() as u64).filter(|eta| *eta > 0)
}

/// A quantile as a criterion; `rate` is how many pairs a second it gets.
fn row(name: &Arc<str>, settings: &GateSettings, state: &State, quantile: &Quantile, rate: f64) -> CriterionResult {
    let other = matches!(state, State::OtherTerms(_));
    let missing = quantile.missing();
    let eta = (missing > 0 && rate > 0.0).then(|| (missing as f64 / rate).ceil() as u64);
    let (verdict, reason) = match state {
        State::OtherTerms(_) => (Verdict::Inconclusive, "counted by other settings, see above".to_owned()),
        _ if quantile.verdict == Verdict::Fail && quantile.pairs < settings.min_comparisons => {
            let least = thousands(settings.min_comparisons);
            (Verdict::Inconclusive, format!("{}; it may fail from {least} pairs on", quantile.reason()))
        }
        _ => (quantile.verdict, quantile.reason()),
    };
    CriterionResult {
        criterion: Criterion::Latency,
        required: settings.criteria.contains(&Criterion::Latency),
        route: Some(name.clone()),
        measure: Some(quantile.name.into()),
        verdict,
        observed: quantile.observed.filter(|_| !other),
        lower: quantile.lower.filter(|_| !other),
        upper: quantile.upper.filter(|_| !other),
        limit: Some(quantile.limit),
        samples: quantile.pairs,
        samples_needed: None,
        eta_seconds: eta.filter(|_| verdict == Verdict::Inconclusive && !other),
        reason,
    }
}
