//! The primitive: how much a fixed set of bettors has won against a hypothesis about a mean.
//!
//! Observations are +1, 0 or -1 (a binary one is +1 or 0). For one bet `phi` the wealth is multiplied by
//! `1 + lambda (m - x)` against "mean >= m" and by `1 + lambda (x - m)` against "mean <= m", with `lambda` the
//! share `phi` of the largest stake that cannot go bankrupt. The e-process is the average wealth over the grid
//! (Waudby-Smith and Ramdas, arXiv 2010.09686; Howard et al., arXiv 1810.08240). All logarithms are natural.
//!
//! What all of it guarantees: while the average of the conditional means so far is within the hypothesis, no bet gains in
//! expectation, so the average wealth is a supermartingale that starts at 1, and the probability that it ever reaches
//! `1 / alpha` is at most `alpha`, at all polls together (Ville 1939). Nothing is assumed of independence or of a rate
//! that stays the same.

use std::sync::LazyLock;

/// The bets against "mean >= m", and of the paired test against "mean <= m": (phi, weight). The grid is part of the
/// meaning of stored evidence: another grid is another epoch.
pub const GRID_PASS: [(f64, f64); 17] = pass_grid();

/// The bets of the binary test against "mean <= m": (phi, weight).
pub const GRID_FAIL: [(f64, f64); 24] = fail_grid();

/// The sums a mean is tested from: observations, those that were +1, those that were -1. Real-valued, because a
/// design effect divides counts and a forecast extends them by fractions.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sums {
    pub n: f64,
    pub plus: f64,
    pub minus: f64,
}

/// A bet with the logarithms that do not depend on what is tested.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bet {
    pub phi: f64,
    /// Of its weight.
    pub ln_w: f64,
    /// Of what is left of a stake that lost all it could.
    pub ln_lost: f64,
}

static LN_PASS: LazyLock<[Bet; 17]> = LazyLock::new(|| GRID_PASS.map(Bet::new));
static LN_FAIL: LazyLock<[Bet; 24]> = LazyLock::new(|| GRID_FAIL.map(Bet::new));

/// Beneath the greatest by more than this a term does not change a sum of so few in double precision.
const NEGLIGIBLE: f64 = 40.0;

/// One test at one tested mean, every logarithm taken: asked of many sums, or of sums that grow, it only multiplies.
#[derive(Debug, Clone, Copy)]
pub struct Test<const BETS: usize>([[f64; 4]; BETS]);

/// ln E against "mean >= m" after `n` observations of which `a` were +1 and `b` were -1 (`b = 0` for binary data):
/// with `z = n - a - b`, over the bets of [`GRID_PASS`],
///
/// ```text
/// ln sum_k w_k (1 - phi_k)^a (1 + phi_k m / (1 - m))^z (1 + phi_k (1 + m) / (1 - m))^b
/// ```
///
/// (Waudby-Smith and Ramdas, arXiv 2010.09686). `m` in (-1, 1), for binary data in [0, 1]. Increasing in `m`; 0 when
/// `n = 0`.
///
/// While the mean so far is at least `m`, it ever reaches `ln(1 / alpha)` with probability `alpha` at most.
pub fn ln_e_pass(n: u64, a: u64, b: u64, m: f64) -> f64 {
    Sums::paired(n, a, b).ln_e_pass(m)
}

/// ln E against "mean <= m" for binary data, `n` observations of which `a` were 1: over the bets of [`GRID_FAIL`],
///
/// ```text
/// ln sum_k w_k (1 + phi_k (1 - m) / m)^a (1 - phi_k)^(n - a)
/// ```
///
/// (Waudby-Smith and Ramdas, arXiv 2010.09686). `m` in [0, 1]; decreasing in `m`; infinite for `m = 0` once `a >= 1`.
///
/// While the mean so far is at most `m`, it ever reaches `ln(1 / alpha)` with probability `alpha` at most.
pub fn ln_e_fail_binary(n: u64, a: u64, m: f64) -> f64 {
    Sums::binary(n, a).ln_e_fail_binary(m)
}

/// ln E against "mean <= m" for observations in {-1, 0, 1}, `a` of `n` were +1, `b` were -1: with `z = n - a - b`, over
/// the bets of [`GRID_PASS`],
///
/// ```text
/// ln sum_k w_k (1 + phi_k (1 - m) / (1 + m))^a (1 - phi_k m / (1 + m))^z (1 - phi_k)^b
/// ```
///
/// (Waudby-Smith and Ramdas, arXiv 2010.09686). `m` in [-1, 1]; decreasing in `m`. At `m = 0` it is the anytime-valid
/// form of McNemar's test (1947).
///
/// While the mean so far is at most `m`, it ever reaches `ln(1 / alpha)` with probability `alpha` at most.
pub fn ln_e_fail_paired(n: u64, a: u64, b: u64, m: f64) -> f64 {
    Sums::paired(n, a, b).ln_e_fail_paired(m)
}

/// A p-value valid at every poll together: `min(1, 1 / E)` (Ramdas, Grünwald, Vovk and Shafer, arXiv 2210.01948).
///
/// Under the hypothesis it is ever at most `p` with probability `p` at most, however often it is read.
pub fn anytime_p(ln_e: f64) -> f64 {
    (-ln_e).exp().min(1.0)
}

/// ln E at which a test of level `alpha` rejects: `ln(1 / alpha)` (Ville 1939). `alpha` in (0, 1]; 0 gives infinity.
///
/// A test that rejects from there on is wrong in a share `alpha` of all unending runs at most.
pub fn threshold(alpha: f64) -> f64 {
    -alpha.ln()
}

/// Logarithm of a sum of exponentials, the maximum taken out. Of nothing: minus infinity.
pub(super) fn ln_sum_exp(terms: impl Iterator<Item = f64> + Clone) -> f64 {
    let max = terms.clone().fold(f64::NEG_INFINITY, f64::max);
    if max.is_infinite() {
        return max;
    }
    max + terms.map(|t| t - max).filter(|t| *t > -NEGLIGIBLE).map(f64::exp).sum::<f64>().ln()
}

/// The pass grid with its logarithms.
pub(super) fn ln_grid_pass() -> &'static [Bet; 17] {
    &LN_PASS
}

/// The fail grid with its logarithms.
pub(super) fn ln_grid_fail() -> &'static [Bet; 24] {
    &LN_FAIL
}

// === impl Bet ===

impl Bet {
    fn new((phi, w): (f64, f64)) -> Self {
        Self { phi, ln_w: w.ln(), ln_lost: (-phi).ln_1p() }
    }
}

// === impl Test ===

impl Test<17> {
    /// Against "mean >= m"; see [`ln_e_pass`].
    pub fn pass(m: f64) -> Self {
        let up = (1.0 + m) / (1.0 - m);
        let mut test = Self::pass_binary(m);
        test.0.iter_mut().zip(ln_grid_pass()).for_each(|(bet, Bet { phi, .. })| bet[3] = (phi * up).ln_1p());
        test
    }

    /// The same for sums without -1.
    pub(super) fn pass_binary(m: f64) -> Self {
        let zero = m / (1.0 - m);
        Self(ln_grid_pass().map(|Bet { phi, ln_w, ln_lost }| [ln_w, ln_lost, (phi * zero).ln_1p(), 0.0]))
    }

    /// Against "mean <= m", for pairs; see [`ln_e_fail_paired`].
    pub fn fail_paired(m: f64) -> Self {
        let (up, zero) = ((1.0 - m) / (1.0 + m), -m / (1.0 + m));
        Self(ln_grid_pass().map(|Bet { phi, ln_w, ln_lost }| [ln_w, (phi * up).ln_1p(), (phi * zero).ln_1p(), ln_lost]))
    }
}

impl Test<24> {
    /// Against "mean <= m", for binary data; see [`ln_e_fail_binary`].
    pub fn fail_binary(m: f64) -> Self {
        let up = (1.0 - m) / m;
        Self(ln_grid_fail().map(|Bet { phi, ln_w, ln_lost }| [ln_w, (phi * up).ln_1p(), ln_lost, ln_lost]))
    }
}

impl<const BETS: usize> Test<BETS> {
    /// ln E of these sums.
    pub fn ln_e(&self, sums: Sums) -> f64 {
        ln_sum_exp(self.terms(sums))
    }

    /// Whether ln E is at least `level`. The greatest term alone nearly always tells.
    pub fn reaches(&self, sums: Sums, level: f64) -> bool {
        let max = self.terms(sums).fold(f64::NEG_INFINITY, f64::max);
        max >= level || (max + (BETS as f64).ln() >= level && self.ln_e(sums) >= level)
    }

    fn terms(&self, sums: Sums) -> impl Iterator<Item = f64> + Clone {
        let zeros = sums.zeros();
        // Nothing when nothing was observed, however large the gain would be.
        let won = |count: f64, ln: f64| if count > 0.0 { count * ln } else { 0.0 };
        self.0.iter().map(move |[ln_w, plus, zero, minus]| {
            ln_w + won(sums.plus, *plus) + won(zeros, *zero) + won(sums.minus, *minus)
        })
    }
}

// === impl Sums ===

impl Sums {
    /// `a` of `n` observations were 1, the others 0.
    pub fn binary(n: u64, a: u64) -> Self {
        Self { n: n as f64, plus: a as f64, minus: 0.0 }
    }

    /// `a` of `n` observations were +1, `b` were -1, the others 0.
    pub fn paired(n: u64, a: u64, b: u64) -> Self {
        Self { n: n as f64, plus: a as f64, minus: b as f64 }
    }

    /// The sums divided by a design effect `1 + (c - 1) r`, for clusters of `c` observations correlated by `r` (Kish 1965):
    /// what as many independent observations would have told. Below 1: unchanged.
    ///
    /// Where the design effect is at least the true one, statements about the long run hold about as they do for
    /// independent observations; that is a measure and no theorem.
    pub fn deflated(self, design_effect: f64) -> Self {
        let d = design_effect.max(1.0);
        Self { n: self.n / d, plus: self.plus / d, minus: self.minus / d }
    }

    /// The sums after `k` more observations that add `each`.
    pub fn after(self, k: u64, each: Sums) -> Self {
        let k = k as f64;
        Self { n: self.n + each.n * k, plus: self.plus + each.plus * k, minus: self.minus + each.minus * k }
    }

    /// The mean; `None` without observations.
    pub fn mean(self) -> Option<f64> {
        (self.n > 0.0).then(|| (self.plus - self.minus) / self.n)
    }

    /// As [`ln_e_pass`].
    pub fn ln_e_pass(self, m: f64) -> f64 {
        let test = if self.minus > 0.0 { Test::pass(m) } else { Test::pass_binary(m) };
        test.ln_e(self)
    }

    /// As [`ln_e_fail_binary`]; `minus` is not looked at.
    pub fn ln_e_fail_binary(self, m: f64) -> f64 {
        Test::fail_binary(m).ln_e(Sums { minus: 0.0, ..self })
    }

    /// As [`ln_e_fail_paired`].
    pub fn ln_e_fail_paired(self, m: f64) -> f64 {
        Test::fail_paired(m).ln_e(self)
    }

    fn zeros(self) -> f64 {
        (self.n - self.plus - self.minus).max(0.0)
    }
}

/// Six strong bets, 1 - 2^-6 down to 1/2, that share two thirds of the stake, and eleven weak ones down to 2^-12.
const fn pass_grid() -> [(f64, f64); 17] {
    let mut grid = [(0.5, 1.0 / 9.0); 17];
    let mut half = 1.0 / 64.0;
    let mut k = 0;
    while k < 5 {
        grid[k] = (1.0 - half, 1.0 / 9.0);
        half *= 2.0;
        k += 1;
    }
    let mut phi = 0.25;
    k = 6;
    while k < 17 {
        grid[k] = (phi, 1.0 / 33.0);
        phi /= 2.0;
        k += 1;
    }
    grid
}

/// 1/2 down to 2^-24, evenly weighted.
const fn fail_grid() -> [(f64, f64); 24] {
    let mut grid = [(0.5, 1.0 / 24.0); 24];
    let mut phi = 0.5;
    let mut k = 0;
    while k < 24 {
        grid[k].0 = phi;
        phi /= 2.0;
        k += 1;
    }
    grid
}
