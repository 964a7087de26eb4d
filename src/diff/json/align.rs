//! Which elements of two arrays belong together, by their hashes alone.
//!
//! Patience on hashes that occur once on both sides, then Myers' O(ND) within bounds, then positions. Every function is
//! symmetric: swapping the sides swaps the pairs.

use super::super::budget::{Budget, Spent};
use std::collections::HashMap;

/// Rounds of patience before the rest is left to Myers.
const PATIENCE_ROUNDS: usize = 8;

/// Pairs of positions, increasing on both sides.
pub type Pairs = Vec<(usize, usize)>;

/// A common subsequence, the longest where fewer insertions and deletions than the budget allows lead from one to the
/// other.
pub fn lcs(a: &[u128], b: &[u128], budget: &mut Budget<'_>) -> Result<Pairs, Spent> {
    if a > b {
        return Ok(lcs(b, a, budget)?.into_iter().map(|(x, y)| (y, x)).collect());
    }
    let mut pairs = Vec::new();
    range(a, b, 0, 0, budget, PATIENCE_ROUNDS, &mut pairs)?;
    pairs.sort_unstable();
    Ok(pairs)
}

/// Pairs the k-th occurrence of each hash in `a` with the k-th in `b`, in the order of `a`.
pub fn occurrences(a: &[u128], b: &[u128]) -> Pairs {
    let mut places: HashMap<u128, std::collections::VecDeque<usize>> = HashMap::new();
    for (j, hash) in b.iter().enumerate() {
        places.entry(*hash).or_default().push_back(j);
    }
    let pair = |(i, hash)| Some((i, places.get_mut(hash)?.pop_front()?));
    a.iter().enumerate().filter_map(pair).collect()
}

/// The pairing without crossings of the greatest total similarity; `score` in 0..=1, of which less than a half does
/// not pair. Costs `n * m` scores.
pub fn similar(n: usize, m: usize, score: impl Fn(usize, usize) -> f64) -> Pairs {
    let width = m + 1;
    let scores: Vec<f64> = (0..n * m).map(|k| score(k / m, k % m)).collect();
    let mut best = vec![0.0f64; (n + 1) * width];
    let at = |t: &[f64], i: usize| t.get(i).copied().unwrap_or(0.0);
    for i in (0..n).rev() {
        for j in (0..m).rev() {
            let s = at(&scores, i * m + j);
            let paired = if s >= 0.5 { s + at(&best, (i + 1) * width + j + 1) } else { 0.0 };
            let value = paired.max(at(&best, (i + 1) * width + j)).max(at(&best, i * width + j + 1));
            if let Some(cell) = best.get_mut(i * width + j) {
                *cell = value;
            }
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < n && j < m {
        let (s, here) = (at(&scores, i * m + j), at(&best, i * width + j));
        if s >= 0.5 && here == s + at(&best, (i + 1) * width + j + 1) {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if here == at(&best, (i + 1) * width + j) {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

fn range(
    a: &[u128],
    b: &[u128],
    at_a: usize,
    at_b: usize,
    budget: &mut Budget<'_>,
    rounds: usize,
    out: &mut Pairs,
) -> Result<(), Spent> {
    budget.tick(1 + a.len() / 16 + b.len() / 16)?;
    let prefix = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    out.extend((0..prefix).map(|i| (at_a + i, at_b + i)));
    let (a, b) = (a.get(prefix..).unwrap_or(&[]), b.get(prefix..).unwrap_or(&[]));
    let (at_a, at_b) = (at_a + prefix, at_b + prefix);
    let suffix = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let (n, m) = (a.len() - suffix, b.len() - suffix);
    out.extend((0..suffix).map(|i| (at_a + n + i, at_b + m + i)));
    let (a, b) = (a.get(..n).unwrap_or(&[]), b.get(..m).unwrap_or(&[]));
    if a.is_empty() || b.is_empty() {
        return Ok(());
    }
    let anchors = if rounds == 0 { Vec::new() } else { anchors(a, b) };
    if anchors.is_empty() {
        match myers(a, b, budget)? {
            Some(pairs) => out.extend(pairs.into_iter().map(|(x, y)| (at_a + x, at_b + y))),
            None => {
                let same = a.iter().zip(b).enumerate().filter(|(_, (x, y))| x == y);
                out.extend(same.map(|(i, _)| (at_a + i, at_b + i)));
            }
        }
        return Ok(());
    }
    let (mut from_a, mut from_b) = (0, 0);
    for (x, y) in anchors.into_iter().chain([(n, m)]) {
        if let (Some(sub_a), Some(sub_b)) = (a.get(from_a..x), b.get(from_b..y)) {
            range(sub_a, sub_b, at_a + from_a, at_b + from_b, budget, rounds - 1, out)?;
        }
        if x < n {
            out.push((at_a + x, at_b + y));
        }
        (from_a, from_b) = (x + 1, y + 1);
    }
    Ok(())
}

/// The longest increasing run of hashes that occur exactly once on both sides.
fn anchors(a: &[u128], b: &[u128]) -> Pairs {
    let mut seen: HashMap<u128, (u32, usize, u32, usize)> = HashMap::new();
    for (i, hash) in a.iter().enumerate() {
        let entry = seen.entry(*hash).or_default();
        (entry.0, entry.1) = (entry.0 + 1, i);
    }
    for (j, hash) in b.iter().enumerate() {
        if let Some(entry) = seen.get_mut(hash) {
            (entry.2, entry.3) = (entry.2 + 1, j);
        }
    }
    let mut unique: Pairs = seen.values().filter(|e| e.0 == 1 && e.2 == 1).map(|e| (e.1, e.3)).collect();
    unique.sort_unstable();
    increasing(&unique)
}

/// The longest subsequence whose second parts increase (patience sorting).
fn increasing(pairs: &[(usize, usize)]) -> Pairs {
    let mut tops: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    let second = |k: &usize| pairs.get(*k).map_or(0, |p| p.1);
    for (k, pair) in pairs.iter().enumerate() {
        let pile = tops.partition_point(|top| second(top) < pair.1);
        before.push(pile.checked_sub(1).and_then(|p| tops.get(p).copied()));
        match tops.get_mut(pile) {
            Some(top) => *top = k,
            None => tops.push(k),
        }
    }
    let mut next = tops.last().copied();
    let mut run = Vec::with_capacity(tops.len());
    while let Some(k) = next {
        run.extend(pairs.get(k));
        next = before.get(k).copied().flatten();
    }
    run.reverse();
    run
}

/// E. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986), the greedy form; `None` beyond the budget's
/// alignment.
fn myers(a: &[u128], b: &[u128], budget: &mut Budget<'_>) -> Result<Option<Pairs>, Spent> {
    let (n, m) = (a.len() as isize, b.len() as isize);
    let mut trace: Vec<Vec<isize>> = Vec::new();
    // `reach[k + d]`: how far along `a` diagonal k gets with d edits.
    let get = |reach: &[isize], d: isize, k: isize| {
        if k.abs() > d { -1 } else { usize::try_from(k + d).ok().and_then(|i| reach.get(i)).copied().unwrap_or(-1) }
    };
    let start = |reach: &[isize], d: isize, k: isize| {
        let (left, right) = (get(reach, d - 1, k - 1), get(reach, d - 1, k + 1));
        if d == 0 {
            0
        } else if k == -d || (k != d && left < right) {
            right
        } else {
            left + 1
        }
    };
    let same = |x: isize, y: isize| a.get(x as usize) == b.get(y as usize);
    for d in 0..=(budget.alignment as isize).min(n + m) {
        let last = trace.last().map_or(&[][..], |r| r.as_slice());
        let mut reach = vec![-1; 2 * d as usize + 1];
        let mut done = false;
        for k in (-d..=d).step_by(2) {
            let mut x = start(last, d, k);
            let from = x;
            while x >= 0 && x - k >= 0 && x < n && x - k < m && same(x, x - k) {
                x += 1;
            }
            budget.tick(1 + (x - from).unsigned_abs() / 16)?;
            if let Some(cell) = reach.get_mut((k + d) as usize) {
                *cell = x;
            }
            done |= x >= n && x - k >= m;
        }
        trace.push(reach);
        if done {
            return Ok(Some(backtrack(&trace, n, m, start)));
        }
    }
    Ok(None)
}

fn backtrack(trace: &[Vec<isize>], n: isize, m: isize, start: impl Fn(&[isize], isize, isize) -> isize) -> Pairs {
    let (mut x, mut y, mut pairs) = (n, m, Vec::new());
    for d in (0..trace.len() as isize).rev() {
        let k = x - y;
        let last = usize::try_from(d - 1).ok().and_then(|i| trace.get(i)).map_or(&[][..], |r| r.as_slice());
        let from = start(last, d, k);
        while x > from && y > from - k {
            (x, y) = (x - 1, y - 1);
            pairs.push((x as usize, y as usize));
        }
        if d > 0 {
            let (left, right) = (from - 1, from);
            // An insertion came from diagonal k + 1 at the same x, a deletion from k - 1 one x before.
            let inserted = {
                let at = |k: isize| {
                    usize::try_from(k + d - 1).ok().filter(|_| k.abs() < d).and_then(|i| last.get(i)).copied()
                };
                k == -d || (k != d && at(k - 1).unwrap_or(-1) < at(k + 1).unwrap_or(-1))
            };
            (x, y) = if inserted { (right, right - (k + 1)) } else { (left, left - (k - 1)) };
        }
    }
    pairs.reverse();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hashes(text: &str) -> Vec<u128> {
        text.bytes().map(u128::from).collect()
    }

    fn longest_of(a: &[u128], b: &[u128]) -> Pairs {
        lcs(a, b, &mut Budget::new(&|| false)).unwrap()
    }

    fn common(a: &str, b: &str) -> String {
        longest_of(&hashes(a), &hashes(b)).iter().map(|(i, _)| char::from(a.as_bytes()[*i])).collect()
    }

    #[test]
    fn what_stays() {
        for (a, b, expect) in [
            ("", "abc", ""),
            ("abc", "abc", "abc"),
            ("abc", "axbc", "abc"),
            ("abcabba", "abcabba", "abcabba"),
            ("aaaa", "aa", "aa"),
            ("xay", "zaw", "a"),
            ("abc", "xyz", ""),
        ] {
            assert_eq!(common(a, b), expect, "{a} {b}");
            assert_eq!(common(b, a), expect, "{b} {a}");
        }
    }

    #[test]
    fn similarity_never_crosses() {
        let pairs = similar(2, 3, |i, j| if (i, j) == (0, 2) || (i, j) == (1, 0) { 0.9 } else { 0.6 });
        assert!(pairs.is_sorted_by(|x, y| x.0 < y.0 && x.1 < y.1), "{pairs:?}");
        assert_eq!(similar(1, 1, |_, _| 0.4), vec![]);
    }

    fn longest(a: &[u128], b: &[u128]) -> usize {
        let mut row = vec![0usize; b.len() + 1];
        for x in a {
            let mut corner = 0;
            for (j, y) in b.iter().enumerate() {
                let up = row[j + 1];
                row[j + 1] = if x == y { corner + 1 } else { up.max(row[j]) };
                corner = up;
            }
        }
        row[b.len()]
    }

    proptest! {
        #[test]
        fn pairs_are_equal_and_increase(
            a in proptest::collection::vec(0u128..6, 0..30),
            b in proptest::collection::vec(0u128..6, 0..30),
        ) {
            let pairs = longest_of(&a, &b);
            prop_assert!(pairs.iter().all(|(i, j)| a[*i] == b[*j]));
            prop_assert!(pairs.is_sorted_by(|x, y| x.0 < y.0 && x.1 < y.1), "{:?}", pairs);
            let swapped: Pairs = longest_of(&b, &a).into_iter().map(|(x, y)| (y, x)).collect();
            prop_assert_eq!(&pairs, &swapped);
            let plain = myers(&a, &b, &mut Budget::new(&|| false)).unwrap().unwrap();
            prop_assert_eq!(plain.len(), longest(&a, &b));
            prop_assert!(plain.iter().all(|(i, j)| a[*i] == b[*j]));
            prop_assert!(plain.is_sorted_by(|x, y| x.0 < y.0 && x.1 < y.1), "{:?}", plain);
        }
    }
}
