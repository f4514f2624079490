//! CRLs that are fetched: full ones, one of each scope, and deltas.
//!
//! Each URL is fetched by itself: one that fails is tried again after a while of its own, and the others
//! are not held up by it, though the feed counts as failing. A CRL that the server says has not changed
//! costs one question; one that it sends although it did not change is told by its digest. Any other is
//! kept in a file, of bounded length, and goes the way of `import crl`. The file is removed then, unless
//! the CRL lost so much that an operator has to look at it: then it stays.
//!
//! When a CRL ends soon its successor is looked for when it does, and a little more often than usual
//! from then on.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, BufReader, Seek as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::asn1::UnixTime;
use crate::change::ExpectedScope;
use crate::config::feed::{CrlUrlFeed, Target};
use crate::crl::{CrlReader, Limits};
use crate::feed::{ImportReport, ImportRequest, ImportResult};

use super::{FeedDesk, FeedError, FeedErrorKind, FeedIssuer, FeedKey, LiveSource, Polled};
use crate::fetch::{FetchSettings, Fetched, Fetcher, Validators, Words};

/// The CRLs of one feed.
pub struct CrlUrlSource {
    key: FeedKey,
    interval: Duration,
    fetcher: Fetcher,
    /// Where fetched CRLs lie until they were judged.
    folder: PathBuf,
    crls: Vec<Fetchable>,
    asked_memory: bool,
    jitter: RandomState,
    polls: u64,
}

/// One URL.
struct Fetchable {
    url: String,
    scope: ExpectedScope,
    is_delta: bool,
    /// Its file's name within the folder.
    file: String,
    /// What was taken from it last.
    known: Option<Known>,
    /// Since when it fails.
    failing: Option<Failing>,
}

/// What was fetched and taken.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Known {
    validators: Validators,
    sha256: String,
    this_update: u64,
    next_update: Option<u64>,
}

/// A URL that cannot be taken from.
struct Failing {
    error: FeedError,
    failures: u32,
    /// When it is tried again.
    retry: UnixTime,
}

/// What is remembered: of each URL what was taken from it.
type Memory = BTreeMap<String, Known>;

impl CrlUrlSource {
    /// The CRLs of this feed, none of which was looked at yet. Files are kept below `folder`, which is
    /// there for nothing else of these names.
    #[must_use]
    pub fn new(
        key: FeedKey,
        issuer: &FeedIssuer,
        settings: &CrlUrlFeed,
        interval: Duration,
        folder: &Path,
    ) -> Self {
        let fetcher = Fetcher::new(FetchSettings {
            allow_private: settings.allow_private,
            octets_max: settings.max_octets,
            timeout: settings.timeout,
            tls_roots: settings.tls_roots.clone(),
            words: Words {
                allow_private: "allow_private = true in this feed's table",
                octets_max: "the max_octets of this feed",
                timeout: "the timeout of this feed",
            },
        });
        let mut crls = Vec::new();
        for (crl, scope) in settings.crls() {
            let deltas = crl.delta.iter().map(|url| (url, true));
            for (url, is_delta) in std::iter::once((&crl.url, false)).chain(deltas) {
                let number = crls.len();
                crls.push(Fetchable {
                    url: url.clone(),
                    scope: scope.clone(),
                    is_delta,
                    file: format!("{}.{}.{number}.crl", issuer.id, key.feed),
                    known: None,
                    failing: None,
                });
            }
        }
        Self {
            key,
            interval,
            fetcher,
            folder: folder.to_owned(),
            crls,
            asked_memory: false,
            jitter: RandomState::new(),
            polls: 0,
        }
    }

    fn ask_memory(&mut self, desk: &dyn FeedDesk) -> Result<(), FeedError> {
        if self.asked_memory {
            return Ok(());
        }
        let memory = desk.remembered()?;
        let memory = memory.and_then(|text| serde_json::from_str::<Memory>(&text).ok());
        let mut memory = memory.unwrap_or_default();
        for crl in &mut self.crls {
            crl.known = memory.remove(&crl.memory_key());
        }
        self.asked_memory = true;
        Ok(())
    }

    fn remember(&self, desk: &dyn FeedDesk) -> Result<(), FeedError> {
        let known = self.crls.iter();
        let known = known.filter_map(|crl| Some((crl.memory_key(), crl.known.clone()?)));
        let text = serde_json::to_string(&known.collect::<Memory>());
        desk.remember(&text.unwrap_or_default())
    }

    /// Looks at one URL; gives what came of its CRL, if it is another than before.
    fn look(
        &mut self,
        place: usize,
        desk: &dyn FeedDesk,
    ) -> Result<Option<ImportReport>, FeedError> {
        let Some(crl) = self.crls.get_mut(place) else {
            return Ok(None);
        };
        let target = Target::parse(&crl.url)
            .map_err(|error| FeedError::new(FeedErrorKind::Malformed, error.to_string()))?;
        let spool = Spool::open(self.folder.join(&crl.file))?;
        let mut file = spool.file()?;
        // With an operator's word, what was refused is read again.
        let accepted = desk.is_accepted();
        let known = crl.known.as_ref().filter(|_| !accepted);
        let validators = known.map(|known| &known.validators);
        let is_stopping = || desk.is_stopping();
        let fetched = self
            .fetcher
            .fetch(&target, validators, &mut file, &is_stopping)?;
        let Fetched::Body { validators, sha256 } = fetched else {
            return Ok(None);
        };
        let hex = crate::segment::names::hexadecimal(&sha256);
        if known.is_some_and(|known| known.sha256 == hex) {
            if let Some(known) = &mut crl.known {
                known.validators = validators;
            }
            return Ok(None);
        }
        let head = spool.head();
        let request = ImportRequest::Crl {
            accept_shrink: accepted,
            scope: Some(crl.scope.clone()),
        };
        let imported = desk.import(&crl.url, request, &mut spool.reader()?);
        let report = imported.map_err(|error| match error.kind {
            FeedErrorKind::Quarantined => spool.keep(error, &self.key, &crl.scope),
            _ => error,
        })?;
        // With entries left out it is not known as a whole: those may be right another time.
        if report.result == ImportResult::Complete
            && let Some((this_update, next_update)) = head
        {
            crl.known = Some(Known {
                validators,
                sha256: hex,
                this_update: this_update.as_secs(),
                next_update: next_update.map(UnixTime::as_secs),
            });
        }
        Ok(Some(report))
    }

    /// When to look again: after the interval, or when the first CRL ends, and soon again while its
    /// successor is not there. Never all at the same moment: CRLs end at full hours, for everybody.
    fn next(&mut self, now: UnixTime) -> Duration {
        self.polls = self.polls.wrapping_add(1);
        let share = self.jitter.hash_one(self.polls) % 1_000;
        let part = |of: Duration| {
            let millis = u64::try_from(of.as_millis()).unwrap_or(u64::MAX);
            Duration::from_millis(millis.saturating_mul(share) / 10_000)
        };
        let usual = self.interval.saturating_sub(part(self.interval));
        let ends = self.crls.iter().filter_map(|crl| {
            let end = UnixTime::from_secs(crl.known.as_ref()?.next_update?)?;
            Some(match end.since(now) {
                Duration::ZERO => OVERDUE,
                left => left.saturating_add(AFTER_END),
            })
        });
        let retries = self.crls.iter().filter_map(|crl| {
            let retry = crl.failing.as_ref()?.retry;
            Some(retry.since(now).max(Duration::from_secs(1)))
        });
        let due = ends.map(|due| due.saturating_add(part(due.min(JITTER_MAX))));
        due.chain(retries).fold(usual, Duration::min)
    }
}

impl LiveSource for CrlUrlSource {
    fn poll(&mut self, desk: &dyn FeedDesk, now: UnixTime) -> Result<Polled, FeedError> {
        self.ask_memory(desk)?;
        let mut reports: VecDeque<ImportReport> = VecDeque::new();
        let mut changed = false;
        for place in 0..self.crls.len() {
            let waits = self.crls.get(place).and_then(|crl| crl.failing.as_ref());
            if waits.is_some_and(|failing| failing.retry > now && !desk.is_accepted()) {
                continue;
            }
            let looked = self.look(place, desk);
            let (interval, Some(crl)) = (self.interval, self.crls.get_mut(place)) else {
                continue;
            };
            match looked {
                Ok(report) => {
                    crl.failing = None;
                    changed |= report.is_some();
                    reports.extend(report);
                }
                Err(error) if error.kind == FeedErrorKind::Stopped => return Err(error),
                Err(error) => crl.failed(error, interval, now),
            }
        }
        if changed {
            self.remember(desk)?;
        }
        let next = self.next(now);
        let first = reports.pop_front();
        let brought = first.map(|first| reports.into_iter().fold(first, both));
        if let Some(error) = self.failure(now).or_else(|| self.ended(now)) {
            return Err(FeedError {
                retry_after: Some(next),
                brought: brought.map(Box::new),
                ..error
            });
        }
        let mut polled = brought.map_or_else(Polled::unchanged, Polled::imported);
        polled.next = Some(next);
        let evidence = self.crls.iter().filter(|crl| !crl.is_delta);
        let evidence = evidence.filter_map(|crl| {
            let of_scope = self.crls.iter().filter(|other| other.scope == crl.scope);
            let newest = of_scope.filter_map(|crl| Some(crl.known.as_ref()?.this_update));
            UnixTime::from_secs(newest.max()?)
        });
        polled.evidence = evidence.min();
        Ok(polled)
    }

    /// Each URL has a backoff of its own, so the feed itself needs none beyond its interval.
    fn longest_backoff(&self) -> Duration {
        self.interval
    }
}

impl CrlUrlSource {
    /// What is wrong with the feed as a whole, in one line.
    fn failure(&self, now: UnixTime) -> Option<FeedError> {
        let failing = || {
            let crls = self.crls.iter();
            crls.filter_map(|crl| Some((crl, &crl.failing.as_ref()?.error)))
        };
        // What an operator has to decide comes first.
        let worst = |(_, error): &(&Fetchable, &FeedError)| match error.kind {
            FeedErrorKind::Quarantined => 0,
            FeedErrorKind::Rejected => 1,
            FeedErrorKind::Malformed => 2,
            _ => 3,
        };
        let (crl, error) = failing().min_by_key(worst)?;
        let others = failing().count().saturating_sub(1);
        let more = match others {
            0 => String::new(),
            others => format!(" (and {others} more of its {} URLs)", self.crls.len()),
        };
        let ended = crl.known.as_ref().and_then(|known| known.next_update);
        let ended = match ended.and_then(UnixTime::from_secs) {
            Some(end) if end <= now => format!("; its last CRL ended at {end}"),
            _ => String::new(),
        };
        // The line of an import names it already.
        let named = match error.message.contains(&crl.url) {
            true => String::new(),
            false => format!("{}: ", crl.url),
        };
        Some(FeedError {
            message: format!("{named}{}{ended}{more}", error.message),
            ..error.clone()
        })
    }
}

impl CrlUrlSource {
    /// What has ended without a successor, if anything has. A full CRL that has deltas ends with them, and a
    /// delta that ended is told unless a full CRL came since it was made.
    fn ended(&self, now: UnixTime) -> Option<FeedError> {
        let end = |crl: &Fetchable| {
            crl.known
                .as_ref()?
                .next_update
                .and_then(UnixTime::from_secs)
        };
        let of_scope = |scope: &ExpectedScope| {
            let crls = self.crls.iter().filter(|crl| crl.scope == *scope);
            crls.filter_map(end).max()
        };
        // A full CRL that is at least as new says all that the delta did.
        let is_covered = |delta: &Fetchable| {
            let made = |crl: &Fetchable| crl.known.as_ref().map_or(0, |known| known.this_update);
            let mut full = self.crls.iter().filter(|crl| !crl.is_delta);
            full.any(|crl| crl.scope == delta.scope && made(crl) >= made(delta))
        };
        let mut ended = self.crls.iter().filter_map(|crl| {
            let end = if crl.is_delta {
                end(crl).filter(|_| !is_covered(crl))
            } else {
                of_scope(&crl.scope)
            };
            let end = end.filter(|end| *end <= now)?;
            Some((crl, end))
        });
        let (crl, end) = ended.next()?;
        let message = format!(
            "{}: the newest CRL there ended at {end}, and no newer one came: whoever makes them, or \
             brings them there, has stopped",
            crl.url
        );
        Some(FeedError::new(FeedErrorKind::Ended, message))
    }
}

impl Fetchable {
    /// The same URL may be configured for another scope later.
    fn memory_key(&self) -> String {
        let kind = if self.is_delta { "delta " } else { "" };
        format!("{kind}{} {}", self.scope, self.url)
    }

    fn failed(&mut self, error: FeedError, interval: Duration, now: UnixTime) {
        let failures = self.failing.as_ref().map_or(0, |failing| failing.failures);
        // Twice the wait each time, from a tenth of the interval to a quarter of an hour or the interval.
        let first = (interval / 10).max(Duration::from_secs(1));
        let factor = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
        let longest = interval.max(LONGEST_BACKOFF);
        let wait = first.saturating_mul(factor).min(longest);
        let wait = wait.max(error.retry_after.unwrap_or_default().min(RETRY_AFTER_MAX));
        self.failing = Some(Failing {
            error,
            failures: failures.saturating_add(1),
            retry: now.saturating_add(wait),
        });
    }
}

/// A fetched CRL on the disk. It goes with this.
struct Spool {
    path: PathBuf,
    stays: std::cell::Cell<bool>,
}

impl Drop for Spool {
    fn drop(&mut self) {
        if !self.stays.get() {
            // Left behind, it is overwritten by the next.
            let _left = fs::remove_file(&self.path);
        }
    }
}

impl Spool {
    fn open(path: PathBuf) -> Result<Self, FeedError> {
        let spool = Self {
            path,
            stays: std::cell::Cell::new(false),
        };
        // What a killed server left there, or anything else.
        match fs::remove_file(&spool.path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(spool.fault(&error)),
        }
        Ok(spool)
    }

    /// The file, new and empty, for its owner alone.
    fn file(&self) -> Result<File, FeedError> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create_new(true).mode(0o600);
        options.open(&self.path).map_err(|error| self.fault(&error))
    }

    fn reader(&self) -> Result<BufReader<File>, FeedError> {
        let file = File::open(&self.path);
        let mut file = file.map_err(|error| self.fault(&error))?;
        file.rewind().map_err(|error| self.fault(&error))?;
        Ok(BufReader::with_capacity(64 << 10, file))
    }

    /// thisUpdate and nextUpdate, if it can be read so far.
    fn head(&self) -> Option<(UnixTime, Option<UnixTime>)> {
        let reader = CrlReader::open(self.reader().ok()?, Limits::MOST).ok()?;
        let head = reader.head();
        Some((head.this_update, head.next_update))
    }

    /// Keeps the file for an operator, and says how to go on.
    fn keep(&self, error: FeedError, key: &FeedKey, scope: &ExpectedScope) -> FeedError {
        let kept = self.path.with_extension("crl.quarantined");
        let FeedKey { issuer, feed } = key;
        let message = match fs::rename(&self.path, &kept) {
            Ok(()) => {
                self.stays.set(true);
                let path = kept.display();
                format!(
                    "{}. It is kept as {path}; if it is right: `estelam feed accept {issuer:?} {feed}`, or \
                     `estelam import crl {path} --issuer {issuer:?} --scope {scope} --accept-shrink`",
                    error.message
                )
            }
            Err(why) => format!("{} (it could not be kept: {why})", error.message),
        };
        FeedError { message, ..error }
    }

    fn fault(&self, error: &io::Error) -> FeedError {
        let path = self.path.display();
        let message = format!("{path}, where a CRL lies while it is judged: {error}");
        FeedError::new(FeedErrorKind::Ledger, message)
    }
}

/// What came of two CRLs.
fn both(mut one: ImportReport, other: ImportReport) -> ImportReport {
    for (sum, more) in [
        (&mut one.lines, other.lines),
        (&mut one.applied, other.applied),
        (&mut one.unchanged, other.unchanged),
        (&mut one.bad, other.bad),
        (&mut one.refused, other.refused),
        (&mut one.differing, other.differing),
        (&mut one.reconciled, other.reconciled),
        (&mut one.released, other.released),
        (&mut one.missing, other.missing),
        (&mut one.skipped, other.skipped),
    ] {
        *sum = sum.saturating_add(more);
    }
    if one.result == ImportResult::Complete {
        one.result = other.result;
    }
    one.errors.extend(other.errors);
    one.notes.extend(other.notes);
    one
}

/// After a CRL's end, for its successor to be there.
const AFTER_END: Duration = Duration::from_secs(2);
/// Between two looks for the successor of a CRL that has ended.
const OVERDUE: Duration = Duration::from_secs(30);
const JITTER_MAX: Duration = Duration::from_secs(60);
/// Between two tries of a URL that fails, at most, unless the interval is longer.
const LONGEST_BACKOFF: Duration = Duration::from_secs(15 * 60);
/// The longest that a server may tell us to wait.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
