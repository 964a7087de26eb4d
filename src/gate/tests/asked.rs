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
