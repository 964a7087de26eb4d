//! Logs: one subscriber for the process, to standard error.
//!
//! Nothing here decides what is worth a line, and no body or header ever belongs in one.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that standard error did not take.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Of what the peers of HTTP/2 connections do wrong the `h2` crate would write a line each time. A level that names it wins.
const QUIET: &str = "h2=off";

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
}

/// Starts logging to standard error.
///
/// # Errors
/// A level that is no filter; logging that was already started.
pub fn init(settings: &TelemetrySettings, color: bool) -> Result<(), TelemetryError> {
    let subscriber = subscriber(settings, color, || Forgiving { inner: io::stderr(), dropped: &DROPPED })?;
    tracing::subscriber::set_global_default(subscriber).map_err(TelemetryError::Installed)
}

/// Lines lost since the process started, because standard error did not take them.
pub fn lines_dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Reads a level as [`init`] would, so that a configuration can be checked without starting anything.
pub fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::builder()
        .parse(format!("{QUIET},{level}"))
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

/// Counts the lines that could not be written, instead of failing with them: a log that nobody takes stops nothing.
#[derive(Debug)]
struct Forgiving<W> {
    inner: W,
    dropped: &'static AtomicU64,
}

// === impl Forgiving ===

impl<W: Write> Write for Forgiving<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    /// A line comes in one piece.
    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        if self.inner.write_all(line).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

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
    fn lines_that_nobody_takes_are_counted() {
        struct Closed;
        impl io::Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        static LOST: AtomicU64 = AtomicU64::new(0);
        let settings = TelemetrySettings { format: LogFormat::Text, level: "info".to_owned() };
        let subscriber = subscriber(&settings, false, || Forgiving { inner: Closed, dropped: &LOST }).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("one");
            tracing::info!("two");
            tracing::debug!("left out");
            tracing::warn!(target: "h2::proto::ping_pong", "said by a peer's doing");
        });
        assert_eq!(LOST.load(Ordering::Relaxed), 2);
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
