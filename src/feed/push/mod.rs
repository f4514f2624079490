//! Batches that the system of a CA pushes: JSON entries, each about one certificate.
//!
//! A batch is an array of entries, an object `{"entries": […]}`, or one entry a line (NDJSON):
//!
//! ```json
//! {"issuer": "NAME", "serial": "0F80", "status": "revoked", "revocation_time": "2026-03-21T08:30:00Z",
//!  "reason": "keyCompromise", "invalidity_date": "…", "not_before": "…", "not_after": "…",
//!  "certificate_sha256": "HEX", "certificate": "base64 of the DER, or PEM"}
//! ```
//!
//! What has not this form is no batch, and nothing of it is taken: whoever writes it has to be mended. A
//! value that cannot be used concerns its own entry alone ([`Pushed::Refused`]): other revocations do not
//! wait for somebody's typo. An issuer that the sender may not speak for ends the reading.
//!
//! A certificate brings its serial number, dates and hash along, once its issuer's signature on it is
//! verified; what else the entry says of them must agree.

mod entry;
mod form;
mod value;

#[cfg(test)]
mod tests;

use crate::{
    asn1::{Certificate, UnixTime},
    change::Change,
    identity::IssuerId,
};

pub use form::Form;

/// The most entries in one batch, which is what the ledger writes at once.
pub const ENTRIES_MAX: usize = 65_536;

/// What a batch is read with.
#[derive(Clone, Debug)]
pub struct Reading<'a> {
    /// The issuers that the sender may speak for.
    pub issuers: &'a [PushIssuer<'a>],
    /// When the batch came: the revocation time of an entry that states none.
    pub now: UnixTime,
}

/// An issuer that a sender may speak for.
#[derive(Clone, Debug)]
pub struct PushIssuer<'a> {
    /// Its configured name.
    pub name: &'a str,
    /// Its name and key.
    pub id: IssuerId,
    /// Its certificate.
    pub certificate: &'a Certificate,
}

impl Reading<'_> {
    /// Reads a batch.
    ///
    /// # Errors
    /// [`BatchError`]: there is nothing of it to be taken.
    pub fn read(&self, body: &[u8], form: Form) -> Result<Vec<Pushed>, BatchError> {
        form::read(body, form, self)
    }
}

/// What became of reading one entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Pushed {
    /// It says this.
    Change {
        /// What it says.
        change: Change,
        /// Whether it is a revocation without a time of its own, so that [`Reading::now`] stands there.
        time_is_ours: bool,
    },
    /// It cannot be used.
    Refused(EntryRefusal),
}

/// Why an entry cannot be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EntryRefusal {
    /// For programs; never changes its meaning.
    pub code: &'static str,
    /// For people: one line.
    pub detail: String,
}

/// Why a batch is not taken at all.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// It has not the form of a batch.
    #[error("{place}: {what}")]
    Malformed {
        /// Where in the body.
        place: TextPlace,
        /// What is wrong.
        what: String,
    },
    /// More entries than a batch may have.
    #[error("the batch has more than {ENTRIES_MAX} entries: send it in parts")]
    TooManyEntries,
    /// It speaks for an issuer that its sender may not speak for.
    #[error(
        "entry {entry} speaks for the issuer {issuer}, which this client's credential does not cover; \
         nothing of the batch was looked at"
    )]
    NotAllowed {
        /// Which entry, counted from 1.
        entry: usize,
        /// The issuer as named there, safe to show.
        issuer: String,
    },
}

/// A place in a body, counted from 1; the column in octets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TextPlace {
    /// The line.
    pub line: usize,
    /// The octet in the line.
    pub column: usize,
}

impl std::fmt::Display for TextPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}
