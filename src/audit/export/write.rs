//! Writing the file, an entry at a time.

use std::io::{self, Write};

use super::{BLOCK_ENTRIES, MAGIC, VERSION};
use crate::{
    audit::{AuditError, SignedCheckpoint},
    ledger::{
        LedgerSnapshot,
        log::{Frontier, SnapshotNodes, leaf_hash, peaks_at},
    },
};

/// What was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ExportSummary {
    /// How many entries.
    pub entries: u64,
    /// The sequence of the first.
    pub first_sequence: u64,
    /// How many the checkpoint covers.
    pub covers: u64,
}

/// Writes the entries that a checkpoint covers, from the block that holds entry `from` on.
///
/// The snapshot has to have what the checkpoint covers, so it is taken later.
///
/// # Errors
/// [`AuditError`].
pub fn write(
    snapshot: &LedgerSnapshot,
    signed: &SignedCheckpoint,
    from: Option<u64>,
    out: &mut dyn Write,
) -> Result<ExportSummary, AuditError> {
    let size = signed.checkpoint.head.size;
    let epochs = snapshot.epochs();
    let leaf = match from {
        None => 0,
        Some(sequence) => {
            let leaf = epochs.leaf_of(sequence).filter(|leaf| *leaf < size);
            let last = size
                .checked_sub(1)
                .and_then(|last| epochs.sequence_of(last));
            leaf.ok_or(AuditError::NoSuchSequence {
                sequence,
                last: last.unwrap_or(0),
            })?
        }
    };
    let first_leaf = leaf / BLOCK_ENTRIES * BLOCK_ENTRIES;
    let first_sequence = epochs.sequence_of(first_leaf).unwrap_or(u64::MAX);
    let peaks = peaks_at(&mut SnapshotNodes::new(snapshot)?, first_leaf)?;

    let mut head = Vec::new();
    head.extend_from_slice(&MAGIC);
    head.extend_from_slice(&VERSION.to_be_bytes());
    put_counted(&mut head, signed.note.as_bytes());
    let epochs = epochs.as_slice().iter();
    let epochs: Vec<_> = epochs
        .filter(|epoch| epoch.first_leaf < size || epoch.number == 1)
        .collect();
    head.extend_from_slice(&count(epochs.len()).to_be_bytes());
    for epoch in epochs {
        head.extend_from_slice(&epoch.first_sequence.to_be_bytes());
        head.extend_from_slice(&epoch.first_leaf.to_be_bytes());
    }
    head.extend_from_slice(&first_leaf.to_be_bytes());
    head.extend_from_slice(peaks.as_flattened());
    put(out, &head)?;

    let entries = size.saturating_sub(first_leaf);
    let mut written = 0;
    let mut block = Block::default();
    if entries > 0 {
        snapshot.each_entry_from(first_sequence, &mut |octets| {
            block.add(octets);
            written += 1;
            let is_last = written == entries;
            if block.tree.size() == BLOCK_ENTRIES || is_last {
                block.write(out)?;
            }
            Ok::<bool, AuditError>(!is_last)
        })?;
    }
    Ok(ExportSummary {
        entries,
        first_sequence,
        covers: size,
    })
}

#[derive(Default)]
struct Block {
    tree: Frontier,
    entries: Vec<u8>,
}

impl Block {
    fn add(&mut self, octets: &[u8]) {
        put_counted(&mut self.entries, octets);
        self.tree.push(leaf_hash(octets), |_, _, _| {});
    }

    fn write(&mut self, out: &mut dyn Write) -> Result<(), AuditError> {
        let entries = u32::try_from(self.tree.size()).unwrap_or(u32::MAX);
        put(out, &entries.to_be_bytes())?;
        put(out, &self.tree.head().root)?;
        put(out, &self.entries)?;
        self.tree = Frontier::default();
        self.entries.clear();
        Ok(())
    }
}

fn put(out: &mut dyn Write, octets: &[u8]) -> Result<(), AuditError> {
    out.write_all(octets)
        .map_err(|error: io::Error| AuditError::Write(error))
}

fn put_counted(out: &mut Vec<u8>, octets: &[u8]) {
    out.extend_from_slice(&count(octets.len()).to_be_bytes());
    out.extend_from_slice(octets);
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
