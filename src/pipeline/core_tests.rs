//! The ledger without its thread: order, patience, commits.

use super::*;
use crate::diff::Tier;
use crate::evidence::testing::{at, compared, finding};
use crate::flow::Kept;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

fn rules(generation: u64) -> Rules {
    Rules { generation, digest: format!("d{generation}"), route: Arc::new(|_| "r".into()) }
}

fn options(keeper: Option<Box<dyn Keeper>>) -> LedgerOptions {
    LedgerOptions {
        book: Book::new(rules(1), None, 5, at(0)),
        keeper,
        mirroring: true,
        policy: None,
        patience: Duration::from_secs(15),
        keep_for: Duration::from_secs(3600),
        max_size: 1 << 30,
    }
}

fn core() -> (Core, Arc<Inbox>) {
    (Core::new(options(None), at(0)), Inbox::new(4))
}

fn settled(id: &str) -> Settled {
    compared(id, "GET /a", 1, vec![])
}

fn mirrored(inbox: &Arc<Inbox>, id: &str) -> crate::flow::Ticket {
    inbox.mirrored(id.into(), "GET /a".into(), at(1))
}

fn counts(core: &mut Core, now: u64) -> (u64, u64, u64) {
    let snapshot = core.snapshot(at(now));
    assert_eq!(snapshot.evidence.law(), Ok(()));
    let totals = snapshot.evidence.totals();
    (totals.pending, totals.compared, totals.incomparable)
}

#[test]
fn a_late_first_exchange_holds_the_later_ones_back() {
    let (mut core, inbox) = core();
    let first = mirrored(&inbox, "1");
    let second = mirrored(&inbox, "2");
    second.settle(settled("2"));
    core.drain(&inbox, at(1));
    assert_eq!(counts(&mut core, 1), (2, 0, 0));
    first.settle(settled("1"));
    core.drain(&inbox, at(2));
    assert_eq!(counts(&mut core, 2), (0, 2, 0));
}

#[test]
fn but_not_for_longer_than_its_time() {
    let (mut core, inbox) = core();
    let first = mirrored(&inbox, "1");
    mirrored(&inbox, "2").settle(settled("2"));
    core.drain(&inbox, at(0));
    core.drain(&inbox, at(14));
    assert_eq!(counts(&mut core, 14), (2, 0, 0));
    core.drain(&inbox, at(15));
    assert_eq!(counts(&mut core, 15), (1, 1, 0));
    first.settle(settled("1"));
    core.drain(&inbox, at(16));
    assert_eq!(counts(&mut core, 16), (0, 2, 0));
}

#[test]
fn a_task_that_panics_is_counted() {
    let (mut core, inbox) = core();
    let ticket = mirrored(&inbox, "1");
    let died = std::thread::spawn(move || {
        let _held = ticket;
        panic!("on purpose");
    });
    assert!(died.join().is_err());
    core.drain(&inbox, at(1));
    assert_eq!(counts(&mut core, 1), (0, 0, 1));
    assert_eq!(core.snapshot(at(1)).evidence.totals().incomparable_reasons.capture_lost, 1);
}

#[test]
fn settled_before_its_beginning_was_seen_waits_for_it() {
    let (mut core, _) = core();
    core.events(vec![Event::Settled { seq: 0, settled: Box::new(settled("1")) }], at(1));
    assert_eq!(counts(&mut core, 1), (0, 0, 0));
    core.events(vec![Event::Mirrored { seq: 0, route: "GET /a".into() }], at(1));
    assert_eq!(counts(&mut core, 1), (0, 1, 0));
}

#[test]
fn what_is_in_flight_at_the_end_is_counted_as_shutdown() {
    let (mut core, inbox) = core();
    let _first = mirrored(&inbox, "1");
    mirrored(&inbox, "2").settle(settled("2"));
    core.drain(&inbox, at(1));
    core.close(at(2));
    assert_eq!(counts(&mut core, 2), (0, 1, 1));
    assert_eq!(core.snapshot(at(2)).evidence.totals().incomparable_reasons.shutdown, 1);
}

#[test]
fn an_unchanged_snapshot_is_shared() {
    let (mut core, inbox) = core();
    mirrored(&inbox, "1").settle(settled("1"));
    core.drain(&inbox, at(1));
    let one = core.snapshot(at(1));
    core.drain(&inbox, at(2));
    assert!(Arc::ptr_eq(&one, &core.snapshot(at(2))));
    mirrored(&inbox, "2").settle(settled("2"));
    core.drain(&inbox, at(2));
    assert!(!Arc::ptr_eq(&one, &core.snapshot(at(2))));
}

struct Fake {
    broken: Arc<AtomicBool>,
    kept: Arc<Mutex<Vec<(u64, bool)>>>,
}

impl Keeper for Fake {
    fn keep(&mut self, batch: Batch<'_>) -> Result<Kept, String> {
        if self.broken.load(Ordering::Relaxed) {
            return Err("no space left on device".into());
        }
        let compared = batch.book.newest().evidence.totals().compared;
        self.kept.lock().unwrap().push((compared, batch.mirroring));
        Ok(Kept { bytes: 7, evicted: vec![] })
    }
}

#[test]
fn a_failing_store_stops_nothing_and_says_why() {
    let (broken, kept) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(vec![])));
    let keeper = Fake { broken: broken.clone(), kept: kept.clone() };
    let mut core = Core::new(options(Some(Box::new(keeper))), at(0));
    let inbox = Inbox::new(1);
    mirrored(&inbox, "1").settle(settled("1"));
    core.drain(&inbox, at(1));
    assert!(core.is_due(at(1)));
    core.commit(at(1), || at(1));
    let status = core.snapshot(at(1)).store.clone();
    assert!(!status.durable && status.failing_since == Some(at(1)) && status.errors == 1);
    assert_eq!(status.why.as_deref(), Some("no space left on device"));
    assert!(!core.is_due(at(1)) && core.is_due(at(2)));
    assert_eq!(counts(&mut core, 1), (0, 1, 0));
    broken.store(false, Ordering::Relaxed);
    core.commit(at(2), || at(2));
    let status = core.snapshot(at(2)).store.clone();
    assert_eq!((status.durable, status.why, status.last_commit, status.bytes), (true, None, Some(at(2)), 7));
    assert!(!core.is_due(at(9)));
    core.set_mirroring(false);
    assert!(core.is_due(at(2)));
    core.commit(at(2), || at(2));
    assert_eq!(*kept.lock().unwrap(), [(1, true), (1, false)]);
}

#[test]
fn a_new_build_is_kept_at_once() {
    let keeper = Fake { broken: Default::default(), kept: Default::default() };
    let mut core = Core::new(options(Some(Box::new(keeper))), at(0));
    let inbox = Inbox::new(1);
    core.commit(at(1), || at(1));
    for build in ["1", "2"] {
        let mut s = settled(build);
        s.build = Some(build.into());
        mirrored(&inbox, build).settle(s);
        core.drain(&inbox, at(1));
    }
    assert!(core.is_due(at(1)));
    let snapshot = core.snapshot(at(1));
    assert_eq!(snapshot.evidence.epoch.candidate_build.as_deref(), Some("2"));
    assert_eq!((snapshot.history.len(), snapshot.history[0].totals.compared), (1, 1));
}

#[test]
fn what_differs_is_seen_in_the_snapshot() {
    let (mut core, inbox) = core();
    let settled = compared("1", "GET /a", 1, vec![finding("json.value", "json:$.name", Tier::Value)]);
    mirrored(&inbox, "1").settle(settled);
    core.drain(&inbox, at(1));
    let snapshot = core.snapshot(at(1));
    let row = snapshot.evidence.routes["GET /a"].divergences.values().next().unwrap().clone();
    assert_eq!((row.count, row.counted, row.examples.len()), (1, 1, 1));
}
