//! Tables A and B: rates of divergence, without and with a control, read every 100 comparisons up to 20,000.

use super::judged::{Gate, settings};
use super::peers::{self, Said};
use super::random;
use parallax::evidence::Cells;
use parallax::gate::{Criterion, GateSettings, Verdict};

const LIMIT: f64 = 0.01;
const ALPHA: f64 = 0.05;
const EVERY: u64 = 100;
const UNTIL: u64 = 20_000;

/// What one way to decide ever said, over runs; when it first did.
#[derive(Default, Clone)]
struct Told {
    pass: Vec<u64>,
    fail: Vec<u64>,
}

/// What it said in one run.
#[derive(Default, Clone, Copy)]
struct First {
    pass: Option<u64>,
    fail: Option<u64>,
}

pub fn print() {
    without_control();
    with_control();
}

fn without_control() {
    const RUNS: usize = 2_000;
    println!("## A: limit 0.01, alpha 0.05, read every 100 comparisons up to 20,000\n");
    println!("Ever pass / ever fail, of {RUNS} runs, and the median of when the more frequent one first came.\n");
    println!(
        "| true rate | point estimate | 10 measurements, 3 may be bad | 10 good before 5 bad | exact interval for one look | Parallax |"
    );
    println!("|---|---|---|---|---|---|");
    let limits: Vec<_> = (1..=UNTIL / EVERY).map(|i| peers::exact_interval(i * EVERY, LIMIT, ALPHA)).collect();
    for (row, p) in [0.0, 0.002, 0.005, 0.01, 0.012, 0.02].into_iter().enumerate() {
        let mut told = vec![Told::default(); 5];
        for run in 0..RUNS {
            let mut random = random(10 + row as u64, run);
            let mut gate = Gate::new(GateSettings { tolerance: LIMIT, ..settings(Criterion::Divergence, ALPHA) }, 1);
            let (mut hits, mut bad, mut first) = (0, Vec::new(), [First::default(); 5]);
            for (i, (most, least)) in limits.iter().enumerate() {
                let n = (i as u64 + 1) * EVERY;
                let new = (0..EVERY).filter(|_| random.f64() < p).count() as u64;
                hits += new;
                bad.push(new as f64 > LIMIT * EVERY as f64);
                let interval = match (most, least) {
                    (Some(most), _) if hits <= *most => Said::Pass,
                    (_, Some(least)) if hits >= *least => Said::Fail,
                    _ => Said::Nothing,
                };
                gate.set(0, n, hits);
                let said = [
                    peers::point(n, hits, LIMIT),
                    peers::count_of_measurements(&bad, 10, 3),
                    peers::steps_and_threshold(&bad, 10, 5),
                    interval,
                    said(gate.verdict()),
                ];
                first.iter_mut().zip(said).for_each(|(first, said)| first.note(said, n));
            }
            told.iter_mut().zip(first).for_each(|(told, first)| told.add(first));
        }
        println!("| {p}{} | {} |", remark(p), cells(&told, RUNS));
    }
    println!();
}

fn remark(p: f64) -> &'static str {
    match p {
        p if p == LIMIT => " = the limit",
        p if p > LIMIT => ", too much",
        _ => "",
    }
}

fn with_control() {
    const RUNS: usize = 1_000;
    println!("## B: with a control, limit 0.01 on the excess, alpha 0.05, read every 100 comparisons up to 20,000\n");
    println!(
        "Ever pass / ever fail, of {RUNS} runs. `noise_cap` is lifted for this table: by default it is 0.02, and the gate calls"
    );
    println!("the last rows too noisy to judge.\n");
    println!("| | 20 % and 0.03 % more than the control | point estimate | usual interval for one look | Parallax |");
    println!("|---|---|---|---|---|");
    let cases = [
        ("clean", 0.0, 0.0),
        ("0.02 % flaky, fine", 0.0002, 0.0),
        ("2 % noise, fine", 0.02, 0.0),
        ("2 % noise, excess = the limit", 0.02, 0.01),
        ("2 % noise, excess twice the limit", 0.02, 0.02),
        ("6 % noise, excess twice the limit", 0.06, 0.02),
    ];
    for (row, (what, noise, excess)) in cases.into_iter().enumerate() {
        let mut told = vec![Told::default(); 4];
        for run in 0..RUNS {
            let mut random = random(20 + row as u64, run);
            let open = GateSettings { tolerance: LIMIT, noise_cap: 0.5, ..settings(Criterion::Divergence, ALPHA) };
            let (mut gate, mut cells, mut first) = (Gate::new(open, 1), Cells::default(), [First::default(); 4]);
            for i in 1..=UNTIL / EVERY {
                for _ in 0..EVERY {
                    cells.record(random.f64() < noise + excess, random.f64() < noise);
                }
                let n = i * EVERY;
                gate.set_paired(cells);
                let excess =
                    if (cells.n10 as f64) <= cells.n01 as f64 + LIMIT * n as f64 { Said::Pass } else { Said::Fail };
                let said = [
                    peers::relative_and_absolute(n, cells.n10 + cells.n11, cells.n01 + cells.n11),
                    excess,
                    peers::wald(n, cells.n10, cells.n01, LIMIT),
                    said(gate.verdict()),
                ];
                first.iter_mut().zip(said).for_each(|(first, said)| first.note(said, n));
            }
            told.iter_mut().zip(first).for_each(|(told, first)| told.add(first));
        }
        println!("| {what} | {} |", self::cells(&told, RUNS));
    }
    println!();
}

pub fn said(verdict: Verdict) -> Said {
    match verdict {
        Verdict::Pass => Said::Pass,
        Verdict::Fail => Said::Fail,
        Verdict::Inconclusive => Said::Nothing,
    }
}

fn cells(told: &[Told], runs: usize) -> String {
    told.iter().map(|told| told.cell(runs)).collect::<Vec<_>>().join(" | ")
}

// === impl First ===

impl First {
    fn note(&mut self, said: Said, n: u64) {
        let first = match said {
            Said::Pass => &mut self.pass,
            Said::Fail => &mut self.fail,
            Said::Nothing => return,
        };
        first.get_or_insert(n);
    }
}

// === impl Told ===

impl Told {
    fn add(&mut self, first: First) {
        self.pass.extend(first.pass);
        self.fail.extend(first.fail);
    }

    fn cell(&self, runs: usize) -> String {
        let of = |times: &[u64]| super::Share { of: times.len(), runs };
        let mut most = if self.pass.len() >= self.fail.len() { self.pass.clone() } else { self.fail.clone() };
        most.sort_unstable();
        // Over all runs: none where fewer than half ever said it.
        let median = most.get(runs / 2).map(|n| format!(" ({n})")).unwrap_or_default();
        format!("{} / {}{median}", of(&self.pass), of(&self.fail))
    }
}
