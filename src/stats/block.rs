//! Betting on block means, for data that come in bursts: one observation per closed block of time.

use super::eprocess::{ln_grid_fail, ln_grid_pass, ln_sum_exp};

/// The wealth of every bet of both grids after some blocks. Blocks may be of any length; blocks of several proxies
/// merge by [`BlockBets::merge`] when they are disjoint.
#[derive(Debug, Clone, PartialEq)]
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
        for (wealth, &(phi, _)) in self.pass.iter_mut().zip(ln_grid_pass()) {
            *wealth += (phi * (self.m - x) / (1.0 - self.m)).ln_1p();
        }
        for (wealth, &(phi, _)) in self.fail.iter_mut().zip(ln_grid_fail()) {
            *wealth += (phi * (x - self.m) / self.m).ln_1p();
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

    /// Blocks that held observations.
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// ln E against "mean >= m".
    pub fn ln_e_pass(&self) -> f64 {
        ln_sum_exp(self.pass.iter().zip(ln_grid_pass()).map(|(wealth, (_, ln_w))| wealth + ln_w))
    }

    /// ln E against "mean <= m".
    pub fn ln_e_fail(&self) -> f64 {
        ln_sum_exp(self.fail.iter().zip(ln_grid_fail()).map(|(wealth, (_, ln_w))| wealth + ln_w))
    }
}
