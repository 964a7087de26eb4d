//! What was found in the JSON layout, told as what differs in the XML; and what differs in the writing alone.

use super::super::finding::{Finding, Findings, Tier, excerpt as cut};
use super::super::path::{Path, Select, Step};
use super::super::word::Word;
use super::excerpt::{Piece, excerpt};
use super::layout::Layout;
use super::read::{Form, Names};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write;

/// What the JSON comparison is given to begin locations with.
pub(super) const PREFIX: &str = "$";

/// Where findings about the whole document stand.
const DOCUMENT: &str = "xml:/";

/// A place of the layout as a place of the document.
struct Place {
    location: String,
    part: Part,
    /// Of the innermost element named, with its namespace where that is known.
    name: String,
    namespace: String,
    /// The location of all elements of that local name.
    group: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Document,
    Doctype,
    Group,
    List,
    Element,
    Attribute,
    Texts,
    Text,
    Order,
    OrderItem,
}

/// Translates all findings.
pub(super) fn translated(found: Findings, layout: &Layout<'_>) -> Findings {
    let mut out = Findings { dropped: found.dropped, budget: found.budget, ..Findings::default() };
    let placed: Vec<(Place, Place, Finding)> = found
        .list
        .into_iter()
        .map(|f| (Place::of(&f.location, layout, false), Place::of(&f.exact, layout, true), f))
        .collect();
    let below: HashSet<String> = placed.iter().filter(|p| p.1.part.is_element()).flat_map(|p| parents(&p.1)).collect();
    let renamed = renamed(&placed);
    let mut reordered = HashSet::new();
    let mut skipped = false;
    for (place, exact, finding) in placed {
        let order = matches!(&*finding.kind, "json.order" | "json.moved");
        let skip = match place.part {
            // That a child is missing is told at the child.
            Part::Order | Part::OrderItem => !order || !reordered.insert(exact.location.clone()),
            // An element without text has one chunk that is empty, one with children has none.
            Part::Texts => is_empty_text(&finding) && below.contains(&exact.location),
            Part::List => !order && finding.primary.is_none() && renamed.contains_key(&exact.group),
            _ => false,
        };
        if skip {
            skipped = true;
            continue;
        }
        let other = if finding.kind.ends_with(".missing") && place.part == Part::List {
            renamed.get(&exact.group).cloned()
        } else {
            None
        };
        out.push(told(place, exact, finding, other));
    }
    // Each that was skipped has another beside it, unless the comparison ended in between.
    if skipped && out.is_match() {
        out.budget = Some("the limit on work was reached".into());
    }
    out
}

/// Notes how the two are written where that differs: all of it when they mean `same`, else what stands for itself.
pub(super) fn representation(
    (primary, candidate): (Written<'_>, Written<'_>),
    same: bool,
    names: &Names,
    out: &mut Findings,
) {
    let before = out.list.len();
    let (p, c) = (primary.form, candidate.form);
    let mut note = |kind: &'static str, classes: (&str, &str), shown: Option<(&str, &str)>| {
        let mut finding = Finding::new(kind, Tier::Repr, DOCUMENT).classes(classes.0, classes.1);
        let text = |text: &str| (!text.is_empty()).then(|| cut(text));
        finding.primary = shown.and_then(|s| text(s.0));
        finding.candidate = shown.and_then(|s| text(s.1));
        out.push(finding);
    };
    let (ours, theirs) = (prefixes(p, names), prefixes(c, names));
    let other_prefix = ours.iter().any(|(uri, own)| theirs.get(uri).is_some_and(|other| own != other));
    if other_prefix || (same && (p.namespaces != c.namespaces || p.prefixes != c.prefixes)) {
        note("xml.ns_prefix", ("prefix", "prefix"), Some((&shown(&ours), &shown(&theirs))));
    }
    if primary.encoding != candidate.encoding {
        let (x, y) = (primary.encoding.0, candidate.encoding.0);
        note("xml.declaration", (x, y), Some((&p.declaration, &c.declaration)));
    } else if p.declaration != c.declaration {
        note("xml.declaration", ("declaration", "declaration"), Some((&p.declaration, &c.declaration)));
    }
    if !same {
        return;
    }
    for (kind, class, differs) in [
        ("xml.attr_order", "attributes", p.attribute_order != c.attribute_order),
        ("xml.empty_tag", "element", p.empty_tags != c.empty_tags),
        ("xml.escape", "text", p.escapes != c.escapes),
        ("xml.comment", "comment", p.comments != c.comments),
    ] {
        if differs {
            note(kind, (class, class), None);
        }
    }
    if out.list.len() == before {
        let solid = |text: &str| text.split_ascii_whitespace().flat_map(str::bytes).collect::<Vec<_>>();
        let spaces = solid(primary.text) == solid(candidate.text);
        let kind = if spaces { "xml.whitespace" } else { "xml.syntax" };
        out.push(Finding::new(kind, Tier::Repr, DOCUMENT).classes("document", "document"));
    }
}

/// One document as it is written.
#[derive(Clone, Copy)]
pub(super) struct Written<'a> {
    pub(super) form: &'a Form,
    pub(super) text: &'a str,
    pub(super) encoding: (&'static str, bool),
}

/// One finding in the words of XML; `other` is the candidate's side of an element that is in another namespace there.
fn told(place: Place, exact: Place, finding: Finding, other: Option<String>) -> Finding {
    let order = matches!(&*finding.kind, "json.order" | "json.moved");
    let (kind, class) = match place.part {
        Part::Attribute => ("xml.attr", None),
        _ if order => ("xml.order", Some("elements")),
        Part::Text if finding.primary.is_some() && finding.candidate.is_some() => ("xml.text", None),
        Part::Texts | Part::Text => ("xml.text", Some("text")),
        Part::Doctype => ("xml.declaration", None),
        _ => ("xml.element", Some("element")),
    };
    let piece = match exact.part {
        Part::Group => Piece::Group,
        Part::List => Piece::List,
        Part::Texts => Piece::Texts,
        Part::Order => Piece::Order,
        Part::Element => Piece::Element,
        Part::Document => Piece::Document,
        Part::Attribute | Part::Text | Part::OrderItem | Part::Doctype => Piece::Text,
    };
    let renamed = other.is_some();
    let namespace = renamed.then_some(&*exact.namespace);
    let show = |json: &String| excerpt(json, piece, &exact.name, namespace);
    let class_of = |own: &Word, there: bool| match class {
        Some(class) if there => class.into(),
        _ => own.clone(),
    };
    let (primary, candidate) = (finding.primary.is_some(), finding.candidate.is_some());
    let mut told = Finding {
        kind: kind.into(),
        location: place.location.into(),
        exact: exact.location.into(),
        primary_class: class_of(&finding.primary_class, primary),
        candidate_class: class_of(&finding.candidate_class, candidate),
        primary: finding.primary.as_ref().map(show),
        candidate: finding.candidate.as_ref().map(show),
        ..finding
    };
    if let Some(class) = class {
        told.primary_shape = primary.then(|| class.into());
        told.candidate_shape = candidate.then(|| class.into());
    }
    if renamed {
        told.location = place.group.into();
        told.exact = exact.group.as_str().into();
        told.candidate = other;
        told.candidate_shape = told.primary_shape.clone();
        told.primary_class = "namespace".into();
        told.candidate_class = "namespace".into();
    }
    told
}

/// Where an element of one local name is in one namespace on the primary and in another on the candidate: its group,
/// and what the candidate has.
fn renamed(placed: &[(Place, Place, Finding)]) -> BTreeMap<String, String> {
    /// How many are missing, and those that are extra.
    type Lists<'a> = (usize, Vec<(&'a Place, &'a Finding)>);
    let mut sides: BTreeMap<&str, Lists<'_>> = BTreeMap::new();
    for (_, exact, finding) in placed.iter().filter(|p| p.1.part == Part::List) {
        let sides = sides.entry(&exact.group).or_default();
        match &*finding.kind {
            "json.missing" => sides.0 += 1,
            "json.extra" => sides.1.push((exact, finding)),
            _ => {}
        }
    }
    let one = |(group, (missing, extra)): (&str, Lists<'_>)| match (missing, &*extra) {
        (1, [(exact, finding)]) => {
            let json = finding.candidate.as_deref().unwrap_or_default();
            Some((group.to_owned(), excerpt(json, Piece::List, &exact.name, Some(&exact.namespace))))
        }
        _ => None,
    };
    sides.into_iter().filter_map(one).collect()
}

/// The locations of the elements that an element's place lies in.
fn parents(place: &Place) -> Vec<String> {
    let mut out = Vec::new();
    let mut depth = 0usize;
    for (i, c) in place.location.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            '/' if depth == 0 => out.extend(place.location.get(..i).map(str::to_owned)),
            _ => {}
        }
    }
    out
}

fn is_empty_text(finding: &Finding) -> bool {
    [&finding.primary, &finding.candidate].into_iter().all(|side| side.as_deref().is_none_or(|text| text == "[\"\"]"))
}

fn prefixes<'n>(form: &Form, names: &'n Names) -> BTreeMap<&'n str, BTreeSet<&'n str>> {
    let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (uri, prefix) in &form.prefixes {
        all.entry(names.text(*uri)).or_default().insert(names.text(*prefix));
    }
    all
}

fn shown(prefixes: &BTreeMap<&str, BTreeSet<&str>>) -> String {
    let mut out = String::new();
    for (uri, prefixes) in prefixes.iter().filter(|(uri, _)| !uri.is_empty()) {
        for prefix in prefixes {
            let _ = match *prefix {
                "" => write!(out, "{}xmlns=\"{uri}\"", if out.is_empty() { "" } else { " " }),
                prefix => write!(out, "{}xmlns:{prefix}=\"{uri}\"", if out.is_empty() { "" } else { " " }),
            };
        }
    }
    out
}

// === impl Place ===

impl Place {
    fn of(location: &str, layout: &Layout<'_>, exact: bool) -> Place {
        let steps = Path::parse(location).map(|p| p.steps).unwrap_or_default();
        let mut place = Place {
            location: String::from("xml:"),
            part: Part::Document,
            name: String::new(),
            namespace: String::new(),
            group: String::new(),
        };
        let mut at = 0;
        while let Some(step) = steps.get(at) {
            match name(step) {
                Some("/") => place.child(&steps, at + 1, layout, exact),
                Some("#text") => place.part = if at + 1 < steps.len() { Part::Text } else { Part::Texts },
                Some("#order") => place.part = if at + 1 < steps.len() { Part::OrderItem } else { Part::Order },
                Some("#doctype") => place.part = Part::Doctype,
                other => {
                    place.part = Part::Attribute;
                    // A name too long to be printed: the element's location stands for it.
                    if let Some(attribute) = other {
                        place.location.push('/');
                        place.location.push_str(attribute);
                    }
                }
            }
            at += 4;
        }
        if place.location == "xml:" {
            place.location.push('/');
        }
        place
    }

    /// One level down: local name, namespace, position, as far as they are there.
    fn child(&mut self, steps: &[Step], at: usize, layout: &Layout<'_>, exact: bool) {
        let Some(step) = steps.get(at) else { return };
        let local = name(step).unwrap_or("*");
        let parent = std::mem::take(&mut self.namespace);
        self.namespace = steps.get(at + 1).and_then(name).unwrap_or_default().to_owned();
        self.group = format!("{}/{local}", self.location);
        self.location.push('/');
        let apart = layout.shared.contains(local) && self.namespace != parent;
        if apart && !self.namespace.is_empty() && !self.namespace.contains('}') {
            let _ = write!(self.location, "{{{}}}", self.namespace);
        }
        self.location.push_str(local);
        self.name = local.to_owned();
        if let (true, Some(Select::Index(index))) = (exact, steps.get(at + 2).map(|s| &s.select))
            && layout.repeated.contains(local)
        {
            let _ = write!(self.location, "[{}]", index + 1);
        }
        self.part = match steps.len() - at {
            1 => Part::Group,
            2 => Part::List,
            _ => Part::Element,
        };
    }
}

// === impl Part ===

impl Part {
    fn is_element(self) -> bool {
        matches!(self, Part::Group | Part::List | Part::Element)
    }
}

fn name(step: &Step) -> Option<&str> {
    match &step.select {
        Select::Name(name) => std::str::from_utf8(name).ok(),
        Select::Index(_) | Select::Wild => None,
    }
}
