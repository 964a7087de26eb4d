//! Upgraded connections (WebSocket, CONNECT): bytes both ways, seen by nobody.

use crate::upstream::{Duplex, LegTunnel};
use std::future::Future;
use std::io;
use tokio::io::copy_bidirectional;

/// Joins two connections once both have switched. Returns when either side ends.
pub async fn join(client: impl Future<Output = io::Result<Box<dyn Duplex>>>, leg: LegTunnel) {
    let run = async {
        let (mut client, mut leg) = tokio::try_join!(client, leg.open())?;
        // Whatever ends the copying ends the tunnel; there is nobody left to tell.
        let _ = copy_bidirectional(&mut client, &mut leg).await;
        Ok::<_, io::Error>(())
    };
    if let Err(e) = run.await {
        tracing::debug!(error = %e, "a tunnel did not open");
    }
}
