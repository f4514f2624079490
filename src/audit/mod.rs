//! Tamper evidence: what shows to others that the ledger's past was not altered.
//!
//! The ledger's log ([`crate::ledger::log`]) gives one hash that covers every entry. Here it is signed
//! ([`LedgerKey`], [`Checkpoint`]), in the forms of C2SP that other logs have too.
//!
//! It knows the ledger and no HTTP.

mod certificate_proof;
mod checkpoint;
mod error;
pub mod export;
mod keeper;
mod key;
mod note;
mod report;
mod tlog_proof;

pub use certificate_proof::{
    CertificateProof, ProofError, ProvenEntry, ProvenStatement, prove, verify_proof,
};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use error::AuditError;
pub use keeper::{CheckpointKeeper, SignedCheckpoint, last_is_of_other_key, sign_head};
pub use key::{LedgerKey, LedgerKeyError, is_origin};
pub use note::{NOTE_OCTETS_MAX, NoteError, VerifierKey, verified_text};
pub use report::{AuditReport, Problem, verify_ledger};
pub use tlog_proof::TlogProof;
