//! Idle HTTP/1.1 connections of one leg: a stack, so that the warmest is used first and the rest can expire.

use super::LegBody;
use super::io::Ear;
use hyper::client::conn::http1::SendRequest;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often at most the sweep looks for what expired.
const SWEEP_AT_LEAST: Duration = Duration::from_millis(500);

/// A request that cannot be sent twice goes out on no connection that was idle for longer: the leg may be closing it
/// while the request is under way.
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
    line: H1Line,
    since: Instant,
}

/// An HTTP/1.1 connection, as the one who sends on it holds it.
#[derive(Debug)]
pub(super) struct H1Line {
    pub(super) sender: SendRequest<LegBody>,
    pub(super) ear: Ear,
}

/// A connection on its way back to the stack.
#[derive(Debug)]
pub(super) struct Return {
    pub(super) line: H1Line,
    pub(super) stack: Arc<IdleStack>,
    /// The request had no body: once its answer is read, the connection is idle.
    pub(super) sent_whole: bool,
}

// === impl IdleStack ===

impl IdleStack {
    pub(super) fn new(timeout: Duration, max: usize) -> Arc<Self> {
        Arc::new(Self { timeout, max, stack: Mutex::default() })
    }

    pub(super) fn len(&self) -> usize {
        self.lock().idle.len()
    }

    /// The connection used last that is still good.
    pub(super) async fn take(&self) -> Option<H1Line> {
        while let Some(mut line) = self.pop(self.timeout) {
            // What is not ready yet is about to be, or about to be closed: its answer was read to the end.
            if line.sender.is_ready() || line.sender.ready().await.is_ok() {
                return Some(line);
            }
        }
        None
    }

    /// The same for a request that cannot be sent twice: one that was in use just now, and is not closed as far as
    /// the system knows.
    pub(super) async fn take_warm(&self) -> Option<H1Line> {
        while let Some(mut line) = self.pop(WARM.min(self.timeout)) {
            if (line.sender.is_ready() || line.sender.ready().await.is_ok()) && line.ear.is_quiet().await {
                return Some(line);
            }
        }
        None
    }

    pub(super) fn put(self: &Arc<Self>, line: H1Line) {
        if line.sender.is_closed() {
            return;
        }
        let since = Instant::now();
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
    fn pop(&self, limit: Duration) -> Option<H1Line> {
        let mut stack = self.lock();
        let expired = loop {
            let Some(newest) = stack.idle.pop() else { break Vec::new() };
            if newest.line.sender.is_closed() {
                continue;
            }
            let idle = newest.since.elapsed();
            if idle < limit {
                return Some(newest.line);
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
        let period = (self.timeout / 2).max(SWEEP_AT_LEAST);
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(period).await;
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
        let (kept, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut stack.idle)
            .into_iter()
            .partition(|idle| !idle.line.sender.is_closed() && idle.since.elapsed() < self.timeout);
        stack.idle = kept;
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

// === impl Return ===

impl Return {
    pub(super) fn give_back(mut self) {
        if self.sent_whole || self.line.sender.is_ready() {
            self.stack.put(self.line);
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // The answer was over before its request; the connection is free when that has gone out too.
            runtime.spawn(async move {
                if self.line.sender.ready().await.is_ok() {
                    self.stack.put(self.line);
                }
            });
        }
    }
}
