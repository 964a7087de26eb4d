//! Pieces of HTML that the one-file report and the dashboard share. Everything that comes from outside passes
//! through [`Html`]; nothing is inline, so a strict content security policy can hold.

use super::escape::Html;
use super::format::{digits, micros, part, ratio, share, word};
use super::{DivergenceReport, Report, RuleState, age, thousands, words};
use crate::evidence::{Example, ExampleMessage};
use crate::gate::Verdict;
use crate::model::{Severity, Timestamp};
use similar::{ChangeTag, TextDiff};
use std::fmt::Write;
use std::time::Duration;

pub use super::html_history::{epochs, history};

/// The style sheet of both.
pub const STYLE: &str = include_str!("templates/style.css");

type Out<'a> = &'a mut String;
type Written = std::fmt::Result;

/// Symbol, word and the sentence behind it.
pub fn verdict(out: Out<'_>, report: &Report) -> Written {
    let v = report.gate.verdict;
    write!(
        out,
        "<p class=\"verdict {}\" aria-live=\"polite\"><strong>{}</strong> <span>{}</span></p>\n<p class=\"epoch\">{}{}</p>\n",
        v.as_str(),
        word(v),
        Html(words::headline(report)),
        Html(words::epoch_line(report)),
        Html(if report.totals.requests > 0 { format!("; {}", words::covers(report)) } else { String::new() }),
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
        let place = match &c.route {
            Some(route) => format!("{} {route}", c.criterion.as_str()),
            None => c.criterion.as_str().to_owned(),
        };
        writeln!(
            out,
            "<li class=\"{}\"><strong>{}</strong> <span><b>{}</b>: {}</span></li>",
            c.verdict.as_str(),
            word(c.verdict),
            Html(place),
            Html(&c.reason),
        )?;
    }
    if open.len() > 5 {
        writeln!(out, "<li><span></span><span>and {} more</span></li>", open.len() - 5)?;
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
    out.push_str("<div class=\"wide fit\"><table class=\"compact\"><caption>Where every request ended</caption><thead><tr><th scope=\"col\">bucket</th><th scope=\"col\" class=\"n\">exchanges</th><th scope=\"col\" class=\"n\">share of requests</th><th scope=\"col\">of which</th></tr></thead><tbody>\n");
    for (name, n) in parts {
        let detail = match name {
            "excused" => words::excused(report),
            "divergent" => words::asked_again(report),
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
        "</tbody><tfoot><tr><th scope=\"row\">requests</th><td class=\"n\">{}</td><td></td><td>{} mirrored, {} compared</td></tr></tfoot></table></div>",
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
        out.push_str("<p class=\"nodata\">Nothing has been compared yet.</p>\n");
    } else {
        route_table(out, report, &rows, limit)?;
    }
    for line in words::uncompared(report, if limit > 5 { 100 } else { 5 }) {
        writeln!(out, "<p class=\"nodata\">{}.</p>", Html(line))?;
    }
    Ok(())
}

fn route_table(out: Out<'_>, report: &Report, rows: &[words::Row<'_>], limit: usize) -> Written {
    out.push_str("<div class=\"wide\"><table><caption>Worst first. Bounds are in percent; p50 and p99 are the candidate's latency over the primary's</caption><thead><tr><th scope=\"col\">verdict</th><th scope=\"col\">route</th>");
    for title in ["compared", "divergent", "rate", "bounds", "limit", "noise", "p50, primary / candidate", "p50", "p99"]
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
            "<tr class=\"{}\"><td class=\"tag\"><strong>{}</strong></td><th scope=\"row\" class=\"long\">{}{}</th>",
            row.verdict.as_str(),
            word(row.verdict),
            route(&row.name),
            if row.critical { " <em>critical</em>" } else { "" },
        )?;
        for cell in [
            thousands(row.compared),
            thousands(row.divergent),
            row.rate.map_or_else(|| "no data".to_owned(), share),
            row.bounds.map_or_else(|| "too few".to_owned(), |(l, u)| format!("[{}, {}]", digits(l), digits(u))),
            row.limit.map_or_else(String::new, share),
            noise,
            format!("{} / {}", p50(|l| l.primary), p50(|l| l.candidate)),
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

/// The most telling differences, each once however many routes show it; `href` as in [`divergences`].
pub fn top(out: Out<'_>, report: &Report, limit: usize, href: &str) -> Written {
    let groups = words::groups(report);
    writeln!(
        out,
        "<div class=\"wide\"><table><caption>{} of {} that count, one line for what looks alike on several routes</caption><thead><tr><th scope=\"col\">divergence</th><th scope=\"col\">where</th><th scope=\"col\">what</th><th scope=\"col\" class=\"n\">exchanges</th><th scope=\"col\" class=\"n\">share</th><th scope=\"col\" class=\"t\">last seen</th></tr></thead><tbody>",
        groups.len().min(limit),
        groups.len(),
    )?;
    for group in groups.iter().take(limit) {
        let d = group.worst;
        let name = match group.routes {
            1 => d.route.to_string(),
            n => format!("on {n} routes"),
        };
        writeln!(
            out,
            "<tr><th scope=\"row\" class=\"id\"><a href=\"{}{}\"><code>{}</code></a></th><td class=\"long\">{}<br><code>{}</code></td><td class=\"long\">{}<br><small>{}</small></td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"t\">{}</td></tr>",
            Html(href),
            Html(&d.fingerprint),
            Html(&d.fingerprint),
            route(&name),
            Html(&d.location),
            Html(&d.summary),
            Html(&d.kind),
            thousands(group.counted),
            share(group.share),
            time(report.generated_at, d.last_seen),
        )?;
    }
    out.push_str("</tbody></table></div>\n");
    Ok(())
}

/// A table of divergences; `href` is what stands before the fingerprint in links.
pub fn divergences(out: Out<'_>, report: &Report, caption: &str, list: &[&DivergenceReport], href: &str) -> Written {
    write!(out, "<div class=\"wide\"><table><caption>{}</caption><thead><tr>", Html(caption))?;
    for (title, class) in [
        ("divergence", ""),
        ("where", ""),
        ("what", ""),
        ("exchanges", " class=\"n\""),
        ("share", " class=\"n\""),
        ("last seen", " class=\"t\""),
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
            "<tr class=\"{class}\"><th scope=\"row\" class=\"id\"><a href=\"{}{}\"><code>{}</code></a></th><td class=\"long\">{}<br><code>{}</code></td><td class=\"long\">{}<br><small>{}{}</small></td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"t\">{}</td></tr>",
            Html(href),
            Html(&d.fingerprint),
            Html(&d.fingerprint),
            route(&d.route),
            Html(&d.location),
            Html(&d.summary),
            Html(&d.kind),
            Html(note),
            thousands(if d.excused { d.count } else { d.counted }),
            share(d.share),
            time(report.generated_at, d.last_seen),
        )?;
    }
    out.push_str("</tbody></table></div>\n");
    Ok(())
}

/// What each rule did: those to be looked at first, the widest before. At most `limit`.
pub fn rules(out: Out<'_>, report: &Report, limit: usize) -> Written {
    if report.rules.is_empty() {
        return Ok(());
    }
    out.push_str("<h2>Rules</h2>\n<div class=\"wide\"><table><caption>What rules excused; those to look at first</caption><thead><tr><th scope=\"col\">state</th><th scope=\"col\">rule</th><th scope=\"col\">where</th><th scope=\"col\">why</th><th scope=\"col\" class=\"n\">hits</th><th scope=\"col\" class=\"n\">share</th></tr></thead><tbody>\n");
    let mut list: Vec<_> = report.rules.iter().collect();
    // Stable: within these they are in their own order.
    list.sort_by_key(|rule| (!rule.over_broad, rule.state == RuleState::Active));
    for rule in list.iter().take(limit) {
        let state = match (rule.over_broad, rule.state) {
            (_, RuleState::Expired) => "expired",
            (true, _) => "over-broad",
            (false, RuleState::Unused) => "unused",
            (false, RuleState::Active) => "active",
        };
        let widest = rule.routes.first().filter(|_| rule.over_broad);
        let widest = widest.map(|on| format!("{} of {}", share(on.share), on.route));
        writeln!(
            out,
            "<tr><td class=\"tag\"><strong>{state}</strong></td><th scope=\"row\">{}</th><td class=\"long\">{}<br><code>{}</code></td><td class=\"long\">{}<br><small>{}</small></td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            Html(&rule.id),
            Html(&rule.on),
            Html(&rule.at),
            Html(rule.why.as_deref().unwrap_or_default()),
            Html(widest.as_deref().or(rule.hint.as_deref()).unwrap_or_default()),
            thousands(rule.hits),
            share(rule.share),
        )?;
    }
    out.push_str("</tbody></table></div>\n");
    if list.len() > limit {
        writeln!(out, "<p>{} more.</p>", list.len() - limit)?;
    }
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

/// Equal lines shown around a change; longer runs are folded.
const CONTEXT: usize = 3;

fn side_by_side(out: Out<'_>, primary: &ExampleMessage, candidate: &ExampleMessage) -> Written {
    let (a, b) = (lines(primary), lines(candidate));
    let mut config = TextDiff::configure();
    config.timeout(Duration::from_millis(200));
    let diff = config.diff_lines(a.as_str(), b.as_str());
    out.push_str("<p class=\"epoch\">Lines marked - stand only on the primary, + only on the candidate. JSON is indented alike.</p>\n<div class=\"diff\">\n");
    table(
        out,
        "<caption>Both answers</caption><thead><tr><th scope=\"col\">primary</th><th scope=\"col\">candidate</th></tr></thead>",
    );
    let (mut left, mut right, mut equal) = (Vec::new(), Vec::new(), Vec::new());
    let mut first = true;
    for change in diff.iter_all_changes() {
        let line = change.value().trim_end_matches(['\n', '\r']).to_owned();
        if change.tag() == ChangeTag::Equal {
            flush(out, &mut left, &mut right)?;
            equal.push(line);
            continue;
        }
        fold(out, &mut equal, first, false)?;
        first = false;
        if change.tag() == ChangeTag::Delete { left.push(line) } else { right.push(line) }
    }
    flush(out, &mut left, &mut right)?;
    fold(out, &mut equal, first, true)?;
    out.push_str("</tbody></table></div>\n");
    Ok(())
}

fn table(out: Out<'_>, head: &str) {
    let _ = writeln!(out, "<table>{head}<tbody>");
}

/// A run of equal lines; the middle of a long one opens on demand.
fn fold(out: Out<'_>, run: &mut Vec<String>, first: bool, last: bool) -> Written {
    let run = std::mem::take(run);
    let row = |out: &mut String, line: &String| writeln!(out, "<tr><td>  {0}</td><td>  {0}</td></tr>", Html(line));
    let (head, tail) = (if first { 1 } else { CONTEXT }, if last { 0 } else { CONTEXT });
    if run.len() <= head + tail + 4 {
        return run.iter().try_for_each(|l| row(out, l));
    }
    let (before, rest) = run.split_at(head);
    let (folded, after) = rest.split_at(rest.len() - tail);
    before.iter().try_for_each(|l| row(out, l))?;
    writeln!(out, "</tbody></table><details><summary>{} equal lines</summary>", folded.len())?;
    table(out, "");
    folded.iter().try_for_each(|l| row(out, l))?;
    out.push_str("</tbody></table></details>");
    table(out, "");
    after.iter().try_for_each(|l| row(out, l))
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
            None => "<td class=\"gap\"></td>".to_owned(),
        };
        writeln!(out, "<tr>{}{}</tr>", cell(a, "del", "-"), cell(b, "ins", "+"))?;
    }
}

/// JSON with a line for each member, tokens as they were sent, so that two spellings of one document line up.
/// Anything else, and JSON that was cut, as it is.
fn indented(body: &str) -> String {
    if !body.trim_start().starts_with(['{', '[']) || serde_json::from_str::<serde::de::IgnoredAny>(body).is_err() {
        return body.to_owned();
    }
    let mut out = String::with_capacity(body.len() * 2);
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    let mut chars = body.chars().peekable();
    while let Some(c) = chars.next() {
        if quoted {
            out.push(c);
            quoted = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        let newline = |out: &mut String, depth: usize| {
            out.push('\n');
            out.extend(std::iter::repeat_n("  ", depth));
        };
        match c {
            c if c.is_ascii_whitespace() => {}
            '{' | '[' => {
                while chars.next_if(char::is_ascii_whitespace).is_some() {}
                out.push(c);
                if let Some(close) = chars.next_if(|n| matches!(n, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    newline(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                newline(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                newline(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c => {
                quoted = c == '"';
                out.push(c);
            }
        }
    }
    out
}

fn lines(m: &ExampleMessage) -> String {
    let mut text = format!("{}\n", m.start);
    for (name, value) in &m.headers {
        let _ = writeln!(text, "{name}: {value}");
    }
    text.push('\n');
    text.push_str(&if m.binary { m.body.clone() } else { indented(&m.body) });
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

/// A route's name, escaped; a long one breaks where its segments do.
fn route(name: &str) -> String {
    Html(name).to_string().replace('/', "/<wbr>")
}

/// A time in UTC with the relative time beside it, to the second; the exact one is in the attribute.
pub fn time(now: Timestamp, then: Timestamp) -> String {
    let exact = then.to_string();
    let shown = exact.get(..19).map_or_else(|| exact.clone(), |t| format!("{} UTC", t.replace('T', " ")));
    format!("<time datetime=\"{exact}\">{shown}</time> <small>{}</small>", age(now, then))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_lines_up_whatever_its_spelling() {
        let same = "{\n  \"a\": [\n    1.0,\n    \"x: {\\\" ,\"\n  ],\n  \"b\": {}\n}";
        assert_eq!(indented(r#"{"a":[1.0,"x: {\" ,"],"b":{}}"#), same);
        assert_eq!(indented(&format!(" {same}\n").replace("{}", "{ }")), same);
        assert_eq!(indented("{\"cut\": 1, …"), "{\"cut\": 1, …");
        assert_eq!(indented("plain, text"), "plain, text");
    }

    #[test]
    fn long_equal_runs_fold() {
        let message = |body: String| ExampleMessage { start: "200 OK".into(), body, ..ExampleMessage::default() };
        let body = (0..40).map(|n| format!("line {n}\n")).collect::<String>();
        let mut out = String::new();
        side_by_side(&mut out, &message(body.clone()), &message(body.replace("line 20", "LINE 20"))).unwrap();
        assert_eq!(out.matches("<details>").count(), 2, "{out}");
        assert_eq!((out.matches("<table>").count(), out.matches("</table>").count()), (5, 5));
        assert!(out.contains("<td class=\"del\">- line 20</td><td class=\"ins\">+ LINE 20</td>"), "{out}");
    }
}
