//! The data plane: accept, check the wire, route, forward, capture beside the stream.
//!
//! It knows nothing of differences, evidence or verdicts.

pub mod guard;
mod settings;

pub use settings::ListenSettings;
