//! JSON text in the making, up to a size.

use super::super::budget::Spent;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write;

/// A message as JSON. What is written last may be one byte beyond the limit; nothing after it is.
#[derive(Debug)]
pub(super) struct Text {
    text: String,
    most: usize,
}

// === impl Text ===

impl Text {
    /// Of at most this many bytes: a message of few bytes may have many fields that all have their default.
    pub(super) fn up_to(most: u64) -> Self {
        Self { text: String::new(), most: usize::try_from(most).unwrap_or(usize::MAX) }
    }

    pub(super) fn push(&mut self, part: &str) -> Result<(), Spent> {
        self.text.push_str(part);
        self.checked()
    }

    /// A comma where something stands before.
    pub(super) fn separate(&mut self, first: &mut bool) -> Result<(), Spent> {
        if std::mem::replace(first, false) { Ok(()) } else { self.push(",") }
    }

    /// A member's name with its colon.
    pub(super) fn name(&mut self, name: &str) -> Result<(), Spent> {
        self.string(name)?;
        self.push(":")
    }

    pub(super) fn string(&mut self, value: &str) -> Result<(), Spent> {
        let quoted = serde_json::Value::from(value);
        let _ = write!(self.text, "{quoted}");
        self.checked()
    }

    pub(super) fn number(&mut self, value: impl std::fmt::Display) -> Result<(), Spent> {
        let _ = write!(self.text, "{value}");
        self.checked()
    }

    /// The shortest text that reads back as the same single, so that its distance from another can be counted.
    pub(super) fn single(&mut self, value: f32) -> Result<(), Spent> {
        let plain = value == 0.0 || (1e-5..1e16).contains(&value.abs());
        if !value.is_finite() {
            self.not_finite(f64::from(value))
        } else if plain {
            self.number(value)
        } else {
            self.number(format_args!("{value:e}"))
        }
    }

    pub(super) fn double(&mut self, value: f64) -> Result<(), Spent> {
        let plain = value == 0.0 || (1e-5..1e16).contains(&value.abs());
        if !value.is_finite() {
            self.not_finite(value)
        } else if plain {
            self.number(value)
        } else {
            self.number(format_args!("{value:e}"))
        }
    }

    /// `{"hex":"00ff"}`: bytes that are told apart from any text.
    pub(super) fn hex(&mut self, bytes: &[u8]) -> Result<(), Spent> {
        self.push("{\"hex\":\"")?;
        for byte in bytes {
            let _ = write!(self.text, "{byte:02x}");
        }
        self.push("\"}")
    }

    pub(super) fn base64(&mut self, bytes: &[u8]) -> Result<(), Spent> {
        self.push("\"")?;
        STANDARD.encode_string(bytes, &mut self.text);
        self.push("\"")
    }

    /// How long the text is by now; for going back to.
    pub(super) fn mark(&self) -> usize {
        self.text.len()
    }

    /// Takes back all that was written since.
    pub(super) fn back_to(&mut self, mark: usize) {
        self.text.truncate(mark);
    }

    pub(super) fn into_string(self) -> String {
        self.text
    }

    fn not_finite(&mut self, value: f64) -> Result<(), Spent> {
        self.push(match (value.is_nan(), value > 0.0) {
            (true, _) => "\"NaN\"",
            (false, true) => "\"Infinity\"",
            (false, false) => "\"-Infinity\"",
        })
    }

    fn checked(&self) -> Result<(), Spent> {
        if self.text.len() > self.most { Err(Spent("size")) } else { Ok(()) }
    }
}
