//! The revocation of all certificates of an issuer by one entry (RFC 6960 §2.7).
//!
//! The entry is one row beside the certificates' own, so recording it costs the same for ten
//! certificates and for ten million. Its effect is made where the ledger is read: whoever reads a
//! status, a shard, the revoked certificates or the counts sees it applied.
//!
//! | the certificate's own record | what is read |
//! | --- | --- |
//! | none | nothing: a serial that was not issued stays that |
//! | good, on hold, or issued after the entry | revoked as the entry says |
//! | revoked for good, before the entry or first heard of after it | its own revocation |
//!
//! Nothing undoes it. What sources say afterwards is judged in `transition`.

use rocksdb::WriteBatch;

use crate::{
    asn1::CrlReason,
    change::{Change, Outcome, Refusal, RevocationClaim, Source},
    identity::IssuerId,
};

use super::{
    batch::{Batch, Said},
    engine::{Count, Engine},
    entry::{Entry, EntryError, EntryKind},
    error::LedgerError,
    keys,
    record::{MILLIS_MAX, Revocation, RevokedRecord, StatusRecord},
    snapshot::{LedgerSnapshot, Rows},
    store::{AppliedEntry, CHANGES_MAX, Committed, Ledger},
    transition::time_ahead,
};

/// An order to revoke all certificates of an issuer.
#[derive(Clone, Debug)]
pub struct IssuerRevocationOrder {
    /// Whose certificates.
    pub issuer: IssuerId,
    /// When, why and since when.
    pub claim: RevocationClaim,
    /// What belongs to it and is recorded in the same batch: the revocation of the issuer's own
    /// certificate. Judged like all changes; one that is refused does not stop the order.
    pub with: Vec<Change>,
}

/// An issuer all of whose certificates are revoked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RevokedIssuer {
    /// Who.
    pub issuer: IssuerId,
    /// The number of the entry.
    pub sequence: u64,
    /// What is true of each certificate that has no final revocation of its own.
    pub revocation: Revocation,
}

/// What became of an order.
#[derive(Clone, Debug)]
pub struct CommittedOrder {
    /// Of the order itself. When it was refused, nothing of it was recorded.
    pub outcome: Outcome,
    /// Of the changes that belong to it.
    pub with: Committed,
}

/// How many certificates of an issuer have which status by themselves.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct OwnStatuses {
    /// Neither revoked nor on hold.
    pub good: u64,
    /// On hold.
    pub on_hold: u64,
    /// Revoked for good.
    pub revoked: u64,
}

/// The row of a revoked issuer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct IssuerWide {
    pub(super) sequence: u64,
    pub(super) revocation: Revocation,
}

impl IssuerWide {
    fn new(sequence: u64, claim: RevocationClaim, recorded_ms: u64) -> Self {
        Self {
            sequence,
            revocation: Revocation {
                claim,
                recorded_ms,
                by_issuer: Some(sequence),
            },
        }
    }

    /// Reads the value of its row: one of the column family `revoked`.
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let record = StatusRecord::decode_revoked(value)?;
        let Revocation {
            claim, recorded_ms, ..
        } = record.revocation?;
        Some(Self::new(record.sequence, claim, recorded_ms))
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let record = StatusRecord {
            sequence: self.sequence,
            recorded_ms: self.revocation.recorded_ms,
            issued: None,
            revocation: Some(self.revocation),
            released: false,
            crl_scope: None,
        };
        record.encode_revoked(out);
    }

    /// What is true of a certificate by its own record and this.
    pub(super) fn applied_to(&self, own: StatusRecord) -> StatusRecord {
        let status = self.status_of(own);
        if status.revocation == own.revocation || status.sequence >= self.sequence {
            return status;
        }
        StatusRecord {
            sequence: self.sequence,
            recorded_ms: self.revocation.recorded_ms,
            ..status
        }
    }

    /// The same under the number of the certificate's own latest entry.
    pub(super) fn status_of(&self, own: StatusRecord) -> StatusRecord {
        if own.revocation.is_some_and(|revoked| !revoked.is_hold()) {
            return own;
        }
        StatusRecord {
            revocation: Some(self.revocation),
            released: false,
            crl_scope: None,
            ..own
        }
    }

    pub(super) const fn of(&self, issuer: IssuerId) -> RevokedIssuer {
        RevokedIssuer {
            issuer,
            sequence: self.sequence,
            revocation: self.revocation,
        }
    }
}

impl Ledger {
    /// Revokes all certificates of an issuer for good by one synced entry, with the changes that
    /// belong to it: when it returns, all of it is on the disk.
    ///
    /// Said again with the same claim it is unchanged, with another refused as
    /// [`Refusal::RevokedOtherwise`].
    ///
    /// # Errors
    /// As [`Ledger::commit`].
    pub fn revoke_issuer(
        &self,
        order: &IssuerRevocationOrder,
        source: &Source,
        now_ms: u64,
    ) -> Result<CommittedOrder, LedgerError> {
        if order.with.len() > CHANGES_MAX {
            return Err(LedgerError::TooManyChanges {
                given: order.with.len(),
                changes_max: CHANGES_MAX,
            });
        }
        let now_ms = now_ms.min(MILLIS_MAX);
        let mut writer = self.writer();
        let engine = self.writable(&mut writer)?;
        let last = engine.last_sequence()?;
        let (outcome, entry) = judge(&engine, order, now_ms, last)?;
        if let Outcome::Refused(_) = outcome {
            let with = Committed::default();
            return Ok(CommittedOrder { outcome, with });
        }
        let said: Vec<Said<'_>> = order
            .with
            .iter()
            .map(|change| Said { change, source })
            .collect();
        let mut batch = Batch::plan(&engine, &said, now_ms)?;
        let first = entry.map_or(last, |(_, whole)| whole.sequence);
        if batch.number(first)? || entry.is_some() {
            let mut written = batch.write_batch(&engine, &said)?;
            if let Some((number, whole)) = &entry {
                put(&engine, &mut written, *number, whole, source)?;
            }
            self.write(&mut writer, &engine, written)?;
        }
        let with = batch.committed(&said);
        Ok(CommittedOrder { outcome, with })
    }

    /// Whether all certificates of an issuer are revoked, and how.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn revoked_issuer(&self, issuer: &IssuerId) -> Result<Option<RevokedIssuer>, LedgerError> {
        let engine = self.engine()?;
        let Some(number) = engine.issuers().number(issuer) else {
            return Ok(None);
        };
        let whole = engine.issuer_wide(number)?;
        Ok(whole.map(|whole| whole.of(*issuer)))
    }
}

impl LedgerSnapshot {
    pub(super) fn read_whole(&self) -> Result<Vec<(u32, IssuerWide)>, LedgerError> {
        let engine = self.engine();
        let mut whole = Vec::new();
        let mut rows = self
            .view
            .borrow_dependent()
            .raw_iterator_cf(engine.family(keys::META)?);
        rows.seek(keys::ISSUER_WIDE);
        while let Some((key, value)) = rows.item() {
            let Some(number) = keys::issuer_wide_number(key) else {
                break;
            };
            whole.push((number, engine.decode_issuer_wide(value)?));
            rows.next();
        }
        rows.status().map_err(|error| engine.error(error))?;
        Ok(whole)
    }

    pub(super) fn whole(&self, number: u32) -> Option<&IssuerWide> {
        let place = self
            .whole
            .binary_search_by_key(&number, |(number, _)| *number);
        self.whole.get(place.ok()?).map(|(_, whole)| whole)
    }

    /// The issuers all of whose certificates are revoked, in the order of their numbers.
    pub fn revoked_issuers(&self) -> impl Iterator<Item = RevokedIssuer> {
        self.whole.iter().filter_map(|(number, whole)| {
            let issuer = self.issuers.by_number(*number)?;
            Some(whole.of(issuer.id))
        })
    }

    /// Whether all certificates of an issuer are revoked, and how.
    #[must_use]
    pub fn revoked_issuer(&self, issuer: &IssuerId) -> Option<RevokedIssuer> {
        let whole = self.whole(self.issuers.number(issuer)?)?;
        Some(whole.of(*issuer))
    }

    /// How many certificates of an issuer have which status by themselves, whatever became of the issuer
    /// as a whole. Reads every revoked one.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn own_statuses(&self, issuer: &IssuerId) -> Result<OwnStatuses, LedgerError> {
        let Some(number) = self.issuers.number(issuer) else {
            return Ok(OwnStatuses::default());
        };
        let Count { known, revoked } = self.own_count(number)?;
        let mut on_hold = 0_u64;
        let rows: Rows<'_, RevokedRecord> =
            self.rows(keys::REVOKED, Some(keys::issuer_range(number)))?;
        for row in rows {
            on_hold = on_hold.saturating_add(row?.revocation.is_hold().into());
        }
        Ok(OwnStatuses {
            good: known.saturating_sub(revoked),
            on_hold,
            revoked: revoked.saturating_sub(on_hold),
        })
    }
}

/// What becomes of the order, and the issuer's number and row if it is recorded.
fn judge(
    engine: &Engine,
    order: &IssuerRevocationOrder,
    now_ms: u64,
    last: u64,
) -> Result<(Outcome, Option<(u32, IssuerWide)>), LedgerError> {
    let refused = |refusal| Ok((Outcome::Refused(refusal), None));
    let Some(number) = engine.issuers().number(&order.issuer) else {
        return refused(Refusal::UnknownIssuer);
    };
    let claim = order.claim;
    if let Some(known) = engine.issuer_wide(number)? {
        let known = known.revocation.claim;
        if known == claim {
            return Ok((Outcome::Unchanged, None));
        }
        return refused(Refusal::RevokedOtherwise {
            revocation_time: known.revocation_time,
            reason: known.reason,
        });
    }
    if claim.reason == Some(CrlReason::CertificateHold) {
        return refused(Refusal::HoldOfIssuer);
    }
    if let Some(refusal) = time_ahead(&claim, now_ms) {
        return refused(refusal);
    }
    let sequence = last.checked_add(1).ok_or(EntryError::Sequence)?;
    let whole = IssuerWide::new(sequence, claim, now_ms);
    Ok((Outcome::Applied { sequence }, Some((number, whole))))
}

/// Adds the entry and its row, and the format that keeps older programs away: they would read good
/// where it says revoked.
fn put(
    engine: &Engine,
    batch: &mut WriteBatch,
    number: u32,
    whole: &IssuerWide,
    source: &Source,
) -> Result<(), LedgerError> {
    let entry = Entry {
        sequence: whole.sequence,
        recorded_ms: whole.revocation.recorded_ms,
        source: source.clone(),
        kind: EntryKind::IssuerRevoked {
            issuer_number: number,
            claim: whole.revocation.claim,
        },
    };
    let mut octets = Vec::new();
    entry.encode(&mut octets)?;
    let entries = engine.family(keys::ENTRIES)?;
    batch.put_cf(entries, whole.sequence.to_be_bytes(), &octets);
    octets.clear();
    whole.encode(&mut octets);
    let meta = engine.family(keys::META)?;
    batch.put_cf(meta, keys::issuer_wide(number), &octets);
    batch.put_cf(meta, keys::FORMAT, keys::FORMAT_ISSUER_WIDE.to_be_bytes());
    Ok(())
}

/// What is to be made visible of what is on the disk.
#[derive(Clone, Copy, Debug)]
pub enum Durable<'a> {
    /// Entries about certificates.
    Certificates(&'a [AppliedEntry]),
    /// All certificates of an issuer are revoked.
    Issuer(&'a RevokedIssuer),
}

impl<'a> Durable<'a> {
    /// The entries about certificates, if it is those.
    #[must_use]
    pub const fn certificates(self) -> &'a [AppliedEntry] {
        match self {
            Self::Certificates(entries) => entries,
            Self::Issuer(_) => &[],
        }
    }
}
