//! Where primary and candidate are: what was compared the one way round proves nothing the other way round.

use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The URLs of both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    pub primary: Arc<str>,
    pub candidate: Arc<str>,
}

/// A candidate that was to be found elsewhere from then on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    pub at: Timestamp,
    pub from: Arc<str>,
    pub to: Arc<str>,
}

/// What a change of places came to. Shown, it is a line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relocated {
    /// One of both is where the other was: an epoch began.
    Exchanged,
    /// The candidate is elsewhere, and may be the same: its evidence goes on.
    Moved(Move),
}

impl Places {
    /// Whether one of both is where the other was before.
    pub(super) fn exchanged(&self, before: &Places) -> bool {
        self != before && (self.primary == before.candidate || self.candidate == before.primary)
    }
}

impl std::fmt::Display for Relocated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Relocated::Exchanged => f.write_str(
                "primary and candidate have exchanged places, or one took the other's: an epoch has begun, what was compared \
                 until now is history",
            ),
            Relocated::Moved(Move { from, to, .. }) => write!(
                f,
                "the candidate has moved from {from} to {to}: its evidence goes on. If it is another build, begin an epoch \
                 (POST /api/v1/epoch) or let its answers name it (candidate.build_header)"
            ),
        }
    }
}
