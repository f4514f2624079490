//! The catalog: the immutable snapshot that may be served now.
//!
//! Holds for each issuer its mapped segments, the overlay of what changed since they were signed, and
//! its place in the table of issuers; the CRLs and other files that are served by name; keeps the list of
//! segments on disk (the manifest). Promises that
//! readers never wait ([`Catalog::snapshot`] is one atomic load), that a [`Publication`] is visible
//! whole or not at all, that generations only rise, and that the answer for a serial is the one with
//! the highest ledger sequence, whatever order things were published in. Leaves to others: what is
//! published (`presign` and the authority), and whether a found answer may be served (`responder`).
//!
//! Knows neither HTTP nor the ledger: [`Publication`] values are all that comes in, so that they can
//! travel over a channel, a socket or a log.

pub mod crls;
mod error;
pub mod files;
mod holdings;
mod issuer_table;
mod manifest;
mod overlay;
mod publication;
mod shards;
pub mod shown;
mod snapshot;
mod store;
mod survey;
#[cfg(test)]
mod tests;

pub use error::CatalogError;
pub use issuer_table::{IssuerEntry, IssuerPolicy, IssuerTable, IssuerTableError, NotIssued};
pub use manifest::ManifestState;
pub use overlay::{OVERLAY_ENTRIES_MAX, OverlayEntry, OverlayTruth};
pub use publication::{FreshAnswer, FreshColumn, MaskEntry, Publication};
pub use shards::WithheldShard;
pub use snapshot::{Finding, IssuerSnapshot, Snapshot};
pub use store::{Catalog, OpenReport, QuarantineCause, Quarantined};
pub use survey::{Survey, survey};
