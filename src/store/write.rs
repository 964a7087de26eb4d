//! Writing: what changed since the last time, in one transaction, durable when it returns.

use super::StoreError;
use super::open::{ExampleEntry, Index, RouteIndex, check_magic, create, guarded, initialise, open_database, peek};
use super::rows::*;
use crate::diff::RuleInfo;
use crate::evidence::{Dirt, Epoch, Example, Exhibit, PastEpoch, RouteEvidence};
use crate::flow::{Batch, Keeper, Kept};
use crate::gate::{History, Policy};
use redb::{Database, Durability, WriteTransaction};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Examples are in memory as well, so no share of a large disk makes them more than this.
const MAX_EXAMPLE_BYTES: u64 = 32 << 20;
/// A volatile place is written anew once it was seen by one in so many more.
const GROWN: u64 = 16;
/// Routes that are written between two looks at whether others are ready for the processor.
const AT_ONCE: usize = 4;

/// The open store. Only one process has it; dropping it lets go.
#[derive(Debug)]
pub struct Store {
    /// `None` after a failure: the file is opened again for the next try.
    db: Option<Database>,
    file: PathBuf,
    /// Of the file that is open; `None` where it has no name.
    identity: Option<Identity>,
    meta: Meta,
    /// Of the commit under way, or of one that failed: it may have come to the disk all the same.
    tried: Option<Meta>,
    index: Index,
    example_cap: u64,
    /// The file was found empty: write all there is, not only what changed.
    whole: bool,
}

/// What tells a file from another that took its name.
type Identity = (u64, u64);

// === impl Store ===

impl Store {
    pub(super) fn new(db: Database, file: PathBuf, max_size: u64, meta: Meta, index: Index) -> Self {
        let (identity, example_cap) = (identity(&file), (max_size / 2).min(MAX_EXAMPLE_BYTES));
        Self { db: Some(db), file, identity, meta, tried: None, index, example_cap, whole: false }
    }

    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Size of the file.
    pub fn bytes(&self) -> u64 {
        std::fs::metadata(&self.file).map(|m| m.len()).unwrap_or(0)
    }

    /// Keeps a batch, all or nothing.
    ///
    /// # Errors
    /// When it could not be made durable; the next call starts from what is on disk.
    pub fn commit(&mut self, batch: Batch<'_>) -> Result<Kept, StoreError> {
        // What the database asserts its way out of is a failure like any other.
        let result = catch_unwind(AssertUnwindSafe(|| {
            self.reopen()?;
            let evicted = self.try_commit(batch).map_err(|detail| self.failed(detail))?;
            self.in_place()?;
            Ok(Kept { bytes: self.bytes(), evicted })
        }));
        let result = result.unwrap_or_else(|_| Err(self.failed("the database gave up".into())));
        if result.is_err() {
            self.close();
        }
        result
    }

    /// Whether the file that is open still has its name.
    ///
    /// # Errors
    /// `Gone` where it was removed, moved or replaced: what is written to it would not be found.
    pub fn in_place(&self) -> Result<(), StoreError> {
        match (self.identity, identity(&self.file)) {
            (Some(ours), found) if found != Some(ours) => Err(StoreError::Gone { path: self.file.clone() }),
            _ => Ok(()),
        }
    }

    /// Opens the file again after a failure; one that was removed is begun anew, where its folder still is.
    fn reopen(&mut self) -> Result<(), StoreError> {
        if self.db.is_some() {
            return Ok(());
        }
        if !self.file.exists() && self.file.parent().is_some_and(|folder| !folder.exists()) {
            return Err(StoreError::Gone { path: self.file.clone() });
        }
        if !(self.file.exists() && check_magic(&self.file)?) {
            self.begin_anew();
            create(&self.file, &self.meta)?;
        }
        // Looked at first without writing, as it may have to be left as it is.
        let loaded = guarded(&self.file, || peek(&self.file))?;
        if let Some((meta, ..)) = &loaded {
            // Somebody else has counted in it, or it is of another time: what we know does not belong in there.
            let ours = [Some(&self.meta), self.tried.as_ref()].into_iter().flatten();
            if !ours.map(Meta::stamp).any(|stamp| stamp == meta.stamp()) {
                return Err(StoreError::Replaced { path: self.file.clone() });
            }
        }
        let db = open_database(&self.file)?;
        match loaded {
            Some((meta, _, index)) => (self.meta, self.index) = (meta, index),
            None => {
                self.begin_anew();
                initialise(&db, &self.meta).map_err(|detail| self.failed(detail))?;
            }
        }
        self.tried = None;
        self.identity = identity(&self.file);
        self.db = Some(db);
        Ok(())
    }

    /// With the next commit everything is written, into an empty store.
    fn begin_anew(&mut self) {
        (self.meta.rows, self.tried) = (Some(0), None);
        (self.index, self.whole) = (Index::default(), true);
    }

    fn close(&mut self) {
        let db = self.db.take();
        // After a panic inside, closing may panic as well.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(db)));
    }

    fn failed(&self, detail: String) -> StoreError {
        StoreError::Write { path: self.file.clone(), detail }
    }

    #[cfg(test)]
    pub(super) fn lose_for_test(&mut self) {
        self.db = None;
    }

    fn try_commit(&mut self, batch: Batch<'_>) -> Result<Vec<(u64, Arc<str>, String)>, String> {
        let db = self.db.as_ref().ok_or("it is closed")?;
        let mut txn = db.begin_write().map_err(text)?;
        txn.set_durability(Durability::Immediate).map_err(text)?;
        let mut writer =
            Writer { txn: &txn, index: &mut self.index, next_example: self.meta.next_example, hurried: batch.hurried };
        for number in batch.book.forgotten() {
            writer.forget(*number)?;
        }
        let history = if self.whole { batch.book.history() } else { batch.book.moved().cloned().collect() };
        for past in &history {
            writer.past(past)?;
        }
        for epoch in batch.book.epochs() {
            if self.whole {
                let routes: BTreeSet<Arc<str>> = epoch.evidence.routes.keys().cloned().collect();
                writer.epoch(epoch, &Dirt { tables: routes.clone(), routes, ..Dirt::default() })?;
            } else if !epoch.dirt().is_clean() {
                writer.epoch(epoch, epoch.dirt())?;
            }
        }
        for (number, history) in batch.histories {
            writer.history(*number, history)?;
        }
        let policy = batch.policy.or(self.meta.policy.as_ref()).cloned();
        writer.policy(policy.as_ref())?;
        writer.rules(&batch.book.rules().infos)?;
        let evicted = writer.evict(self.example_cap)?;
        let next_example = writer.next_example;
        let meta = Meta {
            mirroring: batch.mirroring,
            policy,
            next_epoch: batch.book.next_number(),
            next_example,
            last_commit: batch.now,
            declared: batch.book.declared().cloned(),
            rows: Some(self.index.rows),
            ..self.meta.clone()
        };
        {
            let mut table = txn.open_table(META).map_err(text)?;
            // One that an older version made is of this one from here on.
            table.insert(FORMAT_KEY, &FORMAT.to_be_bytes()[..]).map_err(text)?;
            table.insert(META_KEY, &*encode(META_KEY, &meta)?).map_err(text)?;
        }
        self.tried = Some(meta.clone());
        txn.commit().map_err(text)?;
        (self.meta, self.tried) = (meta, None);
        self.whole = false;
        Ok(evicted)
    }
}

impl Keeper for Store {
    fn keep(&mut self, batch: Batch<'_>) -> Result<Kept, String> {
        self.commit(batch).map_err(sentence)
    }

    fn check(&mut self) -> Result<(), String> {
        self.in_place().map_err(sentence)
    }

    /// A file does not get shorter while it is open: what goes leaves room within.
    fn in_use(&mut self) -> Option<u64> {
        let db = self.db.as_ref()?;
        let measure = || {
            let stats = db.begin_write().ok()?.stats().ok()?;
            Some(stats.allocated_pages() * stats.page_size() as u64)
        };
        catch_unwind(AssertUnwindSafe(measure)).ok().flatten()
    }
}

// === impl Writer ===

/// One transaction. The index runs ahead of the disk; when the transaction fails it is read anew.
struct Writer<'a> {
    txn: &'a WriteTransaction,
    index: &'a mut Index,
    next_example: u64,
    hurried: bool,
}

impl Writer<'_> {
    fn epoch(&mut self, epoch: &Epoch, dirt: &Dirt) -> Result<(), String> {
        let row = EpochRow {
            info: epoch.evidence.epoch.clone(),
            ended_at: epoch.ended_at,
            totals: epoch.evidence.totals().settled(),
            rule_hits: epoch.evidence.rule_hits.clone(),
            kinds: epoch.evidence.kinds.clone(),
        };
        self.insert(EPOCHS, &epoch_key(epoch.number), &row)?;
        for name in &dirt.cleared {
            self.clear_route(epoch.number, name)?;
        }
        let mut rows = self.txn.open_table(ROUTES).map_err(text)?;
        let mut row = Vec::new();
        for name in self.unhurried(&dirt.routes) {
            let Some(route) = epoch.evidence.routes.get(name) else { continue };
            let key = route_key(epoch.number, name);
            encode_route(&key, &mut row, &RouteRow::of(route))?;
            let old = rows.insert(&*key, &*row).map_err(text)?.map_or(0, |old| sealed(old.value()));
            self.index.rows = self.index.rows.wrapping_add(sealed(&row)).wrapping_sub(old);
        }
        drop(rows);
        for name in self.unhurried(&dirt.tables) {
            let Some(route) = epoch.evidence.routes.get(name) else { continue };
            self.tables(epoch.number, name, route)?;
        }
        Ok(())
    }

    /// One that began and became history since the last time may have no row yet, and others have one that is not the last.
    fn past(&mut self, past: &PastEpoch) -> Result<(), String> {
        let row = EpochRow {
            info: past.info.clone(),
            ended_at: Some(past.ended_at),
            totals: past.totals.clone(),
            rule_hits: BTreeMap::new(),
            kinds: Default::default(),
        };
        self.insert(EPOCHS, &epoch_key(past.number), &row)
    }

    /// Each of them; who is ready to serve does not wait for all.
    fn unhurried<'n>(&self, names: &'n BTreeSet<Arc<str>>) -> impl Iterator<Item = &'n Arc<str>> + use<'n> {
        let hurried = self.hurried;
        names.iter().enumerate().map(move |(n, name)| {
            if n % AT_ONCE == AT_ONCE - 1 && !hurried {
                std::thread::yield_now();
            }
            name
        })
    }

    /// A route's divergences with their examples, and what is volatile.
    fn tables(&mut self, epoch: u64, name: &Arc<str>, route: &RouteEvidence) -> Result<(), String> {
        let at = (epoch, name.clone());
        // Examples first, so that rows can name them.
        let wanted: HashSet<&str> =
            route.divergences.values().flat_map(|d| d.examples.iter().map(|e| e.id())).collect();
        let known = self.index.routes.entry(at.clone()).or_default();
        let gone: Vec<u64> =
            known.examples.iter().filter(|(id, _)| !wanted.contains(id.as_str())).map(|(_, key)| *key).collect();
        for key in gone {
            self.remove_example(key)?;
        }
        for row in route.divergences.values() {
            for example in &row.examples {
                self.example(&at, example)?;
            }
        }
        let prefix = divergence_prefix(epoch, name);
        for row in route.divergences.values() {
            let known = self.index.routes.entry(at.clone()).or_default();
            if known.rows.get(&row.fingerprint) == Some(&row.version()) {
                continue;
            }
            known.rows.insert(row.fingerprint.clone(), row.version());
            let examples = row.examples.iter().filter_map(|e| known.examples.get(e.id()).copied()).collect();
            let mut row = row.clone();
            row.examples = Vec::new();
            let key = [&prefix, row.fingerprint.as_bytes()].concat();
            self.insert(DIVERGENCES, &key, &DivergenceRow { row, examples })?;
        }
        // Those that had to make room.
        let known = self.index.routes.entry(at.clone()).or_default();
        if known.rows.len() > route.divergences.len() {
            let gone: Vec<Arc<str>> =
                known.rows.keys().filter(|print| !route.divergences.contains_key(*print)).cloned().collect();
            known.rows.retain(|print, _| route.divergences.contains_key(print));
            for print in gone {
                self.remove(DIVERGENCES, &[&prefix, print.as_bytes()].concat())?;
            }
        }
        self.places(&at, &prefix, route)
    }

    /// What is volatile changes with every exchange and only serves for proposals, so each place is written when it has
    /// grown by a part: the file gets no more than a few rows for a place, however much traffic there is.
    fn places(&mut self, at: &(u64, Arc<str>), prefix: &[u8], route: &RouteEvidence) -> Result<(), String> {
        for (place, seen) in &route.volatility {
            let known = self.index.routes.entry(at.clone()).or_default();
            let (written, version) = (known.places.get(place).copied().unwrap_or(0), seen.version());
            if version <= written + written / GROWN {
                continue;
            }
            known.places.insert(place.clone(), version);
            let row = VolatilityRow { location: place.0.clone(), kind: place.1.clone(), seen: seen.clone() };
            self.insert(VOLATILITY, &volatility_key(prefix, place), &row)?;
        }
        Ok(())
    }

    fn policy(&mut self, policy: Option<&Arc<Policy>>) -> Result<(), String> {
        let Some(policy) = policy else { return Ok(()) };
        if self.index.policy.as_ref().is_some_and(|written| Arc::ptr_eq(written, policy)) {
            return Ok(());
        }
        self.index.policy = Some(policy.clone());
        self.insert(META, POLICY_KEY, policy)
    }

    fn rules(&mut self, rules: &Arc<[RuleInfo]>) -> Result<(), String> {
        if self.index.rules.as_ref() == Some(rules) {
            return Ok(());
        }
        self.index.rules = Some(rules.clone());
        self.insert(META, RULES_KEY, &**rules)
    }

    /// Points that came, went or changed since it was last written.
    fn history(&mut self, epoch: u64, history: &Arc<History>) -> Result<(), String> {
        let written = self.index.histories.insert(epoch, history.clone());
        if written.as_ref().is_some_and(|written| Arc::ptr_eq(written, history)) {
            return Ok(());
        }
        let written: BTreeMap<_, _> = written.iter().flat_map(|h| h.points()).map(|p| (p.at, p)).collect();
        let now: BTreeMap<_, _> = history.points().iter().map(|p| (p.at, p)).collect();
        for at in written.keys().filter(|at| !now.contains_key(at)) {
            self.remove(HISTORY, &history_key(epoch, *at))?;
        }
        for (at, point) in now {
            if !written.get(&at).is_some_and(|same| Arc::ptr_eq(same, point)) {
                self.insert(HISTORY, &history_key(epoch, at), &**point)?;
            }
        }
        Ok(())
    }

    fn example(&mut self, at: &(u64, Arc<str>), example: &Exhibit) -> Result<(), String> {
        if self.index.routes.get(at).is_some_and(|r: &RouteIndex| r.examples.contains_key(example.id())) {
            return Ok(());
        }
        let row = ExampleRow { epoch: at.0, route: at.1.clone(), example: Example::clone(example.example()) };
        let key = self.next_example;
        self.next_example += 1;
        let bytes = encode(&key.to_be_bytes(), &row)?;
        self.put(EXAMPLES, &key.to_be_bytes(), &bytes)?;
        let entry =
            ExampleEntry { epoch: at.0, route: at.1.clone(), id: example.id().to_owned(), size: bytes.len() as u64 };
        self.index.add_example(key, entry);
        Ok(())
    }

    fn remove_example(&mut self, key: u64) -> Result<Option<ExampleEntry>, String> {
        self.remove(EXAMPLES, &key.to_be_bytes())?;
        Ok(self.index.remove_example(key))
    }

    /// Oldest first, until what is left fits.
    fn evict(&mut self, cap: u64) -> Result<Vec<(u64, Arc<str>, String)>, String> {
        let mut evicted = Vec::new();
        while self.index.example_bytes > cap {
            let Some(key) = self.index.examples.keys().next().copied() else { break };
            if let Some(entry) = self.remove_example(key)? {
                evicted.push((entry.epoch, entry.route, entry.id));
            }
        }
        Ok(evicted)
    }

    fn clear_route(&mut self, epoch: u64, name: &Arc<str>) -> Result<(), String> {
        self.remove(ROUTES, &route_key(epoch, name))?;
        let Some(known) = self.index.routes.get(&(epoch, name.clone())) else { return Ok(()) };
        let examples: Vec<u64> = known.examples.values().copied().collect();
        let rows: Vec<Arc<str>> = known.rows.keys().cloned().collect();
        let places: Vec<_> = known.places.keys().cloned().collect();
        let prefix = divergence_prefix(epoch, name);
        for print in rows {
            self.remove(DIVERGENCES, &[&prefix, print.as_bytes()].concat())?;
        }
        for place in places {
            self.remove(VOLATILITY, &volatility_key(&prefix, &place))?;
        }
        for key in examples {
            self.remove_example(key)?;
        }
        self.index.routes.remove(&(epoch, name.clone()));
        Ok(())
    }

    fn forget(&mut self, epoch: u64) -> Result<(), String> {
        let names: Vec<Arc<str>> =
            self.index.routes.keys().filter(|(e, _)| *e == epoch).map(|(_, name)| name.clone()).collect();
        for name in names {
            self.clear_route(epoch, &name)?;
        }
        for point in self.index.histories.remove(&epoch).iter().flat_map(|history| history.points()) {
            self.remove(HISTORY, &history_key(epoch, point.at))?;
        }
        self.remove(EPOCHS, &epoch_key(epoch))
    }

    fn insert<T: Serialize + ?Sized>(&mut self, table: Table, key: &[u8], value: &T) -> Result<(), String> {
        self.put(table, key, &encode(key, value)?)
    }

    fn put(&mut self, table: Table, key: &[u8], row: &[u8]) -> Result<(), String> {
        let mut table = self.txn.open_table(table).map_err(text)?;
        let old = table.insert(key, row).map_err(text)?.map_or(0, |old| sealed(old.value()));
        self.index.rows = self.index.rows.wrapping_add(sealed(row)).wrapping_sub(old);
        Ok(())
    }

    fn remove(&mut self, table: Table, key: &[u8]) -> Result<(), String> {
        let mut table = self.txn.open_table(table).map_err(text)?;
        let old = table.remove(key).map_err(text)?.map_or(0, |old| sealed(old.value()));
        self.index.rows = self.index.rows.wrapping_sub(old);
        Ok(())
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn sentence(error: StoreError) -> String {
    match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// None where there is no such file. An open file's number is not given to another.
fn identity(file: &Path) -> Option<Identity> {
    let metadata = std::fs::metadata(file).ok()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some((metadata.dev(), metadata.ino()))
    }
    #[cfg(not(unix))]
    {
        // Whether it is there is all that is asked.
        let _ = metadata;
        Some((0, 0))
    }
}
