//! Times in which nothing was watched: evidence does not span them.

use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Where there are more the two nearest become one, which knows how long was watched between them.
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
    /// How much of it was watched after all: it was several once.
    #[serde(default, skip_serializing_if = "Duration::is_zero")]
    watched: Duration,
}

impl Gaps {
    /// Adds a span that begins after all others have. What of it lies in the one before is not added again.
    pub fn add(&mut self, from: Timestamp, to: Timestamp) {
        let from = self.0.last().map_or(from, |last| from.max(last.to));
        if to <= from {
            return;
        }
        self.0.push(Gap { from, to, watched: Duration::ZERO });
        if self.0.len() > MAX {
            // One that lasts stays apart: its end is not known.
            let ended = self.0.len() - usize::from(self.is_open());
            let between = |i: usize| self.0[i].from.since(self.0[i - 1].to);
            if let Some(i) = (1..ended).min_by_key(|&i| between(i)) {
                let watched = between(i) + self.0[i].watched;
                let next = self.0.remove(i);
                self.0[i - 1].to = next.to;
                self.0[i - 1].watched += watched;
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
        if let Some(last) = self.0.last_mut().filter(|last| last.to > at) {
            (last.to, last.watched) = (at, Duration::ZERO);
        }
        if open {
            self.open(at);
        }
    }

    /// How much of the time between `since` and `until` they take. Of one that reaches beyond nobody knows where in it was
    /// watched: it takes all of what it has between them.
    pub fn within(&self, since: Timestamp, until: Timestamp) -> Duration {
        let taken = |gap: &Gap| match since <= gap.from && gap.to <= until {
            true => gap.to.since(gap.from).saturating_sub(gap.watched),
            false => gap.to.min(until).since(gap.from.max(since)),
        };
        self.0.iter().map(taken).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::testing::at;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

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
    fn many_take_no_more_time_than_they_lasted() {
        let mut gaps = Gaps::default();
        (0..1_000).for_each(|i| gaps.add(at(10 * i), at(10 * i + 4)));
        gaps.open(at(10_000));
        assert_eq!((gaps.0.len(), gaps.open_since()), (MAX, Some(at(10_000))));
        assert_eq!(gaps.within(at(0), at(10_001)), Duration::from_secs(4_001));
        gaps.close(at(10_002));
        assert_eq!(gaps.within(at(0), at(20_000)), Duration::from_secs(4_002));
        let told = serde_json::to_string(&gaps).unwrap();
        assert_eq!(serde_json::from_str::<Gaps>(&told).unwrap(), gaps);
        // As it was kept before.
        let old = format!(r#"[{{"from":"{}","to":"{}"}}]"#, at(10), at(20));
        assert_eq!(serde_json::from_str::<Gaps>(&old).unwrap().within(at(0), at(99)), Duration::from_secs(10));
    }

    proptest! {
        #[test]
        fn what_was_not_watched_is_never_taken_for_watched(
            spans in prop::collection::vec((0_u64..9, 1_u64..9), 0..200), since in 0_u64..1_000, last in 0_u64..1_000,
            back in prop::option::of(0_u64..2_000)
        ) {
            let (mut gaps, mut taken, mut now) = (Gaps::default(), BTreeSet::new(), 0);
            for (apart, lasts) in spans {
                gaps.add(at(now + apart), at(now + apart + lasts));
                taken.extend(now + apart..now + apart + lasts);
                now += apart + lasts;
            }
            if let Some(back) = back {
                gaps.set_back(at(back));
                taken.retain(|second| *second < back);
            }
            let until = since + last;
            let least = Duration::from_secs(taken.range(since..until).count() as u64);
            prop_assert!(gaps.within(at(since), at(until)) >= least);
            if back.is_none() {
                prop_assert_eq!(gaps.within(at(0), at(now)), Duration::from_secs(taken.len() as u64));
            }
        }
    }
}
