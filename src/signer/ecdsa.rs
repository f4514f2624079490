//! ECDSA keys on P-256 and P-384.

use aws_lc_rs::{
    digest::Digest,
    error::{KeyRejected, Unspecified},
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        KeyPair as _,
    },
};

use super::software::KeyPair;
use crate::asn1::SignatureAlgorithm;

/// An ECDSA key with the hash that its curve is used with.
pub(super) struct Ecdsa {
    key: EcdsaKeyPair,
    algorithm: SignatureAlgorithm,
}

impl Ecdsa {
    /// A P-256 key, signing with SHA-256.
    pub(super) fn p256(pkcs8: &[u8]) -> Result<Self, KeyRejected> {
        Ok(Self {
            key: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)?,
            algorithm: SignatureAlgorithm::EcdsaSha256P256,
        })
    }

    /// A P-384 key, signing with SHA-384.
    pub(super) fn p384(pkcs8: &[u8]) -> Result<Self, KeyRejected> {
        Ok(Self {
            key: EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, pkcs8)?,
            algorithm: SignatureAlgorithm::EcdsaSha384P384,
        })
    }
}

impl KeyPair for Ecdsa {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn public_key_octets(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), Unspecified> {
        // aws-lc-rs draws the nonce from its own generator and ignores the one passed.
        let made = self.key.sign(&SystemRandom::new(), message)?;
        if made.as_ref().len() != signature.len() {
            return Err(Unspecified);
        }
        signature.copy_from_slice(made.as_ref());
        Ok(())
    }

    fn sign_digest(&self, digest: &Digest, signature: &mut [u8]) -> Result<(), Unspecified> {
        let made = self.key.sign_digest(digest)?;
        if made.as_ref().len() != signature.len() {
            return Err(Unspecified);
        }
        signature.copy_from_slice(made.as_ref());
        Ok(())
    }
}
