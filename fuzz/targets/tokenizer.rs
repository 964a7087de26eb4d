//! Bytes that may be JSON: what we take for JSON is what the grammar takes, and anything equals itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parallax::diff::Findings;
use parallax::diff::budget::Budget;
use parallax::diff::json::{JsonOutcome, JsonRules, compare};

fuzz_target!(|bytes: &[u8]| {
    let never = || false;
    let run = |a: &[u8], b: &[u8]| {
        let (mut budget, mut found) = (Budget::new(&never), Findings::default());
        (compare(a, b, &JsonRules::none(), &mut budget, &mut found), found)
    };
    let (outcome, found) = run(bytes, bytes);
    // It reads the grammar only, no values: numbers of any size, escapes of any surrogates.
    let grammatical =
        std::str::from_utf8(bytes).is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
    match outcome {
        JsonOutcome::Done => assert!(found.is_match()),
        JsonOutcome::Limit(_) => {}
        JsonOutcome::NotJson { .. } => assert!(!grammatical),
    }
    // serde_json refuses nesting from 128 on.
    let deep = bytes.iter().filter(|b| matches!(b, b'[' | b'{')).count() >= 127;
    assert!(grammatical || deep || !matches!(outcome, JsonOutcome::Done));

    // The same with another beginning: through the trees.
    if grammatical && !deep {
        let (a, b) = ([b"[0,", bytes, b"]"].concat(), [b"[1 ,", bytes, b"]"].concat());
        let (outcome, found) = run(&a, &b);
        assert_eq!(outcome, JsonOutcome::Done);
        assert_eq!(found.list.len(), 1, "{found:?}");
        assert_eq!((&*found.list[0].kind, &*found.list[0].exact), ("json.value", "json:$[0]"));
    }
});
