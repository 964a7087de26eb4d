//! What is kept of an answer's body while it passes: shared chunks up to a cap and within a budget, past either a
//! running digest and the length. No size is left uncompared.

use crate::model::{Captured, Limit, Permit};
use bytes::Bytes;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3Default;

/// Records one body. Never fails, never waits.
pub struct Recorder {
    cap: usize,
    budget: Arc<Limit>,
    length: u64,
    kept: Kept,
}

enum Kept {
    Chunks { chunks: Vec<Bytes>, permit: Option<Permit> },
    Digest(Box<Xxh3Default>),
}

// === impl Recorder ===

impl Recorder {
    /// Keeps at most `cap` bytes whole, and only while `budget` has room.
    pub fn new(cap: usize, budget: Arc<Limit>) -> Self {
        Self { cap, budget, length: 0, kept: Kept::Chunks { chunks: Vec::new(), permit: None } }
    }

    pub fn push(&mut self, chunk: &Bytes) {
        self.length += chunk.len() as u64;
        match &mut self.kept {
            Kept::Chunks { chunks, permit } => {
                let within = self.length <= self.cap as u64
                    && match permit {
                        Some(permit) => permit.grow(chunk.len()),
                        none => {
                            *none = self.budget.take(chunk.len());
                            none.is_some()
                        }
                    };
                if within {
                    chunks.push(chunk.clone());
                } else {
                    let mut hash = Box::new(Xxh3Default::new());
                    chunks.iter().for_each(|c| hash.update(c));
                    hash.update(chunk);
                    self.kept = Kept::Digest(hash);
                }
            }
            Kept::Digest(hash) => hash.update(chunk),
        }
    }

    pub fn finish(self) -> Captured {
        match self.kept {
            Kept::Chunks { chunks, permit } => Captured::whole(chunks, permit.map(Arc::new)),
            Kept::Digest(hash) => Captured::Digest { xxh3: hash.digest128(), length: self.length },
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
            budget in 0usize..200,
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
            drop(capped);
            prop_assert_eq!(limit.used(), 0);
        }
    }
}
