//! What can be wrong with a row.

use crate::{
    asn1::CertificateError,
    identity::{SerialNumber, SerialNumberError},
};

use super::time::TimeFault;

/// Why a row is not applied.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RowCause {
    /// NULL in place of a serial number.
    #[error("the row has no serial number")]
    NoSerial,
    /// The serial number.
    #[error("{0}")]
    Serial(SerialNumberError),
    /// The serial number 0 or less, which RFC 5280 §4.1.2.2 forbids.
    #[error("the serial number is not positive")]
    SerialZero,
    /// Octets that are no text where text is expected.
    #[error("not UTF-8")]
    NotText,
    /// Something else than a whole number.
    #[error("not a whole number")]
    NotNumber,
    /// A status that is none of those known.
    #[error("the status is none of: {known}")]
    Status {
        /// Those known, for people.
        known: String,
    },
    /// Neither a name nor a number of RFC 5280 §5.3.1.
    #[error("the revocation reason is unknown")]
    Reason,
    /// removeFromCRL, which revokes nothing.
    #[error("the status says revoked, but the reason is removeFromCRL")]
    RemoveFromCrl,
    /// A certificate that is not revoked, with something that only revocations have.
    #[error("the status says good, but there is a revocation time, reason or invalidityDate")]
    RevocationUnexpected,
    /// A certificate that is revoked, without a time.
    #[error("the status says revoked, but there is no revocation time")]
    RevocationMissing,
    /// On hold, with a reason that is another.
    #[error("the status says hold, but the reason is another than certificateHold")]
    HoldReason,
    /// A time.
    #[error("the time cannot be used: {0}")]
    Time(TimeFault),
    /// A hash of another form.
    #[error("SHA-256 is 32 octets, or 64 hexadecimal digits")]
    Sha256,
    /// No PEM block, and no DER.
    #[error("neither DER nor PEM")]
    NoCertificate,
    /// A certificate that cannot be read.
    #[error("the certificate cannot be read: {0}")]
    Certificate(CertificateError),
    /// The row and the certificate in it do not belong together.
    #[error("the certificate has another serial number, {serial}")]
    OtherSerial {
        /// That in the certificate.
        serial: SerialNumber,
    },
    /// step-ca's document.
    #[error("it is not what step-ca writes: {message}")]
    Document {
        /// What the reader of JSON says.
        message: String,
    },
}
