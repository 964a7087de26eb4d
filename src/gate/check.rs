//! One rate against its limit: what the numbers alone say.

use super::words::{percent, percent_beside, thousands};
use crate::stats::{self, Sums, threshold};

/// What a rate is held against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub limit: f64,
    pub alpha_pass: f64,
    /// Already multiplied with the weight of this check.
    pub alpha_fail: f64,
    pub design_effect: f64,
}

/// Counts to be tested. Paired where something (a control, the primary) shows what would have happened anyway.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sample {
    pub n: u64,
    pub plus: u64,
    pub minus: u64,
    pub paired: bool,
}

/// What came of it. `passes` is the same as `upper < limit`, `crosses` the same as `lower > limit`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tested {
    pub observed: Option<f64>,
    pub lower: f64,
    pub upper: f64,
    pub passes: bool,
    pub crosses: bool,
    /// Samples a pass takes in all at the present rate; `None` when it is out of reach.
    pub needed: Option<u64>,
}

// === impl Sample ===

impl Sample {
    pub(super) fn add(&mut self, other: Sample) {
        self.n += other.n;
        self.plus += other.plus;
        self.minus += other.minus;
        self.paired |= other.paired;
    }

    pub(super) fn test(self, limits: &Limits) -> Tested {
        let sums = Sums::paired(self.n, self.plus, self.minus);
        let effective = sums.deflated(limits.design_effect);
        let Limits { limit, alpha_pass, alpha_fail, .. } = *limits;
        let passes = effective.ln_e_pass(limit) >= threshold(alpha_pass);
        let (ln_e_fail, lower, upper) = if self.paired {
            let lower = stats::lower_paired(effective, alpha_fail);
            (effective.ln_e_fail_paired(limit), lower, stats::upper_paired(effective, alpha_pass))
        } else {
            let lower = stats::lower(effective, alpha_fail);
            (effective.ln_e_fail_binary(limit), lower, stats::upper(effective, alpha_pass))
        };
        let crosses = self.n > 0 && ln_e_fail >= threshold(alpha_fail);
        Tested {
            observed: sums.mean(),
            // A bisection ends a little beside the root: where that matters the test itself is right.
            lower: if crosses { lower.max(limit.next_up()) } else { lower.min(limit) },
            upper: if passes { upper.min(limit.next_down()) } else { upper.max(limit) },
            passes,
            crosses,
            needed: stats::samples_to_pass(effective, limit, alpha_pass).map(|more| {
                let more = more as f64 * limits.design_effect.max(1.0);
                self.n.saturating_add(more.ceil() as u64)
            }),
        }
    }

    /// `3 of 61,004 comparisons diverged`, with the words for what happened given.
    pub(super) fn told(self, what: &str) -> String {
        let noun = if self.n == 1 { "comparison" } else { "comparisons" };
        match self.plus {
            0 => format!("none of {} {noun} {what}", thousands(self.n)),
            plus => format!("{} of {} {noun} {what}", thousands(plus), thousands(self.n)),
        }
    }
}

// === impl Tested ===

impl Tested {
    /// `upper bound 0.061 % is below the limit 0.1 %`.
    pub(super) fn below(&self, limit: f64) -> String {
        format!("upper bound {} is below the limit {}", percent_beside(self.upper, limit), percent(limit))
    }

    /// `lower bound 0.27 % is above the limit 0.1 %`.
    pub(super) fn above(&self, limit: f64) -> String {
        format!("lower bound {} is above the limit {}", percent_beside(self.lower, limit), percent(limit))
    }
}
