//! Epochs: what the first entry after a restored backup says.
//!
//! A ledger that was restored goes on from an older state, while entries that came after the backup are
//! lost, and with them the numbers that clients, receipts and our own answers may have been given. So the
//! numbers go on above all of those, and the first entry says what it continues and why it begins there.

use aws_lc_rs::digest;
use rocksdb::WriteBatch;

use crate::{change::Source, octets::Octets};

use super::{
    entry::{Entry, EntryError, EntryKind, text},
    error::LedgerError,
    log::Appender,
    record::MILLIS_MAX,
    snapshot::LedgerSnapshot,
    store::Ledger,
};

/// What an epoch's first entry says. Drawn in `entry`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EpochOpened {
    /// Its number, from 2: a ledger begins with epoch 1, which no entry opens.
    pub epoch: u32,
    /// The number of the last entry of the state that it continues.
    pub last_sequence: u64,
    /// How many leaves the log had then.
    pub leaves: u64,
    /// The log's root hash then.
    pub root: [u8; 32],
    /// No number up to this one is given again.
    pub floor: u64,
    /// Number and SHA-256 of the newest entry that the catalog's answers spoke for, where that is known
    /// and the state that is continued may lack it.
    pub answers: Option<(u64, [u8; 32])>,
    /// What the floor follows from, for people.
    pub why: String,
}

/// Above which number an epoch begins, and what that follows from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Floor {
    /// No number up to this one is given again; at least the ledger's last.
    pub sequence: u64,
    /// As [`EpochOpened::answers`].
    pub answers: Option<(u64, [u8; 32])>,
    /// As [`EpochOpened::why`].
    pub why: String,
}

impl Ledger {
    /// Opens an epoch: from now on numbers are given above `floor`.
    ///
    /// # Errors
    /// [`EntryError::Sequence`] for a floor below the last number, or what writing gives.
    pub fn open_epoch(
        &self,
        floor: &Floor,
        source: &Source,
        now_ms: u64,
    ) -> Result<EpochOpened, LedgerError> {
        let mut writer = self.writer();
        let engine = self.writable(&mut writer)?;
        let mut log = Appender::begin(&engine)?;
        let (last_sequence, head) = (log.last_sequence(), log.head());
        let first = floor.sequence.checked_add(1).ok_or(EntryError::Sequence)?;
        let mut batch = WriteBatch::default();
        let epoch = log.open_epoch(&mut batch, first)?;
        let opened = EpochOpened {
            epoch: epoch.number,
            last_sequence,
            leaves: head.size,
            root: head.root,
            floor: floor.sequence,
            answers: floor.answers,
            why: floor.why.clone(),
        };
        let entry = Entry {
            sequence: first,
            recorded_ms: now_ms.min(MILLIS_MAX),
            source: source.clone(),
            kind: EntryKind::EpochOpened(opened.clone()),
        };
        log.append(&mut batch, &entry)?;
        log.finish(&mut batch);
        self.write(&mut writer, &engine, batch)?;
        engine.add_epoch(epoch);
        Ok(opened)
    }
}

impl LedgerSnapshot {
    /// What opened each epoch but the first, in order.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn opened_epochs(&self) -> Result<Vec<EpochOpened>, LedgerError> {
        let mut opened = Vec::new();
        for epoch in self.epochs().as_slice().iter().skip(1) {
            // One that began after the snapshot has no entry in it.
            if let Some(entry) = self.entry(epoch.first_sequence)?
                && let EntryKind::EpochOpened(epoch) = entry.kind
            {
                opened.push(epoch);
            }
        }
        Ok(opened)
    }

    /// Whether the ledger goes on after the entry of this number and SHA-256: it has it, or an epoch that
    /// was opened in view of it.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn goes_on_after(&self, sequence: u64, sha256: &[u8; 32]) -> Result<bool, LedgerError> {
        if self.entry_sha256(sequence)?.as_ref() == Some(sha256) {
            return Ok(true);
        }
        let opened = self.opened_epochs()?;
        Ok(opened.iter().any(|epoch| epoch.follows(sequence, sha256)))
    }

    /// SHA-256 of an entry's canonical octets; `None` when the ledger has no such entry.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn entry_sha256(&self, sequence: u64) -> Result<Option<[u8; 32]>, LedgerError> {
        Ok(self.entry_octets(sequence)?.map(|octets| {
            let mut sha256 = [0; 32];
            sha256.copy_from_slice(digest::digest(&digest::SHA256, &octets).as_ref());
            sha256
        }))
    }

    /// The number of the first entry of the epoch that entries are added to.
    #[must_use]
    pub fn epoch_begins_at(&self) -> u64 {
        self.epochs().last().first_sequence
    }
}

impl EpochOpened {
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<(), EntryError> {
        out.extend_from_slice(&self.epoch.to_be_bytes());
        for number in [self.last_sequence, self.leaves] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(&self.root);
        out.extend_from_slice(&self.floor.to_be_bytes());
        let (sequence, sha256) = self.answers.unwrap_or_default();
        out.extend_from_slice(&sequence.to_be_bytes());
        out.extend_from_slice(&sha256);
        let len = u16::try_from(self.why.len()).map_err(|_| EntryError::TooLong)?;
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(self.why.as_bytes());
        Ok(())
    }

    /// Reads what follows the head of the entry with this number.
    pub(super) fn decode(sequence: u64, octets: &mut Octets<'_>) -> Result<Self, EntryError> {
        let truncated = EntryError::Truncated;
        let epoch = octets.u32().ok_or(truncated)?;
        let last_sequence = octets.u64().ok_or(truncated)?;
        let leaves = octets.u64().ok_or(truncated)?;
        let root = octets.array().ok_or(truncated)?;
        let floor = octets.u64().ok_or(truncated)?;
        let answers = (
            octets.u64().ok_or(truncated)?,
            octets.array().ok_or(truncated)?,
        );
        let why = text(octets.counted_u16())?.to_owned();
        let rises = epoch >= 2
            && floor.checked_add(1) == Some(sequence)
            && last_sequence <= floor
            && answers.0 <= floor;
        let is_said = answers.0 > 0 || answers.1 == [0; 32];
        if !rises || !is_said {
            return Err(EntryError::Epoch);
        }
        Ok(Self {
            epoch,
            last_sequence,
            leaves,
            root,
            floor,
            answers: (answers.0 > 0).then_some(answers),
            why,
        })
    }

    /// Whether the catalog's answers, whose newest speak for this entry, are older than this epoch though
    /// the ledger may lack the entry.
    #[must_use]
    pub fn follows(&self, sequence: u64, sha256: &[u8; 32]) -> bool {
        self.answers == Some((sequence, *sha256))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> EpochOpened {
        EpochOpened {
            epoch: 2,
            last_sequence: 7,
            leaves: 7,
            root: [1; 32],
            floor: 99,
            answers: Some((90, [2; 32])),
            why: String::new(),
        }
    }

    fn read(opened: &EpochOpened, sequence: u64) -> Result<EpochOpened, EntryError> {
        let mut octets = Vec::new();
        opened.encode(&mut octets).unwrap();
        EpochOpened::decode(sequence, &mut Octets::new(&octets))
    }

    #[test]
    fn an_epoch_whose_numbers_do_not_rise_is_refused() {
        let whole = opened();
        assert_eq!(read(&whole, 100), Ok(whole.clone()));
        for (sequence, refused) in [
            (101, whole.clone()),
            (
                100,
                EpochOpened {
                    epoch: 1,
                    ..whole.clone()
                },
            ),
            (
                100,
                EpochOpened {
                    last_sequence: 100,
                    ..whole.clone()
                },
            ),
            (
                100,
                EpochOpened {
                    answers: Some((100, [2; 32])),
                    ..whole.clone()
                },
            ),
            (
                100,
                EpochOpened {
                    answers: Some((0, [2; 32])),
                    ..whole
                },
            ),
        ] {
            assert_eq!(
                read(&refused, sequence),
                Err(EntryError::Epoch),
                "{refused:?}"
            );
        }
    }
}
