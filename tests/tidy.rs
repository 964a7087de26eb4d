//! Rules about the repository itself: who may import whom, what pure rooms must not touch, files that can be read in
//! one sitting, documents that are true. Explained in docs/ARCHITECTURE.md.

#![expect(clippy::unwrap_used, reason = "what is not there is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Lowest first. A room may import from lower lines only.
const LINES: &[&[&str]] = &[
    &["model"],
    &["routes", "diff", "stats"],
    &["evidence"],
    &["redact", "gate"],
    &["report"],
    &["boxed", "clock"],
    &["alarm", "http1", "http2"],
    &["flow", "limits", "shutdown", "telemetry", "tls", "upstream"],
    &["proxy", "mirror", "pipeline", "store", "admin"],
    &["config"],
    &["app"],
    &["cli"],
    &["main"],
];
/// On one line, and yet the one stands on the other.
const NEIGHBOURS: &[(&str, &str)] = &[("upstream", "tls")];
const PURE: &[&str] = &["model", "routes", "redact", "diff", "stats", "evidence", "gate", "report"];
/// What a function of plain values has no business with.
const IMPURE: &[&str] = &[
    "tokio",
    "hyper::",
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::env",
    "std::thread",
    "SystemTime::now",
    "Instant::now",
    "getrandom",
    "rand::",
];
const MAX_LINES: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a folder of the repository with one of these endings, by its path from the root.
fn files(folder: &str, endings: &[&str]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
            if path.is_dir() {
                folders.push(path);
            } else if endings.iter().any(|e| name.ends_with(e)) {
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

fn sources() -> BTreeMap<String, String> {
    let found = files("src", &[".rs"]);
    assert!(found.len() > 50, "where have the sources gone?");
    found
}

/// README and docs.
fn documents() -> BTreeMap<String, String> {
    let mut found = files("docs", &[".md"]);
    for name in ["README.md", "CHANGELOG.md"] {
        found.insert(name.to_owned(), fs::read_to_string(root().join(name)).unwrap());
    }
    found
}

fn room(file: &str) -> &str {
    let name = file.strip_prefix("src/").unwrap();
    name.split('/').next().unwrap().trim_end_matches(".rs")
}

fn line_of(room: &str) -> Option<usize> {
    LINES.iter().position(|line| line.contains(&room))
}

/// The part of a line that is code, roughly: what precedes `//`.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// Tests of their own, or what follows the unit tests' mark: they may use what they like.
fn is_test_file(file: &str) -> bool {
    file.contains("/tests/") || file.ends_with("tests.rs") || file.ends_with("/testing.rs")
}

/// The lines before the unit tests, numbered from 1.
fn lines_of_code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().take_while(|l| *l != "mod tests {").enumerate().map(|(i, l)| (i + 1, code(l)))
}

/// The names that follow `crate::` (or `parallax::`, in the binary), those in braces too.
fn imports(line: &str) -> Vec<&str> {
    let identifier = |text| -> &str {
        let text: &str = text;
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
        &text[..end]
    };
    let mut found = Vec::new();
    for after in line.split("crate::").skip(1).chain(line.split("parallax::").skip(1)) {
        match after.strip_prefix('{') {
            // Only the outermost names of the group are rooms.
            Some(group) => {
                let mut depth = 0;
                let mut at_name = true;
                for (i, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => at_name = true,
                        c if at_name && !c.is_whitespace() => {
                            found.push(identifier(&group[i..]));
                            at_name = false;
                        }
                        _ => {}
                    }
                }
            }
            None => found.push(identifier(after)),
        }
    }
    found
}

#[test]
fn imports_are_read_as_written() {
    assert_eq!(imports("use crate::{store, tls::{a, b}, flow::Pair};"), ["store", "tls", "flow"]);
    assert_eq!(imports("fn f(a: crate::model::Leg) -> crate::diff::Finding {"), ["model", "diff"]);
    assert_eq!(imports("    parallax::cli::run()"), ["cli"]);
}

#[test]
fn rooms_import_downwards_only() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let own = room(&file);
        if own == "lib" {
            continue;
        }
        let own_line = line_of(own).unwrap_or_else(|| panic!("{file}: the room `{own}` has no line in tests/tidy.rs"));
        for (number, line) in text.lines().enumerate().map(|(i, l)| (i + 1, code(l))) {
            for other in imports(line) {
                // What is no room is an item of the crate's root, of which there are none beside macros.
                let Some(line) = line_of(other) else { continue };
                if other != own && line >= own_line && !NEIGHBOURS.contains(&(own, other)) {
                    wrong.push(format!("{file}:{number}: `{own}` must not know `{other}`"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_room_is_declared_and_has_a_line() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let mut declared: Vec<&str> =
        lib.lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';')).chain(["main"]).collect();
    let mut known: Vec<&str> = LINES.concat();
    declared.sort_unstable();
    known.sort_unstable();
    assert_eq!(declared, known);
}

#[test]
fn pure_rooms_touch_nothing() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        if !PURE.contains(&room(&file)) || is_test_file(&file) {
            continue;
        }
        for (number, line) in lines_of_code(&text) {
            for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                wrong.push(format!("{file}:{number}: `{word}` in a pure room; pass in the value instead"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_can_be_read_in_one_sitting() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let lines = text.lines().count();
        if lines > MAX_LINES {
            wrong.push(format!("{file}: {lines} lines, more than {MAX_LINES}; split it by sense"));
        }
        if !text.starts_with("//!") {
            wrong.push(format!("{file}: begin with `//!`, what the file is for"));
        }
        for unfinished in ["todo!(", "unimplemented!(", "dbg!("] {
            if text.lines().any(|l| code(l).contains(unfinished)) {
                wrong.push(format!("{file}: {unfinished}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_speaks_of_one_machine() {
    // Put together here so that this file does not contain them.
    let words =
        [format!("/{}/", "work"), format!("../{}", "shared"), format!("/{}/", "root"), format!("/{}/", "Users")];
    let mut all = documents();
    for folder in ["src", "tests", "config", "docker", "contrib", ".ci"] {
        if root().join(folder).exists() {
            all.extend(files(
                folder,
                &[".rs", ".toml", ".md", ".yaml", ".json", ".service", ".sh", "run", "Dockerfile"],
            ));
        }
    }
    for (file, text) in all {
        for word in &words {
            assert!(!text.contains(word.as_str()), "{file} mentions {word}");
        }
    }
}

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (file, text) in documents() {
        let folder = root().join(&file).parent().map(PathBuf::from).unwrap();
        for after in text.split("](").skip(1) {
            let target = after.split([')', '#']).next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            seen += 1;
            if !folder.join(target).exists() {
                wrong.push(format!("{file}: {target} does not exist"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 5, "no links found");
}

#[test]
fn files_named_in_the_architecture_exist() {
    let text = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    for name in text.split('`').skip(1).step_by(2) {
        let is_file = ["src/", "tests/", "config/"].iter().any(|folder| name.starts_with(folder));
        assert!(!is_file || root().join(name).exists(), "docs/ARCHITECTURE.md names `{name}`, which does not exist");
    }
}

#[test]
fn configuration_in_documents_is_accepted() {
    let flags = parallax::config::Flags { offline: true, ..Default::default() };
    let file = std::env::temp_dir().join(format!("parallax-tidy-{}.toml", std::process::id()));
    let mut blocks = 0;
    let mut wrong = Vec::new();
    for (name, text) in documents() {
        for block in text.split("```toml\n").skip(1) {
            let block = block.split("```").next().unwrap_or_default();
            if !block.lines().any(|l| l.starts_with('[')) {
                continue;
            }
            blocks += 1;
            fs::write(&file, block).unwrap();
            if let Err(error) = parallax::config::load(Some(&file), &flags) {
                wrong.push(format!("{name}:\n{}", error.render(false)));
            }
        }
    }
    let _ = fs::remove_file(&file);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(blocks > 3, "no configuration found");
}
