//! `[primary]`, `[candidate]` and `[control]`.

use super::Sources;
use crate::config::node::Place;
use crate::config::problem::Problem;
use crate::config::read::{Wrong, text};
use crate::config::words::{self, Url};
use crate::tls::TlsClientSettings;
use crate::upstream::{LegSettings, Scheme};
use http::HeaderName;

/// A leg that must have a URL.
pub(super) fn leg(sources: &Sources<'_>, name: &'static str) -> LegSettings {
    let own = sources.own(name);
    if own.node("url").is_none() && !sources.offline {
        let message = format!("the {name} has no URL");
        let flag = format!("--{name} http://HOST:PORT");
        let section = sources.file.entry(name).map_or(Place::Nowhere, |e| e.place.clone());
        let help = match sources.has_file {
            true => format!("set `url` in [{name}], or give `{flag}`"),
            false => format!("give `{flag}`"),
        };
        sources.note(Problem::at(section, message).help(help));
    }
    settings(sources, name)
}

/// The control, where it has a URL.
pub(super) fn control(sources: &Sources<'_>) -> Option<LegSettings> {
    let own = sources.own("control");
    // Read in any case: its other keys must make sense as well.
    let settings = settings(sources, "control");
    own.node("url").map(|_| settings)
}

pub(super) fn build_header(sources: &Sources<'_>) -> HeaderName {
    sources.reader("candidate").get("build_header", HeaderName::from_static("x-build-id"), |n| header_name(text(n)?))
}

pub(super) fn header_name(text: &str) -> Result<HeaderName, Wrong> {
    text.parse().map_err(|_| Wrong::from(format!("`{}` is not a header name", text.escape_debug())))
}

/// A leg; without a URL at an address where nobody is.
pub(super) fn settings(sources: &Sources<'_>, name: &str) -> LegSettings {
    let nowhere = Url { scheme: Scheme::Http, host: "127.0.0.1".into(), port: 1, base_path: String::new() };
    let url = sources.own(name).get("url", nowhere, |n| Ok(words::url(text(n)?)?));
    let reader = sources.reader(name);
    let tls = reader.table("tls");
    LegSettings {
        scheme: url.scheme,
        host: url.host,
        port: url.port,
        base_path: url.base_path,
        connect_timeout: reader.duration("connect_timeout"),
        response_timeout: reader.duration("response_timeout"),
        preserve_host: reader.bool("preserve_host"),
        tls: TlsClientSettings {
            ca: sources.named_file(&tls, "ca", "-----BEGIN CERTIFICATE-----"),
            server_name: tls.opt("server_name", |n| {
                let name = text(n)?;
                rustls::pki_types::ServerName::try_from(name)
                    .map(|_| name.to_owned())
                    .map_err(|_| Wrong::from("a certificate carries a DNS name or an IP address"))
            }),
            insecure: tls.bool("insecure"),
        },
    }
}
