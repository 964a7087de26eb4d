//! Whether divergences never seen before still turn up: one count over all routes of an epoch.
//!
//! - An exchange is new where one of the divergences that count in it has not counted in the epoch before. What is
//!   remembered is the table of divergences, so one that found no place there is new every time: too strict at
//!   worst, never too kind.
//! - A route that starts afresh under other rules may show what was excused before, so all of it starts afresh.

use crate::stats::Unseen;
use serde::{Deserialize, Serialize};

/// New and known exchanges, in order of arrival.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kinds {
    pub unseen: Unseen,
    /// Exchanges since the last one that was new; all of them where none was.
    pub quiet: u64,
}

// === impl Kinds ===

impl Kinds {
    pub(super) fn observe(&mut self, new: bool) {
        self.unseen.observe(new);
        self.quiet = if new { 0 } else { self.quiet + 1 };
    }

    /// Of two runs over like traffic the longer stands. They depend on the order of arrival and do not add; but what
    /// neither has seen is no more likely than what the one has not.
    pub(super) fn merge(&mut self, other: &Kinds) {
        let key = |k: &Kinds| (k.unseen.n(), k.unseen.new_kinds(), std::cmp::Reverse(k.quiet));
        if key(other) > key(self) {
            *self = other.clone();
        }
    }

    /// Whether the numbers fit each other; what was kept may not.
    pub fn is_sound(&self) -> bool {
        self.unseen.is_sound() && self.quiet <= self.unseen.n()
    }
}
