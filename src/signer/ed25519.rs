//! Ed25519 keys.

use aws_lc_rs::{
    digest::Digest,
    error::{KeyRejected, Unspecified},
    signature::{Ed25519KeyPair, KeyPair as _},
};

use super::software::KeyPair;
use crate::asn1::SignatureAlgorithm;

/// An Ed25519 key.
pub(super) struct Ed25519(Ed25519KeyPair);

impl Ed25519 {
    pub(super) fn new(pkcs8: &[u8]) -> Result<Self, KeyRejected> {
        Ed25519KeyPair::from_pkcs8(pkcs8).map(Self)
    }
}

impl KeyPair for Ed25519 {
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::Ed25519
    }

    fn public_key_octets(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), Unspecified> {
        let made = self.0.try_sign(message)?;
        if made.as_ref().len() != signature.len() {
            return Err(Unspecified);
        }
        signature.copy_from_slice(made.as_ref());
        Ok(())
    }

    /// An Ed25519 signature is over the message (RFC 8032 §5.1.6).
    fn sign_digest(&self, _: &Digest, _: &mut [u8]) -> Result<(), Unspecified> {
        Err(Unspecified)
    }
}
