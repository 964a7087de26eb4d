//! Upgraded connections (WebSocket, CONNECT): bytes both ways, seen by nobody.

use crate::upstream::{Duplex, LegTunnel};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::copy_bidirectional;
use tokio::sync::watch;

/// The open tunnels. They live outside the requests that opened them, so they are ended from here.
#[derive(Debug, Clone)]
pub struct Tunnels {
    open: Arc<AtomicUsize>,
    cut: Arc<watch::Sender<bool>>,
}

impl Default for Tunnels {
    fn default() -> Self {
        Self { open: Arc::default(), cut: Arc::new(watch::channel(false).0) }
    }
}

impl Tunnels {
    /// Joins two connections once both have switched, until either side ends.
    pub fn join(&self, client: impl Future<Output = io::Result<Box<dyn Duplex>>> + Send + 'static, leg: LegTunnel) {
        let (open, mut cut) = (self.open.clone(), self.cut.subscribe());
        open.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            let run = async {
                let (mut client, mut leg) = tokio::try_join!(client, leg.open())?;
                // Whatever ends the copying ends the tunnel; there is nobody left to tell.
                let _ = copy_bidirectional(&mut client, &mut leg).await;
                Ok::<_, io::Error>(())
            };
            tokio::select! {
                result = run => if let Err(e) = result {
                    tracing::debug!(error = %e, "a tunnel did not open");
                },
                _ = cut.wait_for(|cut| *cut) => {}
            }
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }

    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Ends all of them.
    pub fn cut(&self) {
        self.cut.send_replace(true);
    }
}
