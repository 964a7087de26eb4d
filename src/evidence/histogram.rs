//! Latencies, counted in the buckets of an HdrHistogram; only those that hold something take memory.
//!
//! A route's answers fall into some dozens of buckets out of thousands. Thousands of routes are kept anew every second,
//! so what is empty is neither held nor looked through.

use crate::stats::Ranked;
use std::time::Duration;

/// One microsecond.
pub const LATENCY_MIN_US: u64 = 1;
/// One hour.
pub const LATENCY_MAX_US: u64 = 3_600_000_000;
/// Significant digits: a bucket is at most 1/128 of its values wide.
pub const LATENCY_DIGITS: u8 = 2;

/// Buckets to a power of two, above the first 256 values, which have one each: the layout of HdrHistogram for two digits.
const HALF: u64 = 128;

/// Latencies in microseconds, [`LATENCY_MIN_US`] to [`LATENCY_MAX_US`], [`LATENCY_DIGITS`] significant digits; what
/// is outside counts as the nearest that is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Those that hold something, ascending.
    buckets: Vec<Bucket>,
    len: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bucket {
    /// The least value that falls into it.
    least: u32,
    count: u32,
}

// === impl Histogram ===

impl Histogram {
    pub fn record(&mut self, took: Duration) {
        self.add(micros(took), 1, 0);
    }

    /// Adds another one's values.
    pub fn merge(&mut self, other: &Histogram) {
        if self.buckets.is_empty() {
            *self = other.clone();
            return;
        }
        other.buckets.iter().fold(0, |from, bucket| self.add(bucket.least, bucket.count, from));
    }

    /// How many values there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The greatest value there can be of those recorded, in microseconds; 0 of none.
    pub fn max(&self) -> u64 {
        self.buckets.last().map_or(0, Bucket::greatest)
    }

    /// The greatest value, in microseconds, of the bucket that has the value of rank `ceil(q n)`; 0 of none.
    pub fn value_at_quantile(&self, q: f64) -> u64 {
        let rank = ((q * self.len as f64).ceil() as u64).clamp(1, self.len.max(1));
        self.at_rank(rank).map_or(0, |(_, greatest)| greatest)
    }

    /// Ascending: the greatest value of each bucket that holds something, in microseconds, and how many it holds.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.buckets.iter().map(|bucket| (bucket.greatest(), bucket.count.into()))
    }

    /// Ascending: the counters of an HdrHistogram that are not 0, by their place among all.
    pub fn counters(&self) -> impl Iterator<Item = (u64, u32)> {
        self.buckets.iter().map(|bucket| (bucket.place(), bucket.count))
    }

    /// Out of values in microseconds and how often each was there, which may be any equivalent ones.
    pub fn of(values: impl IntoIterator<Item = (u64, u32)>) -> Self {
        let mut histogram = Self::default();
        for (value, count) in values.into_iter().filter(|(_, count)| *count > 0) {
            histogram.add(micros(Duration::from_micros(value)), count, 0);
        }
        histogram
    }

    /// Adds values of one bucket, which is not among the first `from` ones; where it was found.
    fn add(&mut self, value: u32, count: u32, from: usize) -> usize {
        let least = value >> shift(value) << shift(value);
        let behind = self.buckets.get(from..).unwrap_or_default();
        let at = from + behind.partition_point(|bucket| bucket.least < least);
        match self.buckets.get_mut(at) {
            Some(bucket) if bucket.least == least => bucket.count = bucket.count.saturating_add(count),
            _ => self.buckets.insert(at, Bucket { least, count }),
        }
        self.len += u64::from(count);
        at
    }
}

impl Ranked for Histogram {
    fn count(&self) -> u64 {
        self.len
    }

    fn at_rank(&self, rank: u64) -> Option<(u64, u64)> {
        let mut below = 0;
        let bucket = self.buckets.iter().find(|bucket| {
            below += u64::from(bucket.count);
            below >= rank
        })?;
        Some((bucket.least.into(), bucket.greatest()))
    }
}

// === impl Bucket ===

impl Bucket {
    fn greatest(&self) -> u64 {
        u64::from(self.least) + (1 << shift(self.least)) - 1
    }

    /// Among all there are.
    fn place(&self) -> u64 {
        let shift = shift(self.least);
        u64::from(shift) * HALF + u64::from(self.least >> shift)
    }
}

/// Bits of a value that its bucket does not tell.
fn shift(value: u32) -> u32 {
    24u32.saturating_sub(value.leading_zeros())
}

fn micros(took: Duration) -> u32 {
    let micros = took.as_micros().clamp(LATENCY_MIN_US.into(), LATENCY_MAX_US.into());
    u32::try_from(micros).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Ranks, at_ranks};
    use proptest::prelude::*;

    fn micros(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        values.iter().for_each(|us| histogram.record(Duration::from_micros(*us)));
        histogram
    }

    #[test]
    fn what_is_outside_counts_as_the_nearest_within() {
        assert_eq!(micros(&[0, LATENCY_MAX_US + 1]), micros(&[1, LATENCY_MAX_US]));
        let none = Histogram::default();
        assert_eq!((none.len(), none.max(), none.value_at_quantile(0.5)), (0, 0, 0));
        assert_eq!(none.at_rank(1), None);
    }

    #[test]
    fn it_takes_no_more_than_there_is_to_tell() {
        let room = |histogram: &Histogram| histogram.buckets.len() * size_of::<Bucket>();
        let octaves = 0..LATENCY_MAX_US.ilog2();
        let all: Vec<u64> = octaves.flat_map(|octave| (0..256).map(move |i| (256 + i) << octave)).collect();
        assert!(room(&micros(&all)) <= 26 << 10, "whatever is measured");
        let usual: Vec<u64> = (0..10_000).map(|i| 900 + i % 300).collect();
        assert!(room(&micros(&usual)) < 800);
    }

    proptest! {
        #[test]
        fn it_is_what_an_hdr_histogram_is(
            values in proptest::collection::vec(prop_oneof![1u64..2_000, 1u64..=LATENCY_MAX_US], 1..200),
            more in proptest::collection::vec(1u64..50_000, 0..50),
        ) {
            let mut hdr = hdrhistogram::Histogram::<u32>::new(LATENCY_DIGITS).unwrap();
            values.iter().chain(&more).for_each(|us| hdr.record(*us).unwrap());
            let mut ours = micros(&values);
            ours.merge(&micros(&more));
            prop_assert_eq!(&ours, &micros(&[values, more].concat()), "in whatever order");
            prop_assert_eq!((ours.len(), ours.max()), (hdr.len(), hdr.max()));
            for q in [0.001, 0.1, 0.5, 0.9, 0.99, 1.0] {
                prop_assert_eq!(ours.value_at_quantile(q), hdr.value_at_quantile(q), "at {}", q);
            }
            let theirs: Vec<_> =
                hdr.iter_recorded().map(|step| (step.value_iterated_to(), u64::from(step.count_at_value()))).collect();
            prop_assert_eq!(ours.iter().collect::<Vec<_>>(), theirs);
            for rank in 1..=hdr.len() {
                let ranks = Ranks { lower: Some(rank), upper: Some(rank) };
                prop_assert_eq!(at_ranks(&ours, ranks), at_ranks(&hdr, ranks));
            }
            prop_assert_eq!(Histogram::of(ours.iter().map(|(value, count)| (value, count as u32))), ours);
        }
    }
}
