//! Certificate revocation lists, written as a stream.
//!
//! DER tells lengths before contents, and the signature comes last. So the entries are gone through
//! twice: [`Listing`] adds up their octets, then [`CertificateListWriter`] writes them while a [`Tap`]
//! hears what is to be signed, and [`UnsignedList::sign`] adds the signature. Nothing is kept but a
//! buffer of 64 KiB, whatever the number of entries.
//!
//! What is written is determined by what is given, octet for octet, but for the signature: times are
//! UTCTime through 2049 (RFC 5280 §5.1.2.4), an absent reason stands for unspecified (§5.3.1), a list
//! without entries has no revokedCertificates (§5.1.2.6), and entries rise by serial number.
//!
//! [`Tap`]: super::Tap

mod entry;
mod extensions;
mod list;

#[cfg(test)]
mod tests;

pub use entry::{EntryReason, RevokedEntry};
pub use extensions::{DistributionPoint, ExtensionsWriter, OnlyContains};
#[cfg(any(test, feature = "rocksdb"))]
pub(crate) use list::order;
pub use list::{CertificateListWriter, CrlHead, Listing, Signed, UnsignedList, WriteError};
