//! Idle HTTP/1.1 connections of one leg: a stack, so that the warmest is used first and the rest can expire.

use super::http1::H1Line;
use crate::clock::recently;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the sweep looks for what has expired or was closed by the leg.
const SWEEP: Duration = Duration::from_secs(1);

/// A request that cannot be sent twice goes out on no connection that was idle for longer: the leg may be closing it
/// while the request is under way. One that was idle for less is not closed for that.
const WARM: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct IdleStack {
    /// A connection idle for longer is not used again: the leg may be about to close it.
    timeout: Duration,
    max: usize,
    stack: Mutex<Stack>,
}

#[derive(Debug, Default)]
struct Stack {
    /// Oldest first.
    idle: Vec<Idle>,
    sweeping: bool,
}

#[derive(Debug)]
struct Idle {
    line: Box<H1Line>,
    since: Instant,
}

// === impl IdleStack ===

impl IdleStack {
    pub(super) fn new(timeout: Duration, max: usize) -> Arc<Self> {
        Arc::new(Self { timeout, max, stack: Mutex::default() })
    }

    pub(super) fn len(&self) -> usize {
        self.lock().idle.len()
    }

    /// The connection used last that is still good, and whether it has lain idle for longer than a moment.
    pub(super) fn take(&self) -> Option<(Box<H1Line>, bool)> {
        self.pop(self.timeout)
    }

    /// The same for a request that cannot be sent twice: one that was in use just now, and is not closed as far as
    /// the system knows.
    pub(super) fn take_warm(&self) -> Option<Box<H1Line>> {
        while let Some((line, _)) = self.pop(WARM.min(self.timeout)) {
            if line.is_quiet() {
                return Some(line);
            }
        }
        None
    }

    pub(super) fn put(self: &Arc<Self>, line: Box<H1Line>) {
        let since = recently();
        let mut stack = self.lock();
        let oldest = if stack.idle.len() >= self.max && self.max > 0 { Some(stack.idle.remove(0)) } else { None };
        if self.max > 0 {
            stack.idle.push(Idle { line, since });
        }
        let sweep = !stack.sweeping && !stack.idle.is_empty();
        stack.sweeping |= sweep;
        drop(stack);
        drop(oldest);
        if sweep {
            self.start_sweeping();
        }
    }

    /// The newest one that has been idle for less than `limit`; what has expired altogether is closed.
    fn pop(&self, limit: Duration) -> Option<(Box<H1Line>, bool)> {
        let mut stack = self.lock();
        let expired = loop {
            let Some(mut newest) = stack.idle.pop() else { break Vec::new() };
            if !newest.line.is_fit() {
                continue;
            }
            let idle = recently().saturating_duration_since(newest.since);
            if idle < limit {
                return Some((newest.line, idle >= WARM));
            }
            if idle < self.timeout {
                // Good enough for others.
                stack.idle.push(newest);
                break Vec::new();
            }
            // All below are older.
            break std::mem::take(&mut stack.idle);
        };
        drop(stack);
        drop(expired);
        None
    }

    /// As if `by` more had passed.
    #[cfg(test)]
    pub(super) fn age(&self, by: Duration) {
        for idle in &mut self.lock().idle {
            idle.since -= by;
        }
    }

    /// Closes what nobody asked for in time. Runs only while there is something idle.
    fn start_sweeping(self: &Arc<Self>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            self.lock().sweeping = false;
            return;
        };
        let stack = Arc::downgrade(self);
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                match stack.upgrade() {
                    Some(stack) if stack.sweep() => {}
                    _ => return,
                }
            }
        });
    }

    /// Returns whether there is anything left to look after.
    fn sweep(&self) -> bool {
        let mut stack = self.lock();
        let gone: Vec<_> =
            stack.idle.extract_if(.., |idle| idle.since.elapsed() >= self.timeout || !idle.line.is_fit()).collect();
        stack.sweeping = !stack.idle.is_empty();
        let more = stack.sweeping;
        drop(stack);
        drop(gone);
        more
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Stack> {
        self.stack.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
