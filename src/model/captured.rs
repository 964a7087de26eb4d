//! What was kept of a body: the bytes themselves, shared with the stream that carried them, or a digest.

use super::Permit;
use bytes::Bytes;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3Default;

/// A body as it was kept. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Captured {
    /// Every byte, in the chunks that carried it.
    Whole { chunks: Chunks, length: u64, charge: Charge },
    /// Past a cap: xxh3-128 with seed 0 of all bytes, and how many there were. `given_up` says that it was not the
    /// body's own size: the bytes would have been kept, had there been room for them.
    Digest { xxh3: u128, length: u64, given_up: bool },
    /// Not read to its end, because what is known of its length alone says that it is another body: so many bytes, or
    /// more.
    Unread { length: u64 },
}

/// What the memory of a body has of the capture budget: by itself, and where it is shared with another body, together
/// with that.
#[derive(Debug, Clone, Default)]
pub struct Charge {
    pub own: Option<Arc<Permit>>,
    pub shared: Option<Arc<Permit>>,
}

/// The chunks of a body. Most have one.
#[derive(Debug, Clone)]
pub enum Chunks {
    One(Bytes),
    Many(Arc<[Bytes]>),
}

// === impl Chunks ===

impl From<SmallVec<[Bytes; 1]>> for Chunks {
    fn from(mut chunks: SmallVec<[Bytes; 1]>) -> Self {
        match chunks.len() {
            0 | 1 => Self::One(chunks.pop().unwrap_or_default()),
            _ => Self::Many(chunks.into_iter().collect()),
        }
    }
}

impl From<Vec<Bytes>> for Chunks {
    fn from(chunks: Vec<Bytes>) -> Self {
        SmallVec::from(chunks).into()
    }
}

impl Deref for Chunks {
    type Target = [Bytes];

    fn deref(&self) -> &[Bytes] {
        match self {
            Self::One(chunk) => std::slice::from_ref(chunk),
            Self::Many(chunks) => chunks,
        }
    }
}

// === impl Captured ===

impl Captured {
    pub fn empty() -> Self {
        Captured::Whole { chunks: Chunks::One(Bytes::new()), length: 0, charge: Charge::default() }
    }

    /// All of a body, charged to nobody.
    pub fn whole(chunks: impl Into<Chunks>) -> Self {
        Self::charged(chunks, Charge::default())
    }

    pub fn charged(chunks: impl Into<Chunks>, charge: Charge) -> Self {
        let chunks = chunks.into();
        let length = chunks.iter().map(|c| c.len() as u64).sum();
        Captured::Whole { chunks, length, charge }
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Captured::Whole { length, .. } | Captured::Digest { length, .. } | Captured::Unread { length } => *length,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All bytes in one slice, copied only when there is more than one chunk; `None` where they were not kept.
    pub fn contiguous(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Captured::Whole { chunks, .. } => Some(match &**chunks {
                [] => Cow::Borrowed(&[]),
                [one] => Cow::Borrowed(one),
                many => Cow::Owned(many.concat()),
            }),
            Captured::Digest { .. } | Captured::Unread { .. } => None,
        }
    }

    /// The first `length` bytes, shared; all there is of a digest.
    pub fn prefix(&self, length: usize) -> Captured {
        let Captured::Whole { chunks, charge, .. } = self else { return self.clone() };
        let (mut kept, mut left) = (Vec::new(), length);
        for chunk in chunks.iter() {
            let part = chunk.slice(..chunk.len().min(left));
            left -= part.len();
            kept.push(part);
        }
        Captured::Whole { length: (length - left) as u64, chunks: kept.into(), charge: charge.clone() }
    }

    /// xxh3-128 with seed 0 of all bytes, where they were all read.
    pub fn xxh3(&self) -> Option<u128> {
        match self {
            Captured::Whole { chunks, .. } => {
                let mut hash = Xxh3Default::new();
                for chunk in chunks.iter() {
                    hash.update(chunk);
                }
                Some(hash.digest128())
            }
            Captured::Digest { xxh3, .. } => Some(*xxh3),
            Captured::Unread { .. } => None,
        }
    }

    /// What is known of a body that was not kept.
    pub fn summary(&self) -> String {
        match self.xxh3() {
            Some(xxh3) => format!("{} bytes, xxh3 {xxh3:032x}", self.len()),
            None => format!("{} bytes or more, not read further", self.len()),
        }
    }

    /// Gives its share of the budget back: what keeps it has bounds of its own.
    pub fn uncharge(&mut self) {
        if let Captured::Whole { charge, .. } = self {
            *charge = Charge::default();
        }
    }

    /// Whether the budget that it holds a share of is scarce.
    pub fn is_scarce(&self) -> bool {
        let Captured::Whole { charge: Charge { own, shared }, .. } = self else { return false };
        own.as_ref().or(shared.as_ref()).is_some_and(|permit| permit.is_scarce())
    }

    /// Whether detail was lost for want of room, not for the body's size.
    pub fn given_up(&self) -> bool {
        matches!(self, Captured::Digest { given_up: true, .. })
    }

    /// Whether both carried the same bytes. Plain comparison where both are whole, digests otherwise.
    pub fn same_bytes(&self, other: &Captured) -> bool {
        if self.len() != other.len() {
            return false;
        }
        match (self, other) {
            (Captured::Whole { chunks: a, .. }, Captured::Whole { chunks: b, .. }) => same_chunks(a, b),
            _ => self.xxh3().is_some_and(|xxh3| other.xxh3() == Some(xxh3)),
        }
    }

    /// The first offset at which two whole bodies differ; `None` where they are equal or one was not kept.
    pub fn first_difference(&self, other: &Captured) -> Option<u64> {
        let (a, b) = (self.contiguous()?, other.contiguous()?);
        let at = a.iter().zip(b.iter()).position(|(x, y)| x != y);
        at.or((a.len() != b.len()).then(|| a.len().min(b.len()))).map(|i| i as u64)
    }
}

/// Compares two runs of chunks of the same total length, wherever their boundaries fall.
fn same_chunks(a: &[Bytes], b: &[Bytes]) -> bool {
    let (mut a, mut b) = (a.iter(), b.iter());
    let (mut x, mut y): (&[u8], &[u8]) = (&[], &[]);
    loop {
        if x.is_empty() {
            x = match a.next() {
                Some(chunk) => chunk,
                None => return y.is_empty() && b.all(|c| c.is_empty()),
            };
            continue;
        }
        if y.is_empty() {
            y = match b.next() {
                Some(chunk) => chunk,
                None => return false,
            };
            continue;
        }
        let n = x.len().min(y.len());
        // It may be the same memory.
        if x.as_ptr() != y.as_ptr() && x[..n] != y[..n] {
            return false;
        }
        (x, y) = (&x[n..], &y[n..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunked(data: &[u8], cuts: &[usize]) -> Captured {
        let mut chunks = Vec::new();
        let mut rest = data;
        for cut in cuts {
            let (head, tail) = rest.split_at((*cut).min(rest.len()));
            chunks.push(Bytes::copy_from_slice(head));
            rest = tail;
        }
        chunks.push(Bytes::copy_from_slice(rest));
        Captured::whole(chunks)
    }

    #[test]
    fn what_was_not_read_equals_nothing() {
        let unread = Captured::Unread { length: 3 };
        let digest = Captured::Digest { xxh3: 0, length: 3, given_up: false };
        for other in [&unread, &digest, &chunked(b"abc", &[])] {
            assert!(!unread.same_bytes(other) && !other.same_bytes(&unread), "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn chunk_boundaries_never_matter(
            data in proptest::collection::vec(any::<u8>(), 0..200),
            a in proptest::collection::vec(0usize..40, 0..6),
            b in proptest::collection::vec(0usize..40, 0..6),
        ) {
            let (x, y) = (chunked(&data, &a), chunked(&data, &b));
            prop_assert!(x.same_bytes(&y));
            prop_assert_eq!(x.xxh3(), y.xxh3());
            let digest = Captured::Digest { xxh3: y.xxh3().unwrap(), length: y.len(), given_up: false };
            prop_assert!(x.same_bytes(&digest));
            prop_assert_eq!(x.first_difference(&y), None);
            for length in [0, data.len() / 2, data.len(), data.len() + 1] {
                let expected = &data[..length.min(data.len())];
                let prefix = x.prefix(length);
                prop_assert_eq!(&*prefix.contiguous().unwrap(), expected);
                prop_assert_eq!(prefix.len(), expected.len() as u64);
            }
        }

        #[test]
        fn one_changed_byte_is_found(
            data in proptest::collection::vec(any::<u8>(), 1..200),
            at in any::<prop::sample::Index>(),
            cuts in proptest::collection::vec(0usize..40, 0..6),
        ) {
            let at = at.index(data.len());
            let mut changed = data.clone();
            changed[at] ^= 1;
            let (x, y) = (chunked(&data, &cuts), chunked(&changed, &[]));
            prop_assert!(!x.same_bytes(&y));
            prop_assert_eq!(x.first_difference(&y), Some(at as u64));
        }
    }
}
