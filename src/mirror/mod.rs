//! The other legs: who is mirrored, within which budgets, and what they answered.
//!
//! Nothing outside this room ever waits for the candidate.

mod ask;
mod breaker;
mod confirm;
mod exchange;
mod legs;
mod overrun;
mod rate;
mod sample;
mod settings;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod window;

pub use ask::MARK;
pub use legs::Legs;
pub use settings::{MirrorSettings, SampleBy, Start};

use crate::boxed::boxed;
use crate::flow::{Admission, Asked, Exchange, Inbox, Judge, Mirror};
use crate::model::{Bucket, Latencies, Leg, Limit};
use confirm::Confirmer;
use rate::RateLimit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// What holds over all configurations: the switch, the places, who judges.
#[derive(Debug)]
pub struct Mirrors {
    judge: Arc<dyn Judge>,
    inbox: Arc<Inbox>,
    enabled: Arc<AtomicBool>,
    in_flight: Arc<Limit>,
    /// Bytes by which mirrored bodies may be longer than the primaries', together.
    overrun: Arc<Limit>,
    requests: AtomicU64,
    /// How long after the primary's request the candidate's was started.
    pub skew: Latencies,
    confirmer: Confirmer,
    /// Whose turn it is to read a large request body.
    reading: Semaphore,
}

/// The mirror by one configuration. A request is decided and sent by the same one, whatever is loaded meanwhile.
#[derive(Debug)]
pub struct Plan {
    shared: Arc<Mirrors>,
    default: Arc<Policy>,
    /// In the order of the configured routes.
    routes: Vec<Arc<Policy>>,
    legs: Arc<Legs>,
}

#[derive(Debug)]
struct Policy {
    settings: MirrorSettings,
    rates: Rates,
}

/// How many may be mirrored a second.
#[derive(Debug)]
struct Rates {
    /// Of all routes together.
    all: Arc<RateLimit>,
    /// Of a route that has another rate.
    own: Option<RateLimit>,
}

// === impl Mirrors ===

impl Mirrors {
    /// To be called within a runtime.
    pub fn new(judge: Arc<dyn Judge>, inbox: Arc<Inbox>, enabled: bool) -> Arc<Self> {
        let (in_flight, overrun) = (Limit::new(0), Limit::new(0));
        let enabled = Arc::new(AtomicBool::new(enabled));
        let desk = (judge.clone(), inbox.clone(), enabled.clone(), in_flight.clone(), overrun.clone());
        let confirmer = Confirmer::start(desk.0, desk.1, desk.2, desk.3, desk.4);
        Arc::new(Self {
            judge,
            inbox,
            enabled,
            in_flight,
            overrun,
            requests: AtomicU64::new(0),
            skew: Latencies::default(),
            confirmer,
            reading: Semaphore::new(1),
        })
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
}

// === impl Plan ===

impl Plan {
    /// `routes` in the order of the configured routes.
    pub fn new(shared: Arc<Mirrors>, default: MirrorSettings, routes: Vec<MirrorSettings>, legs: Legs) -> Self {
        let now = Instant::now();
        shared.in_flight.set_max(default.max_in_flight);
        let largest = routes.iter().chain([&default]).map(|settings| settings.max_body).max().unwrap_or(0);
        shared.overrun.set_max(overrun::together(largest));
        let (max_rate, all) = (default.max_rate, Arc::new(RateLimit::new(default.max_rate, now)));
        let policy = |settings: MirrorSettings| {
            let own = (settings.max_rate != max_rate).then(|| RateLimit::new(settings.max_rate, now));
            Arc::new(Policy { rates: Rates { all: all.clone(), own }, settings })
        };
        Self {
            shared,
            default: policy(default),
            routes: routes.into_iter().map(policy).collect(),
            legs: Arc::new(legs),
        }
    }

    pub fn legs(&self) -> &Arc<Legs> {
        &self.legs
    }

    fn policy(&self, configured: Option<usize>) -> &Arc<Policy> {
        configured.and_then(|i| self.routes.get(i)).unwrap_or(&self.default)
    }
}

// === impl Rates ===

impl Rates {
    /// The route first: what is over its own rate takes nothing from the others.
    fn allow(&self, now: Instant) -> bool {
        self.own.as_ref().is_none_or(|own| own.allows(now)) && self.all.allows(now)
    }
}

impl Mirror for Plan {
    /// | in this order, the first that holds | bucket |
    /// |---|---|
    /// | wants a tunnel | `upgrade` |
    /// | carries our own mark | `loop` |
    /// | the kill switch is off | `disabled` |
    /// | method not named | `method` |
    /// | not in the sample | `sampled_out` |
    /// | candidate's breaker open | `breaker_open` |
    /// | over the rate | `rate_limited` |
    /// | too many in flight, or the ledger too far behind | `shed` |
    fn decide(&self, asked: &Asked<'_>) -> Result<Admission, Bucket> {
        let policy = self.policy(asked.configured);
        let settings = &policy.settings;
        if asked.upgrade {
            return Err(Bucket::Upgrade);
        }
        if asked.headers.has(&MARK) {
            return Err(Bucket::Loop);
        }
        if !self.shared.enabled() {
            return Err(Bucket::Disabled);
        }
        if !settings.methods.contains(asked.method) {
            return Err(Bucket::Method);
        }
        let request = self.shared.requests.fetch_add(1, Ordering::Relaxed);
        if !sample::falls_in(settings.sample, &settings.sample_by, asked, request) {
            return Err(Bucket::SampledOut);
        }
        let now = asked.due;
        let Some(leave) = self.legs.breaker(Leg::Candidate).allows(now) else { return Err(Bucket::BreakerOpen) };
        if !policy.rates.allow(now) {
            return Err(Bucket::RateLimited);
        }
        let place = if self.shared.inbox.is_full() { None } else { self.shared.in_flight.take(1) };
        let Some(permit) = place else { return Err(Bucket::Shed) };
        Ok(Admission { permit, configured: asked.configured, max_body: settings.max_body, probe: leave.used() })
    }

    fn start(self: Arc<Self>, exchange: Exchange) {
        // Boxed, because a task is moved several times until it stands where it runs; and what it takes would be kept
        // in it more than once.
        let exchange = Box::new(exchange);
        tokio::spawn(Box::into_pin(boxed(|| exchange::run(self, exchange))));
    }
}
