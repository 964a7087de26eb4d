//! Rows that several pages show.

use super::super::format::{digits, part};
use super::super::plots::{Markup, interval, progress, share_sparkline, sparkline};
use super::super::{
    DivergenceReport, Latency, LatencyRatio, LatencySummary, Report, RouteReport, ShareTrend, divergence_of, share,
    thousands, words,
};
use crate::gate::{Criterion, CriterionResult, History, Verdict};
use crate::model::Timestamp;
use std::collections::HashSet;
use std::time::Duration;

/// A part of all requests: where they ended.
#[derive(Debug)]
pub struct Part {
    pub name: &'static str,
    pub class: &'static str,
    pub count: u64,
    pub share: String,
    pub detail: String,
}

/// Where every request ended. The parts are all there is.
pub fn accounting(report: &Report) -> Vec<Part> {
    let t = &report.totals;
    let part = |name, class, count, detail| Part { name, class, count, share: part(count, t.requests), detail };
    vec![
        part("matched", "matched", t.matched, String::new()),
        part("excused", "excused", t.excused, words::excused(report)),
        part("divergent", "divergent", t.divergent, words::asked_again(report)),
        part("incomparable", "incomparable", t.incomparable, words::incomparable(report)),
        part("pending", "pending", t.pending, String::new()),
        part("not mirrored", "not-mirrored", t.not_mirrored.sum(), words::not_mirrored(report)),
    ]
}

/// A criterion that is not met, in a sentence.
#[derive(Debug)]
pub struct Why<'a> {
    pub verdict: Verdict,
    pub criterion: &'static str,
    pub route: Option<&'a str>,
    pub reason: &'a str,
    pub progress: Option<Markup>,
    /// The divergence that did most of it.
    pub behind: Option<&'a DivergenceReport>,
}

/// The criteria that failed or are open, failed ones first, at most `limit`; and how many there are.
pub fn why(report: &Report, limit: usize) -> (Vec<Why<'_>>, usize) {
    let mut open: Vec<_> = report.gate.criteria.iter().filter(|c| c.required && c.verdict != Verdict::Pass).collect();
    open.sort_by_key(|c| c.verdict != Verdict::Fail);
    let all = open.len();
    let shown = open.into_iter().take(limit).map(|c: &CriterionResult| {
        let diverges = c.criterion == Criterion::Divergence && c.verdict == Verdict::Fail;
        Why {
            verdict: c.verdict,
            criterion: c.criterion.as_str(),
            route: c.route.as_deref(),
            reason: &c.reason,
            progress: c.samples_needed.filter(|n| *n > c.samples).map(|needed| progress(c.samples, needed)),
            behind: c.route.as_deref().filter(|_| diverges).and_then(|route| words::worst_of(report, route)),
        }
    });
    (shown.collect(), all)
}

/// One criterion over all routes that it is judged on.
#[derive(Debug)]
pub struct CriterionRow {
    pub name: &'static str,
    pub verdict: Verdict,
    pub required: bool,
    /// `17 of 19 routes hold`, or the reason where there is but one.
    pub state: String,
    /// Of the one that takes longest.
    pub progress: Option<Markup>,
    pub eta: Option<String>,
}

/// What the verdict rests on, a row for each criterion.
pub fn criteria(report: &Report) -> Vec<CriterionRow> {
    let row = |criterion: Criterion| {
        let all: Vec<_> = report.gate.criteria.iter().filter(|c| c.criterion == criterion).collect();
        let required = all.iter().any(|c| c.required);
        let judged: Vec<_> = all.iter().filter(|c| c.required == required).copied().collect();
        let first = judged.first()?;
        let count = |v| judged.iter().filter(|c| c.verdict == v).count();
        let noun = if judged.iter().all(|c| c.route.is_some()) { "routes" } else { "checks" };
        let state = match judged.len() {
            1 => first.reason.clone(),
            n => {
                let held = format!("{} of {} {noun} hold", count(Verdict::Pass), n);
                match count(Verdict::Fail) {
                    0 => held,
                    failed => format!("{held}, {failed} failed"),
                }
            }
        };
        let open = || judged.iter().filter(|c| c.verdict == Verdict::Inconclusive);
        let slowest = open().max_by_key(|c| c.samples_needed.map(|n| n.saturating_sub(c.samples)));
        let progress =
            slowest.and_then(|c| c.samples_needed.filter(|n| *n > c.samples).map(|n| progress(c.samples, n)));
        // As long as one can't be foreseen, neither can all.
        let eta = open().map(|c| c.eta_seconds).collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max());
        Some(CriterionRow {
            name: criterion.as_str(),
            verdict: Verdict::all(judged.iter().map(|c| c.verdict)),
            required,
            state,
            progress,
            eta: eta.map(|s| crate::report::duration(Duration::from_secs(s))),
        })
    };
    Criterion::ALL.into_iter().filter_map(row).collect()
}

/// The legs that answered, by name.
pub fn legs(latency: &Latency) -> Vec<(&'static str, LatencySummary)> {
    let all =
        [("primary", Some(latency.primary)), ("candidate", Some(latency.candidate)), ("control", latency.control)];
    all.into_iter().filter_map(|(name, summary)| Some((name, summary.filter(|s| s.count > 0)?))).collect()
}

/// A route as tables show it.
#[derive(Debug)]
pub struct RouteRow<'a> {
    pub verdict: Verdict,
    pub name: String,
    /// Whether there is a page of it: the row of those judged together has none.
    pub single: bool,
    pub critical: bool,
    pub compared: u64,
    pub divergent: u64,
    pub rate: String,
    pub bounds: String,
    pub limit: String,
    pub interval: Markup,
    pub trend: Markup,
    pub ratio: LatencyRatio,
    pub worst: Option<&'a DivergenceReport>,
}

/// Routes as tables show them, of [`words::rows`] those that are shown. Without the `history` that the report was made
/// of, what the report itself has of it is drawn.
pub fn route_rows<'a>(
    report: &'a Report,
    history: Option<&History>,
    shown: impl IntoIterator<Item = words::Row<'a>>,
) -> Vec<RouteRow<'a>> {
    let shown: Vec<_> = shown.into_iter().collect();
    let trends = match history {
        Some(history) => {
            divergence_of(history, &shown.iter().filter_map(|row| Some(&*row.route?.route)).collect::<HashSet<_>>())
        }
        None => {
            let of_routes = report.history.series.iter().filter(|s| s.criterion == Criterion::Divergence);
            of_routes.filter_map(|s| Some((s.route.as_deref()?, s.points.clone()))).collect()
        }
    };
    let trend = |route: &RouteReport| Some(sparkline(trends.get(&*route.route)?));
    shown
        .into_iter()
        .map(|row| RouteRow {
            verdict: row.verdict,
            single: row.route.is_some(),
            critical: row.critical,
            compared: row.compared,
            divergent: row.divergent,
            rate: row.rate.map_or_else(|| "no data".to_owned(), share),
            bounds: row.bounds.map_or_else(|| "too few".to_owned(), |(l, u)| format!("{} to {}", digits(l), digits(u))),
            limit: row.limit.map_or_else(String::new, share),
            interval: match (row.rate, row.limit) {
                (Some(rate), Some(limit)) => interval(rate, row.bounds, limit),
                _ => Markup::default(),
            },
            trend: row.route.and_then(trend).unwrap_or_default(),
            ratio: row.route.map(|r| r.latency.ratio).unwrap_or_default(),
            worst: row.route.and_then(|r| words::worst_of(report, &r.route)),
            name: row.name,
        })
        .collect()
}

/// A divergence as tables show it.
#[derive(Debug)]
pub struct DivergenceRow<'a> {
    pub fingerprint: &'a str,
    /// The route, or on how many it looks alike.
    pub place: String,
    pub location: &'a str,
    pub kind: &'a str,
    pub tier: &'static str,
    pub summary: &'a str,
    pub exchanges: u64,
    pub share: String,
    /// Its share over time.
    pub trend: Markup,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// What excuses it, where it never counted.
    pub excused: Option<&'a str>,
}

impl<'a> From<&'a DivergenceReport> for DivergenceRow<'a> {
    fn from(d: &'a DivergenceReport) -> Self {
        Self {
            fingerprint: &d.fingerprint,
            place: d.route.to_string(),
            location: &d.location,
            kind: &d.kind,
            tier: d.tier.as_str(),
            summary: &d.summary,
            exchanges: if d.excused { d.count } else { d.counted },
            share: share(d.share),
            trend: d.trend.as_ref().map(share_sparkline).unwrap_or_default(),
            first_seen: d.first_seen,
            last_seen: d.last_seen,
            excused: d.excused.then(|| d.excused_by.as_deref().unwrap_or("nothing of it counts")),
        }
    }
}

/// The most telling differences, each once however many routes show it; and how many divergences that is, of how many.
pub fn divergence_rows(report: &Report, limit: usize) -> (Vec<DivergenceRow<'_>>, [usize; 2]) {
    let groups = words::groups(report);
    let divergences = |groups: &[words::Group<'_>]| groups.iter().map(|group| group.all.len()).sum();
    let of = [divergences(groups.get(..limit).unwrap_or(&groups)), divergences(&groups)];
    let rows = groups.into_iter().take(limit).map(|group| DivergenceRow {
        trend: ShareTrend::joined(&group.all).as_ref().map(share_sparkline).unwrap_or_default(),
        first_seen: group.first_seen,
        last_seen: group.last_seen,
        place: match group.routes {
            1 => group.worst.route.to_string(),
            n => format!("on {} routes", thousands(n as u64)),
        },
        exchanges: group.counted,
        share: share(group.share),
        ..DivergenceRow::from(group.worst)
    });
    (rows.collect(), of)
}

/// A long list in pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged {
    /// From 1.
    pub page: usize,
    pub pages: usize,
    pub all: usize,
    pub first: usize,
    pub last: usize,
}

// === impl Paged ===

impl Paged {
    /// `wanted` is the page asked for, whatever that says; there is always one page.
    pub fn new(all: usize, size: usize, wanted: Option<&str>) -> Self {
        let pages = all.div_ceil(size).max(1);
        let page = wanted.and_then(|w| w.parse::<usize>().ok()).unwrap_or(1).clamp(1, pages);
        let first = (page - 1) * size;
        Self { page, pages, all, first: if all == 0 { 0 } else { first + 1 }, last: all.min(first + size) }
    }

    pub fn caption(&self) -> String {
        format!("{} to {} of {}", thousands(self.first as u64), thousands(self.last as u64), thousands(self.all as u64))
    }

    pub fn of<'a, T>(&self, list: &'a [T]) -> &'a [T] {
        list.get(self.first.saturating_sub(1)..self.last).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_asked_for_exists() {
        let list: Vec<u32> = (0..101).collect();
        for (wanted, page, shown) in
            [(None, 1, 0..50), (Some("3"), 3, 100..101), (Some("99"), 3, 100..101), (Some("-1"), 1, 0..50)]
        {
            let paged = Paged::new(list.len(), 50, wanted);
            assert_eq!((paged.page, paged.pages, paged.of(&list)), (page, 3, &list[shown]));
        }
        let none = Paged::new(0, 50, None);
        assert_eq!((none.pages, none.of::<u32>(&[])), (1, &[][..]));
    }
}
