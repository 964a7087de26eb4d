//! Cases as pairs of answers written out, and what must hold for any pair.

use super::coding::tests::gzip;
use super::*;
use crate::model::{Answer, BodyEnd, Captured, Failure, FailureKind, Leg, Outcome, PerLeg, RequestHead};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use proptest::prelude::*;
use std::time::Duration;

/// A request and the rules its answers are compared under.
pub(super) struct Asked {
    request: RequestHead,
    origins: PerLeg<Option<String>>,
    rules: RouteRules,
    skip: Vec<HeaderName>,
    limits: Limits,
}

impl Asked {
    pub(super) fn new(method: &str, path: &str) -> Self {
        Asked {
            request: RequestHead {
                method: method.parse::<Method>().unwrap(),
                uri: path.parse().unwrap(),
                host: Some("shop.example".into()),
                scheme: "http",
                headers: HeaderMap::new(),
            },
            origins: PerLeg::default(),
            rules: RouteRules::none(),
            skip: vec![HeaderName::from_static("x-build-id")],
            limits: Limits::default(),
        }
    }

    pub(super) fn origins(mut self, primary: &str, candidate: &str) -> Self {
        self.origins.primary = Some(primary.into());
        self.origins.candidate = Some(candidate.into());
        self
    }

    pub(super) fn context<'a>(&'a self, expired: &'a dyn Fn() -> bool) -> Context<'a> {
        Context {
            request: &self.request,
            rules: &self.rules,
            origins: &self.origins,
            other: Leg::Candidate,
            skew: Duration::from_secs(1),
            skip_headers: &self.skip,
            limits: self.limits,
            expired,
        }
    }

    fn compare(&self, primary: &Answer, other: &Outcome) -> Findings {
        compare(&self.context(&|| false), primary, other)
    }
}

/// `200 OK`, header lines, an empty line, the body; a line `--trailers--` before trailers.
fn answer(text: &str) -> Answer {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let (body, trailers) = body.split_once("\n--trailers--\n").map_or((body, None), |(b, t)| (b, Some(t)));
    let (start, lines) = head.split_once('\n').unwrap_or((head, ""));
    let (status, reason) = start.split_once(' ').map_or((start, None), |(s, r)| (s, Some(r)));
    Answer {
        status: status.parse().unwrap(),
        reason: reason.map(|r| r.as_bytes().into()),
        headers: fields(lines),
        body: captured(body.as_bytes()),
        trailers: trailers.map(fields),
        end: BodyEnd::Complete,
    }
}

fn fields(lines: &str) -> HeaderMap {
    let mut map = HeaderMap::new();
    for line in lines.lines() {
        let (name, value) = line.split_once(':').unwrap();
        map.append(
            HeaderName::from_bytes(name.trim().as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.trim().as_bytes()).unwrap(),
        );
    }
    map
}

fn captured(body: &[u8]) -> Captured {
    Captured::whole(vec![Bytes::copy_from_slice(body)], None)
}

fn with_body(text: &str, body: &[u8]) -> Answer {
    Answer { body: captured(body), ..answer(text) }
}

fn failed(kind: FailureKind) -> Failure {
    Failure { kind, detail: "it broke".into() }
}

fn truncated(text: &str) -> Answer {
    Answer { end: BodyEnd::Broken(failed(FailureKind::Truncated)), ..answer(text) }
}

/// `kind @ location tier`, `(..)` around secondary ones, ` by id` behind covered ones; one a line.
fn told(found: &Findings) -> String {
    let mut lines: Vec<String> = found
        .list
        .iter()
        .map(|f| {
            let by = f.cover.iter().map(|Cover::Rule(id)| format!(" by {id}")).collect::<String>();
            let text = format!("{} @ {} {}{by}", f.kind, f.location, f.tier.as_str());
            if f.secondary { format!("({text})") } else { text }
        })
        .collect();
    lines.extend(found.budget.iter().map(|b| format!("budget: {b}")));
    lines.join("\n")
}

#[track_caller]
fn check_answers(asked: &Asked, primary: &Answer, other: &Answer, expected: &str) {
    let found = asked.compare(primary, &Outcome::Answer(other.clone()));
    assert_eq!(told(&found), expected);
    if is_match(&asked.rules, &asked.skip, primary, other) {
        assert_eq!(expected, "", "the quick check says they match");
    }
    for finding in &found.list {
        assert!(!summary(finding).is_empty());
    }
}

#[track_caller]
fn check(primary: &str, other: &str, expected: &str) {
    check_answers(&Asked::new("GET", "/a/b"), &answer(primary), &answer(other), expected);
}

#[track_caller]
fn check_ruled(rules: &[RuleSpec], primary: &str, other: &str, expected: &str) {
    let set = RuleSet::compile(rules).map_err(|e| format!("{e:?}")).unwrap();
    let asked = Asked { rules: RouteRules::none(), ..Asked::new("GET", "/a/b") };
    let rules = set.for_route("GET /a/b", "2026-01-01");
    let (a, b) = (answer(primary), answer(other));
    let context = Context { rules: &rules, ..asked.context(&|| false) };
    assert_eq!(told(&compare(&context, &a, &Outcome::Answer(b.clone()))), expected);
    assert!(!is_match(&rules, &[], &a, &b));
}

fn rule(id: &str, at: &str) -> RuleSpec {
    RuleSpec { id: id.into(), on: "*".into(), at: at.into(), ..RuleSpec::default() }
}

fn ignoring(id: &str, at: &str, what: Ignore) -> RuleSpec {
    RuleSpec { ignore: Some(what), ..rule(id, at) }
}

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
    let xml = |b: &str| format!("200\ncontent-type: application/xml\n\n{b}");
    check(&xml("<a>\n  <b>1</b>\n</a>"), &xml("<a><b>1</b></a>"), "text.whitespace @ text repr");
    check(&xml("<a>1</a>"), &xml("<a>2</a>"), "text.hunk @ text value");
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
        body: Captured::Digest { xxh3: captured(b).xxh3(), length: b.len() as u64 },
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

// === rules ===

#[test]
fn rules_cover_what_they_name() {
    let same = |at: &str, a: &str, b: &str| RuleSpec { same: vec![vec![a.into(), b.into()]], ..rule("r", at) };
    check_ruled(&[same("status", "400", "422")], "400", "422", "status.code @ status value by r");
    check_ruled(&[same("status", "400", "422")], "400", "500", "status.class @ status break");
    check_ruled(
        &[ignoring("r", "header:x-a", Ignore::All)],
        "200\nx-a: 1",
        "200",
        "header.missing @ header:x-a value by r",
    );
    check_ruled(
        &[ignoring("r", "header:x-a", Ignore::Missing)],
        "200",
        "200\nx-a: 1",
        "header.extra @ header:x-a value",
    );
    check_ruled(
        &[ignoring("r", "header:x-*", Ignore::Extra)],
        "200",
        "200\nx-a: 1",
        "header.extra @ header:x-a value by r",
    );
    check_ruled(
        &[ignoring("r", "header:X-A", Ignore::Value)],
        "200\nx-a: 1",
        "200\nx-a: 2",
        "header.value @ header:x-a value by r",
    );
    check_ruled(
        &[same("header:x-a", "\"a\"", "\"b\"")],
        "200\nx-a: a",
        "200\nx-a: b",
        "header.value @ header:x-a value by r",
    );
    check_ruled(
        &[same("header:x-a", "\"a\"", "missing")],
        "200\nx-a: a",
        "200",
        "header.missing @ header:x-a value by r",
    );
    let uuid = RuleSpec { shape: Some(Shape::Class("uuid".into())), ..rule("r", "header:x-id") };
    let (x, y) = ("1b4e28ba-2fa1-11d2-883f-0016d3cca427", "1b4e28ba-2fa1-11d2-883f-0016d3cca428");
    let id = |v: &str| format!("200\nx-id: {v}");
    check_ruled(std::slice::from_ref(&uuid), &id(x), &id(y), "header.value @ header:x-id value by r");
    check_ruled(&[uuid], &id(x), &id("null"), "header.value @ header:x-id value");
    let near = RuleSpec {
        tolerance: Some(Tolerance { absolute: Some(1.0), ..Tolerance::default() }),
        ..rule("r", "header:cache-control")
    };
    let age = |n: u8| format!("200\ncache-control: private, max-age={n}");
    check_ruled(std::slice::from_ref(&near), &age(60), &age(61), "header.set @ header:cache-control value by r");
    check_ruled(&[near], &age(60), &age(62), "header.set @ header:cache-control value");
    let numeric = RuleSpec { numeric_string: true, ..rule("r", "header:x-n") };
    check_ruled(&[numeric], "200\nx-n: 1.50", "200\nx-n: 1.5", "header.value @ header:x-n value by r");
    let host = RuleSpec {
        mask: Some(Mask { pattern: "host-[0-9]+".into(), with: "host".into() }),
        ..rule("r", "header:x-by")
    };
    check_ruled(&[host], "200\nx-by: host-1", "200\nx-by: host-2", "header.value @ header:x-by value by r");
    check_ruled(
        &[ignoring("r", "cookie:a", Ignore::All)],
        "200\nset-cookie: a=1",
        "200",
        "cookie.missing @ cookie:a value by r",
    );
    check_ruled(
        &[ignoring("r", "trailer:x-t", Ignore::All)],
        "200\n\nb\n--trailers--\nx-t: 1",
        "200\n\nb",
        "trailer.missing @ trailer:x-t value by r",
    );
}

#[test]
fn rules_on_text_and_bodies() {
    let mask = RuleSpec { mask: Some(Mask { pattern: "[0-9]+".into(), with: "0".into() }), ..rule("r", "text") };
    check_ruled(std::slice::from_ref(&mask), "200\n\nid 1", "200\n\nid 2", "text.hunk @ text value by r");
    check_ruled(&[mask], "200\n\nid 1\na", "200\n\nid 2\nb", "text.hunk @ text value");
    check_ruled(&[ignoring("r", "text", Ignore::All)], "200\n\na", "200\n\nb", "text.hunk @ text value by r");
    check_ruled(&[ignoring("r", "body", Ignore::All)], "200\n\na", "200\n\nb", "text.hunk @ text value by r");
    check_ruled(
        &[ignoring("r", "body", Ignore::All)],
        "200\n\n{\"a\":1}",
        "200\n\n",
        "body.empty_vs_content @ body value by r",
    );
}

#[test]
fn rules_on_json_reach_the_json_comparison() {
    let json = |b: &str| format!("200\ncontent-type: application/json\n\n{b}");
    let (a, b) = (json("{\"a\":1,\"b\":2}"), json("{\"a\":9,\"b\":3}"));
    check_ruled(
        &[ignoring("r", "json:$.a", Ignore::Value), ignoring("s", "json:$.zzz", Ignore::All)],
        &a,
        &b,
        "json.value @ json:$.a value by r\njson.value @ json:$.b value",
    );
    check_ruled(
        &[ignoring("r", "body", Ignore::All)],
        &a,
        &b,
        "json.value @ json:$.a value by r\njson.value @ json:$.b value by r",
    );
}

#[test]
fn time_that_is_up_is_a_budget_unless_something_was_found() {
    let asked = Asked::new("GET", "/");
    let expired = || true;
    let json = |head: &str, step: usize| {
        let items: Vec<String> = (0..5000).map(|i| (i * step).to_string()).collect();
        answer(&format!("{head}\ncontent-type: application/json\n\n[{}]", items.join(",")))
    };
    let late = compare(&asked.context(&expired), &json("200", 1), &Outcome::Answer(json("200", 2)));
    assert!(late.budget.is_some() && !late.is_match(), "{}", told(&late));
    let decided = compare(&asked.context(&expired), &json("200", 1), &Outcome::Answer(json("500", 2)));
    assert_eq!(told(&decided), "status.class @ status break");
}

/// Differences met between real old and new servers, as they were on the wire.
#[test]
fn seen_between_real_servers() {
    // Every CORS header lost and Vary added, over an equal body.
    check(
        "200 OK\naccess-control-allow-origin: *\naccess-control-allow-credentials: true\ncontent-type: application/json\n\n{\"a\": 1}",
        "200 OK\nvary: Origin\ncontent-type: application/json\n\n{\"a\": 1}",
        "header.missing @ header:access-control-allow-origin break\nheader.missing @ header:access-control-allow-credentials break\nheader.extra @ header:vary value",
    );
    // A redirect that changes its code and loses its page.
    check(
        "302 FOUND\nlocation: /get\ncontent-type: text/html; charset=utf-8\n\n<p>moved",
        "307 Temporary Redirect\nlocation: http://shop.example/get",
        "status.code @ status value\n(ctype.type @ header:content-type info)\n(body.empty_vs_content @ body info)",
    );
    // Ids that became strings, in a body whose type lost its charset.
    check(
        "200\ncontent-type: application/json; charset=utf-8\netag: W/\"a\"\n\n{\"id\": 1}",
        "200\ncontent-type: application/json\n\n{\"id\": \"1\"}",
        "ctype.charset @ header:content-type repr\njson.type @ json:$.id value",
    );
    // An error that is JSON on one side and words on the other.
    check(
        "404\ncontent-type: application/json\n\n{}",
        "404\ncontent-type: text/plain\n\nNot Found",
        "ctype.type @ header:content-type value\n(text.hunk @ text value)",
    );
    // The old server breaks its own answer: told of it, not of the new one.
    let (old, new) = (truncated("200\n\n"), answer("200\n\n0123456789abcdef"));
    let found = Asked::new("GET", "/bytes/16").compare(&old, &Outcome::Answer(new));
    assert_eq!(summary(&found.list[0]), "primary failed: it broke");
    check("200\nset-cookie: a=1; Path=/", "200\nset-cookie: a=1; Path=/; SameSite=lax", "cookie.attr @ cookie:a value");
    check(
        "401\nwww-authenticate: Basic realm=\"Fake Realm\"",
        "401\nwww-authenticate: Basic realm=\"x\"\ncontent-type: application/json\n\n{}",
        "header.value @ header:www-authenticate value\nctype.type @ header:content-type value\n(body.empty_vs_content @ body value)",
    );
}

/// A covered status does not own: what it says is the same, so the rest has to be.
#[test]
fn an_excused_layer_does_not_own() {
    check_ruled(
        &[ignoring("r", "status", Ignore::All)],
        "200\nx-a: 1",
        "201\nx-a: 2",
        "status.code @ status value by r\nheader.value @ header:x-a value",
    );
    check_ruled(
        &[ignoring("r", "header:content-type", Ignore::All)],
        "200\ncontent-type: text/html\n\na",
        "200\ncontent-type: text/plain\n\nb",
        "ctype.type @ header:content-type value by r\ntext.hunk @ text value",
    );
}

#[test]
fn a_failure_can_be_excused() {
    let set = RuleSet::compile(&[ignoring("r", "transport", Ignore::All)]).unwrap();
    let rules = set.for_route("GET /", "2026-01-01");
    let asked = Asked::new("GET", "/");
    let context = Context { rules: &rules, ..asked.context(&|| false) };
    let found = compare(&context, &answer("200"), &Outcome::Failed(failed(FailureKind::Timeout)));
    assert_eq!(told(&found), "transport.timeout @ transport break by r");
}

// === what holds for any pair ===

fn any_answer() -> impl Strategy<Value = Answer> {
    let name = prop::sample::select(vec![
        "x-a",
        "vary",
        "etag",
        "cache-control",
        "set-cookie",
        "location",
        "link",
        "expires",
        "content-security-policy",
        "content-disposition",
        "access-control-allow-origin",
        "refresh",
        "last-modified",
        "date",
        "connection",
    ]);
    let value = prop::sample::select(vec![
        "1",
        "a, b",
        "b,a",
        "\"x\"",
        "W/\"x\"",
        "max-age=1",
        "sid=1; Secure",
        "sid=2; Path=/",
        "/x",
        "http://shop.example/x",
        "</x>; rel=next",
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 -0000",
        "é",
        "",
        "x-a",
        "5; url=y",
    ]);
    let kind = prop::sample::select(vec![
        "",
        "application/json",
        "application/json; charset=utf-8",
        "text/html",
        "text/xml",
        "image/png",
        "application/grpc",
        "multipart/byteranges; boundary=b",
        "application/x-ndjson",
        ";;=\"",
    ]);
    let coding = prop::sample::select(vec!["", "", "", "gzip", "deflate", "br", "zstd", "pied", "gzip, br"]);
    let body = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..60),
        prop::sample::select(vec![
            "",
            "{\"a\":1}",
            "{\"a\": 1}",
            "[1,2]",
            "a\nb\n",
            "a\r\nb",
            "<a> <b/></a>",
            "\0\0\0\0\x01x"
        ])
        .prop_map(|s| s.as_bytes().to_vec()),
        Just(gzip(b"{\"a\":1}")),
    ];
    let status = prop::sample::select(vec![200u16, 200, 200, 204, 206, 302, 304, 404, 500]);
    let fields = proptest::collection::vec((name, value), 0..4);
    let trailer =
        prop::option::of(prop::sample::select(vec![("grpc-status", "0"), ("grpc-status", "5"), ("x-t", "1")]));
    (status, fields, kind, coding, body, trailer).prop_map(|(status, fields, kind, coding, body, trailer)| {
        let mut headers = HeaderMap::new();
        let some = [("content-type", kind), ("content-encoding", coding)].into_iter().filter(|(_, v)| !v.is_empty());
        for (name, value) in fields.into_iter().chain(some) {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            reason: None,
            headers,
            body: captured(&body),
            trailers: trailer.map(|(n, v)| fields_of(n, v)),
            end: BodyEnd::Complete,
        }
    })
}

fn fields_of(name: &'static str, value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
}

/// What in an answer takes the request to be understood; the quick check leaves that to the full one.
fn asks_for_context(a: &Answer, b: &Answer) -> bool {
    let names = ["location", "link", "expires", "refresh", "content-location", "set-cookie"];
    names.iter().any(|n| !a.headers.get_all(*n).iter().eq(b.headers.get_all(*n).iter()))
        || grpc::is_grpc(a)
        || grpc::is_grpc(b)
        || (a.status.is_redirection() && coding::codings(&a.headers) != coding::codings(&b.headers))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn an_answer_matches_itself(a in any_answer()) {
        let asked = Asked::new("GET", "/a/b");
        let found = asked.compare(&a, &Outcome::Answer(a.clone()));
        prop_assert!(found.is_match(), "{}", told(&found));
        prop_assert!(is_match(&asked.rules, &asked.skip, &a, &a));
    }

    #[test]
    fn the_quick_check_agrees(a in any_answer(), b in any_answer()) {
        let asked = Asked::new("GET", "/a/b");
        let found = asked.compare(&a, &Outcome::Answer(b.clone()));
        let quick = is_match(&asked.rules, &asked.skip, &a, &b);
        prop_assert!(!quick || found.is_match(), "{}", told(&found));
        prop_assert!(quick || !found.is_match() || asks_for_context(&a, &b));
        prop_assert!(found.list.len() <= MAX_FINDINGS);
        for finding in &found.list {
            prop_assert!(!summary(finding).is_empty());
        }
    }

    /// The same head over either body: makes the many ways in which bodies differ as likely as equal heads.
    #[test]
    fn other_bytes_never_match(a in any_answer(), b in any_answer()) {
        let asked = Asked::new("GET", "/a/b");
        let b = Answer { body: b.body, ..a.clone() };
        let found = asked.compare(&a, &Outcome::Answer(b.clone()));
        let read = !matches!(a.status.as_u16(), 204 | 302 | 304);
        if read {
            prop_assert_eq!(found.is_match(), a.body.same_bytes(&b.body), "{}", told(&found));
        }
        prop_assert_eq!(is_match(&asked.rules, &asked.skip, &a, &b), found.is_match());
    }

    #[test]
    fn sides_swapped_mirror_missing_and_extra(a in any_answer(), b in any_answer()) {
        let asked = Asked::new("GET", "/a/b");
        let there = asked.compare(&a, &Outcome::Answer(b.clone()));
        let back = asked.compare(&b, &Outcome::Answer(a.clone()));
        let places = |f: &Findings, swap: bool| {
            let mut all: Vec<String> = f.list.iter().map(|f| {
                let kind = match (swap, f.kind.rsplit_once('.')) {
                    (true, Some((family, "missing"))) => format!("{family}.extra"),
                    (true, Some((family, "extra"))) => format!("{family}.missing"),
                    _ => f.kind.to_string(),
                };
                format!("{kind} {}", f.location)
            }).collect();
            all.sort();
            all
        };
        prop_assert_eq!(places(&there, false), places(&back, true));
    }

    #[test]
    fn truncated_is_never_equal(a in any_answer()) {
        let asked = Asked::new("GET", "/a/b");
        let cut = Answer { end: BodyEnd::Broken(failed(FailureKind::Truncated)), ..a.clone() };
        for (x, y) in [(&a, &cut), (&cut, &a), (&cut, &cut)] {
            let found = asked.compare(x, &Outcome::Answer(y.clone()));
            prop_assert!(found.list.iter().any(Finding::counts));
            prop_assert!(!is_match(&asked.rules, &asked.skip, x, y));
        }
    }
}
