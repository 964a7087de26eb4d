//! TOML, YAML and JSON into the one tree, with a place for every key and value. It knows no key by name.

use super::node::{Entry, Node, Place, Table, Value};
use super::problem::Problem;
use serde::Deserialize;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notation {
    Toml,
    Yaml,
    Json,
}

impl Notation {
    /// By file ending; what is neither YAML nor JSON is TOML.
    pub(super) fn of(file: &std::path::Path) -> Self {
        let ending = file.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        match ending.as_str() {
            "yaml" | "yml" => Notation::Yaml,
            "json" => Notation::Json,
            _ => Notation::Toml,
        }
    }
}

/// More nesting than any configuration has.
const MAX_DEPTH: usize = 16;

pub(super) fn parse(text: &str, notation: Notation) -> Result<Table, Vec<Problem>> {
    match notation {
        Notation::Toml => toml(text),
        Notation::Yaml => yaml(text),
        Notation::Json => json(text),
    }
}

fn top(node: Node) -> Result<Table, Vec<Problem>> {
    match node.value {
        Value::Table(table) => Ok(table),
        Value::Null => Ok(Table::default()),
        other => {
            Err(vec![Problem::at(node.place, format!("the file must be a table of sections, not {}", other.kind()))])
        }
    }
}

// === TOML ===

fn toml(text: &str) -> Result<Table, Vec<Problem>> {
    let (table, errors) = toml::de::DeTable::parse_recoverable(text);
    let mut problems: Vec<_> = errors
        .iter()
        .take(20)
        .map(|e| {
            let place = e.span().map_or(Place::Nowhere, Place::Span);
            let message = e.message().lines().next().unwrap_or_default();
            Problem::at(place, format!("this is not TOML: {message}"))
        })
        .collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    let table = toml_table(table.get_ref(), 0, &mut problems);
    if problems.is_empty() { Ok(table) } else { Err(problems) }
}

fn toml_table(table: &toml::de::DeTable<'_>, depth: usize, problems: &mut Vec<Problem>) -> Table {
    let mut entries: Vec<(usize, Entry)> = table
        .iter()
        .map(|(key, value)| {
            let entry = Entry {
                key: key.get_ref().to_string(),
                place: Place::Span(key.span()),
                node: toml_node(value, depth + 1, problems),
            };
            (key.span().start, entry)
        })
        .collect();
    entries.sort_by_key(|(start, _)| *start);
    Table(entries.into_iter().map(|(_, e)| e).collect())
}

fn toml_node(value: &toml::Spanned<toml::de::DeValue<'_>>, depth: usize, problems: &mut Vec<Problem>) -> Node {
    use toml::de::DeValue;
    let place = Place::Span(value.span());
    if depth > MAX_DEPTH {
        problems.push(Problem::at(place.clone(), "this is nested too deeply"));
        return Node { place, value: Value::Null };
    }
    let value = match value.get_ref() {
        DeValue::String(s) => Value::text(s.as_ref()),
        DeValue::Integer(i) => match i64::from_str_radix(i.as_str(), i.radix()) {
            Ok(i) => Value::Int(i),
            Err(_) => {
                problems.push(Problem::at(place.clone(), "this number is too large"));
                Value::Null
            }
        },
        DeValue::Float(f) => match f.as_str().parse() {
            Ok(f) => Value::Float(f),
            Err(_) => {
                problems.push(Problem::at(place.clone(), "this is not a number"));
                Value::Null
            }
        },
        DeValue::Boolean(b) => Value::Bool(*b),
        DeValue::Datetime(d) => Value::Date(d.to_string()),
        DeValue::Array(items) => Value::Array(items.iter().map(|v| toml_node(v, depth + 1, problems)).collect()),
        DeValue::Table(table) => Value::Table(toml_table(table, depth, problems)),
    };
    Node { place, value }
}

// === YAML ===

fn yaml(text: &str) -> Result<Table, Vec<Problem>> {
    if text.trim().is_empty() {
        return Ok(Table::default());
    }
    let options = serde_saphyr::options! {
        strict_booleans: true,
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH + 4, max_documents: 1 },
    };
    match serde_saphyr::from_str_with_options::<Free<YamlKey>>(text, options) {
        Ok(free) => top(free.into_node(0)?),
        Err(e) => {
            let span = e.location().map_or(0..0, |l| span(&l).unwrap_or_else(|| spot(text, &l)));
            let message = e.without_snippet().to_string();
            // What the library's options could do about it is nothing for who writes a file.
            let message = message.lines().next().unwrap_or_default();
            let message = message.split_once(", set ").map_or(message, |(what, _)| what);
            Err(vec![Problem::at(Place::Span(span), format!("this is not YAML: {message}"))])
        }
    }
}

fn span(location: &serde_saphyr::Location) -> Option<Range<usize>> {
    let start = usize::try_from(location.span().byte_offset()?).ok()?;
    let len = usize::try_from(location.span().byte_len().unwrap_or(0)).ok()?;
    Some(start..start + len)
}

/// Of what is known by line and column alone.
fn spot(text: &str, location: &serde_saphyr::Location) -> Range<usize> {
    let before = |n: u64| usize::try_from(n.saturating_sub(1)).unwrap_or(usize::MAX);
    let start: usize = text.split_inclusive('\n').take(before(location.line())).map(str::len).sum();
    let rest = text.get(start..).unwrap_or_default();
    let at = start + rest.char_indices().nth(before(location.column())).map_or(rest.len(), |(at, _)| at);
    at..at
}

type YamlKey = serde_saphyr::Spanned<String>;

/// Any value, its parts wrapped by what tells their place.
enum Free<K> {
    Scalar(Value),
    List(Vec<serde_saphyr::Spanned<Free<K>>>),
    Map(Vec<(K, serde_saphyr::Spanned<Free<K>>)>),
}

impl Free<YamlKey> {
    fn into_node(self, depth: usize) -> Result<Node, Vec<Problem>> {
        let wrapped =
            serde_saphyr::Spanned::new(self, serde_saphyr::Location::UNKNOWN, serde_saphyr::Location::UNKNOWN);
        yaml_node(wrapped, depth)
    }
}

fn yaml_node(wrapped: serde_saphyr::Spanned<Free<YamlKey>>, depth: usize) -> Result<Node, Vec<Problem>> {
    let place = span(&wrapped.referenced).map_or(Place::Nowhere, Place::Span);
    if depth > MAX_DEPTH {
        return Err(vec![Problem::at(place, "this is nested too deeply")]);
    }
    let value = match wrapped.value {
        Free::Scalar(value) => value,
        Free::List(items) => {
            Value::Array(items.into_iter().map(|i| yaml_node(i, depth + 1)).collect::<Result<_, _>>()?)
        }
        Free::Map(items) => {
            let mut table = Table::default();
            for (key, item) in items {
                let place = span(&key.referenced).map_or(Place::Nowhere, Place::Span);
                let node = yaml_node(item, depth + 1)?;
                table.0.push(Entry { key: key.value, place, node });
            }
            Value::Table(table)
        }
    };
    Ok(Node { place, value })
}

impl<'de> Deserialize<'de> for Free<YamlKey> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FreeVisitor)
    }
}

struct FreeVisitor;

impl<'de> Visitor<'de> for FreeVisitor {
    type Value = Free<YamlKey>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Free::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(Free::Scalar(Value::Null))
    }

    fn visit_some<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Self::Value, E> {
        Ok(Free::Scalar(Value::Bool(v)))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Self::Value, E> {
        Ok(Free::Scalar(Value::Int(v)))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Self::Value, E> {
        Ok(Free::Scalar(i64::try_from(v).map_or(Value::Float(v as f64), Value::Int)))
    }

    fn visit_i128<E>(self, v: i128) -> Result<Self::Value, E> {
        Ok(Free::Scalar(i64::try_from(v).map_or(Value::Float(v as f64), Value::Int)))
    }

    fn visit_u128<E>(self, v: u128) -> Result<Self::Value, E> {
        Ok(Free::Scalar(i64::try_from(v).map_or(Value::Float(v as f64), Value::Int)))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Self::Value, E> {
        Ok(Free::Scalar(Value::Float(v)))
    }

    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Free::Scalar(Value::text(v)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Free::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = map.next_entry()? {
            items.push(item);
        }
        Ok(Free::Map(items))
    }
}

// === JSON ===

fn json(text: &str) -> Result<Table, Vec<Problem>> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|e| vec![json_problem(text, &e)])?;
    top(json_node(raw, text, 0)?)
}

fn json_problem(text: &str, error: &serde_json::Error) -> Problem {
    let start: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let at = (start + error.column().saturating_sub(1)).min(text.len());
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default().to_owned();
    Problem::at(Place::Span(at..at), format!("this is not JSON: {message}"))
}

/// A raw value borrows from the text it was read from, so its place is the distance between the two.
fn json_place(raw: &RawValue, text: &str) -> Place {
    let start = (raw.get().as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
    if start <= text.len() { Place::Span(start..start + raw.get().len()) } else { Place::Nowhere }
}

fn json_node(raw: &RawValue, text: &str, depth: usize) -> Result<Node, Vec<Problem>> {
    let place = json_place(raw, text);
    let wrong = |m: &str| vec![Problem::at(json_place(raw, text), m.to_owned())];
    if depth > MAX_DEPTH {
        return Err(wrong("this is nested too deeply"));
    }
    let inner = raw.get();
    let value = match inner.as_bytes().first() {
        Some(b'{') => {
            let Pairs(pairs) = serde_json::from_str(inner).map_err(|e| wrong(&e.to_string()))?;
            let mut table = Table::default();
            for (key, value) in pairs {
                let place = json_place(key, text);
                let name: String = serde_json::from_str(key.get()).map_err(|e| wrong(&e.to_string()))?;
                if table.entry(&name).is_some() {
                    return Err(vec![Problem::at(place, format!("this is not JSON: duplicate key `{name}`"))]);
                }
                table.0.push(Entry { key: name, place, node: json_node(value, text, depth + 1)? });
            }
            Value::Table(table)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(inner).map_err(|e| wrong(&e.to_string()))?;
            Value::Array(items.into_iter().map(|i| json_node(i, text, depth + 1)).collect::<Result<_, _>>()?)
        }
        _ => match serde_json::from_str(inner).map_err(|e| wrong(&e.to_string()))? {
            serde_json::Value::Bool(b) => Value::Bool(b),
            serde_json::Value::String(s) => Value::text(s),
            serde_json::Value::Number(n) => match (n.as_i64(), n.as_f64()) {
                (Some(i), _) => Value::Int(i),
                (None, Some(f)) => Value::Float(f),
                (None, None) => Value::Null,
            },
            _ => Value::Null,
        },
    };
    Ok(Node { place, value })
}

/// The members of an object, raw.
struct Pairs<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor)
    }
}
