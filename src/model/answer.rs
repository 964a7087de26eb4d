//! What was asked, and what a leg did with it: a response or a failure, frozen when it is known.

use super::{Captured, Fields};
use http::{HeaderMap, Method, StatusCode, Uri, Version};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// A request as the legs got it, hop-by-hop fields removed and forwarding fields set.
#[derive(Debug, Clone)]
pub struct RequestHead {
    pub method: Method,
    /// Path and query, as sent.
    pub uri: Uri,
    /// The authority the client asked for (its Host), without scheme.
    pub host: Option<Arc<str>>,
    /// `http` or `https`, as the client connected.
    pub scheme: &'static str,
    pub headers: Fields,
}

/// How the body of an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyEnd {
    Complete,
    /// It was still going on, as a stream may, when its time for being compared was up. What had come by then is there.
    Open,
    /// The same, brought to as many events as are compared.
    Cut {
        events: u64,
    },
    /// The head came, the body did not come whole.
    Broken(Failure),
}

/// The phrase behind a status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Reason {
    /// HTTP/2 has none, and many servers send none.
    #[default]
    Absent,
    /// What the status is always followed by.
    Usual,
    Other(Arc<[u8]>),
}

impl Reason {
    /// The phrase of a message of this version; `unusual` where it is not the usual one.
    pub fn new(version: Version, unusual: Option<&[u8]>) -> Self {
        match unusual {
            Some([]) => Reason::Absent,
            Some(phrase) => Reason::Other(phrase.into()),
            None if version <= Version::HTTP_11 => Reason::Usual,
            None => Reason::Absent,
        }
    }

    /// As people read it; the usual one where there is none.
    pub fn text(&self, status: StatusCode) -> Cow<'_, str> {
        match self {
            Reason::Other(phrase) => String::from_utf8_lossy(phrase),
            Reason::Usual | Reason::Absent => Cow::Borrowed(status.canonical_reason().unwrap_or_default()),
        }
    }
}

/// A response whose head arrived.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub reason: Reason,
    pub headers: Fields,
    pub body: Captured,
    pub trailers: Option<HeaderMap>,
    pub end: BodyEnd,
}

/// How a leg failed its users. Each stands for the kind `transport.NAME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    Refused,
    Tls,
    /// No answer, or no end of it, in its time; or no end where the primary's was long past.
    Timeout,
    Reset,
    Protocol,
    /// A reused connection was closed before any byte of the head; tagged, never counted.
    IdleRace,
    /// The body ended before its declared length or last chunk.
    Truncated,
    LengthMismatch,
    BadFraming,
}

impl FailureKind {
    /// The name behind `transport.`.
    pub const fn as_str(self) -> &'static str {
        match self {
            FailureKind::Refused => "refused",
            FailureKind::Tls => "tls",
            FailureKind::Timeout => "timeout",
            FailureKind::Reset => "reset",
            FailureKind::Protocol => "protocol",
            FailureKind::IdleRace => "idle_race",
            FailureKind::Truncated => "truncated",
            FailureKind::LengthMismatch => "length_mismatch",
            FailureKind::BadFraming => "bad_framing",
        }
    }
}

/// A failure as data: what kind, and in a few words what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub kind: FailureKind,
    /// Lower case, completes "the leg failed: ...".
    pub detail: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind.as_str(), self.detail)
    }
}

impl std::error::Error for Failure {}

/// What a leg did with the request.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Boxed: it is passed on many times, and a box costs no more than two or three copies.
    Answer(Box<Answer>),
    Failed(Failure),
}

impl Outcome {
    /// The answer, where there is one.
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Outcome::Answer(answer) => Some(answer),
            Outcome::Failed(_) => None,
        }
    }

    /// The class under which reports count this outcome; a broken body counts as failed.
    pub fn class(&self) -> StatusClass {
        match self {
            Outcome::Answer(a) if !matches!(a.end, BodyEnd::Broken(_)) => StatusClass::of(a.status),
            Outcome::Answer(_) | Outcome::Failed(_) => StatusClass::Failed,
        }
    }
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Outcome::Answer(Box::new(answer))
    }
}

/// Status classes as reports count them. 1xx never ends an exchange, so it counts as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum StatusClass {
    #[serde(rename = "2xx")]
    Success,
    #[serde(rename = "3xx")]
    Redirect,
    #[serde(rename = "4xx")]
    ClientError,
    #[serde(rename = "5xx")]
    ServerError,
    #[serde(rename = "failed")]
    Failed,
}

impl StatusClass {
    pub const ALL: [StatusClass; 5] = [
        StatusClass::Success,
        StatusClass::Redirect,
        StatusClass::ClientError,
        StatusClass::ServerError,
        StatusClass::Failed,
    ];

    pub fn of(status: StatusCode) -> Self {
        match status.as_u16() / 100 {
            2 => StatusClass::Success,
            3 => StatusClass::Redirect,
            4 => StatusClass::ClientError,
            5 => StatusClass::ServerError,
            _ => StatusClass::Failed,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            StatusClass::Success => "2xx",
            StatusClass::Redirect => "3xx",
            StatusClass::ClientError => "4xx",
            StatusClass::ServerError => "5xx",
            StatusClass::Failed => "failed",
        }
    }
}

/// When things happened on one leg, measured from when its request was due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timing {
    /// Time spent waiting for its turn and connecting; zero when a pooled connection was there at once.
    pub connect: Duration,
    /// Until the head of the answer, connect time taken out. `None` when none came.
    pub first_byte: Option<Duration>,
    /// Until the last byte of the answer, or until the failure.
    pub last_byte: Duration,
}

/// What the evidence needs to know of one leg, whatever the comparison says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegRecord {
    pub class: StatusClass,
    pub timing: Timing,
}
