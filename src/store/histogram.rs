//! Histograms as bytes: HdrHistogram V2, not compressed; nothing at all for an empty one.

use crate::evidence::{Histogram, LATENCY_DIGITS, LATENCY_MAX_US, LATENCY_MIN_US};
use hdrhistogram::serialization::Deserializer;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

const COOKIE: u32 = 0x1c84_9313;
/// Cookie, length of what follows, offset, digits, least and greatest value, ratio.
const HEADER: usize = 40;

/// A histogram's bytes; as bytes, not as a list of numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Packed(Vec<u8>);

// === impl Packed ===

impl Packed {
    pub(super) fn of(histogram: &Histogram) -> Self {
        let mut out = Vec::new();
        if histogram.is_empty() {
            return Self(out);
        }
        let mut counts = Vec::with_capacity(256);
        let mut next = 0;
        for (place, count) in histogram.counters() {
            match place - next {
                0 => {}
                1 => number(&mut counts, 0),
                empty => number(&mut counts, -(empty as i64)),
            }
            number(&mut counts, count.into());
            next = place + 1;
        }
        out.reserve_exact(HEADER + counts.len());
        for word in [COOKIE, counts.len() as u32, 0, LATENCY_DIGITS.into()] {
            out.extend(word.to_be_bytes());
        }
        for long in [LATENCY_MIN_US, histogram.max().max(2 * LATENCY_MIN_US), 1f64.to_bits()] {
            out.extend(long.to_be_bytes());
        }
        out.extend(counts);
        Self(out)
    }

    /// The library trusts the header and allocates what it asks for, so it is checked against our own bounds first.
    pub(super) fn read(&self) -> Result<Histogram, String> {
        let bytes = &*self.0;
        if bytes.is_empty() {
            return Ok(Histogram::default());
        }
        let word = |at: usize| Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
        let long = |at: usize| Some(u64::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
        let sound = word(0) == Some(COOKIE)
            && word(4).map(u64::from) == (bytes.len() as u64).checked_sub(HEADER as u64)
            && word(12) == Some(u32::from(LATENCY_DIGITS))
            && long(16) == Some(LATENCY_MIN_US)
            && long(24).is_some_and(|high| (2..=LATENCY_MAX_US * 4).contains(&high));
        if !sound {
            return Err("a histogram with other bounds".into());
        }
        let read: hdrhistogram::Histogram<u32> =
            Deserializer::new().deserialize(&mut &*bytes).map_err(|e| e.to_string())?;
        Ok(Histogram::of(read.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value()))))
    }
}

/// A count, or how many counters in a row are 0, as less than 0. Zigzag, seven bits to a byte, the lowest first.
fn number(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest > 0x7f {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

impl Serialize for Packed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Packed {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = Packed;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, v: &[u8]) -> Result<Packed, E> {
                Ok(Packed(v.to_vec()))
            }
            fn visit_byte_buf<E>(self, v: Vec<u8>) -> Result<Packed, E> {
                Ok(Packed(v))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Packed, A::Error> {
                let mut out = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    out.push(byte);
                }
                Ok(Packed(out))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::serialization::{Serializer as _, V2Serializer};
    use proptest::prelude::*;
    use std::time::Duration;

    fn histogram(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        values.iter().for_each(|us| histogram.record(Duration::from_micros(*us)));
        histogram
    }

    #[test]
    fn a_histogram_that_asks_for_gigabytes_is_refused() {
        let full = histogram(&[1_000_000]);
        let good = Packed::of(&full).0;
        assert_eq!(Packed(good.clone()).read().unwrap(), full);
        for (at, value) in [(4usize, u32::MAX), (12, 5), (24, u32::MAX), (0, 1)] {
            let mut bad = good.clone();
            bad[at..at + 4].copy_from_slice(&value.to_be_bytes());
            assert!(Packed(bad).read().is_err(), "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn odd_bytes_are_an_error_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Packed(bytes).read();
        }

        #[test]
        fn what_is_written_is_read_and_so_is_what_the_library_writes(
            values in proptest::collection::vec(prop_oneof![1u64..3_000, 1..=LATENCY_MAX_US], 0..50),
            times in 1u64..1_000,
        ) {
            let ours = histogram(&values.repeat(times as usize));
            prop_assert_eq!(&Packed::of(&ours).read().unwrap(), &ours);
            let mut hdr = hdrhistogram::Histogram::<u32>::new(LATENCY_DIGITS).unwrap();
            values.iter().for_each(|us| hdr.record_n(*us, times as u32).unwrap());
            let (mut theirs, packed) = (Vec::new(), Packed::of(&ours).0);
            V2Serializer::new().serialize(&hdr, &mut theirs).unwrap();
            prop_assert_eq!(&Packed(theirs.clone()).read().unwrap(), &ours);
            if !values.is_empty() {
                prop_assert_eq!(&packed[HEADER..], &theirs[HEADER..]);
            }
        }
    }
}
