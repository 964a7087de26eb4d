//! Logs: one subscriber for the process, to standard error.
//!
//! Nothing here decides what is worth a line, and no body or header ever belongs in one. A thread of its own writes: a
//! log that nobody takes stops nothing, wherever a line comes from.

mod log;

use log::Log;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that standard error did not take.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// What standard error is still to take, once logging has started.
static LOG: OnceLock<Arc<Log>> = OnceLock::new();

/// Bytes of it that may wait.
const ROOM: usize = 1 << 20;

/// How long the process waits at its end for standard error to take the rest.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Of what the peers of HTTP/2 connections do wrong the `h2` crate would write a line each time; that something panicked
/// is worth one. A level that names them wins.
const OWN: &str = "h2=off,parallax::panic=error";

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

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("log.level `{level}` is no filter: write trace, debug, info, warn or error, or parts like parallax=debug")]
    Level { level: String, source: tracing_subscriber::filter::ParseError },
    #[error("could not start logging")]
    Installed(#[source] tracing::subscriber::SetGlobalDefaultError),
    #[error("could not start logging")]
    Thread(#[source] io::Error),
}

/// To be held until the process ends: dropped, it gives standard error a second to take what was said.
#[derive(Debug)]
#[must_use]
pub struct LastWords;

/// Starts logging to standard error. What [`say`] is given, and what a panic says, goes the same way from here on.
///
/// # Errors
/// A level that is no filter; logging that was already started; no thread to be had.
pub fn init(settings: &TelemetrySettings, color: bool) -> Result<(), TelemetryError> {
    let log = Arc::new(Log::start(io::stderr(), ROOM, &DROPPED).map_err(TelemetryError::Thread)?);
    let subscriber = subscriber(settings, color, log.clone())?;
    tracing::subscriber::set_global_default(subscriber).map_err(TelemetryError::Installed)?;
    LOG.get_or_init(|| log);
    std::panic::set_hook(Box::new(|panic| log_panic(&panic)));
    Ok(())
}

/// Tells a person something on standard error: in turn with the log's lines where there is a log.
pub fn say(text: &str) {
    match LOG.get() {
        Some(log) => log.say(text.as_bytes()),
        None => {
            let mut stderr = io::stderr().lock();
            let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
        }
    }
}

/// Lines lost since the process started, because standard error did not take them.
pub fn lines_dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Reads a level as [`init`] would, so that a configuration can be checked without starting anything.
pub fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::builder()
        .parse(format!("{OWN},{level}"))
        .map_err(|source| TelemetryError::Level { level: level.to_owned(), source })
}

fn subscriber<W>(
    settings: &TelemetrySettings,
    color: bool,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter(&settings.level)?).with_writer(writer).with_ansi(color);
    Ok(match settings.format {
        LogFormat::Text => Box::new(builder.finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).with_ansi(false).finish()),
    })
}

/// The hook that Rust brings would wait for standard error.
fn log_panic(panic: &dyn std::fmt::Display) {
    let thread = std::thread::current();
    let trace = Backtrace::capture();
    let trace = match trace.status() {
        BacktraceStatus::Captured => format!("\n{trace}"),
        _ => String::new(),
    };
    tracing::error!(target: "parallax::panic", thread = thread.name().unwrap_or("unnamed"), "{panic}{trace}");
}

// === impl LastWords ===

impl Drop for LastWords {
    fn drop(&mut self) {
        if let Some(log) = LOG.get() {
            log.flush(LAST_WORDS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: &str, color: bool) -> String {
        let page = Page::default();
        let settings = TelemetrySettings { format, level: level.to_owned() };
        let writer = page.clone();
        let subscriber = subscriber(&settings, color, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(port = 8080, "listening");
            tracing::debug!("left out");
            tracing::warn!(target: "h2::proto::ping_pong", "said by a peer's doing");
        });
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_peers_do_wrong_over_http2_is_logged_where_it_is_asked_for() {
        for (level, told) in
            [("info", false), ("debug", false), ("off", false), ("h2=warn", true), ("info,h2=debug", true)]
        {
            assert_eq!(logged(LogFormat::Text, level, false).contains("a peer's doing"), told, "{level}");
        }
    }

    #[test]
    fn text_is_plain_unless_colour_is_wanted() {
        let plain = logged(LogFormat::Text, "info", false);
        assert!(plain.contains("INFO") && plain.trim_end().ends_with("listening port=8080"), "{plain}");
        assert!(!plain.contains('\u{1b}') && !plain.contains("left out"), "{plain}");
        assert!(logged(LogFormat::Text, "info", true).contains('\u{1b}'));
    }

    #[test]
    fn a_panic_is_a_line_of_the_log() {
        let page = Page::default();
        let (settings, writer) = (TelemetrySettings { format: LogFormat::Json, level: "off".to_owned() }, page.clone());
        let subscriber = subscriber(&settings, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || log_panic(&"panicked at src/x.rs:1:2:\nit broke"));
        let line: serde_json::Value = serde_json::from_slice(&page.0.lock().unwrap()).unwrap();
        assert_eq!((&line["level"], line["thread"].is_string()), (&"ERROR".into(), true));
        assert!(line["message"].as_str().unwrap().starts_with("panicked at src/x.rs:1:2:\nit broke"), "{line}");
    }

    #[test]
    fn json_is_one_object_a_line_and_never_coloured() {
        let text = logged(LogFormat::Json, "parallax=info", true);
        let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(line["message"], "listening");
        assert_eq!(line["port"], 8080);
    }

    #[test]
    fn a_level_that_is_none_names_itself() {
        let error = filter("parallax=loud").unwrap_err().to_string();
        assert!(error.starts_with("log.level `parallax=loud`"), "{error}");
    }
}
