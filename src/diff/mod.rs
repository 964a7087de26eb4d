//! Two answers and the rules in, differences out: typed, by location. Pure.
//!
//! It decides what differs and which rule covers it. It does not know routes' evidence, noise or the gate.

pub mod budget;
pub mod json;
pub mod path;
pub mod value;

mod finding;
mod spec;

pub use finding::{Cover, Finding, Findings, MAX_FINDINGS, Tier};
pub use spec::{Align, Ignore, Mask, RuleSpec, Shape, Tolerance};
