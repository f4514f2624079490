//! One signature in 256 is verified by an implementation that shares no code with the one that made
//! it.
//!
//! A fault in memory, in a compiler or in a library can make signatures that only their maker
//! accepts. Verifying all of them elsewhere would cost more than signing (`p256` verifies 3.7 k/s
//! where aws-lc-rs signs 55 k/s); one in 256 costs about 6 % and finds a lasting fault within the
//! first 256 answers.

mod ecdsa;
mod ed25519;
mod ml_dsa;
mod rsa;

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use super::SignerError;
use crate::asn1::SignatureAlgorithm;

/// Verifies signatures of one key independently of whoever made them.
trait Verifier: Send + Sync {
    /// Whether `signature`, in stored form, is one of `message`.
    fn accepts(&self, message: &[u8], signature: &[u8]) -> bool;
}

/// Asks a [`Verifier`] about every 256th signature, and remembers a refusal for good.
pub(super) struct SecondOpinion {
    verifier: Box<dyn Verifier>,
    /// Wraps every 256 signatures; begins anywhere, so that several signers, or one that restarts
    /// often, are not all asked about the same ones.
    count: AtomicU8,
    stopped: AtomicBool,
}

impl SecondOpinion {
    /// The second opinion for a public key; `None` when the other implementation does not accept
    /// that key.
    pub(super) fn for_key(algorithm: SignatureAlgorithm, public_key_octets: &[u8]) -> Option<Self> {
        let verifier: Box<dyn Verifier> = match algorithm {
            SignatureAlgorithm::EcdsaSha256P256 => Box::new(ecdsa::P256::new(public_key_octets)?),
            SignatureAlgorithm::EcdsaSha384P384 => Box::new(ecdsa::P384::new(public_key_octets)?),
            SignatureAlgorithm::Ed25519 => Box::new(ed25519::Dalek::new(public_key_octets)?),
            SignatureAlgorithm::RsaPkcs1Sha256 { .. } => {
                Box::new(rsa::Pkcs1Sha256::new(public_key_octets)?)
            }
            SignatureAlgorithm::RsaPssSha256 { .. } => {
                Box::new(rsa::Pss::<sha2::Sha256>::new(public_key_octets)?)
            }
            SignatureAlgorithm::RsaPssSha384 { .. } => {
                Box::new(rsa::Pss::<sha2::Sha384>::new(public_key_octets)?)
            }
            SignatureAlgorithm::MlDsa44 => {
                Box::new(ml_dsa::MlDsa::<::ml_dsa::MlDsa44>::new(public_key_octets)?)
            }
            SignatureAlgorithm::MlDsa65 => {
                Box::new(ml_dsa::MlDsa::<::ml_dsa::MlDsa65>::new(public_key_octets)?)
            }
        };
        Some(Self::new(verifier))
    }

    fn new(verifier: Box<dyn Verifier>) -> Self {
        let mut phase = [0];
        // Any phase will do: where there is no randomness, counting begins at 0.
        if aws_lc_rs::rand::fill(&mut phase).is_err() {
            phase = [0];
        }
        let [phase] = phase;
        Self {
            verifier,
            count: AtomicU8::new(phase),
            stopped: AtomicBool::new(false),
        }
    }

    /// Judges a signature that was just made; must be called for each.
    pub(super) fn review(&self, message: &[u8], signature: &[u8]) -> Result<(), SignerError> {
        if self.count.fetch_add(1, Ordering::Relaxed) == 0
            && !self.verifier.accepts(message, signature)
        {
            self.stopped.store(true, Ordering::Release);
        }
        if self.stopped.load(Ordering::Acquire) {
            return Err(SignerError::SecondOpinion);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicUsize};

    use super::*;

    /// Counts what it is asked and refuses one message.
    struct Fake(Arc<AtomicUsize>);

    impl Verifier for Fake {
        fn accepts(&self, message: &[u8], _: &[u8]) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed);
            message != b"bad"
        }
    }

    #[test]
    fn one_in_256_is_asked_about_whatever_the_phase() {
        for _ in 0..20 {
            let asked = Arc::new(AtomicUsize::new(0));
            let opinion = SecondOpinion::new(Box::new(Fake(Arc::clone(&asked))));
            for _ in 0..10 * 256 {
                opinion.review(b"good", b"").unwrap();
            }
            assert_eq!(asked.load(Ordering::Relaxed), 10);
        }
    }

    #[test]
    fn phases_differ() {
        let mut firsts = std::collections::HashSet::new();
        for _ in 0..40 {
            let opinion = SecondOpinion::new(Box::new(Fake(Arc::default())));
            let first = (0..256).find(|_| opinion.review(b"bad", b"").is_err());
            firsts.insert(first.unwrap());
        }
        assert!(firsts.len() > 10, "{firsts:?}");
    }

    #[test]
    fn a_refusal_stops_for_good() {
        let opinion = SecondOpinion::new(Box::new(Fake(Arc::default())));
        let refused = (0..256)
            .filter(|_| opinion.review(b"bad", b"").is_err())
            .count();
        assert!(refused >= 1);
        for _ in 0..1_000 {
            assert_eq!(
                opinion.review(b"good", b""),
                Err(SignerError::SecondOpinion)
            );
        }
    }

    #[test]
    fn many_threads_share_one_count() {
        let asked = Arc::new(AtomicUsize::new(0));
        let opinion = SecondOpinion::new(Box::new(Fake(Arc::clone(&asked))));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..6_400).for_each(|_| opinion.review(b"good", b"").unwrap()));
            }
        });
        assert_eq!(asked.load(Ordering::Relaxed), 100);
    }
}
