//! One request over an HTTP/2 connection to a leg. The connection is hyper's, carried by a task of its own.

use super::body::{Answer, LegTunnel, Upload};
use super::connect::STREAM_WINDOW;
use super::failure::{self, Trouble};
use super::io::Io;
use super::multiplexed::{H2Line, Load};
use super::{Ask, Fault, LegAnswer, LegAnswerBody, LegBody, Missed, Shared};
use crate::http2::flood::Meter;
use crate::http2::gather::Turns;
use crate::http2::{FloodGuard, gathered};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper_util::rt::TokioIo;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

// === impl Shared ===

impl Shared {
    /// Begins HTTP/2 on a connection and lets requests have its streams.
    pub(super) async fn start_h2(&self, io: Io) -> Result<(), Trouble> {
        if self.options.guarded {
            let flooded = self.flooded.clone();
            let tell = move |_| flooded.store(true, Ordering::Relaxed);
            self.carry(FloodGuard::new(io, Meter::of_leg(STREAM_WINDOW), tell)).await
        } else {
            self.carry(io).await
        }
    }

    async fn carry<IO>(&self, io: IO) -> Result<(), Trouble>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (io, rest) = gathered(io);
        let (sender, connection) =
            self.connector.h2(Turns::from(rest)).handshake(TokioIo::new(io)).await.map_err(|e| failure::of_send(&e))?;
        let max_streams = Arc::new(AtomicUsize::new(connection.current_max_send_streams()));
        self.pool().multiplexed.add(sender, max_streams.clone());
        let leg = self.connector.settings.to_string();
        tokio::spawn(async move {
            let mut connection = std::pin::pin!(connection);
            let ended = poll_fn(|cx| {
                let polled = connection.as_mut().poll(cx);
                max_streams.store(connection.current_max_send_streams(), Ordering::Relaxed);
                polled
            });
            if let Err(error) = ended.await {
                tracing::debug!(%leg, %error, "connection ended");
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
        mut body: LegBody,
    ) -> Result<LegAnswer, Missed> {
        let mut upload = body.watch();
        let Ok(request) = self.form.h2(ask, body) else {
            let trouble = Trouble::proxy("the target is too long behind the leg's base path");
            return Err(Missed { trouble, unsent: None });
        };
        let patience = self.connector.settings.response_timeout;
        let answer = within(patience, line.sender.try_send_request(request), &mut upload).await;
        let mut response = answer.map_err(|missed| {
            let missed = missed.into_missed(&upload);
            if missed.trouble.unanswered || missed.unsent.is_some() {
                self.pool().multiplexed.forget(line.id);
            }
            missed
        })?;
        if *ask.method == Method::CONNECT && response.status().is_success() {
            let tunnel = LegTunnel::Http2(hyper::upgrade::on(&mut response));
            return Ok(response.map(|_| Answer::Tunnel(tunnel)).into());
        }
        let bodiless = *ask.method == Method::HEAD
            || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        Ok(response.map(|body| Answer::Http2 { body, load, bodiless }).into())
    }
}

// === impl LegAnswer ===

/// Over HTTP/2, which knows no phrases and one way of writing names.
impl From<Response<Answer>> for LegAnswer {
    fn from(response: Response<Answer>) -> Self {
        let (parts, answer) = response.into_parts();
        let (status, version) = (parts.status, parts.version);
        Self { status, version, reason: None, headers: parts.headers.into(), body: LegAnswerBody::new(answer) }
    }
}

enum NoHead {
    Late(Duration),
    Failed(Box<TrySendError<Request<LegBody>>>),
}

/// Waits for the head, and no longer than `patience` once the request is out.
async fn within<F>(patience: Duration, answer: F, upload: &mut Upload) -> Result<Response<Incoming>, NoHead>
where
    F: Future<Output = Result<Response<Incoming>, TrySendError<Request<LegBody>>>>,
{
    tokio::select! {
        biased;
        answer = answer => answer.map_err(|error| NoHead::Failed(Box::new(error))),
        () = async { upload.sent().await; tokio::time::sleep(patience).await } => Err(NoHead::Late(patience)),
    }
}

// === impl NoHead ===

impl NoHead {
    fn into_missed(self, upload: &Upload) -> Missed {
        let (trouble, unsent) = match self {
            NoHead::Late(patience) => (failure::no_answer(patience), None),
            NoHead::Failed(mut error) => {
                (failure::of_send(error.error()), error.take_message().map(Request::into_body))
            }
        };
        let fault = if upload.broke() { Fault::RequestBody } else { trouble.fault };
        Missed { trouble: Trouble { fault, ..trouble }, unsent }
    }
}
