//! What is kept of verdicts over time, and what trying again costs.

use super::*;
use crate::evidence::Histogram;
use std::sync::LazyLock;

/// A point of clean comparisons, taken after so many milliseconds.
fn point(millis: u64, verdict: Verdict) -> Point {
    static ONE: LazyLock<Point> = LazyLock::new(|| {
        let (policy, evidence) = (policy(ONLY), evidence(&[("GET /a", 1_000, 0)]));
        Point::of(&judge(&policy, &evidence, &after(1)), &policy, &evidence, started()).unwrap()
    });
    let at = started() + Duration::from_millis(millis);
    Point { at, verdict, compared: 1_000 + millis, ..ONE.clone() }
}

fn verdict(n: u8) -> Verdict {
    [Verdict::Inconclusive, Verdict::Pass, Verdict::Fail][usize::from(n % 3)]
}

/// Times that only ever grow, whose gaps run from milliseconds to days, with a verdict each.
fn runs() -> impl Strategy<Value = Vec<(u64, u8)>> {
    let gap = prop_oneof![0..50u64, 500..5_000u64, 60_000..600_000u64, 3_600_000..90_000_000u64];
    // Verdicts that stay for a while, and some that do not.
    let verdict = prop_oneof![20 => Just(0u8), 1 => 0..3u8];
    proptest::collection::vec((gap, verdict), 1..400)
}

fn walked(run: &[(u64, u8)]) -> (History, Vec<Point>) {
    let (mut history, mut all, mut now) = (History::default(), Vec::new(), 0);
    for (gap, v) in run {
        now += gap;
        history.push(point(now, verdict(*v)));
        all.push(history.points().last().map(|p| (**p).clone()).unwrap());
    }
    (history, all)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn bounded_in_order_and_with_both_ends(run in runs()) {
        let (history, all) = walked(&run);
        let points = history.points();
        prop_assert!(points.len() <= MAX_POINTS, "{}", points.len());
        prop_assert!(points.windows(2).all(|w| w[0].at < w[1].at));
        prop_assert_eq!(&*points[0], &all[0]);
        prop_assert_eq!(&**points.last().unwrap(), all.last().unwrap());
        // Nothing is made up.
        prop_assert!(points.iter().all(|p| all.contains(p)));
    }

    #[test]
    fn changes_of_the_verdict_are_kept_the_first_and_the_latest(run in runs()) {
        let (history, all) = walked(&run);
        let mut changes = Vec::new();
        for (i, p) in all.iter().enumerate() {
            if i == 0 || all[i - 1].verdict != p.verdict {
                changes.push(p.at);
            }
        }
        prop_assert_eq!(history.changes(), changes.len() as u64);
        let kept = |at: &Timestamp| history.points().iter().any(|p| p.at == *at && p.change.is_some());
        prop_assert!(changes.iter().take(8).all(kept));
        prop_assert!(changes.iter().rev().take(24).all(kept));
    }

    #[test]
    fn every_stretch_of_time_in_which_something_was_said_has_its_first_point(run in runs()) {
        let (history, all) = walked(&run);
        let last = all.last().unwrap().at;
        let spacing = history.spacing(last);
        prop_assert!(last.since(all[0].at) < spacing * 32);
        let stretch = |at: Timestamp| at.since(all[0].at).as_micros() / spacing.as_micros();
        let mut seen = None;
        for p in &all {
            if seen != Some(stretch(p.at)) {
                prop_assert!(history.points().iter().any(|k| k.at == p.at), "{} s", stretch(p.at));
            }
            seen = Some(stretch(p.at));
        }
        // And what comes next is due exactly when it opens another one.
        prop_assert!(!history.is_due(last));
        prop_assert!(history.is_due(last + spacing));
    }

    #[test]
    fn what_was_kept_goes_on_as_if_nothing_had_happened(run in runs(), cut in 0..400usize) {
        let (mut one, _) = walked(&run[..cut.min(run.len())]);
        let mut other = History::restore(one.points().iter().map(|p| (**p).clone()));
        prop_assert_eq!(&one, &other);
        let mut now = run[..cut.min(run.len())].iter().map(|(gap, _)| gap).sum::<u64>();
        for (gap, v) in run.get(cut..).unwrap_or_default() {
            now += gap;
            one.push(point(now, verdict(*v)));
            other.push(point(now, verdict(*v)));
        }
        prop_assert_eq!(one, other);
    }
}

#[test]
fn a_clock_that_is_set_back_does_not_turn_time_around() {
    let mut history = History::default();
    for (millis, v) in [(5_000, 0), (1_000, 1), (2_000, 1), (9_000, 1)] {
        history.push(point(millis, verdict(v)));
    }
    let said: Vec<_> = history.points().iter().map(|p| (p.at.since(started()).as_micros(), p.verdict)).collect();
    assert_eq!(said, [(5_000_000, Verdict::Inconclusive), (5_000_001, Verdict::Pass), (9_000_000, Verdict::Pass)]);
}

#[test]
fn a_point_says_what_the_judgement_said() {
    let mut policy = policy(&Criterion::ALL);
    policy.default.latency.quantiles = Quantiles::Gate;
    let mut evidence = evidence(&[("GET /a", 20_000, 400), ("GET /b", 9_000, 0)]);
    for route in evidence.routes.values_mut().map(Arc::make_mut) {
        let same = Histogram::of([(1_000, 300)]);
        (route.latency.primary, route.latency.candidate) = (same.clone(), same.clone());
        (route.pace.primary, route.pace.candidate) = (same.clone(), same);
    }
    let judgement = judge(&policy, &evidence, &after(100));
    assert_eq!(judgement.verdict, Verdict::Fail);
    let point = Point::of(&judgement, &policy, &evidence, started()).unwrap();
    assert_eq!((point.compared, point.divergent), (29_000, 400));
    assert!(point.why.starts_with("divergence GET /a: 400 of 20,000 comparisons diverged"), "{}", point.why);
    for result in &judgement.criteria {
        let numbers = (result.observed, result.lower, result.upper, result.limit, result.samples);
        let same = point.rows.iter().any(|row| {
            let found = (row.observed, row.lower, row.upper, row.limit, row.samples);
            row.criterion == result.criterion && row.route == result.route && found == numbers
        });
        let told =
            result.limit.is_some() && (result.observed.is_some() || result.lower.is_some() || result.upper.is_some());
        assert_eq!(same, told, "{result:#?}");
    }
    let measures: Vec<_> = point.rows.iter().filter_map(|row| row.measure.as_deref()).collect();
    assert_eq!(measures, ["p95", "p99", "p95", "p99"]);
    let p95 = point.rows.iter().find(|row| row.measure.as_deref() == Some("p95")).unwrap();
    assert_eq!((p95.limit, p95.criterion), (Some(policy.default.latency.p95_ratio), Criterion::Latency));
}

#[test]
fn without_comparisons_there_is_no_point_and_of_too_many_routes_the_important_ones() {
    let policy_of = policy(ONLY);
    let nothing = evidence(&[("GET /a", 0, 0)]);
    assert!(Point::of(&judge(&policy_of, &nothing, &after(1)), &policy_of, &nothing, started()).is_none());
    let names: Vec<String> = (0..700).map(|i| format!("GET /{i:03}")).collect();
    let mut routes: Vec<(&str, u64, u64)> =
        names.iter().enumerate().map(|(i, name)| (name.as_str(), 10_000 - i as u64, 0)).collect();
    // The smallest but one fails, the smallest is critical.
    routes[698].2 = 5_000;
    let many = evidence(&routes);
    let mut policy = policy(ONLY);
    policy.default.coverage = 1.0;
    configured(&mut policy, "/699", true);
    let point = Point::of(&judge(&policy, &many, &after(9)), &policy, &many, started()).unwrap();
    let of_routes: Vec<_> = point.rows.iter().filter_map(|row| row.route.as_deref()).collect();
    assert_eq!(of_routes.len(), MAX_ROUTE_ROWS);
    for name in ["GET /000", "GET /497", "GET /698", "GET /699"] {
        assert!(of_routes.contains(&name), "{name}");
    }
    assert!(!of_routes.contains(&"GET /498"));
}

#[test]
fn an_epoch_that_is_over_keeps_the_whole_and_lets_go_of_routes() {
    let mut history = History::default();
    let (policy, evidence) = (policy(&Criterion::ALL), evidence(&[("GET /a", 6_000, 0)]));
    for second in 0..3 {
        let judgement = judge(&policy, &evidence, &after(second));
        history.push(Point::of(&judgement, &policy, &evidence, started() + Duration::from_secs(second)).unwrap());
    }
    let before = history.clone();
    history.retire();
    assert_eq!(history.points().len(), 3);
    for (now, then) in history.points().iter().zip(before.points()) {
        assert!(now.rows.iter().all(|row| row.route.is_none()) && now.rows.len() < then.rows.len());
        assert!(now.rows.iter().any(|row| row.criterion == Criterion::Errors));
        assert_eq!((now.at, now.change, &now.why), (then.at, then.change, &then.why));
    }
}

#[test]
fn each_try_by_hand_has_a_smaller_share_of_alpha() {
    let policy = policy(ONLY);
    let needed = |resets| {
        let mut evidence = evidence(&[("GET /a", 1_000, 0)]);
        evidence.epoch.resets = resets;
        let judgement = judge(&policy, &evidence, &after(100));
        let said = judgement.notices.iter().find(|n| n.code == "resets").map(|n| n.message.clone());
        (of(&judgement, Criterion::Divergence, Some("GET /a")).samples_needed.unwrap(), said)
    };
    assert_eq!(needed(0), (5_613, None));
    let (first, said) = needed(1);
    assert_eq!(
        said.unwrap(),
        "the evidence of this build was given up by hand once; each new try is one more chance to pass, so this one decides \
         with alpha_pass 0.00608 and alpha_fail 0.00608 instead of 0.01 and 0.01, and takes more comparisons"
    );
    let (second, _) = needed(2);
    assert!((6_000..6_200).contains(&first) && (7_300..7_700).contains(&second), "{first} {second}");
    // However many tries there are, those by hand have no more chances together than the first had.
    let spent: f64 = (1..100_000).map(|j| policy.after_resets(j).default.alpha_pass).sum();
    assert!((0.00999..=0.01).contains(&spent), "{spent}");
    // The bounds that are shown are those of the verdict.
    let mut evidence = evidence(&[("GET /a", 9_000, 30)]);
    evidence.epoch.resets = 3;
    let judgement = judge(&policy, &evidence, &after(100));
    let row = of(&judgement, Criterion::Divergence, Some("GET /a"));
    assert_eq!(route_bounds(&policy, &evidence, &[])["GET /a"], (row.lower.unwrap(), row.upper.unwrap()));
}
