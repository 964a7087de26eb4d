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
        let mut order: Vec<_> = evidence.routes.iter().map(|(name, route)| (route.number, route.since, name)).collect();
        order.sort();
        Self::of(policy, order.into_iter().map(|(number, _, name)| (name, number)))
    }

    /// Half for the configured routes, evenly; half for those that turn up, the j-th of them `6 / (pi j)^2` of it.
    /// One configured route may turn up under several methods and operations, and shares its part in the same way.
    ///
    /// Each comes with its number among all, 0 where only the order is known. Numbers of routes that are gone into others
    /// stay free, so that nobody moves up: a share is the same for the whole epoch.
    pub(super) fn of<'a>(policy: &Policy, order: impl Iterator<Item = (&'a Arc<str>, u64)>) -> Self {
        let (configured, late) = match policy.routes.len() {
            0 => (0.0, 1.0),
            n => (0.5 / n as f64, 0.5),
        };
        let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
        let (mut among_configured, mut last) = (0, 0);
        let routes = order.map(|(name, number)| {
            let (share, j) = match policy.configured(name) {
                // Never read under another name, so that they are counted as they come.
                Some(route) => {
                    among_configured += 1;
                    let j = seen.entry(&route.name).or_insert(0);
                    *j += 1;
                    (configured, *j)
                }
                None => {
                    last = number.saturating_sub(among_configured).max(last + 1);
                    (late, last)
                }
            };
            (name.clone(), (1.0 - POOLED) * share * late_weight(j))
        });
        let routes = routes.collect();
        let may_fail = [Criterion::Divergence, Criterion::Errors, Criterion::Latency];
        let named = |c: &&Criterion| {
            let settings = std::iter::once(&policy.default).chain(policy.routes.iter().map(|r| &r.settings));
            settings.into_iter().any(|s| s.criteria.contains(c))
        };
        Self { routes, criteria: may_fail.iter().filter(named).count().max(1) as f64 }
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

#[cfg(test)]
mod tests {
    use super::super::tests::{configured, evidence, policy, route_mut, started};
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    proptest! {
        #[test]
        fn nobody_moves_up_whatever_becomes_of_others(
            kinds in proptest::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 1..30),
        ) {
            let mut policy = policy(&Criterion::ALL);
            configured(&mut policy, "own", false);
            let name = |i: usize, own: bool| if own { format!("GET own Op{i}") } else { format!("GET /r{i}") };
            let names: Vec<_> = kinds.iter().enumerate().map(|(i, (own, ..))| name(i, *own)).collect();
            let counts: Vec<_> = names.iter().map(|name| (&**name, 1, 0)).collect();
            let mut seen = evidence(&counts);
            for (i, name) in names.iter().enumerate() {
                let route = route_mut(&mut seen, name);
                (route.number, route.since) = (i as u64 + 1, started() + Duration::from_secs(i as u64));
            }
            let before = Weights::new(&policy, &seen);
            prop_assert!(before.routes.values().sum::<f64>() <= 1.0 - POOLED);
            // Some begin afresh, some are read under one name.
            for (name, (own, afresh, merged)) in names.iter().zip(&kinds) {
                let route = route_mut(&mut seen, name);
                if *afresh {
                    route.since = started() + Duration::from_secs(1_000);
                }
                if *merged && !own {
                    let route = seen.routes.remove(&**name).unwrap();
                    match seen.routes.get_mut("GET /{id}") {
                        Some(one) => Arc::make_mut(one).merge(&route, 0),
                        None => drop(seen.routes.insert("GET /{id}".into(), route)),
                    }
                }
            }
            let after = Weights::new(&policy, &seen);
            for (name, weight) in after.routes.iter().filter(|(name, _)| before.routes.contains_key(*name)) {
                prop_assert_eq!(before.routes.get(name), Some(weight), "{}", name);
            }
            prop_assert!(after.routes.values().sum::<f64>() <= before.routes.values().sum::<f64>() + 1e-12);
        }
    }
}
