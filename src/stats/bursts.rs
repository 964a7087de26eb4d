//! Whether hits come in bursts: how much their number in blocks of observations varies beside its mean.

use serde::{Deserialize, Serialize};

/// Observations of a block.
const BLOCK: u64 = 100;
/// Fewer hits than this say nothing of how they come.
const LEAST_HITS: u64 = 8;
/// Times what is expected; less is not worth a word.
const MORE: f64 = 1.5;
/// Standard errors that a factor has to be above what chance makes of it.
const CLEAR: f64 = 4.0;

/// Sums over blocks of a hundred observations, in order of arrival.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bursts {
    blocks: u64,
    hits: u64,
    /// Of the hits of each block.
    squares: u64,
    /// The block that is not full yet.
    open: u64,
    open_hits: u64,
}

// === impl Bursts ===

impl Bursts {
    /// Counts one observation.
    pub fn add(&mut self, hit: bool) {
        self.open += 1;
        self.open_hits += u64::from(hit);
        if self.open == BLOCK {
            self.blocks += 1;
            self.hits += self.open_hits;
            self.squares += self.open_hits * self.open_hits;
            (self.open, self.open_hits) = (0, 0);
        }
    }

    /// Adds the blocks of another series. Of the two that are not full the fuller one goes on.
    pub fn merge(&mut self, other: &Bursts) {
        self.blocks += other.blocks;
        self.hits += other.hits;
        self.squares += other.squares;
        (self.open, self.open_hits) = (self.open, self.open_hits).max((other.open, other.open_hits));
    }

    /// The Fano factor: the variance of the number of hits in a hundred observations, divided by its mean (Fano 1947).
    /// `None` with fewer than two blocks or without a hit.
    ///
    /// About 1 where rare hits come one by one; about the size of a cluster, as a request in it sees it, where they come
    /// in clusters, which is the design effect. It estimates and bounds nothing.
    pub fn factor(&self) -> Option<f64> {
        let (blocks, hits) = (self.blocks as f64, self.hits as f64);
        let spread = self.squares as f64 - hits * hits / blocks;
        (self.blocks > 1 && self.hits > 0).then(|| spread * blocks / (hits * (blocks - 1.0)))
    }

    /// The factor where it is more than half as much again as `expected`, and by more than chance explains: independent
    /// hits have a factor of 1 with a standard error of `sqrt(2 / (blocks - 1))` (Cox and Lewis 1966), and where another
    /// one is expected both are taken to grow with it.
    ///
    /// Hits that come by themselves are hardly ever reported.
    pub fn beyond(&self, expected: f64) -> Option<f64> {
        let error = (2.0 / self.blocks.saturating_sub(1).max(1) as f64).sqrt();
        let clear = |factor: &f64| *factor > expected * (1.0 + CLEAR * error).max(MORE);
        self.factor().filter(|_| self.hits >= LEAST_HITS).filter(clear)
    }

    /// Whether the numbers fit each other; what was kept may not.
    pub fn is_sound(&self) -> bool {
        let full = self.blocks.saturating_mul(BLOCK);
        self.open < BLOCK && self.open_hits <= self.open && self.hits <= full && self.squares >= self.hits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many observations; each that starts a cluster is followed by the rest of it.
    fn with(n: u64, one_in: u64, size: u64) -> Bursts {
        let (mut bursts, mut left, mut random) = (Bursts::default(), 0, 0x9e37_79b9_7f4a_7c15u64);
        for _ in 0..n {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            if (random >> 11).is_multiple_of(one_in) {
                left = size;
            }
            bursts.add(left > 0);
            left = left.saturating_sub(1);
        }
        bursts
    }

    #[test]
    fn clusters_are_seen_and_single_hits_are_not() {
        let single = with(100_000, 100, 1);
        assert!((0.85..1.15).contains(&single.factor().unwrap()), "{single:?}");
        assert_eq!(single.beyond(1.0), None);
        let clusters = with(100_000, 2_000, 10);
        let factor = clusters.beyond(1.0).unwrap();
        assert!((7.0..11.0).contains(&factor), "{factor}");
        // Where it is expected it is no news.
        assert_eq!(clusters.beyond(10.0), None);
        // One cluster, or a handful of hits, may be chance.
        assert_eq!(with(300, 1_000_000, 1).factor(), None);
        assert_eq!(with(2_000, 700, 2).beyond(1.0), None);
    }

    #[test]
    fn it_is_variance_over_mean_and_merges_by_addition() {
        let counts = [3u64, 0, 1, 0, 0, 8, 2, 0];
        let mut all = Bursts::default();
        counts.iter().for_each(|hits| (0..BLOCK).for_each(|i| all.add(i < *hits)));
        let mean = counts.iter().sum::<u64>() as f64 / 8.0;
        let variance = counts.iter().map(|c| (*c as f64 - mean).powi(2)).sum::<f64>() / 7.0;
        assert!((all.factor().unwrap() - variance / mean).abs() < 1e-12);
        let (mut one, mut two) = (Bursts::default(), Bursts::default());
        for (i, hits) in counts.iter().enumerate() {
            let half = if i % 2 == 0 { &mut one } else { &mut two };
            (0..BLOCK).for_each(|i| half.add(i < *hits));
        }
        two.add(true);
        let mut swapped = two;
        swapped.merge(&one);
        one.merge(&two);
        assert_eq!(one, swapped);
        assert_eq!((one.factor(), one.is_sound()), (all.factor(), true));
    }
}
