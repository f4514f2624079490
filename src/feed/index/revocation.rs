//! The revocation field: `date[,reason[,argument]]`, as `openssl ca` writes it.

use crate::{
    asn1::{CrlReason, TimeError, UnixTime},
    change::RevocationClaim,
};

use super::line::time;

/// Reads the third field of an R line.
///
/// `openssl ca` has pseudo reasons of its own. Its hold instruction is dropped, as RFC 5280
/// dropped the extension. `removeFromCRL` it writes only where a certificate that was valid is
/// revoked with that word as the reason; the certificate is revoked, and the word is no reason
/// that a full CRL or an OCSP answer may give (RFC 5280 §5.3.1), so none is given.
pub(super) fn revocation_claim(field: &[u8]) -> Result<RevocationClaim, RevocationError> {
    let mut parts = field.splitn(3, |octet| *octet == b',');
    let date = parts.next().unwrap_or_default();
    let time = time(date).map_err(RevocationError::Date)?;
    let reason = parts.next();
    let argument = parts.next();

    let Some(reason) = reason else {
        return Ok(claim(time, None));
    };
    let name = str::from_utf8(reason).unwrap_or_default();
    let is = |known: &str| name.eq_ignore_ascii_case(known);

    if is("holdInstruction") {
        argument
            .filter(|instruction| is_object_identifier(instruction))
            .ok_or(RevocationError::HoldInstruction)?;
        return Ok(claim(time, Some(CrlReason::CertificateHold)));
    }
    if is("keyTime") || is("CAkeyTime") {
        let compromised = UnixTime::from_generalized_time(argument.unwrap_or_default())
            .map_err(RevocationError::CompromiseTime)?;
        let reason = if is("keyTime") {
            CrlReason::KeyCompromise
        } else {
            CrlReason::CaCompromise
        };
        return Ok(RevocationClaim {
            invalidity_date: Some(compromised),
            ..claim(time, Some(reason))
        });
    }
    if argument.is_some() {
        return Err(RevocationError::Argument);
    }
    if is("unspecified") || is("removeFromCRL") {
        return Ok(claim(time, None));
    }
    CrlReason::from_name(name)
        .map(|reason| claim(time, Some(reason)))
        .ok_or(RevocationError::UnknownReason)
}

const fn claim(revocation_time: UnixTime, reason: Option<CrlReason>) -> RevocationClaim {
    RevocationClaim {
        revocation_time,
        reason,
        invalidity_date: None,
    }
}

/// Dotted numbers or a name that OpenSSL knows (`holdInstructionReject`): `openssl ca` writes back
/// what it was given. Only its form is judged, since nothing depends on it.
fn is_object_identifier(octets: &[u8]) -> bool {
    !octets.is_empty()
        && octets
            .iter()
            .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b' '))
}

/// Why the revocation of an R line is not applied.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// The date of revocation.
    #[error("the revocation date cannot be used: {0}")]
    Date(TimeError),
    /// A word that is no CRLReason and none of OpenSSL's pseudo reasons.
    #[error("the revocation reason is unknown")]
    UnknownReason,
    /// `holdInstruction` without an object identifier.
    #[error("holdInstruction is not followed by an object identifier")]
    HoldInstruction,
    /// `keyTime` or `CAkeyTime` without a GeneralizedTime.
    #[error("the time of the compromise cannot be used: {0}")]
    CompromiseTime(TimeError),
    /// Something behind a reason that takes nothing.
    #[error("the revocation reason is followed by a value that it does not take")]
    Argument,
}
