//! One-sided bounds on a mean, valid at every poll together: the tested value at which the e-process crosses.

use super::eprocess::{Sums, threshold};

/// Relative width at which the bisection stops.
const WIDTH: f64 = 1e-10;

/// The least mean in [0, 1] that binary data refute from above at `alpha`: the root in m of `ln E_pass = ln(1/alpha)`.
/// 1 when there is none. At the value returned the e-process has crossed, so a limit above it passes.
pub fn upper(sums: Sums, alpha: f64) -> f64 {
    rising(0.0, 1.0, threshold(alpha), |m| sums.ln_e_pass(m))
}

/// As [`upper`] for observations in {-1, 0, 1}; in [-1, 1].
pub fn upper_paired(sums: Sums, alpha: f64) -> f64 {
    rising(-1.0, 1.0, threshold(alpha), |m| sums.ln_e_pass(m))
}

/// The greatest mean in [0, 1] that binary data refute from below at `alpha`: the root in m of
/// `ln E_fail = ln(1/alpha)`. 0 when there is none. A limit below it fails.
pub fn lower(sums: Sums, alpha: f64) -> f64 {
    falling(0.0, 1.0, threshold(alpha), |m| sums.ln_e_fail_binary(m))
}

/// As [`lower`] for observations in {-1, 0, 1}; in [-1, 1].
pub fn lower_paired(sums: Sums, alpha: f64) -> f64 {
    falling(-1.0, 1.0, threshold(alpha), |m| sums.ln_e_fail_paired(m))
}

/// The root of a rising function, from the side where it has been reached; `max` when it is not reached there.
pub(super) fn rising(min: f64, max: f64, level: f64, f: impl Fn(f64) -> f64) -> f64 {
    let reached = |m: f64| f(m) >= level;
    if !reached(max) {
        return max;
    }
    bisect(min, max, reached).1
}

/// The root of a falling function, from the side where it is still reached; `min` when it is not reached there.
fn falling(min: f64, max: f64, level: f64, f: impl Fn(f64) -> f64) -> f64 {
    let reached = |m: f64| f(m) >= level;
    if !reached(min) {
        return min;
    }
    bisect(min, max, |m| !reached(m)).0
}

/// Narrows to the place where `beyond` turns from false to true. The width is relative, since bounds may be 1e-9.
fn bisect(mut low: f64, mut high: f64, beyond: impl Fn(f64) -> bool) -> (f64, f64) {
    for _ in 0..200 {
        let width = high - low;
        if width <= WIDTH * low.abs().max(high.abs()) || width <= f64::MIN_POSITIVE {
            break;
        }
        let middle = low + width / 2.0;
        if beyond(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    (low, high)
}
