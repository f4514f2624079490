//! Backups of the ledger, and going on from one.
//!
//! A backup is a folder: a copy of the ledger at one moment, made while it is written to, and a manifest
//! that names every file with its digest. It is built beside its place and renamed, so a folder without a
//! manifest that holds is no backup.
//!
//! ```text
//! DIR/backup.manifest      what it holds; drawn in `manifest`
//! DIR/ledger/…             the ledger's files
//! DIR/keys/ledger.key      the ledger's key, only where it was asked for
//! ```
//!
//! Restoring makes a ledger of it that goes on *above* every number that the lost one may have given, and
//! enters again what our own newer answers and CRLs, or the ledger that is set aside, show that the backup lacks:
//! see `restore`. It knows the ledger, its key and the catalog's files, and neither signing keys nor HTTP.

mod compare;
mod error;
mod files;
mod lacking;
mod manifest;
mod published;
mod restore;
mod swap;
mod take;
mod traces;
mod verify;

#[cfg(test)]
mod tests;

pub use error::BackupError;
pub use lacking::{Lacking, Reentered, What};
pub use manifest::{BackupFile, BackupIssuer, BackupManifest};
pub use restore::{RestoreOrder, RestoreReport, Restoring, Step};
pub use swap::{Restored, Unfinished, finish};
pub use take::{BackupOrder, take};
pub use verify::verify;
