//! What protects a client, read by meaning: policies as directives with sets of sources, ways to sign in by scheme.

use super::params::{split_outside_quotes, unquote};
use super::{Differs, Tier, Values, lists};
use crate::diff::Context;
use crate::diff::origin::{Side, map_url};
use std::collections::{BTreeMap, BTreeSet};

/// A directive's name and its sources, in any order.
type Policy = BTreeMap<String, BTreeSet<String>>;

/// A scheme and the parameters of each challenge of it, in order.
type Challenges = BTreeMap<String, Vec<BTreeMap<String, String>>>;

/// How two policies differ, if they do. Nonces are another one every time; a leg's own origin is as good as another's.
pub(super) fn policies(
    a: &Values<'_>,
    b: &Values<'_>,
    separator: char,
    context: Option<&Context<'_>>,
) -> Option<Differs> {
    let (x, y) =
        (parse_policies(a, separator, context, Side::Primary), parse_policies(b, separator, context, Side::Other));
    if x == y {
        return None;
    }
    let (all, also) = (flat(&x), flat(&y));
    let differing: BTreeSet<&str> = all.symmetric_difference(&also).map(|(name, _)| *name).collect();
    let names = differing.into_iter().collect::<Vec<_>>().join(",");
    Some(Differs::new("header.value", Tier::Value).classes(&names, lists::relation(&all, &also)))
}

fn flat(policies: &[Policy]) -> BTreeSet<(&str, Option<&str>)> {
    let mut all = BTreeSet::new();
    for (name, sources) in policies.iter().flatten() {
        all.insert((name.as_str(), None));
        all.extend(sources.iter().map(|s| (name.as_str(), Some(s.as_str()))));
    }
    all
}

/// One policy a line; a content policy may also hold several divided by commas, all of which apply.
fn parse_policies(values: &Values<'_>, separator: char, context: Option<&Context<'_>>, side: Side) -> Vec<Policy> {
    let all = values.joined();
    let whole = if separator == ',' { vec![all.as_str()] } else { all.split(',').collect() };
    let mut policies: Vec<Policy> = whole.into_iter().map(|p| policy(p, separator, context, side)).collect();
    policies.retain(|p| !p.is_empty());
    policies.sort();
    policies
}

fn policy(text: &str, separator: char, context: Option<&Context<'_>>, side: Side) -> Policy {
    let mut policy = Policy::new();
    for directive in split_outside_quotes(text, separator) {
        let directive = directive.trim();
        let end = directive.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(directive.len());
        let (name, sources) = directive.split_at(end);
        if name.is_empty() {
            continue;
        }
        let words = sources.split(|c: char| c.is_whitespace() || matches!(c, '=' | '(' | ')' | '"'));
        let sources = words.filter(|w| !w.is_empty()).map(|word| {
            if word.starts_with("'nonce-") {
                return "'nonce-*'".to_owned();
            }
            // Case matters in hashes, and behind the host of a source.
            let host = word.find("://").map_or(0, |at| at + "://".len());
            let path = word.get(host..).and_then(|rest| rest.find('/')).map_or(word.len(), |at| host + at);
            let folds = if word.starts_with("'sha") { 0 } else { path };
            let (folded, kept) = word.split_at(folds);
            let word = folded.to_ascii_lowercase() + kept;
            context.map_or(word.clone(), |c| map_url(c, side, &word))
        });
        // Of two directives of one name only the first is heeded.
        let sources = sources.collect();
        policy.entry(name.to_ascii_lowercase()).or_insert(sources);
    }
    policy
}

/// How two sets of challenges differ, if they do. A client that knew how to sign in must still be able to.
pub(super) fn challenges(a: &Values<'_>, b: &Values<'_>) -> Option<Differs> {
    let (x, y) = (parse_challenges(&a.joined()), parse_challenges(&b.joined()));
    if x == y {
        return None;
    }
    let schemes = |c: &Challenges| c.keys().cloned().collect::<BTreeSet<_>>();
    let (ours, theirs) = (schemes(&x), schemes(&y));
    if ours != theirs {
        let tier = if ours.is_subset(&theirs) { Tier::Value } else { Tier::Break };
        return Some(Differs::new("header.set", tier).classes("set", lists::relation(&ours, &theirs)));
    }
    let names = x.iter().zip(y.values()).flat_map(|((scheme, ours), theirs)| {
        let flat =
            |all: &[BTreeMap<String, String>]| all.iter().flatten().map(|(n, v)| (n.clone(), v.clone())).collect();
        let (ours, theirs): (BTreeSet<_>, BTreeSet<_>) = (flat(ours), flat(theirs));
        let differing: BTreeSet<_> = ours.symmetric_difference(&theirs).map(|(n, _)| format!("{scheme} {n}")).collect();
        differing
    });
    let names = names.collect::<Vec<_>>().join(",");
    Some(Differs::new("header.attr", Tier::Value).classes(&names, &names))
}

/// RFC 9110 11.6.1: a comma divides challenges and parameters alike; a challenge begins with a word of its own.
fn parse_challenges(text: &str) -> Challenges {
    let mut all = Challenges::new();
    let mut scheme = String::new();
    for part in split_outside_quotes(text, ',').into_iter().map(str::trim).filter(|p| !p.is_empty()) {
        let (first, rest) = part.split_once(char::is_whitespace).unwrap_or((part, ""));
        let param = if first.contains('=') {
            part
        } else {
            scheme = first.to_ascii_lowercase();
            all.entry(scheme.clone()).or_default().push(BTreeMap::new());
            rest.trim()
        };
        if param.is_empty() {
            continue;
        }
        let (name, value) = param.split_once('=').unwrap_or((param, ""));
        let name = name.trim().to_ascii_lowercase();
        // Made anew for each answer.
        let value = if matches!(&*name, "nonce" | "opaque") { "*".to_owned() } else { unquote(value.trim()) };
        let challenges = all.entry(scheme.clone()).or_default();
        match challenges.last_mut() {
            Some(last) => drop(last.insert(name, value)),
            None => challenges.push(BTreeMap::from([(name, value)])),
        }
    }
    all
}
