//! All routes, worst first, in pages; and one route.

use super::super::plots::{Markup, interval, quantiles};
use super::super::{HistoryReport, LatencySummary, Report, RouteReport, chart, share, words};
use super::{DivergenceRow, Frame, Paged, Query, RouteRow, Visit, filters, rendered, route_rows};
use crate::evidence::StatusCounts;
use crate::gate::CriterionResult;
use askama::Template;

const SIZE: usize = 50;

#[derive(Template)]
#[template(path = "routes.html")]
struct Routes<'a> {
    frame: Frame<'a>,
    report: &'a Report,
    query: &'a Query,
    all: usize,
    paged: Paged,
    caption: String,
    rows: Vec<RouteRow<'a>>,
    idle: Vec<String>,
}

/// Those of which something was compared; a query may ask for names that contain something.
pub fn routes(visit: &Visit<'_>) -> String {
    let Visit { look, query, .. } = *visit;
    let report = &look.report;
    let mut list = words::rows(report);
    let all = list.len();
    if let Some(wanted) = query.get("route") {
        let wanted = wanted.to_lowercase();
        list.retain(|row| row.name.to_lowercase().contains(&wanted));
    }
    let paged = Paged::new(list.len(), SIZE, query.get("page"));
    let (first, last) = (paged.first.saturating_sub(1), paged.last);
    rendered(&Routes {
        frame: Frame::new(visit, "/routes", "Routes"),
        report,
        query,
        all,
        rows: route_rows(report, Some(&look.history), list.drain(..last).skip(first)),
        caption: format!(
            "{}, worst first; p50 and p99 are the candidate's latency over the primary's",
            paged.caption()
        ),
        paged,
        idle: words::uncompared(report, 100),
    })
}

#[derive(Template)]
#[template(path = "route.html")]
struct Route<'a> {
    frame: Frame<'a>,
    report: &'a Report,
    route: &'a RouteReport,
    limit: Option<f64>,
    interval: Markup,
    criteria: Vec<(&'a CriterionResult, String)>,
    legs: Vec<Leg>,
    latency: Markup,
    divergences: Vec<DivergenceRow<'a>>,
    caption: String,
    /// Where all divergences of the route are.
    more: String,
    rules: Vec<(&'a str, u64, String)>,
    charts: Vec<Markup>,
}

struct Leg {
    name: &'static str,
    status: StatusCounts,
    latency: LatencySummary,
}

/// One route, with what the gate said of it over time; `None` where there is none of that name.
pub fn route(visit: &Visit<'_>, name: &str) -> Option<String> {
    let look = visit.look;
    const MOST: usize = 20;
    let report = &look.report;
    let route = report.routes.iter().find(|r| &*r.route == name)?;
    let judged: Vec<_> = report.gate.criteria.iter().filter(|c| c.route.as_deref() == Some(name)).collect();
    let limit = judged.iter().find(|c| c.criterion == crate::gate::Criterion::Divergence).and_then(|c| c.limit);
    let enough = route.counts.compared >= route.min_comparisons;
    let bounds = enough.then_some((route.divergence.lower, route.divergence.upper));
    let mut legs = vec![
        Leg { name: "primary", status: route.status.primary, latency: route.latency.primary },
        Leg { name: "candidate", status: route.status.candidate, latency: route.latency.candidate },
    ];
    if let (Some(status), Some(latency)) = (route.status.control, route.latency.control) {
        legs.push(Leg { name: "control", status, latency });
    }
    let own = || report.divergences.iter().filter(|d| &*d.route == name);
    let measured: Vec<_> = legs.iter().map(|l| (l.name, l.latency)).collect();
    let history = HistoryReport::whole(&look.history, Some(name));
    let frame = Frame::new(visit, "/routes", name);
    Some(rendered(&Route {
        report,
        route,
        limit,
        interval: match limit {
            Some(limit) if route.counts.compared > 0 => interval(route.divergence.rate, bounds, limit),
            _ => Markup::default(),
        },
        criteria: judged.into_iter().map(|c| (c, words::measured(c))).collect(),
        charts: history
            .series
            .iter()
            .filter(|series| series.route.as_deref() == Some(name) && series.points.len() > 1)
            .map(|series| chart::bounds(series, &history.changes))
            .collect(),
        latency: quantiles(&measured),
        legs,
        divergences: own().take(MOST).map(DivergenceRow::from).collect(),
        caption: format!("{} of {}", own().count().min(MOST), own().count()),
        more: frame.link(&format!("/divergences?show=all&route={}", super::encoded(name))),
        rules: report
            .rules
            .iter()
            .filter_map(|rule| {
                let on = rule.routes.iter().find(|on| &*on.route == name)?;
                Some((&*rule.id, on.hits, share(on.share)))
            })
            .collect(),
        frame,
    }))
}
