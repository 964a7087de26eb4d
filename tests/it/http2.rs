//! HTTP/2, frame by frame: what can be read in two ways is refused, floods end whoever sends them, others are served on.

use crate::harness::*;
use crate::hygiene::{metrics, refused, upstreams};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field as a literal without index (RFC 7541, 6.2.2).
fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        assert!(text.len() < 127);
        field.push(text.len() as u8);
        field.extend_from_slice(text.as_bytes());
    }
    field
}

fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| literal(name, value)).collect()
}

const GET: [(&str, &str); 4] = [(":method", "GET"), (":scheme", "http"), (":path", "/ok"), (":authority", "a")];

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&GET[..], more].concat()
}

struct Http2(TcpStream);

impl Http2 {
    fn connect(proxy: &Proxy) -> Self {
        let stream = TcpStream::connect(proxy.listen).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self(stream);
        client.send(PREFACE);
        client.send(&frame(SETTINGS, 0, 0, &[]));
        client
    }

    fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// A leg's connection, and the stream of the request that has come on it.
    fn accept(listener: &TcpListener) -> (Self, u32) {
        // Before there are requests, it is only looked at whether somebody listens.
        loop {
            if let Some(asked) = Self::asked(listener.accept().unwrap().0) {
                return asked;
            }
        }
    }

    fn asked(stream: TcpStream) -> Option<(Self, u32)> {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let mut leg = Self(stream);
        leg.0.read_exact(&mut [0; PREFACE.len()]).ok()?;
        leg.send(&frame(SETTINGS, 0, 0, &[]));
        // Before it knows that, the proxy's windows are not as large as it says.
        leg.send(&frame(SETTINGS, 1, 0, &[]));
        loop {
            if let (HEADERS, _, stream, _) = leg.next()? {
                return Some((leg, stream));
            }
        }
    }

    /// The next frame: type, flags, stream, payload; `None` once the connection has ended.
    fn next(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.0.read_exact(&mut payload).ok()?;
        Some((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
    }

    /// Sends what `next` makes of a count, `most` times or until the connection ends, and reads all the while. How often.
    fn flood(mut self, most: u32, mut next: impl FnMut(u32) -> Vec<u8>) -> u32 {
        let mut read = self.0.try_clone().unwrap();
        let reader = std::thread::spawn(move || {
            let mut sink = [0; 65_536];
            while matches!(read.read(&mut sink), Ok(n) if n > 0) {}
        });
        let sent = (0..most).take_while(|n| self.send(&next(*n))).count();
        let _ = self.0.shutdown(std::net::Shutdown::Both);
        reader.join().unwrap();
        sent as u32
    }

    /// How a request on stream 1 ends.
    fn outcome(&mut self) -> Outcome {
        loop {
            match self.next() {
                None | Some((GOAWAY, ..)) => return Outcome::Ended,
                Some((RST, _, 1, _)) => return Outcome::Reset,
                // `:status` by its place in the static table, or spelt out.
                Some((HEADERS, _, 1, block)) => {
                    return match block.first() {
                        Some(0x88) => Outcome::Ok,
                        Some(0x8c) => Outcome::Refused,
                        Some(0x48 | 0x08) => Outcome::Refused,
                        other => panic!("{other:x?}"),
                    };
                }
                Some(_) => {}
            }
        }
    }
}

#[derive(Debug, PartialEq, Clone, Copy)]
enum Outcome {
    Ok,
    /// Answered with a status other than 200.
    Refused,
    Reset,
    Ended,
}

fn ask(proxy: &Proxy, fields: &[(&str, &str)], body: &[Vec<u8>]) -> Outcome {
    let mut client = Http2::connect(proxy);
    let end = if body.is_empty() { END_STREAM } else { 0 };
    client.send(&frame(HEADERS, END_HEADERS | end, 1, &block(fields)));
    for frame in body {
        client.send(frame);
    }
    client.outcome()
}

#[test]
fn http2_requests_that_can_be_read_in_two_ways() {
    let (primary, candidate) = upstreams();
    let proxy =
        Proxy::between(&primary.url(), &candidate.url()).config("[mirror]\nmethods = [\"GET\", \"POST\"]\n").start();
    let many: Vec<_> = (0..300).map(|_| ("x", "y")).collect();
    let replaced = |name: &str, value: &'static str| {
        let mut fields = GET.to_vec();
        fields.iter_mut().filter(|f| f.0 == name).for_each(|f| f.1 = value);
        fields
    };
    let without = |name: &str| GET.into_iter().filter(|f| f.0 != name).collect::<Vec<_>>();
    let counted = [
        with(&[("host", "b")]),
        with(&[("host", "a:81")]),
        with(&[("host", "a"), ("host", "a")]),
        with(&[("host", "a"), ("host", "b")]),
        with(&[("host", "")]),
        with(&[("content-length", "0"), ("content-length", "0")]),
        with(&[("content_length", "5")]),
        with(&[("transfer_encoding", "chunked")]),
        without(":authority"),
        [without(":authority"), vec![("host", "a/b")]].concat(),
        [without(":authority"), vec![("host", "u@a")]].concat(),
        replaced(":path", "*"),
        with(&many),
    ];
    for fields in &counted {
        assert_eq!(ask(&proxy, fields, &[]), Outcome::Refused, "{fields:?}");
    }
    assert_eq!(refused(&proxy, ""), counted.len() as u64, "{}", metrics(&proxy));
    // These the HTTP/2 library sees to.
    for fields in [
        with(&[("connection", "close")]),
        with(&[("transfer-encoding", "chunked")]),
        with(&[("upgrade", "websocket")]),
        with(&[("keep-alive", "1")]),
        with(&[("proxy-connection", "close")]),
        with(&[("te", "gzip")]),
        with(&[("X-Upper", "1")]),
        with(&[("x", "a\r\nb: c")]),
        with(&[("x", "a\0b")]),
        with(&[("x y", "1")]),
        with(&[("x:", "1")]),
        with(&[("", "1")]),
        with(&[(":status", "200")]),
        with(&[(":path", "/smuggled")]),
        with(&[("x", "1"), (":method", "POST")]),
        with(&[("content-length", "+5")]),
        with(&[("content-length", "5")]),
        without(":method"),
        without(":path"),
        without(":scheme"),
        replaced(":method", "GET /smuggled HTTP/1.1\r\nx:"),
        replaced(":method", "G T"),
        replaced(":path", "/ok HTTP/1.1\r\nHost: evil\r\n\r\nGET /smuggled"),
        replaced(":path", "/ok\t"),
        replaced(":path", ""),
        replaced(":path", "ok"),
        replaced(":authority", "a\r\nx: y"),
        replaced(":authority", "u@a"),
        replaced(":authority", "a/b"),
        replaced(":scheme", "http://a/?"),
    ] {
        let outcome = ask(&proxy, &fields, &[]);
        assert_ne!(outcome, Outcome::Ok, "{fields:?}");
    }
    // A body longer or shorter than it says.
    for said in ["4", "6"] {
        let fields = with(&[("content-length", said)]);
        let outcome = ask(&proxy, &fields, &[frame(DATA, END_STREAM, 1, b"hello")]);
        assert_ne!(outcome, Outcome::Ok, "{said}");
    }
    assert!(primary.seen().is_empty() && candidate.seen().is_empty(), "{:?}", primary.seen());
    for fields in [with(&[("host", "A")]), with(&[("te", "trailers")]), with(&[("content-length", "0")])] {
        assert_eq!(ask(&proxy, &fields, &[]), Outcome::Ok, "{fields:?}");
    }
    assert!(primary.seen().iter().all(|s| s.path() == "/ok" && s.header("host") == Some("a")));
    proxy.report_when(|t| t["pending"] == 0);
}

/// The frames of a flood by their number.
type Frames = Box<dyn FnMut(u32) -> Vec<u8>>;

/// Sends `start`, then what `next` makes of a count, until the connection ends; reads all the while.
fn flood(proxy: &Proxy, start: &[u8], next: impl FnMut(u32) -> Vec<u8>) {
    let mut client = Http2::connect(proxy);
    client.send(start);
    assert!(client.flood(200_000, next) < 200_000, "a flood goes on");
}

#[test]
fn http2_floods_end_the_connection_and_others_are_served() {
    let (primary, candidate) = upstreams();
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let headers = block(&GET);
    let begun = frame(HEADERS, 0, 1, &headers);
    let open = move |stream, flags| frame(HEADERS, END_HEADERS | flags, stream, &headers);
    let post = block(&[(":method", "POST"), (":scheme", "http"), (":path", "/ok"), (":authority", "a")]);
    let post = frame(HEADERS, END_HEADERS, 1, &post);
    let floods: [(&str, Vec<u8>, Frames); 10] = [
        ("http2_flood", vec![], Box::new(|_| frame(PING, 0, 0, &[0; 8]))),
        ("http2_flood", vec![], Box::new(|_| frame(SETTINGS, 0, 0, &[]))),
        ("http2_flood", vec![], Box::new(|n| frame(SETTINGS, 0, 0, &[[0, 4].as_slice(), &n.to_be_bytes()].concat()))),
        ("http2_flood", vec![], Box::new(|_| frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 1]))),
        ("http2_", post.clone(), Box::new(|_| frame(DATA, 0, 1, &[]))),
        ("http2_", post, Box::new(|_| frame(DATA, 8, 1, &[[100].as_slice(), &[0; 100]].concat()))),
        ("http2_flood", vec![], Box::new(|_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]))),
        ("http2_flood", vec![], Box::new(|_| frame(200, 0, 0, b"?"))),
        ("http2_", begun, Box::new(|_| frame(CONTINUATION, 0, 1, &literal("x", "y")))),
        (
            "http2_",
            vec![],
            Box::new(move |n| {
                let stream = 2 * n + 1;
                [open(stream, END_STREAM), frame(RST, 0, stream, &[0, 0, 0, 8])].concat()
            }),
        ),
    ];
    for (at, (reason, start, next)) in floods.into_iter().enumerate() {
        let before = refused(&proxy, reason);
        flood(&proxy, &start, next);
        let why = || format!("flood {at} is not counted: {}", metrics(&proxy));
        until(|| refused(&proxy, reason) != before, why);
        assert_eq!(proxy.get("/other").status, 200, "after flood {at}");
    }
    let report = proxy.report_when(|t| t["pending"] == 0);
    assert!(report["totals"]["requests"].as_u64().unwrap() >= 9);
    assert!(proxy.resident() < 150 * 1024, "{} KiB", proxy.resident());
}

/// What to send once, and what again and again, in answer to the request on a stream.
type LegFlood = fn(u32) -> [Vec<u8>; 2];

/// A candidate that answers one request with what `flood` makes of its stream, and repeats the second of both for as long
/// as it can. Tells how often.
fn flooding(flood: LegFlood, most: u32) -> (String, mpsc::Receiver<u32>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("h2c://{}", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut leg, stream) = Http2::accept(&listener);
        let [first, again] = flood(stream);
        leg.send(&first);
        let _ = tell.send(leg.flood(most, |_| again.clone()));
    });
    (url, told)
}

#[test]
fn a_candidate_that_floods_is_let_go_of() {
    const OK: &[u8] = &[0x88];
    let floods: Vec<LegFlood> = vec![
        |_| [vec![], frame(PING, 0, 0, &[0; 8])],
        |_| [vec![], frame(PING, 1, 0, &[0; 8])],
        |_| [vec![], frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])],
        |_| [vec![], frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])],
        |stream| [vec![], frame(PRIORITY, 0, stream, &[0, 0, 0, 0, 1])],
        |_| [vec![], frame(200, 0, 0, b"?")],
        |stream| [vec![], frame(HEADERS, END_HEADERS, stream, &literal(":status", "103"))],
        |stream| [frame(HEADERS, END_HEADERS, stream, OK), frame(WINDOW_UPDATE, 0, stream, &[0, 0, 0, 1])],
    ];
    let primary = Upstream::json("{\"a\":1}");
    for (at, flood) in floods.into_iter().enumerate() {
        let (candidate, told) = flooding(flood, 200_000);
        let proxy = Proxy::between(&primary.url(), &candidate).start();
        assert_eq!(proxy.get("/ok").text(), "{\"a\":1}");
        let sent = told.recv_timeout(PATIENCE).unwrap();
        assert!(sent < 200_000, "flood {at} goes on");
        let report = proxy.report_when(|t| t["divergent"] == 1);
        assert_eq!(flooded(&report), 1, "{:#}", report["divergences"]);
        until_left_alone(&proxy);
    }
}

/// Asks until the breaker is open: now and then it lets one through.
fn until_left_alone(proxy: &Proxy) {
    let is_open = || {
        assert_eq!(proxy.get("/ok").text(), "{\"a\":1}");
        proxy.report()["totals"]["not_mirrored"]["breaker_open"].as_u64() > Some(0)
    };
    assert!((0..100).any(|_| is_open()), "{:#}", proxy.report()["totals"]);
}

/// Exchanges that failed since their connection was flooded.
fn flooded(report: &serde_json::Value) -> u64 {
    let of = |d: &serde_json::Value| {
        let told = d["summary"].as_str().unwrap().contains("more HTTP/2 frames than any use explains");
        if told && d["kind"] == "transport.protocol" { d["counted"].as_u64().unwrap() } else { 0 }
    };
    report["divergences"].as_array().unwrap().iter().map(of).sum()
}

/// It answers, and floods the connection behind that.
#[test]
fn a_candidate_that_floods_between_its_answers_is_left_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let candidate = format!("h2c://{}", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        loop {
            let (mut leg, stream) = Http2::accept(&listener);
            leg.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &[0x88]));
            if tell.send(leg.flood(200_000, |_| frame(PING, 0, 0, &[0; 8]))).is_err() {
                return;
            }
        }
    });
    let primary = Upstream::json("{\"a\":1}");
    let proxy = Proxy::between(&primary.url(), &candidate).start();
    assert_eq!(proxy.get("/ok").text(), "{\"a\":1}");
    assert!(told.recv_timeout(PATIENCE).unwrap() < 200_000, "it goes on");
    // That there was a flood comes to light when an exchange ends: this one, or the next.
    until_left_alone(&proxy);
}

/// It keeps to its windows until its stream is reset, and then goes on as if nobody had told it.
#[test]
fn a_candidate_that_sends_on_after_its_stream_has_ended_is_let_go_of() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let candidate = format!("h2c://{}", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut leg, endless) = Http2::accept(&listener);
        let until = |leg: &mut Http2, kind: u8, of: Option<u32>| {
            let wanted = |stream: u32| of.is_none_or(|of| of == stream);
            let next = |leg: &mut Http2| leg.next().expect("the connection goes on");
            while !matches!(next(leg), (next, _, stream, _) if next == kind && wanted(stream)) {}
        };
        // Another one, which is never answered.
        until(&mut leg, HEADERS, None);
        let part = frame(DATA, 0, endless, &[b'x'; 16_000]);
        leg.send(&frame(HEADERS, END_HEADERS, endless, &[0x88]));
        (0..60).for_each(|_| assert!(leg.send(&part)));
        until(&mut leg, WINDOW_UPDATE, Some(endless));
        (0..20).for_each(|_| assert!(leg.send(&part)));
        until(&mut leg, RST, Some(endless));
        tell.send(leg.flood(20_000, |_| part.clone())).unwrap();
    });
    let primary = Upstream::json("{\"a\":1}");
    let proxy = Proxy::between(&primary.url(), &candidate).start();
    // Over one connection, so that the candidate gets both over one.
    let mut client = proxy.connect();
    for _ in 0..2 {
        client.write(b"GET /ok HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.read_reply().text(), "{\"a\":1}");
    }
    let sent = told.recv_timeout(PATIENCE).unwrap();
    assert!(sent < 20_000, "it goes on");
    let report = proxy.report_when(|t| t["divergent"] == 2);
    assert_eq!(flooded(&report), 1, "{:#}", report["divergences"]);
}

/// Answers that were held up come all at once, each in several frames.
#[test]
fn a_candidate_that_answers_hundreds_at_once_is_no_flood() {
    // So many at a time: each batch that is answered makes room for a larger one.
    const BATCHES: [usize; 5] = [1, 20, 60, 100, 200];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let candidate = format!("h2c://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut leg, first) = Http2::accept(&listener);
        let ok = [&[0x88][..], &literal("content-type", "application/json")].concat();
        let answer = |stream| {
            let interim = frame(HEADERS, END_HEADERS, stream, &literal(":status", "103"));
            let windows = frame(WINDOW_UPDATE, 0, stream, &[0, 0, 0, 1]).repeat(2);
            let head = frame(HEADERS, END_HEADERS, stream, &ok);
            let trailers = frame(HEADERS, END_HEADERS | END_STREAM, stream, &literal("x-done", "1"));
            [interim, windows, head, frame(DATA, 0, stream, b"{\"a\":1}"), trailers].concat()
        };
        let mut open = vec![first];
        for batch in BATCHES {
            while open.len() < batch {
                match leg.next() {
                    Some((HEADERS, _, stream, _)) => open.push(stream),
                    Some(_) => {}
                    None => return,
                }
            }
            leg.send(&open.drain(..).flat_map(answer).collect::<Vec<u8>>());
        }
        while leg.next().is_some() {}
    });
    let primary = Upstream::json("{\"a\":1}");
    let proxy = Proxy::between(&primary.url(), &candidate).start();
    let mut client = proxy.connect();
    let mut asked = 0;
    for batch in BATCHES {
        for _ in 0..batch {
            client.write(b"GET /ok HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(client.read_reply().text(), "{\"a\":1}");
        }
        asked += batch;
        let report = proxy.report_when(|t| t["compared"] == asked);
        assert_eq!(report["routes"][0]["status"]["candidate"]["2xx"], asked, "{:#}", report["divergences"]);
    }
}

/// What floods a candidate's connection is the primary's good right: users get its answers.
#[test]
fn a_primary_that_floods_is_served_from() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("h2c://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut leg, stream) = Http2::accept(&listener);
        (0..2000).for_each(|_| assert!(leg.send(&frame(PING, 1, 0, &[0; 8]))));
        leg.send(&frame(HEADERS, END_HEADERS, stream, &[0x88]));
        leg.send(&frame(DATA, END_STREAM, stream, b"here"));
        while leg.next().is_some() {}
    });
    let candidate = Upstream::json("{}");
    let proxy = Proxy::between(&url, &candidate.url()).start();
    assert_eq!(proxy.get("/ok").text(), "here");
}

#[test]
fn http2_header_bombs_are_refused() {
    let (primary, candidate) = upstreams();
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    // One large field put into the dynamic table, then named again and again: small on the wire, huge when unpacked.
    let mut first = block(&GET);
    first.extend([0x40, 1, b'x', 0x7f]);
    first.extend([0x80 | ((4000 - 127) & 0x7f) as u8, ((4000 - 127) >> 7) as u8]);
    first.extend([b'y'; 4000]);
    let bomb = [first, vec![0x80 | 62; 10_000]].concat();
    let mut client = Http2::connect(&proxy);
    client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &bomb));
    assert_ne!(client.outcome(), Outcome::Ok);
    // Header blocks that no table entry explains.
    for broken in [&[0xff; 20][..], &[0x80], &[0xbf], &[0x3f, 0xff, 0xff, 0xff, 0x7f]] {
        let mut client = Http2::connect(&proxy);
        client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, broken));
        assert_ne!(client.outcome(), Outcome::Ok, "{broken:x?}");
    }
    // Frames that cannot be.
    for broken in [
        frame(DATA, 0, 0, b"x"),
        frame(HEADERS, END_HEADERS, 2, &block(&GET)),
        frame(RST, 0, 1, &[0; 4]),
        frame(SETTINGS, 0, 0, &[0; 5]),
        frame(PING, 0, 0, &[0; 7]),
        frame(CONTINUATION, END_HEADERS, 1, &block(&GET)),
        frame(5, END_HEADERS, 1, &[0; 8]),
        vec![0xff; 100],
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
    ] {
        let mut client = Http2::connect(&proxy);
        client.send(&broken);
        let _ = client.0.shutdown(std::net::Shutdown::Write);
        assert_eq!(client.outcome(), Outcome::Ended, "{broken:x?}");
    }
    assert!(primary.seen().is_empty() && candidate.seen().is_empty(), "{:?}", primary.seen());
    assert_eq!(proxy.get("/after").status, 200);
    assert_eq!(proxy.settled(1)["totals"]["matched"], 1);
}

/// The end of an answer may come by itself (hypercorn and others always send it so), or never: a client that has all of it
/// goes on, and what it got is compared.
#[test]
fn an_answer_that_the_client_has_all_of_is_whole_before_its_end_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let primary = format!("h2c://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut leg, first) = Http2::accept(&listener);
        let mut open = vec![first];
        let ok = |length| [&[0x88][..], &literal("content-length", length)].concat();
        for (head, body) in
            [(ok("5"), &b"hello"[..]), (vec![0x89], b""), (ok("5"), b""), (ok("0"), b""), (ok("1"), b"x")]
        {
            let stream = open[open.len() - 1];
            leg.send(&frame(HEADERS, END_HEADERS, stream, &head));
            if !body.is_empty() {
                leg.send(&frame(DATA, 0, stream, body));
            }
            while open.last() == Some(&stream) {
                match leg.next() {
                    Some((HEADERS, _, next, _)) => open.push(next),
                    Some(_) => {}
                    None => return,
                }
            }
        }
        // The first of them never ends.
        open[1..5].iter().for_each(|stream| assert!(leg.send(&frame(DATA, END_STREAM, *stream, b""))));
        while leg.next().is_some() {}
    });
    let candidate = Upstream::answering(|seen| match seen.path() {
        "/none" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        "/head" => b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_vec(),
        "/body" => answer("200 OK", &[], b"hello"),
        "/last" => answer("200 OK", &[], b"x"),
        _ => answer("200 OK", &[], b""),
    });
    let proxy = Proxy::between(&primary, &candidate.url()).start();
    let mut client = proxy.connect();
    for (request, status, body) in [
        ("GET /body", 200, "hello"),
        ("GET /none", 204, ""),
        ("HEAD /head", 200, ""),
        ("GET /empty", 200, ""),
        ("GET /last", 200, "x"),
    ] {
        client.write(format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        let reply = client.read_reply();
        assert_eq!((reply.status, reply.text().as_str(), reply.whole), (status, body, true), "{request}");
    }
    // Tells the primary that the client has the last answer too; nobody answers this one.
    client.write(b"GET /more HTTP/1.1\r\nHost: a\r\n\r\n");
    let report = proxy.report_when(|t| t["matched"] == 5);
    assert_eq!(report["totals"]["pending"], 1, "{:#}", report["totals"]);
}

/// A primary that answers one upload when it has the head, `ended` or without saying yet that this was all, and reads it
/// to its end. Tells how many bytes that were; `None` where its stream was reset.
fn eager(ended: bool) -> (String, mpsc::Receiver<Option<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("h2c://{}", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut leg, stream) = Http2::accept(&listener);
        leg.send(&frame(HEADERS, END_HEADERS, stream, &[&[0x88][..], &literal("content-length", "2")].concat()));
        leg.send(&frame(DATA, if ended { END_STREAM } else { 0 }, stream, b"ok"));
        let mut read = 0;
        let total = loop {
            match leg.next() {
                Some((DATA, flags, of, part)) if of == stream => {
                    read += part.len();
                    if flags & END_STREAM != 0 {
                        break Some(read);
                    }
                }
                None | Some((RST, ..)) => break None,
                Some(_) => {}
            }
        };
        let _ = tell.send(total);
        if !ended {
            leg.send(&frame(DATA, END_STREAM, stream, b""));
        }
        while leg.next().is_some() {}
    });
    (url, told)
}

#[test]
fn an_upload_goes_on_when_its_client_has_long_had_the_answer() {
    let (primary, told) = eager(false);
    let candidate = Upstream::json("{}");
    let proxy = Proxy::between(&primary, &candidate.url()).start();
    let mut client = proxy.connect();
    client.write(b"POST /u HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n");
    assert_eq!(client.read_reply().text(), "ok");
    // Longer than an end is waited for.
    for _ in 0..20 {
        client.write(&[b'x'; 100]);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Some(2000));
}

/// Connections that nobody uses end after 100 ms, and others after no time at all.
const HASTY: &str = "[listen]\nidle_timeout = \"100ms\"\nheader_timeout = \"1s\"\n";

impl Http2 {
    /// Stays longer than an idle client may by [`HASTY`], and does nothing but answer the proxy, which asks every 100 ms
    /// whether somebody is there. Says whether it was told to go.
    fn stay(&mut self) -> bool {
        let (mut asked, mut told) = (0, false);
        while asked < 15 {
            match self.next().expect("the connection goes on") {
                (PING, 0, _, payload) => {
                    asked += 1;
                    self.send(&frame(PING, 1, 0, &payload));
                }
                (SETTINGS, 0, ..) => assert!(self.send(&frame(SETTINGS, 1, 0, &[]))),
                (GOAWAY, ..) => told = true,
                _ => {}
            }
        }
        told
    }

    /// The rest of what comes on stream 1 in `DATA`, up to `most` bytes.
    fn data(&mut self, most: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < most {
            match self.next().expect("the connection goes on") {
                (DATA, _, 1, part) => all.extend(part),
                (PING, 0, _, payload) => assert!(self.send(&frame(PING, 1, 0, &payload))),
                _ => {}
            }
        }
        all
    }
}

#[test]
fn a_client_that_reads_slowly_is_not_idle() {
    let body = vec![b'x'; 10_000];
    let whole = answer("200 OK", &[], &body);
    let (primary, candidate) = (Upstream::answering(move |_| whole.clone()), Upstream::json("{}"));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(HASTY).start();
    let mut client = Http2::connect(&proxy);
    client.send(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 100]));
    client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&GET)));
    assert_eq!(client.data(100), body[..100]);
    assert!(!client.stay());
    client.send(&frame(WINDOW_UPDATE, 0, 1, &20_000u32.to_be_bytes()));
    assert_eq!(client.data(9900), body[100..]);
    // Now it is.
    let told = std::iter::from_fn(|| client.next()).any(|(kind, ..)| kind == GOAWAY);
    assert!(told && std::iter::from_fn(|| client.next()).count() < 10);
}

#[test]
fn a_client_that_still_sends_what_has_been_answered_is_not_idle_and_is_waited_for() {
    let (primary, told) = eager(true);
    let candidate = Upstream::json("{}");
    let mut proxy = Proxy::between(&primary, &candidate.url()).config(HASTY).start();
    let mut client = Http2::connect(&proxy);
    let post = block(&[(":method", "POST"), (":scheme", "http"), (":path", "/u"), (":authority", "a")]);
    client.send(&frame(HEADERS, END_HEADERS, 1, &post));
    assert_eq!(client.data(2), b"ok");
    assert!(!client.stay());
    proxy.signal("-TERM");
    assert!(client.stay());
    client.send(&frame(DATA, END_STREAM, 1, b"hello"));
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Some(5));
    assert_eq!(proxy.wait(), Some(0));
}

#[test]
fn a_client_with_a_tunnel_is_not_idle() {
    let (primary, candidate) = (crate::protocols::shouting(), Upstream::json("{}"));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(HASTY).start();
    let mut client = Http2::connect(&proxy);
    client.send(&frame(HEADERS, END_HEADERS, 1, &block(&[(":method", "CONNECT"), (":authority", "db.example:5432")])));
    assert_eq!(client.outcome(), Outcome::Ok);
    assert!(!client.stay());
    client.send(&frame(DATA, 0, 1, b"hello"));
    assert_eq!(client.data(5), b"HELLO");
}

#[test]
fn when_the_proxy_stops_it_waits_for_streams() {
    let (release, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let primary = Upstream::raw(move |_, stream| {
        let _ = wait.lock().unwrap().recv_timeout(PATIENCE);
        stream.write_all(&json(200, "{}")).is_ok()
    });
    let candidate = Upstream::json("{}");
    let mut proxy = Proxy::between(&primary.url(), &candidate.url()).config(HASTY).start();
    let mut client = Http2::connect(&proxy);
    client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&GET)));
    while primary.seen().is_empty() {
        std::thread::yield_now();
    }
    proxy.signal("-TERM");
    assert!(client.stay());
    release.send(()).unwrap();
    assert_eq!(client.data(2), b"{}");
    assert_eq!(proxy.wait(), Some(0));
}

#[test]
fn when_the_proxy_stops_it_does_not_wait_for_clients_that_wait_for_nothing() {
    let (primary, candidate) = upstreams();
    let config = "[listen]\nheader_timeout = \"200ms\"\n";
    let mut proxy = Proxy::between(&primary.url(), &candidate.url()).config(config).start();
    let mut silent = Http2::connect(&proxy);
    silent.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&GET)));
    assert_eq!(silent.outcome(), Outcome::Ok);
    proxy.signal("-TERM");
    // It says nothing to that, for which it would have half a minute.
    assert_eq!(proxy.wait(), Some(0));
}
