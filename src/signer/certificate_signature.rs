//! Whether a certificate was signed by a given key (RFC 5280 §6.1.3 (a)(1)).

use aws_lc_rs::signature::UnparsedPublicKey;

use super::{
    Defect, SignatureAlgorithmError,
    public_key::{KeyKind, key_kind},
    signature_scheme::{SignatureScheme, oid},
};
use crate::asn1::Certificate;

/// Whether the key of `issuer` made the signature of `certificate`. Names and validity are not judged.
#[must_use]
pub fn is_signed_by(certificate: &Certificate, issuer: &Certificate) -> bool {
    check(certificate, issuer).is_ok()
}

/// Checks that the key of `issuer` made the signature of `certificate`. Names and validity are not
/// judged.
///
/// # Errors
/// What is wrong with the issuer's key, the algorithm or the signature.
pub fn check(certificate: &Certificate, issuer: &Certificate) -> Result<(), Defect> {
    let kind = key_kind(issuer.spki_der()).map_err(|reason| Defect::IssuerKey { reason })?;
    let key = (kind, issuer.public_key_octets());
    let algorithm = certificate.signature_algorithm_der();
    check_signature(
        key,
        algorithm,
        certificate.tbs_der(),
        certificate.signature(),
    )
}

/// Checks that a key, given by its kind and the octets of its BIT STRING, made the signature of
/// `message` with the algorithm of this AlgorithmIdentifier.
pub(crate) fn check_signature(
    key: (KeyKind, &[u8]),
    algorithm: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), Defect> {
    let (kind, octets) = key;
    let scheme = SignatureScheme::from_algorithm_der(algorithm)?;
    let verifier = scheme
        .verifier(kind)
        .ok_or_else(|| Defect::SignatureAlgorithm {
            algorithm: oid(algorithm),
        })?;
    UnparsedPublicKey::new(verifier, octets)
        .verify(message, signature)
        .map_err(|_| Defect::NotSignedByIssuer)
}

impl From<SignatureAlgorithmError> for Defect {
    fn from(error: SignatureAlgorithmError) -> Self {
        match error {
            SignatureAlgorithmError::Weak { algorithm } => Self::WeakSignature { algorithm },
            SignatureAlgorithmError::Unknown { algorithm } => {
                Self::SignatureAlgorithm { algorithm }
            }
        }
    }
}
