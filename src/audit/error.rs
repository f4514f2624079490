//! Why something cannot be signed, proved or exported.

use std::io;

use super::{CheckpointError, LedgerKeyError};
use crate::ledger::LedgerError;

/// What stands in the way.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Its key.
    #[error(transparent)]
    Key(#[from] LedgerKeyError),
    /// The log does not begin with what was signed before: nothing more is signed.
    #[error(
        "the log of {entries} entries does not begin with the {signed} that were signed last: nothing is \
         signed any more. `estelam audit verify` says which entries were altered"
    )]
    NotExtended {
        /// How many entries the log has.
        entries: u64,
        /// How many the last kept checkpoint covers.
        signed: u64,
    },
    /// The last kept checkpoint cannot be believed.
    #[error(
        "the last kept checkpoint, of {size} entries, is refused ({source}): nothing is signed any more. \
         `estelam audit verify` says what else was altered"
    )]
    KeptCheckpoint {
        /// How many entries it is kept for.
        size: u64,
        /// Why.
        source: CheckpointError,
    },
    /// The ledger has no such certificate.
    #[error("the ledger has no entry about serial number {serial} of {issuer:?}")]
    NoEntry {
        /// The certificate.
        serial: String,
        /// Its issuer's label.
        issuer: String,
    },
    /// The ledger has no such entry to begin with.
    #[error("there is no entry {sequence} to begin with: the last one is {last}")]
    NoSuchSequence {
        /// What was asked for.
        sequence: u64,
        /// The last.
        last: u64,
    },
    /// What was written to took no more.
    #[error("cannot write: {0}")]
    Write(#[source] io::Error),
}
