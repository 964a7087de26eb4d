//! Properties of the primitive and what is built on it; the numbers themselves are held by `tests/vectors.rs`.

use super::*;
use proptest::prelude::*;

#[test]
fn the_grids_are_the_ones_written_down() {
    let expected: Vec<f64> =
        (2..=6).rev().map(|k| 1.0 - 2f64.powi(-k)).chain((1..=12).map(|k| 2f64.powi(-k))).collect();
    assert_eq!(GRID_PASS.map(|g| g.0).to_vec(), expected);
    assert_eq!(GRID_FAIL.map(|g| g.0).to_vec(), (1..=24).map(|k| 2f64.powi(-k)).collect::<Vec<_>>());
    for weights in [GRID_PASS.map(|g| g.1).to_vec(), GRID_FAIL.map(|g| g.1).to_vec()] {
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
    assert_eq!(GRID_PASS[5].1, 1.0 / 9.0);
    assert_eq!(GRID_PASS[6].1, 1.0 / 33.0);
}

#[test]
fn the_ends_of_the_domain_are_numbers() {
    assert_eq!(ln_e_fail_binary(3, 1, 0.0), f64::INFINITY);
    assert!(ln_e_fail_binary(3, 0, 0.0) < 0.0);
    assert!(ln_e_pass(10, 0, 0, 0.0) <= 0.0);
    assert!(ln_e_pass(10, 10, 0, 1.0) < 0.0);
    for m in [-1.0, 0.0, 1.0] {
        for (n, a, b) in [(0, 0, 0), (3, 3, 0), (3, 0, 3), (3, 1, 1)] {
            assert!(!ln_e_fail_paired(n, a, b, m).is_nan(), "fail {n} {a} {b} {m}");
            assert!(!ln_e_pass(n, a, b, m).is_nan(), "pass {n} {a} {b} {m}");
        }
    }
}

#[test]
fn a_deflated_sum_needs_as_many_times_more() {
    let passes = |n| Sums::binary(n, 0).deflated(4.0).ln_e_pass(0.01) >= threshold(0.05);
    assert!(!passes(4 * 382) && passes(4 * 383));
    assert_eq!(Sums::binary(9, 3).deflated(0.5), Sums::binary(9, 3));
}

/// Seeded chance in (0, 1].
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Observations before the next that is not 0, where each is not with probability `p`.
    fn gap(&mut self, p: f64) -> u64 {
        (self.next().ln() / (-p).ln_1p()) as u64
    }
}

/// How many of 1,000 runs of `length` observations ever reach `ln(1 / alpha)` for each of these alphas, read after every
/// observation: +1 with probability `up`, -1 with `down`. A test against "too much" rises until the next +1 and one
/// against "not too much" only by it, so to look before and after each +1 is to look always.
fn ever<const BETS: usize>(test: Test<BETS>, up: f64, down: f64, length: u64, alphas: [f64; 2]) -> [usize; 2] {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let levels = alphas.map(threshold);
    let mut reached = [0; 2];
    for _ in 0..1_000 {
        let (mut n, mut plus, mut minus, mut best) = (0, 0, 0, [false; 2]);
        while n < length && !best[0] {
            n = (n + chance.gap(up + down)).min(length);
            let mut look = |n, plus, minus| {
                let sums = Sums::paired(n, plus, minus);
                (0..2).for_each(|i| best[i] |= test.reaches(sums, levels[i]));
            };
            if chance.next() * (up + down) <= up {
                look(n, plus, minus);
                (n, plus) = (n + 1, plus + 1);
                look(n, plus, minus);
            } else {
                (n, minus) = (n + 1, minus + 1);
            }
        }
        (0..2).for_each(|i| reached[i] += usize::from(best[i]));
    }
    reached
}

#[test]
fn at_the_limit_at_most_alpha_ever_cross_and_more_would_show() {
    // Half of the bets of the binary test for a fail are so small that they never move, so it is the more timid one.
    for (what, inflated, [told, more]) in [
        ("pass", 0.1, ever(Test::pass(0.02), 0.02, 0.0, 10_000, [0.05, 0.1])),
        ("fail", 0.4, ever(Test::fail_binary(0.5), 0.5, 0.0, 400, [0.05, 0.4])),
        ("pass, paired", 0.2, ever(Test::pass(0.02), 0.06, 0.04, 4_000, [0.05, 0.2])),
        ("fail, paired", 0.2, ever(Test::fail_paired(0.02), 0.06, 0.04, 4_000, [0.05, 0.2])),
    ] {
        assert!(told <= 50, "{what}: {told} of 1,000 ever crossed at alpha 0.05");
        // Were alpha inflated, the line above would fail.
        assert!(more > 50, "{what}: {more} of 1,000 at alpha {inflated}: too timid to prove anything");
    }
}

#[test]
fn unseen_mass_falls_in_a_quiet_window() {
    let mut unseen = Unseen::default();
    (0..20).for_each(|_| unseen.observe(true));
    let early = unseen.upper(0.05, 1.0);
    (0..5_000).for_each(|_| unseen.observe(false));
    assert_eq!(early, 1.0);
    let late = unseen.upper(0.05, 1.0);
    assert!(late < upper(Sums::binary(5_020, 20), 0.05) && late < 0.002, "{late}");
}

fn counts() -> impl Strategy<Value = (u64, u64, u64)> {
    (0u64..400, 0u64..40, 0u64..40).prop_map(|(z, a, b)| (z + a + b, a, b))
}

proptest! {
    #[test]
    fn wealth_multiplies_per_observation_in_any_order(
        mut xs in proptest::collection::vec(-1i8..=1, 0..60),
        m in 0.001f64..0.9,
        seed in any::<prop::sample::Index>(),
    ) {
        // The formula of one bet, observation by observation, in the order drawn and in another one.
        let wealth = |xs: &[i8]| {
            let each = GRID_PASS.map(|(phi, w)| {
                let lambda = phi / (1.0 - m);
                w * xs.iter().map(|x| 1.0 + lambda * (m - f64::from(*x))).product::<f64>()
            });
            each.iter().sum::<f64>().ln()
        };
        let count = |v: i8| xs.iter().filter(|x| **x == v).count() as u64;
        let closed = ln_e_pass(xs.len() as u64, count(1), count(-1), m);
        prop_assert!((closed - wealth(&xs)).abs() < 1e-9);
        if !xs.is_empty() {
            let at = seed.index(xs.len());
            xs.rotate_left(at);
            prop_assert!((closed - wealth(&xs)).abs() < 1e-9);
        }
    }

    #[test]
    fn merging_is_adding_counts(
        one in proptest::collection::vec(-1i8..=1, 0..40),
        two in proptest::collection::vec(-1i8..=1, 0..40),
        m in 0.001f64..0.9,
    ) {
        // What two proxies saw, added, is what one that saw all would have won.
        let sums = |xs: &[i8]| {
            let count = |v: i8| xs.iter().filter(|x| **x == v).count() as u64;
            (xs.len() as u64, count(1), count(-1))
        };
        let (x, y) = (sums(&one), sums(&two));
        let merged = ln_e_fail_paired(x.0 + y.0, x.1 + y.1, x.2 + y.2, m);
        let each = GRID_PASS.map(|(phi, w)| {
            let lambda = phi / (1.0 + m);
            w * one.iter().chain(&two).map(|x| 1.0 + lambda * (f64::from(*x) - m)).product::<f64>()
        });
        prop_assert!((merged - each.iter().sum::<f64>().ln()).abs() < 1e-9);
    }

    #[test]
    fn the_upper_bound_falls_as_alpha_grows((n, a, b) in counts(), alpha in 0.0001f64..0.4, more in 1.05f64..2.0) {
        prop_assert!(upper(Sums::binary(n, a), alpha * more) <= upper(Sums::binary(n, a), alpha));
        prop_assert!(lower(Sums::binary(n, a), alpha * more) >= lower(Sums::binary(n, a), alpha));
        let sums = Sums::paired(n, a, b);
        prop_assert!(upper_paired(sums, alpha * more) <= upper_paired(sums, alpha) + 1e-12);
        prop_assert!(lower_paired(sums, alpha * more) + 1e-12 >= lower_paired(sums, alpha));
    }

    #[test]
    fn bounds_follow_what_is_seen((n, a, b) in counts(), more in 1u64..500, alpha in 0.0001f64..0.4) {
        let close = |x: f64, y: f64| x <= y + 1e-9 * y.abs();
        let (was, clean, hit) = (Sums::binary(n, a), Sums::binary(n + more, a), Sums::binary(n + more, a + more));
        prop_assert!(close(upper(clean, alpha), upper(was, alpha)) && close(lower(clean, alpha), lower(was, alpha)));
        prop_assert!(close(upper(was, alpha), upper(hit, alpha)) && close(lower(was, alpha), lower(hit, alpha)));
        let (was, hit) = (Sums::paired(n, a, b), Sums::paired(n + more, a + more, b));
        prop_assert!(close(upper_paired(was, alpha), upper_paired(hit, alpha)));
        prop_assert!(close(lower_paired(was, alpha), lower_paired(hit, alpha)));
        let gone = Sums::paired(n + more, a, b + more);
        prop_assert!(close(upper_paired(gone, alpha), upper_paired(was, alpha)));
        prop_assert!(close(lower_paired(gone, alpha), lower_paired(was, alpha)));
    }

    #[test]
    fn bounds_say_what_the_test_says((n, a, b) in counts(), m in 0.0005f64..0.9, alpha in 0.0001f64..0.4) {
        let sums = Sums::binary(n, a);
        let level = threshold(alpha);
        // Within the width of the bisection either may be true.
        let apart = |bound: f64| (bound - m).abs() > 1e-9 * m;
        let u = upper(sums, alpha);
        prop_assert!(!apart(u) || (u < m) == (sums.ln_e_pass(m) >= level));
        let l = lower(sums, alpha);
        prop_assert!(!apart(l) || (l > m) == (sums.ln_e_fail_binary(m) >= level));
        let sums = Sums::paired(n, a, b);
        let u = upper_paired(sums, alpha);
        prop_assert!(!apart(u) || (u < m) == (sums.ln_e_pass(m) >= level));
        let l = lower_paired(sums, alpha);
        prop_assert!(!apart(l) || (l > m) == (sums.ln_e_fail_paired(m) >= level));
    }

    #[test]
    fn bounds_bracket_the_rate((n, a, b) in counts(), alpha in 0.0001f64..0.4) {
        if let Some(rate) = Sums::binary(n, a).mean() {
            prop_assert!(lower(Sums::binary(n, a), alpha) <= rate && rate <= upper(Sums::binary(n, a), alpha));
            let sums = Sums::paired(n, a, b);
            let excess = sums.mean().unwrap();
            prop_assert!(lower_paired(sums, alpha) <= excess && excess <= upper_paired(sums, alpha));
        }
    }

    #[test]
    fn a_forecast_is_the_first_that_passes(n in 0u64..3_000, a in 0u64..5, m in 0.005f64..0.2) {
        let a = a.min(n);
        let Some(k) = samples_to_pass(Sums::binary(n, a), m, 0.05) else { return Ok(()) };
        let rate = assumed_rate(n as f64, a as f64);
        let after = |k: u64| Sums { n: (n + k) as f64, plus: a as f64 + rate * k as f64, minus: 0.0 }.ln_e_pass(m);
        prop_assert!(after(k) >= threshold(0.05));
        prop_assert!(k == 0 || after(k - 1) < threshold(0.05));
    }

    #[test]
    fn blocks_of_one_are_single_observations(xs in proptest::collection::vec(any::<bool>(), 0..80), m in 0.01f64..0.9) {
        let mut bets = BlockBets::new(m);
        xs.iter().for_each(|x| bets.add(1, u64::from(*x)));
        let (n, a) = (xs.len() as u64, xs.iter().filter(|x| **x).count() as u64);
        prop_assert!((bets.ln_e_pass() - ln_e_pass(n, a, 0, m)).abs() < 1e-9);
        prop_assert!((bets.ln_e_fail() - ln_e_fail_binary(n, a, m)).abs() < 1e-9);
    }

    #[test]
    fn what_bonferroni_rejects_e_bh_rejects(ln_e in proptest::collection::vec(-5.0f64..12.0, 1..20), q in 0.01f64..0.3) {
        let rejected = e_bh(&ln_e, q);
        let even = 1.0 / ln_e.len() as f64;
        for (i, e) in ln_e.iter().enumerate() {
            prop_assert!(!fails_weighted(*e, even * 0.999_999, q) || rejected.contains(&i));
        }
    }
}
