//! A client's HTTP/1.1 connection: request after request is read, handed to the service, and its answer written.
//!
//! What a client sends is checked by the [`guard`](super::guard) before anything else looks at it: a request is held
//! back until its head is whole and can be read in one way only, and of its body passes what has been checked. What is
//! refused is answered here, after the answers to earlier requests.
//!
//! One task serves the connection. It shares it with the body of the request under way, which is read by whoever sends
//! it on.

#[cfg(test)]
mod against_hyper;
mod answer;
mod link;
#[cfg(test)]
mod tests;

pub use link::{BodyFailure, Http1Body};

use super::body::{AnswerBody, ClientBody};
use super::guard::{ClientHead, GuardSettings, Refusal};
use super::message::{ClientRequest, Reply};
use crate::boxed::boxed;
use crate::http1::{BodyTrouble, Framing, Writer, head, read};
use crate::model::Fields;
use crate::shutdown::Shutdown;
use crate::upstream::{Duplex, LegTunnel};
use answer::{Asked, Bodied};
use bytes::BytesMut;
use http::{StatusCode, Version};
use link::{Link, Shared, lock};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, ready};
use tokio::io::AsyncWrite;
use tokio::time::timeout;

/// Bytes a client whose request was cut short may still send before the connection is dropped all the same.
const MAX_LINGER_BYTES: usize = 256 * 1024;
/// Bytes of interim answers that wait for a client which does not read them, before others are left out.
const MAX_INTERIM_BYTES: usize = 16 * 1024;

/// Interim answers (1xx) on their way to the client.
#[derive(Debug, Default)]
pub struct Interims {
    waiting: AtomicBool,
    bytes: Mutex<BytesMut>,
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
/// is dropped when the client goes away. Gives the connection where an answer has turned it into a tunnel.
pub async fn serve<S, F>(
    io: Box<dyn Duplex>,
    read: &[u8],
    settings: Arc<GuardSettings>,
    interims: &Interims,
    shutdown: &Shutdown,
    service: S,
) -> Option<(Box<dyn Duplex>, LegTunnel)>
where
    S: Fn(ClientRequest) -> F,
    F: Future<Output = Reply>,
{
    let link = Link::shared(io, read, settings);
    let connection = Http1 { link, interims, shutdown };
    let mut stop = pin!(shutdown.triggered_and_looked());
    loop {
        match connection.next(stop.as_mut()).await {
            Next::End => {
                connection.close(false).await;
                return None;
            }
            Next::Refused(refusal) => {
                lock(&connection.link).out.extend_from_slice(&refusal.answer());
                connection.close(true).await;
                return None;
            }
            Next::Request(head) => {
                let asked = Asked::by(&head);
                // Boxed: a connection that waits for its next request need not keep the room.
                let reply = Box::into_pin(boxed(|| service(connection.request(*head))));
                let reply = connection.attend(reply).await?;
                match connection.send(reply, asked).await {
                    Sent::Kept => {}
                    Sent::Last => {
                        connection.close(true).await;
                        return None;
                    }
                    Sent::Lost => return None,
                    Sent::Tunnel(leg) => {
                        let (early, io) = lock(&connection.link).take_over();
                        return Some((Box::new(read::Prefixed::new(early, io)), leg));
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

    fn request(&self, head: ClientHead) -> ClientRequest {
        let body = match head.framing {
            Framing::Length(0) => ClientBody::Empty,
            framing => ClientBody::Http1(Http1Body::begin(&self.link, framing, head.expects_continue)),
        };
        let version = if head.version_11 { Version::HTTP_11 } else { Version::HTTP_10 };
        ClientRequest { method: head.method, uri: head.uri, version, headers: head.headers, body, stream: None }
    }

    /// Waits for the answer, passes interim ones on meanwhile, and gives up when the client goes away.
    async fn attend<F: Future<Output = Reply>>(&self, mut reply: Pin<Box<F>>) -> Option<Reply> {
        poll_fn(|cx| {
            // Not while the connection is locked: the request's body is read in here.
            let reply = reply.as_mut().poll(cx);
            let mut link = lock(&self.link);
            self.interims.take(&mut link.out);
            if let Poll::Ready(reply) = reply {
                return Poll::Ready(Some(reply));
            }
            link.poll_write(cx);
            if link.poll_gone(cx).is_ready() {
                return Poll::Ready(None);
            }
            Poll::Pending
        })
        .await
    }

    /// Writes an answer to its end.
    async fn send(&self, reply: Reply, asked: Asked) -> Sent {
        let (mut out, fit) = lock(&self.link).answered();
        let bodied = Bodied::of(&reply, &asked);
        let keep = asked.keep_alive && fit && bodied != Bodied::UntilClose && !self.shutdown.is_triggered();
        answer::put_head(&mut out, &reply, &asked, bodied, keep);
        let Reply { headers, mut body, .. } = reply;
        body.record_head(|| headers);
        let mut writer = match (bodied, body) {
            (_, AnswerBody::Tunnel(body)) => {
                let mut writer = Writer::new(out, None, Framing::Length(0));
                return match (self.write(&mut writer).await, body.into_tunnel()) {
                    (Ok(()), Some(leg)) => Sent::Tunnel(leg),
                    _ => Sent::Lost,
                };
            }
            // Whatever it holds is not for this client.
            (Bodied::No | Bodied::Withheld(_), _) => Writer::new(out, None, Framing::Length(0)),
            (Bodied::Length(length), body) => {
                Writer::new(out, Some(body).filter(|_| length > 0), Framing::Length(length))
            }
            (Bodied::Chunked, body) => Writer::new(out, Some(body), Framing::Chunked),
            (Bodied::UntilClose, body) => Writer::new(out, Some(body), Framing::Close),
        };
        let Ok(()) = self.write(&mut writer).await else { return Sent::Lost };
        // The client has all of it, whether or not it has said yet that it is over.
        drop(writer);
        // Where the answer came first, the leg may still be reading the request.
        let read = self.body_over().await;
        if keep && read { Sent::Kept } else { Sent::Last }
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
                } else if writer.is_done() || writer.is_whole() {
                    return Poll::Ready(Ok(()));
                }
                return link.poll_gone(cx).map(Err);
            }
        })
        .await
    }

    /// Waits until the request's body has been read, by whoever reads it. Says whether that was to its end.
    async fn body_over(&self) -> bool {
        poll_fn(|cx| lock(&self.link).poll_body_over(cx)).await
    }

    /// Writes what is left to say and ends the connection. What a client still sends is read for a moment, where a
    /// reset would take the answer from it.
    async fn close(self, linger: bool) {
        let (patience, allowed) = lock(&self.link).patience();
        let closed = poll_fn(|cx| {
            let mut link = lock(&self.link);
            link.poll_write(cx);
            if !link.out.is_empty() {
                return Poll::Pending;
            }
            ready!(Pin::new(&mut link.io).poll_flush(cx))?;
            Pin::new(&mut link.io).poll_shutdown(cx)
        });
        let Ok(Ok(())) = timeout(allowed, closed).await else { return };
        if !linger || patience.is_zero() || !lock(&self.link).has_unread() {
            return;
        }
        let mut read = 0;
        let drained = poll_fn(|cx| {
            while read < MAX_LINGER_BYTES {
                match ready!(lock(&self.link).poll_drop(cx)) {
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

// === impl Interims ===

impl Interims {
    /// Leaves one to be written before the answer.
    pub fn push(&self, status: StatusCode, headers: &Fields) {
        let mut headers = headers.clone();
        headers.strip_hop_by_hop();
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        head::put_status_line(&mut bytes, true, status, None);
        headers.put(&mut bytes, |_| false);
        bytes.extend_from_slice(b"\r\n");
        self.waiting.store(true, Ordering::Release);
    }

    fn take(&self, out: &mut BytesMut) {
        if self.waiting.swap(false, Ordering::AcqRel) {
            let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner).split();
            if out.len() < MAX_INTERIM_BYTES {
                out.unsplit(bytes);
            }
        }
    }
}
