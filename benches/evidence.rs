//! What counting and judging cost: comparisons a second through the ledger, a verdict over many routes.
//!
//! `cargo bench --bench evidence`

#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use parallax::evidence::{Book, Compared, Rules, Settled, Settlement};
use parallax::flow::Inbox;
use parallax::gate::{self, Facts, GateSettings, Policy};
use parallax::model::{LegRecord, PerLeg, StatusClass, Timestamp, Timing};
use parallax::pipeline::{Core, LedgerOptions, Moment};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

const BATCH: u64 = 10_000;

fn core() -> Core {
    let rules = Rules { generation: 1, digest: "r".into(), route: Arc::new(|_| "r".into()) };
    let now = Timestamp::from_micros(1_000_000);
    let options = LedgerOptions {
        book: Book::new(rules, None, 5, now),
        histories: Default::default(),
        keeper: None,
        mirroring: true,
        policy: Some(policy()),
        patience: Duration::from_secs(15),
        keep_for: Duration::from_secs(86_400),
        max_size: 1 << 30,
    };
    Core::new(options, at(1))
}

/// The defaults, without a warm-up: everything counts from the first exchange on.
fn policy() -> Policy {
    let default = GateSettings { warm_up: Duration::ZERO, warm_up_pairs: 0, ..GateSettings::default() };
    Policy { default, routes: Vec::new() }
}

fn at(second: u64) -> Moment {
    Moment { wall: Timestamp::from_micros(second * 1_000_000), steady: Duration::from_secs(second) }
}

/// One of fifty a second, so that blocks of time fill and close.
fn settled(route: &Arc<str>, i: u64) -> Settled {
    let timing = Timing { first_byte: Some(Duration::from_micros(500 + i % 997)), ..Timing::default() };
    let record = Some(LegRecord { class: StatusClass::Success, timing });
    Settled {
        id: "x".into(),
        route: route.clone(),
        generation: 1,
        build: None,
        arrived: Timestamp::from_micros(1_000_000 + i * 20_000),
        legs: PerLeg { primary: record, candidate: record, control: None },
        result: Settlement::Compared(Compared::default()),
    }
}

fn fill(inbox: &Arc<Inbox>, routes: &[Arc<str>], exchanges: u64) {
    for i in 0..exchanges {
        let route = &routes[i as usize % routes.len()];
        let ticket = inbox.mirrored("x".into(), route.clone(), Timestamp::from_micros(1_000_000));
        ticket.settle(settled(route, i));
    }
}

fn routes(n: usize) -> Vec<Arc<str>> {
    (0..n).map(|i| format!("GET /route-{i}/{{id}}").into()).collect()
}

fn ledger(c: &mut Criterion) {
    let (inbox, routes) = (Inbox::new(4), routes(20));
    let mut core = core();
    let mut group = c.benchmark_group("ledger");
    group.throughput(Throughput::Elements(BATCH));
    group.bench_function("matched exchanges", |bench| {
        bench.iter_batched(|| fill(&inbox, &routes, BATCH), |()| core.drain(&inbox, at(2)), BatchSize::PerIteration);
    });
    group.finish();
}

fn judging(c: &mut Criterion) {
    let (inbox, routes) = (Inbox::new(4), routes(2_000));
    let mut core = core();
    fill(&inbox, &routes, 200_000);
    core.drain(&inbox, at(2));
    let snapshot = core.snapshot(Timestamp::from_micros(2_000_000));
    let policy = policy();
    let facts = Facts::at(Timestamp::from_micros(5_000_000_000));
    c.bench_function("a verdict over 2,000 routes", |bench| {
        bench.iter(|| black_box(gate::judge(&policy, &snapshot.evidence, &facts)));
    });
}

criterion_group!(benches, ledger, judging);
criterion_main!(benches);
