//! What the data plane counts besides requests: refusals by reason, its own failures, connections.

use crate::model::{Latencies, Leg};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Counters since the start, for the metrics page.
#[derive(Debug, Default)]
pub struct Counters {
    refused: Mutex<BTreeMap<&'static str, u64>>,
    leg_failures: [AtomicU64; 3],
    pub connections: AtomicU64,
    pub accepted: AtomicU64,
    pub turned_away: AtomicU64,
    /// What the proxy itself adds before the serving leg is asked and after it has answered.
    pub added: Latencies,
}

impl Counters {
    /// A request was refused before it was a request; `code` is one of the guard's fixed words.
    pub fn refused(&self, code: &'static str) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
    }

    /// The serving leg gave no usable answer.
    pub fn leg_failed(&self, leg: Leg) {
        self.leg_failures[leg as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn leg_failures(&self, leg: Leg) -> u64 {
        self.leg_failures[leg as usize].load(Ordering::Relaxed)
    }

    pub fn refusals(&self) -> BTreeMap<&'static str, u64> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
