//! Which key may have signed a CRL, and whether it did (RFC 5280 §6.3.3 (f), (g)).

use crate::{
    asn1::{Certificate, KeyUsage},
    signer::{SignatureFault, SignedMessage},
};

use super::{Authority, CrlRefusal};

/// Checks that one of the keys that may sign for `authority` made the signature.
pub(super) fn check(
    authority: &Authority<'_>,
    crl_issuer: &[u8],
    authority_key_id: Option<&[u8]>,
    message: &SignedMessage,
    signature: &[u8],
) -> Result<(), CrlRefusal> {
    let mut fault = None;
    for signer in authority.keys(crl_issuer, authority_key_id) {
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
    /// Whether a CRL with this issuer is one of the issuer itself.
    pub(super) fn is_own(&self, crl_issuer: &[u8]) -> bool {
        crl_issuer == self.certificate.subject_der()
    }

    /// Whether a CRL with this issuer may speak for the issuer at all.
    pub(super) fn admits(&self, crl_issuer: &[u8]) -> bool {
        let mut others = self.crl_issuers.iter();
        self.is_own(crl_issuer) || others.any(|other| other.subject_der() == crl_issuer)
    }

    /// The certificates that may have signed a CRL with this keyIdentifier: those with the same, and
    /// those that have none. The other form, issuer and serial number, names a certificate and not a
    /// key; the same key under a certificate that was renewed is as good.
    ///
    /// Of a CRL of another name, the certificates of that name among the crl_issuers.
    fn keys<'b>(
        &self,
        crl_issuer: &'b [u8],
        key_id: Option<&'b [u8]>,
    ) -> impl Iterator<Item = &'a Certificate> + use<'a, 'b> {
        let (certificate, is_own) = (self.certificate, self.is_own(crl_issuer));
        let own = std::iter::once(certificate).chain(self.crl_signers.iter().map(|one| &**one));
        let others = (self.crl_issuers.iter().map(|issuer| &**issuer))
            .filter(move |issuer| issuer.subject_der() == crl_issuer);
        own.filter(move |_| is_own)
            .chain(others.filter(move |_| !is_own))
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
