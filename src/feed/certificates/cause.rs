//! Why a certificate or a file of certificates is not taken.

use crate::{
    asn1::CertificateError,
    feed::problems::Place,
    identity::{SerialNumber, SerialNumberError},
    signer::Defect,
};

/// Why a certificate, or a file as a whole, is not applied.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateCause {
    /// The file cannot be opened.
    #[error("cannot be read: {why}")]
    Unreadable {
        /// The system's words.
        why: String,
    },
    /// The file has no certificate in it.
    #[error("holds no certificate{}", match .labels {
        labels if labels.is_empty() => String::new(),
        labels => format!(": its PEM blocks are {}", labels.join(", ")),
    })]
    NoCertificate {
        /// What its PEM blocks are.
        labels: Vec<String>,
    },
    /// More octets than a certificate may have.
    #[error("is longer than {octets_max} octets")]
    TooLong {
        /// The limit.
        octets_max: usize,
    },
    /// The PEM block is not base64.
    #[error("the PEM block that begins in line {line} is not base64")]
    Base64 {
        /// The line of `-----BEGIN`, counted from 1.
        line: u64,
    },
    /// The PEM block does not end.
    #[error("the PEM block that begins in line {line} has no matching end")]
    NoEnd {
        /// The line of `-----BEGIN`, counted from 1.
        line: u64,
    },
    /// Not a certificate that can be read.
    #[error("cannot be read: {0}")]
    Malformed(CertificateError),
    /// serialNumber
    #[error("{0}")]
    Serial(SerialNumberError),
    /// serialNumber is 0, which RFC 5280 §4.1.2.2 forbids.
    #[error("the serial number is zero")]
    SerialZero,
    /// Its issuer's name is that of no issuer in question.
    #[error(
        "serial number {serial} was issued by {issuer}, {}",
        if *.is_one_named { "another issuer than the one named" } else { "which is not configured" }
    )]
    OtherIssuer {
        /// Its serial number.
        serial: SerialNumber,
        /// Its issuer's name.
        issuer: String,
        /// Whether the certificates were to be of one issuer alone.
        is_one_named: bool,
    },
    /// It names an issuer whose key did not sign it.
    #[error("serial number {serial} names the issuer {issuer}, whose key did not sign it")]
    NotSigned {
        /// Its serial number.
        serial: SerialNumber,
        /// Its issuer's name.
        issuer: String,
    },
    /// Its signature cannot be verified.
    #[error("serial number {serial}: {defect}")]
    Unverifiable {
        /// Its serial number.
        serial: SerialNumber,
        /// What is wrong with the signature's algorithm or the issuer's key.
        defect: Defect,
    },
    /// Another certificate of the same issuer has the same serial number.
    #[error("another certificate has the same serial number {serial}: {other}")]
    Contradiction {
        /// The serial number that both carry.
        serial: SerialNumber,
        /// The other.
        other: Place,
    },
}
