//! Points in time as services write them: RFC 3339, HTTP dates, and seconds, milliseconds, ... since 1970.

use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// 2000-01-01 and 2100-01-01 in seconds since 1970: outside of it a number is taken for no time.
const PLAUSIBLE: std::ops::Range<f64> = 946_684_800.0..4_102_444_800.0;

/// How a number counts time since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unix {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

/// A date and time with its offset (RFC 3339).
pub fn rfc3339(text: &str) -> Option<Timestamp> {
    if is_framed(text) { text.parse().ok() } else { None }
}

/// A date and time without offset, as databases and many languages write it: in nanoseconds that mean something
/// against another one only.
pub fn local(text: &str) -> Option<i128> {
    let is_bare = |time: &str| time.bytes().all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.'));
    if !is_framed(text) || !text.get(11..).is_some_and(is_bare) {
        return None;
    }
    let time: jiff::civil::DateTime = text.parse().ok()?;
    time.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|z| z.timestamp().as_nanosecond())
}

fn is_framed(text: &str) -> bool {
    let b = text.as_bytes();
    matches!(b, [_, _, _, _, b'-', _, _, b'-', _, _, b'T' | b't' | b' ', _, _, b':', ..]) && b.len() <= 64
}

/// A date as HTTP and mail write it: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn http_date(text: &str) -> Option<Timestamp> {
    let b = text.as_bytes();
    if b.len() > 40 || b.get(3) != Some(&b',') {
        return None;
    }
    jiff::fmt::rfc2822::parse(text).ok().map(|z| z.timestamp())
}

/// A calendar day: `2026-03-01`.
pub fn date(text: &str) -> Option<jiff::civil::Date> {
    let b = text.as_bytes();
    if !matches!(b, [_, _, _, _, b'-', _, _, b'-', _, _]) {
        return None;
    }
    text.parse().ok()
}

/// A number in the plausible range of one of the units.
pub fn unix(text: &str) -> Option<(Unix, f64)> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) || text.len() > 40 {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    [(Unix::Seconds, 1.0), (Unix::Millis, 1e3), (Unix::Micros, 1e6), (Unix::Nanos, 1e9)]
        .into_iter()
        .find(|(_, scale)| PLAUSIBLE.contains(&(number / scale)))
        .map(|(unit, scale)| (unit, number / scale))
}

/// The nanoseconds of a length of time: `1.5s` as JSON of protobuf writes it, `12ms`, `1m30s`, `PT5S`, `10:00:00`.
pub fn span(text: &str) -> Option<i128> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    if unsigned.len() > 40 || !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == 'P') {
        return None;
    }
    text.parse::<SignedDuration>().ok().map(|span| span.as_nanos())
}

/// Whether the text is a date, with or without a time of day, rather than a number.
pub fn is_date(text: &str) -> bool {
    rfc3339(text).is_some() || http_date(text).is_some() || local(text).is_some() || date(text).is_some()
}

/// Whether two texts are times of one kind that are at most `bound` apart, and by as much more as the one was asked for
/// later than the other.
pub fn are_near(a: &str, b: &str, bound: Duration, skew: Duration) -> bool {
    let both = |read: fn(&str) -> Option<i128>| Some(read(a)?.abs_diff(read(b)?));
    if let Some(apart) = both(span) {
        // The clocks have no part in how long something takes.
        return apart <= bound.as_nanos();
    }
    let apart = both(instant).or_else(|| both(local));
    apart.is_some_and(|apart| apart <= bound.saturating_add(skew).as_nanos())
}

/// Nanoseconds since 1970 of whatever kind of time the text is.
pub fn instant(text: &str) -> Option<i128> {
    if let Some(t) = rfc3339(text).or_else(|| http_date(text)) {
        return Some(t.as_nanosecond());
    }
    if let Some((_, seconds)) = unix(text) {
        return Some((seconds * 1e9) as i128);
    }
    let day = date(text)?;
    day.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|z| z.timestamp().as_nanosecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        let (milli, second) = (1_000_000, 1_000_000_000i128);
        for (text, nanos) in [
            ("3s", 3 * second),
            ("-0.5s", -second / 2),
            ("1.000000001s", second + 1),
            ("12ns", 12),
            ("12us", 12_000),
            ("12µs", 12_000),
            ("12.5ms", 12 * milli + milli / 2),
            ("1m30s", 90 * second),
            ("2h", 7200 * second),
            ("PT1M5S", 65 * second),
            ("10:00:01", 36_001 * second),
        ] {
            assert_eq!(span(text), Some(nanos), "{text}");
        }
        for text in ["", "s", "3", "1.s", "1.0000000001s", "--1s", "1e3s", "+1s", "1d", "2026-01-01", "00:11:22:33"] {
            assert_eq!(span(text), None, "{text}");
        }
    }

    #[test]
    fn one_instant_in_many_clothes() {
        let second = 1_000_000_000i128;
        for text in [
            "1994-11-06T08:49:37Z",
            "1994-11-06T09:49:37+01:00",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 -0000",
        ] {
            assert_eq!(instant(text), Some(784_111_777 * second), "{text}");
        }
        for text in ["1767225600", "1767225600000", "1767225600000000", "2026-01-01", "1767225600.0"] {
            assert_eq!(instant(text), Some(1_767_225_600 * second), "{text}");
        }
        for text in ["", "12", "yesterday", "2026-13-01", "2026-01-01T00:00:00", "1e400", "nan", "inf"] {
            assert_eq!(instant(text), None, "{text}");
        }
    }
}
