//! Going on from a backup, in two steps.
//!
//! 1. [`Restoring::prepare`] builds a ledger beside the one in force: the backup's files, checked on the
//!    way; an epoch above every number found; what the traces show that it lacks. Nothing in force has
//!    changed then, and what is lacking is known.
//! 2. [`Restoring::put_in_force`] renames it into place (`swap`).
//!
//! All that must hold before the first signature is in the ledger before it is in force: the revocations
//! that clients were shown, the newest time that was signed with, and the epoch.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::compare::{Comparison, agree_on, source};
use super::lacking::{Lacking, Telling, list_in};
use super::swap::{self, Restored};
use super::take::{KEY, KEYS, LEDGER};
use super::traces::Traces;
use super::verify::agrees;
use super::{BackupError, BackupManifest, files};
use crate::asn1::{Certificate, UnixTime};
use crate::audit::{LedgerKey, last_is_of_other_key};
use crate::change::Source;
use crate::ledger::{EpochOpened, Floor, IssuerIdentity, Ledger, LedgerSnapshot, OwnedFolder};
use crate::segment::{disk, names};

/// What is to be restored where.
#[derive(Clone, Debug)]
pub struct RestoreOrder {
    /// The backup's folder.
    pub backup: PathBuf,
    /// The state folder, which no server uses.
    pub state_dir: PathBuf,
    /// Where the ledger's key belongs.
    pub key: PathBuf,
    /// The name of the ledger's log, if it is configured.
    pub origin: Option<String>,
    /// The issuers of the configuration.
    pub issuers: Vec<IssuerIdentity>,
    /// Their certificates: CRLs that their keys signed are believed.
    pub certificates: Vec<Arc<Certificate>>,
    /// Number and SHA-256 of the newest entry that the catalog says it speaks for.
    pub answers: Option<(u64, [u8; 32])>,
    /// The time.
    pub now: UnixTime,
    /// The same in milliseconds since 1970.
    pub now_ms: u64,
}

/// What a restore did, or would do.
#[derive(Clone, Debug, Serialize)]
pub struct RestoreReport {
    /// The backup's folder.
    pub backup: PathBuf,
    /// When it was made, RFC 3339.
    pub made: String,
    /// The number of its last entry.
    pub last_sequence: u64,
    /// The epoch that is opened.
    pub epoch: u32,
    /// The number of the epoch's first entry.
    pub first_sequence: u64,
    /// The highest number that was found.
    pub highest_found: u64,
    /// What the epoch's first number follows from.
    pub why: String,
    /// Where the ledger before is kept, if there was one.
    pub set_aside: Option<PathBuf>,
    /// Whether that ledger could be read.
    pub set_aside_read: bool,
    /// Whether the ledger's key was taken from the backup.
    pub key_installed: bool,
    /// What the backup lacked.
    pub lacking: Lacking,
    /// What an operator should know besides.
    pub notes: Vec<String>,
}

/// What a restore is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Copying and checking the backup: octets so far.
    Copying(u64),
    /// Comparing with what is left: certificates so far.
    Comparing(u64),
}

/// A restored ledger that is ready and not in force.
#[derive(Debug)]
pub struct Restoring {
    state_dir: PathBuf,
    backup: PathBuf,
    /// Where the ledger's key belongs, if the backup has it.
    key: Option<PathBuf>,
    restored: Restored,
    report: RestoreReport,
    /// Held until the end: the folder that is built, and the ledger in force.
    _building: File,
    _present: Option<OwnedFolder>,
}

impl Restoring {
    /// Builds the restored ledger beside the one in force, which stays as it is.
    ///
    /// # Errors
    /// [`BackupError`]; nothing has changed then.
    pub fn prepare(order: &RestoreOrder, told: &mut dyn FnMut(Step)) -> Result<Self, BackupError> {
        let state_dir = &order.state_dir;
        let (manifest, manifest_sha256) = BackupManifest::read(&order.backup)?;
        let (present, building) = (state_dir.join(LEDGER), state_dir.join(swap::BUILDING));
        // Whoever has the ledger open keeps it.
        let owned = OwnedFolder::take(&present)?;
        disk::create_folder(state_dir)?;
        if building.exists() {
            drop(swap::lock(&building)?);
        }
        files::anew(&building)?;
        let lock = swap::lock(&building)?;
        let prepared = Self::build(order, (manifest, manifest_sha256), lock, owned, told);
        if prepared.is_err() {
            // What stays is in nobody's way: the next command removes it.
            let _result = files::remove(&building);
        }
        prepared
    }

    fn build(
        order: &RestoreOrder,
        (manifest, manifest_sha256): (BackupManifest, [u8; 32]),
        lock: File,
        owned: Option<OwnedFolder>,
        told: &mut dyn FnMut(Step),
    ) -> Result<Self, BackupError> {
        let state_dir = &order.state_dir;
        let (present, building) = (state_dir.join(LEDGER), state_dir.join(swap::BUILDING));
        let catalog = state_dir.join(CATALOG);
        let traces = Traces::read(&catalog, &present, &order.certificates)?;
        copy(order, &manifest, &building, told)?;
        let (ledger, opened, highest) = open(order, &manifest, &traces, &building)?;
        let mut notes = notes(order, &traces)?;
        notes.extend(of_other_key(order, &manifest, &ledger)?);
        let telling = Telling::begin(&building)?;
        let comparison = Comparison::new(&ledger, &traces, order.answers, order.now_ms, telling)?;
        let mut lacking = comparison.run(&mut |count| told(Step::Comparing(count)))?;
        lacking.numbers = highest.saturating_sub(manifest.last_sequence);
        ledger.raise_signing_high_water(traces.newest_time())?;
        if traces.newest_time() > order.now {
            notes.push(format!(
                "answers were signed until {}, which is ahead of this host's clock: nothing is signed \
                 until the clock has reached that, or `estelam clock accept` confirms it",
                traces.newest_time()
            ));
        }
        // Closed: flushed, and nothing of it is open when it is renamed.
        drop(ledger);

        let set_aside = fs::symlink_metadata(&present)
            .is_ok()
            .then(|| swap::aside_name(state_dir, &order.now.to_string()));
        let restored = Restored {
            backup: order.backup.clone(),
            manifest_sha256: names::hexadecimal(&manifest_sha256),
            at: order.now.to_string(),
            epoch: opened.epoch,
            set_aside: set_aside.clone(),
        };
        let report = RestoreReport {
            backup: order.backup.clone(),
            made: manifest.made.clone(),
            last_sequence: manifest.last_sequence,
            epoch: opened.epoch,
            first_sequence: opened.floor.saturating_add(1),
            highest_found: highest,
            why: opened.why,
            set_aside: set_aside.map(|name| state_dir.join(name)),
            set_aside_read: traces.aside.is_some(),
            key_installed: false,
            lacking,
            notes,
        };
        Ok(Self {
            state_dir: state_dir.clone(),
            backup: order.backup.clone(),
            key: manifest.with_key.then(|| order.key.clone()),
            restored,
            report,
            _building: lock,
            _present: owned,
        })
    }

    /// What it would do.
    #[must_use]
    pub const fn report(&self) -> &RestoreReport {
        &self.report
    }

    /// Puts it in force. The ledger before is set aside, not deleted.
    ///
    /// # Errors
    /// [`BackupError`]. The old ledger or the restored one is in force then, or the next command finishes
    /// it.
    pub fn put_in_force(mut self) -> Result<RestoreReport, BackupError> {
        // First: a server that finishes what is ready makes a key where there is none.
        if let Some(path) = &self.key {
            let key = self.backup.join(KEYS).join(KEY);
            self.report.key_installed = install_key(&key, path)?;
        }
        swap::mark_ready(&self.state_dir.join(swap::BUILDING), &self.restored)?;
        swap::swap(&self.state_dir, &self.restored)?;
        self.report.lacking.list = Some(list_in(&self.state_dir.join(LEDGER)));
        Ok(self.report)
    }

    /// Removes what was built.
    ///
    /// # Errors
    /// A disk that refuses; the next command removes it then.
    pub fn withdraw(self) -> Result<(), BackupError> {
        files::remove(&self.state_dir.join(swap::BUILDING))
    }
}

/// Copies the ledger's files, each checked on the way.
fn copy(
    order: &RestoreOrder,
    manifest: &BackupManifest,
    building: &Path,
    told: &mut dyn FnMut(Step),
) -> Result<(), BackupError> {
    let mut done = 0;
    let mut told = |octets| told(Step::Copying(octets));
    for file in &manifest.files {
        let to = file
            .name
            .strip_prefix(LEDGER)
            .and_then(|name| name.strip_prefix('/'))
            .map(|name| building.join(name));
        files::checked(&order.backup, file, to.as_deref(), &mut done, &mut told)?;
    }
    let snapshot = LedgerSnapshot::of_copy(building)?;
    agrees(&order.backup, manifest, &snapshot)
}

/// Opens what was copied, and the epoch in it, and makes the configured issuers known.
fn open(
    order: &RestoreOrder,
    manifest: &BackupManifest,
    traces: &Traces,
    building: &Path,
) -> Result<(Ledger, EpochOpened, u64), BackupError> {
    let remembered = order.answers.map(|(sequence, _)| sequence);
    let (highest, sequence, why) = traces.floor(manifest.last_sequence, remembered);
    let ledger = Ledger::open(building)?;
    let floor = Floor {
        sequence,
        answers: order.answers,
        why,
    };
    let made = &manifest.made;
    let opened = ledger.open_epoch(&floor, &source(&format!("backup of {made}")), order.now_ms)?;
    let config = Source::new("config", "").unwrap_or_else(|_| source(""));
    for issuer in &order.issuers {
        ledger.define_issuer(issuer, &config, order.now_ms)?;
    }
    Ok((ledger, opened, highest))
}

/// What is odd about the backup, seen from here.
fn notes(order: &RestoreOrder, traces: &Traces) -> Result<Vec<String>, BackupError> {
    let mut notes = Vec::new();
    if let Some(aside) = &traces.aside {
        let (manifest, _) = BackupManifest::read(&order.backup)?;
        let copy = LedgerSnapshot::of_copy(&order.backup.join(LEDGER))?;
        let both = manifest.last_sequence.min(aside.facts.last_sequence);
        if both > 0 && !agree_on(&copy, &aside.snapshot, both)? {
            notes.push(
                "the backup is not an earlier state of the ledger that is set aside: the two have \
                 different histories. If that is not meant, answer no, and look for the right backup"
                    .to_owned(),
            );
        }
    }
    Ok(notes)
}

/// Whether the key that will be in force is another one than that of the last checkpoint in the backup.
fn of_other_key(
    order: &RestoreOrder,
    manifest: &BackupManifest,
    ledger: &Ledger,
) -> Result<Option<String>, BackupError> {
    let snapshot = ledger.snapshot()?;
    let Some(last) = snapshot.checkpoints()?.pop() else {
        return Ok(None);
    };
    let path = match (order.key.exists(), manifest.with_key) {
        (true, _) => order.key.clone(),
        (false, true) => order.backup.join(KEYS).join(KEY),
        (false, false) => {
            return Ok(Some(format!(
                "there is no ledger key in {}, and none in the backup: a new one will sign for the new \
                 epoch, and those who verify need it (estelam audit key). If the key before is kept \
                 elsewhere, answer no, and put it there first",
                order.key.display()
            )));
        }
    };
    let key = match LedgerKey::open(&path, order.origin.as_deref()) {
        Ok(key) => key,
        Err(error) => return Ok(Some(error.to_string())),
    };
    let other = last_is_of_other_key(&snapshot, &key.verifier())?;
    Ok(other.map(|_| {
        format!(
            "the key in {} (of {}) did not sign the last checkpoint in the backup, of {} entries: it will \
             sign for the new epoch, and those who verify need it (estelam audit key). If that is not \
             meant, answer no, and put the key before there first",
            path.display(),
            key.name(),
            last.size
        )
    }))
}

/// Puts the ledger's key where it belongs, unless there is one.
fn install_key(key: &Path, path: &Path) -> Result<bool, BackupError> {
    let Some(folder) = path.parent().filter(|_| !path.exists()) else {
        return Ok(false);
    };
    let octets = disk::read(key)?;
    disk::create_folder(folder)?;
    let temporary = folder.join("ledger.key.tmp");
    if temporary.exists() {
        disk::remove(&temporary)?;
    }
    let file = disk::create(&temporary)?;
    disk::write_at(&file, &temporary, &octets, 0)?;
    disk::make_read_only(&file, &temporary)?;
    disk::sync(&file, &temporary)?;
    disk::rename(&temporary, path)?;
    disk::sync_folder(folder)?;
    Ok(true)
}

const CATALOG: &str = "catalog";
