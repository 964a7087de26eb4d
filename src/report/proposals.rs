//! Proposed rules as TOML to paste, and as JSON for those who show them.

use super::escape::line;
use super::thousands;
use crate::diff::{Align, Ignore, RuleSpec, Shape};
use crate::evidence::{LEAST_PAIRS, LEAST_WITHOUT_CONTROL, Proposal, Proposals};
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::time::Duration;

/// Lines about places for which nothing is proposed.
const MAX_LEFT: usize = 20;

/// All proposals as a part of a configuration; one without any says why in a comment.
pub fn proposals_toml(proposals: &Proposals) -> String {
    let mut out = String::new();
    for comment in heading(proposals) {
        let _ = writeln!(out, "# {}", line(&comment));
    }
    for proposal in &proposals.rules {
        let _ = write!(out, "\n{}", rule_toml(&proposal.rule));
    }
    if !proposals.left.is_empty() {
        out.push_str("\n# Volatile as well; a rule would hide too much here, so none is proposed:\n");
    }
    for left in proposals.left.iter().take(MAX_LEFT) {
        let (differed, of) = (thousands(left.differed), thousands(left.of));
        let place = format!("{}  {}  {}", left.route, left.location, left.kind);
        let _ = writeln!(out, "#   {}  in {differed} of {of}", line(&place));
    }
    if proposals.left.len() > MAX_LEFT {
        let _ = writeln!(out, "#   and {} more", proposals.left.len() - MAX_LEFT);
    }
    out
}

/// The same as JSON: each rule by field, with its evidence and as TOML.
pub fn proposals_json(proposals: &Proposals) -> String {
    let suggestion = |p: &Proposal| {
        json!({
            "rule": fields(&p.rule).into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>(),
            "evidence": { "control": p.support.control, "differed": p.support.differed, "of": p.support.of,
                          "routes": p.routes },
            "toml": rule_toml(&p.rule),
        })
    };
    let document = json!({
        "schema": 1,
        "suggestions": proposals.rules.iter().map(suggestion).collect::<Vec<_>>(),
        "left": proposals.left.iter().map(|l| json!({
            "route": l.route, "location": l.location, "kind": l.kind, "differed": l.differed, "of": l.of,
        })).collect::<Vec<_>>(),
        "toml": proposals_toml(proposals),
    });
    format!("{document:#}\n")
}

fn heading(proposals: &Proposals) -> Vec<String> {
    let routes = |n: usize| if n == 1 { "1 route".to_owned() } else { format!("{n} routes") };
    let (found, looked) = (proposals.rules.len(), routes(proposals.looked_at.len()));
    let mut out = Vec::new();
    if found > 0 {
        let rules = if found == 1 { "1 rule is".to_owned() } else { format!("{found} rules are") };
        out.push(format!(
            "{rules} proposed from what was seen on {looked}. Nothing is applied by itself: paste what you"
        ));
        out.push("agree with into the configuration, with an owner and a day on which it expires.".to_owned());
    } else if !proposals.looked_at.is_empty() {
        out.push(format!("Nothing to propose: what no rule covers was not volatile on {looked}."));
    }
    if proposals.looked_at.is_empty() && proposals.too_few.is_empty() {
        out.push("Nothing to propose: nothing has been compared yet.".to_owned());
    }
    if let Some((route, with, all)) = proposals.too_few.iter().max_by_key(|(_, with, all)| (with, all)) {
        let (with, all) = (thousands(*with), thousands(*all));
        out.push(format!(
            "Too few exchanges on {}: it takes {LEAST_PAIRS} with a control, or {LEAST_WITHOUT_CONTROL} without one;",
            routes(proposals.too_few.len())
        ));
        out.push(format!("{route} has {with} with and {all} in all."));
    }
    out
}

/// One `[[rule]]`, its `owner` and `expires` left to be filled in.
pub fn rule_toml(rule: &RuleSpec) -> String {
    let mut out = "[[rule]]\n".to_owned();
    for (key, value) in fields(rule) {
        if key == "on" {
            out.push_str("# owner = \"\"\n# expires = \"\"     # a day such as 2027-03-01\n");
        }
        let _ = writeln!(out, "{key} = {}", toml(&value));
    }
    out
}

/// The keys that are set, as the configuration spells them.
fn fields(rule: &RuleSpec) -> Vec<(&'static str, Value)> {
    let mut out = vec![("id", json!(rule.id))];
    out.extend(rule.why.as_ref().map(|why| ("why", json!(why))));
    out.push(("on", json!(rule.on)));
    out.push(("at", json!(rule.at)));
    out.extend(rule.ignore.map(|ignore| {
        let word = match ignore {
            Ignore::All => return ("ignore", json!(true)),
            Ignore::Missing => "missing",
            Ignore::Extra => "extra",
            Ignore::Value => "value",
            Ignore::Order => "order",
        };
        ("ignore", json!(word))
    }));
    if let Some(t) = &rule.tolerance {
        let mut bounds = Map::new();
        let mut put = |key: &str, value: Option<Value>| drop(value.map(|v| bounds.insert(key.to_owned(), v)));
        put("absolute", t.absolute.map(|v| json!(v)));
        put("relative", t.relative.map(|v| json!(v)));
        put("ulps", t.ulps.map(|v| json!(v)));
        put("f32_ulps", t.f32_ulps.map(|v| json!(v)));
        put("time", t.time.map(|v| json!(time(v))));
        out.push(("tolerance", Value::Object(bounds)));
    }
    out.extend(rule.numeric_string.then_some(("numeric_string", json!(true))));
    out.extend(rule.align.as_ref().map(|align| {
        let word = match align {
            Align::Lcs => "lcs",
            Align::Index => "index",
            Align::Set => "set",
            Align::Multiset => "multiset",
            Align::Auto => "auto",
            Align::Key(members) => return ("align", json!({ "key": members })),
        };
        ("align", json!(word))
    }));
    out.extend(rule.shape.as_ref().map(|shape| match shape {
        Shape::Class(name) => ("shape", json!(name)),
        Shape::Regex(pattern) => ("shape", json!({ "regex": pattern })),
    }));
    out.extend((!rule.same.is_empty()).then(|| ("same", json!(rule.same))));
    out.extend(rule.mask.as_ref().map(|m| ("mask", json!({ "pattern": m.pattern, "with": m.with }))));
    out.extend(rule.bijection.as_ref().map(|group| ("bijection", json!(group))));
    out
}

fn time(time: Duration) -> String {
    match time.as_secs() {
        s if s > 0 && s.is_multiple_of(3_600) => format!("{}h", s / 3_600),
        s if s > 0 && s.is_multiple_of(60) => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

/// A value as TOML; what is written here has strings, numbers, lists and flat tables.
fn toml(value: &Value) -> String {
    match value {
        // JSON escapes all that a basic string has to, but for one control character.
        Value::String(text) => json!(text).to_string().replace('\u{7f}', "\\u007f"),
        Value::Number(n) => match (n.as_u64(), n.as_f64()) {
            (None, Some(float)) => format!("{float:e}"),
            _ => n.to_string(),
        },
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(table) => {
            let pairs: Vec<String> = table.iter().map(|(key, value)| format!("{key} = {}", toml(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::Tolerance;
    use crate::evidence::{Left, Support};

    fn rule(at: &str) -> RuleSpec {
        RuleSpec { id: "a".into(), on: "GET /a".into(), at: at.into(), ..RuleSpec::default() }
    }

    #[test]
    fn every_property_is_toml_that_reads_back() {
        let odd = "json:$['a \"b\" \u{7f}\\'é']";
        for (rule, expect) in [
            (RuleSpec { ignore: Some(Ignore::All), ..rule(odd) }, "ignore = true"),
            (RuleSpec { align: Some(Align::Key(vec!["id".into()])), ..rule("json:$.a") }, "align = { key = [\"id\"] }"),
            (
                RuleSpec {
                    tolerance: Some(Tolerance { relative: Some(1e-9), ..Tolerance::default() }),
                    numeric_string: true,
                    ..rule("json:$.a")
                },
                "tolerance = { relative = 1e-9 }\nnumeric_string = true",
            ),
            (
                RuleSpec {
                    tolerance: Some(Tolerance { time: Some(Duration::from_secs(120)), ..Tolerance::default() }),
                    ..rule("json:$.a")
                },
                "tolerance = { time = \"2m\" }",
            ),
            (
                RuleSpec { shape: Some(Shape::Regex("[a-z]".into())), ..rule("json:$.a") },
                "shape = { regex = \"[a-z]\" }",
            ),
            (RuleSpec { bijection: Some("labels".into()), ..rule("json:$.a") }, "bijection = \"labels\""),
        ] {
            let text = rule_toml(&rule);
            assert!(text.contains(expect), "{text}");
            let read: toml::Table = toml::from_str(&text).unwrap();
            assert_eq!(read["rule"][0]["at"].as_str(), Some(&*rule.at));
        }
    }

    #[test]
    fn names_of_others_cannot_leave_their_comment() {
        let route: std::sync::Arc<str> = "GET /a\n[[rule]]\u{1b}[31m".into();
        let left =
            Left { route: route.clone(), location: "text".into(), kind: "text.hunk".into(), differed: 9, of: 60 };
        let proposals = Proposals {
            rules: vec![Proposal {
                rule: RuleSpec { on: route.to_string(), ignore: Some(Ignore::All), ..rule("json:$.a") },
                routes: vec![route.clone()],
                support: Support::default(),
            }],
            left: vec![left],
            looked_at: vec![route.clone()],
            too_few: vec![(route, 1, 2)],
        };
        let text = proposals_toml(&proposals);
        let read: toml::Table = toml::from_str(&text).unwrap();
        assert_eq!(read["rule"].as_array().map(Vec::len), Some(1), "{text}");
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn nothing_to_propose_says_why() {
        let quiet = Proposals { looked_at: vec!["GET /a".into()], ..Proposals::default() };
        let few = Proposals { too_few: vec![("GET /a".into(), 12, 30)], ..Proposals::default() };
        insta::assert_snapshot!(proposals_toml(&quiet), @"# Nothing to propose: what no rule covers was not volatile on 1 route.");
        insta::assert_snapshot!(proposals_toml(&few), @r"
        # Too few exchanges on 1 route: it takes 50 with a control, or 200 without one;
        # GET /a has 12 with and 30 in all.
        ");
        insta::assert_snapshot!(proposals_toml(&Proposals::default()), @"# Nothing to propose: nothing has been compared yet.");
    }
}
