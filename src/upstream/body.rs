//! Bodies to and from a leg.

use super::failure::{self, BodyTrouble};
use super::http1::H1Line;
use super::idle::IdleStack;
use super::stream::Receiving;
use crate::http1::{APART, Decoded, Decoder, Framing, HeadLimits, Writer};
use crate::model::Failure;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A streamed body; without `Sync`, which nothing here needs.
pub type BoxBody = Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>;

/// How long a leg may take nothing of the rest of a request that it has answered, or not end its answer behind that.
pub(super) const UPLOAD_PATIENCE: Duration = Duration::from_secs(5);

/// The body of a request to a leg.
pub enum LegBody {
    Empty,
    Full(Bytes),
    /// A stream; where its size hint is exact it goes out with that Content-Length, otherwise chunked.
    Boxed(BoxBody),
    /// One that is sent a second time: what had been read of it, and what had not.
    Again(Box<(Bytes, LegBody)>),
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
        receiving: Box<Receiving>,
        /// Nothing but its end comes.
        bodiless: bool,
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
    /// `declared` where there is a body at all: answers to HEAD, 204 and 304 may name a length they do not have.
    Http2 {
        receiving: Receiving,
        declared: Option<u64>,
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
    Open(Box<dyn Duplex>),
    /// A client's, over HTTP/2.
    Http2(OnUpgrade),
}

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug> Duplex for T {}

// === impl LegBody ===

impl LegBody {
    /// What of a body was `read`, and then the `rest` of it.
    pub(super) fn again(read: Bytes, rest: LegBody) -> Self {
        if read.is_empty() { rest } else { LegBody::Again(Box::new((read, rest))) }
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
            LegBody::Again(again) => match std::mem::take(&mut again.0) {
                read if read.is_empty() => Pin::new(&mut again.1).poll_frame(cx),
                read => Poll::Ready(Some(Ok(Frame::data(read)))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            LegBody::Empty => true,
            LegBody::Full(bytes) => bytes.is_empty(),
            LegBody::Boxed(body) => body.is_end_stream(),
            LegBody::Again(again) => again.0.is_empty() && again.1.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            LegBody::Empty => SizeHint::with_exact(0),
            LegBody::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            LegBody::Boxed(body) => body.size_hint(),
            LegBody::Again(again) => {
                let read = again.0.len() as u64;
                again.1.size_hint().exact().map_or_else(SizeHint::default, |rest| SizeHint::with_exact(read + rest))
            }
        }
    }
}

impl std::fmt::Debug for LegBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LegBody::Empty => f.write_str("Empty"),
            LegBody::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            LegBody::Boxed(_) => f.write_str("Boxed"),
            LegBody::Again(again) => write!(f, "Again({} bytes, {:?})", again.0.len(), again.1),
        }
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
            LegTunnel::Open(io) => Ok(io),
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
            Answer::Http2 { receiving, declared, .. } if receiving.is_end_stream() => {
                receiving.finish();
                (Inner::Over, declared)
            }
            Answer::Http2 { receiving, declared, bodiless } => {
                (Inner::Http2 { receiving: Box::new(receiving), bodiless }, declared)
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

    /// Whether the leg has not been sent all of the request yet.
    pub fn is_sending(&self) -> bool {
        match &self.inner {
            Inner::Http1(reading) => reading.0.upload.is_some(),
            Inner::Http2 { receiving, .. } => receiving.is_sending(),
            Inner::Whole(_) | Inner::Tunnel(_) | Inner::Over => false,
        }
    }

    /// For one that [is whole](Self::is_whole), where nobody waits for its end: what is left of the request goes out all
    /// the same.
    pub fn let_go(self) {
        if let Inner::Http2 { receiving, .. } = self.inner {
            receiving.let_go();
        }
    }

    /// Nothing more comes.
    fn end(&mut self) {
        match std::mem::replace(&mut self.inner, Inner::Over) {
            Inner::Http1(reading) => reading.0.give_back(),
            Inner::Http2 { receiving, .. } => receiving.finish(),
            _ => {}
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
            Inner::Http2 { receiving, .. } => match ready!(receiving.poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if frame.is_trailers() || receiving.is_end_stream() {
                        this.end();
                    }
                    frame
                }
                Some(Err(_)) if receiving.is_silent() => {
                    let failure = failure::of_silent_body(this.received, this.declared);
                    return this.fail(failure);
                }
                Some(Err(error)) => {
                    let failure = failure::of_h2_body(&error, this.received, this.declared);
                    return this.fail(failure);
                }
                None => {
                    this.end();
                    return Poll::Ready(None);
                }
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
            Inner::Http1(_) | Inner::Http2 { .. } => match self.declared {
                Some(declared) => SizeHint::with_exact(declared.saturating_sub(self.received)),
                None => SizeHint::default(),
            },
            Inner::Tunnel(_) | Inner::Over => SizeHint::with_exact(0),
        }
    }
}

impl std::fmt::Debug for LegAnswerBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LegAnswerBody").field("received", &self.received).field("declared", &self.declared).finish()
    }
}
