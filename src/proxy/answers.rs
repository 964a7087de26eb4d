//! The few answers the proxy gives itself, as `application/problem+json` that names the leg and the reason.

use super::body::AnswerBody;
use super::message::Reply;
use crate::model::{Failure, FailureKind, Leg};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, StatusCode};
use http_body_util::Full;

/// The primary could not be asked or gave no usable answer: 504 for a time-out, 502 otherwise.
/// Where the leg is, is not the user's business.
pub fn leg_failed(leg: Leg, failure: &Failure) -> Reply {
    let status = match failure.kind {
        FailureKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::BAD_GATEWAY,
    };
    let what = match failure.kind {
        FailureKind::Refused => "refused the connection",
        FailureKind::Tls => "could not be trusted (tls)",
        FailureKind::Timeout => "gave no answer in time",
        FailureKind::Reset | FailureKind::IdleRace => "closed the connection without an answer",
        FailureKind::Protocol | FailureKind::BadFraming | FailureKind::LengthMismatch => "broke the protocol",
        FailureKind::Truncated => "broke off its answer",
    };
    let mut reply = problem(status, &format!("the {leg} {what}"));
    reply.headers.table_mut().insert("x-parallax-failed-leg", HeaderValue::from_static(leg.as_str()));
    reply
}

/// The request itself cannot be served.
pub fn refused(status: StatusCode, detail: &str) -> Reply {
    problem(status, detail)
}

/// What a connection beyond the limit is told.
pub const TURNED_AWAY: &str = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
    content-type: application/problem+json\r\ncontent-length: 117\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\"detail\":\"the proxy is at its limit of connections\"}";

/// A problem document (RFC 9457).
fn problem(status: StatusCode, detail: &str) -> Reply {
    let body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": detail,
    });
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))]);
    let body = AnswerBody::Own(Full::new(Bytes::from(body.to_string())));
    Reply { status, reason: None, headers: headers.into(), body }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_length_of_the_fixed_answer_is_right() {
        let (head, body) = super::TURNED_AWAY.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
    }
}
