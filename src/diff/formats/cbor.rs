//! CBOR (RFC 8949): one item, or a sequence of them (RFC 8742). Widths, indefinite lengths and the mark of
//! self-described CBOR mean nothing; tags are kept, big integers are the numbers they stand for.

use super::binary::{Input, float, other_key, special, text_key};
use super::{Decoded, Fault, Writer};
use crate::diff::budget::Budget;
use std::borrow::Cow;

/// Ends an item of indefinite length.
const BREAK: u8 = 0xFF;
const SELF_DESCRIBED: u64 = 55799;
/// Bytes of a big integer that is written as a number.
const MAX_BIG: usize = 256;

pub(super) fn decode(body: &[u8], writer: &mut Writer, budget: &mut Budget<'_>) -> Result<(), Fault> {
    let mut input = Input::new(body);
    item(&mut input, writer, budget, 0)?;
    if input.is_empty() { Ok(()) } else { Err(Fault::Malformed) }
}

pub(super) fn decode_sequence(body: &[u8], mut writer: Writer, budget: &mut Budget<'_>) -> Result<Decoded, Fault> {
    let mut input = Input::new(body);
    let mut events = 0;
    writer.begin(b'[');
    while !input.is_empty() {
        item(&mut input, &mut writer, budget, 1)?;
        events += 1;
    }
    writer.end(b']');
    Ok(Decoded { json: writer.finish(), events, key: None })
}

/// What the first bytes of an item say: its major type, and the number that goes with it, which is missing where the
/// length is indefinite.
#[derive(Clone, Copy)]
struct Head {
    major: u8,
    /// The low five bits.
    short: u8,
    number: Option<u64>,
}

fn head(input: &mut Input<'_>) -> Result<Head, Fault> {
    let first = input.byte()?;
    let (major, short) = (first >> 5, first & 0x1F);
    let number = match short {
        0..=23 => Some(u64::from(short)),
        24..=27 => Some(input.uint(1 << (short - 24))?),
        31 if matches!(major, 2..=5) => None,
        _ => return Err(Fault::Malformed),
    };
    Ok(Head { major, short, number })
}

fn item(input: &mut Input<'_>, writer: &mut Writer, budget: &mut Budget<'_>, depth: usize) -> Result<(), Fault> {
    let head = head(input)?;
    told(head, input, writer, budget, depth)
}

fn told(
    head: Head,
    input: &mut Input<'_>,
    writer: &mut Writer,
    budget: &mut Budget<'_>,
    depth: usize,
) -> Result<(), Fault> {
    budget.tick(1)?;
    if depth > budget.depth {
        return Err(Fault::Limit("depth"));
    }
    let number = head.number.unwrap_or_default();
    match head.major {
        0 => writer.raw(number.to_string().as_bytes()),
        1 => writer.raw((-1 - i128::from(number)).to_string().as_bytes()),
        2 => writer.binary(&chunks(head, input, budget)?),
        3 => writer.string(&chunks(head, input, budget)?),
        4 => {
            writer.begin(b'[');
            let mut left = head.number;
            while more(&mut left, input)? {
                item(input, writer, budget, depth + 1)?;
            }
            writer.end(b']');
            Ok(())
        }
        5 => {
            writer.begin(b'{');
            let mut left = head.number;
            while more(&mut left, input)? {
                let key = self::head(input)?;
                if key.major == 3 {
                    text_key(&chunks(key, input, budget)?, writer)?;
                } else {
                    other_key(writer, budget, |w, budget| told(key, input, w, budget, depth + 1))?;
                }
                item(input, writer, budget, depth + 1)?;
            }
            writer.end(b'}');
            Ok(())
        }
        6 => tagged(number, input, writer, budget, depth),
        _ => simple(head.short, number, writer),
    }
}

/// Whether another element follows: one of those announced, or any until the break.
fn more(left: &mut Option<u64>, input: &mut Input<'_>) -> Result<bool, Fault> {
    match left {
        Some(0) => Ok(false),
        Some(n) => {
            *n -= 1;
            Ok(true)
        }
        None if input.peek() == Some(BREAK) => {
            input.byte()?;
            Ok(false)
        }
        None => Ok(true),
    }
}

/// A string, whole or in chunks of its own type.
fn chunks<'a>(head: Head, input: &mut Input<'a>, budget: &mut Budget<'_>) -> Result<Cow<'a, [u8]>, Fault> {
    if let Some(length) = head.number {
        return Ok(Cow::Borrowed(input.take(length)?));
    }
    let mut all = Vec::new();
    while more(&mut None, input)? {
        budget.tick(1)?;
        let chunk = self::head(input)?;
        match chunk.number {
            Some(length) if chunk.major == head.major => all.extend_from_slice(input.take(length)?),
            _ => return Err(Fault::Malformed),
        }
    }
    Ok(Cow::Owned(all))
}

fn tagged(
    tag: u64,
    input: &mut Input<'_>,
    writer: &mut Writer,
    budget: &mut Budget<'_>,
    depth: usize,
) -> Result<(), Fault> {
    let inner = head(input)?;
    if tag == SELF_DESCRIBED && depth == 0 {
        return told(inner, input, writer, budget, depth + 1);
    }
    if matches!(tag, 2 | 3) && inner.major == 2 {
        let bytes = chunks(inner, input, budget)?;
        let zeros = bytes.iter().take_while(|b| **b == 0).count();
        let digits = bytes.get(zeros..).unwrap_or_default();
        if digits.len() <= MAX_BIG {
            return writer.raw(big(digits, tag == 3).as_bytes());
        }
        return tag_of(tag, writer, |w| w.binary(digits));
    }
    tag_of(tag, writer, |w| told(inner, input, w, budget, depth + 1))
}

fn tag_of(tag: u64, writer: &mut Writer, value: impl FnOnce(&mut Writer) -> Result<(), Fault>) -> Result<(), Fault> {
    writer.begin(b'{');
    writer.key(b"$tag")?;
    writer.raw(tag.to_string().as_bytes())?;
    writer.key(b"value")?;
    value(writer)?;
    writer.end(b'}');
    Ok(())
}

/// A big integer in decimal; a negative one is -1 less what the bytes say.
fn big(bytes: &[u8], negative: bool) -> String {
    // Decimal digits, the lowest first.
    let mut digits: Vec<u8> = vec![0];
    let add = |digits: &mut Vec<u8>, times: u32, plus: u32| {
        let mut carry = plus;
        for digit in digits.iter_mut() {
            let sum = u32::from(*digit) * times + carry;
            (*digit, carry) = ((sum % 10) as u8, sum / 10);
        }
        while carry > 0 {
            digits.push((carry % 10) as u8);
            carry /= 10;
        }
    };
    for byte in bytes {
        add(&mut digits, 256, u32::from(*byte));
    }
    if negative {
        add(&mut digits, 1, 1);
    }
    let sign = if negative { "-" } else { "" };
    sign.chars().chain(digits.iter().rev().map(|d| char::from(b'0' + d))).collect()
}

fn simple(short: u8, number: u64, writer: &mut Writer) -> Result<(), Fault> {
    match short {
        20 => writer.raw(b"false"),
        21 => writer.raw(b"true"),
        22 => writer.raw(b"null"),
        23 => special("$simple", writer, |w| w.string(b"undefined")),
        25 => float(half(number as u16), writer),
        26 => float(f64::from(f32::from_bits(number as u32)), writer),
        27 => float(f64::from_bits(number), writer),
        // In two bytes only those from 32 on may stand.
        24 if number < 32 => Err(Fault::Malformed),
        _ => special("$simple", writer, |w| w.raw(number.to_string().as_bytes())),
    }
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1F), f64::from(bits & 0x3FF));
    let size = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (fraction + 1024.0) * 2f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}
