//! The verdict as Markdown: the short form, for comments and job summaries.

use super::escape::markdown as md;
use super::format::word;
use super::{duration, words};
use crate::gate::{Judgement, Verdict};
use std::fmt::Write;
use std::time::Duration;

const MAX_ROWS: usize = 100;

pub fn gate_markdown(judgement: &Judgement) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = write(&mut out, judgement);
    out
}

fn write(out: &mut String, j: &Judgement) -> std::fmt::Result {
    let required: Vec<_> = j.criteria.iter().filter(|c| c.required).collect();
    let holding = required.iter().filter(|c| c.verdict == Verdict::Pass).count();
    let build = j.epoch.candidate_build.as_ref().map_or_else(|| "the candidate".to_owned(), |b| format!("build {b}"));
    writeln!(out, "## {}\n", word(j.verdict))?;
    let sentence = match j.verdict {
        Verdict::Pass => "may replace the primary",
        Verdict::Fail => "must not replace the primary",
        Verdict::Inconclusive => "is not decided. This is not a pass",
    };
    let eta =
        j.eta_seconds.map(|s| format!(", decided in about {}", duration(Duration::from_secs(s)))).unwrap_or_default();
    writeln!(out, "{} {sentence}: {holding} of {} criteria hold{eta}.\n", md(&build), required.len())?;
    if !j.criteria.is_empty() {
        writeln!(out, "| verdict | criterion | route | measured | reason |\n|---|---|---|---|---|")?;
        let mut rows: Vec<_> = j.criteria.iter().collect();
        rows.sort_by_key(|c| {
            (!c.required, [Verdict::Fail, Verdict::Inconclusive, Verdict::Pass].iter().position(|v| *v == c.verdict))
        });
        for c in rows.iter().take(MAX_ROWS) {
            writeln!(
                out,
                "| {} | {}{} | {} | {} | {} |",
                word(c.verdict),
                c.criterion.as_str(),
                if c.required { "" } else { " (shown only)" },
                md(c.route.as_deref().unwrap_or("")),
                md(&words::measured(c)),
                md(&c.reason),
            )?;
        }
        if rows.len() > MAX_ROWS {
            writeln!(out, "\n_{} more rows are in the gate's JSON._", rows.len() - MAX_ROWS)?;
        }
    }
    for (i, n) in j.notices.iter().enumerate() {
        let gap = if i == 0 { "\n" } else { "" };
        let hint = n.hint.as_ref().map(|h| format!("; {h}")).unwrap_or_default();
        writeln!(out, "{gap}- **!** {}", md(&format!("{}{hint}", n.message)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn worst_first() {
        insta::assert_snapshot!(gate_markdown(&samples::judgement(Verdict::Fail)), @r##"
        ## ✖ FAIL

        build 2026.11.3 must not replace the primary: 1 of 3 criteria hold.

        | verdict | criterion | route | measured | reason |
        |---|---|---|---|---|
        | ✖ FAIL | divergence | GET /orders/{id} | 0.303 % \[0.27 %, 0.338 %\], limit 0.1 %, of 4,810 | the rate is above the limit |
        | ◌ INCONCLUSIVE | divergence | GET /invoices/{id} | 0.303 % \[0.27 %, 0.338 %\], limit 0.1 %, 4,810 of 56,154 | 4,810 of 56,154 comparisons, none diverged |
        | ✔ PASS | divergence | GET /users/{id} | 0.303 % \[0.27 %, 0.338 %\], limit 0.1 %, of 4,810 | the rate is below the limit |
        "##);
    }
}
