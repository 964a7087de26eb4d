//! The control plane: API, metrics, readiness, dashboard, on a listener of its own.
//!
//! It owns no state. What it shows comes from a [`Source`], what it changes goes there; the numbers on a page and in
//! the API are from the same report. It is kept out of the data path, and limits what it takes from anyone.

mod access;
mod api;
mod events;
mod metrics;
mod openapi;
mod pages;
mod problem;
mod recent;
mod server;
mod settings;
mod source;

pub use metrics::{Buckets, MetricsView, OPENMETRICS};
pub use server::{Admin, AdminOptions, INSTANCE, serve};
pub use settings::AdminSettings;
pub use source::{Change, Source, Unkept};

#[cfg(test)]
mod tests;
