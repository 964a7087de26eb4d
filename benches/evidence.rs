//! What counting, judging and keeping cost: comparisons a second through the ledger, a verdict over many routes, and what
//! a second changed of them made durable.
//!
//! `cargo bench --bench evidence`

#![expect(clippy::unwrap_used, reason = "what fails here ends the run")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use parallax::diff::{Finding, Findings, Tier};
use parallax::evidence::{Book, Compared, Rules, Settled, Settlement};
use parallax::flow::{Inbox, Keeper};
use parallax::gate::{self, Facts, GateSettings, Policy, RoutePolicy};
use parallax::model::{LegRecord, Moment, PerLeg, StatusClass, Timestamp, Timing};
use parallax::pipeline::{Core, LedgerOptions};
use parallax::store::{self, StoreSettings};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const BATCH: u64 = 10_000;

/// What the exchanges of a benchmark are like.
#[derive(Clone, Copy)]
enum Kind {
    /// Alike.
    Matched,
    /// One in a hundred diverges, each at one of a few places.
    Divergent,
    /// With a control that differs now and then, as the candidate does; one in a thousand diverges by itself.
    Controlled,
}

fn core(keeper: Option<Box<dyn Keeper>>, policy: Policy) -> Core {
    let rules = Rules { generation: 1, digest: "r".into(), infos: Arc::default(), route: Arc::new(|_| "r".into()) };
    let now = Timestamp::from_micros(1_000_000);
    let options = LedgerOptions {
        book: Book::new(rules, 5, now),
        histories: Default::default(),
        keeper,
        mirroring: true,
        policy: Some(policy),
        patience: Duration::from_secs(15),
        keep_for: Duration::from_secs(86_400),
        max_size: 1 << 30,
    };
    Core::new(options, at(1))
}

/// The defaults, without a warm-up: everything counts from the first exchange on.
fn policy() -> Policy {
    let default = GateSettings { warm_up: Duration::ZERO, warm_up_pairs: 0, ..GateSettings::default() };
    Policy { default, routes: Default::default() }
}

/// The same for routes that are configured.
fn policy_of(routes: &[Arc<str>]) -> Policy {
    let mut policy = policy();
    for route in routes {
        let name = route.trim_start_matches("GET ").to_owned();
        policy.routes.insert(RoutePolicy {
            name,
            methods: Vec::new(),
            critical: false,
            named_by_body: false,
            settings: policy.default.clone(),
        });
    }
    policy
}

fn at(second: u64) -> Moment {
    Moment { wall: Timestamp::from_micros(second * 1_000_000), steady: Duration::from_secs(second) }
}

/// One of fifty a second, so that blocks of time fill and close.
fn settled(kind: Kind, route: &Arc<str>, i: u64) -> Settled {
    let timing = Timing { first_byte: Some(Duration::from_micros(500 + i % 997)), ..Timing::default() };
    let record = Some(LegRecord { class: StatusClass::Success, timing });
    let control = record.filter(|_| matches!(kind, Kind::Controlled));
    Settled {
        id: "x".into(),
        route: route.clone(),
        generation: 1,
        build: None,
        arrived: Timestamp::from_micros(1_000_000 + i * 20_000),
        legs: PerLeg { primary: record, candidate: record, control },
        result: Settlement::Compared(compared(kind, i)),
    }
}

fn compared(kind: Kind, i: u64) -> Compared {
    let mix = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let differs = |one_in: u64, place: &str| {
        let list = if mix.is_multiple_of(one_in) { vec![finding(place)] } else { vec![] };
        Findings { list, ..Findings::default() }
    };
    match kind {
        Kind::Matched => Compared::default(),
        Kind::Divergent => {
            Compared { candidate: differs(100, ["$.a", "$.b", "$.c"][i as usize % 3]), ..Compared::default() }
        }
        Kind::Controlled => {
            let noise = if i.is_multiple_of(3) { "$.noise" } else { "$.b" };
            let control = differs(97, noise);
            let candidate = if mix.is_multiple_of(1_000) { differs(1_000, "$.own") } else { differs(89, noise) };
            Compared { candidate, control: Some(control), example: None }
        }
    }
}

fn finding(place: &str) -> Finding {
    let location: Arc<str> = format!("json:{place}").into();
    Finding {
        kind: "json.value".into(),
        tier: Tier::Value,
        exact: location.clone(),
        location,
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

fn fill(inbox: &Arc<Inbox>, routes: &[Arc<str>], exchanges: u64, kind: Kind) {
    for i in 0..exchanges {
        let route = &routes[i as usize % routes.len()];
        let ticket = inbox.mirrored("x".into(), route.clone(), Timestamp::from_micros(1_000_000));
        ticket.settle(settled(kind, route, i));
    }
}

fn routes(n: usize) -> Vec<Arc<str>> {
    (0..n).map(|i| format!("GET /route-{i}/{{id}}").into()).collect()
}

fn ledger(c: &mut Criterion) {
    let mut group = c.benchmark_group("ledger");
    group.throughput(Throughput::Elements(BATCH));
    let kinds = [
        ("matched", Kind::Matched),
        ("one in a hundred divergent", Kind::Divergent),
        ("with a control", Kind::Controlled),
    ];
    for (name, kind) in kinds {
        let (inbox, routes, mut core) = (Inbox::new(4), routes(20), core(None, policy()));
        group.bench_function(name, |bench| {
            let fill = || fill(&inbox, &routes, BATCH, kind);
            bench.iter_batched(fill, |()| core.drain(&inbox, at(2)), BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn judging(c: &mut Criterion) {
    let mut group = c.benchmark_group("a verdict over 2,000 routes");
    for (name, kind) in [("without a control", Kind::Divergent), ("with a control", Kind::Controlled)] {
        let (inbox, routes, mut core) = (Inbox::new(4), routes(2_000), core(None, policy()));
        fill(&inbox, &routes, 400_000, kind);
        core.drain(&inbox, at(2));
        let snapshot = core.snapshot(Timestamp::from_micros(2_000_000));
        let policy = policy();
        let facts = Facts::at(Timestamp::from_micros(9_000_000_000));
        group.bench_function(name, |bench| {
            bench.iter(|| black_box(gate::judge(&policy, &snapshot.evidence, &facts)));
        });
    }
    group.finish();
}

/// What a second of 2,000 requests on 2,000 configured routes changes, made durable: those of them that were asked.
fn keeping(c: &mut Criterion) {
    let mut group = c.benchmark_group("a commit, 1,264 of 2,000 routes changed");
    for (name, kind) in [("none has divergences", Kind::Matched), ("each has three", Kind::Divergent)] {
        let folder = tempfile::tempdir().unwrap();
        let settings = StoreSettings {
            path: folder.path().to_owned(),
            keep_examples: 5,
            keep_for: Duration::from_secs(86_400),
            max_size: 1 << 30,
        };
        let (store, _) = store::open(&settings).unwrap();
        let (inbox, routes) = (Inbox::new(4), routes(2_000));
        let mut core = core(Some(Box::new(store)), policy_of(&routes));
        fill(&inbox, &routes, 1_200_000, kind);
        core.drain(&inbox, at(2));
        core.commit(at(2), || Duration::ZERO);
        group.bench_function(name, |bench| {
            bench.iter_custom(|times| {
                let mut spent = Duration::ZERO;
                for _ in 0..times {
                    fill(&inbox, &routes[..1_264], 1_264, Kind::Matched);
                    core.drain(&inbox, at(3));
                    let start = Instant::now();
                    core.commit(at(3), || Duration::ZERO);
                    spent += start.elapsed();
                }
                spent
            });
        });
    }
    group.finish();
}

criterion_group!(benches, ledger, judging, keeping);
criterion_main!(benches);
