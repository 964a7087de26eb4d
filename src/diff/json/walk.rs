//! Two trees walked together with the rules: what differs at each place becomes a finding there.
//!
//! Recursion is bounded by the depth that trees have. Arrays are paired next door, in `array`.

use super::super::budget::{Budget, Spent};
use super::super::finding::{Findings, Tier};
use super::super::spec::Ignore;
use super::super::value::number;
use super::super::value::rules::{Props, Scalar, Session};
use super::emit::{Draft, Place, Side, machine_made};
use super::members::Members;
use super::ruled::{At, Ruled};
use super::rules::{DEAD, JsonRules, State, Walker};
use super::scalars;
use super::tree::{Tree, Type, as_text, common_prefix};
use super::{JsonOutcome, Options};
use std::borrow::Cow;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

pub(super) struct Walk<'w, 'a, 'b> {
    pub p: &'w Tree<'a>,
    pub c: &'w Tree<'a>,
    pub rules: &'w JsonRules,
    pub options: &'w Options<'w>,
    /// Whether some values stand for others, so that equal ones have to be looked at too.
    renames: bool,
    pub p_ruled: Ruled,
    pub c_ruled: Ruled,
    pub walker: Walker<'w>,
    pub budget: &'w mut Budget<'b>,
    pub session: &'w mut Session,
    out: &'w mut Findings,
    pub place: Place,
    told: HashSet<(&'static str, String)>,
    /// What is known of the texts from the last look at them.
    known: Known,
    /// Something of tier break or value that counts was found.
    decided: bool,
}

/// `from..upto` of the primary's text is the same on the candidate's, `shift` bytes before; where `ends`, what follows
/// is not.
#[derive(Debug, Default)]
struct Known {
    from: usize,
    upto: usize,
    shift: usize,
    ends: bool,
}

type Step = Result<(), Spent>;

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
        Self {
            p,
            c,
            rules,
            options,
            renames: rules.has_bijection(),
            p_ruled: Ruled::default(),
            c_ruled: Ruled::default(),
            walker: Walker::new(rules),
            budget,
            session,
            out,
            place: Place::new(options.prefix),
            told: HashSet::new(),
            known: Known::default(),
            decided: false,
        }
    }

    pub(super) fn run(mut self) -> JsonOutcome {
        let root = At { node: 0, state: self.walker.start() };
        match self.node(root, root) {
            Err(Spent(limit)) if !self.decided => JsonOutcome::Limit(limit),
            _ => JsonOutcome::Done,
        }
    }

    pub(super) fn props(&self, state: State) -> Option<Rc<Props>> {
        self.walker.props(state).cloned()
    }

    /// Compares two values that stand at the same place.
    pub(super) fn node(&mut self, p: At, c: At) -> Step {
        self.budget.spend(1)?;
        if self.is_settled(p, c)? {
            return Ok(());
        }
        let props = self.props(p.state);
        let (x, y) = (self.p.nodes[p.node].kind, self.c.nodes[c.node].kind);
        if let Some(id) = props.as_ref().and_then(|r| r.ignores(&[Ignore::Value])).cloned()
            && !self.same_value(p.node, c.node)?
        {
            let (kind, class) = match (x == y, self.p.is_container(p.node)) {
                (false, _) => ("json.type", None),
                (true, true) => ("json.value", None),
                (true, false) => ("json.value", Some(self.class(p.node, c.node))),
            };
            self.two(kind, Tier::Value, (p.node, c.node), class, Some(id));
            return Ok(());
        }
        match (x, y) {
            (Type::Object, Type::Object) => self.object(p, c),
            (Type::Array, Type::Array) => self.array(p, c, props.as_deref()),
            (a, b) if a == b => {
                self.leaf(p.node, c.node, props.as_deref());
                Ok(())
            }
            _ => {
                let (p, c) = (p.node, c.node);
                let cover = self.excuse(Some(p), Some(c), props.as_deref());
                let empty = (self.p.is_empty(p), self.c.is_empty(c));
                let (kind, primary, candidate) = scalars::types(side(self.p, p), side(self.c, c), empty);
                self.emit(kind, Tier::Value, (primary, candidate), cover);
                Ok(())
            }
        }
    }

    /// Whether two values are written alike and nothing can be found in them.
    pub(super) fn is_settled(&mut self, p: At, c: At) -> Result<bool, Spent> {
        let renames = self.renames && p.state != DEAD;
        Ok(!renames && self.same_text(p.node, c.node)?)
    }

    /// Whether two values are written alike. No byte is looked at once for each level it is nested in: what the last
    /// look told is kept.
    fn same_text(&mut self, p: usize, c: usize) -> Result<bool, Spent> {
        let (x, y) = (self.p.span(p), self.c.span(c));
        if x.len() != y.len() {
            return Ok(false);
        }
        let (shift, known) = (x.start.wrapping_sub(y.start), &self.known);
        if known.shift == shift && known.from <= x.start && x.start <= known.upto {
            if x.end <= known.upto {
                return Ok(true);
            }
            if known.ends {
                return Ok(false);
            }
        }
        let same = common_prefix(self.p.raw(p), self.c.raw(c));
        self.known = Known { from: x.start, upto: x.start + same, shift, ends: same < x.len() };
        self.budget.tick(1 + same / 64)?;
        Ok(same == x.len())
    }

    fn same_value(&mut self, p: usize, c: usize) -> Result<bool, Spent> {
        if self.p.is_container(p) && self.c.is_container(c) {
            return Ok(self.p.hash(p, self.budget)? == self.c.hash(c, self.budget)?);
        }
        Ok(self.p.same_scalar(p, self.c, c))
    }

    fn leaf(&mut self, p: usize, c: usize, props: Option<&Props>) {
        if !self.p.same_scalar(p, self.c, c) {
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
        let (x, y) = (side(self.p, p), side(self.c, c));
        if self.p.raw(p) == self.c.raw(c) {
            return;
        }
        if self.p.nodes[p].kind == Type::Number {
            let notation = |tree: &Tree<'_>, node| number::notation(as_text(tree.raw(node)));
            self.emit_once("json.number_repr", (x.classed(notation(self.p, p)), y.classed(notation(self.c, c))));
        } else {
            self.emit_once("json.escape", (x, y));
        }
    }

    fn value_bytes(&self, primary: bool, node: usize) -> Cow<'a, [u8]> {
        let tree = if primary { self.p } else { self.c };
        match (tree.nodes[node].kind, tree.raw(node)) {
            (Type::String, _) => tree.string(node),
            (Type::Number, raw) => match number::plain(as_text(raw)) {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            },
            (_, raw) => Cow::Borrowed(raw),
        }
    }

    /// In what way two different values of one type differ.
    fn class(&self, p: usize, c: usize) -> &'static str {
        scalars::difference(self.p.nodes[p].kind, self.p.raw(p), self.c.raw(c))
    }

    fn object(&mut self, p: At, c: At) -> Step {
        let (ours, theirs) = (Members::of(self.p, p.node), Members::of(self.c, c.node));
        self.budget.tick(ours.all.len() + theirs.all.len())?;
        let wide = ours.is_wide() || theirs.is_wide();
        let mut places = Vec::new();
        for at in 0..ours.all.len() {
            let Some((key, mine)) = ours.last_of(at) else { continue };
            let mine = At { node: mine, state: self.walker.name(p.state, key) };
            let state = self.walker.name(c.state, key);
            let other = theirs.find(key).map(|(place, node)| (place, At { node, state }));
            if let Some((place, yours)) = other {
                places.push(place);
                let once = !ours.repeats && !theirs.repeats;
                if once && self.p.raw_key(mine.node) == self.c.raw_key(yours.node) && self.is_settled(mine, yours)? {
                    self.budget.spend(1)?;
                    continue;
                }
            }
            let mark = self.enter(key, wide);
            match other {
                Some((_, yours)) => {
                    self.node(mine, yours)?;
                    self.member_text((p.node, c.node), key, mine, yours.node, (&ours, &theirs))?;
                }
                None => {
                    self.one_sided(true, mine, false);
                    self.budget.spend(1)?;
                }
            }
            self.place.back(mark);
        }
        if !places.is_sorted() {
            self.emit_once("json.key_order", (side(self.p, p.node), side(self.c, c.node)));
        }
        for at in 0..theirs.all.len() {
            let Some((key, yours)) = theirs.last_of(at) else { continue };
            if ours.find(key).is_none() {
                let mark = self.enter(key, wide);
                let state = self.walker.name(c.state, key);
                self.one_sided(false, At { node: yours, state }, false);
                self.place.back(mark);
                self.budget.spend(1)?;
            }
        }
        Ok(())
    }

    /// What the way a member is written tells: repetition, and escapes in its name.
    fn member_text(
        &mut self,
        (p, c): (usize, usize),
        key: &[u8],
        mine: At,
        yours: usize,
        (ours, theirs): (&Members<'a>, &Members<'a>),
    ) -> Step {
        if ours.repeats || theirs.repeats {
            let hashes =
                |tree: &Tree<'_>, members: &Members<'_>, budget: &mut Budget<'_>| -> Result<Vec<u128>, Spent> {
                    members.named(key).map(|n| tree.hash(n, budget)).collect()
                };
            let (a, b) = (hashes(self.p, ours, self.budget)?, hashes(self.c, theirs, self.budget)?);
            if a.len() != b.len() || a.split_last().map(|s| s.1) != b.split_last().map(|s| s.1) {
                let class = |n: usize| if n > 1 { "repeated" } else { "single" };
                let sides =
                    (side(self.p, mine.node).classed(class(a.len())), side(self.c, yours).classed(class(b.len())));
                let cover = self.props(mine.state).and_then(|r| r.ignores(&[Ignore::Value]).cloned());
                self.emit("json.duplicate_key", Tier::Value, sides, cover);
            }
        }
        if self.p.raw_key(mine.node) != self.c.raw_key(yours) {
            self.emit_once("json.escape", (side(self.p, p), side(self.c, c)));
        }
        Ok(())
    }

    /// A value that the other side has not, at the current place: an array's element, or a member.
    pub(super) fn one_sided(&mut self, primary: bool, At { node, state }: At, element: bool) {
        let tree = if primary { self.p } else { self.c };
        let props = self.props(state);
        let (p, c) = if primary { (Some(node), None) } else { (None, Some(node)) };
        let cover = self.excuse(p, c, props.as_deref());
        let typed = side(tree, node);
        let (kind, side) = if element {
            (if primary { "json.item_missing" } else { "json.item_extra" }, typed)
        } else if tree.nodes[node].kind == Type::Null {
            ("json.null_vs_missing", typed)
        } else if tree.is_empty(node) {
            ("json.empty_vs_missing", typed.classed("empty"))
        } else {
            (if primary { "json.missing" } else { "json.extra" }, typed)
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

    /// Goes to a member, to be left by [`Place::back`].
    fn enter(&mut self, key: &[u8], wide: bool) -> (usize, usize) {
        let mark = self.place.mark();
        self.place.member(key, wide && machine_made(key));
        mark
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
        let (x, y) = (side(self.p, p), side(self.c, c));
        let sides = class.map_or((x, y), |class| (x.classed(class), y.classed(class)));
        self.emit(kind, tier, sides, cover);
    }

    /// A finding of tier repr, once per kind and location.
    fn emit_once(&mut self, kind: &'static str, sides: (Side<'a>, Side<'a>)) {
        if self.told.insert((kind, self.place.location.clone())) {
            self.emit(kind, Tier::Repr, sides, None);
        }
    }

    fn emit(
        &mut self,
        kind: &'static str,
        tier: Tier,
        (primary, candidate): (Side<'a>, Side<'a>),
        cover: Option<Arc<str>>,
    ) {
        let draft = Draft { kind, tier, primary, candidate, cover };
        self.decided |= draft.counts() && tier != Tier::Order;
        draft.push(&self.place, self.out);
    }
}

/// A value under the class of its type.
fn side<'a>(tree: &Tree<'a>, node: usize) -> Side<'a> {
    Side::typed(tree.nodes[node].kind, tree.raw(node))
}
