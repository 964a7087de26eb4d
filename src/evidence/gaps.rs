//! Times in which nothing was watched: evidence does not span them.

use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// More than these become one with the next: what was watched between two counts as unwatched then, never the other way
/// round.
const MAX: usize = 64;

/// The end of one that has none yet: the year 9999, which every format can tell.
const OPEN: Timestamp = Timestamp::from_micros(253_370_764_800_000_000);

/// Spans of time, in order and apart from each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gaps(Vec<Gap>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Gap {
    from: Timestamp,
    to: Timestamp,
}

impl Gaps {
    /// Adds a span that begins after all others have. What of it lies in the one before is not added again.
    pub fn add(&mut self, from: Timestamp, to: Timestamp) {
        let from = self.0.last().map_or(from, |last| from.max(last.to));
        if to <= from {
            return;
        }
        self.0.push(Gap { from, to });
        if self.0.len() > MAX {
            let nearest = (1..self.0.len()).min_by_key(|&i| self.0[i].from.since(self.0[i - 1].to));
            if let Some(i) = nearest {
                self.0[i - 1].to = self.0[i].to.max(self.0[i - 1].to);
                self.0.remove(i);
            }
        }
    }

    /// Adds one that lasts until it is closed.
    pub fn open(&mut self, from: Timestamp) {
        self.add(from, OPEN);
    }

    pub fn is_open(&self) -> bool {
        self.open_since().is_some()
    }

    /// When the one that is open began.
    pub fn open_since(&self) -> Option<Timestamp> {
        self.0.last().filter(|gap| gap.to == OPEN).map(|gap| gap.from)
    }

    /// Ends the one that is open.
    pub fn close(&mut self, at: Timestamp) {
        if let Some(gap) = self.0.pop_if(|gap| gap.to == OPEN) {
            self.add(gap.from, at);
        }
    }

    /// The clock was set back to `at`: what lies beyond it has not been yet. One that is open began by then.
    pub fn set_back(&mut self, at: Timestamp) {
        let open = self.is_open();
        self.0.retain(|gap| gap.from < at);
        if let Some(last) = self.0.last_mut() {
            last.to = last.to.min(at);
        }
        if open {
            self.open(at);
        }
    }

    /// How much of the time between `since` and `until` they take.
    pub fn within(&self, since: Timestamp, until: Timestamp) -> Duration {
        self.0.iter().map(|gap| gap.to.min(until).since(gap.from.max(since))).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::testing::at;

    #[test]
    fn only_what_lies_within_counts() {
        let mut gaps = Gaps::default();
        gaps.add(at(10), at(20));
        gaps.add(at(30), at(30));
        gaps.add(at(40), at(50));
        for (since, until, expected) in [(0, 100, 20), (15, 45, 10), (20, 40, 0), (60, 70, 0), (12, 14, 2)] {
            assert_eq!(gaps.within(at(since), at(until)), Duration::from_secs(expected), "{since} {until}");
        }
    }

    #[test]
    fn an_open_one_lasts_and_takes_in_what_comes_within() {
        let mut gaps = Gaps::default();
        gaps.open(at(10));
        gaps.add(at(20), at(30));
        gaps.open(at(40));
        assert_eq!((gaps.is_open(), gaps.within(at(0), at(50))), (true, Duration::from_secs(40)));
        assert_eq!(gaps.open_since(), Some(at(10)));
        let told = serde_json::to_string(&gaps).unwrap();
        assert_eq!(serde_json::from_str::<Gaps>(&told).unwrap(), gaps, "{told}");
        (0..2).for_each(|i| gaps.close(at(60 + i)));
        gaps.add(at(55), at(65));
        assert_eq!((gaps.open_since(), gaps.within(at(0), at(99))), (None, Duration::from_secs(55)));
        gaps.open(at(70));
        gaps.close(at(70));
        assert_eq!(gaps.0.len(), 2);
    }

    #[test]
    fn what_lies_ahead_of_a_clock_that_was_set_back_has_not_been() {
        let spans = [(10, 20), (30, 90), (95, 99)];
        let of = |spans: &[(u64, u64)]| {
            let mut gaps = Gaps::default();
            spans.iter().for_each(|(from, to)| gaps.add(at(*from), at(*to)));
            gaps
        };
        for (second, left) in [(5, &[][..]), (15, &[(10, 15)]), (25, &[(10, 20)]), (40, &[(10, 20), (30, 40)])] {
            let mut gaps = of(&spans);
            gaps.set_back(at(second));
            assert_eq!(gaps, of(left), "{second}");
        }
        // One that lasts goes on lasting, whenever it began.
        for began in [10, 50] {
            let mut gaps = Gaps::default();
            gaps.open(at(began));
            gaps.set_back(at(30));
            gaps.close(at(40));
            assert_eq!(gaps.within(at(0), at(99)), Duration::from_secs(if began < 30 { 30 } else { 10 }));
        }
    }

    #[test]
    fn many_take_more_time_rather_than_less() {
        let mut gaps = Gaps::default();
        (0..1_000).for_each(|i| gaps.add(at(10 * i), at(10 * i + 4)));
        assert_eq!(gaps.0.len(), MAX);
        assert!(gaps.within(at(0), at(10_000)) >= Duration::from_secs(4_000));
    }
}
