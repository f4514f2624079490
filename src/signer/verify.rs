//! Verification of what signers sign, by aws-lc-rs.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ML_DSA_44, ML_DSA_65,
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    UnparsedPublicKey, VerificationAlgorithm,
};

use crate::asn1::SignatureAlgorithm;

/// Whether `signature`, in the form in which it is stored (r‖s for ECDSA), is one of `message` by
/// the key with these BIT STRING octets.
#[must_use]
pub fn verify(
    algorithm: SignatureAlgorithm,
    public_key_octets: &[u8],
    message: &[u8],
    signature: &[u8],
) -> bool {
    UnparsedPublicKey::new(verification(algorithm), public_key_octets)
        .verify(message, signature)
        .is_ok()
}

/// How aws-lc-rs verifies signatures in stored form.
pub(super) fn verification(algorithm: SignatureAlgorithm) -> &'static dyn VerificationAlgorithm {
    match algorithm {
        SignatureAlgorithm::EcdsaSha256P256 => &ECDSA_P256_SHA256_FIXED,
        SignatureAlgorithm::EcdsaSha384P384 => &ECDSA_P384_SHA384_FIXED,
        SignatureAlgorithm::Ed25519 => &ED25519,
        SignatureAlgorithm::RsaPkcs1Sha256 { .. } => &RSA_PKCS1_2048_8192_SHA256,
        SignatureAlgorithm::RsaPssSha256 { .. } => &RSA_PSS_2048_8192_SHA256,
        SignatureAlgorithm::RsaPssSha384 { .. } => &RSA_PSS_2048_8192_SHA384,
        SignatureAlgorithm::MlDsa44 => &ML_DSA_44,
        SignatureAlgorithm::MlDsa65 => &ML_DSA_65,
    }
}
