//! Whatever the candidate does, users see the primary and the evidence says what happened.

use crate::harness::*;
use std::io::Write;
use std::time::{Duration, Instant};

/// How many ask a leg at once that has answered nobody.
const FIRST: usize = 24;

fn against(candidate: &str, requests: usize, config: &str) -> (Proxy, serde_json::Value) {
    let primary = Upstream::json("{\"a\":1}");
    let proxy = Proxy::between(&primary.url(), candidate).config(config).start();
    let mut client = proxy.connect();
    for _ in 0..requests {
        client.write(b"GET /things/7 HTTP/1.1\r\nHost: a\r\n\r\n");
        let reply = client.read_reply();
        assert_eq!((reply.status, reply.text().as_str()), (200, "{\"a\":1}"));
    }
    let report = proxy.settled(requests as u64);
    (proxy, report)
}

fn kinds(report: &serde_json::Value) -> Vec<(String, u64)> {
    let list = report["divergences"].as_array().unwrap();
    list.iter().map(|d| (d["kind"].as_str().unwrap().to_owned(), d["counted"].as_u64().unwrap())).collect()
}

#[test]
fn a_candidate_that_is_down_diverges_until_its_breaker_opens() {
    let (_proxy, report) = against(&nobody(), 100, "");
    let totals = &report["totals"];
    let divergent = totals["divergent"].as_u64().unwrap();
    assert!(divergent >= 10, "{totals:#}");
    assert_eq!(divergent + totals["not_mirrored"]["breaker_open"].as_u64().unwrap(), 100);
    assert_eq!(kinds(&report), [("transport.refused".to_owned(), divergent)]);
    assert_eq!(report["routes"][0]["status"]["candidate"]["failed"], divergent);
}

#[test]
fn a_stalled_candidate_delays_nobody() {
    let stalled = Upstream::stalled();
    let start = Instant::now();
    let (_proxy, report) = against(&stalled.url(), 10, "[mirror]\ntimeout = \"2s\"\n");
    assert_eq!(kinds(&report), [("transport.timeout".to_owned(), 10)]);
    // Ten requests in turn: had each waited for the candidate, this would have taken twenty seconds.
    assert!(start.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_candidate_that_answers_nobody_is_asked_by_few() {
    let silent = Upstream::stalled();
    let (_proxy, report) = against(&silent.url(), 300, "[mirror]\ntimeout = \"3s\"\n");
    let totals = &report["totals"];
    let divergent = totals["divergent"].as_u64().unwrap();
    assert!(divergent >= 100, "{totals:#}");
    assert_eq!(divergent + totals["not_mirrored"]["breaker_open"].as_u64().unwrap(), 300, "{totals:#}");
    assert_eq!(kinds(&report), [("transport.timeout".to_owned(), divergent)]);
    assert_eq!(silent.seen().len(), FIRST);
}

#[test]
fn a_candidate_that_is_slow_at_first_is_asked_by_all() {
    let seen = std::sync::atomic::AtomicUsize::new(0);
    let (full, gate) = (std::sync::Mutex::new(false), std::sync::Condvar::new());
    // Answers nobody before as many have come as may wait for a first answer.
    let candidate = Upstream::raw(move |_, stream| {
        let mut full = full.lock().unwrap();
        if seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1 >= FIRST {
            *full = true;
            gate.notify_all();
        }
        drop(gate.wait_while(full, |full| !*full).unwrap());
        stream.write_all(&json(200, "{\"a\":1}")).is_ok()
    });
    let (_proxy, report) = against(&candidate.url(), 300, "");
    assert_eq!(report["totals"]["matched"], 300, "{:#}", report["totals"]);
}

#[test]
fn a_silent_candidate_does_not_use_up_the_file_descriptors() {
    let (primary, silent) = (Upstream::json("{}"), Upstream::stalled());
    let proxy = Proxy::between(&primary.url(), &silent.url())
        .config("[mirror]\ntimeout = \"60s\"\n[candidate]\nresponse_timeout = \"60s\"\n")
        .descriptors(256)
        .start();
    let mut clients: Vec<_> = (0..10).map(|_| proxy.connect()).collect();
    for _ in 0..40 {
        for client in &mut clients {
            client.write(b"GET /things/7 HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(client.read_reply().status, 200);
        }
    }
    // As many new users as the warning at start says there is room for.
    let told = proxy.log();
    assert!(told.contains("256 file descriptors are enough for 72 clients"), "{told}");
    let users: Vec<_> = (0..60)
        .map(|_| {
            let mut user = proxy.connect();
            user.write(b"GET /things/7 HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(user.read_reply().status, 200);
            user
        })
        .collect();
    assert!(!proxy.log().contains("could not accept"), "{}", proxy.log());
    drop((clients, users));
}

#[test]
fn every_way_to_break_an_answer_has_its_kind() {
    let cases: [(&'static [u8], &str); 5] = [
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\"",
            "transport.truncated",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{\"a\"", "transport.truncated"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}", "transport.bad_framing"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "transport.protocol"),
        (b"", "transport.reset"),
    ];
    for (response, kind) in cases {
        let candidate = Upstream::raw(move |_, stream| {
            let _ = stream.write_all(response);
            false
        });
        let (_proxy, report) = against(&candidate.url(), 3, "");
        let found = kinds(&report);
        assert_eq!(found.len(), 1, "{kind}: {found:?}");
        assert_eq!(found[0], (kind.to_owned(), 3), "{}", text(response));
    }
}

#[test]
fn a_candidate_that_breaks_off_every_answer_is_left_alone_after_a_while() {
    let candidate = Upstream::raw(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\"");
        false
    });
    let (_proxy, report) = against(&candidate.url(), 100, "");
    let open = report["totals"]["not_mirrored"]["breaker_open"].as_u64().unwrap();
    assert!(open >= 50, "{:#}", report["totals"]);
    assert_eq!(kinds(&report), [("transport.truncated".to_owned(), 100 - open)]);
}

#[test]
fn a_candidate_that_never_ends_its_answer_is_cut() {
    let candidate = Upstream::raw(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while stream.write_all(b"400\r\n").is_ok() && stream.write_all(&[b'x'; 1024]).is_ok() {
            if stream.write_all(b"\r\n").is_err() {
                break;
            }
        }
        false
    });
    let (proxy, report) = against(&candidate.url(), 4, "[mirror]\ntimeout = \"500ms\"\nmax_body = \"64KiB\"\n");
    assert_eq!(kinds(&report), [("transport.timeout".to_owned(), 4)]);
    assert!(proxy.resident() < 200 * 1024, "{} KiB", proxy.resident());
}

/// Writes chunks for as long as they are read.
fn without_end(head: &'static [u8]) -> Upstream {
    Upstream::raw(move |_, stream| {
        let _ = stream.write_all(head);
        let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
        while stream.write_all(&chunk).is_ok() {}
        false
    })
}

/// The report once an exchange was not mirrored, the breaker being open. Those before found room to be read on, or not.
fn until_left_alone(proxy: &Proxy, mut report: serde_json::Value) -> serde_json::Value {
    for asked in FIRST as u64 + 1.. {
        proxy.get("/things/7");
        report = proxy.settled(asked);
        if report["totals"]["not_mirrored"]["breaker_open"] == 1 {
            break;
        }
        assert!(asked < 200, "it is asked for ever: {:#}", report["totals"]);
    }
    report
}

#[test]
fn a_body_without_end_is_let_go_of_before_its_time_and_opens_the_breaker() {
    let candidate = without_end(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    let (proxy, report) = against(&candidate.url(), FIRST, "[mirror]\ntimeout = \"10m\"\n");
    let report = until_left_alone(&proxy, report);
    let divergent = report["totals"]["divergent"].as_u64().unwrap();
    assert!(divergent >= 20, "{:#}", report["totals"]);
    assert_eq!(kinds(&report), [("transport.timeout".to_owned(), divergent)]);
    let summary = report["divergences"][0]["summary"].as_str().unwrap();
    assert!(summary.starts_with("candidate failed: body of over 1,"), "{summary}");
    assert!(summary.ends_with("primary's 7; not read on"), "{summary}");
}

#[test]
fn an_error_of_the_primary_makes_no_failure_of_a_long_answer() {
    let broken = json(503, "{}");
    let primary = Upstream::answering(move |_| broken.clone());
    let candidate = without_end(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config("[mirror]\ntimeout = \"10m\"\n").start();
    let mut client = proxy.connect();
    for _ in 0..FIRST {
        client.write(b"GET /things/7 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.read_reply().status, 503);
    }
    let report = until_left_alone(&proxy, proxy.settled(FIRST as u64));
    let (divergent, totals) = (&report["totals"]["divergent"], &report["totals"]);
    assert!(divergent.as_u64() >= Some(20), "{totals:#}");
    assert_eq!(kinds(&report)[0].0, "status.class");
    // Where many are read at once there may be no room to read on: that is not held against the candidate either.
    let lost = totals["incomparable_reasons"]["capture_lost"].as_u64().unwrap_or_default();
    assert_eq!(report["routes"][0]["status"]["candidate"]["2xx"].as_u64(), divergent.as_u64().map(|n| n + lost));
}

#[test]
fn a_declared_length_is_believed_without_reading_on() {
    let candidate =
        without_end(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1099511627776\r\n\r\n");
    let (_proxy, report) = against(&candidate.url(), 30, "[mirror]\ntimeout = \"10m\"\n");
    assert_eq!(kinds(&report), [("body.opaque".to_owned(), 30)], "{:#}", report["totals"]);
    let summary = report["divergences"][0]["summary"].as_str().unwrap();
    assert!(summary.contains("1099511627776 bytes or more, not read further"), "{summary}");
    assert_eq!(report["routes"][0]["status"]["candidate"]["2xx"], 30);
}

#[test]
fn a_longer_body_that_says_the_same_is_read_to_its_end() {
    let value = format!("[{}1]", "1,".repeat(50_000));
    let primary = Upstream::json(&value);
    let spaced = value.replace(',', ",        ");
    assert!(spaced.len() > 4 * value.len());
    let candidate = Upstream::raw(move |_, stream| {
        let head = "HTTP/1.1 200 Whatever\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        let body = format!("{head}{:x}\r\n{spaced}\r\n0\r\n\r\n", spaced.len());
        stream.write_all(body.as_bytes()).is_ok()
    });
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    (0..3).for_each(|_| drop(proxy.get("/x")));
    let report = proxy.settled(3);
    assert_eq!(report["totals"]["excused_reasons"]["representation"], 3, "{:#}", report["totals"]);
}

#[test]
fn a_candidate_that_is_ahead_of_a_slow_client_waits_and_is_not_blamed() {
    let body = "x".repeat(24 << 20);
    let one = answer("200 OK", &[("Content-Type", "text/plain")], body.as_bytes());
    let (a, b) = (one.clone(), one);
    let primary = Upstream::answering(move |_| a.clone());
    let candidate = Upstream::answering(move |_| b.clone());
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let mut client = proxy.connect();
    client.write(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    // The candidate has had all the time that it needs, and is asked nothing more before the client reads.
    while candidate.seen().is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(client.read_reply().body.len(), body.len());
    assert_eq!(proxy.settled(1)["totals"]["matched"], 1);
}

#[test]
fn large_answers_are_compared_by_digest_and_memory_stays_in_its_budget() {
    let body = "x".repeat(3 << 20);
    let one = answer("200 OK", &[("Content-Type", "text/plain")], body.as_bytes());
    let (a, b) = (one.clone(), one.clone());
    let mut c = one;
    *c.last_mut().unwrap() = b'y';
    let primary = Upstream::answering(move |_| a.clone());
    let candidate = Upstream::answering(move |seen| if seen.path() == "/same" { b.clone() } else { c.clone() });
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config("[mirror]\nmax_body = \"1MiB\"\n").start();
    assert_eq!(proxy.get("/same").body.len(), 3 << 20);
    assert_eq!(proxy.get("/other").body.len(), 3 << 20);
    let report = proxy.settled(2);
    assert_eq!((&report["totals"]["matched"], &report["totals"]["divergent"]), (&1.into(), &1.into()));
    assert_eq!(report["divergences"][0]["kind"], "body.opaque");
}

#[test]
fn a_hundred_thousand_paths_stay_bounded() {
    let primary = Upstream::json("{}");
    let candidate = Upstream::json("{}");
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let mut client = proxy.connect();
    let paths = 20_000;
    for batch in 0..paths / 100 {
        let mut requests = String::new();
        for i in 0..100 {
            let n = batch * 100 + i;
            requests.push_str(&format!("GET /w{}x/q{}z?a=1 HTTP/1.1\r\nHost: a\r\n\r\n", n * 7919 % 99_991, n));
        }
        client.write(requests.as_bytes());
        for _ in 0..100 {
            assert_eq!(client.read_reply().status, 200);
        }
    }
    let report = proxy.settled(paths);
    assert!(report["routes"].as_array().unwrap().len() <= 2_100);
    assert!(proxy.resident() < 150 * 1024, "{} KiB", proxy.resident());
}

#[test]
fn a_slow_upload_is_not_held_against_the_candidate() {
    let primary = Upstream::json("{}");
    let candidate = Upstream::json("{}");
    let proxy = Proxy::between(&primary.url(), &candidate.url())
        .config("[mirror]\nmethods = [\"POST\"]\ntimeout = \"1500ms\"\n")
        .start();
    let upload = |pause: u64| {
        let mut client = proxy.connect();
        client.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nConnection: close\r\n\r\n");
        for _ in 0..4 {
            std::thread::sleep(Duration::from_millis(pause));
            client.write(b"x");
        }
        assert_eq!(client.read_reply().status, 200);
    };
    // Within the time a request has, though the candidate's own time would have been over with it.
    upload(150);
    assert_eq!(proxy.settled(1)["totals"]["matched"], 1);
    // Longer than that: not judged, and nothing that came after it waits for it.
    upload(700);
    let report = proxy.settled(2);
    assert_eq!(report["totals"]["incomparable_reasons"]["capture_lost"], 1, "{:#}", report["totals"]);
    assert_eq!(report["totals"]["divergent"], 0);
}

#[test]
fn streams_without_end_hold_nothing_back() {
    let stream = |_: &Seen, stream: &mut std::net::TcpStream| {
        let _ = stream.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ndata:1\r\n",
        );
        let mut byte = [0];
        let _ = std::io::Read::read(stream, &mut byte);
        false
    };
    for start in ["concurrent", "after-primary"] {
        let (primary, candidate) = (Upstream::raw(stream), Upstream::raw(stream));
        let proxy = Proxy::between(&primary.url(), &candidate.url())
            .config(&format!("[mirror]\nstart = \"{start}\"\ntimeout = \"400ms\"\nmax_in_flight = 2\n"))
            .start();
        let clients: Vec<Client> = (0..2)
            .map(|_| {
                let mut client = proxy.connect();
                client.write(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
                client
            })
            .collect();
        let report = proxy.settled(2);
        assert_eq!(report["totals"]["incomparable_reasons"]["budget"], 2, "{start}: {:#}", report["totals"]);
        drop(clients);
    }
}

#[test]
fn a_budget_that_is_used_up_is_not_held_against_the_candidate() {
    let primary = Upstream::json(&format!("{{\"a\":[{}1]}}", "1,".repeat(350_000)));
    let candidate = Upstream::json(&format!("{{\"a\": [{}1]}}", "1,".repeat(350_000)));
    let proxy = Proxy::between(&primary.url(), &candidate.url())
        .config("[mirror]\nmemory_budget = \"1MiB\"\nmax_body = \"1MiB\"\n")
        .start();
    proxy.get("/x");
    let report = proxy.settled(1);
    assert_eq!(report["totals"]["incomparable_reasons"]["capture_lost"], 1, "{:#}", report["totals"]);
}

#[test]
fn captures_hold_the_memory_they_are_charged_for() {
    let body = "x".repeat(3000);
    let drip = move |_: &Seen, stream: &mut std::net::TcpStream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n");
        body.as_bytes().chunks(1).all(|byte| {
            std::thread::sleep(Duration::from_micros(50));
            stream.write_all(byte).is_ok()
        })
    };
    let (primary, candidate) = (Upstream::json("{}"), Upstream::raw(drip));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config("[mirror]\ntimeout = \"20s\"\n").start();
    let before = proxy.resident();
    let mut client = proxy.connect();
    for _ in 0..60 {
        client.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        client.read_reply();
    }
    let most = std::cell::Cell::new(0);
    proxy.report_when(|totals| {
        let over = totals["pending"] == 0;
        if !over {
            most.set(proxy.resident().max(most.get()));
        }
        over
    });
    let most = most.get();
    assert!(most > 0, "nothing was pending any more when it was looked at");
    assert!(most < before + 60 * 1024, "{before} KiB, then {most} KiB");
}
