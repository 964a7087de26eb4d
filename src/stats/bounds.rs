//! One-sided bounds on a mean, valid at every poll together: the tested value at which the e-process crosses.

use super::eprocess::{Sums, threshold};

/// Relative width at which the search stops.
const WIDTH: f64 = 1e-10;
/// Steps after which the search stops in any case; halving alone needs fewer.
const MAX_STEPS: u32 = 300;

/// Where to look, and where first: a guess and how far it may be off.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub min: f64,
    pub max: f64,
    pub guess: f64,
    pub off: f64,
}

/// The least mean in [0, 1] that binary data refute from above at `alpha`: the root in m of `ln E_pass = ln(1/alpha)`,
/// 1 when there is none (a confidence sequence: Howard et al., arXiv 1810.08240). At the value returned the e-process
/// has crossed, so a limit above it passes.
///
/// It is ever at or below the mean so far with probability `alpha` at most, however often it is read.
pub fn upper(sums: Sums, alpha: f64) -> f64 {
    let level = threshold(alpha);
    rising(Range::beside(sums, 0.0, level, 1.0), level, |m| sums.ln_e_pass(m))
}

/// As [`upper`] for observations in {-1, 0, 1}, in [-1, 1]: the root in m of `ln E_pass = ln(1/alpha)`, 1 when there is
/// none (Howard et al., arXiv 1810.08240).
///
/// It is ever at or below the mean so far with probability `alpha` at most, however often it is read.
pub fn upper_paired(sums: Sums, alpha: f64) -> f64 {
    let level = threshold(alpha);
    rising(Range::beside(sums, -1.0, level, 1.0), level, |m| sums.ln_e_pass(m))
}

/// The greatest mean in [0, 1] that binary data refute from below at `alpha`: the root in m of
/// `ln E_fail = ln(1/alpha)`, 0 when there is none (Howard et al., arXiv 1810.08240). A limit below it fails.
///
/// It is ever at or above the mean so far with probability `alpha` at most, however often it is read.
pub fn lower(sums: Sums, alpha: f64) -> f64 {
    let level = threshold(alpha);
    falling(Range::beside(sums, 0.0, level, -1.0), level, |m| sums.ln_e_fail_binary(m))
}

/// As [`lower`] for observations in {-1, 0, 1}, in [-1, 1]: the root in m of the paired `ln E_fail = ln(1/alpha)`, -1
/// when there is none (Howard et al., arXiv 1810.08240).
///
/// It is ever at or above the mean so far with probability `alpha` at most, however often it is read.
pub fn lower_paired(sums: Sums, alpha: f64) -> f64 {
    let level = threshold(alpha);
    falling(Range::beside(sums, -1.0, level, -1.0), level, |m| sums.ln_e_fail_paired(m))
}

/// The root of a rising function, from the side where it has been reached; `max` when it is not reached there.
pub(super) fn rising(range: Range, level: f64, f: impl Fn(f64) -> f64) -> f64 {
    if !is_reached(f(range.max) - level) {
        return range.max;
    }
    search(range, |m| f(m) - level, is_reached).1
}

/// The root of a falling function, from the side where it is still reached; `min` when it is not reached there.
fn falling(range: Range, level: f64, f: impl Fn(f64) -> f64) -> f64 {
    if !is_reached(f(range.min) - level) {
        return range.min;
    }
    search(range, |m| level - f(m), |short| short > 0.0).0
}

fn is_reached(beyond: f64) -> bool {
    beyond >= 0.0
}

/// Narrows to the place where a rising function turns from not beyond to beyond; its values there are of either sign.
/// First outward from the guess until it is enclosed, then by the rule of false position, where an end that stays is
/// taken for half of what it is (the Illinois method), and by halving where that gets no further. The width is relative,
/// since bounds may be 1e-9.
fn search(range: Range, f: impl Fn(f64) -> f64, beyond: impl Fn(f64) -> bool) -> (f64, f64) {
    let Range { min, max, guess, off } = range;
    // Values at ends that were not asked for are not known.
    let (mut low, mut high) = ((min, f64::NAN), (max, f64::NAN));
    let (mut at, mut step) = (guess, off);
    while at > low.0 && at < high.0 && step > 0.0 {
        let value = f(at);
        let is_beyond = beyond(value);
        if is_beyond {
            high = (at, value)
        } else {
            low = (at, value)
        }
        if !low.1.is_nan() && !high.1.is_nan() {
            break;
        }
        at += if is_beyond { -step } else { step };
        step *= 2.0;
    }
    let mut stayed = 0i32;
    for steps in 0..MAX_STEPS {
        let width = high.0 - low.0;
        let enough = WIDTH * low.0.abs().max(high.0.abs());
        if width <= enough || width <= f64::MIN_POSITIVE {
            break;
        }
        let line = low.0 + width * (low.1 / (low.1 - high.1));
        let known = low.1.is_finite() && high.1.is_finite() && line.is_finite() && steps % 4 != 3;
        // Not nearer to an end than what is enough, or that end would creep.
        let at = if known { line.clamp(low.0 + enough / 2.0, high.0 - enough / 2.0) } else { low.0 + width / 2.0 };
        if at <= low.0 || at >= high.0 {
            break;
        }
        let value = f(at);
        if beyond(value) {
            high = (at, value);
            stayed = stayed.max(0) + 1;
            if stayed > 1 {
                low.1 /= 2.0;
            }
        } else {
            low = (at, value);
            stayed = stayed.min(0) - 1;
            if stayed < -1 {
                high.1 /= 2.0;
            }
        }
    }
    (low.0, high.0)
}

// === impl Range ===

impl Range {
    /// About where the bound of these sums at `level` is, on the side of `sign`.
    fn beside(sums: Sums, min: f64, level: f64, sign: f64) -> Self {
        let n = sums.n.max(1.0);
        let spread = (sums.plus + sums.minus) / n;
        let off = (level + (2.0 * level * spread * n).sqrt()) / n;
        let mean = (sums.plus - sums.minus) / n;
        let guess = mean + sign * off;
        // Beneath a small mean there is less room than that.
        let guess = if guess <= min { (min + mean) / 2.0 } else { guess };
        Self { min, max: 1.0, guess: guess.min(1.0 - 1e-9), off: off / 2.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn some() -> impl Strategy<Value = Sums> {
        let n = prop_oneof![1u64..50, 1u64..100_000, 1u64..1_000_000_000];
        (n, 0.0f64..1.0, 0.0f64..1.0, 0u32..30).prop_map(|(n, a, b, small)| {
            let plus = (n as f64 * a * 0.5f64.powi(small as i32)).round();
            Sums { n: n as f64, plus, minus: ((n as f64 - plus) * b * 0.5f64.powi(small as i32)).round() }
        })
    }

    proptest! {
        #[test]
        fn both_sides_of_a_bound_are_what_they_should_be(sums in some(), alpha in 1e-6f64..0.5) {
            let level = threshold(alpha);
            let binary = Sums { minus: 0.0, ..sums };
            for (bound, floor, f) in [
                (upper(binary, alpha), 0.0, binary),
                (upper_paired(sums, alpha), -1.0, sums),
            ] {
                prop_assert!(bound == 1.0 || f.ln_e_pass(bound) >= level);
                let beside = bound - 4.0 * WIDTH * bound.abs();
                prop_assert!(beside <= floor || f.ln_e_pass(beside) < level + 1e-6, "{bound}");
            }
            let (low, paired) = (lower(binary, alpha), lower_paired(sums, alpha));
            prop_assert!(low == 0.0 || binary.ln_e_fail_binary(low) >= level);
            prop_assert!(paired == -1.0 || sums.ln_e_fail_paired(paired) >= level);
            let beside = |m: f64| m + 4.0 * WIDTH * m.abs();
            prop_assert!(low == 0.0 || binary.ln_e_fail_binary(beside(low)) < level + 1e-6);
            prop_assert!(paired == -1.0 || sums.ln_e_fail_paired(beside(paired)) < level + 1e-6);
        }

        #[test]
        fn a_bound_takes_few_steps(sums in some(), alpha in 1e-6f64..0.5) {
            let asked = std::cell::Cell::new(0);
            let binary = Sums { minus: 0.0, ..sums };
            let f = |m: f64| { asked.set(asked.get() + 1); binary.ln_e_pass(m) };
            rising(Range::beside(binary, 0.0, threshold(alpha), 1.0), threshold(alpha), f);
            prop_assert!(asked.get() < 60, "{}", asked.get());
        }
    }

    #[test]
    fn usual_bounds_take_a_dozen_steps() {
        for (n, a) in [(5_613u64, 0u64), (412_118, 1_247), (61_004, 3), (1_000_000_000, 40), (300, 40)] {
            let asked = std::cell::Cell::new(0);
            let sums = Sums::binary(n, a);
            let f = |m: f64| {
                asked.set(asked.get() + 1);
                sums.ln_e_pass(m)
            };
            rising(Range::beside(sums, 0.0, threshold(0.01), 1.0), threshold(0.01), f);
            assert!(asked.get() <= 16, "{} for {a} of {n}", asked.get());
        }
    }
}
