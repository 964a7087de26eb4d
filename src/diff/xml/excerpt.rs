//! What a finding shows: a piece of the JSON layout, perhaps cut short, written as the XML it stands for.

use super::super::value::text::unescape;
use super::read::REFERENCE;

/// Which part of the layout a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    Document,
    /// All children of one local name.
    Group,
    /// Those of one namespace.
    List,
    Element,
    /// Chunks of text.
    Texts,
    /// One chunk, or an attribute's value.
    Text,
    /// The names of children.
    Order,
}

/// The XML that the piece stands for. `namespace` is told where it is what differs.
pub(super) fn excerpt(json: &str, piece: Piece, name: &str, namespace: Option<&str>) -> String {
    let (rest, cut) = json.strip_suffix('…').map_or((json, false), |rest| (rest, true));
    let mut writer = Writer { rest, out: String::new() };
    // A piece that was cut ends where it was cut.
    let whole = match piece {
        Piece::Document => writer.document(),
        Piece::Group => writer.group(name),
        Piece::List => writer.list(name, namespace),
        Piece::Element => writer.element(name, namespace),
        Piece::Texts => writer.texts("").is_some().then_some(()),
        Piece::Text => writer.text().is_some().then_some(()),
        Piece::Order => writer.texts(" ").is_some().then_some(()),
    };
    let mut out = writer.out;
    if whole.is_none() || cut {
        out.push('…');
    }
    out
}

/// `None` from any of its methods: the end came too early. Recursion is as deep as a piece of a few hundred bytes nests.
struct Writer<'a> {
    rest: &'a str,
    out: String,
}

// === impl Writer ===

impl<'a> Writer<'a> {
    fn eat(&mut self, sign: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(sign)?;
        Some(())
    }

    /// Whether a list or object goes on; eats the comma or the end.
    fn more(&mut self, end: char) -> Option<bool> {
        if self.eat(end).is_some() {
            return Some(false);
        }
        let _ = self.eat(',');
        (!self.rest.is_empty()).then_some(true)
    }

    /// A string's content; what there is of it where it is cut.
    fn string(&mut self) -> Result<String, String> {
        if self.eat('"').is_none() {
            return Err(String::new());
        }
        let mut escaped = false;
        let end = self.rest.bytes().position(|b| {
            let ends = b == b'"' && !escaped;
            escaped = b == b'\\' && !escaped;
            ends
        });
        let raw = self.rest.get(..end.unwrap_or(self.rest.len())).unwrap_or_default();
        self.rest = end.and_then(|end| self.rest.get(end + 1..)).unwrap_or_default();
        let text = String::from_utf8_lossy(&unescape(raw.as_bytes())).replace(REFERENCE, "&");
        if end.is_some() { Ok(text) } else { Err(text) }
    }

    fn text(&mut self) -> Option<()> {
        let (text, whole) = match self.string() {
            Ok(text) => (text, true),
            Err(text) => (text, false),
        };
        self.out.push_str(&text);
        whole.then_some(())
    }

    fn key(&mut self) -> Option<String> {
        let key = self.string().ok()?;
        self.eat(':')?;
        Some(key)
    }

    fn document(&mut self) -> Option<()> {
        self.eat('{')?;
        while self.more('}')? {
            if self.key()? == "/" {
                self.children()?;
            } else {
                self.string().ok()?;
            }
        }
        Some(())
    }

    fn group(&mut self, name: &str) -> Option<()> {
        self.eat('{')?;
        while self.more('}')? {
            self.key()?;
            self.list(name, None)?;
        }
        Some(())
    }

    fn list(&mut self, name: &str, namespace: Option<&str>) -> Option<()> {
        self.eat('[')?;
        while self.more(']')? {
            self.element(name, namespace)?;
        }
        Some(())
    }

    fn texts(&mut self, between: &str) -> Option<()> {
        self.eat('[')?;
        let start = self.out.len();
        while self.more(']')? {
            if self.out.len() > start {
                self.out.push_str(between);
            }
            self.text()?;
        }
        Some(())
    }

    fn element(&mut self, name: &str, namespace: Option<&str>) -> Option<()> {
        self.eat('{')?;
        self.out.push('<');
        self.out.push_str(name);
        if let Some(namespace) = namespace {
            self.out.push_str(&format!(" xmlns=\"{namespace}\""));
        }
        let mut opened = false;
        while self.more('}')? {
            let key = self.key()?;
            if let Some(attribute) = key.strip_prefix('@') {
                self.out.push_str(&format!(" {attribute}=\""));
                self.text()?;
                self.out.push('"');
                continue;
            }
            if key == "#order" {
                let shown = self.out.len();
                self.texts("")?;
                self.out.truncate(shown);
                continue;
            }
            let empty = if key == "/" { "{}" } else { "[\"\"]" };
            if let Some(rest) = self.rest.strip_prefix(empty) {
                self.rest = rest;
                continue;
            }
            if !opened {
                self.out.push('>');
                opened = true;
            }
            if key == "/" { self.children()? } else { self.texts("")? }
        }
        self.out.push_str(&if opened { format!("</{name}>") } else { "/>".to_owned() });
        Some(())
    }

    fn children(&mut self) -> Option<()> {
        self.eat('{')?;
        while self.more('}')? {
            let name = self.key()?;
            self.group(&name)?;
        }
        Some(())
    }
}
