//! Tables of what must be refused and what must pass, each whole and byte by byte.

use super::*;
use bytes::Bytes;
use proptest::prelude::*;

const LIMITS: Limits = Limits { max_headers: 8, max_header_bytes: 600 };

/// Feeds `input` in the given pieces; what was released, and the refusal.
fn run<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Option<Refusal>) {
    let mut scanner = Scanner::new(LIMITS);
    let (mut held, mut out) = (Vec::new(), Vec::new());
    for piece in pieces {
        held.extend_from_slice(piece);
        while !held.is_empty() {
            match scanner.step(&held) {
                Ok(Step::NeedMore) => break,
                Ok(Step::Skip(n)) => drop(held.drain(..n)),
                Ok(Step::Release(n)) => {
                    assert!(n > 0);
                    out.extend(held.drain(..n));
                }
                Err(refusal) => return (out, Some(refusal)),
            }
        }
    }
    (out, None)
}

#[track_caller]
fn refused(code: &str, input: &[u8]) {
    let shown = String::from_utf8_lossy(input).into_owned();
    let (_, whole) = run([input]);
    let whole = whole.unwrap_or_else(|| panic!("passed: {shown:?}"));
    assert_eq!(whole.code, code, "{shown:?}: {whole:?}");
    let (_, bytes) = run(input.chunks(1));
    assert_eq!(bytes, Some(whole), "byte by byte: {shown:?}");
}

#[track_caller]
fn passes(input: &[u8], released: &[u8]) {
    let shown = String::from_utf8_lossy(input).into_owned();
    assert_eq!(run([input]), (released.to_vec(), None), "{shown:?}");
    assert_eq!(run(input.chunks(1)), (released.to_vec(), None), "byte by byte: {shown:?}");
}

fn with_field(field: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n")
}

#[test]
fn request_lines_that_are_refused() {
    for (code, line) in [
        ("request_line", "GET  / HTTP/1.1"),
        ("request_line", "GET /  HTTP/1.1"),
        ("request_line", "GET / HTTP/1.1 "),
        ("request_line", " GET / HTTP/1.1"),
        ("request_line", "GET /a b HTTP/1.1"),
        ("request_line", "GET /"),
        ("request_line", "GET"),
        ("request_line", "\x16\x03\x01"),
        ("request_line", ": x"),
        ("request_line", "GET\t/ HTTP/1.1"),
        ("target", "GET /\t HTTP/1.1"),
        ("control", "GET /\0 HTTP/1.1"),
        ("control", "GET /\x7f HTTP/1.1"),
        ("control", "GET /\x1b[0m HTTP/1.1"),
        ("bare_cr", "GET /\r HTTP/1.1"),
        ("bare_cr", "GET / HTTP/1.1\r"),
        ("version", "GET / HTTP/1.2"),
        ("version", "GET / HTTP/0.9"),
        ("version", "GET / HTTP/2"),
        ("version", "GET / HTTP/2.0"),
        ("version", "GET / http/1.1"),
        ("version", "GET / HTTP/1.1x"),
        ("version", "GET / HTTP/01.1"),
        ("version", "GET / HTTP/1,1"),
        ("version", "GET / HTTPS/1.1"),
        ("version", "GET / "),
        ("preface", "PRI * HTTP/2.0"),
        ("method", "GE(T / HTTP/1.1"),
        ("method", "GET@ / HTTP/1.1"),
        ("method", "G\u{e9}T / HTTP/1.1"),
        ("method", "GET: / HTTP/1.1"),
        ("method", "G/ET / HTTP/1.1"),
        ("target", "GET  HTTP/1.1"),
        ("target_fragment", "GET /#a HTTP/1.1"),
        ("target_fragment", "GET http://a/#b HTTP/1.1"),
        ("target_asterisk", "GET * HTTP/1.1"),
        ("target_asterisk", "options * HTTP/1.1"),
        ("target_form", "OPTIONS ** HTTP/1.1"),
        ("target_form", "GET a HTTP/1.1"),
        ("target_form", "GET a:80 HTTP/1.1"),
        ("target_form", "GET ?x HTTP/1.1"),
        ("target_form", "GET http:/a HTTP/1.1"),
        ("target_form", "GET http:a HTTP/1.1"),
        ("target_form", "GET .. HTTP/1.1"),
        ("target_form", "GET \\a HTTP/1.1"),
        ("target_scheme", "GET ftp://a/ HTTP/1.1"),
        ("target_scheme", "GET file:///etc/passwd HTTP/1.1"),
        ("target_scheme", "GET ://a/ HTTP/1.1"),
        ("target_scheme", "GET httpx://a/ HTTP/1.1"),
        ("target_scheme", "GET gopher://a HTTP/1.1"),
        ("target_userinfo", "GET http://u@a/ HTTP/1.1"),
        ("target_userinfo", "GET http://u:p@a/ HTTP/1.1"),
        ("target_userinfo", "GET http://a@ HTTP/1.1"),
        ("target_authority", "GET http:/// HTTP/1.1"),
        ("target_authority", "GET http:// HTTP/1.1"),
        ("target_authority", "GET http://?a HTTP/1.1"),
        ("target_authority", "GET http://a:b/ HTTP/1.1"),
        ("target_authority", "GET http://a:70000/ HTTP/1.1"),
        ("target_authority", "GET http://a,b/ HTTP/1.1"),
        ("target_authority", "GET http://a\\b/ HTTP/1.1"),
        ("target_authority", "GET http://[::1/ HTTP/1.1"),
        ("target_authority", "GET http://[::g]/ HTTP/1.1"),
        ("target_authority", "GET http://::1/ HTTP/1.1"),
        ("control", "GET /a\u{7f} HTTP/1.1"),
        ("connect_target", "CONNECT / HTTP/1.1"),
        ("connect_target", "CONNECT a HTTP/1.1"),
        ("connect_target", "CONNECT a: HTTP/1.1"),
        ("connect_target", "CONNECT :80 HTTP/1.1"),
        ("connect_target", "CONNECT a:80/ HTTP/1.1"),
        ("connect_target", "CONNECT u@a:80 HTTP/1.1"),
        ("connect_target", "CONNECT http://a:80 HTTP/1.1"),
        ("connect_target", "CONNECT a:80:90 HTTP/1.1"),
        ("connect_target", "CONNECT ::1:80 HTTP/1.1"),
        ("connect_target", "CONNECT * HTTP/1.1"),
        ("connect_target", "CONNECT a:99999 HTTP/1.1"),
    ] {
        refused(code, format!("{line}\r\nHost: a\r\n\r\n").as_bytes());
    }
}

/// Servers take what no URI may have, and mean the same by it when it is encoded.
#[test]
fn odd_bytes_of_a_target_are_encoded() {
    for (target, uri) in [
        (&b"/a?q=\xc3\xa9&x=<\"1\">"[..], "/a?q=%C3%A9&x=%3C%221%22%3E"),
        (b"/<a>`\xff\xfe", "/%3Ca%3E%60%FF%FE"),
        (b"/{a}|[b]^\\?{c}|[d]^\\", "/{a}|[b]^\\?{c}|[d]^\\"),
        (b"http://a/<b>?\xff", "http://a/%3Cb%3E?%FF"),
        (b"/a%C3%A9", "/a%C3%A9"),
    ] {
        let head = [b"GET ", target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        let mut scanner = Scanner::new(LIMITS);
        let Ok(Step::Release(n)) = scanner.step(&head) else { panic!("{}", target.escape_ascii()) };
        assert_eq!(n, head.len());
        assert_eq!(scanner.head(Bytes::from(head)).unwrap().uri, uri, "{}", target.escape_ascii());
    }
    let long = [b"/?".to_vec(), vec![0xff; 30_000]].concat();
    assert_eq!(target::check_target(b"GET", &long).unwrap_err().code, "target");
}

#[test]
fn fields_that_are_refused() {
    for (code, field) in [
        ("folded", " x: 1"),
        ("folded", "\tx: 1"),
        ("folded", "x: 1\r\n folded"),
        ("folded", "x: 1\r\n\tfolded: 2"),
        ("folded", " "),
        ("field_space", "x : 1"),
        ("field_space", "x\t: 1"),
        ("field_space", "Content-Length : 1"),
        ("field_space", "Transfer-Encoding : chunked"),
        ("field_name", "x y: 1"),
        ("field_name", ": 1"),
        ("field_name", "x(: 1"),
        ("field_name", "x\u{e9}: 1"),
        ("field_name", "x@y: 1"),
        ("field_name", "\"x\": 1"),
        ("field_name", "{x}: 1"),
        ("field_name", "x/y: 1"),
        ("field_name", "x,y: 1"),
        ("field", "x"),
        ("field", "Content-Length 5"),
        ("field", "Host=a"),
        ("control", "x: a\0b"),
        ("control", "x: a\x01"),
        ("control", "x: \x7f"),
        ("control", "x\0: 1"),
        ("control", "x: \x0b"),
        ("control", "x: \x08"),
        ("control", "Transfer-Encoding: \x0bchunked"),
        ("bare_cr", "x: a\rb: 2"),
        ("bare_cr", "x: a\r"),
        ("bare_cr", "\rx: a"),
        ("bare_lf", "x: a\nb: 2"),
        ("bare_lf", "\nGET /evil HTTP/1.1"),
        ("host_twice", "Host: a"),
        ("host_twice", "host: b"),
        ("host_twice", "HOST:"),
        ("content_length", "Content-Length:"),
        ("content_length", "Content-Length: -1"),
        ("content_length", "Content-Length: +1"),
        ("content_length", "Content-Length: 1, 1"),
        ("content_length", "Content-Length: 1,2"),
        ("content_length", "Content-Length: 1 1"),
        ("content_length", "Content-Length: 0x10"),
        ("content_length", "Content-Length: 1e2"),
        ("content_length", "Content-Length: 1.0"),
        ("content_length", "Content-Length: a"),
        ("content_length", "Content-Length: 1;"),
        ("content_length", "Content-Length: \"1\""),
        ("content_length", "Content-Length: 18446744073709551616"),
        ("content_length", "Content-Length: 99999999999999999999999"),
        ("content_length_twice", "Content-Length: 1\r\nContent-Length: 1"),
        ("content_length_twice", "Content-Length: 1\r\ncontent-length: 2"),
        ("content_length_twice", "Content-Length: 0\r\nx: y\r\nContent-Length: 0"),
        ("two_lengths", "Content-Length: 5\r\nTransfer-Encoding: chunked"),
        ("two_lengths", "Transfer-Encoding: chunked\r\nContent-Length: 0"),
        ("transfer_encoding", "Transfer-Encoding: gzip"),
        ("transfer_encoding", "Transfer-Encoding: gzip, chunked"),
        ("transfer_encoding", "Transfer-Encoding: chunked, gzip"),
        ("transfer_encoding", "Transfer-Encoding: chunked, chunked"),
        ("transfer_encoding", "Transfer-Encoding: chunked,"),
        ("transfer_encoding", "Transfer-Encoding: ,chunked"),
        ("transfer_encoding", "Transfer-Encoding: xchunked"),
        ("transfer_encoding", "Transfer-Encoding: chunked;q=1"),
        ("transfer_encoding", "Transfer-Encoding: \"chunked\""),
        ("transfer_encoding", "Transfer-Encoding: identity"),
        ("transfer_encoding", "Transfer-Encoding:"),
        ("transfer_encoding", "Transfer-Encoding: chunk"),
        ("transfer_encoding", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        ("transfer_encoding", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
        ("look_alike", "Content_Length: 5"),
        ("look_alike", "content_LENGTH: 5"),
        ("look_alike", "Transfer_Encoding: chunked"),
        ("connection", "Connection: host"),
        ("connection", "Connection: close, Content-Length"),
        ("connection", "Connection: transfer-encoding , close"),
        ("connection", "Connection:Host"),
    ] {
        refused(code, with_field(field).as_bytes());
    }
    refused("transfer_encoding", b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
    refused("transfer_encoding", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{a0}chunked\r\n\r\n".as_bytes());
    refused("field_name", "GET / HTTP/1.1\r\nHost: a\r\n\u{feff}Content-Length: 1\r\n\r\n".as_bytes());
}

#[test]
fn hosts_that_are_refused() {
    for value in [
        "",
        " ",
        "\t",
        "a b",
        "a,b",
        "a/b",
        "a/",
        "u@a",
        "u:p@a",
        "a:b",
        "a:-1",
        "a:+1",
        "a:80:80",
        "a:65536",
        "a:123456",
        "[::1",
        "::1",
        "[::1]x",
        "[::1]:x",
        "[]",
        "[v1.x]",
        "[1.2.3.4]",
        "http://a",
        "a?b",
        "a#b",
        "a\\b",
        "a%",
        "a%2",
        "a%zz",
        "a\"",
        "<a>",
        "a|b",
        "a^b",
        "{a}",
        ":80",
        "\u{e9}.example",
    ] {
        refused("host", format!("GET / HTTP/1.1\r\nHost:{value}\r\n\r\n").as_bytes());
        refused("host", format!("GET / HTTP/1.0\r\nHost: {value}\r\n\r\n").as_bytes());
    }
    refused("host_missing", b"GET / HTTP/1.1\r\n\r\n");
    refused("host_missing", b"GET http://a/ HTTP/1.1\r\nx-host: a\r\n\r\n");
    refused("host_twice", b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n");
}

#[test]
fn line_ends_and_limits_that_are_refused() {
    refused("bare_lf", b"GET / HTTP/1.1\nHost: a\n\n");
    refused("bare_lf", b"GET / HTTP/1.1\r\nHost: a\n\r\n");
    refused("bare_lf", b"GET / HTTP/1.1\r\nHost: a\r\n\n");
    refused("bare_lf", b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    refused("bare_cr", b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    refused("empty_lines", b"\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let many = "x: 1\r\n".repeat(8);
    refused("too_many_fields", format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n").as_bytes());
    refused("too_long", with_field(&format!("x: {}", "y".repeat(600))).as_bytes());
    refused("too_long", format!("GET /{}", "y".repeat(700)).as_bytes());
    let (_, too_long) = run([format!("GET /{} HTTP/1.1\r\n", "y".repeat(700)).as_bytes()]);
    assert_eq!(too_long.map(|r| r.status), Some(431));
}

#[test]
fn bodies_that_are_refused() {
    for (code, body) in [
        ("chunk", "\r\n"),
        ("chunk", "g\r\n"),
        ("chunk", "0x5\r\nhello\r\n"),
        ("chunk", "+5\r\nhello\r\n"),
        ("chunk", "-5\r\nhello\r\n"),
        ("chunk", " 5\r\nhello\r\n"),
        ("chunk", "5 \r\nhello\r\n"),
        ("chunk", "5\thello"),
        ("chunk", "5 ;a=b\r\nhello\r\n"),
        ("chunk", "5\nhello\r\n"),
        ("chunk", "5\rhello\r\n"),
        ("chunk", "5\r\r\nhello\r\n"),
        ("chunk", ";a\r\n"),
        ("chunk", "5\r\nhello0\r\n\r\n"),
        ("chunk", "5\r\nhello\n0\r\n\r\n"),
        ("chunk", "5\r\nhello\r0\r\n\r\n"),
        ("chunk", "5\r\nhello!\r\n0\r\n\r\n"),
        ("chunk", "4\r\nhello\r\n"),
        ("chunk", "5;a\0b\r\nhello\r\n"),
        ("chunk", "5;a\nb\r\nhello\r\n"),
        ("chunk", "5;a=\x7f\r\n"),
        ("chunk", "5;a\rb\r\n"),
        ("chunk", "00000000000000005\r\nhello\r\n"),
        ("chunk", "10000000000000000\r\n"),
        ("chunk", "5_0\r\n"),
        ("chunk", "5,5\r\n"),
        ("bare_lf", "0\r\n\n"),
        ("bare_lf", "0\r\na: b\n\r\n"),
        ("bare_cr", "0\r\na: \rb\r\n\r\n"),
        ("control", "0\r\na: \0\r\n\r\n"),
        ("field", "0\r\nabc\r\n\r\n"),
        ("field", "0\r\nGET / HTTP/1.1\r\n\r\n"),
        ("field_name", "0\r\n: b\r\n\r\n"),
        ("field_space", "0\r\na : b\r\n\r\n"),
        ("folded", "0\r\na: b\r\n c\r\n\r\n"),
        ("trailer", "0\r\nContent-Length: 5\r\n\r\n"),
        ("trailer", "0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("trailer", "0\r\ntransfer_encoding: chunked\r\n\r\n"),
        ("trailer", "0\r\nHost: a\r\n\r\n"),
        ("trailer", "0\r\nTE: trailers\r\n\r\n"),
        ("trailer", "0\r\nTrailer: x\r\n\r\n"),
        ("trailer", "0\r\nConnection: close\r\n\r\n"),
        ("trailer", "0\r\nUpgrade: x\r\n\r\n"),
        ("trailer", "0\r\nAuthorization: x\r\n\r\n"),
    ] {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        refused(code, format!("{head}{body}").as_bytes());
        refused(code, format!("{head}3\r\nabc\r\n{body}").as_bytes());
    }
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    refused("chunk", format!("{head}5;{}\r\n", "a".repeat(1025)).as_bytes());
    refused("chunk", format!("{head}{}", format!("1;{}\r\nx\r\n", "a".repeat(300)).repeat(4)).as_bytes());
    refused("too_long", format!("{head}0\r\nx: {}\r\n", "a".repeat(700)).as_bytes());
    refused("too_many_fields", format!("{head}0\r\n{}\r\n", "x: 1\r\n".repeat(9)).as_bytes());
}

#[test]
fn a_bad_request_behind_a_good_one_is_refused() {
    let good = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    let (out, refusal) = run([format!("{good}GET /\n").as_bytes()]);
    assert_eq!((out, refusal.map(|r| r.code)), (good.as_bytes().to_vec(), Some("bare_lf")));
    // A length too small leaves the rest of the body where a request line should be.
    refused("request_line", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na(bc");
}

#[test]
fn the_unusual_but_valid_passes_unchanged() {
    for head in [
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
        "get / HTTP/1.1\r\nHost: a\r\n\r\n",
        "M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n",
        "!#$%&'*+-.^_`|~ / HTTP/1.1\r\nHost: a\r\n\r\n",
        "PROPFIND /a HTTP/1.1\r\nHost: a\r\nDepth: 1\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
        "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET HTTP://a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET https://a:8443/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a?x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://[2001:db8::1]:80/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET // HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET //a/../b/./c HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /%00%2f%zz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a?b=c?d&e=/:@!$'()*+,; HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a|b{c}\"d\"~^ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /? HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: \t a \t \r\n\r\n",
        "GET / HTTP/1.1\r\nHOST: A.Example.\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [::ffff:1.2.3.4]:1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a_b-c~d:65535\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a%20b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: xn--bcher-kva.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nx:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nx: \r\nx: :\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nx: a\tb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nx: \u{e9}\u{ff}\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nx_y.z~: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n1: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, te, Upgrade,,x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nExpect: something-else\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:3\r\nExpect: 100-continue\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 003 \r\n\r\n\r\n\n",
        "POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\n\0\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\ntransfer-encoding:CHUNKED \r\nHost: a\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0000000000000005;a=\"b;c\"; d\r\nhe\r\no\r\n00\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\na;\r\n0123456789\r\n0;x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\n\r\n0\r\nX-Sum: 1\r\nx-b:\r\n\r\n",
    ] {
        passes(head.as_bytes(), head.as_bytes());
        let twice = head.repeat(2);
        passes(twice.as_bytes(), twice.as_bytes());
    }
    passes(
        "\r\n\r\n\r\n\r\nGET / HTTP/1.0\r\n\r\n\r\nGET / HTTP/1.0\r\n\r\n".as_bytes(),
        "GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n".as_bytes(),
    );
}

#[test]
fn what_passes_can_be_held_by_the_types_behind() {
    for host in ["a:", "a%20b", "[::1]:1", "a_b-c~d:65535"] {
        assert!(is_host(host.as_bytes()), "{host}");
        assert!(http::HeaderValue::from_str(host).is_ok());
    }
}

#[test]
fn the_answer_is_whole_and_plain() {
    let refusal = Refusal::bad("host_missing", "the header has no Host");
    let body = r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"the header has no Host"}"#;
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(String::from_utf8(refusal.answer()).unwrap(), answer);
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let body = proptest::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        Just(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        body.clone().prop_map(|b| {
            let mut m = format!("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", b.len()).into_bytes();
            m.extend(b);
            m
        }),
        proptest::collection::vec(body, 0..4).prop_map(|chunks| {
            let mut m = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r\n".to_vec();
            for c in chunks.iter().filter(|c| !c.is_empty()) {
                m.extend(format!("{:x};e\r\n", c.len()).bytes());
                m.extend(c);
                m.extend(b"\r\n");
            }
            m.extend(b"0\r\nx: y\r\n\r\n");
            m
        }),
    ]
}

proptest! {
    #[test]
    fn splits_never_matter(messages in proptest::collection::vec(message(), 1..5), cuts in proptest::collection::vec(1usize..60, 1..30)) {
        let stream = messages.concat();
        let mut pieces = Vec::new();
        let mut rest = &stream[..];
        for cut in cuts {
            let (piece, tail) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = tail;
        }
        pieces.push(rest);
        prop_assert_eq!(run(pieces), (stream.clone(), None));
    }

    #[test]
    fn a_split_never_changes_a_refusal(mut stream in message(), at in any::<prop::sample::Index>(), byte: u8, cut in 1usize..40) {
        let at = at.index(stream.len());
        stream[at] = byte;
        stream.extend(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        prop_assert_eq!(run([&stream[..]]).1, run(stream.chunks(cut)).1);
    }

    #[test]
    fn nothing_panics(data in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b':'), Just(b' ')], 0..300)) {
        run([&data[..]]);
        run(data.chunks(1));
    }
}

// === HTTP/2 ===

fn parts(method: &str, uri: &str, fields: &[(&str, &str)]) -> http::request::Parts {
    let mut request = http::Request::builder().method(method).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

#[test]
fn http2_requests() {
    let check = |method, uri, fields: &[(&str, &str)]| {
        let parts = parts(method, uri, fields);
        check_h2(&parts.method, &parts.uri, &parts.headers, 4).err().map(|r| r.code)
    };
    assert_eq!(check("GET", "http://a/x", &[]), None);
    assert_eq!(check("GET", "http://a/x", &[("host", "A"), ("te", "trailers"), ("content-length", "0")]), None);
    assert_eq!(check("GET", "/x", &[("host", "a")]), None);
    assert_eq!(check("OPTIONS", "*", &[("host", "a")]), None);
    assert_eq!(check("CONNECT", "a:443", &[]), None);
    for (code, method, uri, fields) in [
        ("host_missing", "GET", "/x", &[][..]),
        ("too_many_fields", "GET", "http://a/x", &[("a", ""), ("a", ""), ("a", ""), ("a", ""), ("b", "")]),
        ("host_missing", "GET", "*", &[]),
        ("host_differs", "GET", "http://a/x", &[("host", "b")]),
        ("host_twice", "GET", "http://a/x", &[("host", "a"), ("host", "a")]),
        ("host", "GET", "/x", &[("host", "a,b")]),
        ("host", "GET", "/x", &[("host", "")]),
        ("target_authority", "GET", "http://u@a/x", &[]),
        ("target_form", "GET", "*", &[("host", "a")]),
        ("content_length_twice", "GET", "http://a/", &[("content-length", "1"), ("content-length", "1")]),
        ("content_length", "GET", "http://a/", &[("content-length", "1, 1")]),
        ("content_length", "GET", "http://a/", &[("content-length", "+1")]),
        ("look_alike", "GET", "http://a/", &[("content_length", "1")]),
        ("connection_field", "GET", "http://a/", &[("connection", "close")]),
        ("connection_field", "GET", "http://a/", &[("transfer-encoding", "chunked")]),
        ("connection_field", "GET", "http://a/", &[("keep-alive", "1")]),
        ("te", "GET", "http://a/", &[("te", "gzip")]),
        ("connect_target", "CONNECT", "/x", &[("host", "a")]),
    ] {
        assert_eq!(check(method, uri, fields), Some(code), "{method} {uri} {fields:?}");
    }
}
