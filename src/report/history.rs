//! How the bounds closed in, as the report tells it: the verdicts of the epoch, and a series for each thing judged.

use crate::evidence::{Counts, EpochInfo, PastEpoch};
use crate::gate::{Criterion, History, Point, Row, Verdict};
use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Series of routes in a report; the interface tells all of them.
const MAX_ROUTE_SERIES: usize = 8;

/// The history of one epoch. The last point is what holds now, or held when the epoch ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HistoryReport {
    /// When the verdict changed; the first verdict is the first of them.
    pub changes: Vec<VerdictChange>,
    /// Changes in the middle that found no place.
    pub changes_left_out: u64,
    pub points: Vec<HistoryPoint>,
    pub series: Vec<BoundSeries>,
}

/// A verdict that was not the one before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VerdictChange {
    pub at: Timestamp,
    pub verdict: Verdict,
    pub compared: u64,
    pub divergent: u64,
    /// What made it; empty of a pass.
    pub why: String,
}

/// One moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryPoint {
    pub at: Timestamp,
    pub verdict: Verdict,
    pub compared: u64,
    pub divergent: u64,
}

/// One criterion over time, of one route or (`route` is `None`) of all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoundSeries {
    pub criterion: Criterion,
    pub route: Option<Arc<str>>,
    /// `p95` or `p99`, where a criterion has more series than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<Arc<str>>,
    pub required: bool,
    /// At the last point.
    pub verdict: Verdict,
    pub points: Vec<BoundPoint>,
}

/// The numbers at one moment, as the verdict used them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BoundPoint {
    pub at: Timestamp,
    pub observed: Option<f64>,
    pub lower: Option<f64>,
    pub upper: Option<f64>,
    pub limit: Option<f64>,
    pub samples: u64,
}

/// An epoch that is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochReport {
    #[serde(flatten)]
    pub epoch: EpochInfo,
    pub ended_at: Timestamp,
    pub totals: Counts,
    /// The last one given while it was the newest; `None` where none was.
    pub verdict: Option<Verdict>,
    pub judged_at: Option<Timestamp>,
    pub why: String,
}

/// What `/api/v1/history` answers. `schema` is 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryDocument {
    pub schema: u32,
    pub generated_at: Timestamp,
    pub epoch: EpochInfo,
    #[serde(flatten)]
    pub history: HistoryReport,
    /// Older epochs, the newest first.
    pub epochs: Vec<EpochReport>,
}

impl HistoryDocument {
    pub fn new(generated_at: Timestamp, epoch: EpochInfo, history: HistoryReport, epochs: Vec<EpochReport>) -> Self {
        Self { schema: 1, generated_at, epoch, history, epochs }
    }
}

// === impl HistoryReport ===

impl HistoryReport {
    /// What decides at the last point: all that is of no route, and the worst routes.
    pub fn brief(history: &History) -> Self {
        let mut told = Self::heads(history);
        let last = history.points().last().map(|p| p.rows.as_slice()).unwrap_or_default();
        let decides = |row: &&Row| row.required && row.criterion != Criterion::Minimum;
        let mut rows: Vec<&Row> = last.iter().filter(decides).collect();
        // Stable: what is of equal rank stays in the gate's order, the largest routes first.
        rows.sort_by_key(|row| rank(row.verdict));
        let mut routes = 0;
        rows.retain(|row| {
            routes += usize::from(row.route.is_some());
            row.route.is_none() || routes <= MAX_ROUTE_SERIES
        });
        told.series = rows.into_iter().map(|row| series(history, row)).collect();
        told
    }

    /// All there is; of routes only the one named, where one is.
    pub fn whole(history: &History, route: Option<&str>) -> Self {
        let mut told = Self::heads(history);
        // Whatever was judged at any time, by its latest row.
        let mut rows: Vec<&Row> = Vec::new();
        let mut known = HashSet::new();
        for row in history.points().iter().rev().flat_map(|p| &p.rows) {
            let wanted = row.route.is_none() || route.is_none() || row.route.as_deref() == route;
            if wanted && known.insert((row.criterion, row.route.clone(), row.measure.clone())) {
                rows.push(row);
            }
        }
        told.series = rows.into_iter().map(|row| series(history, row)).collect();
        told
    }

    fn heads(history: &History) -> Self {
        let points = history.points();
        let change = |p: &Arc<Point>| VerdictChange {
            at: p.at,
            verdict: p.verdict,
            compared: p.compared,
            divergent: p.divergent,
            why: p.why.clone(),
        };
        let head = |p: &Arc<Point>| HistoryPoint {
            at: p.at,
            verdict: p.verdict,
            compared: p.compared,
            divergent: p.divergent,
        };
        let changes: Vec<_> = points.iter().filter(|p| p.change.is_some()).map(change).collect();
        Self {
            changes_left_out: history.changes().saturating_sub(changes.len() as u64),
            changes,
            points: points.iter().map(head).collect(),
            series: Vec::new(),
        }
    }
}

fn series(history: &History, like: &Row) -> BoundSeries {
    let at = |p: &Arc<Point>| Some(bound_point(p.at, p.rows.iter().find(|row| row.is_like(like))?));
    BoundSeries {
        criterion: like.criterion,
        route: like.route.clone(),
        measure: like.measure.clone(),
        required: like.required,
        verdict: like.verdict,
        points: history.points().iter().filter_map(at).collect(),
    }
}

/// How the divergence of these routes went, of each by its name.
pub(super) fn divergence_of<'r>(history: &History, routes: &HashSet<&'r str>) -> HashMap<&'r str, Vec<BoundPoint>> {
    let mut found: HashMap<&str, Vec<BoundPoint>> = HashMap::new();
    for point in history.points() {
        for row in point.rows.iter().filter(|row| row.criterion == Criterion::Divergence) {
            if let Some(route) = row.route.as_deref().and_then(|route| routes.get(route)) {
                found.entry(route).or_default().push(bound_point(point.at, row));
            }
        }
    }
    found
}

fn bound_point(at: Timestamp, row: &Row) -> BoundPoint {
    let Row { observed, lower, upper, limit, samples, .. } = *row;
    BoundPoint { at, observed, lower, upper, limit, samples }
}

const fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Fail => 0,
        Verdict::Inconclusive => 1,
        Verdict::Pass => 2,
    }
}

// === impl BoundSeries ===

impl BoundSeries {
    /// `divergence GET /orders/{id}`, `latency p95 GET /x`, `errors`.
    pub fn name(&self) -> String {
        let parts = [Some(self.criterion.as_str()), self.measure.as_deref(), self.route.as_deref()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// A number of it as people read it.
    pub fn told(&self, value: f64) -> String {
        match self.criterion {
            Criterion::Latency => super::format::ratio(Some(value)),
            _ => super::share(value),
        }
    }
}

// === impl EpochReport ===

impl EpochReport {
    pub fn of(past: &PastEpoch, history: Option<&History>) -> Self {
        let last = history.and_then(|h| h.points().last());
        Self {
            epoch: past.info.clone(),
            ended_at: past.ended_at,
            totals: past.totals.clone(),
            verdict: last.map(|p| p.verdict),
            judged_at: last.map(|p| p.at),
            why: last.map(|p| p.why.clone()).unwrap_or_default(),
        }
    }
}
