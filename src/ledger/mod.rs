//! The ledger: every status change ever recorded, and the status that follows from them.
//!
//! A change is judged by what is known ([`Refusal`](crate::change::Refusal) names why one is refused), recorded as an
//! [`Entry`] with the next sequence number, and acknowledged only after it is on the disk. Entries are
//! never edited or removed. What is known of a certificate now ([`StatusRecord`]), which ones are
//! revoked and how many there are is written in the same atomic batch, so that nothing in the folder
//! can disagree. One entry may revoke all certificates of an issuer; that is applied to whatever is read.
//!
//! [`Ledger`] is the store; [`LedgerSnapshot`] is what presigning and CRLs read; [`GroupCommit`]
//! shares one sync among many who submit at the same time, and makes changes visible before it
//! acknowledges them.
//!
//! Every entry is a leaf of a Merkle tree ([`log`]), so that the past can be proved.
//!
//! It knows no HTTP, no signing and no clock: whoever writes says what time it is.

mod batch;
mod checkpoints;
mod copy;
mod crl_state;
mod engine;
mod entry;
mod epoch;
mod error;
mod evidence;
mod group;
mod high_water;
mod history;
mod idempotency;
mod issuer_wide;
mod issuers;
mod keys;
pub mod log;
mod lookup;
mod options;
mod plan;
mod record;
mod revoked;
mod snapshot;
mod store;
mod transition;
mod turn;
mod verify;

#[cfg(test)]
mod tests;

pub use checkpoints::KeptCheckpoint;
pub use copy::{LedgerFacts, OwnedFolder};
pub use crl_state::{CrlSequence, LastCrl, MadeCrl};
pub use engine::FORMAT_VERSION;
pub use entry::{CertificateEntry, Entry, EntryError, EntryKind, IssuerIdentity, Statement};
pub use epoch::{EpochOpened, Floor};
pub use error::{Damage, LedgerError, StorageError};
pub use evidence::{EvidenceEntry, Recorded};
pub use group::{Acknowledged, CommitError, GroupCommit, GroupOptions, Receipt, SubmitError};
pub use history::{By, History, Past};
pub use idempotency::{KEPT_MS, PushFate, PushRecord, PushRequest, Refused, Run, RunResult};
pub use issuer_wide::{CommittedOrder, Durable, IssuerRevocationOrder, OwnStatuses, RevokedIssuer};
pub use issuers::DefinedIssuer;
pub use log::{Frontier, TreeHead, leaf_hash};
pub use lookup::Lookup;
pub use record::{Revocation, RevokedRecord, StatusRecord};
pub use revoked::RevokedRows;
pub use snapshot::{LedgerSnapshot, Rows, StatusRow};
pub use store::{AppliedEntry, CHANGES_MAX, Committed, Ledger, Submission};
pub use verify::{FINDINGS_MAX, Finding, RowFault, Verified, VerifyOptions, VerifyStep};
