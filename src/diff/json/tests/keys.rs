//! What identifies the elements of an array: rules that name it, and `align = "auto"` that finds it out.

use super::super::super::rules::RuleSet;
use super::*;

#[test]
fn below_the_element() {
    let a = r#"[{"meta":{"id":1},"v":1},{"meta":{"id":2},"v":2}]"#;
    let b = r#"[{"meta":{"id":2},"v":9},{"meta":{"id":1},"v":1}]"#;
    let expect = &["order $ array", "value $[*].v number:large"];
    check(a, b, &[("$", "key=meta.id")], expect);
    check(a, b, &[("$", "key=meta['id']")], expect);
    // Without a key the changed element is taken for another.
    check(a, b, &[], &["item_extra $[*] missing>object", "item_missing $[*] object>missing"]);
}

#[test]
fn a_name_with_a_dot_wins_over_the_path() {
    check(
        r#"[{"a.b":1,"a":{"b":7},"v":1},{"a.b":2,"a":{"b":7},"v":2}]"#,
        r#"[{"a.b":2,"a":{"b":7},"v":3},{"a.b":1,"a":{"b":7},"v":1}]"#,
        &[("$", "key=a.b")],
        &["order $ array", "value $[*].v number:large"],
    );
}

#[test]
fn tuples_and_positions_deeper_down() {
    check(
        r#"{"values":[[1700000000,"0.5"],[1700000015,"0.25"]]}"#,
        r#"{"values":[[1700000015,"0.75"],[1700000030,"1"]]}"#,
        &[("$.values", "key=[0]")],
        &[
            "item_missing $.values[*] array>missing",
            "value $.values[*][*] string:numeric",
            "item_extra $.values[*] missing>array",
        ],
    );
    check(
        r#"[{"tags":["x",1],"v":1},{"tags":["y",2],"v":2}]"#,
        r#"[{"tags":["y",2],"v":3}]"#,
        &[("$", "key=tags[0]")],
        &["item_missing $[*] object>missing", "value $[*].v number:large"],
    );
    check(
        r#"[[{"k":"x"},1],[{"k":"y"},2]]"#,
        r#"[[{"k":"y"},3]]"#,
        &[("$", "key=[0].k")],
        &["item_missing $[*] array>missing", "value $[*][*] number:large"],
    );
}

#[test]
fn a_whole_object_and_several_members() {
    let series = |job: &str, v: u32| format!(r#"{{"metric":{{"job":"{job}","env":"p"}},"value":{v}}}"#);
    let turned = |job: &str, v: u32| format!(r#"{{"metric":{{"env":"p","job":"{job}"}},"value":{v}}}"#);
    check(
        &format!("[{},{}]", series("a", 1), series("b", 2)),
        &format!("[{},{}]", turned("b", 3), turned("c", 1)),
        &[("$", "key=metric")],
        &[
            "item_missing $[*] object>missing",
            "key_order $[*].metric object",
            "value $[*].value number:large",
            "item_extra $[*] missing>object",
        ],
    );
    check(
        r#"[{"a":1,"b":1,"v":1},{"a":1,"b":2,"v":2}]"#,
        r#"[{"a":1,"b":2,"v":3},{"a":1,"b":1,"v":1}]"#,
        &[("$", "key=a,b"), ("$", "ignore=order")],
        &["order $ array [r1]", "value $[*].v number:large"],
    );
    // An element without any of it is identified by all it is.
    check(r#"[1,{"id":1}]"#, r#"[{"id":1},1]"#, &[("$", "key=id")], &["order $ array"]);
}

#[test]
fn ways_that_are_none() {
    for member in ["[x]", "a[*]", "..a[0]", "a[0", "a-b[0]"] {
        let spec =
            RuleSpec { align: Some(Align::Key(vec![member.into()])), at: "json:$".into(), ..RuleSpec::default() };
        let errors = JsonRules::compile(&[(0, &spec)]).unwrap_err();
        assert!(errors[0].1.starts_with(&format!("align.key: `{member}` is no path")), "{errors:?}");
    }
}

/// Pages of the same two elements, of which the second changes.
fn page(n: u32) -> (String, String) {
    let item = |id: u32, v: &str| format!(r#"{{"no":{id},"v":"{v}","w":"{v}"}}"#);
    (
        format!(r#"{{"items":[{},{}]}}"#, item(n, "a"), item(n + 1, "b")),
        format!(r#"{{"items":[{},{}]}}"#, item(n + 1, "c"), item(n, "a")),
    )
}

fn auto_rules(on: &str) -> RuleSet {
    let spec = RuleSpec {
        id: "r0".into(),
        on: on.into(),
        at: "json:$.items".into(),
        align: Some(Align::Auto),
        ..RuleSpec::default()
    };
    RuleSet::compile(&[spec]).unwrap()
}

/// What is found in one exchange on a route.
fn exchange(set: &RuleSet, route: &str, (a, b): (&str, &str)) -> Vec<String> {
    let rules = set.for_route(route, "2026-01-01");
    let (outcome, out) = run(a, b, &rules.json, &Options::default());
    assert_eq!(outcome, JsonOutcome::Done);
    out.list.iter().map(show).collect()
}

fn keys(set: &RuleSet) -> Vec<String> {
    let show = |k: InferredKey| format!("{} {} {} {} {}", k.route, k.location, k.member, k.confirmations, k.in_use());
    set.inferred_keys().into_iter().map(show).collect()
}

const BY_KEY: [&str; 3] = ["order $.items array", "value $.items[*].v string:other", "value $.items[*].w string:other"];

#[test]
fn a_key_is_used_once_twenty_exchanges_have_shown_it() {
    let set = auto_rules("*");
    for n in 0..CONFIRMATIONS {
        let (a, b) = page(n);
        let got = exchange(&set, "GET /x", (&a, &b));
        assert!(got.iter().any(|f| f.starts_with("item_")), "{n} {got:?}");
    }
    assert_eq!(keys(&set), ["GET /x json:$.items no 20 true"]);
    let (a, b) = page(77);
    assert_eq!(exchange(&set, "GET /x", (&a, &b)), BY_KEY);
    // Another route has seen nothing yet; another day changes nothing.
    assert_ne!(exchange(&set, "GET /y", (&a, &b)), BY_KEY);
    assert_eq!(keys(&set), ["GET /x json:$.items no 20 true", "GET /y json:$.items no 1 false"]);
    let rules = set.for_route("GET /x", "2026-01-02");
    let (_, out) = run(&a, &b, &rules.json, &Options::default());
    assert_eq!(out.list.iter().map(show).collect::<Vec<_>>(), BY_KEY);
    // A new page has half in common no more, and is paired by the key all the same.
    let fresh = r#"{"items":[{"no":1,"v":"a","w":"a"},{"no":2,"v":"a","w":"a"},{"no":3,"v":"a","w":"a"}]}"#;
    let other = r#"{"items":[{"no":3,"v":"z","w":"z"},{"no":4,"v":"a","w":"a"},{"no":5,"v":"a","w":"a"}]}"#;
    let got = exchange(&set, "GET /x", (fresh, other));
    assert!(got.contains(&"value $.items[*].v string:other".to_owned()), "{got:?}");
}

#[test]
fn another_member_starts_over_and_a_repeated_value_forgets() {
    let set = auto_rules("GET /x");
    for n in 0..CONFIRMATIONS - 1 {
        let (a, b) = page(n);
        exchange(&set, "GET /x", (&a, &b));
    }
    assert_eq!(keys(&set), ["GET /x json:$.items no 19 false"]);
    let (a, b) = page(500);
    let with_id =
        |text: &str| text.replace("\"no\":500", "\"id\":1,\"no\":500").replace("\"no\":501", "\"id\":2,\"no\":501");
    exchange(&set, "GET /x", (&with_id(&a), &with_id(&b)));
    assert_eq!(keys(&set), ["GET /x json:$.items id 1 false"]);
    let twice = |text: &str| with_id(text).replace("\"id\":2", "\"id\":1");
    exchange(&set, "GET /x", (&twice(&a), &twice(&b)));
    assert_eq!(keys(&set), ["GET /x json:$.items no 1 false"]);
    // Where no rule asks for it nothing is learnt.
    exchange(&set, "GET /y", (&a, &b));
    assert_eq!(keys(&set), ["GET /x json:$.items no 1 false"]);
}

#[test]
fn one_exchange_confirms_an_array_once() {
    let spec = RuleSpec {
        id: "r0".into(),
        on: "*".into(),
        at: "json:$..items".into(),
        align: Some(Align::Auto),
        ..RuleSpec::default()
    };
    let set = RuleSet::compile(&[spec]).unwrap();
    let (a, b) = (0..40).map(page).unzip::<_, _, Vec<_>, Vec<_>>();
    let (a, b) = (format!("[{}]", a.join(",")), format!("[{}]", b.join(",")));
    exchange(&set, "GET /x", (&a, &b));
    assert_eq!(keys(&set), ["GET /x json:$[*].items no 1 false"]);
}

#[test]
fn the_arrays_remembered_are_bounded() {
    let set = auto_rules("*");
    let (a, b) = page(1);
    for n in 0..1100 {
        exchange(&set, &format!("GET /{n}"), (&a, &b));
    }
    assert_eq!(keys(&set).len(), 1024);
}

#[test]
fn the_likelier_name_is_preferred() {
    let side = |from: u32| {
        let items: Vec<String> =
            (from..from + 4).map(|i| format!(r#"{{"code":"c{i}","t":{i},"name":"n{i}","o":{{}},"all":1}}"#)).collect();
        format!(r#"{{"items":[{}]}}"#, items.join(","))
    };
    let set = auto_rules("*");
    exchange(&set, "GET /x", (&side(0), &side(2)));
    assert_eq!(keys(&set), ["GET /x json:$.items name 1 false"]);
    // Less than half in common decides nothing.
    let set = auto_rules("*");
    exchange(&set, "GET /x", (&side(0), &side(3)));
    assert_eq!(keys(&set), Vec::<String>::new());
}
