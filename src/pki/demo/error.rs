//! Why there is no demo.

use std::{io, path::PathBuf};

use super::FolderError;
use crate::{
    feed::LedgerSinkError,
    ledger::LedgerError,
    pki::ca::{CaError, KeyGenerationError, NameError, SubjectKeyError},
    signer::PrivateKeyError,
};

/// Why a demo could not be built, described or found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// Its folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Its ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A revocation could not be recorded.
    #[error(transparent)]
    Sink(#[from] LedgerSinkError),
    /// The ledger refused a revocation of the plan.
    #[error("the ledger refuses what the demo's plan says: {0}")]
    Refused(crate::change::Refusal),
    /// A certificate.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// A name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A key that was made could not be used.
    #[error(transparent)]
    PrivateKey(#[from] PrivateKeyError),
    /// A key that was made does not fit a certificate.
    #[error(transparent)]
    SubjectKey(#[from] SubjectKeyError),
    /// No key could be made.
    #[error(transparent)]
    KeyGeneration(#[from] KeyGenerationError),
    /// A file could not be written.
    #[error("{} cannot be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// What the demo remembers of itself is of no use.
    #[error(
        "{} is damaged: {why}. Remove the demo's folder and run `estelam demo` again for a new one",
        path.display()
    )]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Told to stop.
    #[error("stopped while the demo was being built; nothing is left of it")]
    Stopped,
    /// A certificate that was just issued cannot be read.
    #[error("a certificate that was just issued cannot be read")]
    Unreadable,
    /// A description cannot be written as JSON.
    #[error("the description cannot be written as JSON")]
    Json,
}
