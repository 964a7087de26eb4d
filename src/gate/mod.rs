//! Evidence and criteria in, a verdict with its reasons out. Pure.

mod settings;
mod verdict;

pub use settings::{Criterion, GateSettings, LatencySettings, Policy, Quantiles, RoutePolicy};
pub use verdict::{CriterionResult, Judgement, Verdict};
