//! Siblings that turn out to be ids, and those among them that fail.

use super::*;
use crate::evidence::TemplateNames;

/// So many words below one node with as many comparisons each, but those of `failing`: so many, so many divergent.
fn shop(words: usize, each: u64, failing: &[(usize, u64, u64)]) -> Evidence {
    let names: Vec<String> = (0..words).map(|i| format!("GET /shop/word{i}x")).collect();
    let of = |i: usize| failing.iter().find(|(of, ..)| *of == i).map_or((each, 0), |(_, n, bad)| (*n, *bad));
    let routes: Vec<_> = names.iter().enumerate().map(|(i, name)| (name.as_str(), of(i).0, of(i).1)).collect();
    let mut evidence = evidence(&routes);
    for (route, number) in evidence.routes.values_mut().zip(1..) {
        let route = Arc::make_mut(route);
        (route.counts.requests, route.number) = (route.counts.compared, number);
    }
    evidence
}

fn shown(evidence: &Evidence) -> (Vec<String>, Verdict) {
    let mut policy = policy(ONLY);
    policy.default.tolerance = 0.05;
    policy.default.min_comparisons = 10;
    let shown = policy.by_template(evidence, 0);
    assert_eq!(shown.totals(), evidence.totals());
    (shown.routes.keys().map(|name| name.to_string()).collect(), judge(&policy, &shown, &after(100)).verdict)
}

#[test]
fn a_route_that_fails_does_not_cease_to_when_its_siblings_turn_up() {
    let failing = [(7, 20, 20)];
    assert_eq!(shown(&shop(50, 20, &failing)).1, Verdict::Fail);
    let (names, verdict) = shown(&shop(70, 20, &failing));
    assert_eq!((names, verdict), (vec!["GET /shop/word7x".into(), "GET /shop/{id}".into()], Verdict::Fail));
    let (names, verdict) = shown(&shop(70, 20, &[]));
    assert_eq!((names, verdict), (vec!["GET /shop/{id}".into()], Verdict::Pass));
}

#[test]
fn a_template_of_which_all_fails_is_one() {
    let all: Vec<_> = (0..70).map(|i| (i, 20, 20)).collect();
    assert_eq!(shown(&shop(70, 20, &all)), (vec!["GET /shop/{id}".into()], Verdict::Fail));
    // Most of it by itself, and what is left as well.
    assert_eq!(shown(&shop(70, 20, &all[..60])).1, Verdict::Fail);
}

#[test]
fn what_is_too_rare_to_fail_by_itself_fails_with_its_template() {
    let failing: Vec<_> = (0..30).map(|i| (i, 5, 5)).collect();
    assert_eq!(shown(&shop(80, 20, &failing)), (vec!["GET /shop/{id}".into()], Verdict::Fail));
}

proptest! {
    /// With names left apart nothing passes or stays open that would fail as one.
    #[test]
    fn nothing_that_fails_as_one_is_left_undecided(
        failing in proptest::collection::vec((0usize..70, 1u64..60, 0.0f64..1.0), 0..30),
    ) {
        let failing: Vec<_> = failing.into_iter().map(|(i, n, share)| (i, n, (n as f64 * share) as u64)).collect();
        let evidence = shop(70, 20, &failing);
        let mut policy = policy(ONLY);
        policy.default.tolerance = 0.05;
        policy.default.min_comparisons = 40;
        let merged = judge(&policy, &evidence.by_template(&TemplateNames {
            renamed: evidence.template_names(&|_| false), ..TemplateNames::default()
        }, 0), &after(100)).verdict;
        let then = judge(&policy, &policy.by_template(&evidence, 0), &after(100)).verdict;
        prop_assert!(merged != Verdict::Fail || then == Verdict::Fail);
    }

    #[test]
    fn nothing_that_fails_by_itself_is_made_to_pass(
        failing in proptest::collection::vec((0usize..70, 1u64..60, 0.0f64..1.0), 0..6),
    ) {
        let failing: Vec<_> = failing.into_iter().map(|(i, n, share)| (i, n, (n as f64 * share) as u64)).collect();
        let evidence = shop(70, 20, &failing);
        let mut policy = policy(ONLY);
        policy.default.tolerance = 0.05;
        policy.default.min_comparisons = 1;
        let before = judge(&policy, &evidence, &after(100));
        let fails = |c: &CriterionResult| c.verdict == Verdict::Fail && c.route.as_deref() != Some(TAIL);
        let then = judge(&policy, &policy.by_template(&evidence, 0), &after(100)).verdict;
        prop_assert!(!before.criteria.iter().any(fails) || then == Verdict::Fail);
    }
}
