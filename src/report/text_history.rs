//! The report's lines on how the bounds closed in.

use super::format::{columns, pad};
use super::history::{BoundPoint, BoundSeries};
use super::{HistoryReport, Report, Style, duration};
use crate::gate::Verdict;
use crate::model::Timestamp;
use std::fmt::Write;
use std::time::Duration;

/// Lines of bounds, moments beside each other, and verdicts.
const MAX_LINES: usize = 5;
const MAX_TIMES: usize = 4;
const MAX_VERDICTS: usize = 6;
/// What a moment, the bound's name and the limit take.
const CELL: usize = 9;
const BOUND: usize = 7;
/// Columns of names there should be before a moment is left out.
const LEAST_NAME: usize = 24;

/// Nothing while there are fewer than two points, or no bound among them.
pub(super) fn history(out: &mut String, report: &Report, style: Style) -> std::fmt::Result {
    let history = &report.history;
    if history.points.len() < 2 {
        return Ok(());
    }
    let lines: Vec<_> = history.series.iter().filter(|s| s.points.iter().any(|p| bound(s, p).is_some())).collect();
    let room = style.columns().saturating_sub(2 + LEAST_NAME + BOUND + CELL) / CELL;
    let times = times(history, room.clamp(1, MAX_TIMES));
    let name_width = style.columns() - 2 - BOUND - CELL * (times.len() + 1);
    writeln!(out)?;
    if !lines.is_empty() {
        let mut head = pad("HISTORY, bounds after", 2 + name_width + BOUND);
        for at in &times {
            let _ = write!(head, "{:>CELL$}", short(at.since(report.epoch.started_at)));
        }
        writeln!(out, "{head}{:>CELL$}", "limit")?;
    }
    for series in lines.iter().take(MAX_LINES) {
        let name_width = name_width - symbol_extra(style);
        let name = style.middle(&series.name(), name_width - 1);
        let mut line = format!("{} {}", style.symbol(series.verdict), pad(&name, name_width));
        line.push_str(&pad(side(series), BOUND));
        for at in &times {
            let value = series.points.iter().find(|p| p.at == *at).and_then(|p| bound(series, p));
            let told = value.map_or_else(|| "-".to_owned(), |v| series.told(v));
            let _ = write!(line, "{told:>CELL$}");
        }
        let limit = series.points.last().and_then(|p| p.limit).map(|l| series.told(l)).unwrap_or_default();
        writeln!(out, "{line}{limit:>CELL$}")?;
    }
    if lines.len() > MAX_LINES {
        writeln!(out, "  {} more in the report as HTML or JSON", lines.len() - MAX_LINES)?;
    }
    let told = verdicts(report);
    let (head, indent) = if lines.is_empty() { ("HISTORY", 9) } else { ("  verdicts", 12) };
    writeln!(out, "{head}  {}", style.wrap_after(&told, columns(head) + 2, indent))
}

/// A symbol in ASCII takes three columns more.
const fn symbol_extra(style: Style) -> usize {
    if style.unicode { 0 } else { 3 }
}

/// A fail rests on the lower bound, anything else on the upper.
fn bound(series: &BoundSeries, point: &BoundPoint) -> Option<f64> {
    if series.verdict == Verdict::Fail { point.lower } else { point.upper }
}

const fn side(series: &BoundSeries) -> &'static str {
    match series.verdict {
        Verdict::Fail => "lower",
        _ => "upper",
    }
}

/// The last moment, half of the way to it, half of that: bounds close in by halves.
fn times(history: &HistoryReport, most: usize) -> Vec<Timestamp> {
    let (Some(first), Some(last)) = (history.points.first(), history.points.last()) else { return Vec::new() };
    let mut times = vec![last.at];
    let mut left = last.at.since(first.at);
    while times.len() < most && !left.is_zero() {
        left /= 2;
        let wanted = first.at + left;
        let near = history.points.iter().rev().find(|p| p.at <= wanted);
        if let Some(point) = near.filter(|p| !times.contains(&p.at)) {
            times.push(point.at);
        }
    }
    times.reverse();
    times
}

/// In one unit, so that it fits a column: `90 min`, `36 h`.
fn short(d: Duration) -> String {
    match d.as_secs() {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7_200 => format!("{} min", s / 60),
        s @ 7_200..172_800 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}

fn after(report: &Report, at: Timestamp) -> String {
    duration(at.since(report.epoch.started_at))
}

/// `inconclusive after 1 s, fail after 13 min`.
pub(super) fn verdicts(report: &Report) -> String {
    let history = &report.history;
    let all = &history.changes;
    let shown = all.len().saturating_sub(MAX_VERDICTS);
    let told = all.iter().skip(shown).map(|c| format!("{} after {}", c.verdict.as_str(), after(report, c.at)));
    let told = told.collect::<Vec<_>>().join(", ");
    match shown as u64 + history.changes_left_out {
        0 => told,
        1 => format!("1 earlier change, {told}"),
        n => format!("{} earlier changes, {told}", super::thousands(n)),
    }
}
