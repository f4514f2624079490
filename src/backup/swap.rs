//! The moment of a restore: the ledger that was built takes the place of the one before.
//!
//! ```text
//! ledger.restoring/                being built, or ready but not in force; locked while somebody builds
//! ledger.restoring/restored.json   ready: everything is in it and on the disk
//! ledger/                          in force
//! ledger.aside-TIME/               what was in force before
//! ```
//!
//! Two renames: `ledger` to `ledger.aside-TIME`, then `ledger.restoring` to `ledger`. Killed before the
//! first, the old ledger is in force and what was built is removed by the next command. Killed between
//! them, there is no `ledger` and a `ledger.restoring` that is ready: the next command that needs the ledger
//! does the second one ([`finish`]). There is never a moment at which an empty ledger could be begun in its
//! place: whoever opens the ledger comes through [`finish`] first, and finds the lock held.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::take::LEDGER;
use super::{BackupError, files};
use crate::segment::{disk, names};

/// What an interrupted restore had left behind.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Unfinished {
    /// Nothing: there was none.
    Nothing,
    /// It was interrupted before it took effect: the ledger is as before, and what was built is removed.
    Withdrawn,
    /// It was interrupted in its last step, which was done now: the restored ledger is in force.
    Finished(Restored),
}

/// The mark of a ledger that was restored; kept in its folder.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Restored {
    /// The backup's folder.
    pub backup: PathBuf,
    /// SHA-256 of the backup's manifest.
    pub manifest_sha256: String,
    /// When it was restored, RFC 3339.
    pub at: String,
    /// The epoch that was opened.
    pub epoch: u32,
    /// The name of the folder in which the ledger before is kept, if there was one.
    pub set_aside: Option<String>,
}

impl Restored {
    /// Whether it was restored from the backup whose manifest has this digest.
    #[must_use]
    pub fn is_of(&self, manifest_sha256: &[u8; 32]) -> bool {
        self.manifest_sha256 == names::hexadecimal(manifest_sha256)
    }
}

/// Finishes or withdraws a restore that was interrupted. To be called before the ledger in `state_dir` is
/// opened.
///
/// # Errors
/// [`BackupError::RestoreUnderWay`], [`BackupError::RestoreInterrupted`], or a disk that refuses.
pub fn finish(state_dir: &Path) -> Result<Unfinished, BackupError> {
    let building = state_dir.join(BUILDING);
    if !building.exists() {
        return Ok(Unfinished::Nothing);
    }
    let _lock = lock(&building)?;
    let ledger = state_dir.join(LEDGER);
    if ledger.exists() {
        files::remove(&building)?;
        return Ok(Unfinished::Withdrawn);
    }
    match read_mark(&building)? {
        None => Err(BackupError::RestoreInterrupted { path: ledger }),
        Some(restored) => {
            put_in_place(state_dir)?;
            Ok(Unfinished::Finished(restored))
        }
    }
}

/// The mark of a folder that is ready; `None` where there is none that can be read.
pub(super) fn read_mark(folder: &Path) -> Result<Option<Restored>, BackupError> {
    let path = folder.join(MARK);
    if !path.exists() {
        return Ok(None);
    }
    Ok(serde_json::from_slice(&disk::read(&path)?).ok())
}

/// Says that everything is in the folder that was built.
pub(super) fn mark_ready(building: &Path, restored: &Restored) -> Result<(), BackupError> {
    files::sync_folders(building)?;
    // Strings and numbers only.
    let octets = serde_json::to_vec_pretty(restored).unwrap_or_default();
    Ok(disk::replace(building, MARK, MARK_TEMPORARY, &octets)?)
}

/// Puts what is ready in force.
pub(super) fn swap(state_dir: &Path, restored: &Restored) -> Result<(), BackupError> {
    if let Some(name) = &restored.set_aside {
        disk::rename(&state_dir.join(LEDGER), &state_dir.join(name))?;
        disk::sync_folder(state_dir)?;
    }
    put_in_place(state_dir)
}

fn put_in_place(state_dir: &Path) -> Result<(), BackupError> {
    disk::rename(&state_dir.join(BUILDING), &state_dir.join(LEDGER))?;
    Ok(disk::sync_folder(state_dir)?)
}

/// The right to build; held until the restore is over. It goes with the folder when that is renamed.
pub(super) fn lock(building: &Path) -> Result<File, BackupError> {
    let folder = disk::open(building)?;
    match folder.try_lock() {
        Ok(()) => Ok(folder),
        Err(TryLockError::WouldBlock) => Err(BackupError::RestoreUnderWay {
            path: building.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(BackupError::system("lock", building, error)),
    }
}

/// A name that nothing has, for the ledger that is set aside.
pub(super) fn aside_name(state_dir: &Path, now: &str) -> String {
    let time: String = now.chars().filter(char::is_ascii_alphanumeric).collect();
    let mut name = format!("{LEDGER}.aside-{time}");
    while fs::symlink_metadata(state_dir.join(&name)).is_ok() {
        name.push('x');
    }
    name
}

pub(super) const BUILDING: &str = "ledger.restoring";
const MARK: &str = "restored.json";
const MARK_TEMPORARY: &str = "restored.json.tmp";

#[cfg(test)]
mod tests {
    use super::*;

    fn restored(set_aside: Option<&str>) -> Restored {
        Restored {
            backup: PathBuf::from("/backup"),
            manifest_sha256: names::hexadecimal(&[7; 32]),
            at: "2026-03-21T08:30:00Z".to_owned(),
            epoch: 2,
            set_aside: set_aside.map(str::to_owned),
        }
    }

    /// A state folder with these; each has a file that tells it from the others.
    fn state(folders: &[&str]) -> tempfile::TempDir {
        let state = tempfile::tempdir().unwrap();
        for folder in folders {
            fs::create_dir(state.path().join(folder)).unwrap();
            fs::write(state.path().join(folder).join("name"), folder).unwrap();
        }
        state
    }

    fn holds(state: &Path, folder: &str) -> Option<String> {
        fs::read_to_string(state.join(folder).join("name")).ok()
    }

    /// The same after each step of a restore that a crash may follow.
    #[test]
    fn an_interrupted_restore_is_finished_or_withdrawn() {
        let nothing = state(&[LEDGER]);
        assert_eq!(finish(nothing.path()).unwrap(), Unfinished::Nothing);

        let unready = state(&[LEDGER, BUILDING]);
        assert_eq!(finish(unready.path()).unwrap(), Unfinished::Withdrawn);
        assert_eq!(holds(unready.path(), LEDGER).as_deref(), Some(LEDGER));
        assert!(!unready.path().join(BUILDING).exists());

        let lost = state(&[BUILDING]);
        assert!(matches!(
            finish(lost.path()),
            Err(BackupError::RestoreInterrupted { .. })
        ));
        assert!(lost.path().join(BUILDING).exists());

        let ready = state(&[LEDGER, BUILDING]);
        let mark = restored(Some("ledger.aside-1"));
        mark_ready(&ready.path().join(BUILDING), &mark).unwrap();
        assert_eq!(finish(ready.path()).unwrap(), Unfinished::Withdrawn);

        let between = state(&["ledger.aside-1", BUILDING]);
        mark_ready(&between.path().join(BUILDING), &mark).unwrap();
        let lock = lock(&between.path().join(BUILDING)).unwrap();
        assert!(matches!(
            finish(between.path()),
            Err(BackupError::RestoreUnderWay { .. })
        ));
        drop(lock);
        let finished = finish(between.path()).unwrap();
        assert_eq!(finished, Unfinished::Finished(mark.clone()));
        assert!(mark.is_of(&[7; 32]) && !mark.is_of(&[8; 32]));
        assert_eq!(holds(between.path(), LEDGER).as_deref(), Some(BUILDING));
        assert_eq!(finish(between.path()).unwrap(), Unfinished::Nothing);
    }

    #[test]
    fn a_swap_sets_the_ledger_aside() {
        let state = state(&[LEDGER, BUILDING]);
        let name = aside_name(state.path(), "2026-03-21T08:30:00Z");
        assert_eq!(name, "ledger.aside-20260321T083000Z");
        swap(state.path(), &restored(Some(&name))).unwrap();
        assert_eq!(holds(state.path(), &name).as_deref(), Some(LEDGER));
        assert_eq!(holds(state.path(), LEDGER).as_deref(), Some(BUILDING));
        let other = aside_name(state.path(), "2026-03-21T08:30:00Z");
        assert_ne!(other, name);
    }
}
