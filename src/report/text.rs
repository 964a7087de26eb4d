//! The report for a terminal or a log: the verdict first, then the numbers, then what to do next.

use super::format::{Role, part, thousands};
use super::text_history::history;
use super::text_tables::{divergences, routes};
use super::{Report, Style, words};
use crate::gate::Verdict;
use crate::model::Severity;
use std::fmt::Write;

/// The whole report. Ends in a newline; uses at most 100 columns, addresses aside.
pub fn text(report: &Report, style: Style) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = write(&mut out, report, style);
    out
}

fn write(out: &mut String, report: &Report, style: Style) -> std::fmt::Result {
    writeln!(out, "{}", style.headline(report.gate.verdict, &words::headline(report), 2))?;
    if report.totals.requests == 0 {
        empty(out, report)?;
        return notices(out, report, style);
    }
    if report.gate.verdict == Verdict::Inconclusive {
        let open = report.gate.criteria.iter().filter(|c| c.required && c.verdict == Verdict::Inconclusive);
        for c in open.take(3) {
            writeln!(out, "  {}", style.wrap(&c.sentence(), 4))?;
        }
    }
    writeln!(out)?;
    writeln!(out, "{}", style.plain(&words::epoch_line(report)))?;
    writeln!(out, "  {}", style.wrap(&words::covers(report), 2))?;
    accounting(out, report, style)?;
    if !report.routes.is_empty() {
        writeln!(out)?;
        routes(out, report, style)?;
    }
    writeln!(out)?;
    divergences(out, report, style)?;
    let excused = words::excused(report);
    if !excused.is_empty() {
        let line = format!("EXCUSED  {}", style.wrap(&excused, 9));
        writeln!(out, "{}", style.paint(Role::Dim, &line))?;
    }
    history(out, report, style)?;
    notices(out, report, style)?;
    next(out, report)
}

/// Where to send the first request.
fn empty(out: &mut String, report: &Report) -> std::fmt::Result {
    match &report.proxy.listen {
        Some(url) => {
            writeln!(out, "  send one through the proxy: it listens on {url}")?;
            writeln!(out, "  curl -i {url}/")
        }
        None => writeln!(out, "  start the proxy with `parallax serve` and send one through it"),
    }
}

fn accounting(out: &mut String, report: &Report, style: Style) -> std::fmt::Result {
    let t = &report.totals;
    let mut row = |name: &str, n: u64, of: String, detail: String| {
        let line = format!("  {name:<8}{:>12}  {of:>7}  {detail}", thousands(n));
        writeln!(out, "{}", style.end(line.trim_end(), style.columns()))
    };
    let skipped = words::not_mirrored(report);
    let skipped = if skipped.is_empty() { skipped } else { format!("not: {skipped}") };
    row("requests", t.requests, String::new(), String::new())?;
    row("mirrored", t.mirrored, part(t.mirrored, t.requests), skipped)?;
    row("compared", t.compared, part(t.compared, t.mirrored), words::outcomes(report))?;
    if t.asked_again > 0 {
        row("again", t.asked_again, part(t.asked_again, t.divergent), words::transient(report))?;
    }
    let rest = t.incomparable + t.pending;
    row("the rest", rest, part(rest, t.mirrored), words::rest(report))
}

fn notices(out: &mut String, report: &Report, style: Style) -> std::fmt::Result {
    if report.notices.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    for notice in &report.notices {
        let hint = notice.hint.as_ref().map(|h| format!("; {h}")).unwrap_or_default();
        let line = style.wrap(&format!("{}{hint}", notice.message), 2);
        let role = match notice.severity {
            Severity::Error => Role::Fail,
            Severity::Warning => Role::Inconclusive,
            Severity::Info => Role::Dim,
        };
        writeln!(out, "{} {line}", style.paint(role, "!"))?;
    }
    Ok(())
}

fn next(out: &mut String, report: &Report) -> std::fmt::Result {
    let groups = words::groups(report);
    let counted = groups.first().map(|g| g.worst);
    let mut lines = Vec::new();
    if counted.is_some() {
        lines.push(format!(
            "{:<54} {}",
            "parallax report --format html --output report.html", "examples side by side, one file"
        ));
    }
    if report.gate.verdict == Verdict::Inconclusive {
        lines.push(format!("{:<54} {}", "parallax gate --wait 30m", "asks until it is decided"));
    }
    if let Some(admin) = &report.proxy.admin {
        match counted {
            Some(d) => lines.push(format!("{admin}/divergences/{}", d.fingerprint)),
            None => lines.push(format!("{admin}/")),
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    for (i, line) in lines.iter().enumerate() {
        writeln!(out, "{:<6}{}", if i == 0 { "next" } else { "" }, line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{DivergenceReport, samples};
    use super::*;

    #[test]
    fn what_differs_otherwise_at_one_place_is_told_apart() {
        let mut report = samples::report(Verdict::Fail);
        let of = |fingerprint: &str, route: &str, class: &str| {
            let first = report.divergences.iter().find(|d| d.counted > 0).unwrap().clone();
            let (fingerprint, route) = (fingerprint.into(), route.into());
            DivergenceReport { fingerprint, route, candidate_class: class.into(), counted: 7, ..first }
        };
        let there = report.divergences.iter().find(|d| d.counted > 0).unwrap();
        let (route, class) = (there.route.to_string(), there.candidate_class.to_string());
        let more = [of("otherclass", &route, "null"), of("otherroute", "GET /users/{id}", &class)];
        report.divergences.extend(more);
        let text = text(&report, Style::default());
        assert!(text.contains("DIVERGENCES, 3 of 3 that count"), "{text}");
        assert!(text.contains("\n  otherclass  GET /orders/{id}") && text.contains("7 exchanges"), "{text}");
        assert!(text.contains("  on 2 routes  ") && !text.contains("otherroute"), "{text}");
    }

    #[test]
    fn a_failing_report() {
        let report = samples::report(Verdict::Fail);
        insta::assert_snapshot!(text(&report, Style::default()), @r##"
        ✖ FAIL  candidate 2026.11.3 does not behave like the primary: 1 of 3 routes diverges too often

        epoch 7, build 2026.11.3, for 2 d 4 h, with a control leg
          covers 2026-01-01 00:00:00 to 2026-01-03 04:00:00 UTC, since build 2026.11.3 came, under rules r1
          requests   1,018,457
          mirrored   1,018,157  100.0 %  not: 300 method
          compared   1,018,148  100.0 %  1,016,882 matched, 10 excused, 1,256 divergent
          the rest           9    0.0 %  6 client_aborted, 3 pending

        ROUTES, worst first                    compared  divergent      rate  [bounds]          p50    p99
        ✖ GET /orders/{id}                      412,118      1,247   0.303 %  [0.272, 0.343]  1.20x  1.20x
        ◌ GET /invoices/{id}          critical    4,810          0   0     %  [0,     0.010]  1.20x  1.20x
        ✔ GET /users/{id}                       601,220          9   0.001 %  [0.001, 0.012]  1.20x  1.20x

        DIVERGENCES, 1 of 1 that count
          kq3v7x2mha  GET /orders/{id}  json:$.total  json.type                 1,200 exchanges, 0.29 %
                      primary number 129.9, candidate string "129.90"         last seen 0 s ago
        EXCUSED  8 noise (control differs as well), 2 rule "float-print"

        ! rule "float-print" expires in 9 days; renew it or drop it
        ! rules that have excused nothing in this epoch: "rows"; correct or remove them

        next  parallax report --format html --output report.html     examples side by side, one file
              http://127.0.0.1:9900/divergences/kq3v7x2mha
        "##);
    }

    #[test]
    fn a_clean_report_in_ascii_and_narrow() {
        let report = samples::report(Verdict::Pass);
        let style = Style { unicode: false, width: 60, ..Style::default() };
        insta::assert_snapshot!(text(&report, style), @r##"
        ok PASS  candidate 2026.11.3 may replace the primary: 3 of 3
          criteria hold

        epoch 7, build 2026.11.3, for 2 d 4 h, with a control leg
          covers 2026-01-01 00:00:00 to 2026-01-03 04:00:00 UTC,
          since build 2026.11.3 came, under rules r1
          requests   1,018,457
          mirrored   1,018,157  100.0 %  not: 300 method
          compared   1,018,148  100.0 %  1,016,882 matched, 10 ex...
          the rest           9    0.0 %  6 client_aborted, 3 pending

        ROUTES, worst first            compared  divergent      rate
        ok   GET /orders/{id}           412,118      1,247   0.303 %
        ok   GET /users/{id}            601,220          9   0.001 %
        ok   GET /in...s/{id} critical    4,810          0   0     %

        DIVERGENCES  no divergence counts
        EXCUSED  8 noise (control differs as well), 2 rule
                 "float-print"

        ! rule "float-print" expires in 9 days; renew it or drop it
        ! rules that have excused nothing in this epoch: "rows";
          correct or remove them

        next  http://127.0.0.1:9900/
        "##);
    }

    #[test]
    fn how_the_bounds_closed_in() {
        let lines = |report: &Report, style| {
            let text = text(report, style);
            let after = text.split_once("\nHISTORY").unwrap_or_else(|| panic!("{text}")).1;
            format!("HISTORY{}", after.split_once("\n\n").unwrap().0)
        };
        let mut report = samples::report_with_history(Verdict::Fail);
        insta::assert_snapshot!(lines(&report, Style::default()), @r##"
        HISTORY, bounds after                                       60 s   15 min   30 min   60 min    limit
        ✖ divergence GET /orders/{id}                   lower    0.034 %  0.068 %  0.135 %   0.27 %    0.1 %
        ◌ divergence GET /invoices/{id}                 upper    2.704 %  1.352 %  0.676 %  0.338 %    0.1 %
        ✔ divergence GET /users/{id}                    upper    2.704 %  1.352 %  0.676 %  0.338 %    0.1 %
          verdicts  inconclusive after 1 min, fail after 1 h
        "##);
        report.history.changes_left_out = 3;
        insta::assert_snapshot!(lines(&report, Style { width: 60, unicode: false, ..Style::default() }), @r##"
        HISTORY, bounds after               30 min   60 min    limit
        FAIL divergenc...ers/{id} lower    0.135 %   0.27 %    0.1 %
        ??   divergenc...ces/{id} upper    0.676 %  0.338 %    0.1 %
        ok   divergenc...ers/{id} upper    0.676 %  0.338 %    0.1 %
          verdicts  3 earlier changes, inconclusive after 1 min,
                    fail after 1 h
        "##);
        report.history.series.clear();
        insta::assert_snapshot!(lines(&report, Style::default()), @r##"
        HISTORY  3 earlier changes, inconclusive after 1 min, fail after 1 h
        "##);
        // One point shows nothing closing in.
        report.history.points.truncate(1);
        assert!(!text(&report, Style::default()).contains("HISTORY"));
    }

    #[test]
    fn what_the_evidence_covers_is_said_in_words() {
        let mut report = samples::report_with_history(Verdict::Pass);
        let covers = |report: &Report| {
            let text = text(report, Style { width: 100, ..Style::default() });
            text.lines()
                .skip_while(|l| !l.starts_with("  covers"))
                .take_while(|l| !l.starts_with("  requests"))
                .map(|l| l.trim().to_owned())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(
            covers(&report),
            "covers 2026-01-01 00:00:00 to 2026-01-03 04:00:00 UTC, since build 2026.11.3 came after 2026.11.2, under rules r1"
        );
        (report.epoch.reason, report.epoch.resets) = (crate::evidence::EpochReason::Manual, 2);
        report.epoch.rules = "0123456789abcdef".into();
        for route in &mut report.routes[1..] {
            route.restarts = 1;
        }
        report.routes[1].since = report.generated_at;
        let said = covers(&report);
        assert!(
            said.contains("since it was begun by hand, the 2nd time that evidence of this build was given up, under"),
            "{said}"
        );
        assert!(said.ends_with("under rules 01234567; 2 routes began afresh within it because the rules changed: GET /orders/{id} 0 s ago, GET /users/{id} 2 d ago"), "{said}");
    }

    #[test]
    fn one_difference_on_several_routes_is_told_once_and_whole() {
        let mut report = samples::report(Verdict::Fail);
        let location = "header:access-control-allow-credentials-of-the-candidate";
        for (route, counted) in [("GET /users/{id}", 700), ("GET /invoices/{id}", 800)] {
            let mut d = report.divergences[0].clone();
            (d.route, d.counted, d.location, d.kind) = (route.into(), counted, location.into(), "header.extra".into());
            report.divergences.push(d);
        }
        let text = text(&report, Style::default());
        assert!(text.contains("DIVERGENCES, 3 of 3 that count\n  kq3v7x2mha  on 2 routes  header.extra"), "{text}");
        assert!(text.contains("1,500 exchanges, 0.25 %"), "{text}");
        assert_eq!(text.matches(location).count(), 1, "{text}");
    }

    #[test]
    fn routes_without_comparisons_do_not_crowd_the_table() {
        let mut report = samples::report(Verdict::Fail);
        let mut idle = report.routes[0].clone();
        (idle.counts.compared, idle.counts.mirrored, idle.route) = (0, 0, "POST /checkout".into());
        report.routes.push(idle.clone());
        (idle.counts.mirrored, idle.route) = (3, "GET /new".into());
        report.routes.push(idle);
        let open = report.routes.iter_mut().find(|r| r.critical).unwrap();
        (open.counts.compared, open.divergence.lower) = (12, -0.48);
        let text = text(&report, Style::default());
        assert!(text.contains("\n  1 route was not mirrored: POST /checkout\n"), "{text}");
        assert!(text.contains("\n  1 route was mirrored, not compared yet: GET /new\n"), "{text}");
        assert!(text.contains("critical       12          0   0     %  too few         1.20x"), "{text}");
        assert!(!text.contains("-48.0"), "{text}");
    }

    #[test]
    fn no_request_yet() {
        let report = samples::empty();
        insta::assert_snapshot!(text(&report, Style::default()), @r##"
        ◌ INCONCLUSIVE  no request has arrived yet
          send one through the proxy: it listens on http://127.0.0.1:8080
          curl -i http://127.0.0.1:8080/
        "##);
    }

    #[test]
    fn nothing_mirrored_is_explained() {
        let mut report = samples::empty();
        report.totals.requests = 412;
        report.totals.not_mirrored.method = 412;
        let text = text(&report, Style::default());
        assert!(text.starts_with("◌ INCONCLUSIVE  412 requests, none mirrored: 412 method\n"), "{text}");
    }

    #[test]
    fn never_wider_than_asked_and_never_an_escape_of_others() {
        let mut report = samples::report(Verdict::Fail);
        report.routes[0].route = format!("GET /{}\u{1b}[31m", "long/".repeat(60)).into();
        report.divergences[0].route = report.routes[0].route.clone();
        report.divergences[0].summary = "x\u{1b}]0;owned\u{7} ".repeat(40);
        report.divergences[0].location = format!("json:$.{}", "deep.".repeat(50)).into();
        report.notices[0].message = "words ".repeat(60);
        for width in [60, 80, 100] {
            let text = text(&report, Style { width, ..Style::default() });
            for line in text.lines().filter(|l| !l.starts_with("next") && !l.starts_with("      ")) {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
            assert!(!text.contains(['\u{1b}', '\u{7}']));
        }
    }

    #[test]
    fn colour_only_where_asked() {
        let report = samples::report(Verdict::Fail);
        assert!(text(&report, Style { color: true, ..Style::default() }).starts_with("\u{1b}[1;31m✖ FAIL\u{1b}[0m  "));
        assert!(!text(&report, Style::default()).contains('\u{1b}'));
    }
}
