//! Bodies to and from a leg.

use super::failure::{self, BodyTrouble};
use super::http1::H1Line;
use super::idle::IdleStack;
use super::multiplexed::Load;
use crate::http1::{APART, Decoded, Decoder, Framing, HeadLimits, Writer};
use crate::model::Failure;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite};
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
    inner: Inner,
    received: u64,
    /// By Content-Length, where this answer has a body at all.
    declared: Option<u64>,
}

enum Inner {
    /// All that is to come.
    Whole(Bytes),
    Http1(Box<(Reading, Decoder)>),
    Http2 {
        body: Incoming,
        /// Nothing but its end comes.
        bodiless: bool,
        _load: Load,
    },
    Tunnel(LegTunnel),
    Over,
}

/// What the head of an answer was followed by.
pub(super) enum Answer {
    Http1 {
        framing: Framing,
        reading: Reading,
        limits: HeadLimits,
    },
    /// `bodiless` answers (to HEAD, 204, 304) may declare a length they do not have.
    Http2 {
        body: Incoming,
        load: Load,
        bodiless: bool,
    },
    Tunnel(LegTunnel),
}

/// A connection on which an answer is being read.
pub(super) struct Reading {
    pub(super) line: Box<H1Line>,
    /// What is left of the request, where the answer came before its end.
    pub(super) upload: Option<Writer<LegBody>>,
    pub(super) stack: Arc<IdleStack>,
    /// Good for another request once this is over.
    pub(super) reusable: bool,
}

/// A connection that is no longer HTTP.
#[derive(Debug)]
pub enum LegTunnel {
    Http1(Box<dyn Duplex>),
    Http2(OnUpgrade),
}

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug> Duplex for T {}

/// Follows a streamed request body over HTTP/2: when hyper is done with it, and whether it broke off by itself.
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

// === impl LegTunnel ===

impl LegTunnel {
    /// The bytes of it.
    ///
    /// # Errors
    /// The connection ended before it was handed over.
    pub async fn open(self) -> io::Result<Box<dyn Duplex>> {
        match self {
            LegTunnel::Http1(io) => Ok(io),
            LegTunnel::Http2(upgrade) => {
                let upgraded = upgrade.await.map_err(io::Error::other)?;
                Ok(Box::new(TokioIo::new(upgraded)))
            }
        }
    }
}

// === impl Reading ===

impl Reading {
    /// The next part of the body. What is left of the request goes out meanwhile.
    fn poll(&mut self, decoder: &mut Decoder, cx: &mut Context<'_>) -> Poll<Result<Decoded, BodyTrouble>> {
        if let Some(upload) = &mut self.upload {
            match upload.poll(&mut self.line.io, cx) {
                Poll::Pending => {}
                Poll::Ready(sent) => {
                    self.upload = None;
                    self.reusable &= sent.is_ok();
                }
            }
        }
        loop {
            match decoder.next(&mut self.line.buf).map_err(BodyTrouble::Framing)? {
                Decoded::More => {}
                decoded => return Poll::Ready(Ok(decoded)),
            }
            let expected = decoder.coming().unwrap_or_default();
            match ready!(self.line.poll_read(expected, cx)) {
                Ok(0) if decoder.end() => return Poll::Ready(Ok(Decoded::End)),
                Ok(0) => return Poll::Ready(Err(BodyTrouble::Ended)),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(BodyTrouble::Connection(error))),
            }
        }
    }

    /// The answer is over: the connection is free, as soon as the request has gone out too.
    fn give_back(mut self) {
        if !self.reusable || !self.line.buf.is_empty() {
            return;
        }
        self.line.is_over();
        let Some(upload) = self.upload.take() else { return self.stack.put(self.line) };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            if self.line.finish(upload).await {
                self.stack.put(self.line);
            }
        });
    }
}

// === impl LegAnswerBody ===

impl LegAnswerBody {
    pub(super) fn new(answer: Answer) -> Self {
        let (inner, declared) = match answer {
            Answer::Tunnel(tunnel) => (Inner::Tunnel(tunnel), None),
            Answer::Http1 { framing, mut reading, limits } => {
                let declared = if let Framing::Length(length) = framing { Some(length) } else { None };
                let there = reading.line.buf.len() as u64;
                let inner = match declared {
                    Some(length) if length <= there => {
                        // It fits into memory: it is there.
                        let body = reading.line.buf.split_to(usize::try_from(length).unwrap_or_default()).freeze();
                        // A small one that has much behind it would keep the memory of all of it.
                        let alone = body.len() < APART && there >= APART as u64;
                        let body = if alone { Bytes::copy_from_slice(&body) } else { body };
                        reading.give_back();
                        if body.is_empty() { Inner::Over } else { Inner::Whole(body) }
                    }
                    _ => Inner::Http1(Box::new((reading, Decoder::new(framing, limits)))),
                };
                (inner, declared)
            }
            Answer::Http2 { body, load, bodiless } => {
                let declared = if bodiless { None } else { body.size_hint().exact() };
                let over = body.is_end_stream();
                let inner = if over { Inner::Over } else { Inner::Http2 { body, bodiless, _load: load } };
                (inner, declared)
            }
        };
        Self { inner, received: 0, declared }
    }

    /// One of which nothing more comes.
    pub fn over() -> Self {
        Self { inner: Inner::Over, received: 0, declared: None }
    }

    /// Whether all has come that there can be, but for trailers: over HTTP/2 the end may be told by itself, and later.
    pub fn is_whole(&self) -> bool {
        match &self.inner {
            Inner::Over => true,
            Inner::Http2 { bodiless, .. } => *bodiless || self.declared == Some(self.received),
            Inner::Whole(_) | Inner::Http1(_) | Inner::Tunnel(_) => false,
        }
    }

    /// Bytes of content read so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Whether all of it came with its head, and stands in the same memory.
    pub fn is_beside_head(&self) -> bool {
        matches!(&self.inner, Inner::Whole(body) if body.len() < APART)
    }

    /// Whether the answer has taken the connection over.
    pub fn is_tunnel(&self) -> bool {
        matches!(self.inner, Inner::Tunnel(_))
    }

    /// The connection, where the answer has taken it over.
    pub fn into_tunnel(self) -> Option<LegTunnel> {
        match self.inner {
            Inner::Tunnel(tunnel) => Some(tunnel),
            _ => None,
        }
    }

    /// Nothing more comes.
    fn end(&mut self) {
        if let Inner::Http1(reading) = std::mem::replace(&mut self.inner, Inner::Over) {
            reading.0.give_back();
        }
    }

    fn fail(&mut self, failure: Failure) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        self.inner = Inner::Over;
        Poll::Ready(Some(Err(failure)))
    }
}

impl Body for LegAnswerBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = &mut *self;
        let frame = match &mut this.inner {
            Inner::Over | Inner::Tunnel(_) => return Poll::Ready(None),
            Inner::Whole(body) => {
                let body = std::mem::take(body);
                this.inner = Inner::Over;
                Frame::data(body)
            }
            Inner::Http1(reading) => {
                let (reading, decoder) = &mut **reading;
                let decoded = match ready!(reading.poll(decoder, cx)) {
                    Ok(decoded) => decoded,
                    Err(trouble) => {
                        let failure = failure::of_body(&trouble, this.received, this.declared);
                        return this.fail(failure);
                    }
                };
                let ended = decoder.is_ended();
                if ended {
                    this.end();
                }
                match decoded {
                    Decoded::Data(data) => Frame::data(data),
                    Decoded::Trailers(trailers) => Frame::trailers(trailers),
                    Decoded::More | Decoded::End => return Poll::Ready(None),
                }
            }
            Inner::Http2 { body, .. } => match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if frame.is_trailers() || body.is_end_stream() {
                        this.inner = Inner::Over;
                    }
                    frame
                }
                Some(Err(error)) => {
                    let failure = failure::of_h2_body(&error, this.received, this.declared);
                    return this.fail(failure);
                }
                // hyper takes an early RST_STREAM(NO_ERROR) for a clean end.
                None => match this.declared {
                    Some(declared) if declared != this.received => {
                        let failure = failure::of_body(&BodyTrouble::Ended, this.received, this.declared);
                        return this.fail(failure);
                    }
                    _ => {
                        this.inner = Inner::Over;
                        return Poll::Ready(None);
                    }
                },
            },
        };
        if let Some(data) = frame.data_ref() {
            this.received += data.len() as u64;
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.inner, Inner::Over)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Whole(body) => SizeHint::with_exact(body.len() as u64),
            Inner::Http1(_) => match self.declared {
                Some(declared) => SizeHint::with_exact(declared - self.received),
                None => SizeHint::default(),
            },
            Inner::Http2 { body, .. } => body.size_hint(),
            Inner::Tunnel(_) | Inner::Over => SizeHint::with_exact(0),
        }
    }
}

impl std::fmt::Debug for LegAnswerBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LegAnswerBody").field("received", &self.received).field("declared", &self.declared).finish()
    }
}
