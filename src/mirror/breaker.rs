//! A circuit breaker: after a run of failures in a row nothing is sent for a while, then one exchange probes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Failures in a row that open it.
pub(super) const THRESHOLD: u32 = 20;
/// How long it stays open at first; doubled with each probe that fails.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Guards one leg. Closed, it lets everything through; open, nothing but one probe at the end of each pause.
#[derive(Debug, Default)]
pub struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    since: Instant,
    until: Instant,
    pause: Duration,
    probing: bool,
}

// === impl Breaker ===

impl Breaker {
    /// Whether an exchange may be sent now. True while open means: this one is the probe.
    pub fn allows(&self, now: Instant) -> bool {
        let mut state = self.lock();
        match &mut state.open {
            None => true,
            Some(open) if now >= open.until => {
                open.probing = true;
                // A probe whose outcome is never told must not keep it open for ever.
                open.until = now + LONGEST_PAUSE * 2;
                true
            }
            Some(_) => false,
        }
    }

    /// An exchange that was let through is not sent after all: a probe may be another one.
    pub fn skipped(&self, now: Instant) {
        if let Some(open) = &mut self.lock().open {
            open.probing = false;
            open.until = now;
        }
    }

    pub fn succeeded(&self) {
        let mut state = self.lock();
        state.failures = 0;
        state.open = None;
    }

    /// Returns whether it is open now.
    pub fn failed(&self, now: Instant) -> bool {
        self.count(1, now)
    }

    /// Something has come to light that is as bad as a whole run of failures.
    pub fn gave_offence(&self, now: Instant) {
        self.count(THRESHOLD, now);
    }

    fn count(&self, failures: u32, now: Instant) -> bool {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(failures);
        let run = state.failures;
        match &mut state.open {
            Some(open) if open.probing => {
                open.pause = (open.pause * 2).min(LONGEST_PAUSE);
                open.until = now + open.pause;
                open.probing = false;
            }
            // Exchanges that were under way when it opened say nothing new.
            Some(_) => {}
            None if run >= THRESHOLD => {
                state.open = Some(Open { since: now, until: now + FIRST_PAUSE, pause: FIRST_PAUSE, probing: false });
            }
            None => {}
        }
        state.open.is_some()
    }

    /// For how long it has been open, where it is.
    pub fn open_for(&self, now: Instant) -> Option<Duration> {
        self.lock().open.as_ref().map(|open| now.saturating_duration_since(open.since))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offence_opens_it_at_once() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        breaker.succeeded();
        breaker.gave_offence(start);
        assert!(!breaker.allows(start) && breaker.allows(start + FIRST_PAUSE));
        breaker.gave_offence(start + FIRST_PAUSE);
        assert!(!breaker.allows(start + FIRST_PAUSE * 2), "as a probe that fails");
    }

    #[test]
    fn opens_after_a_run_probes_once_and_closes() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        for _ in 0..THRESHOLD - 1 {
            breaker.failed(start);
        }
        breaker.succeeded();
        for _ in 0..THRESHOLD {
            assert!(breaker.allows(start), "a success in between starts the run afresh");
            breaker.failed(start);
        }
        assert!(!breaker.allows(start));
        let later = start + FIRST_PAUSE;
        assert!(breaker.allows(later), "the probe");
        assert!(!breaker.allows(later), "only one");
        breaker.failed(later);
        assert!(!breaker.allows(later + FIRST_PAUSE), "the pause has doubled");
        assert!(breaker.allows(later + FIRST_PAUSE * 2));
        breaker.succeeded();
        assert!(breaker.allows(later) && breaker.allows(later));
    }
}
