//! Many routes at once: who may be called out without crying wolf.

use super::eprocess::{ln_sum_exp, threshold};
use std::f64::consts::PI;

/// The e-BH procedure over `R` hypotheses: indices, ascending, of the `k` greatest E, with `k` the greatest for which
/// `e_(k) >= R / (k q)` (Wang and Ramdas, arXiv 2009.02824).
///
/// The share of false ones among them is at most `q` in expectation, however the E depend on each other; for E at one
/// poll, not for the greatest that each ever was (Tavyrikov, Goeman and de Heide, arXiv 2501.19360).
pub fn e_bh(ln_e: &[f64], q: f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..ln_e.len()).collect();
    order.sort_by(|&i, &j| ln_e[j].total_cmp(&ln_e[i]));
    let all = ln_e.len() as f64;
    let enough = |k: usize| order.get(k - 1).is_some_and(|&i| ln_e[i] >= (all / (k as f64 * q)).ln());
    let k = (1..=ln_e.len()).rev().find(|&k| enough(k)).unwrap_or(0);
    order.truncate(k);
    order.sort_unstable();
    order
}

/// Whether a check that holds the share `weight` of `alpha` fails: `ln E_fail >= ln(1 / (alpha weight))` (weighted
/// Bonferroni: Genovese, Roeder and Wasserman 2006).
///
/// Where weights are fixed before the data and sum to at most 1, any false failure ever has probability `alpha` at most.
pub fn fails_weighted(ln_e_fail: f64, weight: f64, alpha: f64) -> bool {
    ln_e_fail >= threshold(alpha * weight)
}

/// Logarithm of the weighted average of several E: `ln sum_i w_i E_i` (Vovk and Wang, arXiv 1912.06116).
///
/// With weights that sum to at most 1 it is an E against "nothing is broken": it ever reaches `ln(1 / alpha)` with
/// probability `alpha` at most when nothing is, however the E depend on each other.
pub fn log_average_e(ln_e: &[f64], weights: &[f64]) -> f64 {
    ln_sum_exp(ln_e.iter().zip(weights).map(|(e, w)| e + w.ln()))
}

/// The share of an error budget that the j-th of an unknown number of claimants gets, j from 1: `6 / (pi j)^2`, since
/// `sum 1 / j^2 = pi^2 / 6` (Euler).
///
/// All shares together are 1, however many there will be.
pub fn late_weight(j: u64) -> f64 {
    let j = j.max(1) as f64;
    6.0 / (PI * PI * j * j)
}

/// The alpha of the j-th epoch that was started by hand for one and the same build, j from 1: `6 alpha / (pi j)^2`
/// (alpha spending over an unbounded number of tries, by the union bound).
///
/// However often somebody starts anew, a bad build ever passes with probability `alpha` at most over all tries
/// that were started so.
pub fn spend(alpha: f64, epoch: u64) -> f64 {
    alpha * late_weight(epoch)
}
