//! Talking to a leg: connections, their pools, TLS, and failures as data.

mod hop;
mod settings;

pub use hop::strip_hop_by_hop;
pub use settings::{LegSettings, Scheme};
