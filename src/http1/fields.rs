//! The fields of a head as a table.
//!
//! Messages of one kind name the same fields in the same order, one after the other. What was made of the names of the
//! last few kinds is kept by each thread, so that of the next such message only the values are read.

use super::Spelling;
use super::head::{HeadError, value_of};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::cell::RefCell;
use std::ops::Range;

/// Where a field stands in its head: name and value.
pub type Place = (Range<usize>, Range<usize>);

/// Kinds of messages that a thread remembers.
const KINDS: usize = 32;
/// Those with more fields, or more bytes in their names, are not remembered.
const MAX_FIELDS: usize = 64;
const MAX_BYTES: usize = 2048;

thread_local!(static SEEN: RefCell<[Option<Kind>; KINDS]> = const { RefCell::new([const { None }; KINDS]) });

/// The names of a message, as they were written and as a table without values.
struct Kind {
    /// One after the other,
    names: Vec<u8>,
    /// and where each one ends.
    ends: Vec<usize>,
    headers: HeaderMap,
    spelling: Spelling,
}

/// The table of the fields that stand at `places` in `head`, and how their names are written.
///
/// # Errors
/// A name or a value that cannot be held.
pub fn table(head: &Bytes, places: &[Place]) -> Result<(HeaderMap, Spelling), HeadError> {
    let bytes = places.iter().map(|(name, _)| name.len()).sum::<usize>();
    if places.len() > MAX_FIELDS || bytes > MAX_BYTES {
        return read(head, places);
    }
    SEEN.with_borrow_mut(|seen| {
        let seen = &mut seen[(31 * places.len() + bytes) % KINDS];
        if let Some(kind) = seen.as_ref().filter(|kind| kind.is_that_of(head, places)) {
            let mut headers = kind.headers.clone();
            let values = values(head, places);
            for (place, value) in headers.values_mut().zip(values) {
                *place = value?;
            }
            return Ok((headers, kind.spelling.clone()));
        }
        let (headers, spelling) = read(head, places)?;
        if headers.keys_len() == places.len() {
            *seen = Some(Kind::of(head, places, &headers, &spelling));
        }
        Ok((headers, spelling))
    })
}

fn read(head: &Bytes, places: &[Place]) -> Result<(HeaderMap, Spelling), HeadError> {
    let mut headers = HeaderMap::with_capacity(places.len());
    for ((name, _), value) in places.iter().zip(values(head, places)) {
        let name = HeaderName::from_bytes(&head[name.clone()]).map_err(|_| HeadError::Field)?;
        headers.append(name, value?);
    }
    Ok((headers, Spelling::of(places.iter().map(|(name, _)| &head[name.clone()]))))
}

fn values(head: &Bytes, places: &[Place]) -> impl Iterator<Item = Result<HeaderValue, HeadError>> {
    places.iter().map(|(_, place)| value_of(head, place))
}

// === impl Kind ===

impl Kind {
    /// That of a message in which no name stands twice: the order of its fields is the order of the table.
    fn of(head: &[u8], places: &[Place], headers: &HeaderMap, spelling: &Spelling) -> Self {
        let mut kind = Self {
            names: Vec::new(),
            ends: Vec::with_capacity(places.len()),
            headers: headers.clone(),
            spelling: spelling.clone(),
        };
        for (name, _) in places {
            kind.names.extend_from_slice(&head[name.clone()]);
            kind.ends.push(kind.names.len());
        }
        // Nothing of what a message says is kept.
        kind.headers.values_mut().for_each(|value| *value = HeaderValue::from_static(""));
        kind
    }

    fn is_that_of(&self, head: &[u8], places: &[Place]) -> bool {
        let mut start = 0;
        self.ends.len() == places.len()
            && self.ends.iter().zip(places).all(|(&end, (name, _))| {
                let known = &self.names[start..end];
                start = end;
                *known == head[name.clone()]
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What a thread has seen before makes no difference.
        #[test]
        fn a_table_is_that_of_its_own_message(
            messages in proptest::collection::vec(
                proptest::collection::vec(("[aAbB-]{1,2}|Host|accept", "[a-z]{0,4}"), 0..5), 1..20)
        ) {
            for fields in messages {
                let (mut head, mut places) = (Vec::new(), Vec::new());
                for (name, value) in &fields {
                    let start = head.len();
                    head.extend_from_slice(format!("{name}{value}").as_bytes());
                    places.push((start..start + name.len(), start + name.len()..head.len()));
                }
                let head = Bytes::from(head);
                for _ in 0..2 {
                    let (headers, spelling) = table(&head, &places).unwrap();
                    let (expected, written) = read(&head, &places).unwrap();
                    prop_assert_eq!(headers.iter().collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
                    prop_assert_eq!(headers, expected);
                    prop_assert_eq!(spelling, written);
                }
            }
        }
    }

    #[test]
    fn no_value_is_kept() {
        let head = Bytes::from_static(b"x-only-here: secret");
        table(&head, &[(0..11, 13..19)]).unwrap();
        let kept = SEEN
            .with_borrow(|seen| seen.iter().flatten().map(|kind| format!("{:?}", kind.headers)).collect::<String>());
        assert!(kept.contains("x-only-here") && !kept.contains("secret"), "{kept}");
    }
}
