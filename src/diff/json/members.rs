//! The members of an object, in document order and by name.

use super::emit::{MAX_NAMES, machine_made};
use super::tree::Tree;
use std::borrow::Cow;

pub(super) struct Members<'a> {
    pub all: Vec<(Cow<'a, [u8]>, usize)>,
    /// Positions in `all`, sorted by name, then position.
    sorted: Vec<usize>,
    pub repeats: bool,
}

// === impl Members ===

impl<'a> Members<'a> {
    pub(super) fn of(tree: &Tree<'a>, node: usize) -> Self {
        let all: Vec<_> = tree.children(node).map(|c| (tree.key(c), c)).collect();
        let mut sorted: Vec<usize> = (0..all.len()).collect();
        sorted.sort_by(|a, b| all[*a].0.cmp(&all[*b].0));
        let repeats = sorted.windows(2).any(|w| all[w[0]].0 == all[w[1]].0);
        Self { all, sorted, repeats }
    }

    /// Whether its names are too many to have a location each.
    pub(super) fn is_wide(&self) -> bool {
        self.all.len() > MAX_NAMES && self.all.iter().filter(|(name, _)| machine_made(name)).count() > MAX_NAMES
    }

    /// The last member of this name: its position in the document and its value.
    pub(super) fn find(&self, key: &[u8]) -> Option<(usize, usize)> {
        let after = self.sorted.partition_point(|at| *self.all[*at].0 <= *key);
        let at = *self.sorted.get(after.checked_sub(1)?)?;
        let (name, node) = self.all.get(at)?;
        (**name == *key).then_some((at, *node))
    }

    /// All members of this name, in document order.
    pub(super) fn named<'s>(&'s self, key: &[u8]) -> impl Iterator<Item = usize> + use<'s, 'a> {
        let before = self.sorted.partition_point(|at| *self.all[*at].0 < *key);
        let after = self.sorted.partition_point(|at| *self.all[*at].0 <= *key);
        self.sorted.get(before..after).unwrap_or(&[]).iter().filter_map(|at| Some(self.all.get(*at)?.1))
    }

    /// The member at a position, unless a later one of the same name overrides it.
    pub(super) fn last_of(&self, at: usize) -> Option<(&[u8], usize)> {
        let (key, node) = self.all.get(at)?;
        if self.repeats && self.find(key)?.0 != at {
            return None;
        }
        Some((key, *node))
    }
}
