//! CRLs made from the ledger: sorted, written, signed, checked, and only then given their name.
//!
//! Everything of one CRL comes from one snapshot of the ledger. What needs memory by the entry lies in a
//! file without a name, so that a CRL of any size is made in a few MiB.

mod error;
mod full;
mod guard;
mod sorted;

pub use error::PublishError;
pub use full::{CrlOrder, PublishedCrl, publish};
pub use sorted::{Merge, SortedEntries};
