//! The body of a message as its bytes come (RFC 9112, 6 and 7): content out of them, and the end found.

use super::fields::Place;
use super::head::{HeadLimits, place_in, value_of};
use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName};
use memchr::memchr;
use std::ops::Range;

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes.
    Length(u64),
    Chunked,
    /// All there is until the connection ends.
    Close,
}

/// Follows one body.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// What trailers may have.
    limits: HeadLimits,
    /// Bytes that are left for what is in chunk sizes beside the sizes.
    extensions: usize,
}

/// What came of the bytes that are there.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded {
    Data(Bytes),
    Trailers(HeaderMap),
    /// The body goes on, and nothing of it is there.
    More,
    End,
}

/// Why a body cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("invalid chunk size line: {0}")]
    Size(&'static str),
    #[error("a chunk that is longer than its size")]
    ChunkEnd,
    #[error("invalid trailers")]
    Trailers,
    #[error("trailers that are too large")]
    TrailersTooLarge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Length(u64),
    /// The line with a chunk's size.
    Size,
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    Trailers,
    Close,
    Ended,
}

/// Bytes beside the sizes that are let pass in one body.
const MAX_EXTENSIONS: usize = 16 * 1024;
/// What mostly follows the last chunk: its line end, and no trailers.
pub(super) const LAST: &[u8] = b"\r\n0\r\n\r\n";
/// Hexadecimal digits that a u64 holds.
const MAX_DIGITS: usize = 16;
const USUAL_TRAILERS: usize = 100;
/// Chunks up to this size are given out together, up to about so many bytes: more would keep the thread too long from
/// others, where each has a byte.
const SMALL: usize = 1024;

// === impl Decoder ===

impl Decoder {
    /// `limits` are those of the trailers.
    pub fn new(framing: Framing, limits: HeadLimits) -> Self {
        let state = match framing {
            Framing::Length(0) => State::Ended,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size,
            Framing::Close => State::Close,
        };
        Self { state, limits, extensions: MAX_EXTENSIONS }
    }

    /// Takes the next part off the beginning of `buf`.
    ///
    /// # Errors
    /// The framing is broken, and where the message ends is not known.
    pub fn next(&mut self, buf: &mut BytesMut) -> Result<Decoded, BodyError> {
        loop {
            match self.state {
                State::Ended => return Ok(Decoded::End),
                _ if buf.is_empty() => return Ok(Decoded::More),
                State::Close => return Ok(Decoded::Data(buf.split().freeze())),
                State::Length(left) => {
                    let (data, left) = take(buf, left);
                    self.state = if left == 0 { State::Ended } else { State::Length(left) };
                    return Ok(Decoded::Data(data));
                }
                State::Chunk(left) => {
                    let (data, left) = take(buf, left);
                    if left > 0 {
                        self.state = State::Chunk(left);
                        return Ok(Decoded::Data(data));
                    }
                    let data = with_small_chunks(data, buf);
                    // The end goes along where it is there, so that whoever passes it on writes both at once.
                    let last = buf.starts_with(LAST);
                    buf.advance(if last { LAST.len() } else { 0 });
                    self.state = if last { State::Ended } else { State::ChunkEnd };
                    return Ok(Decoded::Data(data));
                }
                State::ChunkEnd => match buf[..] {
                    [b'\r'] => return Ok(Decoded::More),
                    [b'\r', b'\n', ..] => {
                        buf.advance(2);
                        self.state = State::Size;
                    }
                    // No bare line feed: a chunk one byte too short would end in its carriage return.
                    _ => return Err(BodyError::ChunkEnd),
                },
                State::Size => match self.size(buf)? {
                    None => return Ok(Decoded::More),
                    Some(0) => self.state = State::Trailers,
                    Some(size) => self.state = State::Chunk(size),
                },
                State::Trailers => match self.trailers(buf)? {
                    None => return Ok(Decoded::More),
                    Some(trailers) => {
                        self.state = State::Ended;
                        if !trailers.is_empty() {
                            return Ok(Decoded::Trailers(trailers));
                        }
                    }
                },
            }
        }
    }

    /// The connection has ended: whether the body has too.
    pub fn end(&mut self) -> bool {
        if self.state == State::Close {
            self.state = State::Ended;
        }
        self.is_ended()
    }

    pub fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Bytes of content that are sure to come, as far as is known now.
    pub fn coming(&self) -> Option<u64> {
        match self.state {
            State::Length(left) | State::Chunk(left) => Some(left),
            State::Ended => Some(0),
            _ => None,
        }
    }

    fn size(&mut self, buf: &mut BytesMut) -> Result<Option<u64>, BodyError> {
        let Some(end) = memchr(b'\n', buf) else {
            let digits = buf.iter().take_while(|b| b.is_ascii_hexdigit()).count();
            if digits == 0 && *buf != b"\r"[..] {
                return Err(BodyError::Size("missing size digit"));
            }
            return if buf.len() > self.extensions { Err(BodyError::Size("too long")) } else { Ok(None) };
        };
        let Some(line) = buf[..end].strip_suffix(b"\r") else {
            return Err(BodyError::Size("a line feed without a carriage return"));
        };
        let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        if digits == 0 {
            return Err(BodyError::Size("missing size digit"));
        }
        if digits > MAX_DIGITS {
            return Err(BodyError::Size("a size beyond 64 bits"));
        }
        let beside = &line[digits..];
        if !matches!(beside.trim_ascii_start().first(), None | Some(b';')) {
            return Err(BodyError::Size("neither an extension nor a line end behind the size"));
        }
        if beside.contains(&b'\r') {
            return Err(BodyError::Size("a carriage return without a line feed"));
        }
        self.extensions = self.extensions.checked_sub(beside.len()).ok_or(BodyError::Size("too many extensions"))?;
        let size = line[..digits].iter().fold(0, |size, digit| size << 4 | u64::from(hex(*digit)));
        buf.advance(end + 1);
        Ok(Some(size))
    }

    fn trailers(&mut self, buf: &mut BytesMut) -> Result<Option<HeaderMap>, BodyError> {
        let end = match buf[..] {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            _ => {
                if !super::head::is_whole(buf, 0) {
                    let over = buf.len() > self.limits.max_bytes;
                    return if over { Err(BodyError::TrailersTooLarge) } else { Ok(None) };
                }
                0
            }
        };
        if end > 0 {
            buf.advance(end);
            return Ok(Some(HeaderMap::new()));
        }
        let (length, places) = match parse(buf, &mut [httparse::EMPTY_HEADER; USUAL_TRAILERS]) {
            Err(BodyError::TrailersTooLarge) => parse(buf, &mut vec![httparse::EMPTY_HEADER; self.limits.max_headers])?,
            parsed => parsed?,
        };
        if length > self.limits.max_bytes || places.len() > self.limits.max_headers {
            return Err(BodyError::TrailersTooLarge);
        }
        let block = buf.split_to(length).freeze();
        let mut trailers = HeaderMap::with_capacity(places.len());
        for (name, value) in places {
            let name = HeaderName::from_bytes(&block[name]).map_err(|_| BodyError::Trailers)?;
            trailers.append(name, value_of(&block, &value).map_err(|_| BodyError::Trailers)?);
        }
        Ok(Some(trailers))
    }
}

/// The length of the trailers that begin here, and where the name and the value of each of them stand.
fn parse<'a>(buf: &'a [u8], room: &mut [httparse::Header<'a>]) -> Result<(usize, Vec<Place>), BodyError> {
    let parsed = httparse::parse_headers(buf, room).map_err(|error| match error {
        httparse::Error::TooManyHeaders => BodyError::TrailersTooLarge,
        _ => BodyError::Trailers,
    })?;
    let httparse::Status::Complete((length, fields)) = parsed else { return Err(BodyError::Trailers) };
    let place = |part| place_in(buf, part);
    Ok((length, fields.iter().map(|f| (place(f.name.as_bytes()), place(f.value))).collect()))
}

/// As much of `left` as is there, and what is left then.
fn take(buf: &mut BytesMut, left: u64) -> (Bytes, u64) {
    let n = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
    let data = if n == buf.len() { buf.split() } else { buf.split_to(n) };
    (data.freeze(), left - n as u64)
}

/// A chunk, and the small ones behind it that are there: whoever sends crumbs would make work with each of them.
fn with_small_chunks(chunk: Bytes, buf: &mut BytesMut) -> Bytes {
    let (mut all, mut read) = (Vec::new(), 0);
    while chunk.len() <= SMALL
        && all.len() < SMALL
        && let Some(place) = small_chunk(&buf[read..])
    {
        if all.is_empty() {
            all.reserve(SMALL.min(chunk.len() + buf.len()));
            all.extend_from_slice(&chunk);
        }
        all.extend_from_slice(&buf[read + place.start..read + place.end]);
        read += place.end;
    }
    buf.advance(read);
    // What is kept of it holds no more room than it takes.
    all.shrink_to_fit();
    if all.is_empty() { chunk } else { all.into() }
}

/// Where the content of the next chunk stands behind the end of another, where all of it is there and nothing about it is
/// odd: of what is, whatever it is, is taken care elsewhere.
fn small_chunk(buf: &[u8]) -> Option<Range<usize>> {
    let line = buf.strip_prefix(b"\r\n")?;
    let digits = line.iter().take(MAX_DIGITS + 1).take_while(|b| b.is_ascii_hexdigit()).count();
    let rest = line.get(digits..)?.strip_prefix(b"\r\n")?;
    let size = line[..digits].iter().fold(0, |size, digit| size << 4 | u64::from(hex(*digit)));
    let start = buf.len() - rest.len();
    let size =
        usize::try_from(size).ok().filter(|size| digits <= MAX_DIGITS && (1..=rest.len().min(SMALL)).contains(size))?;
    Some(start..start + size)
}

/// The value of a hexadecimal digit.
pub fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: HeadLimits = HeadLimits { max_headers: 200, max_bytes: 4000 };

    /// The content and trailers of a body that comes in these pieces, and what is left behind it.
    fn read(framing: Framing, pieces: &[&[u8]]) -> Result<(Vec<u8>, HeaderMap, bool, Vec<u8>), BodyError> {
        let mut decoder = Decoder::new(framing, LIMITS);
        let (mut buf, mut data, mut trailers) = (BytesMut::new(), Vec::new(), HeaderMap::new());
        for piece in pieces {
            buf.extend_from_slice(piece);
            loop {
                match decoder.next(&mut buf)? {
                    Decoded::Data(part) => data.extend_from_slice(&part),
                    Decoded::Trailers(fields) => trailers = fields,
                    Decoded::More | Decoded::End => break,
                }
            }
        }
        Ok((data, trailers, decoder.is_ended(), buf.to_vec()))
    }

    #[test]
    fn what_follows_a_body_is_left() {
        let of = |framing, bytes: &'static [u8]| {
            let (data, _, ended, left) = read(framing, &[bytes]).unwrap();
            (String::from_utf8(data).unwrap(), ended, String::from_utf8(left).unwrap())
        };
        let end = |data: &str, ended, left: &str| (data.to_owned(), ended, left.to_owned());
        assert_eq!(of(Framing::Length(3), b"abcd"), end("abc", true, "d"));
        assert_eq!(of(Framing::Length(3), b"ab"), end("ab", false, ""));
        assert_eq!(of(Framing::Length(0), b"HTTP"), end("", true, "HTTP"));
        assert_eq!(of(Framing::Close, b"abc"), end("abc", false, ""));
        assert_eq!(of(Framing::Chunked, b"3;a=b\r\nabc\r\n0\r\n\r\nnext"), end("abc", true, "next"));
        assert_eq!(of(Framing::Chunked, b"A \r\n0123456789\r\n"), end("0123456789", false, ""));
    }

    #[test]
    fn small_chunks_that_are_there_come_as_one() {
        let mut decoder = Decoder::new(Framing::Chunked, LIMITS);
        let mut buf = BytesMut::from(&b"1\r\na\r\n2\r\nbc\r\n001\r\nd\r\n2;x\r\nef\r\n3\r\ngh"[..]);
        for part in ["abcd", "ef", "gh"] {
            assert_eq!(decoder.next(&mut buf), Ok(Decoded::Data(Bytes::from_static(part.as_bytes()))));
        }
        assert_eq!(decoder.next(&mut buf), Ok(Decoded::More));
        let mut crumbs = BytesMut::from(&b"1\r\nx\r\n".repeat(100_000)[..]);
        let mut decoder = Decoder::new(Framing::Chunked, LIMITS);
        let parts = std::iter::from_fn(|| match decoder.next(&mut crumbs) {
            Ok(Decoded::Data(part)) => Some(part.len()),
            _ => None,
        });
        let lengths: Vec<usize> = parts.collect();
        assert_eq!((lengths.iter().sum(), lengths.len()), (100_000, 98));
    }

    #[test]
    fn the_end_comes_along_with_the_last_chunk() {
        for (bytes, ended, left) in [
            (&b"3\r\nabc\r\n0\r\n\r\nnext"[..], true, &b"next"[..]),
            (b"3\r\nabc\r\n0\r\n\r", false, b"\r\n0\r\n\r"),
            (b"3\r\nabc\r\n0\r\nA: b\r\n\r\n", false, b"\r\n0\r\nA: b\r\n\r\n"),
        ] {
            let (mut decoder, mut buf) = (Decoder::new(Framing::Chunked, LIMITS), BytesMut::from(bytes));
            assert_eq!(decoder.next(&mut buf), Ok(Decoded::Data(Bytes::from_static(b"abc"))));
            assert_eq!((decoder.is_ended(), &buf[..]), (ended, left));
        }
    }

    #[test]
    fn trailers_come_last() {
        let (data, trailers, ended, left) =
            read(Framing::Chunked, &[b"1\r\na\r\n0\r\nX-Sum: 1\r\nX-Sum: 2\r\n\r\nnext"]).unwrap();
        assert_eq!((&data[..], ended, &left[..]), (&b"a"[..], true, &b"next"[..]));
        assert_eq!(trailers.get_all("x-sum").iter().collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn as_many_trailers_pass_as_are_allowed() {
        let of = |n: usize| [&b"0\r\n"[..], &b"x: y\r\n".repeat(n), b"\r\n"].concat();
        for n in [1, 99, 100, 101, 199, 200] {
            let (_, trailers, ended, _) = read(Framing::Chunked, &[&of(n)]).unwrap();
            assert_eq!((trailers.len(), ended), (n, true));
        }
        assert_eq!(read(Framing::Chunked, &[&of(201)]), Err(BodyError::TrailersTooLarge));
    }

    #[test]
    fn broken_framing_is_told() {
        for (bytes, error) in [
            (&b"zz\r\n"[..], BodyError::Size("missing size digit")),
            (b"z", BodyError::Size("missing size digit")),
            (b"11111111111111111\r\n", BodyError::Size("a size beyond 64 bits")),
            (b"3 4\r\n", BodyError::Size("neither an extension nor a line end behind the size")),
            (b"1;\r \r\n", BodyError::Size("a carriage return without a line feed")),
            (b"1\nab\r\n", BodyError::Size("a line feed without a carriage return")),
            (b"1\r\nab\r\n", BodyError::ChunkEnd),
            (b"3\r\nab\r\n0\r\n\r\n", BodyError::ChunkEnd),
            (b"0\r\nno field\r\n\r\n", BodyError::Trailers),
        ] {
            assert_eq!(read(Framing::Chunked, &[bytes]), Err(error), "{:?}", String::from_utf8_lossy(bytes));
        }
        let long = [&b"0\r\nx: "[..], &[b'y'; 5000]].concat();
        assert_eq!(read(Framing::Chunked, &[&long]), Err(BodyError::TrailersTooLarge));
        let extended = [&b"1;"[..], &[b'y'; 20_000]].concat();
        assert_eq!(read(Framing::Chunked, &[&extended]), Err(BodyError::Size("too long")));
    }

    proptest! {
        /// However the bytes come, the content is the same, and the end is found where it is.
        #[test]
        fn pieces_make_no_difference(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6),
            trailer: bool,
            cuts in proptest::collection::vec(0usize..400, 0..12),
        ) {
            let mut whole = Vec::new();
            for chunk in &chunks {
                whole.extend(format!("{:x}\r\n", chunk.len()).bytes().chain(chunk.iter().copied()).chain(*b"\r\n"));
            }
            whole.extend_from_slice(if trailer { b"0\r\nX-T: 1\r\n\r\n" } else { b"0\r\n\r\n" });
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c % whole.len()).chain([0, whole.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &whole[w[0]..w[1]]).collect();
            let (data, trailers, ended, left) = read(Framing::Chunked, &pieces).unwrap();
            prop_assert_eq!(data, chunks.concat());
            prop_assert_eq!(trailers.len(), usize::from(trailer));
            prop_assert!(ended && left.is_empty());
        }
    }
}
