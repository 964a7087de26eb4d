//! Headers that speak of time: instants against each answer's own date, spans with the patience of two clocks.

use super::{Differs, HeaderComparison, Tier, Values, date, lists};
use std::collections::{BTreeMap, BTreeSet};

/// Each answer's own date, where it has one.
pub(super) type Dates = (Option<i64>, Option<i64>);

/// How far two Date fields may be off from what was made beside them.
const TICK: u64 = 1;

/// Expires: how long an answer is good for, counted from its own date. What is no date has expired (RFC 9111 5.3).
pub(super) fn expires(how: &HeaderComparison<'_>, a: &str, b: &str, now: Dates) -> Option<Differs> {
    let life = |text: &str, now: Option<i64>| match date::parse(text) {
        Some(until) => now.map(|now| until.saturating_sub(now)),
        None => Some(-1),
    };
    let same = match (date::parse(a), date::parse(b)) {
        (Some(x), Some(y)) if x == y => return repr(),
        (Some(x), Some(y)) => x.abs_diff(y) <= how.slack().unsigned_abs(),
        _ => false,
    };
    match (life(a, now.0), life(b, now.1)) {
        (Some(x), Some(y)) if x <= 0 && y <= 0 => repr(),
        (Some(x), Some(y)) if (x <= 0) != (y <= 0) => value(),
        (Some(x), Some(y)) if same || x.abs_diff(y) <= TICK => None,
        _ if same => None,
        _ => value(),
    }
}

/// Retry-After: seconds, or an instant that is as many away.
pub(super) fn retry_after(how: &HeaderComparison<'_>, a: &str, b: &str, now: Dates) -> Option<Differs> {
    let wait = |text: &str, now: Option<i64>| match text.parse::<u32>() {
        Ok(seconds) => Some(i64::from(seconds)),
        Err(_) => Some(date::parse(text)?.saturating_sub(now?)),
    };
    if let (Some(x), Some(y)) = (date::parse(a), date::parse(b)) {
        return match x.abs_diff(y) {
            0 => repr(),
            apart if apart <= how.slack().unsigned_abs() => None,
            _ => value(),
        };
    }
    match (wait(a, now.0), wait(b, now.1)) {
        (Some(x), Some(y)) if x.abs_diff(y) <= TICK && (x == y || date::parse(a).or(date::parse(b)).is_some()) => {
            repr()
        }
        (Some(x), Some(y)) if near(how, x, y) => Some(Differs::new("header.value", Tier::Info)),
        _ => value(),
    }
}

/// Directives by name: another set of them, or other values. Ages that were counted down by two clocks are only told.
pub(super) fn directives(
    how: &HeaderComparison<'_>,
    a: &Values<'_>,
    b: &Values<'_>,
    separator: char,
) -> Option<Differs> {
    let (x, y) = (lists::directives(a, separator), lists::directives(b, separator));
    if x == y {
        return None;
    }
    let names = |d: &BTreeMap<String, String>| d.keys().cloned().collect::<BTreeSet<_>>();
    let (ours, theirs) = (names(&x), names(&y));
    if ours != theirs {
        return Some(Differs::new("header.set", Tier::Value).classes("set", lists::relation(&ours, &theirs)));
    }
    let differing: Vec<_> =
        x.iter().zip(y.values()).filter(|((_, v), w)| v != w).map(|((n, v), w)| (n, v, w)).collect();
    let counted_down = differing.iter().all(|(_, v, w)| {
        let (Ok(v), Ok(w)) = (v.parse::<u32>(), w.parse::<u32>()) else { return false };
        near(how, v.into(), w.into())
    });
    let names = differing.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>().join(",");
    let tier = if counted_down { Tier::Info } else { Tier::Value };
    Some(Differs::new("header.value", tier).classes(&names, &names))
}

/// Two spans that two clocks may have counted down from the same instant. None at all is never near some.
fn near(how: &HeaderComparison<'_>, a: i64, b: i64) -> bool {
    a.abs_diff(b) <= how.slack().unsigned_abs() && (a > 0) == (b > 0)
}

fn repr() -> Option<Differs> {
    Some(Differs::new("header.value", Tier::Repr))
}

fn value() -> Option<Differs> {
    Some(Differs::new("header.value", Tier::Value))
}
