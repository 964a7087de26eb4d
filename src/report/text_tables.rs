//! The two tables of the text report. Narrow terminals lose columns from the right, long routes their middle.

use super::format::{Role, digits, pad, ratio};
use super::{DivergenceReport, Report, Style, age, share, thousands, words};
use std::fmt::Write;

const MAX_ROUTES: usize = 20;
const MAX_DIVERGENCES: usize = 5;
const COLUMNS: [(&str, usize); 6] =
    [("compared", 9), ("divergent", 11), ("rate", 10), ("  [bounds]      ", 16), ("p50", 7), ("p99", 7)];

pub(super) fn routes(out: &mut String, report: &Report, style: Style) -> std::fmt::Result {
    let symbol = if style.unicode { 2 } else { 5 };
    let mut shown = COLUMNS.len();
    let used = |n: usize| symbol + COLUMNS.iter().take(n).map(|c| c.1).sum::<usize>();
    while shown > 1 && used(shown) + 24 > style.columns() {
        shown -= 1;
    }
    let name_width = (style.columns() - used(shown)).min(36);

    let mut line = pad("ROUTES, worst first", symbol + name_width);
    for (title, width) in COLUMNS.iter().take(shown) {
        let _ = write!(line, "{title:>width$}");
    }
    writeln!(out, "{}", line.trim_end())?;

    let rows = words::rows(report);
    for row in rows.iter().take(MAX_ROUTES) {
        let mark = if row.critical { "critical" } else { "" };
        let room = name_width - if row.critical { mark.len() + 1 } else { 0 };
        let name = style.middle(&row.name, room);
        let mut line = format!("{} {}{mark}", style.symbol(row.verdict), pad(&name, name_width - mark.len()));
        let latency = row.route.map(|r| r.latency.ratio).unwrap_or_default();
        let cells = [
            thousands(row.compared),
            thousands(row.divergent),
            row.rate.map_or_else(|| "no data".to_owned(), |r| format!("{:<5} %", digits(r))),
            row.bounds.map_or_else(String::new, |(l, u)| format!("  [{:<6} {:>5}]", digits(l) + ",", digits(u))),
            ratio(latency.p50),
            ratio(latency.p99),
        ];
        for (cell, (_, width)) in cells.iter().zip(COLUMNS).take(shown) {
            let _ = write!(line, "{cell:>width$}");
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    if rows.len() > MAX_ROUTES {
        writeln!(out, "  {} more: parallax report --format json", rows.len() - MAX_ROUTES)?;
    }
    Ok(())
}

pub(super) fn divergences(out: &mut String, report: &Report, style: Style) -> std::fmt::Result {
    let counted: Vec<_> = report.divergences.iter().filter(|d| d.counted > 0).collect();
    let overflow: u64 = report.routes.iter().map(|r| r.divergences_overflow).sum();
    if counted.is_empty() {
        // Where nothing was compared, silence proves nothing.
        let text = if report.totals.compared == 0 { "nothing compared yet" } else { "no divergence counts" };
        return writeln!(out, "DIVERGENCES  {text}");
    }
    let shown = counted.len().min(MAX_DIVERGENCES);
    writeln!(out, "DIVERGENCES, {shown} of {} that count", counted.len())?;
    for d in counted.into_iter().take(MAX_DIVERGENCES) {
        divergence(out, report, d, style)?;
    }
    if overflow > 0 {
        writeln!(out, "  {} exchanges more differed in ways that had no place left", thousands(overflow))?;
    }
    Ok(())
}

fn divergence(out: &mut String, report: &Report, d: &DivergenceReport, style: Style) -> std::fmt::Result {
    let right = if style.columns() >= 80 { 29 } else { 0 };
    let left = style.columns() - 14 - right;
    let seen = if d.count == 0 { 0.0 } else { d.share * d.counted as f64 / d.count as f64 };
    let name = style.middle(&d.route, 26);
    let what = format!("{name}  {}  {}", style.plain(&d.location), d.kind);
    let what = if what.chars().count() > left {
        let room = left.saturating_sub(name.chars().count() + d.kind.chars().count() + 4).max(8);
        style.end(&format!("{name}  {}  {}", style.middle(&d.location, room), d.kind), left)
    } else {
        what
    };
    let count = format!("{:>10} exchanges, {}", thousands(d.counted), rough(seen));
    let last = format!("    last seen {}", age(report.generated_at, d.last_seen));
    let fingerprint = style.paint(Role::Id, &pad(&style.end(&d.fingerprint, 10), 10));
    let (count, last) = if right > 0 { (count, last) } else { Default::default() };
    writeln!(out, "{}", format!("  {fingerprint}  {}{count}", pad(&what, left)).trim_end())?;
    let summary = pad(&style.end(&d.summary, left), left);
    writeln!(out, "{}", format!("{:14}{summary}{last}", "").trim_end())
}

/// Two decimals are enough beside a count.
fn rough(x: f64) -> String {
    if x == 0.0 { share(0.0) } else { format!("{:.2} %", x * 100.0) }
}
