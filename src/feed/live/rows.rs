//! Rows of a source that is no file, gathered for one import.

use std::collections::HashMap;
use std::fmt;

use crate::change::{Change, Refusal};
use crate::feed::import::{Findings, Record};
use crate::feed::problems::{BadPart, Place, Problem, Problems, Unit};
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
    /// What rows are called, by their numbers from 1; empty where they have no names.
    names: Vec<String>,
    /// When rows were changed, by their serial numbers: milliseconds since 1970.
    changed_ms: HashMap<SerialNumber, u64>,
    only_issuances: bool,
}

impl Rows {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            records: Vec::new(),
            row_count: 0,
            repeated: 0,
            problems: Problems::of(Unit::Row),
            notes: Vec::new(),
            names: Vec::new(),
            changed_ms: HashMap::new(),
            only_issuances: false,
        }
    }

    /// Says that rows tell of issuances alone, as certificates do: what was revoked since does not
    /// contradict them.
    pub const fn only_issuances(&mut self) {
        self.only_issuances = true;
    }

    /// Says what the rows are called, in the order of their numbers from 1: messages then name them so.
    pub fn name_all(&mut self, names: Vec<String>) {
        self.names = names;
    }

    /// What the rows are called, where they have names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Adds what the row with this number says, and when it was changed, in milliseconds since 1970: a
    /// row that says good ends a hold that this feed brought in before that.
    pub fn push_changed(&mut self, row: u64, change: Change, changed_ms: u64) {
        // Of several rows that stay, all say the same: whoever said so last has said so then.
        let latest = self.changed_ms.entry(change.serial).or_default();
        *latest = changed_ms.max(*latest);
        self.push(row, change);
    }

    /// When the row of this certificate was changed, if it says; of several the latest.
    pub(crate) fn changed_ms(&self, serial: &SerialNumber) -> Option<u64> {
        self.changed_ms.get(serial).copied()
    }

    /// Notes that the row with this number cannot be used, which part of it, and why.
    pub fn bad_part(&mut self, row: u64, part: Option<BadPart>, why: impl fmt::Display) {
        self.row_count = self.row_count.saturating_add(1);
        let place = self.place(row);
        let cause = why.to_string();
        self.problems
            .push_at(row, || Problem { place, part, cause });
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
                place: Place::new(Unit::Row, record.line),
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

    /// What was recorded first stands, as for every source that says the same thing again and again.
    fn passes_over(&self, refusal: &Refusal) -> bool {
        match refusal {
            Refusal::RevokedOtherwise { .. } => true,
            Refusal::Revoked { .. } => self.only_issuances,
            _ => false,
        }
    }

    fn place(&self, line: u64) -> Place {
        let number = usize::try_from(line.saturating_sub(1)).ok();
        match number.and_then(|number| self.names.get(number)) {
            None => Place::new(Unit::Row, line),
            Some(name) => Place {
                file: Some(name.clone()),
                unit: Unit::Row,
                line: 0,
            },
        }
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
    fn of_several_rows_the_latest_says_when() {
        let issued = change("01", Action::Issue(Inventory::default()));
        for times in [[5, 7, 6], [7, 6, 5], [5, 6, 7]] {
            let mut rows = Rows::new();
            for (row, changed_ms) in (1..).zip(times) {
                rows.push_changed(row, issued, changed_ms);
            }
            rows.settle();
            assert_eq!(rows.changed_ms(&issued.serial), Some(7), "{times:?}");
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
