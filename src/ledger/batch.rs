//! One commit: what becomes of each change, and the batch that records it.

use std::borrow::Borrow;

use rocksdb::WriteBatch;

use crate::change::{Action, Change, Outcome, Refusal, ScopeTag, Source};

use super::{
    engine::{Count, Engine},
    entry::{CertificateEntry, EntryError, Statement, encode_certificate},
    error::LedgerError,
    issuer_wide::IssuerWide,
    keys::{self, Key},
    plan,
    record::StatusRecord,
    store::{AppliedEntry, Committed},
    transition::{Standing, Transition, transition},
};

/// A change and who says it.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) change: &'a Change,
    pub(super) source: &'a Source,
}

impl Borrow<Change> for Said<'_> {
    fn borrow(&self) -> &Change {
        self.change
    }
}

/// A commit being made.
pub(super) struct Batch {
    recorded_ms: u64,
    /// For each change, in the order given.
    fates: Vec<Fate>,
    /// For each certificate that changes, in the order of `status`.
    certificates: Vec<Certificate>,
    applied: usize,
    last_sequence: u64,
    /// The issuers among those that change which were revoked as a whole, by their numbers.
    whole: Vec<(u32, IssuerWide)>,
}

enum Fate {
    Unchanged,
    Refused(Refusal),
    Applied(Applied),
}

struct Applied {
    issuer_number: u32,
    standing: Standing,
    crl_scope: Option<ScopeTag>,
    previous: Previous,
    sequence: u64,
}

/// The certificate's entry before.
#[derive(Clone, Copy)]
enum Previous {
    /// It is in the ledger, or there is none (0).
    Entry(u64),
    /// It is made by this commit, for the change with this index.
    Change(usize),
}

struct Certificate {
    issuer_number: u32,
    /// Its key in `status` and `revoked`.
    key: Key,
    was: Was,
    /// The index of the last change that applies to it.
    last: usize,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Was {
    Unknown,
    Good,
    Revoked,
}

impl From<Option<&StatusRecord>> for Was {
    fn from(known: Option<&StatusRecord>) -> Self {
        match known {
            None => Self::Unknown,
            Some(known) if known.revocation.is_some() => Self::Revoked,
            Some(_) => Self::Good,
        }
    }
}

impl Batch {
    /// Judges the changes one after another.
    pub(super) fn plan(
        engine: &Engine,
        said: &[Said<'_>],
        recorded_ms: u64,
    ) -> Result<Self, LedgerError> {
        let mut batch = Self {
            recorded_ms,
            fates: Vec::new(),
            certificates: Vec::new(),
            applied: 0,
            last_sequence: 0,
            whole: Vec::new(),
        };
        batch.fates.resize_with(said.len(), || Fate::Unchanged);
        let places = plan::places(&engine.issuers(), said, |index| {
            if let Some(fate) = batch.fates.get_mut(index) {
                *fate = Fate::Refused(Refusal::UnknownIssuer);
            }
        });
        plan::for_each_group(engine, said, &places, |group, known| {
            batch.judge(said, &group, known);
            Ok(())
        })?;
        Ok(batch)
    }

    fn judge(&mut self, said: &[Said<'_>], group: &plan::Group<'_>, known: Option<StatusRecord>) {
        if let Some(whole) = group.whole
            && self.whole.last().map(|(number, _)| *number) != Some(group.issuer_number)
        {
            self.whole.push((group.issuer_number, whole));
        }
        let whole = group.whole.map(|whole| whole.revocation);
        let mut standing = known.as_ref().map(Standing::from).unwrap_or_default();
        let mut crl_scope = known.and_then(|known| known.crl_scope);
        let mut previous = Previous::Entry(known.map_or(0, |known| known.sequence));
        for index in group.places.iter().map(|place| place.index()) {
            let (Some(said), Some(fate)) = (said.get(index), self.fates.get_mut(index)) else {
                continue;
            };
            *fate = match transition(
                &standing,
                whole.as_ref(),
                &said.change.action,
                self.recorded_ms,
            ) {
                Transition::Unchanged => Fate::Unchanged,
                Transition::Refuse(refusal) => Fate::Refused(refusal),
                Transition::Apply(next) => {
                    // What only adds to the inventory leaves the revocation as whoever made it did.
                    if !matches!(said.change.action, Action::Issue(_))
                        && (next.revocation, next.released)
                            != (standing.revocation, standing.released)
                    {
                        crl_scope = said.source.crl_scope();
                    }
                    standing = next;
                    let before = std::mem::replace(&mut previous, Previous::Change(index));
                    self.applied = self.applied.saturating_add(1);
                    Fate::Applied(Applied {
                        issuer_number: group.issuer_number,
                        standing,
                        crl_scope,
                        previous: before,
                        sequence: 0,
                    })
                }
            };
        }
        if let Previous::Change(last) = previous {
            self.certificates.push(Certificate {
                issuer_number: group.issuer_number,
                key: group.key,
                was: known.as_ref().into(),
                last,
            });
        }
    }

    /// Numbers the entries on from `last`, in the order of the changes; gives whether there are any.
    pub(super) fn number(&mut self, last: u64) -> Result<bool, EntryError> {
        let mut sequence = last;
        for fate in &mut self.fates {
            if let Fate::Applied(applied) = fate {
                sequence = sequence.checked_add(1).ok_or(EntryError::Sequence)?;
                applied.sequence = sequence;
            }
        }
        self.last_sequence = sequence;
        Ok(sequence > last)
    }

    /// What RocksDB is to write.
    pub(super) fn write_batch(
        &self,
        engine: &Engine,
        said: &[Said<'_>],
    ) -> Result<WriteBatch, LedgerError> {
        let named = said.first().map_or(0, |said| {
            let (name, cursor) = (said.source.name(), said.source.cursor());
            name.len().saturating_add(cursor.len())
        });
        let capacity = self
            .applied
            .saturating_mul(CHANGE_OCTETS.saturating_add(named));
        let mut batch = WriteBatch::with_capacity_bytes(capacity);
        let mut octets = Vec::new();

        let entries = engine.family(keys::ENTRIES)?;
        for (fate, said) in self.fates.iter().zip(said) {
            let Fate::Applied(applied) = fate else {
                continue;
            };
            let entry = CertificateEntry {
                issuer_number: applied.issuer_number,
                serial: said.change.serial,
                previous: self.previous_sequence(applied.previous),
                statement: statement(&said.change.action),
            };
            let (sequence, recorded_ms) = (applied.sequence, self.recorded_ms);
            octets.clear();
            encode_certificate(sequence, recorded_ms, said.source, &entry, &mut octets)?;
            batch.put_cf(entries, sequence.to_be_bytes(), &octets);
        }

        let (status, revoked) = (engine.family(keys::STATUS)?, engine.family(keys::REVOKED)?);
        let mut counts = Counts::new(engine);
        for certificate in &self.certificates {
            let Some(Fate::Applied(applied)) = self.fates.get(certificate.last) else {
                continue;
            };
            let record = self.record(applied);
            octets.clear();
            record.encode(&mut octets);
            batch.put_cf(status, certificate.key, &octets);

            let was_revoked = certificate.was == Was::Revoked;
            if record.revocation.is_some() {
                octets.clear();
                record.encode_revoked(&mut octets);
                batch.put_cf(revoked, certificate.key, &octets);
            } else if was_revoked {
                batch.delete_cf(revoked, certificate.key);
            }
            let count = counts.of(certificate.issuer_number)?;
            if certificate.was == Was::Unknown {
                count.known = count.known.saturating_add(1);
            }
            match (was_revoked, record.revocation.is_some()) {
                (false, true) => count.revoked = count.revoked.saturating_add(1),
                (true, false) => count.revoked = count.revoked.saturating_sub(1),
                _ => {}
            }
        }
        let meta = engine.family(keys::META)?;
        batch.put_cf(meta, keys::LAST_SEQUENCE, self.last_sequence.to_be_bytes());
        for (number, count) in counts.changed {
            batch.put_cf(meta, keys::count(number), count.encode());
        }
        Ok(batch)
    }

    /// What to tell once it is written.
    pub(super) fn committed(&self, said: &[Said<'_>]) -> Committed {
        let mut applied = Vec::with_capacity(self.applied);
        for (fate, said) in self.fates.iter().zip(said) {
            if let Fate::Applied(change) = fate {
                applied.push(AppliedEntry {
                    issuer: said.change.issuer,
                    serial: said.change.serial,
                    record: self.status(change),
                });
            }
        }
        let outcomes = self.outcomes();
        Committed { outcomes, applied }
    }

    /// What became of each change, once it is written.
    pub(super) fn outcomes(&self) -> Vec<Outcome> {
        let outcome = |fate: &Fate| match fate {
            Fate::Unchanged => Outcome::Unchanged,
            Fate::Refused(refusal) => Outcome::Refused(*refusal),
            Fate::Applied(applied) => Outcome::Applied {
                sequence: applied.sequence,
            },
        };
        self.fates.iter().map(outcome).collect()
    }

    /// What is true of a certificate, by its own record and its issuer's.
    fn status(&self, applied: &Applied) -> StatusRecord {
        let own = self.record(applied);
        let mut whole = self.whole.iter();
        match whole.find(|(number, _)| *number == applied.issuer_number) {
            Some((_, whole)) => whole.status_of(own),
            None => own,
        }
    }

    fn record(&self, applied: &Applied) -> StatusRecord {
        StatusRecord {
            sequence: applied.sequence,
            recorded_ms: self.recorded_ms,
            issued: applied.standing.issued,
            revocation: applied.standing.revocation,
            released: applied.standing.released,
            crl_scope: applied.crl_scope,
        }
    }

    fn previous_sequence(&self, previous: Previous) -> u64 {
        match previous {
            Previous::Entry(sequence) => sequence,
            Previous::Change(index) => match self.fates.get(index) {
                Some(Fate::Applied(applied)) => applied.sequence,
                // Only what applies is linked to.
                _ => 0,
            },
        }
    }
}

/// What the batch holds for a change, about: its entry without the source, and two rows.
const CHANGE_OCTETS: usize = 192;

/// The numbers of certificates of the issuers that change.
struct Counts<'a> {
    engine: &'a Engine,
    changed: Vec<(u32, Count)>,
}

impl<'a> Counts<'a> {
    const fn new(engine: &'a Engine) -> Self {
        Self {
            engine,
            changed: Vec::new(),
        }
    }

    /// Certificates come sorted by issuer: it is the last one or a new one.
    fn of(&mut self, issuer_number: u32) -> Result<&mut Count, LedgerError> {
        if self.changed.last().map(|(number, _)| *number) != Some(issuer_number) {
            let count = self.engine.count(issuer_number)?;
            self.changed.push((issuer_number, count));
        }
        let (_, count) = self
            .changed
            .last_mut()
            .expect("an issuer's count was pushed above if there was none");
        Ok(count)
    }
}

const fn statement(action: &Action) -> Statement {
    match *action {
        Action::Issue(inventory) => Statement::Issued(inventory),
        Action::Revoke { claim, inventory } => Statement::Revoked { claim, inventory },
        Action::Release => Statement::Released,
    }
}
