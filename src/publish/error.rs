//! Why no CRL was published.

use std::{io, path::PathBuf};

use crate::{crl::writer::WriteError, ledger::LedgerError, signer::SignerError};

/// Why no CRL was published. The one before stays where it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The ledger cannot be read, or the number not be reserved.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The sorted entries cannot be kept.
    #[error("sorting the entries beside {}: {source}", path.display())]
    Sorting {
        /// The CRL's place.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: WriteError,
    },
    /// The file cannot be synced, read again or renamed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// No signature.
    #[error("the CRL was not signed: {0}")]
    Sign(#[from] SignerError),
    /// An Ed25519 signature is over the whole list, which is kept in memory for it.
    #[error(
        "the CRL has {octets} octets, and Ed25519 signs at most {octets_max}: have the CA use another \
         key type for lists this large"
    )]
    TooLongToSign {
        /// Its length.
        octets: usize,
        /// The limit.
        octets_max: usize,
    },
    /// What was written is not what should have been; it was not given its name.
    #[error(
        "the CRL that was just written is not published: {found}. The one before stays; please report \
         this"
    )]
    Guard {
        /// What another reading of it found.
        found: String,
    },
    /// Signing is paused.
    #[error("nothing is signed now: {why}")]
    ClockNotTrusted {
        /// Why, and what to do.
        why: String,
    },
    /// The clock is behind the last CRL.
    #[error(
        "it is {now} by this machine's clock, and the last CRL was made at {last}: set the clock, or wait"
    )]
    ClockBehind {
        /// Now.
        now: crate::asn1::UnixTime,
        /// thisUpdate of the last.
        last: crate::asn1::UnixTime,
    },
}
