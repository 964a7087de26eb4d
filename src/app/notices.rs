//! What people should know beside the numbers; above all why there are none.

use super::Shared;
use crate::config::Checked;
use crate::diff::{CONFIRMATIONS, InferredKey};
use crate::evidence::Counts;
use crate::gate::{because, unmirrored};
use crate::model::{Bucket, Leg, Notice, Severity, Timestamp};
use crate::pipeline::Snapshot;
use crate::report::{duration, thousands};
use std::time::Duration;

/// How long silence may last before it is explained.
const QUIET: Duration = Duration::from_secs(30);

/// Keys found by `align = "auto"` that are shown.
const MAX_KEYS: usize = 10;

/// The notices of a running proxy.
pub fn of(shared: &Shared, snapshot: &Snapshot, settings: &Checked, now: Timestamp) -> Vec<Notice> {
    let add = |notices: &mut Vec<Notice>, code: &str, severity, message: String, hint: Option<&str>| {
        notices.push(Notice { code: code.into(), severity, message, hint: hint.map(str::to_owned), since: None });
    };
    let mut notices = Vec::new();
    let totals = snapshot.evidence.totals();
    if !snapshot.mirroring {
        add(
            &mut notices,
            "mirroring_off",
            Severity::Warning,
            "mirroring is switched off: users are served, nothing is compared".into(),
            Some("switch it on with POST /api/v1/mirror {\"enabled\": true}, or on the dashboard"),
        );
    } else if let Some(line) = explain(&totals, settings, &shared.listen_url())
        && now.since(shared.started) >= QUIET
    {
        add(&mut notices, "nothing_mirrored", Severity::Warning, line, None);
    }
    let plan = shared.plan.load_full();
    let legs = plan.legs();
    for leg in [Leg::Candidate, Leg::Control] {
        if let Some(open) = legs.breaker_open_for(leg) {
            let skipped = totals.not_mirrored.breaker_open;
            let skipped = match leg {
                Leg::Candidate if skipped > 0 => format!(": {} requests were not mirrored", thousands(skipped)),
                _ => String::new(),
            };
            let hint =
                "it closes by itself once the leg answers again; what it skips is not held against the candidate";
            notices.push(Notice {
                code: "breaker_open".into(),
                severity: Severity::Warning,
                message: format!("the {leg}'s breaker has been open for {}{skipped}", duration(open)),
                hint: Some(hint.into()),
                since: Some(Timestamp::from_micros(now.as_micros().saturating_sub(open.as_micros() as u64))),
            });
        }
    }
    for line in inferred_keys(&shared.judging.examination().rules().inferred_keys()) {
        let hint = Some("write align = { key = [...] } in the rule to settle it");
        add(&mut notices, "inferred_key", Severity::Info, line, hint);
    }
    for warning in &settings.warnings {
        add(&mut notices, "configuration", Severity::Info, warning.clone(), None);
    }
    notices
}

/// What `align = "auto"` has found, those in use first.
fn inferred_keys(keys: &[InferredKey]) -> Vec<String> {
    let mut keys: Vec<&InferredKey> = keys.iter().collect();
    keys.sort_by_key(|key| !key.in_use());
    let say = |key: &&InferredKey| {
        let place = format!("align = \"auto\" at {} on {}", key.location, key.route);
        let (member, times) = (&key.member, key.confirmations);
        if key.in_use() {
            format!("{place}: elements are paired by \"{member}\" (confirmed {times} times)")
        } else {
            format!("{place}: not paired by \"{member}\" yet (confirmed {times} of {CONFIRMATIONS} times)")
        }
    };
    let mut lines: Vec<String> = keys.iter().take(MAX_KEYS).map(say).collect();
    if keys.len() > MAX_KEYS {
        lines.push(format!("align = \"auto\" at {} more places", thousands((keys.len() - MAX_KEYS) as u64)));
    }
    lines
}

/// When a proxy that receives or mirrors nothing says so in its log: once after a while, again when that changes.
#[derive(Debug, Default)]
pub struct Silence {
    next: Option<Timestamp>,
    said: Option<String>,
}

// === impl Silence ===

impl Silence {
    pub fn due(&mut self, now: Timestamp, started: Timestamp) -> bool {
        let next = *self.next.get_or_insert(started + QUIET);
        if now < next {
            return false;
        }
        self.next = Some(now + QUIET);
        true
    }

    /// The line to log, when there is one that was not logged last time.
    pub fn explain(&mut self, totals: &Counts, settings: &Checked, listen: &str) -> Option<String> {
        let line = explain(totals, settings, listen);
        let heart = |l: &str| l.trim_start_matches(|c: char| c.is_ascii_digit() || c == ',').to_owned();
        let news = line.as_deref().map(heart);
        if news == self.said {
            return None;
        }
        self.said = news;
        line
    }
}

/// Why there is nothing to compare, in one sentence that says what to change.
fn explain(totals: &Counts, settings: &Checked, listen: &str) -> Option<String> {
    if totals.requests == 0 {
        return Some(format!("no request has arrived yet: send one with `curl -i {listen}/`"));
    }
    let (bucket, count) = unmirrored(totals)?;
    let (why, remedy) = because(bucket);
    // Here it is known what is set.
    let why = match bucket {
        Bucket::Method => {
            let allowed: Vec<&str> = settings.mirror.methods.iter().map(http::Method::as_str).collect();
            format!("use methods that are not among {}, which `mirror.methods` allows", allowed.join(", "))
        }
        Bucket::SampledOut => format!("{why}, `mirror.sample` is {}", settings.mirror.sample),
        Bucket::BreakerOpen => format!("{why}: {} could not be reached", settings.candidate),
        _ => why.to_owned(),
    };
    let (requests, count) = (thousands(totals.requests), thousands(count));
    Some(format!("{requests} requests, none mirrored: {count} {why}. help: {remedy}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Checked {
        let flags = crate::config::Flags {
            primary: Some("http://127.0.0.1:1".into()),
            candidate: Some("http://127.0.0.1:2".into()),
            ..Default::default()
        };
        crate::config::load(None, &flags).unwrap()
    }

    #[test]
    fn silence_is_explained_once() {
        let (mut silence, settings) = (Silence::default(), settings());
        let mut totals = Counts { requests: 412, ..Counts::default() };
        totals.not_mirrored.method = 412;
        let line = silence.explain(&totals, &settings, "http://127.0.0.1:8080").unwrap();
        assert!(line.starts_with("412 requests, none mirrored: 412 use methods that are not among GET"), "{line}");
        assert!(line.contains("GET, HEAD, OPTIONS"), "{line}");
        totals.mirrored = 1;
        assert_eq!(silence.explain(&totals, &settings, ""), None);
    }

    #[test]
    fn keys_in_use_are_shown_first_and_not_without_end() {
        let key = |n: u32, confirmations| InferredKey {
            route: "GET /x".into(),
            location: format!("json:$.a{n}"),
            member: "id".into(),
            confirmations,
        };
        let mut keys: Vec<_> = (0..11).map(|n| key(n, 7)).collect();
        keys.push(key(99, CONFIRMATIONS));
        let lines = inferred_keys(&keys);
        assert_eq!(
            lines[0],
            "align = \"auto\" at json:$.a99 on GET /x: elements are paired by \"id\" (confirmed 20 times)"
        );
        assert_eq!(
            lines[1],
            "align = \"auto\" at json:$.a0 on GET /x: not paired by \"id\" yet (confirmed 7 of 20 times)"
        );
        assert_eq!((lines.len(), lines[10].as_str()), (11, "align = \"auto\" at 2 more places"));
    }

    #[test]
    fn it_waits_a_while() {
        let (mut silence, start) = (Silence::default(), Timestamp::from_micros(1));
        assert!(!silence.due(start + Duration::from_secs(29), start));
        assert!(silence.due(start + QUIET, start));
        assert!(!silence.due(start + QUIET, start));
    }
}
