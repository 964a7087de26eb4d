//! Noise of the old system, from findings to the verdict.

use super::*;
use crate::diff::{Finding, Tier};
use crate::evidence::testing::{compared, finding, findings};
use crate::evidence::{Keep, Settlement};

/// One exchange of three legs; the members in which candidate and control differ.
fn compare<S: AsRef<str>>(evidence: &mut Evidence, i: u64, candidate: &[S], control: &[S]) {
    let differ = |members: &[S]| -> Vec<Finding> {
        let at = |member: &S| finding("json.value", &format!("json:$.{}", member.as_ref()), Tier::Value);
        members.iter().map(at).collect()
    };
    let mut settled = compared(&format!("x{i}"), "GET /a", i, differ(candidate));
    if let Settlement::Compared(c) = &mut settled.result {
        c.control = Some(findings(differ(control)));
    }
    let latency = |_: &str| Default::default();
    evidence.apply(&settled, Keep { rules: &|_| String::new(), latency: &latency, examples: 0, now: settled.arrived });
}

#[test]
fn three_legs_of_the_same_code_do_not_fail() {
    // Sixty members, each of them stale in one of 2,000 answers, at every leg by itself.
    let stale = |seed: u64, leg: u64, i: u64, member: u64| {
        let id = [seed, leg, i, member].map(u64::to_le_bytes).concat();
        xxhash_rust::xxh3::xxh3_64(&id).is_multiple_of(2_000)
    };
    for seed in 0..3 {
        let mut evidence = evidence(&[]);
        for i in 0..6_000 {
            let differs = |leg: u64| -> Vec<String> {
                let differs = |member: &u64| stale(seed, leg, i, *member) != stale(seed, 0, i, *member);
                (0..60).filter(differs).map(|member| format!("m{member}")).collect()
            };
            compare(&mut evidence, i, &differs(1), &differs(2));
            if i % 100 == 99 {
                let (verdict, reason) = say(&policy(ONLY), &evidence, "GET /a");
                assert_ne!(verdict, Verdict::Fail, "{seed}: {reason}");
            }
        }
        let (counts, pairs) = (&evidence.totals(), evidence.routes["GET /a"].paired);
        assert!(pairs.n10 > 5 && pairs.n01 > 5 && pairs.n10.abs_diff(pairs.n01) < 15, "{seed}: {pairs:?}");
        // What is told of as divergent is what is held against it.
        assert!(counts.divergent.abs_diff(pairs.n10) <= 1, "{seed}: {} {pairs:?}", counts.divergent);
    }
}

#[test]
fn noise_shown_first_by_the_candidate_is_none_of_the_exchanges_without_a_control_answer() {
    // In ten of the pairs there was noise that nobody knew of before: they are not divergent.
    let mut evidence = evidence(&[("GET /a", 10_000, 3)]);
    with_pairs(&mut evidence, Cells { n00: 7_990, n10: 0, n01: 0, n11: 10 });
    let route = route_mut(&mut evidence, "GET /a");
    route.control.divergent = 0;
    let (verdict, reason) = say(&policy(ONLY), &evidence, "GET /a");
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(reason.contains("of the other 2,000, 3 diverged"), "{reason}");
}

#[test]
fn one_hiccup_of_the_control_buys_no_pass() {
    let mut evidence = evidence(&[]);
    for i in 0..1_000 {
        compare(&mut evidence, i, &["debug"], if i == 0 { &["debug"] } else { &[] });
    }
    assert!(evidence.totals().divergent > 980, "{}", evidence.totals().divergent);
    assert_eq!(judge(&policy(ONLY), &evidence, &after(1_000)).verdict, Verdict::Fail);
}

#[test]
fn a_pass_says_what_was_excused_where_the_candidate_has_more_of_it() {
    let passes = |more: u64| {
        let mut evidence = evidence(&[]);
        compare(&mut evidence, 0, &[], &["total"]);
        for i in 1..8_000 {
            let differs: &[&str] = if i < 1 + more { &["total"] } else { &[] };
            compare(&mut evidence, i, differs, &[]);
        }
        let (verdict, reason) = say(&policy(ONLY), &evidence, "GET /a");
        assert_eq!(verdict, Verdict::Pass, "{reason}");
        reason
    };
    assert!(!passes(0).contains("noisy"));
    let reason = passes(4);
    assert!(reason.contains("noisy: 4 where the candidate alone differed, 0 where the control did"), "{reason}");
}
