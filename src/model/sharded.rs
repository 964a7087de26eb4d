//! One of something for each thread, so that two seldom meet.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Each thread has one of them, or shares it with few others.
#[derive(Debug)]
pub struct Sharded<T>(Box<[Mutex<T>]>);

// === impl Sharded ===

impl<T: Default> Sharded<T> {
    /// At least one.
    pub fn new(shards: usize) -> Self {
        Self((0..shards.max(1)).map(|_| Mutex::default()).collect())
    }
}

impl<T> Sharded<T> {
    /// Which of them is this thread's.
    pub fn index(&self) -> usize {
        thread_local!(static INDEX: usize = {
            static NEXT: AtomicUsize = AtomicUsize::new(0);
            NEXT.fetch_add(1, Ordering::Relaxed)
        });
        INDEX.with(|index| *index) % self.0.len()
    }

    /// The one of this number, below their count.
    pub fn lock(&self, index: usize) -> MutexGuard<'_, T> {
        lock(&self.0[index])
    }

    /// All of them, one after the other.
    pub fn each(&self) -> impl Iterator<Item = MutexGuard<'_, T>> {
        self.0.iter().map(lock)
    }
}

fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thread_keeps_to_its_own() {
        let shards = Sharded::<u32>::new(2);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| *shards.lock(shards.index()) += 1));
            }
        });
        assert_eq!(shards.each().map(|shard| *shard).sum::<u32>(), 4_000);
        let index = shards.index();
        assert!(index < 2 && (0..10).all(|_| shards.index() == index));
    }
}
