//! CSV: a line for each certificate, its columns mapped to what the ledger knows.
//!
//! ```text
//! serial,status,reason,revocation_time
//! 0A1B,good,,
//! 0A1C,revoked,superseded,2026-01-05T12:00:00Z
//! ```
//!
//! A [`CsvMapping`] says which column is which field and how its values are written; the names above
//! are the defaults. Columns that are not mapped are not used, and the report names them.
//!
//! | field | holds |
//! | --- | --- |
//! | serial | hexadecimal in whole octets, or decimal; positive, at most 20 octets |
//! | status | a word that the mapping knows |
//! | reason | a name or a number of RFC 5280 §5.3.1; empty or -1 for none |
//! | revocation_time, invalidity_date, not_before, not_after | a time; empty (or -1 in seconds) for none |
//! | sha256 | SHA-256 of the certificate, 64 hexadecimal digits |
//!
//! The form is RFC 4180's, taken by the word where a lenient reader would swallow lines: a quote that
//! is not closed refuses the file, also when bad lines are to be skipped, since nobody can say which
//! of the lines behind it were meant. Every line ends in a line feed; a last line without one was cut
//! short. Blank lines are passed over. All of it is UTF-8 without NUL.
//!
//! The same serial number twice in the same words is one certificate; in different words, all of its
//! lines are bad.

mod cause;
mod entry;
mod facts;
mod mapping;
mod rows;
mod value;

use std::io::{self, BufRead};

use entry::Entry;
use facts::Facts;
use mapping::Columns;
use rows::{Row, Rows};

pub use cause::{CsvCause, CsvError, QuoteFault};
pub use mapping::{
    ColumnError, CsvColumn, CsvField, CsvMapping, CsvSerials, CsvStatus, CsvTimes, MappingWordError,
};

use crate::identity::IssuerId;

use super::{
    import::{Findings, Record},
    problems::{BadPart, Problems},
    repetition::{Said as _, settle},
};

/// The longest row that is read, in octets: line feeds within quotes included.
pub const ROW_OCTETS_MAX: usize = 64 << 10;

/// What a CSV file says: 72 octets of memory a certificate, and 32 more for a certificate's hash.
#[derive(Debug)]
pub struct Csv {
    issuer: IssuerId,
    /// In the order of the ledger, each serial number once.
    entries: Vec<Entry>,
    row_count: u64,
    repeated: u64,
    problems: Problems<CsvCause>,
    unused: Vec<String>,
}

impl Csv {
    /// Reads the whole file of the CA `issuer`. A bad line does not end it; all are in
    /// [`Findings::problems`].
    ///
    /// # Errors
    /// [`CsvError`] when the columns cannot be found or the lines cannot be told apart.
    pub fn read(
        reader: impl BufRead,
        issuer: IssuerId,
        mapping: &CsvMapping,
    ) -> Result<Self, CsvError> {
        let mut rows = Rows::new(reader, mapping.delimiter_octet()?);
        let header = if mapping.has_header()? {
            Some(rows.header()?)
        } else {
            None
        };
        let mut columns = match &header {
            Some(names) => Some(Columns::named(mapping, names)?),
            None => None,
        };
        let mut csv = Self {
            issuer,
            entries: Vec::new(),
            row_count: 0,
            repeated: 0,
            problems: Problems::new(),
            unused: columns
                .as_ref()
                .map(|columns| columns.unused().map(str::to_owned).collect())
                .unwrap_or_default(),
        };
        while let Some((line, row)) = rows.next_row()? {
            let line =
                u32::try_from(line).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
            csv.row_count = csv.row_count.saturating_add(1);
            if let (Row::Fields(fields), None) = (&row, &columns) {
                columns = Some(Columns::numbered(mapping, fields.count())?);
            }
            let facts = match (row, &columns) {
                (Row::Fields(fields), Some(columns)) => Facts::from_row(&fields, columns, mapping),
                (Row::Bad(bad), _) => Err(bad),
                // The first good row has made them known.
                (Row::Fields(_), None) => continue,
            };
            match facts {
                Ok(facts) => csv.entries.push(Entry::new(line, facts)),
                Err(bad) => csv.problems.push(u64::from(line), || (bad.part, bad.cause)),
            }
        }
        if csv.row_count == 0 && header.is_none() {
            return Err(CsvError::Empty);
        }
        csv.settle();
        Ok(csv)
    }

    fn settle(&mut self) {
        let (issuer, problems) = (self.issuer, &mut self.problems);
        self.repeated = settle(
            &mut self.entries,
            |_| issuer,
            |entry, other| {
                problems.push(entry.line(), || {
                    let cause = CsvCause::Contradiction {
                        serial: entry.serial(),
                        other: other.line(),
                    };
                    (None, cause)
                });
            },
        );
    }
}

impl Findings for Csv {
    type Cause = CsvCause;

    /// All rows but the header and blank lines.
    fn line_count(&self) -> u64 {
        self.row_count
    }

    fn repeated(&self) -> u64 {
        self.repeated
    }

    fn problems(&self) -> &Problems<CsvCause> {
        &self.problems
    }

    /// In the order of the ledger.
    fn records(&self) -> impl Iterator<Item = Record> + '_ {
        self.entries.iter().map(|entry| entry.record(self.issuer))
    }

    fn notes(&self) -> Vec<String> {
        if self.unused.is_empty() {
            return Vec::new();
        }
        let names: Vec<String> = self.unused.iter().map(|name| format!("{name:?}")).collect();
        vec![format!("columns that are not used: {}", names.join(", "))]
    }
}

/// A row that is not taken: the bad part of it, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
struct BadRow {
    part: Option<BadPart>,
    cause: CsvCause,
}

#[cfg(test)]
mod tests;
