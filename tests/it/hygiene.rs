//! Hostile bytes: whatever can be read in two ways is refused and reaches nobody; others are served on.

use crate::harness::*;
use std::io::Read;

/// What an attacker would like to get past the proxy behind each request.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// A request that must be refused with this status.
struct Bad {
    status: u16,
    /// What is wrong stands in the body, so that a head that came alone has gone to the primary.
    late: bool,
    bytes: Vec<u8>,
}

fn bad(status: u16, bytes: impl AsRef<[u8]>) -> Bad {
    Bad { status, late: false, bytes: bytes.as_ref().to_vec() }
}

fn line(line: &str) -> Bad {
    bad(400, format!("{line}\r\nHost: a\r\n\r\n"))
}

fn field(field: &str) -> Bad {
    bad(400, format!("GET /f HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n"))
}

fn hosts(fields: &str) -> Bad {
    bad(400, format!("GET /h HTTP/1.1\r\n{fields}\r\n\r\n"))
}

fn framed(fields: &str, body: &str) -> Bad {
    bad(400, format!("POST /p HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{body}"))
}

fn chunks(body: &str) -> Bad {
    Bad { late: true, ..framed("Transfer-Encoding: chunked", body) }
}

fn corpus() -> Vec<Bad> {
    let lines = [
        "GET  /x HTTP/1.1",
        "GET /x  HTTP/1.1",
        "GET /x HTTP/1.1 ",
        " GET /x HTTP/1.1",
        "GET /x y HTTP/1.1",
        "GET /x",
        "GET",
        "GET\t/x HTTP/1.1",
        "GET /x\tHTTP/1.1",
        "GET /x\0 HTTP/1.1",
        "GET /x\x7f HTTP/1.1",
        "GET /x\x1b[31m HTTP/1.1",
        "GET /x\r HTTP/1.1",
        "GET /x HTTP/1.1\r",
        "GET /x HTTP/1.2",
        "GET /x HTTP/0.9",
        "GET /x HTTP/2.0",
        "GET /x HTTP/3",
        "GET /x http/1.1",
        "GET /x HTTP/1.10",
        "GET /x HTTP/ 1.1",
        "GET /x HTTP/1.1, HTTP/1.1",
        "GE(T /x HTTP/1.1",
        "G\u{e9}T /x HTTP/1.1",
        "GET: /x HTTP/1.1",
        "GET /x#fragment HTTP/1.1",
        "GET x HTTP/1.1",
        "GET * HTTP/1.1",
        "GET a:80 HTTP/1.1",
        "POST internal:8080 HTTP/1.1",
        "GET \\\\a\\x HTTP/1.1",
        "GET http:/a/x HTTP/1.1",
        "GET ftp://a/x HTTP/1.1",
        "GET file:///etc/passwd HTTP/1.1",
        "GET http://user:pw@a/x HTTP/1.1",
        "GET http://a@b/x HTTP/1.1",
        "GET http:///x HTTP/1.1",
        "GET http://a:99999/x HTTP/1.1",
        "GET http://a,b/x HTTP/1.1",
        "GET http://[::1/x HTTP/1.1",
        "CONNECT / HTTP/1.1",
        "CONNECT a HTTP/1.1",
        "CONNECT http://a:80 HTTP/1.1",
        "CONNECT u@a:80 HTTP/1.1",
        "PRI * HTTP/2.0",
    ];
    let fields = [
        // Folded lines and white space.
        " x: 1",
        "x: 1\r\n folded",
        "x: 1\r\n\tTransfer-Encoding: chunked",
        "x : 1",
        "x\t: 1",
        "Content-Length : 5",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        // Names.
        "x y: 1",
        ": 1",
        "x",
        "x(: 1",
        "x/y: 1",
        "x\u{e9}: 1",
        "\u{feff}Content-Length: 5",
        "Content-Length 5",
        "Host=a",
        // Control characters and line ends.
        "x: a\0b",
        "x\0: 1",
        "x: \x01",
        "x: \x7f",
        "x: \x0b",
        "x: a\rb",
        "x: a\r\rb: 2",
        "x: a\nTransfer-Encoding: chunked",
        "x: a\n\nGET /smuggled HTTP/1.1\r\nHost: a",
        // Connection that would take away what the next hop needs.
        "Connection: close, Host",
        "Connection: Content-Length",
        "Connection: transfer-encoding",
        // Names that CGI-like servers fold into framing fields.
        "Content_Length: 5",
        "Transfer_Encoding: chunked",
    ];
    let lengths = [
        ("Content-Length: 6\r\nTransfer-Encoding: chunked", "0\r\n\r\nX"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 4", "5c\r\n"),
        ("Content-Length: 0\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
        ("Content-Length: 5\r\nContent-Length: 5", "hello"),
        ("Content-Length: 0\r\nContent-Length: 44", ""),
        ("Content-Length: 44\r\nContent-Length: 0", ""),
        ("Content-Length: 5\r\nX: y\r\ncontent-length: 5", "hello"),
        ("Content-Length: 5, 5", "hello"),
        ("Content-Length: 5 5", "hello"),
        ("Content-Length: +5", "hello"),
        ("Content-Length: -5", "hello"),
        ("Content-Length: 0x5", "hello"),
        ("Content-Length: 5.0", "hello"),
        ("Content-Length: 5e0", "hello"),
        ("Content-Length: five", "hello"),
        ("Content-Length: 5;", "hello"),
        ("Content-Length: \"5\"", "hello"),
        ("Content-Length:", "hello"),
        ("Content-Length: 18446744073709551616", "hello"),
        ("Content-Length: 99999999999999999999999999", "hello"),
        ("Content-Length: \u{ff15}", "hello"),
        ("Transfer-Encoding: gzip", "hello"),
        ("Transfer-Encoding: identity", "hello"),
        ("Transfer-Encoding:", "hello"),
        ("Transfer-Encoding: chunked, gzip", "0\r\n\r\n"),
        ("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked, chunked", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked, identity", "0\r\n\r\n"),
        ("Transfer-Encoding: xchunked", "0\r\n\r\n"),
        ("Transfer-Encoding: chunk", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked;q=1", "0\r\n\r\n"),
        ("Transfer-Encoding: \"chunked\"", "0\r\n\r\n"),
        ("Transfer-Encoding: 'chunked'", "0\r\n\r\n"),
        ("Transfer-Encoding: ,chunked", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked,", "0\r\n\r\n"),
        ("Transfer-Encoding: \x0bchunked", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\x0c", "0\r\n\r\n"),
        ("Transfer-Encoding: \u{a0}chunked", "0\r\n\r\n"),
        ("Transfer-Encoding:\r\n chunked", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "0\r\n\r\n"),
        ("Transfer-Encoding: x\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\nTransfer-encoding: chunked", "0\r\n\r\n"),
        ("X: y\rTransfer-Encoding: chunked\r\nContent-Length: 5", "hello"),
        ("X: y\nContent-Length: 5", "hello"),
    ];
    let bodies = [
        "zz\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\t\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "5_0\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "4\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "100000000000000000\r\nhello\r\n0\r\n\r\n",
        "00000000000000005\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "5;ext\nhello\r\n0\r\n\r\n",
        "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5;a\0b\r\nhello\r\n0\r\n\r\n",
        "0\r\nContent-Length: 5\r\n\r\n",
        "0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "0\r\nHost: b\r\n\r\n",
        "0\r\nConnection: close\r\n\r\n",
        "0\r\nAuthorization: x\r\n\r\n",
        "0\r\n folded\r\n\r\n",
        "0\r\nx : y\r\n\r\n",
        "0\r\nx: y\n\r\n",
        "0\r\nx: \0\r\n\r\n",
        "0\r\nno colon\r\n\r\n",
        "0\r\nGET /smuggled HTTP/1.1\r\n\r\n",
        "0\n\n",
        "0\r\n\n",
    ];
    let mut list: Vec<Bad> = lines.into_iter().map(line).collect();
    list.extend(fields.into_iter().map(field));
    list.extend(lengths.into_iter().map(|(fields, body)| framed(fields, body)));
    list.extend(bodies.into_iter().map(chunks));
    list.extend(
        [
            "X: no host",
            "Host:",
            "Host: ",
            "Host: a\r\nHost: a",
            "Host: a\r\nhost: b",
            "Host: a, b",
            "Host: a b",
            "Host: a/x",
            "Host: u@a",
            "Host: http://a",
            "Host: a:b",
            "Host: a:80:80",
            "Host: a:65536",
            "Host: [::1",
            "Host: a?x",
            "Host: a\\b",
            "Host: a#b",
            "Host: \u{fc}ber",
            "Host: a\0",
        ]
        .into_iter()
        .map(hosts),
    );
    list.push(bad(400, "\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    list.push(bad(400, "\r\n\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    list.push(bad(400, "GET / HTTP/1.1\nHost: a\n\n"));
    list.push(bad(400, "GET / HTTP/1.1\r\nHost: a\n\r\n"));
    list.push(bad(400, "GET / HTTP/1.1\r\nHost: a\r\n\n"));
    list.push(bad(400, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
    list.push(bad(400, "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"));
    list.push(bad(400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"));
    list.push(bad(400, b"SSH-2.0-OpenSSH_9.9\r\n"));
    list.push(bad(400, b"\0\0\0\0\0\0\0\0"));
    list.push(bad(431, format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: y\r\n".repeat(300))));
    list.push(bad(431, format!("GET / HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n", "y".repeat(70_000))));
    list.push(bad(431, format!("GET / HTTP/1.1\r\nHost: a\r\n{}: y\r\n\r\n", "x".repeat(70_000))));
    list.push(bad(431, format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "u".repeat(70_000))));
    let many = "x: y\r\n".repeat(300);
    let trailers = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{many}\r\n");
    list.push(Bad { late: true, ..bad(431, trailers) });
    let extensions = format!("5;{}\r\nhello\r\n0\r\n\r\n", "e".repeat(5000));
    list.push(chunks(&extensions));
    list
}

/// Unusual, but there is only one way to read it.
fn unusual() -> Vec<String> {
    let fields = [
        "x:",
        "x: :",
        "x: a\tb",
        "x: \u{e9}\u{ff}",
        "x_y.z~: 1",
        "1: 2",
        "Connection: keep-alive,, te",
        "Expect: something-else",
        "Content-Length: 0",
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
        "TE: gzip, trailers\r\nConnection: te",
        "Proxy-Connection: keep-alive",
    ];
    let mut list: Vec<String> =
        fields.iter().map(|f| format!("GET /ok HTTP/1.1\r\nHost: a\r\n{f}\r\nConnection: close\r\n\r\n")).collect();
    for host in ["a_b-c~d:65535", "[::1]:80", "A.Example.", "a:", "xn--bcher-kva.example", "127.0.0.1"] {
        list.push(format!("GET /ok HTTP/1.1\r\nHost: \t {host} \t\r\nConnection: close\r\n\r\n"));
    }
    for target in [
        "/ok//..//%2e%2e",
        "/ok?a=b?c#".trim_end_matches('#'),
        "/ok|{}\"^",
        "/ok<\u{e9}>?q=\u{e9}&x=\"<`",
        "http://b/ok",
        "HTTPS://b:443/ok",
    ] {
        list.push(format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    }
    for body in [
        "5\r\nhello\r\n0\r\n\r\n",
        "0000000000000005;a=\"b;c\"; d\r\nhello\r\n00\r\n\r\n",
        "5;\r\nhello\r\n0;x\r\n\r\n",
        "1\r\n\n\r\n4\r\n\r\n\0\0\r\n0\r\nX-Sum: 1\r\n\r\n",
    ] {
        list.push(format!(
            "POST /ok HTTP/1.1\r\ntransfer-encoding:CHUNKED \r\nHost: a\r\nConnection: close\r\n\r\n{body}"
        ));
    }
    list.push("\r\n\r\nGET /ok HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".into());
    list.push("get /ok HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".into());
    list.push("POST /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 0005\r\nConnection: close\r\n\r\nhello".into());
    list.push("GET /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello".into());
    let long = "u".repeat(30_000);
    list.push(format!("GET /ok{long} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    list.push(format!("GET /ok HTTP/1.1\r\nHost: a\r\n{}Connection: close\r\n\r\n", "x: y\r\n".repeat(250)));
    list
}

/// Refused requests as the metrics tell them.
pub fn metrics(proxy: &Proxy) -> String {
    let mut client = Client::connect(proxy.admin);
    client.write(format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", proxy.admin).as_bytes());
    let text = client.read_reply().text();
    text.lines().filter(|l| l.starts_with("parallax_refused_requests_total{")).collect::<Vec<_>>().join("\n")
}

/// Refused requests by the metrics: all, or those for one reason.
pub fn refused(proxy: &Proxy, reason: &str) -> u64 {
    let text = metrics(proxy);
    let lines = text.lines().filter(|l| l.contains(reason));
    lines.map(|l| l.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64).sum()
}

pub fn upstreams() -> (Upstream, Upstream) {
    (Upstream::json("{\"a\":1}"), Upstream::json("{\"a\":1}"))
}

#[test]
fn what_can_be_read_in_two_ways_is_refused_and_reaches_nobody() {
    let (primary, candidate) = upstreams();
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let corpus = corpus();
    assert!(corpus.len() >= 120, "{}", corpus.len());
    for Bad { status, bytes, .. } in &corpus {
        let shown: String = text(bytes).escape_debug().take(300).collect();
        let mut client = proxy.connect();
        client.write(&[bytes, SMUGGLED.as_bytes()].concat());
        let reply = client.read_reply();
        assert_eq!(reply.status, *status, "{shown}\n{reply:?}");
        assert_eq!(reply.header("connection"), Some("close"), "{shown}");
        assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{shown}");
        assert!(reply.whole && client.at_end(), "it closes: {shown}");
    }
    assert_eq!((text(&primary.wire()), text(&candidate.wire())), (String::new(), String::new()));
    assert_eq!(refused(&proxy, ""), corpus.len() as u64, "{}", metrics(&proxy));
    assert_eq!(proxy.report()["totals"]["requests"], 0, "what is refused is not a request");
    assert_eq!(proxy.get("/after").status, 200);
    assert_eq!(proxy.settled(1)["totals"]["matched"], 1);
}

#[test]
fn a_refusal_behind_a_good_request_on_the_same_connection() {
    let (primary, candidate) = upstreams();
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let corpus = corpus();
    for Bad { status, bytes, .. } in &corpus {
        let shown: String = text(bytes).escape_debug().take(300).collect();
        let mut client = proxy.connect();
        client.write(&[b"GET /good HTTP/1.1\r\nHost: a\r\n\r\n", &bytes[..], SMUGGLED.as_bytes()].concat());
        assert_eq!(client.read_reply().status, 200, "{shown}");
        assert_eq!(client.read_reply().status, *status, "{shown}");
        assert!(client.at_end(), "{shown}");
    }
    for upstream in [&primary, &candidate] {
        let wire = text(&upstream.wire());
        assert!(!wire.contains("smuggled"), "{wire}");
    }
    let report = proxy.settled(corpus.len() as u64);
    assert_eq!(report["totals"]["matched"], corpus.len());
    assert!(primary.seen().iter().all(|s| s.path() == "/good"));
}

#[test]
fn a_refusal_whatever_pieces_the_bytes_come_in() {
    let (primary, candidate) = upstreams();
    let proxy =
        Proxy::between(&primary.url(), &candidate.url()).config("[mirror]\nmethods = [\"GET\", \"POST\"]\n").start();
    let corpus = corpus();
    let mut late = 0;
    for bad in corpus.iter().filter(|b| b.bytes.len() < 1000) {
        let shown = text(&bad.bytes).escape_debug().to_string();
        let mut client = proxy.connect();
        for byte in bad.bytes.iter().chain(SMUGGLED.as_bytes()) {
            client.write(&[*byte]);
        }
        let reply = client.read_reply();
        match bad.late {
            false => assert_eq!(reply.status, bad.status, "{shown}"),
            true => assert!([400, 431, 0].contains(&reply.status), "{shown}: {reply:?}"),
        }
        assert!(client.at_end(), "{shown}");
        late += u64::from(bad.late);
    }
    for upstream in [&primary, &candidate] {
        assert!(!text(&upstream.wire()).contains("/smuggled HTTP"), "{}", text(&upstream.wire()));
        assert!(upstream.seen().is_empty(), "no request was whole: {:?}", upstream.seen());
    }
    // A head that was good by itself was a request, whose body its client then broke.
    let report = proxy.report_when(|t| t["pending"] == 0);
    let requests = report["totals"]["requests"].as_u64().unwrap();
    assert!(requests <= late, "{report:#}");
    assert_eq!(report["totals"]["incomparable_reasons"]["client_aborted"], requests, "{report:#}");
    assert_eq!(proxy.get("/after").status, 200);
}

#[test]
fn what_is_only_unusual_passes() {
    let (primary, candidate) = upstreams();
    let proxy =
        Proxy::between(&primary.url(), &candidate.url()).config("[mirror]\nmethods = [\"GET\", \"POST\"]\n").start();
    let list = unusual();
    for request in &list {
        let shown: String = request.escape_debug().take(300).collect();
        let before = primary.seen().len();
        assert_eq!(proxy.send(request).status, 200, "{shown}");
        let seen = primary.seen();
        assert_eq!(seen.len(), before + 1, "{shown}");
        let seen = seen.last().unwrap();
        assert!(seen.path().starts_with("/ok"), "{shown}: {seen:?}");
        if request.contains("hello") {
            assert_eq!(text(&seen.body), "hello", "{shown}");
        }
        for gone in ["upgrade", "http2-settings", "proxy-connection"] {
            assert_eq!(seen.header(gone), None, "{shown}");
        }
        if request.contains("://b") {
            assert!(seen.header("host").unwrap().starts_with('b'), "the target's authority overrides Host: {seen:?}");
        }
    }
    let report = proxy.settled(list.len() as u64);
    assert_eq!(refused(&proxy, ""), 0);
    assert_eq!(report["totals"]["divergent"], 0);
}

#[test]
fn the_slow_are_cut_off_and_nobody_waits_for_them() {
    let (primary, candidate) = upstreams();
    let config = "[listen]\nheader_timeout = \"300ms\"\nbody_timeout = \"300ms\"\nidle_timeout = \"300ms\"\n";
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(config).start();
    let begin = |bytes: &str| {
        let mut client = proxy.connect();
        client.write(bytes.as_bytes());
        client
    };
    let mut heads: Vec<_> = (0..50).map(|_| begin("GET /slow HTTP/1.1\r\nHost: a\r\nX-")).collect();
    let mut bodies: Vec<_> =
        (0..10).map(|_| begin("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nab")).collect();
    let mut silent: Vec<_> = (0..10).map(|_| begin("")).collect();
    let mut preface: Vec<_> = (0..10).map(|_| begin("PRI * HT")).collect();
    let mut http2: Vec<_> = (0..5).map(|_| begin("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")).collect();
    assert_eq!(proxy.get("/quick").status, 200);
    for client in &mut heads {
        assert_eq!(client.read_reply().status, 408);
        assert!(client.at_end());
    }
    for client in &mut bodies {
        assert!([408, 0].contains(&client.read_reply().status));
        assert!(client.at_end());
    }
    for client in silent.iter_mut().chain(&mut preface) {
        assert!(client.at_end(), "a silent connection ends");
    }
    for client in &mut http2 {
        // Its SETTINGS and GOAWAY, then the end.
        let mut sink = Vec::new();
        client.stream.read_to_end(&mut sink).unwrap();
    }
    assert!(primary.seen().iter().all(|s| s.path() == "/quick"), "{:?}", primary.seen());
    assert_eq!(refused(&proxy, "header_timeout"), 50);
    assert_eq!(refused(&proxy, "body_timeout"), 10);
    assert_eq!(proxy.get("/after").status, 200);
}
