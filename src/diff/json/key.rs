//! What identifies an element of an array: members that a rule names, or one that is found to.

use super::super::budget::{Budget, Spent};
use super::super::path::{Path, Select};
use super::tree::{Tree, Type};
use std::collections::HashSet;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// Members of an element that are tried.
const MAX_MEMBERS: usize = 64;
/// Names that identify an element, the most likely first.
const NAMES: [&str; 8] = ["id", "_id", "key", "name", "uuid", "code", "@id", "href"];
/// Seed of element keys, so that they are no values.
const KEY: u64 = 2000;

/// The members that together identify an element.
pub(super) struct Key(Vec<Member>);

/// A member of that name; where there is none, what stands at the path that the name may be read as.
struct Member {
    name: String,
    path: Option<Path>,
}

// === impl Key ===

impl Key {
    pub(super) fn new(members: &[String]) -> Self {
        let path = |name: &str| if name.contains(['.', '[']) { Path::below(name).ok() } else { None };
        Self(members.iter().map(|name| Member { name: name.clone(), path: path(name) }).collect())
    }

    /// The hash of what identifies an element. One that has none of it is identified by all it is.
    pub(super) fn of(&self, tree: &Tree<'_>, node: usize, budget: &mut Budget<'_>) -> Result<u128, Spent> {
        let mut bytes = Vec::with_capacity(self.0.len() * 17);
        let mut found = false;
        for member in &self.0 {
            let value = member.find(tree, node);
            found |= value.is_some();
            bytes.push(u8::from(value.is_some()));
            bytes.extend_from_slice(&value.map_or(Ok(0), |v| tree.hash(v, budget))?.to_le_bytes());
        }
        if found { Ok(xxh3_128_with_seed(&bytes, KEY)) } else { tree.hash(node, budget) }
    }
}

// === impl Member ===

impl Member {
    fn find(&self, tree: &Tree<'_>, node: usize) -> Option<usize> {
        tree.member(node, self.name.as_bytes()).or_else(|| {
            self.path.as_ref()?.steps.iter().try_fold(node, |node, step| match &step.select {
                Select::Name(name) => tree.member(node, name),
                Select::Index(index) if tree.nodes[node].kind == Type::Array => tree.children(node).nth(*index),
                _ => None,
            })
        })
    }
}

/// The values that a scalar member has in the elements of one array, if all have it and no two the same.
fn values(
    tree: &Tree<'_>,
    elements: &[usize],
    name: &str,
    budget: &mut Budget<'_>,
) -> Result<Option<HashSet<u128>>, Spent> {
    let mut seen = HashSet::new();
    for node in elements {
        budget.tick(1)?;
        let Some(value) = tree.member(*node, name.as_bytes()) else { return Ok(None) };
        let scalar = matches!(tree.nodes[value].kind, Type::String | Type::Number);
        if !scalar || !seen.insert(tree.hash(value, budget)?) {
            return Ok(None);
        }
    }
    Ok(Some(seen))
}

/// Whether a member tells the elements of an array apart.
pub(super) fn identifies(
    tree: &Tree<'_>,
    elements: &[usize],
    name: &str,
    budget: &mut Budget<'_>,
) -> Result<bool, Spent> {
    Ok(values(tree, elements, name, budget)?.is_some())
}

/// A scalar member that all elements have, with another value in each, half of which stand on both sides.
pub(super) fn infer(
    (p, ps): (&Tree<'_>, &[usize]),
    (c, cs): (&Tree<'_>, &[usize]),
    budget: &mut Budget<'_>,
) -> Result<Option<String>, Spent> {
    let Some(first) = ps.first() else { return Ok(None) };
    let mut names: Vec<String> = NAMES.iter().map(|n| (*n).to_owned()).collect();
    if p.nodes[*first].kind == Type::Object {
        for child in p.children(*first).take(MAX_MEMBERS) {
            let name = String::from_utf8_lossy(&p.key(child)).into_owned();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    for name in names {
        if let (Some(a), Some(b)) = (values(p, ps, &name, budget)?, values(c, cs, &name, budget)?)
            && 2 * a.intersection(&b).count() >= a.len().max(b.len())
        {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
