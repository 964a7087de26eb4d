//! About how many different values there were, and about where a distribution ends: small, and merged without regard to
//! order.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// Registers of a [`Sketch`]: its estimate is off by a tenth or so.
const REGISTERS: usize = 128;
const INDEX_BITS: u32 = 7;

/// How many different values were added (HyperLogLog). Nothing of the values themselves is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sketch {
    /// Empty until something is added.
    registers: Vec<u8>,
}

/// A histogram of positive values with eight buckets to a factor of ten.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spread {
    buckets: BTreeMap<i16, u64>,
}

/// Buckets to a factor of ten.
const STEPS: f64 = 8.0;
/// Values are within 10^-40 and 10^40; what is beyond counts as that, and 0 as the least.
const MOST: f64 = 40.0;

// === impl Sketch ===

impl Sketch {
    pub fn add(&mut self, value: &str) {
        self.registers.resize(REGISTERS, 0);
        let hash = xxh3_64(value.as_bytes());
        let rank = ((hash << INDEX_BITS).leading_zeros() + 1).min(64 - INDEX_BITS + 1) as u8;
        if let Some(register) = self.registers.get_mut((hash >> (64 - INDEX_BITS)) as usize) {
            *register = (*register).max(rank);
        }
    }

    pub fn merge(&mut self, other: &Sketch) {
        if other.registers.is_empty() {
            return;
        }
        self.registers.resize(REGISTERS, 0);
        for (mine, other) in self.registers.iter_mut().zip(&other.registers) {
            *mine = (*mine).max(*other);
        }
    }

    /// About how many different values were added.
    pub fn estimate(&self) -> f64 {
        if self.registers.is_empty() {
            return 0.0;
        }
        let m = REGISTERS as f64;
        let sum: f64 = self.registers.iter().map(|rank| 0.5f64.powi(i32::from(*rank))).sum();
        let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
        let empty = self.registers.iter().filter(|rank| **rank == 0).count();
        if raw <= 2.5 * m && empty > 0 { m * (m / empty as f64).ln() } else { raw }
    }
}

// === impl Spread ===

impl Spread {
    pub fn add(&mut self, value: f64) {
        let exponent = value.abs().log10().clamp(-MOST, MOST);
        let bucket = if exponent.is_nan() { MOST } else { exponent };
        *self.buckets.entry((bucket * STEPS).ceil() as i16).or_default() += 1;
    }

    pub fn merge(&mut self, other: &Spread) {
        for (bucket, count) in &other.buckets {
            *self.buckets.entry(*bucket).or_default() += count;
        }
    }

    pub fn count(&self) -> u64 {
        self.buckets.values().sum()
    }

    /// A value that a share `q` of those added do not exceed; `None` of none.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let wanted = (self.count() as f64 * q).ceil() as u64;
        let mut below = 0;
        let (bucket, _) = self.buckets.iter().find(|(_, count)| {
            below += *count;
            below >= wanted
        })?;
        Some(10f64.powf(f64::from(*bucket) / STEPS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_values_are_counted_about_right() {
        for n in [1u32, 10, 100, 200, 1_000, 20_000] {
            let mut sketch = Sketch::default();
            (0..3).for_each(|_| (0..n).for_each(|i| sketch.add(&format!("value {i}"))));
            let off = sketch.estimate() / f64::from(n);
            assert!((0.75..1.25).contains(&off), "{n}: {off}");
        }
        assert_eq!(Sketch::default().estimate(), 0.0);
    }

    #[test]
    fn sketches_merge_in_any_order() {
        let of = |from: u32, to: u32| {
            let mut sketch = Sketch::default();
            (from..to).for_each(|i| sketch.add(&i.to_string()));
            sketch
        };
        let merged = |parts: &[Sketch]| {
            let mut sketch = Sketch::default();
            parts.iter().for_each(|p| sketch.merge(p));
            sketch
        };
        let (a, b, c) = (of(0, 50), of(30, 400), Sketch::default());
        assert_eq!(merged(&[a.clone(), b.clone(), c.clone()]), merged(&[c, b, a]));
        assert_eq!(merged(&[of(0, 50), of(30, 400)]), of(0, 400));
    }

    #[test]
    fn the_end_of_a_distribution_is_found() {
        let mut spread = Spread::default();
        assert_eq!(spread.quantile(0.999), None);
        (1..=1_000).for_each(|i| spread.add(f64::from(i) * 1e-12));
        let end = spread.quantile(0.999).unwrap();
        assert!((0.99e-9..1.34e-9).contains(&end), "{end}");
        [0.0, f64::INFINITY, f64::NAN, 1e-300].iter().for_each(|v| spread.add(*v));
        assert!(spread.quantile(1.0).unwrap() > 1e39);
        assert_eq!(spread.count(), 1_004);
    }
}
