//! Bytes to a document: decoded, well-formed, names with their namespaces.
//!
//! Expanded are the predefined entities and character references only. An entity of a DTD stays a reference, which is
//! written with [`REFERENCE`] so that no text can look like it. How things are written is noted in [`Form`].

use super::super::budget::{Budget, Spent};
use super::MAX_DEPTH;
use super::space::{holds_elements, is_block, trim};
use encoding_rs::Encoding;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

/// Stands for `&` of a reference that is not expanded: no XML text may hold it.
pub(super) const REFERENCE: char = '\0';

const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// The namespace of elements that stand in lines of text.
const XHTML: &str = "http://www.w3.org/1999/xhtml";
/// Bytes of a namespace; a longer one is known by its digest.
const MAX_NAMESPACE: usize = 128;
/// Namespaces of attributes whose usual prefix is written instead of them.
const KNOWN: [(&str, &str); 3] =
    [(XML, "xml"), ("http://www.w3.org/1999/xlink", "xlink"), ("http://www.w3.org/2001/XMLSchema-instance", "xsi")];

/// A body as text.
pub(super) struct Text<'a> {
    pub(super) text: Cow<'a, str>,
    /// Its name, and whether a byte order mark told it.
    pub(super) encoding: (&'static str, bool),
}

/// The elements in document order, the root first.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) elements: Vec<Element>,
    pub(super) form: Form,
    /// The document type, where a reference to an entity of it is used.
    pub(super) entities: Option<String>,
}

#[derive(Debug)]
pub(super) struct Element {
    /// Into [`Names`].
    pub(super) name: u32,
    /// By name as locations print it, sorted.
    pub(super) attributes: Vec<(String, String)>,
    pub(super) content: Vec<Content>,
}

#[derive(Debug)]
pub(super) enum Content {
    Element(usize),
    Text(String),
}

/// What of the writing carries no meaning.
#[derive(Debug, Default)]
pub(super) struct Form {
    /// The XML declaration and the document type.
    pub(super) declaration: String,
    /// Namespace and prefix of all names, both as [`Names::text`] has them.
    pub(super) prefixes: BTreeSet<(u32, u32)>,
    /// Of the namespace declarations as they come.
    pub(super) namespaces: u64,
    pub(super) attribute_order: u64,
    pub(super) empty_tags: u64,
    pub(super) escapes: u64,
    pub(super) comments: u64,
}

/// Expanded names, shared by both documents.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// By namespace, then local name.
    ids: HashMap<u32, HashMap<Box<str>, u32>>,
    all: Vec<(u32, Box<str>)>,
    /// Namespaces and prefixes.
    texts: Vec<Box<str>>,
    text_ids: HashMap<Box<str>, u32>,
}

/// Why there is no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotRead {
    NotXml,
    Limit(&'static str),
}

/// The text of a body by its byte order mark or what its declaration says, UTF-8 where neither does.
pub(super) fn decode(bytes: &[u8]) -> Option<Text<'_>> {
    let (encoding, mark) = match Encoding::for_bom(bytes) {
        Some((encoding, length)) => (encoding, length),
        None if bytes.starts_with(b"<\0") => (encoding_rs::UTF_16LE, 0),
        None if bytes.starts_with(b"\0<") => (encoding_rs::UTF_16BE, 0),
        None => (declared(bytes)?, 0),
    };
    let bytes = bytes.get(mark..)?;
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
    Some(Text { text, encoding: (encoding.name(), mark > 0) })
}

/// Reads a whole document; one that is `xhtml` has elements that stand in lines of text.
///
/// # Errors
/// Not well-formed, or a limit.
pub(super) fn read(text: &str, xhtml: bool, names: &mut Names, budget: &mut Budget<'_>) -> Result<Document, NotRead> {
    let mut builder = Builder::new(names, xhtml);
    let mut reader = Reader::from_str(text);
    let mut before = 0;
    loop {
        let event = reader.read_event().map_err(|_| NotRead::NotXml)?;
        let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        budget.spend(1 + at.saturating_sub(before) / 256)?;
        let first = before == 0;
        before = at;
        match event {
            Event::Start(tag) => builder.open(&tag, budget)?,
            Event::Empty(tag) => {
                builder.open(&tag, budget)?;
                builder.form.empty_tags.update(&builder.elements.len().to_le_bytes());
                builder.close()?;
            }
            Event::End(_) => builder.close()?,
            Event::Text(text) => builder.text(&text.xml10_content())?,
            Event::CData(text) => {
                builder.form.escapes.update(b"[");
                if builder.open.is_empty() {
                    return Err(NotRead::NotXml);
                }
                builder.text(&text.xml10_content())?;
            }
            Event::GeneralRef(name) => {
                builder.form.escapes.update(name.as_bytes());
                let text = builder.reference(&name)?;
                if builder.open.is_empty() {
                    return Err(NotRead::NotXml);
                }
                builder.text(&text)?;
            }
            Event::Comment(text) => builder.form.comments.update(text.as_bytes()),
            Event::PI(text) => builder.form.comments.update(text.as_bytes()),
            Event::Decl(text) if first => builder.declaration.push_str(&text),
            Event::DocType(text) if builder.doctype.is_none() && builder.elements.is_empty() => {
                builder.doctype = Some(text.to_string());
            }
            Event::Decl(_) | Event::DocType(_) => return Err(NotRead::NotXml),
            Event::Eof => return builder.finish(),
        }
    }
}

/// The encoding a declaration names.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = bytes.get(..bytes.len().min(256)).unwrap_or_default();
    let declaration = head.strip_prefix(b"<?xml").and_then(|h| h.get(..memchr::memmem::find(h, b"?>")?));
    let label = declaration.and_then(|d| {
        let rest = d.get(memchr::memmem::find(d, b"encoding")? + 8..)?.trim_ascii_start();
        let rest = rest.strip_prefix(b"=")?.trim_ascii_start();
        let (quote, rest) = rest.split_first()?;
        rest.get(..memchr::memchr(*quote, rest)?)
    });
    match label {
        // Text in which the declaration can be read byte by byte is no UTF-16, whatever it says.
        Some(label) => Encoding::for_label(label).map(|e| if e.is_ascii_compatible() { e } else { encoding_rs::UTF_8 }),
        None => Some(encoding_rs::UTF_8),
    }
}

// === impl Names ===

impl Names {
    fn id(&mut self, text: &str) -> u32 {
        if let Some(known) = self.text_ids.get(text) {
            return *known;
        }
        let id = self.texts.len() as u32;
        self.texts.push(text.into());
        self.text_ids.insert(text.into(), id);
        id
    }

    fn name(&mut self, uri: u32, local: &str) -> u32 {
        let ids = self.ids.entry(uri).or_default();
        if let Some(known) = ids.get(local) {
            return *known;
        }
        let id = self.all.len() as u32;
        self.all.push((uri, local.into()));
        ids.insert(local.into(), id);
        id
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn local(&self, name: u32) -> &str {
        self.all.get(name as usize).map_or("", |n| &n.1)
    }

    /// The namespace of a name.
    pub(super) fn namespace(&self, name: u32) -> &str {
        self.all.get(name as usize).map_or("", |n| self.text(n.0))
    }

    pub(super) fn text(&self, id: u32) -> &str {
        self.texts.get(id as usize).map_or("", |t| t)
    }
}

impl From<Spent> for NotRead {
    fn from(spent: Spent) -> Self {
        NotRead::Limit(spent.0)
    }
}

/// An element whose end has not come yet.
struct Open {
    element: usize,
    /// Prefixes it declares.
    declares: Vec<Box<str>>,
    /// `xml:space="preserve"`.
    preserve: bool,
}

#[derive(Default)]
struct Hashes {
    prefixes: BTreeSet<(u32, u32)>,
    namespaces: Xxh3Default,
    attribute_order: Xxh3Default,
    empty_tags: Xxh3Default,
    escapes: Xxh3Default,
    comments: Xxh3Default,
}

struct Builder<'n> {
    names: &'n mut Names,
    elements: Vec<Element>,
    open: Vec<Open>,
    scope: HashMap<Box<str>, Vec<u32>>,
    form: Hashes,
    declaration: String,
    doctype: Option<String>,
    uses_entities: bool,
    xhtml: bool,
}

// === impl Builder ===

impl<'n> Builder<'n> {
    fn new(names: &'n mut Names, xhtml: bool) -> Self {
        let xml = names.id(XML);
        Self {
            names,
            elements: Vec::new(),
            open: Vec::new(),
            scope: HashMap::from([("xml".into(), vec![xml])]),
            form: Hashes::default(),
            declaration: String::new(),
            doctype: None,
            uses_entities: false,
            xhtml,
        }
    }

    fn open(&mut self, tag: &BytesStart<'_>, budget: &mut Budget<'_>) -> Result<(), NotRead> {
        if self.open.is_empty() && !self.elements.is_empty() {
            return Err(NotRead::NotXml);
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(NotRead::Limit("depth"));
        }
        let mut given = Vec::new();
        let mut declares = Vec::new();
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|_| NotRead::NotXml)?;
            budget.spend(1 + attribute.value.len() / 256)?;
            let value = self.attribute_value(&attribute.value)?;
            let key = attribute.key.into_inner();
            let prefix = if key == "xmlns" { Some("") } else { key.strip_prefix("xmlns:") };
            match prefix {
                Some(prefix) => {
                    self.form.namespaces.update(format!("{}\0{prefix}\0{value}\0", self.elements.len()).as_bytes());
                    let uri = if value.len() > MAX_NAMESPACE {
                        self.names.id(&format!("{:032x}", xxh3_128(value.as_bytes())))
                    } else {
                        self.names.id(&value)
                    };
                    self.scope.entry(prefix.into()).or_default().push(uri);
                    declares.push(Box::from(prefix));
                }
                None => given.push((key.to_owned(), value)),
            }
        }
        let (uri, local) = self.resolve(tag.name().into_inner(), false)?;
        let name = self.names.name(uri, local);
        let mut preserve = self.open.last().is_some_and(|o| o.preserve);
        let mut attributes = Vec::with_capacity(given.len());
        for (key, mut value) in given {
            let (uri, local) = self.resolve(&key, true)?;
            self.form.attribute_order.update(local.as_bytes());
            self.form.attribute_order.update(b" ");
            let key = self.attribute_name(uri, local);
            match key.as_str() {
                "xml:space" => preserve = value == "preserve",
                // Its value is a name, and a name is what its prefix stands for.
                "xsi:type" => value = self.type_name(value),
                _ => {}
            }
            attributes.push((key, value));
        }
        attributes.sort();
        if attributes.windows(2).any(|w| matches!(w, [x, y] if x.0 == y.0)) {
            return Err(NotRead::NotXml);
        }
        let element = self.elements.len();
        if let Some(parent) = self.open.last().and_then(|o| self.elements.get_mut(o.element)) {
            parent.content.push(Content::Element(element));
        }
        self.elements.push(Element { name, attributes, content: Vec::new() });
        self.open.push(Open { element, declares, preserve });
        Ok(())
    }

    fn close(&mut self) -> Result<(), NotRead> {
        let open = self.open.pop().ok_or(NotRead::NotXml)?;
        for prefix in &open.declares {
            if let Some(bound) = self.scope.get_mut(prefix) {
                bound.pop();
            }
        }
        if !open.preserve
            && let Some(element) = self.elements.get_mut(open.element)
        {
            let mut content = std::mem::take(&mut element.content);
            let inline = self.xhtml_name(open.element).is_some_and(|name| !holds_elements(name));
            trim(&mut content, inline, |child| self.xhtml_name(child).is_some_and(is_block));
            if let Some(element) = self.elements.get_mut(open.element) {
                element.content = content;
            }
        }
        Ok(())
    }

    /// The name of an element of XHTML.
    fn xhtml_name(&self, element: usize) -> Option<&str> {
        let name = self.elements.get(element)?.name;
        (self.xhtml || self.names.namespace(name) == XHTML).then(|| self.names.local(name))
    }

    fn text(&mut self, text: &str) -> Result<(), NotRead> {
        if !is_xml_text(text) && !text.starts_with(REFERENCE) {
            return Err(NotRead::NotXml);
        }
        let Some(element) = self.open.last().and_then(|o| self.elements.get_mut(o.element)) else {
            return if text.trim_ascii().is_empty() { Ok(()) } else { Err(NotRead::NotXml) };
        };
        match element.content.last_mut() {
            Some(Content::Text(before)) => before.push_str(text),
            _ => element.content.push(Content::Text(text.to_owned())),
        }
        Ok(())
    }

    /// What a reference stands for. One to an entity of the document type stays what it is.
    fn reference(&mut self, name: &str) -> Result<String, NotRead> {
        let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
        let known = match name {
            "lt" => Some('<'),
            "gt" => Some('>'),
            "amp" => Some('&'),
            "apos" => Some('\''),
            "quot" => Some('"'),
            _ => match name.strip_prefix('#') {
                Some(digits) => {
                    let c = digits.strip_prefix('x').map_or_else(|| number(digits, 10), |hex| number(hex, 16));
                    Some(c.filter(|c| is_xml(*c)).ok_or(NotRead::NotXml)?)
                }
                None => None,
            },
        };
        if let Some(known) = known {
            return Ok(known.to_string());
        }
        if self.doctype.is_none() || !is_name(name) {
            return Err(NotRead::NotXml);
        }
        self.uses_entities = true;
        Ok(format!("{REFERENCE}{name};"))
    }

    /// White space made spaces, references resolved.
    fn attribute_value(&mut self, raw: &str) -> Result<String, NotRead> {
        if raw.contains('<') || !is_xml_text(raw) {
            return Err(NotRead::NotXml);
        }
        let mut value = String::with_capacity(raw.len());
        let mut rest = raw;
        loop {
            let (plain, reference) = match rest.split_once('&') {
                Some((plain, after)) => (plain, Some(after.split_once(';').ok_or(NotRead::NotXml)?)),
                None => (rest, None),
            };
            let plain =
                if plain.contains('\r') { Cow::Owned(plain.replace("\r\n", " ")) } else { Cow::Borrowed(plain) };
            value.extend(plain.chars().map(|c| if matches!(c, '\t' | '\n' | '\r') { ' ' } else { c }));
            let Some((name, after)) = reference else { return Ok(value) };
            self.form.escapes.update(name.as_bytes());
            value.push_str(&self.reference(name)?);
            rest = after;
        }
    }

    /// The namespace of a name and what comes after its prefix. An unknown prefix is taken for a namespace.
    fn resolve<'k>(&mut self, name: &'k str, attribute: bool) -> Result<(u32, &'k str), NotRead> {
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        if !is_name(local) || !(prefix.is_empty() || is_name(prefix)) {
            return Err(NotRead::NotXml);
        }
        let bound = self.scope.get(prefix).and_then(|uris| uris.last()).copied();
        let uri = match bound {
            _ if attribute && prefix.is_empty() => self.names.id(""),
            Some(uri) => uri,
            None => self.names.id(prefix),
        };
        if !(attribute && prefix.is_empty()) {
            let prefix = self.names.id(prefix);
            self.form.prefixes.insert((uri, prefix));
        }
        Ok((uri, local))
    }

    fn attribute_name(&self, uri: u32, local: &str) -> String {
        let uri = self.names.text(uri);
        match KNOWN.iter().find(|(known, _)| *known == uri) {
            Some((_, prefix)) => format!("{prefix}:{local}"),
            None if uri.is_empty() => local.to_owned(),
            None => format!("{{{uri}}}{local}"),
        }
    }

    fn type_name(&self, value: String) -> String {
        let (prefix, local) = value.split_once(':').unwrap_or(("", &value));
        match self.scope.get(prefix).and_then(|uris| uris.last()) {
            Some(uri) => format!("{{{}}}{local}", self.names.text(*uri)),
            None => value,
        }
    }

    fn finish(self) -> Result<Document, NotRead> {
        if !self.open.is_empty() || self.elements.is_empty() {
            return Err(NotRead::NotXml);
        }
        let doctype = self.doctype.unwrap_or_default();
        let form = Form {
            declaration: match (self.declaration.is_empty(), doctype.is_empty()) {
                (_, true) => self.declaration,
                (true, false) => format!("<!DOCTYPE {doctype}>"),
                (false, false) => format!("{} <!DOCTYPE {doctype}>", self.declaration),
            },
            prefixes: self.form.prefixes,
            namespaces: self.form.namespaces.digest(),
            attribute_order: self.form.attribute_order.digest(),
            empty_tags: self.form.empty_tags.digest(),
            escapes: self.form.escapes.digest(),
            comments: self.form.comments.digest(),
        };
        Ok(Document { elements: self.elements, form, entities: self.uses_entities.then_some(doctype) })
    }
}

fn is_xml_text(text: &str) -> bool {
    // Most text is seen to be without a look at its characters.
    text.bytes().all(|b| (b >= b' ' || matches!(b, b'\t' | b'\n' | b'\r')) && b != 0xEF) || text.chars().all(is_xml)
}

fn is_xml(c: char) -> bool {
    !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// A name without a colon, near enough to what the standard has.
fn is_name(text: &str) -> bool {
    let start = |c: char| c == '_' || c.is_ascii_alphabetic() || (!c.is_ascii() && c.is_alphabetic());
    let mut chars = text.chars();
    chars.next().is_some_and(start)
        && chars.all(|c| {
            start(c) || c.is_ascii_digit() || matches!(c, '-' | '.' | '·') || (!c.is_ascii() && !c.is_control())
        })
}
