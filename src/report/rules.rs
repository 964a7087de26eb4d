//! What each rule did, and what to look at: those that excuse much, those that excuse nothing, those whose day comes.

use super::{RuleInfo, RuleOnRoute, RuleReport, RuleState, share};
use crate::diff::on_route;
use crate::evidence::Evidence;
use crate::model::{Notice, Severity, Timestamp};
use std::collections::BTreeSet;

/// Share of a route's exchanges beyond which a rule excuses much.
const MUCH: f64 = 0.2;
/// Exchanges of a route from which on its share says something, and without a hit, that a rule is unused.
const ENOUGH: u64 = 100;
/// Days before which the end of a rule is told.
const SOON: i64 = 14;
/// Rules that one notice names.
const MAX_NAMED: usize = 5;

/// All rules; those that excuse much of a route come first, the widest before.
pub(super) fn describe(rules: &[RuleInfo], evidence: &Evidence, compared: u64) -> Vec<RuleReport> {
    let mut all: Vec<RuleReport> = rules.iter().map(|rule| one(rule, evidence, compared)).collect();
    let width = |r: &RuleReport| if r.over_broad { r.routes.first().map_or(0.0, |on| on.share) } else { 0.0 };
    // Stable: the others stay in the order of the configuration.
    all.sort_by(|a, b| width(b).total_cmp(&width(a)));
    all
}

fn one(rule: &RuleInfo, evidence: &Evidence, compared: u64) -> RuleReport {
    let hits = evidence.rule_hits.get(rule.id.as_str()).copied().unwrap_or(0);
    let mut routes: Vec<RuleOnRoute> = evidence
        .routes
        .iter()
        .filter_map(|(name, route)| {
            let hits = *route.rule_hits.get(rule.id.as_str())?;
            Some(RuleOnRoute { route: name.clone(), hits, share: ratio(hits, route.counts.compared) })
        })
        .collect();
    routes.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.route.cmp(&b.route)));
    let large = |on: &RuleOnRoute| evidence.routes.get(&on.route).is_some_and(|r| r.counts.compared >= ENOUGH);
    let state = match (rule.expired, hits > 0 || rule.pairs) {
        (true, _) => RuleState::Expired,
        (false, true) => RuleState::Active,
        (false, false) => RuleState::Unused,
    };
    RuleReport {
        id: rule.id.clone(),
        owner: rule.owner.clone(),
        expires: rule.expires.clone(),
        state,
        hits,
        share: ratio(hits, compared),
        why: rule.why.clone(),
        on: rule.on.clone(),
        at: rule.at.clone(),
        over_broad: routes.iter().any(|on| on.share > MUCH && large(on)),
        routes,
        hint: (state == RuleState::Unused).then(|| hint(rule, evidence)).flatten(),
    }
}

/// Why a rule may have excused nothing: no route of that name, or a place that is called a little differently.
fn hint(rule: &RuleInfo, evidence: &Evidence) -> Option<String> {
    let routes: Vec<_> = evidence.routes.iter().filter(|(name, _)| on_route(&rule.on, name)).collect();
    if routes.is_empty() && !evidence.routes.is_empty() {
        let name = nearest(&rule.on, evidence.routes.keys().map(|name| &**name));
        let there = name.map(|name| format!(", but one is called `{name}`")).unwrap_or_default();
        return Some(format!("no route is called `{}`{there}", rule.on));
    }
    if routes.iter().map(|(_, route)| route.counts.compared).sum::<u64>() < ENOUGH {
        return None;
    }
    let differing: BTreeSet<&str> = routes
        .iter()
        .flat_map(|(_, route)| route.divergences.values().map(|row| &*row.location))
        .filter(|location| location.split(':').next() == rule.at.split(':').next())
        .collect();
    let other = nearest(&rule.at, differing.into_iter().filter(|location| *location != rule.at))?;
    Some(format!("nothing differs at `{}`, at `{other}` something does", rule.at))
}

/// The name most like `wanted`, if one is like it.
fn nearest<'n>(wanted: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    known
        .map(|name| (strsim::normalized_damerau_levenshtein(wanted, name), name))
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)))
        .map(|(_, name)| name)
}

/// What people should know of the rules beside the numbers.
pub(super) fn notices(rules: &[RuleReport], evidence: &Evidence, compared: u64) -> Vec<Notice> {
    let mut out = Vec::new();
    let mut add = |code: &str, severity, message: String, hint: &str| {
        out.push(Notice { code: code.into(), severity, message, hint: Some(hint.to_owned()), since: None });
    };
    let named = |texts: Vec<String>| {
        let more = texts.len().saturating_sub(MAX_NAMED);
        let mut text = texts.into_iter().take(MAX_NAMED).collect::<Vec<_>>().join(", ");
        if more > 0 {
            text.push_str(&format!(" and {more} more"));
        }
        text
    };
    let broad: Vec<String> = rules
        .iter()
        .filter(|r| r.over_broad)
        .filter_map(|r| r.routes.first().map(|on| format!("\"{}\" {} of {}", r.id, share(on.share), on.route)))
        .collect();
    if !broad.is_empty() {
        let message = format!("rules that excuse more than {} of a route's exchanges: {}", share(MUCH), named(broad));
        add(
            "rule_over_broad",
            Severity::Info,
            message,
            "see that each is as narrow as it can be: what it excuses nobody sees",
        );
    }
    let tried = |rule: &RuleReport| {
        let on = evidence.routes.iter().filter(|(name, _)| on_route(&rule.on, name));
        rule.hint.is_some() || on.map(|(_, route)| route.counts.compared).sum::<u64>() >= ENOUGH
    };
    let unused: Vec<String> = rules
        .iter()
        .filter(|r| r.state == RuleState::Unused && compared >= ENOUGH && tried(r))
        .map(|r| match &r.hint {
            Some(hint) => format!("\"{}\" ({hint})", r.id),
            None => format!("\"{}\"", r.id),
        })
        .collect();
    if !unused.is_empty() {
        let message = format!("rules that have excused nothing in this epoch: {}", named(unused));
        add("rule_unused", Severity::Warning, message, "correct or remove them");
    }
    out
}

/// What the end of rules means for report and gate: a rule that is over excuses nothing, and one that ends soon says so.
pub fn expiry_notices(rules: &[RuleInfo], now: Timestamp) -> Vec<Notice> {
    let today: Option<jiff::civil::Date> = now.day().parse().ok();
    let notice = |rule: &RuleInfo| {
        let until = rule.expires.as_deref()?;
        let (code, severity, message) = if rule.expired {
            let message = format!("rule \"{}\" has expired on {until} and excuses nothing any more", rule.id);
            ("rule_expired", Severity::Warning, message)
        } else {
            let last: jiff::civil::Date = until.parse().ok()?;
            let days = i64::from(today?.until(last).ok()?.get_days());
            let days = if days > SOON { return None } else { days };
            let when = if days == 1 { "tomorrow".to_owned() } else { format!("in {days} days") };
            ("rule_expires_soon", Severity::Info, format!("rule \"{}\" expires {when}, on {until}", rule.id))
        };
        let hint = Some("renew `expires` if the rule is still right, or remove it".to_owned());
        Some(Notice { code: code.into(), severity, message, hint, since: None })
    };
    rules.iter().filter_map(notice).collect()
}

fn ratio(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn rule(id: &str, on: &str, at: &str) -> RuleInfo {
        RuleInfo { id: id.into(), on: on.into(), at: at.into(), ..RuleInfo::default() }
    }

    #[test]
    fn broad_rules_come_first_and_unused_ones_say_where_to_look() {
        let mut evidence = samples::evidence("129.90");
        for (id, hits) in [("broad", 400_000), ("narrow", 10)] {
            evidence.rule_hits.insert(id.into(), hits);
            evidence.route_mut("GET /users/{id}").unwrap().rule_hits.insert(id.into(), hits);
        }
        let rules = [
            rule("narrow", "*", "json:$.a"),
            rule("typo", "GET /orders/{id}", "json:$.totl"),
            rule("nowhere", "GET /order/{id}", "json:$.total"),
            rule("broad", "*", "json:$.id"),
            rule("idle", "*", "header:x-nope"),
            RuleInfo { pairs: true, ..rule("rows", "*", "json:$.rows") },
        ];
        let described = describe(&rules, &evidence, 1_018_148);
        let told: Vec<_> = described.iter().map(|r| (&*r.id, r.state.as_str(), r.over_broad)).collect();
        let expect = [
            ("broad", "active", true),
            ("narrow", "active", false),
            ("typo", "unused", false),
            ("nowhere", "unused", false),
            ("idle", "unused", false),
            ("rows", "active", false),
        ];
        assert_eq!(told, expect);
        let told = notices(&described, &evidence, 1_018_148);
        assert_eq!(told.iter().map(|n| n.severity).collect::<Vec<_>>(), [Severity::Info, Severity::Warning]);
        let lines: Vec<_> = told.into_iter().map(|n| n.message).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        rules that excuse more than 20 % of a route's exchanges: "broad" 66.5 % of GET /users/{id}
        rules that have excused nothing in this epoch: "typo" (nothing differs at `json:$.totl`, at `json:$.total` something does), "nowhere" (no route is called `GET /order/{id}`, but one is called `GET /orders/{id}`), "idle"
        "#);
    }

    #[test]
    fn a_rule_is_not_called_unused_before_there_was_anything_to_excuse() {
        let rules = [rule("a", "*", "json:$.a")];
        let mut evidence = samples::evidence("1");
        assert!(notices(&describe(&rules, &evidence, 99), &evidence, 99).is_empty());
        let rules = [rule("a", "GET /new", "json:$.a")];
        evidence.route_mut("GET /users/{id}").map(|_| ()).unwrap();
        let seen = evidence.routes.get("GET /users/{id}").unwrap().clone();
        let few = std::sync::Arc::make_mut(evidence.routes.entry("GET /new".into()).or_insert(seen));
        few.counts.compared = 99;
        assert!(notices(&describe(&rules, &evidence, 1_000), &evidence, 1_000).is_empty(), "too little of its route");
        evidence.route_mut("GET /new").unwrap().counts.compared = 100;
        assert_eq!(notices(&describe(&rules, &evidence, 1_000), &evidence, 1_000).len(), 1);
    }

    #[test]
    fn the_end_of_a_rule_is_told_before_and_after() {
        let now: Timestamp = std::time::SystemTime::UNIX_EPOCH.into();
        let ends = |day: &str, expired| RuleInfo { expires: Some(day.into()), expired, ..rule("a", "*", "status") };
        for (day, expired, expect) in [
            ("1970-01-16", false, None),
            ("1970-01-15", false, Some("rule \"a\" expires in 14 days, on 1970-01-15")),
            ("1970-01-02", false, Some("rule \"a\" expires tomorrow, on 1970-01-02")),
            ("1970-01-01", true, Some("rule \"a\" has expired on 1970-01-01 and excuses nothing any more")),
        ] {
            let told = expiry_notices(&[ends(day, expired)], now);
            assert_eq!(told.first().map(|n| n.message.as_str()), expect);
            assert!(told.iter().all(|n| (n.severity == Severity::Warning) == expired));
        }
    }
}
