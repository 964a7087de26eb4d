//! The operation of a request, where an API keeps it outside the path.

use super::Verb;
use super::template::decode;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Distinct operations named for one route; what is beyond them is `{other}`.
const MAX_OPERATIONS: usize = 256;
/// Bytes of an operation's name; a longer one is `{other}`.
const MAX_LENGTH: usize = 64;

/// The operations met on one route, each with its name for each method.
#[derive(Debug, Default)]
pub(super) struct Operations(RwLock<Names>);

type Names = HashMap<Box<str>, [Option<Arc<str>>; Verb::COUNT]>;

/// Reads the operation at a simple path (`$.method`, `$.a['b'][0]`) of a JSON request body; strings and numbers only.
pub fn operation_from_json(path: &str, body: &[u8]) -> Option<String> {
    let steps = parse_path(path)?;
    let document: serde_json::Value = serde_json::from_slice(body).ok()?;
    let mut value = &document;
    for step in &steps {
        value = match step {
            Step::Key(key) => value.get(key)?,
            Step::Index(index) => value.get(index)?,
        };
    }
    match value {
        serde_json::Value::String(s) => Some(s.clone()),
        serde_json::Value::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

pub(super) enum Step {
    Key(String),
    Index(usize),
}

pub(super) fn parse_path(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix("json:").unwrap_or(path).strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (key, tail) = after.split_at(end);
            if key.is_empty() || key == "*" {
                return None;
            }
            steps.push(Step::Key(key.to_owned()));
            rest = tail;
        } else {
            let (inner, tail) = rest.strip_prefix('[')?.split_once(']')?;
            let quoted = ['\'', '"'].iter().find_map(|q| inner.strip_prefix(*q)?.strip_suffix(*q));
            steps.push(match quoted {
                Some(key) => Step::Key(key.to_owned()),
                None => Step::Index(inner.parse().ok()?),
            });
            rest = tail;
        }
    }
    (!steps.is_empty()).then_some(steps)
}

/// The decoded value of the first query parameter of that name.
pub(super) fn query_value(query: &str, key: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (*decode(name) == *key.as_bytes()).then(|| String::from_utf8_lossy(&decode(value)).into_owned())
    })
}

// === impl Operations ===

impl Operations {
    /// `base` with the operation behind it; `base` alone where the value names none.
    pub(super) fn name(&self, verb: Verb, base: &Arc<str>, value: &str) -> Arc<str> {
        let operation = value.rsplit(['.', '#', '/']).next().unwrap_or_default().trim_matches(['"', ' ']);
        if operation.is_empty() {
            return base.clone();
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_:+~$@".contains(&b);
        let operation = if operation.len() <= MAX_LENGTH && operation.bytes().all(plain) { operation } else { OTHER };
        let known = |names: &Names, operation: &str| names.get(operation).and_then(|n| n[verb.index()].clone());
        let names = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = known(&names, operation) {
            return name;
        }
        drop(names);
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // One place is kept for what is beyond the bound.
        let full = names.len() >= MAX_OPERATIONS && !names.contains_key(operation);
        let operation = if full { OTHER } else { operation };
        let slot = &mut names.entry(operation.into()).or_default()[verb.index()];
        slot.get_or_insert_with(|| format!("{base} {operation}").into()).clone()
    }
}

const OTHER: &str = "{other}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_in_json() {
        let body = br#"{"method":"eth_call","a":{"b c":[{"x":7}]},"n":null}"#;
        assert_eq!(operation_from_json("$.method", body).as_deref(), Some("eth_call"));
        assert_eq!(operation_from_json("json:$.a['b c'][0].x", body).as_deref(), Some("7"));
        for path in ["$.n", "$.a", "$.none", "$.a.b", "$", "method", "$.*", "$.a[", "$.a[x]"] {
            assert_eq!(operation_from_json(path, body), None, "{path}");
        }
        assert_eq!(operation_from_json("$.method", b"{"), None);
    }
}
