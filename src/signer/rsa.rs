//! RSA keys of 2048 to 4096 bits, signing with PKCS#1 v1.5 or PSS.

use aws_lc_rs::{
    digest::Digest,
    error::Unspecified,
    rand::SystemRandom,
    rsa::KeyPair as RsaKeyPair,
    signature::{
        KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RSA_PSS_SHA384, RsaSignatureEncoding,
    },
};

use super::{
    PrivateKeyError, PublicKeyError,
    public_key::{KeyKind, bits, magnitude},
    signature_scheme::Hash,
    software::KeyPair,
};
use crate::{
    asn1::{Elements, SignatureAlgorithm, tag},
    config::RsaSignature,
};

/// An RSA key with the way in which it signs.
pub(super) struct Rsa {
    key: RsaKeyPair,
    algorithm: SignatureAlgorithm,
    encoding: &'static RsaSignatureEncoding,
}

/// The way in which a key of this kind signs, if `asked` for one or not: a plain RSA key with PKCS#1 v1.5,
/// one for RSASSA-PSS with that.
fn way(kind: KeyKind, asked: Option<RsaSignature>) -> Result<RsaSignature, PrivateKeyError> {
    use RsaSignature::{Pkcs1, Pss, PssSha384};
    match (kind, asked) {
        (KeyKind::RsaPss(None | Some(Hash::Sha256)), None | Some(Pss))
        | (KeyKind::Rsa, Some(Pss)) => Ok(Pss),
        (KeyKind::RsaPss(Some(Hash::Sha384)), None)
        | (KeyKind::RsaPss(None | Some(Hash::Sha384)) | KeyKind::Rsa, Some(PssSha384)) => {
            Ok(PssSha384)
        }
        (KeyKind::RsaPss(Some(Hash::Sha512)), None) => Err(PrivateKeyError::PssSha512),
        (KeyKind::RsaPss(_), Some(_)) => Err(PrivateKeyError::BoundToPss),
        _ => Ok(Pkcs1),
    }
}

impl Rsa {
    /// A key whose `RSAPrivateKey` is `rsa_private_key`.
    pub(super) fn new(
        kind: KeyKind,
        rsa_private_key: &[u8],
        asked: Option<RsaSignature>,
    ) -> Result<Self, PrivateKeyError> {
        let way = way(kind, asked)?;
        // Before aws-lc-rs, which refuses shorter keys as if they were damaged.
        let modulus = modulus(rsa_private_key).ok_or(PrivateKeyError::Malformed)?;
        let Ok(modulus_octets @ 256..=512) = u16::try_from(modulus.len()) else {
            let bits = bits(modulus);
            return Err(PublicKeyError::RsaSigningLength { bits }.into());
        };
        let key = RsaKeyPair::from_der(rsa_private_key)?;
        if key.public_modulus_len() != modulus.len() {
            return Err(PrivateKeyError::Rejected);
        }
        let (algorithm, encoding): (_, &'static RsaSignatureEncoding) = match way {
            RsaSignature::Pkcs1 => (
                SignatureAlgorithm::RsaPkcs1Sha256 { modulus_octets },
                &RSA_PKCS1_SHA256,
            ),
            RsaSignature::Pss => (
                SignatureAlgorithm::RsaPssSha256 { modulus_octets },
                &RSA_PSS_SHA256,
            ),
            RsaSignature::PssSha384 => (
                SignatureAlgorithm::RsaPssSha384 { modulus_octets },
                &RSA_PSS_SHA384,
            ),
        };
        Ok(Self {
            key,
            algorithm,
            encoding,
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
        self.algorithm
    }

    fn public_key_octets(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), Unspecified> {
        // The caller has made `signature` as long as the modulus, which aws-lc-rs would panic about.
        self.key
            .sign(self.encoding, &SystemRandom::new(), message, signature)
    }

    fn sign_digest(&self, digest: &Digest, signature: &mut [u8]) -> Result<(), Unspecified> {
        self.key.sign_digest(self.encoding, digest, signature)
    }
}
