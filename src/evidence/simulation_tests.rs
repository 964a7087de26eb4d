//! A service that is noisy in every way there is, with a control, through the comparison and the judging: next to nothing
//! is held against a candidate that is the same, and what is planted on top is found.

use super::testing::{at, epoch, leg};
use super::{Compared, Evidence, Keep, Settled, Settlement};
use crate::diff::{Context, Findings, Limits, RouteRules, compare};
use crate::model::{Answer, BodyEnd, Captured, Leg, Outcome, PerLeg, RequestHead, StatusClass, Timestamp};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const EXCHANGES: u64 = 5_000;

/// A seeded stream of chance for one leg's answer to one request.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn from(&mut self, signs: &str, length: usize) -> String {
        let signs: Vec<char> = signs.chars().collect();
        (0..length).map(|_| signs[self.below(signs.len() as u64) as usize]).collect()
    }

    fn hex(&mut self, length: usize) -> String {
        self.from("0123456789abcdef", length)
    }

    fn uuid(&mut self) -> String {
        [8, 4, 4, 4, 12].map(|n| self.hex(n)).join("-")
    }

    fn shuffled<T>(&mut self, mut items: Vec<T>) -> Vec<T> {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
        items
    }
}

const WORD: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const POOL: [&str; 12] =
    ["ash", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "pine", "rowan", "yew"];

fn answer(i: u64, leg: u64) -> Value {
    let mut c = Chance(i.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ leg << 60);
    let length = c.below(5);
    let picks = c.below(4) + 1;
    let mut keyed = Map::new();
    for _ in 0..c.below(4) {
        keyed.insert(c.uuid(), json!({ "n": c.below(100) }));
    }
    let mut body = json!({
        "name": format!("thing {i}"), "total": i * 7, "fixed": ["a", "b", "c"], "owner": { "id": i, "tags": ["x", "y"] },
        "uuid": c.uuid(), "short": c.hex(8), "long": c.hex(32), "token": c.from(WORD, 22), "base36": c.from("abcdefghijklmnopqrstuvwxyz0123456789", 16),
        "digits": c.below(10_000_000).to_string(), "decimal": format!("{}", c.below(100_000) as f64 / 100.0),
        "random": c.next() as f64 / 3e9, "whole": c.below(3), "coin": c.below(2) == 0,
        "at": format!("2026-01-01T00:{:02}:{:02}.{:03}Z", i / 60 % 60, i % 60, c.below(1_000)), "ts": 1_767_225_600 + i + c.below(2),
        "score": 0.73 * (1.0 + 1e-10 * c.below(1_000) as f64 / 1_000.0),
        "set": c.shuffled(POOL[..6].to_vec()), "pair": c.shuffled(vec![1, 2]),
        "list": (0..length).map(|_| c.uuid()).collect::<Vec<_>>(),
        "picks": c.shuffled(POOL.to_vec())[..picks as usize],
        "three": c.shuffled(POOL.to_vec())[..3],
        "rows": (0..c.below(3) + 1).map(|_| json!({ "id": c.uuid(), "n": c.below(9) })).collect::<Vec<_>>(),
        "keyed": keyed,
    });
    if c.below(2) == 0 {
        body["maybe"] = json!(c.hex(12));
    }
    body["sometimes"] = if c.below(3) == 0 { Value::Null } else { json!("value") };
    body
}

fn message(body: &Value) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    Answer {
        status: StatusCode::OK,
        reason: Default::default(),
        headers: headers.into(),
        body: Captured::whole(vec![Bytes::from(body.to_string())]),
        trailers: None,
        end: BodyEnd::Complete,
    }
}

fn findings(primary: &Value, other: &Value) -> Findings {
    let uri = Uri::from_static("/");
    let request = RequestHead { method: Method::GET, uri, host: None, scheme: "http", headers: Default::default() };
    let context = Context {
        request: &request,
        rules: &RouteRules::none(),
        origins: &PerLeg::default(),
        other: Leg::Candidate,
        arrived: Some(Timestamp::from_micros(0)),
        skew: Duration::ZERO,
        skip_headers: &[],
        limits: Limits::default(),
        expired: &|| false,
    };
    compare(&context, &message(primary), &Outcome::from(message(other)))
}

/// The evidence of a run in which the candidate's answers are changed by `change`.
fn run(seed: u64, exchanges: u64, change: &dyn Fn(u64, &mut Value)) -> Evidence {
    let mut evidence = Evidence::new(epoch("1", None));
    let keep = Keep { rules: &|_| "r".into(), latency: &|_| Default::default(), examples: 0, now: at(0) };
    for i in 0..exchanges {
        let of = |leg| answer(seed * 1_000_003 + i, leg);
        let (primary, control, mut candidate) = (of(1), of(2), of(3));
        change(i, &mut candidate);
        let compared = Compared {
            candidate: findings(&primary, &candidate),
            control: Some(findings(&primary, &control)),
            example: None,
        };
        let settled = Settled {
            id: format!("x{i}").into(),
            route: "GET /a".into(),
            generation: 1,
            build: None,
            arrived: at(i),
            legs: PerLeg {
                primary: leg(StatusClass::Success, 1),
                candidate: leg(StatusClass::Success, 1),
                control: leg(StatusClass::Success, 1),
            },
            result: Settlement::Compared(compared),
        };
        evidence.begin(&settled.route, keep);
        evidence.apply(&settled, keep);
    }
    evidence
}

/// Where something counted, and how often.
fn counted(evidence: &Evidence) -> BTreeMap<String, u64> {
    let mut out = BTreeMap::new();
    for row in evidence.routes.values().flat_map(|r| r.divergences.values()).filter(|row| row.counted > 0) {
        *out.entry(format!("{} {}", row.location, row.kind)).or_default() += row.counted;
    }
    out
}

#[test]
fn a_candidate_that_is_the_same_is_hardly_ever_divergent() {
    let evidence = run(0, EXCHANGES, &|_, _| {});
    let route = &evidence.routes["GET /a"];
    assert_eq!((route.counts.compared, route.control.differed), (EXCHANGES, EXCHANGES));
    // What a place shows now and then, the candidate may be the first to show: once or twice for each such place.
    assert!(route.counts.divergent <= 8, "{} divergent: {:?}", route.counts.divergent, counted(&evidence));
    // So may the control.
    assert!(route.paired.n01 + route.paired.n11 <= 8, "{:?}", route.paired);
    let late =
        |row: &&super::Divergence| row.counted > 0 && row.last_seen > at(EXCHANGES / 2) && row.counted == row.count;
    assert_eq!(route.divergences.values().filter(late).count(), 0, "and only while they are new");
}

#[test]
fn what_is_planted_among_the_noise_is_found() {
    type Change = (&'static str, fn(&mut Value));
    let planted: [Change; 17] = [
        ("json:$.uuid json.type", |b| b["uuid"] = Value::Null),
        ("json:$.uuid json.value", |b| b["uuid"] = json!("")),
        ("json:$.short json.value", |b| b["short"] = json!("1b4e28ba-2fa1-11d2-883f-0016d3cca427")),
        ("json:$.long json.missing", |b| drop(b.as_object_mut().unwrap().remove("long"))),
        ("json:$.token json.value", |b| b["token"] = json!("could not make one")),
        ("json:$.digits json.value", |b| b["digits"] = json!("12 or so")),
        ("json:$.random json.type", |b| b["random"] = json!("3.5")),
        ("json:$.at json.value", |b| b["at"] = json!("yesterday")),
        ("json:$.ts json.type", |b| b["ts"] = json!([])),
        ("json:$.total json.value", |b| b["total"] = json!(b["total"].as_u64().unwrap() + 1)),
        ("json:$.fixed json.order", |b| b["fixed"] = json!(["c", "b", "a"])),
        ("json:$.owner.tags json.missing", |b| drop(b["owner"].as_object_mut().unwrap().remove("tags"))),
        ("json:$.set[*] json.item_missing", |b| drop(b["set"].as_array_mut().unwrap().pop())),
        ("json:$.list json.type", |b| b["list"] = Value::Null),
        ("json:$.keyed json.missing", |b| drop(b.as_object_mut().unwrap().remove("keyed"))),
        ("json:$.sometimes json.type", |b| b["sometimes"] = json!(5)),
        ("json:$.added json.extra", |b| b["added"] = json!("new")),
    ];
    let (from, every) = (300, planted.len() as u64);
    let rounds = 12;
    let change = |i: u64, body: &mut Value| {
        if i >= from {
            (planted[(i % every) as usize].1)(body);
        }
    };
    let exchanges = from + rounds * every;
    let evidence = run(7, exchanges, &change);
    let (counts, found) = (&evidence.routes["GET /a"].counts, counted(&evidence));
    for (place, _) in &planted {
        // What is empty now and then is told by another kind then.
        assert!(found.get(*place).is_some_and(|n| *n > rounds / 2), "{place}: {found:?}");
    }
    assert!((rounds * every..rounds * every + 10).contains(&counts.divergent), "{counts:?}");
}

#[test]
fn a_long_list_of_ids_is_judged_like_a_short_one() {
    let body = |i: u64, leg: u64| {
        let mut c = Chance(i * 31 + leg);
        json!({ "rows": (0..200).map(|n| json!({ "n": n, "etag": c.uuid() })).collect::<Vec<_>>() })
    };
    let long = |i: u64, from: u64, to: u64| findings(&body(i, from), &body(i, to));
    let all = long(1, 1, 2);
    assert!(all.dropped > 100 && !all.lost_any(), "{} {}", all.dropped, all.repeated);
    let mut noise = super::Noise::new();
    let compared = |candidate| Compared { candidate, control: Some(long(1, 1, 3)), example: None };
    let judged = super::judge::judge(&mut noise, &compared(all));
    assert_eq!(judged.decision, super::judge::Decision::Excused(super::judge::Needed::Noise));
    // One of them that is null is still seen among all the others.
    let mut odd = body(1, 2);
    odd["rows"][199]["etag"] = Value::Null;
    let judged = super::judge::judge(&mut noise, &compared(findings(&body(1, 1), &odd)));
    assert_eq!(judged.decision, super::judge::Decision::Divergent);
}
