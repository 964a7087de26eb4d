//! The promise of the primary's answer: kept when its body ends, or for a stream that need not end when the mirror has
//! waited long enough; what the client gets goes on all the same.

use super::{Passing, PrimaryOutcome, Progress, Recorder};
use crate::model::{Answer, BodyEnd, LegRecord, StatusClass};
use bytes::Bytes;
use http::HeaderMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// What it takes to tell the mirror of the primary's answer.
#[derive(Debug)]
pub struct Promise {
    pub recorder: Recorder,
    pub passing: Passing,
    /// The answer without its body.
    pub answer: Box<Answer>,
    pub record: LegRecord,
    pub due: Instant,
    pub sender: oneshot::Sender<PrimaryOutcome>,
}

/// A promise that two may keep, whoever comes first. One of them is the client's stream: the lock is held for no longer
/// than it takes to record a chunk.
#[derive(Debug, Clone)]
pub struct SharedPromise(Arc<Mutex<Option<Promise>>>);

/// What the mirror sees of the primary's answer while it is on its way. With it goes what was recorded of a stream: the
/// client may hold on to that for hours without another chunk.
#[derive(Debug)]
pub struct PrimaryHead {
    seen: AtomicBool,
    progress: Arc<Progress>,
    stream: OnceLock<SharedPromise>,
}

// === impl Promise ===

impl Promise {
    /// Whether anybody still waits for it.
    pub fn is_wanted(&self) -> bool {
        !self.sender.is_closed()
    }

    /// `beside_head` where the memory of the chunk is that of the answer's fields.
    pub fn push(&mut self, chunk: &Bytes, beside_head: bool) {
        self.recorder.take_and_lend(chunk, beside_head, self.passing.progress().tape());
        self.passing.pass(chunk.len());
    }

    pub fn keep(self, end: BodyEnd, trailers: Option<HeaderMap>) {
        let Promise { recorder, passing, mut answer, mut record, due, sender } = self;
        record.timing.last_byte = due.elapsed();
        if matches!(end, BodyEnd::Broken(_)) {
            record.class = StatusClass::Failed;
        }
        let (whole, status) = (end == BodyEnd::Complete, answer.status);
        answer.body = if end == BodyEnd::Open { recorder.so_far() } else { recorder.finish() };
        answer.trailers = trailers;
        answer.end = end;
        // The mirror may have given up on this exchange already.
        let _ = sender.send(PrimaryOutcome::Answered { answer, record });
        if whole {
            passing.whole(status);
        }
    }

    /// The client went away.
    pub fn abandon(self) {
        let _ = self.sender.send(PrimaryOutcome::ClientAborted);
    }
}

// === impl SharedPromise ===

impl SharedPromise {
    /// Records a chunk; false when there is nobody to record it for any more.
    pub fn push(&self, chunk: &Bytes) -> bool {
        let mut promise = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *promise {
            Some(wanted) if wanted.is_wanted() => wanted.push(chunk, false),
            _ => *promise = None,
        }
        promise.is_some()
    }

    /// The promise, for whoever asks first.
    pub fn take(&self) -> Option<Promise> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

// === impl PrimaryHead ===

impl PrimaryHead {
    pub fn new(passing: &Passing) -> Self {
        Self { seen: AtomicBool::new(false), progress: passing.progress().clone(), stream: OnceLock::new() }
    }

    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The head has come.
    pub fn set_seen(&self) {
        self.seen.store(true, Ordering::Relaxed);
    }

    /// The head has come, of an answer that need not end.
    pub fn set_stream(&self, promise: Promise) -> SharedPromise {
        let shared = SharedPromise(Arc::new(Mutex::new(Some(promise))));
        let _ = self.stream.set(shared.clone());
        self.set_seen();
        shared
    }

    pub fn is_seen(&self) -> bool {
        self.seen.load(Ordering::Relaxed)
    }

    /// Has a stream's promise kept with what there is by now; false where it is no stream, or its promise was kept
    /// before.
    pub fn cut(&self) -> bool {
        let promise = self.stream.get().and_then(SharedPromise::take);
        promise.map(|promise| promise.keep(BodyEnd::Open, None)).is_some()
    }
}

impl Drop for PrimaryHead {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.get() {
            drop(stream.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BodyEnd, Captured, Limit};

    #[test]
    fn with_the_mirror_gone_nothing_recorded_stays() {
        let (sender, receiver) = oneshot::channel();
        let limit = Limit::new(1 << 20);
        let answer = Box::new(Answer {
            status: http::StatusCode::OK,
            reason: Default::default(),
            headers: Default::default(),
            body: Captured::empty(),
            trailers: None,
            end: BodyEnd::Complete,
        });
        let record = LegRecord { class: StatusClass::Success, timing: Default::default() };
        let recorder = Recorder::new(1 << 20, limit.clone());
        let passing = Passing::default();
        let head = PrimaryHead::new(&passing);
        let stream = head.set_stream(Promise { recorder, passing, answer, record, due: Instant::now(), sender });
        assert!(stream.push(&Bytes::from_static(b"data: 1\n\n")) && limit.used() > 0);
        // The client's side of the stream stays, silent.
        drop((receiver, head));
        assert_eq!(limit.used(), 0);
        assert!(!stream.push(&Bytes::from_static(b"data: 2\n\n")));
    }
}
