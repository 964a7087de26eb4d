//! The other legs: who is mirrored, within which budgets, and what they answered.
//!
//! Nothing outside this room ever waits for the candidate.

mod ask;
mod breaker;
mod exchange;
mod legs;
mod rate;
mod sample;
mod settings;

pub use ask::MARK;
pub use legs::Legs;
pub use settings::{MirrorSettings, SampleBy, Start};

use crate::flow::{Admission, Asked, Exchange, Judge, Mirror};
use crate::model::{Bucket, Leg, Limit};
use arc_swap::ArcSwap;
use rate::RateLimit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::time::Instant;

/// What the configuration says of mirroring, replaced as a whole when it is reloaded.
#[derive(Debug)]
pub struct Policies {
    default: Policy,
    /// In the order of the configured routes.
    routes: Vec<Policy>,
}

#[derive(Debug)]
struct Policy {
    settings: Arc<MirrorSettings>,
    rate: RateLimit,
}

// === impl Policies ===

impl Policies {
    pub fn new(default: MirrorSettings, routes: Vec<MirrorSettings>) -> Self {
        let now = Instant::now();
        let policy = |settings: MirrorSettings| Policy {
            rate: RateLimit::new(settings.max_rate, now),
            settings: Arc::new(settings),
        };
        Self { default: policy(default), routes: routes.into_iter().map(policy).collect() }
    }

    fn of(&self, configured: Option<usize>) -> &Policy {
        configured.and_then(|i| self.routes.get(i)).unwrap_or(&self.default)
    }
}

/// The mirror: decides, and runs what it took.
#[derive(Debug)]
pub struct Mirrors {
    policies: ArcSwap<Policies>,
    legs: ArcSwap<Legs>,
    judge: Arc<dyn Judge>,
    enabled: AtomicBool,
    in_flight: Arc<Limit>,
    requests: AtomicU64,
}

// === impl Mirrors ===

impl Mirrors {
    pub fn new(policies: Policies, legs: Legs, judge: Arc<dyn Judge>, enabled: bool) -> Self {
        let in_flight = Limit::new(policies.default.settings.max_in_flight);
        Self {
            policies: ArcSwap::from_pointee(policies),
            legs: ArcSwap::from_pointee(legs),
            judge,
            enabled: AtomicBool::new(enabled),
            in_flight,
            requests: AtomicU64::new(0),
        }
    }

    /// Takes over a new configuration; exchanges under way end under the old one.
    pub fn reconfigure(&self, policies: Policies, legs: Legs) {
        self.in_flight.set_max(policies.default.settings.max_in_flight);
        self.policies.store(Arc::new(policies));
        self.legs.store(Arc::new(legs));
    }

    /// The kill switch.
    pub fn set_enabled(&self, enabled: bool) {
        self.enabled.store(enabled, Ordering::Relaxed);
    }

    pub fn enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }

    /// Mirrored exchanges under way, and how many there may be.
    pub fn in_flight(&self) -> &Arc<Limit> {
        &self.in_flight
    }

    pub fn legs(&self) -> Arc<Legs> {
        self.legs.load_full()
    }
}

impl Mirror for Mirrors {
    /// | in this order, the first that holds | bucket |
    /// |---|---|
    /// | wants a tunnel | `upgrade` |
    /// | carries our own mark | `loop` |
    /// | the kill switch is off | `disabled` |
    /// | method not named | `method` |
    /// | not in the sample | `sampled_out` |
    /// | candidate's breaker open | `breaker_open` |
    /// | over the rate | `rate_limited` |
    /// | too many in flight | `shed` |
    fn decide(&self, asked: &Asked<'_>) -> Result<Admission, Bucket> {
        let policies = self.policies.load();
        let policy = policies.of(asked.configured);
        let settings = &policy.settings;
        if asked.upgrade {
            return Err(Bucket::Upgrade);
        }
        if asked.headers.contains_key(MARK) {
            return Err(Bucket::Loop);
        }
        if !self.enabled() {
            return Err(Bucket::Disabled);
        }
        if !settings.methods.contains(asked.method) {
            return Err(Bucket::Method);
        }
        let request = self.requests.fetch_add(1, Ordering::Relaxed);
        if !sample::falls_in(settings.sample, &settings.sample_by, asked, request) {
            return Err(Bucket::SampledOut);
        }
        let now = Instant::now();
        let legs = self.legs.load();
        if !legs.breaker(Leg::Candidate).allows(now) {
            return Err(Bucket::BreakerOpen);
        }
        if !policy.rate.allows(now) {
            legs.breaker(Leg::Candidate).skipped(now);
            return Err(Bucket::RateLimited);
        }
        let Some(permit) = self.in_flight.take(1) else {
            legs.breaker(Leg::Candidate).skipped(now);
            return Err(Bucket::Shed);
        };
        Ok(Admission { permit, configured: asked.configured, max_body: settings.max_body })
    }

    fn start(&self, exchange: Exchange) {
        let settings = self.policies.load().of(exchange.admission.configured).settings.clone();
        tokio::spawn(exchange::run(self.legs.load_full(), settings, self.judge.clone(), exchange));
    }
}
