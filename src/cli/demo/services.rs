//! Two small services that should behave alike: a shop, and its rewrite with four known differences.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::TcpListener;
use xxhash_rust::xxh3::xxh3_64;

/// Which of the two a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edition {
    Old,
    /// The rewrite. Of its products a quarter have their price as text, 6 % of its orders lack the customer, and 3 %
    /// of its searches fail.
    New,
}

/// The build the rewrite names.
pub const BUILD: &str = "2.0.0-rc1";

/// Starts one service on a free port of the loopback interface; it runs until the runtime ends.
pub async fn start(edition: Edition) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(move |request| async move { Ok::<_, Infallible>(answer(edition, &request)) });
            tokio::spawn(async move {
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                // A client that goes away is no news to a demo.
                let _ = connection.await;
            });
        }
    });
    Ok(address)
}

fn answer(edition: Edition, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let query = request.uri().query().unwrap_or("");
    // One draw per resource, the same at every visit, so that differences are facts and not chance.
    let draw = xxh3_64(request.uri().to_string().as_bytes()) % 100;
    let new = edition == Edition::New;
    let mut segments = path.trim_start_matches('/').split('/');
    let (kind, id) = (segments.next().unwrap_or(""), segments.next().and_then(|id| id.parse::<u64>().ok()));
    let (status, body) = match (kind, id) {
        ("products", Some(id)) => {
            let price = format!("{}.{:02}", 5 + id % 90, id * 7 % 100);
            let price = if new && draw < 25 { format!("\"{price}\"") } else { price };
            (200, format!(r#"{{"id":{id},"name":"product {id}","price":{price},"tags":["new","sale"]}}"#))
        }
        ("orders", Some(id)) => {
            let customer = match new && draw < 6 {
                true => String::new(),
                false => format!(r#""customer":{{"id":{},"name":"customer {}"}},"#, id % 50, id % 50),
            };
            (200, format!(r#"{{"id":{id},{customer}"items":[{{"product":{},"quantity":2}}]}}"#, id % 300))
        }
        ("users", Some(id)) => (200, format!(r#"{{"id":{id},"name":"user {id}","request_id":"{}"}}"#, request_id())),
        ("search", None) if new && draw < 3 => (500, r#"{"error":"index shard unavailable"}"#.to_owned()),
        ("search", None) => {
            // The rewrite prints its answer with white space: not a difference that matters.
            let sep = if new { ": " } else { ":" };
            (200, format!(r#"{{"query"{sep}"{}","hits"{sep}[{},{},{}]}}"#, clean(query), draw, draw + 7, draw * 3))
        }
        _ => (404, r#"{"error":"not found"}"#.to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if new {
        response.headers_mut().insert("x-build-id", HeaderValue::from_static(BUILD));
    }
    response
}

/// Different at every answer: the noise that the control leg is for.
fn request_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes();
    let (a, b) = (xxh3_64(&n), xxh3_64(&[&n[..], b"b"].concat()));
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        (b >> 48) & 0xfff,
        b & 0xffff_ffff_ffff
    )
}

fn clean(query: &str) -> String {
    query.trim_start_matches("q=").chars().filter(|c| c.is_ascii_alphanumeric()).take(40).collect()
}
