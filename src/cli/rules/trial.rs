//! What came of replaying: what each rule would excuse, what would still diverge, and what that stands on.

use super::replay::Why;
use super::veiled::Unveiled;
use crate::diff::{self, Cover, Finding, RuleInfo, Tier};
use crate::report::{Report, escape, share, thousands};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

/// Divergences that the text lists.
const MAX_LISTED: usize = 20;

/// A dry run of rules.
pub(super) struct Trial {
    rules: Vec<(RuleInfo, Covered)>,
    /// Location and kind by route that the control showed to be noise: excused whatever the rules say.
    noise: BTreeSet<(Arc<str>, Arc<str>, Arc<str>)>,
    /// Exchanges of the evidence that differed.
    differed: u64,
    stored: u64,
    outcomes: Outcomes,
    not: NotReplayed,
    prints: BTreeSet<String>,
    remaining: BTreeMap<String, Remaining>,
}

#[derive(Default)]
struct Covered {
    exchanges: u64,
    /// Exchanges in which it would have to see what was redacted.
    untold: u64,
    prints: BTreeSet<String>,
}

/// Of those replayed.
#[derive(Default)]
struct Outcomes {
    divergent: u64,
    excused: u64,
    /// Whether they would be excused hangs on what was redacted.
    untold: u64,
    /// They do not differ any more: what did was not stored, or is not seen in the rules' light.
    matched: u64,
}

#[derive(Default)]
struct NotReplayed {
    cut: u64,
    binary: u64,
    no_answer: u64,
    unreadable: u64,
    budget: u64,
}

struct Remaining {
    route: Arc<str>,
    location: Arc<str>,
    kind: Arc<str>,
    tier: Tier,
    exchanges: u64,
    summary: String,
}

// === impl Trial ===

impl Trial {
    pub(super) fn new(rules: &[RuleInfo], report: &Report) -> Self {
        let by_noise = |d: &&crate::report::DivergenceReport| d.excused && d.excused_by.as_deref() == Some("noise");
        Self {
            rules: rules.iter().map(|rule| (rule.clone(), Covered::default())).collect(),
            noise: report
                .divergences
                .iter()
                .filter(by_noise)
                .map(|d| (d.route.clone(), d.location.clone(), d.kind.clone()))
                .collect(),
            differed: report.totals.divergent + report.totals.excused,
            stored: 0,
            outcomes: Outcomes::default(),
            not: NotReplayed::default(),
            prints: BTreeSet::new(),
            remaining: BTreeMap::new(),
        }
    }

    pub(super) fn not_replayed(&mut self, why: Why) {
        self.stored += 1;
        *match why {
            Why::Cut => &mut self.not.cut,
            Why::Binary => &mut self.not.binary,
            Why::NoAnswer => &mut self.not.no_answer,
            Why::Unreadable => &mut self.not.unreadable,
        } += 1;
    }

    /// Enters what one exchange came to.
    pub(super) fn add(&mut self, route: &Arc<str>, exchange: &Unveiled) {
        let findings = &exchange.found;
        self.stored += 1;
        if findings.budget.is_some() {
            self.not.budget += 1;
            return;
        }
        let mut covers: BTreeMap<&Arc<str>, BTreeSet<String>> = BTreeMap::new();
        let mut counted: BTreeMap<String, &Finding> = BTreeMap::new();
        let is_told = |finding: &&Finding| finding.tier.counts() && !finding.secondary;
        for finding in findings.list.iter().filter(is_told) {
            let print = print(route, finding);
            match &finding.cover {
                Some(Cover::Rule(id)) => {
                    self.prints.insert(print.clone());
                    covers.entry(id).or_default().insert(print);
                }
                None if self.is_noise(route, finding) => {}
                None => {
                    self.prints.insert(print.clone());
                    counted.entry(print).or_insert(finding);
                }
            }
        }
        let open = exchange.untold.iter().filter(|u| is_told(&&u.finding) && !self.is_noise(route, &u.finding));
        let open: Vec<_> = open.collect();
        self.prints.extend(open.iter().map(|u| print(route, &u.finding)));
        for (rule, covered) in &mut self.rules {
            let is_open = open.iter().any(|u| u.rule.as_ref() == Some(&rule.id));
            if let Some(prints) = covers.remove(&rule.id) {
                covered.exchanges += 1;
                covered.prints.extend(prints);
            } else if is_open {
                covered.untold += 1;
            }
        }
        *match (counted.is_empty(), open.is_empty()) {
            (false, _) => &mut self.outcomes.divergent,
            (true, false) => &mut self.outcomes.untold,
            (true, true) if findings.is_match() && exchange.untold.is_empty() => &mut self.outcomes.matched,
            (true, true) => &mut self.outcomes.excused,
        } += 1;
        for (print, finding) in counted {
            let remaining = self.remaining.entry(print).or_insert_with(|| Remaining {
                route: route.clone(),
                location: finding.location.clone(),
                kind: (&finding.kind).into(),
                tier: finding.tier,
                exchanges: 0,
                summary: diff::summary(finding),
            });
            remaining.exchanges += 1;
        }
    }

    /// Whether the control showed it too.
    fn is_noise(&self, route: &Arc<str>, finding: &Finding) -> bool {
        self.noise.contains(&(route.clone(), finding.location.clone(), (&finding.kind).into()))
    }

    fn replayed(&self) -> u64 {
        let Outcomes { divergent, excused, untold, matched } = self.outcomes;
        divergent + excused + untold + matched
    }

    /// Those in most exchanges first.
    fn worst_first(&self) -> Vec<&Remaining> {
        let mut all: Vec<&Remaining> = self.remaining.values().collect();
        all.sort_by_key(|r| (std::cmp::Reverse(r.exchanges), r.tier, r.route.clone(), r.location.clone()));
        all
    }

    pub(super) fn json(&self) -> String {
        let replayed = self.replayed();
        let document = json!({
            "schema": 1,
            "differed": self.differed,
            "stored": self.stored,
            "replayed": replayed,
            "not_replayed": { "cut": self.not.cut, "binary": self.not.binary, "no_answer": self.not.no_answer,
                              "unreadable": self.not.unreadable, "budget": self.not.budget },
            "excused": self.outcomes.excused,
            "matched": self.outcomes.matched,
            "divergent": self.outcomes.divergent,
            "untold": self.outcomes.untold,
            "rules": self.rules.iter().map(|(rule, covered)| json!({
                "id": rule.id, "on": rule.on, "at": rule.at, "expired": rule.expired,
                "exchanges": covered.exchanges, "share": ratio(covered.exchanges, replayed),
                "untold": covered.untold, "divergences": covered.prints.len(),
            })).collect::<Vec<_>>(),
            "remaining": self.worst_first().iter().map(|r| json!({
                "route": r.route, "location": r.location, "kind": r.kind, "tier": r.tier, "exchanges": r.exchanges,
                "summary": r.summary,
            })).collect::<Vec<_>>(),
        });
        format!("{document:#}\n")
    }

    pub(super) fn text(&self, file: &str, color: bool) -> String {
        let mut out = String::new();
        // Writing into a String cannot fail.
        let _ = self.write(&mut out, file, color);
        out
    }

    fn write(&self, out: &mut String, file: &str, color: bool) -> std::fmt::Result {
        let paint = |code: &str, text: String| if color { format!("\x1b[{code}m{text}\x1b[0m") } else { text };
        let replayed = self.replayed();
        let file = escape::line(file);
        if replayed == 0 {
            writeln!(out, "nothing could be replayed with the rules of {file}")?;
            writeln!(out, "  {}", self.stands_on())?;
            return Ok(());
        }
        let Outcomes { divergent, excused, untold, matched } = self.outcomes;
        writeln!(
            out,
            "{} of {} stored exchanges replayed with the rules of {file}",
            thousands(replayed),
            thousands(self.stored)
        )?;
        writeln!(out, "  {}", self.stands_on())?;
        writeln!(out)?;
        let of = |n: u64| format!("{:>7} of {}  {:>7}", thousands(n), thousands(replayed), share(ratio(n, replayed)));
        writeln!(out, "  would be excused   {}", of(excused))?;
        writeln!(out, "  would still diverge{}", of(divergent))?;
        if untold > 0 {
            writeln!(out, "  cannot be told     {}  redacted", of(untold))?;
        }
        if matched > 0 {
            writeln!(out, "  no difference left {}", of(matched))?;
        }
        if !self.rules.is_empty() {
            writeln!(out, "\nRULES")?;
        }
        let width = self.rules.iter().map(|(rule, _)| escape::line(&rule.id).chars().count()).max().unwrap_or(0);
        for (rule, covered) in &self.rules {
            let open = match covered.untold {
                1 => "cannot be told of 1 exchange, redacted".to_owned(),
                n => format!("cannot be told of {} exchanges, redacted", thousands(n)),
            };
            let did = match (rule.expired, covered.exchanges, covered.untold) {
                (true, ..) => "has expired, excuses nothing".to_owned(),
                (false, 0, 0) => "would excuse nothing of this".to_owned(),
                (false, 0, _) => open,
                (false, n, untold) => format!(
                    "would excuse {} of {} exchanges ({}), {} of {} divergences{}",
                    thousands(n),
                    thousands(replayed),
                    share(ratio(n, replayed)),
                    thousands(covered.prints.len() as u64),
                    thousands(self.prints.len() as u64),
                    if untold > 0 { format!("; {open}") } else { String::new() }
                ),
            };
            let id = escape::line(&rule.id);
            writeln!(out, "  {}  {did}", paint("36", format!("{id:<width$}")))?;
        }
        let remaining = self.worst_first();
        if !remaining.is_empty() {
            writeln!(out, "\nSTILL DIVERGING, {} of {}", remaining.len().min(MAX_LISTED), remaining.len())?;
        }
        for r in remaining.iter().take(MAX_LISTED) {
            let noun = if r.exchanges == 1 { "exchange" } else { "exchanges" };
            let (route, location) = (escape::line(&r.route), escape::line(&r.location));
            writeln!(out, "  {route}  {}  {}  {} {noun}", paint("36", location), r.kind, thousands(r.exchanges))?;
            writeln!(out, "    {}", escape::line(&r.summary))?;
        }
        Ok(())
    }

    /// What the numbers stand on, in a line.
    fn stands_on(&self) -> String {
        let NotReplayed { cut, binary, no_answer, unreadable, budget } = self.not;
        let why = [
            (cut, "with a body kept in part"),
            (binary, "with a body that is no text"),
            (no_answer, "without a whole answer"),
            (unreadable, "that cannot be read"),
            (budget, "beyond the limits of a comparison"),
        ];
        let why: Vec<String> =
            why.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", thousands(*n))).collect();
        let kept =
            format!("{} of the {} exchanges that differed were kept", thousands(self.stored), thousands(self.differed));
        if why.is_empty() { kept } else { format!("{kept}; not replayed: {}", why.join(", ")) }
    }
}

fn print(route: &str, finding: &Finding) -> String {
    let (kind, location) = (&finding.kind, &finding.location);
    diff::fingerprint(route, kind, location, &finding.primary_class, &finding.candidate_class)
}

fn ratio(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::rules::veiled::Untold;
    use crate::diff::Findings;
    use crate::evidence::testing::{finding, findings};
    use crate::report::Report;

    fn trial() -> Trial {
        let info = |id: &str, expired| RuleInfo {
            id: id.into(),
            owner: None,
            expires: None,
            why: None,
            on: "*".into(),
            at: "json:$.id".into(),
            expired,
            pairs: false,
        };
        let report: Report = crate::report::samples::report(crate::gate::Verdict::Fail);
        let mut trial = Trial::new(&[info("ids", false), info("float-print", false), info("old", true)], &report);
        trial.noise.insert(("GET /a".into(), "json:$.at".into(), "json.value".into()));
        let value = |at: &str| finding("json.value", at, Tier::Value);
        let ruled = || Finding { cover: Some(Cover::Rule("ids".into())), ..value("json:$.id") };
        let route: Arc<str> = "GET /a".into();
        for list in
            [vec![ruled(), value("json:$.at")], vec![ruled(), value("json:$.total")], vec![value("json:$.at")], vec![]]
        {
            trial.add(&route, &Unveiled { found: findings(list), untold: vec![] });
        }
        let untold = |rule: Option<&str>| Untold { finding: value("json:$.mail"), rule: rule.map(Into::into) };
        for (list, rule) in [(vec![], Some("float-print")), (vec![ruled()], Some("float-print")), (vec![ruled()], None)]
        {
            trial.add(&route, &Unveiled { found: findings(list), untold: vec![untold(rule)] });
        }
        let found = Findings { budget: Some("time".into()), ..Findings::default() };
        trial.add(&route, &Unveiled { found, untold: vec![] });
        trial.not_replayed(Why::Cut);
        trial
    }

    #[test]
    fn what_is_told() {
        insta::assert_snapshot!(trial().text("rules.toml", false), @r"
        7 of 9 stored exchanges replayed with the rules of rules.toml
          9 of the 1,266 exchanges that differed were kept; not replayed: 1 with a body kept in part, 1 beyond the limits of a comparison

          would be excused         2 of 7   28.6 %
          would still diverge      1 of 7   14.3 %
          cannot be told           3 of 7   42.9 %  redacted
          no difference left       1 of 7   14.3 %

        RULES
          ids          would excuse 4 of 7 exchanges (57.1 %), 1 of 3 divergences
          float-print  cannot be told of 2 exchanges, redacted
          old          has expired, excuses nothing

        STILL DIVERGING, 1 of 1
          GET /a  json:$.total  json.value  1 exchange
            primary old, candidate new
        ");
    }

    #[test]
    fn what_machines_read() {
        let value: serde_json::Value = serde_json::from_str(&trial().json()).unwrap();
        for (key, expect) in
            [("stored", 9), ("replayed", 7), ("excused", 2), ("divergent", 1), ("untold", 3), ("matched", 1)]
        {
            assert_eq!(value[key], expect, "{key}");
        }
        assert_eq!(value["not_replayed"]["cut"], 1);
        assert_eq!((&value["rules"][0]["exchanges"], &value["rules"][0]["untold"]), (&4.into(), &0.into()));
        assert_eq!((&value["rules"][1]["exchanges"], &value["rules"][1]["untold"]), (&0.into(), &2.into()));
        assert_eq!(value["remaining"][0]["location"], "json:$.total");
    }

    #[test]
    fn nothing_stored_is_said() {
        let report = crate::report::samples::empty();
        let told = Trial::new(&[], &report).text("rules.toml", false);
        assert_eq!(
            told,
            "nothing could be replayed with the rules of rules.toml\n  0 of the 0 exchanges that differed were kept\n"
        );
    }
}
