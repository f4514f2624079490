//! What a restored ledger lacked, as it is told: the first of everything here, all of it in a file.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::BackupError;
use crate::segment::disk;

/// What the ledger lacked. Of long lists the first entries: the file has all of them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Lacking {
    /// How many numbers lie between the backup's last entry and the highest that was found: at most so
    /// many entries are lost, of which those below were entered again.
    pub numbers: u64,
    /// How many certificates were entered again as revoked.
    pub revoked: u64,
    /// How many were put on hold again.
    pub on_hold: u64,
    /// How many revocations were corrected again.
    pub corrected: u64,
    /// How many certificates were entered again as issued.
    pub issued: u64,
    /// How many are on hold again, though the hold had ended after the backup.
    pub holds_ended: u64,
    /// Revocations, holds and corrections that were entered again: the first of them.
    pub revocations: Vec<Reentered>,
    /// Certificates that were entered again as issued: the first of them.
    pub issued_some: Vec<Reentered>,
    /// On hold again, though the hold had ended after the backup: the first of them.
    pub holds: Vec<Reentered>,
    /// Issuers that were revoked as a whole again.
    pub issuers: Vec<String>,
    /// What could not be entered, each with the reason: the first of it.
    pub refused: Vec<String>,
    /// How much could not be entered besides.
    pub more_refused: u64,
    /// What could not be read, each with the reason: the first of it.
    pub unread: Vec<String>,
    /// How much could not be read besides.
    pub more_unread: u64,
    /// The file with every certificate that was entered again, a line of JSON each.
    pub list: Option<PathBuf>,
}

/// A certificate that was entered again.
#[derive(Clone, Debug, Serialize)]
pub struct Reentered {
    /// The issuer's name.
    pub issuer: String,
    /// The serial number in hexadecimal.
    pub serial: String,
    /// What was entered.
    pub what: What,
    /// CRLReason, where there is one.
    pub reason: Option<&'static str>,
    /// The revocation time, RFC 3339.
    pub revocation_time: Option<String>,
    /// What shows it.
    pub evidence: String,
    /// The number of the new entry.
    pub sequence: Option<u64>,
}

/// What became of a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Entered as issued.
    Issued,
    /// Entered as revoked.
    Revoked,
    /// Put on hold.
    OnHold,
    /// Its revocation was corrected.
    Corrected,
    /// It stays on hold.
    HoldEnded,
}

impl Lacking {
    /// Counts a certificate, and names it if it is one of the first.
    fn add(&mut self, entered: Reentered) {
        let (count, list) = match entered.what {
            What::Issued => (&mut self.issued, &mut self.issued_some),
            What::Revoked => (&mut self.revoked, &mut self.revocations),
            What::OnHold => (&mut self.on_hold, &mut self.revocations),
            What::Corrected => (&mut self.corrected, &mut self.revocations),
            What::HoldEnded => (&mut self.holds_ended, &mut self.holds),
        };
        *count = count.saturating_add(1);
        if list.len() < NAMED_MAX {
            list.push(entered);
        }
    }

    /// Tells what could not be entered.
    pub(super) fn refused(&mut self, line: String) {
        tell(&mut self.refused, &mut self.more_refused, line);
    }

    /// Tells what could not be read.
    pub(super) fn unread(&mut self, line: String) {
        tell(&mut self.unread, &mut self.more_unread, line);
    }
}

fn tell(lines: &mut Vec<String>, more: &mut u64, line: String) {
    if lines.len() < LINES_MAX {
        lines.push(line);
    } else {
        *more = more.saturating_add(1);
    }
}

/// What is told, and the file in the restored ledger's folder that has all of it.
#[derive(Debug)]
pub(super) struct Telling {
    pub(super) lacking: Lacking,
    path: PathBuf,
    file: BufWriter<File>,
}

impl Telling {
    /// Begins the file, in the folder that is being built.
    pub(super) fn begin(building: &Path) -> Result<Self, BackupError> {
        let path = building.join(LIST);
        let file = disk::create(&path)?;
        Ok(Self {
            lacking: Lacking {
                list: Some(path.clone()),
                ..Lacking::default()
            },
            path,
            file: BufWriter::new(file),
        })
    }

    /// Adds a certificate that was entered.
    pub(super) fn add(&mut self, entered: Reentered) -> Result<(), BackupError> {
        let line = serde_json::to_vec(&entered).map_err(io::Error::from);
        let written = line.and_then(|mut line| {
            line.push(b'\n');
            self.file.write_all(&line)
        });
        written.map_err(|source| self.failed(source))?;
        self.lacking.add(entered);
        Ok(())
    }

    /// Ends the file, which is on the disk then.
    pub(super) fn finish(mut self) -> Result<Lacking, BackupError> {
        let flushed = self.file.flush();
        flushed.map_err(|source| self.failed(source))?;
        disk::sync(self.file.get_ref(), &self.path)?;
        Ok(self.lacking)
    }

    fn failed(&self, source: io::Error) -> BackupError {
        BackupError::from(disk::DiskError {
            action: "write",
            path: self.path.clone(),
            source,
        })
    }
}

/// Where the list lies once the ledger is in force.
pub(super) fn list_in(ledger: &Path) -> PathBuf {
    ledger.join(LIST)
}

const LIST: &str = "reentered.jsonl";
/// So many certificates of each sort are named in a report.
const NAMED_MAX: usize = 10_000;
/// So many lines of what could not be entered or read.
const LINES_MAX: usize = 1_000;
