//! How often the gate is wrong, and how often simpler ways to decide are: seeded simulations, read at every step.
//!
//! `cargo bench --bench monte_carlo` prints the tables of docs/statistics.md, the same ones every time.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what fails ends the run, and the tables are what it is for"
)]

mod boundary;
mod judged;
mod latency;
mod peers;
mod rates;

/// How many of `runs`, as told in a table.
struct Share {
    of: usize,
    runs: usize,
}

fn main() {
    // Tests of all targets run this too; it takes minutes.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    boundary::print();
    rates::print();
    latency::print();
}

/// Every run has its own stream of chance, so that none depends on how long another went.
fn random(table: u64, run: usize) -> fastrand::Rng {
    fastrand::Rng::with_seed(table << 32 | run as u64)
}

/// How many failures come before the next success of probability `p`.
fn gap(random: &mut fastrand::Rng, p: f64) -> u64 {
    let u = 1.0 - random.f64();
    (u.ln() / (-p).ln_1p()) as u64
}

/// A standard normal number (Box and Muller).
fn normal(random: &mut fastrand::Rng) -> f64 {
    let (u, v) = (1.0 - random.f64(), random.f64());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// How many of so many runs hold.
fn share(table: u64, runs: usize, run: impl Fn(&mut fastrand::Rng) -> bool) -> Share {
    Share { of: (0..runs).filter(|i| run(&mut random(table, *i))).count(), runs }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share = self.of as f64 / self.runs as f64;
        match self.of {
            0 => f.write_str("0"),
            n if n == self.runs => f.write_str("1"),
            _ if share < 0.1 => write!(f, "{share:.4}"),
            _ if share > 0.99 => write!(f, "{share:.3}"),
            _ => write!(f, "{share:.2}"),
        }
    }
}
