//! Verifies what a key signs that lies elsewhere, before anybody sees it.

use std::sync::Arc;

use aws_lc_rs::{digest::Digest, signature::ParsedPublicKey};

use super::{Signer, SignerError, second_opinion::SecondOpinion, verify::verification};
use crate::asn1::SignatureAlgorithm;

/// A signer whose every signature is verified by aws-lc-rs, and one in 256 by another implementation,
/// before it is given to anybody: a token, its driver and the way to it can all be wrong.
///
/// Verifying is done by whoever asked for the signature, on the caller's thread: two threads that sign
/// in batches keep both the key and a core that verifies busy.
pub struct Checked<S> {
    inner: S,
    key: ParsedPublicKey,
    second_opinion: SecondOpinion,
}

impl<S: Signer> Checked<S> {
    /// Verifies what `inner` signs with the public key that it has.
    ///
    /// # Errors
    /// [`SignerError::Failed`] when that is no key of its algorithm.
    pub fn new(inner: S) -> Result<Self, SignerError> {
        let (algorithm, octets) = (inner.algorithm(), inner.public_key_octets());
        let key = ParsedPublicKey::new(verification(algorithm), octets)
            .map_err(|_| SignerError::Failed)?;
        let second_opinion =
            SecondOpinion::for_key(algorithm, octets).ok_or(SignerError::Failed)?;
        Ok(Self {
            inner,
            key,
            second_opinion,
        })
    }

    /// Whose signatures are verified.
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    fn check(&self, message: &[u8], signature: &[u8]) -> Result<(), SignerError> {
        self.key
            .verify_sig(message, signature)
            .map_err(|_| SignerError::Wrong)?;
        self.second_opinion.review(message, signature)
    }
}

impl<S: Signer> Signer for Checked<S> {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.inner.algorithm()
    }

    fn public_key_octets(&self) -> &[u8] {
        self.inner.public_key_octets()
    }

    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), SignerError> {
        self.inner
            .sign(message, signature)
            .and_then(|()| self.check(message, signature))
            .inspect_err(|_| signature.fill(0))
    }

    fn sign_digest(&self, digest: &Digest, signature: &mut [u8]) -> Result<(), SignerError> {
        self.inner
            .sign_digest(digest, signature)
            .and_then(|()| {
                // The second opinion judges messages; of a CRL, whoever publishes it reads it again.
                self.key
                    .verify_digest_sig(digest, signature)
                    .map_err(|_| SignerError::Wrong)
            })
            .inspect_err(|_| signature.fill(0))
    }

    fn sign_batch(
        &self,
        messages: &[&[u8]],
        signatures: &mut [&mut [u8]],
    ) -> Result<(), SignerError> {
        let signed = self.inner.sign_batch(messages, signatures).and_then(|()| {
            messages
                .iter()
                .zip(signatures.iter())
                .try_for_each(|(message, signature)| self.check(message, signature))
        });
        if signed.is_err() {
            signatures
                .iter_mut()
                .for_each(|signature| signature.fill(0));
        }
        signed
    }
}

impl<S: Signer + ?Sized> Signer for Arc<S> {
    fn algorithm(&self) -> SignatureAlgorithm {
        (**self).algorithm()
    }

    fn public_key_octets(&self) -> &[u8] {
        (**self).public_key_octets()
    }

    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), SignerError> {
        (**self).sign(message, signature)
    }

    fn sign_digest(&self, digest: &Digest, signature: &mut [u8]) -> Result<(), SignerError> {
        (**self).sign_digest(digest, signature)
    }

    fn sign_batch(
        &self,
        messages: &[&[u8]],
        signatures: &mut [&mut [u8]],
    ) -> Result<(), SignerError> {
        (**self).sign_batch(messages, signatures)
    }

    fn computes_here(&self) -> bool {
        (**self).computes_here()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;
    use crate::signer::{
        message_digest,
        test_pki::{EC_P256, EC_P384, ED25519, Pki, RSA_2048},
    };

    /// A key whose signatures are wrong where told, as a driver's may be.
    struct Faulty {
        key: Arc<dyn Signer>,
        is_wrong: Arc<AtomicBool>,
        signed: AtomicUsize,
    }

    impl Faulty {
        fn spoil(&self, signature: &mut [u8]) {
            self.signed.fetch_add(1, Ordering::Relaxed);
            if self.is_wrong.load(Ordering::Relaxed) {
                signature[7] ^= 1;
            }
        }
    }

    impl Signer for Faulty {
        fn algorithm(&self) -> SignatureAlgorithm {
            self.key.algorithm()
        }
        fn public_key_octets(&self) -> &[u8] {
            self.key.public_key_octets()
        }
        fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), SignerError> {
            self.key.sign(message, signature)?;
            self.spoil(signature);
            Ok(())
        }
        fn sign_digest(&self, digest: &Digest, signature: &mut [u8]) -> Result<(), SignerError> {
            self.key.sign_digest(digest, signature)?;
            self.spoil(signature);
            Ok(())
        }
    }

    #[test]
    fn wrong_signatures_are_not_handed_out_and_right_ones_are() {
        let pki = Pki::new();
        for arguments in [EC_P256, EC_P384, ED25519, RSA_2048] {
            pki.key("k", arguments);
            let is_wrong = Arc::new(AtomicBool::new(false));
            let key: Arc<dyn Signer> = Arc::new(pki.signer("k"));
            let checked = Checked::new(Faulty {
                key,
                is_wrong: Arc::clone(&is_wrong),
                signed: AtomicUsize::new(0),
            })
            .unwrap();
            let algorithm = checked.algorithm();
            let mut signature = vec![0; algorithm.stored_len()];
            let mut other = signature.clone();
            let digest =
                message_digest(algorithm).map(|hash| aws_lc_rs::digest::digest(hash, b"message"));
            let mut sign_all = || {
                let one = checked.sign(b"message", &mut signature);
                let two = digest
                    .as_ref()
                    .map(|digest| checked.sign_digest(digest, &mut signature));
                let batch = checked.sign_batch(&[b"a", b"b"], &mut [&mut signature, &mut other]);
                (one, two, batch, signature.clone(), other.clone())
            };
            let (one, two, batch, ..) = sign_all();
            assert_eq!(
                (one, two.unwrap_or(Ok(())), batch),
                (Ok(()), Ok(()), Ok(()))
            );
            is_wrong.store(true, Ordering::Relaxed);
            let (one, two, batch, signature, other) = sign_all();
            let wrong = Err(SignerError::Wrong);
            assert_eq!((one, &batch), (wrong.clone(), &wrong));
            assert!(two.is_none_or(|two| two == wrong));
            assert!(signature.iter().chain(&other).all(|octet| *octet == 0));
            // A driver may come to itself again: nothing is latched.
            is_wrong.store(false, Ordering::Relaxed);
            assert_eq!(sign_all().0, Ok(()));
        }
    }
}
