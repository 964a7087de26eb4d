//! Latency and unseen kinds, on exchanges applied one by one.

use super::*;
use crate::diff::Tier;
use crate::evidence::testing::{compared, finding};
use crate::evidence::{Keep, LatencyTerms, Settled};
use crate::model::{LegRecord, StatusClass, Timing};

/// Blocks of a second, ten of them enough, no warm-up.
pub(super) fn quick(criteria: &[Criterion]) -> Policy {
    let mut policy = policy(criteria);
    policy.default.latency.block = Duration::from_secs(1);
    policy.default.latency.min_blocks = 10;
    (policy.default.warm_up, policy.default.warm_up_pairs) = (Duration::ZERO, 0);
    policy
}

pub(super) fn took(micros: u64) -> Option<LegRecord> {
    let took = Duration::from_micros(micros);
    let timing = Timing { first_byte: Some(took), last_byte: took, ..Timing::default() };
    Some(LegRecord { class: StatusClass::Success, timing })
}

pub(super) fn failed() -> Option<LegRecord> {
    let timing = Timing { last_byte: Duration::from_secs(10), ..Timing::default() };
    Some(LegRecord { class: StatusClass::Failed, timing })
}

/// An exchange that arrived so many milliseconds after the start.
pub(super) fn pair(millis: u64, primary: u64, candidate: Option<LegRecord>) -> Settled {
    let mut settled = compared("x", "GET /a", 0, vec![]);
    settled.arrived = started() + Duration::from_millis(millis);
    (settled.legs.primary, settled.legs.candidate) = (took(primary), candidate);
    settled
}

pub(super) fn apply(policy: &Policy, evidence: &mut Evidence, settled: &Settled) {
    let terms = |route: &str| policy.latency_terms(route);
    let keep = Keep { rules: &|_| String::new(), latency: &terms, examples: 0, now: started() };
    evidence.begin(&settled.route, keep);
    evidence.apply(settled, keep);
}

/// A number in [0, 1) for an exchange: the same every time.
fn chance(i: u64, salt: u64) -> f64 {
    let bytes = [i.to_le_bytes(), salt.to_le_bytes()].concat();
    (xxhash_rust::xxh3::xxh3_64(&bytes) >> 11) as f64 / (1u64 << 53) as f64
}

/// 20 pairs a second for so long; the primary takes about 20 ms, the candidate as `candidate` makes of second and
/// primary.
pub(super) fn run(policy: &Policy, seconds: u64, candidate: impl Fn(u64, u64, f64) -> Option<LegRecord>) -> Evidence {
    let mut evidence = evidence(&[]);
    for i in 0..seconds * 20 {
        let primary = 15_000 + (chance(i, 1) * 10_000.0) as u64;
        let settled = pair(i * 50, primary, candidate(i / 20, primary, chance(i, 2)));
        apply(policy, &mut evidence, &settled);
    }
    evidence
}

fn latency(policy: &Policy, evidence: &Evidence, seconds: u64) -> (Verdict, String) {
    let judged = judge(policy, evidence, &after(seconds));
    let result = of(&judged, Criterion::Latency, Some("GET /a"));
    assert_eq!(judged.verdict, Verdict::all(judged.criteria.iter().filter(|c| c.required).map(|c| c.verdict)));
    (result.verdict, result.reason.clone())
}

const LATENCY: &[Criterion] = &[Criterion::Latency];

#[test]
fn equal_and_faster_candidates_pass_and_slower_ones_fail() {
    let policy = quick(LATENCY);
    let equal = |_, _, chance: f64| took(15_000 + (chance * 10_000.0) as u64);
    let (verdict, reason) = latency(&policy, &run(&policy, 60, equal), 60);
    assert_eq!(verdict, Verdict::Pass, "{reason}");
    assert!(reason.starts_with("the candidate took longer than 1.1x the primary plus 2 ms in "), "{reason}");
    assert!(reason.contains(" of 1,200 pairs, 60 blocks of 1 s: less than half, as it has to be"), "{reason}");
    assert_eq!(latency(&policy, &run(&policy, 60, |_, p, _| took(p / 2)), 60).0, Verdict::Pass);
    // Within ratio and slack together, beyond either alone.
    assert_eq!(latency(&policy, &run(&policy, 60, |_, p, _| took(p * 11 / 10 + 1_900)), 60).0, Verdict::Pass);
    let (verdict, reason) = latency(&policy, &run(&policy, 60, |_, p, _| took(p * 3 / 2)), 60);
    assert_eq!(verdict, Verdict::Fail, "{reason}");
    assert!(reason.contains(" in 100 % of 1,200 pairs, 60 blocks of 1 s: at most half may"), "{reason}");
    // What takes too long or breaks is the slowest there is.
    assert_eq!(latency(&policy, &run(&policy, 60, |_, _, _| failed()), 60).0, Verdict::Fail);
    // Half of them, at random: neither.
    let coin = |_, p, chance: f64| took(if chance < 0.5 { p } else { 2 * p });
    let (verdict, reason) = latency(&policy, &run(&policy, 200, coin), 200);
    assert_eq!(verdict, Verdict::Inconclusive, "{reason}");
}

#[test]
fn blocks_are_asked_for_and_foreseen() {
    let policy = quick(LATENCY);
    let judged = |seconds| {
        let evidence = run(&policy, seconds, |_, p, _| took(p));
        let judged = judge(&policy, &evidence, &after(seconds));
        let result = of(&judged, Criterion::Latency, Some("GET /a")).clone();
        (result.verdict, result.samples, result.samples_needed, result.eta_seconds, result.reason)
    };
    let (verdict, samples, needed, eta, reason) = judged(6);
    assert_eq!((verdict, samples, needed, eta), (Verdict::Inconclusive, 6, Some(10), Some(4)));
    assert!(reason.starts_with(
        "6 of 10 blocks of 1 s: the candidate took longer than 1.1x the primary plus 2 ms in 0 % of 120 pairs"
    ));
    assert_eq!(judged(10).0, Verdict::Pass, "{}", judged(10).4);
}

#[test]
fn a_block_that_is_over_counts_once_nothing_is_under_way() {
    let policy = quick(LATENCY);
    let mut evidence = run(&policy, 10, |_, p, _| took(p));
    let blocks = |evidence: &Evidence, at: u64| {
        of(&judge(&policy, evidence, &after(at)), Criterion::Latency, Some("GET /a")).samples
    };
    assert_eq!((blocks(&evidence, 9), blocks(&evidence, 10)), (9, 10));
    route_mut(&mut evidence, "GET /a").counts.pending = 1;
    assert_eq!(blocks(&evidence, 10), 9);
}

#[test]
fn warm_up_takes_both_time_and_pairs() {
    let mut policy = quick(LATENCY);
    (policy.default.warm_up, policy.default.warm_up_pairs) = (Duration::from_secs(5), 300);
    let slow_start = |second, p, _: f64| took(if second < 15 { 10 * p } else { p });
    let (_, reason) = latency(&policy, &run(&policy, 3, slow_start), 3);
    assert!(reason.starts_with("warming up: 60 of the first 300 pairs, which do not count"), "{reason}");
    policy.default.warm_up_pairs = 20;
    let (_, reason) = latency(&policy, &run(&policy, 3, slow_start), 3);
    assert_eq!(reason, "warming up: what arrives in the next 2 s does not count");
    policy.default.warm_up_pairs = 300;
    let warm = run(&policy, 40, slow_start);
    assert_eq!(warm.routes["GET /a"].pace.pairs(), 500);
    assert_eq!(latency(&policy, &warm, 40).0, Verdict::Pass);
}

#[test]
fn load_that_comes_in_waves_is_told_and_not_judged() {
    let policy = quick(LATENCY);
    // A few long waves: nearly always slow in one, never in the next.
    let waves = |second: u64, p, _: f64| took(if second % 60 < 48 { 2 * p } else { p });
    let (verdict, reason) = latency(&policy, &run(&policy, 180, waves), 180);
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(reason.contains("blocks still correlated (0.9"), "{reason}");
    // Twice a hiccup in a row does not matter: it is never near a half.
    let hiccup = |second, p, chance: f64| took(if second / 2 == 10 && chance < 0.1 { 9 * p } else { p });
    assert_eq!(latency(&policy, &run(&policy, 40, hiccup), 40).0, Verdict::Pass);
}

#[test]
fn answers_that_did_other_work_say_nothing() {
    let policy = quick(LATENCY);
    let error = |_, p: u64, _: f64| took(10 * p).map(|r| LegRecord { class: StatusClass::ServerError, ..r });
    assert_eq!(run(&policy, 5, error).routes["GET /a"].pace.pairs(), 0);
    let mut race = pair(0, 20_000, failed());
    if let crate::evidence::Settlement::Compared(c) = &mut race.result {
        c.candidate.list = vec![finding("transport.idle_race", "transport", Tier::Info)];
    }
    let mut raced = evidence(&[]);
    apply(&policy, &mut raced, &race);
    assert_eq!(raced.routes["GET /a"].pace.pairs(), 0);
}

#[test]
fn other_settings_judge_no_old_blocks() {
    let policy = quick(LATENCY);
    let evidence = run(&policy, 60, |_, p, _| took(p));
    let mut other = policy.clone();
    other.default.latency.ratio = 1.5;
    let (verdict, reason) = latency(&other, &evidence, 60);
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(reason.starts_with("its blocks were counted by other settings (longer than 1.1x the primary plus 2 ms"));
    // What only the judging uses may change.
    (other, other.default.latency.min_blocks) = (policy.clone(), 100);
    assert!(latency(&other, &evidence, 60).1.starts_with("60 of 100 blocks"));
}

#[test]
fn quantiles_are_shown_and_decide_when_they_are_to() {
    let mut policy = quick(LATENCY);
    let tail = |_, p, chance: f64| took(if chance < 0.08 { 3 * p } else { p });
    let evidence = run(&policy, 3_000, tail);
    let (verdict, reason) = latency(&policy, &evidence, 3_000);
    assert_eq!(verdict, Verdict::Pass, "{reason}");
    assert!(reason.contains("; p95 2.") && reason.contains(", p99 2."), "{reason}");
    policy.default.latency.quantiles = Quantiles::Gate;
    let judged = judge(&policy, &evidence, &after(3_000));
    let rows: Vec<_> = judged.criteria.iter().filter(|c| c.criterion == Criterion::Latency).collect();
    assert_eq!(rows.iter().map(|c| c.verdict).collect::<Vec<_>>(), [Verdict::Pass, Verdict::Fail, Verdict::Fail]);
    assert!(rows[1].reason.starts_with("p95 at least 1."), "{}", rows[1].reason);
    assert_eq!(rows.iter().map(|c| c.measure.as_deref()).collect::<Vec<_>>(), [None, Some("p95"), Some("p99")]);
    assert!(rows[2].sentence().starts_with("latency p99 GET /a: "), "{}", rows[2].sentence());
    assert_eq!((rows[1].limit, rows[2].limit, rows[1].samples), (Some(1.2), Some(1.25), 3_000));
    assert!(rows[1].lower < rows[1].observed && rows[1].observed < rows[1].upper);
    let early = judge(&policy, &run(&policy, 60, |_, p, _| took(p)), &after(60));
    let p99 = early.criteria.iter().rfind(|c| c.criterion == Criterion::Latency).unwrap();
    assert_eq!((p99.verdict, p99.eta_seconds), (Verdict::Inconclusive, Some(573)));
    assert_eq!(p99.reason, "p99: 60 of 633 pairs a second apart; the limit is 1.25x plus 2 ms");
    let fine = judge(&policy, &run(&policy, 3_000, |_, p, _| took(p)), &after(3_000));
    assert_eq!(fine.verdict, Verdict::Pass, "{:#?}", fine.criteria);
}

#[test]
fn rare_slow_routes_are_named_and_rare_unknown_ones_are_not() {
    let policy = quick(LATENCY);
    let mut all = run(&policy, 60, |_, p, _| took(p));
    let mut rare = |route: &str, seconds: u64, candidate: u64| {
        for second in 0..seconds {
            let mut settled = pair(second * 1_000, 20_000, took(candidate));
            settled.route = route.into();
            apply(&policy, &mut all, &settled);
        }
    };
    rare("GET /once", 1, 20_000);
    rare("GET /slow", 400, 90_000);
    let busy = &mut all.route_mut("GET /a").unwrap().counts;
    (busy.requests, busy.mirrored, busy.compared, busy.matched) = (100_000, 100_000, 100_000, 100_000);
    let judged = judge(&policy, &all, &after(400));
    let named: Vec<_> = judged
        .criteria
        .iter()
        .filter(|c| c.criterion == Criterion::Latency)
        .map(|c| c.route.as_deref().unwrap())
        .collect();
    assert_eq!((named, judged.verdict), (vec!["GET /a", "GET /slow"], Verdict::Fail));
}

#[test]
fn routes_read_under_one_name_average_their_blocks() {
    let policy = quick(LATENCY);
    let mut all = run(&policy, 60, |_, p, _| took(p));
    for i in 0..1_200 {
        let mut settled = pair(i * 50, 20_000, took(20_000));
        settled.route = "GET /b".into();
        apply(&policy, &mut all, &settled);
    }
    let one = all.collapsed(&|_| Some("GET /a".into()), 0);
    let result = judge(&policy, &one, &after(60));
    let result = of(&result, Criterion::Latency, Some("GET /a"));
    // Two routes in the same sixty seconds are not a hundred and twenty blocks.
    assert_eq!((result.samples, result.verdict), (60, Verdict::Pass));
    let alone = judge(&policy, &run(&policy, 60, |_, p, _| took(p)), &after(60));
    assert_eq!(of(&alone, Criterion::Latency, Some("GET /a")).samples, 60);
    let wealth =
        |e: &Evidence| e.routes["GET /a"].pace.blocks(started() + Duration::from_secs(60), true).bets.ln_e_pass();
    assert!(wealth(&one) <= wealth(&all) + 1e-9);
}

#[test]
fn a_quiet_time_bounds_what_was_never_seen() {
    let policy = quick(&[Criterion::Unseen]);
    let unseen = |evidence: &Evidence| {
        let judged = judge(&policy, evidence, &after(1_000));
        let result = of(&judged, Criterion::Unseen, None).clone();
        assert_eq!(result.route, None);
        result
    };
    let mut all = evidence(&[]);
    assert_eq!((unseen(&all).verdict, unseen(&all).samples), (Verdict::Inconclusive, 0));
    let show = |all: &mut Evidence, place: &str| {
        let list = if place.is_empty() { vec![] } else { vec![finding("json.value", place, Tier::Value)] };
        apply(&policy, all, &compared("x", "GET /a", 0, list));
    };
    (0..40).for_each(|i| show(&mut all, &format!("json:$.k{i}")));
    let early = unseen(&all);
    assert_eq!((early.verdict, early.observed), (Verdict::Inconclusive, None));
    assert!(early.reason.ends_with(" to be below 0.1 % (the usual estimate: 100 %)"), "{}", early.reason);
    assert!(
        early.reason.starts_with("the last exchange showed a divergence never seen before; it takes "),
        "{}",
        early.reason
    );
    let needed = early.samples_needed.unwrap();
    assert!((7_000..12_000).contains(&needed), "{needed}");
    // Known ones are no news, however often they come.
    (40..needed - 1).for_each(|i| show(&mut all, if i % 7 == 0 { "json:$.k3" } else { "" }));
    let nearly = unseen(&all);
    assert_eq!((nearly.verdict, nearly.samples_needed), (Verdict::Inconclusive, Some(needed)));
    show(&mut all, "");
    let enough = unseen(&all);
    assert_eq!(enough.verdict, Verdict::Pass);
    assert!(enough.upper.unwrap() < 0.001);
    let quiet = needed - 40;
    let digits = words::thousands(quiet);
    assert!(enough.reason.starts_with(&format!("of the last {digits} exchanges none showed a divergence never seen before: that the next one does has a probability of at most 0.09")), "{}", enough.reason);
    // One new kind, and another wait.
    show(&mut all, "json:$.new");
    assert_eq!(unseen(&all).verdict, Verdict::Inconclusive);
    // Under other rules what was excused may count, so it begins again.
    all.restart_route("GET /a", "r2".into(), started());
    assert_eq!(unseen(&all).samples, 0);
}

#[test]
fn what_finds_no_place_in_the_table_is_new_every_time() {
    let policy = quick(&[Criterion::Unseen]);
    let mut all = evidence(&[]);
    for round in 0..2 {
        for i in 0..600 {
            let list = vec![finding("json.value", &format!("json:$.k{i}"), Tier::Value)];
            apply(&policy, &mut all, &compared("x", "GET /a", 0, list));
        }
        let new = all.kinds.unseen.new_kinds();
        assert_eq!(new, if round == 0 { 600 } else { 688 });
    }
    // What is excused is no divergence, until it counts.
    let mut all = evidence(&[]);
    let mut ruled = finding("json.value", "json:$.at", Tier::Value);
    ruled.cover = Some(crate::diff::Cover::Rule("at".into()));
    apply(&policy, &mut all, &compared("x", "GET /a", 0, vec![ruled]));
    assert_eq!(all.kinds.unseen.new_kinds(), 0);
    apply(&policy, &mut all, &compared("x", "GET /a", 0, vec![finding("json.value", "json:$.at", Tier::Value)]));
    assert_eq!(all.kinds.unseen.new_kinds(), 1);
}

#[test]
fn a_gate_as_it_comes_passes_on_enough_of_everything() {
    let policy = Policy { default: GateSettings::default(), routes: Default::default() };
    assert_eq!(policy.latency_terms("GET /a"), LatencyTerms::default());
    let mut all = evidence(&[]);
    // A day of one exchange every two seconds.
    for i in 0..43_200u64 {
        let primary = 15_000 + (chance(i, 1) * 10_000.0) as u64;
        apply(&policy, &mut all, &pair(i * 2_000, primary, took(15_000 + (chance(i, 2) * 10_000.0) as u64)));
    }
    let judged = judge(&policy, &all, &after(86_400));
    assert_eq!(judged.verdict, Verdict::Pass, "{:#?}", judged.criteria);
    let named: Vec<_> = judged.criteria.iter().filter(|c| c.required).map(|c| c.criterion).collect();
    assert!(Criterion::ALL.iter().all(|c| named.contains(c)), "{named:?}");
    let early = judge(&policy, &all, &after(80_000));
    assert_eq!(early.verdict, Verdict::Inconclusive);
}

proptest! {
    #[test]
    fn more_slow_pairs_never_turn_fail_into_pass(
        blocks in proptest::collection::vec(0u64..=10, 10..60),
        which in any::<prop::sample::Index>(),
        more in 1u64..=10,
    ) {
        let policy = quick(LATENCY);
        let judged = |blocks: &[u64]| {
            let mut all = evidence(&[]);
            for (second, slow) in blocks.iter().enumerate() {
                for i in 0..10 {
                    apply(&policy, &mut all, &pair(second as u64 * 1_000 + i, 20_000, took(if i < *slow { 90_000 } else { 20_000 })));
                }
            }
            latency(&policy, &all, blocks.len() as u64).0
        };
        let before = judged(&blocks);
        let mut worse = blocks.clone();
        let at = which.index(worse.len());
        worse[at] = (worse[at] + more).min(10);
        let then = judged(&worse);
        prop_assert!(!(before == Verdict::Fail && then == Verdict::Pass));
        prop_assert!(!(before == Verdict::Inconclusive && then == Verdict::Pass && blocks.iter().all(|b| *b >= 5)));
    }
}
