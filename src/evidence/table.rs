//! The divergence table: bounded rows, bounded examples, all of it chosen without chance.

use super::{Divergence, Exhibit, RouteEvidence};
use std::sync::Arc;

/// Rows per route; what finds no place is counted in `divergences_overflow`. One that counts takes the place of one that
/// does not: what a verdict rests on is there to be looked at.
pub const MAX_DIVERGENCES: usize = 512;

/// Adds an example and keeps at most `keep`: the first, the latest, and of all the ones whose ids hash lowest.
/// That is a sample independent of what they say, and the same whatever the order they are merged in.
pub(super) fn add_example(examples: &mut Vec<Arc<Exhibit>>, example: &Arc<Exhibit>, keep: usize) {
    if examples.iter().all(|e| e.hash() != example.hash() || e.id() != example.id()) {
        let place = examples.partition_point(|e| (e.at(), e.id()) < (example.at(), example.id()));
        examples.insert(place, example.clone());
        keep_some(examples, keep);
    }
}

/// Oldest first afterwards.
pub(super) fn trim(examples: &mut Vec<Arc<Exhibit>>, keep: usize) {
    examples.sort_by(|a, b| (a.at(), a.id()).cmp(&(b.at(), b.id())));
    examples.dedup_by(|a, b| a.id() == b.id());
    keep_some(examples, keep);
}

/// Of examples in order.
fn keep_some(examples: &mut Vec<Arc<Exhibit>>, keep: usize) {
    let n = examples.len();
    if n <= keep.min(2) {
        return;
    }
    let mut by_hash: Vec<(u64, &str, usize)> =
        examples.iter().enumerate().map(|(i, e)| (e.hash(), e.id(), i)).collect();
    by_hash.sort_unstable();
    let chosen: Vec<usize> = by_hash.iter().take(keep.saturating_sub(2)).map(|(_, _, i)| *i).collect();
    let stays = |i: usize| match keep {
        0 => false,
        1 => i + 1 == n,
        _ => i == 0 || i + 1 == n || chosen.contains(&i),
    };
    let mut i = 0;
    examples.retain(|_| {
        i += 1;
        stays(i - 1)
    });
}

impl Divergence {
    /// A number that grows with every change.
    pub fn version(&self) -> u64 {
        self.count + self.asked_again
    }

    /// Adds what another table saw of the same fingerprint.
    pub fn merge(&mut self, other: &Divergence, keep_examples: usize) {
        // The later one speaks; the text breaks a tie so that order does not matter.
        if (other.last_seen, &other.summary, &other.excused_by) > (self.last_seen, &self.summary, &self.excused_by) {
            self.summary = other.summary.clone();
            self.excused_by = other.excused_by.clone();
        }
        self.count += other.count;
        self.counted += other.counted;
        self.asked_again += other.asked_again;
        self.transient += other.transient;
        self.tier = self.tier.min(other.tier);
        self.first_seen = self.first_seen.min(other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
        self.trend.merge(&other.trend);
        self.examples.extend(other.examples.iter().cloned());
        trim(&mut self.examples, keep_examples);
    }
}

impl RouteEvidence {
    /// Merges a row into the table, or into the overflow where there is no room.
    pub(super) fn merge_divergence(&mut self, row: &Divergence, keep_examples: usize) {
        if let Some(mine) = self.divergences.get_mut(&row.fingerprint) {
            mine.merge(row, keep_examples);
        } else if self.has_room(row.counted > 0) {
            let mut row = row.clone();
            trim(&mut row.examples, keep_examples);
            self.divergences.insert(row.fingerprint.clone(), row);
        } else {
            self.divergences_overflow += row.count;
            self.overflow_counted += row.counted;
        }
    }

    /// Whether one more row finds a place; for one that counts the rarest of those that are excused goes.
    pub(super) fn has_room(&mut self, counts: bool) -> bool {
        if self.divergences.len() < MAX_DIVERGENCES {
            return true;
        }
        if !counts {
            return false;
        }
        let excused = self.divergences.values().filter(|row| row.counted == 0);
        let rarest = excused.min_by_key(|row| (row.count, row.last_seen, &row.fingerprint));
        let Some(gone) = rarest.map(|row| row.fingerprint.clone()) else { return false };
        self.divergences_overflow += self.divergences.remove(&gone).map_or(0, |row| row.count);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, compared, epoch, example, finding};
    use super::super::{Evidence, Keep};
    use super::*;
    use crate::diff::Tier;
    use proptest::prelude::*;

    proptest! {
        /// One by one in any order, or all at once.
        #[test]
        fn the_order_of_coming_chooses_nothing(
            seconds in proptest::collection::vec(0u64..20, 0..30),
            keep in 0usize..7,
            turn in any::<prop::sample::Index>(),
        ) {
            let mut all: Vec<_> =
                seconds.iter().enumerate().map(|(i, second)| Arc::new(example(&format!("x{i}"), *second).into())).collect();
            let (mut one_by_one, mut at_once) = (Vec::new(), all.clone());
            if !all.is_empty() {
                let turn = turn.index(all.len());
                all.rotate_left(turn);
            }
            // Once more is not one more.
            all.iter().chain(all.iter().take(3)).for_each(|e| add_example(&mut one_by_one, e, keep));
            trim(&mut at_once, keep);
            let ids = |list: &[Arc<Exhibit>]| list.iter().map(|e| e.id().to_owned()).collect::<Vec<_>>();
            prop_assert_eq!(ids(&one_by_one), ids(&at_once));
        }
    }

    fn apply(evidence: &mut Evidence, i: u64, place: &str, tier: Tier) {
        let keep = Keep { rules: &|_| "r".into(), latency: &|_| Default::default(), examples: 5, now: at(0) };
        let settled = compared(&format!("x{i}"), "GET /a", i, vec![finding("json.value", place, tier)]);
        evidence.apply(&settled, keep);
    }

    #[test]
    fn what_counts_takes_the_place_of_what_is_excused() {
        let mut evidence = Evidence::new(epoch("1", None));
        // Each of them twice, all but the last of those that found a place.
        let often = |i: u64| if i + 1 == MAX_DIVERGENCES as u64 { 1 } else { 2 };
        for i in 0..700 {
            (0..often(i)).for_each(|_| apply(&mut evidence, i, &format!("json:$.m{i}"), Tier::Repr));
        }
        let overflow = evidence.routes["GET /a"].divergences_overflow;
        (700..1_000).for_each(|i| apply(&mut evidence, i, "json:$.total", Tier::Value));
        let route = &evidence.routes["GET /a"];
        let row = |place: &str| route.divergences.values().find(|row| &*row.location == place);
        let total = row("json:$.total").unwrap();
        assert_eq!((total.counted, total.examples.len(), route.counts.divergent), (300, 5, 300));
        assert_eq!((route.divergences.len(), row("json:$.m511")), (MAX_DIVERGENCES, None));
        assert_eq!((route.divergences_overflow, route.overflow_counted), (overflow + 1, 0));
        assert_eq!(evidence.kinds.quiet, 299, "it was new once");

        // Merged into a full table it is no different.
        let mut full = Evidence::new(epoch("1", None));
        (0..700).for_each(|i| apply(&mut full, i, &format!("json:$.n{i}"), Tier::Repr));
        full.merge(&evidence, 5);
        assert!(full.routes["GET /a"].divergences.values().any(|row| row.counted == 300));
    }

    #[test]
    fn what_counts_never_leaves() {
        let mut evidence = Evidence::new(epoch("1", None));
        for i in 0..600 {
            apply(&mut evidence, i, &format!("json:$.m{i}"), Tier::Value);
        }
        let route = &evidence.routes["GET /a"];
        assert_eq!((route.divergences.len(), route.divergences_overflow, route.overflow_counted), (512, 88, 88));
        assert!((0..512).all(|i| route.divergences.values().any(|row| *row.location == *format!("json:$.m{i}"))));
    }

    #[test]
    fn first_and_latest_stay_and_the_rest_is_bounded() {
        let mut kept = Vec::new();
        for i in 0..200 {
            add_example(&mut kept, &Arc::new(example(&format!("x{i}"), i).into()), 5);
            assert!(kept.len() <= 5);
        }
        assert_eq!(kept.first().unwrap().id, "x0");
        assert_eq!(kept.last().unwrap().id, "x199");
        assert!(kept.len() > 2);
        for (keep, expect) in [(0, 0), (1, 1), (2, 2)] {
            let mut few = kept.clone();
            trim(&mut few, keep);
            assert_eq!(few.len(), expect);
        }
    }
}
