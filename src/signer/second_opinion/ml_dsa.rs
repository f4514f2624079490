//! RustCrypto's `ml-dsa`.

use ml_dsa::{EncodedVerifyingKey, MlDsaParams, Signature, VerifyingKey};

use super::Verifier;

/// Pure ML-DSA with an empty context (RFC 9881 §3).
pub(super) struct MlDsa<P: MlDsaParams>(VerifyingKey<P>);

impl<P: MlDsaParams> MlDsa<P> {
    pub(super) fn new(public_key_octets: &[u8]) -> Option<Self> {
        let octets = EncodedVerifyingKey::<P>::try_from(public_key_octets).ok()?;
        Some(Self(VerifyingKey::decode(&octets)))
    }
}

impl<P: MlDsaParams> Verifier for MlDsa<P>
where
    VerifyingKey<P>: Send + Sync,
{
    fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::<P>::try_from(signature)
            .is_ok_and(|signature| self.0.verify_with_context(message, &[], &signature))
    }
}
