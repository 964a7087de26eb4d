//! `[[rule]]`. Whether a rule's parts make sense together is the comparison's to say: its compiler is asked here and its
//! answers are brought back to the line and column of the key.

use super::Sources;
use super::sides::pattern;
use crate::config::keys::{ALIGN, IGNORE, Section};
use crate::config::node::{Node, Value};
use crate::config::problem::Problem;
use crate::config::read::{Reader, Wrong, number, text};
use crate::diff::{Align, Ignore, Mask, RuleSet, RuleSpec, Shape, Tolerance};

pub(super) fn rules(sources: &Sources<'_>) -> Vec<RuleSpec> {
    let Some(section) = Section::named("rule") else { return Vec::new() };
    let mut specs: Vec<RuleSpec> = Vec::new();
    let mut places: Vec<(&Node, Reader<'_>, bool)> = Vec::new();
    for node in sources.file.get("rule").and_then(|n| n.as_array()).unwrap_or_default() {
        let Some(table) = node.as_table() else { continue };
        let reader = Reader::new("rule", section, vec![table], sources.problems);
        let before = sources.problems.borrow().len();
        for (key, example) in [("id", "id = \"float-print\""), ("at", "at = \"json:$.total\"")] {
            if reader.node(key).is_none() {
                sources.note(Problem::at(node.place.clone(), format!("a [[rule]] has no `{key}`")).label(example));
            }
        }
        let spec = rule(&reader);
        if !spec.id.is_empty() && specs.iter().any(|s| s.id == spec.id) {
            let problem = Problem::at(reader.place("id"), format!("there are two rules `{}`", spec.id));
            sources.note(problem.label("reports tell rules apart by their id"));
        }
        specs.push(spec);
        let sound = sources.problems.borrow().len() == before;
        places.push((node, reader, sound));
    }
    for (index, key, message) in compile_rules(&specs) {
        // What could not be read as written has been said; what it would mean is not worth guessing.
        let Some((node, reader, true)) = places.get(index) else { continue };
        let known = section.keys().iter().any(|k| k.name == key);
        let place = known.then(|| reader.node(&key)).flatten().map_or_else(|| node.place.clone(), |n| n.place.clone());
        sources.note(Problem::at(place, message));
    }
    specs
}

/// What the comparison says against the rules: the rule's index, its key, the message.
fn compile_rules(specs: &[RuleSpec]) -> Vec<(usize, String, String)> {
    let errors = RuleSet::compile(specs).err().unwrap_or_default();
    errors.into_iter().map(|e| (e.index, e.key, e.message)).collect()
}

fn rule(reader: &Reader<'_>) -> RuleSpec {
    RuleSpec {
        id: filled(reader, "id").unwrap_or_default(),
        why: reader.text("why"),
        owner: reader.text("owner"),
        expires: reader.opt("expires", date),
        on: filled(reader, "on").unwrap_or_else(|| "*".to_owned()),
        at: filled(reader, "at").unwrap_or_default(),
        ignore: reader
            .opt("ignore", |n| match &n.value {
                Value::Bool(true) => Ok(Some(Ignore::All)),
                Value::Bool(false) => Ok(None),
                _ => ignore(text(n)?).map(Some),
            })
            .flatten(),
        tolerance: tolerance(reader),
        numeric_string: reader.bool("numeric_string"),
        align: reader.opt("align", align),
        shape: reader.opt("shape", shape),
        same: reader.list("same", same),
        mask: mask(reader),
        bijection: filled(reader, "bijection"),
    }
}

fn filled(reader: &Reader<'_>, name: &str) -> Option<String> {
    reader.opt(name, |n| match text(n)? {
        "" => Err("it is empty".into()),
        text => Ok(text.to_owned()),
    })
}

fn date(node: &Node) -> Result<String, Wrong> {
    let written = match &node.value {
        Value::Date(date) => date,
        _ => text(node)?,
    };
    match written.parse::<jiff::civil::Date>() {
        // A date with a time would parse as well; a rule ends with a day.
        Ok(date) if date.to_string() == *written => Ok(date.to_string()),
        _ => Err(Wrong::default()),
    }
}

fn ignore(word: &str) -> Result<Ignore, Wrong> {
    Ok(match word {
        "missing" => Ignore::Missing,
        "extra" => Ignore::Extra,
        "value" => Ignore::Value,
        "order" => Ignore::Order,
        _ => {
            debug_assert!(!IGNORE.contains(&word));
            return Err(Wrong::default());
        }
    })
}

fn tolerance(reader: &Reader<'_>) -> Option<Tolerance> {
    let node = reader.node("tolerance")?;
    let table = reader.table("tolerance");
    let tolerance = Tolerance {
        absolute: table.opt_number("absolute"),
        relative: table.opt_number("relative"),
        ulps: table.opt_count("ulps"),
        f32_ulps: table.opt_count("f32_ulps").and_then(|n| u32::try_from(n).ok()),
        time: table.opt_duration("time"),
    };
    if node.as_table().is_some_and(|t| t.0.is_empty()) {
        reader.refuse("tolerance", node, "it allows nothing".into());
    }
    node.as_table().map(|_| tolerance)
}

fn mask(reader: &Reader<'_>) -> Option<Mask> {
    let node = reader.node("mask")?;
    let table = reader.table("mask");
    if node.as_table().is_some() {
        for key in ["pattern", "with"] {
            if table.node(key).is_none() {
                reader.refuse("mask", node, format!("`{key}` is missing").into());
            }
        }
    }
    Some(Mask { pattern: table.opt("pattern", |n| pattern(text(n)?))?, with: table.text("with")? })
}

fn align(node: &Node) -> Result<Align, Wrong> {
    if let Some(table) = node.as_table() {
        let members = only(table.get("key"), table.0.len())?;
        let members: Vec<String> = match &members.value {
            Value::Text(member) => vec![member.value.clone()],
            Value::Array(items) => items
                .iter()
                .map(|m| text(m).map(str::to_owned).map_err(|w| Wrong::at(m, w.hint)))
                .collect::<Result<_, _>>()?,
            _ => return Err(Wrong::at(members, "a list of member names")),
        };
        return if members.is_empty() { Err("`key` is empty".into()) } else { Ok(Align::Key(members)) };
    }
    Ok(match text(node)? {
        "lcs" => Align::Lcs,
        "index" => Align::Index,
        "set" => Align::Set,
        "multiset" => Align::Multiset,
        "auto" => Align::Auto,
        word => {
            debug_assert!(!ALIGN.contains(&word));
            return Err(Wrong::default());
        }
    })
}

fn shape(node: &Node) -> Result<Shape, Wrong> {
    if let Some(table) = node.as_table() {
        let regex = only(table.get("regex"), table.0.len())?;
        let text = text(regex).map_err(|w| Wrong::at(regex, w.hint))?;
        return pattern(text).map(Shape::Regex).map_err(|w| Wrong::at(regex, w.hint));
    }
    match text(node)? {
        "" => Err("it is empty".into()),
        class => Ok(Shape::Class(class.to_owned())),
    }
}

/// The one member of a table that has one.
fn only(member: Option<&Node>, members: usize) -> Result<&Node, Wrong> {
    member.filter(|_| members == 1).ok_or_else(Wrong::default)
}

/// One group: JSON texts, and the words that are not values.
fn same(node: &Node) -> Result<Vec<String>, Wrong> {
    let items = node.as_array().ok_or_else(|| Wrong::from(format!("this is {}", node.value.kind())))?;
    if items.len() < 2 {
        return Err("a group has at least two values".into());
    }
    items
        .iter()
        .map(|item| match &item.value {
            Value::Null => Ok("null".to_owned()),
            Value::Bool(b) => Ok(b.to_string()),
            Value::Int(i) => Ok(i.to_string()),
            Value::Float(_) => {
                let number = number(item)?;
                serde_json::Number::from_f64(number)
                    .map(|n| n.to_string())
                    .ok_or_else(|| Wrong::at(item, "JSON has no such number"))
            }
            Value::Text(t) if matches!(t.value.as_str(), "null" | "missing" | "empty") => Ok(t.value.clone()),
            Value::Text(t) => Ok(serde_json::Value::from(t.value.as_str()).to_string()),
            Value::Date(_) | Value::Array(_) | Value::Table(_) => {
                Err(Wrong::at(item, "only strings, numbers, true, false"))
            }
        })
        .collect()
}
