//! certStatus of a SingleResponse (RFC 6960 §4.2.1).

use crate::asn1::{CrlReason, UnixTime, put_header, put_tlv, tag};

/// ```text
/// CertStatus ::= CHOICE {
///     good     [0] IMPLICIT NULL,
///     revoked  [1] IMPLICIT RevokedInfo,
///     unknown  [2] IMPLICIT NULL }
/// RevokedInfo ::= SEQUENCE {
///     revocationTime    GeneralizedTime,
///     revocationReason  [0] EXPLICIT CRLReason OPTIONAL }
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CertStatus {
    /// Not revoked as far as this responder knows.
    Good,
    /// Revoked, or on hold.
    Revoked {
        /// revocationTime.
        revocation_time: UnixTime,
        /// revocationReason; absent for `unspecified`.
        reason: Option<CrlReason>,
    },
    /// This responder does not know the certificate.
    Unknown,
}

impl CertStatus {
    /// Octets of the encoded CHOICE.
    #[inline]
    pub(super) const fn der_len(&self) -> usize {
        match self {
            Self::Good | Self::Unknown => 2,
            Self::Revoked { reason: None, .. } => 2 + GENERALIZED_TIME_LEN,
            Self::Revoked {
                reason: Some(_), ..
            } => 2 + GENERALIZED_TIME_LEN + 5,
        }
    }

    #[inline]
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Good => out.extend_from_slice(&[tag::primitive(0), 0]),
            Self::Unknown => out.extend_from_slice(&[tag::primitive(2), 0]),
            Self::Revoked {
                revocation_time,
                reason,
            } => {
                put_header(out, tag::constructed(1), self.der_len().saturating_sub(2));
                put_generalized_time(out, *revocation_time);
                if let Some(reason) = reason {
                    let wrapper = tag::constructed(0);
                    out.extend_from_slice(&[wrapper, 3, tag::ENUMERATED, 1, reason.code()]);
                }
            }
        }
    }
}

/// Octets of a GeneralizedTime element with seconds and `Z`.
pub(super) const GENERALIZED_TIME_LEN: usize = 17;

#[inline]
pub(super) fn put_generalized_time(out: &mut Vec<u8>, time: UnixTime) {
    put_tlv(out, tag::GENERALIZED_TIME, &time.to_generalized_time());
}
