//! What holds for any pair of answers.

use super::super::coding::tests::gzip;
use super::*;
use http::header::CONTENT_LENGTH;
use proptest::prelude::*;

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
        "retry-after",
        "www-authenticate",
        "permissions-policy",
        "strict-transport-security",
        "cross-origin-opener-policy",
        "content-location",
        "content-length",
        "x-frame-options",
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
        "max-age=2; a",
        "sid=\"1\"; Priority=High",
        "a*b=1; Max-Age=5",
        "attachment; filename=a",
        "Attachment; filename*=UTF-8''a",
        "Basic realm=\"a, b\", Bearer",
        "geolocation=(self \"https://a\"), camera=()",
        "script-src 'nonce-1' *; img-src a",
        ", ,;=\"",
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
        "text/event-stream",
        "text/csv; header=absent",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/cbor",
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
            "\0\0\0\0\x01x",
            "data: 1\n\ndata: 2\n",
            "--b\r\n\r\nx\r\n--b--",
            "a=1&b=%20"
        ])
        .prop_map(|s| s.as_bytes().to_vec()),
        Just(gzip(b"{\"a\":1}")),
    ];
    let status = prop::sample::select(vec![200u16, 200, 200, 204, 206, 302, 304, 401, 500]);
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
            reason: Default::default(),
            headers: headers.into(),
            body: captured(&body),
            trailers: trailer.map(|(n, v)| fields_of(n, v)),
            end: BodyEnd::Complete,
        }
    })
}

fn fields_of(name: &'static str, value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
}

/// Two JSON texts of one document, of which the second may have other scalars, other members, another order of them, and
/// white space.
fn two_texts() -> impl Strategy<Value = (String, String)> {
    let scalar = || {
        prop::sample::select(vec![
            "1",
            "1.0",
            "-2e3",
            "\"a\"",
            "\"A\"",
            "\"\\u0061\"",
            "\"\"",
            "null",
            "true",
            "\"http://old.example/x\"",
            "\"http://new.example/x\"",
            "\"1b4e28ba-2fa1-11d2-883f-0016d3cca427\"",
            "[1,2]",
            "{\"x-parallax-leg\":1}",
            "01",
        ])
    };
    let name = || prop::sample::select(vec!["a", "b", "id", "42", "x-parallax-leg", "a"]);
    let member = (name(), scalar(), prop::option::weighted(0.2, scalar()), prop::option::weighted(0.05, name()));
    let layout = prop::sample::select(vec!["", "", "", " ", "\n\t"]);
    (proptest::collection::vec(member, 0..6), any::<bool>(), 0usize..6, layout).prop_map(
        |(all, list, turned, space)| {
            let text = |members: Vec<String>, space: &str| match list {
                true => format!("{{\"l\":[{{{}}},{space}{{\"a\":1}}]}}", members.join(&format!(",{space}"))),
                false => format!("{{{}{space}}}", members.join(",")),
            };
            let ours = all.iter().map(|(name, value, _, _)| format!("\"{name}\":{value}")).collect();
            let theirs = all.iter().map(|(name, value, other, renamed)| {
                format!("\"{}\":{}", renamed.unwrap_or(name), other.unwrap_or(value))
            });
            let mut theirs: Vec<String> = theirs.collect();
            let turned = if turned > 4 { 1.min(theirs.len()) } else { 0 };
            theirs.rotate_left(turned);
            (text(ours, ""), text(theirs, space))
        },
    )
}

/// What in an answer takes the request to be understood; the quick check leaves that to the full one.
fn asks_for_context(a: &Answer, b: &Answer) -> bool {
    let names = [
        "location",
        "link",
        "expires",
        "refresh",
        "content-location",
        "content-length",
        "set-cookie",
        "retry-after",
        "content-security-policy",
        "access-control-allow-origin",
    ];
    names.iter().any(|n| a.headers.table().get_all(*n) != b.headers.table().get_all(*n))
        || (a.headers.has(&CONTENT_LENGTH) && !a.body.same_bytes(&b.body))
        || grpc::is_grpc(a)
        || grpc::is_grpc(b)
        || (a.status.is_redirection()
            && !(coding::codings(&a.headers).is_empty() && coding::codings(&b.headers).is_empty()))
}

#[test]
fn what_is_told_at_once() {
    let asked = Asked::new("GET", "/a/b");
    let told = |a: &str, b: &str| at_once(&asked.context(&|| false), &answer(a), &answer(b)).map(|found| told(&found));
    let json = "200\ncontent-type: application/json; charset=UTF-8\ndate: ";
    let [a, b, c] = ["1\n\n{\"a\":1}", "2\n\n{\"a\":2}", "2\n\n{\"a\":1,\"b\":1}"].map(|rest| format!("{json}{rest}"));
    assert_eq!(told(&a, &b).as_deref(), Some("json.value @ json:$.a value"));
    let long = format!("{json}1\n\n{{\"a\":\"{}\"}}", "x".repeat(5_000));
    let of = |body: String| format!("{json}1\n\n{body}");
    let members = |n: usize, value: &str| {
        of(format!("{{{}}}", (0..n).map(|i| format!("\"k{i}\":{value}")).collect::<Vec<_>>().join(",")))
    };
    let deep = |n: usize, value: u8| of(format!("{}{value}{}", "[".repeat(n), "]".repeat(n)));
    for (x, y) in [
        (members(8, "1"), members(8, "2")),
        (members(8, "{\"a\":1,\"b\":2}"), members(8, "{\"b\":2,\"a\":1}")),
        (deep(16, 1), deep(16, 2)),
    ] {
        assert!(told(&x, &y).is_some(), "{x} {y}");
    }
    for (x, y) in [
        (&*a, &*c),
        (&members(9, "1"), &members(9, "2")),
        (&members(9, "{\"a\":1,\"b\":2}"), &members(9, "{\"b\":2,\"a\":1}")),
        (&deep(17, 1), &deep(17, 2)),
        (&a, &long),
        (&a, &b.replace("200", "201")),
        (&a, &b.replace("date", "x-a: 1\ndate")),
        (&a.replace("json;", "cbor;"), &b.replace("json;", "cbor;")),
        (&a.replace("date", "content-encoding: br\ndate"), &b.replace("date", "content-encoding: br\ndate")),
        (&a, &b.replace("date", "content-length: 70\ndate")),
    ] {
        assert_eq!(told(x, y), None, "{x} {y}");
    }
}

/// What one system says and the other does not, mostly without making a finding.
const HEADS_OF_ITS_OWN: &[(&str, &str)] = &[
    ("server", "new"),
    ("x-build-id", "2"),
    ("etag", "\"new\""),
    ("via", "1.1 new"),
    ("connection", "x-new"),
    ("x-new", "1"),
    ("content-length", "5"),
    ("content-length", "7"),
    ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn an_answer_matches_itself(a in any_answer()) {
        let asked = Asked::new("GET", "/a/b");
        let found = asked.compare(&a, &Outcome::from(a.clone()));
        prop_assert!(found.is_match(), "{}", told(&found));
        prop_assert!(is_match(&asked.rules, &asked.skip, &a, &a));
    }

    #[test]
    fn the_quick_check_agrees(
        a in any_answer(),
        b in any_answer(),
        same in any::<bool>(),
        of_its_own in proptest::collection::vec(prop::sample::select(HEADS_OF_ITS_OWN), 0..3),
    ) {
        let asked = Asked::new("GET", "/a/b");
        let mut b = if same { a.clone() } else { b };
        for (name, value) in of_its_own {
            b.headers.table_mut().append(name, HeaderValue::from_static(value));
        }
        let found = asked.compare(&a, &Outcome::from(b.clone()));
        let quick = is_match(&asked.rules, &asked.skip, &a, &b);
        prop_assert!(!quick || found.is_match(), "{}", told(&found));
        prop_assert!(quick || !found.is_match() || asks_for_context(&a, &b));
        prop_assert!(found.list.len() <= MAX_FINDINGS);
        for finding in &found.list {
            prop_assert!(!summary(finding).is_empty());
        }
    }

    /// What is told at once is what a closer look finds.
    #[test]
    fn at_once_is_told_what_there_is(
        a in any_answer(),
        b in any_answer(),
        texts in two_texts(),
        plain in prop::bool::weighted(0.9),
        same_head in prop::bool::weighted(0.8),
        of_its_own in proptest::collection::vec(prop::sample::select(HEADS_OF_ITS_OWN), 0..3),
        ruled in any::<bool>(),
    ) {
        let asked = Asked::new("GET", "/a/b").origins("http://old.example", "http://new.example");
        let set = RuleSet::compile(&[ignoring("all", "body", Ignore::Value), ignoring("a", "json:$.a", Ignore::All)]);
        let rules = set.unwrap().for_route("GET /a/b", "2026-01-01");
        let never = || false;
        let context = asked.context(&never);
        let context = if ruled { Context { rules: &rules, ..context } } else { context };
        let mut a = Answer { body: captured(texts.0.as_bytes()), ..a };
        if plain {
            // What is told at once most often.
            (a.status, a.trailers) = (StatusCode::OK, None);
            for name in ["content-encoding", "content-length"] {
                a.headers.table_mut().remove(name);
            }
            a.headers.table_mut().insert("content-type", HeaderValue::from_static("application/json"));
        }
        let head = if same_head { a.clone() } else { b };
        let mut b = Answer { body: captured(texts.1.as_bytes()), ..head };
        for (name, value) in of_its_own {
            b.headers.table_mut().append(name, HeaderValue::from_static(value));
        }
        if let Some(found) = at_once(&context, &a, &b) {
            prop_assert_eq!(found, compare(&context, &a, &Outcome::from(b)));
        }
    }

    /// Links match where both sides have the same one, or each its own to the same place; however they are written.
    #[test]
    fn own_links_are_alike_and_no_others(
        links in proptest::collection::vec((0..5usize, 0..5usize), 1..6),
        tails in any::<bool>(),
        escaped in (any::<bool>(), any::<bool>()),
        media in prop::sample::select(&["application/json", "text/plain", "application/xml", "application/x-ndjson"]),
    ) {
        let asked = Asked::new("GET", "/a/b").origins("http://old:1", "http://new:2");
        let origins = ["http://old:1", "http://new:2", "http://shop.example", "http://old:10", "{origin}"];
        let json = media.ends_with("json");
        let of = |side: Vec<usize>, escaped: bool, space: &str| {
            let links = (0..).zip(side).map(|(i, o)| format!("{}/{}", origins[o], if tails { i } else { 0 }));
            let links = links.map(|url| if escaped && json { url.replace('/', "\\/") } else { url });
            let text = match media {
                "application/json" => format!("[{space}{}]", links.map(|u| format!("\"{u}\"")).collect::<Vec<_>>().join(",")),
                "application/x-ndjson" => links.map(|u| format!("{{\"u\":{space}\"{u}\"}}\n")).collect(),
                "application/xml" => format!("<a{space}>{}</a>", links.map(|u| format!("<b h='{u}'>{u}</b>")).collect::<String>()),
                _ => links.map(|u| format!("see {u}{space}\n")).collect(),
            };
            answer(&format!("200\ncontent-type: {media}\n\n{text}"))
        };
        let (ours, theirs): (Vec<_>, Vec<_>) = links.iter().copied().unzip();
        let (a, b) = (of(ours.clone(), escaped.0, ""), of(theirs, escaped.1, " "));
        let found = asked.compare(&a, &Outcome::from(b));
        let counts = found.list.iter().any(Finding::counts);
        let own = links.iter().any(|(o, c)| *o == 0 || *c == 1);
        let related = |(o, c): &(usize, usize)| o == c || (own && [0, 2].contains(o) && [1, 2].contains(c));
        // Lines and elements are paired by what they say: where one link goes with two, of which only their places tell.
        let one_to_one = links.iter().all(|x| links.iter().all(|y| (x.0 == y.0) == (x.1 == y.1)));
        if links.iter().all(related) && (tails || one_to_one) {
            prop_assert!(!counts, "{}", told(&found));
        } else if tails {
            prop_assert!(counts, "{}", told(&found));
        }
    }

    /// What a report prints as a location covers, as a rule, what was found there.
    #[test]
    fn locations_can_be_pasted_into_rules(a in any_answer(), b in any_answer()) {
        let asked = Asked::new("GET", "/a/b");
        let found = asked.compare(&a, &Outcome::from(b.clone()));
        for finding in &found.list {
            let set = RuleSet::compile(&[ignoring("r", &finding.location, Ignore::All)]);
            let set = set.map_err(|e| TestCaseError::fail(format!("{}: {e:?}", finding.location)))?;
            let rules = set.for_route("GET /a/b", "2026-01-01");
            let ruled = compare(&Context { rules: &rules, ..asked.context(&|| false) }, &a, &Outcome::from(b.clone()));
            for again in ruled.list.iter().filter(|f| f.location == finding.location) {
                prop_assert!(again.cover.is_some() || !again.tier.counts(), "{}", told(&ruled));
            }
        }
    }

    /// The same head over either body: makes the many ways in which bodies differ as likely as equal heads.
    #[test]
    fn other_bytes_never_match(a in any_answer(), b in any_answer()) {
        let asked = Asked::new("GET", "/a/b");
        let b = Answer { body: b.body, ..a.clone() };
        let found = asked.compare(&a, &Outcome::from(b.clone()));
        let read = !matches!(a.status.as_u16(), 204 | 302 | 304);
        if read {
            prop_assert_eq!(found.is_match(), a.body.same_bytes(&b.body), "{}", told(&found));
        }
        let quick = is_match(&asked.rules, &asked.skip, &a, &b);
        prop_assert!(quick == found.is_match() || asks_for_context(&a, &b), "{}", told(&found));
        prop_assert!(!quick || found.is_match());
    }

    #[test]
    fn sides_swapped_mirror_missing_and_extra(a in any_answer(), b in any_answer()) {
        let asked = Asked::new("GET", "/a/b");
        let there = asked.compare(&a, &Outcome::from(b.clone()));
        let back = asked.compare(&b, &Outcome::from(a.clone()));
        prop_assert_eq!(places(&there, false), places(&back, true));
    }

    #[test]
    fn truncated_is_never_equal(a in any_answer()) {
        let asked = Asked::new("GET", "/a/b");
        let cut = Answer { end: BodyEnd::Broken(failed(FailureKind::Truncated)), ..a.clone() };
        for (x, y) in [(&a, &cut), (&cut, &a), (&cut, &cut)] {
            let found = asked.compare(x, &Outcome::from(y.clone()));
            prop_assert!(found.list.iter().any(Finding::counts));
            prop_assert!(!is_match(&asked.rules, &asked.skip, x, y));
        }
    }
}
