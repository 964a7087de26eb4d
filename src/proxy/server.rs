//! The accept loop: connections within their limit, each in a task of its own, and their end when the proxy stops.

use super::ListenSettings;
use super::answers;
use super::connection::{self, Wire};
use super::counters::Counters;
use super::guard::{GuardSettings, Limits, OnRefusal};
use super::service::Gateway;
use super::workers::Workers;
use crate::model::Limit;
use crate::shutdown::Shutdown;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// How long a refused client is read on, so that it sees the answer instead of a reset.
const LINGER: Duration = Duration::from_millis(500);

/// The data plane on one listener: built first, started by [`Server::run`].
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    handed_over: bool,
    reception: Reception,
    drain_timeout: Duration,
}

/// What becomes of an accepted connection.
#[derive(Debug)]
struct Reception {
    tls: Option<Tls>,
    wire: Arc<Wire>,
    gateway: Arc<Gateway>,
    connections: Arc<Limit>,
}

#[derive(Clone)]
struct Tls(TlsAcceptor);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

// === impl Server ===

impl Server {
    /// `handed_over`: the listener is the service manager's, and outlives this process.
    pub fn new(
        listener: TcpListener,
        handed_over: bool,
        tls: Option<TlsAcceptor>,
        settings: &ListenSettings,
        gateway: Arc<Gateway>,
    ) -> Self {
        let counters = gateway.counters.clone();
        let on_refusal: OnRefusal = Arc::new(move |refusal| counters.refused(refusal.code));
        let guard = GuardSettings {
            limits: Limits { max_headers: settings.max_headers, max_header_bytes: settings.max_header_bytes },
            header_timeout: settings.header_timeout,
            body_timeout: settings.body_timeout,
            idle_timeout: settings.idle_timeout,
            linger: LINGER,
            on_refusal: Some(on_refusal),
        };
        let reception = Reception {
            tls: tls.map(Tls),
            wire: Arc::new(Wire::new(guard, settings)),
            gateway,
            connections: Limit::new(settings.max_connections),
        };
        Self { listener, handed_over, reception, drain_timeout: settings.drain_timeout }
    }

    /// Accepts until `shutdown`, then lets the clients in flight finish, unless it is to hurry. Returns whether all of them
    /// did in time.
    pub async fn run(self, workers: &Workers, shutdown: Shutdown) -> bool {
        let Self { listener, handed_over, reception, drain_timeout } = self;
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = shutdown.triggered() => break,
                accepted = listener.accept() => match accepted.and_then(|(stream, _)| stream.into_std()) {
                    Ok(stream) => reception.take(stream, workers, &mut tasks, &shutdown),
                    Err(e) => {
                        // Out of descriptors or memory: what is open must be allowed to end first.
                        tracing::warn!(error = %e, "could not accept a connection");
                        sleep(Duration::from_millis(50)).await;
                    }
                },
                Some(_) = tasks.join_next() => {}
            }
        }
        // Those who have knocked get in, and nobody else. Who waits at a socket that was handed over is let in by the
        // process that gets it next.
        match listener.into_std() {
            Ok(listener) if !handed_over => reception.take_queue(&listener, workers, &mut tasks, &shutdown),
            _ => {}
        }
        let all = tokio::select! {
            biased;
            () = async { while tasks.join_next().await.is_some() {} } => true,
            () = sleep(drain_timeout) => false,
            () = shutdown.hurried() => false,
        };
        if !all {
            reception.gateway.inbox.cut_off();
        }
        tasks.shutdown().await;
        all
    }
}

// === impl Reception ===

impl Reception {
    /// Takes those who wait to be accepted, not more than may be connected.
    fn take_queue(
        &self,
        listener: &std::net::TcpListener,
        workers: &Workers,
        tasks: &mut JoinSet<()>,
        shutdown: &Shutdown,
    ) {
        for _ in 0..self.connections.max() {
            let accepted = listener.accept().and_then(|(stream, _)| stream.set_nonblocking(true).map(|()| stream));
            match accepted {
                Ok(stream) => self.take(stream, workers, tasks, shutdown),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                // That one has gone again.
                Err(e) if e.kind() == ErrorKind::ConnectionAborted => {}
                Err(e) => return tracing::warn!(error = %e, "could not accept a connection"),
            }
        }
    }

    fn take(&self, stream: std::net::TcpStream, workers: &Workers, tasks: &mut JoinSet<()>, shutdown: &Shutdown) {
        let counters = self.gateway.counters.clone();
        counters.accepted.fetch_add(1, Ordering::Relaxed);
        let Ok(peer) = stream.peer_addr() else { return };
        let Some(permit) = self.connections.take(1) else {
            counters.turned_away.fetch_add(1, Ordering::Relaxed);
            tasks.spawn(turn_away(stream));
            return;
        };
        // An answer that waits for more bytes waits for a timer otherwise.
        let _ = stream.set_nodelay(true);
        let (wire, gateway, tls, shutdown) =
            (self.wire.clone(), self.gateway.clone(), self.tls.clone(), shutdown.clone());
        let open = Open::new(counters);
        // From here on it belongs to one of the workers, whose events it is to be among.
        let Some(worker) = workers.next() else { return };
        let serve = async move {
            let _held = (permit, open);
            let stream = match TcpStream::from_std(stream) {
                Ok(stream) => stream,
                Err(e) => return tracing::warn!(%peer, error = %e, "could not take a connection"),
            };
            match tls {
                None => connection::serve(stream, peer, "http", false, wire, gateway, shutdown).await,
                Some(Tls(acceptor)) => match timeout(wire.header_timeout, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                        Box::pin(connection::serve(stream, peer, "https", http2, wire, gateway, shutdown)).await;
                    }
                    Ok(Err(e)) => tracing::debug!(%peer, error = %e, "a TLS handshake failed"),
                    Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
                },
            }
        };
        tasks.spawn_on(serve, worker);
    }
}

/// A connection as long as it is open, for the gauge.
struct Open(Arc<Counters>);

impl Open {
    fn new(counters: Arc<Counters>) -> Self {
        counters.connections.fetch_add(1, Ordering::Relaxed);
        Self(counters)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Says that there are too many, briefly and without reading what they want.
async fn turn_away(stream: std::net::TcpStream) {
    let _ = timeout(LINGER, async {
        let mut stream = TcpStream::from_std(stream)?;
        stream.write_all(answers::TURNED_AWAY.as_bytes()).await?;
        stream.shutdown().await
    })
    .await;
}
