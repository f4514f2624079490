//! What is kept beside the log and does not follow from it alone, as far as the entries bound it: what was
//! answered to pushes.
//!
//! A push's row must be readable, lie under its own key, be found by its age, and speak of entries that
//! the log has, of the moment that it was recorded in; the head that its receipt names must be the log's of
//! that size. Which of its entries were refused, and why, no entry says.

use crate::ledger::{
    entry::{Entry, EntryKind},
    error::LedgerError,
    idempotency::{PushRecord, PushRow, RunResult},
    keys,
    log::{Hash, SnapshotNodes, head_at},
    snapshot::LedgerSnapshot,
};

use super::{
    Progress, VerifyStep,
    finding::{Finding, Findings, RowFault},
};

/// Compares the rows of pushes. They are gone through by their age, which is about the order of the log,
/// so that each of its tiles is read about once.
pub(super) fn check(
    snapshot: &LedgerSnapshot,
    findings: &mut Findings,
    progress: &mut Progress<'_>,
) -> Result<(), LedgerError> {
    let mut check = Check {
        snapshot,
        nodes: SnapshotNodes::new(snapshot)?,
        findings,
    };
    let mut rows = snapshot.raw_rows(keys::PUSHES)?;
    rows.seek_to_first();
    let mut read = 0_u64;
    while let Some((key, value)) = rows.item() {
        if read.is_multiple_of(PROGRESS_ROWS) {
            snapshot.engine().check_open()?;
            // Few beside the entries: it only has to be asked whether to stop.
            let (done, of) = (check.nodes.size(), check.nodes.size());
            progress.tell(VerifyStep::Rows { done, of })?;
        }
        read = read.saturating_add(1);
        match PushRow::of(key) {
            Some(PushRow::Answer(id)) => check.is_found_by_age(&id, value)?,
            Some(PushRow::Age { recorded_ms, id }) => check.answer(recorded_ms, &id)?,
            None => check.tell("a row of the column family pushes", RowFault::Extra),
        }
        rows.next();
    }
    let engine = snapshot.engine();
    rows.status().map_err(|error| engine.error(error))
}

struct Check<'a> {
    snapshot: &'a LedgerSnapshot,
    nodes: SnapshotNodes<'a>,
    findings: &'a mut Findings,
}

impl Check<'_> {
    /// What is found by no age is never removed, and never looked at below.
    fn is_found_by_age(&mut self, id: &Hash, value: &[u8]) -> Result<(), LedgerError> {
        let Some(record) = PushRecord::decode(value) else {
            self.tell("what was answered to a push", RowFault::Differs);
            return Ok(());
        };
        let key = PushRow::age(record.recorded_ms, id);
        if self.snapshot.get(keys::PUSHES, &key)?.is_none() {
            let what = format!("the age of {}", name(&record));
            self.tell(&what, RowFault::Missing);
        }
        Ok(())
    }

    fn answer(&mut self, recorded_ms: u64, id: &Hash) -> Result<(), LedgerError> {
        let Some(value) = self.snapshot.get(keys::PUSHES, &PushRow::answer(id))? else {
            self.tell("what was answered to a push", RowFault::Missing);
            return Ok(());
        };
        // Told where it lies.
        let Some(record) = PushRecord::decode(&value) else {
            return Ok(());
        };
        if record.recorded_ms != recorded_ms {
            self.tell(&format!("the age of {}", name(&record)), RowFault::Extra);
            return Ok(());
        }
        if record.id() != *id || !self.is_of_the_log(&record)? {
            self.tell(&name(&record), RowFault::Differs);
        }
        Ok(())
    }

    /// Whether the log has what a push is said to have recorded.
    fn is_of_the_log(&mut self, record: &PushRecord) -> Result<bool, LedgerError> {
        let leaf = match record.last_sequence {
            0 => None,
            last => match self.snapshot.epochs().leaf_of(last) {
                Some(leaf) => Some(leaf),
                None => return Ok(false),
            },
        };
        let size = leaf.map_or(0, |leaf| leaf.saturating_add(1));
        if record.head.size != size || size > self.nodes.size() {
            return Ok(false);
        }
        for run in &record.runs {
            let RunResult::Applied { first } = run.result else {
                continue;
            };
            let last = first
                .checked_add(u64::from(run.count))
                .and_then(|end| end.checked_sub(1));
            let Some(last) = last.filter(|last| *last <= record.last_sequence) else {
                return Ok(false);
            };
            if !self.is_of_push(record, first)? || !self.is_of_push(record, last)? {
                return Ok(false);
            }
        }
        match head_at(&mut self.nodes, size) {
            Ok(head) => Ok(head == record.head),
            // A hole in the log was told when it was read.
            Err(LedgerError::Damaged { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Whether an entry is of a push's batch: about a certificate, and recorded in the same moment. One
    /// that is missing, or no entry any more, was told when the log was read.
    fn is_of_push(&self, record: &PushRecord, sequence: u64) -> Result<bool, LedgerError> {
        let Some(octets) = self.snapshot.entry_octets(sequence)? else {
            return Ok(self.snapshot.epochs().leaf_of(sequence).is_some());
        };
        Ok(Entry::decode(&octets).map_or(true, |entry| {
            matches!(entry.kind, EntryKind::Certificate(_))
                && entry.recorded_ms == record.recorded_ms
        }))
    }

    fn tell(&mut self, what: &str, fault: RowFault) {
        let what = what.to_owned();
        self.findings.add(Finding::Row { what, fault });
    }
}

/// A push as its client would know it.
fn name(record: &PushRecord) -> String {
    let key: String = record.key.chars().take(KEY_SHOWN).collect();
    let client = &record.client;
    format!("what was answered to push {key:?} of {client:?}")
}

/// As long as a UUID with some words around it.
const KEY_SHOWN: usize = 64;
/// How often it is asked whether to stop.
const PROGRESS_ROWS: u64 = 8_192;
