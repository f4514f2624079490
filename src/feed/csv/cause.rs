//! What can be wrong with a CSV file and its rows.

use std::io;

use super::{CsvField, mapping::ColumnError};
use crate::{
    asn1::TimeError,
    identity::{SerialNumber, SerialNumberError},
};

/// Why a row is not applied.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CsvCause {
    /// Another number of fields than the header, or the first row, has.
    #[error("{found} field(s) where there are {expected} columns")]
    FieldCount {
        /// How many the row has.
        found: usize,
        /// How many there are.
        expected: usize,
    },
    /// The form of RFC 4180 is broken within one line.
    #[error("{0}")]
    Quote(QuoteFault),
    /// The last line has no line feed.
    #[error(
        "the file ends in the middle of this line: it was cut short (a whole last line ends in a \
         line feed)"
    )]
    CutShort,
    /// Octets that are not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// A NUL octet.
    #[error("a NUL octet")]
    Nul,
    /// The serial number.
    #[error("{0}")]
    Serial(SerialNumberError),
    /// A serial number with an odd number of hexadecimal digits: a digit short is a digit lost.
    #[error("the serial number has an odd number of digits")]
    SerialHalfOctet,
    /// The serial number 0, which RFC 5280 §4.1.2.2 forbids.
    #[error("the serial number is zero")]
    SerialZero,
    /// A status that is none of the words known.
    #[error("the status is none of: {known}")]
    Status {
        /// The words, for people.
        known: String,
    },
    /// Neither a name nor a number of RFC 5280 §5.3.1.
    #[error("the revocation reason is unknown")]
    Reason,
    /// removeFromCRL, which revokes nothing.
    #[error("removeFromCRL is no reason for a revocation")]
    RemoveFromCrl,
    /// A certificate that is not revoked, with something that only revocations have.
    #[error("the status says good, but {field} is given")]
    RevocationUnexpected {
        /// What is given.
        field: CsvField,
    },
    /// A certificate that is revoked, without a time.
    #[error("the status says revoked, but no revocation_time is given")]
    RevocationMissing,
    /// On hold, with a reason that is another.
    #[error("the status says hold, but the reason is another than certificateHold")]
    HoldReason,
    /// A time.
    #[error("the time cannot be used: {0}; --times says how this file writes them")]
    Time(TimeError),
    /// A hash of another form.
    #[error("SHA-256 is written with 64 hexadecimal digits")]
    Sha256,
    /// Another line gives the same serial number another status, date or reason.
    #[error(
        "serial number {serial} is given again with another status, date, reason or hash on line \
         {other}"
    )]
    Contradiction {
        /// The serial number that both carry.
        serial: SerialNumber,
        /// The nearest line that differs.
        other: u64,
    },
}

/// How a row breaks the form of RFC 4180.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QuoteFault {
    /// A quotation mark in a field that does not begin with one.
    #[error("a quotation mark within a field that is not quoted")]
    Inside,
    /// Something between the closing quotation mark and the delimiter.
    #[error("text after the closing quotation mark")]
    After,
    /// The end of the file within quotes.
    #[error("the quotation mark is never closed: the file was cut short, or a mark is missing")]
    NeverClosed,
    /// A row that goes on over lines, past the limit.
    #[error(
        "the row is longer than {octets_max} octets: is a quotation mark not closed, or is this not \
         CSV?"
    )]
    TooLong {
        /// The limit.
        octets_max: usize,
    },
}

/// Why a file cannot be read as CSV at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CsvError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Nothing is in it.
    #[error("the file is empty")]
    Empty,
    /// The mapping and the file's columns do not fit.
    #[error(transparent)]
    Columns(#[from] ColumnError),
    /// Where rows begin and end cannot be told from here on.
    #[error("line {line}, column {column}: {fault}")]
    Structure {
        /// The line, counted from 1.
        line: u64,
        /// The octet in it, counted from 1.
        column: u64,
        /// What is wrong.
        fault: QuoteFault,
    },
    /// The header is not UTF-8 text.
    #[error(
        "the header line is not UTF-8{}: convert the file, for instance with iconv",
        if *.utf16 { " (it looks like UTF-16)" } else { "" }
    )]
    NotUtf8 {
        /// Whether it looks like UTF-16.
        utf16: bool,
    },
    /// The header was cut short.
    #[error("the file ends in its header line: it was cut short")]
    HeaderCutShort,
}
