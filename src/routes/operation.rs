//! The operation of a request, where an API keeps it outside the path.

use super::Verb;
use super::template::decode;
use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// Distinct operations named for one route; what is beyond them is `{other}`.
const MAX_OPERATIONS: usize = 256;
/// Bytes of an operation's name; a longer one is `{other}`.
const MAX_LENGTH: usize = 64;

/// The operations met on one route, each with its name for each method.
#[derive(Debug, Default)]
pub(super) struct Operations(RwLock<Names>);

type Names = HashMap<Box<str>, [Option<Arc<str>>; Verb::COUNT]>;

/// A simple path into a JSON request body: `$.method`, `$.a['b'][0]`.
#[derive(Debug)]
pub(super) struct BodyPath(Vec<Step>);

#[derive(Debug)]
enum Step {
    Key(String),
    Index(usize),
}

/// More steps than any request nests.
const MAX_STEPS: usize = 32;

/// The decoded value of the first query parameter of that name.
pub(super) fn query_value(query: &str, key: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (*decode(name) == *key.as_bytes()).then(|| String::from_utf8_lossy(&decode(value)).into_owned())
    })
}

// === impl BodyPath ===

impl BodyPath {
    pub(super) fn parse(path: &str) -> Option<Self> {
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
        (1..=MAX_STEPS).contains(&steps.len()).then_some(Self(steps))
    }

    /// What stands there in a body that is JSON: a string or a number. [`BATCH`] where the body is a list of requests
    /// that the path was not meant for. Read in one pass, nothing else of the body is kept.
    pub(super) fn read(&self, body: &[u8]) -> Option<String> {
        let (first, rest) = self.0.split_first()?;
        let mut document = serde_json::Deserializer::from_slice(body);
        let found = Place { step: Some(first), rest, root: true }.deserialize(&mut document).ok()?;
        document.end().ok()?;
        found
    }
}

/// Where the next step of a path leads from, or its end.
#[derive(Clone, Copy)]
struct Place<'a> {
    step: Option<&'a Step>,
    rest: &'a [Step],
    /// It is the whole document.
    root: bool,
}

impl Place<'_> {
    fn next(self) -> Self {
        match self.rest.split_first() {
            Some((step, rest)) => Place { step: Some(step), rest, root: false },
            None => Place { step: None, rest: &[], root: false },
        }
    }

    fn value(self, value: impl ToString) -> Option<String> {
        self.step.is_none().then(|| value.to_string())
    }
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(self.value(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(self.value(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(self.value(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(self.value(value))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = members.next_key::<Cow<'de, str>>()? {
            match self.step {
                // Of keys that repeat the last one holds.
                Some(Step::Key(wanted)) if *wanted == *key => found = members.next_value_seed(self.next())?,
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let (mut found, mut at) = (None, 0);
        loop {
            let more = match self.step {
                Some(Step::Index(wanted)) if *wanted == at => {
                    let element = elements.next_element_seed(self.next())?;
                    element.map(|value| found = value).is_some()
                }
                _ => elements.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
            at += 1;
        }
        let batch = self.root && at > 0 && matches!(self.step, Some(Step::Key(_)));
        Ok(if batch { Some(BATCH.to_owned()) } else { found })
    }
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
        let fits = operation == BATCH || (operation.len() <= MAX_LENGTH && operation.bytes().all(plain));
        let operation = if fits { operation } else { OTHER };
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
/// Several operations in one request: their answers come as one, so they are a route of their own.
const BATCH: &str = "{batch}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_in_json() {
        let read = |path: &str, body: &[u8]| BodyPath::parse(path).and_then(|p| p.read(body));
        let body = br#"{"method":"eth_call","a":{"b c":[{"x":7}]},"n":null,"m":{"k":[1,{}]},"\u006de":"x"}"#;
        for (path, expected) in [
            ("$.method", Some("eth_call")),
            ("json:$.a['b c'][0].x", Some("7")),
            ("$.me", Some("x")),
            ("$.n", None),
            ("$.a", None),
            ("$.none", None),
            ("$.a.b", None),
            ("$.a['b c'][1].x", None),
            ("$.method.x", None),
            ("$", None),
            ("method", None),
            ("$.*", None),
            ("$.a[", None),
            ("$.a[x]", None),
        ] {
            assert_eq!(read(path, body).as_deref(), expected, "{path}");
        }
        let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
        for (body, expected) in [
            (&b"{"[..], None),
            (b"", None),
            (b"{\"method\":\"a\"} x", None),
            (b"{\"method\":\"a\",\"method\":\"b\"}", Some("b")),
            (b"[{\"method\":\"a\"},{\"method\":\"b\"}]", Some("{batch}")),
            (b"[]", None),
            (b"[1, ", None),
            (b"\"method\"", None),
            (&deep, Some("{batch}")),
        ] {
            assert_eq!(read("$.method", body).as_deref(), expected);
        }
        assert_eq!(read("$[1].method", b"[{},{\"method\":\"b\"}]").as_deref(), Some("b"));
    }

    proptest::proptest! {
        #[test]
        fn odd_bodies_name_nothing(body in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
            let body = [&b"{\"a\":"[..], &body].concat();
            let _ = BodyPath::parse("$.a[0].b").unwrap().read(&body);
        }
    }
}
