//! A candidate exactly at its limit, read after every exchange: what may happen in one run of `1 / alpha` at most.

use super::judged::{Gate, settings};
use super::{Share, gap, normal, random, share};
use parallax::evidence::Cells;
use parallax::gate::{Criterion, Verdict};
use parallax::stats::{self, BlockBets, Sums, Test, Unseen, threshold};

const ALPHA: f64 = 0.05;
const RUNS: usize = 10_000;

/// How a run at the limit ended, read after every exchange.
#[derive(Clone, Copy, Default)]
struct Ever {
    pass: bool,
    fail: bool,
}

pub fn print() {
    println!("## At the limit, read after every exchange, alpha 0.05\n");
    println!(
        "| a candidate exactly at the limit | comparisons | runs | ever pass | ever fail |\n|---|---|---|---|---|"
    );
    for tau in [0.5, 0.01, 0.001] {
        let n = (1_000.0 / tau) as u64;
        line(&format!("divergence, limit {tau}"), n, 1, RUNS, |random| binary(random, tau, n));
    }
    let n = 100_000;
    line("excess over a control, limit 0.01, noise 2 %", n, 2, RUNS, |random| paired(random, 0.01, 0.02, n));
    line("excess of errors, limit 0.001, the primary fails in 0.5 %", n, 3, RUNS / 20, |random| errors(random, n));
    println!("\n| | runs | share |\n|---|---|---|");
    unseen();
    blocks();
    many_routes();
    resets();
    println!();
}

fn line(what: &str, n: u64, table: u64, runs: usize, run: impl Fn(&mut fastrand::Rng) -> Ever) {
    let (mut passed, mut failed) = (Share { of: 0, runs }, Share { of: 0, runs });
    for i in 0..runs {
        let ever = run(&mut random(table, i));
        passed.of += usize::from(ever.pass);
        failed.of += usize::from(ever.fail);
    }
    println!("| {what} | {n} | {runs} | {passed} | {failed} |");
}

/// E against "too much" only rises between two divergences, and E against "not too much" only falls: to read it before
/// and after each divergence is to read it always.
fn binary(random: &mut fastrand::Rng, tau: f64, until: u64) -> Ever {
    let (pass, fail, level) = (Test::pass(tau), Test::fail_binary(tau), threshold(ALPHA));
    let (mut n, mut hits, mut ever) = (0, 0, Ever::default());
    while n < until {
        n = (n + gap(random, tau)).min(until);
        ever.pass |= pass.reaches(Sums::binary(n, hits), level);
        (n, hits) = (n + 1, hits + 1);
        ever.fail |= fail.reaches(Sums::binary(n, hits), level);
    }
    ever
}

/// The same, where only exchanges in which the candidate alone differs count against it.
fn paired(random: &mut fastrand::Rng, tau: f64, noise: f64, until: u64) -> Ever {
    let (pass, fail, level) = (Test::pass(tau), Test::fail_paired(tau), threshold(ALPHA));
    // Each differs by chance; on top of that the candidate differs by itself.
    let (only_candidate, only_control) = ((noise + tau) * (1.0 - noise), noise * (1.0 - noise - tau));
    // The excess is exactly tau.
    let either = only_candidate + only_control;
    let (mut n, mut plus, mut minus, mut ever) = (0, 0, 0, Ever::default());
    while n < until {
        n = (n + gap(random, either)).min(until);
        if random.f64() * either < only_candidate {
            ever.pass |= pass.reaches(Sums::paired(n, plus, minus), level);
            (n, plus) = (n + 1, plus + 1);
            ever.fail |= fail.reaches(Sums::paired(n, plus, minus), level);
        } else {
            (n, minus) = (n + 1, minus + 1);
        }
    }
    ever.pass |= pass.reaches(Sums::paired(n, plus, minus), level);
    ever
}

/// The gate's own criterion, which also bounds new errors by themselves.
fn errors(random: &mut fastrand::Rng, until: u64) -> Ever {
    let (tau, base) = (0.001, 0.005);
    let mut gate = Gate::new(settings(Criterion::Errors, ALPHA), 1);
    let (new, gone) = ((base + tau) * (1.0 - base), base * (1.0 - base - tau));
    let (mut cells, mut ever) = (Cells::default(), Ever::default());
    let mut read = |cells: Cells| {
        gate.set_errors(cells);
        match gate.verdict() {
            Verdict::Pass => ever.pass = true,
            Verdict::Fail => ever.fail = true,
            Verdict::Inconclusive => {}
        }
    };
    while cells.total() < until {
        cells.n00 += gap(random, new + gone);
        if random.f64() * (new + gone) < new {
            read(cells);
            cells.n10 += 1;
            read(cells);
        } else {
            cells.n01 += 1;
        }
    }
    read(cells);
    ever
}

/// Kinds as frequent as words: the chance that the next one is new beside the bound on it.
fn unseen() {
    for (power, runs) in [(1.1, 400), (1.6, 400)] {
        let weights: Vec<f64> = (1..=3_000).map(|k| f64::from(k).powf(-power)).collect();
        let total: f64 = weights.iter().sum();
        let below: Vec<f64> = weights
            .iter()
            .scan(0.0, |sum, w| {
                *sum += w / total;
                Some(*sum)
            })
            .collect();
        let wrong = share(4, runs, |random| {
            let (mut seen, mut mass, mut count) = (vec![false; weights.len()], 1.0, Unseen::default());
            (0..10_000).any(|_| {
                let u = random.f64();
                let kind = below.partition_point(|b| *b < u).min(seen.len() - 1);
                let new = !std::mem::replace(&mut seen[kind], true);
                mass -= if new { weights[kind] / total } else { 0.0 };
                count.observe(new);
                mass > 0.0 && count.passes(mass, ALPHA, 1.0)
            })
        });
        println!("| the bound on unseen kinds is ever wrong, Zipf({power}) over 3,000 kinds | {runs} | {wrong} |");
    }
}

/// The sign test where load comes in waves: on single pairs, and on the means of blocks.
fn blocks() {
    let (runs, pairs, level) = (2_000, 40_000, threshold(ALPHA));
    for correlation in [0.0, 0.8, 0.95, 0.99f64] {
        let pace = (1.0 - correlation * correlation).sqrt();
        let wave = |random: &mut fastrand::Rng, block: u64| {
            let (mut load, mut bets) = (normal(random), BlockBets::new(0.5));
            (0..pairs / block).any(|_| {
                let mut hits = 0;
                for _ in 0..block {
                    load = correlation * load + pace * normal(random);
                    hits += u64::from(load > 0.0);
                }
                bets.add(block, hits);
                bets.ln_e_fail() >= level
            })
        };
        for (block, what) in [(1, "single pairs"), (200, "blocks of 200")] {
            let wrong = share(5, runs, |random| wave(random, block));
            println!(
                "| the median test on {what} ever fails, correlation {correlation} with the pair before | {runs} | {wrong} |"
            );
        }
    }
}

/// Fifty routes exactly at their limit: each at the whole alpha, and each at its share of it.
fn many_routes() {
    let (routes, tau, until) = (50u64, 0.01, 20_000);
    let test = Test::fail_binary(tau);
    let any = |random: &mut fastrand::Rng, alpha: &dyn Fn(u64) -> f64| {
        (1..=routes).any(|j| {
            let (mut n, mut hits, level) = (0, 0, threshold(alpha(j)));
            loop {
                n += gap(random, tau) + 1;
                hits += 1;
                if n > until || test.reaches(Sums::binary(n, hits), level) {
                    return n <= until;
                }
            }
        })
    };
    let whole = share(6, RUNS / 5, |random| any(random, &|_| ALPHA));
    let weighted = share(6, RUNS / 5, |random| any(random, &|j| ALPHA * stats::late_weight(j)));
    println!("| any of 50 routes at its limit ever fails, each at the whole alpha | {} | {whole} |", RUNS / 5);
    println!("| the same, each at its share of alpha | {} | {weighted} |", RUNS / 5);
    let runs = 200;
    let gate = share(7, runs, |random| {
        let mut gate =
            Gate::new(parallax::gate::GateSettings { tolerance: tau, ..settings(Criterion::Divergence, ALPHA) }, 50);
        let mut hits = vec![0; routes as usize];
        (1..=50u64).any(|poll| {
            for (route, hits) in hits.iter_mut().enumerate() {
                *hits += (0..400).filter(|_| random.f64() < tau).count() as u64;
                gate.set(route, poll * 400, *hits);
            }
            gate.verdict() == Verdict::Fail
        })
    });
    println!("| the same, by the gate, asked fifty times | {runs} | {gate} |");
}

/// Started anew by hand every 1,000 comparisons, twenty times.
fn resets() {
    let (tau, tries) = (0.01, 20);
    let test = Test::pass(tau);
    let any = |random: &mut fastrand::Rng, alpha: &dyn Fn(u64) -> f64| {
        (1..=tries).any(|j| {
            let (mut n, mut hits, level) = (0, 0, threshold(alpha(j)));
            loop {
                n = (n + gap(random, tau)).min(1_000);
                if n == 1_000 || test.reaches(Sums::binary(n, hits), level) {
                    return test.reaches(Sums::binary(n, hits), level);
                }
                (n, hits) = (n + 1, hits + 1);
            }
        })
    };
    let whole = share(8, RUNS, |random| any(random, &|_| ALPHA));
    let spent = share(8, RUNS, |random| any(random, &|j| stats::spend(ALPHA, j)));
    println!("| started anew twenty times at the limit, each try at the whole alpha: any passes | {RUNS} | {whole} |");
    println!("| the same, each try at what is left of alpha | {RUNS} | {spent} |");
}
