//! The ledger itself: judging, committing, defining; and closing and reopening after a failed write.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, mpsc::RecvTimeoutError},
    time::Duration,
};

use rocksdb::WriteBatch;

use crate::{
    asn1::UnixTime,
    change::{Change, Outcome, Refusal, Source, Verdict},
    identity::{IssuerId, SerialNumber},
};

use super::{
    batch::{Batch, Said},
    engine::{Closed, Engine, OwnerLock, probe},
    entry::{Entry, EntryError, EntryKind, IssuerIdentity},
    error::{Damage, LedgerError},
    high_water::HighWater,
    idempotency::{self, PushFate, PushRequest},
    issuers::DefinedIssuer,
    keys,
    log::{Appender, TreeHead},
    plan,
    record::{MILLIS_MAX, StatusRecord},
    snapshot::LedgerSnapshot,
    transition::{Standing, Transition, transition},
    turn::Turn,
};

/// The truth about the status of certificates, in one folder.
///
/// Any number of threads may read and write; writes follow one another. No status is kept in memory:
/// what is read is what RocksDB holds.
///
/// **After a failed write** nothing more is written through the same RocksDB, since nobody can say
/// what of it reached the disk: a failed fsync is never tried again and believed. Reads go on. The
/// next write, or [`Ledger::recover`], tests whether the folder can be written again, then closes
/// RocksDB and opens it anew, which reads its log back and rewrites what it finds into new, synced
/// files. An entry whose write had failed may so turn up in the end, though nobody was told of it:
/// whoever makes entries visible asks for [`LedgerSnapshot::applied_since`] (`GroupCommit` does).
pub struct Ledger {
    dir: PathBuf,
    lock: Arc<OwnerLock>,
    /// `None` only while it is being reopened.
    engine: RwLock<Option<Arc<Engine>>>,
    writer: Mutex<Writer>,
}

/// What only the one that writes touches.
pub(super) struct Writer {
    high_water: HighWater,
    /// Told when the engine is closed.
    closed: Closed,
    /// Whether the engine may not be written any more.
    failed: bool,
}

/// Changes of one source.
#[derive(Clone, Copy, Debug)]
pub struct Submission<'a> {
    /// What it says.
    pub changes: &'a [Change],
    /// Who says so.
    pub source: &'a Source,
    /// What is noted of it if it is pushed under an idempotency key.
    pub push: Option<&'a PushRequest>,
}

impl<'a> Submission<'a> {
    /// Changes that are not pushed.
    #[must_use]
    pub const fn new(changes: &'a [Change], source: &'a Source) -> Self {
        Self {
            changes,
            source,
            push: None,
        }
    }
}

/// What a commit did.
#[derive(Clone, Debug, Default)]
pub struct Committed {
    /// What became of each change, in the order given.
    pub outcomes: Vec<Outcome>,
    /// The entries that were made, in the order of their numbers.
    pub applied: Vec<AppliedEntry>,
    /// When it was recorded, in milliseconds since 1970.
    pub recorded_ms: u64,
    /// The number of the last entry that there is then.
    pub last_sequence: u64,
    /// The head of the log that covers all of it.
    pub head: TreeHead,
    /// What became of each submission that is a push; `None` for those that are not.
    pub pushes: Vec<Option<PushFate>>,
}

/// An entry about a certificate, with what is known of the certificate by it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AppliedEntry {
    /// Whose certificate.
    pub issuer: IssuerId,
    /// Which certificate.
    pub serial: SerialNumber,
    /// Its status; `record.sequence` is the entry's number, also where the status follows from a later
    /// one that revoked the issuer as a whole.
    pub record: StatusRecord,
}

/// The most changes in one atomic batch: about 20 MB of RocksDB's log.
pub const CHANGES_MAX: usize = 65_536;

/// How long a reopening waits for those who read to end.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

impl Ledger {
    /// Opens the ledger in `dir`, or begins one there, in a folder of mode 0700 if there is none.
    ///
    /// # Errors
    /// [`LedgerError`]. A damaged ledger is never replaced by an empty one, and nothing in it is
    /// changed where the damage shows before it is opened for writing.
    pub fn open(dir: &Path) -> Result<Self, LedgerError> {
        let lock = Arc::new(OwnerLock::take(dir)?);
        let system_error = |error| LedgerError::from_system(dir, error);
        let mut high_water = HighWater::open(dir).map_err(system_error)?;
        let (engine, closed) = Engine::open(dir, Arc::clone(&lock), &high_water)?;
        high_water
            .raise(engine.meta_u64(keys::WRITES)?)
            .and_then(|()| high_water.sync())
            .map_err(system_error)?;
        Ok(Self {
            dir: dir.to_owned(),
            lock,
            engine: RwLock::new(Some(Arc::new(engine))),
            writer: Mutex::new(Writer {
                high_water,
                closed,
                failed: false,
            }),
        })
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes an issuer known, once: an issuer that is known by the same label is left as it is.
    ///
    /// # Errors
    /// [`LedgerError::LabelTaken`], [`LedgerError::LabelDiffers`], or what writing gives.
    pub fn define_issuer(
        &self,
        issuer: &IssuerIdentity,
        source: &Source,
        now_ms: u64,
    ) -> Result<DefinedIssuer, LedgerError> {
        let mut writer = self.writer();
        let engine = self.writable(&mut writer)?;
        let table = engine.issuers();
        let id = issuer.id();
        if let Some(known) = table.by_id(&id) {
            if known.identity.label != issuer.label {
                return Err(LedgerError::LabelDiffers {
                    issuer: id,
                    known: known.identity.label.clone(),
                    given: issuer.label.clone(),
                });
            }
            return Ok(known.clone());
        }
        if let Some(other) = table.by_label(&issuer.label) {
            return Err(LedgerError::LabelTaken {
                label: issuer.label.clone(),
                issuer: other.id,
            });
        }
        let number = table.next_number().ok_or(EntryError::IssuerNumber)?;
        let mut log = Appender::begin(&engine)?;
        let sequence = log.next_sequence();
        let entry = Entry {
            sequence,
            recorded_ms: now_ms.min(MILLIS_MAX),
            source: source.clone(),
            kind: EntryKind::IssuerDefined {
                number,
                issuer: issuer.clone(),
            },
        };
        let mut batch = WriteBatch::default();
        let octets = log.append(&mut batch, &entry)?;
        batch.put_cf(engine.family(keys::ISSUERS)?, number.to_be_bytes(), octets);
        log.finish(&mut batch);
        self.write(&mut writer, &engine, batch)?;
        let defined = DefinedIssuer {
            number,
            sequence,
            id,
            identity: Arc::new(issuer.clone()),
        };
        engine.add_issuer(defined.clone());
        Ok(defined)
    }

    /// What would become of each of `changes` if all were committed now, in this order. Nothing is
    /// written.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn judge(&self, changes: &[Change], now_ms: u64) -> Result<Vec<Verdict>, LedgerError> {
        let engine = self.engine()?;
        let now_ms = now_ms.min(MILLIS_MAX);
        let mut verdicts = vec![Verdict::Unchanged; changes.len()];
        let mut put = |index, verdict| {
            if let Some(place) = verdicts.get_mut(index) {
                *place = verdict;
            }
        };
        let places = plan::places(&engine.issuers(), changes, |index| {
            put(index, Verdict::Refused(Refusal::UnknownIssuer));
        });
        plan::for_each_group(&engine, changes, &places, |group, known| {
            engine.check_open()?;
            let whole = group.whole.map(|whole| whole.revocation);
            let mut standing = known.as_ref().map(Standing::from).unwrap_or_default();
            for index in group.places.iter().map(|place| place.index()) {
                let Some(change) = changes.get(index) else {
                    continue;
                };
                match transition(&standing, whole.as_ref(), &change.action, now_ms) {
                    Transition::Unchanged => {}
                    Transition::Refuse(refusal) => put(index, Verdict::Refused(refusal)),
                    Transition::Apply(next) => {
                        standing = next;
                        put(index, Verdict::Applies);
                    }
                }
            }
            Ok(())
        })?;
        Ok(verdicts)
    }

    /// Records changes of one source, in one synced batch: when it returns, they are on the disk.
    ///
    /// # Errors
    /// [`LedgerError::TooManyChanges`] over [`CHANGES_MAX`]. On any error nothing was acknowledged,
    /// and the batch is in the ledger as a whole or not at all.
    pub fn commit(
        &self,
        changes: &[Change],
        source: &Source,
        now_ms: u64,
    ) -> Result<Committed, LedgerError> {
        self.commit_all(&[Submission::new(changes, source)], now_ms)
    }

    /// Records changes of several sources, judged one after another, in one synced batch.
    ///
    /// # Errors
    /// As [`Ledger::commit`]; the limit is on the sum.
    pub fn commit_all(
        &self,
        submissions: &[Submission<'_>],
        now_ms: u64,
    ) -> Result<Committed, LedgerError> {
        let (mut committed, turn, pushes) =
            self.commit_said(submissions, now_ms, Batch::committed)?;
        committed.outcomes = turn.outcomes_of_all(committed.outcomes);
        committed.pushes = pushes;
        Ok(committed)
    }

    /// As [`Ledger::commit`], for whoever makes nothing visible: says no more than what became of each
    /// change.
    ///
    /// # Errors
    /// As [`Ledger::commit`].
    pub fn record(
        &self,
        changes: &[Change],
        source: &Source,
        now_ms: u64,
    ) -> Result<Vec<Outcome>, LedgerError> {
        let outcomes = |batch: &Batch, _: &[Said<'_>]| batch.outcomes();
        let submissions = [Submission::new(changes, source)];
        let (outcomes, ..) = self.commit_said(&submissions, now_ms, outcomes)?;
        Ok(outcomes)
    }

    fn commit_said<'s, 'a, T>(
        &self,
        submissions: &'s [Submission<'a>],
        now_ms: u64,
        tell: impl FnOnce(&Batch, &[Said<'_>]) -> T,
    ) -> Result<(T, Turn<'s, 'a>, Vec<Option<PushFate>>), LedgerError> {
        let given = submissions.iter().map(|it| it.changes.len()).sum();
        if given > CHANGES_MAX {
            return Err(LedgerError::TooManyChanges {
                given,
                changes_max: CHANGES_MAX,
            });
        }
        let now_ms = now_ms.min(MILLIS_MAX);
        let mut writer = self.writer();
        let engine = self.writable(&mut writer)?;
        let mut turn = Turn::begin(&engine, submissions)?;
        let (said, mut batch) = loop {
            let said = turn.said();
            let batch = Batch::plan(&engine, &said, now_ms)?;
            if !turn.may_withhold() || !turn.withhold(&batch.outcomes()) {
                break (said, batch);
            }
        };
        let log = Appender::begin(&engine)?;
        let last = log.last_sequence();
        let mut written = batch.write_batch(&said);
        let has_entries = batch.number(last)?;
        if has_entries {
            batch.fill(&engine, &said, log, &mut written)?;
        } else {
            batch.is_covered_by(log.head());
        }
        let is_pushed = turn.has_new_push();
        let outcomes = if is_pushed {
            batch.outcomes()
        } else {
            Vec::new()
        };
        let pushes = turn.note(&engine, &outcomes, batch.written(), &mut written)?;
        if has_entries || is_pushed {
            self.write(&mut writer, &engine, written)?;
        }
        Ok((tell(&batch, &said), turn, pushes))
    }

    /// Takes out of the ledger what was noted of pushes that are older than [`KEPT_MS`](super::KEPT_MS), up to `rows` of
    /// them; gives how many.
    ///
    /// # Errors
    /// What reading or writing gives.
    pub fn forget_old_pushes(&self, now_ms: u64, rows: usize) -> Result<usize, LedgerError> {
        let mut writer = self.writer();
        let engine = self.writable(&mut writer)?;
        let mut batch = WriteBatch::default();
        let removed = idempotency::remove_old(&engine, &mut batch, now_ms, rows)?;
        if removed > 0 {
            self.write(&mut writer, &engine, batch)?;
        }
        Ok(removed)
    }

    /// Records that the operator confirmed the clock, and lets signing begin again at `time`, which
    /// alone may lower the signing high-water mark.
    ///
    /// # Errors
    /// What writing gives.
    pub fn accept_clock(
        &self,
        time: UnixTime,
        source: &Source,
        now_ms: u64,
    ) -> Result<u64, LedgerError> {
        let mut writer = self.writer();
        let engine = self.writable(&mut writer)?;
        let mut log = Appender::begin(&engine)?;
        let sequence = log.next_sequence();
        let entry = Entry {
            sequence,
            recorded_ms: now_ms.min(MILLIS_MAX),
            source: source.clone(),
            kind: EntryKind::ClockAccepted { time },
        };
        let mut batch = WriteBatch::default();
        log.append(&mut batch, &entry)?;
        log.finish(&mut batch);
        batch.put_cf(
            engine.family(keys::META)?,
            keys::SIGNING_HIGH_WATER,
            time.as_secs().to_be_bytes(),
        );
        self.write(&mut writer, &engine, batch)?;
        Ok(sequence)
    }

    /// The latest thisUpdate that may have been signed; nothing is signed before it.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn signing_high_water(&self) -> Result<UnixTime, LedgerError> {
        let engine = self.engine()?;
        let secs = engine.meta_u64(keys::SIGNING_HIGH_WATER)?;
        let family = keys::META;
        UnixTime::from_secs(secs).ok_or_else(|| engine.damaged(Damage::Value { family }))
    }

    /// Raises the signing high-water mark to at least `time`, synced; gives what it is now.
    ///
    /// # Errors
    /// What reading or writing gives: then nothing may be signed.
    pub fn raise_signing_high_water(&self, time: UnixTime) -> Result<UnixTime, LedgerError> {
        let secs = self.raise_meta(keys::SIGNING_HIGH_WATER, time.as_secs())?;
        Ok(UnixTime::from_secs(secs).unwrap_or(UnixTime::MAX))
    }

    fn raise_meta(&self, key: &[u8], value: u64) -> Result<u64, LedgerError> {
        let mut writer = self.writer();
        let engine = self.writable(&mut writer)?;
        let known = engine.meta_u64(key)?;
        if known >= value {
            return Ok(known);
        }
        let mut batch = WriteBatch::default();
        batch.put_cf(engine.family(keys::META)?, key, value.to_be_bytes());
        self.write(&mut writer, &engine, batch)?;
        Ok(value)
    }

    /// What is known of one certificate.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn status(
        &self,
        issuer: &IssuerId,
        serial: &SerialNumber,
    ) -> Result<Option<StatusRecord>, LedgerError> {
        self.lookup()?.status(issuer, serial)
    }

    /// The ledger as it is now, for reads that must agree with one another.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn snapshot(&self) -> Result<LedgerSnapshot, LedgerError> {
        LedgerSnapshot::new(self.engine()?)
    }

    /// The number of the last entry, 0 for none.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn last_sequence(&self) -> Result<u64, LedgerError> {
        self.engine()?.last_sequence()
    }

    /// The head of the log: it covers every entry.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn tree_head(&self) -> Result<TreeHead, LedgerError> {
        Ok(self.engine()?.frontier()?.head())
    }

    /// An issuer that was defined.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger is being reopened.
    pub fn issuer(&self, id: &IssuerId) -> Result<Option<DefinedIssuer>, LedgerError> {
        Ok(self.engine()?.issuers().by_id(id).cloned())
    }

    /// The issuers that were defined, in the order of their numbers.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger is being reopened.
    pub fn issuers(&self) -> Result<Vec<DefinedIssuer>, LedgerError> {
        Ok(self.engine()?.issuers().iter().cloned().collect())
    }

    /// Whether a write failed, so that the next one has to reopen first.
    #[must_use]
    pub fn needs_recovery(&self) -> bool {
        self.writer().failed
    }

    /// Reopens after a failed write; nothing to do otherwise.
    ///
    /// # Errors
    /// [`LedgerError`]: what still stands in the way. Try again later.
    pub fn recover(&self) -> Result<(), LedgerError> {
        self.writable(&mut self.writer()).map(drop)
    }

    /// Compacts everything, as RocksDB does by itself in time: for measuring.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger is being reopened.
    pub fn compact(&self) -> Result<(), LedgerError> {
        let engine = self.engine()?;
        engine.flush()?;
        for name in [keys::ENTRIES, keys::STATUS, keys::REVOKED] {
            let family = engine.family(name)?;
            engine
                .db()
                .compact_range_cf(family, None::<&[u8]>, None::<&[u8]>);
        }
        Ok(())
    }

    /// As a failed write leaves it.
    #[cfg(test)]
    pub(super) fn mark_failed(&self) {
        self.writer().failed = true;
    }

    pub(super) fn writer(&self) -> MutexGuard<'_, Writer> {
        // A writer that panicked left nothing half done: what counts is on the disk.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn engine(&self) -> Result<Arc<Engine>, LedgerError> {
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        engine.clone().ok_or_else(|| self.reopening())
    }

    fn reopening(&self) -> LedgerError {
        let path = self.dir.clone();
        LedgerError::Reopening { path }
    }

    /// Writes a batch, synced, and notes that it was.
    pub(super) fn write(
        &self,
        writer: &mut Writer,
        engine: &Engine,
        mut batch: WriteBatch,
    ) -> Result<(), LedgerError> {
        let number = engine.meta_u64(keys::WRITES)?.saturating_add(1);
        batch.put_cf(
            engine.family(keys::META)?,
            keys::WRITES,
            number.to_be_bytes(),
        );
        if let Err(error) = engine.write(batch) {
            writer.failed = true;
            tracing::error!(ledger = %self.dir.display(), %error, "a write to the ledger failed");
            return Err(error);
        }
        self.note(&mut writer.high_water, number);
        Ok(())
    }

    /// Notes the number of the last write that was synced. Without the note the writes are on the
    /// disk all the same; what is lost is the proof that none is missing.
    fn note(&self, high_water: &mut HighWater, number: u64) {
        if let Err(error) = high_water.raise(number) {
            tracing::warn!(ledger = %self.dir.display(), %error, "cannot note the last write");
        }
    }

    /// The engine, reopened first if a write failed.
    pub(super) fn writable(&self, writer: &mut Writer) -> Result<Arc<Engine>, LedgerError> {
        if writer.failed {
            self.reopen(writer)?;
        }
        self.engine()
    }

    fn reopen(&self, writer: &mut Writer) -> Result<(), LedgerError> {
        // While the folder cannot be written, the engine that still reads is worth more.
        probe(&self.dir)?;
        let put = |engine: Option<Arc<Engine>>| {
            let mut place = self.engine.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *place, engine)
        };
        if let Some(engine) = put(None) {
            engine.retire();
        }
        if writer.closed.recv_timeout(CLOSE_WAIT) == Err(RecvTimeoutError::Timeout) {
            return Err(self.reopening());
        }
        let opened = Engine::open(&self.dir, Arc::clone(&self.lock), &writer.high_water);
        let (engine, closed) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                if let Ok((engine, closed)) =
                    Engine::open_read_only(&self.dir, Arc::clone(&self.lock))
                {
                    writer.closed = closed;
                    put(Some(Arc::new(engine)));
                }
                return Err(error);
            }
        };
        writer.closed = closed;
        let writes = engine.meta_u64(keys::WRITES);
        put(Some(Arc::new(engine)));
        self.note(&mut writer.high_water, writes?);
        writer.failed = false;
        tracing::info!(ledger = %self.dir.display(), "reopened after a failed write");
        Ok(())
    }
}

/// Leaves nothing in the log to be replayed, and the number of the last entry on the disk.
impl Drop for Ledger {
    fn drop(&mut self) {
        let writer = self
            .writer
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if writer.failed {
            return;
        }
        let engine = self
            .engine
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let flushed = engine.as_ref().map_or(Ok(()), |engine| engine.flush());
        if let Err(error) = flushed {
            tracing::warn!(ledger = %self.dir.display(), %error, "closing the ledger");
        }
        if let Err(error) = writer.high_water.sync() {
            tracing::warn!(ledger = %self.dir.display(), %error, "closing the ledger");
        }
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}
