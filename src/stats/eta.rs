//! How many more observations a decision takes: if things go on as they did, or as they are expected to.

use super::eprocess::{Sums, Test, threshold};

/// No forecast reaches further than this many observations.
const NEVER: u64 = 1 << 53;

/// The rate a forecast assumes after `hits` in `n`: 0 when there was none, else `(hits + 1/2) / (n + 1)` (Krichevsky and
/// Trofimov 1981).
///
/// An estimate, which promises nothing.
pub fn assumed_rate(n: f64, hits: f64) -> f64 {
    if hits > 0.0 { (hits + 0.5) / (n + 1.0) } else { 0.0 }
}

/// The least number of further observations after which `ln E_pass` at `m` reaches `ln(1 / alpha)`, if +1 and -1 go
/// on at their assumed rates (the formula of [`super::ln_e_pass`] at counts that need not be whole). `None` when it never
/// does.
///
/// A forecast, which promises nothing; the test itself is what decides when the time has come.
pub fn samples_to_pass(sums: Sums, m: f64, alpha: f64) -> Option<u64> {
    let (plus, minus) = (assumed_rate(sums.n, sums.plus), assumed_rate(sums.n, sums.minus));
    samples_to_pass_by(sums, Sums { n: 1.0, plus, minus }, m, alpha)
}

/// The same, where each further observation adds `each` to the sums: what is expected of one.
pub fn samples_to_pass_by(sums: Sums, each: Sums, m: f64, alpha: f64) -> Option<u64> {
    let (test, level) = (Test::pass(m), threshold(alpha));
    let reached = |k: u64| test.reaches(sums.after(k, each), level);
    if reached(0) {
        return Some(0);
    }
    if each.plus - each.minus >= m * each.n {
        return None;
    }
    // For each bet the logarithm of the wealth is linear in k, so once reached it stays reached.
    least(reached)
}

/// The least number of observations, each adding `each` to sums of nothing, after which `ln E_fail` at `m` reaches
/// `ln(1 / alpha)`: the paired test where there may be -1, else the binary one. `None` when it never does.
pub fn samples_to_fail_by(each: Sums, m: f64, alpha: f64, paired: bool) -> Option<u64> {
    let level = threshold(alpha);
    if each.plus - each.minus <= m * each.n {
        return None;
    }
    let then = |k: u64| Sums::default().after(k, each);
    if paired {
        let test = Test::fail_paired(m);
        least(|k| test.reaches(then(k), level))
    } else {
        let test = Test::fail_binary(m);
        least(|k| test.reaches(then(k), level))
    }
}

/// The least number, from 1, of which holds what never ceases to hold; `None` when it holds of none in reach.
pub(super) fn least(holds: impl Fn(u64) -> bool) -> Option<u64> {
    let mut high = 1u64;
    while !holds(high) {
        high = high.checked_mul(2).filter(|k| *k <= NEVER)?;
    }
    let mut low = high / 2;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}
