//! Which configured route comes first of those that a path falls on, without looking at each of them.
//!
//! The templates as a tree of their segments. Methods and hosts are left to who asks.

use super::template::{Segment, Template, decode};
use std::collections::HashMap;

#[derive(Debug, Default)]
pub(super) struct Index {
    literals: HashMap<Vec<u8>, Index>,
    any: Option<Box<Index>>,
    /// Templates that end here, and those that take whatever follows; by number, which rises.
    ends: Vec<usize>,
    tails: Vec<usize>,
}

// === impl Index ===

impl Index {
    /// Templates are added in the order of their numbers.
    pub(super) fn add(&mut self, number: usize, template: &Template) {
        let mut node = self;
        for segment in &template.segments {
            node = match segment {
                Segment::Literal(literal) => node.literals.entry(literal.clone()).or_default(),
                Segment::Any => node.any.get_or_insert_default(),
            };
        }
        if template.tail { &mut node.tails } else { &mut node.ends }.push(number);
    }

    /// The least number whose template fits the path and which `takes` says yes to.
    pub(super) fn first(&self, path: &str, takes: impl Fn(usize) -> bool) -> Option<usize> {
        let mut best = None;
        self.search(Some(path.strip_prefix('/')?), &takes, &mut best);
        best
    }

    /// `rest` is what of the path is below this node: `None` behind the last segment.
    fn search(&self, rest: Option<&str>, takes: &impl Fn(usize) -> bool, best: &mut Option<usize>) {
        let here = match rest {
            None => &self.ends[..],
            Some("") => &[],
            Some(_) => &self.tails,
        };
        let mut better = here.iter().copied().take_while(|number| best.is_none_or(|best| *number < best));
        *best = better.find(|number| takes(*number)).or(*best);
        let Some(text) = rest.filter(|_| !self.literals.is_empty() || self.any.is_some()) else { return };
        let (part, rest) = match text.split_once('/') {
            Some((part, rest)) => (part, Some(rest)),
            None => (text, None),
        };
        if let Some(below) = self.literals.get(&*decode(part)) {
            below.search(rest, takes, best);
        }
        if let Some(below) = self.any.as_ref().filter(|_| !part.is_empty()) {
            below.search(rest, takes, best);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By its own words, segment by segment.
    fn fits(template: &Template, path: &str) -> bool {
        let parts: Vec<&str> = path[1..].split('/').collect();
        let segments = &template.segments;
        let fit = segments.iter().zip(&parts).all(|(segment, part)| match segment {
            Segment::Any => !part.is_empty(),
            Segment::Literal(literal) => *decode(part) == **literal,
        });
        let followed = || parts.len() > segments.len() && !parts[segments.len()..].join("/").is_empty();
        fit && if template.tail { followed() } else { parts.len() == segments.len() }
    }

    proptest! {
        #[test]
        fn the_first_that_fits_and_is_taken_is_found(
            paths in proptest::collection::vec("(/(a|b|%61|\\{x\\})?){1,4}(/\\{\\*r\\})?", 0..40),
            asked in "(/(a|b|c|%61|%)?){1,5}",
            refused in proptest::collection::vec(any::<bool>(), 40),
        ) {
            let templates: Vec<_> = paths.iter().map(|path| Template::parse(path).unwrap()).collect();
            let mut index = Index::default();
            for (number, template) in templates.iter().enumerate() {
                index.add(number, template);
            }
            let expected = (0..templates.len()).find(|n| !refused[*n] && fits(&templates[*n], &asked));
            prop_assert_eq!(index.first(&asked, |number| !refused[number]), expected);
        }
    }
}
