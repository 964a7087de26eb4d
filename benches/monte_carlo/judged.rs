//! The gate itself, on evidence of one route whose counts are set.

use parallax::evidence::{Book, Cells, Evidence, LatencyTerms, RouteEvidence, Rules};
use parallax::gate::{self, Criterion, Facts, GateSettings, Policy, Verdict};
use parallax::model::Timestamp;
use std::sync::Arc;
use std::time::Duration;

pub struct Gate {
    policy: Policy,
    evidence: Evidence,
    facts: Facts<'static>,
}

pub fn start() -> Timestamp {
    Timestamp::from_micros(1_767_225_600_000_000)
}

/// Evidence of an epoch in which nothing has come yet.
pub fn nothing() -> Evidence {
    let rules =
        Rules { generation: 1, digest: String::new(), infos: Arc::default(), route: Arc::new(|_| String::new()) };
    Book::new(rules, 0, start()).newest().evidence.clone()
}

/// The defaults, deciding by one criterion.
pub fn settings(criterion: Criterion, alpha: f64) -> GateSettings {
    GateSettings {
        criteria: vec![criterion],
        alpha_pass: alpha,
        alpha_fail: alpha,
        min_duration: Duration::ZERO,
        ..GateSettings::default()
    }
}

impl Gate {
    pub fn new(default: GateSettings, routes: usize) -> Self {
        let mut evidence = nothing();
        for i in 0..routes {
            let route = RouteEvidence::new(start(), String::new(), LatencyTerms::default());
            evidence.routes.insert(format!("GET /{i}").into(), Arc::new(route));
        }
        let facts = Facts::at(start() + Duration::from_secs(3_600));
        Self { policy: Policy { default, routes: Default::default() }, evidence, facts }
    }

    /// So many comparisons, so many of them divergent.
    pub fn set(&mut self, route: usize, n: u64, divergent: u64) {
        let counts = &mut self.evidence.route_mut(&format!("GET /{route}")).unwrap().counts;
        (counts.requests, counts.mirrored, counts.compared) = (n, n, n);
        (counts.divergent, counts.matched) = (divergent, n - divergent);
    }

    /// The same with a control.
    pub fn set_paired(&mut self, cells: Cells) {
        self.set(0, cells.total(), cells.n10 + cells.n11);
        let route = self.evidence.route_mut("GET /0").unwrap();
        (route.paired, route.control.divergent) = (cells, cells.n10 + cells.n11);
    }

    /// So many pairs of answers, by which of them failed.
    pub fn set_errors(&mut self, cells: Cells) {
        self.set(0, cells.total(), 0);
        self.evidence.route_mut("GET /0").unwrap().errors = cells;
    }

    pub fn verdict(&self) -> Verdict {
        gate::judge(&self.policy, &self.evidence, &self.facts).verdict
    }
}
