//! Two texts read side by side, so that those which differ in white space, the order of members or a few scalars alone
//! end here, without a tree.
//!
//! One side is read strictly; the other has to have the same bytes, token by token. Where the next members are not
//! the same, those of the second side are listed and found by name. Where a scalar differs it is noted, as long as no
//! array has two elements that do: of several it takes hashes to say which belong together. Whatever else differs, a
//! repeated name or an escape in a name out of order, or too much going back and forth, is left to the trees: giving up
//! is no answer.

mod reordered;

use super::super::budget::Budget;
use super::super::finding::Findings;
use super::Options;
use super::rules::JsonRules;
use super::scalars::{Around, Differences, To};
use super::scan;
use super::tree::common_prefix;
use reordered::{Member, Reordered};
use std::collections::HashSet;

/// Scalars that may differ; texts that differ in more are read as trees.
const MAX_SCALARS: usize = 32;
/// Places out of order that are told apart; more are left to the trees.
const MAX_PLACES: usize = 4096;
/// The bound of both for what is to be told at once.
const FEW: usize = 8;

/// How often the second text may be looked through for members, all in all.
const MAX_PASSES: usize = 8;
/// Bytes that are looked ahead for what both sides have; more, where they had all of that.
const AHEAD: usize = 1024;

/// What differs between two texts that hold the same but for white space, and either the order of members or a few
/// scalars of which no rule says anything; `None` where that is not so or could not be told.
pub(super) fn compare(
    a: &[u8],
    b: &[u8],
    rules: &JsonRules,
    options: &Options<'_>,
    budget: &mut Budget<'_>,
) -> Option<Findings> {
    let lockstep = Lockstep {
        a,
        b,
        i: 0,
        shift: 0,
        alike: 0,
        ahead: AHEAD,
        values: 0,
        open: Vec::new(),
        names: Vec::new(),
        differences: Differences::new(a, b, rules, if options.at_once { FEW } else { MAX_SCALARS }),
        members: Vec::new(),
        sorted: Vec::new(),
        passes: MAX_PASSES.saturating_mul(b.len()),
        options,
        paths: HashSet::new(),
        told: HashSet::new(),
        found: Findings::default(),
    };
    lockstep.run(budget)
}

struct Lockstep<'a, 'r> {
    a: &'a [u8],
    b: &'a [u8],
    /// Where we are on the first side, and how far before that on the second: see `Lockstep::j`.
    i: usize,
    shift: usize,
    /// From here on to this place of the first side both are known to go on alike.
    alike: usize,
    /// Bytes to look ahead the next time.
    ahead: usize,
    /// How many values were read.
    values: usize,
    /// The open containers, innermost last.
    open: Vec<Open>,
    /// The names of the first side's members so far, of all open objects, between their quotes.
    names: Vec<(usize, usize)>,
    differences: Differences<'a, 'r>,
    /// The members of the second side, of all open objects that are out of order.
    members: Vec<Member>,
    /// Positions in `members` by name, of the large ones among these.
    sorted: Vec<usize>,
    /// Bytes of the second side that may still be looked through.
    passes: usize,
    options: &'r Options<'r>,
    /// The places known to be out of order, and their locations.
    paths: HashSet<u64>,
    told: HashSet<String>,
    found: Findings,
}

struct Open {
    object: bool,
    /// Where it begins on both sides.
    start: (usize, usize),
    /// The name of the current member on the first side, between its quotes.
    key: (usize, usize),
    /// The position of the current element.
    index: usize,
    /// Tells this place from others, once that was asked; elements of one array are one place.
    path: Option<u64>,
    /// Where its names stand in `Lockstep::names`.
    names: usize,
    /// The element in which something differs; of an object, 0 where something does.
    differs: Option<usize>,
    /// Whether its names are too many to be told apart, once that was asked.
    wide: Option<bool>,
    /// Set once the members are out of order.
    reordered: Option<Box<Reordered>>,
}

// === impl Open ===

impl Open {
    fn new(object: bool, start: (usize, usize), names: usize) -> Self {
        let (key, index) = ((0, 0), 0);
        Self { object, start, key, index, path: None, names, differs: None, wide: None, reordered: None }
    }
}

// === impl Lockstep ===

impl<'a> Lockstep<'a, '_> {
    fn run(mut self, budget: &mut Budget<'_>) -> Option<Findings> {
        loop {
            if self.pass_over(budget)? && self.value(budget)? {
                continue;
            }
            loop {
                let Some(open) = self.open.last_mut() else { return self.end(budget) };
                let at = scan::blanks(self.a, self.i);
                let j = self.i.wrapping_sub(self.shift);
                match (self.a.get(at)?, open.object) {
                    (b',', false) => {
                        open.index += 1;
                        self.mark(b',')?;
                        break;
                    }
                    (b',', true) => {
                        match &open.reordered {
                            Some(reordered) if reordered.value_end != j => return None,
                            Some(_) => self.go(at + 1, j),
                            None => self.mark(b',')?,
                        }
                        self.key(budget)?;
                        break;
                    }
                    (close @ b'}', true) | (close @ b']', false) => self.leave(*close, budget)?,
                    _ => return None,
                }
            }
        }
    }

    /// Reads the next value, or opens the next container; whether there is a value in it to go on with.
    fn value(&mut self, budget: &mut Budget<'_>) -> Option<bool> {
        budget.tick(1).ok()?;
        self.values += 1;
        self.blanks();
        if matches!(self.a.get(self.i)?, b'{' | b'[') {
            return self.enter(budget);
        }
        let end = scan::scalar(self.a, self.i)?;
        self.scalar(end)?;
        Some(false)
    }

    /// After the outermost value.
    fn end(mut self, budget: &mut Budget<'_>) -> Option<Findings> {
        self.blanks();
        if (self.i, self.j()) != (self.a.len(), self.b.len()) {
            return None;
        }
        if self.differences.is_empty() {
            return Some(self.found);
        }
        // Paired in a way of their own, the elements of the outermost array need not belong together.
        if !self.found.is_match() || self.options.root_align.is_some() {
            return None;
        }
        // As many as the trees would have, and the ways to what differs.
        budget.spend(2 * self.values + self.differences.steps()).ok()?;
        self.differences.tell(self.options.prefix)
    }

    /// Where we are on the second side.
    #[inline]
    fn j(&self) -> usize {
        self.i.wrapping_sub(self.shift)
    }

    /// Goes to these places of both sides.
    #[inline]
    fn go(&mut self, i: usize, j: usize) {
        let shift = i.wrapping_sub(j);
        if shift != self.shift {
            (self.shift, self.alike, self.ahead) = (shift, i, AHEAD);
        }
        self.i = i;
    }

    /// Goes past white space.
    #[inline]
    fn blanks(&mut self) {
        let at = scan::blanks(self.a, self.i);
        if at < self.alike {
            self.i = at;
        } else {
            self.go(at, scan::blanks(self.b, self.j()));
        }
    }

    /// Goes on to `end` on the first side and as far on the second, if the bytes are the same.
    #[inline]
    fn both(&mut self, end: usize) -> Option<()> {
        if end > self.alike && !self.look_ahead(end) {
            return None;
        }
        self.i = end;
        Some(())
    }

    /// Whether both go on alike up to `end`, seen from here anew.
    fn look_ahead(&mut self, end: usize) -> bool {
        fn ahead(text: &[u8], from: usize, most: usize) -> &[u8] {
            text.get(from..text.len().min(from.saturating_add(most))).unwrap_or(&[])
        }
        let most = self.ahead.max(end - self.i);
        let alike = common_prefix(ahead(self.a, self.i, most), ahead(self.b, self.j(), most));
        if alike == most {
            self.ahead = most.saturating_mul(2);
        }
        self.alike = self.i + alike;
        end <= self.alike
    }

    /// The next byte on both sides, white space aside.
    #[inline]
    fn mark(&mut self, byte: u8) -> Option<()> {
        self.blanks();
        let same = self.i < self.alike || self.b.get(self.j()) == Some(&byte);
        if !same || self.a.get(self.i) != Some(&byte) {
            return None;
        }
        self.i += 1;
        Some(())
    }

    /// Goes past a scalar that ends at `end` on the first side, noted where it is another one on the second.
    #[inline]
    fn scalar(&mut self, end: usize) -> Option<()> {
        // With the byte behind it: one number may begin as another does.
        if end < self.alike || self.look_ahead(end + 1) {
            self.i = end;
            return Some(());
        }
        let other = scan::scalar(self.b, self.j())?;
        if self.a.get(self.i..end) != self.b.get(self.j()..other) {
            self.differ(end, other)?;
        }
        self.go(end, other);
        Some(())
    }

    /// Notes that the scalar from here to `end` is another one on the second side, where it ends at `other`.
    #[cold]
    fn differ(&mut self, end: usize, other: usize) -> Option<()> {
        if !self.paths.is_empty() {
            return None;
        }
        let mut around = Vec::with_capacity(self.open.len());
        for open in &mut self.open {
            let (at, to) = match open.object {
                true => (0, To::Member(open.key)),
                false => (open.index, To::Element(open.index)),
            };
            if open.reordered.is_some() || open.differs.is_some_and(|known| known != at) {
                return None;
            }
            open.differs = Some(at);
            around.push(Around { start: open.start.0, to });
        }
        let j = self.j();
        self.differences.add(around, self.i..end, j..other)
    }

    /// Reads on the first side alone what both are known to have, values and marks, up to one that does not end there or
    /// takes a closer look; whether that is a value.
    fn pass_over(&mut self, budget: &mut Budget<'_>) -> Option<bool> {
        if self.i >= self.alike && !(matches!(self.a.get(self.i), Some(b'{' | b'[')) && self.look_ahead(self.i + 1)) {
            return Some(true);
        }
        let (text, shift) = (self.a.get(..self.alike)?, self.shift);
        let mut values = 0;
        let before_value = 'value: loop {
            let mut at = self.i;
            match scan::next(text, &mut at) {
                Some(first @ (b'{' | b'[')) => {
                    let (start, object) = (at, first == b'{');
                    at += 1;
                    match scan::next(text, &mut at) {
                        _ if self.open.len() >= budget.depth => break true,
                        Some(close) if close == if object { b'}' } else { b']' } => at += 1,
                        Some(_) => {
                            let mut open = Open::new(object, (start, start.wrapping_sub(shift)), self.names.len());
                            if object {
                                let Some((key, value)) = scan::name(text, at) else { break true };
                                (open.key, at) = (key, value);
                                self.names.push(key);
                            }
                            self.open.push(open);
                            (self.i, values) = (at, values + 1);
                            continue;
                        }
                        None => break true,
                    }
                }
                // A number that ends where both are no longer known to be alike may go on.
                Some(_) => match scan::scalar(text, at) {
                    Some(end) if end < text.len() => at = end,
                    _ => break true,
                },
                None => break true,
            }
            (self.i, values) = (at, values + 1);
            loop {
                let mut at = self.i;
                let Some(open) = self.open.last_mut().filter(|open| open.reordered.is_none()) else {
                    break 'value false;
                };
                match (scan::next(text, &mut at), open.object) {
                    (Some(b','), true) => {
                        let Some((key, value)) = scan::name(text, at + 1) else { break 'value false };
                        (open.key, self.i) = (key, value);
                        self.names.push(key);
                        break;
                    }
                    (Some(b','), false) => {
                        open.index += 1;
                        self.i = at + 1;
                        break;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) if open.differs.is_none() => {
                        self.names.truncate(open.names);
                        self.open.pop();
                        self.i = at + 1;
                    }
                    _ => break 'value false,
                }
            }
        };
        self.values += values;
        budget.tick(values).ok()?;
        Some(before_value)
    }

    /// Opens a container; whether there is a value in it to go on with.
    fn enter(&mut self, budget: &mut Budget<'_>) -> Option<bool> {
        let (start, object) = ((self.i, self.j()), self.a.get(self.i) == Some(&b'{'));
        if self.open.len() >= budget.depth {
            return None;
        }
        self.both(self.i + 1)?;
        let names = self.names.len();
        self.open.push(Open::new(object, start, names));
        let at = scan::blanks(self.a, self.i);
        if matches!((self.a.get(at)?, object), (b'}', true) | (b']', false)) {
            return Some(false);
        }
        if object {
            self.key(budget)?;
        }
        Some(true)
    }

    /// Reads a member's name on the first side and goes to its value on both.
    fn key(&mut self, budget: &mut Budget<'_>) -> Option<()> {
        let (key, value) = scan::name(self.a, self.i)?;
        let open = self.open.last_mut()?;
        open.key = key;
        self.names.push(key);
        if open.reordered.is_none() {
            if value <= self.alike {
                self.i = value;
                return Some(());
            }
            self.blanks();
            if self.both(key.1 + 1).is_some() {
                return self.mark(b':');
            }
            self.list(budget)?;
        }
        let j = self.find()?;
        self.go(value, j);
        Some(())
    }

    /// Closes the innermost container, on the first side before its bracket.
    fn leave(&mut self, close: u8, budget: &mut Budget<'_>) -> Option<()> {
        match &self.open.last()?.reordered {
            None => self.mark(close)?,
            Some(r) if r.left == 0 && r.value_end == self.j() => {
                let (first, sorted, end) = (r.first, r.sorted, r.end);
                self.go(scan::blanks(self.a, self.i) + 1, end + 1);
                self.members.truncate(first);
                self.sorted.truncate(sorted);
                self.reordered(budget)?;
            }
            Some(_) => return None,
        }
        let closed = self.open.pop()?;
        if closed.object && closed.differs.is_some() {
            self.differences.object(closed.start.0, self.names.get(closed.names..)?)?;
        }
        self.names.truncate(closed.names);
        Some(())
    }
}
