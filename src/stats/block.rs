//! Betting on block means, for data that come in bursts: one observation per closed block of time.

use super::eprocess::{ln_grid_fail, ln_grid_pass, ln_sum_exp, threshold};
use serde::{Deserialize, Serialize};

/// No forecast reaches further than this many blocks.
const NEVER: f64 = 1e9;

/// The wealth of every bet of both grids after some blocks. Blocks may be of any length. Those of several series merge
/// by [`BlockBets::merge`] when they are disjoint in time, by [`BlockBets::blend`] when they are of the same time.
///
/// With `x_b` the share of hits in block b, bet `phi` has won `sum_b ln(1 + phi (m - x_b) / (1 - m))` against "mean >= m"
/// and `sum_b ln(1 + phi (x_b - m) / m)` against "mean <= m" (Waudby-Smith and Ramdas, arXiv 2010.09686, for means that
/// are bounded).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlockBets {
    m: f64,
    blocks: u64,
    pass: [f64; 17],
    fail: [f64; 24],
}

// === impl BlockBets ===

impl BlockBets {
    /// Against a mean of `m`, in (0, 1).
    pub fn new(m: f64) -> Self {
        Self { m, blocks: 0, pass: [0.0; 17], fail: [0.0; 24] }
    }

    /// Adds a closed block: `hits` of `n`. A block without observations says nothing and is left out.
    pub fn add(&mut self, n: u64, hits: u64) {
        if n == 0 {
            return;
        }
        let x = (hits as f64 / n as f64).min(1.0);
        for (wealth, bet) in self.pass.iter_mut().zip(ln_grid_pass()) {
            *wealth += (bet.phi * (self.m - x) / (1.0 - self.m)).ln_1p();
        }
        for (wealth, bet) in self.fail.iter_mut().zip(ln_grid_fail()) {
            *wealth += (bet.phi * (x - self.m) / self.m).ln_1p();
        }
        self.blocks += 1;
    }

    /// Adds the blocks of another one with the same tested mean.
    pub fn merge(&mut self, other: &BlockBets) {
        debug_assert!(self.m == other.m, "block bets on different means do not merge");
        self.pass.iter_mut().zip(&other.pass).for_each(|(a, b)| *a += b);
        self.fail.iter_mut().zip(&other.fail).for_each(|(a, b)| *a += b);
        self.blocks += other.blocks;
    }

    /// Averages with another series over the same time and with the same tested mean, by weights that do not depend
    /// on what was seen. A bet on the weighted average of two block means gains the weighted average of what bets on
    /// each gain, which is at least their weighted geometric mean: that is what is kept, so the wealth is never
    /// overstated (arithmetic and geometric mean).
    pub fn blend(&mut self, weight: f64, other: &BlockBets, other_weight: f64) {
        debug_assert!(self.m == other.m, "block bets on different means do not blend");
        let total = weight + other_weight;
        if total <= 0.0 {
            return;
        }
        let blend = |(a, b): (&mut f64, &f64)| *a = (*a * weight + b * other_weight) / total;
        self.pass.iter_mut().zip(&other.pass).for_each(blend);
        self.fail.iter_mut().zip(&other.fail).for_each(blend);
        // They may be the same blocks.
        self.blocks = self.blocks.max(other.blocks);
    }

    /// How many blocks it takes in all until `ln E_pass` reaches `ln(1 / alpha)`, if those to come are like those that
    /// were, or like the best there can be where there were none: the least `n` for which every bet's logarithm times
    /// `n / blocks` is enough. `None` when it never does.
    ///
    /// A forecast, which promises nothing.
    pub fn blocks_to_pass(&self, alpha: f64) -> Option<u64> {
        if self.blocks == 0 {
            let mut best = self.clone();
            best.add(1, 0);
            return best.blocks_to_pass(alpha);
        }
        let (level, blocks) = (threshold(alpha), self.blocks as f64);
        let reached = |n: f64| {
            let terms = self.pass.iter().zip(ln_grid_pass());
            ln_sum_exp(terms.map(|(wealth, bet)| wealth * (n / blocks) + bet.ln_w)) >= level
        };
        if reached(blocks) {
            return Some(self.blocks);
        }
        // Some bet that gains will carry the average; without one nothing does.
        let mut high = blocks.max(1.0);
        while !reached(high) {
            high *= 2.0;
            if high > NEVER {
                return None;
            }
        }
        let mut low = high / 2.0;
        while high - low > 0.5 {
            let middle = low + (high - low) / 2.0;
            if reached(middle) { high = middle } else { low = middle }
        }
        Some(high.ceil() as u64)
    }

    /// Whether every number makes sense; what was kept may not.
    pub fn is_sound(&self, m: f64) -> bool {
        self.m == m && self.pass.iter().chain(&self.fail).all(|wealth| wealth.is_finite())
    }

    /// Blocks that held observations.
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// ln E against "mean >= m": of the weighted average of the wealth over [`super::GRID_PASS`].
    ///
    /// While the mean that each block has, given those before, is at least `m` on average, it ever reaches
    /// `ln(1 / alpha)` with probability `alpha` at most.
    pub fn ln_e_pass(&self) -> f64 {
        ln_sum_exp(self.pass.iter().zip(ln_grid_pass()).map(|(wealth, bet)| wealth + bet.ln_w))
    }

    /// ln E against "mean <= m": of the weighted average of the wealth over [`super::GRID_FAIL`].
    ///
    /// While the mean that each block has, given those before, is at most `m` on average, it ever reaches
    /// `ln(1 / alpha)` with probability `alpha` at most.
    pub fn ln_e_fail(&self) -> f64 {
        ln_sum_exp(self.fail.iter().zip(ln_grid_fail()).map(|(wealth, bet)| wealth + bet.ln_w))
    }
}
