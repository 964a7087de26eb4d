//! What the control has taught about a route: where the old system differs from itself, and what its values look like.
//!
//! - A place is known by location and phenomenon rather than by kind alone, where chance picks among several kinds: a
//!   member or an element that is there or not (`presence`), and the order of an array's elements (`order`).
//! - Elements of an array whose length varies are also paired by chance: their values are of the same phenomenon.
//! - Where one location stands for much that has nothing to do with each other it takes more to be of one phenomenon: the
//!   elements of an array, a tuple's among them, are told apart by type; a text's hunks by whether words differ or only
//!   figures and the like. What is noise in words is so in figures.
//! - Shapes are learned from the primary's values (from the control's where the primary has none, as for an added
//!   member), never from the candidate's. A place without shapes (an order, a set) is noise by itself.
//! - Above noise: where the candidate differs more often than the control, nothing is excused, neither the candidate's
//!   findings nor the control's. Each place is tested with the paired e-process at tolerance 0; which of them are named
//!   is decided by e-BH over all places known on the route, on what their e-values are now: a greatest value once
//!   reached would not keep the share of false names. A place may come back.

use super::{KnownNoise, Noise};
use crate::diff::value::may_be;
use crate::diff::{Finding, Findings, Tier, VOLATILE_TEXT};
use crate::stats;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Beyond these nothing more is learned, which leans to the strict side.
const MAX_NOISE: usize = 1024;
const MAX_SHAPES: usize = 16;
/// Of the places that are called above noise, the expected share that is not.
const FALSE_NAMES: f64 = 0.01;
/// A pair changes an e-value by a factor of 2 at most, so that with fewer in excess it is below `1 / FALSE_NAMES`.
const LEAST_EXCESS: u64 = 7;

const PRESENCE: &str = "presence";
const ORDER: &str = "order";

pub type Place = (Arc<str>, Arc<str>);

/// Location and phenomenon that a finding belongs to.
pub(super) fn place(location: &Arc<str>, kind: &str) -> Place {
    let (_, what) = kind.split_once('.').unwrap_or(("", kind));
    match what {
        _ if comes_and_goes(kind) => (location.clone(), PRESENCE.into()),
        "order" | "event_order" => (location.clone(), ORDER.into()),
        // Told at the element, where the order is the array's.
        "moved" => (location.strip_suffix("[*]").map_or_else(|| location.clone(), Arc::from), ORDER.into()),
        _ => (location.clone(), kind.into()),
    }
}

/// The place of a finding.
fn place_of(finding: &Finding) -> Place {
    let (location, phenomenon) = place(&finding.location, &finding.kind);
    let sort = match &*finding.kind {
        "text.hunk" if is_volatile(finding) => VOLATILE_TEXT,
        kind if kind.ends_with(".value") && location.ends_with("[*]") => {
            finding.primary_class.split_once(':').map_or(&*finding.primary_class, |(of, _)| of)
        }
        _ => return (location, phenomenon),
    };
    let phenomenon = format!("{phenomenon} {sort}").into();
    (location, phenomenon)
}

fn is_volatile(finding: &Finding) -> bool {
    [&finding.primary_shape, &finding.candidate_shape].into_iter().all(|s| s.as_deref() == Some(VOLATILE_TEXT))
}

/// Whether a kind says that something is there on one side only.
pub(super) fn comes_and_goes(kind: &str) -> bool {
    kind.ends_with("missing") || kind.ends_with("extra")
}

/// The place at which a finding is noise by what is known, if there is one.
fn known_place(noise: &Noise, finding: &Finding) -> Option<Place> {
    let own = place_of(finding);
    if noise.contains_key(&own) {
        return Some(own);
    }
    if &*finding.kind == "text.hunk" {
        let words = place(&finding.location, &finding.kind);
        return noise.contains_key(&words).then_some(words);
    }
    let element = finding.kind.ends_with(".value") && finding.location.ends_with("[*]");
    let paired = element || &*finding.kind == "stream.event_value";
    let varying = (own.0, PRESENCE.into());
    (paired && noise.contains_key(&varying)).then_some(varying)
}

/// Counts who differed at known places, and sees which are above noise now. What was cut short is left out: a place it
/// does not name may differ all the same.
pub(super) fn weigh(noise: &mut Noise, candidate: &Findings, control: &Findings) {
    let cut = |f: &Findings| f.lost_any() || f.budget.is_some();
    if noise.is_empty() || cut(candidate) || cut(control) {
        return;
    }
    let mut who: BTreeMap<Place, (bool, bool)> = BTreeMap::new();
    for finding in candidate.list.iter().filter(|f| f.counts()) {
        if let Some(place) = known_place(noise, finding) {
            who.entry(place).or_default().0 = true;
        }
    }
    for finding in control.list.iter().filter(|f| f.counts()) {
        if let Some(place) = known_place(noise, finding) {
            who.entry(place).or_default().1 = true;
        }
    }
    let mut news = false;
    for (place, differed) in who {
        let Some(known) = noise.get_mut(&place) else { continue };
        *match differed {
            (true, false) => &mut known.pairs.candidate,
            (false, true) => &mut known.pairs.control,
            _ => &mut known.pairs.both,
        } += 1;
        news |= differed.0 != differed.1;
    }
    if news {
        name_above(noise);
    }
}

/// e-BH: with the places sorted by e-value, the greatest `k` whose `k`-th reaches `places / (k FALSE_NAMES)`.
pub(super) fn name_above(noise: &mut Noise) {
    let least = stats::threshold(FALSE_NAMES);
    let e_value = |known: &KnownNoise| {
        // At tolerance 0 exchanges in which both or neither differed have no say.
        let (a, b) = (known.pairs.candidate, known.pairs.control);
        let strong = a >= b + LEAST_EXCESS;
        if strong { stats::ln_e_fail_paired(a + b, a, b, 0.0) } else { f64::NEG_INFINITY }
    };
    let all: Vec<f64> = noise.values().map(e_value).collect();
    let mut sorted: Vec<f64> = all.iter().copied().filter(|e| *e >= least).collect();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let places = (noise.len() as f64).ln();
    let enough = |k: usize| least + places - (k as f64).ln();
    let bar = (1..=sorted.len()).rev().map(enough).zip(sorted.iter().rev()).find(|(bar, e)| *e >= bar);
    for (known, e) in noise.values_mut().zip(all) {
        known.pairs.above = bar.is_some_and(|(bar, _)| e >= bar);
    }
}

/// Takes over what the control shows. Tier `break` is never learned.
pub(super) fn learn(noise: &mut Noise, control: &Findings) {
    for finding in control.list.iter().filter(|f| f.counts() && f.tier != Tier::Break) {
        let place = place_of(finding);
        if noise.len() >= MAX_NOISE && !noise.contains_key(&place) {
            continue;
        }
        let known = noise.entry(place).or_default();
        if let Some(shape) = finding.primary_shape.as_ref().or(finding.candidate_shape.as_ref()) {
            known.add_shape(shape);
        }
    }
}

/// What was kept of it, each row under the location and the kind (or phenomenon) that it was kept by.
pub fn restore(rows: impl IntoIterator<Item = (Place, KnownNoise)>) -> Noise {
    let mut noise = Noise::new();
    for ((location, kind), row) in rows {
        let known = noise.entry(place(&location, &kind)).or_default();
        row.shapes.iter().for_each(|shape| known.add_shape(shape));
        known.pairs.merge(&row.pairs);
    }
    name_above(&mut noise);
    noise
}

/// Whether what is known excuses a finding that would count without it; the shape of its primary's value is learned.
pub(super) fn excuses(noise: &mut Noise, finding: &Finding) -> bool {
    if noise.is_empty() {
        return false;
    }
    let Some(known) = known_place(noise, finding).and_then(|place| noise.get_mut(&place)) else { return false };
    if known.pairs.above {
        return false;
    }
    if let Some(shape) = &finding.primary_shape {
        known.add_shape(shape);
    }
    known.explains(finding)
}

/// The same by what is known as yet, and nothing is learned.
pub(super) fn is_known(noise: &Noise, finding: &Finding) -> bool {
    let Some(known) = known_place(noise, finding).and_then(|place| noise.get(&place)) else { return false };
    !known.pairs.above && known.explains(finding)
}

// === impl KnownNoise ===

impl KnownNoise {
    /// Whether the value has a shape that the primary's have had, its own in this exchange included.
    fn explains(&self, finding: &Finding) -> bool {
        // A text and a number can have shapes of one name: chance explains another shape, never another type.
        let same_type = finding.kind.ends_with(".value") || &*finding.candidate_class == "string";
        let own = finding.primary_shape.as_deref().filter(|_| self.shapes.len() < MAX_SHAPES);
        let mut seen = self.shapes.iter().map(|shape| &**shape).chain(own);
        finding
            .candidate_shape
            .as_deref()
            .is_none_or(|now| seen.any(|seen| seen == now || same_type && may_be(seen, now)))
    }

    fn add_shape(&mut self, shape: &str) {
        if self.shapes.len() < MAX_SHAPES && !self.shapes.contains(shape) {
            self.shapes.insert(shape.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::NoisePairs;
    use super::*;

    fn table(pairs: &[(u64, u64)]) -> Noise {
        (0..)
            .zip(pairs)
            .map(|(i, (candidate, control)): (usize, _)| {
                let pairs = NoisePairs { candidate: *candidate, control: *control, ..NoisePairs::default() };
                let known = KnownNoise { pairs, ..KnownNoise::default() };
                ((format!("json:$.a{i:04}").into(), "json.value".into()), known)
            })
            .collect()
    }

    fn named(noise: &mut Noise) -> Vec<bool> {
        name_above(noise);
        noise.values().map(|known| known.pairs.above).collect()
    }

    /// The definition, without its short cuts.
    fn by_definition(noise: &Noise) -> Vec<bool> {
        let ln_e = |k: &KnownNoise| {
            let (a, b) = (k.pairs.candidate, k.pairs.control);
            stats::ln_e_fail_paired(a + b, a, b, 0.0)
        };
        let mut all: Vec<(f64, usize)> = noise.values().map(ln_e).zip(0..).collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        let r = all.len() as f64;
        let k = (1..=all.len()).rev().find(|k| all[k - 1].0.exp() >= r / (*k as f64 * 0.01)).unwrap_or(0);
        let mut out = vec![false; all.len()];
        all.iter().take(k).for_each(|(_, i)| out[*i] = true);
        out
    }

    #[test]
    fn the_more_stand_out_the_less_each_has_to() {
        // One among a hundred places needs more than one that stands out with others.
        let alone = (1..).find(|n| named(&mut table(&[&[(*n, 0)][..], &[(0, 0); 99]].concat()))[0]).unwrap();
        let together = (1..).find(|n| named(&mut table(&[&[(*n, 0); 50][..], &[(0, 0); 50]].concat()))[0]).unwrap();
        let single = (1..).find(|n| named(&mut table(&[(*n, 0)]))[0]).unwrap();
        assert!(single < together && together < alone, "{single} {together} {alone}");
        assert!(named(&mut table(&[(500, 500), (40, 30)])).iter().all(|above| !above));
    }

    #[test]
    fn what_is_above_is_decided_by_what_holds_now() {
        let mut noise = table(&[(20, 0)]);
        assert_eq!(named(&mut noise), [true]);
        noise.values_mut().for_each(|known| known.pairs.control = 20);
        assert_eq!(named(&mut noise), [false], "not by the greatest value there ever was");
    }

    proptest::proptest! {
        #[test]
        fn short_cuts_change_nothing(pairs in proptest::collection::vec((0u64..40, 0u64..20), 1..60)) {
            let mut noise = table(&pairs);
            let expect = by_definition(&noise);
            proptest::prop_assert_eq!(named(&mut noise), expect);
        }
    }

    #[test]
    fn kinds_that_chance_picks_among_are_one_place() {
        let of = |location: &str, kind: &str| place(&location.into(), kind);
        assert_eq!(of("json:$.a[*]", "json.item_missing"), of("json:$.a[*]", "json.item_extra"));
        assert_eq!(of("json:$.m.*", "json.missing"), of("json:$.m.*", "json.null_vs_missing"));
        assert_eq!(of("json:$.a[*]", "json.moved"), of("json:$.a", "json.order"));
        assert_eq!(of("body", "stream.event_missing"), of("body", "stream.event_extra"));
        assert_eq!(of("json:$[*]", "csv.row_missing"), of("json:$[*]", "csv.row_extra"));
        assert_ne!(of("json:$.a", "json.value"), of("json:$.a", "json.type"));
        assert_ne!(of("json:$.a", "json.missing"), of("json:$.a", "json.null_vs_empty"));
    }
}
