//! The log, and whoever does not take it.

use crate::harness::*;
use crate::hygiene::upstreams;
use serde_json::json;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

/// A stream that is full, and its other end.
fn full() -> (UnixStream, UnixStream) {
    let (mut to, from) = UnixStream::pair().unwrap();
    to.set_nonblocking(true).unwrap();
    while to.write(&[b'.'; 100]).is_ok() {}
    assert_eq!(to.write(b".").unwrap_err().kind(), ErrorKind::WouldBlock);
    to.set_nonblocking(false).unwrap();
    (to, from)
}

#[test]
fn a_log_that_nobody_takes_stops_nothing() {
    let (primary, candidate) = upstreams();
    let (to, mut from) = full();
    let mut proxy = Proxy::between(&primary.url(), &candidate.url()).stderr(OwnedFd::from(to)).start();
    // More often than there are threads that one line each could hold up.
    for _ in 0..8 {
        assert_eq!(proxy.post("/api/v1/mirror", &json!({"enabled": false})).0, 200);
    }
    assert_eq!(proxy.get("/x").status, 200);
    assert_eq!(proxy.settled(1)["totals"]["not_mirrored"]["disabled"], 1);
    proxy.signal("-TERM");
    assert_eq!(proxy.wait(), Some(0));
    let mut said = String::new();
    from.read_to_string(&mut said).unwrap();
    assert!(said.trim_start_matches('.').len() < 1000, "taken after all: {said}");
}

#[test]
fn what_was_said_is_on_standard_error_in_its_order_when_the_process_ends() {
    let (primary, candidate) = upstreams();
    let (to, mut from) = full();
    let mut proxy = Proxy::between(&primary.url(), &candidate.url()).stderr(OwnedFd::from(to)).start();
    assert_eq!(proxy.post("/api/v1/mirror", &json!({"enabled": false})).0, 200);
    let reader = std::thread::spawn(move || {
        let mut said = String::new();
        from.read_to_string(&mut said).map(|_| said)
    });
    proxy.signal("-TERM");
    assert_eq!(proxy.wait(), Some(0));
    let said = reader.join().unwrap().unwrap();
    let at = |what: &str| said.find(what).unwrap_or_else(|| panic!("no {what:?} in {said}"));
    assert!(at("is ready") < at("mirroring"), "{said}");
    assert!(at("mirroring") < at("stopping"), "{said}");
}

#[test]
fn an_error_at_the_start_is_said_behind_what_was_logged_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("evidence.redb"), "something else").unwrap();
    let args = ["serve", "--primary", "http://127.0.0.1:1", "--candidate", "http://127.0.0.1:2"];
    let sockets = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", data.to_str().unwrap()];
    let output = parallax(&[&args[..], &sockets].concat());
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("error: ") && said.contains("is not a store of Parallax") && said.ends_with('\n'), "{said}");
}
