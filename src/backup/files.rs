//! Folders of files, whole: listing, digesting, copying, removing, each synced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};

use super::{BackupError, BackupFile};
use crate::segment::{disk, names};

/// Told after each piece: octets so far.
pub(super) type Told<'a> = &'a mut dyn FnMut(u64);

/// The files under `dir`, by their names with `/`, in the order of these; folders are not among them.
pub(super) fn list(dir: &Path) -> Result<Vec<(String, PathBuf)>, BackupError> {
    let mut files = Vec::new();
    let mut folders = vec![(String::new(), dir.to_owned())];
    while let Some((prefix, folder)) = folders.pop() {
        let failed = |error| BackupError::system("list", &folder, error);
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            // A link is taken for a file that leads elsewhere, and found out by its digest or length.
            if entry.file_type().map_err(failed)?.is_dir() {
                folders.push((format!("{name}/"), path));
            } else {
                files.push((name, path));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Length and digest of a file, which is synced.
pub(super) fn described(
    name: String,
    path: &Path,
    done: &mut u64,
    told: Told<'_>,
) -> Result<BackupFile, BackupError> {
    let file = disk::open(path)?;
    let (len, sha256) = digest(&file, path, &mut io::sink(), done, told)?;
    disk::sync(&file, path)?;
    let sha256 = names::hexadecimal(&sha256);
    Ok(BackupFile { name, len, sha256 })
}

/// Compares a file with what the manifest says of it; copies it to `to` on the way, synced.
pub(super) fn checked(
    dir: &Path,
    file: &BackupFile,
    to: Option<&Path>,
    done: &mut u64,
    told: Told<'_>,
) -> Result<(), BackupError> {
    let path = dir.join(&file.name);
    let damaged = |why: &str| BackupError::damaged(dir, format!("{} {why}", file.name));
    let metadata = fs::symlink_metadata(&path).map_err(|_| damaged("is missing"))?;
    if !metadata.is_file() {
        return Err(damaged("is no file"));
    }
    if metadata.len() != file.len {
        let found = metadata.len();
        return Err(damaged(&format!(
            "has {found} octets instead of {}",
            file.len
        )));
    }
    let source = disk::open(&path)?;
    let found = match to {
        None => digest(&source, &path, &mut io::sink(), done, told)?,
        Some(to) => {
            let mut copy = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(to)
                .map_err(|error| BackupError::system("create", to, error))?;
            let found = digest(&source, to, &mut copy, done, told)?;
            copy.sync_all()
                .map_err(|error| BackupError::system("sync", to, error))?;
            found
        }
    };
    if found.0 != file.len || names::hexadecimal(&found.1) != file.sha256 {
        return Err(damaged("has other octets than when the backup was made"));
    }
    Ok(())
}

/// Reads a file to its end, and writes it to `sink`.
fn digest(
    mut file: &File,
    path: &Path,
    sink: &mut dyn Write,
    done: &mut u64,
    told: Told<'_>,
) -> Result<(u64, [u8; 32]), BackupError> {
    let mut context = Context::new(&SHA256);
    let mut piece = vec![0; PIECE_OCTETS];
    let mut len = 0_u64;
    loop {
        let count = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(BackupError::system("read", path, error)),
        };
        let octets = piece.get(..count).unwrap_or_default();
        context.update(octets);
        sink.write_all(octets)
            .map_err(|error| BackupError::system("write", path, error))?;
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        (len, *done) = (len.saturating_add(count), done.saturating_add(count));
        told(*done);
    }
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(context.finish().as_ref());
    Ok((len, sha256))
}

/// Syncs a folder and all folders in it, so that the names of their files stay.
pub(super) fn sync_folders(dir: &Path) -> Result<(), BackupError> {
    for (_, path) in list(dir)? {
        if let Some(folder) = path.parent().filter(|folder| *folder != dir) {
            disk::sync_folder(folder)?;
        }
    }
    Ok(disk::sync_folder(dir)?)
}

/// Removes a folder of ours that was never finished, and makes it anew.
pub(super) fn anew(dir: &Path) -> Result<(), BackupError> {
    remove(dir)?;
    disk::create_folder(dir)?;
    Ok(())
}

/// Removes a folder of ours, if it is there.
pub(super) fn remove(dir: &Path) -> Result<(), BackupError> {
    match fs::remove_dir_all(dir) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(BackupError::system("remove", dir, error)),
    }
}

const PIECE_OCTETS: usize = 1 << 20;
