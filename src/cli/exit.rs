//! The exit codes: one documented type, and errors that know theirs.

use serde_json::json;
use std::process::ExitCode;

/// What a command ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what was asked; for `gate`: pass; for `diff`: match or excused; for `status`: ready.
    Ok,
    /// For `gate`: fail; for `diff`: divergent; for `status`: not ready.
    No,
    /// It could not be asked or done: unreachable, bad usage, bad configuration.
    Error,
    /// For `gate`: not decided. Never a pass.
    Inconclusive,
    /// Ctrl-C while waiting.
    Interrupted,
}

impl Exit {
    pub const fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::No => 1,
            Exit::Error => 2,
            Exit::Inconclusive => 3,
            Exit::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// Why a command could not do what was asked. Always ends in [`Exit::Error`].
#[derive(Debug)]
pub struct Failure {
    /// A lower-case sentence; or a whole drawn report where `drawn` is set.
    pub message: String,
    pub help: Option<String>,
    pub tried: Vec<String>,
    pub drawn: bool,
    /// Whether it may be over when tried again: nobody was there yet.
    pub passing: bool,
    /// Standard output takes nothing.
    pub unprinted: bool,
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        let message = message.into();
        Self { message, help: None, tried: Vec::new(), drawn: false, passing: false, unprinted: false }
    }

    /// An error that is drawn already, config errors with their lines.
    pub fn drawn(text: impl Into<String>) -> Self {
        Self { drawn: true, ..Self::new(text) }
    }

    /// One that may be over when tried again.
    pub fn passing(self) -> Self {
        Self { passing: true, ..self }
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub fn tried(mut self, tried: impl Into<String>) -> Self {
        self.tried.push(tried.into());
        self
    }

    /// The document for standard output where JSON was asked for: `{"schema": 1, "error": {"message", "help", "tried"}}`.
    pub fn json(&self) -> String {
        // Without the colors of a terminal.
        let mut parts = self.message.split("\x1b[");
        let first = parts.next().unwrap_or_default().to_owned();
        let message = parts.fold(first, |text, part| text + part.split_once('m').map_or(part, |(_, rest)| rest));
        let message = message.strip_prefix("error: ").unwrap_or(&message).trim_end();
        let error = json!({ "message": message, "help": self.help, "tried": self.tried });
        format!("{:#}\n", json!({ "schema": 1, "error": error }))
    }

    /// The text for standard error, ending in a line feed.
    pub fn render(&self, color: bool) -> String {
        if self.drawn {
            return format!("{}\n", self.message.trim_end());
        }
        let (red, cyan, off) = if color { ("\x1b[1;31m", "\x1b[36m", "\x1b[0m") } else { ("", "", "") };
        let mut text = format!("{red}error:{off} {}\n", self.message);
        for tried in &self.tried {
            text.push_str(&format!("  tried: {tried}\n"));
        }
        if let Some(help) = &self.help {
            text.push_str(&format!("  {cyan}help:{off} {}\n", help.replace('\n', "\n        ")));
        }
        text
    }
}

/// Errors that a command meets on its way, as the sentence they end it with.
macro_rules! failure_from {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(chain(&error))
            }
        }
    )*};
}

failure_from!(
    crate::telemetry::TelemetryError,
    crate::tls::TlsError,
    serde_json::Error,
    std::io::Error,
    tokio::task::JoinError,
);

impl From<crate::store::StoreError> for Failure {
    fn from(error: crate::store::StoreError) -> Self {
        use crate::store::StoreError::{Held, Missing};
        let passing = matches!(error, Held { .. } | Missing { .. });
        Self { passing, ..Self::new(chain(&error)) }
    }
}

impl From<crate::app::AppError> for Failure {
    fn from(error: crate::app::AppError) -> Self {
        let failure = Self::new(chain(&error));
        match error.help() {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}

/// The error and its causes in one sentence; a cause that its error has already told is not repeated.
fn chain(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        source = cause.source();
    }
    message
}
