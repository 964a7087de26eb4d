//! The types that every protobuf implementation knows, in the form that they have in JSON.

use super::typed::Values;
use super::wire::Wire;
use prost_reflect::{Kind, MessageDescriptor};
use std::fmt::Write;

/// How a message of a well-known type is written.
#[derive(Debug, PartialEq)]
pub(super) enum Form<'a> {
    /// A point in time (RFC 3339) or a duration (`1.5s`).
    Text(String),
    Null,
    /// As the value of its one field: wrappers, `Struct`, `ListValue`, `Value`.
    Field(u32),
    /// A type's URL and the message's bytes.
    Any(&'a str, &'a [u8]),
}

const NANOS: i64 = 1_000_000_000;

// === impl Form ===

impl<'a> Form<'a> {
    /// `None` for other types, and for messages that hold what their type does not know or allow: these are written
    /// field by field.
    pub(super) fn of(of: &MessageDescriptor, values: &Values<'a>) -> Option<Form<'a>> {
        let name = of.full_name().strip_prefix("google.protobuf.").filter(|_| has_form(of.full_name()))?;
        let kinds = |number: u32| of.get_field(number).map(|f| (f.kind(), f.is_list()));
        let known = values.iter().all(|(number, all)| match kinds(*number) {
            // A list of messages, or of what the wire has one value for each.
            Some((_, true)) => all.iter().all(|v| v.kind() == 2),
            Some((kind, false)) => all.iter().all(|v| v.kind() == wire_of(&kind)),
            None => false,
        });
        if !known {
            return None;
        }
        let last = |number: u32| values.get(&number).and_then(|all| all.last());
        let int = |number: u32| match last(number) {
            Some(Wire::Varint(v)) => *v as i64,
            _ => 0,
        };
        let bytes = |number: u32| match last(number) {
            Some(Wire::Bytes(bytes)) => *bytes,
            _ => &[],
        };
        match name {
            "Timestamp" => timestamp(int(1), int(2)).map(Form::Text),
            "Duration" => duration(int(1), int(2)).map(Form::Text),
            "Any" => std::str::from_utf8(bytes(1)).ok().map(|url| Form::Any(url, bytes(2))),
            "Value" => match values.keys().copied().collect::<Vec<_>>()[..] {
                [1] => Some(Form::Null),
                [number] => Some(Form::Field(number)),
                _ => None,
            },
            _ => Some(Form::Field(1)),
        }
    }
}

/// Whether messages of this type have a form other than their fields.
pub(super) fn has_form(full_name: &str) -> bool {
    const NAMES: [&str; 15] = [
        "Timestamp",
        "Duration",
        "Any",
        "Value",
        "Struct",
        "ListValue",
        "DoubleValue",
        "FloatValue",
        "Int64Value",
        "UInt64Value",
        "Int32Value",
        "UInt32Value",
        "BoolValue",
        "StringValue",
        "BytesValue",
    ];
    full_name.strip_prefix("google.protobuf.").is_some_and(|name| NAMES.contains(&name))
}

/// How a map's key is written as a member's name.
pub(super) fn map_key(kind: &Kind, key: Wire<'_>) -> String {
    match (kind, key) {
        (Kind::Bool, Wire::Varint(v)) => (v != 0).to_string(),
        (Kind::Int32, Wire::Varint(v)) => (v as i32).to_string(),
        (Kind::Int64, Wire::Varint(v)) => (v as i64).to_string(),
        (Kind::Uint32, Wire::Varint(v)) => (v as u32).to_string(),
        (Kind::Sint32, Wire::Varint(v)) => (zigzag(u64::from(v as u32)) as i32).to_string(),
        (Kind::Sint64, Wire::Varint(v)) => zigzag(v).to_string(),
        (Kind::Sfixed32, Wire::Fixed32(v)) => (v as i32).to_string(),
        (Kind::Sfixed64, Wire::Fixed64(v)) => (v as i64).to_string(),
        (_, Wire::Varint(v) | Wire::Fixed64(v)) => v.to_string(),
        (_, Wire::Fixed32(v)) => v.to_string(),
        (_, Wire::Bytes(bytes) | Wire::Group(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().fold("hex:".to_owned(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            }),
        },
    }
}

pub(super) fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

fn wire_of(kind: &Kind) -> u8 {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => 1,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => 5,
        Kind::String | Kind::Bytes | Kind::Message(_) => 2,
        _ => 0,
    }
}

/// Between the years that RFC 3339 has room for.
fn timestamp(seconds: i64, nanos: i64) -> Option<String> {
    if !(0..NANOS).contains(&nanos) || !(-62_135_596_800..=253_402_300_799).contains(&seconds) {
        return None;
    }
    jiff::Timestamp::new(seconds, i32::try_from(nanos).ok()?).ok().map(|t| t.to_string())
}

fn duration(seconds: i64, nanos: i64) -> Option<String> {
    if nanos.abs() >= NANOS || (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0) {
        return None;
    }
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    let fraction = format!(".{:09}", nanos.abs());
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    Some(format!("{sign}{}{fraction}s", seconds.unsigned_abs()))
}
