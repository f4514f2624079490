//! What does not fit, in words that name it.

use crate::{
    identity::SerialNumber,
    ledger::{entry::EntryError, log::TreeHead},
};

/// Something in the ledger that is not as it was recorded.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// Entries are missing.
    #[error("{} missing", range(*.first, *.last, "is", "are"))]
    Missing {
        /// The sequence of the first.
        first: u64,
        /// That of the last.
        last: u64,
    },
    /// A row with an entry that the log does not have.
    #[error("entry {sequence} is in the ledger, and the log has none of that number")]
    Extra {
        /// Its sequence.
        sequence: u64,
    },
    /// An entry whose octets are not an entry's.
    #[error("entry {sequence} was altered: {source}")]
    Unreadable {
        /// Its sequence.
        sequence: u64,
        /// What is wrong with it.
        source: EntryError,
    },
    /// An entry in another one's place.
    #[error("entry {sequence} was replaced by entry {found}")]
    Misplaced {
        /// The sequence of the place.
        sequence: u64,
        /// The sequence in the entry there.
        found: u64,
    },
    /// One or more of some entries were altered: the log's hash over them is another.
    #[error("{} altered: the log's hash over them is another", among(*.first, *.last))]
    Altered {
        /// The sequence of the first of them.
        first: u64,
        /// That of the last.
        last: u64,
    },
    /// The log was written anew over altered entries: a signed checkpoint says another root.
    #[error(
        "{} altered and the log was made to fit: the signed checkpoint of {size} entries says another root",
        among(*.first, *.last)
    )]
    Rewritten {
        /// The sequence of the first entry that may be altered.
        first: u64,
        /// That of the last.
        last: u64,
        /// How many entries the checkpoint covers.
        size: u64,
    },
    /// Entries that a signed checkpoint covers are gone, and the log was made to fit.
    #[error("the log was cut off after {size} entries: a signed checkpoint covers {}", covers.size)]
    CutOff {
        /// How many entries there are.
        size: u64,
        /// What the checkpoint covers.
        covers: TreeHead,
    },
    /// A hash that the log keeps is not that over its entries, which are as they were.
    #[error("the log's hash {index} on level {level} of tiles was altered")]
    KeptHash {
        /// The level of tiles.
        level: u8,
        /// Its index there.
        index: u64,
    },
    /// The log's edge is not what follows from its entries.
    #[error("the log's edge was altered: it is not what follows from the entries")]
    Edge,
    /// The number of the last entry is not that of the log's last leaf.
    #[error(
        "the number of the last entry was altered: it is {found}, and the log ends with {expected}"
    )]
    LastSequence {
        /// What `meta` says.
        found: u64,
        /// What the log says.
        expected: u64,
    },
    /// Entries cannot be read from the disk.
    #[error("the entries from {first} on cannot be read: {message}")]
    Broken {
        /// The first that cannot.
        first: u64,
        /// As RocksDB says it.
        message: String,
    },
    /// An entry that does not name its certificate's entry before it.
    #[error("entry {sequence} names entry {found} as that before it, which is {expected}")]
    Link {
        /// Its sequence.
        sequence: u64,
        /// What it names.
        found: u64,
        /// What came before it, 0 for none.
        expected: u64,
    },
    /// An entry about an issuer that no entry before it defines.
    #[error("entry {sequence} is about issuer number {number}, which was never defined")]
    UndefinedIssuer {
        /// Its sequence.
        sequence: u64,
        /// The number.
        number: u32,
    },
    /// An entry that could not have been recorded after those before it.
    #[error("entry {sequence} says what the entries before it do not allow")]
    NotAllowed {
        /// Its sequence.
        sequence: u64,
    },
    /// The status of a certificate is not what follows from the entries.
    #[error("the status of serial number {serial} of {issuer:?} {fault}")]
    Status {
        /// The issuer's label, or its number where it has none.
        issuer: String,
        /// The certificate.
        serial: SerialNumber,
        /// What is wrong with its row.
        fault: RowFault,
    },
    /// A certificate among the revoked ones is not what follows from the entries.
    #[error("serial number {serial} of {issuer:?} among the revoked ones {fault}")]
    Revoked {
        /// The issuer's label, or its number where it has none.
        issuer: String,
        /// The certificate.
        serial: SerialNumber,
        /// What is wrong with its row.
        fault: RowFault,
    },
    /// Another row that follows from the entries does not.
    #[error("{what} {fault}")]
    Row {
        /// Which row.
        what: String,
        /// What is wrong with it.
        fault: RowFault,
    },
}

/// What is wrong with a row that follows from the entries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RowFault {
    /// It holds something else.
    Differs,
    /// There is none.
    Missing,
    /// No entry gives it.
    Extra,
}

impl std::fmt::Display for RowFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Differs => "was altered: the entries say otherwise",
            Self::Missing => "is missing",
            Self::Extra => "was added: no entry says it",
        })
    }
}

impl Finding {
    /// The sequences that it is about, the first and the last.
    #[must_use]
    pub const fn sequences(&self) -> Option<(u64, u64)> {
        match *self {
            Self::Missing { first, last }
            | Self::Altered { first, last }
            | Self::Rewritten { first, last, .. } => Some((first, last)),
            Self::Extra { sequence }
            | Self::Unreadable { sequence, .. }
            | Self::Misplaced { sequence, .. }
            | Self::Link { sequence, .. }
            | Self::UndefinedIssuer { sequence, .. }
            | Self::NotAllowed { sequence } => Some((sequence, sequence)),
            Self::Broken { first, .. } => Some((first, first)),
            _ => None,
        }
    }

    /// One word for programs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing",
            Self::Extra { .. } => "extra",
            Self::Unreadable { .. } | Self::Altered { .. } => "altered",
            Self::Misplaced { .. } => "misplaced",
            Self::Rewritten { .. } => "rewritten",
            Self::CutOff { .. } => "cut_off",
            Self::KeptHash { .. } => "kept_hash",
            Self::Edge => "edge",
            Self::LastSequence { .. } => "last_sequence",
            Self::Broken { .. } => "broken",
            Self::Link { .. } => "link",
            Self::UndefinedIssuer { .. } => "undefined_issuer",
            Self::NotAllowed { .. } => "not_allowed",
            Self::Status { .. } => "status",
            Self::Revoked { .. } => "revoked",
            Self::Row { .. } => "row",
        }
    }
}

fn range(first: u64, last: u64, one: &str, many: &str) -> String {
    match first == last {
        true => format!("entry {first} {one}"),
        false => format!("entries {first} to {last} {many}"),
    }
}

fn among(first: u64, last: u64) -> String {
    match first == last {
        true => format!("entry {first} was"),
        false => format!("one or more of the entries {first} to {last} were"),
    }
}

/// How many findings are told one by one.
pub const FINDINGS_MAX: usize = 1_000;

/// What was found, as far as it is told one by one.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    pub(super) told: Vec<Finding>,
    pub(super) more: u64,
}

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        if self.told.len() < FINDINGS_MAX {
            self.told.push(finding);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }
}
