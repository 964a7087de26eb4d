//! The commands: what they print where, and what they exit with.

use crate::harness::*;
use serde_json::Value;

const QUICK: &str = "[gate]\ncriteria = [\"divergence\", \"unjudged\", \"minimum\"]\ntolerance = \"5%\"\nmin_duration = \"0s\"\nmin_comparisons = 20\n";

fn run(candidate: &str, requests: usize, config: &str) -> (Proxy, Upstream, Upstream) {
    let (primary, candidate) = (Upstream::json("{\"a\":1}"), Upstream::json(candidate));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(config).start();
    let mut client = proxy.connect();
    for _ in 0..requests {
        client.write(b"GET /things/7 HTTP/1.1\r\nHost: a\r\n\r\n");
        client.read_reply();
    }
    proxy.settled(requests as u64);
    (proxy, primary, candidate)
}

#[test]
fn gate_tells_by_its_exit_code() {
    let (proxy, ..) = run("{\"a\":1}", 200, QUICK);
    let pass = proxy.ask(&["gate"]);
    assert_eq!(pass.status.code(), Some(0), "{}{}", text(&pass.stdout), text(&pass.stderr));
    assert!(text(&pass.stdout).starts_with("✔ PASS"), "{}", text(&pass.stdout));
    let other = proxy.ask(&["gate", "--candidate-build", "next", "--format", "json"]);
    assert_eq!(other.status.code(), Some(3));
    assert!(text(&other.stdout).contains("other build"));
    for command in ["gate", "serve"] {
        let unset = parallax(&[command, "--candidate-build", ""]);
        assert_eq!(unset.status.code(), Some(2));
        assert!(text(&unset.stderr).contains("it is empty"), "{}", text(&unset.stderr));
    }
    assert_eq!(proxy.admin("/api/v1/gate?as=status").0, 200);
    assert_eq!(proxy.admin("/api/v1/gate?as=rollback").0, 409);

    let (proxy, ..) = run("{\"a\":2}", 200, QUICK);
    let fail = proxy.ask(&["gate", "--wait", "20s"]);
    assert_eq!(fail.status.code(), Some(1), "{}", text(&fail.stdout));
    assert!(text(&fail.stdout).starts_with("✖ FAIL"));
    assert_eq!(proxy.admin("/api/v1/gate?as=status").0, 409);
    assert_eq!(proxy.admin("/api/v1/gate?as=rollback").0, 200);

    let (proxy, ..) = run("{\"a\":1}", 0, QUICK);
    let none = proxy.ask(&["gate", "--wait", "1s"]);
    assert_eq!(none.status.code(), Some(3), "no evidence is no pass: {}", text(&none.stdout));
    assert_eq!(proxy.admin("/api/v1/gate?as=status").0, 425);
}

#[test]
fn a_configuration_that_the_gate_is_told_is_never_left_aside() {
    let (mut proxy, ..) = run("{\"a\":2}", 200, QUICK);
    let lenient = proxy.folder.join("lenient.toml");
    std::fs::write(&lenient, QUICK.replace("[\"divergence\", \"unjudged\", \"minimum\"]", "[\"minimum\"]")).unwrap();
    let (lenient, data) = (lenient.to_str().unwrap().to_owned(), proxy.folder.join("data"));
    let by_folder = ["gate", "--data", data.to_str().unwrap()];
    let refused = |output: std::process::Output, why: &str| {
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
        let said = text(&output.stderr);
        assert!(said.contains(why) && said.contains("its own gate settings"), "{said}");
        assert!(output.stdout.is_empty());
    };
    refused(parallax(&[&by_folder[..], &["--config", &lenient]].concat()), "holds ");
    refused(parallax(&[&by_folder[..], &["--config", &lenient, "--wait", "10s"]].concat()), "holds ");
    refused(proxy.ask(&["gate", "--config", &lenient]), "the proxy at ");
    refused(proxy.ask(&["gate", "--config", "/nowhere/x.toml"]), "the proxy at ");
    // What is in the environment serves other commands too.
    let admin = format!("http://{}", proxy.admin);
    for source in [&by_folder[1..], &["--admin", &admin]] {
        let output = command().arg("gate").args(source).env("PARALLAX_CONFIG", &lenient).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    }

    proxy.signal("-TERM");
    proxy.wait();
    assert_eq!(parallax(&by_folder).status.code(), Some(1));
    assert_eq!(parallax(&[&by_folder[..], &["--config", &lenient]].concat()).status.code(), Some(0));
}

#[test]
fn flags_beat_the_environment_and_nothing_is_not_set() {
    let (mut proxy, ..) = run("{\"a\":2}", 50, QUICK);
    proxy.signal("-TERM");
    proxy.wait();
    let data = proxy.folder.join("data");
    let (data, admin) = (data.to_str().unwrap(), nobody());
    let config = proxy.folder.join("rules.toml");
    std::fs::write(&config, QUICK).unwrap();
    let with = |admin: &str, config: &str, args: &[&str]| {
        let mut command = command();
        command.current_dir(&proxy.folder).env("PARALLAX_ADMIN", admin).env("PARALLAX_CONFIG", config).args(args);
        command.output().unwrap()
    };
    let (quick, set) = (config.to_str().unwrap(), admin.as_str());
    for (args, code) in [
        (&["report"][..], 0),
        (&["gate"], 1),
        (&["rules", "suggest"], 0),
        (&["rules", "test", "--config", quick], 0),
        (&["forecast"], 0),
    ] {
        let args = [args, &["--data", data]].concat();
        for (admin, config) in [(set, quick), ("", "")] {
            let output = with(admin, config, &args);
            assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output.stderr));
        }
    }
    let status = text(&with(set, "", &["status", "--data", data]).stderr);
    assert!(status.contains("no proxy runs on "), "{status}");
    let both = text(&with(set, "", &["report", "--admin", set, "--data", data]).stderr);
    assert!(both.contains("'--admin <URL>' cannot be used with '--data <DIR>'"), "{both}");

    // The environment is asked where nothing else is said, and an empty one is none.
    let asked = text(&with(set, "", &["report"]).stderr);
    assert!(asked.contains(&format!("no proxy answers at {set}")), "{asked}");
    let unset = text(&with("", "", &["check"]).stderr);
    assert!(unset.contains("required arguments") && unset.contains("--config"), "{unset}");
    let empty = text(&with("", "", &["report", "--admin", ""]).stderr);
    assert!(empty.contains("is not the URL"), "{empty}");

    let told = with(set, "", &["forecast", "--rate", "10"]);
    assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
    assert_eq!(with(set, "", &["forecast", "--rate", "10", "--admin", set]).status.code(), Some(2));
}

/// Only Linux has a file that is always full.
#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let (proxy, ..) = run("{\"a\":1}", 200, QUICK);
    let admin = format!("http://{}", proxy.admin);
    for args in [
        &["--help"][..],
        &["check", "--defaults"],
        &["check", "--schema"],
        &["manpage"],
        &["completions", "bash"],
        &["forecast", "--rate", "10"],
        &["report", "--admin", &admin],
        &["gate", "--admin", &admin],
        &["gate", "--admin", &admin, "--format", "json"],
        &["status", "--admin", &admin],
        &["rules", "suggest", "--admin", &admin],
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command().args(args).stdout(full).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains("cannot write to standard output: No space left"), "{args:?}: {said}");
    }
    // A reader that has gone away has had enough.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command().args(["check", "--defaults"]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn gate_formats() {
    let (proxy, ..) = run("{\"a\":2}", 200, QUICK);
    let out = |format: &str| text(&proxy.ask(&["gate", "--format", format]).stdout);
    serde_json::from_str::<Value>(&out("json")).unwrap();
    assert!(out("junit").contains("<failure"));
    assert!(out("github").starts_with("::error"));
    assert!(out("markdown").contains('|'));
}

#[test]
fn report_formats_and_output() {
    let (proxy, ..) = run("{\"a\":2}", 50, QUICK);
    let text_report = text(&proxy.ask(&["report"]).stdout);
    assert!(text_report.contains("GET /things/{id}") && text_report.contains("json:$.a"), "{text_report}");
    assert!(!text_report.contains('\u{1b}'), "no colour where there is no terminal");
    let file = proxy.folder.join("report.html");
    let html = proxy.ask(&["report", "--format", "html", "--output", file.to_str().unwrap()]);
    assert_eq!(html.status.code(), Some(0), "{}", text(&html.stderr));
    assert!(html.stdout.is_empty());
    assert!(std::fs::read_to_string(&file).unwrap().contains("json:$.a"));
    assert!(text(&proxy.ask(&["report", "--format", "markdown"]).stdout).contains("<details>"));
    let bad = proxy.ask(&["report", "--output", "/nowhere/at/all.html"]);
    assert_eq!(bad.status.code(), Some(2));
}

#[test]
fn asking_nobody_is_an_error_with_a_remedy() {
    for command in ["report", "gate", "status"] {
        let output = parallax(&[command, "--admin", &nobody()]);
        assert_eq!(output.status.code(), Some(2), "{command}");
        assert!(text(&output.stderr).contains("--admin"), "{}", text(&output.stderr));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn status_is_a_health_check() {
    let (proxy, ..) = run("{\"a\":1}", 1, "");
    let status = proxy.ask(&["status"]);
    assert_eq!(status.status.code(), Some(0), "{}", text(&status.stderr));
    assert!(text(&status.stdout).starts_with("ready"));
    assert!(proxy.ask(&["status", "--quiet"]).stdout.is_empty());
    let json: Value = serde_json::from_slice(&proxy.ask(&["status", "--format", "json"]).stdout).unwrap();
    assert_eq!((&json["ready"], &json["mirroring"], &json["durable"]), (&true.into(), &true.into(), &true.into()));
}

#[test]
fn status_is_told_by_an_admin_interface_only() {
    let (proxy, _primary, _candidate) = run("{\"a\":1}", 1, "");
    let texts = |status: u16, body: &'static str| {
        Upstream::answering(move |_| {
            format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
        })
    };
    let (ready, busy, none) = (texts(200, "ready\n"), texts(503, "{\"status\":503}"), texts(404, ""));
    let listen = format!("http://{}", proxy.listen);
    for (url, why) in [
        (listen, "is not the admin interface of a Parallax"),
        (ready.url(), "is not the admin interface of a Parallax"),
        (busy.url(), "is not the admin interface of a Parallax"),
        (none.url(), "/readyz answered 404"),
    ] {
        let output = parallax(&["status", "--admin", &url]);
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()), "{said}");
        assert!(said.contains(why) && said.contains("not the one that clients connect to"), "{said}");
    }

    // The token is not needed to know.
    let (primary, candidate) = (Upstream::json("{}"), Upstream::json("{}"));
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "s3cret\n").unwrap();
    let config = format!("[admin]\ntoken_file = {token:?}\n");
    let guarded = Proxy::between(&primary.url(), &candidate.url()).config(&config).start();
    let output = guarded.ask(&["status"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("not known without a token"), "{}", text(&output.stdout));
}

#[test]
fn check_prints_what_it_amounts_to_or_every_error() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good.toml");
    std::fs::write(&good, "[primary]\nurl = \"http://a:1\"\n[candidate]\nurl = \"http://b:2\"\n").unwrap();
    let output = parallax(&["check", "--config", good.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    std::fs::write(&good, &output.stdout).unwrap();
    let again = parallax(&["check", "--config", good.to_str().unwrap()]);
    assert_eq!(text(&again.stdout), text(&output.stdout), "what it prints, it accepts");

    let bad = folder.path().join("bad.toml");
    std::fs::write(&bad, "[primary]\nurl = \"http://a:1\"\n[candidate]\nurl = \"http://b:2\"\n[mirror]\nmax_inflight = 2\nsample = 10\n[[rule]]\nid = \"r\"\nat = \"jsn:$.a\"\nignore = true\n").unwrap();
    let output = parallax(&["check", "--config", bad.to_str().unwrap()]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    for expected in ["max_in_flight", "bad.toml:6", "bad.toml:7", "bad.toml:10", "3 errors"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(text(&parallax(&["check", "--defaults"]).stdout).contains("[mirror]"));
    serde_json::from_slice::<Value>(&parallax(&["check", "--schema"]).stdout).unwrap();
}

/// What would keep the proxy from starting is told before it is started, with its place.
#[test]
fn check_refuses_what_serve_would() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    let legs = "[primary]\nurl = \"http://127.0.0.1:1\"\n[candidate]\nurl = \"http://127.0.0.1:2\"\n";
    for (wrong, place) in [
        ("[redact]\njson = [\"json:$.a[?(@.x)]\"]\n", "2:9"),
        ("[redact]\njson = [\"$[0:2]\"]\n", "2:9"),
        ("[redact]\npatterns = [\"x*\"]\n", "2:13"),
        ("[[route]]\npath = \"/a/{x}y\"\n", "2:8"),
        ("[[route]]\npath = \"/a\"\noperation_from = \"json:$..x\"\n", "3:18"),
        (
            "[[rule]]\nid = \"a\"\nat = \"status\"\nsame = [[1, 2]]\n[[rule]]\nid = \"b\"\nat = \"status\"\nsame = [[1, 3]]\n",
            "8:8",
        ),
    ] {
        std::fs::write(&file, format!("{wrong}{legs}")).unwrap();
        for command in ["check", "serve"] {
            let output = parallax(&[command, "--config", file.to_str().unwrap()]);
            let told = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{wrong}{told}");
            assert!(told.contains(&format!("{}:{place}\n", file.display())), "{wrong}{told}");
        }
    }
}

#[test]
fn diff_compares_two_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (a, b, c) = (
        file("a", "{\"x\":1,\"y\":[1,2]}"),
        file("b", "{ \"x\": 1, \"y\": [1, 2] }"),
        file("c", "{\"x\":2,\"y\":[1,2]}"),
    );
    let diff = |a: &str, b: &str, more: &[&str]| {
        parallax(&[&["diff", a, b, "--content-type", "application/json"], more].concat())
    };
    assert_eq!(diff(&a, &a, &[]).status.code(), Some(0));
    assert_eq!(diff(&a, &b, &[]).status.code(), Some(0), "representation only");
    let output = diff(&a, &c, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("json:$.x"), "{}", text(&output.stdout));
    let json: Value = serde_json::from_slice(&diff(&a, &c, &["--format", "json"]).stdout).unwrap();
    assert_eq!(json["differences"][0]["location"], "json:$.x");
    let config = file("rules.toml", "[[rule]]\nid = \"x\"\nat = \"json:$.x\"\nignore = true\n");
    assert_eq!(diff(&a, &c, &["--config", &config]).status.code(), Some(0));
    let ruled = text(&diff(&a, &c, &["--config", &config]).stdout);
    assert!(ruled.contains(" EXCUSED  ") && ruled.contains("excused by rule \"x\""), "{ruled}");
    let shown = text(&output.stdout);
    assert!(shown.contains(" DIVERGENT  1 difference counts"), "{shown}");
    assert!(shown.contains("  - primary    1\n  + candidate  2\n"), "{shown}");
    assert_eq!(json["differences"][0]["summary"], "primary 1, candidate 2");
    assert_eq!(json["differences"][0]["counts"], true);
    assert_eq!(parallax(&["diff", &a, "/nowhere/x"]).status.code(), Some(2));
    assert_eq!(parallax(&["diff", &a, &b]).status.code(), Some(2), "bare bodies need their type");
    assert_eq!(diff("-", "-", &[]).status.code(), Some(2), "one answer can be standard input");
}

#[test]
fn diff_knows_what_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let config = file(
        "parallax.toml",
        "[primary]\nurl = \"http://old:1\"\n[candidate]\nurl = \"http://new:2\"\n\
         [[route]]\nname = \"orders\"\npath = \"/orders/{id}\"\n\
         [[rule]]\nid = \"gone\"\non = \"orders\"\nat = \"header:x-a\"\nignore = true\n\
         [[rule]]\nid = \"days\"\non = \"GET /days/{date}\"\nat = \"header:x-a\"\nignore = true\n",
    );
    let old = file("old", "HTTP/1.1 200 OK\r\nX-A: 1\r\nLink: <http://old:1/orders/8>; rel=next\r\n\r\n");
    let new = file("new", "HTTP/2 200 \r\nlink: </orders/8>; rel=next\r\n\r\n");
    let diff = |route: &str| parallax(&["diff", &old, &new, "--config", &config, "--route", route]);
    for (route, code) in [
        ("orders", 0),
        ("GET orders", 0),
        ("/orders/7", 0),
        ("GET /orders/7?x=1", 0),
        ("GET /orders/{id}", 0),
        ("GET /users/7", 1),
        ("GET /days/2026-03-01?x=1", 0),
        ("/days/{date}", 0),
        ("/days/{date}?x=1", 0),
        ("/days/2026-03-01?x={1}", 0),
    ] {
        let output = diff(route);
        assert_eq!(output.status.code(), Some(code), "{route}: {}", text(&output.stdout));
    }
    let output = diff("oders");
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("no route is named `oders`") && said.contains("names orders"), "{said}");

    let head = file("head", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n");
    let output = parallax(&["diff", &head, &head]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--route \"HEAD /path\""), "{}", text(&output.stderr));
    assert_eq!(parallax(&["diff", &head, &head, "--route", "HEAD /"]).status.code(), Some(0));

    // When these were stored nobody knows, so today's date says nothing of them.
    let kept = |name: &str, life: &str| {
        file(name, &format!("HTTP/1.1 200 OK\r\nSet-Cookie: a=1; {life}\r\nContent-Length: 0\r\n\r\n"))
    };
    let (span, until) = (kept("span", "Max-Age=3600"), kept("until", "Expires=Thu, 01 Jan 2015 01:00:00 GMT"));
    let output = parallax(&["diff", &span, &until]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
}

#[test]
fn the_demo_shows_the_product_in_one_command() {
    let output = parallax(&["demo", "--seconds", "6"]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for expected in [
        "✖ FAIL",
        "GET /products/{id}",
        "GET /orders/{id}",
        "GET /search",
        "GET /users/{id}",
        "noise",
        "parallax serve",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}\n{}", text(&output.stderr));
    }
}

#[test]
fn a_quiet_demo_shows_its_result_alone() {
    let output = parallax(&["demo", "--seconds", "1", "--quiet"]);
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    assert!(text(&output.stdout).contains("GET /products/{id}"), "{}", text(&output.stdout));
}

#[test]
fn a_rule_that_has_expired_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let rule = "[[rule]]\nid = \"old\"\nat = \"json:$.a\"\nignore = true\nexpires = \"2020-01-01\"\n";
    let file = folder.path().join("parallax.toml");
    let legs = "[primary]\nurl = \"http://a:1\"\n[candidate]\nurl = \"http://b:1\"\n";
    std::fs::write(&file, format!("{legs}{rule}")).unwrap();
    let told = "rule \"old\" has expired on 2020-01-01 and excuses nothing any more";
    let output = parallax(&["check", "--config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains(&format!("warning: {told}; renew")), "{}", text(&output.stderr));
    let (primary, candidate) = (Upstream::json("{}"), Upstream::json("{}"));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(rule).start();
    assert!(proxy.log().contains(told), "{}", proxy.log());
}

#[test]
fn completions_and_manual() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(text(&parallax(&["completions", shell]).stdout).contains("parallax"));
    }
    assert!(text(&parallax(&["manpage"]).stdout).contains("parallax"));
    for command in ["serve", "check", "report", "gate", "forecast", "diff", "demo", "status", "completions", "manpage"]
    {
        let help = parallax(&[command, "--help"]);
        assert_eq!(help.status.code(), Some(0));
        assert!(text(&help.stdout).contains("Example"), "{command}: {}", text(&help.stdout));
    }
}

#[test]
fn json_is_one_document_when_something_is_wrong_too() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("bad.toml");
    std::fs::write(&config, "[gate]\ntolerence = 1\n").unwrap();
    let (nobody, gone) = ("http://127.0.0.1:1", folder.path().join("none"));
    let (config, gone) = (config.to_str().unwrap(), gone.to_str().unwrap());
    for (args, message) in [
        (&["report", "--admin", nobody][..], "127.0.0.1:1"),
        (&["gate", "--admin", nobody], "127.0.0.1:1"),
        (&["gate", "--data", gone, "--config", config], "tolerence"),
        (&["status", "--admin", nobody], "127.0.0.1:1"),
        (&["diff", gone, gone], "none"),
    ] {
        let output = parallax(&[args, &["--format", "json"]].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let said = document["error"]["message"].as_str().unwrap();
        assert!(said.contains(message) && !said.starts_with("error: "), "{args:?}: {document}");
        assert!(!output.stderr.is_empty(), "people are told as well");
        assert!(parallax(args).stdout.is_empty(), "{args:?}");
    }
}
