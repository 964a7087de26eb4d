//! Streams that do not end: compared over what both have delivered, while the user's goes on untouched.

use crate::harness::*;
use serde_json::Value;
use std::io::{Read, Write};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

const SSE: &str = "text/event-stream";
const TIMEOUT: &str = "[mirror]\ntimeout = \"600ms\"\n";

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// Sends the events; then ends, or goes on: with whatever comes through the channel, until its client leaves.
struct Source {
    upstream: Upstream,
    more: Sender<&'static str>,
    left: Receiver<()>,
}

fn source(kind: &'static str, events: &'static [&'static str], ends: bool) -> Source {
    let (more, further) = channel::<&str>();
    let (gone, left) = channel();
    let further = Mutex::new(further);
    let upstream = Upstream::raw(move |_, stream| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        for event in events {
            stream.write_all(chunk(event).as_bytes()).unwrap();
        }
        if ends {
            return stream.write_all(b"0\r\n\r\n").is_ok();
        }
        let mut watched = stream.try_clone().unwrap();
        let gone = gone.clone();
        std::thread::spawn(move || {
            let _ = watched.read(&mut [0; 16]);
            let _ = gone.send(());
        });
        let further = further.lock().unwrap();
        while let Ok(event) = further.recv() {
            if stream.write_all(chunk(event).as_bytes()).is_err() {
                break;
            }
        }
        false
    });
    Source { upstream, more, left }
}

/// A client that has read up to `needle`.
fn read_until(client: &mut Client, needle: &str) {
    let mut seen = Vec::new();
    let mut part = [0; 1024];
    while !text(&seen).contains(needle) {
        match client.stream.read(&mut part) {
            Ok(n) if n > 0 => seen.extend_from_slice(&part[..n]),
            other => panic!("no {needle:?} in {:?}: {other:?}", text(&seen)),
        }
    }
}

fn listen(proxy: &Proxy) -> Client {
    let mut client = proxy.connect();
    client.write(b"GET /feed HTTP/1.1\r\nHost: a\r\n\r\n");
    client
}

/// One exchange: the report, and the example of its first divergence where there is one.
fn one(primary: &Source, candidate: &Source) -> (Value, Value) {
    let proxy = Proxy::between(&primary.upstream.url(), &candidate.upstream.url()).config(TIMEOUT).start();
    let _client = listen(&proxy);
    let report = proxy.settled(1);
    let example = match report["divergences"][0]["fingerprint"].as_str() {
        Some(print) => proxy.admin(&format!("/api/v1/divergences/{print}")).1["examples"][0].clone(),
        None => Value::Null,
    };
    (report, example)
}

#[test]
fn what_both_delivered_is_compared_and_the_users_stream_goes_on() {
    let primary = source(SSE, &["data: 1\n\n", ": here\n\ndata: 2\n\n", "data: thr"], false);
    let candidate = source(SSE, &["data: 1\n\n: here\n\nda", "ta: 2\n\ndata: 3\n\n"], false);
    let proxy = Proxy::between(&primary.upstream.url(), &candidate.upstream.url()).config(TIMEOUT).start();
    let mut client = listen(&proxy);
    read_until(&mut client, "data: thr");
    let totals = proxy.settled(1)["totals"].clone();
    assert_eq!((&totals["matched"], &totals["compared"]), (&1.into(), &1.into()), "{totals:#}");
    candidate.left.recv_timeout(PATIENCE).expect("the mirrored leg is let go");
    primary.more.send("ee\n\n").unwrap();
    read_until(&mut client, "ee\n\n");
    assert!(primary.left.try_recv().is_err(), "the primary is still listened to");
}

#[test]
fn a_difference_within_the_window_is_found_and_says_what_was_compared() {
    let primary = source(SSE, &["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"], false);
    let candidate = source(SSE, &["data: 1\n\n", "data: x\n\n"], false);
    let (report, example) = one(&primary, &candidate);
    assert_eq!(report["totals"]["divergent"], 1);
    for leg in ["primary", "candidate"] {
        assert_eq!(example[leg]["start"], "200 OK (compared over the first 2 events)", "{example:#}");
    }
    assert_eq!(example["primary"]["body"], "data: 1\n\ndata: 2\n\n");
    assert_eq!(report["routes"][0]["status"]["candidate"]["2xx"], 1);
}

#[test]
fn lines_and_frames_are_events_as_well() {
    let lines: &[&str] = &["{\"a\":1}\n", "{\"a\":2}\n{\"a\":"];
    let more: &[&str] = &["{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n"];
    let frames: &[&str] = &["\0\0\0\0\x01a", "\0\0\0\0\x01b\0\0\0"];
    let more_frames: &[&str] = &["\0\0\0\0\x01a\0\0\0\0\x01b", "\0\0\0\0\x01c"];
    for (kind, fewer, more) in [("application/x-ndjson", lines, more), ("application/grpc", frames, more_frames)] {
        let (report, _) = one(&source(kind, fewer, false), &source(kind, more, false));
        assert_eq!(report["totals"]["matched"], 1, "{kind}: {:#}", report["totals"]);
    }
}

#[test]
fn a_candidate_that_ends_before_it_delivered_as_much_ended_early() {
    let primary = || source(SSE, &["data: 1\n\n", "data: 2\n\n"], false);
    for (events, kinds) in
        [(&["data: 1\n\n"][..], vec!["stream.ended_early"]), (&["data: 1\n\n", "data: 2\n\n"][..], vec![])]
    {
        let (report, _) = one(&primary(), &source(SSE, events, true));
        let found: Vec<_> = report["divergences"].as_array().unwrap().iter().map(|d| d["kind"].clone()).collect();
        assert_eq!(found, kinds, "{events:?}");
    }
}

#[test]
fn silence_is_a_failure_only_where_the_primary_speaks() {
    let one_event: &[&str] = &["data: 1\n\n"];
    let (report, _) = one(&source(SSE, one_event, false), &source(SSE, &[], false));
    assert_eq!(report["divergences"][0]["kind"], "transport.timeout");
    // A stream that ends where the candidate's goes on.
    let (report, _) = one(&source(SSE, one_event, true), &source(SSE, one_event, false));
    assert_eq!(report["divergences"][0]["kind"], "transport.timeout");
    // Nothing compared is not equal.
    for events in [one_event, &[]] {
        let (report, _) = one(&source(SSE, &[], false), &source(SSE, events, false));
        assert_eq!(report["totals"]["incomparable_reasons"]["budget"], 1, "{:#}", report["totals"]);
    }
}

#[test]
fn a_body_that_goes_on_and_is_no_stream_is_not_compared() {
    let (report, _) = one(&source("text/plain", &["a"], false), &source("text/plain", &["a"], true));
    assert_eq!(report["totals"]["incomparable_reasons"]["budget"], 1, "{:#}", report["totals"]);
}
