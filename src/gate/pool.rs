//! Which routes are judged one by one, and which are too rare for that.

use super::Policy;
use crate::evidence::Evidence;
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
    /// Of what was compared.
    pub(super) fn new(policy: &Policy, evidence: &Evidence) -> Self {
        Self::of(policy, evidence.routes.iter().map(|(name, route)| (name, route.counts.compared as f64)))
    }

    /// Of routes with their comparisons, counted or expected: configured ones are judged by themselves, and so are
    /// the largest others until together they hold the share `coverage` of all comparisons. Chosen by size, never by
    /// what was found.
    pub(super) fn of<'a>(policy: &Policy, routes: impl Iterator<Item = (&'a Arc<str>, f64)>) -> Self {
        let mut order: Vec<_> = routes.filter(|(_, compared)| *compared > 0.0).collect();
        order.sort_by(|(a, more), (b, less)| less.total_cmp(more).then_with(|| a.cmp(b)));
        let configured = |name: &str| policy.configured(name).is_some();
        let sum = |of: &dyn Fn(&str) -> bool| order.iter().filter(|(name, _)| of(name)).map(|(_, n)| n).sum::<f64>();
        let wanted = policy.default.coverage * sum(&|_| true);
        let mut covered = sum(&configured);
        let mut pool = Pool { individual: Vec::new(), tail: Vec::new() };
        for (name, compared) in order {
            if configured(name) {
                pool.individual.push(name.clone());
            } else if covered < wanted {
                covered += compared;
                pool.individual.push(name.clone());
            } else {
                pool.tail.push(name.clone());
            }
        }
        pool
    }
}
