//! Arrays: which elements belong together, and what is said of those that have no partner.

use super::super::budget::Spent;
use super::super::finding::Tier;
use super::super::path::push_index;
use super::super::spec::{Align, Ignore};
use super::super::value::rules::{Props, tuple_index};
use super::align::{self, Pairs};
use super::tree::{Tree, Type};
use super::walk::{Ruled, Walk};
use std::collections::{HashMap, HashSet};
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// Elements on a side up to which leftovers are paired by similarity.
const MAX_SIMILAR: usize = 64;
/// Members of an element looked at for similarity.
const MAX_MEMBERS: usize = 64;
/// Names that identify an element, the most likely first.
const KEY_NAMES: [&str; 8] = ["id", "_id", "key", "name", "uuid", "code", "@id", "href"];
/// Seed of element keys, so that they are no values.
const KEY: u64 = 2000;

type Step = Result<(), Spent>;

/// The elements of both arrays and the hashes they are aligned by.
struct Elements {
    p: Vec<usize>,
    c: Vec<usize>,
    p_hashes: Vec<u128>,
    c_hashes: Vec<u128>,
}

impl<'w, 'a> Walk<'w, 'a, '_> {
    pub(super) fn array(&mut self, p: usize, c: usize, props: Option<&Props>) -> Step {
        let nodes = |tree: &Tree<'_>, i| tree.children(i).iter().map(|n| *n as usize).collect::<Vec<_>>();
        let (ps, cs) = (nodes(self.p, p), nodes(self.c, c));
        self.budget.tick(ps.len() + cs.len())?;
        let e = Elements {
            p_hashes: ps.iter().map(|n| self.p_rules.hash(self.p, *n)).collect(),
            c_hashes: cs.iter().map(|n| self.c_rules.hash(self.c, *n)).collect(),
            p: ps,
            c: cs,
        };
        if e.p_hashes == e.c_hashes {
            return self.by_index(&e);
        }
        let align = props.and_then(|r| r.align.as_ref());
        let by_root = self.options.root_align.filter(|_| p == 0);
        match align.map(|a| &a.is).or(by_root) {
            Some(Align::Index) => self.by_index(&e),
            Some(Align::Set) => self.unordered((p, c), &e, true, align.map(|a| &a.id)),
            Some(Align::Multiset) => self.unordered((p, c), &e, false, align.map(|a| &a.id)),
            Some(Align::Key(members)) => self.keyed((p, c), &e, members, props),
            Some(Align::Auto) if self.options.auto_confirmed => match infer_key(self.p, &e.p, self.c, &e.c) {
                Some(member) => self.keyed((p, c), &e, &[member], props),
                None => self.in_order((p, c), &e, props),
            },
            Some(Align::Auto | Align::Lcs) | None => self.in_order((p, c), &e, props),
        }
    }

    fn by_index(&mut self, e: &Elements) -> Step {
        let both = e.p.len().min(e.c.len());
        for (i, (p, c)) in e.p.iter().zip(&e.c).enumerate() {
            self.element(i, |walk| walk.node(*p, *c))?;
        }
        self.rest(e, both..e.p.len(), both..e.c.len())
    }

    fn in_order(&mut self, at: (usize, usize), e: &Elements, props: Option<&Props>) -> Step {
        if same_multiset(&e.p_hashes, &e.c_hashes) {
            self.order("json.order", at, props);
            return self.pairs(e, &align::occurrences(&e.p_hashes, &e.c_hashes));
        }
        let anchors = align::lcs(&e.p_hashes, &e.c_hashes, self.budget.alignment);
        let moved = Moved::new(e, &anchors);
        let (mut from_p, mut from_c) = (0, 0);
        for (i, j) in anchors.into_iter().chain([(e.p.len(), e.c.len())]) {
            self.gap(e, from_p..i, from_c..j, &moved, props)?;
            if let (Some(p), Some(c)) = (e.p.get(i), e.c.get(j)) {
                self.element(i, |walk| walk.node(*p, *c))?;
            }
            (from_p, from_c) = (i + 1, j + 1);
        }
        Ok(())
    }

    /// What stands between two matched elements: pairs that look alike, and what only one side has.
    fn gap(
        &mut self,
        e: &Elements,
        ps: std::ops::Range<usize>,
        cs: std::ops::Range<usize>,
        moved: &Moved,
        props: Option<&Props>,
    ) -> Step {
        let still = |range: std::ops::Range<usize>, gone: &dyn Fn(usize) -> bool| -> Vec<usize> {
            range.filter(|i| !gone(*i)).collect()
        };
        for i in ps.clone() {
            if let (Some(j), Some(p)) = (moved.to.get(&i), e.p.get(i)) {
                let Some(c) = e.c.get(*j) else { continue };
                self.element(i, |walk| {
                    walk.order("json.moved", (*p, *c), props);
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
                Some(c) => self.element(*i, |walk| walk.node(*p, *c))?,
                None => self.element(*i, |walk| walk.lonely(true, *p))?,
            }
        }
        for (y, j) in right.iter().enumerate() {
            if let (false, Some(c)) = (taken.contains(&y), e.c.get(*j)) {
                self.element(*j, |walk| walk.lonely(false, *c))?;
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
        let ours: Vec<_> =
            left.iter().filter_map(|i| e.p.get(*i)).map(|n| Traits::of(self.p, &self.p_rules, *n)).collect();
        let theirs: Vec<_> =
            right.iter().filter_map(|j| e.c.get(*j)).map(|n| Traits::of(self.c, &self.c_rules, *n)).collect();
        let score = |i: usize, j: usize| match (ours.get(i), theirs.get(j)) {
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

    fn keyed(&mut self, at: (usize, usize), e: &Elements, members: &[String], props: Option<&Props>) -> Step {
        let keys = |tree: &Tree<'_>, nodes: &[usize]| -> Vec<u128> {
            nodes.iter().map(|n| element_key(tree, *n, members)).collect()
        };
        let pairs = align::occurrences(&keys(self.p, &e.p), &keys(self.c, &e.c));
        if !pairs.is_sorted_by_key(|(_, j)| *j) {
            self.order("json.order", at, props);
        }
        let all = |n: usize| (0..n).collect::<Vec<_>>();
        self.paired(e, &all(e.p.len()), &all(e.c.len()), &pairs)
    }

    fn unordered(&mut self, at: (usize, usize), e: &Elements, set: bool, rule: Option<&std::sync::Arc<str>>) -> Step {
        let pairs = align::occurrences(&e.p_hashes, &e.c_hashes);
        let p_all: HashSet<u128> = e.p_hashes.iter().copied().collect();
        let c_all: HashSet<u128> = e.c_hashes.iter().copied().collect();
        let known = |hash: Option<&u128>, other: &HashSet<u128>| set && hash.is_some_and(|h| other.contains(h));
        let (p_taken, c_taken): (HashSet<usize>, HashSet<usize>) = pairs.iter().copied().unzip();
        let left: Vec<usize> =
            (0..e.p.len()).filter(|i| !p_taken.contains(i) && !known(e.p_hashes.get(*i), &c_all)).collect();
        let right: Vec<usize> =
            (0..e.c.len()).filter(|j| !c_taken.contains(j) && !known(e.c_hashes.get(*j), &p_all)).collect();
        let repeated = left.len() + p_taken.len() < e.p.len() || right.len() + c_taken.len() < e.c.len();
        if repeated || !pairs.is_sorted_by_key(|(_, j)| *j) {
            self.two("json.order", Tier::Order, at, None, rule.cloned());
        }
        self.pairs(e, &pairs)?;
        // Positions mean nothing here: what is too much to be compared for likeness stays without partner.
        let many = left.len() > MAX_SIMILAR || right.len() > MAX_SIMILAR;
        let alike = if many { Pairs::new() } else { self.alike(e, &left, &right)? };
        self.paired(e, &left, &right, &alike)
    }

    fn pairs(&mut self, e: &Elements, pairs: &Pairs) -> Step {
        for (i, j) in pairs {
            if let (Some(p), Some(c)) = (e.p.get(*i), e.c.get(*j)) {
                self.element(*i, |walk| walk.node(*p, *c))?;
            }
        }
        Ok(())
    }

    fn rest(&mut self, e: &Elements, ps: std::ops::Range<usize>, cs: std::ops::Range<usize>) -> Step {
        let (left, right): (Vec<_>, Vec<_>) = (ps.collect(), cs.collect());
        self.paired(e, &left, &right, &Pairs::new())
    }

    fn lonely(&mut self, primary: bool, node: usize) -> Step {
        self.budget.spend(1)?;
        self.one_sided(primary, node, true);
        Ok(())
    }

    fn order(&mut self, kind: &'static str, at: (usize, usize), props: Option<&Props>) {
        let cover = props.and_then(|r| r.ignores(&[Ignore::Order])).cloned();
        self.two(kind, Tier::Order, at, None, cover);
    }

    /// Does something at the place of one element.
    fn element(&mut self, index: usize, then: impl FnOnce(&mut Self) -> Step) -> Step {
        let marks = (self.location.len(), self.exact.len());
        self.location.push_str("[*]");
        push_index(&mut self.exact, index);
        let step = then(self);
        self.leave(marks);
        step
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
    fn of(tree: &Tree<'_>, rules: &Ruled, node: usize) -> Self {
        let kind = tree.nodes[node].kind;
        let mut hashes: Vec<u128> = match kind {
            Type::Object | Type::Array => tree
                .children(node)
                .iter()
                .take(MAX_MEMBERS)
                .map(|c| rules.hash(tree, *c as usize) ^ xxh3_128_with_seed(&tree.key(*c as usize), KEY))
                .collect(),
            _ => vec![tree.nodes[node].full],
        };
        hashes.sort_unstable();
        Self { kind, hashes }
    }

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

/// What identifies an element: the values of these members. One that has none of them is identified by all it is.
fn element_key(tree: &Tree<'_>, node: usize, members: &[String]) -> u128 {
    let mut bytes = Vec::with_capacity(members.len() * 17);
    let mut found = false;
    for member in members {
        let child = match tuple_index(member) {
            Some(index) if tree.nodes[node].kind == Type::Array => tree.children(node).get(index).map(|c| *c as usize),
            _ => tree.member(node, member.as_bytes()),
        };
        found |= child.is_some();
        bytes.push(u8::from(child.is_some()));
        bytes.extend_from_slice(&child.map_or(0, |c| tree.nodes[c].full).to_le_bytes());
    }
    if found { xxh3_128_with_seed(&bytes, KEY) } else { tree.nodes[node].full }
}

/// A scalar member that all elements have, with another value in each, half of which stand on both sides.
fn infer_key(p: &Tree<'_>, ps: &[usize], c: &Tree<'_>, cs: &[usize]) -> Option<String> {
    let first = *ps.first()?;
    let mut names: Vec<String> = KEY_NAMES.iter().map(|n| (*n).to_owned()).collect();
    if p.nodes[first].kind == Type::Object {
        for child in p.children(first).iter().take(MAX_MEMBERS) {
            let name = String::from_utf8_lossy(&p.key(*child as usize)).into_owned();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let unique = |tree: &Tree<'_>, nodes: &[usize], name: &str| -> Option<HashSet<u128>> {
        let mut seen = HashSet::new();
        for node in nodes {
            let child = tree.member(*node, name.as_bytes())?;
            let scalar = matches!(tree.nodes[child].kind, Type::String | Type::Number);
            if !scalar || !seen.insert(tree.nodes[child].full) {
                return None;
            }
        }
        Some(seen)
    };
    names.into_iter().find(|name| {
        let (Some(a), Some(b)) = (unique(p, ps, name), unique(c, cs, name)) else { return false };
        2 * a.intersection(&b).count() >= a.len().max(b.len())
    })
}
