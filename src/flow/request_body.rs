//! The shared capture of a request body: written as the chunks pass to the primary, read by mirror legs at their
//! own pace. The writer never waits; past the cap the capture is given up and its readers fail.

use super::recorder::Chunks;
use crate::model::{Captured, Limit};
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
    /// Whether the body has ended, and how.
    pub fn ended(&self) -> Option<BodyOutcome> {
        match self {
            RequestBody::Empty => Some(BodyOutcome::Complete),
            RequestBody::Shared(capture) => {
                let state = capture.lock();
                let whole = || capture.is_whole(&state).then_some(BodyOutcome::Complete);
                state.end.as_ref().map(End::outcome).or_else(whole)
            }
        }
    }

    /// Waits until the body has ended, and says how.
    pub async fn end(&self) -> BodyOutcome {
        let RequestBody::Shared(capture) = self else { return BodyOutcome::Complete };
        std::future::poll_fn(|cx| {
            let mut state = capture.lock();
            if let Some(end) = &state.end {
                return Poll::Ready(end.outcome());
            }
            state.wait(cx);
            Poll::Pending
        })
        .await
    }

    /// No leg's answer is waited for any more: who still reads need not wait for what nobody reads from the client.
    pub fn let_go(&self) {
        if let RequestBody::Shared(capture) = self {
            let mut state = capture.lock();
            state.let_go = true;
            state.wake();
        }
    }

    /// What has been captured by now, for showing.
    pub fn captured(&self) -> Captured {
        match self {
            RequestBody::Empty => Captured::empty(),
            RequestBody::Shared(capture) => {
                let state = capture.lock();
                let mut chunks = state.chunks.done.clone();
                chunks.push(Bytes::copy_from_slice(&state.chunks.tail));
                Captured::whole(chunks)
            }
        }
    }
}

/// How a request's body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyOutcome {
    Complete,
    /// The client broke it off.
    Aborted,
    /// The primary did not want the rest, so that nobody knows it: it has answered, has failed, or its client has gone.
    Unread,
    /// It outgrew what is kept, so that the mirror legs did not get what the primary got.
    Lost,
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
    chunks: Chunks,
    length: usize,
    end: Option<End>,
    readers: Vec<Waker>,
    /// See [`RequestBody::let_go`].
    let_go: bool,
}

#[derive(Debug, Clone)]
enum End {
    Complete(Option<HeaderMap>),
    /// The client broke off.
    Aborted,
    /// The primary read no further.
    Unread,
    /// Over the cap or the budget.
    Lost,
}

/// Why a mirror leg's request body ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    #[error("the client broke off its request body")]
    Aborted,
    #[error("nobody read the rest of the request body")]
    Unread,
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
        self.lock().push(chunk, self);
    }

    /// Appends the last chunk of a body without trailers. In one step: who has read all of it finds it complete.
    pub fn push_last(&self, chunk: &Bytes) {
        let mut state = self.lock();
        state.push(chunk, self);
        state.finish(End::Complete(None));
    }

    /// The body is complete.
    pub fn complete(&self, trailers: Option<HeaderMap>) {
        self.lock().finish(End::Complete(trailers));
    }

    /// The client broke off. Does nothing when the body already ended.
    pub fn abort(&self) {
        self.cut(End::Aborted);
    }

    /// Nobody asks the client for more. Does nothing when the body already ended. Readers wait all the same: to them it
    /// looks as if the client paused, so that a leg which needs the rest as little as the primary can answer too.
    pub fn leave(&self) {
        self.cut(End::Unread);
    }

    fn cut(&self, end: End) {
        let mut state = self.lock();
        let end = if self.is_whole(&state) { End::Complete(None) } else { end };
        state.finish(end);
    }

    /// Whether all that was declared is here. Who has read that much need not wait for the end itself, which over
    /// HTTP/2 may come in a frame of its own: the primary's connection does not, and a mirror leg may have answered.
    fn is_whole(&self, state: &State) -> bool {
        self.declared.is_some_and(|declared| usize::try_from(declared) == Ok(state.length))
    }

    /// A reader from the beginning.
    pub fn reader(self: &Arc<Self>) -> CaptureReader {
        CaptureReader { capture: self.clone(), next: 0, taken: 0, done: false }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl End {
    fn outcome(&self) -> BodyOutcome {
        match self {
            End::Complete(_) => BodyOutcome::Complete,
            End::Aborted => BodyOutcome::Aborted,
            End::Unread => BodyOutcome::Unread,
            End::Lost => BodyOutcome::Lost,
        }
    }
}

impl State {
    fn push(&mut self, chunk: &Bytes, capture: &BodyCapture) {
        if self.end.is_some() {
            return;
        }
        if self.length + chunk.len() <= capture.cap && self.chunks.push(chunk, &capture.budget) {
            self.length += chunk.len();
            self.wake();
        } else {
            self.chunks = Chunks::default();
            self.finish(End::Lost);
        }
    }

    fn finish(&mut self, end: End) {
        if self.end.is_none() {
            self.end = Some(end);
            self.wake();
        }
    }

    fn wait(&mut self, cx: &Context<'_>) {
        if !self.readers.iter().any(|w| w.will_wake(cx.waker())) {
            self.readers.push(cx.waker().clone());
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
    /// The chunk to be read next, and how much of it was read while it still grew.
    next: usize,
    taken: usize,
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
        if let Some(chunk) = state.chunks.done.get(self.next) {
            let rest = chunk.slice(std::mem::take(&mut self.taken).min(chunk.len())..);
            self.next += 1;
            if !rest.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(rest))));
            }
            drop(state);
            return self.poll_frame(cx);
        }
        let fresh = state.chunks.tail.get(self.taken..).unwrap_or_default();
        if !fresh.is_empty() {
            let fresh = Bytes::copy_from_slice(fresh);
            self.taken += fresh.len();
            return Poll::Ready(Some(Ok(Frame::data(fresh))));
        }
        match &state.end {
            Some(End::Unread) if state.let_go => Poll::Ready(Some(Err(CaptureError::Unread))),
            None | Some(End::Unread) => {
                state.wait(cx);
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

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use proptest::prelude::*;

    /// Reads what is there without waiting.
    fn read(reader: &mut CaptureReader) -> Vec<u8> {
        let mut all = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut *reader).poll_frame(&mut cx) {
            all.extend_from_slice(frame.data_ref().map_or(&[], |d| d));
        }
        all
    }

    proptest! {
        /// Whenever it reads, a reader gets every byte once and in order.
        #[test]
        fn readers_see_what_was_written(
            chunks in proptest::collection::vec((0usize..6000, any::<bool>()), 0..30),
        ) {
            let capture = BodyCapture::new(1 << 20, None, Limit::new(1 << 22));
            let (mut reader, mut late) = (capture.reader(), capture.reader());
            let (mut written, mut seen) = (Vec::new(), Vec::new());
            for (i, (length, look)) in chunks.into_iter().enumerate() {
                let chunk = vec![i as u8; length];
                capture.push(&Bytes::from(chunk.clone()));
                written.extend_from_slice(&chunk);
                if look {
                    seen.extend(read(&mut reader));
                }
            }
            capture.complete(None);
            seen.extend(read(&mut reader));
            prop_assert_eq!(&seen, &written);
            prop_assert_eq!(read(&mut late), written);
        }
    }

    #[test]
    fn what_was_declared_is_the_whole_body() {
        let capture = BodyCapture::new(10, Some(3), Limit::new(1 << 20));
        let body = RequestBody::Shared(capture.clone());
        capture.push(&Bytes::from_static(b"ab"));
        assert_eq!(body.ended(), None);
        capture.push(&Bytes::from_static(b"c"));
        assert_eq!(body.ended(), Some(BodyOutcome::Complete));
        // Nobody asks for more.
        capture.abort();
        assert_eq!(body.ended(), Some(BodyOutcome::Complete));
        for (declared, chunk) in [(Some(3), "ab"), (None, "abc")] {
            let capture = BodyCapture::new(10, declared, Limit::new(1 << 20));
            capture.push(&Bytes::from_static(chunk.as_bytes()));
            capture.abort();
            assert_eq!(RequestBody::Shared(capture).ended(), Some(BodyOutcome::Aborted));
        }
    }

    #[tokio::test]
    async fn who_reads_what_nobody_else_does_waits_until_it_is_let_go() {
        let capture = BodyCapture::new(10, Some(4), Limit::new(1 << 20));
        let (body, mut reader) = (RequestBody::Shared(capture.clone()), capture.reader());
        capture.push(&Bytes::from_static(b"ab"));
        capture.leave();
        assert_eq!((body.end().await, body.ended()), (BodyOutcome::Unread, Some(BodyOutcome::Unread)));
        assert_eq!(read(&mut reader), b"ab");
        let (rest, ()) = tokio::join!(reader.frame(), async { body.let_go() });
        assert_eq!(rest.unwrap().unwrap_err(), CaptureError::Unread);
        // All that was declared had come.
        let capture = BodyCapture::new(10, Some(2), Limit::new(1 << 20));
        capture.push(&Bytes::from_static(b"ab"));
        capture.leave();
        assert_eq!(RequestBody::Shared(capture).end().await, BodyOutcome::Complete);
    }

    #[test]
    fn who_has_read_the_last_chunk_finds_the_body_complete() {
        let capture = BodyCapture::new(10, Some(4), Limit::new(1 << 20));
        let body = RequestBody::Shared(capture.clone());
        capture.push(&Bytes::from_static(b"ab"));
        assert_eq!(body.ended(), None);
        capture.push_last(&Bytes::from_static(b"cd"));
        assert_eq!((body.ended(), read(&mut capture.reader())), (Some(BodyOutcome::Complete), b"abcd".to_vec()));
        let capture = BodyCapture::new(3, Some(4), Limit::new(1 << 20));
        capture.push_last(&Bytes::from_static(b"abcd"));
        assert_eq!(RequestBody::Shared(capture).ended(), Some(BodyOutcome::Lost));
    }

    #[tokio::test]
    async fn past_the_cap_readers_fail_and_the_writer_does_not() {
        let budget = Limit::new(1 << 20);
        let capture = BodyCapture::new(10, None, budget.clone());
        let body = RequestBody::Shared(capture.clone());
        capture.push(&Bytes::from_static(b"0123456789"));
        assert_eq!(body.ended(), None);
        capture.push(&Bytes::from_static(b"x"));
        body.end().await;
        assert_eq!((body.ended(), budget.used()), (Some(BodyOutcome::Lost), 0));
        assert_eq!(capture.reader().frame().await.unwrap().unwrap_err(), CaptureError::Lost);
    }
}
