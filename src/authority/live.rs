//! Answers what no presigned answer fits, from the ledger, with a fresh signature.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;

use super::dating::Basis;
use super::issuer::Issuer;
use super::runtime::{Shared, record_status};
use crate::asn1::{CrlReason, UnixTime};
use crate::catalog::NotIssued;
use crate::identity::SerialNumber;
use crate::ledger::{LedgerError, StatusRecord};
use crate::ocsp::{
    CertId, CertStatus, OcspRequest, OcspResponseStatus, ResponseDataParams, SingleResponse,
    basic_response, invalidity_date_extension, response_data, with_archive_cutoff,
};
use crate::presign::SigningWindow;
use crate::responder::{AnswerKind, AskedQuestion, EntityTag, Freshness, Question, Response};
use crate::signer::LoadedSigner;

/// Answers questions until the responder hangs up or the authority stops.
pub(super) fn run(shared: &Shared, questions: &mut Receiver<AskedQuestion>) {
    while let Some(asked) = questions.blocking_recv() {
        if shared.stopping() {
            return;
        }
        if asked.is_abandoned() {
            continue;
        }
        let response = answer(shared, &asked.question).unwrap_or_else(|refusal| {
            shared.counters.live_refused.fetch_add(1, Ordering::Relaxed);
            refusal.response()
        });
        asked.reply(response);
    }
}

fn answer(shared: &Shared, question: &Question) -> Result<Response, Refusal> {
    let request = OcspRequest::decode(&question.request_der, &shared.limits)
        .map_err(|_| Refusal::Malformed)?;
    let cert_ids: Vec<CertId<'_>> = request.cert_ids().collect();
    let issuers = cert_ids
        .iter()
        .map(|cert_id| {
            shared
                .issuers
                .by_cert_id(cert_id)
                .ok_or(Refusal::NotAuthoritative)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let issuer = one_issuer(&issuers)?;
    // Before the statuses, which it dates.
    let basis = Basis::now(issuer, &shared.ledger).map_err(|error| unreadable(&error))?;
    let mut extended_revoke = false;
    let mut about_issued = true;
    let mut statuses = Vec::with_capacity(cert_ids.len());
    for (cert_id, issuer) in cert_ids.iter().zip(&issuers) {
        statuses.push(match status_of(shared, issuer, cert_id)? {
            Known::Issued(record) if is_over(shared, issuer, &record)? => {
                return Err(Refusal::NotAuthoritative);
            }
            Known::Issued(record) => {
                let invalidity_date = record
                    .revocation
                    .and_then(|revoked| revoked.claim.invalidity_date);
                let status = record_status(&record);
                if let Err(breach) = issuer.rules.judge_status(&status) {
                    if issuer.found_breach() {
                        let serial = SerialNumber::from_content(cert_id.serial_number);
                        let serial = serial.map(|serial| serial.to_string()).unwrap_or_default();
                        tracing::error!(
                            issuer = issuer.name,
                            serial,
                            "{breach}. There may be more: this is told once"
                        );
                    }
                    return Err(Refusal::CannotSign);
                }
                (status.into(), invalidity_date, Some(record))
            }
            Known::NotIssued => {
                // Of an issuer that CRLs alone feed, not being on the CRL is what is known of most.
                about_issued = issuer.policy.not_issued == NotIssued::Good;
                match issuer.policy.not_issued {
                    NotIssued::Unauthorized => return Err(Refusal::NotAuthoritative),
                    NotIssued::Unknown => (CertStatus::Unknown, None, None),
                    NotIssued::ExtendedRevoked => {
                        extended_revoke = true;
                        (NEVER_ISSUED, None, None)
                    }
                    // No CRL is taken in with such a serial, so none can say that it is revoked.
                    NotIssued::Good if !can_be_listed(cert_id) => {
                        return Err(Refusal::NotAuthoritative);
                    }
                    NotIssued::Good => (CertStatus::Good, None, None),
                }
            }
        });
    }
    // Not before: what is refused needs no key.
    let signer = issuer.signer().ok_or(Refusal::CannotSign)?;
    // After the statuses, so that what a feed knows that came back is in them.
    let is_final = |(status, _, record): &(CertStatus, Option<UnixTime>, Option<StatusRecord>)| {
        record.is_some() && is_revoked_for_good(*status)
    };
    if issuer.is_held_back() && !statuses.iter().all(is_final) {
        return Err(Refusal::CannotSign);
    }
    // The status first, then the time: no revocation in it is later than thisUpdate.
    let now = shared.signing.now().map_err(|_| Refusal::CannotSign)?;
    let window = basis
        .window(issuer, &signer, now, None)
        .map_err(|_| Refusal::CannotSign)?;
    // What was never issued is in no archive.
    let extensions: Vec<Option<Vec<u8>>> = statuses
        .iter()
        .map(|(_, invalidity_date, record)| {
            let archive_cutoff = window.archive_cutoff.filter(|_| record.is_some());
            with_archive_cutoff(
                invalidity_date.map(invalidity_date_extension),
                archive_cutoff,
            )
        })
        .collect();
    let singles = cert_ids
        .iter()
        .zip(&statuses)
        .zip(&extensions)
        .map(|((cert_id, (status, _, record)), single_extensions)| {
            let this_update = match record {
                Some(record) => basis.this_update(&window, record),
                None => Some(window.this_update),
            };
            Ok(SingleResponse {
                cert_id_der: cert_id.der,
                status: *status,
                this_update: this_update.ok_or(Refusal::CannotSign)?,
                next_update: window.next_update,
                single_extensions: single_extensions.as_deref(),
            })
        })
        .collect::<Result<Vec<SingleResponse<'_>>, Refusal>>()?;
    let tbs = response_data(&ResponseDataParams {
        responder_id: &signer.responder_id,
        produced_at: window.produced_at,
        responses: &singles,
        nonce: None,
        extended_revoke,
    })
    .map_err(|_| Refusal::Malformed)?;
    sign(shared, &signer, issuer, &window, &tbs, about_issued)
}

fn sign(
    shared: &Shared,
    signer: &LoadedSigner,
    issuer: &Issuer,
    window: &SigningWindow,
    tbs: &[u8],
    about_issued: bool,
) -> Result<Response, Refusal> {
    let algorithm = signer.signer.algorithm();
    let mut signature = vec![0; algorithm.stored_len()];
    signer.signer.sign(tbs, &mut signature).map_err(|error| {
        shared.counters.signing_failed();
        tracing::error!(issuer = issuer.name, %error, "a live answer could not be signed");
        Refusal::CannotSign
    })?;
    let certificates: Vec<&[u8]> = signer
        .certificates_to_send
        .iter()
        .map(Vec::as_slice)
        .collect();
    let body = basic_response(tbs, algorithm, &signature, &certificates)
        .map_err(|_| Refusal::CannotSign)?;
    shared.counters.live_answers.fetch_add(1, Ordering::Relaxed);
    // What is not issued may be a moment later: caches must not hold on to it.
    let max_age = if about_issued {
        issuer
            .policy
            .cache_max_age
            .min(window.next_sign.since(window.produced_at))
    } else {
        issuer.policy.cache_max_age.min(NOT_ISSUED_MAX_AGE)
    };
    let left = window.next_update.since(window.produced_at);
    let freshness = Freshness {
        last_modified: window.produced_at,
        expires: window.next_update,
        max_age: max_age.min(left.saturating_sub(Duration::from_secs(1))),
        etag: EntityTag::new(crc32c::crc32c(tbs), &signature),
    };
    Ok(Response {
        body,
        freshness: Some(freshness),
        kind: AnswerKind::Live,
    })
}

/// The one issuer that all these are: a response has one signature.
fn one_issuer<'a>(issuers: &[&'a Arc<Issuer>]) -> Result<&'a Arc<Issuer>, Refusal> {
    let (first, others) = issuers.split_first().ok_or(Refusal::Malformed)?;
    if others.iter().any(|other| other.id != first.id) {
        return Err(Refusal::NotAuthoritative);
    }
    Ok(first)
}

/// Whether a certificate expired so long ago that nothing is said of it any more, whatever is said of
/// one that was never issued. Unless the time is known, it is not: what follows needs it too.
fn is_over(shared: &Shared, issuer: &Issuer, record: &StatusRecord) -> Result<bool, Refusal> {
    let now = shared.signing.now().map_err(|_| Refusal::CannotSign)?;
    Ok(issuer.keep_expired.is_over(record.not_after(), now))
}

/// What the ledger says of a serial.
enum Known {
    Issued(StatusRecord),
    NotIssued,
}

fn status_of(shared: &Shared, issuer: &Issuer, cert_id: &CertId<'_>) -> Result<Known, Refusal> {
    let not_listed_is_good = issuer.policy.not_issued == NotIssued::Good;
    // A serial that no certificate can have was not issued. Nor can a CRL be taken that lists it, so not
    // being on one says nothing.
    let serial = match SerialNumber::from_content(cert_id.serial_number) {
        Ok(serial) if !not_listed_is_good || serial.is_positive() => serial,
        _ if not_listed_is_good => return Err(Refusal::NotAuthoritative),
        _ => return Ok(Known::NotIssued),
    };
    let status = shared.ledger.status(&issuer.id, &serial);
    if let Some(status) = status.map_err(|error| unreadable(&error))? {
        return Ok(Known::Issued(status));
    }
    if !not_listed_is_good {
        return Ok(Known::NotIssued);
    }
    // Where all certificates are revoked, so is one that only its issuer knows of.
    let whole = shared.ledger.revoked_issuer(&issuer.id);
    let whole = whole.map_err(|error| unreadable(&error))?;
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

const fn is_revoked_for_good(status: CertStatus) -> bool {
    match status {
        CertStatus::Revoked { reason, .. } => !matches!(reason, Some(CrlReason::CertificateHold)),
        CertStatus::Good | CertStatus::Unknown => false,
    }
}

/// Whether an entry of a CRL with this serial could be in the ledger: one that is positive and has at most
/// 20 octets (RFC 5280 §4.1.2.2).
fn can_be_listed(cert_id: &CertId<'_>) -> bool {
    matches!(cert_id.serial_number, [0x00, _, ..] | [0x01..=0x7f, ..])
        && SerialNumber::from_content(cert_id.serial_number).is_ok()
}

fn unreadable(error: &LedgerError) -> Refusal {
    tracing::error!(%error, "the ledger could not be read for a live answer");
    Refusal::Inconsistent
}

/// RFC 6960 §2.2: what a responder may say of a serial that was never issued.
const NEVER_ISSUED: CertStatus = CertStatus::Revoked {
    revocation_time: UnixTime::EPOCH,
    reason: Some(CrlReason::CertificateHold),
};
const NOT_ISSUED_MAX_AGE: Duration = Duration::from_secs(60);

/// Why a question got no signed answer.
enum Refusal {
    Malformed,
    NotAuthoritative,
    CannotSign,
    Inconsistent,
}

impl Refusal {
    fn response(&self) -> Response {
        Response::unsigned(match self {
            Self::Malformed => OcspResponseStatus::MalformedRequest,
            Self::NotAuthoritative => OcspResponseStatus::Unauthorized,
            Self::CannotSign => OcspResponseStatus::TryLater,
            Self::Inconsistent => OcspResponseStatus::InternalError,
        })
    }
}
