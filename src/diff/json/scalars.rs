//! Scalars: whether two are the same, in what way they differ, and those in which two texts of one structure do.
//!
//! The last are told without a tree where each stands in the same place on both sides whatever way arrays are paired.
//! Where a rule has a say or a name repeats it is left to the trees.

use super::super::finding::{Findings, Tier};
use super::super::value::number;
use super::super::value::text::{self, unescape};
use super::emit::{Draft, MAX_NAMES, Place, Side, machine_made};
use super::rules::{JsonRules, Walker};
use super::tree::{Type, as_text};
use std::borrow::Cow;
use std::ops::Range;

/// A scalar as it is written.
pub(super) type Scalar<'a> = (Type, &'a [u8]);

/// The scalars in which two texts differ, in the order of the document.
#[derive(Debug)]
pub(super) struct Differences<'a, 'r> {
    a: &'a [u8],
    b: &'a [u8],
    rules: &'r JsonRules,
    most: usize,
    walker: Option<Walker<'r>>,
    list: Vec<Difference>,
    /// Objects with a difference below them, by where they begin, and whether their names are too many to be told apart.
    objects: Vec<(usize, bool)>,
}

/// A scalar on both sides, and the containers around it, the outermost first.
#[derive(Debug)]
struct Difference {
    around: Vec<Around>,
    primary: Range<usize>,
    candidate: Range<usize>,
}

/// A container, and the way from it towards a scalar.
#[derive(Debug)]
pub(super) struct Around {
    /// Where it begins.
    pub start: usize,
    pub to: To,
}

#[derive(Debug)]
pub(super) enum To {
    /// The member whose name is there, between quotes.
    Member((usize, usize)),
    Element(usize),
}

/// Whether two scalars are the same, however they are written.
pub(super) fn same(a: Scalar<'_>, b: Scalar<'_>) -> bool {
    a.1 == b.1
        || match (a.0, b.0) {
            (Type::Number, Type::Number) => number::equal(as_text(a.1), as_text(b.1)),
            (Type::String, Type::String) => content(a.1) == content(b.1),
            _ => false,
        }
}

/// In what way two different values of one type differ.
pub(super) fn difference(kind: Type, a: &[u8], b: &[u8]) -> &'static str {
    match kind {
        Type::Number => match number::difference(as_text(a), as_text(b)) {
            "sign" => "number:sign",
            "ulp" => "number:ulp",
            "small" => "number:small",
            _ => "number:large",
        },
        Type::String => match text::difference(&content(a), &content(b)) {
            "case" => "string:case",
            "space" => "string:space",
            "unicode_form" => "string:unicode_form",
            "numeric" => "string:numeric",
            "datetime" => "string:datetime",
            "url_origin" => "string:url_origin",
            "prefix" => "string:prefix",
            _ => "string:other",
        },
        other => other.name(),
    }
}

/// The finding of two values of different types, one of which may be `null` where the other is `empty`.
pub(super) fn types<'a>(a: Side<'a>, b: Side<'a>, empty: (bool, bool)) -> (&'static str, Side<'a>, Side<'a>) {
    let null = |side: &Side<'_>| matches!(side.value, Some((Type::Null, _)));
    match (null(&a), null(&b)) {
        (true, _) if empty.1 => ("json.null_vs_empty", a.classed("null"), b.classed("empty")),
        (_, true) if empty.0 => ("json.null_vs_empty", a.classed("empty"), b.classed("null")),
        _ => ("json.type", a, b),
    }
}

/// A string's content, unescaped.
pub(super) fn content(raw: &[u8]) -> Cow<'_, [u8]> {
    unescape(raw.get(1..raw.len().saturating_sub(1)).unwrap_or(&[]))
}

// === impl Differences ===

impl<'a, 'r> Differences<'a, 'r> {
    /// Of more than `most` nothing is told.
    pub(super) fn new(a: &'a [u8], b: &'a [u8], rules: &'r JsonRules, most: usize) -> Self {
        Self { a, b, rules, most, walker: None, list: Vec::new(), objects: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many values stand on the ways to them.
    pub(super) fn steps(&self) -> usize {
        self.list.iter().map(|difference| 1 + difference.around.len()).sum()
    }

    /// Notes one; `None` where it takes the trees to tell it.
    pub(super) fn add(&mut self, around: Vec<Around>, primary: Range<usize>, candidate: Range<usize>) -> Option<()> {
        let (mine, yours) = (scalar(self.a, &primary)?, scalar(self.b, &candidate)?);
        // In another notation only, which is told once for each location.
        let alike = mine.0 == yours.0 && same(mine, yours);
        if alike || self.list.len() >= self.most || self.is_ruled(&around) {
            return None;
        }
        self.list.push(Difference { around, primary, candidate });
        Some(())
    }

    /// Notes an object with a difference below it, by where it begins and the names of its members; `None` where one
    /// repeats.
    pub(super) fn object(&mut self, start: usize, names: &[(usize, usize)]) -> Option<()> {
        let name = |(from, to): &(usize, usize)| self.a.get(*from..*to).map(unescape);
        let mut names = names.iter().map(name).collect::<Option<Vec<Cow<'_, [u8]>>>>()?;
        let wide = names.len() > MAX_NAMES && names.iter().filter(|name| machine_made(name)).count() > MAX_NAMES;
        self.objects.push((start, wide));
        names.sort_unstable();
        names.windows(2).all(|w| matches!(w, [x, y] if x != y)).then_some(())
    }

    /// What is found of them.
    pub(super) fn tell(&self, prefix: &str) -> Option<Findings> {
        let mut found = Findings::default();
        for Difference { around, primary, candidate } in &self.list {
            let (a, b) = (scalar(self.a, primary)?, scalar(self.b, candidate)?);
            let sides = (Side::typed(a.0, a.1), Side::typed(b.0, b.1));
            let (kind, primary, candidate) = if a.0 == b.0 {
                let class = difference(a.0, a.1, b.1);
                ("json.value", sides.0.classed(class), sides.1.classed(class))
            } else {
                types(sides.0, sides.1, (a.1 == b"\"\"", b.1 == b"\"\""))
            };
            let place = self.place(around, prefix)?;
            Draft { kind, tier: Tier::Value, primary, candidate, cover: None }.push(&place, &mut found);
        }
        Some(found)
    }

    fn place(&self, around: &[Around], prefix: &str) -> Option<Place> {
        let mut place = Place::new(prefix);
        for Around { start, to } in around {
            match to {
                To::Element(index) => place.element(*index),
                To::Member(name) => {
                    let name = unescape(self.a.get(name.0..name.1)?);
                    let wide = self.objects.iter().any(|(object, wide)| object == start && *wide);
                    place.member(&name, wide && machine_made(&name));
                }
            }
        }
        Some(place)
    }

    /// Whether a rule says something of a scalar, or of what is around it.
    fn is_ruled(&mut self, around: &[Around]) -> bool {
        if self.rules.is_empty() {
            return false;
        }
        let walker = self.walker.get_or_insert_with(|| Walker::new(self.rules));
        let mut state = walker.start();
        let ruled = around.iter().any(|Around { to, .. }| {
            let here = walker.props(state).is_some();
            state = match to {
                To::Element(index) => walker.index(state, *index),
                To::Member(name) => walker.name(state, &unescape(self.a.get(name.0..name.1).unwrap_or(&[]))),
            };
            here
        });
        ruled || walker.props(state).is_some()
    }
}

fn scalar<'a>(text: &'a [u8], span: &Range<usize>) -> Option<Scalar<'a>> {
    let raw = text.get(span.clone())?;
    Some((Type::of(*raw.first()?), raw))
}
