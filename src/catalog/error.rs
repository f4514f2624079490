//! What can go wrong with the catalog.

use std::path::PathBuf;

use super::files::CodingError;
use crate::identity::IssuerId;
use crate::segment::{DiskError, SegmentError};

/// Why the catalog did not open, or refused a publication. A refused one has changed nothing that is
/// served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The disk or the system refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Another process has the catalog open; two would remove each other's files.
    #[error("another process has the catalog in {} open", folder.display())]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// The manifest was written by a later version of this program. It is left as it is.
    #[error("{}: manifest format {found} is newer than this program, which reads up to {supported}", path.display())]
    NewerManifest {
        /// The manifest.
        path: PathBuf,
        /// The version that it claims.
        found: u64,
        /// The newest that this program reads.
        supported: u64,
    },
    /// A segment does not open.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// A compressed form of a CRL is none.
    #[error(transparent)]
    Coding(#[from] CodingError),
    /// A segment is of another issuer than it was published for.
    #[error("{} belongs to issuer {actual}, not {expected}", path.display())]
    OtherIssuer {
        /// The segment.
        path: PathBuf,
        /// The issuer it was published for.
        expected: IssuerId,
        /// The issuer in its header.
        actual: IssuerId,
    },
    /// A segment is older than what it would replace.
    #[error(
        "{} is as of sequence {as_of}, and what it would replace is as of {current}, or signed later",
        path.display()
    )]
    Stale {
        /// The segment.
        path: PathBuf,
        /// Its sequence.
        as_of: u64,
        /// The sequence of the segment in service.
        current: u64,
    },
}
