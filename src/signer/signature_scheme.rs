//! The ways of signing that certificates and CRLs are verified by, each with its one
//! AlgorithmIdentifier.

use aws_lc_rs::{
    digest,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1,
        ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1,
        ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ED25519,
        ML_DSA_44 as VERIFIES_ML_DSA_44, ML_DSA_65 as VERIFIES_ML_DSA_65,
        ML_DSA_87 as VERIFIES_ML_DSA_87, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
        RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
        RSA_PSS_2048_8192_SHA512, VerificationAlgorithm,
    },
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

use super::public_key::KeyKind;
use crate::asn1::{ML_DSA_44, ML_DSA_65, ML_DSA_87, PSS_SHA256, PSS_SHA384, PSS_SHA512};

/// What an AlgorithmIdentifier names; the key decides the rest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SignatureScheme {
    Ecdsa(Hash),
    RsaPkcs1(Hash),
    RsaPss(Hash),
    Ed25519,
    MlDsa44,
    MlDsa65,
    MlDsa87,
}

/// The hash that is signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl SignatureScheme {
    /// The scheme with exactly this AlgorithmIdentifier: parameters are compared, not interpreted.
    pub(super) fn from_algorithm_der(algorithm: &[u8]) -> Result<Self, SignatureAlgorithmError> {
        match algorithm {
            ECDSA_SHA256 => Ok(Self::Ecdsa(Hash::Sha256)),
            ECDSA_SHA384 => Ok(Self::Ecdsa(Hash::Sha384)),
            ECDSA_SHA512 => Ok(Self::Ecdsa(Hash::Sha512)),
            RSA_SHA256 => Ok(Self::RsaPkcs1(Hash::Sha256)),
            RSA_SHA384 => Ok(Self::RsaPkcs1(Hash::Sha384)),
            RSA_SHA512 => Ok(Self::RsaPkcs1(Hash::Sha512)),
            PSS_SHA256 => Ok(Self::RsaPss(Hash::Sha256)),
            PSS_SHA384 => Ok(Self::RsaPss(Hash::Sha384)),
            PSS_SHA512 => Ok(Self::RsaPss(Hash::Sha512)),
            ED25519_ALGORITHM => Ok(Self::Ed25519),
            ML_DSA_44 => Ok(Self::MlDsa44),
            ML_DSA_65 => Ok(Self::MlDsa65),
            ML_DSA_87 => Ok(Self::MlDsa87),
            _ => Err(unusable(algorithm)),
        }
    }

    /// What verifies such a signature of a key of this kind; `None` for a key that cannot make one.
    pub(super) fn verifier(self, kind: KeyKind) -> Option<&'static dyn VerificationAlgorithm> {
        use Hash::{Sha256, Sha384, Sha512};
        Some(match (kind, self) {
            (KeyKind::P256, Self::Ecdsa(Sha256)) => &ECDSA_P256_SHA256_ASN1,
            (KeyKind::P256, Self::Ecdsa(Sha384)) => &ECDSA_P256_SHA384_ASN1,
            (KeyKind::P256, Self::Ecdsa(Sha512)) => &ECDSA_P256_SHA512_ASN1,
            (KeyKind::P384, Self::Ecdsa(Sha256)) => &ECDSA_P384_SHA256_ASN1,
            (KeyKind::P384, Self::Ecdsa(Sha384)) => &ECDSA_P384_SHA384_ASN1,
            (KeyKind::P384, Self::Ecdsa(Sha512)) => &ECDSA_P384_SHA512_ASN1,
            (KeyKind::P521, Self::Ecdsa(Sha256)) => &ECDSA_P521_SHA256_ASN1,
            (KeyKind::P521, Self::Ecdsa(Sha384)) => &ECDSA_P521_SHA384_ASN1,
            (KeyKind::P521, Self::Ecdsa(Sha512)) => &ECDSA_P521_SHA512_ASN1,
            (KeyKind::Rsa, Self::RsaPkcs1(Sha256)) => &RSA_PKCS1_2048_8192_SHA256,
            (KeyKind::Rsa, Self::RsaPkcs1(Sha384)) => &RSA_PKCS1_2048_8192_SHA384,
            (KeyKind::Rsa, Self::RsaPkcs1(Sha512)) => &RSA_PKCS1_2048_8192_SHA512,
            (KeyKind::Rsa | KeyKind::RsaPss(None | Some(Sha256)), Self::RsaPss(Sha256)) => {
                &RSA_PSS_2048_8192_SHA256
            }
            (KeyKind::Rsa | KeyKind::RsaPss(None | Some(Sha384)), Self::RsaPss(Sha384)) => {
                &RSA_PSS_2048_8192_SHA384
            }
            (KeyKind::Rsa | KeyKind::RsaPss(None | Some(Sha512)), Self::RsaPss(Sha512)) => {
                &RSA_PSS_2048_8192_SHA512
            }
            (KeyKind::Ed25519, Self::Ed25519) => &ED25519,
            (KeyKind::MlDsa44, Self::MlDsa44) => &VERIFIES_ML_DSA_44,
            (KeyKind::MlDsa65, Self::MlDsa65) => &VERIFIES_ML_DSA_65,
            (KeyKind::MlDsa87, Self::MlDsa87) => &VERIFIES_ML_DSA_87,
            _ => return None,
        })
    }

    /// The hash that is signed; `None` for Ed25519, which hashes the message twice (RFC 8032 §5.1.7), and
    /// for ML-DSA, which hashes it behind a hash of the key (FIPS 204 algorithm 7).
    pub(super) const fn digest(self) -> Option<&'static digest::Algorithm> {
        match self {
            Self::Ecdsa(hash) | Self::RsaPkcs1(hash) | Self::RsaPss(hash) => Some(match hash {
                Hash::Sha256 => &digest::SHA256,
                Hash::Sha384 => &digest::SHA384,
                Hash::Sha512 => &digest::SHA512,
            }),
            Self::Ed25519 | Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => None,
        }
    }
}

/// Why there is no scheme for this AlgorithmIdentifier.
fn unusable(algorithm: &[u8]) -> SignatureAlgorithmError {
    let weak = |algorithm| SignatureAlgorithmError::Weak { algorithm };
    match oid(algorithm) {
        SHA_1_WITH_RSA_ENCRYPTION => weak("sha1WithRSAEncryption"),
        ECDSA_WITH_SHA_1 => weak("ecdsa-with-SHA1"),
        DSA_WITH_SHA_1 => weak("dsa-with-SHA1"),
        MD_2_WITH_RSA_ENCRYPTION => weak("md2WithRSAEncryption"),
        MD_5_WITH_RSA_ENCRYPTION => weak("md5WithRSAEncryption"),
        // The parameters decide; the default of each is SHA-1 (RFC 4055 §3.1).
        ID_RSASSA_PSS => {
            weak("RSASSA-PSS with other parameters than SHA-256, -384 or -512 throughout")
        }
        algorithm => SignatureAlgorithmError::Unknown { algorithm },
    }
}

/// The OID of an AlgorithmIdentifier; 0.0 when it cannot be read.
pub(super) fn oid(algorithm: &[u8]) -> ObjectIdentifier {
    AlgorithmIdentifierRef::from_der(algorithm)
        .map_or(ObjectIdentifier::new_unwrap("0.0"), |algorithm| {
            algorithm.oid
        })
}

/// Why a signature with some AlgorithmIdentifier is not verified.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureAlgorithmError {
    /// With a broken hash.
    #[error("{algorithm}, which is refused as weak")]
    Weak {
        /// The algorithm.
        algorithm: &'static str,
    },
    /// With an algorithm that is not known.
    #[error("the algorithm {algorithm}, which is not supported")]
    Unknown {
        /// The OID; 0.0 when it cannot be read.
        algorithm: ObjectIdentifier,
    },
}

/// RFC 3279 §2.2.3 and §2.2.1; `const-oid` does not list them.
const ECDSA_WITH_SHA_1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.1");
const MD_2_WITH_RSA_ENCRYPTION: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.2");

// RFC 5758 §3.2: parameters absent.
const ECDSA_SHA256: &[u8] = &hex!("300a 0608 2a8648ce3d040302");
const ECDSA_SHA384: &[u8] = &hex!("300a 0608 2a8648ce3d040303");
const ECDSA_SHA512: &[u8] = &hex!("300a 0608 2a8648ce3d040304");
// RFC 4055 §5: parameters NULL.
const RSA_SHA256: &[u8] = &hex!("300d 0609 2a864886f70d01010b 0500");
const RSA_SHA384: &[u8] = &hex!("300d 0609 2a864886f70d01010c 0500");
const RSA_SHA512: &[u8] = &hex!("300d 0609 2a864886f70d01010d 0500");
// RFC 8410 §3: parameters absent.
const ED25519_ALGORITHM: &[u8] = &hex!("3005 0603 2b6570");
