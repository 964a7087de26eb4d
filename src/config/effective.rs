//! The configuration that results from file, flags and defaults, as TOML in the same keys, without secrets.
//!
//! What `${NAME}` stands for is put in, but in headers and `[redact]`, where it is likely to be a secret: there it stays as it was
//! written. The text loads again to the same settings in the same environment.

use super::checked::Checked;
use super::environment::escape;
use super::keys::{Kind, SECTIONS, Section};
use super::node::{Node, Table, Value};
use std::fmt::Write;

/// Stands for a header's value that is not shown.
const HIDDEN: &str = "<hidden>";

/// As `check` prints it.
pub fn effective(checked: &Checked) -> String {
    checked.written.clone()
}

/// Whether a header of this name is likely to hold a secret.
pub(super) fn sensitive(header: &str) -> bool {
    let name = header.to_ascii_lowercase();
    ["auth", "cookie", "token", "secret", "key", "password", "credential", "session", "signature"]
        .iter()
        .any(|part| name.contains(part))
}

/// What the file says over the defaults.
pub(super) fn write(file: &Table, defaults: &Table) -> String {
    let mut out = String::new();
    for section in SECTIONS {
        if section.repeated {
            for node in file.get(section.name).and_then(Node::as_array).unwrap_or_default() {
                let Some(table) = node.as_table() else { continue };
                let _ = writeln!(out, "[[{}]]", section.name);
                keys(&mut out, section, &[table]);
                out.push('\n');
            }
            continue;
        }
        let layers: Vec<&Table> = [file, defaults].iter().filter_map(|t| t.get(section.name)?.as_table()).collect();
        // The control's defaults mean nothing where there is no control.
        if layers.is_empty() || (section.name == "control" && file.get("control").is_none()) {
            continue;
        }
        let _ = writeln!(out, "[{}]", section.name);
        keys(&mut out, section, &layers);
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn keys(out: &mut String, section: &Section, layers: &[&Table]) {
    for key in section.keys() {
        let found: Vec<&Node> =
            layers.iter().filter_map(|l| l.get(key.name)).filter(|n| !matches!(n.value, Value::Null)).collect();
        let Some(first) = found.first() else { continue };
        if let Kind::Table(inner) = key.kind {
            let tables: Vec<&Table> = found.iter().filter_map(|n| n.as_table()).collect();
            for key_inside in inner {
                if let Some(node) = tables.iter().find_map(|t| t.get(key_inside.name)) {
                    let _ = writeln!(out, "{}.{} = {}", key.name, key_inside.name, literal(node));
                }
            }
            continue;
        }
        let shown = match key.kind {
            Kind::HeaderMap => headers(first),
            // What is never to be shown may be named by a secret.
            _ if section.name == "redact" => as_written(first),
            _ => literal(first),
        };
        let _ = writeln!(out, "{} = {shown}", key.name);
    }
}

fn headers(node: &Node) -> String {
    let Some(table) = node.as_table() else { return literal(node) };
    let shown = |name: &str, node: &Node| match &node.value {
        // A reference to the environment shows no secret.
        Value::Text(text) if sensitive(name) && !text.written.starts_with("${") => quoted(HIDDEN),
        Value::Text(text) => quoted(&text.written),
        _ => literal(node),
    };
    inline(table, shown)
}

/// With `${NAME}` as it stands there.
fn as_written(node: &Node) -> String {
    match &node.value {
        Value::Text(text) => quoted(&text.written),
        Value::Array(items) => format!("[{}]", items.iter().map(as_written).collect::<Vec<_>>().join(", ")),
        _ => literal(node),
    }
}

fn literal(node: &Node) -> String {
    match &node.value {
        // TOML has no null; the one place where it means something takes it as a word.
        Value::Null => quoted("null"),
        Value::Bool(b) => b.to_string(),
        Value::Int(i) => i.to_string(),
        Value::Float(f) if f.is_nan() => "nan".to_owned(),
        Value::Float(f) if f.is_infinite() => if *f > 0.0 { "inf" } else { "-inf" }.to_owned(),
        Value::Float(f) => format!("{f:?}"),
        Value::Text(text) => quoted(&escape(&text.value)),
        Value::Date(date) => date.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Table(table) => inline(table, |_, node| literal(node)),
    }
}

fn inline(table: &Table, shown: impl Fn(&str, &Node) -> String) -> String {
    let members: Vec<String> =
        table.0.iter().map(|e| format!("{} = {}", name(&e.key), shown(&e.key, &e.node))).collect();
    if members.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", members.join(", ")) }
}

fn name(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if bare { key.to_owned() } else { quoted(key) }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
