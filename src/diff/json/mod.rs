//! Two JSON texts in, differences out: typed, aligned, by location.
//!
//! Texts that differ in white space alone end in a lockstep of two tokenizers; else trees of spans with hashes are
//! built, equal parts skipped, arrays aligned and the rest walked together with the rules. It keeps numbers and strings
//! as text and knows nothing of headers, noise or verdicts. Invalid UTF-8 and a byte order mark are no JSON.

mod align;
mod array;
mod emit;
mod rules;
mod token;
mod tree;
mod walk;

#[cfg(test)]
mod tests;

pub use rules::JsonRules;

use super::budget::{Budget, Spent};
use super::finding::Findings;
use super::spec::Align;
use super::value::rules::Session;
use token::{Fault, Tokenizer};
use tree::{NoTree, Tree};

/// How comparing two texts ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonOutcome {
    /// Compared; what differs is among the findings.
    Done,
    /// Not JSON, on which sides; no finding was made.
    NotJson { primary: bool, candidate: bool },
    /// A limit was hit before anything that counts as break or value was found: `nodes`, `depth`, `time` or `size`.
    Limit(&'static str),
}

/// What may be said beside the rules.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// What locations begin with, `json:$` as a rule.
    pub prefix: &'a str,
    /// Whether the key that `align = "auto"` infers has been confirmed often enough to be used.
    pub auto_confirmed: bool,
    /// How the elements of a document that is an array are paired where no rule says so.
    pub root_align: Option<&'a Align>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { prefix: "json:$", auto_confirmed: false, root_align: None }
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
    let (p, c) = (utf8(primary), utf8(candidate));
    if p && c && same_tokens(primary, candidate, budget) {
        if primary != candidate {
            emit::whitespace(primary, candidate, options.prefix, out);
        }
        return JsonOutcome::Done;
    }
    let mut tree = |valid: bool, bytes| if valid { Tree::build(bytes, budget) } else { Err(NoTree::NotJson) };
    match (tree(p, primary), tree(c, candidate)) {
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
    let mut tokens = Tokenizer::new(bytes, budget.depth);
    loop {
        budget.tick(1)?;
        match tokens.next() {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(true),
            Err(Fault::Syntax) => return Ok(false),
            Err(Fault::Depth) => return Err(Spent("depth")),
        }
    }
}

/// Whether both are JSON of the same tokens; false too where it could not be told.
fn same_tokens(a: &[u8], b: &[u8], budget: &mut Budget<'_>) -> bool {
    let mut left = Tokenizer::new(a, budget.depth);
    let mut right = Tokenizer::new(b, budget.depth);
    loop {
        if budget.tick(1).is_err() {
            return false;
        }
        match (left.next(), right.next()) {
            (Ok(None), Ok(None)) => return true,
            (Ok(Some(x)), Ok(Some(y))) if x.kind == y.kind && a.get(x.start..x.end) == b.get(y.start..y.end) => {}
            (Ok(_), Ok(_)) | (Err(Fault::Syntax | Fault::Depth), _) | (_, Err(_)) => return false,
        }
    }
}
