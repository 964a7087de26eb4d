//! A circuit breaker: after a run of failures in a row nothing is sent for a while, then one exchange probes.

use std::sync::atomic::{AtomicBool, Ordering};
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
    /// There was a failure since the last success. While there was none everything is let through and a success changes
    /// nothing: so exchanges write nothing that other threads read. It is written under the lock, and who still reads what
    /// it was before has come before what changed it.
    troubled: AtomicBool,
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

/// That one exchange may be sent. Dropped before it was, where it was to be the probe, another one may be that.
#[derive(Debug)]
pub struct Leave<'a> {
    breaker: &'a Breaker,
    probe: bool,
}

// === impl Breaker ===

impl Breaker {
    /// Whether an exchange may be sent now. While it is open the one that may is the probe.
    pub fn allows(&self, now: Instant) -> Option<Leave<'_>> {
        if self.is_calm() {
            return Some(self.leave(false));
        }
        let probe = match &mut self.lock().open {
            None => false,
            Some(open) if now >= open.until => {
                open.probing = true;
                // A probe whose outcome is never told must not keep it open for ever.
                open.until = now + LONGEST_PAUSE * 2;
                true
            }
            Some(_) => return None,
        };
        Some(self.leave(probe))
    }

    /// The leave of an exchange that was given one before.
    pub fn leave(&self, probe: bool) -> Leave<'_> {
        Leave { breaker: self, probe }
    }

    /// An exchange that was let through is not sent after all: a probe may be another one.
    pub fn skipped(&self, now: Instant) {
        if let Some(open) = &mut self.lock().open {
            open.probing = false;
            open.until = now;
        }
    }

    pub fn succeeded(&self) {
        if !self.is_calm() {
            let mut state = self.lock();
            *state = State::default();
            self.troubled.store(false, Ordering::Relaxed);
        }
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
        self.troubled.store(true, Ordering::Relaxed);
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

    fn is_calm(&self) -> bool {
        !self.troubled.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Leave ===

impl Leave<'_> {
    /// The exchange goes on its way, and what becomes of it will be told. Whether it is the probe.
    pub fn used(mut self) -> bool {
        std::mem::take(&mut self.probe)
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.breaker.skipped(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sends(breaker: &Breaker, now: Instant) -> bool {
        breaker.allows(now).map(Leave::used).is_some()
    }

    proptest! {
        /// As one that looks at its state each time.
        #[test]
        fn a_calm_one_needs_no_look_at_its_state(steps in prop::collection::vec((0..10, 0..1000u64), 0..100)) {
            let (breaker, thorough) = (Breaker::default(), Breaker::default());
            let mut now = Instant::now();
            for (step, passed) in steps {
                now += Duration::from_millis(passed);
                thorough.troubled.store(true, Ordering::Relaxed);
                let told = [&breaker, &thorough].map(|breaker| {
                    match step {
                        0..4 => breaker.succeeded(),
                        4 => _ = breaker.failed(now),
                        5 => breaker.gave_offence(now),
                        6 => breaker.skipped(now),
                        _ => {}
                    }
                    (breaker.open_for(now), breaker.allows(now).map(Leave::used))
                });
                prop_assert_eq!(told[0], told[1]);
            }
        }
    }

    #[test]
    fn an_offence_opens_it_at_once() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        breaker.succeeded();
        breaker.gave_offence(start);
        assert!(!sends(&breaker, start) && sends(&breaker, start + FIRST_PAUSE));
        breaker.gave_offence(start + FIRST_PAUSE);
        assert!(!sends(&breaker, start + FIRST_PAUSE * 2), "as a probe that fails");
    }

    #[test]
    fn opens_after_a_run_probes_once_and_closes() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        for _ in 0..THRESHOLD - 1 {
            breaker.failed(start);
        }
        breaker.succeeded();
        for _ in 0..THRESHOLD {
            assert!(sends(&breaker, start), "a success in between starts the run afresh");
            breaker.failed(start);
        }
        assert!(!sends(&breaker, start));
        let later = start + FIRST_PAUSE;
        assert!(sends(&breaker, later), "the probe");
        assert!(!sends(&breaker, later), "only one");
        breaker.failed(later);
        assert!(!sends(&breaker, later + FIRST_PAUSE), "the pause has doubled");
        assert!(sends(&breaker, later + FIRST_PAUSE * 2));
        breaker.succeeded();
        assert!(sends(&breaker, later) && sends(&breaker, later));
    }

    #[test]
    fn a_probe_that_is_not_sent_leaves_it_to_the_next() {
        let (breaker, start) = (Breaker::default(), Instant::now() - FIRST_PAUSE);
        assert!(!breaker.allows(start).unwrap().used(), "no probe");
        let before = breaker.allows(start).unwrap();
        breaker.gave_offence(start);
        drop(before);
        assert!(breaker.allows(start).is_none(), "one of before it opened ends no pause");
        let probe = breaker.allows(start + FIRST_PAUSE).unwrap();
        assert!(breaker.allows(Instant::now()).is_none());
        drop(probe);
        let probe = breaker.allows(Instant::now()).unwrap().used();
        assert!(probe && breaker.allows(Instant::now()).is_none());
        // Wherever it is by now.
        drop(breaker.leave(probe));
        assert!(sends(&breaker, Instant::now()));
    }
}
