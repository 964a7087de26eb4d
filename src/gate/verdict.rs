//! What the gate says: the JSON of `/api/v1/gate`, as types.

use super::Criterion;
use crate::evidence::EpochInfo;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Pass,
    Fail,
    Inconclusive,
}

impl Verdict {
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Inconclusive => "inconclusive",
        }
    }

    /// The verdict over several: fail if any fails, else inconclusive if any is, else pass. Of nothing: inconclusive.
    pub fn all(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
        let mut result = None;
        for verdict in verdicts {
            result = Some(match (result, verdict) {
                (Some(Verdict::Fail), _) | (_, Verdict::Fail) => Verdict::Fail,
                (Some(Verdict::Inconclusive), _) | (_, Verdict::Inconclusive) => Verdict::Inconclusive,
                _ => Verdict::Pass,
            });
        }
        result.unwrap_or(Verdict::Inconclusive)
    }
}

/// One criterion, for one route or (`route` is `None`) for all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CriterionResult {
    pub criterion: Criterion,
    pub required: bool,
    pub route: Option<Arc<str>>,
    /// `p95` or `p99`, of a row that is beside the criterion's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<Arc<str>>,
    pub verdict: Verdict,
    pub observed: Option<f64>,
    pub lower: Option<f64>,
    pub upper: Option<f64>,
    pub limit: Option<f64>,
    pub samples: u64,
    /// Samples needed in all before it can pass at the present rate; `None` when it is hopeless or unknown.
    pub samples_needed: Option<u64>,
    /// Seconds until decided, at the present rate of traffic.
    #[serde(default)]
    pub eta_seconds: Option<u64>,
    /// One sentence a person understands.
    pub reason: String,
}

impl CriterionResult {
    /// The criterion, and what of it is measured where it has several rows: `latency p95`.
    pub fn name(&self) -> String {
        let measure = self.measure.as_deref();
        [Some(self.criterion.as_str()), measure].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// Its name, route and reason in one line.
    pub fn sentence(&self) -> String {
        match &self.route {
            Some(route) => format!("{} {route}: {}", self.name(), self.reason),
            None => format!("{}: {}", self.name(), self.reason),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    pub schema: u32,
    pub verdict: Verdict,
    pub epoch: EpochInfo,
    pub criteria: Vec<CriterionResult>,
    pub eta_seconds: Option<u64>,
    /// The tolerated probability of ever passing a candidate beyond the limits, the largest of any route.
    #[serde(default)]
    pub alpha_pass: Option<f64>,
    pub notices: Vec<crate::model::Notice>,
}
