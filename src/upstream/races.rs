//! Which closed connections of a mirrored leg are put down to chance.
//!
//! A leg may close an idle connection just as a request goes out on it, and over HTTP/2 say so of a connection in use. That
//! happens to any client now and then, and says nothing about the leg; one that closes connections under requests all the
//! time, or refuses them, would otherwise look as if it had answered them.

use crate::clock::{TICK, recently};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One that closes later has had the request, and closes for another reason: the longest way there and back, about.
const SOON: Duration = Duration::from_millis(500);
/// At once.
const MOST: u32 = 20;
/// Answers that make good for one: what is put down to chance stays below what a gate tolerates, by default.
const ANSWERS: u32 = 1000;
/// So does time: who is asked as seldom as it closes idle connections may race with half of the requests.
const EVERY: Duration = Duration::from_secs(5);

/// Counts down what a leg is granted.
#[derive(Debug)]
pub(super) struct Races {
    /// Where nothing is counted, everything is chance: users are to get their answers.
    counted: bool,
    granted: AtomicU32,
    /// When one was granted for the time that had passed.
    last: Mutex<Option<Instant>>,
    /// Requests that were sent again.
    retries: AtomicU64,
}

// === impl Races ===

impl Races {
    pub(super) fn new(counted: bool) -> Self {
        Self { counted, granted: AtomicU32::new(MOST * ANSWERS), last: Mutex::default(), retries: AtomicU64::new(0) }
    }

    /// When a request goes out.
    pub(super) fn begin(&self) -> Option<Instant> {
        self.counted.then(recently)
    }

    /// An answer has come.
    pub(super) fn answered(&self) {
        if self.counted && self.granted.load(Ordering::Relaxed) < MOST * ANSWERS {
            self.granted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The connection on which a request went out then was closed without an answer: whether that may be chance. Not where
    /// it was in use and could not be closed for being idle; `rested` says whether it could.
    pub(super) fn is_one(&self, begun: Option<Instant>, rested: bool) -> bool {
        let Some(begun) = begun else { return true };
        if !rested {
            return false;
        }
        let less = |granted: u32| granted.checked_sub(ANSWERS);
        let granted = || self.granted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok();
        begun.elapsed() <= SOON + TICK && (granted() || self.is_time(begun))
    }

    /// A request is sent again.
    pub(super) fn retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests that were sent again so far.
    pub(super) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    fn is_time(&self, now: Instant) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| now.saturating_duration_since(last) >= EVERY);
        if due {
            *last = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leg_is_granted_some_and_earns_more_by_answers() {
        let races = Races::new(true);
        let granted = || (0..100).filter(|_| races.is_one(races.begin(), true)).count();
        assert_eq!((granted(), granted()), (MOST as usize + 1, 0));
        (0..ANSWERS * 3 - 1).for_each(|_| races.answered());
        assert_eq!(granted(), 2);
        (0..2 * MOST * ANSWERS).for_each(|_| races.answered());
        assert_eq!(granted(), MOST as usize);
    }

    #[test]
    fn a_leg_that_is_asked_seldom_is_granted_one_now_and_then() {
        let (races, now) = (Races::new(true), Instant::now());
        let due = [0, 1, 4, 5, 9, 10].map(|seconds| races.is_time(now + Duration::from_secs(seconds)));
        assert_eq!(due, [true, false, false, true, false, true]);
    }

    #[test]
    fn who_closes_a_connection_in_use_is_granted_nothing() {
        let races = Races::new(true);
        assert!((0..100).all(|_| !races.is_one(races.begin(), false)) && races.is_one(races.begin(), true));
    }

    #[test]
    fn who_took_its_time_had_the_request() {
        let long_ago = Instant::now().checked_sub(2 * SOON);
        assert!(!Races::new(true).is_one(long_ago, true));
        let users = Races::new(false);
        assert!(users.begin().is_none() && (0..1000).all(|_| users.is_one(None, false)));
    }
}
