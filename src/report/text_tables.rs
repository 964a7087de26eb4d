//! The two tables of the text report. Narrow terminals lose columns from the right, long routes their middle.

use super::format::{Role, digits, pad, ratio};
use super::words::Group;
use super::{Report, Style, age, share, thousands, words};
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
    if rows.is_empty() {
        writeln!(out, "  nothing has been compared yet")?;
    }
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
            row.bounds.map_or_else(
                || format!("  {:<14}", "too few"),
                |(l, u)| format!("  [{:<6} {:>5}]", digits(l) + ",", digits(u)),
            ),
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
    for line in words::uncompared(report, 4) {
        writeln!(out, "  {}", style.wrap(&line, 4))?;
    }
    Ok(())
}

pub(super) fn divergences(out: &mut String, report: &Report, style: Style) -> std::fmt::Result {
    let counted: Vec<_> = report.divergences.iter().filter(|d| d.counted > 0).collect();
    let overflow: u64 = report.routes.iter().map(|r| r.overflow_counted).sum();
    if counted.is_empty() {
        // Where nothing was compared, silence proves nothing.
        let text = if report.totals.compared == 0 { "nothing compared yet" } else { "no divergence counts" };
        return writeln!(out, "DIVERGENCES  {text}");
    }
    let groups = words::groups(report);
    let shown: usize = groups.iter().take(MAX_DIVERGENCES).map(|group| group.all.len()).sum();
    writeln!(out, "DIVERGENCES, {shown} of {} that count", counted.len())?;
    for group in groups.iter().take(MAX_DIVERGENCES) {
        divergence(out, report, group, style)?;
    }
    if overflow > 0 {
        writeln!(out, "  {} times more a divergence counted that had no place left among these", thousands(overflow))?;
    }
    Ok(())
}

/// Two lines, three where route, location and kind do not fit on one: a location is there to be pasted.
fn divergence(out: &mut String, report: &Report, group: &Group<'_>, style: Style) -> std::fmt::Result {
    let d = group.worst;
    let right = if style.columns() >= 80 { 31 } else { 0 };
    let whole = style.columns() - 14;
    let left = whole - right;
    let name = match group.routes {
        1 => style.plain(&d.route),
        n => format!("on {n} routes"),
    };
    let location = style.plain(&d.location);
    let kind = style.plain(&d.kind);
    let length = |parts: &[&String]| parts.iter().map(|p| p.chars().count() + 2).sum::<usize>() - 2;
    let summary = style.plain(&d.summary);
    let fits = length(&[&name, &location, &kind]) <= left && summary.chars().count() <= left;
    let fingerprint = style.paint(Role::Id, &pad(&style.end(&d.fingerprint, 10), 10));
    let blank = " ".repeat(10);
    let mut lines = Vec::new();
    if fits {
        lines.push((
            fingerprint,
            format!("{name}  {}  {kind}", style.paint(Role::Id, &location)),
            length(&[&name, &location, &kind]),
        ));
    } else {
        let room = left.saturating_sub(kind.chars().count() + 2).max(8);
        let first = style.end(&format!("{}  {kind}", style.middle(&name, room)), left);
        lines.push((fingerprint, first.clone(), first.chars().count()));
        let location = style.middle(&location, whole);
        lines.push((blank.clone(), style.paint(Role::Id, &location), location.chars().count()));
    }
    for line in style.wrap(&summary, 14).lines().take(2) {
        let line = style.end(line.trim_start(), whole);
        let taken = line.chars().count();
        lines.push((blank.clone(), line, taken));
    }
    let count = format!("{:>7} exchanges, {}", thousands(group.counted), rough(group.share));
    let seen = format!("last seen {}", age(report.generated_at, d.last_seen));
    let mut beside = [count, seen].into_iter().filter(|_| right > 0).peekable();
    for (id, text, taken) in lines {
        // What stands beside waits for a line with room for it.
        let note = if taken <= left { beside.next().unwrap_or_default() } else { String::new() };
        let gap = left.saturating_sub(taken);
        writeln!(out, "{}", format!("  {id}  {text}{:gap$} {note}", "").trim_end())?;
    }
    Ok(())
}

/// Two decimals are enough beside a count.
fn rough(x: f64) -> String {
    if x == 0.0 || x >= 0.999_95 { share(x.clamp(0.0, 1.0)) } else { format!("{:.2} %", x * 100.0) }
}
