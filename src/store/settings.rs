//! `[store]`, checked.

use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// The folder; the evidence is the file `evidence.redb` in it.
    pub path: PathBuf,
    pub keep_examples: usize,
    /// Older epochs are forgotten after this.
    pub keep_for: Duration,
    /// Bytes; beyond it the oldest examples go first.
    pub max_size: u64,
}
