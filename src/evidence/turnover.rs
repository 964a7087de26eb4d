//! How fast the labels of answers may begin epochs.
//!
//! A deployment brings a label now and then. A header that names the request or the instance instead of the build brings
//! one with every answer: each would begin an epoch and push another out, until nothing is told of any.

use std::time::Duration;

/// That may begin without waiting.
const FREE: u64 = 8;
/// After which there may be one more.
const EVERY: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Turnover {
    left: u64,
    /// By the steady clock.
    since: Duration,
}

// === impl Turnover ===

impl Turnover {
    pub(super) fn new() -> Self {
        Self { left: FREE, since: Duration::ZERO }
    }

    /// Whether one more may begin, which is taken to happen then.
    pub(super) fn take(&mut self, now: Duration) -> bool {
        let more = now.saturating_sub(self.since).as_secs() / EVERY.as_secs();
        if more > 0 {
            self.left = self.left.saturating_add(more).min(FREE);
            self.since = now;
        }
        let may = self.left > 0;
        self.left -= u64::from(may);
        may
    }
}
