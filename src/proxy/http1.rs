//! A client's HTTP/1.1 connection: request after request is read, handed to the service, and its answer written.
//!
//! What a client sends is checked by the [`guard`](super::guard) before anything else looks at it: a request is held
//! back until its head is whole and can be read in one way only, and of its body passes what has been checked. What is
//! refused is answered here, after the answers to earlier requests.
//!
//! One task serves the connection. It shares it with the body of the request under way, which is read by whoever sends
//! it on.

#[cfg(test)]
mod tests;

use super::body::{AnswerBody, ClientBody};
use super::guard::{ClientHead, GuardSettings, Refusal, Scanner, Step};
use crate::alarm::Alarm;
use crate::http1::{BodyTrouble, Decoded, Decoder, Framing, Spelling, Writer, head, read};
use crate::shutdown::Shutdown;
use crate::upstream::{Duplex, LegTunnel};
use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use tokio::io::AsyncWrite;
use tokio::time::timeout;

/// Bytes of later requests that are read while one is being answered.
const AHEAD: usize = 16 * 1024;
/// Bytes a client whose request was cut short may still send before the connection is dropped all the same.
const MAX_LINGER_BYTES: usize = 256 * 1024;
/// Room for an answer's head before it has to grow.
const HEAD: usize = 512;

/// Interim answers (1xx) on their way to the client.
#[derive(Debug, Default)]
pub struct Interims {
    waiting: AtomicBool,
    bytes: Mutex<BytesMut>,
}

/// A connection as its task and the body of the request under way share it.
#[derive(Debug)]
struct Link {
    io: Box<dyn Duplex>,
    settings: Arc<GuardSettings>,
    /// Read, and not checked.
    buf: BytesMut,
    scanner: Scanner,
    /// Of the present request's body, and checked.
    clear: BytesMut,
    body: BodyState,
    /// The client waits for a word before it sends its body (`Expect: 100-continue`).
    expects: bool,
    /// Why the body under way cannot be read on.
    broken: Option<BodyFailure>,
    waiting: Waiting,
    alarm: Alarm,
    /// The connection's own task, where it waits for the body's end.
    task: Option<Waker>,
}

type Shared = Arc<Mutex<Link>>;

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
}

/// The body of a request over HTTP/1.1.
#[derive(Debug)]
pub struct Http1Body {
    link: Shared,
    decoder: Decoder,
    exact: bool,
}

/// What a client asked for, as far as its answer depends on it.
struct Asked {
    head: bool,
    version_11: bool,
    keep_alive: bool,
}

enum Next {
    Request(Box<ClientHead>),
    Refused(Refusal),
    End,
}

enum Sent {
    /// Ready for another request.
    Kept,
    /// The last answer on this connection is out.
    Last,
    Tunnel(LegTunnel),
    /// The client has gone, or the answer broke off: nothing more can be said.
    Lost,
}

/// Serves a connection until its end. `read` was read of it to tell the protocol; `service` answers the requests, and
/// is dropped when the client goes away. `join` gets the connection where an answer has turned it into a tunnel.
pub async fn serve<S, F>(
    io: Box<dyn Duplex>,
    read: &[u8],
    settings: Arc<GuardSettings>,
    interims: &Interims,
    shutdown: &Shutdown,
    service: S,
    join: impl FnOnce(Box<dyn Duplex>, LegTunnel),
) where
    S: Fn(Request<ClientBody>, Spelling) -> F,
    F: Future<Output = Response<AnswerBody>>,
{
    let link = Link {
        io,
        buf: BytesMut::from(read),
        scanner: Scanner::new(settings.limits),
        clear: BytesMut::new(),
        body: BodyState::Over,
        expects: false,
        broken: None,
        waiting: Waiting::Nothing,
        alarm: Alarm::default(),
        task: None,
        settings,
    };
    let mut connection = Http1 { link: Arc::new(Mutex::new(link)), interims, out: BytesMut::new(), shutdown };
    let mut stop = pin!(shutdown.triggered());
    loop {
        match connection.next(stop.as_mut()).await {
            Next::End => return connection.close(false).await,
            Next::Refused(refusal) => {
                connection.out.extend_from_slice(&refusal.answer());
                return connection.close(true).await;
            }
            Next::Request(head) => {
                let asked = head.asked();
                let (request, spelling) = connection.request(*head);
                // Boxed: a connection that waits for its next request need not keep the room.
                let answer = Box::pin(service(request, spelling));
                let Some(answer) = connection.attend(answer).await else { return };
                match connection.send(answer, asked).await {
                    Sent::Kept => {}
                    Sent::Last => return connection.close(true).await,
                    Sent::Lost => return,
                    Sent::Tunnel(leg) => {
                        let mut link = lock(&connection.link);
                        let io = std::mem::replace(&mut link.io, Box::new(tokio::io::empty()));
                        let early = link.buf.split();
                        return join(Box::new(read::Prefixed::new(early, io)), leg);
                    }
                }
            }
        }
    }
}

/// The task's side of a connection.
struct Http1<'a> {
    link: Shared,
    interims: &'a Interims,
    /// To be written before the next answer's head.
    out: BytesMut,
    shutdown: &'a Shutdown,
}

// === impl Http1 ===

impl Http1<'_> {
    /// The next request, as soon as its head is whole.
    async fn next(&self, mut stop: Pin<&mut impl Future<Output = ()>>) -> Next {
        poll_fn(|cx| {
            let mut link = lock(&self.link);
            if let Poll::Ready(next) = link.poll_next(cx) {
                return Poll::Ready(next);
            }
            // A request that has begun to come is still served.
            if link.is_idle() && stop.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Next::End);
            }
            Poll::Pending
        })
        .await
    }

    fn request(&self, head: ClientHead) -> (Request<ClientBody>, Spelling) {
        let body = match head.framing {
            Framing::Length(0) => ClientBody::Empty,
            framing => {
                let mut link = lock(&self.link);
                link.body = BodyState::Open;
                link.expects = head.expects_continue;
                let decoder = Decoder::new(framing, link.settings.limits.max_header_bytes);
                let exact = matches!(framing, Framing::Length(_));
                ClientBody::Http1(Http1Body { link: self.link.clone(), decoder, exact })
            }
        };
        let mut request = Request::new(body);
        *request.method_mut() = head.method;
        *request.uri_mut() = head.uri;
        *request.version_mut() = if head.version_11 { Version::HTTP_11 } else { Version::HTTP_10 };
        *request.headers_mut() = head.headers;
        (request, head.spelling)
    }

    /// Waits for the answer, passes interim ones on meanwhile, and gives up when the client goes away.
    async fn attend<F: Future<Output = Response<AnswerBody>>>(&mut self, mut answer: Pin<Box<F>>) -> Option<Response<AnswerBody>> {
        poll_fn(|cx| {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                self.interims.take(&mut self.out);
                return Poll::Ready(Some(answer));
            }
            self.interims.take(&mut self.out);
            let mut link = lock(&self.link);
            link.poll_write(&mut self.out, cx);
            if link.poll_gone(cx).is_ready() {
                return Poll::Ready(None);
            }
            Poll::Pending
        })
        .await
    }

    /// Writes an answer to its end.
    async fn send(&mut self, answer: Response<AnswerBody>, asked: Asked) -> Sent {
        let (parts, body) = answer.into_parts();
        let keep = asked.keep_alive && !self.shutdown.is_triggered() && !lock(&self.link).expects;
        let mut out = std::mem::take(&mut self.out);
        if let AnswerBody::Tunnel(body) = body {
            put_head(&mut out, &parts, &asked, body.spelling(), body.reason().map(|r| &**r), Bodied::No, true);
            let mut writer = Writer::<AnswerBody>::new(out, None, Framing::Length(0));
            return match (self.write(&mut writer).await, body.into_tunnel()) {
                (Ok(()), Some(leg)) => Sent::Tunnel(leg),
                _ => Sent::Lost,
            };
        }
        let bodied = Bodied::of(&parts, &body, &asked);
        let keep = keep && bodied != Bodied::UntilClose;
        let (spelling, reason) = body.written();
        put_head(&mut out, &parts, &asked, &spelling, reason.as_deref(), bodied, keep);
        let mut writer = match bodied {
            // Whatever it holds is not for this client.
            Bodied::No | Bodied::Withheld(_) => Writer::new(out, None, Framing::Length(0)),
            Bodied::Length(length) => Writer::new(out, Some(body).filter(|_| length > 0), Framing::Length(length)),
            Bodied::Chunked => Writer::new(out, Some(body), Framing::Chunked),
            Bodied::UntilClose => Writer::new(out, Some(body), Framing::Close),
        };
        match self.write(&mut writer).await {
            Ok(()) if keep && self.body_over().await => Sent::Kept,
            Ok(()) => Sent::Last,
            Err(()) => Sent::Lost,
        }
    }

    async fn write(&self, writer: &mut Writer<AnswerBody>) -> Result<(), ()> {
        let mut broken = false;
        poll_fn(|cx| {
            loop {
                // Not while the connection is locked: what is left of the request is sent on in here.
                if !broken && let Err(trouble) = writer.fill(cx) {
                    // What came before that still goes out.
                    broken = true;
                    if let BodyTrouble::Broken(failure) = trouble {
                        tracing::debug!(%failure, "an answer broke off");
                    }
                }
                let mut link = lock(&self.link);
                if writer.has_output() {
                    match writer.poll_write(&mut link.io, cx) {
                        Poll::Ready(Ok(())) => continue,
                        Poll::Ready(Err(_)) => return Poll::Ready(Err(())),
                        Poll::Pending => {}
                    }
                } else if broken {
                    return Poll::Ready(Err(()));
                } else if writer.is_done() {
                    return Poll::Ready(Ok(()));
                }
                return link.poll_gone(cx).map(Err);
            }
        })
        .await
    }

    /// Waits until the request's body has been read, by whoever reads it. Says whether that was to its end.
    async fn body_over(&self) -> bool {
        poll_fn(|cx| {
            let mut link = lock(&self.link);
            match link.body {
                BodyState::Over => Poll::Ready(true),
                BodyState::Left => Poll::Ready(link.drop_body()),
                BodyState::Open => {
                    link.task = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Writes what is left to say and ends the connection. What a client still sends is read for a moment, where a
    /// reset would take the answer from it.
    async fn close(mut self, linger: bool) {
        let patience = lock(&self.link).settings.linger;
        let unread = |link: &Link| link.body != BodyState::Over || link.broken.is_some();
        let closed = poll_fn(|cx| {
            let mut link = lock(&self.link);
            while !self.out.is_empty() {
                let n = ready!(Pin::new(&mut link.io).poll_write(cx, &self.out))?;
                if n == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.out.advance(n);
            }
            ready!(Pin::new(&mut link.io).poll_flush(cx))?;
            Pin::new(&mut link.io).poll_shutdown(cx)
        });
        let Ok(()) = closed.await else { return };
        if !linger || patience.is_zero() || !unread(&lock(&self.link)) {
            return;
        }
        let mut read = 0;
        let drained = poll_fn(|cx| {
            let mut link = lock(&self.link);
            let link = &mut *link;
            while read < MAX_LINGER_BYTES {
                link.buf.clear();
                match ready!(read::poll_read(&mut link.io, &mut link.buf, 0, cx)) {
                    Ok(n @ 1..) => read += n,
                    _ => break,
                }
            }
            Poll::Ready(())
        });
        // In time or not, that was it.
        let _ = timeout(patience, drained).await;
    }
}

// === impl Link ===

impl Link {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        loop {
            while !self.buf.is_empty() {
                match self.scanner.step(&self.buf) {
                    Err(refusal) => return Poll::Ready(Next::Refused(self.refuse(refusal))),
                    Ok(Step::NeedMore) => break,
                    Ok(Step::Skip(n)) => self.buf.advance(n),
                    Ok(Step::Release(n)) => return Poll::Ready(self.begin(n)),
                }
            }
            match read::poll_read(&mut self.io, &mut self.buf, 0, cx) {
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
        let head = match self.scanner.head(self.buf.split_to(length).freeze()) {
            Ok(head) => head,
            Err(refusal) => return Next::Refused(self.refuse(refusal)),
        };
        self.clear.clear();
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
                    return Poll::Ready(Err(BodyFailure::Refused(Refusal::bad("chunk", format!("request body: {error}")))));
                }
            }
            if let Some(broken) = &self.broken {
                return Poll::Ready(Err(broken.clone()));
            }
            if std::mem::take(&mut self.expects) {
                let mut word = BytesMut::from(&b"HTTP/1.1 100 Continue\r\n\r\n"[..]);
                // Short enough for a socket on which nothing has been written yet.
                self.poll_write(&mut word, cx);
            }
            let expected = decoder.coming().unwrap_or_default();
            match read::poll_read(&mut self.io, &mut self.buf, expected, cx) {
                Poll::Ready(Ok(1..)) => {
                    self.wait_for(Waiting::Nothing);
                    self.check_body();
                }
                Poll::Ready(_) => self.broken = Some(BodyFailure::Gone),
                Poll::Pending => {
                    self.wait_for(Waiting::Body);
                    let allowed = self.settings.body_timeout;
                    ready!(self.alarm.poll(allowed, cx));
                    self.refuse(Refusal::late("body_timeout", "the request's body stalled"));
                    self.broken = Some(BodyFailure::Stalled);
                }
            }
        }
    }

    /// Ready when the client has gone. It may go on sending requests meanwhile, of which some are read.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.body != BodyState::Open && self.buf.len() < AHEAD {
            match ready!(read::poll_read(&mut self.io, &mut self.buf, 0, cx)) {
                Ok(1..) => {}
                _ => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }

    /// Writes as much as goes. That the client has gone is found out by reading.
    fn poll_write(&mut self, out: &mut BytesMut, cx: &mut Context<'_>) {
        while !out.is_empty() {
            match Pin::new(&mut self.io).poll_write(cx, out) {
                Poll::Ready(Ok(n @ 1..)) => out.advance(n),
                Poll::Ready(_) => out.clear(),
                Poll::Pending => return,
            }
            // The same goes for what is only gathered below.
            let _ = Pin::new(&mut self.io).poll_flush(cx);
        }
    }

    /// Nothing of a request is there.
    fn is_idle(&self) -> bool {
        self.buf.is_empty() && self.scanner.at_boundary()
    }

    /// Forgets a body that nobody wants, where all of it is there.
    fn drop_body(&mut self) -> bool {
        self.check_body();
        let whole = self.scanner.in_head() && self.broken.is_none();
        if whole {
            self.body = BodyState::Over;
            self.clear.clear();
        }
        whole
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
        self.body = state;
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }
}

fn lock(link: &Shared) -> MutexGuard<'_, Link> {
    link.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Interims ===

impl Interims {
    /// Leaves one to be written before the answer.
    pub fn push(&self, status: StatusCode, headers: &HeaderMap) {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        head::put_status_line(&mut bytes, true, status, None);
        head::put_fields(&mut bytes, headers, &Spelling::default(), |_| false);
        bytes.extend_from_slice(b"\r\n");
        self.waiting.store(true, Ordering::Release);
    }

    fn take(&self, out: &mut BytesMut) {
        if self.waiting.swap(false, Ordering::AcqRel) {
            let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
            out.unsplit(bytes.split());
        }
    }
}

// === impl Http1Body ===

impl Body for Http1Body {
    type Data = Bytes;
    type Error = BodyFailure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        let this = &mut *self;
        if this.decoder.is_ended() {
            return Poll::Ready(None);
        }
        let mut link = lock(&this.link);
        let decoded = ready!(link.poll_body(&mut this.decoder, cx));
        if this.decoder.is_ended() {
            link.end_body(BodyState::Over);
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

// === impl ClientHead ===

impl ClientHead {
    fn asked(&self) -> Asked {
        Asked {
            head: self.method == Method::HEAD,
            version_11: self.version_11,
            keep_alive: head::keeps_alive(&self.headers, self.version_11),
        }
    }
}

// === Answers ===

/// What follows an answer's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bodied {
    No,
    /// Nothing, but GET would get so many bytes.
    Withheld(u64),
    Length(u64),
    Chunked,
    UntilClose,
}

impl Bodied {
    fn of(parts: &http::response::Parts, body: &AnswerBody, asked: &Asked) -> Self {
        let none = matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let exact = body.size_hint().exact();
        if asked.head || none || parts.status.is_informational() {
            // A leg's answer to HEAD has no body here either: what it declares is all that is known.
            return match exact {
                Some(length @ 1..) if asked.head && !none => Bodied::Withheld(length),
                _ => Bodied::No,
            };
        }
        match exact {
            Some(length) => Bodied::Length(length),
            None if asked.version_11 => Bodied::Chunked,
            None => Bodied::UntilClose,
        }
    }
}

/// The head of an answer: its own fields, and what this connection needs beside them.
fn put_head(
    out: &mut BytesMut,
    parts: &http::response::Parts,
    asked: &Asked,
    spelling: &Spelling,
    reason: Option<&[u8]>,
    bodied: Bodied,
    keep: bool,
) {
    out.reserve(HEAD);
    head::put_status_line(out, asked.version_11, parts.status, reason);
    // The leg's own length stays where it stands.
    let length = match bodied {
        Bodied::Length(length) | Bodied::Withheld(length) => Some(HeaderValue::from(length)),
        _ => None,
    };
    let declared = length.is_some() && parts.headers.get(CONTENT_LENGTH) == length.as_ref();
    let drop_length = !declared && (bodied != Bodied::No || parts.status == StatusCode::NO_CONTENT);
    head::put_fields(out, &parts.headers, spelling, |name| {
        *name == TRANSFER_ENCODING || (drop_length && *name == CONTENT_LENGTH)
    });
    if bodied == Bodied::Chunked {
        head::put_field(out, &TRANSFER_ENCODING, b"chunked", spelling);
    }
    if let Some(length) = length.filter(|_| !declared) {
        head::put_field(out, &CONTENT_LENGTH, length.as_bytes(), spelling);
    }
    if !parts.headers.contains_key(CONNECTION) {
        match (keep, asked.version_11) {
            (false, _) => head::put_field(out, &CONNECTION, b"close", spelling),
            (true, false) => head::put_field(out, &CONNECTION, b"keep-alive", spelling),
            (true, true) => {}
        }
    }
    out.extend_from_slice(b"\r\n");
}
