//! Many routes at once: who may be called out without crying wolf.

use super::eprocess::{ln_sum_exp, threshold};
use std::f64::consts::PI;

/// The e-BH procedure: indices, ascending, whose E are among the k greatest with `e_(k) >= R / (k q)`. The share of
/// false ones among them is at most `q` in expectation, whatever the dependence (Wang and Ramdas, 2009.02824). For
/// E at one poll, not for running maxima.
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

/// Whether a check that holds the share `weight` of `alpha` fails: `ln E_fail >= ln(1 / (alpha weight))`.
/// Weights are fixed before the data and sum to at most 1 (weighted Bonferroni).
pub fn fails_weighted(ln_e_fail: f64, weight: f64, alpha: f64) -> bool {
    ln_e_fail >= threshold(alpha * weight)
}

/// Logarithm of the weighted average of several E: an e-value for "something is broken".
pub fn log_average_e(ln_e: &[f64], weights: &[f64]) -> f64 {
    ln_sum_exp(ln_e.iter().zip(weights).map(|(e, w)| e + w.ln()))
}

/// The share of an error budget that the j-th of an unknown number of claimants gets, j from 1: `6 / (pi j)^2`.
/// These sum to 1.
pub fn late_weight(j: u64) -> f64 {
    let j = j.max(1) as f64;
    6.0 / (PI * PI * j * j)
}

/// The alpha of the j-th epoch that was started by hand for one and the same build, j from 1.
pub fn spend(alpha: f64, epoch: u64) -> f64 {
    alpha * late_weight(epoch)
}
