//! Wire hygiene: what a client sends over HTTP/1 is checked here, byte by byte, before anything else sees it.
//!
//! What one server forgives the next may read otherwise (two lengths, odd Host fields, bare line feeds), and a proxy
//! that forgives is a way to smuggle. The guard lets a request's head pass once it is whole and can be read in one way
//! only, then follows the body's framing to the next head. What is refused is never forwarded.
//!
//! - [`scan`] is the state machine: bytes in, "release so many" or a [`Refusal`] out; it knows no socket and no clock.
//! - [`target`] reads request targets, Host values and authorities.
//! - [`h2`] says the same of a decoded HTTP/2 request, whose framing the `h2` crate has checked already.
//!
//! The guard does not route, rewrite or normalise: bytes are passed unchanged or not at all.

mod h2;
mod scan;
mod target;

#[cfg(test)]
mod tests;

pub use h2::check_h2;
pub use scan::{ClientHead, Limits, Scanner, Step};
pub use target::is_host;

use std::sync::Arc;
use std::time::Duration;

/// Told of every refusal, once per connection at most.
pub type OnRefusal = Arc<dyn Fn(&Refusal) + Send + Sync>;

/// What the client connections of one listener have in common.
#[derive(Clone)]
pub struct GuardSettings {
    pub limits: Limits,
    /// For a head to be complete, from its first byte.
    pub header_timeout: Duration,
    /// Between two reads of a body.
    pub body_timeout: Duration,
    /// For the first byte of the next head.
    pub idle_timeout: Duration,
    /// How long to read and drop what a refused client still sends, so that the answer is not lost to a reset.
    pub linger: Duration,
    pub on_refusal: Option<OnRefusal>,
}

/// Why a request was not let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// 400, 408 or 431.
    pub status: u16,
    /// One of a fixed set of names in snake case, for counting.
    pub code: &'static str,
    /// What was wrong and where; never holds anything the client sent.
    pub detail: String,
}

impl Refusal {
    pub(crate) fn bad(code: &'static str, detail: impl Into<String>) -> Self {
        Refusal { status: 400, code, detail: detail.into() }
    }

    pub(crate) fn too_large(code: &'static str, detail: impl Into<String>) -> Self {
        Refusal { status: 431, code, detail: detail.into() }
    }

    pub(crate) fn late(code: &'static str, detail: impl Into<String>) -> Self {
        Refusal { status: 408, code, detail: detail.into() }
    }

    fn title(&self) -> &'static str {
        match self.status {
            408 => "Request Timeout",
            431 => "Request Header Fields Too Large",
            _ => "Bad Request",
        }
    }

    /// The problem document (RFC 9457). `detail` is plain ASCII of our own, so nothing in it needs escaping.
    pub fn problem(&self) -> String {
        let (title, status) = (self.title(), self.status);
        let detail: String = self.detail.chars().filter(|c| !matches!(c, '"' | '\\') && !c.is_control()).collect();
        format!(r#"{{"type":"about:blank","title":"{title}","status":{status},"detail":"{detail}"}}"#)
    }

    /// The whole HTTP/1.1 answer.
    pub fn answer(&self) -> Vec<u8> {
        let body = self.problem();
        format!(
            "HTTP/1.1 {} {}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            self.status,
            self.title(),
            body.len()
        )
        .into_bytes()
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Refusal {}

impl std::fmt::Debug for GuardSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuardSettings")
            .field("limits", &self.limits)
            .field("header_timeout", &self.header_timeout)
            .field("body_timeout", &self.body_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("linger", &self.linger)
            .finish_non_exhaustive()
    }
}
