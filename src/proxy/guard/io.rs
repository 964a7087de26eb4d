//! The state machine between a socket and hyper: what is held back, what is timed, what is written beside hyper.
//!
//! Built as a tokio reader and writer, which hyper-util's adapter turns into hyper's traits. Bytes are read straight
//! into hyper's buffer and checked there; only what must wait (part of a head, the next request) is copied aside.
//!
//! Serve with `half_close(true)`, or count requests with [`GuardHandle::begin`]: without `half_close` hyper reads on
//! while a request is being answered, to learn that the client has gone, and takes an EOF then as that news. The guard
//! therefore keeps the EOF of a refusal back while it knows of a request in flight or of bytes not flushed, and wakes
//! hyper when the answer is through. Either way hyper, on an EOF before a head, closes by `poll_shutdown` once all is
//! flushed, and there the refusal is written.

use super::Refusal;
use super::handle::GuardHandle;
use super::scan::{Limits, Scanner, Step};
use bytes::{Buf, Bytes};
use hyper::rt::ReadBufCursor;
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Told of every refusal, once per connection at most.
pub type OnRefusal = Arc<dyn Fn(&Refusal) + Send + Sync>;

/// What the guards of one listener have in common.
#[derive(Clone)]
pub struct GuardSettings {
    pub limits: Limits,
    /// For a head to be complete, from its first byte.
    pub header_timeout: Duration,
    /// Between two reads of a body.
    pub body_timeout: Duration,
    /// For the first byte of the next head.
    pub idle_timeout: Duration,
    /// How long to read and drop what a refused client still sends, so that the answer is not lost to a reset.
    pub linger: Duration,
    pub on_refusal: Option<OnRefusal>,
}

/// Stands between a client's connection and hyper's HTTP/1 server.
#[derive(Debug)]
pub struct Guard<IO> {
    inner: TokioIo<Inner<IO>>,
}

#[derive(Debug)]
struct Inner<IO> {
    io: IO,
    settings: Arc<GuardSettings>,
    handle: GuardHandle,
    scanner: Scanner,
    held: Held,
    timer: Timer,
    end: Option<End>,
    out: Out,
}

/// Bytes read from the socket and not given to hyper yet: `ready` of them may be, the rest is unread or half a head.
#[derive(Debug, Default)]
struct Held {
    bytes: Vec<u8>,
    at: usize,
    ready: usize,
    /// The scanner has seen all of it and needs more.
    starved: bool,
}

/// Why nothing more is given to hyper.
#[derive(Debug)]
enum End {
    /// A bad request of which hyper has seen nothing: EOF, and the refusal once hyper shuts down.
    Refused { answer: Bytes, told: bool },
    /// A bad or stalled body of a request under way: an error.
    Broken(io::ErrorKind, Refusal),
    /// Nobody asked for anything: EOF.
    Idle,
}

/// The writing side.
#[derive(Debug, Default)]
struct Out {
    /// Bytes were written since the last complete flush.
    dirty: bool,
    interim: Option<Bytes>,
    /// The socket's write side is shut down.
    shut: bool,
    lingered: usize,
}

/// Bytes a refused client may still send before the connection is dropped all the same.
const MAX_LINGER_BYTES: usize = 256 * 1024;
/// A buffer of held bytes larger than this is given back once it is empty.
const KEEP_CAPACITY: usize = 16 * 1024;

// === impl Guard ===

impl<IO: AsyncRead + AsyncWrite + Unpin> Guard<IO> {
    pub fn new(io: IO, settings: Arc<GuardSettings>, handle: GuardHandle) -> Self {
        let scanner = Scanner::new(settings.limits);
        Guard {
            inner: TokioIo::new(Inner {
                io,
                settings,
                handle,
                scanner,
                held: Held::default(),
                timer: Timer::default(),
                end: None,
                out: Out::default(),
            }),
        }
    }

    /// Puts bytes before the connection's own, as when they were read to tell the protocol.
    pub fn with_prefix(mut self, bytes: &[u8]) -> Self {
        self.inner.inner_mut().held.push(bytes);
        self
    }

    pub fn handle(&self) -> &GuardHandle {
        &self.inner.inner().handle
    }

    /// The connection, and what was read from it and not given out.
    pub fn into_parts(self) -> (IO, Bytes) {
        let inner = self.inner.into_inner();
        (inner.io, Bytes::copy_from_slice(inner.held.rest()))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> hyper::rt::Read for Guard<IO> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        hyper::rt::Read::poll_read(Pin::new(&mut self.inner), cx, buf)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> hyper::rt::Write for Guard<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        hyper::rt::Write::poll_write(Pin::new(&mut self.inner), cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        hyper::rt::Write::poll_flush(Pin::new(&mut self.inner), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        hyper::rt::Write::poll_shutdown(Pin::new(&mut self.inner), cx)
    }

    fn is_write_vectored(&self) -> bool {
        hyper::rt::Write::is_write_vectored(&self.inner)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        hyper::rt::Write::poll_write_vectored(Pin::new(&mut self.inner), cx, bufs)
    }
}

// === impl Inner: reading ===

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for Inner<IO> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.handle.is_tunnel() {
                return match this.held.rest().is_empty() {
                    true => Pin::new(&mut this.io).poll_read(cx, buf),
                    false => {
                        this.held.ready = this.held.rest().len();
                        this.held.give(buf);
                        Poll::Ready(Ok(()))
                    }
                };
            }
            if this.held.ready > 0 {
                this.held.give(buf);
                return Poll::Ready(Ok(()));
            }
            if matches!(this.end, Some(End::Refused { .. })) && this.must_wait(cx) {
                return Poll::Pending;
            }
            if let Some(end) = &mut this.end {
                return match end {
                    End::Broken(kind, why) => Poll::Ready(Err(io::Error::new(*kind, why.clone()))),
                    End::Refused { told, .. } => {
                        *told = true;
                        Poll::Ready(Ok(()))
                    }
                    End::Idle => Poll::Ready(Ok(())),
                };
            }
            if !this.held.rest().is_empty() && !this.held.starved {
                this.scan_held();
                continue;
            }
            let before = buf.filled().len();
            if buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            if Pin::new(&mut this.io).poll_read(cx, buf)?.is_pending() {
                ready!(this.wait(cx));
                continue;
            }
            if buf.filled().len() == before {
                return Poll::Ready(Ok(()));
            }
            let new = &buf.filled()[before..];
            let aside = !this.held.rest().is_empty() || (this.scanner.in_head() && new[0] == b'\r');
            let released = if aside { 0 } else { this.scan_in_place(new) };
            this.held.push(&buf.filled()[before + released..]);
            buf.set_filled(before + released);
            if released > 0 {
                this.timer.stop();
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Inner<IO> {
    /// How much of `data` may stay where it is. It does not begin with an empty line, which would have to go.
    fn scan_in_place(&mut self, data: &[u8]) -> usize {
        let whole = self.scanner.in_head();
        let mut at = 0;
        while at < data.len() && (at == 0 || !self.scanner.at_boundary()) {
            match self.scanner.step(&data[at..]) {
                Ok(Step::Release(n)) => at += n,
                Ok(Step::NeedMore | Step::Skip(_)) => break,
                Err(refusal) => {
                    if whole {
                        at = 0;
                    }
                    self.refuse(refusal, whole);
                    break;
                }
            }
        }
        at
    }

    fn scan_held(&mut self) {
        let whole = self.scanner.in_head();
        while self.held.ready == 0 || !self.scanner.at_boundary() {
            let data = &self.held.rest()[self.held.ready..];
            if data.is_empty() {
                break;
            }
            match self.scanner.step(data) {
                Ok(Step::Release(n)) => self.held.ready += n,
                Ok(Step::NeedMore) => {
                    self.held.starved = true;
                    break;
                }
                Ok(Step::Skip(n)) => self.held.consume(n),
                Err(refusal) => {
                    if whole {
                        self.held.ready = 0;
                    }
                    self.refuse(refusal, whole);
                    break;
                }
            }
        }
        if self.held.ready > 0 {
            self.timer.stop();
        }
    }

    /// `whole` where hyper has seen nothing of the request: then it never will, even if it was the body that is bad.
    fn refuse(&mut self, refusal: Refusal, whole: bool) {
        if let Some(tell) = &self.settings.on_refusal {
            tell(&refusal);
        }
        self.handle.set_refused();
        self.end = Some(match whole {
            true => End::Refused { answer: refusal.answer().into(), told: false },
            false => End::Broken(io::ErrorKind::InvalidData, refusal),
        });
    }

    /// Whether an answer is under way. If so the reader is woken when it is through: hyper does not read again by
    /// itself where its last read found nothing.
    fn must_wait(&self, cx: &Context<'_>) -> bool {
        let under_way = || self.handle.is_busy() || self.out.dirty;
        if !under_way() {
            return false;
        }
        self.handle.park(cx.waker());
        under_way()
    }

    /// The socket has nothing: starts or checks the timer of what is being waited for. Ready when it has run out.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let waiting = match self.scanner.in_head() {
            false => Waiting::Body,
            true if self.must_wait(cx) => {
                self.timer.stop();
                return Poll::Pending;
            }
            true if self.held.rest().is_empty() && self.scanner.at_boundary() => Waiting::Idle,
            true => Waiting::Header,
        };
        let allowed = match waiting {
            Waiting::Body => self.settings.body_timeout,
            Waiting::Header => self.settings.header_timeout,
            Waiting::Idle => self.settings.idle_timeout,
        };
        ready!(self.timer.poll(cx, waiting, allowed));
        let late = |code, detail: &str| Refusal { status: 408, code, detail: detail.into() };
        match waiting {
            Waiting::Idle => self.end = Some(End::Idle),
            Waiting::Header => {
                self.refuse(late("header_timeout", "the request's head took too long"), true);
            }
            Waiting::Body => {
                let refusal = late("body_timeout", "the request's body stalled");
                if let Some(tell) = &self.settings.on_refusal {
                    tell(&refusal);
                }
                self.end = Some(End::Broken(io::ErrorKind::TimedOut, refusal));
            }
        }
        Poll::Ready(())
    }
}

// === impl Inner: writing ===

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Inner<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.write_interim(cx))?;
        this.set_dirty(true);
        Pin::new(&mut this.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.write_interim(cx))?;
        this.set_dirty(true);
        Pin::new(&mut this.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // Twice at most: an interim response that had to wait for this flush wants one of its own.
        loop {
            ready!(this.write_interim(cx))?;
            ready!(Pin::new(&mut this.io).poll_flush(cx))?;
            this.set_dirty(false);
            match this.handle.next_interim() {
                Some(next) => this.out.interim = Some(next),
                None => break,
            }
        }
        if !this.handle.is_busy() {
            this.handle.unpark();
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what is still owed, then shuts the socket down, and for a refused client reads on for a moment.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.out.shut {
            ready!(this.write_interim(cx))?;
            if let Some(End::Refused { answer, told: true }) = &mut this.end {
                ready!(write_all(&mut this.io, cx, answer))?;
                ready!(Pin::new(&mut this.io).poll_flush(cx))?;
            }
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            this.out.shut = true;
            this.timer.stop();
        }
        if matches!(this.end, Some(End::Refused { told: true, .. })) && !this.settings.linger.is_zero() {
            ready!(this.linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Inner<IO> {
    fn set_dirty(&mut self, dirty: bool) {
        if self.out.dirty != dirty {
            self.out.dirty = dirty;
            self.handle.set_dirty(dirty);
        }
    }

    /// Finishes an interim response that was begun; begins the next one only where nothing of hyper's is under way.
    fn write_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if let Some(bytes) = &mut self.out.interim {
                ready!(write_all(&mut self.io, cx, bytes))?;
                self.out.interim = None;
            }
            if self.out.dirty {
                return Poll::Ready(Ok(()));
            }
            match self.handle.next_interim() {
                Some(next) => self.out.interim = Some(next),
                None => return Poll::Ready(Ok(())),
            }
        }
    }

    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0u8; 4096];
        while self.out.lingered < MAX_LINGER_BYTES {
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.io).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => self.out.lingered += buf.filled().len(),
                Poll::Ready(_) => break,
                Poll::Pending => return self.timer.poll(cx, Waiting::Header, self.settings.linger),
            }
        }
        Poll::Ready(())
    }
}

fn write_all<IO: AsyncWrite + Unpin>(io: &mut IO, cx: &mut Context<'_>, bytes: &mut Bytes) -> Poll<io::Result<()>> {
    while !bytes.is_empty() {
        match ready!(Pin::new(&mut *io).poll_write(cx, bytes))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            n => bytes.advance(n),
        }
    }
    Poll::Ready(Ok(()))
}

// === impl Held ===

impl Held {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.at > 0 {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        self.bytes.extend_from_slice(bytes);
        self.starved = false;
    }

    fn consume(&mut self, n: usize) {
        self.at += n;
        if self.at == self.bytes.len() {
            self.at = 0;
            self.bytes.clear();
            if self.bytes.capacity() > KEEP_CAPACITY {
                self.bytes = Vec::new();
            }
        }
    }

    /// Moves what is ready, as far as there is room.
    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let n = self.ready.min(buf.remaining());
        buf.put_slice(&self.bytes[self.at..self.at + n]);
        self.ready -= n;
        self.consume(n);
    }
}

// === impl Timer ===

/// One tokio timer for whatever is being waited for. Its entry in the timer wheel is moved only when it must fire
/// earlier, or has fired too early.
#[derive(Debug, Default)]
struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    waiting: Option<(Waiting, Instant)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Idle,
    Header,
    Body,
}

impl Timer {
    /// What was waited for has come.
    fn stop(&mut self) {
        self.waiting = None;
    }

    /// Ready once `allowed` has passed since the first of these calls for the same `what`.
    fn poll(&mut self, cx: &mut Context<'_>, what: Waiting, allowed: Duration) -> Poll<()> {
        let deadline = match self.waiting {
            Some((same, deadline)) if same == what => deadline,
            _ => {
                let deadline = Instant::now() + allowed;
                self.waiting = Some((what, deadline));
                deadline
            }
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= deadline {
                self.waiting = None;
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

impl std::fmt::Debug for GuardSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuardSettings")
            .field("limits", &self.limits)
            .field("header_timeout", &self.header_timeout)
            .field("body_timeout", &self.body_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("linger", &self.linger)
            .finish_non_exhaustive()
    }
}
