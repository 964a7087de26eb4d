//! Logs.

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetrySettings {
    pub format: LogFormat,
    /// A filter as `tracing_subscriber::EnvFilter` takes it, e.g. `info` or `parallax=debug`.
    pub level: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}
