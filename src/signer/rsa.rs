//! RSA keys of 2048 to 4096 bits, signing with PKCS#1 v1.5 and SHA-256.

use aws_lc_rs::{
    digest::Digest,
    error::Unspecified,
    rand::SystemRandom,
    rsa::KeyPair as RsaKeyPair,
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};

use super::{
    PrivateKeyError, PublicKeyError,
    public_key::{bits, magnitude},
    software::KeyPair,
};
use crate::asn1::{Elements, SignatureAlgorithm, tag};

/// An RSA key.
pub(super) struct Rsa {
    key: RsaKeyPair,
    modulus_octets: u16,
}

impl Rsa {
    /// A key from a PKCS#8 document, in which `rsa_private_key` is the octets of privateKey.
    pub(super) fn new(pkcs8: &[u8], rsa_private_key: &[u8]) -> Result<Self, PrivateKeyError> {
        // Before aws-lc-rs, which refuses shorter keys as if they were damaged.
        let modulus = modulus(rsa_private_key).ok_or(PrivateKeyError::Malformed)?;
        let Ok(modulus_octets @ 256..=512) = u16::try_from(modulus.len()) else {
            let bits = bits(modulus);
            return Err(PublicKeyError::RsaSigningLength { bits }.into());
        };
        let key = RsaKeyPair::from_pkcs8(pkcs8)?;
        if key.public_modulus_len() != modulus.len() {
            return Err(PrivateKeyError::Rejected);
        }
        Ok(Self {
            key,
            modulus_octets,
        })
    }
}

/// The modulus in an `RSAPrivateKey ::= SEQUENCE { version, modulus INTEGER, … }` (RFC 8017 A.1.2).
fn modulus(rsa_private_key: &[u8]) -> Option<&[u8]> {
    let mut fields = Elements::inside(rsa_private_key, tag::SEQUENCE).ok()?;
    fields.integer().ok()?;
    magnitude(fields.integer().ok()?)
}

impl KeyPair for Rsa {
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RsaPkcs1Sha256 {
            modulus_octets: self.modulus_octets,
        }
    }

    fn public_key_octets(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), Unspecified> {
        // The caller has made `signature` as long as the modulus, which aws-lc-rs would panic about.
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, signature)
    }

    fn sign_digest(&self, digest: &Digest, signature: &mut [u8]) -> Result<(), Unspecified> {
        self.key.sign_digest(&RSA_PKCS1_SHA256, digest, signature)
    }
}
