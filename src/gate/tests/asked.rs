//! What is asked for: of which route, by whose settings.

use super::*;

#[test]
fn what_is_set_for_one_method_decides_nothing_of_another() {
    let mut policy = policy(ONLY);
    configured(&mut policy, "/orders/{id}", true);
    let post = policy.routes.get_mut("/orders/{id}").unwrap();
    (post.methods, post.settings.critical_tolerance) = (vec!["POST".into()], 0.5);
    let get = evidence(&[("GET /orders/{id}", 400, 80)]);
    assert_eq!(say(&policy, &get, "GET /orders/{id}").0, Verdict::Fail);
    let clean = evidence(&[("GET /orders/{id}", 6_000, 0)]);
    let judged = judge(&policy, &clean, &after(100));
    assert_eq!(of(&judged, Criterion::Divergence, Some("GET /orders/{id}")).verdict, Verdict::Pass);
    let missing = of(&judged, Criterion::Divergence, Some("/orders/{id}"));
    assert_eq!((missing.verdict, judged.verdict), (Verdict::Inconclusive, Verdict::Inconclusive));
}

#[test]
fn every_method_and_operation_of_a_critical_route_is_asked_for() {
    let mut policy = policy(&[Criterion::Divergence, Criterion::Coverage]);
    policy.default.coverage = 0.5;
    configured(&mut policy, "orders", true);
    policy.routes.get_mut("orders").unwrap().settings.critical_tolerance = 0.01;
    let mut evidence = evidence(&[("GET orders", 600, 0), ("POST orders", 0, 0), ("GET /a", 6_000, 0)]);
    let counts = &mut route_mut(&mut evidence, "POST orders").counts;
    (counts.requests, counts.not_mirrored.method) = (10, 10);
    let judged = judge(&policy, &evidence, &after(100));
    let post = of(&judged, Criterion::Divergence, Some("POST orders"));
    assert_eq!((post.verdict, post.required, judged.verdict), (Verdict::Inconclusive, true, Verdict::Inconclusive));
    let why = "0 of 559 comparisons: nothing of this critical route has been compared yet: 10 requests use methods that \
               `mirror.methods` does not name; name the methods on a route, if the candidate is isolated; or limit the \
               route by `methods`";
    assert_eq!(post.reason, why);
    assert!(judged.criteria.iter().all(|c| c.route.as_deref() != Some("orders")), "it is known by its methods");
    // Limited to what can be compared, it is asked for no more.
    policy.routes.get_mut("orders").unwrap().methods = vec!["GET".into()];
    assert_eq!(judge(&policy, &evidence, &after(100)).verdict, Verdict::Pass);
}

#[test]
fn requests_that_nobody_read_the_operation_of_are_asked_for_with_those_that_were() {
    let mut policy = policy(ONLY);
    configured(&mut policy, "rpc", true);
    let rpc = policy.routes.get_mut("rpc").unwrap();
    (rpc.named_by_body, rpc.settings.critical_tolerance) = (true, 0.01);
    let with = |compared| {
        let mut evidence = evidence(&[("POST rpc", 0, 0), ("POST rpc Add", compared, 0)]);
        let counts = &mut route_mut(&mut evidence, "POST rpc").counts;
        (counts.requests, counts.not_mirrored.sampled_out) = (900, 900);
        evidence
    };
    assert_eq!(judge(&policy, &with(600), &after(100)).verdict, Verdict::Pass);
    let none = judge(&policy, &with(0), &after(100));
    assert!(
        ["POST rpc", "POST rpc Add"]
            .iter()
            .all(|name| { of(&none, Criterion::Divergence, Some(name)).verdict == Verdict::Inconclusive })
    );
}

#[test]
fn what_one_route_asks_for_beyond_all_is_asked_of_it() {
    let mut policy = policy(ONLY);
    let all = [Criterion::Divergence, Criterion::Errors, Criterion::Minimum];
    configured(&mut policy, "orders", false);
    let mut clean = evidence(&[("GET orders", 6_000, 0)]);
    let errors = &mut route_mut(&mut clean, "GET orders").errors;
    (errors.n00, errors.n10) = (5_700, 300);
    let verdict = |policy: &Policy| judge(policy, &clean, &after(100)).verdict;
    assert_eq!(verdict(&policy), Verdict::Pass);
    policy.routes.get_mut("orders").unwrap().settings.criteria = all.to_vec();
    assert_eq!(verdict(&policy), Verdict::Fail);
    let settings = &mut policy.routes.get_mut("orders").unwrap().settings;
    (settings.errors, settings.min_duration) = (0.9, Duration::from_secs(3_600));
    let judged = judge(&policy, &clean, &after(100));
    let minimum = of(&judged, Criterion::Minimum, Some("GET orders"));
    assert_eq!(
        (minimum.required, minimum.verdict, judged.verdict),
        (true, Verdict::Inconclusive, Verdict::Inconclusive)
    );
    assert_eq!(judge(&policy, &clean, &after(3_600)).verdict, Verdict::Pass);
}

#[test]
fn errors_of_a_route_are_judged_by_its_own_settings_whichever_differ() {
    let clean = evidence(&[("GET orders", 6_000, 0)]);
    let edits: [fn(&mut GateSettings); 3] =
        [|s| s.alpha_pass = 1e-9, |s| s.design_effect = 100.0, |s| s.alpha_fail = 1e-9];
    for (edit, expected) in edits.into_iter().zip([Verdict::Inconclusive, Verdict::Inconclusive, Verdict::Pass]) {
        let mut policy = policy(&[Criterion::Errors]);
        configured(&mut policy, "orders", false);
        edit(&mut policy.routes.get_mut("orders").unwrap().settings);
        let judged = judge(&policy, &clean, &after(100));
        let own = of(&judged, Criterion::Errors, Some("GET orders"));
        assert_eq!((own.required, own.verdict, judged.verdict), (true, expected, expected));
        assert_eq!(of(&judged, Criterion::Errors, None).verdict, Verdict::Pass);
    }
}

#[test]
fn a_route_that_began_afresh_has_its_own_clock() {
    let mut policy = policy(&[Criterion::Minimum]);
    policy.default.min_duration = Duration::from_secs(1_000);
    let mut evidence = evidence(&[("GET /a", 9_900, 0), ("GET /b", 100, 0)]);
    let later = started() + Duration::from_secs(900);
    // One that only turned up then holds up nothing.
    route_mut(&mut evidence, "GET /a").since = later;
    assert_eq!(judge(&policy, &evidence, &after(1_000)).verdict, Verdict::Pass);
    route_mut(&mut evidence, "GET /a").restarts = 1;
    let judged = judge(&policy, &evidence, &after(1_000));
    let own = of(&judged, Criterion::Minimum, Some("GET /a"));
    assert_eq!((judged.verdict, own.required, judged.eta_seconds), (Verdict::Inconclusive, true, Some(900)));
    assert_eq!(own.reason, "evidence spans 1 min 40 s since its rules changed, min_duration is 16 min 40 s");
    assert_eq!(judge(&policy, &evidence, &after(1_900)).verdict, Verdict::Pass);
    // A rare one decides against only.
    let rare = route_mut(&mut evidence, "GET /b");
    (rare.since, rare.restarts) = (started() + Duration::from_secs(1_800), 1);
    assert_eq!(judge(&policy, &evidence, &after(1_900)).verdict, Verdict::Pass);
}

#[test]
fn nobody_knows_when_evidence_spans_enough_while_mirroring_is_off() {
    let mut policy = policy(&[Criterion::Minimum]);
    policy.default.min_duration = Duration::from_secs(1_000);
    let mut evidence = evidence(&[("GET /a", 10, 0)]);
    evidence.epoch.away.open(started() + Duration::from_secs(10));
    let judged = judge(&policy, &evidence, &Facts { mirroring: false, ..after(5_000) });
    let minimum = of(&judged, Criterion::Minimum, None);
    assert_eq!((minimum.verdict, minimum.observed, minimum.eta_seconds), (Verdict::Inconclusive, Some(10.0), None));
}

#[test]
fn clusters_count_less_for_what_was_never_seen_as_well() {
    let mut policy = policy(&[Criterion::Unseen]);
    (policy.default.unseen, policy.default.design_effect) = (0.05, 10.0);
    let mut evidence = evidence(&[("GET /a", 1_000, 0)]);
    (0..1_000).for_each(|_| evidence.kinds.unseen.observe(false));
    let judged = judge(&policy, &evidence, &after(100));
    let unseen = of(&judged, Criterion::Unseen, None);
    assert_eq!((unseen.verdict, unseen.upper.is_some_and(|upper| upper >= 0.05)), (Verdict::Inconclusive, true));
    let needed = unseen.samples_needed.unwrap();
    (1_000..needed - 1).for_each(|_| evidence.kinds.unseen.observe(false));
    assert_eq!(judge(&policy, &evidence, &after(100)).verdict, Verdict::Inconclusive);
    evidence.kinds.unseen.observe(false);
    assert_eq!(judge(&policy, &evidence, &after(100)).verdict, Verdict::Pass);
    policy.default.design_effect = 1.0;
    assert!(of(&judge(&policy, &evidence, &after(100)), Criterion::Unseen, None).upper.unwrap() < 0.01);
}

#[test]
fn answers_under_other_labels_prove_nothing() {
    let mut evidence = evidence(&[("GET /a", 10_000, 0)]);
    assert_eq!(judge(&policy(ONLY), &evidence, &after(100)).verdict, Verdict::Pass);
    evidence.epoch.other_builds = 1;
    let judged = judge(&policy(ONLY), &evidence, &after(100));
    assert_eq!(judged.verdict, Verdict::Inconclusive);
    assert!(judged.criteria.iter().any(|c| c.required && c.reason.contains("under other labels")));
}
