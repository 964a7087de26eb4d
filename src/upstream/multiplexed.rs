//! HTTP/2 connections of one leg: one carries many requests, another is opened when its streams are used up, and
//! those who arrive while one is being opened wait for it together.

use super::LegBody;
use super::failure::Trouble;
use hyper::client::conn::http2::SendRequest;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Connections at once; beyond it streams queue on the one with the fewest.
const MAX_LINES: usize = 32;

#[derive(Debug)]
pub(super) struct Multiplexed {
    timeout: Duration,
    lines: Mutex<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    open: Vec<H2Line>,
    opening: Option<Opening>,
    next_id: u64,
}

/// What those who wait for a connection will be told.
pub(super) type Opening = watch::Receiver<Option<Opened>>;

#[derive(Debug, Clone)]
pub(super) enum Opened {
    /// There is a new HTTP/2 connection.
    H2,
    /// The leg speaks HTTP/1.1; the connection is on the idle stack.
    H1,
    Failed(Trouble),
}

#[derive(Debug, Clone)]
pub(super) struct H2Line {
    pub(super) id: u64,
    pub(super) sender: SendRequest<LegBody>,
    usage: Arc<Usage>,
}

#[derive(Debug)]
struct Usage {
    streams: AtomicUsize,
    /// As the leg allows now.
    max_streams: Arc<AtomicUsize>,
    idle_since: Mutex<Instant>,
}

/// One stream in use, until it is dropped.
#[derive(Debug)]
pub(super) struct Load(Arc<Usage>);

/// What a caller is to do to get a stream.
pub(super) enum Step {
    Use(H2Line, Load),
    Wait(Opening),
    /// Nobody is opening one: open it, and report to the sender.
    Open(watch::Sender<Option<Opened>>, Opening),
}

// === impl Multiplexed ===

impl Multiplexed {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, lines: Mutex::default() }
    }

    /// A stream on a connection that has room.
    pub(super) fn vacant(&self) -> Option<(H2Line, Load)> {
        self.lock().vacant(self.timeout)
    }

    pub(super) fn step(&self) -> Step {
        let mut lines = self.lock();
        if let Some((line, load)) = lines.vacant(self.timeout) {
            return Step::Use(line, load);
        }
        let least = lines.open.iter().min_by_key(|line| line.usage.streams.load(Ordering::Relaxed));
        if let Some(line) = least.filter(|_| lines.open.len() >= MAX_LINES) {
            return Step::Use(line.clone(), line.usage.enter());
        }
        // A sender that is gone was dropped by a task that panicked: nobody is opening anything.
        if let Some(opening) = lines.opening.as_ref().filter(|opening| opening.has_changed().is_ok()) {
            return Step::Wait(opening.clone());
        }
        let (report, opening) = watch::channel(None);
        lines.opening = Some(opening.clone());
        Step::Open(report, opening)
    }

    /// A stream on any connection that is left, however many others it carries.
    pub(super) fn crowd(&self) -> Option<(H2Line, Load)> {
        let lines = self.lock();
        let open = lines.open.iter().filter(|line| !line.sender.is_closed());
        open.min_by_key(|line| line.usage.streams.load(Ordering::Relaxed))
            .map(|line| (line.clone(), line.usage.enter()))
    }

    pub(super) fn add(&self, sender: SendRequest<LegBody>, max_streams: Arc<AtomicUsize>) {
        let usage = Usage { streams: AtomicUsize::new(0), max_streams, idle_since: Mutex::new(Instant::now()) };
        let mut lines = self.lock();
        let id = lines.next_id;
        lines.next_id += 1;
        lines.open.push(H2Line { id, sender, usage: Arc::new(usage) });
    }

    /// Ends the wait: who comes from here on opens anew if it must.
    pub(super) fn opened(&self, report: &watch::Sender<Option<Opened>>, outcome: Opened) {
        self.lock().opening = None;
        report.send_replace(Some(outcome));
    }

    /// Takes a connection out of use that has just failed somebody.
    pub(super) fn forget(&self, id: u64) {
        self.lock().open.retain(|line| line.id != id);
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Lines ===

impl Lines {
    fn vacant(&mut self, timeout: Duration) -> Option<(H2Line, Load)> {
        self.open.retain(|line| !line.sender.is_closed() && !line.usage.expired(timeout));
        let line = self.open.iter().find(|line| line.usage.has_room())?;
        Some((line.clone(), line.usage.enter()))
    }
}

// === impl Usage ===

impl Usage {
    fn has_room(&self) -> bool {
        self.streams.load(Ordering::Relaxed) < self.max_streams.load(Ordering::Relaxed).max(1)
    }

    fn expired(&self, timeout: Duration) -> bool {
        self.streams.load(Ordering::Acquire) == 0
            && self.idle_since.lock().unwrap_or_else(PoisonError::into_inner).elapsed() >= timeout
    }

    fn enter(self: &Arc<Self>) -> Load {
        self.streams.fetch_add(1, Ordering::AcqRel);
        Load(self.clone())
    }
}

// === impl Load ===

impl Drop for Load {
    fn drop(&mut self) {
        *self.0.idle_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.streams.fetch_sub(1, Ordering::AcqRel);
    }
}
