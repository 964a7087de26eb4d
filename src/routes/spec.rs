//! `[[route]]`, the part that says which requests it is.

use super::Verb;
use http::{HeaderName, Method};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteSpec {
    pub name: String,
    /// A template such as `/orders/{id}` or `/files/{*rest}`.
    pub path: String,
    /// Empty: every method.
    pub methods: Vec<Method>,
    pub host: Option<String>,
    pub operation_from: Option<OperationFrom>,
}

// === impl RouteSpec ===

impl RouteSpec {
    /// Its methods as names have them.
    pub fn verbs(&self) -> Vec<String> {
        self.methods.iter().map(|method| Verb::of(method).to_string()).collect()
    }

    /// Whether a full route name is one that its requests have.
    pub fn bears(&self, route: &str) -> bool {
        let (verb, rest) = route.split_once(' ').unwrap_or(("", route));
        rest.split(' ').next() == Some(&self.name)
            && (self.methods.is_empty() || self.verbs().iter().any(|v| v == verb))
    }

    /// Whether a request that is not its own may come to this name of its own by its path alone: one to another host,
    /// of another path, or by another method that names do not tell apart.
    pub(super) fn may_miss(&self, name: &str) -> bool {
        // No automatic name begins otherwise.
        let automatic = self.name.starts_with(['/', '{', '*']);
        let blurred = || !self.methods.is_empty() && name.starts_with(Verb::NAMES[usize::from(Verb::OTHER)]);
        automatic && self.bears(name) && (self.host.is_some() || self.name != self.path || blurred())
    }
}

/// Where an API keeps the operation when it is not in the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationFrom {
    Header(HeaderName),
    Query(String),
    /// A path into the JSON request body, e.g. `$.method`.
    Json(String),
}
