//! A configuration as written: values with the place each came from, whatever the notation was.

use std::ops::Range;

/// Where a value stands, for the error that may be made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Bytes of the file.
    Span(Range<usize>),
    /// The flag as typed, `--primary`, and its value.
    Flag(&'static str, String),
    /// Of the built-in defaults, or of nothing at all.
    Nowhere,
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub place: Place,
    pub value: Value,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Text),
    /// A TOML date or time, as written.
    Date(String),
    Array(Vec<Node>),
    Table(Table),
}

/// A string, with what stood there before the environment was put in.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub value: String,
    pub written: String,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Table(pub Vec<Entry>);

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub key: String,
    pub place: Place,
    pub node: Node,
}

// === impl Value ===

impl Value {
    pub(super) fn text(written: impl Into<String>) -> Self {
        let written = written.into();
        Value::Text(Text { value: written.clone(), written })
    }

    /// What it is, with its article, for an error.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Text(_) => "a string",
            Value::Date(_) => "a date",
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

// === impl Node ===

impl Node {
    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(&text.value),
            _ => None,
        }
    }

    pub(super) fn as_array(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }
}

// === impl Table ===

impl Table {
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.0.iter().find(|e| e.key == key)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|e| &e.node)
    }

    /// Sets `section.key`, for a flag that beats the file.
    pub(super) fn set(&mut self, section: &str, key: &str, node: Node) {
        let place = node.place.clone();
        let at = match self.0.iter().position(|e| e.key == section) {
            Some(at) => at,
            None => {
                let table = Node { place: Place::Nowhere, value: Value::Table(Table::default()) };
                self.0.push(Entry { key: section.to_owned(), place: Place::Nowhere, node: table });
                self.0.len() - 1
            }
        };
        let Some(Entry { node: Node { value: Value::Table(table), .. }, .. }) = self.0.get_mut(at) else { return };
        table.0.retain(|e| e.key != key);
        table.0.push(Entry { key: key.to_owned(), place, node });
    }
}
