//! One epoch: its evidence, and which comparisons belong to it.

use super::dirt::Dirt;
use super::{Counts, EpochInfo, Evidence};
use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An older epoch as history tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PastEpoch {
    pub number: u64,
    pub info: EpochInfo,
    pub ended_at: Timestamp,
    /// Whole exchanges only.
    pub totals: Counts,
}

/// One epoch and what is known about it beside its evidence.
#[derive(Debug, Clone)]
pub struct Epoch {
    pub number: u64,
    pub evidence: Evidence,
    /// When it was superseded.
    pub ended_at: Option<Timestamp>,
    /// Comparisons of earlier generations do not belong here.
    pub(super) generation: u64,
    /// The same for routes that were restarted.
    pub(super) restarted: BTreeMap<Arc<str>, u64>,
    /// What was in flight when it began does not belong here either.
    pub(super) apart: bool,
    pub(super) dirt: Dirt,
}

// === impl Epoch ===

impl Epoch {
    /// An epoch as it was kept.
    pub fn kept(number: u64, evidence: Evidence, ended_at: Option<Timestamp>) -> Self {
        let (restarted, dirt) = (BTreeMap::new(), Dirt::default());
        Self { number, evidence, ended_at, generation: 0, restarted, apart: false, dirt }
    }

    pub fn dirt(&self) -> &Dirt {
        &self.dirt
    }

    pub(super) fn touch(&mut self, route: &Arc<str>) {
        self.dirt.touch(route);
    }

    /// Its numbers changed, and its divergences or volatile places.
    pub(super) fn touch_tables(&mut self, route: &Arc<str>) {
        self.dirt.touch_tables(route);
    }

    pub(super) fn build(&self) -> Option<&Arc<str>> {
        self.evidence.epoch.candidate_build.as_ref()
    }

    pub(super) fn least_generation(&self, route: &str) -> u64 {
        self.restarted.get(route).copied().unwrap_or(0).max(self.generation)
    }
}
