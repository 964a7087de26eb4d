//! Where work waits for threads that are woken for a batch of it rather than for each piece.
//!
//! Waking a thread costs both sides more than a small comparison does. So one that has run out of work dozes for a moment
//! before it sleeps, and is called only when much has come meanwhile or what came is urgent.
//!
//! It has no bound: who puts something in sees to that.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a thread without work waits for more before it has itself called for each piece again.
const DOZE: Duration = Duration::from_millis(5);
/// Pieces that a dozing thread is called for.
const BATCH: usize = 32;

/// First in, first out.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    call: Condvar,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    /// Threads that take from it, those of them that dozed or sleep, and those that sleep.
    threads: usize,
    idle: usize,
    asleep: usize,
    /// One of them was called and has not come yet.
    called: bool,
    closed: bool,
}

// === impl Queue ===

impl<T> Queue<T> {
    /// For so many threads.
    pub(super) fn new(threads: usize) -> Self {
        let waiting = VecDeque::new();
        let state = State { waiting, threads, idle: 0, asleep: 0, called: false, closed: false };
        Self { state: Mutex::new(state), call: Condvar::new() }
    }

    /// Adds a piece; never waits for a thread.
    pub(super) fn push(&self, piece: T, urgent: bool) {
        let mut state = self.lock();
        state.waiting.push_back(piece);
        let call = state.calls(urgent);
        drop(state);
        if call {
            self.call.notify_one();
        }
    }

    /// The next piece, waited for; none once it is closed and empty.
    pub(super) fn pop(&self) -> Option<T> {
        let mut state = self.lock();
        if state.waiting.is_empty() && !state.closed {
            state.idle += 1;
            state = self.call.wait_timeout(state, DOZE).unwrap_or_else(PoisonError::into_inner).0;
            state.asleep += 1;
            while state.waiting.is_empty() && !state.closed {
                state.called = false;
                state = self.call.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.asleep -= 1;
            state.idle -= 1;
            state.called = false;
        }
        let piece = state.waiting.pop_front();
        // There may be more than one thread can do.
        let call = state.calls(false);
        drop(state);
        if call {
            self.call.notify_one();
        }
        piece
    }

    pub(super) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Nothing more comes.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.call.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl<T> State<T> {
    /// Whether a thread has to be called for what is waiting; noted as done.
    fn calls(&mut self, urgent: bool) -> bool {
        let nobody = self.asleep == self.threads && !self.waiting.is_empty();
        let much = urgent || self.waiting.len() >= BATCH;
        let call = !self.called && (nobody || (much && self.idle > 0));
        self.called |= call;
        call
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    fn within_seconds(what: &str, done: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !done() {
            assert!(Instant::now() < deadline, "{what}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn everything_is_taken_once_by_whoever_is_free() {
        for threads in 1..4 {
            let queue = Arc::new(Queue::new(threads));
            let sum = Arc::new(AtomicUsize::new(0));
            let takers: Vec<_> = (0..threads)
                .map(|_| {
                    let (queue, sum) = (queue.clone(), sum.clone());
                    std::thread::spawn(move || {
                        while let Some(n) = queue.pop() {
                            sum.fetch_add(n, Ordering::Relaxed);
                        }
                    })
                })
                .collect();
            let mut expect = 0;
            for burst in [1, 1, 100, 3, 1] {
                (1..=burst).for_each(|n| queue.push(n, n % 7 == 0));
                expect += burst * (burst + 1) / 2;
                within_seconds("taken", || sum.load(Ordering::Relaxed) == expect);
                // Now they doze, and after that they sleep: both are called for what comes.
                if burst == 3 {
                    within_seconds("asleep", || queue.lock().asleep == threads);
                }
            }
            queue.push(1_000, false);
            queue.close();
            takers.into_iter().for_each(|taker| taker.join().unwrap());
            assert_eq!((sum.load(Ordering::Relaxed), queue.len()), (expect + 1_000, 0));
        }
    }

    #[test]
    fn a_dozing_thread_is_called_for_much_and_for_what_is_urgent() {
        let mut state =
            State { waiting: VecDeque::new(), threads: 2, idle: 1, asleep: 1, called: false, closed: false };
        let mut push = |urgent| {
            state.waiting.push_back(());
            state.calls(urgent)
        };
        let calls: Vec<bool> = (0..BATCH + 2).map(|_| push(false)).collect();
        assert_eq!(calls.iter().position(|call| *call), Some(BATCH - 1));
        assert_eq!(calls.iter().filter(|call| **call).count(), 1, "once is enough");
        state.called = false;
        assert!(state.calls(true));
        (state.called, state.asleep, state.idle) = (false, 2, 2);
        state.waiting.truncate(1);
        assert!(state.calls(false), "all sleep");
        (state.called, state.asleep, state.idle) = (false, 0, 0);
        assert!(!state.calls(true), "all work");
    }
}
