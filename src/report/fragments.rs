//! Pieces of HTML that the one-file report and the dashboard share. Everything that comes from outside passes
//! through [`Html`]; nothing is inline, so a strict content security policy can hold.

use super::escape::Html;
use super::format::{digits, micros, part, ratio, share, word};
use super::{DivergenceReport, Report, age, thousands, words};
use crate::evidence::{Example, ExampleMessage};
use crate::gate::Verdict;
use crate::model::{Severity, Timestamp};
use similar::{ChangeTag, TextDiff};
use std::fmt::Write;
use std::time::Duration;

/// The style sheet of both.
pub const STYLE: &str = include_str!("templates/style.css");

type Out<'a> = &'a mut String;
type Written = std::fmt::Result;

/// Symbol, word and the sentence behind it.
pub fn verdict(out: Out<'_>, report: &Report) -> Written {
    let v = report.gate.verdict;
    write!(
        out,
        "<p class=\"verdict {}\" aria-live=\"polite\"><strong>{}</strong> <span>{}</span></p>\n<p class=\"epoch\">{}</p>\n",
        v.as_str(),
        word(v),
        Html(words::headline(report)),
        Html(words::epoch_line(report)),
    )
}

/// The criteria that failed or are open, at most five.
pub fn why(out: Out<'_>, report: &Report) -> Written {
    let mut open: Vec<_> = report.gate.criteria.iter().filter(|c| c.required && c.verdict != Verdict::Pass).collect();
    if open.is_empty() {
        return Ok(());
    }
    open.sort_by_key(|c| c.verdict != Verdict::Fail);
    out.push_str("<h2>Why</h2>\n<ul class=\"why\">\n");
    for c in open.iter().take(5) {
        let measured = words::measured(c);
        writeln!(
            out,
            "<li class=\"{}\"><strong>{}</strong> {} <small>{}</small></li>",
            c.verdict.as_str(),
            word(c.verdict),
            Html(words::reason(c)),
            Html(measured),
        )?;
    }
    if open.len() > 5 {
        writeln!(out, "<li>and {} more</li>", open.len() - 5)?;
    }
    out.push_str("</ul>\n");
    Ok(())
}

/// One bar and the numbers it is drawn from. No data draws no bar.
pub fn accounting(out: Out<'_>, report: &Report) -> Written {
    let t = &report.totals;
    let parts = [
        ("matched", t.matched),
        ("excused", t.excused),
        ("divergent", t.divergent),
        ("incomparable", t.incomparable),
        ("pending", t.pending),
        ("not mirrored", t.not_mirrored.sum()),
    ];
    out.push_str("<h2>Accounting</h2>\n");
    if t.requests > 0 {
        out.push_str("<svg class=\"bar\" viewBox=\"0 0 1000 24\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"shares of all requests, numbers below\">\n");
        let mut x = 0.0;
        for (name, n) in parts {
            let width = n as f64 / t.requests as f64 * 1000.0;
            let class = name.replace(' ', "-");
            writeln!(out, "<rect class=\"{class}\" x=\"{x:.2}\" y=\"0\" width=\"{width:.2}\" height=\"24\"/>")?;
            x += width;
        }
        out.push_str("</svg>\n");
    }
    out.push_str("<table><caption>Where every request ended</caption><thead><tr><th scope=\"col\">bucket</th><th scope=\"col\" class=\"n\">exchanges</th><th scope=\"col\" class=\"n\">share of requests</th><th scope=\"col\">of which</th></tr></thead><tbody>\n");
    for (name, n) in parts {
        let detail = match name {
            "excused" => words::excused(report),
            "incomparable" => words::rest(report),
            "not mirrored" => words::not_mirrored(report),
            _ => String::new(),
        };
        writeln!(
            out,
            "<tr><th scope=\"row\"><span class=\"key {}\"></span>{name}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
            name.replace(' ', "-"),
            thousands(n),
            part(n, t.requests),
            Html(detail),
        )?;
    }
    writeln!(
        out,
        "</tbody><tfoot><tr><th scope=\"row\">requests</th><td class=\"n\">{}</td><td></td><td>{} mirrored, {} compared</td></tr></tfoot></table>",
        thousands(t.requests),
        thousands(t.mirrored),
        thousands(t.compared),
    )
}

/// The routes, worst first, at most `limit`.
pub fn routes(out: Out<'_>, report: &Report, limit: usize) -> Written {
    let rows = words::rows(report);
    out.push_str("<h2>Routes</h2>\n");
    if rows.is_empty() {
        out.push_str("<p class=\"nodata\">No route has been seen yet.</p>\n");
        return Ok(());
    }
    out.push_str("<div class=\"wide\"><table><caption>Routes, worst first; latency is candidate over primary</caption><thead><tr><th scope=\"col\">verdict</th><th scope=\"col\">route</th>");
    for title in
        ["compared", "divergent", "rate", "bounds", "limit", "noise", "primary p50", "candidate p50", "p50", "p99"]
    {
        write!(out, "<th scope=\"col\" class=\"n\">{title}</th>")?;
    }
    out.push_str("</tr></thead><tbody>\n");
    for row in rows.iter().take(limit) {
        let latency = row.route.map(|r| r.latency);
        let p50 = |f: fn(&super::Latency) -> super::LatencySummary| {
            latency.as_ref().map(f).filter(|s| s.count > 0).map_or_else(|| "-".to_owned(), |s| micros(s.p50_us))
        };
        let noise = row.route.filter(|_| report.proxy.control).map(|r| share(r.divergence.noise)).unwrap_or_default();
        write!(
            out,
            "<tr class=\"{}\"><td><strong>{}</strong></td><th scope=\"row\">{}{}</th>",
            row.verdict.as_str(),
            word(row.verdict),
            Html(&row.name),
            if row.critical { " <em>critical</em>" } else { "" },
        )?;
        for cell in [
            thousands(row.compared),
            thousands(row.divergent),
            row.rate.map_or_else(|| "no data".to_owned(), share),
            row.bounds.map_or_else(String::new, |(l, u)| format!("[{}, {}] %", digits(l), digits(u))),
            row.limit.map_or_else(String::new, share),
            noise,
            p50(|l| l.primary),
            p50(|l| l.candidate),
            ratio(latency.and_then(|l| l.ratio.p50)),
            ratio(latency.and_then(|l| l.ratio.p99)),
        ] {
            write!(out, "<td class=\"n\">{}</td>", Html(cell))?;
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    if rows.len() > limit {
        writeln!(out, "<p>{} more.</p>", rows.len() - limit)?;
    }
    Ok(())
}

/// A table of divergences; `href` is what stands before the fingerprint in links.
pub fn divergences(out: Out<'_>, report: &Report, caption: &str, list: &[&DivergenceReport], href: &str) -> Written {
    write!(out, "<div class=\"wide\"><table><caption>{}</caption><thead><tr>", Html(caption))?;
    for (title, class) in [
        ("divergence", ""),
        ("route", ""),
        ("location", ""),
        ("kind", ""),
        ("what", ""),
        ("exchanges", " class=\"n\""),
        ("share", " class=\"n\""),
        ("last seen", ""),
    ] {
        write!(out, "<th scope=\"col\"{class}>{title}</th>")?;
    }
    out.push_str("</tr></thead><tbody>\n");
    for d in list {
        let (class, note) = match &d.excused_by {
            Some(by) if d.excused => ("excused", format!(" (excused by {by})")),
            _ => ("counted", String::new()),
        };
        writeln!(
            out,
            "<tr class=\"{class}\"><th scope=\"row\"><a href=\"{}{}\"><code>{}</code></a></th><td>{}</td><td><code>{}</code></td><td>{}{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
            Html(href),
            Html(&d.fingerprint),
            Html(&d.fingerprint),
            Html(&d.route),
            Html(&d.location),
            Html(&d.kind),
            Html(note),
            Html(&d.summary),
            thousands(if d.excused { d.count } else { d.counted }),
            share(d.share),
            time(report.generated_at, d.last_seen),
        )?;
    }
    out.push_str("</tbody></table></div>\n");
    Ok(())
}

/// The notices, worst first.
pub fn notices(out: Out<'_>, report: &Report) -> Written {
    if report.notices.is_empty() {
        return Ok(());
    }
    out.push_str("<h2>Notices</h2>\n<ul class=\"notices\">\n");
    for n in &report.notices {
        let (class, name) = match n.severity {
            Severity::Error => ("error", "error"),
            Severity::Warning => ("warning", "warning"),
            Severity::Info => ("info", "note"),
        };
        let hint = n.hint.as_ref().map(|h| format!("; {h}")).unwrap_or_default();
        writeln!(out, "<li class=\"{class}\"><strong>{name}</strong> {}{}</li>", Html(&n.message), Html(hint))?;
    }
    out.push_str("</ul>\n");
    Ok(())
}

/// One example: the request, then primary and candidate side by side with changed lines marked and named.
pub fn example(out: Out<'_>, now: Timestamp, example: &Example) -> Written {
    writeln!(
        out,
        "<article class=\"example\"><h3>Exchange <code>{}</code>, {}</h3>",
        Html(&example.id),
        time(now, example.at)
    )?;
    out.push_str("<ul class=\"differences\">\n");
    for f in &example.differences {
        let none = "none".to_owned();
        writeln!(
            out,
            "<li class=\"{}\"><code>{}</code> {}: primary <code>{}</code>, candidate <code>{}</code>{}</li>",
            if f.counts() { "counted" } else { "excused" },
            Html(&f.exact),
            Html(&f.kind),
            Html(f.primary.as_ref().unwrap_or(&none)),
            Html(f.candidate.as_ref().unwrap_or(&none)),
            if f.counts() { "" } else { " (does not count by itself)" },
        )?;
    }
    out.push_str("</ul>\n");
    writeln!(
        out,
        "<details><summary>Request <code>{}</code></summary><pre>{}</pre></details>",
        Html(&example.request.start),
        Html(lines(&example.request))
    )?;
    side_by_side(out, &example.primary, &example.candidate)?;
    out.push_str("</article>\n");
    Ok(())
}

fn side_by_side(out: Out<'_>, primary: &ExampleMessage, candidate: &ExampleMessage) -> Written {
    out.push_str("<div class=\"wide\"><table class=\"diff\"><caption>Both answers; - stands only on the primary, + only on the candidate</caption><thead><tr><th scope=\"col\">primary</th><th scope=\"col\">candidate</th></tr></thead><tbody>\n");
    let (a, b) = (lines(primary), lines(candidate));
    let mut config = TextDiff::configure();
    config.timeout(Duration::from_millis(200));
    let diff = config.diff_lines(a.as_str(), b.as_str());
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for change in diff.iter_all_changes() {
        let line = change.value().trim_end_matches(['\n', '\r']).to_owned();
        match change.tag() {
            ChangeTag::Delete => left.push(line),
            ChangeTag::Insert => right.push(line),
            ChangeTag::Equal => {
                flush(out, &mut left, &mut right)?;
                writeln!(out, "<tr><td>  {0}</td><td>  {0}</td></tr>", Html(&line))?;
            }
        }
    }
    flush(out, &mut left, &mut right)?;
    out.push_str("</tbody></table></div>\n");
    Ok(())
}

fn flush(out: Out<'_>, left: &mut Vec<String>, right: &mut Vec<String>) -> Written {
    let (mut left, mut right) = (std::mem::take(left).into_iter(), std::mem::take(right).into_iter());
    loop {
        let (a, b) = (left.next(), right.next());
        if a.is_none() && b.is_none() {
            return Ok(());
        }
        let cell = |line: Option<String>, class: &str, mark: &str| match line {
            Some(line) => format!("<td class=\"{class}\">{mark} {}</td>", Html(line)),
            None => "<td></td>".to_owned(),
        };
        writeln!(out, "<tr>{}{}</tr>", cell(a, "del", "-"), cell(b, "ins", "+"))?;
    }
}

fn lines(m: &ExampleMessage) -> String {
    let mut text = format!("{}\n", m.start);
    for (name, value) in &m.headers {
        let _ = writeln!(text, "{name}: {value}");
    }
    text.push('\n');
    text.push_str(&m.body);
    if !m.body.is_empty() && !m.body.ends_with('\n') {
        text.push('\n');
    }
    let kept = if m.binary { m.body_bytes } else { m.body.len() as u64 };
    if kept < m.body_bytes {
        let _ = writeln!(text, "[cut: {} of {} bytes shown]", thousands(kept), thousands(m.body_bytes));
    } else if m.binary {
        let _ = writeln!(text, "[binary, {} bytes in all]", thousands(m.body_bytes));
    }
    text
}

/// A time in UTC with the relative time beside it.
pub fn time(now: Timestamp, then: Timestamp) -> String {
    format!("<time datetime=\"{then}\">{then}</time> <small>{}</small>", age(now, then))
}
