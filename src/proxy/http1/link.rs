//! What a connection's task and the body of the request under way share: the bytes, read and checked.

use super::Next;
use crate::alarm::Alarm;
use crate::http1::{Decoded, Decoder, Framing, HeadLimits, head, read};
use crate::proxy::guard::{GuardSettings, Limits, Refusal, Scanner, Step};
use crate::upstream::Duplex;
use bytes::{Buf, Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::AsyncWrite;
use tokio::task::coop::has_budget_remaining;

/// Bytes that are read while nobody has asked for them: of later requests, and of a body whose reader is held up.
const AHEAD: usize = 16 * 1024;

/// A connection as its task and the body of the request under way share it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) io: Box<dyn Duplex>,
    /// To be written before anything else: interim answers.
    pub(super) out: BytesMut,
    /// Written, but the connection may still hold some of it back.
    unflushed: bool,
    settings: Arc<GuardSettings>,
    /// Read, and not checked.
    buf: BytesMut,
    /// Bytes read since the present request began, those of requests behind it included.
    read: u64,
    /// The same of the last request, where it had a body: the next one is read as if it were as large.
    usual: u64,
    scanner: Scanner,
    /// Of the present request's body, and checked.
    clear: BytesMut,
    body: BodyState,
    /// The body's reader waits for more of it, and hears of the client's end.
    wanted: bool,
    /// The client waits for a word before it sends its body (`Expect: 100-continue`).
    expects: bool,
    /// Why the body under way cannot be read on.
    broken: Option<BodyFailure>,
    waiting: Waiting,
    alarm: Alarm,
    /// The connection's own task, where it waits for the body's end.
    task: Option<Waker>,
}

pub(super) type Shared = Arc<Mutex<Link>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyState {
    /// There is none, or it has been read to its end.
    Over,
    Open,
    /// Let go before its end.
    Left,
}

/// What the connection's timer is set for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Nothing,
    /// The first byte of the next request.
    Idle,
    Header,
    Body,
}

/// Why a client's body did not come whole.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BodyFailure {
    #[error("{0}")]
    Refused(Refusal),
    #[error("nothing came for too long")]
    Stalled,
    #[error("the client has gone")]
    Gone,
    #[error("the answer came before the client was asked for it")]
    Unasked,
}

/// The body of a request over HTTP/1.1.
#[derive(Debug)]
pub struct Http1Body {
    link: Shared,
    decoder: Decoder,
    exact: bool,
}

// === impl Link ===

impl Link {
    pub(super) fn shared(io: Box<dyn Duplex>, read: &[u8], settings: Arc<GuardSettings>) -> Shared {
        Arc::new(Mutex::new(Self {
            io,
            out: BytesMut::new(),
            unflushed: false,
            buf: BytesMut::from(read),
            read: 0,
            usual: 0,
            scanner: Scanner::new(settings.limits),
            clear: BytesMut::new(),
            body: BodyState::Over,
            wanted: false,
            expects: false,
            broken: None,
            waiting: Waiting::Nothing,
            alarm: Alarm::default(),
            task: None,
            settings,
        }))
    }

    /// The next request, or why there is none.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        loop {
            while !self.buf.is_empty() {
                match self.scanner.step(&self.buf) {
                    Err(refusal) => return Poll::Ready(Next::Refused(self.refuse(refusal))),
                    Ok(Step::NeedMore) => break,
                    Ok(Step::Skip(n)) => self.buf.advance(n),
                    Ok(Step::Release(n)) => return Poll::Ready(self.begin(n)),
                }
            }
            match self.poll_read(self.usual, cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return Poll::Ready(Next::End),
                Poll::Pending => {
                    let (waiting, allowed) = match self.is_idle() {
                        true => (Waiting::Idle, self.settings.idle_timeout),
                        false => (Waiting::Header, self.settings.header_timeout),
                    };
                    self.wait_for(waiting);
                    ready!(self.alarm.poll(allowed, cx));
                    if waiting == Waiting::Idle {
                        return Poll::Ready(Next::End);
                    }
                    let late = Refusal::late("header_timeout", "the request's head took too long");
                    return Poll::Ready(Next::Refused(self.refuse(late)));
                }
            }
        }
    }

    /// A head of `length` bytes is whole. What is there of the body is checked with it: a bad one makes no request.
    fn begin(&mut self, length: usize) -> Next {
        self.wait_for(Waiting::Nothing);
        (self.read, self.usual) = (self.buf.len() as u64, 0);
        let head = match self.scanner.head(head::take_head(&mut self.buf, length)) {
            Ok(head) => head,
            Err(refusal) => return Next::Refused(self.refuse(refusal)),
        };
        self.check_body();
        match self.broken.take() {
            Some(BodyFailure::Refused(refusal)) => {
                self.broken = Some(BodyFailure::Gone);
                Next::Refused(refusal)
            }
            _ => Next::Request(Box::new(head)),
        }
    }

    /// Lets pass what is there of the body, as far as it can be read in one way only.
    fn check_body(&mut self) {
        while !self.scanner.in_head() && !self.buf.is_empty() && self.broken.is_none() {
            match self.scanner.step(&self.buf) {
                Ok(Step::Release(n)) if n == self.buf.len() => self.clear.unsplit(self.buf.split()),
                Ok(Step::Release(n)) => self.clear.unsplit(self.buf.split_to(n)),
                Ok(Step::NeedMore | Step::Skip(_)) => return,
                Err(refusal) => {
                    let refusal = self.refuse(refusal);
                    self.broken = Some(BodyFailure::Refused(refusal));
                }
            }
        }
    }

    fn poll_body(&mut self, decoder: &mut Decoder, cx: &mut Context<'_>) -> Poll<Result<Decoded, BodyFailure>> {
        loop {
            match decoder.next(&mut self.clear) {
                Ok(Decoded::More) => {}
                Ok(decoded) => return Poll::Ready(Ok(decoded)),
                // What was checked can be read.
                Err(error) => {
                    return Poll::Ready(Err(BodyFailure::Refused(Refusal::bad(
                        "chunk",
                        format!("request body: {error}"),
                    ))));
                }
            }
            if let Some(broken) = &self.broken {
                return Poll::Ready(Err(broken.clone()));
            }
            if std::mem::take(&mut self.expects) {
                self.out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            }
            self.poll_write(cx);
            let expected = decoder.coming().unwrap_or_default();
            match self.poll_read(expected, cx) {
                Poll::Ready(Ok(1..)) => {
                    self.wait_for(Waiting::Nothing);
                    self.check_body();
                }
                Poll::Ready(_) => self.broken = Some(BodyFailure::Gone),
                Poll::Pending => {
                    self.wait_for(Waiting::Body);
                    if !has_budget_remaining() {
                        // It is this task that pauses, and the client may have sent long ago.
                        return Poll::Pending;
                    }
                    let allowed = self.settings.body_timeout;
                    ready!(self.alarm.poll(allowed, cx));
                    self.refuse(Refusal::late("body_timeout", "the request's body stalled"));
                    self.broken = Some(BodyFailure::Stalled);
                }
            }
        }
    }

    /// Ready when the client has gone. It may go on sending meanwhile, of which some is read.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.wanted && self.buf.len() + self.clear.len() < AHEAD {
            match ready!(self.poll_read(0, cx)) {
                Ok(1..) if self.body == BodyState::Open => self.check_body(),
                Ok(1..) => {}
                _ => {
                    if self.body == BodyState::Open {
                        self.broken.get_or_insert(BodyFailure::Gone);
                    }
                    return Poll::Ready(());
                }
            }
        }
        Poll::Pending
    }

    /// Writes as much as goes of what waits for it. That the client has gone is found out by reading.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) {
        while !self.out.is_empty() {
            match Pin::new(&mut self.io).poll_write(cx, &self.out) {
                Poll::Ready(Ok(n @ 1..)) => self.out.advance(n),
                Poll::Ready(_) => self.out.clear(),
                Poll::Pending => return,
            }
            self.unflushed = true;
        }
        self.unflushed = self.unflushed && Pin::new(&mut self.io).poll_flush(cx).is_pending();
    }

    /// Nothing of a request is there.
    pub(super) fn is_idle(&self) -> bool {
        self.buf.is_empty() && self.scanner.at_boundary()
    }

    /// The answer has come. What is to be written before it, and whether another request can follow: not where the client
    /// waits for a word that it was not given. It may send its body or not, so that is read no further, by nobody.
    pub(super) fn answered(&mut self) -> (BytesMut, bool) {
        // Whoever writes the answer flushes it.
        self.unflushed = false;
        if self.body != BodyState::Over && std::mem::take(&mut self.expects) {
            self.broken.get_or_insert(BodyFailure::Unasked);
        }
        (self.out.split(), self.broken.is_none())
    }

    /// Ready once the request's body is no longer being read, or the client has gone: whether it was read to its end.
    pub(super) fn poll_body_over(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        match self.body {
            BodyState::Over => Poll::Ready(true),
            BodyState::Left => Poll::Ready(self.drop_body()),
            BodyState::Open => {
                self.task = Some(cx.waker().clone());
                self.poll_gone(cx).map(|()| false)
            }
        }
    }

    /// Forgets a body that nobody wants, where all of it is there.
    fn drop_body(&mut self) -> bool {
        self.check_body();
        let whole = self.scanner.in_head() && self.broken.is_none();
        if whole {
            self.body = BodyState::Over;
            self.clear = BytesMut::new();
        }
        whole
    }

    /// Whether the client may still be sending what nobody will read.
    pub(super) fn has_unread(&self) -> bool {
        self.body != BodyState::Over || self.broken.is_some()
    }

    /// Reads on without keeping anything.
    pub(super) fn poll_drop(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.buf.clear();
        self.poll_read(0, cx)
    }

    fn poll_read(&mut self, expected: u64, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let polled = read::poll_read(&mut self.io, &mut self.buf, expected, cx);
        if let Poll::Ready(Ok(n)) = &polled {
            self.read += *n as u64;
        }
        polled
    }

    /// How long a client may take to go on sending, and to read the last that it is told.
    pub(super) fn patience(&self) -> (Duration, Duration) {
        (self.settings.linger, self.settings.header_timeout)
    }

    /// The connection for other use, and what was read of it too early.
    pub(super) fn take_over(&mut self) -> (BytesMut, Box<dyn Duplex>) {
        (self.buf.split(), std::mem::replace(&mut self.io, Box::new(tokio::io::empty())))
    }

    fn wait_for(&mut self, what: Waiting) {
        if self.waiting != what {
            self.waiting = what;
            self.alarm.stop();
        }
    }

    fn refuse(&mut self, refusal: Refusal) -> Refusal {
        if let Some(tell) = &self.settings.on_refusal {
            tell(&refusal);
        }
        self.broken.get_or_insert(BodyFailure::Gone);
        refusal
    }

    fn end_body(&mut self, state: BodyState) {
        (self.body, self.wanted) = (state, false);
        if state == BodyState::Over {
            self.clear = BytesMut::new();
            self.usual = self.read;
        }
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }
}

pub(super) fn lock(link: &Shared) -> MutexGuard<'_, Link> {
    link.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Http1Body ===

impl Http1Body {
    /// The body that follows the head just read. `expects` where the client waits for a word before it sends it.
    pub(super) fn begin(link: &Shared, framing: Framing, expects: bool) -> Self {
        let mut shared = lock(link);
        shared.body = BodyState::Open;
        shared.expects = expects;
        let Limits { max_headers, max_header_bytes: max_bytes } = shared.settings.limits;
        let decoder = Decoder::new(framing, HeadLimits { max_headers, max_bytes });
        let exact = matches!(framing, Framing::Length(_));
        Self { link: link.clone(), decoder, exact }
    }
}

impl Body for Http1Body {
    type Data = Bytes;
    type Error = BodyFailure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        let this = &mut *self;
        if this.decoder.is_ended() {
            return Poll::Ready(None);
        }
        let mut link = lock(&this.link);
        let polled = link.poll_body(&mut this.decoder, cx);
        link.wanted = polled.is_pending();
        let decoded = ready!(polled);
        if this.decoder.is_ended() {
            link.end_body(BodyState::Over);
        } else if let Some(task) = &link.task {
            // Until this is asked again, it is for the connection's task to see the client go.
            task.wake_by_ref();
        }
        Poll::Ready(match decoded {
            Ok(Decoded::Data(data)) => Some(Ok(Frame::data(data))),
            Ok(Decoded::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Ok(Decoded::More | Decoded::End) => None,
            Err(failure) => Some(Err(failure)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.decoder.is_ended()
    }

    fn size_hint(&self) -> SizeHint {
        match self.decoder.coming() {
            Some(left) if self.exact => SizeHint::with_exact(left),
            _ => SizeHint::default(),
        }
    }
}

impl Drop for Http1Body {
    fn drop(&mut self) {
        if !self.decoder.is_ended() {
            lock(&self.link).end_body(BodyState::Left);
        }
    }
}
