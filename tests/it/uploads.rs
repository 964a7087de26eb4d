//! Uploads that are answered before their end: by both systems alike, by one that reads on and one that does not, and with
//! a client that leaves in the middle.

use crate::harness::*;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread;

const POSTS: &str = "[mirror]\nmethods = [\"GET\", \"POST\"]\n";

/// What follows an answer that was given when the head had come.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    /// The body is read to its end and the connection kept.
    ReadsOn,
    /// Nothing more is read or said.
    Closes,
}

/// Answers each request as soon as its head is there; the URL.
fn early(status: &'static str, then: Then) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut read = BufReader::new(stream.try_clone().unwrap());
                loop {
                    let (mut length, mut line) = (0, String::new());
                    while line != "\r\n" {
                        line.clear();
                        if read.read_line(&mut line).unwrap_or(0) == 0 {
                            return;
                        }
                        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                            length = value.trim().parse().unwrap();
                        }
                    }
                    let close = if then == Then::Closes { "Connection: close\r\n" } else { "" };
                    let answer = format!("HTTP/1.1 {status}\r\n{close}Content-Length: 2\r\n\r\nno");
                    stream.write_all(answer.as_bytes()).unwrap();
                    if then == Then::Closes {
                        stream.shutdown(std::net::Shutdown::Write).unwrap();
                    }
                    // Of what is not wanted too, as a reset might overtake the answer.
                    if std::io::copy(&mut (&mut read).take(length), &mut std::io::sink()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    url
}

fn head(length: usize, more: &str) -> String {
    format!("POST /u HTTP/1.1\r\nHost: a\r\n{more}Content-Length: {length}\r\n\r\n")
}

fn n(totals: &Value, name: &str) -> u64 {
    totals.pointer(name).and_then(Value::as_u64).unwrap()
}

#[test]
fn what_both_answer_before_the_end_of_an_upload_is_compared() {
    for (candidate, bucket) in [("403 Forbidden", "/divergent"), ("401 Unauthorized", "/matched")] {
        let proxy = Proxy::between(&early("401 Unauthorized", Then::ReadsOn), &early(candidate, Then::ReadsOn))
            .config(POSTS)
            .start();
        let mut client = proxy.connect();
        for _ in 0..3 {
            client.write(head(4000, "").as_bytes());
            assert_eq!(client.read_reply().status, 401);
            // Both have answered: only now comes what they do not need.
            client.write(&[b'x'; 4000]);
        }
        assert_eq!(n(&proxy.settled(3)["totals"], bucket), 3, "{candidate}");
    }
}

#[test]
fn an_upload_that_the_primary_does_not_want_is_compared_where_the_candidate_does_not_either() {
    for (expect, sent) in [("", &b"some of it"[..]), ("Expect: 100-continue\r\n", b"")] {
        for candidate in [early("200 OK", Then::Closes), early("200 OK", Then::ReadsOn)] {
            let proxy = Proxy::between(&early("413 Too Large", Then::Closes), &candidate).config(POSTS).start();
            for _ in 0..3 {
                let mut client = proxy.connect();
                client.write(&[head(4000, expect).as_bytes(), sent].concat());
                assert_eq!(client.read_reply().status, 413);
            }
            assert_eq!(n(&proxy.settled(3)["totals"], "/divergent"), 3, "{expect}");
        }
    }
}

#[test]
fn a_candidate_that_wants_the_rest_of_it_is_not_judged() {
    let candidate = Upstream::json("{}");
    let proxy = Proxy::between(&early("413 Too Large", Then::Closes), &candidate.url()).config(POSTS).start();
    let mut client = proxy.connect();
    client.write(&[head(4000, "").as_bytes(), b"some of it"].concat());
    assert_eq!(client.read_reply().status, 413);
    assert_eq!(n(&proxy.settled(1)["totals"], "/incomparable_reasons/capture_lost"), 1);
}

#[test]
fn who_is_at_fault_for_half_an_upload_is_told_apart() {
    let candidate = Upstream::json("{}");
    // The client breaks it off.
    let primary = Upstream::json("{}");
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(POSTS).start();
    let mut client = proxy.connect();
    client.write(&[head(4000, "").as_bytes(), b"some of it"].concat());
    while !text(&candidate.wire()).contains("some of it") {
        thread::yield_now();
    }
    drop(client);
    assert_eq!(n(&proxy.settled(1)["totals"], "/incomparable_reasons/client_aborted"), 1);
    // The primary does.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            stream.unwrap().read_exact(&mut [0; 100]).unwrap();
        }
    });
    let proxy = Proxy::between(&url, &candidate.url()).config(POSTS).start();
    let mut client = proxy.connect();
    client.write(&[head(4000, "").as_bytes(), &[b'x'; 500]].concat());
    assert_eq!(client.read_reply().status, 502);
    assert_eq!(n(&proxy.settled(1)["totals"], "/incomparable_reasons/primary_failed"), 1);
}
