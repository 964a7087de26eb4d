//! Evidence survives: kill -9 loses at most the last second of whole exchanges, and the law holds after it.

use crate::harness::*;
use std::path::Path;
use std::time::Duration;

#[test]
fn kill_nine_loses_at_most_the_last_second() {
    let primary = Upstream::json("{\"a\":1}");
    let candidate =
        Upstream::answering(|seen| json(200, if seen.path() == "/odd" { "{\"a\":2}" } else { "{\"a\":1}" }));
    let folder = tempfile::tempdir().unwrap();
    let mut proxy = Proxy::between(&primary.url(), &candidate.url()).folder(folder.path()).start();
    let mut client = proxy.connect();
    for i in 0..200 {
        let path = if i % 10 == 0 { "/odd" } else { "/even" };
        client.write(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        assert_eq!(client.read_reply().status, 200);
    }
    proxy.settled(200);
    // More than the second that may be lost.
    std::thread::sleep(Duration::from_millis(1_500));
    proxy.signal("-KILL");
    proxy.wait();

    let data = folder.path().join("data");
    let output = parallax(&["report", "--data", data.to_str().unwrap(), "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    law(&report);
    assert_eq!(report["totals"]["requests"], 200);
    assert_eq!(report["totals"]["divergent"], 20);

    // And it goes on with the same epoch.
    let proxy = Proxy::between(&primary.url(), &candidate.url()).folder(folder.path()).start();
    proxy.get("/odd");
    let after = proxy.settled(201);
    assert_eq!(after["epoch"]["id"], report["epoch"]["id"]);
    assert_eq!(after["totals"]["divergent"], 21);
    let fingerprint = after["divergences"][0]["fingerprint"].as_str().unwrap();
    let (status, detail) = proxy.admin(&format!("/api/v1/divergences/{fingerprint}"));
    assert_eq!((status, detail["count"].as_u64()), (200, Some(21)));
    assert!(!detail["examples"].as_array().unwrap().is_empty());
}

#[test]
fn foreign_and_damaged_files_are_left_alone() {
    let primary = Upstream::json("{}");
    for content in [&b"not ours at all"[..], &[0xff; 20_000]] {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let file = data.join("evidence.redb");
        std::fs::write(&file, content).unwrap();
        for command in ["report", "serve"] {
            let mut args = vec![command, "--data", data.to_str().unwrap()];
            let (url, other) = (primary.url(), nobody());
            if command == "serve" {
                args.extend([
                    "--primary",
                    &url,
                    "--candidate",
                    &other,
                    "--listen",
                    "127.0.0.1:0",
                    "--admin",
                    "127.0.0.1:0",
                ]);
            }
            let output = parallax(&args);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{command}: {said}");
            assert!(said.contains("evidence.redb") && said.contains("untouched"), "{command}: {said}");
        }
        assert_eq!(std::fs::read(&file).unwrap(), content);
    }
}

#[test]
fn a_folder_that_is_not_there_is_not_made_by_reading() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nothing");
    for args in [&["report"][..], &["gate"], &["status"]] {
        let output = parallax(&[args, &["--data", missing.to_str().unwrap()]].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(!missing.exists());
    }
}

/// The routes that `report --data` tells, and what it says where it cannot.
fn told(data: &Path, token: &str) -> Result<Vec<String>, String> {
    let mut report = command();
    report.args(["report", "--format", "json", "--data", data.to_str().unwrap()]).env("PARALLAX_TOKEN", token);
    let output = report.output().unwrap();
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    match output.status.code() {
        Some(0) => {
            let routes = found["routes"].as_array().unwrap().iter();
            Ok(routes.map(|route| route["route"].as_str().unwrap().to_owned()).collect())
        }
        code => {
            assert_eq!(code, Some(2));
            Err(text(&output.stderr))
        }
    }
}

#[test]
fn a_folder_never_speaks_for_somebody_else() {
    let (primary, candidate) = (Upstream::json("{}"), Upstream::json("{}"));
    let start = || Proxy::between(&primary.url(), &candidate.url());
    let other = start().start();
    other.get("/theirs");
    other.settled(1);
    let folder = tempfile::tempdir().unwrap();
    let mut proxy = start().folder(folder.path()).start();
    proxy.get("/ours");
    proxy.settled(1);
    // What was counted until then is on disk when that returns.
    assert_eq!(proxy.post("/api/v1/mirror", &serde_json::json!({ "enabled": true })).0, 200);
    let data = folder.path().join("data");
    let who = data.join("proxy.json");
    let announced = || serde_json::from_slice::<serde_json::Value>(&std::fs::read(&who).unwrap()).unwrap();
    let elsewhere = |admin: String| {
        let mut left = announced();
        left["admin"] = admin.into();
        std::fs::write(&who, left.to_string()).unwrap();
    };
    let ours = Ok(vec!["GET /ours".to_owned()]);
    let stranger = Upstream::json("{}");
    let others = [format!("http://{}", other.admin), stranger.url(), nobody()];

    // Killed, and others have its address.
    proxy.signal("-KILL");
    proxy.wait();
    for other in &others {
        elsewhere(other.clone());
        assert_eq!(told(&data, "s3cret"), ours);
    }
    assert!(stranger.wire().is_empty());

    // It holds the folder, and its address is that of others here.
    let proxy = start().folder(folder.path()).start();
    assert_eq!(told(&data, "s3cret"), ours);
    for other in &others {
        elsewhere(other.clone());
        let said = told(&data, "s3cret").unwrap_err();
        assert!(said.contains("cannot be reached from here") && said.contains("--admin URL"), "{said}");
    }
    assert_eq!(stranger.seen().len(), 1);
    assert!(!text(&stranger.wire()).contains("s3cret"), "a stranger was told the token");

    // Older versions did not say how to tell them from others.
    let mut older = announced();
    older["admin"] = format!("http://{}", proxy.admin).into();
    older.as_object_mut().unwrap().remove("instance");
    std::fs::write(&who, older.to_string()).unwrap();
    assert_eq!(told(&data, "s3cret"), ours);
    // One that says nothing at all.
    std::fs::remove_file(&who).unwrap();
    let said = told(&data, "s3cret").unwrap_err();
    assert!(said.contains("does not say where") && said.contains("--admin URL"), "{said}");
}
