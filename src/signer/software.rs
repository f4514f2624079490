//! Signers whose key lies in memory: for tests, demos and CAs of low assurance.

use aws_lc_rs::error::{KeyRejected, Unspecified};
use pkcs8::PrivateKeyInfoRef;

use super::{
    PublicKeyError, Signer, SignerError,
    ecdsa::Ecdsa,
    public_key::KeyKind,
    second_opinion::{P256, SecondOpinion},
};
use crate::asn1::SignatureAlgorithm;

/// A key in memory, with the second opinion on what it signs.
///
/// Signing locks nothing, so that any number of threads can use one signer at full speed.
pub struct SoftwareSigner {
    key: Box<dyn KeyPair>,
    second_opinion: Option<SecondOpinion>,
}

/// A private key of some kind, as aws-lc-rs has it.
pub(super) trait KeyPair: Send + Sync {
    fn algorithm(&self) -> SignatureAlgorithm;
    fn public_key_octets(&self) -> &[u8];
    /// `signature` is as long as a signature.
    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), Unspecified>;
}

impl SoftwareSigner {
    /// A signer from an unencrypted PKCS#8 PrivateKeyInfo (RFC 5208, RFC 5958) in DER.
    ///
    /// # Errors
    /// [`PrivateKeyError`].
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, PrivateKeyError> {
        let info = PrivateKeyInfoRef::try_from(der).map_err(|_| PrivateKeyError::Malformed)?;
        let kind = KeyKind::from_algorithm(&info.algorithm)?;
        match kind {
            KeyKind::P256 => {
                let key = Ecdsa::p256(der)?;
                let verifier =
                    P256::new(key.public_key_octets()).ok_or(PrivateKeyError::Rejected)?;
                Ok(Self::new(
                    Box::new(key),
                    Some(SecondOpinion::new(Box::new(verifier))),
                ))
            }
            KeyKind::P384 => Ok(Self::new(Box::new(Ecdsa::p384(der)?), None)),
            KeyKind::P521 | KeyKind::Rsa | KeyKind::Ed25519 => Err(PublicKeyError::Algorithm {
                algorithm: info.algorithm.oid,
            }
            .into()),
        }
    }

    fn new(key: Box<dyn KeyPair>, second_opinion: Option<SecondOpinion>) -> Self {
        Self {
            key,
            second_opinion,
        }
    }
}

impl Signer for SoftwareSigner {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm()
    }

    fn public_key_octets(&self) -> &[u8] {
        self.key.public_key_octets()
    }

    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), SignerError> {
        let expected = self.algorithm().stored_len();
        if signature.len() != expected {
            return Err(SignerError::BufferLength {
                expected,
                actual: signature.len(),
            });
        }
        self.key
            .sign(message, signature)
            .map_err(|_| SignerError::Failed)?;
        let Some(second_opinion) = &self.second_opinion else {
            return Ok(());
        };
        second_opinion
            .review(message, signature)
            .inspect_err(|_| signature.fill(0))
    }
}

/// Why a PKCS#8 key is of no use here.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateKeyError {
    /// Not a PrivateKeyInfo.
    #[error("it is not a PKCS#8 private key")]
    Malformed,
    /// A kind of key that cannot sign here.
    #[error(transparent)]
    Kind(#[from] PublicKeyError),
    /// The numbers in it are no key.
    #[error("it is damaged, or its parts do not fit together")]
    Rejected,
}

impl From<KeyRejected> for PrivateKeyError {
    fn from(_: KeyRejected) -> Self {
        Self::Rejected
    }
}
