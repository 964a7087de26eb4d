//! What of an epoch has to be kept anew.

use std::collections::BTreeSet;
use std::sync::Arc;

/// What changed since the epoch was last kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dirt {
    /// Routes whose numbers changed.
    pub routes: BTreeSet<Arc<str>>,
    /// Those of them whose divergences or volatile places changed too.
    pub tables: BTreeSet<Arc<str>>,
    /// Routes of which everything kept before is void.
    pub cleared: BTreeSet<Arc<str>>,
    /// The epoch itself changed.
    pub epoch: bool,
}

impl Dirt {
    pub fn is_clean(&self) -> bool {
        self.routes.is_empty() && self.cleared.is_empty() && !self.epoch
    }

    pub(super) fn touch(&mut self, route: &Arc<str>) {
        self.routes.insert(route.clone());
        self.epoch = true;
    }

    /// Its numbers changed, and its divergences or volatile places.
    pub(super) fn touch_tables(&mut self, route: &Arc<str>) {
        self.touch(route);
        self.tables.insert(route.clone());
    }
}
