//! Rules that are refused, rules that apply, and what identifies them.

use super::*;
use crate::diff::spec::{Align, Ignore, Mask, Shape};

fn rule(id: &str, at: &str) -> RuleSpec {
    RuleSpec { id: id.into(), on: "*".into(), at: at.into(), ..RuleSpec::default() }
}

fn ignoring(id: &str, at: &str) -> RuleSpec {
    RuleSpec { ignore: Some(Ignore::All), ..rule(id, at) }
}

fn errors(specs: &[RuleSpec]) -> Vec<String> {
    RuleSet::compile(specs).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// The one error of one rule, up to its remedy.
#[track_caller]
fn refused(spec: RuleSpec, expected: &str) {
    let all = errors(&[spec]);
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(all[0].starts_with(&format!("rule 0, {expected}")), "{}", all[0]);
}

#[test]
fn nonsense_is_refused() {
    refused(ignoring("", "status"), "`id`: a rule needs an id");
    refused(rule("a", "status"), "`at`: the rule says where but not what");
    refused(ignoring("a", "heder:x"), "`at`: `heder:x` is no location; write one of status, header:NAME");
    refused(ignoring("a", "header:"), "`at`: `header:` lacks what comes after the colon");
    refused(ignoring("a", "header:a b"), "`at`: `a b` is no field name");
    refused(ignoring("a", "json:items"), "`at`: `items` is no JSONPath; start it with `$`");
    refused(RuleSpec { on: String::new(), ..ignoring("a", "status") }, "`on`: names no route");
    for day in ["2027-13-01", "tomorrow", "2027-3-1", "2027-03-01T00:00"] {
        refused(
            RuleSpec { expires: Some(day.into()), ..ignoring("a", "status") },
            &format!("`expires`: `{day}` is no date"),
        );
    }
    refused(
        RuleSpec { align: Some(Align::Set), ..rule("a", "header:vary") },
        "`align`: means nothing at `header:vary`; it belongs to json:",
    );
    refused(RuleSpec { bijection: Some("g".into()), ..rule("a", "text") }, "`bijection`: means nothing at `text`");
    refused(RuleSpec { shape: Some(Shape::Class("uuuid".into())), ..rule("a", "header:x-id") }, "`shape`: ");
    refused(RuleSpec { shape: Some(Shape::Regex("(".into())), ..rule("a", "header:x-id") }, "`shape`: ");
    let mask = Mask { pattern: "[".into(), with: String::new() };
    refused(RuleSpec { mask: Some(mask), ..rule("a", "text") }, "`mask`: the pattern is no regular expression");
    refused(
        RuleSpec { ignore: Some(Ignore::Missing), ..rule("a", "status") },
        "`ignore`: nothing is ever `missing` at `status`",
    );
    refused(RuleSpec { numeric_string: true, ..ignoring("a", "header:x") }, "`ignore`: `true` leaves nothing");
    refused(RuleSpec { same: vec![vec!["400".into()]], ..rule("a", "status") }, "`same`: a group needs two values");
}

#[test]
fn ids_are_unique_and_rules_agree() {
    let all = errors(&[ignoring("a", "status"), ignoring("a", "body")]);
    assert_eq!(all, ["rule 1, `id`: `a` is also the id of rule 0; give each rule its own"]);
    let shaped =
        |id: &str, class: &str| RuleSpec { shape: Some(Shape::Class(class.into())), ..rule(id, "header:x-id") };
    let all = errors(&[shaped("a", "uuid"), shaped("b", "int")]);
    assert_eq!(all, ["rule 1, `shape`: rule `a` says otherwise about header:x-id on *; keep one of the two"]);
    assert!(errors(&[shaped("a", "uuid"), shaped("b", "uuid")]).is_empty());
    let lacking = |id: &str, at: &str, ignore| RuleSpec { ignore: Some(ignore), ..rule(id, at) };
    let all = errors(&[lacking("a", "json:$.a", Ignore::Missing), lacking("b", "json:$['a']", Ignore::Extra)]);
    assert_eq!(all, ["rule 1, `ignore`: rule `a` says otherwise about json:$['a'] on *; keep one of the two"]);
    for (place, spelling) in [
        ("header:X-A", "header:x-a"),
        ("trailer:X-A", "trailer:x-a"),
        ("xml:/a/b", "xml:/a/b[*]"),
        ("xml:/a/b/text()", "xml:/a/b"),
        ("grpc:$.a[ 0 ]", "grpc:$['a'][0]"),
    ] {
        let all = errors(&[lacking("a", place, Ignore::All), lacking("b", spelling, Ignore::Value)]);
        assert_eq!(
            all,
            [format!("rule 1, `ignore`: rule `a` says otherwise about {spelling} on *; keep one of the two")]
        );
    }
    for (place, other) in
        [("cookie:A", "cookie:a"), ("xml:/a/b", "xml:/a/b[2]"), ("json:$.a", "grpc:$.a"), ("xml:/a", "xml:/{n}a")]
    {
        assert!(errors(&[lacking("a", place, Ignore::All), lacking("b", other, Ignore::Value)]).is_empty(), "{place}");
    }
    let same = |id: &str, groups: &[&[&str]]| {
        let same = groups.iter().map(|group| group.iter().map(|value| (*value).to_owned()).collect()).collect();
        RuleSpec { same, ..rule(id, "status") }
    };
    let all = errors(&[same("a", &[&["400", "422"]]), same("b", &[&["400", "404"]])]);
    assert_eq!(all, ["rule 1, `same`: rule `a` says otherwise about status on *; keep one of the two"]);
    let (groups, turned) = ([&["1", "2"][..], &["3", "4"]], [&["4", "3"][..], &["2", "1"]]);
    assert!(errors(&[same("a", &groups), same("b", &turned), ignoring("c", "body")]).is_empty());
    let masked = |id: &str, with: &str| {
        let mask = Mask { pattern: "[0-9]+".into(), with: with.into() };
        RuleSpec { mask: Some(mask), ..rule(id, "json:$.a") }
    };
    let all = errors(&[masked("a", "#"), masked("b", "?")]);
    assert_eq!(all, ["rule 1, `mask`: rule `a` says otherwise about json:$.a on *; keep one of the two"]);
}

#[test]
fn the_day_it_expires_a_rule_is_inactive() {
    let set = RuleSet::compile(&[RuleSpec { expires: Some("2027-03-01".into()), ..ignoring("a", "status") }]).unwrap();
    let active = |today| set.for_route("GET /", today).at(Scheme::Status, "").count();
    assert_eq!((active("2027-02-28"), active("2027-03-01"), active("2027-02-28")), (1, 0, 1));
    assert!(set.infos("2027-03-01")[0].expired);
    assert!(!set.infos("2027-02-28")[0].expired);
    assert_ne!(set.digest("2027-02-28"), set.digest("2027-03-01"));
}

#[test]
fn digests_see_meaning_and_order_only() {
    let digest = |specs: &[RuleSpec]| RuleSet::compile(specs).unwrap().digest("2026-01-01");
    let (a, b) = (ignoring("a", "status"), ignoring("b", "body"));
    let described = RuleSpec { why: Some("w".into()), owner: Some("o".into()), id: "z".into(), ..a.clone() };
    assert_eq!(digest(&[a.clone(), b.clone()]), digest(&[described, b.clone()]));
    assert_ne!(digest(&[a.clone(), b.clone()]), digest(&[b.clone(), a.clone()]));
    assert_ne!(digest(std::slice::from_ref(&a)), digest(&[RuleSpec { on: "x".into(), ..a.clone() }]));

    let set = RuleSet::compile(&[a, RuleSpec { on: "x".into(), ..b }]).unwrap();
    let of = |route| set.for_route(route, "2026-01-01").digest().to_owned();
    assert_eq!(of("GET /a"), of("GET /b"));
    assert_ne!(of("GET /a"), of("GET x"));
}

#[test]
fn the_exact_name_beats_the_pattern() {
    let set = RuleSet::compile(&[
        RuleSpec { ignore: Some(Ignore::Missing), ..rule("exact", "header:x-a") },
        ignoring("pattern", "header:x-*"),
    ])
    .unwrap();
    let rules = set.for_route("GET /", "2026-01-01");
    let cover = |name: &str, aspect: Ignore| {
        plain::covering(rules.at(Scheme::Header, name), aspect, Some("1"), Some("2")).map(|id| id.to_string())
    };
    assert_eq!(cover("x-b", Ignore::Value).as_deref(), Some("pattern"));
    assert_eq!(cover("x-a", Ignore::Missing).as_deref(), Some("exact"));
    assert_eq!(cover("x-a", Ignore::Value), None);
    assert_eq!(cover("y", Ignore::Value), None);
}
