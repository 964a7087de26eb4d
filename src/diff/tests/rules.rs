//! What rules excuse, and what they do not.

use super::*;

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
        tolerance: Some(Tolerance { absolute: Some(30.0), ..Tolerance::default() }),
        ..rule("r", "header:cache-control")
    };
    let age = |n: u8| format!("200\ncache-control: private, max-age={n}");
    check_ruled(std::slice::from_ref(&near), &age(60), &age(90), "header.value @ header:cache-control value by r");
    check_ruled(&[near], &age(60), &age(91), "header.value @ header:cache-control value");
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
fn rules_on_cookies_trailers_and_redirects() {
    let mask = |at: &str| RuleSpec { mask: Some(Mask { pattern: "[0-9]+".into(), with: "0".into() }), ..rule("r", at) };
    let shape = |at: &str| RuleSpec { shape: Some(Shape::Class("int".into())), ..rule("r", at) };
    let near = |at: &str, time: Option<u64>| RuleSpec {
        tolerance: Some(Tolerance {
            absolute: time.is_none().then_some(5.0),
            time: time.map(Duration::from_secs),
            ..Tolerance::default()
        }),
        ..rule("r", at)
    };
    let same = |at: &str, a: &str, b: &str| RuleSpec { same: vec![vec![a.into(), b.into()]], ..rule("r", at) };
    let set = |c: &str| format!("200\nset-cookie: {c}");
    let value = "cookie.value_shape @ cookie:a value";
    check_ruled(&[shape("cookie:a")], &set("a=1"), &set("a=2"), &format!("{value} by r"));
    check_ruled(&[shape("cookie:a")], &set("a=1"), &set("a=x"), value);
    check_ruled(&[mask("cookie:a")], &set("a=x1"), &set("a=x2"), &format!("{value} by r"));
    check_ruled(&[same("cookie:a", "\"x\"", "\"y\"")], &set("a=x"), &set("a=y"), &format!("{value} by r"));
    check_ruled(&[near("cookie:a", None)], &set("a=1"), &set("a=5"), &format!("{value} by r"));
    let attr = "cookie.attr @ cookie:a value";
    let lasting = |seconds: u8| set(&format!("a=1; Max-Age={seconds}"));
    check_ruled(&[near("cookie:a", None)], &lasting(60), &lasting(65), &format!("{attr} by r"));
    check_ruled(&[near("cookie:a", None)], &lasting(60), &lasting(66), attr);
    check_ruled(&[near("cookie:a", Some(5))], &lasting(60), &lasting(65), &format!("{attr} by r"));
    check_ruled(&[near("cookie:a", Some(5))], &lasting(60), &lasting(66), attr);
    check_ruled(&[ignoring("r", "cookie:*", Ignore::Extra)], "200", &set("a=1"), "cookie.extra @ cookie:a value by r");

    let sum = |v: &str| format!("200\n\nb\n--trailers--\nx-t: {v}");
    let trailer = "trailer.value @ trailer:x-t value";
    check_ruled(&[near("trailer:x-t", None)], &sum("1"), &sum("6"), &format!("{trailer} by r"));
    check_ruled(&[near("trailer:x-t", None)], &sum("1"), &sum("7"), trailer);
    check_ruled(&[mask("trailer:x-t")], &sum("a1"), &sum("a2"), &format!("{trailer} by r"));
    let numeric = RuleSpec { numeric_string: true, ..rule("r", "trailer:x-t") };
    check_ruled(&[numeric], &sum("1.0"), &sum("1"), &format!("{trailer} by r"));

    let to = |v: &str| format!("302\nlocation: {v}");
    let target = "redirect.target @ header:location value";
    check_ruled(&[mask("header:location")], &to("/x/1"), &to("/x/2"), &format!("{target} by r"));
    check_ruled(&[mask("header:location")], &to("/x/1"), &to("/y/2"), target);
    let until = |second: u8| format!("200\nexpires: Sun, 06 Nov 1994 08:49:{second:02} GMT");
    let expires = "header.value @ header:expires value";
    check_ruled(&[near("header:expires", Some(30))], &until(0), &until(30), &format!("{expires} by r"));
    check_ruled(&[near("header:expires", Some(30))], &until(0), &until(31), expires);
    let empty = same("header:x-a", "missing", "empty");
    check_ruled(std::slice::from_ref(&empty), "200\nx-a:", "200", "header.missing @ header:x-a value by r");
    check_ruled(&[empty], "200\nx-a: 1", "200", "header.missing @ header:x-a value");
    check_ruled(&[same("status", "200", "500")], "200", "500", "status.class @ status break by r");
}

/// What a cookie holds may be of no account; what it is good for is another matter.
#[test]
fn a_rule_on_the_value_of_a_cookie_leaves_its_attributes_alone() {
    let set = |c: &str| format!("200\nset-cookie: {c}");
    let mask = Mask { pattern: "[a-z0-9]+".into(), with: "x".into() };
    let near = Tolerance { absolute: Some(9.0), ..Tolerance::default() };
    for at in ["cookie:a", "header:set-cookie"] {
        let about_value = [
            ignoring("r", at, Ignore::Value),
            ignoring("r", at, Ignore::Missing),
            ignoring("r", at, Ignore::Extra),
            RuleSpec { shape: Some(Shape::Regex("".into())), ..rule("r", at) },
            RuleSpec { mask: Some(mask.clone()), ..rule("r", at) },
            RuleSpec { same: vec![vec!["Secure".into(), "missing".into()]], ..rule("r", at) },
            RuleSpec { tolerance: Some(near), ..rule("r", at) },
        ];
        for (b, tier) in [("a=1; Path=/2", "value"), ("a=1; Path=/1", "break"), ("a=1; Path=/1; Secure", "value")] {
            let a = if b.contains("Secure") { "a=1; Path=/1" } else { "a=1; Path=/1; Secure" };
            let a = if tier == "break" { a } else { a.trim_end_matches("; Secure") };
            let expected = format!("cookie.attr @ cookie:a {tier}");
            for rule in &about_value {
                check_ruled(std::slice::from_ref(rule), &set(a), &set(b), &expected);
            }
            check_ruled(&[ignoring("r", at, Ignore::All)], &set(a), &set(b), &format!("{expected} by r"));
        }
    }
    check_ruled(
        &[ignoring("r", "cookie:sid", Ignore::Value)],
        &set("sid=abc; Secure; HttpOnly"),
        &set("sid=abd"),
        "cookie.attr @ cookie:sid break\ncookie.attr @ cookie:sid break\ncookie.value_shape @ cookie:sid value by r",
    );
}

#[test]
fn what_is_near_in_plain_text() {
    let near = |t: Tolerance| RuleSpec { tolerance: Some(t), ..rule("r", "x") };
    let none = Tolerance::default();
    let time = near(Tolerance { time: Some(Duration::from_secs(2)), ..none });
    let by = |absolute: f64| near(Tolerance { absolute: Some(absolute), ..none });
    let relative = near(Tolerance { relative: Some(0.2), ..none });
    let numeric = RuleSpec { numeric_string: true, ..rule("r", "x") };
    for (how, a, b, excused) in [
        (&time, "2026-01-01T00:00:00Z", "2028-03-03T02:02:02Z", false),
        (&time, "2026-01-01T23:59:59Z", "2026-01-02T00:00:00Z", true),
        (&time, "2026-01-01T23:59:59", "2026-01-02T00:00:02", false),
        (&time, "2026-01-01", "2027-01-02", false),
        (&time, "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:39 GMT", true),
        (&time, "Sun Nov  6 08:49:37 1994", "Sun Nov  6 08:49:40 1994", false),
        (&time, "1767225600000", "1767225602000", true),
        (&time, "1767225600", "1767225603", false),
        (&time, "120", "122", true),
        (&time, "1.5s", "3.5s", true),
        (&time, "page 1", "page 2", false),
        (&time, "12ms", "14ms", true),
        (&time, "db;dur=12ms, x", "db;dur=14ms, x", true),
        (&time, "1m30s", "1m31s", true),
        (&time, "1m30s", "1m33s", false),
        (&time, "took 900ms.", "took 1.1s.", true),
        (&time, "PT5S", "PT6S", true),
        (&time, "at 10:00:00", "at 10:00:01", true),
        (&time, "ts=1767225600", "ts=1767225601", true),
        (&time, "ts=1767225600", "ts=1767225603", false),
        (&time, "max-age=60, public", "max-age=61, public", true),
        (&time, "bytes=0-60", "bytes=0-61", false),
        (&time, "t=2026-01-01T00:00:00Z", "t=2026-01-01T00:00:01Z", true),
        (&time, "\"2026-01-01T00:00:00Z\", 9", "\"2026-01-01T00:00:01Z\", 9", true),
        (&time, "t=2026-01-01T00:00:00Z", "t=2027-01-01T00:00:00Z", false),
        (&time, "t=2026-01-01", "t=2027-01-01", false),
        (&by(1.0), "t=2026-01-01", "t=2027-01-01", false),
        (&by(1.0), "took 5ms.", "took 6ms.", true),
        (&by(1.0), "took 5.", "took 6.", true),
        (&by(1.0), "2h30m", "2h31m", true),
        (&by(1.0), "10x20", "10x21", true),
        (&by(1.0), "0x1f", "0x2f", false),
        (&by(1.0), "2026-01-01T00:00:00Z", "2027-02-02T01:01:01Z", false),
        (&by(1.0), "1e5", "1e6", false),
        (&by(1.0), "a 1e5", "a 1e6", false),
        (&by(1.0), "-3", "-4", true),
        (&by(1.0), "a=-3, b=4", "a=-4, b=5", true),
        (&by(3.0), "a=-1", "a=1", true),
        (&by(1.0), "a=-1", "a=1", false),
        (&by(1.0), "bytes 0-99/200", "bytes 0-98/200", true),
        (&by(1.0), "db;dur=12.5ms", "db;dur=13ms", true),
        (&by(1.0), "1f3e", "2f3e", false),
        (&by(1.0), "ab1", "ab2", false),
        (&by(1.0), "1.2.3", "1.2.4", false),
        (&relative, "1.5e-7", "1.5e-8", false),
        (&relative, "1.5e-7", "1.4e-7", true),
        (&numeric, "ab007", "ab7", false),
        (&numeric, "n=007", "n=7", true),
        (&numeric, "1e2", "100", true),
    ] {
        let by = if excused { " by r" } else { "" };
        for (at, line, kind) in [
            ("header:x-n", "200\nx-n: ", "header.value"),
            ("trailer:x-n", "200\n\nb\n--trailers--\nx-n: ", "trailer.value"),
        ] {
            let how = RuleSpec { at: at.into(), ..how.clone() };
            check_ruled(&[how], &format!("{line}{a}"), &format!("{line}{b}"), &format!("{kind} @ {at} value{by}"));
        }
    }
    let day = |d: &str| format!("200\nset-cookie: t={d}");
    let time = RuleSpec { at: "cookie:t".into(), ..time };
    check_ruled(&[time], &day("2026-01-01"), &day("2027-01-02"), "cookie.value_shape @ cookie:t value");
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
    let late = compare(&asked.context(&expired), &json("200", 1), &Outcome::from(json("200", 2)));
    assert!(late.budget.is_some() && !late.is_match(), "{}", told(&late));
    let decided = compare(&asked.context(&expired), &json("200", 1), &Outcome::from(json("500", 2)));
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
    let found = Asked::new("GET", "/bytes/16").compare(&old, &Outcome::from(new));
    assert_eq!(summary(&found.list[0]), "primary failed: it broke");
    check("200\nset-cookie: a=1; Path=/", "200\nset-cookie: a=1; Path=/; SameSite=lax", "cookie.attr @ cookie:a value");
    check(
        "401\nwww-authenticate: Basic realm=\"Fake Realm\"",
        "401\nwww-authenticate: Basic realm=\"x\"\ncontent-type: application/json\n\n{}",
        "header.attr @ header:www-authenticate value\nctype.type @ header:content-type value\n(body.empty_vs_content @ body value)",
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

#[test]
fn what_is_ignored_of_a_body() {
    let stream = |events: &[u8]| {
        let events: String = events.iter().map(|n| format!("{{\"n\":{n}}}\n")).collect();
        format!("200\ncontent-type: application/x-ndjson\n\n{events}")
    };
    let json = |body: &str| format!("200\ncontent-type: application/json\n\n{body}");
    let xml = |body: &str| format!("200\ncontent-type: text/xml\n\n{body}");
    let (order, missing, extra, value) = (Ignore::Order, Ignore::Missing, Ignore::Extra, Ignore::Value);
    for (primary, candidate, kind, aspect) in [
        (stream(&[1, 2]), stream(&[2, 1]), "stream.event_order @ body order", order),
        (stream(&[1, 2, 3]), stream(&[1, 3]), "stream.event_missing @ body value", missing),
        (stream(&[1, 2, 3]), stream(&[1]), "stream.ended_early @ body break", missing),
        (stream(&[1, 3]), stream(&[1, 2, 3]), "stream.event_extra @ body value", extra),
        (stream(&[1, 2, 3]), stream(&[1, 7, 3]), "json.value @ json:$[*].n value", value),
        (json("[1,2]"), json("[2,1]"), "json.order @ json:$ order", order),
        (json("[1,2]"), json("[1]"), "json.item_missing @ json:$[*] value", missing),
        (json("{}"), json("{\"a\":1}"), "json.extra @ json:$.a value", extra),
        (json("{\"a\":null}"), json("{}"), "json.null_vs_missing @ json:$.a value", missing),
        (xml("<a><b/></a>"), xml("<a/>"), "xml.element @ xml:/a/b value", missing),
    ] {
        for ignored in [order, missing, extra, value] {
            let expected = if ignored == aspect { format!("{kind} by r") } else { kind.to_owned() };
            check_ruled(&[ignoring("r", "body", ignored)], &primary, &candidate, &expected);
        }
    }
}
