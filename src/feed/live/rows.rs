//! Rows of a source that is no file, gathered for one import.

use std::fmt;

use crate::change::Change;
use crate::feed::import::{Findings, Record};
use crate::feed::problems::{Problem, Problems, Unit};
use crate::feed::repetition::{Said, settle};
use crate::identity::SerialNumber;

/// Rows that were read at once: some 240 octets of memory each, so no more of them than a batch should
/// have.
#[derive(Debug)]
pub struct Rows {
    /// In the order of the ledger once they are settled, each certificate once.
    records: Vec<Record>,
    row_count: u64,
    repeated: u64,
    problems: Problems<String>,
    notes: Vec<String>,
}

impl Rows {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            records: Vec::new(),
            row_count: 0,
            repeated: 0,
            problems: Problems::of(Unit::Row),
            notes: Vec::new(),
        }
    }

    /// Adds what the row with this number, counted from 1, says.
    pub fn push(&mut self, row: u64, change: Change) {
        self.row_count = self.row_count.saturating_add(1);
        self.records.push(Record { line: row, change });
    }

    /// Notes that the row with this number cannot be used, and why. Names the certificate if it can.
    pub fn bad(&mut self, row: u64, why: impl fmt::Display) {
        self.row_count = self.row_count.saturating_add(1);
        self.problems.push(row, || (None, why.to_string()));
    }

    /// What the operator should know beside the counts.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// How many there are, the bad ones among them.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.row_count
    }

    /// Leaves each certificate once: rows that say the same are one, and of rows that contradict each
    /// other all are bad. To be called when all are added, before they are taken.
    pub fn settle(&mut self) {
        let Self {
            records, problems, ..
        } = self;
        let issuer = |record: &Record| record.change.issuer;
        let repeated = settle(records, issuer, |record, other| {
            let (serial, row) = (record.change.serial, other.line);
            problems.push_at(record.line, || Problem {
                place: crate::feed::Place::new(Unit::Row, record.line),
                part: None,
                cause: format!("serial number {serial}: row {row} says something else of it"),
            });
        });
        self.repeated = self.repeated.saturating_add(repeated);
    }
}

impl Default for Rows {
    fn default() -> Self {
        Self::new()
    }
}

impl Said for Record {
    fn serial(&self) -> SerialNumber {
        self.change.serial
    }

    fn says_the_same_as(&self, other: &Self) -> bool {
        self.change == other.change
    }
}

impl Findings for Rows {
    type Cause = String;

    const UNIT: Unit = Unit::Row;

    fn line_count(&self) -> u64 {
        self.row_count
    }

    fn repeated(&self) -> u64 {
        self.repeated
    }

    fn problems(&self) -> &Problems<String> {
        &self.problems
    }

    fn records(&self) -> impl Iterator<Item = Record> + '_ {
        self.records.iter().copied()
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Action, Inventory};
    use crate::identity::IssuerId;

    fn change(serial: &str, action: Action) -> Change {
        Change {
            issuer: IssuerId::from_bytes([7; 32]),
            serial: SerialNumber::from_hex(serial).unwrap(),
            action,
        }
    }

    #[test]
    fn rows_that_repeat_are_one_and_those_that_contradict_are_none() {
        let mut rows = Rows::new();
        let issued = Action::Issue(Inventory::default());
        rows.push(1, change("01", issued));
        rows.push(2, change("02", issued));
        rows.push(3, change("01", issued));
        rows.push(4, change("02", Action::Release));
        rows.bad(5, "serial number is missing");
        rows.settle();
        assert_eq!((rows.count(), rows.repeated()), (5, 1));
        let left: Vec<u64> = rows.records().map(|record| record.line).collect();
        assert_eq!(left, [1]);
        assert_eq!(rows.problems().total(), 3);
    }
}
