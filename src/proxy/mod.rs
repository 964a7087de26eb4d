//! The data plane: accept, check the wire, route, forward, capture beside the stream.
//!
//! It knows nothing of differences, evidence or verdicts.

mod answers;
mod body;
mod busy;
mod connection;
mod counters;
pub mod guard;
mod headers;
mod http1;
mod message;
mod server;
mod service;
mod settings;
mod tunnel;
mod workers;

pub use counters::Counters;
pub use server::Server;
pub use service::{ExchangeIds, Gateway, Live};
pub use settings::ListenSettings;
pub use workers::Workers;
