//! Forecasts against the verdict itself, on evidence that is made as expected.

use super::super::tests::{configured, evidence, policy, route_mut, started, with_pairs};
use super::super::{Facts, Judgement, Verdict, judge};
use super::*;
use crate::evidence::testing::compared;
use crate::evidence::{Cells, Evidence, Keep};
use crate::model::{LegRecord, StatusClass, Timing};
use proptest::prelude::*;
use std::time::Duration;

fn traffic(routes: &[(&str, f64)]) -> Traffic {
    let rates = ExpectedRates::default();
    let route = |requests| ExpectedRoute { requests, mirrored: Mirrored::Sample(1.0), rates };
    routes.iter().map(|(name, requests)| (Arc::from(*name), route(*requests))).collect()
}

fn row<'a>(forecast: &'a Forecast, criterion: Criterion, route: Option<&str>) -> &'a CriterionForecast {
    let mut rows = forecast.criteria.iter().filter(|r| r.criterion == criterion && r.route.as_deref() == route);
    rows.next().unwrap_or_else(|| panic!("no {criterion:?} of {route:?} in {:#?}", forecast.criteria))
}

fn judged(policy: &Policy, evidence: &Evidence, seconds: u64) -> Judgement {
    judge(policy, evidence, &Facts::at(started() + Duration::from_secs(seconds)))
}

/// One route's divergence by the verdict: so many comparisons, so many divergent (`plus`), and with a control so many
/// in which only that one differed (`minus`).
fn passes(policy: &Policy, n: u64, plus: u64, minus: u64, control: bool) -> bool {
    let mut evidence = evidence(&[("GET /a", n, plus)]);
    if control {
        with_pairs(&mut evidence, Cells { n10: plus, n01: minus, n00: n - plus - minus, n11: 0 });
    }
    judged(policy, &evidence, 100).verdict == Verdict::Pass
}

const ONLY: &[Criterion] = &[Criterion::Divergence];

#[test]
fn a_clean_run_passes_at_the_number_foretold_and_not_one_sooner() {
    for (tolerance, design_effect, control) in
        [(0.001, 1.0, 0.0), (0.01, 1.0, 1.0), (0.0123, 1.7, 0.0), (0.05, 3.0, 1.0)]
    {
        let mut policy = policy(ONLY);
        (policy.default.tolerance, policy.default.design_effect) = (tolerance, design_effect);
        let mut traffic = traffic(&[("GET /a", 10.0)]);
        traffic.values_mut().for_each(|route| route.rates.control = control);
        let forecast = forecast(&policy, &traffic);
        let needed = row(&forecast, Criterion::Divergence, Some("GET /a")).needed.unwrap();
        assert!(passes(&policy, needed, 0, 0, control > 0.0), "{tolerance}: {needed}");
        assert!(!passes(&policy, needed - 1, 0, 0, control > 0.0), "{tolerance}: {needed}");
        assert_eq!(forecast.seconds, Some(needed.div_ceil(10)));
    }
}

#[test]
fn what_a_route_asks_for_is_foretold() {
    let mut policy = policy(ONLY);
    configured(&mut policy, "a", false);
    let own = &mut policy.routes.get_mut("a").unwrap().settings;
    own.criteria = vec![Criterion::Divergence, Criterion::Errors, Criterion::Minimum];
    own.min_duration = Duration::from_secs(9_000);
    let forecast = forecast(&policy, &traffic(&[("GET a", 10.0), ("GET /b", 10.0)]));
    let minimum = row(&forecast, Criterion::Minimum, None);
    assert_eq!((minimum.required, minimum.seconds, forecast.seconds), (true, Some(9_000), Some(9_000)));
    assert!(row(&forecast, Criterion::Errors, Some("GET a")).required);
    assert!(!row(&forecast, Criterion::Errors, None).required);
}

#[test]
fn the_known_numbers() {
    let needed = |divergence, noise, control| {
        let mut traffic = traffic(&[("GET /a", 1.0)]);
        let rates = &mut traffic.get_mut("GET /a").unwrap().rates;
        (rates.divergence, rates.noise, rates.control) = (divergence, noise, control);
        forecast(&policy(ONLY), &traffic).routes[0].needed
    };
    assert_eq!(needed(0.0, 0.0, 0.0), Some(5_613));
    // A tenth, a half of the limit: some 8 and 44 over the limit.
    assert!(needed(0.0001, 0.0, 0.0).is_some_and(|n| (8_000..8_500).contains(&n)), "{:?}", needed(0.0001, 0.0, 0.0));
    assert!(needed(0.0005, 0.0, 0.0).is_some_and(|n| (43_000..45_500).contains(&n)), "{:?}", needed(0.0005, 0.0, 0.0));
    assert_eq!(needed(0.001, 0.0, 0.0), None);
    // Noise costs more the more of it there is; too much of it, or without a control, is never averaged away.
    let noisy = [0.0001, 0.001, 0.01].map(|noise| needed(0.0, noise, 1.0).unwrap());
    assert!(noisy[0] > 5_613 && noisy[1] > 3 * noisy[0] && noisy[2] > 8 * noisy[1], "{noisy:?}");
    assert_eq!((needed(0.0, 0.02, 1.0), needed(0.0, 0.001, 0.0)), (None, None));
}

#[test]
fn what_is_expected_to_diverge_passes_when_foretold() {
    let mut policy = policy(ONLY);
    policy.default.tolerance = 0.01;
    for (divergence, noise, control) in [(0.002, 0.0, false), (0.005, 0.0, false), (0.002, 0.003, true)] {
        let mut traffic = traffic(&[("GET /a", 1.0)]);
        let rates = &mut traffic.get_mut("GET /a").unwrap().rates;
        (rates.divergence, rates.noise, rates.control) = (divergence, noise, f64::from(u8::from(control)));
        let n = forecast(&policy, &traffic).routes[0].needed.unwrap();
        let (plus, minus) = ((divergence + noise) * n as f64, noise * n as f64);
        assert!(passes(&policy, n, plus.floor() as u64, minus.ceil() as u64, control), "{divergence} {noise} {n}");
        assert!(!passes(&policy, n - 1, plus.ceil() as u64, minus.floor() as u64, control), "{divergence} {noise} {n}");
    }
}

#[test]
fn worse_candidates_fail_when_foretold() {
    let mut policy = policy(ONLY);
    configured(&mut policy, "a", false);
    let forecast = forecast(&policy, &traffic(&[("GET a", 10.0), ("GET /b", 3.0)]));
    let fails = &forecast.routes[0].fails;
    assert_eq!(fails.iter().map(|f| f.times).collect::<Vec<_>>(), [2, 5, 10, 100]);
    assert!(fails.is_sorted_by(|a, b| a.comparisons >= b.comparisons));
    for fail in fails {
        let n = fail.comparisons.unwrap();
        let verdict = |n: u64, divergent: f64| {
            let evidence = evidence(&[("GET a", n, divergent as u64), ("GET /b", n / 3, 0)]);
            judged(&policy, &evidence, 100).verdict
        };
        let expected = fail.rate * n as f64;
        assert_eq!(verdict(n, expected.ceil()), Verdict::Fail, "{fail:?}");
        let sooner = n - 1;
        assert_ne!(verdict(sooner, (fail.rate * sooner as f64).floor()), Verdict::Fail, "{fail:?}");
        assert_eq!(fail.seconds, Some(n.div_ceil(10)));
    }
    assert_eq!(fails[3].comparisons, Some(200), "min_comparisons");
}

#[test]
fn latency_takes_its_warm_up_and_its_blocks() {
    let policy = policy(&[Criterion::Latency]);
    let at = |rate: f64| forecast(&policy, &traffic(&[("GET /a", rate)])).seconds;
    assert_eq!((at(100.0), at(1.0)), (Some(60 + 1_800), Some(500 + 1_800)));
    // Where there is a request in two minutes, there is a block in two minutes.
    assert_eq!(at(1.0 / 120.0), Some(530 * 120));
    let took = Duration::from_millis(10);
    let timing = Timing { first_byte: Some(took), last_byte: took, ..Timing::default() };
    let mut evidence = evidence(&[]);
    let verdict = |evidence: &Evidence, seconds| judged(&policy, evidence, seconds).verdict;
    for second in 0..2_300 {
        let mut settled = compared("x", "GET /a", 0, vec![]);
        settled.arrived = started() + Duration::from_secs(second);
        let leg = Some(LegRecord { class: StatusClass::Success, timing });
        (settled.legs.primary, settled.legs.candidate) = (leg, leg);
        let terms = |route: &str| policy.latency_terms(route);
        let keep = Keep { rules: &|_| String::new(), latency: &terms, examples: 0, now: started() };
        evidence.begin(&settled.route, keep);
        evidence.apply(&settled, keep);
        if second == 2_300 - 2 * 60 {
            assert_eq!(verdict(&evidence, second), Verdict::Inconclusive);
        }
    }
    assert_eq!(verdict(&evidence, 2_300), Verdict::Pass);
}

#[test]
fn what_stands_in_the_way_comes_with_what_would_do() {
    let mut policy = policy(&Criterion::ALL);
    configured(&mut policy, "invoices", true);
    let mut traffic = traffic(&[("GET invoices", 0.02), ("GET /b", 8.0), ("POST /b", 2.0)]);
    traffic.get_mut("POST /b").unwrap().mirrored = Mirrored::Method;
    traffic.get_mut("GET invoices").unwrap().mirrored = Mirrored::Sample(0.5);
    let forecast = forecast(&policy, &traffic);
    assert!(!forecast.can_pass && forecast.seconds.is_none());
    let told: Vec<_> = forecast.hopeless.iter().map(|r| (r.criterion, r.route.as_deref())).collect();
    assert_eq!(told, [(Criterion::Divergence, Some("GET invoices")), (Criterion::Coverage, None)]);
    let sets = |at: usize| forecast.hopeless[at].changes.iter().map(|c| c.set.as_str()).collect::<Vec<_>>();
    // Mirroring all of it is not enough by itself: 28,000 of 56,154 in two weeks.
    assert_eq!(sets(0), ["critical = false", "critical_tolerance = \"0.05%\"", "max_duration = \"65d\""]);
    assert_eq!(sets(1), ["methods = [\"GET\", \"HEAD\", \"OPTIONS\", \"POST\"]", "coverage = 0.8"]);
    assert!(forecast.hopeless[0].changes.iter().take(2).all(|c| c.place == "[[route]] invoices"));

    // Each change does what it says.
    policy.routes.get_mut("invoices").unwrap().settings.critical_tolerance = 0.0005;
    policy.default.coverage = 0.8;
    assert!(super::forecast(&policy, &traffic).can_pass);
}

#[test]
fn nothing_to_compare_is_never_enough() {
    let all = policy(&Criterion::ALL);
    let mut idle = traffic(&[("POST /a", 5.0)]);
    idle.values_mut().for_each(|route| route.mirrored = Mirrored::Method);
    for traffic in [Traffic::new(), idle] {
        let forecast = forecast(&all, &traffic);
        assert!(!forecast.can_pass && forecast.seconds.is_none(), "{forecast:#?}");
        assert!(forecast.hopeless[0].why.starts_with("no request would be mirrored"));
    }
    let mut critical = policy(ONLY);
    configured(&mut critical, "b", true);
    let unknown = forecast(&critical, &traffic(&[("GET /a", 5.0)]));
    assert_eq!(row(&unknown, Criterion::Divergence, Some("b")).seconds, None);
    let mut half = traffic(&[("GET b", 5.0), ("POST b", 1.0)]);
    half.get_mut("POST b").unwrap().mirrored = Mirrored::Method;
    let unasked = forecast(&critical, &half);
    assert_eq!(row(&unasked, Criterion::Divergence, Some("POST b")).seconds, None);
    assert!(unasked.seconds.is_none() && unasked.criteria.iter().all(|row| row.route.as_deref() != Some("b")));
    assert!(!forecast(&policy(&[]), &traffic(&[("GET /a", 5.0)])).can_pass, "nothing decides");
}

/// Evidence after so many seconds of this traffic, all clean.
fn after(traffic: &Traffic, seconds: u64) -> Evidence {
    let counts: Vec<_> = traffic.iter().map(|(name, r)| (&**name, (r.compared() * seconds as f64) as u64, 0)).collect();
    let mut evidence = evidence(&counts);
    for (name, route) in traffic {
        let counts = &mut route_mut(&mut evidence, name).counts;
        counts.requests = (route.requests * seconds as f64) as u64;
        counts.not_mirrored.method = counts.requests - counts.compared;
    }
    let mut kinds = crate::stats::Unseen::default();
    counts.iter().for_each(|(_, n, _)| (0..*n).for_each(|_| kinds.observe(false)));
    evidence.kinds.unseen = kinds;
    evidence
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_verdict_is_a_pass_when_foretold_and_not_a_second_sooner(
        rates in proptest::collection::vec((1u32..60, 0u8..8), 1..7),
        critical in 0usize..4,
        coverage in 0.5f64..1.0,
        min_duration in 0u64..300,
    ) {
        let mut policy = policy(&[Criterion::Divergence, Criterion::Errors, Criterion::Coverage, Criterion::Unseen,
            Criterion::Unjudged, Criterion::Minimum]);
        let default = &mut policy.default;
        (default.tolerance, default.critical_tolerance, default.tail_tolerance) = (0.02, 0.01, 0.05);
        (default.errors, default.unseen, default.coverage) = (0.02, 0.05, coverage);
        default.min_duration = Duration::from_secs(min_duration);
        configured(&mut policy, "r0", critical == 0);
        let mut traffic = Traffic::new();
        for (i, (rate, kind)) in rates.into_iter().enumerate() {
            let name: Arc<str> = if i == 0 { "GET r0".into() } else { format!("GET /{i}").into() };
            let mirrored = if kind == 0 { Mirrored::Method } else { Mirrored::Sample(1.0) };
            traffic.insert(name, ExpectedRoute { requests: f64::from(rate), mirrored, rates: ExpectedRates::default() });
        }
        let forecast = forecast(&policy, &traffic);
        match forecast.seconds {
            Some(seconds) => {
                let then = judged(&policy, &after(&traffic, seconds), seconds);
                prop_assert_eq!(then.verdict, Verdict::Pass, "{}: {:#?}\n{:#?}", seconds, forecast, then.criteria);
                if seconds > 0 {
                    let sooner = judged(&policy, &after(&traffic, seconds - 1), seconds - 1);
                    prop_assert_eq!(sooner.verdict, Verdict::Inconclusive, "{}: {:#?}", seconds, forecast);
                }
            }
            None => {
                let long = judged(&policy, &after(&traffic, 2_000), 2_000);
                prop_assert_eq!(long.verdict, Verdict::Inconclusive, "{:#?}", forecast);
            }
        }
    }
}
