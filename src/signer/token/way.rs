//! How a token is asked for a signature of each algorithm.

use aws_lc_rs::digest::{self, Digest, digest};
use cryptoki::mechanism::{
    Mechanism, MechanismType,
    eddsa::{EddsaParams, EddsaSignatureScheme},
    rsa::{PkcsMgfType, PkcsPssParams},
};

use crate::asn1::SignatureAlgorithm;

/// A mechanism, and what of a message it is given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// CKM_ECDSA over a digest; gives r‖s.
    Ecdsa(&'static digest::Algorithm),
    /// CKM_ECDSA_SHA256 or _SHA384 over the message.
    EcdsaHashing(&'static digest::Algorithm),
    /// CKM_RSA_PKCS over a DigestInfo with SHA-256 (RFC 8017 §9.2).
    RsaPkcs1,
    /// CKM_SHA256_RSA_PKCS over the message.
    RsaPkcs1Hashing,
    /// CKM_RSA_PKCS_PSS over a digest, with a salt of its length.
    RsaPss(&'static digest::Algorithm),
    /// CKM_SHA256_RSA_PKCS_PSS or _SHA384 over the message.
    RsaPssHashing(&'static digest::Algorithm),
    /// CKM_EDDSA over the message, without parameters: Ed25519 (PKCS#11 3.0 §2.3.14).
    Ed25519,
}

impl Way {
    /// The ways to sign with an algorithm, the best first: those that take a digest, so that a long message
    /// does not travel to the token.
    pub(super) fn all(algorithm: SignatureAlgorithm) -> &'static [Self] {
        match algorithm {
            SignatureAlgorithm::EcdsaSha256P256 => &[
                Self::Ecdsa(&digest::SHA256),
                Self::EcdsaHashing(&digest::SHA256),
            ],
            SignatureAlgorithm::EcdsaSha384P384 => &[
                Self::Ecdsa(&digest::SHA384),
                Self::EcdsaHashing(&digest::SHA384),
            ],
            SignatureAlgorithm::RsaPkcs1Sha256 { .. } => &[Self::RsaPkcs1, Self::RsaPkcs1Hashing],
            SignatureAlgorithm::RsaPssSha256 { .. } => &[
                Self::RsaPss(&digest::SHA256),
                Self::RsaPssHashing(&digest::SHA256),
            ],
            SignatureAlgorithm::RsaPssSha384 { .. } => &[
                Self::RsaPss(&digest::SHA384),
                Self::RsaPssHashing(&digest::SHA384),
            ],
            SignatureAlgorithm::Ed25519 => &[Self::Ed25519],
            // No module is known that has them.
            SignatureAlgorithm::MlDsa44 | SignatureAlgorithm::MlDsa65 => &[],
        }
    }

    /// What the token is asked to do.
    pub(super) fn mechanism(self) -> Mechanism<'static> {
        match self {
            Self::Ecdsa(_) => Mechanism::Ecdsa,
            Self::EcdsaHashing(hash) if *hash == digest::SHA384 => Mechanism::EcdsaSha384,
            Self::EcdsaHashing(_) => Mechanism::EcdsaSha256,
            Self::RsaPkcs1 => Mechanism::RsaPkcs,
            Self::RsaPkcs1Hashing => Mechanism::Sha256RsaPkcs,
            Self::RsaPss(hash) => Mechanism::RsaPkcsPss(pss(hash)),
            Self::RsaPssHashing(hash) if *hash == digest::SHA384 => {
                Mechanism::Sha384RsaPkcsPss(pss(hash))
            }
            Self::RsaPssHashing(hash) => Mechanism::Sha256RsaPkcsPss(pss(hash)),
            Self::Ed25519 => Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure)),
        }
    }

    /// The name of that.
    pub(super) fn mechanism_type(self) -> MechanismType {
        self.mechanism().mechanism_type()
    }

    /// What the token is given of a message.
    pub(super) fn prepare(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ecdsa(hash) | Self::RsaPss(hash) => digest(hash, message).as_ref().to_vec(),
            Self::RsaPkcs1 => digest_info(digest(&digest::SHA256, message).as_ref()),
            Self::EcdsaHashing(_)
            | Self::RsaPkcs1Hashing
            | Self::RsaPssHashing(_)
            | Self::Ed25519 => message.to_vec(),
        }
    }

    /// The same of a message of which only the digest is there; `None` where the token wants the message, or
    /// another hash.
    pub(super) fn prepare_digest(self, digest: &Digest) -> Option<Vec<u8>> {
        match self {
            Self::Ecdsa(hash) | Self::RsaPss(hash) if digest.algorithm() == hash => {
                Some(digest.as_ref().to_vec())
            }
            Self::RsaPkcs1 if digest.algorithm() == &digest::SHA256 => {
                Some(digest_info(digest.as_ref()))
            }
            _ => None,
        }
    }
}

/// MGF1 over the same hash, and a salt as long as a digest: what RFC 4055 §3.1 recommends.
fn pss(hash: &digest::Algorithm) -> PkcsPssParams {
    if *hash == digest::SHA384 {
        PkcsPssParams {
            hash_alg: MechanismType::SHA384,
            mgf: PkcsMgfType::MGF1_SHA384,
            s_len: 48.into(),
        }
    } else {
        PkcsPssParams {
            hash_alg: MechanismType::SHA256,
            mgf: PkcsMgfType::MGF1_SHA256,
            s_len: 32.into(),
        }
    }
}

/// `DigestInfo ::= SEQUENCE { digestAlgorithm { id-sha256, NULL }, digest OCTET STRING }`
fn digest_info(digest: &[u8]) -> Vec<u8> {
    [SHA256_DIGEST_INFO, digest].concat()
}

/// RFC 8017 §9.2 note 1.
const SHA256_DIGEST_INFO: &[u8] = &[
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];
