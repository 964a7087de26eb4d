//! Bodies on their way through: passed on chunk by chunk, watched beside the stream.

use super::busy::Busy;
use super::http1::{BodyFailure, Http1Body};
use crate::flow::{BodyCapture, Promise, SharedPromise};
use crate::model::{BodyEnd, Failure, Fields};
use crate::upstream::LegAnswerBody;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, timeout};

// === Request ===

/// The body of a client's request.
#[derive(Debug)]
pub enum ClientBody {
    Empty,
    Http1(Http1Body),
    /// A client may send on when it has long had the answer.
    Http2(Incoming, Busy),
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = TeeError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match &mut *self {
            ClientBody::Empty => Poll::Ready(None),
            ClientBody::Http1(body) => Pin::new(body).poll_frame(cx).map_err(TeeError::Http1),
            ClientBody::Http2(body, _) => Pin::new(body).poll_frame(cx).map_err(TeeError::Http2),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            ClientBody::Empty => true,
            ClientBody::Http1(body) => body.is_end_stream(),
            ClientBody::Http2(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ClientBody::Empty => SizeHint::with_exact(0),
            ClientBody::Http1(body) => body.size_hint(),
            ClientBody::Http2(body, _) => body.size_hint(),
        }
    }
}

/// The client's body on its way to the primary. Each chunk is also appended to the capture, where there is one.
#[derive(Debug)]
pub struct TeeBody {
    inner: ClientBody,
    capture: Option<Arc<BodyCapture>>,
    fault: Arc<OnceLock<BodyFault>>,
    /// Held back until the primary asks for the body (`Expect: 100-continue`).
    hold: Option<Hold>,
    stall: Option<Stall>,
}

/// Waits for the primary's 100, its final answer, or a second, whichever comes first.
#[derive(Debug)]
struct Hold {
    go: oneshot::Receiver<()>,
    patience: Pin<Box<Sleep>>,
}

/// The longest time between two chunks.
#[derive(Debug)]
struct Stall {
    limit: Duration,
    timer: Pin<Box<Sleep>>,
}

/// Whose doing it is that a request body did not come whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    /// It broke off or broke the protocol.
    Client,
    /// Nothing came for too long.
    Stalled,
}

/// Why the client's body could not be passed on.
#[derive(Debug, thiserror::Error)]
pub enum TeeError {
    #[error("the client's request body failed: {0}")]
    Http1(BodyFailure),
    #[error("the client's request body failed: {0}")]
    Http2(hyper::Error),
    #[error("the client sent no further part of its body for {0:?}")]
    Stalled(Duration),
}

impl TeeBody {
    /// `stall` is the longest time between two chunks.
    pub fn new(inner: ClientBody, stall: Option<Duration>) -> Self {
        let stall = stall.map(|limit| Stall { limit, timer: Box::pin(tokio::time::sleep(limit)) });
        Self { inner, capture: None, fault: Arc::default(), hold: None, stall }
    }

    /// Appends every chunk to `capture` from here on.
    pub fn capture(&mut self, capture: Arc<BodyCapture>) {
        self.capture = Some(capture);
    }

    /// Set when the body fails on the client's side.
    pub fn fault(&self) -> Arc<OnceLock<BodyFault>> {
        self.fault.clone()
    }

    /// Reads nothing from the client until `go` is sent or dropped, or `patience` is over.
    pub fn hold_for(&mut self, go: oneshot::Receiver<()>, patience: Duration) {
        self.hold = Some(Hold { go, patience: Box::pin(tokio::time::sleep(patience)) });
    }

    fn end(&mut self, trailers: Option<HeaderMap>) {
        if let Some(capture) = self.capture.take() {
            capture.complete(trailers);
        }
    }
}

impl Body for TeeBody {
    type Data = Bytes;
    type Error = TeeError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = &mut *self;
        if let Some(hold) = &mut this.hold {
            if Pin::new(&mut hold.go).poll(cx).is_pending() {
                ready!(hold.patience.as_mut().poll(cx));
            }
            this.hold = None;
        }
        let frame = match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                if let Some(stall) = &mut this.stall {
                    ready!(stall.timer.as_mut().poll(cx));
                    let _ = this.fault.set(BodyFault::Stalled);
                    return Poll::Ready(Some(Err(TeeError::Stalled(stall.limit))));
                }
                return Poll::Pending;
            }
        };
        if let Some(stall) = &mut this.stall {
            let next = Instant::now() + stall.limit;
            stall.timer.as_mut().reset(next);
        }
        match frame {
            Some(Ok(frame)) => {
                if let Some(chunk) = frame.data_ref() {
                    if this.inner.is_end_stream() {
                        if let Some(capture) = this.capture.take() {
                            capture.push_last(chunk);
                        }
                    } else if let Some(capture) = &this.capture {
                        capture.push(chunk);
                    }
                } else if let Some(trailers) = frame.trailers_ref() {
                    this.end(Some(trailers.clone()));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(e)) => {
                let stalled = matches!(e, TeeError::Http1(BodyFailure::Stalled));
                let _ = this.fault.set(if stalled { BodyFault::Stalled } else { BodyFault::Client });
                Poll::Ready(Some(Err(e)))
            }
            None => {
                this.end(None);
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for TeeBody {
    fn drop(&mut self) {
        match self.capture.take() {
            // Who has seen that it is over need not have asked for more.
            Some(capture) if self.inner.is_end_stream() => capture.complete(None),
            Some(capture) if self.fault.get().is_some() => capture.abort(),
            Some(capture) => capture.leave(),
            None => {}
        }
    }
}

// === Answer ===

/// How long the end of an answer may take that its client has all of.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// The answer on its way to the client: the primary's, or one of our own.
#[derive(Debug)]
pub enum AnswerBody {
    Own(Full<Bytes>),
    Leg(Box<WatchedBody>),
    /// The answer turns the connection over HTTP/1.1 into a tunnel.
    Tunnel(LegAnswerBody),
}

impl AnswerBody {
    /// The answer's fields, once they have been written. To be called before the body is read.
    pub fn record_head(&mut self, headers: impl FnOnce() -> Fields) {
        if let AnswerBody::Leg(body) = self {
            body.record_head(headers);
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match &mut *self {
            AnswerBody::Own(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            AnswerBody::Leg(body) => body.poll(cx),
            AnswerBody::Tunnel(_) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            AnswerBody::Own(body) => body.is_end_stream(),
            AnswerBody::Leg(body) => body.inner.is_end_stream(),
            AnswerBody::Tunnel(_) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            AnswerBody::Own(body) => body.size_hint(),
            AnswerBody::Leg(body) => body.inner.size_hint(),
            AnswerBody::Tunnel(_) => SizeHint::with_exact(0),
        }
    }
}

/// The primary's body, recorded as it streams to the client. When it ends, however it ends, the promise made to the
/// mirror is kept; when the client goes away first, the mirror is told so. A client that has all of it need not wait for its
/// end.
#[derive(Debug)]
pub struct WatchedBody {
    inner: LegAnswerBody,
    watch: Option<Watch>,
}

/// Who is told of the answer.
#[expect(clippy::large_enum_variant, reason = "nearly all are their own, and the body around it is boxed")]
#[derive(Debug)]
pub enum Watch {
    Own {
        promise: Promise,
        /// Still without the fields, which are on their way to the client.
        headless: bool,
    },
    /// Of a stream that need not end, which the mirror may cut.
    Shared(SharedPromise),
}

impl WatchedBody {
    pub fn new(inner: LegAnswerBody, watch: Option<Watch>) -> Self {
        Self { inner, watch }
    }

    fn record_head(&mut self, headers: impl FnOnce() -> Fields) {
        if let Some(Watch::Own { promise, headless }) = &mut self.watch
            && *headless
        {
            promise.answer.headers = headers();
            *headless = false;
        }
        if self.inner.is_end_stream() {
            self.keep_promise(BodyEnd::Complete, None);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let beside_head = self.inner.is_beside_head();
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(chunk) = frame.data_ref() {
                    // Once the mirror has given up nobody wants to know.
                    let wanted = match &mut self.watch {
                        Some(Watch::Own { promise, headless: false }) if promise.is_wanted() => {
                            promise.push(chunk, beside_head);
                            true
                        }
                        Some(Watch::Shared(promise)) => promise.push(chunk),
                        _ => false,
                    };
                    if !wanted {
                        self.watch = None;
                    }
                    if self.inner.is_end_stream() {
                        self.keep_promise(BodyEnd::Complete, None);
                    }
                } else if let Some(trailers) = frame.trailers_ref() {
                    self.keep_promise(BodyEnd::Complete, Some(trailers.clone()));
                }
            }
            Some(Err(failure)) => self.keep_promise(BodyEnd::Broken(failure.clone()), None),
            None => self.keep_promise(BodyEnd::Complete, None),
        }
        Poll::Ready(frame)
    }

    /// Waits for the end, and trailers, of an answer that its client has all of. A client that still sends its request
    /// may do so beyond that.
    async fn finish(mut self) {
        let sending = self.inner.is_sending();
        let end = poll_fn(|cx| {
            while let Some(Ok(_)) = ready!(self.poll(cx)) {}
            Poll::Ready(())
        });
        if timeout(END_PATIENCE, end).await.is_err() {
            let inner = std::mem::replace(&mut self.inner, LegAnswerBody::over());
            if sending {
                inner.let_go();
            }
        }
    }

    fn keep_promise(&mut self, end: BodyEnd, trailers: Option<HeaderMap>) {
        if let Some(promise) = self.promise() {
            promise.keep(end, trailers);
        }
    }

    fn promise(&mut self) -> Option<Promise> {
        match self.watch.take()? {
            Watch::Own { promise, .. } => Some(promise),
            Watch::Shared(promise) => promise.take(),
        }
    }
}

impl Drop for WatchedBody {
    fn drop(&mut self) {
        let headless = matches!(self.watch, Some(Watch::Own { headless: true, .. }));
        if headless || !self.inner.is_whole() {
            if let Some(promise) = self.promise() {
                promise.abandon();
            }
        } else if let (false, Ok(runtime)) = (self.inner.is_end_stream(), Handle::try_current()) {
            let inner = std::mem::replace(&mut self.inner, LegAnswerBody::over());
            runtime.spawn(Self::new(inner, self.watch.take()).finish());
        } else {
            self.keep_promise(BodyEnd::Complete, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{BodyOutcome, RequestBody};
    use crate::model::Limit;

    #[test]
    fn a_body_that_is_over_was_not_broken_off_whoever_asked_for_its_end() {
        let capture = BodyCapture::new(1000, None, Limit::new(1000));
        let mut body = TeeBody::new(ClientBody::Empty, None);
        body.capture(capture.clone());
        assert_eq!(RequestBody::Shared(capture.clone()).ended(), None);
        drop(body);
        assert_eq!(RequestBody::Shared(capture).ended(), Some(BodyOutcome::Complete));
    }
}
