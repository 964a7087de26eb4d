//! What comparing two answers costs: equal ones, ones that differ in representation only, ones that differ.
//!
//! `cargo bench --bench compare`

#![expect(clippy::unwrap_used, reason = "what fails here ends the run")]

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, StatusCode, Uri};
use parallax::diff::{self, Context, Limits, RouteRules};
use parallax::model::{Answer, BodyEnd, Captured, Leg, Outcome, PerLeg, RequestHead, Timestamp};
use std::hint::black_box;
use std::time::Duration;

fn answer(body: String) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Answer {
        status: StatusCode::OK,
        reason: Default::default(),
        headers: headers.into(),
        body: Captured::whole(vec![Bytes::from(body)]),
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
        headers: Default::default(),
    };
    let context = Context {
        request: &request,
        rules,
        origins: &PerLeg::default(),
        other: Leg::Candidate,
        arrived: Some(Timestamp::from_micros(0)),
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
        let other = body.clone();
        group.bench_function(format!("{name}, the bytes alone"), |bench| {
            bench.iter(|| assert!(black_box(body) == black_box(&other)));
        });
    }
    group.finish();

    let respaced = document_like(&large, " ");
    let reversed = reversed(&large);
    for (name, other) in [("white space only, 1 MiB", &respaced), ("key order only, 1 MiB", &reversed)] {
        let mut group = c.benchmark_group(name);
        let (a, b) = (answer(large.clone()), Outcome::from(answer(other.clone())));
        group.throughput(Throughput::Bytes(large.len() as u64));
        group.bench_function("parallax", |bench| {
            bench.iter(|| assert_eq!(compare(&rules, black_box(&a), black_box(&b)).list.len(), 1));
        });
        group.bench_function("serde_json::Value, parse both and compare", |bench| {
            bench.iter(|| {
                let (a, b) = parsed(black_box(&large), black_box(other));
                assert_eq!(a, b);
            });
        });
        group.finish();
    }

    let changed = document(1 << 20, "", Some(5_000));
    against_others(c, &rules, "one leaf of 1 MiB changed", &large, &changed, Some(1));
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
    against_others(c, &rules, "10,000 elements, 100 inserted, moved and changed", &list(false), &list(true), None);
}

/// Two documents that differ: the comparison, and what others need to tell as much or less about them.
fn against_others(c: &mut Criterion, rules: &RouteRules, name: &str, a: &str, b: &str, findings: Option<usize>) {
    let mut group = c.benchmark_group(name);
    let (x, y) = (answer(a.to_owned()), Outcome::from(answer(b.to_owned())));
    group.throughput(Throughput::Bytes(a.len() as u64));
    group.bench_function("parallax", |bench| {
        bench.iter(|| {
            let found = compare(rules, black_box(&x), black_box(&y)).list.len();
            assert!(found > 0 && findings.is_none_or(|n| n == found));
        });
    });
    group.bench_function("serde_json::Value, parse both and compare", |bench| {
        bench.iter(|| {
            let (a, b) = parsed(black_box(a), black_box(b));
            assert_ne!(a, b);
        });
    });
    group.bench_function("json_patch::diff, parse both and list the changes", |bench| {
        bench.iter(|| {
            let (a, b) = parsed(black_box(a), black_box(b));
            assert!(!json_patch::diff(&a, &b).is_empty());
        });
    });
    group.finish();
}

fn parsed(a: &str, b: &str) -> (serde_json::Value, serde_json::Value) {
    (serde_json::from_str(a).unwrap(), serde_json::from_str(b).unwrap())
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

/// The same document with the members of every element in reverse.
fn reversed(document: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(document).unwrap();
    let items = value["items"].as_array().unwrap().iter().map(|item| {
        let order = ["ok", "tags", "price", "name", "id"];
        let price = format!("{:.2}", item["price"].as_f64().unwrap());
        let text = |k: &str| if k == "price" { price.clone() } else { item[k].to_string() };
        format!("{{{}}}", order.map(|k| format!("\"{k}\":{}", text(k))).join(","))
    });
    format!("{{\"items\":[{}]}}", items.collect::<Vec<_>>().join(","))
}

criterion_group!(benches, bodies, arrays);
criterion_main!(benches);
