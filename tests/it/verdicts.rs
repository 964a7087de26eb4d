//! What the gate says of services that are planted to be so: never a pass where there is no proof, never a failure for
//! what is not the candidate's. Limits are wide, so that some hundred exchanges are enough.

use crate::gate::{decided, rows};
use crate::harness::*;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const WIDE: &str = r#"
[gate]
criteria = ["divergence", "errors", "coverage", "unjudged"]
tolerance = "20%"
errors = "20%"
noise_cap = "30%"
min_comparisons = 50
min_duration = "0s"
latency = { slack = "25ms", block = "100ms", min_blocks = 12 }
warm_up = "0s"
warm_up_pairs = 0
"#;

/// Answers every `nth` request with something else; 0: none.
fn odd_one_in(nth: u64) -> Upstream {
    let count = AtomicU64::new(0);
    Upstream::answering(move |_| {
        let n = count.fetch_add(1, Ordering::Relaxed) + 1;
        json(200, if nth > 0 && n.is_multiple_of(nth) { "{\"a\":2}" } else { "{\"a\":1}" })
    })
}

/// Sends so many requests one after the other.
fn send(proxy: &Proxy, requests: u64) {
    let mut client = proxy.connect();
    for _ in 0..requests {
        client.write(b"GET /things/7 HTTP/1.1\r\nHost: a\r\n\r\n");
        client.read_reply();
    }
}

fn verdict(gate: &Value) -> &str {
    gate["verdict"].as_str().unwrap()
}

fn reason(row: &Value) -> &str {
    row["reason"].as_str().unwrap()
}

#[test]
fn a_failing_route_and_its_link_outlive_its_siblings() {
    let primary = Upstream::json("{\"a\":1}");
    let candidate =
        Upstream::answering(|seen| json(200, if seen.path() == "/shop/checkout" { "{\"a\":2}" } else { "{\"a\":1}" }));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(WIDE).start();
    let word = |i: u8| format!("/shop/w{}{}page", char::from(b'a' + i / 26), char::from(b'a' + i % 26));
    let ask = |words: std::ops::Range<u8>| {
        let mut client = proxy.connect();
        for _ in 0..5 {
            for path in words.clone().map(word) {
                client.write(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
                client.read_reply();
            }
        }
    };
    (0..60).for_each(|_| drop(proxy.get("/shop/checkout")));
    ask(0..49);
    let (report, gate) = (proxy.settled(60 + 49 * 5), proxy.admin("/api/v1/gate").1);
    assert_eq!(verdict(&gate), "fail", "{gate:#}");
    let link = format!("/api/v1/divergences/{}", report["divergences"][0]["fingerprint"].as_str().unwrap());
    ask(49..120);
    let (report, gate) = (proxy.settled(60 + 120 * 5), proxy.admin("/api/v1/gate").1);
    assert_eq!(verdict(&gate), "fail", "{gate:#}");
    assert!(report["routes"].as_array().unwrap().iter().any(|route| route["route"] == "GET /shop/{id}"), "{report:#}");
    let (status, detail) = proxy.admin(&link);
    assert_eq!((status, &detail["route"], &detail["counted"]), (200, &"GET /shop/checkout".into(), &60.into()));
}

/// The verdict follows from its rows.
fn consistent(gate: &Value) {
    let required: Vec<_> = gate["criteria"].as_array().unwrap().iter().filter(|c| c["required"] == true).collect();
    let any = |verdict: &str| required.iter().any(|c| c["verdict"] == verdict);
    let expected = match (any("fail"), any("inconclusive")) {
        (true, _) => "fail",
        (false, true) => "inconclusive",
        (false, false) if required.is_empty() => "inconclusive",
        (false, false) => "pass",
    };
    assert_eq!(verdict(gate), expected, "{gate:#}");
}

#[test]
fn planted_rates_are_told_apart() {
    let primary = Upstream::json("{\"a\":1}");
    let run = |nth| {
        let candidate = odd_one_in(nth);
        let proxy = Proxy::between(&primary.url(), &candidate.url()).config(WIDE).start();
        send(&proxy, 300);
        proxy.settled(300);
        (proxy.admin("/api/v1/gate").1, proxy.ask(&["gate"]).status.code())
    };
    let (above, code) = run(2);
    assert_eq!((verdict(&above), code), ("fail", Some(1)), "{above:#}");
    let row = rows(&above, "divergence")[0];
    assert!(row["lower"].as_f64().unwrap() > 0.2 && reason(row).contains("is above the limit 20 %"), "{row}");
    let (below, code) = run(30);
    assert_eq!((verdict(&below), code), ("pass", Some(0)), "{below:#}");
    let row = rows(&below, "divergence")[0];
    assert!(row["upper"].as_f64().unwrap() < 0.2 && row["observed"].as_f64().unwrap() < 0.05, "{row}");
}

#[test]
fn settings_of_a_route_hold_for_what_it_matches_alone() {
    let (primary, candidate) = (Upstream::json("{\"a\":1}"), odd_one_in(2));
    for (route, name) in [
        ("path = \"/things/{id}\"\nmethods = [\"POST\"]", "GET /things/{id}"),
        ("path = \"/things/{id}\"\nhost = \"admin.example\"", "GET {other}/things/{id}"),
    ] {
        let config = format!("{WIDE}[[route]]\n{route}\ntolerance = 0.9\n");
        let proxy = Proxy::between(&primary.url(), &candidate.url()).config(&config).start();
        send(&proxy, 100);
        proxy.settled(100);
        let gate = proxy.admin("/api/v1/gate").1;
        let row = rows(&gate, "divergence")[0];
        assert_eq!((verdict(&gate), row["route"].as_str(), row["limit"].as_f64()), ("fail", Some(name), Some(0.2)));
    }
}

#[test]
fn a_rate_at_the_limit_is_never_decided() {
    let (primary, candidate) = (Upstream::json("{\"a\":1}"), odd_one_in(5));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(WIDE).start();
    for _ in 0..30 {
        send(&proxy, 10);
        let gate = proxy.admin("/api/v1/gate").1;
        consistent(&gate);
        assert_eq!(verdict(&gate), "inconclusive", "{gate:#}");
    }
    proxy.settled(300);
    let row = rows(&proxy.admin("/api/v1/gate").1, "divergence")[0].clone();
    let (lower, upper) = (row["lower"].as_f64().unwrap(), row["upper"].as_f64().unwrap());
    assert!(lower <= 0.2 && 0.2 <= upper && row["samples"] == 300, "{row}");
}

#[test]
fn without_traffic_there_is_no_verdict() {
    let (primary, candidate) = (Upstream::json("{}"), Upstream::json("{}"));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(WIDE).start();
    let (status, gate) = proxy.admin("/api/v1/gate?as=status");
    assert_eq!((status, verdict(&gate)), (425, "inconclusive"));
    assert!(rows(&gate, "divergence").iter().any(|r| reason(r) == "no request has arrived yet"), "{gate:#}");
    assert_eq!(proxy.ask(&["gate"]).status.code(), Some(3));
}

#[test]
fn what_is_only_shed_proves_nothing() {
    let (primary, candidate) = (Upstream::json("{}"), Upstream::stalled());
    let config = format!("[mirror]\nmax_in_flight = 1\n{WIDE}");
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(&config).start();
    send(&proxy, 200);
    let report = proxy.report_when(|totals| totals["requests"] == 200);
    assert_eq!(report["totals"]["not_mirrored"]["shed"], 199, "{:#}", report["totals"]);
    let gate = proxy.admin("/api/v1/gate").1;
    consistent(&gate);
    assert_eq!(verdict(&gate), "inconclusive");
    let row = rows(&gate, "unjudged")[0];
    assert!(
        row["verdict"] == "inconclusive" && reason(row).contains("most of them, 199, were shed under load"),
        "{row}"
    );
    assert_eq!(proxy.ask(&["gate"]).status.code(), Some(3));
}

#[test]
fn a_faster_candidate_passes_on_latency() {
    let primary = Upstream::answering(|_| {
        thread::sleep(Duration::from_millis(60));
        json(200, "{\"a\":1}")
    });
    let candidate = Upstream::json("{\"a\":1}");
    let config = WIDE.replace("\"errors\", \"coverage\"", "\"latency\"");
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(&config).start();
    let gate = decided(&proxy);
    assert_eq!(verdict(&gate), "pass", "{gate:#}");
    let row = rows(&gate, "latency")[0];
    assert!(row["verdict"] == "pass" && row["observed"].as_f64().unwrap() < 0.6, "{row}");
}

#[test]
fn what_the_primary_fails_at_is_not_held_against_the_candidate() {
    // It refuses, so there is nothing to compare with.
    let candidate = Upstream::json("{\"a\":1}");
    let proxy = Proxy::between(&nobody(), &candidate.url()).config(WIDE).start();
    send(&proxy, 60);
    proxy.settled(60);
    let gate = proxy.admin("/api/v1/gate").1;
    assert_eq!(verdict(&gate), "inconclusive", "{gate:#}");
    let row = rows(&gate, "unjudged")[0];
    assert!(reason(row).contains("most of them, 60, were not answered by the primary"), "{row}");

    // It answers 500 now and then, where the candidate does not: a difference, and no error of the candidate's.
    let count = AtomicU64::new(0);
    let primary = Upstream::answering(move |_| {
        let fails = count.fetch_add(1, Ordering::Relaxed).is_multiple_of(10);
        json(if fails { 500 } else { 200 }, "{\"a\":1}")
    });
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(WIDE).start();
    send(&proxy, 200);
    proxy.settled(200);
    let gate = proxy.admin("/api/v1/gate").1;
    let row = rows(&gate, "errors")[0];
    assert!(row["verdict"] == "pass" && row["observed"].as_f64().unwrap() < 0.0, "{row}");
    assert!(
        reason(row).contains("none of 200 comparisons failed on the candidate only, 20 on the primary only"),
        "{row}"
    );
}

#[test]
fn noise_above_the_cap_is_too_noisy_to_judge() {
    let (primary, candidate) = (Upstream::json("{\"a\":1}"), Upstream::json("{\"a\":1}"));
    // What is not there at all is never learned as noise.
    let count = AtomicU64::new(0);
    let control = Upstream::answering(move |_| {
        let n = count.fetch_add(1, Ordering::Relaxed);
        json(if n % 5 < 2 { 500 } else { 200 }, "{\"a\":1}")
    });
    let proxy =
        Proxy::between(&primary.url(), &candidate.url()).args(&["--control", &control.url()]).config(WIDE).start();
    send(&proxy, 200);
    proxy.settled(200);
    let gate = proxy.admin("/api/v1/gate").1;
    consistent(&gate);
    assert_eq!(verdict(&gate), "inconclusive", "{gate:#}");
    let row = rows(&gate, "divergence")[0];
    assert!(row["verdict"] == "inconclusive", "{row}");
    assert!(reason(row).contains("too noisy to judge: the control differed in 80 of 200 comparisons"), "{row}");
}

#[test]
fn a_tiny_sample_of_a_hundredfold_slower_candidate_is_no_pass() {
    // A few requests only, no errors, the same bodies: judges that compare metrics call that "no difference shown".
    let primary = Upstream::json("{\"a\":1}");
    let candidate = Upstream::answering(|_| {
        thread::sleep(Duration::from_millis(200));
        json(200, "{\"a\":1}")
    });
    let config = WIDE.replace("\"errors\", \"coverage\"", "\"latency\"").replace("\"20%\"", "\"50%\"");
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(&config).start();
    send(&proxy, 30);
    proxy.settled(30);
    let gate = proxy.admin("/api/v1/gate").1;
    assert_eq!(rows(&gate, "divergence")[0]["verdict"], "pass", "{gate:#}");
    assert_ne!(rows(&gate, "latency")[0]["verdict"], "pass", "{gate:#}");
    assert_ne!(verdict(&gate), "pass", "{gate:#}");
}

#[test]
fn many_who_ask_while_traffic_runs_all_get_sound_answers() {
    let (primary, candidate) = (Upstream::json("{\"a\":1}"), odd_one_in(40));
    let proxy = Arc::new(Proxy::between(&primary.url(), &candidate.url()).config(WIDE).start());
    let done = Arc::new(AtomicBool::new(false));
    let traffic: Vec<_> = (0..2)
        .map(|_| {
            thread::spawn({
                let proxy = proxy.clone();
                move || send(&proxy, 250)
            })
        })
        .collect();
    let ask = {
        let (proxy, done) = (proxy.clone(), done.clone());
        move || {
            let (mut compared, mut requests, mut samples, mut asked) = (0, 0, 0, 0);
            let started = Instant::now();
            while !done.load(Ordering::Relaxed) || asked == 0 {
                let gate = proxy.admin("/api/v1/gate").1;
                consistent(&gate);
                // The law is held by the harness.
                let totals = proxy.report()["totals"].clone();
                let now = |key: &str| totals[key].as_u64().unwrap();
                let seen = rows(&gate, "divergence")[0]["samples"].as_u64().unwrap();
                assert!(now("compared") >= compared && now("requests") >= requests && seen >= samples, "{totals:#}");
                (compared, requests, samples, asked) = (now("compared"), now("requests"), seen, asked + 1);
                assert!(started.elapsed() < PATIENCE);
            }
            asked
        }
    };
    let readers: Vec<_> = (0..4).map(|_| thread::spawn(ask.clone())).collect();
    traffic.into_iter().for_each(|t| t.join().unwrap());
    proxy.settled(500);
    done.store(true, Ordering::Relaxed);
    let asked: Vec<u32> = readers.into_iter().map(|r| r.join().unwrap()).collect();
    assert!(asked.iter().all(|n| *n > 0), "{asked:?}");
    let gate = proxy.admin("/api/v1/gate").1;
    assert_eq!(verdict(&gate), "pass", "{gate:#}");
}

#[test]
fn what_was_compared_the_other_way_round_proves_nothing() {
    let [old, new, broken] = ["{\"a\":1}", "{\"a\":1}", "{\"a\":2}"].map(Upstream::json);
    let folder = tempfile::tempdir().unwrap();
    let between = |primary: &Upstream, candidate: &Upstream| {
        format!("[primary]\nurl = \"{}\"\n[candidate]\nurl = \"{}\"\n{WIDE}", primary.url(), candidate.url())
    };
    let reload = |proxy: &Proxy, config: &str, holds: &dyn Fn(&Value) -> bool| {
        std::fs::write(proxy.folder.join("parallax.toml"), config).unwrap();
        proxy.signal("-HUP");
        let end = Instant::now() + PATIENCE;
        loop {
            let gate = proxy.admin("/api/v1/gate").1;
            if holds(&gate) {
                return gate;
            }
            assert!(Instant::now() < end, "{gate:#}\n{}", proxy.log());
            thread::sleep(Duration::from_millis(5));
        }
    };
    let mut proxy = Proxy::configured(&between(&old, &new)).folder(folder.path()).start();
    send(&proxy, 200);
    proxy.settled(200);
    assert_eq!(verdict(&proxy.admin("/api/v1/gate").1), "pass");
    let gate = reload(&proxy, &between(&new, &old), &|gate| gate["epoch"]["id"] == "2");
    assert_eq!((verdict(&gate), gate["epoch"]["reason"].as_str()), ("inconclusive", Some("build")), "{gate:#}");
    assert!(proxy.log().contains("primary and candidate have exchanged places"), "{}", proxy.log());
    assert_eq!(proxy.report()["totals"]["requests"], 0);
    send(&proxy, 200);
    proxy.settled(200);
    assert_eq!(verdict(&proxy.admin("/api/v1/gate").1), "pass");
    proxy.signal("-TERM");
    proxy.wait();
    // The same while nobody ran.
    let proxy = Proxy::configured(&between(&old, &new)).folder(folder.path()).start();
    let gate = proxy.admin("/api/v1/gate").1;
    assert_eq!((verdict(&gate), &gate["epoch"]["id"]), ("inconclusive", &"3".into()), "{gate:#}");
    send(&proxy, 200);
    proxy.settled(200);
    // A candidate that is elsewhere may have moved: that is told.
    let moved = |gate: &Value| {
        let notices = gate["notices"].as_array().unwrap().iter();
        notices.clone().find(|notice| notice["code"] == "candidate_moved").cloned()
    };
    let gate = reload(&proxy, &between(&old, &broken), &|gate| moved(gate).is_some());
    assert_eq!((verdict(&gate), &gate["epoch"]["id"]), ("pass", &"3".into()), "{gate:#}");
    let notice = moved(&gate).unwrap();
    let message = notice["message"].as_str().unwrap();
    assert!(message.contains(&format!("from {} to {}", new.url(), broken.url())), "{message}");
    assert_eq!((&notice["severity"], notice["since"].is_string()), (&"warning".into(), true));
    assert!(proxy.report()["notices"].as_array().unwrap().contains(&notice));
    assert!(proxy.log().contains("the candidate has moved"), "{}", proxy.log());
    let (status, answer) = proxy.post("/api/v1/epoch", &serde_json::json!({ "candidate_build": "next" }));
    assert_eq!((status, moved(&proxy.admin("/api/v1/gate").1)), (200, None), "{answer}");
}
