//! Answers with more fields than hyper reads at its best.
//!
//! hyper parses up to a hundred fields into a table on the stack; asked for more, it allocates and fills a table of that
//! size for every answer. Answers with more are rare and have to pass all the same, so the fields beyond the table are
//! taken out of the bytes before hyper sees them, and put back into what it made of the rest. What frames the answer
//! stays in. Those put back are written in lower case.

use crate::model::{Failure, FailureKind};
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memchr;

/// Fields that are left to hyper before the rest is taken out; what frames an answer comes on top.
const LEFT_IN: usize = 90;

/// Follows the bytes of one connection, head by head.
#[derive(Debug)]
pub(super) struct Fields {
    /// Bytes of a head that may be taken out before it is passed on as it is, for hyper to refuse.
    max_bytes: usize,
    max_fields: usize,
    at: At,
}

#[derive(Debug)]
enum At {
    /// In a body, or between two answers.
    Elsewhere,
    /// In a head: lines seen of it, and what is there of the line under way.
    Head { lines: usize, line: Start, status: Status },
    /// In a head that is too long: its bytes from the first that is held back.
    Held { lines: usize, interim: bool, bytes: Vec<u8> },
}

/// How a line that is not complete yet begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Nothing,
    /// A carriage return and no more.
    Return,
    Something,
}

/// How a status line begins, up to its code.
#[derive(Debug, Clone, Copy, Default)]
struct Status {
    bytes: [u8; 12],
    length: usize,
}

/// What came of bytes that were read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Passed {
    /// So many of them are passed on at once.
    pub(super) now: usize,
    /// And these after them.
    pub(super) then: Vec<u8>,
    /// Lines that were taken out.
    pub(super) taken: Vec<u8>,
}

// === impl Fields ===

impl Fields {
    pub(super) fn new(max_fields: usize, max_bytes: usize) -> Self {
        Self { max_bytes, max_fields, at: At::Elsewhere }
    }

    /// The next byte is the first of an answer.
    pub(super) fn expect_head(&mut self) {
        self.at = At::Head { lines: 0, line: Start::Nothing, status: Status::default() };
    }

    /// What is to be passed on of the bytes that follow those given before.
    pub(super) fn pass(&mut self, read: &[u8]) -> Passed {
        let mut at = 0;
        while let At::Head { lines, line, status } = &mut self.at {
            let rest = &read[at..];
            if *lines > LEFT_IN && *line == Start::Nothing && !matches!(rest.first(), None | Some(b' ' | b'\t')) {
                self.at = At::Held { lines: *lines, interim: status.is_interim(), bytes: Vec::new() };
                break;
            }
            let end = memchr(b'\n', rest);
            if *lines == 0 {
                status.push(&rest[..end.unwrap_or(rest.len())]);
            }
            let Some(end) = end else {
                *line = match (*line, rest) {
                    (before, []) => before,
                    (Start::Nothing, [b'\r']) => Start::Return,
                    _ => Start::Something,
                };
                break;
            };
            let blank = matches!((*line, &rest[..end]), (Start::Nothing, [] | [b'\r']) | (Start::Return, []));
            at += end + 1;
            match blank {
                true if *lines == 0 => self.expect_head(),
                true if status.is_interim() => self.expect_head(),
                true => self.at = At::Elsewhere,
                false => (*lines, *line) = (*lines + 1, Start::Nothing),
            }
        }
        match &mut self.at {
            At::Held { bytes, .. } => {
                bytes.extend_from_slice(&read[at..]);
                let (then, taken) = self.release();
                Passed { now: at, then, taken }
            }
            _ => Passed { now: read.len(), then: Vec::new(), taken: Vec::new() },
        }
    }

    /// Ends the holding where the head is whole, or where it grows beyond what is let through.
    fn release(&mut self) -> (Vec<u8>, Vec<u8>) {
        let At::Held { lines, interim, bytes } = &mut self.at else { return Default::default() };
        let (mut left_in, mut taken, mut at) = (Vec::new(), Vec::new(), 0);
        let mut stays = false;
        let mut count = *lines;
        while let Some(end) = memchr(b'\n', &bytes[at..]) {
            let line = &bytes[at..=at + end];
            at += end + 1;
            if matches!(line, b"\n" | b"\r\n") {
                left_in.extend_from_slice(line);
                let rest = bytes.split_off(at);
                let interim = *interim;
                self.at = At::Elsewhere;
                if interim {
                    self.expect_head();
                    let Passed { now, then, taken: more } = self.pass(&rest);
                    left_in.extend_from_slice(&rest[..now]);
                    left_in.extend_from_slice(&then);
                    // Of an interim answer the surplus is let go.
                    taken = more;
                } else {
                    left_in.extend_from_slice(&rest);
                }
                return (left_in, taken);
            }
            // A folded line goes where the one before it went.
            if !matches!(line.first(), Some(b' ' | b'\t')) {
                stays = frames(line);
                count += 1;
            }
            if stays { &mut left_in } else { &mut taken }.extend_from_slice(line);
        }
        if bytes.len() > self.max_bytes || count > self.max_fields {
            let all = std::mem::take(bytes);
            self.at = At::Elsewhere;
            return (all, Vec::new());
        }
        Default::default()
    }
}

// === impl Status ===

impl Status {
    fn push(&mut self, line: &[u8]) {
        for (to, from) in self.bytes.iter_mut().skip(self.length).zip(line) {
            *to = *from;
        }
        self.length = (self.length + line.len()).min(self.bytes.len());
    }

    /// 1xx, but not the one that ends HTTP.
    fn is_interim(&self) -> bool {
        matches!(self.bytes, [b'H', b'T', b'T', b'P', b'/', _, _, _, b' ', b'1', x, y] if (x, y) != (b'0', b'1'))
    }
}

/// Whether hyper has to see it, to know how the answer is framed and what becomes of the connection.
fn frames(line: &[u8]) -> bool {
    let name = line.split(|b| *b == b':').next().unwrap_or_default().trim_ascii();
    [&b"content-length"[..], b"transfer-encoding", b"connection", b"upgrade", b"keep-alive", b"proxy-connection"]
        .iter()
        .any(|framing| name.eq_ignore_ascii_case(framing))
}

/// Puts back what was taken out.
///
/// # Errors
/// A line that is no field.
pub(super) fn put_back(taken: &[u8], headers: &mut HeaderMap) -> Result<(), Failure> {
    let mut lines = taken.split_inclusive(|b| *b == b'\n').peekable();
    while let Some(line) = lines.next() {
        let mut whole = line.trim_ascii_end().to_vec();
        while let Some(more) = lines.next_if(|line| matches!(line.first(), Some(b' ' | b'\t'))) {
            whole.push(b' ');
            whole.extend_from_slice(more.trim_ascii());
        }
        let colon = memchr(b':', &whole);
        let field = colon.and_then(|colon| {
            let name = HeaderName::from_bytes(whole[..colon].trim_ascii_end()).ok()?;
            Some((name, HeaderValue::from_bytes(whole[colon + 1..].trim_ascii()).ok()?))
        });
        let Some((name, value)) = field else {
            return Err(Failure { kind: FailureKind::Protocol, detail: "a line of the head is no field".to_owned() });
        };
        headers.append(name, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: (usize, usize) = (1024, 1 << 18);

    /// What hyper sees of an answer that comes in these pieces, and what is taken out of it.
    fn through(pieces: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
        let mut fields = Fields::new(LIMITS.0, LIMITS.1);
        fields.expect_head();
        let (mut seen, mut taken) = (Vec::new(), Vec::new());
        for piece in pieces {
            let passed = fields.pass(piece);
            seen.extend_from_slice(&piece[..passed.now]);
            seen.extend_from_slice(&passed.then);
            taken.extend(passed.taken);
        }
        (seen, taken)
    }

    fn answer(fields: usize, end: &str) -> String {
        let fields: String = (0..fields).map(|i| format!("X-Field-{i}: {i}\r\n")).collect();
        format!("HTTP/1.1 200 OK\r\n{fields}{end}")
    }

    #[test]
    fn few_fields_pass_untouched() {
        let whole = answer(LEFT_IN, "\r\nbody\n\nX: 1\r\n");
        assert_eq!(through(&[whole.as_bytes()]), (whole.clone().into_bytes(), Vec::new()));
    }

    #[test]
    fn what_frames_the_answer_stays_in_and_the_rest_comes_back() {
        let end = "Content-Length: 4\r\nX-Folded: a\r\n b\r\nX-Field-1: again\r\nConnection: close\r\n\r\nbody";
        let whole = answer(150, end);
        let (seen, taken) = through(&[whole.as_bytes()]);
        let seen = String::from_utf8(seen).unwrap();
        assert!(seen.ends_with("X-Field-89: 89\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody"), "{seen}");
        let mut headers = HeaderMap::new();
        headers.append("x-field-1", HeaderValue::from_static("1"));
        put_back(&taken, &mut headers).unwrap();
        assert_eq!(
            (&headers["x-field-149"], &headers["x-folded"]),
            (&HeaderValue::from_static("149"), &HeaderValue::from_static("a b"))
        );
        assert_eq!(headers.get_all("x-field-1").iter().collect::<Vec<_>>(), ["1", "again"]);
        assert_eq!(headers.len(), 60 + 1 + 2);
    }

    #[test]
    fn an_interim_answer_before_it_is_a_head_of_its_own() {
        let whole = format!("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n{}", answer(95, "\r\nx"));
        let (seen, taken) = through(&[whole.as_bytes()]);
        assert_eq!(seen.len() + taken.len(), whole.len());
        assert!(String::from_utf8(taken).unwrap().starts_with("X-Field-90: 90"));
    }

    #[test]
    fn a_head_without_end_is_passed_on_for_hyper_to_refuse() {
        let whole = answer(2000, "");
        assert_eq!(through(&[whole.as_bytes()]), (whole.into_bytes(), Vec::new()));
    }

    #[test]
    fn a_line_that_is_no_field_is_an_error() {
        assert!(put_back(b"X: 1\r\nnonsense\r\n", &mut HeaderMap::new()).is_err());
    }

    proptest! {
        /// However the bytes come, the same is seen and taken.
        #[test]
        fn pieces_make_no_difference(
            fields in 80usize..130,
            cuts in proptest::collection::vec(0usize..3000, 0..20),
            interim: bool,
        ) {
            let mut whole = if interim { "HTTP/1.1 100 Continue\r\n\r\n".to_owned() } else { String::new() };
            whole.push_str(&answer(fields, "Content-Length: 3\r\nX-Last: 1\r\n\r\nabc"));
            let whole = whole.into_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c % whole.len()).chain([0, whole.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &whole[w[0]..w[1]]).collect();
            prop_assert_eq!(through(&pieces), through(&[&whole]));
        }
    }
}
