//! The wish to ask again, should an exchange turn out to be divergent. Whether it is, only the ledger knows.

use crate::evidence::Diverged;
use crate::model::{Limit, Permit};
use std::fmt;
use std::sync::Arc;

/// Goes with an exchange until it is counted; without a word when nobody asks again.
pub struct Again {
    /// Those that may wait at once.
    places: Arc<Limit>,
    place: Option<Permit>,
    ask: Box<dyn FnOnce(Diverged, Permit) + Send>,
}

// === impl Again ===

impl Again {
    /// `ask` is called by the ledger: it must not wait.
    pub fn new(places: Arc<Limit>, ask: impl FnOnce(Diverged, Permit) + Send + 'static) -> Self {
        Self { places, place: None, ask: Box::new(ask) }
    }

    /// Takes a place among those that wait; none where there are too many.
    pub(super) fn reserve(mut self) -> Option<Self> {
        self.place = Some(self.places.take(1)?);
        Some(self)
    }

    /// It was divergent: have it asked again.
    pub fn ask(self, diverged: Diverged) {
        if let Some(place) = self.place {
            (self.ask)(diverged, place);
        }
    }
}

impl fmt::Debug for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Again").field("place", &self.place).finish_non_exhaustive()
    }
}
