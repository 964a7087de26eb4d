//! Getting a connection: name, address, TCP, TLS, all within the leg's `connect_timeout`.

use super::failure::{self, Trouble};
use super::io::{Io, Open, Stream};
use super::lookup::Lookup;
use super::{LegSettings, Scheme, UpstreamOptions};
use crate::model::Latencies;
use crate::tls::{self, ALPN_H2, ALPN_HTTP1, TlsError};
use h2::client::Builder;
use rustls::pki_types::ServerName;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

/// Flow control windows of HTTP/2: how far an answer may run ahead of its reader.
pub(super) const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// Streams that were given up and are not forgotten: what still comes on them is no mistake of the leg.
const RESET_STREAMS: usize = 4096;
const RESET_REMEMBERED: Duration = Duration::from_secs(30);

/// Streams where the leg's first frame, which is waited for, does not say how many it takes: as many as it should take at
/// least (RFC 9113, 6.5.2).
const FIRST_STREAMS: usize = 100;

/// Everything needed to open a connection to one leg.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) settings: LegSettings,
    tls: Option<Tls>,
    lookup: Lookup,
    options: UpstreamOptions,
    open: Arc<AtomicUsize>,
    /// What it took to get the connections that came about: name, TCP and TLS.
    took: Latencies,
}

/// A connection on which the protocol has been agreed.
#[derive(Debug)]
pub(super) enum Connected {
    H1(Io),
    H2(Io),
}

/// Which protocols to offer where TLS lets us choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    Any,
    /// Upgrades live in HTTP/1.1 only.
    Http1,
}

struct Tls {
    /// Of the files that say who is trusted.
    digest: Option<blake3::Hash>,
    any: TlsConnector,
    http1: TlsConnector,
    name: ServerName<'static>,
}

// === impl Connector ===

impl Connector {
    pub(super) fn new(settings: LegSettings, options: &UpstreamOptions) -> Result<Self, TlsError> {
        let tls = match settings.scheme {
            Scheme::Http | Scheme::H2c => None,
            Scheme::Https => {
                // First: a file that changes meanwhile is taken for changed the next time.
                let digest = tls::digest(&settings.tls)?;
                let any = tls::client_config(&settings.tls, &[ALPN_H2, ALPN_HTTP1])?;
                let mut http1 = (*any).clone();
                http1.alpn_protocols = vec![ALPN_HTTP1.to_vec()];
                Some(Tls {
                    digest,
                    any: TlsConnector::from(any),
                    http1: TlsConnector::from(Arc::new(http1)),
                    name: tls::server_name(&settings.tls, &settings.host)?,
                })
            }
        };
        let lookup = Lookup::new(&settings.host, settings.port);
        Ok(Self { settings, tls, lookup, options: options.clone(), open: Arc::default(), took: Latencies::default() })
    }

    /// Whether the files that its settings name are still what it was made from.
    pub(super) fn is_current(&self) -> bool {
        self.tls.as_ref().is_none_or(|made| tls::digest(&self.settings.tls).is_ok_and(|now| now == made.digest))
    }

    /// What an HTTP/2 connection is begun with.
    pub(super) fn h2(&self) -> Builder {
        let mut h2 = Builder::new();
        h2.enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_max_send_streams(FIRST_STREAMS)
            .max_header_list_size(u32::try_from(self.options.max_header_bytes).unwrap_or(u32::MAX))
            // A leg that was given up on may answer all the same, many streams at once and late.
            .max_concurrent_reset_streams(RESET_STREAMS)
            .reset_stream_duration(RESET_REMEMBERED)
            .max_local_error_reset_streams(None);
        h2
    }

    /// Connections open now, upgraded ones and those being opened included.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub(super) fn took(&self) -> &Latencies {
        &self.took
    }

    /// No more may be opened.
    pub(super) fn full(&self) -> bool {
        self.options.max_connections.is_some_and(|max| self.open() >= max)
    }

    /// When a connection that is begun now must be ready for use.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.settings.connect_timeout
    }

    pub(super) async fn connect(&self, offer: Offer, deadline: Instant) -> Result<Connected, Trouble> {
        let started = Instant::now();
        let connected = self.connect_by(offer, deadline).await?;
        self.took.record(started.elapsed());
        Ok(connected)
    }

    pub(super) async fn connect_by(&self, offer: Offer, deadline: Instant) -> Result<Connected, Trouble> {
        let Some(open) = Open::enter(&self.open, self.options.max_connections) else {
            let max = self.options.max_connections.unwrap_or_default();
            return Err(Trouble::proxy(&format!("all {max} connections that this leg may have are in use")));
        };
        let tcp = self.tcp(deadline).await?;
        let Some(tls) = &self.tls else {
            let io = Io::new(Stream::Tcp(tcp), open);
            return Ok(match self.settings.scheme {
                Scheme::H2c => Connected::H2(io),
                Scheme::Http | Scheme::Https => Connected::H1(io),
            });
        };
        let connector = match offer {
            Offer::Any => &tls.any,
            Offer::Http1 => &tls.http1,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let stream = match timeout(left, connector.connect(tls.name.clone(), tcp)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(failure::of_handshake(&error)),
            Err(_) => return Err(failure::connect_timed_out("the TLS handshake", self.settings.connect_timeout)),
        };
        let h2 = stream.get_ref().1.alpn_protocol() == Some(ALPN_H2);
        let io = Io::new(Stream::Tls(Box::new(stream)), open);
        Ok(if h2 { Connected::H2(io) } else { Connected::H1(io) })
    }

    /// Tries every address the name has, each with its share of the time that is left.
    async fn tcp(&self, deadline: Instant) -> Result<TcpStream, Trouble> {
        let all = self.settings.connect_timeout;
        let left = deadline.saturating_duration_since(Instant::now());
        let addresses = match timeout(left, self.lookup.addresses()).await {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(error)) => return Err(failure::of_lookup(&self.settings.host, &error)),
            Err(_) => return Err(failure::connect_timed_out("the name lookup", all)),
        };
        let mut seen = None;
        for (at, address) in addresses.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // A socket that refuses this option still carries bytes.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => seen = Some(failure::of_connect(*address, &error)),
                Err(_) => {
                    seen.get_or_insert_with(|| failure::connect_timed_out("connect", all));
                }
            }
        }
        self.lookup.doubt();
        Err(seen.unwrap_or_else(|| {
            failure::of_lookup(&self.settings.host, &io::Error::new(io::ErrorKind::NotFound, "no address"))
        }))
    }
}

// === impl Tls ===

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}
