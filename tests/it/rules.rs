//! Rules proposed for what is volatile, and rules tried on what was stored.

use crate::harness::*;
use serde_json::Value;
use std::path::Path;

/// Chance that is the same in every run.
fn chance(leg: u64, request: u64, what: u64) -> u64 {
    let mut x = leg.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ request.wrapping_mul(0xc2b2_ae3d_27d4_eb4f) ^ (what << 56);
    for _ in 0..3 {
        x = (x ^ (x >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    x ^ (x >> 29)
}

/// What a leg of the service answers: ids, clocks, a set without an order, a float that jitters, and what is the same.
fn noisy(leg: u64, path: &str) -> Value {
    let request: u64 = path.rsplit('/').next().unwrap().parse().unwrap();
    let c = |what| chance(leg, request, what);
    let mut tags = ["red", "green", "blue", "white", "black", "grey"];
    for i in 1..tags.len() {
        tags.swap(i, c(10 + i as u64) as usize % (i + 1));
    }
    let (hour, minute, second) = (request / 3_600, request / 60 % 60, request % 60);
    serde_json::json!({
        "id": format!("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", c(1) as u32, c(2) as u16, c(3) & 0xfff, c(4) & 0xfff, c(5) >> 16),
        "at": format!("2026-01-01T{hour:02}:{minute:02}:{second:02}.{:03}Z", c(6) % 40),
        "ts": 1_767_225_600 + request + c(7) % 2,
        "tags": tags,
        "score": 0.73 * (1.0 + 1e-10 * (c(8) % 1_000) as f64 / 1_000.0),
        "name": format!("thing {request}"),
        "total": request * 3,
    })
}

fn service(leg: u64) -> Upstream {
    Upstream::answering(move |seen| json(200, &noisy(leg, seen.path()).to_string()))
}

/// As the service, with a total that became a text in every tenth answer and an id that is null in every twentieth.
fn changed(leg: u64) -> Upstream {
    Upstream::answering(move |seen| {
        let mut body = noisy(leg, seen.path());
        let request = body["total"].as_u64().unwrap() / 3;
        if request.is_multiple_of(10) {
            body["total"] = body["total"].to_string().into();
        }
        if request.is_multiple_of(20) {
            body["id"] = Value::Null;
        }
        json(200, &body.to_string())
    })
}

fn ask(proxy: &Proxy, paths: &[&str], requests: std::ops::Range<u64>) {
    let mut client = proxy.connect();
    for path in paths {
        for i in requests.clone() {
            client.write(format!("GET {path}/{i} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
            assert_eq!(client.read_reply().status, 200);
        }
    }
}

fn out(args: &[&str]) -> String {
    let output = parallax(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn stop(mut proxy: Proxy, keep: &Path) -> String {
    proxy.signal("-TERM");
    assert_eq!(proxy.wait(), Some(0));
    let data = keep.join("data");
    assert!(data.exists());
    data.to_str().unwrap().to_owned()
}

/// `on`, `at` and what the rule says, of every rule.
fn read(toml: &str) -> Vec<(String, String, String)> {
    let table: toml::Table = toml::from_str(toml).unwrap_or_else(|e| panic!("{e}: {toml}"));
    let rules = table.get("rule").and_then(|r| r.as_array()).cloned().unwrap_or_default();
    let of = |rule: &toml::Value| {
        let text = |key: &str| rule[key].as_str().unwrap().to_owned();
        assert!(!text("why").is_empty() && !text("id").is_empty());
        let said: Vec<String> = rule
            .as_table()
            .unwrap()
            .iter()
            .filter(|(key, _)| !["id", "why", "on", "at"].contains(&key.as_str()))
            .map(|(key, value)| format!("{key} = {value}"))
            .collect();
        (text("on"), text("at"), said.join(", "))
    };
    rules.iter().map(of).collect()
}

const CAREFUL: [(&str, &str); 5] = [
    ("json:$.at", "tolerance = { time = \"2s\" }"),
    ("json:$.id", "shape = \"uuid\""),
    ("json:$.score", "tolerance = { relative = 1e-9 }"),
    ("json:$.tags", "align = \"set\""),
    ("json:$.ts", "tolerance = { time = \"2s\" }"),
];

#[test]
fn what_a_careful_person_would_write_is_proposed_and_holds() {
    let temp = tempfile::tempdir().unwrap();
    let (primary, candidate, control) = (service(1), changed(2), service(3));
    let proxy = Proxy::between(&primary.url(), &candidate.url())
        .args(&["--control", &control.url()])
        .folder(temp.path())
        .start();
    assert!(text(&proxy.ask(&["rules", "suggest"]).stdout).starts_with("# Nothing to propose"));
    ask(&proxy, &["/things", "/other"], 1..61);
    let report = proxy.settled(120);
    // What was changed, and what the candidate happened to show before the control had shown it.
    let divergent = report["totals"]["divergent"].as_u64().unwrap();
    assert!((12..20).contains(&divergent), "{:#}", report["totals"]);

    let toml = text(&proxy.ask(&["rules", "suggest"]).stdout);
    let rules = read(&toml);
    let found: Vec<(&str, &str)> = rules.iter().map(|(_, at, said)| (&**at, &**said)).collect();
    let normal = |said: &str| said.replace("0.000000001", "1e-9");
    let found: Vec<(&str, String)> = found.into_iter().map(|(at, said)| (at, normal(said))).collect();
    assert_eq!(found, CAREFUL.map(|(at, said)| (at, said.to_owned())), "{toml}");
    assert!(rules.iter().all(|(on, ..)| on == "*"), "both routes alike: {toml}");
    insta::assert_snapshot!(toml);

    let (status, suggestions) = proxy.admin("/api/v1/rules/suggestions");
    assert_eq!((status, suggestions["suggestions"].as_array().unwrap().len()), (200, 5));
    assert_eq!(suggestions["suggestions"][1]["rule"]["shape"], "uuid");
    assert_eq!(suggestions["suggestions"][1]["evidence"]["of"], 120);
    let data = stop(proxy, temp.path());
    assert_eq!(out(&["rules", "suggest", "--data", &data]), toml, "the store knows as much");

    let urls = format!("[primary]\nurl = \"{}\"\n[candidate]\nurl = \"{}\"\n", primary.url(), service(4).url());
    let file = temp.path().join("rules.toml");
    std::fs::write(&file, format!("{urls}{toml}")).unwrap();
    out(&["check", "--config", file.to_str().unwrap()]);

    let clean = service(5);
    let proxy = Proxy::between(&primary.url(), &clean.url()).config(&toml).start();
    ask(&proxy, &["/things"], 1..101);
    let totals = &proxy.settled(100)["totals"];
    assert_eq!((&totals["divergent"], &totals["excused_reasons"]["rule"]), (&0.into(), &100.into()), "{totals:#}");
    let again = text(&proxy.ask(&["rules", "suggest"]).stdout);
    assert!(read(&again).is_empty(), "what rules cover is not proposed again: {again}");
    let changed = changed(6);
    let proxy = Proxy::between(&primary.url(), &changed.url()).config(&toml).start();
    ask(&proxy, &["/things"], 1..101);
    assert_eq!(proxy.settled(100)["totals"]["divergent"], 10, "rules excuse what they say and no more");
}

#[test]
fn without_a_control_only_what_is_new_every_time_is_proposed() {
    let (primary, candidate) = (service(1), changed(2));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).start();
    ask(&proxy, &["/things"], 1..101);
    proxy.settled(100);
    let few = text(&proxy.ask(&["rules", "suggest"]).stdout);
    assert!(few.contains("# Too few exchanges on 1 route") && read(&few).is_empty(), "{few}");
    ask(&proxy, &["/things"], 101..261);
    proxy.settled(260);
    let rules = read(&text(&proxy.ask(&["rules", "suggest"]).stdout));
    let at: Vec<&str> = rules.iter().map(|(_, at, _)| &**at).collect();
    assert!(at.contains(&"json:$.at"), "{at:?}");
    assert!(at.iter().all(|at| ["json:$.at", "json:$.id", "json:$.score"].contains(at)), "{at:?}");
}

#[test]
fn rules_are_tried_on_what_was_stored() {
    let temp = tempfile::tempdir().unwrap();
    let (primary, candidate) = (service(1), changed(2));
    let proxy = Proxy::between(&primary.url(), &candidate.url())
        .config("[store]\nkeep_examples = 60\n")
        .folder(temp.path())
        .start();
    ask(&proxy, &["/things"], 1..41);
    assert_eq!(proxy.settled(40)["totals"]["divergent"], 40);
    let file = temp.path().join("tried.toml");
    let rule = |(at, said): &(&str, &str)| {
        let id = at.trim_start_matches("json:$.");
        format!("[[rule]]\nid = \"{id}\"\nat = \"{at}\"\n{said}\n")
    };
    let idle = "[[rule]]\nid = \"idle\"\nat = \"json:$.nowhere\"\nignore = true\n";
    std::fs::write(&file, CAREFUL.iter().map(rule).collect::<String>() + idle).unwrap();
    let file = file.to_str().unwrap();

    let asked = text(&proxy.ask(&["rules", "test", "--format", "json", "--config", file]).stdout);
    let trial: Value = serde_json::from_str(&asked).unwrap();
    for (key, expect) in [("differed", 40), ("stored", 40), ("replayed", 40), ("excused", 36), ("divergent", 4)] {
        assert_eq!(trial[key], expect, "{key}: {trial:#}");
    }
    let exchanges = |id: &str| {
        let rule = trial["rules"].as_array().unwrap().iter().find(|r| r["id"] == id).unwrap();
        rule["exchanges"].as_u64().unwrap()
    };
    assert_eq!((exchanges("id"), exchanges("idle")), (38, 0), "where it is null no shape fits");
    let remaining: Vec<_> = trial["remaining"].as_array().unwrap().iter().collect();
    assert_eq!(
        (remaining[0]["location"].clone(), remaining[0]["exchanges"].clone()),
        ("json:$.total".into(), 4.into())
    );
    assert_eq!((remaining[1]["location"].clone(), remaining[1]["exchanges"].clone()), ("json:$.id".into(), 2.into()));

    let told = text(&proxy.ask(&["rules", "test", "--config", file]).stdout);
    assert!(told.starts_with("40 of 40 stored exchanges replayed with the rules of "), "{told}");
    assert!(told.contains("id     would excuse 38 of 40 exchanges (95 %)"), "{told}");
    assert!(told.contains("idle   would excuse nothing of this"), "{told}");

    let data = stop(proxy, temp.path());
    assert_eq!(out(&["rules", "test", "--format", "json", "--config", file, "--data", &data]), asked);
}

/// What is redacted in the store was compared when it was there: the same rules come to the same.
#[test]
fn rules_are_tried_on_what_was_redacted() {
    let leg = |leg: u64| {
        Upstream::answering(move |seen| {
            let id = format!("{:08x}-2fa1-41d2-883f-0016d3cca427", chance(leg, 1, 1) as u32);
            let (name, value) = match seen.path() {
                "/cookie" => ("Set-Cookie", format!("sid={id}; Path=/")),
                "/key" => ("X-Key", id),
                _ => ("X-Same", "1".to_owned()),
            };
            let body = match seen.path() {
                "/mail" => format!(r#"{{"mail":"user{leg}@example.com","x":{leg}}}"#),
                "/number" => format!(r#"{{"n":{},"x":{leg}}}"#, 1000 + leg),
                _ => format!(r#"{{"x":{leg}}}"#),
            };
            answer("200 OK", &[("Content-Type", "application/json"), (name, &value)], body.as_bytes())
        })
    };
    let redact = "[redact]\nheaders = [\"x-key\"]\njson = [\"json:$.mail\", \"json:$.n\"]\n";
    let rule = |id: &str, at: &str, says: &str| format!("[[rule]]\nid = \"{id}\"\nat = \"{at}\"\n{says}\n");
    let shapes = rule("mail", "json:$.mail", "shape = \"email\"") + &rule("key", "header:x-key", "shape = \"uuid\"");
    let near = |by: u8| rule("n", "json:$.n", &format!("tolerance = {{ absolute = {by} }}"));
    let x = rule("x", "json:$.x", "ignore = true");
    let temp = tempfile::tempdir().unwrap();
    let (primary, candidate) = (leg(1), leg(2));
    let config = format!("{redact}{shapes}{}", near(10));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(&config).start();
    for path in ["/cookie", "/key", "/mail", "/number"] {
        proxy.get(path);
    }
    assert_eq!(proxy.settled(4)["totals"]["divergent"], 4);

    let tried = |rules: String| -> Value {
        let file = temp.path().join("tried.toml");
        std::fs::write(&file, format!("{redact}{rules}")).unwrap();
        let asked = proxy.ask(&["rules", "test", "--format", "json", "--config", file.to_str().unwrap()]);
        serde_json::from_str(&text(&asked.stdout)).unwrap_or_else(|e| panic!("{e}: {}", text(&asked.stderr)))
    };
    let counts = |trial: &Value| ["excused", "divergent", "untold"].map(|key| trial[key].as_u64().unwrap());
    let all = tried(format!("{shapes}{}{x}", near(10)));
    assert_eq!(counts(&all), [4, 0, 0], "{all:#}");
    let by_rule: Vec<_> = all["rules"].as_array().unwrap().iter().map(|rule| rule["exchanges"].clone()).collect();
    assert_eq!(by_rule, [1, 1, 1, 4], "{all:#}");
    let other = tried(format!("{shapes}{}{x}", near(5)));
    assert_eq!(counts(&other), [3, 0, 1], "how far apart they were is not known: {other:#}");
    assert_eq!(other["rules"][2]["untold"], 1);
    let none = tried(x.clone());
    assert_eq!(counts(&none), [1, 3, 0], "a session of its own is no difference: {none:#}");
}

#[test]
fn what_rules_did_is_told_from_the_store_as_well() {
    let temp = tempfile::tempdir().unwrap();
    let (primary, candidate) = (Upstream::json("{\"t\":1}"), Upstream::json("{\"t\":2}"));
    let rule = |id: &str, at: &str, expires: &str| {
        format!("[[rule]]\nid = \"{id}\"\nat = \"{at}\"\nignore = true\nowner = \"me\"\nexpires = \"{expires}\"\n")
    };
    let rules = rule("wide", "json:$.t", "2999-01-01") + &rule("over", "json:$.x", "2020-01-01");
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(&rules).folder(temp.path()).start();
    ask(&proxy, &["/things"], 1..121);
    let live = proxy.settled(120);
    let of = |report: &Value| {
        let codes = report["notices"].as_array().unwrap().iter().map(|n| n["code"].as_str().unwrap().to_owned());
        let codes: Vec<String> = codes.filter(|code| code.starts_with("rule_")).collect();
        (report["rules"].clone(), codes)
    };
    assert_eq!((live["rules"][0]["hits"].as_u64(), of(&live).1.len()), (Some(120), 2), "{live:#}");
    let data = stop(proxy, temp.path());
    let kept: Value = serde_json::from_str(&out(&["report", "--data", &data, "--format", "json"])).unwrap();
    assert_eq!(of(&kept), of(&live));
}

#[test]
fn what_cannot_be_asked_is_said() {
    let nowhere = nobody();
    for args in [
        vec!["rules", "suggest", "--admin", &nowhere],
        vec!["rules", "suggest", "--data", "/nonexistent/folder"],
        vec!["rules", "test", "--config", "/nonexistent.toml", "--admin", &nowhere],
        vec!["rules", "test"],
        vec!["rules"],
    ] {
        let output = parallax(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stdout));
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{args:?}");
    }
}
