//! The report as one file: styles inside, nothing fetched, opens from `file://`, needs no script.

use super::escape::Html;
use super::{Examples, Report, fragments, thousands, words};
use std::fmt::Write;

/// The file is not larger than this; examples are left out before numbers are.
pub const MAX_HTML_BYTES: usize = 5 * 1024 * 1024;

/// Divergences written out in full.
const MAX_DETAILS: usize = 500;

/// The report; `examples` are shown side by side as far as they fit.
pub fn html(report: &Report, examples: &Examples) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = write(&mut out, report, examples);
    out
}

fn write(out: &mut String, report: &Report, examples: &Examples) -> std::fmt::Result {
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"content-security-policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{} {}: Parallax report</title>\n<style>\n{}</style></head>\n<body>\n<h1>Parallax report</h1>\n<main>",
        super::format::word(report.gate.verdict),
        Html(words::build_name(report)),
        fragments::STYLE,
    )?;
    fragments::verdict(out, report)?;
    writeln!(out, "<p class=\"epoch\">Made at {}</p>", report.generated_at)?;
    if report.totals.requests == 0
        && let Some(url) = &report.proxy.listen
    {
        writeln!(out, "<p class=\"nodata\">Send one: <code>curl -i {}/</code></p>", Html(url))?;
    }
    fragments::why(out, report)?;
    fragments::notices(out, report)?;
    fragments::accounting(out, report)?;
    fragments::routes(out, report, 1_000)?;
    fragments::history(out, report)?;
    fragments::rules(out, report, 200)?;

    let (counted, excused): (Vec<_>, Vec<_>) = report.divergences.iter().partition(|d| d.counted > 0);
    out.push_str("<h2>Divergences</h2>\n");
    if counted.is_empty() {
        out.push_str(if report.totals.compared == 0 {
            "<p class=\"nodata\">Nothing has been compared yet.</p>\n"
        } else {
            "<p>No divergence counts.</p>\n"
        });
    } else {
        let shown: Vec<_> = counted.iter().copied().take(MAX_DETAILS).collect();
        let caption = format!("{} of {} that count", shown.len(), counted.len());
        fragments::divergences(out, report, &caption, &shown, "#")?;
    }
    if !excused.is_empty() {
        let shown: Vec<_> = excused.iter().copied().take(MAX_DETAILS).collect();
        let caption = format!("{} of {} excused", shown.len(), excused.len());
        fragments::divergences(out, report, &caption, &shown, "#")?;
    }
    for d in counted.iter().chain(&excused).take(MAX_DETAILS) {
        let mut section = String::new();
        detail(&mut section, report, d, examples, out.len())?;
        if out.len() + section.len() > MAX_HTML_BYTES - 2_048 {
            out.push_str("<p>The file is full: what is missing here is in the report as JSON.</p>\n");
            break;
        }
        out.push_str(&section);
    }
    fragments::epochs(out, report)?;
    if report.totals.compared > 0 {
        let (guarantee, read) = (Html(words::MEANING), Html(words::MEANING_READ));
        writeln!(out, "<h2>What the verdict means</h2>\n<blockquote>{guarantee}</blockquote>\n<p>{read}</p>")?;
    }
    out.push_str("</main>\n</body></html>\n");
    Ok(())
}

fn detail(
    out: &mut String,
    report: &Report,
    d: &super::DivergenceReport,
    examples: &Examples,
    used: usize,
) -> std::fmt::Result {
    writeln!(
        out,
        "<section id=\"{}\"><h2><code>{}</code> {} <code>{}</code> {}</h2>\n<p>{}</p>",
        Html(&d.fingerprint),
        Html(&d.fingerprint),
        Html(&d.route),
        Html(&d.location),
        Html(&d.kind),
        Html(&d.summary),
    )?;
    let list = examples.get(&d.fingerprint).map(Vec::as_slice).unwrap_or_default();
    let mut body = String::new();
    let mut shown = 0;
    for example in list {
        let mut one = String::new();
        fragments::example(&mut one, report.generated_at, example)?;
        // A quarter of the file is left for the divergences still to come.
        if used + body.len() + one.len() > MAX_HTML_BYTES / 4 * 3 {
            break;
        }
        body.push_str(&one);
        shown += 1;
    }
    let kept = d.samples_kept.max(list.len() as u64);
    let cut = if shown < kept { format!(", {shown} of {kept} kept shown") } else { format!(", {kept} kept") };
    writeln!(
        out,
        "<p class=\"epoch\">{} exchanges showed it, {} counted{}{cut}</p>",
        thousands(d.count),
        thousands(d.counted),
        words::confirmed(d.asked_again, d.transient),
    )?;
    out.push_str(&body);
    out.push_str("</section>\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{RuleReport, RuleState, samples};
    use super::*;
    use crate::gate::Verdict;
    use std::sync::Arc;

    fn examples(text: &str) -> Examples {
        Examples::from([("kq3v7x2mha".into(), vec![samples::example(text)])])
    }

    #[test]
    fn one_file_that_says_it_all() {
        let page = html(&samples::report(Verdict::Fail), &examples("129.90"));
        for part in [
            "<strong>✖ FAIL</strong> <span>candidate 2026.11.3 does not behave like the primary: 1 of 3 routes diverges too often</span>",
            "<a href=\"#kq3v7x2mha\">",
            "<section id=\"kq3v7x2mha\">",
            "<td class=\"del\">-   &quot;total&quot;: 129.9</td><td class=\"ins\">+   &quot;total&quot;: &quot;129.90&quot;</td>",
            "1,204 exchanges showed it, 1,200 counted, 1 kept",
        ] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
        assert!(!page.contains("http://") && !page.contains("https://"), "nothing is fetched");
    }

    #[test]
    fn how_the_bounds_closed_in_and_the_epochs_before() {
        let mut report = samples::report_with_history(Verdict::Fail);
        let page = html(&report, &Examples::new());
        for part in [
            "<h2>How the bounds closed in</h2>",
            "<strong>✖ FAIL</strong></td><td class=\"t\"><time datetime=\"2026-01-01T01:00:00.000Z\">",
            "<h2>Earlier epochs</h2>",
            "<td class=\"long\">2026.11.2</td><td>build</td>",
        ] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
        assert_eq!(page.matches("<figure class=\"chart").count(), 3);
        // A policy without inline styles or scripts holds for what the dashboard shares.
        let charts = &page[page.find("<figure").unwrap()..];
        assert!(!charts.contains(" style=") && !charts.contains("<script") && !charts.contains(" onload"));
        for past in &mut report.epochs {
            (past.verdict, past.epoch.candidate_build, past.why) = (None, Some("<b>".into()), "<i>".into());
        }
        for series in &mut report.history.series {
            series.route = Some("GET /<script>\u{1b}\" onload='x'".into());
        }
        let page = html(&report, &Examples::new());
        assert!(
            page.contains("not judged")
                && page.contains("&lt;b&gt;")
                && !page.contains("<script")
                && !page.contains("onload='")
        );
        report.history.points.truncate(1);
        let page = html(&Report { epochs: vec![], ..report }, &Examples::new());
        assert!(!page.contains("closed in") && !page.contains("Earlier epochs"));
    }

    #[test]
    fn rules_to_look_at_come_first_and_what_was_asked_again_is_told() {
        let mut report = samples::report(Verdict::Fail);
        (report.totals.asked_again, report.totals.transient) = (12, 3);
        (report.divergences[0].asked_again, report.divergences[0].transient) = (12, 3);
        let active = |id: &str| RuleReport { id: id.into(), state: RuleState::Active, ..report.rules[0].clone() };
        report.rules = vec![
            active("fine"),
            RuleReport { state: RuleState::Unused, ..active("idle") },
            RuleReport { over_broad: true, ..active("wide") },
            RuleReport { state: RuleState::Expired, ..active("old") },
        ];
        let page = html(&report, &Examples::new());
        assert!(page.contains("<td>12 asked again, 3 of them transient: alike when asked again</td>"), "{page}");
        assert!(page.contains("1,200 counted, asked again 12 times and alike in 3, "));
        let at = [
            "over-broad</strong></td><th scope=\"row\">wide",
            "unused</strong></td><th scope=\"row\">idle",
            "expired</strong></td><th scope=\"row\">old",
            "active</strong></td><th scope=\"row\">fine",
        ]
        .map(|part| page.find(part).unwrap_or_else(|| panic!("{part} is not in {page}")));
        assert!(at.is_sorted(), "{at:?}");
    }

    #[test]
    fn everything_is_escaped() {
        let page = html(&samples::hostile_report(), &examples(samples::HOSTILE));
        assert!(!page.contains("<script") && !page.contains('\u{1b}') && !page.contains("onload='"));
        assert!(page.contains("&lt;script&gt;alert(1)"));
    }

    #[test]
    fn never_larger_than_it_may_be() {
        let mut report = samples::report(Verdict::Fail);
        report.divergences = vec![report.divergences[0].clone(); 400];
        let mut big = (*samples::example("x")).clone();
        big.candidate.body = "line <of> it\n".repeat(5_000);
        let page =
            html(&report, &Examples::from([("kq3v7x2mha".into(), std::iter::repeat_n(Arc::new(big), 5).collect())]));
        assert!(page.len() <= MAX_HTML_BYTES, "{}", page.len());
        assert!(page.contains("kept shown") && page.ends_with("</html>\n"));
    }
}
