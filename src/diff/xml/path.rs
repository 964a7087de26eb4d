//! Locations in XML: the part of XPath that names places, and what a rule there means for the JSON layout.
//!
//! A name matches in every namespace, `{namespace}name` in that one; prefixes mean nothing. A step stands for all
//! elements of that name, `[*]` says the same, `[2]` is one of them.

use super::super::path::{push_index, push_name};
use super::super::spec::{Align, Ignore, RuleSpec, Tolerance};

/// A parsed location, after `xml:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::diff) struct XmlPath {
    steps: Vec<Step>,
    /// The last step, where it is an attribute.
    attribute: Option<Attribute>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    descendant: bool,
    /// `None` for `*`.
    local: Option<String>,
    namespace: Option<String>,
    /// From 0.
    index: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Attribute {
    descendant: bool,
    /// As the layout has it, with the `@`.
    name: String,
}

const EXAMPLE: &str = "e.g. xml:/multistatus/response/href or xml://item/@id";

/// The rules on the JSON layout that say what a rule on an XML location says.
///
/// # Errors
/// The key that is wrong and why.
pub(in crate::diff) fn expand(spec: &RuleSpec) -> Result<Vec<RuleSpec>, String> {
    let path = XmlPath::parse(spec.at.strip_prefix("xml:").unwrap_or(&spec.at))?;
    // All values are text here: one that may be some way off another is a number in it.
    let far = spec.tolerance.is_some_and(|t| Tolerance { time: None, ..t } != Tolerance::default());
    let spec = &RuleSpec {
        same: spec.same.iter().map(|group| texts(group)).collect(),
        numeric_string: spec.numeric_string || far,
        ..spec.clone()
    };
    let valued = RuleSpec { ignore: None, align: None, ..spec.clone() };
    let has_values = valued != RuleSpec { at: spec.at.clone(), ..bare(spec) };
    let at = |place: String| format!("json:{place}");
    if path.attribute.is_some() {
        return match (&spec.align, spec.ignore) {
            (Some(_), _) => Err("align: an attribute is no list; name the elements instead".into()),
            (_, Some(Ignore::Order)) => Err("ignore: the order of attributes means nothing anyway".into()),
            _ => Ok(vec![RuleSpec { at: at(path.place()), ..spec.clone() }]),
        };
    }
    if path.steps.is_empty() {
        let all = matches!(spec.ignore, Some(Ignore::All | Ignore::Value)) && spec.align.is_none() && !has_values;
        if !all {
            return Err("at: `/` is the whole document, which takes `ignore = true` only; name an element".into());
        }
        return Ok(vec![RuleSpec { at: at("$".into()), ..spec.clone() }]);
    }
    if spec.same.iter().flatten().any(|value| value == "missing") {
        return Err("same: an element is no value that may be missing; write ignore = \"missing\" or \"extra\"".into());
    }
    let one = path.steps.last().is_some_and(|s| s.index.is_some());
    if one && (spec.align.is_some() || spec.ignore == Some(Ignore::Order)) {
        let key = if spec.align.is_some() { "align" } else { "ignore" };
        return Err(format!("{key}: the order is that of all elements of the name; leave out the position"));
    }
    let align = spec.align.clone().map(checked_align).transpose()?;
    let mut out = Vec::new();
    let mut add = |place: String, ignore: Option<Ignore>, align: Option<Align>| {
        if ignore.is_some() || align.is_some() {
            out.push(RuleSpec { at: at(place), ignore, align, ..bare(spec) });
        }
    };
    let element = path.place();
    let unordered = spec.ignore.filter(|i| *i == Ignore::Order);
    let whole = spec.ignore.filter(|i| matches!(i, Ignore::All | Ignore::Missing | Ignore::Extra));
    if !one {
        // All elements of a name may be missing together, and all of one namespace.
        let (group, list) = path.lists();
        if path.steps.last().is_some_and(|s| s.namespace.is_none()) {
            add(group, whole, None);
        }
        add(list, whole.or(unordered), align);
    }
    add(element.clone(), spec.ignore.filter(|i| *i != Ignore::Order), None);
    for of_children in ["['#order']", "['#text']"] {
        add(format!("{element}{of_children}"), unordered, None);
    }
    if has_values {
        out.push(RuleSpec { at: at(format!("{element}['#text'][*]")), ..valued });
    }
    Ok(out)
}

/// Values as the text that they all are here.
fn texts(group: &[String]) -> Vec<String> {
    let word = |value: &str| matches!(value, "missing" | "empty" | "null") || value.starts_with('"');
    group.iter().map(|value| if word(value) { value.clone() } else { format!("\"{value}\"") }).collect()
}

/// The rule without all it says.
fn bare(spec: &RuleSpec) -> RuleSpec {
    RuleSpec {
        id: spec.id.clone(),
        why: spec.why.clone(),
        owner: spec.owner.clone(),
        expires: spec.expires.clone(),
        on: spec.on.clone(),
        ..RuleSpec::default()
    }
}

/// With keys as the layout has them: `@id` is a member, a child stands below `/`.
fn checked_align(align: Align) -> Result<Align, String> {
    let members = match align {
        Align::Key(members) => members,
        Align::Auto => {
            return Err("align: auto finds keys in JSON only; name one, e.g. { key = [\"href\"] } or [\"@id\"]".into());
        }
        other => return Ok(other),
    };
    let key = |member: String| -> Result<String, String> {
        match XmlPath::parse(&format!("/{member}")) {
            Ok(path) => match (path.attribute, &*path.steps) {
                (Some(attribute), []) => Ok(named("", attribute.name.as_bytes())),
                (None, [Step { local: Some(local), namespace: None, index: None, descendant: false }]) => {
                    Ok(named("['/']", local.as_bytes()))
                }
                _ => Err(format!("align.key: `{member}` is neither a child's name nor an attribute's, e.g. \"@id\"")),
            },
            Err(e) => Err(format!("align.key: {}", e.strip_prefix("at: ").unwrap_or(&e))),
        }
    };
    Ok(Align::Key(members.into_iter().map(key).collect::<Result<_, _>>()?))
}

fn named(before: &str, name: &[u8]) -> String {
    let mut out = before.to_owned();
    push_name(&mut out, name);
    out
}

// === impl XmlPath ===

impl XmlPath {
    /// Reads what comes after `xml:`.
    ///
    /// # Errors
    /// What it is not, with what to write instead.
    pub(in crate::diff) fn parse(text: &str) -> Result<Self, String> {
        let mut path = XmlPath { steps: Vec::new(), attribute: None };
        let mut rest = text;
        if !rest.starts_with('/') {
            return fault(format!("`{text}` does not start with `/`; write {EXAMPLE}"));
        }
        if rest == "/" {
            return Ok(path);
        }
        while !rest.is_empty() {
            if path.attribute.is_some() {
                return fault("nothing can follow an attribute");
            }
            let descendant = rest.starts_with("//");
            let Some(after) = rest.strip_prefix(if descendant { "//" } else { "/" }) else {
                return fault(format!("expected `/` before `{rest}`"));
            };
            let end = step_end(after);
            let (step, tail) = after.split_at(end);
            rest = tail;
            if step == "text()" && rest.is_empty() && !descendant && !path.steps.is_empty() {
                return Ok(path);
            }
            match step.strip_prefix('@') {
                Some(name) => path.attribute = Some(Attribute { descendant, name: format!("@{}", attribute(name)?) }),
                None => path.steps.push(element(step, descendant)?),
            }
        }
        Ok(path)
    }

    /// The place in the layout, from `$` on.
    pub(in crate::diff) fn place(&self) -> String {
        let (_, mut out) = self.lists();
        if let Some(last) = self.steps.last() {
            position(&mut out, last);
        }
        if let Some(attribute) = &self.attribute {
            if attribute.descendant {
                out.push_str("..");
                out.push_str(&named("", attribute.name.as_bytes()));
            } else {
                push_name(&mut out, attribute.name.as_bytes());
            }
        }
        out
    }

    /// Where all elements of the last step's name stand, in every namespace and in one.
    fn lists(&self) -> (String, String) {
        let (mut group, mut list) = (String::new(), String::from("$"));
        for (i, step) in self.steps.iter().enumerate() {
            if i > 0
                && let Some(before) = self.steps.get(i - 1)
            {
                position(&mut list, before);
            }
            list.push_str(if step.descendant { "..['/']" } else { "['/']" });
            match &step.local {
                Some(local) => push_name(&mut list, local.as_bytes()),
                None => list.push_str(".*"),
            }
            group.clone_from(&list);
            match &step.namespace {
                Some(namespace) => push_name(&mut list, namespace.as_bytes()),
                None => list.push_str(".*"),
            }
        }
        (group, list)
    }
}

fn position(out: &mut String, step: &Step) {
    match step.index {
        Some(index) => push_index(out, index),
        None => out.push_str("[*]"),
    }
}

/// Where a step ends: at a slash that stands in no braces.
fn step_end(text: &str) -> usize {
    let close = if text.starts_with('{') || text.starts_with("@{") { text.find('}') } else { None };
    let from = close.unwrap_or(0);
    text.get(from..).and_then(|t| t.find('/')).map_or(text.len(), |at| from + at)
}

fn element(step: &str, descendant: bool) -> Result<Step, String> {
    let (name, index) = match step.strip_suffix(']').and_then(|s| s.rsplit_once('[')) {
        Some((name, "*")) => (name, None),
        Some((name, position)) => match position.parse::<u32>() {
            Ok(n) if n > 0 => (name, Some(n as usize - 1)),
            Ok(_) => return fault("positions count from 1"),
            Err(_) => return fault(format!("`[{position}]` is neither `[*]` nor a position such as `[2]`")),
        },
        None => (step, None),
    };
    let (namespace, local) = match name.strip_prefix('{') {
        Some(rest) => match rest.split_once('}') {
            Some((namespace, local)) => (Some(namespace.to_owned()), local),
            None => return fault(format!("`{name}` lacks the `}}` after the namespace")),
        },
        None => (None, name),
    };
    if local == "*" {
        return Ok(Step { descendant, local: None, namespace, index });
    }
    plain_name(local)?;
    Ok(Step { descendant, local: Some(local.to_owned()), namespace, index })
}

/// An attribute's name without the `@`, with its namespace in braces or one of the prefixes that everybody knows.
fn attribute(name: &str) -> Result<&str, String> {
    let local = match name.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        Some((_, local)) => local,
        None => ["xml:", "xlink:", "xsi:"].iter().find_map(|p| name.strip_prefix(p)).unwrap_or(name),
    };
    if local == "*" {
        return fault("`@*` is not supported; name the attribute");
    }
    plain_name(local)?;
    Ok(name)
}

fn plain_name(name: &str) -> Result<(), String> {
    if let Some((prefix, local)) = name.split_once(':') {
        return fault(format!(
            "prefixes such as `{prefix}:` mean nothing here; write `{local}`, or `{{namespace}}{local}` for one namespace"
        ));
    }
    let wrong = name.is_empty()
        || name.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.'))
        || name.contains(|c: char| c.is_whitespace() || (c.is_ascii_punctuation() && !matches!(c, '-' | '.' | '_')));
    if wrong {
        return fault(format!("`{name}` is no name; write {EXAMPLE}"));
    }
    Ok(())
}

fn fault<T>(message: impl Into<String>) -> Result<T, String> {
    Err(format!("at: {}", message.into()))
}
