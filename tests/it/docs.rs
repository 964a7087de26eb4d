//! What the documents show is what the program takes: every command line, every block of YAML. Blocks of configuration
//! are checked in tests/tidy.rs.

use crate::harness::*;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The fenced blocks of README and docs: where, in which language, what.
fn blocks() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut found = Vec::new();
    for file in docs.filter(|p| p.extension().is_some_and(|e| e == "md")).chain([root.join("README.md")]) {
        let (name, text) = (file.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&file).unwrap());
        for (at, part) in text.split("\n```").enumerate().filter(|(at, _)| at % 2 == 1) {
            let (language, block) = part.split_once('\n').unwrap_or_else(|| panic!("{name}: block {at} has no end"));
            found.push((name.clone(), language.to_owned(), block.to_owned()));
        }
    }
    assert!(found.len() > 20, "where have the blocks gone?");
    found
}

/// The arguments of each `parallax` on a line, as a shell would split them.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let starts = line.match_indices("parallax ").map(|(at, _)| at);
    for at in starts.filter(|at| line[..*at].trim_end().chars().last().is_none_or(|c| "$:-'(|&;".contains(c))) {
        let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
        for c in line[at..].chars() {
            match (quote, c) {
                (Some(q), c) if c == q => quote = None,
                (None, '"') => quote = Some('"'),
                // The end: of the command, or of the text that holds it.
                (None, ';' | '|' | '&' | '>' | '<' | '#' | '\'') => break,
                (None, ' ') => words.extend(Some(std::mem::take(&mut word)).filter(|w| !w.is_empty())),
                (_, c) => word.push(c),
            }
        }
        words.extend(Some(word).filter(|w| !w.is_empty()));
        found.push(words);
    }
    found
}

#[test]
fn commands_are_found_as_a_shell_would_read_them() {
    let words = |line| commands(line).concat().join("|");
    assert_eq!(
        words("- run: parallax gate --wait 30m --candidate-build \"$SHA x\" || true"),
        "parallax|gate|--wait|30m|--candidate-build|$SHA x"
    );
    assert_eq!(words("sh(script: 'parallax report --output r.html')"), "parallax|report|--output|r.html");
    assert_eq!(words("$ parallax gate; echo $?   # parallax or not"), "parallax|gate");
    assert_eq!(words("registry.example.com/parallax and more of my parallax words"), "");
}

#[test]
fn every_command_line_is_one_that_the_program_takes() {
    let mut seen = 0;
    for (file, language, block) in blocks() {
        if !["sh", "yaml", "groovy", "console"].contains(&language.as_str()) {
            continue;
        }
        // What a comment says is no command; in a console only what follows the prompt is.
        let lines = block.lines().filter(|l| !l.trim_start().starts_with('#'));
        for line in lines.filter(|l| language != "console" || l.starts_with("$ ")) {
            for words in commands(line) {
                seen += 1;
                if let Err(error) = parallax::cli::command().try_get_matches_from(&words) {
                    assert!(!error.use_stderr(), "{file}: {line}\n{error}");
                }
            }
        }
    }
    assert!(seen > 20, "{seen} command lines");
}

#[test]
fn every_block_of_yaml_and_json_is_one() {
    let mut seen = 0;
    for (file, language, block) in blocks() {
        match language.as_str() {
            "yaml" => {
                seen += 1;
                serde_saphyr::from_str::<Value>(&block).unwrap_or_else(|e| panic!("{file}: {e}\n{block}"));
            }
            "json" => drop(serde_json::from_str::<Value>(&block).unwrap_or_else(|e| panic!("{file}: {e}\n{block}"))),
            _ => {}
        }
    }
    assert!(seen > 5, "{seen} blocks of YAML");
}

/// The first block of YAML of docs/ci.md with this text in it.
fn example(mark: &str) -> Value {
    let all = blocks();
    let (.., block) = all.iter().find(|(f, l, b)| f == "ci.md" && l == "yaml" && b.contains(mark)).unwrap();
    serde_saphyr::from_str(block).unwrap()
}

#[test]
fn the_step_of_a_workflow_uses_inputs_and_outputs_that_there_are() {
    let action = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("action.yml")).unwrap();
    let action: Value = serde_saphyr::from_str(&action).unwrap();
    let workflow = example("uses: OWNER/parallax@");
    let steps = workflow["jobs"]["gate"]["steps"].as_array().unwrap();
    for input in steps[0]["with"].as_object().unwrap().keys() {
        assert!(action["inputs"][input].is_object(), "no input {input}");
    }
    let text = workflow.to_string();
    for after in text.split("steps.parallax.outputs.").skip(1) {
        let name: String = after.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
        assert!(action["outputs"][&name].is_object(), "no output {name}");
    }
}

/// The script of the GitLab job, run as it stands against a proxy whose candidate answers this.
fn gitlab(candidate: &str) -> (Option<i32>, String, bool) {
    let (primary, candidate) = (Upstream::json("{\"a\":1}"), Upstream::json(candidate));
    let limits = "[gate]\ncriteria = [\"divergence\"]\ntolerance = \"5%\"\nmin_comparisons = 20\n";
    let serve = Proxy::between(&primary.url(), &candidate.url()).config(limits);
    let proxy = serve.args(&["--candidate-build", "4f2a"]).start();
    let mut client = proxy.connect();
    for _ in 0..200 {
        client.write(b"GET /things/7 HTTP/1.1\r\nHost: a\r\n\r\n");
        client.read_reply();
    }
    proxy.settled(200);
    let job = example("reports:");
    let script = job["parallax"]["script"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
    let binary = Path::new(env!("CARGO_BIN_EXE_parallax")).parent().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ran = Command::new("bash")
        .args(["-e", "-o", "pipefail", "-c", &script.collect::<Vec<_>>().join("\n")])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .env_clear()
        .env("PATH", format!("{}:{}", binary.display(), std::env::var("PATH").unwrap()))
        .env("CI_COMMIT_SHA", "4f2a")
        .env("PARALLAX_ADMIN", format!("http://{}", proxy.admin))
        .output()
        .unwrap();
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    let artifacts = &job["parallax"]["artifacts"];
    let cases = read(artifacts["reports"]["junit"].as_str().unwrap());
    (ran.status.code(), cases, read(artifacts["paths"][0].as_str().unwrap()).contains("</html>"))
}

#[test]
fn the_gitlab_job_ends_as_the_gate_does_and_keeps_what_it_says() {
    let (code, cases, report) = gitlab("{\"a\":1}");
    assert_eq!((code, report), (Some(0), true), "{cases}");
    assert!(cases.contains("<testcase") && !cases.contains("<failure"), "{cases}");
    let (code, cases, report) = gitlab("{\"a\":2}");
    assert_eq!((code, report), (Some(1), true), "{cases}");
    assert!(cases.contains("<failure"), "{cases}");
}

#[test]
fn argo_is_told_that_nothing_undecided_is_a_success() {
    let template = example("kind: AnalysisTemplate");
    let gate = &template["spec"]["metrics"][0];
    assert_eq!(
        (&gate["successCondition"], &gate["failureCondition"]),
        (&"result == \"pass\"".into(), &"result == \"fail\"".into())
    );
    assert_eq!((&gate["consecutiveSuccessLimit"], &gate["failureLimit"]), (&1.into(), &0.into()));
    assert!(gate["inconclusiveLimit"].as_u64() >= gate["count"].as_u64() && gate["count"].as_u64() > Some(0), "{gate}");
    let web = &gate["provider"]["web"];
    assert_eq!(web["jsonPath"], "{$.verdict}");
    assert!(!web["url"].as_str().unwrap().contains("as="), "{web}");
}
