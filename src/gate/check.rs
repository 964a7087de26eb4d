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

/// How often something is expected, of one comparison; paired as in [`Sample`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rates {
    pub plus: f64,
    pub minus: f64,
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

    fn effective(self, limits: &Limits) -> Sums {
        Sums::paired(self.n, self.plus, self.minus).deflated(limits.design_effect)
    }

    /// Whether the numbers pass, without the bounds that would show it.
    pub(super) fn passes(self, limits: &Limits) -> bool {
        self.effective(limits).ln_e_pass(limits.limit) >= threshold(limits.alpha_pass)
    }

    /// Whether they are beyond the limit, the same way.
    pub(super) fn crosses(self, limits: &Limits) -> bool {
        let sums = self.effective(limits);
        let ln_e = || match self.paired {
            true => sums.ln_e_fail_paired(limits.limit),
            false => sums.ln_e_fail_binary(limits.limit),
        };
        self.plus > 0 && ln_e() >= threshold(limits.alpha_fail)
    }

    /// The bound below; `crosses` is what the test said.
    pub(super) fn lower(self, limits: &Limits, crosses: bool) -> f64 {
        let sums = self.effective(limits);
        let lower = match self.paired {
            true => stats::lower_paired(sums, limits.alpha_fail),
            false => stats::lower(sums, limits.alpha_fail),
        };
        // A search ends a little beside the root: where that matters the test itself is right.
        if crosses { lower.max(limits.limit.next_up()) } else { lower.min(limits.limit) }
    }

    /// The bound above; `passes` is what the test said.
    pub(super) fn upper(self, limits: &Limits, passes: bool) -> f64 {
        let sums = self.effective(limits);
        let upper = match self.paired {
            true => stats::upper_paired(sums, limits.alpha_pass),
            false => stats::upper(sums, limits.alpha_pass),
        };
        if passes { upper.min(limits.limit.next_down()) } else { upper.max(limits.limit) }
    }

    /// Samples a pass takes in all at the present rate; `None` when it is out of reach.
    pub(super) fn needed(self, limits: &Limits) -> Option<u64> {
        let sums = self.effective(limits);
        let (plus, minus) = (stats::assumed_rate(sums.n, sums.plus), stats::assumed_rate(sums.n, sums.minus));
        let each = Rates { plus, minus, paired: self.paired }.each(limits);
        let more = stats::samples_to_pass_by(sums, each, limits.limit, limits.alpha_pass)?;
        Some(self.n.saturating_add(more))
    }

    pub(super) fn test(self, limits: &Limits) -> Tested {
        let crosses = self.crosses(limits);
        Tested { crosses, lower: self.lower(limits, crosses), ..self.test_above(limits) }
    }

    /// What is above alone: it does not cross, and its lower bound is not looked for.
    pub(super) fn test_above(self, limits: &Limits) -> Tested {
        let passes = self.passes(limits);
        Tested {
            observed: Sums::paired(self.n, self.plus, self.minus).mean(),
            lower: if self.paired { -1.0 } else { 0.0 },
            upper: self.upper(limits, passes),
            passes,
            crosses: false,
            needed: if passes { Some(self.n) } else { self.needed(limits) },
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

// === impl Rates ===

impl Rates {
    /// Comparisons a pass takes in all if these rates hold; `None` when it is out of reach.
    pub(super) fn needed(self, limits: &Limits) -> Option<u64> {
        stats::samples_to_pass_by(Sums::default(), self.each(limits), limits.limit, limits.alpha_pass)
    }

    /// Comparisons after which they are beyond the limit.
    pub(super) fn crossing(self, limits: &Limits) -> Option<u64> {
        stats::samples_to_fail_by(self.each(limits), limits.limit, limits.alpha_fail, self.paired)
    }

    /// What one comparison adds to the sums.
    fn each(self, limits: &Limits) -> Sums {
        Sums { n: 1.0, plus: self.plus, minus: self.minus }.deflated(limits.design_effect)
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
