//! Headers and cookies by class: pairs of answers and what is found in them.

use super::*;

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
    check("200\nx-a: 1,2", "200\nx-a: 1, 2", "");
    check("200\nx-a: \"1,2\"", "200\nx-a: \"1, 2\"", "header.value @ header:x-a value");
    check("200\nx-a: 1\nx-a: 2", "200\nx-a: 2\nx-a: 1", "header.value @ header:x-a value");
    check("200\nx-total-count: 10", "200", "header.missing @ header:x-total-count value");
}

#[test]
fn token_lists_are_sets() {
    check("200\nallow: GET, HEAD, OPTIONS", "200\nallow: OPTIONS,get\nallow: HEAD", "");
    check("200\nvary: Accept", "200\nvary: Accept, Origin", "header.set @ header:vary value");
    check("200", "200\nvary: Origin", "header.extra @ header:vary value");
    // Bytes that are no text are no text that looks like them.
    let raw = |value: &[u8]| {
        let mut answer = answer("200");
        answer.headers.table_mut().append("x-a", HeaderValue::from_bytes(value).unwrap());
        answer
    };
    for text in [&b"bytes \\xff"[..], b"x, bytes \\xff", b"bytes \\\\xff"] {
        let bytes = if text.starts_with(b"x") { &b"x, \xff"[..] } else { b"\xff" };
        check_answers(&Asked::new("GET", "/"), &raw(text), &raw(bytes), "header.value @ header:x-a value");
    }
    check_answers(&Asked::new("GET", "/"), &raw(b"\xfe"), &raw(b"\xff"), "header.value @ header:x-a value");
    let mut lines = answer("200\nx-a: x");
    lines.headers.table_mut().append("x-a", HeaderValue::from_bytes(b"\xff").unwrap());
    check_answers(&Asked::new("GET", "/"), &lines, &raw(b"x,bytes \\xff"), "header.value @ header:x-a value");
    let path = Asked::new("GET", "/").compare(&raw(br"a bytes C:\x"), &Outcome::from(raw(br"bytes C:\x")));
    let shown = (path.list[0].primary.as_deref(), path.list[0].candidate.as_deref());
    assert_eq!(shown, (Some(r"a bytes C:\x"), Some(r"bytes bytes C:\\x")));
    check("200\naccept-ranges: bytes", "200\naccept-ranges: none", "header.set @ header:accept-ranges value");
    check("200\ncontent-language: de, en", "200\ncontent-language: en, de", "");
    check("200\ncache-control: private, max-age=60", "200\ncache-control: MAX-AGE=60,private", "");
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
fn weaker_protection_is_a_difference() {
    let policy = |v: &str| format!("200\ncontent-security-policy: {v}");
    let weaker = "header.value @ header:content-security-policy value";
    check(&policy("default-src 'self'; img-src *"), &policy("IMG-SRC *;default-src 'SELF'"), "");
    check(&policy("script-src a.example b.example"), &policy("script-src b.example a.example"), "");
    check(&policy("script-src HTTPS://A.example/B"), &policy("script-src https://a.example/B"), "");
    check(&policy("script-src a.example/B"), &policy("script-src a.example/b"), weaker);
    check(&policy("script-src 'self'"), &policy("script-src 'self' 'unsafe-inline'"), weaker);
    check(&policy("script-src 'self'; img-src a"), &policy("script-src 'self'"), weaker);
    check(&policy("script-src 'sha256-aB='"), &policy("script-src 'sha256-ab='"), weaker);
    let hsts = |v: &str| format!("200\nstrict-transport-security: {v}");
    check(&hsts("max-age=31536000"), &hsts("max-age=3600"), "header.value @ header:strict-transport-security value");
    check(&hsts("max-age=9; preload"), &hsts("max-age=9"), "header.set @ header:strict-transport-security value");
    check("200\nx-frame-options: DENY", "200\nx-frame-options: deny", "");
    check(
        "200\nx-frame-options: DENY",
        "200\nx-frame-options: SAMEORIGIN",
        "header.value @ header:x-frame-options value",
    );
    let origin = |v: &str| format!("200\naccess-control-allow-origin: {v}");
    check(&origin("https://a"), &origin("*"), "header.value @ header:access-control-allow-origin value");
    check(
        "200\naccess-control-allow-methods: GET, PUT",
        "200\naccess-control-allow-methods: get",
        "header.set @ header:access-control-allow-methods value",
    );
    check("200\naccess-control-allow-headers: X-A, X-B", "200\naccess-control-allow-headers: x-b,x-a", "");
    let permissions = |v: &str| format!("200\npermissions-policy: {v}");
    check(
        &permissions("geolocation=(self \"https://a\"), camera=()"),
        &permissions("camera=(),geolocation=(\"https://a\" self)"),
        "",
    );
    check(&permissions("camera=()"), &permissions("camera=(self)"), "header.value @ header:permissions-policy value");
    // On redirects and errors as well.
    check(
        "302\nlocation: /\nx-frame-options: DENY",
        "302\nlocation: /",
        "header.missing @ header:x-frame-options break",
    );
    check("404\naccess-control-allow-origin: *", "404", "header.missing @ header:access-control-allow-origin break");

    let asked = Asked::new("GET", "/").origins("http://old:1", "http://new:2");
    check_answers(&asked, &answer(&origin("http://old:1")), &answer(&origin("http://new:2")), "");
    check_answers(&asked, &answer(&policy("img-src http://old:1")), &answer(&policy("img-src http://new:2")), "");
}

#[test]
fn ways_to_sign_in() {
    let offer = |v: &str| format!("401\nwww-authenticate: {v}");
    let differs = |tier: &str, kind: &str| format!("header.{kind} @ header:www-authenticate {tier}");
    check(&offer("Basic realm=\"a\", Bearer"), "401\nwww-authenticate: bearer\nwww-authenticate: basic realm=a", "");
    check(&offer("Basic realm=\"a\""), &offer("Basic realm=\"b\""), &differs("value", "attr"));
    check(&offer("Basic realm=\"a, b\", charset=utf-8"), &offer("Basic realm=\"a, b\""), &differs("value", "attr"));
    check(&offer("Basic realm=a, Bearer"), &offer("Bearer"), &differs("break", "set"));
    check(&offer("Bearer"), &offer("Negotiate, Bearer"), &differs("value", "set"));
    check(&offer("Digest realm=a, nonce=\"1\", opaque=\"2\""), &offer("Digest realm=a, nonce=\"3\", opaque=\"4\""), "");
    check(&offer("Digest realm=a, nonce=\"1\""), &offer("Digest realm=a"), &differs("value", "attr"));
    check(&offer("Negotiate YII="), &offer("Negotiate YIJ="), &differs("value", "attr"));
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
    check(
        "200\ncontent-type: text/plain; charset=utf-8",
        "200\ncontent-type: text/plain; encoding=latin1",
        "ctype.charset @ header:content-type value",
    );
    check(
        "200\ncontent-type: application/json; odata.metadata=minimal\n\n{}",
        "200\ncontent-type: application/json; odata.metadata=full\n\n{}",
        "ctype.params @ header:content-type value",
    );
    // A client guesses what is neither JSON nor ASCII.
    let html = |charset: &str, text: &str| format!("200\ncontent-type: text/html{charset}\n\n<p>{text}</p>");
    let (said, charset) = ("; charset=utf-8", "ctype.charset @ header:content-type");
    check(&html(said, "é"), &html("", "é"), &format!("{charset} value"));
    check(&html(said, "e"), &html("", "e"), &format!("{charset} repr"));
    check(&html(said, "e"), &html("", "é"), &format!("{charset} value\ntext.hunk @ text value"));
    let events = |charset: &str| format!("200\ncontent-type: text/event-stream{charset}\n\ndata: é\n\n");
    check(&events(said), &events(""), &format!("{charset} repr"));
    let coded = |charset: &str| Answer {
        body: captured(&super::super::coding::tests::gzip("é".as_bytes())),
        ..answer(&format!("200\ncontent-type: text/html{charset}\ncontent-encoding: gzip"))
    };
    check_answers(&Asked::new("GET", "/"), &coded(said), &coded(""), &format!("{charset} value"));
    // XML says its encoding itself, or is UTF-8; nobody asks for that of what is no text.
    let of = |kind: &str, charset: &str, b: &[u8]| with_body(&format!("200\ncontent-type: {kind}{charset}"), b);
    let wide: Vec<u8> = "\u{feff}<a>é</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (kind, body, tier) in [
        ("application/xml", "<a>é</a>".as_bytes(), "repr"),
        ("text/xml", "<?xml version='1.0' encoding='UTF-8'?><a>é</a>".as_bytes(), "repr"),
        ("application/soap+xml", "\u{feff}<a>é</a>".as_bytes(), "repr"),
        ("image/svg+xml", "<svg>é</svg>".as_bytes(), "repr"),
        ("application/xhtml+xml", "<p>é</p>".as_bytes(), "repr"),
        ("application/xml", b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9</a>", "value"),
        ("application/xml", b"<a>\xe9</a>", "value"),
        ("application/xml", &wide, "value"),
        ("image/png", b"\x89PNG", "repr"),
        ("application/octet-stream", b"\xff", "repr"),
        ("application/cbor", b"\x61\xff", "repr"),
        ("application/javascript", "'é'".as_bytes(), "value"),
        ("text/plain", "é".as_bytes(), "value"),
    ] {
        let expected = format!("{charset} {tier}");
        check_answers(&Asked::new("GET", "/"), &of(kind, "", body), &of(kind, said, body), &expected);
        check_answers(&Asked::new("GET", "/"), &of(kind, said, body), &of(kind, "", body), &expected);
    }
    check("200\ncontent-type: text/html; charset=\"UTF-8\"", "200\ncontent-type: text/html;charset=utf8", "");
}

#[test]
fn parameters() {
    let file = |v: &str| format!("200\ncontent-disposition: {v}");
    check(&file("attachment; filename=\"a\"; x=1"), &file("Attachment;x=1;filename=a"), "");
    let attr = "header.attr @ header:content-disposition value";
    check(&file("attachment; filename=a"), &file("attachment; filename=b"), attr);
    check(&file("attachment; filename=a"), &file("attachment"), attr);
    check(
        &file("attachment; filename=a"),
        &file("inline; filename=a"),
        "header.value @ header:content-disposition value",
    );
    // RFC 8187 writes the same name another way.
    let repr = "header.attr @ header:content-disposition repr";
    check(&file("attachment; filename=\"a b\""), &file("attachment; filename*=utf-8''a%20b"), repr);
    check(&file("attachment; filename=x; filename*=UTF-8''%c3%a9"), &file("attachment; filename*=UTF-8''%C3%A9"), repr);
    check(&file("attachment; filename=a"), &file("attachment; filename*=UTF-8''b"), attr);
    check(
        "200\ncross-origin-opener-policy: same-origin; report-to=\"a\"",
        "200\ncross-origin-opener-policy: same-origin;report-to=\"b\"",
        "header.attr @ header:cross-origin-opener-policy value",
    );
    check(
        "200\ncross-origin-resource-policy: same-origin",
        "200\ncross-origin-resource-policy: cross-origin",
        "header.value @ header:cross-origin-resource-policy value",
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
fn clocks() {
    let at = |t: &str| format!("200\nexpires: Sun, 06 Nov 1994 {t}");
    let value = "header.value @ header:expires value";
    let repr = "header.value @ header:expires repr";
    check(&at("08:49:37 GMT"), &at("08:49:37 -0000"), repr);
    check(&at("08:49:37 GMT"), &at("08:49:39 GMT"), "");
    check(&at("08:49:37 GMT"), &at("08:49:40 GMT"), value);
    check("200\nexpires: 0", "200\nexpires: -1", repr);
    // An hour each, however far the clocks are apart.
    let good = |date: &str, until: &str| format!("{}\ndate: Sun, 06 Nov 1994 {date} GMT", at(&format!("{until} GMT")));
    check(&good("08:00:00", "09:00:00"), &good("08:10:00", "09:10:00"), "");
    check(&good("08:00:00", "09:00:00"), &good("08:10:00", "09:30:00"), value);
    check(&good("08:00:00", "09:00:00"), &good("10:00:00", "09:00:01"), value);
    // Over before it was sent.
    check(&good("08:00:00", "07:00:00"), &good("08:00:00", "01:00:00"), repr);
    check(&good("08:00:00", "07:00:00"), "200\nexpires: 0", repr);
    check(&good("08:00:00", "09:00:00"), "200\nexpires: 0", value);

    let after = |v: &str| format!("503\ndate: Sun, 06 Nov 1994 08:00:00 GMT\nretry-after: {v}");
    check(&after("5"), &after("6"), "header.value @ header:retry-after info");
    check(&after("5"), &after("60"), "header.value @ header:retry-after value");
    check(&after("0"), &after("1"), "header.value @ header:retry-after value");
    check(&after("120"), &after("Sun, 06 Nov 1994 08:02:00 GMT"), "header.value @ header:retry-after repr");
    check(&after("120"), &after("Sun, 06 Nov 1994 08:04:00 GMT"), "header.value @ header:retry-after value");
    check(&after("Sun, 06 Nov 1994 08:02:00 GMT"), &after("Sun, 06 Nov 1994 08:02:01 GMT"), "");

    let cache = |v: &str| format!("200\ncache-control: {v}");
    check(&cache("max-age=60"), &cache("max-age=61"), "header.value @ header:cache-control info");
    check(&cache("max-age=60"), &cache("max-age=600"), "header.value @ header:cache-control value");
    check(&cache("max-age=0"), &cache("max-age=1"), "header.value @ header:cache-control value");
    check(&cache("s-maxage=9, private"), &cache("private"), "header.set @ header:cache-control value");
    check(&cache("max-age=60, max-age=9"), &cache("max-age=9"), "header.value @ header:cache-control value");
}

#[test]
fn urls_are_resolved() {
    check("302\nlocation: /cookies", "302\nlocation: http://shop.example/cookies", "");
    check("302\nlocation: c", "302\nlocation: /a/c", "");
    check("302\nlocation: /x", "302\nlocation: /y", "redirect.target @ header:location value");
    check("302\nlocation: /x", "302", "header.missing @ header:location value");
    check("201\nlocation: /x", "201\nlocation: /y", "header.value @ header:location value");
    check("302\nlocation: /x%7ey%c3%a9", "302\nlocation: /x~yé", "");
    check("302\nlocation: /x%2Fy", "302\nlocation: /x/y", "redirect.target @ header:location value");
    check("201\ncontent-location: /x", "201\ncontent-location: ../x", "");
    check("200\nrefresh: 5; url=/x", "200\nrefresh: 5;URL=http://shop.example/x", "");
    check("200\nrefresh: 5; url=/x", "200\nrefresh: 6; url=/x", "header.value @ header:refresh value");
    check(
        "200\nlink: </?p=2>; rel=\"next\", </?p=9>; rel=last",
        "200\nlink: <http://shop.example/?p=9>; rel=\"last\", </?p=2>; rel=next",
        "",
    );
    check("200\nlink: </?p=2>; rel=\"next last\"", "200\nlink: </?p=2>; rel=\"Last next\"", "");
    check(
        "200\nlink: </?p=2>; rel=next",
        "200\nlink: </?p=2>; rel=next; crossorigin",
        "header.set @ header:link value",
    );
    check("200\nlink: </?p=2>; rel=next", "200\nlink: /?p=2; rel=next", "header.value @ header:link repr");
    check("200\nlink: </?p=2>; rel=next", "200\nlink: </?p=3>; rel=next", "header.set @ header:link value");

    let asked = Asked::new("GET", "/a").origins("http://old:1", "http://new:2");
    let to = |url: &str| answer(&format!("302\nlocation: {url}"));
    check_answers(&asked, &to("http://old:1/x"), &to("http://new:2/x"), "");
    check_answers(&asked, &to("http://old:1/x"), &to("http://shop.example/x"), "");
    let next = |v: &str| answer(&format!("200\nx-next: {v}"));
    check_answers(&asked, &next("http://old:1/x"), &next("http://new:2/x"), "");
    check_answers(&asked, &next("http://old:1/x"), &next("/x"), "header.value @ header:x-next value");
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
    check(&set("a=1; SameSite=None"), &set("a=1"), "cookie.attr @ cookie:a break");
    check(&set("a=1"), &set("a=1; SameSite=lax"), "cookie.attr @ cookie:a value");
    check(&set("a=1; SameSite=Strict"), &set("a=1; SameSite=None"), "cookie.attr @ cookie:a break");
    check(&set("a=1"), &set("a=1; Secure"), "cookie.attr @ cookie:a value");
    check(&set("a=1; Path=/"), &set("a=1; Path=/x"), "cookie.attr @ cookie:a value");
    check(&set("a=1; Path=/a"), &set("a=1"), "");
    check(&set("a=1; Domain=x.example"), &set("a=1; domain=.X.example"), "");
    check(&set("a=1; Domain=shop.example"), &set("a=1"), "cookie.attr @ cookie:a value");
    check(&set("a=1; Priority=High"), &set("a=1"), "cookie.attr @ cookie:a info");
    check(&set("a=\"1\""), &set("a=1"), "cookie.value_shape @ cookie:a repr");
    check(&set("a=1\nset-cookie: a=2"), &set("a=1"), "cookie.missing @ cookie:a value");
    // Without a name.
    check(&set("a"), &set("b"), "header.value @ header:set-cookie value");
    check(&set("=a"), "200", "header.missing @ header:set-cookie value");
    check(&set("a=1; Max-Age=60"), &set("a=1; Max-Age=61"), "");
    check(&set("a=1; Max-Age=60"), &set("a=1; Max-Age=90"), "cookie.attr @ cookie:a value");
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
    // Without a Date the request's arrival has to do.
    let (over, hour) = ("a=1; Expires=Thu, 01 Jan 2015 01:00:00 GMT", "a=1; Expires=Thu, 01 Jan 2026 01:00:05 GMT");
    check(&set("a=1; Max-Age=3600"), &set(hour), "");
    check(&set("a=1; Max-Age=5"), &set(hour), "cookie.attr @ cookie:a value");
    check(&set("a=1; Max-Age=3600"), &set(over), "cookie.attr @ cookie:a value");
    check(&set(hour), &set(over), "cookie.attr @ cookie:a value");
    check(&set("a=1; Max-Age=0"), &set(over), "");
    check(&set("a=1; Expires=Thu, 01 Jan 2015 09:00:00 GMT"), &set(over), "");
    let found = Asked::new("GET", "/").compare(&answer(&set(hour)), &Outcome::from(answer(&set(over))));
    assert_eq!((&*found.list[0].primary_class, &*found.list[0].candidate_class), ("kept", "deleted"));
    // Where that is not known either, a span and an instant are both kept.
    let asked = Asked::new("GET", "/");
    let timeless = |a: &str, b: &str| {
        let (a, b) = (answer(&set(a)), answer(&set(b)));
        assert!(!is_match(&asked.rules, &asked.skip, &a, &b));
        told(&compare(&Context { arrived: None, ..asked.context(&|| false) }, &a, &Outcome::from(b)))
    };
    assert_eq!(timeless("a=1; Max-Age=5", hour), "");
    assert_eq!(timeless(over, "a=1; Max-Age=5"), "");
    assert_eq!(timeless("a=1; Max-Age=0", over), "cookie.attr @ cookie:a value");
    assert_eq!(timeless(hour, over), "cookie.attr @ cookie:a value");

    let asked = Asked::new("GET", "/").origins("http://old:1", "http://new.example");
    let own = |c: &str| answer(&set(c));
    check_answers(&asked, &own("a=1; Domain=old"), &own("a=1; Domain=new.example"), "");
    check_answers(&asked, &own("a=1; Domain=shop.example"), &own("a=1; Domain=new.example"), "");
}
