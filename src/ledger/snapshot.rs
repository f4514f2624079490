//! The ledger at one moment: every read of a presigning or CRL pass sees the same entries.

use std::{marker::PhantomData, path::Path, sync::Arc};

use rocksdb::{DB, DBRawIteratorWithThreadMode, ReadOptions, SnapshotWithThreadMode};
use self_cell::self_cell;

use crate::identity::{IssuerId, SerialNumber};

use super::{
    engine::{Count, Engine, OwnerLock, be_u64},
    entry::{Entry, EntryKind},
    error::{Damage, LedgerError},
    issuer_wide::IssuerWide,
    issuers::{DefinedIssuer, IssuerTable},
    keys::{self, Key},
    log::{Epochs, Frontier, TreeHead},
    record::{RevokedRecord, StatusRecord},
    revoked::RevokedRows,
    store::AppliedEntry,
};

pub(super) type View<'a> = SnapshotWithThreadMode<'a, DB>;

self_cell!(
    /// RocksDB's snapshot with the database it belongs to.
    pub(super) struct EngineView {
        owner: Arc<Engine>,

        #[covariant]
        dependent: View,
    }
);

/// The ledger as it was at one moment.
///
/// Holds the database open and old data on the disk: drop it when the pass is over. When the ledger
/// must reopen after a failed write, iterators end with [`LedgerError::Reopening`].
pub struct LedgerSnapshot {
    pub(super) view: EngineView,
    pub(super) issuers: Arc<IssuerTable>,
    /// May have epochs that began after it: none of its entries is in them.
    epochs: Arc<Epochs>,
    last_sequence: u64,
    /// The issuers that are revoked as a whole, by number and in its order.
    pub(super) whole: Vec<(u32, IssuerWide)>,
}

impl LedgerSnapshot {
    pub(super) fn new(engine: Arc<Engine>) -> Result<Self, LedgerError> {
        let view = EngineView::new(engine, |engine| engine.db().snapshot());
        let engine = view.borrow_owner();
        let last_sequence = view
            .borrow_dependent()
            .get_pinned_cf(engine.family(keys::META)?, keys::LAST_SEQUENCE)
            .map_err(|error| engine.error(error))?;
        let family = keys::META;
        let last_sequence = last_sequence.map_or(Ok(0), |value| {
            be_u64(&value).ok_or_else(|| engine.damaged(Damage::Value { family }))
        })?;
        // Taken after the snapshot, so that it holds every issuer that the snapshot does.
        let issuers = engine.issuers();
        let epochs = engine.epochs();
        let mut snapshot = Self {
            view,
            issuers,
            epochs,
            last_sequence,
            whole: Vec::new(),
        };
        snapshot.whole = snapshot.read_whole()?;
        Ok(snapshot)
    }

    /// A ledger that nobody has open, for reading alone, taking its lock. What is damaged is not looked for here: that
    /// is for [`LedgerSnapshot::verify`], which names all of it.
    ///
    /// # Errors
    /// [`LedgerError`]; [`LedgerError::NoLedger`] when there is none.
    pub fn inspect_owned(dir: &Path) -> Result<Self, LedgerError> {
        if !dir.is_dir() {
            let path = dir.to_owned();
            return Err(LedgerError::NoLedger { path });
        }
        let lock = Arc::new(OwnerLock::take(dir)?);
        Self::new(Arc::new(Engine::inspect_owned(dir, lock)?))
    }

    /// The number of the last entry in it, 0 for none: what an answer or CRL made from it speaks for.
    #[must_use]
    pub const fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    /// The head of the log: it covers every entry up to [`LedgerSnapshot::last_sequence`].
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn tree_head(&self) -> Result<TreeHead, LedgerError> {
        Ok(self.frontier()?.head())
    }

    /// The log's edge.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn frontier(&self) -> Result<Frontier, LedgerError> {
        let value = self.get(keys::META, keys::FRONTIER)?;
        self.engine().decode_frontier(value.as_deref())
    }

    /// The epochs, which say what leaf of the log an entry is.
    #[must_use]
    pub fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    /// The issuers, in the order of their numbers.
    pub fn issuers(&self) -> impl Iterator<Item = &DefinedIssuer> {
        self.issuers
            .iter()
            .filter(|issuer| issuer.sequence <= self.last_sequence)
    }

    pub(super) fn number(&self, issuer: &IssuerId) -> Option<u32> {
        self.issuers.number(issuer)
    }

    /// How many certificates of an issuer are known.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn record_count(&self, issuer: &IssuerId) -> Result<u64, LedgerError> {
        Ok(self.count(issuer)?.known)
    }

    /// How many certificates of an issuer are revoked or on hold.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn revoked_count(&self, issuer: &IssuerId) -> Result<u64, LedgerError> {
        Ok(self.count(issuer)?.revoked)
    }

    fn count(&self, issuer: &IssuerId) -> Result<Count, LedgerError> {
        let Some(number) = self.issuers.number(issuer) else {
            return Ok(Count::default());
        };
        let own = self.own_count(number)?;
        Ok(match self.whole(number) {
            Some(_) => Count {
                revoked: own.known,
                ..own
            },
            None => own,
        })
    }

    pub(super) fn own_count(&self, number: u32) -> Result<Count, LedgerError> {
        let value = self.get(keys::META, keys::count(number).as_ref())?;
        self.engine().decode_count(value.as_deref())
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
        let Some(number) = self.issuers.number(issuer) else {
            return Ok(None);
        };
        self.status_by_number(number, issuer, serial)
    }

    fn status_by_number(
        &self,
        number: u32,
        issuer: &IssuerId,
        serial: &SerialNumber,
    ) -> Result<Option<StatusRecord>, LedgerError> {
        let own = self.own_status(number, issuer, serial)?;
        Ok(match self.whole(number) {
            Some(whole) => own.map(|own| whole.applied_to(own)),
            None => own,
        })
    }

    pub(super) fn own_status(
        &self,
        number: u32,
        issuer: &IssuerId,
        serial: &SerialNumber,
    ) -> Result<Option<StatusRecord>, LedgerError> {
        let key = keys::status(number, keys::hash_prefix(issuer, serial), serial);
        self.get(keys::STATUS, key.as_ref())?
            .map(|value| self.engine().decode_status(number, serial, &value))
            .transpose()
    }

    /// The certificates of the `shard`-th of 2^`depth` shards of an issuer (`SerialHash::shard`), in
    /// the order of their hashes. Empty for an issuer or shard that does not exist.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger is damaged; each item for itself when reading fails.
    pub fn shard_records(
        &self,
        issuer: &IssuerId,
        depth: u8,
        shard: u32,
    ) -> Result<Rows<'_, StatusRow>, LedgerError> {
        let number = self.issuers.number(issuer);
        let range = number.and_then(|number| keys::shard_range(number, depth, shard));
        let mut rows = self.rows(keys::STATUS, range)?;
        rows.whole = number.and_then(|number| self.whole(number)).copied();
        Ok(rows)
    }

    /// The revoked certificates of an issuer, those on hold among them, in the order of their hashes: of
    /// an issuer that was revoked as a whole, all of its certificates.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger is damaged; each item for itself when reading fails.
    pub fn revoked(&self, issuer: &IssuerId) -> Result<RevokedRows<'_>, LedgerError> {
        let number = self.issuers.number(issuer);
        if number.is_some_and(|number| self.whole(number).is_some()) {
            return self.shard_records(issuer, 0, 0).map(RevokedRows::all);
        }
        let range = number.map(keys::issuer_range);
        self.rows(keys::REVOKED, range).map(RevokedRows::own)
    }

    /// The entries after number `sequence`, in order, without a gap but where an epoch begins.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger is damaged; each item for itself when reading fails.
    pub fn entries_since(&self, sequence: u64) -> Result<Rows<'_, Entry>, LedgerError> {
        let first = self.epochs.next_after(sequence);
        let range = first.map(|first| (Key::from(first), None));
        let mut rows = self.rows(keys::ENTRIES, range)?;
        rows.expected = first.unwrap_or(u64::MAX);
        rows.last = self.last_sequence;
        rows.epochs = Some(&self.epochs);
        Ok(rows)
    }

    /// The certificates that have entries after number `sequence`, each once, at its latest of those,
    /// with its status now: what must be masked in whatever speaks for `sequence`. An issuer that was
    /// revoked as a whole is not among them; [`LedgerSnapshot::revoked_issuers`] tells of it.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger is damaged; each item for itself when reading fails.
    pub fn applied_since(
        &self,
        sequence: u64,
    ) -> Result<impl Iterator<Item = Result<AppliedEntry, LedgerError>>, LedgerError> {
        let entries = self.entries_since(sequence)?;
        Ok(entries.filter_map(|entry| entry.and_then(|entry| self.applied(&entry)).transpose()))
    }

    /// An entry with its certificate's status, unless a later entry has overtaken it.
    fn applied(&self, entry: &Entry) -> Result<Option<AppliedEntry>, LedgerError> {
        let EntryKind::Certificate(certificate) = &entry.kind else {
            return Ok(None);
        };
        let (number, serial) = (certificate.issuer_number, certificate.serial);
        let Some(issuer) = self.issuers.by_number(number) else {
            let damage = Damage::UndefinedIssuer { number };
            return Err(self.engine().damaged(damage));
        };
        match self.own_status(number, &issuer.id, &serial)? {
            Some(own) if own.sequence > entry.sequence => Ok(None),
            Some(own) if own.sequence == entry.sequence => Ok(Some(AppliedEntry {
                issuer: issuer.id,
                serial,
                record: match self.whole(number) {
                    Some(whole) => whole.status_of(own),
                    None => own,
                },
            })),
            _ => Err(self.engine().damaged(Damage::Record { number, serial })),
        }
    }

    /// Gives the canonical octets of each entry from number `first` on, in order, until `each` says
    /// false.
    ///
    /// # Errors
    /// What `each` gives, and [`LedgerError`] when an entry is missing or reading fails.
    pub fn each_entry_from<E: From<LedgerError>>(
        &self,
        first: u64,
        each: &mut dyn FnMut(&[u8]) -> Result<bool, E>,
    ) -> Result<(), E> {
        let mut rows = self.raw_rows(keys::ENTRIES)?;
        rows.seek(first.to_be_bytes());
        let mut expected = first;
        while expected <= self.last_sequence {
            self.engine().check_open()?;
            let Some((key, value)) = rows.item() else {
                rows.status().map_err(|error| self.engine().error(error))?;
                break;
            };
            if be_u64(key) != Some(expected) {
                break;
            }
            if !each(value)? {
                return Ok(());
            }
            let Some(next) = self.epochs.next_after(expected) else {
                return Ok(());
            };
            expected = next;
            rows.next();
        }
        match expected <= self.last_sequence {
            true => Err(self
                .engine()
                .damaged(Damage::MissingEntry { sequence: expected })
                .into()),
            false => Ok(()),
        }
    }

    /// One entry; `None` when there is none with this number.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn entry(&self, sequence: u64) -> Result<Option<Entry>, LedgerError> {
        self.entry_octets(sequence)?
            .map(|octets| decode_entry(self.engine(), sequence, &octets))
            .transpose()
    }

    /// One entry in its canonical form; `None` when there is none with this number.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn entry_octets(&self, sequence: u64) -> Result<Option<Vec<u8>>, LedgerError> {
        self.get(keys::ENTRIES, &sequence.to_be_bytes())
    }

    pub(super) fn engine(&self) -> &Engine {
        self.view.borrow_owner()
    }

    pub(super) fn get(
        &self,
        family: &'static str,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, LedgerError> {
        let engine = self.engine();
        self.view
            .borrow_dependent()
            .get_cf(engine.family(family)?, key)
            .map_err(|error| engine.error(error))
    }

    /// All rows of a family, not sought to any yet.
    pub(super) fn raw_rows(
        &self,
        family: &'static str,
    ) -> Result<DBRawIteratorWithThreadMode<'_, DB>, LedgerError> {
        let engine = self.engine();
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        options.set_readahead_size(READAHEAD_OCTETS);
        let family = engine.family(family)?;
        let view = self.view.borrow_dependent();
        Ok(view.raw_iterator_cf_opt(family, options))
    }

    /// The same, for a short look.
    pub(super) fn few_rows(
        &self,
        family: &'static str,
    ) -> Result<DBRawIteratorWithThreadMode<'_, DB>, LedgerError> {
        let family = self.engine().family(family)?;
        Ok(self.view.borrow_dependent().raw_iterator_cf(family))
    }

    /// The rows between two keys; none when `range` is.
    pub(super) fn rows<T>(
        &self,
        family: &'static str,
        range: Option<(Key, Option<Key>)>,
    ) -> Result<Rows<'_, T>, LedgerError> {
        let engine = self.engine();
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        options.set_readahead_size(READAHEAD_OCTETS);
        if let Some((_, Some(end))) = range {
            options.set_iterate_upper_bound(end.as_ref());
        }
        let mut rows = self
            .view
            .borrow_dependent()
            .raw_iterator_cf_opt(engine.family(family)?, options);
        if let Some((start, _)) = range {
            rows.seek(start);
        }
        Ok(Rows {
            rows,
            engine,
            family,
            done: range.is_none(),
            expected: 0,
            last: 0,
            epochs: None,
            whole: None,
            item: PhantomData,
        })
    }
}

impl std::fmt::Debug for LedgerSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LedgerSnapshot")
            .field("last_sequence", &self.last_sequence)
            .finish_non_exhaustive()
    }
}

/// What is read ahead of a scan.
const READAHEAD_OCTETS: usize = 1 << 20;

/// A certificate and what is known of it.
pub type StatusRow = (SerialNumber, StatusRecord);

/// Rows of the ledger, read one after another. After an error it is at its end.
pub struct Rows<'a, T> {
    rows: DBRawIteratorWithThreadMode<'a, DB>,
    engine: &'a Engine,
    family: &'static str,
    done: bool,
    /// Of entries: the number that must come next, the last there is, and where the numbers jump.
    expected: u64,
    last: u64,
    epochs: Option<&'a Epochs>,
    /// Of certificates: the revocation of their issuer as a whole.
    whole: Option<IssuerWide>,
    item: PhantomData<T>,
}

impl<T> Rows<'_, T> {
    /// Reads the row here with `read`, and goes on to the next.
    fn next_raw<R>(
        &mut self,
        read: impl FnOnce(&[u8], &[u8]) -> Result<R, LedgerError>,
    ) -> Result<Option<R>, LedgerError> {
        if self.done {
            return Ok(None);
        }
        let item = self.engine.check_open().and_then(|()| {
            let Some((key, value)) = self.rows.item() else {
                let status = self.rows.status();
                return status
                    .map_err(|error| self.engine.error(error))
                    .map(|()| None);
            };
            read(key, value).map(Some)
        });
        match item {
            Ok(Some(_)) => self.rows.next(),
            Ok(None) | Err(_) => self.done = true,
        }
        item
    }

    fn unreadable(engine: &Engine, family: &'static str) -> LedgerError {
        engine.damaged(Damage::Value { family })
    }
}

impl Iterator for Rows<'_, StatusRow> {
    type Item = Result<StatusRow, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (engine, family, whole) = (self.engine, self.family, self.whole);
        self.next_raw(|key, value| {
            let row = keys::status_serial(key).and_then(|serial| {
                let own = StatusRecord::decode(value)?;
                Some((serial, whole.map_or(own, |whole| whole.applied_to(own))))
            });
            row.ok_or_else(|| Self::unreadable(engine, family))
        })
        .transpose()
    }
}

impl Iterator for Rows<'_, RevokedRecord> {
    type Item = Result<RevokedRecord, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (engine, family) = (self.engine, self.family);
        self.next_raw(|key, value| {
            let serial = keys::status_serial(key);
            let row = serial.and_then(|serial| RevokedRecord::decode(serial, value));
            row.ok_or_else(|| Self::unreadable(engine, family))
        })
        .transpose()
    }
}

impl Iterator for Rows<'_, Entry> {
    type Item = Result<Entry, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (engine, sequence) = (self.engine, self.expected);
        let entry = self.next_raw(|key, value| {
            if key != sequence.to_be_bytes() {
                return Err(engine.damaged(Damage::MissingEntry { sequence }));
            }
            decode_entry(engine, sequence, value)
        });
        match entry {
            Ok(Some(_)) => {
                let next = self.epochs.and_then(|epochs| epochs.next_after(sequence));
                self.expected = next.unwrap_or(u64::MAX);
            }
            Ok(None) if self.expected <= self.last => {
                self.expected = u64::MAX;
                return Some(Err(engine.damaged(Damage::MissingEntry { sequence })));
            }
            Ok(None) | Err(_) => self.expected = u64::MAX,
        }
        entry.transpose()
    }
}

impl<T> std::fmt::Debug for Rows<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows")
            .field("family", &self.family)
            .finish_non_exhaustive()
    }
}

fn decode_entry(engine: &Engine, sequence: u64, octets: &[u8]) -> Result<Entry, LedgerError> {
    let entry = Entry::decode(octets)
        .map_err(|source| engine.damaged(Damage::Entry { sequence, source }))?;
    if entry.sequence != sequence {
        return Err(engine.damaged(Damage::MissingEntry { sequence }));
    }
    Ok(entry)
}
