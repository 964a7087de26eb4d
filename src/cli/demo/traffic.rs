//! The demo's clients: a steady stream of requests over a few kept-open connections.

use bytes::Bytes;
use http::Request;
use http::header::HOST;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::MissedTickBehavior;

/// Requests a second in all.
pub const RATE: u64 = 600;
const CONNECTIONS: u64 = 6;

/// How many answers users have had.
#[derive(Debug, Default)]
pub struct Served {
    pub answers: AtomicU64,
    /// Answers with another status than the old service gives.
    pub errors: AtomicU64,
}

/// Sends to `proxy` until the task set is dropped.
pub fn start(proxy: SocketAddr, served: Arc<Served>) -> tokio::task::JoinSet<()> {
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CONNECTIONS {
        let served = served.clone();
        clients.spawn(async move {
            // A connection that broke is opened again; the proxy may be starting or stopping.
            loop {
                let _ = send(proxy, client, &served).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
    }
    clients
}

async fn send(proxy: SocketAddr, client: u64, served: &Served) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(proxy).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut pace = tokio::time::interval(Duration::from_micros(1_000_000 * CONNECTIONS / RATE));
    pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for n in client.. {
        pace.tick().await;
        sender.ready().await?;
        let request = Request::get(path(n * CONNECTIONS + client)).header(HOST, proxy.to_string());
        let answer = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
        let ok = answer.status().is_success();
        answer.into_body().collect().await?;
        served.answers.fetch_add(1, Ordering::Relaxed);
        served.errors.fetch_add(u64::from(!ok), Ordering::Relaxed);
    }
    Ok(())
}

/// The four routes in turn, over a few hundred resources each.
fn path(n: u64) -> String {
    let id = n.wrapping_mul(2_654_435_761) % 400;
    match (n / 3) % 4 {
        0 => format!("/products/{id}"),
        1 => format!("/orders/{id}"),
        2 => format!("/search?q=word{id}"),
        _ => format!("/users/{id}"),
    }
}
