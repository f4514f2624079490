//! A fresh key pair, and its form in a file.

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, ML_DSA_44_SIGNING, ML_DSA_65_SIGNING, PqdsaKeyPair,
        PqdsaSigningAlgorithm,
    },
};
use der::pem::LineEnding;
use pkcs8::{PrivateKeyInfoRef, SecretDocument, pkcs5::pbes2};
use zeroize::Zeroizing;

use super::KeyType;
use crate::signer::{Passphrase, PrivateKeyError, SoftwareSigner};

/// A private key that was just made: PKCS#8 in memory that is overwritten when dropped.
pub struct GeneratedKey {
    key_type: KeyType,
    pkcs8: SecretDocument,
}

impl KeyType {
    /// Makes a key pair with aws-lc-rs, whose generator the kernel seeds.
    ///
    /// RSA takes a tenth of a second to some seconds, the others microseconds.
    ///
    /// # Errors
    /// [`KeyGenerationError`].
    pub fn generate(self) -> Result<GeneratedKey, KeyGenerationError> {
        let failed = |_| KeyGenerationError { key_type: self };
        let ecdsa = |algorithm: &'static EcdsaSigningAlgorithm| {
            EcdsaKeyPair::generate(algorithm)
                .and_then(|key| key.to_pkcs8v1())
                .map_err(failed)
        };
        let rsa = |size: KeySize| -> Result<Pkcs8V1Der<'static>, _> {
            RsaKeyPair::generate(size)
                .and_then(|key| key.as_der())
                .map_err(failed)
        };
        // The seed alone, the form that RFC 9881 §6 recommends.
        let ml_dsa = |algorithm: &'static PqdsaSigningAlgorithm| {
            PqdsaKeyPair::generate(algorithm)
                .and_then(|key| key.to_pkcs8v1())
                .map_err(failed)
        };
        // Version 1, without the public key in it: OpenSSL 3.0 reads no version 2.
        let secret = |der: &[u8]| {
            SecretDocument::try_from(der).map_err(|_| KeyGenerationError { key_type: self })
        };
        let pkcs8 = match self {
            Self::EcP256 => secret(ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING)?.as_ref()),
            Self::EcP384 => secret(ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING)?.as_ref()),
            Self::Ed25519 => {
                let key = Ed25519KeyPair::generate().and_then(|key| key.to_pkcs8v1());
                secret(key.map_err(failed)?.as_ref())
            }
            Self::Rsa2048 => secret(rsa(KeySize::Rsa2048)?.as_ref()),
            Self::Rsa3072 => secret(rsa(KeySize::Rsa3072)?.as_ref()),
            Self::Rsa4096 => secret(rsa(KeySize::Rsa4096)?.as_ref()),
            Self::MlDsa44 => secret(ml_dsa(&ML_DSA_44_SIGNING)?.as_ref()),
            Self::MlDsa65 => secret(ml_dsa(&ML_DSA_65_SIGNING)?.as_ref()),
        }?;
        Ok(GeneratedKey {
            key_type: self,
            pkcs8,
        })
    }
}

impl GeneratedKey {
    /// Its kind.
    #[must_use]
    pub const fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The PrivateKeyInfo (RFC 5958 version 1) in DER.
    #[must_use]
    pub fn pkcs8(&self) -> &[u8] {
        self.pkcs8.as_bytes()
    }

    /// The key as a file holds it: `-----BEGIN PRIVATE KEY-----`, not encrypted.
    ///
    /// # Panics
    /// Never: PEM has no limit that a key could pass.
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        self.pkcs8
            .to_pem("PRIVATE KEY", LineEnding::LF)
            .expect("the label is PEM's, and a key has a few KiB")
    }

    /// The same, encrypted: PBES2 with PBKDF2-HMAC-SHA-256 and AES-256-CBC (RFC 8018),
    /// which every OpenSSL reads.
    ///
    /// # Errors
    /// [`KeyGenerationError`] when there is no randomness.
    pub fn to_encrypted_pem(
        &self,
        passphrase: &Passphrase,
    ) -> Result<Zeroizing<String>, KeyGenerationError> {
        let failed = || KeyGenerationError {
            key_type: self.key_type,
        };
        let (mut salt, mut iv) = ([0; 16], [0; 16]);
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| failed())?;
        aws_lc_rs::rand::fill(&mut iv).map_err(|_| failed())?;
        let parameters =
            pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(PBKDF2_ITERATIONS, &salt, iv)
                .map_err(|_| failed())?;
        PrivateKeyInfoRef::try_from(self.pkcs8())
            .and_then(|info| info.encrypt_with_params(parameters, passphrase.octets()))
            .map_err(|_| failed())?
            .to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF)
            .map_err(|_| failed())
    }

    /// A signer with this key.
    ///
    /// # Errors
    /// [`PrivateKeyError`] when the key that was made cannot be read again.
    pub fn signer(&self) -> Result<SoftwareSigner, PrivateKeyError> {
        SoftwareSigner::from_pkcs8(self.pkcs8())
    }
}

/// What OWASP advises for PBKDF2 with SHA-256; about a fifth of a second.
const PBKDF2_ITERATIONS: u32 = 600_000;

/// No key could be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the cryptographic library could not make an {key_type} key")]
pub struct KeyGenerationError {
    /// What was asked for.
    pub key_type: KeyType,
}
