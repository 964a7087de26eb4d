//! What is under way on a client's HTTP/2 connection: requests, their bodies, tunnels, and parts of answers that have not
//! gone out.

use super::body::AnswerBody;
use crate::http2::gather::Rest;
use crate::model::Failure;
use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// Counts what is under way on a connection.
#[derive(Debug, Default)]
pub struct Uses {
    now: AtomicUsize,
    begun: AtomicUsize,
}

/// Something under way, until it is dropped; and so are its clones.
#[derive(Debug)]
pub struct Busy(Arc<Uses>);

/// The answer on a stream.
#[derive(Debug)]
pub struct BusyBody {
    inner: AnswerBody,
    busy: Busy,
}

/// A part of an answer, under way until it has been written: a client that reads slowly has it wait long after all of the
/// answer was handed over.
#[derive(Debug)]
pub struct Part {
    bytes: Bytes,
    _busy: Busy,
}

// === impl Uses ===

impl Uses {
    /// One more request.
    pub fn begin(self: &Arc<Self>) -> Busy {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.enter()
    }

    /// Returns once for a whole `limit` nothing was under way, nothing began, and nothing waited to be written.
    pub async fn idle<IO>(&self, rest: &Rest<IO>, limit: Duration) {
        let mut before = None;
        loop {
            let idle = self.now.load(Ordering::Relaxed) == 0 && !rest.holds();
            let now = idle.then(|| self.begun.load(Ordering::Relaxed));
            if idle && now == before {
                return;
            }
            before = now;
            tokio::time::sleep(limit).await;
        }
    }

    fn enter(self: &Arc<Self>) -> Busy {
        self.now.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }
}

// === impl Busy ===

impl Clone for Busy {
    fn clone(&self) -> Self {
        self.0.enter()
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl BusyBody ===

impl BusyBody {
    pub fn new(inner: AnswerBody, busy: Busy) -> Self {
        Self { inner, busy }
    }
}

impl Body for BusyBody {
    type Data = Part;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Part>, Failure>>> {
        let this = &mut *self;
        let part = |bytes| Part { bytes, _busy: this.busy.clone() };
        Pin::new(&mut this.inner).poll_frame(cx).map_ok(|frame| frame.map_data(part))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

// === impl Part ===

impl Buf for Part {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, n: usize) {
        self.bytes.advance(n);
    }
}
