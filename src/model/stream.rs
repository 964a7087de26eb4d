//! Bodies that need not end: how their types are told, and where one event ends and the next begins.

use super::Fields;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use memchr::memmem;

/// How the events of an open-ended body are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Server-sent events: a blank line ends one.
    Blocks,
    /// NDJSON and its like: a line each.
    Lines,
    /// JSON text sequences: a record separator begins one.
    Records,
    /// gRPC: five bytes of flag and length before each.
    Frames,
    /// `multipart/x-mixed-replace`: the next boundary ends one.
    Parts,
}

const SEPARATOR: u8 = 0x1e;
const GRPC: &str = "application/grpc";
/// But for gRPC, whose types go on behind their name.
const TYPES: [(&str, Stream); 11] = [
    ("text/event-stream", Stream::Blocks),
    ("application/x-ndjson", Stream::Lines),
    ("application/ndjson", Stream::Lines),
    ("application/jsonl", Stream::Lines),
    ("application/x-jsonl", Stream::Lines),
    ("application/jsonlines", Stream::Lines),
    ("application/x-jsonlines", Stream::Lines),
    ("application/stream+json", Stream::Lines),
    ("application/x-json-stream", Stream::Lines),
    ("application/json-seq", Stream::Records),
    ("multipart/x-mixed-replace", Stream::Parts),
];

// === impl Stream ===

impl Stream {
    /// What the answer with these headers is, where it may go on for ever. Under a content coding events cannot be told
    /// apart while it goes on.
    pub fn of(headers: &Fields) -> Option<Self> {
        let coded = headers.all(&CONTENT_ENCODING).any(|c| !c.eq_ignore_ascii_case(b"identity"));
        if coded {
            return None;
        }
        let declared = headers.first(&CONTENT_TYPE)?;
        let name = declared.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        if let Some((_, stream)) = TYPES.iter().find(|(one, _)| name.eq_ignore_ascii_case(one.as_bytes())) {
            return Some(*stream);
        }
        let (grpc, rest) = name.split_at_checked(GRPC.len())?;
        let frames = grpc.eq_ignore_ascii_case(GRPC.as_bytes()) && matches!(rest.first(), None | Some(b'+'));
        frames.then_some(Stream::Frames)
    }

    /// Whole events at the beginning of `body`, at most `most`, and where the last of them ends.
    pub fn events(self, body: &[u8], most: u64) -> (u64, usize) {
        let (mut count, mut end) = (0, 0);
        while count < most {
            let rest = body.get(end..).unwrap_or_default();
            let Some(length) = self.first(rest, end == 0).filter(|length| *length > 0) else { break };
            count += 1;
            end += length;
        }
        (count, end)
    }

    /// Length of the first event with what ends it; none where it is not whole.
    fn first(self, body: &[u8], at_start: bool) -> Option<usize> {
        match self {
            Stream::Lines => memchr::memchr(b'\n', body).map(|at| at + 1),
            Stream::Records => {
                let start = memchr::memchr(SEPARATOR, body)? + 1;
                Some(start + memchr::memchr(SEPARATOR, body.get(start..)?)?)
            }
            Stream::Blocks => block(body),
            Stream::Frames => {
                let (head, rest) = body.split_first_chunk::<5>()?;
                let [_, a, b, c, d] = *head;
                let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
                (length <= rest.len()).then_some(5 + length)
            }
            Stream::Parts => {
                // What stands before the first boundary belongs to the first part.
                let from = if at_start { memmem::find(body, b"--")? } else { 0 };
                let line = body.get(from..)?;
                let line = line.get(..memchr::memchr2(b'\r', b'\n', line)?)?;
                let next = memmem::find(body.get(from + line.len()..)?, line)?;
                Some(from + line.len() + next)
            }
        }
    }
}

/// The length of a block of lines with the blank line that ends it; lines end in LF, CR or CRLF.
fn block(body: &[u8]) -> Option<usize> {
    let (mut at, mut blank) = (0, true);
    loop {
        let found = at + memchr::memchr2(b'\r', b'\n', body.get(at..)?)?;
        let next = match (body.get(found), body.get(found + 1)) {
            // It may be the first half of a CRLF.
            (Some(b'\r'), None) => return None,
            (Some(b'\r'), Some(b'\n')) => found + 2,
            _ => found + 1,
        };
        // Blank lines before the first one that is not end nothing.
        if found == at && !blank {
            return Some(next);
        }
        blank &= found == at;
        at = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KINDS: [Stream; 5] = [Stream::Blocks, Stream::Lines, Stream::Records, Stream::Frames, Stream::Parts];

    #[test]
    fn types_that_need_not_end() {
        for (name, coding, expected) in [
            ("text/event-stream; charset=utf-8", "", Some(Stream::Blocks)),
            ("Application/X-NDJSON", "identity", Some(Stream::Lines)),
            ("application/stream+json", "", Some(Stream::Lines)),
            ("application/json-seq", "", Some(Stream::Records)),
            ("multipart/x-mixed-replace; boundary=b", "", Some(Stream::Parts)),
            ("application/grpc", "", Some(Stream::Frames)),
            ("application/grpc+proto", "", Some(Stream::Frames)),
            ("multipart/x-mixed-replace; boundary=x", "", Some(Stream::Parts)),
            ("text/event-stream", "gzip", None),
            ("application/json", "", None),
            ("application/grpc-web", "", None),
            ("application/gRPC ; x", "", Some(Stream::Frames)),
            ("text/event-streams", "", None),
            ("", "", None),
        ] {
            let mut headers = Fields::default();
            headers.table_mut().insert(CONTENT_TYPE, name.parse().unwrap());
            if !coding.is_empty() {
                headers.table_mut().insert(CONTENT_ENCODING, coding.parse().unwrap());
            }
            assert_eq!(Stream::of(&headers), expected, "{name} {coding}");
        }
        assert_eq!(Stream::of(&Fields::default()), None);
    }

    #[test]
    fn whole_events_only() {
        for (kind, body, expected) in [
            (Stream::Lines, &b"{}\n{\"a\":1}\n{\"b\""[..], (2, 11)),
            (Stream::Lines, b"{}", (0, 0)),
            (Stream::Records, b"\x1e{\n}\n\x1e1\n\x1e2\n", (2, 8)),
            (Stream::Blocks, b"data: 1\n\ndata: 2\n\ndata: 3\n", (2, 18)),
            (Stream::Blocks, b"\r\n: hi\r\ndata: 1\r\n\r\ndata", (1, 19)),
            (Stream::Blocks, b"data: 1\r\rdata: 2\r", (1, 9)),
            (Stream::Blocks, b"\n\n\n", (0, 0)),
            (Stream::Frames, b"\0\0\0\0\x01x\0\0\0\0\0\0\0\0\0\x05abc", (2, 11)),
            (Stream::Frames, b"\0\0\0", (0, 0)),
            (Stream::Parts, b"--b\r\nA: 1\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b\r\n\r\nth", (2, 30)),
            (Stream::Parts, b"--b\r\n\r\none", (0, 0)),
        ] {
            assert_eq!(kind.events(body, u64::MAX), expected, "{kind:?} {:?}", String::from_utf8_lossy(body));
            assert_eq!(kind.events(body, 1).0, expected.0.min(1));
        }
    }

    proptest! {
        /// What came later changes nothing about the events before it.
        #[test]
        fn a_longer_body_begins_with_the_same_events(
            body in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'-'), Just(b'a'), Just(0u8), Just(0x1e)], 0..60),
            cut in 0usize..60,
        ) {
            for kind in KINDS {
                let head = &body[..cut.min(body.len())];
                let (count, end) = kind.events(head, u64::MAX);
                prop_assert!(end <= head.len());
                prop_assert_eq!(kind.events(&body, count), (count, end));
            }
        }
    }
}
