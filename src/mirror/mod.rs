//! The other legs: who is mirrored, within which budgets, and what they answered.
//!
//! Nothing outside this room ever waits for the candidate.

mod settings;

pub use settings::{MirrorSettings, SampleBy, Start};
