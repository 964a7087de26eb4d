//! The verdict as workflow annotations. A step shows ten errors and ten warnings and drops the others silently, so
//! at most nine of each are written and one more line counts the rest.

use super::escape::workflow;
use super::words::measured;
use crate::gate::{CriterionResult, Judgement, Verdict};
use std::fmt::Write;

const MAX: usize = 9;

pub fn github(judgement: &Judgement) -> String {
    let mut out = String::new();
    let of = |verdict| judgement.criteria.iter().filter(move |c| c.required && c.verdict == verdict);
    let failed: Vec<_> = of(Verdict::Fail).collect();
    let open: Vec<_> = of(Verdict::Inconclusive).collect();
    annotations(&mut out, "error", "FAIL", &failed);
    annotations(&mut out, "warning", "INCONCLUSIVE", &open);
    let build = judgement.epoch.candidate_build.as_deref().unwrap_or("(not named)");
    let required = judgement.criteria.iter().filter(|c| c.required).count();
    if failed.is_empty() && judgement.verdict == Verdict::Fail {
        let _ = writeln!(out, "::error title=FAIL::the gate says fail");
    }
    if open.is_empty() && judgement.verdict == Verdict::Inconclusive {
        let _ = writeln!(out, "::warning title=INCONCLUSIVE::there is nothing to judge yet. This is not a pass.");
    }
    if judgement.verdict == Verdict::Pass {
        let text = format!("build {build} may replace the primary: {required} of {required} criteria hold");
        let _ = writeln!(out, "::notice title=PASS::{}", workflow(&text, false));
    }
    out
}

fn annotations(out: &mut String, level: &str, word: &str, list: &[&CriterionResult]) {
    for c in list.iter().take(MAX) {
        let route = c.route.as_deref().map(|r| format!(" {r}")).unwrap_or_default();
        let title = format!("{word} {}{route}", c.name());
        let detail = measured(c);
        let gap = if detail.is_empty() { "" } else { ": " };
        let text = format!("{}{gap}{detail}", c.reason);
        let _ = writeln!(out, "::{level} title={}::{}", workflow(&title, true), workflow(&text, false));
    }
    if list.len() > MAX {
        let _ = writeln!(out, "::{level} title={word}::and {} more criteria, see the report", list.len() - MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn one_line_each() {
        insta::assert_snapshot!(github(&samples::judgement(Verdict::Fail)), @r##"
        ::error title=FAIL divergence GET /orders/{id}::the rate is above the limit: 0.303 %25 [0.27 %25, 0.338 %25], limit 0.1 %25, of 4,810
        ::warning title=INCONCLUSIVE divergence GET /invoices/{id}::4,810 of 56,154 comparisons, none diverged: 0.303 %25 [0.27 %25, 0.338 %25], limit 0.1 %25, 4,810 of 56,154
        "##);
        insta::assert_snapshot!(github(&samples::judgement(Verdict::Pass)), @r##"::notice title=PASS::build 2026.11.3 may replace the primary: 3 of 3 criteria hold"##);
    }

    #[test]
    fn never_more_than_ten() {
        let mut judgement = samples::judgement(Verdict::Fail);
        let failed = judgement.criteria.iter().find(|c| c.verdict == Verdict::Fail).unwrap().clone();
        judgement.criteria = vec![failed; 30];
        let text = github(&judgement);
        assert_eq!(text.lines().count(), 10);
        assert!(text.ends_with("::error title=FAIL::and 21 more criteria, see the report\n"), "{text}");
    }

    #[test]
    fn no_line_can_be_broken_out_of() {
        let mut judgement = samples::judgement(Verdict::Fail);
        judgement.criteria.retain(|c| c.verdict == Verdict::Fail);
        judgement.criteria[0].route = Some("GET /a\n::stop-commands::x".into());
        let text = github(&judgement);
        assert_eq!(text.lines().count(), 1);
        assert!(text.contains("GET /a%0A%3A%3Astop-commands"), "{text}");
    }
}
