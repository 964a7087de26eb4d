//! The fields of a head that was read.
//!
//! Messages of one kind name the same fields in the same order, one after the other. What was made of the names of the
//! last few kinds is kept by each thread, so that of the next such message only the values are looked at.

use super::head::{HeadError, value_of};
use crate::model::{Fields, Names, Spelling};
use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

/// Where a field stands in its head: name and value.
pub type Place = (Range<usize>, Range<usize>);

/// Kinds of messages that a thread remembers.
const KINDS: usize = 32;
/// Those with more bytes in their names are not remembered.
const MAX_BYTES: usize = 2048;

thread_local!(static SEEN: RefCell<[Option<Arc<Names>>; KINDS]> = const { RefCell::new([const { None }; KINDS]) });

/// The fields that stand at `places` in `head`, none of them folded over several lines.
///
/// # Errors
/// A name or a value that cannot be held.
pub fn read(head: &Bytes, places: &[Place]) -> Result<Fields, HeadError> {
    match names(head, places).and_then(|names| Fields::read(head.clone(), names, places)) {
        Some(fields) => Ok(fields),
        None => table(head, places),
    }
}

fn names(head: &Bytes, places: &[Place]) -> Option<Arc<Names>> {
    let written = places.iter().map(|(name, _)| &head[name.clone()]);
    let bytes = written.clone().map(<[u8]>::len).sum::<usize>();
    if places.len() > Names::MAX || bytes > MAX_BYTES {
        return None;
    }
    SEEN.with_borrow_mut(|seen| {
        let seen = &mut seen[(31 * places.len() + bytes) % KINDS];
        if let Some(names) = seen.as_ref().filter(|names| names.are(written.clone())) {
            return Some(names.clone());
        }
        let names = Arc::new(Names::of(written)?);
        *seen = Some(names.clone());
        Some(names)
    })
}

/// The same, where some may be folded.
///
/// # Errors
/// A name or a value that cannot be held.
pub fn read_folded(head: &Bytes, places: &[Place]) -> Result<Fields, HeadError> {
    if is_folded(head, places) { table(head, places) } else { read(head, places) }
}

/// The same as a table, in which folded values are whole.
fn table(head: &Bytes, places: &[Place]) -> Result<Fields, HeadError> {
    let mut table = HeaderMap::with_capacity(places.len());
    for (name, value) in places {
        let name = HeaderName::from_bytes(&head[name.clone()]).map_err(|_| HeadError::Field)?;
        table.append(name, value_of(head, value)?);
    }
    let spelling = Spelling::of(places.iter().map(|(name, _)| &head[name.clone()]));
    Ok(Fields::of(table, spelling))
}

/// Whether a line ends anywhere but between two fields.
fn is_folded(head: &[u8], places: &[Place]) -> bool {
    let ([(first, _), ..], [.., (_, last)]) = (places, places) else { return false };
    memchr::memchr_iter(b'\n', &head[first.start..last.end]).count() >= places.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::HOST;
    use proptest::prelude::*;

    /// Its lines; a table changes their order when one is taken out.
    fn written(fields: &Fields, but: &HeaderName) -> Vec<String> {
        let mut out = bytes::BytesMut::new();
        fields.put(&mut out, |name| name == but);
        let text = String::from_utf8(out.to_vec()).unwrap();
        let mut lines: Vec<_> = text.split_inclusive("\r\n").map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// Some that every message is asked for, and others.
    const NAMES: &str = "[aAbB-]{1,2}|accept|Connection|Content-(Encoding|Length|Type)|Expect|Forwarded|Host|Via|\
                         proxy-auth(enticate|orization)|TE|Transfer-Encoding|UPGRADE|X-Forwarded-For";

    proptest! {
        /// What a thread has seen before makes no difference, and neither does the form that fields are in.
        #[test]
        fn fields_are_those_of_their_own_message(
            messages in proptest::collection::vec(
                proptest::collection::vec((NAMES, "[a-z]{0,4}|keep-alive, b|trailers", 0..8usize), 0..5),
                1..20,
            ),
            gone in NAMES,
        ) {
            let gone = HeaderName::from_bytes(gone.as_bytes()).unwrap();
            let mut before: Vec<(Fields, Vec<(String, String)>)> = Vec::new();
            for fields in messages {
                let (mut head, mut places) = (Vec::new(), Vec::new());
                for (name, value, way) in &fields {
                    // Mostly as it is written here.
                    let (between, end) = [(":", "\r\n"), (": ", "\n"), (": ", " \r\n")].get(*way).unwrap_or(&(": ", "\r\n"));
                    let start = head.len();
                    let at = start + name.len() + between.len();
                    head.extend_from_slice(format!("{name}{between}{value}{end}").as_bytes());
                    places.push((start..start + name.len(), at..at + value.len()));
                }
                let head = Bytes::from(head);
                for _ in 0..2 {
                    let (mut read, mut made) = (read(&head, &places).unwrap(), table(&head, &places).unwrap());
                    let lines: Vec<_> = fields.iter().map(|(name, value, _)| (name.to_lowercase(), value.clone())).collect();
                    // Sorted by name alone: the values of each stay in their order.
                    let said = |lines: &[(String, String)]| {
                        let mut said: Vec<_> = lines.iter().filter(|line| *line.0 != gone).cloned().collect();
                        said.sort_by(|a, b| a.0.cmp(&b.0));
                        said
                    };
                    for (other, theirs) in &before {
                        let expected = said(&lines) == said(theirs);
                        prop_assert_eq!(read.say_the_same(other, |name| *name == gone), expected);
                    }
                    before.push((read.clone(), lines));
                    for step in 0..3 {
                        prop_assert_eq!(&read, &made);
                        prop_assert_eq!(written(&read, &gone), written(&made, &gone));
                        prop_assert_eq!(read.spelling(), made.spelling());
                        for name in fields.iter().map(|(name, ..)| name.parse().unwrap()).chain([gone.clone(), HOST]) {
                            prop_assert_eq!(read.has(&name), made.table().contains_key(&name));
                            prop_assert_eq!(read.first(&name), made.table().get(&name).map(|value| value.as_bytes()));
                            for form in [&read, &made] {
                                let table = made.table().get_all(&name);
                                prop_assert!(form.all(&name).eq(table.iter()) && form.all(&name).rev().eq(table.iter().rev()));
                            }
                        }
                        for fields in [&mut read, &mut made] {
                            if step == 0 { fields.take_out(&gone) } else { fields.strip_hop_by_hop() }
                        }
                    }
                    prop_assert_eq!(read.clone().into_table(), made.clone().into_table());
                }
            }
        }
    }

    #[test]
    fn lines_are_written_as_they_came_however_many() {
        for many in [1, 63, 64, 65, 200] {
            let name = |i: usize| if i.is_multiple_of(3) { "x-Same".to_owned() } else { format!("X-{i}") };
            let lines: Vec<String> = (0..many).map(|i| format!("{}: {i}\r\n", name(i))).collect();
            let head = Bytes::from(lines.concat());
            let mut at = 0;
            let places = lines.iter().map(|line| {
                let (start, colon) = (at, at + line.find(':').unwrap());
                at += line.len();
                (start..colon, colon + 2..at - 2)
            });
            let places: Vec<Place> = places.collect();
            let text = |fields: &Fields, gone: &str| {
                let mut out = bytes::BytesMut::new();
                fields.put(&mut out, |name| *name == *gone);
                String::from_utf8(out.to_vec()).unwrap()
            };
            let mut fields = read(&head, &places).unwrap();
            // A table, which there is of more, brings together what has one name.
            if many <= Names::MAX {
                assert_eq!(text(&fields, ""), lines.concat());
                assert_eq!(
                    text(&fields, "x-same"),
                    lines.iter().filter(|l| !l.starts_with("x-S")).cloned().collect::<String>()
                );
            }
            assert_eq!(fields.all(&HeaderName::from_static("x-same")).count(), many.div_ceil(3));
            let last = HeaderName::from_bytes(name(many - 1).as_bytes()).unwrap();
            assert!(fields.has(&last));
            fields.take_out(&last);
            assert!(!fields.has(&last) && !fields.table().contains_key(&last));
        }
    }

    #[test]
    fn no_value_is_kept() {
        let head = Bytes::from_static(b"x-only-here: secret");
        read(&head, &[(0..11, 13..19)]).unwrap();
        let kept = SEEN.with_borrow(|seen| format!("{seen:?}"));
        let bytes = |text: &str| format!("{:?}", text.as_bytes()).trim_matches(['[', ']']).to_owned();
        assert!(kept.contains("x-only-here") && kept.contains(&bytes("x-only-here")), "{kept}");
        assert!(!kept.contains("secret") && !kept.contains(&bytes("secret")), "{kept}");
    }
}
