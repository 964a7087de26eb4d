//! The first page: may the candidate replace the primary, why not, is it safe, and what to look at next.

use super::super::format::bytes;
use super::super::plots::{Markup, bar, quantiles, traffic};
use super::super::{LatencySummary, Report, chart, duration, share, thousands, words};
use super::{
    DivergenceRow, Frame, Look, Part, RouteRow, Visit, accounting, criteria, divergence_rows, filters, legs, rendered,
    route_rows, why,
};
use crate::gate::{Criterion, Verdict};
use crate::model::Leg;
use askama::Template;

const MOST: usize = 5;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview<'a> {
    frame: Frame<'a>,
    report: &'a Report,
    why: (Vec<super::parts::Why<'a>>, usize),
    criteria: Vec<super::parts::CriterionRow>,
    parts: Vec<Part>,
    bar: Markup,
    divergences: Vec<DivergenceRow<'a>>,
    caption: String,
    routes: Vec<RouteRow<'a>>,
    traffic: Markup,
    /// Of the divergence that decides: its bounds over time.
    closing: Option<Markup>,
    latency: Markup,
    legs: Vec<(&'static str, LatencySummary)>,
    tiles: Vec<Tile>,
    ticks: [(&'static str, u64); 3],
}

/// A measured number that answers whether it is safe.
struct Tile {
    name: &'static str,
    value: String,
    /// Its limit, or what it is a part of.
    beside: String,
    /// Whether it wants to be looked at.
    alarming: bool,
}

/// The overview.
pub fn overview(visit: &Visit<'_>) -> String {
    let look = visit.look;
    let report = &look.report;
    let parts = accounting(report);
    let shares: Vec<(&str, u64)> = parts.iter().map(|p| (p.class, p.count)).collect();
    let routes = route_rows(report, Some(&look.history), words::rows(report).into_iter().take(MOST));
    let legs = legs(&report.latency);
    let t = &report.totals;
    let (divergences, [told, all]) = divergence_rows(report, MOST);
    // The report has those that decide first.
    let closing = report.history.series.iter().find(|s| s.criterion == Criterion::Divergence && s.points.len() > 1);
    rendered(&Overview {
        frame: Frame::new(visit, "/", "Overview"),
        report,
        why: why(report, MOST),
        criteria: criteria(report),
        bar: bar(&shares),
        parts,
        caption: format!("{told} of {all} that count; what looks alike on several routes is one line"),
        divergences,
        routes,
        traffic: traffic(&report.history.points),
        closing: closing.map(|series| chart::bounds(series, &report.history.changes)),
        latency: quantiles(&legs),
        legs,
        tiles: tiles(look),
        ticks: [("request seen", t.requests), ("mirrored", t.mirrored), ("compared", t.compared)],
    })
}

/// Safe for users first, then how the mirror does.
fn tiles(look: &Look) -> Vec<Tile> {
    let (health, t) = (&look.health, &look.report.totals);
    let mut out = Vec::new();
    let mut tile = |name, value, beside: String, alarming| out.push(Tile { name, value, beside, alarming });
    tile(
        "errors caused to users",
        thousands(health.turned_away),
        "connections turned away for want of room".to_owned(),
        health.turned_away > 0,
    );
    match health.added_p99 {
        Some(Ok(added)) => {
            tile("added latency, p99", format!("≤ {}", precise(added)), "what the proxy costs users".into(), false)
        }
        Some(Err(beyond)) => {
            tile("added latency, p99", format!("> {}", duration(beyond)), "what the proxy costs users".into(), true)
        }
        None => tile("added latency, p99", "no data".into(), "no request was measured yet".into(), false),
    }
    if let Some((used, limit)) = health.captured {
        tile("bodies held", bytes(used), format!("of {} that may be", bytes(limit)), used >= limit);
    }
    let of_requests = match t.requests {
        0 => "of no request yet".to_owned(),
        n => format!("{} of {} requests", share(t.mirrored as f64 / n as f64), thousands(n)),
    };
    tile("mirrored", thousands(t.mirrored), of_requests, false);
    let shed = t.not_mirrored.shed;
    let limit = health
        .in_flight
        .map_or_else(String::new, |(used, limit)| format!("{} of {} in flight now", thousands(used), thousands(limit)));
    tile("shed", thousands(shed), limit, shed > 0);
    for (leg, open) in &health.breakers {
        let name = if *leg == Leg::Candidate { "candidate's breaker" } else { "control's breaker" };
        let skipped = match leg {
            Leg::Candidate => format!("{} requests skipped so far", thousands(t.not_mirrored.breaker_open)),
            _ => String::new(),
        };
        tile(name, if *open { "✖ open" } else { "✔ closed" }.to_owned(), skipped, *open);
    }
    let failed = |f: fn(&crate::report::RouteReport) -> u64| look.report.routes.iter().map(f).sum::<u64>();
    let candidate = failed(|r| r.status.candidate.server_error + r.status.candidate.failed);
    let primary = failed(|r| r.status.primary.server_error + r.status.primary.failed);
    let beside = match t.mirrored {
        0 => "nothing was asked of it yet".to_owned(),
        _ => format!("5xx or no answer; the primary: {}", thousands(primary)),
    };
    tile("candidate's errors", thousands(candidate), beside, candidate > primary);
    out
}

fn precise(d: std::time::Duration) -> String {
    crate::report::format::micros(u64::try_from(d.as_micros()).unwrap_or(u64::MAX))
}
