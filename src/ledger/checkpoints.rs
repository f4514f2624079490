//! Signed checkpoints, kept beside the log that they are of. What they say is for `audit` to read.
//!
//! The column family `checkpoints`, by how many entries a checkpoint covers:
//!
//! ```text
//!      8  when it was kept, in milliseconds since 1970
//!      n  the signed note, UTF-8
//! ```
//!
//! All of the last day are kept, and of each day before it the last one: about 2 MB for ten years.

use rocksdb::WriteBatch;

use super::{
    error::{Damage, LedgerError},
    keys::{self, Key},
    log::TreeHead,
    record::MILLIS_MAX,
    snapshot::LedgerSnapshot,
    store::Ledger,
};

/// A checkpoint that was kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeptCheckpoint {
    /// How many entries it is kept for.
    pub size: u64,
    /// When it was kept, in milliseconds since 1970.
    pub recorded_ms: u64,
    /// The signed note.
    pub note: String,
}

impl Ledger {
    /// Keeps the signed note over a head of the log, synced. The head has to be one that the log has
    /// or had: whoever signs looks first.
    ///
    /// # Errors
    /// What writing gives.
    pub fn keep_checkpoint(
        &self,
        head: &TreeHead,
        note: &str,
        now_ms: u64,
    ) -> Result<(), LedgerError> {
        let now_ms = now_ms.min(MILLIS_MAX);
        let kept = self.snapshot()?.checkpoints()?;
        let mut writer = self.writer();
        let engine = self.writable(&mut writer)?;
        let family = engine.family(keys::CHECKPOINTS)?;
        let mut batch = WriteBatch::default();
        for size in outlived(&kept, now_ms) {
            batch.delete_cf(family, Key::from(size));
        }
        let value = [&now_ms.to_be_bytes(), note.as_bytes()].concat();
        batch.put_cf(family, Key::from(head.size), value);
        self.write(&mut writer, &engine, batch)
    }
}

impl LedgerSnapshot {
    /// The checkpoints that were kept, in the order of their sizes.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails or one of them cannot be read.
    pub fn checkpoints(&self) -> Result<Vec<KeptCheckpoint>, LedgerError> {
        let (kept, unreadable) = self.checkpoint_rows()?;
        match unreadable {
            0 => Ok(kept),
            _ => Err(self.engine().damaged(Damage::Value {
                family: keys::CHECKPOINTS,
            })),
        }
    }

    /// The same, and how many of them cannot be read: for whoever looks for damage.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn checkpoint_rows(&self) -> Result<(Vec<KeptCheckpoint>, u64), LedgerError> {
        let (mut kept, mut unreadable) = (Vec::new(), 0_u64);
        let mut rows = self.raw_rows(keys::CHECKPOINTS)?;
        rows.seek_to_first();
        while let Some((key, value)) = rows.item() {
            match KeptCheckpoint::decode(key, value) {
                Some(checkpoint) => kept.push(checkpoint),
                None => unreadable = unreadable.saturating_add(1),
            }
            rows.next();
        }
        rows.status().map_err(|error| self.engine().error(error))?;
        Ok((kept, unreadable))
    }
}

impl KeptCheckpoint {
    fn decode(key: &[u8], value: &[u8]) -> Option<Self> {
        let size = u64::from_be_bytes(key.try_into().ok()?);
        let (recorded_ms, note) = value.split_first_chunk()?;
        let recorded_ms = u64::from_be_bytes(*recorded_ms);
        Some(Self {
            size,
            recorded_ms: (recorded_ms <= MILLIS_MAX).then_some(recorded_ms)?,
            note: std::str::from_utf8(note).ok()?.to_owned(),
        })
    }
}

/// The sizes of those that a later one of the same past day makes needless.
fn outlived(kept: &[KeptCheckpoint], now_ms: u64) -> impl Iterator<Item = u64> {
    kept.windows(2).filter_map(move |pair| {
        let [older, newer] = pair else {
            return None;
        };
        let is_past = now_ms.saturating_sub(newer.recorded_ms) > DAY_MS;
        let same_day = older.recorded_ms / DAY_MS == newer.recorded_ms / DAY_MS;
        (is_past && same_day).then_some(older.size)
    })
}

const DAY_MS: u64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_past_days_the_last_one_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path()).unwrap();
        let hour = DAY_MS / 24;
        for size in 0..100 {
            let head = TreeHead {
                size,
                root: [0; 32],
            };
            let note = format!("note {size}");
            ledger.keep_checkpoint(&head, &note, size * hour).unwrap();
        }
        let kept = ledger.snapshot().unwrap().checkpoints().unwrap();
        let sizes: Vec<_> = kept.iter().map(|kept| kept.size).collect();
        let expected: Vec<_> = [23, 47, 71].into_iter().chain(74..100).collect();
        assert_eq!(sizes, expected);
        assert_eq!(kept[0].note, "note 23");
        assert_eq!(kept[0].recorded_ms, 23 * hour);
    }
}
