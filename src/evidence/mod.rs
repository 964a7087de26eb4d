//! Comparisons in, tallies out: counts per route, divergences, the law of accounting. Pure.
//!
//! Everything here merges by addition. It is handed the time; it reads no clock. Who owns an [`Evidence`] and when
//! it is applied to is the pipeline's business; what it means is the gate's.

mod example;
mod settled;
mod tally;

pub use example::{Example, ExampleMessage};
pub use settled::{Compared, Settled, Settlement};
pub use tally::{
    Cells, Counts, Divergence, EpochInfo, EpochReason, Evidence, ExcusedReasons, Histogram, IncomparableReasons,
    NotMirrored, RouteEvidence, StatusCounts,
};
