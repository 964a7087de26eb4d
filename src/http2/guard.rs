//! A connection that ends where its peer floods it.

use super::flood::{Flood, Meter};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What nothing else that is read has: the `h2` crate keeps no more of an error than its kind and its text.
pub const FLOODED: io::ErrorKind = io::ErrorKind::QuotaExceeded;

/// An HTTP/2 connection, from its first byte on. A flood is an error of its reads, of kind [`FLOODED`].
pub struct FloodGuard<IO, F> {
    io: IO,
    meter: Meter,
    /// Somebody wants to know.
    tell: Option<F>,
}

// === impl FloodGuard ===

impl<IO, F: FnOnce(Flood)> FloodGuard<IO, F> {
    pub fn new(io: IO, meter: Meter, tell: F) -> Self {
        Self { io, meter, tell: Some(tell) }
    }
}

impl<IO: AsyncRead + Unpin, F: FnOnce(Flood) + Unpin> AsyncRead for FloodGuard<IO, F> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        Poll::Ready(this.meter.came(&buf.filled()[before..]).map_err(|flood| {
            if let Some(tell) = this.tell.take() {
                tell(flood);
            }
            io::Error::new(FLOODED, flood)
        }))
    }
}

impl<IO: AsyncWrite + Unpin, F: Unpin> AsyncWrite for FloodGuard<IO, F> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let n = ready!(Pin::new(&mut self.io).poll_write(cx, buf))?;
        self.meter.went(&buf[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let n = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, bufs))?;
        let mut left = n;
        for buf in bufs {
            let part = left.min(buf.len());
            self.meter.went(&buf[..part]);
            left -= part;
        }
        Poll::Ready(Ok(n))
    }
}

impl<IO: std::fmt::Debug, F> std::fmt::Debug for FloodGuard<IO, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FloodGuard").field("io", &self.io).field("meter", &self.meter).finish_non_exhaustive()
    }
}
