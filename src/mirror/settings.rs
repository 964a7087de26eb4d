//! `[mirror]`, checked; one for the whole and one for each route that says otherwise.

use http::{HeaderName, HeaderValue, Method};
use std::time::Duration;

#[derive(Debug, Clone, PartialEq)]
pub struct MirrorSettings {
    /// Share of eligible requests mirrored, 0 to 1.
    pub sample: f64,
    pub sample_by: SampleBy,
    pub methods: Vec<Method>,
    pub start: Start,
    pub confirm: bool,
    /// For a mirrored answer to be complete.
    pub timeout: Duration,
    pub max_in_flight: usize,
    /// Mirrored requests a second, of all routes together, and of those a route may have as many as it says; zero is no
    /// limit.
    pub max_rate: u32,
    /// Bytes of all captured bodies together.
    pub memory_budget: usize,
    /// Bytes of one body kept whole.
    pub max_body: usize,
    pub set_headers: Vec<(HeaderName, HeaderValue)>,
    pub remove_headers: Vec<HeaderName>,
}

/// What decides whether a request falls into the sample. The same key is always in or always out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SampleBy {
    Request,
    Header(HeaderName),
    Cookie(String),
    ClientIp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    Concurrent,
    AfterPrimary,
}
