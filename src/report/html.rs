//! The report as one file: styles inside, nothing fetched, opens from `file://`, needs no script. It is made of the
//! same parts as the dashboard's pages.

use super::compare::{Block, State};
use super::pages::{self, CriterionRow, DivergenceRow, Part, Reasons, RouteRow, RuleRow, Shown, Why, filters, shown};
use super::plots::{Markup, bar, quantiles};
use super::{DivergenceReport, EpochReport, Examples, LatencySummary, Report, chart, words};
use crate::gate::Verdict;
use crate::model::Timestamp;
use askama::Template;

/// The file is not larger than this; examples are left out before numbers are.
pub const MAX_HTML_BYTES: usize = 5 * 1024 * 1024;

/// Divergences written out in full.
const MAX_DETAILS: usize = 500;
const MAX_ROUTES: usize = 1_000;
const MAX_RULES: usize = 200;

#[derive(Template)]
#[template(path = "file.html")]
struct File<'a> {
    report: &'a Report,
    frame: Links,
    style: &'static str,
    build: &'a str,
    headline: String,
    epoch: String,
    why: (Vec<Why<'a>>, usize),
    criteria: Vec<CriterionRow>,
    parts: Vec<Part>,
    bar: Markup,
    latency: Markup,
    legs: Vec<(&'static str, LatencySummary)>,
    routes: Vec<RouteRow<'a>>,
    routes_left: usize,
    idle: Vec<String>,
    charts: Vec<Markup>,
    past: Vec<(&'a EpochReport, String)>,
    rules: Vec<RuleRow<'a>>,
    counted: Vec<DivergenceRow<'a>>,
    counted_caption: String,
    excused: Vec<DivergenceRow<'a>>,
    excused_caption: String,
    details: Markup,
    full: bool,
    meaning: (&'static str, &'static str),
}

#[derive(Template)]
#[template(path = "file_detail.html")]
struct Detail<'a> {
    d: &'a DivergenceReport,
    confirmed: String,
    kept: String,
    examples: Markup,
}

#[derive(Template)]
#[template(path = "file_example.html")]
struct One<'a> {
    e: &'a Shown<'a>,
    at: Markup,
}

/// Where links of the pages lead within the file.
struct Links {
    now: Timestamp,
}

impl Links {
    fn route_link(&self, _: &str) -> &'static str {
        "#routes"
    }

    fn divergence_link(&self, fingerprint: &str) -> String {
        format!("#{fingerprint}")
    }

    fn time(&self, then: &Timestamp) -> Markup {
        pages::time(self.now, *then)
    }
}

/// The report; `examples` are shown side by side as far as they fit.
pub fn html(report: &Report, examples: &Examples) -> String {
    let (counted, excused): (Vec<_>, Vec<_>) = report.divergences.iter().partition(|d| d.counted > 0);
    let routes = words::rows(report);
    let routes_left = routes.len().saturating_sub(MAX_ROUTES);
    let routes = pages::route_rows(report, None, routes.into_iter().take(MAX_ROUTES));
    let parts = pages::accounting(report);
    let shares: Vec<(&str, u64)> = parts.iter().map(|p| (p.class, p.count)).collect();
    let legs = pages::legs(&report.latency);
    let mut page = File {
        report,
        frame: Links { now: report.generated_at },
        style: pages::STYLE,
        build: words::build_name(report),
        headline: words::headline(report),
        epoch: match report.totals.requests {
            0 => words::epoch_line(report),
            _ => format!("{}; {}", words::epoch_line(report), words::covers(report)),
        },
        why: pages::why(report, 5),
        criteria: pages::criteria(report),
        bar: bar(&shares),
        parts,
        latency: quantiles(&legs),
        legs,
        routes,
        routes_left,
        idle: words::uncompared(report, 100),
        charts: report.history.series.iter().map(|series| chart::bounds(series, &report.history.changes)).collect(),
        past: pages::past(report),
        rules: pages::rule_rows(report).into_iter().take(MAX_RULES).collect(),
        counted: counted.iter().take(MAX_DETAILS).map(|d| DivergenceRow::from(*d)).collect(),
        counted_caption: format!("{} of {} that count", counted.len().min(MAX_DETAILS), counted.len()),
        excused: excused.iter().take(MAX_DETAILS).map(|d| DivergenceRow::from(*d)).collect(),
        excused_caption: format!("{} of {} excused", excused.len().min(MAX_DETAILS), excused.len()),
        details: Markup::default(),
        full: false,
        meaning: (words::MEANING, words::MEANING_READ),
    };
    let frame = pages::rendered(&page).len();
    let mut details = String::new();
    for d in counted.iter().chain(&excused).take(MAX_DETAILS) {
        let section = detail(report, d, examples, frame + details.len());
        if frame + details.len() + section.len() > MAX_HTML_BYTES - 2_048 {
            page.full = true;
            break;
        }
        details.push_str(&section);
    }
    page.details = Markup::new(details);
    pages::rendered(&page) + "\n"
}

/// A divergence with what is kept of it; `used` is how large the file is already.
fn detail(report: &Report, d: &DivergenceReport, examples: &Examples, used: usize) -> String {
    let list = examples.get(&d.fingerprint).map(Vec::as_slice).unwrap_or_default();
    let reasons = Reasons::of(report, &d.route);
    let mut body = String::new();
    let mut written = 0;
    for example in list {
        let e = &shown(example, &reasons, None, d);
        let one = pages::rendered(&One { e, at: pages::time(report.generated_at, example.at) });
        // A quarter of the file is left for the divergences still to come.
        if used + body.len() + one.len() > MAX_HTML_BYTES / 4 * 3 {
            break;
        }
        body.push_str(&one);
        written += 1;
    }
    let kept = d.samples_kept.max(list.len() as u64);
    pages::rendered(&Detail {
        d,
        confirmed: words::confirmed(d.asked_again, d.transient),
        kept: if written < kept { format!(", {written} of {kept} kept shown") } else { format!(", {kept} kept") },
        examples: Markup::new(body),
    })
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
            "<strong class=\"chip fail\">✖ FAIL</strong> <span>candidate 2026.11.3 does not behave like the primary: 1 of 3 routes diverges too often</span>",
            "<a class=\"id\" href=\"#kq3v7x2mha\">",
            "<section class=\"panel detail\" id=\"kq3v7x2mha\"",
            "  &quot;total&quot;: <mark>129.9</mark></td>",
            "  &quot;total&quot;: <mark>&quot;129.90&quot;</mark></td>",
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
            "<h2 id=\"h-history\">How the bounds closed in</h2>",
            "✖ FAIL</strong></td><td><time datetime=\"2026-01-01T01:00:00.000Z\">",
            "<h2 id=\"h-epochs\">Earlier epochs</h2>",
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
        assert!(
            page.contains("<td class=\"dim\">12 asked again, 3 of them transient: alike when asked again</td>"),
            "{page}"
        );
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
