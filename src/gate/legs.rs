//! Comparisons with a control answer and those without, judged together.
//!
//! - An exchange with a control answer is a pair: +1 where only the candidate differed, -1 where only the control
//!   did. One without is +1 where the candidate differed, as if the control would not have. So the mean over all is
//!   never below the true excess, and a pass rests on it alone. A control that fell silent vouches for nothing.
//! - What had no control answer may hold noise that nobody took out. For a fail it has to be beyond the limit by more
//!   than all the noise the control may have: the three bounds that takes share `alpha_fail`.
//! - Known noise goes on being excused when the control is gone. With it put back on both sides, what had no control
//!   answer must not stand out beyond the limit; if it does, or if it is beyond the limit by itself, nothing passes.

use super::check::{Limits, Sample, Tested};
use super::words::thousands;
use crate::evidence::RouteEvidence;
use crate::stats::{self, Sums};

/// Shares of `alpha_fail` where there is a control: the pairs, the others, the noise the others may hold.
pub(super) const PAIRED: f64 = 0.75;
const REST: f64 = 0.125;
const NOISE: f64 = 0.125;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Legs {
    /// With a control answer.
    pub paired: Sample,
    /// Without one.
    pub rest: Sample,
    /// Pairs in which the control differed after the noise known before was taken out.
    pub control_differed: u64,
    /// Pairs in which it differed before.
    noisy_pairs: u64,
    /// Of the rest, those that differed before noise was taken out.
    noisy_rest: u64,
}

#[derive(Debug)]
pub(super) struct Said {
    /// What the numbers are of: everything, or the part that is beyond the limit.
    pub sample: Sample,
    pub tested: Tested,
    /// Why nothing passes, where that is for want of control answers.
    pub gap: Option<String>,
}

// === impl Legs ===

impl Legs {
    pub(super) fn of(route: &RouteEvidence) -> Self {
        let (pairs, counts) = (&route.paired, &route.counts);
        let paired = Sample { n: pairs.total(), plus: pairs.n10, minus: pairs.n01, paired: true };
        let rest = Sample {
            n: counts.compared.saturating_sub(pairs.total()),
            plus: counts.divergent.saturating_sub(route.control.divergent),
            minus: 0,
            paired: false,
        };
        Self {
            paired,
            rest: Sample { plus: rest.plus.min(rest.n), ..rest },
            control_differed: pairs.n01 + pairs.n11,
            noisy_pairs: route.control.differed.min(pairs.total()),
            noisy_rest: (rest.plus + route.control.unpaired_noise).min(rest.n),
        }
    }

    pub(super) fn add(&mut self, other: Legs) {
        self.paired.add(other.paired);
        self.rest.add(other.rest);
        self.control_differed += other.control_differed;
        self.noisy_pairs += other.noisy_pairs;
        self.noisy_rest += other.noisy_rest;
    }

    pub(super) fn all(&self) -> Sample {
        let mut all = self.rest;
        if self.paired.n > 0 {
            all.add(self.paired);
        }
        all
    }

    pub(super) fn test(&self, limits: &Limits) -> Said {
        let sample = self.all();
        if self.paired.n == 0 {
            return Said { sample, tested: sample.test(limits), gap: None };
        }
        let share = |share: f64| Limits { alpha_fail: limits.alpha_fail * share, ..*limits };
        let paired = self.paired.test(&share(PAIRED));
        if self.rest.n == 0 {
            return Said { sample, tested: paired, gap: None };
        }
        let (rest_crosses, rest_lower) = self.beyond_noise(limits);
        // The larger one speaks: it is the one that may have enough comparisons to fail.
        if rest_crosses && (!paired.crosses || self.rest.n >= self.paired.n) {
            let tested = Tested { crosses: true, lower: rest_lower, ..self.rest.test_above(limits) };
            return Said { sample: self.rest, tested, gap: None };
        }
        if paired.crosses {
            return Said { sample: self.paired, tested: paired, gap: None };
        }
        let mut tested = sample.test_above(limits);
        let observed = tested.observed.unwrap_or(0.0);
        tested.lower = paired.lower.max(rest_lower).min(limits.limit).min(observed);
        let alone = self.rest.crosses(limits) || self.stands_out(limits);
        if alone {
            tested.passes = false;
            tested.upper = tested.upper.max(self.rest.upper(limits, false)).max(limits.limit);
            tested.needed = None;
        }
        let gap = (!tested.passes && (alone || paired.passes)).then(|| self.gap());
        Said { sample, tested, gap }
    }

    /// Whether the rest is beyond the limit, and its lower bound, lessened by all the noise it may hold.
    fn beyond_noise(&self, limits: &Limits) -> (bool, f64) {
        let share = Limits { alpha_fail: limits.alpha_fail * REST, ..*limits };
        let crosses = self.rest.crosses(&share);
        let noise = upper(self.control_differed, self.paired.n, limits.alpha_fail * NOISE, limits.design_effect);
        let lower = self.rest.lower(&share, crosses) - noise;
        (crosses && lower > limits.limit, lower)
    }

    /// Whether the rest, known noise put back, differs beyond the limit more often than the control did.
    fn stands_out(&self, limits: &Limits) -> bool {
        let share = |of: u64, n: u64| of as f64 / n.max(1) as f64;
        // No bound is nearer to the limit than the rates themselves.
        if share(self.noisy_rest, self.rest.n) - share(self.noisy_pairs, self.paired.n) <= limits.limit {
            return false;
        }
        let alpha = limits.alpha_fail / 2.0;
        let deflated = Sums::binary(self.rest.n, self.noisy_rest).deflated(limits.design_effect);
        let noise = upper(self.noisy_pairs, self.paired.n, alpha, limits.design_effect);
        stats::lower(deflated, alpha) - noise > limits.limit
    }

    fn gap(&self) -> String {
        let (answered, all) = (thousands(self.paired.n), thousands(self.all().n));
        let (plus, rest) = (thousands(self.rest.plus), thousands(self.rest.n));
        let excused = self.noisy_rest - self.rest.plus.min(self.noisy_rest);
        let excused = match excused {
            0 => String::new(),
            n => format!(" and {} were excused as noise", thousands(n)),
        };
        format!(
            "the control answered only {answered} of {all} comparisons; of the other {rest}, {plus} diverged{excused}, \
             which nothing shows to be noise: see to the control, or raise control.sample"
        )
    }
}

fn upper(plus: u64, n: u64, alpha: f64, design_effect: f64) -> f64 {
    stats::upper(Sums::binary(n, plus).deflated(design_effect), alpha)
}
