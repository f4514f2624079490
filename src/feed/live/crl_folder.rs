//! A folder that CRLs are dropped into.
//!
//! Every file in it that is a CRL of the issuer is taken, the oldest first; names that begin with a dot
//! are left out, and so are folders. A file is read again only when its stamp changes. What is not of this
//! issuer, or cannot be used, is told once. How the feed is, follows from the newest CRL: it was taken,
//! or is known, and has not ended.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::asn1::UnixTime;
use crate::config::feed::CrlFolderFeed;
use crate::crl::{CrlReader, Limits};
use crate::feed::{ImportReport, ImportRequest};

use super::stamp::{Stamp, UNSETTLED_SECS};
use super::watched_file::{BACKOFF_MAX, open};
use super::{FeedDesk, FeedError, FeedErrorKind, FeedIssuer, FeedKey, LiveSource, Polled};

/// A watched folder of CRLs. Some 200 octets of memory a file.
#[derive(Debug)]
pub struct CrlFolderSource {
    key: FeedKey,
    path: PathBuf,
    issuer: FeedIssuer,
    files: BTreeMap<OsString, Known>,
    /// The newest that was taken, or was known to the ledger.
    newest: Option<Newest>,
    asked_memory: bool,
}

/// A file as it was read last.
#[derive(Clone, Debug)]
struct Known {
    stamp: Stamp,
    /// thisUpdate, for a CRL of this issuer.
    this_update: Option<UnixTime>,
    /// Why it was not taken, and since when; it may be looked at again.
    refused: Option<(FeedError, UnixTime)>,
}

/// What is remembered. A CRL may be taken away once it was read.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct Newest {
    /// Seconds since 1970.
    this_update: u64,
    next_update: Option<u64>,
}

/// A file that is to be read.
struct Candidate {
    name: OsString,
    stamp: Stamp,
    this_update: UnixTime,
    next_update: Option<UnixTime>,
}

impl CrlFolderSource {
    /// The folder of this feed. It is not looked at yet.
    #[must_use]
    pub fn new(key: FeedKey, issuer: &FeedIssuer, settings: &CrlFolderFeed) -> Self {
        Self {
            key,
            path: settings.path.clone(),
            issuer: issuer.clone(),
            files: BTreeMap::new(),
            newest: None,
            asked_memory: false,
        }
    }

    fn ask_memory(&mut self, desk: &dyn FeedDesk) -> Result<(), FeedError> {
        if !self.asked_memory {
            let memory = desk.remembered()?;
            self.newest = memory.and_then(|text| serde_json::from_str(&text).ok());
            self.asked_memory = true;
        }
        Ok(())
    }

    /// The files that are there now.
    fn list(&self) -> Result<BTreeMap<OsString, Stamp>, FeedError> {
        let failed = |error| FeedError::of_path(&self.path, &error);
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            // Through a link; one that leads nowhere, or a file that has just gone, is not there.
            let Ok(metadata) = fs::metadata(entry.path()) else {
                continue;
            };
            if metadata.is_file() {
                found.insert(name, Stamp::of(&metadata));
            }
            if found.len() > FILES_MAX {
                return Err(FeedError::new(
                    FeedErrorKind::Malformed,
                    format!(
                        "{} has more than {FILES_MAX} files: is it the folder that was meant? Move old \
                         CRLs away",
                        self.path.display()
                    ),
                ));
            }
        }
        Ok(found)
    }

    /// Whether a file has to be read.
    fn is_due(&self, name: &OsString, stamp: &Stamp, desk: &dyn FeedDesk, now: UnixTime) -> bool {
        let Some(known) = self.files.get(name) else {
            return true;
        };
        if known.stamp != *stamp {
            return true;
        }
        let Some((error, since)) = &known.refused else {
            return false;
        };
        let ago = now.since(*since).as_secs();
        match error.kind {
            FeedErrorKind::Quarantined => desk.is_accepted(),
            FeedErrorKind::Older => false,
            // It may have been written to with the same stamp; or our clock has come up to its thisUpdate.
            _ => ago < UNSETTLED_SECS || (known.this_update.is_some() && ago >= RETRY_SECS),
        }
    }

    /// Reads the heads of the files that have changed. Those of this issuer come back, oldest first; of the
    /// others it is noted that they were seen.
    fn candidates(
        &mut self,
        found: &BTreeMap<OsString, Stamp>,
        desk: &dyn FeedDesk,
        now: UnixTime,
        notes: &mut Vec<String>,
    ) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for (name, stamp) in found {
            if !self.is_due(name, stamp, desk, now) {
                continue;
            }
            let path = self.path.join(name);
            match self.head(&path) {
                Ok((this_update, next_update)) => candidates.push(Candidate {
                    name: name.clone(),
                    stamp: *stamp,
                    this_update,
                    next_update,
                }),
                Err(error) => {
                    let since = match self.files.get(name) {
                        Some(known) if known.stamp == *stamp => {
                            known.refused.as_ref().map_or(now, |(_, since)| *since)
                        }
                        _ => {
                            notes.push(error.message.clone());
                            now
                        }
                    };
                    let known = Known {
                        stamp: *stamp,
                        this_update: None,
                        refused: Some((error, since)),
                    };
                    self.files.insert(name.clone(), known);
                }
            }
        }
        candidates.sort_by(|a, b| (a.this_update, &a.name).cmp(&(b.this_update, &b.name)));
        candidates
    }

    /// thisUpdate and nextUpdate of a CRL of this issuer.
    fn head(&self, path: &Path) -> Result<(UnixTime, Option<UnixTime>), FeedError> {
        let shown = path.display();
        let file = open(path).map_err(|error| FeedError::of_path(path, &error))?;
        let reader = CrlReader::open(BufReader::new(file), LIMITS).map_err(|error| {
            let message = format!("{shown} is not taken: it is no CRL that can be read: {error}");
            FeedError::new(FeedErrorKind::Malformed, message)
        })?;
        let head = reader.head();
        if head.issuer_der != self.issuer.certificate.subject_der() {
            let found = crate::signer::Name::new(&head.issuer_der);
            let message = format!("{shown} is not taken: it is a CRL of {found}");
            return Err(FeedError::new(FeedErrorKind::Rejected, message));
        }
        Ok((head.this_update, head.next_update))
    }

    fn take(&self, candidate: &Candidate, desk: &dyn FeedDesk) -> Result<ImportReport, FeedError> {
        let path = self.path.join(&candidate.name);
        let file = open(&path).map_err(|error| FeedError::of_path(&path, &error))?;
        let request = ImportRequest::Crl {
            accept_shrink: desk.is_accepted(),
            scope: None,
        };
        let place = path.display().to_string();
        // One that is torn has no signature: what is taken is whole.
        desk.import(
            &place,
            request,
            &mut BufReader::with_capacity(READ_OCTETS, &file),
        )
        .map_err(|error| self.with_advice(error))
    }

    fn with_advice(&self, mut error: FeedError) -> FeedError {
        if error.kind == FeedErrorKind::Quarantined {
            let FeedKey { issuer, feed } = &self.key;
            let advice = format!("; if it is right, say `estelam feed accept {issuer:?} {feed}`");
            error.message.push_str(&advice);
        }
        error
    }

    /// Notes that this is the newest CRL, if it is.
    fn note_newest(&mut self, candidate: &Candidate, desk: &dyn FeedDesk) -> Result<(), FeedError> {
        let newest = Newest {
            this_update: candidate.this_update.as_secs(),
            next_update: candidate.next_update.map(UnixTime::as_secs),
        };
        if self
            .newest
            .is_some_and(|known| known.this_update >= newest.this_update)
        {
            return Ok(());
        }
        desk.remember(&serde_json::to_string(&newest).unwrap_or_default())?;
        self.newest = Some(newest);
        Ok(())
    }

    /// What is wrong with the source as it is now.
    fn fault(&self, now: UnixTime) -> Option<FeedError> {
        // The newest file of this issuer speaks for the folder.
        let of_issuer = self
            .files
            .values()
            .filter(|known| known.this_update.is_some());
        let newest = of_issuer.max_by_key(|known| known.this_update);
        if let Some((error, _)) = newest.and_then(|known| known.refused.as_ref())
            && error.kind != FeedErrorKind::Older
        {
            return Some(error.clone());
        }
        let path = self.path.display();
        let Some(newest) = self.newest else {
            let message = format!("{path} has no CRL of this issuer");
            return Some(FeedError::new(FeedErrorKind::Unreachable, message));
        };
        let ended = newest.next_update.and_then(UnixTime::from_secs);
        let ended = ended.filter(|next_update| *next_update <= now)?;
        let message = format!(
            "the newest CRL in {path} ended at {ended}, and no newer one came: whoever makes them, or \
             brings them here, has stopped"
        );
        Some(FeedError::new(FeedErrorKind::Ended, message))
    }
}

impl LiveSource for CrlFolderSource {
    fn poll(&mut self, desk: &dyn FeedDesk, now: UnixTime) -> Result<Polled, FeedError> {
        self.ask_memory(desk)?;
        let found = self.list()?;
        self.files.retain(|name, _| found.contains_key(name));
        let mut polled = Polled::unchanged();
        let mut total: Option<ImportReport> = None;
        for candidate in self.candidates(&found, desk, now, &mut polled.notes) {
            if desk.is_stopping() {
                return Err(FeedError::stopped());
            }
            let taken = self.take(&candidate, desk);
            let refused = match taken {
                Ok(report) => {
                    add(&mut total, report);
                    self.note_newest(&candidate, desk)?;
                    None
                }
                // The ledger has a newer one, so it has all that this says.
                Err(error) if error.kind == FeedErrorKind::Older => {
                    self.note_newest(&candidate, desk)?;
                    Some((error, now))
                }
                Err(error)
                    if matches!(error.kind, FeedErrorKind::Ledger | FeedErrorKind::Stopped) =>
                {
                    return Err(error);
                }
                Err(error) => {
                    polled.notes.push(error.message.clone());
                    Some((error, now))
                }
            };
            let known = Known {
                stamp: candidate.stamp,
                this_update: Some(candidate.this_update),
                refused,
            };
            self.files.insert(candidate.name, known);
        }
        if let Some(error) = self.fault(now) {
            return Err(error);
        }
        if let Some(report) = total {
            polled = Polled {
                notes: polled.notes,
                ..Polled::imported(report)
            };
        }
        polled.evidence = (self.newest).and_then(|newest| UnixTime::from_secs(newest.this_update));
        Ok(polled)
    }

    fn longest_backoff(&self) -> Duration {
        BACKOFF_MAX
    }
}

/// Several CRLs as one report: what the newest says of the whole, and the sums of what they did.
fn add(total: &mut Option<ImportReport>, report: ImportReport) {
    let Some(before) = total.take() else {
        *total = Some(report);
        return;
    };
    *total = Some(ImportReport {
        applied: report.applied.saturating_add(before.applied),
        released: report.released.saturating_add(before.released),
        ..report
    });
}

/// Names in the folder, beyond which nobody means it.
const FILES_MAX: usize = 10_000;
/// How soon a CRL of this issuer that was refused is tried again: our clock may have been behind.
const RETRY_SECS: u64 = 60;
const READ_OCTETS: usize = 256 << 10;
const LIMITS: Limits = Limits {
    octets_max: 1 << 30,
    entries_max: 20_000_000,
};
