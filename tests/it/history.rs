//! Verdicts over time are kept, and so is what the evidence of an epoch covers: builds, rules, tries.

use crate::harness::*;
use serde_json::{Value, json as value};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A gate that a second of traffic can convince.
const SMALL: &str = r#"
[gate]
criteria = ["divergence", "coverage"]
tolerance = "5%"
min_comparisons = 20
min_duration = "0s"
"#;

fn list<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    value[key].as_array().unwrap_or_else(|| panic!("no {key} in {value:#}"))
}

fn verdicts(history: &Value) -> Vec<&str> {
    list(history, "changes").iter().map(|c| c["verdict"].as_str().unwrap()).collect()
}

/// The points of what is judged of one route.
fn bounds<'a>(history: &'a Value, route: &str) -> &'a Vec<Value> {
    let mut all = list(history, "series").iter();
    let one = all.find(|s| s["criterion"] == "divergence" && s["route"] == route);
    list(one.unwrap_or_else(|| panic!("no {route} in {history:#}")), "points")
}

fn offline(proxy: &Proxy, args: &[&str]) -> String {
    let data = proxy.folder.join("data");
    let output = parallax(&[args, &["--data", data.to_str().unwrap()]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// A client that asks until it is told to stop.
fn ask_until(client: &mut Client, path: &str, stop: &dyn Fn(u64) -> bool) -> u64 {
    let mut asked = 0;
    while !stop(asked) {
        client.write(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        if client.read_reply().status != 200 {
            break;
        }
        asked += 1;
    }
    asked
}

#[test]
fn how_the_bounds_closed_in_survives_a_crash_in_the_middle_of_it() {
    let (primary, candidate) = (Upstream::json("{\"a\":1}"), Upstream::json("{\"a\":1}"));
    let folder = tempfile::tempdir().unwrap();
    let start = || Proxy::between(&primary.url(), &candidate.url()).config(SMALL).folder(folder.path()).start();
    let mut proxy = start();
    let (listen, ended) = (proxy.listen, AtomicBool::new(false));
    let seen = std::thread::scope(|scope| {
        scope.spawn(|| {
            // Slowly at first, so that there is a time before the pass.
            let mut client = Client::connect(listen);
            ask_until(&mut client, "/a/1", &|n| {
                std::thread::sleep(Duration::from_millis(if n < 60 { 15 } else { 1 }));
                ended.load(Ordering::Relaxed)
            });
        });
        let started = Instant::now();
        let seen = loop {
            let report = proxy.report();
            // Until it has passed, and something of it is sure to be on disk.
            let kept = list(&report["history"], "points").len() >= 4;
            if report["gate"]["verdict"] == "pass" && kept && started.elapsed() > Duration::from_secs(3) {
                break report["history"].clone();
            }
            assert!(started.elapsed() < PATIENCE, "{report:#}");
            std::thread::sleep(Duration::from_millis(50));
        };
        // In full flight.
        proxy.signal("-KILL");
        proxy.wait();
        ended.store(true, Ordering::Relaxed);
        seen
    });
    assert_eq!(verdicts(&seen), ["inconclusive", "pass"]);
    assert!(list(&seen, "changes")[0]["why"].as_str().unwrap().contains("comparisons"), "{seen:#}");
    let closing = |history: &Value| {
        let points = bounds(history, "GET /a/{id}").clone();
        let at = |p: &Value| p["at"].as_str().unwrap().to_owned();
        assert!(points.windows(2).all(|w| at(&w[0]) < at(&w[1])), "{points:#?}");
        assert!(points.windows(2).all(|w| w[0]["samples"].as_u64() <= w[1]["samples"].as_u64()), "{points:#?}");
        let upper = |p: &Value| p["upper"].as_f64().unwrap();
        assert!(points.windows(2).all(|w| upper(&w[0]) >= upper(&w[1])), "{points:#?}");
        (upper(&points[0]), upper(&points[points.len() - 1]))
    };
    let (first, last) = closing(&seen);
    assert!(first > 0.05 && last < 0.05, "{first} {last}");

    let report: Value = serde_json::from_str(&offline(&proxy, &["report", "--format", "json"])).unwrap();
    law(&report);
    assert_eq!(verdicts(&report["history"]), ["inconclusive", "pass"]);
    closing(&report["history"]);
    // What was said is of what was counted, and neither was lost but for the last second.
    let compared = |p: &Value| p["compared"].as_u64().unwrap();
    let points = list(&report["history"], "points");
    assert!(points.iter().all(|p| compared(p) <= compared(&report["totals"])), "{report:#}");
    let early = |history: &Value| list(history, "points")[0].clone();
    assert_eq!(early(&report["history"]), early(&seen));
    let said = offline(&proxy, &["report"]);
    assert!(said.contains("HISTORY, bounds after") && said.contains("verdicts  inconclusive after"), "{said}");
    assert!(offline(&proxy, &["report", "--format", "html"]).contains("<figure class=\"chart pass\">"));
    assert!(offline(&proxy, &["report", "--format", "markdown"]).contains("How the bounds closed in"));

    // And it goes on from there.
    let proxy = start();
    let before = compared(&report["totals"]);
    ask_until(&mut proxy.connect(), "/a/1", &|n| n == 50);
    let after = proxy.report_when(|totals| compared(totals) == before + 50);
    assert_eq!(after["epoch"]["id"], report["epoch"]["id"]);
    assert_eq!(list(&after["epoch"], "away").len(), 1, "the time in which it was down: {:#}", after["epoch"]);
    assert_eq!(verdicts(&after["history"]), ["inconclusive", "pass"]);
    assert_eq!(early(&after["history"]), early(&seen));
    closing(&after["history"]);
    let (status, whole) = proxy.admin("/api/v1/history?route=GET%20%2Fa%2F%7Bid%7D");
    assert_eq!((status, verdicts(&whole)), (200, vec!["inconclusive", "pass"]));
    assert!(bounds(&whole, "GET /a/{id}").len() >= 4);
}

#[test]
fn two_builds_that_answer_in_turn_are_counted_and_judged_apart() {
    let primary = Upstream::json("{\"a\":1}");
    let turn = AtomicU64::new(0);
    // The old build is wrong every time, the new one never.
    let candidate = Upstream::answering(move |_| {
        let (build, body) = match turn.fetch_add(1, Ordering::Relaxed) % 2 {
            0 => ("old", "{\"a\":2}"),
            _ => ("new", "{\"a\":1}"),
        };
        answer("200 OK", &[("Content-Type", "application/json"), ("X-Build-Id", build)], body.as_bytes())
    });
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(SMALL).start();
    ask_until(&mut proxy.connect(), "/a", &|n| n == 240);
    let report = proxy.settled(120);
    assert_eq!((&report["epoch"]["candidate_build"], &report["epoch"]["reason"]), (&"new".into(), &"build".into()));
    assert_eq!((&report["totals"]["matched"], &report["totals"]["divergent"]), (&120.into(), &0.into()));
    assert_eq!(proxy.admin("/api/v1/gate").1["verdict"], "pass");
    let [old] = &list(&report, "epochs")[..] else { panic!("{report:#}") };
    assert_eq!((&old["candidate_build"], &old["totals"]["divergent"]), (&"old".into(), &120.into()));
    // The law, for the epoch that is over too.
    law(&value!({ "totals": old["totals"], "routes": [named(&old["totals"])] }));
    assert_eq!(old["verdict"], "inconclusive", "one exchange, when it ended");
    assert_eq!(proxy.admin(&format!("/api/v1/history?epoch={}", old["id"].as_str().unwrap())).0, 200);
    assert_eq!(proxy.admin("/api/v1/history?epoch=99").0, 404);
    let said = text(&proxy.ask(&["report"]).stdout);
    assert!(said.contains("since build new came after old, under rules"), "{said}");
}

fn named(counts: &Value) -> Value {
    let mut route = counts.clone();
    route["route"] = "all".into();
    route
}

#[test]
fn trying_again_by_hand_is_counted_and_told() {
    let (primary, candidate) = (Upstream::json("{\"a\":1}"), Upstream::json("{\"a\":1}"));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(SMALL).start();
    let needed = || {
        let (_, gate) = proxy.admin("/api/v1/gate");
        let row = list(&gate, "criteria").iter().find(|c| c["route"] == "GET /a").cloned().unwrap();
        let told = list(&gate, "notices").iter().any(|n| n["code"] == "resets");
        (row["samples_needed"].as_u64().unwrap(), told)
    };
    for tries in 0..3 {
        ask_until(&mut proxy.connect(), "/a", &|n| n == 30);
        assert_eq!(proxy.settled(30)["epoch"]["resets"], tries);
        let (needed, told) = needed();
        assert_eq!(told, tries > 0);
        assert!([110..115, 120..126, 148..156][tries].contains(&needed), "try {tries} needs {needed}");
        if tries < 2 {
            assert_eq!(proxy.post("/api/v1/epoch", &value!({})).0, 200);
        }
    }
    let report = proxy.report();
    let ended: Vec<_> = list(&report, "epochs").iter().map(|e| (&e["resets"], &e["verdict"])).collect();
    assert_eq!(ended, [(&1.into(), &"inconclusive".into()), (&0.into(), &"inconclusive".into())]);
    let said = text(&proxy.ask(&["report"]).stdout).replace("\n  ", " ");
    assert!(said.contains("the 2nd time that evidence of this build was given up"), "{said}");
    assert!(said.contains("given up by hand twice"), "{said}");
    assert!(proxy.log().contains("an epoch has begun: evidence of this build was given up by hand before"));
}

#[test]
fn rules_made_after_looking_do_not_judge_what_was_seen_before() {
    let primary = Upstream::json("{\"a\":1}");
    let candidate =
        Upstream::answering(|seen| json(200, if seen.path() == "/odd" { "{\"a\":2}" } else { "{\"a\":1}" }));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(SMALL).start();
    for path in ["/odd", "/even"] {
        ask_until(&mut proxy.connect(), path, &|n| n == 20);
    }
    assert_eq!(proxy.settled(40)["totals"]["divergent"], 20);
    let rule = "[[rule]]\nid = \"a\"\non = \"GET /odd\"\nat = \"json:$.a\"\nignore = true\n";
    std::fs::write(proxy.folder.join("parallax.toml"), format!("{SMALL}{rule}")).unwrap();
    proxy.signal("-HUP");
    // Nothing of the route is left, and nothing of it was excused after the fact.
    let report = proxy.report_when(|totals| totals["divergent"] == 0);
    assert_eq!((&report["totals"]["excused"], &report["totals"]["compared"]), (&0.into(), &20.into()));
    ask_until(&mut proxy.connect(), "/odd", &|n| n == 20);
    let report = proxy.report_when(|totals| totals["excused"] == 20);
    assert_eq!(report["epoch"]["id"], "1");
    let restarts: Vec<_> = list(&report, "routes").iter().map(|r| (&r["route"], &r["restarts"])).collect();
    assert_eq!(restarts, [(&"GET /even".into(), &0.into()), (&"GET /odd".into(), &1.into())]);
    let said = text(&proxy.ask(&["report"]).stdout).replace("\n  ", " ");
    assert!(said.contains("1 route began afresh within it because the rules changed: GET /odd"), "{said}");
}

#[test]
fn evidence_that_other_rules_leave_behind_is_told_at_the_start() {
    let (primary, candidate) = (Upstream::json("{}"), Upstream::json("{}"));
    let folder = tempfile::tempdir().unwrap();
    let told = |rules: &str| {
        let mut proxy = Proxy::between(&primary.url(), &candidate.url()).config(rules).folder(folder.path()).start();
        proxy.get("/a");
        let report = proxy.report_when(|totals| totals["pending"] == 0);
        proxy.signal("-TERM");
        proxy.wait();
        (report["epoch"]["id"].as_str().unwrap().to_owned(), proxy.log().contains("an epoch has begun: the rules"))
    };
    let rule = "[[rule]]\nid = \"a\"\nat = \"json:$.a\"\nignore = true\n";
    for (rules, epoch, said) in [("", "1", false), ("", "1", false), (rule, "2", true), (rule, "2", false)] {
        assert_eq!(told(rules), (epoch.to_owned(), said));
    }
}

#[test]
fn a_restart_with_the_same_label_leaves_what_came_since() {
    let (primary, candidate) = (Upstream::json("{}"), Upstream::json("{}"));
    let folder = tempfile::tempdir().unwrap();
    let run = |label: &str, begin: Option<&str>| {
        let args = ["--candidate-build", label];
        let mut proxy = Proxy::between(&primary.url(), &candidate.url()).args(&args).folder(folder.path()).start();
        proxy.get("/a");
        if let Some(label) = begin {
            let (status, epoch) = proxy.post("/api/v1/epoch", &serde_json::json!({ "candidate_build": label }));
            assert_eq!(status, 200, "{epoch}");
        }
        let epoch = proxy.report()["epoch"].clone();
        proxy.signal("-KILL");
        proxy.wait();
        ["id", "candidate_build"].map(|key| epoch[key].as_str().unwrap().to_owned())
    };
    assert_eq!(run("v1", Some("v2")), ["2", "v2"]);
    assert_eq!(run("v1", None), ["2", "v2"]);
    assert_eq!(run("v3", None), ["3", "v3"]);
}
