//! Why a delivery did not arrive.

use std::path::PathBuf;

use crate::publish::{GoesBack, ServedPathError, TreeError};

/// Why a delivery did not arrive whole. What did arrive stays; the rest is tried again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// A folder or file there.
    #[error("{0}")]
    Folder(#[from] TreeError),
    /// A CRL here cannot be read, or is not what it was.
    #[error("{}: {why}: it is not brought anywhere", path.display())]
    Source {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// It would go back.
    #[error("{path}: {source}")]
    GoesBack {
        /// Where.
        path: String,
        /// How.
        #[source]
        source: GoesBack,
    },
    /// A manifest would go back.
    #[error(
        "{path}: a manifest of generation {lies} lies there, and {offered} would follow it: another \
         installation brings its CRLs there too, or this one goes on from a backup. If it is right to go \
         back, remove that manifest"
    )]
    Generation {
        /// Where.
        path: String,
        /// What lies there.
        lies: u64,
        /// What would follow.
        offered: u64,
    },
    /// No file can be there.
    #[error("{path}: {source}")]
    Path {
        /// The path.
        path: String,
        /// Why.
        #[source]
        source: ServedPathError,
    },
    /// A store.
    #[error("{path}: {why}")]
    Store {
        /// The key.
        path: String,
        /// What it said, in one line.
        why: String,
    },
    /// A full CRL did not arrive.
    #[error("{path}: the delta waits for its full CRL")]
    DeltaWaits {
        /// Where it would lie.
        path: String,
    },
    /// The settings or secrets of a target cannot be used.
    #[error("{0}")]
    Settings(String),
    /// Everything arrived, and a cache may still have what was there before.
    #[error("all is there, but caches were not purged: {0}")]
    Purge(String),
    /// It was told to stop.
    #[error("it is stopping")]
    Stopped,
}
