//! What is left of what came after a backup: our own answers and CRLs, what was noted of them, and the ledger
//! that is set aside.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::BackupError;
use super::published::Published;
use crate::asn1::{Certificate, UnixTime};
use crate::catalog::shown::{self, Found, Shown};
use crate::catalog::{Survey, survey};
use crate::identity::{IssuerId, SerialNumber};
use crate::ledger::{LedgerFacts, LedgerSnapshot};

/// All of it.
pub(super) struct Traces {
    pub(super) survey: Survey,
    /// The newest that was noted of each certificate, or of an issuer as a whole.
    pub(super) shown: HashMap<(IssuerId, Option<SerialNumber>), Shown>,
    pub(super) aside: Option<Aside>,
    /// What was published as CRLs.
    pub(super) published: Published,
    /// What could not be read, each with the reason.
    pub(super) unread: Vec<String>,
}

/// The ledger that is to be set aside.
pub(super) struct Aside {
    pub(super) snapshot: LedgerSnapshot,
    pub(super) facts: LedgerFacts,
}

/// Billions, so that people see at the first digits which epoch a number is of, and that none is near one
/// that was given out and left no trace.
const EPOCH_NUMBERS: u64 = 1_000_000_000;

impl Traces {
    /// Reads what is in the catalog's folder, and the ledger beside it if it can be read. CRLs are believed
    /// that one of `issuers` signed.
    pub(super) fn read(
        catalog: &Path,
        ledger: &Path,
        issuers: &[Arc<Certificate>],
    ) -> Result<Self, BackupError> {
        let mut survey = survey(catalog)?;
        let mut unread = std::mem::take(&mut survey.unreadable);
        let mut shown: HashMap<_, Shown> = HashMap::new();
        match shown::read(catalog)? {
            Found::Nothing => {}
            Found::Unreadable => unread.push("the file revocations.shown is damaged".to_owned()),
            Found::Records(mut rows) => {
                for row in rows.by_ref().flatten() {
                    let newest = shown.entry((row.issuer, row.serial)).or_insert(row);
                    if newest.sequence < row.sequence {
                        *newest = row;
                    }
                }
                if rows.damaged() > 0 {
                    let damaged = rows.damaged();
                    unread.push(format!("{damaged} records of revocations.shown"));
                }
            }
        }
        let published = Published::read(catalog, issuers, &mut unread);
        let aside = match ledger.join("CURRENT").exists() {
            false => None,
            true => match Aside::read(ledger) {
                Ok(aside) => Some(aside),
                Err(error) => {
                    let cause = std::error::Error::source(&error);
                    let cause = cause.map_or_else(String::new, |cause| format!(" ({cause})"));
                    unread.push(format!("the ledger that is set aside: {error}{cause}"));
                    None
                }
            },
        };
        Ok(Self {
            survey,
            shown,
            aside,
            published,
            unread,
        })
    }

    /// The number that none may be given up to, and what it follows from.
    pub(super) fn floor(&self, backup: u64, remembered: Option<u64>) -> (u64, u64, String) {
        let mut found = vec![(backup, "the backup's last entry".to_owned())];
        found.extend(self.survey.highest.clone());
        found.extend(remembered.map(|number| (number, "the catalog's ledger.lineage".to_owned())));
        let shown = self.shown.values().map(|shown| shown.sequence).max();
        found.extend(shown.map(|number| (number, "the catalog's revocations.shown".to_owned())));
        let published = self.published.highest;
        found.extend(published.map(|number| (number, "our published CRLs".to_owned())));
        found.extend(self.aside.as_ref().map(|aside| {
            let number = aside.facts.last_sequence;
            (
                number,
                "the last entry of the ledger that is set aside".to_owned(),
            )
        }));
        let (highest, of) = found
            .into_iter()
            .max_by_key(|(number, _)| *number)
            .unwrap_or_default();
        let above = highest
            .div_ceil(EPOCH_NUMBERS)
            .saturating_add(1)
            .saturating_mul(EPOCH_NUMBERS);
        let why = format!(
            "the highest number found is {highest}, of {of}; rounded up, so that no number that left \
             no trace is given twice"
        );
        (highest, above, why)
    }

    /// The newest time that something was signed with, as far as is known.
    pub(super) fn newest_time(&self) -> UnixTime {
        let noted = self.shown.values();
        let noted = noted.filter_map(|shown| UnixTime::from_secs(shown.recorded_ms / 1_000));
        let aside = self.aside.as_ref();
        noted
            .chain(self.survey.newest)
            .chain(self.published.newest())
            .chain(aside.map(|aside| aside.facts.signing_high_water))
            .max()
            .unwrap_or(UnixTime::EPOCH)
    }
}

impl Aside {
    fn read(ledger: &Path) -> Result<Self, crate::ledger::LedgerError> {
        let snapshot = LedgerSnapshot::of_copy(ledger)?;
        let facts = snapshot.facts()?;
        Ok(Self { snapshot, facts })
    }
}
