//! The state machine: follows request after request through a byte stream and says how much of it may pass.
//!
//! It keeps no bytes. Where a head or a trailer section is not whole yet it asks for more, and must then be given the
//! same bytes again with new ones behind them; it remembers how far it has read and reads each byte once.

use super::Refusal;
use super::target::{alphanumeric_or, check_target, is_host, uri};
use crate::http1::decoder::hex;
use crate::http1::fields::{self, Place};
use crate::http1::head::place_in;
use crate::http1::{Framing, NEVER_TRAILERS};
use crate::model::Fields;
use bytes::Bytes;
use http::header::EXPECT;
use http::{Method, Uri};
use std::ops::Range;

/// What a request may have in its head, and again in its trailers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub max_headers: usize,
    /// Bytes of the request line and all fields with their line ends.
    pub max_header_bytes: usize,
}

/// What to do with the bytes just shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing can be said before there is more; keep all of them.
    NeedMore,
    /// Drop the first `n`: an empty line before a request.
    Skip(usize),
    /// Pass the first `n`, at least one.
    Release(usize),
}

/// A request's head that may pass.
#[derive(Debug)]
pub struct ClientHead {
    pub method: Method,
    pub uri: Uri,
    /// HTTP/1.0 where it is not HTTP/1.1.
    pub version_11: bool,
    pub headers: Fields,
    /// Where its body ends.
    pub framing: Framing,
    /// The client waits for a word before it sends the body.
    pub expects_continue: bool,
}

/// Follows one connection. After a refusal it must not be asked again.
#[derive(Debug)]
pub struct Scanner {
    limits: Limits,
    state: State,
    section: Section,
    head: Head,
    /// Where the parts of the head stand that was released last, or is being read.
    places: Places,
    /// Bytes of chunk extensions in this body.
    extensions: usize,
    /// Empty lines before the present request line.
    empty_lines: u8,
}

/// Empty lines tolerated before a request line (RFC 9112 section 2.2).
const MAX_EMPTY_LINES: u8 = 4;
/// Bytes of chunk extensions tolerated in one body.
const MAX_EXTENSIONS: usize = 1024;
/// Hexadecimal digits in a chunk size; 16 is all a u64 holds.
const MAX_CHUNK_DIGITS: u8 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    /// Bytes of the body that are still to come.
    Length(u64),
    /// In a chunk's size: its value so far, its digits so far.
    Size(u64, u8),
    Extension(u64),
    /// The line feed behind a chunk's size.
    SizeEnd(u64),
    Data(u64),
    DataCr,
    DataLf,
    Trailers,
}

/// How far a head or a trailer section has been read.
#[derive(Debug, Clone, Copy, Default)]
struct Section {
    /// Where the line begins that is not whole yet.
    line: usize,
    /// Up to where there is no line feed.
    seen: usize,
    /// Lines so far; in a head the first is the request line.
    lines: usize,
}

/// Where the parts of a head stand, from its first byte.
#[derive(Debug, Clone, Default)]
struct Places {
    version_10: bool,
    method: Range<usize>,
    target: Range<usize>,
    fields: Vec<Place>,
}

/// What a head has said so far.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    version_10: bool,
    host: bool,
    length: Option<u64>,
    chunked: bool,
}

// === impl Scanner ===

impl Scanner {
    pub fn new(limits: Limits) -> Self {
        Scanner {
            limits,
            state: State::Head,
            section: Section::default(),
            head: Head::default(),
            places: Places::default(),
            extensions: 0,
            empty_lines: 0,
        }
    }

    /// Whether the next byte belongs to a head.
    pub fn in_head(&self) -> bool {
        self.state == State::Head
    }

    /// Whether nothing of the next request has been seen, but for empty lines: some clients end a body with one.
    pub fn at_boundary(&self) -> bool {
        self.in_head() && self.section.seen == 0
    }

    /// Reads `data`, which begins where the last release or skip ended and is not empty.
    pub fn step(&mut self, data: &[u8]) -> Result<Step, Refusal> {
        match self.state {
            State::Head => self.scan_head(data),
            State::Trailers => self.trailers(data),
            State::Length(left) => {
                let n = take(left, data.len());
                self.state = match left - n as u64 {
                    0 => State::Head,
                    left => State::Length(left),
                };
                Ok(Step::Release(n))
            }
            _ => self.chunks(data),
        }
    }

    /// The head that was released last, of which these are the bytes.
    ///
    /// # Errors
    /// What passed cannot be held as a request after all.
    pub fn head(&self, bytes: Bytes) -> Result<ClientHead, Refusal> {
        let unfit = |what: &str| Refusal::bad("target", format!("request line: the {what} cannot be held"));
        let Places { version_10, method, target, fields } = &self.places;
        let method = Method::from_bytes(&bytes[method.clone()]).map_err(|_| unfit("method"))?;
        let uri = uri(&bytes.slice(target.clone())).ok_or_else(|| unfit("target"))?;
        let headers = fields::read(&bytes, fields).map_err(|_| unfit("header"))?;
        let expects = headers.first(&EXPECT).is_some_and(|e| e.eq_ignore_ascii_case(b"100-continue"));
        Ok(ClientHead {
            method,
            uri,
            version_11: !version_10,
            framing: match self.state {
                State::Length(length) => Framing::Length(length),
                State::Size(..) => Framing::Chunked,
                _ => Framing::Length(0),
            },
            expects_continue: expects && !version_10,
            headers,
        })
    }

    fn scan_head(&mut self, data: &[u8]) -> Result<Step, Refusal> {
        if self.section.lines == 0 {
            match data {
                [] | [b'\r'] => {
                    self.section.seen = data.len();
                    return Ok(Step::NeedMore);
                }
                [b'\r', b'\n', ..] => {
                    self.empty_lines += 1;
                    if self.empty_lines > MAX_EMPTY_LINES {
                        return Err(Refusal::bad("empty_lines", "too many empty lines before the request line"));
                    }
                    self.section = Section::default();
                    return Ok(Step::Skip(2));
                }
                [b'\r', ..] => return Err(bare_cr(0)),
                [b'\n', ..] => return Err(bare_lf(0)),
                [first, ..] if !is_token_byte(*first) => {
                    return Err(Refusal::bad("request_line", "request line: it does not begin with a method"));
                }
                _ => {}
            }
        }
        while let Some(line) = self.next_line(data)? {
            if self.section.lines == 1 {
                let (method, target, version_10) = request_line(line)?;
                self.head.version_10 = version_10;
                self.places.version_10 = version_10;
                self.places.method = place_in(data, method);
                self.places.target = place_in(data, target);
                self.places.fields.clear();
            } else if !line.is_empty() {
                let (name, value) = self.head_field(line)?;
                self.places.fields.push((place_in(data, name), place_in(data, value)));
            } else {
                let n = self.section.line;
                self.end_head()?;
                return Ok(Step::Release(n));
            }
        }
        Ok(Step::NeedMore)
    }

    /// The next whole line without its end, checked for control characters and the limits of its section.
    fn next_line<'a>(&mut self, data: &'a [u8]) -> Result<Option<&'a [u8]>, Refusal> {
        let max = self.limits.max_header_bytes;
        let section = &mut self.section;
        let Some(at) = memchr::memchr(b'\n', &data[section.seen..]) else {
            section.seen = data.len();
            return if data.len() > max { Err(too_long(max)) } else { Ok(None) };
        };
        let end = section.seen + at;
        if end >= max {
            return Err(too_long(max));
        }
        let index = section.lines;
        let line = &data[section.line..end];
        (section.line, section.seen, section.lines) = (end + 1, end + 1, index + 1);
        let Some(line) = line.strip_suffix(b"\r") else {
            return Err(bare_lf(index));
        };
        // Without an end before the last byte: so it is done for many bytes at once.
        let fit = line.iter().fold(true, |fit, &b| fit & ((b >= 0x20 && b != 0x7f) | (b == b'\t')));
        if !fit {
            return Err(match line.contains(&b'\r') {
                true => bare_cr(index),
                false => Refusal::bad("control", format!("{}: a control character", place(index))),
            });
        }
        if index > self.limits.max_headers && !line.is_empty() {
            let max = self.limits.max_headers;
            return Err(Refusal::too_large("too_many_fields", format!("more than {max} header fields")));
        }
        Ok(Some(line))
    }

    fn head_field<'a>(&mut self, line: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), Refusal> {
        let index = self.section.lines - 1;
        let (name, value) = split_field(line, index)?;
        let head = &mut self.head;
        match Name::of(name) {
            Name::Other => {}
            Name::Host => {
                if std::mem::replace(&mut head.host, true) {
                    return Err(Refusal::bad("host_twice", format!("header field {index}: a second Host")));
                }
                if !is_host(value) {
                    return Err(Refusal::bad("host", format!("header field {index}: Host is not host or host:port")));
                }
            }
            Name::ContentLength => {
                let length = digits(value).ok_or_else(|| {
                    Refusal::bad("content_length", format!("header field {index}: Content-Length is not one number"))
                })?;
                if head.length.replace(length).is_some() {
                    let detail = format!("header field {index}: a second Content-Length");
                    return Err(Refusal::bad("content_length_twice", detail));
                }
            }
            Name::TransferEncoding => {
                if head.version_10 {
                    let detail = format!("header field {index}: Transfer-Encoding in HTTP/1.0");
                    return Err(Refusal::bad("transfer_encoding", detail));
                }
                if !value.eq_ignore_ascii_case(b"chunked") || std::mem::replace(&mut head.chunked, true) {
                    let detail = format!("header field {index}: Transfer-Encoding is not chunked and nothing else");
                    return Err(Refusal::bad("transfer_encoding", detail));
                }
            }
            Name::Connection => {
                let framing = |token: &[u8]| {
                    let token = token.trim_ascii();
                    matches!(Name::of(token), Name::Host | Name::ContentLength | Name::TransferEncoding)
                };
                if value.split(|b| *b == b',').any(framing) {
                    let detail = format!("header field {index}: Connection names Host or a framing field");
                    return Err(Refusal::bad("connection", detail));
                }
            }
            Name::LookAlike => {
                let detail = format!("header field {index}: a name that some servers read as Host or a framing field");
                return Err(Refusal::bad("look_alike", detail));
            }
        }
        Ok((name, value))
    }

    fn end_head(&mut self) -> Result<(), Refusal> {
        let head = std::mem::take(&mut self.head);
        if !head.host && !head.version_10 {
            return Err(Refusal::bad("host_missing", "the header has no Host"));
        }
        self.state = match (head.chunked, head.length) {
            (true, Some(_)) => {
                let detail = "the header has both Transfer-Encoding and Content-Length";
                return Err(Refusal::bad("two_lengths", detail));
            }
            (true, None) => State::Size(0, 0),
            (false, None | Some(0)) => State::Head,
            (false, Some(n)) => State::Length(n),
        };
        self.section = Section::default();
        self.empty_lines = 0;
        self.extensions = 0;
        Ok(())
    }

    /// Chunk sizes and data; stops where the trailers begin.
    fn chunks(&mut self, data: &[u8]) -> Result<Step, Refusal> {
        let mut at = 0;
        while let Some(&byte) = data.get(at) {
            if let State::Data(left) = self.state {
                let n = take(left, data.len() - at);
                at += n;
                self.state = match left - n as u64 {
                    0 => State::DataCr,
                    left => State::Data(left),
                };
                continue;
            }
            self.state = match (self.state, byte) {
                (State::Size(size, n), b) if b.is_ascii_hexdigit() => {
                    if n == MAX_CHUNK_DIGITS {
                        return Err(bad_chunk("a chunk size of more than 16 digits"));
                    }
                    State::Size(size << 4 | u64::from(hex(b)), n + 1)
                }
                (State::Size(size, 1..), b';') => {
                    self.extensions += 1;
                    State::Extension(size)
                }
                (State::Size(size, 1..) | State::Extension(size), b'\r') => State::SizeEnd(size),
                (State::Size(..), _) => return Err(bad_chunk("a chunk size that is not hexadecimal digits")),
                (State::Extension(size), b) => {
                    self.extensions += 1;
                    if (b < 0x20 && b != b'\t') || b == 0x7f {
                        return Err(bad_chunk("a control character in a chunk extension"));
                    }
                    State::Extension(size)
                }
                (State::SizeEnd(0), b'\n') => State::Trailers,
                (State::SizeEnd(size), b'\n') => State::Data(size),
                (State::SizeEnd(_), _) => return Err(bad_chunk("a bare carriage return behind a chunk size")),
                (State::DataCr, b'\r') => State::DataLf,
                (State::DataLf, b'\n') => State::Size(0, 0),
                (State::DataCr | State::DataLf, _) => return Err(bad_chunk("a chunk longer than its size")),
                // Not reached: `step` sends the other states elsewhere.
                (state @ (State::Head | State::Length(_) | State::Data(_) | State::Trailers), _) => state,
            };
            if self.extensions > MAX_EXTENSIONS {
                return Err(bad_chunk("chunk extensions of more than 1024 bytes"));
            }
            at += 1;
            if self.state == State::Trailers {
                self.section = Section::default();
                break;
            }
        }
        Ok(Step::Release(at))
    }

    fn trailers(&mut self, data: &[u8]) -> Result<Step, Refusal> {
        // Lines count from one in a head, where the request line is the zeroth.
        self.section.lines = self.section.lines.max(1);
        while let Some(line) = self.next_line(data)? {
            if line.is_empty() {
                let n = self.section.line;
                self.section = Section::default();
                self.state = State::Head;
                return Ok(Step::Release(n));
            }
            let index = self.section.lines - 1;
            let (name, _) = split_field(line, index)?;
            if NEVER_TRAILERS.iter().any(|f| same_name(name, f.as_bytes())) {
                let detail = format!("trailer field {index}: a field that must not stand in trailers");
                return Err(Refusal::bad("trailer", detail));
            }
        }
        Ok(Step::NeedMore)
    }
}

// === impl Name ===

/// The fields that decide where a request ends or goes.
enum Name {
    Host,
    ContentLength,
    TransferEncoding,
    Connection,
    /// Equal to one of these only where `_` is read as `-`.
    LookAlike,
    Other,
}

impl Name {
    fn of(name: &[u8]) -> Name {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => Name::Host,
            10 if name.eq_ignore_ascii_case(b"connection") => Name::Connection,
            14 if name.eq_ignore_ascii_case(b"content-length") => Name::ContentLength,
            14 if same_name(name, b"content-length") => Name::LookAlike,
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => Name::TransferEncoding,
            17 if same_name(name, b"transfer-encoding") => Name::LookAlike,
            _ => Name::Other,
        }
    }
}

/// Whether two names are equal when case is folded and `_` is read as `-`, as CGI-like servers do.
fn same_name(name: &[u8], lower: &[u8]) -> bool {
    name.len() == lower.len()
        && name.iter().zip(lower).all(|(a, b)| a.to_ascii_lowercase() == *b || (*a == b'_' && *b == b'-'))
}

/// Method and target of a request line, and whether it is HTTP/1.0.
fn request_line(line: &[u8]) -> Result<(&[u8], &[u8], bool), Refusal> {
    let mut parts = line.split(|b| *b == b' ');
    let (Some(method), Some(target), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::bad(
            "request_line",
            "request line: it is not method, target and version with single spaces",
        ));
    };
    let version_10 = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        b"HTTP/2.0" if method == b"PRI" => {
            return Err(Refusal::bad("preface", "an HTTP/2 preface where HTTP/1.1 was expected"));
        }
        _ => return Err(Refusal::bad("version", "request line: the version is neither HTTP/1.1 nor HTTP/1.0")),
    };
    if method.is_empty() || !method.iter().all(|b| is_token_byte(*b)) {
        return Err(Refusal::bad("method", "request line: the method is not a token"));
    }
    check_target(method, target)?;
    Ok((method, target, version_10))
}

/// Name and value of a field line, the value without white space around it.
fn split_field(line: &[u8], index: usize) -> Result<(&[u8], &[u8]), Refusal> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(Refusal::bad("folded", format!("header field {index}: the line begins with white space")));
    }
    let Some(colon) = memchr::memchr(b':', line) else {
        return Err(Refusal::bad("field", format!("header field {index}: no colon")));
    };
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if matches!(name.last(), Some(b' ' | b'\t')) {
        return Err(Refusal::bad("field_space", format!("header field {index}: white space before the colon")));
    }
    if name.is_empty() || !name.iter().all(|b| is_token_byte(*b)) {
        return Err(Refusal::bad("field_name", format!("header field {index}: the name is not a token")));
    }
    Ok((name, trim(value)))
}

/// Spaces and tabs off both ends; nothing else is optional white space (RFC 9110 5.6.3).
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// `1*DIGIT` within u64.
pub(super) fn digits(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0u64, |n, b| {
        let digit = b.is_ascii_digit().then(|| u64::from(b - b'0'))?;
        n.checked_mul(10)?.checked_add(digit)
    })
}

fn take(left: u64, have: usize) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(have)
}

fn is_token_byte(b: u8) -> bool {
    TOKEN[usize::from(b)]
}

/// `tchar` of RFC 9110 5.6.2.
static TOKEN: [bool; 256] = alphanumeric_or(b"!#$%&'*+-.^_`|~");

fn place(index: usize) -> String {
    match index {
        0 => "request line".into(),
        n => format!("header field {n}"),
    }
}

fn bare_cr(index: usize) -> Refusal {
    Refusal::bad("bare_cr", format!("{}: a carriage return without a line feed", place(index)))
}

fn bare_lf(index: usize) -> Refusal {
    Refusal::bad("bare_lf", format!("{}: a line feed without a carriage return", place(index)))
}

fn too_long(max: usize) -> Refusal {
    Refusal::too_large("too_long", format!("more than {max} bytes of header"))
}

fn bad_chunk(what: &str) -> Refusal {
    Refusal::bad("chunk", format!("request body: {what}"))
}
