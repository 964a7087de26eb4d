//! What the gate said of one epoch over time: how the bounds closed in, and when the verdict changed.
//!
//! However long a run lasts there are never more than [`MAX_POINTS`] of it, each with at most [`MAX_ROUTE_ROWS`] rows of
//! routes. It decides nothing, and when to judge is for others to say.

use super::{Criterion, CriterionResult, Judgement, Policy, Verdict};
use crate::evidence::{Counts, Evidence};
use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Stretches of equal length that the time of an epoch is divided into; the first point of each is kept.
const STRETCHES: u32 = 32;
/// The shortest of them; it doubles as the epoch grows older.
const SHORTEST: Duration = Duration::from_secs(1);
/// Changes of the verdict that are kept: the first ones and the latest.
const FIRST_CHANGES: u64 = 8;
const LATEST_CHANGES: u64 = 24;
/// One in each stretch, the changes, and the last.
pub const MAX_POINTS: usize = STRETCHES as usize + (FIRST_CHANGES + LATEST_CHANGES) as usize + 1;
/// Rows of routes in one point: what fails, what is critical and what is largest first.
pub const MAX_ROUTE_ROWS: usize = 500;

/// The points of one epoch, in order of time, no two of the same time. The first and the last are always there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    points: Vec<Arc<Point>>,
}

/// Of all epochs that are told of, by number.
pub type Histories = BTreeMap<u64, Arc<History>>;

/// What was said at one moment, and the numbers it rested on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    pub at: Timestamp,
    pub verdict: Verdict,
    /// Which change of the verdict this is, counted from 1, the first verdict of the epoch; `None` where it is what it
    /// was before.
    pub change: Option<u64>,
    pub compared: u64,
    pub divergent: u64,
    /// The first result that made the verdict; empty of a pass.
    pub why: String,
    pub rows: Vec<Row>,
}

/// The numbers of one criterion, of one route or (`route` is `None`) of all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub criterion: Criterion,
    pub route: Option<Arc<str>>,
    /// `p95` or `p99`, where a criterion has more rows than one.
    pub measure: Option<Arc<str>>,
    pub required: bool,
    pub verdict: Verdict,
    pub observed: Option<f64>,
    pub lower: Option<f64>,
    pub upper: Option<f64>,
    pub limit: Option<f64>,
    pub samples: u64,
}

// === impl History ===

impl History {
    /// As it was kept.
    pub fn restore(points: impl IntoIterator<Item = Point>) -> Self {
        let mut points: Vec<_> = points.into_iter().map(Arc::new).collect();
        points.sort_by_key(|p| p.at);
        points.dedup_by_key(|p| p.at);
        let mut history = Self { points };
        history.thin();
        history
    }

    pub fn points(&self) -> &[Arc<Point>] {
        &self.points
    }

    /// The last one given.
    pub fn verdict(&self) -> Option<Verdict> {
        self.points.last().map(|p| p.verdict)
    }

    /// How far apart points are by `now`.
    pub fn spacing(&self, now: Timestamp) -> Duration {
        self.points.first().map_or(SHORTEST, |first| spacing(now.since(first.at)))
    }

    /// Whether there is no point yet in the stretch that `now` falls into.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let (Some(first), Some(last)) = (self.points.first(), self.points.last()) else { return true };
        let spacing = self.spacing(now);
        stretch(now.since(first.at), spacing) > stretch(last.at.since(first.at), spacing)
    }

    /// Adds the latest. Where the clock was set back, it comes right after the one before it.
    pub fn push(&mut self, mut point: Point) {
        if let Some(last) = self.points.last() {
            point.at = point.at.max(last.at + Duration::from_micros(1));
        }
        let changes = self.changes();
        point.change = (self.verdict() != Some(point.verdict)).then_some(changes + 1);
        self.points.push(Arc::new(point));
        self.thin();
    }

    /// How often the verdict changed, the first one included.
    pub fn changes(&self) -> u64 {
        self.points.iter().filter_map(|p| p.change).max().unwrap_or(0)
    }

    /// Lets go of the routes: of an epoch that is over only the whole is told.
    pub fn retire(&mut self) {
        for point in self.points.iter_mut().filter(|p| p.rows.iter().any(|row| row.route.is_some())) {
            Arc::make_mut(point).rows.retain(|row| row.route.is_none());
        }
    }

    fn thin(&mut self) {
        let (Some(first), Some(last)) = (self.points.first(), self.points.last()) else { return };
        let (first, last, changes) = (first.at, last.at, self.changes());
        let spacing = spacing(last.since(first));
        let mut seen = None;
        self.points.retain(|point| {
            let own = Some(stretch(point.at.since(first), spacing));
            let opens = seen != own;
            seen = own;
            opens || point.at == last || point.change.is_some_and(|n| is_kept(n, changes))
        });
    }
}

/// A power of two of the shortest, so that a stretch is always two whole ones of before: whatever was thinned earlier, the
/// first point of each is still there.
fn spacing(span: Duration) -> Duration {
    let mut spacing = SHORTEST;
    while span >= spacing.saturating_mul(STRETCHES) {
        spacing = spacing.saturating_mul(2);
    }
    spacing
}

fn stretch(since: Duration, spacing: Duration) -> u128 {
    since.as_micros() / spacing.as_micros().max(1)
}

/// Of the changes 1 to `all`.
fn is_kept(n: u64, all: u64) -> bool {
    n <= FIRST_CHANGES || n + LATEST_CHANGES > all
}

// === impl Point ===

impl Point {
    /// `None` while nothing has been compared: there are no bounds that could close in. `evidence` is what was judged.
    pub fn of(judgement: &Judgement, policy: &Policy, evidence: &Evidence, at: Timestamp) -> Option<Self> {
        let mut totals = Counts::default();
        evidence.routes.values().for_each(|route| totals.merge(&route.counts));
        let made = |c: &&CriterionResult| c.required && c.verdict == judgement.verdict && c.verdict != Verdict::Pass;
        (totals.compared > 0).then(|| Self {
            at,
            verdict: judgement.verdict,
            change: None,
            compared: totals.compared,
            divergent: totals.divergent,
            why: judgement.criteria.iter().find(made).map(CriterionResult::sentence).unwrap_or_default(),
            rows: rows(judgement, policy),
        })
    }
}

/// Those with a limit and something measured, in the judgement's order.
fn rows(judgement: &Judgement, policy: &Policy) -> Vec<Row> {
    let mut seen = HashSet::new();
    let mut ranks: HashMap<Criterion, usize> = HashMap::new();
    let mut found = Vec::new();
    for c in &judgement.criteria {
        let first = seen.insert((c.criterion, c.route.as_deref(), c.measure.as_deref()));
        let measured = c.observed.is_some() || c.lower.is_some() || c.upper.is_some();
        if c.limit.is_none() || !measured || !first {
            continue;
        }
        let rank = ranks.entry(c.criterion).or_insert(0);
        *rank += 1;
        let critical = c.route.as_deref().is_some_and(|name| policy.for_route(name).1);
        let order = (c.route.is_some(), c.verdict != Verdict::Fail, !critical, *rank);
        found.push((order, found.len(), Row::of(c)));
    }
    // What is of no route comes first, and there are few.
    let all = found.iter().filter(|(_, _, row)| row.route.is_none()).count();
    found.sort_by_key(|(order, ..)| *order);
    found.truncate(all + MAX_ROUTE_ROWS);
    found.sort_by_key(|(_, at, _)| *at);
    found.into_iter().map(|(_, _, row)| row).collect()
}

impl Row {
    fn of(c: &CriterionResult) -> Self {
        Self {
            criterion: c.criterion,
            route: c.route.clone(),
            measure: c.measure.clone(),
            required: c.required,
            verdict: c.verdict,
            observed: c.observed,
            lower: c.lower,
            upper: c.upper,
            limit: c.limit,
            samples: c.samples,
        }
    }

    /// Whether both are of the same thing.
    pub fn is_like(&self, other: &Row) -> bool {
        self.criterion == other.criterion && self.route == other.route && self.measure == other.measure
    }
}
