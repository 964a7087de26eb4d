//! Talking to a leg: connections, their pools, TLS, and failures as data.
//!
//! One [`Upstream`] for each leg. It retries nothing but what a connection gone stale in the pool swallowed, follows
//! no redirects, and knows nothing of comparing.

mod body;
mod connect;
mod failure;
mod form;
mod http1;
mod http2;
mod idle;
mod io;
mod lookup;
mod multiplexed;
mod races;
mod settings;
mod stream;
#[cfg(test)]
mod tests;
pub mod worker;

pub use body::{BoxBody, BoxError, Duplex, LegAnswerBody, LegBody, LegTunnel};
pub use failure::Fault;
pub use form::Ask;
pub use settings::{LegSettings, Scheme};

use crate::model::{Failure, FailureKind, Fields, Latencies, Leg};
use crate::tls::TlsError;
use ::http::{StatusCode, Version};
use bytes::Bytes;
use connect::{Connected, Connector, Offer};
use failure::Trouble;
use form::Form;
use http1::H1Line;
use idle::IdleStack;
use multiplexed::{H2Line, Load, Multiplexed, Opened, Step};
use races::Races;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How many new HTTP/2 connections a request waits for, each closed or filled by others before it got a stream.
const OPENINGS: usize = 4;

/// Limits on what a leg may send, and how its connections are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamOptions {
    /// Header fields of an answer.
    pub max_headers: usize,
    /// Bytes of an answer's head.
    pub max_header_bytes: usize,
    /// A connection unused for so long is closed.
    pub idle_timeout: Duration,
    /// Idle HTTP/1.1 connections kept.
    pub max_idle: usize,
    /// Connections open at once, idle and upgraded ones included. What would take one more fails at once, and that is
    /// held against the proxy.
    pub max_connections: Option<usize>,
    /// An HTTP/2 connection on which the leg floods us is ended, and connections that it closes under requests are put down
    /// to chance only now and then. Not where users are served from: whatever the primary does, they get its answers.
    pub guarded: bool,
}

/// Told of every interim answer (1xx) before the answer proper.
pub type OnInterim<'a> = &'a (dyn Fn(StatusCode, &Fields) + Sync);

/// How a request is sent.
#[derive(Clone, Copy, Default)]
pub struct SendOptions<'a> {
    /// The answer may take the connection over (`Upgrade`, CONNECT): HTTP/1.1 only.
    pub upgrade: bool,
    /// It may be sent again, once and not on a connection that has ended, where a reused one has swallowed it and that is
    /// harmless: an idempotent method without a body, or over HTTP/2 whatever the leg says it did not look at, as long as
    /// the body is still there.
    pub again: bool,
    pub on_interim: Option<OnInterim<'a>>,
}

/// An answer of which the head is there.
#[derive(Debug)]
pub struct LegAnswer {
    pub status: StatusCode,
    pub version: Version,
    /// The phrase behind its status, where it is not the usual one.
    pub reason: Option<Bytes>,
    pub headers: Fields,
    pub body: LegAnswerBody,
}

/// A head that came.
#[derive(Debug)]
pub struct Sent {
    pub answer: LegAnswer,
    /// Time spent getting a connection, waiting for one that another request opened included; zero when pooled.
    pub connect: Duration,
    pub reused: bool,
    /// It took a second attempt, because a reused connection had been closed.
    pub idle_race: bool,
}

/// A head that did not come.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{failure}")]
pub struct SendError {
    pub failure: Failure,
    pub fault: Fault,
    pub connect: Duration,
    /// There was a second attempt, because a reused connection had been closed.
    pub idle_race: bool,
}

/// Connections at this moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connections {
    /// Open ones; idle and upgraded ones, and those being opened included.
    pub open: usize,
    /// Idle HTTP/1.1 ones.
    pub idle: usize,
}

/// One leg, as requests are sent to it.
#[derive(Debug, Clone)]
pub struct Upstream {
    leg: Leg,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    connector: Connector,
    options: UpstreamOptions,
    form: Form,
    /// One for each serving thread, so that a request finds connections whose events its own thread waits for.
    pools: Box<[Pool]>,
    /// The last TLS handshake agreed on HTTP/1.1, so connections are opened one for each request.
    speaks_http1: AtomicBool,
    /// A connection was flooded since somebody asked.
    flooded: Arc<AtomicBool>,
    races: Races,
}

/// The connections of one serving thread.
#[derive(Debug)]
struct Pool {
    idle: Arc<IdleStack>,
    multiplexed: Multiplexed,
}

/// A connection to send one request on.
struct Lease {
    line: LeasedLine,
    connect: Duration,
    reused: bool,
    /// The leg may have closed it because nobody used it, or would say so.
    rested: bool,
}

enum LeasedLine {
    /// Boxed for as long as it lives: it is handed on several times for each request.
    H1(Box<H1Line>),
    H2(H2Line, Load),
}

/// Why an attempt gave no head.
struct Missed {
    trouble: Trouble,
    /// The request's body, where it is whole.
    body: Option<LegBody>,
    /// No byte of the request went out.
    unsent: bool,
}

// === impl SendOptions ===

impl std::fmt::Debug for SendOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SendOptions")
            .field("upgrade", &self.upgrade)
            .field("again", &self.again)
            .finish_non_exhaustive()
    }
}

// === impl UpstreamOptions ===

impl Default for UpstreamOptions {
    fn default() -> Self {
        Self {
            // Far more than clients may send: what a system answers its users has to pass.
            max_headers: 1024,
            max_header_bytes: 256 * 1024,
            idle_timeout: Duration::from_secs(30),
            max_idle: 512,
            max_connections: None,
            guarded: false,
        }
    }
}

// === impl Upstream ===

impl Upstream {
    /// Opens nothing yet.
    ///
    /// # Errors
    /// Those of the leg's TLS settings.
    pub fn new(leg: Leg, settings: LegSettings, options: UpstreamOptions) -> Result<Arc<Self>, TlsError> {
        let form = Form::new(&settings).ok_or_else(|| TlsError::BadName { name: settings.host.clone() })?;
        let speaks_http1 = AtomicBool::new(settings.scheme == Scheme::Http);
        let shared = Shared {
            connector: Connector::new(settings, &options)?,
            form,
            pools: (0..worker::count())
                .map(|_| Pool {
                    idle: IdleStack::new(options.idle_timeout, options.max_idle.div_ceil(worker::count())),
                    multiplexed: Multiplexed::new(options.idle_timeout),
                })
                .collect(),
            speaks_http1,
            flooded: Arc::default(),
            races: Races::new(options.guarded),
            options,
        };
        Ok(Arc::new(Self { leg, shared: Arc::new(shared) }))
    }

    pub fn leg(&self) -> Leg {
        self.leg
    }

    pub fn settings(&self) -> &LegSettings {
        &self.shared.connector.settings
    }

    /// Whether the files that its settings name are still what it was made from.
    pub fn is_current(&self) -> bool {
        self.shared.connector.is_current()
    }

    pub fn options(&self) -> &UpstreamOptions {
        &self.shared.options
    }

    pub fn connections(&self) -> Connections {
        Connections {
            open: self.shared.connector.open(),
            idle: self.shared.pools.iter().map(|pool| pool.idle.len()).sum(),
        }
    }

    /// Whether the leg has flooded a connection since this was last asked; see [`UpstreamOptions::guarded`].
    pub fn has_flooded(&self) -> bool {
        self.shared.flooded.load(Ordering::Relaxed) && self.shared.flooded.swap(false, Ordering::Relaxed)
    }

    /// Requests that were sent again because the leg had closed their connection, or did not look at them.
    pub fn retries(&self) -> u64 {
        self.shared.races.retries()
    }

    /// What it took to get the connections that came about.
    pub fn connect_times(&self) -> &Latencies {
        self.shared.connector.took()
    }

    /// One connection, closed at once: whether anybody listens there, and can be trusted.
    pub async fn check(&self) -> Result<(), Failure> {
        let connector = &self.shared.connector;
        connector.connect_by(Offer::Any, connector.deadline()).await.map(drop).map_err(|trouble| trouble.failure)
    }

    /// Sends a request and waits for the head of its answer, within the leg's `connect_timeout` and, from the last byte of
    /// the request on that the leg has taken, its `response_timeout`. Dropping the future cancels the request.
    ///
    /// # Errors
    /// No head came: why, as data.
    pub async fn send(&self, ask: &Ask<'_>, body: LegBody, how: SendOptions<'_>) -> Result<Sent, SendError> {
        let bad = |trouble: Trouble, connect, idle_race| SendError {
            failure: trouble.failure,
            fault: trouble.fault,
            connect,
            idle_race,
        };
        let harmless = how.again && ask.method.is_idempotent() && matches!(body, LegBody::Empty);
        let needs = Needs { upgrade: how.upgrade, harmless };

        let mut body = body;
        let mut idle_race = false;
        let mut connect = Duration::ZERO;
        loop {
            let pooled = if idle_race { None } else { self.shared.pooled(needs) };
            let lease = match pooled {
                Some(lease) => lease,
                // Seldom needed, and its state is large: it would make every request's task as large.
                None => match Box::pin(self.shared.lease(needs)).await {
                    Ok(lease) => lease,
                    Err((trouble, waited)) => return Err(bad(trouble, connect + waited, idle_race)),
                },
            };
            connect += lease.connect;
            let (reused, rested) = (lease.reused, lease.rested);
            let begun = self.shared.races.begin();
            body = match self.shared.attempt(lease.line, ask, body, &how).await {
                Ok(answer) => {
                    self.shared.races.answered();
                    return Ok(Sent { answer, connect, reused, idle_race });
                }
                Err(Missed { body: Some(body), unsent: true, .. }) if reused && !idle_race => body,
                Err(Missed { mut trouble, body, .. }) => {
                    let may_race = !idle_race && trouble.unanswered && (reused || trouble.refused);
                    let race = may_race && self.shared.races.is_one(begun, rested);
                    let again =
                        if trouble.refused { body.filter(|_| how.again) } else { harmless.then_some(LegBody::Empty) };
                    match again {
                        Some(body) if race => {
                            self.shared.races.retry();
                            body
                        }
                        _ => {
                            if race && reused {
                                trouble.failure.kind = FailureKind::IdleRace;
                            }
                            return Err(bad(trouble, connect, idle_race));
                        }
                    }
                }
            };
            idle_race = true;
        }
    }
}

/// What a request needs of its connection.
#[derive(Clone, Copy)]
struct Needs {
    upgrade: bool,
    /// May be sent twice.
    harmless: bool,
}

// === impl Shared ===

impl Shared {
    /// A connection that is there already.
    fn pooled(&self, needs: Needs) -> Option<Lease> {
        if !self.wants_http1(needs) {
            let (line, load) = self.pool().multiplexed.vacant()?;
            return Some(Lease::pooled(LeasedLine::H2(line, load)));
        }
        let full = self.connector.full();
        let mut line = match needs.harmless || full {
            true => self.pool().idle.take(),
            false => self.pool().idle.take_warm().map(|line| (line, false)),
        };
        if line.is_none() && full {
            // Where no other may be opened, any is better than none.
            for pool in &self.pools {
                line = pool.idle.take();
                if line.is_some() {
                    break;
                }
            }
        }
        line.map(|(line, rested)| Lease { rested, ..Lease::pooled(LeasedLine::H1(line)) })
    }

    /// That of the thread this runs on.
    fn pool(&self) -> &Pool {
        &self.pools[worker::index() % self.pools.len()]
    }

    fn wants_http1(&self, needs: Needs) -> bool {
        self.is_tunnel(needs) || self.speaks_http1.load(Ordering::Relaxed)
    }

    fn is_tunnel(&self, needs: Needs) -> bool {
        needs.upgrade && self.connector.settings.scheme != Scheme::H2c
    }

    /// A new HTTP/1.1 connection, or a stream of HTTP/2. With an error comes the time it took.
    async fn lease(self: &Arc<Self>, needs: Needs) -> Result<Lease, (Trouble, Duration)> {
        let started = Instant::now();
        let failed = |trouble| (trouble, started.elapsed());
        if self.wants_http1(needs) {
            let offer = if self.is_tunnel(needs) { Offer::Http1 } else { Offer::Any };
            let line = self.open_one(offer).await.map_err(failed)?;
            return Ok(Lease::opened(line, started.elapsed()));
        }
        let mut waited = false;
        for _ in 0..OPENINGS {
            let opening = match self.pool().multiplexed.step() {
                Step::Use(line, load) if !waited => return Ok(Lease::pooled(LeasedLine::H2(line, load))),
                Step::Use(line, load) => {
                    let line = LeasedLine::H2(line, load);
                    return Ok(Lease::opened(line, started.elapsed()));
                }
                Step::Wait(opening) => opening,
                Step::Open(report, opening) => {
                    // On its own: who asked first may go away, and the others wait for the same connection.
                    let shared = self.clone();
                    tokio::spawn(async move {
                        let outcome = shared.open_shared().await;
                        shared.pool().multiplexed.opened(&report, outcome);
                    });
                    opening
                }
            };
            waited = true;
            let mut opening = opening;
            let outcome = match opening.wait_for(Option::is_some).await {
                Ok(outcome) => outcome.clone(),
                Err(_) => None,
            };
            match outcome {
                Some(Opened::H2) => {}
                Some(Opened::H1) => {
                    let line = match self.pool().idle.take() {
                        Some((line, _)) => LeasedLine::H1(line),
                        None => self.open_one(Offer::Any).await.map_err(failed)?,
                    };
                    return Ok(Lease::opened(line, started.elapsed()));
                }
                Some(Opened::Failed(trouble)) => match self.pool().multiplexed.crowd() {
                    Some((line, load)) => {
                        let line = LeasedLine::H2(line, load);
                        return Ok(Lease { reused: true, ..Lease::opened(line, started.elapsed()) });
                    }
                    None => return Err(failed(trouble)),
                },
                None => return Err(failed(Trouble::proxy("connecting was cancelled"))),
            }
        }
        Err(failed(Trouble::leg(FailureKind::Reset, "connections closed as soon as they were open".to_owned())))
    }

    /// A connection for one request alone, unless the leg turns out to speak HTTP/2.
    async fn open_one(self: &Arc<Self>, offer: Offer) -> Result<LeasedLine, Trouble> {
        let deadline = self.connector.deadline();
        match self.connector.connect(offer, deadline).await? {
            Connected::H1(io) => Ok(LeasedLine::H1(H1Line::new(io))),
            Connected::H2(io) => {
                self.start_h2(io, deadline).await?;
                self.speaks_http1.store(false, Ordering::Relaxed);
                let (line, load) =
                    self.pool().multiplexed.crowd().ok_or_else(|| Trouble::proxy("the connection was gone at once"))?;
                Ok(LeasedLine::H2(line, load))
            }
        }
    }

    async fn open_shared(self: &Arc<Self>) -> Opened {
        let deadline = self.connector.deadline();
        let opened = match self.connector.connect(Offer::Any, deadline).await {
            Ok(Connected::H2(io)) => self.start_h2(io, deadline).await.map(|()| Opened::H2),
            Ok(Connected::H1(io)) => {
                self.speaks_http1.store(true, Ordering::Relaxed);
                self.pool().idle.put(H1Line::new(io));
                Ok(Opened::H1)
            }
            Err(trouble) => Err(trouble),
        };
        opened.unwrap_or_else(Opened::Failed)
    }

    /// Sends on one connection and waits for the head.
    async fn attempt(
        &self,
        line: LeasedLine,
        ask: &Ask<'_>,
        body: LegBody,
        how: &SendOptions<'_>,
    ) -> Result<LegAnswer, Missed> {
        match line {
            LeasedLine::H1(line) => {
                let request = self.form.h1(ask, body);
                let (settings, stack) = (&self.connector.settings, &self.pool().idle);
                let sent = line.send(ask.method, request, how, settings, &self.options, stack).await;
                sent.map_err(|trouble| Missed { trouble, body: None, unsent: false })
            }
            // Its state is large, and a leg that speaks HTTP/1.1 has no use for it.
            LeasedLine::H2(line, load) => Box::pin(self.attempt_h2(line, load, ask, body, how)).await,
        }
    }
}

// === impl Lease ===

impl Lease {
    fn pooled(line: LeasedLine) -> Self {
        Self { line, connect: Duration::ZERO, reused: true, rested: true }
    }

    fn opened(line: LeasedLine, connect: Duration) -> Self {
        Self { line, connect, reused: false, rested: true }
    }
}
