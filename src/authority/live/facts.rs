//! What the ledger says of everything that a question asks about.

use std::sync::Arc;

use super::refusal::Refusal;
use super::speaker::speaker;
use crate::asn1::UnixTime;
use crate::authority::dating::Basis;
use crate::authority::issuer::Issuer;
use crate::authority::runtime::Shared;
use crate::catalog::NotIssued;
use crate::identity::SerialNumber;
use crate::ledger::{Lookup, StatusRecord};
use crate::ocsp::{CertId, Nonce, OcspRequest};
use crate::signer::LoadedSigner;

/// A question, decoded anew, and the truth about it.
pub(super) struct Facts<'a> {
    /// In the order asked.
    pub(super) about: Vec<About<'a>>,
    /// What is to be echoed.
    pub(super) nonce: Option<&'a [u8]>,
    /// Who may speak for all of it.
    pub(super) signer: Result<Arc<LoadedSigner>, Refusal>,
}

/// The truth about one certificate.
pub(super) struct About<'a> {
    pub(super) cert_id: CertId<'a>,
    pub(super) issuer: Arc<Issuer>,
    /// What dates it; read before it.
    pub(super) basis: Basis,
    pub(super) known: Known,
}

/// What the ledger says of a serial.
pub(super) enum Known {
    Issued(StatusRecord),
    NotIssued,
}

impl<'a> Facts<'a> {
    /// Looks everything up.
    pub(super) fn find(
        shared: &Shared,
        lookup: &mut Lookup,
        request_der: &'a [u8],
    ) -> Result<Self, Refusal> {
        let request =
            OcspRequest::decode(request_der, &shared.limits).map_err(|_| Refusal::Malformed)?;
        let issuers = request
            .cert_ids()
            .map(|cert_id| {
                let issuer = shared.issuers.by_cert_id(&cert_id);
                issuer.ok_or(Refusal::NotAuthoritative)
            })
            .collect::<Result<Vec<&Arc<Issuer>>, _>>()?;
        let signer = speaker(&issuers, request.preferred_algorithms());
        // Where nobody may ever speak for all of them, nothing needs to be looked up.
        if let Err(Refusal::NotAuthoritative) = signer {
            return Err(Refusal::NotAuthoritative);
        }
        let mut about: Vec<About<'a>> = Vec::with_capacity(issuers.len());
        for (cert_id, issuer) in request.cert_ids().zip(&issuers) {
            // Of the same issuer they are dated alike.
            let same = about.last().filter(|last| last.issuer.id == issuer.id);
            let basis = match same {
                Some(last) => last.basis.clone(),
                None => Basis::now(issuer, &shared.ledger)
                    .map_err(|error| Refusal::unreadable(&error))?,
            };
            about.push(About {
                known: known(shared, lookup, issuer, &cert_id)?,
                cert_id,
                issuer: Arc::clone(issuer),
                basis,
            });
        }
        let is_echoed = issuers.iter().any(|issuer| issuer.policy.echoes_nonce);
        Ok(Self {
            about,
            nonce: match request.nonce() {
                Nonce::Usable(octets) if is_echoed => Some(octets),
                _ => None,
            },
            signer,
        })
    }
}

impl About<'_> {
    /// Whether the certificate expired so long ago that nothing is said of it any more, whatever is said
    /// of one that was never issued.
    pub(super) fn is_over(&self, now: UnixTime) -> bool {
        match &self.known {
            Known::Issued(record) => self.issuer.keep_expired.is_over(record.not_after(), now),
            Known::NotIssued => false,
        }
    }
}

fn known(
    shared: &Shared,
    lookup: &mut Lookup,
    issuer: &Issuer,
    cert_id: &CertId<'_>,
) -> Result<Known, Refusal> {
    let known = look_up(shared, lookup, issuer, cert_id)?;
    if let Known::Issued(_) = known {
        return Ok(known);
    }
    match issuer.policy.not_issued {
        NotIssued::Unauthorized => Err(Refusal::NotAuthoritative),
        // No CRL is taken in with such a serial, so none can say that it is revoked.
        NotIssued::Good if !can_be_listed(cert_id) => Err(Refusal::NotAuthoritative),
        NotIssued::Good | NotIssued::Unknown | NotIssued::ExtendedRevoked => Ok(known),
    }
}

fn look_up(
    shared: &Shared,
    lookup: &mut Lookup,
    issuer: &Issuer,
    cert_id: &CertId<'_>,
) -> Result<Known, Refusal> {
    let not_listed_is_good = issuer.policy.not_issued == NotIssued::Good;
    // A serial that no certificate can have was not issued. Nor can a CRL be taken that lists it, so not
    // being on one says nothing.
    let serial = match SerialNumber::from_content(cert_id.serial_number) {
        Ok(serial) if !not_listed_is_good || serial.is_positive() => serial,
        _ if not_listed_is_good => return Err(Refusal::NotAuthoritative),
        _ => return Ok(Known::NotIssued),
    };
    let status = lookup.status(&issuer.id, &serial);
    if let Some(status) = status.map_err(|error| Refusal::unreadable(&error))? {
        return Ok(Known::Issued(status));
    }
    if !not_listed_is_good {
        return Ok(Known::NotIssued);
    }
    // Where all certificates are revoked, so is one that only its issuer knows of.
    let whole = shared.ledger.revoked_issuer(&issuer.id);
    let whole = whole.map_err(|error| Refusal::unreadable(&error))?;
    Ok(whole.map_or(Known::NotIssued, |whole| {
        Known::Issued(StatusRecord {
            sequence: whole.sequence,
            recorded_ms: whole.revocation.recorded_ms,
            issued: None,
            revocation: Some(whole.revocation),
            released: false,
            crl_scope: None,
        })
    }))
}

/// Whether an entry of a CRL with this serial could be in the ledger: one that is positive and has at most
/// 20 octets (RFC 5280 §4.1.2.2).
fn can_be_listed(cert_id: &CertId<'_>) -> bool {
    matches!(cert_id.serial_number, [0x00, _, ..] | [0x01..=0x7f, ..])
        && SerialNumber::from_content(cert_id.serial_number).is_ok()
}
