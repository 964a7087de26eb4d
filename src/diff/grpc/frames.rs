//! The frames of a call's body: their messages, uncompressed, and the trailers that gRPC-Web sends as a frame.

use super::super::budget::Budget;
use super::super::coding::{self, CodingError, Limits};
use super::wire::Fault;
use super::{ENCODING, field, media_type};
use crate::model::{Answer, Captured};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::borrow::Cow;

/// What the type of gRPC-Web begins with.
const WEB: &[u8] = b"application/grpc-web";

/// Marks a frame of trailers.
const TRAILERS: u8 = 0x80;

/// Standard base64, padded or not, as gRPC sends binary metadata.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// One frame and what is in it.
#[derive(Debug)]
pub(super) struct Framed<'a> {
    pub(super) flag: u8,
    pub(super) payload: &'a [u8],
    /// The message; `None` where its coding is not known.
    pub(super) message: Option<Cow<'a, [u8]>>,
}

/// All frames of a body; a fault where the bytes are not whole frames or what is compressed is corrupt.
pub(super) fn read<'a>(
    answer: &Answer,
    mut body: &'a [u8],
    limits: Limits,
    budget: &mut Budget<'_>,
) -> Result<Vec<Framed<'a>>, Fault> {
    let name = field(answer, &ENCODING).map(|c| c.to_ascii_lowercase()).filter(|c| c != "identity");
    let mut left = limits.decoded;
    let mut all = Vec::new();
    while !body.is_empty() {
        budget.spend(1)?;
        let (flag, payload, rest) = split(body).ok_or(Fault::Wire)?;
        let message = match (flag, &name) {
            (0, _) => Some(Cow::Borrowed(payload)),
            (1, Some(coding)) => {
                let limits = Limits { decoded: left, ..limits };
                let decoded = coding::decode(payload, std::slice::from_ref(coding), limits, budget.expired);
                match decoded {
                    Ok(message) => {
                        left = left.saturating_sub(message.len() as u64);
                        budget.tick(1 + message.len() / 64)?;
                        Some(message)
                    }
                    Err(CodingError::TooLarge) => return Err(Fault::Limit("size")),
                    Err(CodingError::TooLong) => return Err(Fault::Limit("time")),
                    Err(CodingError::Corrupt(_)) => return Err(Fault::Wire),
                    Err(CodingError::Unknown(_)) => None,
                }
            }
            _ => None,
        };
        all.push(Framed { flag, payload, message });
        body = rest;
    }
    Ok(all)
}

/// The messages of all frames; `None` where one can't be read.
pub(super) fn messages<'a>(all: &[Framed<'a>]) -> Option<Vec<Cow<'a, [u8]>>> {
    all.iter().map(|frame| frame.message.clone()).collect()
}

/// Whether a body is nothing but frames with empty messages, one at least.
pub(super) fn only_empty_messages(body: &[u8]) -> bool {
    !body.is_empty() && body.len().is_multiple_of(5) && body.iter().all(|b| *b == 0)
}

/// A gRPC-Web answer as the gRPC answer that it stands for: its body in bytes, its trailers behind the messages. What
/// can't be read so stays as it is.
pub(super) fn unwrapped(answer: &Answer) -> Cow<'_, Answer> {
    // What is not it is seen without a copy.
    let declared = answer.headers.first(&CONTENT_TYPE).map_or(&[][..], |value| value.trim_ascii_start());
    if !declared.get(..WEB.len()).is_some_and(|head| head.eq_ignore_ascii_case(WEB)) {
        return Cow::Borrowed(answer);
    }
    let media = media_type(answer);
    if !media.starts_with("application/grpc-web") || answer.headers.has(&CONTENT_ENCODING) {
        return Cow::Borrowed(answer);
    }
    let Some(sent) = answer.body.contiguous() else { return Cow::Borrowed(answer) };
    let body = if media.starts_with("application/grpc-web-text") {
        match texts(&sent) {
            Some(bytes) => Cow::Owned(bytes),
            None => return Cow::Borrowed(answer),
        }
    } else {
        sent
    };
    let mut rest = &*body;
    while let Some((flag, payload, after)) = split(rest) {
        if flag == TRAILERS && after.is_empty() {
            let Some(trailers) = fields(payload) else { break };
            let messages = body.get(..body.len() - rest.len()).unwrap_or_default();
            let body = Captured::whole(vec![Bytes::copy_from_slice(messages)]);
            return Cow::Owned(Answer { body, trailers: Some(trailers), ..answer.clone() });
        }
        rest = after;
    }
    match body {
        Cow::Owned(bytes) => Cow::Owned(Answer { body: Captured::whole(vec![Bytes::from(bytes)]), ..answer.clone() }),
        Cow::Borrowed(_) => Cow::Borrowed(answer),
    }
}

pub(super) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    BASE64.decode(text.trim_ascii()).ok()
}

/// Whether two lists of values in base64 are the same bytes.
pub(in crate::diff) fn is_same_binary(a: &str, b: &str) -> bool {
    let values = |list: &str| list.split(',').map(|v| base64(v.as_bytes())).collect::<Option<Vec<_>>>();
    matches!((values(a), values(b)), (Some(x), Some(y)) if x == y)
}

/// The flag and payload of the first frame, and what is behind it.
fn split(body: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, rest) = body.split_first_chunk::<5>()?;
    let [flag, a, b, c, d] = *head;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    let (payload, rest) = rest.split_at_checked(length)?;
    Some((flag, payload, rest))
}

/// Base64 that may have been written piece by piece, with padding behind each.
fn texts(body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(body.len() / 4 * 3);
    for piece in body.split_inclusive(|b| *b == b'=') {
        // The second of two padding signs stands alone.
        if piece != b"=" {
            out.extend(base64(piece)?);
        }
    }
    Some(out)
}

/// `name: value` lines.
fn fields(block: &[u8]) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    for line in block.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
        let at = memchr::memchr(b':', line)?;
        let (name, value) = line.split_at_checked(at)?;
        let name = HeaderName::from_bytes(name.trim_ascii()).ok()?;
        map.append(name, HeaderValue::from_bytes(value.get(1..)?.trim_ascii()).ok()?);
    }
    Some(map)
}
