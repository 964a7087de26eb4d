//! Two XML documents in, differences out.
//!
//! Each document is read into elements and written as JSON of a fixed layout; the JSON comparison aligns, applies rules
//! and keeps to the budget, and what it finds is told again as findings about elements, attributes and text. Entities
//! of a DTD are not expanded, comments and processing instructions not compared: that they differ is told as
//! representation.
//!
//! The layout: an element is `{"@id":"7","#text":["chunk"],"/":{"child":{"namespace":[elements]}}}`, the document the
//! same with its root as the only child. `#order` holds the names of all children where their order may differ.

mod excerpt;
mod findings;
mod layout;
mod path;
mod read;
mod space;

#[cfg(test)]
mod tests;

pub(super) use path::{XmlPath, expand};

use super::aside;
use super::body::unparsed;
use super::budget::Budget;
use super::context::Context;
use super::finding::Findings;
use super::json::{self, JsonOutcome};
use super::value::Session;
use crate::model::Leg;
use findings::Written;
use layout::Layout;
use read::{Names, NotRead};

/// Levels of elements; each takes four of the JSON layout.
pub(super) const MAX_DEPTH: usize = 128;

/// Compares two decoded, unequal bodies that are declared XML, and perhaps `xhtml`.
pub(super) fn compare(context: &Context<'_>, xhtml: bool, (primary, candidate): (&[u8], &[u8]), out: &mut Findings) {
    let (p, c) = (read::decode(primary), read::decode(candidate));
    let (Some(p), Some(c)) = (&p, &c) else {
        return unparsed((p.is_none(), c.is_none()), "xml", primary, candidate, context, out);
    };
    let (p_text, c_text) = aside::text(context, &p.text, &c.text);
    if p_text == c_text && p.encoding == c.encoding {
        return;
    }
    let mut names = Names::default();
    let mut budget = Budget::new(context.expired);
    let mut document = |text: &str| read::read(text, xhtml, &mut names, &mut budget);
    let (p_document, c_document) = match (document(&p_text), document(&c_text)) {
        (Ok(p), Ok(c)) => (p, c),
        (Err(NotRead::Limit(limit)), _) | (_, Err(NotRead::Limit(limit))) => return limited(limit, out),
        (p, c) => return unparsed((p.is_err(), c.is_err()), "xml", primary, candidate, context, out),
    };
    let layout = match Layout::of(&p_document, &c_document, &names, &mut budget) {
        Ok(layout) => layout,
        Err(spent) => return limited(spent.0, out),
    };
    let (a, b) = match (layout.write(&p_document, &mut budget), layout.write(&c_document, &mut budget)) {
        (Ok(a), Ok(b)) => (a, b),
        (Err(spent), _) | (_, Err(spent)) => return limited(spent.0, out),
    };
    let mut found = Findings::default();
    if a != b {
        budget.depth = 4 * MAX_DEPTH + 8;
        let control = context.other == Leg::Control;
        let mut session = Session { skew: context.skew, control, ..Session::default() };
        let options = json::Options { prefix: findings::PREFIX, ..json::Options::default() };
        let (a, b) = (a.as_bytes(), b.as_bytes());
        match json::compare_with(a, b, &context.rules.xml, &mut budget, &mut session, &options, &mut found) {
            JsonOutcome::Done => {}
            JsonOutcome::Limit(limit) => limited(limit, &mut found),
            // The layout is always JSON; what is not compared must not count as equal.
            JsonOutcome::NotJson { .. } => limited("layout", &mut found),
        }
    }
    let mut told = findings::translated(found, &layout);
    let p = Written { form: &p_document.form, text: &p_text, encoding: p.encoding };
    let c = Written { form: &c_document.form, text: &c_text, encoding: c.encoding };
    findings::representation((p, c), a == b, &names, &mut told);
    out.absorb(told, false);
}

/// Whether a document is UTF-8 by what it says of itself.
pub(super) fn is_utf8(body: &[u8]) -> bool {
    read::decode(body).is_some_and(|text| text.encoding.0 == encoding_rs::UTF_8.name())
}

fn limited(limit: &str, out: &mut Findings) {
    if out.budget.is_none() {
        out.budget = Some(format!("the limit on {limit} was reached").into());
    }
}
