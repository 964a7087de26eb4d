//! Rules that a careful person would write for what is volatile, each with what speaks for it.
//!
//! With a control it is proposed from what the old system does to itself, never from what the candidate does, so that
//! no difference of the candidate's is ever proposed away. Without one only what is new in every answer of both systems
//! and always of one class is. Nothing is applied by itself.

mod choose;
mod routes;

use super::{Evidence, RouteEvidence};
use crate::diff::RuleSpec;
use choose::{Basis, Chosen};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Exchanges compared with a control that a route needs.
pub const LEAST_PAIRS: u64 = 50;
/// Exchanges that a route needs where there is no control.
pub const LEAST_WITHOUT_CONTROL: u64 = 200;

/// What can be proposed from an epoch's evidence.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Proposals {
    pub rules: Vec<Proposal>,
    /// Volatile places for which no rule is proposed.
    pub left: Vec<Left>,
    /// Routes that there was enough evidence of.
    pub looked_at: Vec<Arc<str>>,
    /// Routes that there was not, and how much there is: exchanges with a control, and in all.
    pub too_few: Vec<(Arc<str>, u64, u64)>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// Complete but for `owner` and `expires`; `why` says what it rests on.
    pub rule: RuleSpec,
    /// Where it was seen.
    pub routes: Vec<Arc<str>>,
    pub support: Support,
}

/// The numbers behind a proposal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Support {
    /// Whether it rests on a control.
    pub control: bool,
    /// Exchanges that differed there.
    pub differed: u64,
    /// Exchanges that were compared.
    pub of: u64,
}

/// A volatile place without a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    pub route: Arc<str>,
    pub location: Arc<str>,
    pub kind: Arc<str>,
    pub differed: u64,
    pub of: u64,
}

/// Proposes rules whose ids are none of those `taken`.
pub fn propose(evidence: &Evidence, taken: &BTreeSet<String>) -> Proposals {
    let mut out = Proposals::default();
    let mut chosen: Vec<(Arc<str>, Chosen)> = Vec::new();
    for (name, route) in &evidence.routes {
        if route.counts.mirrored == 0 {
            continue;
        }
        let Some(basis) = basis(route) else {
            out.too_few.push((name.clone(), route.control.compared, route.counts.compared));
            continue;
        };
        out.looked_at.push(name.clone());
        let (found, left) = choose::choose(&route.volatility, basis);
        chosen.extend(found.into_iter().map(|c| (name.clone(), c)));
        let at_route =
            |(location, kind, differed)| Left { route: name.clone(), location, kind, differed, of: basis.of };
        out.left.extend(left.into_iter().map(at_route));
    }
    let mirrored = evidence.routes.iter().filter(|(_, route)| route.counts.mirrored > 0).map(|(name, _)| &**name);
    let globs = routes::narrow(&evidence.globs, &mirrored.collect::<Vec<_>>());
    out.rules = routes::joined(chosen, &out.looked_at, &globs);
    name(&mut out.rules, taken);
    out
}

fn basis(route: &RouteEvidence) -> Option<Basis> {
    let (with, all) = (route.control.compared, route.counts.compared);
    match with {
        0 => (all >= LEAST_WITHOUT_CONTROL).then_some(Basis { control: false, of: all }),
        _ => (with >= LEAST_PAIRS).then_some(Basis { control: true, of: with }),
    }
}

/// Gives each rule an id that says where it stands.
fn name(rules: &mut [Proposal], taken: &BTreeSet<String>) {
    let mut used: BTreeMap<String, u32> = BTreeMap::new();
    for proposal in rules {
        let stem = stem(&proposal.rule.at);
        let times = used.entry(stem.clone()).or_default();
        proposal.rule.id = loop {
            *times += 1;
            let id = if *times == 1 { stem.clone() } else { format!("{stem}-{times}") };
            if !taken.contains(&id) {
                break id;
            }
        };
    }
}

/// The words of a location, e.g. `items-id` for `json:$.items[*].id`.
fn stem(at: &str) -> String {
    const LONGEST: usize = 48;
    let (scheme, path) = at.split_once(':').unwrap_or(("", at));
    let path = if scheme == "json" { path.to_owned() } else { format!("{scheme} {path}") };
    let mut out = String::new();
    for word in path.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|w| !w.is_empty()) {
        if out.len() + word.len() >= LONGEST {
            break;
        }
        if !out.is_empty() {
            out.push('-');
        }
        out.push_str(&word.to_ascii_lowercase());
    }
    if out.is_empty() { "body".to_owned() } else { out }
}

#[cfg(test)]
mod tests;
