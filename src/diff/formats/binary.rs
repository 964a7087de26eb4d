//! What MessagePack and CBOR have and JSON has not, told so that nothing that differs looks the same.
//!
//! Values without a JSON type are objects with one member that starts with `$`: `$binary`, `$float`, `$ext`, `$tag`,
//! `$time`, `$simple`. A key that is no string is its JSON text after a `$`; a string key that could be taken for either
//! has one `$` more.

use super::{Fault, Writer};
use crate::diff::budget::Budget;

/// Names that stand for values without a JSON type.
const RESERVED: [&[u8]; 9] = [b"binary", b"float", b"ext", b"tag", b"time", b"simple", b"true", b"false", b"null"];

/// What is left of a body.
#[derive(Debug)]
pub(super) struct Input<'a> {
    rest: &'a [u8],
}

// === impl Input ===

impl<'a> Input<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(super) fn byte(&mut self) -> Result<u8, Fault> {
        let (first, rest) = self.rest.split_first().ok_or(Fault::Malformed)?;
        self.rest = rest;
        Ok(*first)
    }

    /// As many bytes as a header claims, if they are there: nothing is reserved on its word.
    pub(super) fn take(&mut self, length: u64) -> Result<&'a [u8], Fault> {
        let length = usize::try_from(length).map_err(|_| Fault::Malformed)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Fault::Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    /// An unsigned number of up to eight bytes, the highest first.
    pub(super) fn uint(&mut self, width: u64) -> Result<u64, Fault> {
        Ok(self.take(width)?.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
    }
}

/// A float exactly: whole numbers with all their digits, others by the shortest digits that mean no other float.
pub(super) fn float(x: f64, writer: &mut Writer) -> Result<(), Fault> {
    let size = x.abs();
    if !x.is_finite() {
        let name: &[u8] = if x.is_nan() {
            b"NaN"
        } else if x > 0.0 {
            b"Infinity"
        } else {
            b"-Infinity"
        };
        return special("$float", writer, |w| w.string(name));
    }
    let text = if x.fract() == 0.0 && size < 1e20 {
        format!("{x:.1}")
    } else if (1e-5..1e20).contains(&size) {
        format!("{x}")
    } else {
        format!("{x:e}")
    };
    writer.raw(text.as_bytes())
}

/// `{"$name": value}`.
pub(super) fn special(
    name: &str,
    writer: &mut Writer,
    value: impl FnOnce(&mut Writer) -> Result<(), Fault>,
) -> Result<(), Fault> {
    writer.begin(b'{');
    writer.key(name.as_bytes())?;
    value(writer)?;
    writer.end(b'}');
    Ok(())
}

/// A key that is a string.
pub(super) fn text_key(name: &[u8], writer: &mut Writer) -> Result<(), Fault> {
    let plain = match name.strip_prefix(b"$") {
        Some(rest) => {
            let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
            rest.first().is_some_and(u8::is_ascii_alphabetic) && rest.iter().all(word) && !RESERVED.contains(&rest)
        }
        None => true,
    };
    if plain { writer.key(name) } else { writer.key(&[b"$", name].concat()) }
}

/// A key that is no string: what `value` writes is its text.
pub(super) fn other_key(
    writer: &mut Writer,
    budget: &mut Budget<'_>,
    value: impl FnOnce(&mut Writer, &mut Budget<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut key = Writer::new(writer.limit());
    value(&mut key, budget)?;
    let key = key.finish();
    // Keys inside keys are copied once for each.
    budget.tick(key.len())?;
    writer.key(&[b"$", key.as_slice()].concat())
}
