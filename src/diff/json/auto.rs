//! What `align = "auto"` has learnt: which member identifies the elements of which array, never from one answer alone.
//!
//! Kept with the compiled rules, so that it starts over with them; it is not evidence and is not stored.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Exchanges in which a member has to identify the elements before it is used.
pub const CONFIRMATIONS: u32 = 20;

/// Arrays that are remembered; of more nothing is learnt.
const MAX_ARRAYS: usize = 1024;
/// Bytes of a location that is remembered.
const MAX_LOCATION: usize = 512;

/// A key that `align = "auto"` has found for one array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InferredKey {
    pub route: Arc<str>,
    pub location: String,
    pub member: String,
    /// Exchanges in which it identified the elements; counted up to [`CONFIRMATIONS`].
    pub confirmations: u32,
}

/// What was learnt on all routes.
#[derive(Debug, Default)]
pub(in crate::diff) struct Learnt(Mutex<BTreeMap<(Arc<str>, String), InferredKey>>);

/// The same for one route.
#[derive(Debug, Clone)]
pub(in crate::diff) struct AutoKeys {
    route: Arc<str>,
    learnt: Arc<Learnt>,
}

// === impl InferredKey ===

impl InferredKey {
    pub fn in_use(&self) -> bool {
        self.confirmations >= CONFIRMATIONS
    }
}

// === impl Learnt ===

impl Learnt {
    pub(in crate::diff) fn all(&self) -> Vec<InferredKey> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Arc<str>, String), InferredKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl AutoKeys ===

impl AutoKeys {
    pub(in crate::diff) fn new(route: &str, learnt: &Arc<Learnt>) -> Self {
        Self { route: route.into(), learnt: learnt.clone() }
    }

    pub(super) fn of(&self, location: &str) -> Option<InferredKey> {
        self.learnt.lock().get(&self.place(location)).cloned()
    }

    /// Notes that a member identified the elements of an array. Another one than before starts over; the arrays that
    /// one exchange has at this location confirm it once.
    pub(super) fn confirm(&self, location: &str, member: &str, first_of_exchange: bool) {
        if location.len() > MAX_LOCATION || member.len() > MAX_LOCATION {
            return;
        }
        let (place, mut learnt) = (self.place(location), self.learnt.lock());
        if learnt.len() >= MAX_ARRAYS && !learnt.contains_key(&place) {
            return;
        }
        let key = learnt.entry(place).or_insert_with(|| InferredKey {
            route: self.route.clone(),
            location: location.to_owned(),
            member: member.to_owned(),
            confirmations: 0,
        });
        if key.member != member {
            (key.member, key.confirmations) = (member.to_owned(), 1);
        } else if first_of_exchange {
            key.confirmations = (key.confirmations + 1).min(CONFIRMATIONS);
        }
    }

    /// Forgets a key that does not tell the elements apart.
    pub(super) fn forget(&self, location: &str) {
        self.learnt.lock().remove(&self.place(location));
    }

    fn place(&self, location: &str) -> (Arc<str>, String) {
        (self.route.clone(), location.to_owned())
    }
}
