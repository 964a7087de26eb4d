//! Secrets in every place they may stand in, and that none is left.

use super::*;
use crate::diff::Tier;
use crate::model::{Answer, BodyEnd, Captured, Failure, FailureKind, Outcome, RequestHead};
use bytes::Bytes;
use http::{Method, StatusCode};
use proptest::prelude::*;

fn redactor(json: &[&str], patterns: &[&str]) -> Redactor {
    let own = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect();
    let settings = RedactSettings { headers: vec!["x-api-key".into()], json: own(json), patterns: own(patterns) };
    Redactor::new(&settings, [7; 32]).unwrap()
}

/// A body through the redactor, tags spelt `#value` for the values they may stand for.
#[track_caller]
fn check(json: &[&str], patterns: &[&str], body: &str, values: &[&str], expected: &str) {
    let r = redactor(json, patterns);
    let (mut text, binary) = r.body(b"", body.as_bytes()).unwrap();
    assert!(!binary);
    for value in values {
        text = text.replace(&r.tag(value.as_bytes()), &format!("#{value}"));
    }
    assert_eq!(text, expected);
}

#[test]
fn json_values_are_replaced_and_nothing_else_is_touched() {
    check(
        &["json:$.user.email"],
        &[],
        "{ \"z\": 1.0e0,\n \"user\" : {\"email\":\"a@b\" , \"n\":\"\\u00e9\"}, \"a\":null }",
        &["a@b"],
        "{ \"z\": 1.0e0,\n \"user\" : {\"email\":\"#a@b\" , \"n\":\"\\u00e9\"}, \"a\":null }",
    );
    check(
        &["json:$..token"],
        &[],
        r#"[{"token":"x"},{"a":{"token":[1, {"token":2}]}}]"#,
        &["x", r#"[1, {"token":2}]"#],
        r##"[{"token":"#x"},{"a":{"token":"#[1, {"token":2}]"}}]"##,
    );
    check(
        &["json:$.a[*].k"],
        &[],
        r#"{"a":[{"k":true},{"k":"t","j":"t"}],"k":1}"#,
        &["true", "t"],
        r##"{"a":[{"k":"#true"},{"k":"#t","j":"t"}],"k":1}"##,
    );
    check(
        &["json:$.*.k"],
        &[],
        r#"{"p":{"k":1},"q":{"k":2},"k":3}"#,
        &["1", "2"],
        r##"{"p":{"k":"#1"},"q":{"k":"#2"},"k":3}"##,
    );
    check(&["json:$[1]"], &[], "[1,2,3]", &["2"], r##"[1,"#2",3]"##);
    check(&["json:$['a.b'][\"c'd\"]"], &[], r#"{"a.b":{"c'd":1}}"#, &["1"], r##"{"a.b":{"c'd":"#1"}}"##);
    check(&["json:$..*"], &[], r#"{"a":1}"#, &["1"], r##"{"a":"#1"}"##);
    check(&["json:$"], &[], r#" "s" "#, &["s"], r##" "#s" "##);
    check(&["json:$.\u{e9}"], &[], r#"{"\u00e9":"s","x":"\"}"}"#, &["s"], r##"{"\u00e9":"#s","x":"\"}"}"##);
}

#[test]
fn what_is_not_json_is_searched_for_the_names() {
    check(&["json:$.a.token"], &[], r#"{"a":{"token":"s3","b":[1,"#, &["s3"], r##"{"a":{"token":"#s3","b":[1,"##);
    check(
        &["json:$.a.token"],
        &[],
        r#"{"a":{"token":"s3 and cut"#,
        &["s3 and cut"],
        r##"{"a":{"token":"#s3 and cut""##,
    );
    check(&["json:$.token"], &[], r#"x({"token": 12, "b":1})"#, &["12"], r##"x({"token": "#12", "b":1})"##);
    check(&["json:$[*].t"], &[], "{\"t\":1}\n{\"t\":2}\n", &["1", "2"], "{\"t\":\"#1\"}\n{\"t\":\"#2\"}\n");
    check(&["json:$[*].t"], &[], "data: {\"t\":1}\n\ndata: [DONE]\n", &["1"], "data: {\"t\":\"#1\"}\n\ndata: [DONE]\n");
    check(&[], &[r"\d{4}-\d{4}"], "card 1234-5678, <b>", &["1234-5678"], "card #1234-5678, <b>");
    check(&["json:$.a"], &["b+"], r#"{"a":1,"c":"xbbx"}"#, &["1", "bb"], r##"{"a":"#1","c":"x#bbx"}"##);
}

#[test]
fn headers_keep_cookie_names_and_attributes() {
    let r = redactor(&[], &["secret[0-9]+"]);
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("authorization", "Bearer abc"),
        ("cookie", "sid=abc; theme=dark"),
        ("set-cookie", "sid=abc; Path=/; HttpOnly"),
        ("x-api-key", "k"),
        ("location", "/login?token=secret42&x=1"),
        ("accept", "*/*"),
    ] {
        headers.append(HeaderName::from_static(name), value.parse().unwrap());
    }
    let t = |v: &str| r.tag(v.as_bytes());
    let expected = [
        ("authorization", t("Bearer abc")),
        ("cookie", format!("sid={}; theme={}", t("abc"), t("dark"))),
        ("set-cookie", format!("sid={}; Path=/; HttpOnly", t("abc"))),
        ("x-api-key", t("k")),
        ("location", format!("/login?token={}&x=1", t("secret42"))),
        ("accept", "*/*".into()),
    ];
    let shown: std::collections::BTreeMap<_, _> = r.headers(&headers).into_iter().collect();
    assert_eq!(shown, expected.into_iter().map(|(n, v)| (n.to_owned(), v)).collect());
}

#[test]
fn tags_depend_on_value_and_key() {
    let r = redactor(&[], &[]);
    assert_eq!(r.tag(b"a"), r.tag(b"a"));
    assert_ne!(r.tag(b"a"), r.tag(b"b"));
    let other = Redactor::new(&RedactSettings::default(), [8; 32]).unwrap();
    assert_ne!(r.tag(b"a"), other.tag(b"a"));
    assert!(r.tag(b"a").starts_with("[redacted ") && r.tag(b"a").ends_with("…]"));
}

fn finding(exact: &str, primary: &str) -> Finding {
    Finding {
        kind: "json.value".into(),
        tier: Tier::Value,
        location: exact.into(),
        exact: exact.into(),
        primary_class: "string".into(),
        candidate_class: "string".into(),
        primary_shape: None,
        candidate_shape: None,
        primary: Some(primary.into()),
        candidate: None,
        cover: None,
        secondary: false,
    }
}

#[test]
fn what_findings_are_grouped_by_hides_what_patterns_match() {
    let place = |patterns: &[&str], location: &str| {
        let mut all = [finding(location, "1")];
        redactor(&[], patterns).groups(&mut all);
        let [f] = all;
        (f.location.to_string(), f.exact.to_string())
    };
    let mail = &["[a-z.]+@[a-z.]+"];
    for (location, expected) in [
        ("json:$.users['a.b@x.org'][*].n", "json:$.users.*[*].n"),
        ("json:$.users['it\\'s a@x'].n", "json:$.users.*.n"),
        ("json:$.users[*].mail", "json:$.users[*].mail"),
        ("header:etag", "header:etag"),
        ("cookie:alice@example.com", "cookie:*"),
        ("cookie:sid", "cookie:sid"),
        ("xml:/a/{urn:me@x}b[2]/@id", "xml:/a/*[2]/@id"),
        ("text", "text"),
    ] {
        assert_eq!(place(mail, location), (expected.to_owned(), expected.to_owned()), "{location}");
    }
    assert_eq!(place(&["s3cret"], "json:$.s3cret.a").0, "json:$.*.a");
    assert_eq!(place(&["s3cret"], "json:$['s3%63ret']").0, "json:$.*");
    assert_eq!(place(&["text"], "text").0, "text");

    let hunk = |class: &'static str, text: &str| Finding {
        kind: "text.hunk".into(),
        primary_class: class.into(),
        candidate_class: "bye".into(),
        ..finding("text", text)
    };
    let r = redactor(&[], mail);
    let classes = |mut all: Vec<Finding>| {
        r.groups(&mut all);
        all.into_iter().map(|f| f.primary_class.to_string()).collect::<Vec<_>>()
    };
    let tag = r.tag(b"dear a@x.org");
    assert_eq!(classes(vec![hunk("dear a@x.org", "dear a@x.org"), hunk("dear a@x.org", "b")]), [&*tag, &*tag]);
    // Also what the class shows only the beginning of.
    assert_eq!(classes(vec![hunk("dear a", "dear a@x.org")]), [r.tag(b"dear a")]);
    assert_eq!(classes(vec![hunk("dear all", "dear all")]), ["dear all"]);
}

#[test]
fn findings_are_redacted_by_where_they_stand() {
    let r = redactor(&["json:$.user.email", "json:$.items[*].key", "json:$..token", "json:$[*].pin"], &["p4ss"]);
    let tagged = |exact: &str, primary: &str| {
        let mut f = finding(exact, primary);
        r.finding(&mut f);
        assert_eq!(f.candidate, None);
        f.primary.unwrap()
    };
    let t = |v: &str| r.tag(v.as_bytes());
    for (exact, value, expected) in [
        ("json:$.user.email", "\"a@b\"", t("a@b")),
        ("json:$.user.email", "a@b", t("a@b")),
        ("body, event 3", r#"{"pin":"1"}"#, format!(r#"{{"pin":"{}"}}"#, t("1"))),
        ("json:$.user.email.host", "b", t("b")),
        ("json:$.user.name", "b", "b".into()),
        ("json:$.items[3].key", "9", t("9")),
        ("json:$.items[3].kez", "9", "9".into()),
        ("json:$.a.b[0].token", "9", t("9")),
        ("json:$.user", r#"{"email":"a@b","n":1}"#, format!(r#"{{"email":"{}","n":1}}"#, t("a@b"))),
        ("json:$.user", r#"{"email":"a@b","n":…"#, format!(r#"{{"email":"{}","n":…"#, t("a@b"))),
        ("json:$.x", "p4ss", t("p4ss")),
        ("header:authorization", "Basic x", t("Basic x")),
        ("header:x-api-key", "x", t("x")),
        ("header:etag", "p4ss!", format!("{}!", t("p4ss"))),
        ("cookie:sid", "abc", t("abc")),
        // Lines without a name, which are one value here.
        ("header:set-cookie", "a1; Path=/, a2; Path=/", t("a1; Path=/, a2; Path=/")),
        ("header:cookie", "a=1; b=2, c=3", t("a=1; b=2, c=3")),
        ("trailer:x-api-key", "x, y; z", t("x, y; z")),
        ("json:$.a-b", "9", t("9")),
        ("text", "p4ss", t("p4ss")),
        ("status", "200", "200".into()),
    ] {
        assert_eq!(tagged(exact, value), expected, "{exact} {value}");
    }
    let attribute = |text: &str| {
        let mut f = Finding { kind: "cookie.attr".into(), ..finding("cookie:sid", text) };
        r.finding(&mut f);
        f.primary.unwrap()
    };
    assert_eq!(attribute("SameSite=lax"), "SameSite=lax");
    assert_eq!(attribute("Path=/p4ss"), format!("Path=/{}", t("p4ss")));
}

#[test]
fn messages_are_text_and_bounded() {
    let r = redactor(&["json:$.pw"], &["secret"]);
    let head = RequestHead {
        method: Method::GET,
        uri: "/a?k=secret".parse().unwrap(),
        host: None,
        scheme: "http",
        headers: Default::default(),
    };
    let request = r.request(&head, &Captured::empty());
    assert_eq!(request.start, format!("GET /a?k={}", r.tag(b"secret")));
    let answer = |body: &[u8]| {
        let body = Captured::whole(vec![Bytes::copy_from_slice(body)]);
        let end = BodyEnd::Complete;
        Answer {
            status: StatusCode::OK,
            reason: Default::default(),
            headers: Default::default(),
            body,
            trailers: None,
            end,
        }
    };
    let long = r.answer(&answer(format!("{{\"pw\":\"x\",\"a\":\"{}\"}}", "é".repeat(20_000)).as_bytes()));
    assert_eq!((long.start.as_str(), long.body_bytes, long.binary), ("200 OK", 40_017, false));
    assert!(long.body.len() <= MAX_BODY + 3 && long.body.contains("[redacted"));
    let binary = r.answer(&answer(b"\x1f\x8b\0abc"));
    assert!(binary.binary);
    assert_eq!(binary.body, format!("00000000  1f 8b 00 61 62 63{}  |...abc|\n", "   ".repeat(10)));
    let failed = Outcome::Failed(Failure { kind: FailureKind::Timeout, detail: "no answer for secret".into() });
    assert_eq!(r.outcome(&failed).start, format!("transport.timeout: no answer for {}", r.tag(b"secret")));
    let digest = Captured::Digest { xxh3: 5, length: 9, given_up: false };
    assert_eq!(r.request(&head, &digest).body, "[not kept: 9 bytes, xxh3 00000000000000000000000000000005]");
}

fn answer(content_type: &'static str, body: &[u8]) -> Answer {
    let mut headers = http::HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    Answer {
        status: StatusCode::OK,
        reason: Default::default(),
        headers: headers.into(),
        body: Captured::whole(vec![Bytes::copy_from_slice(body)]),
        trailers: None,
        end: BodyEnd::Complete,
    }
}

/// Whatever a body is written in: the secret is seen in none, and what is none of it stays to be read where it can.
#[test]
fn bodies_hide_what_stands_at_the_locations_in_every_format() {
    let r = redactor(&["json:$..password"], &["tok_[a-z]+"]);
    let utf16: Vec<u8> = r#"{"password":"hunter2"}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let parts = b"--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nhunter2\r\n--b--\r\n";
    for (content_type, body) in [
        ("application/x-www-form-urlencoded", &b"v=p&password=hunter2"[..]),
        ("application/x-www-form-urlencoded", b"v=p&pass%77ord=hunter2&password=hunter2"),
        ("application/x-www-form-urlencoded", b"v=tok%5Fabc"),
        ("text/csv", b"password,v\nhunter2,p\n"),
        ("application/json; charset=utf-16le", &utf16),
        ("application/json; charset=iso-8859-1", b"{\"n\":\"\xe9\",\"password\":\"hunter2\"}"),
        ("application/json", b"\xef\xbb\xbf{\n\"a\":{\"password\"\n:\n\"hunter2\"}}"),
        ("application/json-seq", b"\x1e{\"password\":\"hunter2\"}\n"),
        ("application/msgpack", b"\x81\xa8password\xa7hunter2"),
        ("application/cbor", b"\xa1\x68password\x67hunter2"),
        ("application/grpc", b"\0\0\0\0\x09\x0a\x07hunter2"),
        ("multipart/form-data; boundary=b", parts),
        ("application/octet-stream", b"\0\xfftok_abc"),
        ("application/x-www-form-urlencoded", b"n=\xe9&password=hunter2"),
        ("application/x-www-form-urlencoded", b"v=tok%5Fabc&n=\x01"),
        ("application/x-www-form-urlencoded", b"tok%5Fabc&n=1"),
        ("application/json; charset=utf-16", &[b"\xff\xfe", &utf16[..]].concat()),
        ("application/json; charset=utf-16le", &utf16[..utf16.len() - 1]),
        ("text/event-stream", b"data: {\"password\":\ndata: \"hunter2\"}\n\n"),
        ("application/json", b"{\"v\":\"tok\\u005fabc\"}"),
        ("multipart/form-data; boundary=b", &[&parts[..parts.len() - 7], parts].concat()),
        ("text/plain", b"caf\xe9 tok_abc"),
    ] {
        let shown = r.answer(&answer(content_type, body));
        for secret in ["hunter2", "h.u.n", "tok_abc", "74 6f 6b", "tok%5Fabc", "u005f"] {
            assert!(!shown.body.contains(secret), "{content_type}: {}", shown.body);
        }
        assert!(shown.body.contains("redacted"), "{content_type}: {}", shown.body);
    }
    let form = r.answer(&answer("application/x-www-form-urlencoded", b"v=p%20q&password=hunter2&password=b"));
    assert_eq!(form.body, format!("v=p%20q&password={}&password={}", r.tag(b"hunter2"), r.tag(b"b")));
    for (content_type, body, shown) in [
        ("text/csv", &b"a,b\ntok_x,2\n"[..], format!("a,b\n{},2\n", r.tag(b"tok_x"))),
        ("application/cbor", b"\xa1\x61a\x01", dump(b"\xa1\x61a\x01")),
        ("application/x-www-form-urlencoded", b"a=%41&b", "a=%41&b".into()),
    ] {
        assert_eq!(r.answer(&answer(content_type, body)).body, shown);
    }
}

#[test]
fn locations_are_read_as_reports_write_them() {
    check(&["json:$['a\\nb']"], &[], r#"{"a\nb":"s","anb":1}"#, &["s"], r##"{"a\nb":"#s","anb":1}"##);
    check(&["json:$['\\ud800']"], &[], r#"{"\uD800":"s","x":1}"#, &["s"], r##"{"\uD800":"#s","x":1}"##);
    for name in ["a\nb", "it's", "a\\b", "a\u{1}", "\u{2028}", "é"] {
        let mut place = String::from("json:$");
        crate::diff::path::push_name(&mut place, name.as_bytes());
        let r = redactor(&[&place], &[]);
        let body = format!("{{{}:\"s\"}}", serde_json::Value::from(name));
        assert_eq!(r.body(b"", body.as_bytes()), Some((body.replace("\"s\"", &format!("\"{}\"", r.tag(b"s"))), false)));
        let mut f = finding(&place, "s");
        r.finding(&mut f);
        assert_eq!(f.primary, Some(r.tag(b"s")), "{place}");
        // And where the document is cut, in all spellings.
        let cut = body.trim_end_matches('}');
        let escaped: String = name.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        for cut in [cut, &format!("{{\"{escaped}\" : {{\"x\": \"s\"")] {
            let (shown, _) = r.body(b"", cut.as_bytes()).unwrap();
            assert!(shown.contains("[redacted ") && !shown.contains("\"s\""), "{shown}");
        }
    }
}

/// As deep as it may be, and by however many ways it is come to.
#[test]
fn nesting_takes_no_more_than_its_share() {
    let nested =
        |open: &str, inner: &str, close: &str, n: usize| format!("{}{inner}{}", open.repeat(n), close.repeat(n));
    for deep in [nested("[", "1", "]", 100_000), nested("{\"a\":", "1", "}", 100_000)] {
        let r = redactor(&["json:$..token"], &[]);
        assert_eq!(r.body(b"application/json", deep.as_bytes()), None);
        let event = format!("data: {deep}\n\n");
        assert_eq!(r.body(b"", event.as_bytes()), None);
        let mut f = finding("json:$.x", &deep);
        r.finding(&mut f);
        assert_eq!(f.primary, Some(r.tag(deep.as_bytes())));
        // Where no path leads there is nothing to follow.
        assert!(redactor(&["json:$.token"], &[]).body(b"", format!("{{\"x\":{deep}}}").as_bytes()).is_some());
    }
    let r = redactor(&["json:$..a..a..a..a..a..a..b"], &[]);
    let text = nested("{\"a\":", "{\"b\":\"s\"}", "}", 250);
    let (shown, _) = r.body(b"", text.as_bytes()).unwrap();
    assert_eq!(shown, text.replace("\"s\"", &format!("\"{}\"", r.tag(b"s"))));
}

/// Where a secret may stand, in all spellings that go there: it is seen nowhere, and has one tag.
#[test]
fn patterns_match_what_is_meant() {
    let r = redactor(&[], &[r"[a-z]+@example\.com"]);
    let tag = r.tag(b"alice@example.com");
    let (escaped, percent) = (r"alice\u0040example.com", "alice%40example.com");
    let deep = format!(r#"{{"m":"{escaped}","d":{}1{}}}"#, "[".repeat(130), "]".repeat(130));
    for (content_type, body) in [
        ("application/json", format!(r#"{{"m":"{escaped}","x":1}}"#)),
        ("application/json", deep),
        ("application/json", format!(r#"{{"m":"{escaped}","#)),
        ("application/json", format!(r#"{{"next":"\/u?m={percent}"}}"#)),
        ("application/json", r#"{"Message":"{\"m\":\"alice\\u0040example.com\"}"}"#.to_owned()),
        ("application/x-ndjson", format!("{{\"m\":\"{escaped}\"}}\n{{\"x\":1}}\n")),
        ("text/event-stream", format!("data: {{\"m\":\"{escaped}\"}}\n\ndata: {{\"x\":1}}\n\n")),
        ("application/xml", "<m>alice&#64;example.com</m>".to_owned()),
        ("text/html", format!("<a href='/u/{percent}'>")),
        ("application/x-www-form-urlencoded", format!("x=1&m={percent}")),
    ] {
        let shown = r.answer(&answer(content_type, body.as_bytes())).body;
        assert!(!shown.contains("alice") && shown.contains(&tag), "{content_type} {body}: {shown}");
    }
    for exact in ["json:$.m", "text", "body", "header:location", "trailer:x", "grpc:$.m", "body, event 1", "xml:/m"] {
        for value in [escaped, percent, "alice&#x40;example.com", "alice@example.com"] {
            let mut f = finding(exact, &format!("\"{value}\""));
            r.finding(&mut f);
            assert_eq!(f.primary, Some(format!("\"{tag}\"")), "{exact} {value}");
        }
    }
    for (target, shown) in [
        (format!("/j?m={percent}&b=bob@example.com"), format!("/j?m={tag}&b={}", r.tag(b"bob@example.com"))),
        (format!("/users/{percent}/k"), format!("/users/{tag}/k")),
        ("/j?m=%61lice%40ex%61mple.com".to_owned(), format!("/j?m={tag}")),
        ("/j?m=a%20b+c".to_owned(), "/j?m=a%20b+c".to_owned()),
    ] {
        let uri = target.parse().unwrap();
        let head = RequestHead { method: Method::GET, uri, host: None, scheme: "http", headers: Default::default() };
        assert_eq!(r.request(&head, &Captured::empty()).start, format!("GET {shown}"));
        let mut headers = HeaderMap::new();
        headers.insert("location", target.parse().unwrap());
        assert_eq!(r.headers(&headers), [("location".to_owned(), shown)]);
    }
    let words = redactor(&[], &["jane doe", "secret"]);
    assert_eq!(
        words.text("/?q=jane+doe&x=secret"),
        format!("/?q={}&x={}", words.tag(b"jane doe"), words.tag(b"secret"))
    );
    let mut headers = HeaderMap::new();
    headers.insert("set-cookie", "alice@example.com=1; Path=/".parse().unwrap());
    assert_eq!(r.headers(&headers), [("set-cookie".to_owned(), format!("{tag}={}; Path=/", r.tag(b"1")))]);
}

/// Each by itself, and what contains another instead of it.
#[test]
fn matches_that_meet_are_one() {
    let r = redactor(&[], &["b+", "abbc?", r"cd\b"]);
    assert_eq!(r.text("x bb"), format!("x {}", r.tag(b"bb")));
    assert_eq!(r.text("abb b"), format!("{} {}", r.tag(b"abb"), r.tag(b"b")));
    assert_eq!(r.text("abbcd"), r.tag(b"abbcd"));
}

/// However many there are.
#[test]
fn byte_order_marks_are_passed_over() {
    let r = redactor(&["json:$.password"], &[]);
    let marks = "\u{feff}".repeat(50_000);
    let shown = r.json.body(&format!("{marks}{{\"password\":\"hunter2\"}}"), &|v| r.tag(v)).unwrap().into_owned();
    assert_eq!(shown, format!("{marks}{{\"password\":\"{}\"}}", r.tag(b"hunter2")));
}

fn dump(bytes: &[u8]) -> String {
    redactor(&[], &[]).body(b"", bytes).unwrap().0
}

/// A line by itself does not say what it is a part of, and bytes do not say it at all.
#[test]
fn findings_about_bodies_hide_what_is_redacted_in_the_whole() {
    let r = redactor(&["json:$.password"], &["tok_[a-z]+"]);
    let found = |content_type, primary: &[u8], candidate: &[u8], kind: &str, excerpt: &str| {
        let at = if kind == "text.hunk" { "text" } else { "body" };
        let mut f = [Finding { kind: kind.to_owned().into(), location: at.into(), ..finding(at, excerpt) }];
        r.bodies(&mut f, [&answer(content_type, primary), &answer(content_type, candidate)]);
        f[0].primary.clone().unwrap()
    };
    let hidden = |excerpt: &str| r.tag(excerpt.as_bytes());
    let broken = b"{\"password\" :\n \"hunter2\",\"v\":1";
    assert_eq!(found("application/json", broken, b"{", "text.hunk", "\"hunter2\""), hidden("\"hunter2\""));
    let bytes = b"\0\xfftok_abc";
    assert_eq!(found("image/png", b"\0", bytes, "body.opaque", "00ff746f6b"), hidden("00ff746f6b"));
    assert_eq!(found("image/png", b"\0", b"\0\xff", "body.opaque", "00ff"), "00ff");
    assert_eq!(found("application/jwt", b"a", b"tok_abc", "body.opaque", "746f6b"), hidden("746f6b"));
    let long = [vec![b'x'; 300], b" tok_abc".to_vec()].concat();
    assert_eq!(found("text/html", b"a", &long, "text.hunk", "_abc"), hidden("_abc"));
    assert_eq!(found("text/html", b"a", b"tok_abc\nb", "text.hunk", "b"), "b");
    assert_eq!(found("text/plain", b"a\nb", b"a\nc", "text.hunk", "c"), "c");
    let form = |name: &str| {
        let head = format!("Content-Disposition: form-data; name=\"{name}\"");
        answer("multipart/form-data; boundary=b", format!("--b\r\n{head}\r\n\r\nhunter2\r\n--b--\r\n").as_bytes())
    };
    for (name, shown) in [("password", hidden("hunter2")), ("other", "hunter2".to_owned())] {
        let mut f = [Finding { location: "json:$[*].body".into(), ..finding("json:$[0].body", "hunter2") }];
        r.bodies(&mut f, [&form(name), &form(name)]);
        assert_eq!(f[0].primary, Some(shown), "{name}");
    }
}

#[test]
fn all_errors_are_reported() {
    let settings = RedactSettings {
        headers: vec!["a b".into()],
        json: vec!["json:$.a".into(), "user".into(), "json:$..".into(), "$.a[?@.x]".into()],
        patterns: vec!["(".into(), "a*".into()],
    };
    let errors = Redactor::new(&settings, [0; 32]).unwrap_err();
    let keys: Vec<_> = errors.iter().map(|e| (e.key, e.index)).collect();
    assert_eq!(keys, [("headers", 0), ("json", 1), ("json", 2), ("json", 3), ("patterns", 0), ("patterns", 1)]);
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<i64>().prop_map(Into::into),
        "[a-z\"\\\\\u{e9}]{0,6}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 30, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
            proptest::collection::btree_map("[abs]", inner, 0..4)
                .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
        ]
    })
}

/// The same redaction on a parsed tree.
fn expected(r: &Redactor, value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Array(items) => items.iter().map(|v| expected(r, v)).collect::<Vec<_>>().into(),
        serde_json::Value::Object(map) => serde_json::Value::Object(
            map.iter()
                .map(|(k, v)| {
                    let raw = v.to_string();
                    let inner = raw.strip_prefix('"').and_then(|r| r.strip_suffix('"')).unwrap_or(&raw);
                    let v = if k == "s" { r.tag(inner.as_bytes()).into() } else { expected(r, v) };
                    (k.clone(), v)
                })
                .collect(),
        ),
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn the_text_walk_agrees_with_a_tree(value in json()) {
        let r = redactor(&["json:$..s"], &[]);
        let (text, _) = r.body(b"", value.to_string().as_bytes()).unwrap();
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected(&r, &value));
        let (pretty, _) = r.body(b"", serde_json::to_string_pretty(&value).unwrap().as_bytes()).unwrap();
        // Containers are tagged by their text, so only whatever holds no container below a hit must agree.
        prop_assert!(serde_json::from_str::<serde_json::Value>(&pretty).is_ok());
    }

    /// Bodies of any length, with and without anything to replace.
    #[test]
    fn text_is_what_holds_no_control_characters(
        text in "[a-zé\u{a0}\n\t\u{1b}]{0,300}",
        odd in proptest::option::of("[\u{0}-\u{20}\u{7e}-\u{a1}]"),
        at in any::<prop::sample::Index>(),
    ) {
        let mut chars: Vec<char> = text.chars().collect();
        if let Some(odd) = odd {
            chars.insert(at.index(chars.len() + 1), odd.chars().next().unwrap());
        }
        let text = String::from_iter(&chars);
        let binary = chars.iter().any(|c| c.is_control() && !"\n\r\t\u{1b}\u{c}".contains(*c));
        for r in [redactor(&[], &[]), redactor(&["json:$.none"], &["none"])] {
            let (shown, dumped) = r.body(b"", text.as_bytes()).unwrap();
            prop_assert_eq!(dumped, binary, "{:?}", text);
            prop_assert!(dumped || shown == text);
            // Long ones are cut between characters, whatever there is to replace.
            let long = format!("{}{text}", "x".repeat(MAX_BODY - chars.len() / 2));
            let (shown, _) = r.body(b"", long.as_bytes()).unwrap();
            let cut = shown.strip_suffix('…').unwrap_or(&shown);
            prop_assert!(binary || (long.starts_with(cut) && cut.len() + 1 >= MAX_BODY.min(long.len())));
            prop_assert!(binary || cut.len() <= MAX_BODY && (cut.len() < long.len()) == shown.ends_with('…'));
        }
    }

    #[test]
    fn nothing_panics(body in proptest::collection::vec(any::<u8>(), 0..200), text in "[{}\\[\\]\":,a-c0-9\\\\ \n]{0,80}") {
        let r = redactor(&["json:$..a", "json:$.b[*]"], &["c[0-9]"]);
        for content_type in ["", "application/json", "application/x-www-form-urlencoded", "text/csv", "application/cbor"] {
            r.body(content_type.as_bytes(), &body);
            r.body(content_type.as_bytes(), text.as_bytes());
        }
        r.excerpt("json:$.x", &text);
    }
}

#[test]
fn long_values_are_redacted_whole_and_then_cut_to_where_they_part() {
    let r = redactor(&["json:$.pin"], &["(?s)key=[0-9a-f]{40}", "^\"who:.{9}"]);
    let (lead, key) = ("the same words ".repeat(40), |c: &str| format!("key={}", c.repeat(40)));
    let shown = |exact: &str, a: String, b: String| {
        let mut f = Finding { candidate: Some(b), ..finding(exact, &a) };
        r.finding(&mut f);
        (f.primary.unwrap(), f.candidate.unwrap())
    };
    let text = |end: &str| format!("\"{lead}{end}\"");
    let (a, b) = shown("json:$.text", text("old"), text("new"));
    assert!(a.starts_with("…") && a.ends_with("words old\"") && b.ends_with("words new\""), "{a} {b}");

    // The place where they part is inside of what must not be seen, or after it.
    let (a, b) = shown("json:$.text", text(&key("a")), text(&key("b")));
    assert!(a.ends_with(&format!("{}\"", r.tag(key("a").as_bytes()))) && !b.contains("bb"), "{a} {b}");
    let (a, b) = shown("json:$.text", text(&format!("{} 1", key("a"))), text(&format!("{} 2", key("a"))));
    assert!(!a.contains("aa") && a.ends_with(" 1\"") && b.ends_with(" 2\""), "{a} {b}");
    // A cut takes away what another pattern needs in front of it, and what tells where a value stands.
    let (a, _) =
        shown("json:$.text", format!("\"who:topsecret{}1\"", "s".repeat(300)), format!("\"{}\"", "s".repeat(9)));
    assert!(!a.contains("topsecret"), "{a}");
    let (a, b) = shown("json:$.pin", text("1"), text("2"));
    assert!(a.starts_with("[redacted ") && b.starts_with("[redacted ") && a != b, "{a} {b}");
    let (a, b) = shown("header:location", format!("/{lead}?{}", key("a")), format!("/{lead}?{}", key("b")));
    assert!(!a.contains("aa") && !b.contains("bb") && a != b, "{a} {b}");
}
