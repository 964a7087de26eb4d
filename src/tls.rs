//! TLS on both sides, by rustls: what a listener presents and what a leg is trusted by.

use std::path::PathBuf;

/// A certificate chain and its key, PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsServerSettings {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// `tls.*` of a leg.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsClientSettings {
    /// PEM file trusted instead of the system's roots.
    pub ca: Option<PathBuf>,
    /// Name that the certificate must carry, where it is not the URL's host.
    pub server_name: Option<String>,
    /// Accept any certificate.
    pub insecure: bool,
}
