//! The legs that are mirrored to, each behind its breaker.

use super::MirrorSettings;
use super::ask::{self, Asked};
use super::breaker::Breaker;
use super::exchange::is_transport_failure;
use super::overrun::Beside;
use crate::flow::Question;
use crate::model::{Answer, Leg, Limit};
use crate::upstream::Upstream;
use http::HeaderName;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

/// Candidate and control, and the primary for when it is asked once more.
#[derive(Debug)]
pub struct Legs {
    pub primary: Arc<Upstream>,
    pub candidate: Arc<Upstream>,
    /// In which header the candidate names its build.
    pub build_header: HeaderName,
    pub control: Option<Arc<Upstream>>,
    /// Share of mirrored exchanges that also ask the control.
    pub control_sample: f64,
    /// All captured bodies together.
    pub capture_budget: Arc<Limit>,
    breakers: Arc<[Breaker; 2]>,
}

// === impl Legs ===

impl Legs {
    pub fn new(
        primary: Arc<Upstream>,
        candidate: Arc<Upstream>,
        build_header: HeaderName,
        control: Option<(Arc<Upstream>, f64)>,
        capture_budget: Arc<Limit>,
        before: Option<&Legs>,
    ) -> Self {
        // What is known of a leg's health stays known while it is the same leg.
        let breakers = match before {
            Some(before) if Arc::ptr_eq(&before.candidate, &candidate) => before.breakers.clone(),
            _ => Arc::default(),
        };
        let (control, control_sample) = control.map_or((None, 0.0), |(leg, share)| (Some(leg), share));
        Self { primary, candidate, build_header, control, control_sample, capture_budget, breakers }
    }

    /// For how long a leg's breaker has been open, where it is.
    pub fn breaker_open_for(&self, leg: Leg) -> Option<Duration> {
        self.breaker(leg).open_for(Instant::now())
    }

    pub(super) fn breaker(&self, leg: Leg) -> &Breaker {
        &self.breakers[usize::from(leg == Leg::Control)]
    }

    /// Whether this exchange asks the control too. Decided from the exchange's id before anything is sent.
    pub(super) fn control_wanted(&self, id: &str) -> bool {
        let coin = (xxh3_64(id.as_bytes()) >> 11) as f64 / (1u64 << 53) as f64;
        self.control.is_some() && coin < self.control_sample && self.breaker(Leg::Control).allows(Instant::now())
    }

    pub(super) async fn ask(
        &self,
        leg: Leg,
        question: &Question,
        settings: &MirrorSettings,
        due: Instant,
        beside: Beside<'_>,
    ) -> Asked {
        let upstream = match (leg, &self.control) {
            (Leg::Control, Some(control)) => control,
            (Leg::Primary, _) => &self.primary,
            _ => &self.candidate,
        };
        let asked = ask::ask(upstream, leg, question, settings, &self.capture_budget, due, beside).await;
        if leg == Leg::Primary {
            return asked;
        }
        match asked.spoilt {
            Some(_) => self.breaker(leg).skipped(Instant::now()),
            None if asked.overran || is_transport_failure(&asked.outcome) => self.breaker(leg).failed(Instant::now()),
            None => self.breaker(leg).succeeded(),
        }
        asked
    }

    pub(super) fn build_of(&self, answer: &Answer) -> Option<Arc<str>> {
        let build = answer.headers.get(&self.build_header)?.to_str().ok()?.trim();
        (!build.is_empty()).then(|| build.chars().take(128).collect::<String>().into())
    }
}
