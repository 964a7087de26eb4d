//! The guard between a socket and a real hyper server.

use super::*;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

struct Setup {
    settings: GuardSettings,
    refusals: Arc<Mutex<Vec<&'static str>>>,
    half_close: bool,
    /// Bytes the connection holds in each direction.
    buffer: usize,
}

fn setup() -> Setup {
    let refusals = Arc::new(Mutex::new(Vec::new()));
    let seen = refusals.clone();
    let settings = GuardSettings {
        limits: Limits { max_headers: 64, max_header_bytes: 16 * 1024 },
        header_timeout: Duration::from_secs(60),
        body_timeout: Duration::from_secs(60),
        idle_timeout: Duration::from_secs(60),
        linger: Duration::ZERO,
        on_refusal: Some(Arc::new(move |r| seen.lock().unwrap().push(r.code))),
    };
    Setup { settings, refusals, half_close: true, buffer: 4096 }
}

/// Serves one connection that answers each request with its path and body; gives the client's end.
fn serve(setup: &Setup) -> (DuplexStream, Arc<AtomicUsize>, GuardHandle) {
    let (client, server) = tokio::io::duplex(setup.buffer);
    let handle = GuardHandle::new();
    let guard = Guard::new(server, Arc::new(setup.settings.clone()), handle.clone());
    let served = Arc::new(AtomicUsize::new(0));
    let (count, shared) = (served.clone(), handle.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let (count, handle) = (count.clone(), shared.clone());
        let busy = handle.begin();
        async move {
            let _busy = busy;
            let path = request.uri().path().to_owned();
            if path == "/hints" {
                handle.push_interim(Bytes::from_static(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"));
                tokio::task::yield_now().await;
                handle.push_interim(Bytes::from_static(b"HTTP/1.1 103 Early Hints\r\nlink: </last>\r\n\r\n"));
                assert_eq!(handle.settle_interim(), 0);
                return Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"/hints "))));
            }
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            let body = match request.into_body().collect().await {
                Ok(body) => body.to_bytes(),
                Err(_) => Bytes::from_static(b"(body failed)"),
            };
            count.fetch_add(1, Ordering::SeqCst);
            let text = [path.as_bytes(), b" ", &body].concat();
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
        }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.half_close(setup.half_close);
    tokio::spawn(async move {
        let _ = builder.serve_connection(guard, service).await;
    });
    (client, served, handle)
}

/// Sends everything in pieces, then reads to the end.
async fn talk(setup: &Setup, input: &[u8], piece: usize) -> String {
    let (client, ..) = serve(setup);
    let (mut read, mut write) = tokio::io::split(client);
    let input = input.to_vec();
    let writer = tokio::spawn(async move {
        for part in input.chunks(piece) {
            if write.write_all(part).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        write
    });
    let mut out = Vec::new();
    let whole = tokio::time::timeout(Duration::from_secs(20), read.read_to_end(&mut out)).await;
    whole.expect("the connection should have ended by itself").unwrap();
    drop(writer.await.unwrap());
    String::from_utf8(out).unwrap()
}

/// Status and body of each answer.
fn answers(mut text: &str) -> Vec<(String, String)> {
    let mut list = Vec::new();
    while !text.is_empty() {
        let (head, rest) = text.split_once("\r\n\r\n").unwrap();
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).map_or(0, |l| l.parse().unwrap());
        list.push((head.split(' ').nth(1).unwrap().to_owned(), rest[..length].to_owned()));
        text = &rest[length..];
    }
    list
}

fn statuses(text: &str) -> Vec<String> {
    answers(text).into_iter().map(|(status, _)| status).collect()
}

const GOOD: &str = "GET /ok HTTP/1.1\r\nHost: a\r\n\r\n";
const UPLOAD: &str = "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &str =
    "POST /ch HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n";
const LAST: &str = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const BAD: &str = "GET /bad HTTP/1.1\r\n\r\n";

#[tokio::test]
async fn good_requests_pass_in_any_pieces() {
    for half_close in [true, false] {
        for piece in [1, 7, 40, 10_000] {
            let setup = Setup { half_close, ..setup() };
            let input = format!("{GOOD}\r\n{UPLOAD}{CHUNKED}{LAST}");
            let bodies: Vec<_> =
                answers(&talk(&setup, input.as_bytes(), piece).await).into_iter().map(|a| a.1).collect();
            assert_eq!(bodies, ["/ok ", "/up hello", "/ch abcde", "/last "], "pieces of {piece}");
        }
    }
}

#[tokio::test]
async fn a_refusal_comes_after_the_answers_before_it() {
    for half_close in [true, false] {
        for (piece, buffer) in [(1, 4096), (33, 4096), (10_000, 4096), (10_000, 16)] {
            let setup = Setup { half_close, buffer, ..setup() };
            let text = talk(&setup, format!("{GOOD}{UPLOAD}{BAD}{GOOD}").as_bytes(), piece).await;
            assert_eq!(statuses(&text), ["200", "200", "400"], "pieces of {piece}, half close {half_close}");
            assert!(text.ends_with(&Refusal::bad("", "the header has no Host").problem()));
            assert_eq!(*setup.refusals.lock().unwrap(), ["host_missing"]);
        }
    }
}

#[tokio::test]
async fn a_bad_first_request_is_answered_too() {
    for half_close in [true, false] {
        let setup = Setup { half_close, ..setup() };
        assert_eq!(statuses(&talk(&setup, BAD.as_bytes(), 10_000).await), ["400"]);
        assert_eq!(statuses(&talk(&setup, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 3).await), ["400"]);
        let long = format!("GET / HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n", "y".repeat(20_000));
        assert_eq!(statuses(&talk(&setup, long.as_bytes(), 10_000).await), ["431"]);
    }
}

#[tokio::test]
async fn what_a_refused_client_still_sends_is_read_for_a_while() {
    let mut setup = setup();
    setup.settings.linger = Duration::from_secs(60);
    let (mut client, _, handle) = serve(&setup);
    client.write_all(BAD.as_bytes()).await.unwrap();
    let mut out = vec![0; 12];
    client.read_exact(&mut out).await.unwrap();
    assert_eq!(&out, b"HTTP/1.1 400");
    assert!(handle.refused());
    // More than the connection holds: without a reader this would not end.
    client.write_all(&[b'x'; 20_000]).await.unwrap();
}

#[tokio::test]
async fn a_bad_body_fails_the_request_in_flight() {
    let input = format!("{}ZZ\r\n{GOOD}", &CHUNKED[..CHUNKED.len() - 5]);
    let split = setup();
    let text = talk(&split, input.as_bytes(), 1).await;
    assert_eq!(*split.refusals.lock().unwrap(), ["chunk"]);
    assert!(!text.contains("/ok"), "{text}");
    assert!(text.is_empty() || text.contains("(body failed)"), "{text}");
    // Seen at once with its head, it is never a request at all.
    for before in ["", GOOD] {
        let whole = setup();
        let text = talk(&whole, format!("{before}{input}").as_bytes(), 10_000).await;
        assert_eq!(*whole.refusals.lock().unwrap(), ["chunk"]);
        assert_eq!(statuses(&text).last().map(String::as_str), Some("400"), "{text}");
        assert!(!text.contains("/ch") && text.matches("/ok").count() == usize::from(!before.is_empty()), "{text}");
    }
}

#[tokio::test]
async fn an_interim_response_comes_before_the_final_one() {
    for piece in [1, 10_000] {
        let input = format!("{GOOD}{}{LAST}", GOOD.replace("/ok", "/hints"));
        let text = talk(&setup(), input.as_bytes(), piece).await;
        assert_eq!(statuses(&text), ["200", "103", "103", "200", "200"]);
        assert!(text.contains("link: </a>") && text.contains("</last>"));
    }
    let small = Setup { buffer: 5, ..setup() };
    let text = talk(&small, format!("{}{LAST}", GOOD.replace("/ok", "/hints")).as_bytes(), 10_000).await;
    assert_eq!(statuses(&text), ["103", "103", "200", "200"], "with a connection that takes five bytes at a time");
}

#[tokio::test]
async fn slow_heads_and_bodies_and_idle_connections_end() {
    let short = Duration::from_millis(30);
    let mut slow = setup();
    slow.settings.header_timeout = short;
    let (mut client, ..) = serve(&slow);
    client.write_all(format!("{GOOD}GET / HT").as_bytes()).await.unwrap();
    let mut out = String::new();
    client.read_to_string(&mut out).await.unwrap();
    assert_eq!(statuses(&out), ["200", "408"]);
    assert_eq!(*slow.refusals.lock().unwrap(), ["header_timeout"]);

    for half_close in [true, false] {
        let mut idle = Setup { half_close, ..setup() };
        idle.settings.idle_timeout = short;
        let (mut client, ..) = serve(&idle);
        client.write_all(GOOD.as_bytes()).await.unwrap();
        let mut out = String::new();
        client.read_to_string(&mut out).await.unwrap();
        assert_eq!(statuses(&out), ["200"]);
        assert!(idle.refusals.lock().unwrap().is_empty());
    }

    let mut stalled = setup();
    stalled.settings.body_timeout = short;
    let (mut client, ..) = serve(&stalled);
    client.write_all(&UPLOAD.as_bytes()[..UPLOAD.len() - 2]).await.unwrap();
    let mut out = String::new();
    client.read_to_string(&mut out).await.unwrap();
    assert!(out.is_empty() || out.contains("(body failed)"), "{out}");
    assert_eq!(*stalled.refusals.lock().unwrap(), ["body_timeout"]);
}

#[tokio::test]
async fn without_half_close_a_client_that_leaves_ends_its_request() {
    let setup = Setup { half_close: false, ..setup() };
    let (mut client, served, _) = serve(&setup);
    client.write_all(GOOD.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    let mut out = Vec::new();
    client.read_to_end(&mut out).await.unwrap();
    assert_eq!((out.len(), served.load(Ordering::SeqCst)), (0, 0));
}

#[tokio::test]
async fn a_tunnel_is_left_alone() {
    use hyper::rt::Read;
    let (mut client, server) = tokio::io::duplex(64);
    let handle = GuardHandle::new();
    let mut guard = Guard::new(server, Arc::new(setup().settings), handle.clone()).with_prefix(b"\n\0raw");
    handle.tunnel();
    client.write_all(b"\r\n\n more").await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 13 {
        let mut space = [0u8; 4];
        let mut buf = hyper::rt::ReadBuf::new(&mut space);
        std::future::poll_fn(|cx| std::pin::Pin::new(&mut guard).poll_read(cx, buf.unfilled())).await.unwrap();
        seen.extend_from_slice(buf.filled());
    }
    assert_eq!(seen, b"\n\0raw\r\n\n more");
}
