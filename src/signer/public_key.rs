//! SubjectPublicKeyInfo: which key a certificate carries (RFC 5280 §4.1.2.7).

use const_oid::{
    ObjectIdentifier,
    db::{
        fips204::{ID_ML_DSA_44, ID_ML_DSA_65, ID_ML_DSA_87},
        rfc5912::{
            ID_EC_PUBLIC_KEY, ID_RSASSA_PSS, RSA_ENCRYPTION, SECP_256_R_1, SECP_384_R_1,
            SECP_521_R_1,
        },
        rfc8410::ID_ED_25519,
    },
};
use der::{Decode as _, Tag, Tagged as _};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use super::{pss_parameters, signature_scheme::Hash};
use crate::asn1::{Elements, tag};

/// The kinds of keys that certificates and keys are checked for here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum KeyKind {
    P256,
    P384,
    P521,
    Rsa,
    /// An RSA key for RSASSA-PSS alone, with the hash that it is bound to if it is (RFC 4055 §3.1).
    RsaPss(Option<Hash>),
    Ed25519,
    MlDsa44,
    MlDsa65,
    MlDsa87,
}

impl KeyKind {
    /// The kind of key that an AlgorithmIdentifier in a SubjectPublicKeyInfo or PKCS#8 names.
    pub(super) fn from_algorithm(
        algorithm: &AlgorithmIdentifierRef<'_>,
    ) -> Result<Self, PublicKeyError> {
        match algorithm.oid {
            ID_EC_PUBLIC_KEY => match algorithm.parameters {
                // RFC 5480 §2.1.1: in PKIX only a named curve.
                Some(curve) if curve.tag() == Tag::ObjectIdentifier => {
                    match curve.decode_as::<ObjectIdentifier>() {
                        Ok(SECP_256_R_1) => Ok(Self::P256),
                        Ok(SECP_384_R_1) => Ok(Self::P384),
                        Ok(SECP_521_R_1) => Ok(Self::P521),
                        Ok(curve) => Err(PublicKeyError::Curve { curve }),
                        Err(_) => Err(PublicKeyError::Malformed),
                    }
                }
                _ => Err(PublicKeyError::ExplicitCurve),
            },
            RSA_ENCRYPTION => Ok(Self::Rsa),
            ID_RSASSA_PSS => match algorithm.parameters {
                None => Ok(Self::RsaPss(None)),
                Some(parameters) if parameters.tag() == Tag::Sequence => {
                    pss_parameters::hash(parameters.value())
                        .map(|hash| Self::RsaPss(Some(hash)))
                        .ok_or(PublicKeyError::PssParameters)
                }
                Some(_) => Err(PublicKeyError::Malformed),
            },
            ID_ED_25519 => Ok(Self::Ed25519),
            // RFC 9881 §2: absent, and a key with any is another, unknown one.
            ID_ML_DSA_44 | ID_ML_DSA_65 | ID_ML_DSA_87 if algorithm.parameters.is_some() => {
                Err(PublicKeyError::Malformed)
            }
            ID_ML_DSA_44 => Ok(Self::MlDsa44),
            ID_ML_DSA_65 => Ok(Self::MlDsa65),
            ID_ML_DSA_87 => Ok(Self::MlDsa87),
            algorithm => Err(PublicKeyError::Algorithm { algorithm }),
        }
    }
}

/// The kind of key in a SubjectPublicKeyInfo.
pub(crate) fn key_kind(spki_der: &[u8]) -> Result<KeyKind, PublicKeyError> {
    let spki =
        SubjectPublicKeyInfoRef::from_der(spki_der).map_err(|_| PublicKeyError::Malformed)?;
    let kind = KeyKind::from_algorithm(&spki.algorithm)?;
    let octets = spki.subject_public_key.raw_bytes();
    match kind {
        KeyKind::P256 | KeyKind::P384 | KeyKind::P521 => match octets.first() {
            Some(0x04) => Ok(kind),
            _ => Err(PublicKeyError::CompressedPoint),
        },
        KeyKind::Rsa | KeyKind::RsaPss(_) => {
            let (modulus, _) = rsa_numbers(octets).ok_or(PublicKeyError::Malformed)?;
            let bits = bits(modulus);
            if (RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
                Ok(kind)
            } else {
                Err(PublicKeyError::RsaLength { bits })
            }
        }
        KeyKind::Ed25519 => Ok(kind),
        KeyKind::MlDsa44 => of_length(kind, octets, 1_312),
        KeyKind::MlDsa65 => of_length(kind, octets, 1_952),
        KeyKind::MlDsa87 => of_length(kind, octets, 2_592),
    }
}

/// FIPS 204 table 2.
const fn of_length(
    kind: KeyKind,
    octets: &[u8],
    expected: usize,
) -> Result<KeyKind, PublicKeyError> {
    if octets.len() == expected {
        Ok(kind)
    } else {
        Err(PublicKeyError::Malformed)
    }
}

/// Modulus and exponent, without leading zeros, of an `RSAPublicKey ::= SEQUENCE { modulus INTEGER,
/// publicExponent INTEGER }` (RFC 8017 A.1.1).
pub(crate) fn rsa_numbers(rsa_public_key: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut fields = Elements::inside(rsa_public_key, tag::SEQUENCE).ok()?;
    let (modulus, exponent) = (fields.integer().ok()?, fields.integer().ok()?);
    fields.finish().ok()?;
    Some((magnitude(modulus)?, magnitude(exponent)?))
}

/// A positive INTEGER's content without its sign octet.
pub(super) const fn magnitude(integer: &[u8]) -> Option<&[u8]> {
    match integer {
        [0x00, magnitude @ ..] if !magnitude.is_empty() => Some(magnitude),
        [0x01..=0x7f, ..] => Some(integer),
        _ => None,
    }
}

/// How many bits a number has that begins with its first octet that is not zero.
pub(super) fn bits(number: &[u8]) -> u32 {
    let leading = number.first().map_or(0, |first| first.leading_zeros());
    let octets = u32::try_from(number.len()).unwrap_or(u32::MAX);
    octets.saturating_mul(8).saturating_sub(leading)
}

/// BR §6.1.5 for the least; aws-lc-rs verifies up to 8192.
const RSA_BITS_MIN: u32 = 2048;
const RSA_BITS_MAX: u32 = 8192;

/// Why a key is of no use here.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// Not a SubjectPublicKeyInfo.
    #[error("its SubjectPublicKeyInfo is malformed")]
    Malformed,
    /// A kind of key that is not supported.
    #[error(
        "keys of algorithm {algorithm} are not supported: use EC P-256 or P-384, Ed25519, RSA, \
         ML-DSA-44 or ML-DSA-65"
    )]
    Algorithm {
        /// The algorithm's OID.
        algorithm: ObjectIdentifier,
    },
    /// A curve that is not supported.
    #[error("EC keys on the curve {curve} are not supported: use P-256 or P-384")]
    Curve {
        /// The curve's OID.
        curve: ObjectIdentifier,
    },
    /// A curve spelled out, which RFC 5480 §2.1.1 forbids.
    #[error("its EC key spells out the curve, which RFC 5480 §2.1.1 forbids: use a named curve")]
    ExplicitCurve,
    /// Too short to be safe, or too long to be verified.
    #[error("its RSA key has {bits} bits: 2048 to 8192 are supported")]
    RsaLength {
        /// The length of the modulus.
        bits: u32,
    },
    /// An RSA key whose signatures would be too short to be safe or too long for a response.
    #[error("its RSA key has {bits} bits: keys that sign have 2048 to 4096")]
    RsaSigningLength {
        /// The length of the modulus.
        bits: u32,
    },
    /// An RSASSA-PSS key that is bound to hashes which are refused, or to different ones.
    #[error(
        "its RSASSA-PSS key is bound to other parameters than SHA-256, SHA-384 or SHA-512 throughout, \
         with a salt no longer than the hash: have one made with the same hash for the message and \
         for MGF1 (in OpenSSL rsa_pss_keygen_md and rsa_pss_keygen_mgf1_md), or a plain RSA key"
    )]
    PssParameters,
    /// A compressed point.
    #[error(
        "its EC key is a compressed point, which many clients cannot read: use uncompressed form"
    )]
    CompressedPoint,
}
