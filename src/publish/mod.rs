//! CRLs made from the ledger: sorted, written, signed, checked, and only then given their name.
//!
//! Everything of one CRL comes from one snapshot of the ledger. What needs memory by the entry lies in a
//! file without a name, so that a CRL of any size is made in a few MiB.

pub mod courier;
mod error;
pub(crate) mod facts;
mod full;
mod guard;
pub mod manifest;
mod purge;
mod served_path;
mod sorted;
pub mod target;
pub(crate) mod tree;

pub use courier::{Couriers, TargetHealth, deliver_once};
pub use error::PublishError;
pub use full::{CrlOrder, PublishedCrl, publish};
pub use manifest::{Manifest, ManifestError};
pub use served_path::{ServedPath, ServedPathError};
pub use sorted::{Merge, SortedEntries};
pub use target::{Delivery, Target, TargetError};
pub use tree::{GoesBack, TreeError};
