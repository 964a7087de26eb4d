//! Rules as the configuration states them, before they are compiled.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One `[[rule]]`. Which combinations make sense is checked when it is compiled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RuleSpec {
    pub id: String,
    pub why: Option<String>,
    pub owner: Option<String>,
    /// `2027-03-01`; from that day on (UTC) the rule is inactive.
    pub expires: Option<String>,
    /// Route name or glob; `*` matches every route.
    pub on: String,
    /// A location as reports print it.
    pub at: String,
    pub ignore: Option<Ignore>,
    pub tolerance: Option<Tolerance>,
    pub numeric_string: bool,
    pub align: Option<Align>,
    pub shape: Option<Shape>,
    /// Groups of values that mean the same, as JSON text (`400`, `"a"`) or the words `null`, `missing`, `empty`.
    pub same: Vec<Vec<String>>,
    pub mask: Option<Mask>,
    pub bijection: Option<String>,
}

/// What of a location is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ignore {
    All,
    Missing,
    Extra,
    Value,
    Order,
}

/// How far two values may be apart; any one given bound that holds is enough.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Tolerance {
    pub absolute: Option<f64>,
    pub relative: Option<f64>,
    pub ulps: Option<u64>,
    pub f32_ulps: Option<u32>,
    /// For dates and times.
    pub time: Option<Duration>,
}

/// How the elements of an array are paired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Align {
    Lcs,
    Index,
    Set,
    Multiset,
    Auto,
    /// Members (or `[0]` for tuples) that together identify an element.
    Key(Vec<String>),
}

/// What both values must look like, whatever they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// A class by name: `uuid`, `int`, `rfc3339`, ...
    Class(String),
    Regex(String),
}

/// Replaced in both values before they are compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mask {
    pub pattern: String,
    pub with: String,
}
