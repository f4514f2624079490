//! CRLs as files: those of the last run are published again at a start, and those in service are
//! compressed in the background.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use super::runtime::{Shared, Wake};
use crate::catalog::Publication;
use crate::catalog::crls::Shelf;
use crate::catalog::files::{Coding, compress, compressed_path};
use crate::segment::{MappedFile, names, pending_markers};

/// Runs until told to stop. Nobody waits for it: a start does not take longer for large CRLs, and a CRL is
/// served plain until its compressed forms are there.
pub(super) fn run(shared: &Shared, wake: &Wake) {
    publish_listed(shared);
    // The lowest there is, for this thread alone. Refused, it goes on as it is.
    let _result = rustix::process::nice(19);
    // What is not worth it, or failed: not tried again while the CRL is in service.
    let mut done = BTreeSet::new();
    while !shared.stopping() {
        look_again(shared);
        match next(shared, &mut done) {
            Some((crl, coding)) => {
                done.insert((*crl.sha256(), coding.name()));
                publish_compressed(shared, &crl, coding);
            }
            None => wake.wait(LOOK),
        }
    }
}

/// Publishes what the listing names. Reads all of it first.
fn publish_listed(shared: &Shared) {
    let folder = shared.catalog.crl_folder();
    forget_faults(&folder);
    let listing = match Shelf::read_listing(&folder) {
        Ok(listing) => listing,
        Err(error) => {
            tracing::error!(%error, "the CRLs of the last run cannot be served");
            return;
        }
    };
    if listing.generation == 0 {
        return;
    }
    let editions = listing.editions.len();
    match shared.publish(&[Publication::Crls(Arc::new(listing))]) {
        Ok(()) => {
            let left_out = shared.catalog.snapshot().files().left_out().len();
            let served = editions.saturating_sub(left_out);
            tracing::info!(served, left_out, "CRLs are served");
        }
        Err(error) => tracing::error!(%error, "the CRLs of the last run cannot be served"),
    }
}

/// Publishes the listing once more where a file was found damaged while it was read. It is read whole
/// again: left out, and told in the statistics, unless the disk has come to its senses.
fn look_again(shared: &Shared) {
    let listing = {
        let snapshot = shared.catalog.snapshot();
        let files = snapshot.files();
        if files.crls().all(|(_, file, _)| file.is_fit()) {
            return;
        }
        Arc::clone(files.listing())
    };
    if let Err(error) = shared.catalog.publish(&[Publication::Crls(listing)]) {
        tracing::error!(%error, "a damaged CRL could not be looked at again");
    }
}

/// A process that died of a page it could not read has left a mark. The file is read whole before it is
/// served again, so a mark has nothing to add but the line in the log.
fn forget_faults(folder: &std::path::Path) {
    for sha256 in pending_markers(folder).unwrap_or_default() {
        let marker = folder.join(names::name(&sha256, names::MARKER));
        tracing::error!(
            file = names::hexadecimal(&sha256),
            "the server had stopped since a page of this CRL could not be read; check the disk"
        );
        drop(fs::remove_file(marker));
    }
}

/// A CRL in service that lacks a compressed form which was not tried yet.
fn next(
    shared: &Shared,
    done: &mut BTreeSet<([u8; 32], &'static str)>,
) -> Option<(Arc<MappedFile>, Coding)> {
    let snapshot = shared.catalog.snapshot();
    let files = snapshot.files();
    let in_service: BTreeSet<_> = files.crls().map(|(_, file, _)| *file.sha256()).collect();
    done.retain(|(sha256, _)| in_service.contains(sha256));
    files.crls().find_map(|(_, file, there)| {
        let wanted = file.octets() >= COMPRESSED_FROM && file.is_fit();
        let lacking = |coding: &Coding| {
            !there.contains(coding) && !done.contains(&(*file.sha256(), coding.name()))
        };
        let coding = Coding::COMPRESSED.into_iter().find(lacking)?;
        wanted.then(|| (Arc::clone(file), coding))
    })
}

fn publish_compressed(shared: &Shared, crl: &MappedFile, coding: Coding) {
    let folder = shared.catalog.crl_folder();
    let sha256 = *crl.sha256();
    let publish = || shared.publish(&[Publication::CrlCoding { sha256, coding }]);
    // Of the last run.
    let path = compressed_path(&folder, &sha256, coding);
    if path.exists() {
        match publish() {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(%error, "a compressed CRL is made anew");
                drop(fs::remove_file(&path));
            }
        }
    }
    let in_service = || {
        let snapshot = shared.catalog.snapshot();
        let mut crls = snapshot.files().crls();
        !shared.stopping() && crls.any(|(_, file, _)| *file.sha256() == sha256)
    };
    let failed = match compress(&folder, crl, coding, in_service) {
        Ok(false) => return,
        Ok(true) if in_service() => match publish() {
            Ok(()) => return,
            Err(error) => error.to_string(),
        },
        // Whoever listed it in the meantime has swept before the file was there.
        Ok(true) => {
            drop(fs::remove_file(&path));
            return;
        }
        Err(error) => error.to_string(),
    };
    if !crl.is_fit() {
        tracing::error!(
            file = %crl.path().display(),
            "a CRL's octets changed on the disk: it is not served any more. Check the disk, and publish \
             it again (`estelam crl publish`)"
        );
    } else if in_service() {
        tracing::warn!(
            file = %path.display(), error = failed,
            "a CRL could not be compressed; it is served as it is"
        );
    }
    drop(fs::remove_file(&path));
}

/// What fits a packet or two is not worth another form.
const COMPRESSED_FROM: usize = 2_048;
/// A new CRL wakes this thread; this is for one that was found damaged while it was served.
const LOOK: Duration = Duration::from_secs(60);
