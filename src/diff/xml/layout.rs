//! A document as JSON, laid out as the module's comment tells.

use super::super::budget::{Budget, Spent};
use super::read::{Content, Document, Names};
use std::collections::{HashMap, HashSet};
use std::fmt::Write;

/// Bytes of a layout, which short elements in long namespaces make many times as long as the document.
const MAX_SIZE: usize = 16 << 20;
/// Marks text among the names of `#order`.
const TEXT: &str = "#text";

/// What both documents together ask for.
#[derive(Debug)]
pub(super) struct Layout<'n> {
    names: &'n Names,
    /// Place of each name in the order in which children are written.
    rank: Vec<u32>,
    /// Parents whose children don't always come in one order.
    ordered: HashSet<u32>,
    /// Local names that stand for two namespaces below one parent.
    pub(super) shared: HashSet<Box<str>>,
    /// Local names of elements that have a sibling of that name.
    pub(super) repeated: HashSet<Box<str>>,
}

// === impl Layout ===

impl<'n> Layout<'n> {
    pub(super) fn of(
        primary: &Document,
        candidate: &Document,
        names: &'n Names,
        budget: &mut Budget<'_>,
    ) -> Result<Self, Spent> {
        let mut sorted: Vec<u32> = (0..names.len() as u32).collect();
        sorted.sort_by(|a, b| (names.local(*a), names.namespace(*a)).cmp(&(names.local(*b), names.namespace(*b))));
        let mut rank = vec![0; sorted.len()];
        for (place, name) in (0..).zip(&sorted) {
            if let Some(rank) = rank.get_mut(*name as usize) {
                *rank = place;
            }
        }
        let mut layout =
            Layout { names, rank, ordered: HashSet::new(), shared: HashSet::new(), repeated: HashSet::new() };
        let mut follows: HashMap<u32, HashSet<(u32, u32)>> = HashMap::new();
        for document in [primary, candidate] {
            for element in &document.elements {
                budget.tick(1 + element.content.len())?;
                if element.content.len() < 2 {
                    continue;
                }
                let items: Vec<u32> = element.content.iter().map(|c| item(document, c)).collect();
                let pairs = items.windows(2).filter_map(|w| match w {
                    [x, y] if x != y => Some((*x, *y)),
                    _ => None,
                });
                follows.entry(element.name).or_default().extend(pairs);
                let mut children: Vec<u32> = items.into_iter().filter(|i| *i != u32::MAX).collect();
                children.sort_unstable_by_key(|name| layout.rank.get(*name as usize));
                for pair in children.windows(2) {
                    let [x, y] = pair else { continue };
                    let local = names.local(*x);
                    if x == y && !layout.repeated.contains(local) {
                        layout.repeated.insert(local.into());
                    } else if x != y && local == names.local(*y) {
                        layout.shared.insert(local.into());
                        layout.repeated.insert(local.into());
                    }
                }
            }
        }
        // Without a contradiction anywhere, no two elements of this name can differ in the order of their children.
        layout.ordered = follows.into_iter().filter(|(_, pairs)| has_cycle(pairs)).map(|(parent, _)| parent).collect();
        Ok(layout)
    }

    /// # Errors
    /// Time or size is used up.
    pub(super) fn write(&self, document: &Document, budget: &mut Budget<'_>) -> Result<String, Spent> {
        let mut out = String::from("{");
        if let Some(entities) = &document.entities {
            out.push_str("\"#doctype\":");
            push_string(&mut out, entities);
            out.push(',');
        }
        out.push_str("\"/\":");
        self.children(document, &[0], &mut out, budget)?;
        out.push('}');
        Ok(out)
    }

    /// Recursion is as deep as elements nest, which reading bounds.
    fn element(
        &self,
        document: &Document,
        index: usize,
        out: &mut String,
        budget: &mut Budget<'_>,
    ) -> Result<(), Spent> {
        let Some(element) = document.elements.get(index) else { return Ok(()) };
        budget.tick(1)?;
        if out.len() > MAX_SIZE {
            return Err(Spent("size"));
        }
        out.push('{');
        for (name, value) in &element.attributes {
            push_string(out, &format!("@{name}"));
            out.push(':');
            push_string(out, value);
            out.push(',');
        }
        let mut children = Vec::new();
        let mut texts = Vec::new();
        for content in &element.content {
            match content {
                Content::Element(child) => children.push(*child),
                Content::Text(text) => texts.push(text.as_str()),
            }
        }
        if texts.is_empty() && children.is_empty() {
            texts.push("");
        }
        if !texts.is_empty() {
            list(out, "#text", texts.into_iter());
        }
        if self.ordered.contains(&element.name) {
            list(out, "#order", element.content.iter().map(|c| self.label(item(document, c))));
        }
        out.push_str("\"/\":");
        self.children(document, &children, out, budget)?;
        out.push('}');
        Ok(())
    }

    /// Grouped by name, then namespace; of one name in document order.
    fn children(
        &self,
        document: &Document,
        children: &[usize],
        out: &mut String,
        budget: &mut Budget<'_>,
    ) -> Result<(), Spent> {
        let name = |child: &usize| document.elements.get(*child).map_or(0, |e| e.name);
        let mut sorted = children.to_vec();
        sorted.sort_by_key(|child| self.rank.get(name(child) as usize));
        out.push('{');
        let mut before: Option<u32> = None;
        for child in &sorted {
            let name = name(child);
            let same_local = before.is_some_and(|b| self.names.local(b) == self.names.local(name));
            if before == Some(name) {
                out.push(',');
            } else {
                match before {
                    Some(_) if same_local => out.push_str("],"),
                    Some(_) => out.push_str("]},"),
                    None => {}
                }
                if !same_local {
                    push_string(out, self.names.local(name));
                    out.push_str(":{");
                }
                push_string(out, self.names.namespace(name));
                out.push_str(":[");
            }
            self.element(document, *child, out, budget)?;
            before = Some(name);
        }
        out.push_str(if before.is_some() { "]}}" } else { "}" });
        Ok(())
    }

    fn label(&self, item: u32) -> String {
        if item == u32::MAX {
            return TEXT.to_owned();
        }
        let local = self.names.local(item);
        if self.shared.contains(local) {
            format!("{{{}}}{local}", self.names.namespace(item))
        } else {
            local.to_owned()
        }
    }
}

/// The name of a child, or `u32::MAX` for text.
fn item(document: &Document, content: &Content) -> u32 {
    match content {
        Content::Element(child) => document.elements.get(*child).map_or(u32::MAX, |e| e.name),
        Content::Text(_) => u32::MAX,
    }
}

/// Whether, taken as "comes before", the pairs contradict each other.
fn has_cycle(pairs: &HashSet<(u32, u32)>) -> bool {
    let mut after: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut waits: HashMap<u32, usize> = HashMap::new();
    for (x, y) in pairs {
        after.entry(*x).or_default().push(*y);
        waits.entry(*x).or_default();
        *waits.entry(*y).or_default() += 1;
    }
    let mut free: Vec<u32> = waits.iter().filter(|(_, n)| **n == 0).map(|(name, _)| *name).collect();
    let mut done = 0;
    while let Some(name) = free.pop() {
        done += 1;
        for next in after.get(&name).into_iter().flatten() {
            if let Some(n) = waits.get_mut(next) {
                *n -= 1;
                if *n == 0 {
                    free.push(*next);
                }
            }
        }
    }
    done < waits.len()
}

fn list(out: &mut String, key: &str, items: impl Iterator<Item = impl AsRef<str>>) {
    push_string(out, key);
    out.push_str(":[");
    for (i, text) in items.enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_string(out, text.as_ref());
    }
    out.push_str("],");
}

fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c < ' ' || c == '"' || c == '\\') {
        let (plain, tail) = rest.split_at(at);
        out.push_str(plain);
        let mut chars = tail.chars();
        match chars.next() {
            Some('\n') => out.push_str("\\n"),
            Some(c) if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            Some(c) => {
                out.push('\\');
                out.push(c);
            }
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}
