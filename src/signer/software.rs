//! Signers whose key lies in memory: for tests, demos and CAs of low assurance.

use aws_lc_rs::{
    digest::Digest,
    error::{KeyRejected, Unspecified},
};
use const_oid::db::{fips204::ID_ML_DSA_87, rfc5912::SECP_521_R_1};
use pkcs8::PrivateKeyInfoRef;

use super::{
    PublicKeyError, Signer, SignerError, ecdsa::Ecdsa, ed25519::Ed25519, message_digest,
    ml_dsa::MlDsa, public_key::KeyKind, rsa::Rsa, second_opinion::SecondOpinion,
};
use crate::{asn1::SignatureAlgorithm, config::RsaSignature};

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
        Self::from_pkcs8_signing(der, None)
    }

    /// The same with the way in which an RSA key is to sign; by default a plain one signs with PKCS#1 v1.5
    /// and one for RSASSA-PSS with that.
    ///
    /// # Errors
    /// [`PrivateKeyError`].
    pub fn from_pkcs8_signing(
        der: &[u8],
        signature: Option<RsaSignature>,
    ) -> Result<Self, PrivateKeyError> {
        let info = PrivateKeyInfoRef::try_from(der).map_err(|_| PrivateKeyError::Malformed)?;
        let kind = KeyKind::from_algorithm(&info.algorithm)?;
        if signature.is_some() && !matches!(kind, KeyKind::Rsa | KeyKind::RsaPss(_)) {
            return Err(PrivateKeyError::NotRsa);
        }
        let key: Box<dyn KeyPair> = match kind {
            KeyKind::P256 => Box::new(Ecdsa::p256(der)?),
            KeyKind::P384 => Box::new(Ecdsa::p384(der)?),
            KeyKind::P521 => {
                return Err(PublicKeyError::Curve {
                    curve: SECP_521_R_1,
                }
                .into());
            }
            KeyKind::Rsa | KeyKind::RsaPss(_) => {
                Box::new(Rsa::new(kind, info.private_key.as_bytes(), signature)?)
            }
            KeyKind::Ed25519 => Box::new(Ed25519::new(der)?),
            KeyKind::MlDsa44 => Box::new(MlDsa::ml_dsa_44(der)?),
            KeyKind::MlDsa65 => Box::new(MlDsa::ml_dsa_65(der)?),
            KeyKind::MlDsa87 => {
                return Err(PublicKeyError::Algorithm {
                    algorithm: ID_ML_DSA_87,
                }
                .into());
            }
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
    /// `signature` is for RSA keys.
    #[error("it is not an RSA key, and only for one can `signature` be set: leave it out")]
    NotRsa,
    /// A key for RSASSA-PSS that may not sign as asked.
    #[error(
        "it is a key for RSASSA-PSS alone, bound to another way of signing than `signature` names: leave \
         `signature` out"
    )]
    BoundToPss,
    /// A key for RSASSA-PSS that may only sign with SHA-512.
    #[error(
        "it is a key for RSASSA-PSS bound to SHA-512: keys that sign here are bound to SHA-256 or SHA-384, \
         or to none"
    )]
    PssSha512,
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
        test_pki::{EC_P256, EC_P384, EC_P521, ED25519, ML_DSA_44, ML_DSA_65, Pki, RSA_2048},
        verify,
    };

    fn supported() -> [(&'static [&'static str], SignatureAlgorithm); 10] {
        let rsa = |modulus_octets| SignatureAlgorithm::RsaPkcs1Sha256 { modulus_octets };
        let pss = |modulus_octets| SignatureAlgorithm::RsaPssSha256 { modulus_octets };
        let pss_384 = |modulus_octets| SignatureAlgorithm::RsaPssSha384 { modulus_octets };
        [
            (EC_P256, SignatureAlgorithm::EcdsaSha256P256),
            (EC_P384, SignatureAlgorithm::EcdsaSha384P384),
            (ED25519, SignatureAlgorithm::Ed25519),
            (RSA_2048, rsa(256)),
            // Not a whole number of limbs.
            (&["RSA", "-pkeyopt", "rsa_keygen_bits:3080"], rsa(385)),
            (&["RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"], pss(256)),
            // Neither a whole number of octets.
            (&["RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2054"], pss(257)),
            (
                &[
                    "RSA-PSS",
                    "-pkeyopt",
                    "rsa_keygen_bits:2050",
                    "-pkeyopt",
                    "rsa_pss_keygen_md:sha384",
                    "-pkeyopt",
                    "rsa_pss_keygen_mgf1_md:sha384",
                    "-pkeyopt",
                    "rsa_pss_keygen_saltlen:48",
                ],
                pss_384(257),
            ),
            (ML_DSA_44, SignatureAlgorithm::MlDsa44),
            (ML_DSA_65, SignatureAlgorithm::MlDsa65),
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
                // OpenSSL 3.0 knows no ML-DSA: the second implementation above is its judge here.
                if message_digest(algorithm).is_some() || algorithm == SignatureAlgorithm::Ed25519 {
                    openssl_accepts(&pki, algorithm, message, &signature);
                }
            }
        }
    }

    fn openssl_accepts(pki: &Pki, algorithm: SignatureAlgorithm, message: &[u8], signature: &[u8]) {
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
            SignatureAlgorithm::RsaPssSha256 { .. } => &[
                "-digest",
                "sha256",
                "-pkeyopt",
                "rsa_padding_mode:pss",
                "-pkeyopt",
                "rsa_pss_saltlen:32",
            ],
            SignatureAlgorithm::RsaPssSha384 { .. } => &[
                "-digest",
                "sha384",
                "-pkeyopt",
                "rsa_padding_mode:pss",
                "-pkeyopt",
                "rsa_pss_saltlen:48",
            ],
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
    }

    #[test]
    fn a_plain_rsa_key_signs_as_it_is_told() {
        let pki = Pki::new();
        pki.key("k", RSA_2048);
        let modulus_octets = 256;
        for (asked, algorithm) in [
            (
                RsaSignature::Pkcs1,
                SignatureAlgorithm::RsaPkcs1Sha256 { modulus_octets },
            ),
            (
                RsaSignature::Pss,
                SignatureAlgorithm::RsaPssSha256 { modulus_octets },
            ),
            (
                RsaSignature::PssSha384,
                SignatureAlgorithm::RsaPssSha384 { modulus_octets },
            ),
        ] {
            let file = key_file::read(&pki.path("k.key"), None).unwrap();
            let signer =
                SoftwareSigner::from_pkcs8_signing(file.pkcs8.as_bytes(), Some(asked)).unwrap();
            assert_eq!(signer.algorithm(), algorithm);
            let mut signature = vec![0; 256];
            signer.sign(b"message", &mut signature).unwrap();
            openssl_accepts(&pki, algorithm, b"message", &signature);
            let digest =
                aws_lc_rs::digest::digest(message_digest(algorithm).unwrap(), b"another message");
            signer.sign_digest(&digest, &mut signature).unwrap();
            openssl_accepts(&pki, algorithm, b"another message", &signature);
        }
    }

    #[test]
    fn keys_that_may_not_sign_as_asked_are_refused() {
        let pki = Pki::new();
        let bound = |hash: &str, salt: &str| {
            let options = [
                format!("rsa_pss_keygen_md:{hash}"),
                format!("rsa_pss_keygen_mgf1_md:{hash}"),
                format!("rsa_pss_keygen_saltlen:{salt}"),
            ];
            let mut arguments = vec!["RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"];
            for option in &options {
                arguments.extend(["-pkeyopt", option]);
            }
            pki.key("k", &arguments);
        };
        let refused = |asked| {
            let file = key_file::read(&pki.path("k.key"), None).unwrap();
            SoftwareSigner::from_pkcs8_signing(file.pkcs8.as_bytes(), asked).err()
        };
        bound("sha256", "32");
        assert_eq!(refused(Some(RsaSignature::Pss)), None);
        for asked in [RsaSignature::Pkcs1, RsaSignature::PssSha384] {
            assert_eq!(refused(Some(asked)), Some(PrivateKeyError::BoundToPss));
        }
        bound("sha512", "64");
        assert_eq!(refused(None), Some(PrivateKeyError::PssSha512));
        assert_eq!(
            refused(Some(RsaSignature::Pss)),
            Some(PrivateKeyError::BoundToPss)
        );
        pki.key("k", EC_P256);
        assert_eq!(
            refused(Some(RsaSignature::Pss)),
            Some(PrivateKeyError::NotRsa)
        );
    }

    /// The keys of RFC 9881 appendix C: all forms of one key are one key, and its certificate is verified
    /// by both implementations.
    #[test]
    fn the_examples_of_rfc_9881_are_read_and_verified() {
        let fixture = |name: &str| {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/ml-dsa/");
            std::path::Path::new(folder).join(name)
        };
        for (name, algorithm) in [
            ("ML-DSA-44", SignatureAlgorithm::MlDsa44),
            ("ML-DSA-65", SignatureAlgorithm::MlDsa65),
        ] {
            let certificate =
                crate::config::read_certificate(&fixture(&format!("{name}.crt"))).unwrap();
            // Self-signed.
            super::super::check_certificate(&certificate, &certificate).unwrap();
            let public_key = certificate.public_key_octets();
            let opinion = SecondOpinion::for_key(algorithm, public_key).unwrap();
            for _ in 0..256 {
                opinion
                    .review(certificate.tbs_der(), certificate.signature())
                    .unwrap();
            }
            for form in ["seed", "expanded", "both"] {
                let file = key_file::read(&fixture(&format!("{name}-{form}.priv")), None).unwrap();
                let signer = SoftwareSigner::from_pkcs8(file.pkcs8.as_bytes()).unwrap();
                assert_eq!(signer.algorithm(), algorithm);
                assert_eq!(signer.public_key_octets(), public_key, "{name} {form}");
                let mut signature = vec![0; algorithm.stored_len()];
                signer.sign(b"message", &mut signature).unwrap();
                assert!(verify(algorithm, public_key, b"message", &signature));
                let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, b"message");
                assert_eq!(
                    signer.sign_digest(&digest, &mut signature),
                    Err(SignerError::NeedsMessage)
                );
            }
        }
        // Seed and expanded key of different keys; a wrong hash of the public key; a wrong t0.
        for bad in 1..=3 {
            let path = fixture(&format!("bad-ML-DSA-44-{bad}.priv"));
            let file = key_file::read(&path, None).unwrap();
            let refused = SoftwareSigner::from_pkcs8(file.pkcs8.as_bytes()).err();
            assert_eq!(refused, Some(PrivateKeyError::Rejected), "{bad}");
        }
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
                &[
                    "RSA-PSS",
                    "-pkeyopt",
                    "rsa_keygen_bits:2048",
                    "-pkeyopt",
                    "rsa_pss_keygen_md:sha1",
                ],
                "RSASSA-PSS",
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
