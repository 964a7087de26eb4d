//! Single values: what they look like, whether two mean the same, and what a rule says of them.
//!
//! Used for JSON leaves and for header and cookie values alike; it knows neither documents nor locations.

pub mod number;
pub mod rules;
pub mod shape;
pub mod text;
pub mod time;

pub use number::Decimal;
pub use rules::{Bijections, Props, Ruled, Scalar, Session};
pub use shape::{Class, ShapeTest, may_be, shape_of};
