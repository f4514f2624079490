//! A folder that certificates are dropped into, with all folders in it.
//!
//! Only files that are new or have changed are read, each whole into memory first, so that one which is
//! being written holds up no other: it is left for the next poll. A file that cannot be used is looked at
//! once more and then told; the rest is taken.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::asn1::UnixTime;
use crate::config::feed::CertificateFolderFeed;
use crate::feed::certificates::files::{ListError, list};
use crate::feed::certificates::stream::{FileHead, NAME_OCTETS_MAX};
use crate::feed::{ImportReport, ImportRequest};

use super::stamp::Stamp;
use super::watched_file::{BACKOFF_MAX, open};
use super::{FeedDesk, FeedError, FeedErrorKind, FeedKey, LeftOut, LiveSource, Polled};

/// A watched folder of certificates. Some 32 octets of memory a file, and its name while it is looked at.
#[derive(Debug)]
pub struct CertificateFolderSource {
    key: FeedKey,
    path: PathBuf,
    hasher: RandomState,
    /// By the digest of its path: the file as it was read.
    files: HashMap<u64, Known>,
    /// By the digest of its path: the digest of the stamp of a file that could not be used once.
    bad_once: HashMap<u64, u64>,
    /// The first that cannot be used.
    first_bad: Option<String>,
    /// How many files there were when the server stopped.
    remembered: Option<u64>,
    asked_memory: bool,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    /// Digest of its stamp.
    stamp: u64,
    is_bad: bool,
}

/// What is remembered.
#[derive(Deserialize, Serialize)]
struct Memory {
    files: u64,
}

/// A file that is to be read.
#[derive(Clone, Debug)]
struct Due {
    path: PathBuf,
    digest: u64,
    stamp: Stamp,
}

impl CertificateFolderSource {
    /// The folder of this feed. It is not looked at yet.
    #[must_use]
    pub fn new(key: FeedKey, settings: &CertificateFolderFeed) -> Self {
        Self {
            key,
            path: settings.path.clone(),
            hasher: RandomState::new(),
            files: HashMap::new(),
            bad_once: HashMap::new(),
            first_bad: None,
            remembered: None,
            asked_memory: false,
        }
    }

    /// The files that are new or have changed, and how many there are.
    fn look(&mut self) -> Result<(Vec<Due>, usize), FeedError> {
        let paths = list(std::slice::from_ref(&self.path)).map_err(|error| match &error {
            ListError::Io { path, source } => FeedError::of_path(path, source),
            ListError::Kind { .. } => FeedError::new(FeedErrorKind::Malformed, error.to_string()),
        })?;
        let count = paths.len();
        let mut there = HashSet::with_capacity(count);
        let mut due = Vec::new();
        for path in paths {
            let digest = self.hasher.hash_one(&path);
            // One that has just gone, or a link that leads nowhere.
            let Ok(metadata) = fs::metadata(&path) else {
                continue;
            };
            let stamp = Stamp::of(&metadata);
            there.insert(digest);
            let known = self.files.get(&digest);
            if known.is_none_or(|known| known.stamp != stamp.digest(&self.hasher)) {
                due.push(Due {
                    path,
                    digest,
                    stamp,
                });
            }
        }
        self.bad_once.retain(|digest, _| there.contains(digest));
        if self.files.len() > there.len() {
            self.files.retain(|digest, _| there.contains(digest));
        }
        Ok((due, count))
    }

    fn ask_memory(&mut self, desk: &dyn FeedDesk) -> Result<(), FeedError> {
        if !self.asked_memory {
            let memory = desk.remembered()?;
            let memory = memory.and_then(|text| serde_json::from_str::<Memory>(&text).ok());
            self.remembered = memory.map(|memory| memory.files);
            self.asked_memory = true;
        }
        Ok(())
    }

    /// Brings in some files, and notes which they were; `None` when nothing of the issuer is in them.
    fn take(
        &mut self,
        due: &[Due],
        desk: &dyn FeedDesk,
    ) -> Result<Option<ImportReport>, FeedError> {
        let mut stream = WholeFiles::new(due);
        let place = self.path.display().to_string();
        let mut input = BufReader::with_capacity(READ_OCTETS, &mut stream);
        let report = match desk.import(&place, ImportRequest::Certificates, &mut input) {
            Ok(report) => Some(report),
            // The issuer's own certificate alone, or files that were all being written.
            Err(error) if error.kind == FeedErrorKind::Rejected => None,
            Err(error) => return Err(error),
        };
        let left_out = report.iter().flat_map(|report| &report.left_out);
        let bad: HashSet<u64> = left_out.map(|order| order >> 32).collect();
        for (number, due) in (0_u64..).zip(&stream.sent) {
            let stamp = due.stamp.digest(&self.hasher);
            let was_bad = self.bad_once.get(&due.digest) == Some(&stamp);
            // Files that are bad all together are rejected together.
            let is_bad = match &report {
                Some(_) => bad.contains(&number),
                None => was_bad,
            };
            // Once more, in case that it was still being written.
            if is_bad && !was_bad {
                self.bad_once.insert(due.digest, stamp);
                continue;
            }
            self.bad_once.remove(&due.digest);
            self.files.insert(due.digest, Known { stamp, is_bad });
        }
        Ok(report)
    }
}

impl LiveSource for CertificateFolderSource {
    fn poll(&mut self, desk: &dyn FeedDesk, _now: UnixTime) -> Result<Polled, FeedError> {
        self.ask_memory(desk)?;
        let known = self.files.len();
        let (due, count) = self.look()?;
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let before = u64::try_from(known).unwrap_or(u64::MAX);
        let before = before.max(self.remembered.unwrap_or(0));
        if count == 0 && before > EMPTIED_MAX && !desk.is_accepted() {
            let FeedKey { issuer, feed } = &self.key;
            let message = format!(
                "{} is empty where there were {before} files: is it mounted? If this is right, say \
                 `estelam feed accept {issuer:?} {feed}`",
                self.path.display()
            );
            // What is not there says nothing, so it is not forgotten that it was.
            self.remembered = Some(before);
            return Err(FeedError::new(FeedErrorKind::Quarantined, message));
        }
        let mut total: Option<ImportReport> = None;
        for some in due.chunks(FILES_TOGETHER) {
            if desk.is_stopping() {
                return Err(FeedError::stopped());
            }
            let Some(report) = self.take(some, desk)? else {
                continue;
            };
            if let Some(first) = report.errors.first() {
                self.first_bad = Some(first.to_string());
            }
            total = Some(match total {
                None => report,
                Some(before) => ImportReport {
                    applied: report.applied.saturating_add(before.applied),
                    ..report
                },
            });
        }
        if self.remembered != Some(count) {
            let memory = serde_json::to_string(&Memory { files: count }).unwrap_or_default();
            desk.remember(&memory)?;
            self.remembered = Some(count);
        }
        let bad = self.files.values().filter(|known| known.is_bad).count();
        let bad = bad.saturating_add(self.bad_once.len());
        if bad == 0 {
            self.first_bad = None;
        }
        Ok(Polled {
            left_out: Some(LeftOut {
                count: u64::try_from(bad).unwrap_or(u64::MAX),
                first: self.first_bad.clone(),
            }),
            ..total.map_or_else(Polled::unchanged, Polled::imported)
        })
    }

    fn longest_backoff(&self) -> Duration {
        BACKOFF_MAX
    }
}

/// Files as a [`stream`](crate::feed::certificates::stream), each as it was at one moment. One that changes
/// while it is read is not sent.
struct WholeFiles<'a> {
    due: VecDeque<&'a Due>,
    sent: Vec<&'a Due>,
    octets: Vec<u8>,
    read: usize,
}

impl<'a> WholeFiles<'a> {
    fn new(due: &'a [Due]) -> Self {
        Self {
            due: due.iter().collect(),
            sent: Vec::new(),
            octets: Vec::new(),
            read: 0,
        }
    }
}

impl Read for WholeFiles<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read >= self.octets.len() {
            let Some(due) = self.due.pop_front() else {
                return Ok(0);
            };
            let (content, unreadable) = match content(&due.path, &due.stamp) {
                Ok(Some(content)) => (content, None),
                Ok(None) => continue,
                Err(error) => (Vec::new(), Some(error.to_string())),
            };
            let mut name = due.path.display().to_string();
            name.truncate(name.floor_char_boundary(NAME_OCTETS_MAX));
            let head = FileHead {
                file: name,
                octets: u64::try_from(content.len()).unwrap_or(u64::MAX),
                unreadable,
            };
            self.sent.push(due);
            self.octets = head.to_line();
            self.octets.extend_from_slice(&content);
            self.read = 0;
        }
        let rest = self.octets.get(self.read..).unwrap_or_default();
        let read = { rest }.read(buffer)?;
        self.read = self.read.saturating_add(read);
        Ok(read)
    }
}

/// What is in a file; `None` when it is not the one that was seen, or changes.
fn content(path: &Path, seen: &Stamp) -> io::Result<Option<Vec<u8>>> {
    let file = open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is neither a file nor a folder"));
    }
    if metadata.len() > FILE_OCTETS_MAX {
        return Err(io::Error::other(format!(
            "it is larger than {FILE_OCTETS_MAX} octets: bring it in with `estelam import certs`"
        )));
    }
    let mut content = Vec::new();
    (&file).take(FILE_OCTETS_MAX).read_to_end(&mut content)?;
    let is_same = Stamp::of(&file.metadata()?) == *seen;
    Ok(is_same.then_some(content))
}

/// So few files may be taken away without a word.
const EMPTIED_MAX: u64 = 10;
/// Files that are brought in together: 80 octets of memory a certificate.
const FILES_TOGETHER: usize = 10_000;
/// A bundle of some ten thousand certificates.
const FILE_OCTETS_MAX: u64 = 16 << 20;
const READ_OCTETS: usize = 64 << 10;
