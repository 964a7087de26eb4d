//! How long the candidate took beside the primary: what the latency criterion rests on.
//!
//! - Each pair of answers is a yes or no: did the candidate take longer than `ratio` times the primary plus `slack`?
//!   Pairs are gathered in blocks of wall-clock time, by arrival, since load comes in bursts and neighbours are not
//!   independent; what is tested is the mean of each block.
//! - A block is closed by the first pair that arrives after its end. Looked at later than that it counts as closed
//!   once nothing of the route is under way, or an early look would see only its quick answers.
//! - A candidate without an answer took longer than anything. One whose answer is of another class (an error for a
//!   success) did other work: such a pair says nothing of latency, and other criteria speak of it.
//! - Once a second one pair also goes into two histograms, for bounds on quantiles: seconds apart they are nearly
//!   independent, and chosen by arrival alone.
//! - What is counted depends on the settings, so it begins anew where they change; nothing is counted twice or mixed.

use super::{Histogram, LATENCY_MAX_US};
use crate::model::Timestamp;
use crate::stats::{BlockBets, Serial};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// The share of slow pairs that is tested: a half, so that the test is one on the median of the paired ratio.
pub const SLOW_SHARE: f64 = 0.5;

/// What a pair is counted by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LatencyTerms {
    pub ratio: f64,
    pub slack: Duration,
    pub block: Duration,
    /// Since the epoch began; pairs that arrive within are left out.
    pub warm_up: Duration,
    /// As many of the route's first pairs are left out too.
    pub warm_up_pairs: u64,
}

/// What the latency of a route is counted by, by its name.
#[derive(Clone)]
pub(super) struct Terms(pub(super) Arc<dyn Fn(&str) -> LatencyTerms + Send + Sync>);

/// One route's evidence on latency.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    pub counts: PaceCounts,
    /// One pair a second, in microseconds.
    pub primary: Histogram,
    pub candidate: Histogram,
}

/// All of it but the histograms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PaceCounts {
    pub terms: LatencyTerms,
    /// Pairs left out to warm up.
    pub warmed: u64,
    /// Arrival of the first pair that counts.
    pub began: Option<Timestamp>,
    open: Option<Block>,
    closed: Blocks,
    /// The last second, since 1970, of which a pair was taken into the histograms.
    second: u64,
}

/// Pairs of one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Block {
    number: u64,
    pairs: u64,
    slow: u64,
}

/// Closed blocks, as the test wants them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Blocks {
    pub bets: BlockBets,
    pub serial: Serial,
    pub pairs: u64,
    /// In which the candidate took longer.
    pub slow: u64,
}

// === impl LatencyTerms ===

impl Default for LatencyTerms {
    /// The gate's defaults.
    fn default() -> Self {
        Self {
            ratio: 1.10,
            slack: Duration::from_millis(2),
            block: Duration::from_secs(60),
            warm_up: Duration::from_secs(60),
            warm_up_pairs: 500,
        }
    }
}

impl LatencyTerms {
    fn is_slow(&self, primary: Duration, candidate: Option<Duration>) -> bool {
        candidate.is_none_or(|took| took.as_secs_f64() > self.ratio * primary.as_secs_f64() + self.slack.as_secs_f64())
    }

    /// Microseconds of a block; none has no length.
    fn block_micros(&self) -> u64 {
        u64::try_from(self.block.as_micros()).unwrap_or(u64::MAX).max(1)
    }

    /// Which of two stands for both, when they differ.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        let key = |t: &Self| (t.slack, t.block, t.warm_up, t.warm_up_pairs);
        self.ratio.total_cmp(&other.ratio).then_with(|| key(self).cmp(&key(other)))
    }
}

// === impl Terms ===

impl Default for Terms {
    fn default() -> Self {
        Self(Arc::new(|_| LatencyTerms::default()))
    }
}

impl std::fmt::Debug for Terms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Terms")
    }
}

// === impl Pace ===

impl Pace {
    /// Nothing yet.
    pub fn new(terms: LatencyTerms) -> Self {
        Self { counts: PaceCounts::new(terms), primary: Histogram::default(), candidate: Histogram::default() }
    }

    /// Goes on under these terms: where they are others, from nothing, except that a route which is warm stays so.
    /// True where something changed.
    pub(super) fn adopt(&mut self, terms: LatencyTerms) -> bool {
        if self.counts.terms == terms {
            return false;
        }
        let warmed = self.counts.warmed;
        *self = Pace::new(terms);
        self.counts.warmed = warmed;
        true
    }

    /// A pair that arrived then, in an epoch that began at `epoch`; no `candidate` where it gave no answer.
    pub(super) fn record(
        &mut self,
        epoch: Timestamp,
        arrived: Timestamp,
        primary: Duration,
        candidate: Option<Duration>,
    ) {
        let counts = &mut self.counts;
        let terms = counts.terms;
        // Both have to be over.
        let cold = counts.warmed < terms.warm_up_pairs;
        counts.warmed += u64::from(cold);
        if cold || arrived.since(epoch) < terms.warm_up {
            return;
        }
        counts.began.get_or_insert(arrived);
        counts.pair(arrived.as_micros() / terms.block_micros(), terms.is_slow(primary, candidate));
        let second = arrived.as_micros() / 1_000_000;
        if second > counts.second {
            counts.second = second;
            self.primary.record(primary);
            self.candidate.record(candidate.unwrap_or(Duration::from_micros(LATENCY_MAX_US)));
        }
    }

    /// The clock was set back: the block that is open, and the second of which a pair was taken, have not been yet.
    pub(super) fn set_back(&mut self, now: Timestamp) {
        let counts = &mut self.counts;
        if let Some(open) = &mut counts.open {
            open.number = open.number.min(now.as_micros() / counts.terms.block_micros());
        }
        counts.second = counts.second.min(now.as_micros() / 1_000_000);
    }

    /// What is closed at `now`; `settled` where nothing of the route is under way.
    pub fn blocks(&self, now: Timestamp, settled: bool) -> Blocks {
        let mut closed = self.counts.closed.clone();
        if let Some(open) =
            self.counts.open.filter(|open| settled && open.number < now.as_micros() / self.counts.terms.block_micros())
        {
            closed.close(&open);
        }
        closed
    }

    /// Pairs that count, those of the open block included.
    pub fn pairs(&self) -> u64 {
        self.counts.closed.pairs + self.counts.open.map_or(0, |open| open.pairs)
    }

    /// Adds another route's, read under one name, or another process's. Their blocks are of the same time, so their
    /// bets are averaged by the pairs behind them and not added. Counted by other terms they do not mix: one stands.
    pub(super) fn merge(&mut self, other: &Pace) {
        match self.counts.terms.order(&other.counts.terms) {
            std::cmp::Ordering::Less => *self = other.clone(),
            std::cmp::Ordering::Greater => {}
            std::cmp::Ordering::Equal => {
                self.counts.merge(&other.counts);
                self.primary.merge(&other.primary);
                self.candidate.merge(&other.candidate);
            }
        }
    }
}

// === impl PaceCounts ===

impl PaceCounts {
    fn new(terms: LatencyTerms) -> Self {
        let bets = BlockBets::new(SLOW_SHARE);
        let closed = Blocks { bets, serial: Serial::default(), pairs: 0, slow: 0 };
        Self { terms, warmed: 0, began: None, open: None, closed, second: 0 }
    }

    /// One that comes after its block was closed, because it took that long, counts in the one that is open: left
    /// out, the slowest would be missing.
    fn pair(&mut self, number: u64, slow: bool) {
        if let Some(open) = self.open.take_if(|open| open.number < number) {
            self.closed.close(&open);
        }
        let open = self.open.get_or_insert(Block { number, pairs: 0, slow: 0 });
        open.pairs += 1;
        open.slow += u64::from(slow);
    }

    fn merge(&mut self, other: &PaceCounts) {
        self.warmed += other.warmed;
        self.began = self.began.into_iter().chain(other.began).min();
        self.second = self.second.max(other.second);
        let mut theirs = other.clone();
        if let (Some(mine), Some(open)) = (&mut self.open, &mut theirs.open) {
            if mine.number < open.number {
                self.closed.close(mine);
                self.open = None;
            } else if open.number < mine.number {
                theirs.closed.close(open);
                theirs.open = None;
            } else {
                mine.pairs += open.pairs;
                mine.slow += open.slow;
            }
        }
        self.open = self.open.or(theirs.open);
        self.closed.merge(&theirs.closed);
    }

    /// Whether the numbers fit each other; what was kept may not.
    ///
    /// # Errors
    /// Which ones do not.
    pub fn check(&self) -> Result<(), String> {
        let open = self.open.unwrap_or(Block { number: 0, pairs: 0, slow: 0 });
        if !self.terms.ratio.is_finite() || open.slow > open.pairs || self.closed.slow > self.closed.pairs {
            return Err("more slow pairs than pairs".into());
        }
        if !self.closed.bets.is_sound(SLOW_SHARE) || !self.closed.serial.is_sound() {
            return Err("latency blocks that make no sense".into());
        }
        Ok(())
    }
}

// === impl Blocks ===

impl Blocks {
    fn close(&mut self, block: &Block) {
        if block.pairs > 0 {
            self.bets.add(block.pairs, block.slow);
            self.serial.add(block.number, block.slow as f64 / block.pairs as f64);
            self.pairs += block.pairs;
            self.slow += block.slow;
        }
    }

    fn merge(&mut self, other: &Blocks) {
        self.bets.blend(self.pairs as f64, &other.bets, other.pairs as f64);
        self.serial.merge(&other.serial);
        self.pairs += other.pairs;
        self.slow += other.slow;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::at;
    use super::*;

    fn quick() -> LatencyTerms {
        LatencyTerms {
            block: Duration::from_secs(10),
            warm_up: Duration::ZERO,
            warm_up_pairs: 0,
            ..LatencyTerms::default()
        }
    }

    fn feed(pace: &mut Pace, seconds: std::ops::Range<u64>, slow: bool) {
        for second in seconds {
            let took = Duration::from_millis(if slow { 300 } else { 100 });
            pace.record(at(0), at(second), Duration::from_millis(100), Some(took));
        }
    }

    fn seen(pace: &Pace, second: u64) -> (u64, u64, u64) {
        let blocks = pace.blocks(at(second), true);
        (blocks.bets.blocks(), blocks.pairs, blocks.slow)
    }

    #[test]
    fn blocks_close_in_order_and_late_pairs_are_not_lost() {
        let mut pace = Pace::new(quick());
        feed(&mut pace, 0..25, false);
        assert_eq!((seen(&pace, 25), seen(&pace, 30)), ((2, 20, 0), (3, 25, 0)));
        assert_eq!(pace.blocks(at(30), false).bets.blocks(), 2, "something is under way");
        feed(&mut pace, 3..5, true);
        assert_eq!((seen(&pace, 30), pace.pairs()), ((3, 27, 2), 27));
        pace.record(at(0), at(31), Duration::from_millis(100), None);
        assert_eq!((seen(&pace, 40), pace.candidate.max() >= LATENCY_MAX_US), ((4, 28, 3), true));
        // Two of the same second are one in the histograms.
        pace.record(at(0), at(31), Duration::from_millis(100), None);
        assert_eq!((pace.primary.len(), pace.pairs()), (26, 29));
    }

    #[test]
    fn other_terms_begin_anew_and_a_warm_route_stays_warm() {
        let terms = LatencyTerms { warm_up_pairs: 10, ..quick() };
        let mut pace = Pace::new(terms);
        feed(&mut pace, 0..30, false);
        assert_eq!(pace.pairs(), 20);
        assert!(!pace.adopt(terms) && pace.pairs() == 20);
        assert!(pace.adopt(LatencyTerms { ratio: 2.0, ..terms }));
        assert_eq!((pace.pairs(), pace.counts.warmed, pace.primary.len()), (0, 10, 0));
        feed(&mut pace, 30..35, false);
        assert_eq!(pace.pairs(), 5);
    }

    #[test]
    fn what_is_merged_is_never_more_sure_than_its_parts_together() {
        let (mut slow, mut fast, mut other) =
            (Pace::new(quick()), Pace::new(quick()), Pace::new(LatencyTerms { ratio: 3.0, ..quick() }));
        feed(&mut slow, 0..400, true);
        feed(&mut fast, 0..400, false);
        feed(&mut other, 0..10, false);
        let wealth = |pace: &Pace| pace.blocks(at(400), true).bets.ln_e_pass();
        let mut both = slow.clone();
        both.merge(&fast);
        assert_eq!(seen(&both, 400), (40, 800, 400));
        assert!(wealth(&slow) < wealth(&both) && wealth(&both) < wealth(&fast));
        let mut swapped = fast.clone();
        swapped.merge(&slow);
        assert_eq!(both, swapped);
        // Blocks counted by other terms do not mix.
        both.merge(&other);
        assert_eq!(both, other);
        assert!(both.counts.check().is_ok());
    }
}
