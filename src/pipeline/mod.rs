//! Pairs in, snapshots out: worker threads that compare, and the ledger that alone owns the evidence.
//!
//! It decides neither what differs (`diff`) nor what it means (`evidence`, `gate`); it keeps order, time and bounds.

mod batch;
mod compare;
mod core;
mod examples;
mod ledger;
mod queue;
mod rates;
mod verdicts;

pub use compare::{CompareConfig, CompareStats, Comparer, Examine, Scene};
pub use core::{Core, LedgerOptions, Snapshot, StoreStatus};
pub use ledger::{LedgerHandle, start};
pub use rates::PerSecond;
