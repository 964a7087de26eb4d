//! The bytes to and from a leg, cleartext or TLS, and what is counted about them.

use super::UpstreamOptions;
use super::surplus::{Fields, Passed};
use bytes::BytesMut;
use socket2::SockRef;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

/// One connection to a leg. Counted as open until it is dropped, wherever it is by then.
#[derive(Debug)]
pub(super) struct Io {
    stream: Stream,
    ear: Ear,
    fields: Fields,
    /// Read before, and to be given out before anything else is read.
    owed: BytesMut,
    _open: Open,
}

#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What one who does not own a connection's bytes may know of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Ear(Arc<Hearing>);

#[derive(Debug)]
struct Hearing {
    heard: AtomicBool,
    asked: AtomicBool,
    question: Mutex<Question>,
    /// Fields of the answer that hyper was not shown.
    surplus: Mutex<Vec<u8>>,
    has_surplus: AtomicBool,
}

/// Whether an idle connection is still good. Only its owner can look, which is woken for that.
#[derive(Debug, Default)]
struct Question {
    owner: Option<Waker>,
    answer: Option<oneshot::Sender<bool>>,
    gone: bool,
}

/// One of the connections that are open, until it is dropped.
#[derive(Debug)]
pub(super) struct Open(Arc<AtomicUsize>);

/// The owner of an idle connection has nothing else to do.
const ANSWER_WITHIN: Duration = Duration::from_millis(100);

// === impl Io ===

impl Io {
    pub(super) fn new(stream: Stream, open: Open, options: &UpstreamOptions) -> Self {
        let fields = Fields::new(options.max_headers, options.max_header_bytes);
        Self { stream, ear: Ear::default(), fields, owed: BytesMut::new(), _open: open }
    }

    pub(super) fn ear(&self) -> Ear {
        self.ear.clone()
    }

    /// Whether nothing has arrived, not even the end: the system is asked, for the runtime may not know yet.
    fn is_quiet(&self) -> bool {
        let tcp = match &self.stream {
            Stream::Tcp(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        };
        let peeked = SockRef::from(tcp).peek(&mut [MaybeUninit::uninit()]);
        peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        let mut question = self.ear.question();
        question.gone = true;
        question.answer = None;
    }
}

impl AsyncRead for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ear.0.asked.swap(false, Ordering::AcqRel) {
            let answer = self.ear.question().answer.take();
            if let Some(answer) = answer {
                // Who asked may have gone.
                let _ = answer.send(self.is_quiet());
            }
        }
        let before = buf.filled().len();
        loop {
            if !self.owed.is_empty() {
                let owed = self.owed.len().min(buf.remaining());
                buf.put_slice(&self.owed.split_to(owed));
                return Poll::Ready(Ok(()));
            }
            let polled = match &mut self.stream {
                Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
                Stream::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
            };
            if polled.is_pending() {
                self.ear.owned_by(cx.waker());
            }
            if buf.filled().len() == before {
                return polled;
            }
            if !self.ear.0.heard.swap(true, Ordering::AcqRel) {
                self.fields.expect_head();
            }
            let Passed { now, then, taken } = self.fields.pass(&buf.filled()[before..]);
            buf.set_filled(before + now);
            self.owed.extend_from_slice(&then);
            self.ear.take_out(&taken);
            if now > 0 {
                return polled;
            }
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Tcp(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
        }
    }
}

// === impl Hearing ===

impl Default for Hearing {
    fn default() -> Self {
        Self {
            // Nothing is an answer's head until one is asked for: the bytes of HTTP/2 never are.
            heard: AtomicBool::new(true),
            asked: AtomicBool::default(),
            question: Mutex::default(),
            surplus: Mutex::default(),
            has_surplus: AtomicBool::default(),
        }
    }
}

// === impl Ear ===

impl Ear {
    pub(super) fn reset(&self) {
        self.0.heard.store(false, Ordering::Release);
    }

    /// Whether the leg has sent a byte since [`Ear::reset`]: the difference between a connection that died idle and an
    /// answer that broke off, which hyper does not tell.
    pub(super) fn heard(&self) -> bool {
        self.0.heard.load(Ordering::Acquire)
    }

    /// Lines of the answer's head that hyper was not shown, where there are any.
    pub(super) fn surplus(&self) -> Option<Vec<u8>> {
        self.0.has_surplus.swap(false, Ordering::AcqRel).then(|| std::mem::take(&mut *lock(&self.0.surplus)))
    }

    fn take_out(&self, lines: &[u8]) {
        if !lines.is_empty() {
            lock(&self.0.surplus).extend_from_slice(lines);
            self.0.has_surplus.store(true, Ordering::Release);
        }
    }

    /// Whether the leg has neither closed the idle connection nor said anything on it.
    pub(super) async fn is_quiet(&self) -> bool {
        let (answer, told) = oneshot::channel();
        let owner = {
            let mut question = self.question();
            if question.gone {
                return false;
            }
            question.answer = Some(answer);
            self.0.asked.store(true, Ordering::Release);
            question.owner.clone()
        };
        if let Some(owner) = owner {
            owner.wake();
        }
        matches!(timeout(ANSWER_WITHIN, told).await, Ok(Ok(true)))
    }

    fn owned_by(&self, waker: &Waker) {
        let mut question = self.question();
        if !question.owner.as_ref().is_some_and(|owner| owner.will_wake(waker)) {
            question.owner = Some(waker.clone());
        }
    }

    fn question(&self) -> MutexGuard<'_, Question> {
        lock(&self.0.question)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Open ===

impl Open {
    /// `None` where `max` are open already.
    pub(super) fn enter(open: &Arc<AtomicUsize>, max: Option<usize>) -> Option<Self> {
        let max = max.unwrap_or(usize::MAX);
        let next = |now: usize| (now < max).then(|| now + 1);
        open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()?;
        Some(Self(open.clone()))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
