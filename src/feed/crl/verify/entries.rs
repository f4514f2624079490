//! What is wrong with the entries of a CRL (RFC 5280 §5.1.2.6, §5.3).

use std::collections::BTreeMap;

use super::{
    finding::{Findings, Severity, Tally},
    reading::CertificateIssuer,
    repetition::{Repeated, Repetitions},
};
use crate::{
    asn1::{Certificate, CrlReason},
    crl::{Entry, EntryOddity, RawEntry, ReasonFlags, reason_name},
    feed::crl::read,
};

/// The entries as they pass by.
pub(super) struct Entries<'a> {
    tally: Tally,
    repetitions: Repetitions,
    /// Of each reasonCode how many entries have it, and the first.
    reasons: BTreeMap<Option<u8>, (u32, u32)>,
    first_with_issuer: Option<u32>,
    issuer: CertificateIssuer,
    crl_issuer: Vec<u8>,
    wanted: &'a [Certificate],
    /// Of each wanted certificate the entry, and what it says.
    pub(super) found: Vec<Option<Listed>>,
}

/// The number of an entry, and its reasonCode.
pub(super) type Listed = (u32, Option<u8>);

/// What the CRL as a whole says of its entries, known when they are over.
pub(super) struct Kind {
    pub(super) is_delta: bool,
    pub(super) is_indirect: bool,
    pub(super) only_some_reasons: Option<ReasonFlags>,
}

impl<'a> Entries<'a> {
    /// `keep` as for [`Repetitions::new`].
    pub(super) fn new(crl_issuer: &[u8], wanted: &'a [Certificate], keep: bool) -> Self {
        Self {
            tally: Tally::default(),
            repetitions: Repetitions::new(keep),
            reasons: BTreeMap::new(),
            first_with_issuer: None,
            issuer: CertificateIssuer::default(),
            crl_issuer: crl_issuer.to_vec(),
            wanted,
            found: vec![None; wanted.len()],
        }
    }

    pub(super) fn add(&mut self, raw: &RawEntry<'_>) {
        let number = raw.number;
        match raw.decode() {
            Ok(entry) => self.judge(number, &entry),
            Err(error) => {
                let text = error.to_string();
                self.tally
                    .add(number, Severity::Fault, "RFC 5280 §5.1.2.6", text);
            }
        }
    }

    fn judge(&mut self, number: u32, entry: &Entry<'_>) {
        let extensions = entry.extensions;
        let tally = &mut self.tally;
        let mut fault = |clause, text: String| tally.add(number, Severity::Fault, clause, text);
        if let Some(what) = read::serial_fault(entry.serial_number) {
            fault("RFC 5280 §4.1.2.2", format!("its serial number: {what}"));
        }
        match entry.revocation_date.to_unix() {
            Err(error) => fault("RFC 5280 §5.1.2.6", format!("its revocationDate: {error}")),
            Ok(_) if !entry.revocation_date.has_due_form() => fault(
                "RFC 5280 §5.1.2.6",
                format!("its revocationDate {GENERALIZED}"),
            ),
            Ok(_) => {}
        }
        if let Some(oddity) = extensions.oddity {
            let clause = match oddity {
                EntryOddity::CriticalReasonCode => "RFC 5280 §5.3.1",
                EntryOddity::CriticalInvalidityDate => "RFC 5280 §5.3.2",
                EntryOddity::CertificateIssuerNotCritical => "RFC 5280 §5.3.3",
                EntryOddity::Empty => "RFC 5280 §5.1.2.6",
            };
            fault(clause, oddity.to_string());
        }
        if let Some(oid) = extensions.unknown_critical {
            let text = format!("it has the critical extension {oid}, which is not known here");
            fault("RFC 5280 §5.3", text);
        }
        if extensions.certificate_issuer.is_some() {
            self.first_with_issuer.get_or_insert(number);
        }
        let code = extensions.reason_code;
        let (_, count) = self.reasons.entry(code).or_insert((number, 0));
        *count = count.saturating_add(1);
        self.issuer.follow(extensions.certificate_issuer);
        self.repetitions
            .add(number, self.issuer.names(), entry.serial_number);
        for (certificate, found) in self.wanted.iter().zip(&mut self.found) {
            if certificate.serial_number() == entry.serial_number
                && self.issuer.is(certificate.issuer_der(), &self.crl_issuer)
            {
                found.get_or_insert((number, code));
            }
        }
    }

    /// Tells what was found; `true` when the entries have to be read again, to be compared with each
    /// other.
    pub(super) fn finish(
        self,
        kind: &Kind,
        findings: &mut Findings,
    ) -> (bool, Vec<Option<Listed>>) {
        self.tally.tell(findings);
        for (code, (first, count)) in &self.reasons {
            judge_reason(*code, kind, &place(*first, *count), findings);
        }
        if let Some(first) = self.first_with_issuer.filter(|_| !kind.is_indirect) {
            findings.fault(
                "RFC 5280 §5.3.3",
                format!(
                    "entry {first}: it has a certificateIssuer, but the CRL's \
                     issuingDistributionPoint does not say indirectCRL"
                ),
            );
        }
        let again = tell_repetition(self.repetitions.finish(), findings);
        (again, self.found)
    }
}

/// `true` when it is not known.
pub(super) fn tell_repetition(repeated: Repeated, findings: &mut Findings) -> bool {
    match repeated {
        Repeated::No => false,
        Repeated::NotKnown => true,
        Repeated::Yes { count, first } => {
            let others = match count.saturating_sub(1) {
                0 => String::new(),
                others => format!(", and {others} more repeat one"),
            };
            findings.fault(
                "RFC 5280 §5.1.2.6",
                format!(
                    "entries {} and {} have the same serial number{others}; each certificate is \
                     listed once",
                    first.0, first.1
                ),
            );
            false
        }
    }
}

fn judge_reason(code: Option<u8>, kind: &Kind, place: &str, findings: &mut Findings) {
    let clause = "RFC 5280 §5.3.1";
    match code {
        None => {}
        Some(0) => findings.note(
            clause,
            format!("{place}: unspecified (0) should be said by leaving reasonCode out"),
        ),
        Some(8) if kind.is_delta => {}
        Some(8) => findings.fault(
            clause,
            format!("{place}: removeFromCRL (8) belongs into delta CRLs alone"),
        ),
        Some(code) if CrlReason::from_code(code).is_none() => {
            findings.fault(clause, format!("{place}: there is no reason {code}"));
        }
        Some(_) => {}
    }
    if let Some(reasons) = kind.only_some_reasons {
        let clause = "RFC 5280 §5.2.5";
        match code {
            None | Some(0) => findings.fault(
                clause,
                format!(
                    "{place}: no reason; under onlySomeReasons every entry needs one other than \
                     unspecified"
                ),
            ),
            Some(8) => {}
            Some(code)
                if CrlReason::from_code(code).is_none_or(|reason| !reasons.includes(reason)) =>
            {
                findings.fault(
                    clause,
                    format!(
                        "{place}: {} is not among the onlySomeReasons",
                        reason_name(Some(code))
                    ),
                )
            }
            Some(_) => {}
        }
    }
}

fn place(first: u32, count: u32) -> String {
    match count {
        0 | 1 => format!("entry {first}"),
        _ => format!("entry {first} and {} more", count.saturating_sub(1)),
    }
}

pub(super) const GENERALIZED: &str = "is a GeneralizedTime before 2050; UTCTime is due until then";
