//! What the proxy adds to a request over loopback: direct, proxied with mirroring off, on, and saturated by a candidate
//! that never answers. Latency of one client at a time; for CPU beside other proxies see `benches/README.md`.
//!
//! `cargo bench --bench hot_path`

#![expect(clippy::unwrap_used, reason = "what fails here ends the run")]

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parallax::app::App;
use parallax::config::{self, Flags};
use parallax::shutdown::Shutdown;
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// Answers everything with 1 KiB, or never.
async fn backend(answers: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            if !answers {
                kept.push(stream);
                continue;
            }
            let service = service_fn(|_| async {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(&[b'x'; 1024]))))
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

async fn client(address: SocketAddr) -> SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn get(sender: &mut SendRequest<Empty<Bytes>>) {
    sender.ready().await.unwrap();
    let request = Request::get("/items/7").header("host", "bench").body(Empty::new()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes().len(), 1024);
}

async fn proxy(candidate: SocketAddr, sample: &str) -> (SocketAddr, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bench.toml");
    std::fs::write(&file, format!("[mirror]\nsample = {sample}\n[telemetry]\nlog.level = \"error\"\n")).unwrap();
    let flags = Flags {
        primary: Some(format!("http://{}", backend(true).await)),
        candidate: Some(format!("http://{candidate}")),
        listen: Some("127.0.0.1:0".into()),
        admin: Some("127.0.0.1:0".into()),
        data: Some(folder.path().join("data")),
        ..Flags::default()
    };
    let app = App::build(config::load(Some(&file), &flags).unwrap()).await.unwrap();
    let address = app.listen;
    tokio::spawn(app.run(None, Shutdown::new()));
    (address, folder)
}

fn hot_path(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = c.benchmark_group("GET 1 KiB");
    let mut run = |name: &str, address: SocketAddr| {
        let mut sender = runtime.block_on(client(address));
        group.bench_function(name, |bench| bench.iter(|| runtime.block_on(get(&mut sender))));
    };
    let folders = [("mirroring off", true, "0"), ("mirroring on", true, "1"), ("candidate never answers", false, "1")];
    run("direct", runtime.block_on(backend(true)));
    let mut kept = Vec::new();
    for (name, answers, sample) in folders {
        let (address, folder) = runtime.block_on(async { proxy(backend(answers).await, sample).await });
        kept.push(folder);
        run(name, address);
    }
    group.finish();
}

criterion_group!(benches, hot_path);
criterion_main!(benches);
