//! Members out of order: those of the second side are listed and found by name.

use super::super::super::budget::Budget;
use super::super::super::finding::Tier;
use super::super::super::value::text::unescape;
use super::super::emit::{Draft, MAX_NAMES, Place, Side, machine_made};
use super::super::scan;
use super::super::tree::Type;
use super::{FEW, Lockstep, MAX_PLACES};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Members up to which names are searched one by one.
const FEW_NAMES: usize = 16;

/// The members of an object that are out of order, as far as they are read.
pub(super) struct Reordered {
    /// Where its members stand in `Lockstep::members`, and in `sorted`.
    pub(super) first: usize,
    pub(super) sorted: usize,
    count: usize,
    pub(super) left: usize,
    /// The member found last.
    last: usize,
    /// Where the object ends on the second side, and the current member's value.
    pub(super) end: usize,
    pub(super) value_end: usize,
}

/// A member of the second side.
pub(super) struct Member {
    mark: u64,
    key: (usize, usize),
    value: (usize, usize),
    used: bool,
}

// === impl Lockstep ===

impl Lockstep<'_, '_> {
    /// Lists what is left of the second side's object.
    pub(super) fn list(&mut self, budget: &mut Budget<'_>) -> Option<()> {
        if !self.differences.is_empty() {
            return None;
        }
        let (first, from) = (self.members.len(), self.j());
        let mut at = from;
        loop {
            if self.b.get(at) != Some(&b'"') {
                return None;
            }
            let end = scan::plain_string(self.b, at)?;
            let key = (at + 1, end - 1);
            let name = self.b.get(key.0..key.1)?;
            at = scan::blanks(self.b, end);
            if self.b.get(at) != Some(&b':') {
                return None;
            }
            let start = scan::blanks(self.b, at + 1);
            let end = scan::skip(self.b, start)?;
            self.members.push(Member { mark: mark(name), key, value: (start, end), used: false });
            at = scan::blanks(self.b, end);
            match self.b.get(at)? {
                b',' => at = scan::blanks(self.b, at + 1),
                b'}' => break,
                _ => return None,
            }
        }
        budget.tick((at - from) / 16).ok()?;
        self.passes = self.passes.checked_sub(at - from)?;
        let (count, sorted) = (self.members.len() - first, self.sorted.len());
        let own = self.members.get(first..)?;
        let b = self.b;
        let by_name = |m: &Member| (m.mark, b.get(m.key.0..m.key.1));
        let repeated = if count <= FEW_NAMES {
            let same = |x: &Member, y: &Member| x.mark == y.mark && by_name(x) == by_name(y);
            own.iter().enumerate().any(|(n, x)| own.iter().take(n).any(|y| same(x, y)))
        } else {
            let mut places: Vec<usize> = (first..first + count).collect();
            let name = |place: &usize| self.members.get(*place).map(by_name);
            places.sort_by(|x, y| name(x).cmp(&name(y)));
            let repeated = places.windows(2).any(|w| matches!(w, [x, y] if name(x) == name(y)));
            self.sorted.extend(places);
            repeated
        };
        if repeated {
            return None;
        }
        self.open.last_mut()?.reordered =
            Some(Box::new(Reordered { first, sorted, count, left: count, last: count, end: at, value_end: 0 }));
        Some(())
    }

    /// Where the current member's value begins on the second side.
    pub(super) fn find(&mut self) -> Option<usize> {
        let open = self.open.last_mut()?;
        let name = self.a.get(open.key.0..open.key.1)?;
        let reordered = open.reordered.as_mut()?;
        let (mark, b, members) = (mark(name), self.b, &self.members);
        let is =
            |place: usize| members.get(place).is_some_and(|m| m.mark == mark && b.get(m.key.0..m.key.1) == Some(name));
        let (first, last, count) = (reordered.first, reordered.last, reordered.count);
        // Mostly the neighbour of the one before.
        let near =
            [last.wrapping_sub(1), last + 1].into_iter().filter(|n| *n < count).map(|n| first + n).find(|n| is(*n));
        let place = match near {
            Some(place) => place,
            None if count <= FEW_NAMES => (first..first + count).find(|n| is(*n))?,
            None => {
                let places = self.sorted.get(reordered.sorted..reordered.sorted + count)?;
                let before =
                    |p: &usize| members.get(*p).is_some_and(|m| (m.mark, b.get(m.key.0..m.key.1)) < (mark, Some(name)));
                *places.get(places.partition_point(before)).filter(|p| is(**p))?
            }
        };
        let member = self.members.get_mut(place).filter(|m| !m.used)?;
        member.used = true;
        reordered.last = place - first;
        reordered.left -= 1;
        reordered.value_end = member.value.1;
        Some(member.value.0)
    }

    /// Tells the place of an open container from others.
    fn path(&mut self, depth: usize) -> Option<u64> {
        let known = self.open.get(..=depth)?.iter().rposition(|open| open.path.is_some());
        let mut path = known.and_then(|at| self.open.get(at)?.path).unwrap_or(0);
        for at in known.unwrap_or(0)..depth {
            let open = self.open.get(at)?;
            path = match open.object {
                true => xxh3_64_with_seed(self.a.get(open.key.0..open.key.1)?, path),
                false => path.rotate_left(7) ^ 1,
            };
            self.open.get_mut(at + 1)?.path = Some(path);
        }
        Some(path)
    }

    /// Notes that the members of the innermost container are out of order, once for its place.
    pub(super) fn reordered(&mut self, budget: &mut Budget<'_>) -> Option<()> {
        let depth = self.open.len() - 1;
        let (path, start) = (self.path(depth)?, self.open.get(depth)?.start);
        if !self.paths.insert(path) {
            return Some(());
        }
        if self.paths.len() > if self.options.at_once { FEW } else { MAX_PLACES } {
            return None;
        }
        budget.tick(8 * depth).ok()?;
        let mut place = Place::new(self.options.prefix);
        for at in 0..depth {
            let open = self.open.get(at)?;
            if !open.object {
                place.element(open.index);
                continue;
            }
            let name = unescape(self.a.get(open.key.0..open.key.1)?);
            let family = machine_made(&name) && self.is_wide(at, budget)?;
            place.member(&name, family);
        }
        if !self.told.contains(&place.location) {
            let (a, b) = (self.a.get(start.0..self.i)?, self.b.get(start.1..self.j())?);
            let (primary, candidate) = (Side::typed(Type::Object, a), Side::typed(Type::Object, b));
            Draft { kind: "json.key_order", tier: Tier::Repr, primary, candidate, cover: None }
                .push(&place, &mut self.found);
            self.told.insert(place.location);
        }
        Some(())
    }

    /// Whether an open object has too many names that no person chose.
    fn is_wide(&mut self, depth: usize, budget: &mut Budget<'_>) -> Option<bool> {
        let open = self.open.get(depth)?;
        if let Some(known) = open.wide {
            return Some(known);
        }
        let (from, mut count) = (open.start.0, 0);
        let mut at = scan::blanks(self.a, from + 1);
        loop {
            let end = scan::skip(self.a, at)?;
            count += usize::from(machine_made(&unescape(self.a.get(at + 1..end - 1)?)));
            at = scan::skip(self.a, scan::blanks(self.a, scan::blanks(self.a, end) + 1))?;
            budget.tick(1).ok()?;
            at = scan::blanks(self.a, at);
            match self.a.get(at)? {
                b',' => at = scan::blanks(self.a, at + 1),
                _ => break,
            }
        }
        self.passes = self.passes.checked_sub(at - from)?;
        let wide = count > MAX_NAMES;
        self.open.get_mut(depth)?.wide = Some(wide);
        Some(wide)
    }
}

/// Tells most names apart without looking at them.
fn mark(name: &[u8]) -> u64 {
    let head = match name.first_chunk() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => name.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    head ^ (name.len() as u64).rotate_right(8)
}
