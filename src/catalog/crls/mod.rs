//! The CRLs that may be served now: which there are, and the folder that has them.
//!
//! ```text
//! catalog/crl/  listing.json             which are current: replaced as a whole
//!               SHA-256 in hex ‖ ".crl"  each of them, DER, mode 0444, never written to again
//! ```
//!
//! A [`CrlListing`] travels to the responder as a [`Publication`](super::Publication); it and the files
//! are all that serving needs.

mod edition;
mod shelf;

#[cfg(feature = "rocksdb")]
pub(crate) use edition::rfc3339;
pub use edition::{CrlEdition, CrlKind, CrlKindError, CrlListing, SignedDocument, url_path};
pub use shelf::{Shelf, ShelfError, Unfinished};
