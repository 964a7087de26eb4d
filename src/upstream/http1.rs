//! One request over an HTTP/1.1 connection to a leg. Whoever sends it writes it and reads its answer by itself: no task
//! stands between a request and its connection.

use super::body::{Answer, LegAnswerBody, LegBody, LegTunnel, Reading, UPLOAD_PATIENCE};
use super::failure::{self, Trouble};
use super::idle::IdleStack;
use super::io::Io;
use super::settings::LegSettings;
use super::{LegAnswer, OnInterim, SendOptions, UpstreamOptions};
use crate::alarm::Alarm;
use crate::http1::{AnswerHead, BodyTrouble, Framing, HeadLimits, WriteTrouble, Writer, head, read};
use crate::model::FailureKind;
use bytes::BytesMut;
use http::{Method, StatusCode, Version};
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// An HTTP/1.1 connection, in the hands of the one who uses it.
#[derive(Debug)]
pub(super) struct H1Line {
    pub(super) io: Io,
    /// Read and not looked at.
    pub(super) buf: BytesMut,
    alarm: Alarm,
    /// Bytes of the last answer: the next one is read as if it were as large.
    usual: u64,
    /// Bytes read since.
    read: u64,
}

/// Interim answers before an answer, where nobody is told of them. Who sends more would keep its reader busy for as long as
/// it likes.
const MAX_INTERIMS: usize = 100;

// === impl H1Line ===

impl H1Line {
    pub(super) fn new(io: Io) -> Box<Self> {
        Box::new(Self { io, buf: BytesMut::new(), alarm: Alarm::default(), usual: 0, read: 0 })
    }

    /// Whether, idle as it is, nothing has come on it, as far as the runtime has heard.
    pub(super) fn is_fit(&mut self) -> bool {
        self.buf.is_empty() && !self.io.has_news()
    }

    /// The same as far as the system knows.
    pub(super) fn is_quiet(&self) -> bool {
        self.io.is_quiet()
    }

    /// Reads what there is; see [`read::poll_read`].
    pub(super) fn poll_read(&mut self, expected: u64, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let polled = read::poll_read(&mut self.io, &mut self.buf, expected, cx);
        if let Poll::Ready(Ok(n)) = &polled {
            self.read += *n as u64;
        }
        polled
    }

    /// An answer has been read to its end.
    pub(super) fn is_over(&mut self) {
        self.usual = std::mem::take(&mut self.read);
        // It may be a small part of much memory.
        self.buf = BytesMut::new();
    }

    /// Writes a request and waits for the head of its answer, no longer than the leg's `response_timeout` from the last
    /// byte of the request on that the leg has taken.
    pub(super) async fn send(
        mut self: Box<Self>,
        method: &Method,
        mut writer: Writer<LegBody>,
        how: &SendOptions<'_>,
        settings: &LegSettings,
        options: &UpstreamOptions,
        stack: &Arc<IdleStack>,
    ) -> Result<LegAnswer, Trouble> {
        let limits = HeadLimits { max_headers: options.max_headers, max_bytes: options.max_header_bytes };
        let (mut writing, mut taken) = (Writing::On, 0);
        let mut hearing = Hearing::default();
        let patience = settings.response_timeout;
        let answer = poll_fn(|cx| {
            if let Writing::On = writing {
                match writer.poll(&mut self.io, cx) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(())) => writing = Writing::Done,
                    // Whoever does not read on may have answered.
                    Poll::Ready(Err(WriteTrouble::Connection(_))) => writing = Writing::Failed,
                    Poll::Ready(Err(WriteTrouble::Body(trouble))) => return Poll::Ready(Err(of_request_body(trouble))),
                }
                if !matches!(writing, Writing::On) {
                    self.alarm.stop();
                }
            }
            let head = hearing.poll(&mut self, limits, how.on_interim, cx);
            let late = head.is_pending()
                && match writing {
                    Writing::On => self.is_stuck(&writer, &mut taken, patience, cx),
                    Writing::Done | Writing::Failed => self.alarm.poll(patience, cx).is_ready(),
                };
            if late { Poll::Ready(Err(failure::no_answer(patience))) } else { head }
        })
        .await?;
        self.alarm.stop();
        let reusable = !matches!(writing, Writing::Failed);
        let upload = matches!(writing, Writing::On).then_some(writer);
        self.answer(answer, method, how.upgrade, upload, reusable, limits, stack)
    }

    /// Gets rid of what is left of a request whose answer has been read. Returns whether that came to its end.
    pub(super) async fn finish(&mut self, mut upload: Writer<LegBody>) -> bool {
        let mut taken = upload.taken();
        poll_fn(|cx| match upload.poll(&mut self.io, cx) {
            Poll::Ready(sent) => Poll::Ready(sent.is_ok()),
            Poll::Pending if self.is_stuck(&upload, &mut taken, UPLOAD_PATIENCE, cx) => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Whether the leg has taken nothing for so long, while there is something for it to take.
    fn is_stuck(
        &mut self,
        writer: &Writer<LegBody>,
        taken: &mut u64,
        patience: Duration,
        cx: &mut Context<'_>,
    ) -> bool {
        self.alarm.is_stuck(taken, writer.taken(), writer.has_output(), patience, cx)
    }

    /// The answer, of which the head is there.
    fn answer(
        self: Box<Self>,
        head: AnswerHead,
        method: &Method,
        upgrade: bool,
        upload: Option<Writer<LegBody>>,
        reusable: bool,
        limits: HeadLimits,
        stack: &Arc<IdleStack>,
    ) -> Result<LegAnswer, Trouble> {
        let switched = head.status == StatusCode::SWITCHING_PROTOCOLS;
        if switched && !upgrade {
            let detail = "101 Switching Protocols, which nobody had asked for".to_owned();
            return Err(Trouble::leg(FailureKind::Protocol, detail));
        }
        let answer = if switched || (*method == Method::CONNECT && head.status.is_success()) {
            if upload.is_some() || !reusable {
                // What is left of it would be taken for the first bytes of the tunnel.
                let detail = "the connection became a tunnel before the request's end".to_owned();
                return Err(Trouble::leg(FailureKind::Protocol, detail));
            }
            Answer::Tunnel(LegTunnel::Open(Box::new(read::Prefixed::new(self.buf, self.io))))
        } else {
            let framing = head.framing(method).map_err(failure::of_head)?;
            Answer::Http1 {
                framing,
                reading: Reading {
                    reusable: reusable && head.keeps_alive() && framing != Framing::Close,
                    line: self,
                    upload,
                    stack: stack.clone(),
                },
                limits,
            }
        };
        Ok(LegAnswer {
            status: head.status,
            version: if head.version_11 { Version::HTTP_11 } else { Version::HTTP_10 },
            reason: head.reason,
            headers: head.headers,
            body: LegAnswerBody::new(answer),
        })
    }
}

enum Writing {
    On,
    Done,
    Failed,
}

/// The answer's head as it comes.
#[derive(Default)]
struct Hearing {
    /// Bytes in which there is no whole head.
    seen: usize,
    heard: bool,
    interims: usize,
}

impl Hearing {
    fn poll(
        &mut self,
        line: &mut H1Line,
        limits: HeadLimits,
        on_interim: Option<OnInterim<'_>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<AnswerHead, Trouble>> {
        loop {
            let new = line.buf.len() > self.seen;
            // Looked at anew when it may be whole, and now and then to see whether it is a head at all.
            if new && (line.buf.len() >= 2 * self.seen || head::is_whole(&line.buf, self.seen)) {
                match AnswerHead::take(&mut line.buf, limits) {
                    Err(error) => return Poll::Ready(Err(failure::of_head(error))),
                    Ok(Some(head)) if head.is_interim() => {
                        self.seen = 0;
                        self.interims += 1;
                        if on_interim.is_none() && self.interims > MAX_INTERIMS {
                            let detail = format!("more than {MAX_INTERIMS} interim answers");
                            return Poll::Ready(Err(Trouble::leg(FailureKind::Protocol, detail)));
                        }
                        if let Some(tell) = on_interim {
                            tell(head.status, &head.headers);
                        }
                        continue;
                    }
                    Ok(Some(head)) => return Poll::Ready(Ok(head)),
                    Ok(None) => {}
                }
            }
            self.seen = line.buf.len();
            if self.seen > limits.max_bytes {
                return Poll::Ready(Err(failure::of_head(crate::http1::HeadError::TooLarge)));
            }
            match line.poll_read(line.usual, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(Trouble::closed(self.heard))),
                Poll::Ready(Ok(_)) => self.heard = true,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(failure::of_io(&error, self.heard))),
            }
        }
    }
}

fn of_request_body(trouble: BodyTrouble<super::BoxError>) -> Trouble {
    match trouble {
        BodyTrouble::Broken(error) => Trouble::request_body(&format!("broke off: {error}")),
        BodyTrouble::Wrong => Trouble::request_body("was not as long as declared"),
    }
}
