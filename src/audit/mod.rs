//! Tamper evidence: what shows to others that the ledger's past was not altered.
//!
//! The ledger's log ([`crate::ledger::log`]) gives one hash that covers every entry. Here it is signed
//! ([`LedgerKey`], [`Checkpoint`]), in the forms of C2SP that other logs have too.
//!
//! It knows the ledger and no HTTP.

mod checkpoint;
mod key;
mod note;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use key::{LedgerKey, LedgerKeyError, is_origin};
pub use note::{NOTE_OCTETS_MAX, NoteError, VerifierKey, verified_text};
