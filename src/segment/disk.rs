//! The file operations of segments and of the catalog, each of them a place where a test can make the
//! disk fail.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file operation that failed: which one, on what, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct DiskError {
    /// What was tried, as a verb: "write", "sync".
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// The system's answer.
    #[source]
    pub source: io::Error,
}

/// Creates a file that must not exist yet, readable and writable by its owner alone.
pub(crate) fn create(path: &Path) -> Result<File, DiskError> {
    run("create", path, || {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
    })
}

pub(crate) fn open(path: &Path) -> Result<File, DiskError> {
    run("open", path, || File::open(path))
}

/// Writes all octets at `offset`; short and interrupted writes go on.
pub(crate) fn write_at(
    file: &File,
    path: &Path,
    octets: &[u8],
    offset: u64,
) -> Result<(), DiskError> {
    #[cfg(test)]
    faults::tear(file, octets, offset);
    run("write", path, || file.write_all_at(octets, offset))
}

/// Fills `octets` from `offset`; the end of the file before that is an error.
pub(crate) fn read_at(
    file: &File,
    path: &Path,
    octets: &mut [u8],
    offset: u64,
) -> Result<(), DiskError> {
    run("read", path, || file.read_exact_at(octets, offset))
}

pub(crate) fn length(file: &File, path: &Path) -> Result<u64, DiskError> {
    run("measure", path, || {
        file.metadata().map(|metadata| metadata.len())
    })
}

/// Takes the right to write away: a published file is never changed.
pub(crate) fn make_read_only(file: &File, path: &Path) -> Result<(), DiskError> {
    run("set the mode of", path, || {
        file.set_permissions(Permissions::from_mode(0o400))
    })
}

/// Waits until the file's octets are on the disk. After a failure its octets must be thought lost: the
/// kernel may report an error once and then call the same pages clean.
pub(crate) fn sync(file: &File, path: &Path) -> Result<(), DiskError> {
    run("sync", path, || file.sync_all())
}

/// Makes renames and removals in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> Result<(), DiskError> {
    run("sync", path, || File::open(path)?.sync_all())
}

/// Creates a folder for its owner alone, and those above it, unless it is there.
pub(crate) fn create_folder(path: &Path) -> Result<(), DiskError> {
    run("create", path, || {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    })
}

/// Replaces the file `name` in `folder` as a whole: written beside as `temporary`, synced, renamed, the
/// folder synced. After a crash at any moment the old octets or the new ones are there.
pub(crate) fn replace(
    folder: &Path,
    name: &str,
    temporary: &str,
    octets: &[u8],
) -> Result<(), DiskError> {
    let temporary = folder.join(temporary);
    if temporary.exists() {
        remove(&temporary)?;
    }
    let written = create(&temporary).and_then(|file| {
        write_at(&file, &temporary, octets, 0)?;
        sync(&file, &temporary)
    });
    if written.is_err() {
        // What stays is in nobody's way: it is removed before the next one is written.
        let _result = remove(&temporary);
    }
    written?;
    rename(&temporary, &folder.join(name))?;
    sync_folder(folder)
}

pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), DiskError> {
    run("rename to", to, || fs::rename(from, to))
}

pub(crate) fn remove(path: &Path) -> Result<(), DiskError> {
    run("remove", path, || fs::remove_file(path))
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, DiskError> {
    run("read", path, || fs::read(path))
}

pub(crate) fn names(folder: &Path) -> Result<Vec<String>, DiskError> {
    run("list", folder, || {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            // Names of ours are ASCII; others are nobody's business here.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    })
}

fn run<T>(
    action: &'static str,
    path: &Path,
    operation: impl FnOnce() -> io::Result<T>,
) -> Result<T, DiskError> {
    #[cfg(test)]
    let operation = || faults::next().map_or_else(operation, Err);
    operation().map_err(|source| DiskError {
        action,
        path: path.to_owned(),
        source,
    })
}

/// Makes the k-th operation of this thread fail.
#[cfg(test)]
pub(crate) mod faults {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static COUNTDOWN: Cell<Option<u64>> = const { Cell::new(None) };
        static FAULT: Cell<Fault> = const { Cell::new(Fault::Once(5)) };
    }

    /// What fails.
    #[derive(Clone, Copy)]
    pub(crate) enum Fault {
        /// One operation, with this error number.
        Once(i32),
        /// This operation and all after it: what a crash leaves behind.
        Crash,
    }

    /// Arms the fault: `k` operations succeed before it.
    pub(crate) fn arm(k: u64, fault: Fault) {
        COUNTDOWN.set(Some(k));
        FAULT.set(fault);
    }

    /// Disarms; true when the fault struck.
    pub(crate) fn disarm() -> bool {
        match (COUNTDOWN.replace(None), FAULT.get()) {
            (None, _) => true,
            (Some(left), Fault::Crash) => left == 0,
            (Some(_), Fault::Once(_)) => false,
        }
    }

    pub(super) fn next() -> Option<io::Error> {
        let left = COUNTDOWN.get()?;
        if left > 0 {
            COUNTDOWN.set(Some(left - 1));
            return None;
        }
        match FAULT.get() {
            Fault::Once(errno) => {
                COUNTDOWN.set(None);
                Some(io::Error::from_raw_os_error(errno))
            }
            Fault::Crash => Some(io::Error::from_raw_os_error(libc::EIO)),
        }
    }

    /// A write that is about to fail has already written its first half.
    pub(super) fn tear(file: &File, octets: &[u8], offset: u64) {
        if COUNTDOWN.get() == Some(0) && (matches!(FAULT.get(), Fault::Once(_))) {
            file.write_all_at(&octets[..octets.len() / 2], offset)
                .unwrap();
        }
    }
}
