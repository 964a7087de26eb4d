//! Every request is accounted for: planted differences come out as exact counts, whatever else happens.

use crate::harness::*;
use std::io::Write;

/// Answers of the old service to `/items/N` and what the new one makes of them.
fn planted(seen: &Seen, new: bool) -> Vec<u8> {
    let n: u64 = seen.path().rsplit('/').next().unwrap().parse().unwrap();
    let price = if new && n % 10 == 3 { "\"9.99\"" } else { "9.99" };
    let extra = if new && n % 25 == 7 { ",\"extra\":true" } else { "" };
    let status = if new && n % 50 == 11 { 500 } else { 200 };
    // A difference that does not count: white space.
    let space = if new && n.is_multiple_of(2) { " " } else { "" };
    json(status, &format!("{{\"id\":{space}{n},\"price\":{price}{extra}}}"))
}

#[test]
fn planted_differences_are_counted_exactly() {
    let primary = Upstream::answering(|seen| planted(seen, false));
    let candidate = Upstream::answering(|seen| planted(seen, true));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let mut clients: Vec<Client> = (0..4).map(|_| proxy.connect()).collect();
    for n in 0..500 {
        let client = &mut clients[n % 4];
        client.write(format!("GET /items/{n} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        assert_eq!(client.read_reply().status, 200);
    }
    let report = proxy.settled(500);
    let (price, extra, status) = (50, 20, 10);
    let divergences = report["divergences"].as_array().unwrap();
    let counted = |kind: &str, location: &str| {
        let found: Vec<_> = divergences.iter().filter(|d| d["kind"] == kind && d["location"] == location).collect();
        assert_eq!(found.len(), 1, "{kind} {location}: {divergences:#?}");
        found[0]["counted"].as_u64().unwrap()
    };
    assert_eq!(counted("json.type", "json:$.price"), price);
    assert_eq!(counted("json.extra", "json:$.extra"), extra);
    assert_eq!(counted("status.class", "status"), status);
    let totals = &report["totals"];
    assert_eq!(totals["divergent"].as_u64(), Some(price + extra + status));
    assert_eq!(totals["compared"], 500);
    assert_eq!(totals["excused_reasons"]["representation"], totals["excused"]);
    assert_eq!(totals["excused"], 240, "every even one that is not divergent");
    assert_eq!(report["routes"][0]["route"], "GET /items/{id}");
    assert_eq!(report["routes"][0]["latency"]["primary"]["count"], 500);
    assert_eq!(report["routes"][0]["latency"]["candidate"]["count"], 500);
}

#[test]
fn clients_that_go_away_are_counted() {
    let primary = Upstream::raw(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbeginning");
        // Until the proxy lets go.
        let mut byte = [0];
        let _ = std::io::Read::read(stream, &mut byte);
        false
    });
    let candidate = Upstream::json("{}");
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let mut client = proxy.connect();
    client.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut begun = [0; 20];
    std::io::Read::read_exact(&mut client.stream, &mut begun).unwrap();
    drop(client);
    let report = proxy.settled(1);
    assert_eq!(report["totals"]["incomparable_reasons"]["client_aborted"], 1, "{:#}", report["totals"]);
}

#[test]
fn a_request_body_that_outgrows_the_capture_is_not_held_against_anybody() {
    let primary = Upstream::json("{}");
    let candidate = Upstream::json("{}");
    let proxy = Proxy::between(&primary.url(), &candidate.url())
        .config("[mirror]\nmethods = [\"POST\"]\nmax_body = \"16KiB\"\n")
        .start();
    let body = "x".repeat(200_000);
    let reply =
        proxy.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\nConnection: close\r\n\r\n{body}"));
    assert_eq!(reply.status, 200);
    assert_eq!(primary.seen()[0].body.len(), 200_000);
    assert_eq!(proxy.settled(1)["totals"]["incomparable_reasons"]["capture_lost"], 1);
}

#[test]
fn builds_have_their_epochs() {
    let primary = Upstream::json("{}");
    let candidate = Upstream::answering(|seen| {
        let build = if seen.path().starts_with("/new") { "2" } else { "1" };
        answer("200 OK", &[("X-Build-Id", build), ("Content-Type", "application/json")], b"{}")
    });
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    proxy.get("/old");
    let first = proxy.settled(1);
    assert_eq!(first["epoch"]["candidate_build"], "1", "the first build seen is adopted");
    assert_eq!(first["epoch"]["reason"], "start");
    assert_eq!(first["totals"]["matched"], 1, "the build header is read, never compared");
    proxy.get("/new");
    let second = proxy.settled(1);
    assert_eq!((&second["epoch"]["candidate_build"], &second["epoch"]["reason"]), (&"2".into(), &"build".into()));
    proxy.get("/old");
    proxy.get("/new");
    let third = proxy.settled(2);
    assert_eq!(third["epoch"]["id"], second["epoch"]["id"], "an answer of the old build counts in its own epoch");
    let (status, _) = proxy.post("/api/v1/epoch", &serde_json::json!({"candidate_build": "3"}));
    assert_eq!(status, 200);
    let fourth = proxy.report();
    assert_eq!((&fourth["epoch"]["reason"], &fourth["totals"]["requests"]), (&"manual".into(), &0.into()));
}

#[test]
fn many_clients_at_once_lose_nothing() {
    let primary = Upstream::json("{\"a\":1}");
    let candidate = Upstream::json("{\"a\":1}");
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let address = proxy.listen;
    let clients: Vec<_> = (0..8)
        .map(|c| {
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                for i in 0..250 {
                    client.write(format!("GET /r{}/{i} HTTP/1.1\r\nHost: a\r\n\r\n", c % 3).as_bytes());
                    assert_eq!(client.read_reply().status, 200);
                }
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    let totals = &proxy.settled(2000)["totals"];
    assert_eq!(totals["matched"].as_u64().unwrap() + totals["not_mirrored"]["shed"].as_u64().unwrap(), 2000);
}
