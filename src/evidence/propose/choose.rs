//! One route: which property fits which volatile place.
//!
//! | what differs | rule |
//! |---|---|
//! | points in time, close together | `tolerance = { time }` |
//! | numbers, very close together | `tolerance = { relative }` |
//! | texts that recur in the answer and are renamed alike everywhere | `bijection` |
//! | values of one class | `shape`, the narrowest |
//! | the order of the same elements | `align = "set"`, `"multiset"` where they repeat |
//! | the members of the same objects in another order | `align = { key }` and `ignore = "order"` on the array |
//! | members and elements that come and go | `ignore`: nothing narrower holds |
//! | anything else: statuses, texts, whole bodies | none, it would hide too much |

use super::super::noise::comes_and_goes;
use super::super::{Sightings, Volatilities};
use crate::diff::value::Class;
use crate::diff::{Align, Ignore, RuleSpec, Shape, Tolerance};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What a proposal rests on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Basis {
    pub control: bool,
    /// Exchanges.
    pub of: u64,
}

/// A rule for one place of one route; without an id, and `on` left open.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    pub rule: RuleSpec,
    pub basis: Basis,
    pub differed: u64,
    /// What `why` says beside the numbers.
    pub detail: String,
}

/// Location, kind and exchanges of a place without a rule.
pub(super) type Rest = (Arc<str>, Arc<str>, u64);

/// Exchanges in which a place has to differ: what happened once or twice may be a hiccup.
const LEAST: u64 = 3;
/// Share of the exchanges from which on a rule that lets nearly everything pass is proposed.
const OFTEN: f64 = 0.05;
/// Share of the values that has to be of one class.
const NEARLY_ALL: f64 = 0.99;
/// Share of the exchanges in which a label has to recur.
const MOSTLY: f64 = 0.9;
/// Without a control: share of exchanges that have to differ, and of values that have to be new ones by the estimate.
const ALWAYS: f64 = 0.95;
const DISTINCT: f64 = 0.75;
/// What tolerances are made from.
const QUANTILE: f64 = 0.999;

/// Up to where values are taken for noise: without a control every difference may be the candidate's own.
#[derive(Clone, Copy)]
struct Bounds {
    /// Distances up to which a tolerance makes sense.
    relative: f64,
    seconds: f64,
    /// Whether a class counts of which real values are, such as a price or a day.
    any_class: bool,
}

const WITH_CONTROL: Bounds = Bounds { relative: 1e-3, seconds: 3_600.0, any_class: true };
const WITHOUT_CONTROL: Bounds = Bounds { relative: 1e-6, seconds: 60.0, any_class: false };

/// The group that is proposed for labels: one value has one meaning in an answer, wherever it stands.
const LABELS: &str = "labels";

/// What is drawn at random and is nothing else.
const GENERATED: [Class; 5] = [Class::Uuid, Class::Ulid, Class::Jwt, Class::Hex, Class::Base64];

/// The narrowest first.
const CLASSES: [Class; 18] = [
    Class::Uuid,
    Class::Ulid,
    Class::Jwt,
    Class::Rfc3339,
    Class::HttpDate,
    Class::Date,
    Class::Ip,
    Class::Email,
    Class::UnixNs,
    Class::UnixMs,
    Class::UnixS,
    Class::Bool,
    Class::Int,
    Class::Hex,
    Class::Semver,
    Class::Number,
    Class::Url,
    Class::Base64,
];

/// Members that tell elements apart, the most likely first.
const KEY_NAMES: [&str; 8] = ["id", "_id", "key", "name", "uuid", "code", "@id", "href"];

/// All of one leg at one location, by kind.
type Kinds<'v> = BTreeMap<&'v str, &'v Sightings>;

/// Rules for what is volatile, and what none fits.
pub(super) fn choose(table: &Volatilities, basis: Basis) -> (Vec<Chosen>, Vec<Rest>) {
    let mut places: BTreeMap<&str, Kinds<'_>> = BTreeMap::new();
    for ((location, kind), seen) in table {
        let leg = if basis.control { &seen.control } else { &seen.candidate };
        if leg.exchanges >= LEAST {
            places.entry(location).or_default().insert(kind, leg);
        }
    }
    let (mut chosen, mut rest): (Vec<Chosen>, Vec<Rest>) = (Vec::new(), Vec::new());
    if basis.control {
        chosen.extend(keyed(&places, basis));
    }
    for (location, kinds) in &places {
        let keyed = |c: &Chosen| matches!(c.rule.align, Some(Align::Key(_))) && is_or_beneath(&c.rule.at, location);
        if chosen.iter().any(keyed) {
            // The elements were not the ones that belong together: nothing that differs inside them says anything.
            continue;
        }
        if is_shuffled(kinds) {
            let exchanges = kinds.values().map(|seen| seen.exchanges).max().unwrap_or(0);
            rest.push((Arc::from(*location), "json.value".into(), exchanges));
            continue;
        }
        if chosen.iter().any(|c| c.rule.ignore == Some(Ignore::All) && beneath(&c.rule.at, location)) {
            continue;
        }
        let elements = places.get(format!("{location}[*]").as_str());
        match at_place(location, kinds, elements, basis) {
            Some(rule) => chosen.push(rule),
            None if basis.control => {
                let differed = kinds.iter().max_by_key(|(_, seen)| seen.exchanges);
                rest.extend(differed.map(|(kind, seen)| (Arc::from(*location), Arc::from(*kind), seen.exchanges)));
            }
            // Without a control what is left are simply the candidate's differences.
            None => {}
        }
    }
    // The order of elements that are ignored says nothing.
    let ignored: Vec<String> =
        chosen.iter().filter(|c| c.rule.ignore == Some(Ignore::All)).map(|c| c.rule.at.clone()).collect();
    rest.retain(|(location, ..)| !ignored.contains(&format!("{location}[*]")));
    (chosen, rest)
}

/// Whether what differs at this place are the values of elements in another order.
fn is_shuffled(kinds: &Kinds<'_>) -> bool {
    kinds.get("json.value").is_some_and(|seen| seen.crowds >= LEAST && share(seen.permuted, seen.crowds) >= MOSTLY)
}

/// Rules for arrays of objects that come in any order and have something volatile inside.
fn keyed(places: &BTreeMap<&str, Kinds<'_>>, basis: Basis) -> Vec<Chosen> {
    let mut keys: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
    for (location, kinds) in places.iter().filter(|(_, kinds)| is_shuffled(kinds)) {
        let Some((array, member)) = location.rsplit_once("[*].") else { continue };
        let Some(seen) = kinds.get("json.value") else { continue };
        if !member.contains(['.', '[', '*']) && share(seen.unique, seen.crowds) >= NEARLY_ALL {
            keys.entry(array).or_default().push((member, seen.exchanges));
        }
    }
    let likely = |member: &str| KEY_NAMES.iter().position(|name| *name == member).unwrap_or(KEY_NAMES.len());
    let choose = |(array, members): (&str, Vec<(&str, u64)>)| {
        let (member, differed) = members.into_iter().min_by_key(|(member, _)| likely(member))?;
        let rule = RuleSpec {
            at: array.to_owned(),
            align: Some(Align::Key(vec![member.to_owned()])),
            ignore: Some(Ignore::Order),
            ..RuleSpec::default()
        };
        let detail = format!(
            "the same elements in another order, told apart by `{member}`; what differs inside them is seen once this holds"
        );
        Some(Chosen { rule, basis, differed, detail })
    };
    keys.into_iter().filter_map(choose).collect()
}

fn is_or_beneath(above: &str, location: &str) -> bool {
    above == location || beneath(above, location)
}

fn beneath(above: &str, location: &str) -> bool {
    location.strip_prefix(above).is_some_and(|rest| rest.starts_with(['.', '[']))
}

fn at_place(location: &str, kinds: &Kinds<'_>, elements: Option<&Kinds<'_>>, basis: Basis) -> Option<Chosen> {
    let chosen = |differed: u64, detail: String, rule: RuleSpec| {
        Some(Chosen { rule: RuleSpec { at: location.to_owned(), ..rule }, basis, differed, detail })
    };
    let often = |exchanges: u64| exchanges as f64 >= OFTEN * basis.of as f64;
    let value =
        ["json.value", "csv.value", "header.value", "trailer.value"].iter().find_map(|kind| kinds.get(kind).copied());
    if !basis.control {
        let seen = value.filter(|seen| is_new_every_time(seen, basis))?;
        let (rule, detail) = of_values(location, seen, WITHOUT_CONTROL)?;
        return chosen(seen.exchanges, detail, rule);
    }
    if location.starts_with("json:") {
        let presence = kinds.iter().filter(|(kind, _)| comes_and_goes(kind)).map(|(_, seen)| seen.exchanges).max();
        if let Some(differed) = presence {
            let what = if location.ends_with("[*]") { "elements come" } else { "the member comes" };
            let rule = RuleSpec { ignore: Some(Ignore::All), ..RuleSpec::default() };
            let detail = format!("{what} and go, which nothing but ignoring excuses");
            return often(differed).then(|| chosen(differed, detail, rule))?;
        }
        if let Some(order) = kinds.get("json.order") {
            let others = elements.and_then(|e| e.values().map(|seen| seen.exchanges).max()).unwrap_or(0);
            let all = (order.exchanges + others) as f64;
            if (order.exchanges as f64) < NEARLY_ALL * all {
                return None;
            }
            let (align, detail) = match order.repeats {
                0 => (Align::Set, "always the same elements in another order"),
                _ => (Align::Multiset, "always the same elements in another order, some of them repeated"),
            };
            let rule = RuleSpec { align: Some(align), ..RuleSpec::default() };
            return chosen(order.exchanges, detail.to_owned(), rule);
        }
    }
    let seen = value?;
    if let Some((rule, detail)) = of_values(location, seen, WITH_CONTROL) {
        return chosen(seen.exchanges, detail, rule);
    }
    let texts = !location.starts_with("json:") || share(seen.quoted, seen.values) >= NEARLY_ALL;
    let rule = RuleSpec { shape: Some(Shape::Class(Class::String.name().to_owned())), ..RuleSpec::default() };
    let detail = "texts of no narrower class".to_owned();
    (texts && often(seen.exchanges)).then(|| chosen(seen.exchanges, detail, rule))?
}

fn is_new_every_time(seen: &Sightings, basis: Basis) -> bool {
    let new = |estimate: f64| estimate >= DISTINCT * seen.values as f64;
    share(seen.exchanges, basis.of) >= ALWAYS && new(seen.distinct.0.estimate()) && new(seen.distinct.1.estimate())
}

/// The narrowest property for values that differ: close together, renamed, of one class.
fn of_values(location: &str, seen: &Sightings, bounds: Bounds) -> Option<(RuleSpec, String)> {
    let class = CLASSES.into_iter().find(|class| is_of(seen, *class));
    let is_time = class.is_some_and(|c| {
        use Class::{Date, HttpDate, Int, Number, Rfc3339, UnixMs, UnixNs, UnixS};
        matches!(c, Rfc3339 | HttpDate | Date | UnixS | UnixMs | UnixNs | Int | Number)
    });
    let json = location.starts_with("json:");
    // Outside of JSON only a date is read as a time: what stands there beside it is not looked at.
    let readable = json || class == Some(Class::HttpDate);
    if is_time
        && readable
        && share(seen.time.count(), seen.values) >= NEARLY_ALL
        && let Some(apart) = seen.time.quantile(QUANTILE).filter(|apart| *apart <= bounds.seconds)
        && let Some(time) = wide_enough(apart)
    {
        let tolerance = Some(Tolerance { time: Some(time), ..Tolerance::default() });
        return Some((RuleSpec { tolerance, ..RuleSpec::default() }, format!("clocks at most {apart:.2} s apart")));
    }
    if is_of(seen, Class::Number)
        && share(seen.relative.count(), seen.values) >= NEARLY_ALL
        && let Some(apart) = seen.relative.quantile(QUANTILE).filter(|apart| *apart <= bounds.relative)
    {
        let tolerance = Some(Tolerance { relative: Some(ten_to_the(2.0 * apart)), ..Tolerance::default() });
        let numeric_string = json && seen.quoted > 0;
        let detail = format!("numbers at most {apart:.1e} of their value apart");
        return Some((RuleSpec { tolerance, numeric_string, ..RuleSpec::default() }, detail));
    }
    if bounds.any_class && share(seen.recurs, seen.exchanges) >= MOSTLY && seen.torn == 0 {
        let rule = RuleSpec { bijection: Some(LABELS.to_owned()), ..RuleSpec::default() };
        return Some((rule, "texts that recur in the answer, each renamed to one other throughout".to_owned()));
    }
    let name = class.filter(|c| bounds.any_class || GENERATED.contains(c))?.name();
    let rule = RuleSpec { shape: Some(Shape::Class(name.to_owned())), ..RuleSpec::default() };
    Some((rule, format!("the values of both are of class {name}")))
}

fn is_of(seen: &Sightings, class: Class) -> bool {
    share(seen.classes.get(class.name()).copied().unwrap_or(0), seen.values) >= NEARLY_ALL
}

fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

/// A round time with a second to spare: the next pair may straddle a tick that these did not.
fn wide_enough(apart: f64) -> Option<Duration> {
    const STEPS: [u64; 14] = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 14_400, 28_800];
    STEPS.into_iter().find(|s| *s as f64 >= apart + 1.0).map(Duration::from_secs)
}

/// The power of ten at or above.
fn ten_to_the(value: f64) -> f64 {
    let exponent = value.log10().ceil().max(-15.0) as i32;
    format!("1e{exponent}").parse().unwrap_or(1e-15)
}
