//! What is kept of an answer's body while it passes: shared chunks up to a cap and within a budget, past either a
//! running digest and the length. No size is left uncompared.
//!
//! A chunk shared with the stream keeps the whole buffer alive that it was read into, so small ones are copied
//! together: what is held is what the budget was charged for.

use crate::model::{Captured, Limit, Permit};
use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3Default;

/// Chunks smaller than this are copied, larger ones shared; and the largest buffer that they are copied into.
pub(super) const SHARED_FROM: usize = 4096;
/// The smallest.
const LEAST: usize = 64;

/// Records one body. Never fails, never waits.
pub struct Recorder {
    cap: usize,
    budget: Arc<Limit>,
    length: u64,
    kept: Kept,
    /// What was kept by the time it became a digest stays.
    keeps_beginning: bool,
}

enum Kept {
    Chunks(Chunks),
    Digest { hash: Box<Xxh3Default>, given_up: bool, beginning: Option<Chunks> },
}

/// Chunks, charged to a budget for the memory they hold.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    pub(super) done: SmallVec<[Bytes; 1]>,
    /// Small chunks copied together.
    pub(super) tail: BytesMut,
    permit: Option<Permit>,
}

// === impl Chunks ===

impl Chunks {
    /// Adds a chunk; false, and nothing added, when the budget has no room for it.
    pub(super) fn push(&mut self, chunk: &Bytes, budget: &Arc<Limit>) -> bool {
        if chunk.len() >= SHARED_FROM {
            return self.share(chunk, budget);
        }
        if self.tail.len() + chunk.len() > self.tail.capacity() {
            // Most small bodies come in one piece; one that drips takes larger and larger buffers.
            let room = (self.tail.capacity() * 2).clamp(LEAST, SHARED_FROM).max(chunk.len());
            if !self.charge(room, budget) {
                return false;
            }
            self.flush();
            self.tail = BytesMut::with_capacity(room);
        }
        self.tail.extend_from_slice(chunk);
        true
    }

    /// Adds a chunk as it is; false, and nothing added, when the budget has no room for it.
    fn share(&mut self, chunk: &Bytes, budget: &Arc<Limit>) -> bool {
        if !self.charge(chunk.len(), budget) {
            return false;
        }
        self.flush();
        self.done.push(chunk.clone());
        true
    }

    /// Ends the tail: it becomes a chunk like the others.
    pub(super) fn flush(&mut self) {
        if !self.tail.is_empty() {
            self.done.push(std::mem::take(&mut self.tail).freeze());
        }
    }

    fn into_captured(mut self) -> Captured {
        self.flush();
        Captured::whole(self.done, self.permit.map(Arc::new))
    }

    fn charge(&mut self, bytes: usize, budget: &Arc<Limit>) -> bool {
        match &mut self.permit {
            Some(permit) => permit.grow(bytes),
            none => {
                *none = budget.take(bytes);
                none.is_some()
            }
        }
    }
}

// === impl Recorder ===

impl Recorder {
    /// Keeps at most `cap` bytes whole, and only while `budget` has room.
    pub fn new(cap: usize, budget: Arc<Limit>) -> Self {
        Self { cap, budget, length: 0, kept: Kept::Chunks(Chunks::default()), keeps_beginning: false }
    }

    /// The body need not end: its beginning stays, whatever its size.
    pub fn keep_beginning(&mut self) {
        self.keeps_beginning = true;
    }

    /// Bytes of the body so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn push(&mut self, chunk: &Bytes) {
        self.take(chunk, false);
    }

    /// As [`Recorder::push`]; one that stands `beside_head`, in memory that is kept in any case, is not copied, however
    /// small.
    pub fn take(&mut self, chunk: &Bytes, beside_head: bool) {
        let keep = if beside_head { Chunks::share } else { Chunks::push };
        self.length += chunk.len() as u64;
        match &mut self.kept {
            Kept::Chunks(chunks) => {
                let small = self.length <= self.cap as u64;
                if small && keep(chunks, chunk, &self.budget) {
                    return;
                }
                let mut hash = Box::new(Xxh3Default::new());
                chunks.flush();
                chunks.done.iter().for_each(|c| hash.update(c));
                hash.update(chunk);
                // As much as the cap allows, and nothing where there was no room for that: a beginning that is shorter
                // for our own sake would look like a leg that sent less.
                let before = self.length - chunk.len() as u64;
                let fits = usize::try_from((self.cap as u64).saturating_sub(before)).unwrap_or(usize::MAX);
                let wanted = !small && self.keeps_beginning;
                let beginning = (wanted && chunks.push(&chunk.slice(..fits.min(chunk.len())), &self.budget))
                    .then(|| std::mem::take(chunks));
                self.kept = Kept::Digest { hash, given_up: small, beginning };
            }
            Kept::Digest { hash, given_up, .. } => {
                hash.update(chunk);
                // A body that is too large in any case was not given up for want of room.
                *given_up &= self.length <= self.cap as u64;
            }
        }
    }

    /// What has been kept of a body that goes on: all of it, or its beginning.
    pub fn so_far(self) -> Captured {
        match self.kept {
            Kept::Digest { beginning: Some(chunks), .. } => chunks.into_captured(),
            _ => self.finish(),
        }
    }

    pub fn finish(self) -> Captured {
        match self.kept {
            Kept::Chunks(chunks) => chunks.into_captured(),
            Kept::Digest { hash, given_up, .. } => {
                Captured::Digest { xxh3: hash.digest128(), length: self.length, given_up }
            }
        }
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("length", &self.length).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the cap, equality of bytes is known.
        #[test]
        fn equal_bytes_stay_equal_over_the_cap(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..12),
            cap in 0usize..200,
            budget in 0usize..9000,
        ) {
            let limit = Limit::new(budget);
            let mut capped = Recorder::new(cap, limit.clone());
            let mut whole = Recorder::new(usize::MAX, Limit::new(usize::MAX));
            for chunk in &chunks {
                capped.push(&Bytes::copy_from_slice(chunk));
                whole.push(&Bytes::copy_from_slice(chunk));
                prop_assert!(limit.used() <= budget);
            }
            let (capped, whole) = (capped.finish(), whole.finish());
            prop_assert!(capped.same_bytes(&whole));
            prop_assert!(!capped.given_up() || whole.len() <= cap as u64);
            drop(capped);
            prop_assert_eq!(limit.used(), 0);
        }
    }

    #[test]
    fn small_chunks_do_not_keep_large_buffers_alive() {
        let limit = Limit::new(1 << 20);
        let mut recorder = Recorder::new(1 << 20, limit.clone());
        let buffer = Bytes::from(vec![7; 64 * 1024]);
        for i in 0..10_000 {
            recorder.push(&buffer.slice(i..i + 1));
        }
        assert!(buffer.try_into_mut().is_ok(), "nothing holds on to it");
        assert!((10_000..10_000 + SHARED_FROM).contains(&limit.used()), "{}", limit.used());
        let Captured::Whole { chunks, length, .. } = recorder.finish() else { panic!("not kept") };
        assert!(length == 10_000 && chunks.len() < 10, "{length} in {}", chunks.len());
    }

    #[test]
    fn what_is_shared_is_not_copied() {
        let limit = Limit::new(1 << 20);
        let (kept, chunk) = (Bytes::from(vec![1; 100]), Bytes::from(vec![2; 100]));
        let mut recorder = Recorder::new(1 << 20, limit.clone());
        recorder.push(&chunk);
        recorder.take(&kept, true);
        assert_eq!(limit.used(), 200);
        let Captured::Whole { chunks, length, .. } = recorder.finish() else { panic!("not kept") };
        assert_eq!(length, 200);
        assert_eq!(chunks.iter().map(|c| c.as_ptr() == kept.as_ptr()).collect::<Vec<_>>(), [false, true]);
        let mut full = Recorder::new(1 << 20, Limit::new(50));
        full.take(&kept, true);
        assert!(full.finish().given_up());
    }

    #[test]
    fn a_small_body_takes_its_own_size() {
        let limit = Limit::new(1 << 20);
        let mut recorder = Recorder::new(1 << 20, limit.clone());
        recorder.push(&Bytes::from(vec![1; 1024]));
        assert_eq!(limit.used(), 1024);
        recorder.push(&Bytes::from(vec![1; 10]));
        assert_eq!(recorder.finish().len(), 1034);
        assert_eq!(limit.used(), 0);
    }

    #[test]
    fn of_a_body_that_goes_on_the_beginning_is_kept() {
        let of = |beginning: bool| {
            let limit = Limit::new(1 << 20);
            let mut recorder = Recorder::new(10_000, limit.clone());
            if beginning {
                recorder.keep_beginning();
            }
            for i in 0..10 {
                recorder.push(&Bytes::from(vec![i; 3_000]));
            }
            assert_eq!(limit.used() > 0, beginning);
            recorder
        };
        assert_eq!(of(true).so_far().contiguous().unwrap().len(), 10_000);
        assert!(of(true).finish().same_bytes(&of(false).finish()), "ended, it is compared whole");
        assert!(of(false).so_far().contiguous().is_none());
    }

    #[test]
    fn a_beginning_is_never_short_for_want_of_room() {
        for (budget, chunk, kept) in
            [(20_000, 3_000, Some(10_000)), (20_000, 64_000, Some(10_000)), (6_000, 3_000, None)]
        {
            let mut recorder = Recorder::new(10_000, Limit::new(budget));
            recorder.keep_beginning();
            (0..10).for_each(|i| recorder.push(&Bytes::from(vec![i; chunk])));
            assert_eq!(recorder.so_far().contiguous().map(|b| b.len()), kept, "{budget} {chunk}");
        }
    }

    #[test]
    fn want_of_room_is_told_from_size() {
        let of = |cap: usize, budget: usize| {
            let mut recorder = Recorder::new(cap, Limit::new(budget));
            recorder.push(&Bytes::from(vec![1; 10_000]));
            recorder.finish().given_up()
        };
        assert!(of(100_000, 5_000));
        assert!(!of(5_000, 100_000));
        assert!(!of(5_000, 5_000));
        assert!(!of(100_000, 100_000));
    }
}
