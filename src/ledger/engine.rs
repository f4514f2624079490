//! The open RocksDB: what is checked before it may be opened, and reading from it.

use std::{
    cmp,
    convert::Infallible,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
};

use rocksdb::{
    ColumnFamily, DB, DBRecoveryMode, FlushOptions, InfoLogger, LogLevel, Options, WriteBatch,
};
use rustix::fs::{FlockOperation, flock};

use crate::identity::SerialNumber;

use super::{
    entry::{Entry, EntryKind},
    error::{Damage, LedgerError},
    high_water::HighWater,
    issuer_wide::IssuerWide,
    issuers::{DefinedIssuer, IssuerTable},
    keys,
    log::{Epoch, Epochs, Frontier, check_edge},
    options,
    record::StatusRecord,
};

/// The version that this program reads and writes of everything in the ledger's folder.
pub const FORMAT_VERSION: u32 = keys::FORMAT_VERSION;

/// An open database. Dropping the last reference closes it.
pub(super) struct Engine {
    // The order of the fields is the order in which they are dropped: RocksDB is closed before
    // anybody is told, and told before another process may open it.
    db: DB,
    dir: PathBuf,
    issuers: RwLock<Arc<IssuerTable>>,
    epochs: RwLock<Arc<Epochs>>,
    /// Whether it is to be closed as soon as nobody reads any more.
    retiring: AtomicBool,
    _closed: mpsc::SyncSender<Infallible>,
    /// None where nothing can be written, and whoever holds the folder is known to the caller.
    _lock: Option<Arc<OwnerLock>>,
}

/// Waits for an engine to be closed: disconnected when it is.
pub(super) type Closed = mpsc::Receiver<Infallible>;

impl Engine {
    /// Opens the database in `dir`, or makes one where there is nothing.
    pub(super) fn open(
        dir: &Path,
        lock: Arc<OwnerLock>,
        high_water: &HighWater,
    ) -> Result<(Self, Closed), LedgerError> {
        let create = match check(dir, high_water)? {
            Checked::Whole => false,
            Checked::Nothing => true,
        };
        let engine_error = |error| LedgerError::from_engine(dir, error);
        let db = DB::open_cf_descriptors(&options::database(create), dir, options::families())
            .map_err(engine_error)?;
        let (engine, closed) = Self::new(db, dir, Some(lock));
        if create {
            let mut batch = WriteBatch::default();
            let meta = engine.family(keys::META)?;
            batch.put_cf(meta, keys::FORMAT, FORMAT_VERSION.to_be_bytes());
            let first = Epoch::FIRST;
            let value = first.encode();
            batch.put_cf(meta, keys::epoch(first.number), value.as_flattened());
            batch.put_cf(meta, keys::FRONTIER, Frontier::default().encode());
            engine.write(batch)?;
            sync_dir(dir)?;
        }
        engine.check_last_sequence()?;
        engine.load_epochs()?;
        engine.load_issuers()?;
        check_edge(&engine)?;
        Ok((engine, closed))
    }

    /// Opens a ledger that is there for reading alone, with as little as possible looked at before.
    pub(super) fn inspect_owned(dir: &Path, lock: Arc<OwnerLock>) -> Result<Self, LedgerError> {
        let high_water =
            HighWater::open(dir).map_err(|error| LedgerError::from_system(dir, error))?;
        match check(dir, &high_water)? {
            Checked::Whole => Ok(Self::open_read_only(dir, lock)?.0),
            Checked::Nothing => {
                let path = dir.to_owned();
                Err(LedgerError::NoLedger { path })
            }
        }
    }

    /// Opens what is there for reading, while it cannot be opened for writing.
    pub(super) fn open_read_only(
        dir: &Path,
        lock: Arc<OwnerLock>,
    ) -> Result<(Self, Closed), LedgerError> {
        let db = DB::open_cf_descriptors_read_only(
            &options::database(false),
            dir,
            options::families(),
            false,
        )
        .map_err(|error| LedgerError::from_engine(dir, error))?;
        let (engine, closed) = Self::new(db, dir, Some(lock));
        engine.load_epochs()?;
        engine.load_issuers()?;
        Ok((engine, closed))
    }

    /// Opens what is there for reading alone, and leaves no trace in the folder: a backup, or a ledger
    /// that was set aside. Nobody may be writing to it.
    pub(super) fn of_copy(dir: &Path) -> Result<Self, LedgerError> {
        let engine_error = |error| LedgerError::from_engine(dir, error);
        if !dir.join("CURRENT").is_file() {
            return Err(LedgerError::damaged(dir, Damage::NoCurrent));
        }
        let quiet = || {
            let mut options: Options = options::database(false);
            let silence: fn(LogLevel, &str) = |_, _| {};
            options.set_info_logger(InfoLogger::new_callback_logger(LogLevel::Fatal, silence));
            options
        };
        let meta = [options::DEFAULT, keys::META];
        let db = DB::open_cf_for_read_only(&quiet(), dir, meta, false).map_err(engine_error)?;
        let family = db.cf_handle(keys::META);
        let format = family.map(|family| db.get_cf(family, keys::FORMAT));
        check_format(dir, format.transpose().map_err(engine_error)?.flatten())?
            .ok_or_else(|| LedgerError::damaged(dir, Damage::NoFormat))?;
        drop(db);
        let db = DB::open_cf_descriptors_read_only(&quiet(), dir, options::families(), false)
            .map_err(engine_error)?;
        let (engine, _) = Self::new(db, dir, None);
        engine.check_last_sequence()?;
        engine.load_epochs()?;
        engine.load_issuers()?;
        Ok(engine)
    }

    fn new(db: DB, dir: &Path, lock: Option<Arc<OwnerLock>>) -> (Self, Closed) {
        let (sender, closed) = mpsc::sync_channel(0);
        let engine = Self {
            db,
            dir: dir.to_owned(),
            issuers: RwLock::default(),
            epochs: RwLock::default(),
            retiring: AtomicBool::new(false),
            _closed: sender,
            _lock: lock,
        };
        (engine, closed)
    }

    pub(super) fn db(&self) -> &DB {
        &self.db
    }

    pub(super) fn error(&self, error: rocksdb::Error) -> LedgerError {
        LedgerError::from_engine(&self.dir, error)
    }

    pub(super) fn damaged(&self, damage: Damage) -> LedgerError {
        LedgerError::damaged(&self.dir, damage)
    }

    pub(super) fn family(&self, name: &'static str) -> Result<&ColumnFamily, LedgerError> {
        // All of them were opened; without one, opening had failed.
        self.db
            .cf_handle(name)
            .ok_or_else(|| self.damaged(Damage::Value { family: name }))
    }

    /// Writes a batch whole, and returns when it is on the disk.
    pub(super) fn write(&self, batch: WriteBatch) -> Result<(), LedgerError> {
        self.db
            .write_opt(batch, &options::synced())
            .map_err(|error| self.error(error))
    }

    /// Moves everything from the write-ahead log into tables, so that the next start has nothing to
    /// replay.
    pub(super) fn flush(&self) -> Result<(), LedgerError> {
        let families = [
            keys::ENTRIES,
            keys::STATUS,
            keys::REVOKED,
            keys::ISSUERS,
            keys::TREE,
            keys::PUSHES,
            keys::CHECKPOINTS,
            keys::META,
        ];
        let families = families
            .into_iter()
            .map(|name| self.family(name))
            .collect::<Result<Vec<_>, _>>()?;
        self.db
            .flush_cfs_opt(&families, &FlushOptions::default())
            .map_err(|error| self.error(error))
    }

    /// Asks those who read to end.
    pub(super) fn retire(&self) {
        self.retiring.store(true, Ordering::Relaxed);
    }

    /// Ends a long read when the database is to be closed.
    pub(super) fn check_open(&self) -> Result<(), LedgerError> {
        if self.retiring.load(Ordering::Relaxed) {
            let path = self.dir.clone();
            return Err(LedgerError::Reopening { path });
        }
        Ok(())
    }

    pub(super) fn issuers(&self) -> Arc<IssuerTable> {
        Arc::clone(&self.issuers.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes an issuer known whose entry was written.
    pub(super) fn add_issuer(&self, issuer: DefinedIssuer) {
        let mut table = self.issuers.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut table).insert(issuer);
    }

    fn load_issuers(&self) -> Result<(), LedgerError> {
        let mut table = IssuerTable::default();
        let mut rows = self.db.raw_iterator_cf(self.family(keys::ISSUERS)?);
        rows.seek_to_first();
        while let Some((key, value)) = rows.item() {
            let row = Entry::decode(value).ok().and_then(|entry| {
                let EntryKind::IssuerDefined { number, issuer } = entry.kind else {
                    return None;
                };
                (key == number.to_be_bytes()).then(|| DefinedIssuer {
                    number,
                    sequence: entry.sequence,
                    id: issuer.id(),
                    identity: Arc::new(issuer),
                })
            });
            let family = keys::ISSUERS;
            table.insert(row.ok_or_else(|| self.damaged(Damage::Value { family }))?);
            rows.next();
        }
        rows.status().map_err(|error| self.error(error))?;
        *self.issuers.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        Ok(())
    }

    pub(super) fn epochs(&self) -> Arc<Epochs> {
        Arc::clone(&self.epochs.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes an epoch known whose row was written.
    pub(super) fn add_epoch(&self, epoch: Epoch) {
        let mut epochs = self.epochs.write().unwrap_or_else(PoisonError::into_inner);
        let follows = Arc::make_mut(&mut epochs).push(epoch);
        debug_assert!(follows, "an epoch follows those before it");
    }

    fn load_epochs(&self) -> Result<(), LedgerError> {
        let damaged = || self.damaged(Damage::Epochs);
        let mut epochs = Vec::new();
        let mut rows = self.db.raw_iterator_cf(self.family(keys::META)?);
        rows.seek(keys::EPOCH);
        while let Some((key, value)) = rows.item() {
            let Some(number) = keys::epoch_number(key) else {
                break;
            };
            epochs.push(Epoch::decode(number, value).ok_or_else(damaged)?);
            rows.next();
        }
        rows.status().map_err(|error| self.error(error))?;
        let epochs = Epochs::new(epochs).ok_or_else(damaged)?;
        *self.epochs.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(epochs);
        Ok(())
    }

    /// The log's edge.
    pub(super) fn frontier(&self) -> Result<Frontier, LedgerError> {
        let value = self
            .db
            .get_pinned_cf(self.family(keys::META)?, keys::FRONTIER)
            .map_err(|error| self.error(error))?;
        self.decode_frontier(value.as_deref())
    }

    pub(super) fn decode_frontier(&self, value: Option<&[u8]>) -> Result<Frontier, LedgerError> {
        value
            .and_then(Frontier::decode)
            .ok_or_else(|| self.damaged(Damage::Frontier))
    }

    /// A number in `meta`; 0 where none was written.
    pub(super) fn meta_u64(&self, key: &[u8]) -> Result<u64, LedgerError> {
        let value = self
            .db
            .get_pinned_cf(self.family(keys::META)?, key)
            .map_err(|error| self.error(error))?;
        let family = keys::META;
        value.map_or(Ok(0), |value| {
            be_u64(&value).ok_or_else(|| self.damaged(Damage::Value { family }))
        })
    }

    pub(super) fn last_sequence(&self) -> Result<u64, LedgerError> {
        self.meta_u64(keys::LAST_SEQUENCE)
    }

    /// How many certificates of an issuer are known, and how many of them are revoked.
    pub(super) fn count(&self, issuer_number: u32) -> Result<Count, LedgerError> {
        let value = self
            .db
            .get_pinned_cf(self.family(keys::META)?, keys::count(issuer_number))
            .map_err(|error| self.error(error))?;
        self.decode_count(value.as_deref())
    }

    pub(super) fn decode_count(&self, value: Option<&[u8]>) -> Result<Count, LedgerError> {
        let family = keys::META;
        let Some(value) = value else {
            return Ok(Count::default());
        };
        Count::decode(value).ok_or_else(|| self.damaged(Damage::Value { family }))
    }

    /// Whether all certificates of an issuer are revoked.
    pub(super) fn issuer_wide(&self, number: u32) -> Result<Option<IssuerWide>, LedgerError> {
        let value = self
            .db
            .get_pinned_cf(self.family(keys::META)?, keys::issuer_wide(number))
            .map_err(|error| self.error(error))?;
        value
            .map(|value| self.decode_issuer_wide(&value))
            .transpose()
    }

    pub(super) fn decode_issuer_wide(&self, value: &[u8]) -> Result<IssuerWide, LedgerError> {
        let family = keys::META;
        IssuerWide::decode(value).ok_or_else(|| self.damaged(Damage::Value { family }))
    }

    pub(super) fn decode_status(
        &self,
        number: u32,
        serial: &SerialNumber,
        value: &[u8],
    ) -> Result<StatusRecord, LedgerError> {
        StatusRecord::decode(value).ok_or_else(|| {
            let serial = *serial;
            self.damaged(Damage::Record { number, serial })
        })
    }

    /// The families are flushed one by one, but a batch is in all of them or in none.
    fn check_last_sequence(&self) -> Result<(), LedgerError> {
        let expected = self.last_sequence()?;
        let mut rows = self.db.raw_iterator_cf(self.family(keys::ENTRIES)?);
        rows.seek_to_last();
        let found = rows.key().and_then(be_u64).unwrap_or(0);
        rows.status().map_err(|error| self.error(error))?;
        if found != expected {
            return Err(self.damaged(Damage::LastSequence { expected, found }));
        }
        Ok(())
    }
}

/// How many certificates of an issuer are known and revoked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Count {
    pub(super) known: u64,
    pub(super) revoked: u64,
}

impl Count {
    pub(super) fn encode(self) -> [u8; 16] {
        let mut octets = [0; 16];
        let fields = [self.known.to_be_bytes(), self.revoked.to_be_bytes()];
        for (octet, value) in octets.iter_mut().zip(fields.as_flattened()) {
            *octet = *value;
        }
        octets
    }

    fn decode(value: &[u8]) -> Option<Self> {
        let (known, revoked) = value.split_first_chunk::<8>()?;
        Some(Self {
            known: u64::from_be_bytes(*known),
            revoked: be_u64(revoked)?,
        })
    }
}

pub(super) fn be_u64(octets: &[u8]) -> Option<u64> {
    octets.try_into().ok().map(u64::from_be_bytes)
}

/// The right to open the ledger: an advisory lock that the system gives back when this process ends,
/// however it ends. RocksDB has one of its own, but takes it after the checks here.
#[derive(Debug)]
pub(super) struct OwnerLock(#[expect(dead_code, reason = "holds the lock until dropped")] File);

impl OwnerLock {
    /// Makes the folder, mode 0700, if there is none, and takes the lock.
    pub(super) fn take(dir: &Path) -> Result<Self, LedgerError> {
        let system_error = |error| LedgerError::from_system(dir, error);
        match fs::metadata(dir) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(system_error(io::ErrorKind::NotADirectory.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir)
                .map_err(system_error)?,
            Err(error) => return Err(system_error(error)),
        }
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(dir.join("owner.lock"))
            .map_err(system_error)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let path = dir.to_owned();
                Err(LedgerError::Locked { path })
            }
            Err(error) => Err(system_error(error.into())),
        }
    }
}

/// Whether `dir` can be written again: a file is written, synced and removed.
pub(super) fn probe(dir: &Path) -> Result<(), LedgerError> {
    let path = dir.join("probe.tmp");
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&[0; PROBE_OCTETS])?;
        file.sync_all()
    });
    let removed = fs::remove_file(&path);
    written
        .and(removed)
        .map_err(|error| LedgerError::from_system(dir, error))
}

/// What opening writes at the least: a log, a MANIFEST and the tables of what was replayed.
const PROBE_OCTETS: usize = 256 << 10;

/// Whether there is a table, or a log with something in it.
fn holds_data(dir: &Path) -> Result<bool, LedgerError> {
    let system_error = |error| LedgerError::from_system(dir, error);
    for file in fs::read_dir(dir).map_err(system_error)? {
        let file = file.map_err(system_error)?;
        let path = file.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        let holds_data = match extension {
            Some("sst") => true,
            Some("log") => file.metadata().map_err(system_error)?.len() > 0,
            _ => false,
        };
        if holds_data {
            return Ok(true);
        }
    }
    Ok(false)
}

enum Checked {
    /// Nothing, or what is left of a creation that a crash interrupted.
    Nothing,
    Whole,
}

/// Looks at the version and the last write before RocksDB may change anything: opened for writing, it
/// removes the files that its MANIFEST does not name and what follows a damaged place in its log, and
/// where CURRENT is missing it begins an empty database.
fn check(dir: &Path, high_water: &HighWater) -> Result<Checked, LedgerError> {
    let engine_error = |error| LedgerError::from_engine(dir, error);
    let system_error = |error| LedgerError::from_system(dir, error);
    let acknowledged = high_water.number();
    // What was created but never finished holds no data: the version is the first that is written.
    let nothing_or = |damage| match acknowledged > 0 || holds_data(dir)? {
        false => Ok(Checked::Nothing),
        true => Err(LedgerError::damaged(dir, damage)),
    };
    if !dir.join("CURRENT").try_exists().map_err(system_error)? {
        return nothing_or(Damage::NoCurrent);
    }
    let options = options::database(false);
    let families = DB::list_cf(&options, dir).map_err(engine_error)?;
    if !families.iter().any(|family| family == keys::META) {
        return nothing_or(Damage::NoFormat);
    }
    let (db, torn) = match open_meta(dir, DBRecoveryMode::TolerateCorruptedTailRecords) {
        Ok(db) => (db, None),
        Err(error) => match open_meta(dir, DBRecoveryMode::PointInTime) {
            Ok(db) => (db, Some(error)),
            Err(_) => return Err(engine_error(error)),
        },
    };
    let number = |key| -> Result<Option<Vec<u8>>, LedgerError> {
        let family = db.cf_handle(keys::META);
        let value = family.map(|family| db.get_cf(family, key)).transpose();
        Ok(value.map_err(engine_error)?.flatten())
    };
    if check_format(dir, number(keys::FORMAT)?)?.is_none() {
        return nothing_or(Damage::NoFormat);
    }
    let family = keys::META;
    let unreadable = || LedgerError::damaged(dir, Damage::Value { family });
    let found = match number(keys::WRITES)? {
        None => 0,
        Some(octets) => be_u64(&octets).ok_or_else(unreadable)?,
    };
    if found < acknowledged {
        let rolled_back = Damage::RolledBack {
            acknowledged,
            found,
        };
        return Err(torn.map_or_else(|| LedgerError::damaged(dir, rolled_back), engine_error));
    }
    if acknowledged == 0 && found > 0 {
        tracing::warn!(
            ledger = %dir.display(), last_write = found,
            "the number of the last acknowledged write is lost: cannot tell whether any is missing"
        );
    }
    if let Some(error) = torn {
        tracing::warn!(
            ledger = %dir.display(), %error, last_write = found,
            "the log ends in a torn record, as a power cut leaves it; it was never acknowledged"
        );
    }
    Ok(Checked::Whole)
}

/// Refuses a format that is not ours by name; `None` where there is none.
fn check_format(dir: &Path, format: Option<Vec<u8>>) -> Result<Option<()>, LedgerError> {
    let Some(format) = format else {
        return Ok(None);
    };
    let family = keys::META;
    let unreadable = |_| LedgerError::damaged(dir, Damage::Value { family });
    let found = u32::from_be_bytes(format.try_into().map_err(unreadable)?);
    let (path, supported) = (dir.to_owned(), FORMAT_VERSION);
    match found.cmp(&supported) {
        cmp::Ordering::Equal => Ok(Some(())),
        cmp::Ordering::Greater => Err(LedgerError::NewerVersion {
            path,
            found,
            supported,
        }),
        cmp::Ordering::Less => Err(LedgerError::OlderVersion {
            path,
            found,
            supported,
        }),
    }
}

fn open_meta(dir: &Path, recovery: DBRecoveryMode) -> Result<DB, rocksdb::Error> {
    let mut options: Options = options::database(false);
    options.set_wal_recovery_mode(recovery);
    DB::open_cf_for_read_only(&options, dir, [options::DEFAULT, keys::META], false)
}

/// Makes the names of new files durable.
fn sync_dir(dir: &Path) -> Result<(), LedgerError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| LedgerError::from_system(dir, error))
}
