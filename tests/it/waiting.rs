//! `gate --wait`: what it says meanwhile, and how it ends.

use crate::harness::*;
use serde_json::json;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};

const QUICK: &str = "[gate]\ncriteria = [\"divergence\", \"unjudged\", \"minimum\"]\ntolerance = \"5%\"\nmin_duration = \"0s\"\nmin_comparisons = 20\n";

/// A gate that waits, its standard error to be read line by line.
struct Waiting {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Waiting {
    fn start(args: &[&str]) -> Self {
        let mut command = command();
        command.args(["gate", "--wait", "20s"]).args(args).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.log.read_line(&mut line).unwrap();
        line
    }

    /// What it printed and what it exited with.
    fn end(mut self) -> (String, Option<i32>) {
        let mut printed = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        (printed, self.child.wait().unwrap().code())
    }
}

fn requests(proxy: &Proxy, method: &str, n: usize) {
    let mut client = proxy.connect();
    for _ in 0..n {
        client.write(format!("{method} /things/7 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").as_bytes());
        client.read_reply();
    }
}

#[test]
fn a_mirror_that_sends_nothing_is_no_silent_wait() {
    let (primary, candidate) = (Upstream::json("{\"a\":1}"), Upstream::json("{\"a\":1}"));
    let with = |config: &str| Proxy::between(&primary.url(), &candidate.url()).config(QUICK).config(config).start();
    let told = |proxy: &Proxy| {
        let output = proxy.ask(&["gate", "--wait", "100ms"]);
        assert_eq!(output.status.code(), Some(3), "{}", text(&output.stdout));
        // Lines are wrapped where they please.
        let printed = text(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
        (text(&output.stderr), printed)
    };
    let proxy = with("");
    let (log, printed) = told(&proxy);
    assert!(log.contains("inconclusive 0/3 next: divergence no request has arrived yet"), "{log}");
    assert!(printed.contains(&format!("next curl -i http://{}/", proxy.listen)), "{printed}");

    requests(&proxy, "POST", 3);
    proxy.settled(3);
    let (log, printed) = told(&proxy);
    let methods = "3 requests in this epoch, none mirrored: 3 use methods that `mirror.methods` does not name; name the \
                   methods on a route, if the candidate is isolated";
    assert!(log.contains(methods), "{log}");
    assert!(printed.contains(methods), "{printed}");

    proxy.post("/api/v1/mirror", &json!({ "enabled": false }));
    let (log, printed) = told(&proxy);
    assert!(
        log.contains("mirroring is switched off") && printed.contains("mirroring is switched off"),
        "{log}{printed}"
    );

    let proxy = with("[mirror]\nsample = 0\n");
    requests(&proxy, "GET", 2);
    proxy.settled(2);
    let (log, printed) = told(&proxy);
    let sample = "2 requests in this epoch, none mirrored: 2 fell outside the sample; raise `mirror.sample`";
    assert!(log.contains(sample) && printed.contains(sample), "{log}{printed}");
}

#[test]
fn an_interrupted_wait_tells_the_last_state() {
    let (primary, candidate) = (Upstream::json("{\"a\":1}"), Upstream::json("{\"a\":1}"));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(QUICK).start();
    requests(&proxy, "GET", 7);
    proxy.settled(7);
    let admin = format!("http://{}", proxy.admin);
    for (format, heart) in [("text", "7 of 110 comparisons, none diverged"), ("json", "\"verdict\": \"inconclusive\"")]
    {
        let mut waiting = Waiting::start(&["--admin", &admin, "--format", format]);
        assert!(waiting.line().contains("next: "), "it waits");
        let pid = waiting.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let (printed, code) = waiting.end();
        assert_eq!(code, Some(130), "{printed}");
        assert!(printed.contains(heart), "{printed}");
        assert!(format != "text" || printed.starts_with("◌ INCONCLUSIVE  interrupted after "), "{printed}");
    }
}

#[test]
fn a_wait_is_interrupted_before_the_first_answer() {
    let interrupt = |waiting: &Waiting| {
        let pid = waiting.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    };
    let mut waiting = Waiting::start(&["--admin", &nobody()]);
    assert!(waiting.line().ends_with(": asked again every second\n"));
    interrupt(&waiting);
    let said = waiting.line();
    assert!(
        said.starts_with("interrupted after ") && said.contains(", without a verdict: no proxy answers at "),
        "{said}"
    );
    assert_eq!(waiting.end(), (String::new(), Some(130)));

    // Somebody who takes the question and says nothing.
    let stalled = Upstream::stalled();
    let mut waiting = Waiting::start(&["--admin", &stalled.url(), "--format", "json"]);
    until(|| !stalled.wire().is_empty(), || "nobody was asked".to_owned());
    interrupt(&waiting);
    let said = waiting.line();
    assert!(said.contains("has said nothing yet"), "{said}");
    assert_eq!(waiting.end(), (String::new(), Some(130)));
}

#[test]
fn a_folder_without_a_proxy_says_so_and_one_that_comes_is_found() {
    let (primary, candidate) = (Upstream::json("{\"a\":1}"), Upstream::json("{\"a\":1}"));
    let start = || Proxy::between(&primary.url(), &candidate.url()).config(QUICK);
    let mut first = start().start();
    requests(&first, "GET", 5);
    first.settled(5);
    first.signal("-TERM");
    first.wait();
    let data = first.folder.join("data");
    let mut waiting = Waiting::start(&["--data", data.to_str().unwrap()]);
    let line = waiting.line();
    assert!(line.contains("5 of 110 comparisons") && line.contains("no proxy is running"), "{line}");

    let second = start().folder(&first.folder).start();
    requests(&second, "GET", 200);
    let (printed, code) = waiting.end();
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.starts_with("✔ PASS") && printed.contains("at most 1 in 100 would ever"), "{printed}");
    // Where a proxy holds the folder it is the one that is asked.
    let held = parallax(&["gate", "--data", data.to_str().unwrap()]);
    assert_eq!((held.status.code(), text(&held.stdout).contains("no proxy is running")), (Some(0), false));
}

#[test]
fn whoever_waits_may_start_before_the_proxy() {
    let (primary, candidate) = (Upstream::json("{\"a\":1}"), Upstream::json("{\"a\":1}"));
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut waiting = Waiting::start(&["--data", data.to_str().unwrap()]);
    assert!(waiting.line().ends_with(": asked again every second\n"));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(QUICK).folder(folder.path()).start();
    requests(&proxy, "GET", 200);
    let (printed, code) = waiting.end();
    assert_eq!(code, Some(0), "{printed}");

    // What is wrong for good is told at once.
    let began = std::time::Instant::now();
    let wrong = parallax(&["gate", "--wait", "20s", "--admin", "nonsense"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(began.elapsed() < PATIENCE / 2, "{}", text(&wrong.stderr));
}

#[test]
fn tools_that_read_only_a_status_get_one() {
    let primary = Upstream::json("{\"a\":1}");
    for (body, n, status, rollback) in
        [("{\"a\":1}", 0, 425, 409), ("{\"a\":1}", 200, 200, 409), ("{\"a\":2}", 200, 409, 200)]
    {
        let candidate = Upstream::json(body);
        let proxy = Proxy::between(&primary.url(), &candidate.url()).config(QUICK).start();
        requests(&proxy, "GET", n);
        proxy.settled(n as u64);
        let hook = json!({ "name": "shop", "namespace": "prod", "phase": "Progressing", "metadata": {} });
        for (path, expected) in [("/api/v1/gate?as=status", status), ("/api/v1/gate?as=rollback", rollback)] {
            let (got, posted) = (proxy.admin(path), proxy.post(path, &hook));
            assert_eq!((got.0, posted.0), (expected, expected), "{path} of {n} {body}");
            assert_eq!((&got.1["schema"], &got.1["verdict"]), (&posted.1["schema"], &posted.1["verdict"]));
        }
        let other = proxy.post("/api/v1/gate?as=status&candidate_build=next", &hook);
        assert_eq!(other.0, 425, "{}", other.1);
    }
}

#[test]
fn a_workflow_gets_annotations_and_a_summary() {
    let (primary, candidate) = (Upstream::json("{\"a\":1}"), Upstream::json("{\"a\":2}"));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(QUICK).start();
    requests(&proxy, "GET", 100);
    proxy.settled(100);
    let summary = proxy.folder.join("summary.md");
    std::fs::write(&summary, "# before\n").unwrap();
    let admin = format!("http://{}", proxy.admin);
    let mut gate = command();
    gate.args(["gate", "--format", "github", "--admin", &admin]).env("GITHUB_STEP_SUMMARY", &summary);
    let output = gate.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let printed = text(&output.stdout);
    assert!(printed.starts_with("::error title=FAIL divergence GET /things/{id}::100 of 100 comparisons"), "{printed}");
    assert!(printed.lines().all(|line| line.starts_with("::")), "{printed}");
    // One that cannot be written takes nothing from the verdict.
    let unwritable = gate.env("GITHUB_STEP_SUMMARY", proxy.folder.join("no/such/folder")).output().unwrap();
    assert_eq!((unwritable.status.code(), text(&unwritable.stdout)), (Some(1), printed));
    let said = text(&unwritable.stderr);
    assert!(said.starts_with("warning: cannot append to GITHUB_STEP_SUMMARY: "), "{said}");
    let summary = std::fs::read_to_string(&summary).unwrap();
    assert!(summary.starts_with("# before\n") && summary.contains("## ✖ FAIL"), "{summary}");
}
