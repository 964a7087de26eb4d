//! How the tolerated probability of a false FAIL is shared out over all that may fail. Shares depend on what is
//! configured and on the order in which routes were first seen, never on what was found there.

use super::{Criterion, Policy};
use crate::evidence::Evidence;
use crate::stats::late_weight;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the pooled rare routes get of a criterion's share.
const POOLED: f64 = 0.05;

/// Shares of `alpha_fail`; all of them together are at most 1.
#[derive(Debug)]
pub(super) struct Weights {
    routes: BTreeMap<Arc<str>, f64>,
    /// How many criteria may fail: each gets an equal part.
    criteria: f64,
}

// === impl Weights ===

impl Weights {
    /// By the order in which the routes of the evidence were first seen.
    pub(super) fn new(policy: &Policy, evidence: &Evidence) -> Self {
        let mut order: Vec<_> = evidence.routes.iter().map(|(name, route)| (route.since, name)).collect();
        order.sort();
        Self::of(policy, order.into_iter().map(|(_, name)| name))
    }

    /// Half for the configured routes, evenly; half for those that turn up, the j-th of them `6 / (pi j)^2` of it.
    /// One configured route may turn up under several methods and operations, and shares its part in the same way.
    pub(super) fn of<'a>(policy: &Policy, order: impl Iterator<Item = &'a Arc<str>>) -> Self {
        let (configured, late) = match policy.routes.len() {
            0 => (0.0, 1.0),
            n => (0.5 / n as f64, 0.5),
        };
        let mut seen: BTreeMap<Option<&str>, u64> = BTreeMap::new();
        let routes = order.map(|name| {
            let route = policy.configured(name).map(|r| r.name.as_str());
            let j = seen.entry(route).or_insert(0);
            *j += 1;
            let share = if route.is_some() { configured } else { late };
            (name.clone(), (1.0 - POOLED) * share * late_weight(*j))
        });
        let may_fail = [Criterion::Divergence, Criterion::Errors, Criterion::Latency];
        let named = |c: &&Criterion| {
            let settings = std::iter::once(&policy.default).chain(policy.routes.iter().map(|r| &r.settings));
            settings.into_iter().any(|s| s.criteria.contains(c))
        };
        Self { routes: routes.collect(), criteria: may_fail.iter().filter(named).count().max(1) as f64 }
    }

    /// The share of one criterion on one route.
    pub(super) fn route(&self, name: &str) -> f64 {
        self.routes.get(name).copied().unwrap_or(0.0) / self.criteria
    }

    /// The share of one criterion on what is pooled.
    pub(super) fn pooled(&self) -> f64 {
        POOLED / self.criteria
    }
}
