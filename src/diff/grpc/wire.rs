//! The wire format of protobuf: numbered fields, one after the other. It knows no schema and guesses nothing.

use super::super::budget::{Budget, Spent};

/// Groups that may stand inside each other.
pub(super) const MAX_NESTED: usize = 64;

/// A field's value as far as the wire tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    /// What stands between the start and the end of a group.
    Group(&'a [u8]),
    Fixed32(u32),
}

/// Why bytes could not be read as a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// They are none.
    Wire,
    Limit(&'static str),
}

/// Reads one field after the other.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

/// The beginning of a field, or the end of a group.
enum Token<'a> {
    Value(Wire<'a>),
    GroupStart,
    GroupEnd,
}

impl From<Spent> for Fault {
    fn from(spent: Spent) -> Self {
        Fault::Limit(spent.0)
    }
}

// === impl Wire ===

impl Wire<'_> {
    /// Keeps the wire types apart.
    pub(super) fn kind(&self) -> u8 {
        match self {
            Wire::Varint(_) => 0,
            Wire::Fixed64(_) => 1,
            Wire::Bytes(_) => 2,
            Wire::Group(_) => 3,
            Wire::Fixed32(_) => 5,
        }
    }
}

// === impl Fields ===

impl<'a> Fields<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next field's number and value; `None` at the end.
    pub(super) fn next(&mut self, budget: &mut Budget<'_>) -> Result<Option<(u32, Wire<'a>)>, Fault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        budget.tick(1)?;
        let (number, token) = self.token()?;
        match token {
            Token::Value(value) => Ok(Some((number, value))),
            Token::GroupStart => Ok(Some((number, Wire::Group(self.group(number, budget)?)))),
            Token::GroupEnd => Err(Fault::Wire),
        }
    }

    /// A varint where it stands, as in a packed list.
    pub(super) fn varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0u64;
        for place in 0..10u32 {
            let (byte, rest) = self.rest.split_first().ok_or(Fault::Wire)?;
            self.rest = rest;
            // The tenth byte has room for one bit.
            if place == 9 && *byte > 1 {
                return Err(Fault::Wire);
            }
            value |= u64::from(byte & 0x7F) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Fault::Wire)
    }

    pub(super) fn fixed32(&mut self) -> Result<u32, Fault> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Fault::Wire)?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*bytes))
    }

    pub(super) fn fixed64(&mut self) -> Result<u64, Fault> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Fault::Wire)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*bytes))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn token(&mut self) -> Result<(u32, Token<'a>), Fault> {
        let tag = u32::try_from(self.varint()?).map_err(|_| Fault::Wire)?;
        let number = tag >> 3;
        if number == 0 {
            return Err(Fault::Wire);
        }
        let token = match tag & 7 {
            0 => Token::Value(Wire::Varint(self.varint()?)),
            1 => Token::Value(Wire::Fixed64(self.fixed64()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Fault::Wire)?;
                let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Fault::Wire)?;
                self.rest = rest;
                Token::Value(Wire::Bytes(bytes))
            }
            3 => Token::GroupStart,
            4 => Token::GroupEnd,
            5 => Token::Value(Wire::Fixed32(self.fixed32()?)),
            _ => return Err(Fault::Wire),
        };
        Ok((number, token))
    }

    /// All up to the end of the group that has just begun.
    fn group(&mut self, number: u32, budget: &mut Budget<'_>) -> Result<&'a [u8], Fault> {
        let start = self.rest;
        let mut open = vec![number];
        loop {
            budget.tick(1)?;
            let before = self.rest.len();
            match self.token()? {
                (_, Token::Value(_)) => {}
                (inner, Token::GroupStart) if open.len() < MAX_NESTED => open.push(inner),
                (_, Token::GroupStart) => return Err(Fault::Limit("depth")),
                (inner, Token::GroupEnd) => {
                    if open.pop() != Some(inner) {
                        return Err(Fault::Wire);
                    }
                    if open.is_empty() {
                        return start.get(..start.len() - before).ok_or(Fault::Wire);
                    }
                }
            }
        }
    }
}
