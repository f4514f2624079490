//! Whether a CRL is what RFC 5280 asks of one: every rule that can be judged from its octets, its issuer's
//! certificate, and the CRLs that it adds to and follows.
//!
//! An import asks whether a CRL can be relied on; this asks whether its issuer did everything right. So
//! nothing stops at the first thing that is wrong, and each is told with its clause. A CRL passes by as a
//! stream. In memory stay the findings, and of entries that are not sorted by serial number 16 octets each.

mod entries;
mod extensions;
mod finding;
mod previous;
pub(super) mod reading;
mod repetition;

use std::io::{self, BufRead};

use entries::{Entries, GENERALIZED, Kind, tell_repetition};
use finding::Findings;
use previous::Comparison;
use reading::{CertificateIssuer, Read, Reading};
use repetition::Repetitions;

use super::{Authority, coverage::reasons_covered};
use crate::{
    asn1::{Certificate, CrlReason, UnixTime},
    change::REVOCATION_AHEAD_MAX,
    crl::{CrlError, CrlExtensions, Head, ReasonFlags, Version, reason_name},
    signer::Name,
};

pub use finding::{Finding, Severity};
pub use previous::Succession;

/// A CRL that is to be read, more than once if need be.
pub struct CrlInput<'a> {
    /// Opens it, from its beginning.
    pub open: &'a mut dyn FnMut() -> io::Result<Box<dyn BufRead>>,
    /// Whether it can be opened a second time. Of one that cannot, 16 octets an entry are kept.
    pub again: bool,
}

/// What a CRL is judged by.
pub struct CrlJudgement<'a> {
    /// Who should have made it.
    pub authority: Authority<'a>,
    /// The complete CRL that it should add to, if it is a delta.
    pub base: Option<CrlInput<'a>>,
    /// One of the same scope that was made before it.
    pub previous: Option<CrlInput<'a>>,
    /// Certificates that it should tell the status of.
    pub certificates: &'a [Certificate],
    /// The time.
    pub now: UnixTime,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct CrlVerdict {
    /// What stands before its entries, if that could be read.
    pub head: Option<Head>,
    /// What its extensions say; nothing where they cannot be read.
    pub extensions: CrlExtensions,
    /// How many octets of DER and how many entries it has; nothing where it cannot be read to its end.
    pub size: Option<(u64, u32)>,
    /// In the order in which they were made.
    pub findings: Vec<Finding>,
    /// How its entries differ from those of the one before, where that can be compared.
    pub succession: Option<Succession>,
    /// What it says of each certificate, in their order.
    pub certificates: Vec<CertificateVerdict>,
}

/// What a CRL says of a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateVerdict {
    /// For which reasons it tells its status, or why it does not (RFC 5280 §6.3.3 (b)).
    pub covered: Result<ReasonFlags, super::NotCovered>,
    /// Its entry: the number, and the name of the reason.
    pub listed: Option<(u32, String)>,
}

impl CrlVerdict {
    /// The worst that was found.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}

/// Which of the files could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct VerifyError {
    /// Which one.
    pub which: Which,
    /// Why.
    #[source]
    pub source: CrlError,
}

/// The files that are read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Which {
    /// The CRL that is judged.
    Judged,
    /// [`CrlJudgement::base`]
    Base,
    /// [`CrlJudgement::previous`]
    Previous,
}

/// Judges the CRL in `input`.
///
/// # Errors
/// [`VerifyError`] when a file cannot be read, or the base or the previous one is no CRL. What is wrong with
/// the CRL that is judged is in the verdict.
pub fn verify(
    mut input: CrlInput<'_>,
    mut judgement: CrlJudgement<'_>,
) -> Result<CrlVerdict, VerifyError> {
    let mut findings = Findings::default();
    let mut verdict = CrlVerdict {
        head: None,
        extensions: CrlExtensions::default(),
        size: None,
        findings: Vec::new(),
        succession: None,
        certificates: Vec::new(),
    };
    match judge(&mut input, &mut judgement, &mut findings, &mut verdict) {
        Ok(()) => {}
        Err(VerifyError {
            which: Which::Judged,
            source,
        }) if !matches!(source, CrlError::Read(_)) => findings.unreadable(&source),
        Err(error) => return Err(error),
    }
    verdict.findings = findings.0;
    Ok(verdict)
}

fn judge(
    input: &mut CrlInput<'_>,
    judgement: &mut CrlJudgement<'_>,
    findings: &mut Findings,
    verdict: &mut CrlVerdict,
) -> Result<(), VerifyError> {
    let judged = failed(Which::Judged);
    let authority = judgement.authority;
    let mut reading = open(input).map_err(&judged)?;
    let head = reading.head().clone();
    judge_head(&head, &authority, judgement.now, findings);
    verdict.head = Some(head.clone());
    let mut comparison = match &mut judgement.previous {
        None => None,
        Some(previous) => {
            let reading = open(previous).map_err(failed(Which::Previous))?;
            Some(Comparison::new(reading))
        }
    };
    let mut entries = Entries::new(&head.issuer_der, judgement.certificates, !input.again);
    while let Some(raw) = reading.next_entry().map_err(&judged)? {
        entries.add(&raw);
        if let (Some(comparison), Ok(serial)) = (&mut comparison, raw.serial_number()) {
            comparison.meet(serial).map_err(failed(Which::Previous))?;
        }
    }
    let read = reading.finish(&authority).map_err(&judged)?;
    verdict.size = Some((read.octets, read.entry_count));
    judge_whole(&read, findings);
    extensions::judge(read.list.as_deref(), &read.extensions, findings);
    verdict.extensions = read.extensions.clone().unwrap_or_default();
    let point = verdict.extensions.issuing_distribution_point.as_ref();
    let kind = Kind {
        is_delta: verdict.extensions.base_crl_number.is_some(),
        is_indirect: point.is_some_and(|point| point.indirect_crl),
        only_some_reasons: point.and_then(|point| point.only_some_reasons),
    };
    let (again, found) = entries.finish(&kind, findings);
    if again {
        look_for_repetitions(input, findings).map_err(&judged)?;
    }
    for (certificate, entry) in judgement.certificates.iter().zip(found) {
        let covered = reasons_covered(certificate, &head.issuer_der, point);
        let listed = entry.map(|(number, code)| (number, reason_name(code)));
        verdict
            .certificates
            .push(CertificateVerdict { covered, listed });
    }
    if let Some(base) = &mut judgement.base {
        let base = read_whole(base, &authority).map_err(failed(Which::Base))?;
        judge_base(&read, &base, findings);
    }
    if let (Some(comparison), Some(previous)) = (comparison, &mut judgement.previous) {
        let succession = comparison
            .finish(&read, &authority, input, previous, findings)
            .map_err(|(which, source)| VerifyError { which, source })?;
        verdict.succession = succession;
    }
    Ok(())
}

fn failed(which: Which) -> impl Fn(CrlError) -> VerifyError {
    move |source| VerifyError { which, source }
}

fn open(input: &mut CrlInput<'_>) -> Result<Reading<Box<dyn BufRead>>, CrlError> {
    Reading::open((input.open)()?)
}

/// Reads one whose entries nobody looks at.
fn read_whole(input: &mut CrlInput<'_>, authority: &Authority<'_>) -> Result<Read, CrlError> {
    let mut reading = open(input)?;
    while reading.next_entry()?.is_some() {}
    reading.finish(authority)
}

/// A second time, where entries are not sorted.
fn look_for_repetitions(input: &mut CrlInput<'_>, findings: &mut Findings) -> Result<(), CrlError> {
    let mut reading = open(input)?;
    let mut repetitions = Repetitions::new(true);
    let mut issuer = CertificateIssuer::default();
    while let Some(raw) = reading.next_entry()? {
        if let Ok(entry) = raw.decode() {
            issuer.follow(entry.extensions.certificate_issuer);
            repetitions.add(raw.number, issuer.names(), entry.serial_number);
        }
    }
    tell_repetition(repetitions.finish(), findings);
    Ok(())
}

fn judge_head(head: &Head, authority: &Authority<'_>, now: UnixTime, findings: &mut Findings) {
    findings.demand(
        head.version == Version::V2,
        "RFC 5280 §5.1.2.1",
        "it is of version 1; with extensions, which every CRL has, it must be version 2",
    );
    if head.issuer_der != authority.certificate.subject_der() {
        findings.fault(
            "RFC 5280 §5.1.2.3",
            format!(
                "its issuer is {}, and the certificate's subject is {}: they must be the same octet for \
                 octet",
                Name::new(&head.issuer_der),
                Name::new(authority.certificate.subject_der()),
            ),
        );
    }
    if !head.times_have_due_form {
        findings.fault(
            "RFC 5280 §5.1.2.4, §5.1.2.5",
            format!("its thisUpdate or nextUpdate {GENERALIZED}"),
        );
    }
    let this_update = head.this_update;
    match head.next_update {
        None => findings.fault("RFC 5280 §5.1.2.5", "it has no nextUpdate"),
        Some(next_update) if next_update <= this_update => findings.fault(
            "RFC 5280 §5.1.2.5",
            format!("its nextUpdate {next_update} is not after its thisUpdate {this_update}"),
        ),
        Some(next_update) if next_update < now => findings.add(
            Severity::NotInDate,
            "RFC 5280 §6.3.3 (a)",
            format!("its nextUpdate was {next_update}, and it is {now}"),
        ),
        Some(_) => {}
    }
    if this_update > now.saturating_add(REVOCATION_AHEAD_MAX) {
        findings.add(
            Severity::NotInDate,
            "RFC 5280 §5.1.2.4",
            format!("its thisUpdate is {this_update}, and it is {now}"),
        );
    }
}

fn judge_whole(read: &Read, findings: &mut Findings) {
    findings.demand(
        read.entry_count > 0 || !read.head.has_revoked_certificates,
        "RFC 5280 §5.1.2.6",
        "its revokedCertificates are empty; the field should be absent",
    );
    if let Err(refusal) = &read.signature {
        findings.fault("RFC 5280 §6.3.3 (f), (g)", refusal.to_string());
    }
}

/// Whether a delta can be added to a complete CRL (RFC 5280 §5.2.4, §6.3.3 (c)).
fn judge_base(delta: &Read, base: &Read, findings: &mut Findings) {
    let clause = "RFC 5280 §5.2.4";
    let (Ok(of_delta), Ok(of_base)) = (&delta.extensions, &base.extensions) else {
        findings.fault(clause, "the extensions of it or of the base cannot be read");
        return;
    };
    let Some(base_number) = of_delta.base_crl_number else {
        findings.note(clause, "it is no delta CRL, so it adds to no base");
        return;
    };
    if let Err(refusal) = &base.signature {
        findings.fault(clause, format!("the base: {refusal}"));
    }
    findings.demand(
        of_base.base_crl_number.is_none(),
        clause,
        "the base is a delta CRL itself",
    );
    let same = [
        (delta.head.issuer_der == base.head.issuer_der, "issuer"),
        (
            of_delta.issuing_distribution_point == of_base.issuing_distribution_point,
            "issuingDistributionPoint",
        ),
        (
            of_delta.authority_key_id == of_base.authority_key_id,
            "authorityKeyIdentifier",
        ),
    ];
    for (is_same, what) in same {
        if !is_same {
            findings.fault(
                "RFC 5280 §6.3.3 (c)",
                format!("it and the base do not have the same {what}"),
            );
        }
    }
    match (of_base.crl_number, of_delta.crl_number) {
        (None, _) => findings.fault(clause, "the base has no CRLNumber"),
        (Some(number), _) if number < base_number => findings.fault(
            clause,
            format!(
                "the base has the number {number}, and it adds to {base_number} or a later one"
            ),
        ),
        (Some(number), Some(own)) if number >= own => findings.note(
            clause,
            format!(
                "the base has the number {number}: it knows already what is in this one, {own}"
            ),
        ),
        _ => {}
    }
}

impl CertificateVerdict {
    /// The names of the reasons for which the CRL tells nothing; none where it tells all.
    #[must_use]
    pub fn reasons_missing(&self) -> Vec<&'static str> {
        let covered = self.covered.as_ref().copied().unwrap_or(ReasonFlags::NONE);
        ReasonFlags::ALL
            .reasons()
            .filter(|reason| !covered.includes(*reason))
            .map(CrlReason::name)
            .collect()
    }
}
