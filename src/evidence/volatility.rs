//! What was seen where answers differ, kept so that rules can be proposed from it: bounded, merged by addition.
//!
//! It judges nothing, and no value is kept: only how many had which class, how far two were apart, and about how many
//! were different.

use super::Compared;
use super::sketch::{Sketch, Spread};
use crate::diff::Finding;
use crate::diff::value::{Class, time};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// By location and kind, of one route.
pub type Volatilities = BTreeMap<(Arc<str>, Arc<str>), Volatility>;

/// What is known of differences of one kind at one location.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Volatility {
    /// Of the control with the primary: the old system with itself.
    pub control: Sightings,
    /// Of the candidate with the primary.
    pub candidate: Sightings,
}

/// What one leg showed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sightings {
    /// Exchanges with such a difference that no rule covers.
    pub exchanges: u64,
    /// Pairs of values that were looked at; several where an exchange has several.
    pub values: u64,
    /// Pairs of which both values are of a class.
    pub classes: BTreeMap<Arc<str>, u64>,
    /// Pairs of which both are JSON strings.
    pub quoted: u64,
    /// How far numbers were apart, as a share of the greater.
    pub relative: Spread,
    /// How far points in time were apart, in seconds.
    pub time: Spread,
    /// Arrays in another order in which an element repeats.
    pub repeats: u64,
    /// Exchanges in which a value here stands in other places of the answer too.
    pub recurs: u64,
    /// Of those, the ones in which it did not always become the same value, or two became one.
    pub torn: u64,
    /// Exchanges with several values here, as of an array's elements.
    pub crowds: u64,
    /// Of those, the ones in which both sides had the same values, in other places.
    pub permuted: u64,
    /// Of those, the ones in which no value stood twice.
    pub unique: u64,
    /// How many different values the primary had, and the other leg.
    pub distinct: (Sketch, Sketch),
}

/// Locations and kinds on a route, and on all routes together, about; what finds no place is not proposed for.
const MAX_PLACES: usize = 256;
const MAX_ALL: usize = 32_768;
/// Places that each route has, however many routes there are.
const MIN_PLACES: usize = 16;
/// Values looked at of one exchange, location and kind.
const MAX_LOOKED_AT: usize = 8;
/// Exchanges whose values are all looked at, by leg, location and kind; of those that follow one in so many: it takes
/// time that is wanted for counting, and a sample says the same.
const ALL_OF: u64 = 1_024;
const ONE_IN: u64 = 16;
/// What a redacted value's tag begins with: it tells values apart and nothing else.
const TAG: &str = "[redacted ";

/// Places that a route may have where there are so many routes.
pub(super) fn places(routes: usize) -> usize {
    (MAX_ALL / routes.max(1)).clamp(MIN_PLACES, MAX_PLACES)
}

/// Enters what both legs of an exchange show, at as many `places`.
pub(super) fn record(table: &mut Volatilities, compared: &Compared, places: usize) {
    let legs = [(compared.control.as_ref(), true), (Some(&compared.candidate), false)];
    for (findings, is_control) in legs {
        let list = findings.map_or(&[][..], |f| &f.list);
        let mut counted: Vec<&Finding> = list.iter().filter(|f| f.counts()).collect();
        if counted.is_empty() {
            continue;
        }
        let renames = Renames::of(&counted);
        let by_place = |a: &&Finding, b: &&Finding| (&a.location, &a.kind).cmp(&(&b.location, &b.kind));
        counted.sort_by(by_place);
        for group in counted.chunk_by(|a, b| by_place(a, b).is_eq()) {
            let Some(first) = group.first() else { continue };
            let key = (first.location.clone(), Arc::from(&first.kind));
            if table.len() >= places && !table.contains_key(&key) {
                continue;
            }
            let place = table.entry(key).or_default();
            let leg = if is_control { &mut place.control } else { &mut place.candidate };
            leg.exchanges += 1;
            leg.recurs += u64::from(group.iter().any(|f| renames.recurs(f)));
            leg.torn += u64::from(group.iter().any(|f| renames.torn(f)));
            leg.crowd(group);
            if leg.exchanges <= ALL_OF || leg.exchanges.is_multiple_of(ONE_IN) {
                group.iter().take(MAX_LOOKED_AT).for_each(|finding| leg.look_at(finding));
            }
        }
    }
}

/// Adds one table to another.
pub(super) fn merge(table: &mut Volatilities, other: &Volatilities) {
    for (key, theirs) in other {
        if table.len() >= MAX_PLACES && !table.contains_key(key) {
            continue;
        }
        let mine = table.entry(key.clone()).or_default();
        mine.control.merge(&theirs.control);
        mine.candidate.merge(&theirs.candidate);
    }
}

// === impl Volatility ===

impl Volatility {
    /// A number that grows with every change.
    pub fn version(&self) -> u64 {
        self.control.exchanges + self.candidate.exchanges
    }
}

// === impl Sightings ===

impl Sightings {
    /// Values of an array's elements whose elements stand in another order are told at every place inside them.
    fn crowd(&mut self, group: &[&Finding]) {
        if group.len() < 2 {
            return;
        }
        let side = |of: fn(&Finding) -> &Option<String>| {
            let mut all: Vec<&str> = group.iter().filter_map(|f| of(f).as_deref()).collect();
            all.sort_unstable();
            all
        };
        let (ours, theirs) = (side(|f| &f.primary), side(|f| &f.candidate));
        if ours.len() < 2 {
            return;
        }
        self.crowds += 1;
        self.permuted += u64::from(ours == theirs);
        self.unique += u64::from(ours.windows(2).all(|w| matches!(w, [a, b] if a != b)));
    }

    fn look_at(&mut self, finding: &Finding) {
        if finding.kind.ends_with(".order") {
            let repeats = |text: &Option<String>| text.as_deref().is_some_and(repeats);
            self.repeats += u64::from(repeats(&finding.primary) || repeats(&finding.candidate));
        }
        let (Some(a), Some(b)) = (&finding.primary, &finding.candidate) else { return };
        self.values += 1;
        self.quoted += u64::from(a.starts_with('"') && b.starts_with('"'));
        self.distinct.0.add(a);
        self.distinct.1.add(b);
        let (Some(a), Some(b)) = (whole(finding, a), whole(finding, b)) else {
            // What was cut or redacted still has the class that it was given before.
            if let (Some(a), Some(b)) = (&finding.primary_shape, &finding.candidate_shape)
                && a == b
            {
                self.add_class(a);
            }
            return;
        };
        for class in Class::ALL.into_iter().filter(|c| c.matches(&a) && c.matches(&b)) {
            self.add_class(class.name());
        }
        if let (Ok(x), Ok(y)) = (a.parse::<f64>(), b.parse::<f64>())
            && x.is_finite()
            && y.is_finite()
        {
            self.relative.add((x - y).abs() / x.abs().max(y.abs()));
        }
        if let (Some(x), Some(y)) = (time::instant(&a), time::instant(&b)) {
            self.time.add(x.abs_diff(y) as f64 / 1e9);
        }
    }

    fn add_class(&mut self, name: &str) {
        match self.classes.get_mut(name) {
            Some(count) => *count += 1,
            None => drop(self.classes.insert(name.into(), 1)),
        }
    }

    fn merge(&mut self, other: &Sightings) {
        self.exchanges += other.exchanges;
        self.values += other.values;
        for (class, count) in &other.classes {
            *self.classes.entry(class.clone()).or_default() += count;
        }
        self.quoted += other.quoted;
        self.relative.merge(&other.relative);
        self.time.merge(&other.time);
        self.repeats += other.repeats;
        self.recurs += other.recurs;
        self.torn += other.torn;
        self.crowds += other.crowds;
        self.permuted += other.permuted;
        self.unique += other.unique;
        self.distinct.0.merge(&other.distinct.0);
        self.distinct.1.merge(&other.distinct.1);
    }
}

/// The value that an excerpt shows, a JSON string without its quotes; `None` where it is only a part of it, or a tag.
fn whole<'f>(finding: &Finding, excerpt: &'f str) -> Option<Cow<'f, str>> {
    if excerpt.ends_with('…') || excerpt.contains(TAG) {
        return None;
    }
    match finding.location.starts_with("json:") && excerpt.starts_with('"') {
        true => serde_json::from_str::<String>(excerpt).ok().map(Cow::Owned),
        false => Some(Cow::Borrowed(excerpt)),
    }
}

/// Whether an element repeats in an array, as far as its text goes.
fn repeats(array: &str) -> bool {
    let mut seen = HashSet::new();
    let mut rest = array.trim_start().strip_prefix('[').unwrap_or_default();
    loop {
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<serde_json::Value>();
        let Some(Ok(element)) = stream.next() else { return false };
        if !seen.insert(element.to_string()) {
            return true;
        }
        let after = rest.get(stream.byte_offset()..).unwrap_or_default().trim_start();
        let Some(next) = after.strip_prefix(',') else { return false };
        rest = next;
    }
}

/// Which texts became which within one exchange.
struct Renames<'f> {
    /// How often a value of the primary stands there, and whether it became one value that nothing else became.
    of: HashMap<&'f str, (u32, bool)>,
}

// === impl Renames ===

impl<'f> Renames<'f> {
    fn of(findings: &[&'f Finding]) -> Self {
        let pairs: Vec<(&str, &str)> = findings.iter().filter_map(|f| texts(f)).collect();
        if pairs.len() < 2 {
            // One alone neither recurs nor is torn.
            return Self { of: HashMap::new() };
        }
        let (mut forth, mut back) = (HashMap::new(), HashMap::new());
        for (a, b) in &pairs {
            forth.entry(*a).or_insert_with(HashSet::new).insert(*b);
            back.entry(*b).or_insert_with(HashSet::new).insert(*a);
        }
        let alone = |set: Option<&HashSet<&str>>| set.is_some_and(|s| s.len() == 1);
        let mut of = HashMap::new();
        for (a, b) in pairs {
            let entry = of.entry(a).or_insert((0, true));
            entry.0 += 1;
            entry.1 &= alone(forth.get(a)) && alone(back.get(b));
        }
        Self { of }
    }

    fn recurs(&self, finding: &Finding) -> bool {
        texts(finding).and_then(|(a, _)| self.of.get(a)).is_some_and(|(times, _)| *times > 1)
    }

    fn torn(&self, finding: &Finding) -> bool {
        texts(finding).and_then(|(a, _)| self.of.get(a)).is_some_and(|(_, whole)| !whole)
    }
}

/// Both values of a finding, where they are different JSON strings known in full.
fn texts(finding: &Finding) -> Option<(&str, &str)> {
    let (a, b) = (finding.primary.as_deref()?, finding.candidate.as_deref()?);
    let text = |v: &str| v.starts_with('"') && !v.ends_with('…');
    (&*finding.kind == "json.value" && text(a) && text(b)).then_some((a, b))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finding, findings};
    use super::*;
    use crate::diff::Tier;

    fn value(location: &str, a: &str, b: &str) -> Finding {
        let shape = Some("string".into());
        Finding {
            primary: Some(a.into()),
            candidate: Some(b.into()),
            primary_shape: shape.clone(),
            candidate_shape: shape,
            ..finding("json.value", location, Tier::Value)
        }
    }

    fn of(lists: Vec<Vec<Finding>>) -> Volatilities {
        let mut table = Volatilities::new();
        for list in lists {
            let control = Some(findings(list));
            record(&mut table, &Compared { control, ..Compared::default() }, MAX_PLACES);
        }
        table
    }

    fn at<'t>(table: &'t Volatilities, location: &str) -> &'t Sightings {
        &table.iter().find(|((l, _), _)| &**l == location).unwrap().1.control
    }

    #[test]
    fn values_are_classed_and_measured() {
        let table = of(vec![vec![
            value("json:$.n", "100.0", "101"),
            value("json:$.t", "\"2026-01-01T00:00:00Z\"", "\"2026-01-01T01:00:02+01:00\""),
            value("json:$.s", "\"[redacted 0a1b2c3d…]\"", "\"[redacted 0a1b2c3e…]\""),
        ]]);
        let n = at(&table, "json:$.n");
        assert_eq!((n.values, n.quoted, n.classes.get("number"), n.classes.get("int")), (1, 0, Some(&1), None));
        assert!((0.0099..0.0134).contains(&n.relative.quantile(1.0).unwrap()));
        let t = at(&table, "json:$.t");
        assert!((1.99..2.7).contains(&t.time.quantile(1.0).unwrap()));
        let s = at(&table, "json:$.s");
        assert_eq!(s.classes.iter().map(|(c, n)| (&**c, *n)).collect::<Vec<_>>(), [("string", 1)]);
        assert!(s.distinct.0.estimate() > 0.5);
    }

    #[test]
    fn labels_that_recur_are_seen_and_torn_ones_too() {
        let pair =
            |i: usize, a: &str, b: &str| value(&format!("json:$.a{i}"), &format!("\"{a}\""), &format!("\"{b}\""));
        for (list, recurs, torn) in [
            (vec![pair(0, "x", "p"), pair(1, "x", "p")], 1, 0),
            (vec![pair(0, "x", "p"), pair(1, "y", "q")], 0, 0),
            (vec![pair(0, "x", "p"), pair(1, "x", "q")], 1, 1),
            (vec![pair(0, "x", "p"), pair(1, "y", "p")], 0, 1),
        ] {
            let table = of(vec![list]);
            let first = at(&table, "json:$.a0");
            assert_eq!((first.recurs, first.torn), (recurs, torn));
        }
    }

    #[test]
    fn repetition_is_seen_as_far_as_the_text_goes() {
        for (array, expect) in [
            ("[1, 2,1]", true),
            ("[\"a,b\", \"b\"]", false),
            ("[{\"x\":[1]},{\"x\":[1]}]", true),
            ("[\"a\", \"b\", \"a\", \"unfin…", true),
            ("[\"a\", \"b\", \"unfin…", false),
            ("", false),
            ("[", false),
        ] {
            assert_eq!(repeats(array), expect, "{array}");
        }
    }

    #[test]
    fn merging_is_recording_together() {
        let lists: Vec<Vec<Finding>> =
            (0..40).map(|i| vec![value(&format!("json:$.v{}", i % 3), &i.to_string(), "\"x\"")]).collect();
        let (left, right) = lists.split_at(13);
        let mut merged = of(right.to_vec());
        merge(&mut merged, &of(left.to_vec()));
        assert_eq!(merged, of(lists));
    }

    #[test]
    fn of_many_exchanges_a_sample_is_looked_at() {
        let table = of((0..3_024).map(|i| vec![value("json:$.v", &i.to_string(), "\"x\"")]).collect());
        let seen = at(&table, "json:$.v");
        assert_eq!((seen.exchanges, seen.values), (3_024, 1_024 + 2_000 / 16));
    }

    #[test]
    fn the_table_is_bounded() {
        let list: Vec<Finding> = (0..2_000).map(|i| value(&format!("json:$.v{i}"), "1", "2")).collect();
        assert_eq!(of(vec![list]).len(), MAX_PLACES);
        for routes in [0, 1, 100, 128, 500, 2_000, 100_000] {
            let all = places(routes) * routes;
            assert!(all <= MAX_ALL.max(MIN_PLACES * routes), "{routes}: {all}");
        }
        assert_eq!((places(100), places(2_000)), (MAX_PLACES, MIN_PLACES));
    }
}
