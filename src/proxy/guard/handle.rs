//! What the service that answers requests shares with the guard beneath it.

use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

/// A handle on one connection's guard. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct GuardHandle(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    in_flight: AtomicUsize,
    tunnel: AtomicBool,
    refused: AtomicBool,
    /// hyper has written what it has not flushed.
    dirty: AtomicBool,
    /// Whether `interim` holds anything, so that a write need not take the lock to know.
    waiting: AtomicBool,
    interim: Mutex<VecDeque<Bytes>>,
    /// Whether `reader` holds anything.
    parked: AtomicBool,
    reader: Mutex<Option<Waker>>,
}

/// A request being answered; until it is dropped no timer of the guard runs but that of the request's own body.
#[derive(Debug)]
pub struct InFlight(GuardHandle);

// === impl GuardHandle ===

impl GuardHandle {
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that a request is being answered, until what is returned is dropped.
    ///
    /// Call it in `Service::call` itself, not in the future it returns, which hyper may poll only after it has read
    /// on; and keep it in the body of the answer, so that it lives until that is written.
    pub fn begin(&self) -> InFlight {
        self.0.in_flight.fetch_add(1, Ordering::SeqCst);
        InFlight(self.clone())
    }

    /// Queues a whole interim response such as `HTTP/1.1 103 Early Hints\r\n...\r\n\r\n`. It goes out when hyper next
    /// flushes, which it does after every poll of the service's future: push from within that future.
    pub fn push_interim(&self, response: Bytes) {
        let mut queue = self.queue();
        queue.push_back(response);
        self.0.waiting.store(true, Ordering::Release);
    }

    /// To be called before the final answer is handed to hyper: what has not begun to be written goes out before that
    /// answer's head, or is dropped where bytes of an earlier answer still stand before it. Says how many were dropped.
    pub fn settle_interim(&self) -> usize {
        if !self.0.dirty.load(Ordering::Acquire) {
            return 0;
        }
        let mut queue = self.queue();
        self.0.waiting.store(false, Ordering::Release);
        std::mem::take(&mut *queue).len()
    }

    /// From here on bytes pass unread in both directions: an upgrade or CONNECT is about to be granted.
    pub fn tunnel(&self) {
        self.0.tunnel.store(true, Ordering::Release);
    }

    /// Whether the guard refused something on this connection.
    pub fn refused(&self) -> bool {
        self.0.refused.load(Ordering::Acquire)
    }

    pub(super) fn set_refused(&self) {
        self.0.refused.store(true, Ordering::Release);
    }

    pub(super) fn set_dirty(&self, dirty: bool) {
        self.0.dirty.store(dirty, Ordering::Release);
    }

    pub(super) fn is_tunnel(&self) -> bool {
        self.0.tunnel.load(Ordering::Acquire)
    }

    pub(super) fn is_busy(&self) -> bool {
        self.0.in_flight.load(Ordering::SeqCst) > 0
    }

    /// Remembers a reader that must wait for the answer under way; the caller looks once more before it waits.
    pub(super) fn park(&self, waker: &Waker) {
        let mut reader = self.0.reader.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *reader {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        self.0.parked.store(true, Ordering::SeqCst);
    }

    /// Wakes the reader that waits, if one does.
    pub(super) fn unpark(&self) {
        if self.0.parked.load(Ordering::SeqCst) && self.0.parked.swap(false, Ordering::SeqCst) {
            let reader = self.0.reader.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(waker) = &*reader {
                waker.wake_by_ref();
            }
        }
    }

    pub(super) fn next_interim(&self) -> Option<Bytes> {
        if !self.0.waiting.load(Ordering::Acquire) {
            return None;
        }
        let mut queue = self.queue();
        let next = queue.pop_front();
        self.0.waiting.store(!queue.is_empty(), Ordering::Release);
        next
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, VecDeque<Bytes>> {
        self.0.interim.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.0.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.unpark();
        }
    }
}
