//! Rows of RFC 4180, one at a time, none longer than a limit.

use std::io::BufRead;

use super::{BadRow, CsvCause, CsvError, QuoteFault, ROW_OCTETS_MAX};
use crate::feed::{
    lines::{Line, Lines},
    problems::BadPart,
};

/// Reads rows into buffers that are used again for each.
#[derive(Debug)]
pub(super) struct Rows<R> {
    lines: Lines<R>,
    delimiter: u8,
    /// The fields' values, one behind the other, quotes taken off.
    values: Vec<u8>,
    /// Where each ends in `values`.
    ends: Vec<usize>,
}

/// One row.
#[derive(Debug)]
pub(super) enum Row<'a> {
    /// Well formed.
    Fields(Fields<'a>),
    /// Not a row; the next line is one again.
    Bad(BadRow),
}

/// The fields of one row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    values: &'a [u8],
    ends: &'a [usize],
}

impl<'a> Fields<'a> {
    /// How many there are.
    pub(super) const fn count(&self) -> usize {
        self.ends.len()
    }

    /// The field at this place, counted from 0.
    pub(super) fn value(&self, place: usize) -> Option<&'a [u8]> {
        let end = *self.ends.get(place)?;
        let start = match place.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.values.get(start..end)
    }

    /// All of them.
    pub(super) fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        (0..self.count()).filter_map(move |place| self.value(place))
    }

    /// Their octets without the delimiters.
    pub(super) const fn octets(&self) -> &'a [u8] {
        self.values
    }
}

impl<R: BufRead> Rows<R> {
    pub(super) const fn new(reader: R, delimiter: u8) -> Self {
        Self {
            lines: Lines::new(reader, ROW_OCTETS_MAX),
            delimiter,
            values: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// The first row: the names of the columns, without white space around them.
    pub(super) fn header(&mut self) -> Result<Vec<String>, CsvError> {
        let (line, row) = self.next_row()?.ok_or(CsvError::Empty)?;
        let fields = match row {
            Row::Fields(fields) => fields,
            Row::Bad(BadRow { part, cause }) => {
                return Err(match cause {
                    CsvCause::Quote(fault) => CsvError::Structure {
                        line,
                        column: part.map_or(1, |part| part.column),
                        fault,
                    },
                    _ => CsvError::HeaderCutShort,
                });
            }
        };
        let not_utf8 = |utf16| CsvError::NotUtf8 { utf16 };
        if fields.octets().contains(&0) || fields.octets().starts_with(b"\xff\xfe") {
            return Err(not_utf8(true));
        }
        fields
            .iter()
            .map(|name| match str::from_utf8(name) {
                Ok(name) => Ok(name.trim().to_owned()),
                Err(_) => Err(not_utf8(false)),
            })
            .collect()
    }

    /// The next row and the line in which it begins, counted from 1; `None` at the end. Blank lines
    /// are passed over, and so is a byte order mark.
    pub(super) fn next_row(&mut self) -> Result<Option<(u64, Row<'_>)>, CsvError> {
        self.values.clear();
        self.ends.clear();
        let Self {
            lines,
            delimiter,
            values,
            ends,
        } = self;
        let mut row = Splitter::new(*delimiter, values, ends);
        let mut first = None;
        loop {
            let Some((number, line)) = lines.next_line()? else {
                let Some((line, column)) = row.quote_open_at.zip(first).map(|(at, _)| at) else {
                    return Ok(None);
                };
                let fault = QuoteFault::NeverClosed;
                return Err(CsvError::Structure {
                    line,
                    column,
                    fault,
                });
            };
            let (mut octets, is_whole) = match line {
                Line::Whole(octets) => (octets, true),
                Line::Unterminated(octets) => (octets, false),
                Line::TooLong(_) => return Err(too_long(number)),
            };
            if number == 1 {
                octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
            }
            if first.is_none() && is_whole && matches!(octets, b"" | b"\r") {
                continue;
            }
            let begins = *first.get_or_insert(number);
            match row.take(number, octets) {
                Ok(Taken::Open) if !is_whole => {
                    let (line, column) = row.quote_open_at.unwrap_or((number, 1));
                    let fault = QuoteFault::NeverClosed;
                    return Err(CsvError::Structure {
                        line,
                        column,
                        fault,
                    });
                }
                Ok(Taken::Open) if row.values.len() > ROW_OCTETS_MAX => {
                    return Err(too_long(begins));
                }
                Ok(Taken::Open) => {}
                Ok(Taken::Row) if is_whole => {
                    let (values, ends) = (&**values, &**ends);
                    return Ok(Some((begins, Row::Fields(Fields { values, ends }))));
                }
                Ok(Taken::Row) => {
                    let bad = BadRow {
                        part: Some(BadPart::new(0, octets)),
                        cause: CsvCause::CutShort,
                    };
                    return Ok(Some((begins, Row::Bad(bad))));
                }
                // A quote that began in an earlier line may have swallowed lines that were meant to
                // stand alone.
                Err((offset, fault)) if begins != number => {
                    let (line, column) = row
                        .quote_open_at
                        .unwrap_or_else(|| (number, column(offset)));
                    return Err(CsvError::Structure {
                        line,
                        column,
                        fault,
                    });
                }
                Err((offset, fault)) => {
                    let rest = octets.get(offset..).unwrap_or_default();
                    let bad = BadRow {
                        part: Some(BadPart::new(offset, rest)),
                        cause: CsvCause::Quote(fault),
                    };
                    return Ok(Some((begins, Row::Bad(bad))));
                }
            }
        }
    }
}

const fn too_long(line: u64) -> CsvError {
    CsvError::Structure {
        line,
        column: 1,
        fault: QuoteFault::TooLong {
            octets_max: ROW_OCTETS_MAX,
        },
    }
}

/// An offset in a line as people count.
fn column(offset: usize) -> u64 {
    u64::try_from(offset).unwrap_or(u64::MAX).saturating_add(1)
}

/// Splits one row, line by line.
struct Splitter<'a> {
    delimiter: u8,
    values: &'a mut Vec<u8>,
    ends: &'a mut Vec<usize>,
    state: State,
    /// Line and column of the last opening quotation mark.
    quote_open_at: Option<(u64, u64)>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    FieldBegins,
    Plain,
    Quoted,
    /// Behind a quotation mark that closes, unless another follows.
    Closed,
}

enum Taken {
    /// The row is whole.
    Row,
    /// It goes on in the next line.
    Open,
}

impl<'a> Splitter<'a> {
    const fn new(delimiter: u8, values: &'a mut Vec<u8>, ends: &'a mut Vec<usize>) -> Self {
        Self {
            delimiter,
            values,
            ends,
            state: State::FieldBegins,
            quote_open_at: None,
        }
    }

    /// Takes one line without its line feed.
    fn take(&mut self, number: u64, line: &[u8]) -> Result<Taken, (usize, QuoteFault)> {
        // Within quotes a carriage return is text, and so is one within a line.
        let (body, last_is_return) = match line {
            [body @ .., b'\r'] => (body, true),
            body => (body, false),
        };
        for (offset, octet) in (0..).zip(body.iter().copied()) {
            self.step(number, offset, octet)?;
        }
        if self.state == State::Quoted {
            self.values.extend(last_is_return.then_some(b'\r'));
            self.values.push(b'\n');
            return Ok(Taken::Open);
        }
        self.end_field();
        Ok(Taken::Row)
    }

    fn step(&mut self, line: u64, offset: usize, octet: u8) -> Result<(), (usize, QuoteFault)> {
        match (self.state, octet) {
            (State::FieldBegins, b'"') => {
                self.quote_open_at = Some((line, column(offset)));
                self.state = State::Quoted;
            }
            (State::Quoted, b'"') => self.state = State::Closed,
            (State::Closed, b'"') => {
                self.values.push(b'"');
                self.state = State::Quoted;
            }
            (State::Plain, b'"') => return Err((offset, QuoteFault::Inside)),
            (State::Quoted, octet) => self.values.push(octet),
            (_, octet) if octet == self.delimiter => self.end_field(),
            (State::Closed, _) => return Err((offset, QuoteFault::After)),
            (State::FieldBegins | State::Plain, octet) => {
                self.values.push(octet);
                self.state = State::Plain;
            }
        }
        Ok(())
    }

    fn end_field(&mut self) {
        self.ends.push(self.values.len());
        self.state = State::FieldBegins;
    }
}
