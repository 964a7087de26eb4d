//! How often each route of the newest epoch is compared at present: an average that forgets, for foretelling how long it
//! takes until something is decided. It is neither kept nor part of the evidence.

use crate::evidence::Epoch;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Comparisons a second, by route.
pub type PerSecond = BTreeMap<Arc<str>, f64>;

/// The least time between two looks,
const EVERY: Duration = Duration::from_secs(1);
/// for each so many routes: all of them are looked at. Far less than what rates are remembered over, up to thousands.
const AT_ONCE: usize = 256;
/// What came so many seconds ago has lost most of its weight,
const OVER: f64 = 60.0;
/// or longer on a quiet route, until so many are expected.
const EXPECTED: f64 = 20.0;
/// With less than this expected over that time, traffic has ceased.
const CEASED: f64 = 0.1;

#[derive(Debug, Default)]
pub(super) struct Rates {
    epoch: u64,
    looked: Option<Duration>,
    routes: BTreeMap<Arc<str>, Route>,
    present: Arc<PerSecond>,
}

#[derive(Debug)]
struct Route {
    /// When it was first looked for, by the steady clock, and what was compared since.
    began: Duration,
    counted: u64,
    /// At the last look.
    compared: u64,
    rate: f64,
}

// === impl Rates ===

impl Rates {
    /// Looks at what has been compared by now, where it is time to; whether it did.
    pub(super) fn look(&mut self, newest: &Epoch, now: Duration) -> bool {
        let Some(before) = self.looked else {
            // When that came which had been counted before is not known.
            let counts = newest.evidence.routes.iter().map(|(name, route)| (name, route.counts.compared));
            self.routes = counts.map(|(name, compared)| (name.clone(), Route::new(now, compared))).collect();
            (self.looked, self.epoch) = (Some(now), newest.number);
            return false;
        };
        let passed = now.saturating_sub(before);
        let turns = match self.epoch == newest.number {
            true => self.routes.len().div_ceil(AT_ONCE).clamp(1, OVER as usize / 4),
            false => 1,
        };
        if passed < EVERY * turns as u32 {
            return false;
        }
        self.looked = Some(now);
        if self.epoch != newest.number {
            self.epoch = newest.number;
            self.routes.clear();
        }
        let routes = &newest.evidence.routes;
        for (name, route) in routes {
            let known = self.routes.entry(name.clone()).or_insert_with(|| Route::new(before, 0));
            known.add(route.counts.compared, before, now);
        }
        // All of them are known now: whatever is beyond them is gone.
        if self.routes.len() > routes.len() {
            self.routes.retain(|name, _| routes.contains_key(name));
        }
        self.present = Arc::new(self.routes.iter().map(|(name, route)| (name.clone(), route.rate)).collect());
        true
    }

    pub(super) fn present(&self) -> &Arc<PerSecond> {
        &self.present
    }
}

// === impl Route ===

impl Route {
    fn new(began: Duration, compared: u64) -> Self {
        Self { began, counted: 0, compared, rate: 0.0 }
    }

    fn add(&mut self, compared: u64, before: Duration, now: Duration) {
        if compared < self.compared {
            // Its evidence began afresh.
            *self = Self::new(before, 0);
        }
        let new = compared - self.compared;
        self.compared = compared;
        self.counted += new;
        let (age, passed) = (now.saturating_sub(self.began).as_secs_f64(), now.saturating_sub(before).as_secs_f64());
        let average = self.counted as f64 / age;
        let over = if average > 0.0 { OVER.max(EXPECTED / average) } else { OVER };
        // All of it counts alike until there is more than is remembered.
        let weight = (1.0 - (-passed / over).exp()).max(passed / age).min(1.0);
        self.rate += weight * (new as f64 / passed - self.rate);
        if self.rate * over < CEASED {
            self.rate = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::testing::at;
    use crate::evidence::{EpochInfo, EpochReason, Evidence, RouteEvidence};

    fn epoch(number: u64, compared: u64) -> Epoch {
        let mut evidence = Evidence::new(EpochInfo {
            id: number.to_string(),
            candidate_build: None,
            rules: String::new(),
            started_at: at(0),
            reason: EpochReason::Start,
            ..Default::default()
        });
        let mut route = RouteEvidence::new(at(0), String::new(), Default::default());
        route.counts.compared = compared;
        evidence.routes.insert("GET /a".into(), Arc::new(route));
        Epoch::kept(number, evidence, None)
    }

    /// Looks every second, with `each` more comparisons a second; the rate in the end.
    fn run(rates: &mut Rates, from: (u64, u64), seconds: u64, each: u64) -> f64 {
        for second in 1..=seconds {
            assert!(rates.look(&epoch(1, from.1 + second * each), Duration::from_secs(from.0 + second)));
        }
        rates.present()["GET /a"]
    }

    #[test]
    fn it_follows_traffic_and_ceases_with_it() {
        let mut rates = Rates::default();
        // What was there when the process began says nothing of now.
        assert!(!rates.look(&epoch(1, 1_000_000), Duration::ZERO));
        assert!(rates.present().is_empty());
        let near = |rate: f64, to: f64| assert!((rate / to - 1.0).abs() < 0.02, "{rate} for {to}");
        near(run(&mut rates, (0, 1_000_000), 3, 100), 100.0);
        near(run(&mut rates, (3, 1_000_300), 600, 100), 100.0);
        near(run(&mut rates, (603, 1_060_300), 600, 10), 10.0);
        assert!(!rates.look(&epoch(1, 1_066_300), Duration::from_millis(1_203_500)), "not yet");
        assert!(run(&mut rates, (1_203, 1_066_300), 60, 0) > 1.0);
        assert_eq!(run(&mut rates, (1_263, 1_066_300), 900, 0), 0.0);
    }

    #[test]
    fn a_quiet_route_is_not_one_without_traffic() {
        let mut rates = Rates::default();
        rates.look(&epoch(1, 0), Duration::ZERO);
        // One in ten minutes.
        for second in 1..=14_400 {
            rates.look(&epoch(1, second / 600), Duration::from_secs(second));
        }
        let rate = rates.present()["GET /a"];
        assert!((0.5..2.0).contains(&(rate * 600.0)), "{rate}");
    }

    #[test]
    fn many_routes_are_looked_at_more_rarely() {
        for (routes, seconds) in [(1, 1), (256, 1), (257, 2), (2_000, 8), (100_000, 15)] {
            let mut epoch = epoch(1, 0);
            let each = (0..routes).map(|n| (format!("GET /{n}").into(), epoch.evidence.routes["GET /a"].clone()));
            epoch.evidence.routes = each.collect();
            let mut rates = Rates::default();
            rates.look(&epoch, Duration::ZERO);
            let looks = (1..=60).filter(|second| rates.look(&epoch, Duration::from_secs(*second))).count();
            assert_eq!(looks, 60 / seconds, "{routes} routes");
            epoch.number += 1;
            assert!(rates.look(&epoch, Duration::from_secs(61)), "another epoch is not waited with");
        }
    }

    #[test]
    fn other_evidence_begins_afresh() {
        let mut rates = Rates::default();
        rates.look(&epoch(1, 0), Duration::ZERO);
        run(&mut rates, (0, 0), 100, 50);
        // Of the route, under other rules; and of all, in another epoch.
        rates.look(&epoch(1, 7), Duration::from_secs(101));
        assert_eq!(rates.present()["GET /a"], 7.0);
        rates.look(&epoch(2, 9), Duration::from_secs(102));
        assert_eq!(rates.present()["GET /a"], 9.0);
    }
}
