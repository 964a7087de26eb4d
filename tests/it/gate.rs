//! The gate with every criterion it has by default, through the running proxy; only lengths and limits are small.

use crate::harness::*;
use serde_json::Value;
use std::time::{Duration, Instant};

/// What a day shows, in some seconds.
const SMALL: &str = r#"
[gate]
tolerance = "5%"
errors = "5%"
unseen = "5%"
min_comparisons = 50
min_duration = "1s"
warm_up = "200ms"
warm_up_pairs = 20
latency = { slack = "25ms", block = "100ms", min_blocks = 12 }
"#;

/// Sends requests until the gate decides, at most so long.
pub(crate) fn decided(proxy: &Proxy) -> Value {
    let started = Instant::now();
    let mut client = proxy.connect();
    loop {
        for _ in 0..10 {
            client.write(b"GET /things/7 HTTP/1.1\r\nHost: a\r\n\r\n");
            client.read_reply();
        }
        let gate = proxy.admin("/api/v1/gate").1;
        if gate["verdict"] != "inconclusive" || started.elapsed() > PATIENCE {
            return gate;
        }
    }
}

pub(crate) fn rows<'a>(gate: &'a Value, criterion: &str) -> Vec<&'a Value> {
    gate["criteria"].as_array().unwrap().iter().filter(|c| c["criterion"] == criterion).collect()
}

#[test]
fn every_default_criterion_can_pass() {
    let (primary, candidate) = (Upstream::json("{\"a\":1}"), Upstream::json("{\"a\":1}"));
    let mut proxy = Proxy::between(&primary.url(), &candidate.url()).config(SMALL).start();
    let gate = decided(&proxy);
    assert_eq!(gate["verdict"], "pass", "{gate:#}");
    for criterion in ["divergence", "errors", "latency", "coverage", "unseen", "unjudged", "minimum"] {
        let rows = rows(&gate, criterion);
        assert!(rows.iter().any(|c| c["required"] == true && c["verdict"] == "pass"), "{criterion}: {gate:#}");
    }
    let latency = rows(&gate, "latency")[0];
    assert!(latency["samples"].as_u64().unwrap() >= 12 && latency["route"] == "GET /things/{id}", "{latency}");
    assert!(rows(&gate, "unseen")[0]["route"].is_null());

    // It is the same from the folder, and other limits do not judge what was counted by these.
    proxy.signal("-TERM");
    proxy.wait();
    let data = proxy.folder.join("data");
    let data = data.to_str().unwrap();
    let kept = parallax(&["gate", "--data", data]);
    assert_eq!(kept.status.code(), Some(0), "{}{}", text(&kept.stdout), text(&kept.stderr));
    assert!(text(&kept.stdout).contains("no proxy is running: this is what was kept until"), "{}", text(&kept.stdout));
    let other = proxy.folder.join("other.toml");
    std::fs::write(&other, SMALL.replace("slack = \"25ms\"", "slack = \"1ms\"")).unwrap();
    let other = parallax(&["gate", "--data", data, "--config", other.to_str().unwrap()]);
    assert_eq!(other.status.code(), Some(3), "{}", text(&other.stderr));
    assert!(text(&other.stdout).contains("counted by other settings"), "{}", text(&other.stdout));
    assert!(!text(&other.stdout).contains("about"), "no time is foreseen where nothing runs: {}", text(&other.stdout));
}

#[test]
fn a_slow_candidate_fails_on_latency() {
    let primary = Upstream::json("{\"a\":1}");
    let candidate = Upstream::answering(|_| {
        std::thread::sleep(Duration::from_millis(80));
        json(200, "{\"a\":1}")
    });
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(SMALL).start();
    let gate = decided(&proxy);
    assert_eq!(gate["verdict"], "fail", "{gate:#}");
    let latency = rows(&gate, "latency")[0];
    assert_eq!(latency["verdict"], "fail", "{gate:#}");
    assert!(latency["reason"].as_str().unwrap().contains("longer than 1.1x the primary plus 25 ms"), "{latency}");
    assert!(rows(&gate, "divergence").iter().all(|c| c["verdict"] != "fail"));
    let told = proxy.ask(&["gate"]);
    assert_eq!(told.status.code(), Some(1));
    assert!(text(&told.stdout).contains("✖ latency"), "{}", text(&told.stdout));
}
