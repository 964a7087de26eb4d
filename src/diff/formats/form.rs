//! `application/x-www-form-urlencoded`: an object; a name that repeats has an array of its values.

use super::{Fault, Writer};
use crate::diff::budget::Budget;
use std::borrow::Cow;
use std::collections::HashMap;

type Text<'a> = Cow<'a, [u8]>;

pub(super) fn decode(body: &[u8], writer: &mut Writer, budget: &mut Budget<'_>) -> Result<(), Fault> {
    let mut fields: Vec<(Text<'_>, Vec<Text<'_>>)> = Vec::new();
    let mut places: HashMap<Text<'_>, usize> = HashMap::new();
    for pair in body.trim_ascii_end().split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
        budget.tick(1)?;
        let equals = memchr::memchr(b'=', pair).unwrap_or(pair.len());
        let (name, value) = pair.split_at(equals);
        let (name, value) = (decoded(name), decoded(value.get(1..).unwrap_or_default()));
        match places.get(&name).and_then(|at| fields.get_mut(*at)) {
            Some((_, values)) => values.push(value),
            None => {
                places.insert(name.clone(), fields.len());
                fields.push((name, vec![value]));
            }
        }
    }
    writer.begin(b'{');
    for (name, values) in &fields {
        writer.key(name)?;
        if let [value] = values.as_slice() {
            writer.string(value)?;
            continue;
        }
        writer.begin(b'[');
        values.iter().try_for_each(|value| writer.string(value))?;
        writer.end(b']');
    }
    writer.end(b'}');
    Ok(())
}

/// `+` is a space and `%41` an `A`; a percent sign that no two hexadecimal digits follow is itself.
pub fn decoded(text: &[u8]) -> Text<'_> {
    if memchr::memchr2(b'%', b'+', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|b| char::from(*b).to_digit(16));
        rest = match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                after.get(2..).unwrap_or_default()
            }
            (b'+', ..) => {
                out.push(b' ');
                after
            }
            (other, ..) => {
                out.push(*other);
                after
            }
        };
    }
    Cow::Owned(out)
}
