//! Server-sent events: that there is something new to see. A page that hears it fetches itself again.
//!
//! Each stream is a task of its own and there is room for a few dozen; whoever finds none is told when to come back. A
//! stream ends when its reader goes away, when the interface is told to stop, or after a while, so that a session that
//! has ended is noticed.

use super::problem::Problem;
use super::recent::Taken;
use super::server::Admin;
use crate::report::pages::Look;
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use http_body::Frame;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Streams at once.
pub(super) const MAX_STREAMS: usize = 48;
/// How often it is looked whether there is news.
const EVERY: Duration = Duration::from_secs(1);
/// Something is said at least this often: ages grow, and a dead connection is noticed.
const AT_LEAST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// The body of a stream: what its task sends.
struct Stream(mpsc::Receiver<Bytes>);

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}

pub(super) fn stream(admin: &Arc<Admin>) -> Response<Body> {
    let Ok(place) = admin.streams.clone().try_acquire_owned() else {
        let header = Some((header::RETRY_AFTER, HeaderValue::from_static("10")));
        let detail = format!("{MAX_STREAMS} pages are live already: this one can be reloaded by hand");
        return Problem { header, ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail) }.into_response();
    };
    let (events, received) = mpsc::channel(2);
    let admin = admin.clone();
    tokio::spawn(async move {
        tell(&admin, &events).await;
        drop(place);
    });
    let mut response = Response::new(Body::new(Stream(received)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

async fn tell(admin: &Arc<Admin>, events: &mpsc::Sender<Bytes>) {
    let began = Instant::now();
    let mut stopping = admin.stopping.subscribe();
    let mut told: Option<(Arc<Look>, Instant)> = None;
    // How long a browser waits before it comes back by itself.
    if events.send(Bytes::from_static(b"retry: 2000\n\n")).await.is_err() {
        return;
    }
    while began.elapsed() < LONGEST {
        let Some(Taken { look, .. }) = admin.recent.get().await else { return };
        let news = told.as_ref().is_none_or(|(last, at)| differs(last, &look) || at.elapsed() >= AT_LEAST);
        if news {
            let event = format!("event: look\ndata: {}\n\n", look.report.generated_at);
            // A reader that does not read is not waited for.
            match events.try_send(Bytes::from(event)) {
                Err(mpsc::error::TrySendError::Closed(_)) => return,
                Err(mpsc::error::TrySendError::Full(_)) => {}
                Ok(()) => told = Some((look, Instant::now())),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = events.closed() => return,
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// Whether a page of the one would say something else than one of the other, ages aside.
fn differs(a: &Look, b: &Look) -> bool {
    let (a, b) = (&a.report, &b.report);
    a.totals != b.totals
        || a.epoch != b.epoch
        || a.gate.verdict != b.gate.verdict
        || a.proxy.mirroring != b.proxy.mirroring
        || a.notices != b.notices
}
