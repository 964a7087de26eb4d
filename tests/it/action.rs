//! The step for workflows: what it exits with, what it tells the steps after it, and that inputs stay data.

use crate::harness::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const QUICK: &str = "[gate]\ncriteria = [\"divergence\", \"unjudged\", \"minimum\"]\ntolerance = \"5%\"\nmin_duration = \"0s\"\nmin_comparisons = 20\n";

/// A runner's folder, and what stands in for its commands.
struct Runner {
    folder: tempfile::TempDir,
    stubs: PathBuf,
}

#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    outputs: BTreeMap<String, String>,
    summary: String,
    /// On both of its streams.
    said: String,
}

impl Runner {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stubs = folder.path().join("stubs");
        fs::create_dir(&stubs).unwrap();
        Self { folder, stubs }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command that comes before the real one.
    fn stub(&self, name: &str, script: &str) {
        let file = self.stubs.join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn run(&self, inputs: &[(&str, &str)]) -> Ran {
        let (output, summary) = (self.path("output"), self.path("summary"));
        for file in [&output, &summary] {
            let _ = fs::remove_file(file);
        }
        let binary = Path::new(env!("CARGO_BIN_EXE_parallax")).parent().unwrap();
        let path = format!("{}:{}:{}", self.stubs.display(), binary.display(), std::env::var("PATH").unwrap());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/github-action/gate.sh");
        let mut command = Command::new("bash");
        command.arg(script).current_dir(self.folder.path()).stdin(Stdio::null()).env_clear();
        command.env("PATH", path).env("GITHUB_OUTPUT", &output).env("GITHUB_STEP_SUMMARY", &summary);
        command.env("GITHUB_SERVER_URL", "https://github.example").env("GITHUB_REPOSITORY", "shop/api");
        command.env("GITHUB_RUN_ID", "77").env("GITHUB_REF", "refs/pull/12/merge").env("STUBS", &self.stubs);
        // Inputs that are not given come as empty strings, as from the action.
        for name in ["ADMIN", "PARALLAX_TOKEN", "WAIT", "CANDIDATE_BUILD", "FAIL_ON_INCONCLUSIVE", "REPORT", "COMMENT"]
        {
            command.env(name, "");
        }
        let ran = command.envs(inputs.iter().copied()).output().unwrap();
        let outputs = fs::read_to_string(&output).unwrap_or_default();
        let outputs = outputs.lines().map(|l| l.split_once('=').unwrap_or_else(|| panic!("no output: {l}")));
        Ran {
            code: ran.status.code(),
            outputs: outputs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
            summary: fs::read_to_string(&summary).unwrap_or_default(),
            said: text(&ran.stdout) + &text(&ran.stderr),
        }
    }
}

impl Ran {
    #[track_caller]
    fn says(&self, code: i32, verdict: &str, exit_code: &str) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert_eq!(self.outputs["verdict"], verdict, "{self:#?}");
        assert_eq!(self.outputs["exit-code"], exit_code, "{self:#?}");
    }
}

/// A proxy that has compared so many answers to `{"a":1}` with this one; and its upstreams.
fn compared(candidate: &str, requests: usize) -> (Proxy, Upstream, Upstream) {
    let (primary, candidate) = (Upstream::json("{\"a\":1}"), Upstream::json(candidate));
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(QUICK).start();
    let mut client = proxy.connect();
    for _ in 0..requests {
        client.write(b"GET /things/7 HTTP/1.1\r\nHost: a\r\n\r\n");
        client.read_reply();
    }
    proxy.settled(requests as u64);
    (proxy, primary, candidate)
}

fn admin(proxy: &Proxy) -> String {
    format!("http://{}", proxy.admin)
}

#[test]
fn a_pass() {
    let (proxy, ..) = compared("{\"a\":1}", 200);
    let runner = Runner::new();
    let ran = runner.run(&[("ADMIN", &admin(&proxy)), ("WAIT", "20s"), ("REPORT", "out/report.html")]);
    ran.says(0, "pass", "0");
    assert_eq!((ran.outputs["report-path"].as_str(), ran.outputs["eta-seconds"].as_str()), ("out/report.html", ""));
    assert!(fs::read_to_string(runner.path("out/report.html")).unwrap().contains("things/"));
    assert!(ran.summary.contains("PASS") && ran.said.contains("::notice title=PASS"), "{ran:#?}");
}

#[test]
fn a_fail_and_its_comment() {
    let (proxy, ..) = compared("{\"a\":2}", 200);
    let runner = Runner::new();
    // Finds a comment where one was left, and keeps what it is sent.
    runner.stub(
        "gh",
        r#"printf '%s\n' "$*" >>"$STUBS/calls"
case "$*" in
*--paginate*) cat "$STUBS/found" 2>/dev/null; exit 0 ;;
*) for a; do case "$a" in body=@*) cp "${a#body=@}" "$STUBS/body" ;; esac; done ;;
esac"#,
    );
    let inputs = [("ADMIN", admin(&proxy)), ("COMMENT", "true".into())];
    let inputs: Vec<_> = inputs.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let ran = runner.run(&inputs);
    ran.says(1, "fail", "1");
    assert!(ran.summary.contains("FAIL") && ran.summary.contains("| criterion |"), "{ran:#?}");
    assert!(ran.said.contains("::error title=FAIL"), "{ran:#?}");
    assert_eq!(ran.outputs["report-path"], "");
    let body = fs::read_to_string(runner.path("stubs/body")).unwrap();
    assert!(body.starts_with("<!-- parallax gate -->\n") && body.contains("## ✖ FAIL"), "{body}");
    let rows = body.lines().filter(|l| l.starts_with("| ✖") || l.starts_with("| ✔") || l.starts_with("| ◌")).count();
    assert!((1..=5).contains(&rows) && body.contains("| ✖ FAIL | divergence |"), "{body}");
    assert!(body.contains("https://github.example/shop/api/actions/runs/77") && body.len() < 2_000, "{body}");
    let calls = || fs::read_to_string(runner.path("stubs/calls")).unwrap();
    assert!(calls().contains("--method POST repos/shop/api/issues/12/comments"), "{}", calls());

    fs::write(runner.path("stubs/found"), "4711\n4712\n").unwrap();
    runner.run(&inputs).says(1, "fail", "1");
    assert!(calls().contains("--method PATCH repos/shop/api/issues/comments/4711 "), "{}", calls());
    assert_eq!(calls().matches("--method POST").count(), 1, "{}", calls());

    // Where comments cannot be read none is added, and the verdict stays what it is.
    runner.stub("gh", "echo \"$*\" >>\"$STUBS/refused\"; exit 1");
    let ran = runner.run(&inputs);
    ran.says(1, "fail", "1");
    assert!(ran.said.contains("::warning title=Parallax::the comment could not be written"), "{ran:#?}");
    assert_eq!(fs::read_to_string(runner.path("stubs/refused")).unwrap().lines().count(), 1);
}

#[test]
fn a_comment_stays_short() {
    let runner = Runner::new();
    let rows = "| ✖ FAIL | divergence | GET /a | 1 % | reason |\n".repeat(30);
    let summary = format!(
        "## ✖ FAIL\n\nnot this one\n\n| verdict | | | | |\n|---|---|---|---|---|\n{rows}\n_70 more_\n\n- **!** notice\n"
    );
    fs::write(runner.path("long"), &summary).unwrap();
    runner.stub("parallax", "cat long >>\"$GITHUB_STEP_SUMMARY\"; exit 1");
    runner.stub("gh", "for a; do case \"$a\" in body=@*) cp \"${a#body=@}\" \"$STUBS/body\" ;; esac; done");
    let ran = runner.run(&[("ADMIN", "http://a"), ("COMMENT", "true")]);
    ran.says(1, "fail", "1");
    assert_eq!(ran.summary, summary, "the job summary has it all");
    let body = fs::read_to_string(runner.path("stubs/body")).unwrap();
    assert_eq!(body.matches("| ✖ FAIL").count(), 5, "{body}");
    assert!(body.contains("not this one") && !body.contains("notice") && !body.contains("more"), "{body}");
}

#[test]
fn not_decided_fails_unless_told_otherwise() {
    let (primary, candidate) = (Upstream::json("1"), Upstream::json("1"));
    let hour = "[gate]\ncriteria = [\"minimum\"]\nmin_duration = \"1h\"\n";
    let proxy = Proxy::between(&primary.url(), &candidate.url()).config(hour).start();
    let runner = Runner::new();
    let ran = runner.run(&[("ADMIN", &admin(&proxy))]);
    ran.says(3, "inconclusive", "3");
    assert_eq!(ran.outputs["eta-seconds"], "", "without traffic nobody knows");
    proxy.get("/");
    proxy.settled(1);
    let ran = runner.run(&[("ADMIN", &admin(&proxy))]);
    ran.says(3, "inconclusive", "3");
    assert!(ran.summary.contains("INCONCLUSIVE"), "{ran:#?}");
    let eta: u64 = ran.outputs["eta-seconds"].parse().unwrap();
    assert!((3_500..=3_600).contains(&eta), "{eta}");
    let ran = runner.run(&[("ADMIN", &admin(&proxy)), ("FAIL_ON_INCONCLUSIVE", "false")]);
    ran.says(0, "inconclusive", "3");
    let ran = runner.run(&[("ADMIN", &admin(&proxy)), ("CANDIDATE_BUILD", "next")]);
    ran.says(3, "inconclusive", "3");
    assert!(ran.summary.contains("other build"), "{ran:#?}");
}

#[test]
fn what_could_not_be_asked_is_no_verdict() {
    let runner = Runner::new();
    let nobody = nobody();
    for (what, inputs) in [
        ("nobody there", vec![("ADMIN", nobody.as_str()), ("FAIL_ON_INCONCLUSIVE", "false")]),
        ("no address", vec![]),
        ("no duration", vec![("ADMIN", &nobody), ("WAIT", "soon")]),
        ("no boolean", vec![("ADMIN", &nobody), ("FAIL_ON_INCONCLUSIVE", "no")]),
        ("two lines", vec![("ADMIN", &nobody), ("REPORT", "a\nverdict=pass")]),
    ] {
        let ran = runner.run(&inputs);
        ran.says(2, "unknown", "2");
        assert!(ran.said.contains("::error title=Parallax::"), "{what}: {ran:#?}");
        assert_eq!(ran.outputs.get("report-path").map_or("", String::as_str), "", "{what}");
    }
    // A report that cannot be written is no verdict either, and changes none.
    let (proxy, ..) = compared("{\"a\":1}", 200);
    fs::write(runner.path("file"), "").unwrap();
    let ran = runner.run(&[("ADMIN", &admin(&proxy)), ("REPORT", "file/report.html")]);
    ran.says(0, "pass", "0");
    assert_eq!(ran.outputs["report-path"], "");
    assert!(ran.said.contains("::warning title=Parallax::the report"), "{ran:#?}");
}

#[test]
fn inputs_are_arguments_and_never_commands() {
    let runner = Runner::new();
    runner.stub("parallax", "for a; do printf '%s\\0' \"$a\"; done >>\"$STUBS/calls\"; exit 0");
    let hostile = "$(touch owned)`touch owned`\"; touch owned; '\n--format json";
    let ran = runner.run(&[("ADMIN", hostile), ("WAIT", hostile), ("CANDIDATE_BUILD", hostile)]);
    ran.says(0, "pass", "0");
    assert!(!runner.path("owned").exists());
    let calls = fs::read_to_string(runner.path("stubs/calls")).unwrap();
    let expected = ["--admin=", "--candidate-build=", "--wait="].map(|flag| format!("{flag}{hostile}"));
    let expected = ["gate".to_owned()].into_iter().chain(expected).chain(["--format", "github"].map(str::to_owned));
    assert_eq!(calls.split_terminator('\0').collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

#[test]
fn the_action_hands_its_inputs_over_as_environment_variables() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("action.yml")).unwrap();
    let action: Value = serde_saphyr::from_str(&text).unwrap();
    let steps = action["runs"]["steps"].as_array().unwrap();
    for step in steps {
        assert!(!step["run"].as_str().unwrap().contains("${{"), "an expression in a shell's text: {step}");
    }
    let gate = steps.iter().find(|s| s["id"] == "gate").unwrap();
    let handed: Vec<_> = gate["env"].as_object().unwrap().values().map(|v| v.as_str().unwrap()).collect();
    let inputs: Vec<_> = action["inputs"].as_object().unwrap().keys().map(String::as_str).collect();
    for input in &inputs {
        assert!(handed.contains(&format!("${{{{ inputs.{input} }}}}").as_str()), "{input} is not handed over");
    }
    let mut sorted = inputs.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["admin", "candidate-build", "comment", "fail-on-inconclusive", "report", "token", "wait"]);
    // As if run with its defaults: the outputs it promises are those the script writes.
    let ran = Runner::new().run(&[("ADMIN", &nobody())]);
    let promised: Vec<_> = action["outputs"].as_object().unwrap().keys().cloned().collect();
    for output in &promised {
        assert!(ran.outputs.contains_key(output), "{output} is not written");
        assert_eq!(action["outputs"][output]["value"], format!("${{{{ steps.gate.outputs.{output} }}}}"));
    }
    assert_eq!(promised.len(), ran.outputs.len());
}
