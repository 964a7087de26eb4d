//! One request over an HTTP/2 connection to a leg. The connection has a task of its own; whoever sends a request writes its
//! body and reads its answer by itself.

use super::body::{Answer, LegTunnel};
use super::connect::STREAM_WINDOW;
use super::failure::{self, Trouble};
use super::io::Io;
use super::multiplexed::{H2Line, Load, Vitals};
use super::stream::{Receiving, Sending, Tunnel, Unsent};
use super::{Ask, Fault, LegAnswer, LegAnswerBody, LegBody, Missed, OnInterim, SendOptions, Shared};
use crate::alarm::Alarm;
use crate::http1::head::declared_length;
use crate::http2::flood::Meter;
use crate::http2::{FloodGuard, gathered};
use crate::model::Fields;
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Ping, PingPong, RecvStream};
use http::{Method, Response, StatusCode};
use http_body::Body;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// A busy HTTP/2 connection on which nothing comes is asked for a sign of life this often.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

// === impl Shared ===

impl Shared {
    /// Begins HTTP/2 on a connection and lets requests have its streams, once the leg has begun too.
    pub(super) async fn start_h2(&self, io: Io, deadline: Instant) -> Result<(), Trouble> {
        if self.options.guarded {
            let flooded = self.flooded.clone();
            let tell = move |_| flooded.store(true, Ordering::Relaxed);
            self.carry(FloodGuard::new(io, Meter::of_leg(STREAM_WINDOW), tell), deadline).await
        } else {
            self.carry(io, deadline).await
        }
    }

    async fn carry<IO>(&self, io: IO, deadline: Instant) -> Result<(), Trouble>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (io, rest) = gathered(io);
        let begun = self.connector.h2().handshake::<_, Bytes>(io).await;
        let (sender, mut connection) = begun.map_err(|error| failure::of_stream(&error))?;
        // Its first frame says how many streams it takes.
        let first = poll_fn(|cx| match rest.poll(Pin::new(&mut connection), cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Err(Trouble::closed(false))),
            Poll::Ready(Err(error)) => Poll::Ready(Err(failure::of_stream(&error))),
            Poll::Pending if rest.read() > 0 => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        });
        match timeout_at(deadline, first).await {
            Ok(begun) => begun?,
            Err(_) => {
                let after = self.connector.settings.connect_timeout;
                return Err(failure::connect_timed_out("the HTTP/2 preface", after));
            }
        }
        let vitals = Arc::new(Vitals::new(connection.max_concurrent_send_streams()));
        vitals.heard.store(rest.read(), Ordering::Relaxed);
        let mut left = self.pool().multiplexed.add(sender, vitals.clone());
        let leg = self.connector.settings.to_string();
        tokio::spawn(async move {
            let ping = connection.ping_pong();
            let mut connection = pin!(connection);
            let mut is_left = false;
            let ended = poll_fn(|cx| {
                // The h2 crate does not notice by itself that nobody will send on it any more.
                is_left = is_left || Pin::new(&mut left).poll(cx).is_ready();
                let polled = rest.poll(connection.as_mut(), cx);
                vitals.max_streams.store(connection.max_concurrent_send_streams(), Ordering::Relaxed);
                vitals.heard.store(rest.read(), Ordering::Relaxed);
                polled
            });
            tokio::select! {
                ended = ended => if let Err(error) = ended {
                    tracing::debug!(%leg, %error, "connection ended");
                },
                () = silence(ping, &vitals) => {
                    vitals.silent.store(true, Ordering::Release);
                    tracing::debug!(%leg, "connection ended: no sign of life");
                }
            }
        });
        Ok(())
    }

    /// Sends on a stream and waits for the head.
    pub(super) async fn attempt_h2(
        &self,
        mut line: H2Line,
        load: Load,
        ask: &Ask<'_>,
        body: LegBody,
        how: &SendOptions<'_>,
    ) -> Result<LegAnswer, Missed> {
        let Ok(request) = self.form.h2(ask, &body) else {
            let trouble = Trouble::proxy("the target is too long behind the leg's base path");
            return Err(Missed { trouble, body: None, unsent: false });
        };
        let connect = *ask.method == Method::CONNECT;
        let bodiless = body.is_end_stream();
        let heard = line.heard();
        let (response, out) = match line.sender.send_request(request, bodiless && !connect) {
            Ok(begun) => begun,
            Err(error) => {
                self.pool().multiplexed.forget(line.id);
                let trouble = failure::of_stream(&error);
                return Err(Missed { unsent: trouble.fault == Fault::Leg, trouble, body: Some(body) });
            }
        };
        let (out, sending) = match (connect, bodiless) {
            (true, _) => (Some(out), None),
            (false, true) => (None, None),
            (false, false) => (None, Some(Box::new(Sending::new(out, body)))),
        };
        let mut asking = Asking { response, sending, opening: true };
        let patience = self.connector.settings.response_timeout;
        let response = match asking.head(&mut line.sender, patience, how.on_interim).await {
            Ok(response) => response,
            Err(NoHead { mut trouble, late }) => {
                if line.is_silent() {
                    trouble = failure::no_sign_of_life();
                }
                // One on which nothing has come since may be one on which nothing comes any more.
                if trouble.ended || (late && line.heard() == heard) {
                    self.pool().multiplexed.forget(line.id);
                }
                let body = if bodiless { Some(LegBody::Empty) } else { asking.sending.and_then(|s| s.rewind()) };
                return Err(Missed { trouble, body, unsent: false });
            }
        };
        let (parts, stream) = response.into_parts();
        let headers = Fields::from(parts.headers);
        let answer = match out {
            Some(out) if parts.status.is_success() => {
                Answer::Tunnel(LegTunnel::Open(Box::new(Tunnel::new(out, stream, load))))
            }
            _ => {
                let bodiless = *ask.method == Method::HEAD
                    || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
                let receiving = Receiving::new(stream, asking.sending, load);
                let declared = declared_length(&headers).filter(|_| !bodiless);
                Answer::Http2 { receiving, declared, bodiless }
            }
        };
        // HTTP/2 knows no phrases and one way of writing names.
        let (status, version) = (parts.status, parts.version);
        Ok(LegAnswer { status, version, reason: None, headers, body: LegAnswerBody::new(answer) })
    }
}

/// Ends where a connection that is in use gives no sign of life.
async fn silence(ping: Option<PingPong>, vitals: &Vitals) {
    let Some(mut ping) = ping else { return std::future::pending().await };
    loop {
        let heard = vitals.heard.load(Ordering::Relaxed);
        sleep(PING_INTERVAL).await;
        if vitals.streams.load(Ordering::Relaxed) == 0 || vitals.heard.load(Ordering::Relaxed) != heard {
            continue;
        }
        // That the connection has ended shows itself elsewhere.
        if timeout(PING_TIMEOUT, ping.ping(Ping::opaque())).await.is_err() {
            return;
        }
    }
}

/// A request whose answer is waited for.
struct Asking {
    response: ResponseFuture,
    sending: Option<Box<Sending>>,
    /// The leg may take no further stream yet.
    opening: bool,
}

struct NoHead {
    trouble: Trouble,
    late: bool,
}

// === impl Asking ===

impl Asking {
    /// Sends the body and waits for the head, no longer than `patience` from the last byte on that the leg has taken.
    async fn head(
        &mut self,
        sender: &mut SendRequest<Bytes>,
        patience: Duration,
        on_interim: Option<OnInterim<'_>>,
    ) -> Result<Response<RecvStream>, NoHead> {
        let (mut alarm, mut taken) = (Alarm::default(), 0);
        let failed = |trouble| Poll::Ready(Err(NoHead { trouble, late: false }));
        poll_fn(|cx| {
            if let Some(sending) = self.sending.as_mut().filter(|sending| !sending.is_over()) {
                self.opening = self.opening && sender.poll_ready(cx).is_pending();
                if !self.opening
                    && let Poll::Ready(sent) = sending.poll(cx)
                {
                    if let Err(Unsent::Broken(error)) = sent {
                        return failed(Trouble::request_body(&format!("broke off: {error}")));
                    }
                    alarm.stop();
                }
            }
            self.interims(on_interim, cx);
            if let Poll::Ready(head) = Pin::new(&mut self.response).poll(cx) {
                return head.map_or_else(|error| failed(failure::of_stream(&error)), |head| Poll::Ready(Ok(head)));
            }
            let late = match self.sending.as_ref().filter(|sending| !sending.is_over()) {
                Some(sending) if !self.opening => sending.is_stuck(&mut alarm, &mut taken, patience, cx),
                _ => alarm.poll(patience, cx).is_ready(),
            };
            if late { Poll::Ready(Err(NoHead { trouble: failure::no_answer(patience), late })) } else { Poll::Pending }
        })
        .await
    }

    /// Passes interim answers on. Who sends more than any use explains has its connection ended.
    fn interims(&mut self, on_interim: Option<OnInterim<'_>>, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(Ok(interim))) = self.response.poll_informational(cx) {
            let (parts, ()) = interim.into_parts();
            if let Some(tell) = on_interim {
                tell(parts.status, &parts.headers.into());
            }
        }
    }
}
