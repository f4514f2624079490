//! The newest evidence of each scope of an issuer's CRLs: recorded once, never backwards, read with one
//! look-up.

use rocksdb::{Direction, IteratorMode, WriteBatch};

use crate::{
    asn1::UnixTime,
    change::{CrlScope, Evidence, Source},
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
    /// The ledger has newer evidence of the scope ([`Evidence::is_older_than`]). No entry was made.
    Older {
        /// What the ledger has.
        known: Box<Evidence>,
    },
}

/// Evidence with its entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EvidenceEntry {
    /// The entry's number.
    pub sequence: u64,
    /// When it was recorded, in milliseconds since 1970.
    pub recorded_ms: u64,
    /// What was recorded.
    pub evidence: Evidence,
}

impl Ledger {
    /// The newest evidence of one scope of an issuer's CRLs; `None` when there is none, or no such
    /// issuer.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn evidence(
        &self,
        issuer: &IssuerId,
        scope: &CrlScope,
    ) -> Result<Option<Evidence>, LedgerError> {
        let engine = self.engine()?;
        let Some(number) = engine.issuers().number(issuer) else {
            return Ok(None);
        };
        Ok(newest(&engine, number, scope)?.map(|entry| entry.evidence))
    }

    /// The newest evidence of each scope of an issuer's CRLs, that of the full CRL first.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn evidences(&self, issuer: &IssuerId) -> Result<Vec<EvidenceEntry>, LedgerError> {
        self.snapshot()?.evidences(issuer)
    }

    /// Records evidence of an issuer, synced, unless the ledger has newer of the same scope.
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
        let known = newest(&engine, number, &evidence.scope)?;
        match known.map(|entry| entry.evidence) {
            Some(known) if known == *evidence => return Ok(Recorded::Unchanged),
            Some(known) if evidence.is_older_than(&known) => {
                let known = Box::new(known);
                return Ok(Recorded::Older { known });
            }
            _ => {}
        }
        let mut log = Appender::begin(&engine)?;
        let sequence = log.next_sequence();
        let entry = Entry {
            sequence,
            recorded_ms: now_ms.min(MILLIS_MAX),
            source: source.clone().without_crl_scope(),
            kind: EntryKind::Evidence {
                issuer_number: number,
                evidence: evidence.clone(),
            },
        };
        let mut batch = WriteBatch::default();
        let found_by = keys::evidence_at(number, entry.recorded_ms, sequence);
        batch.put_cf(engine.family(keys::META)?, found_by, []);
        let octets = log.append(&mut batch, &entry)?;
        let key = keys::evidence(number, evidence.scope.tag());
        batch.put_cf(engine.family(keys::META)?, key, octets);
        log.finish(&mut batch);
        self.write(&mut writer, &engine, batch)?;
        Ok(Recorded::Entry { sequence })
    }
}

impl LedgerSnapshot {
    /// The newest evidence of each scope of an issuer's CRLs, that of the full CRL first.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails.
    pub fn evidences(&self, issuer: &IssuerId) -> Result<Vec<EvidenceEntry>, LedgerError> {
        let Some(number) = self.issuers.number(issuer) else {
            return Ok(Vec::new());
        };
        let engine = self.engine();
        let prefix = keys::evidence_prefix(number);
        let begin = IteratorMode::From(prefix.as_ref(), Direction::Forward);
        let view = self.view.borrow_dependent();
        let rows = view.iterator_cf(engine.family(keys::META)?, begin);
        let mut all = Vec::new();
        for row in rows {
            let (key, value) = row.map_err(|error| engine.error(error))?;
            if !key.starts_with(prefix.as_ref()) {
                break;
            }
            all.push(decode(engine, number, &key, &value)?);
        }
        Ok(all)
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

fn newest(
    engine: &Engine,
    number: u32,
    scope: &CrlScope,
) -> Result<Option<EvidenceEntry>, LedgerError> {
    let key = keys::evidence(number, scope.tag());
    let value = engine
        .db()
        .get_pinned_cf(engine.family(keys::META)?, key)
        .map_err(|error| engine.error(error))?;
    value
        .map(|value| decode(engine, number, key.as_ref(), &value))
        .transpose()
}

/// Reads the evidence of an issuer under its key.
fn decode(
    engine: &Engine,
    number: u32,
    key: &[u8],
    value: &[u8],
) -> Result<EvidenceEntry, LedgerError> {
    match Entry::decode(value) {
        Ok(Entry {
            sequence,
            recorded_ms,
            kind:
                EntryKind::Evidence {
                    issuer_number,
                    evidence,
                },
            ..
        }) if issuer_number == number
            && keys::evidence(number, evidence.scope.tag()).as_ref() == key =>
        {
            Ok(EvidenceEntry {
                sequence,
                recorded_ms,
                evidence,
            })
        }
        _ => Err(engine.damaged(Damage::Evidence { number })),
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        asn1::{CrlNumber, UnixTime},
        change::{CertificateKind, ScopeTag},
        ledger::IssuerIdentity,
    };

    use super::*;

    fn evidence(this_update: u64, number: Option<u8>) -> Evidence {
        let at = |secs| UnixTime::from_secs(secs).unwrap();
        Evidence {
            scope: CrlScope::FULL,
            complete_sha256: None,
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
        assert_eq!(ledger.evidence(&issuer, &CrlScope::FULL).unwrap(), None);

        let first = evidence(1_000, Some(7));
        assert_eq!(record(&first).unwrap(), Recorded::Entry { sequence: 3 });
        assert_eq!(record(&first).unwrap(), Recorded::Unchanged);
        let before = ledger.snapshot().unwrap();
        let known = || Recorded::Older {
            known: Box::new(first.clone()),
        };
        for older in [
            evidence(999, Some(7)),
            evidence(999, Some(8)),
            evidence(999, None),
            evidence(1_001, Some(6)),
            evidence(1_000, Some(6)),
            // Without a number nothing could be compared with the next one's.
            evidence(1_001, None),
        ] {
            assert_eq!(record(&older).unwrap(), known(), "{older:?}");
        }
        for (newer, sequence) in [
            (evidence(1_000, Some(8)), 4),
            (evidence(1_001, Some(8)), 5),
            (evidence(1_003, Some(9)), 6),
        ] {
            assert_eq!(record(&newer).unwrap(), Recorded::Entry { sequence });
            assert_eq!(
                ledger.evidence(&issuer, &CrlScope::FULL).unwrap().as_ref(),
                Some(&newer)
            );
        }
        assert_eq!(before.evidences(&issuer).unwrap()[0].evidence, first);
        assert_eq!(ledger.evidence(&other, &CrlScope::FULL).unwrap(), None);
        assert_eq!(ledger.evidences(&other).unwrap(), []);
        drop((before, ledger));

        let ledger = Ledger::open(dir.path()).unwrap();
        let newest = evidence(1_003, Some(9));
        let expected = EvidenceEntry {
            sequence: 6,
            recorded_ms: 5_000,
            evidence: newest.clone(),
        };
        assert_eq!(ledger.evidences(&issuer).unwrap(), [expected]);
        assert_eq!(ledger.last_sequence().unwrap(), 6);
        let snapshot = ledger.snapshot().unwrap();
        let entry = snapshot.entry(6).unwrap().unwrap();
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
    fn each_scope_has_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path()).unwrap();
        let (issuer, other) = (define(&ledger, "ca"), define(&ledger, "cb"));
        let scope = |point: &str, certificates| CrlScope {
            point: (!point.is_empty()).then(|| point.to_owned()),
            certificates,
            ..CrlScope::FULL
        };
        let scopes = [
            CrlScope::FULL,
            scope("", CertificateKind::User),
            scope("http://x/1", CertificateKind::All),
            scope("http://x/1", CertificateKind::User),
            scope("http://x/2", CertificateKind::All),
        ];
        let source = source().with_crl_scope(ScopeTag::FULL);
        for (scope, number) in scopes.iter().zip(1..) {
            let evidence = Evidence {
                scope: scope.clone(),
                // Lower from one to the next: nothing of one scope is older than another.
                ..evidence(1_000 - u64::from(number), Some(10 - number))
            };
            let recorded = ledger.record_evidence(&issuer, &evidence, &source, 1);
            assert!(matches!(recorded.unwrap(), Recorded::Entry { .. }));
            assert_eq!(ledger.evidence(&issuer, scope).unwrap(), Some(evidence));
            assert_eq!(ledger.evidence(&other, scope).unwrap(), None);
        }
        let evidences = ledger.evidences(&issuer).unwrap();
        assert_eq!(evidences.len(), scopes.len());
        assert!(evidences[0].evidence.scope.is_full());
        assert!(scopes.iter().all(|scope| {
            let same = |entry: &&EvidenceEntry| entry.evidence.scope == *scope;
            evidences.iter().filter(same).count() == 1
        }));
        assert_eq!(ledger.evidences(&other).unwrap(), []);
    }

    #[test]
    fn evidence_of_a_stranger_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path()).unwrap();
        let stranger = IssuerId::from_bytes([3; 32]);
        let recorded = ledger.record_evidence(&stranger, &evidence(1, None), &source(), 1);
        assert!(matches!(recorded, Err(LedgerError::UnknownIssuer { .. })));
        assert_eq!(ledger.evidence(&stranger, &CrlScope::FULL).unwrap(), None);
    }
}
