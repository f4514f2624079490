//! `index.txt`, the database of `openssl ca`: a line for each certificate it issued.
//!
//! ```text
//! status TAB expiry TAB revocation TAB serial TAB file name TAB subject LF
//!
//! V   301231235959Z                               1F   unknown   /CN=a
//! R   301231235959Z   260105120000Z,superseded    20   unknown   /CN=b
//! E   241231235959Z                               21   unknown   /CN=c
//! ```
//!
//! | field | holds |
//! | --- | --- |
//! | status | V valid, R revoked, E expired and never revoked |
//! | expiry | notAfter, `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` |
//! | revocation | empty, or `date`, `date,reason`, `date,holdInstruction,OID`, `date,keyTime,time`, `date,CAkeyTime,time` |
//! | serial | hexadecimal, whole octets |
//! | file name, subject | not used |
//!
//! The reader is at least as strict as OpenSSL's own (`apps/ca.c`, `crypto/txt_db`): what `openssl ca`
//! refuses to load is refused here, line by line, but for two reasons of RFC 5280 that its table
//! lacks. A last line without a line feed, which OpenSSL passes over in silence, is reported: the file
//! was cut short. Lines that begin with `#` are passed over by both.
//!
//! The same serial number twice in the same words is one certificate; in different words, all of its
//! lines are bad, since nothing says which of them is true.
//!
//! It writes nothing and knows no clock: whether a change fits what is known already is for the
//! ledger to judge, through [`import()`](super::import()).

mod entry;
mod line;
mod revocation;

use std::io::{self, BufRead};

use entry::Entry;
use line::Facts;

pub use line::IndexCause;
pub use revocation::RevocationError;

use crate::identity::IssuerId;

use super::{
    import::{Findings, Record},
    lines::{Line, Lines},
    problems::{BadPart, Problems},
    repetition::{Said as _, settle},
};

/// The longest line that is read, in octets without the line feed. All but the subject needs about
/// 120; the longest subjects that CAs issue are a few thousand.
pub const LINE_OCTETS_MAX: usize = 64 << 10;

/// What an `index.txt` says: 56 octets of memory a certificate.
#[derive(Debug)]
pub struct Index {
    issuer: IssuerId,
    /// In the order of the ledger, each serial number once.
    entries: Vec<Entry>,
    line_count: u64,
    repeated: u64,
    problems: Problems<IndexCause>,
}

impl Index {
    /// Reads the whole index of the CA `issuer`. A bad line does not end it; all are in
    /// [`Findings::problems`].
    ///
    /// # Errors
    /// What reading `reader` gives. A file of more than 2³² lines is `FileTooLarge`.
    pub fn read(reader: impl BufRead, issuer: IssuerId) -> io::Result<Self> {
        let mut index = Self {
            issuer,
            entries: Vec::new(),
            line_count: 0,
            repeated: 0,
            problems: Problems::new(),
        };
        let mut lines = Lines::new(reader, LINE_OCTETS_MAX);
        while let Some((number, line)) = lines.next_line()? {
            let number = u32::try_from(number).map_err(|_| io::ErrorKind::FileTooLarge)?;
            index.read_line(number, line);
        }
        let problems = &mut index.problems;
        index.repeated = settle(
            &mut index.entries,
            |_| issuer,
            |entry, other| {
                problems.push(entry.line(), || {
                    let cause = IndexCause::Contradiction {
                        serial: entry.serial(),
                        other: other.line(),
                    };
                    (None, cause)
                });
            },
        );
        Ok(index)
    }

    fn read_line(&mut self, number: u32, line: Line<'_>) {
        let (octets, whole_line_cause) = match line {
            // OpenSSL passes over a comment before it looks for the line's end.
            Line::Whole([b'#', ..]) | Line::Unterminated([b'#', ..]) => return,
            Line::Whole(octets) => (octets, None),
            Line::Unterminated(octets) => (octets, Some(IndexCause::CutShort)),
            Line::TooLong(octets) => (
                octets,
                Some(IndexCause::LineTooLong {
                    octets_max: LINE_OCTETS_MAX,
                }),
            ),
        };
        self.line_count = self.line_count.saturating_add(1);
        if let Some(cause) = whole_line_cause {
            self.problems
                .push(u64::from(number), || (Some(BadPart::new(0, octets)), cause));
            return;
        }
        match Facts::from_line(octets) {
            Ok(facts) => self.entries.push(Entry::new(number, &facts)),
            Err(bad) => self.problems.push(u64::from(number), || {
                let (offset, len) = bad.part.unwrap_or((0, octets.len()));
                let part = octets.get(offset..offset.saturating_add(len));
                (
                    Some(BadPart::new(offset, part.unwrap_or_default())),
                    bad.cause,
                )
            }),
        }
    }
}

impl Findings for Index {
    type Cause = IndexCause;

    /// All lines but comments.
    fn line_count(&self) -> u64 {
        self.line_count
    }

    fn repeated(&self) -> u64 {
        self.repeated
    }

    fn problems(&self) -> &Problems<IndexCause> {
        &self.problems
    }

    /// In the order of the ledger. V and E lines are issued, R lines issued and then revoked.
    fn records(&self) -> impl Iterator<Item = Record> + '_ {
        self.entries.iter().map(|entry| entry.record(self.issuer))
    }
}

#[cfg(test)]
mod tests;
