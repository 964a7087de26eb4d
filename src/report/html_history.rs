//! The pieces of HTML that tell of time: how the bounds closed in, when the verdict changed, the epochs before.

use super::escape::Html;
use super::format::word;
use super::fragments::time;
use super::{BoundSeries, Report, chart, thousands};
use crate::gate::Verdict;
use std::fmt::Write;

type Out<'a> = &'a mut String;
type Written = std::fmt::Result;

/// How the bounds closed in, drawn, and when the verdict changed. Nothing while there are fewer than two points.
pub fn history(out: Out<'_>, report: &Report) -> Written {
    let history = &report.history;
    if history.points.len() < 2 {
        return Ok(());
    }
    out.push_str("<h2>How the bounds closed in</h2>\n");
    verdict_changes(out, report)?;
    // What holds and has no bounds shows nothing closing in.
    let closes_in = |s: &&BoundSeries| {
        s.verdict != Verdict::Pass || s.points.iter().any(|p| p.lower.is_some() || p.upper.is_some())
    };
    let drawn: Vec<_> = history.series.iter().filter(closes_in).collect();
    if drawn.is_empty() {
        return Ok(());
    }
    out.push_str("<p class=\"epoch\">A pass takes the upper bound below the limit, a fail the lower bound above it. Upright lines are where the verdict changed.</p>\n<div class=\"charts\">\n");
    drawn.iter().try_for_each(|series| chart::bounds(out, series, &history.changes))?;
    out.push_str("</div>\n");
    Ok(())
}

/// When the verdict changed, and why.
fn verdict_changes(out: Out<'_>, report: &Report) -> Written {
    let history = &report.history;
    out.push_str("<div class=\"wide\"><table><caption>When the verdict changed");
    if history.changes_left_out > 0 {
        write!(out, "; {} changes in between are not kept", thousands(history.changes_left_out))?;
    }
    out.push_str("</caption><thead><tr><th scope=\"col\">verdict</th><th scope=\"col\" class=\"t\">since</th><th scope=\"col\" class=\"n\">compared</th><th scope=\"col\" class=\"n\">divergent</th><th scope=\"col\">why</th></tr></thead><tbody>\n");
    for change in &history.changes {
        writeln!(
            out,
            "<tr class=\"{}\"><td class=\"tag\"><strong>{}</strong></td><td class=\"t\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"long\">{}</td></tr>",
            change.verdict.as_str(),
            word(change.verdict),
            time(report.generated_at, change.at),
            thousands(change.compared),
            thousands(change.divergent),
            Html(if change.verdict == Verdict::Pass { "every criterion holds" } else { &change.why }),
        )?;
    }
    out.push_str("</tbody></table></div>\n");
    Ok(())
}

/// The epochs before this one and what became of them. Nothing where there are none.
pub fn epochs(out: Out<'_>, report: &Report) -> Written {
    if report.epochs.is_empty() {
        return Ok(());
    }
    out.push_str("<h2>Earlier epochs</h2>\n<div class=\"wide\"><table><caption>The newest first; the verdict is the last one given while the epoch ran</caption><thead><tr><th scope=\"col\">verdict</th><th scope=\"col\">epoch</th><th scope=\"col\">build</th><th scope=\"col\">began for</th><th scope=\"col\" class=\"t\">from</th><th scope=\"col\" class=\"t\">to</th><th scope=\"col\" class=\"n\">compared</th><th scope=\"col\" class=\"n\">divergent</th><th scope=\"col\">why</th></tr></thead><tbody>\n");
    for past in &report.epochs {
        writeln!(
            out,
            "<tr class=\"{}\"><td class=\"tag\"><strong>{}</strong></td><th scope=\"row\">{}</th><td class=\"long\">{}</td><td>{}</td><td class=\"t\">{}</td><td class=\"t\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"long\">{}</td></tr>",
            past.verdict.map_or("", Verdict::as_str),
            past.verdict.map_or("not judged", word),
            Html(&past.epoch.id),
            Html(past.epoch.candidate_build.as_deref().unwrap_or("(not named)")),
            past.epoch.reason.as_str(),
            time(report.generated_at, past.epoch.started_at),
            time(report.generated_at, past.ended_at),
            thousands(past.totals.compared),
            thousands(past.totals.divergent),
            Html(&past.why),
        )?;
    }
    out.push_str("</tbody></table></div>\n");
    Ok(())
}
