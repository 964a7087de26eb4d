//! Power cuts: a disk that forgets any part of what was not yet synced.

use super::Store;
use super::open::{builder, fresh_meta, initialise, load, memory_copy};
use super::tests::{batch, exchange, point, resume, settings, stored_of};
use crate::evidence::Evidence;
use crate::evidence::testing::at;
use crate::gate::Histories;
use redb::StorageBackend;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug, Default)]
struct Disk {
    now: Vec<u8>,
    /// What is sure to be there after a power cut.
    synced: Vec<u8>,
    /// What came since.
    pending: Vec<(usize, Vec<u8>)>,
    cuts: Vec<Vec<u8>>,
    panics: bool,
    seed: u64,
}

#[derive(Debug, Clone, Default)]
struct Forgetful(Arc<Mutex<Disk>>);

impl Disk {
    fn chance(&mut self) -> bool {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.seed >> 63 == 1
    }

    /// The power goes now: some pages of what was not synced are there, some are not.
    fn cut(&mut self) {
        let mut left = self.synced.clone();
        left.resize(self.now.len().max(left.len()), 0);
        for (at, data) in self.pending.clone() {
            for (i, page) in data.chunks(4096).enumerate() {
                if self.chance() {
                    let at = at + i * 4096;
                    if left.len() < at + page.len() {
                        left.resize(at + page.len(), 0);
                    }
                    left[at..at + page.len()].copy_from_slice(page);
                }
            }
        }
        self.cuts.push(left);
    }
}

impl StorageBackend for Forgetful {
    fn len(&self) -> Result<u64, std::io::Error> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), std::io::Error> {
        let disk = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        out.copy_from_slice(&disk.now[offset as usize..offset as usize + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), std::io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).now.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), std::io::Error> {
        let mut disk = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        disk.cut();
        disk.synced = disk.now.clone();
        disk.pending.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), std::io::Error> {
        let mut disk = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(!disk.panics, "on purpose");
        let at = offset as usize;
        disk.now[at..at + data.len()].copy_from_slice(data);
        disk.pending.push((at, data.to_vec()));
        Ok(())
    }
}

#[test]
fn a_power_cut_leaves_a_state_that_once_was() {
    let file = Path::new("unused/evidence.redb");
    for seed in 0..4 {
        let disk = Forgetful::default();
        disk.0.lock().unwrap().seed = seed;
        let db = builder().create_with_backend(disk.clone()).unwrap();
        let meta = fresh_meta(file).unwrap();
        initialise(&db, &meta).unwrap();
        let mut store =
            Store::new(db, file.to_owned(), settings(Path::new("unused")).max_size, meta, Default::default());
        let mut book = resume(stored_of(&disk.0.lock().unwrap().now));
        // Cuts so far came before the first commit. From here on: state `i` is durable once commit `i` returned.
        let mut states: Vec<Option<Evidence>> = vec![None];
        let mut histories = Histories::new();
        let mut checked = disk.0.lock().unwrap().cuts.len();
        for i in 0..30 {
            exchange(&mut book, i, None);
            Arc::make_mut(histories.entry(1).or_default()).push(point(i, i + 1));
            store.commit(batch(&book, &histories, at(i))).unwrap();
            book.kept();
            states.push(Some(book.newest().evidence.clone()));
            disk.0.lock().unwrap().cut();
            let cuts: Vec<Vec<u8>> = disk.0.lock().unwrap().cuts[checked..].to_vec();
            checked += cuts.len();
            let last = cuts.len() - 1;
            for (n, image) in cuts.into_iter().enumerate() {
                let db = builder().create_with_backend(memory_copy(&image).unwrap()).unwrap();
                let (_, stored, _) = load(&db, file).unwrap().expect("tables");
                let found = stored.epochs.last().map(|e| e.evidence.clone());
                // While a commit runs it is the state before or after; once it has returned, after.
                let allowed = if n == last { &states[states.len() - 1..] } else { &states[states.len() - 2..] };
                assert!(allowed.contains(&found), "seed {seed}, commit {i}, cut {n}");
                // What was said is of what was counted, in the same state.
                let said = stored.histories.get(&1).and_then(|h| h.points().last()).map(|p| p.compared);
                assert_eq!(said, found.as_ref().map(|e| e.totals().compared), "seed {seed}, commit {i}, cut {n}");
                assert!(found.is_none_or(|e| e.law().is_ok()));
            }
        }
    }
}

#[test]
fn a_database_that_panics_is_a_store_that_fails() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(super::FILE);
    let disk = Forgetful::default();
    let db = builder().create_with_backend(disk.clone()).unwrap();
    let meta = fresh_meta(&file).unwrap();
    initialise(&db, &meta).unwrap();
    let mut store = Store::new(db, file.clone(), 1 << 30, meta, Default::default());
    let mut book = resume(stored_of(&disk.0.lock().unwrap().now));
    exchange(&mut book, 0, None);
    let histories = Histories::new();
    let batch = batch(&book, &histories, at(0));
    disk.0.lock().unwrap().panics = true;
    let error = store.commit(batch).unwrap_err().to_string();
    assert!(error.contains("the database gave up"), "{error}");
    // The next try opens the file again.
    store.commit(batch).unwrap();
    drop(store);
    let stored = super::open_read(dir.path()).unwrap();
    assert_eq!(stored.epochs.last().unwrap().evidence, book.newest().evidence);
}
