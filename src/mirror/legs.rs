//! The legs that are mirrored to, each behind its breaker and its window.

use super::MirrorSettings;
use super::ask::{self, Asked, Unasked};
use super::breaker::{Breaker, Leave};
use super::exchange::is_transport_failure;
use super::overrun::Beside;
use super::window::{Place, Window};
use crate::flow::Question;
use crate::model::{Answer, Leg, Limit};
use crate::upstream::Upstream;
use http::HeaderName;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use xxhash_rust::xxh3::xxh3_64;

/// Who waits for a place among those who ask a leg waits a little longer than they may take, so that it is known what
/// became of them.
const GRACE: Duration = Duration::from_millis(100);

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
    candidate_gate: Arc<Gate>,
    control_gate: Arc<Gate>,
}

/// What stands before one leg.
#[derive(Debug, Default)]
struct Gate {
    breaker: Breaker,
    window: Window,
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
        let (control, control_sample) = control.map_or((None, 0.0), |(leg, share)| (Some(leg), share));
        // What is known of a leg's health stays known while it is the same leg.
        let same =
            |old: &Arc<Upstream>, gate: &Arc<Gate>, new: &Arc<Upstream>| Arc::ptr_eq(old, new).then(|| gate.clone());
        let candidate_gate = before.and_then(|old| same(&old.candidate, &old.candidate_gate, &candidate));
        let control_gate = before.and_then(|old| same(old.control.as_ref()?, &old.control_gate, control.as_ref()?));
        Self {
            primary,
            candidate,
            build_header,
            control,
            control_sample,
            capture_budget,
            candidate_gate: candidate_gate.unwrap_or_default(),
            control_gate: control_gate.unwrap_or_default(),
        }
    }

    /// For how long a leg's breaker has been open, where it is.
    pub fn breaker_open_for(&self, leg: Leg) -> Option<Duration> {
        self.breaker(leg).open_for(Instant::now())
    }

    pub(super) fn breaker(&self, leg: Leg) -> &Breaker {
        &self.gate(leg).breaker
    }

    fn gate(&self, leg: Leg) -> &Gate {
        if leg == Leg::Control { &self.control_gate } else { &self.candidate_gate }
    }

    /// Whether this exchange asks the control too. Decided from the exchange's id before anything is sent.
    pub(super) fn control_wanted(&self, id: &str) -> bool {
        let coin = (xxh3_64(id.as_bytes()) >> 11) as f64 / (1u64 << 53) as f64;
        let wanted = self.control.is_some() && coin < self.control_sample;
        wanted && self.breaker(Leg::Control).allows(Instant::now()).map(Leave::used).is_some()
    }

    /// What a leg did with a question that is `due`. Waits for a place where too many wait for its answer.
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
        let gate = if leg == Leg::Primary { None } else { Some(self.gate(leg)) };
        let mut place = gate.and_then(|gate| gate.window.enter());
        let (mut started, mut waited) = (due, Duration::ZERO);
        if let (Some(gate), None) = (gate, &place) {
            // Seldom needed, and its state would make every exchange's task larger.
            match Box::pin(gate.wait(due, settings)).await {
                Ok(next) => {
                    place = Some(next);
                    (started, waited) = (Instant::now(), due.elapsed());
                }
                Err(unasked) => {
                    if let Unasked::NoRoom = unasked {
                        gate.breaker.skipped(Instant::now());
                    }
                    return ask::unasked(unasked, question, due);
                }
            }
        }
        let budget = &self.capture_budget;
        let mut asked = ask::ask(upstream, leg, question, settings, budget, started, beside, place.as_ref()).await;
        let (Some(Gate { breaker, .. }), Some(place)) = (gate, place) else { return asked };
        // Like any other wait for a connection.
        asked.record.timing.connect += waited;
        match asked.spoilt {
            // Whatever it answers: to go on would cost users more than it is worth.
            _ if upstream.has_flooded() => {
                breaker.gave_offence(Instant::now());
                place.failed(true);
            }
            Some(_) => breaker.skipped(Instant::now()),
            None if asked.overran || is_transport_failure(&asked.outcome) => {
                place.failed(breaker.failed(Instant::now()));
            }
            None => {
                breaker.succeeded();
                place.answered();
            }
        }
        asked
    }

    pub(super) fn build_of(&self, answer: &Answer) -> Option<Arc<str>> {
        let build = answer.headers.text(&self.build_header)?.trim();
        (!build.is_empty()).then(|| build.chars().take(128).collect::<String>().into())
    }
}

// === impl Gate ===

impl Gate {
    /// A place among those who ask the leg, as soon as there is one, unless the leg is given up meanwhile.
    async fn wait(&self, due: Instant, settings: &MirrorSettings) -> Result<Place<'_>, Unasked> {
        let began = Instant::now();
        let place = timeout_at(due + settings.timeout + GRACE, self.window.wait()).await;
        let now = Instant::now();
        // One that was open before is being probed by this exchange.
        let given_up = self.breaker.open_for(now).is_some_and(|open| open <= now - began);
        match place {
            _ if given_up => Err(Unasked::GivenUp { after: now - due }),
            Ok(Some(place)) => Ok(place),
            Ok(None) | Err(_) => Err(Unasked::NoRoom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Passing;
    use crate::mirror::testing;
    use crate::model::{FailureKind, Incomparable, Outcome};
    use http::header::SERVER;
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::task::Poll;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn listen() -> (TcpListener, Legs) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let leg = testing::candidate(listener.local_addr().unwrap());
        (listener, Legs::new(leg.clone(), leg, SERVER, None, Limit::new(1 << 20), None))
    }

    fn full(legs: &Legs) -> Vec<Place<'_>> {
        std::iter::from_fn(|| legs.gate(Leg::Candidate).window.enter()).collect()
    }

    #[tokio::test]
    async fn the_time_a_question_waits_for_its_turn_is_not_the_legs() {
        let (listener, legs) = listen().await;
        tokio::spawn(async move {
            let (mut peer, _) = listener.accept().await.unwrap();
            peer.read_u8().await.unwrap();
            peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            std::future::pending::<()>().await;
        });
        let mut before = full(&legs);
        let (question, settings, passing) =
            (testing::question(), testing::settings(Duration::from_secs(60)), Passing::default());
        // As if it had waited for long.
        let due = Instant::now() - Duration::from_secs(20);
        let mut ask = pin!(legs.ask(Leg::Candidate, &question, &settings, due, Beside::Leads(&passing)));
        let waits = poll_fn(|cx| Poll::Ready(ask.as_mut().poll(cx).is_pending())).await;
        assert!(waits);
        assert_eq!(legs.candidate.connections().open, 0);
        before.pop();
        let asked = ask.await;
        assert!(matches!(asked.outcome, Outcome::Answer(_)) && asked.spoilt.is_none(), "{asked:?}");
        let timing = asked.record.timing;
        assert!(timing.connect >= Duration::from_secs(20), "{timing:?}");
        assert!(timing.last_byte < Duration::from_secs(20) && timing.first_byte < Some(timing.last_byte), "{timing:?}");
    }

    #[tokio::test]
    async fn who_waits_while_a_leg_is_given_up_is_failed_by_it_and_not_sent() {
        let (_listener, legs) = listen().await;
        let mut before = full(&legs);
        let (question, settings, passing) =
            (testing::question(), testing::settings(Duration::from_secs(60)), Passing::default());
        let mut ask = pin!(legs.ask(Leg::Candidate, &question, &settings, Instant::now(), Beside::Leads(&passing)));
        let waits = poll_fn(|cx| Poll::Ready(ask.as_mut().poll(cx).is_pending())).await;
        assert!(waits);
        while let Some(place) = before.pop() {
            place.failed(legs.breaker(Leg::Candidate).failed(Instant::now()));
        }
        let asked = ask.await;
        assert!(
            matches!(&asked.outcome, Outcome::Failed(failure) if failure.kind == FailureKind::Timeout)
                && asked.spoilt.is_none(),
            "{asked:?}"
        );
        assert_eq!(legs.candidate.connections().open, 0);
    }

    #[tokio::test]
    async fn a_turn_that_does_not_come_is_not_held_against_the_leg() {
        let (_listener, legs) = listen().await;
        let _before = full(&legs);
        let (question, settings, passing) =
            (testing::question(), testing::settings(Duration::ZERO), Passing::default());
        let asked = legs.ask(Leg::Candidate, &question, &settings, Instant::now(), Beside::Leads(&passing)).await;
        assert_eq!(asked.spoilt, Some(Incomparable::Budget), "{asked:?}");
        assert!(legs.breaker_open_for(Leg::Candidate).is_none());
    }

    #[tokio::test]
    async fn what_is_known_of_a_legs_health_stays_with_that_leg() {
        let leg = || testing::candidate(([127, 0, 0, 1], 9).into());
        let legs = |candidate: &Arc<Upstream>, control: &Arc<Upstream>, before: Option<&Legs>| {
            Legs::new(leg(), candidate.clone(), SERVER, Some((control.clone(), 1.0)), Limit::new(1), before)
        };
        let (candidate, control) = (leg(), leg());
        let old = legs(&candidate, &control, None);
        old.breaker(Leg::Candidate).gave_offence(Instant::now());
        old.breaker(Leg::Control).gave_offence(Instant::now());
        let is_open = |legs: &Legs| [Leg::Candidate, Leg::Control].map(|leg| legs.breaker_open_for(leg).is_some());
        assert_eq!(is_open(&legs(&candidate, &control, Some(&old))), [true, true]);
        assert_eq!(is_open(&legs(&candidate, &leg(), Some(&old))), [true, false]);
        assert_eq!(is_open(&legs(&leg(), &control, Some(&old))), [false, true]);
    }
}
