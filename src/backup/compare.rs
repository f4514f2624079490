//! What a restored ledger lacks, and entering it again.
//!
//! Of each certificate the newest fact counts, whatever trace it is from: each trace is as of a number of
//! the ledger, and the higher one knows better. A ledger that is set aside is as of its last entry, a
//! segment as of what its header says, a CRL as of what the listing says, a note of what clients were shown
//! as of its own entry. The restored
//! ledger's record is as of the certificate's own entry: where a trace contradicts it and is not older, the
//! ledger lacks an entry. An entry of the new epoch is one that a trace brought, and older than no other.
//!
//! Numbers of different histories say nothing of one another. A ledger that is set aside knows better than
//! answers and notes only if it goes on after the entry that the catalog names (`ledger.lineage`). What it
//! has is weighed in any case.
//!
//! | ledger ↓ newest fact → | good | on hold | revoked |
//! | --- | --- | --- | --- |
//! | nothing | issued | hold | revoked |
//! | good | – | hold | revoked |
//! | on hold | stays on hold, and is told | – | revoked |
//! | revoked | – | – | corrected, where time or reason differ and it is stricter |
//!
//! So nothing becomes milder than clients were shown or than the backup has it. A hold that had ended after
//! the backup is not ended by an old answer: what came after that answer may be lost. What a CRL does not
//! list says nothing, for the same reason; what a delta removes is not put on hold by an older one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::BackupError;
use super::lacking::{Lacking, Reentered, Telling, What};
use super::published::Listed;
use super::traces::Traces;
use crate::asn1::{CrlReason, UnixTime};
use crate::catalog::shown::Shown;
use crate::change::{Action, Change, Inventory, Outcome, RevocationClaim, Source};
use crate::identity::{IssuerId, SerialHash, SerialNumber};
use crate::ledger::{
    IssuerRevocationOrder, Ledger, LedgerError, LedgerSnapshot, Revocation, StatusRecord,
    Submission,
};
use crate::ocsp::invalidity_date_extension;
use crate::segment::{Lookup, Record, RecordStatus, Segment, names};

/// Enters what is lacking.
pub(super) struct Comparison<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) traces: &'a Traces,
    pub(super) now_ms: u64,
    labels: HashMap<IssuerId, Arc<str>>,
    /// The number of the first entry of the epoch that was opened for this.
    begins_at: u64,
    /// The newest entry that the catalog speaks for.
    answers: Option<(u64, [u8; 32])>,
    /// Up to which number the ledger that is set aside knows better than the catalog, 0 for not: it was
    /// read whole, and the catalog was signed from it.
    set_aside_up_to: u64,
    waiting: Vec<Waiting>,
    strangers: u64,
    telling: Telling,
}

/// What one trace shows of one certificate.
struct Fact {
    issuer: IssuerId,
    serial: SerialNumber,
    /// The number of the ledger that it is as of.
    as_of: u64,
    issued: Option<Inventory>,
    revocation: Option<RevocationClaim>,
}

struct Waiting {
    change: Change,
    source: Source,
    told: Reentered,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(
        ledger: &'a Ledger,
        traces: &'a Traces,
        answers: Option<(u64, [u8; 32])>,
        now_ms: u64,
        telling: Telling,
    ) -> Result<Self, LedgerError> {
        let labels = ledger.issuers()?.into_iter();
        Ok(Self {
            ledger,
            traces,
            now_ms,
            labels: labels
                .map(|issuer| (issuer.id, Arc::from(issuer.identity.label.as_str())))
                .collect(),
            begins_at: ledger.snapshot()?.epoch_begins_at(),
            answers,
            set_aside_up_to: 0,
            waiting: Vec::new(),
            strangers: 0,
            telling,
        })
    }

    /// Goes through all traces. `told` is given how many certificates were compared so far.
    pub(super) fn run(mut self, told: &mut dyn FnMut(u64)) -> Result<Lacking, BackupError> {
        for unread in &self.traces.unread {
            self.telling.lacking.unread(unread.clone());
        }
        let mut compared = 0_u64;
        let mut count = || {
            compared = compared.saturating_add(1);
            if compared.is_multiple_of(TOLD_EVERY) {
                told(compared);
            }
        };
        self.set_aside(&mut count)?;
        self.noted(&mut count)?;
        self.answers(&mut count)?;
        self.published(&mut count)?;
        self.commit()?;
        // Last: under it nothing more is entered of single certificates.
        self.whole_issuers()?;
        if self.strangers > 0 {
            let count = self.strangers;
            self.telling.lacking.refused(format!(
                "{count} certificates in the catalog are of issuers that neither the backup nor the \
                 configuration knows"
            ));
        }
        self.telling.finish()
    }

    fn set_aside(&mut self, count: &mut dyn FnMut()) -> Result<(), BackupError> {
        let Some(aside) = &self.traces.aside else {
            return Ok(());
        };
        let snapshot = &aside.snapshot;
        let mut whole_read = true;
        for issuer in snapshot.issuers() {
            for row in snapshot.shard_records(&issuer.id, 0, 0)? {
                let (serial, record) = match row {
                    Ok(row) => row,
                    Err(error) => {
                        let line = format!("the rest of the ledger that is set aside: {error}");
                        self.telling.lacking.unread(line);
                        whole_read = false;
                        break;
                    }
                };
                count();
                let revocation = record.revocation.filter(|own| own.by_issuer.is_none());
                let fact = Fact {
                    issuer: issuer.id,
                    serial,
                    as_of: aside.facts.last_sequence,
                    issued: record.issued,
                    revocation: revocation.as_ref().map(as_signed),
                };
                let sequence = record.sequence;
                self.weigh(&fact, || {
                    format!("entry {sequence} of the ledger set aside")
                })?;
            }
        }
        let is_of_catalog = match &self.answers {
            Some((sequence, sha256)) => snapshot.goes_on_after(*sequence, sha256)?,
            None => false,
        };
        if whole_read && is_of_catalog {
            self.set_aside_up_to = aside.facts.last_sequence;
        }
        Ok(())
    }

    fn noted(&mut self, count: &mut dyn FnMut()) -> Result<(), BackupError> {
        let mut noted: Vec<&Shown> = self.traces.shown.values().collect();
        noted.sort_by_key(|shown| shown.sequence);
        for shown in noted {
            count();
            let Some(serial) = shown.serial else { continue };
            let hash = SerialHash::new(&shown.issuer, serial.as_bytes());
            let sequence = shown.sequence;
            if self.is_set_aside_newer(sequence)
                || self.newer_answer(&shown.issuer, hash, serial.as_bytes(), sequence)
            {
                continue;
            }
            let fact = Fact {
                issuer: shown.issuer,
                serial,
                as_of: sequence,
                issued: None,
                revocation: shown.revocation.map(|claim| RevocationClaim {
                    revocation_time: (claim.revocation_time).min(seconds(shown.recorded_ms)),
                    ..claim
                }),
            };
            self.weigh(&fact, || format!("clients were shown entry {sequence}"))?;
        }
        Ok(())
    }

    fn answers(&mut self, count: &mut dyn FnMut()) -> Result<(), BackupError> {
        let traces = self.traces;
        for segment in &traces.survey.segments {
            let as_of = segment.as_of();
            if self.is_set_aside_newer(as_of) {
                continue;
            }
            let name = names::hexadecimal(segment.sha256());
            let whole = traces.shown.get(&(*segment.issuer(), None));
            for record in segment.iter() {
                count();
                let record = match record {
                    Ok(record) => record,
                    Err(damage) => {
                        let line = format!("{name}.seg: {damage}");
                        self.telling.lacking.unread(line);
                        continue;
                    }
                };
                let Some(fact) = answered(segment, &record) else {
                    continue;
                };
                // Revoked with all others: that is entered once.
                if let (Some(claim), Some(whole)) = (fact.revocation, whole.and_then(Shown::claim))
                    && (claim.revocation_time, claim.reason)
                        == (whole.revocation_time, whole.reason)
                {
                    continue;
                }
                let hash = SerialHash::new(segment.issuer(), record.serial());
                let noted = traces.shown.get(&(fact.issuer, Some(fact.serial)));
                if noted.is_some_and(|shown| shown.sequence > as_of)
                    || self.newer_answer(segment.issuer(), hash, record.serial(), as_of)
                {
                    continue;
                }
                self.weigh(&fact, || format!("segment {name} as of entry {as_of}"))?;
            }
        }
        Ok(())
    }

    /// What our CRLs list that no newer answer or note speaks of.
    fn published(&mut self, count: &mut dyn FnMut()) -> Result<(), BackupError> {
        let traces = self.traces;
        let removed = self.removed()?;
        for crl in &traces.published.crls {
            let (issuer, as_of) = (crl.issuer, crl.as_of);
            if self.is_set_aside_newer(as_of) {
                continue;
            }
            let whole = traces.shown.get(&(issuer, None)).and_then(Shown::claim);
            let told = crl.entries(&mut |listed| {
                count();
                let Listed { serial, claim } = listed;
                let Some(claim) = claim else { return Ok(()) };
                // Revoked with all others: that is entered once.
                let with_all = whole.is_some_and(|whole| {
                    (claim.revocation_time, claim.reason) == (whole.revocation_time, whole.reason)
                });
                let is_hold = claim.reason == Some(CrlReason::CertificateHold);
                let is_removed = is_hold && removed.contains(&(issuer, serial));
                let hash = SerialHash::new(&issuer, serial.as_bytes());
                let noted = traces.shown.get(&(issuer, Some(serial)));
                if with_all
                    || is_removed
                    || noted.is_some_and(|shown| shown.sequence > as_of)
                    || self.newer_answer(&issuer, hash, serial.as_bytes(), as_of)
                {
                    return Ok(());
                }
                let fact = Fact {
                    issuer,
                    serial,
                    as_of,
                    issued: None,
                    revocation: Some(claim),
                };
                self.weigh(&fact, || format!("{} as of entry {as_of}", crl.name))
            })?;
            if let Some(why) = told {
                let line = format!("our {}: {why}", crl.name);
                self.telling.lacking.unread(line);
            }
        }
        Ok(())
    }

    /// What deltas remove from the CRLs before them. Beyond the bound it is forgotten, and those
    /// certificates are on hold until somebody releases them.
    fn removed(&self) -> Result<HashSet<(IssuerId, SerialNumber)>, BackupError> {
        let mut removed = HashSet::new();
        for crl in &self.traces.published.crls {
            crl.entries(&mut |Listed { serial, claim }| {
                if claim.is_none() && removed.len() < REMOVED_MAX {
                    removed.insert((crl.issuer, serial));
                }
                Ok::<(), BackupError>(())
            })?;
        }
        Ok(removed)
    }

    fn whole_issuers(&mut self) -> Result<(), BackupError> {
        let mut orders = Vec::new();
        for shown in self.traces.shown.values() {
            if let (None, Some(claim)) = (shown.serial, shown.claim()) {
                orders.push((shown.issuer, claim, shown.sequence));
            }
        }
        if let Some(aside) = &self.traces.aside {
            orders.extend(aside.snapshot.revoked_issuers().map(|revoked| {
                (
                    revoked.issuer,
                    as_signed(&revoked.revocation),
                    revoked.sequence,
                )
            }));
        }
        for (issuer, claim, sequence) in orders {
            let Some(label) = self.labels.get(&issuer).cloned() else {
                let line = format!("issuer {issuer} was revoked as a whole, and is not known");
                self.telling.lacking.refused(line);
                continue;
            };
            if self.ledger.revoked_issuer(&issuer)?.is_some() {
                continue;
            }
            let order = IssuerRevocationOrder {
                issuer,
                claim,
                with: Vec::new(),
            };
            let source = source(&format!("entry {sequence}, by which all were revoked"));
            let now_ms = self.judged_at([order.claim].iter());
            match self.ledger.revoke_issuer(&order, &source, now_ms)?.outcome {
                Outcome::Applied { .. } => {
                    self.telling.lacking.issuers.push(label.to_string());
                }
                Outcome::Unchanged => {}
                Outcome::Refused(refusal) => {
                    return Err(BackupError::NotReentered {
                        what: format!("all certificates of {label:?} (entry {sequence})"),
                        why: refusal.to_string(),
                    });
                }
            }
        }
        Ok(())
    }

    /// The time at which entries are judged and recorded. This host's clock may be behind: what was
    /// recorded before is no claim about the future then.
    fn judged_at<'c>(&self, claims: impl Iterator<Item = &'c RevocationClaim>) -> u64 {
        claims
            .map(|claim| claim.revocation_time)
            .chain([self.traces.newest_time()])
            .map(|time| time.as_secs().saturating_mul(1_000))
            .fold(self.now_ms, u64::max)
    }

    /// Whether the ledger that is set aside has all of what is as of `sequence`.
    const fn is_set_aside_newer(&self, sequence: u64) -> bool {
        self.set_aside_up_to >= sequence
    }

    /// Whether a segment as of a higher number speaks of the certificate.
    fn newer_answer(&self, issuer: &IssuerId, hash: SerialHash, serial: &[u8], as_of: u64) -> bool {
        self.traces
            .survey
            .segments
            .iter()
            .take_while(|segment| segment.as_of() > as_of)
            .filter(|segment| segment.issuer() == issuer && segment.covers(hash))
            .any(|segment| matches!(segment.lookup(hash, serial), Lookup::Found(_)))
    }

    /// Enters what the ledger lacks of a fact.
    fn weigh(&mut self, fact: &Fact, evidence: impl FnOnce() -> String) -> Result<(), BackupError> {
        let Some(label) = self.labels.get(&fact.issuer).cloned() else {
            self.strangers = self.strangers.saturating_add(1);
            return Ok(());
        };
        let known = self.ledger.status(&fact.issuer, &fact.serial)?;
        let Some((what, action)) = lacks(known.as_ref(), fact, self.begins_at) else {
            return Ok(());
        };
        // Of a hold that had ended: the hold that is in force again.
        let own = known.and_then(|known| known.revocation);
        let claim = fact.revocation.or_else(|| own.as_ref().map(as_signed));
        let evidence = evidence();
        let told = Reentered {
            issuer: label.to_string(),
            serial: fact.serial.to_string(),
            what,
            reason: claim.and_then(|claim| claim.reason).map(CrlReason::name),
            revocation_time: claim.map(|claim| claim.revocation_time.to_string()),
            evidence: evidence.clone(),
            sequence: None,
        };
        let Some(action) = action else {
            return self.telling.add(told);
        };
        self.waiting.push(Waiting {
            change: Change {
                issuer: fact.issuer,
                serial: fact.serial,
                action,
            },
            source: source(&evidence),
            told,
        });
        if self.waiting.len() >= TOGETHER {
            self.commit()?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), BackupError> {
        let waiting = std::mem::take(&mut self.waiting);
        let submissions: Vec<Submission<'_>> = waiting
            .iter()
            .map(|waiting| {
                let changes = std::slice::from_ref(&waiting.change);
                Submission::new(changes, &waiting.source)
            })
            .collect();
        let claims = waiting
            .iter()
            .filter_map(|waiting| match &waiting.change.action {
                Action::Revoke { claim, .. } | Action::Correct(claim) => Some(claim),
                _ => None,
            });
        let now_ms = self.judged_at(claims);
        let committed = self.ledger.commit_all(&submissions, now_ms)?;
        for (waiting, outcome) in waiting.into_iter().zip(committed.outcomes) {
            let Waiting {
                change, mut told, ..
            } = waiting;
            match outcome {
                Outcome::Unchanged => {}
                Outcome::Refused(refusal) => {
                    let Reentered { issuer, serial, .. } = &told;
                    let what = format!("serial {serial} of {issuer:?}");
                    if self.would_be_milder(&change)? {
                        return Err(BackupError::NotReentered {
                            what: format!("{what} ({})", told.evidence),
                            why: refusal.to_string(),
                        });
                    }
                    let line = format!("{what}: {refusal}");
                    self.telling.lacking.refused(line);
                }
                Outcome::Applied { sequence } => {
                    told.sequence = Some(sequence);
                    self.telling.add(told)?;
                }
            }
        }
        Ok(())
    }

    /// Whether the ledger would show a certificate milder than a refused change has it.
    fn would_be_milder(&self, change: &Change) -> Result<bool, LedgerError> {
        if self.ledger.revoked_issuer(&change.issuer)?.is_some() {
            return Ok(false);
        }
        let known = self.ledger.status(&change.issuer, &change.serial)?;
        let own = known.and_then(|known| known.revocation);
        Ok(is_milder(own.as_ref(), &change.action))
    }
}

/// Whether a certificate that has this revocation, or none, is shown milder than `action` would have it.
fn is_milder(own: Option<&Revocation>, action: &Action) -> bool {
    let Action::Revoke { claim, .. } = action else {
        return false;
    };
    let is_hold = claim.reason == Some(CrlReason::CertificateHold);
    own.is_none_or(|own| own.is_hold() && !is_hold)
}

/// What the ledger lacks of a fact, and the entry that brings it; no entry where it is only to be told.
fn lacks(
    known: Option<&StatusRecord>,
    fact: &Fact,
    begins_at: u64,
) -> Option<(What, Option<Action>)> {
    let hold = |claim: &RevocationClaim| claim.reason == Some(CrlReason::CertificateHold);
    let revoked = |claim: RevocationClaim| {
        let what = match hold(&claim) {
            true => What::OnHold,
            false => What::Revoked,
        };
        let inventory = fact.issued;
        Some((what, Some(Action::Revoke { claim, inventory })))
    };
    let Some(known) = known else {
        return match fact.revocation {
            Some(claim) => revoked(claim),
            None => {
                let inventory = fact.issued.unwrap_or_default();
                Some((What::Issued, Some(Action::Issue(inventory))))
            }
        };
    };
    if known.sequence > fact.as_of && known.sequence < begins_at {
        return None;
    }
    match (known.revocation, fact.revocation) {
        (None, None) => None,
        (None, Some(claim)) => revoked(claim),
        (Some(own), None) if own.is_hold() => Some((What::HoldEnded, None)),
        (Some(own), Some(claim)) if own.is_hold() && !hold(&claim) => revoked(claim),
        (Some(own), Some(claim)) if is_stricter(&own, &claim) => {
            let claim = RevocationClaim {
                invalidity_date: claim.invalidity_date.or(own.claim.invalidity_date),
                ..claim
            };
            Some((What::Corrected, Some(Action::Correct(claim))))
        }
        _ => None,
    }
}

/// Whether a final revocation was shown otherwise than the ledger has it, and not milder.
fn is_stricter(own: &Revocation, claim: &RevocationClaim) -> bool {
    let shown = (claim.revocation_time, claim.reason);
    let same_date =
        claim.invalidity_date.is_none() || claim.invalidity_date == own.claim.invalidity_date;
    own.by_issuer.is_none()
        && !own.is_hold()
        && claim.reason != Some(CrlReason::CertificateHold)
        && claim.revocation_time <= own.signing_time()
        && !((own.signing_time(), own.claim.reason) == shown && same_date)
}

/// What an answer shows of a certificate.
fn answered(segment: &Segment, record: &Record<'_>) -> Option<Fact> {
    let invalidity_date = record.single_extensions().and_then(invalidity_date);
    Some(Fact {
        issuer: *segment.issuer(),
        serial: SerialNumber::from_content(record.serial()).ok()?,
        as_of: segment.as_of(),
        issued: None,
        revocation: match record.status() {
            RecordStatus::Good => None,
            RecordStatus::Revoked {
                revocation_time,
                reason,
            } => Some(RevocationClaim {
                revocation_time,
                reason,
                invalidity_date,
            }),
        },
    })
}

/// The invalidityDate in extensions that we wrote ourselves: it comes last in them.
fn invalidity_date(extensions: &[u8]) -> Option<UnixTime> {
    let (_, time) = extensions.split_last_chunk::<15>()?;
    let time = UnixTime::from_generalized_time(time).ok()?;
    (invalidity_date_extension(time) == extensions).then_some(time)
}

/// The claim as answers carry it: entered again later, it must not become a later one.
fn as_signed(revocation: &Revocation) -> RevocationClaim {
    RevocationClaim {
        revocation_time: revocation.signing_time(),
        ..revocation.claim
    }
}

fn seconds(millis: u64) -> UnixTime {
    UnixTime::from_secs(millis / 1_000).unwrap_or(UnixTime::MAX)
}

/// Names that fit.
pub(super) fn source(cursor: &str) -> Source {
    let cut = cursor.char_indices().take_while(|(at, _)| *at < 1_000);
    Source::new(NAME, cut.map(|(_, letter)| letter).collect::<String>())
        .expect("a name of seven octets and a cursor of at most 1,003 fit")
}

/// Whether two ledgers have the same entry of this number.
pub(super) fn agree_on(
    one: &LedgerSnapshot,
    other: &LedgerSnapshot,
    sequence: u64,
) -> Result<bool, LedgerError> {
    Ok(one.entry_octets(sequence)? == other.entry_octets(sequence)?)
}

const NAME: &str = "restore";
const TOGETHER: usize = 4_096;
const TOLD_EVERY: u64 = 10_000;
/// So many ends of holds in deltas are kept in memory: some 60 MB.
const REMOVED_MAX: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: Option<CrlReason> = Some(CrlReason::CertificateHold);
    const KEY: Option<CrlReason> = Some(CrlReason::KeyCompromise);

    fn claim(secs: u64, reason: Option<CrlReason>) -> RevocationClaim {
        RevocationClaim {
            revocation_time: UnixTime::from_secs(secs).unwrap(),
            reason,
            invalidity_date: None,
        }
    }

    fn known(sequence: u64, claim: Option<RevocationClaim>) -> StatusRecord {
        StatusRecord {
            sequence,
            recorded_ms: 1_000_000,
            issued: Some(Inventory::default()),
            revocation: claim.map(|claim| Revocation {
                claim,
                recorded_ms: 1_000_000,
                by_issuer: None,
            }),
            released: false,
            crl_scope: None,
        }
    }

    fn fact(as_of: u64, revocation: Option<RevocationClaim>) -> Fact {
        Fact {
            issuer: IssuerId::from_bytes([7; 32]),
            serial: SerialNumber::from_hex("01").unwrap(),
            as_of,
            issued: None,
            revocation,
        }
    }

    #[test]
    fn each_status_lacks_what_the_table_says() {
        let (hold, key, earlier) = (claim(9, HOLD), claim(9, KEY), claim(8, KEY));
        let (none, good) = (None, Some(None));
        for (ledger, shown, expected) in [
            (none, None, Some(What::Issued)),
            (none, Some(hold), Some(What::OnHold)),
            (none, Some(key), Some(What::Revoked)),
            (good, None, None),
            (good, Some(hold), Some(What::OnHold)),
            (good, Some(key), Some(What::Revoked)),
            (Some(Some(hold)), None, Some(What::HoldEnded)),
            (Some(Some(hold)), Some(claim(8, HOLD)), None),
            (Some(Some(hold)), Some(key), Some(What::Revoked)),
            (Some(Some(key)), None, None),
            (Some(Some(key)), Some(hold), None),
            (Some(Some(key)), Some(key), None),
            (Some(Some(key)), Some(earlier), Some(What::Corrected)),
            (Some(Some(earlier)), Some(key), None),
        ] {
            let context = format!("{ledger:?}, {shown:?}");
            let record = ledger.map(|revocation| known(5, revocation));
            let lacking = lacks(record.as_ref(), &fact(5, shown), 100);
            assert_eq!(lacking.map(|(what, _)| what), expected, "{context}");
            // What is older than the certificate's own entry tells nothing.
            if record.is_some() {
                assert!(
                    lacks(record.as_ref(), &fact(4, shown), 100).is_none(),
                    "{context}"
                );
            }
        }
        // What another trace brought is no newer than the fact.
        let brought = known(100, None);
        let lacking = lacks(Some(&brought), &fact(4, Some(key)), 100);
        assert_eq!(lacking.map(|(what, _)| what), Some(What::Revoked));
    }

    #[test]
    fn a_refused_revocation_stops_unless_the_ledger_is_as_strict() {
        let revoke = |claim| Action::Revoke {
            claim,
            inventory: None,
        };
        let (hold, key) = (claim(9, HOLD), claim(9, KEY));
        for (ledger, action, expected) in [
            (None, revoke(key), true),
            (None, revoke(hold), true),
            (Some(hold), revoke(key), true),
            (Some(hold), revoke(hold), false),
            (Some(key), revoke(hold), false),
            (Some(key), revoke(claim(8, KEY)), false),
            (Some(key), Action::Correct(claim(8, KEY)), false),
            (None, Action::Issue(Inventory::default()), false),
        ] {
            let own = known(5, ledger).revocation;
            assert_eq!(is_milder(own.as_ref(), &action), expected, "{action:?}");
        }
    }

    #[test]
    fn an_invalidity_date_is_read_from_our_own_extension_alone() {
        let time = UnixTime::from_secs(1_790_000_000).unwrap();
        let whole = invalidity_date_extension(time);
        assert_eq!(invalidity_date(&whole), Some(time));
        for at in 0..whole.len() {
            let mut other = whole.clone();
            other[at] ^= 0x40;
            assert_eq!(invalidity_date(&other), None, "{at}");
        }
        assert_eq!(invalidity_date(&[]), None);
    }
}
