//! Table C: latency, 100 pairs a minute, at most 1.1 times as long.

use super::judged::{nothing, settings, start};
use super::peers::{self, Said};
use super::rates::said;
use super::{Share, normal, random};
use parallax::evidence::{Compared, Evidence, Keep, LatencyTerms, Settled, Settlement};
use parallax::gate::{self, Criterion, Facts, GateSettings, LatencySettings, Policy};
use parallax::model::{LegRecord, PerLeg, StatusClass, Timing};
use parallax::stats::{BlockBets, threshold};
use std::sync::Arc;
use std::time::Duration;

const RUNS: usize = 150;
const ALPHA: f64 = 0.05;
const MINUTES: u64 = 240;
/// The rank test is read every ten minutes up to this one.
const RANKED: usize = 120;
const PAIRS: u64 = 100;
const RATIO: f64 = 1.1;

/// What the candidate is like, and the load on each leg: its correlation with the minute before and its spread.
struct Case {
    what: &'static str,
    slower: f64,
    correlation: f64,
    spread: f64,
}

pub fn print() {
    println!("## C: latency, 100 pairs a minute, at most 1.1 times as long, alpha 0.05\n");
    println!(
        "Ever pass / ever fail, of {RUNS} runs: the rank test on means of a minute, read every ten minutes for two hours; the"
    );
    println!(
        "others for four hours, read after every pair or block. The gate asks for 30 blocks and looks whether they resemble"
    );
    println!("their neighbours.\n");
    println!(
        "| | rank test, \"not shown\" passes | median test, single pairs | blocks of 1 min | blocks of 10 min | Parallax |"
    );
    println!("|---|---|---|---|---|---|");
    let cases = [
        Case { what: "the same, even load", slower: 1.0, correlation: 0.0, spread: 0.0 },
        Case { what: "the same, load changes (0.5, 15 %)", slower: 1.0, correlation: 0.5, spread: 0.15 },
        Case { what: "the same, load in waves (0.9, 15 %)", slower: 1.0, correlation: 0.9, spread: 0.15 },
        Case { what: "10 % slower = the limit, load changes", slower: 1.1, correlation: 0.5, spread: 0.15 },
        Case { what: "20 % slower, even load", slower: 1.2, correlation: 0.0, spread: 0.0 },
        Case { what: "20 % slower, load changes", slower: 1.2, correlation: 0.5, spread: 0.15 },
        Case { what: "20 % slower, load changes much (0.5, 40 %)", slower: 1.2, correlation: 0.5, spread: 0.4 },
    ];
    for (row, case) in cases.iter().enumerate() {
        let mut ever = [(0, 0); 5];
        for run in 0..RUNS {
            let said = one(case, &mut random(30 + row as u64, run));
            for (ever, (pass, fail)) in ever.iter_mut().zip(said) {
                ever.0 += usize::from(pass);
                ever.1 += usize::from(fail);
            }
        }
        let told =
            ever.map(|(pass, fail)| format!("{} / {}", Share { of: pass, runs: RUNS }, Share { of: fail, runs: RUNS }));
        println!("| {} | {} |", case.what, told.join(" | "));
    }
}

/// Whether each way ever passed, and ever failed.
fn one(case: &Case, random: &mut fastrand::Rng) -> [(bool, bool); 5] {
    let mut ever = [(false, false); 5];
    let note = |ever: &mut (bool, bool), said: Said| {
        ever.0 |= said == Said::Pass;
        ever.1 |= said == Said::Fail;
    };
    let policy = policy();
    let (mut evidence, mut means) = (nothing(), [Vec::new(), Vec::new()]);
    let mut bets = [BlockBets::new(0.5), BlockBets::new(0.5), BlockBets::new(0.5)];
    let mut ten = 0;
    let mut load = [normal(random), normal(random)];
    for minute in 0..MINUTES {
        let (mut hits, mut sums) = (0, [0.0; 2]);
        for pair in 0..PAIRS {
            let took = [0, 1].map(|leg| {
                let slower = if leg == 1 { case.slower } else { 1.0 };
                0.02 * slower * (case.spread * load[leg] + 0.3 * normal(random)).exp()
            });
            sums = [sums[0] + took[0], sums[1] + took[1]];
            let slow = u64::from(took[1] > RATIO * took[0]);
            hits += slow;
            bets[0].add(1, slow);
            note(&mut ever[1], decided(&bets[0]));
            apply(&policy, &mut evidence, minute * 60_000 + pair * 600, took);
        }
        means.iter_mut().zip(sums).for_each(|(means, sum)| means.push(sum / PAIRS as f64));
        let so_far = means[0].len();
        if so_far <= RANKED && so_far.is_multiple_of(10) {
            note(&mut ever[0], peers::rank_test(&means[0], &means[1]));
        }
        bets[1].add(PAIRS, hits);
        note(&mut ever[2], decided(&bets[1]));
        ten += hits;
        if so_far.is_multiple_of(10) {
            bets[2].add(10 * PAIRS, std::mem::take(&mut ten));
            note(&mut ever[3], decided(&bets[2]));
        }
        let facts = Facts::at(start() + Duration::from_secs(60 * (minute + 1)));
        note(&mut ever[4], said(gate::judge(&policy, &evidence, &facts).verdict));
        let pace = (1.0 - case.correlation * case.correlation).sqrt();
        load.iter_mut().for_each(|load| *load = case.correlation * *load + pace * normal(random));
    }
    ever
}

fn decided(bets: &BlockBets) -> Said {
    let level = threshold(ALPHA);
    match (bets.ln_e_fail() >= level, bets.ln_e_pass() >= level) {
        (true, _) => Said::Fail,
        (false, true) => Said::Pass,
        (false, false) => Said::Nothing,
    }
}

fn policy() -> Policy {
    let usual = settings(Criterion::Latency, ALPHA);
    let latency = LatencySettings { ratio: RATIO, slack: Duration::ZERO, ..usual.latency.clone() };
    let default = GateSettings { latency, warm_up: Duration::ZERO, warm_up_pairs: 0, ..usual };
    Policy { default, routes: Default::default() }
}

fn apply(policy: &Policy, evidence: &mut Evidence, millis: u64, took: [f64; 2]) {
    let [primary, candidate] = took.map(|took| {
        let took = Duration::from_secs_f64(took);
        let timing = Timing { first_byte: Some(took), last_byte: took, ..Timing::default() };
        Some(LegRecord { class: StatusClass::Success, timing })
    });
    let route: Arc<str> = "GET /0".into();
    let settled = Settled {
        id: "x".into(),
        route: route.clone(),
        generation: 1,
        build: None,
        arrived: start() + Duration::from_millis(millis),
        legs: PerLeg { primary, candidate, control: None },
        result: Settlement::Compared(Compared::default()),
    };
    let latency = |name: &str| -> LatencyTerms { policy.latency_terms(name) };
    let keep = Keep { rules: &|_| String::new(), latency: &latency, examples: 0, now: start() };
    evidence.begin(&route, keep);
    evidence.apply(&settled, keep);
}
