//! From a request's octets to the answer's (RFC 6960 §2, RFC 9919 §3).

use std::time::Duration;

use super::{AnswerKind, EntityTag, Freshness, Question, Response};
use crate::asn1::UnixTime;
use crate::catalog::{Finding, IssuerSnapshot, NotIssued, Snapshot};
use crate::ocsp::{
    CertId, CertStatus, OcspRequest, OcspResponseStatus, RequestError, RequestLimits, Template,
};

/// What a request comes to.
#[derive(Debug)]
pub enum Answer {
    /// The answer, ready to be sent.
    Ready(Response),
    /// No presigned answer fits: the authority has to be asked.
    Ask(Question),
}

/// Decides one request: `request_der` is the whole DER OCSPRequest, `now` the time it arrived.
///
/// For one CertID with a presigned answer it takes no lock, makes no system call and allocates the
/// response body only.
#[must_use]
pub fn answer(
    request_der: &[u8],
    snapshot: &Snapshot,
    now: UnixTime,
    limits: &RequestLimits,
) -> Answer {
    decide(request_der, snapshot, now, limits)
        .unwrap_or_else(|refusal| Answer::Ready(refusal.response()))
}

fn decide(
    request_der: &[u8],
    snapshot: &Snapshot,
    now: UnixTime,
    limits: &RequestLimits,
) -> Result<Answer, Refusal> {
    let request = OcspRequest::decode(request_der, limits).map_err(Refusal::Malformed)?;
    let ask = || {
        Answer::Ask(Question {
            request_der: request_der.to_vec(),
        })
    };
    let mut cert_ids = request.cert_ids();
    // A decoded request has at least one CertID; a request without one would have been malformed.
    let first = cert_ids.next().ok_or(Refusal::NotAuthoritative)?;
    let Some(second) = cert_ids.next() else {
        return Ok(single(&first, snapshot, now)?.map_or_else(ask, Answer::Ready));
    };
    // One signature speaks for all of them: if one may not be answered, none is.
    for cert_id in [first, second].into_iter().chain(cert_ids) {
        let issuer = snapshot.issuer(&cert_id).ok_or(Refusal::NotAuthoritative)?;
        match issuer.find(cert_id.serial_number) {
            Finding::Absent => judge_not_issued(issuer)?,
            Finding::Stale => return Err(Refusal::Stale),
            _ => {}
        }
    }
    Ok(ask())
}

/// The presigned answer to a question about one certificate; `None` where none fits.
fn single(
    cert_id: &CertId<'_>,
    snapshot: &Snapshot,
    now: UnixTime,
) -> Result<Option<Response>, Refusal> {
    let issuer = snapshot.issuer(cert_id).ok_or(Refusal::NotAuthoritative)?;
    let Some(algorithm) = cert_id.hash_algorithm else {
        return Err(Refusal::NotAuthoritative);
    };
    Ok(match issuer.find(cert_id.serial_number) {
        Finding::Absent => {
            judge_not_issued(issuer)?;
            None
        }
        Finding::Segment { segment, record } => {
            segment.template(algorithm).and_then(|(column, template)| {
                Presigned {
                    template,
                    status: record.status().into(),
                    single_extensions: record.single_extensions(),
                    signature: record.signature(column)?,
                    next_sign: segment.next_sign(),
                    kind: AnswerKind::Presigned,
                }
                .assemble(cert_id, issuer, now)
            })
        }
        Finding::Fresh(fresh) => fresh.column(algorithm).and_then(|column| {
            Presigned {
                template: &column.template,
                status: fresh.status.into(),
                single_extensions: fresh.single_extensions.as_deref(),
                signature: &column.signature,
                next_sign: fresh.next_sign,
                kind: AnswerKind::Overlay,
            }
            .assemble(cert_id, issuer, now)
        }),
        Finding::Stale => return Err(Refusal::Stale),
        Finding::Masked { .. } | Finding::Damaged | Finding::CatchingUp => None,
    })
}

/// Unknown is never good, but where an operator wrote so for an issuer that is fed by CRLs alone. What
/// was not issued is answered by the issuer's policy, and only the policies that need a signature go on
/// to the authority.
fn judge_not_issued(issuer: &IssuerSnapshot) -> Result<(), Refusal> {
    match issuer.entry().policy.not_issued {
        NotIssued::Unauthorized => Err(Refusal::NotIssued),
        NotIssued::Unknown | NotIssued::ExtendedRevoked | NotIssued::Good => Ok(()),
    }
}

/// An answer signed ahead of time, in its parts.
struct Presigned<'a> {
    template: &'a Template,
    status: CertStatus,
    single_extensions: Option<&'a [u8]>,
    signature: &'a [u8],
    next_sign: UnixTime,
    kind: AnswerKind,
}

impl Presigned<'_> {
    /// The response, or `None` outside thisUpdate ≤ producedAt ≤ now < nextUpdate: nothing is served stale, and
    /// nothing from the future.
    fn assemble(
        self,
        asked: &CertId<'_>,
        issuer: &IssuerSnapshot,
        now: UnixTime,
    ) -> Option<Response> {
        let (produced_at, next_update) = (self.template.produced_at(), self.template.next_update());
        // producedAt is never before thisUpdate; the two part where answers are dated by a CRL.
        if now < produced_at.max(self.template.this_update()) || now >= next_update {
            return None;
        }
        // The last look before octets go out: the answer fits the question.
        if !self.template.answers(asked, asked.serial_number) {
            return None;
        }
        let mut body = Vec::new();
        self.template
            .assemble(
                asked.serial_number,
                &self.status,
                self.single_extensions,
                self.signature,
                &mut body,
            )
            .ok()?;
        let freshness = Freshness {
            last_modified: produced_at,
            expires: next_update,
            max_age: max_age(
                now,
                self.next_sign,
                next_update,
                issuer.entry().policy.cache_max_age,
            ),
            etag: EntityTag::new(self.template.checksum(), self.signature),
        };
        Some(Response {
            body,
            freshness: Some(freshness),
            kind: self.kind,
        })
    }
}

/// How long caches may keep an answer: until the next planned signing (RFC 9919 §7.1), at most as the
/// issuer allows, and always short of nextUpdate (§7.2). When the next signing is overdue the answer
/// may change at any moment, so caches are asked to look again within a minute.
fn max_age(
    now: UnixTime,
    next_sign: UnixTime,
    next_update: UnixTime,
    cache_max_age: Duration,
) -> Duration {
    const OVERDUE: Duration = Duration::from_secs(60);
    const SECOND: Duration = Duration::from_secs(1);
    next_sign
        .since(now)
        .max(OVERDUE)
        .min(cache_max_age)
        .min(next_update.since(now).saturating_sub(SECOND))
}

/// Why a request gets an unsigned error instead of a status.
#[derive(Debug)]
enum Refusal {
    /// Not an OCSPRequest, or one that we cannot honour.
    Malformed(#[expect(dead_code, reason = "shown by Debug in logs")] RequestError),
    /// No issuer of ours has these hashes.
    NotAuthoritative,
    /// The issuer is ours, the serial was never issued, and policy is to say nothing about it.
    NotIssued,
    /// What would know whether it was revoked meanwhile has been silent for too long.
    Stale,
}

impl Refusal {
    /// The one place where a refusal becomes an OCSPResponseStatus.
    fn response(&self) -> Response {
        Response::unsigned(match self {
            Self::Malformed(_) => OcspResponseStatus::MalformedRequest,
            Self::NotAuthoritative | Self::NotIssued => OcspResponseStatus::Unauthorized,
            Self::Stale => OcspResponseStatus::TryLater,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_keep_an_answer_until_the_next_signing_and_never_past_its_end() {
        let at = |secs: u64| UnixTime::from_secs(1_000_000 + secs).unwrap();
        let hour = Duration::from_secs(3_600);
        let age = |next_sign, next_update, cache_max_age| {
            max_age(at(0), at(next_sign), at(next_update), cache_max_age).as_secs()
        };
        assert_eq!(age(86_400, 345_600, hour), 3_600);
        assert_eq!(age(1_800, 345_600, hour), 1_800);
        assert_eq!(age(86_400, 345_600, 12 * hour), 43_200);
        // Signing is due or overdue: a minute.
        assert_eq!(age(10, 345_600, hour), 60);
        assert_eq!(age(0, 345_600, hour), 60);
        // The end is near.
        assert_eq!(age(0, 31, hour), 30);
        assert_eq!(age(0, 1, hour), 0);
    }
}
