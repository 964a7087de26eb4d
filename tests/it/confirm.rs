//! A divergence is asked again where that is wanted: what was a race is told from what stays.

use crate::harness::*;
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};

const CONFIRM: &str = "[mirror]\nconfirm = true\nmethods = [\"GET\", \"POST\"]\n";

/// Right about everything but `/stays`; wrong the first time only about `/race`.
fn candidate() -> Upstream {
    let asked = AtomicU64::new(0);
    Upstream::answering(move |seen| {
        let first = seen.path() == "/race" && asked.fetch_add(1, Ordering::Relaxed) == 0;
        json(200, if first || seen.path() == "/stays" { "{\"a\":2}" } else { "{\"a\":1}" })
    })
}

fn numbers(of: &Value) -> (u64, u64, u64) {
    let n = |key: &str| of[key].as_u64().unwrap_or_else(|| panic!("no {key}: {of:#}"));
    (n("divergent"), n("asked_again"), n("transient"))
}

#[test]
fn what_is_alike_when_asked_again_is_transient() {
    let (primary, candidate) = (Upstream::json("{\"a\":1}"), candidate());
    let folder = tempfile::tempdir().unwrap();
    let serve = || Proxy::between(&primary.url(), &candidate.url()).config(CONFIRM).folder(folder.path()).start();
    let mut proxy = serve();
    for path in ["/race", "/stays", "/fine"] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nCookie: k=1\r\nIf-None-Match: \"x\"\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(proxy.send(request).text(), "{\"a\":1}");
    }
    // Counted at once, and not held back for what is asked again.
    assert_eq!(proxy.settled(3)["totals"]["divergent"], 2);
    let report = proxy.report_when(|totals| totals["asked_again"] == 2);
    assert_eq!(numbers(&report["totals"]), (2, 2, 1));
    assert_eq!((&report["totals"]["requests"], &report["totals"]["mirrored"]), (&3.into(), &3.into()));
    for (route, transient) in [("GET /race", 1), ("GET /stays", 0)] {
        let named = |list: &str| {
            let rows = report[list].as_array().unwrap().iter().find(|r| r["route"] == route).unwrap().clone();
            (rows["asked_again"].as_u64(), rows["transient"].as_u64())
        };
        assert_eq!(named("routes"), (Some(1), Some(transient)), "{route}");
        assert_eq!(named("divergences"), (Some(1), Some(transient)), "{route}");
    }
    // Asked again as before, but for what would have it answered otherwise, and marked so that it is never mirrored.
    let again: Vec<Seen> = primary.seen().into_iter().filter(|s| s.header("x-parallax-leg").is_some()).collect();
    assert_eq!(again.len(), 2);
    for seen in again {
        assert_eq!(seen.header("x-parallax-leg"), Some("primary"));
        assert_eq!((seen.header("cookie"), seen.header("if-none-match")), (Some("k=1"), None));
    }
    let told = text(&proxy.ask(&["report"]).stdout);
    assert!(told.contains("1 of them transient: alike when asked again"), "{told}");
    proxy.signal("-TERM");
    assert_eq!(proxy.wait(), Some(0));
    let kept = serve().report();
    assert_eq!(numbers(&kept["totals"]), (2, 2, 1), "kept over a restart");
    assert_eq!(kept["divergences"], report["divergences"]);
}

#[test]
fn writes_and_what_does_not_differ_are_not_asked_again() {
    let (primary, candidate) = (Upstream::json("{\"a\":1}"), candidate());
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(CONFIRM).start();
    proxy.send("POST /stays HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
    proxy.get("/fine");
    // What differs, and comes after them, is asked again: by then they would have been.
    proxy.get("/stays");
    let report = proxy.report_when(|totals| totals["asked_again"] == 1);
    assert_eq!(numbers(&report["totals"]), (2, 1, 0));
    assert_eq!(candidate.seen().len(), 4);
}

#[test]
fn noise_is_no_reason_to_ask_again_and_no_difference_when_it_is() {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let service = |old: bool| {
        let first = AtomicU64::new(0);
        Upstream::answering(move |seen| {
            let wrong = !old && seen.path() == "/race" && first.fetch_add(1, Ordering::Relaxed) == 0;
            let id = NEXT.fetch_add(1, Ordering::Relaxed);
            json(200, &format!("{{\"id\":\"{id:08x}-0000-4000-8000-000000000000\",\"a\":{}}}", u8::from(wrong)))
        })
    };
    let (primary, candidate, control) = (service(true), service(false), service(true));
    let proxy = Proxy::between(&primary.url(), &candidate.url())
        .args(&["--control", &control.url()])
        .config("[[route]]\nname = \"all\"\npath = \"/{*rest}\"\nconfirm = true\n")
        .start();
    proxy.get("/calm");
    assert_eq!(proxy.settled(1)["totals"]["excused_reasons"]["noise"], 1);
    proxy.get("/race");
    let report = proxy.report_when(|totals| totals["asked_again"] == 1);
    assert_eq!(numbers(&report["totals"]), (1, 1, 1), "{:#}", report["divergences"]);
    assert_eq!((primary.seen().len(), control.seen().len()), (3, 2));
}

#[test]
fn asking_again_is_seldom_and_bounded() {
    let (primary, candidate) = (Upstream::json("{\"a\":1}"), candidate());
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(CONFIRM).start();
    let mut client = proxy.connect();
    let started = std::time::Instant::now();
    for _ in 0..200 {
        client.write(b"GET /stays HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.read_reply().status, 200);
    }
    assert_eq!(proxy.settled(200)["totals"]["divergent"], 200);
    let report = proxy.report_when(|totals| totals["asked_again"].as_u64() >= Some(3));
    assert!(started.elapsed().as_millis() >= 1900, "a second later, and two a second");
    let (divergent, asked, transient) = numbers(&report["totals"]);
    assert!(divergent == 200 && asked <= 5 && transient == 0, "{asked}");
}

#[test]
fn asking_again_is_within_the_rate() {
    let (primary, candidate) = (Upstream::json("{\"a\":1}"), candidate());
    let proxy =
        Proxy::between(&primary.url(), &candidate.url()).config("[mirror]\nconfirm = true\nmax_rate = 1\n").start();
    let mut client = proxy.connect();
    let started = std::time::Instant::now();
    while started.elapsed().as_millis() < 4_000 {
        client.write(b"GET /stays HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.read_reply().status, 200);
    }
    let (asked, seconds) = (candidate.seen().len() as f64, started.elapsed().as_secs_f64());
    assert!(asked >= 2.0 && asked <= seconds + 1.2, "{asked} in {seconds} s");
}
