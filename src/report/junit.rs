//! The verdict as JUnit XML: one suite, a case per criterion and route. Nothing is ever skipped, because several CI
//! systems count what is skipped as passed.

use super::escape::xml;
use super::words::measured;
use crate::gate::{Judgement, Verdict};
use std::fmt::Write;

pub fn junit(judgement: &Judgement) -> String {
    let mut cases = String::new();
    let (mut tests, mut failures) = (0, 0);
    for c in &judgement.criteria {
        tests += 1;
        let route = c.route.as_deref().unwrap_or("all routes");
        let optional = if c.required { "" } else { " (not required)" };
        let name = format!("{} {route}{optional}", c.name());
        // What is only shown must not fail the suite, and says so.
        let failure = match (c.verdict, c.required) {
            (Verdict::Pass, _) | (_, false) => None,
            (Verdict::Fail, true) => Some("fail"),
            (Verdict::Inconclusive, true) => Some("inconclusive"),
        };
        let class = format!("parallax.{}", c.criterion.as_str());
        case(&mut cases, &class, &name, failure, &c.reason, &format!("{} {}", c.verdict.as_str(), measured(c)));
        failures += u32::from(failure.is_some());
    }
    if failures == 0 && judgement.verdict != Verdict::Pass {
        tests += 1;
        failures += 1;
        let reason = judgement.notices.first().map_or("no evidence", |n| n.message.as_str());
        case(&mut cases, "parallax.verdict", "verdict", Some(judgement.verdict.as_str()), reason, "");
    }
    let build = judgement.epoch.candidate_build.as_deref().unwrap_or("not named");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"parallax\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\">\n\
         \x20 <testsuite name=\"parallax gate, build {}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\" timestamp=\"{}\">\n\
         {cases}  </testsuite>\n</testsuites>\n",
        xml(build),
        xml(&judgement.epoch.started_at.to_string()),
    )
}

fn case(out: &mut String, class: &str, name: &str, failure: Option<&str>, reason: &str, detail: &str) {
    let _ = write!(out, "    <testcase classname=\"{}\" name=\"{}\">", xml(class), xml(name));
    let (reason, detail) = (xml(reason), xml(detail));
    let _ = match failure {
        Some("fail") => writeln!(out, "<failure message=\"{reason}\">{detail}</failure></testcase>"),
        Some(kind) => {
            writeln!(out, "<failure type=\"{}\" message=\"{reason}\">{detail}</failure></testcase>", xml(kind))
        }
        None => writeln!(out, "<system-out>{reason} {detail}</system-out></testcase>"),
    };
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn fail_and_inconclusive_are_failures() {
        insta::assert_snapshot!(junit(&samples::judgement(Verdict::Fail)), @r##"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="parallax" tests="3" failures="2" errors="0">
          <testsuite name="parallax gate, build 2026.11.3" tests="3" failures="2" errors="0" skipped="0" timestamp="2026-01-01T00:00:00.000Z">
            <testcase classname="parallax.divergence" name="divergence GET /orders/{id}"><failure message="the rate is above the limit">fail 0.303 % [0.27 %, 0.338 %], limit 0.1 %, of 4,810</failure></testcase>
            <testcase classname="parallax.divergence" name="divergence GET /invoices/{id}"><failure type="inconclusive" message="4,810 of 56,154 comparisons, none diverged">inconclusive 0.303 % [0.27 %, 0.338 %], limit 0.1 %, 4,810 of 56,154</failure></testcase>
            <testcase classname="parallax.divergence" name="divergence GET /users/{id}"><system-out>the rate is below the limit pass 0.303 % [0.27 %, 0.338 %], limit 0.1 %, of 4,810</system-out></testcase>
          </testsuite>
        </testsuites>
        "##);
    }

    #[test]
    fn no_criterion_at_all_is_a_failure_and_hostile_text_is_text() {
        let mut judgement = samples::judgement(Verdict::Inconclusive);
        let mut hostile = judgement.criteria[0].clone();
        judgement.criteria.clear();
        let none = junit(&judgement);
        assert!(none.contains("failures=\"1\"") && none.contains("<failure type=\"inconclusive\""), "{none}");

        hostile.route = Some("GET /\"><x>\u{0}&".into());
        judgement.criteria.push(hostile);
        let text = junit(&judgement);
        assert!(text.contains("GET /&quot;&gt;&lt;x&gt;␀&amp;") && !text.contains("skipped/>"), "{text}");
    }
}
