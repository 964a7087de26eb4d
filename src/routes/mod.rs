//! Method and path in, a route name out, bounded in number.
//!
//! Configured routes come first, in the order of the file; what none of them takes is named by its own path, with ids
//! turned into placeholders. Whatever clients ask for, the number of names and the memory behind them are bounded.
//!
//! The room does not decide what a route means for mirroring or the gate; it only finds the name.

mod automatic;
mod classify;
mod collapse;
mod index;
mod operation;
mod spec;
mod template;

pub use classify::{Class, classify_segment, looks_like_id};
pub use collapse::{collapse, globs};
pub use spec::{OperationFrom, RouteSpec};

use crate::model::Fields;
use automatic::Automatic;
use http::Method;
use index::Index;
use operation::{BodyPath, Operations};
use regex::Regex;
use std::collections::HashMap;
use std::sync::Arc;
use template::{HostPattern, Template};

/// All routes of one configuration, and the automatic ones met so far. Shared by reference between threads.
#[derive(Debug)]
pub struct RouteTable {
    configured: Vec<Configured>,
    index: Index,
    automatic: Arc<Automatic>,
    /// Names of configured routes that a request of none of them may come to, and what it is called then.
    taken: HashMap<Arc<str>, Arc<str>>,
    hidden: Hidden,
}

/// The route of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteMatch {
    /// `METHOD template`, `METHOD name` or `METHOD name Operation`.
    pub name: Arc<str>,
    /// The index of the `[[route]]` that took it.
    pub configured: Option<usize>,
}

/// A `[[route]]` that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("route {index}: {key}: {message}")]
pub struct RouteError {
    /// Which one, counted from 0.
    pub index: usize,
    /// The key at fault.
    pub key: &'static str,
    pub message: String,
}

#[derive(Debug)]
struct Configured {
    methods: Vec<Method>,
    host: Option<HostPattern>,
    /// `METHOD name` for each [`Verb`].
    names: [Arc<str>; Verb::COUNT],
    operation_from: Option<OperationFrom>,
    /// Where in the request body the operation is, where it is there.
    in_body: Option<BodyPath>,
    operations: Arc<Operations>,
}

/// The methods that names tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Verb(u8);

/// What an automatic route is called where a configured one has its name: `GET {other}/orders/{id}`, when
/// `GET /orders/{id}` is a route of one host and this one is of the others.
pub fn apart(name: &str) -> String {
    let (verb, rest) = name.split_once(' ').unwrap_or(("", name));
    format!("{verb} {{other}}{rest}").trim_start().to_owned()
}

/// What must not be seen in names.
#[derive(Debug, Default)]
struct Hidden(Vec<Regex>);

/// What stands in its place: not the tag of the value, since there are only so many names.
const REDACTED: &str = "{redacted}";

// === impl Hidden ===

impl PartialEq for Hidden {
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().map(Regex::as_str).eq(other.0.iter().map(Regex::as_str))
    }
}

impl Hidden {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn matches(&self, text: &str) -> bool {
        self.0.iter().any(|pattern| pattern.is_match(text))
    }

    fn shown<'a>(&self, text: &'a str) -> &'a str {
        if self.matches(text) { REDACTED } else { text }
    }
}

// === impl RouteTable ===

impl RouteTable {
    /// Compiles the configured routes; on failure all that is wrong with any of them.
    pub fn new(specs: &[RouteSpec]) -> Result<Self, Vec<RouteError>> {
        let mut errors = Vec::new();
        let mut configured = Vec::with_capacity(specs.len());
        let mut paths = Index::default();
        let mut taken = HashMap::new();
        for (index, spec) in specs.iter().enumerate() {
            let mut fail = |key, message| errors.push(RouteError { index, key, message });
            if spec.name.is_empty() || spec.name.chars().any(|c| c.is_whitespace() || c.is_control()) {
                fail("name", "must be one word without white space".to_owned());
            }
            let template = Template::parse(&spec.path).map_err(|m| fail("path", m)).ok();
            let host = spec.host.as_deref().map(|h| HostPattern::parse(h).map_err(|m| fail("host", m)));
            let in_body = match &spec.operation_from {
                Some(OperationFrom::Json(path)) => {
                    let parsed = BodyPath::parse(path);
                    if parsed.is_none() {
                        fail("operation_from", "a JSON path such as $.method is expected".to_owned());
                    }
                    parsed
                }
                _ => None,
            };
            let Some(template) = template else { continue };
            paths.add(configured.len(), &template);
            let names: [Arc<str>; Verb::COUNT] = Verb::all(|verb| format!("{verb} {}", spec.name).into());
            taken
                .extend(names.iter().filter(|name| spec.may_miss(name)).map(|name| (name.clone(), apart(name).into())));
            configured.push(Configured {
                methods: spec.methods.clone(),
                host: host.and_then(Result::ok),
                names,
                operation_from: spec.operation_from.clone(),
                in_body,
                operations: Arc::default(),
            });
        }
        if errors.is_empty() {
            let (automatic, hidden) = (Arc::new(Automatic::new()), Hidden::default());
            Ok(RouteTable { configured, index: paths, automatic, taken, hidden })
        } else {
            Err(errors)
        }
    }

    /// Has no name show what one of these matches: names are stored and shown like all else.
    pub fn hiding(mut self, patterns: Vec<Regex>) -> Self {
        self.hidden = Hidden(patterns);
        self
    }

    /// Goes on with the names that the table of the configuration before has given: they are bounded in number for as long
    /// as evidence is, not by configuration.
    pub fn going_on_from(mut self, before: &RouteTable) -> Self {
        self.automatic = match self.hidden == before.hidden {
            true => before.automatic.clone(),
            false => Arc::new(before.automatic.asked_anew()),
        };
        let known: HashMap<&str, &Configured> = before.configured.iter().map(|route| (route.name(), route)).collect();
        for route in &mut self.configured {
            if let Some(same) = known.get(route.name()) {
                route.operations = same.operations.clone();
            }
        }
        self
    }

    /// Takes up names that were given before the process began, and are counted under.
    pub fn meet<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        let known: HashMap<&str, &Configured> = self.configured.iter().map(|route| (route.name(), route)).collect();
        for name in names {
            let mut words = name.split(' ');
            let Some((verb, path)) = words.next().and_then(Verb::named).zip(words.next()) else { continue };
            match (known.get(path), words.next()) {
                (Some(route), Some(operation)) => drop(route.operation(verb, operation)),
                (None, None) => self.automatic.meet(verb, path),
                (Some(_), None) | (None, Some(_)) => {}
            }
        }
    }

    /// The route of a request. `path` is as sent, without its query; `host` may carry a port.
    ///
    /// Where the route's operation is in the request body the name comes without it; see [`RouteTable::name_by_body`].
    pub fn resolve(
        &self,
        method: &Method,
        host: Option<&str>,
        path: &str,
        query: Option<&str>,
        headers: &Fields,
    ) -> RouteMatch {
        let verb = Verb::of(method);
        let Some(index) = self.index.first(path, |index| self.configured[index].takes(method, host)) else {
            let name = self.automatic.name(verb, path, &self.hidden);
            let apart = if self.taken.is_empty() { None } else { self.taken.get(&name).cloned() };
            return RouteMatch { name: apart.unwrap_or(name), configured: None };
        };
        let route = &self.configured[index];
        let name = match &route.operation_from {
            Some(OperationFrom::Header(name)) => {
                headers.text(name).map(|v| route.operation(verb, self.hidden.shown(v)))
            }
            Some(OperationFrom::Query(key)) => {
                let value = query.and_then(|q| operation::query_value(q, key));
                value.map(|v| route.operation(verb, self.hidden.shown(&v)))
            }
            Some(OperationFrom::Json(_)) | None => None,
        };
        RouteMatch { name: name.unwrap_or_else(|| route.names[verb.index()].clone()), configured: Some(index) }
    }

    /// Whether the route's operation is in the request body.
    pub fn is_named_by_body(&self, configured: usize) -> bool {
        self.configured.get(configured).is_some_and(|route| route.in_body.is_some())
    }

    /// The name of a route whose operation is in the request body, with it; `None` where the body has none.
    pub fn name_by_body(&self, configured: usize, method: &Method, body: &[u8]) -> Option<Arc<str>> {
        let route = self.configured.get(configured)?;
        let operation = route.in_body.as_ref()?.read(body)?;
        Some(route.operation(Verb::of(method), self.hidden.shown(&operation)))
    }
}

// === impl Configured ===

impl Configured {
    fn takes(&self, method: &Method, host: Option<&str>) -> bool {
        (self.methods.is_empty() || self.methods.contains(method))
            && self.host.as_ref().is_none_or(|pattern| host.is_some_and(|h| pattern.matches(h)))
    }

    /// Without a method.
    fn name(&self) -> &str {
        self.names[0].split_once(' ').map_or("", |(_, name)| name)
    }

    fn operation(&self, verb: Verb, value: &str) -> Arc<str> {
        let base = &self.names[verb.index()];
        self.operations.name(verb, base, value)
    }
}

// === impl Verb ===

impl Verb {
    const NAMES: [&'static str; 10] =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "{other}"];
    const COUNT: usize = Self::NAMES.len();
    const CONNECT: Verb = Verb(5);
    const OTHER: u8 = 9;

    fn of(method: &Method) -> Verb {
        Verb(match *method {
            Method::GET => 0,
            Method::HEAD => 1,
            Method::POST => 2,
            Method::PUT => 3,
            Method::DELETE => 4,
            Method::CONNECT => 5,
            Method::OPTIONS => 6,
            Method::TRACE => 7,
            Method::PATCH => 8,
            _ => Self::OTHER,
        })
    }

    fn named(name: &str) -> Option<Verb> {
        Self::NAMES.iter().position(|known| *known == name).map(|i| Verb(i as u8))
    }

    fn all<T>(each: impl Fn(Verb) -> T) -> [T; Self::COUNT] {
        std::array::from_fn(|i| each(Verb(i as u8)))
    }

    fn index(self) -> usize {
        usize::from(self.0.min(Self::OTHER))
    }
}

impl std::fmt::Display for Verb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(Self::NAMES[self.index()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, path: &str) -> RouteSpec {
        RouteSpec { name: name.into(), path: path.into(), methods: vec![], host: None, operation_from: None }
    }

    fn name(table: &RouteTable, method: &str, host: &str, uri: &str, headers: &[(&str, &str)]) -> String {
        let (path, query) = uri.split_once('?').map_or((uri, None), |(p, q)| (p, Some(q)));
        let mut map = http::HeaderMap::new();
        for (k, v) in headers {
            map.append(http::HeaderName::try_from(*k).unwrap(), v.parse().unwrap());
        }
        table.resolve(&method.parse().unwrap(), Some(host), path, query, &map.into()).name.to_string()
    }

    #[test]
    fn names_show_nothing_that_must_not_be_seen() {
        let mut told = spec("rpc", "/rpc");
        told.operation_from = Some(OperationFrom::Header("x-op".parse().unwrap()));
        let patterns = ["secret[0-9]+", "a/b", "@", "[0-9]{13}"].map(|pattern| Regex::new(pattern).unwrap());
        let table = RouteTable::new(&[told]).unwrap().hiding(patterns.into());
        for (uri, expected) in [
            ("/q/secret77/a", "GET /q/{redacted}/a"),
            ("/q/secret78/a", "GET /q/{redacted}/a"),
            ("/q/secr%65t7/a", "GET /q/{redacted}/a"),
            ("/q/a/b/c", "GET {other}"),
            ("/q/a%40c", "GET /q/{redacted}"),
            ("/q/public", "GET /q/public"),
            ("/cards/4111111111111111", "GET /cards/{id}"),
            ("/%61/b", "GET {other}"),
        ] {
            assert_eq!(name(&table, "GET", "x", uri, &[]), expected, "{uri}");
        }
        assert_eq!(name(&table, "GET", "x", "/rpc", &[("x-op", "secret5")]), "GET rpc {other}");
        assert_eq!(name(&table, "GET", "x", "/rpc", &[("x-op", "list")]), "GET rpc list");
    }

    #[test]
    fn the_first_configured_route_wins() {
        let mut post = spec("post", "/orders/{id}");
        post.methods = vec![Method::POST];
        let mut host = spec("hosted", "/h/{x}");
        host.host = Some("*.example.com".into());
        let table = RouteTable::new(&[
            post,
            spec("orders", "/orders/{id}"),
            spec("special", "/orders/special"),
            spec("files", "/files/{*rest}"),
            host,
        ])
        .unwrap();
        for (expected, method, host, path) in [
            ("POST post", "POST", "a", "/orders/1"),
            ("GET orders", "GET", "a", "/orders/1"),
            ("GET orders", "GET", "a", "/orders/special"),
            ("GET orders", "GET", "a", "/%6frders/x%2Fy"),
            ("{other} orders", "PROPFIND", "a", "/orders/1"),
            ("GET files", "GET", "a", "/files/a/b/"),
            ("GET /files/", "GET", "a", "/files/"),
            ("GET /files", "GET", "a", "/files"),
            ("GET /orders/{id}/", "GET", "a", "/orders/1/"),
            ("GET hosted", "GET", "X.Example.com:8080", "/h/1"),
            ("GET /h/{id}", "GET", "example.com", "/h/1"),
            ("GET /h/{id}", "GET", "a.example.org", "/h/1"),
        ] {
            assert_eq!(name(&table, method, host, path, &[]), expected, "{path}");
        }
    }

    #[test]
    fn an_automatic_route_has_no_configured_ones_name() {
        let mut hosted = spec("/orders/{id}", "/orders/{id}");
        hosted.host = Some("admin.example".into());
        let mut dav = spec("/dav", "/dav");
        dav.methods = vec!["PROPFIND".parse().unwrap()];
        let mut post = spec("/pay", "/pay");
        post.methods = vec![Method::POST];
        let table = RouteTable::new(&[hosted, dav, post, spec("/new/{id}", "/v2/new/{id}"), spec("{other}", "/rest")]);
        let table = table.unwrap();
        for (expected, method, host, path) in [
            ("GET /orders/{id}", "GET", "admin.example", "/orders/1"),
            ("GET {other}/orders/{id}", "GET", "shop.example", "/orders/1"),
            ("GET /orders", "GET", "shop.example", "/orders"),
            ("{other} /dav", "PROPFIND", "a", "/dav"),
            ("{other} {other}/dav", "REPORT", "a", "/dav"),
            ("GET /dav", "GET", "a", "/dav"),
            ("POST /pay", "POST", "a", "/pay"),
            ("GET /pay", "GET", "a", "/pay"),
            ("GET /new/{id}", "GET", "a", "/v2/new/1"),
            ("GET {other}/new/{id}", "GET", "a", "/new/1"),
            ("GET {other}", "GET", "a", "/rest"),
        ] {
            assert_eq!(name(&table, method, host, path, &[]), expected, "{method} {path}");
        }
        for i in 0..automatic::MAX_NAMES {
            name(&table, "GET", "a", &format!("/w{}x/w{}x", i / 45, i % 45), &[]);
        }
        assert_eq!(name(&table, "GET", "a", "/one/more", &[]), "GET {other}{other}");
    }

    #[test]
    fn operations_are_appended_and_bounded() {
        let mut api = spec("api", "/");
        api.operation_from = Some(OperationFrom::Header("x-amz-target".parse().unwrap()));
        let mut query = spec("query", "/q");
        query.operation_from = Some(OperationFrom::Query("Action".into()));
        let mut rpc = spec("rpc", "/rpc");
        rpc.operation_from = Some(OperationFrom::Json("$.method".into()));
        let table = RouteTable::new(&[api, query, rpc]).unwrap();
        let amz = |v: &str| name(&table, "POST", "a", "/", &[("x-amz-target", v)]);
        assert_eq!(amz("DynamoDB_20120810.GetItem"), "POST api GetItem");
        assert_eq!(amz("urn:x#Op"), "POST api Op");
        assert_eq!(amz("a/b/C"), "POST api C");
        assert_eq!(amz("a b"), "POST api {other}");
        assert_eq!(amz("x."), "POST api");
        assert_eq!(name(&table, "POST", "a", "/", &[]), "POST api");
        assert_eq!(name(&table, "GET", "a", "/q?x=1&Action=List%42uckets", &[]), "GET query ListBuckets");
        assert_eq!(name(&table, "POST", "a", "/rpc", &[]), "POST rpc");
        let rpc = |body: &[u8]| table.name_by_body(2, &Method::POST, body);
        assert!(table.is_named_by_body(2) && !table.is_named_by_body(0) && !table.is_named_by_body(9));
        assert_eq!(rpc(b"{\"method\":\"a.add\"}").as_deref(), Some("POST rpc add"));
        assert_eq!(rpc(b"[{\"method\":\"a.add\"}]").as_deref(), Some("POST rpc {batch}"));
        assert_eq!((rpc(b"{}"), rpc(b"{\"method\":")), (None, None));
        let distinct: std::collections::HashSet<_> = (0..2000).map(|i| amz(&format!("Op{i}"))).collect();
        // Four were met before, one of them what stands for the rest.
        assert_eq!(distinct.len(), 256 - 4 + 1);
        assert_eq!(amz("DynamoDB_20120810.GetItem"), "POST api GetItem");
        assert_eq!(amz("Op1999"), "POST api {other}");
    }

    /// The n-th of words without digits, all of them different.
    fn word(n: usize) -> String {
        format!("{n:04}").bytes().map(|digit| char::from(b'g' + digit - b'0')).collect()
    }

    fn pages(table: &RouteTable, pages: std::ops::Range<usize>) -> std::collections::BTreeSet<String> {
        pages.map(|n| name(table, "GET", "x", &format!("/{}/{}", word(n / 40), word(n)), &[])).collect()
    }

    #[test]
    fn another_configuration_goes_on_with_the_names_of_the_one_before() {
        let mut api = spec("api", "/api");
        api.operation_from = Some(OperationFrom::Query("op".into()));
        let first = RouteTable::new(&[api.clone()]).unwrap();
        let mut names = pages(&first, 0..1_990);
        let operations = |table: &RouteTable, n: std::ops::Range<usize>| -> Vec<String> {
            n.map(|i| name(table, "GET", "x", &format!("/api?op=o{i}"), &[])).collect()
        };
        operations(&first, 0..250);
        let hiding = RouteTable::new(&[spec("new", "/new"), api]).unwrap().going_on_from(&first);
        names.extend(pages(&hiding, 1_990..2_100));
        assert_eq!(names.len(), 2_000 + 1, "{:?}", names.last());
        assert_eq!(operations(&hiding, 250..270).last().unwrap(), "GET api {other}");
        assert_eq!(pages(&first, 0..2_100), names, "both at once while a configuration is taken over");

        // What is hidden from now on is no name any more, not even one of those that are remembered by their path.
        let (hidden, shown) = (format!("/{}/{}", word(1), word(41)), format!("/{}/{}", word(2), word(81)));
        let patterns = vec![Regex::new(&word(41)).unwrap()];
        let hiding = RouteTable::new(&[]).unwrap().hiding(patterns).going_on_from(&first);
        assert_eq!(name(&hiding, "GET", "x", &hidden, &[]), "GET {other}");
        assert_eq!(name(&hiding, "GET", "x", &shown, &[]), format!("GET {shown}"));
    }

    #[test]
    fn names_of_before_the_process_are_met_again() {
        let mut api = spec("api", "/api");
        api.operation_from = Some(OperationFrom::Query("op".into()));
        let before = RouteTable::new(&[api.clone()]).unwrap();
        let mut names = pages(&before, 0..1_990);
        let special = ["/users/42", "/users/", "/at/2026-01-31", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14", "*"];
        names.extend(special.map(|path| name(&before, "POST", "x", path, &[])));
        names.insert(name(&before, "CONNECT", "x", "", &[]));
        names.extend((0..250).map(|i| name(&before, "GET", "x", &format!("/api?op=o{i}"), &[])));
        names.extend(["GET {other}", "GET gone", "GET gone op", "odd", ""].map(str::to_owned));

        let table = RouteTable::new(&[api]).unwrap();
        table.meet(names.iter().map(String::as_str));
        let after = pages(&table, 0..2_100);
        assert_eq!(after.len(), 1_990 + 4 + 1, "as many more as there was room for, and the rest");
        assert!(special.iter().all(|path| names.contains(&name(&table, "POST", "x", path, &[]))));
        assert_eq!(name(&table, "GET", "x", "/api?op=o3", &[]), "GET api o3");
        let more = (300..320).map(|i| name(&table, "GET", "x", &format!("/api?op=o{i}"), &[]));
        assert_eq!(more.filter(|name| name.ends_with("{other}")).count(), 14);
    }

    #[test]
    fn everything_wrong_is_reported_at_once() {
        let mut bad = spec("a b", "orders");
        bad.host = Some("*".into());
        bad.operation_from = Some(OperationFrom::Json("method".into()));
        let errors = RouteTable::new(&[spec("x", "/x"), bad, spec("y", "/{*a}/b"), spec("z", "/a{b}")]).unwrap_err();
        let keys: Vec<_> = errors.iter().map(|e| (e.index, e.key)).collect();
        assert_eq!(keys, [(1, "name"), (1, "path"), (1, "host"), (1, "operation_from"), (2, "path"), (3, "path")]);
    }
}
