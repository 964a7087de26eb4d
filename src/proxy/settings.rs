//! `[listen]`, checked.

use crate::tls::TlsServerSettings;
use std::net::SocketAddr;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenSettings {
    pub address: SocketAddr,
    pub tls: Option<TlsServerSettings>,
    /// For a request's head to be complete.
    pub header_timeout: Duration,
    /// Between two chunks of a request's body.
    pub body_timeout: Duration,
    /// Between two requests on a connection.
    pub idle_timeout: Duration,
    /// For clients in flight when the proxy is told to stop.
    pub drain_timeout: Duration,
    pub max_connections: usize,
    pub max_headers: usize,
    pub max_header_bytes: usize,
    /// HTTP/2 streams at once on a connection.
    pub max_streams: u32,
}
