//! Budgets: a count of something that may exist at once, and the permits that hold a share of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of things that may exist at once; taking beyond it fails, never waits.
#[derive(Debug)]
pub struct Limit {
    used: AtomicUsize,
    max: AtomicUsize,
}

impl Limit {
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), max: AtomicUsize::new(max) })
    }

    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    pub fn max(&self) -> usize {
        self.max.load(Ordering::Relaxed)
    }

    /// Changes the limit; what is over it already stays until dropped.
    pub fn set_max(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    /// Takes `n`, or nothing.
    pub fn take(self: &Arc<Self>, n: usize) -> Option<Permit> {
        let before = self.used.fetch_add(n, Ordering::Relaxed);
        if before.saturating_add(n) > self.max() {
            self.used.fetch_sub(n, Ordering::Relaxed);
            return None;
        }
        Some(Permit { limit: self.clone(), n: AtomicUsize::new(n) })
    }
}

/// What was taken from a [`Limit`]; given back on drop.
#[derive(Debug)]
pub struct Permit {
    limit: Arc<Limit>,
    n: AtomicUsize,
}

impl Permit {
    /// Takes `n` more into the same permit; false, and nothing taken, when the limit is reached.
    pub fn grow(&self, n: usize) -> bool {
        match self.limit.take(n) {
            Some(mut more) => {
                self.n.fetch_add(std::mem::take(more.n.get_mut()), Ordering::Relaxed);
                true
            }
            None => false,
        }
    }

    /// Whether more than half of the limit is used.
    pub fn is_scarce(&self) -> bool {
        self.limit.used() > self.limit.max() / 2
    }

    /// How much it holds.
    pub fn held(&self) -> usize {
        self.n.load(Ordering::Relaxed)
    }

    /// Gives back all but nothing: the permit stays, empty.
    pub fn release(&mut self) {
        self.limit.used.fetch_sub(std::mem::take(self.n.get_mut()), Ordering::Relaxed);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.release();
    }
}
