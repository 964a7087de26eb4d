//! MessagePack: one value, read by its markers. Widths of integers, lengths and floats mean nothing; a float that came
//! in four bytes is the double it stands for.

use super::binary::{Input, float, other_key, special, text_key};
use super::{Fault, Writer};
use crate::diff::budget::Budget;

/// The extension type of timestamps.
const TIMESTAMP: i8 = -1;

pub(super) fn decode(body: &[u8], writer: &mut Writer, budget: &mut Budget<'_>) -> Result<(), Fault> {
    let mut input = Input::new(body);
    value(&mut input, writer, budget, 0)?;
    if input.is_empty() { Ok(()) } else { Err(Fault::Malformed) }
}

/// What a marker says follows.
enum Head {
    Nil,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(u64),
    Binary(u64),
    Array(u64),
    Map(u64),
    Ext(u64),
}

fn head(input: &mut Input<'_>) -> Result<Head, Fault> {
    let marker = input.byte()?;
    let low = |mask: u8| u64::from(marker & mask);
    Ok(match marker {
        0x00..=0x7F => Head::Int(i128::from(marker)),
        0x80..=0x8F => Head::Map(low(0x0F)),
        0x90..=0x9F => Head::Array(low(0x0F)),
        0xA0..=0xBF => Head::Text(low(0x1F)),
        0xC0 => Head::Nil,
        0xC1 => return Err(Fault::Malformed),
        0xC2 => Head::Bool(false),
        0xC3 => Head::Bool(true),
        0xC4..=0xC6 => Head::Binary(input.uint(1 << (marker - 0xC4))?),
        0xC7..=0xC9 => Head::Ext(input.uint(1 << (marker - 0xC7))?),
        0xCA => Head::Float(f64::from(f32::from_bits(input.uint(4)? as u32))),
        0xCB => Head::Float(f64::from_bits(input.uint(8)?)),
        0xCC..=0xCF => Head::Int(i128::from(input.uint(1 << (marker - 0xCC))?)),
        0xD0 => Head::Int(i128::from(input.uint(1)? as i8)),
        0xD1 => Head::Int(i128::from(input.uint(2)? as i16)),
        0xD2 => Head::Int(i128::from(input.uint(4)? as i32)),
        0xD3 => Head::Int(i128::from(input.uint(8)? as i64)),
        0xD4..=0xD8 => Head::Ext(1 << (marker - 0xD4)),
        0xD9..=0xDB => Head::Text(input.uint(1 << (marker - 0xD9))?),
        0xDC | 0xDD => Head::Array(input.uint(2 << (marker - 0xDC))?),
        0xDE | 0xDF => Head::Map(input.uint(2 << (marker - 0xDE))?),
        0xE0..=0xFF => Head::Int(i128::from(marker as i8)),
    })
}

fn value(input: &mut Input<'_>, writer: &mut Writer, budget: &mut Budget<'_>, depth: usize) -> Result<(), Fault> {
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
    match head {
        Head::Nil => writer.raw(b"null"),
        Head::Bool(is) => writer.raw(if is { b"true" } else { b"false" }),
        Head::Int(n) => writer.raw(n.to_string().as_bytes()),
        Head::Float(x) => float(x, writer),
        Head::Text(length) => writer.string(input.take(length)?),
        Head::Binary(length) => writer.binary(input.take(length)?),
        Head::Ext(length) => {
            let kind = input.byte()? as i8;
            ext(kind, input.take(length)?, writer)
        }
        Head::Array(length) => {
            writer.begin(b'[');
            for _ in 0..length {
                value(input, writer, budget, depth + 1)?;
            }
            writer.end(b']');
            Ok(())
        }
        Head::Map(length) => {
            writer.begin(b'{');
            for _ in 0..length {
                match self::head(input)? {
                    Head::Text(length) => text_key(input.take(length)?, writer)?,
                    other => other_key(writer, budget, |key, budget| told(other, input, key, budget, depth + 1))?,
                }
                value(input, writer, budget, depth + 1)?;
            }
            writer.end(b'}');
            Ok(())
        }
    }
}

fn ext(kind: i8, data: &[u8], writer: &mut Writer) -> Result<(), Fault> {
    if kind == TIMESTAMP
        && let Some(time) = timestamp(data)
    {
        return special("$time", writer, |w| w.string(time.to_string().as_bytes()));
    }
    writer.begin(b'{');
    writer.key(b"$ext")?;
    writer.raw(kind.to_string().as_bytes())?;
    writer.key(b"data")?;
    writer.binary(data)?;
    writer.end(b'}');
    Ok(())
}

/// Seconds in four bytes, 30 bits of nanoseconds and 34 of seconds in eight, or both in twelve.
fn timestamp(data: &[u8]) -> Option<jiff::Timestamp> {
    let mut input = Input::new(data);
    let (seconds, nanos) = match data.len() {
        4 => (input.uint(4).ok()? as i64, 0),
        8 => {
            let both = input.uint(8).ok()?;
            ((both & 0x3_FFFF_FFFF) as i64, both >> 34)
        }
        12 => {
            let nanos = input.uint(4).ok()?;
            (input.uint(8).ok()? as i64, nanos)
        }
        _ => return None,
    };
    let nanos = i32::try_from(nanos).ok().filter(|n| *n < 1_000_000_000)?;
    // Before 1970 the two have other signs, which the constructor evens out.
    jiff::Timestamp::new(seconds, nanos).ok()
}
