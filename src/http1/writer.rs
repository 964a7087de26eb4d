//! A message on its way out: its head is there, its body comes.

use super::decoder::{Framing, LAST};
use crate::model::Fields;
use bytes::{Buf, Bytes, BytesMut};
use http_body::Body;
use std::fmt::Write;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// Framing, routing, authentication and connection fields, which mean nothing good behind a body (RFC 9110 6.5.1): some
/// take them for fields of the head.
pub const NEVER_TRAILERS: [&str; 18] = [
    "content-length",
    "transfer-encoding",
    "host",
    "te",
    "trailer",
    "connection",
    "keep-alive",
    "upgrade",
    "proxy-connection",
    "content-encoding",
    "content-type",
    "content-range",
    "authorization",
    "proxy-authorization",
    "cookie",
    "expect",
    "range",
    "max-forwards",
];

/// Parts of a body up to this size are copied behind the head, so that they go out in one piece.
pub const COPIED: usize = 16 * 1024;

/// Room that a body of this length takes behind its head.
pub fn copied(length: u64) -> usize {
    usize::try_from(length).ok().filter(|length| *length <= COPIED).unwrap_or_default()
}

/// Writes one message. Bytes gathered by [`Writer::fill`] go out by [`Writer::poll_write`], in turns.
#[derive(Debug)]
pub struct Writer<B> {
    /// What is to be written next.
    out: BytesMut,
    /// And then this, a part of the body too large to copy.
    part: Bytes,
    /// And then this: the end of the chunk that `part` is, and of the body where it was the last one.
    end: &'static [u8],
    /// Written, but the connection may still hold some of it back.
    unflushed: bool,
    /// Bytes that the connection has taken so far.
    taken: u64,
    body: Option<B>,
    framing: Framing,
}

/// Why a body could not be written to its end.
#[derive(Debug)]
pub enum BodyTrouble<E> {
    /// It broke off by itself.
    Broken(E),
    /// It has more or fewer bytes than its head has declared.
    Wrong,
}

/// Why a message could not be written.
#[derive(Debug)]
pub enum WriteTrouble<E> {
    Body(BodyTrouble<E>),
    Connection(io::Error),
}

// === impl Writer ===

impl<B: Body<Data = Bytes> + Unpin> Writer<B> {
    /// `head` is the whole head, with its empty line. What `framing` cannot tell, such as the answer to HEAD, is told
    /// by no `body`.
    pub fn new(head: BytesMut, body: Option<B>, framing: Framing) -> Self {
        Self { out: head, part: Bytes::new(), end: b"", unflushed: false, taken: 0, body, framing }
    }

    /// Takes from the body what is there, as far as there is room. Does not wait for what is not: the body wakes.
    pub fn fill(&mut self, cx: &mut Context<'_>) -> Result<(), BodyTrouble<B::Error>> {
        while self.part.is_empty() && self.out.len() < COPIED {
            let Some(body) = &mut self.body else { return Ok(()) };
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Some(Err(error))) => return Err(BodyTrouble::Broken(error)),
                Poll::Ready(None) => {
                    self.body = None;
                    match self.framing {
                        Framing::Chunked => self.out.extend_from_slice(b"0\r\n\r\n"),
                        Framing::Length(1..) => return Err(BodyTrouble::Wrong),
                        _ => {}
                    }
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        self.put(data)?;
                        if !self.end.is_empty() && self.body.as_ref().is_some_and(B::is_end_stream) {
                            self.end = LAST;
                            self.body = None;
                        }
                    }
                    Err(frame) => {
                        let (Framing::Chunked, Ok(mut trailers)) = (self.framing, frame.into_trailers()) else {
                            continue;
                        };
                        self.out.extend_from_slice(b"0\r\n");
                        NEVER_TRAILERS.iter().for_each(|name| drop(trailers.remove(*name)));
                        Fields::from(trailers).put(&mut self.out, |_| false);
                        self.out.extend_from_slice(b"\r\n");
                        self.body = None;
                    }
                },
            }
            if let (Framing::Length(0), Some(body)) = (self.framing, &self.body)
                && body.is_end_stream()
            {
                self.body = None;
            }
        }
        Ok(())
    }

    fn put(&mut self, data: Bytes) -> Result<(), BodyTrouble<B::Error>> {
        if data.is_empty() {
            return Ok(());
        }
        match &mut self.framing {
            Framing::Length(left) => *left = left.checked_sub(data.len() as u64).ok_or(BodyTrouble::Wrong)?,
            // Formatting into bytes in memory does not fail.
            Framing::Chunked => drop(write!(self.out, "{:x}\r\n", data.len())),
            Framing::Close => {}
        }
        let chunked = self.framing == Framing::Chunked;
        if data.len() > COPIED {
            self.part = data;
            self.end = if chunked { b"\r\n" } else { b"" };
            return Ok(());
        }
        self.out.reserve(data.len() + b"\r\n".len());
        self.out.extend_from_slice(&data);
        if chunked {
            self.out.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    /// Writes what was gathered. Ready once nothing of it is left.
    pub fn poll_write<W: AsyncWrite + Unpin>(&mut self, io: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() || !self.part.is_empty() {
            let all = [IoSlice::new(&self.out), IoSlice::new(&self.part), IoSlice::new(self.end)];
            let n = match (self.out.is_empty(), self.part.is_empty(), self.end.is_empty()) {
                (false, true, _) => ready!(Pin::new(&mut *io).poll_write(cx, &self.out))?,
                (true, false, true) => ready!(Pin::new(&mut *io).poll_write(cx, &self.part))?,
                _ => ready!(Pin::new(&mut *io).poll_write_vectored(cx, &all))?,
            };
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            self.taken += n as u64;
            let of_out = n.min(self.out.len());
            self.out.advance(of_out);
            let of_part = (n - of_out).min(self.part.len());
            self.part.advance(of_part);
            if self.part.is_empty() {
                let rest = &std::mem::take(&mut self.end)[n - of_out - of_part..];
                self.out.extend_from_slice(rest);
            }
        }
        // Kept no longer than needed: a message may wait for its body for long.
        self.out = BytesMut::new();
        ready!(Pin::new(io).poll_flush(cx))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }

    /// Both in turns, as far as it goes. Ready once the whole message has been written.
    pub fn poll<W: AsyncWrite + Unpin>(
        &mut self,
        io: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteTrouble<B::Error>>> {
        loop {
            self.fill(cx).map_err(WriteTrouble::Body)?;
            if !self.has_output() {
                return if self.is_done() { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
            ready!(self.poll_write(io, cx)).map_err(WriteTrouble::Connection)?;
        }
    }

    /// Whether there is something that the connection has not taken yet.
    pub fn has_output(&self) -> bool {
        !self.out.is_empty() || !self.part.is_empty() || self.unflushed
    }

    /// Bytes that the connection has taken so far: whether it goes on.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// What is gathered and not written, but for a large part of the body.
    #[cfg(test)]
    pub(crate) fn output(&self) -> &[u8] {
        &self.out
    }

    /// Whether all has been written that the head declares, though the body may not have said that it is over.
    pub fn is_whole(&self) -> bool {
        self.framing == Framing::Length(0) && !self.has_output()
    }

    /// Whether the whole message has been gathered and written.
    pub fn is_done(&self) -> bool {
        self.body.is_none() && !self.has_output()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::HeadLimits;
    use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue};
    use http_body::Frame;
    use proptest::prelude::*;
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::future::poll_fn;

    /// Frames, between which it is not ready now and then.
    struct Frames(VecDeque<Option<Frame<Bytes>>>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match self.0.pop_front() {
                Some(None) => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Some(Some(frame)) => Poll::Ready(Some(Ok(frame))),
                None => Poll::Ready(None),
            }
        }

        fn is_end_stream(&self) -> bool {
            self.0.is_empty()
        }
    }

    /// Takes so many bytes at a time, and like TLS holds them back until it is flushed, which takes two attempts.
    struct Narrow {
        width: usize,
        held: Vec<u8>,
        arrived: Vec<u8>,
        flushing: bool,
        writes: usize,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            let n = buf.len().min(self.width);
            self.held.extend_from_slice(&buf[..n]);
            self.writes += 1;
            Poll::Ready(Ok(n))
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = bufs.iter().flat_map(|part| part.iter().copied()).collect();
            self.poll_write(cx, &all)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.flushing = !self.flushing;
            if self.flushing {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let held = std::mem::take(&mut self.held);
            self.arrived.extend(held);
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    async fn written(
        parts: &[Option<Vec<u8>>],
        trailers: bool,
        framing: Framing,
        width: usize,
    ) -> Result<Narrow, WriteTrouble<Infallible>> {
        let mut frames: VecDeque<_> =
            parts.iter().map(|part| part.as_ref().map(|part| Frame::data(Bytes::copy_from_slice(part)))).collect();
        if trailers {
            let value = HeaderValue::from_static("0");
            let fields = HeaderMap::from_iter([(http::header::ETAG, value.clone()), (CONTENT_LENGTH, value)]);
            frames.push_back(Some(Frame::trailers(fields)));
        }
        let mut writer = Writer::new(BytesMut::from(&b"head "[..]), Some(Frames(frames)), framing);
        let mut io = Narrow { width, held: Vec::new(), arrived: Vec::new(), flushing: false, writes: 0 };
        poll_fn(|cx| writer.poll(&mut io, cx)).await?;
        assert_eq!(writer.taken(), io.arrived.len() as u64);
        Ok(io)
    }

    #[tokio::test]
    async fn a_body_keeps_to_its_length() {
        let two = [Some(b"ab".to_vec()), None, Some(b"c".to_vec())];
        assert_eq!(written(&two, true, Framing::Length(3), 2).await.unwrap().arrived, b"head abc");
        for length in [2, 4] {
            let wrong = written(&two, false, Framing::Length(length), 2).await;
            assert!(matches!(wrong, Err(WriteTrouble::Body(BodyTrouble::Wrong))), "{length}");
        }
    }

    #[tokio::test]
    async fn what_is_there_at_once_goes_out_at_once() {
        for (framing, around) in [(Framing::Length(50_000), 5), (Framing::Chunked, 5 + "c350\r\n\r\n0\r\n\r\n".len())] {
            let io = written(&[Some(vec![b'x'; 50_000])], false, framing, usize::MAX).await.unwrap();
            assert_eq!((io.arrived.len(), io.writes), (50_000 + around, 1), "{framing:?}");
        }
    }

    proptest! {
        /// However it is cut, what arrives is the body, and one reader finds its end.
        #[test]
        fn what_is_written_can_be_read(
            sizes in proptest::collection::vec(proptest::option::of(0usize..40_000), 0..6),
            trailers: bool,
            width in 1usize..50_000,
        ) {
            let parts: Vec<Option<Vec<u8>>> = sizes.iter().map(|size| size.map(|n| vec![b'0' + (n % 10) as u8; n])).collect();
            let whole: Vec<u8> = parts.iter().flatten().flatten().copied().collect();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let write = |framing| runtime.block_on(written(&parts, trailers, framing, width.max(100))).unwrap().arrived;
            prop_assert_eq!(&write(Framing::Close)[5..], &whole[..]);
            let chunked = write(Framing::Chunked);
            let mut buf = BytesMut::from(&chunked[5..]);
            let mut decoder = super::super::Decoder::new(Framing::Chunked, HeadLimits { max_headers: 10, max_bytes: 1000 });
            let (mut data, mut fields) = (Vec::new(), 0);
            loop {
                match decoder.next(&mut buf).unwrap() {
                    super::super::Decoded::Data(part) => data.extend_from_slice(&part),
                    super::super::Decoded::Trailers(trailers) => fields = trailers.len(),
                    super::super::Decoded::End => break,
                    super::super::Decoded::More => panic!("no end"),
                }
            }
            // But for one that must not stand there.
            prop_assert_eq!((data, fields), (whole, usize::from(trailers)));
        }
    }
}
