//! The rules that evidence was gathered under.

use crate::diff::RuleInfo;
use std::sync::Arc;

/// Rules as far as evidence knows them: digests, and which generation of the configuration they are.
#[derive(Clone)]
pub struct Rules {
    /// Grows with every change of rules within a process; what is compared carries it.
    pub generation: u64,
    /// Of all rules together.
    pub digest: String,
    /// What they are, for whoever asks without a configuration.
    pub infos: Arc<[RuleInfo]>,
    /// Of the rules that apply to a route, by its name.
    pub route: Arc<dyn Fn(&str) -> String + Send + Sync>,
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules").field("generation", &self.generation).field("digest", &self.digest).finish()
    }
}
