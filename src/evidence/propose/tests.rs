//! What is proposed for which kind of volatility, and what never is.

use super::*;
use crate::diff::{Align, Finding, Ignore, Shape, Tier, Tolerance};
use crate::evidence::testing::{compared, epoch, finding, findings};
use crate::evidence::{Keep, Settlement, TemplateNames};
use std::time::Duration;

/// What one leg shows in the exchange of that number.
type Leg<'a> = &'a dyn Fn(u64) -> Vec<Finding>;

fn hash(i: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64(&i.to_le_bytes())
}

fn value(location: &str, a: impl ToString, b: impl ToString) -> Finding {
    Finding {
        primary: Some(a.to_string()),
        candidate: Some(b.to_string()),
        ..finding("json.value", location, Tier::Value)
    }
}

fn text(location: &str, a: impl std::fmt::Display, b: impl std::fmt::Display) -> Finding {
    value(location, format!("\"{a}\""), format!("\"{b}\""))
}

fn of_kind(kind: &'static str, finding: Finding) -> Finding {
    Finding { kind: kind.into(), ..finding }
}

fn uuid(i: u64) -> String {
    let (a, b) = (hash(i), hash(i + 1_000_000_007));
    format!("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", a as u32, (a >> 32) as u16, b & 0xfff, (b >> 12) & 0xfff, b >> 16)
}

fn nothing(_: u64) -> Vec<Finding> {
    vec![]
}

fn seen(routes: &[&str], exchanges: u64, control: Option<Leg<'_>>, candidate: Leg<'_>) -> Evidence {
    let mut evidence = Evidence::new(epoch("1", None));
    let keep = Keep { rules: &|_| "r".into(), latency: &|_| Default::default(), examples: 0, now: Default::default() };
    for route in routes {
        for i in 0..exchanges {
            let mut settled = compared(&format!("x{i}"), route, i, candidate(i));
            if let Settlement::Compared(compared) = &mut settled.result {
                compared.control = control.map(|control| findings(control(i)));
                compared.example = None;
            }
            evidence.begin(&settled.route, keep);
            evidence.apply(&settled, keep);
        }
    }
    evidence
}

/// `on`, `at` and the property of each proposed rule.
fn rules(evidence: &Evidence) -> Vec<(String, String, String)> {
    let property = |r: &RuleSpec| match r {
        RuleSpec { ignore: Some(Ignore::All), .. } => "ignore".to_owned(),
        RuleSpec { tolerance: Some(Tolerance { time: Some(t), .. }), .. } => format!("time {t:?}"),
        RuleSpec { tolerance: Some(Tolerance { relative: Some(r), .. }), numeric_string, .. } => {
            format!("relative {r:e}{}", if *numeric_string { " numeric_string" } else { "" })
        }
        RuleSpec { align: Some(Align::Set), .. } => "set".to_owned(),
        RuleSpec { align: Some(Align::Multiset), .. } => "multiset".to_owned(),
        RuleSpec { align: Some(Align::Key(members)), ignore: Some(Ignore::Order), .. } => {
            format!("key {}, ignore order", members.join(" "))
        }
        RuleSpec { shape: Some(Shape::Class(name)), .. } => name.clone(),
        RuleSpec { bijection: Some(group), .. } => format!("bijection {group}"),
        other => format!("{other:?}"),
    };
    let all = propose(evidence, &BTreeSet::new());
    crate::diff::RuleSet::compile(&all.rules.iter().map(|p| p.rule.clone()).collect::<Vec<_>>()).unwrap();
    all.rules.iter().map(|p| (p.rule.on.clone(), p.rule.at.clone(), property(&p.rule))).collect()
}

fn check(control: Leg<'_>, expect: &[(&str, &str)]) {
    // What the candidate does is not what is proposed from.
    let candidate = |i| vec![text("json:$.broken", uuid(i), "null")];
    let found = rules(&seen(&["GET /a"], 200, Some(control), &candidate));
    let found: Vec<_> = found.iter().map(|(_, at, property)| (&**at, &**property)).collect();
    assert_eq!(found, expect);
}

#[test]
fn values_get_the_narrowest_rule_that_holds() {
    let at = "json:$.v";
    check(&|i| vec![text(at, uuid(i), uuid(i + 500))], &[(at, "uuid")]);
    check(&|i| vec![text(at, format!("{:016x}", hash(i)), format!("{:016x}", hash(i + 500)))], &[(at, "hex")]);
    check(&|i| vec![value(at, hash(i) >> 20, hash(i + 500) >> 20)], &[(at, "int")]);
    check(&|i| vec![value(at, hash(i) as f64 / 7e9, hash(i + 500) as f64 / 7e9)], &[(at, "number")]);
    check(&|i| vec![text(at, format!("w{:x} b", hash(i)), format!("w{:x} b", hash(i + 500)))], &[(at, "string")]);
}

#[test]
fn clocks_get_a_round_tolerance_with_room() {
    let at = "json:$.t";
    let rfc = |i: u64, ms: u64| format!("2026-01-01T00:{:02}:{:02}.{ms:03}Z", i / 60, i % 60);
    check(&|i| vec![text(at, rfc(i, 100), rfc(i, 100 + i % 50 + 1))], &[(at, "time 2s")]);
    check(&|i| vec![value(at, 1_767_225_600 + i, 1_767_225_601 + i)], &[(at, "time 2s")]);
    check(&|i| vec![value(at, 1_767_225_600_000 + i, 1_767_225_601_700 + i)], &[(at, "time 5s")]);
    // A day that is drawn at random is no clock.
    let day = |h: u64| 1_600_000_000 + h % 80_000_000;
    check(&|i| vec![value(at, day(hash(i)), day(hash(i + 500)))], &[(at, "unix_s")]);
}

#[test]
fn numbers_that_jitter_get_a_round_tolerance() {
    let at = "json:$.v";
    let jitter = |i: u64| 1.0 + 1e-10 * (hash(i) % 1_000) as f64 / 1_000.0;
    check(&|i| vec![value(at, 0.5 * jitter(i), 0.5 * jitter(i + 500))], &[(at, "relative 1e-9")]);
    check(&|i| vec![text(at, 0.5 * jitter(i), 0.5 * jitter(i + 500))], &[(at, "relative 1e-9 numeric_string")]);
}

#[test]
fn the_same_elements_in_another_order_are_a_set() {
    let order = |a: &str, b: &str| vec![of_kind("json.order", value("json:$.tags", a, b))];
    check(&|_| order("[1,2,3]", "[3,1,2]"), &[("json:$.tags", "set")]);
    check(&|_| order("[1,2,2]", "[2,1,2]"), &[("json:$.tags", "multiset")]);
    // Where elements come and go as well, their order is the least of it.
    check(
        &|i| match i % 2 {
            0 => order("[1,2,3]", "[3,1,2]"),
            _ => vec![of_kind("json.item_missing", value("json:$.tags[*]", "1", "2"))],
        },
        &[("json:$.tags[*]", "ignore")],
    );
}

#[test]
fn what_comes_and_goes_is_ignored_as_the_last_resort() {
    let gone = |kind: &'static str, at: &str| of_kind(kind, Finding { candidate: None, ..value(at, "1", "1") });
    check(&|_| vec![gone("json.missing", "json:$.m.*"), value("json:$.m.*.x", 1, 2)], &[("json:$.m.*", "ignore")]);
    // Not where it hardly ever happens.
    check(&|i| if i % 40 == 0 { vec![gone("json.missing", "json:$.m")] } else { vec![] }, &[]);
}

#[test]
fn labels_that_recur_are_renamed_not_ignored() {
    let label = |i: u64| format!("node-{:x} x", hash(i));
    let found = |i: u64| ["json:$.from", "json:$.to"].map(|at| text(at, label(i), label(i + 500))).to_vec();
    check(&found, &[("json:$.from", "bijection labels"), ("json:$.to", "bijection labels")]);
}

#[test]
fn objects_in_any_order_are_told_apart_by_a_key() {
    let row = |i: u64, n: u64| {
        let (other, at) = ((n + 1 + i % 2) % 3, "json:$.rows[*]");
        [
            value(&format!("{at}.id"), n, other),
            text(&format!("{at}.kind"), n % 2, other % 2),
            text(&format!("{at}.etag"), uuid(i * 9 + n), uuid(i * 9 + n + 3_000)),
        ]
    };
    check(&|i| (0..3).flat_map(|n| row(i, n)).collect(), &[("json:$.rows", "key id, ignore order")]);
}

#[test]
fn what_breaks_or_is_a_whole_body_gets_no_rule() {
    let control = |_| {
        vec![
            finding("status.class", "status", Tier::Break),
            of_kind("text.hunk", Finding { location: "text".into(), ..finding("text.hunk", "text", Tier::Value) }),
        ]
    };
    let evidence = seen(&["GET /a"], 60, Some(&control), &nothing);
    let all = propose(&evidence, &BTreeSet::new());
    assert!(all.rules.is_empty());
    let left: Vec<_> = all.left.iter().map(|l| (&*l.location, l.differed, l.of)).collect();
    assert_eq!(left, [("status", 60, 60), ("text", 60, 60)]);
}

#[test]
fn a_hiccup_of_the_control_is_no_volatility() {
    check(&|i| if i < 2 { vec![text("json:$.name", "a", "b")] } else { vec![] }, &[]);
}

#[test]
fn without_a_control_only_what_is_always_new_is_proposed() {
    let candidate = |i: u64| {
        vec![
            text("json:$.id", uuid(i), uuid(i + 500)),
            // Both of one class, and always the same: the candidate's own doing.
            text("json:$.owner", uuid(1), uuid(2)),
            text("json:$.name", format!("name {i}"), format!("Name {i}")),
            value("json:$.price", i + 1, i + 2),
            of_kind("json.order", value("json:$.tags", "[1,2]", "[2,1]")),
            // An hour off, every time.
            value("json:$.at", 1_767_225_600 + i, 1_767_229_200 + i),
            value("json:$.now", 1_767_225_600_000 + i * 7, 1_767_225_600_003 + i * 7),
        ]
    };
    let few = propose(&seen(&["GET /a"], 199, None, &candidate), &BTreeSet::new());
    assert!(few.rules.is_empty() && few.too_few.len() == 1);
    let found = rules(&seen(&["GET /a"], 300, None, &candidate));
    let at: Vec<_> = found.iter().map(|(_, at, property)| (&**at, &**property)).collect();
    assert_eq!(at, [("json:$.id", "uuid"), ("json:$.now", "time 2s")]);
}

#[test]
fn one_rule_instead_of_ten() {
    let ids = |i| vec![text("json:$.id", uuid(i), uuid(i + 500))];
    let routes = ["GET /shop/a", "GET /shop/b", "POST /c"];
    let on = |evidence: &Evidence| rules(evidence).into_iter().map(|(on, ..)| on).collect::<Vec<_>>();
    assert_eq!(on(&seen(&routes, 60, Some(&ids), &nothing)), ["*"]);
    assert_eq!(on(&seen(&routes[..1], 60, Some(&ids), &nothing)), ["GET /shop/a"]);
    let mut some = seen(&routes[..2], 60, Some(&ids), &nothing);
    some.merge(&seen(&routes[2..], 60, Some(&nothing), &nothing), 0);
    assert_eq!(on(&some), ["GET /shop/*"]);
    let mut apart = seen(&routes[1..], 60, Some(&ids), &nothing);
    apart.merge(&seen(&routes[..1], 60, Some(&nothing), &nothing), 0);
    assert_eq!(on(&apart), ["GET /shop/b", "POST /c"]);
}

#[test]
fn the_widest_tolerance_is_right_for_all_routes() {
    let mut evidence =
        seen(&["GET /a"], 60, Some(&|i| vec![value("json:$.t", 1_767_225_600 + i, 1_767_225_601 + i)]), &nothing);
    evidence.merge(
        &seen(&["GET /b"], 60, Some(&|i| vec![value("json:$.t", 1_767_225_600 + i, 1_767_225_607 + i)]), &nothing),
        0,
    );
    let all = propose(&evidence, &BTreeSet::new());
    let [one] = &all.rules[..] else { panic!("{all:?}") };
    assert_eq!(one.rule.tolerance.unwrap().time, Some(Duration::from_secs(10)));
    assert_eq!((one.support.differed, one.support.of), (120, 120));
}

#[test]
fn ids_say_where_and_are_nobody_elses() {
    for (at, expect) in [
        ("json:$.items[*].id", "items-id"),
        ("json:$['a b'].*", "a-b"),
        ("json:$", "body"),
        ("header:x-trace", "header-x-trace"),
    ] {
        assert_eq!(stem(at), expect);
    }
    let ids = |i| vec![text("json:$.id", uuid(i), uuid(i + 500)), text("json:$['id']['']", uuid(i), uuid(i + 500))];
    let taken = BTreeSet::from(["id".to_owned()]);
    let all = propose(&seen(&["GET /a"], 60, Some(&ids), &nothing), &taken);
    let ids: Vec<_> = all.rules.iter().map(|p| p.rule.id.as_str()).collect();
    assert_eq!(ids, ["id-2", "id-3"]);
}

fn by_template(evidence: &Evidence) -> Evidence {
    let names = TemplateNames { renamed: evidence.template_names(&|_| false), ..TemplateNames::default() };
    evidence.by_template(&names, 0).into_owned()
}

#[test]
fn a_rule_for_a_route_that_stands_for_words_means_each_of_them() {
    let words: Vec<String> = (0..60).map(|i| format!("GET /tags/word{i}x/posts")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let control = |i| vec![text("json:$.id", uuid(i), uuid(i + 500))];
    let evidence = seen(&words, 2, Some(&control), &nothing);
    let found = rules(&by_template(&evidence));
    assert_eq!(found, [("GET /tags/*/posts".into(), "json:$.id".into(), "uuid".into())]);
    // No other route is meant.
    let mut popular = evidence;
    popular.merge(&seen(&["GET /tags/popular/posts"], 100, Some(&nothing), &nothing), 0);
    let found = rules(&by_template(&popular));
    assert_eq!(found, [("GET /tags/{id}/posts".into(), "json:$.id".into(), "uuid".into())]);
}
