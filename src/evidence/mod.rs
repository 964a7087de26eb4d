//! Comparisons in, tallies out: counts per route, divergences, the law of accounting. Pure.
//!
//! Everything here merges by addition. It is handed the time; it reads no clock. Who owns an [`Evidence`] and when
//! it is applied to is the pipeline's business; what it means is the gate's.

mod apply;
mod book;
mod deployed;
mod dirt;
mod epoch;
mod example;
mod gaps;
mod histogram;
mod judge;
mod kinds;
mod law;
mod merge;
mod noise;
mod pace;
mod places;
mod propose;
mod rules;
mod settled;
#[cfg(test)]
mod simulation_tests;
mod sketch;
mod succession;
mod table;
mod tally;
#[cfg(test)]
pub(crate) mod testing;
mod trend;
mod turnover;
mod volatility;

pub use apply::Keep;
pub use book::{Begun, Book};
pub use dirt::Dirt;
pub use epoch::{Epoch, PastEpoch};
pub use example::{Example, ExampleMessage, Exhibit};
pub use gaps::Gaps;
pub use histogram::{Histogram, LATENCY_DIGITS, LATENCY_MAX_US, LATENCY_MIN_US};
pub use kinds::Kinds;
pub use noise::restore as restore_noise;
pub use pace::{Blocks, LatencyTerms, Pace, PaceCounts, SLOW_SHARE};
pub use places::{Move, Places, Relocated};
pub use propose::{LEAST_PAIRS, LEAST_WITHOUT_CONTROL, Left, Proposal, Proposals, Support, propose};
pub use rules::Rules;
pub use settled::{Compared, Diverged, Settled, Settlement};
pub use succession::Succession;
pub use table::MAX_DIVERGENCES;
pub use tally::{
    Cells, Classes, ControlCounts, Counts, Divergence, EpochInfo, EpochReason, Evidence, ExcusedReasons,
    IncomparableReasons, KnownNoise, Naming, Noise, NoisePairs, NotMirrored, RouteEvidence, StatusCounts,
    TemplateNames,
};
pub use trend::{Beside, SPANS, Trend};
pub use volatility::{Sightings, Volatilities, Volatility};
