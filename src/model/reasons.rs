//! Why a request was not mirrored, and why a mirrored one could not be judged.
//!
//! Every request ends in exactly one place: one of these, or compared.

use serde::{Deserialize, Serialize};

/// Why a request was not mirrored. Declared in order of precedence: where several apply, the first is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bucket {
    Upgrade,
    Loop,
    Disabled,
    Method,
    SampledOut,
    BreakerOpen,
    RateLimited,
    Shed,
}

impl Bucket {
    pub const ALL: [Bucket; 8] = [
        Bucket::Upgrade,
        Bucket::Loop,
        Bucket::Disabled,
        Bucket::Method,
        Bucket::SampledOut,
        Bucket::BreakerOpen,
        Bucket::RateLimited,
        Bucket::Shed,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Bucket::Upgrade => "upgrade",
            Bucket::Loop => "loop",
            Bucket::Disabled => "disabled",
            Bucket::Method => "method",
            Bucket::SampledOut => "sampled_out",
            Bucket::BreakerOpen => "breaker_open",
            Bucket::RateLimited => "rate_limited",
            Bucket::Shed => "shed",
        }
    }
}

/// Why a mirrored exchange could not be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Incomparable {
    /// The client went away before it had the whole answer.
    ClientAborted,
    /// The primary gave no answer, or a broken one: there is nothing to compare with.
    PrimaryFailed,
    /// The primary answered 304 to a validator that mirror legs are not sent.
    Conditional,
    /// The request body was larger than what is kept for the mirror legs, or bytes had to be given up; or the primary
    /// answered without the rest of it, and the candidate would not.
    CaptureLost,
    /// A limit on nodes, depth or time was hit while comparing.
    Budget,
    /// The proxy was stopped before the exchange was settled.
    Shutdown,
}

impl Incomparable {
    pub const ALL: [Incomparable; 6] = [
        Incomparable::ClientAborted,
        Incomparable::PrimaryFailed,
        Incomparable::Conditional,
        Incomparable::CaptureLost,
        Incomparable::Budget,
        Incomparable::Shutdown,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Incomparable::ClientAborted => "client_aborted",
            Incomparable::PrimaryFailed => "primary_failed",
            Incomparable::Conditional => "conditional",
            Incomparable::CaptureLost => "capture_lost",
            Incomparable::Budget => "budget",
            Incomparable::Shutdown => "shutdown",
        }
    }
}
