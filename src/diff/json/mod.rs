//! Two JSON texts in, differences out: typed, aligned, by location.
//!
//! Texts that differ in white space, the order of members or a few scalars alone are read side by side, in [`lockstep`];
//! else trees of spans are built, equal parts skipped, arrays aligned by hashes and the rest walked together with the
//! rules. It keeps numbers and strings as text and knows nothing of headers, noise or verdicts. Invalid UTF-8 and a byte
//! order mark are no JSON.

mod align;
mod array;
mod auto;
mod emit;
mod key;
mod lockstep;
mod members;
mod near;
mod ruled;
mod rules;
mod scalars;
mod scan;
mod tree;
mod walk;

#[cfg(test)]
mod tests;

pub(in crate::diff) use auto::{AutoKeys, Learnt};
pub use auto::{CONFIRMATIONS, InferredKey};
pub use rules::JsonRules;

use super::budget::{Budget, Spent};
use super::finding::Findings;
use super::spec::Align;
use super::value::rules::Session;
use tree::{NoTree, Tree};

/// How comparing two texts ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonOutcome {
    /// Compared; what differs is among the findings.
    Done,
    /// Not JSON, on which sides; no finding was made.
    NotJson { primary: bool, candidate: bool },
    /// A limit was hit before anything that counts as break or value was found: `nodes`, `depth`, `time`, `size`, or
    /// `effort` where it was to be told at once.
    Limit(&'static str),
}

/// What may be said beside the rules.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// What locations begin with, `json:$` as a rule.
    pub prefix: &'a str,
    /// How the elements of a document that is an array are paired where no rule says so.
    pub root_align: Option<&'a Align>,
    /// Texts that cannot be compared side by side are not compared at all: [`JsonOutcome::Limit`].
    pub at_once: bool,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { prefix: "json:$", root_align: None, at_once: false }
    }
}

/// Compares two bodies that are said to be JSON, with locations from `json:$` on.
pub fn compare(
    primary: &[u8],
    candidate: &[u8],
    rules: &JsonRules,
    budget: &mut Budget<'_>,
    out: &mut Findings,
) -> JsonOutcome {
    compare_with(primary, candidate, rules, budget, &mut Session::default(), &Options::default(), out)
}

/// Like [`compare`], sharing the exchange's session (skew of the clocks, renamed identities).
pub fn compare_with(
    primary: &[u8],
    candidate: &[u8],
    rules: &JsonRules,
    budget: &mut Budget<'_>,
    session: &mut Session,
    options: &Options<'_>,
    out: &mut Findings,
) -> JsonOutcome {
    let utf8 = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
    let valid = (utf8(primary), utf8(candidate));
    let count = |found: &Findings| found.list.len() as u64 + found.dropped;
    let before = count(out);
    // Renamed identities have to be seen even where nothing else is.
    let same = match valid {
        (true, true) if !rules.has_bijection() => lockstep::compare(primary, candidate, rules, options, budget),
        _ => None,
    };
    let outcome = match same {
        Some(found) => {
            out.absorb(found, false);
            JsonOutcome::Done
        }
        None if options.at_once => JsonOutcome::Limit("effort"),
        None => trees((primary, valid.0), (candidate, valid.1), rules, budget, session, options, out),
    };
    if outcome == JsonOutcome::Done && count(out) == before && primary != candidate {
        emit::whitespace(primary, candidate, options.prefix, out);
    }
    outcome
}

/// Compares texts, each with whether it is UTF-8, that are not the same by the look of them.
fn trees(
    primary: (&[u8], bool),
    candidate: (&[u8], bool),
    rules: &JsonRules,
    budget: &mut Budget<'_>,
    session: &mut Session,
    options: &Options<'_>,
    out: &mut Findings,
) -> JsonOutcome {
    let mut tree = |(bytes, valid), like: Option<&Tree<'_>>| match (valid, like) {
        (false, _) => Err(NoTree::NotJson),
        (true, None) => Tree::build(bytes, budget),
        (true, Some(like)) => match like.with_other_scalars(bytes, budget)? {
            Some(tree) => Ok(tree),
            None => Tree::build(bytes, budget),
        },
    };
    let p = tree(primary, None);
    let c = tree(candidate, p.as_ref().ok());
    match (p, c) {
        (Ok(p), Ok(c)) => walk::Walk::new(&p, &c, rules, budget, session, options, out).run(),
        (Err(NoTree::Limit(limit)), _) | (_, Err(NoTree::Limit(limit))) => JsonOutcome::Limit(limit),
        (p, c) => JsonOutcome::NotJson { primary: p.is_err(), candidate: c.is_err() },
    }
}

/// Whether this is one JSON text.
///
/// # Errors
/// A limit was hit before that was known.
pub(super) fn is_json(bytes: &[u8], budget: &mut Budget<'_>) -> Result<bool, Spent> {
    if std::str::from_utf8(bytes).is_err() {
        return Ok(false);
    }
    if lockstep::compare(bytes, bytes, &JsonRules::none(), &Options::default(), budget).is_some() {
        return Ok(true);
    }
    match Tree::build(bytes, budget) {
        Ok(_) => Ok(true),
        Err(NoTree::NotJson) => Ok(false),
        Err(NoTree::Limit(limit)) => Err(Spent(limit)),
    }
}
