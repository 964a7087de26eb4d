//! `[gate]`, checked. Kept in the store too, so that a gate can be asked without a configuration.

use crate::evidence::LatencyTerms;
use crate::stats::spend;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Criterion {
    Divergence,
    Errors,
    Latency,
    Coverage,
    Unseen,
    Unjudged,
    Minimum,
}

impl Criterion {
    pub const ALL: [Criterion; 7] = [
        Criterion::Divergence,
        Criterion::Errors,
        Criterion::Latency,
        Criterion::Coverage,
        Criterion::Unseen,
        Criterion::Unjudged,
        Criterion::Minimum,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Criterion::Divergence => "divergence",
            Criterion::Errors => "errors",
            Criterion::Latency => "latency",
            Criterion::Coverage => "coverage",
            Criterion::Unseen => "unseen",
            Criterion::Unjudged => "unjudged",
            Criterion::Minimum => "minimum",
        }
    }
}

/// Every key of `[gate]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateSettings {
    /// Which criteria decide; the others are still shown.
    pub criteria: Vec<Criterion>,
    pub alpha_pass: f64,
    pub alpha_fail: f64,
    pub tolerance: f64,
    pub critical_tolerance: f64,
    pub tail_tolerance: f64,
    pub errors: f64,
    pub noise_cap: f64,
    pub latency: LatencySettings,
    pub coverage: f64,
    pub unseen: f64,
    pub max_unjudged: f64,
    pub min_comparisons: u64,
    pub min_duration: Duration,
    pub max_duration: Duration,
    pub warm_up: Duration,
    pub warm_up_pairs: u64,
    pub design_effect: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatencySettings {
    pub ratio: f64,
    pub slack: Duration,
    pub block: Duration,
    pub min_blocks: u64,
    pub p95_ratio: f64,
    pub p99_ratio: f64,
    pub quantiles: Quantiles,
}

/// Whether p95 and p99 decide or are only shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quantiles {
    Report,
    Gate,
}

/// The settings for all routes, and for each that is configured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    pub default: GateSettings,
    pub routes: RoutePolicies,
}

/// Those of configured routes, by name: found at once, however many there are. Kept as a list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<RoutePolicy>", into = "Vec<RoutePolicy>")]
pub struct RoutePolicies(BTreeMap<String, RoutePolicy>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoutePolicy {
    pub name: String,
    /// Those it is limited to, as names have them; none: all. By another one a route of the same name is an automatic one.
    #[serde(default)]
    pub methods: Vec<String>,
    pub critical: bool,
    /// Its requests name an operation in their bodies, which are read of those that are mirrored only.
    #[serde(default)]
    pub named_by_body: bool,
    pub settings: GateSettings,
}

impl Default for GateSettings {
    /// The defaults of `config/parallax.toml`; a test of the config room holds the two together.
    fn default() -> Self {
        Self {
            criteria: Criterion::ALL.to_vec(),
            alpha_pass: 0.01,
            alpha_fail: 0.01,
            tolerance: 0.001,
            critical_tolerance: 0.0001,
            tail_tolerance: 0.005,
            errors: 0.001,
            noise_cap: 0.02,
            latency: LatencySettings {
                ratio: 1.10,
                slack: Duration::from_millis(2),
                block: Duration::from_secs(60),
                min_blocks: 30,
                p95_ratio: 1.20,
                p99_ratio: 1.25,
                quantiles: Quantiles::Report,
            },
            coverage: 0.99,
            unseen: 0.001,
            max_unjudged: 0.01,
            min_comparisons: 200,
            min_duration: Duration::from_secs(24 * 3600),
            max_duration: Duration::from_secs(14 * 24 * 3600),
            warm_up: Duration::from_secs(60),
            warm_up_pairs: 500,
            design_effect: 1.0,
        }
    }
}

impl GateSettings {
    /// Whether errors are judged otherwise than by `other`: by these as well then.
    pub(super) fn judges_errors_unlike(&self, other: &Self) -> bool {
        let of = |s: &Self| {
            let alphas = (s.alpha_pass, s.alpha_fail);
            (s.criteria.contains(&Criterion::Errors), s.errors, alphas, s.design_effect, s.min_comparisons)
        };
        of(self) != of(other)
    }

    /// The same of how long evidence has to span.
    pub(super) fn spans_unlike(&self, other: &Self) -> bool {
        let of = |s: &Self| (s.criteria.contains(&Criterion::Minimum), s.min_duration);
        of(self) != of(other)
    }
}

impl Policy {
    /// The settings of a route by its full name (`METHOD name` or `METHOD name Operation`), and whether it is critical.
    pub fn for_route(&self, route: &str) -> (&GateSettings, bool) {
        match self.configured(route) {
            Some(r) => (&r.settings, r.critical),
            None => (&self.default, false),
        }
    }

    /// What the latency of a route is counted by.
    pub fn latency_terms(&self, route: &str) -> LatencyTerms {
        let settings = self.for_route(route).0;
        LatencyTerms {
            ratio: settings.latency.ratio,
            slack: settings.latency.slack,
            block: settings.latency.block,
            warm_up: settings.warm_up,
            warm_up_pairs: settings.warm_up_pairs,
        }
    }

    /// With the error probabilities of an epoch before which evidence of the same build was given up by hand `resets`
    /// times. The first try has what is configured; all later ones together have as much again.
    pub(super) fn after_resets(&self, resets: u64) -> Cow<'_, Policy> {
        if resets == 0 {
            return Cow::Borrowed(self);
        }
        let mut policy = self.clone();
        let all = std::iter::once(&mut policy.default).chain(policy.routes.iter_mut().map(|r| &mut r.settings));
        for settings in all {
            settings.alpha_pass = spend(settings.alpha_pass, resets);
            settings.alpha_fail = spend(settings.alpha_fail, resets);
        }
        Cow::Owned(policy)
    }

    /// Whether requests count on this route only for want of the operation that their bodies name.
    pub(super) fn lacks_operation(&self, route: &str) -> bool {
        route.split(' ').nth(2).is_none() && self.configured(route).is_some_and(|r| r.named_by_body)
    }

    /// Whether a full route name is one of a route that is configured.
    pub fn is_configured(&self, route: &str) -> bool {
        self.configured(route).is_some()
    }

    /// The configured route that a full route name is one of.
    pub(super) fn configured(&self, route: &str) -> Option<&RoutePolicy> {
        let Some((verb, rest)) = route.split_once(' ') else { return self.routes.get(route) };
        // What follows the name is an operation.
        let name = rest.split(' ').next().unwrap_or(rest);
        self.routes.get(name).filter(|r| r.methods.is_empty() || r.methods.iter().any(|method| method == verb))
    }
}

// === impl RoutePolicies ===

impl RoutePolicies {
    /// By configured name.
    pub fn get(&self, name: &str) -> Option<&RoutePolicy> {
        self.0.get(name)
    }

    /// By configured name; the name itself stays.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut RoutePolicy> {
        self.0.get_mut(name)
    }

    /// In place of the one with the same name, if there is one.
    pub fn insert(&mut self, route: RoutePolicy) {
        self.0.insert(route.name.clone(), route);
    }

    /// In the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &RoutePolicy> {
        self.0.values()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut RoutePolicy> {
        self.0.values_mut()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<RoutePolicy> for RoutePolicies {
    fn from_iter<I: IntoIterator<Item = RoutePolicy>>(routes: I) -> Self {
        Self(routes.into_iter().map(|route| (route.name.clone(), route)).collect())
    }
}

impl From<Vec<RoutePolicy>> for RoutePolicies {
    fn from(routes: Vec<RoutePolicy>) -> Self {
        routes.into_iter().collect()
    }
}

impl From<RoutePolicies> for Vec<RoutePolicy> {
    fn from(routes: RoutePolicies) -> Self {
        routes.0.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_routes_are_found_by_name_and_kept_as_a_list() {
        let default = GateSettings::default();
        let route = |name: &str, critical| RoutePolicy {
            name: name.into(),
            methods: Vec::new(),
            critical,
            named_by_body: false,
            settings: default.clone(),
        };
        let policy = Policy { routes: vec![route("orders", true), route("a", false)].into(), default: default.clone() };
        for name in ["GET orders", "POST orders GetItem", "orders"] {
            assert_eq!(policy.configured(name).map(|r| r.critical), Some(true), "{name}");
        }
        assert!(policy.configured("GET orders/x").is_none() && !policy.for_route("GET b").1);
        let kept = serde_json::to_value(&policy).unwrap();
        assert_eq!(kept["routes"][1]["name"], "orders");
        assert_eq!(serde_json::from_value::<Policy>(kept).unwrap(), policy);
    }

    #[test]
    fn what_is_set_for_some_methods_is_not_for_others() {
        let default = GateSettings::default();
        let mut policy = Policy { default: default.clone(), routes: Default::default() };
        policy.routes.insert(RoutePolicy {
            name: "/orders/{id}".into(),
            methods: vec!["POST".into(), "{other}".into()],
            critical: true,
            named_by_body: false,
            settings: default,
        });
        let configured = ["POST /orders/{id}", "POST /orders/{id} Add", "{other} /orders/{id}", "/orders/{id}"];
        assert!(configured.iter().all(|route| policy.for_route(route).1 && policy.is_configured(route)));
        let automatic = ["GET /orders/{id}", "POST {other}/orders/{id}", "POST /orders"];
        assert!(automatic.iter().all(|route| !policy.for_route(route).1 && !policy.is_configured(route)));
    }
}
