//! Two answers and the rules in, differences out: typed, by location. Pure.
//!
//! It decides what differs and which rule covers it. It does not know routes' evidence, noise or the gate. Start with
//! [`compare()`]: the first differing layer of transport, status, content type, parse and body owns the exchange.

pub mod budget;
pub mod json;
pub mod path;
pub mod value;

mod finding;
mod spec;
mod word;

mod compare;
mod context;
mod fingerprint;
mod rules;
mod summary;

mod aside;
mod body;
mod charset;
mod coding;
mod decoded;
mod formats;
mod grpc;
mod headers;
mod media;
mod origin;
mod places;
#[cfg(test)]
mod tests;
mod text;
mod window;
mod xml;

pub use coding::Limits;
pub use compare::{at_once, compare, is_brief, is_match};
pub use context::Context;
pub use decoded::decoded;
pub use finding::{Cover, EXCERPT, Finding, Findings, MAX_FINDINGS, Tier};
pub use fingerprint::fingerprint;
pub use formats::form_text;
pub use grpc::{Schema, SchemaError};
pub use json::{CONFIRMATIONS, InferredKey};
pub use places::{Places, places};
pub use rules::{RouteRules, RuleError, RuleInfo, RuleSet, Unseen, on_route};
pub use spec::{Align, Ignore, Mask, RuleSpec, Shape, Tolerance};
pub use summary::summary;
pub use text::VOLATILE as VOLATILE_TEXT;
pub use window::window;
pub use word::Word;
