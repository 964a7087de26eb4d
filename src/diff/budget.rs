//! How much work one comparison may cost: nodes, depth, alignment and time, counted in one place.
//!
//! It reads no clock: whether time is up is a question asked of the caller, about every thousand nodes.

use std::fmt;

/// JSON nodes looked at per exchange, both sides together.
pub const MAX_NODES: usize = 2_000_000;
/// Nesting a body may have.
pub const MAX_DEPTH: usize = 256;
/// Insertions and deletions an alignment of two arrays may need before it falls back to positions.
pub const MAX_ALIGNMENT: usize = 256;

/// Nodes between two looks at the clock.
const POLL: usize = 1024;

/// What is left of the work a comparison may do.
pub struct Budget<'a> {
    pub nodes: usize,
    pub depth: usize,
    pub alignment: usize,
    /// Whether the time is up.
    pub expired: &'a dyn Fn() -> bool,
    until_poll: usize,
}

/// A limit that was hit, by name: `nodes`, `depth`, `time` or `size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("limit on {0} reached")]
pub struct Spent(pub &'static str);

// === impl Budget ===

impl<'a> Budget<'a> {
    /// The usual limits, with `expired` telling whether the time is up.
    pub fn new(expired: &'a dyn Fn() -> bool) -> Self {
        Self { nodes: MAX_NODES, depth: MAX_DEPTH, alignment: MAX_ALIGNMENT, expired, until_poll: POLL }
    }

    /// Takes `n` nodes; an error once they or the time are used up, and from then on for good.
    pub fn spend(&mut self, n: usize) -> Result<(), Spent> {
        match self.nodes.checked_sub(n) {
            Some(left) => self.nodes = left,
            None => {
                self.nodes = 0;
                return Err(Spent("nodes"));
            }
        }
        self.tick(n)
    }

    /// Counts `n` steps of work that are no nodes towards the next look at the clock.
    pub fn tick(&mut self, n: usize) -> Result<(), Spent> {
        match self.until_poll.checked_sub(n) {
            Some(left) => self.until_poll = left,
            None => {
                self.until_poll = POLL;
                if (self.expired)() {
                    return Err(Spent("time"));
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Budget<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("nodes", &self.nodes)
            .field("depth", &self.depth)
            .field("alignment", &self.alignment)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_run_out_and_stay_out() {
        let never = || false;
        let mut budget = Budget::new(&never);
        budget.nodes = 3;
        assert_eq!(budget.spend(2), Ok(()));
        assert_eq!(budget.spend(2), Err(Spent("nodes")));
        assert_eq!(budget.spend(1), Err(Spent("nodes")));
    }

    #[test]
    fn the_clock_is_asked_now_and_then() {
        let asked = std::cell::Cell::new(0);
        let expired = || {
            asked.set(asked.get() + 1);
            asked.get() == 3
        };
        let mut budget = Budget::new(&expired);
        let spent = (0..10 * POLL).take_while(|_| budget.spend(1).is_ok()).count();
        assert_eq!(asked.get(), 3);
        assert!((2 * POLL..4 * POLL).contains(&spent), "{spent}");
    }
}
