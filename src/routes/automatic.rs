//! Names for paths that nobody configured: ids become placeholders, and there are only so many names.

use super::classify::{Class, classify_segment};
use super::template::decode;
use super::{Hidden, REDACTED, Verb};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Names in all; beyond them a path is `METHOD {other}`.
pub(super) const MAX_NAMES: usize = 2000;
/// Distinct words below one node; beyond them a new one counts as an id.
pub(super) const MAX_LITERALS: usize = 50;
/// Segments that are told apart; the rest is `{*}`.
const MAX_DEPTH: usize = 12;
/// Places in the cache of paths met lately, and the longest path that is kept there, in bytes.
const CACHE_SLOTS: usize = 2048;
const CACHE_PATH: usize = 256;

/// The automatic routes met so far.
#[derive(Debug)]
pub(super) struct Automatic {
    /// Whole paths by their hash, one to a place: a new one takes the place of the old. Names never change once
    /// given, so nothing here goes stale.
    cache: Box<[RwLock<Option<Cached>>]>,
    tries: Arc<RwLock<Tries>>,
    /// `METHOD {other}` for each method.
    other: [Arc<str>; Verb::COUNT],
}

#[derive(Debug)]
struct Cached {
    verb: Verb,
    path: Box<str>,
    name: Arc<str>,
}

#[derive(Debug, Default)]
struct Tries {
    roots: [Node; Verb::COUNT],
    names: usize,
}

/// What has been seen below one prefix. Every new node ends in a new name, so that names bound nodes.
#[derive(Debug, Default)]
struct Node {
    children: HashMap<Box<str>, Node>,
    literals: usize,
    name: Option<Arc<str>>,
}

// === impl Automatic ===

impl Automatic {
    pub(super) fn new() -> Self {
        Automatic {
            cache: (0..CACHE_SLOTS).map(|_| RwLock::new(None)).collect(),
            tries: Arc::default(),
            other: Verb::all(|verb| format!("{verb} {{other}}").into()),
        }
    }

    /// With the names met, and no memory of which path had which.
    pub(super) fn asked_anew(&self) -> Self {
        Automatic { tries: self.tries.clone(), ..Automatic::new() }
    }

    /// A name's path as it was given before.
    pub(super) fn meet(&self, verb: Verb, path: &str) {
        let parts = match path.strip_prefix('/') {
            Some(rest) => rest.split('/').map(Part::of).collect(),
            None if path == "*" || path == AUTHORITY => vec![Part::of(path)],
            None => return,
        };
        self.tries.write().unwrap_or_else(PoisonError::into_inner).insert(verb, &parts);
    }

    pub(super) fn name(&self, verb: Verb, path: &str, hidden: &Hidden) -> Arc<str> {
        if path.len() > CACHE_PATH {
            return self.lookup(verb, path, hidden);
        }
        let hash = xxh3_64_with_seed(path.as_bytes(), verb.index() as u64);
        let slot = &self.cache[hash as usize % CACHE_SLOTS];
        if let Some(hit) = &*slot.read().unwrap_or_else(PoisonError::into_inner)
            && hit.verb == verb
            && *hit.path == *path
        {
            return hit.name.clone();
        }
        let name = self.lookup(verb, path, hidden);
        // Whoever holds the place now keeps it: a request never waits for this.
        if let Ok(mut slot) = slot.try_write() {
            *slot = Some(Cached { verb, path: path.into(), name: name.clone() });
        }
        name
    }

    fn lookup(&self, verb: Verb, path: &str, hidden: &Hidden) -> Arc<str> {
        let segments = segments(verb, path, hidden);
        if !hidden.is_empty()
            && hidden.matches(&segments.iter().map(|part| format!("/{}", part.text())).collect::<String>())
        {
            // It stands across segments.
            return self.other[verb.index()].clone();
        }
        let tries = self.tries.read().unwrap_or_else(PoisonError::into_inner);
        let known = tries.find(verb, &segments);
        let full = tries.names >= MAX_NAMES;
        drop(tries);
        match known {
            Some(name) => name,
            None if full => self.other[verb.index()].clone(),
            None => {
                let mut tries = self.tries.write().unwrap_or_else(PoisonError::into_inner);
                tries.insert(verb, &segments).unwrap_or_else(|| self.other[verb.index()].clone())
            }
        }
    }
}

/// A segment as names show it.
enum Part {
    Literal(Box<str>),
    Placeholder(&'static str),
}

impl Part {
    /// As it stands in a name.
    fn of(shown: &str) -> Self {
        let placeholder = [ID, DATE, REST, AUTHORITY, REDACTED].into_iter().find(|text| *text == shown);
        placeholder.map_or_else(|| Part::Literal(shown.into()), Part::Placeholder)
    }

    fn text(&self) -> &str {
        match self {
            Part::Literal(text) => text,
            Part::Placeholder(text) => text,
        }
    }
}

const ID: &str = "{id}";
const DATE: &str = "{date}";
const REST: &str = "{*}";
const AUTHORITY: &str = "{authority}";

fn segments(verb: Verb, path: &str, hidden: &Hidden) -> Vec<Part> {
    let Some(rest) = path.strip_prefix('/') else {
        // `*`, or the authority of a CONNECT.
        let authority = verb == Verb::CONNECT || path != "*";
        return vec![if authority { Part::Placeholder(AUTHORITY) } else { Part::Literal("*".into()) }];
    };
    let mut parts = Vec::new();
    for raw in rest.split('/') {
        if parts.len() == MAX_DEPTH {
            parts.push(Part::Placeholder(REST));
            break;
        }
        let decoded = decode(raw);
        parts.push(match std::str::from_utf8(&decoded) {
            Ok(text) => match classify_segment(text) {
                Class::Literal if hidden.matches(text) || hidden.matches(raw) => Part::Placeholder(REDACTED),
                Class::Literal => Part::Literal(text.into()),
                Class::Id => Part::Placeholder(ID),
                Class::Date => Part::Placeholder(DATE),
            },
            Err(_) => Part::Placeholder(ID),
        });
    }
    parts
}

// === impl Tries ===

impl Tries {
    fn find(&self, verb: Verb, parts: &[Part]) -> Option<Arc<str>> {
        let mut node = &self.roots[verb.index()];
        for part in parts {
            node = node.children.get(node.place(part))?;
        }
        node.name.clone()
    }

    /// `None` where there are names enough.
    fn insert(&mut self, verb: Verb, parts: &[Part]) -> Option<Arc<str>> {
        if let Some(name) = self.find(verb, parts) {
            return Some(name);
        }
        if self.names >= MAX_NAMES {
            return None;
        }
        let mut node = &mut self.roots[verb.index()];
        let mut name = format!("{verb} ");
        let rooted =
            !matches!(parts, [Part::Placeholder(AUTHORITY)]) && !matches!(parts, [Part::Literal(l)] if **l == *"*");
        for part in parts {
            let place: Box<str> = node.place(part).into();
            if rooted {
                name.push('/');
            }
            name.push_str(&place);
            let literal = matches!(part, Part::Literal(_)) && *place != *ID;
            if literal && !node.children.contains_key(&place) {
                node.literals += 1;
            }
            node = node.children.entry(place).or_default();
        }
        self.names += 1;
        Some(node.name.insert(name.into()).clone())
    }
}

impl Node {
    /// Under which child a segment belongs: a new word where there are too many counts as an id.
    fn place<'a>(&self, part: &'a Part) -> &'a str {
        match part {
            Part::Literal(text) if self.literals >= MAX_LITERALS && !self.children.contains_key(text) => ID,
            part => part.text(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn get(table: &Automatic, path: &str) -> String {
        table.name(Verb::of(&Method::GET), path, &Hidden::default()).to_string()
    }

    #[test]
    fn paths_are_named_by_their_shape() {
        let table = Automatic::new();
        for (path, name) in [
            ("/", "GET /"),
            ("/users", "GET /users"),
            ("/users/", "GET /users/"),
            ("//", "GET //"),
            ("/users/42", "GET /users/{id}"),
            ("/users/77/orders/550e8400-e29b-41d4-a716-446655440000", "GET /users/{id}/orders/{id}"),
            ("/reports/2026-01-31", "GET /reports/{date}"),
            ("/users/%34%32", "GET /users/{id}"),
            ("/%75sers", "GET /users"),
            ("/a%2Fb", "GET /{id}"),
            ("/%ff", "GET /{id}"),
            ("/a%20b", "GET /{id}"),
            ("/1/2/3/4/5/6/7/8/9/10/11/12/13/14", &format!("GET {}/{{*}}", "/{id}".repeat(12))),
            ("*", "GET *"),
        ] {
            assert_eq!(get(&table, path), name);
            assert_eq!(get(&table, path), name, "from the cache");
        }
        let verb = |m: &str| Verb::of(&m.parse().unwrap());
        assert_eq!(&*table.name(verb("PROPFIND"), "/x", &Hidden::default()), "{other} /x");
        assert_eq!(&*table.name(verb("OPTIONS"), "*", &Hidden::default()), "OPTIONS *");
        assert_eq!(&*table.name(verb("CONNECT"), "", &Hidden::default()), "CONNECT {authority}");
        assert_eq!(&*table.name(verb("HEAD"), "/users", &Hidden::default()), "HEAD /users");
    }

    #[test]
    fn many_words_below_one_node_become_ids() {
        let table = Automatic::new();
        let word = |i: usize| {
            let letters: String = format!("{i:04}").chars().map(|c| (b'a' + c as u8 - b'0') as char).collect();
            format!("/tags/{letters}/posts")
        };
        let names: HashSet<_> = (0..1000).map(|i| get(&table, &word(i))).collect();
        assert_eq!(names.len(), MAX_LITERALS + 1);
        assert!(names.contains("GET /tags/{id}/posts"));
        assert_eq!(get(&table, &word(0)), "GET /tags/aaaa/posts");
    }

    #[test]
    fn names_and_memory_are_bounded_whatever_comes() {
        let table = Automatic::new();
        let mut names = HashSet::new();
        for i in 0..100_000usize {
            let deep: String = (0..6).map(|d| format!("/w{}x", (i >> (d * 3)) & 7)).collect();
            names.insert(get(&table, &deep));
        }
        assert_eq!(names.len(), MAX_NAMES + 1);
        assert!(names.contains("GET {other}"));
        assert!(get(&table, &"/a".repeat(4096)).len() < 100);
        assert!(get(&table, &format!("/{}", "x".repeat(8192))).len() < 100);
    }

    proptest! {
        #[test]
        fn ids_permuted_give_the_same_name(a: u64, b: u64, x: u128, y: u128) {
            let table = Automatic::new();
            let path = |n: u64, u: u128| {
                let h = format!("{u:032x}");
                format!("/users/{n}/keys/{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])
            };
            prop_assume!(path(a, x).rsplit('/').next().is_some_and(|u| u.bytes().any(|b| b.is_ascii_digit())));
            prop_assume!(path(b, y).rsplit('/').next().is_some_and(|u| u.bytes().any(|b| b.is_ascii_digit())));
            prop_assert_eq!(get(&table, &path(a, x)), "GET /users/{id}/keys/{id}");
            prop_assert_eq!(get(&table, &path(b, y)), "GET /users/{id}/keys/{id}");
        }

        #[test]
        fn any_path_has_a_name_of_two_words(path in "/[ -~\u{e9}]{0,80}") {
            let name = get(&Automatic::new(), &path);
            prop_assert_eq!(name.split_whitespace().count(), 2);
            prop_assert!(name.len() < 13 * 70);
        }
    }
}
