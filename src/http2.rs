//! What the `h2` crate leaves to others of HTTP/2 connections, towards clients and legs: it answers frames that cost work
//! and bring nobody anything as fast as they come.
//!
//! - [`flood`] counts them.
//! - [`guard`] reads a connection under that count.
//!
//! What frames mean is the `h2` crate's business: just their headers are looked at here.

pub mod flood;
mod frames;
pub mod guard;

pub use guard::{FLOODED, FloodGuard};
