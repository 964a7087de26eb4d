//! What was kept comes back.

use super::*;
use crate::diff::Tier;
use crate::evidence::testing::{at, compared, finding};
use crate::evidence::{Book, Evidence, Rules};
use crate::flow::{Batch, Keeper};
use crate::gate::{Criterion, Histories, Point, Row, Verdict};
use crate::model::Timestamp;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(super) fn settings(folder: &Path) -> StoreSettings {
    StoreSettings { path: folder.to_owned(), keep_examples: 5, keep_for: Duration::from_secs(3600), max_size: 1 << 30 }
}

fn rules() -> Rules {
    Rules { generation: 1, digest: "all".into(), infos: Arc::default(), route: Arc::new(|_| "r1".into()) }
}

pub(super) fn resume(stored: Stored) -> Book {
    Book::resume(stored.epochs, stored.history, stored.next_epoch, stored.declared, rules(), 5, at(9))
}

pub(super) fn exchange(book: &mut Book, i: u64, build: Option<&str>) {
    let route: Arc<str> = format!("GET /{}", i % 3).into();
    let begun = book.begin(&route, at(i));
    let list = match i % 2 {
        0 => vec![],
        _ => vec![finding("json.value", &format!("json:$.k{}", i % 7), Tier::Value)],
    };
    let mut settled = compared(&format!("x{i}"), &route, i, list);
    settled.build = build.map(Into::into);
    book.settle(&begun, &settled, at(i));
}

/// What a file of these bytes holds.
pub(super) fn stored_of(bytes: &[u8]) -> Stored {
    let db = open::builder().create_with_backend(open::memory_copy(bytes).unwrap()).unwrap();
    open::load(&db, Path::new("unused")).unwrap().unwrap().1
}

/// What is to be kept, with nothing out of the ordinary.
pub(super) fn batch<'a>(book: &'a Book, histories: &'a Histories, now: Timestamp) -> Batch<'a> {
    Batch { book, histories, mirroring: true, policy: None, hurried: false, now }
}

pub(super) fn commit(store: &mut Store, book: &mut Book) {
    store.commit(batch(book, &Histories::new(), at(100))).unwrap();
    book.kept();
}

pub(super) fn newest(stored: &Stored) -> Evidence {
    stored.epochs.last().unwrap().evidence.clone()
}

/// A store with a commit every ten exchanges; calls back after each with what should be readable then.
pub(super) fn filled(folder: &Path, mut after: impl FnMut(&Book)) -> (Store, Book) {
    let (mut store, stored) = open(&settings(folder)).unwrap();
    let mut book = resume(stored);
    for i in 0..60 {
        exchange(&mut book, i, if i < 40 { Some("1") } else { Some("2") });
        if i % 10 == 9 {
            commit(&mut store, &mut book);
            after(&book);
        }
    }
    (store, book)
}

/// Makes a file what older versions would have left: rows have no checksum. Then `change` makes more of it older.
pub(super) fn as_before(file: &Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let db = redb::Database::open(file).unwrap();
    let txn = db.begin_write().unwrap();
    let tables: Vec<_> = txn.list_tables().unwrap().collect();
    for table in tables {
        let name = redb::TableHandle::name(&table).to_owned();
        let mut table = txn.open_table(redb::TableDefinition::<&[u8], &[u8]>::new(&name)).unwrap();
        let all: Vec<_> = {
            let all = redb::ReadableTable::iter(&table).unwrap().map(Result::unwrap);
            all.map(|(key, row)| (key.value().to_vec(), row.value().to_vec())).collect()
        };
        for (key, row) in all {
            let mut old = [b"PLX\x01", row.get(12..).unwrap_or_default()].concat();
            if key == rows::FORMAT_KEY {
                old = 1_u32.to_be_bytes().to_vec();
            } else if name == "meta" && key == rows::META_KEY {
                let meta = rows::Meta { rows: None, ..rows::decode(&key, &row).unwrap() };
                let row = rows::encode(&key, &meta).unwrap();
                old = [b"PLX\x01", &row[12..]].concat();
            }
            table.insert(&*key, &*old).unwrap();
        }
    }
    change(&txn);
    txn.commit().unwrap();
}

#[test]
fn rows_without_a_checksum_are_read_and_those_that_change_get_one() {
    let dir = tempfile::tempdir().unwrap();
    let (store, book) = filled(dir.path(), |_| ());
    drop(store);
    let file = dir.path().join(FILE);
    as_before(&file, |_| ());
    let format = || {
        let db = redb::Builder::new().open_read_only(&file).unwrap();
        let txn = redb::ReadableDatabase::begin_read(&db).unwrap();
        txn.open_table(rows::META).unwrap().get(rows::FORMAT_KEY).unwrap().unwrap().value().to_vec()
    };
    assert_eq!(newest(&open_read(dir.path()).unwrap()), book.newest().evidence);
    let (mut store, stored) = open(&settings(dir.path())).unwrap();
    assert_eq!(newest(&stored), book.newest().evidence);
    let mut book = resume(stored);
    for i in 60..64 {
        exchange(&mut book, i, Some("2"));
        commit(&mut store, &mut book);
    }
    drop(store);
    assert_eq!(format(), [0, 0, 0, 2]);
    assert_eq!(newest(&open_read(dir.path()).unwrap()), book.newest().evidence);
}

#[test]
fn what_was_kept_comes_back_equal() {
    let dir = tempfile::tempdir().unwrap();
    let (store, book) = filled(dir.path(), |_| ());
    drop(store);
    for stored in [open_read(dir.path()).unwrap(), open(&settings(dir.path())).unwrap().1] {
        assert_eq!(newest(&stored), book.newest().evidence);
        assert_eq!(stored.history, book.history());
        assert_eq!(stored.next_epoch, 3);
        assert_eq!(resume(stored).newest().number, 2);
    }
}

#[test]
fn what_is_volatile_is_kept_and_not_written_with_every_exchange() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, stored) = open(&settings(dir.path())).unwrap();
    let mut book = resume(stored);
    let seen =
        |evidence: &Evidence| -> u64 { evidence.routes["GET /1"].volatility.values().map(|v| v.version()).sum() };
    let mut kept = std::collections::BTreeSet::new();
    for i in 0..100 {
        exchange(&mut book, 3 * (14 * i) + 7, None);
        commit(&mut store, &mut book);
        let read = seen(&newest(&stored_of(&std::fs::read(store.file()).unwrap())));
        let (now, few) = (seen(&book.newest().evidence), 16);
        assert!(read <= now && now <= read + read / few, "{read} of {now}");
        kept.insert(read);
    }
    assert!((16..60).contains(&kept.len()), "{kept:?}");
}

#[test]
fn a_file_without_a_table_for_what_is_volatile_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let (store, book) = filled(dir.path(), |_| ());
    let file = store.file().to_owned();
    drop(store);
    as_before(&file, |txn| assert!(txn.delete_table(rows::VOLATILITY).unwrap()));
    let (mut store, stored) = open(&settings(dir.path())).unwrap();
    let mut evidence = book.newest().evidence.clone();
    evidence.routes.values_mut().for_each(|route| Arc::make_mut(route).volatility.clear());
    assert_eq!(newest(&stored), evidence);
    let mut book = resume(stored);
    exchange(&mut book, 61, Some("2"));
    commit(&mut store, &mut book);
    drop(store);
    assert_eq!(newest(&open_read(dir.path()).unwrap()), book.newest().evidence);
}

#[test]
fn what_is_in_flight_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, stored) = open(&settings(dir.path())).unwrap();
    let mut book = resume(stored);
    exchange(&mut book, 0, None);
    book.begin(&"GET /0".into(), at(1));
    commit(&mut store, &mut book);
    drop(store);
    let read = newest(&open_read(dir.path()).unwrap());
    assert_eq!((read.totals().requests, read.totals().pending), (1, 0));
    assert_eq!(read.law(), Ok(()));
}

#[test]
fn the_switch_the_key_and_the_policy_survive() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, stored) = open(&settings(dir.path())).unwrap();
    let (key, id) = (stored.redact_key, stored.store_id.clone());
    assert!(stored.mirroring && stored.policy.is_none() && stored.last_commit.is_none());
    let book = resume(stored);
    let policy = Arc::new(crate::gate::Policy { default: Default::default(), routes: Default::default() });
    store
        .commit(Batch {
            book: &book,
            histories: &Histories::new(),
            mirroring: false,
            policy: Some(&policy),
            hurried: false,
            now: at(3),
        })
        .unwrap();
    drop(store);
    let read = open_read(dir.path()).unwrap();
    assert!(!read.mirroring);
    assert_eq!((read.redact_key, read.store_id, read.policy), (key, id, Some((*policy).clone())));
    assert_eq!(read.last_commit, Some(at(3)));
}

#[test]
fn a_policy_kept_as_older_versions_did_is_read_and_goes_on_being_kept() {
    /// What those versions wrote.
    #[derive(serde::Serialize)]
    struct Older<'a> {
        store_id: &'a str,
        redact_key: [u8; 32],
        mirroring: bool,
        policy: &'a crate::gate::Policy,
        next_epoch: u64,
        next_example: u64,
        last_commit: Timestamp,
    }
    let dir = tempfile::tempdir().unwrap();
    let (store, book) = filled(dir.path(), |_| ());
    let file = store.file().to_owned();
    drop(store);
    let policy = crate::gate::Policy { default: Default::default(), routes: Default::default() };
    let meta = Older {
        store_id: "abc",
        redact_key: [7; 32],
        mirroring: true,
        policy: &policy,
        next_epoch: book.next_number(),
        next_example: 1_000,
        last_commit: at(60),
    };
    let meta = rows::encode(rows::META_KEY, &meta).unwrap();
    as_before(&file, |txn| {
        txn.open_table(rows::META).unwrap().insert(rows::META_KEY, &*meta).unwrap();
    });
    let (mut store, stored) = open(&settings(dir.path())).unwrap();
    assert_eq!(stored.policy.as_ref(), Some(&policy));
    let mut book = resume(stored);
    exchange(&mut book, 61, Some("2"));
    for _ in 0..2 {
        commit(&mut store, &mut book);
    }
    drop(store);
    let read = open_read(dir.path()).unwrap();
    assert_eq!((newest(&read), read.policy), (book.newest().evidence.clone(), Some(policy)));
}

#[test]
fn the_rules_survive_and_older_files_have_none() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, stored) = open(&settings(dir.path())).unwrap();
    assert_eq!(stored.rules, None);
    let rule = |why: &str| crate::diff::RuleInfo {
        id: "ids".into(),
        owner: Some("search".into()),
        expires: Some("2027-03-01".into()),
        why: Some(why.into()),
        on: "*".into(),
        at: "json:$.id".into(),
        expired: false,
        pairs: false,
    };
    let mut book = resume(stored);
    for why in ["new", "other"] {
        // What rules are called and why changes no evidence.
        book.set_rules(Rules { infos: [rule(why)].into(), ..rules() }, at(1));
        commit(&mut store, &mut book);
        let read = stored_of(&std::fs::read(store.file()).unwrap());
        assert_eq!(read.rules.as_deref(), Some(&[rule(why)][..]));
    }
    drop(store);
    as_before(&dir.path().join(FILE), |txn| {
        assert!(txn.open_table(rows::META).unwrap().remove(rows::RULES_KEY).unwrap().is_some());
    });
    assert_eq!(open_read(dir.path()).unwrap().rules, None);
}

#[test]
fn a_store_that_vanished_is_written_anew_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, mut book) = filled(dir.path(), |_| ());
    let policy = Arc::new(crate::gate::Policy { default: Default::default(), routes: Default::default() });
    let mut keep = |book: &mut Book| {
        store.commit(Batch { policy: Some(&policy), ..batch(book, &Histories::new(), at(100)) }).unwrap();
        book.kept();
        store.lose_for_test();
    };
    // So many that of some only the totals are left.
    (0..6).for_each(|n| book.new_epoch(Some(n.to_string().into()), at(100)));
    keep(&mut book);
    std::fs::remove_file(dir.path().join(FILE)).unwrap();
    keep(&mut book);
    let read = open_read(dir.path()).unwrap();
    assert_eq!(newest(&read).totals(), book.newest().evidence.totals());
    assert_eq!(newest(&read), book.newest().evidence);
    assert_eq!(read.history, book.history());
    // What is written once is written again.
    assert_eq!(read.policy, Some((*policy).clone()));
}

#[test]
fn a_restarted_route_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, mut book) = filled(dir.path(), |_| ());
    let other = |name: &str| if name == "GET /1" { "r2".into() } else { "r1".into() };
    book.set_rules(
        Rules { generation: 2, digest: "other".into(), infos: Arc::default(), route: Arc::new(other) },
        at(50),
    );
    commit(&mut store, &mut book);
    drop(store);
    let read = newest(&open_read(dir.path()).unwrap());
    assert_eq!(read, book.newest().evidence);
    assert!(read.routes["GET /1"].divergences.is_empty());
}

#[test]
fn a_divergence_that_made_room_for_another_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, stored) = open(&settings(dir.path())).unwrap();
    let mut book = resume(stored);
    let mut show = |book: &mut Book, i: u64, tier| {
        let begun = book.begin(&"GET /a".into(), at(1));
        let list = vec![finding("json.value", &format!("json:$.k{i}"), tier)];
        book.settle(&begun, &compared(&format!("x{i}"), "GET /a", 1, list), at(1));
        commit(&mut store, book);
    };
    (0..520).for_each(|i| show(&mut book, i, Tier::Repr));
    show(&mut book, 600, Tier::Value);
    drop(store);
    let stored = open_read(dir.path()).unwrap();
    assert_eq!(newest(&stored), book.newest().evidence);
    assert_eq!(newest(&stored).routes["GET /a"].divergences.values().filter(|row| row.counted == 1).count(), 1);
}

#[test]
fn epochs_far_back_are_history_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, stored) = open(&settings(dir.path())).unwrap();
    let mut book = resume(stored);
    for i in 0..9 {
        exchange(&mut book, i, Some(&format!("b{i}")));
        commit(&mut store, &mut book);
    }
    drop(store);
    let again = resume(open_read(dir.path()).unwrap());
    assert_eq!(again.epochs().count(), book.epochs().count());
    assert_eq!(again.history(), book.history());
    assert_eq!(again.history().len(), 8);
}

#[test]
fn epochs_that_come_and_go_between_two_commits_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, stored) = open(&settings(dir.path())).unwrap();
    let mut book = resume(stored);
    for i in 0..8 {
        exchange(&mut book, i, Some(&format!("build-{i}")));
        if i == 1 {
            // The second is kept as it was, and gets one more exchange.
            commit(&mut store, &mut book);
            exchange(&mut book, i, Some("build-1"));
        }
    }
    commit(&mut store, &mut book);
    assert!(!book.is_dirty());
    drop(store);
    let stored = open_read(dir.path()).unwrap();
    assert_eq!(stored.history, book.history());
    let told: u64 = stored.history.iter().map(|past| past.totals.requests).sum();
    assert_eq!(told + newest(&stored).totals().requests, 9);
}

#[test]
fn forgotten_epochs_go_and_examples_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let tight = StoreSettings { max_size: 4096, ..settings(dir.path()) };
    let (mut store, stored) = open(&tight).unwrap();
    let mut book = resume(stored);
    for i in 0..60 {
        exchange(&mut book, i, Some(if i < 30 { "1" } else { "2" }));
    }
    let kept = store.commit(batch(&book, &Histories::new(), at(1))).unwrap();
    assert!(!kept.evicted.is_empty());
    book.kept();
    for (epoch, route, id) in &kept.evicted {
        book.drop_example(*epoch, route, id);
    }
    book.forget(Duration::from_secs(1), false, at(1000));
    commit(&mut store, &mut book);
    drop(store);
    let read = open_read(dir.path()).unwrap();
    assert_eq!((read.epochs.len(), read.history.len()), (1, 0));
    assert_eq!(newest(&read), book.newest().evidence);
    let examples: usize =
        newest(&read).routes.values().flat_map(|r| r.divergences.values()).map(|d| d.examples.len()).sum();
    assert!(examples > 0 && examples < 20, "{examples}");
}

/// Said after so many seconds, of so many comparisons.
pub(super) fn point(second: u64, compared: u64) -> Point {
    let row = |route: Option<&str>| Row {
        criterion: Criterion::Errors,
        route: route.map(Into::into),
        measure: None,
        required: true,
        verdict: Verdict::Inconclusive,
        observed: Some(0.1),
        lower: None,
        upper: Some(1.0 / compared as f64),
        limit: Some(0.001),
        samples: compared,
    };
    let verdict = if compared < 30 { Verdict::Inconclusive } else { Verdict::Pass };
    let rows = vec![row(None), row(Some("GET /0"))];
    Point { at: at(second), verdict, change: None, compared, divergent: 0, why: "too few".into(), rows }
}

fn noted(histories: &mut Histories, epoch: u64, point: Point) {
    Arc::make_mut(histories.entry(epoch).or_default()).push(point);
}

#[test]
fn room_that_was_freed_within_the_file_is_not_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, stored) = open(&settings(dir.path())).unwrap();
    let mut book = resume(stored);
    for i in 0..400 {
        let route: Arc<str> = format!("GET /{i}").into();
        let begun = book.begin(&route, at(i));
        let mut settled = compared(&format!("x{i}"), &route, i, vec![]);
        settled.build = Some(if i < 399 { "1" } else { "2" }.into());
        book.settle(&begun, &settled, at(i));
    }
    let measured = |store: &mut Store, book: &mut Book| {
        // What a commit lets go of is free with the next one.
        (0..2).for_each(|_| commit(store, book));
        (store.in_use().unwrap(), store.bytes())
    };
    let (used, bytes) = measured(&mut store, &mut book);
    book.forget(Duration::from_secs(1), false, at(9_000));
    let (left, same) = measured(&mut store, &mut book);
    assert!(left < used / 2 && used < bytes && bytes <= same, "{left} of {used}, {bytes} and {same}");
}

#[test]
fn what_was_said_comes_back_and_what_was_thinned_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, stored) = open(&settings(dir.path())).unwrap();
    assert!(stored.histories.is_empty());
    let (mut book, mut histories) = (resume(stored), Histories::new());
    for i in 0..300 {
        exchange(&mut book, i, Some("1"));
        noted(&mut histories, 1, point(i * 7, i + 1));
        if i % 10 == 9 {
            store.commit(batch(&book, &histories, at(i))).unwrap();
            book.kept();
            let read = stored_of(&std::fs::read(store.file()).unwrap());
            assert_eq!(read.histories, histories, "after {i}");
        }
    }
    drop(store);
    let (mut store, stored) = open(&settings(dir.path())).unwrap();
    assert_eq!(stored.histories, histories);
    // The epoch ends: routes go, on disk too. Then it is forgotten.
    exchange(&mut book, 301, Some("2"));
    Arc::make_mut(histories.get_mut(&1).unwrap()).retire();
    noted(&mut histories, 2, point(9_000, 1));
    let keep = |store: &mut Store, book: &mut Book, histories: &Histories| {
        store.commit(batch(book, histories, at(9_000))).unwrap();
        book.kept();
        stored_of(&std::fs::read(store.file()).unwrap()).histories
    };
    let read = keep(&mut store, &mut book, &histories);
    assert_eq!(read, histories);
    assert!(read[&1].points().iter().all(|p| p.rows.len() == 1));
    book.forget(Duration::from_secs(1), false, at(90_000));
    histories.remove(&1);
    assert_eq!(keep(&mut store, &mut book, &histories), histories);
    // A file that vanished gets all of it again.
    store.lose_for_test();
    std::fs::remove_file(store.file()).unwrap();
    assert_eq!(keep(&mut store, &mut book, &histories), histories);
}

#[test]
fn a_file_of_a_version_without_history_is_read_and_gets_one() {
    let dir = tempfile::tempdir().unwrap();
    let (store, book) = filled(dir.path(), |_| ());
    let file = store.file().to_owned();
    drop(store);
    as_before(&file, |txn| assert!(txn.delete_table(rows::HISTORY).unwrap()));
    let (mut store, stored) = open(&settings(dir.path())).unwrap();
    assert_eq!((newest(&stored), stored.histories.len()), (book.newest().evidence.clone(), 0));
    let (book, mut histories) = (resume(stored), Histories::new());
    noted(&mut histories, 2, point(5, 20));
    store.commit(batch(&book, &histories, at(5))).unwrap();
    drop(store);
    assert_eq!(open_read(dir.path()).unwrap().histories[&2].points()[0].compared, 20);
}
