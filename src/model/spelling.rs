//! How the names of fields were written. [`http::HeaderName`] knows lower case alone, and some old client or server
//! knows its own spelling alone.

use bytes::{Bytes, BytesMut};
use http::HeaderName;
use std::sync::Arc;

/// How the names in one message are written: as a rule, and those the rule does not give.
///
/// Nearly all messages write every name in lower case, or every word with a capital, but for a few such as `ETag`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spelling {
    capitals: bool,
    odd: Option<Arc<[Bytes]>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The same by either rule.
    Neither,
    Lower,
    Capitals,
    Odd,
}

// === impl Spelling ===

impl Spelling {
    /// That of a message with these names, in the order in which they are written.
    pub fn of<'a>(names: impl Iterator<Item = &'a [u8]> + Clone) -> Self {
        let (mut lower, mut capitals, mut odd) = (false, false, false);
        for name in names.clone() {
            match kind(name) {
                Kind::Neither => {}
                Kind::Lower => lower = true,
                Kind::Capitals => capitals = true,
                Kind::Odd => odd = true,
            }
        }
        let odd = (odd || (lower && capitals)).then(|| {
            let rule = if capitals { Kind::Capitals } else { Kind::Lower };
            let is_odd = |name: &[u8]| !matches!(kind(name), Kind::Neither) && kind(name) != rule;
            // With every line of a name that is odd in one of them: each keeps its own.
            let of_odd = |name: &&[u8]| names.clone().any(|other| is_odd(other) && other.eq_ignore_ascii_case(name));
            names.clone().filter(of_odd).map(Bytes::copy_from_slice).collect()
        });
        Self { capitals, odd }
    }

    /// That by which fields are written that come to the message.
    pub fn rule(&self) -> Self {
        Self { capitals: self.capitals, odd: None }
    }

    /// Whether, as a rule, every word has a capital.
    pub fn capitals(&self) -> bool {
        self.capitals
    }

    /// Appends `name` as this message writes it in the `nth` of its lines.
    pub fn put(&self, name: &HeaderName, nth: usize, out: &mut BytesMut) {
        let name = name.as_str().as_bytes();
        if let Some(odd) = &self.odd {
            let mut written = odd.iter().filter(|odd| odd.eq_ignore_ascii_case(name));
            if let Some(first) = written.next() {
                let written = if nth == 0 { first } else { written.nth(nth - 1).unwrap_or(first) };
                return out.extend_from_slice(written);
            }
        }
        let start = out.len();
        out.extend_from_slice(name);
        if self.capitals {
            capitalize(&mut out[start..]);
        }
    }
}

/// Writes the first letter of each word large.
fn capitalize(name: &mut [u8]) {
    let mut first = true;
    for byte in name {
        if first {
            byte.make_ascii_uppercase();
        }
        first = *byte == b'-';
    }
}

fn kind(name: &[u8]) -> Kind {
    let (mut lower, mut capitals, mut first) = (true, true, true);
    for byte in name {
        if first {
            capitals &= !byte.is_ascii_lowercase();
            lower &= !byte.is_ascii_uppercase();
        } else if byte.is_ascii_uppercase() {
            return Kind::Odd;
        }
        first = *byte == b'-';
    }
    match (lower, capitals) {
        (true, true) => Kind::Neither,
        (true, false) => Kind::Lower,
        (false, true) => Kind::Capitals,
        (false, false) => Kind::Odd,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(spelling: &Spelling, name: &str, nth: usize) -> String {
        let mut out = BytesMut::new();
        spelling.put(&HeaderName::from_bytes(name.as_bytes()).unwrap(), nth, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    fn of(names: &[&str]) -> Spelling {
        Spelling::of(names.iter().map(|name| name.as_bytes()))
    }

    #[test]
    fn usual_messages_need_no_room() {
        for names in [&["host", "x-a"][..], &["Host", "X-A", "1"], &["Host", "User-Agent", "X-1"], &[]] {
            assert_eq!(of(names).odd, None, "{names:?}");
        }
    }

    #[test]
    fn fields_that_are_added_follow_the_rule_of_the_message() {
        assert_eq!(written(&of(&["Host", "ETag"]), "x-forwarded-for", 0), "X-Forwarded-For");
        assert_eq!(written(&of(&["host", "ETag"]), "x-forwarded-for", 0), "x-forwarded-for");
        assert_eq!(written(&Spelling::default(), "via", 0), "via");
    }

    proptest! {
        /// Every name is written again as it was, in each of its lines.
        #[test]
        fn names_come_back_as_they_were(names in proptest::collection::vec("[a-zA-Z0-9_-]{1,3}", 0..12)) {
            let spelling = Spelling::of(names.iter().map(|name| name.as_bytes()));
            for (at, name) in names.iter().enumerate() {
                let nth = names[..at].iter().filter(|before| before.eq_ignore_ascii_case(name)).count();
                prop_assert_eq!(&written(&spelling, name, nth), name);
            }
        }
    }
}
