//! Talking to a leg: connections, their pools, TLS, and failures as data.

mod settings;

pub use settings::{LegSettings, Scheme};
