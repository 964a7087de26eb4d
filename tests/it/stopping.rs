//! Stopping, starting, reloading.

use crate::harness::*;
use std::io::{Read, Write};
use std::time::Duration;

#[test]
fn drain_serves_clients_in_flight_and_exits_cleanly() {
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let primary = Upstream::raw(move |_, stream| {
        let _ = wait.lock().unwrap().recv_timeout(PATIENCE);
        stream.write_all(&json(200, "{}")).is_ok()
    });
    let candidate = Upstream::json("{}");
    let mut proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let mut client = proxy.connect();
    client.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    until(|| !primary.seen().is_empty(), || proxy.log());
    proxy.signal("-TERM");
    until(|| std::net::TcpStream::connect(proxy.listen).is_err(), || proxy.log());
    release.send(()).unwrap();
    assert_eq!(client.read_reply().status, 200, "in flight when told to stop, served all the same");
    assert!(client.at_end());
    assert_eq!(proxy.wait(), Some(0));
}

#[test]
fn mirrored_exchanges_still_under_way_count_as_shutdown() {
    let primary = Upstream::json("{}");
    let stalled = Upstream::stalled();
    let folder = tempfile::tempdir().unwrap();
    let mut proxy = Proxy::between(&primary.url(), &stalled.url()).folder(folder.path()).start();
    proxy.get("/x");
    assert_eq!(proxy.report()["totals"]["pending"], 1);
    proxy.signal("-INT");
    assert_eq!(proxy.wait(), Some(0));
    assert_eq!(left(folder.path())["incomparable_reasons"]["shutdown"], 1);
}

#[test]
fn a_change_that_comes_too_late_to_be_kept_is_refused() {
    let (primary, candidate) = (Upstream::json("{}"), Upstream::json("{}"));
    let folder = tempfile::tempdir().unwrap();
    let start = || Proxy::between(&primary.url(), &candidate.url()).folder(folder.path()).start();
    let mut proxy = start();
    let changes = [("mirror", "{\"enabled\": false}"), ("epoch", "{\"candidate_build\": \"v2\"}")];
    let clients = changes.map(|(path, body)| {
        let mut client = Client::connect(proxy.admin);
        let head =
            format!("POST /api/v1/{path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n", proxy.admin);
        client.write(format!("{head}Content-Length: {}\r\nExpect: 100-continue\r\n\r\n", body.len()).as_bytes());
        assert_eq!(client.read_reply().status, 100, "it waits for the body");
        (client, body)
    });
    proxy.signal("-TERM");
    // Everything has been put away by then.
    while std::net::TcpStream::connect(proxy.admin).is_ok() {
        std::thread::sleep(Duration::from_millis(5));
    }
    for (mut client, body) in clients {
        client.write(body.as_bytes());
        let reply = client.read_reply();
        assert_eq!(reply.status, 503, "{}", reply.text());
        assert!(reply.text().contains("the proxy is stopping: nothing was kept"), "{}", reply.text());
    }
    assert_eq!(proxy.wait(), Some(0));
    assert!(!proxy.log().contains("parallax::audit") && !proxy.log().contains("by hand"), "{}", proxy.log());
    let proxy = start();
    assert_eq!(proxy.admin("/api/v1/mirror").1["enabled"], true);
    assert_eq!(proxy.report()["epoch"]["id"], "1");
}

/// The totals of what a proxy has left behind.
fn left(folder: &std::path::Path) -> serde_json::Value {
    let data = folder.join("data");
    let output = parallax(&["report", "--data", data.to_str().unwrap(), "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    law(&report);
    report["totals"].clone()
}

#[test]
fn clients_that_are_cut_off_have_not_left_by_themselves() {
    let primary = Upstream::raw(|seen, stream| {
        if seen.path() == "/begun" {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nbegun").unwrap();
        }
        // Until the proxy has gone.
        stream.read(&mut [0]).is_ok_and(|n| n > 0)
    });
    let candidate = Upstream::json("{}");
    let folder = tempfile::tempdir().unwrap();
    let config = "[listen]\ndrain_timeout = \"100ms\"\n";
    let mut proxy = Proxy::between(&primary.url(), &candidate.url()).folder(folder.path()).config(config).start();
    let mut gone = proxy.connect();
    gone.write(b"GET /gone HTTP/1.1\r\nHost: a\r\n\r\n");
    while primary.seen().is_empty() {
        std::thread::yield_now();
    }
    drop(gone);
    proxy.report_when(|t| t["incomparable_reasons"]["client_aborted"] == 1);
    let (mut waits, mut reads) = (proxy.connect(), proxy.connect());
    waits.write(b"GET /waits HTTP/1.1\r\nHost: a\r\n\r\n");
    while primary.seen().len() < 2 {
        std::thread::yield_now();
    }
    reads.write(b"GET /begun HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut heard = Vec::new();
    while !heard.ends_with(b"begun") {
        let mut byte = [0];
        reads.stream.read_exact(&mut byte).unwrap();
        heard.push(byte[0]);
    }
    proxy.signal("-TERM");
    assert_eq!(proxy.wait(), Some(0));
    let reasons = &left(folder.path())["incomparable_reasons"];
    assert_eq!((&reasons["shutdown"], &reasons["client_aborted"]), (&2.into(), &1.into()), "{reasons}");
}

/// Whether so many clients are, by the metrics.
fn connected(proxy: &Proxy, clients: usize) -> bool {
    let mut admin = Client::connect(proxy.admin);
    admin.write(format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", proxy.admin).as_bytes());
    let metrics = admin.read_reply().text();
    metrics.contains(&format!("\nparallax_connections{{side=\"client\"}} {clients}.0\n"))
}

#[test]
fn told_to_stop_a_second_time_it_keeps_what_was_counted_and_drops_what_is_in_flight() {
    let primary = Upstream::raw(|seen, stream| match seen.path() {
        "/hangs" => stream.read(&mut [0]).is_ok_and(|n| n > 0),
        _ => stream.write_all(&json(200, "{}")).is_ok(),
    });
    let candidate = Upstream::json("{}");
    let folder = tempfile::tempdir().unwrap();
    let mut proxy = Proxy::between(&primary.url(), &candidate.url()).folder(folder.path()).start();
    let mut hangs = proxy.connect();
    hangs.write(b"GET /hangs HTTP/1.1\r\nHost: a\r\n\r\n");
    while primary.seen().is_empty() {
        std::thread::yield_now();
    }
    proxy.signal("-TERM");
    until(|| proxy.log().contains("clients in flight are served"), || proxy.log());
    assert_eq!(proxy.report()["totals"]["pending"], 1);
    proxy.signal("-TERM");
    assert_eq!(proxy.wait(), Some(0));
    assert!(hangs.at_end());
    assert!(proxy.log().contains("told to stop a second time"), "{}", proxy.log());
    assert_eq!(left(folder.path())["incomparable_reasons"]["shutdown"], 1);
}

fn is_echoed(client: &mut Client) -> bool {
    let mut heard = [0; 5];
    client.write(b"hello");
    client.stream.read_exact(&mut heard).is_ok() && &heard == b"HELLO"
}

#[test]
fn a_tunnel_is_a_connection_that_is_counted_and_waited_for() {
    let (primary, candidate) = (crate::protocols::shouting(), Upstream::json("{}"));
    let config = "[listen]\nmax_connections = 1\n";
    let mut proxy = Proxy::between(&primary.url(), &candidate.url()).config(config).start();
    let (mut client, _) = crate::protocols::tunnel(&proxy);
    assert!(is_echoed(&mut client));
    assert_eq!(proxy.get("/x").status, 503);
    assert!(connected(&proxy, 1));
    proxy.signal("-TERM");
    while std::net::TcpStream::connect(proxy.listen).is_ok() {
        assert!(is_echoed(&mut client));
    }
    assert!((0..200).all(|_| is_echoed(&mut client)));
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(client.at_end());
    assert_eq!(proxy.wait(), Some(0));
    // But not for ever.
    let config = "[listen]\ndrain_timeout = \"100ms\"\n";
    let mut proxy = Proxy::between(&primary.url(), &candidate.url()).config(config).start();
    let (mut client, _) = crate::protocols::tunnel(&proxy);
    proxy.signal("-TERM");
    assert_eq!(proxy.wait(), Some(0));
    assert!(client.at_end());
}

#[test]
fn a_changed_file_is_taken_over_and_a_broken_one_refused() {
    let primary = Upstream::json("{}");
    let candidate = Upstream::json("{}");
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    proxy.get("/1");
    proxy.settled(1);
    let file = proxy.folder.join("parallax.toml");
    std::fs::write(&file, "[mirror]\nmax_inflight = 3\n").unwrap();
    proxy.signal("-HUP");
    until(|| proxy.log().contains("max_in_flight"), || proxy.log());
    assert!(
        proxy.log().contains("the running configuration was kept") || proxy.log().contains("the running one was kept")
    );
    proxy.get("/2");
    assert_eq!(proxy.settled(2)["totals"]["mirrored"], 2);
    std::fs::write(&file, "[mirror]\nsample = 0\n").unwrap();
    proxy.signal("-HUP");
    until(|| proxy.log().contains("configuration was reloaded"), || proxy.log());
    proxy.get("/3");
    assert_eq!(proxy.settled(3)["totals"]["not_mirrored"]["sampled_out"], 1);
    // What takes a restart is said.
    std::fs::write(&file, "[mirror]\nsample = 0\n[telemetry]\nlog.level = \"debug\"\n").unwrap();
    proxy.signal("-HUP");
    until(|| proxy.log().contains("[telemetry] has changed: that takes a restart"), || proxy.log());
}

#[test]
fn the_number_of_routes_is_bounded_over_reloads_and_restarts() {
    let (primary, candidate) = (Upstream::json("{}"), Upstream::json("{}"));
    let folder = tempfile::tempdir().unwrap();
    let start = || Proxy::between(&primary.url(), &candidate.url()).folder(folder.path()).start();
    let word =
        |n: usize| -> String { format!("{n:04}").bytes().map(|digit| char::from(b'g' + digit - b'0')).collect() };
    let ask = |proxy: &Proxy, pages: std::ops::Range<usize>| {
        let (mut client, last) = (proxy.connect(), pages.end as u64);
        for n in pages {
            client.write(format!("GET /{}/{} HTTP/1.1\r\nHost: a\r\n\r\n", word(n / 45), word(n)).as_bytes());
            client.read_reply();
        }
        proxy.settled(last)["routes"].as_array().unwrap().len()
    };
    let mut proxy = start();
    assert_eq!(ask(&proxy, 0..2_050), 2_001);
    proxy.signal("-HUP");
    until(|| proxy.log().contains("configuration was reloaded"), || proxy.log());
    assert_eq!(ask(&proxy, 2_050..2_100), 2_001);
    proxy.signal("-TERM");
    assert_eq!(proxy.wait(), Some(0));
    assert_eq!(ask(&start(), 2_100..2_150), 2_001);
}

#[test]
fn what_keeps_it_from_starting_is_said() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let legs = ["serve", "--primary", "http://127.0.0.1:1", "--candidate", "http://127.0.0.1:2", "--data", data];
    let cases: [(&[&str], &str); 5] = [
        (&["--listen", &taken, "--admin", "127.0.0.1:0"], "in use"),
        (&["--listen", "127.0.0.1:0", "--admin", "0.0.0.0:0"], "token_file"),
        (&["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--candidate", "http://127.0.0.1:1"], "cannot be used"),
        (&["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--config", "/nowhere/x.toml"], "/nowhere/x.toml"),
        (&["--listen", "127.0.0.1:9", "--admin", "127.0.0.1:0", "--control", "ftp://x"], "control"),
    ];
    for (args, expected) in cases {
        let output = parallax(&[&legs[..], args].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(expected) && said.contains("error:"), "{args:?}: {said}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_folder_serves_one_proxy() {
    let primary = Upstream::json("{}");
    let candidate = Upstream::json("{}");
    let folder = tempfile::tempdir().unwrap();
    // Links for people lead elsewhere than what commands ask.
    let elsewhere = "[admin]\npublic_url = \"https://parallax.example.invalid/x\"\n";
    let proxy = Proxy::between(&primary.url(), &candidate.url()).folder(folder.path()).config(elsewhere).start();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let output = parallax(&[
        "serve",
        "--primary",
        &primary.url(),
        "--candidate",
        &candidate.url(),
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--data",
        data,
    ]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("held by another process"), "{}", text(&output.stderr));
    // The folder leads to the proxy that holds it.
    proxy.get("/x");
    proxy.settled(1);
    let output = parallax(&["report", "--data", data, "--format", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["totals"]["requests"], 1);
}

#[test]
fn a_reload_never_mirrors_what_no_route_allows() {
    let primary = Upstream::json("{}");
    let candidate = Upstream::json("{}");
    let routes = |first: &str, second: &str| {
        let one = |name: &str| {
            let methods = if name == "pay" { "\"GET\"" } else { "\"POST\"" };
            format!("[[route]]\nname = \"{name}\"\npath = \"/{name}\"\nmethods = [{methods}]\n")
        };
        one(first) + &one(second)
    };
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(&routes("pay", "box")).start();
    let file = proxy.folder.join("parallax.toml");
    let mut client = proxy.connect();
    for round in 0..40 {
        let text = if round % 2 == 0 { routes("box", "pay") } else { routes("pay", "box") };
        std::fs::write(&file, text).unwrap();
        proxy.signal("-HUP");
        for _ in 0..25 {
            client.write(b"POST /pay HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(client.read_reply().status, 200);
        }
    }
    assert_eq!(proxy.settled(1000)["totals"]["not_mirrored"]["method"], 1000);
    assert!(candidate.seen().is_empty());
}

#[test]
fn the_log_has_the_form_and_the_colour_that_were_asked_for() {
    let (primary, candidate) = (Upstream::json("{}"), Upstream::json("{}"));
    let serve = || Proxy::between(&primary.url(), &candidate.url());
    let reloaded = |proxy: &Proxy| {
        proxy.signal("-HUP");
        until(|| proxy.log().contains("the configuration was reloaded"), || proxy.log());
        proxy.log()
    };
    // Every line of it, what is said at the start among them.
    let proxy = serve().config("[telemetry]\nlog.format = \"json\"\n").start();
    let log = reloaded(&proxy);
    let lines: Vec<serde_json::Value> = log.lines().map(|l| serde_json::from_str(l).expect(l)).collect();
    let ready = lines.iter().find(|l| l["message"] == "ready").unwrap();
    assert_eq!(ready["proxy"], format!("http://{}", proxy.listen));

    assert!(!reloaded(&serve().start()).contains('\u{1b}'));
    assert!(reloaded(&serve().args(&["--color", "always"]).start()).contains('\u{1b}'));
}

const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Clients that have connected and asked while the proxy is not looking, and the word to stop.
fn knock_and_stop(proxy: &Proxy) -> Vec<Client> {
    proxy.signal("-STOP");
    let mut clients: Vec<Client> = (0..50).map(|_| proxy.connect()).collect();
    clients.iter_mut().for_each(|client| client.write(ASK));
    proxy.signal("-TERM");
    proxy.signal("-CONT");
    clients
}

#[test]
fn a_request_that_waits_to_be_accepted_when_it_is_to_stop_is_served() {
    let (primary, candidate) = (Upstream::json("{}"), Upstream::json("{}"));
    let mut proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let mut clients = knock_and_stop(&proxy);
    assert_eq!(proxy.wait(), Some(0));
    assert!(clients.iter_mut().all(|client| client.read_reply().status == 200));
    assert_eq!(primary.seen().len(), 50);
}

#[test]
fn who_waits_at_a_socket_that_was_handed_over_is_served_by_the_next_process() {
    let (primary, candidate) = (Upstream::json("{}"), Upstream::json("{}"));
    let folder = tempfile::tempdir().unwrap();
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let start = || {
        let admin = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let serve = Proxy::between(&primary.url(), &candidate.url()).folder(folder.path());
        serve.handed_over([socket.try_clone().unwrap(), admin]).start()
    };
    let mut proxy = start();
    assert_eq!(proxy.listen, socket.local_addr().unwrap());
    let mut clients = knock_and_stop(&proxy);
    assert_eq!(proxy.wait(), Some(0));
    let _next = start();
    assert!(clients.iter_mut().all(|client| client.read_reply().status == 200));
    assert_eq!(primary.seen().len(), 50);
}

#[test]
fn who_has_just_connected_may_still_ask_and_who_has_asked_before_is_not_waited_for() {
    let (primary, candidate) = (Upstream::json("{}"), Upstream::json("{}"));
    let mut proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let [mut kept, mut fresh, mut silent] = [(); 3].map(|()| proxy.connect());
    kept.write(ASK);
    assert_eq!(kept.read_reply().status, 200);
    until(|| connected(&proxy, 3), || proxy.log());
    proxy.signal("-TERM");
    assert!(kept.at_end());
    fresh.write(ASK);
    let reply = fresh.read_reply();
    assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
    silent.stream.set_nonblocking(true).unwrap();
    assert_eq!(silent.stream.peek(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    silent.stream.set_nonblocking(false).unwrap();
    assert!(silent.at_end());
    assert_eq!(proxy.wait(), Some(0));
}

#[test]
fn an_admin_socket_that_was_handed_over_needs_a_token_where_others_reach_it() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Proxy::between("http://127.0.0.1:1", "http://127.0.0.1:2").folder(folder.path());
    let sockets = ["127.0.0.1:0", "0.0.0.0:0"].map(|address| std::net::TcpListener::bind(address).unwrap());
    let (code, said) = serve.handed_over(sockets).fail();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("is not loopback and `admin.token_file` is not set"), "{said}");
    assert!(!folder.path().join("data").exists());
}
