//! Bytes that a client may send: what the guard lets pass is read, the same in whatever pieces it comes.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use parallax::http1::{Decoder, HeadLimits};
use parallax::proxy::guard::{Limits, Scanner, Step};
use parallax_fuzz::{body, pieces};

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (cuts, bytes) = input;
    assert_eq!(read(&[&bytes]), read(&pieces(&bytes, &cuts)), "{}", String::from_utf8_lossy(&bytes));
});

/// Request after request, as text, up to the first that is refused; and their bodies.
fn read(pieces: &[&[u8]]) -> (Vec<String>, Vec<u8>) {
    let limits = Limits { max_headers: 64, max_header_bytes: 1 << 16 };
    let mut scanner = Scanner::new(limits);
    let (mut buf, mut clear, mut content) = (BytesMut::new(), BytesMut::new(), Vec::new());
    let mut requests = Vec::new();
    let mut decoder: Option<Decoder> = None;
    for piece in pieces {
        buf.extend_from_slice(piece);
        while !buf.is_empty() {
            let in_head = scanner.in_head();
            let n = match scanner.step(&buf) {
                Ok(Step::NeedMore) => break,
                Ok(Step::Skip(n)) => {
                    drop(buf.split_to(n));
                    continue;
                }
                Ok(Step::Release(n)) => n,
                Err(refusal) => {
                    requests.push(refusal.code.to_owned());
                    return (requests, content);
                }
            };
            let passed = buf.split_to(n).freeze();
            if in_head {
                assert!(decoder.is_none(), "a head inside a body");
                decoder = head(&scanner, passed, &mut requests);
                continue;
            }
            clear.extend_from_slice(&passed);
            let reading = decoder.as_mut().expect("a body without a head");
            if let Some(end) = body(reading, &mut clear, &mut content) {
                // Both see the same end, and what was checked can be read.
                assert!(scanner.in_head() && reading.is_ended() && clear.is_empty(), "{end}");
                requests.push(end);
                decoder = None;
            } else {
                assert!(!scanner.in_head(), "the guard sees an end that the decoder does not");
            }
        }
    }
    (requests, content)
}

/// The decoder for the body that follows, where there is one.
fn head(scanner: &Scanner, bytes: Bytes, requests: &mut Vec<String>) -> Option<Decoder> {
    let head = match scanner.head(bytes) {
        Ok(head) => head,
        Err(refusal) => panic!("passed, and then {refusal}"),
    };
    requests.push(format!("{} {} {:?} {:?}", head.method, head.uri, head.framing, head.headers));
    let decoder = Decoder::new(head.framing, HeadLimits { max_headers: 64, max_bytes: 1 << 16 });
    (!decoder.is_ended()).then_some(decoder)
}
