//! The ledger as a [`StatusSink`]: alone, or behind a running server's group commit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::{
    asn1::UnixTime,
    change::{Change, CrlScope, Evidence, Outcome, Source, Verdict},
    identity::{IssuerId, SerialNumber},
    ledger::{
        CertificateEntry, CommitError, Entry, EntryKind, GroupCommit, IssuerRevocationOrder,
        Ledger, LedgerError, Recorded, Revocation, RevokedRecord, Statement, StatusRecord,
        SubmitError,
    },
};

use super::{
    EvidenceOutcome, EvidenceSink, HoldSink, KnownHold, KnownRevocation, KnownStatus, StatusSink,
};

/// Where a feed's changes go. `Now` tells the time, in milliseconds since 1970.
#[derive(Debug)]
pub struct LedgerSink<'a, Now> {
    ledger: &'a Ledger,
    /// `None` where nobody else writes and nothing is served: then durable is all there is.
    commits: Option<&'a GroupCommit>,
    source: Source,
    now_ms: Now,
    /// Whether to leave it at what was applied.
    stop: Option<&'a AtomicBool>,
}

impl<'a, Now: Fn() -> u64> LedgerSink<'a, Now> {
    /// A ledger that this process alone writes, from this one thread, and that nothing is served
    /// from meanwhile.
    #[must_use]
    pub const fn alone(ledger: &'a Ledger, source: Source, now_ms: Now) -> Self {
        Self {
            ledger,
            commits: None,
            source,
            now_ms,
            stop: None,
        }
    }

    /// The ledger of a running server: each batch takes its turn among other feeds' changes, and is
    /// visible when it is acknowledged. Blocks; not for asynchronous code.
    #[must_use]
    pub const fn shared(
        ledger: &'a Ledger,
        commits: &'a GroupCommit,
        source: Source,
        now_ms: Now,
    ) -> Self {
        Self {
            ledger,
            commits: Some(commits),
            source,
            now_ms,
            stop: None,
        }
    }
}

impl<'a, Now: Fn() -> u64> LedgerSink<'a, Now> {
    /// The same, which judges and applies no more batches once `stop` is set: whoever reads the source
    /// again goes on from there.
    #[must_use]
    pub const fn until(mut self, stop: Option<&'a AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    fn go_on(&self) -> Result<(), LedgerSinkError> {
        match self.stop {
            Some(stop) if stop.load(Ordering::Relaxed) => Err(LedgerSinkError::Stopping),
            _ => Ok(()),
        }
    }

    /// Revokes an issuer as a whole: the outcome of the order, then those of the changes that belong to
    /// it.
    ///
    /// # Errors
    /// [`LedgerSinkError`]; nothing was acknowledged then.
    pub fn revoke_issuer(
        &self,
        order: &IssuerRevocationOrder,
    ) -> Result<Vec<Outcome>, LedgerSinkError> {
        let Some(commits) = self.commits else {
            let now_ms = (self.now_ms)();
            let committed = self.ledger.revoke_issuer(order, &self.source, now_ms)?;
            let mut outcomes = vec![committed.outcome];
            outcomes.extend(committed.with.outcomes);
            return Ok(outcomes);
        };
        let source = self.source.clone();
        let receipt = commits.submit_issuer_revocation(order.clone(), source, turn_deadline())?;
        Ok(receipt.wait()?)
    }
}

impl<Now: Fn() -> u64> StatusSink for LedgerSink<'_, Now> {
    type Error = LedgerSinkError;

    fn judge(&mut self, changes: &[Change]) -> Result<Vec<Verdict>, LedgerSinkError> {
        self.go_on()?;
        Ok(self.ledger.judge(changes, (self.now_ms)())?)
    }

    fn apply(&mut self, changes: &[Change]) -> Result<Vec<Outcome>, LedgerSinkError> {
        self.go_on()?;
        let Some(commits) = self.commits else {
            return Ok(self.ledger.record(changes, &self.source, (self.now_ms)())?);
        };
        let source = self.source.clone();
        let receipt = commits.submit(changes.to_vec(), source, turn_deadline())?;
        Ok(receipt.wait()?)
    }
}

impl<Now: Fn() -> u64> HoldSink for LedgerSink<'_, Now> {
    fn hold(
        &mut self,
        issuer: &IssuerId,
        serial: &SerialNumber,
    ) -> Result<Option<KnownHold>, LedgerSinkError> {
        let snapshot = self.ledger.snapshot()?;
        let revocation = snapshot
            .status(issuer, serial)?
            .and_then(|status| status.revocation)
            .filter(|revocation| revocation.is_hold() && revocation.by_issuer.is_none());
        let Some(revocation) = revocation else {
            return Ok(None);
        };
        // Later entries may have added to what is known of the certificate.
        let began = |entry: &Entry| {
            entry.recorded_ms == revocation.recorded_ms
                && matches!(
                    &entry.kind,
                    EntryKind::Certificate(CertificateEntry {
                        statement: Statement::Revoked { .. },
                        ..
                    })
                )
        };
        let history = snapshot.history(issuer, serial)?;
        Ok(history.into_iter().find(began).map(|entry| KnownHold {
            since_secs: revocation.claim.revocation_time.as_secs(),
            recorded_ms: revocation.recorded_ms,
            source: entry.source,
        }))
    }
}

impl<Now: Fn() -> u64> EvidenceSink for LedgerSink<'_, Now> {
    fn evidence(
        &mut self,
        issuer: &IssuerId,
        scope: &CrlScope,
    ) -> Result<Option<Evidence>, LedgerSinkError> {
        Ok(self.ledger.evidence(issuer, scope)?)
    }

    fn each_revoked(
        &mut self,
        issuer: &IssuerId,
        each: &mut dyn FnMut(&KnownRevocation),
    ) -> Result<(), LedgerSinkError> {
        let snapshot = self.ledger.snapshot()?;
        for record in snapshot.revoked(issuer)? {
            each(&known(&record?));
        }
        Ok(())
    }

    fn status(
        &mut self,
        issuer: &IssuerId,
        serial: &SerialNumber,
    ) -> Result<Option<KnownStatus>, LedgerSinkError> {
        let status = self.ledger.status(issuer, serial)?;
        Ok(status.map(|status| known_status(*serial, &status)))
    }

    fn record_evidence(
        &mut self,
        issuer: &IssuerId,
        evidence: &Evidence,
    ) -> Result<EvidenceOutcome, LedgerSinkError> {
        let recorded =
            self.ledger
                .record_evidence(issuer, evidence, &self.source, (self.now_ms)())?;
        Ok(match recorded {
            Recorded::Entry { .. } | Recorded::Unchanged => EvidenceOutcome::Known,
            Recorded::Older { known } => EvidenceOutcome::Older { known },
        })
    }
}

fn known(record: &RevokedRecord) -> KnownRevocation {
    KnownRevocation {
        serial: record.serial,
        not_after: record.not_after,
        crl_scope: record.crl_scope,
        ..revocation(record.serial, &record.revocation)
    }
}

fn known_status(serial: SerialNumber, status: &StatusRecord) -> KnownStatus {
    KnownStatus {
        issued: status.issued.is_some(),
        revocation: status.revocation.map(|found| KnownRevocation {
            not_after: status.issued.and_then(|inventory| inventory.not_after),
            crl_scope: status.crl_scope,
            ..revocation(serial, &found)
        }),
        released: status.released.then(|| time(status.recorded_ms)),
    }
}

fn revocation(serial: SerialNumber, found: &Revocation) -> KnownRevocation {
    KnownRevocation {
        serial,
        claim: found.claim,
        recorded: time(found.recorded_ms),
        not_after: None,
        crl_scope: None,
    }
}

fn time(millis: u64) -> UnixTime {
    UnixTime::from_secs(millis / 1_000).unwrap_or(UnixTime::MAX)
}

fn turn_deadline() -> Instant {
    let now = Instant::now();
    now.checked_add(TURN_WAIT).unwrap_or(now)
}

/// How long a batch waits for its turn. Others are written at hundreds of thousands of changes a
/// second, so a queue that takes this long belongs to a disk that has stopped.
const TURN_WAIT: Duration = Duration::from_secs(60);

/// Why the ledger gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerSinkError {
    /// It could not be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The server did not take the batch.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The server is stopping, and begins no batch any more.
    #[error("the server is stopping")]
    Stopping,
    /// The server took the batch and could not finish it.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::Arc};

    use super::*;
    use crate::{
        asn1::CrlReason,
        feed::{ImportOptions, ImportReport, ImportResult, Index, import},
        identity::{IssuerId, SerialNumber},
        ledger::{Durable, GroupOptions, IssuerIdentity},
    };

    const NOW_MS: u64 = 1_790_000_000_500; // 2026-09-21

    fn ledger(dir: &tempfile::TempDir) -> (Ledger, IssuerId) {
        let ledger = Ledger::open(dir.path()).unwrap();
        let identity = IssuerIdentity {
            subject_der: vec![0x30, 0],
            spki_der: vec![0x30],
            label: "test".to_owned(),
        };
        let issuer = ledger.define_issuer(&identity, &source(), NOW_MS).unwrap();
        (ledger, issuer.id)
    }

    fn source() -> Source {
        Source::new("import index", "index.txt").unwrap()
    }

    fn run(
        text: &str,
        issuer: IssuerId,
        sink: &mut LedgerSink<'_, impl Fn() -> u64>,
    ) -> ImportReport {
        let index = Index::read(text.as_bytes(), issuer).unwrap();
        let options = ImportOptions {
            source: "index.txt",
            skip_bad: false,
        };
        import(&index, sink, options, &mut |_| {}).unwrap()
    }

    const INDEX: &str = "\
        V\t301231235959Z\t\t01\tunknown\t/CN=a\n\
        R\t301231235959Z\t260105120000Z,keyTime,20251224180000Z\t02\tunknown\t/CN=b\n\
        R\t301231235959Z\t260105120000Z,holdInstruction,1.2.840.10040.2.3\t03\tunknown\t/CN=c\n\
        E\t241231235959Z\t\t04\tunknown\t/CN=d\n";

    #[test]
    fn an_index_is_in_the_ledger_once_it_is_imported_and_the_second_time_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (ledger, issuer) = ledger(&dir);
        let mut sink = LedgerSink::alone(&ledger, source(), || NOW_MS);
        let first = run(INDEX, issuer, &mut sink);
        assert_eq!((first.result, first.applied), (ImportResult::Complete, 4));

        let status = |serial| {
            let serial = SerialNumber::from_hex(serial).unwrap();
            ledger.status(&issuer, &serial).unwrap().unwrap()
        };
        assert_eq!(status("01").revocation, None);
        let claim = status("02").revocation.unwrap().claim;
        assert_eq!(claim.reason, Some(CrlReason::KeyCompromise));
        assert_eq!(
            claim.invalidity_date.unwrap().to_string(),
            "2025-12-24T18:00:00Z"
        );
        assert!(status("03").revocation.unwrap().is_hold());
        let expired = status("04");
        assert_eq!(expired.revocation, None);
        assert_eq!(
            expired.issued.unwrap().not_after.unwrap().to_string(),
            "2024-12-31T23:59:59Z"
        );

        let sequence = ledger.last_sequence().unwrap();
        let second = run(INDEX, issuer, &mut sink);
        assert_eq!((second.applied, second.unchanged), (0, 4));
        assert_eq!(ledger.last_sequence().unwrap(), sequence);
    }

    #[test]
    fn what_the_ledger_refuses_is_named_and_nothing_is_applied() {
        let dir = tempfile::tempdir().unwrap();
        let (ledger, issuer) = ledger(&dir);
        let mut sink = LedgerSink::alone(&ledger, source(), || NOW_MS);
        run(INDEX, issuer, &mut sink);
        let sequence = ledger.last_sequence().unwrap();

        let report = run(
            "V\t301231235959Z\t\t05\tunknown\t/CN=new\n\
             V\t301231235959Z\t\t02\tunknown\t/CN=valid again\n\
             V\t301231235959Z\t\t03\tunknown\t/CN=off hold\n\
             V\t311231235959Z\t\t01\tunknown\t/CN=another certificate\n\
             R\t301231235959Z\t261001000000Z\t06\tunknown\t/CN=next week\n",
            issuer,
            &mut sink,
        );
        assert_eq!(report.result, ImportResult::NothingApplied);
        assert_eq!(ledger.last_sequence().unwrap(), sequence);
        let shown = report.to_string();
        for (line, expected) in shown.lines().zip([
            "index.txt: nothing was applied: 5 lines, 4 refused",
            "index.txt: line 2: serial number 02: already revoked at 2026-01-05T12:00:00Z (keyCompromise)",
            "index.txt: line 3: serial number 03: already revoked at 2026-01-05T12:00:00Z (certificateHold)",
            "index.txt: line 4: serial number 01: notBefore, notAfter or certificate hash differ",
            "index.txt: line 5: serial number 06: revoked at 2026-10-01T00:00:00Z, which is more than",
        ]) {
            assert!(line.starts_with(expected), "{line}");
        }
    }

    #[test]
    fn behind_a_group_commit_every_entry_is_visible_when_the_import_returns() {
        let dir = tempfile::tempdir().unwrap();
        let (ledger, issuer) = ledger(&dir);
        let ledger = Arc::new(ledger);
        let visible = Arc::new(std::sync::Mutex::new(Vec::new()));
        let options = GroupOptions::new(ledger.last_sequence().unwrap());
        let commits = {
            let visible = Arc::clone(&visible);
            let on_durable = move |durable: Durable<'_>| {
                let applied = durable.certificates();
                visible.lock().unwrap().extend_from_slice(applied);
                Ok::<(), Infallible>(())
            };
            GroupCommit::start(Arc::clone(&ledger), options, || NOW_MS, on_durable).unwrap()
        };
        let mut sink = LedgerSink::shared(&ledger, &commits, source(), || NOW_MS);
        let report = run(INDEX, issuer, &mut sink);
        assert_eq!(report.applied, 4);
        assert_eq!(visible.lock().unwrap().len(), 4);
    }
}
