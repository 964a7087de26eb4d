//! What a comparison needs to know beside the two answers.

use super::coding::Limits;
use super::rules::RouteRules;
use crate::model::{Leg, PerLeg, RequestHead, Timestamp};
use http::HeaderName;
use std::fmt;
use std::time::Duration;

/// The request, the rules, and what is known of the legs.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub request: &'a RequestHead,
    pub rules: &'a RouteRules,
    /// `scheme://host[:port]` of each leg, mapped to one word where an answer names its own.
    pub origins: &'a PerLeg<Option<String>>,
    /// The leg compared with the primary.
    pub other: Leg,
    /// When the request came, where that is known: what is said of time by an answer without a Date is understood from
    /// then on.
    pub arrived: Option<Timestamp>,
    /// Between the moments at which the two were asked.
    pub skew: Duration,
    /// Headers never compared: the one in which the candidate names its build.
    pub skip_headers: &'a [HeaderName],
    pub limits: Limits,
    /// Whether the time for this comparison is up.
    pub expired: &'a dyn Fn() -> bool,
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("request", self.request).field("other", &self.other).finish_non_exhaustive()
    }
}
