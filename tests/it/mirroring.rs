//! Who is mirrored and who is not, and that each request says why.

use crate::harness::*;
use serde_json::{Value, json};

fn pair() -> (Upstream, Upstream) {
    (Upstream::json("{\"a\":1}"), Upstream::json("{\"a\":1}"))
}

#[test]
fn only_safe_methods_by_default() {
    let (primary, candidate) = pair();
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    for method in ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"] {
        let length = if ["POST", "PUT", "PATCH"].contains(&method) { "Content-Length: 2\r\n" } else { "" };
        let body = if length.is_empty() { "" } else { "{}" };
        let request = format!("{method} /x HTTP/1.1\r\nHost: a\r\n{length}Connection: close\r\n\r\n{body}");
        assert_eq!(proxy.send(&request).status, 200, "{method}");
    }
    let report = proxy.settled(8);
    assert_eq!(report["totals"]["mirrored"], 3);
    assert_eq!(report["totals"]["not_mirrored"]["method"], 5);
    let seen: Vec<String> = candidate.seen().iter().map(|s| s.method().to_owned()).collect();
    assert!(seen.iter().all(|m| ["GET", "HEAD", "OPTIONS"].contains(&m.as_str())), "{seen:?}");
}

#[test]
fn writes_are_mirrored_where_a_route_says_so_with_their_body() {
    let (primary, candidate) = pair();
    let proxy = Proxy::between(&primary.url(), &candidate.url())
        .config("[[route]]\nname = \"orders\"\npath = \"/orders/{id}\"\nmethods = [\"GET\", \"POST\"]\n")
        .start();
    let post = |path: &str| {
        proxy.send(format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nConnection: close\r\n\r\nhello world"
        ))
    };
    assert_eq!(post("/orders/7").status, 200);
    assert_eq!(post("/carts/7").status, 200);
    let report = proxy.settled(2);
    assert_eq!(report["totals"]["mirrored"], 1);
    let seen = candidate.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].body, b"hello world");
    let routes: Vec<&str> = report["routes"].as_array().unwrap().iter().map(|r| r["route"].as_str().unwrap()).collect();
    assert!(routes.contains(&"POST orders") && routes.contains(&"POST /carts/{id}"), "{routes:?}");
}

#[test]
fn configured_routes_stay_apart_however_many_are_side_by_side() {
    let (primary, candidate) = pair();
    let shop = |i: usize| format!("/shops/shop{i}x");
    let config: String = (0..60).map(|i| format!("[[route]]\npath = \"{}\"\n", shop(i))).collect();
    let mut proxy = Proxy::between(&primary.url(), &candidate.url()).config(&config).start();
    // Those that nobody configured are too many to be told apart.
    (0..60).map(shop).chain((0..60).map(|i| format!("/shops/other{i}x"))).for_each(|path| {
        proxy.get(&path);
    });
    let mut expected: Vec<String> = (0..60).map(|i| format!("GET {}", shop(i))).collect();
    expected.push("GET /shops/{id}".into());
    expected.sort();
    let names = |report: &Value| {
        let routes = report["routes"].as_array().unwrap().iter();
        let mut names: Vec<String> = routes.map(|r| r["route"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&proxy.settled(120)), expected);
    let gate = proxy.admin("/api/v1/gate").1;
    let judged = gate["criteria"].as_array().unwrap().iter().filter(|c| c["criterion"] == "divergence");
    let judged: Vec<_> = judged.filter_map(|c| c["route"].as_str()).collect();
    assert!(expected.iter().all(|name| judged.contains(&name.as_str())), "{judged:?}");

    // Whoever reads the folder afterwards is told the same.
    proxy.signal("-TERM");
    proxy.wait();
    let data = proxy.folder.join("data");
    let kept = parallax(&["report", "--data", data.to_str().unwrap(), "--format", "json"]);
    assert_eq!(names(&serde_json::from_slice(&kept.stdout).unwrap()), expected);
}

#[test]
fn the_kill_switch_works_at_once_and_survives_a_restart() {
    let (primary, candidate) = pair();
    let folder = tempfile::tempdir().unwrap();
    let mut proxy = Proxy::between(&primary.url(), &candidate.url()).folder(folder.path()).start();
    proxy.get("/1");
    assert_eq!(proxy.admin("/api/v1/mirror").1["enabled"], true);
    assert_eq!(proxy.post("/api/v1/mirror", &json!({"enabled": false})).0, 200);
    proxy.get("/2");
    assert_eq!(proxy.settled(2)["totals"]["not_mirrored"]["disabled"], 1);
    proxy.signal("-TERM");
    assert_eq!(proxy.wait(), Some(0));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).folder(folder.path()).start();
    proxy.get("/3");
    assert_eq!(proxy.settled(3)["totals"]["not_mirrored"]["disabled"], 2, "it stays off until switched on");
    proxy.post("/api/v1/mirror", &json!({"enabled": true}));
    proxy.get("/4");
    assert_eq!(proxy.settled(4)["totals"]["mirrored"], 2);
}

#[test]
fn the_switch_is_kept_as_it_holds_whoever_else_throws_it() {
    let (primary, candidate) = (Upstream::json("{}"), Upstream::json("{}"));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    for round in 0..150 {
        let together = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for caller in 0..8 {
                let (proxy, together) = (&proxy, &together);
                scope.spawn(move || {
                    together.wait();
                    assert_eq!(proxy.post("/api/v1/mirror", &json!({"enabled": caller % 2 == 0})).0, 200);
                });
            }
        });
        let holds = proxy.admin("/api/v1/mirror").1["enabled"].clone();
        assert_eq!(proxy.report()["proxy"]["mirroring"], holds, "round {round}");
    }
}

#[test]
fn a_marked_request_is_served_and_not_mirrored_again() {
    let (primary, candidate) = pair();
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let reply = proxy.send("GET / HTTP/1.1\r\nHost: a\r\nX-Parallax-Leg: candidate\r\nConnection: close\r\n\r\n");
    assert_eq!(reply.status, 200);
    assert_eq!(proxy.settled(1)["totals"]["not_mirrored"]["loop"], 1);
    assert!(candidate.seen().is_empty());
}

#[test]
fn a_sample_of_callers_is_always_the_same_callers() {
    let (primary, candidate) = pair();
    let proxy = Proxy::between(&primary.url(), &candidate.url())
        .config("[mirror]\nsample = \"30%\"\nsample_by = \"header:x-user\"\n")
        .start();
    for round in 0..2 {
        for user in 0..60 {
            proxy.send(format!("GET /{round} HTTP/1.1\r\nHost: a\r\nX-User: u{user}\r\nConnection: close\r\n\r\n"));
        }
    }
    let report = proxy.settled(120);
    let mirrored = report["totals"]["mirrored"].as_u64().unwrap();
    assert_eq!(mirrored + report["totals"]["not_mirrored"]["sampled_out"].as_u64().unwrap(), 120);
    let users = |path: &str| {
        let mut users: Vec<String> = candidate
            .seen()
            .iter()
            .filter(|s| s.path() == path)
            .map(|s| s.header("x-user").unwrap().to_owned())
            .collect();
        users.sort();
        users
    };
    assert_eq!(users("/0"), users("/1"));
    assert!((5..40).contains(&users("/0").len()), "{mirrored}");
}

#[test]
fn rate_and_permits_have_their_buckets() {
    let (primary, candidate) = pair();
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config("[mirror]\nmax_rate = 1\n").start();
    for _ in 0..20 {
        proxy.get("/");
    }
    let limited = proxy.settled(20)["totals"]["not_mirrored"]["rate_limited"].as_u64().unwrap();
    assert!(limited >= 15, "{limited}");

    let stalled = Upstream::stalled();
    let proxy = Proxy::between(&primary.url(), &stalled.url())
        .config("[mirror]\nmax_in_flight = 3\ntimeout = \"400ms\"\n")
        .start();
    for _ in 0..10 {
        assert_eq!(proxy.get("/").status, 200);
    }
    let report = proxy.settled(10);
    assert!(report["totals"]["not_mirrored"]["shed"].as_u64().unwrap() >= 5, "{report:#}");
    assert_eq!(report["divergences"][0]["kind"], "transport.timeout");
    let summary = report["divergences"][0]["summary"].as_str().unwrap();
    assert!(summary.contains("gave no answer within 400 ms"), "{summary}");
}

#[test]
fn conditions_are_withheld_from_mirror_legs() {
    let primary = Upstream::answering(|seen| match seen.header("if-none-match") {
        Some(_) => b"HTTP/1.1 304 Not Modified\r\nETag: \"old\"\r\n\r\n".to_vec(),
        None => json(200, "{}"),
    });
    let candidate = Upstream::json("{}");
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let mut client = proxy.connect();
    client.write(b"GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"old\"\r\nConnection: close\r\n\r\n");
    assert_eq!(client.read_reply().status, 304);
    let report = proxy.settled(1);
    assert_eq!(report["totals"]["incomparable_reasons"]["conditional"], 1);
    assert_eq!(candidate.seen()[0].header("if-none-match"), None);
}

#[test]
fn every_leg_is_asked_the_same() {
    let (primary, candidate) = pair();
    let control = Upstream::json("{\"a\":1}");
    let proxy = Proxy::between(&primary.url(), &candidate.url())
        .args(&["--control", &control.url()])
        .config("[mirror]\nset_headers = { x-shadow = \"1\" }\nremove_headers = [\"x-secret\"]\n")
        .start();
    let same = [
        "Accept-Encoding: gzip, br;q=0.5",
        "X-Request-Id: r-1",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "X-Forwarded-For: 10.0.0.9",
        "X-Forwarded-Proto: https",
        "Cookie: sid=1; b=2",
        "Authorization: Bearer t",
        "Accept-Language: de",
    ];
    let conditions = ["If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT", "If-None-Match: \"old\"", "X-Secret: s"];
    let head = [&same[..], &conditions[..]].concat().join("\r\n");
    proxy.send(format!("GET /x?q=1 HTTP/1.1\r\nHost: shop.example\r\n{head}\r\nConnection: close\r\n\r\n"));
    proxy.settled(1);
    let fields = |leg: &Upstream| {
        let seen = leg.seen().remove(0);
        let mut fields: Vec<(String, String)> =
            seen.headers.iter().map(|(n, v)| (n.to_ascii_lowercase(), v.clone())).collect();
        fields.sort();
        (seen.line, fields)
    };
    let (line, of_primary) = fields(&primary);
    for name in ["host", "x-forwarded-host"] {
        assert!(of_primary.contains(&(name.into(), "shop.example".into())), "{of_primary:?}");
    }
    assert!(of_primary.contains(&("x-forwarded-for".into(), "10.0.0.9, 127.0.0.1".into())), "{of_primary:?}");
    let withheld = ["if-modified-since", "if-none-match", "x-secret"];
    for (leg, name) in [(&candidate, "candidate"), (&control, "control")] {
        let mut expected = of_primary.clone();
        expected.retain(|(n, _)| !withheld.contains(&n.as_str()));
        expected.extend([("x-parallax-leg".to_owned(), name.to_owned()), ("x-shadow".to_owned(), "1".to_owned())]);
        expected.sort();
        assert_eq!(fields(leg), (line.clone(), expected), "{name}");
    }
}

#[test]
fn a_candidate_that_is_asked_wrongly_is_told_from_one_that_is_wrong() {
    let (primary, _) = pair();
    let candidate = Upstream::answering(|seen| match seen.path().starts_with("/gone") {
        true => json(404, "{}"),
        false => json(401, "{}"),
    });
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    let mut client = proxy.connect();
    for path in ["/gone", "/login"] {
        for _ in 0..20 {
            client.write(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
            assert_eq!(client.read_reply().status, 200);
        }
    }
    let report = proxy.settled(40);
    let told = |code: &str| {
        let notice = report["notices"].as_array().unwrap().iter().find(|n| n["code"] == code).unwrap().clone();
        (notice["message"].as_str().unwrap().to_owned(), notice["hint"].as_str().unwrap().to_owned())
    };
    let (message, hint) = told("candidate_not_found");
    assert_eq!(
        message,
        "the candidate answers 404 to 100 % of 20 requests to GET /gone that the primary answers with 200"
    );
    assert!(hint.contains("candidate.preserve_host"), "{hint}");
    assert!(told("candidate_unauthorized").0.contains("401 to 100 % of 20 requests to GET /login"));
}
