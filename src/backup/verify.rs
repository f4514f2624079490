//! Whether a backup is whole.

use std::path::Path;

use super::take::LEDGER;
use super::{BackupError, BackupManifest, files, manifest};
use crate::ledger::{Frontier, LedgerSnapshot, leaf_hash};
use crate::segment::names;

/// Checks every octet of a backup: each file by length and digest, that there is no other, and that the
/// ledger in it is the one of the manifest, with every entry hashed again into the log's root. Changes
/// nothing.
///
/// `told` is given the octets that were read so far.
///
/// # Errors
/// [`BackupError`], which names what is wrong.
pub fn verify(dir: &Path, told: &mut dyn FnMut(u64)) -> Result<BackupManifest, BackupError> {
    let (manifest, _) = BackupManifest::read(dir)?;
    let mut done = 0;
    for file in &manifest.files {
        files::checked(dir, file, None, &mut done, told)?;
    }
    for (name, _) in files::list(dir)? {
        if name != manifest::NAME && !manifest.files.iter().any(|file| file.name == name) {
            let why = format!("{name} does not belong to it");
            return Err(BackupError::damaged(dir, why));
        }
    }
    let snapshot = LedgerSnapshot::of_copy(&dir.join(LEDGER))?;
    agrees(dir, &manifest, &snapshot)?;
    let mut log = Frontier::default();
    let mut octets = Vec::new();
    for entry in snapshot.entries_since(0)? {
        octets.clear();
        let entry = entry?;
        let encoded = entry.encode(&mut octets);
        encoded.map_err(|error| BackupError::damaged(dir, error.to_string()))?;
        log.push(leaf_hash(&octets), |_, _, _| {});
    }
    if log.head() != snapshot.tree_head()? {
        let why = "the entries in it are not those that its log speaks for";
        return Err(BackupError::damaged(dir, why));
    }
    Ok(manifest)
}

/// Whether the ledger in a backup, or in a copy of it, is the one that the manifest speaks of.
pub(super) fn agrees(
    dir: &Path,
    manifest: &BackupManifest,
    snapshot: &LedgerSnapshot,
) -> Result<(), BackupError> {
    let facts = snapshot.facts()?;
    let found = (
        facts.epoch,
        facts.last_sequence,
        facts.head.size,
        names::hexadecimal(&facts.head.root),
        facts.writes,
    );
    let expected = (
        manifest.epoch,
        manifest.last_sequence,
        manifest.tree_size,
        manifest.tree_root.clone(),
        manifest.writes,
    );
    if found != expected {
        let why = "the ledger in it is not the one that its manifest speaks of";
        return Err(BackupError::damaged(dir, why));
    }
    Ok(())
}
