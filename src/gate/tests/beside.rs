//! What is told beside the numbers, and what a route may ask for by itself.

use super::*;

#[test]
fn rules_at_work_are_told_beside_the_verdict() {
    let mut clean = evidence(&[("GET /a", 10_000, 0)]);
    let told = |evidence: &Evidence| {
        let judged = judge(&policy(ONLY), evidence, &after(10));
        judged.notices.into_iter().find(|n| n.code == "rules").map(|n| n.message)
    };
    clean.rule_hits.insert("idle".into(), 0);
    assert_eq!(told(&clean), None);
    for n in 1..=6 {
        clean.rule_hits.insert(format!("r{n}").into(), n * 1_000);
    }
    let expected = "exchanges in which a rule covered something: \"r6\" 6,000, \"r5\" 5,000, \"r4\" 4,000, \
                    \"r3\" 3,000, \"r2\" 2,000, and 1 more";
    assert_eq!(told(&clean).as_deref(), Some(expected));
}

#[test]
fn a_route_may_ask_for_a_longer_span_than_all_together() {
    let mut policy = policy(&[Criterion::Divergence, Criterion::Minimum]);
    configured(&mut policy, "orders", false);
    policy.routes.get_mut("orders").unwrap().settings.min_duration = Duration::from_secs(3_600);
    let clean = evidence(&[("GET orders", 10_000, 0), ("GET /a", 10_000, 0)]);
    let judged = judge(&policy, &clean, &after(1_800));
    assert_eq!((judged.verdict, judged.eta_seconds), (Verdict::Inconclusive, Some(1_800)));
    let row = of(&judged, Criterion::Minimum, Some("GET orders"));
    assert_eq!((row.required, row.reason.as_str()), (true, "evidence spans 30 min, min_duration is 1 h"));
    assert_eq!(of(&judged, Criterion::Minimum, None).verdict, Verdict::Pass);
    assert_eq!(judge(&policy, &clean, &after(3_600)).verdict, Verdict::Pass);
    // Of a shorter one nothing comes: all together have to span theirs.
    policy.default.min_duration = Duration::from_secs(7_200);
    let judged = judge(&policy, &clean, &after(3_600));
    assert_eq!((judged.verdict, judged.eta_seconds), (Verdict::Inconclusive, Some(3_600)));
}
