//! Whole ledgers as files: a checkpoint of one that is open, and one that nobody writes to.

use std::{io, path::Path, sync::Arc};

use rocksdb::checkpoint::Checkpoint;

use crate::asn1::UnixTime;

use super::{
    engine::{Engine, OwnerLock, be_u64},
    error::{Damage, LedgerError, StorageError},
    high_water::HighWater,
    keys,
    log::TreeHead,
    snapshot::LedgerSnapshot,
    store::Ledger,
};

impl Ledger {
    /// Writes the ledger as it is now into the folder `to`, which must not exist. Writing goes on
    /// meanwhile; it waits for no more than a memtable to be flushed. Files that never change again are
    /// linked where `to` is on the same file system, and copied where it is not.
    ///
    /// What is in the folder is not known to be on the disk yet.
    ///
    /// # Errors
    /// [`StorageError`], which names what failed and nothing of what to do.
    pub fn checkpoint(&self, to: &Path) -> Result<(), StorageError> {
        let engine = self
            .engine()
            .map_err(|error| io::Error::other(error.to_string()))?;
        Checkpoint::new(engine.db())?.create_checkpoint(to)?;
        Ok(())
    }

    /// Removes what a ledger that was not closed leaves in its folder and a copy does not need, and notes
    /// the last write there, so that opening the copy finds a ledger that lacks nothing.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn seal_copy(dir: &Path, facts: &LedgerFacts) -> io::Result<()> {
        let mut high_water = HighWater::open(dir)?;
        high_water.raise(facts.writes)?;
        high_water.sync()
    }
}

/// What a ledger comes to at one moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LedgerFacts {
    /// The number of the last entry, 0 for none.
    pub last_sequence: u64,
    /// The epoch that entries are added to.
    pub epoch: u32,
    /// The head of the log, which covers all entries.
    pub head: TreeHead,
    /// The number of the last batch that was written.
    pub writes: u64,
    /// The latest thisUpdate that may have been signed.
    pub signing_high_water: UnixTime,
}

impl LedgerSnapshot {
    /// The ledger in a folder that nobody writes to: a backup, or one that was set aside. Leaves no trace
    /// in the folder.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn of_copy(dir: &Path) -> Result<Self, LedgerError> {
        Self::new(Arc::new(Engine::of_copy(dir)?))
    }

    /// What it comes to.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn facts(&self) -> Result<LedgerFacts, LedgerError> {
        let secs = self.meta_u64(keys::SIGNING_HIGH_WATER)?;
        let family = keys::META;
        let unreadable = || self.engine().damaged(Damage::Value { family });
        Ok(LedgerFacts {
            last_sequence: self.last_sequence(),
            epoch: self.epochs().last().number,
            head: self.tree_head()?,
            writes: self.meta_u64(keys::WRITES)?,
            signing_high_water: UnixTime::from_secs(secs).ok_or_else(unreadable)?,
        })
    }

    fn meta_u64(&self, key: &[u8]) -> Result<u64, LedgerError> {
        let family = keys::META;
        self.get(family, key)?.map_or(Ok(0), |value| {
            be_u64(&value).ok_or_else(|| self.engine().damaged(Damage::Value { family }))
        })
    }
}

/// The right to a ledger's folder, without the ledger: nobody opens it while this is held.
#[derive(Debug)]
pub struct OwnedFolder(#[expect(dead_code, reason = "holds the lock until dropped")] OwnerLock);

impl OwnedFolder {
    /// Takes it; `None` where there is no such folder.
    ///
    /// # Errors
    /// [`LedgerError::Locked`] when somebody has it, or what the system gives.
    pub fn take(dir: &Path) -> Result<Option<Self>, LedgerError> {
        if !dir.is_dir() {
            return Ok(None);
        }
        OwnerLock::take(dir).map(Self).map(Some)
    }
}
