//! The gate on evidence made by hand.

use super::*;
use crate::evidence::{Cells, EpochInfo, EpochReason, Evidence, RouteEvidence};
use crate::model::Timestamp;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

mod asked;
mod beside;
mod counterexamples;
mod history;
mod laws;
mod names;
mod naming;
mod noise;
mod pace;

pub(super) fn started() -> Timestamp {
    Timestamp::from_micros(1_767_225_600_000_000)
}

/// Facts after so many seconds.
fn after(seconds: u64) -> Facts<'static> {
    Facts::at(started() + Duration::from_secs(seconds))
}

/// A policy that decides by the criteria named and asks for no duration.
pub(super) fn policy(criteria: &[Criterion]) -> Policy {
    let default = GateSettings { criteria: criteria.to_vec(), min_duration: Duration::ZERO, ..GateSettings::default() };
    Policy { default, routes: Default::default() }
}

pub(super) fn configured(policy: &mut Policy, name: &str, critical: bool) {
    policy.routes.insert(RoutePolicy {
        name: name.into(),
        methods: Vec::new(),
        critical,
        named_by_body: false,
        settings: policy.default.clone(),
    });
}

/// Routes of so many comparisons, so many of them divergent.
pub(super) fn evidence(routes: &[(&str, u64, u64)]) -> Evidence {
    let mut evidence = Evidence {
        epoch: EpochInfo {
            id: "1".into(),
            candidate_build: Some("b1".into()),
            rules: String::new(),
            started_at: started(),
            reason: EpochReason::Start,
            ..Default::default()
        },
        routes: BTreeMap::new(),
        rule_hits: BTreeMap::new(),
        kinds: Default::default(),
        numbered: 0,
        globs: Default::default(),
        former: Default::default(),
    };
    for &(name, compared, divergent) in routes {
        let route = evidence
            .routes
            .entry(Arc::from(name))
            .or_insert_with(|| Arc::new(RouteEvidence::new(started(), String::new(), Default::default())));
        let route = Arc::make_mut(route);
        let counts = &mut route.counts;
        (counts.requests, counts.mirrored, counts.compared) = (compared, compared, compared);
        (counts.divergent, counts.matched) = (divergent, compared - divergent);
        route.errors.n00 = compared;
    }
    evidence
}

pub(super) fn route_mut<'a>(evidence: &'a mut Evidence, name: &str) -> &'a mut RouteEvidence {
    evidence.route_mut(name).unwrap()
}

fn of<'a>(judgement: &'a Judgement, criterion: Criterion, route: Option<&str>) -> &'a CriterionResult {
    let mut all = judgement.criteria.iter().filter(|c| c.criterion == criterion && c.route.as_deref() == route);
    all.next().unwrap_or_else(|| panic!("no {criterion:?} for {route:?} in {:#?}", judgement.criteria))
}

/// One route's divergence, judged after 100 s: verdict and reason.
fn say(policy: &Policy, evidence: &Evidence, route: &str) -> (Verdict, String) {
    let judgement = judge(policy, evidence, &after(100));
    let result = of(&judgement, Criterion::Divergence, Some(route));
    (result.verdict, result.reason.clone())
}

const ONLY: &[Criterion] = &[Criterion::Divergence];

#[test]
fn no_evidence_is_inconclusive_whatever_is_asked() {
    for criteria in [&[][..], ONLY, &[Criterion::Minimum], &Criterion::ALL] {
        let judgement = judge(&policy(criteria), &evidence(&[]), &after(0));
        assert_eq!(judgement.verdict, Verdict::Inconclusive);
        for criterion in Criterion::ALL {
            let mut rows = judgement.criteria.iter().filter(|c| c.criterion == criterion);
            assert!(rows.any(|c| c.required == criteria.contains(&criterion)), "{criterion:?} of {criteria:?}");
        }
        assert_eq!(of(&judgement, Criterion::Divergence, None).reason, "no request has arrived yet");
    }
    let mut nothing = policy(&[Criterion::Minimum]);
    (nothing.default.min_duration, nothing.default.min_comparisons) = (Duration::ZERO, 0);
    assert_eq!(judge(&nothing, &evidence(&[]), &after(0)).verdict, Verdict::Inconclusive);
    let mut posts = evidence(&[("POST /orders", 0, 0)]);
    let counts = &mut route_mut(&mut posts, "POST /orders").counts;
    (counts.requests, counts.not_mirrored.method) = (12, 12);
    let judgement = judge(&policy(&[Criterion::Minimum]), &posts, &after(9));
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
    let said = &of(&judgement, Criterion::Divergence, None).reason;
    assert_eq!(said, "12 requests have arrived and none was mirrored");
    let notice = judgement.notices.iter().find(|n| n.code == "nothing_mirrored").unwrap();
    assert!(notice.message.ends_with("none mirrored: 12 use methods that `mirror.methods` does not name"));
}

#[test]
fn clean_evidence_passes_at_its_minimum_and_not_before() {
    let policy = policy(ONLY);
    let say = |n| say(&policy, &evidence(&[("GET /a", n, 0)]), "GET /a");
    assert_eq!(say(5_612), (Verdict::Inconclusive, "5,612 of 5,613 comparisons, none diverged".into()));
    let reason = "none of 5,613 comparisons diverged: upper bound 0.09999 % is below the limit 0.1 %";
    assert_eq!(say(5_613), (Verdict::Pass, reason.into()));
}

#[test]
fn a_forecast_comes_with_what_is_missing() {
    let judgement = judge(&policy(ONLY), &evidence(&[("GET /a", 4_810, 0)]), &after(481));
    let result = of(&judgement, Criterion::Divergence, Some("GET /a"));
    assert_eq!((result.samples, result.samples_needed, result.eta_seconds), (4_810, Some(5_613), Some(81)));
    assert_eq!(judgement.eta_seconds, Some(81));
    let mut facts = after(481);
    facts.rates.insert("GET /a".into(), 803.0);
    assert_eq!(judge(&policy(ONLY), &evidence(&[("GET /a", 4_810, 0)]), &facts).eta_seconds, Some(1));
}

#[test]
fn too_many_divergences_fail_but_not_before_the_minimum() {
    let policy = policy(ONLY);
    let say = |n, d| say(&policy, &evidence(&[("GET /a", n, d)]), "GET /a");
    let (verdict, reason) = say(412_118, 1_247);
    assert_eq!(verdict, Verdict::Fail);
    assert!(reason.starts_with("1,247 of 412,118 comparisons diverged: lower bound 0.269 %"), "{reason}");
    assert!(reason.ends_with(" is above the limit 0.1 %"), "{reason}");
    let early = "40 of 199 comparisons diverged, beyond the limit 0.1 %; it may fail from 200 comparisons on";
    assert_eq!(say(199, 40), (Verdict::Inconclusive, early.into()));
    assert_eq!(say(200, 40).0, Verdict::Fail);
    let hopeless = say(1_000, 3);
    assert_eq!(hopeless.0, Verdict::Inconclusive);
    assert!(hopeless.1.starts_with("futile: at the present rate it is never reached; 3 of 1,000"), "{}", hopeless.1);
}

#[test]
fn critical_routes_have_their_own_limit_and_block_when_unseen() {
    let mut policy = policy(ONLY);
    configured(&mut policy, "invoices", true);
    let reason = "4,810 of 56,154 comparisons, none diverged".to_owned();
    let seen = evidence(&[("GET invoices", 4_810, 0), ("GET /a", 9_000, 0)]);
    assert_eq!(say(&policy, &seen, "GET invoices"), (Verdict::Inconclusive, reason));
    let unseen = evidence(&[("GET /a", 9_000, 0)]);
    let (verdict, reason) = say(&policy, &unseen, "invoices");
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(reason.starts_with("0 of 56,154 comparisons"), "{reason}");
    assert_eq!(judge(&policy, &unseen, &after(100)).verdict, Verdict::Inconclusive);
}

/// The control's answers to GET /a; what the candidate differed in is divergent.
pub(super) fn with_pairs(evidence: &mut Evidence, paired: Cells) {
    let route = route_mut(evidence, "GET /a");
    (route.paired, route.control.compared) = (paired, paired.total());
    route.control.divergent = paired.n10 + paired.n11;
}

#[test]
fn with_a_control_the_excess_counts() {
    let policy = policy(ONLY);
    let with = |n00, n10, n01, n11| {
        let mut evidence = evidence(&[("GET /a", n00 + n10 + n01 + n11, n10 + n11)]);
        with_pairs(&mut evidence, Cells { n00, n10, n01, n11 });
        say(&policy, &evidence, "GET /a")
    };
    // Noise of one in a thousand on both sides: far beyond the limit without the control, none in excess of it.
    let (verdict, reason) = with(398_000, 400, 400, 1_200);
    assert_eq!(verdict, Verdict::Pass, "{reason}");
    assert!(reason.starts_with("400 of 400,000 comparisons diverged where the control did not, 400 the other"));
    assert_eq!(with(9_900, 100, 0, 0).0, Verdict::Fail);
    let (verdict, reason) = with(3_600, 44, 44, 312);
    assert_eq!(verdict, Verdict::Inconclusive);
    let noisy = "too noisy to judge: the control differed in 356 of 4,000 comparisons, noise_cap is 2 %";
    assert!(reason.ends_with(noisy), "{reason}");
    // Noise hides even what looks like a failure.
    assert_eq!(with(3_000, 600, 100, 300).0, Verdict::Inconclusive);
}

/// A route with a control: clean pairs, then comparisons without a control answer, so many of them divergent.
fn left_alone(pairs: u64, rest: u64, divergent: u64) -> Evidence {
    let mut evidence = evidence(&[("GET /a", pairs + rest, divergent)]);
    let route = route_mut(&mut evidence, "GET /a");
    route.paired.n00 = pairs;
    route.control.compared = pairs;
    evidence
}

#[test]
fn a_control_that_fell_silent_vouches_for_nothing() {
    let policy = policy(ONLY);
    let with = |pairs, rest, divergent| say(&policy, &left_alone(pairs, rest, divergent), "GET /a");
    assert_eq!(with(6_000, 0, 0).0, Verdict::Pass);
    assert_eq!(with(6_000, 4_000, 0).0, Verdict::Pass);
    let (verdict, reason) = with(6_000, 4_000, 3_000);
    assert_eq!(verdict, Verdict::Fail, "{reason}");
    assert!(reason.starts_with("3,000 of 4,000 comparisons diverged: lower bound"), "{reason}");
    // Too little to fail, yet no pass: the pairs alone are not the whole.
    let (verdict, reason) = with(6_000, 100, 2);
    assert_eq!(verdict, Verdict::Inconclusive);
    let gap = "the control answered only 6,000 of 6,100 comparisons; of the other 100, 2 diverged, which nothing";
    assert!(reason.contains(gap), "{reason}");
    let (verdict, reason) = with(6_000, 100, 60);
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(reason.ends_with("it may fail from 200 comparisons on"), "{reason}");
    // A few pairs know nothing of the noise, so the rest can't fail by them either.
    assert_eq!(with(10, 30, 20).0, Verdict::Inconclusive);
}

#[test]
fn noise_excused_when_the_control_is_gone_holds_up() {
    let policy = policy(ONLY);
    let with = |noisy_pairs, noisy_rest| {
        let mut evidence = left_alone(6_000, 4_000, 0);
        let route = route_mut(&mut evidence, "GET /a");
        (route.control.differed, route.control.unpaired_noise) = (noisy_pairs, noisy_rest);
        say(&policy, &evidence, "GET /a")
    };
    assert_eq!(with(3_000, 2_010).0, Verdict::Pass);
    let (verdict, reason) = with(60, 3_900);
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(reason.contains("of the other 4,000, 0 diverged and 3,900 were excused as noise"), "{reason}");
}

#[test]
fn a_control_asked_now_and_then_does_not_make_noise_a_failure() {
    // One in ten has a control answer; both are noisy in the same two per mille.
    let mut evidence = evidence(&[("GET /a", 100_000, 200)]);
    let route = route_mut(&mut evidence, "GET /a");
    (route.paired.n00, route.paired.n10, route.paired.n01) = (9_960, 20, 20);
    (route.control.compared, route.control.divergent) = (10_000, 20);
    assert_eq!(say(&policy(ONLY), &evidence, "GET /a").0, Verdict::Inconclusive);
}

#[test]
fn a_pass_waits_for_the_noise_to_be_known() {
    let mut policy = policy(ONLY);
    policy.default.tolerance = 0.05;
    let mut evidence = evidence(&[("GET /a", 150, 0)]);
    route_mut(&mut evidence, "GET /a").paired.n00 = 150;
    let (verdict, reason) = say(&policy, &evidence, "GET /a");
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(reason.starts_with("150 of 278 comparisons with the control, 0 of them noise"), "{reason}");
}

#[test]
fn rare_routes_are_pooled_and_only_decide_against() {
    let policy = policy(ONLY);
    let judged = judge(&policy, &evidence(&[("GET /a", 9_990, 0), ("GET /b", 4, 0), ("GET /c", 6, 0)]), &after(10));
    assert_eq!(judged.verdict, Verdict::Pass);
    let tail = of(&judged, Criterion::Divergence, Some(TAIL));
    assert_eq!((tail.required, tail.verdict, tail.samples), (false, Verdict::Inconclusive, 10));
    assert!(tail.reason.starts_with("2 rare routes, pooled: 10 of 1,121 comparisons"), "{}", tail.reason);

    // Each of sixty rare routes diverges once: none shows it alone, together they do.
    let names: Vec<String> = (0..60).map(|i| format!("GET /rare{i}")).collect();
    let mut routes: Vec<(&str, u64, u64)> = names.iter().map(|n| (n.as_str(), 10, 1)).collect();
    routes.push(("GET /a", 100_000, 0));
    let judged = judge(&policy, &evidence(&routes), &after(10));
    assert_eq!(of(&judged, Criterion::Divergence, Some(TAIL)).verdict, Verdict::Fail);
    assert_eq!(judged.verdict, Verdict::Fail);

    // One rare route that always diverges is named, and holds up the verdict although it is too small to fail.
    let judged = judge(&policy, &evidence(&[("GET /a", 10_000, 0), ("GET /b", 9, 9)]), &after(10));
    assert_eq!(of(&judged, Criterion::Divergence, Some("GET /b")).verdict, Verdict::Inconclusive);
    assert_eq!(judged.verdict, Verdict::Inconclusive);
}

#[test]
fn what_was_not_judged_holds_up_and_never_fails() {
    let policy = policy(&[Criterion::Divergence, Criterion::Unjudged]);
    let mut lossy = evidence(&[("GET /a", 10_000, 0), ("GET /b", 10_000, 0)]);
    let counts = &mut route_mut(&mut lossy, "GET /a").counts;
    counts.not_mirrored.breaker_open = 60;
    counts.not_mirrored.sampled_out = 5_000;
    counts.requests += 5_120;
    counts.incomparable = 60;
    counts.mirrored += 60;
    let judged = judge(&policy, &lossy, &after(10));
    assert_eq!(of(&judged, Criterion::Unjudged, None).verdict, Verdict::Pass);
    let own = of(&judged, Criterion::Unjudged, Some("GET /a"));
    assert_eq!(own.verdict, Verdict::Inconclusive);
    assert!(
        own.reason.starts_with("120 of 10,120 exchanges were not judged, 1.186 %: more than 1 %"),
        "{}",
        own.reason
    );
    let counts = &mut route_mut(&mut lossy, "GET /a").counts;
    (counts.incomparable, counts.incomparable_reasons.conditional) = (160, 150);
    counts.incomparable_reasons.client_aborted = 10;
    let own = judge(&policy, &lossy, &after(10));
    let reason = &of(&own, Criterion::Unjudged, Some("GET /a")).reason;
    assert!(reason.contains("most of them, 150, were answered from the client's own cache"), "{reason}");
    assert!(reason.contains("sample = 0"), "{reason}");
    route_mut(&mut lossy, "GET /b").counts.not_mirrored.shed = 10_000;
    let judged = judge(&policy, &lossy, &after(10));
    assert_eq!(of(&judged, Criterion::Unjudged, None).verdict, Verdict::Inconclusive);
    assert_eq!(judged.verdict, Verdict::Inconclusive);
}

#[test]
fn duration_is_a_criterion_and_its_absence_is_told() {
    let mut policy = policy(&[Criterion::Divergence, Criterion::Minimum]);
    let clean = evidence(&[("GET /a", 10_000, 0)]);
    let judged = judge(&policy, &clean, &after(1));
    assert_eq!(judged.verdict, Verdict::Pass);
    assert!(judged.notices.iter().any(|n| n.code == "short_evidence"));
    policy.default.min_duration = Duration::from_secs(1_800);
    let judged = judge(&policy, &clean, &after(1_560));
    assert_eq!((judged.verdict, judged.eta_seconds), (Verdict::Inconclusive, Some(240)));
    let reason = &of(&judged, Criterion::Minimum, None).reason;
    assert_eq!(reason, "evidence spans 26 min, min_duration is 30 min");
    assert!(judged.notices.is_empty());
    assert_eq!(judge(&policy, &clean, &after(1_800)).verdict, Verdict::Pass);
}

#[test]
fn evidence_does_not_span_the_time_in_which_no_proxy_ran() {
    let policy = policy(&[Criterion::Minimum]);
    let mut evidence = evidence(&[("GET /a", 10, 0)]);
    let minutes = |n: u64| Timestamp::from_micros(started().as_micros() + n * 60_000_000);
    let span =
        |evidence: &Evidence| of(&judge(&policy, evidence, &after(3600)), Criterion::Minimum, None).observed.unwrap();
    assert_eq!(span(&evidence), 3600.0);
    evidence.epoch.away.add(minutes(10), minutes(35));
    assert_eq!(span(&evidence), 2100.0);
}

#[test]
fn what_cannot_be_reached_in_time_is_futile() {
    let mut policy = policy(ONLY);
    policy.default.max_duration = Duration::from_secs(1_000);
    let slow = evidence(&[("GET /a", 100, 0)]);
    let judged = judge(&policy, &slow, &after(500));
    let reason = &of(&judged, Criterion::Divergence, Some("GET /a")).reason;
    assert!(
        reason.starts_with("futile: it takes about 7 h 39 min more at this rate, max_duration is 16 min"),
        "{reason}"
    );
    assert!(judged.notices.iter().any(|n| n.code == "futile") && judged.eta_seconds.is_none());
    let judged = judge(&policy, &evidence(&[("GET /a", 5_000, 0)]), &after(2_000));
    assert!(of(&judged, Criterion::Divergence, Some("GET /a")).reason.starts_with("futile: max_duration"));
    assert_eq!(judge(&policy, &evidence(&[("GET /a", 9_000, 0)]), &after(2_000)).verdict, Verdict::Pass);
}

#[test]
fn another_build_decides_nothing_not_even_a_failure() {
    let bad = evidence(&[("GET /a", 1_000, 900)]);
    let facts = Facts { expected_build: Some("b2"), ..after(10) };
    let judged = judge(&policy(ONLY), &bad, &facts);
    assert_eq!(judged.verdict, Verdict::Inconclusive);
    assert_eq!(judged.criteria[0].reason, "other build: the newest epoch is of build b1, not of b2");
    let facts = Facts { expected_build: Some("b1"), ..after(10) };
    assert_eq!(judge(&policy(ONLY), &bad, &facts).verdict, Verdict::Fail);
}

#[test]
fn evidence_that_may_be_lost_does_not_pass() {
    let facts = Facts { not_durable: Some("the disk is full".into()), mirroring: false, ..after(10) };
    let judged = judge(&policy(ONLY), &evidence(&[("GET /a", 10_000, 0)]), &facts);
    assert_eq!(judged.verdict, Verdict::Inconclusive);
    assert!(!of(&judged, Criterion::Minimum, None).required, "the other one is shown only");
    assert!(judged.criteria.iter().any(|c| c.required && c.reason.ends_with("not durable: the disk is full")));
    assert!(judged.notices.iter().any(|n| n.code == "mirroring_off"));
    let judged = judge(&policy(ONLY), &evidence(&[("GET /a", 1_000, 900)]), &facts);
    assert_eq!(judged.verdict, Verdict::Fail);
}

#[test]
fn new_errors_fail_and_old_ones_do_not() {
    let policy = policy(&[Criterion::Errors]);
    let with = |n10, n01| {
        let mut evidence = evidence(&[("GET /a", 10_000, 0), ("GET /b", 90_000, 0)]);
        let errors = &mut route_mut(&mut evidence, "GET /a").errors;
        (errors.n00, errors.n10, errors.n01) = (10_000 - n10 - n01, n10, n01);
        judge(&policy, &evidence, &after(10))
    };
    assert_eq!(with(0, 0).verdict, Verdict::Pass);
    assert_eq!(with(0, 500).verdict, Verdict::Pass);
    // Drowned in the sum, but not on its own route.
    let one = with(60, 0);
    assert_eq!(of(&one, Criterion::Errors, Some("GET /a")).verdict, Verdict::Fail);
    assert_eq!(one.verdict, Verdict::Fail);
    // As many new errors as old ones went away: no excess, yet not a pass.
    let swapped = with(500, 500);
    let all = of(&swapped, Criterion::Errors, None);
    assert_eq!(all.verdict, Verdict::Inconclusive, "{}", all.reason);
}

#[test]
fn coverage_counts_what_was_never_mirrored() {
    let policy = policy(&[Criterion::Coverage]);
    let mut mixed = evidence(&[("GET /a", 9_000, 0), ("POST /b", 0, 0)]);
    route_mut(&mut mixed, "POST /b").counts.requests = 1_000;
    let judged = judge(&policy, &mixed, &after(10));
    let result = of(&judged, Criterion::Coverage, None);
    assert_eq!((result.verdict, result.observed), (Verdict::Inconclusive, Some(0.9)));
    assert!(result.reason.ends_with("waits for POST /b, of which nothing was compared"), "{}", result.reason);
    route_mut(&mut mixed, "POST /b").counts.requests = 50;
    assert_eq!(judge(&policy, &mixed, &after(10)).verdict, Verdict::Pass);
}

#[test]
fn what_was_not_mirrored_is_taken_for_operations_like_those_that_were() {
    let mut policy = policy(&[Criterion::Coverage]);
    configured(&mut policy, "rpc", false);
    // A tenth was mirrored; of the others nobody has read which operation they name.
    let with = |divergent: u64, odd: u64| {
        let mut evidence =
            evidence(&[("POST rpc add", 9_000, 0), ("POST rpc sub", 9_000, divergent), ("POST rpc", odd, 0)]);
        let counts = &mut route_mut(&mut evidence, "POST rpc").counts;
        counts.requests += 182_000;
        counts.not_mirrored.sampled_out = 182_000;
        evidence
    };
    let share = |policy: &Policy, evidence: &Evidence| {
        let judged = judge(policy, evidence, &after(10));
        let result = of(&judged, Criterion::Coverage, None);
        (result.verdict, (result.observed.unwrap() * 100.0).round())
    };
    assert_eq!(share(&policy, &with(0, 0)), (Verdict::Inconclusive, 9.0), "named otherwise, they are of this route");
    policy.routes.get_mut("rpc").unwrap().named_by_body = true;
    assert_eq!(share(&policy, &with(0, 0)), (Verdict::Pass, 100.0));
    assert_eq!(share(&policy, &with(0, 3)), (Verdict::Pass, 100.0), "a few that name none do not hold it up");
    assert_eq!(share(&policy, &with(900, 0)), (Verdict::Inconclusive, 50.0));
    let mut none = with(0, 0);
    none.routes.retain(|name, _| &**name == "POST rpc");
    assert_eq!(share(&policy, &none), (Verdict::Inconclusive, 0.0));
}

#[test]
fn shares_of_alpha_add_up_to_less_than_one() {
    let mut policy = policy(&Criterion::ALL);
    configured(&mut policy, "a", true);
    configured(&mut policy, "b", false);
    let names: Vec<String> = (0..300).map(|i| format!("GET /auto{i}")).collect();
    let mut routes: Vec<_> = names.iter().map(|n| (n.as_str(), 1, 0)).collect();
    routes.extend([("GET a", 1, 0), ("POST a", 1, 0), ("GET b", 1, 0)]);
    let evidence = evidence(&routes);
    let weights = weights::Weights::new(&policy, &evidence);
    let sum: f64 = evidence.routes.keys().map(|n| weights.route(n)).sum::<f64>() + weights.pooled();
    // Three criteria may fail; each has its own sum.
    assert!(3.0 * sum < 1.0 && 3.0 * sum > 0.8, "{sum}");
    assert!(weights.route("GET a") > weights.route("GET /auto299"));
}

fn some_routes() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let size = prop_oneof![0u64..300, 0u64..8_000, 0u64..2_000_000];
    let route = (size, prop_oneof![Just(0.0), 0.0f64..0.002, 0.0f64..1.0]);
    proptest::collection::vec(route.prop_map(|(n, share)| (n, (n as f64 * share) as u64)), 1..6)
}

fn named(routes: &[(u64, u64)]) -> Evidence {
    let names = ["GET /a", "GET /b", "GET orders", "GET /d", "GET /e", "GET /f"];
    evidence(&routes.iter().zip(names).map(|(&(n, d), name)| (name, n, d)).collect::<Vec<_>>())
}

#[test]
fn divergences_that_come_in_bursts_are_told() {
    let mut policy = policy(ONLY);
    let with = |policy: &Policy, every: u64, size: u64| {
        let mut evidence = evidence(&[("GET /a", 20_000, 20_000 / every * size), ("GET /b", 900, 2)]);
        let bursts = &mut route_mut(&mut evidence, "GET /a").bursts;
        (0..20_000).for_each(|i| bursts.add(i % every < size));
        let notices = judge(policy, &evidence, &after(100)).notices;
        notices.into_iter().find(|n| n.code == "bursts")
    };
    let told = with(&policy, 1_000, 20).unwrap();
    let message = "divergences of GET /a come in bursts: their number in a hundred exchanges varies 18.1 times as much";
    assert!(told.message.starts_with(message), "{}", told.message);
    assert!(told.hint.unwrap().starts_with("set gate.design_effect to about 19;"));
    assert_eq!(with(&policy, 50, 1), None);
    policy.default.design_effect = 19.0;
    assert_eq!(with(&policy, 1_000, 20), None, "it is accounted for");
}

#[test]
fn a_design_effect_takes_as_many_times_more() {
    let mut policy = policy(ONLY);
    policy.default.design_effect = 4.0;
    let say = |n, d| say(&policy, &evidence(&[("GET /a", n, d)]), "GET /a");
    assert_eq!(say(4 * 5_613 - 4, 0), (Verdict::Inconclusive, "22,448 of 22,451 comparisons, none diverged".into()));
    assert_eq!(say(4 * 5_613, 0).0, Verdict::Pass);
    // What fails by itself may be two clusters.
    assert_eq!(say(1_000, 8).0, Verdict::Inconclusive);
    assert_eq!(say(1_000, 32).0, Verdict::Fail);
}

#[test]
fn new_errors_are_bounded_by_themselves() {
    // 10 in 100,000 new ones and as many gone: the excess is clear, and so are the new ones beneath twice the limit.
    let policy = policy(&[Criterion::Errors]);
    let with = |n: u64, n10, n01| {
        let mut evidence = evidence(&[("GET /a", n, 0)]);
        let errors = &mut route_mut(&mut evidence, "GET /a").errors;
        (errors.n00, errors.n10, errors.n01) = (n - n10 - n01, n10, n01);
        let judged = judge(&policy, &evidence, &after(10));
        of(&judged, Criterion::Errors, None).clone()
    };
    assert_eq!(with(100_000, 10, 10).verdict, Verdict::Pass);
    // The excess alone would do; 250 new ones in 100,000 are more than twice 0.1 %.
    let offset = with(100_000, 250, 900);
    assert_eq!((offset.verdict, offset.upper < offset.limit), (Verdict::Inconclusive, true), "{}", offset.reason);
    assert_eq!(with(1_000_000, 1_700, 9_000).verdict, Verdict::Pass);
}

proptest! {
    #[test]
    fn more_divergence_never_turns_fail_into_pass(
        routes in some_routes(),
        which in any::<prop::sample::Index>(),
        more in 1u64..5_000,
    ) {
        let mut policy = policy(ONLY);
        configured(&mut policy, "orders", true);
        let before = judge(&policy, &named(&routes), &after(100)).verdict;
        let mut worse = routes.clone();
        let at = which.index(worse.len());
        worse[at] = (worse[at].0 + more, worse[at].1 + more);
        let then = judge(&policy, &named(&worse), &after(100)).verdict;
        prop_assert!(!(before == Verdict::Fail && then == Verdict::Pass));
    }

    #[test]
    fn bounds_and_verdict_agree(routes in some_routes(), paired in any::<bool>(), silent in prop_oneof![Just(0.0), 0.0f64..1.0]) {
        let mut policy = policy(ONLY);
        configured(&mut policy, "orders", true);
        let mut evidence = named(&routes);
        if paired {
            for route in evidence.routes.values_mut().map(Arc::make_mut) {
                let (n, d) = (route.counts.compared, route.counts.divergent);
                let part = |count: u64| count - (count as f64 * silent) as u64;
                (route.paired.n00, route.paired.n10) = (part(n - d), part(d));
                route.paired.n01 = (route.paired.n00 / 1_000).min(d / 3);
                route.paired.n00 -= route.paired.n01;
                route.control.divergent = route.paired.n10;
            }
        }
        let shown = route_bounds(&policy, &evidence, &[]);
        let judged = judge(&policy, &evidence, &after(100));
        prop_assert_eq!(&route_bounds(&policy, &evidence, &judged.criteria), &shown);
        for result in judged.criteria.iter().filter(|c| c.criterion == Criterion::Divergence && c.samples > 0) {
            let (Some(lower), Some(upper), Some(limit)) = (result.lower, result.upper, result.limit) else {
                return Err(TestCaseError::fail("a result without bounds"));
            };
            let route = result.route.as_deref().unwrap();
            if let Some(bounds) = shown.get(route) {
                prop_assert_eq!(*bounds, (lower, upper));
            }
            let observed = result.observed.unwrap();
            prop_assert!(lower <= observed && observed <= upper);
            let noisy = result.reason.contains("nois");
            prop_assert!(noisy || (result.verdict == Verdict::Pass) == (upper < limit && lower <= limit));
            prop_assert!(noisy || (result.verdict == Verdict::Fail) == (lower > limit && result.samples >= 200));
            prop_assert!(!noisy || result.verdict == Verdict::Inconclusive);
        }
    }
}
