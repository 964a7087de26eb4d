//! Bodies that are compared as the JSON they amount to: streams of events, tables, forms, multipart.

use super::*;

fn body(media: &str, text: &str) -> String {
    format!("200\ncontent-type: {media}\n\n{text}")
}

#[track_caller]
fn check_bodies(media: &str, primary: &str, candidate: &str, expected: &str) {
    check(&body(media, primary), &body(media, candidate), expected);
}

#[track_caller]
fn found(media: &str, primary: &str, candidate: &str) -> Findings {
    let asked = Asked::new("GET", "/");
    asked.compare(&answer(&body(media, primary)), &Outcome::from(answer(&body(media, candidate))))
}

const NDJSON: &str = "application/x-ndjson";
const SSE: &str = "text/event-stream";
const FORM: &str = "application/x-www-form-urlencoded";

// === streams ===

#[test]
fn lines_of_json_are_events() {
    let three = "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n";
    let check = |b: &str, expected: &str| check_bodies(NDJSON, three, b, expected);
    check("{\"a\":1}\n{\"a\":9}\n{\"a\":3}\n", "json.value @ json:$[*].a value");
    check("{\"a\":1}\n{\"a\":\"2\"}\n{\"a\":3}\n", "json.type @ json:$[*].a value");
    check("{\"a\":1}\n{\"a\":3}\n", "stream.event_missing @ body value");
    check("{\"a\":1}\n{\"a\":2}\n", "stream.ended_early @ body break");
    check("\n", "stream.ended_early @ body break");
    check("{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n{\"a\":4}\n", "stream.event_extra @ body value");
    check("{\"a\":3}\n{\"a\":1}\n{\"a\":2}\n", "stream.event_order @ body order");
    check("{\"a\":1}\n[2]\n{\"a\":3}\n", "stream.event_value @ body value");
    check("{\"a\":1}\n{\"a\":2.0}\n{\"a\":3}\n", "json.number_repr @ json:$[*].a repr");
    check("{\"a\":1}\n{\"a\" : 2}\n{\"a\":3}\n", "json.whitespace @ json:$ repr");
    check("{\"a\":1}\r\n\n{\"a\":2}\n{\"a\":3}", "body.encoding @ body repr");
    check("{\"a\":1}\n{\"a\":\n", "parse.one_side @ body break\n(text.hunk @ text value)");
    check_bodies(NDJSON, "a\nb\n", "a\nc\n", "parse.both @ body info\ntext.hunk @ text value");
    check_bodies(NDJSON, "1\n2\n", "1\n3\n", "stream.event_value @ body value");
    check_bodies(
        "application/json-seq",
        "\u{1e}{\"a\":\n1}\n",
        "\u{1e}{\"a\":\n2}\n",
        "json.value @ json:$[*].a value",
    );
    // Not declared as what it is.
    check_bodies("application/json", "{\"a\":1}\n{\"a\":2}", "{\"a\":1}\n{\"a\":3}", "json.value @ json:$[*].a value");
    check_bodies("text/plain", "{\"a\":1}\n{\"a\":2}", "{\"a\":1}\n{\"a\":3}", "json.value @ json:$[*].a value");
}

#[test]
fn a_stream_that_ends_early_says_where() {
    let lines = |n: usize| (0..n).map(|i| format!("{{\"seq\":{i},\"at\":\"x\"}}\n")).collect::<String>();
    let all = found(NDJSON, &lines(1000), &lines(100));
    let [finding] = all.list.as_slice() else { panic!("{}", told(&all)) };
    assert_eq!((&*finding.exact, all.dropped), ("body, event 100", 0));
    assert_eq!(summary(finding), "candidate ended after 100 of 1000 events");
    // What differs on the way is told beside it.
    let other = lines(3).replace("\"x\"", "\"y\"");
    let all = found(NDJSON, &lines(5), &other);
    let kinds: Vec<&str> = all.list.iter().map(|f| &*f.kind).collect();
    assert_eq!(kinds, ["json.value", "json.value", "json.value", "stream.ended_early"]);
    let missing = found(NDJSON, "1\n2\n3\n", "1\n3\n");
    assert_eq!(missing.list[0].exact, "body, event 1".into());
    assert_eq!(summary(&missing.list[0]), "missing on the candidate, primary has 2");
}

#[test]
fn server_sent_events() {
    let check = |a: &str, b: &str, expected: &str| check_bodies(SSE, a, b, expected);
    for message in ["event: message\n", "event:\n", "event: x\nevent\n"] {
        check("data: 1\n\n", &format!("{message}data: 1\n\n"), "body.encoding @ body repr");
        check("data: 1\n\n", &format!("{message}data: 2\n\n"), "json.value @ json:$[*].data value");
    }
    check("data: 1\n\n", "event: x\ndata: 1\n\n", "json.extra @ json:$[*].event value");
    let one = "event: tick\nid: 1\ndata: {\"n\":1}\n\n";
    check(one, "event: tick\nid: 1\ndata: {\"n\":2}\n\n", "json.value @ json:$[*].data.n value");
    check(one, "event: tock\nid: 1\ndata: {\"n\":1}\n\n", "json.value @ json:$[*].event value");
    check(one, "id: 1\ndata: {\"n\":1}\n\n", "json.missing @ json:$[*].event value");
    check(one, ": hi\r\nid:1\r\nevent:tick\r\ndata: {\"n\":1}\r\n\r\n:\n\n", "body.encoding @ body repr");
    check(one, "\u{feff}event: tick\rid: 1\rdata: {\"n\":1}\r\r", "body.encoding @ body repr");
    check("data: a\ndata: b\n\n", "data: a\ndata: c\n\n", "json.value @ json:$[*].data value");
    check(
        "data: a\ndata: b\n\n",
        "data: a\n\ndata: b\n\n",
        "stream.event_missing @ body value\nstream.event_extra @ body value\nstream.event_extra @ body value",
    );
    check("retry: 100\ndata: 1\n\n", "retry: 200\ndata: 1\n\n", "json.value @ json:$[*].retry value");
    check("retry: 0100\ndata: 1\n\n", "retry: 100\ndata: 1\n\n", "body.encoding @ body repr");
    check("data: 1\n\ndata: 2\n\n", "data: 1\n\n", "stream.ended_early @ body break");
    check("data: 1\n\ndata: 2\n\n", "data: 1\n\ndata: 2\n", "json.extra @ json:$[*].unfinished value");
    check("data: 1\n\ndata: 2\n\n", "data: 2\n\ndata: 1\n\n", "stream.event_order @ body order");
    // By id: what came between does not matter, and another value under the same id is a value.
    let by_id =
        |ids: &[(u8, u8)]| ids.iter().map(|(id, n)| format!("id: {id}\ndata: {{\"n\":{n}}}\n\n")).collect::<String>();
    check(
        &by_id(&[(1, 10), (2, 20), (3, 30)]),
        &by_id(&[(1, 10), (3, 31), (4, 40)]),
        "stream.event_missing @ body value\njson.value @ json:$[*].data.n value\nstream.event_extra @ body value",
    );
    check(
        &by_id(&[(1, 1), (2, 2)]),
        &by_id(&[(2, 3), (1, 1)]),
        "stream.event_order @ body order\njson.value @ json:$[*].data.n value",
    );
}

// === forms and multipart ===

#[test]
fn forms() {
    let check = |a: &str, b: &str, expected: &str| check_bodies(FORM, a, b, expected);
    check("a=1&b=2", "a=1&b=3", "json.value @ json:$.b value");
    check("a=1&b=2", "b=2&a=1", "json.key_order @ json:$ repr");
    check("a=1", "a=1&b=2", "json.extra @ json:$.b value");
    check("a=x+y", "a=x%20y", "body.encoding @ body repr");
    check("a=1&a=2", "a=2&a=1", "json.order @ json:$.a order");
    check("a=1&a=2", "a=1", "json.type @ json:$.a value");
    check("a=%e9", "a=%e8", "json.value @ json:$.a value");
    check("a=%", "a=%25", "body.encoding @ body repr");
    check("{\"a\":1}", "{\"a\":2}", "json.value @ json:$.a value");
}

fn multipart(boundary: &str, parts: &[(&str, &[u8])]) -> Answer {
    let mut text = Vec::new();
    for (head, content) in parts {
        text.extend(format!("--{boundary}\r\n{head}\r\n\r\n").bytes());
        text.extend_from_slice(content);
        text.extend(b"\r\n");
    }
    text.extend(format!("--{boundary}--\r\n").bytes());
    with_body(&format!("200\ncontent-type: multipart/form-data; boundary={boundary}"), &text)
}

#[test]
fn parts_are_compared_by_name_and_type() {
    let asked = Asked::new("GET", "/");
    let named = |n: &str| format!("Content-Disposition: form-data; name=\"{n}\"");
    let (a, b, json) = (named("a"), named("b"), format!("{}\r\nContent-Type: application/json", named("j")));
    let all = multipart("x", &[(&a, b"1"), (&b, b"2"), (&json, b"{\"n\":1}")]);
    let check = |other: &Answer, expected: &str| check_answers(&asked, &all, other, expected);
    let three = |boundary, x: &[u8], y: &[u8], j: &[u8]| multipart(boundary, &[(&a, x), (&b, y), (&json, j)]);
    check(&three("yy", b"1", b"2", b"{\"n\":1}"), "ctype.params @ header:content-type repr");
    check(&three("x", b"1", b"3", b"{\"n\":1}"), "json.value @ json:$[*].body value");
    check(&three("x", b"1", b"2", b"{\"n\":2}"), "json.value @ json:$[*].body.n value");
    check(&three("x", b"\x001", b"2", b"{\"n\":1}"), "json.type @ json:$[*].body value");
    check(&multipart("x", &[(&a, b"1"), (&json, b"{\"n\":1}")]), "json.item_missing @ json:$[*] value");
    check(&multipart("x", &[(&b, b"2"), (&a, b"1"), (&json, b"{\"n\":1}")]), "json.order @ json:$ order");
    let unquoted = "content-disposition:  form-data;name=a\r\ncontent-length: 1";
    check(&multipart("x", &[(unquoted, b"1"), (&b, b"2"), (&json, b"{\"n\":1}")]), "body.encoding @ body repr");
    let whole = all.body.contiguous().unwrap().into_owned();
    let cut = with_body("200\ncontent-type: multipart/form-data; boundary=x", &whole[..whole.len() - 6]);
    check(&cut, "parse.one_side @ body break\n(text.hunk @ text value)");
    // Pieces of a whole are bytes.
    let range = |x: &str| {
        let text = format!("--b\r\nContent-Range: bytes 0-1/9\r\n\r\n{x}\r\n--b--");
        with_body("206\ncontent-type: multipart/byteranges; boundary=b", text.as_bytes())
    };
    check_answers(&asked, &range("ab"), &range("ac"), "json.value @ json:$[*].body value");
}

// === tables ===

#[test]
fn tables() {
    let check = |a: &str, b: &str, expected: &str| check_bodies("text/csv", a, b, expected);
    let table = "id,name\n1,ann\n2,bob\n3,eve\n";
    check(table, "id,name\n1,ann\n2,rob\n3,eve\n", "csv.value @ json:$[*].name value");
    check(table, "id,name\n1,ann\n3,eve\n", "csv.row_missing @ json:$[*] value");
    check(table, "id,name\n1,ann\n2,bob\n3,eve\n4,joe\n", "csv.row_extra @ json:$[*] value");
    check(table, "id,name\n2,bob\n3,eve\n1,ann\n", "csv.order @ json:$ order");
    check(table, "name,id\nann,1\nbob,2\neve,3\n", "csv.order @ json:$[*] order");
    check(table, "id\n1\n2\n3\n", "csv.column_missing @ json:$[*].name value");
    check(table, "id,name,age\n1,ann,7\n2,bob,8\n3,eve,9\n", "csv.column_extra @ json:$[*].age value");
    check(table, "\u{feff}\"id\",name\r\n1,\"ann\"\r\n2,bob\r\n\r\n3,eve", "csv.quoting @ body repr");
    check(
        table,
        "id;name\n1;ann\n2;bob\n3;eve\n",
        "csv.column_missing @ json:$[*].id value\ncsv.column_missing @ json:$[*].name value\ncsv.column_extra @ json:$[*]['id;name'] value",
    );
    check("a;b\n1;2\n", "a;b\n1;3\n", "csv.value @ json:$[*].b value");
    // A comma inside of quotes divides nothing, and what goes on behind its quotes is not what they hold.
    let names = "name;\"price, \"\"EUR\"\"\";qty\n";
    let (a, b) = (format!("{names}\"a;b\";c;d\n"), format!("{names}\"a\";b;c;d\n"));
    let values = ["name", "['price, \"EUR\"']", "qty", "['#4']"].map(|name| match name.starts_with('[') {
        true => format!("json:$[*]{name}"),
        false => format!("json:$[*].{name}"),
    });
    let expected = values.map(|at| format!("csv.value @ {at} value")).join("\n");
    check(&a, &b, &expected);
    check("a,b\n\"x;y\";z,1\n", "a,b\n\"x\";y;z,1\n", "csv.value @ json:$[*].a value");
    check("a\"b;c\n1;2\n", "a\"b;c\n1;3\n", "csv.value @ json:$[*].c value");
    check(table, "id,name\n1,ann\n2,\"bob\n3,eve\n", "parse.one_side @ body break\n(text.hunk @ text value)");
    // Nothing is lost where rows or names are odd.
    check("a,b\n1\n", "a,b\n1,\n", "csv.value @ json:$[*].b value");
    check("a,b\n1,2,3\n", "a,b\n1,2,4\n", "csv.value @ json:$[*]['#3'] value");
    check("a,a\n1,2\n", "a,a\n1,3\n", "csv.value @ json:$[*]['a#2'] value");
    check("a\n1\n\n2\n", "a\n1\n2\n", "csv.row_missing @ json:$[*] value");
    check("a\n\"\"\n", "a\n\"\"\n\"\"\n", "csv.row_extra @ json:$[*] value");
    check("a,b\n\"x \"\"y\"\"\nz\",1\n", "a,b\n\"x \"\"y\"\"\nw\",1\n", "csv.value @ json:$[*].a value");
    check_bodies("text/csv; header=absent", "1,2\n3,4\n", "1,2\n3,5\n", "csv.value @ json:$[*][*] value");
    check_bodies("text/tab-separated-values", "a\tb\n1,1\t2\n", "a\tb\n1,1\t3\n", "csv.value @ json:$[*].b value");
    // Latin-1 is no UTF-8, and still a cell.
    let latin = |c: u8| with_body("200\ncontent-type: text/csv", &[b"n\nren", &[c][..]].concat());
    check_answers(&Asked::new("GET", "/"), &latin(0xE9), &latin(0xE8), "csv.value @ json:$[*].n value");
}

#[test]
fn a_lost_column_is_one_finding_however_many_rows() {
    let rows = |f: fn(usize) -> String| (0..500).map(f).collect::<String>();
    let all = found(
        "text/csv",
        &format!("id,x\n{}", rows(|i| format!("{i},v\n"))),
        &format!("id\n{}", rows(|i| format!("{i}\n"))),
    );
    assert_eq!(told(&all), "csv.column_missing @ json:$[*].x value");
    assert_eq!(summary(&all.list[0]), "column x is missing on the candidate");
}

// === rules ===

#[test]
fn rules_reach_into_every_format() {
    let near = RuleSpec {
        numeric_string: true,
        tolerance: Some(Tolerance { relative: Some(1e-6), ..Tolerance::default() }),
        ..rule("r", "json:$[*].price")
    };
    let csv = |rows: &str| body("text/csv", &format!("sku,price\n{rows}"));
    check_ruled(
        &[near],
        &csv("a,1.50\nb,2\n"),
        &csv("a,1.5\nb,2.0000001\n"),
        "csv.value @ json:$[*].price value by r\ncsv.value @ json:$[*].price value by r",
    );
    let keyed = RuleSpec { align: Some(Align::Key(vec!["sku".into()])), ..rule("r", "json:$") };
    check_ruled(
        std::slice::from_ref(&keyed),
        &csv("a,1\nb,2\n"),
        &csv("a,1\nc,7\nb,3\n"),
        "csv.value @ json:$[*].price value\ncsv.row_extra @ json:$[*] value",
    );
    let unordered = ignoring("r", "json:$", Ignore::Order);
    check_ruled(&[unordered], &csv("a,1\nb,2\n"), &csv("b,2\na,1\n"), "csv.order @ json:$ order by r");
    let column = ignoring("r", "json:$..price", Ignore::Missing);
    check_ruled(
        &[column],
        &csv("a,1\n"),
        &body("text/csv", "sku\na\n"),
        "csv.column_missing @ json:$[*].price value by r",
    );
    let lines = |text: &str| body(NDJSON, text);
    let keyed = RuleSpec { align: Some(Align::Key(vec!["k".into()])), ..rule("r", "json:$") };
    check_ruled(
        &[keyed],
        &lines("{\"k\":1,\"v\":1}\n{\"k\":2,\"v\":2}\n"),
        &lines("{\"k\":2,\"v\":9}\n"),
        "stream.event_missing @ body value\njson.value @ json:$[*].v value",
    );
    check_ruled(
        &[ignoring("r", "body", Ignore::All)],
        &lines("1\n2\n"),
        &lines("1\n"),
        "stream.ended_early @ body break by r",
    );
    check_ruled(
        &[ignoring("r", "json:$[*]", Ignore::Missing)],
        &lines("1\n2\n"),
        &lines("1\n"),
        "stream.ended_early @ body break by r",
    );
    // A rule at the root beats the alignment by id.
    let by_place = RuleSpec { align: Some(Align::Index), ..rule("r", "json:$") };
    let events = |ids: [u8; 2]| body(SSE, &ids.map(|i| format!("id: {i}\ndata: x\n\n")).concat());
    check_ruled(
        &[by_place],
        &events([1, 2]),
        &events([2, 1]),
        "json.value @ json:$[*].id value\njson.value @ json:$[*].id value",
    );
}

#[test]
fn own_origins_are_put_aside_in_every_format() {
    let asked = Asked::new("GET", "/a").origins("http://old:1", "http://new:2");
    for (media, text) in [
        (NDJSON, "{\"u\":\"@/x\"}\n{\"u\":\"@\"}\n"),
        (SSE, "data: {\"u\":\"@/x\"}\n\n"),
        (SSE, "data: @/x\n\n"),
        (FORM, "u=@/x&v=2"),
        ("text/csv", "a,u\n1,@/x\n"),
        ("multipart/mixed; boundary=b", "--b\r\nContent-Type: application/json\r\n\r\n{\"u\":\"@/x\"}\r\n--b--"),
    ] {
        let of = |origin: &str| answer(&body(media, &text.replace('@', origin)));
        check_answers(&asked, &of("http://old:1"), &of("http://new:2"), "");
        let other = asked.compare(&of("http://old:1"), &Outcome::from(of("http://elsewhere")));
        assert!(other.list.iter().any(Finding::counts), "{media}: {}", told(&other));
    }
}
