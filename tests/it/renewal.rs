//! Certificates renewed under the same names: taken over with the next reload, or refused together with all else.

use crate::harness::*;
use crate::protocols::{Certificate, Sender, Server, Speaks, streamed};
use http::{HeaderMap, Method, Response};
use rustls::pki_types::ServerName;
use std::path::Path;

/// What a connection of its own gets at `/`.
async fn status(proxy: &Proxy, listener: &Certificate) -> u16 {
    let mut sender = Sender::connect(proxy.listen, Some(listener), false).await;
    sender.send(Method::GET, "/", HeaderMap::new(), streamed(&[], &[])).await.status
}

/// Whether who trusts this certificate alone can connect.
async fn is_trusted(proxy: &Proxy, listener: &Certificate) -> bool {
    let tcp = tokio::net::TcpStream::connect(proxy.listen).await.unwrap();
    listener.connector("http/1.1").connect(ServerName::try_from("localhost").unwrap(), tcp).await.is_ok()
}

fn reload(proxy: &Proxy, word: &str) {
    proxy.signal("-HUP");
    until(|| proxy.log().contains(word), || proxy.log());
}

fn capture_limit(proxy: &Proxy) -> String {
    let mut client = Client::connect(proxy.admin);
    client.write(format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", proxy.admin).as_bytes());
    let page = client.read_reply().text();
    page.lines().find(|line| line.starts_with("parallax_capture_limit_bytes")).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn renewed_files_are_taken_over_and_broken_ones_change_nothing() {
    let [old, new, leg] = [(); 3].map(|()| Certificate::new());
    let primary = Server::start(Speaks::TlsHttp1, &leg, |_| Response::new(streamed(&[b"hello"], &[]))).await;
    let candidate = Upstream::json("{}");
    let folder = tempfile::tempdir().unwrap();
    let [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"].map(|name| folder.path().join(name));
    let put = |from: &Path, to: &Path| assert!(std::fs::copy(from, to).unwrap() > 0);
    // Nobody trusts the primary yet.
    put(&old.cert(), &ca);
    put(&old.cert(), &cert);
    put(&old.key(), &key);
    let config = format!("[listen]\ntls.certificate = {cert:?}\ntls.key = {key:?}\n[primary]\ntls.ca = {ca:?}\n");
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(&config).start();
    assert_eq!(status(&proxy, &old).await, 502);

    put(&leg.cert(), &ca);
    put(&new.cert(), &cert);
    put(&new.key(), &key);
    reload(&proxy, "the configuration was reloaded");
    assert_eq!(status(&proxy, &new).await, 200);
    assert!(!is_trusted(&proxy, &old).await);

    let limit = capture_limit(&proxy);
    let file = proxy.folder.join("parallax.toml");
    let other = format!("{config}[mirror]\nmemory_budget = \"2MiB\"\n");
    std::fs::write(&ca, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    put(&old.cert(), &cert);
    put(&old.key(), &key);
    std::fs::write(&file, &other).unwrap();
    reload(&proxy, "the running one was kept");
    assert_eq!(capture_limit(&proxy), limit);
    assert_eq!(status(&proxy, &new).await, 200);

    // A key that is another certificate's.
    put(&leg.cert(), &ca);
    put(&new.key(), &key);
    std::fs::write(&file, format!("{other}# once more\n")).unwrap();
    until(|| proxy.log().contains("does not belong to the certificate"), || proxy.log());
    assert_eq!(capture_limit(&proxy), limit);
    assert_eq!(status(&proxy, &new).await, 200);
}
