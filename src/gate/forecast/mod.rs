//! Before a run: how many comparisons a pass takes, and how long that is at the traffic that is expected.
//!
//! Which routes are judged alone, what each is held against and how many samples that takes come from the same
//! functions as the verdict; here they are asked of rates instead of counts. It is the expected path: chance may need
//! less or more. It gives no verdict, and it takes for granted what nobody can know before: that the candidate is not
//! too slow, and shows no new divergence late.

mod changes;
mod rows;
#[cfg(test)]
mod tests;

use super::pool::{Pool, TAIL};
use super::weights::Weights;
use super::{Criterion, Policy, divergence};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is expected, by the names of the routes.
pub type Traffic = BTreeMap<Arc<str>, ExpectedRoute>;

/// One route's requests, and what becomes of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpectedRoute {
    /// Requests a second.
    pub requests: f64,
    pub mirrored: Mirrored,
    pub rates: ExpectedRates,
}

/// Which share of a route's requests is compared, and by what that is decided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mirrored {
    /// None: its method is not mirrored.
    Method,
    /// `mirror.sample`.
    Sample(f64),
    /// What `max_rate` leaves of it, and what would be left without: that of `[mirror]`, or the route's own.
    MaxRate { share: f64, without: f64, of_all: bool },
    /// What was compared of the requests that came.
    Measured(f64),
}

/// What comparisons are expected to show: shares of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ExpectedRates {
    /// Diverge, in excess of noise.
    pub divergence: f64,
    /// Differ from the primary on the control, and as often on the candidate, by what no rule and no known noise
    /// takes out.
    pub noise: f64,
    /// Fail on the candidate only. Each diverges as well.
    pub errors: f64,
    /// Come with an answer of the control; 0 where there is none.
    pub control: f64,
    /// Of what is to be mirrored, the share that is given up.
    pub unjudged: f64,
}

/// What it takes. Times are in seconds; where there is none it is never.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Forecast {
    pub schema: u32,
    /// Whether the candidate can pass, and before `gate.max_duration`.
    pub can_pass: bool,
    pub seconds: Option<u64>,
    pub max_duration_seconds: u64,
    /// The one that takes longest, or can't be met at all: an index into `criteria`.
    pub decided_by: Option<usize>,
    pub requests_per_second: f64,
    pub comparisons_per_second: f64,
    /// Those with most comparisons first.
    pub routes: Vec<RouteForecast>,
    /// As the verdict will list them.
    pub criteria: Vec<CriterionForecast>,
    /// What can't be met, or takes too long, and what would change that.
    pub hopeless: Vec<Remedy>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RouteForecast {
    pub route: Arc<str>,
    pub critical: bool,
    pub judged: Judged,
    /// Of all requests.
    pub share: f64,
    pub requests_per_second: f64,
    pub comparisons_per_second: f64,
    pub expected: ExpectedRates,
    /// Of the share that may diverge.
    pub limit: f64,
    /// Comparisons a pass takes.
    pub needed: Option<u64>,
    pub seconds: Option<u64>,
    pub decided_by: Option<Criterion>,
    /// How soon worse candidates fail on it.
    pub fails: Vec<FailForecast>,
}

/// How a route takes part in the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Judged {
    Alone,
    /// With the other rare ones.
    Pooled,
    NotCompared,
}

/// A candidate that diverges so many times as often as the limit allows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FailForecast {
    pub times: u32,
    pub rate: f64,
    pub comparisons: Option<u64>,
    pub seconds: Option<u64>,
}

/// What one criterion takes, on one route or (`route` is `None`) over all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CriterionForecast {
    pub criterion: Criterion,
    pub required: bool,
    pub route: Option<Arc<str>>,
    pub limit: Option<f64>,
    /// Comparisons, for latency blocks.
    pub needed: Option<u64>,
    pub seconds: Option<u64>,
    pub reason: String,
}

/// What stands in the way, and what would change that.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Remedy {
    pub criterion: Criterion,
    pub route: Option<Arc<str>>,
    pub why: String,
    /// Any of them is enough for this one.
    pub changes: Vec<Change>,
}

/// A key to set, or a command to run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// `tolerance = "0.5%"`.
    pub set: String,
    /// `[gate]`, or the route it belongs to.
    pub place: String,
    pub effect: String,
}

/// Multiples of the limit whose failing is foretold.
const TIMES: [u32; 4] = [2, 5, 10, 100];

/// What a pass takes, by what is expected.
pub fn forecast(policy: &Policy, traffic: &Traffic) -> Forecast {
    let plan = Plan::new(policy, traffic);
    let criteria = plan.rows();
    let max = policy.default.max_duration.as_secs();
    let decided_by = longest(&criteria, |row| row.required);
    let seconds = decided_by.and_then(|at| criteria.get(at)).and_then(|row| row.seconds);
    Forecast {
        schema: 1,
        can_pass: seconds.is_some_and(|seconds| seconds <= max),
        seconds,
        max_duration_seconds: max,
        decided_by,
        requests_per_second: traffic.values().map(|r| r.requests).sum(),
        comparisons_per_second: traffic.values().map(ExpectedRoute::compared).sum(),
        routes: plan.routes(&criteria),
        hopeless: plan.remedies(&criteria),
        criteria,
    }
}

/// Of the rows that are meant, the one that is never there, else the one that takes longest; the first of equals.
fn longest(rows: &[CriterionForecast], meant: impl Fn(&CriterionForecast) -> bool) -> Option<usize> {
    let time = |row: &CriterionForecast| row.seconds.unwrap_or(u64::MAX);
    let mut most: Option<(usize, u64)> = None;
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| meant(row)) {
        if most.is_none_or(|(_, longest)| time(row) > longest) {
            most = Some((at, time(row)));
        }
    }
    most.map(|(at, _)| at)
}

/// Until so many are there, at so many a second.
fn seconds(needed: u64, rate: f64) -> Option<u64> {
    (rate > 0.0).then(|| (needed as f64 / rate).ceil() as u64)
}

/// What all of it is computed from.
struct Plan<'a> {
    policy: &'a Policy,
    traffic: &'a Traffic,
    weights: Weights,
    pool: Pool,
}

// === impl Plan ===

impl<'a> Plan<'a> {
    fn new(policy: &'a Policy, traffic: &'a Traffic) -> Self {
        let mut order: Vec<_> = traffic.iter().map(|(name, route)| (name, route.compared())).collect();
        // Routes are first seen in about the order of their size.
        order.sort_by(|(a, more), (b, less)| less.total_cmp(more).then_with(|| a.cmp(b)));
        let weights = Weights::of(policy, order.iter().map(|(name, _)| (*name, 0)));
        let pool = Pool::of(policy, order.into_iter());
        Self { policy, traffic, weights, pool }
    }

    /// Comparisons a second over all routes.
    fn rate(&self) -> f64 {
        self.traffic.values().map(ExpectedRoute::compared).sum()
    }

    fn routes(&self, rows: &[CriterionForecast]) -> Vec<RouteForecast> {
        let all: f64 = self.traffic.values().map(|r| r.requests).sum();
        let one = |(name, route): (&Arc<str>, &ExpectedRoute)| {
            let judged = match () {
                () if self.pool.individual.contains(name) => Judged::Alone,
                () if self.pool.tail.contains(name) => Judged::Pooled,
                () => Judged::NotCompared,
            };
            // The rare ones are there when the pool is.
            let row_of = if judged == Judged::Pooled { TAIL } else { name };
            let of = |row: &CriterionForecast| {
                row.route.as_deref() == Some(row_of) && (row.required || judged == Judged::Pooled)
            };
            let slowest = longest(rows, of).and_then(|at| rows.get(at)).filter(|_| judged != Judged::NotCompared);
            let (settings, critical) = self.policy.for_route(name);
            let (limits, fails) = match judged {
                Judged::Pooled => (self.tail_limits(), Vec::new()),
                _ => {
                    let limits = divergence::limits(settings, critical, self.weights.route(name));
                    (limits, if judged == Judged::Alone { self.fails(route, &limits, settings) } else { Vec::new() })
                }
            };
            let divergence =
                rows.iter().find(|r| r.criterion == Criterion::Divergence && r.route.as_deref() == Some(row_of));
            RouteForecast {
                route: name.clone(),
                critical,
                judged,
                share: if all > 0.0 { route.requests / all } else { 0.0 },
                requests_per_second: route.requests,
                comparisons_per_second: route.compared(),
                expected: route.rates,
                limit: limits.limit,
                needed: divergence.and_then(|row| row.needed),
                seconds: slowest.and_then(|row| row.seconds),
                decided_by: slowest.map(|row| row.criterion),
                fails,
            }
        };
        let mut routes: Vec<_> = self.traffic.iter().map(one).collect();
        let size = |r: &RouteForecast| (r.comparisons_per_second, r.requests_per_second);
        routes.sort_by(|a, b| {
            let ((a_compared, a_all), (b_compared, b_all)) = (size(a), size(b));
            b_compared.total_cmp(&a_compared).then(b_all.total_cmp(&a_all))
        });
        routes
    }

    fn fails(
        &self,
        route: &ExpectedRoute,
        limits: &super::check::Limits,
        settings: &super::GateSettings,
    ) -> Vec<FailForecast> {
        let worse = TIMES.map(|times| (times, limits.limit * f64::from(times)));
        let possible = worse.into_iter().filter(|(_, rate)| *rate <= 1.0);
        let fail = |(times, rate): (u32, f64)| {
            let comparisons = divergence::failing(rate, &route.rates, limits, settings);
            let seconds = comparisons.and_then(|n| seconds(n, route.compared()));
            FailForecast { times, rate, comparisons, seconds }
        };
        possible.map(fail).collect()
    }
}

// === impl ExpectedRoute ===

impl ExpectedRoute {
    /// Comparisons a second.
    pub fn compared(&self) -> f64 {
        self.requests * self.mirrored.share()
    }
}

// === impl Mirrored ===

impl Mirrored {
    /// Of a route's requests, the share that is compared.
    pub fn share(self) -> f64 {
        match self {
            Mirrored::Method => 0.0,
            Mirrored::Sample(share) | Mirrored::MaxRate { share, .. } | Mirrored::Measured(share) => share,
        }
    }
}

// === impl ExpectedRates ===

impl ExpectedRates {
    /// The share that diverges; one that fails where the primary did not does.
    pub(super) fn diverging(&self) -> f64 {
        self.divergence.max(self.errors)
    }
}
