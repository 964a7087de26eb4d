//! Findings about an array of events in the words of streams: an event that only one side has, the order of events, a
//! stream that ends early. What differs inside an event stays where it is.

use crate::diff::finding::excerpt;
use crate::diff::{Finding, Findings, Tier};

/// Where an event itself stands, and all of them together.
const EVENT: &str = "json:$[*]";
const ALL: &str = "json:$";

/// `found` was found in arrays of as many events.
pub(super) fn told(mut found: Findings, primary: usize, candidate: usize) -> Findings {
    for finding in &mut found.list {
        let kind = match (&*finding.kind, &*finding.location) {
            ("json.item_missing", EVENT) => "stream.event_missing",
            ("json.item_extra", EVENT) => "stream.event_extra",
            ("json.moved", EVENT) | ("json.order", ALL) => "stream.event_order",
            ("json.value" | "json.type" | "json.null_vs_empty", EVENT) => "stream.event_value",
            _ => continue,
        };
        finding.kind = kind.into();
        finding.location = "body".into();
        finding.exact = match place(&finding.exact) {
            Some(event) => format!("body, event {event}").into(),
            None => "body".into(),
        };
    }
    ended_early(&mut found, primary, candidate);
    found
}

/// One finding for all the events that a candidate lacks, where they are the last ones.
fn ended_early(found: &mut Findings, primary: usize, candidate: usize) {
    let missing = |f: &Finding| &*f.kind == "stream.event_missing";
    let first = found.list.iter().filter(|f| missing(f)).filter_map(|f| number(&f.exact)).min();
    if first != Some(candidate) {
        return;
    }
    // As many as the candidate has all have partners, so that what is missing is what comes after.
    let is_covered = found.list.iter().filter(|f| missing(f)).all(|f| f.cover.is_some());
    let cover = found.list.iter().find(|f| missing(f)).and_then(|f| f.cover.clone());
    let kept = found.list.iter().filter(|f| missing(f)).count();
    found.list.retain(|f| !missing(f));
    found.dropped = found.dropped.saturating_sub((primary - candidate).saturating_sub(kept) as u64);
    let mut finding = Finding::new("stream.ended_early", Tier::Break, "body").classes("whole", "ended");
    finding.exact = format!("body, event {candidate}").into();
    finding.cover = cover.filter(|_| is_covered);
    finding.primary = Some(excerpt(&events(primary)));
    finding.candidate = Some(excerpt(&events(candidate)));
    found.push(finding);
}

fn events(n: usize) -> String {
    if n == 1 { "1 event".to_owned() } else { format!("{n} events") }
}

/// The position in `json:$[3]`.
fn place(exact: &str) -> Option<usize> {
    exact.strip_prefix("json:$[")?.strip_suffix(']')?.parse().ok()
}

fn number(exact: &str) -> Option<usize> {
    exact.strip_prefix("body, event ")?.parse().ok()
}
