//! The JSON Schema of the file, for editors, from the table of keys and the default file.

use super::keys::{ALIGN, IGNORE, Key, Kind, SECTIONS, Section};
use super::node::{Node, Table, Value as Written};
use serde_json::{Map, Value, json};

/// As `check --schema` prints it and `config/parallax.schema.json` holds it.
pub fn schema() -> String {
    let defaults = super::defaults().unwrap_or_default();
    let mut properties = Map::new();
    for section in SECTIONS {
        let table = defaults.get(section.name).and_then(Node::as_table);
        properties.insert(section.name.to_owned(), self::section(section, table));
    }
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Parallax",
        "description": "Shadow traffic: serve from the primary, mirror to the candidate, compare, decide.",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "$defs": {
            "duration": {
                "type": "string",
                "pattern": r"^\s*([0-9]+(\.[0-9]+)?(us|ms|s|m|h|d))+\s*$|\$\{",
                "examples": ["500ms", "30s", "10m", "2h", "14d"],
            },
            "size": {
                "anyOf": [
                    { "type": "integer", "minimum": 0 },
                    { "type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*(B|[kKMGT]B|[KMGT]iB)?\s*$|\$\{" },
                ],
                "examples": ["64KiB", "1MiB", "2GiB"],
            },
            "percentage": { "type": "string", "pattern": r"^\s*[0-9.]+\s*%?\s*$|\$\{" },
        },
    });
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

fn section(section: &Section, defaults: Option<&Table>) -> Value {
    let keys = section.keys();
    let mut table = table(&keys, if section.repeated { None } else { defaults });
    if section.repeated {
        let required: &[&str] = if section.name == "rule" { &["id", "at"] } else { &["path"] };
        if let Some(table) = table.as_object_mut() {
            table.insert("required".into(), json!(required));
        }
        return json!({ "type": "array", "description": section.doc, "items": table });
    }
    if let Some(table) = table.as_object_mut() {
        table.insert("description".into(), json!(section.doc));
    }
    table
}

fn table(keys: &[&Key], defaults: Option<&Table>) -> Value {
    let mut properties = Map::new();
    for key in keys {
        let default = defaults.and_then(|d| d.get(key.name));
        let mut schema = match key.kind {
            Kind::Table(inner) => table(&inner.iter().collect::<Vec<_>>(), default.and_then(Node::as_table)),
            kind => value(kind),
        };
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("description".into(), json!(key.doc));
            if let (Some(default), false) = (default, matches!(key.kind, Kind::Table(_))) {
                schema.insert("default".into(), plain(default));
            }
        }
        properties.insert(key.name.to_owned(), schema);
    }
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn value(kind: Kind) -> Value {
    let texts = || json!({ "type": "array", "items": { "type": "string" } });
    match kind {
        Kind::Text
        | Kind::Name
        | Kind::Host
        | Kind::Pattern
        | Kind::Filter
        | Kind::Address
        | Kind::File
        | Kind::Folder
        | Kind::Header => json!({ "type": "string" }),
        Kind::Url => json!({ "type": "string", "pattern": r"^(https?|h2c)://|\$\{" }),
        Kind::Duration | Kind::Timeout => json!({ "$ref": "#/$defs/duration" }),
        Kind::Size { .. } => json!({ "$ref": "#/$defs/size" }),
        Kind::Share => {
            json!({ "anyOf": [{ "type": "number", "minimum": 0, "maximum": 1 }, { "$ref": "#/$defs/percentage" }] })
        }
        Kind::Fraction => json!({
            "anyOf": [{ "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 }, { "$ref": "#/$defs/percentage" }]
        }),
        Kind::Count { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::AtLeast(min) => json!({ "type": "number", "minimum": min }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Choice(of) => json!({ "enum": of }),
        Kind::Choices(of) => json!({ "type": "array", "items": { "enum": of } }),
        Kind::Files | Kind::Patterns | Kind::Locations | Kind::Headers | Kind::Methods => texts(),
        Kind::HeaderMap => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        Kind::SampleBy => json!({ "type": "string", "pattern": r"^(request|client-ip|(header|cookie):.+)$|\$\{" }),
        Kind::Operation => json!({ "type": "string", "pattern": r"^(header:.+|query:.+|json:\$.*)$|\$\{" }),
        Kind::Template => json!({ "type": "string", "pattern": r"^/|\$\{" }),
        Kind::Date => json!({ "type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$|\$\{" }),
        Kind::Ignore => json!({ "anyOf": [{ "type": "boolean" }, { "enum": IGNORE }] }),
        Kind::Align => {
            json!({ "anyOf": [{ "enum": ALIGN }, one("key", json!({ "anyOf": [{ "type": "string" }, texts()] }))] })
        }
        Kind::Shape => json!({ "anyOf": [{ "type": "string" }, one("regex", json!({ "type": "string" }))] }),
        Kind::Same => json!({
            "type": "array",
            "items": { "type": "array", "minItems": 2, "items": { "type": ["string", "number", "boolean", "null"] } }
        }),
        Kind::Phases => json!({ "type": "array", "maxItems": 0 }),
        Kind::Table(_) => json!({ "type": "object" }),
    }
}

/// A table with this one key.
fn one(key: &str, schema: Value) -> Value {
    json!({ "type": "object", "required": [key], "additionalProperties": false, "properties": { key: schema } })
}

fn plain(node: &Node) -> Value {
    match &node.value {
        Written::Null => Value::Null,
        Written::Bool(b) => json!(b),
        Written::Int(i) => json!(i),
        Written::Float(f) => json!(f),
        Written::Text(text) => json!(text.written),
        Written::Date(date) => json!(date),
        Written::Array(items) => items.iter().map(plain).collect(),
        Written::Table(table) => table.0.iter().map(|e| (e.key.clone(), plain(&e.node))).collect(),
    }
}
