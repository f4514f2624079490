//! Which key may have signed a CRL, and whether it did (RFC 5280 §6.3.3 (f), (g)).

use crate::{
    asn1::{Certificate, KeyUsage},
    signer::{SignatureFault, SignedMessage},
};

use super::{Authority, CrlRefusal};

/// Checks that one of the keys that may sign for `authority` made the signature.
pub(super) fn check(
    authority: &Authority<'_>,
    authority_key_id: Option<&[u8]>,
    message: &SignedMessage,
    signature: &[u8],
) -> Result<(), CrlRefusal> {
    let mut fault = None;
    for signer in authority.keys(authority_key_id) {
        match message.verify(signer, signature) {
            Ok(()) => return check_key_usage(signer),
            Err(found) => fault = fault.or(Some(found)),
        }
    }
    match (fault, authority_key_id) {
        (Some(fault @ SignatureFault::MessageTooLong { .. }), _) => {
            Err(CrlRefusal::NotVerified { fault })
        }
        (Some(fault), _) => Err(CrlRefusal::Signature { fault }),
        // Without a keyIdentifier every key is tried.
        (None, key_id) => Err(CrlRefusal::UnknownKey {
            key_id: key_id.unwrap_or_default().to_vec(),
        }),
    }
}

impl<'a> Authority<'a> {
    /// The certificates that may have signed a CRL with this keyIdentifier: those with the same, and
    /// those that have none. The other form, issuer and serial number, names a certificate and not a
    /// key; the same key under a certificate that was renewed is as good.
    fn keys(&self, key_id: Option<&[u8]>) -> impl Iterator<Item = &'a Certificate> {
        let own = std::iter::once(self.certificate);
        let others = self.crl_signers.iter().map(|signer| &**signer);
        own.chain(others)
            .filter(move |signer| match (key_id, signer.subject_key_id()) {
                (Some(named), Some(own)) => named == own,
                _ => true,
            })
    }
}

/// A v3 certificate needs a keyUsage with cRLSign, also where older texts let its absence pass
/// (RFC 10007 §4). Earlier versions have no extensions.
fn check_key_usage(signer: &Certificate) -> Result<(), CrlRefusal> {
    let usage = signer.key_usage();
    let allows = usage.is_some_and(|usage| usage.contains(KeyUsage::CRL_SIGN));
    if allows || !signer.is_v3() {
        return Ok(());
    }
    Err(CrlRefusal::SignerWithoutCrlSign {
        has_key_usage: usage.is_some(),
    })
}
