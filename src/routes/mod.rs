//! Method and path in, a route name out, bounded in number.

mod spec;

pub use spec::{OperationFrom, RouteSpec};
