//! What judges that compare metrics have been known to pass: each of these has to fail, or stay open.

use super::pace::{apply, failed, pair, quick, run, took};
use super::*;
use crate::model::{LegRecord, Timing};

/// All criteria decide, on a minute of 20 exchanges a second or what is left of it.
fn decide(policy: &Policy, evidence: &Evidence, seconds: u64) -> Judgement {
    let judged = judge(policy, evidence, &after(seconds));
    assert_ne!(judged.verdict, Verdict::Pass, "{:#?}", judged.criteria);
    judged
}

fn latency(judged: &Judgement) -> Verdict {
    of(judged, Criterion::Latency, Some("GET /a")).verdict
}

#[test]
fn a_hundredfold_regression_fails_and_a_tiny_sample_of_one_stays_open() {
    let policy = quick(&Criterion::ALL);
    let slower = |_, p, _: f64| took(100 * p);
    assert_eq!(latency(&decide(&policy, &run(&policy, 60, slower), 60)), Verdict::Fail);
    assert_eq!(latency(&decide(&policy, &run(&policy, 2, slower), 2)), Verdict::Inconclusive);
    // One second in ten is a hundred times slower, and nobody's median is.
    let mut gated = policy.clone();
    gated.default.latency.quantiles = Quantiles::Gate;
    let now_and_then = |second: u64, p, _: f64| took(if second.is_multiple_of(10) { 100 * p } else { p });
    let evidence = run(&gated, 2_000, now_and_then);
    let judged = decide(&gated, &evidence, 2_000);
    let rows: Vec<_> = judged.criteria.iter().filter(|c| c.criterion == Criterion::Latency).collect();
    assert_eq!(rows.iter().map(|c| c.verdict).collect::<Vec<_>>(), [Verdict::Pass, Verdict::Fail, Verdict::Fail]);
}

#[test]
fn a_regression_within_one_bucket_of_a_coarse_histogram_fails() {
    // Both are between 0.1 s and 0.5 s, where a metric with few buckets sees one number.
    let policy = quick(&Criterion::ALL);
    let mut evidence = evidence(&[]);
    (0..1_200).for_each(|i| apply(&policy, &mut evidence, &pair(i * 50, 110_000, took(490_000))));
    assert_eq!(latency(&decide(&policy, &evidence, 60)), Verdict::Fail);
    // Values that are all the same have no rank to test, and are compared all the same.
    let mut evidence = self::evidence(&[]);
    (0..1_200).for_each(|i| apply(&policy, &mut evidence, &pair(i * 50, 20_000, took(22_000))));
    assert_eq!(latency(&judge(&policy, &evidence, &after(60))), Verdict::Pass, "within ratio and slack");
}

#[test]
fn a_handful_of_comparisons_passes_nothing() {
    let policy = quick(&Criterion::ALL);
    for divergent in [0, 1, 5] {
        let judged = decide(&policy, &evidence(&[("GET /a", 5, divergent)]), 60);
        assert_eq!(judged.verdict, Verdict::Inconclusive);
        assert_eq!(of(&judged, Criterion::Divergence, Some("GET /a")).verdict, Verdict::Inconclusive);
    }
}

#[test]
fn metrics_that_are_all_zero_pass_nothing() {
    let policy = quick(&Criterion::ALL);
    // Nothing counted at all, whatever the clock says.
    for seconds in [0, 60, 1_000_000] {
        let judged = decide(&policy, &evidence(&[("GET /a", 0, 0)]), seconds);
        assert_eq!(judged.verdict, Verdict::Inconclusive);
        assert!(judged.criteria.iter().filter(|c| c.required && c.samples == 0).all(|c| c.verdict != Verdict::Pass));
    }
    // A primary whose times are all zero leaves no room but the slack.
    let mut zero = evidence(&[]);
    (0..1_200).for_each(|i| apply(&policy, &mut zero, &pair(i * 50, 0, took(5_000))));
    assert_eq!(latency(&decide(&policy, &zero, 60)), Verdict::Fail);
}

#[test]
fn metrics_that_are_missing_pass_nothing() {
    let policy = quick(&Criterion::ALL);
    let silent = |millis: u64, primary: Option<LegRecord>, candidate: Option<LegRecord>| {
        let mut settled = pair(millis, 20_000, candidate);
        settled.legs.primary = primary;
        settled
    };
    let untimed = || took(1).map(|record| LegRecord { timing: Timing::default(), ..record });
    let with = |primary: &dyn Fn() -> Option<LegRecord>, candidate: &dyn Fn() -> Option<LegRecord>| {
        let mut evidence = evidence(&[]);
        (0..1_200).for_each(|i| apply(&policy, &mut evidence, &silent(i * 50, primary(), candidate())));
        decide(&policy, &evidence, 60)
    };
    // The candidate's series is not there, then the primary's, then both: nothing is known of latency.
    for (primary, candidate) in [(took(20_000), untimed()), (untimed(), took(20_000)), (None, None)] {
        assert_eq!(latency(&with(&|| primary, &|| candidate)), Verdict::Inconclusive);
    }
    // A candidate that never answered has no times because it has no answers.
    let judged = with(&|| took(20_000), &failed);
    assert_eq!(latency(&judged), Verdict::Fail);
    assert_eq!(of(&judged, Criterion::Errors, None).verdict, Verdict::Fail);
    // Most of the traffic has no comparison.
    let mut partial = evidence(&[("GET /a", 10_000, 0), ("GET /b", 0, 0)]);
    route_mut(&mut partial, "GET /b").counts.requests = 5_000;
    assert_eq!(of(&decide(&policy, &partial, 60), Criterion::Coverage, None).verdict, Verdict::Inconclusive);
}

#[test]
fn noise_does_not_hide_what_comes_with_it() {
    // The old system is noisy in a third of all answers; the new one fails in all of those as well.
    let policy = quick(&[Criterion::Divergence]);
    let mut hidden = evidence(&[("GET /a", 30_000, 10_000)]);
    with_pairs(&mut hidden, Cells { n00: 20_000, n11: 10_000, ..Cells::default() });
    let judged = decide(&policy, &hidden, 60);
    assert!(of(&judged, Criterion::Divergence, Some("GET /a")).reason.contains("too noisy to judge"));
}
