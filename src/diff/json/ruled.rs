//! Hashes of values without what rules let differ, by which elements of arrays are aligned.
//!
//! Made for the elements that have to be aligned only; where no rule holds it is the tree's own hash.

use super::super::budget::{Budget, Spent};
use super::super::spec::Ignore;
use super::super::value::rules::Props;
use super::rules::{DEAD, State, Unordered, Walker, unordered};
use super::tree::{Scratch, Tree, Type};
use std::borrow::Cow;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// Seed of what stands for a value that rules let be anything.
const ANYTHING: u64 = 1000;

/// Seed of what stands for several values that rules take for the same.
const STAND_IN: u64 = 2000;

/// A value of one document, and the rules that hold for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    pub node: usize,
    pub state: State,
}

/// The hashes of one tree under the rules, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Ruled {
    /// By node; 0 where none is known.
    hashes: Vec<u128>,
}

// === impl Ruled ===

impl Ruled {
    pub(super) fn hash(
        &mut self,
        tree: &Tree<'_>,
        at: At,
        walker: &mut Walker<'_>,
        budget: &mut Budget<'_>,
    ) -> Result<u128, Spent> {
        if at.state == DEAD {
            return tree.hash(at.node, budget);
        }
        self.hashes.resize(tree.nodes.len(), 0);
        if self.hashes[at.node] == 0 {
            self.subtree(tree, at, walker, budget)?;
        }
        Ok(self.hashes[at.node])
    }

    fn subtree(
        &mut self,
        tree: &Tree<'_>,
        at: At,
        walker: &mut Walker<'_>,
        budget: &mut Budget<'_>,
    ) -> Result<(), Spent> {
        // Downwards for the states, past what no rule reaches; upwards for the hashes.
        let mut states = vec![DEAD; tree.next(at.node) - at.node];
        let mut reached = Vec::new();
        if let Some(first) = states.first_mut() {
            *first = at.state;
        }
        let mut node = at.node;
        while node < tree.next(at.node) {
            budget.tick(1)?;
            let state = states[node - at.node];
            if state == DEAD {
                self.hashes[node] = tree.hash(node, budget)?;
                node = tree.next(node);
                continue;
            }
            reached.push(node);
            let object = tree.nodes[node].kind == Type::Object;
            for (index, child) in tree.children(node).enumerate() {
                states[child - at.node] =
                    if object { walker.name(state, &tree.key(child)) } else { walker.index(state, index) };
            }
            node += 1;
        }
        let mut scratch = Scratch::default();
        for node in reached.into_iter().rev() {
            budget.tick(1)?;
            let props = walker.props(states[node - at.node]);
            let ignored =
                |child: usize| walker.props(states[child - at.node]).is_some_and(|p| p.ignores(&[]).is_some());
            self.hashes[node] = match props {
                Some(props) if props.ignores(&[Ignore::Value]).is_some() => xxh3_128_with_seed(b"", ANYTHING),
                props => self.value(tree, node, props.map(|p| &**p), ignored, budget, &mut scratch)?,
            };
        }
        Ok(())
    }

    fn value(
        &self,
        tree: &Tree<'_>,
        node: usize,
        props: Option<&Props>,
        ignored: impl Fn(usize) -> bool,
        budget: &mut Budget<'_>,
        scratch: &mut Scratch,
    ) -> Result<u128, Spent> {
        let kind = tree.nodes[node].kind;
        let renamed = props.is_some_and(|p| p.shape.is_some() || p.bijection.is_some());
        let stand_in = props.and_then(|p| p.stand_in(tree.scalar(node, &mut Cow::Borrowed(&[]))));
        Ok(match (kind, props.and_then(unordered)) {
            (Type::String | Type::Number, _) if renamed => xxh3_128_with_seed(b"", ANYTHING + kind.seed()),
            _ if let Some(stand_in) = stand_in => xxh3_128_with_seed(&stand_in, STAND_IN),
            (Type::Array, Some(unordered)) => {
                let mut own: Vec<u128> = tree.children(node).map(|c| self.hashes[c]).collect();
                own.sort_unstable();
                if unordered == Unordered::Set {
                    own.dedup();
                }
                scratch.bytes.clear();
                own.iter().for_each(|h| scratch.bytes.extend_from_slice(&h.to_le_bytes()));
                xxh3_128_with_seed(&scratch.bytes, kind.seed())
            }
            (Type::Array, None) => tree.combine(node, scratch, |child| Some(self.hashes[child])),
            (Type::Object, _) => tree.combine(node, scratch, |child| (!ignored(child)).then(|| self.hashes[child])),
            _ => tree.hash(node, budget)?,
        })
    }
}
