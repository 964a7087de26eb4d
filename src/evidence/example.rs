//! An exchange kept for showing: redacted, bounded, text.

use crate::diff::Finding;
use crate::model::Timestamp;
use serde::{Deserialize, Serialize};

/// One exchange as it is stored and shown. Redacted before it is built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Example {
    pub id: String,
    pub at: Timestamp,
    pub request: ExampleMessage,
    pub primary: ExampleMessage,
    pub candidate: ExampleMessage,
    pub differences: Vec<Finding>,
}

/// A request or an answer as text, bounded. `start` is the request line, the status line, or the failure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ExampleMessage {
    pub start: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// Body bytes there were in all; more than `body` holds when it was cut.
    pub body_bytes: u64,
    /// Whether the body is not text and `body` is a hex dump of its beginning.
    pub binary: bool,
}
