//! Parallax: a shadow-traffic parallel-run comparator proxy.
//!
//! A request comes in; the primary answers it; a copy goes to the candidate; the two answers are compared; the
//! differences add up; the sum is judged; the judgement is told to a person and to CI.
//!
//! ```text
//! accept -> route -> forward -> mirror -> capture -> compare -> accumulate -> judge -> report
//! ```
//!
//! Each arrow is crossed once, in that direction, and each verb has one room below. Start with [`app`], the wiring.

// The words.
pub mod model;

// Pure rooms: no I/O, no clock, no randomness.
pub mod diff;
pub mod evidence;
pub mod gate;
pub mod redact;
pub mod report;
pub mod routes;
pub mod stats;

// What crosses between the rooms, and what they stand on.
pub mod alarm;
pub mod boxed;
pub mod clock;
pub mod flow;
pub mod http1;
pub mod http2;
pub mod limits;
pub mod shutdown;
pub mod telemetry;
pub mod tls;
pub mod upstream;

// The shell: sockets, files, clocks.
pub mod admin;
pub mod mirror;
pub mod pipeline;
pub mod proxy;
pub mod store;

// From what people write to what runs.
pub mod app;
pub mod cli;
pub mod config;
