//! A file that is rewritten whole, and of which only the lines that are new are read.
//!
//! `stat` comes first, so that a file which has not changed costs nothing. One that has is read once,
//! from its first line to its last, and refused whole before anything is applied
//!
//! - when it changed while it was read, or its last line is cut: it is being written, and the next poll
//!   sees it again;
//! - when it is empty, or lacks more than a tenth (and more than ten) of the lines that it had: then an
//!   operator has to say that this is right.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::asn1::UnixTime;
use crate::feed::ImportRequest;

use super::known_lines::{Extent, KnownLines, LineForm, NewLines};
use super::stamp::{Stamp, UNSETTLED_SECS};
use super::{FeedDesk, FeedError, FeedErrorKind, FeedKey, LeftOut, LiveSource, Polled};

/// A watched file of one form. 8 octets of memory a line; 16 while it is read, and some 60 (100 for CSV)
/// for each line that is new.
#[derive(Debug)]
pub(super) struct WatchedFile {
    key: FeedKey,
    path: PathBuf,
    request: ImportRequest,
    form: LineForm,
    known: KnownLines,
    /// How many lines it had when it was read last and believed; `None` before.
    lines: Option<u64>,
    asked_memory: bool,
    seen: Option<Seen>,
}

/// The file as it was seen last.
#[derive(Debug)]
struct Seen {
    stamp: Stamp,
    /// When it was seen with this stamp first.
    since: UnixTime,
    /// Whether it was read again when the stamp had settled.
    is_settled: bool,
    /// Why it was refused; it is not read again before it changes.
    refused: Option<FeedError>,
    /// When lines that lay ahead of the clock are tried again.
    retry: Option<UnixTime>,
}

impl Seen {
    /// Whether nothing can have changed; once the stamp has settled it is looked at once more.
    fn is_as_before(&self, stamp: &Stamp, now: UnixTime) -> bool {
        self.stamp == *stamp
            && (self.is_settled || !self.has_settled(now))
            && self.retry.is_none_or(|retry| now < retry)
    }

    fn has_settled(&self, now: UnixTime) -> bool {
        now.since(self.since).as_secs() >= UNSETTLED_SECS
    }
}

/// What is remembered.
#[derive(Deserialize, Serialize)]
struct Memory {
    lines: u64,
}

impl WatchedFile {
    pub(super) fn new(key: FeedKey, path: &Path, request: ImportRequest, form: LineForm) -> Self {
        Self {
            key,
            path: path.to_owned(),
            request,
            form,
            known: KnownLines::default(),
            lines: None,
            asked_memory: false,
            seen: None,
        }
    }

    fn ask_memory(&mut self, desk: &dyn FeedDesk) -> Result<(), FeedError> {
        if self.asked_memory {
            return Ok(());
        }
        let memory = desk.remembered()?;
        let memory = memory.and_then(|text| serde_json::from_str::<Memory>(&text).ok());
        self.lines = memory.map(|memory| memory.lines);
        self.asked_memory = true;
        Ok(())
    }

    fn stamp(&self) -> Result<Stamp, FeedError> {
        let metadata =
            fs::metadata(&self.path).map_err(|error| FeedError::of_path(&self.path, &error))?;
        if metadata.is_file() {
            return Ok(Stamp::of(&metadata));
        }
        let path = self.path.display();
        Err(FeedError::new(
            FeedErrorKind::Malformed,
            if metadata.is_dir() {
                format!("{path} is a folder: name the file in it")
            } else {
                format!("{path} is no file")
            },
        ))
    }

    /// Reads the file and brings in what is new.
    fn read(
        &mut self,
        desk: &dyn FeedDesk,
        file: &File,
        stamp: &Stamp,
    ) -> Result<Polled, FeedError> {
        // What the reading comes to by itself, whatever its reader makes of the error that ends it.
        let mut end = None;
        let lines_before = self.lines;
        let judge = |extent: Option<Extent>| {
            let judged = match extent {
                None if desk.is_stopping() => Err(End::Refused(FeedError::stopped())),
                None => Ok(()),
                Some(extent) => {
                    let still = file.metadata().map(|metadata| Stamp::of(&metadata));
                    self_judge(
                        &self.path,
                        &self.key,
                        desk,
                        lines_before,
                        extent,
                        stamp,
                        still,
                    )
                }
            };
            judged.map_err(|why| {
                end = Some(why);
                io::Error::other("refused by the feed")
            })
        };
        let text = BufReader::with_capacity(READ_OCTETS, file);
        let mut lines_read = 0;
        let mut judge = judge;
        let counting = |extent: Option<Extent>| {
            if let Some(extent) = extent {
                lines_read = extent.lines;
            }
            judge(extent)
        };
        let mut new_lines = NewLines::new(text, &self.known, self.form, counting);
        let place = self.path.display().to_string();
        let imported = desk.import(&place, self.request.clone(), &mut new_lines);
        let digests = new_lines.into_digests();
        let polled = match (end, imported) {
            (None, Ok(report)) => {
                self.known.replace(digests, &report.left_out);
                let told = u64::try_from(report.left_out.len()).unwrap_or(u64::MAX);
                if told < report.bad.saturating_add(report.refused) {
                    // More than can be told apart.
                    self.known.clear();
                }
                Polled::imported(report)
            }
            (Some(End::NothingNew), _) => {
                // Lines may have gone.
                self.known.replace(digests, &[]);
                Polled {
                    left_out: Some(LeftOut::default()),
                    ..Polled::unchanged()
                }
            }
            (Some(End::Refused(error)), _) | (None, Err(error)) => return Err(error),
        };
        if self.lines != Some(lines_read) {
            let memory = Memory { lines: lines_read };
            desk.remember(&serde_json::to_string(&memory).unwrap_or_default())?;
            self.lines = Some(lines_read);
        }
        Ok(polled)
    }
}

/// How the reading ended by itself.
enum End {
    NothingNew,
    Refused(FeedError),
}

/// Whether what was read may be used.
fn self_judge(
    path: &Path,
    key: &FeedKey,
    desk: &dyn FeedDesk,
    before: Option<u64>,
    extent: Extent,
    stamp: &Stamp,
    still: io::Result<Stamp>,
) -> Result<(), End> {
    let shown = path.display();
    let malformed = |why: &str| {
        let message = format!("{shown} {why}; nothing of it was applied");
        Err(End::Refused(FeedError::new(
            FeedErrorKind::Malformed,
            message,
        )))
    };
    match still {
        Err(error) => return Err(End::Refused(FeedError::of_path(path, &error))),
        Ok(still) if still != *stamp => {
            return malformed("changed while it was read: it is read again soon");
        }
        Ok(_) => {}
    }
    if !extent.is_whole {
        return malformed(
            "ends in the middle of its last line: it was cut short, or is being written",
        );
    }
    let before = before.unwrap_or(0);
    let lost = before.saturating_sub(extent.lines);
    let lost_much = lost > LOST_MAX && lost.saturating_mul(10) > before;
    if (lost_much || (extent.lines == 0 && before > 0)) && !desk.is_accepted() {
        let FeedKey { issuer, feed } = key;
        let message = format!(
            "{shown} has {} lines where it had {before}; nothing of it was applied. Put the right file \
             back; if this one is right, say `estelam feed accept {issuer:?} {feed}`",
            extent.lines
        );
        let kind = FeedErrorKind::Quarantined;
        return Err(End::Refused(FeedError::new(kind, message)));
    }
    match extent.new {
        0 => Err(End::NothingNew),
        _ => Ok(()),
    }
}

impl LiveSource for WatchedFile {
    fn poll(&mut self, desk: &dyn FeedDesk, now: UnixTime) -> Result<Polled, FeedError> {
        self.ask_memory(desk)?;
        let stamp = self.stamp()?;
        if let Some(seen) = &self.seen
            && seen.is_as_before(&stamp, now)
            && !desk.is_accepted()
        {
            return match &seen.refused {
                None => Ok(Polled::unchanged()),
                Some(error) => Err(error.clone()),
            };
        }
        let (since, is_settled) = match &self.seen {
            Some(seen) if seen.stamp == stamp => (seen.since, seen.has_settled(now)),
            _ => (now, false),
        };
        let file = open(&self.path).map_err(|error| FeedError::of_path(&self.path, &error))?;
        // Of the file that is read, which may be another by now.
        let stamp = file
            .metadata()
            .map(|metadata| Stamp::of(&metadata))
            .map_err(|error| FeedError::of_path(&self.path, &error))?;
        let polled = self.read(desk, &file, &stamp);
        let refused = match &polled {
            Ok(_) => None,
            // The source may be fine: it is read again.
            Err(error) if matches!(error.kind, FeedErrorKind::Ledger | FeedErrorKind::Stopped) => {
                self.seen = None;
                return polled;
            }
            Err(error) => Some(error.clone()),
        };
        let ahead = match polled.as_ref().map(|polled| &polled.change) {
            Ok(super::PolledChange::Imported(report)) => report.ahead > 0,
            _ => false,
        };
        let retry = ahead.then(|| now.saturating_add(AHEAD_RETRY));
        self.seen = Some(Seen {
            stamp,
            since,
            is_settled,
            refused,
            retry,
        });
        polled
    }

    fn longest_backoff(&self) -> Duration {
        BACKOFF_MAX
    }
}

/// Opens a file. A pipe that took its place is not waited for.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
}

/// So many lines may go at any time, however short the file.
const LOST_MAX: u64 = 10;
/// How soon lines that lie ahead of the clock are tried again.
const AHEAD_RETRY: Duration = Duration::from_secs(60);
/// A look at a file costs nothing.
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(15);
const READ_OCTETS: usize = 1 << 20;

#[cfg(test)]
mod tests;
