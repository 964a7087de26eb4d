//! p95 and p99 of both legs, bounded at any time, from one pair a second: shown beside the median, or criteria too.

use super::check::Limits;
use super::words::{duration, thousands};
use super::{GateSettings, LatencySettings, Verdict};
use crate::evidence::Pace;
use crate::stats::{self, Interval, Sums};
use std::time::Duration;

/// One quantile of both legs. Bounds are outward: of the histogram's buckets and of the ratio.
#[derive(Debug)]
pub(super) struct Quantile {
    pub name: &'static str,
    pub limit: f64,
    pub pairs: u64,
    /// Ratio of the two estimates.
    pub observed: Option<f64>,
    pub lower: Option<f64>,
    pub upper: Option<f64>,
    pub verdict: Verdict,
    slack: Duration,
    quantile: f64,
    alpha: f64,
}

/// p95 and p99.
pub(super) fn of(pace: &Pace, settings: &LatencySettings, limits: &Limits) -> [Quantile; 2] {
    [("p95", 0.95, settings.p95_ratio), ("p99", 0.99, settings.p99_ratio)]
        .map(|(name, quantile, limit)| Quantile::new(name, quantile, limit, pace, settings, limits))
}

/// Pairs, a second apart, before there can be a bound on either that a pass may rest on.
pub(super) fn expected(settings: &GateSettings) -> u64 {
    least(0.99, settings.alpha_pass)
}

fn least(quantile: f64, alpha: f64) -> u64 {
    stats::samples_to_pass(Sums::default(), 1.0 - quantile, alpha / 2.0).unwrap_or(0)
}

// === impl Quantile ===

impl Quantile {
    fn new(
        name: &'static str,
        quantile: f64,
        limit: f64,
        pace: &Pace,
        settings: &LatencySettings,
        limits: &Limits,
    ) -> Self {
        let pairs = pace.candidate.len();
        let at = |alpha: f64| {
            // Both legs' errors add up to alpha: on either side one bound of each is used.
            let ranks = stats::ranks(pairs, quantile, alpha);
            let of = |histogram| stats::at_ranks(histogram, ranks);
            (of(&pace.primary), of(&pace.candidate))
        };
        let slack = settings.slack.as_secs_f64() * 1e6;
        let (primary, candidate) = at(limits.alpha_pass);
        let passes = holds(candidate.upper, primary.lower, |c, p| c <= limit * p + slack);
        let (old, new): (Interval, Interval) = at(limits.alpha_fail);
        let fails = holds(new.lower, old.upper, |c, p| c > limit * p + slack);
        let over = |a: Option<u64>, b: Option<u64>| a.zip(b).map(|(a, b)| a as f64 / b.max(1) as f64);
        let estimate = |h: &crate::evidence::Histogram| h.value_at_quantile(quantile).max(1) as f64;
        Self {
            name,
            limit,
            pairs,
            observed: (pairs > 0).then(|| estimate(&pace.candidate) / estimate(&pace.primary)),
            lower: over(new.lower, old.upper),
            upper: over(candidate.upper, primary.lower),
            verdict: match (fails, passes) {
                (true, _) => Verdict::Fail,
                (false, true) => Verdict::Pass,
                (false, false) => Verdict::Inconclusive,
            },
            slack: settings.slack,
            quantile,
            alpha: limits.alpha_pass,
        }
    }

    /// `p95 1.02x [0.97, 1.08]`; empty while there is no bound to tell.
    pub(super) fn told(&self) -> String {
        let bound = |b: Option<f64>| b.map_or_else(|| "?".to_owned(), |b| format!("{b:.2}"));
        match self.observed {
            Some(observed) if self.lower.is_some() || self.upper.is_some() => {
                format!("{} {observed:.2}x [{}, {}]", self.name, bound(self.lower), bound(self.upper))
            }
            _ => String::new(),
        }
    }

    /// Pairs that are missing before there can be a bound to pass by.
    pub(super) fn missing(&self) -> u64 {
        least(self.quantile, self.alpha).saturating_sub(self.pairs)
    }

    /// The sentence of a criterion of its own.
    pub(super) fn reason(&self) -> String {
        let (name, pairs) = (self.name, thousands(self.pairs));
        let limit = format!("{}x plus {}", self.limit, duration(self.slack));
        let bound = |b: Option<f64>| b.map_or_else(|| "not known".to_owned(), |b| format!("{b:.2}x"));
        match self.verdict {
            Verdict::Pass => format!(
                "{name} at most {} the primary's, of {pairs} pairs a second apart; the limit is {limit}",
                bound(self.upper)
            ),
            Verdict::Fail => format!(
                "{name} at least {} the primary's, of {pairs} pairs a second apart; the limit is {limit}",
                bound(self.lower)
            ),
            Verdict::Inconclusive if self.missing() > 0 => {
                let least = thousands(self.pairs + self.missing());
                format!("{name}: {pairs} of {least} pairs a second apart; the limit is {limit}")
            }
            Verdict::Inconclusive => format!(
                "{name} between {} and {} the primary's, of {pairs} pairs a second apart; the limit is {limit}",
                bound(self.lower),
                bound(self.upper)
            ),
        }
    }
}

fn holds(candidate: Option<u64>, primary: Option<u64>, test: impl Fn(f64, f64) -> bool) -> bool {
    candidate.zip(primary).is_some_and(|(c, p)| test(c as f64, p as f64))
}
