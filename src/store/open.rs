//! Opening: what is ours, whole and free is read; anything else is an error that says what to do.

use super::rows::*;
use super::{FILE, Store, StoreError, StoreSettings, find_proxy};
use crate::diff::RuleInfo;
use crate::evidence::{Epoch, Evidence, PastEpoch, RouteEvidence};
use crate::gate::{Histories, History, Point, Policy};
use crate::model::Timestamp;
use redb::{Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, TableError, TableHandle};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pages the database keeps in memory; the working set of one transaction a second is small.
const CACHE_BYTES: usize = 8 << 20;
/// How long a start waits for those who read, and how often it looks: they let go at once.
const READERS: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(20);
/// What a database file begins with.
const DATABASE_MAGIC: [u8; 9] = [b'r', b'e', b'd', b'b', 0x1A, 0x0A, 0xA9, 0x0D, 0x0A];

/// What was kept, as one value.
#[derive(Debug, Clone)]
pub struct Stored {
    pub store_id: String,
    /// Key for the tags of redacted values: the same over restarts, so that equal values stay equal.
    pub redact_key: [u8; 32],
    /// The kill switch.
    pub mirroring: bool,
    /// The gate's settings of the last run.
    pub policy: Option<Policy>,
    /// The rules of the last run; `None` where it kept none.
    pub rules: Option<Arc<[RuleInfo]>>,
    /// Oldest first; the last is the newest. Empty in a new store.
    pub epochs: Vec<Epoch>,
    /// Older epochs' totals, those with evidence included.
    pub history: Vec<PastEpoch>,
    /// What the gate said of them over time.
    pub histories: Histories,
    pub next_epoch: u64,
    pub last_commit: Option<Timestamp>,
    /// The label of a build that a start gave last.
    pub declared: Option<Arc<str>>,
}

/// Opens the store to write to it; makes folder and file where there are none.
///
/// # Errors
/// When the file is held, foreign, of a newer version or damaged, all of which leave it as it is; or on I/O.
pub fn open(settings: &StoreSettings) -> Result<(Store, Stored), StoreError> {
    let folder = &settings.path;
    std::fs::create_dir_all(folder).map_err(|source| StoreError::Io { path: folder.clone(), source })?;
    let file = folder.join(FILE);
    if !(file.exists() && check_magic(&file)?) {
        create(&file, &fresh_meta(&file)?)?;
    }
    let end = Instant::now() + READERS;
    let (mut db, loaded) = loop {
        // Looked at first without writing, so that what turns out damaged or foreign is as it was.
        let loaded = guarded(&file, || peek(&file))?;
        match open_database(&file) {
            // Another proxy would have kept it from being looked at.
            Err(StoreError::Held { .. }) if Instant::now() < end => std::thread::sleep(AGAIN),
            opened => break (opened?, loaded),
        }
    };
    if std::fs::metadata(&file).is_ok_and(|m| m.len() > settings.max_size) {
        // Room that was freed is given back at the start, when nobody waits for a commit.
        let _ = guarded(&file, || Ok(db.compact()));
    }
    let (meta, stored, index) = match loaded {
        Some(loaded) => loaded,
        None => {
            let meta = fresh_meta(&file)?;
            initialise(&db, &meta).map_err(|detail| StoreError::Write { path: file.clone(), detail })?;
            let stored = stored(&meta, BTreeMap::new(), Vec::new(), Histories::new());
            (meta, stored, Index::default())
        }
    };
    Ok((Store::new(db, file, settings.max_size, meta, index), stored))
}

/// Reads the store of a folder without writing to it; after a crash the recovery happens on a copy in memory.
///
/// # Errors
/// `Missing` where there is none (nothing is created), `Held` with the proxy to ask instead, and as [`open`].
pub fn open_read(folder: &Path) -> Result<Stored, StoreError> {
    let file = folder.join(FILE);
    if !file.is_file() {
        return Err(StoreError::Missing { path: folder.to_owned() });
    }
    if !check_magic(&file)? {
        return Err(StoreError::Missing { path: folder.to_owned() });
    }
    let loaded = guarded(&file, || peek(&file))?;
    match loaded {
        Some((_, stored, _)) => Ok(stored),
        None => Err(StoreError::Missing { path: folder.to_owned() }),
    }
}

/// Whether a proxy holds the store of a folder. Whoever only reads does not.
pub fn is_held(folder: &Path) -> bool {
    is_written(&folder.join(FILE))
}

/// Whether somebody has it open to write to it; those who read share it.
fn is_written(file: &Path) -> bool {
    let look = || match builder().open_read_only(file) {
        Err(DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch) => Ok(true),
        // What is missing or damaged is for those to tell who read it.
        _ => Ok(false),
    };
    guarded(file, look).unwrap_or(false)
}

pub(super) fn open_database(file: &Path) -> Result<Database, StoreError> {
    guarded(file, || builder().open(file).map_err(|e| database_error(file, e)))
}

/// Which examples, divergences and so on are on disk, so that only what changed is written.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Key: where it belongs and its size.
    pub examples: BTreeMap<u64, ExampleEntry>,
    pub routes: HashMap<(u64, Arc<str>), RouteIndex>,
    pub histories: Histories,
    pub policy: Option<Arc<Policy>>,
    pub rules: Option<Arc<[RuleInfo]>>,
    pub example_bytes: u64,
    /// The sum of the checksums of all rows but the meta.
    pub rows: u64,
}

#[derive(Debug, Clone)]
pub(super) struct ExampleEntry {
    pub epoch: u64,
    pub route: Arc<str>,
    pub id: String,
    pub size: u64,
}

#[derive(Debug, Default)]
pub(super) struct RouteIndex {
    /// Exchange id to key.
    pub examples: HashMap<String, u64>,
    /// Fingerprint to the version of its row that was written.
    pub rows: HashMap<Arc<str>, u64>,
    /// The same of what is volatile, by location and kind.
    pub places: HashMap<(Arc<str>, Arc<str>), u64>,
}

impl Index {
    pub(super) fn add_example(&mut self, key: u64, entry: ExampleEntry) {
        self.example_bytes += entry.size;
        let route = self.routes.entry((entry.epoch, entry.route.clone())).or_default();
        route.examples.insert(entry.id.clone(), key);
        self.examples.insert(key, entry);
    }

    pub(super) fn remove_example(&mut self, key: u64) -> Option<ExampleEntry> {
        let entry = self.examples.remove(&key)?;
        self.example_bytes = self.example_bytes.saturating_sub(entry.size);
        if let Some(route) = self.routes.get_mut(&(entry.epoch, entry.route.clone())) {
            route.examples.remove(&entry.id);
        }
        Some(entry)
    }
}

// === Reading ===

type Loaded = Option<(Meta, Stored, Index)>;
/// The rows of all tables as they are, by the table's name.
type Rows = BTreeMap<String, Vec<(Vec<u8>, Vec<u8>)>>;

/// Everything in the file, without writing to it.
pub(super) fn peek(file: &Path) -> Result<Loaded, StoreError> {
    let rows = match builder().open_read_only(file) {
        // Only read, and made sense of once the file is let go of: a proxy that starts waits for it.
        Ok(db) => rows_of(&db, file)?,
        // It was not closed: recover a copy.
        Err(DatabaseError::RepairAborted) => {
            let bytes = std::fs::read(file).map_err(|source| StoreError::Io { path: file.to_owned(), source })?;
            if is_written(file) {
                // By a proxy that started meanwhile: the copy may be of two times.
                return Err(database_error(file, DatabaseError::DatabaseAlreadyOpen));
            }
            let memory = memory_copy(&bytes).map_err(|e| corrupt(file, e))?;
            return load(&builder().create_with_backend(memory).map_err(|e| database_error(file, e))?, file);
        }
        Err(e) => return Err(database_error(file, e)),
    };
    rows.map(|rows| understood(rows, file)).transpose()
}

/// Everything in the file; `None` when it holds no table at all: it was created and never written to.
pub(super) fn load(db: &impl ReadableDatabase, file: &Path) -> Result<Loaded, StoreError> {
    rows_of(db, file)?.map(|rows| understood(rows, file)).transpose()
}

fn rows_of(db: &impl ReadableDatabase, file: &Path) -> Result<Option<Rows>, StoreError> {
    let bad = |e: &dyn std::fmt::Display| corrupt(file, e.to_string());
    let txn = db.begin_read().map_err(|e| bad(&e))?;
    let names: Vec<String> = txn.list_tables().map_err(|e| bad(&e))?.map(|t| t.name().to_owned()).collect();
    if names.is_empty() {
        return Ok(None);
    }
    let foreign = || StoreError::Foreign { path: file.to_owned() };
    let meta = match txn.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_) | TableError::TableTypeMismatch { .. }) => return Err(foreign()),
        Err(e) => return Err(bad(&e)),
    };
    let format = meta.get(FORMAT_KEY).map_err(|e| bad(&e))?.ok_or_else(foreign)?;
    let found = u32::from_be_bytes(format.value().try_into().map_err(|_| foreign())?);
    if !(1..=FORMAT).contains(&found) {
        return Err(StoreError::Version { path: file.to_owned(), found, ours: FORMAT });
    }
    let mut all = Rows::new();
    for table in [META, EPOCHS, ROUTES, DIVERGENCES, VOLATILITY, HISTORY, EXAMPLES] {
        // Not there in files of versions that kept none.
        let later = [VOLATILITY, HISTORY].iter().any(|later| later.name() == table.name());
        if later && !names.iter().any(|name| name == table.name()) {
            continue;
        }
        let rows = all.entry(table.name().to_owned()).or_default();
        for row in txn.open_table(table).map_err(|e| bad(&e))?.iter().map_err(|e| bad(&e))? {
            let (key, value) = row.map_err(|e| bad(&e))?;
            rows.push((key.value().to_vec(), value.value().to_vec()));
        }
    }
    Ok(Some(all))
}

fn understood(mut all: Rows, file: &Path) -> Result<(Meta, Stored, Index), StoreError> {
    let bad = |e: &dyn std::fmt::Display| corrupt(file, e.to_string());
    let sums = all.values().flatten().filter(|(key, _)| key != META_KEY).map(|(_, row)| sealed(row));
    let mut index = Index { rows: sums.fold(0, u64::wrapping_add), ..Index::default() };
    let mut rows = |table: Table| all.remove(table.name()).unwrap_or_default();
    let mut table: BTreeMap<_, _> = rows(META).into_iter().collect();
    let meta = table.remove(META_KEY).ok_or_else(|| bad(&"no meta"))?;
    let mut meta: Meta = decode(META_KEY, &meta).map_err(|e| bad(&e))?;
    if meta.rows.is_some_and(|rows| rows != index.rows) {
        return Err(bad(&"rows are missing, or of another time"));
    }
    if meta.policy.is_none()
        && let Some(policy) = table.remove(POLICY_KEY)
    {
        meta.policy = Some(decode(POLICY_KEY, &policy).map_err(|e| bad(&e))?);
        index.policy = meta.policy.clone();
    }
    if let Some(rules) = table.remove(RULES_KEY) {
        index.rules = Some(decode::<Vec<RuleInfo>>(RULES_KEY, &rules).map_err(|e| bad(&e))?.into());
    }

    let mut epochs = BTreeMap::new();
    for (key, value) in rows(EPOCHS) {
        let number = u64::from_be_bytes(key.as_slice().try_into().map_err(|_| bad(&"an epoch's key"))?);
        let row = decode::<EpochRow>(&key, &value).map_err(|e| bad(&e))?;
        epochs.insert(number, (row, BTreeMap::<Arc<str>, RouteEvidence>::new()));
    }
    for (key, value) in rows(ROUTES) {
        let (epoch, name) = split_route_key(&key).ok_or_else(|| bad(&"a route's key"))?;
        let route = decode::<RouteRow>(&key, &value).and_then(RouteRow::read).map_err(|e| bad(&e))?;
        if let Some((_, routes)) = epochs.get_mut(&epoch) {
            index.routes.entry((epoch, name.clone())).or_default();
            routes.insert(name, route);
        }
    }
    let mut examples = HashMap::new();
    for (key, value) in rows(EXAMPLES) {
        let row: ExampleRow = decode(&key, &value).map_err(|e| bad(&e))?;
        let key = u64::from_be_bytes(key.as_slice().try_into().map_err(|_| bad(&"an example's key"))?);
        let id = row.example.id.clone();
        let size = value.len() as u64;
        index.add_example(key, ExampleEntry { epoch: row.epoch, route: row.route, id, size });
        examples.insert(key, Arc::new(row.example.into()));
    }
    for (key, value) in rows(DIVERGENCES) {
        let (epoch, name) = split_divergence_key(&key).ok_or_else(|| bad(&"a divergence's key"))?;
        let DivergenceRow { mut row, examples: keys } = decode(&key, &value).map_err(|e| bad(&e))?;
        row.examples = keys.iter().filter_map(|key| examples.get(key).cloned()).collect();
        if let Some(route) = epochs.get_mut(&epoch).and_then(|(_, routes)| routes.get_mut(&name)) {
            index.routes.entry((epoch, name)).or_default().rows.insert(row.fingerprint.clone(), row.version());
            route.divergences.insert(row.fingerprint.clone(), row);
        }
    }
    for (key, value) in rows(VOLATILITY) {
        let (epoch, name) = split_divergence_key(&key).ok_or_else(|| bad(&"the key of a volatile place"))?;
        let VolatilityRow { location, kind, seen } = decode(&key, &value).map_err(|e| bad(&e))?;
        if let Some(route) = epochs.get_mut(&epoch).and_then(|(_, routes)| routes.get_mut(&name)) {
            let place = (location, kind);
            index.routes.entry((epoch, name)).or_default().places.insert(place.clone(), seen.version());
            route.volatility.insert(place, seen);
        }
    }

    let mut points: BTreeMap<u64, Vec<Point>> = BTreeMap::new();
    for (key, value) in rows(HISTORY) {
        let (epoch, _) = key.split_first_chunk::<8>().ok_or_else(|| bad(&"the key of a point of history"))?;
        points.entry(u64::from_be_bytes(*epoch)).or_default().push(decode(&key, &value).map_err(|e| bad(&e))?);
    }
    let restored = points.into_iter().map(|(epoch, points)| (epoch, Arc::new(History::restore(points))));
    index.histories = restored.collect();

    let mut history = Vec::new();
    let mut read = BTreeMap::new();
    for (number, (row, routes)) in epochs {
        if let Some(ended_at) = row.ended_at {
            history.push(PastEpoch { number, info: row.info.clone(), ended_at, totals: row.totals });
        }
        if !row.kinds.is_sound() {
            return Err(bad(&"a count of new divergences that makes no sense"));
        }
        let evidence = Evidence { rule_hits: row.rule_hits, kinds: row.kinds, ..Evidence::kept(row.info, routes) };
        read.insert(number, Epoch::kept(number, evidence, row.ended_at));
    }
    let stored = Stored { rules: index.rules.clone(), ..stored(&meta, read, history, index.histories.clone()) };
    Ok((meta, stored, index))
}

fn stored(meta: &Meta, epochs: BTreeMap<u64, Epoch>, history: Vec<PastEpoch>, histories: Histories) -> Stored {
    Stored {
        store_id: meta.store_id.clone(),
        redact_key: meta.redact_key,
        mirroring: meta.mirroring,
        policy: meta.policy.as_deref().cloned(),
        rules: None,
        epochs: epochs.into_values().collect(),
        history,
        histories,
        next_epoch: meta.next_epoch,
        last_commit: (meta.last_commit != Timestamp::default()).then_some(meta.last_commit),
        declared: meta.declared.clone(),
    }
}

// === Creating ===

pub(super) fn fresh_meta(file: &Path) -> Result<Meta, StoreError> {
    let mut random = [0u8; 48];
    getrandom::fill(&mut random).map_err(|_| StoreError::Random { path: file.to_owned() })?;
    let (key, id) = random.split_at(32);
    let mut redact_key = [0; 32];
    redact_key.copy_from_slice(key);
    Ok(Meta {
        store_id: id.iter().map(|b| format!("{b:02x}")).collect(),
        redact_key,
        mirroring: true,
        policy: None,
        next_epoch: 1,
        next_example: 0,
        last_commit: Timestamp::default(),
        declared: None,
        rows: Some(0),
    })
}

/// Makes a new store aside, which gets its name once it is whole and on disk: nothing half is left where somebody is
/// killed meanwhile.
pub(super) fn create(file: &Path, meta: &Meta) -> Result<(), StoreError> {
    let io = |source| StoreError::Io { path: file.to_owned(), source };
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|_| StoreError::Random { path: file.to_owned() })?;
    let aside = file.with_extension(format!("{:016x}.new", u64::from_le_bytes(random)));
    let made = guarded(file, || {
        let db = builder().create(&aside).map_err(|e| database_error(file, e))?;
        initialise(&db, meta).map_err(|detail| StoreError::Write { path: file.to_owned(), detail })
    });
    let named = made.and_then(|()| give_name(&aside, file).map_err(io));
    // A second name by now, or of no use.
    let _ = std::fs::remove_file(&aside);
    named
}

/// Where another process was quicker, its file stays.
fn give_name(aside: &Path, file: &Path) -> io::Result<()> {
    std::fs::File::open(aside)?.sync_all()?;
    match std::fs::hard_link(aside, file) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && file.metadata()?.len() > 0 => return Ok(()),
        // An empty one is in the way, or there are no such links here.
        Err(_) => std::fs::rename(aside, file)?,
    }
    // Some systems sync no folders.
    let _ = file.parent().map(|folder| std::fs::File::open(folder).and_then(|folder| folder.sync_all()));
    Ok(())
}

pub(super) fn initialise(db: &Database, meta: &Meta) -> Result<(), String> {
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let txn = db.begin_write().map_err(|e| text(&e))?;
    {
        let mut table = txn.open_table(META).map_err(|e| text(&e))?;
        table.insert(FORMAT_KEY, &FORMAT.to_be_bytes()[..]).map_err(|e| text(&e))?;
        table.insert(META_KEY, &*encode(META_KEY, meta)?).map_err(|e| text(&e))?;
        for table in [EPOCHS, ROUTES, DIVERGENCES, VOLATILITY, HISTORY, EXAMPLES] {
            txn.open_table(table).map_err(|e| text(&e))?;
        }
    }
    txn.commit().map_err(|e| text(&e))
}

// === Errors ===

pub(super) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Whether the file is a database; false for an empty one, an error for anything else.
pub(super) fn check_magic(file: &Path) -> Result<bool, StoreError> {
    let io = |source| StoreError::Io { path: file.to_owned(), source };
    let mut head = Vec::new();
    std::fs::File::open(file).map_err(io)?.take(DATABASE_MAGIC.len() as u64).read_to_end(&mut head).map_err(io)?;
    if head.is_empty() {
        return Ok(false);
    }
    if head != DATABASE_MAGIC {
        return Err(StoreError::Foreign { path: file.to_owned() });
    }
    Ok(true)
}

/// The database may assert its way out of a damaged file; to us that is an error like any other.
pub(super) fn guarded<T>(file: &Path, f: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| Err(corrupt(file, "it makes no sense inside".into())))
}

fn corrupt(file: &Path, detail: String) -> StoreError {
    StoreError::Corrupt { path: file.to_owned(), detail }
}

fn database_error(file: &Path, error: DatabaseError) -> StoreError {
    let path: PathBuf = file.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreError::Held { by: file.parent().and_then(find_proxy), path }
        }
        DatabaseError::UpgradeRequired(found) => StoreError::Version { path, found: found.into(), ours: FORMAT },
        DatabaseError::Storage(StorageError::Io(source)) if !is_damage(&source) => StoreError::Io { path, source },
        other => corrupt(file, other.to_string()),
    }
}

fn is_damage(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::*;
    matches!(error.kind(), UnexpectedEof | InvalidData | InvalidInput)
}

pub(super) fn memory_copy(bytes: &[u8]) -> Result<redb::backends::InMemoryBackend, String> {
    use redb::StorageBackend;
    let memory = redb::backends::InMemoryBackend::new();
    memory.set_len(bytes.len() as u64).map_err(|e| format!("{e:?}"))?;
    memory.write(0, bytes).map_err(|e| format!("{e:?}"))?;
    Ok(memory)
}
