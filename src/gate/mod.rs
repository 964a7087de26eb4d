//! Evidence and criteria in, a verdict with its reasons out. Pure.
//!
//! [`judge`] is the one decision function: dashboard, API, file and command line all ask it, so they agree. Each
//! criterion has a file; what it decides is a [`CriterionResult`], and the verdict is [`Verdict::all`] of the
//! required ones. It asks no clock and no store: what it has to know of the world comes in as [`Facts`].
//!
//! [`forecast`] asks the same criteria before there is any evidence, of what is expected.

mod check;
mod coverage;
mod divergence;
mod errors;
mod forecast;
mod history;
mod judge;
mod latency;
mod legs;
mod minimum;
mod names;
mod pool;
mod quantiles;
mod settings;
mod silence;
mod unjudged;
mod unseen;
mod verdict;
mod weights;
mod words;

pub use divergence::{bounds, route_bounds};
pub use forecast::{
    Change, CriterionForecast, ExpectedRates, ExpectedRoute, FailForecast, Forecast, Judged, Mirrored, Remedy,
    RouteForecast, Traffic, forecast,
};
pub use history::{Histories, History, MAX_POINTS, MAX_ROUTE_ROWS, Point, Row};
pub use judge::{Facts, judge};
pub use pool::TAIL;
pub use settings::{Criterion, GateSettings, LatencySettings, Policy, Quantiles, RoutePolicies, RoutePolicy};
pub use silence::{because, nothing_arrived, standstill, unmirrored};
pub use verdict::{CriterionResult, Judgement, Verdict};
pub use words::{duration, thousands};

#[cfg(test)]
mod tests;
