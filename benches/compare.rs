//! What comparing two answers costs: equal ones, ones that differ in representation only, ones that differ.
//!
//! `cargo bench --bench compare`

#![allow(missing_docs, clippy::unwrap_used)]

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, StatusCode, Uri};
use parallax::diff::{self, Context, Limits, RouteRules};
use parallax::model::{Answer, BodyEnd, Captured, Leg, Outcome, PerLeg, RequestHead};
use std::hint::black_box;
use std::time::Duration;

fn answer(body: String) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Answer {
        status: StatusCode::OK,
        reason: None,
        headers,
        body: Captured::whole(vec![Bytes::from(body)], None),
        trailers: None,
        end: BodyEnd::Complete,
    }
}

/// An array of small objects of about `bytes` in all; `change` may alter one.
fn document(bytes: usize, space: &str, change: Option<usize>) -> String {
    let mut out = format!("{{\"items\":{space}[");
    let mut i = 0;
    while out.len() < bytes {
        if i > 0 {
            out.push(',');
        }
        let name = if change == Some(i) { "iTem" } else { "item" };
        out.push_str(&format!(
            "{space}{{\"id\":{space}{i},\"name\":{space}\"{name}-{i}\",\"price\":{space}{}.50,\"tags\":{space}[\"a\",\"b\"],\"ok\":true}}",
            i % 97
        ));
        i += 1;
    }
    out.push_str("]}");
    out
}

fn compare(rules: &RouteRules, primary: &Answer, candidate: &Outcome) -> diff::Findings {
    let request = RequestHead {
        method: Method::GET,
        uri: Uri::from_static("/"),
        host: None,
        scheme: "http",
        headers: HeaderMap::new(),
    };
    let context = Context {
        request: &request,
        rules,
        origins: &PerLeg::default(),
        other: Leg::Candidate,
        skew: Duration::ZERO,
        skip_headers: &[],
        limits: Limits::default(),
        expired: &|| false,
    };
    diff::compare(&context, primary, candidate)
}

fn bodies(c: &mut Criterion) {
    let rules = RouteRules::none();
    let small = document(10 * 1024, "", None);
    let large = document(1 << 20, "", None);

    let mut group = c.benchmark_group("equal");
    for (name, body) in [("10 KiB", &small), ("1 MiB", &large)] {
        let (a, b) = (answer(body.clone()), answer(body.clone()));
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |bench| {
            bench.iter(|| assert!(diff::is_match(&rules, &[], black_box(&a), black_box(&b))));
        });
    }
    group.finish();

    let mut group = c.benchmark_group("white space only, 1 MiB");
    let (a, b) = (answer(large.clone()), Outcome::Answer(answer(document_like(&large, " "))));
    group.throughput(Throughput::Bytes(large.len() as u64));
    group.bench_function("parallax", |bench| {
        bench.iter(|| assert_eq!(compare(&rules, black_box(&a), black_box(&b)).list.len(), 1));
    });
    let respaced = document_like(&large, " ");
    group.bench_function("serde_json::Value, parse both and compare", |bench| {
        bench.iter(|| {
            let a: serde_json::Value = serde_json::from_str(black_box(&large)).unwrap();
            let b: serde_json::Value = serde_json::from_str(black_box(&respaced)).unwrap();
            assert_eq!(a, b);
        });
    });
    group.finish();

    let mut group = c.benchmark_group("one leaf of 1 MiB changed");
    let changed = Outcome::Answer(answer(document(1 << 20, "", Some(5_000))));
    let a = answer(large.clone());
    group.throughput(Throughput::Bytes(large.len() as u64));
    group.bench_function("parallax", |bench| {
        bench.iter(|| assert_eq!(compare(&rules, black_box(&a), black_box(&changed)).list.len(), 1));
    });
    group.finish();
}

/// The same document with white space behind every colon and comma outside of strings.
fn document_like(document: &str, space: &str) -> String {
    let mut out = String::with_capacity(document.len() * 2);
    let mut quoted = false;
    for c in document.chars() {
        out.push(c);
        quoted ^= c == '"';
        if !quoted && matches!(c, ':' | ',') {
            out.push_str(space);
        }
    }
    out
}

fn arrays(c: &mut Criterion) {
    let rules = RouteRules::none();
    let list = |edit: bool| {
        let mut items: Vec<String> = (0..10_000).map(|i| format!("{{\"id\":{i},\"v\":{}}}", i * 31 % 1000)).collect();
        if edit {
            for k in 0..33 {
                items.insert(k * 97 + 5, format!("{{\"id\":\"new-{k}\"}}"));
                items[k * 101 + 50] = format!("{{\"id\":{k},\"v\":\"changed\"}}");
                items.swap(k * 113 + 3_000, k * 113 + 3_040);
            }
        }
        format!("[{}]", items.join(","))
    };
    let (a, b) = (answer(list(false)), Outcome::Answer(answer(list(true))));
    c.bench_function("10,000 elements, 100 inserted, moved and changed", |bench| {
        bench.iter_batched(|| (), |()| black_box(compare(&rules, &a, &b)), BatchSize::SmallInput);
    });
}

criterion_group!(benches, bodies, arrays);
criterion_main!(benches);
