//! Whether a certificate was signed by a given key (RFC 5280 §6.1.3 (a)(1)).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1,
    ECDSA_P521_SHA512_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use const_oid::{
    ObjectIdentifier,
    db::rfc5912::{
        DSA_WITH_SHA_1, ID_RSASSA_PSS, MD_5_WITH_RSA_ENCRYPTION, SHA_1_WITH_RSA_ENCRYPTION,
    },
};
use der::Decode as _;
use hex_literal::hex;
use spki::AlgorithmIdentifierRef;

use super::{
    Defect,
    public_key::{KeyKind, key_kind},
};
use crate::asn1::Certificate;

/// Whether the key of `issuer` made the signature of `certificate`. Names and validity are not judged.
#[must_use]
pub fn is_signed_by(certificate: &Certificate, issuer: &Certificate) -> bool {
    check(certificate, issuer).is_ok()
}

/// Checks that the key of `issuer` made the signature of `certificate`.
pub(super) fn check(certificate: &Certificate, issuer: &Certificate) -> Result<(), Defect> {
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
    let verifier = verifier(kind, algorithm).ok_or_else(|| unusable(algorithm))?;
    UnparsedPublicKey::new(verifier, octets)
        .verify(message, signature)
        .map_err(|_| Defect::NotSignedByIssuer)
}

/// Each algorithm by its one AlgorithmIdentifier: parameters are compared, not interpreted.
fn verifier(kind: KeyKind, algorithm: &[u8]) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (kind, algorithm) {
        (KeyKind::P256, ECDSA_SHA256) => &ECDSA_P256_SHA256_ASN1,
        (KeyKind::P256, ECDSA_SHA384) => &ECDSA_P256_SHA384_ASN1,
        (KeyKind::P256, ECDSA_SHA512) => &ECDSA_P256_SHA512_ASN1,
        (KeyKind::P384, ECDSA_SHA256) => &ECDSA_P384_SHA256_ASN1,
        (KeyKind::P384, ECDSA_SHA384) => &ECDSA_P384_SHA384_ASN1,
        (KeyKind::P384, ECDSA_SHA512) => &ECDSA_P384_SHA512_ASN1,
        (KeyKind::P521, ECDSA_SHA256) => &ECDSA_P521_SHA256_ASN1,
        (KeyKind::P521, ECDSA_SHA384) => &ECDSA_P521_SHA384_ASN1,
        (KeyKind::P521, ECDSA_SHA512) => &ECDSA_P521_SHA512_ASN1,
        (KeyKind::Rsa, RSA_SHA256) => &RSA_PKCS1_2048_8192_SHA256,
        (KeyKind::Rsa, RSA_SHA384) => &RSA_PKCS1_2048_8192_SHA384,
        (KeyKind::Rsa, RSA_SHA512) => &RSA_PKCS1_2048_8192_SHA512,
        (KeyKind::Rsa, PSS_SHA256) => &RSA_PSS_2048_8192_SHA256,
        (KeyKind::Rsa, PSS_SHA384) => &RSA_PSS_2048_8192_SHA384,
        (KeyKind::Rsa, PSS_SHA512) => &RSA_PSS_2048_8192_SHA512,
        (KeyKind::Ed25519, ED25519_ALGORITHM) => &ED25519,
        _ => return None,
    })
}

/// Why there is no verifier for this AlgorithmIdentifier.
fn unusable(algorithm: &[u8]) -> Defect {
    let oid = AlgorithmIdentifierRef::from_der(algorithm).map(|algorithm| algorithm.oid);
    match oid {
        Ok(SHA_1_WITH_RSA_ENCRYPTION) => weak("sha1WithRSAEncryption"),
        Ok(ECDSA_WITH_SHA_1) => weak("ecdsa-with-SHA1"),
        Ok(DSA_WITH_SHA_1) => weak("dsa-with-SHA1"),
        Ok(MD_5_WITH_RSA_ENCRYPTION) => weak("md5WithRSAEncryption"),
        // The parameters decide; the default of each is SHA-1 (RFC 4055 §3.1).
        Ok(ID_RSASSA_PSS) => {
            weak("RSASSA-PSS with other parameters than SHA-256, -384 or -512 throughout")
        }
        oid => Defect::SignatureAlgorithm {
            algorithm: oid.unwrap_or(ObjectIdentifier::new_unwrap("0.0")),
        },
    }
}

/// RFC 3279 §2.2.3; the only one of its kind that `const-oid` does not list.
const ECDSA_WITH_SHA_1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.1");

const fn weak(algorithm: &'static str) -> Defect {
    Defect::WeakSignature { algorithm }
}

// RFC 5758 §3.2: parameters absent.
const ECDSA_SHA256: &[u8] = &hex!("300a 0608 2a8648ce3d040302");
const ECDSA_SHA384: &[u8] = &hex!("300a 0608 2a8648ce3d040303");
const ECDSA_SHA512: &[u8] = &hex!("300a 0608 2a8648ce3d040304");
// RFC 4055 §5: parameters NULL.
const RSA_SHA256: &[u8] = &hex!("300d 0609 2a864886f70d01010b 0500");
const RSA_SHA384: &[u8] = &hex!("300d 0609 2a864886f70d01010c 0500");
const RSA_SHA512: &[u8] = &hex!("300d 0609 2a864886f70d01010d 0500");
// The three that Mozilla's root store policy §5.1.1 allows: one hash throughout, salt as long as it.
const PSS_SHA256: &[u8] = &hex!(
    "3041 0609 2a864886f70d01010a 3034"
    "a00f 300d 0609 608648016503040201 0500"
    "a11c 301a 0609 2a864886f70d010108 300d 0609 608648016503040201 0500 a203 020120"
);
const PSS_SHA384: &[u8] = &hex!(
    "3041 0609 2a864886f70d01010a 3034"
    "a00f 300d 0609 608648016503040202 0500"
    "a11c 301a 0609 2a864886f70d010108 300d 0609 608648016503040202 0500 a203 020130"
);
const PSS_SHA512: &[u8] = &hex!(
    "3041 0609 2a864886f70d01010a 3034"
    "a00f 300d 0609 608648016503040203 0500"
    "a11c 301a 0609 2a864886f70d010108 300d 0609 608648016503040203 0500 a203 020140"
);
// RFC 8410 §3: parameters absent.
const ED25519_ALGORITHM: &[u8] = &hex!("3005 0603 2b6570");
