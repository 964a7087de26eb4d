//! The JSON comparison against cases that nobody here wrote, and against other engines. The files are explained in
//! ground-truth/README.md, the engines in oracles/README.md.

#![expect(clippy::unwrap_used, reason = "what is not there is a failed test")]

use parallax::diff::budget::Budget;
use parallax::diff::json::{self, JsonOutcome, JsonRules};
use parallax::diff::path::{Path, Select};
use parallax::diff::{Align, Findings, RuleSpec, Tier};
use serde_json::Value;
use std::io::Write;
use std::process::{Command, Stdio};

fn cases(file: &str) -> Vec<Value> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ground-truth").join(file);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn compare(a: &str, b: &str, rules: &JsonRules) -> (JsonOutcome, Findings) {
    let mut out = Findings::default();
    let outcome = json::compare(a.as_bytes(), b.as_bytes(), rules, &mut Budget::new(&|| false), &mut out);
    (outcome, out)
}

/// Whether two texts were found to hold the same.
fn same(a: &str, b: &str) -> bool {
    let (outcome, out) = compare(a, b, &JsonRules::none());
    assert_eq!(outcome, JsonOutcome::Done, "{a} {b}");
    assert_eq!(out.dropped, 0);
    !out.list.iter().any(|f| f.tier.counts())
}

/// The text of a case, by its name without an ending.
fn text(case: &Value) -> (String, String) {
    let part = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
    (part("name"), part("repeat").repeat(case["times"].as_u64().unwrap_or(0) as usize) + &part("input"))
}

#[test]
fn what_is_json_and_what_is_not() {
    let mut seen = [0; 3];
    for case in cases("json-test-suite-parsing.json") {
        let (name, text) = text(&case);
        // Read in lockstep, and as trees.
        let alike = compare(&text, &text, &JsonRules::none());
        let other = compare(&text, "{\"an object\": \"of no case\"}", &JsonRules::none()).0;
        let swapped = compare("{\"an object\": \"of no case\"}", &text, &JsonRules::none()).0;
        let accepted = alike.0 == JsonOutcome::Done;
        assert_eq!((other == JsonOutcome::Done, swapped == JsonOutcome::Done), (accepted, accepted), "{name}");
        assert!(alike.1.is_match(), "{name}: {:?}", alike.1);
        match name.split('_').next() {
            Some("y") => assert!(accepted, "{name}: {other:?}"),
            Some("n") => assert!(!accepted, "{name}: {other:?}"),
            _ => {}
        }
        seen[["y", "n", "i"].iter().position(|kind| name.starts_with(kind)).unwrap()] += 1;
    }
    assert_eq!(seen, [95, 188, 35]);
}

#[test]
fn what_parsers_lose_is_kept() {
    let all: Vec<(String, String)> = cases("json-test-suite-transform.json").iter().map(text).collect();
    assert_eq!(all.len(), 22);
    for (name, text) in &all {
        assert!(compare(text, text, &JsonRules::none()).1.is_match(), "{name}");
        // What a parser with one kind of number and well-formed strings makes of it.
        let lossy = match name.as_str() {
            "number_-9223372036854775808" => "[-9223372036854775809]",
            "number_-9223372036854775809" | "number_9223372036854775808" => "[9223372036854775807]",
            "number_9223372036854775807" => "[9223372036854775808]",
            "number_1.0" => "[1.000000000000000005]",
            "number_1.000000000000000005" => "[1.0]",
            "number_1000000000000000" => "[1000000000000000.1]",
            "number_10000000000000000999" => "[10000000000000000000]",
            "number_1e-999" => "[0]",
            "number_1e6" => "[1000001]",
            "object_key_nfc_nfd" => "{\"\u{e9}\":\"NFD\"}",
            "object_key_nfd_nfc" => "{\"\u{e9}\":\"NFC\"}",
            "object_same_key_different_values" => "{\"a\":2}",
            "object_same_key_same_value" => "{\"a\":1}",
            "object_same_key_unclear_values" => "{\"a\":0}",
            "string_1_escaped_invalid_codepoint" => "[\"\u{fffd}\"]",
            "string_2_escaped_invalid_codepoints" => "[\"\u{fffd}\u{fffd}\"]",
            "string_3_escaped_invalid_codepoints" => "[\"\u{fffd}\u{fffd}\u{fffd}\"]",
            "string_1_invalid_codepoint" | "string_2_invalid_codepoints" | "string_3_invalid_codepoints" => "[\"\"]",
            "string_with_escaped_NULL" => "[\"A\"]",
            other => panic!("{other} is new"),
        };
        assert!(!same(text, lossy) && !same(lossy, text), "{name}");
    }
    for (a, b) in [("[1E6]", "[1000000]"), ("[1.0]", "[1]"), ("[\"A\\u0000B\"]", "[\"\\u0041\\u0000B\"]")] {
        assert!(same(a, b), "{a} {b}");
    }
}

/// Elements by position, so that what is found says what to do without moving anything.
fn by_position() -> JsonRules {
    let rule = |id: &str, at: &str| RuleSpec {
        id: id.to_owned(),
        on: "*".to_owned(),
        at: at.to_owned(),
        align: Some(Align::Index),
        ..RuleSpec::default()
    };
    JsonRules::compile(&[(0, &rule("root", "json:$")), (1, &rule("below", "json:$..*"))]).unwrap()
}

/// The document with what was found carried out; `None` where something was moved.
fn carried_out(doc: &Value, found: &Findings) -> Option<Value> {
    let mut changes: Vec<_> = found.list.iter().filter(|f| f.tier != Tier::Repr).collect();
    if found.list.iter().any(|f| f.tier == Tier::Order) {
        return None;
    }
    let steps = |exact: &str| Path::parse(exact.strip_prefix("json:").unwrap()).unwrap().steps;
    // Inside out; at one depth values first, then removals from the back, then additions from the front.
    changes.sort_by_key(|f| {
        let steps = steps(&f.exact);
        let index = match steps.last().map(|s| &s.select) {
            Some(Select::Index(index)) => *index as i64,
            _ => 0,
        };
        let turn = match (&f.primary, &f.candidate) {
            (Some(_), Some(_)) => (0, 0),
            (Some(_), None) => (1, -index),
            (None, _) => (2, index),
        };
        (std::cmp::Reverse(steps.len()), turn)
    });
    let mut built = doc.clone();
    for change in changes {
        let mut at = &mut built;
        let steps = steps(&change.exact);
        let Some((last, way)) = steps.split_last() else {
            built = serde_json::from_str(change.candidate.as_deref()?).unwrap();
            continue;
        };
        for step in way {
            at = match &step.select {
                Select::Name(name) => &mut at[std::str::from_utf8(name).unwrap()],
                Select::Index(index) => &mut at[*index],
                Select::Wild => panic!("{}", change.exact),
            };
        }
        let value = change.candidate.as_deref().map(|text| serde_json::from_str::<Value>(text).unwrap());
        match (&last.select, value) {
            (Select::Name(name), value) => {
                let (name, members) = (std::str::from_utf8(name).unwrap(), at.as_object_mut().unwrap());
                match value {
                    Some(value) => drop(members.insert(name.to_owned(), value)),
                    None => drop(members.remove(name).unwrap()),
                }
            }
            (Select::Index(index), None) => drop(at.as_array_mut().unwrap().remove(*index)),
            (Select::Index(index), Some(value)) if change.primary.is_none() => {
                at.as_array_mut().unwrap().insert(*index, value);
            }
            (Select::Index(index), Some(value)) => at[*index] = value,
            (Select::Wild, _) => panic!("{}", change.exact),
        }
    }
    Some(built)
}

#[test]
fn what_was_patched_is_found_and_can_be_carried_out() {
    let (all, positions) = (cases("json-patch.json"), by_position());
    assert_eq!(all.len(), 62);
    let mut moved = 0;
    for case in &all {
        let (doc, expected, comment) = (&case["doc"], &case["expected"], &case["comment"]);
        let (a, b) = (doc.to_string(), expected.to_string());
        assert!(compare(&b, &b, &JsonRules::none()).1.is_match(), "{comment}");
        assert_eq!(same(&a, &b), doc == expected, "{comment}: {a} {b}");
        let (_, found) = compare(&a, &b, &positions);
        assert_eq!(carried_out(doc, &found).as_ref(), Some(expected), "{comment}: {found:?}");
        match carried_out(doc, &compare(&a, &b, &JsonRules::none()).1) {
            Some(built) => assert_eq!(&built, expected, "{comment}"),
            None => moved += 1,
        }
    }
    assert!(moved < 8, "{moved} of the patches moved something");
}

/// Random numbers enough for documents (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % sides
    }

    fn document(&mut self, depth: u32) -> Value {
        match self.roll(if depth == 0 { 5 } else { 8 }) {
            0 => Value::Null,
            1 => Value::from(self.roll(2) == 0),
            2 => Value::from(self.roll(6) as i64 - 2),
            3 => Value::from(self.roll(40) as f64 / 8.0 + 0.0625),
            4 => Value::from(["", "a", "A", "é", "long enough to be a text"][self.roll(5) as usize]),
            5 => (0..self.roll(5)).map(|_| self.document(depth - 1)).collect(),
            _ => {
                let members = self.roll(5);
                Value::Object((0..members).map(|i| (format!("k{i}"), self.document(depth - 1))).collect())
            }
        }
    }

    /// The same document, or one that differs in one place.
    fn sibling(&mut self, of: &Value) -> Value {
        match of {
            Value::Array(items) if !items.is_empty() && self.roll(4) > 0 => {
                let mut items = items.clone();
                let at = self.roll(items.len() as u64) as usize;
                items[at] = self.sibling(&items[at]);
                items.into()
            }
            Value::Object(members) if !members.is_empty() && self.roll(4) > 0 => {
                let mut members = members.clone();
                let key = members.keys().nth(self.roll(members.len() as u64) as usize).unwrap().clone();
                let value = self.sibling(&members[&key]);
                members.insert(key, value);
                members.into()
            }
            other if self.roll(2) == 0 => other.clone(),
            _ => self.document(1),
        }
    }
}

/// Asks other engines whether documents are equal; how to install and run them is said in oracles/README.md.
#[test]
#[ignore = "needs the engines of tests/oracles: see its README"]
fn other_engines_agree() {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let pairs: Vec<(Value, Value)> = (0..20_000)
        .map(|_| {
            let a = dice.document(4);
            let b = dice.sibling(&a);
            (a, b)
        })
        .collect();
    let lines: String = pairs.iter().map(|(a, b)| format!("{}\n", serde_json::json!([a, b]))).collect();
    let ours: Vec<bool> = pairs.iter().map(|(a, b)| same(&a.to_string(), &b.to_string())).collect();
    let commands = std::env::var("PARALLAX_ORACLES").expect("PARALLAX_ORACLES names the commands, one a line");
    for command in commands.lines().filter(|line| !line.trim().is_empty()) {
        let mut words = command.split_whitespace();
        let mut child = Command::new(words.next().unwrap())
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{command}: {e}"));
        let (mut stdin, lines) = (child.stdin.take().unwrap(), lines.clone());
        let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        let theirs: Vec<bool> = String::from_utf8(output.stdout).unwrap().lines().map(|l| l == "equal").collect();
        assert_eq!(theirs.len(), pairs.len(), "{command}: as many answers as pairs");
        let differ: Vec<_> = (0..pairs.len()).filter(|i| ours[*i] != theirs[*i]).map(|i| &pairs[i]).collect();
        let equal = ours.iter().filter(|e| **e).count();
        println!("{command}: {} of {} pairs agreed, {equal} equal", pairs.len() - differ.len(), pairs.len());
        assert!(differ.is_empty(), "{command}: {:?}", differ.iter().take(5).collect::<Vec<_>>());
    }
}
