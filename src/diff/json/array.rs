//! Arrays: which elements belong together, and what is said of those that have no partner.

use super::super::budget::Spent;
use super::super::finding::Tier;
use super::super::spec::{Align, Ignore};
use super::super::value::rules::Props;
use super::align::{self, Pairs};
use super::key::{self, Key};
use super::near::Nearness;
use super::ruled::At;
use super::rules::State;
use super::tree::{Tree, Type};
use super::walk::Walk;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// Elements on a side up to which leftovers are paired by similarity.
const MAX_SIMILAR: usize = 64;
/// Members of an element looked at for similarity.
const MAX_MEMBERS: usize = 64;
/// Seed of members' names, so that they are no values.
const NAME: u64 = 3000;

type Step = Result<(), Spent>;

/// The elements of both arrays that have to be paired, and the hashes they are aligned by.
pub(super) struct Elements {
    pub p: Vec<At>,
    pub c: Vec<At>,
    p_hashes: Vec<u128>,
    c_hashes: Vec<u128>,
    /// How many stand before these, the same on both sides.
    before: usize,
}

impl<'w, 'a> Walk<'w, 'a, '_> {
    pub(super) fn array(&mut self, p: At, c: At, props: Option<&Props>) -> Step {
        let (ps, cs) = (self.elements(self.p, p.state, p.node), self.elements(self.c, c.state, c.node));
        self.budget.tick(ps.len() + cs.len())?;
        let align = props.and_then(|r| r.align.as_ref());
        let by_root = self.options.root_align.filter(|_| p.node == 0);
        let by = align.map(|a| &a.is).or(by_root);
        let key = match by {
            Some(Align::Key(members)) => Some(Key::new(members)),
            Some(Align::Auto) => self.learnt(&ps, &cs)?.map(|member| Key::new(&[member])),
            _ => None,
        };
        let e = self.unsettled(ps, cs, by)?;
        let at = (p.node, c.node);
        if e.p_hashes == e.c_hashes {
            return self.by_index(&e);
        }
        if let Some(key) = key {
            return self.keyed(at, &e, &key, props);
        }
        match by {
            Some(Align::Index) => self.by_index(&e),
            Some(Align::Set) => self.unordered(at, &e, true, align.map(|a| &a.id)),
            Some(Align::Multiset) => self.unordered(at, &e, false, align.map(|a| &a.id)),
            _ => self.in_order(at, &e, props),
        }
    }

    fn elements(&mut self, tree: &Tree<'_>, state: State, array: usize) -> Vec<At> {
        let walker = &mut self.walker;
        tree.children(array).enumerate().map(|(i, node)| At { node, state: walker.index(state, i) }).collect()
    }

    /// Leaves out what both begin and end with, where that can't change how the rest is paired.
    fn unsettled(&mut self, mut p: Vec<At>, mut c: Vec<At>, align: Option<&Align>) -> Result<Elements, Spent> {
        let (mut before, both) = (0, p.len().min(c.len()));
        if align != Some(&Align::Set) {
            while before < both && self.is_settled(p[before], c[before])? {
                before += 1;
            }
            let shifted = p.len() != c.len() && align == Some(&Align::Index);
            let mut after = 0;
            while !shifted
                && before + after < both
                && self.is_settled(p[p.len() - 1 - after], c[c.len() - 1 - after])?
            {
                after += 1;
            }
            for side in [&mut p, &mut c] {
                side.truncate(side.len() - after);
                side.drain(..before);
            }
        }
        let mut e = Elements { p_hashes: Vec::new(), c_hashes: Vec::new(), p, c, before };
        for at in &e.p {
            e.p_hashes.push(self.p_ruled.hash(self.p, *at, &mut self.walker, self.budget)?);
        }
        for at in &e.c {
            e.c_hashes.push(self.c_ruled.hash(self.c, *at, &mut self.walker, self.budget)?);
        }
        Ok(e)
    }

    /// The member by which elements are paired because enough exchanges have shown that it identifies them. What this
    /// one shows is remembered.
    fn learnt(&mut self, p: &[At], c: &[At]) -> Result<Option<String>, Spent> {
        let Some(keys) = self.rules.auto() else { return Ok(None) };
        let nodes = |side: &[At]| side.iter().map(|at| at.node).collect::<Vec<_>>();
        let (ps, cs, location) = (nodes(p), nodes(c), &self.place.location);
        let known = keys.of(location);
        if let Some(known) = &known {
            let fits = key::identifies(self.p, &ps, &known.member, self.budget)?
                && key::identifies(self.c, &cs, &known.member, self.budget)?;
            if !fits && !self.session.control {
                keys.forget(location);
            }
            if known.in_use() {
                return Ok(fits.then(|| known.member.clone()));
            }
        }
        if !self.session.control
            && let Some(member) = key::infer((self.p, &ps), (self.c, &cs), self.budget)?
        {
            let first = self.session.inferred.insert(location.clone());
            keys.confirm(location, &member, first);
        }
        Ok(None)
    }

    fn by_index(&mut self, e: &Elements) -> Step {
        let both = e.p.len().min(e.c.len());
        for (i, (p, c)) in e.p.iter().zip(&e.c).enumerate() {
            self.element(e, i, |walk| walk.node(*p, *c))?;
        }
        self.rest(e, both..e.p.len(), both..e.c.len())
    }

    fn in_order(&mut self, at: (usize, usize), e: &Elements, props: Option<&Props>) -> Step {
        if same_multiset(&e.p_hashes, &e.c_hashes) {
            self.order("json.order", at, props);
            return self.pairs(e, &align::occurrences(&e.p_hashes, &e.c_hashes));
        }
        let anchors = align::lcs(&e.p_hashes, &e.c_hashes, self.budget)?;
        let moved = Moved::new(e, &anchors);
        let (mut from_p, mut from_c) = (0, 0);
        for (i, j) in anchors.into_iter().chain([(e.p.len(), e.c.len())]) {
            self.gap(e, from_p..i, from_c..j, &moved, props)?;
            if let (Some(p), Some(c)) = (e.p.get(i), e.c.get(j)) {
                self.element(e, i, |walk| walk.node(*p, *c))?;
            }
            (from_p, from_c) = (i + 1, j + 1);
        }
        Ok(())
    }

    /// What stands between two matched elements: pairs that look alike, and what only one side has.
    fn gap(&mut self, e: &Elements, ps: Range<usize>, cs: Range<usize>, moved: &Moved, props: Option<&Props>) -> Step {
        let still =
            |range: Range<usize>, gone: &dyn Fn(usize) -> bool| -> Vec<usize> { range.filter(|i| !gone(*i)).collect() };
        for i in ps.clone() {
            if let (Some(j), Some(p)) = (moved.to.get(&i), e.p.get(i)) {
                let Some(c) = e.c.get(*j) else { continue };
                self.element(e, i, |walk| {
                    walk.order("json.moved", (p.node, c.node), props);
                    walk.node(*p, *c)
                })?;
            }
        }
        let left = still(ps, &|i| moved.to.contains_key(&i));
        let right = still(cs, &|j| moved.from.contains(&j));
        let pairs = if left.len() == right.len() {
            (0..left.len()).map(|k| (k, k)).collect()
        } else {
            self.alike(e, &left, &right)?
        };
        self.paired(e, &left, &right, &pairs)
    }

    /// Compares pairs of positions in `left` and `right`; the others are missing or extra.
    fn paired(&mut self, e: &Elements, left: &[usize], right: &[usize], pairs: &Pairs) -> Step {
        let taken: HashSet<usize> = pairs.iter().map(|(_, y)| *y).collect();
        let partner: HashMap<usize, usize> = pairs.iter().copied().collect();
        for (x, i) in left.iter().enumerate() {
            let Some(p) = e.p.get(*i) else { continue };
            match partner.get(&x).and_then(|y| right.get(*y)).and_then(|j| e.c.get(*j)) {
                Some(c) => self.element(e, *i, |walk| walk.node(*p, *c))?,
                None => self.element(e, *i, |walk| walk.lonely(true, *p))?,
            }
        }
        for (y, j) in right.iter().enumerate() {
            if let (false, Some(c)) = (taken.contains(&y), e.c.get(*j)) {
                self.element(e, *j, |walk| walk.lonely(false, *c))?;
            }
        }
        Ok(())
    }

    fn alike(&mut self, e: &Elements, left: &[usize], right: &[usize]) -> Result<Pairs, Spent> {
        if left.is_empty() || right.is_empty() {
            return Ok(Pairs::new());
        }
        if left.len() > MAX_SIMILAR || right.len() > MAX_SIMILAR {
            return Ok((0..left.len().min(right.len())).map(|k| (k, k)).collect());
        }
        self.budget.tick(left.len() * right.len())?;
        let ours = self.traits(true, left.iter().filter_map(|i| e.p.get(*i)))?;
        let theirs = self.traits(false, right.iter().filter_map(|j| e.c.get(*j)))?;
        let near = Nearness::new(self, e, left, right)?;
        let score = |i: usize, j: usize| match (ours.get(i), theirs.get(j)) {
            _ if near.get(i, j) => 1.0,
            (Some(x), Some(y)) => x.similarity(y),
            _ => 0.0,
        };
        // Ties are broken from the same side whichever way round the documents are given.
        if ours.iter().map(|t| &t.hashes).gt(theirs.iter().map(|t| &t.hashes)) {
            let pairs = align::similar(theirs.len(), ours.len(), |j, i| score(i, j));
            return Ok(pairs.into_iter().map(|(j, i)| (i, j)).collect());
        }
        Ok(align::similar(ours.len(), theirs.len(), score))
    }

    /// What the elements of one side are made of, for likeness.
    fn traits<'e>(&mut self, primary: bool, elements: impl Iterator<Item = &'e At>) -> Result<Vec<Traits>, Spent> {
        let (tree, ruled) = if primary { (self.p, &mut self.p_ruled) } else { (self.c, &mut self.c_ruled) };
        let mut all = Vec::new();
        for At { node, state } in elements.copied() {
            let kind = tree.nodes[node].kind;
            let mut hashes = Vec::new();
            for (i, child) in tree.children(node).take(MAX_MEMBERS).enumerate() {
                let name = tree.key(child);
                let state = match kind {
                    Type::Object => self.walker.name(state, &name),
                    _ => self.walker.index(state, i),
                };
                let value = ruled.hash(tree, At { node: child, state }, &mut self.walker, self.budget)?;
                hashes.push(value ^ xxh3_128_with_seed(&name, NAME));
            }
            if !tree.is_container(node) {
                hashes.push(tree.hash(node, self.budget)?);
            }
            hashes.sort_unstable();
            all.push(Traits { kind, hashes });
        }
        Ok(all)
    }

    fn keyed(&mut self, at: (usize, usize), e: &Elements, key: &Key, props: Option<&Props>) -> Step {
        let mut keys = |tree: &Tree<'_>, elements: &[At]| -> Result<Vec<u128>, Spent> {
            elements.iter().map(|at| key.of(tree, at.node, self.budget)).collect()
        };
        let pairs = align::occurrences(&keys(self.p, &e.p)?, &keys(self.c, &e.c)?);
        if !pairs.is_sorted_by_key(|(_, j)| *j) {
            self.order("json.order", at, props);
        }
        let all = |n: usize| (0..n).collect::<Vec<_>>();
        self.paired(e, &all(e.p.len()), &all(e.c.len()), &pairs)
    }

    fn unordered(&mut self, at: (usize, usize), e: &Elements, set: bool, rule: Option<&Arc<str>>) -> Step {
        let mut pairs = align::occurrences(&e.p_hashes, &e.c_hashes);
        let p_all: HashSet<u128> = e.p_hashes.iter().copied().collect();
        let c_all: HashSet<u128> = e.c_hashes.iter().copied().collect();
        let known = |hash: Option<&u128>, other: &HashSet<u128>| set && hash.is_some_and(|h| other.contains(h));
        let (p_taken, c_taken): (HashSet<usize>, HashSet<usize>) = pairs.iter().copied().unzip();
        let mut left: Vec<usize> =
            (0..e.p.len()).filter(|i| !p_taken.contains(i) && !known(e.p_hashes.get(*i), &c_all)).collect();
        let mut right: Vec<usize> =
            (0..e.c.len()).filter(|j| !c_taken.contains(j) && !known(e.c_hashes.get(*j), &p_all)).collect();
        let repeated = left.len() + p_taken.len() < e.p.len() || right.len() + c_taken.len() < e.c.len();
        // Positions mean nothing here: what is too much to be compared for likeness stays without partner.
        let many = left.len() > MAX_SIMILAR || right.len() > MAX_SIMILAR;
        if !many {
            let near = Nearness::new(self, e, &left, &right)?.pairs();
            pairs.extend(near.iter().filter_map(|(x, y)| Some((*left.get(*x)?, *right.get(*y)?))));
            pairs.sort_unstable();
            let (p_near, c_near): (HashSet<usize>, HashSet<usize>) = near.into_iter().unzip();
            left = (0..).zip(left).filter(|(x, _)| !p_near.contains(x)).map(|(_, i)| i).collect();
            right = (0..).zip(right).filter(|(y, _)| !c_near.contains(y)).map(|(_, j)| j).collect();
        }
        if repeated || !pairs.is_sorted_by_key(|(_, j)| *j) {
            self.two("json.order", Tier::Order, at, None, rule.cloned());
        }
        self.pairs(e, &pairs)?;
        let alike = if many { Pairs::new() } else { self.alike(e, &left, &right)? };
        self.paired(e, &left, &right, &alike)
    }

    fn pairs(&mut self, e: &Elements, pairs: &Pairs) -> Step {
        for (i, j) in pairs {
            if let (Some(p), Some(c)) = (e.p.get(*i), e.c.get(*j)) {
                self.element(e, *i, |walk| walk.node(*p, *c))?;
            }
        }
        Ok(())
    }

    fn rest(&mut self, e: &Elements, ps: Range<usize>, cs: Range<usize>) -> Step {
        let (left, right): (Vec<_>, Vec<_>) = (ps.collect(), cs.collect());
        self.paired(e, &left, &right, &Pairs::new())
    }

    fn lonely(&mut self, primary: bool, at: At) -> Step {
        self.budget.spend(1)?;
        self.one_sided(primary, at, true);
        Ok(())
    }

    fn order(&mut self, kind: &'static str, at: (usize, usize), props: Option<&Props>) {
        let cover = props.and_then(|r| r.ignores(&[Ignore::Order])).cloned();
        self.two(kind, Tier::Order, at, None, cover);
    }

    /// Does something at the place of one of the elements.
    fn element(&mut self, e: &Elements, index: usize, then: impl FnOnce(&mut Self) -> Step) -> Step {
        let mark = self.place.mark();
        self.place.element(e.before + index);
        then(self)?;
        self.place.back(mark);
        Ok(())
    }
}

/// Elements outside of the common sequence that stand elsewhere on the other side.
struct Moved {
    to: HashMap<usize, usize>,
    from: HashSet<usize>,
}

// === impl Moved ===

impl Moved {
    fn new(e: &Elements, anchors: &Pairs) -> Self {
        let (p_taken, c_taken): (HashSet<usize>, HashSet<usize>) = anchors.iter().copied().unzip();
        let free = |hashes: &[u128], taken: &HashSet<usize>| -> (Vec<usize>, Vec<u128>) {
            hashes.iter().enumerate().filter(|(i, _)| !taken.contains(i)).map(|(i, h)| (i, *h)).unzip()
        };
        let (left, left_hashes) = free(&e.p_hashes, &p_taken);
        let (right, right_hashes) = free(&e.c_hashes, &c_taken);
        let pairs = align::occurrences(&left_hashes, &right_hashes);
        let to: HashMap<usize, usize> =
            pairs.iter().filter_map(|(x, y)| Some((*left.get(*x)?, *right.get(*y)?))).collect();
        let from = to.values().copied().collect();
        Self { to, from }
    }
}

/// What an element is made of, for likeness.
struct Traits {
    kind: Type,
    /// Of members with their names, or of elements; sorted.
    hashes: Vec<u128>,
}

// === impl Traits ===

impl Traits {
    /// The share of what the larger has that the other has too; 0 between types and between scalars.
    fn similarity(&self, other: &Traits) -> f64 {
        let most = self.hashes.len().max(other.hashes.len());
        if self.kind != other.kind || most == 0 {
            return 0.0;
        }
        let (mut i, mut j, mut common) = (0, 0, 0usize);
        while let (Some(x), Some(y)) = (self.hashes.get(i), other.hashes.get(j)) {
            common += usize::from(x == y);
            (i, j) = (i + usize::from(x <= y), j + usize::from(y <= x));
        }
        common as f64 / most as f64
    }
}

fn same_multiset(a: &[u128], b: &[u128]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let sorted = |hashes: &[u128]| {
        let mut hashes = hashes.to_vec();
        hashes.sort_unstable();
        hashes
    };
    sorted(a) == sorted(b)
}
