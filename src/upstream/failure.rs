//! Errors of sockets, TLS, hyper and h2, told apart as a leg's users would: kinds of failure, each in few words.
//!
//! hyper hides most of what it saw behind its own type; what it does expose are its `is_*` questions and the chain
//! of sources, in which `io::Error`, `rustls::Error` and `h2::Error` are found by type, never by text.

use crate::http1::{BodyError, HeadError};
use crate::http2::FLOODED;
use crate::model::{Failure, FailureKind};
use std::error::Error;
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
pub(super) fn of_send(error: &hyper::Error) -> Trouble {
    use FailureKind::{Protocol, Reset, Timeout};
    if error.is_parse() {
        return Trouble::leg(Protocol, format!("unreadable head: {error}"));
    }
    if error.is_timeout() {
        return Trouble::leg(Timeout, "no sign of life on the connection".to_owned());
    }
    if let Some(h2) = find::<h2::Error>(error) {
        return of_h2(h2);
    }
    if let Some(io) = find::<io::Error>(error) {
        return of_io(io, false);
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return Trouble::closed(false);
    }
    if error.is_user() {
        return Trouble { fault: Fault::Proxy, ..Trouble::leg(Reset, format!("could not send: {error}")) };
    }
    Trouble::leg(Protocol, error.to_string())
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
pub(super) fn of_h2_body(error: &hyper::Error, received: u64, declared: Option<u64>) -> Failure {
    let progress = progress(received, declared);
    let (kind, detail) = if error.is_timeout() {
        (FailureKind::Timeout, format!("no sign of life after {progress}"))
    } else if let Some(io) = find::<h2::Error>(error).and_then(h2::Error::get_io) {
        of_broken(io, &progress)
    } else if let Some(h2) = find::<h2::Error>(error) {
        match (h2.is_library(), declared) {
            // h2 itself holds DATA against Content-Length; its error does not say more than this.
            (true, Some(_)) if h2.reason() == Some(h2::Reason::PROTOCOL_ERROR) => {
                (FailureKind::LengthMismatch, format!("body is not as long as declared, cut after {progress}"))
            }
            (true, _) => (FailureKind::Protocol, format!("{h2} after {progress}")),
            _ => (FailureKind::Truncated, format!("stream ended after {progress}: {}", reason(h2))),
        }
    } else if let Some(io) = find::<io::Error>(error) {
        of_broken(io, &progress)
    } else {
        (FailureKind::Truncated, format!("connection closed after {progress}"))
    };
    Failure { kind, detail: short(detail) }
}

fn of_h2(error: &h2::Error) -> Trouble {
    if let Some(io) = error.get_io() {
        return match tls_error(io) {
            Some(tls) => Trouble::leg(FailureKind::Tls, format!("TLS failed: {tls}")),
            None if io.kind() == FLOODED => of_io(io, false),
            None => Trouble::closed(false),
        };
    }
    if error.is_library() {
        return Trouble::leg(FailureKind::Protocol, format!("HTTP/2 broken: {}", reason(error)));
    }
    let not_looked_at = match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) => true,
        Some(h2::Reason::NO_ERROR) => error.is_go_away(),
        _ => false,
    };
    let what = if error.is_go_away() { "connection" } else { "stream" };
    let trouble = Trouble::leg(FailureKind::Reset, format!("{what} ended by the leg: {}", reason(error)));
    Trouble { unanswered: not_looked_at, ..trouble }
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

fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        at = error.source();
    }
    None
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
        Self { failure: Failure { kind, detail: short(detail) }, fault: Fault::Leg, unanswered: false }
    }

    pub(super) fn proxy(detail: &str) -> Self {
        Self { fault: Fault::Proxy, ..Self::leg(FailureKind::Refused, detail.to_owned()) }
    }

    pub(super) fn closed(heard: bool) -> Self {
        let detail = if heard { "connection closed inside the head" } else { "connection closed before the head" };
        Self { unanswered: !heard, ..Self::leg(FailureKind::Reset, detail.to_owned()) }
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
