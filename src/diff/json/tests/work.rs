//! What comparing costs in the worst case: in proportion to the text, whatever is in it.

use super::*;
use std::cell::Cell;

/// How often the clock was asked, about once for a thousand steps.
fn work(a: &str, b: &str, rules: &JsonRules) -> (usize, JsonOutcome) {
    let asked = Cell::new(0);
    let expired = || {
        asked.set(asked.get() + 1);
        false
    };
    let mut budget = Budget::new(&expired);
    let mut out = Findings::default();
    let outcome = compare(a.as_bytes(), b.as_bytes(), rules, &mut budget, &mut out);
    (asked.get(), outcome)
}

/// Levels of arrays or objects, each with padding before or after what it holds.
fn levels(open: &str, close: &str, leaf: &str) -> String {
    format!("{}{leaf}{}", open.repeat(250), close.repeat(250))
}

#[test]
fn depth_does_not_multiply() {
    let pad = |n: usize| format!("[{}]", vec!["12345678"; n].join(","));
    for n in [50, 400] {
        let pad = pad(n);
        let arrays = |leaf: &str| levels(&format!("[{pad},"), "]", leaf);
        let after = |leaf: &str| levels("[", &format!(",{pad}]"), leaf);
        let objects = |leaf: &str| levels(&format!("{{\"a\":{pad},\"b\":"), "}", leaf);
        let turned = |leaf: &str| levels("{\"b\":", &format!(",\"a\":{pad}}}"), leaf);
        let nodes = 2 * 251 * (n + 3);
        for (a, b, what) in [
            (arrays("1"), arrays("2"), "late"),
            (arrays("1"), arrays("22"), "late and longer"),
            (after("1"), after("2"), "early"),
            (objects("1"), objects("2"), "in objects"),
            (objects("1"), turned("1"), "out of order"),
            (objects("1"), turned("2"), "out of order and late"),
        ] {
            for rules in [JsonRules::none(), rules(&[("$..nowhere", "ignore")])] {
                let (work, outcome) = work(&a, &b, &rules);
                assert_eq!(outcome, JsonOutcome::Done);
                assert!(work < 8 * nodes / 1024 + 8, "{what}: {work} for {nodes} nodes");
            }
        }
    }
}

#[test]
fn long_arrays_of_the_same() {
    let many =
        |first: &str, each: &str, n: usize, last: &str| format!("[{first},{}{last}]", format!("{each},").repeat(n));
    for (a, b, expect) in [
        (many("1", "7", 50_000, "1"), many("1", "7", 49_999, "1"), JsonOutcome::Done),
        (many("1", "7", 50_000, "2"), many("3", "7", 49_990, "4"), JsonOutcome::Done),
        (many("1", "7,8", 25_000, "2"), many("3", "8,7", 25_000, "4"), JsonOutcome::Done),
        (many("1", "7,8,7", 15_000, "2"), many("3", "8,8,7", 15_000, "4"), JsonOutcome::Done),
    ] {
        let (work, outcome) = work(&a, &b, &JsonRules::none());
        assert_eq!(outcome, expect);
        // The alignment's bound is what it may cost at most: a bounded number of looks at each element.
        assert!(work < 4_000, "{work}");
    }
}

#[test]
fn an_alignment_that_takes_too_long_is_ended() {
    let side = |a: &str, b: &str| format!("[{a},{}{b}]", "1,2,3,1,2,2,".repeat(20_000));
    let asked = Cell::new(0);
    let expired = || {
        asked.set(asked.get() + 1);
        asked.get() > 2_000
    };
    let mut budget = Budget::new(&expired);
    let mut out = Findings::default();
    let mixed = side("7", "8").replace("1,2,3,1,2,2,1,2", "2,1,3,1,2,1");
    let outcome = compare(side("5", "6").as_bytes(), mixed.as_bytes(), &JsonRules::none(), &mut budget, &mut out);
    assert!(asked.get() <= 2_001, "{}", asked.get());
    assert!(matches!(outcome, JsonOutcome::Limit("time") | JsonOutcome::Done));
}

#[test]
fn many_names_out_of_order() {
    let member = |i: usize| format!("\"name-{i}\":{{\"b\":1,\"a\":{i}}}");
    let turned = |i: usize| format!("\"name-{i}\":{{\"a\":{i},\"b\":1}}");
    let n = 20_000;
    let a: Vec<String> = (0..n).map(member).collect();
    // Every third first, so that no neighbour helps.
    let order = (0..3).flat_map(|r| (0..n).filter(move |i| i % 3 == r));
    let b: Vec<String> = order.map(turned).collect();
    let (a, b) = (format!("{{{}}}", a.join(",")), format!("{{{}}}", b.join(",")));
    let (work, outcome) = work(&a, &b, &JsonRules::none());
    assert_eq!(outcome, JsonOutcome::Done);
    assert!(work < 1_000, "{work}");
    let found: Vec<String> = diff(&a, &b).iter().map(show).collect();
    assert_eq!(found, ["key_order $.* object", "key_order $ object"]);
}
