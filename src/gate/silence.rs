//! Why there is nothing to judge, or nothing more: which bucket requests fell into, and what would change that.

use super::words::{duration, thousands};
use crate::evidence::{Counts, EpochInfo, EpochReason};
use crate::model::{Bucket, Incomparable};
use std::time::Duration;

/// What befell a request of this bucket, as `they ...`, and the remedy.
pub fn because(bucket: Bucket) -> (&'static str, &'static str) {
    match bucket {
        Bucket::Method => (
            "use methods that `mirror.methods` does not name",
            "name the methods on a route, if the candidate is isolated",
        ),
        Bucket::SampledOut => ("fell outside the sample", "raise `mirror.sample`"),
        Bucket::Disabled => {
            ("came while mirroring was switched off", "POST /api/v1/mirror {\"enabled\": true} switches it on")
        }
        Bucket::BreakerOpen => ("came while the candidate's breaker was open", "check that the candidate runs"),
        Bucket::RateLimited => ("were over `mirror.max_rate`", "raise it"),
        Bucket::Shed => {
            ("were shed, too many were in flight", "raise `mirror.max_in_flight`, or speed up the candidate")
        }
        Bucket::Upgrade => (
            "were upgrades (WebSocket, CONNECT), which are tunnelled and never mirrored",
            "send other requests: nothing can be compared of these",
        ),
        Bucket::Loop => (
            "carried the header x-parallax-leg: what arrives here has been mirrored before",
            "point the candidate's URL at the candidate, not at this proxy",
        ),
    }
}

/// That an epoch holds nothing. One that was begun by hand for a build waits for that build: what others answer counts in
/// theirs.
pub fn nothing_arrived(epoch: &EpochInfo) -> String {
    let nothing = "no request has arrived yet";
    match (&epoch.candidate_build, epoch.reason) {
        (Some(build), EpochReason::Manual) => format!("{nothing} that build {build} answered"),
        _ => nothing.to_owned(),
    }
}

/// The bucket that most fell into, where none was mirrored though some arrived.
pub fn unmirrored(counts: &Counts) -> Option<(Bucket, u64)> {
    if counts.mirrored > 0 {
        return None;
    }
    let all = Bucket::ALL.into_iter().map(|bucket| (bucket, counts.not_mirrored.get(bucket)));
    all.max_by_key(|(_, n)| *n).filter(|(_, n)| *n > 0)
}

/// Why nothing was compared between two looks at the counts; `None` where something was.
pub fn standstill(before: &Counts, after: &Counts, between: Duration) -> Option<String> {
    if after.compared > before.compared {
        return None;
    }
    let (requests, mirrored) =
        (after.requests.saturating_sub(before.requests), after.mirrored.saturating_sub(before.mirrored));
    let lasted = duration(between);
    if requests == 0 && mirrored == 0 {
        return Some(format!("no request has arrived for {lasted}: send traffic through the proxy"));
    }
    let mut since = Counts { mirrored, ..Counts::default() };
    for bucket in Bucket::ALL {
        let more = after.not_mirrored.get(bucket).saturating_sub(before.not_mirrored.get(bucket));
        *since.not_mirrored.get_mut(bucket) = more;
    }
    let requests = thousands(requests);
    if let Some((bucket, n)) = unmirrored(&since) {
        let (why, remedy) = because(bucket);
        return Some(format!("{requests} requests in {lasted}, none mirrored: {} {why}; {remedy}", thousands(n)));
    }
    let lost = |reason| after.incomparable_reasons.get(reason).saturating_sub(before.incomparable_reasons.get(reason));
    let most = Incomparable::ALL.into_iter().map(|reason| (reason, lost(reason))).max_by_key(|(_, n)| *n);
    let why = match most.filter(|(_, n)| *n > 0) {
        Some((reason, n)) => format!("{} {}", thousands(n), reason.as_str()),
        None => "they are still under way".to_owned(),
    };
    Some(format!("{} mirrored in {lasted}, none compared: {why}", thousands(mirrored)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_begun_for_a_build_waits_for_that_build() {
        let epoch = |build: Option<&str>, reason| EpochInfo {
            id: "2".into(),
            candidate_build: build.map(Into::into),
            rules: String::new(),
            started_at: Default::default(),
            reason,
            ..Default::default()
        };
        let said = |build, reason| nothing_arrived(&epoch(build, reason));
        assert_eq!(said(None, EpochReason::Manual), "no request has arrived yet");
        assert_eq!(said(Some("v3"), EpochReason::Start), "no request has arrived yet");
        assert_eq!(said(Some("v3"), EpochReason::Manual), "no request has arrived yet that build v3 answered");
    }

    #[test]
    fn a_standstill_names_what_stands_still() {
        let before = Counts { requests: 10, mirrored: 10, compared: 8, pending: 2, ..Counts::default() };
        let say = |edit: &dyn Fn(&mut Counts)| {
            let mut after = before.clone();
            edit(&mut after);
            standstill(&before, &after, Duration::from_secs(20))
        };
        assert_eq!(say(&|c| c.compared += 1), None);
        assert_eq!(say(&|_| {}).unwrap(), "no request has arrived for 20 s: send traffic through the proxy");
        for (bucket, heart) in [
            (Bucket::Method, "mirror.methods"),
            (Bucket::SampledOut, "raise `mirror.sample`"),
            (Bucket::Disabled, "switched off"),
            (Bucket::BreakerOpen, "breaker was open; check that the candidate runs"),
            (Bucket::RateLimited, "mirror.max_rate"),
            (Bucket::Shed, "mirror.max_in_flight"),
            (Bucket::Upgrade, "never mirrored"),
            (Bucket::Loop, "x-parallax-leg"),
        ] {
            let said = say(&|c| {
                c.requests += 5;
                *c.not_mirrored.get_mut(bucket) += 5;
            });
            let said = said.unwrap();
            assert!(said.starts_with("5 requests in 20 s, none mirrored: 5 ") && said.contains(heart), "{said}");
        }
        let lost = say(&|c| {
            (c.requests, c.mirrored, c.incomparable) = (13, 13, 3);
            c.incomparable_reasons.client_aborted = 3;
        });
        assert_eq!(lost.unwrap(), "3 mirrored in 20 s, none compared: 3 client_aborted");
        let stuck = say(&|c| (c.requests, c.mirrored, c.pending) = (11, 11, 3));
        assert_eq!(stuck.unwrap(), "1 mirrored in 20 s, none compared: they are still under way");
    }
}
