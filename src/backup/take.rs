//! Making a backup.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{BackupError, BackupIssuer, BackupManifest, files};
use crate::asn1::UnixTime;
use crate::ledger::{Ledger, LedgerSnapshot};
use crate::segment::{disk, names};

/// What is to be backed up where.
#[derive(Clone, Debug)]
pub struct BackupOrder {
    /// The folder that the backup becomes: it must not exist, or be empty.
    pub to: PathBuf,
    /// The ledger's key, if it is to be in the backup.
    pub key: Option<PathBuf>,
    /// The time.
    pub now: UnixTime,
}

/// Makes a backup of a ledger that may be written to meanwhile. When this returns it is on the disk;
/// interrupted before, there is no backup, and what was begun is removed by the next one.
///
/// `told` is given the octets that were read so far.
///
/// # Errors
/// [`BackupError`]; then there is no backup.
pub fn take(
    ledger: &Ledger,
    order: &BackupOrder,
    told: &mut dyn FnMut(u64),
) -> Result<BackupManifest, BackupError> {
    let to = &order.to;
    let (Some(parent), Some(name)) = (to.parent(), to.file_name()) else {
        return Err(BackupError::NoPlace { path: to.clone() });
    };
    is_free(to)?;
    if !parent.is_dir() {
        return Err(BackupError::NoPlace { path: to.clone() });
    }
    let mut partial = OsString::from(".");
    partial.push(name);
    partial.push(PARTIAL);
    let partial = parent.join(partial);
    let _lock = begin(&partial, to)?;
    let taken = fill(ledger, order, &partial, told).and_then(|manifest| {
        fs::rename(&partial, to).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty => BackupError::NotEmpty { path: to.clone() },
            _ => BackupError::system("rename to", to, error),
        })?;
        disk::sync_folder(parent)?;
        Ok(manifest)
    });
    if taken.is_err() {
        // What stays is in nobody's way: the next one begins anew.
        let _result = files::remove(&partial);
    }
    taken
}

fn is_free(to: &Path) -> Result<(), BackupError> {
    let taken = || BackupError::NotEmpty {
        path: to.to_owned(),
    };
    match fs::read_dir(to) {
        Ok(mut entries) => entries.next().map_or(Ok(()), |_| Err(taken())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(taken()),
        Err(error) => Err(BackupError::system("list", to, error)),
    }
}

/// Makes the folder that is built, and locks it against another backup to the same place.
fn begin(partial: &Path, to: &Path) -> Result<File, BackupError> {
    let lock = |partial: &Path| {
        let folder = disk::open(partial)?;
        match folder.try_lock() {
            Ok(()) => Ok(folder),
            Err(TryLockError::WouldBlock) => Err(BackupError::UnderWay {
                path: to.to_owned(),
            }),
            Err(TryLockError::Error(error)) => Err(BackupError::system("lock", partial, error)),
        }
    };
    if partial.exists() {
        drop(lock(partial)?);
    }
    files::anew(partial)?;
    lock(partial)
}

fn fill(
    ledger: &Ledger,
    order: &BackupOrder,
    partial: &Path,
    told: &mut dyn FnMut(u64),
) -> Result<BackupManifest, BackupError> {
    let copy = partial.join(LEDGER);
    ledger
        .checkpoint(&copy)
        .map_err(|source| BackupError::copy(&copy, source))?;
    let only_ours = fs::Permissions::from_mode(0o700);
    fs::set_permissions(&copy, only_ours)
        .map_err(|error| BackupError::system("set the mode of", &copy, error))?;
    // What it came to is read from the copy: the ledger has gone on.
    let snapshot = LedgerSnapshot::of_copy(&copy)?;
    let facts = snapshot.facts()?;
    let issuers = snapshot
        .issuers()
        .map(|issuer| {
            Ok(BackupIssuer {
                name: issuer.identity.label.clone(),
                certificates: snapshot.record_count(&issuer.id)?,
                revoked: snapshot.revoked_count(&issuer.id)?,
            })
        })
        .collect::<Result<_, BackupError>>()?;
    drop(snapshot);
    Ledger::seal_copy(&copy, &facts).map_err(|error| BackupError::system("write", &copy, error))?;
    if let Some(key) = &order.key {
        copy_key(key, &partial.join(KEYS))?;
    }
    let mut done = 0;
    let files = files::list(partial)?
        .into_iter()
        .map(|(name, path)| files::described(name, &path, &mut done, told))
        .collect::<Result<_, BackupError>>()?;
    files::sync_folders(partial)?;
    let manifest = BackupManifest {
        made: order.now.to_string(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        epoch: facts.epoch,
        last_sequence: facts.last_sequence,
        tree_size: facts.head.size,
        tree_root: names::hexadecimal(&facts.head.root),
        writes: facts.writes,
        issuers,
        with_key: order.key.is_some(),
        files,
    };
    manifest.write(partial)?;
    Ok(manifest)
}

fn copy_key(key: &Path, folder: &Path) -> Result<(), BackupError> {
    let mut octets = Vec::new();
    disk::open(key)?
        .read_to_end(&mut octets)
        .map_err(|error| BackupError::system("read", key, error))?;
    disk::create_folder(folder)?;
    let path = folder.join(KEY);
    let file = disk::create(&path)?;
    disk::write_at(&file, &path, &octets, 0)?;
    disk::make_read_only(&file, &path)?;
    disk::sync(&file, &path)?;
    Ok(())
}

const PARTIAL: &str = ".estelam-partial";
/// The folder of the ledger's files in a backup, and in the state folder.
pub(super) const LEDGER: &str = "ledger";
pub(super) const KEYS: &str = "keys";
pub(super) const KEY: &str = "ledger.key";
