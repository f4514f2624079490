//! Why one entry of a CRL is bad.

use std::fmt;

use crate::{asn1::TimeError, crl::EntryError, identity::SerialNumber};

/// Why an entry is not applied.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CrlCause {
    /// It is not DER, or one of its extensions is malformed.
    #[error("{0}")]
    Malformed(#[from] EntryError),
    /// A serial number that no certificate may have.
    #[error("serial number {serial}: {fault} (RFC 5280 §4.1.2.2)")]
    Serial {
        /// Its beginning.
        serial: Digits,
        /// What is wrong with it.
        fault: SerialFault,
    },
    /// The date of revocation.
    #[error("serial number {serial}: revocationDate: {source}")]
    RevocationDate {
        /// Which certificate.
        serial: SerialNumber,
        /// What is wrong.
        source: TimeError,
    },
    /// removeFromCRL, which takes an entry away, in a CRL that is no delta.
    #[error(
        "serial number {serial}: the reason removeFromCRL (8) belongs into delta CRLs alone \
         (RFC 5280 §5.3.1)"
    )]
    RemoveFromCrl {
        /// Which certificate.
        serial: SerialNumber,
    },
    /// A reason that does not exist.
    #[error("serial number {serial}: there is no reason {code} (RFC 5280 §5.3.1)")]
    Reason {
        /// Which certificate.
        serial: SerialNumber,
        /// The reasonCode.
        code: u8,
    },
    /// Two entries with one serial number say different things: nothing tells which is true.
    #[error(
        "serial number {serial}: entry {other} says something else of it (RFC 5280 §5.1.2.6: each \
         certificate once)"
    )]
    Contradiction {
        /// Which certificate.
        serial: SerialNumber,
        /// The number of an entry that differs.
        other: u64,
    },
}

/// What is wrong with a serial number.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SerialFault {
    /// Below zero.
    #[error("it is negative")]
    Negative,
    /// Zero.
    #[error("it is zero")]
    Zero,
    /// Longer than 20 octets.
    #[error("it has {octets} octets, more than 20")]
    TooLong {
        /// Its length.
        octets: usize,
    },
}

/// The content octets of a serial number in hexadecimal, cut where nobody reads on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Digits(Vec<u8>, bool);

impl Digits {
    /// A few more than the longest serial may have.
    const OCTETS_MAX: usize = 24;

    /// Those of these octets.
    #[must_use]
    pub fn new(content: &[u8]) -> Self {
        match content.get(..Self::OCTETS_MAX) {
            Some(beginning) => Self(beginning.to_vec(), content.len() > Self::OCTETS_MAX),
            None => Self(content.to_vec(), false),
        }
    }
}

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(octets, is_cut) = self;
        octets
            .iter()
            .try_for_each(|octet| write!(f, "{octet:02X}"))?;
        f.write_str(if *is_cut { "…" } else { "" })
    }
}
