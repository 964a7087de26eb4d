//! Upstreams against servers on the loopback interface: written by hand where the bytes matter, hyper's otherwise.

mod http1;
mod http2;
mod pool;
mod streams;
mod tls;

use super::*;
use crate::model::Spelling;
use crate::tls::TlsClientSettings;
use ::http::{Request, Response};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const GET: SendOptions<'static> = SendOptions { upgrade: false, again: true, on_interim: None };

fn settings(scheme: Scheme, address: SocketAddr) -> LegSettings {
    LegSettings {
        scheme,
        host: address.ip().to_string(),
        port: address.port(),
        base_path: String::new(),
        connect_timeout: Duration::from_secs(5),
        response_timeout: Duration::from_secs(5),
        preserve_host: true,
        tls: TlsClientSettings::default(),
    }
}

fn upstream(scheme: Scheme, address: SocketAddr) -> Arc<Upstream> {
    Upstream::new(Leg::Candidate, settings(scheme, address), UpstreamOptions::default()).unwrap()
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn get(path: &str) -> Request<LegBody> {
    Request::builder().uri(path).header("host", "shop.test").body(LegBody::Empty).unwrap()
}

fn post(body: LegBody) -> Request<LegBody> {
    Request::builder().method("POST").uri("/").header("host", "shop.test").body(body).unwrap()
}

async fn send(up: &Upstream, req: Request<LegBody>, how: SendOptions<'_>) -> Result<Sent, SendError> {
    send_as(Spelling::default(), up, req, how).await
}

/// With the names of fields as they are spelt.
async fn send_as(
    spelling: Spelling,
    up: &Upstream,
    req: Request<LegBody>,
    how: SendOptions<'_>,
) -> Result<Sent, SendError> {
    let (parts, body) = req.into_parts();
    let headers = Fields::of(parts.headers, spelling);
    let ask = Ask {
        method: &parts.method,
        uri: &parts.uri,
        headers: &headers,
        added: None,
        version: parts.version,
        without: [&[], &[]],
        with: [&[], &[]],
    };
    up.send(&ask, body, how).await
}

fn spawn_send(
    up: &Arc<Upstream>,
    req: Request<LegBody>,
    how: SendOptions<'static>,
) -> tokio::task::JoinHandle<Result<Sent, SendError>> {
    let up = up.clone();
    tokio::spawn(async move { send(&up, req, how).await })
}

async fn text(sent: Sent) -> String {
    String::from_utf8(sent.answer.body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn broken(sent: Sent) -> Failure {
    sent.answer.body.collect().await.map(|_| ()).unwrap_err()
}

/// The server's end of one connection, spoken by hand.
struct Peer(TcpStream);

impl Peer {
    async fn accept(listener: &TcpListener) -> Self {
        Self(listener.accept().await.unwrap().0)
    }

    /// Reads up to the empty line.
    async fn head(&mut self) -> String {
        let mut read = Vec::new();
        while !read.ends_with(b"\r\n\r\n") {
            let byte = self.0.read_u8().await.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&read)));
            read.push(byte);
        }
        String::from_utf8(read).unwrap()
    }

    async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    async fn answer(&mut self, body: &str) -> String {
        let head = self.head().await;
        self.say(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
        head
    }
}
