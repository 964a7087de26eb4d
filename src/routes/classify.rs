//! What a path segment, or an object's key, looks like: a word, an id, a date.

use std::net::IpAddr;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A word that belongs to the interface.
    Literal,
    Id,
    Date,
}

/// Longer segments count as ids, bytes after percent-decoding.
const MAX_LITERAL: usize = 64;

/// Classifies one segment, percent-decoded. What no person would put into an interface (very long, spaces, control
/// characters, braces) counts as an id.
pub fn classify_segment(segment: &str) -> Class {
    if is_date(segment.as_bytes()) {
        Class::Date
    } else if looks_like_id(segment) || segment.len() > MAX_LITERAL || segment.chars().any(is_weird) {
        Class::Id
    } else {
        Class::Literal
    }
}

/// Whether a text is a number, UUID, ULID, hex of 8 or more with a digit, base64url of 16 or more with digit and
/// letter, email address or IP address.
pub fn looks_like_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return false;
    }
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    if digits == bytes.len() {
        return true;
    }
    if digits > 0 {
        let plain = bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if plain && (is_uuid(bytes) || is_ulid(bytes) || is_hex(bytes) || is_base64url(text)) {
            return true;
        }
    }
    is_email(text) || is_ip(text)
}

fn is_weird(c: char) -> bool {
    !(c.is_alphanumeric() || "-._~!$&'()*+,;=:@|^".contains(c))
}

fn is_uuid(b: &[u8]) -> bool {
    b.len() == 36
        && b.iter().enumerate().all(|(i, c)| match i {
            8 | 13 | 18 | 23 => *c == b'-',
            _ => c.is_ascii_hexdigit(),
        })
}

fn is_ulid(b: &[u8]) -> bool {
    let crockford = |c: &u8| c.is_ascii_alphanumeric() && !matches!(c.to_ascii_lowercase(), b'i' | b'l' | b'o' | b'u');
    b.len() == 26 && matches!(b[0], b'0'..=b'7') && b.iter().all(crockford)
}

fn is_hex(b: &[u8]) -> bool {
    b.len() >= 8 && b.iter().all(u8::is_ascii_hexdigit)
}

/// The alphabet has been checked and there is a digit. Words joined by hyphens or underscores, such as
/// `oauth2-authorization-server`, are spared: each all lower case, with two digits at most.
fn is_base64url(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 16 || !bytes.iter().any(u8::is_ascii_alphabetic) {
        return false;
    }
    let word = |part: &str| {
        !part.bytes().any(|b| b.is_ascii_uppercase())
            && part.bytes().filter(u8::is_ascii_digit).count() <= 2
            && part.trim_end_matches(|c: char| c.is_ascii_digit()).bytes().all(|b| b.is_ascii_lowercase())
    };
    let parts = text.split(['-', '_']).count();
    !(parts > 1 && text.split(['-', '_']).all(word))
}

fn is_email(text: &str) -> bool {
    let Some((user, domain)) = text.split_once('@') else { return false };
    !user.is_empty()
        && !domain.contains('@')
        && domain.split('.').count() > 1
        && domain.split('.').all(|l| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

fn is_ip(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    inner.bytes().any(|b| matches!(b, b'.' | b':')) && inner.parse::<IpAddr>().is_ok()
}

/// `2026-01-31`, `2026-01`, or either as the beginning of a time such as `2026-01-31T10:00:00Z`.
fn is_date(b: &[u8]) -> bool {
    let number = |range: std::ops::Range<usize>, min: u32, max: u32| {
        b.get(range).is_some_and(|d| {
            d.iter().all(u8::is_ascii_digit)
                && (min..=max).contains(&d.iter().fold(0, |n, d| n * 10 + u32::from(d - b'0')))
        })
    };
    if !number(0..4, 1000, 2999) || b.get(4) != Some(&b'-') || !number(5..7, 1, 12) {
        return false;
    }
    match b.get(7..) {
        Some([]) => true,
        Some([b'-', _, _]) => number(8..10, 1, 31),
        Some([b'-', _, _, b'T' | b't' | b' ', time @ ..]) => {
            number(8..10, 1, 31)
                && !time.is_empty()
                && time.iter().all(|c| c.is_ascii_digit() || matches!(c, b':' | b'.' | b'Z' | b'z' | b'+' | b'-'))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments() {
        for (class, segments) in [
            (
                Class::Id,
                &[
                    "0",
                    "42",
                    "20260101",
                    "550e8400-e29b-41d4-a716-446655440000",
                    "550E8400-E29B-41D4-A716-446655440000",
                    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
                    "deadbee1",
                    "0123abcdef",
                    "dGVzdC10b2tlbi0x",
                    "AbCdEfGhIjKlMnO1",
                    "a@b.example",
                    "192.168.0.1",
                    "2001:db8::1",
                    "[::1]",
                    "hello world",
                    "a\0b",
                    "{id}",
                    "a/b",
                ][..],
            ),
            (Class::Date, &["2026-01-31", "2026-01", "2026-01-31T10:00:00Z", "2026-01-31T10:00:00.5+01:00"]),
            (
                Class::Literal,
                &[
                    "",
                    "users",
                    "v2",
                    "deadbeef",
                    "feedface",
                    "oauth2-authorization-server",
                    "user-preferences-v2",
                    "a1b2c3",
                    "2026-13",
                    "2026-01-32",
                    "index.html",
                    "a@b",
                    "straße",
                    "1.2.3",
                    "verylongwordwithoutanydigits",
                    "*",
                ],
            ),
        ] {
            for segment in segments {
                assert_eq!(classify_segment(segment), class, "{segment}");
            }
        }
        assert_eq!(classify_segment(&"x".repeat(65)), Class::Id);
    }
}
