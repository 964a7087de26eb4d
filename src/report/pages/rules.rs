//! What each rule did, those to be looked at first before the others; and what is proposed.

use super::super::{Report, RuleReport, RuleState, rule_toml, share, thousands};
use super::{Frame, Visit, filters, rendered};
use crate::evidence::{Proposals, propose};
use askama::Template;

/// Of more the JSON tells.
const MOST: usize = 100;
const MOST_PROPOSED: usize = 40;

#[derive(Template)]
#[template(path = "rules.html")]
struct Rules<'a> {
    frame: Frame<'a>,
    report: &'a Report,
    rows: Vec<Row<'a>>,
    proposed: Vec<(String, String)>,
    proposals: Proposals,
}

/// A rule as the table shows it.
pub struct Row<'a> {
    pub rule: &'a RuleReport,
    pub state: &'static str,
    pub attention: bool,
    /// Its share of what was compared.
    pub hides: String,
    /// Where it excuses most, or why it may excuse nothing.
    pub note: String,
}

/// Rules as tables show them: to be looked at first, the widest before.
pub fn rows(report: &Report) -> Vec<Row<'_>> {
    let mut list: Vec<_> = report.rules.iter().collect();
    // Stable: within these they are in their own order.
    list.sort_by_key(|rule| (!rule.over_broad, rule.state == RuleState::Active));
    list.into_iter()
        .map(|rule| {
            let state = match (rule.over_broad, rule.state) {
                (_, RuleState::Expired) => "expired",
                (true, _) => "over-broad",
                (false, RuleState::Unused) => "unused",
                (false, RuleState::Active) => "active",
            };
            let widest = rule.routes.first().filter(|_| rule.over_broad);
            let widest = widest.map(|on| format!("{} of {}", share(on.share), on.route));
            let note = widest.or_else(|| rule.hint.clone()).unwrap_or_default();
            let hides = if report.totals.compared == 0 { "no data".to_owned() } else { share(rule.share) };
            Row { rule, state, attention: state != "active", hides, note }
        })
        .collect()
}

/// The page.
pub fn rules(visit: &Visit<'_>) -> String {
    let look = visit.look;
    let report = &look.report;
    let mut proposals = propose(&look.evidence, &report.rules.iter().map(|rule| rule.id.clone()).collect());
    let proposed = proposals.rules.iter().take(MOST_PROPOSED).map(|p| {
        let (differed, of) = (thousands(p.support.differed), thousands(p.support.of));
        let by = if p.support.control { "the control differs as well" } else { "without a control" };
        (format!("differed in {differed} of {of} exchanges, {by}"), rule_toml(&p.rule))
    });
    let proposed = proposed.collect();
    proposals.left.truncate(MOST);
    rendered(&Rules {
        frame: Frame::new(visit, "/rules", "Rules"),
        report,
        rows: rows(report).into_iter().take(MOST).collect(),
        proposed,
        proposals,
    })
}
