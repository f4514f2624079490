//! ML-DSA keys (FIPS 204), pure and with an empty context as RFC 9881 §3 wants them in X.509.

use aws_lc_rs::{
    digest::Digest,
    error::{KeyRejected, Unspecified},
    signature::{KeyPair as _, ML_DSA_44_SIGNING, ML_DSA_65_SIGNING, PqdsaKeyPair},
};

use super::software::KeyPair;
use crate::asn1::SignatureAlgorithm;

/// An ML-DSA key with its parameter set.
pub(super) struct MlDsa {
    key: PqdsaKeyPair,
    algorithm: SignatureAlgorithm,
}

impl MlDsa {
    /// An ML-DSA-44 key. All forms of RFC 9881 §6 are read: the seed, the expanded key, or both, which have
    /// to agree.
    pub(super) fn ml_dsa_44(pkcs8: &[u8]) -> Result<Self, KeyRejected> {
        Ok(Self {
            key: PqdsaKeyPair::from_pkcs8(&ML_DSA_44_SIGNING, pkcs8)?,
            algorithm: SignatureAlgorithm::MlDsa44,
        })
    }

    /// The same for ML-DSA-65.
    pub(super) fn ml_dsa_65(pkcs8: &[u8]) -> Result<Self, KeyRejected> {
        Ok(Self {
            key: PqdsaKeyPair::from_pkcs8(&ML_DSA_65_SIGNING, pkcs8)?,
            algorithm: SignatureAlgorithm::MlDsa65,
        })
    }
}

impl KeyPair for MlDsa {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn public_key_octets(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), Unspecified> {
        // Hedged (FIPS 204 §3.4): aws-lc-rs draws 32 octets for each signature.
        let made = self.key.sign(message, signature)?;
        if made == signature.len() {
            Ok(())
        } else {
            Err(Unspecified)
        }
    }

    /// What is signed begins with a hash of the public key (FIPS 204 algorithm 7), and the pre-hashed
    /// HashML-DSA is forbidden here (RFC 9881 §8.3).
    fn sign_digest(&self, _: &Digest, _: &mut [u8]) -> Result<(), Unspecified> {
        Err(Unspecified)
    }
}
