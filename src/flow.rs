//! What crosses between the rooms, and the hand-overs that take or shed but never wait.
//!
//! The data plane registers every request here in exactly one way: [`Inbox::skipped`] with its bucket, or
//! [`Inbox::mirrored`], which gives out a [`Ticket`] that settles the exchange exactly once, even when the task
//! that holds it panics.

mod again;
mod exchange;
mod progress;
mod promise;
mod recorder;
mod request_body;
mod tape;

pub use again::Again;
pub use exchange::{Admission, Asked, Exchange, Judge, Mirror, PrimaryOutcome, Question};
pub use progress::{Passing, Progress, Stage};
pub use promise::{PrimaryHead, Promise, SharedPromise};
pub use recorder::Recorder;
pub use request_body::{BodyCapture, BodyOutcome, CaptureError, CaptureReader, RequestBody};
pub use tape::Tape;

use crate::diff::Finding;
use crate::evidence::{Book, Compared, Diverged, Settled, Settlement};
use crate::gate::{Histories, Policy};
use crate::model::{Answer, Bucket, Incomparable, LegRecord, Outcome, PerLeg, Permit, Sharded, Timestamp};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

/// Mirrored exchanges not yet counted beyond which no more should begin.
const MAX_BACKLOG: u64 = 100_000;
/// Bytes of settled exchanges not yet counted beyond which examples are let go; findings stay.
const MAX_EXAMPLE_BYTES: usize = 32 << 20;
/// The same, beyond which no more exchanges should begin.
const MAX_WAITING_BYTES: usize = 64 << 20;

/// Something the ledger must count. Drained in batches; see [`Inbox::drain`].
#[derive(Debug)]
pub enum Event {
    /// Requests that were not mirrored.
    Skipped { route: Arc<str>, bucket: Bucket, times: u64 },
    /// A request whose mirroring began: pending until `Settled` with the same `seq` is seen.
    Mirrored { seq: u64, route: Arc<str> },
    Settled {
        seq: u64,
        settled: Box<Settled>,
        /// What it takes in memory, about; to be handed back with [`Inbox::applied`].
        bytes: usize,
        /// To be asked again where it is divergent.
        again: Option<Again>,
    },
    /// What a divergent exchange showed when it was asked again.
    AskedAgain { diverged: Diverged, compared: Box<Compared> },
}

/// What the legs answered to one request, on its way to the comparison.
#[derive(Debug)]
pub struct Pair {
    pub ticket: Ticket,
    pub question: Arc<Question>,
    pub build: Option<Arc<str>>,
    pub legs: PerLeg<Option<LegRecord>>,
    /// How long after the primary the other legs were due.
    pub lag: Duration,
    pub primary: Box<Answer>,
    pub candidate: Outcome,
    pub control: Option<Outcome>,
    /// Dropped when the exchange is settled: it holds the exchange's place among those in flight.
    pub permit: Permit,
}

/// Everything the ledger wants on disk, once a second.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    pub book: &'a Book,
    pub histories: &'a Histories,
    pub mirroring: bool,
    /// The same one until it changes.
    pub policy: Option<&'a Arc<Policy>>,
    /// So much comes in that there is no time to let others have the processor meanwhile.
    pub hurried: bool,
    pub now: Timestamp,
}

/// What keeping a batch came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Size of what is kept, on disk.
    pub bytes: u64,
    /// Examples that had to go: epoch, route, exchange id.
    pub evicted: Vec<(u64, Arc<str>, String)>,
}

/// Whoever makes evidence durable. All of a batch is kept, or nothing of it.
pub trait Keeper: Send {
    /// The error completes "the evidence is not durable: ...".
    fn keep(&mut self, batch: Batch<'_>) -> Result<Kept, String>;

    /// Whether what was kept is still there, for when there is nothing to keep. The error as with `keep`.
    fn check(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Bytes in use of those that what is kept takes on disk, where that is known. Not cheap.
    fn in_use(&mut self) -> Option<u64> {
        None
    }
}

// === Inbox ===

/// Where the data plane leaves what the ledger must count: sharded, so that two threads seldom meet, and drained
/// by the ledger's own clock, so that no request pays for waking it.
///
/// What waits here or with the ledger is bounded: requests that were not mirrored are only counted, examples go first
/// when room is short, and [`Inbox::is_full`] says when nothing more should be mirrored.
#[derive(Debug)]
pub struct Inbox {
    shards: Sharded<Shard>,
    next_seq: AtomicU64,
    /// Mirrored exchanges the ledger is done with.
    applied: AtomicU64,
    /// Bytes of settled exchanges the ledger is not done with.
    waiting_bytes: AtomicUsize,
    closed: AtomicBool,
    /// Clients are being cut off.
    cutting_off: AtomicBool,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Shard {
    events: Vec<Event>,
    skipped: HashMap<(Arc<str>, Bucket), u64>,
}

impl Inbox {
    pub fn new(shards: usize) -> Arc<Self> {
        Arc::new(Self {
            shards: Sharded::new(shards),
            next_seq: AtomicU64::new(0),
            applied: AtomicU64::new(0),
            waiting_bytes: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            cutting_off: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
        })
    }

    pub fn skipped(&self, route: Arc<str>, bucket: Bucket) {
        match self.shard() {
            Some(mut shard) => *shard.skipped.entry((route, bucket)).or_default() += 1,
            None => self.drop_events(1),
        }
    }

    /// Registers a mirrored exchange. From here on it is pending until its ticket settles.
    pub fn mirrored(self: &Arc<Self>, id: Arc<str>, route: Arc<str>, arrived: Timestamp) -> Ticket {
        let seq = self.next_seq.fetch_add(1, Ordering::Relaxed);
        self.push(Event::Mirrored { seq, route: route.clone() });
        Ticket { owed: Some((self.clone(), Duty::Settle { seq, again: None })), id, route, arrived }
    }

    /// For an exchange that is asked again: what comes of it is added to what was counted, and is no exchange itself.
    pub fn asked_again(self: &Arc<Self>, id: Arc<str>, arrived: Timestamp, diverged: Diverged) -> Ticket {
        let route = diverged.route.clone();
        Ticket { owed: Some((self.clone(), Duty::Confirm(diverged))), id, route, arrived }
    }

    /// Everything that has come in since the last call, in no particular order.
    pub fn drain(&self) -> Vec<Event> {
        let mut all = Vec::new();
        for mut shard in self.shards.each() {
            all.append(&mut shard.events);
            all.extend(shard.skipped.drain().map(|((route, bucket), times)| Event::Skipped { route, bucket, times }));
        }
        all
    }

    /// The ledger is done with that many mirrored exchanges, whose settlements took `bytes`.
    pub fn applied(&self, exchanges: u64, bytes: usize) {
        self.applied.fetch_add(exchanges, Ordering::Relaxed);
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Mirrored exchanges the ledger is not done with: in flight, undrained, or waiting for an earlier one.
    pub fn backlog(&self) -> u64 {
        let applied = self.applied.load(Ordering::Relaxed);
        self.next_seq.load(Ordering::Relaxed).saturating_sub(applied)
    }

    /// Whether so much waits to be counted that nothing more should be mirrored. At most four atomic loads.
    pub fn is_full(&self) -> bool {
        self.backlog() >= MAX_BACKLOG
            || self.waiting_bytes.load(Ordering::Relaxed) >= MAX_WAITING_BYTES
            || self.closed.load(Ordering::Relaxed)
    }

    /// From here on clients are cut off, since the time to serve them is over: one that is gone has not left by itself.
    pub fn cut_off(&self) {
        self.cutting_off.store(true, Ordering::SeqCst);
    }

    /// The reason as it is counted.
    fn reason(&self, reason: Incomparable) -> Incomparable {
        match reason {
            Incomparable::ClientAborted if self.cutting_off.load(Ordering::SeqCst) => Incomparable::Shutdown,
            other => other,
        }
    }

    /// Nobody drains any more: what is here and what still comes is dropped, and counted as that.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        for mut shard in self.shards.each() {
            // Whoever gets the lock after this sees that it is closed.
            let gone = std::mem::take(&mut *shard);
            self.drop_events(gone.events.len() as u64 + gone.skipped.values().sum::<u64>());
        }
    }

    /// Events that came after nobody counted them any more.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Whether an example came in with it.
    fn settled(&self, seq: u64, mut settled: Box<Settled>, again: Option<Again>) -> bool {
        let mut bytes = weight(&settled);
        let differs =
            matches!(&settled.result, Settlement::Compared(c) if c.candidate.list.iter().any(Finding::counts));
        let again = again.filter(|_| differs).and_then(Again::reserve);
        if let Settlement::Compared(compared) = &mut settled.result
            && let Some(example) = &compared.example
            && self.waiting_bytes.load(Ordering::Relaxed) + bytes > MAX_EXAMPLE_BYTES
        {
            bytes -= example.weight();
            compared.example = None;
        }
        if bytes > 0 {
            self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        let shown = matches!(&settled.result, Settlement::Compared(compared) if compared.example.is_some());
        self.push(Event::Settled { seq, settled, bytes, again }) && shown
    }

    /// Whether it came in.
    fn push(&self, event: Event) -> bool {
        let Some(mut shard) = self.shard() else {
            self.drop_events(1);
            return false;
        };
        shard.events.push(event);
        true
    }

    /// This thread's shard; none when it is closed.
    fn shard(&self) -> Option<MutexGuard<'_, Shard>> {
        let shard = self.shards.lock(self.shards.index());
        (!self.closed.load(Ordering::Relaxed)).then_some(shard)
    }

    fn drop_events(&self, n: u64) {
        self.dropped.fetch_add(n, Ordering::Relaxed);
    }
}

/// What a settled exchange takes in memory beyond itself, about.
fn weight(settled: &Settled) -> usize {
    let Settlement::Compared(compared) = &settled.result else { return 0 };
    let findings = [Some(&compared.candidate), compared.control.as_ref()];
    let findings = findings.into_iter().flatten().flat_map(|f| &f.list).map(Finding::weight).sum::<usize>();
    findings + compared.example.as_ref().map_or(0, |example| example.weight())
}

/// The duty to settle one mirrored exchange. Dropped unsettled (a task panicked or was cancelled), it settles as
/// `capture_lost`: nothing leaves without a bucket.
#[derive(Debug)]
pub struct Ticket {
    owed: Option<(Arc<Inbox>, Duty)>,
    id: Arc<str>,
    route: Arc<str>,
    arrived: Timestamp,
}

#[derive(Debug)]
enum Duty {
    Settle {
        seq: u64,
        again: Option<Again>,
    },
    /// Owed to nobody: what was not asked again was not.
    Confirm(Diverged),
}

impl Ticket {
    /// What the exchange is called.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Its route, as it is known by now.
    pub fn route(&self) -> &Arc<str> {
        &self.route
    }

    /// When its request came.
    pub fn arrived(&self) -> Timestamp {
        self.arrived
    }

    /// Whether its example, where it has one, is on its way to be counted.
    pub fn settle(mut self, settled: Settled) -> bool {
        self.done(settled)
    }

    /// The body of the request has a say in the name of its route.
    pub fn rename(&mut self, route: Arc<str>) {
        self.route = route;
    }

    /// Should the exchange be divergent, it is asked again.
    pub fn ask_again(&mut self, wish: Again) {
        if let Some((_, Duty::Settle { again, .. })) = &mut self.owed {
            *again = Some(wish);
        }
    }

    /// Settles as what comparing by the rules of this generation came to. Says the same as `settle`.
    pub fn settle_as(
        self,
        result: Settlement,
        generation: u64,
        build: Option<Arc<str>>,
        legs: PerLeg<Option<LegRecord>>,
    ) -> bool {
        let settled = self.settled_as(result, generation, build, legs);
        self.settle(settled)
    }

    /// Settles as incomparable.
    pub fn incomparable(
        self,
        reason: Incomparable,
        generation: u64,
        build: Option<Arc<str>>,
        legs: PerLeg<Option<LegRecord>>,
    ) {
        let reason = self.owed.as_ref().map_or(reason, |(inbox, _)| inbox.reason(reason));
        self.settle_as(Settlement::Incomparable(reason), generation, build, legs);
    }

    fn settled_as(
        &self,
        result: Settlement,
        generation: u64,
        build: Option<Arc<str>>,
        legs: PerLeg<Option<LegRecord>>,
    ) -> Settled {
        let (id, route) = (self.id.clone(), self.route.clone());
        Settled { id, route, generation, build, arrived: self.arrived, legs, result }
    }

    fn done(&mut self, settled: Settled) -> bool {
        let Some((inbox, duty)) = self.owed.take() else { return false };
        match (duty, settled.result) {
            (Duty::Settle { seq, again }, result) => inbox.settled(seq, Box::new(Settled { result, ..settled }), again),
            (Duty::Confirm(diverged), Settlement::Compared(compared)) => {
                let compared = Box::new(Compared { example: None, ..compared });
                inbox.push(Event::AskedAgain { diverged, compared });
                false
            }
            (Duty::Confirm(_), Settlement::Incomparable(_)) => false,
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.owed.is_some() {
            let lost = Settlement::Incomparable(Incomparable::CaptureLost);
            let settled = self.settled_as(lost, Settled::NO_RULES, None, PerLeg::default());
            self.done(settled);
        }
    }
}

#[cfg(test)]
mod tests;
