//! The promises, each in a file of its own, held against the real binary over loopback.
//!
//! Only the outward interface is used: flags, configuration, the wire, the report, exit codes.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what is not there is a failed test")]
#![expect(clippy::print_stderr, reason = "a test that cannot run here says so")]

mod browser;
mod harness;
mod history;

mod accounting;
mod action;
mod commands;
mod comparing;
mod confirm;
mod contrib;
mod dashboard;
mod docs;
mod durability;
mod forecast;
mod forwarding;
mod gate;
mod grpc;
mod http2;
mod hygiene;
mod isolation;
mod logging;
mod mirroring;
mod operations;
mod protocols;
mod renewal;
mod rules;
mod stopping;
mod streams;
mod uploads;
mod verdicts;
mod waiting;
