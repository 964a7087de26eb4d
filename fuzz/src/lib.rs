//! Answers, requests and rules from arbitrary bytes, and what must hold of any comparison; messages in pieces.

use arbitrary::{Arbitrary, Unstructured};
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use parallax::diff::{Context, Findings, Limits, RouteRules, RuleSpec, compare, is_match, summary};
use parallax::http1::{Decoded, Decoder};
use parallax::model::{Answer, BodyEnd, Captured, Failure, FailureKind, Leg, Outcome, PerLeg, RequestHead, Timestamp};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Media types whose bodies are read.
pub const TYPES: &[&str] = &[
    "application/json",
    "application/x-ndjson",
    "application/json-seq",
    "text/event-stream",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "multipart/mixed; boundary=\"b\"",
    "text/csv",
    "text/tab-separated-values",
    "application/xml",
    "text/xml; charset=iso-8859-1",
    "text/html",
    "text/plain",
    "application/msgpack",
    "application/cbor",
    "application/grpc",
    "application/grpc-web-text",
    "application/x-protobuf",
    "application/octet-stream",
    "",
];

const CODINGS: &[&str] = &["", "", "", "gzip", "deflate", "br", "zstd", "gzip, br", "pied"];

const NAMES: &[&str] = &[
    "x-a",
    "vary",
    "allow",
    "cache-control",
    "etag",
    "last-modified",
    "location",
    "link",
    "refresh",
    "set-cookie",
    "expires",
    "retry-after",
    "content-length",
    "content-disposition",
    "content-security-policy",
    "strict-transport-security",
    "www-authenticate",
    "access-control-allow-origin",
    "content-range",
    "permissions-policy",
    "grpc-status",
    "grpc-message",
];

/// An answer of any look.
pub fn answer(u: &mut Unstructured<'_>, kind: &str, body: Vec<u8>) -> arbitrary::Result<Answer> {
    let status = StatusCode::from_u16(*u.choose(&[200u16, 200, 200, 204, 206, 302, 304, 404, 500])?).unwrap();
    let mut headers = HeaderMap::new();
    if !kind.is_empty() {
        headers.insert("content-type", HeaderValue::from_str(kind).unwrap());
    }
    let coding = *u.choose(CODINGS)?;
    if !coding.is_empty() {
        headers.insert("content-encoding", HeaderValue::from_static(coding));
    }
    for _ in 0..u.int_in_range(0..=4)? {
        let name = HeaderName::from_static(u.choose(NAMES)?);
        let value: &[u8] = u.arbitrary()?;
        if let Ok(value) = HeaderValue::from_bytes(&value[..value.len().min(200)]) {
            headers.append(name, value);
        }
    }
    let body = match u.ratio(1, 20)? {
        true => Captured::Digest { xxh3: u.arbitrary()?, length: body.len() as u64, given_up: false },
        false => Captured::whole(vec![Bytes::from(body)]),
    };
    let end = match u.ratio(1, 20)? {
        true => BodyEnd::Broken(Failure { kind: FailureKind::Truncated, detail: "cut".into() }),
        false => BodyEnd::Complete,
    };
    let trailers = match u.ratio(1, 10)? {
        true => Some(HeaderMap::from_iter([(
            HeaderName::from_static("grpc-status"),
            HeaderValue::from(u.arbitrary::<u16>()?),
        )])),
        false => None,
    };
    Ok(Answer { status, reason: Default::default(), headers: headers.into(), body, trailers, end })
}

/// Two bodies that have much in common: the second is the first with a part replaced.
pub fn bodies(u: &mut Unstructured<'_>) -> arbitrary::Result<(Vec<u8>, Vec<u8>)> {
    let (at, cut) = (u.arbitrary::<u16>()?, u.arbitrary::<u8>()?);
    let with: &[u8] = u.arbitrary()?;
    let first = u.bytes(u.len())?.to_vec();
    let at = usize::from(at) % (first.len() + 1);
    let end = (at + usize::from(cut) % 16).min(first.len());
    let second = [&first[..at], &with[..with.len().min(64)], &first[end..]].concat();
    Ok((first, second))
}

/// Compares both ways and with themselves; all that must hold of any two answers.
pub fn check(rules: &RouteRules, method: Method, a: &Answer, b: &Answer) {
    let origins =
        PerLeg { primary: Some("http://old:1".to_owned()), candidate: Some("http://new:2".to_owned()), control: None };
    let bodiless = method == Method::HEAD;
    let request = RequestHead {
        method,
        uri: "/pkg.Service/Method?q=1".parse().unwrap(),
        host: Some("shop.example".into()),
        scheme: "http",
        headers: Default::default(),
    };
    let polls = Cell::new(0u64);
    let started = Instant::now();
    let expired = || {
        polls.set(polls.get() + 1);
        polls.get() > 10_000
    };
    let context = Context {
        request: &request,
        rules,
        origins: &origins,
        other: Leg::Candidate,
        arrived: Some(Timestamp::from_micros(0)),
        skew: Duration::from_secs(1),
        skip_headers: &[],
        limits: Limits::default(),
        expired: &expired,
    };
    let run = |x: &Answer, y: &Answer| compare(&context, x, &Outcome::Answer(Box::new(y.clone())));
    let forth = run(a, b);
    let back = run(b, a);
    let counts = |f: &Findings| f.list.iter().any(|f| f.counts()) || f.dropped > 0;
    if is_match(rules, &[], a, b) {
        assert!(forth.is_match(), "{forth:?}");
    }
    // Each leg's own origin is put aside, a broken primary is another matter than a broken candidate.
    if a.end == BodyEnd::Complete && b.end == BodyEnd::Complete {
        assert_eq!(forth.is_match(), back.is_match(), "{forth:?} {back:?}");
        if forth.is_match()
            && !bodiless
            && a.status == b.status
            && !a.status.is_redirection()
            && a.status != 204
            && a.status != 304
        {
            assert!(same_content(a, b), "{a:?} {b:?}");
        }
        let _ = (counts(&forth), counts(&back));
        let own = run(a, a);
        assert!(own.is_match(), "{own:?}");
    }
    for finding in forth.list.iter().chain(&back.list) {
        assert!(!summary(finding).is_empty());
        // Texts are cut once they are redacted.
        assert!(finding.location.len() < 100_000 && finding.primary.as_ref().is_none_or(|p| p.len() < 20_000));
    }
    assert!(started.elapsed() < Duration::from_secs(20), "too slow");
}

/// Nothing that differs in content is equal; where a coding is undone the bytes may differ, and a mapped origin too.
fn same_content(a: &Answer, b: &Answer) -> bool {
    a.body.same_bytes(&b.body)
        || a.headers.has(&CONTENT_ENCODING)
        || b.headers.has(&CONTENT_ENCODING)
        || [a, b].iter().any(|x| {
            x.body.contiguous().is_none_or(|body| {
                [&b"old:1"[..], b"new:2", b"shop.example"].iter().any(|o| body.windows(o.len()).any(|w| w == *o))
            })
        })
}

/// A rule of any look; most of them make sense.
pub fn rule(u: &mut Unstructured<'_>, n: usize) -> arbitrary::Result<RuleSpec> {
    use parallax::diff::{Align, Ignore, Mask, Shape, Tolerance};
    const AT: &[&str] = &[
        "json:$",
        "json:$.a",
        "json:$.a[*]",
        "json:$..a",
        "json:$[*].a",
        "json:$.*",
        "json:$['a b'][0]",
        "status",
        "body",
        "text",
        "transport",
        "header:x-a",
        "header:x-*",
        "cookie:a",
        "trailer:grpc-status",
        "xml:/a/b",
        "xml://b",
        "xml:/a/@b",
        "grpc:$.f1",
        "grpc:status",
    ];
    let at = match u.ratio(1, 4)? {
        true => {
            let text: &str = u.arbitrary()?;
            format!(
                "{}{}",
                u.choose(&["json:$", "json:", "xml:/", "grpc:$", "header:", ""])?,
                text.chars().take(60).collect::<String>()
            )
        }
        false => (*u.choose(AT)?).to_owned(),
    };
    let mut spec = RuleSpec { id: format!("r{n}"), on: "*".into(), at, ..RuleSpec::default() };
    let words = |u: &mut Unstructured<'_>| -> arbitrary::Result<String> {
        let text: &str = u.arbitrary()?;
        Ok(text.chars().take(30).collect())
    };
    for _ in 0..u.int_in_range(1..=2)? {
        match u.int_in_range(0..=7)? {
            0 => {
                spec.ignore =
                    Some(*u.choose(&[Ignore::All, Ignore::Missing, Ignore::Extra, Ignore::Value, Ignore::Order])?)
            }
            1 => {
                spec.tolerance = Some(Tolerance {
                    absolute: u.arbitrary()?,
                    relative: u.arbitrary()?,
                    ulps: u.arbitrary()?,
                    f32_ulps: u.arbitrary()?,
                    time: u.arbitrary::<Option<u16>>()?.map(|s| Duration::from_secs(s.into())),
                });
            }
            2 => spec.numeric_string = true,
            3 => {
                spec.align = Some(match u.int_in_range(0..=5)? {
                    0 => Align::Lcs,
                    1 => Align::Index,
                    2 => Align::Set,
                    3 => Align::Multiset,
                    4 => Align::Auto,
                    _ => Align::Key(vec![(*u.choose(&["id", "[0]", "a.b", "@id", ""])?).to_owned()]),
                });
            }
            4 => {
                spec.shape = Some(match u.arbitrary()? {
                    true => {
                        Shape::Class((*u.choose(&["uuid", "int", "hex", "string", "rfc3339", "number"])?).to_owned())
                    }
                    false => Shape::Regex(words(u)?),
                });
            }
            5 => spec.same = vec![vec![words(u)?, "null".into(), "missing".into()]],
            6 => spec.mask = Some(Mask { pattern: words(u)?, with: words(u)? }),
            _ => spec.bijection = Some("g".into()),
        }
    }
    Ok(spec)
}

/// Two answers of one media type.
#[derive(Debug)]
pub struct Pair {
    pub method: Method,
    pub primary: Answer,
    pub candidate: Answer,
}

impl<'a> Arbitrary<'a> for Pair {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let kind = *u.choose(TYPES)?;
        let other = if u.ratio(1, 10)? { *u.choose(TYPES)? } else { kind };
        let method = u.choose(&[Method::GET, Method::HEAD, Method::POST])?.clone();
        let heads = (answer(u, kind, Vec::new())?, answer(u, other, Vec::new())?);
        let (a, b) = bodies(u)?;
        let head = method == Method::HEAD;
        let put = |mut answer: Answer, body: Vec<u8>| {
            // Such answers have no body.
            if head || matches!(answer.status.as_u16(), 204 | 304) {
                answer.body = Captured::empty();
            } else if !matches!(answer.body, Captured::Digest { .. }) {
                answer.body = Captured::whole(vec![Bytes::from(body)]);
            }
            answer
        };
        Ok(Pair { method, primary: put(heads.0, a), candidate: put(heads.1, b) })
    }
}

/// `bytes` cut at places that `cuts` say.
pub fn pieces<'b>(bytes: &'b [u8], cuts: &[u8]) -> Vec<&'b [u8]> {
    let mut rest = bytes;
    let mut pieces = Vec::new();
    for cut in cuts {
        let (piece, after) = rest.split_at(usize::from(*cut).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

/// Appends the content of the body that is there. Says how it ended, where it did.
pub fn body(decoder: &mut Decoder, buf: &mut BytesMut, content: &mut Vec<u8>) -> Option<String> {
    loop {
        match decoder.next(buf) {
            Ok(Decoded::Data(data)) => content.extend_from_slice(&data),
            Ok(Decoded::Trailers(trailers)) => return Some(format!("{trailers:?}")),
            Ok(Decoded::More) => return None,
            Ok(Decoded::End) => return Some("the end".to_owned()),
            Err(error) => return Some(error.to_string()),
        }
    }
}
