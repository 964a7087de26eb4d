//! Which routes are judged one by one, and which are too rare for that.

use super::Policy;
use crate::evidence::Evidence;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the pooled rare routes are called where a route is named.
pub const TAIL: &str = "{tail}";

/// The routes with comparisons, in two groups, the largest first.
#[derive(Debug)]
pub(super) struct Pool {
    pub individual: Vec<Arc<str>>,
    pub tail: Vec<Arc<str>>,
}

// === impl Pool ===

impl Pool {
    /// Configured routes are judged by themselves, and so are the largest others until together they hold the share
    /// `coverage` of all comparisons. Chosen by size, never by what was found.
    pub(super) fn new(policy: &Policy, evidence: &Evidence) -> Self {
        let mut order: Vec<_> = evidence.routes.iter().filter(|(_, r)| r.counts.compared > 0).collect();
        order.sort_by_key(|(name, route)| (std::cmp::Reverse(route.counts.compared), (*name).clone()));
        let configured = |name: &str| policy.routes.iter().any(|r| policy.is(r, name));
        let total: u64 = order.iter().map(|(_, route)| route.counts.compared).sum();
        let wanted = policy.default.coverage * total as f64;
        let first: BTreeSet<Arc<str>> =
            order.iter().filter(|(name, _)| configured(name)).map(|(name, _)| (*name).clone()).collect();
        let mut covered: u64 =
            order.iter().filter(|(name, _)| first.contains(*name)).map(|(_, route)| route.counts.compared).sum();
        let mut pool = Pool { individual: Vec::new(), tail: Vec::new() };
        for (name, route) in order {
            if first.contains(name) {
                pool.individual.push(name.clone());
            } else if (covered as f64) < wanted {
                covered += route.counts.compared;
                pool.individual.push(name.clone());
            } else {
                pool.tail.push(name.clone());
            }
        }
        pool
    }
}
