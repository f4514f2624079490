//! The one way an entry gets into the ledger: with its leaf in the log, in the same batch.

use rocksdb::{ColumnFamily, WriteBatch};

use crate::{change::Source, ledger::engine::Engine};

use super::{
    super::{
        entry::{CertificateEntry, Entry, EntryError, encode_certificate},
        error::LedgerError,
        keys,
    },
    epochs::Epoch,
    frontier::{Frontier, TreeHead},
    hash::{LEAF_PREFIX, prefixed_leaf_hash},
    tiles,
};

/// Entries that are being added to a batch, in the order of their numbers.
///
/// [`Appender::finish`] adds what goes with them: the tree's edge and the number of the last one.
pub(in crate::ledger) struct Appender<'a> {
    entries: &'a ColumnFamily,
    tree: &'a ColumnFamily,
    meta: &'a ColumnFamily,
    engine: &'a Engine,
    frontier: Frontier,
    last: u64,
    /// The number that the next entry must have.
    next: u64,
    /// A leaf's input: its prefix, and the entry behind it.
    octets: Vec<u8>,
}

impl<'a> Appender<'a> {
    /// Begins where the log ends. Only whoever holds the writer may: two that append at once would
    /// give the same numbers.
    pub(in crate::ledger) fn begin(engine: &'a Engine) -> Result<Self, LedgerError> {
        let last = engine.last_sequence()?;
        Ok(Self {
            entries: engine.family(keys::ENTRIES)?,
            tree: engine.family(keys::TREE)?,
            meta: engine.family(keys::META)?,
            engine,
            frontier: engine.frontier()?,
            last,
            next: last.checked_add(1).ok_or(EntryError::Sequence)?,
            octets: Vec::new(),
        })
    }

    /// The number of the last entry, 0 for none.
    pub(in crate::ledger) const fn last_sequence(&self) -> u64 {
        self.last
    }

    /// The number that the next entry must have.
    pub(in crate::ledger) const fn next_sequence(&self) -> u64 {
        self.next
    }

    /// The tree as it is with what was appended.
    pub(in crate::ledger) fn head(&self) -> TreeHead {
        self.frontier.head()
    }

    /// Opens an epoch: the next entry has the number `first_sequence`, which may not be one that was
    /// used. Once the batch is written, the engine is to be told ([`Engine::add_epoch`]).
    pub(in crate::ledger) fn open_epoch(
        &mut self,
        batch: &mut WriteBatch,
        first_sequence: u64,
    ) -> Result<Epoch, LedgerError> {
        if first_sequence < self.next {
            return Err(EntryError::Sequence.into());
        }
        let before = self.engine.epochs().last();
        let epoch = Epoch {
            number: before.number.checked_add(1).ok_or(EntryError::Sequence)?,
            first_sequence,
            first_leaf: self.frontier.size(),
        };
        let value = epoch.encode();
        batch.put_cf(self.meta, keys::epoch(epoch.number), value.as_flattened());
        self.next = first_sequence;
        Ok(epoch)
    }

    /// Adds an entry; gives its canonical form.
    pub(in crate::ledger) fn append(
        &mut self,
        batch: &mut WriteBatch,
        entry: &Entry,
    ) -> Result<&[u8], LedgerError> {
        self.begin_leaf();
        entry.encode(&mut self.octets)?;
        self.put(batch, entry.sequence)?;
        Ok(self.entry())
    }

    /// Adds a certificate's entry, without building an [`Entry`] first.
    pub(in crate::ledger) fn append_certificate(
        &mut self,
        batch: &mut WriteBatch,
        sequence: u64,
        recorded_ms: u64,
        source: &Source,
        entry: &CertificateEntry,
    ) -> Result<(), LedgerError> {
        self.begin_leaf();
        encode_certificate(sequence, recorded_ms, source, entry, &mut self.octets)?;
        self.put(batch, sequence)
    }

    /// Adds what goes with the entries; gives the head that covers them.
    pub(in crate::ledger) fn finish(self, batch: &mut WriteBatch) -> TreeHead {
        batch.put_cf(self.meta, keys::LAST_SEQUENCE, self.last.to_be_bytes());
        batch.put_cf(self.meta, keys::FRONTIER, self.frontier.encode());
        self.frontier.head()
    }

    fn begin_leaf(&mut self) {
        self.octets.clear();
        self.octets.push(LEAF_PREFIX);
    }

    fn entry(&self) -> &[u8] {
        self.octets.get(1..).unwrap_or_default()
    }

    fn put(&mut self, batch: &mut WriteBatch, sequence: u64) -> Result<(), LedgerError> {
        if sequence != self.next {
            return Err(EntryError::Sequence.into());
        }
        batch.put_cf(self.entries, sequence.to_be_bytes(), self.entry());
        let leaf = prefixed_leaf_hash(&self.octets);
        let tree = self.tree;
        self.frontier.push(leaf, |level, index, hash| {
            if let Some(key) = tiles::kept(level, index) {
                batch.put_cf(tree, key, hash);
            }
        });
        self.last = sequence;
        self.next = sequence.checked_add(1).ok_or(EntryError::Sequence)?;
        Ok(())
    }
}
