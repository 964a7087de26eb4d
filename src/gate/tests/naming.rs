//! Evidence of which nobody knows whether it is all of one build.

use super::*;
use crate::evidence::{Move, Naming};
use crate::model::Severity;

fn judged(naming: Naming) -> Judgement {
    let mut clean = evidence(&[("GET /a", 10_000, 0)]);
    clean.epoch.naming = naming;
    judge(&policy(ONLY), &clean, &after(10))
}

#[test]
fn answers_that_name_no_build_pass_nothing_unless_they_are_few() {
    let named = |unnamed| Naming { named: true, unnamed, since: None };
    for (unnamed, verdict) in [(0, Verdict::Pass), (100, Verdict::Pass), (101, Verdict::Inconclusive)] {
        assert_eq!(judged(named(unnamed)).verdict, verdict, "{unnamed}");
    }
    let reason = |judged: &Judgement| judged.criteria.last().unwrap().reason.clone();
    let many = reason(&judged(named(1_234)));
    assert!(
        many.starts_with(
            "1,234 exchanges counted here came while no answer named its build, so they may not be b1's: "
        ),
        "{many}"
    );
    // While it lasts it does not matter how many they are.
    let lasts = judged(Naming { since: Some(started()), ..named(20) });
    assert_eq!(lasts.verdict, Verdict::Inconclusive);
    let lasts = reason(&lasts);
    assert!(
        lasts.starts_with("no answer has named its build since 2026-01-01T00:00:00.000Z, so it may not be b1 any more"),
        "{lasts}"
    );
    assert!(lasts.contains("candidate.build_header") && lasts.contains("POST /api/v1/epoch"), "{lasts}");
    // A failure is one, whoever it is.
    let mut broken = evidence(&[("GET /a", 10_000, 5_000)]);
    broken.epoch.naming = Naming { since: Some(started()), ..named(20) };
    assert_eq!(judge(&policy(ONLY), &broken, &after(10)).verdict, Verdict::Fail);
}

#[test]
fn a_candidate_that_moved_is_told_and_judged() {
    let mut clean = evidence(&[("GET /a", 10_000, 0)]);
    clean.epoch.moved = Some(Move { at: started(), from: "http://blue".into(), to: "http://green".into() });
    let judged = judge(&policy(ONLY), &clean, &after(10));
    let notice = judged.notices.iter().find(|notice| notice.code == "candidate_moved").unwrap();
    assert_eq!((judged.verdict, notice.severity, notice.since), (Verdict::Pass, Severity::Warning, Some(started())));
    assert!(notice.message.contains("from http://blue to http://green"), "{}", notice.message);
}
