//! HTTP/2 connections of one leg: one carries many requests, another is opened when its streams are used up, and
//! those who arrive while one is being opened wait for it together.

use super::failure::Trouble;
use bytes::Bytes;
use h2::client::SendRequest;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

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
    pub(super) sender: SendRequest<Bytes>,
    usage: Arc<Usage>,
}

#[derive(Debug)]
struct Usage {
    vitals: Arc<Vitals>,
    idle_since: Mutex<Instant>,
    /// Dropped with the last one who may send on the connection, which its task waits for.
    _held: oneshot::Sender<Infallible>,
}

/// What a connection's task and those who send on it tell each other.
#[derive(Debug)]
pub(super) struct Vitals {
    pub(super) streams: AtomicUsize,
    /// As the leg allows now.
    pub(super) max_streams: AtomicUsize,
    /// Bytes that have come.
    pub(super) heard: AtomicU64,
    /// It was ended because nothing came any more.
    pub(super) silent: AtomicBool,
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
        lines.open.retain_mut(|line| !line.is_closed());
        let least = lines.open.iter().min_by_key(|line| line.streams());
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
        let mut lines = self.lock();
        lines.open.retain_mut(|line| !line.is_closed());
        lines.open.iter().min_by_key(|line| line.streams()).map(|line| (line.clone(), line.usage.enter()))
    }

    /// Lets requests have the streams of a connection. What comes back ends when none of them will any more.
    pub(super) fn add(&self, sender: SendRequest<Bytes>, vitals: Arc<Vitals>) -> oneshot::Receiver<Infallible> {
        let (held, left) = oneshot::channel();
        let usage = Usage { vitals, idle_since: Mutex::new(Instant::now()), _held: held };
        let mut lines = self.lock();
        let id = lines.next_id;
        lines.next_id += 1;
        lines.open.push(H2Line { id, sender, usage: Arc::new(usage) });
        left
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
        self.open.retain(|line| !line.usage.expired(timeout));
        loop {
            let at = self.open.iter().position(|line| line.usage.has_room())?;
            let line = self.open.get_mut(at)?;
            if !line.is_closed() {
                return Some((line.clone(), line.usage.enter()));
            }
            self.open.remove(at);
        }
    }
}

// === impl H2Line ===

impl H2Line {
    /// Whether it takes no further request, because it has ended or will.
    fn is_closed(&mut self) -> bool {
        matches!(self.sender.poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(_)))
    }

    fn streams(&self) -> usize {
        self.usage.vitals.streams.load(Ordering::Relaxed)
    }

    /// Bytes that have come on it.
    pub(super) fn heard(&self) -> u64 {
        self.usage.vitals.heard.load(Ordering::Relaxed)
    }

    pub(super) fn is_silent(&self) -> bool {
        self.usage.vitals.silent.load(Ordering::Acquire)
    }
}

// === impl Vitals ===

impl Vitals {
    pub(super) fn new(max_streams: usize) -> Self {
        Self {
            streams: AtomicUsize::new(0),
            max_streams: AtomicUsize::new(max_streams),
            heard: AtomicU64::new(0),
            silent: AtomicBool::new(false),
        }
    }
}

// === impl Usage ===

impl Usage {
    fn has_room(&self) -> bool {
        self.vitals.streams.load(Ordering::Relaxed) < self.vitals.max_streams.load(Ordering::Relaxed).max(1)
    }

    fn expired(&self, timeout: Duration) -> bool {
        self.vitals.streams.load(Ordering::Acquire) == 0
            && self.idle_since.lock().unwrap_or_else(PoisonError::into_inner).elapsed() >= timeout
    }

    fn enter(self: &Arc<Self>) -> Load {
        self.vitals.streams.fetch_add(1, Ordering::AcqRel);
        Load(self.clone())
    }
}

// === impl Load ===

impl Load {
    /// Whether its connection was ended because nothing came on it any more.
    pub(super) fn is_silent(&self) -> bool {
        self.0.vitals.silent.load(Ordering::Acquire)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        *self.0.idle_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.vitals.streams.fetch_sub(1, Ordering::AcqRel);
    }
}
