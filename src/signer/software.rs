//! Signers whose key lies in memory: for tests, demos and CAs of low assurance.

use aws_lc_rs::{
    digest::Digest,
    error::{KeyRejected, Unspecified},
};
use const_oid::db::rfc5912::SECP_521_R_1;
use pkcs8::PrivateKeyInfoRef;

use super::{
    PublicKeyError, Signer, SignerError, ecdsa::Ecdsa, ed25519::Ed25519, message_digest,
    public_key::KeyKind, rsa::Rsa, second_opinion::SecondOpinion,
};
use crate::asn1::SignatureAlgorithm;

/// A key in memory, with the second opinion on what it signs.
///
/// Signing locks nothing, so that any number of threads can use one signer at full speed.
pub struct SoftwareSigner {
    key: Box<dyn KeyPair>,
    second_opinion: SecondOpinion,
}

/// A private key of some kind, as aws-lc-rs has it.
pub(super) trait KeyPair: Send + Sync {
    fn algorithm(&self) -> SignatureAlgorithm;
    fn public_key_octets(&self) -> &[u8];
    /// `signature` is as long as a signature.
    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), Unspecified>;
    /// The same over a digest of the message. Fails where the algorithm signs none.
    fn sign_digest(&self, digest: &Digest, signature: &mut [u8]) -> Result<(), Unspecified>;
}

impl SoftwareSigner {
    /// A signer from an unencrypted PKCS#8 PrivateKeyInfo (RFC 5208, RFC 5958) in DER.
    ///
    /// # Errors
    /// [`PrivateKeyError`].
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, PrivateKeyError> {
        let info = PrivateKeyInfoRef::try_from(der).map_err(|_| PrivateKeyError::Malformed)?;
        let kind = KeyKind::from_algorithm(&info.algorithm)?;
        let key: Box<dyn KeyPair> = match kind {
            KeyKind::P256 => Box::new(Ecdsa::p256(der)?),
            KeyKind::P384 => Box::new(Ecdsa::p384(der)?),
            KeyKind::P521 => {
                return Err(PublicKeyError::Curve {
                    curve: SECP_521_R_1,
                }
                .into());
            }
            KeyKind::Rsa => Box::new(Rsa::new(der, info.private_key.as_bytes())?),
            KeyKind::Ed25519 => Box::new(Ed25519::new(der)?),
        };
        let second_opinion = SecondOpinion::for_key(key.algorithm(), key.public_key_octets())
            .ok_or(PrivateKeyError::Rejected)?;
        Ok(Self {
            key,
            second_opinion,
        })
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
        self.check_len(signature)?;
        self.key
            .sign(message, signature)
            .map_err(|_| SignerError::Failed)?;
        self.second_opinion
            .review(message, signature)
            .inspect_err(|_| signature.fill(0))
    }

    fn sign_digest(&self, digest: &Digest, signature: &mut [u8]) -> Result<(), SignerError> {
        self.check_len(signature)?;
        if message_digest(self.algorithm()) != Some(digest.algorithm()) {
            return Err(SignerError::NeedsMessage);
        }
        // The second opinion judges messages: whoever signs digests verifies each signature.
        self.key
            .sign_digest(digest, signature)
            .map_err(|_| SignerError::Failed)
    }

    fn computes_here(&self) -> bool {
        true
    }
}

impl SoftwareSigner {
    fn check_len(&self, signature: &[u8]) -> Result<(), SignerError> {
        let (expected, actual) = (self.algorithm().stored_len(), signature.len());
        if actual == expected {
            Ok(())
        } else {
            Err(SignerError::BufferLength { expected, actual })
        }
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

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use proptest::prelude::*;

    use super::*;
    use crate::signer::{
        key_file,
        test_pki::{EC_P256, EC_P384, EC_P521, ED25519, Pki, RSA_2048},
        verify,
    };

    fn supported() -> [(&'static [&'static str], SignatureAlgorithm); 5] {
        let rsa = |modulus_octets| SignatureAlgorithm::RsaPkcs1Sha256 { modulus_octets };
        [
            (EC_P256, SignatureAlgorithm::EcdsaSha256P256),
            (EC_P384, SignatureAlgorithm::EcdsaSha384P384),
            (ED25519, SignatureAlgorithm::Ed25519),
            (RSA_2048, rsa(256)),
            // Not a whole number of limbs.
            (&["RSA", "-pkeyopt", "rsa_keygen_bits:3080"], rsa(385)),
        ]
    }

    #[test]
    fn signatures_of_every_algorithm_are_accepted_by_openssl_and_both_implementations() {
        let pki = Pki::new();
        for (arguments, algorithm) in supported() {
            pki.key("k", arguments);
            let signer = pki.signer("k");
            assert_eq!(signer.algorithm(), algorithm);

            let mut signature = vec![0; algorithm.stored_len()];
            for message in [&b"m"[..], &[0xa5; 5_000]] {
                signer.sign(message, &mut signature).unwrap();
                assert!(verify(
                    algorithm,
                    signer.public_key_octets(),
                    message,
                    &signature
                ));
                let opinion =
                    SecondOpinion::for_key(algorithm, signer.public_key_octets()).unwrap();
                for _ in 0..256 {
                    opinion.review(message, &signature).unwrap();
                }
                assert!(
                    openssl_accepts(&pki, algorithm, message, &signature),
                    "{algorithm}"
                );
            }
        }
    }

    fn openssl_accepts(
        pki: &Pki,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let der = if algorithm.is_ecdsa() {
            let signature = crate::asn1::EcdsaSignature::from_r_s(signature).unwrap();
            signature.to_der()
        } else {
            signature.to_vec()
        };
        std::fs::write(pki.path("message"), message).unwrap();
        std::fs::write(pki.path("signature"), der).unwrap();
        pki.openssl(&["pkey", "-in", "k.key", "-pubout", "-out", "k.pub"]);
        let digest: &[&str] = match algorithm {
            SignatureAlgorithm::Ed25519 => &[],
            SignatureAlgorithm::EcdsaSha384P384 => &["-digest", "sha384"],
            _ => &["-digest", "sha256"],
        };
        let fixed = [
            "pkeyutl",
            "-verify",
            "-pubin",
            "-inkey",
            "k.pub",
            "-rawin",
            "-in",
            "message",
            "-sigfile",
            "signature",
        ];
        pki.openssl(&[&fixed, digest].concat());
        true
    }

    #[test]
    fn keys_that_cannot_sign_here_are_refused_with_the_reason() {
        let pki = Pki::new();
        for (arguments, reason) in [
            (EC_P521, "1.3.132.0.35"),
            (
                &["EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
                "1.3.132.0.10",
            ),
            (&["RSA", "-pkeyopt", "rsa_keygen_bits:1024"], "1024 bits"),
            (&["RSA", "-pkeyopt", "rsa_keygen_bits:4104"], "4104 bits"),
            (
                &["RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"],
                "1.2.840.113549.1.1.10",
            ),
            (&["ED448"], "1.3.101.113"),
            (&["X25519"], "1.3.101.110"),
        ] {
            pki.key("k", arguments);
            let file = key_file::read(&pki.path("k.key"), None).unwrap();
            let error = SoftwareSigner::from_pkcs8(file.pkcs8.as_bytes())
                .err()
                .unwrap();
            assert!(error.to_string().contains(reason), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn a_buffer_of_another_length_is_an_error() {
        let pki = Pki::new();
        for (arguments, algorithm) in supported() {
            pki.key("k", arguments);
            let signer = pki.signer("k");
            let expected = algorithm.stored_len();
            for actual in [0, expected - 1, expected + 1] {
                assert_eq!(
                    signer.sign(b"message", &mut vec![0; actual]),
                    Err(SignerError::BufferLength { expected, actual })
                );
            }
        }
    }

    /// A key whose signatures go wrong, as on a damaged machine, from some moment on.
    struct Failing(Ecdsa, Arc<AtomicBool>);

    impl KeyPair for Failing {
        fn algorithm(&self) -> SignatureAlgorithm {
            self.0.algorithm()
        }
        fn public_key_octets(&self) -> &[u8] {
            self.0.public_key_octets()
        }
        fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), Unspecified> {
            self.0.sign(message, signature)?;
            signature[40] ^= u8::from(self.1.load(Ordering::Relaxed));
            Ok(())
        }
        fn sign_digest(&self, digest: &Digest, signature: &mut [u8]) -> Result<(), Unspecified> {
            self.0.sign_digest(digest, signature)
        }
    }

    #[test]
    fn a_key_whose_signatures_go_wrong_is_stopped_within_256_of_them() {
        let pki = Pki::new();
        pki.key("k", EC_P256);
        let file = key_file::read(&pki.path("k.key"), None).unwrap();
        let is_failing = Arc::new(AtomicBool::new(false));
        let key = Failing(
            Ecdsa::p256(file.pkcs8.as_bytes()).unwrap(),
            Arc::clone(&is_failing),
        );
        let second_opinion = SecondOpinion::for_key(key.algorithm(), key.public_key_octets());
        let signer = SoftwareSigner {
            key: Box::new(key),
            second_opinion: second_opinion.unwrap(),
        };
        let mut signature = [0; 64];
        for _ in 0..600 {
            signer.sign(b"message", &mut signature).unwrap();
        }
        is_failing.store(true, Ordering::Relaxed);
        let stopped = (0..256).find(|_| signer.sign(b"message", &mut signature).is_err());
        assert!(stopped.is_some());
        assert_eq!(signature, [0; 64], "what was refused is not handed out");
        // Latched, although the fault is gone.
        is_failing.store(false, Ordering::Relaxed);
        for _ in 0..600 {
            let again = signer.sign(b"message", &mut signature);
            assert_eq!(again, Err(SignerError::SecondOpinion));
        }
    }

    proptest! {
        /// Both implementations refuse what was not signed, for every algorithm.
        #[test]
        fn changed_signatures_and_messages_are_refused_by_both(
            at in any::<proptest::sample::Index>(), bit in 0..8_u32,
        ) {
            thread_local! {
                static SIGNERS: Vec<SoftwareSigner> = {
                    let pki = Pki::new();
                    supported().map(|(arguments, _)| { pki.key("k", arguments); pki.signer("k") }).into()
                };
            }
            SIGNERS.with(|signers| for signer in signers {
                let (algorithm, key) = (signer.algorithm(), signer.public_key_octets());
                let mut signature = vec![0; algorithm.stored_len()];
                signer.sign(b"message", &mut signature).unwrap();
                let refuses = |message: &[u8], signature: &[u8]| {
                    let opinion = SecondOpinion::for_key(algorithm, key).unwrap();
                    !verify(algorithm, key, message, signature)
                        && (0..256).any(|_| opinion.review(message, signature).is_err())
                };
                assert!(refuses(b"another", &signature));
                *at.get_mut(&mut signature) ^= 1 << bit;
                assert!(refuses(b"message", &signature));
            });
        }
    }
}
