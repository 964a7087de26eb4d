//! How likely the next exchange shows a kind never seen before.

use super::bounds::{Range, rising};
use super::eprocess::{Sums, Test, ln_sum_exp, threshold};
use super::eta::least;
use serde::{Deserialize, Serialize};

/// The first start after the beginning; the others are twice the one before.
const FIRST_START: u64 = 128;

/// Counts of new kinds, from the beginning and from starts at 128, 256, 512, ... so that a noisy beginning is
/// forgotten. It depends on the order of arrival and does not merge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unseen {
    n: u64,
    new: u64,
    /// How many were new before each start that has been reached.
    before: Vec<u64>,
}

/// What was seen since one start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub n: u64,
    pub new: u64,
}

/// The share of observations whose kind was seen exactly once, `f1 / n`: the usual point estimate of the unseen mass
/// (Good 1953). Without observations everything is unseen.
///
/// On average it is about the unseen mass; it bounds nothing.
pub fn good_turing(singletons: u64, n: u64) -> f64 {
    if n == 0 { 1.0 } else { singletons as f64 / n as f64 }
}

// === impl Unseen ===

impl Unseen {
    /// Counts one observation. Where it can't be known whether the kind is new, it is.
    pub fn observe(&mut self, new: bool) {
        if self.n == start(self.before.len()) {
            self.before.push(self.new);
        }
        self.n += 1;
        self.new += u64::from(new);
    }

    /// The windows in use: the whole run, and those at least as long as what came before them.
    pub fn windows(&self) -> Vec<Window> {
        let windows = self.before.iter().enumerate().map(|(j, before)| (start(j), before));
        let used = windows.filter(|(start, _)| self.n >= 2 * start && self.n > 0);
        used.map(|(start, before)| Window { n: self.n - start, new: self.new - before }).collect()
    }

    /// Observations in all.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// How many of them were of a new kind.
    pub fn new_kinds(&self) -> u64 {
        self.new
    }

    /// The upper bound on the unseen mass, in [0, 1]: the root in m of `sum_j E_j(m) / ((j+1)(j+2)) = 1 / alpha`, with
    /// `E_j` the binary e-process against "mean >= m" of window j, in which a hit is a new kind (Good's estimate made
    /// valid at all times; the mass that is left only falls, so a bound on its average bounds what it is now).
    ///
    /// While traffic stays alike it is ever below the unseen mass with probability `alpha` at most. Counts are divided by
    /// `effect` where observations come in clusters.
    pub fn upper(&self, alpha: f64, effect: f64) -> f64 {
        let windows = self.windows();
        // The latest window is long enough to tell, nearly always.
        let n = windows.last().map_or(1, |w| w.n.max(1)) as f64 / effect;
        let level = threshold(alpha);
        let guess = (2.0 * level / n).min(0.5);
        rising(Range { min: 0.0, max: 1.0, guess, off: guess / 2.0 }, level, |m| ln_e(&windows, m, effect))
    }

    /// Whether the upper bound is below `limit`, by the test itself.
    pub fn passes(&self, limit: f64, alpha: f64, effect: f64) -> bool {
        ln_e(&self.windows(), limit, effect) >= threshold(alpha)
    }

    /// The least number of further observations, none of them new, after which the upper bound is below `limit`.
    /// `None` when none would do.
    pub fn quiet_to_pass(&self, limit: f64, alpha: f64, effect: f64) -> Option<u64> {
        let reached = |k: u64| self.after_quiet(k).passes(limit, alpha, effect);
        if reached(0) {
            return Some(0);
        }
        least(reached)
    }

    /// Whether the numbers fit each other; what was kept may not.
    pub fn is_sound(&self) -> bool {
        let reached = self.before.len() == (0..64).take_while(|j| start(*j) < self.n).count();
        let rising = self.before.is_sorted() && self.before.last().is_none_or(|before| *before <= self.new);
        reached && rising && self.new <= self.n
    }

    /// As it will be after `k` more observations of kinds that are known.
    fn after_quiet(&self, k: u64) -> Unseen {
        let mut then = self.clone();
        then.n = then.n.saturating_add(k);
        while start(then.before.len()) < then.n {
            then.before.push(then.new);
        }
        then
    }
}

/// ln of the average E against "the unseen mass is at least m", over the windows.
fn ln_e(windows: &[Window], m: f64, effect: f64) -> f64 {
    let test = Test::pass_binary(m);
    let each = windows.iter().enumerate().map(move |(j, w)| {
        let weight = ((j + 1) * (j + 2)) as f64;
        test.ln_e(Sums::binary(w.n, w.new).deflated(effect)) - weight.ln()
    });
    ln_sum_exp(each.collect::<Vec<_>>().into_iter())
}

/// Where the j-th window begins: 0, 128, 256, 512, ...
fn start(j: usize) -> u64 {
    match j {
        0 => 0,
        _ => FIRST_START.saturating_mul(1u64.checked_shl(j as u32 - 1).unwrap_or(u64::MAX)),
    }
}
