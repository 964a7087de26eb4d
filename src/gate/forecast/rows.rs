//! A row for each criterion, as the verdict has them.

use super::super::check::Limits;
use super::super::pool::uncompared;
use super::super::words::{duration, percent, thousands};
use super::super::{GateSettings, Quantiles, errors, latency, quantiles};
use super::{Criterion, CriterionForecast, ExpectedRates, ExpectedRoute, Mirrored, Plan, TAIL, divergence, seconds};
use crate::stats::Unseen;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

impl Plan<'_> {
    pub(super) fn rows(&self) -> Vec<CriterionForecast> {
        let mut rows: Vec<CriterionForecast> = Vec::new();
        if self.rate() <= 0.0 {
            let reason = "no request would be mirrored, so nothing would be compared".to_owned();
            rows.push(CriterionForecast { required: true, ..row(Criterion::Divergence, None, reason) });
        }
        rows.extend(self.individual().map(|(name, route)| self.divergence(name, route)));
        rows.extend(self.tail());
        rows.extend(self.without_traffic());
        let coverage = self.coverage(&rows);
        rows.extend(self.errors());
        rows.extend(self.individual().flat_map(|(name, route)| self.latency(name, route)));
        rows.extend([coverage, self.unseen(), self.unjudged(), self.minimum()]);
        if !rows.iter().any(|row| row.required) {
            let reason = "gate.criteria names none, so nothing is ever decided".to_owned();
            rows.push(CriterionForecast { required: true, ..row(Criterion::Minimum, None, reason) });
        }
        rows
    }

    pub(super) fn tail_limits(&self) -> Limits {
        let settings = &self.policy.default;
        Limits { limit: settings.tail_tolerance, ..divergence::limits(settings, false, self.weights.pooled()) }
    }

    fn individual(&self) -> impl Iterator<Item = (&Arc<str>, &ExpectedRoute)> {
        self.pool.individual.iter().filter_map(|name| Some((name, self.traffic.get(name)?)))
    }

    fn divergence(&self, name: &Arc<str>, route: &ExpectedRoute) -> CriterionForecast {
        let (settings, critical) = self.policy.for_route(name);
        let limits = divergence::limits(settings, critical, self.weights.route(name));
        let row = divergent(name.clone(), &route.rates, route.compared(), &limits, settings);
        CriterionForecast { required: settings.criteria.contains(&Criterion::Divergence), ..row }
    }

    /// The rare ones together. The verdict does not wait for them, but coverage may.
    fn tail(&self) -> Option<CriterionForecast> {
        let routes: Vec<_> = self.pool.tail.iter().filter_map(|name| self.traffic.get(name)).collect();
        let rate: f64 = routes.iter().map(|route| route.compared()).sum();
        if routes.is_empty() {
            return None;
        }
        let mean = |of: fn(&ExpectedRates) -> f64| {
            routes.iter().map(|route| of(&route.rates) * route.compared()).sum::<f64>() / rate
        };
        let rates = ExpectedRates {
            divergence: mean(ExpectedRates::diverging),
            noise: mean(|r| r.noise),
            control: mean(|r| r.control),
            ..ExpectedRates::default()
        };
        Some(divergent(TAIL.into(), &rates, rate, &self.tail_limits(), &self.policy.default))
    }

    /// Critical routes that nothing would be compared of.
    fn without_traffic(&self) -> Vec<CriterionForecast> {
        let routes = self.traffic.iter().map(|(name, route)| (name, route.compared()));
        let describe = uncompared(self.policy, routes).into_iter().map(|(name, route)| {
            let limits = divergence::limits(&route.settings, true, 1.0);
            let why = match self.traffic.get(&name) {
                None => "no traffic is known of it",
                Some(ExpectedRoute { mirrored: Mirrored::Method, .. }) => "its method is not mirrored",
                Some(_) => "nothing of it would be compared",
            };
            let needed = divergence::expected(&ExpectedRates::default(), &limits, &route.settings);
            let told = needed.map(thousands).unwrap_or_default();
            CriterionForecast {
                required: route.settings.criteria.contains(&Criterion::Divergence),
                limit: Some(limits.limit),
                needed,
                ..row(Criterion::Divergence, Some(name), format!("{told} comparisons, and {why}"))
            }
        });
        describe.collect()
    }

    /// All routes together, and those with settings of their own.
    fn errors(&self) -> Vec<CriterionForecast> {
        let default = &self.policy.default;
        let rate = self.rate();
        let one = |route: Option<Arc<str>>, rate: f64, expected: f64, settings: &GateSettings| {
            let needed = errors::expected(expected, settings);
            let reason = match needed {
                Some(needed) => format!("{} comparisons", thousands(needed)),
                None => never(expected, settings.errors, "fail on the candidate only"),
            };
            CriterionForecast {
                required: settings.criteria.contains(&Criterion::Errors),
                limit: Some(settings.errors),
                needed,
                seconds: needed.and_then(|n| seconds(n, rate)),
                ..row(Criterion::Errors, route, reason)
            }
        };
        let mut rows = Vec::new();
        let compared = || self.traffic.iter().filter(|(_, route)| route.compared() > 0.0);
        if rate > 0.0 {
            let failing: f64 = compared().map(|(_, route)| route.rates.errors * route.compared()).sum();
            rows.push(one(None, rate, failing / rate, default));
        }
        for (name, route) in compared() {
            let own = self.policy.for_route(name).0;
            if own.judges_errors_unlike(default) {
                rows.push(one(Some(name.clone()), route.compared(), route.rates.errors, own));
            }
        }
        rows
    }

    fn latency(&self, name: &Arc<str>, route: &ExpectedRoute) -> Vec<CriterionForecast> {
        let settings = self.policy.for_route(name).0;
        let (blocks, time) = latency::expected(route.compared(), settings);
        let required = settings.criteria.contains(&Criterion::Latency);
        let reason = format!("{} blocks of {} after the warm-up", thousands(blocks), duration(settings.latency.block));
        let mut rows = vec![CriterionForecast {
            required,
            limit: Some(settings.latency.ratio),
            needed: Some(blocks),
            seconds: Some(time.ceil() as u64),
            ..row(Criterion::Latency, Some(name.clone()), reason)
        }];
        if settings.latency.quantiles == Quantiles::Gate {
            let pairs = quantiles::expected(settings);
            let warm = settings.warm_up.as_secs_f64().max(settings.warm_up_pairs as f64 / route.compared());
            let time = warm + pairs as f64 / route.compared().min(1.0);
            rows.push(CriterionForecast {
                required,
                limit: Some(settings.latency.p99_ratio),
                seconds: Some(time.ceil() as u64),
                ..row(
                    Criterion::Latency,
                    Some(name.clone()),
                    format!("{} pairs a second apart at the least, for p99", thousands(pairs)),
                )
            });
        }
        rows
    }

    pub(super) fn coverage(&self, divergence: &[CriterionForecast]) -> CriterionForecast {
        let limit = self.policy.default.coverage;
        let passes_at: BTreeMap<&str, Option<u64>> =
            divergence.iter().filter_map(|row| Some((row.route.as_deref()?, row.seconds))).collect();
        let all: f64 = self.traffic.values().map(|route| route.requests).sum();
        let mut known: Vec<(u64, f64)> = Vec::new();
        let mut missing: Option<(f64, &Arc<str>)> = None;
        for (name, route) in self.traffic {
            let by = if self.pool.tail.contains(name) { TAIL } else { name };
            match passes_at.get(by).copied().flatten() {
                Some(seconds) => known.push((seconds, route.requests / all)),
                None if missing.is_none_or(|(most, _)| route.requests > most) => missing = Some((route.requests, name)),
                None => {}
            }
        }
        known.sort_by_key(|(seconds, _)| *seconds);
        let mut covered = 0.0;
        let enough = known.iter().find(|(_, share)| {
            covered += share;
            // Shares are sums of fractions; a rounding error is not to hold up anything.
            covered >= limit - 1e-9
        });
        let reason = match (enough, missing) {
            (None, Some((_, name))) => format!(
                "{} of all requests would be on routes that pass, {} must be; most of the rest are {name}",
                percent(covered),
                percent(limit)
            ),
            _ => format!("{} of all requests on routes that pass", percent(limit)),
        };
        CriterionForecast {
            required: self.decides(Criterion::Coverage),
            limit: Some(limit),
            seconds: enough.map(|(seconds, _)| *seconds),
            ..row(Criterion::Coverage, None, reason)
        }
    }

    fn unseen(&self) -> CriterionForecast {
        let settings = &self.policy.default;
        let needed = Unseen::default().quiet_to_pass(settings.unseen, settings.alpha_pass, settings.design_effect);
        let reason = match needed {
            Some(needed) => format!("{} comparisons without a divergence never seen before", thousands(needed)),
            None => format!("no number of comparisons is enough for the limit {}", percent(settings.unseen)),
        };
        CriterionForecast {
            required: self.decides(Criterion::Unseen),
            limit: Some(settings.unseen),
            needed,
            seconds: needed.and_then(|n| seconds(n, self.rate())),
            ..row(Criterion::Unseen, None, reason)
        }
    }

    fn unjudged(&self) -> CriterionForecast {
        let limit = self.policy.default.max_unjudged;
        // Of what was to be mirrored: what is compared is the rest of it.
        let tried = |route: &ExpectedRoute| route.compared() / (1.0 - route.rates.unjudged.min(0.999_999));
        let all: f64 = self.traffic.values().map(tried).sum();
        let lost: f64 = self.traffic.values().map(|route| tried(route) - route.compared()).sum();
        let share = if all > 0.0 { lost / all } else { 0.0 };
        let reason = match share > limit {
            true => format!("{} are not judged, at most {} may be", percent(share), percent(limit)),
            false => format!("at most {} of the mirrored exchanges may be shed or lost", percent(limit)),
        };
        CriterionForecast {
            required: self.decides(Criterion::Unjudged),
            limit: Some(limit),
            seconds: (share <= limit).then_some(0),
            ..row(Criterion::Unjudged, None, reason)
        }
    }

    fn minimum(&self) -> CriterionForecast {
        let routes = self.policy.routes.iter().map(|r| &r.settings);
        let all = std::iter::once(&self.policy.default).chain(routes);
        let asked = all.filter(|s| s.criteria.contains(&Criterion::Minimum)).map(|s| s.min_duration).max();
        let min = asked.unwrap_or(self.policy.default.min_duration);
        CriterionForecast {
            required: asked.is_some(),
            limit: Some(min.as_secs_f64()),
            seconds: Some(min.as_secs_f64().ceil() as u64),
            ..row(Criterion::Minimum, None, format!("evidence has to span {}", duration(min)))
        }
    }

    fn decides(&self, criterion: Criterion) -> bool {
        self.policy.default.criteria.contains(&criterion)
    }
}

fn divergent(
    route: Arc<str>,
    rates: &ExpectedRates,
    rate: f64,
    limits: &Limits,
    settings: &GateSettings,
) -> CriterionForecast {
    let needed = divergence::expected(rates, limits, settings);
    let reason = match needed {
        Some(needed) => format!("{} comparisons", thousands(needed)),
        None if rates.control > 0.0 && rates.noise >= settings.noise_cap => {
            format!(
                "too noisy to judge: the control differs in {}, noise_cap is {}",
                percent(rates.noise),
                percent(settings.noise_cap)
            )
        }
        None => {
            // Where the control is not asked nothing tells noise from divergence.
            let unexplained = if rates.control < 1.0 { rates.noise } else { 0.0 };
            never(rates.diverging() + unexplained, limits.limit, "diverge")
        }
    };
    CriterionForecast {
        limit: Some(limits.limit),
        needed,
        seconds: needed.and_then(|n| seconds(n, rate)),
        ..row(Criterion::Divergence, Some(route), reason)
    }
}

fn never(rate: f64, limit: f64, what: &str) -> String {
    format!("{} are expected to {what}, which does not get below the limit {}", percent(rate), percent(limit))
}

fn row(criterion: Criterion, route: Option<Arc<str>>, reason: String) -> CriterionForecast {
    CriterionForecast { criterion, required: false, route, limit: None, needed: None, seconds: None, reason }
}

/// In words.
pub(super) fn time(seconds: u64) -> String {
    duration(Duration::from_secs(seconds))
}
