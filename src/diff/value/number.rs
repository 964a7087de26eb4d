//! Numbers as text: exact decimals of any length, and how far two of them are apart.
//!
//! No float decides whether two numbers are equal; floats serve only where a tolerance speaks of them. An exponent is
//! a number here, never that many zeros.

use super::super::spec::Tolerance;
use std::borrow::Cow;
use std::cmp::Ordering;

/// `(-1)^negative * digits * 10^exponent`, in lowest form: no zeros at either end of the digits; zero has none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal<'a> {
    pub negative: bool,
    pub digits: Cow<'a, [u8]>,
    pub exponent: i128,
}

/// Decimal digits of an exponent that are still read; beyond it only equal texts are equal.
const MAX_EXPONENT_DIGITS: usize = 30;
/// Relative distance under which two numbers differ by little.
const SMALL: f64 = 1e-6;
/// Distance in float64 steps that two printers of one computation are apart.
const PRINTER_ULPS: u64 = 4;
/// Digits of which differences are computed exactly.
const EXACT_DIGITS: i128 = 37;

/// Whether two JSON numbers are the same decimal value.
pub fn equal(a: &str, b: &str) -> bool {
    match (Decimal::parse(a), Decimal::parse(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// How two different numbers differ: `sign` (opposite signs), `ulp` (not both whole, within 4 float64 steps), `small`
/// (within 1e-6 of the larger) or `large`.
pub fn difference(a: &str, b: &str) -> &'static str {
    let (Some(x), Some(y)) = (Decimal::parse(a), Decimal::parse(b)) else { return "large" };
    if !x.is_zero() && !y.is_zero() && x.negative != y.negative {
        return "sign";
    }
    let whole = x.exponent >= 0 && y.exponent >= 0;
    if !whole && ulps(a, b).is_some_and(|u| u <= PRINTER_ULPS) {
        return "ulp";
    }
    let larger = x.to_f64().abs().max(y.to_f64().abs());
    if x.distance(&y) < SMALL * larger { "small" } else { "large" }
}

/// Whether any bound of the tolerance that is given holds for two numbers; time is not looked at.
pub fn within(a: &str, b: &str, tolerance: &Tolerance) -> bool {
    let (Some(x), Some(y)) = (Decimal::parse(a), Decimal::parse(b)) else { return false };
    if x == y {
        return true;
    }
    // Two that differ are apart by something, even where no float64 is as small.
    let distance = x.distance(&y).max(f64::from_bits(1));
    let larger = x.to_f64().abs().max(y.to_f64().abs());
    tolerance.absolute.is_some_and(|t| distance <= t)
        || tolerance.relative.is_some_and(|t| larger.is_finite() && distance <= t * larger)
        || tolerance.ulps.is_some_and(|t| ulps(a, b).is_some_and(|u| u <= t))
        || tolerance.f32_ulps.is_some_and(|t| f32_ulps(a, b).is_some_and(|u| u <= t))
}

/// A number as all that have its value are written.
pub fn plain(text: &str) -> Cow<'_, str> {
    let Some(decimal) = Decimal::parse(text) else { return Cow::Borrowed(text) };
    let digits = std::str::from_utf8(&decimal.digits).unwrap_or_default();
    let sign = if decimal.negative { "-" } else { "" };
    match usize::try_from(decimal.exponent) {
        _ if decimal.is_zero() => Cow::Borrowed("0"),
        Ok(zeros) if zeros <= EXACT_DIGITS as usize => Cow::Owned(format!("{sign}{digits}{}", "0".repeat(zeros))),
        _ => Cow::Owned(format!("{sign}{digits}e{}", decimal.exponent)),
    }
}

/// Steps between the float64 values nearest to two numbers; `None` where one is out of range.
pub fn ulps(a: &str, b: &str) -> Option<u64> {
    let step = |t: &str| {
        let f = t.parse::<f64>().ok().filter(|f| f.is_finite())?;
        let bits = f.to_bits() as i64;
        Some(if bits < 0 { i64::MIN.wrapping_sub(bits) } else { bits })
    };
    Some(step(a)?.abs_diff(step(b)?))
}

/// Steps between the float32 values nearest to two numbers; `None` where one is out of range.
pub fn f32_ulps(a: &str, b: &str) -> Option<u32> {
    let step = |t: &str| {
        let f = t.parse::<f32>().ok().filter(|f| f.is_finite())?;
        let bits = f.to_bits() as i32;
        Some(if bits < 0 { i32::MIN.wrapping_sub(bits) } else { bits })
    };
    Some(step(a)?.abs_diff(step(b)?))
}

/// How a number is written: `int`, `decimal` or `exponent`.
pub fn notation(text: &str) -> &'static str {
    if text.contains(['e', 'E']) {
        "exponent"
    } else if text.contains('.') {
        "decimal"
    } else {
        "int"
    }
}

// === impl Decimal ===

impl<'a> Decimal<'a> {
    /// Reads a JSON number, and as strings carry them also `+1`, `007`, `.5` and `5.`; `None` for what is no number or
    /// has an exponent of more than 30 digits.
    pub fn parse(text: &'a str) -> Option<Self> {
        let b = text.as_bytes();
        let (negative, b) = match b {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        // Most texts are none, which is mostly seen at once.
        if !b.iter().all(|c| matches!(c, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
            return None;
        }
        let (mantissa, exponent) = match b.iter().position(|c| matches!(c, b'e' | b'E')) {
            Some(at) => (b.get(..at)?, Some(b.get(at + 1..)?)),
            None => (b, None),
        };
        let (whole, fraction) = match memchr::memchr(b'.', mantissa) {
            Some(at) => (mantissa.get(..at)?, mantissa.get(at + 1..)?),
            None => (mantissa, &[][..]),
        };
        let digits = |d: &[u8]| d.iter().all(u8::is_ascii_digit);
        if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
            return None;
        }
        let fraction = trim_end(fraction);
        let exponent = match exponent {
            Some(e) => read_exponent(e)?,
            None => Some(0),
        };
        let all: Cow<'a, [u8]> = match (trim_start(whole), fraction) {
            (whole, []) => Cow::Borrowed(whole),
            ([], fraction) => Cow::Borrowed(trim_start(fraction)),
            (whole, fraction) => Cow::Owned([whole, fraction].concat()),
        };
        let significant = trim_end(&all).len();
        if significant == 0 {
            return Some(Self { negative: false, digits: Cow::Borrowed(&[]), exponent: 0 });
        }
        let exponent = exponent? - fraction.len() as i128 + (all.len() - significant) as i128;
        let digits = match all {
            Cow::Borrowed(d) => Cow::Borrowed(d.get(..significant)?),
            Cow::Owned(mut d) => {
                d.truncate(significant);
                Cow::Owned(d)
            }
        };
        Some(Self { negative, digits, exponent })
    }

    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// The bytes that stand for this value alone, onto `out`: never longer than the text was, plus a few.
    pub fn canonical(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.negative));
        out.extend_from_slice(&self.exponent.to_le_bytes());
        out.extend_from_slice(&self.digits);
    }

    /// The nearest float64; infinite beyond its range.
    pub fn to_f64(&self) -> f64 {
        // Twenty digits and more round the same as all of them would, but for a tie: enough for distances.
        let head = self.digits.get(..40).unwrap_or(&self.digits);
        let exponent = (self.exponent + (self.digits.len() - head.len()) as i128).clamp(-100_000, 100_000);
        let text =
            format!("{}e{exponent}", if head.is_empty() { "0" } else { std::str::from_utf8(head).unwrap_or("0") });
        let f: f64 = text.parse().unwrap_or(0.0);
        if self.negative { -f } else { f }
    }

    /// `|a - b|`, exact up to one rounding where 37 digits hold both; else rounded up, so that it is never too small.
    pub fn distance(&self, other: &Decimal<'_>) -> f64 {
        if let Some(exact) = self.exact_distance(other) {
            return exact;
        }
        let (x, y) = (self.to_f64(), other.to_f64());
        let step = |f: f64| f.abs() * f64::EPSILON + f64::MIN_POSITIVE;
        (x - y).abs() + step(x) + step(y)
    }

    fn exact_distance(&self, other: &Decimal<'_>) -> Option<f64> {
        let low = match (self.is_zero(), other.is_zero()) {
            (true, _) => other.exponent,
            (_, true) => self.exponent,
            _ => self.exponent.min(other.exponent),
        };
        let scaled = |d: &Decimal<'_>| -> Option<i128> {
            if d.is_zero() {
                return Some(0);
            }
            let zeros = d.exponent - low;
            if zeros + d.digits.len() as i128 > EXACT_DIGITS {
                return None;
            }
            let n = d.digits.iter().fold(0i128, |n, c| n * 10 + i128::from(c - b'0'));
            Some(n * 10i128.pow(zeros as u32) * if d.negative { -1 } else { 1 })
        };
        let distance = scaled(self)?.abs_diff(scaled(other)?);
        format!("{distance}e{}", low.clamp(-100_000, 100_000)).parse().ok()
    }
}

impl Ord for Decimal<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |d: &Self| match (d.is_zero(), d.negative) {
            (true, _) => 0,
            (_, true) => -1,
            _ => 1,
        };
        let magnitude = |a: &Self, b: &Self| {
            let top = |d: &Self| d.exponent + d.digits.len() as i128;
            top(a).cmp(&top(b)).then_with(|| a.digits.cmp(&b.digits))
        };
        sign(self).cmp(&sign(other)).then_with(|| match sign(self) {
            1 => magnitude(self, other),
            -1 => magnitude(other, self),
            _ => Ordering::Equal,
        })
    }
}

impl PartialOrd for Decimal<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Outer `None`: no exponent at all. Inner `None`: one too long to be read.
fn read_exponent(text: &[u8]) -> Option<Option<i128>> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = trim_start(digits);
    if digits.len() > MAX_EXPONENT_DIGITS {
        return Some(None);
    }
    let n = digits.iter().fold(0i128, |n, c| n * 10 + i128::from(c - b'0'));
    Some(Some(if negative { -n } else { n }))
}

fn trim_start(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|c| **c == b'0').count();
    digits.get(zeros..).unwrap_or(&[])
}

fn trim_end(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().rev().take_while(|c| **c == b'0').count();
    digits.get(..digits.len() - zeros).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_text_for_each_value() {
        for (text, expect) in [
            ("1.0", "1"),
            ("-10e1", "-100"),
            ("-0.0", "0"),
            ("0.10", "1e-1"),
            ("12e400", "12e400"),
            ("1.20e401", "12e400"),
            ("007", "7"),
            ("seven", "seven"),
        ] {
            assert_eq!(plain(text), expect, "{text}");
        }
    }

    #[test]
    fn same_value_other_text() {
        for (a, b) in [
            ("1", "1.0"),
            ("1", "1e0"),
            ("10", "1e1"),
            ("0.1", "1E-1"),
            ("-0", "0"),
            ("0e999999999999999999999999999999999999", "0"),
            ("1e999999999", "10e999999998"),
            ("12345678901234567890123", "1234567890123456789012.3e1"),
            ("007", "7"),
            (".5", "0.50"),
            ("5.", "+5"),
        ] {
            assert!(equal(a, b) && equal(b, a), "{a} {b}");
        }
    }

    #[test]
    fn other_value() {
        for (a, b) in [
            ("1", "-1"),
            ("9007199254740993", "9007199254740992"),
            ("12345678901234567890123", "12345678901234567890124"),
            ("1e999999999", "1e999999998"),
            ("1e99999999999999999999999999999999999999", "1e99999999999999999999999999999999999998"),
            ("0.1", "0.10000000000000001"),
        ] {
            assert!(!equal(a, b), "{a} {b}");
        }
        for text in ["", "-", ".", "e1", "1e", "1e+", "0x1", "1 ", "nan", "1.2.3", "1e1.5"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn kinds_of_difference() {
        for (a, b, expect) in [
            ("1", "-1", "sign"),
            ("0.1", "0.10000000000000002", "ulp"),
            ("0.4033333333333334", "0.4033333333333333", "ulp"),
            ("9007199254740993", "9007199254740992", "small"),
            ("1", "2", "large"),
            ("1.0000001", "1", "small"),
            ("0", "1e-300", "large"),
            ("1e400", "1e401", "large"),
        ] {
            assert_eq!(difference(a, b), expect, "{a} {b}");
            assert_eq!(difference(b, a), expect, "{b} {a}");
        }
    }

    #[test]
    fn tolerances() {
        let none = Tolerance::default();
        let absolute = |t| Tolerance { absolute: Some(t), ..none };
        let relative = |t| Tolerance { relative: Some(t), ..none };
        for (a, b, tolerance, expect) in [
            ("1", "1.01", absolute(0.01), true),
            ("1", "1.011", absolute(0.01), false),
            ("9007199254740993", "9007199254740992", absolute(0.5), false),
            ("9007199254740993", "9007199254740992", absolute(1.0), true),
            (
                "123456789012345678901234567890123456789012345",
                "123456789012345678901234567890123456789012346",
                absolute(1.0),
                false,
            ),
            ("100", "101", relative(0.01), true),
            ("100", "102", relative(0.01), false),
            ("1e400", "2e400", relative(0.1), false),
            ("1e-400", "2e-400", relative(1e-6), false),
            ("1e-400", "2e-400", absolute(0.0), false),
            ("1e-400", "2e-400", absolute(1e-300), true),
            ("1e-400", "10e-401", relative(0.0), true),
            ("0.1", "0.10000000000000002", Tolerance { ulps: Some(1), ..none }, true),
            ("0.1", "0.10000000000000003", Tolerance { ulps: Some(2), ..none }, true),
            ("0.1", "0.1000000000000001", Tolerance { ulps: Some(1), ..none }, false),
            ("0.10000000149011612", "0.1", Tolerance { f32_ulps: Some(0), ..none }, true),
            ("0.1", "0.10000001", Tolerance { f32_ulps: Some(0), ..none }, false),
            ("0.1", "0.10000001", Tolerance { f32_ulps: Some(1), ..none }, true),
            ("1", "1.5", none, false),
        ] {
            assert_eq!(within(a, b, &tolerance), expect, "{a} {b} {tolerance:?}");
        }
    }

    #[test]
    fn negative_zero_is_no_step_away() {
        assert_eq!(ulps("-0.0", "0"), Some(0));
        assert_eq!(ulps("-5e-324", "5e-324"), Some(2));
        assert_eq!(f32_ulps("-1e-45", "1e-45"), Some(2));
    }

    proptest! {
        #[test]
        fn agrees_with_whole_numbers(a in any::<i64>(), b in any::<i64>(), shift in 0usize..5) {
            let (x, y) = (a.to_string(), format!("{b}{}e-{shift}", "0".repeat(shift)));
            let (x, y) = (Decimal::parse(&x).unwrap(), Decimal::parse(&y).unwrap());
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x == y, a == b);
            prop_assert_eq!(x.distance(&y), a.abs_diff(b) as f64);
            prop_assert_eq!(x.to_f64(), a as f64);
        }

        #[test]
        fn floats_print_and_compare(a in any::<f64>().prop_filter("finite", |f| f.is_finite())) {
            let (x, y) = (format!("{a}"), format!("{a:e}"));
            prop_assert!(equal(&x, &y));
            prop_assert_eq!(Decimal::parse(&x).unwrap().to_f64(), a);
        }

        #[test]
        fn anything_is_read_or_refused(text in "[-+0-9.eE]{0,40}") {
            if let Some(d) = Decimal::parse(&text) {
                let mut out = Vec::new();
                d.canonical(&mut out);
                prop_assert!(out.len() <= text.len() + 17);
                let _ = d.to_f64();
            }
            let _ = difference(&text, "1");
        }
    }
}
