//! Content-Encoding undone, within bounds.
//!
//! Only for comparing: nothing decoded here ever goes back to a user.

use crate::model::Fields;
use http::header::CONTENT_ENCODING;
use ruzstd::decoding::StreamingDecoder;
use std::borrow::Cow;
use std::io::Read;
use thiserror::Error;

/// Bounds on what a comparison may unpack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes a body may decode to.
    pub decoded: u64,
    /// How many times its coded size it may decode to, once past [`RATIO_FROM`] bytes.
    pub ratio: u64,
}

/// Below this many decoded bytes no ratio is suspicious: short bodies of one character compress well.
const RATIO_FROM: u64 = 1 << 20;

/// Bytes decoded between two looks at the clock.
const PART: u64 = 32 << 10;

/// Bytes that may be looked back upon as a content coding (RFC 9659), and that come at once.
const ZSTD_WINDOW: u64 = 8 << 20;

/// Codings that may be stacked on one body.
const MAX_STACKED: usize = 4;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum CodingError {
    #[error("the coding `{0}` is not known, so the body was compared as it came")]
    Unknown(String),
    #[error("the body is not valid {0}")]
    Corrupt(String),
    #[error("the body decodes to more than is allowed")]
    TooLarge,
    #[error("the limit on time was reached")]
    TooLong,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { decoded: 8 << 20, ratio: 500 }
    }
}

/// The codings of a body in the order they were applied, folded; `identity` left out.
pub(super) fn codings(headers: &Fields) -> Vec<String> {
    headers
        .all(&CONTENT_ENCODING)
        .flat_map(|v| String::from_utf8_lossy(v).split(',').map(str::to_owned).collect::<Vec<_>>())
        .map(|c| match c.trim().to_ascii_lowercase().as_str() {
            "x-gzip" => "gzip".to_owned(),
            other => other.to_owned(),
        })
        .filter(|c| !c.is_empty() && c != "identity")
        .collect()
}

/// Undoes the codings, the last applied first, unless the time is `expired` before that is done.
pub(super) fn decode<'a>(
    body: &'a [u8],
    codings: &[String],
    limits: Limits,
    expired: &dyn Fn() -> bool,
) -> Result<Cow<'a, [u8]>, CodingError> {
    if codings.len() > MAX_STACKED {
        return Err(CodingError::Unknown(codings.join(", ")));
    }
    let mut current = Cow::Borrowed(body);
    for coding in codings.iter().rev() {
        // No body at all is no body in any coding: what a 200 without content looks like.
        if current.is_empty() {
            return Ok(current);
        }
        current = Cow::Owned(undo(&current, coding, limits, expired)?);
    }
    Ok(current)
}

fn undo(body: &[u8], coding: &str, limits: Limits, expired: &dyn Fn() -> bool) -> Result<Vec<u8>, CodingError> {
    let cap = limits.decoded.min((body.len() as u64).saturating_mul(limits.ratio).max(RATIO_FROM));
    let read = |source: &mut dyn Read| read(source, cap, coding, expired);
    match coding {
        "gzip" => read(&mut flate2::read::MultiGzDecoder::new(body)),
        // RFC 9110 8.4.1.2 means the zlib format; bare deflate streams are sent under that name as well.
        "deflate" => match read(&mut flate2::read::ZlibDecoder::new(body)) {
            Err(CodingError::Corrupt(_)) => read(&mut flate2::read::DeflateDecoder::new(body)),
            done => done,
        },
        "br" => read(&mut brotli::Decompressor::new(body, 4096)),
        "zstd" => zstd(body, cap, expired),
        other => Err(CodingError::Unknown(other.to_owned())),
    }
}

/// A zstd body may be several frames on end.
fn zstd(body: &[u8], cap: u64, expired: &dyn Fn() -> bool) -> Result<Vec<u8>, CodingError> {
    let corrupt = || CodingError::Corrupt("zstd".to_owned());
    let mut rest = body;
    let mut all = Vec::new();
    while !rest.is_empty() {
        let before = rest.len();
        let mut decoder = StreamingDecoder::new_with_max_window_size(&mut rest, ZSTD_WINDOW).map_err(|_| corrupt())?;
        let left = cap.saturating_sub(all.len() as u64);
        all.append(&mut read(&mut decoder, left, "zstd", expired)?);
        if rest.len() == before {
            return Err(corrupt());
        }
        if expired() {
            return Err(CodingError::TooLong);
        }
    }
    Ok(all)
}

/// Reads up to `cap` bytes, part by part.
fn read(source: &mut dyn Read, cap: u64, coding: &str, expired: &dyn Fn() -> bool) -> Result<Vec<u8>, CodingError> {
    let mut out = Vec::new();
    loop {
        let read = source.take(PART).read_to_end(&mut out);
        match read {
            _ if out.len() as u64 > cap => return Err(CodingError::TooLarge),
            // Fewer are the last ones: behind them some readers find fault with what follows.
            Ok(read) if (read as u64) < PART => return Ok(out),
            Ok(_) if expired() => return Err(CodingError::TooLong),
            Ok(_) => {}
            Err(_) => return Err(CodingError::Corrupt(coding.to_owned())),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    pub(in crate::diff) fn gzip(data: &[u8]) -> Vec<u8> {
        let mut w = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        w.write_all(data).unwrap();
        w.finish().unwrap()
    }

    fn zlib(data: &[u8]) -> Vec<u8> {
        let mut w = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        w.write_all(data).unwrap();
        w.finish().unwrap()
    }

    fn deflate(data: &[u8]) -> Vec<u8> {
        let mut w = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        w.write_all(data).unwrap();
        w.finish().unwrap()
    }

    fn br(data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        brotli::CompressorWriter::new(&mut out, 4096, 5, 20).write_all(data).unwrap();
        out
    }

    fn zst(data: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(data, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn names(text: &[&str]) -> Vec<String> {
        text.iter().map(|s| (*s).to_owned()).collect()
    }

    static ZEROS: [u8; 4 << 20] = [0; 4 << 20];

    #[test]
    fn each_coding_is_undone() {
        let data = b"the quick brown fox, the quick brown fox, the quick brown fox".as_slice();
        let limits = Limits::default();
        for (coded, name) in [
            (gzip(data), "gzip"),
            (zlib(data), "deflate"),
            (deflate(data), "deflate"),
            (br(data), "br"),
            (zst(data), "zstd"),
        ] {
            assert_eq!(decode(&coded, &names(&[name]), limits, &|| false).unwrap(), data, "{name}");
        }
        let stacked = gzip(&br(data));
        assert_eq!(decode(&stacked, &names(&["br", "gzip"]), limits, &|| false).unwrap(), data);
        let members = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(decode(&members, &names(&["gzip"]), limits, &|| false).unwrap(), b"one two".as_slice());
        let frames = [zst(b"one "), zst(b"two")].concat();
        assert_eq!(decode(&frames, &names(&["zstd"]), limits, &|| false).unwrap(), b"one two".as_slice());
    }

    #[test]
    fn bombs_stop_at_the_cap() {
        let small = Limits { decoded: 1 << 20, ratio: 100_000 };
        for (coded, name) in
            [(gzip(&ZEROS), "gzip"), (br(&ZEROS), "br"), (zst(&ZEROS), "zstd"), (zlib(&ZEROS), "deflate")]
        {
            assert_eq!(decode(&coded, &names(&[name]), small, &|| false), Err(CodingError::TooLarge), "{name} by size");
        }
        let by_ratio = Limits { decoded: 64 << 20, ratio: 20 };
        assert_eq!(decode(&gzip(&ZEROS), &names(&["gzip"]), by_ratio, &|| false), Err(CodingError::TooLarge));
    }

    #[test]
    fn cut_and_unknown_are_told_apart() {
        let whole = gzip(b"some text that is long enough to be cut in the middle");
        let cut = &whole[..whole.len() - 9];
        assert_eq!(
            decode(cut, &names(&["gzip"]), Limits::default(), &|| false),
            Err(CodingError::Corrupt("gzip".into()))
        );
        assert_eq!(
            decode(b"x", &names(&["pied"]), Limits::default(), &|| false),
            Err(CodingError::Unknown("pied".into()))
        );
    }

    #[test]
    fn what_stands_behind_the_end_changes_nothing_by_the_bodys_length() {
        for length in [PART as usize - 1, PART as usize, PART as usize + 1] {
            let data = &ZEROS[..length];
            let read = |coded: Vec<u8>, name| decode(&coded, &names(&[name]), Limits::default(), &|| false).is_ok();
            assert!(read([br(data), b"more".to_vec()].concat(), "br"), "{length}");
            assert!(read([zlib(data), b"more".to_vec()].concat(), "deflate"), "{length}");
        }
    }

    #[test]
    fn of_zstd_frames_of_nothing_take_time_and_windows_are_limited() {
        let nothing = zst(b"").repeat(100_000);
        let (asked, limits) = (std::cell::Cell::new(0), Limits::default());
        let expired = || {
            asked.set(asked.get() + 1);
            asked.get() == 10
        };
        assert_eq!(decode(&nothing, &names(&["zstd"]), limits, &expired), Err(CodingError::TooLong));
        // A window of 128 MiB, and a block that repeats a byte.
        let wide = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x03, 0x00, 0x10, 0x00];
        assert_eq!(decode(&wide, &names(&["zstd"]), limits, &|| false), Err(CodingError::Corrupt("zstd".into())));
    }

    #[test]
    fn time_ends_it_too() {
        let asked = std::cell::Cell::new(0);
        let expired = || {
            asked.set(asked.get() + 1);
            asked.get() == 3
        };
        for (coded, name) in
            [(gzip(&ZEROS), "gzip"), (br(&ZEROS), "br"), (zst(&ZEROS), "zstd"), (zlib(&ZEROS), "deflate")]
        {
            asked.set(0);
            let limits = Limits { decoded: u64::MAX, ratio: u64::MAX };
            assert_eq!(decode(&coded, &names(&[name]), limits, &expired), Err(CodingError::TooLong), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            data in proptest::collection::vec(any::<u8>(), 0..300),
            coding in prop::sample::select(vec!["gzip", "deflate", "br", "zstd"]),
        ) {
            let _ = decode(&data, &names(&[coding]), Limits::default(), &|| false);
        }
    }
}
