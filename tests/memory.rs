//! What evidence takes in memory: histograms grow with what they are given, so many quiet routes cost little.
//!
//! It stands alone, since what is measured is the memory of the whole process.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "what is not there is a failed test")]

use parallax::evidence::{Book, Compared, Evidence, Keep, LatencyTerms, Rules, Settled, Settlement};
use parallax::model::{LegRecord, PerLeg, StatusClass, Timestamp, Timing};
use std::sync::Arc;
use std::time::Duration;

/// Exchanges a route has: over four powers of ten, so that its histograms are wide.
const EXCHANGES: u64 = 40;

/// Resident memory in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// Routes with latencies of three legs from a millisecond to ten seconds.
fn evidence(routes: u64) -> Evidence {
    let rules =
        Rules { generation: 1, digest: String::new(), infos: Arc::default(), route: Arc::new(|_| String::new()) };
    let mut evidence = Book::new(rules, 5, Timestamp::from_micros(1_000_000)).newest().evidence.clone();
    let terms = LatencyTerms { warm_up: Duration::ZERO, warm_up_pairs: 0, ..LatencyTerms::default() };
    for n in 0..routes {
        let route: Arc<str> = format!("GET /route-{n}/{{id}}").into();
        for i in 0..EXCHANGES {
            let took = Duration::from_secs_f64(0.001 * 10f64.powf(4.0 * i as f64 / (EXCHANGES - 1) as f64));
            let timing = Timing { first_byte: Some(took), last_byte: took, ..Timing::default() };
            let record = Some(LegRecord { class: StatusClass::Success, timing });
            let settled = Settled {
                id: "x".into(),
                route: route.clone(),
                generation: 1,
                build: None,
                arrived: Timestamp::from_micros(2_000_000 + i * 1_500_000),
                legs: PerLeg { primary: record, candidate: record, control: record },
                result: Settlement::Compared(Compared { control: Some(Default::default()), ..Compared::default() }),
            };
            let keep = Keep { rules: &|_| "r".into(), latency: &|_| terms, examples: 5, now: settled.arrived };
            evidence.begin(&route, keep);
            evidence.apply(&settled, keep);
        }
    }
    evidence
}

#[test]
fn evidence_takes_little_memory_and_many_routes_not_much() {
    for (routes, most) in [(20, 5 << 20), (2_000, 200 << 20)] {
        let before = resident();
        let held = evidence(routes);
        // What readers look at is a copy.
        let shown = held.clone();
        let taken = resident().saturating_sub(before);
        println!("{routes} routes with three legs, and a snapshot of them: {:.1} MiB", taken as f64 / 1_048_576.0);
        assert!(taken <= most, "{routes} routes take {taken} bytes, more than {most}");
        assert_eq!((held.routes.len() as u64, shown.totals().compared), (routes, routes * EXCHANGES));
        assert!(held.routes.values().all(|r| r.pace.primary.len() > 30 && r.latency.control.len() == EXCHANGES));
    }
}
