//! Bodies to and from a leg.

use super::failure;
use super::idle::Return;
use super::multiplexed::Load;
use crate::model::{Failure, FailureKind};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::sync::oneshot;

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A streamed body; without `Sync`, which nothing here needs.
pub type BoxBody = Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>;

/// The body of a request to a leg.
pub enum LegBody {
    Empty,
    Full(Bytes),
    /// A stream; where its size hint is exact it goes out with that Content-Length, otherwise chunked.
    Boxed(BoxBody),
}

/// The body of a leg's answer. Read to its end, it gives its connection back to the pool; dropped before that, it
/// closes it. An error is a [`Failure`] of the leg, and the last thing that comes.
pub struct LegAnswerBody {
    inner: Incoming,
    line: Option<Line>,
    received: u64,
    /// By Content-Length, where this answer has a body at all.
    declared: Option<u64>,
    over: bool,
}

/// What an answer occupies until it is read.
pub(super) enum Line {
    H1(Return),
    H2 { _load: Load },
}

/// Follows a streamed request body: when hyper is done with it, and whether it broke off by itself.
struct Watched {
    inner: BoxBody,
    broke: Arc<AtomicBool>,
    /// Dropped with the body, which is what the other end waits for.
    _sent: oneshot::Sender<Infallible>,
}

/// The other end of [`Watched`]; for bodies that need no watching there is nothing to wait for.
pub(super) enum Upload {
    Whole,
    Streamed { broke: Arc<AtomicBool>, sent: oneshot::Receiver<Infallible> },
}

// === impl LegBody ===

impl LegBody {
    pub(super) fn watch(&mut self) -> Upload {
        match std::mem::replace(self, LegBody::Empty) {
            LegBody::Boxed(inner) => {
                let (sending, sent) = oneshot::channel();
                let broke = Arc::new(AtomicBool::new(false));
                *self = LegBody::Boxed(Box::pin(Watched { inner, broke: broke.clone(), _sent: sending }));
                Upload::Streamed { broke, sent }
            }
            whole => {
                *self = whole;
                Upload::Whole
            }
        }
    }
}

impl Body for LegBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match &mut *self {
            LegBody::Empty => Poll::Ready(None),
            LegBody::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = LegBody::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            LegBody::Boxed(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            LegBody::Empty => true,
            LegBody::Full(bytes) => bytes.is_empty(),
            LegBody::Boxed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            LegBody::Empty => SizeHint::with_exact(0),
            LegBody::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            LegBody::Boxed(body) => body.size_hint(),
        }
    }
}

impl std::fmt::Debug for LegBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LegBody::Empty => f.write_str("Empty"),
            LegBody::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            LegBody::Boxed(_) => f.write_str("Boxed"),
        }
    }
}

// === impl Watched ===

impl Body for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = self.inner.as_mut().poll_frame(cx);
        if let Poll::Ready(Some(Err(_))) = &polled {
            self.broke.store(true, Ordering::Release);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

// === impl Upload ===

impl Upload {
    /// Returns when the last byte of the request has been handed to the connection.
    pub(super) async fn sent(&mut self) {
        if let Upload::Streamed { sent, .. } = self {
            // Nothing is ever sent here; the error is the sender's drop.
            let _ = sent.await;
        }
    }

    pub(super) fn broke(&self) -> bool {
        matches!(self, Upload::Streamed { broke, .. } if broke.load(Ordering::Acquire))
    }
}

// === impl LegAnswerBody ===

impl LegAnswerBody {
    /// `bodiless` answers (to HEAD, 204, 304) may declare a length they do not have.
    pub(super) fn new(inner: Incoming, line: Option<Line>, bodiless: bool) -> Self {
        let declared = if bodiless { None } else { inner.size_hint().exact() };
        let mut body = Self { inner, line, received: 0, declared, over: false };
        if body.inner.is_end_stream() {
            body.release();
        }
        body
    }

    /// Bytes of content read so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    fn release(&mut self) {
        if let Some(Line::H1(line)) = self.line.take() {
            line.give_back();
        }
    }

    fn end(&mut self) -> Option<Result<Frame<Bytes>, Failure>> {
        self.over = true;
        match self.declared {
            // hyper takes an early RST_STREAM(NO_ERROR) for a clean end.
            Some(declared) if declared != self.received => {
                self.line = None;
                let detail = format!("body ended after {} of {declared} bytes", self.received);
                Some(Err(Failure { kind: FailureKind::Truncated, detail }))
            }
            _ => {
                self.release();
                None
            }
        }
    }
}

impl Body for LegAnswerBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.over {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.received += data.len() as u64;
                }
                if frame.is_trailers() || self.inner.is_end_stream() {
                    self.release();
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                self.over = true;
                self.line = None;
                Some(Err(failure::of_body(&error, self.received, self.declared)))
            }
            None => self.end(),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl std::fmt::Debug for LegAnswerBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LegAnswerBody").field("received", &self.received).field("declared", &self.declared).finish()
    }
}
