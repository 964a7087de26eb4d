//! The primary's body in memory, lent to the mirror legs: where theirs says the same, byte for byte, they keep the
//! primary's memory and let go of their own, which is used again while it is in the processor's caches.

use crate::model::Permit;
use bytes::Bytes;
use smallvec::SmallVec;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What has come of a body, from its first byte on, as far as it is kept in large chunks.
#[derive(Debug, Default)]
pub struct Tape(Mutex<Lent>);

/// The chunks that are lent.
pub(super) type Chunks = SmallVec<[Bytes; 1]>;

#[derive(Debug, Default)]
struct Lent {
    chunks: Chunks,
    length: u64,
    /// For the memory of all of them.
    permit: Option<Arc<Permit>>,
}

/// How a leg's chunk stands to what is lent.
#[derive(Debug)]
pub(super) enum Beside {
    /// It is the same bytes, which are here already, and charged.
    Same(Chunks, Arc<Permit>),
    /// The primary's do not reach as far.
    Ahead,
    Differs,
}

// === impl Tape ===

impl Tape {
    /// Lends a chunk that begins `at` this offset; one that does not follow on those before is of no use.
    pub(super) fn lend(&self, at: u64, chunk: &Bytes, permit: &Arc<Permit>) {
        let mut lent = self.lock();
        if lent.length == at {
            lent.length += chunk.len() as u64;
            lent.chunks.push(chunk.clone());
            lent.permit.get_or_insert_with(|| permit.clone());
        }
    }

    /// Nothing is kept of the body any more.
    pub(super) fn clear(&self) {
        *self.lock() = Lent { length: u64::MAX, ..Lent::default() };
    }

    /// Holds a chunk that begins `at` this offset against what is lent.
    pub(super) fn beside(&self, at: u64, chunk: &[u8]) -> Beside {
        let Some((same, permit)) = self.range(at, chunk.len() as u64) else { return Beside::Ahead };
        let mut rest = chunk;
        for part in &same {
            let (begin, more) = rest.split_at(part.len());
            if part[..] != *begin {
                return Beside::Differs;
            }
            rest = more;
        }
        Beside::Same(same, permit)
    }

    fn range(&self, at: u64, length: u64) -> Option<(Chunks, Arc<Permit>)> {
        let lent = self.lock();
        let end = at.checked_add(length).filter(|end| *end <= lent.length)?;
        let (mut parts, mut start) = (Chunks::new(), 0);
        for chunk in &lent.chunks {
            let next = start + chunk.len() as u64;
            if next > at && start < end {
                // Within a chunk, whose length is one of memory.
                parts.push(chunk.slice(at.saturating_sub(start) as usize..(end.min(next) - start) as usize));
            }
            start = next;
        }
        Some((parts, lent.permit.clone()?))
    }

    fn lock(&self) -> MutexGuard<'_, Lent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
