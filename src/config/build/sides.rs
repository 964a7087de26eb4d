//! The sections around the traffic: `[listen]`, `[admin]`, `[grpc]`, `[redact]`, `[store]`, `[rollout]`, `[telemetry]`.

use super::Sources;
use super::legs::header_name;
use crate::admin::AdminSettings;
use crate::config::node::Value;
use crate::config::problem::Problem;
use crate::config::read::{Reader, Wrong, text};
use crate::config::words;
use crate::diff::Schema;
use crate::proxy::ListenSettings;
use crate::redact::{RedactSettings, Redactor};
use crate::store::StoreSettings;
use crate::telemetry::{LogFormat, TelemetrySettings};
use crate::tls::TlsServerSettings;
use crate::upstream::Scheme;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) fn listen(sources: &Sources<'_>) -> ListenSettings {
    let reader = sources.reader("listen");
    ListenSettings {
        address: address(&reader),
        tls: server_tls(sources, &reader, "listen"),
        header_timeout: reader.duration("header_timeout"),
        body_timeout: reader.duration("body_timeout"),
        idle_timeout: reader.duration("idle_timeout"),
        drain_timeout: reader.duration("drain_timeout"),
        max_connections: as_usize(reader.count("max_connections")),
        max_headers: as_usize(reader.count("max_headers")),
        max_header_bytes: as_usize(reader.size("max_header_bytes")),
        max_streams: u32::try_from(reader.count("max_streams")).unwrap_or(u32::MAX),
    }
}

pub(super) fn admin(sources: &Sources<'_>) -> AdminSettings {
    let reader = sources.reader("admin");
    AdminSettings {
        address: address(&reader),
        token_file: sources.named_file(&reader, "token_file", ""),
        tls: server_tls(sources, &reader, "admin"),
        public_url: reader.opt("public_url", |n| {
            let written = text(n)?;
            match words::url(written)?.scheme {
                Scheme::H2c => Err("people reach it by http or https".into()),
                _ => Ok(written.trim().trim_end_matches('/').to_owned()),
            }
        }),
        open: reader.choices("open"),
    }
}

pub(super) fn redact(sources: &Sources<'_>, warnings: &mut Vec<String>) -> RedactSettings {
    let reader = sources.reader("redact");
    let headers = reader.list("headers", |n| Ok(header_name(text(n)?)?.as_str().to_owned()));
    for name in ["authorization", "cookie", "set-cookie"] {
        if !headers.iter().any(|h| h == name) {
            warnings.push(format!("redact.headers leaves out {name}, which is redacted all the same"));
        }
    }
    RedactSettings {
        headers,
        json: reader.list("json", |n| {
            let path = text(n)?.trim();
            match path.strip_prefix("json:").unwrap_or(path) {
                path if path.starts_with('$') => {
                    let location = format!("json:{path}");
                    usable(RedactSettings { json: vec![location.clone()], ..RedactSettings::default() })?;
                    Ok(location)
                }
                _ => Err("write a location such as \"json:$.user.email\"".into()),
            }
        }),
        patterns: reader.list("patterns", |n| {
            let pattern = pattern(text(n)?)?;
            usable(RedactSettings { patterns: vec![pattern.clone()], ..RedactSettings::default() })?;
            Ok(pattern)
        }),
    }
}

/// Whether the proxy could start with it, which is the redactor's to say.
fn usable(settings: RedactSettings) -> Result<(), Wrong> {
    let Err(errors) = Redactor::new(&settings, [0; 32]) else { return Ok(()) };
    let messages: Vec<String> = errors.into_iter().map(|e| e.message).collect();
    Err(messages.join("; ").into())
}

/// What the descriptor sets say. It changes what a comparison finds, so commands that contact nobody read it too, where
/// it is there.
pub(super) fn schema(sources: &Sources<'_>, warnings: &mut Vec<String>) -> Option<Schema> {
    let reader = sources.reader("grpc");
    let before = sources.problems.borrow().len();
    let sets = reader.list("descriptor_sets", |n| {
        let path = Path::new(text(n)?);
        if sources.offline && !path.exists() {
            warnings
                .push(format!("{} is not here: its messages are read by the numbers of their fields", path.display()));
            return Ok(Vec::new());
        }
        super::content(path)
    });
    let sets: Vec<_> = sets.into_iter().filter(|set| !sources.offline || !set.is_empty()).collect();
    if sets.is_empty() || sources.problems.borrow().len() > before {
        return None;
    }
    Schema::load(&sets)
        .map_err(|(index, error)| {
            let node = reader.node("descriptor_sets").and_then(|n| n.as_array()?.get(index));
            let place = node.map_or_else(|| reader.place("descriptor_sets"), |n| n.place.clone());
            sources.note(Problem::at(place, error.to_string()));
        })
        .ok()
}

/// A regular expression that compiles.
pub(super) fn pattern(text: &str) -> Result<String, Wrong> {
    match regex::Regex::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(e) => {
            let why = e.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Err(format!("this is not a regular expression: {why}").into())
        }
    }
}

pub(super) fn store(sources: &Sources<'_>) -> StoreSettings {
    let reader = sources.reader("store");
    if let Some(node) = reader.node("url") {
        let problem = Problem::at(node.place.clone(), "a fleet of proxies is not built yet");
        sources.note(problem.label("remove `url`: each proxy keeps its evidence in `path`"));
    }
    StoreSettings {
        path: reader.get("path", PathBuf::new(), |n| match text(n)? {
            "" => Err("it is empty".into()),
            path => Ok(PathBuf::from(path)),
        }),
        keep_examples: as_usize(reader.count("keep_examples")),
        keep_for: Duration::from_secs(reader.count("keep_days") * 86_400),
        max_size: reader.size("max_size"),
    }
}

pub(super) fn rollout(sources: &Sources<'_>) {
    let reader = sources.reader("rollout");
    let Some(node) = reader.node("phases") else { return };
    match &node.value {
        Value::Array(phases) if phases.is_empty() => {}
        Value::Array(_) => {
            let problem = Problem::at(node.place.clone(), "rollout phases are not built yet");
            sources.note(problem.label("remove them: users are served from the primary"));
        }
        _ => reader.refuse("phases", node, Wrong::default()),
    }
}

pub(super) fn telemetry(sources: &Sources<'_>) -> TelemetrySettings {
    let reader = sources.reader("telemetry");
    if let Some(node) = reader.table("otlp").node("endpoint") {
        let problem = Problem::at(node.place.clone(), "traces by OTLP are not built yet");
        sources.note(problem.label("remove it: metrics are at /metrics of the admin interface"));
    }
    let log = reader.table("log");
    TelemetrySettings {
        format: if log.choice("format") == "json" { LogFormat::Json } else { LogFormat::Text },
        level: log.get("level", "info".to_owned(), |n| {
            let filter = text(n)?;
            // A misspelt level would be taken for the one module that logs.
            let is_level = |word: &str| word.parse::<tracing_subscriber::filter::LevelFilter>().is_ok();
            let are_levels =
                filter.split(',').map(str::trim).all(|p| !p.is_empty() && (p.contains(['=', '[']) || is_level(p)));
            match filter.parse::<tracing_subscriber::EnvFilter>() {
                Ok(_) if are_levels => Ok(filter.to_owned()),
                _ => Err("write error, warn, info, debug or trace, or a filter such as \"info,parallax=debug\"".into()),
            }
        }),
    }
}

pub(super) fn as_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn address(reader: &Reader<'_>) -> SocketAddr {
    reader.get("address", SocketAddr::from(([127, 0, 0, 1], 0)), |n| Ok(words::address(text(n)?)?))
}

fn server_tls(sources: &Sources<'_>, reader: &Reader<'_>, section: &str) -> Option<TlsServerSettings> {
    let tls = reader.table("tls");
    for (there, missing) in [("certificate", "key"), ("key", "certificate")] {
        if let (Some(node), None) = (tls.node(there), tls.node(missing)) {
            let message = format!("`{section}.tls.{there}` is set and `{section}.tls.{missing}` is not");
            sources.note(Problem::at(node.place.clone(), message).label("TLS takes both, or none"));
        }
    }
    let certificate = sources.named_file(&tls, "certificate", "-----BEGIN CERTIFICATE-----");
    let key = sources.named_file(&tls, "key", "PRIVATE KEY-----");
    Some(TlsServerSettings { certificate: certificate?, key: key? })
}
