//! From a place and two values to a finding: classes, shapes, bounded excerpts, and a list that never loses what counts
//! to what does not.

use super::super::finding::{Cover, Finding, Findings, MAX_FINDINGS, Tier};
use super::super::value::shape::shape_of;
use super::tree::{Tree, Type};
use std::sync::Arc;

/// Bytes of a value that a finding carries.
pub const MAX_EXCERPT: usize = 256;

/// One side of a finding: where the value stands, if there is one, and its class.
#[derive(Clone, Copy)]
pub(super) struct Side<'s, 'a> {
    pub value: Option<(&'s Tree<'a>, usize)>,
    pub class: &'static str,
}

/// A finding in the making.
pub(super) struct Draft<'s, 'a> {
    pub kind: &'static str,
    pub tier: Tier,
    pub primary: Side<'s, 'a>,
    pub candidate: Side<'s, 'a>,
    pub cover: Option<Arc<str>>,
}

// === impl Side ===

impl<'s, 'a> Side<'s, 'a> {
    pub(super) fn missing() -> Self {
        Self { value: None, class: "missing" }
    }

    /// A value under the class of its JSON type.
    pub(super) fn typed(tree: &'s Tree<'a>, node: usize) -> Self {
        Self { value: Some((tree, node)), class: tree.nodes[node].kind.name() }
    }

    pub(super) fn classed(tree: &'s Tree<'a>, node: usize, class: &'static str) -> Self {
        Self { value: Some((tree, node)), class }
    }

    fn shape(&self) -> Option<Arc<str>> {
        let (tree, node) = self.value?;
        let shape = match tree.nodes[node].kind {
            Type::String => match std::str::from_utf8(&tree.string(node)) {
                Ok(text) => shape_of(text, true),
                Err(_) => "string",
            },
            kind => kind.name(),
        };
        Some(shape.into())
    }

    fn excerpt(&self) -> Option<String> {
        self.value.map(|(tree, node)| excerpt(tree.raw(node)))
    }
}

// === impl Draft ===

impl Draft<'_, '_> {
    pub(super) fn counts(&self) -> bool {
        self.tier.counts() && self.cover.is_none()
    }

    /// Adds it, in place of one that does not count where the list is full.
    pub(super) fn push(self, location: &str, exact: &str, out: &mut Findings) {
        // Where all in a full list count, one more that does not is not worth the making.
        if !self.counts() && out.list.len() >= MAX_FINDINGS && out.list.iter().all(Finding::counts) {
            out.dropped += 1;
            return;
        }
        out.push(self.finish(location, exact));
    }

    fn finish(self, location: &str, exact: &str) -> Finding {
        Finding {
            kind: self.kind.into(),
            tier: self.tier,
            location: location.into(),
            exact: exact.into(),
            primary_class: self.primary.class.into(),
            candidate_class: self.candidate.class.into(),
            primary_shape: self.primary.shape(),
            candidate_shape: self.candidate.shape(),
            primary: self.primary.excerpt(),
            candidate: self.candidate.excerpt(),
            cover: self.cover.map(Cover::Rule),
            secondary: false,
        }
    }
}

/// The one finding of two texts that differ in white space alone.
pub(super) fn whitespace(primary: &[u8], candidate: &[u8], location: &str, out: &mut Findings) {
    let class = |bytes: &[u8]| match bytes.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "bool",
        Some(b'n') => "null",
        _ => "number",
    };
    out.push(Finding {
        kind: "json.whitespace".into(),
        tier: Tier::Repr,
        location: location.into(),
        exact: location.into(),
        primary_class: class(primary).into(),
        candidate_class: class(candidate).into(),
        primary_shape: Some(class(primary).into()),
        candidate_shape: Some(class(candidate).into()),
        primary: Some(excerpt(primary)),
        candidate: Some(excerpt(candidate)),
        cover: None,
        secondary: false,
    });
}

/// At most [`MAX_EXCERPT`] bytes, cut between characters and marked where cut.
fn excerpt(bytes: &[u8]) -> String {
    if bytes.len() <= MAX_EXCERPT {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let mut end = MAX_EXCERPT - '…'.len_utf8();
    while end > 0 && bytes.get(end).is_some_and(|b| b & 0xC0 == 0x80) {
        end -= 1;
    }
    let mut text = String::from_utf8_lossy(bytes.get(..end).unwrap_or(&[])).into_owned();
    text.push('…');
    text
}
