//! A stored exchange made into answers again, as far as what was stored allows.

use crate::evidence::{Example, ExampleMessage};
use crate::model::{Answer, BodyEnd, Captured, Reason, RequestHead};
use crate::redact;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use std::sync::Arc;

/// Why an exchange can't be compared again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// A body was kept in part.
    Cut,
    /// A body is not text.
    Binary,
    /// A leg gave no whole answer.
    NoAnswer,
    /// What was stored is nothing that an answer can be made of.
    Unreadable,
}

/// An exchange to compare again.
pub(super) enum Rebuilt {
    Whole(Box<(RequestHead, Answer, Answer)>),
    Not(Why),
}

pub(super) fn rebuild(example: &Example) -> Rebuilt {
    let whole = || Ok((request(&example.request)?, answer(&example.primary)?, answer(&example.candidate)?));
    match whole() {
        Ok(whole) => Rebuilt::Whole(Box::new(whole)),
        Err(why) => Rebuilt::Not(why),
    }
}

fn request(message: &ExampleMessage) -> Result<RequestHead, Why> {
    let mut words = message.start.split(' ');
    let method: Method = words.next().and_then(|m| m.parse().ok()).ok_or(Why::Unreadable)?;
    // A target that was cut or redacted is of no account to the comparison but as the base of links.
    let uri: Uri = words.next().and_then(|u| u.parse().ok()).unwrap_or_else(|| Uri::from_static("/"));
    let (headers, _) = fields(&message.headers)?;
    let host = headers.get(HOST).and_then(|h| h.to_str().ok()).map(Arc::from);
    Ok(RequestHead { method, uri, host, scheme: "http", headers: headers.into() })
}

fn answer(message: &ExampleMessage) -> Result<Answer, Why> {
    if message.start.contains("transport.") {
        return Err(Why::NoAnswer);
    }
    let (status, reason) = message.start.split_once(' ').unwrap_or((&message.start, ""));
    let status: StatusCode = status.parse().map_err(|_| Why::Unreadable)?;
    // Whether there was none or the usual one is not kept.
    let reason = match status.canonical_reason().unwrap_or_default() {
        usual if usual == reason => Reason::Usual,
        _ => Reason::Other(reason.as_bytes().into()),
    };
    let (mut headers, trailers) = fields(&message.headers)?;
    // The body was stored without its coding, and its length is what it is.
    for name in [CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    let body = body(message)?;
    Ok(Answer { status, reason, headers: headers.into(), body, trailers, end: BodyEnd::Complete })
}

fn body(message: &ExampleMessage) -> Result<Captured, Why> {
    if message.binary {
        return Err(Why::Binary);
    }
    let longest = redact::MAX_BODY - '…'.len_utf8();
    let cut = message.body.len() > longest && message.body.ends_with('…');
    if cut || message.body.starts_with("[not kept: ") {
        return Err(Why::Cut);
    }
    Ok(Captured::whole(vec![Bytes::copy_from_slice(message.body.as_bytes())]))
}

/// Headers and trailers.
fn fields(stored: &[(String, String)]) -> Result<(HeaderMap, Option<HeaderMap>), Why> {
    let (mut headers, mut trailers) = (HeaderMap::new(), HeaderMap::new());
    for (name, value) in stored {
        let (map, name) = match name.strip_prefix("trailer:") {
            Some(name) => (&mut trailers, name),
            None => (&mut headers, name.as_str()),
        };
        let name: HeaderName = name.parse().map_err(|_| Why::Unreadable)?;
        map.append(name, HeaderValue::from_bytes(value.as_bytes()).map_err(|_| Why::Unreadable)?);
    }
    Ok((headers, (!trailers.is_empty()).then_some(trailers)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn message(start: &str, body: &str) -> ExampleMessage {
        ExampleMessage {
            start: start.into(),
            headers: vec![("content-type".into(), "application/json".into()), ("content-length".into(), "99".into())],
            body: body.into(),
            body_bytes: body.len() as u64,
            binary: false,
        }
    }

    fn of(primary: ExampleMessage, candidate: ExampleMessage) -> Rebuilt {
        let request = ExampleMessage { start: "GET /a?b=c".into(), ..ExampleMessage::default() };
        let at = Timestamp::from_micros(1);
        rebuild(&Example {
            id: "x".into(),
            at,
            request,
            primary,
            candidate,
            differences: vec![],
            rules: Default::default(),
        })
    }

    #[test]
    fn a_stored_exchange_is_whole_again() {
        let Rebuilt::Whole(whole) = of(message("200 OK", "{}"), message("418 teapot", "{\"a\":1}")) else { panic!() };
        let (request, primary, candidate) = *whole;
        assert_eq!((request.method, request.uri.path()), (Method::GET, "/a"));
        assert_eq!((primary.status, primary.reason, primary.headers.table().len()), (StatusCode::OK, Reason::Usual, 1));
        assert_eq!(candidate.reason, Reason::Other(b"teapot"[..].into()));
        assert_eq!(candidate.body.len(), 7);
    }

    #[test]
    fn what_was_kept_in_part_is_not_compared() {
        let cut = message("200 OK", &format!("{}…", "x".repeat(redact::MAX_BODY)));
        let binary = ExampleMessage { binary: true, ..message("200 OK", "00000000  00") };
        for (odd, expect) in [
            (cut, Why::Cut),
            (message("200 OK", "[not kept: 9 bytes, xxh3 0]"), Why::Cut),
            (binary, Why::Binary),
            (message("transport.refused: connection refused", ""), Why::NoAnswer),
            (message("200 OK (transport.truncated: 3 of 9 bytes)", "abc"), Why::NoAnswer),
            (message("", ""), Why::Unreadable),
        ] {
            let Rebuilt::Not(why) = of(message("200 OK", "{}"), odd) else { panic!("{expect:?}") };
            assert_eq!(why, expect);
        }
    }
}
