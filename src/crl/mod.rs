//! Certificate revocation lists as they are on the wire (RFC 5280 §5), read and written as a stream.
//!
//! ```text
//! CertificateList ::= SEQUENCE { tbsCertList, signatureAlgorithm AlgorithmIdentifier,
//!     signatureValue BIT STRING }
//! TBSCertList ::= SEQUENCE { version Version OPTIONAL, -- if present, MUST be v2
//!     signature AlgorithmIdentifier, issuer Name, thisUpdate Time, nextUpdate Time OPTIONAL,
//!     revokedCertificates SEQUENCE OF SEQUENCE { userCertificate CertificateSerialNumber,
//!         revocationDate Time, crlEntryExtensions Extensions OPTIONAL } OPTIONAL,
//!     crlExtensions [0] EXPLICIT Extensions OPTIONAL }
//! ```
//!
//! [`CrlReader`] gives the [`Head`], then one [`RawEntry`] after the other, then the [`Tail`], in one
//! pass over DER or PEM of any size. A [`Tap`] hears every octet on the way, so that the digest that
//! the signature is over needs no second pass. Nothing is kept but a window of 128 KiB, and every
//! length is checked against its limit before anything is read for it.
//!
//! It reads what any CRL may have: deltas, indirect and partitioned ones too. What a CRL is good for,
//! who may have signed it and when it holds is decided above. It knows no files, keys or clock.
//!
//! Two things that RFC 5280 asks of issuers are not asked here, because their meaning is plain and
//! refusing them would keep revocations from being known: an empty list of entries where the field
//! should be absent (§5.1.2.6), and GeneralizedTime before 2050 (§5.1.2.4).

mod distribution_point;
mod entry;
mod error;
mod extensions;
mod head;
mod input;
mod issuing_distribution_point;
mod pem;
mod reader;
mod summary;
mod tail;
mod time;
mod window;
pub mod writer;

pub use distribution_point::{DistributionPoint, directory_name};
pub use entry::{Entry, EntryError, EntryExtensions, EntryOddity, RawEntry};
pub use error::CrlError;
pub use extensions::{CrlExtensions, CrlExtensionsError, NumberError};
pub use head::{Head, Version};
pub use issuing_distribution_point::{
    DistributionPointName, IssuingDistributionPoint, ReasonFlags,
};
pub use reader::{CrlReader, Limits, Tap};
pub use summary::{CrlSummary, EntryFault, reason_name};
pub use tail::Tail;
pub use time::Time;

#[cfg(test)]
mod tests;
