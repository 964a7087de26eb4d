//! Single values: every sub-class, numbers of any length, tolerances, and places too many to be told apart.

use super::*;

#[test]
fn every_sub_class() {
    for (a, b, class) in [
        ("0.1", "0.10000000000000002", "number:ulp"),
        ("1.0000001", "1", "number:small"),
        ("1", "2", "number:large"),
        ("1", "-1", "number:sign"),
        ("true", "false", "bool"),
        (r#""Paris""#, r#""PARIS""#, "string:case"),
        (r#""a b""#, r#""a  b""#, "string:space"),
        (r#""\u00e9""#, r#""e\u0301""#, "string:unicode_form"),
        (r#""1.50""#, r#""1.5""#, "string:numeric"),
        (r#""2026-01-01T00:00:00Z""#, r#""2026-01-02T00:00:00Z""#, "string:datetime"),
        (r#""http://old.example/a""#, r#""https://new.example/a""#, "string:url_origin"),
        (r#""abc""#, r#""abcdef""#, "string:prefix"),
        (r#""abc""#, r#""xyz""#, "string:other"),
    ] {
        check(a, b, &[], &[&format!("value $ {class}")]);
        check(b, a, &[], &[&format!("value $ {class}")]);
    }
}

#[test]
fn numbers_are_decimals_of_any_length() {
    let digits = "1234567890".repeat(400);
    let (n, other) = (format!("{digits}1"), format!("{digits}2"));
    check(&n, &other, &[], &["value $ number:large"]);
    check(&n, &format!("{digits}10e-1"), &[], &["number_repr $ int>exponent"]);
    check("[12345678901234567890]", "[12345678901234567891]", &[], &["value $[*] number:small"]);
    check("[1e400]", "[1e401]", &[], &["value $[*] number:large"]);
    check("[0.1]", "[0.100000000000000000000000000000000000001]", &[], &["value $[*] number:ulp"]);
    check("[1e99999999999999999999999999999]", "[1e99999999999999999999999999998]", &[], &["value $[*] number:large"]);
}

#[test]
fn single_precision_printed_as_double() {
    let steps = |n: u32| {
        let tolerance = Some(Tolerance { f32_ulps: Some(n), ..Tolerance::default() });
        let spec = RuleSpec { id: "r0".into(), at: "json:$[*]".into(), tolerance, ..RuleSpec::default() };
        JsonRules::compile(&[(0, &spec)]).unwrap()
    };
    for (a, b, n, covered) in [
        ("[0.10000000149011612]", "[0.1]", 0, true),
        ("[0.10000000149011612]", "[0.10000001]", 0, false),
        ("[0.10000000149011612]", "[0.10000001]", 1, true),
        ("[0.1]", "[0.10000001]", 1, true),
        ("[0.1]", "[0.10000002]", 1, false),
        ("[0.1]", "[\"0.1\"]", 1, false),
    ] {
        let (_, out) = run(a, b, &steps(n), &Options::default());
        assert_eq!(!out.list.iter().any(Finding::counts), covered, "{a} {b} {n}");
        assert_eq!(out.list.len(), 1);
    }
}

#[test]
fn repeated_names() {
    check(r#"{"a":1,"\u0061":2}"#, r#"{"\u0061":2}"#, &[], &["duplicate_key $.a repeated>single"]);
    check(
        r#"{"a":1,"\u0061":2}"#,
        r#"{"\u0061":2,"a":1}"#,
        &[],
        &["value $.a number:large", "duplicate_key $.a repeated", "escape $.a object"],
    );
    check(
        r#"{"x":0,"a":1,"a":2}"#,
        r#"{"a":2,"a":1,"x":0}"#,
        &[],
        &["value $.a number:large", "duplicate_key $.a repeated", "key_order $ object"],
    );
    check(r#"{"x":0,"a":1,"a":2}"#, r#"{"a":1,"a":2,"x":0}"#, &[], &["key_order $ object"]);
}

#[test]
fn lone_surrogates_are_values_of_their_own() {
    check(r#""\ud800""#, r#""\ufffd""#, &[], &["value $ string:other"]);
    check(
        r#"{"\ud800":1}"#,
        r#"{"\udfff":1}"#,
        &[],
        &["missing $['\\ud800'] number>missing", "extra $['\\udfff'] missing>number"],
    );
    check(r#""\ud83d\ude00""#, r#""😀""#, &[], &["escape $ string"]);
    check(r#""\uD83D\uDE00""#, r#""\ud83d\ude00""#, &[], &["escape $ string"]);
}

#[test]
fn names_no_person_chose_are_one_place() {
    let side = |n: usize, v: usize| {
        let members: Vec<String> = (0..n).map(|i| format!("\"node{i}\":{{\"v\":{v},\"w\":0}}")).collect();
        format!("{{\"total\":{v},{}}}", members.join(","))
    };
    let places = |n: usize, m: usize| -> std::collections::BTreeSet<String> {
        let (_, out) = run(&side(n, 1), &side(m, 2), &JsonRules::none(), &Options::default());
        out.list.iter().map(|f| f.location.to_string()).collect()
    };
    assert_eq!(places(64, 64).len(), MAX_FINDINGS);
    assert!(places(64, 64).contains("json:$.node63.v") || places(64, 64).contains("json:$.node1.v"));
    assert_eq!(places(65, 65), ["json:$.*.v".to_owned(), "json:$.total".to_owned()].into());
    assert_eq!(places(65, 3), ["json:$.*", "json:$.*.v", "json:$.total"].map(str::to_owned).into());
    assert_eq!(places(3, 65), ["json:$.*", "json:$.*.v", "json:$.total"].map(str::to_owned).into());
    // What is printed covers what it stands for.
    check(
        &side(65, 1),
        &side(65, 1).replace("\"v\":1", "\"v\":2"),
        &[("$.*.v", "ignore")],
        &vec!["value $.*.v number:large [r0]"; 64],
    );
    // The same place however it is found out.
    let turned = side(65, 1).replace("\"v\":1,\"w\":0", "\"w\":0,\"v\":1");
    check(&side(65, 1), &turned, &[], &["key_order $.* object"]);
    let turned = side(64, 1).replace("\"v\":1,\"w\":0", "\"w\":0,\"v\":1");
    assert_eq!(diff(&side(64, 1), &turned).len(), 64);
}
