//! Pairs of answers and what is found in them, layer by layer.

use super::super::coding::tests::gzip;
use super::*;

// === transport and status ===

#[test]
fn a_leg_that_fails_owns_everything() {
    let asked = Asked::new("GET", "/");
    let primary = answer("200\nx-a: 1\n\nbody");
    for (kind, expected) in [
        (FailureKind::Refused, "transport.refused @ transport break"),
        (FailureKind::Tls, "transport.tls @ transport break"),
        (FailureKind::Timeout, "transport.timeout @ transport break"),
        (FailureKind::Reset, "transport.reset @ transport break"),
        (FailureKind::Protocol, "transport.protocol @ transport break"),
        (FailureKind::IdleRace, "transport.idle_race @ transport info"),
    ] {
        assert_eq!(told(&asked.compare(&primary, &Outcome::Failed(failed(kind)))), expected);
    }
    let cut = truncated("200\n\nbo");
    check_answers(&asked, &primary, &cut, "transport.truncated @ transport break\n(header.missing @ header:x-a value)");
}

#[test]
fn bodies_are_as_long_as_their_heads_say() {
    let long = "transport.length_mismatch @ transport break";
    check("200\ncontent-length: 2\n\nab", "200\ncontent-length: 3\n\nab", long);
    check("200\n\nab", "200\ncontent-length: 1\n\nab", long);
    check("200\n\nab", "200\ncontent-length: 2, 2\n\nab", "");
    check("200\n\nab", "200\ncontent-length: 2, 3\n\nab", "transport.bad_framing @ transport break");
    check("200\n\nab", "200\ncontent-length: two\n\nab", "transport.bad_framing @ transport break");
    check(
        "200\nx-a: 1\n\nab",
        "200\ncontent-length: 3\n\nac",
        "transport.length_mismatch @ transport break\n(header.missing @ header:x-a value)\n(text.hunk @ text value)",
    );
    // Not the candidate's fault, and nothing to hold against it where both are wrong.
    check("200\ncontent-length: 3\n\nab", "200\n\nab", "transport.length_mismatch @ transport info");
    check("200\ncontent-length: 3\n\nab", "200\ncontent-length: 4\n\nab", "");
    check("304\ncontent-length: 3", "304\ncontent-length: 3", "");
    let head = Asked::new("HEAD", "/");
    check_answers(&head, &answer("200\ncontent-length: 3"), &answer("200"), "");
}

#[test]
fn status_owns_what_follows() {
    check("200", "500", "status.class @ status break");
    check("302", "307", "status.code @ status value");
    check("400", "422", "status.code @ status value");
    check("200", "404", "status.class @ status break");
    check("200\n\nx", "204", "status.code @ status value\n(body.empty_vs_content @ body value)");
    check(
        "200\nx-a: 1\ncontent-type: text/plain\n\na",
        "500\ncontent-type: application/json\n\n{}",
        "status.class @ status break\n(header.missing @ header:x-a value)\n(ctype.type @ header:content-type value)\n(text.hunk @ text value)",
    );
    check("200 FOUND", "200 Found", "status.reason @ status info");
    check("200 OK", "200 Fine", "status.reason @ status info");
    // Many servers send none, as over HTTP/2 nobody does.
    check("200 OK", "200 ", "");
    check("200 FOUND", "200", "");
    check("200", "200 OK", "");
}

#[test]
fn our_own_mark_echoed_back_is_no_divergence() {
    check(
        "200\ncontent-type: application/json\n\n{\"headers\":{\"Host\":\"a\"}}",
        "200\ncontent-type: application/json\n\n{\"headers\":{\"Host\":\"a\",\"X-Parallax-Leg\":\"candidate\"}}",
        "json.extra @ json:$.headers['X-Parallax-Leg'] info",
    );
}

// === codings ===

#[test]
fn the_same_content_in_another_coding() {
    let asked = Asked::new("GET", "/");
    let plain = answer("200\ncontent-type: text/plain\n\nhello");
    let head = "200\ncontent-type: text/plain\ncontent-encoding: gzip";
    let zipped = with_body(head, &gzip(b"hello"));
    check_answers(&asked, &plain, &zipped, "coding.changed @ header:content-encoding repr");
    let mut other = gzip(b"hello");
    other[9] ^= 7; // the operating system it was packed on
    check_answers(&asked, &zipped, &with_body(head, &other), "coding.bytes @ header:content-encoding repr");
    check_answers(
        &asked,
        &plain,
        &with_body(head, &gzip(b"hallo")),
        "coding.changed @ header:content-encoding repr\ntext.hunk @ text value",
    );
    // Labelled but not packed.
    check_answers(
        &asked,
        &plain,
        &with_body(head, b"hello"),
        "coding.changed @ header:content-encoding repr\nparse.one_side @ body break",
    );
    let cut = gzip(b"hello");
    check_answers(
        &asked,
        &zipped,
        &with_body(head, &cut[..cut.len() - 4]),
        "parse.one_side @ body break\n(body.opaque @ body value)",
    );
}

#[test]
fn a_coding_nobody_knows_is_compared_as_it_came() {
    check("200\ncontent-encoding: pied\n\na", "200\ncontent-encoding: pied\n\nb", "body.opaque @ body value");
    check("200\n\na", "200\ncontent-encoding: pied\n\na", "coding.changed @ header:content-encoding value");
}

#[test]
fn a_bomb_is_a_budget_and_not_a_match() {
    let mut asked = Asked::new("GET", "/");
    asked.limits.decoded = 1000;
    let bomb = |n| with_body("200\ncontent-encoding: gzip", &gzip(&vec![b'a'; n]));
    check_answers(&asked, &bomb(2000), &bomb(3000), "budget: the body decodes to more than is allowed");
}

// === bodies ===

#[test]
fn json_bodies() {
    let json = |b: &str| format!("200\ncontent-type: application/json\n\n{b}");
    check(&json("{\"a\":1}"), &json("{ \"a\": 1 }"), "json.whitespace @ json:$ repr");
    check(&json("{\"a\":1}"), &json("oops"), "parse.one_side @ body break\n(text.hunk @ text value)");
    check(&json("nope"), &json("oops"), "parse.both @ body info\ntext.hunk @ text value");
    check(&json("{}"), &json(""), "body.empty_vs_content @ body value");
    // Wrongly or not declared, but JSON on both sides.
    check("200\n\n{\"a\":1}", "200\n\n{\"a\": 1}", "json.whitespace @ json:$ repr");
    check("200\n\n{a", "200\n\n{b", "text.hunk @ text value");
    check(
        "200\ncontent-type: application/octet-stream\n\n[1]",
        "200\ncontent-type: application/json\n\n[2]",
        "ctype.type @ header:content-type value\n(json.value @ json:$[*] value)",
    );
}

#[test]
fn json_by_any_of_its_names() {
    let of = |kind: &str, b: &str| format!("200\ncontent-type: {kind}\n\n{b}");
    let json = [
        "application/x-amz-json-1.0",
        "application/x-amz-json-1.1; charset=utf-8",
        "application/vnd.x.json",
        "application/problem+json",
        "text/x-json",
    ];
    for kind in json {
        check(&of(kind, "{\"a\":1}"), &of(kind, "{\"a\": 2}"), "json.value @ json:$.a value");
        check(&of(kind, "1"), &of(kind, "2"), "json.value @ json:$ value");
        check(&of(kind, "{}"), &of(kind, "{"), "parse.one_side @ body break\n(text.hunk @ text value)");
    }
    for kind in ["application/octet-stream", "application/x-unheard-of", "application/x-notjson"] {
        check(&of(kind, "{\"a\":1}"), &of(kind, "{ \"a\": 1 }"), "json.whitespace @ json:$ repr");
        check(&of(kind, "[1]"), &of(kind, "[2]"), "json.value @ json:$[*] value");
        check(&of(kind, "[1]"), &of(kind, "[2"), "body.opaque @ body value");
        check(&of(kind, "1"), &of(kind, "2"), "body.opaque @ body value");
    }
    check(
        &of("application/x-json+xml", "<a>1</a>"),
        &of("application/x-json+xml", "<a>2</a>"),
        "xml.text @ xml:/a value",
    );
}

#[test]
fn strings_that_start_with_an_own_origin() {
    let asked = Asked::new("GET", "/a").origins("http://old:1", "http://new:2");
    let json = |b: &str| answer(&format!("200\ncontent-type: application/json\n\n{b}"));
    check_answers(&asked, &json("{\"u\":\"http://old:1/x\"}"), &json("{\"u\":\"http://new:2/x\"}"), "");
    check_answers(&asked, &json("{\"u\":\"http://old:1/x\"}"), &json("{\"u\":\"http://shop.example/x\"}"), "");
    let spaced = "json.whitespace @ json:$ repr";
    for same in ["http://old:1/x", "http://new:2/x", "http:\\/\\/old:1\\/x"] {
        let (a, b) = (format!("{{\"u\":\"{same}\"}}"), format!("{{\"u\": \"{same}\"}}"));
        check_answers(&asked, &json(&a), &json(&b), spaced);
    }
    let (old, new) = ("{\"u\":\"http:\\/\\/old:1\\/x\"}", "{\"u\":\"http:\\/\\/new:2\\/x\"}");
    check_answers(&asked, &json(old), &json(new), "");
    let escape = "json.escape @ json:$.u repr";
    check_answers(&asked, &json(old), &json("{\"u\":\"http://new:2/x\"}"), escape);
    let literal = json("{\"u\":\"{origin}/x\"}");
    check_answers(&asked, &json("{\"u\":\"http://old:1/x\"}"), &literal, "json.value @ json:$.u value");
    // The primary's origin where the primary has its own is a link that was not moved.
    let leads_back = json("{\"u\":\"http://old:1/y\"}");
    check_answers(&asked, &json("{\"u\":\"http://old:1/x\"}"), &leads_back, "json.value @ json:$.u value");
    let both = |u: &str| json(&format!("{{\"u\":\"http://{u}/x\",\"v\":\"http://old:1/x\"}}"));
    check_answers(&asked, &both("old:1"), &both("new:2"), "");
    let text = |b: &str| answer(&format!("200\ncontent-type: text/html\n\n{b}"));
    let line = |b: &str| format!("<a href='{b}'>");
    check_answers(&asked, &text(&line("http://old:1/x")), &text(&line("http://new:2/x")), "");
    for same in ["http://old:1/x", "http://new:2/x"] {
        let spaced = "text.whitespace @ text repr";
        check_answers(&asked, &text(&line(same)), &text(&format!("{}\n", line(same))), spaced);
        let spaced = "xml.whitespace @ xml:/ repr";
        let xml = |b: &str| answer(&format!("200\ncontent-type: application/xml\n\n{b}"));
        let (a, b) = (xml(&format!("<a h='{same}'/>")), xml(&format!("<a h='{same}' />")));
        check_answers(&asked, &a, &b, spaced);
    }
    check_answers(&asked, &text(&line("http://old:1/x")), &text(&line("{origin}/x")), "text.hunk @ text value");
    let header = |v: &str| answer(&format!("200\nx-a: {v}"));
    check_answers(&asked, &header("http://old:1/x"), &header("http://new:2/x"), "");
    check_answers(&asked, &header("http://old:1/x"), &header("{origin}/x"), "header.value @ header:x-a value");
}

#[test]
fn text_bodies() {
    let html = |b: &str| format!("200\ncontent-type: text/html\n\n{b}");
    check(&html("a\nb"), &html("a\nc"), "text.hunk @ text value");
    check(&html("a\r\nb\r\n"), &html("a\nb  "), "text.whitespace @ text repr");
    check(&html("1\n2\n3\n4\n5"), &html("x\n2\n3\n4\ny"), "text.hunk @ text value\ntext.hunk @ text value");
    check(&html("<a><b/></a>"), &html("<a><c/></a>"), "text.hunk @ text value");
    let yaml = |b: &str| format!("200\ncontent-type: application/yaml\n\n{b}");
    check(&yaml("a:\n  b: 1\nc: 2"), &yaml("a:\n  b: 1\n  c: 2"), "text.hunk @ text value");
    check(&yaml("a:\n  b:  1\n\n"), &yaml("a:\r\n    b: 1\r\n"), "text.whitespace @ text repr");
    let marked = |b: &str| format!("200\ncontent-type: application/json\n\n\u{feff}{b}");
    check(&marked("{\"a\":1}"), &marked("{\"a\":2}"), "json.value @ json:$.a value");
    let metrics = |b: &str| format!("200\ncontent-type: text/plain; version=0.0.4\n\n{b}");
    check(&metrics("a 1\nb 2\n"), &metrics("b 2\na 1\n"), "text.order @ text order");
    let xml = |b: &str| format!("200\ncontent-type: application/xml\n\n{b}");
    check(&xml("<a>\n  <b>1</b>\n</a>"), &xml("<a><b>1</b></a>"), "xml.whitespace @ xml:/ repr");
    check(&xml("<a>1</a>"), &xml("<a>2</a>"), "xml.text @ xml:/a value");
    check(&xml("<a>1</a>"), &xml("<a>1"), "parse.one_side @ body break\n(text.hunk @ text value)");
    let of = |kind: &str, b: &str| format!("200\ncontent-type: {kind}\n\n{b}");
    let lines = |space: &str| of("application/xhtml+xml", &format!("<p><b>x</b>{space}<i>y</i></p>"));
    check(&lines(" "), &lines(""), "xml.text @ xml:/p value");
    for kind in ["text/xml; charset=utf-8", "application/xhtml+xml", "image/svg+xml", "application/atom+xml"] {
        check(&of(kind, "<a i='1'/>"), &of(kind, "<a/>"), "xml.attr @ xml:/a/@i value");
    }
}

#[test]
fn bytes_nobody_understands() {
    let png = |b: &[u8]| with_body("200\ncontent-type: image/png", b);
    let asked = Asked::new("GET", "/");
    check_answers(&asked, &png(b"\x89PNG1"), &png(b"\x89PNG2"), "body.opaque @ body value");
    let found = asked.compare(&png(b"\x89PNG1"), &Outcome::from(png(b"\x89PNG2x")));
    assert_eq!(found.list[0].primary.as_deref(), Some("5 bytes, from 4: 31"));
    assert_eq!(found.list[0].candidate.as_deref(), Some("6 bytes, from 4: 3278"));
    let in_charset =
        |charset: &str, b: &[u8]| with_body(&format!("200\ncontent-type: text/plain; charset={charset}"), b);
    let (latin, utf8) = (in_charset("iso-8859-1", b"caf\xe9"), in_charset("utf-8", "café".as_bytes()));
    let charset = "ctype.charset @ header:content-type value";
    check_answers(&asked, &latin, &utf8, &format!("{charset}\ntext.encoding @ text repr"));
    check_answers(&asked, &in_charset("latin1", b"caf\xe8"), &utf8, &format!("{charset}\ntext.hunk @ text value"));
    check_answers(&asked, &in_charset("utf-8", b"\xff"), &latin, &format!("{charset}\ntext.hunk @ text value"));
    check("200\n\n<?xml version='1.0'?><a>1</a>", "200\n\n<?xml version='1.0'?><a>2</a>", "xml.text @ xml:/a value");
    // Bytes that are no text are not made equal by showing them.
    let text = |b: &[u8]| with_body("200\ncontent-type: text/plain", b);
    check_answers(&asked, &text(b"\xff"), &text(b"\xfe"), "text.hunk @ text value");
    check_answers(&asked, &text(b"caf\xe9"), &text(b"caf\xe8\n"), "text.hunk @ text value");
    check_answers(&asked, &text(b"caf\xe9"), &text(b"caf\xe9\n"), "text.whitespace @ text repr");
    check_answers(&asked, &text(b"caf\xe9"), &text("caf\u{fffd}".as_bytes()), "text.hunk @ text value");
    let stand_in = "caf\u{10ffe9}";
    check_answers(&asked, &text(b"caf\xe9"), &text(stand_in.as_bytes()), "body.opaque @ body value");
    let found = asked.compare(&text(b"caf\xe9 1"), &Outcome::from(text(b"caf\xe8 1")));
    let [f] = &*found.list else { panic!("{found:?}") };
    assert_eq!((f.primary.as_deref(), &*f.primary_class), (Some("caf\\xe9 1"), "caf\\xe9 0"));
    assert_eq!((f.candidate.as_deref(), &*f.candidate_class), (Some("caf\\xe8 1"), "caf\\xe8 0"));
    let shown = |a: &[u8], b: &[u8]| {
        let found = asked.compare(&text(a), &Outcome::from(text(b)));
        let [f] = &*found.list else { panic!("{found:?}") };
        assert_ne!(f.primary_class, f.candidate_class);
        (f.primary.clone().unwrap(), f.candidate.clone().unwrap())
    };
    let both = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(shown(b"caf\xe9", br"caf\xe9"), both(r"caf\xe9", r"caf\\xe9"));
    assert_eq!(shown(b"caf\\\xe9", br"caf\\xe9"), both(r"caf\\\xe9", r"caf\\\\xe9"));
    assert_eq!(shown(b"C:\\a \xe9", br"C:\a"), both(r"C:\a \xe9", r"C:\a"));
    let link = |origin: &[u8], byte: u8| text(&[b"<a href='", origin, b"/x'>caf", &[byte], b"</a>"].concat());
    let asked = asked.origins("http://old:1", "http://new:2");
    check_answers(&asked, &link(b"http://old:1", 0xe9), &link(b"http://new:2", 0xe9), "");
    check_answers(&asked, &link(b"http://old:1", 0xe9), &link(b"http://new:2", 0xe8), "text.hunk @ text value");
}

#[test]
fn digests_are_equal_or_not() {
    let asked = Asked::new("GET", "/");
    let digest = |b: &[u8]| Answer {
        body: Captured::Digest { xxh3: captured(b).xxh3().unwrap(), length: b.len() as u64, given_up: false },
        ..answer("200")
    };
    check_answers(&asked, &digest(b"a"), &digest(b"a"), "");
    check_answers(&asked, &with_body("200", b"a"), &digest(b"a"), "");
    check_answers(&asked, &digest(b"a"), &digest(b"b"), "body.opaque @ body value");
}

#[test]
fn special_statuses() {
    check("302\n\n<p>moved</p>", "302\n\n<p>gone</p>", "");
    check("302\n\n<p>moved</p>", "302", "body.empty_vs_content @ body info");
    check("304\n\nodd", "304", "");
    check("204\netag: 1", "204\netag: 2", "header.value @ header:etag info");
    let head = Asked::new("HEAD", "/");
    check_answers(
        &head,
        &answer("200\ncontent-length: 10"),
        &answer("200\ncontent-length: 11"),
        "header.value @ header:content-length info",
    );
    check_answers(
        &head,
        &answer("200\ncontent-encoding: gzip"),
        &answer("200"),
        "coding.changed @ header:content-encoding repr",
    );
    check(
        "206\ncontent-type: application/json\ncontent-range: bytes 0-1/9\n\n{\"",
        "206\ncontent-type: application/json\ncontent-range: bytes 0-1/8\n\n{'",
        "header.value @ header:content-range value\ntext.hunk @ text value",
    );
    let part = |b: &str| format!("206\ncontent-type: multipart/byteranges; boundary={b}\n\n--{b}\r\n\r\nx\r\n--{b}--");
    check(&part("AAA"), &part("BBB"), "ctype.params @ header:content-type repr");
}

// === trailers and gRPC ===

#[test]
fn trailers() {
    let with = |t: &str| format!("200\n\nbody\n--trailers--\n{t}");
    check(&with("x-sum: 1"), &with("x-sum: 2"), "trailer.value @ trailer:x-sum value");
    check(&with("x-sum: 1"), "200\n\nbody", "trailer.missing @ trailer:x-sum value");
    check("200\n\nbody", &with("x-sum: 1"), "trailer.extra @ trailer:x-sum value");
}

#[test]
fn grpc_calls() {
    let call = |body: &[u8], trailers: &str| Answer {
        trailers: Some(fields(trailers)),
        ..with_body("200\ncontent-type: application/grpc", body)
    };
    let asked = Asked::new("POST", "/s/m");
    let frame = |m: &[u8]| [&[0, 0, 0, 0, m.len() as u8], m].concat();
    let one = frame(b"abc");
    let fine = call(&one, "grpc-status: 0");
    check_answers(&asked, &fine, &fine, "");
    check_answers(&asked, &fine, &call(&frame(b"abd"), "grpc-status: 0"), "grpc.field @ grpc:$ value");
    check_answers(
        &asked,
        &fine,
        &call(&[one.clone(), one.clone()].concat(), "grpc-status: 0"),
        "grpc.frame_count @ grpc:$ value",
    );
    check_answers(
        &asked,
        &fine,
        &call(b"", "grpc-status: 5\ngrpc-message: none"),
        "grpc.status @ grpc:status break\n(grpc.message @ grpc:message value)\n(grpc.frame_count @ grpc:$ value)",
    );
    let synonym = Answer { headers: fields("content-type: application/grpc+proto").into(), ..fine.clone() };
    check_answers(&asked, &fine, &synonym, "ctype.type @ header:content-type repr");
    // Not found, once with an empty message and once with trailers only.
    check_answers(
        &asked,
        &call(&frame(b""), "grpc-status: 5"),
        &answer("200\ncontent-type: application/grpc\ngrpc-status: 5"),
        "grpc.trailers_only_form @ grpc:status repr",
    );
    check_answers(
        &asked,
        &fine,
        &call(&one[..4], "grpc-status: 0"),
        "parse.one_side @ body break\n(body.opaque @ body value)",
    );
    let packed = gzip(b"abc");
    let zipped = Answer {
        headers: fields("content-type: application/grpc\ngrpc-encoding: gzip").into(),
        ..call(&[&[1, 0, 0, 0, packed.len() as u8], &packed[..]].concat(), "grpc-status: 0")
    };
    check_answers(&asked, &fine, &zipped, "coding.changed @ header:grpc-encoding repr");
}
