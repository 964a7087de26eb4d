//! What crosses between the rooms, and the hand-overs that take or shed but never wait.
//!
//! The data plane registers every request here in exactly one way: [`Inbox::skipped`] with its bucket, or
//! [`Inbox::mirrored`], which gives out a [`Ticket`] that settles the exchange exactly once, even when the task
//! that holds it panics.

mod exchange;
mod recorder;
mod request_body;

pub use exchange::{Admission, Asked, Exchange, Judge, Mirror, PrimaryOutcome};
pub use recorder::Recorder;
pub use request_body::{BodyCapture, BodyOutcome, CaptureError, CaptureReader, RequestBody};

use crate::evidence::{Book, Settled, Settlement};
use crate::gate::Policy;
use crate::model::{Bucket, Incomparable, LegRecord, Outcome, PerLeg, Permit, RequestHead, Timestamp};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Something the ledger must count. Drained in batches; see [`Inbox::drain`].
#[derive(Debug)]
pub enum Event {
    /// A request that was not mirrored.
    Skipped {
        route: Arc<str>,
        bucket: Bucket,
    },
    /// A request whose mirroring began: pending until `Settled` with the same `seq` is seen.
    Mirrored {
        seq: u64,
        route: Arc<str>,
    },
    Settled {
        seq: u64,
        settled: Box<Settled>,
    },
}

/// What the legs answered to one request, on its way to the comparison.
#[derive(Debug)]
pub struct Pair {
    pub ticket: Ticket,
    pub id: Arc<str>,
    pub route: Arc<str>,
    pub arrived: Timestamp,
    pub request: RequestHead,
    /// What was kept of the request body, for showing.
    pub request_body: RequestBody,
    pub build: Option<Arc<str>>,
    pub legs: PerLeg<Option<LegRecord>>,
    pub primary: crate::model::Answer,
    pub candidate: Outcome,
    pub control: Option<Outcome>,
    /// Dropped when the exchange is settled: it holds the exchange's place among those in flight.
    pub permit: Permit,
}

/// Everything the ledger wants on disk, once a second.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    pub book: &'a Book,
    pub mirroring: bool,
    pub policy: Option<&'a Policy>,
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
}

// === Inbox ===

/// Where the data plane leaves what the ledger must count: sharded, so that two threads seldom meet, and drained
/// by the ledger's own clock, so that no request pays for waking it.
#[derive(Debug)]
pub struct Inbox {
    shards: Box<[Mutex<Vec<Event>>]>,
    next_seq: AtomicU64,
}

impl Inbox {
    pub fn new(shards: usize) -> Arc<Self> {
        let shards = (0..shards.max(1)).map(|_| Mutex::new(Vec::new())).collect();
        Arc::new(Self { shards, next_seq: AtomicU64::new(0) })
    }

    pub fn skipped(&self, route: Arc<str>, bucket: Bucket) {
        self.push(Event::Skipped { route, bucket });
    }

    /// Registers a mirrored exchange. From here on it is pending until its ticket settles.
    pub fn mirrored(self: &Arc<Self>, id: Arc<str>, route: Arc<str>, arrived: Timestamp) -> Ticket {
        let seq = self.next_seq.fetch_add(1, Ordering::Relaxed);
        self.push(Event::Mirrored { seq, route: route.clone() });
        Ticket { inbox: Some(self.clone()), seq, id, route, arrived }
    }

    /// Everything that has come in since the last call, in no particular order.
    pub fn drain(&self) -> Vec<Event> {
        let mut all = Vec::new();
        for shard in &self.shards {
            all.append(&mut shard.lock().unwrap_or_else(PoisonError::into_inner));
        }
        all
    }

    fn push(&self, event: Event) {
        thread_local!(static SHARD: usize = {
            static NEXT: AtomicUsize = AtomicUsize::new(0);
            NEXT.fetch_add(1, Ordering::Relaxed)
        });
        let shard = SHARD.with(|s| *s) % self.shards.len();
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}

/// The duty to settle one mirrored exchange. Dropped unsettled (a task panicked or was cancelled), it settles as
/// `capture_lost`: nothing leaves without a bucket.
#[derive(Debug)]
pub struct Ticket {
    inbox: Option<Arc<Inbox>>,
    seq: u64,
    id: Arc<str>,
    route: Arc<str>,
    arrived: Timestamp,
}

impl Ticket {
    pub fn settle(mut self, settled: Settled) {
        if let Some(inbox) = self.inbox.take() {
            inbox.push(Event::Settled { seq: self.seq, settled: Box::new(settled) });
        }
    }

    /// Settles as incomparable.
    pub fn incomparable(
        self,
        reason: Incomparable,
        generation: u64,
        build: Option<Arc<str>>,
        legs: PerLeg<Option<LegRecord>>,
    ) {
        let settled = Settled {
            id: self.id.clone(),
            route: self.route.clone(),
            generation,
            build,
            arrived: self.arrived,
            legs,
            result: Settlement::Incomparable(reason),
        };
        self.settle(settled);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(inbox) = self.inbox.take() {
            let settled = Settled {
                id: self.id.clone(),
                route: self.route.clone(),
                generation: u64::MAX,
                build: None,
                arrived: self.arrived,
                legs: PerLeg::default(),
                result: Settlement::Incomparable(Incomparable::CaptureLost),
            };
            inbox.push(Event::Settled { seq: self.seq, settled: Box::new(settled) });
        }
    }
}
