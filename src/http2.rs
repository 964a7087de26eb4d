//! What the `h2` crate leaves to others of HTTP/2 connections, towards clients and legs: it answers frames that cost work
//! and bring nobody anything as fast as they come, and writes each frame by itself.
//!
//! - [`flood`] counts what comes.
//! - [`guard`] reads a connection under that count.
//! - [`gather`] writes at once what is written in one turn.
//!
//! What frames mean is the `h2` crate's business: just their headers are looked at here.

pub mod flood;
mod frames;
pub mod gather;
pub mod guard;

pub use gather::gathered;
pub use guard::{FLOODED, FloodGuard};
