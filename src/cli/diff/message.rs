//! Stored answers: raw HTTP messages as tools keep them, or bare bodies.
//!
//! Of several heads, as after `100 Continue` or redirects that were followed, the last one is the answer.

use super::Failure;
use crate::model::{self, Answer, BodyEnd, Captured, FailureKind, Fields, Reason};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode, Version};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

const MAX_FILE: u64 = 256 << 20;
const MAX_HEADERS: usize = 1024;

/// A stored answer: a raw HTTP message, or a bare body where its type is given. `-` is standard input.
pub(super) fn read(path: &Path, content_type: Option<&str>, head_only: bool) -> Result<Answer, Failure> {
    let fail = |why: String| Failure::new(format!("cannot read an answer from {}: {why}", path.display()));
    let mut bytes = Vec::new();
    let limit = MAX_FILE + 1;
    let done = match super::is_stdin(path) {
        true => io::stdin().lock().take(limit).read_to_end(&mut bytes),
        false => File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)),
    };
    done.map_err(|e| fail(e.to_string()))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(fail("it is larger than 256 MiB".into()));
    }
    let Some(content_type) = content_type else {
        return parse(&bytes, head_only)
            .map_err(|why| fail(why).help("store it as `curl -i` prints it, or give --content-type for a bare body"));
    };
    let value = HeaderValue::from_str(content_type)
        .map_err(|_| Failure::new(format!("`{}` is not a content type", content_type.escape_debug())))?;
    Ok(Answer {
        status: StatusCode::OK,
        reason: Default::default(),
        headers: HeaderMap::from_iter([(CONTENT_TYPE, value)]).into(),
        body: Captured::whole(vec![Bytes::from(bytes)]),
        trailers: None,
        end: BodyEnd::Complete,
    })
}

fn parse(bytes: &[u8], head_only: bool) -> Result<Answer, String> {
    let mut rest = bytes;
    let (status, reason, headers) = loop {
        let (head, after) = head(rest)?;
        rest = after;
        if !after.starts_with(b"HTTP/") && !head.0.is_informational() {
            break head;
        }
    };
    let chunked = headers.get(TRANSFER_ENCODING).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"chunked"));
    let declared = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.trim().parse::<usize>().ok());
    let bodiless = head_only || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    let cut = |detail: String| BodyEnd::Broken(model::Failure { kind: FailureKind::Truncated, detail });
    let (body, trailers, end) = match declared {
        // `curl -i` stores chunked bodies joined; `nc` stores them as they came.
        _ if chunked => match Chunked::read(rest) {
            Chunked::Joined => (rest.to_vec(), None, BodyEnd::Complete),
            Chunked::Whole(body, trailers) => (body, trailers, BodyEnd::Complete),
            Chunked::Cut(body) => {
                let end = cut(format!("{} bytes, and no last chunk", body.len()));
                (body, None, end)
            }
        },
        Some(length) if rest.len() < length && !bodiless => {
            (rest.to_vec(), None, cut(format!("{} of {length} bytes", rest.len())))
        }
        // An editor ends the last line of a file.
        Some(length) if matches!(rest.get(length..), Some(b"\n" | b"\r\n")) => {
            (rest.get(..length).unwrap_or(rest).to_vec(), None, BodyEnd::Complete)
        }
        _ => (rest.to_vec(), None, BodyEnd::Complete),
    };
    let mut headers = Fields::from(headers);
    headers.strip_hop_by_hop();
    Ok(Answer { status, reason, headers, body: Captured::whole(vec![Bytes::from(body)]), trailers, end })
}

type Head = (StatusCode, Reason, HeaderMap);

/// Status line and fields of any version of HTTP, and what follows them.
fn head(bytes: &[u8]) -> Result<(Head, &[u8]), String> {
    let line_end = memchr::memchr(b'\n', bytes).ok_or("it is not an HTTP message: its first line does not end")?;
    let (line, rest) = bytes.split_at(line_end + 1);
    let mut words = line.trim_ascii_end().splitn(3, |b| *b == b' ');
    let version = match words.next().and_then(|version| version.strip_prefix(b"HTTP/")) {
        Some(version) if version.starts_with(b"1") => Version::HTTP_11,
        Some(_) => Version::HTTP_2,
        None => return Err("it is not an HTTP message: it does not begin with HTTP/".into()),
    };
    let status = words.next().and_then(|code| StatusCode::from_bytes(code).ok()).ok_or("its status is not one")?;
    let phrase = words.next().unwrap_or_default();
    let unusual = (status.canonical_reason().map(str::as_bytes) != Some(phrase)).then_some(phrase);
    // A phrase behind HTTP/2 was made up by whoever stored it.
    let reason = Reason::new(version, unusual.filter(|_| version == Version::HTTP_11));
    let (headers, rest) = fields(rest)?.ok_or("its head does not end")?;
    Ok(((status, reason, headers), rest))
}

/// A block of fields up to its empty line; `None` where that is missing.
fn fields(bytes: &[u8]) -> Result<Option<(HeaderMap, &[u8])>, String> {
    let mut parsed = vec![httparse::EMPTY_HEADER; MAX_HEADERS];
    let (used, parsed) = match httparse::parse_headers(bytes, &mut parsed) {
        Ok(httparse::Status::Complete(found)) => found,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(e) => return Err(format!("it is not an HTTP message: {e}")),
    };
    let mut headers = HeaderMap::new();
    for field in parsed {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|e| e.to_string())?;
        headers.append(name, HeaderValue::from_bytes(field.value).map_err(|e| e.to_string())?);
    }
    Ok(Some((headers, bytes.get(used..).unwrap_or_default())))
}

/// A body whose head says that it is chunked.
enum Chunked {
    /// It is not: whoever stored it has joined the chunks.
    Joined,
    Whole(Vec<u8>, Option<HeaderMap>),
    Cut(Vec<u8>),
}

// === impl Chunked ===

impl Chunked {
    fn read(stored: &[u8]) -> Chunked {
        let mut body = Vec::new();
        let mut rest = stored;
        while let Some((size, after)) = chunk_size(rest) {
            if size == 0 {
                return match fields(after) {
                    Ok(Some((trailers, _))) => Chunked::Whole(body, Some(trailers).filter(|t| !t.is_empty())),
                    _ => break,
                };
            }
            let Some((data, after)) = after.split_at_checked(size) else { break };
            let Some(after) = after.strip_prefix(b"\r\n") else { break };
            body.extend_from_slice(data);
            rest = after;
        }
        if rest.len() == stored.len() { Chunked::Joined } else { Chunked::Cut(body) }
    }
}

fn chunk_size(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match httparse::parse_chunk_size(bytes).ok()? {
        httparse::Status::Complete((used, size)) => Some((usize::try_from(size).ok()?, bytes.get(used..)?)),
        httparse::Status::Partial => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status, body, trailers and how it ended, in a line.
    fn read(stored: &str) -> String {
        match parse(stored.as_bytes(), false) {
            Err(why) => why,
            Ok(answer) => {
                let end = match &answer.end {
                    BodyEnd::Complete => String::new(),
                    BodyEnd::Broken(failure) => format!(" broken: {}", failure.detail),
                    other => format!(" {other:?}"),
                };
                let reason = match &answer.reason {
                    Reason::Absent => "",
                    _ => &format!(" {}", answer.reason.text(answer.status)),
                };
                let trailers = answer.trailers.map(|t| format!(" {t:?}")).unwrap_or_default();
                let body = answer.body.contiguous().unwrap().into_owned();
                format!("{}{reason} {:?}{trailers}{end}", answer.status.as_u16(), String::from_utf8_lossy(&body))
            }
        }
    }

    #[test]
    fn messages_as_tools_store_them() {
        for (stored, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi", r#"200 OK "hi""#),
            ("HTTP/1.1 200 Fine\nA: b\n\nhi", r#"200 Fine "hi""#),
            ("HTTP/2 404 \r\nx-a: 1\r\n\r\nno", r#"404 "no""#),
            ("HTTP/3 200\r\n\r\n", r#"200 """#),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", r#"200 OK "hi""#),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhi there", r#"200 OK "hi there""#),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n",
                r#"200 OK "hi" {"x-sum": "7"}"#,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n9\r\nth",
                r#"200 OK "hi" broken: 2 bytes, and no last chunk"#,
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", r#"200 OK "hi" broken: 2 of 9 bytes"#),
            // What is more than was declared is kept, but for the end of the last line.
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi\n", r#"200 OK "hi""#),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi there", r#"200 OK "hi there""#),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", r#"304 Not Modified """#),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nA: b\r\n\r\nhi", r#"201 Created "hi""#),
            ("HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 5\r\n\r\nHTTP/2 200 \r\n\r\nhi", r#"200 "hi""#),
            ("{\"a\":1}", "it is not an HTTP message: its first line does not end"),
            ("{\n}", "it is not an HTTP message: it does not begin with HTTP/"),
            ("HTTP/1.1 2000 OK\r\n\r\n", "its status is not one"),
            ("HTTP/1.1 200 OK\r\nA: b\r\n", "its head does not end"),
        ] {
            assert_eq!(read(stored), expected, "{stored:?}");
        }
        let head = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true).unwrap();
        assert_eq!(head.end, BodyEnd::Complete);
    }
}
