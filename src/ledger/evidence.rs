//! The newest evidence of each issuer: recorded once, never backwards, read with one look-up.

use rocksdb::WriteBatch;

use crate::{
    asn1::UnixTime,
    change::{Evidence, Source},
    identity::IssuerId,
};

use super::{
    engine::Engine,
    entry::{Entry, EntryKind},
    error::{Damage, LedgerError},
    keys,
    log::Appender,
    record::MILLIS_MAX,
    snapshot::LedgerSnapshot,
    store::Ledger,
};

/// What became of evidence.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Recorded {
    /// It is on the disk, as the entry with this sequence number.
    Entry {
        /// The entry's number.
        sequence: u64,
    },
    /// The ledger has this very evidence; no entry was made.
    Unchanged,
    /// The ledger has newer evidence: a later thisUpdate or a higher CRLNumber. No entry was made.
    Older {
        /// What the ledger has.
        known: Evidence,
    },
}

impl Ledger {
    /// The newest evidence of an issuer; `None` when there is none, or no such issuer.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn evidence(&self, issuer: &IssuerId) -> Result<Option<Evidence>, LedgerError> {
        Ok(self.evidence_entry(issuer)?.map(|(_, evidence)| evidence))
    }

    /// The same, with the number of its entry.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn evidence_entry(
        &self,
        issuer: &IssuerId,
    ) -> Result<Option<(u64, Evidence)>, LedgerError> {
        let engine = self.engine()?;
        let Some(number) = engine.issuers().number(issuer) else {
            return Ok(None);
        };
        newest(&engine, number)
    }

    /// Records evidence of an issuer, synced, unless the ledger has newer.
    ///
    /// Whoever takes a CRL records its changes first: from this entry on answers may say that they
    /// hold all of it.
    ///
    /// # Errors
    /// [`LedgerError::UnknownIssuer`], or what reading or writing gives.
    pub fn record_evidence(
        &self,
        issuer: &IssuerId,
        evidence: &Evidence,
        source: &Source,
        now_ms: u64,
    ) -> Result<Recorded, LedgerError> {
        let mut writer = self.writer();
        let engine = self.writable(&mut writer)?;
        let number = engine.issuers().number(issuer);
        let number = number.ok_or(LedgerError::UnknownIssuer { issuer: *issuer })?;
        match newest(&engine, number)? {
            Some((_, known)) if known == *evidence => return Ok(Recorded::Unchanged),
            Some((_, known)) if is_older(evidence, &known) => return Ok(Recorded::Older { known }),
            _ => {}
        }
        let mut log = Appender::begin(&engine)?;
        let sequence = log.next_sequence();
        let entry = Entry {
            sequence,
            recorded_ms: now_ms.min(MILLIS_MAX),
            source: source.clone(),
            kind: EntryKind::Evidence {
                issuer_number: number,
                evidence: evidence.clone(),
            },
        };
        let mut batch = WriteBatch::default();
        let found_by = keys::evidence_at(number, entry.recorded_ms, sequence);
        batch.put_cf(engine.family(keys::META)?, found_by, []);
        let octets = log.append(&mut batch, &entry)?;
        batch.put_cf(engine.family(keys::META)?, keys::evidence(number), octets);
        log.finish(&mut batch);
        self.write(&mut writer, &engine, batch)?;
        Ok(Recorded::Entry { sequence })
    }
}

impl LedgerSnapshot {
    /// The newest evidence of an issuer; `None` when there is none, or no such issuer.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn evidence(&self, issuer: &IssuerId) -> Result<Option<Evidence>, LedgerError> {
        Ok(self.evidence_entry(issuer)?.map(|(_, evidence)| evidence))
    }

    /// The same, with the number of its entry.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn evidence_entry(
        &self,
        issuer: &IssuerId,
    ) -> Result<Option<(u64, Evidence)>, LedgerError> {
        let Some(number) = self.issuers.number(issuer) else {
            return Ok(None);
        };
        let value = self.get(keys::META, keys::evidence(number).as_ref())?;
        decode(self.engine(), number, value.as_deref())
    }
}

impl LedgerSnapshot {
    /// The newest evidence of an issuer that had been recorded by `at`: its entry.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn evidence_at(
        &self,
        issuer: &IssuerId,
        at: UnixTime,
    ) -> Result<Option<Entry>, LedgerError> {
        let Some(number) = self.number(issuer) else {
            return Ok(None);
        };
        let engine = self.engine();
        let last_ms = at.as_secs().saturating_mul(1_000).saturating_add(999);
        let mut rows = (self.view.borrow_dependent()).raw_iterator_cf(engine.family(keys::META)?);
        rows.seek_for_prev(keys::evidence_at(number, last_ms, u64::MAX));
        let found = rows.key();
        let sequence = found.and_then(|key| keys::evidence_at_sequence(number, key));
        rows.status().map_err(|error| engine.error(error))?;
        match sequence {
            Some(sequence) => self.entry(sequence),
            None => Ok(None),
        }
    }
}

/// Whether `given` would lead backwards. Numbers are compared where both CRLs have one; of the same
/// number and time, whichever came last is taken, for a CA that signs one CRL a second time.
fn is_older(given: &Evidence, known: &Evidence) -> bool {
    let lower =
        matches!((given.crl_number, known.crl_number), (Some(given), Some(known)) if given < known);
    lower || given.this_update < known.this_update
}

fn newest(engine: &Engine, number: u32) -> Result<Option<(u64, Evidence)>, LedgerError> {
    let value = engine
        .db()
        .get_pinned_cf(engine.family(keys::META)?, keys::evidence(number))
        .map_err(|error| engine.error(error))?;
    decode(engine, number, value.as_deref())
}

fn decode(
    engine: &Engine,
    number: u32,
    value: Option<&[u8]>,
) -> Result<Option<(u64, Evidence)>, LedgerError> {
    let Some(octets) = value else {
        return Ok(None);
    };
    match Entry::decode(octets).map(|entry| (entry.sequence, entry.kind)) {
        Ok((
            sequence,
            EntryKind::Evidence {
                issuer_number,
                evidence,
            },
        )) if issuer_number == number => Ok(Some((sequence, evidence))),
        _ => Err(engine.damaged(Damage::Evidence { number })),
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        asn1::{CrlNumber, UnixTime},
        ledger::IssuerIdentity,
    };

    use super::*;

    fn evidence(this_update: u64, number: Option<u8>) -> Evidence {
        let at = |secs| UnixTime::from_secs(secs).unwrap();
        Evidence {
            this_update: at(this_update),
            next_update: at(this_update + 100),
            crl_number: number.map(|number| CrlNumber::from_content(&[number]).unwrap()),
            crl_sha256: [number.unwrap_or(0); 32],
            entry_count: 0,
        }
    }

    fn define(ledger: &Ledger, label: &str) -> IssuerId {
        let identity = IssuerIdentity {
            subject_der: label.as_bytes().to_vec(),
            spki_der: vec![0x30],
            label: label.to_owned(),
        };
        ledger.define_issuer(&identity, &source(), 1).unwrap().id
    }

    fn source() -> Source {
        Source::new("crl", "0x07").unwrap()
    }

    #[test]
    fn evidence_is_kept_and_never_goes_back() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path()).unwrap();
        let (issuer, other) = (define(&ledger, "ca"), define(&ledger, "cb"));
        let record =
            |evidence: &Evidence| ledger.record_evidence(&issuer, evidence, &source(), 5_000);
        assert_eq!(ledger.evidence(&issuer).unwrap(), None);

        let first = evidence(1_000, Some(7));
        assert_eq!(record(&first).unwrap(), Recorded::Entry { sequence: 3 });
        assert_eq!(record(&first).unwrap(), Recorded::Unchanged);
        let before = ledger.snapshot().unwrap();
        let known = || Recorded::Older {
            known: first.clone(),
        };
        for older in [
            evidence(999, Some(7)),
            evidence(999, Some(8)),
            evidence(999, None),
            evidence(1_001, Some(6)),
            evidence(1_000, Some(6)),
        ] {
            assert_eq!(record(&older).unwrap(), known(), "{older:?}");
        }
        for (newer, sequence) in [
            (evidence(1_000, Some(8)), 4),
            (evidence(1_001, Some(8)), 5),
            (evidence(1_002, None), 6),
            (evidence(1_003, Some(1)), 7),
        ] {
            assert_eq!(record(&newer).unwrap(), Recorded::Entry { sequence });
            assert_eq!(ledger.evidence(&issuer).unwrap().as_ref(), Some(&newer));
        }
        assert_eq!(before.evidence(&issuer).unwrap(), Some(first));
        assert_eq!(ledger.evidence(&other).unwrap(), None);
        assert_eq!(ledger.snapshot().unwrap().evidence(&other).unwrap(), None);
        drop((before, ledger));

        let ledger = Ledger::open(dir.path()).unwrap();
        let newest = evidence(1_003, Some(1));
        let expected = Some((7, newest.clone()));
        assert_eq!(ledger.evidence_entry(&issuer).unwrap(), expected);
        assert_eq!(ledger.last_sequence().unwrap(), 7);
        let snapshot = ledger.snapshot().unwrap();
        let entry = snapshot.entry(7).unwrap().unwrap();
        assert_eq!((entry.recorded_ms, &entry.source), (5_000, &source()));
        assert_eq!(
            entry.kind,
            EntryKind::Evidence {
                issuer_number: 1,
                evidence: newest
            }
        );
        assert_eq!(snapshot.applied_since(0).unwrap().count(), 0);
    }

    #[test]
    fn evidence_of_a_stranger_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path()).unwrap();
        let stranger = IssuerId::from_bytes([3; 32]);
        let recorded = ledger.record_evidence(&stranger, &evidence(1, None), &source(), 1);
        assert!(matches!(recorded, Err(LedgerError::UnknownIssuer { .. })));
        assert_eq!(ledger.evidence(&stranger).unwrap(), None);
    }
}
