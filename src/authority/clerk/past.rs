//! What a certificate's status was at a moment, and all that was recorded about it.

use serde::{Deserialize, Serialize};

use super::change::stated_time;
use super::{CertificateState, Clerk, serial};
use crate::asn1::UnixTime;
use crate::authority::{ErrorClass, Issuer, OperationError};
use crate::change::{Inventory, RevocationClaim};
use crate::identity::SerialNumber;
use crate::ledger::{By, Entry, EntryKind, LedgerError, LedgerSnapshot, Past, Statement};

impl Clerk {
    /// What the status of a certificate was at a moment: as it was known then, and as it is known today.
    ///
    /// # Errors
    /// [`OperationError`] for an unknown issuer, a serial or time that is none, or a ledger that fails.
    pub fn status_at(&self, request: &PastRequest) -> Result<PastReply, OperationError> {
        let issuer = self.issuers.by_name(request.issuer.as_deref())?;
        let serial = serial(&request.serial)?;
        let at = stated_time(Some(&request.at))?
            .ok_or_else(|| OperationError::new(ErrorClass::Usage, "say at what time"))?;
        let failed = |error: LedgerError| OperationError::from(&error);
        let snapshot = self.ledger.snapshot().map_err(failed)?;
        let told = |by| past(&snapshot, issuer, &serial, at, by).map_err(failed);
        let (then, today) = (told(By::Recorded)?, told(By::Effective)?);
        let own = snapshot.status(&issuer.id, &serial).map_err(failed)?;
        let not_after = own
            .and_then(|own| own.issued)
            .and_then(|issued| issued.not_after);
        let crl = snapshot.evidence_at(&issuer.id, at).map_err(failed)?;
        Ok(PastReply {
            issuer: issuer.name.clone(),
            serial: serial.to_string(),
            at: at.to_string(),
            agree: then.says() == today.says(),
            known_then: (request.by != Some(PastBy::Effective)).then_some(then),
            known_today: (request.by != Some(PastBy::Recorded)).then_some(today),
            not_after: not_after.map(|time| time.to_string()),
            expired: not_after.is_some_and(|not_after| not_after < at),
            newest_crl: crl.and_then(|entry| crl_facts(&entry)),
            last_sequence: snapshot.last_sequence(),
        })
    }

    /// What was recorded about a certificate, the latest first, a page at a time.
    ///
    /// # Errors
    /// [`OperationError`] for an unknown issuer, a serial that is none, or a ledger that fails.
    pub fn history(&self, request: &HistoryRequest) -> Result<HistoryReply, OperationError> {
        let issuer = self.issuers.by_name(request.issuer.as_deref())?;
        let serial = serial(&request.serial)?;
        let failed = |error: LedgerError| OperationError::from(&error);
        let snapshot = self.ledger.snapshot().map_err(failed)?;
        let mut history = match request.from {
            None => snapshot.history(&issuer.id, &serial),
            Some(from) => snapshot.history_from(&issuer.id, &serial, from),
        }
        .map_err(failed)?;
        let limit = request.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
        let entries = history
            .by_ref()
            .take(limit)
            .map(|entry| entry.map(|entry| HistoryEntry::new(&entry)))
            .collect::<Result<_, _>>()
            .map_err(failed)?;
        Ok(HistoryReply {
            issuer: issuer.name.clone(),
            serial: serial.to_string(),
            entries,
            next: history.resumes_at(),
            last_sequence: snapshot.last_sequence(),
        })
    }
}

/// A moment that is asked about.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PastRequest {
    /// The issuer's configured name; needed when there are several.
    pub issuer: Option<String>,
    /// The serial number in hexadecimal.
    pub serial: String,
    /// The moment, RFC 3339.
    pub at: String,
    /// Which of the two is wanted; both when left out.
    pub by: Option<PastBy>,
}

/// Which of the two times of an entry counts.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PastBy {
    /// What was known at that moment.
    Recorded,
    /// What is known today about that moment.
    Effective,
}

/// What a certificate's status was at a moment.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PastReply {
    /// The issuer's configured name.
    pub issuer: String,
    /// The serial number in hexadecimal.
    pub serial: String,
    /// The moment, RFC 3339.
    pub at: String,
    /// What the ledger knew at that moment.
    pub known_then: Option<PastState>,
    /// What it knows today about that moment.
    pub known_today: Option<PastState>,
    /// Whether the two say the same.
    pub agree: bool,
    /// The certificate's notAfter, where it is known.
    pub not_after: Option<String>,
    /// Whether it had expired at that moment.
    pub expired: bool,
    /// The newest CRL of the issuer that had been taken by then, where there was one.
    pub newest_crl: Option<CrlFacts>,
    /// The number of the ledger's last entry: the reply is as of this one.
    pub last_sequence: u64,
}

/// A status, and the entry that says so.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PastState {
    /// Good, revoked, or nothing known.
    pub status: CertificateState,
    /// CRLReason, when revoked with one.
    pub reason: Option<String>,
    /// Since when it counts as revoked, RFC 3339.
    pub revocation_time: Option<String>,
    /// The invalidityDate, RFC 3339.
    pub invalidity_date: Option<String>,
    /// The entry that says so, with both its times and its source.
    pub entry: Option<HistoryEntry>,
}

impl PastState {
    fn says(&self) -> (CertificateState, Option<&str>, Option<&str>) {
        let (reason, time) = (&self.reason, &self.revocation_time);
        (self.status, reason.as_deref(), time.as_deref())
    }
}

/// A CRL that was taken.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct CrlFacts {
    /// Its CRLNumber in hexadecimal, if it has one.
    pub number: Option<String>,
    /// thisUpdate, RFC 3339.
    pub this_update: String,
    /// nextUpdate, RFC 3339.
    pub next_update: String,
    /// When it was recorded, RFC 3339.
    pub recorded: String,
    /// The number of its entry.
    pub sequence: u64,
}

/// A page of what was recorded.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct HistoryRequest {
    /// The issuer's configured name; needed when there are several.
    pub issuer: Option<String>,
    /// The serial number in hexadecimal.
    pub serial: String,
    /// How many entries at most: 1,000 when left out, 10,000 at most.
    pub limit: Option<usize>,
    /// Where an earlier page said that the next one begins.
    pub from: Option<u64>,
}

/// What was recorded about a certificate.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct HistoryReply {
    /// The issuer's configured name.
    pub issuer: String,
    /// The serial number in hexadecimal.
    pub serial: String,
    /// The entries, the latest first.
    pub entries: Vec<HistoryEntry>,
    /// Where the next page begins; none after the last one.
    pub next: Option<u64>,
    /// The number of the ledger's last entry: the reply is as of this one.
    pub last_sequence: u64,
}

/// One entry about a certificate.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct HistoryEntry {
    /// Its number.
    pub sequence: u64,
    /// `issued`, `revoked`, `on_hold`, `released`, `corrected` or `issuer_revoked`.
    pub kind: String,
    /// Since when it counts, RFC 3339: the revocationTime, or when it was recorded.
    pub effective: String,
    /// When it was recorded, RFC 3339.
    pub recorded: String,
    /// The same in milliseconds since 1970.
    pub recorded_ms: u64,
    /// CRLReason, where it says one.
    pub reason: Option<String>,
    /// The revocationTime as claimed, RFC 3339.
    pub revocation_time: Option<String>,
    /// The invalidityDate, RFC 3339.
    pub invalidity_date: Option<String>,
    /// notBefore, where it says one.
    pub not_before: Option<String>,
    /// notAfter, where it says one.
    pub not_after: Option<String>,
    /// Which source said it.
    pub source: String,
    /// The place in that source.
    pub cursor: String,
    /// The number of the certificate's entry before, 0 for none.
    pub previous: u64,
}

impl HistoryEntry {
    fn new(entry: &Entry) -> Self {
        let mut previous = 0;
        let (kind, claim, inventory) = match &entry.kind {
            EntryKind::Certificate(certificate) => {
                previous = certificate.previous;
                said(&certificate.statement)
            }
            EntryKind::IssuerRevoked { claim, .. } => ("issuer_revoked", Some(*claim), None),
            // No entry of another kind is in a certificate's history.
            _ => ("other", None, None),
        };
        let text = |time: UnixTime| time.to_string();
        let recorded = seconds(entry.recorded_ms);
        // A source whose clock is ahead is believed from when it was heard.
        let effective = claim.map_or(recorded, |claim| claim.revocation_time.min(recorded));
        Self {
            sequence: entry.sequence,
            kind: kind.to_owned(),
            effective: text(effective),
            recorded: text(recorded),
            recorded_ms: entry.recorded_ms,
            reason: claim
                .and_then(|claim| claim.reason)
                .map(|reason| reason.name().to_owned()),
            revocation_time: claim.map(|claim| text(claim.revocation_time)),
            invalidity_date: claim.and_then(|claim| claim.invalidity_date).map(text),
            not_before: inventory.and_then(|it| it.not_before).map(text),
            not_after: inventory.and_then(|it| it.not_after).map(text),
            source: entry.source.name().to_owned(),
            cursor: entry.source.cursor().to_owned(),
            previous,
        }
    }
}

fn said(statement: &Statement) -> (&'static str, Option<RevocationClaim>, Option<Inventory>) {
    match *statement {
        Statement::Issued(inventory) => ("issued", None, Some(inventory)),
        Statement::Revoked { claim, inventory } if is_hold(&claim) => {
            ("on_hold", Some(claim), inventory)
        }
        Statement::Revoked { claim, inventory } => ("revoked", Some(claim), inventory),
        Statement::Released => ("released", None, None),
        Statement::Corrected(claim) => ("corrected", Some(claim), None),
    }
}

fn is_hold(claim: &RevocationClaim) -> bool {
    claim.reason == Some(crate::asn1::CrlReason::CertificateHold)
}

fn past(
    snapshot: &LedgerSnapshot,
    issuer: &Issuer,
    serial: &SerialNumber,
    at: UnixTime,
    by: By,
) -> Result<PastState, LedgerError> {
    let past = snapshot.status_at(&issuer.id, serial, at, by)?;
    let (status, sequence) = match past {
        Past::NotKnown => (CertificateState::NotIssued, None),
        Past::Good { sequence } => (CertificateState::Good, Some(sequence)),
        Past::Revoked { sequence, .. } => (CertificateState::Revoked, Some(sequence)),
    };
    let claim = match past {
        Past::Revoked { revocation, .. } => Some(revocation.claim),
        _ => None,
    };
    let entry = match sequence {
        Some(sequence) => snapshot.entry(sequence)?,
        None => None,
    };
    Ok(PastState {
        status,
        reason: claim
            .and_then(|claim| claim.reason)
            .map(|reason| reason.name().to_owned()),
        revocation_time: past.since().map(|time| time.to_string()),
        invalidity_date: claim
            .and_then(|claim| claim.invalidity_date)
            .map(|time| time.to_string()),
        entry: entry.as_ref().map(HistoryEntry::new),
    })
}

fn crl_facts(entry: &Entry) -> Option<CrlFacts> {
    let EntryKind::Evidence { evidence, .. } = &entry.kind else {
        return None;
    };
    Some(CrlFacts {
        number: evidence
            .crl_number
            .as_ref()
            .map(|number| number.to_string()),
        this_update: evidence.this_update.to_string(),
        next_update: evidence.next_update.to_string(),
        recorded: seconds(entry.recorded_ms).to_string(),
        sequence: entry.sequence,
    })
}

fn seconds(millis: u64) -> UnixTime {
    UnixTime::from_secs(millis / 1_000).unwrap_or(UnixTime::MAX)
}

const PAGE: usize = 1_000;
const PAGE_MAX: usize = 10_000;
