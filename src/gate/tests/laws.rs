//! What holds of any evidence: merged it is judged as one, more that is good never hurts, more that is bad never helps.

use super::*;

/// One route with a control, so many pairs of each sort.
fn controlled(cells: Cells) -> Evidence {
    let mut evidence = evidence(&[("GET /a", cells.total(), cells.n10 + cells.n11)]);
    with_pairs(&mut evidence, cells);
    evidence
}

/// One route, so many pairs of answers by which of them failed.
fn failing(cells: Cells) -> Evidence {
    let mut evidence = evidence(&[("GET /a", cells.total(), 0)]);
    route_mut(&mut evidence, "GET /a").errors = cells;
    evidence
}

fn cells() -> impl Strategy<Value = Cells> {
    let few = || prop_oneof![Just(0u64), 0u64..5, 0u64..200];
    let many = prop_oneof![0u64..300, 0u64..60_000];
    (many, few(), few(), few()).prop_map(|(n00, n10, n01, n11)| Cells { n00, n10, n01, n11 })
}

fn verdict(criterion: Criterion, evidence: &Evidence) -> Verdict {
    judge(&policy(&[criterion]), evidence, &after(100)).verdict
}

fn upper(evidence: &Evidence) -> f64 {
    let judged = judge(&policy(ONLY), evidence, &after(100));
    of(&judged, Criterion::Divergence, Some("GET /a")).upper.unwrap()
}

proptest! {
    #[test]
    fn what_two_proxies_saw_is_judged_as_one(pairs in proptest::collection::vec((0u64..9_000, 0u64..9_000, 0u64..40), 1..6)) {
        let mut policy = policy(&Criterion::ALL);
        configured(&mut policy, "orders", true);
        let first: Vec<_> = pairs.iter().map(|(n, _, d)| (n + d, *d)).collect();
        let second: Vec<_> = pairs.iter().map(|(_, n, d)| (n + d / 2, d / 2)).collect();
        let both: Vec<_> = first.iter().zip(&second).map(|(a, b)| (a.0 + b.0, a.1 + b.1)).collect();
        let (mut merged, one) = (named(&first), named(&both));
        merged.merge(&named(&second), 0);
        prop_assert_eq!(judge(&policy, &merged, &after(100)).criteria, judge(&policy, &one, &after(100)).criteria);
    }

    #[test]
    fn more_that_agrees_only_tightens(before in cells(), more in 1u64..20_000) {
        let after = Cells { n00: before.n00 + more, ..before };
        let (before, then) = (controlled(before), controlled(after));
        let said = (verdict(Criterion::Divergence, &before), verdict(Criterion::Divergence, &then));
        prop_assert!(said.0 != Verdict::Pass || said.1 == Verdict::Pass, "{:?}", said);
        if before.totals().compared > 0 {
            // An excess below zero comes nearer to it.
            prop_assert!(upper(&then) <= upper(&before).max(0.0) * (1.0 + 1e-9));
        }
    }

    #[test]
    fn more_that_only_the_candidate_does_never_helps(before in cells(), more in 1u64..500) {
        let worse = Cells { n10: before.n10 + more, ..before };
        let both = |cells| {
            [verdict(Criterion::Divergence, &controlled(cells)), verdict(Criterion::Errors, &failing(cells))]
        };
        for (before, then) in both(before).into_iter().zip(both(worse)) {
            prop_assert!(before != Verdict::Fail || then != Verdict::Pass);
        }
        // Instead of as many that agreed, it is never the better verdict.
        if before.n00 >= more {
            let worse = Cells { n00: before.n00 - more, ..worse };
            for (before, then) in both(before).into_iter().zip(both(worse)) {
                prop_assert!(before == Verdict::Pass || then != Verdict::Pass);
            }
        }
    }
}
