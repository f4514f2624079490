//! From the facts to the octets: what is signed, and what is sent.

use std::sync::Arc;
use std::time::Duration;

use super::facts::{About, Facts, Known};
use super::refusal::Refusal;
use crate::asn1::{CrlReason, UnixTime};
use crate::authority::runtime::record_status;
use crate::catalog::NotIssued;
use crate::identity::SerialNumber;
use crate::ocsp::{
    CertStatus, ResponseDataParams, SingleResponse, basic_response, invalidity_date_extension,
    response_data, with_archive_cutoff,
};
use crate::presign::SigningWindow;
use crate::responder::{AnswerKind, EntityTag, Freshness, Response};
use crate::segment::RecordStatus;
use crate::signer::LoadedSigner;

/// An answer without its signature.
pub(super) struct Draft {
    signer: Arc<LoadedSigner>,
    tbs: Vec<u8>,
    /// Of what caches may keep.
    kept: Option<Kept>,
}

#[derive(Clone, Copy)]
struct Kept {
    produced_at: UnixTime,
    next_update: UnixTime,
    max_age: Duration,
}

impl Draft {
    /// The answer that is true at `now`, a time after the facts were found.
    pub(super) fn new(facts: &Facts<'_>, now: UnixTime) -> Result<Self, Refusal> {
        if facts.about.iter().any(|about| about.is_over(now)) {
            return Err(Refusal::NotAuthoritative);
        }
        // Not before: what is refused needs no key.
        let signer = facts.signer.as_ref().map_err(|refusal| *refusal)?;
        let mut told = Vec::with_capacity(facts.about.len());
        for about in &facts.about {
            told.push(Told::new(about, signer, now)?);
        }
        let singles: Vec<SingleResponse<'_>> = facts
            .about
            .iter()
            .zip(&told)
            .map(|(about, told)| SingleResponse {
                cert_id_der: about.cert_id.der,
                status: told.status,
                this_update: told.this_update,
                next_update: told.window.next_update,
                single_extensions: told.single_extensions.as_deref(),
            })
            .collect();
        let tbs = response_data(&ResponseDataParams {
            responder_id: &signer.responder_id,
            produced_at: now,
            responses: &singles,
            nonce: facts.nonce,
            extended_revoke: told.iter().any(|told| told.extended_revoke),
        })
        .map_err(|_| Refusal::Malformed)?;
        let next_update = told.iter().map(|told| told.window.next_update).min();
        let max_age = facts.about.iter().zip(&told);
        let max_age = max_age.map(|(about, told)| told.max_age(about)).min();
        let (Some(next_update), Some(max_age)) = (next_update, max_age) else {
            return Err(Refusal::Malformed);
        };
        let left = next_update.since(now);
        let kept = Kept {
            produced_at: now,
            next_update,
            max_age: max_age.min(left.saturating_sub(Duration::from_secs(1))),
        };
        Ok(Self {
            signer: Arc::clone(signer),
            tbs,
            kept: facts.nonce.is_none().then_some(kept),
        })
    }

    /// Who is to sign it.
    pub(super) const fn signer(&self) -> &Arc<LoadedSigner> {
        &self.signer
    }

    /// What is to be signed.
    pub(super) fn tbs(&self) -> &[u8] {
        &self.tbs
    }

    /// The answer, signed.
    pub(super) fn response(&self, signature: &[u8]) -> Result<Response, Refusal> {
        let certificates: Vec<&[u8]> = self
            .signer
            .certificates_to_send
            .iter()
            .map(Vec::as_slice)
            .collect();
        let algorithm = self.signer.signer.algorithm();
        let body = basic_response(&self.tbs, algorithm, signature, &certificates)
            .map_err(|_| Refusal::CannotSign)?;
        let freshness = self.kept.map(|kept| Freshness {
            last_modified: kept.produced_at,
            expires: kept.next_update,
            max_age: kept.max_age,
            etag: EntityTag::new(crc32c::crc32c(&self.tbs), signature),
        });
        Ok(Response {
            body,
            freshness,
            kind: AnswerKind::Live,
        })
    }
}

/// What is said of one certificate.
struct Told {
    status: CertStatus,
    single_extensions: Option<Vec<u8>>,
    extended_revoke: bool,
    window: SigningWindow,
    this_update: UnixTime,
}

impl Told {
    fn new(about: &About<'_>, signer: &LoadedSigner, now: UnixTime) -> Result<Self, Refusal> {
        let About { issuer, basis, .. } = about;
        let (status, single_extensions) = match &about.known {
            Known::Issued(record) => {
                let status = record_status(record);
                judge_status(about, &status)?;
                let extensions = record
                    .revocation
                    .and_then(|revoked| revoked.claim.invalidity_date)
                    .map(invalidity_date_extension);
                (status.into(), extensions)
            }
            Known::Signed {
                status,
                single_extensions,
            } => {
                judge_status(about, status)?;
                ((*status).into(), single_extensions.clone())
            }
            Known::NotIssued => (not_issued(issuer.policy.not_issued)?, None),
        };
        let is_unissued = matches!(about.known, Known::NotIssued);
        let is_final = !is_unissued && is_revoked_for_good(status);
        // Looked at after the statuses, so that what a feed knows that came back is in them.
        if issuer.is_held_back() && !is_final {
            return Err(Refusal::CannotSign);
        }
        let window = basis
            .window(issuer, signer, now, None)
            .map_err(|_| Refusal::CannotSign)?;
        let this_update = match &about.known {
            Known::Issued(record) => basis.this_update(&window, record),
            Known::Signed { .. } | Known::NotIssued => Some(window.this_update),
        };
        // What was never issued is in no archive.
        let archive_cutoff = window.archive_cutoff.filter(|_| !is_unissued);
        Ok(Self {
            status,
            single_extensions: with_archive_cutoff(single_extensions, archive_cutoff),
            extended_revoke: is_unissued && issuer.policy.not_issued == NotIssued::ExtendedRevoked,
            window,
            this_update: this_update.ok_or(Refusal::CannotSign)?,
        })
    }

    /// How long caches may keep it.
    fn max_age(&self, about: &About<'_>) -> Duration {
        let policy = &about.issuer.policy;
        // Of an issuer that CRLs alone feed, not being on the CRL is what is known of most.
        let may_be_issued_soon =
            matches!(about.known, Known::NotIssued) && policy.not_issued != NotIssued::Good;
        let most = if may_be_issued_soon {
            // What is not issued may be a moment later: caches must not hold on to it.
            NOT_ISSUED_MAX_AGE
        } else {
            self.window.next_sign.since(self.window.produced_at)
        };
        policy.cache_max_age.min(most)
    }
}

/// Whether the issuer's profile lets the status be told.
fn judge_status(about: &About<'_>, status: &RecordStatus) -> Result<(), Refusal> {
    let issuer = &about.issuer;
    issuer.rules.judge_status(status).map_err(|breach| {
        if issuer.found_breach() {
            let serial = SerialNumber::from_content(about.cert_id.serial_number);
            let serial = serial.map(|serial| serial.to_string()).unwrap_or_default();
            tracing::error!(
                issuer = issuer.name,
                serial,
                "{breach}. There may be more: this is told once"
            );
        }
        Refusal::CannotSign
    })
}

fn not_issued(policy: NotIssued) -> Result<CertStatus, Refusal> {
    match policy {
        NotIssued::Unauthorized => Err(Refusal::NotAuthoritative),
        NotIssued::Unknown => Ok(CertStatus::Unknown),
        NotIssued::ExtendedRevoked => Ok(NEVER_ISSUED),
        NotIssued::Good => Ok(CertStatus::Good),
    }
}

const fn is_revoked_for_good(status: CertStatus) -> bool {
    match status {
        CertStatus::Revoked { reason, .. } => !matches!(reason, Some(CrlReason::CertificateHold)),
        CertStatus::Good | CertStatus::Unknown => false,
    }
}

/// RFC 6960 §2.2: what a responder may say of a serial that was never issued.
const NEVER_ISSUED: CertStatus = CertStatus::Revoked {
    revocation_time: UnixTime::EPOCH,
    reason: Some(CrlReason::CertificateHold),
};
const NOT_ISSUED_MAX_AGE: Duration = Duration::from_secs(60);
