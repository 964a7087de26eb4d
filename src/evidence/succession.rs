//! Which examples need not wait to be counted, because a later one of the same findings takes their place.
//!
//! Of each divergence the table keeps the first example, the latest, and those whose ids hash lowest. One that is none of
//! these once the next has come is let go of at once, with the answers it holds. It errs on one side: it may leave one
//! that does not stay, and never takes one that would.

use super::Exhibit;
use crate::model::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// What is known of the examples of one kind is forgotten after that time: evidence may have begun afresh, and then any
/// of them may stay.
const AFRESH: Duration = Duration::from_secs(1);
/// Kinds of exchanges that are known at once.
const MAX_KINDS: usize = 256;

/// The examples that came last, by what was found in their exchanges.
#[derive(Debug)]
pub struct Succession {
    /// Examples that a divergence keeps at most.
    keep: usize,
    kinds: HashMap<u64, Line>,
}

#[derive(Debug)]
struct Line {
    since: Timestamp,
    /// The lowest hashes that came, in order, as many as may stay.
    lowest: Vec<u64>,
    /// The latest one, where being that is all that speaks for it.
    latest: Weak<Exhibit>,
}

// === impl Succession ===

impl Succession {
    pub fn new(keep: usize) -> Self {
        Self { keep, kinds: HashMap::new() }
    }

    /// Takes note of an example that will be counted. The one that need not be kept any more, should there be one: it is
    /// to be withdrawn.
    pub fn add(&mut self, exhibit: &Arc<Exhibit>) -> Option<Arc<Exhibit>> {
        let kind = exhibit.kind()?;
        if self.kinds.len() >= MAX_KINDS && !self.kinds.contains_key(&kind) {
            self.kinds.clear();
        }
        let line = self.kinds.entry(kind).or_insert_with(|| Line::new(exhibit.at()));
        if exhibit.at() <= line.since || exhibit.at().since(line.since) > AFRESH {
            *line = Line::new(exhibit.at());
        }
        let low = line.lowest.partition_point(|hash| *hash <= exhibit.hash());
        // The first of them is always among the lowest, and so stays.
        let stays = line.lowest.len() < self.keep.max(1) || low < line.lowest.len();
        if stays {
            line.lowest.insert(low, exhibit.hash());
            line.lowest.truncate(self.keep.max(1));
        }
        let latest = line.latest.upgrade();
        if latest.as_ref().is_some_and(|latest| (latest.at(), latest.id()) > (exhibit.at(), exhibit.id())) {
            return (!stays).then(|| exhibit.clone());
        }
        line.latest = if stays { Weak::new() } else { Arc::downgrade(exhibit) };
        latest
    }
}

// === impl Line ===

impl Line {
    fn new(since: Timestamp) -> Self {
        Self { since, lowest: Vec::new(), latest: Weak::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::add_example;
    use super::super::testing::example;
    use super::*;
    use proptest::prelude::*;

    fn offered(id: &str, at: Timestamp) -> Arc<Exhibit> {
        let made = example(id, 0);
        Arc::new(Exhibit::later(id.into(), at, 1, move || made).of_kind(Some(7)))
    }

    proptest! {
        /// In whatever order they come, and however many are counted between two of them.
        #[test]
        fn what_stays_was_never_withdrawn(
            micros in proptest::collection::vec(0u64..2_500_000, 1..60),
            sorted in any::<bool>(),
            keep in 0usize..7,
            batch in 1usize..20,
        ) {
            let mut micros = micros;
            if sorted {
                micros.sort_unstable();
            }
            let all: Vec<_> = (0..)
                .zip(&micros)
                .map(|(i, at): (usize, _)| offered(&format!("x{i}"), Timestamp::from_micros(*at)))
                .collect();
            let mut succession = Succession::new(keep);
            let (mut kept, mut expect) = (Vec::new(), Vec::new());
            for some in all.chunks(batch) {
                for exhibit in some {
                    if let Some(gone) = succession.add(exhibit) {
                        gone.withdraw();
                    }
                }
                for exhibit in some {
                    add_example(&mut expect, exhibit, keep);
                    if exhibit.claim() {
                        add_example(&mut kept, exhibit, keep);
                    }
                }
            }
            let ids = |list: &[Arc<Exhibit>]| list.iter().map(|e| e.id().to_owned()).collect::<Vec<_>>();
            prop_assert_eq!(ids(&kept), ids(&expect));
            prop_assert!(kept.iter().all(|exhibit| exhibit.example().id == exhibit.id()));
        }
    }

    #[test]
    fn of_many_at_once_few_are_left() {
        let mut succession = Succession::new(5);
        let all: Vec<_> = (0..500).map(|i| offered(&format!("x{i}"), Timestamp::from_micros(i))).collect();
        all.iter().filter_map(|exhibit| succession.add(exhibit)).for_each(|gone| gone.withdraw());
        let left = all.iter().filter(|exhibit| exhibit.claim()).count();
        assert!(left < 50, "{left}");
        assert!(all[0].claim() && all[499].claim());
        for kind in [None, Some(8)] {
            let made = example("y", 0);
            let other = Exhibit::later("y".into(), Timestamp::from_micros(500), 1, || made).of_kind(kind);
            assert!(succession.add(&Arc::new(other)).is_none());
        }
    }
}
