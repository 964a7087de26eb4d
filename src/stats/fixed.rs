//! Intervals for a sample size fixed in advance. For display, labelled as such; never for the gate: read again and
//! again they are wrong far more often than they say.
//!
//! Both tails of a distribution are computed as themselves, never as one less the other: an alpha of 1e-12 is beyond
//! what a number near 1 can tell.

use std::f64::consts::{PI, TAU};

/// The exact two-sided interval for `hits` in `n`, each side at `alpha / 2`: the rates at which that many hits or more,
/// and that many or fewer, have the probability `alpha / 2` (Clopper and Pearson 1934).
///
/// Looked at once, at an `n` fixed beforehand, it misses the true rate with probability `alpha` at most.
pub fn clopper_pearson(n: u64, hits: u64, alpha: f64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (k, rest) = (hits as f64, n.saturating_sub(hits) as f64);
    let low = if hits == 0 { 0.0 } else { beta_point(k, rest + 1.0, |(below, _)| below >= alpha / 2.0) };
    (low, clopper_pearson_upper(n, hits, alpha / 2.0))
}

/// The exact one-sided upper bound at `alpha`: the rate at which `hits` or fewer in `n` have the probability `alpha`
/// (Clopper and Pearson 1934).
///
/// Looked at once, at an `n` fixed beforehand, it is below the true rate with probability `alpha` at most.
pub fn clopper_pearson_upper(n: u64, hits: u64, alpha: f64) -> f64 {
    if hits >= n { 1.0 } else { beta_point(hits as f64 + 1.0, (n - hits) as f64, |(_, above)| above <= alpha) }
}

/// The score interval, two-sided at `alpha`: the rates `p` with `|hits/n - p| <= z sqrt(p (1-p) / n)`, `z` the
/// normal quantile (Wilson 1927).
///
/// Looked at once, at an `n` fixed beforehand, it misses the true rate with a probability of about `alpha`.
pub fn wilson(n: u64, hits: u64, alpha: f64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (n, p, z) = (n as f64, hits as f64 / n as f64, normal_upper_quantile(alpha / 2.0));
    let scale = 1.0 + z * z / n;
    let centre = (p + z * z / (2.0 * n)) / scale;
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt() / scale;
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

/// Clean samples after which a test that looks once is satisfied: the least `n` with `(1 - tolerance)^n <= alpha`.
///
/// A candidate that diverges at `tolerance` shows so many clean samples in a row with probability `alpha` at most.
pub fn zero_failures(tolerance: f64, alpha: f64) -> u64 {
    (alpha.ln() / (-tolerance).ln_1p()).ceil() as u64
}

/// The rule of three (Hanley and Lippman-Hand 1983): [`zero_failures`] at `alpha = 0.05` is about `3 / tolerance`.
///
/// A thumb's width beside [`zero_failures`], with the same promise at 95 %.
pub fn rule_of_three(tolerance: f64) -> f64 {
    3.0 / tolerance
}

/// The value that a standard normal number exceeds with probability `p`, p in (0, 1), by bisection.
fn normal_upper_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..80 {
        let z = (low + high) / 2.0;
        if normal_above(z) > p { low = z } else { high = z }
    }
    (low + high) / 2.0
}

/// The probability that a standard normal number is above `z`: by its series around 0, and where that would cancel by
/// the continued fraction of Laplace.
fn normal_above(z: f64) -> f64 {
    const NEAR: f64 = 2.5;
    let density = (-z * z / 2.0).exp() / TAU.sqrt();
    if z.abs() > NEAR {
        let far = z.abs();
        let tail = density / (1..=200).rev().fold(far, |fraction, k| far + f64::from(k) / fraction);
        return if z > 0.0 { tail } else { 1.0 - tail };
    }
    let (mut term, mut sum, mut odd) = (z, z, 1.0);
    while term.abs() > 1e-18 * sum.abs() {
        odd += 2.0;
        term *= z * z / odd;
        sum += term;
    }
    0.5 - sum * density
}

/// The least x at which the tails of Beta(a, b), both at least 1, are as wanted, by bisection.
fn beta_point(a: f64, b: f64, reached: impl Fn((f64, f64)) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while high - low > 1e-13 * high {
        let x = low + (high - low) / 2.0;
        if x <= low || x >= high {
            break;
        }
        if reached(beta_tails(x, a, b)) { high = x } else { low = x }
    }
    low + (high - low) / 2.0
}

/// The probabilities of Beta(a, b), both at least 1, below and above x in (0, 1): the regularised incomplete beta
/// function, of the smaller tail.
fn beta_tails(x: f64, a: f64, b: f64) -> (f64, f64) {
    if x > (a + 1.0) / (a + b + 2.0) {
        let above = lesser_tail(1.0 - x, b, a);
        (1.0 - above, above)
    } else {
        let below = lesser_tail(x, a, b);
        (below, 1.0 - below)
    }
}

/// I_x(a, b) for x not beyond the mean: continued fraction (modified Lentz) times the density in Loader's saddle-point
/// form, which does not cancel for large shapes.
fn lesser_tail(x: f64, a: f64, b: f64) -> f64 {
    let ln_front = (a + b - 1.0).ln() + ln_binomial(a - 1.0, b - 1.0, x) + x.ln() + (-x).ln_1p();
    (ln_front.exp() * fraction(x, a, b) / a).min(1.0)
}

/// The continued fraction of I_x(a, b) without its factor in front.
fn fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    for m in 1..1_000_000u32 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away(1.0 + even * d);
        c = away(1.0 + even / c);
        h *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away(1.0 + odd * d);
        c = away(1.0 + odd / c);
        h *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    h
}

/// ln of the binomial probability of `k` hits and `rest` misses at rate `x` (Loader, 2000).
fn ln_binomial(k: f64, rest: f64, x: f64) -> f64 {
    let n = k + rest;
    if k == 0.0 {
        return n * (-x).ln_1p();
    }
    if rest == 0.0 {
        return n * x.ln();
    }
    let remainder = stirling_remainder(n) - stirling_remainder(k) - stirling_remainder(rest);
    remainder - deviance(k, n * x) - deviance(rest, n * (1.0 - x)) + 0.5 * (n / (2.0 * PI * k * rest)).ln()
}

/// `x ln(x / y) + y - x` without cancellation near x = y.
fn deviance(x: f64, y: f64) -> f64 {
    let v = (x - y) / (x + y);
    if v.abs() >= 0.1 {
        return x * (x / y).ln() + y - x;
    }
    let (mut sum, mut power, mut odd) = ((x - y) * v, 2.0 * x * v, 1.0);
    loop {
        power *= v * v;
        odd += 2.0;
        let next = sum + power / odd;
        if next == sum {
            return sum;
        }
        sum = next;
    }
}

/// `ln n! - ln(sqrt(2 pi n) (n/e)^n)` for n >= 1, whole.
fn stirling_remainder(n: f64) -> f64 {
    if n < 16.0 {
        let ln_factorial: f64 = (2..=n as u32).map(|k| f64::from(k).ln()).sum();
        return ln_factorial - 0.5 * (TAU * n).ln() - n * n.ln() + n;
    }
    let s = n * n;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / (1188.0 * s)) / s) / s) / s) / n
}
