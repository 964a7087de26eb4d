//! One place where two answers disagree: where, what kind, how bad, and what excuses it.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How much a finding matters. `Break`, `Value` and `Order` count against the candidate; the rest is only shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    Break,
    Value,
    Order,
    Repr,
    Info,
}

impl Tier {
    pub const fn as_str(self) -> &'static str {
        match self {
            Tier::Break => "break",
            Tier::Value => "value",
            Tier::Order => "order",
            Tier::Repr => "repr",
            Tier::Info => "info",
        }
    }

    /// Whether an unexcused finding of this tier makes an exchange divergent.
    pub const fn counts(self) -> bool {
        matches!(self, Tier::Break | Tier::Value | Tier::Order)
    }
}

/// What a rule or the data's own shape says in a finding's defence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cover {
    /// A rule of the configuration, by id.
    Rule(Arc<str>),
}

/// One difference between the primary's answer and another leg's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The kind as reports print it, e.g. `json.value`, `header.missing`.
    pub kind: Arc<str>,
    pub tier: Tier,
    /// Where, with `[*]` for array positions and `.*` for keys that look like ids; can be pasted into a rule.
    pub location: Arc<str>,
    /// Where exactly in this exchange, e.g. `json:$.a[3].b`.
    pub exact: Arc<str>,
    /// What stood on the primary's side: a JSON type, a sub-class of the difference, a status. Part of the fingerprint.
    pub primary_class: Arc<str>,
    pub candidate_class: Arc<str>,
    /// The shape of each value (`uuid`, `number`, `rfc3339`, ...), for judging noise; `None` where a side has no value.
    pub primary_shape: Option<Arc<str>>,
    pub candidate_shape: Option<Arc<str>>,
    /// Bounded excerpts of the two values, as text; `None` where a side has none.
    pub primary: Option<String>,
    pub candidate: Option<String>,
    /// The rule that covers it, where one does.
    pub cover: Option<Cover>,
    /// A later layer's finding beneath one that owns the exchange: shown, never counted.
    pub secondary: bool,
}

impl Finding {
    /// Whether it counts before noise is considered: tier counts, no rule covers it, no earlier layer owns it.
    pub fn counts(&self) -> bool {
        self.tier.counts() && self.cover.is_none() && !self.secondary
    }
}

/// What comparing one leg with the primary gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Findings {
    /// At most `MAX_FINDINGS`, in the order in which they were met.
    pub list: Vec<Finding>,
    /// How many more there were.
    pub dropped: u64,
    /// Set when a limit on work was hit and nothing of tier break or value had been found by then.
    pub budget: Option<Arc<str>>,
}

/// Findings kept per comparison; beyond it they are only counted.
pub const MAX_FINDINGS: usize = 64;

impl Findings {
    /// Nothing differs at all and nothing was left uncompared.
    pub fn is_match(&self) -> bool {
        self.list.is_empty() && self.dropped == 0 && self.budget.is_none()
    }

    pub fn push(&mut self, finding: Finding) {
        if self.list.len() < MAX_FINDINGS {
            self.list.push(finding);
        } else {
            self.dropped += 1;
        }
    }
}
