//! A token bucket in one atomic word (the generic cell rate algorithm): no lock, no timer, no queue.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How far ahead of an even pace a burst may run.
const BURST: Duration = Duration::from_millis(100);

/// Lets through at most so many a second, in bursts of at most a tenth of a second's worth (at least one).
#[derive(Debug)]
pub struct RateLimit {
    start: Instant,
    /// Nanoseconds between two at an even pace; zero is no limit.
    interval: u64,
    /// When the next one would be on time, in nanoseconds since `start`.
    next: AtomicU64,
}

// === impl RateLimit ===

impl RateLimit {
    /// `per_second` zero is no limit.
    pub fn new(per_second: u32, start: Instant) -> Self {
        let interval = if per_second == 0 { 0 } else { 1_000_000_000 / u64::from(per_second) };
        Self { start, interval, next: AtomicU64::new(0) }
    }

    pub fn allows(&self, now: Instant) -> bool {
        if self.interval == 0 {
            return true;
        }
        let now = u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX);
        let burst = u64::try_from(BURST.as_nanos()).unwrap_or(u64::MAX);
        self.next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
                (next <= now.saturating_add(burst)).then(|| next.max(now).saturating_add(self.interval))
            })
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_the_rate_over_time() {
        let start = Instant::now();
        let limit = RateLimit::new(100, start);
        let passed = (0..20_000).filter(|i| limit.allows(start + Duration::from_micros(i * 500))).count();
        // Ten seconds at 100 a second, and the burst.
        assert!((1_000..=1_011).contains(&passed), "{passed}");
    }

    #[test]
    fn zero_is_no_limit() {
        let start = Instant::now();
        let limit = RateLimit::new(0, start);
        assert!((0..1000).all(|_| limit.allows(start)));
    }
}
