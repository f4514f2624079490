//! Why the ledger cannot be opened, read or written.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::identity::{IssuerId, SerialNumber};

use super::entry::EntryError;

/// What went wrong, with the folder it concerns. Each variant is a different thing for an operator to
/// do, and each of its messages says what.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// Another process, or another part of this one, has it open.
    #[error(
        "the ledger {} is in use: stop the other estelam, or use its admin socket",
        path.display()
    )]
    Locked {
        /// The ledger's folder.
        path: PathBuf,
    },
    /// A newer program wrote it.
    #[error(
        "the ledger {} has format {found}, and this estelam reads format {supported}: \
         run the version that wrote it",
        path.display()
    )]
    NewerVersion {
        /// The ledger's folder.
        path: PathBuf,
        /// Its format version.
        found: u32,
        /// The one that this program reads.
        supported: u32,
    },
    /// An older program wrote it.
    #[error(
        "the ledger {} has format {found}, and this estelam reads format {supported} alone: begin a new \
         one in another folder and import into it, or run the version that wrote it",
        path.display()
    )]
    OlderVersion {
        /// The ledger's folder.
        path: PathBuf,
        /// Its format version.
        found: u32,
        /// The one that this program reads.
        supported: u32,
    },
    /// There is none.
    #[error("there is no ledger in {}: `estelam serve` or `estelam import` begins one", path.display())]
    NoLedger {
        /// Where it should be.
        path: PathBuf,
    },
    /// Its files contradict themselves. Nothing was changed in them.
    #[error(
        "the ledger {} is damaged: go on from a backup (estelam restore BACKUP)", path.display()
    )]
    Damaged {
        /// The ledger's folder.
        path: PathBuf,
        /// What contradicts.
        #[source]
        damage: Damage,
    },
    /// The disk or quota is full.
    #[error("no space left for the ledger {}: free some, and it goes on by itself", path.display())]
    NoSpace {
        /// The ledger's folder.
        path: PathBuf,
        /// What failed.
        #[source]
        source: StorageError,
    },
    /// This user may not read or write there.
    #[error(
        "no permission for the ledger {}: its folder and files must belong to this user and be writable",
        path.display()
    )]
    Permission {
        /// The ledger's folder.
        path: PathBuf,
        /// What failed.
        #[source]
        source: StorageError,
    },
    /// Something else lies where its folder should be.
    #[error("the ledger's place {} is not a folder", path.display())]
    NotADirectory {
        /// The ledger's place.
        path: PathBuf,
    },
    /// Any other failure of the disk.
    #[error("the disk failed under the ledger {}", path.display())]
    Io {
        /// The ledger's folder.
        path: PathBuf,
        /// What failed.
        #[source]
        source: StorageError,
    },
    /// A write failed before, and the ledger is being closed and opened again. Reads that were in
    /// progress end with this; try again.
    #[error("the ledger {} is being reopened after a failed write: try again", path.display())]
    Reopening {
        /// The ledger's folder.
        path: PathBuf,
    },
    /// More changes than one atomic batch takes.
    #[error("{given} changes in one batch: at most {changes_max} are written at once")]
    TooManyChanges {
        /// How many were given.
        given: usize,
        /// The limit.
        changes_max: usize,
    },
    /// The label is another issuer's.
    #[error("the ledger knows another issuer, {issuer}, by the name {label:?}")]
    LabelTaken {
        /// The label.
        label: String,
        /// Whose it is.
        issuer: IssuerId,
    },
    /// The issuer has another label already.
    #[error(
        "the ledger knows the issuer that is called {given:?} now by the name {known:?}: \
         keep that name in the configuration"
    )]
    LabelDiffers {
        /// The issuer.
        issuer: IssuerId,
        /// Its label in the ledger.
        known: String,
        /// The label that was given.
        given: String,
    },
    /// Something was to be recorded about an issuer that was never defined.
    #[error("the ledger does not know the issuer {issuer}")]
    UnknownIssuer {
        /// The issuer.
        issuer: IssuerId,
    },
    /// A label, name or key does not fit an entry.
    #[error(transparent)]
    Entry(#[from] EntryError),
}

/// The failure beneath a [`LedgerError`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// Reported by RocksDB.
    #[error(transparent)]
    Engine(#[from] rocksdb::Error),
    /// Reported by the system.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// What contradicts itself in a ledger's files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// A checksum, a missing file or a wrong length, as RocksDB says it.
    #[error(transparent)]
    Engine(#[from] rocksdb::Error),
    /// Data files without the file that names the current state.
    #[error("the file CURRENT is missing beside data files")]
    NoCurrent,
    /// Data without a format version.
    #[error("the format version is missing")]
    NoFormat,
    /// Writes that had been acknowledged are missing.
    #[error("write {acknowledged} was acknowledged, but the last that is found is {found}")]
    RolledBack {
        /// The number of the last acknowledged write.
        acknowledged: u64,
        /// The number of the last found.
        found: u64,
    },
    /// The column families disagree on the last entry.
    #[error("the last entry is {found}, and should be {expected}")]
    LastSequence {
        /// What `meta` says.
        expected: u64,
        /// What `entries` holds.
        found: u64,
    },
    /// The rows of the epochs are missing or do not follow one another.
    #[error("the rows that say where epochs begin are missing or contradict one another")]
    Epochs,
    /// The log's edge is missing or cannot be read.
    #[error("the log's edge is missing or cannot be read")]
    Frontier,
    /// The log does not end with the last entry.
    #[error("the log has {leaves} leaves, which does not fit the last entry, {last_sequence}")]
    LogSize {
        /// How many leaves the log has.
        leaves: u64,
        /// The number of the last entry.
        last_sequence: u64,
    },
    /// The last entries do not hash to what the log says.
    #[error(
        "an entry among {first} to {last} is not the one that was recorded: the log's edge says another hash"
    )]
    LogEdge {
        /// The number of the first entry that was looked at.
        first: u64,
        /// The number of the last.
        last: u64,
    },
    /// A hash of the log is missing.
    #[error("the log's hash {index} on level {level} of tiles is missing")]
    LogNode {
        /// The level of tiles.
        level: u8,
        /// Its index there.
        index: u64,
    },
    /// An entry is missing between others.
    #[error("entry {sequence} is missing")]
    MissingEntry {
        /// Its number.
        sequence: u64,
    },
    /// An entry that cannot be read.
    #[error("entry {sequence} cannot be read: {source}")]
    Entry {
        /// Its number.
        sequence: u64,
        /// Why.
        source: EntryError,
    },
    /// An entry or record that names an issuer that was never defined.
    #[error("issuer number {number} is used and was never defined")]
    UndefinedIssuer {
        /// The number.
        number: u32,
    },
    /// The status of a certificate cannot be read.
    #[error("the status of serial number {serial} of issuer {number} cannot be read")]
    Record {
        /// The issuer's number.
        number: u32,
        /// The serial number.
        serial: SerialNumber,
    },
    /// The row of an issuer's newest evidence holds something else.
    #[error("the newest evidence of issuer {number} cannot be read")]
    Evidence {
        /// The issuer's number.
        number: u32,
    },
    /// A key or value that cannot be read.
    #[error("a key or value in {family} cannot be read")]
    Value {
        /// The column family.
        family: &'static str,
    },
}

impl LedgerError {
    pub(super) fn damaged(path: &Path, damage: impl Into<Damage>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            damage: damage.into(),
        }
    }

    /// Names what RocksDB reports. It passes on its own kinds and, in text, the system's errors.
    pub(super) fn from_engine(path: &Path, error: rocksdb::Error) -> Self {
        use rocksdb::ErrorKind::{Corruption, IOError, InvalidArgument, NotFound, NotSupported};

        let text = error.as_ref();
        let says = |words: &[&str]| words.iter().any(|words| text.contains(words));
        let path = path.to_owned();
        if says(&["While lock file", "lock hold by current process"]) {
            Self::Locked { path }
        } else if says(&["No space left on device", "Disk quota exceeded"]) {
            let source = error.into();
            Self::NoSpace { path, source }
        } else if says(&["Permission denied", "Read-only file system"]) {
            let source = error.into();
            Self::Permission { path, source }
        } else if matches!(
            error.kind(),
            Corruption | InvalidArgument | NotFound | NotSupported
        ) || (error.kind() == IOError && says(&["No such file or directory"]))
        {
            // Only files that RocksDB itself wrote and listed are opened by name.
            let damage = error.into();
            Self::Damaged { path, damage }
        } else {
            let source = error.into();
            Self::Io { path, source }
        }
    }

    pub(super) fn from_system(path: &Path, error: io::Error) -> Self {
        let (path, kind, source) = (path.to_owned(), error.kind(), error.into());
        match kind {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::NoSpace { path, source }
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::Permission { path, source }
            }
            io::ErrorKind::NotADirectory => Self::NotADirectory { path },
            _ => Self::Io { path, source },
        }
    }
}
