//! What a pass will take, for people: the answer first, then the routes, the criteria, how soon a worse candidate
//! fails, and what to change.

use super::escape::markdown as md;
use super::format::{columns, pad, thousands};
use super::{Style, duration, json, share};
use crate::gate::{Criterion, CriterionForecast, Forecast, Judged, Remedy, RouteForecast, TAIL};
use std::fmt::Write;
use std::time::Duration;

const MAX_ROUTES: usize = 20;
/// Routes whose failing is foretold, and things in the way.
const MAX_FAILS: usize = 8;
const MAX_HOPELESS: usize = 8;
const A_DAY: f64 = 86_400.0;

/// For a terminal or a log. Ends in a newline.
pub fn forecast_text(forecast: &Forecast, style: Style) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = text(&mut out, forecast, style);
    out
}

/// For a page or a ticket.
pub fn forecast_markdown(forecast: &Forecast) -> String {
    let mut out = String::new();
    let _ = markdown(&mut out, forecast);
    out
}

pub fn forecast_json(forecast: &Forecast) -> String {
    json::document(forecast)
}

/// `a clean candidate can pass after about 1 d: min_duration decides`.
fn answer(f: &Forecast) -> String {
    let row = f.decided_by.and_then(|at| f.criteria.get(at));
    if let (true, Some(seconds), Some(row)) = (f.can_pass, f.seconds, row) {
        let decider = match (row.criterion, &row.route) {
            (Criterion::Minimum, _) => "min_duration decides".to_owned(),
            (Criterion::Latency, Some(route)) => format!("the latency blocks of {route} decide"),
            (Criterion::Coverage, _) => "coverage decides".to_owned(),
            (criterion, Some(route)) => format!("{} of {}{} decides", criterion.as_str(), route, critical(f, route)),
            (criterion, None) => format!("{} over all routes decides", criterion.as_str()),
        };
        return format!("{} can pass after about {}: {decider}", candidate(f), time(seconds));
    }
    let Some(first) = f.hopeless.first() else { return "cannot pass".to_owned() };
    let place = match &first.route {
        Some(route) => format!("{route}{}", critical(f, route)),
        None => first.criterion.as_str().to_owned(),
    };
    let row = f.criteria.iter().find(|row| row.criterion == first.criterion && row.route == first.route);
    let what = match row {
        Some(CriterionForecast { needed: Some(needed), seconds: Some(seconds), criterion, .. })
            if *criterion != Criterion::Latency =>
        {
            format!("{place} needs {} comparisons, {} at this traffic", thousands(*needed), time(*seconds))
        }
        Some(CriterionForecast { seconds: Some(seconds), criterion, .. }) => {
            format!("{} of {place} needs {} at this traffic", criterion.as_str(), time(*seconds))
        }
        _ => format!("{place}: {}", first.why),
    };
    let more = match f.hopeless.len() - 1 {
        0 => String::new(),
        n => format!("; and {n} more below"),
    };
    format!("cannot pass: {what}{more}")
}

fn candidate(f: &Forecast) -> &'static str {
    match f.routes.iter().any(|r| r.expected.divergence > 0.0 || r.expected.errors > 0.0) {
        true => "a candidate as expected",
        false => "a clean candidate",
    }
}

fn critical(f: &Forecast, route: &str) -> &'static str {
    let marked = f.routes.iter().find(|r| &*r.route == route).map(|r| r.critical);
    // One without traffic is waited for only because it is.
    if marked.unwrap_or(route != TAIL) { " (critical)" } else { "" }
}

/// `120 requests a second, 85 % of them compared: 8,812,800 comparisons a day`.
fn traffic(f: &Forecast) -> String {
    let (all, compared) = (f.requests_per_second, f.comparisons_per_second);
    let part = if all > 0.0 { compared / all } else { 0.0 };
    let requests = rate(all);
    format!("{requests}, {} of them compared: {} comparisons a day", share(part), whole(compared * A_DAY))
}

/// The unit in which there is at least one.
fn rate(per_second: f64) -> String {
    let units = [(1.0, "second"), (60.0, "minute"), (3_600.0, "hour"), (A_DAY, "day")];
    let (n, unit) = units
        .map(|(n, unit)| (per_second * n, unit))
        .into_iter()
        .find(|(n, _)| *n >= 1.0)
        .unwrap_or((per_second * A_DAY, "day"));
    let n = if n < 10.0 && n.fract() > 0.05 { format!("{n:.1}") } else { whole(n) };
    let article = if unit == "hour" { "an" } else { "a" };
    format!("{n} requests {article} {unit}")
}

/// `no divergence, noise 1 %, no errors`; where routes differ, the most.
fn expected(f: &Forecast) -> String {
    let most = |of: fn(&RouteForecast) -> f64| f.routes.iter().map(of).fold(0.0, f64::max);
    let least = |of: fn(&RouteForecast) -> f64| f.routes.iter().map(of).fold(1.0, f64::min);
    let told = |name: &str, of: fn(&RouteForecast) -> f64| match (least(of), most(of)) {
        (_, 0.0) => format!("no {name}"),
        (a, b) if a < b => format!("{name} up to {}", share(b)),
        (_, b) => format!("{name} {}", share(b)),
    };
    let parts = [
        told("divergence", |r| r.expected.divergence),
        told("noise", |r| r.expected.noise),
        told("errors", |r| r.expected.errors),
    ];
    format!("{}; never too slow, nothing new late", parts.join(", "))
}

/// Slowest first; those that never get there before all.
fn slowest(f: &Forecast) -> Vec<&RouteForecast> {
    let mut routes: Vec<_> = f.routes.iter().filter(|r| r.judged == Judged::Alone).collect();
    routes.sort_by_key(|r| std::cmp::Reverse(r.seconds.unwrap_or(u64::MAX)));
    routes
}

/// Routes as rows: those judged alone, the pooled ones as one, those of which nothing is compared.
struct Row {
    name: String,
    critical: bool,
    cells: [String; 5],
}

fn rows(f: &Forecast) -> Vec<Row> {
    let alone = slowest(f);
    let mut rows: Vec<Row> = alone.iter().take(MAX_ROUTES).map(|r| Row::of(r)).collect();
    if alone.len() > MAX_ROUTES {
        rows.push(Row::more(format!("and {} quicker ones", alone.len() - MAX_ROUTES), &alone[MAX_ROUTES..]));
    }
    let of = |judged| f.routes.iter().filter(|r| r.judged == judged).collect::<Vec<_>>();
    let pooled = of(Judged::Pooled);
    if let Some(first) = pooled.first() {
        let noun = if pooled.len() == 1 { "rare route" } else { "rare routes, pooled" };
        let mut row = Row::more(format!("{} {noun}", pooled.len()), &pooled);
        (row.cells[2], row.cells[3]) = (needed(first.needed), when(first.seconds));
        row.cells[4] = "not waited for".to_owned();
        rows.push(row);
    }
    let idle = of(Judged::NotCompared);
    if !idle.is_empty() {
        let name =
            if idle.len() == 1 { idle[0].route.to_string() } else { format!("{} routes not mirrored", idle.len()) };
        let mut row = Row::more(name, &idle);
        row.critical = idle.iter().any(|r| r.critical);
        row.cells[4] = "not mirrored".to_owned();
        rows.push(row);
    }
    rows
}

// === impl Row ===

impl Row {
    fn of(r: &RouteForecast) -> Self {
        let decides = r.decided_by.map_or("nothing required", Criterion::as_str).to_owned();
        let mut row = Row::more(r.route.to_string(), &[r]);
        row.critical = r.critical;
        (row.cells[2], row.cells[3], row.cells[4]) = (needed(r.needed), when(r.seconds), decides);
        row
    }

    fn more(name: String, routes: &[&RouteForecast]) -> Self {
        let sum = |of: fn(&RouteForecast) -> f64| routes.iter().map(|r| of(r)).sum::<f64>();
        let compared = whole(sum(|r| r.comparisons_per_second) * A_DAY);
        let cells = [share(sum(|r| r.share)), compared, String::new(), String::new(), String::new()];
        Row { name, critical: false, cells }
    }
}

fn needed(needed: Option<u64>) -> String {
    needed.map_or_else(|| "never enough".to_owned(), thousands)
}

fn when(seconds: Option<u64>) -> String {
    seconds.map_or_else(|| "never".to_owned(), time)
}

/// When a criterion is there; some need no time.
fn there(seconds: Option<u64>) -> String {
    if seconds == Some(0) { "at once".to_owned() } else { when(seconds) }
}

fn time(seconds: u64) -> String {
    duration(Duration::from_secs(seconds))
}

fn whole(n: f64) -> String {
    if n > 0.0 && n < 1.0 { format!("{n:.2}") } else { thousands(n.round() as u64) }
}

/// One line for each criterion: of several routes the one that takes longest.
fn criteria(f: &Forecast) -> Vec<(&CriterionForecast, usize)> {
    let mut lines: Vec<(&CriterionForecast, usize)> = Vec::new();
    for row in f.criteria.iter().filter(|row| row.required) {
        match lines.iter_mut().find(|(said, _)| said.criterion == row.criterion) {
            Some((said, others)) => {
                *others += 1;
                if row.seconds.unwrap_or(u64::MAX) > said.seconds.unwrap_or(u64::MAX) {
                    *said = row;
                }
            }
            None => lines.push((row, 0)),
        }
    }
    lines
}

/// After how long candidates of 2, 5, 10 and 100 times the limit fail; empty where that is more than all.
fn failing_after(route: &RouteForecast) -> [String; 4] {
    [0, 1, 2, 3].map(|at| route.fails.get(at).map(|fail| when(fail.seconds)).unwrap_or_default())
}

/// Where a criterion stands for several routes, which one it is.
fn place(row: &CriterionForecast, others: usize) -> String {
    match (&row.route, others) {
        (Some(route), 0) => route.to_string(),
        (Some(route), n) => format!("{route}, slowest of {}", n + 1),
        (None, _) => String::new(),
    }
}

fn text(out: &mut String, f: &Forecast, style: Style) -> std::fmt::Result {
    writeln!(out, "{}\n", style.wrap(&answer(f), 0))?;
    writeln!(out, "traffic   {}", style.wrap(&traffic(f), 10))?;
    writeln!(out, "expected  {}\n", style.wrap(&expected(f), 10))?;

    let name_width = style.columns().saturating_sub(70).clamp(20, 30);
    let line = |name: &str, cells: [&str; 5]| {
        let [part, compared, needed, time, by] = cells;
        let cells = [
            format!(" {part:>8}"),
            format!(" {compared:>14}"),
            format!(" {needed:>12}"),
            format!(" {time:>11}"),
            format!("   {by:<14}"),
        ];
        fitting(pad(name, name_width + 2), &cells, style)
    };
    writeln!(out, "{}", line("ROUTES, slowest first", ["share", "compared a day", "needed", "time", "decided by"]))?;
    for row in rows(f) {
        let marked = if row.critical { " critical" } else { "" };
        let name = format!("{}{marked}", style.middle(&row.name, name_width - marked.len()));
        writeln!(out, "{}", line(&format!("  {name}"), row.cells.each_ref().map(String::as_str)))?;
    }

    writeln!(out, "\n{}", style.end("CRITERIA", 20))?;
    for (row, others) in criteria(f) {
        let place = place(row, others);
        let gap = if place.is_empty() { "" } else { ": " };
        let detail = style.end(&format!("{place}{gap}{}", row.reason), style.columns().saturating_sub(32));
        let room = style.columns().saturating_sub(32);
        writeln!(out, "  {} {} {:>15}", pad(row.criterion.as_str(), 11), pad(&detail, room), there(row.seconds))?;
    }

    let failing: Vec<_> = slowest(f).into_iter().filter(|r| !r.fails.is_empty()).collect();
    let line = |name: &str, limit: &str, cells: [&str; 4]| {
        let name = format!("{} {limit:>8}", pad(name, name_width + 2));
        fitting(name, &cells.map(|cell| format!("{cell:>13}")), style)
    };
    if !failing.is_empty() {
        let times = ["2x the limit", "5x", "10x", "100x"];
        writeln!(out, "\n{}", line("A WORSE ONE FAILS after about", "limit", times))?;
    }
    for route in failing.iter().take(MAX_FAILS) {
        let name = format!("  {}", style.middle(&route.route, name_width));
        let cells = failing_after(route);
        writeln!(out, "{}", line(&name, &share(route.limit), cells.each_ref().map(String::as_str)))?;
    }
    if failing.len() > MAX_FAILS {
        writeln!(out, "  and {} quicker routes", failing.len() - MAX_FAILS)?;
    }

    for remedy in f.hopeless.iter().take(MAX_HOPELESS) {
        writeln!(out, "\n! {}", style.wrap(&standing(f, remedy), 2))?;
        for change in &remedy.changes {
            let set = pad(&change.set, 30);
            writeln!(out, "    {}", style.wrap(&format!("{set}  {}: {}", change.place, change.effect), 8))?;
        }
    }
    if f.hopeless.len() > MAX_HOPELESS {
        writeln!(out, "\n! and {} more: parallax forecast --format json", f.hopeless.len() - MAX_HOPELESS)?;
    }
    match (f.can_pass, f.seconds) {
        (true, Some(seconds)) => writeln!(out, "\nnext  parallax gate --wait {}", flag(seconds)),
        _ => Ok(()),
    }
}

/// As many of the columns as fit, from the left.
fn fitting(name: String, cells: &[String], style: Style) -> String {
    let mut line = name;
    for cell in cells {
        if columns(&line) + columns(cell) > style.columns() {
            break;
        }
        line.push_str(cell);
    }
    line.trim_end().to_owned()
}

/// What stands in the way, and how many of its changes it takes.
fn standing(f: &Forecast, remedy: &Remedy) -> String {
    let place = match &remedy.route {
        Some(route) => format!("{} {route}{}", remedy.criterion.as_str(), critical(f, route)),
        None => remedy.criterion.as_str().to_owned(),
    };
    let change = match remedy.changes.len() {
        0 => "",
        1 => ". What would do:",
        _ => ". Any of these would do:",
    };
    format!("{place}: {}{change}", remedy.why)
}

/// A time as a flag takes it, rounded up.
fn flag(seconds: u64) -> String {
    match seconds {
        0..7_200 => format!("{}m", seconds.div_ceil(60).max(1)),
        _ => format!("{}h", seconds.div_ceil(3_600)),
    }
}

fn markdown(out: &mut String, f: &Forecast) -> std::fmt::Result {
    writeln!(out, "## {}\n", md(&answer(f)))?;
    writeln!(out, "Traffic: {}. Expected: {}.\n", md(&traffic(f)), md(&expected(f)))?;
    writeln!(out, "| route | share | compared a day | needed | time | decided by |\n|---|---|---|---|---|---|")?;
    for row in rows(f) {
        let marked = if row.critical { " (critical)" } else { "" };
        let cells = row.cells.map(|cell| md(&cell));
        writeln!(out, "| {}{marked} | {} |", md(&row.name), cells.join(" | "))?;
    }
    writeln!(out, "\n| criterion | what it takes | time |\n|---|---|---|")?;
    for (row, others) in criteria(f) {
        let place = place(row, others);
        let gap = if place.is_empty() { "" } else { ": " };
        let what = md(&format!("{place}{gap}{}", row.reason));
        writeln!(out, "| {} | {what} | {} |", row.criterion.as_str(), there(row.seconds))?;
    }
    let failing: Vec<_> = slowest(f).into_iter().filter(|r| !r.fails.is_empty()).take(MAX_ROUTES).collect();
    if !failing.is_empty() {
        writeln!(
            out,
            "\nA worse candidate, which diverges so many times as often as the limit allows, fails after about\n"
        )?;
        writeln!(out, "| route | limit | 2x | 5x | 10x | 100x |\n|---|---|---|---|---|---|")?;
    }
    for route in failing {
        let after = failing_after(route).join(" | ");
        writeln!(out, "| {} | {} | {after} |", md(&route.route), share(route.limit))?;
    }
    for remedy in &f.hopeless {
        writeln!(out, "\n**!** {}\n", md(&standing(f, remedy)))?;
        for change in &remedy.changes {
            writeln!(out, "- `{}` ({}): {}", change.set.replace('`', "'"), md(&change.place), md(&change.effect))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::{ExpectedRates, ExpectedRoute, Mirrored, Policy, RoutePolicy, Traffic, forecast};

    /// Two large routes, two rare ones, one that writes and a critical one.
    fn sample(critical: bool) -> Forecast {
        let mut policy = Policy { default: Default::default(), routes: Default::default() };
        let settings = policy.default.clone();
        policy.routes.insert(RoutePolicy {
            name: "invoices".into(),
            methods: vec![],
            critical,
            named_by_body: false,
            settings,
        });
        let route = |requests, mirrored| {
            let rates = ExpectedRates { divergence: 0.00002, ..ExpectedRates::default() };
            ExpectedRoute { requests, mirrored, rates }
        };
        let all = Mirrored::Sample(1.0);
        let traffic = [
            ("GET /orders/{id}", route(35.0, all)),
            ("GET /search", route(64.0, all)),
            ("GET invoices", route(0.03, Mirrored::Sample(0.5))),
            ("GET /about", route(0.3, all)),
            ("GET /terms", route(0.1, all)),
            ("POST /orders", route(0.4, Mirrored::Method)),
        ];
        let traffic: Traffic = traffic.into_iter().map(|(name, route)| (name.into(), route)).collect();
        forecast(&policy, &traffic)
    }

    #[test]
    fn the_answer_comes_first() {
        insta::assert_snapshot!(forecast_text(&sample(false), Style::default()), @r##"
        a candidate as expected can pass after about 4 d 15 h: divergence of GET invoices decides

        traffic   100 requests a second, 99.6 % of them compared: 8,589,456 comparisons a day
        expected  divergence 0.002 %, no noise, no errors; never too slow, nothing new late

        ROUTES, slowest first               share compared a day       needed        time   decided by
          GET invoices                     0.03 %          1,296        6,010    4 d 15 h   divergence
          GET /search                      64.1 %      5,529,600        6,010      31 min   latency
          GET /orders/{id}                 35.1 %      3,024,000        6,010      31 min   latency
          2 rare routes, pooled           0.401 %         34,560        1,136 47 min 20 s   not waited for
          POST /orders                    0.401 %              0                            not mirrored

        CRITERIA
          divergence  GET invoices, slowest of 3: 6,010 comparisons                               4 d 15 h
          errors      5,613 comparisons                                                               57 s
          latency     GET invoices, slowest of 3: 30 blocks of 1 min after the warm-up          9 h 48 min
          coverage    99 % of all requests on routes that pass                                  2 min 52 s
          unseen      5,908 comparisons without a divergence never seen before                       1 min
          unjudged    at most 1 % of the mirrored exchanges may be shed or lost                    at once
          minimum     evidence has to span 1 d                                                         1 d

        A WORSE ONE FAILS after about       limit 2x the limit           5x          10x         100x
          GET invoices                      0.1 %    19 d 22 h     1 d 20 h  12 h 44 min   3 h 42 min
          GET /search                       0.1 %   6 min 44 s         38 s         11 s          4 s
          GET /orders/{id}                  0.1 %   14 min 4 s   1 min 20 s         23 s          6 s

        next  parallax gate --wait 112h
        "##);
        insta::assert_snapshot!(forecast_text(&sample(true), Style::default()), @r##"
        cannot pass: GET invoices (critical) needs 124,097 comparisons, 95 d 18 h at this traffic

        traffic   100 requests a second, 99.6 % of them compared: 8,589,456 comparisons a day
        expected  divergence 0.002 %, no noise, no errors; never too slow, nothing new late

        ROUTES, slowest first               share compared a day       needed        time   decided by
          GET invoices critical            0.03 %          1,296      124,097   95 d 18 h   divergence
          GET /search                      64.1 %      5,529,600        6,010      31 min   latency
          GET /orders/{id}                 35.1 %      3,024,000        6,010      31 min   latency
          2 rare routes, pooled           0.401 %         34,560        1,136 47 min 20 s   not waited for
          POST /orders                    0.401 %              0                            not mirrored

        CRITERIA
          divergence  GET invoices, slowest of 3: 124,097 comparisons                            95 d 18 h
          errors      5,613 comparisons                                                               57 s
          latency     GET invoices, slowest of 3: 30 blocks of 1 min after the warm-up          9 h 48 min
          coverage    99 % of all requests on routes that pass                                  2 min 52 s
          unseen      5,908 comparisons without a divergence never seen before                       1 min
          unjudged    at most 1 % of the mirrored exchanges may be shed or lost                    at once
          minimum     evidence has to span 1 d                                                         1 d

        A WORSE ONE FAILS after about       limit 2x the limit           5x          10x         100x
          GET invoices                     0.01 %   200 d 14 h    18 d 16 h      5 d 7 h   4 h 44 min
          GET /search                       0.1 %   6 min 44 s         38 s         11 s          4 s
          GET /orders/{id}                  0.1 %   14 min 4 s   1 min 20 s         23 s          6 s

        ! divergence GET invoices (critical): 124,097 comparisons, 95 d 18 h at this traffic;
          gate.max_duration is 14 d. Any of these would do:
            critical = false                [[route]] invoices: 6,010 comparisons, 4 d 15 h
            critical_tolerance = "0.05%"    [[route]] invoices: 12,917 comparisons, 9 d 23 h
            max_duration = "96d"            [gate]: as long as it takes, 95 d 18 h
        "##);
        insta::assert_snapshot!(forecast_markdown(&sample(true)), @r##"
        ## cannot pass: GET invoices \(critical\) needs 124,097 comparisons, 95 d 18 h at this traffic

        Traffic: 100 requests a second, 99.6 % of them compared: 8,589,456 comparisons a day. Expected: divergence 0.002 %, no noise, no errors; never too slow, nothing new late.

        | route | share | compared a day | needed | time | decided by |
        |---|---|---|---|---|---|
        | GET invoices (critical) | 0.03 % | 1,296 | 124,097 | 95 d 18 h | divergence |
        | GET /search | 64.1 % | 5,529,600 | 6,010 | 31 min | latency |
        | GET /orders/{id} | 35.1 % | 3,024,000 | 6,010 | 31 min | latency |
        | 2 rare routes, pooled | 0.401 % | 34,560 | 1,136 | 47 min 20 s | not waited for |
        | POST /orders | 0.401 % | 0 |  |  | not mirrored |

        | criterion | what it takes | time |
        |---|---|---|
        | divergence | GET invoices, slowest of 3: 124,097 comparisons | 95 d 18 h |
        | errors | 5,613 comparisons | 57 s |
        | latency | GET invoices, slowest of 3: 30 blocks of 1 min after the warm-up | 9 h 48 min |
        | coverage | 99 % of all requests on routes that pass | 2 min 52 s |
        | unseen | 5,908 comparisons without a divergence never seen before | 1 min |
        | unjudged | at most 1 % of the mirrored exchanges may be shed or lost | at once |
        | minimum | evidence has to span 1 d | 1 d |

        A worse candidate, which diverges so many times as often as the limit allows, fails after about

        | route | limit | 2x | 5x | 10x | 100x |
        |---|---|---|---|---|---|
        | GET invoices | 0.01 % | 200 d 14 h | 18 d 16 h | 5 d 7 h | 4 h 44 min |
        | GET /search | 0.1 % | 6 min 44 s | 38 s | 11 s | 4 s |
        | GET /orders/{id} | 0.1 % | 14 min 4 s | 1 min 20 s | 23 s | 6 s |

        **!** divergence GET invoices \(critical\): 124,097 comparisons, 95 d 18 h at this traffic; gate.max\_duration is 14 d. Any of these would do:

        - `critical = false` (\[\[route\]\] invoices): 6,010 comparisons, 4 d 15 h
        - `critical_tolerance = "0.05%"` (\[\[route\]\] invoices): 12,917 comparisons, 9 d 23 h
        - `max_duration = "96d"` (\[gate\]): as long as it takes, 95 d 18 h
        "##);
    }

    #[test]
    fn it_fits_the_width_and_is_plain_where_only_that_can_be_shown() {
        for width in [40, 60, 80, 100] {
            let style = Style { color: false, unicode: false, width };
            for line in forecast_text(&sample(true), style).lines() {
                assert!(line.len() <= width && line.is_ascii(), "{width}: {line}");
            }
        }
    }

    #[test]
    fn what_machines_read() {
        let value: serde_json::Value = serde_json::from_str(&forecast_json(&sample(true))).unwrap();
        assert_eq!((&value["schema"], &value["can_pass"]), (&1.into(), &false.into()));
        assert_eq!(value["routes"][0]["judged"], "alone");
        assert_eq!(value["hopeless"][0]["route"], "GET invoices");
        assert!(value["criteria"][0]["needed"].is_u64() && value["routes"][0]["fails"][0]["seconds"].is_u64());
    }
}
