//! The report as Markdown for job summaries and pull requests: the same order as the text, routes in a table, each
//! divergence folded. Cut before the size that a job summary takes.

use super::escape::markdown as md;
use super::format::{digits, part, ratio, word};
use super::{Examples, Report, age, share, thousands, words};
use crate::evidence::Example;
use std::fmt::Write;

/// A job summary takes 1 MiB a step; this leaves room for what others write there.
pub const MAX_MARKDOWN_BYTES: usize = 900 * 1024;

const MAX_ROUTES: usize = 200;

/// Of the history: series, and about so many points of each.
const MAX_SERIES: usize = 8;
const MAX_SERIES_POINTS: usize = 6;

/// The report; with `examples`, one beside each divergence that has one there.
pub fn markdown(report: &Report, examples: &Examples) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = head(&mut out, report);
    let _ = routes(&mut out, report);
    let mut tail = String::new();
    let _ = history(&mut tail, report);
    let _ = notices(&mut tail, report);
    let _ = meaning(&mut tail, report);
    let counted: Vec<_> = report.divergences.iter().filter(|d| d.counted > 0).collect();
    if counted.is_empty() && report.totals.compared > 0 {
        out.push_str("\nNo divergence counts.\n");
    }
    for (i, d) in counted.iter().enumerate() {
        let mut entry = String::new();
        let example = examples.get(&d.fingerprint).and_then(|list| list.first());
        let _ = divergence(&mut entry, report, d, example.map(|e| &**e));
        if out.len() + entry.len() + tail.len() + 200 > MAX_MARKDOWN_BYTES {
            let _ = writeln!(
                out,
                "\n_Cut here at 900 KiB: {} more divergences are in the report as HTML or JSON._",
                counted.len() - i
            );
            break;
        }
        out.push_str(&entry);
    }
    out.push_str(&tail);
    out
}

fn head(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "## {}\n\n{}\n", word(report.gate.verdict), md(&words::headline(report)))?;
    let t = &report.totals;
    if t.requests == 0 {
        return match &report.proxy.listen {
            Some(url) => writeln!(out, "Send one: `curl -i {}/`", super::escape::line(url).replace('`', "")),
            None => Ok(()),
        };
    }
    writeln!(out, "{}\n\n{}\n", md(&words::epoch_line(report)), md(&words::covers(report)))?;
    writeln!(out, "| | exchanges | share | |\n|---|--:|--:|---|")?;
    let skipped = words::not_mirrored(report);
    let rest = t.incomparable + t.pending;
    for (name, n, of, detail) in [
        ("requests", t.requests, String::new(), String::new()),
        (
            "mirrored",
            t.mirrored,
            part(t.mirrored, t.requests),
            if skipped.is_empty() { skipped } else { format!("not: {skipped}") },
        ),
        ("compared", t.compared, part(t.compared, t.mirrored), words::outcomes(report)),
        ("again", t.asked_again, part(t.asked_again, t.divergent), words::transient(report)),
        ("the rest", rest, part(rest, t.mirrored), words::rest(report)),
    ] {
        if name == "again" && n == 0 {
            continue;
        }
        writeln!(out, "| {name} | {} | {of} | {} |", thousands(n), md(&detail))?;
    }
    let excused = words::excused(report);
    if !excused.is_empty() {
        writeln!(out, "\nExcused: {}", md(&excused))?;
    }
    Ok(())
}

fn routes(out: &mut String, report: &Report) -> std::fmt::Result {
    if report.routes.is_empty() {
        return Ok(());
    }
    let rows = words::rows(report);
    writeln!(out, "\n| verdict | route, worst first | compared | divergent | rate | bounds | limit | p50 | p99 |")?;
    writeln!(out, "|---|---|--:|--:|--:|---|--:|--:|--:|")?;
    for row in rows.iter().take(MAX_ROUTES) {
        let latency = row.route.map(|r| r.latency.ratio).unwrap_or_default();
        writeln!(
            out,
            "| {} | {}{} | {} | {} | {} | {} | {} | {} | {} |",
            word(row.verdict),
            md(&row.name),
            if row.critical { " (critical)" } else { "" },
            thousands(row.compared),
            thousands(row.divergent),
            row.rate.map_or_else(|| "no data".to_owned(), |r| format!("{} %", digits(r))),
            row.bounds.map_or_else(|| "too few".to_owned(), |(l, u)| format!("{} to {} %", digits(l), digits(u))),
            row.limit.map_or_else(String::new, share),
            ratio(latency.p50),
            ratio(latency.p99),
        )?;
    }
    if rows.len() > MAX_ROUTES {
        writeln!(out, "\n_{} more routes are in the report as JSON._", rows.len() - MAX_ROUTES)?;
    }
    for line in words::uncompared(report, 10) {
        writeln!(out, "\n{}", md(&line))?;
    }
    Ok(())
}

fn divergence(
    out: &mut String,
    report: &Report,
    d: &super::DivergenceReport,
    example: Option<&Example>,
) -> std::fmt::Result {
    writeln!(
        out,
        "\n<details><summary><code>{}</code> {} {} {}: {} exchanges</summary>\n",
        md(&d.fingerprint),
        md(&d.route),
        md(&d.location),
        md(&d.kind),
        thousands(d.counted),
    )?;
    writeln!(out, "{}. Last seen {}.\n", md(&d.summary), age(report.generated_at, d.last_seen))?;
    if let Some(example) = example {
        for (name, message) in [("primary", &example.primary), ("candidate", &example.candidate)] {
            writeln!(out, "{name}\n")?;
            let body: String = message.body.chars().take(4_000).collect();
            writeln!(out, "    {}", super::escape::line(&message.start))?;
            for (name, value) in message.headers.iter().filter(|_| !d.location.starts_with("json:")) {
                writeln!(out, "    {}", super::escape::line(&format!("{name}: {value}")))?;
            }
            for line in body.lines() {
                // Four spaces make code that no fence inside can end.
                writeln!(out, "    {}", super::escape::line(line))?;
            }
            writeln!(out)?;
        }
    }
    if let Some(admin) = &report.proxy.admin {
        writeln!(out, "<{admin}/divergences/{}>\n", d.fingerprint)?;
    }
    writeln!(out, "</details>")
}

/// How the bounds closed in, folded: a line for each series, then the verdicts.
fn history(out: &mut String, report: &Report) -> std::fmt::Result {
    let history = &report.history;
    if history.points.len() < 2 {
        return Ok(());
    }
    let verdicts = super::text_history::verdicts(report);
    writeln!(out, "\n<details><summary>How the bounds closed in: {}</summary>\n", md(&verdicts))?;
    writeln!(
        out,
        "| verdict | of | at | samples | observed | lower | upper | limit |\n|---|---|---|--:|--:|--:|--:|--:|"
    )?;
    for series in history.series.iter().take(MAX_SERIES) {
        for (i, point) in series.points.iter().enumerate() {
            // The first, the last, and some on the way.
            let step = series.points.len().div_ceil(MAX_SERIES_POINTS).max(1);
            if i % step != 0 && i + 1 != series.points.len() {
                continue;
            }
            let told = |v: Option<f64>| v.map_or_else(String::new, |v| series.told(v));
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                if i == 0 { word(series.verdict) } else { "" },
                if i == 0 { md(&series.name()) } else { String::new() },
                super::chart::clock(point.at),
                thousands(point.samples),
                told(point.observed),
                told(point.lower),
                told(point.upper),
                told(point.limit),
            )?;
        }
    }
    writeln!(out, "\n</details>")
}

fn notices(out: &mut String, report: &Report) -> std::fmt::Result {
    for (i, notice) in report.notices.iter().enumerate() {
        let hint = notice.hint.as_ref().map(|h| format!("; {h}")).unwrap_or_default();
        let gap = if i == 0 { "\n" } else { "" };
        writeln!(out, "{gap}- **!** {}", md(&format!("{}{hint}", notice.message)))?;
    }
    Ok(())
}

fn meaning(out: &mut String, report: &Report) -> std::fmt::Result {
    if report.totals.compared == 0 {
        return Ok(());
    }
    // Ours, and harmless as it is: it is to be found word for word.
    writeln!(out, "\nWhat the verdict means:\n\n> {}\n\n{}", words::MEANING, words::MEANING_READ)
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::gate::Verdict;

    #[test]
    fn a_failing_report() {
        let examples = Examples::from([("kq3v7x2mha".into(), vec![samples::example("129.90")])]);
        insta::assert_snapshot!(markdown(&samples::report(Verdict::Fail), &examples), @r##"
        ## ✖ FAIL

        candidate 2026.11.3 does not behave like the primary: 1 of 3 routes diverges too often

        epoch 7, build 2026.11.3, for 2 d 4 h, with a control leg

        covers 2026-01-01 00:00:00 to 2026-01-03 04:00:00 UTC, since build 2026.11.3 came, under rules r1

        | | exchanges | share | |
        |---|--:|--:|---|
        | requests | 1,018,457 |  |  |
        | mirrored | 1,018,157 | 100.0 % | not: 300 method |
        | compared | 1,018,148 | 100.0 % | 1,016,882 matched, 10 excused, 1,256 divergent |
        | the rest | 9 | 0.0 % | 6 client\_aborted, 3 pending |

        Excused: 8 noise \(control differs as well\), 2 rule "float-print"

        | verdict | route, worst first | compared | divergent | rate | bounds | limit | p50 | p99 |
        |---|---|--:|--:|--:|---|--:|--:|--:|
        | ✖ FAIL | GET /orders/{id} | 412,118 | 1,247 | 0.303 % | 0.272 to 0.343 % | 0.1 % | 1.20x | 1.20x |
        | ◌ INCONCLUSIVE | GET /invoices/{id} (critical) | 4,810 | 0 | 0 % | 0 to 0.010 % | 0.1 % | 1.20x | 1.20x |
        | ✔ PASS | GET /users/{id} | 601,220 | 9 | 0.001 % | 0.001 to 0.012 % | 0.1 % | 1.20x | 1.20x |

        <details><summary><code>kq3v7x2mha</code> GET /orders/{id} json:\$.total json.type: 1,200 exchanges</summary>

        primary number 129.9, candidate string "129.90". Last seen 0 s ago.

        primary

            HTTP/1.1 200 OK
            {
              "id": 7,
              "total": 129.9
            }

        candidate

            HTTP/1.1 200 OK
            {
              "id": 7,
              "total": "129.90"
            }

        <http://127.0.0.1:9900/divergences/kq3v7x2mha>

        </details>

        - **!** rule "float-print" expires in 9 days; renew it or drop it
        - **!** rules that have excused nothing in this epoch: "rows"; correct or remove them

        What the verdict means:

        > P( at some poll the gate says PASS while the average conditional divergence probability of the requests compared so far is >= tau ) <= alpha_pass; symmetrically for FAIL and <= tau.

        tau is the limit of a route, and alpha_pass of FAIL is alpha_fail, shared out over all that may fail. It speaks of the requests compared in this epoch; it does not say that the rate is below tau in the long run, or for traffic that never came.
        "##);
    }

    #[test]
    fn how_the_bounds_closed_in_is_folded() {
        let text = markdown(&samples::report_with_history(Verdict::Fail), &Examples::new());
        let from = text.find("<details><summary>How the bounds").unwrap_or_else(|| panic!("{text}"));
        let part = text[from..].split_once("</details>").unwrap().0;
        insta::assert_snapshot!(part, @r##"
        <details><summary>How the bounds closed in: inconclusive after 1 min, fail after 1 h</summary>

        | verdict | of | at | samples | observed | lower | upper | limit |
        |---|---|---|--:|--:|--:|--:|--:|
        | ✖ FAIL | divergence GET /orders/{id} | 2026-01-01 00:01:00 | 1,000 | 0.303 % | 0.034 % | 2.704 % | 0.1 % |
        |  |  | 2026-01-01 00:15:00 | 2,000 | 0.303 % | 0.068 % | 1.352 % | 0.1 % |
        |  |  | 2026-01-01 00:30:00 | 4,000 | 0.303 % | 0.135 % | 0.676 % | 0.1 % |
        |  |  | 2026-01-01 01:00:00 | 8,000 | 0.303 % | 0.27 % | 0.338 % | 0.1 % |
        | ◌ INCONCLUSIVE | divergence GET /invoices/{id} | 2026-01-01 00:01:00 | 1,000 | 0.303 % | 0.034 % | 2.704 % | 0.1 % |
        |  |  | 2026-01-01 00:15:00 | 2,000 | 0.303 % | 0.068 % | 1.352 % | 0.1 % |
        |  |  | 2026-01-01 00:30:00 | 4,000 | 0.303 % | 0.135 % | 0.676 % | 0.1 % |
        |  |  | 2026-01-01 01:00:00 | 8,000 | 0.303 % | 0.27 % | 0.338 % | 0.1 % |
        | ✔ PASS | divergence GET /users/{id} | 2026-01-01 00:01:00 | 1,000 | 0.303 % | 0.034 % | 2.704 % | 0.1 % |
        |  |  | 2026-01-01 00:15:00 | 2,000 | 0.303 % | 0.068 % | 1.352 % | 0.1 % |
        |  |  | 2026-01-01 00:30:00 | 4,000 | 0.303 % | 0.135 % | 0.676 % | 0.1 % |
        |  |  | 2026-01-01 01:00:00 | 8,000 | 0.303 % | 0.27 % | 0.338 % | 0.1 % |
        "##);
        assert!(!markdown(&samples::report(Verdict::Fail), &Examples::new()).contains("How the bounds"));
    }

    #[test]
    fn empty_is_said() {
        let text = markdown(&samples::empty(), &Examples::new());
        assert_eq!(
            text,
            "## ◌ INCONCLUSIVE\n\nno request has arrived yet\n\nSend one: `curl -i http://127.0.0.1:8080/`\n"
        );
    }

    #[test]
    fn cut_with_a_line_that_says_so_and_nothing_hostile() {
        let mut report = samples::hostile_report();
        let text = markdown(&report, &Examples::new());
        assert!(!text.contains("<script") && !text.contains('\u{1b}'), "{text}");
        let mut one = report.divergences[0].clone();
        one.summary = "long ".repeat(2_000);
        report.divergences = vec![one; 300];
        let text = markdown(&report, &Examples::new());
        assert!(text.len() <= MAX_MARKDOWN_BYTES);
        assert!(
            text.contains("_Cut here at 900 KiB: 2") && text.contains("correct or remove them\n\nWhat the verdict")
        );
    }
}
