//! From a place and two values to a finding: classes, shapes, bounded excerpts, and a list that never loses what counts
//! to what does not.

use super::super::finding::{Cover, EXCERPT, Finding, Findings, MAX_FINDINGS, Tier, WHOLE};
use super::super::path::{push_index, push_name, push_name_pattern};
use super::super::value::shape::shape_of;
use super::super::value::text::unescape;
use super::super::word::Word;
use super::tree::Type;
use std::sync::Arc;

/// Names in one object that no person chose, up to which each has a location of its own.
pub(super) const MAX_NAMES: usize = 64;

/// Bytes of a location for which there is room from the start.
const ROOM: usize = 96;

/// A place in both documents: as rules and reports name it, and as it is in this exchange.
#[derive(Debug)]
pub(super) struct Place {
    pub location: String,
    pub exact: String,
}

/// One side of a finding: the value as written, if there is one, and its class.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub value: Option<(Type, &'a [u8])>,
    pub class: &'static str,
}

/// A finding in the making.
pub(super) struct Draft<'a> {
    pub kind: &'static str,
    pub tier: Tier,
    pub primary: Side<'a>,
    pub candidate: Side<'a>,
    pub cover: Option<Arc<str>>,
}

// === impl Place ===

impl Place {
    pub(super) fn new(prefix: &str) -> Self {
        let text = || {
            let mut text = String::with_capacity(ROOM);
            text.push_str(prefix);
            text
        };
        Self { location: text(), exact: text() }
    }

    /// Goes to a member; one of a family is not told from the others in the location.
    pub(super) fn member(&mut self, name: &[u8], family: bool) {
        if family {
            self.location.push_str(".*");
        } else {
            push_name_pattern(&mut self.location, name);
        }
        push_name(&mut self.exact, name);
    }

    pub(super) fn element(&mut self, index: usize) {
        self.location.push_str("[*]");
        push_index(&mut self.exact, index);
    }

    /// Where it is, to come [`Place::back`] to.
    pub(super) fn mark(&self) -> (usize, usize) {
        (self.location.len(), self.exact.len())
    }

    pub(super) fn back(&mut self, (location, exact): (usize, usize)) {
        self.location.truncate(location);
        self.exact.truncate(exact);
    }
}

/// Whether a name looks made by a machine, so that where there are more than [`MAX_NAMES`] of them in one object they
/// are one place.
pub(super) fn machine_made(name: &[u8]) -> bool {
    name.iter().any(u8::is_ascii_digit)
}

// === impl Side ===

impl<'a> Side<'a> {
    pub(super) fn missing() -> Self {
        Self { value: None, class: "missing" }
    }

    /// A value under the class of its JSON type.
    pub(super) fn typed(kind: Type, text: &'a [u8]) -> Self {
        Self { value: Some((kind, text)), class: kind.name() }
    }

    pub(super) fn classed(self, class: &'static str) -> Self {
        Self { class, ..self }
    }

    fn shape(&self) -> Option<Word> {
        let (kind, text) = self.value?;
        if kind != Type::String {
            return Some(kind.name().into());
        }
        let text = text.trim_ascii();
        let content = unescape(text.get(1..text.len().saturating_sub(1)).unwrap_or(&[]));
        Some(std::str::from_utf8(&content).map_or("string", |text| shape_of(text, true)).into())
    }

    fn excerpt(&self, most: usize) -> Option<String> {
        self.value.map(|(_, text)| excerpt(text, most))
    }
}

// === impl Draft ===

impl Draft<'_> {
    pub(super) fn counts(&self) -> bool {
        self.tier.counts() && self.cover.is_none()
    }

    /// Adds it, in place of one that does not count where the list is full.
    pub(super) fn push(self, place: &Place, out: &mut Findings) {
        // Where all in a full list count, one more that does not is not worth the making.
        if !self.counts() && out.list.len() >= MAX_FINDINGS && out.list.iter().all(Finding::counts) {
            out.dropped += 1;
            return;
        }
        out.push(self.finish(place));
    }

    fn finish(self, place: &Place) -> Finding {
        // Two texts may part late; of anything else the beginning says what it is.
        let texts = [&self.primary, &self.candidate].iter().all(|s| matches!(s.value, Some((Type::String, _))));
        let most = if texts { WHOLE } else { EXCERPT };
        Finding {
            kind: self.kind.into(),
            tier: self.tier,
            location: place.location.as_str().into(),
            exact: place.exact.as_str().into(),
            primary_class: self.primary.class.into(),
            candidate_class: self.candidate.class.into(),
            primary_shape: self.primary.shape(),
            candidate_shape: self.candidate.shape(),
            primary: self.primary.excerpt(most),
            candidate: self.candidate.excerpt(most),
            cover: self.cover.map(Cover::Rule),
            secondary: false,
        }
    }
}

/// The one finding of two texts that differ in white space alone.
pub(super) fn whitespace(primary: &[u8], candidate: &[u8], prefix: &str, out: &mut Findings) {
    let kind = match primary.trim_ascii_start().first() {
        Some(b'{') => Type::Object,
        Some(b'[') => Type::Array,
        Some(b'"') => Type::String,
        Some(b't' | b'f') => Type::Bool,
        Some(b'n') => Type::Null,
        _ => Type::Number,
    };
    let (primary, candidate) = (Side::typed(kind, primary), Side::typed(kind, candidate));
    Draft { kind: "json.whitespace", tier: Tier::Repr, primary, candidate, cover: None }.push(&Place::new(prefix), out);
}

/// The beginning of a value, cut between characters and marked where cut.
fn excerpt(bytes: &[u8], most: usize) -> String {
    if bytes.len() <= most {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let mut end = most;
    while end > 0 && bytes.get(end).is_some_and(|b| b & 0xC0 == 0x80) {
        end -= 1;
    }
    let mut text = String::from_utf8_lossy(bytes.get(..end).unwrap_or(&[])).into_owned();
    text.push('…');
    text
}
