//! Messages without a schema, as JSON: `{"f1":[150],"f2":["text"]}`, every field a list in the order of the wire.
//!
//! A length-delimited field may be text, bytes, a message or a packed list, and the wire does not say which. It is text
//! where all its values are printable, a message where all of them on both sides read as one, and else bytes. Both
//! sides are looked at together, so that one field is never shown in two ways. Packed lists are never guessed.

use super::super::budget::Budget;
use super::text::Text;
use super::wire::{Fault, Fields, MAX_NESTED, Wire};
use std::collections::{BTreeMap, BTreeSet};

/// How the length-delimited fields of a message are shown, by number; groups among them under `true`.
#[derive(Debug, Default)]
pub(super) struct Guess {
    fields: BTreeMap<(u32, bool), Reading>,
}

#[derive(Debug)]
enum Reading {
    /// Each value by itself: text where it is printable, else bytes.
    Single,
    Message(Guess),
}

/// All values of a field: the primary's, the candidate's.
type Sides<'a> = [Vec<&'a [u8]>; 2];

// === impl Guess ===

impl Guess {
    /// Looks at all messages of both sides; a fault where one of them is no message.
    pub(super) fn of(sides: &Sides<'_>, budget: &mut Budget<'_>) -> Result<Guess, Fault> {
        Self::at(sides, MAX_NESTED, budget).map(|(guess, _)| guess)
    }

    /// The guess, and whether the sides have a field in common.
    fn at(sides: &Sides<'_>, depth: usize, budget: &mut Budget<'_>) -> Result<(Guess, bool), Fault> {
        let mut inner: BTreeMap<(u32, bool), Sides<'_>> = BTreeMap::new();
        let mut seen: [BTreeSet<(u32, u8)>; 2] = Default::default();
        for ((messages, seen), side) in sides.iter().zip(&mut seen).zip(0..) {
            for message in messages {
                let mut fields = Fields::of(message);
                while let Some((number, value)) = fields.next(budget)? {
                    seen.insert((number, value.kind()));
                    if let Wire::Bytes(bytes) | Wire::Group(bytes) = value {
                        let group = matches!(value, Wire::Group(_));
                        let sides = inner.entry((number, group)).or_default();
                        if let Some(values) = sides.get_mut::<usize>(side) {
                            values.push(bytes);
                        }
                    }
                }
            }
        }
        let mut guess = Guess::default();
        for ((number, group), sides) in inner {
            let reading = match depth.checked_sub(1) {
                Some(depth) if group => Reading::Message(Self::at(&sides, depth, budget)?.0),
                None if group => return Err(Fault::Limit("depth")),
                Some(depth) => Self::nested(&sides, depth, budget)?,
                None => Reading::Single,
            };
            guess.fields.insert((number, group), reading);
        }
        let [ours, theirs] = &seen;
        let common = ours.is_empty() || theirs.is_empty() || !ours.is_disjoint(theirs);
        Ok((guess, common))
    }

    /// Messages only where both sides have values and all of them read as such, with something in common: few bytes
    /// that are none do that by chance.
    fn nested(sides: &Sides<'_>, depth: usize, budget: &mut Budget<'_>) -> Result<Reading, Fault> {
        let mut text = true;
        for bytes in sides.iter().flatten() {
            budget.tick(1 + bytes.len() / 64)?;
            text = text && printable(bytes).is_some();
        }
        if text || sides.iter().any(Vec::is_empty) {
            return Ok(Reading::Single);
        }
        match Self::at(sides, depth, budget) {
            Ok((guess, true)) => Ok(Reading::Message(guess)),
            Ok((_, false)) | Err(Fault::Wire) => Ok(Reading::Single),
            Err(limit) => Err(limit),
        }
    }

    /// One of the messages that the guess was made of.
    pub(super) fn write(&self, message: &[u8], out: &mut Text, budget: &mut Budget<'_>) -> Result<(), Fault> {
        let mut by_number: BTreeMap<u32, Vec<Wire<'_>>> = BTreeMap::new();
        let mut fields = Fields::of(message);
        while let Some((number, value)) = fields.next(budget)? {
            budget.spend(1)?;
            by_number.entry(number).or_default().push(value);
        }
        out.push("{")?;
        let mut first = true;
        for (number, values) in &by_number {
            out.separate(&mut first)?;
            self.field(*number, &name(*number), values, out, budget)?;
        }
        Ok(out.push("}")?)
    }

    /// All values of one field, under a name.
    pub(super) fn field(
        &self,
        number: u32,
        name: &str,
        values: &[Wire<'_>],
        out: &mut Text,
        budget: &mut Budget<'_>,
    ) -> Result<(), Fault> {
        out.name(name)?;
        out.push("[")?;
        let mut first = true;
        for value in values {
            out.separate(&mut first)?;
            let reading = |group| self.fields.get(&(number, group));
            match value {
                Wire::Varint(value) => out.number(value)?,
                Wire::Fixed64(value) => out.number(format_args!("{{\"fixed64\":{value}}}"))?,
                Wire::Fixed32(value) => out.number(format_args!("{{\"fixed32\":{value}}}"))?,
                Wire::Bytes(bytes) => match reading(false) {
                    Some(Reading::Message(guess)) => guess.write(bytes, out, budget)?,
                    Some(Reading::Single) | None => bytes_or_text(bytes, out, budget)?,
                },
                Wire::Group(bytes) => {
                    out.push("{\"group\":")?;
                    match reading(true) {
                        Some(Reading::Message(guess)) => guess.write(bytes, out, budget)?,
                        Some(Reading::Single) | None => out.hex(bytes)?,
                    }
                    out.push("}")?;
                }
            }
        }
        Ok(out.push("]")?)
    }
}

/// What a field is called that nothing but its number is known of.
pub(super) fn name(number: u32) -> String {
    format!("f{number}")
}

/// Whether a place below `grpc:$` lies inside of bytes that were only guessed to be a message.
pub(super) fn is_guessed(exact: &str) -> bool {
    let place = exact.strip_prefix("grpc:$").unwrap_or(exact);
    // In a stream the first position is the message's own.
    let place = place.strip_prefix('[').and_then(|p| p.split_once(']')).map_or(place, |(_, rest)| rest);
    let inner = place.match_indices("].f");
    inner
        .into_iter()
        .any(|(at, mark)| place.get(at + mark.len()..).is_some_and(|p| p.starts_with(|c: char| c.is_ascii_digit())))
}

fn bytes_or_text(bytes: &[u8], out: &mut Text, budget: &mut Budget<'_>) -> Result<(), Fault> {
    budget.tick(1 + bytes.len() / 64)?;
    match printable(bytes) {
        Some(text) => out.string(text)?,
        None => out.hex(bytes)?,
    }
    Ok(())
}

/// UTF-8 without control characters other than the ends of lines and tabs.
fn printable(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t')).then_some(text)
}
