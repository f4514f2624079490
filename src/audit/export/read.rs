//! Verifying the file, from it alone.

use std::io::{self, Read};

use super::{BLOCK_ENTRIES, MAGIC, VERSION};
use crate::{
    audit::{Checkpoint, CheckpointError, NOTE_OCTETS_MAX, VerifierKey},
    ledger::{
        Entry, EntryError,
        log::{Epoch, Epochs, Frontier, HASH_OCTETS, Hash, empty_root, joined_peaks, leaf_hash},
    },
};

/// What a file holds, and what does not fit in it.
#[derive(Clone, Debug)]
pub struct ExportReport {
    /// What was signed.
    pub checkpoint: Checkpoint,
    /// How many entries are in the file.
    pub entries: u64,
    /// The sequence of the first and of the last entry that it should hold.
    pub sequences: Option<(u64, u64)>,
    /// What does not fit: nothing in a file that is as it was signed. No more than `FAULTS_MAX`.
    pub faults: Vec<ExportFault>,
}

/// Something in a file that is not as it was signed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExportFault {
    /// An entry's octets are not an entry's.
    #[error("entry {sequence} was altered: {source}")]
    Unreadable {
        /// The sequence that it should have.
        sequence: u64,
        /// What is wrong.
        source: EntryError,
    },
    /// An entry in another one's place: entries were removed, added or reordered.
    #[error("entry {found} stands where entry {sequence} should")]
    Misplaced {
        /// The sequence that it should have.
        sequence: u64,
        /// The sequence that it has.
        found: u64,
    },
    /// An entry that names one before it that there is not.
    #[error("entry {sequence} names entry {found} before it, and there is none of that number")]
    Link {
        /// Its sequence.
        sequence: u64,
        /// What it names.
        found: u64,
    },
    /// One or more of the entries are not those that were hashed.
    #[error(
        "one or more of the entries {first} to {last} were altered: the hash over them is another"
    )]
    Altered {
        /// The sequence of the first.
        first: u64,
        /// That of the last.
        last: u64,
    },
    /// What the file holds is not what was signed, even by its own hashes.
    #[error("the root over the file's entries is not the one that was signed")]
    Root,
}

/// Why a file cannot be judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// It cannot be read.
    #[error("cannot read it: {0}")]
    Read(#[from] io::Error),
    /// It ends in the middle.
    #[error("it was cut off after {entries} of {of} entries")]
    CutOff {
        /// How many whole entries there are.
        entries: u64,
        /// How many there should be.
        of: u64,
    },
    /// Not such a file.
    #[error("it is not an exported log: {0}")]
    Form(&'static str),
    /// Of a version that this program does not know.
    #[error("it has version {found}, and this estelam reads {VERSION}")]
    Version {
        /// Its version.
        found: u32,
    },
    /// Its checkpoint is refused.
    #[error("its checkpoint is refused: {0}")]
    Checkpoint(#[from] CheckpointError),
}

/// How many faults are told one by one.
const FAULTS_MAX: usize = 1_000;
/// Names and keys have some KiB; nothing else in an entry is long.
const ENTRY_OCTETS_MAX: u32 = 16 << 20;
/// One each time a backup is restored.
const EPOCHS_MAX: u32 = 100_000;

/// Verifies a file with the key that signs for the log. `progress` is told how many entries were read
/// of how many.
///
/// # Errors
/// [`ExportError`] for what cannot be judged to its end; the rest is in the report.
pub fn verify(
    input: &mut dyn Read,
    key: &VerifierKey,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<ExportReport, ExportError> {
    let mut file = File { input };
    let head = file.head(key)?;
    let size = head.checkpoint.head.size;
    let first_tile = head.first_leaf / BLOCK_ENTRIES;
    let (Some(entries), Some(before)) = (
        size.checked_sub(head.first_leaf),
        Frontier::new(first_tile, head.peaks),
    ) else {
        return Err(ExportError::Form("it begins behind its checkpoint"));
    };
    let mut faults = Vec::new();
    let mut tiles = before;
    let mut last_block: Option<Hash> = None;
    let mut leaf = head.first_leaf;
    while leaf < size {
        let done = leaf.saturating_sub(head.first_leaf);
        progress(done, entries);
        let cut_off = |error: io::Error| end(error, done, entries);
        let count = file.u32().map_err(cut_off)?;
        let expected = BLOCK_ENTRIES.min(size.saturating_sub(leaf));
        if u64::from(count) != expected {
            return Err(ExportError::Form(
                "a block has another number of entries than it should",
            ));
        }
        let root: Hash = file.array().map_err(cut_off)?;
        let mut block = Frontier::default();
        let first = head.epochs.sequence_of(leaf).unwrap_or(u64::MAX);
        let mut sequence = first;
        let mut is_told = false;
        for _ in 0..count {
            sequence = head.epochs.sequence_of(leaf).unwrap_or(u64::MAX);
            let done = leaf.saturating_sub(head.first_leaf);
            let octets = file.counted(ENTRY_OCTETS_MAX);
            let octets = octets.map_err(|error| end(error, done, entries))?;
            if let Some(fault) = judge(&octets, sequence, &head.epochs) {
                is_told = true;
                add(&mut faults, fault);
            }
            block.push(leaf_hash(&octets), |_, _, _| {});
            leaf = leaf.saturating_add(1);
        }
        if block.head().root != root && !is_told {
            let last = sequence;
            add(&mut faults, ExportFault::Altered { first, last });
        }
        match expected {
            BLOCK_ENTRIES => tiles.push(root, |_, _, _| {}),
            _ => last_block = Some(root),
        }
    }
    if !file.is_at_end()? {
        return Err(ExportError::Form("something follows its last entry"));
    }
    let peaks: Vec<Hash> = tiles.peaks().iter().copied().chain(last_block).collect();
    if joined_peaks(&peaks).unwrap_or_else(empty_root) != head.checkpoint.head.root {
        // Its own hashes were made to fit: which entries are altered cannot be told from it.
        faults.insert(0, ExportFault::Root);
    }
    let last = size.checked_sub(1).filter(|last| *last >= head.first_leaf);
    let sequence = |leaf| head.epochs.sequence_of(leaf).unwrap_or(u64::MAX);
    Ok(ExportReport {
        checkpoint: head.checkpoint,
        entries,
        sequences: last.map(|last| (sequence(head.first_leaf), sequence(last))),
        faults,
    })
}

fn add(faults: &mut Vec<ExportFault>, fault: ExportFault) {
    if faults.len() < FAULTS_MAX {
        faults.push(fault);
    }
}

fn judge(octets: &[u8], sequence: u64, epochs: &Epochs) -> Option<ExportFault> {
    use crate::ledger::EntryKind;
    let entry = match Entry::decode(octets) {
        Ok(entry) => entry,
        Err(source) => return Some(ExportFault::Unreadable { sequence, source }),
    };
    if entry.sequence != sequence {
        let found = entry.sequence;
        return Some(ExportFault::Misplaced { sequence, found });
    }
    match entry.kind {
        EntryKind::Certificate(certificate)
            if certificate.previous > 0 && epochs.leaf_of(certificate.previous).is_none() =>
        {
            let found = certificate.previous;
            Some(ExportFault::Link { sequence, found })
        }
        _ => None,
    }
}

fn end(error: io::Error, entries: u64, of: u64) -> ExportError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ExportError::CutOff { entries, of },
        _ => ExportError::Read(error),
    }
}

struct Head {
    checkpoint: Checkpoint,
    epochs: Epochs,
    first_leaf: u64,
    peaks: Vec<Hash>,
}

struct File<'a> {
    input: &'a mut dyn Read,
}

impl File<'_> {
    fn head(&mut self, key: &VerifierKey) -> Result<Head, ExportError> {
        let short = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ExportError::Form("it ends before its first entry"),
            _ => ExportError::Read(error),
        };
        if self.array().map_err(short)? != MAGIC {
            return Err(ExportError::Form("it does not begin with ESTLMLOG"));
        }
        match self.u32().map_err(short)? {
            VERSION => {}
            found => return Err(ExportError::Version { found }),
        }
        let octets_max = u32::try_from(NOTE_OCTETS_MAX).unwrap_or(u32::MAX);
        let note = self.counted(octets_max).map_err(short)?;
        let note = String::from_utf8(note)
            .map_err(|_| ExportError::Form("its checkpoint is not UTF-8"))?;
        let checkpoint = Checkpoint::verified(&note, key)?;
        let count = self.u32().map_err(short)?;
        if count > EPOCHS_MAX {
            return Err(ExportError::Form("it has more epochs than any ledger"));
        }
        let mut epochs = Vec::new();
        for number in 1..=count {
            epochs.push(Epoch {
                number,
                first_sequence: self.u64().map_err(short)?,
                first_leaf: self.u64().map_err(short)?,
            });
        }
        let epochs =
            Epochs::new(epochs).ok_or(ExportError::Form("its epochs do not follow one another"))?;
        if epochs.last().first_sequence != checkpoint.epoch_begins_at && checkpoint.head.size > 0 {
            return Err(ExportError::Form(
                "its epochs are not those of its checkpoint",
            ));
        }
        let first_leaf = self.u64().map_err(short)?;
        if !first_leaf.is_multiple_of(BLOCK_ENTRIES) {
            return Err(ExportError::Form("it begins within a block"));
        }
        let mut peaks = Vec::new();
        for _ in 0..first_leaf.count_ones() {
            peaks.push(self.array::<HASH_OCTETS>().map_err(short)?);
        }
        Ok(Head {
            checkpoint,
            epochs,
            first_leaf,
            peaks,
        })
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut octets = [0; N];
        self.input.read_exact(&mut octets)?;
        Ok(octets)
    }

    fn u32(&mut self) -> io::Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> io::Result<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// Octets behind a length. What is not there is not allocated for.
    fn counted(&mut self, octets_max: u32) -> io::Result<Vec<u8>> {
        let len = self.u32()?;
        if len > octets_max {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a length of {len} octets is over the limit of {octets_max}"),
            ));
        }
        let mut octets = Vec::new();
        let read = self.input.take(u64::from(len)).read_to_end(&mut octets)?;
        match u64::try_from(read) == Ok(u64::from(len)) {
            true => Ok(octets),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn is_at_end(&mut self) -> io::Result<bool> {
        match self.array::<1>() {
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(true),
            Err(error) => Err(error),
        }
    }
}
