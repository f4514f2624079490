//! Files that are written once, whole, and never over others.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{Exit, Failure};

/// Refuses names that are taken, before anything is made.
pub(in crate::cli) fn refuse_existing(paths: &[&Path]) -> Result<(), Failure> {
    for path in paths {
        // Also a link that leads nowhere.
        if path.symlink_metadata().is_ok() {
            return Err(exists(path));
        }
    }
    Ok(())
}

/// A folder, which may be there already.
pub(super) fn create_folder(path: &Path) -> Result<(), Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .map_err(|error| failed(path, &error))
}

/// Writes a file that everybody may read.
pub(in crate::cli) fn write_public(path: &Path, content: &[u8]) -> Result<(), Failure> {
    write(path, content, 0o644)
}

/// Writes a file for its owner alone.
pub(super) fn write_secret(path: &Path, content: &[u8]) -> Result<(), Failure> {
    write(path, content, 0o600)
}

/// Beside, synced, then under its name, so that no half-written file ever has it.
fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), Failure> {
    let unfinished = beside(path);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&unfinished)
        .and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        })
        .and_then(|()| name(&unfinished, path));
    written.map_err(|error| {
        // What could not be finished has no name that anybody looks for.
        drop(std::fs::remove_file(&unfinished));
        match error.kind() {
            io::ErrorKind::AlreadyExists => exists(path),
            _ => failed(path, &error),
        }
    })
}

/// Names a file, never over another one, and syncs the folder.
fn name(unfinished: &Path, path: &Path) -> io::Result<()> {
    match renameat_with(CWD, unfinished, CWD, path, RenameFlags::NOREPLACE) {
        // A file system without it: a link is never made over another name either.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            std::fs::hard_link(unfinished, path)?;
            std::fs::remove_file(unfinished)?;
        }
        renamed => renamed?,
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

fn exists(path: &Path) -> Failure {
    Failure::new(
        Exit::Usage,
        format!(
            "{} exists already and is never written over: name another place with --out",
            path.display()
        ),
    )
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Storage, format!("{}: {error}", path.display()))
}
