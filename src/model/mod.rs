//! The words of the house: what a leg is, what it was asked, what it answered.
//!
//! Plain data without I/O. Every other room speaks in these types; this room knows no other.

mod answer;
mod captured;
mod fields;
mod latencies;
mod limit;
mod method;
mod notice;
mod reasons;
mod sharded;
mod spelling;
mod stream;
mod time;

pub use answer::{Answer, BodyEnd, Failure, FailureKind, LegRecord, Outcome, Reason, RequestHead, StatusClass, Timing};
pub use captured::{Captured, Charge};
pub use fields::{Fields, NameHints, Names};
pub use latencies::{BOUNDS, Latencies};
pub use limit::{Limit, Permit};
pub use method::is_read_only;
pub use notice::{Notice, Severity};
pub use reasons::{Bucket, Incomparable};
pub use sharded::Sharded;
pub use spelling::Spelling;
pub use stream::Stream;
pub use time::{Moment, Timestamp};

use serde::{Deserialize, Serialize};

/// One of the up to three systems that are asked the same question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Leg {
    Primary,
    Candidate,
    Control,
}

impl Leg {
    pub const ALL: [Leg; 3] = [Leg::Primary, Leg::Candidate, Leg::Control];

    /// The leg's name as flags, JSON, metrics and logs spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Leg::Primary => "primary",
            Leg::Candidate => "candidate",
            Leg::Control => "control",
        }
    }
}

impl std::fmt::Display for Leg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a text can be the label of a candidate's build. A header's value has no white space around it, so one that has
/// would never be met.
pub fn is_build_label(text: &str) -> bool {
    !text.is_empty() && text.len() <= 256 && text.trim() == text && !text.chars().any(char::is_control)
}

/// One value for each leg.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerLeg<T> {
    pub primary: T,
    pub candidate: T,
    pub control: T,
}

impl<T> PerLeg<T> {
    pub fn get(&self, leg: Leg) -> &T {
        match leg {
            Leg::Primary => &self.primary,
            Leg::Candidate => &self.candidate,
            Leg::Control => &self.control,
        }
    }

    pub fn get_mut(&mut self, leg: Leg) -> &mut T {
        match leg {
            Leg::Primary => &mut self.primary,
            Leg::Candidate => &mut self.candidate,
            Leg::Control => &mut self.control,
        }
    }

    /// The legs in their fixed order, each with its value.
    pub fn iter(&self) -> impl Iterator<Item = (Leg, &T)> {
        Leg::ALL.into_iter().map(|leg| (leg, self.get(leg)))
    }
}
