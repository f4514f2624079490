//! CRLs made from the ledger: chosen, sorted, written, signed, checked, and only then given their names.
//!
//! Everything of CRLs that are made together comes from one snapshot of the ledger. What needs memory by
//! the entry lies in a file without a name, so that a CRL of any size is made in a few MiB.

mod error;
mod guard;
mod loss;
mod publisher;
mod selection;
mod sorted;
#[cfg(test)]
mod tests;
mod write;

pub use error::PublishError;
pub use publisher::{CrlIssuer, Publisher, Time, Wanted};
pub use selection::ShardRule;
pub use sorted::{Merge, SortedEntries};
pub use write::{CrlOrder, WrittenCrl};
