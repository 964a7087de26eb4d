//! The bytes to and from a leg, cleartext or TLS, and what is counted about them.

use socket2::SockRef;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// One connection to a leg. Counted as open until it is dropped, wherever it is by then.
#[derive(Debug)]
pub(super) struct Io {
    stream: Stream,
    _open: Open,
}

#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// One of the connections that are open, until it is dropped.
#[derive(Debug)]
pub(super) struct Open(Arc<AtomicUsize>);

// === impl Io ===

impl Io {
    pub(super) fn new(stream: Stream, open: Open) -> Self {
        Self { stream, _open: open }
    }

    /// Whether anything has arrived, the end included, as far as the runtime has heard. Costs no system call where
    /// nothing has.
    pub(super) fn has_news(&mut self) -> bool {
        if let Stream::Tls(stream) = &mut self.stream {
            // One read gives one record: those that came with it are held in there.
            let held = stream.get_mut().1.process_new_packets();
            if held.map_or(true, |held| held.plaintext_bytes_to_read() > 0 || held.peer_has_closed()) {
                return true;
            }
        }
        let tcp = self.tcp();
        // Not polled: a task that has had its turn would hear that nothing has come.
        let peeked = tcp.try_io(Interest::READABLE, || SockRef::from(tcp).peek(&mut [MaybeUninit::uninit()]));
        !would_block(&peeked)
    }

    /// Whether nothing has arrived, not even the end: the system is asked, for the runtime may not know yet.
    pub(super) fn is_quiet(&self) -> bool {
        would_block(&SockRef::from(self.tcp()).peek(&mut [MaybeUninit::uninit()]))
    }

    fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Stream::Tcp(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        }
    }
}

fn would_block(peeked: &io::Result<usize>) -> bool {
    peeked.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

impl AsyncRead for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Tcp(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
        }
    }
}

// === impl Open ===

impl Open {
    /// `None` where `max` are open already.
    pub(super) fn enter(open: &Arc<AtomicUsize>, max: Option<usize>) -> Option<Self> {
        let max = max.unwrap_or(usize::MAX);
        let next = |now: usize| (now < max).then(|| now + 1);
        open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()?;
        Some(Self(open.clone()))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
