//! Where a leg is and how it is reached.

use crate::tls::TlsClientSettings;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Cleartext HTTP/1.1.
    Http,
    /// TLS; HTTP/2 where ALPN agrees on it, HTTP/1.1 otherwise.
    Https,
    /// Cleartext HTTP/2 with prior knowledge.
    H2c,
}

/// `[primary]`, `[candidate]` or `[control]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegSettings {
    pub scheme: Scheme,
    /// Name or address, an IPv6 address without brackets.
    pub host: String,
    pub port: u16,
    /// Put before the path of every request; empty, or `/base` without a slash at its end.
    pub base_path: String,
    pub connect_timeout: Duration,
    /// From the last byte of the request that the leg has taken to the head of the answer.
    pub response_timeout: Duration,
    /// Pass the client's Host on; otherwise the leg gets its own.
    pub preserve_host: bool,
    pub tls: TlsClientSettings,
}

impl LegSettings {
    /// `scheme://host:port`, as it would stand in a link.
    pub fn origin(&self) -> String {
        let scheme = if self.scheme == Scheme::Https { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    /// `host:port`, IPv6 in brackets, the port left out where it is the scheme's own.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.scheme, self.port) {
            (Scheme::Http | Scheme::H2c, 80) | (Scheme::Https, 443) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

impl std::fmt::Display for LegSettings {
    /// The URL, as errors and logs name the leg.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::H2c => "h2c",
        };
        write!(f, "{scheme}://{}{}", self.authority(), self.base_path)
    }
}
