//! Reads the whole ledger again: do the entries hash to what the log says and what was signed, and does
//! everything else follow from them?
//!
//! The log is read once, in order. What is known of certificates is then derived anew from their
//! entries and compared with `status`, `revoked` and the counts, a part of the certificates at a time:
//! memory stays bounded ([`rows`]), and the entries are read once more for each part. Last comes what is
//! kept beside the log, as far as the entries bound it ([`beside`]).

mod beside;
mod finding;
mod log;
mod rows;

use std::ops::ControlFlow;

use super::{error::LedgerError, log::TreeHead, snapshot::LedgerSnapshot};

pub use finding::{FINDINGS_MAX, Finding, RowFault};

use finding::Findings;

/// What is verified, and by what.
#[derive(Clone, Copy, Debug, Default)]
pub struct VerifyOptions<'a> {
    /// Heads that somebody signed, in the order of their sizes.
    pub heads: &'a [TreeHead],
    /// A head that is trusted, to begin from: the entries before it are not read again, and of the
    /// certificates only those are looked at that have later ones.
    pub from: Option<TreeHead>,
    /// Only the log: not whether everything else follows from it.
    pub log_only: bool,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum VerifyStep {
    /// Entries are being hashed.
    Entries {
        /// How many were.
        done: u64,
        /// How many there are.
        of: u64,
    },
    /// What follows from them is being compared.
    Rows {
        /// How many entries were read for it.
        done: u64,
        /// How many will be, each once for every part of the certificates.
        of: u64,
    },
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What does not fit; nothing where all does.
    pub findings: Vec<Finding>,
    /// How many findings there are beside those.
    pub more_findings: u64,
    /// The head of the log.
    pub head: TreeHead,
    /// How many entries were hashed.
    pub entries: u64,
    /// How many entries are covered by a signed head that they hash to.
    pub covered: u64,
    /// How many certificates were derived anew.
    pub certificates: u64,
}

impl LedgerSnapshot {
    /// Verifies the ledger. `progress` is told now and then, and may stop it.
    ///
    /// # Errors
    /// [`LedgerError`] when reading fails; `None` when it was stopped.
    pub fn verify(
        &self,
        options: &VerifyOptions<'_>,
        progress: &mut dyn FnMut(VerifyStep) -> ControlFlow<()>,
    ) -> Result<Option<Verified>, LedgerError> {
        let mut progress = Progress {
            tell: progress,
            is_stopped: false,
        };
        let verified = self.verify_with(options, &mut progress);
        match progress.is_stopped {
            true => Ok(None),
            false => verified.map(Some),
        }
    }

    fn verify_with(
        &self,
        options: &VerifyOptions<'_>,
        progress: &mut Progress<'_>,
    ) -> Result<Verified, LedgerError> {
        let mut findings = Findings::default();
        let from = options.from.as_ref();
        let read = log::check(self, from, options.heads, &mut findings, progress)?;
        let certificates = match options.log_only {
            true => 0,
            false => rows::check(self, from, &mut findings, progress)?,
        };
        if !options.log_only {
            beside::check(self, &mut findings, progress)?;
        }
        Ok(Verified {
            findings: findings.told,
            more_findings: findings.more,
            head: self.tree_head()?,
            entries: read.entries,
            covered: read.covered,
            certificates,
        })
    }
}

/// Who is told how far it is.
struct Progress<'a> {
    tell: &'a mut dyn FnMut(VerifyStep) -> ControlFlow<()>,
    is_stopped: bool,
}

impl Progress<'_> {
    /// An error when it is to stop: of a kind that ends the reading, and is not passed on.
    fn tell(&mut self, step: VerifyStep) -> Result<(), LedgerError> {
        if (self.tell)(step).is_break() {
            self.is_stopped = true;
            return Err(LedgerError::Reopening {
                path: std::path::PathBuf::new(),
            });
        }
        Ok(())
    }
}
