//! A folder that CRLs are dropped into.
//!
//! Every file in it that is a CRL of the issuer is taken, the oldest first; names that begin with a dot
//! are left out, and so are folders. A file is read again only when its stamp changes. What is not of this
//! issuer, or cannot be used, is told once. How the feed is, follows from the newest CRL of each scope that
//! was ever taken from here: it was taken, or is known, and has not ended. A shard that stops coming is
//! seen, whatever the others do.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::asn1::UnixTime;
use crate::change::CrlScope;
use crate::config::feed::CrlFolderFeed;
use crate::crl::{CrlReader, Limits, Tap};
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
    /// Of each scope the newest that was taken, or was known to the ledger.
    newest: BTreeMap<String, Newest>,
    asked_memory: bool,
}

/// A file as it was read last.
#[derive(Clone, Debug)]
struct Known {
    stamp: Stamp,
    /// For a CRL of this issuer.
    head: Option<Head>,
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

/// What a CRL of this issuer says of itself.
#[derive(Clone, Debug)]
struct Head {
    this_update: UnixTime,
    next_update: Option<UnixTime>,
    /// What it lists, as [`CrlScope`] is told; `None` where it cannot be read that far.
    scope: Option<String>,
}

/// A file that is to be read.
struct Candidate {
    name: OsString,
    stamp: Stamp,
    head: Head,
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
            newest: BTreeMap::new(),
            asked_memory: false,
        }
    }

    fn ask_memory(&mut self, desk: &dyn FeedDesk) -> Result<(), FeedError> {
        if !self.asked_memory {
            let memory = desk.remembered()?;
            let newest = memory.and_then(|text| serde_json::from_str(&text).ok());
            self.newest = newest.unwrap_or_default();
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
            _ => ago < UNSETTLED_SECS || (known.head.is_some() && ago >= RETRY_SECS),
        }
    }

    /// Reads what the files that have changed say of themselves. Those of this issuer come back, oldest first; of the
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
                Ok(head) => candidates.push(Candidate {
                    name: name.clone(),
                    stamp: *stamp,
                    head,
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
                        head: None,
                        refused: Some((error, since)),
                    };
                    self.files.insert(name.clone(), known);
                }
            }
        }
        let order = |candidate: &Candidate| (candidate.head.this_update, candidate.name.clone());
        candidates.sort_by_cached_key(order);
        candidates
    }

    /// What a CRL of this issuer says of itself. Its scope stands behind the entries, so all of it is
    /// passed over, at a twentieth of what taking it costs.
    fn head(&self, path: &Path) -> Result<Head, FeedError> {
        let shown = path.display();
        let file = open(path).map_err(|error| FeedError::of_path(path, &error))?;
        let file = BufReader::with_capacity(READ_OCTETS, file);
        let reader = CrlReader::open(file, LIMITS).map_err(|error| {
            let message = format!("{shown} is not taken: it is no CRL that can be read: {error}");
            FeedError::new(FeedErrorKind::Malformed, message)
        })?;
        let head = reader.head();
        if head.issuer_der != self.issuer.certificate.subject_der() {
            let found = crate::signer::Name::new(&head.issuer_der);
            let message = format!("{shown} is not taken: it is a CRL of {found}");
            return Err(FeedError::new(FeedErrorKind::Rejected, message));
        }
        Ok(Head {
            this_update: head.this_update,
            next_update: head.next_update,
            scope: scope_of(reader),
        })
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

    /// The newest of a scope that was taken from here.
    fn newest_of(&self, head: &Head) -> Option<&Newest> {
        self.newest.get(head.scope.as_ref()?)
    }

    /// Whether a CRL of its scope with a later thisUpdate was taken from here.
    fn is_overtaken(&self, head: &Head) -> bool {
        self.newest_of(head)
            .is_some_and(|newest| head.this_update.as_secs() < newest.this_update)
    }

    /// Notes that this is the newest CRL of its scope, if it is.
    fn note_newest(&mut self, head: &Head, desk: &dyn FeedDesk) -> Result<(), FeedError> {
        let newest = Newest {
            this_update: head.this_update.as_secs(),
            next_update: head.next_update.map(UnixTime::as_secs),
        };
        let known = self.newest_of(head);
        if known.is_some_and(|known| known.this_update >= newest.this_update) {
            return Ok(());
        }
        // What was taken was read to its end.
        let Some(scope) = head.scope.clone() else {
            return Ok(());
        };
        let before = self.newest.insert(scope.clone(), newest);
        let remembered = self.remember(desk);
        if remembered.is_err() {
            match before {
                Some(before) => drop(self.newest.insert(scope, before)),
                None => drop(self.newest.remove(&scope)),
            }
        }
        remembered
    }

    fn remember(&self, desk: &dyn FeedDesk) -> Result<(), FeedError> {
        desk.remember(&serde_json::to_string(&self.newest).unwrap_or_default())
    }

    /// Forgets the scopes that have ended: an operator says that the CA makes no more CRLs of them. The
    /// last one is not given up like that.
    fn give_up_ended(&mut self, desk: &dyn FeedDesk, now: UnixTime) -> Result<(), FeedError> {
        let in_date: BTreeMap<String, Newest> = (self.newest.iter())
            .filter(|(_, newest)| newest.ended(now).is_none())
            .map(|(scope, newest)| (scope.clone(), *newest))
            .collect();
        if in_date.is_empty() || in_date.len() == self.newest.len() {
            return Ok(());
        }
        self.newest = in_date;
        self.remember(desk)
    }

    /// What is wrong with the source as it is now.
    fn fault(&self, now: UnixTime) -> Option<FeedError> {
        // The newest file of this issuer speaks for the folder, and the newest of each scope for that.
        let of_issuer =
            || (self.files.values()).filter_map(|file| Some((file, file.head.as_ref()?)));
        let refused = |known: &Known| {
            let error = known.refused.as_ref().map(|(error, _)| error);
            error
                .filter(|error| error.kind != FeedErrorKind::Older)
                .cloned()
        };
        let newest = of_issuer().max_by_key(|(_, head)| head.this_update);
        if let Some(error) = newest.and_then(|(known, _)| refused(known)) {
            return Some(error);
        }
        let path = self.path.display();
        if self.newest.is_empty() {
            let message = format!("{path} has no CRL of this issuer");
            return Some(FeedError::new(FeedErrorKind::Unreachable, message));
        }
        for (scope, newest) in &self.newest {
            let files = of_issuer().filter(|(_, head)| head.scope.as_ref() == Some(scope));
            let file = files.max_by_key(|(_, head)| head.this_update);
            if let Some(error) = file.and_then(|(known, _)| refused(known)) {
                return Some(error);
            }
            let Some(ended) = newest.ended(now) else {
                continue;
            };
            let (of, advice) = match self.newest.len() {
                1 => (String::new(), String::new()),
                _ => {
                    let FeedKey { issuer, feed } = &self.key;
                    let advice = format!(
                        "; if there are none of these any more, say `estelam feed accept {issuer:?} {feed}`"
                    );
                    (format!(" of {scope}"), advice)
                }
            };
            let message = format!(
                "the newest CRL{of} in {path} ended at {ended}, and no newer one came: whoever makes them, \
                 or brings them here, has stopped{advice}"
            );
            return Some(FeedError::new(FeedErrorKind::Ended, message));
        }
        None
    }
}

impl Newest {
    /// Its nextUpdate, if that is past.
    fn ended(&self, now: UnixTime) -> Option<UnixTime> {
        let next_update = self.next_update.and_then(UnixTime::from_secs);
        next_update.filter(|next_update| *next_update <= now)
    }
}

/// What a CRL lists, by the first name of its distribution point; `None` where it cannot be read to its
/// end.
fn scope_of<R: std::io::BufRead>(mut reader: CrlReader<R>) -> Option<String> {
    struct Deaf;
    impl Tap for Deaf {
        fn whole(&mut self, _: &[u8]) {}
        fn tbs(&mut self, _: &[u8]) {}
    }
    while reader.next_entry(&mut Deaf).ok()?.is_some() {}
    let crl_issuer = reader.head().issuer_der.clone();
    let extensions = reader.finish(&mut Deaf).ok()?.extensions().ok()?;
    let point = extensions.issuing_distribution_point.unwrap_or_default();
    // An indirect one may be of another CA, and is called by its issuer's name.
    let scopes = crate::feed::crl::scopes(&point, &crl_issuer, !point.indirect_crl);
    // Of one without a name that is taken, nothing is.
    let none = CrlScope {
        point: point.distribution_point.as_ref().map(|_| String::new()),
        ..CrlScope::FULL
    };
    let scope = scopes.unwrap_or_default().into_iter().next();
    let scope = scope.unwrap_or(none);
    Some(scope.to_string())
}

impl LiveSource for CrlFolderSource {
    fn poll(&mut self, desk: &dyn FeedDesk, now: UnixTime) -> Result<Polled, FeedError> {
        self.ask_memory(desk)?;
        if desk.is_accepted() {
            self.give_up_ended(desk, now)?;
        }
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
                    self.note_newest(&candidate.head, desk)?;
                    None
                }
                // A newer one was taken here, so that the ledger has all that this says.
                Err(error)
                    if error.kind == FeedErrorKind::Older && self.is_overtaken(&candidate.head) =>
                {
                    Some((error, now))
                }
                Err(error)
                    if matches!(error.kind, FeedErrorKind::Ledger | FeedErrorKind::Stopped) =>
                {
                    return Err(error);
                }
                Err(mut error) => {
                    // It is the newest here, and its number or its time has fallen: the CA went backwards.
                    if error.kind == FeedErrorKind::Older {
                        error.kind = FeedErrorKind::Rejected;
                    }
                    polled.notes.push(error.message.clone());
                    Some((error, now))
                }
            };
            let known = Known {
                stamp: candidate.stamp,
                head: Some(candidate.head),
                refused,
            };
            self.files.insert(candidate.name, known);
        }
        if let Some(error) = self.fault(now) {
            return Err(FeedError {
                brought: total.map(Box::new),
                notes: polled.notes,
                ..error
            });
        }
        if let Some(report) = total {
            polled = Polled {
                notes: polled.notes,
                ..Polled::imported(report)
            };
        }
        // What the folder says is as old as the oldest of them.
        let oldest = self.newest.values().map(|newest| newest.this_update).min();
        polled.evidence = oldest.and_then(UnixTime::from_secs);
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::BufRead;
    use std::sync::Arc;

    use super::*;
    use crate::asn1::Certificate;
    use crate::feed::live::Rows;

    /// A desk that keeps what is remembered.
    #[derive(Default)]
    struct Desk(RefCell<Option<String>>);

    impl FeedDesk for Desk {
        fn import(
            &self,
            _: &str,
            _: ImportRequest,
            _: &mut dyn BufRead,
        ) -> Result<ImportReport, FeedError> {
            Err(FeedError::stopped())
        }

        fn take(&self, _: &str, _: &Rows) -> Result<ImportReport, FeedError> {
            Err(FeedError::stopped())
        }

        fn remembered(&self) -> Result<Option<String>, FeedError> {
            Ok(self.0.borrow().clone())
        }

        fn remember(&self, text: &str) -> Result<(), FeedError> {
            *self.0.borrow_mut() = Some(text.to_owned());
            Ok(())
        }

        fn is_accepted(&self) -> bool {
            false
        }

        fn is_stopping(&self) -> bool {
            false
        }
    }

    fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(secs).unwrap()
    }

    fn source() -> CrlFolderSource {
        let ca = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/ocsp/ca.pem");
        let certificate = Certificate::from_pem(&fs::read(ca).unwrap()).unwrap();
        let key = FeedKey {
            issuer: "ca".to_owned(),
            feed: "crls".to_owned(),
        };
        CrlFolderSource {
            key,
            path: PathBuf::from("/crls"),
            issuer: FeedIssuer {
                name: "ca".to_owned(),
                id: certificate.issuer_id(),
                certificate: Arc::new(certificate),
                crl_signers: Vec::new(),
            },
            files: BTreeMap::new(),
            newest: BTreeMap::new(),
            asked_memory: false,
        }
    }

    #[test]
    fn a_scope_that_ended_is_a_fault_until_somebody_gives_it_up() {
        let desk = Desk::default();
        let mut source = source();
        assert!(source.fault(at(0)).is_some(), "there is none yet");
        let head = |scope: &str, this_update, next_update| Head {
            this_update: at(this_update),
            next_update: Some(at(next_update)),
            scope: Some(scope.to_owned()),
        };
        source.note_newest(&head("one", 10, 100), &desk).unwrap();
        source.note_newest(&head("two", 20, 200), &desk).unwrap();
        // An older one changes nothing.
        source.note_newest(&head("two", 15, 150), &desk).unwrap();
        assert!(source.is_overtaken(&head("two", 19, 900)));
        assert!(!source.is_overtaken(&head("one", 19, 900)));
        assert!(source.fault(at(99)).is_none());

        let fault = source.fault(at(100)).unwrap();
        assert_eq!(fault.kind, FeedErrorKind::Ended);
        assert!(fault.message.contains("of one in /crls ended"), "{fault}");
        source.give_up_ended(&desk, at(100)).unwrap();
        assert!(source.fault(at(199)).is_none());
        // It stays given up over a restart, and the last one cannot be.
        let mut source = self::source();
        source.ask_memory(&desk).unwrap();
        source.give_up_ended(&desk, at(200)).unwrap();
        let fault = source.fault(at(200)).unwrap();
        assert!(
            fault.message.contains("newest CRL in /crls ended"),
            "{fault}"
        );
    }
}
