//! What differs is shown, what is noise is not.

use crate::harness::*;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn one(primary: Vec<u8>, candidate: Vec<u8>, config: &str) -> serde_json::Value {
    let primary = Upstream::answering(move |_| primary.clone());
    let candidate = Upstream::answering(move |_| candidate.clone());
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(config).start();
    assert_eq!(proxy.get("/x").status, 200);
    proxy.settled(1)
}

#[test]
fn content_codings_are_undone() {
    let plain = json(200, "{\"a\":1}");
    let coded =
        answer("200 OK", &[("Content-Type", "application/json"), ("Content-Encoding", "gzip")], &gzip(b"{\"a\":1}"));
    let report = one(plain.clone(), coded, "");
    assert_eq!(report["totals"]["excused_reasons"]["representation"], 1, "{:#}", report["divergences"]);
    let other =
        answer("200 OK", &[("Content-Type", "application/json"), ("Content-Encoding", "gzip")], &gzip(b"{\"a\":2}"));
    let report = one(plain, other, "");
    let kinds: Vec<_> = report["divergences"].as_array().unwrap().iter().map(|d| &d["kind"]).collect();
    assert!(kinds.contains(&&"json.value".into()), "{kinds:?}");
}

#[test]
fn another_reason_phrase_is_told_and_does_not_count() {
    let report = one(answer("200 OK", &[], b"hi"), answer("200 Fine", &[], b"hi"), "");
    let found = &report["divergences"][0];
    assert_eq!(
        (&found["kind"], &found["location"], &found["counted"]),
        (&"status.reason".into(), &"status".into(), &0.into())
    );
    assert_eq!(report["totals"]["excused_reasons"]["representation"], 1, "{:#}", report["totals"]);
    let report = one(answer("200 OK", &[], b"hi"), answer("200 OK", &[], b"hi"), "");
    assert_eq!(report["totals"]["matched"], 1, "{:#}", report["totals"]);
}

#[test]
fn noise_is_known_from_the_control_and_shape_legal() {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let body = |seen: &Seen, candidate: bool| {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = format!("\"{:08x}-0000-4000-8000-{:012x}\"", n.wrapping_mul(2_654_435_761) as u32, n);
        let id = if candidate && seen.path() == "/null" { "null".to_owned() } else { id };
        json(200, &format!("{{\"request_id\":{id},\"a\":1}}"))
    };
    let primary = Upstream::answering(move |seen| body(seen, false));
    let candidate = Upstream::answering(move |seen| body(seen, true));
    let control = Upstream::answering(move |seen| body(seen, false));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).args(&["--control", &control.url()]).start();
    for _ in 0..20 {
        proxy.get("/noisy");
    }
    let report = proxy.settled(20);
    assert_eq!(report["totals"]["excused_reasons"]["noise"], 20, "{:#}", report["totals"]);
    assert_eq!(report["divergences"][0]["excused_by"], "noise");
    assert_eq!(report["routes"][0]["divergence"]["noise"], 1.0);
    proxy.get("/null");
    assert_eq!(proxy.settled(21)["totals"]["divergent"], 1, "an id that became null is no noise");
    assert!(control.seen().iter().all(|s| s.header("x-parallax-leg") == Some("control")));
}

#[test]
fn a_tolerance_for_times_is_no_wider_than_written() {
    let rule = "[[rule]]\nid = \"clock\"\nat = \"json:$.at\"\ntolerance = { time = \"2s\" }\n";
    let at = |second: u8| json(200, &format!("{{\"at\":\"2026-01-01T00:00:0{second}Z\"}}"));
    assert_eq!(one(at(1), at(3), rule)["totals"]["excused_reasons"]["rule"], 1);
    assert_eq!(one(at(1), at(4), rule)["totals"]["divergent"], 1);
}

#[test]
fn rules_excuse_and_are_named() {
    let primary =
        json(200, r#"{"t":1.0000001,"tags":["a","b"],"id":"00000000-0000-4000-8000-000000000001","at":"x","v":1}"#);
    let candidate =
        json(200, r#"{"t":1.0,"tags":["b","a"],"id":"00000000-0000-4000-8000-000000000002","at":"y","v":1}"#);
    let report = one(
        primary,
        candidate,
        r#"
[[rule]]
id = "close"
at = "json:$.t"
tolerance = { relative = 1e-6 }
[[rule]]
id = "bag"
at = "json:$.tags"
align = "set"
[[rule]]
id = "ids"
at = "json:$.id"
shape = "uuid"
[[rule]]
id = "stamp"
at = "json:$.at"
ignore = true
[[rule]]
id = "never"
at = "json:$.nothing"
ignore = true
"#,
    );
    assert_eq!(report["totals"]["excused_reasons"]["rule"], 1, "{:#}", report["divergences"]);
    let state = |id: &str| {
        let rules = report["rules"].as_array().unwrap();
        let rule = rules.iter().find(|r| r["id"] == id).unwrap();
        (rule["state"].as_str().unwrap().to_owned(), rule["hits"].as_u64().unwrap())
    };
    for id in ["close", "bag", "ids", "stamp"] {
        assert_eq!(state(id), ("active".to_owned(), 1), "{id}");
    }
    assert_eq!(state("never"), ("unused".to_owned(), 0));
}

#[test]
fn secrets_are_never_shown() {
    let primary = Upstream::answering(|_| {
        answer(
            "200 OK",
            &[("Set-Cookie", "sid=s3cret-one"), ("Content-Type", "application/json")],
            br#"{"token":"s3cret-two","a":1}"#,
        )
    });
    let candidate = Upstream::answering(|_| {
        answer(
            "200 OK",
            &[("Set-Cookie", "sid=s3cret-six"), ("Content-Type", "application/json")],
            br#"{"token":"s3cret-ten","a":2}"#,
        )
    });
    let proxy =
        Proxy::between(&primary.url(), &candidate.url()).config("[redact]\njson = [\"json:$.token\"]\n").start();
    proxy.send("GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer s3cret-req\r\nCookie: k=s3cret-cookie\r\nConnection: close\r\n\r\n");
    let report = proxy.settled(1);
    assert_eq!(report["totals"]["divergent"], 1);
    nothing_secret_in(&proxy, &report);
}

/// In the report and in all that is shown of its divergences.
fn nothing_secret_in(proxy: &Proxy, report: &serde_json::Value) {
    let mut all = report.to_string();
    for divergence in report["divergences"].as_array().unwrap() {
        all.push_str(
            &proxy.admin(&format!("/api/v1/divergences/{}", divergence["fingerprint"].as_str().unwrap())).1.to_string(),
        );
    }
    assert!(all.contains("redacted"), "{all}");
    assert!(!all.contains("s3cret"), "{all}");
}

#[test]
fn patterns_hide_names_of_members_and_the_words_of_texts() {
    let serving = |side: &'static str| {
        Upstream::answering(move |seen| match seen.path() {
            "/names" => json(200, &format!("{{\"of\":{{\"s3cret-ann\":\"{side}\"}}}}")),
            _ => answer("200 OK", &[("Content-Type", "text/plain")], format!("dear s3cret-bob {side}").as_bytes()),
        })
    };
    let (primary, candidate, control) = (serving("old"), serving("new"), serving("older"));
    let proxy = Proxy::between(&primary.url(), &candidate.url())
        .config("[redact]\npatterns = [\"s3cret-[a-z]+\"]\n")
        .args(&["--control", &control.url()])
        .start();
    proxy.get("/names");
    proxy.get("/text");
    let report = proxy.settled(2);
    nothing_secret_in(&proxy, &report);
    let places: Vec<_> =
        report["divergences"].as_array().unwrap().iter().map(|d| d["location"].as_str().unwrap()).collect();
    assert!(places.contains(&"json:$.of.*") && places.contains(&"text"), "{places:?}");
}

/// In every place that an example shows, written in any way, and where the body is nested deeper than it is read.
#[test]
fn patterns_hide_what_is_written_otherwise() {
    let deep =
        |inner: &str| format!("{{\"v\":\"s3cret\\u002d{inner}\",\"d\":{}1{}}}", "[".repeat(20_000), "]".repeat(20_000));
    let serving = move |who: &'static str| {
        Upstream::answering(move |seen| {
            let body = match seen.path() {
                "/deep" => deep(who),
                _ => format!("{{\"v\":\"s3cret\\u002d{who}\",\"who\":\"{who}\"}}"),
            };
            let cookie = format!("s3cret-{who}; Path=/");
            let headers = [("Content-Type", "application/json"), ("Location", "/u?of=s3cret%2Dann")];
            answer(
                "200 OK",
                &[&headers[..], &[("Set-Cookie", &cookie), ("Set-Cookie", &cookie)]].concat(),
                body.as_bytes(),
            )
        })
    };
    let (primary, candidate) = (serving("ann"), serving("bob"));
    let proxy = Proxy::between(&primary.url(), &candidate.url())
        .config("[redact]\njson = [\"json:$..token\"]\npatterns = [\"s3cret-[a-z]+\"]\n")
        .start();
    proxy.get("/plain?of=s3cret%2Dann");
    proxy.get("/deep");
    let report = proxy.settled(2);
    assert_eq!(report["totals"]["divergent"], 2);
    nothing_secret_in(&proxy, &report);
}

#[test]
fn a_header_that_is_lost_counts_and_infrastructure_does_not() {
    let report = one(
        answer(
            "200 OK",
            &[
                ("Access-Control-Allow-Origin", "*"),
                ("Server", "a/1"),
                ("Date", "Mon, 01 Jan 2024 00:00:00 GMT"),
                ("X-Powered-By", "x"),
            ],
            b"same",
        ),
        answer("200 OK", &[("Server", "b/2"), ("Date", "Mon, 01 Jan 2024 00:00:09 GMT")], b"same"),
        "",
    );
    let divergences = report["divergences"].as_array().unwrap();
    assert_eq!(divergences.len(), 1, "{divergences:#?}");
    assert_eq!(
        (&divergences[0]["kind"], &divergences[0]["location"], &divergences[0]["tier"]),
        (&"header.missing".into(), &"header:access-control-allow-origin".into(), &"break".into())
    );
}
