//! Bounds on a quantile, valid at every poll together, from the ranks of a histogram (Howard and Ramdas, 1906.09712).
//! Values are rounded outward to their bucket, so that the histogram's error is part of the interval.

use super::eprocess::{Sums, Test, threshold};
use hdrhistogram::{Counter, Histogram};

/// Values counted in buckets.
pub trait Ranked {
    /// How many values there are.
    fn count(&self) -> u64;

    /// The least and the greatest value of the bucket that has the value at that rank, counted from 1; `None` beyond the
    /// last.
    fn at_rank(&self, rank: u64) -> Option<(u64, u64)>;
}

/// Ranks, counted from 1 in ascending order, of the values that bound a quantile. `None`: no bound on that side yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ranks {
    pub lower: Option<u64>,
    pub upper: Option<u64>,
}

/// Bounds on a quantile, in the histogram's unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Interval {
    pub lower: Option<u64>,
    pub upper: Option<u64>,
}

/// The ranks that bound the `quantile` (in (0, 1)) of `n` values, each side at `alpha / 2`.
///
/// With t the tolerated share above the quantile: the lower rank is n + 1 less the fewest exceedances that refute
/// "at most t exceed", the upper one n less the most that still refute "at least t exceed" (Howard and Ramdas,
/// arXiv 1906.09712, with the bets of this room).
///
/// The quantile is ever outside of the values at these ranks with probability `alpha` at most, however often they are
/// looked at.
pub fn ranks(n: u64, quantile: f64, alpha: f64) -> Ranks {
    // 1 - 0.99 is not 0.01 in binary; twelve decimals are more than any quantile is written with.
    let t = ((1.0 - quantile) * 1e12).round() / 1e12;
    let level = threshold(alpha / 2.0);
    let (fail, pass) = (Test::fail_binary(t), Test::pass(t));
    let fails = |s: u64| fail.reaches(Sums::binary(n, s), level);
    let passes = |s: u64| pass.reaches(Sums::binary(n, s), level);
    let fewest = first(n, fails);
    let most = first(n, |s| !passes(s)).map_or(Some(n), |s| s.checked_sub(1));
    Ranks { lower: fewest.map(|s| n - s + 1), upper: most.map(|s| n - s).filter(|rank| *rank >= 1) }
}

/// The bounds on the `quantile` of what the histogram holds, at `alpha` in all: the values at [`ranks`], rounded outward.
///
/// The quantile is ever outside of them with probability `alpha` at most, whatever the histogram's buckets hide.
pub fn interval(histogram: &impl Ranked, quantile: f64, alpha: f64) -> Interval {
    at_ranks(histogram, ranks(histogram.count(), quantile, alpha))
}

/// The values at these ranks of what the histogram holds: the least value that is in a bucket with the lower one, the
/// greatest that is in one with the upper one.
///
/// The interval holds the one that the values themselves would have given.
pub fn at_ranks(histogram: &impl Ranked, ranks: Ranks) -> Interval {
    Interval {
        lower: ranks.lower.and_then(|r| histogram.at_rank(r)).map(|(least, _)| least),
        upper: ranks.upper.and_then(|r| histogram.at_rank(r)).map(|(_, greatest)| greatest),
    }
}

impl<C: Counter> Ranked for Histogram<C> {
    fn count(&self) -> u64 {
        self.len()
    }

    fn at_rank(&self, rank: u64) -> Option<(u64, u64)> {
        let n = self.len();
        // Half a rank beneath: what rounding makes of it is never beyond the rank.
        let value = (1..=n).contains(&rank).then(|| self.value_at_quantile((rank as f64 - 0.5) / n as f64))?;
        Some((self.lowest_equivalent(value), self.highest_equivalent(value)))
    }
}

/// The least s in 0..=n for which a condition holds that never ceases to hold as s grows.
fn first(n: u64, holds: impl Fn(u64) -> bool) -> Option<u64> {
    if !holds(n) {
        return None;
    }
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(low)
}
