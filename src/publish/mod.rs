//! CRLs made from the ledger: chosen, sorted, written, signed, checked, and only then given their names.
//!
//! Everything of CRLs that are made together comes from one snapshot of the ledger. What needs memory by
//! the entry lies in a file without a name, so that a CRL of any size is made in a few MiB.

pub mod courier;
mod error;
pub(crate) mod facts;
mod guard;
mod loss;
mod making;
pub mod manifest;
mod publisher;
mod purge;
mod selection;
mod served_path;
mod sorted;
pub mod target;
#[cfg(test)]
mod tests;
pub(crate) mod tree;
mod write;

pub use courier::{Couriers, TargetHealth, deliver_once};
pub use error::PublishError;
pub use manifest::{Manifest, ManifestError};
pub use publisher::{CrlIssuer, Publisher, Time, Wanted};
pub use selection::ShardRule;
pub use served_path::{ServedPath, ServedPathError};
pub use target::{Delivery, Target, TargetError};
pub use tree::{GoesBack, TreeError};
