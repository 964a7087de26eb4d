//! Users never notice: what comes through the proxy is what the primary said.

use crate::harness::*;
use std::io::{Read, Write};
use std::time::Duration;

/// The answers of a primary directly and through the proxy, hop-by-hop fields aside.
fn same(response: &'static [u8], request: &str) {
    let primary = Upstream::raw(move |_, stream| {
        let _ = stream.write_all(response);
        false
    });
    let candidate = Upstream::json("{}");
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let hop = |r: &Reply| {
        let mut reply = r.clone();
        reply.headers.retain(|(n, _)| {
            !["connection", "keep-alive", "transfer-encoding", "content-length"].contains(&n.to_lowercase().as_str())
        });
        // Names of trailers are sent in lower case.
        reply.trailers.iter_mut().for_each(|(n, _)| n.make_ascii_lowercase());
        // The order across different names is not promised.
        reply.headers.sort_by_key(|(n, _)| n.to_lowercase());
        reply
    };
    let mut direct = Client::connect(primary.address);
    direct.write(request.as_bytes());
    assert_eq!(hop(&proxy.send(request)), hop(&direct.read_reply()), "{request}");
}

const GET: &str = "GET /x HTTP/1.1\r\nHost: shop.example\r\nTE: trailers\r\nConnection: te\r\n\r\n";

#[test]
fn status_reason_names_as_spelt_values_in_order_and_body() {
    same(
        b"HTTP/1.1 207 Quite Odd Reason\r\nX-CamelCase: 1\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\nETAG: \"x\"\r\ncontent-length: 5\r\n\r\nhello",
        GET,
    );
}

#[test]
fn no_date_or_server_is_added() {
    same(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", GET);
}

#[test]
fn chunks_and_trailers() {
    same(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-Sum: 7\r\n\r\n",
        GET,
    );
}

#[test]
fn a_body_ended_by_the_connection() {
    same(b"HTTP/1.0 200 Fine\r\nX-A: 1\r\n\r\nall of it", GET);
}

#[test]
fn answers_without_body() {
    same(b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n", GET);
    same(b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", GET);
    let head = "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n";
    same(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", head);
    let primary = Upstream::answering(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n".to_vec());
    let candidate = Upstream::json("{}");
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    assert_eq!(proxy.send(head).header("content-length"), Some("1234"));
}

#[test]
fn a_truncated_answer_stays_truncated() {
    let primary = Upstream::raw(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
        false
    });
    let candidate = Upstream::json("{}");
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let reply = proxy.get("/x");
    assert_eq!((reply.status, reply.whole, reply.text().as_str()), (200, false, "only this"));
    let report = proxy.settled(1);
    assert_eq!(report["totals"]["incomparable_reasons"]["primary_failed"], 1);
}

#[test]
fn the_request_arrives_as_it_was_sent() {
    let primary = Upstream::json("{}");
    let candidate = Upstream::json("{}");
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let reply = proxy.send(
        "GET /a%2Fb/../c?x=%20&y=1 HTTP/1.1\r\nHost: shop.example\r\nX-Mixed-Case: Yes\r\nCookie: a=1\r\n\
         Connection: close, X-Hop\r\nX-Hop: gone\r\nKeep-Alive: 5\r\nX-Forwarded-For: 10.1.1.1\r\n\r\n",
    );
    assert_eq!(reply.status, 200);
    proxy.settled(1);
    let (old, new) = (primary.seen().remove(0), candidate.seen().remove(0));
    assert_eq!(old.line, "GET /a%2Fb/../c?x=%20&y=1 HTTP/1.1");
    for leg in [&old, &new] {
        assert_eq!(leg.header("host"), Some("shop.example"));
        assert_eq!(leg.header("x-forwarded-for"), Some("10.1.1.1, 127.0.0.1"));
        assert_eq!(leg.header("x-forwarded-proto"), Some("http"));
        assert_eq!(leg.header("x-hop"), None);
        assert_eq!(leg.header("keep-alive"), None);
        assert!(leg.headers.iter().any(|(n, _)| n == "X-Mixed-Case"), "names as spelt: {leg:?}");
    }
    assert_eq!(old.header("x-parallax-leg"), None);
    assert_eq!(new.header("x-parallax-leg"), Some("candidate"));
}

#[test]
fn bodies_stream_both_ways() {
    // The primary answers while the request is still being sent, and the client sees it at once.
    let primary = Upstream::raw(|seen, stream| {
        let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", seen.body.len());
        stream.write_all(response.as_bytes()).is_ok() && stream.write_all(&seen.body).is_ok()
    });
    let candidate = Upstream::json("{}");
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let body: Vec<u8> = (0..300_000u32).map(|i| (i % 251) as u8).collect();
    let mut client = proxy.connect();
    client.write(b"POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for part in body.chunks(70_001) {
        client.write(format!("{:x}\r\n", part.len()).as_bytes());
        client.write(part);
        client.write(b"\r\n");
    }
    client.write(b"0\r\n\r\n");
    assert_eq!(client.read_reply().body, body);
}

#[test]
fn the_first_bytes_of_an_answer_do_not_wait_for_the_last() {
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let primary = Upstream::raw(move |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        let _ = wait.lock().unwrap().recv_timeout(PATIENCE);
        stream.write_all(b"4\r\nlast\r\n0\r\n\r\n").is_ok()
    });
    let candidate = Upstream::json("{}");
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let mut client = proxy.connect();
    client.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut seen = Vec::new();
    let mut buffer = [0; 1024];
    while !seen.windows(5).any(|w| w == b"first") {
        let n = client.stream.read(&mut buffer).unwrap();
        assert!(n > 0, "ended early: {}", text(&seen));
        seen.extend_from_slice(&buffer[..n]);
    }
    release.send(()).unwrap();
    while !seen.windows(4).any(|w| w == b"last") {
        let n = client.stream.read(&mut buffer).unwrap();
        assert!(n > 0, "ended early: {}", text(&seen));
        seen.extend_from_slice(&buffer[..n]);
    }
}

#[test]
fn expect_continue_waits_for_the_primary() {
    // The harness reads bodies before it answers, so a 100 is what the proxy itself sends in the end.
    let primary =
        Upstream::raw(|seen, stream| stream.write_all(&json(200, &format!("{{\"got\":{}}}", seen.body.len()))).is_ok());
    let candidate = Upstream::json("{}");
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let mut client = proxy.connect();
    client.write(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    let interim = client.read_reply();
    assert_eq!(interim.status, 100);
    client.write(b"body");
    let reply = client.read_reply();
    assert_eq!((reply.status, reply.text().as_str()), (200, "{\"got\":4}"));
}

#[test]
fn early_hints_reach_the_client() {
    let primary = Upstream::raw(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n");
        stream.write_all(&json(200, "{}")).is_ok()
    });
    let candidate = Upstream::json("{}");
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let mut client = proxy.connect();
    for _ in 0..3 {
        client.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let hints = client.read_reply();
        assert_eq!((hints.status, hints.header("link")), (103, Some("</a.css>; rel=preload")));
        let reply = client.read_reply();
        assert_eq!((reply.status, reply.text().as_str()), (200, "{}"));
    }
}

#[test]
fn a_primary_that_is_not_there_is_named() {
    let candidate = Upstream::json("{}");
    let proxy = Proxy::between(&nobody(), &candidate.url()).start();
    let reply = proxy.get("/x");
    assert_eq!(reply.status, 502);
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    assert!(reply.text().contains("primary") && reply.text().contains("refused"), "{}", reply.text());
    assert_eq!(proxy.settled(1)["totals"]["incomparable_reasons"]["primary_failed"], 1);
}

#[test]
fn a_primary_that_never_answers_is_a_timeout() {
    let primary = Upstream::stalled();
    let candidate = Upstream::json("{}");
    let proxy =
        Proxy::between(&primary.url(), &candidate.url()).config("[primary]\nresponse_timeout = \"300ms\"\n").start();
    let reply = proxy.get("/x");
    assert_eq!(reply.status, 504, "{}", reply.text());
    assert!(reply.text().contains("primary"));
    assert_eq!(proxy.settled(1)["totals"]["incomparable_reasons"]["primary_failed"], 1);
}

#[test]
fn a_reused_connection_that_has_died_is_not_the_users_problem() {
    // Answers once on each connection, then closes it without saying so.
    let primary = Upstream::raw(|_, stream| {
        let _ = stream.write_all(&json(200, "{}"));
        false
    });
    let candidate = Upstream::json("{}");
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let mut client = proxy.connect();
    for _ in 0..50 {
        client.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.read_reply().status, 200);
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let primary = Upstream::answering(|seen| {
        if seen.path() == "/slow" {
            std::thread::sleep(Duration::from_millis(30));
        }
        json(200, &format!("\"{}\"", seen.path()))
    });
    let candidate = Upstream::json("{}");
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let mut client = proxy.connect();
    client.write(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET /fast HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.read_reply().text(), "\"/slow\"");
    assert_eq!(client.read_reply().text(), "\"/fast\"");
}
