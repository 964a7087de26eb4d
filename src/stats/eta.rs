//! How many more observations a pass takes if things go on as they did.

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
    let (test, level) = (Test::pass(m), threshold(alpha));
    let (plus, minus) = (assumed_rate(sums.n, sums.plus), assumed_rate(sums.n, sums.minus));
    let reached = |k: u64| {
        let k = k as f64;
        let then = Sums { n: sums.n + k, plus: sums.plus + plus * k, minus: sums.minus + minus * k };
        test.reaches(then, level)
    };
    if reached(0) {
        return Some(0);
    }
    if plus - minus >= m {
        return None;
    }
    // For each bet the logarithm of the wealth is linear in k, so once reached it stays reached.
    let mut high = 1u64;
    while !reached(high) {
        high = high.checked_mul(2).filter(|k| *k <= NEVER)?;
    }
    let mut low = high / 2;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if reached(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}
