//! The bytes of the file: our own versioned encoding, so that the database's never matters.
//!
//! A value is `PLX`, a version byte, a checksum of key and value, and MessagePack with named fields; fields may be added
//! with a default. Version 1 has no checksum and is still read. Routes, which are written once a second while there is
//! traffic, go without the names: they would be more than a half of the row.
//! Whatever is part of a [`RouteRow`] gets new fields at its end, or in the midst of others they would be taken for them.

use super::histogram::Packed;
use crate::evidence::{
    Cells, Classes, ControlCounts, Counts, Divergence, EpochInfo, Example, Kinds, KnownNoise, NoisePairs, Pace,
    PaceCounts, RouteEvidence, StatusCounts, Trend, Volatility, restore_noise,
};
use crate::gate::Policy;
use crate::model::{Leg, PerLeg, Timestamp};
use crate::stats::Bursts;
use redb::TableDefinition;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128};

pub(super) type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;
pub(super) const META: Table = TableDefinition::new("meta");
/// By epoch number, big endian.
pub(super) const EPOCHS: Table = TableDefinition::new("epochs");
/// By epoch number and route name.
pub(super) const ROUTES: Table = TableDefinition::new("routes");
/// By epoch number, route name, a zero byte and the fingerprint.
pub(super) const DIVERGENCES: Table = TableDefinition::new("divergences");
/// By epoch number, route name, a zero byte and a digest of location and kind. Not part of the route's row, which is
/// written once a second while there is traffic.
pub(super) const VOLATILITY: Table = TableDefinition::new("volatility");
/// By epoch number and time, big endian: what the gate said then.
pub(super) const HISTORY: Table = TableDefinition::new("history");
/// By a number that grows, big endian: the lowest is the oldest.
pub(super) const EXAMPLES: Table = TableDefinition::new("examples");

/// Version of all of it together; a file of a greater one is not touched. One of version 1 is read, and is of this one
/// from the first commit on.
pub(super) const FORMAT: u32 = 2;
pub(super) const FORMAT_KEY: &[u8] = b"format";
pub(super) const META_KEY: &[u8] = b"meta";
pub(super) const POLICY_KEY: &[u8] = b"policy";
/// What the rules in force are. Not there in files of versions that kept none.
pub(super) const RULES_KEY: &[u8] = b"rules";

const MAGIC: [u8; 3] = *b"PLX";
const VERSION: u8 = 2;
/// Without a checksum.
const UNCHECKED: u8 = 1;
/// Mark, version and checksum.
const HEAD: usize = 12;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Meta {
    /// Random, hexadecimal: tells one store from another.
    pub store_id: String,
    /// Key of the tags that redacted values are replaced by.
    pub redact_key: [u8; 32],
    pub mirroring: bool,
    /// Has a row of its own, as it grows with the configured routes and seldom changes; in older files it is here.
    #[serde(default, skip_serializing)]
    pub policy: Option<Arc<Policy>>,
    pub next_epoch: u64,
    pub next_example: u64,
    pub last_commit: Timestamp,
    /// The label of a build that a start gave last.
    #[serde(default)]
    pub declared: Option<Arc<str>>,
    /// The sum of the checksums of all other rows: none is missing, none of another time. Older files have none.
    #[serde(default)]
    pub rows: Option<u64>,
}

impl Meta {
    /// What tells the state of one commit from every other.
    pub(super) fn stamp(&self) -> (&str, Timestamp, Option<u64>) {
        (&self.store_id, self.last_commit, self.rows)
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EpochRow {
    pub info: EpochInfo,
    pub ended_at: Option<Timestamp>,
    pub totals: Counts,
    pub rule_hits: BTreeMap<Arc<str>, u64>,
    #[serde(default)]
    pub kinds: Kinds,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RouteRow {
    since: Timestamp,
    #[serde(default)]
    restarts: u64,
    rules: String,
    counts: Counts,
    paired: Cells,
    control: ControlCounts,
    errors: Cells,
    status: PerLeg<StatusCounts>,
    latency: PerLeg<Packed>,
    divergences_overflow: u64,
    noise: Vec<NoiseRow>,
    #[serde(default)]
    noise_pairs: Vec<(Arc<str>, Arc<str>, NoisePairs)>,
    #[serde(default)]
    bursts: Bursts,
    #[serde(default)]
    pace: Option<PaceRow>,
    #[serde(default)]
    trend: Trend,
    #[serde(default)]
    rule_hits: BTreeMap<Arc<str>, u64>,
    /// Divergent exchanges with a control answer. In older rows those of the pairs in which the candidate differs.
    #[serde(default)]
    paired_divergent: Option<u64>,
    /// In older rows nobody knows which counted, and all are taken for such.
    #[serde(default)]
    overflow_counted: Option<u64>,
    #[serde(default)]
    number: u64,
    #[serde(default)]
    named: Classes,
}

/// Location, kind, shapes.
type NoiseRow = (Arc<str>, Arc<str>, BTreeSet<Arc<str>>);

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DivergenceRow {
    /// Without its examples.
    pub row: Divergence,
    /// Their keys.
    pub examples: Vec<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct VolatilityRow {
    pub location: Arc<str>,
    pub kind: Arc<str>,
    pub seen: Volatility,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ExampleRow {
    pub epoch: u64,
    pub route: Arc<str>,
    pub example: Example,
}

pub(super) fn encode<T: Serialize + ?Sized>(key: &[u8], value: &T) -> Result<Vec<u8>, String> {
    let mut out = vec![0; HEAD];
    rmp_serde::encode::write_named(&mut out, value).map_err(|e| e.to_string())?;
    seal(key, &mut out);
    Ok(out)
}

/// Without the names of fields, into what may have held another before.
pub(super) fn encode_route(key: &[u8], out: &mut Vec<u8>, row: &RouteRow) -> Result<(), String> {
    out.clear();
    out.resize(HEAD, 0);
    rmp_serde::encode::write(out, row).map_err(|e| e.to_string())?;
    seal(key, out);
    Ok(())
}

/// Fills in the head of a row.
fn seal(key: &[u8], row: &mut [u8]) {
    if let Some((head, value)) = row.split_first_chunk_mut::<HEAD>() {
        let [a, b, c, d, e, f, g, h] = checksum(key, value).to_be_bytes();
        *head = [MAGIC[0], MAGIC[1], MAGIC[2], VERSION, a, b, c, d, e, f, g, h];
    }
}

fn checksum(key: &[u8], value: &[u8]) -> u64 {
    xxh3_64_with_seed(value, xxh3_64(key))
}

/// What a row says its checksum is; zero where it has none.
pub(super) fn sealed(row: &[u8]) -> u64 {
    match row.split_first_chunk::<HEAD>() {
        Some(([a, b, c, VERSION, sum @ ..], _)) if [*a, *b, *c] == MAGIC => u64::from_be_bytes(*sum),
        _ => 0,
    }
}

/// With names or without.
pub(super) fn decode<T: DeserializeOwned>(key: &[u8], row: &[u8]) -> Result<T, String> {
    let value = match row.split_first_chunk::<4>() {
        Some(([a, b, c, UNCHECKED], value)) if [*a, *b, *c] == MAGIC => value,
        Some(([a, b, c, VERSION], _)) if [*a, *b, *c] == MAGIC => match row.split_first_chunk::<HEAD>() {
            Some((_, value)) if sealed(row) == checksum(key, value) => value,
            _ => return Err("a row that is not as it was written".into()),
        },
        _ => return Err("a value without its mark".into()),
    };
    rmp_serde::from_slice(value).map_err(|e| e.to_string())
}

pub(super) fn epoch_key(epoch: u64) -> Vec<u8> {
    epoch.to_be_bytes().to_vec()
}

pub(super) fn route_key(epoch: u64, route: &str) -> Vec<u8> {
    [&epoch.to_be_bytes()[..], route.as_bytes()].concat()
}

pub(super) fn history_key(epoch: u64, at: Timestamp) -> Vec<u8> {
    [epoch.to_be_bytes(), at.as_micros().to_be_bytes()].concat()
}

/// What every key of the route's divergences, and of what is volatile there, begins with.
pub(super) fn divergence_prefix(epoch: u64, route: &str) -> Vec<u8> {
    [&epoch.to_be_bytes()[..], route.as_bytes(), &[0]].concat()
}

/// Beneath [`divergence_prefix`].
pub(super) fn volatility_key(prefix: &[u8], (location, kind): &(Arc<str>, Arc<str>)) -> Vec<u8> {
    let place = [location.as_bytes(), &[0], kind.as_bytes()].concat();
    [prefix, format!("{:032x}", xxh3_128(&place)).as_bytes()].concat()
}

/// Epoch and name out of the key of a route.
pub(super) fn split_route_key(key: &[u8]) -> Option<(u64, Arc<str>)> {
    let (epoch, name) = key.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*epoch), std::str::from_utf8(name).ok()?.into()))
}

/// Epoch and route name out of the key of a divergence.
pub(super) fn split_divergence_key(key: &[u8]) -> Option<(u64, Arc<str>)> {
    let zero = key.iter().rposition(|b| *b == 0).filter(|i| *i >= 8)?;
    split_route_key(key.get(..zero)?)
}

impl RouteRow {
    /// Whole exchanges only: what is pending is left out.
    pub(super) fn of(route: &RouteEvidence) -> Self {
        let mut latency = PerLeg::default();
        for leg in Leg::ALL {
            *latency.get_mut(leg) = Packed::of(route.latency.get(leg));
        }
        Self {
            since: route.since,
            restarts: route.restarts,
            rules: route.rules.clone(),
            counts: route.counts.settled(),
            paired: route.paired,
            control: route.control,
            errors: route.errors,
            status: route.status,
            latency,
            divergences_overflow: route.divergences_overflow,
            noise: route.noise.iter().map(|((l, k), known)| (l.clone(), k.clone(), known.shapes.clone())).collect(),
            noise_pairs: route
                .noise
                .iter()
                .filter(|(_, known)| known.pairs != NoisePairs::default())
                .map(|((l, k), known)| (l.clone(), k.clone(), known.pairs))
                .collect(),
            bursts: route.bursts,
            pace: Some(PaceRow::of(&route.pace)),
            trend: route.trend.clone(),
            rule_hits: route.rule_hits.clone(),
            paired_divergent: Some(route.control.divergent),
            overflow_counted: Some(route.overflow_counted),
            number: route.number,
            named: route.named,
        }
    }

    /// Without its divergences, and without what is volatile.
    pub(super) fn read(self) -> Result<RouteEvidence, String> {
        let mut route = RouteEvidence::new(self.since, self.rules, Default::default());
        (route.number, route.restarts) = (self.number, self.restarts);
        route.counts = self.counts;
        route.counts.law()?;
        route.paired = self.paired;
        route.control = self.control;
        route.control.divergent = self.paired_divergent.unwrap_or(self.paired.n10 + self.paired.n11);
        route.errors = self.errors;
        if !self.bursts.is_sound() {
            return Err("bursts of divergences that make no sense".into());
        }
        route.bursts = self.bursts;
        route.status = self.status;
        for leg in Leg::ALL {
            *route.latency.get_mut(leg) = self.latency.get(leg).read()?;
        }
        // Kept by a version that did not look at latency: counted from now on.
        if let Some(pace) = self.pace {
            route.pace = pace.read()?;
        }
        route.trend = self.trend;
        route.divergences_overflow = self.divergences_overflow;
        route.overflow_counted = self.overflow_counted.unwrap_or(self.divergences_overflow);
        let shapes =
            self.noise.into_iter().map(|(l, k, shapes)| ((l, k), KnownNoise { shapes, ..KnownNoise::default() }));
        let pairs =
            self.noise_pairs.into_iter().map(|(l, k, pairs)| ((l, k), KnownNoise { pairs, ..KnownNoise::default() }));
        route.noise = restore_noise(shapes.chain(pairs));
        route.rule_hits = self.rule_hits;
        route.named = self.named;
        Ok(route)
    }
}

/// A route's evidence on latency.
#[derive(Debug, Serialize, Deserialize)]
struct PaceRow {
    counts: PaceCounts,
    primary: Packed,
    candidate: Packed,
}

impl PaceRow {
    fn of(pace: &Pace) -> Self {
        let (primary, candidate) = (Packed::of(&pace.primary), Packed::of(&pace.candidate));
        Self { counts: pace.counts.clone(), primary, candidate }
    }

    fn read(self) -> Result<Pace, String> {
        self.counts.check()?;
        Ok(Pace { counts: self.counts, primary: self.primary.read()?, candidate: self.candidate.read()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::testing::{at, compared, epoch};
    use crate::evidence::{Evidence, Keep, LatencyTerms};
    use crate::model::StatusClass;
    use proptest::prelude::*;

    fn written(row: &RouteRow) -> Vec<u8> {
        let mut out = Vec::new();
        encode_route(b"k", &mut out, row).unwrap();
        out
    }

    #[test]
    fn what_is_known_of_noise_survives_and_older_rows_have_none() {
        let mut route = RouteEvidence::new(Timestamp::from_micros(1), "r".into(), Default::default());
        (route.control.unpaired_noise, route.control.divergent) = (7, 5);
        (route.paired.n10, route.paired.n11) = (4, 2);
        (route.divergences_overflow, route.overflow_counted) = (3, 1);
        route.restarts = 2;
        let known = route.noise.entry(("json:$.id".into(), "json.value".into())).or_default();
        known.shapes.insert("uuid".into());
        known.pairs = NoisePairs { candidate: 20, control: 1, both: 3, above: true };
        route.noise.entry(("json:$.at".into(), "json.value".into())).or_default();
        route.rule_hits.insert("ids".into(), 9);
        route.named.insert(StatusClass::ClientError);
        let row = RouteRow::of(&route);
        let bytes = written(&row);
        let mut volatile = route.clone();
        volatile.volatility.entry(("json:$.id".into(), "json.value".into())).or_default();
        assert_eq!(written(&RouteRow::of(&volatile)), bytes, "what is volatile has rows of its own");
        assert_eq!(decode::<RouteRow>(b"k", &bytes).and_then(RouteRow::read).unwrap(), route);

        let mut fields = serde_json::to_value(&row).unwrap();
        for since in
            ["noise_pairs", "rule_hits", "restarts", "bursts", "trend", "paired_divergent", "overflow_counted", "named"]
        {
            fields.as_object_mut().unwrap().remove(since);
        }
        // As it was kept before kinds that chance picks among were one.
        fields["noise"] = serde_json::json!([
            ["json:$.m", "json.missing", ["uuid"]],
            ["json:$.m", "json.extra", ["int"]],
            ["json:$.at", "json.value", []]
        ]);
        fields["control"].as_object_mut().unwrap().remove("unpaired_noise");
        for key in ["asked_again", "transient"] {
            assert!(fields["counts"].as_object_mut().unwrap().remove(key).is_some());
        }
        let old = serde_json::from_value::<RouteRow>(fields).unwrap().read().unwrap();
        assert_eq!((old.control.unpaired_noise, old.noise.len(), old.counts.asked_again), (0, 2, 0));
        assert!(old.noise.values().all(|known| known.pairs == NoisePairs::default()));
        assert!(old.noise.values().any(|known| known.shapes.len() == 2));
        assert!(old.rule_hits.is_empty() && old.restarts == 0 && old.named == Classes::default());
        assert_eq!(old.control.divergent, 6, "what differed in a pair was divergent");
        assert_eq!(old.overflow_counted, 3, "any of them may have counted");
    }

    #[test]
    fn latency_survives_and_older_rows_begin_with_none() {
        let terms = LatencyTerms { ratio: 1.5, warm_up_pairs: 3, ..LatencyTerms::default() };
        let mut evidence = Evidence::new(epoch("1", None));
        for i in 0..300 {
            let settled = compared("x", "GET /a", i, vec![]);
            let keep = Keep { rules: &|_| "r".into(), latency: &|_| terms, examples: 0, now: at(0) };
            evidence.begin(&settled.route, keep);
            evidence.apply(&settled, keep);
        }
        let route = &*evidence.routes["GET /a"];
        assert_eq!((route.pace.pairs(), route.pace.primary.len()), (240, 240), "a minute is the warm-up");
        let row = RouteRow::of(route);
        assert_eq!(decode::<RouteRow>(b"k", &written(&row)).and_then(RouteRow::read).unwrap(), *route);

        let mut fields = serde_json::to_value(&row).unwrap();
        fields.as_object_mut().unwrap().remove("pace");
        let old = serde_json::from_value::<RouteRow>(fields.clone()).unwrap().read().unwrap();
        assert_eq!(old.pace, Pace::new(LatencyTerms::default()));
        assert_eq!(old.counts, route.counts);

        let mut bad = serde_json::to_value(&row).unwrap();
        bad["pace"]["counts"]["closed"]["bets"]["m"] = 0.25.into();
        assert!(serde_json::from_value::<RouteRow>(bad).unwrap().read().is_err());

        let row = EpochRow {
            info: epoch("1", None),
            ended_at: None,
            totals: Counts::default(),
            rule_hits: BTreeMap::new(),
            kinds: evidence.kinds.clone(),
        };
        assert_eq!(decode::<EpochRow>(b"k", &encode(b"k", &row).unwrap()).unwrap().kinds, evidence.kinds);
        assert_eq!((evidence.kinds.unseen.n(), evidence.kinds.is_sound()), (300, true));
        let mut fields = serde_json::to_value(&row).unwrap();
        fields.as_object_mut().unwrap().remove("kinds");
        fields["info"]["naming"] = serde_json::json!({ "named": true, "since": at(1), "unnamed": 7 });
        let old = serde_json::from_value::<EpochRow>(fields).unwrap();
        assert_eq!((old.kinds, old.info.naming.unnamed), (Kinds::default(), 7));
    }

    #[test]
    fn fields_without_names_stay_in_their_places() {
        // By way of text, as numbers are not read to their last digit.
        let named = |row: &RouteRow| -> serde_json::Value {
            serde_json::to_value(serde_json::from_str::<RouteRow>(&serde_json::to_string(row).unwrap()).unwrap())
                .unwrap()
        };
        // The same row, nearly all of its numbers different, with names and as it was written when names were left out.
        let row: RouteRow = serde_json::from_str(include_str!("fixtures/route.json")).unwrap();
        let expected = serde_json::to_value(&row).unwrap();
        assert_eq!(named(&decode(b"k", include_bytes!("fixtures/route.plx")).unwrap()), expected);
        // Rows of before are read as well.
        let older: RouteRow = decode(b"k", &encode(b"k", &row).unwrap()).unwrap();
        assert_eq!(serde_json::to_value(&older).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn odd_bytes_are_an_error_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let marked = [&b"PLX\x01"[..], &bytes].concat();
            let _ = decode::<RouteRow>(b"k", &marked).and_then(RouteRow::read);
            let _ = decode::<EpochRow>(b"k", &marked);
            prop_assert!(decode::<Meta>(b"k", &bytes).is_err());
        }

        #[test]
        fn a_row_that_was_touched_is_an_error(value in "[a-z]{0,400}", at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let row = encode(b"key", &value).unwrap();
            prop_assert_eq!(decode::<String>(b"key", &row), Ok(value));
            prop_assert!(decode::<String>(b"kez", &row).is_err());
            let mut touched = row.clone();
            touched[at.index(row.len())] ^= 1_u8 << bit;
            prop_assert!(decode::<String>(b"key", &touched).is_err());
            prop_assert!(decode::<String>(b"key", &row[..at.index(row.len())]).is_err());
        }
    }
}
