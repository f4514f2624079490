//! The truth about everything that a question asks about.

use std::sync::Arc;

use arc_swap::Guard;

use super::refusal::Refusal;
use super::speaker::speaker;
use crate::asn1::UnixTime;
use crate::authority::dating::Basis;
use crate::authority::issuer::Issuer;
use crate::authority::runtime::Shared;
use crate::catalog::{Finding, NotIssued, Snapshot};
use crate::config;
use crate::identity::SerialNumber;
use crate::ledger::{Lookup, StatusRecord};
use crate::ocsp::{CertId, Nonce, OcspRequest};
use crate::segment::RecordStatus;
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

/// What is known of a serial.
pub(super) enum Known {
    /// By the ledger.
    Issued(StatusRecord),
    /// By what was signed of it ahead of time and stands: as much as an answer says.
    Signed {
        status: RecordStatus,
        single_extensions: Option<Vec<u8>>,
    },
    /// By the ledger: nothing.
    NotIssued,
}

/// Where statuses are looked up for one batch. To be made after its questions were asked, and so after
/// everything that those who asked were told.
pub(super) struct Sources {
    ledger: Lookup,
    catalog: Guard<Arc<Snapshot>>,
}

impl Sources {
    pub(super) fn now(shared: &Shared) -> Result<Self, Refusal> {
        let ledger = shared.ledger.lookup();
        Ok(Self {
            ledger: ledger.map_err(|error| Refusal::unreadable(&error))?,
            catalog: shared.catalog.snapshot(),
        })
    }
}

impl<'a> Facts<'a> {
    /// Looks everything up.
    pub(super) fn find(
        shared: &Shared,
        sources: &mut Sources,
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
                known: match signed_ahead(sources, issuer, &cert_id) {
                    Some(known) => known,
                    None => known(shared, &mut sources.ledger, issuer, &cert_id)?,
                },
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
            Known::Signed { .. } | Known::NotIssued => false,
        }
    }
}

/// What the catalog knows of a certificate, where that is all that an answer needs. It is as true as the
/// ledger: a change is masked before anybody is told of it, and what is masked, damaged, unsigned or
/// missing is looked up there. It saves 6 µs of RocksDB, beside 17 µs of P-256.
fn signed_ahead(sources: &Sources, issuer: &Issuer, cert_id: &CertId<'_>) -> Option<Known> {
    let is_dated_by_the_ledger = issuer.evidence == config::Evidence::Ledger;
    // Else its notAfter counts, or what was recorded when.
    if !is_dated_by_the_ledger || issuer.keep_expired != config::Retention::Forever {
        return None;
    }
    let view = sources.catalog.issuer_by_id(&issuer.id)?;
    let (status, single_extensions) = match view.find(cert_id.serial_number) {
        Finding::Segment { record, .. } if record.signature(0).is_some() => {
            (record.status(), record.single_extensions())
        }
        Finding::Fresh(answer) => (answer.status, answer.single_extensions.as_deref()),
        _ => return None,
    };
    Some(Known::Signed {
        status,
        single_extensions: single_extensions.map(<[u8]>::to_vec),
    })
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
