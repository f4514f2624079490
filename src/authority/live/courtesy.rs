//! Presigning gives way to those who wait for an answer.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::Digest;

use crate::asn1::SignatureAlgorithm;
use crate::responder::Questions;
use crate::signer::{LoadedSigner, Signer, SignerError};

/// A key that signs ahead of time while nobody waits for a live answer, and a ninth of the time while
/// somebody does: under a flood without end everything is still renewed.
pub(in crate::authority) struct Courtesy {
    key: Arc<dyn Signer>,
    questions: Arc<Questions>,
    /// Until when signing goes on without another look.
    goes_on_until: Mutex<Instant>,
}

impl Courtesy {
    /// The same signer, with courtesy.
    pub(in crate::authority) fn of(
        signer: &LoadedSigner,
        questions: &Arc<Questions>,
    ) -> LoadedSigner {
        let mut signer = signer.clone();
        signer.signer = Arc::new(Self {
            key: Arc::clone(&signer.signer),
            questions: Arc::clone(questions),
            goes_on_until: Mutex::new(Instant::now()),
        });
        signer
    }

    fn give_way(&self) {
        // Two relaxed loads, where nobody waits.
        if !self.questions.is_busy() || Instant::now() < *self.until() {
            return;
        }
        std::thread::park_timeout(PAUSE);
        *self.until() = Instant::now() + BURST;
    }

    fn until(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.goes_on_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Signer for Courtesy {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm()
    }

    fn public_key_octets(&self) -> &[u8] {
        self.key.public_key_octets()
    }

    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), SignerError> {
        self.give_way();
        self.key.sign(message, signature)
    }

    fn sign_digest(&self, digest: &Digest, signature: &mut [u8]) -> Result<(), SignerError> {
        self.give_way();
        self.key.sign_digest(digest, signature)
    }

    fn sign_batch(
        &self,
        messages: &[&[u8]],
        signatures: &mut [&mut [u8]],
    ) -> Result<(), SignerError> {
        self.give_way();
        self.key.sign_batch(messages, signatures)
    }

    fn computes_here(&self) -> bool {
        self.key.computes_here()
    }
}

const PAUSE: Duration = Duration::from_millis(2);
const BURST: Duration = Duration::from_micros(250);
