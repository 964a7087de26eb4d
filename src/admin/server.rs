//! Connections: accepted up to a cap, served with time limits, drained when told to stop.

use super::access::Access;
use super::recent::Recent;
use super::{Source, api, events};
use crate::report::pages::Deed;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, header};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::VecDeque;
use std::fmt::{self, Debug, Formatter};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

const MAX_CONNECTIONS: usize = 512;
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// For requests under way when the interface is told to stop.
const DRAIN: Duration = Duration::from_secs(5);
/// Of what people did that many are told.
const MAX_DEEDS: usize = 100;
const MAX_HEAD: usize = 32 * 1024;

/// What the interface needs to know of its own place.
#[derive(Debug, Clone)]
pub struct AdminOptions {
    /// Where it listens.
    pub address: SocketAddr,
    /// The token itself; `None` is allowed on loopback only, which the configuration checks.
    pub token: Option<String>,
    pub public_url: Option<String>,
    /// Paths served without a token, of `/metrics` and `/api/v1/gate`.
    pub open: Vec<String>,
    /// Whether it is served over TLS.
    pub tls: bool,
    /// What tells this process from every other.
    pub instance: String,
}

/// The header of every answer that says which process gives it.
pub const INSTANCE: HeaderName = HeaderName::from_static("x-parallax-instance");

/// The admin interface, built and idle; [`serve`] sets it going.
pub struct Admin {
    pub(super) source: Arc<dyn Source>,
    pub(super) access: Access,
    /// The value of [`INSTANCE`].
    instance: Option<HeaderValue>,
    pub(super) recent: Arc<Recent>,
    /// Room for live pages.
    pub(super) streams: Arc<Semaphore>,
    /// Becomes true when the interface is told to stop.
    pub(super) stopping: watch::Sender<bool>,
    /// What people did, oldest first.
    deeds: Mutex<VecDeque<Deed>>,
}

impl Debug for Admin {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("access", &self.access.wants_token()).finish_non_exhaustive()
    }
}

impl Admin {
    /// `key` must be random and secret: sessions are made with it.
    pub fn new(source: Arc<dyn Source>, options: &AdminOptions, key: [u8; 32]) -> Arc<Self> {
        Arc::new(Self {
            source,
            access: Access::new(options, key),
            instance: HeaderValue::from_str(&options.instance).ok(),
            recent: Arc::new(Recent::new()),
            streams: Arc::new(Semaphore::new(events::MAX_STREAMS)),
            stopping: watch::Sender::new(false),
            deeds: Mutex::default(),
        })
    }

    /// Notes what somebody did, for the log and for the pages.
    pub(super) async fn did(&self, what: String, who: &'static str) {
        tracing::info!(target: "parallax::audit", who, "{what}");
        let deed = Deed { at: SystemTime::now().into(), what, who };
        {
            let mut deeds = self.deeds.lock().unwrap_or_else(PoisonError::into_inner);
            if deeds.len() >= MAX_DEEDS {
                deeds.pop_front();
            }
            deeds.push_back(deed);
        }
        // Whoever did it sees it on the next page, and so does everybody else.
        self.recent.now().await;
    }

    pub(super) fn deeds(&self) -> Vec<Deed> {
        self.deeds.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// Serves until `shutdown` completes and what was under way then is answered, or a few seconds have passed.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    admin: Arc<Admin>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let router = api::router(admin.clone());
    let keeper = tokio::spawn(admin.recent.clone().keep(admin.source.clone()));
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    tokio::pin!(shutdown);
    loop {
        let place = tokio::select! {
            () = &mut shutdown => break,
            place = places.clone().acquire_owned() => match place {
                Ok(place) => place,
                Err(_) => break,
            },
        };
        let stream = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the admin interface could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let (tls, admin, router, stopped) = (tls.clone(), admin.clone(), router.clone(), admin.stopping.subscribe());
        tokio::spawn(async move {
            connection(stream, tls, admin, router, stopped).await;
            drop(place);
        });
    }
    drop(listener);
    admin.stopping.send_replace(true);
    // Every connection gives its place back when it ends.
    let all = u32::try_from(MAX_CONNECTIONS).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(DRAIN, places.acquire_many(all)).await;
    keeper.abort();
}

async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    admin: Arc<Admin>,
    router: Router,
    stopped: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        return requests(stream, false, admin, router, stopped).await;
    };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) => {
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            requests(stream, http2, admin, router, stopped).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake on the admin interface failed"),
        Err(_) => tracing::debug!("TLS handshake on the admin interface timed out"),
    }
}

async fn requests<S>(stream: S, http2: bool, admin: Arc<Admin>, router: Router, mut stopped: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let routed = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        let (admin, routed) = (admin.clone(), routed.clone());
        async move {
            let (mut parts, body) = request.into_parts();
            parts.uri = without_trailing_slash(parts.uri);
            let mut response = match admin.access.check(&parts) {
                Ok(()) => routed.call(Request::from_parts(parts, Body::new(body))).await?,
                Err(problem) => api::refused(&parts, problem),
            };
            harden(response.headers_mut());
            response.headers_mut().extend(admin.instance.clone().map(|instance| (INSTANCE, instance)));
            Ok::<Response<Body>, std::convert::Infallible>(response)
        }
    });
    let io = TokioIo::new(stream);
    // Errors of a connection are the client's affair: a hang-up, a broken request.
    if http2 {
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(Some(HEADER_TIMEOUT * 3))
            .max_concurrent_streams(32)
            .max_header_list_size(MAX_HEAD as u32);
        let mut connection = std::pin::pin!(builder.serve_connection(io, service));
        tokio::select! {
            _ = &mut connection => {}
            () = told(&mut stopped) => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    } else {
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(MAX_HEAD);
        let mut connection = std::pin::pin!(builder.serve_connection(io, service));
        tokio::select! {
            _ = &mut connection => {}
            () = told(&mut stopped) => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }
}

/// Until it is time to stop.
async fn told(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|s| *s).await;
}

/// `/routes/` is `/routes`.
fn without_trailing_slash(uri: Uri) -> Uri {
    let path = uri.path();
    let trimmed = path.trim_end_matches('/');
    if trimmed.len() == path.len() || trimmed.is_empty() {
        return uri;
    }
    let path_and_query = match uri.query() {
        Some(query) => format!("{trimmed}?{query}"),
        None => trimmed.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = path_and_query.parse().ok();
    Uri::from_parts(parts).unwrap_or(uri)
}

/// On every answer, whatever it is.
fn harden(headers: &mut HeaderMap) {
    const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                          img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Not `no-referrer`: that would make the Origin of our own forms `null`.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
