//! Evidence survives: kill -9 loses at most the last second of whole exchanges, and the law holds after it.

use crate::harness::*;
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
