//! The shared capture of a request body: written as the chunks pass to the primary, read by mirror legs at their
//! own pace. The writer never waits; past the cap the capture is given up and its readers fail.

use crate::model::{Captured, Limit, Permit};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// What the mirror legs get of a request's body.
#[derive(Debug, Clone)]
pub enum RequestBody {
    Empty,
    Shared(Arc<BodyCapture>),
}

impl RequestBody {
    /// What has been captured by now, for showing.
    pub fn captured(&self) -> Captured {
        match self {
            RequestBody::Empty => Captured::empty(),
            RequestBody::Shared(capture) => Captured::whole(capture.lock().chunks.clone(), None),
        }
    }
}

/// A body as it grows. See the module.
#[derive(Debug)]
pub struct BodyCapture {
    cap: usize,
    /// As the client declared it.
    declared: Option<u64>,
    budget: Arc<Limit>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    chunks: Vec<Bytes>,
    length: usize,
    permit: Option<Permit>,
    end: Option<End>,
    readers: Vec<Waker>,
}

#[derive(Debug, Clone)]
enum End {
    Complete(Option<HeaderMap>),
    /// The client broke off.
    Aborted,
    /// Over the cap or the budget.
    Lost,
}

/// Why a mirror leg's request body ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    #[error("the client broke off its request body")]
    Aborted,
    #[error("the request body outgrew what is kept for mirroring")]
    Lost,
}

// === impl BodyCapture ===

impl BodyCapture {
    /// `cap` in bytes, `declared` the Content-Length where there is one.
    pub fn new(cap: usize, declared: Option<u64>, budget: Arc<Limit>) -> Arc<Self> {
        Arc::new(Self { cap, declared, budget, state: Mutex::default() })
    }

    /// Appends a chunk that passes to the primary. Never waits.
    pub fn push(&self, chunk: &Bytes) {
        let mut state = self.lock();
        if state.end.is_some() {
            return;
        }
        let within = state.length + chunk.len() <= self.cap
            && match &mut state.permit {
                Some(permit) => permit.grow(chunk.len()),
                none => {
                    *none = self.budget.take(chunk.len());
                    none.is_some()
                }
            };
        if within {
            state.length += chunk.len();
            state.chunks.push(chunk.clone());
            state.wake();
        } else {
            state.chunks = Vec::new();
            state.permit = None;
            state.finish(End::Lost);
        }
    }

    /// The body is complete.
    pub fn complete(&self, trailers: Option<HeaderMap>) {
        self.lock().finish(End::Complete(trailers));
    }

    /// The body will not be complete. Does nothing when it already ended.
    pub fn abort(&self) {
        self.lock().finish(End::Aborted);
    }

    /// A reader from the beginning.
    pub fn reader(self: &Arc<Self>) -> CaptureReader {
        CaptureReader { capture: self.clone(), next: 0, done: false }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn finish(&mut self, end: End) {
        if self.end.is_none() {
            self.end = Some(end);
            self.wake();
        }
    }

    fn wake(&mut self) {
        self.readers.drain(..).for_each(Waker::wake);
    }
}

/// A request body for one mirror leg.
#[derive(Debug)]
pub struct CaptureReader {
    capture: Arc<BodyCapture>,
    next: usize,
    done: bool,
}

// === impl CaptureReader ===

impl Body for CaptureReader {
    type Data = Bytes;
    type Error = CaptureError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let capture = self.capture.clone();
        let mut state = capture.lock();
        if let Some(chunk) = state.chunks.get(self.next) {
            self.next += 1;
            return Poll::Ready(Some(Ok(Frame::data(chunk.clone()))));
        }
        match &state.end {
            None => {
                if !state.readers.iter().any(|w| w.will_wake(cx.waker())) {
                    state.readers.push(cx.waker().clone());
                }
                Poll::Pending
            }
            Some(End::Complete(trailers)) => {
                self.done = true;
                Poll::Ready(trailers.clone().map(|t| Ok(Frame::trailers(t))))
            }
            Some(End::Aborted) => Poll::Ready(Some(Err(CaptureError::Aborted))),
            Some(End::Lost) => Poll::Ready(Some(Err(CaptureError::Lost))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.capture.declared.map(SizeHint::with_exact).unwrap_or_default()
    }
}
