//! One stream of an HTTP/2 connection to a leg: what goes out on it, what comes, and its end. Dropped before both are over,
//! it is cancelled.

use super::body::UPLOAD_PATIENCE;
use super::multiplexed::Load;
use super::{BoxError, LegBody};
use crate::alarm::Alarm;
use bytes::{Buf, Bytes, BytesMut};
use h2::{Reason, RecvStream, SendStream};
use http_body::{Body, Frame};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Handle;
use tokio::time::timeout;

/// Bytes that go out at once, where the leg has room for them: a frame of the size that nearly everybody wants.
const PART: usize = 16 * 1024;
/// Bytes of a body that are kept until its answer begins, so that all of it can be sent again.
const KEPT: usize = 64 * 1024;

/// A request's body on its way out.
pub(super) struct Sending {
    stream: SendStream<Bytes>,
    body: LegBody,
    /// What the leg has no room for yet.
    part: Bytes,
    /// There is nothing behind that.
    last: bool,
    over: bool,
    /// Bytes that the leg had room for.
    taken: u64,
    /// What has been read of the body, where that can be sent again.
    kept: Option<BytesMut>,
}

/// Why a body did not go out to its end.
#[derive(Debug)]
pub(super) enum Unsent {
    /// It broke off by itself.
    Broken(BoxError),
    /// The stream has ended, or the leg wants no more of it.
    Ended,
}

/// An answer's body as it comes, while what is left of the request goes out.
pub(super) struct Receiving {
    stream: RecvStream,
    /// What comes now are trailers.
    data_over: bool,
    sending: Option<Box<Sending>>,
    /// Dropped last: the stream's place is free once it has ended.
    load: Load,
}

/// A stream that has become a tunnel.
pub(super) struct Tunnel {
    out: SendStream<Bytes>,
    stream: RecvStream,
    /// Has come and was not read.
    early: Bytes,
    _load: Load,
}

// === impl Sending ===

impl Sending {
    pub(super) fn new(stream: SendStream<Bytes>, body: LegBody) -> Self {
        Self { stream, body, part: Bytes::new(), last: false, over: false, taken: 0, kept: Some(BytesMut::new()) }
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Whether the leg has had no room for as long as is `allowed`.
    pub(super) fn is_stuck(
        &self,
        alarm: &mut Alarm,
        before: &mut u64,
        allowed: Duration,
        cx: &mut Context<'_>,
    ) -> bool {
        alarm.is_stuck(before, self.taken, !self.part.is_empty(), allowed, cx)
    }

    /// Sends what is there, as far as the leg has room. Ready at the end, and not to be asked again.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unsent>> {
        let polled =
            if self.stream.poll_reset(cx).is_ready() { Err(Unsent::Ended) } else { ready!(self.poll_send(cx)) };
        self.over = true;
        self.part = Bytes::new();
        if let Err(Unsent::Broken(_)) = &polled {
            self.stream.send_reset(Reason::CANCEL);
        }
        Poll::Ready(polled)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unsent>> {
        loop {
            while !self.part.is_empty() {
                self.stream.reserve_capacity(self.part.len().min(PART));
                while self.stream.capacity() == 0 {
                    let Some(Ok(_)) = ready!(self.stream.poll_capacity(cx)) else {
                        return Poll::Ready(Err(Unsent::Ended));
                    };
                }
                let part = self.part.split_to(self.stream.capacity().min(self.part.len()));
                self.taken += part.len() as u64;
                self.send(part, self.last && self.part.is_empty())?;
            }
            if self.last {
                return Poll::Ready(Ok(()));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        self.last = self.body.is_end_stream();
                        if self.last && data.is_empty() {
                            return Poll::Ready(self.send(data, true));
                        }
                        self.keep(&data);
                        self.part = data;
                    }
                    Err(frame) => {
                        let Ok(trailers) = frame.into_trailers() else { continue };
                        self.kept = None;
                        // Room that nothing needs any more.
                        self.stream.reserve_capacity(0);
                        return Poll::Ready(self.stream.send_trailers(trailers).map_err(|_| Unsent::Ended));
                    }
                },
                Some(Err(error)) => return Poll::Ready(Err(Unsent::Broken(error))),
                None => return Poll::Ready(self.send(Bytes::new(), true)),
            }
        }
    }

    fn send(&mut self, part: Bytes, last: bool) -> Result<(), Unsent> {
        self.stream.send_data(part, last).map_err(|_| Unsent::Ended)
    }

    fn keep(&mut self, data: &Bytes) {
        if let Some(kept) = &mut self.kept {
            if kept.len() + data.len() <= KEPT {
                // Copied: a small part may stand in the memory of much more.
                kept.extend_from_slice(data);
            } else {
                self.kept = None;
            }
        }
    }

    /// The whole body, where it is still there.
    pub(super) fn rewind(self) -> Option<LegBody> {
        self.kept.map(|kept| LegBody::again(kept.freeze(), self.body))
    }
}

// === impl Receiving ===

impl Receiving {
    pub(super) fn new(stream: RecvStream, sending: Option<Box<Sending>>, load: Load) -> Self {
        let mut sending = sending.filter(|sending| !sending.is_over());
        if let Some(sending) = &mut sending {
            // Nothing will be sent again.
            sending.kept = None;
        }
        Self { stream, data_over: false, sending, load }
    }

    /// Whether the connection was given up because nothing came on it any more.
    pub(super) fn is_silent(&self) -> bool {
        self.load.is_silent()
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    /// Whether the request is not out yet.
    pub(super) fn is_sending(&self) -> bool {
        self.sending.is_some()
    }

    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if let Some(sending) = &mut self.sending
            && sending.poll(cx).is_ready()
        {
            self.sending = None;
        }
        if !self.data_over {
            if let Some(data) = ready!(self.stream.poll_data(cx)?) {
                // Fails where the stream has ended, and then there is nothing to release.
                let _ = self.stream.flow_control().release_capacity(data.len());
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            self.data_over = true;
        }
        let trailers = ready!(self.stream.poll_trailers(cx)?);
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    /// The answer is over. What is left of the request goes out, as long as the leg makes room for it.
    pub(super) fn finish(self) {
        if self.is_sending() {
            self.let_go();
        }
    }

    /// The answer is over but for its end, which a leg that reads the request first tells only then.
    pub(super) fn let_go(mut self) {
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            if self.send_rest().await && !self.is_end_stream() {
                let end = poll_fn(|cx| {
                    while let Some(Ok(_)) = ready!(self.poll_frame(cx)) {}
                    Poll::Ready(())
                });
                // In time or not, nobody waits for it.
                let _ = timeout(UPLOAD_PATIENCE, end).await;
            }
        });
    }

    /// Sends what is left of the request. Says whether the leg took it.
    async fn send_rest(&mut self) -> bool {
        let Some(sending) = &mut self.sending else { return true };
        let (mut alarm, mut taken) = (Alarm::default(), sending.taken);
        let sent = poll_fn(|cx| match sending.poll(cx) {
            Poll::Ready(sent) => Poll::Ready(sent.is_ok()),
            Poll::Pending if sending.is_stuck(&mut alarm, &mut taken, UPLOAD_PATIENCE, cx) => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        })
        .await;
        self.sending = None;
        sent
    }
}

// === impl Tunnel ===

impl Tunnel {
    pub(super) fn new(out: SendStream<Bytes>, stream: RecvStream, load: Load) -> Self {
        Self { out, stream, early: Bytes::new(), _load: load }
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.early.is_empty() {
            match ready!(self.stream.poll_data(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(Ok(data)) => self.early = data,
                // How a peer ends a tunnel of which it wants no more.
                Some(Err(error)) if matches!(error.reason(), Some(Reason::NO_ERROR | Reason::CANCEL)) => {
                    return Poll::Ready(Ok(()));
                }
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
            }
        }
        let n = self.early.len().min(buf.remaining());
        buf.put_slice(&self.early[..n]);
        self.early.advance(n);
        // Fails where the stream has ended, and then there is nothing to release.
        let _ = self.stream.flow_control().release_capacity(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let ended = || Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        if self.out.poll_reset(cx).is_ready() {
            return ended();
        }
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.out.reserve_capacity(buf.len().min(PART));
        while self.out.capacity() == 0 {
            let Some(Ok(_)) = ready!(self.out.poll_capacity(cx)) else { return ended() };
        }
        let n = self.out.capacity().min(buf.len());
        match self.out.send_data(Bytes::copy_from_slice(&buf[..n]), false) {
            Ok(()) => Poll::Ready(Ok(n)),
            Err(_) => ended(),
        }
    }

    /// The connection writes by itself.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Fails where the stream has ended already.
        let _ = self.out.send_data(Bytes::new(), true);
        Poll::Ready(Ok(()))
    }
}

impl std::fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tunnel").field("stream", &self.stream).finish_non_exhaustive()
    }
}
