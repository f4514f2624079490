//! From a request's octets to the answer's (RFC 6960 §2, RFC 9919 §3).

use std::time::Duration;

use super::{AnswerKind, EntityTag, Freshness, Question, Response, Why};
use crate::asn1::UnixTime;
use crate::catalog::{Finding, IssuerPolicy, IssuerSnapshot, NotIssued, Snapshot};
use crate::ocsp::{
    AlgorithmOffer, CertId, CertStatus, Nonce, OcspRequest, OcspResponseStatus,
    PreferredAlgorithms, RequestError, RequestLimits, Template,
};

/// What a request comes to.
#[derive(Debug)]
pub enum Answer {
    /// The answer, ready to be sent.
    Ready(Response),
    /// No presigned answer fits: the authority has to be asked.
    Ask(Question),
}

/// How an answer is wished.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Wish {
    /// As the issuer's policy has it.
    #[default]
    Usual,
    /// Signed now, where the issuer's policy lets clients ask for it.
    Fresh,
    /// Presigned, or not at all: there is nobody to sign.
    Presigned,
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
    answer_as(request_der, snapshot, now, limits, Wish::Usual)
}

/// The same, with a wish. With [`Wish::Presigned`] it never asks: what is not signed is `tryLater`.
#[must_use]
pub fn answer_as(
    request_der: &[u8],
    snapshot: &Snapshot,
    now: UnixTime,
    limits: &RequestLimits,
    wish: Wish,
) -> Answer {
    let decided = Asked {
        request_der,
        snapshot,
        now,
        wish,
    }
    .decide(limits);
    decided.unwrap_or_else(|refusal| Answer::Ready(refusal.response()))
}

/// A request on its way to a decision.
struct Asked<'a> {
    request_der: &'a [u8],
    snapshot: &'a Snapshot,
    now: UnixTime,
    wish: Wish,
}

impl Asked<'_> {
    fn decide(&self, limits: &RequestLimits) -> Result<Answer, Refusal> {
        let request = OcspRequest::decode(self.request_der, limits).map_err(Refusal::Malformed)?;
        let mut cert_ids = request.cert_ids();
        // A decoded request has at least one CertID; a request without one would have been malformed.
        let first = cert_ids.next().ok_or(Refusal::NotAuthoritative)?;
        match cert_ids.next() {
            None => self.about_one(&request, &first),
            Some(second) => self.about_several(first, second, cert_ids),
        }
    }

    /// The presigned answer to a question about one certificate, where it fits.
    fn about_one(
        &self,
        request: &OcspRequest<'_>,
        cert_id: &CertId<'_>,
    ) -> Result<Answer, Refusal> {
        let found = self.snapshot.issuer_with_place(cert_id);
        let (lane, issuer) = found.ok_or(Refusal::NotAuthoritative)?;
        let Some(algorithm) = cert_id.hash_algorithm else {
            return Err(Refusal::NotAuthoritative);
        };
        let policy = &issuer.entry().policy;
        let presigned = match issuer.find(cert_id.serial_number) {
            Finding::Absent => {
                judge_not_issued(issuer)?;
                return self.ask(lane, Why::NotIssued, policy);
            }
            Finding::Segment { segment, record } => {
                let Some((column, template)) = segment.template(algorithm) else {
                    return self.ask(lane, hash_or_unsigned(segment.templates()), policy);
                };
                record.signature(column).map(|signature| Presigned {
                    template,
                    status: record.status().into(),
                    single_extensions: record.single_extensions(),
                    signature,
                    next_sign: segment.next_sign(),
                    kind: AnswerKind::Presigned,
                })
            }
            Finding::Fresh(fresh) => {
                let Some(column) = fresh.column(algorithm) else {
                    return self.ask(lane, Why::Hash, policy);
                };
                Some(Presigned {
                    template: &column.template,
                    status: fresh.status.into(),
                    single_extensions: fresh.single_extensions.as_deref(),
                    signature: &column.signature,
                    next_sign: fresh.next_sign,
                    kind: AnswerKind::Overlay,
                })
            }
            Finding::Stale => return Err(Refusal::Stale),
            Finding::Masked { .. } | Finding::Damaged | Finding::CatchingUp => None,
        };
        let Some(presigned) = presigned.filter(|presigned| presigned.fits(cert_id, self.now))
        else {
            return self.ask(lane, Why::Unsigned, policy);
        };
        if let Some(why) = self.why_not_presigned(request, policy, presigned.template) {
            return self.ask(lane, why, policy);
        }
        match presigned.assemble(cert_id, issuer, self.now) {
            Some(response) => Ok(Answer::Ready(response)),
            None => self.ask(lane, Why::Unsigned, policy),
        }
    }

    /// Why the presigned answer will not do for a request, if it will not.
    fn why_not_presigned(
        &self,
        request: &OcspRequest<'_>,
        policy: &IssuerPolicy,
        template: &Template,
    ) -> Option<Why> {
        if self.wish == Wish::Presigned {
            return None;
        }
        if policy.echoes_nonce && matches!(request.nonce(), Nonce::Usable(_)) {
            return Some(Why::Nonce);
        }
        if policy.signs_afresh && self.wish == Wish::Fresh {
            return Some(Why::Fresh);
        }
        let prefers_another = |preferred: PreferredAlgorithms<'_>| {
            let presigned = template.signature_algorithm().algorithm_identifier_der();
            let offer = AlgorithmOffer::new(presigned, None);
            offer.is_some_and(|offer| !preferred.begins_with(&offer))
        };
        let prefers_another = policy.has_other_algorithms
            && request.preferred_algorithms().is_some_and(prefers_another);
        prefers_another.then_some(Why::Algorithm)
    }

    /// One signature speaks for all of them: if one may not be answered, none is.
    fn about_several<'a>(
        &self,
        first: CertId<'a>,
        second: CertId<'a>,
        others: impl Iterator<Item = CertId<'a>>,
    ) -> Result<Answer, Refusal> {
        let mut asked = None;
        for cert_id in [first, second].into_iter().chain(others) {
            let found = self.snapshot.issuer_with_place(&cert_id);
            let (lane, issuer) = found.ok_or(Refusal::NotAuthoritative)?;
            match issuer.find(cert_id.serial_number) {
                Finding::Absent => judge_not_issued(issuer)?,
                Finding::Stale => return Err(Refusal::Stale),
                _ => {}
            }
            asked = asked.or_else(|| Some((lane, &issuer.entry().policy)));
        }
        let (lane, policy) = asked.ok_or(Refusal::NotAuthoritative)?;
        self.ask(lane, Why::Several, policy)
    }

    fn ask(&self, lane: usize, why: Why, policy: &IssuerPolicy) -> Result<Answer, Refusal> {
        if self.wish == Wish::Presigned {
            return Err(Refusal::Busy);
        }
        let question = Question::new(self.request_der, lane, why, policy);
        Ok(Answer::Ask(question))
    }
}

/// Why a segment has no column for a hash: none at all means that nothing in it is signed.
const fn hash_or_unsigned(templates: &[Template]) -> Why {
    match templates {
        [] => Why::Unsigned,
        _ => Why::Hash,
    }
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
    /// False outside thisUpdate ≤ producedAt ≤ now < nextUpdate: nothing is served stale, and nothing from
    /// the future.
    fn fits(&self, asked: &CertId<'_>, now: UnixTime) -> bool {
        // producedAt is never before thisUpdate; the two part where answers are dated by a CRL.
        let begins = self.template.produced_at().max(self.template.this_update());
        begins <= now
            && now < self.template.next_update()
            // The last look before octets go out: the answer fits the question.
            && self.template.answers(asked, asked.serial_number)
    }

    /// The response of what [`Presigned::fits`].
    fn assemble(
        self,
        asked: &CertId<'_>,
        issuer: &IssuerSnapshot,
        now: UnixTime,
    ) -> Option<Response> {
        let (produced_at, next_update) = (self.template.produced_at(), self.template.next_update());
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
    /// It needs a signature, and there is nobody to sign.
    Busy,
}

impl Refusal {
    /// The one place where a refusal becomes an OCSPResponseStatus.
    fn response(&self) -> Response {
        Response::unsigned(match self {
            Self::Malformed(_) => OcspResponseStatus::MalformedRequest,
            Self::NotAuthoritative | Self::NotIssued => OcspResponseStatus::Unauthorized,
            Self::Stale | Self::Busy => OcspResponseStatus::TryLater,
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
