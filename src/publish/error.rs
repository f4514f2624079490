//! Why no CRL was published.

use std::{io, path::PathBuf};

use crate::{
    catalog::crls::ShelfError, crl::writer::WriteError, identity::SerialNumber,
    ledger::LedgerError, signer::SignerError,
};

/// Why no CRL was published. The one before stays where it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The ledger cannot be read, or the number not be reserved.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The sorted entries cannot be kept.
    #[error("the entries cannot be sorted: {source}")]
    Sorting {
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
    /// The file cannot be synced or read again.
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
    /// What was written is not what should have been; it was not given its name.
    #[error(
        "the CRL that was just written is not published: {found}. The one before stays; please report \
         this"
    )]
    Guard {
        /// What another reading of it found.
        found: String,
    },
    /// A certificate is not on it any more, and nothing says why.
    #[error(
        "it is not published, because it lacks {count} certificates that the one before has and that are \
         neither released nor long expired; the first is {serial}. The one before stays. If the ledger was \
         restored from a backup, enter what it lacks; `estelam crl publish --accept-losses` publishes \
         without them"
    )]
    Lost {
        /// How many.
        count: u64,
        /// The first.
        serial: SerialNumber,
    },
    /// Certificates name other shards.
    #[error(
        "it has {was} shards by now, and [issuer.crl.shards] has count = {is}: certificates that name the \
         others would be looked for in vain. Put the count back; `estelam crl publish --accept-losses` goes \
         on with the new one"
    )]
    ShardCount {
        /// How many there are.
        was: usize,
        /// How many are configured.
        is: u32,
    },
    /// Where CRLs lie.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// It is made, and not served yet.
    #[error("the CRL lies in its place but could not be brought into service: {why}")]
    Service {
        /// Why.
        why: String,
    },
    /// The last CRL of the CA is published.
    #[error(
        "the last CRL of this CA was published, which is valid for ever: only `estelam crl publish --last` \
         replaces it"
    )]
    Ended,
    /// Nothing of this kind is configured.
    #[error("{what} are not made for it: add an [issuer.crl{table}] table")]
    NotConfigured {
        /// What.
        what: &'static str,
        /// The end of the table's name.
        table: &'static str,
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
