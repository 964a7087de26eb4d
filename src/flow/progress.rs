//! How far the primary's body has come, told to the mirror legs while it is on its way. Telling never waits.

use super::Tape;
use http::StatusCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use tokio::sync::Notify;

/// What mirror legs see of the primary's body.
#[derive(Debug, Default)]
pub struct Progress {
    passed: AtomicU64,
    stage: AtomicU8,
    /// Of the answer, once it is whole.
    status: AtomicU16,
    /// Legs that wait for more; while there are none, nobody is woken.
    waiting: AtomicUsize,
    changed: Notify,
    tape: Tape,
}

/// Whether more will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It has not ended; nor begun, maybe.
    Open,
    /// It came whole.
    Whole,
    /// It never came, broke off, or nobody watches it any more.
    Lost,
}

/// Tells of the primary's body as it passes. Dropped before [`Passing::whole`], it tells that it is lost.
#[derive(Debug, Default)]
pub struct Passing(Arc<Progress>);

// === impl Progress ===

impl Progress {
    /// The bytes that have come, and whether there will be more.
    pub fn now(&self) -> (u64, Stage) {
        let stage = match self.stage.load(Ordering::SeqCst) {
            0 => Stage::Open,
            1 => Stage::Whole,
            _ => Stage::Lost,
        };
        (self.passed.load(Ordering::SeqCst), stage)
    }

    /// What has come of the body, as far as it is kept.
    pub fn tape(&self) -> &Tape {
        &self.tape
    }

    /// Whether this is the status of an answer that has come whole. To be asked once it is known that one has: that it is
    /// whole is told after its status.
    pub fn has_status(&self, status: StatusCode) -> bool {
        self.status.load(Ordering::Relaxed) == status.as_u16()
    }

    /// Returns once more than `bytes` have come, or there will be no more.
    pub async fn beyond(&self, bytes: u64) {
        let _waiting = Waiting::new(&self.waiting);
        loop {
            let changed = self.changed.notified();
            let (passed, stage) = self.now();
            if passed > bytes || stage != Stage::Open {
                return;
            }
            changed.await;
        }
    }

    fn wake(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.changed.notify_waiters();
        }
    }
}

/// One that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

// === impl Passing ===

impl Passing {
    pub fn progress(&self) -> &Arc<Progress> {
        &self.0
    }

    pub fn pass(&self, bytes: usize) {
        self.0.passed.fetch_add(bytes as u64, Ordering::SeqCst);
        self.0.wake();
    }

    /// All of it has passed, of an answer with this status.
    pub fn whole(self, status: StatusCode) {
        self.0.status.store(status.as_u16(), Ordering::Relaxed);
        self.0.stage.store(Stage::Whole as u8, Ordering::SeqCst);
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        // Nobody else changes it.
        if self.0.stage.load(Ordering::Relaxed) == Stage::Open as u8 {
            self.0.stage.store(Stage::Lost as u8, Ordering::SeqCst);
            self.0.tape.clear();
        }
        self.0.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_hears_of_more_and_of_the_end() {
        for (told, seen) in [("more", (5, Stage::Open)), ("whole", (0, Stage::Whole)), ("lost", (0, Stage::Lost))] {
            let passing = Passing::default();
            let progress = passing.progress().clone();
            let mut waits = Box::pin(progress.beyond(4));
            assert!(futures_now(&mut waits), "{told}");
            let kept = match told {
                "more" => {
                    passing.pass(3);
                    assert!(futures_now(&mut waits));
                    passing.pass(2);
                    Some(passing)
                }
                "whole" => {
                    passing.whole(StatusCode::OK);
                    None
                }
                _ => {
                    drop(passing);
                    None
                }
            };
            waits.await;
            let seen = if told == "more" { (5, Stage::Open) } else { seen };
            assert_eq!(progress.now(), seen, "{told}");
            drop(kept);
        }
    }

    /// Whether it still waits.
    fn futures_now<F: Future>(future: &mut std::pin::Pin<Box<F>>) -> bool {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        future.as_mut().poll(&mut cx).is_pending()
    }
}
