//! Why octets are no CRL that can be read.

use std::io;

use crate::asn1::{DerError, TimeError};

/// Why a CRL cannot be read to its end. A fault inside one entry is an
/// [`EntryError`](super::EntryError) instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CrlError {
    /// The source of the octets failed.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// Not one octet.
    #[error("it is empty: fetch it again")]
    Empty,
    /// Neither DER nor PEM.
    #[error(
        "it is no CRL: it neither begins with a DER SEQUENCE nor has a line \
         \"-----BEGIN X509 CRL-----\""
    )]
    NotCrl,
    /// PEM with two CRLs in it.
    #[error("it holds more than one PEM block \"X509 CRL\": import them one by one")]
    SeveralCrls,
    /// Between the PEM boundaries.
    #[error("what its PEM block holds is not base64")]
    Base64,
    /// PEM without its last line.
    #[error(
        "its PEM block has no line \"-----END X509 CRL-----\": it was cut short, fetch it again"
    )]
    NoPemEnd,
    /// Larger than what is read at all.
    #[error("it has {octets} octets; at most {octets_max} are read")]
    TooLong {
        /// Its length.
        octets: u64,
        /// The limit.
        octets_max: u64,
    },
    /// More entries than what is read at all.
    #[error("it has more than {entries_max} entries")]
    TooManyEntries {
        /// The limit.
        entries_max: u32,
    },
    /// The octets end before the length at their beginning says.
    #[error("it ends after {read} octets, {expected} are due: it was cut short, fetch it again")]
    Truncated {
        /// Octets of DER that were there.
        read: u64,
        /// Octets of DER that its outermost length announces.
        expected: u64,
    },
    /// Octets behind the CertificateList.
    #[error("octets follow the end of the CRL, at octet {at}")]
    TrailingOctets {
        /// Where they begin, counted from 0.
        at: u64,
    },
    /// Not DER, or not the field that must come.
    #[error("{field}, at octet {at}: {source}")]
    Der {
        /// The field.
        field: &'static str,
        /// Where it begins, counted from 0 in the DER.
        at: u64,
        /// What is wrong.
        #[source]
        source: DerError,
    },
    /// A field that is longer than any real one.
    #[error("{field}, at octet {at}, is longer than {octets_max} octets")]
    FieldTooLong {
        /// The field.
        field: &'static str,
        /// Where it begins, counted from 0 in the DER.
        at: u64,
        /// The limit.
        octets_max: usize,
    },
    /// thisUpdate or nextUpdate.
    #[error("{field}: {source}")]
    Time {
        /// The field.
        field: &'static str,
        /// What is wrong.
        #[source]
        source: TimeError,
    },
    /// Neither v1 (absent) nor v2 (1).
    #[error("its version is neither v1 nor v2 (RFC 5280 §5.1.2.1)")]
    Version,
    /// crlExtensions in v1.
    #[error("it has crlExtensions but is no v2 (RFC 5280 §5.1.2.1)")]
    ExtensionsNeedV2,
    /// The AlgorithmIdentifiers inside and outside of what is signed.
    #[error(
        "signature and signatureAlgorithm differ, which RFC 5280 §5.1.1.2 forbids: only one of them \
         is signed"
    )]
    SignatureAlgorithmsDiffer,
}
