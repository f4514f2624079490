//! `ed25519-dalek`.

use ed25519_dalek::{Signature, VerifyingKey};

use super::Verifier;

/// Ed25519, by the strict equation.
pub(super) struct Dalek(VerifyingKey);

impl Dalek {
    pub(super) fn new(public_key_octets: &[u8]) -> Option<Self> {
        let octets = public_key_octets.try_into().ok()?;
        VerifyingKey::from_bytes(octets).ok().map(Self)
    }
}

impl Verifier for Dalek {
    fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify_strict(message, &signature).is_ok())
    }
}
