//! What an HTTP/2 connection writes in one turn goes out at once. The `h2` crate writes each frame with a body by itself,
//! so that a large answer, or several small ones, would take a system call and a segment for every frame.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are gathered: four frames of the size that nearly everybody wants. What is larger is written as it comes.
const MOST: usize = 4 * (16 * 1024 + 9);
/// Room for what begins with a small frame. What begins with a larger one has room for as much as is gathered.
const SMALL: usize = 4 * 1024;

/// A connection whose writes wait until [`Rest`] writes them, or there are too many. To be flushed and shut down like any
/// other.
#[derive(Debug)]
pub struct Gathered<IO>(Arc<Mutex<Gather<IO>>>);

/// Writes what was gathered.
#[derive(Debug)]
pub struct Rest<IO>(Arc<Mutex<Gather<IO>>>);

#[derive(Debug)]
struct Gather<IO> {
    io: IO,
    /// Bytes that have come.
    read: u64,
    out: Vec<u8>,
    /// Bytes of `out` that are written.
    written: usize,
    /// Written, but the connection may still hold some of it back.
    unflushed: bool,
    /// Why what was gathered could not be written: whoever speaks has taken it for written.
    failed: Option<io::Error>,
}

/// A connection for whoever speaks HTTP/2 on it, and the other end of its writes.
pub fn gathered<IO>(io: IO) -> (Gathered<IO>, Rest<IO>) {
    let gather =
        Arc::new(Mutex::new(Gather { io, read: 0, out: Vec::new(), written: 0, unflushed: false, failed: None }));
    (Gathered(gather.clone()), Rest(gather))
}

fn lock<IO>(gather: &Mutex<Gather<IO>>) -> MutexGuard<'_, Gather<IO>> {
    gather.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Rest ===

impl<IO: AsyncWrite + Unpin> Rest<IO> {
    /// Gives who speaks on the connection a turn, and writes what that came to.
    pub fn poll<F: Future>(&self, speaks: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let polled = speaks.poll(cx);
        let mut gather = lock(&self.0);
        if let Poll::Ready(Err(error)) = gather.poll_flush(cx) {
            gather.failed = Some(error);
            // Nobody else would give it a turn, in which it meets the error.
            cx.waker().wake_by_ref();
        }
        polled
    }
}

impl<IO> Rest<IO> {
    /// Bytes that have come on the connection.
    pub fn read(&self) -> u64 {
        lock(&self.0).read
    }

    /// Whether the connection has not taken all that was written.
    pub fn holds(&self) -> bool {
        let gather = lock(&self.0);
        gather.written < gather.out.len() || gather.unflushed
    }
}

// === impl Gather ===

impl<IO: AsyncWrite + Unpin> Gather<IO> {
    /// Takes bytes, once there is room.
    fn poll_take(&mut self, parts: &[IoSlice<'_>], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.check()?;
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if self.out.len() - self.written + length > MOST {
            ready!(self.poll_write(cx))?;
            if length > MOST {
                self.unflushed = true;
                return Pin::new(&mut self.io).poll_write_vectored(cx, parts);
            }
        }
        if self.out.capacity() - self.out.len() < length {
            self.out.drain(..std::mem::take(&mut self.written));
            let room = if self.out.len() + length < SMALL { SMALL } else { MOST };
            self.out.reserve_exact(room - self.out.len());
        }
        parts.iter().for_each(|part| self.out.extend_from_slice(part));
        Poll::Ready(Ok(length))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.out.len() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, &self.out[self.written..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.written += n,
            }
            self.unflushed = true;
        }
        // A connection that waits holds no buffer.
        (self.out, self.written) = (Vec::new(), 0);
        Poll::Ready(Ok(()))
    }

    fn check(&mut self) -> io::Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write(cx))?;
        if self.unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

// === impl Gathered ===

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gathered<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut gather = lock(&self.0);
        gather.check()?;
        let before = buf.filled().len();
        let polled = Pin::new(&mut gather.io).poll_read(cx, buf);
        gather.read += (buf.filled().len() - before) as u64;
        polled
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Gathered<IO> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_take(&[IoSlice::new(buf)], cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_take(bufs, cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// At the end of this turn; see [`Rest::poll`].
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gather = lock(&self.0);
        ready!(gather.poll_flush(cx))?;
        Pin::new(&mut gather.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    /// Counts what is written at once, and fails once where it is told to.
    #[derive(Debug)]
    struct Counted(DuplexStream, Vec<usize>, bool);

    impl AsyncRead for Counted {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for Counted {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            if std::mem::take(&mut self.2) {
                return Poll::Ready(Err(io::Error::from_raw_os_error(105)));
            }
            let n = ready!(Pin::new(&mut self.0).poll_write(cx, buf))?;
            self.1.push(n);
            Poll::Ready(Ok(n))
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    /// Gives who speaks one turn.
    async fn turn<F: Future>(rest: &Rest<Counted>, mut speaks: Pin<&mut F>) -> Poll<F::Output> {
        poll_fn(|cx| Poll::Ready(rest.poll(speaks.as_mut(), cx))).await
    }

    fn connection(buffer: usize) -> (Gathered<Counted>, Rest<Counted>, DuplexStream) {
        let (near, far) = tokio::io::duplex(buffer);
        let (io, rest) = gathered(Counted(near, Vec::new(), false));
        (io, rest, far)
    }

    #[tokio::test]
    async fn what_is_written_in_one_turn_goes_out_at_once() {
        let (mut io, rest, mut far) = connection(1 << 20);
        let mut speaks = Box::pin(async {
            for _ in 0..4 {
                io.write_all(&[b'x'; 16_393]).await.unwrap();
                io.flush().await.unwrap();
            }
            std::future::pending::<()>().await;
        });
        assert!(turn(&rest, speaks.as_mut()).await.is_pending());
        far.read_exact(&mut vec![0; 4 * 16_393]).await.unwrap();
        assert!(!rest.holds());
        let gather = lock(&rest.0);
        assert_eq!((gather.io.1.as_slice(), gather.out.capacity()), (&[4 * 16_393][..], 0));
    }

    #[tokio::test]
    async fn who_reads_slowly_holds_up_who_writes() {
        let (mut io, rest, mut far) = connection(1000);
        let mut taken = 0;
        let mut speaks = Box::pin(async {
            loop {
                io.write_all(&[b'x'; 10_000]).await.unwrap();
                taken += 10_000;
                assert!(taken < 1 << 20, "nobody stops it");
            }
        });
        assert!(turn(&rest, speaks.as_mut()).await.is_pending());
        assert!(lock(&rest.0).out.len() > MOST / 2 && rest.holds());
        // What was held goes on as it is read.
        let (mut read, mut out) = (0, vec![0; 1000]);
        while read < 3 * MOST {
            tokio::select! {
                biased;
                () = poll_fn(|cx| rest.poll(speaks.as_mut(), cx)) => {}
                n = far.read(&mut out) => read += n.unwrap(),
            }
            assert!(lock(&rest.0).out.capacity() <= MOST);
        }
    }

    #[tokio::test]
    async fn what_is_larger_than_is_gathered_is_written_as_it_comes() {
        let (mut io, rest, mut far) = connection(1 << 20);
        let mut speaks = Box::pin(async {
            io.write_all(b"first ").await.unwrap();
            io.write_all(&[b'x'; MOST + 1]).await.unwrap();
        });
        assert!(turn(&rest, speaks.as_mut()).await.is_ready());
        let mut out = vec![0; MOST + 7];
        far.read_exact(&mut out).await.unwrap();
        assert!(out.starts_with(b"first xx"));
        assert_eq!(lock(&rest.0).io.1, [6, MOST + 1]);
    }

    #[tokio::test]
    async fn who_speaks_hears_of_what_could_not_be_written() {
        let (mut io, rest, _far) = connection(1000);
        lock(&rest.0).io.2 = true;
        let mut speaks = Box::pin(async {
            io.write_all(b"lost").await.unwrap();
            // Takes it for written and waits for an answer, which nobody will give.
            io.read(&mut [0]).await.unwrap_err().raw_os_error()
        });
        let heard = poll_fn(|cx| rest.poll(speaks.as_mut(), cx));
        assert_eq!(tokio::time::timeout(Duration::from_secs(20), heard).await.unwrap(), Some(105));
    }

    #[tokio::test]
    async fn the_last_words_are_written_before_the_end() {
        let (mut io, rest, mut far) = connection(100);
        let mut speaks = Box::pin(async {
            io.write_all(&[b'x'; 10_000]).await.unwrap();
            io.shutdown().await.unwrap();
        });
        let mut out = Vec::new();
        let (read, ()) = tokio::join!(far.read_to_end(&mut out), poll_fn(|cx| rest.poll(speaks.as_mut(), cx)));
        assert_eq!(read.unwrap(), 10_000);
        let (mut io, rest, mut far) = connection(100);
        let mut speaks = Box::pin(async { io.write_all(b"bye").await.unwrap() });
        poll_fn(|cx| rest.poll(speaks.as_mut(), cx)).await;
        drop((speaks, rest));
        drop(io);
        assert_eq!(far.read_to_end(&mut out).await.unwrap(), 3, "also without a shutdown");
    }
}
