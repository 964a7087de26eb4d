//! Reading without holding a buffer while nothing is there.

use bytes::{Buf, BytesMut};
use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// Read through the thread's own buffer and copied from there.
const SMALL: usize = 16 * 1024;
/// Most that is expected at once.
const LARGE: usize = 128 * 1024;
/// Read beyond what is expected: what ends it comes along, a chunk's line end or the next head, and a read that leaves room
/// tells the runtime that there is no more.
const BEYOND: usize = 512;

thread_local!(static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SMALL].into_boxed_slice()));

/// Appends what can be read now. Zero bytes are the end of the connection.
///
/// Where `expected` bytes are many, they are read where they stay, else into a buffer of the thread from where just
/// those that came are copied: a connection that waits holds no buffer.
pub fn poll_read<R: AsyncRead + Unpin>(
    io: &mut R,
    buf: &mut BytesMut,
    expected: u64,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    if expected > SMALL as u64 {
        // What the last read left of its room is used first.
        if buf.capacity() - buf.len() < SMALL {
            buf.reserve(usize::try_from(expected).unwrap_or(LARGE).min(LARGE) + BEYOND);
        }
        let polled = pin!(io.read_buf(buf)).poll(cx);
        // Few came: whoever keeps them must not keep the room for all that were expected.
        if buf.len() < buf.capacity() / 2 {
            *buf = BytesMut::from(&buf[..]);
        }
        return polled;
    }
    SCRATCH.with_borrow_mut(|scratch| {
        let mut read = ReadBuf::new(scratch);
        if Pin::new(io).poll_read(cx, &mut read)?.is_pending() {
            if buf.is_empty() {
                *buf = BytesMut::new();
            }
            return Poll::Pending;
        }
        buf.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    })
}

/// A connection of which some bytes were read too early: they come first.
#[derive(Debug)]
pub struct Prefixed<IO> {
    early: BytesMut,
    io: IO,
}

impl<IO> Prefixed<IO> {
    pub fn new(early: BytesMut, io: IO) -> Self {
        Self { early, io }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Prefixed<IO> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let n = self.early.len().min(buf.remaining());
        buf.put_slice(&self.early[..n]);
        self.early.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Prefixed<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::task::Waker;
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn what_ends_a_large_part_comes_along() {
        let (mut far, mut near) = tokio::io::duplex(100_000);
        far.write_all(&[b'x'; 50_007]).await.unwrap();
        let mut buf = BytesMut::new();
        assert_eq!(poll_fn(|cx| poll_read(&mut near, &mut buf, 50_000, cx)).await.unwrap(), 50_007);
    }

    #[tokio::test]
    async fn what_is_kept_takes_no_more_room_than_it_needs() {
        for expected in [0, 100_000] {
            let (mut far, mut near) = tokio::io::duplex(1000);
            far.write_all(b"few").await.unwrap();
            let mut buf = BytesMut::new();
            assert_eq!(poll_fn(|cx| poll_read(&mut near, &mut buf, expected, cx)).await.unwrap(), 3);
            assert!(buf == "few" && buf.capacity() < 100, "{}", buf.capacity());
            buf.clear();
            assert!(poll_read(&mut near, &mut buf, expected, &mut Context::from_waker(Waker::noop())).is_pending());
            assert_eq!(buf.capacity(), 0);
        }
    }
}
