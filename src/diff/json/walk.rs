//! Two trees walked together with the rules: what differs at each place becomes a finding there.
//!
//! Recursion is bounded by the depth that the tokenizer lets through. Arrays are paired next door, in `array`.

use super::super::budget::{Budget, Spent};
use super::super::finding::{Findings, Tier};
use super::super::path::{push_name, push_name_pattern};
use super::super::spec::Ignore;
use super::super::value::rules::{Props, Scalar, Session};
use super::super::value::{number, text};
use super::emit::{self, Draft, Side};
use super::rules::{DEAD, JsonRules, State, Unordered, Walker, unordered};
use super::tree::{Scratch, Tree, Type, as_text};
use super::{JsonOutcome, Options};
use std::borrow::Cow;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// Seed of what stands for a value that rules let be anything.
const ANYTHING: u64 = 1000;

pub(super) struct Walk<'w, 'a, 'b> {
    pub p: &'w Tree<'a>,
    pub c: &'w Tree<'a>,
    pub p_rules: Ruled,
    pub c_rules: Ruled,
    pub walker: Walker<'w>,
    bijections: bool,
    pub budget: &'w mut Budget<'b>,
    session: &'w mut Session,
    pub options: &'w Options<'w>,
    out: &'w mut Findings,
    pub location: String,
    pub exact: String,
    told: HashSet<(&'static str, String)>,
    emitted: bool,
    /// Something of tier break or value that counts was found.
    decided: bool,
}

/// What the rules make of one tree: the state of each node, and hashes without what they let differ.
#[derive(Debug, Default)]
pub(super) struct Ruled {
    states: Vec<State>,
    hashes: Vec<u128>,
}

type Step = Result<(), Spent>;

// === impl Ruled ===

impl Ruled {
    fn new(tree: &Tree<'_>, walker: &mut Walker<'_>) -> Self {
        let start = walker.start();
        if start == DEAD {
            return Self::default();
        }
        let mut states = vec![DEAD; tree.nodes.len()];
        if let Some(root) = states.first_mut() {
            *root = start;
        }
        for i in 0..tree.nodes.len() {
            let (state, object) = (states[i], tree.nodes[i].kind == Type::Object);
            if state == DEAD {
                continue;
            }
            for (at, child) in tree.children(i).iter().enumerate() {
                let child = *child as usize;
                states[child] = if object { walker.name(state, &tree.key(child)) } else { walker.index(state, at) };
            }
        }
        let (mut hashes, mut scratch) = (vec![0u128; tree.nodes.len()], Scratch::default());
        for i in (0..tree.nodes.len()).rev() {
            hashes[i] = match walker.props(states[i]) {
                Some(props) => ruled_hash(tree, i, props, walker, &states, &hashes, &mut scratch),
                None if states[i] == DEAD => tree.nodes[i].full,
                None => children_hash(tree, i, walker, &states, &hashes, &mut scratch),
            };
        }
        Self { states, hashes }
    }

    pub(super) fn state(&self, node: usize) -> State {
        self.states.get(node).copied().unwrap_or(DEAD)
    }

    /// The hash by which elements are aligned.
    pub(super) fn hash(&self, tree: &Tree<'_>, node: usize) -> u128 {
        self.hashes.get(node).copied().unwrap_or(tree.nodes[node].full)
    }
}

fn ruled_hash(
    tree: &Tree<'_>,
    i: usize,
    props: &Props,
    walker: &Walker<'_>,
    states: &[State],
    hashes: &[u128],
    scratch: &mut Scratch,
) -> u128 {
    if props.ignores(&[Ignore::Value]).is_some() {
        return xxh3_128_with_seed(b"", ANYTHING);
    }
    let kind = tree.nodes[i].kind;
    if (props.shape.is_some() || props.bijection.is_some()) && matches!(kind, Type::String | Type::Number) {
        return xxh3_128_with_seed(b"", ANYTHING + kind.seed());
    }
    if let (Some(unordered), Type::Array) = (unordered(props), kind) {
        let mut own: Vec<u128> = tree.children(i).iter().map(|c| hashes[*c as usize]).collect();
        own.sort_unstable();
        if unordered == Unordered::Set {
            own.dedup();
        }
        scratch.bytes.clear();
        own.iter().for_each(|h| scratch.bytes.extend_from_slice(&h.to_le_bytes()));
        return xxh3_128_with_seed(&scratch.bytes, kind.seed());
    }
    children_hash(tree, i, walker, states, hashes, scratch)
}

fn children_hash(
    tree: &Tree<'_>,
    i: usize,
    walker: &Walker<'_>,
    states: &[State],
    hashes: &[u128],
    scratch: &mut Scratch,
) -> u128 {
    if !tree.is_container(i) {
        return tree.nodes[i].full;
    }
    let object = tree.nodes[i].kind == Type::Object;
    tree.combine(i, scratch, |_, child| {
        let ignored = || walker.props(states[child]).is_some_and(|p| p.ignores(&[]).is_some());
        if object && ignored() { None } else { Some(hashes[child]) }
    })
}

// === impl Walk ===

impl<'w, 'a, 'b> Walk<'w, 'a, 'b> {
    pub(super) fn new(
        p: &'w Tree<'a>,
        c: &'w Tree<'a>,
        rules: &'w JsonRules,
        budget: &'w mut Budget<'b>,
        session: &'w mut Session,
        options: &'w Options<'w>,
        out: &'w mut Findings,
    ) -> Self {
        let mut walker = Walker::new(rules);
        Self {
            p,
            c,
            p_rules: Ruled::new(p, &mut walker),
            c_rules: Ruled::new(c, &mut walker),
            walker,
            bijections: rules.has_bijection,
            budget,
            session,
            options,
            out,
            location: options.prefix.to_owned(),
            exact: options.prefix.to_owned(),
            told: HashSet::new(),
            emitted: false,
            decided: false,
        }
    }

    pub(super) fn run(mut self) -> JsonOutcome {
        match self.node(0, 0) {
            Err(Spent(limit)) if !self.decided => JsonOutcome::Limit(limit),
            Err(_) => JsonOutcome::Done,
            Ok(()) => {
                if !self.emitted {
                    emit::whitespace(self.p.raw(0), self.c.raw(0), self.options.prefix, self.out);
                }
                JsonOutcome::Done
            }
        }
    }

    pub(super) fn props(&self, state: State) -> Option<Rc<Props>> {
        self.walker.props(state).cloned()
    }

    /// Compares two values that stand at the same place.
    pub(super) fn node(&mut self, p: usize, c: usize) -> Step {
        self.budget.spend(1)?;
        let (x, y) = (&self.p.nodes[p], &self.c.nodes[c]);
        let state = self.p_rules.state(p);
        let equal = x.full == y.full;
        if equal && x.raw == y.raw && !(self.bijections && state != DEAD) {
            return Ok(());
        }
        let props = self.props(state);
        if !equal && let Some(id) = props.as_ref().and_then(|r| r.ignores(&[Ignore::Value])).cloned() {
            let (kind, class) = match (x.kind == y.kind, self.p.is_container(p)) {
                (false, _) => ("json.type", None),
                (true, true) => ("json.value", None),
                (true, false) => ("json.value", Some(self.class(p, c))),
            };
            self.two(kind, Tier::Value, (p, c), class, Some(id));
            return Ok(());
        }
        match (x.kind, y.kind) {
            (Type::Object, Type::Object) => self.object(p, c),
            (Type::Array, Type::Array) => self.array(p, c, props.as_deref()),
            (a, b) if a == b => {
                self.leaf(p, c, equal, props.as_deref());
                Ok(())
            }
            (a, b) => {
                let cover = self.excuse(Some(p), Some(c), props.as_deref());
                let null = a == Type::Null && self.c.is_empty(c) || b == Type::Null && self.p.is_empty(p);
                if null {
                    let class = |kind| if kind == Type::Null { "null" } else { "empty" };
                    let sides = (Side::classed(self.p, p, class(a)), Side::classed(self.c, c, class(b)));
                    self.emit("json.null_vs_empty", Tier::Value, sides, cover);
                } else {
                    self.two("json.type", Tier::Value, (p, c), None, cover);
                }
                Ok(())
            }
        }
    }

    fn leaf(&mut self, p: usize, c: usize, equal: bool, props: Option<&Props>) {
        if !equal {
            let cover = self.excuse(Some(p), Some(c), props);
            let class = self.class(p, c);
            self.two("json.value", Tier::Value, (p, c), Some(class), cover);
            return;
        }
        if let Some(group) = props.and_then(|r| r.bijection.as_ref())
            && !self.session.bijections.pair(&group.is, &self.value_bytes(true, p), &self.value_bytes(false, c))
        {
            self.two("json.value", Tier::Value, (p, c), Some("bijection"), None);
        }
        if self.p.raw(p) == self.c.raw(c) {
            return;
        }
        if self.p.nodes[p].kind == Type::Number {
            let notation = |tree: &Tree<'_>, node| number::notation(as_text(tree.raw(node)));
            let sides = (Side::classed(self.p, p, notation(self.p, p)), Side::classed(self.c, c, notation(self.c, c)));
            self.emit_once("json.number_repr", sides);
        } else {
            self.emit_once("json.escape", (Side::typed(self.p, p), Side::typed(self.c, c)));
        }
    }

    fn value_bytes(&self, primary: bool, node: usize) -> Cow<'a, [u8]> {
        let tree = if primary { self.p } else { self.c };
        if tree.nodes[node].kind == Type::String { tree.string(node) } else { Cow::Borrowed(tree.raw(node)) }
    }

    /// In what way two different values of one type differ.
    fn class(&self, p: usize, c: usize) -> &'static str {
        match self.p.nodes[p].kind {
            Type::Number => match number::difference(as_text(self.p.raw(p)), as_text(self.c.raw(c))) {
                "sign" => "number:sign",
                "ulp" => "number:ulp",
                "small" => "number:small",
                _ => "number:large",
            },
            Type::String => match text::difference(&self.p.string(p), &self.c.string(c)) {
                "case" => "string:case",
                "space" => "string:space",
                "numeric" => "string:numeric",
                "datetime" => "string:datetime",
                "url_origin" => "string:url_origin",
                "prefix" => "string:prefix",
                _ => "string:other",
            },
            other => other.name(),
        }
    }

    fn object(&mut self, p: usize, c: usize) -> Step {
        let (ours, theirs) = (Members::of(self.p, p), Members::of(self.c, c));
        self.budget.tick(ours.all.len() + theirs.all.len())?;
        let mut places = Vec::new();
        for at in 0..ours.all.len() {
            let Some((key, mine)) = ours.last_of(at) else { continue };
            let marks = (self.location.len(), self.exact.len());
            self.enter(key);
            let step = match theirs.find(key) {
                Some((place, yours)) => {
                    places.push(place);
                    let step = self.node(mine, yours);
                    self.member_text(p, c, key, mine, yours, (&ours, &theirs));
                    step
                }
                None => {
                    self.one_sided(true, mine, false);
                    self.budget.spend(1)
                }
            };
            self.leave(marks);
            step?;
        }
        if !places.is_sorted() {
            self.emit_once("json.key_order", (Side::typed(self.p, p), Side::typed(self.c, c)));
        }
        for at in 0..theirs.all.len() {
            let Some((key, yours)) = theirs.last_of(at) else { continue };
            if ours.find(key).is_none() {
                let marks = (self.location.len(), self.exact.len());
                self.enter(key);
                self.one_sided(false, yours, false);
                self.leave(marks);
                self.budget.spend(1)?;
            }
        }
        Ok(())
    }

    /// What the way a member is written tells: repetition, and escapes in its name.
    fn member_text(
        &mut self,
        p: usize,
        c: usize,
        key: &[u8],
        mine: usize,
        yours: usize,
        (ours, theirs): (&Members<'a>, &Members<'a>),
    ) {
        if ours.repeats || theirs.repeats {
            let hashes = |tree: &Tree<'_>, members: &Members<'_>| -> Vec<u128> {
                members.named(key).map(|n| tree.nodes[n].full).collect()
            };
            let (a, b) = (hashes(self.p, ours), hashes(self.c, theirs));
            if a.len() != b.len() || a.split_last().map(|s| s.1) != b.split_last().map(|s| s.1) {
                let class = |n: usize| if n > 1 { "repeated" } else { "single" };
                let sides = (Side::classed(self.p, mine, class(a.len())), Side::classed(self.c, yours, class(b.len())));
                let cover = self.props(self.p_rules.state(mine)).and_then(|r| r.ignores(&[Ignore::Value]).cloned());
                self.emit("json.duplicate_key", Tier::Value, sides, cover);
            }
        }
        if self.p.raw_key(mine) != self.c.raw_key(yours) {
            self.emit_once("json.escape", (Side::typed(self.p, p), Side::typed(self.c, c)));
        }
    }

    /// A value that the other side has not, at the current place: an array's element, or a member.
    pub(super) fn one_sided(&mut self, primary: bool, node: usize, element: bool) {
        let (tree, rules) = if primary { (self.p, &self.p_rules) } else { (self.c, &self.c_rules) };
        let props = self.props(rules.state(node));
        let (p, c) = if primary { (Some(node), None) } else { (None, Some(node)) };
        let cover = self.excuse(p, c, props.as_deref());
        let (kind, side) = if element {
            (if primary { "json.item_missing" } else { "json.item_extra" }, Side::typed(tree, node))
        } else if tree.nodes[node].kind == Type::Null {
            ("json.null_vs_missing", Side::typed(tree, node))
        } else if tree.is_empty(node) {
            ("json.empty_vs_missing", Side::classed(tree, node, "empty"))
        } else {
            (if primary { "json.missing" } else { "json.extra" }, Side::typed(tree, node))
        };
        let sides = if primary { (side, Side::missing()) } else { (Side::missing(), side) };
        self.emit(kind, Tier::Value, sides, cover);
    }

    /// The rule that excuses two values at one place, one of which may be missing.
    fn excuse(&mut self, p: Option<usize>, c: Option<usize>, props: Option<&Props>) -> Option<Arc<str>> {
        let props = props?;
        let (mut x, mut y) = (Cow::Borrowed(&[][..]), Cow::Borrowed(&[][..]));
        let primary = p.map_or(Scalar::Missing, |n| self.p.scalar(n, &mut x));
        let candidate = c.map_or(Scalar::Missing, |n| self.c.scalar(n, &mut y));
        props.excuses_values(primary, candidate, self.session).cloned()
    }

    fn enter(&mut self, key: &[u8]) {
        push_name_pattern(&mut self.location, key);
        push_name(&mut self.exact, key);
    }

    pub(super) fn leave(&mut self, (location, exact): (usize, usize)) {
        self.location.truncate(location);
        self.exact.truncate(exact);
    }

    /// A finding about two values; under the given class, or each under its type.
    pub(super) fn two(
        &mut self,
        kind: &'static str,
        tier: Tier,
        (p, c): (usize, usize),
        class: Option<&'static str>,
        cover: Option<Arc<str>>,
    ) {
        let sides = match class {
            Some(class) => (Side::classed(self.p, p, class), Side::classed(self.c, c, class)),
            None => (Side::typed(self.p, p), Side::typed(self.c, c)),
        };
        self.emit(kind, tier, sides, cover);
    }

    /// A finding of tier repr, once per kind and location.
    fn emit_once(&mut self, kind: &'static str, sides: (Side<'w, 'a>, Side<'w, 'a>)) {
        self.emitted = true;
        if self.told.insert((kind, self.location.clone())) {
            self.emit(kind, Tier::Repr, sides, None);
        }
    }

    fn emit(
        &mut self,
        kind: &'static str,
        tier: Tier,
        (primary, candidate): (Side<'w, 'a>, Side<'w, 'a>),
        cover: Option<Arc<str>>,
    ) {
        let draft = Draft { kind, tier, primary, candidate, cover };
        self.emitted = true;
        self.decided |= draft.counts() && tier != Tier::Order;
        draft.push(&self.location, &self.exact, self.out);
    }
}

/// The members of an object, in document order and by name.
struct Members<'a> {
    all: Vec<(Cow<'a, [u8]>, usize)>,
    /// Positions in `all`, sorted by name, then position.
    sorted: Vec<usize>,
    repeats: bool,
}

// === impl Members ===

impl<'a> Members<'a> {
    fn of(tree: &Tree<'a>, node: usize) -> Self {
        let all: Vec<_> = tree.children(node).iter().map(|c| (tree.key(*c as usize), *c as usize)).collect();
        let mut sorted: Vec<usize> = (0..all.len()).collect();
        sorted.sort_by(|a, b| all[*a].0.cmp(&all[*b].0));
        let repeats = sorted.windows(2).any(|w| all[w[0]].0 == all[w[1]].0);
        Self { all, sorted, repeats }
    }

    /// The last member of this name: its position in the document and its value.
    fn find(&self, key: &[u8]) -> Option<(usize, usize)> {
        let after = self.sorted.partition_point(|at| *self.all[*at].0 <= *key);
        let at = *self.sorted.get(after.checked_sub(1)?)?;
        let (name, node) = self.all.get(at)?;
        (**name == *key).then_some((at, *node))
    }

    /// All members of this name, in document order.
    fn named<'s>(&'s self, key: &[u8]) -> impl Iterator<Item = usize> + use<'s, 'a> {
        let before = self.sorted.partition_point(|at| *self.all[*at].0 < *key);
        let after = self.sorted.partition_point(|at| *self.all[*at].0 <= *key);
        self.sorted.get(before..after).unwrap_or(&[]).iter().filter_map(|at| Some(self.all.get(*at)?.1))
    }

    /// The member at a position, unless a later one of the same name overrides it.
    fn last_of(&self, at: usize) -> Option<(&[u8], usize)> {
        let (key, node) = self.all.get(at)?;
        if self.repeats && self.find(key)?.0 != at {
            return None;
        }
        Some((key, *node))
    }
}
