//! Heads of messages: those of answers read, and either kind written.
//!
//! Legs are read with forgiveness, since they are what they are: bare line feeds, spaces before a colon and folded
//! lines pass, the latter joined by a space (RFC 9112, 5.2). Where a body ends is never guessed: in chunks nothing of the
//! kind passes.

use super::decoder::Framing;
use super::fields::{self, Place};
use crate::model::{Fields, Spelling};
use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use memchr::memmem;
use std::mem::MaybeUninit;
use std::ops::Range;

/// What may stand in an answer's head.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    pub max_headers: usize,
    pub max_bytes: usize,
}

/// The head of an answer.
#[derive(Debug)]
pub struct AnswerHead {
    pub status: StatusCode,
    /// Where it is not the usual one.
    pub reason: Option<Bytes>,
    /// HTTP/1.0 where it is not HTTP/1.1.
    pub version_11: bool,
    pub headers: Fields,
}

/// Why a head cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    #[error("invalid HTTP version parsed")]
    Version,
    #[error("invalid HTTP status-code parsed")]
    Status,
    #[error("invalid HTTP header parsed")]
    Field,
    #[error("invalid content-length parsed")]
    ContentLength,
    #[error("transfer-encoding in HTTP/1.0")]
    TransferEncoding,
    #[error("message head is too large")]
    TooLarge,
}

/// Fields that are read without asking for memory.
const USUAL: usize = 100;
/// What stands behind a head, from this size on, keeps its memory to itself: the fields of the head may be wanted for longer
/// than the body.
pub const APART: usize = 4096;

// === impl AnswerHead ===

impl AnswerHead {
    /// Takes a head off the beginning of `buf`, where it is whole.
    ///
    /// # Errors
    /// It cannot be read, whatever followed.
    pub fn take(buf: &mut BytesMut, limits: HeadLimits) -> Result<Option<Self>, HeadError> {
        let mut usual = [const { MaybeUninit::uninit() }; USUAL];
        if let Ok(parsed) = parse(buf, &mut usual, Lines::Whole) {
            return Self::took(buf, parsed, limits, fields::read);
        }
        // Seldom: there are more, or some are folded.
        let mut more = vec![MaybeUninit::uninit(); limits.max_headers.max(USUAL)];
        let parsed = parse(buf, &mut more, Lines::Folded)?;
        Self::took(buf, parsed, limits, fields::read_folded)
    }

    fn took(
        buf: &mut BytesMut,
        parsed: Option<Parsed>,
        limits: HeadLimits,
        read: fn(&Bytes, &[Place]) -> Result<Fields, HeadError>,
    ) -> Result<Option<Self>, HeadError> {
        let length = parsed.as_ref().map_or(buf.len(), |parsed| parsed.length);
        if length > limits.max_bytes {
            return Err(HeadError::TooLarge);
        }
        let Some(parsed) = parsed else { return Ok(None) };
        let head = take_head(buf, length);
        let status = StatusCode::from_u16(parsed.status).map_err(|_| HeadError::Status)?;
        let reason = &head[parsed.reason.clone()];
        let usual = status.canonical_reason().is_some_and(|usual| usual.as_bytes() == reason);
        let headers = read(&head, &parsed.fields)?;
        Ok(Some(Self {
            status,
            reason: (!usual).then(|| head.slice(parsed.reason)),
            version_11: parsed.version == 1,
            headers,
        }))
    }

    /// Whether another follows that is the answer proper. `101` is an answer.
    pub fn is_interim(&self) -> bool {
        self.status.is_informational() && self.status != StatusCode::SWITCHING_PROTOCOLS
    }

    /// Where the body of this answer to `method` ends (RFC 9112, 6.3).
    ///
    /// # Errors
    /// Nobody could say.
    pub fn framing(&self, method: &Method) -> Result<Framing, HeadError> {
        if *method == Method::HEAD
            || self.status.is_informational()
            || matches!(self.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        {
            return Ok(Framing::Length(0));
        }
        if let Some(coding) = self.headers.all(&TRANSFER_ENCODING).next_back() {
            if !self.version_11 {
                return Err(HeadError::TransferEncoding);
            }
            let last = coding.rsplit(|b| *b == b',').next().unwrap_or_default();
            let chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
            return Ok(if chunked { Framing::Chunked } else { Framing::Close });
        }
        Ok(content_length(&self.headers)?.map_or(Framing::Close, Framing::Length))
    }

    /// Whether the connection may be used again once the body has been read.
    pub fn keeps_alive(&self) -> bool {
        keeps_alive(&self.headers, self.version_11)
    }
}

/// Whether a message with these fields leaves the connection open behind it.
pub fn keeps_alive(fields: &Fields, version_11: bool) -> bool {
    let (mut keeps, mut closes) = (version_11, false);
    for value in fields.all(&CONNECTION) {
        if value.eq_ignore_ascii_case(b"keep-alive") {
            // What most say who say anything.
            keeps = true;
            continue;
        }
        for token in value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
            keeps |= token.eq_ignore_ascii_case(b"keep-alive");
            closes |= token.eq_ignore_ascii_case(b"close");
        }
    }
    keeps && !closes
}

/// The length that a message which passed every check declares.
pub fn declared_length(fields: &Fields) -> Option<u64> {
    number(fields.first(&CONTENT_LENGTH)?)
}

/// The length that a message declares in one line and no other.
pub fn declared_once(fields: &Fields) -> Option<u64> {
    let mut lines = fields.all(&CONTENT_LENGTH);
    number(lines.next()?).filter(|_| lines.next().is_none())
}

/// The one length that is declared, however often.
fn content_length(fields: &Fields) -> Result<Option<u64>, HeadError> {
    // Nearly all say it once.
    let mut length = declared_once(fields);
    if length.is_some() {
        return Ok(length);
    }
    for value in fields.all(&CONTENT_LENGTH) {
        for one in value.split(|b| *b == b',') {
            let one = number(one.trim_ascii());
            match (length, one) {
                (_, None) => return Err(HeadError::ContentLength),
                (Some(before), Some(one)) if before != one => return Err(HeadError::ContentLength),
                _ => length = one,
            }
        }
    }
    Ok(length)
}

/// What digits and nothing else say.
fn number(digits: &[u8]) -> Option<u64> {
    let add = |number: u64, digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    };
    digits.iter().try_fold(0, add).filter(|_| !digits.is_empty())
}

/// Places in a head.
struct Parsed {
    length: usize,
    version: u8,
    status: u16,
    reason: Range<usize>,
    fields: Vec<Place>,
}

/// How the fields of a head may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lines {
    /// Each in one line,
    Whole,
    /// or in several. Where none is, this makes no difference.
    Folded,
}

fn parse<'b>(
    buf: &'b [u8],
    room: &mut [MaybeUninit<httparse::Header<'b>>],
    lines: Lines,
) -> Result<Option<Parsed>, httparse::Error> {
    let mut answer = httparse::Response::new(&mut []);
    let mut config = httparse::ParserConfig::default();
    config.allow_spaces_after_header_name_in_responses(true);
    config.allow_obsolete_multiline_headers_in_responses(lines == Lines::Folded);
    let httparse::Status::Complete(length) = config.parse_response_with_uninit_headers(&mut answer, buf, room)? else {
        return Ok(None);
    };
    let place = |part| place_in(buf, part);
    let fields = answer.headers.iter().map(|field| (place(field.name.as_bytes()), place(field.value)));
    Ok(Some(Parsed {
        length,
        version: answer.version.unwrap_or(1),
        status: answer.code.unwrap_or_default(),
        reason: answer
            .reason
            .filter(|reason| !reason.is_empty())
            .map_or_else(|| reason(&buf[..length]), |reason| place(reason.as_bytes())),
        fields: fields.collect(),
    }))
}

/// Where `part` stands in `whole`, which it is a part of.
pub fn place_in(whole: &[u8], part: &[u8]) -> Range<usize> {
    let at = part.as_ptr() as usize - whole.as_ptr() as usize;
    at..at + part.len()
}

/// Where the reason stands in a status line that has one which is not ASCII.
fn reason(head: &[u8]) -> Range<usize> {
    const BEFORE: usize = "HTTP/1.1 200 ".len();
    let line = head.split(|b| *b == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let start = place_in(head, line).start;
    let end = line.trim_ascii_end().len();
    start + BEFORE.min(end)..start + end
}

/// The value of a field, folded lines joined.
pub(super) fn value_of(head: &Bytes, place: &Range<usize>) -> Result<HeaderValue, HeadError> {
    HeaderValue::from_maybe_shared(head.slice(place.clone())).or_else(|_| {
        // What cannot be held as it stands may be folded.
        let lines = head[place.clone()].split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
        let joined = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(&b' ');
        HeaderValue::from_bytes(&joined).map_err(|_| HeadError::Field)
    })
}

/// Takes the first `length` bytes off, which are a head: by themselves, where much stands behind them.
pub fn take_head(buf: &mut BytesMut, length: usize) -> Bytes {
    if buf.len() - length < APART {
        return buf.split_to(length).freeze();
    }
    let head = Bytes::copy_from_slice(&buf[..length]);
    buf.advance(length);
    head
}

/// Whether `buf` holds the end of a head, of which `seen` bytes were looked at before.
pub fn is_whole(buf: &[u8], seen: usize) -> bool {
    let new = &buf[seen.saturating_sub(3).min(buf.len())..];
    memmem::find(new, b"\n\r\n").is_some() || memmem::find(new, b"\n\n").is_some()
}

// === Writing ===

/// Appends a request line: `base` and the path of `uri`, or its authority where it has no path.
pub fn put_request_line(out: &mut BytesMut, method: &Method, base: &str, uri: &Uri) {
    out.extend_from_slice(method.as_str().as_bytes());
    out.extend_from_slice(b" ");
    out.extend_from_slice(base.as_bytes());
    let authority = || uri.authority().map_or("/", |authority| authority.as_str());
    out.extend_from_slice(uri.path_and_query().map_or_else(authority, |target| target.as_str()).as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// Appends a status line. `reason` where it is not the usual one.
pub fn put_status_line(out: &mut BytesMut, version_11: bool, status: StatusCode, reason: Option<&[u8]>) {
    out.extend_from_slice(if version_11 { b"HTTP/1.1 " } else { b"HTTP/1.0 " });
    out.extend_from_slice(status.as_str().as_bytes());
    out.extend_from_slice(b" ");
    let usual = || status.canonical_reason().unwrap_or_default().as_bytes();
    out.extend_from_slice(reason.unwrap_or_else(usual));
    out.extend_from_slice(b"\r\n");
}

/// Appends a field that is no other line's.
pub fn put_field(out: &mut BytesMut, name: &HeaderName, value: &[u8], spelling: &Spelling) {
    spelling.put(name, 0, out);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

// === impl HeadError ===

impl From<httparse::Error> for HeadError {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::Version => Self::Version,
            httparse::Error::Status => Self::Status,
            httparse::Error::TooManyHeaders => Self::TooLarge,
            _ => Self::Field,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: HeadLimits = HeadLimits { max_headers: 200, max_bytes: 8192 };

    fn take(text: &[u8]) -> Result<Option<(AnswerHead, Vec<u8>)>, HeadError> {
        let mut buf = BytesMut::from(text);
        Ok(AnswerHead::take(&mut buf, LIMITS)?.map(|head| (head, buf.to_vec())))
    }

    fn whole(text: &str) -> AnswerHead {
        take(text.as_bytes()).unwrap().unwrap().0
    }

    #[test]
    fn a_head_ends_where_its_body_begins() {
        let (head, left) = take(b"HTTP/1.1 200 OK\r\nA: 1\r\nA: 2\r\n\r\nbody\r\n\r\n").unwrap().unwrap();
        assert_eq!(left, b"body\r\n\r\n");
        assert_eq!((head.status, head.version_11, head.reason.as_deref()), (StatusCode::OK, true, None));
        assert_eq!(head.headers.table().get_all("a").iter().collect::<Vec<_>>(), ["1", "2"]);
        for part in ["", "H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nA: 1\r\n"] {
            assert!(take(part.as_bytes()).unwrap().is_none(), "{part:?}");
        }
    }

    #[test]
    fn a_head_keeps_no_more_memory_than_its_own_where_much_stands_behind_it() {
        for (behind, shared) in [(APART - 1, true), (APART, false)] {
            let mut buf = BytesMut::from(&[b'x'; 40 + APART][..40 + behind]);
            let at = buf.as_ptr();
            let head = take_head(&mut buf, 40);
            assert_eq!((head.len(), buf.len(), head.as_ptr() == at), (40, behind, shared));
        }
    }

    #[test]
    fn reasons_are_kept_where_they_are_not_the_usual_ones() {
        let reason = |text: &[u8]| take(text).unwrap().unwrap().0.reason.map(|reason| reason.to_vec());
        assert_eq!(reason(b"HTTP/1.1 200 Fine today\r\n\r\n"), Some(b"Fine today".to_vec()));
        assert_eq!(reason(b"HTTP/1.1 200\r\n\r\n"), Some(Vec::new()));
        assert_eq!(reason(b"HTTP/1.1 200 \r\n\r\n"), Some(Vec::new()));
        assert_eq!(
            reason(b"\r\nHTTP/1.1 404 Nicht gef\xfcnden\r\nA: b c d\r\n\r\n"),
            Some(b"Nicht gef\xfcnden".to_vec())
        );
        assert_eq!(reason(b"HTTP/1.0 404 Not Found\n\n"), None);
    }

    #[test]
    fn folded_lines_are_joined_by_a_space() {
        let head = whole("HTTP/1.1 200 OK\r\nA: 1\r\n  2\r\n\t3\r\nB : 4\r\n\r\n");
        let table = head.headers.table();
        assert_eq!((&table["a"], &table["b"]), (&"1 2 3".parse().unwrap(), &"4".parse().unwrap()));
    }

    #[test]
    fn limits_hold() {
        let fields = |n: usize| (0..n).map(|i| format!("X-{i}: {i}\r\n")).collect::<String>();
        for n in [99, 100, 101, 200] {
            let head = whole(&format!("HTTP/1.1 200 OK\r\n{}\r\n", fields(n)));
            assert_eq!(head.headers.table().len(), n);
        }
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", fields(201));
        let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(9000));
        let endless = &long[..long.len() - 4];
        for text in [&many[..], &long, endless] {
            assert_eq!(take(text.as_bytes()).unwrap_err(), HeadError::TooLarge);
        }
    }

    #[test]
    fn where_a_body_ends_is_never_guessed() {
        use Framing::{Chunked, Close, Length};
        for (head, method, framing) in [
            ("200 OK\r\nContent-Length: 5", Method::GET, Ok(Length(5))),
            ("200 OK\r\nContent-Length: 5\r\nContent-Length: 5", Method::GET, Ok(Length(5))),
            ("200 OK\r\nContent-Length: 5, 5", Method::GET, Ok(Length(5))),
            ("200 OK\r\nContent-Length: 5\r\nContent-Length: 6", Method::GET, Err(HeadError::ContentLength)),
            ("200 OK\r\nContent-Length: +5", Method::GET, Err(HeadError::ContentLength)),
            ("200 OK\r\nContent-Length: 99999999999999999999", Method::GET, Err(HeadError::ContentLength)),
            ("200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5", Method::GET, Ok(Chunked)),
            ("200 OK\r\nTransfer-Encoding: gzip, Chunked", Method::GET, Ok(Chunked)),
            ("200 OK\r\nTransfer-Encoding: chunked, gzip", Method::GET, Ok(Close)),
            ("200 OK\r\nA: b", Method::GET, Ok(Close)),
            ("200 OK\r\nContent-Length: 5", Method::HEAD, Ok(Length(0))),
            ("204 No Content\r\nContent-Length: 5", Method::GET, Ok(Length(0))),
            ("304 Not Modified\r\nContent-Length: 5", Method::GET, Ok(Length(0))),
        ] {
            assert_eq!(whole(&format!("HTTP/1.1 {head}\r\n\r\n")).framing(&method), framing, "{head}");
        }
        let old = whole("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(old.framing(&Method::GET), Err(HeadError::TransferEncoding));
    }

    #[test]
    fn who_closes_says_so_or_is_old() {
        for (head, keeps) in [
            ("HTTP/1.1 200 OK", true),
            ("HTTP/1.1 200 OK\r\nConnection: x, Close", false),
            ("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: close", false),
            ("HTTP/1.0 200 OK", false),
            ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive", true),
        ] {
            assert_eq!(whole(&format!("{head}\r\n\r\n")).keeps_alive(), keeps, "{head}");
        }
    }

    proptest! {
        /// What is written is what was read, but for the usual reason and the white space around values.
        #[test]
        fn a_head_that_was_read_is_written_as_it_was(
            fields in proptest::collection::vec(("[A-Za-z-]{1,12}", "[!-~]([ -~]{0,20}[!-~])?"), 0..20),
            reason in "[A-Za-z][A-Za-z ]{0,10}[A-Za-z]",
        ) {
            let mut fields = fields;
            // Lines of one name stand together once they have been read.
            fields.sort_by_key(|(name, _)| name.to_lowercase());
            let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let text = format!("HTTP/1.1 200 {reason}\r\n{lines}\r\n");
            let head = whole(&text);
            let mut out = BytesMut::new();
            put_status_line(&mut out, head.version_11, head.status, head.reason.as_deref());
            head.headers.put(&mut out, |_| false);
            out.extend_from_slice(b"\r\n");
            prop_assert_eq!(String::from_utf8(out.to_vec()).unwrap(), text);
        }

        /// Whatever comes, it is read, refused or waited for.
        #[test]
        fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..200), sane: bool) {
            let mut text = if sane { b"HTTP/1.1 200 ".to_vec() } else { Vec::new() };
            text.extend(bytes);
            let _ = take(&text);
        }

        /// Heads are read as if no line could be folded, which nearly all are; where that goes well it makes no difference.
        #[test]
        fn what_is_not_folded_is_read_alike(
            lines in proptest::collection::vec("[A-C]{1,2} ?: ?[a-z ]{0,3}(\r\n|\n)[ \t]?", 0..4),
            end in "(\r?\n)?",
        ) {
            let text = format!("HTTP/1.1 200 OK\r\n{}{end}", lines.concat());
            let (mut one, mut other) = ([const { MaybeUninit::uninit() }; 4], [const { MaybeUninit::uninit() }; 4]);
            let (whole, folded) =
                (parse(text.as_bytes(), &mut one, Lines::Whole), parse(text.as_bytes(), &mut other, Lines::Folded));
            if let Ok(whole) = whole {
                let said = |parsed: &Option<Parsed>| parsed.as_ref().map(|parsed| (parsed.length, parsed.fields.clone()));
                prop_assert_eq!(said(&whole), said(&folded.unwrap()));
                let values = whole.iter().flat_map(|parsed| &parsed.fields).map(|(_, value)| &text[value.clone()]);
                prop_assert!(!values.into_iter().any(|value| value.contains('\n')));
            }
        }
    }
}
