//! Strings: unescaping, and in what way two of them differ.
//!
//! Unescaped strings are WTF-8: UTF-8, and a lone surrogate as its three bytes, so that none equals another.

use super::number::Decimal;
use super::time;
use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization;

/// A character, or a surrogate without its other half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Char(char),
    Surrogate(u16),
}

/// What stands between the quotes of a JSON string (already validated), unescaped.
pub fn unescape(raw: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'\\', raw) else { return Cow::Borrowed(raw) };
    let (head, mut rest) = raw.split_at(first);
    let mut out = Vec::with_capacity(raw.len());
    out.extend_from_slice(head);
    loop {
        rest = match rest {
            [] => return Cow::Owned(out),
            [b'\\', b'u', tail @ ..] => {
                let (unit, tail) = unescape_unicode(tail);
                push_unit(&mut out, unit);
                tail
            }
            [b'\\', c, tail @ ..] => {
                out.push(match c {
                    b'b' => 8,
                    b'f' => 12,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    other => *other,
                });
                tail
            }
            _ => {
                let plain = memchr::memchr(b'\\', rest).unwrap_or(rest.len()).max(1);
                let (text, tail) = rest.split_at(plain);
                out.extend_from_slice(text);
                tail
            }
        };
    }
}

fn unescape_unicode(rest: &[u8]) -> (Unit, &[u8]) {
    let (high, rest) = hex4(rest);
    if (0xD800..0xDC00).contains(&high)
        && let [b'\\', b'u', tail @ ..] = rest
    {
        let (low, tail) = hex4(tail);
        if (0xDC00..0xE000).contains(&low) {
            let code = 0x10000 + ((u32::from(high) - 0xD800) << 10) + (u32::from(low) - 0xDC00);
            return (char::from_u32(code).map_or(Unit::Surrogate(high), Unit::Char), tail);
        }
    }
    (char::from_u32(u32::from(high)).map_or(Unit::Surrogate(high), Unit::Char), rest)
}

fn hex4(rest: &[u8]) -> (u16, &[u8]) {
    let (digits, tail) = rest.split_at(rest.len().min(4));
    let value = digits.iter().fold(0, |n, d| n << 4 | (char::from(*d).to_digit(16).unwrap_or(0) as u16));
    (value, tail)
}

/// Appends one unit as WTF-8.
pub fn push_unit(out: &mut Vec<u8>, unit: Unit) {
    match unit {
        Unit::Char(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        Unit::Surrogate(s) => {
            let s = u32::from(s);
            out.extend([0xE0 | (s >> 12) as u8, 0x80 | (s >> 6 & 0x3F) as u8, 0x80 | (s & 0x3F) as u8]);
        }
    }
}

/// The units of a WTF-8 string; bytes that are none are replaced.
pub fn units(mut bytes: &[u8]) -> impl Iterator<Item = Unit> + '_ {
    std::iter::from_fn(move || {
        if let [0xED, b @ 0xA0..=0xBF, c @ 0x80..=0xBF, tail @ ..] = bytes {
            bytes = tail;
            return Some(Unit::Surrogate(0xD000 | u16::from(b & 0x3F) << 6 | u16::from(c & 0x3F)));
        }
        let first = *bytes.first()?;
        let width = match first {
            0..=0x7F => 1,
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            _ => 1,
        };
        let char = bytes.get(..width).and_then(|b| std::str::from_utf8(b).ok()).and_then(|s| s.chars().next());
        bytes = bytes.get(if char.is_some() { width } else { 1 }..).unwrap_or(&[]);
        Some(Unit::Char(char.unwrap_or(char::REPLACEMENT_CHARACTER)))
    })
}

/// In what way two different strings differ: `unicode_form` (the same once composed), `case`, `space`, `numeric` (both
/// are numbers), `datetime` (both are times), `url_origin` (one URL but for its origin), `prefix` (one starts with the
/// other) or `other`.
pub fn difference(a: &[u8], b: &[u8]) -> &'static str {
    let (Ok(a), Ok(b)) = (std::str::from_utf8(a), std::str::from_utf8(b)) else { return "other" };
    if !(a.is_ascii() && b.is_ascii()) && a.nfc().eq(b.nfc()) {
        "unicode_form"
    } else if same_but_case(a, b) {
        "case"
    } else if without_space(a).eq(without_space(b)) {
        "space"
    } else if Decimal::parse(a).is_some() && Decimal::parse(b).is_some() {
        "numeric"
    } else if is_time(a) && is_time(b) {
        "datetime"
    } else if same_but_origin(a, b) {
        "url_origin"
    } else if !a.is_empty() && !b.is_empty() && (a.starts_with(b) || b.starts_with(a)) {
        "prefix"
    } else {
        "other"
    }
}

/// One URL at two origins, or once with its origin and once from the root on.
fn same_but_origin(a: &str, b: &str) -> bool {
    match (split_origin(a), split_origin(b)) {
        (Some((_, x)), Some((_, y))) => x == y,
        (Some((_, rest)), None) => rest == b && b.starts_with('/'),
        (None, Some((_, rest))) => rest == a && a.starts_with('/'),
        (None, None) => false,
    }
}

/// A URL cut into `scheme://authority` and the rest.
pub fn split_origin(text: &str) -> Option<(&str, &str)> {
    // No scheme has a colon.
    let (scheme, rest) = text.split_at_checked(memchr::memchr(b':', text.as_bytes())?)?;
    let rest = rest.strip_prefix("://")?;
    let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    if !named || authority == 0 || rest.contains(char::is_whitespace) {
        return None;
    }
    Some(text.split_at(scheme.len() + 3 + authority))
}

fn without_space(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().filter(|c| !c.is_whitespace())
}

fn same_but_case(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    a.chars().flat_map(char::to_lowercase).eq(b.chars().flat_map(char::to_lowercase))
}

fn is_time(text: &str) -> bool {
    time::rfc3339(text).is_some() || time::http_date(text).is_some() || time::date(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_are_undone() {
        for (raw, expect) in [
            ("plain", "plain".as_bytes()),
            (r#"\"\\\/\b\f\n\r\t"#, b"\"\\/\x08\x0c\n\r\t"),
            (r"\u00e9", "é".as_bytes()),
            (r"x\ud83d\ude00y", "x😀y".as_bytes()),
            (r"\ud800", &[0xED, 0xA0, 0x80]),
            (r"\ud800x", &[0xED, 0xA0, 0x80, b'x']),
            (r"\udc00\ud800", &[0xED, 0xB0, 0x80, 0xED, 0xA0, 0x80]),
            (r"\ud800\u0041", &[0xED, 0xA0, 0x80, b'A']),
        ] {
            assert_eq!(&*unescape(raw.as_bytes()), expect, "{raw}");
        }
    }

    #[test]
    fn kinds_of_difference() {
        for (a, b, expect) in [
            ("Paris", "PARIS", "case"),
            ("a b", " a  b\n", "space"),
            ("ab", "a b", "space"),
            ("1.50", "1.49", "numeric"),
            ("0.4033333333333334", "0.4033333333333333", "numeric"),
            ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "datetime"),
            ("http://old.example/a?b", "https://new.example:8443/a?b", "url_origin"),
            ("http://old.example/a?b", "/a?b", "url_origin"),
            ("http://old.example/a", "/b", "other"),
            ("http://old.example/a", "http://old.example/b", "other"),
            ("abc", "abcdef", "prefix"),
            ("abc", "", "other"),
            ("abc", "xyz", "other"),
            ("é", "e\u{301}", "unicode_form"),
            ("Å", "\u{212b}", "unicode_form"),
            ("e\u{301}", "É", "other"),
            ("한", "\u{1112}\u{1161}\u{11ab}", "unicode_form"),
        ] {
            assert_eq!(difference(a.as_bytes(), b.as_bytes()), expect, "{a} {b}");
            assert_eq!(difference(b.as_bytes(), a.as_bytes()), expect, "{b} {a}");
        }
    }

    proptest! {
        #[test]
        fn units_are_the_characters(text in "\\PC*") {
            prop_assert!(units(text.as_bytes()).eq(text.chars().map(Unit::Char)));
        }

        #[test]
        fn an_origin_is_what_stands_before_the_path(text in "[a-c+/:?# ]{0,10}|[a-c]://[a-c/]{0,5}") {
            let named = |scheme: &str| scheme.starts_with(char::is_alphabetic) && !scheme.contains(['/', ':', '?', '#', ' ']);
            let host = |rest: &str| rest.starts_with(|c| !"/?#".contains(c)) && !rest.contains(' ');
            let expect = text.split_once("://").is_some_and(|(scheme, rest)| named(scheme) && host(rest));
            prop_assert_eq!(split_origin(&text).is_some(), expect);
        }

        #[test]
        fn surrogates_survive(codes in proptest::collection::vec(any::<u16>(), 0..12)) {
            let raw: String = codes.iter().map(|c| format!("\\u{c:04x}")).collect();
            let expect: Vec<Unit> = char::decode_utf16(codes.iter().copied())
                .map(|r| r.map_or_else(|e| Unit::Surrogate(e.unpaired_surrogate()), Unit::Char))
                .collect();
            prop_assert_eq!(units(&unescape(raw.as_bytes())).collect::<Vec<_>>(), expect);
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = units(&bytes).count();
            let _ = unescape(&bytes);
            let _ = difference(&bytes, b"x");
        }
    }
}
