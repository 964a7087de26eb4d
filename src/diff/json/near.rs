//! Whether two values are the same within the tolerances of the rules, which no hash can tell.

use super::super::budget::Spent;
use super::super::value::rules::Session;
use super::array::Elements;
use super::members::Members;
use super::ruled::At;
use super::rules::DEAD;
use super::tree::Type;
use super::walk::Walk;
use std::borrow::Cow;

/// Which of some elements of both arrays are near each other; of none where no rule has a tolerance.
#[derive(Debug, Default)]
pub(super) struct Nearness {
    width: usize,
    /// Row by row.
    near: Vec<bool>,
}

// === impl Nearness ===

impl Nearness {
    /// Of the elements at these positions. Costs a look at each pair.
    pub(super) fn new(
        walk: &mut Walk<'_, '_, '_>,
        e: &Elements,
        left: &[usize],
        right: &[usize],
    ) -> Result<Self, Spent> {
        if !walk.rules.has_tolerance() {
            return Ok(Self::default());
        }
        let mut near = Vec::with_capacity(left.len() * right.len());
        for p in left.iter().filter_map(|i| e.p.get(*i)) {
            for c in right.iter().filter_map(|j| e.c.get(*j)) {
                near.push(walk.near(*p, *c)?);
            }
        }
        Ok(Self { width: right.len(), near })
    }

    pub(super) fn get(&self, i: usize, j: usize) -> bool {
        self.near.get(i * self.width + j).copied().unwrap_or_default()
    }

    /// The first that is near for each, none twice.
    pub(super) fn pairs(&self) -> Vec<(usize, usize)> {
        let mut taken = vec![false; self.width];
        let mut pairs = Vec::new();
        for (i, row) in self.near.chunks(self.width.max(1)).enumerate() {
            if let Some(j) = (0..self.width).find(|j| row.get(*j) == Some(&true) && taken.get(*j) == Some(&false)) {
                taken[j] = true;
                pairs.push((i, j));
            }
        }
        pairs
    }
}

impl Walk<'_, '_, '_> {
    fn near(&mut self, p: At, c: At) -> Result<bool, Spent> {
        self.budget.tick(1)?;
        let mine = self.p_ruled.hash(self.p, p, &mut self.walker, self.budget)?;
        if mine == self.c_ruled.hash(self.c, c, &mut self.walker, self.budget)? {
            return Ok(true);
        }
        if p.state == DEAD || self.p.nodes[p.node].kind != self.c.nodes[c.node].kind {
            return Ok(false);
        }
        match self.p.nodes[p.node].kind {
            Type::Object => self.near_members(p, c),
            Type::Array => self.near_elements(p, c),
            _ => {
                let (mut x, mut y) = (Cow::Borrowed(&[][..]), Cow::Borrowed(&[][..]));
                let (x, y) = (self.p.scalar(p.node, &mut x), self.c.scalar(c.node, &mut y));
                // Only looked at: what this comparison remembers is not for a pair that may never be one.
                let mut session = Session { skew: self.session.skew, ..Session::default() };
                Ok(self.props(p.state).is_some_and(|props| props.excuses_values(x, y, &mut session).is_some()))
            }
        }
    }

    fn near_members(&mut self, p: At, c: At) -> Result<bool, Spent> {
        let (ours, theirs) = (Members::of(self.p, p.node), Members::of(self.c, c.node));
        self.budget.tick(ours.all.len() + theirs.all.len())?;
        for at in 0..ours.all.len() {
            let Some((key, node)) = ours.last_of(at) else { continue };
            let state = self.walker.name(p.state, key);
            let near = match theirs.find(key) {
                Some((_, other)) => self.near(At { node, state }, At { node: other, state })?,
                None => self.is_ignored(state),
            };
            if !near {
                return Ok(false);
            }
        }
        for at in 0..theirs.all.len() {
            let Some((key, _)) = theirs.last_of(at) else { continue };
            let state = self.walker.name(c.state, key);
            if ours.find(key).is_none() && !self.is_ignored(state) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn near_elements(&mut self, p: At, c: At) -> Result<bool, Spent> {
        let (ours, theirs): (Vec<_>, Vec<_>) = (self.p.children(p.node).collect(), self.c.children(c.node).collect());
        if ours.len() != theirs.len() {
            return Ok(false);
        }
        for (i, (node, other)) in ours.into_iter().zip(theirs).enumerate() {
            let state = self.walker.index(p.state, i);
            if !self.near(At { node, state }, At { node: other, state })? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_ignored(&self, state: u32) -> bool {
        self.walker.props(state).is_some_and(|props| props.ignores(&[]).is_some())
    }
}
