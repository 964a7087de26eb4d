//! Evidence of which nobody knows whether it is all of one build.

use super::*;
use crate::evidence::{Move, Naming};
use crate::model::Severity;

fn judged(unnamed: u64, divergent: u64) -> Judgement {
    let mut clean = evidence(&[("GET /a", 10_000, divergent)]);
    clean.epoch.naming = Naming { unnamed };
    judge(&policy(ONLY), &clean, &after(10))
}

#[test]
fn answers_that_name_no_build_pass_nothing_unless_they_are_few() {
    for (unnamed, verdict) in [(0, Verdict::Pass), (100, Verdict::Pass), (101, Verdict::Inconclusive)] {
        assert_eq!(judged(unnamed, 0).verdict, verdict, "{unnamed}");
    }
    let many = judged(1_234, 0).criteria.last().unwrap().reason.clone();
    assert!(
        many.starts_with(
            "1,234 answers counted here name no build where b1 names itself, so they may not be its own: "
        ),
        "{many}"
    );
    assert!(many.contains("candidate.build_header") && many.contains("POST /api/v1/epoch"), "{many}");
    // A failure is one, whoever it is.
    assert_eq!(judged(1_234, 5_000).verdict, Verdict::Fail);
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
