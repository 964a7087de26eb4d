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
    check("200 FOUND", "200", "");
}

#[test]
fn our_own_mark_echoed_back_is_no_divergence() {
    check(
        "200\ncontent-type: application/json\n\n{\"headers\":{\"Host\":\"a\"}}",
        "200\ncontent-type: application/json\n\n{\"headers\":{\"Host\":\"a\",\"X-Parallax-Leg\":\"candidate\"}}",
        "json.extra @ json:$.headers['X-Parallax-Leg'] info",
    );
}

// === headers ===

#[test]
fn framing_and_infrastructure_make_no_finding() {
    check(
        "200\nconnection: close, x-hop\nx-hop: 1\ntransfer-encoding: chunked\ndate: a\nserver: b\nvia: c\nage: 1\nx-powered-by: d\nx-request-id: e\nproxy-status: f\nx-build-id: 1",
        "200\nkeep-alive: 5\ntraceparent: a\nserver-timing: b\nx-runtime: 1\nalt-svc: c\nnel: {}\nreport-to: {}\nserver: z\nx-build-id: 2",
        "",
    );
    check("200\ncontent-length: 4\n\nabcd", "200\n\nabcd", "");
}

#[test]
fn plain_headers() {
    check("200\nx-a: 1", "200", "header.missing @ header:x-a value");
    check("200", "200\nx-a: 1", "header.extra @ header:x-a value");
    check("200\nx-a: 1", "200\nX-A: 2", "header.value @ header:x-a value");
    check("200\nx-a: 1, 2", "200\nx-a: 1\nx-a: 2", "");
    check("200\nx-a: 1\nx-a: 2", "200\nx-a: 2\nx-a: 1", "header.value @ header:x-a value");
    check("200\nx-total-count: 10", "200", "header.missing @ header:x-total-count value");
}

#[test]
fn token_lists_are_sets() {
    check("200\nallow: GET, HEAD, OPTIONS", "200\nallow: OPTIONS,get\nallow: HEAD", "");
    check("200\nvary: Accept", "200\nvary: Accept, Origin", "header.set @ header:vary value");
    check("200", "200\nvary: Origin", "header.extra @ header:vary value");
    check("200\naccept-ranges: bytes", "200\naccept-ranges: none", "header.set @ header:accept-ranges value");
    check("200\ncontent-language: de, en", "200\ncontent-language: en, de", "");
    check("200\ncache-control: private, max-age=60", "200\ncache-control: MAX-AGE=60,private", "");
    check(
        "200\ncache-control: max-age=60",
        "200\ncache-control: max-age=61",
        "header.set @ header:cache-control value",
    );
    check("200\ncache-control: no-cache", "200", "header.missing @ header:cache-control value");
}

#[test]
fn losing_protection_breaks() {
    for name in [
        "access-control-allow-origin",
        "access-control-allow-credentials",
        "content-security-policy",
        "strict-transport-security",
        "x-frame-options",
        "x-content-type-options",
        "referrer-policy",
        "permissions-policy",
        "cross-origin-opener-policy",
        "www-authenticate",
    ] {
        check(&format!("200\n{name}: a"), "200", &format!("header.missing @ header:{name} break"));
        check("200", &format!("200\n{name}: a"), &format!("header.extra @ header:{name} value"));
    }
    check(
        "401\nwww-authenticate: Basic realm=\"a\"",
        "401\nwww-authenticate: Basic realm=\"b\"",
        "header.value @ header:www-authenticate value",
    );
    check(
        "200\ncontent-security-policy: script-src 'nonce-abc'; img-src *",
        "200\ncontent-security-policy: script-src  'nonce-xyz'; img-src *",
        "",
    );
    check(
        "200\nstrict-transport-security: max-age=1; includeSubDomains",
        "200\nstrict-transport-security: includesubdomains;max-age=1",
        "",
    );
}

#[test]
fn content_types() {
    let json = "200\ncontent-type: application/json\n\n{}";
    check(json, "200\ncontent-type: application/json; charset=utf-8\n\n{}", "ctype.charset @ header:content-type repr");
    check(json, "200\ncontent-type: Application/JSON\n\n{}", "");
    check(json, "200\ncontent-type: text/plain\n\n{}", "ctype.type @ header:content-type value");
    check(json, "200\n\n{}", "ctype.type @ header:content-type value");
    check(
        "200\ncontent-type: text/plain; charset=utf-8",
        "200\ncontent-type: text/plain; charset=iso-8859-1",
        "ctype.charset @ header:content-type value",
    );
    check(
        json,
        "200\ncontent-type: application/json; encoding=\"utf-8\"\n\n{}",
        "ctype.params @ header:content-type repr",
    );
    check("200\ncontent-type: text/html; charset=\"UTF-8\"", "200\ncontent-type: text/html;charset=utf8", "");
    check(
        "200\ncontent-disposition: attachment; filename=\"a\"; x=1",
        "200\ncontent-disposition: Attachment;x=1;filename=a",
        "",
    );
    check(
        "200\ncontent-disposition: attachment; filename=a",
        "200\ncontent-disposition: attachment; filename=b",
        "header.value @ header:content-disposition value",
    );
}

#[test]
fn another_type_owns_the_body_but_not_the_headers() {
    check(
        "200\ncontent-type: application/json\nx-a: 1\n\n{\"a\":1}",
        "200\ncontent-type: text/html\nx-a: 2\n\n<p>no</p>",
        "ctype.type @ header:content-type value\nheader.value @ header:x-a value\n(text.hunk @ text value)",
    );
}

#[test]
fn validators_follow_the_body() {
    check("200\netag: \"1\"\n\na", "200\netag: \"2\"\n\na", "header.value @ header:etag info");
    check("200\netag: \"1\"\n\na", "200\netag: W/\"1\"\n\na", "header.value @ header:etag info");
    check("200\netag: \"1\"\n\na", "200\n\na", "header.missing @ header:etag info");
    check("200\netag: \"1\"\ncontent-md5: x\n\na", "200\netag: \"2\"\n\nb", "text.hunk @ text value");
    check(
        "200\nlast-modified: Sun, 06 Nov 1994 08:49:37 GMT",
        "200\nlast-modified: Sun, 06 Nov 1994 08:49:37 -0000",
        "header.value @ header:last-modified repr",
    );
}

#[test]
fn dates() {
    let at = |t: &str| format!("200\nexpires: Sun, 06 Nov 1994 {t}");
    check(&at("08:49:37 GMT"), &at("08:49:37 -0000"), "header.value @ header:expires repr");
    check(&at("08:49:37 GMT"), &at("08:49:39 GMT"), "");
    check(&at("08:49:37 GMT"), &at("08:49:40 GMT"), "header.value @ header:expires value");
    check("200\nexpires: 0", "200\nexpires: -1", "header.value @ header:expires repr");
    check("503\nretry-after: 5", "503\nretry-after: 6", "header.value @ header:retry-after value");
}

#[test]
fn urls_are_resolved() {
    check("302\nlocation: /cookies", "302\nlocation: http://shop.example/cookies", "");
    check("302\nlocation: c", "302\nlocation: /a/c", "");
    check("302\nlocation: /x", "302\nlocation: /y", "redirect.target @ header:location value");
    check("302\nlocation: /x", "302", "header.missing @ header:location value");
    check("201\ncontent-location: /x", "201\ncontent-location: ../x", "");
    check("200\nrefresh: 5; url=/x", "200\nrefresh: 5;URL=http://shop.example/x", "");
    check("200\nrefresh: 5; url=/x", "200\nrefresh: 6; url=/x", "header.value @ header:refresh value");
    check(
        "200\nlink: </?p=2>; rel=\"next\", </?p=9>; rel=last",
        "200\nlink: <http://shop.example/?p=9>; rel=\"last\", </?p=2>; rel=next",
        "",
    );
    check("200\nlink: </?p=2>; rel=next", "200\nlink: /?p=2; rel=next", "header.value @ header:link repr");
    check("200\nlink: </?p=2>; rel=next", "200\nlink: </?p=3>; rel=next", "header.set @ header:link value");

    let asked = Asked::new("GET", "/a").origins("http://old:1", "http://new:2");
    let to = |url: &str| answer(&format!("302\nlocation: {url}"));
    check_answers(&asked, &to("http://old:1/x"), &to("http://new:2/x"), "");
    check_answers(&asked, &to("http://old:1/x"), &to("http://shop.example/x"), "");
    check_answers(&asked, &to("/x"), &to("http://old:1/x"), "redirect.target @ header:location value");
}

#[test]
fn cookies() {
    let set = |c: &str| format!("200\nset-cookie: {c}");
    check(&set("a=1"), "200", "cookie.missing @ cookie:a value");
    check("200", &set("a=1"), "cookie.extra @ cookie:a value");
    check(&set("a=1; Secure; HttpOnly"), &set("a=1; httponly; secure"), "");
    check(&set("a=1; Secure"), &set("a=1"), "cookie.attr @ cookie:a break");
    check(&set("a=1; HttpOnly"), &set("a=1"), "cookie.attr @ cookie:a break");
    check(&set("a=1; SameSite=Lax"), &set("a=1"), "cookie.attr @ cookie:a break");
    check(&set("a=1"), &set("a=1; SameSite=lax"), "cookie.attr @ cookie:a value");
    check(&set("a=1; SameSite=Strict"), &set("a=1; SameSite=None"), "cookie.attr @ cookie:a break");
    check(&set("a=1"), &set("a=1; Secure"), "cookie.attr @ cookie:a value");
    check(&set("a=1; Path=/"), &set("a=1; Path=/x"), "cookie.attr @ cookie:a value");
    check(&set("a=1; Max-Age=60"), &set("a=1"), "cookie.attr @ cookie:a value");
    check(&set("a=1\nset-cookie: b=2"), &set("b=2\nset-cookie: a=1"), "");
    check(&set("theme=dark"), &set("theme=light"), "cookie.value_shape @ cookie:theme value");
    let (x, y) = ("1b4e28ba-2fa1-11d2-883f-0016d3cca427", "1b4e28ba-2fa1-11d2-883f-0016d3cca428");
    check(&set(&format!("sid={x}")), &set(&format!("sid={y}")), "cookie.value_shape @ cookie:sid info");
    check(&set(&format!("sid={x}")), &set("sid=null"), "cookie.value_shape @ cookie:sid value");
    // Expires and Max-Age are two ways to say one thing.
    check(
        "200\ndate: Sun, 06 Nov 1994 08:49:37 GMT\nset-cookie: a=1; Expires=Sun, 06-Nov-1994 09:49:37 GMT",
        "200\nset-cookie: a=1; Max-Age=3600",
        "",
    );
    check(&set("a=; Max-Age=0"), &set("a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"), "");
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
}

#[test]
fn strings_that_start_with_an_own_origin() {
    let asked = Asked::new("GET", "/a").origins("http://old:1", "http://new:2");
    let json = |b: &str| answer(&format!("200\ncontent-type: application/json\n\n{b}"));
    check_answers(&asked, &json("{\"u\":\"http://old:1/x\"}"), &json("{\"u\":\"http://new:2/x\"}"), "");
    check_answers(&asked, &json("{\"u\":\"http://old:1/x\"}"), &json("{\"u\":\"http://shop.example/x\"}"), "");
}

#[test]
fn text_bodies() {
    let html = |b: &str| format!("200\ncontent-type: text/html\n\n{b}");
    check(&html("a\nb"), &html("a\nc"), "text.hunk @ text value");
    check(&html("a\r\nb\r\n"), &html("a\nb  "), "text.whitespace @ text repr");
    check(&html("1\n2\n3\n4\n5"), &html("x\n2\n3\n4\ny"), "text.hunk @ text value\ntext.hunk @ text value");
    check(&html("<a><b/></a>"), &html("<a><c/></a>"), "text.hunk @ text value");
    let metrics = |b: &str| format!("200\ncontent-type: text/plain; version=0.0.4\n\n{b}");
    check(&metrics("a 1\nb 2\n"), &metrics("b 2\na 1\n"), "text.order @ text order");
    let xml = |b: &str| format!("200\ncontent-type: application/xml\n\n{b}");
    check(&xml("<a>\n  <b>1</b>\n</a>"), &xml("<a><b>1</b></a>"), "xml.whitespace @ xml:/ repr");
    check(&xml("<a>1</a>"), &xml("<a>2</a>"), "xml.text @ xml:/a value");
    check(&xml("<a>1</a>"), &xml("<a>1"), "parse.one_side @ body break\n(text.hunk @ text value)");
    let of = |kind: &str, b: &str| format!("200\ncontent-type: {kind}\n\n{b}");
    for kind in ["text/xml; charset=utf-8", "application/xhtml+xml", "image/svg+xml", "application/atom+xml"] {
        check(&of(kind, "<a i='1'/>"), &of(kind, "<a/>"), "xml.attr @ xml:/a/@i value");
    }
}

#[test]
fn bytes_nobody_understands() {
    let png = |b: &[u8]| with_body("200\ncontent-type: image/png", b);
    let asked = Asked::new("GET", "/");
    check_answers(&asked, &png(b"\x89PNG1"), &png(b"\x89PNG2"), "body.opaque @ body value");
    let found = asked.compare(&png(b"\x89PNG1"), &Outcome::Answer(png(b"\x89PNG2x")));
    assert_eq!(found.list[0].primary.as_deref(), Some("5 bytes, from 4: 31"));
    assert_eq!(found.list[0].candidate.as_deref(), Some("6 bytes, from 4: 3278"));
    // Bytes that are no text are not made equal by showing them.
    let text = |b: &[u8]| with_body("200\ncontent-type: text/plain", b);
    check_answers(&asked, &text(b"\xff"), &text(b"\xfe"), "body.opaque @ body value");
}

#[test]
fn digests_are_equal_or_not() {
    let asked = Asked::new("GET", "/");
    let digest = |b: &[u8]| Answer {
        body: Captured::Digest { xxh3: captured(b).xxh3(), length: b.len() as u64, given_up: false },
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
    let synonym = Answer { headers: fields("content-type: application/grpc+proto"), ..fine.clone() };
    check_answers(&asked, &fine, &synonym, "ctype.type @ header:content-type repr");
    // Not found, once with an empty message and once with trailers only.
    check_answers(
        &asked,
        &call(&frame(b""), "grpc-status: 5"),
        &answer("200\ncontent-type: application/grpc\ngrpc-status: 5"),
        "grpc.trailers_only_form @ grpc:status repr\ngrpc.frame_count @ grpc:$ value",
    );
    check_answers(
        &asked,
        &fine,
        &call(&one[..4], "grpc-status: 0"),
        "parse.one_side @ body break\n(body.opaque @ body value)",
    );
    let packed = gzip(b"abc");
    let zipped = Answer {
        headers: fields("content-type: application/grpc\ngrpc-encoding: gzip"),
        ..call(&[&[1, 0, 0, 0, packed.len() as u8], &packed[..]].concat(), "grpc-status: 0")
    };
    check_answers(&asked, &fine, &zipped, "coding.changed @ header:grpc-encoding repr");
}
