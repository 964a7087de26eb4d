//! The same bytes, through hyper and through our own reading: the same messages come of them.
//!
//! Where the two differ on purpose, the cases say so.

use crate::http1::*;
use crate::proxy::guard::{Limits, Scanner, Step};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use proptest::sample::select;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A message, read to its end; `None` for what has no end that can be told.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    /// Status line or request line, without the reason.
    line: String,
    fields: Vec<String>,
    body: Option<Vec<u8>>,
    trailers: Vec<String>,
}

fn fields(headers: &HeaderMap) -> Vec<String> {
    headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect()
}

/// A body of which all the bytes are there, and then the connection ends.
fn body(framing: Framing, buf: &mut BytesMut) -> (Option<Vec<u8>>, HeaderMap) {
    let mut decoder = Decoder::new(framing, HeadLimits { max_headers: 200, max_bytes: 1 << 16 });
    let (mut content, mut trailers) = (Vec::new(), HeaderMap::new());
    loop {
        match decoder.next(buf) {
            Ok(Decoded::Data(data)) => content.extend_from_slice(&data),
            Ok(Decoded::Trailers(fields)) => trailers = fields,
            Ok(Decoded::End) => return (Some(content), trailers),
            Ok(Decoded::More) => return (decoder.end().then_some(content), trailers),
            Err(_) => return (None, trailers),
        }
    }
}

// === Answers ===

fn our_answer(method: &Method, bytes: &[u8]) -> Option<Message> {
    let mut buf = BytesMut::from(bytes);
    let limits = HeadLimits { max_headers: 200, max_bytes: 1 << 16 };
    let head = loop {
        let head = AnswerHead::take(&mut buf, limits).ok().flatten()?;
        if !head.is_interim() {
            break head;
        }
    };
    let (body, trailers) = body(head.framing(method).ok()?, &mut buf);
    let line =
        format!("{:?} {}", if head.version_11 { http::Version::HTTP_11 } else { http::Version::HTTP_10 }, head.status);
    Some(Message { line, fields: fields(head.headers.table()), body, trailers: fields(&trailers) })
}

async fn hypers_answer(method: &Method, bytes: &[u8]) -> Option<Message> {
    let (near, mut far) = tokio::io::duplex(1 << 16);
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_headers(200);
    builder.allow_spaces_after_header_name_in_responses(true).allow_obsolete_multiline_headers_in_responses(true);
    let (mut sender, connection) = builder.handshake(TokioIo::new(near)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri("/").body(Empty::<Bytes>::new()).unwrap();
    let bytes = bytes.to_vec();
    tokio::spawn(async move {
        // What comes before the request is nobody's answer.
        let _ = far.read(&mut [0; 1024]).await;
        let _ = far.write_all(&bytes).await;
    });
    let (parts, body) = sender.send_request(request).await.ok()?.into_parts();
    let (body, trailers) = match body.collect().await {
        Ok(body) => {
            let trailers = body.trailers().cloned().unwrap_or_default();
            (Some(body.to_bytes().to_vec()), trailers)
        }
        Err(_) => (None, HeaderMap::new()),
    };
    let line = format!("{:?} {}", parts.version, parts.status);
    Some(Message { line, fields: fields(&parts.headers), body, trailers: fields(&trailers) })
}

// === Requests ===

/// The requests that the guard lets pass, whole ones alone.
fn our_requests(bytes: &[u8]) -> Vec<Message> {
    let mut scanner = Scanner::new(Limits { max_headers: 90, max_header_bytes: 1 << 16 });
    let mut rest = bytes;
    let mut requests = Vec::new();
    let mut step = |scanner: &mut Scanner| loop {
        match scanner.step(rest) {
            _ if rest.is_empty() => return None,
            Ok(Step::Skip(n)) => rest = &rest[n..],
            Ok(Step::Release(n)) => {
                let (passed, left) = rest.split_at(n);
                rest = left;
                return Some(Bytes::copy_from_slice(passed));
            }
            Ok(Step::NeedMore) | Err(_) => return None,
        }
    };
    while let Some(head) = step(&mut scanner) {
        let head = scanner.head(head).unwrap();
        let mut clear = BytesMut::new();
        while !scanner.in_head() {
            let Some(passed) = step(&mut scanner) else { return requests };
            clear.extend_from_slice(&passed);
        }
        let (body, trailers) = body(head.framing, &mut clear);
        assert!(body.is_some() && clear.is_empty(), "what passes can be read, and nothing else is in it");
        let line = format!("{} {} {}", head.method, head.uri, head.version_11);
        requests.push(Message { line, fields: fields(head.headers.table()), body, trailers: fields(&trailers) });
        if !head::keeps_alive(&head.headers, head.version_11) || head.method == Method::CONNECT {
            break;
        }
    }
    requests
}

async fn hypers_requests(bytes: &[u8]) -> Vec<Message> {
    let (near, far) = tokio::io::duplex(1 << 16);
    let (mut read, mut write) = tokio::io::split(far);
    write.write_all(bytes).await.unwrap();
    write.shutdown().await.unwrap();
    tokio::spawn(async move { read.read_to_end(&mut Vec::new()).await });
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = requests.clone();
    let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        let seen = seen.clone();
        async move {
            let (parts, body) = request.into_parts();
            if let Ok(body) = body.collect().await {
                let trailers = body.trailers().cloned().unwrap_or_default();
                let line = format!("{} {} {}", parts.method, parts.uri, parts.version == http::Version::HTTP_11);
                let body = Some(body.to_bytes().to_vec());
                let message = Message { line, fields: fields(&parts.headers), body, trailers: fields(&trailers) };
                seen.lock().unwrap().push(message);
            }
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    // It may break off at what we refuse.
    let _ = builder.half_close(true).serve_connection(TokioIo::new(near), service).await;
    std::mem::take(&mut requests.lock().unwrap())
}

// === What is sent ===

/// Lines that decide where a message ends, and some that do not.
const FIELDS: [&str; 24] = [
    "Content-Length: 5",
    "Content-Length: 05",
    "content-length: 0",
    "Content-Length: 5, 5",
    "Content-Length: 5,6",
    "Content-Length: +5",
    "Content-Length: ",
    "Content-Length: 1844674407370955161",
    "Transfer-Encoding: chunked",
    "transfer-encoding: Chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, gzip",
    "Transfer-Encoding: identity",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding:\tchunked ",
    "Connection: close",
    "Connection: keep-alive, x",
    "X-Folded: a\r\n b",
    "X-Empty:",
    "X-Twice: 1",
    "X-Twice: 2",
    "X-Odd: \u{e4} \t~",
    "Trailer: X-Sum",
    "Expect: 100-continue",
];

const BODIES: [&str; 11] = [
    "",
    "hello",
    "hello and more",
    "5\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
    "005;a=b\r\nhello\r\n00\r\n\r\n",
    "5 \r\nhello\r\n0\r\n\r\n",
    "5\r\nhello0\r\n\r\n",
    "A\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n",
    "fffffffffffffffff\r\nx",
    "5\r\nhel",
];

/// A byte that is changed, left out or written twice.
#[derive(Debug, Clone)]
struct Change(usize, u8, u8);

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let bytes = select(b"\r\n \t:;,0a5fx\x00\x0b\x7f\xff#/.-".to_vec());
    prop_oneof![
        3 => Just(Vec::new()),
        2 => proptest::collection::vec((any::<usize>(), 0u8..4, bytes).prop_map(|(at, what, byte)| Change(at, what, byte)), 1..4),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for Change(at, what, byte) in changes {
        if bytes.is_empty() {
            break;
        }
        let at = at % bytes.len();
        match what {
            0 => bytes[at] = *byte,
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, *byte),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn lines() -> impl Strategy<Value = String> {
    proptest::collection::vec(select(&FIELDS[..]), 0..4)
        .prop_map(|lines| lines.into_iter().map(|line| format!("{line}\r\n")).collect())
}

/// Whether there is a line feed by itself: both read such lines in heads, this room in trailers too.
fn bare(bytes: &[u8]) -> bool {
    bytes.iter().zip(bytes.iter().skip(1)).any(|(a, b)| *a != b'\r' && *b == b'\n')
}

/// Whether a coding is named in other than ASCII: hyper does not see then that the last one is `chunked`.
fn odd_coding(bytes: &[u8]) -> bool {
    let line = |line: &[u8]| line.to_ascii_lowercase().starts_with(b"transfer-encoding") && !line.is_ascii();
    bytes.split(|b| *b == b'\n').any(line)
}

/// Whether a line that may be a request's has other bytes than ASCII: hyper refuses those targets.
fn odd_target(bytes: &[u8]) -> bool {
    let line = |line: &[u8]| memchr::memmem::find(line, b" HTTP/").is_some() && !line.is_ascii();
    bytes.split(|b| *b == b'\n').any(line)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

proptest! {
    #[test]
    fn answers_are_read_as_hyper_reads_them(
        first in select(&[
            "HTTP/1.1 200 OK", "HTTP/1.1 200", "HTTP/1.1 404 Nicht da", "HTTP/1.0 200 OK", "HTTP/1.1 204 No Content",
            "HTTP/1.1 304 Not Modified", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK", "HTTP/1.1 999 ", "\r\nHTTP/1.1 200 OK",
        ][..]),
        lines in lines(),
        body in select(&BODIES[..]),
        changes in changes(),
        head: bool,
    ) {
        let method = if head { Method::HEAD } else { Method::GET };
        let bytes = changed(format!("{first}\r\n{lines}\r\n{body}").into_bytes(), &changes);
        prop_assume!(!bare(&bytes) && !odd_coding(&bytes));
        let ours = our_answer(&method, &bytes);
        let theirs = runtime().block_on(hypers_answer(&method, &bytes));
        prop_assert_eq!(ours, theirs, "{:?}", String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn requests_that_pass_are_read_as_hyper_reads_them(
        first in select(&["GET / HTTP/1.1", "POST /a?b=c HTTP/1.1", "PUT http://h/x HTTP/1.1", "POST /x HTTP/1.0"][..]),
        lines in lines(),
        body in select(&BODIES[..]),
        changes in changes(),
    ) {
        let one = format!("{first}\r\nHost: h\r\n{lines}\r\n{body}");
        let bytes = changed([one.as_bytes(), b"GET /last HTTP/1.1\r\nHost: h\r\n\r\n"].concat(), &changes);
        prop_assume!(!odd_target(&bytes));
        let ours = our_requests(&bytes);
        let mut theirs = runtime().block_on(hypers_requests(&bytes));
        theirs.truncate(ours.len());
        prop_assert_eq!(ours, theirs, "{:?}", String::from_utf8_lossy(&bytes));
    }
}
