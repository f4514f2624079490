//! RustCrypto's `p256` and `p384`.

use p256::ecdsa::signature::Verifier as _;

use super::Verifier;

/// ecdsa-with-SHA256 on P-256.
pub(super) struct P256(p256::ecdsa::VerifyingKey);

impl P256 {
    pub(super) fn new(public_key_octets: &[u8]) -> Option<Self> {
        p256::ecdsa::VerifyingKey::from_sec1_bytes(public_key_octets)
            .ok()
            .map(Self)
    }
}

impl Verifier for P256 {
    fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        p256::ecdsa::Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

/// ecdsa-with-SHA384 on P-384.
pub(super) struct P384(p384::ecdsa::VerifyingKey);

impl P384 {
    pub(super) fn new(public_key_octets: &[u8]) -> Option<Self> {
        p384::ecdsa::VerifyingKey::from_sec1_bytes(public_key_octets)
            .ok()
            .map(Self)
    }
}

impl Verifier for P384 {
    fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        p384::ecdsa::Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}
