//! `[admin]`, checked.

use crate::tls::TlsServerSettings;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminSettings {
    pub address: SocketAddr,
    /// Its content, trimmed, is the token. Required where the address is not loopback.
    pub token_file: Option<PathBuf>,
    pub tls: Option<TlsServerSettings>,
    /// Base of links in reports, without a slash at its end.
    pub public_url: Option<String>,
    /// Paths served without a token, of `/metrics` and `/api/v1/gate`.
    pub open: Vec<String>,
}
