//! Why a backup cannot be made, read or restored.

use std::io;
use std::path::{Path, PathBuf};

use crate::ledger::{LedgerError, StorageError};
use crate::segment::DiskError;

/// What went wrong, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The place for a backup is taken.
    #[error(
        "{} is not empty: name a folder that does not exist yet, or an empty one", path.display()
    )]
    NotEmpty {
        /// The place.
        path: PathBuf,
    },
    /// There is nothing above the place for a backup.
    #[error("{} cannot be made: name a folder inside one that exists", path.display())]
    NoPlace {
        /// The place.
        path: PathBuf,
    },
    /// Somebody else is writing there.
    #[error("another backup is being written to {} at the moment", path.display())]
    UnderWay {
        /// The place.
        path: PathBuf,
    },
    /// No whole backup.
    #[error(
        "{} is no whole backup: {why}. Take another one; nothing of this one was used", path.display()
    )]
    Damaged {
        /// The backup.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Made by another version.
    #[error(
        "the backup {} has format {found}, and this estelam reads format {supported}: use the version \
         that made it", path.display()
    )]
    OtherVersion {
        /// The backup.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// Ours.
        supported: u64,
    },
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The disk is full.
    #[error("no space left for {}: nothing was changed; free some and run the command again", path.display())]
    NoSpace {
        /// What was being written.
        path: PathBuf,
    },
    /// The copy of the ledger could not be written.
    #[error("the ledger could not be copied to {}: {source}", path.display())]
    Copy {
        /// Where to.
        path: PathBuf,
        /// Why.
        #[source]
        source: StorageError,
    },
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A revocation that clients were shown cannot be entered again.
    #[error(
        "nothing was changed: {what} was shown as revoked and cannot be entered again ({why}). Restored \
         without it, it would be signed as good. Restore a backup that was made after it, or mend the \
         cause, and run the command again"
    )]
    NotReentered {
        /// What was revoked, and what shows it.
        what: String,
        /// Why the ledger refuses it.
        why: String,
    },
    /// A restore is under way.
    #[error(
        "another `estelam restore` is at work in {}: wait for it to end", path.display()
    )]
    RestoreUnderWay {
        /// The folder that it builds.
        path: PathBuf,
    },
    /// No ledger, and none to be made up in its place.
    #[error(
        "there is no ledger in {}, but a restore that was interrupted before it was ready: run \
         `estelam restore BACKUP` again. Nothing was lost by the interruption", path.display()
    )]
    RestoreInterrupted {
        /// Where the ledger would be.
        path: PathBuf,
    },
}

impl BackupError {
    pub(super) fn damaged(path: &Path, why: impl Into<String>) -> Self {
        let (path, why) = (path.to_owned(), why.into());
        Self::Damaged { path, why }
    }

    /// What a system call on `path` gave.
    pub(super) fn system(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { path },
            _ => Self::Disk(DiskError {
                action,
                path,
                source,
            }),
        }
    }

    pub(super) fn copy(path: &Path, source: StorageError) -> Self {
        let path = path.to_owned();
        let text = source.to_string();
        if ["No space left on device", "Disk quota exceeded"]
            .iter()
            .any(|words| text.contains(words))
        {
            return Self::NoSpace { path };
        }
        Self::Copy { path, source }
    }
}
