//! Which routes are judged one by one, and which are too rare for that.

use super::{Policy, RoutePolicy};
use crate::evidence::Evidence;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// What the pooled rare routes are called where a route is named.
pub const TAIL: &str = "{tail}";

/// The routes with comparisons, in two groups, the largest first.
#[derive(Debug)]
pub(super) struct Pool {
    pub individual: Vec<Arc<str>>,
    pub tail: Vec<Arc<str>>,
}

/// Critical routes of which nothing is compared, of `routes` with their comparisons: by its full name each that requests
/// come on, a method or an operation of its own; by the name that is configured those that none come on.
pub(super) fn uncompared<'a>(
    policy: &'a Policy,
    routes: impl Iterator<Item = (&'a Arc<str>, f64)>,
) -> Vec<(Arc<str>, &'a RoutePolicy)> {
    // Nobody can name the methods that nobody has registered.
    let critical = routes.filter(|(name, _)| !name.starts_with("{other} "));
    let critical = critical.filter_map(|(name, n)| Some((name, (n, policy.configured(name).filter(|r| r.critical)?))));
    let known: BTreeMap<&Arc<str>, (f64, &RoutePolicy)> = critical.collect();
    // Where only the bodies that are read name operations, what is compared has one.
    let named = |name: &str| {
        let is_one = |other: &str| other.strip_prefix(name).is_some_and(|rest| rest.starts_with(' '));
        policy.lacks_operation(name) && known.iter().any(|(other, (n, _))| *n > 0.0 && is_one(other))
    };
    let silent = known.iter().filter(|(name, (n, _))| *n <= 0.0 && !named(name));
    let mut found: Vec<_> = silent.map(|(name, (_, route))| ((*name).clone(), *route)).collect();
    let come: HashSet<&str> = known.values().map(|(_, route)| route.name.as_str()).collect();
    let missing = policy.routes.iter().filter(|route| route.critical && !come.contains(&*route.name));
    found.extend(missing.map(|route| (route.name.as_str().into(), route)));
    found
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
