//! The bodies alone: the first byte chooses the media type, the rest are two bodies that differ in one place.
#![no_main]

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use parallax::diff::RouteRules;
use parallax::model::{Answer, BodyEnd, Captured};
use parallax_fuzz::{TYPES, bodies, check};

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let kind = TYPES[usize::from(*kind) % TYPES.len()];
    let Ok((a, b)) = bodies(&mut Unstructured::new(rest)) else { return };
    let answer = |body: Vec<u8>| Answer {
        status: StatusCode::OK,
        reason: Default::default(),
        headers: HeaderMap::from_iter((!kind.is_empty()).then(|| (CONTENT_TYPE, HeaderValue::from_static(kind)))).into(),
        body: Captured::whole(vec![Bytes::from(body)]),
        trailers: None,
        end: BodyEnd::Complete,
    };
    check(&RouteRules::none(), Method::GET, &answer(a), &answer(b));
});
