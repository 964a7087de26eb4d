//! Small values for the tests of this room and of those that keep what it makes.

use super::{Compared, EpochInfo, EpochReason, Example, ExampleMessage, Settled, Settlement};
use crate::diff::{Finding, Findings, Tier};
use crate::model::{LegRecord, PerLeg, StatusClass, Timestamp, Timing};
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_micros(1_767_225_600_000_000 + seconds * 1_000_000)
}

pub(crate) fn finding(kind: &'static str, location: &str, tier: Tier) -> Finding {
    Finding {
        kind: kind.into(),
        tier,
        location: location.into(),
        exact: location.into(),
        primary_class: "string".into(),
        candidate_class: "string".into(),
        primary_shape: None,
        candidate_shape: None,
        primary: Some("old".into()),
        candidate: Some("new".into()),
        cover: None,
        secondary: false,
    }
}

pub(crate) fn findings(list: Vec<Finding>) -> Findings {
    Findings { list, ..Findings::default() }
}

pub(crate) fn epoch(id: &str, build: Option<&str>) -> EpochInfo {
    EpochInfo {
        id: id.into(),
        candidate_build: build.map(Into::into),
        rules: "r1".into(),
        started_at: at(0),
        reason: EpochReason::Start,
        ..Default::default()
    }
}

pub(crate) fn example(id: &str, second: u64) -> Example {
    Example {
        id: id.into(),
        at: at(second),
        request: ExampleMessage { start: "GET /a HTTP/1.1".into(), ..Default::default() },
        primary: ExampleMessage { start: "HTTP/1.1 200 OK".into(), ..Default::default() },
        candidate: ExampleMessage { start: "HTTP/1.1 200 OK".into(), ..Default::default() },
        differences: vec![],
        rules: Default::default(),
    }
}

pub(crate) fn leg(class: StatusClass, millis: u64) -> Option<LegRecord> {
    let took = Duration::from_millis(millis);
    Some(LegRecord { class, timing: Timing { first_byte: Some(took), last_byte: took, ..Default::default() } })
}

/// A compared exchange; `list` is what the candidate differed in.
pub(crate) fn compared(id: &str, route: &str, second: u64, list: Vec<Finding>) -> Settled {
    let example = (!list.is_empty()).then(|| Arc::new(example(id, second).into()));
    Settled {
        id: id.into(),
        route: route.into(),
        generation: 1,
        build: None,
        arrived: at(second),
        legs: PerLeg { primary: leg(StatusClass::Success, 5), candidate: leg(StatusClass::Success, 6), control: None },
        result: Settlement::Compared(Compared { candidate: findings(list), control: None, example }),
    }
}
