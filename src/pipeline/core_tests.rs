//! The ledger without its thread: order, patience, commits.

use super::*;
use crate::diff::Tier;
use crate::evidence::testing::{at, compared, finding};
use crate::flow::Kept;
use crate::gate;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

fn rules(generation: u64) -> Rules {
    Rules { generation, digest: format!("d{generation}"), infos: Arc::default(), route: Arc::new(|_| "r".into()) }
}

fn options(keeper: Option<Box<dyn Keeper>>) -> LedgerOptions {
    LedgerOptions {
        book: Book::new(rules(1), 5, at(0)),
        histories: Default::default(),
        keeper,
        mirroring: true,
        policy: None,
        patience: Duration::from_secs(15),
        keep_for: Duration::from_secs(3600),
        max_size: 1 << 30,
    }
}

fn core() -> (Core, Arc<Inbox>) {
    (Core::new(options(None), moment(0)), Inbox::new(4))
}

fn settled(id: &str) -> Settled {
    compared(id, "GET /a", 1, vec![])
}

fn mirrored(inbox: &Arc<Inbox>, id: &str) -> crate::flow::Ticket {
    inbox.mirrored(id.into(), "GET /a".into(), at(1))
}

fn moment(seconds: u64) -> Moment {
    Moment { wall: at(seconds), steady: Duration::from_secs(seconds) }
}

fn commit(core: &mut Core, seconds: u64) {
    core.commit(moment(seconds), || Duration::ZERO);
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
    core.drain(&inbox, moment(1));
    assert_eq!(counts(&mut core, 1), (2, 0, 0));
    first.settle(settled("1"));
    core.drain(&inbox, moment(2));
    assert_eq!(counts(&mut core, 2), (0, 2, 0));
}

#[test]
fn but_not_for_longer_than_its_time() {
    let (mut core, inbox) = core();
    let first = mirrored(&inbox, "1");
    mirrored(&inbox, "2").settle(settled("2"));
    core.drain(&inbox, moment(0));
    core.drain(&inbox, moment(14));
    assert_eq!(counts(&mut core, 14), (2, 0, 0));
    core.drain(&inbox, moment(15));
    assert_eq!(counts(&mut core, 15), (1, 1, 0));
    first.settle(settled("1"));
    core.drain(&inbox, moment(16));
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
    core.drain(&inbox, moment(1));
    assert_eq!(counts(&mut core, 1), (0, 0, 1));
    assert_eq!(core.snapshot(at(1)).evidence.totals().incomparable_reasons.capture_lost, 1);
}

#[test]
fn settled_before_its_beginning_was_seen_waits_for_it() {
    let (mut core, _) = core();
    core.events(vec![Event::Settled { seq: 0, settled: Box::new(settled("1")), bytes: 0, again: None }], moment(1));
    assert_eq!(counts(&mut core, 1), (0, 0, 0));
    core.events(vec![Event::Mirrored { seq: 0, route: "GET /a".into() }], moment(1));
    assert_eq!(counts(&mut core, 1), (0, 1, 0));
}

#[test]
fn what_is_in_flight_at_the_end_is_counted_as_shutdown() {
    let (mut core, inbox) = core();
    let _first = mirrored(&inbox, "1");
    mirrored(&inbox, "2").settle(settled("2"));
    core.drain(&inbox, moment(1));
    core.close(at(2));
    assert_eq!(counts(&mut core, 2), (0, 1, 1));
    assert_eq!(core.snapshot(at(2)).evidence.totals().incomparable_reasons.shutdown, 1);
}

#[test]
fn an_unchanged_snapshot_is_shared() {
    let (mut core, inbox) = core();
    mirrored(&inbox, "1").settle(settled("1"));
    core.drain(&inbox, moment(1));
    let one = core.snapshot(at(1));
    core.drain(&inbox, moment(2));
    assert!(Arc::ptr_eq(&one, &core.snapshot(at(2))));
    mirrored(&inbox, "2").settle(settled("2"));
    core.drain(&inbox, moment(2));
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

    fn check(&mut self) -> Result<(), String> {
        match self.broken.load(Ordering::Relaxed) {
            true => Err("the file is gone".into()),
            false => Ok(()),
        }
    }
}

/// Notes what it was told of the rush.
struct Hurried(Arc<Mutex<Vec<bool>>>);

impl Keeper for Hurried {
    fn keep(&mut self, batch: Batch<'_>) -> Result<Kept, String> {
        self.0.lock().unwrap().push(batch.hurried);
        Ok(Kept::default())
    }
}

#[test]
fn in_a_rush_nobody_else_is_let_go_first() {
    let told = Arc::new(Mutex::new(vec![]));
    let mut core = Core::new(options(Some(Box::new(Hurried(told.clone())))), moment(0));
    let inbox = Inbox::new(1);
    for (second, exchanges) in [10, 2_000, 10].into_iter().enumerate() {
        for _ in 0..exchanges {
            mirrored(&inbox, "1").settle(settled("1"));
        }
        core.drain(&inbox, moment(second as u64));
        commit(&mut core, second as u64);
    }
    assert_eq!(*told.lock().unwrap(), [false, true, false]);
}

#[test]
fn a_failing_store_stops_nothing_and_says_why() {
    let (broken, kept) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(vec![])));
    let keeper = Fake { broken: broken.clone(), kept: kept.clone() };
    let mut core = Core::new(options(Some(Box::new(keeper))), moment(0));
    let inbox = Inbox::new(1);
    mirrored(&inbox, "1").settle(settled("1"));
    core.drain(&inbox, moment(1));
    assert!(core.is_due(moment(1)));
    commit(&mut core, 1);
    let status = core.snapshot(at(1)).store.clone();
    assert!(!status.durable && status.failing_since == Some(at(1)) && status.errors == 1);
    assert_eq!(status.why.as_deref(), Some("no space left on device"));
    assert!(!core.is_due(moment(1)) && core.is_due(moment(2)));
    assert_eq!(counts(&mut core, 1), (0, 1, 0));
    broken.store(false, Ordering::Relaxed);
    commit(&mut core, 2);
    let status = core.snapshot(at(2)).store.clone();
    assert_eq!((status.durable, status.why, status.last_commit, status.bytes), (true, None, Some(at(2)), 7));
    assert!(!core.is_due(moment(9)));
    core.set_mirroring(false, at(2));
    assert!(core.is_due(moment(2)));
    commit(&mut core, 2);
    assert_eq!(*kept.lock().unwrap(), [(1, true), (1, false)]);
}

#[test]
fn evidence_does_not_span_the_time_in_which_mirroring_was_off() {
    let mut core = Core::new(options(None), moment(0));
    let epoch = |core: &mut Core| core.snapshot(at(99)).evidence.epoch.clone();
    let away = |core: &mut Core, until| epoch(core).away.within(epoch(core).started_at, at(until)).as_secs();
    core.set_mirroring(false, at(10));
    core.set_mirroring(false, at(15));
    assert_eq!(away(&mut core, 30), 20);
    core.new_epoch(None, at(40));
    assert_eq!(away(&mut core, 50), 10);
    assert_eq!(epoch(&mut core).away.open_since(), Some(at(10)), "an epoch that begins meanwhile does not hide it");
    core.set_mirroring(true, at(60));
    assert_eq!(away(&mut core, 100), 20);
    assert_eq!(core.book().epochs().next().unwrap().evidence.epoch.away.within(at(0), at(100)).as_secs(), 30);
    // Switched off in an earlier run, which may not have kept since when.
    let mut core = Core::new(LedgerOptions { mirroring: false, ..options(None) }, moment(5));
    assert_eq!(away(&mut core, 9), 4);
}

#[test]
fn every_commit_that_succeeded_is_timed() {
    let broken = Arc::new(AtomicBool::new(false));
    let keeper = Fake { broken: broken.clone(), kept: Default::default() };
    let mut core = Core::new(options(Some(Box::new(keeper))), moment(0));
    let ticks = std::cell::Cell::new(0);
    let clock = || Duration::from_millis(3 * ticks.replace(ticks.get() + 1));
    for seconds in 1..=5 {
        broken.store(seconds > 3, Ordering::Relaxed);
        core.commit(moment(seconds), clock);
    }
    let (counts, sum) = core.snapshot(at(5)).commits.read();
    assert_eq!((counts.iter().sum::<u64>(), counts[3]), (3, 3));
    assert!((sum - 0.009).abs() < 1e-9, "{sum}");
}

#[test]
fn a_new_build_is_kept_at_once() {
    let keeper = Fake { broken: Default::default(), kept: Default::default() };
    let mut core = Core::new(options(Some(Box::new(keeper))), moment(0));
    let inbox = Inbox::new(1);
    commit(&mut core, 1);
    for build in ["1", "2"] {
        let mut s = settled(build);
        s.build = Some(build.into());
        mirrored(&inbox, build).settle(s);
        core.drain(&inbox, moment(1));
    }
    assert!(core.is_due(moment(1)));
    let snapshot = core.snapshot(at(1));
    assert_eq!(snapshot.evidence.epoch.candidate_build.as_deref(), Some("2"));
    assert_eq!((snapshot.history.len(), snapshot.history[0].totals.compared), (1, 1));
}

#[test]
fn what_differs_is_seen_in_the_snapshot() {
    let (mut core, inbox) = core();
    let settled = compared("1", "GET /a", 1, vec![finding("json.value", "json:$.name", Tier::Value)]);
    mirrored(&inbox, "1").settle(settled);
    core.drain(&inbox, moment(1));
    let snapshot = core.snapshot(at(1));
    let row = snapshot.evidence.routes["GET /a"].divergences.values().next().unwrap().clone();
    assert_eq!((row.count, row.counted, row.examples.len()), (1, 1, 1));
}

#[test]
fn a_clock_that_is_set_back_delays_nothing() {
    let keeper = Fake { broken: Default::default(), kept: Default::default() };
    let mut core = Core::new(options(Some(Box::new(keeper))), moment(0));
    let inbox = Inbox::new(1);
    let back = |seconds| Moment { wall: at(0), ..moment(seconds) };
    let late = |seconds| Moment { wall: at(3600), ..moment(seconds) };
    let _held = mirrored(&inbox, "1");
    mirrored(&inbox, "2").settle(settled("2"));
    core.drain(&inbox, late(1));
    core.commit(late(1), || Duration::ZERO);
    core.set_patience(Duration::from_secs(5));
    core.drain(&inbox, back(6));
    assert_eq!(counts(&mut core, 6), (1, 1, 0));
    assert!(core.is_due(back(6)));
}

#[test]
fn a_crowd_is_not_held_back_by_one() {
    let (mut core, _) = core();
    let begun = |seq| Event::Mirrored { seq, route: "GET /a".into() };
    let ended = |seq, bytes| Event::Settled { seq, settled: Box::new(settled("x")), bytes, again: None };
    core.events(vec![begun(0), begun(1), ended(1, MAX_OPEN_BYTES)], moment(1));
    assert_eq!(counts(&mut core, 1), (2, 0, 0));
    core.events(vec![begun(2), ended(2, 1)], moment(1));
    assert_eq!(counts(&mut core, 1), (1, 2, 0));
    core.events(vec![begun(3), begun(4), ended(4, 1)], moment(1));
    assert_eq!(counts(&mut core, 1), (3, 2, 0));
    core.events((5..MAX_OPEN as u64 + 5).flat_map(|seq| [begun(seq), ended(seq, 0)]), moment(1));
    assert_eq!(counts(&mut core, 1), (2, MAX_OPEN as u64 + 3, 0));
}

#[test]
fn the_inbox_is_told_what_is_done() {
    let (mut core, inbox) = core();
    let first = mirrored(&inbox, "1");
    mirrored(&inbox, "2").settle(settled("2"));
    core.drain(&inbox, moment(1));
    assert_eq!(inbox.backlog(), 2);
    first.settle(settled("1"));
    core.drain(&inbox, moment(1));
    assert_eq!(inbox.backlog(), 0);
}

#[test]
fn examples_are_bounded_while_the_store_fails() {
    let keeper = Fake { broken: Arc::new(AtomicBool::new(true)), kept: Default::default() };
    let mut core = Core::new(options(Some(Box::new(keeper))), moment(0));
    let inbox = Inbox::new(1);
    let mut largest = 0;
    for i in 0..120 {
        let mut s = compared(&format!("x{i}"), "GET /a", i, vec![finding("k", &format!("json:$.a{i}"), Tier::Value)]);
        if let Settlement::Compared(compared) = &mut s.result {
            let mut example = crate::evidence::testing::example(&format!("x{i}"), i);
            example.primary.body = "x".repeat(1 << 20);
            compared.example = Some(Arc::new(example.into()));
        }
        mirrored(&inbox, "x").settle(s);
        core.drain(&inbox, moment(i));
        commit(&mut core, i);
        let rows = &core.book().newest().evidence.routes["GET /a"].divergences;
        largest = largest.max(rows.values().map(|row| row.examples.len()).sum());
    }
    assert!((40..=64).contains(&largest), "{largest}");
}

#[test]
fn of_many_examples_those_are_made_that_stay() {
    let (mut core, inbox) = core();
    let made: Arc<Mutex<Vec<u64>>> = Arc::default();
    let mut divergent = |i: u64| {
        let (id, made) = (format!("x{i}"), made.clone());
        let mut s = compared(&id, "GET /a", i, vec![finding("k", "json:$.a", Tier::Value)]);
        if let Settlement::Compared(compared) = &mut s.result {
            let make = move || {
                made.lock().unwrap().push(i);
                crate::evidence::testing::example(&id, i)
            };
            compared.example = Some(Arc::new(Exhibit::later(s.id.clone(), s.arrived, 100, make)));
        }
        mirrored(&inbox, "x").settle(s);
    };
    (0..500).for_each(&mut divergent);
    core.drain(&inbox, moment(1));
    let snapshot = core.snapshot(at(1));
    let shown = || {
        let row = snapshot.evidence.routes["GET /a"].divergences.values().next().unwrap();
        assert_eq!(row.count, 500);
        row.examples.iter().map(|exhibit| exhibit.id()[1..].parse().unwrap()).collect::<Vec<u64>>()
    };
    let mut known = made.lock().unwrap().clone();
    known.sort_unstable();
    assert_eq!((known.clone(), known.len()), (shown(), 5));
    assert_eq!((known.first(), known.last()), (Some(&0), Some(&499)));
    // Once made they stay so.
    let row = snapshot.evidence.routes["GET /a"].divergences.values().next().unwrap();
    assert!(row.examples.iter().all(|exhibit| exhibit.example().id == exhibit.id()));
    assert_eq!(made.lock().unwrap().len(), 5);
}

#[test]
fn a_store_that_goes_away_is_noticed_without_traffic() {
    let broken = Arc::new(AtomicBool::new(false));
    let mut core =
        Core::new(options(Some(Box::new(Fake { broken: broken.clone(), kept: Default::default() }))), moment(0));
    commit(&mut core, 1);
    core.check(moment(5));
    assert!(core.snapshot(at(5)).store.durable);
    broken.store(true, Ordering::Relaxed);
    core.check(moment(6));
    assert_eq!(core.snapshot(at(6)).store.why.as_deref(), Some("the file is gone"));
    assert!(core.is_due(moment(6)));
}

fn judged(core: &mut Core, seconds: u64) {
    core.judge(moment(seconds), || Duration::ZERO);
}

/// A core that asks for no duration, and an inbox.
fn judging() -> (Core, Arc<Inbox>) {
    let settings = crate::gate::GateSettings {
        criteria: vec![crate::gate::Criterion::Divergence],
        tolerance: 0.5,
        min_comparisons: 10,
        min_duration: Duration::ZERO,
        ..Default::default()
    };
    let policy = Some(Policy { default: settings, routes: Default::default() });
    (Core::new(LedgerOptions { policy, ..options(None) }, moment(0)), Inbox::new(4))
}

fn exchanges(core: &mut Core, inbox: &Arc<Inbox>, seconds: u64, differ: bool, build: &str) {
    for i in 0..10 {
        let list = if differ { vec![finding("json.value", "json:$.a", Tier::Value)] } else { vec![] };
        let mut s = compared(&format!("{seconds}-{i}"), "GET /a", seconds, list);
        s.build = Some(build.into());
        mirrored(inbox, "x").settle(s);
    }
    core.drain(inbox, moment(seconds));
}

fn said(core: &mut Core, epoch: u64) -> Vec<(u64, &'static str, u64)> {
    let snapshot = core.snapshot(at(0));
    let points = snapshot.histories.get(&epoch).map(|h| h.points().to_vec()).unwrap_or_default();
    points.iter().map(|p| (p.at.since(at(0)).as_secs(), p.verdict.as_str(), p.compared)).collect()
}

#[test]
fn what_takes_long_to_judge_is_judged_more_seldom() {
    // A thousandth of the time; a hundredth where changes would go unseen for more than half a minute.
    for (millis, times) in [(0, 50..200), (29, 20..22), (200, 20..22), (1_000, 6..7)] {
        let (mut core, inbox) = judging();
        exchanges(&mut core, &inbox, 1, false, "1");
        let looks = std::cell::Cell::new(0);
        for seconds in 1..=600 {
            let clock = || {
                looks.set(looks.get() + 1);
                Duration::from_millis(millis * looks.get())
            };
            core.judge(moment(seconds), clock);
        }
        assert!(times.contains(&(looks.get() / 2)), "{millis} ms: {}", looks.get() / 2);
    }
}

#[test]
fn it_judges_now_and_then_and_keeps_what_was_said() {
    let (mut core, inbox) = judging();
    judged(&mut core, 0);
    assert_eq!(said(&mut core, 1), [], "nothing to say yet");
    exchanges(&mut core, &inbox, 1, false, "1");
    judged(&mut core, 1);
    assert_eq!(said(&mut core, 1), [(1, "inconclusive", 10)]);
    assert!(core.is_due(moment(2)), "it is to be made durable");
    // Not again before its time, and then at once when the verdict is another.
    exchanges(&mut core, &inbox, 1, false, "1");
    judged(&mut core, 1);
    assert_eq!(said(&mut core, 1).len(), 1);
    exchanges(&mut core, &inbox, 2, true, "1");
    for seconds in 3..200 {
        if seconds < 20 {
            exchanges(&mut core, &inbox, seconds, true, "1");
        }
        judged(&mut core, seconds);
    }
    let all = said(&mut core, 1);
    assert!(all.len() > 16 && all.len() < 40, "{all:?}");
    assert!(all.windows(2).filter(|w| w[0].1 != w[1].1).count() == 1 && all.last().unwrap().1 == "fail", "{all:?}");
}

#[test]
fn what_somebody_was_told_is_kept() {
    let (mut core, inbox) = judging();
    exchanges(&mut core, &inbox, 1, false, "1");
    judged(&mut core, 1);
    let point = |core: &mut Core, verdict| {
        let last = core.snapshot(at(2)).histories[&1].points()[0].clone();
        Point { verdict, at: at(2), ..(*last).clone() }
    };
    let (same, pass) = (point(&mut core, gate::Verdict::Inconclusive), point(&mut core, gate::Verdict::Pass));
    core.told(1, same);
    assert_eq!(said(&mut core, 1).len(), 1, "no news");
    core.told(7, pass.clone());
    core.told(1, pass.clone());
    core.told(1, pass);
    assert_eq!(said(&mut core, 1), [(1, "inconclusive", 10), (2, "pass", 10)]);
    assert_eq!(core.snapshot(at(2)).histories.len(), 1);
}

#[test]
fn an_epoch_that_ends_gets_its_last_word() {
    let (mut core, inbox) = judging();
    exchanges(&mut core, &inbox, 1, true, "1");
    judged(&mut core, 1);
    (0..3).for_each(|_| exchanges(&mut core, &inbox, 2, true, "1"));
    exchanges(&mut core, &inbox, 3, false, "2");
    assert_eq!(said(&mut core, 1), [(1, "inconclusive", 10), (3, "fail", 40)]);
    assert_eq!(said(&mut core, 2), []);
    judged(&mut core, 3);
    assert_eq!(said(&mut core, 2), [(3, "inconclusive", 10)], "without waiting for its time");
    let snapshot = core.snapshot(at(3));
    assert!(snapshot.histories[&1].points().iter().all(|p| p.rows.iter().all(|row| row.route.is_none())));
    // Old answers that come late change the old epoch's numbers, and not what was said of it.
    exchanges(&mut core, &inbox, 4, false, "1");
    judged(&mut core, 9);
    assert_eq!(said(&mut core, 1).len(), 2);
    core.new_epoch(None, at(10));
    assert_eq!(core.snapshot(at(10)).evidence.epoch.resets, 1);
    assert_eq!(said(&mut core, 2).last().unwrap().0, 10);
    // What is forgotten has no history either.
    core.forgot = Duration::ZERO;
    commit(&mut core, 9_000);
    assert_eq!(core.snapshot(at(9_000)).histories.keys().copied().collect::<Vec<_>>(), Vec::<u64>::new());
}

#[test]
fn a_clock_that_is_set_forward_makes_no_evidence() {
    let policy = Policy { default: Default::default(), routes: Default::default() };
    let mut core = Core::new(LedgerOptions { policy: Some(policy.clone()), ..options(None) }, moment(0));
    let inbox = Inbox::new(4);
    mirrored(&inbox, "1").settle(settled("1"));
    core.pass(moment(1), false);
    core.drain(&inbox, moment(1));
    let before = core.snapshot(at(1));
    let spans = |snapshot: &Snapshot, now| {
        let judgement = gate::judge(&policy, &snapshot.evidence, &gate::Facts::at(now));
        judgement.criteria.iter().find(|c| c.criterion == gate::Criterion::Minimum).unwrap().observed
    };
    assert_eq!(spans(&before, at(2)), Some(1.0));
    let day = Moment { steady: Duration::from_secs(2), ..moment(90_000) };
    core.pass(day, false);
    assert_eq!(spans(&core.snapshot(day.wall), day.wall), Some(0.0));
    core.pass(Moment { wall: at(90_003), steady: Duration::from_secs(5) }, false);
    assert_eq!(spans(&core.snapshot(day.wall), at(90_003)), Some(3.0), "it goes on");
    // A commit that takes a minute holds up nobody who watches; the clock may be set meanwhile as well.
    core.pass(Moment { wall: at(90_063), steady: Duration::from_secs(65) }, true);
    assert_eq!(spans(&core.snapshot(day.wall), at(90_063)), Some(63.0));
    core.pass(Moment { wall: at(100_063), steady: Duration::from_secs(75) }, true);
    assert_eq!(spans(&core.snapshot(day.wall), at(100_063)), Some(63.0));
    core.pass(Moment { wall: at(100_073), steady: Duration::from_secs(85) }, false);
    assert_eq!(spans(&core.snapshot(day.wall), at(100_073)), Some(63.0), "it stood still");
}

/// A file that has grown and gets no shorter, and what of it is in use.
struct Grown(Arc<Mutex<u64>>);

impl Keeper for Grown {
    fn keep(&mut self, _: Batch<'_>) -> Result<Kept, String> {
        Ok(Kept { bytes: 100, evicted: vec![] })
    }

    fn in_use(&mut self) -> Option<u64> {
        Some(*self.0.lock().unwrap())
    }
}

#[test]
fn epochs_go_early_for_room_that_is_in_use_and_not_in_vain() {
    let used = Arc::new(Mutex::new(5));
    let mut core = Core::new(LedgerOptions { max_size: 10, ..options(Some(Box::new(Grown(used.clone())))) }, moment(0));
    let inbox = Inbox::new(1);
    let mut minute = 0;
    let epoch = |core: &mut Core, name: &str| {
        mirrored(&inbox, name).settle(settled(name));
        core.drain(&inbox, moment(1));
        core.new_epoch(Some(name.into()), at(1));
        commit(core, 1);
    };
    let mut after = |core: &mut Core, bytes: u64| {
        *used.lock().unwrap() = bytes;
        minute += 1;
        commit(core, 60 * minute);
        core.book().history().len()
    };
    for name in ["b", "c", "d", "e", "f"] {
        epoch(&mut core, name);
    }
    // The file is larger than it may be, what is in it is not.
    assert_eq!([5, 10].map(|bytes| after(&mut core, bytes)), [5, 5]);
    // One goes. Where that makes no room none follows it, where it does the next one goes.
    assert_eq!([20, 20, 21, 19, 19].map(|bytes| after(&mut core, bytes)), [4, 4, 4, 3, 3]);
    // The one that was the newest may be the large one.
    epoch(&mut core, "g");
    assert_eq!([19, 19, 10, 12].map(|bytes| after(&mut core, bytes)), [3, 3, 3, 2]);
}
