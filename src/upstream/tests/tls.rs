//! Legs behind TLS: what is trusted, and what is spoken.

use super::*;
use crate::tls::{self, TlsServerSettings};
use http_body_util::Full;
use hyper_util::rt::TokioExecutor;
use std::path::PathBuf;
use tokio_rustls::TlsAcceptor;

/// A server for `localhost` with a certificate of its own; the file is the certificate to trust.
struct Server {
    address: SocketAddr,
    ca: PathBuf,
    _dir: tempfile::TempDir,
}

/// Serves what ALPN agrees on; without `h2` only HTTP/1.1 is offered.
async fn serve(h2: bool) -> Server {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (ca, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&ca, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut acceptor = tls::acceptor(&TlsServerSettings { certificate: ca.clone(), key }).unwrap();
    if !h2 {
        let mut config = (**acceptor.config()).clone();
        config.alpn_protocols = vec![tls::ALPN_HTTP1.to_vec()];
        acceptor = TlsAcceptor::from(Arc::new(config));
    }
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        loop {
            let tcp = listener.accept().await.unwrap().0;
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(tcp).await else { return };
                let h2 = stream.get_ref().1.alpn_protocol() == Some(tls::ALPN_H2);
                let service = hyper::service::service_fn(|_: Request<Incoming>| async {
                    Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
                });
                let io = TokioIo::new(stream);
                if h2 {
                    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(io, service)
                        .await;
                } else {
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
                }
            });
        }
    });
    Server { address, ca, _dir: dir }
}

impl Server {
    fn upstream(&self, tls: TlsClientSettings) -> Arc<Upstream> {
        let settings = LegSettings { tls, ..settings(Scheme::Https, self.address) };
        Upstream::new(Leg::Candidate, settings, UpstreamOptions::default()).unwrap()
    }

    fn trusting(&self, name: &str) -> TlsClientSettings {
        TlsClientSettings { ca: Some(self.ca.clone()), server_name: Some(name.to_owned()), insecure: false }
    }
}

#[tokio::test]
async fn alpn_decides_and_upgrades_stay_with_http1() {
    let server = serve(true).await;
    let up = server.upstream(server.trusting("localhost"));
    for reused in [false, true] {
        let sent = send(&up, get("/"), GET).await.unwrap();
        assert_eq!((sent.answer.version, sent.reused), (http::Version::HTTP_2, reused));
        assert_eq!(text(sent).await, "hello");
    }
    let sent = send(&up, get("/"), SendOptions { upgrade: true, ..SendOptions::default() }).await.unwrap();
    assert_eq!((sent.answer.version, sent.reused), (http::Version::HTTP_11, false));
    assert_eq!(text(sent).await, "hello");
    assert_eq!(up.connections(), Connections { open: 2, idle: 1 });
}

#[tokio::test]
async fn a_leg_without_http2_is_pooled_as_http1() {
    let server = serve(false).await;
    let up = server.upstream(server.trusting("localhost"));
    for reused in [false, true, true] {
        let sent = send(&up, get("/"), GET).await.unwrap();
        assert_eq!((sent.answer.version, sent.reused), (http::Version::HTTP_11, reused));
        assert_eq!(text(sent).await, "hello");
    }
    let both = [spawn_send(&up, get("/"), GET), spawn_send(&up, get("/"), GET)];
    for sending in both {
        assert_eq!(text(sending.await.unwrap().unwrap()).await, "hello");
    }
}

#[tokio::test]
async fn trust_is_checked_unless_told_not_to() {
    let server = serve(true).await;
    let wrong = send(&server.upstream(server.trusting("other.test")), get("/"), GET).await.unwrap_err();
    assert_eq!(wrong.failure.kind, FailureKind::Tls);
    assert!(wrong.failure.detail.starts_with("TLS handshake failed: invalid peer certificate"), "{wrong}");

    let stranger = serve(true).await;
    let untrusted = send(&server.upstream(stranger.trusting("localhost")), get("/"), GET).await.unwrap_err();
    assert_eq!(untrusted.failure.kind, FailureKind::Tls, "{untrusted}");

    let insecure = TlsClientSettings { insecure: true, ..TlsClientSettings::default() };
    assert_eq!(text(send(&server.upstream(insecure), get("/"), GET).await.unwrap()).await, "hello");
}

#[tokio::test]
async fn a_leg_without_tls_fails_the_handshake() {
    let (listener, address) = listen().await;
    let tls = TlsClientSettings { insecure: true, ..TlsClientSettings::default() };
    let settings = LegSettings { tls, ..settings(Scheme::Https, address) };
    let up = Upstream::new(Leg::Primary, settings, UpstreamOptions::default()).unwrap();
    let sending = spawn_send(&up, get("/"), GET);
    let mut peer = Peer::accept(&listener).await;
    peer.say("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let error = sending.await.unwrap().unwrap_err();
    assert_eq!(error.failure.kind, FailureKind::Tls, "{error}");

    let sending = spawn_send(&up, get("/"), GET);
    drop(Peer::accept(&listener).await);
    let error = sending.await.unwrap().unwrap_err();
    assert_eq!(error.failure.kind, FailureKind::Tls, "{error}");
}
