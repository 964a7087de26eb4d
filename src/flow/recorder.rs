//! What is kept of an answer's body while it passes: shared chunks up to a cap and within a budget, past either a
//! running digest and the length. No size is left uncompared.
//!
//! A chunk shared with the stream keeps the whole buffer alive that it was read into, so small ones are copied
//! together: what is held is what the budget was charged for.

use super::tape::{Beside, Tape};
use crate::http1::APART;
use crate::model::{Captured, Charge, Limit};
use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3Default;

/// Chunks smaller than this are copied, larger ones shared; and the largest buffer that they are copied into.
pub(super) const SHARED_FROM: usize = APART;
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
    /// It has differed from what was lent to it.
    differs: bool,
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
    charge: Charge,
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
        Captured::charged(self.done, self.charge)
    }

    fn charge(&mut self, bytes: usize, budget: &Arc<Limit>) -> bool {
        match &mut self.charge.own {
            Some(permit) => permit.grow(bytes),
            none => {
                *none = budget.take(bytes).map(Arc::new);
                none.is_some()
            }
        }
    }
}

// === impl Recorder ===

impl Recorder {
    /// Keeps at most `cap` bytes whole, and only while `budget` has room.
    pub fn new(cap: usize, budget: Arc<Limit>) -> Self {
        Self { cap, budget, length: 0, kept: Kept::Chunks(Chunks::default()), keeps_beginning: false, differs: false }
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

    /// As [`Recorder::take`], and lends the chunk to those who record beside it, as far as it stays.
    pub(super) fn take_and_lend(&mut self, chunk: &Bytes, beside_head: bool, tape: &Tape) {
        let at = self.length;
        self.take(chunk, beside_head);
        match &self.kept {
            Kept::Chunks(Chunks { charge: Charge { own: Some(permit), .. }, .. }) if chunk.len() >= SHARED_FROM => {
                tape.lend(at, chunk, permit);
            }
            Kept::Chunks(_) => {}
            Kept::Digest { .. } => tape.clear(),
        }
    }

    /// As [`Recorder::take`], but keeps what was lent where it is the same.
    pub fn take_beside(&mut self, chunk: &Bytes, beside_head: bool, tape: &Tape) {
        if let Kept::Chunks(chunks) = &mut self.kept
            && !self.differs
            && chunk.len() >= SHARED_FROM
            && self.length + chunk.len() as u64 <= self.cap as u64
        {
            match tape.beside(self.length, chunk) {
                Beside::Same(same, permit) => {
                    self.length += chunk.len() as u64;
                    chunks.flush();
                    chunks.done.extend(same);
                    chunks.charge.shared = Some(permit);
                    return;
                }
                Beside::Differs => self.differs = true,
                Beside::Ahead => {}
            }
        }
        match &self.kept {
            // It may be a part of memory of which the others were let go, and must not keep all of that.
            Kept::Chunks(Chunks { charge: Charge { shared: Some(_), .. }, .. }) if chunk.len() >= SHARED_FROM => {
                self.take(&Bytes::copy_from_slice(chunk), false);
            }
            _ => self.take(chunk, beside_head),
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

    /// A body in pieces of these lengths.
    fn pieces(body: &[u8], lengths: &[usize]) -> Vec<Bytes> {
        let (mut rest, mut pieces) = (body, Vec::new());
        for length in lengths.iter().cycle() {
            let (piece, more) = rest.split_at((*length).min(rest.len()));
            pieces.push(Bytes::copy_from_slice(piece));
            rest = more;
            if rest.is_empty() {
                return pieces;
            }
        }
        pieces
    }

    proptest! {
        /// Whoever is ahead, and wherever they differ, what is kept beside another body is what came, and nothing of it is
        /// kept without a charge.
        #[test]
        fn what_is_kept_beside_another_body_is_what_came(
            length in 0usize..60_000,
            lengths in [proptest::collection::vec(1usize..20_000, 1..4), proptest::collection::vec(1usize..20_000, 1..4)],
            differs in proptest::option::of(any::<prop::sample::Index>()),
            order in proptest::collection::vec(any::<bool>(), 0..20),
            cap in prop_oneof![Just(1usize << 20), 0usize..60_000],
            budget in prop_oneof![Just(1usize << 20), 0usize..120_000],
        ) {
            let body: Vec<u8> = (0..length).map(|i| (i / 7) as u8).collect();
            let mut other = body.clone();
            if let Some(at) = differs.filter(|_| length > 0) {
                other[at.index(length)] ^= 1;
            }
            let (limit, tape) = (Limit::new(budget), Tape::default());
            let mut recorders = [Recorder::new(cap, limit.clone()), Recorder::new(cap, limit.clone())];
            let mut left = [pieces(&body, &lengths[0]).into_iter(), pieces(&other, &lengths[1]).into_iter()];
            let mut order = order.into_iter().chain([true, false].into_iter().cycle());
            while left.iter().any(|left| left.len() > 0) {
                let first = order.next().unwrap();
                let Some(piece) = left[usize::from(!first)].next() else { continue };
                match first {
                    true => recorders[0].take_and_lend(&piece, false, &tape),
                    false => recorders[1].take_beside(&piece, false, &tape),
                }
                prop_assert!(limit.used() <= budget);
            }
            let [kept, beside] = recorders.map(Recorder::finish);
            prop_assert!(kept.same_bytes(&Captured::whole(vec![Bytes::from(body.clone())])));
            prop_assert!(beside.same_bytes(&Captured::whole(vec![Bytes::from(other.clone())])));
            prop_assert_eq!(kept.same_bytes(&beside), body == other);
            drop((kept, tape));
            let held = if let Captured::Whole { length, .. } = &beside { *length } else { 0 };
            prop_assert!(limit.used() as u64 >= held);
            drop(beside);
            prop_assert_eq!(limit.used(), 0);
        }
    }

    #[test]
    fn the_same_body_takes_memory_once() {
        let body = vec![7; 300_000];
        for (ahead, lengths) in
            [(false, [&[100_000][..], &[30_000][..]]), (false, [&[30_000], &[100_000]]), (true, [&[90_000], &[90_000]])]
        {
            let (limit, tape) = (Limit::new(1 << 20), Tape::default());
            let mut recorders = [0, 1].map(|_| Recorder::new(1 << 20, limit.clone()));
            let [lends, beside] = &mut recorders;
            let mut theirs = pieces(&body, lengths[1]).into_iter();
            if ahead {
                beside.take_beside(&theirs.next().unwrap(), false, &tape);
            }
            pieces(&body, lengths[0]).iter().for_each(|piece| lends.take_and_lend(piece, false, &tape));
            theirs.for_each(|piece| beside.take_beside(&piece, false, &tape));
            assert_eq!(limit.used(), 300_000 + if ahead { 90_000 } else { 0 });
            let [lends, beside] = recorders.map(Recorder::finish);
            drop((lends, tape));
            assert!(limit.used() >= 300_000, "who keeps the memory is charged for it");
            assert!(beside.same_bytes(&Captured::whole(vec![Bytes::from(body.clone())])));
            drop(beside);
            assert_eq!(limit.used(), 0);
        }
    }

    #[test]
    fn what_differs_behind_what_is_the_same_does_not_keep_the_memory_of_both() {
        let (limit, tape) = (Limit::new(1 << 20), Tape::default());
        let mut recorders = [0, 1].map(|_| Recorder::new(1 << 20, limit.clone()));
        let [lends, beside] = &mut recorders;
        lends.take_and_lend(&Bytes::from(vec![7; 60_000]), false, &tape);
        let mut read = vec![7; 60_000];
        read[59_999] = 8;
        let read = Bytes::from(read);
        beside.take_beside(&read.slice(..40_000), false, &tape);
        beside.take_beside(&read.slice(40_000..), false, &tape);
        assert_eq!(limit.used(), 80_000);
        assert!(read.try_into_mut().is_ok(), "nothing holds on to it");
    }

    #[test]
    fn what_is_not_kept_is_not_lent() {
        let (limit, tape) = (Limit::new(1 << 20), Tape::default());
        let mut recorders = [0, 1].map(|_| Recorder::new(50_000, limit.clone()));
        let [lends, beside] = &mut recorders;
        let chunk = Bytes::from(vec![7; 30_000]);
        lends.take_and_lend(&chunk, false, &tape);
        beside.take_beside(&chunk, false, &tape);
        assert_eq!(limit.used(), 30_000);
        for recorder in [lends, beside] {
            recorder.take_and_lend(&chunk, false, &tape);
        }
        assert_eq!(limit.used(), 0, "both have become digests");
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
