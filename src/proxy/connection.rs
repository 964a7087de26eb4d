//! One client connection: which protocol it speaks, its limits and its end.

use super::busy::{Busy, BusyBody, Uses};
use super::guard::{GuardSettings, Refusal};
use super::headers::Forwarded;
use super::http1::{self, Interims};
use super::message::ClientRequest;
use super::service::Gateway;
use super::tunnel;
use crate::http1::read::Prefixed;
use crate::http2::flood::{Flood, Meter};
use crate::http2::{FloodGuard, gathered};
use crate::shutdown::Shutdown;
use crate::upstream::Duplex;
use bytes::BytesMut;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{sleep, timeout};

/// With what an HTTP/2 connection begins.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// More than a round trip takes.
const MAX_GRACE: Duration = Duration::from_secs(1);

/// What a listener's connections have in common.
#[derive(Debug)]
pub struct Wire {
    pub guard: Arc<GuardSettings>,
    pub http2: hyper::server::conn::http2::Builder<TokioExecutor>,
    pub header_timeout: Duration,
    pub idle_timeout: Duration,
    /// How long one that has had no request yet may still take for its first, once the proxy is to stop.
    pub grace: Duration,
}

/// A client's connection as its requests see it.
#[derive(Debug)]
pub struct Connection {
    pub peer: SocketAddr,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Whom its requests are forwarded for.
    pub forwarded: Forwarded,
    /// In a request over HTTP/2; over HTTP/1.1 the guard counts them.
    pub max_headers: usize,
    protocol: Protocol,
}

#[derive(Debug)]
enum Protocol {
    Http1(Interims),
    Http2(Arc<Uses>),
}

// === impl Connection ===

impl Connection {
    fn new(peer: SocketAddr, scheme: &'static str, max_headers: usize, protocol: Protocol) -> Self {
        Self { peer, scheme, forwarded: Forwarded::new(peer.ip(), scheme), max_headers, protocol }
    }

    /// To be held by what is under way on a stream. Over HTTP/1.1 the connection has no other use meanwhile.
    pub fn busy(&self) -> Option<Busy> {
        match &self.protocol {
            Protocol::Http1(_) => None,
            Protocol::Http2(uses) => Some(uses.begin()),
        }
    }

    /// Where interim answers can be left; HTTP/2 has no place for them here.
    pub fn interims(&self) -> Option<&Interims> {
        match &self.protocol {
            Protocol::Http1(interims) => Some(interims),
            Protocol::Http2(_) => None,
        }
    }
}

/// Serves a cleartext or decrypted connection until it ends, or is told to. `http2` where ALPN has said so; otherwise
/// the first bytes tell.
pub async fn serve<IO>(
    io: IO,
    peer: SocketAddr,
    scheme: &'static str,
    http2: bool,
    wire: Arc<Wire>,
    gateway: Arc<Gateway>,
    shutdown: Shutdown,
) where
    IO: Duplex + 'static,
{
    // Boxed, each by itself: a connection takes the room of the protocol that it speaks.
    if http2 {
        return Box::pin(serve_http2(io, Vec::new(), peer, scheme, &wire, gateway, shutdown)).await;
    }
    let mut io = io;
    match sniff(&mut io, &wire, &shutdown).await {
        Ok((true, read)) => Box::pin(serve_http2(io, read, peer, scheme, &wire, gateway, shutdown)).await,
        Ok((false, read)) => Box::pin(serve_http1(io, &read, peer, scheme, &wire, gateway, shutdown)).await,
        Err(_) => {}
    }
}

/// Reads as much as it takes to tell the protocols apart, and says whether it is HTTP/2. Waits for a first byte a moment
/// only once it is to stop: who has just connected is about to ask.
async fn sniff<IO: AsyncRead + Unpin>(io: &mut IO, wire: &Wire, shutdown: &Shutdown) -> io::Result<(bool, Vec<u8>)> {
    let mut read = Vec::with_capacity(PREFACE.len());
    let mut patience = wire.idle_timeout;
    let mut stop = pin!(async {
        shutdown.triggered_and_looked().await;
        // Boxed: it is seldom needed, and would take its room in every connection.
        Box::pin(sleep(wire.grace)).await;
    });
    loop {
        let begun = !read.is_empty();
        let mut room = (&mut *io).take((PREFACE.len() - read.len()) as u64);
        let more = timeout(patience, room.read_buf(&mut read));
        let n = tokio::select! {
            biased;
            n = more => n??,
            () = &mut stop, if !begun => return Err(io::ErrorKind::Interrupted.into()),
        };
        patience = wire.header_timeout;
        if n == 0 {
            return if read.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok((false, read)) };
        }
        if !PREFACE.starts_with(&read) {
            return Ok((false, read));
        }
        if read.len() == PREFACE.len() {
            return Ok((true, read));
        }
    }
}

async fn serve_http1<IO>(
    io: IO,
    read: &[u8],
    peer: SocketAddr,
    scheme: &'static str,
    wire: &Wire,
    gateway: Arc<Gateway>,
    shutdown: Shutdown,
) where
    IO: Duplex + 'static,
{
    let max_headers = wire.guard.limits.max_headers;
    let connection = Arc::new(Connection::new(peer, scheme, max_headers, Protocol::Http1(Interims::default())));
    let Protocol::Http1(interims) = &connection.protocol else { return };
    let service = |request| gateway.clone().serve(connection.clone(), request);
    let tunnel = http1::serve(Box::new(io), read, wire.guard.clone(), interims, &shutdown, service).await;
    if let Some((client, leg)) = tunnel {
        // It stays one of the connections that are counted and waited for.
        Box::pin(tunnel::join(std::future::ready(Ok(client)), leg)).await;
    }
}

async fn serve_http2<IO>(
    io: IO,
    read: Vec<u8>,
    peer: SocketAddr,
    scheme: &'static str,
    wire: &Wire,
    gateway: Arc<Gateway>,
    shutdown: Shutdown,
) where
    IO: Duplex + 'static,
{
    let guard = wire.guard.clone();
    let tell = move |flood: Flood| {
        if let Some(tell) = &guard.on_refusal {
            tell(&Refusal::bad("http2_flood", flood.to_string()));
        }
    };
    let io = FloodGuard::new(Prefixed::new(BytesMut::from(&read[..]), io), Meter::of_client(), tell);
    let (io, rest) = gathered(io);
    let uses = Arc::<Uses>::default();
    let protocol = Protocol::Http2(uses.clone());
    let max_headers = wire.guard.limits.max_headers;
    let connection = Arc::new(Connection::new(peer, scheme, max_headers, protocol));
    let counters = gateway.counters.clone();
    let begun = uses.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let busy = begun.begin();
        let reply = gateway.clone().serve(connection.clone(), ClientRequest::http2(request, busy.clone()));
        async move { Ok::<_, Infallible>(Response::from(reply.await).map(|body| BusyBody::new(body, busy))) }
    });
    let mut serving = pin!(wire.http2.serve_connection(TokioIo::new(io), service));
    let ended = tokio::select! {
        ended = poll_fn(|cx| rest.poll(serving.as_mut(), cx)) => Some(ended),
        () = uses.idle(&rest, wire.idle_timeout) => None,
        () = shutdown.triggered() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            serving.as_mut().graceful_shutdown();
            tokio::select! {
                ended = poll_fn(|cx| rest.poll(serving.as_mut(), cx)) => ended,
                // A peer that has nothing to wait for and does not even answer a GOAWAY is not waited for.
                () = uses.idle(&rest, wire.header_timeout) => Ok(()),
            }
        }
    };
    if let Err(e) = ended {
        if broke_http2(&e) {
            counters.refused("http2_protocol");
        }
        tracing::debug!(%peer, error = %e, "a client connection ended with an error");
    }
}

/// Whether the client broke the protocol, floods that the `h2` crate itself stops included.
fn broke_http2(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error);
    source.and_then(|e| e.downcast_ref::<h2::Error>()).is_some_and(h2::Error::is_library)
}

impl Wire {
    pub fn new(guard: GuardSettings, settings: &super::ListenSettings) -> Self {
        let mut http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .auto_date_header(false)
            .max_concurrent_streams(settings.max_streams)
            .max_header_list_size(u32::try_from(settings.max_header_bytes).unwrap_or(u32::MAX))
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20)
            .max_send_buf_size(256 * 1024)
            .keep_alive_interval(settings.idle_timeout)
            .keep_alive_timeout(settings.header_timeout);
        Self {
            guard: Arc::new(guard),
            http2,
            header_timeout: settings.header_timeout,
            idle_timeout: settings.idle_timeout,
            // Within the time for clients in flight, so that this alone never exceeds it.
            grace: MAX_GRACE.min(settings.drain_timeout / 2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ListenSettings;
    use super::super::guard::Limits;
    use super::*;
    use std::io::Write;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpStream;

    fn wire(drain_timeout: Duration) -> Wire {
        let long = Duration::from_secs(60);
        let guard = GuardSettings {
            limits: Limits { max_headers: 64, max_header_bytes: 16 * 1024 },
            header_timeout: long,
            body_timeout: long,
            idle_timeout: long,
            linger: Duration::ZERO,
            on_refusal: None,
        };
        let settings = ListenSettings {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            header_timeout: long,
            body_timeout: long,
            idle_timeout: long,
            drain_timeout,
            max_connections: 1,
            max_headers: 64,
            max_header_bytes: 16 * 1024,
            max_streams: 1,
        };
        Wire::new(guard, &settings)
    }

    #[tokio::test]
    async fn a_first_request_that_is_there_is_served_though_it_is_time_to_stop() {
        let shutdown = Shutdown::new();
        shutdown.trigger();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        for sent in [&b"GET / HTTP/1.1\r\n"[..], b""] {
            let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            client.write_all(sent).unwrap();
            let (accepted, _) = listener.accept().unwrap();
            accepted.set_nonblocking(true).unwrap();
            let mut io = TcpStream::from_std(accepted).unwrap();
            let sniffed = sniff(&mut io, &wire(Duration::ZERO), &shutdown).await;
            assert_eq!(sniffed.ok(), (!sent.is_empty()).then(|| (false, sent.to_vec())));
        }
        // One that has begun to come, too.
        let (mut client, mut io) = tokio::io::duplex(100);
        client.write_all(b"P").await.unwrap();
        let wire = wire(Duration::ZERO);
        let rest = async {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            client.write_all(b"OST / HTTP/1.1\r\n").await.unwrap();
        };
        let (sniffed, ()) = tokio::join!(sniff(&mut io, &wire, &shutdown), rest);
        assert_eq!(sniffed.unwrap(), (false, b"POST / HTTP/1.1\r\n".to_vec()));
    }

    #[tokio::test]
    async fn who_has_just_connected_gets_a_moment_for_the_first_request() {
        let shutdown = Shutdown::new();
        shutdown.trigger();
        let second = Duration::from_secs(1);
        assert_eq!([60, 1, 0].map(|drain| wire(drain * second).grace), [second, second / 2, Duration::ZERO]);
        let (mut client, mut io) = tokio::io::duplex(100);
        let wire = wire(2 * second);
        let asks = async {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        };
        let (sniffed, ()) = tokio::join!(sniff(&mut io, &wire, &shutdown), asks);
        assert_eq!(sniffed.unwrap(), (false, b"GET / HTTP/1.1\r\n".to_vec()));
        let wire = Wire { grace: Duration::from_millis(20), ..wire };
        let start = std::time::Instant::now();
        assert!(sniff(&mut io, &wire, &shutdown).await.is_err());
        assert!(start.elapsed() >= wire.grace);
    }
}
