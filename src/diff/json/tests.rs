//! Small cases, by question: what differs, how arrays are paired, what rules excuse, where limits end the work.

mod keys;
mod laws;
mod pairing;
mod values;
mod work;

use super::super::finding::{Cover, Finding, MAX_FINDINGS, Tier};
use super::super::path::{Path, Select};
use super::super::spec::{Align, Ignore, Mask, RuleSpec, Shape, Tolerance};
use super::*;

fn never() -> bool {
    false
}

/// One rule per entry: a path and `ignore`, `ignore=missing`, `set`, `key=a,b`, `shape=uuid`, `relative=1e-9`, ...
fn rules(entries: &[(&str, &str)]) -> JsonRules {
    let specs: Vec<RuleSpec> = entries
        .iter()
        .enumerate()
        .map(|(i, (at, what))| {
            let mut spec =
                RuleSpec { id: format!("r{i}"), on: "*".into(), at: format!("json:{at}"), ..RuleSpec::default() };
            let list = |v: &str| v.split(',').map(str::to_owned).collect::<Vec<_>>();
            match what.split_once('=').unwrap_or((what, "")) {
                ("ignore", "") => spec.ignore = Some(Ignore::All),
                ("ignore", "missing") => spec.ignore = Some(Ignore::Missing),
                ("ignore", "extra") => spec.ignore = Some(Ignore::Extra),
                ("ignore", "value") => spec.ignore = Some(Ignore::Value),
                ("ignore", "order") => spec.ignore = Some(Ignore::Order),
                ("index", _) => spec.align = Some(Align::Index),
                ("set", _) => spec.align = Some(Align::Set),
                ("multiset", _) => spec.align = Some(Align::Multiset),
                ("auto", _) => spec.align = Some(Align::Auto),
                ("key", v) => spec.align = Some(Align::Key(list(v))),
                ("shape", v) => spec.shape = Some(Shape::Class(v.into())),
                ("relative", v) => {
                    spec.tolerance = Some(Tolerance { relative: v.parse().ok(), ..Tolerance::default() });
                }
                ("absolute", v) => {
                    spec.tolerance = Some(Tolerance { absolute: v.parse().ok(), ..Tolerance::default() });
                }
                ("numeric", _) => spec.numeric_string = true,
                ("same", v) => spec.same = vec![list(v)],
                ("mask", v) => spec.mask = Some(Mask { pattern: v.into(), with: String::new() }),
                ("bijection", v) => spec.bijection = Some(v.into()),
                other => panic!("{other:?}"),
            }
            spec
        })
        .collect();
    let indexed: Vec<(usize, &RuleSpec)> = specs.iter().enumerate().collect();
    JsonRules::compile(&indexed).unwrap()
}

fn run(a: &str, b: &str, rules: &JsonRules, options: &Options<'_>) -> (JsonOutcome, Findings) {
    let mut out = Findings::default();
    let mut budget = Budget::new(&never);
    let mut session = Session::default();
    let outcome = compare_with(a.as_bytes(), b.as_bytes(), rules, &mut budget, &mut session, options, &mut out);
    (outcome, out)
}

fn diff(a: &str, b: &str) -> Vec<Finding> {
    let (outcome, out) = run(a, b, &JsonRules::none(), &Options::default());
    assert_eq!(outcome, JsonOutcome::Done, "{a} {b}");
    out.list
}

/// `kind location classes`, the classes once where they are the same, `[rule]` where covered.
fn show(f: &Finding) -> String {
    let classes = if f.primary_class == f.candidate_class {
        f.primary_class.to_string()
    } else {
        format!("{}>{}", f.primary_class, f.candidate_class)
    };
    let cover = match &f.cover {
        Some(Cover::Rule(id)) => format!(" [{id}]"),
        None => String::new(),
    };
    let location = f.location.strip_prefix("json:").unwrap();
    format!("{} {location} {classes}{cover}", f.kind.strip_prefix("json.").unwrap())
}

#[track_caller]
fn check(a: &str, b: &str, entries: &[(&str, &str)], expect: &[&str]) {
    let (outcome, out) = run(a, b, &rules(entries), &Options::default());
    assert_eq!(outcome, JsonOutcome::Done, "{a} {b}");
    let got: Vec<String> = out.list.iter().map(show).collect();
    assert_eq!(got, expect, "{a} | {b} | {entries:?}");
}

#[test]
fn values() {
    let n = &[];
    check("1", "1", n, &[]);
    check(r#"{"a":1}"#, r#"{"a":2}"#, n, &["value $.a number:large"]);
    check(r#"{"a":1}"#, r#"{"a":-1}"#, n, &["value $.a number:sign"]);
    check("[0.1]", "[0.10000000000000002]", n, &["value $[*] number:ulp"]);
    check("9007199254740993", "9007199254740992", n, &["value $ number:small"]);
    check(r#"{"a":"x"}"#, r#"{"a":"X"}"#, n, &["value $.a string:case"]);
    check(r#"{"a":"x y"}"#, r#"{"a":"xy"}"#, n, &["value $.a string:space"]);
    check(r#"{"a":"1.5"}"#, r#"{"a":"1.6"}"#, n, &["value $.a string:numeric"]);
    check(r#"{"a":true}"#, r#"{"a":false}"#, n, &["value $.a bool"]);
    check(r#"{"a":"\ud800"}"#, r#"{"a":"\ud801"}"#, n, &["value $.a string:other"]);
    check(r#"{"we ird":{"42":1}}"#, r#"{"we ird":{"42":2}}"#, n, &["value $['we ird'].* number:large"]);
}

#[test]
fn types_and_absence() {
    let n = &[];
    check(r#"{"a":1}"#, r#"{"a":"1"}"#, n, &["type $.a number>string"]);
    check(r#"{"a":{}}"#, r#"{"a":[1]}"#, n, &["type $.a object>array"]);
    check(r#"{"a":null}"#, r#"{"a":{"b":1}}"#, n, &["type $.a null>object"]);
    check(r#"{"a":1,"b":{"c":[1,2]}}"#, r#"{"a":1}"#, n, &["missing $.b object>missing"]);
    check(r#"{}"#, r#"{"b":{"c":[1,2]}}"#, n, &["extra $.b missing>object"]);
    check(r#"{"a":null}"#, "{}", n, &["null_vs_missing $.a null>missing"]);
    check("{}", r#"{"a":null}"#, n, &["null_vs_missing $.a missing>null"]);
    check(r#"{"a":""}"#, "{}", n, &["empty_vs_missing $.a empty>missing"]);
    check("{}", r#"{"a":[]}"#, n, &["empty_vs_missing $.a missing>empty"]);
    check(r#"{"a":null}"#, r#"{"a":""}"#, n, &["null_vs_empty $.a null>empty"]);
    check(r#"{"a":{}}"#, r#"{"a":null}"#, n, &["null_vs_empty $.a empty>null"]);
    check(r#"{"a":{}}"#, r#"{"a":[]}"#, n, &["type $.a object>array"]);
}

#[test]
fn other_text_same_value() {
    let n = &[];
    check(r#"{"a": 1}"#, "{\n\"a\":1}\n", n, &["whitespace $ object"]);
    check("[1,1]", "[1.0,1e0]", n, &["number_repr $[*] int>decimal"]);
    check("-0", "0", n, &["number_repr $ int"]);
    check(r#"["é"]"#, r#"["\u00e9"]"#, n, &["escape $[*] string"]);
    check(r#"{"é":1}"#, r#"{"\u00e9":1}"#, n, &["escape $.é object"]);
    check(r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#, n, &["key_order $ object"]);
    check(r#"{"a":1,"x":0,"b":2}"#, r#"{"a":1,"b":2}"#, n, &["missing $.x number>missing"]);
    check(r#"[{"a":1,"b":2},{"a":1,"b":2}]"#, r#"[{"b":2,"a":1},{"b":2,"a":1}]"#, n, &["key_order $[*] object"]);
    check(r#"{"a":1,"a":2}"#, r#"{"a":2}"#, n, &["duplicate_key $.a repeated>single"]);
    check(r#"{"a":1,"a":2}"#, r#"{"a":3,"a":2}"#, n, &["duplicate_key $.a repeated"]);
    check(r#"{"a":1,"a":2}"#, r#"{"a":1, "a":2}"#, n, &["whitespace $ object"]);
    check(r#"{"a":1,"a":2}"#, r#"{"a":1,"a":3}"#, n, &["value $.a number:large"]);
}

#[test]
fn arrays() {
    let n = &[];
    check("[1,2,3]", "[1,3]", n, &["item_missing $[*] number>missing"]);
    check("[1,3]", "[1,2,3]", n, &["item_extra $[*] missing>number"]);
    check("[1,2,3]", "[3,1,2]", n, &["order $ array"]);
    check(r#"{"a":[1,2,3,4]}"#, r#"{"a":[1,2,9,4]}"#, n, &["value $.a[*] number:large"]);
    check("[1,2,3,4,5]", "[2,3,4,1,9]", n, &["moved $[*] number", "value $[*] number:large"]);
    check(
        r#"[{"id":1,"v":1,"w":1},{"id":2,"v":2,"w":2}]"#,
        r#"[{"id":0,"v":0,"w":0},{"id":1,"v":1,"w":7},{"id":2,"v":2,"w":2}]"#,
        n,
        &["value $[*].w number:large", "item_extra $[*] missing>object"],
    );
    check("[1,null]", "[1]", n, &["item_missing $[*] null>missing"]);
    check("[[1,2],[3]]", "[[2,1],[3]]", n, &["order $[*] array"]);
    check("[]", "[[]]", n, &["item_extra $[*] missing>array"]);
    check("[1,1,2]", "[1,2,2]", n, &["value $[*] number:large"]);
}

#[test]
fn ways_to_align() {
    let (a, b) = ("[1,2,3]", "[2,3]");
    check(
        a,
        b,
        &[("$", "index")],
        &["value $[*] number:large", "value $[*] number:large", "item_missing $[*] number>missing"],
    );
    check("[1,2,3]", "[3,2,1]", &[("$", "set")], &["order $ array [r0]"]);
    check(
        "[1,2,3]",
        "[3,2,4]",
        &[("$", "multiset")],
        &["order $ array [r0]", "item_missing $[*] number>missing", "item_extra $[*] missing>number"],
    );
    check("[1,1,2]", "[1,2]", &[("$", "set")], &["order $ array [r0]"]);
    check("[1,1,2]", "[1,2]", &[("$", "multiset")], &["item_missing $[*] number>missing"]);
    check("[1,2,3]", "[3,2,1]", &[("$", "ignore=order")], &["order $ array [r0]"]);
    check(
        r#"[["t1",5],["t2",6]]"#,
        r#"[["t0",4],["t2",7]]"#,
        &[("$", "key=[0]")],
        &["item_missing $[*] array>missing", "value $[*][*] number:large", "item_extra $[*] missing>array"],
    );
    check(
        r#"[{"m":{"x":1},"v":1},{"m":{"x":2},"v":2}]"#,
        r#"[{"m":{"x":2.0},"v":2},{"v":3,"m":{"x":1}}]"#,
        &[("$", "key=m"), ("$", "ignore=order")],
        &[
            "order $ array [r1]",
            "value $[*].v number:large",
            "key_order $[*] object",
            "number_repr $[*].m.x int>decimal",
        ],
    );
    check(
        r#"[{"a":[1,2]},{"a":[3]}]"#,
        r#"[{"a":[2,1]},{"a":[3]}]"#,
        &[("$[*].a", "set")],
        &["order $[*].a array [r0]"],
    );
}

#[test]
fn rules_excuse() {
    check(
        r#"{"a":1,"b":1}"#,
        r#"{"a":2,"b":2}"#,
        &[("$.a", "ignore")],
        &["value $.a number:large [r0]", "value $.b number:large"],
    );
    check(r#"{"a":{"b":1,"c":2}}"#, r#"{"a":{"b":2}}"#, &[("$.a", "ignore")], &["value $.a object [r0]"]);
    check(r#"{"a":1}"#, "{}", &[("$.a", "ignore=missing")], &["missing $.a number>missing [r0]"]);
    check("{}", r#"{"a":1}"#, &[("$.a", "ignore=missing")], &["extra $.a missing>number"]);
    check("{}", r#"{"a":1}"#, &[("$..a", "ignore=extra")], &["extra $.a missing>number [r0]"]);
    check(r#"{"a":1}"#, r#"{"a":"1"}"#, &[("$.*", "ignore=value")], &["type $.a number>string [r0]"]);
    check(
        "[100,100]",
        "[100.001,120]",
        &[("$[*]", "relative=0.01")],
        &["value $[*] number:large [r0]", "value $[*] number:large"],
    );
    check("[1,5]", "[1,7]", &[("$[1]", "absolute=2")], &["value $[*] number:large [r0]"]);
    check(r#"{"p":"1.50"}"#, r#"{"p":"1.5"}"#, &[("$.p", "numeric")], &["value $.p string:numeric [r0]"]);
    check(r#"{"a":null}"#, "{}", &[("$.a", "same=null,missing")], &["null_vs_missing $.a null>missing [r0]"]);
    check(r#"{"a":400}"#, r#"{"a":422}"#, &[("$.a", "same=400,422")], &["value $.a number:large [r0]"]);
    check(
        r#"{"u":"http://h-1/x"}"#,
        r#"{"u":"http://h-22/x"}"#,
        &[("$.u", "mask=h-[0-9]+")],
        &["value $.u string:url_origin [r0]"],
    );
    let (x, y) = ("1b4e28ba-2fa1-11d2-883f-0016d3cca427", "2b4e28ba-2fa1-11d2-883f-0016d3cca427");
    let one = |v: &str| format!(r#"{{"q":[{{"id":"{v}"}}]}}"#);
    check(&one(x), &one(y), &[("$..id", "shape=uuid")], &["value $.q[*].id string:other [r0]"]);
    check(&one(x), r#"{"q":[{"id":null}]}"#, &[("$..id", "shape=uuid")], &["type $.q[*].id string>null"]);
    check(
        r#"{"a":[1,2,3]}"#,
        r#"{"a":[1,2]}"#,
        &[("$.a[*]", "ignore=missing")],
        &["item_missing $.a[*] number>missing [r0]"],
    );
    check(
        r#"[{"id":1,"t":1,"v":"a"}]"#,
        r#"[{"id":9,"t":9,"v":"z"},{"id":1,"t":5,"v":"b"}]"#,
        &[("$[*].t", "ignore")],
        &["value $[*].t number:large [r0]", "value $[*].v string:other", "item_extra $[*] missing>object"],
    );
    // Ignored members do not keep elements from being paired.
    check(
        r#"[{"id":1,"v":"a"},{"id":2,"v":"b"}]"#,
        r#"[{"id":7,"v":"b"},{"id":8,"v":"a"}]"#,
        &[("$[*].id", "ignore")],
        &["order $ array", "value $[*].id number:large [r0]", "value $[*].id number:large [r0]"],
    );
}

#[test]
fn the_narrower_rule_wins_and_the_later_of_equals() {
    check(r#"{"a":1}"#, r#"{"a":2}"#, &[("$.a", "absolute=0.5"), ("$..a", "absolute=9")], &["value $.a number:large"]);
    check(r#"{"a":1}"#, r#"{"a":2}"#, &[("$..a", "absolute=9"), ("$.a", "absolute=0.5")], &["value $.a number:large"]);
    check(
        r#"{"a":1}"#,
        r#"{"a":2}"#,
        &[("$.a", "absolute=0.5"), ("$.a", "absolute=9")],
        &["value $.a number:large [r1]"],
    );
    // Per property: the tolerance of one, the other's `same`.
    check(
        r#"{"a":1}"#,
        "{}",
        &[("$..a", "same=1,missing"), ("$.a", "absolute=9")],
        &["missing $.a number>missing [r0]"],
    );
}

#[test]
fn renames_are_one_to_one() {
    let rule = &[("$..n", "bijection=g")];
    check(
        r#"[{"n":"a"},{"n":"b"},{"n":"a"}]"#,
        r#"[{"n":"x"},{"n":"y"},{"n":"x"}]"#,
        rule,
        &["value $[*].n string:other [r0]", "value $[*].n string:other [r0]", "value $[*].n string:other [r0]"],
    );
    check(
        r#"[{"n":"a"},{"n":"b"},{"n":"a"}]"#,
        r#"[{"n":"x"},{"n":"y"},{"n":"y"}]"#,
        rule,
        &["value $[*].n string:other [r0]", "value $[*].n string:other [r0]", "value $[*].n string:other"],
    );
    check(r#"[{"n":"a"},{"n":"b"}]"#, r#"[{"n":"a"},{"n":"a"}]"#, rule, &["value $[*].n string:other"]);
    // A number is the same however it is written, and the one that a string says.
    let repr = "number_repr $.a int>decimal";
    check(r#"{"a":1,"b":1}"#, r#"{"a":1.0,"b":1}"#, &[("$.*", "bijection=g")], &[repr]);
    check(
        r#"{"a":1,"b":1.0,"c":"1"}"#,
        r#"{"a":2.0,"b":2e0,"c":"3"}"#,
        &[("$.*", "bijection=g")],
        &["value $.a number:large [r0]", "value $.b number:large [r0]", "value $.c string:numeric"],
    );
}

#[test]
fn exact_places_and_excerpts() {
    let found = diff(r#"{"a":[{"b":"x"},{"b":"y"}]}"#, r#"{"a":[{"b":"x"},{"b":"z"}]}"#);
    let [f] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((&*f.location, &*f.exact), ("json:$.a[*].b", "json:$.a[1].b"));
    assert_eq!((f.primary.as_deref(), f.candidate.as_deref()), (Some("\"y\""), Some("\"z\"")));
    assert_eq!((f.tier, f.primary_shape.as_deref()), (Tier::Value, Some("string")));

    let long = format!("{{\"a\":\"{}\"}}", "é".repeat(1000));
    let found = diff(&long, "{}");
    let text = found[0].primary.as_deref().unwrap();
    assert!(text.len() <= 256 && text.ends_with("é…"), "{text}");
    assert_eq!(found[0].candidate, None);
    assert_eq!(found[0].candidate_shape, None);

    // Texts are whole, to be redacted; then they show where they part.
    let text = |end: &str| format!("{{\"a\":\"{}{end}\"}}", "é".repeat(1000));
    let mut f = diff(&text("old"), &text("new")).remove(0);
    assert!(f.primary.as_ref().is_some_and(|t| t.len() > 2000 && t.starts_with("\"é")), "{f:?}");
    f.shorten();
    let (a, b) = (f.primary.unwrap(), f.candidate.unwrap());
    assert!(a.starts_with("…é") && a.ends_with("éold\"") && b.ends_with("énew\""), "{a} {b}");
    let most = diff(&format!("\"{}\"", "é".repeat(1 << 20)), "\"\"").remove(0).primary.unwrap();
    assert!(most.len() < 17_000 && most.ends_with("é…"));
}

#[test]
fn what_counts_is_not_crowded_out() {
    let side = |last: &str, n: usize| {
        let many: Vec<String> = (0..200).map(|i| format!("\"k{}\":{}", "x".repeat(i), i + n)).collect();
        format!("{{{},\"last\":{last}}}", many.join(","))
    };
    let (outcome, out) = run(
        &side("1", 0),
        &side("2", 1),
        &rules(&[("$.*", "ignore"), ("$.last", "ignore=order")]),
        &Options::default(),
    );
    assert_eq!(outcome, JsonOutcome::Done);
    assert_eq!(out.list.len(), MAX_FINDINGS);
    assert_eq!(out.dropped as usize, 201 - MAX_FINDINGS);
    assert!(out.list.iter().any(|f| &*f.location == "json:$.last" && f.counts()));
}

#[test]
fn what_is_not_json() {
    let (bom, none) = ("\u{feff}{}", JsonRules::none());
    for (a, b, expect) in [
        ("{}", "<html>", JsonOutcome::NotJson { primary: false, candidate: true }),
        ("", "{}", JsonOutcome::NotJson { primary: true, candidate: false }),
        ("{", "[", JsonOutcome::NotJson { primary: true, candidate: true }),
        (bom, "{}", JsonOutcome::NotJson { primary: true, candidate: false }),
        ("{}", "{},", JsonOutcome::NotJson { primary: false, candidate: true }),
    ] {
        let (outcome, out) = run(a, b, &none, &Options::default());
        assert_eq!(outcome, expect, "{a} {b}");
        assert!(out.is_match());
    }
    let mut out = Findings::default();
    let outcome = compare(b"\"\xff\"", b"\"\"", &none, &mut Budget::new(&never), &mut out);
    assert_eq!(outcome, JsonOutcome::NotJson { primary: true, candidate: false });
}

#[test]
fn limits_end_the_work_unless_it_is_decided() {
    let none = JsonRules::none();
    let deep = |n: usize, leaf: &str| format!("{}{leaf}{}", "[".repeat(n), "]".repeat(n));
    let outcome = |a: &str, b: &str, nodes: usize| {
        let mut out = Findings::default();
        let mut budget = Budget::new(&never);
        budget.nodes = nodes;
        (compare(a.as_bytes(), b.as_bytes(), &none, &mut budget, &mut out), out.list.len())
    };
    assert_eq!(outcome(&deep(256, "1"), &deep(256, "2"), 10_000), (JsonOutcome::Done, 1));
    assert_eq!(outcome(&deep(257, "1"), &deep(257, "2"), 10_000), (JsonOutcome::Limit("depth"), 0));
    assert_eq!(outcome(&deep(100_000, ""), "1", 10_000), (JsonOutcome::Limit("depth"), 0));
    assert_eq!(outcome("[1,2,3]", "[1,2,4]", 6), (JsonOutcome::Limit("nodes"), 0));
    assert_eq!(outcome("[1,2,3]", "[1,2,4]", 8), (JsonOutcome::Limit("nodes"), 0));
    // Eight nodes for both trees, one for the root, one for the first pair: that one decides.
    assert_eq!(outcome("[1,2,3]", "[4,5,6]", 10), (JsonOutcome::Done, 1));

    let long = |n: usize| format!("[{}]", (0..5000).map(|i| (i + n).to_string()).collect::<Vec<_>>().join(","));
    let mut out = Findings::default();
    let outcome = compare(long(0).as_bytes(), long(9).as_bytes(), &none, &mut Budget::new(&|| true), &mut out);
    assert_eq!(outcome, JsonOutcome::Limit("time"));
}

#[test]
fn large_arrays_without_anything_in_common() {
    let side = |from: usize, n: usize| {
        let items: Vec<String> = (from..from + n).map(|i| format!("{{\"a\":{i}}}")).collect();
        format!("[{}]", items.join(","))
    };
    for (n, m) in [(20_000, 20_000), (20_000, 19_000)] {
        let (outcome, out) = run(&side(0, n), &side(50_000, m), &JsonRules::none(), &Options::default());
        assert_eq!(outcome, JsonOutcome::Done);
        assert_eq!(out.list.len() + out.dropped as usize, n);
    }
}

#[test]
fn large_objects_with_a_repeated_name() {
    let side = |n: usize| {
        let members: Vec<String> = (0..20_000).map(|i| format!("\"k{i}\":{}", i + n)).collect();
        format!("{{{},\"k7\":0}}", members.join(","))
    };
    let (outcome, out) = run(&side(0), &side(1), &JsonRules::none(), &Options::default());
    assert_eq!(outcome, JsonOutcome::Done);
    assert_eq!(out.list.len() + out.dropped as usize, 20_000);
}

#[test]
fn what_json_is() {
    for text in [
        "[1E+2]",
        "[-0.0e-0]",
        "[]",
        " [ ] ",
        "{\"\":0}",
        "\"\\u0000\"",
        "\"\u{7f}\"",
        "\"\\ud800\"",
        "null",
        "\t1\n",
        "[[],{}]",
        "\"\u{2028}\"",
    ] {
        assert_eq!(run(text, "{}", &JsonRules::none(), &Options::default()).0, JsonOutcome::Done, "{text}");
    }
    for text in [
        "",
        " ",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{a:1}",
        "{\"a\" 1}",
        "{\"a\":1,}",
        "{\"a\":}",
        "[01]",
        "[1.]",
        "[.5]",
        "[+1]",
        "[-]",
        "[1e]",
        "[0x1]",
        "[NaN]",
        "[Infinity]",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\n\"",
        "\"",
        "'a'",
        "[1]]",
        "[}",
        "{]",
        "tru",
        "nul",
        "True",
        "1 1",
        "[1]//",
        "\u{a0}1",
        "{\"a\":1 \"b\":2}",
        "[\"a\":1]",
        "{1:1}",
        "{\"a\"}",
    ] {
        let expect = JsonOutcome::NotJson { primary: true, candidate: false };
        assert_eq!(run(text, "{}", &JsonRules::none(), &Options::default()).0, expect, "{text}");
    }
}

#[test]
fn another_prefix() {
    let options = Options { prefix: "grpc:$", ..Options::default() };
    let (_, out) = run("{\"a\":1}", "{\"a\":2}", &JsonRules::none(), &options);
    assert_eq!(&*out.list[0].location, "grpc:$.a");
}

#[test]
fn rules_that_cannot_be_used() {
    let spec = |at: &str| RuleSpec { at: at.into(), ignore: Some(Ignore::All), ..RuleSpec::default() };
    let (a, b, c) = (spec("json:$.a[?@.b]"), spec("status"), RuleSpec { ignore: None, ..spec("json:$") });
    let errors = JsonRules::compile(&[(3, &a), (5, &b), (6, &c), (7, &spec("json:$.ok"))]).unwrap_err();
    assert_eq!(errors.iter().map(|e| e.0).collect::<Vec<_>>(), [3, 5, 6]);
    assert!(errors[0].1.contains("filters are not supported"), "{errors:?}");
}
