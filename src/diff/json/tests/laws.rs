//! What holds for any two documents.

use super::*;
use proptest::prelude::*;
use serde_json::Value;

fn any_json() -> impl Strategy<Value = Value> {
    any_json_of("[a-d]|[0-9]{1,3}|we ird|é'\\PC")
}

fn any_leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-5i64..5).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // Quarters: serde_json reads other fractions a step off now and then.
        (-4000i32..4000).prop_map(|q| Value::from(f64::from(q) / 4.0)),
        "[a-cA-C ]{0,4}|\\PC{0,4}".prop_map(Value::from),
    ]
}

fn any_json_of(key: &'static str) -> impl Strategy<Value = Value> {
    any_leaf().prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(key, inner, 0..5).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

/// The same document written otherwise: white space, members in reverse, escapes.
fn rewrite(value: &Value, out: &mut String) {
    let quoted = |text: &str, out: &mut String| {
        out.push('"');
        for unit in text.encode_utf16() {
            out.push_str(&format!("\\u{unit:04X}"));
        }
        out.push('"');
    };
    match value {
        Value::Array(items) => {
            out.push_str("[ ");
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { " ,\n" });
                rewrite(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (i, (key, item)) in members.iter().rev().enumerate() {
                out.push_str(if i == 0 { "" } else { "\t,\r" });
                quoted(key, out);
                out.push_str(" : ");
                rewrite(item, out);
            }
            out.push('}');
        }
        Value::String(text) => quoted(text, out),
        Value::Number(n) if n.is_i64() => out.push_str(&format!("{n}.0e0")),
        other => out.push_str(&other.to_string()),
    }
}

/// The same document with its members out of order and white space here and there, as `turns` has it.
fn shuffled(value: &Value, turns: &mut impl Iterator<Item = u8>, out: &mut String) {
    let mut turn = || turns.next().unwrap_or(0);
    out.push_str(["", " ", "\n\t"][usize::from(turn()) % 3]);
    match value {
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                shuffled(item, turns, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            for i in (1..members.len()).rev() {
                members.swap(i, usize::from(turn()) % (i + 1));
            }
            out.push('{');
            for (i, (key, item)) in members.into_iter().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push_str([":", " : "][i % 2]);
                shuffled(item, turns, out);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
    out.push_str(["", " "][usize::from(turns.next().unwrap_or(0)) % 2]);
}

/// What the lockstep says and what the trees say, where it says anything.
fn both_ways(a: &str, b: &str) -> Option<(Vec<Finding>, Vec<Finding>)> {
    both_ways_under(a, b, &JsonRules::none())
}

fn both_ways_under(a: &str, b: &str, rules: &JsonRules) -> Option<(Vec<Finding>, Vec<Finding>)> {
    let options = Options::default();
    let fast = lockstep::compare(a.as_bytes(), b.as_bytes(), rules, &options, &mut Budget::new(&never))?;
    let mut slow = Findings::default();
    let sides = ((a.as_bytes(), true), (b.as_bytes(), true));
    let mut budget = Budget::new(&never);
    let outcome = trees(sides.0, sides.1, rules, &mut budget, &mut Session::default(), &options, &mut slow);
    assert_eq!(outcome, JsonOutcome::Done);
    assert_eq!(fast.dropped, slow.dropped);
    Some((fast.list, slow.list))
}

fn leaves(value: &mut Value) -> Vec<&mut Value> {
    match value {
        Value::Array(items) => items.iter_mut().flat_map(leaves).collect(),
        Value::Object(members) => members.values_mut().flat_map(leaves).collect(),
        leaf => vec![leaf],
    }
}

fn mirrored(kind: &str) -> &str {
    match kind {
        "json.missing" => "json.extra",
        "json.extra" => "json.missing",
        "json.item_missing" => "json.item_extra",
        "json.item_extra" => "json.item_missing",
        other => other,
    }
}

/// RFC 6902 operations from findings; `None` where order was changed.
fn patch(findings: &[Finding]) -> Option<json_patch::Patch> {
    let mut ops: Vec<(usize, u8, i64, Value)> = Vec::new();
    for f in findings.iter().filter(|f| f.tier != Tier::Repr) {
        if f.tier == Tier::Order {
            return None;
        }
        let path = Path::parse(f.exact.strip_prefix("json:").unwrap()).unwrap();
        let (mut pointer, mut last) = (String::new(), 0);
        for step in &path.steps {
            pointer.push('/');
            match &step.select {
                Select::Name(name) => {
                    pointer.push_str(&String::from_utf8_lossy(name).replace('~', "~0").replace('/', "~1"));
                }
                Select::Index(i) => {
                    last = *i as i64;
                    pointer.push_str(&i.to_string());
                }
                Select::Wild => panic!("{}", f.exact),
            }
        }
        let value = |text: &Option<String>| serde_json::from_str::<Value>(text.as_deref().unwrap()).unwrap();
        // Inside out; at one depth values first, then removals from the back, then additions from the front.
        let depth = usize::MAX - path.steps.len();
        ops.push(match (&f.primary, &f.candidate) {
            (Some(_), Some(_)) => {
                (depth, 0, 0, serde_json::json!({"op": "replace", "path": pointer, "value": value(&f.candidate)}))
            }
            (Some(_), None) => (depth, 1, -last, serde_json::json!({"op": "remove", "path": pointer})),
            (None, _) => {
                (depth, 2, last, serde_json::json!({"op": "add", "path": pointer, "value": value(&f.candidate)}))
            }
        });
    }
    ops.sort_by_key(|(depth, what, at, _)| (*depth, *what, *at));
    serde_json::from_value(Value::from(ops.into_iter().map(|o| o.3).collect::<Vec<_>>())).ok()
}

/// With every number written one way: 2 and 2.0 are one value.
fn exact(value: &Value) -> Value {
    match value {
        Value::Number(n) => match n.as_f64() {
            Some(f) if f.fract() == 0.0 && f.abs() < 1e15 => Value::from(f as i64),
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(exact).collect(),
        Value::Object(members) => members.iter().map(|(k, v)| (k.clone(), exact(v))).collect(),
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn nothing_differs_from_itself(x in any_json()) {
        let text = x.to_string();
        prop_assert_eq!(diff(&text, &text), vec![]);
        prop_assert_eq!(diff(&text, &x.to_string()), vec![]);
    }

    #[test]
    fn other_writing_is_representation(x in any_json()) {
        let mut other = String::new();
        rewrite(&x, &mut other);
        let text = x.to_string();
        let found = diff(&text, &other);
        prop_assert!(found.iter().all(|f| f.tier == Tier::Repr), "{:?}", found);
        prop_assert_eq!(found.is_empty(), text == other);
    }

    #[test]
    fn members_out_of_order_are_read_in_lockstep(x in any_json(), turns in proptest::collection::vec(any::<u8>(), 0..80)) {
        let (a, mut b) = (x.to_string(), String::new());
        prop_assume!(!a.contains('\\'));
        shuffled(&x, &mut turns.into_iter(), &mut b);
        let (fast, slow) = both_ways(&a, &b).ok_or_else(|| TestCaseError::fail(format!("{a} {b}")))?;
        prop_assert_eq!(fast, slow);
        let found = diff(&a, &b);
        prop_assert!(found.iter().all(|f| matches!(&*f.kind, "json.key_order" | "json.whitespace")), "{:?}", found);
        prop_assert_eq!(found.is_empty(), a == b);
    }

    #[test]
    fn what_the_lockstep_takes_for_the_same_is_the_same(
        a in "\\{(\"([ab]|\\\\u0061)\":[01],?){0,4}\\}",
        b in "\\{(\"([ab]|\\\\u0061)\":[01],?){0,4}\\}",
    ) {
        if let Some((fast, slow)) = both_ways(&a, &b) {
            prop_assert_eq!(fast, slow, "{} {}", a, b);
        }
    }

    #[test]
    fn a_changed_leaf_is_told_in_lockstep(
        x in any_json(),
        at in any::<prop::sample::Index>(),
        with in any_leaf(),
        space in "[ \n]{0,3}",
    ) {
        let mut y = x.clone();
        let mut all = leaves(&mut y);
        prop_assume!(!all.is_empty());
        let leaf = at.index(all.len());
        // 2 and 2.0 are one value in two notations, which the trees tell.
        prop_assume!(exact(all[leaf]) != exact(&with));
        *all[leaf] = with;
        let (a, b) = (x.to_string(), format!("{space}{y}{space}"));
        let (fast, slow) = both_ways(&a, &b).ok_or_else(|| TestCaseError::fail(format!("{a} {b}")))?;
        prop_assert_eq!(fast.len(), 1);
        prop_assert_eq!(fast, slow, "{} {}", a, b);
    }

    #[test]
    fn changed_leaves_are_told_alike_where_the_lockstep_tells_them(
        x in any_json_of("[a-c]|[a-z]?[0-9]"),
        wide in 0usize..90,
        change in proptest::collection::vec((any::<prop::sample::Index>(), any_leaf()), 1..5),
    ) {
        // Names that a person would not have chosen, so many that they share a location.
        let x = Value::from(vec![x, (0..wide).map(|i| (format!("k{i}"), Value::from(i))).collect()]);
        let mut y = x.clone();
        for (at, with) in &change {
            let mut all = leaves(&mut y);
            if !all.is_empty() {
                let leaf = at.index(all.len());
                *all[leaf] = with.clone();
            }
        }
        let rules = rules(&[("$[0].a", "ignore"), ("$[1].k3", "ignore"), ("$[0].b[*]", "set"), ("$..c", "relative=1e-1")]);
        for rules in [JsonRules::none(), rules] {
            for (a, b) in [(&x, &y), (&y, &x)] {
                if let Some((fast, slow)) = both_ways_under(&a.to_string(), &b.to_string(), &rules) {
                    prop_assert_eq!(fast, slow, "{} {}", a, b);
                }
            }
        }
    }

    #[test]
    fn repeated_names_are_told_alike_where_the_lockstep_tells_them(
        a in "\\{(\"([ab]|\\\\u0061)\":([01]|\\{\"([ab]|\\\\u0061)\":[01],\"a\":1\\}),){0,3}\"b\":[01]\\}",
        turn in any::<prop::sample::Index>(),
    ) {
        let figures: Vec<usize> = a.char_indices().filter(|(i, c)| "01".contains(*c) && &a[i - 1..*i] == ":").map(|(i, _)| i).collect();
        let (mut b, at) = (a.clone(), figures[turn.index(figures.len())]);
        b.replace_range(at..at + 1, "7");
        if let Some((fast, slow)) = both_ways(&a, &b) {
            prop_assert_eq!(fast, slow, "{} {}", a, b);
        }
    }

    #[test]
    fn a_changed_byte_is_seen_by_the_lockstep(
        x in any_json(),
        turns in proptest::collection::vec(any::<u8>(), 0..80),
        at in any::<prop::sample::Index>(),
        with in "[\\[\\]{},:\"\\\\ 0a]?",
    ) {
        let (a, mut b) = (x.to_string(), String::new());
        shuffled(&x, &mut turns.into_iter(), &mut b);
        let mut i = at.index(b.len());
        while !b.is_char_boundary(i) {
            i -= 1;
        }
        let end = i + b[i..].chars().next().map_or(0, char::len_utf8);
        b.replace_range(i..end, &with);
        for (a, b) in [(&a, &b), (&b, &a)] {
            if let Some((fast, slow)) = both_ways(a, b) {
                prop_assert_eq!(fast, slow, "{} {}", a, b);
            }
        }
    }

    #[test]
    fn swapping_sides_mirrors(x in any_json(), y in any_json()) {
        let (a, b) = (x.to_string(), y.to_string());
        let sorted = |findings: Vec<Finding>, swap: bool| {
            let mut all: Vec<_> = findings
                .into_iter()
                .map(|f| {
                    let (p, c) = (f.primary_class.to_string(), f.candidate_class.to_string());
                    let kind = if swap { mirrored(&f.kind).to_owned() } else { f.kind.to_string() };
                    (kind, f.location.to_string(), if swap { (c, p) } else { (p, c) })
                })
                .collect();
            all.sort();
            all
        };
        prop_assert_eq!(sorted(diff(&a, &b), false), sorted(diff(&b, &a), true));
    }

    #[test]
    fn a_changed_leaf_counts(x in any_json(), at in any::<prop::sample::Index>()) {
        let mut y = x.clone();
        let mut all = leaves(&mut y);
        prop_assume!(!all.is_empty());
        let leaf = at.get_mut(&mut all);
        **leaf = if leaf.is_string() { Value::from(12345) } else { Value::from("changed") };
        let found = diff(&x.to_string(), &y.to_string());
        prop_assert!(found.iter().any(Finding::counts), "{} {}", x, y);
    }

    #[test]
    fn different_means_found_and_equal_means_not(x in any_json(), y in any_json()) {
        let found = diff(&x.to_string(), &y.to_string());
        prop_assert_eq!(found.iter().any(Finding::counts), exact(&x) != exact(&y), "{} {} {:?}", x, y, found);
    }

    #[test]
    fn applying_the_findings_turns_one_into_the_other(x in any_json(), y in any_json()) {
        let found = diff(&x.to_string(), &y.to_string());
        let whole = |text: &Option<String>| text.as_ref().is_none_or(|t| t.len() < 200);
        prop_assume!(found.iter().all(|f| whole(&f.candidate)));
        if let Some(patch) = patch(&found) {
            let mut built = x.clone();
            json_patch::patch(&mut built, &patch).map_err(|e| TestCaseError::fail(format!("{x} {y} {e}")))?;
            prop_assert_eq!(exact(&built), exact(&y));
        }
    }

    #[test]
    fn an_ignored_place_is_always_covered(x in any_json(), y in any_json()) {
        let wrap = |v: &Value| serde_json::json!({"a": v, "b": 1}).to_string();
        let (outcome, out) = run(&wrap(&x), &wrap(&y), &rules(&[("$.a", "ignore")]), &Options::default());
        prop_assert_eq!(outcome, JsonOutcome::Done);
        prop_assert!(!out.list.iter().any(Finding::counts), "{:?}", out.list);
        prop_assert!(!out.list.iter().any(|f| f.tier.counts() && &*f.location != "json:$.a"), "{:?}", out.list);
        prop_assert_eq!(out.is_match(), x == y && wrap(&x) == wrap(&y));
    }

    /// Elements by position: what is ignored has no say in how others are paired.
    #[test]
    fn an_ignored_place_takes_its_findings_and_no_other(
        x in any_json_of("[a-d]"),
        y in any_json_of("[a-d]"),
        at in any::<prop::sample::Index>(),
    ) {
        let (a, b) = (x.to_string(), y.to_string());
        let counting = |entries: &[(&str, &str)]| {
            let (_, out) = run(&a, &b, &rules(entries), &Options::default());
            let all = out.list.into_iter().filter(Finding::counts).map(|f| (f.kind, f.location, f.exact));
            (all.collect::<Vec<_>>(), out.dropped)
        };
        let positions = [("$", "index"), ("$..*", "index")];
        let (before, dropped) = counting(&positions);
        prop_assume!(!before.is_empty() && dropped == 0);
        let place = at.get(&before).1.clone();
        let path = place.strip_prefix("json:").unwrap();
        let (after, _) = counting(&[positions[0], positions[1], (path, "ignore")]);
        // In a rule `[*]` stands for every member too.
        let steps = |location: &str| location.replace('[', ".[").split('.').map(str::to_owned).collect::<Vec<_>>();
        let ignored = steps(&place);
        let inside = |location: &str| {
            let steps = steps(location);
            steps.len() >= ignored.len() && ignored.iter().zip(&steps).all(|(any, step)| any == step || any == "[*]")
        };
        let expect: Vec<_> = before.into_iter().filter(|(_, location, _)| !inside(location)).collect();
        prop_assert_eq!(after, expect, "{} {} {}", a, b, path);
    }

    #[test]
    fn what_is_printed_can_be_pasted(x in any_json(), y in any_json()) {
        let (a, b) = (x.to_string(), y.to_string());
        let found = diff(&a, &b);
        let entries: Vec<(&str, &str)> =
            found.iter().map(|f| (f.location.strip_prefix("json:").unwrap(), "ignore")).collect();
        let (_, out) = run(&a, &b, &rules(&entries), &Options::default());
        prop_assert!(!out.list.iter().any(Finding::counts), "{:?}", out.list);
    }

    #[test]
    fn valid_is_what_serde_json_takes(text in "[\\[\\]{},:\"\\\\ \ntruefalsn0-9.eE+u\\-]{0,24}") {
        let ours = matches!(run(&text, "0", &JsonRules::none(), &Options::default()).0, JsonOutcome::Done);
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        prop_assert_eq!(ours, theirs, "{}", text);
    }

    #[test]
    fn nearly_valid_too(x in any_json(), at in any::<prop::sample::Index>(), with in "[\\[\\]{},:\"\\\\ 0e.-]?") {
        let mut text = x.to_string();
        let mut i = at.index(text.len());
        while !text.is_char_boundary(i) {
            i -= 1;
        }
        let end = i + text[i..].chars().next().map_or(0, char::len_utf8);
        text.replace_range(i..end, &with);
        let ours = matches!(run(&text, "0", &JsonRules::none(), &Options::default()).0, JsonOutcome::Done);
        prop_assert_eq!(ours, serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok(), "{}", text);
    }

    #[test]
    fn a_tree_made_from_another_is_the_one_that_is_read(
        x in any_json(),
        scalars in proptest::collection::vec((any::<prop::sample::Index>(), "null|0|[1-9][0-9]{0,2}|\"[ab]{0,3}\""), 1..4),
        at in any::<prop::sample::Index>(),
        with in "[\\[\\]{},:\"\\\\ 0e.-]?",
    ) {
        let text = x.to_string();
        let tree = Tree::build(text.as_bytes(), &mut Budget::new(&never)).unwrap();
        let same = |other: &str| -> Result<bool, TestCaseError> {
            let read = Tree::build(other.as_bytes(), &mut Budget::new(&never));
            let made = tree.with_other_scalars(other.as_bytes(), &mut Budget::new(&never)).unwrap();
            if let Some(made) = &made {
                prop_assert_eq!(&made.nodes, &read.unwrap().nodes, "{} and {}", text, other);
            }
            Ok(made.is_some())
        };
        // Whatever else a text becomes, it is read anew or the same comes of it.
        let mut broken = text.clone();
        let mut i = at.index(text.len());
        while !text.is_char_boundary(i) {
            i -= 1;
        }
        let end = i + text[i..].chars().next().map_or(0, char::len_utf8);
        broken.replace_range(i..end, &with);
        same(&broken)?;

        let mut other = x.clone();
        let count = leaves(&mut other).len();
        prop_assume!(count > 0);
        for (at, scalar) in scalars {
            if let Some(leaf) = leaves(&mut other).into_iter().nth(at.index(count)) {
                *leaf = serde_json::from_str(&scalar).unwrap();
            }
        }
        prop_assert!(same(&other.to_string())?, "{} and {}", text, other);
    }

    #[test]
    fn random_bytes_never_panic(
        a in proptest::collection::vec(any::<u8>(), 0..60),
        b in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut out = Findings::default();
        compare(&a, &b, &JsonRules::none(), &mut Budget::new(&never), &mut out);
    }
}
