//! Bytes that may be an answer over HTTP/1.1: read, refused or waited for, and the same in whatever pieces they come.
#![no_main]

use bytes::BytesMut;
use http::Method;
use libfuzzer_sys::fuzz_target;
use parallax::http1::{AnswerHead, Decoded, Decoder, HeadLimits, head};
use parallax_fuzz::{body, pieces};

fuzz_target!(|input: (u8, Vec<u8>, Vec<u8>)| {
    let (method, cuts, bytes) = input;
    let method = [Method::GET, Method::HEAD, Method::CONNECT][usize::from(method % 3)].clone();
    let whole = read(&method, &[&bytes]);
    assert_eq!(whole, read(&method, &pieces(&bytes, &cuts)), "{}", String::from_utf8_lossy(&bytes));
});

/// What is read of an answer, interim ones before it included, as text; then its body.
fn read(method: &Method, pieces: &[&[u8]]) -> (Vec<String>, Vec<u8>) {
    let limits = HeadLimits { max_headers: 128, max_bytes: 1 << 20 };
    let (mut buf, mut heads, mut content) = (BytesMut::new(), Vec::new(), Vec::new());
    let mut decoder: Option<Decoder> = None;
    for piece in pieces {
        buf.extend_from_slice(piece);
        while decoder.is_none() {
            let found = match AnswerHead::take(&mut buf, limits) {
                Ok(None) => break,
                Ok(Some(found)) => found,
                Err(error) => {
                    heads.push(error.to_string());
                    return (heads, content);
                }
            };
            heads.push(written(&found));
            if found.is_interim() {
                continue;
            }
            match found.framing(method) {
                Ok(framing) => decoder = Some(Decoder::new(framing, limits)),
                Err(error) => {
                    heads.push(error.to_string());
                    return (heads, content);
                }
            }
        }
        if let Some(decoder) = &mut decoder
            && let Some(end) = body(decoder, &mut buf, &mut content)
        {
            heads.push(end);
            return (heads, content);
        }
    }
    if let Some(decoder) = &mut decoder {
        assert!(matches!(decoder.next(&mut buf), Ok(Decoded::More)));
        heads.push(format!("end of the connection, {}", decoder.end()));
    }
    (heads, content)
}

/// The head as it would go on; read again, it is the same.
fn written(found: &AnswerHead) -> String {
    let write = |found: &AnswerHead| {
        let mut out = BytesMut::new();
        head::put_status_line(&mut out, found.version_11, found.status, found.reason.as_deref());
        found.headers.put(&mut out, |_| false);
        out.extend_from_slice(b"\r\n");
        out
    };
    let out = write(found);
    let again = AnswerHead::take(&mut out.clone(), HeadLimits { max_headers: 128, max_bytes: 1 << 20 });
    let again = again.ok().flatten().unwrap_or_else(|| panic!("{out:?}"));
    assert_eq!(out, write(&again));
    assert_eq!((found.keeps_alive(), found.headers.names().count()), (again.keeps_alive(), again.headers.names().count()));
    format!("{out:?}")
}
