//! The arithmetic of evidence: e-processes, bounds, quantile ranks. Pure; knows nothing of HTTP.
//!
//! One primitive everywhere: a bettor who stakes against "the mean is at least m" (or "at most m") with a fixed set
//! of bets. Its wealth is a function of three counters, so evidence merges by addition, order does not matter, and by
//! Ville's inequality the error probability holds for all polls together: looking often costs nothing.
//!
//! It draws no conclusion. Which numbers are compared with which limit is the gate's business.

mod block;
mod bounds;
mod bursts;
mod eprocess;
mod eta;
mod fixed;
mod multiplicity;
mod quantile;
mod serial;
mod unseen;

pub use block::BlockBets;
pub use bounds::{lower, lower_paired, upper, upper_paired};
pub use bursts::Bursts;
pub use eprocess::{
    GRID_FAIL, GRID_PASS, Sums, Test, anytime_p, ln_e_fail_binary, ln_e_fail_paired, ln_e_pass, threshold,
};
pub use eta::{assumed_rate, samples_to_fail_by, samples_to_pass, samples_to_pass_by};
pub use fixed::{clopper_pearson, clopper_pearson_upper, rule_of_three, wilson, zero_failures};
pub use multiplicity::{e_bh, fails_weighted, late_weight, log_average_e, spend};
pub use quantile::{Interval, Ranked, Ranks, at_ranks, interval, ranks};
pub use serial::Serial;
pub use unseen::{Unseen, Window, good_turing};

#[cfg(test)]
mod tests;
