//! Sources that are looked at again and again while the server runs.
//!
//! A [`LiveSource`] knows how to look at one source and what it saw there last; when it is looked at,
//! and what becomes of what it finds, is for others. It speaks through a [`FeedDesk`], which it is
//! given for one poll.
//!
//! What always holds:
//!
//! - Nothing that a source does, or fails to do, makes a status more lenient.
//! - A line or row that cannot be used is left out and told; it does not hold up the others, whose
//!   revocations must not wait for somebody else's mistake. A *file* that is torn, empty where there
//!   was much, or that lost much, is refused whole.
//! - What a source remembers only saves reading: lost, it reads everything again.

mod certificate_folder;
mod crl_folder;
mod crl_url;
mod csv;
mod error;
mod index;
mod known_lines;
mod rows;
mod stamp;
mod watched_file;

use std::io::BufRead;
use std::sync::Arc;
use std::time::Duration;

use crate::asn1::{Certificate, UnixTime};
use crate::config::FeedKind;
use crate::identity::IssuerId;

use super::{ImportReport, ImportRequest};

pub use certificate_folder::CertificateFolderSource;
pub use crl_folder::CrlFolderSource;
pub use crl_url::CrlUrlSource;
pub use csv::CsvSource;
pub use error::{FeedError, FeedErrorKind};
pub use index::IndexSource;
pub use rows::Rows;

/// One source of one issuer. Polled by one thread at a time, by whichever is free.
pub trait LiveSource: Send {
    /// Looks at the source and brings what is new into the ledger. The first poll reads everything,
    /// unless something was remembered.
    ///
    /// # Errors
    /// [`FeedError`]. What was applied before it stays; the next poll goes on from there.
    fn poll(&mut self, desk: &dyn FeedDesk, now: UnixTime) -> Result<Polled, FeedError>;

    /// The longest that a poll waits for the next one after failures. A look at a file costs nothing, so
    /// that files which are back should be seen soon.
    fn longest_backoff(&self) -> Duration {
        Duration::from_secs(15 * 60)
    }
}

/// What a poll saw.
#[derive(Clone, Debug)]
pub struct Polled {
    /// Whether there was anything to bring in.
    pub change: PolledChange,
    /// Whether there is more to read: the source is not as fresh yet as it will be then.
    pub is_partial: bool,
    /// When to look again, if not after the interval: earlier or later.
    pub next: Option<Duration>,
    /// How old what the source says can be at most: thisUpdate of a CRL, the time of the newest row.
    /// `None` where it does not say.
    pub evidence: Option<UnixTime>,
    /// What of the source cannot be used; `None` for as before.
    pub left_out: Option<LeftOut>,
    /// What the operator should know, once: logged when it is new.
    pub notes: Vec<String>,
}

/// What of a source, as it is now, cannot be used.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LeftOut {
    /// How many lines, rows, entries or files.
    pub count: u64,
    /// The first of them: where it is, and what is wrong with it.
    pub first: Option<String>,
}

impl Polled {
    /// Nothing new.
    #[must_use]
    pub const fn unchanged() -> Self {
        Self::new(PolledChange::Unchanged)
    }

    /// Something was brought in.
    #[must_use]
    pub fn imported(report: ImportReport) -> Self {
        let left_out = LeftOut {
            count: report.bad.saturating_add(report.refused),
            first: report.errors.first().map(ToString::to_string),
        };
        Self {
            left_out: Some(left_out),
            ..Self::new(PolledChange::Imported(Box::new(report)))
        }
    }

    const fn new(change: PolledChange) -> Self {
        Self {
            change,
            is_partial: false,
            next: None,
            evidence: None,
            left_out: None,
            notes: Vec::new(),
        }
    }
}

/// Whether a poll brought anything in.
#[derive(Clone, Debug)]
pub enum PolledChange {
    /// The source is as it was.
    Unchanged,
    /// What became of what it says.
    Imported(Box<ImportReport>),
}

/// What a source may ask of the authority: the desk of one feed, for one poll.
pub trait FeedDesk {
    /// Imports a source of a known form, leaving out what is bad. `place` says where it was read: a path, a
    /// URL.
    ///
    /// # Errors
    /// [`FeedError`] when it is refused whole or the ledger fails.
    fn import(
        &self,
        place: &str,
        request: ImportRequest,
        input: &mut dyn BufRead,
    ) -> Result<ImportReport, FeedError>;

    /// Judges and applies rows, leaving out what is bad.
    ///
    /// # Errors
    /// [`FeedError`] when the ledger fails.
    fn take(&self, place: &str, rows: &Rows) -> Result<ImportReport, FeedError>;

    /// What the feed remembered last; `None` where there is nothing, or where the ledger is not the one
    /// that it was true of (it was restored from a backup): then everything is to be read again.
    ///
    /// # Errors
    /// [`FeedError`] when the ledger cannot be read. A file that is damaged is `None`.
    fn remembered(&self) -> Result<Option<String>, FeedError>;

    /// Keeps a text (a cursor, an `ETag`) for the next start, durably and as a whole, together with the
    /// ledger's state. To be called when everything that it stands for is in the ledger.
    ///
    /// # Errors
    /// [`FeedError`] when the disk refuses; what was remembered before is still there.
    fn remember(&self, text: &str) -> Result<(), FeedError>;

    /// Whether an operator said that what looks wrong with the source as a whole (most of it is gone) is
    /// right: holds for this poll.
    fn is_accepted(&self) -> bool;

    /// Whether the server is stopping. A poll that waits, or reads much, looks now and then and ends with
    /// [`FeedErrorKind::Stopped`].
    fn is_stopping(&self) -> bool;
}

/// Which feed it is, for tables and messages.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FeedKey {
    /// The issuer's configured name.
    pub issuer: String,
    /// The feed's name.
    pub feed: String,
}

impl std::fmt::Display for FeedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { issuer, feed } = self;
        write!(f, "feed {feed:?} of issuer {issuer:?}")
    }
}

/// Whose source it is.
#[derive(Clone, Debug)]
pub struct FeedIssuer {
    /// Its configured name.
    pub name: String,
    /// Name and key.
    pub id: IssuerId,
    /// Its certificate.
    pub certificate: Arc<Certificate>,
    /// Other certificates of its name that may sign its CRLs.
    pub crl_signers: Vec<Arc<Certificate>>,
}

/// The name of a kind of feed as a source in the ledger's entries: that of what it reads, however it
/// came.
#[must_use]
pub const fn source_name(kind: FeedKind) -> &'static str {
    match kind {
        FeedKind::Index => "index",
        FeedKind::Csv => "csv",
        FeedKind::CrlFolder | FeedKind::CrlUrl => super::crl::SOURCE,
        FeedKind::CertificateFolder => "certificates",
        FeedKind::Sql => "sql",
        FeedKind::Push => "push",
    }
}
