//! `[[route]]`, the part that says which requests it is.

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

/// Where an API keeps the operation when it is not in the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationFrom {
    Header(HeaderName),
    Query(String),
    /// A path into the JSON request body, e.g. `$.method`.
    Json(String),
}
