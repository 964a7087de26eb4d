//! Durations counted over fixed bounds, by many threads at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds in seconds; what is above the last falls into a bucket of its own.
pub const BOUNDS: [f64; 17] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// A histogram that costs two additions to record into.
#[derive(Debug, Default)]
pub struct Latencies {
    counts: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

// === impl Latencies ===

impl Latencies {
    pub fn record(&self, value: Duration) {
        let seconds = value.as_secs_f64();
        let at = BOUNDS.partition_point(|bound| *bound < seconds);
        if let Some(count) = self.counts.get(at) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.micros.fetch_add(u64::try_from(value.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Counts by bucket, not cumulative, and the sum in seconds.
    pub fn read(&self) -> ([u64; BOUNDS.len() + 1], f64) {
        let counts = std::array::from_fn(|i| self.counts.get(i).map_or(0, |c| c.load(Ordering::Relaxed)));
        (counts, self.micros.load(Ordering::Relaxed) as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_upper_and_nothing_is_lost() {
        let latencies = Latencies::default();
        for micros in [0, 500, 501, 10_000_000, 10_000_001] {
            latencies.record(Duration::from_micros(micros));
        }
        let (counts, sum) = latencies.read();
        assert_eq!((counts[0], counts[1], counts[16], counts[17]), (2, 1, 1, 1));
        assert!((sum - 20.001_002).abs() < 1e-9);
    }
}
