//! Pairs that wait to be compared by the thread that has them, several in a row.
//!
//! Comparing is much code that serving does not run, so at a low rate a single comparison waits for most of it to come
//! into the caches: that takes longer than comparing does.
//!
//! They wait for no more than two ticks, and a tick is only waited for while there are some.

use crate::model::Sharded;
use std::mem::{replace, take};
use std::time::Duration;

/// Pieces that are done in a row. More would hardly save more, and whoever is ready to be served waits for all of them.
pub(super) const BATCH: usize = 8;
/// How long a batch waits for its rest, at least; at most twice as long.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// What each thread has gathered.
#[derive(Debug)]
pub(super) struct Batches<T>(Sharded<Batch<T>>);

#[derive(Debug)]
struct Batch<T> {
    pieces: Vec<T>,
    /// Somebody waits for the next tick.
    ticking: bool,
    /// Begun since the last tick.
    fresh: bool,
}

/// What to do once a piece is in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Added<T> {
    Wait,
    /// Call [`Batches::tick`] for this batch once in each [`TICK`] until it ends.
    Tick(usize),
    Do(Vec<T>),
}

/// What to do at a tick.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ticked<T> {
    Do(Vec<T>),
    /// There is nothing to wait for: no more ticks.
    End,
}

// === impl Batches ===

impl<T> Batches<T> {
    /// For so many threads.
    pub(super) fn new(threads: usize) -> Self {
        Self(Sharded::new(threads))
    }

    /// Adds a piece to this thread's batch.
    pub(super) fn add(&self, piece: T, urgent: bool) -> Added<T> {
        let index = self.0.index();
        let mut batch = self.0.lock(index);
        batch.fresh |= batch.pieces.is_empty();
        batch.pieces.push(piece);
        if urgent || batch.pieces.len() >= BATCH {
            return Added::Do(replace(&mut batch.pieces, Vec::with_capacity(BATCH)));
        }
        if replace(&mut batch.ticking, true) { Added::Wait } else { Added::Tick(index) }
    }

    /// What has waited for at least a tick; nothing yet where it is younger.
    pub(super) fn tick(&self, index: usize) -> Ticked<T> {
        let mut batch = self.0.lock(index);
        if batch.pieces.is_empty() {
            batch.ticking = false;
            return Ticked::End;
        }
        if take(&mut batch.fresh) { Ticked::Do(Vec::new()) } else { Ticked::Do(take(&mut batch.pieces)) }
    }

    /// All that waits anywhere.
    pub(super) fn drain(&self) -> Vec<T> {
        self.0.each().flat_map(|mut batch| take(&mut batch.pieces)).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.0.each().map(|batch| batch.pieces.len()).sum()
    }
}

// === impl Batch ===

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self { pieces: Vec::new(), ticking: false, fresh: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_done_when_it_is_full_or_two_ticks_old() {
        let batches = Batches::new(1);
        let index = match batches.add(1, false) {
            Added::Tick(index) => index,
            other => panic!("{other:?}"),
        };
        assert_eq!(batches.add(2, false), Added::Wait, "somebody ticks");
        assert_eq!(batches.tick(index), Ticked::Do(vec![]), "it may have begun a moment ago");
        assert_eq!((batches.tick(index), batches.len()), (Ticked::Do(vec![1, 2]), 0));
        for n in 1..BATCH {
            assert_eq!(batches.add(n, false), Added::Wait);
        }
        let Added::Do(all) = batches.add(BATCH, false) else { panic!("it is full") };
        assert_eq!(all, (1..=BATCH).collect::<Vec<_>>());
        assert_eq!((batches.tick(index), batches.tick(index)), (Ticked::End, Ticked::End));
        assert_eq!(batches.add(7, false), Added::Tick(index), "nobody ticks any more");
        assert_eq!(batches.add(8, true), Added::Do(vec![7, 8]), "what is urgent waits for nobody");
        batches.add(9, false);
        assert_eq!((batches.drain(), batches.len()), (vec![9], 0));
    }
}
