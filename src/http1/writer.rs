//! A message on its way out: its head is there, its body comes.

use super::decoder::Framing;
use super::head::put_fields;
use super::Spelling;
use bytes::{Buf, Bytes, BytesMut};
use http_body::Body;
use std::fmt::Write;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// Parts of a body up to this size are copied behind the head, so that they go out in one piece.
const COPIED: usize = 16 * 1024;

/// Writes one message. Bytes gathered by [`Writer::fill`] go out by [`Writer::poll_write`], in turns.
#[derive(Debug)]
pub struct Writer<B> {
    /// What is to be written next.
    out: BytesMut,
    /// And then this, a part of the body too large to copy.
    part: Bytes,
    /// The end of the chunk that `part` is.
    chunk_end: bool,
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
        Self { out: head, part: Bytes::new(), chunk_end: false, body, framing }
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
                    Ok(data) => self.put(data)?,
                    Err(frame) => {
                        let (Framing::Chunked, Ok(trailers)) = (self.framing, frame.into_trailers()) else { continue };
                        self.out.extend_from_slice(b"0\r\n");
                        put_fields(&mut self.out, &trailers, &Spelling::default(), |_| false);
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
            self.chunk_end = chunked;
            return Ok(());
        }
        self.out.extend_from_slice(&data);
        if chunked {
            self.out.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    /// Writes what was gathered. Ready once nothing of it is left.
    pub fn poll_write<W: AsyncWrite + Unpin>(&mut self, io: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.has_output() {
            let both = [IoSlice::new(&self.out), IoSlice::new(&self.part)];
            let n = match (self.out.is_empty(), self.part.is_empty()) {
                (false, true) => ready!(Pin::new(&mut *io).poll_write(cx, &self.out))?,
                (true, _) => ready!(Pin::new(&mut *io).poll_write(cx, &self.part))?,
                (false, false) => ready!(Pin::new(&mut *io).poll_write_vectored(cx, &both))?,
            };
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_out = n.min(self.out.len());
            self.out.advance(of_out);
            self.part.advance(n - of_out);
            if self.part.is_empty() && std::mem::take(&mut self.chunk_end) {
                self.out.extend_from_slice(b"\r\n");
            }
        }
        // Kept no longer than needed: a message may wait for its body for long.
        self.out = BytesMut::new();
        Pin::new(io).poll_flush(cx)
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

    /// Whether there is something to be written.
    pub fn has_output(&self) -> bool {
        !self.out.is_empty() || !self.part.is_empty()
    }

    /// Whether the whole message has been gathered and written.
    pub fn is_done(&self) -> bool {
        self.body.is_none() && !self.has_output()
    }
}
