//! What the ledger is handed: one mirrored exchange, settled.

use super::Exhibit;
use crate::diff::Findings;
use crate::model::{Incomparable, LegRecord, PerLeg, Timestamp};
use std::sync::Arc;

/// What became of one mirrored exchange.
#[derive(Debug, Clone)]
pub struct Settled {
    /// Exchange id as people see it.
    pub id: Arc<str>,
    /// The final route name (an operation read from the body may have been appended since arrival).
    pub route: Arc<str>,
    /// Generation of the rules it was compared under; [`Settled::NO_RULES`] where it was not.
    pub generation: u64,
    /// The candidate's build as its answer named it.
    pub build: Option<Arc<str>>,
    pub arrived: Timestamp,
    /// What each leg did; `None` for a leg that was not asked.
    pub legs: PerLeg<Option<LegRecord>>,
    pub result: Settlement,
}

impl Settled {
    /// In place of a generation: it was compared under none, and counts whatever the rules are.
    pub const NO_RULES: u64 = u64::MAX;
}

/// A divergent exchange as it was counted: where what asking again shows is to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diverged {
    pub epoch: u64,
    pub route: Arc<str>,
    /// When the route's evidence began: once it begins afresh the exchange is no part of it any more.
    pub since: Timestamp,
    /// Fingerprints of what counted.
    pub rows: Vec<Arc<str>>,
}

#[derive(Debug, Clone)]
pub enum Settlement {
    Incomparable(Incomparable),
    Compared(Compared),
}

/// A pair after the comparison, still without regard to noise, which depends on the order of arrival.
#[derive(Debug, Clone, Default)]
pub struct Compared {
    /// Candidate against primary.
    pub candidate: Findings,
    /// Control against primary, where a control was asked and both answered.
    pub control: Option<Findings>,
    /// Kept when something differs: the redacted exchange, for showing.
    pub example: Option<Arc<Exhibit>>,
}

impl Compared {
    /// Whether anything was found, at either leg.
    pub(super) fn found(&self) -> bool {
        !self.candidate.list.is_empty() || self.control.as_ref().is_some_and(|control| !control.list.is_empty())
    }
}
