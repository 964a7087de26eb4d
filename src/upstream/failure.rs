//! Errors of sockets, TLS and h2, told apart as a leg's users would: kinds of failure, each in few words. What they stem
//! from is found by type, never by text.

use crate::http1::{BodyError, HeadError};
use crate::http2::FLOODED;
use crate::model::{Failure, FailureKind};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Who a failed send is to be blamed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Leg,
    /// The request's own body broke off: whoever sent it is at fault.
    RequestBody,
    /// The proxy itself could not: out of file descriptors or ports, a task that was cancelled.
    Proxy,
}

/// A failure and who is to blame.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub(super) failure: Failure,
    pub(super) fault: Fault,
    /// The connection ended without a byte of answer, or the leg said that it did not look at the request: on a
    /// reused connection that says nothing about the leg.
    pub(super) unanswered: bool,
    /// The leg said so: whatever was asked may be asked again (RFC 9113, 8.7).
    pub(super) refused: bool,
    /// The connection has ended, or takes no further request.
    pub(super) ended: bool,
}

/// What ended a body before its end.
#[derive(Debug)]
pub(super) enum BodyTrouble {
    /// The connection did.
    Ended,
    Framing(BodyError),
    Connection(io::Error),
}

/// Details longer than this were written by the other side.
const MAX_DETAIL: usize = 200;

pub(super) fn of_lookup(host: &str, error: &io::Error) -> Trouble {
    Trouble::leg(FailureKind::Refused, format!("name lookup of {host} failed: {error}")).blamed(error)
}

pub(super) fn of_connect(address: SocketAddr, error: &io::Error) -> Trouble {
    let (kind, what) = match error.kind() {
        io::ErrorKind::ConnectionRefused => (FailureKind::Refused, "connection refused".to_owned()),
        io::ErrorKind::TimedOut => (FailureKind::Timeout, "connect timed out".to_owned()),
        _ => (FailureKind::Refused, format!("could not connect: {}", plain(error))),
    };
    Trouble::leg(kind, format!("{what} ({address})")).blamed(error)
}

pub(super) fn connect_timed_out(step: &str, after: Duration) -> Trouble {
    Trouble::leg(FailureKind::Timeout, format!("{step} timed out after {after:?}"))
}

pub(super) fn of_handshake(error: &io::Error) -> Trouble {
    let detail = match tls_error(error) {
        Some(error) => format!("TLS handshake failed: {error}"),
        None if is_end(error.kind()) => "connection closed inside the TLS handshake".to_owned(),
        None => format!("TLS handshake failed: {}", plain(error)),
    };
    Trouble::leg(FailureKind::Tls, detail)
}

pub(super) fn no_answer(after: Duration) -> Trouble {
    Trouble::leg(FailureKind::Timeout, format!("no answer within {after:?}"))
}

/// Why no head came: the connection failed. `heard` is whether any byte of an answer came.
pub(super) fn of_io(error: &io::Error, heard: bool) -> Trouble {
    if let Some(tls) = tls_error(error) {
        return Trouble::leg(FailureKind::Tls, format!("TLS failed: {tls}"));
    }
    match error.kind() {
        io::ErrorKind::TimedOut => Trouble::leg(FailureKind::Timeout, "connection timed out".to_owned()),
        kind if is_end(kind) => Trouble::closed(heard),
        FLOODED => Trouble::leg(FailureKind::Protocol, plain(error)),
        _ => Trouble::leg(FailureKind::Reset, format!("connection failed: {}", plain(error))),
    }
}

/// Why no head came: what came is none.
pub(super) fn of_head(error: HeadError) -> Trouble {
    Trouble::leg(FailureKind::Protocol, format!("unreadable head: {error}"))
}

/// Why no head came over HTTP/2.
pub(super) fn of_stream(error: &h2::Error) -> Trouble {
    if let Some(io) = error.get_io() {
        return match tls_error(io) {
            Some(tls) => Trouble::leg(FailureKind::Tls, format!("TLS failed: {tls}")),
            None if io.kind() == FLOODED => of_io(io, false),
            None => Trouble::closed(false),
        };
    }
    if error.reason().is_none() {
        // What we asked for cannot be done.
        return Trouble::proxy(&format!("could not send: {error}"));
    }
    if error.is_library() {
        return Trouble::leg(FailureKind::Protocol, format!("HTTP/2 broken: {}", reason(error)));
    }
    let refused = match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) => true,
        Some(h2::Reason::NO_ERROR) => error.is_go_away(),
        _ => false,
    };
    let what = if error.is_go_away() { "connection" } else { "stream" };
    let trouble = Trouble::leg(FailureKind::Reset, format!("{what} ended by the leg: {}", reason(error)));
    Trouble { unanswered: refused, refused, ended: error.is_go_away(), ..trouble }
}

pub(super) fn no_sign_of_life() -> Trouble {
    Trouble::leg(FailureKind::Timeout, "no sign of life on the connection".to_owned())
}

/// Why a body broke off over HTTP/1.1, after `received` of the `declared` bytes.
pub(super) fn of_body(trouble: &BodyTrouble, received: u64, declared: Option<u64>) -> Failure {
    let progress = progress(received, declared);
    let (kind, detail) = match trouble {
        BodyTrouble::Ended => (FailureKind::Truncated, format!("body ended after {progress}")),
        BodyTrouble::Framing(error) => (FailureKind::BadFraming, format!("{error} after {progress}")),
        BodyTrouble::Connection(error) => of_broken(error, &progress),
    };
    Failure { kind, detail: short(detail) }
}

fn of_broken(error: &io::Error, progress: &str) -> (FailureKind, String) {
    match error.kind() {
        _ if tls_error(error).is_some() => (FailureKind::Tls, format!("TLS failed after {progress}")),
        FLOODED => (FailureKind::Protocol, format!("{} after {progress}", plain(error))),
        io::ErrorKind::UnexpectedEof => (FailureKind::Truncated, format!("body ended after {progress}")),
        _ => (FailureKind::Truncated, format!("connection failed after {progress}: {}", plain(error))),
    }
}

fn progress(received: u64, declared: Option<u64>) -> String {
    match declared {
        Some(declared) => format!("{received} of {declared} bytes"),
        None => format!("{received} bytes"),
    }
}

/// Why a body broke off over HTTP/2.
pub(super) fn of_h2_body(error: &h2::Error, received: u64, declared: Option<u64>) -> Failure {
    let progress = progress(received, declared);
    let (kind, detail) = match (error.get_io(), error.is_library(), declared) {
        (Some(io), ..) => of_broken(io, &progress),
        // h2 itself holds DATA against Content-Length; its error does not say more than this.
        (None, true, Some(_)) if error.reason() == Some(h2::Reason::PROTOCOL_ERROR) => {
            (FailureKind::LengthMismatch, format!("body is not as long as declared, cut after {progress}"))
        }
        (None, true, _) => (FailureKind::Protocol, format!("{error} after {progress}")),
        _ => (FailureKind::Truncated, format!("stream ended after {progress}: {}", reason(error))),
    };
    Failure { kind, detail: short(detail) }
}

/// Why a body broke off over HTTP/2 on a connection that fell silent.
pub(super) fn of_silent_body(received: u64, declared: Option<u64>) -> Failure {
    let detail = format!("no sign of life after {}", progress(received, declared));
    Failure { kind: FailureKind::Timeout, detail }
}

fn reason(error: &h2::Error) -> String {
    match error.reason() {
        Some(reason) => reason.description().to_owned(),
        None => error.to_string(),
    }
}

/// The kinds in which a peer that is gone shows itself.
fn is_end(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof, WriteZero};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof | WriteZero)
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// An I/O error without the number that the standard library appends to the system's words.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(at) => lower(&text[..at]),
        None => lower(&text),
    }
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

fn short(mut text: String) -> String {
    if text.len() > MAX_DETAIL {
        let end = (0..=MAX_DETAIL).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

// === impl Trouble ===

impl Trouble {
    pub(super) fn leg(kind: FailureKind, detail: String) -> Self {
        let failure = Failure { kind, detail: short(detail) };
        Self { failure, fault: Fault::Leg, unanswered: false, refused: false, ended: false }
    }

    pub(super) fn proxy(detail: &str) -> Self {
        Self { fault: Fault::Proxy, ..Self::leg(FailureKind::Refused, detail.to_owned()) }
    }

    /// The request's own body: it `did` what it should not.
    pub(super) fn request_body(did: &str) -> Self {
        let trouble = Self::leg(FailureKind::Reset, format!("the request's body {did}"));
        Self { fault: Fault::RequestBody, ..trouble }
    }

    pub(super) fn closed(heard: bool) -> Self {
        let detail = if heard { "connection closed inside the head" } else { "connection closed before the head" };
        Self { unanswered: !heard, ended: true, ..Self::leg(FailureKind::Reset, detail.to_owned()) }
    }

    /// Running out of file descriptors, ports or memory is no fault of the leg.
    fn blamed(self, error: &io::Error) -> Self {
        const ENFILE: i32 = 23;
        const EMFILE: i32 = 24;
        let exhausted = matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::OutOfMemory)
            || (cfg!(unix) && matches!(error.raw_os_error(), Some(ENFILE | EMFILE)));
        if exhausted { Self { fault: Fault::Proxy, ..self } } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_out_of_descriptors_is_the_proxys_own_fault() {
        let address = SocketAddr::from(([127, 0, 0, 1], 9));
        let ours = of_connect(address, &io::Error::from_raw_os_error(24));
        let theirs = of_connect(address, &io::Error::from(io::ErrorKind::ConnectionRefused));
        assert_eq!((ours.fault, theirs.fault), (Fault::Proxy, Fault::Leg));
        assert_eq!(theirs.failure.to_string(), "refused: connection refused (127.0.0.1:9)");
    }

    #[test]
    fn details_stay_short_and_whole_characters() {
        let cut = Trouble::leg(FailureKind::Tls, "ä".repeat(300)).failure.detail;
        assert!(cut.len() <= MAX_DETAIL + '…'.len_utf8() && cut.ends_with("ä…"), "{cut}");
    }
}
