//! The head of an answer, and what may follow it on this connection.

use crate::http1::{head, writer};
use crate::proxy::body::AnswerBody;
use crate::proxy::guard::ClientHead;
use crate::proxy::message::Reply;
use bytes::BytesMut;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Method, StatusCode};
use http_body::Body;

/// Room for an answer's head before it has to grow.
const HEAD: usize = 512;

/// What a client asked for, as far as its answer depends on it.
pub(super) struct Asked {
    head: bool,
    version_11: bool,
    pub(super) keep_alive: bool,
}

impl Asked {
    pub(super) fn by(head: &ClientHead) -> Self {
        Self {
            head: head.method == Method::HEAD,
            version_11: head.version_11,
            keep_alive: head::keeps_alive(&head.headers, head.version_11),
        }
    }
}

/// What follows an answer's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bodied {
    No,
    /// Nothing, but GET would get so many bytes.
    Withheld(u64),
    Length(u64),
    Chunked,
    UntilClose,
}

impl Bodied {
    pub(super) fn of(reply: &Reply, asked: &Asked) -> Self {
        let Reply { status, body, .. } = reply;
        let none = matches!(*status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let exact = body.size_hint().exact();
        if matches!(body, AnswerBody::Tunnel(_)) {
            return Bodied::No;
        }
        if asked.head || none || status.is_informational() {
            // A leg's answer to HEAD has no body here either: what it declares is all that is known.
            return match exact {
                Some(length @ 1..) if asked.head && !none => Bodied::Withheld(length),
                _ => Bodied::No,
            };
        }
        match exact {
            Some(length) => Bodied::Length(length),
            None if asked.version_11 => Bodied::Chunked,
            None => Bodied::UntilClose,
        }
    }
}

/// The head of an answer: its own fields, and what this connection needs beside them.
pub(super) fn put_head(out: &mut BytesMut, reply: &Reply, asked: &Asked, bodied: Bodied, keep: bool) {
    out.reserve(HEAD + if let Bodied::Length(length) = bodied { writer::copied(length) } else { 0 });
    let Reply { status, headers, .. } = reply;
    head::put_status_line(out, asked.version_11, *status, reply.reason.as_deref());
    // The leg's own length stays where it stands.
    let length = match bodied {
        Bodied::Length(length) | Bodied::Withheld(length) => Some(length),
        _ => None,
    };
    let declared = length.is_some() && head::declared_once(headers) == length;
    let drop_length = !declared && (bodied != Bodied::No || *status == StatusCode::NO_CONTENT);
    headers.put(out, |name| *name == TRANSFER_ENCODING || (drop_length && *name == CONTENT_LENGTH));
    let spelling = headers.spelling();
    if bodied == Bodied::Chunked {
        head::put_field(out, &TRANSFER_ENCODING, b"chunked", spelling);
    }
    if let Some(length) = length.filter(|_| !declared) {
        head::put_field(out, &CONTENT_LENGTH, length.to_string().as_bytes(), spelling);
    }
    if !headers.has(&CONNECTION) {
        match (keep, asked.version_11) {
            (false, _) => head::put_field(out, &CONNECTION, b"close", spelling),
            (true, false) => head::put_field(out, &CONNECTION, b"keep-alive", spelling),
            (true, true) => {}
        }
    }
    out.extend_from_slice(b"\r\n");
}
