//! How often something was seen over time, in few numbers: counts by spans of equal length.
//!
//! A span is a power of two seconds long and begins at a multiple of it, so that two of these can be added. It is the
//! shortest of which [`SPANS`] hold all that was seen; what was seen later or earlier makes it longer, never lost.

use crate::model::Timestamp;
use serde::{Deserialize, Serialize};

/// Spans that one trend has at most.
pub const SPANS: usize = 24;

/// Counts over time. It merges by addition: in whatever order and parts things come, the same is left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Kept")]
pub struct Trend {
    /// A span is two to this power seconds long.
    log2: u32,
    /// Spans since 1970 before the first.
    first: u64,
    counts: Vec<u64>,
}

/// One trend beside another that has all that it has: both by the same spans, the other's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    pub from: Timestamp,
    pub seconds: u64,
    pub part: Vec<u64>,
    pub whole: Vec<u64>,
}

/// As it was written down, not looked at yet.
#[derive(Deserialize)]
struct Kept {
    log2: u32,
    first: u64,
    counts: Vec<u64>,
}

// === impl Trend ===

impl Trend {
    /// Something was seen then.
    pub fn add(&mut self, at: Timestamp) {
        let second = at.as_micros() / 1_000_000;
        if self.counts.is_empty() {
            *self = Self { log2: 0, first: second, counts: vec![1] };
            return;
        }
        while !self.holds(second >> self.log2, second >> self.log2) {
            self.double();
        }
        self.put(second >> self.log2, 1);
    }

    /// Adds what another saw.
    pub fn merge(&mut self, other: &Trend) {
        let (Some(_), mut theirs) = (other.counts.first(), other.clone()) else { return };
        if self.counts.is_empty() {
            *self = theirs;
            return;
        }
        while self.log2 < theirs.log2 {
            self.double();
        }
        while theirs.log2 < self.log2 {
            theirs.double();
        }
        while !self.holds(theirs.first, theirs.last()) {
            self.double();
            theirs.double();
        }
        for (span, count) in (theirs.first..).zip(theirs.counts) {
            self.put(span, count);
        }
    }

    /// All that was seen.
    pub fn sum(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// This as a part of `whole`; `None` while there is nothing of it.
    pub fn beside(&self, whole: &Trend) -> Option<Beside> {
        if self.counts.is_empty() || whole.counts.is_empty() {
            return None;
        }
        let (mut part, mut whole) = (self.clone(), whole.clone());
        while whole.log2 < part.log2 {
            whole.double();
        }
        while part.log2 < whole.log2 {
            part.double();
        }
        let mut counts = vec![0; whole.counts.len()];
        for (span, count) in (part.first..).zip(part.counts) {
            let place = span.checked_sub(whole.first).and_then(|i| counts.get_mut(usize::try_from(i).ok()?))?;
            *place = count;
        }
        let seconds = 1_u64 << whole.log2;
        let from = Timestamp::from_micros(whole.first.saturating_mul(seconds).saturating_mul(1_000_000));
        Some(Beside { from, seconds, part: counts, whole: whole.counts })
    }

    fn last(&self) -> u64 {
        self.first + (self.counts.len() as u64).saturating_sub(1)
    }

    /// Whether there is room for what was seen from one span to another.
    fn holds(&self, from: u64, to: u64) -> bool {
        self.last().max(to) - self.first.min(from) < SPANS as u64
    }

    /// Makes spans twice as long.
    fn double(&mut self) {
        let first = self.first / 2;
        let mut counts = Vec::with_capacity(SPANS);
        for (span, count) in (self.first..).zip(&self.counts) {
            if (span / 2 - first) as usize == counts.len() {
                counts.push(0);
            }
            if let Some(last) = counts.last_mut() {
                *last += count;
            }
        }
        *self = Self { log2: self.log2 + 1, first, counts };
    }

    /// Into a span that there is room for.
    fn put(&mut self, span: u64, count: u64) {
        if span < self.first {
            let missing = (self.first - span) as usize;
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = span;
        }
        let place = (span - self.first) as usize;
        if place >= self.counts.len() {
            self.counts.resize(place + 1, 0);
        }
        if let Some(mine) = self.counts.get_mut(place) {
            *mine += count;
        }
    }
}

impl TryFrom<Kept> for Trend {
    type Error = &'static str;

    fn try_from(Kept { log2, first, counts }: Kept) -> Result<Self, Self::Error> {
        // Every time there is lies within: so the sums above stay far from their ends.
        let sound = log2 <= 45 && first <= 1 << 45 && counts.len() <= SPANS;
        if sound { Ok(Self { log2, first, counts }) } else { Err("a trend that makes no sense") }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, compared, epoch, finding};
    use super::super::{Evidence, Keep, LatencyTerms};
    use super::*;
    use crate::diff::Tier;
    use proptest::prelude::*;

    fn of(seconds: &[u64]) -> Trend {
        let mut trend = Trend::default();
        seconds.iter().for_each(|s| trend.add(at(*s)));
        trend
    }

    #[test]
    fn spans_grow_with_what_was_seen_and_a_part_is_told_by_those_of_the_whole() {
        let whole = of(&(0..1_000).collect::<Vec<_>>());
        let part = of(&[500, 501, 990]);
        let told = part.beside(&whole).unwrap();
        assert_eq!((told.seconds, told.part.len()), (64, told.whole.len()));
        assert_eq!((told.part.iter().sum::<u64>(), told.whole.iter().sum::<u64>()), (3, 1_000));
        assert!(told.part.iter().zip(&told.whole).all(|(part, whole)| part <= whole));
        assert!(told.from <= at(0) && at(0).since(told.from).as_secs() < 64);
        assert_eq!(Trend::default().beside(&whole), None);
    }

    #[test]
    fn what_was_kept_is_looked_at() {
        let good = serde_json::to_value(of(&[1, 5_000])).unwrap();
        assert_eq!(serde_json::from_value::<Trend>(good.clone()).unwrap(), of(&[1, 5_000]));
        for (field, value) in [("log2", 64.into()), ("first", u64::MAX.into()), ("counts", vec![1_u64; 25].into())] {
            let mut bad = good.clone();
            bad[field] = value;
            assert!(serde_json::from_value::<Trend>(bad).is_err(), "{field}");
        }
    }

    #[test]
    fn every_comparison_and_every_sighting_is_in_one() {
        let mut evidence = Evidence::new(epoch("1", None));
        let keep = Keep { rules: &|_| "r".into(), latency: &|_| LatencyTerms::default(), examples: 0, now: at(0) };
        for i in 0..90 {
            let list = if i % 3 == 0 { vec![finding("json.value", "json:$.a", Tier::Value)] } else { vec![] };
            let settled = compared(&format!("x{i}"), "GET /a", i, list);
            evidence.begin(&settled.route, keep);
            evidence.apply(&settled, keep);
        }
        let route = &evidence.routes["GET /a"];
        let row = route.divergences.values().next().unwrap();
        assert_eq!((route.trend.sum(), row.trend.sum(), row.count), (route.counts.compared, 30, 30));
        let mut both = (**route).clone();
        both.merge(route, 0);
        assert_eq!((both.trend.sum(), both.divergences[&row.fingerprint].trend.sum()), (180, 60));
    }

    proptest! {
        #[test]
        fn order_and_parts_do_not_matter(
            mut seen in proptest::collection::vec(prop_oneof![0u64..50, 0u64..100_000, Just(10_000_000_000)], 0..60),
            cut in any::<prop::sample::Index>(),
        ) {
            let all = of(&seen);
            let (mut a, b) = { let (a, b) = seen.split_at(cut.index(seen.len() + 1)); (of(a), of(b)) };
            let mut swapped = b.clone();
            swapped.merge(&a);
            a.merge(&b);
            prop_assert_eq!(&a, &all);
            prop_assert_eq!(&swapped, &all);
            prop_assert_eq!(all.sum(), seen.len() as u64);
            prop_assert!(all.counts.len() <= SPANS);
            seen.reverse();
            prop_assert_eq!(of(&seen), all);
        }
    }
}
