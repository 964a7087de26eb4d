//! What is held, not ours or not whole is left alone and named.

use super::tests::{batch, commit, exchange, filled, newest, settings, stored_of};
use super::*;
use crate::evidence::testing::at;
use crate::gate::Histories;

#[test]
fn who_holds_it_is_named() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(open_read(&dir.path().join("none")), Err(StoreError::Missing { .. })));
    assert!(matches!(open_read(dir.path()), Err(StoreError::Missing { .. })));
    assert!(!is_held(dir.path()));
    assert!(!dir.path().join("none").exists());
    let (store, _) = open(&settings(dir.path())).unwrap();
    assert!(is_held(dir.path()));
    let announcement = announce(dir.path(), "http://127.0.0.1:9900".into(), None, "1f".into()).unwrap();
    for error in [open(&settings(dir.path())).unwrap_err(), open_read(dir.path()).unwrap_err()] {
        let text = error.to_string();
        assert!(text.contains("held by another process") && text.contains("http://127.0.0.1:9900"), "{text}");
    }
    drop(announcement);
    assert_eq!(find_proxy(dir.path()), None);
    drop(store);
    assert!(open_read(dir.path()).is_ok());
    // Those who read hold nothing, and what is left of a proxy that was killed neither.
    let reader = redb::Builder::new().open_read_only(dir.path().join(FILE)).unwrap();
    assert!(!is_held(dir.path()));
    drop(reader);
}

#[test]
fn who_serves_is_read_from_files_of_older_versions() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("proxy.json"), r#"{"admin":"http://127.0.0.1:9900","pid":7}"#).unwrap();
    let proxy = find_proxy(dir.path()).unwrap();
    assert_eq!((proxy.admin.as_str(), proxy.pid, proxy.instance), ("http://127.0.0.1:9900", 7, None));
}

#[test]
fn a_store_gets_its_name_once_it_is_whole() {
    for _ in 0..10 {
        let dir = tempfile::tempdir().unwrap();
        let stored = std::thread::scope(|scope| {
            // Whoever looks meanwhile finds none, one that is held, or one that can be read.
            let watching = scope.spawn(|| {
                loop {
                    match open_read(dir.path()) {
                        Ok(stored) => return stored,
                        Err(StoreError::Missing { .. } | StoreError::Held { .. }) => std::thread::yield_now(),
                        Err(error) => panic!("{error}"),
                    }
                }
            });
            let opened = open(&settings(dir.path())).unwrap();
            let names = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
            assert_eq!(names.collect::<Vec<_>>(), [FILE]);
            drop(opened);
            watching.join().unwrap()
        });
        assert!(stored.epochs.is_empty() && stored.last_commit.is_none());
        assert_eq!(open_read(dir.path()).unwrap().store_id, stored.store_id);
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(FILE);
    // What was begun and left by one that was killed is in nobody's way, and neither is an empty file.
    std::fs::write(dir.path().join("evidence.00.new"), [0; 5000]).unwrap();
    std::fs::write(&file, "").unwrap();
    let (store, stored) = open(&settings(dir.path())).unwrap();
    assert!(stored.epochs.is_empty() && stored.last_commit.is_none());
    // Who is slower takes the one there is.
    let meta = open::fresh_meta(&file).unwrap();
    open::create(&file, &meta).unwrap();
    assert!(store.in_place().is_ok());
    drop(store);
    assert_eq!(open_read(dir.path()).unwrap().store_id, stored.store_id);
}

#[test]
fn a_start_waits_for_those_who_read_and_not_for_a_proxy() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path(), |_| ()));
    let reader = redb::Builder::new().open_read_only(dir.path().join(FILE)).unwrap();
    let (folder, (told, began)) = (dir.path().to_owned(), std::sync::mpsc::channel());
    let starting = std::thread::spawn(move || {
        told.send(()).unwrap();
        open(&settings(&folder)).map(|(store, stored)| (store, newest(&stored)))
    });
    began.recv().unwrap();
    // Long enough that it meets the lock, if it ever does.
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(!starting.is_finished());
    drop(reader);
    let (store, evidence) = starting.join().unwrap().unwrap();
    assert!(evidence.totals().requests > 0);
    let began = std::time::Instant::now();
    assert!(matches!(open(&settings(dir.path())), Err(StoreError::Held { .. })));
    assert!(began.elapsed() < std::time::Duration::from_secs(4), "a proxy does not let go soon");
    drop(store);
}

#[test]
fn foreign_files_are_named_and_left_untouched() {
    for content in [&b"SQLite format 3\0 and more"[..], b"redb", b"{}"] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(FILE);
        std::fs::write(&file, content).unwrap();
        for error in [open(&settings(dir.path())).unwrap_err(), open_read(dir.path()).unwrap_err()] {
            let text = error.to_string();
            assert!(text.contains(FILE) && text.contains("left untouched") && text.contains("--data OTHER"), "{text}");
        }
        assert_eq!(std::fs::read(&file).unwrap(), content);
    }
    let dir = tempfile::tempdir().unwrap();
    let db = redb::Database::create(dir.path().join(FILE)).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(redb::TableDefinition::<u64, u64>::new("theirs")).unwrap();
    txn.commit().unwrap();
    drop(db);
    assert!(matches!(open(&settings(dir.path())), Err(StoreError::Foreign { .. })));
}

#[test]
fn a_newer_version_is_left_untouched() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&settings(dir.path())).unwrap());
    let db = redb::Database::open(dir.path().join(FILE)).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(rows::META).unwrap().insert(rows::FORMAT_KEY, &3u32.to_be_bytes()[..]).unwrap();
    txn.commit().unwrap();
    drop(db);
    let text = open(&settings(dir.path())).unwrap_err().to_string();
    assert!(text.contains("was written by version 3 (this is 2) and is left untouched"), "{text}");
}

#[test]
fn a_killed_process_loses_at_most_what_was_not_yet_kept() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(FILE);
    // A copy of the open file is what a kill leaves behind.
    let mut copies = Vec::new();
    let held = filled(dir.path(), |book| copies.push((std::fs::read(&file).unwrap(), book.newest().evidence.clone())));
    for (bytes, expect) in &copies {
        let dead = tempfile::tempdir().unwrap();
        std::fs::write(dead.path().join(FILE), bytes).unwrap();
        let read = open_read(dead.path()).unwrap();
        assert_eq!(&newest(&read), expect);
        assert_eq!(&std::fs::read(dead.path().join(FILE)).unwrap(), bytes, "reading changed the file");
        assert_eq!(&newest(&open(&settings(dead.path())).unwrap().1), expect);
    }
    drop(held);
}

#[test]
fn a_truncated_file_is_an_older_state_or_a_clean_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut states = Vec::new();
    drop(filled(dir.path(), |book| states.push(book.newest().evidence.clone())));
    let bytes = std::fs::read(dir.path().join(FILE)).unwrap();
    let mut errors = 0;
    for length in (4096..bytes.len()).step_by((bytes.len() / 24).next_multiple_of(4096)) {
        let cut = tempfile::tempdir().unwrap();
        std::fs::write(cut.path().join(FILE), &bytes[..length]).unwrap();
        let read = open_read(cut.path());
        let opened = open(&settings(cut.path())).map(|(_, stored)| stored);
        for result in [read, opened] {
            match result {
                Ok(stored) => assert!(states.contains(&newest(&stored)), "a state that never was, at {length}"),
                Err(e) => {
                    errors += 1;
                    assert!(e.to_string().contains(FILE), "{e}");
                    let left = std::fs::read(cut.path().join(FILE)).unwrap();
                    assert!(left == bytes[..length], "changed by opening, at {length}");
                }
            }
        }
    }
    assert!(errors > 0);
}

#[test]
fn flipped_bits_are_an_error_or_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (store, book) = filled(dir.path(), |_| ());
    drop(store);
    let bytes = std::fs::read(dir.path().join(FILE)).unwrap();
    let used: Vec<usize> = (9..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    let hurt = tempfile::tempdir().unwrap();
    for (n, at) in used.into_iter().step_by(61).enumerate() {
        let mut bad = bytes.clone();
        bad[at] ^= 1 << (n % 8);
        std::fs::write(hurt.path().join(FILE), &bad).unwrap();
        if let Ok(stored) = open_read(hurt.path()) {
            assert_eq!(newest(&stored), book.newest().evidence, "at {at}");
            assert_eq!(stored.history, book.history(), "at {at}");
        }
    }
    for at in (9..bytes.len()).step_by(bytes.len() / 60) {
        let mut bad = bytes.clone();
        bad[at] ^= 0x55;
        let hurt = tempfile::tempdir().unwrap();
        std::fs::write(hurt.path().join(FILE), &bad).unwrap();
        if open(&settings(hurt.path())).is_err() {
            assert!(std::fs::read(hurt.path().join(FILE)).unwrap() == bad, "changed by opening, at {at}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_was_removed_is_not_called_durable() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data");
    let (mut store, mut book) = filled(&folder, |_| ());
    let file = folder.join(FILE);
    assert!(store.in_place().is_ok());
    std::fs::remove_dir_all(&folder).unwrap();
    exchange(&mut book, 60, Some("2"));
    assert!(store.in_place().is_err());
    for _ in 0..2 {
        let error = store.commit(batch(&book, &Histories::new(), at(100))).unwrap_err();
        assert_eq!(error.to_string(), format!("the file {} is gone", file.display()));
    }
    // With the folder back everything is written again.
    std::fs::create_dir(&folder).unwrap();
    commit(&mut store, &mut book);
    assert!(store.in_place().is_ok());
    drop(store);
    assert_eq!(newest(&open_read(&folder).unwrap()), book.newest().evidence);
}

#[cfg(unix)]
#[test]
fn a_file_that_was_replaced_is_left_to_its_owner() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut store, book) = filled(ours.path(), |_| ());
    drop(open(&settings(theirs.path())).unwrap());
    std::fs::rename(theirs.path().join(FILE), ours.path().join(FILE)).unwrap();
    for expect in ["is gone", "was replaced by another store"] {
        let error = store.commit(batch(&book, &Histories::new(), at(100))).unwrap_err();
        assert!(error.to_string().contains(expect), "{error}");
    }
    drop(store);
    let left = open_read(ours.path()).unwrap();
    assert!(left.epochs.is_empty());
}

#[cfg(unix)]
#[test]
fn a_file_of_another_time_is_not_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let (file, aside) = (dir.path().join(FILE), dir.path().join("aside"));
    let mut copies = Vec::new();
    let (mut store, mut book) =
        filled(dir.path(), |book| copies.push((std::fs::read(&file).unwrap(), book.newest().evidence.clone())));
    // Moved away and put back: what was written meanwhile is in there.
    std::fs::rename(&file, &aside).unwrap();
    exchange(&mut book, 60, Some("2"));
    assert!(store.commit(batch(&book, &Histories::new(), at(100))).unwrap_err().to_string().contains("is gone"));
    std::fs::rename(&aside, &file).unwrap();
    exchange(&mut book, 61, Some("2"));
    commit(&mut store, &mut book);
    assert_eq!(newest(&stored_of(&std::fs::read(&file).unwrap())), book.newest().evidence);
    // A copy from before.
    let (copy, evidence) = &copies[copies.len() - 2];
    std::fs::write(&aside, copy).unwrap();
    std::fs::rename(&aside, &file).unwrap();
    for expect in ["is gone", "of another time", "of another time"] {
        exchange(&mut book, 62, Some("2"));
        let error = store.commit(batch(&book, &Histories::new(), at(101))).unwrap_err();
        assert!(error.to_string().contains(expect), "{error}");
        assert!(&std::fs::read(&file).unwrap() == copy, "it was written to");
    }
    // Once it is gone again everything is written.
    std::fs::remove_file(&file).unwrap();
    commit(&mut store, &mut book);
    drop(store);
    assert_eq!(newest(&open_read(dir.path()).unwrap()), book.newest().evidence);
    std::fs::write(&file, copy).unwrap();
    assert_eq!(&newest(&open_read(dir.path()).unwrap()), evidence);
}
