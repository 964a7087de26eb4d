//! Every protocol on either side: HTTP/1.0, HTTP/1.1, HTTP/2, TLS, gRPC, WebSocket, CONNECT, and bodies that break off.

use crate::harness::*;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Frame;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_tungstenite::tungstenite::{self, Message};

const POSTS: &str = "[mirror]\nmethods = [\"GET\", \"POST\"]\n";

pub(crate) type Body = BoxBody<Bytes, Infallible>;

/// A message with everything of it there.
#[derive(Debug, Clone)]
pub(crate) struct Whole {
    pub(crate) version: Version,
    /// Of a request: method, host, path.
    pub(crate) target: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
}

pub(crate) fn fields(list: &[(&'static str, &str)]) -> HeaderMap {
    let value = |v: &str| HeaderValue::from_str(v).unwrap();
    list.iter().map(|(n, v)| (HeaderName::from_static(n), value(v))).collect()
}

/// Frames one after the other: a body without a declared length.
pub(crate) struct Frames(std::collections::VecDeque<Frame<Bytes>>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(self.0.pop_front().map(Ok))
    }
}

pub(crate) fn streamed(chunks: &[&'static [u8]], trailers: &[(&'static str, &str)]) -> Body {
    let chunks = chunks.iter().map(|c| Frame::data(Bytes::from_static(c)));
    let trailers = (!trailers.is_empty()).then(|| Frame::trailers(fields(trailers)));
    BoxBody::new(Frames(chunks.chain(trailers).collect()))
}

fn full(body: impl Into<Bytes>) -> Body {
    BoxBody::new(Full::new(body.into()))
}

// === Certificates ===

pub(crate) struct Certificate {
    dir: tempfile::TempDir,
}

impl Certificate {
    /// For `localhost`, signed by itself.
    pub(crate) fn new() -> Self {
        Self::made(rcgen::IsCa::NoCa, 4096)
    }

    /// The same, and an authority by its own words, as `openssl req -x509` makes them.
    fn by_hand(last_year: i32) -> Self {
        Self::made(rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained), last_year)
    }

    fn made(is_ca: rcgen::IsCa, last_year: i32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.is_ca, params.not_after) = (is_ca, rcgen::date_time_ymd(last_year, 1, 1));
        std::fs::write(dir.path().join("cert.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(dir.path().join("key.pem"), key.serialize_pem()).unwrap();
        Self { dir }
    }

    pub(crate) fn cert(&self) -> PathBuf {
        self.dir.path().join("cert.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.dir.path().join("key.pem")
    }

    /// `[listen]` with this certificate.
    fn listen(&self) -> String {
        format!("[listen]\ntls.certificate = {:?}\ntls.key = {:?}\n", self.cert(), self.key())
    }

    fn acceptor(&self, alpn: &[&str]) -> TlsAcceptor {
        let chain = vec![CertificateDer::from_pem_file(self.cert()).unwrap()];
        let key = PrivateKeyDer::from_pem_file(self.key()).unwrap();
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|a| a.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    pub(crate) fn connector(&self, alpn: &str) -> TlsConnector {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.cert()).unwrap()).unwrap();
        let mut config = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        TlsConnector::from(Arc::new(config))
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

// === Upstreams ===

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Speaks {
    Http1,
    H2c,
    TlsHttp1,
    TlsHttp2,
}

/// A well-behaved server of any protocol.
pub(crate) struct Server {
    address: SocketAddr,
    speaks: Speaks,
    seen: Arc<Mutex<Vec<Whole>>>,
}

impl Server {
    pub(crate) async fn start(
        speaks: Speaks,
        certificate: &Certificate,
        answer: impl Fn(&Whole) -> Response<Body> + Send + Sync + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = match speaks {
            Speaks::TlsHttp1 => Some(certificate.acceptor(&["http/1.1"])),
            Speaks::TlsHttp2 => Some(certificate.acceptor(&["h2"])),
            _ => None,
        };
        let seen = Arc::<Mutex<Vec<Whole>>>::default();
        let (log, answer) = (seen.clone(), Arc::new(answer));
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let (acceptor, log, answer) = (acceptor.clone(), log.clone(), answer.clone());
                tokio::spawn(async move {
                    let http2 = matches!(speaks, Speaks::H2c | Speaks::TlsHttp2);
                    match acceptor {
                        None => serve(tcp, http2, log, answer).await,
                        Some(acceptor) => {
                            if let Ok(tls) = acceptor.accept(tcp).await {
                                serve(tls, http2, log, answer).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, speaks, seen }
    }

    pub(crate) fn url(&self) -> String {
        let port = self.address.port();
        match self.speaks {
            Speaks::Http1 => format!("http://127.0.0.1:{port}"),
            Speaks::H2c => format!("h2c://127.0.0.1:{port}"),
            Speaks::TlsHttp1 | Speaks::TlsHttp2 => format!("https://localhost:{port}"),
        }
    }

    fn seen(&self) -> Vec<Whole> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve<IO>(
    io: IO,
    http2: bool,
    log: Arc<Mutex<Vec<Whole>>>,
    answer: Arc<impl Fn(&Whole) -> Response<Body> + Send + Sync + 'static>,
) where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (log, answer) = (log.clone(), answer.clone());
        async move {
            let (parts, body) = request.into_parts();
            let host = match parts.uri.authority() {
                Some(authority) => authority.to_string(),
                None => parts.headers.get("host").map(|h| h.to_str().unwrap().to_owned()).unwrap_or_default(),
            };
            let target = format!("{} {host} {}", parts.method, parts.uri.path_and_query().unwrap());
            let body = body.collect().await?;
            let seen = Whole {
                version: parts.version,
                target,
                status: 0,
                headers: parts.headers,
                trailers: body.trailers().cloned().unwrap_or_default(),
                body: body.to_bytes(),
            };
            log.lock().unwrap().push(seen.clone());
            Ok::<_, hyper::Error>(answer(&seen))
        }
    });
    let io = TokioIo::new(io);
    // A connection that the proxy breaks off ends with an error, which is nothing to us.
    let _ = match http2 {
        true => hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await,
        false => hyper::server::conn::http1::Builder::new().serve_connection(io, service).await,
    };
}

// === Clients ===

pub(crate) enum Sender {
    Http1(hyper::client::conn::http1::SendRequest<Body>),
    Http2(hyper::client::conn::http2::SendRequest<Body>),
}

impl Sender {
    pub(crate) async fn connect(proxy: SocketAddr, tls: Option<&Certificate>, http2: bool) -> Self {
        let tcp = tokio::net::TcpStream::connect(proxy).await.unwrap();
        match tls {
            None => Self::over(tcp, http2).await,
            Some(certificate) => {
                let alpn = if http2 { "h2" } else { "http/1.1" };
                let name = ServerName::try_from("localhost").unwrap();
                let stream = certificate.connector(alpn).connect(name, tcp).await.unwrap();
                assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn.as_bytes()));
                Self::over(stream, http2).await
            }
        }
    }

    async fn over(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, http2: bool) -> Self {
        let io = TokioIo::new(io);
        if http2 {
            let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            Self::Http2(sender)
        } else {
            let (sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            tokio::spawn(connection.with_upgrades());
            Self::Http1(sender)
        }
    }

    pub(crate) async fn send(&mut self, method: Method, path: &str, headers: HeaderMap, body: Body) -> Whole {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.headers_mut() = headers;
        let response = match self {
            Self::Http1(sender) => {
                *request.uri_mut() = path.parse().unwrap();
                request.headers_mut().insert("host", HeaderValue::from_static("shop.example"));
                sender.ready().await.unwrap();
                sender.send_request(request).await.unwrap()
            }
            Self::Http2(sender) => {
                *request.uri_mut() = format!("http://shop.example{path}").parse().unwrap();
                sender.send_request(request).await.unwrap()
            }
        };
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap();
        Whole {
            version: parts.version,
            target: String::new(),
            status: parts.status.as_u16(),
            headers: parts.headers,
            trailers: body.trailers().cloned().unwrap_or_default(),
            body: body.to_bytes(),
        }
    }
}

fn text_of(whole: &Whole) -> String {
    text(&whole.body)
}

// === Tests ===

#[tokio::test(flavor = "multi_thread")]
async fn every_pair_of_protocols_carries_bodies_and_trailers_both_ways() {
    let certificate = Certificate::new();
    for speaks in [Speaks::Http1, Speaks::H2c, Speaks::TlsHttp1, Speaks::TlsHttp2] {
        let echo = |seen: &Whole| {
            let trailers = [("x-sum", "7"), ("x-more", "y")];
            let mut response = Response::new(streamed(&[b"you ", b"said: "], &[]));
            if seen.target.starts_with("POST") {
                let mut frames: std::collections::VecDeque<_> =
                    [Frame::data(Bytes::from_static(b"you said: ")), Frame::data(seen.body.clone())].into();
                frames.push_back(Frame::trailers(fields(&trailers)));
                response = Response::new(BoxBody::new(Frames(frames)));
            }
            *response.status_mut() = StatusCode::CREATED;
            response.headers_mut().extend(fields(&[("trailer", "x-sum, x-more"), ("content-type", "text/plain")]));
            response
        };
        let primary = Server::start(speaks, &certificate, echo).await;
        let candidate = Server::start(speaks, &certificate, echo).await;
        for listen_tls in [false, true] {
            let ca = format!("tls.ca = {:?}\n", certificate.cert());
            let mut config = format!("[primary]\n{ca}[candidate]\n{ca}{POSTS}");
            if listen_tls {
                config.push_str(&certificate.listen());
            }
            let proxy = Proxy::between(&primary.url(), &candidate.url()).config(&config).start();
            for http2 in [false, true] {
                let what = format!("{speaks:?}, listener TLS {listen_tls}, client HTTP/2 {http2}");
                let mut client = Sender::connect(proxy.listen, listen_tls.then_some(&certificate), http2).await;
                let headers = fields(&[("te", "trailers"), ("trailer", "x-check"), ("x-kept", "1")]);
                let body = streamed(&[b"hel", b"lo"], &[("x-check", "c")]);
                let reply = client.send(Method::POST, "/things/7?a=b", headers, body).await;
                assert_eq!((reply.status, text_of(&reply).as_str()), (201, "you said: hello"), "{what}");
                assert_eq!(reply.version, if http2 { Version::HTTP_2 } else { Version::HTTP_11 });
                assert_eq!(reply.trailers, fields(&[("x-sum", "7"), ("x-more", "y")]), "{what}");
                let plain = client.send(Method::GET, "/things/8", HeaderMap::new(), full("")).await;
                assert_eq!((plain.status, text_of(&plain).as_str()), (201, "you said: "), "{what}");
            }
            let totals = &proxy.settled(4)["totals"];
            assert_eq!(totals["matched"], 4, "{speaks:?}: {totals:#}");
        }
        for leg in [&primary, &candidate] {
            let seen = leg.seen();
            assert_eq!(seen.len(), 8, "{speaks:?}");
            let version = match speaks {
                Speaks::H2c | Speaks::TlsHttp2 => Version::HTTP_2,
                _ => Version::HTTP_11,
            };
            assert!(seen.iter().all(|s| s.version == version));
            for post in seen.iter().filter(|s| s.target == "POST shop.example /things/7?a=b") {
                assert_eq!(text_of(post), "hello", "{speaks:?}");
                assert_eq!(post.trailers, fields(&[("x-check", "c")]), "{speaks:?}: {post:?}");
                assert_eq!(post.headers["x-kept"], "1");
            }
            assert_eq!(seen.iter().filter(|s| s.target.starts_with("POST shop.example")).count(), 4);
            assert_eq!(seen.iter().filter(|s| s.target == "GET shop.example /things/8").count(), 4);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_passes_and_its_status_is_compared() {
    let certificate = Certificate::new();
    let grpc = |status: &'static str| {
        move |seen: &Whole| {
            let mut response = match seen.target.ends_with("/TrailersOnly") {
                true => {
                    let mut response = Response::new(streamed(&[], &[]));
                    response.headers_mut().extend(fields(&[("grpc-status", status)]));
                    response
                }
                false => Response::new(streamed(
                    &[b"\0\0\0\0\x03abc", b"\0\0\0\0\x02de"],
                    &[("grpc-status", status), ("grpc-message", "")],
                )),
            };
            response.headers_mut().extend(fields(&[("content-type", "application/grpc")]));
            response
        }
    };
    let primary = Server::start(Speaks::H2c, &certificate, grpc("0")).await;
    for (status, matched) in [("0", 2), ("5", 0)] {
        let candidate = Server::start(Speaks::H2c, &certificate, grpc(status)).await;
        let proxy = Proxy::between(&primary.url(), &candidate.url()).config(POSTS).start();
        let mut client = Sender::connect(proxy.listen, None, true).await;
        for method in ["Get", "TrailersOnly"] {
            let headers = fields(&[("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "5S")]);
            let body = streamed(&[b"\0\0\0\0\x05hello"], &[]);
            let reply = client.send(Method::POST, &format!("/shop.Things/{method}"), headers, body).await;
            assert_eq!(reply.headers["content-type"], "application/grpc");
            if method == "Get" {
                assert_eq!(&reply.body[..], b"\0\0\0\0\x03abc\0\0\0\0\x02de");
                assert_eq!(reply.trailers["grpc-status"], "0");
            } else {
                assert_eq!((reply.body.len(), &reply.headers["grpc-status"]), (0, &HeaderValue::from_static("0")));
            }
        }
        let report = proxy.settled(2);
        assert_eq!(report["totals"]["matched"], matched, "{report:#}");
        assert_eq!(report["totals"]["divergent"], 2 - matched);
        let kinds: Vec<_> = report["divergences"].as_array().unwrap().iter().map(|d| d["kind"].clone()).collect();
        assert!(kinds.iter().all(|k| k == "grpc.status"), "{kinds:?}");
        let seen = &candidate.seen()[0];
        assert_eq!(&seen.body[..], b"\0\0\0\0\x05hello");
        assert_eq!(
            (&seen.headers["te"], &seen.headers["grpc-timeout"]),
            (&"trailers".parse().unwrap(), &"5S".parse().unwrap())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_does_not_fit_is_named() {
    let (certificate, other) = (Certificate::new(), Certificate::new());
    let answer = |_: &Whole| Response::new(full("{}"));
    let primary = Server::start(Speaks::TlsHttp2, &certificate, answer).await;
    let (plain, not_tls) = (Upstream::json("{}"), Upstream::json("{}"));
    let (by_hand, expired) = (Certificate::by_hand(4096), Certificate::by_hand(2020));
    let own = Server::start(Speaks::TlsHttp1, &by_hand, answer).await;
    let old = Server::start(Speaks::TlsHttp1, &expired, answer).await;
    let by_address = format!("https://127.0.0.1:{}", primary.address.port());
    let ca = |c: &Certificate| format!("tls.ca = {:?}\n", c.cert());
    for (url, tls, good) in [
        (primary.url(), ca(&certificate), true),
        (by_address.clone(), ca(&certificate), false),
        (by_address.clone(), format!("{}tls.server_name = \"localhost\"\n", ca(&certificate)), true),
        (primary.url(), format!("{}tls.server_name = \"elsewhere.example\"\n", ca(&certificate)), false),
        (primary.url(), ca(&other), false),
        (own.url(), ca(&by_hand), true),
        (own.url(), format!("{}tls.server_name = \"elsewhere.example\"\n", ca(&by_hand)), false),
        (own.url(), ca(&other), false),
        (old.url(), ca(&expired), false),
        (by_address, "tls.insecure = true\n".to_owned(), true),
        (not_tls.url().replace("http:", "https:"), "tls.insecure = true\n".to_owned(), false),
    ] {
        let what = format!("{url} {tls}");
        let proxy = Proxy::between(&url, &plain.url()).config(&format!("[primary]\n{tls}")).start();
        let reply = proxy.get("/x");
        if good {
            assert_eq!((reply.status, reply.text().as_str()), (200, "{}"), "{what}");
            continue;
        }
        assert_eq!(reply.status, 502, "{what}: {}", reply.text());
        let why = reply.text().to_lowercase();
        assert!(why.contains("primary") && why.contains("tls"), "{what}: {why}");
        assert_eq!(proxy.settled(1)["totals"]["incomparable_reasons"]["primary_failed"], 1, "{what}");
        // Why is told to who runs the proxy, and what to do about it.
        let told = || proxy.log().contains("`tls.ca` names whom to trust");
        until(told, || proxy.log());
        // The same leg as a candidate harms nobody and diverges.
        let proxy = Proxy::between(&plain.url(), &url).config(&format!("[candidate]\n{tls}")).start();
        assert_eq!(proxy.get("/x").status, 200);
        assert_eq!(proxy.settled(1)["divergences"][0]["kind"], "transport.tls", "{what}");
    }
}

#[test]
fn websockets_reach_the_primary_alone_and_close_properly() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let primary = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        // The proxy knocks when it starts, and says nothing then.
        let mut socket = loop {
            if let Ok(socket) = tungstenite::accept(listener.accept().unwrap().0) {
                break socket;
            }
        };
        let mut messages = 0;
        loop {
            match socket.read() {
                Ok(Message::Close(frame)) => assert_eq!(frame.unwrap().reason.as_str(), "done"),
                Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                    messages += 1;
                    socket.send(message).unwrap();
                }
                Ok(_) => {}
                Err(tungstenite::Error::ConnectionClosed) => return messages,
                Err(e) => panic!("{e}"),
            }
        }
    });
    let candidate = Upstream::json("{}");
    let proxy = Proxy::between(&primary, &candidate.url()).start();
    let stream = std::net::TcpStream::connect(proxy.listen).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut socket, response) = tungstenite::client("ws://shop.example/chat", stream).unwrap();
    assert_eq!(response.status(), 101);
    for n in 0..20 {
        let message = if n % 2 == 0 { Message::text(format!("message {n}")) } else { Message::binary(vec![n; 70_000]) };
        socket.send(message.clone()).unwrap();
        assert_eq!(socket.read().unwrap(), message);
    }
    let frame = tungstenite::protocol::CloseFrame {
        code: tungstenite::protocol::frame::coding::CloseCode::Normal,
        reason: "done".into(),
    };
    socket.close(Some(frame)).unwrap();
    assert!(matches!(socket.read(), Ok(Message::Close(_))));
    assert!(matches!(socket.read(), Err(tungstenite::Error::ConnectionClosed)));
    assert_eq!(server.join().unwrap(), 20);
    let report = proxy.settled(1);
    assert_eq!(report["totals"]["not_mirrored"]["upgrade"], 1);
    assert!(candidate.seen().is_empty());
}

/// A primary that grants CONNECT and sends back what it gets in capitals.
pub fn shouting() -> Upstream {
    Upstream::raw(|seen, stream| {
        if seen.method() != "CONNECT" {
            return stream.write_all(&json(403, "{}")).is_ok();
        }
        stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
        let mut buffer = [0; 100];
        while let Ok(n) = stream.read(&mut buffer)
            && n > 0
        {
            stream.write_all(&buffer[..n].to_ascii_uppercase()).unwrap();
        }
        false
    })
}

/// A client with an open tunnel to [`shouting`], and the head that it got.
pub fn tunnel(proxy: &Proxy) -> (Client, Vec<u8>) {
    let mut client = proxy.connect();
    client.write(b"CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n\r\n");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(text(&head).starts_with("HTTP/1.1 200 "), "{}", text(&head));
    (client, head)
}

#[test]
fn connect_is_tunnelled() {
    let (primary, candidate) = (shouting(), Upstream::json("{}"));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let (mut client, head) = tunnel(&proxy);
    assert!(!text(&head).to_lowercase().contains("transfer-encoding"), "{}", text(&head));
    for said in ["not http\n\n\0", "GET / HTTP/1.1\r\n\r\n"] {
        client.write(said.as_bytes());
        let mut heard = vec![0; said.len()];
        client.stream.read_exact(&mut heard).unwrap();
        assert_eq!(text(&heard), said.to_uppercase());
    }
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(client.at_end());
    assert_eq!(primary.seen()[0].line, "CONNECT db.example:5432 HTTP/1.1");
    assert_eq!(proxy.settled(1)["totals"]["not_mirrored"]["upgrade"], 1);
    assert!(candidate.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_over_http2_is_tunnelled() {
    let (primary, candidate) = (shouting(), Upstream::json("{}"));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let Sender::Http2(mut sender) = Sender::connect(proxy.listen, None, true).await else { unreachable!() };
    let request = Request::builder().method("CONNECT").uri("db.example:5432").body(full("")).unwrap();
    let mut response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut tunnel = TokioIo::new(hyper::upgrade::on(&mut response).await.unwrap());
    tunnel.write_all(b"hello").await.unwrap();
    let mut heard = [0; 5];
    tunnel.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"HELLO");
    drop(tunnel);
    assert_eq!(proxy.settled(1)["totals"]["not_mirrored"]["upgrade"], 1);
    assert!(candidate.seen().is_empty());
}

#[test]
fn an_upgrade_that_is_refused_is_an_ordinary_answer() {
    let (primary, candidate) = (Upstream::json("{\"no\":1}"), Upstream::json("{\"no\":1}"));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let mut client = proxy.connect();
    for _ in 0..2 {
        client.write(b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        assert_eq!(client.read_reply().text(), "{\"no\":1}");
    }
    client.write(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.read_reply().status, 200, "the connection goes on");
    let totals = &proxy.settled(3)["totals"];
    assert_eq!((&totals["not_mirrored"]["upgrade"], &totals["matched"]), (&2.into(), &1.into()));
}

#[test]
fn http_1_0_clients_are_served() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let primary = Upstream::answering(|_| chunked.to_vec());
    let candidate = Upstream::answering(|_| chunked.to_vec());
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    for request in [
        "GET /old HTTP/1.0\r\n\r\n",
        "GET /old HTTP/1.0\r\nHost: shop.example\r\n\r\n",
        "GET /old HTTP/1.0\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let mut client = proxy.connect();
        client.write(request.as_bytes());
        let mut reply = Vec::new();
        client.stream.read_to_end(&mut reply).unwrap();
        let reply = text(&reply);
        assert!(reply.starts_with("HTTP/1.0 200 "), "{reply}");
        assert!(reply.ends_with("\r\n\r\nabcde"), "the end of the connection is the end of the body: {reply}");
        assert!(!reply.to_lowercase().contains("chunked"), "{reply}");
    }
    assert_eq!(proxy.settled(3)["totals"]["matched"], 3);
    let hosts: Vec<_> = primary.seen().iter().map(|s| s.header("host").unwrap().to_owned()).collect();
    assert_eq!(hosts[1..], ["shop.example", "shop.example"]);
    assert_eq!(hosts[0], primary.address.to_string());
}

#[test]
fn early_hints_come_before_the_answer() {
    let (release, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let primary = Upstream::raw(move |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n");
        let _ = wait.lock().unwrap().recv_timeout(PATIENCE);
        stream.write_all(&json(200, "{}")).is_ok()
    });
    let candidate = Upstream::json("{}");
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let mut client = proxy.connect();
    for _ in 0..20 {
        client.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let hints = client.read_reply();
        assert_eq!((hints.status, hints.header("link")), (103, Some("</a.css>; rel=preload")));
        release.send(()).unwrap();
        assert_eq!(client.read_reply().text(), "{}");
    }
    // A client of HTTP/1.0 would not understand them.
    release.send(()).unwrap();
    client = proxy.connect();
    client.write(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    let mut reply = String::new();
    client.stream.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.0 200"), "{reply}");
    assert_eq!(proxy.settled(21)["totals"]["matched"], 21);
}

#[test]
fn a_large_upload_does_not_wait_for_a_stalled_candidate() {
    let primary = Upstream::answering(|seen| json(200, &format!("{{\"got\":{}}}", seen.body.len())));
    // Reads nothing at all, so that its socket fills up.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = format!("{POSTS}timeout = \"3s\"\nmax_body = \"64MiB\"\n");
    let proxy =
        Proxy::between(&primary.url(), &format!("http://{}", deaf.local_addr().unwrap())).config(&config).start();
    let start = Instant::now();
    let mut client = proxy.connect();
    let length = 24 << 20;
    client.write(format!("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n").as_bytes());
    client.stream.write_all(&vec![b'x'; length]).unwrap();
    assert_eq!(client.read_reply().text(), format!("{{\"got\":{length}}}"));
    assert!(start.elapsed() < Duration::from_millis(2900), "{:?}", start.elapsed());
    let report = proxy.settled(1);
    assert_eq!(report["divergences"][0]["kind"], "transport.timeout", "{report:#}");
    drop(deaf);
}

#[test]
fn an_upload_past_what_is_kept_is_served_and_not_held_against_the_candidate() {
    let primary = Upstream::answering(|seen| json(200, &format!("{{\"got\":{}}}", seen.body.len())));
    let candidate = Upstream::answering(|seen| json(200, &format!("{{\"got\":{}}}", seen.body.len())));
    let config = format!("{POSTS}max_body = \"64KiB\"\n");
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(&config).start();
    let length = 1 << 20;
    let body = "x".repeat(length);
    let reply = proxy.send(format!("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"));
    assert_eq!(reply.text(), format!("{{\"got\":{length}}}"));
    assert_eq!(proxy.settled(1)["totals"]["incomparable_reasons"]["capture_lost"], 1);
}

#[test]
fn a_client_that_breaks_off_its_upload_is_nobodys_fault() {
    let (primary, candidate) = (Upstream::json("{}"), Upstream::json("{}"));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(POSTS).start();
    for framing in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let mut client = proxy.connect();
        client.write(format!("POST /up HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n5\r\nhello\r\n").as_bytes());
        // Both legs have begun to read before the client goes.
        let begun = || [&primary, &candidate].iter().all(|u| text(&u.wire()).ends_with("5\r\nhello\r\n"));
        until(begun, || text(&candidate.wire()));
        drop(client);
    }
    let report = proxy.settled(2);
    assert_eq!(report["totals"]["incomparable_reasons"]["client_aborted"], 2, "{report:#}");
    assert!(primary.seen().is_empty() && candidate.seen().is_empty(), "nothing was whole");
    assert_eq!(proxy.get("/after").status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_resets_its_http2_upload_is_nobodys_fault() {
    let (primary, candidate) = (Upstream::json("{}"), Upstream::json("{}"));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(POSTS).start();
    let tcp = tokio::net::TcpStream::connect(proxy.listen).await.unwrap();
    let (sender, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    let mut sender = sender.ready().await.unwrap();
    let request = Request::builder().method("POST").uri("http://shop.example/up").body(()).unwrap();
    let (_response, mut upload) = sender.send_request(request, false).unwrap();
    upload.send_data(Bytes::from_static(b"hello"), false).unwrap();
    until(|| [&primary, &candidate].iter().all(|u| text(&u.wire()).contains("hello")), || proxy.log());
    upload.send_reset(h2::Reason::CANCEL);
    let report = proxy.settled(1);
    assert_eq!(report["totals"]["incomparable_reasons"]["client_aborted"], 1, "{report:#}");
    assert!(primary.seen().is_empty() && candidate.seen().is_empty());
    assert_eq!(proxy.get("/after").status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http2_upload_is_whole_by_its_length_before_its_last_frame() {
    let (primary, candidate) = (Upstream::json("{}"), Upstream::json("{}"));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(POSTS).start();
    let tcp = tokio::net::TcpStream::connect(proxy.listen).await.unwrap();
    let (sender, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    let mut sender = sender.ready().await.unwrap();
    let request = Request::post("http://shop.example/up").header("content-length", "5").body(()).unwrap();
    let (response, mut upload) = sender.send_request(request, false).unwrap();
    upload.send_data(Bytes::from_static(b"hello"), false).unwrap();
    assert_eq!(response.await.unwrap().status(), 200);
    let report = proxy.settled(1);
    assert_eq!(report["totals"]["matched"], 1, "{report:#}");
    // The end that nobody waited for; the connection is none the worse for it.
    let _ = upload.send_data(Bytes::new(), true);
    assert_eq!(proxy.get("/after").status, 200);
}
