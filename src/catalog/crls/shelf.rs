//! The folder of CRLs: what is in its listing is whole, and what is not is no CRL.

use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;

use super::{CrlEdition, CrlKind, CrlListing, SignedDocument};

/// The file that lists them.
const LISTING: &str = "listing.json";
/// What unfinished files end with.
const UNFINISHED: &str = ".tmp";
const CRL: &str = "crl";

/// The folder, held by whoever makes CRLs. One process at a time writes to it: who holds the ledger.
#[derive(Debug)]
pub struct Shelf {
    folder: PathBuf,
    current: ArcSwap<CrlListing>,
    /// Numbers the unfinished files of this process.
    unfinished: AtomicU64,
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShelfError {
    /// The disk.
    #[error("{}: {source}", path.display())]
    Io {
        /// What could not be read or written.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What goes with the listing could not be made.
    #[error("the documents that list the CRLs could not be made: {why}")]
    Documents {
        /// Why.
        why: String,
    },
    /// The listing was written by something else.
    #[error("{}: it is not a listing of CRLs ({source}); remove it, and CRLs are made anew", path.display())]
    Listing {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// A file beside the finished ones, gone when it is dropped without being placed.
#[derive(Debug)]
pub struct Unfinished {
    path: PathBuf,
}

impl Unfinished {
    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it, empty.
    ///
    /// # Errors
    /// As opening a file.
    pub fn create(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        options.open(&self.path)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After it was placed there is none.
        drop(fs::remove_file(&self.path));
    }
}

impl Shelf {
    /// The folder in a state directory.
    #[must_use]
    pub fn folder_in(state_dir: &Path) -> PathBuf {
        Self::folder_in_catalog(&state_dir.join("catalog"))
    }

    /// The folder in a catalog's.
    #[must_use]
    pub fn folder_in_catalog(catalog: &Path) -> PathBuf {
        catalog.join(CRL)
    }

    /// Reads the listing of a folder without changing anything in it; an empty one where there is none.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub fn read_listing(folder: &Path) -> Result<CrlListing, ShelfError> {
        let path = folder.join(LISTING);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(CrlListing::default());
            }
            Err(source) => return Err(ShelfError::Io { path, source }),
        };
        let listing = serde_json::from_slice(&text);
        let mut listing: CrlListing =
            listing.map_err(|source| ShelfError::Listing { path, source })?;
        let of = |edition: &CrlEdition| (edition.issuer.clone(), edition.kind);
        listing.editions.sort_by_key(of);
        Ok(listing)
    }

    /// Opens the folder, created if need be, and removes what no listing names.
    ///
    /// # Errors
    /// [`ShelfError`].
    pub fn open(folder: &Path) -> Result<Self, ShelfError> {
        let failed = |source| ShelfError::Io {
            path: folder.to_owned(),
            source,
        };
        fs::create_dir_all(folder).map_err(failed)?;
        let listing = Self::read_listing(folder)?;
        let shelf = Self {
            folder: folder.to_owned(),
            current: ArcSwap::from_pointee(listing),
            unfinished: AtomicU64::new(0),
        };
        shelf.sweep()?;
        Ok(shelf)
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a CRL of the listing lies.
    #[must_use]
    pub fn file(folder: &Path, edition: &CrlEdition) -> PathBuf {
        folder.join(format!("{}.{CRL}", edition.sha256))
    }

    /// What is current.
    #[must_use]
    pub fn listing(&self) -> Arc<CrlListing> {
        self.current.load_full()
    }

    /// A name for a file in the making.
    #[must_use]
    pub fn unfinished(&self) -> Unfinished {
        let number = self.unfinished.fetch_add(1, Relaxed);
        let name = format!("{}-{number}{UNFINISHED}", std::process::id());
        let path = self.folder.join(name);
        // Left by a process of the same number that was killed.
        drop(fs::remove_file(&path));
        Unfinished { path }
    }

    /// Gives finished, synced files their names, and makes them current together, also those that are not
    /// new but come under another kind. Each takes the place of the one before of its issuer and kind; of
    /// what was current else, that stays which is to `keep`. `documents` makes the documents from the
    /// listing as it will be. `generation_floor` is a number that no generation has reached before, or 0:
    /// milliseconds since 1970 will do, and keep generations rising when the listing is lost.
    ///
    /// # Errors
    /// [`ShelfError`]; what was current is current still.
    pub fn place(
        &self,
        generation_floor: u64,
        finished: Vec<(Option<Unfinished>, CrlEdition)>,
        keep: impl Fn(&CrlEdition) -> bool,
        documents: impl FnOnce(&CrlListing) -> Result<Vec<SignedDocument>, String>,
    ) -> Result<Arc<CrlListing>, ShelfError> {
        let mut listing = CrlListing::clone(&self.current.load());
        let kept = listing.editions.drain(..).filter(|edition| keep(edition));
        let mut editions: BTreeMap<(String, CrlKind), CrlEdition> = kept
            .map(|edition| ((edition.issuer.clone(), edition.kind), edition))
            .collect();
        for (file, edition) in finished {
            if let Some(file) = file {
                self.name(&file, &edition)?;
            }
            let key = (edition.issuer.clone(), edition.kind);
            editions.insert(key, edition);
        }
        // In the order of issuers and kinds.
        listing.editions = editions.into_values().collect();
        listing.generation = listing.generation.max(generation_floor.saturating_sub(1));
        self.replace(listing, documents)
    }

    fn name(&self, file: &Unfinished, edition: &CrlEdition) -> Result<(), ShelfError> {
        let path = Self::file(&self.folder, edition);
        let mode = fs::Permissions::from_mode(0o444);
        fs::set_permissions(&file.path, mode)
            .and_then(|()| fs::rename(&file.path, &path))
            .map_err(|source| ShelfError::Io { path, source })
    }

    fn replace(
        &self,
        mut listing: CrlListing,
        documents: impl FnOnce(&CrlListing) -> Result<Vec<SignedDocument>, String>,
    ) -> Result<Arc<CrlListing>, ShelfError> {
        listing.generation = listing.generation.saturating_add(1);
        listing.documents = documents(&listing).map_err(|why| ShelfError::Documents { why })?;
        self.store(&listing)?;
        let listing = Arc::new(listing);
        self.current.store(Arc::clone(&listing));
        // What it held before is not needed any more; whoever reads it still has it open.
        drop(self.sweep());
        Ok(listing)
    }

    fn store(&self, listing: &CrlListing) -> Result<(), ShelfError> {
        let path = self.folder.join(LISTING);
        let failed = |source| ShelfError::Io {
            path: path.clone(),
            source,
        };
        let text = serde_json::to_vec_pretty(listing).map_err(|error| failed(error.into()))?;
        let beside = self.unfinished();
        let mut file = beside.create().map_err(failed)?;
        let written = file.write_all(&text).and_then(|()| file.sync_all());
        written.map_err(failed)?;
        let mode = fs::Permissions::from_mode(0o444);
        fs::set_permissions(&beside.path, mode).map_err(failed)?;
        // The CRLs' own names first: a listing must not be there before what it lists.
        self.sync().map_err(failed)?;
        fs::rename(&beside.path, &path).map_err(failed)?;
        self.sync().map_err(failed)
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    /// Removes files that are not listed; those of other names are not ours.
    fn sweep(&self) -> Result<(), ShelfError> {
        let failed = |source| ShelfError::Io {
            path: self.folder.clone(),
            source,
        };
        let listing = self.current.load();
        let editions = listing.editions.iter();
        let listed: HashSet<&str> = editions.map(|edition| edition.sha256.as_str()).collect();
        for found in fs::read_dir(&self.folder).map_err(failed)? {
            let path = found.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(name) = name.filter(|name| *name != LISTING) else {
                continue;
            };
            let digest = name.split('.').next().unwrap_or(name);
            let is_listed = listed.contains(digest);
            let is_digest = digest.len() == 64 && digest.bytes().all(|c| c.is_ascii_hexdigit());
            let own = format!("{}-", std::process::id());
            let is_old = name.ends_with(UNFINISHED) && !name.starts_with(&own);
            if is_old || (is_digest && !is_listed) {
                fs::remove_file(&path).map_err(|source| ShelfError::Io { path, source })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::UnixTime;

    fn edition(kind: CrlKind, number: u64, sha256: char) -> CrlEdition {
        let at = UnixTime::from_secs(1_800_000_000 + number).unwrap();
        CrlEdition {
            issuer: "ca".to_owned(),
            kind,
            url: format!("http://crl.example/{kind}.crl"),
            number,
            base: None,
            base_as_of: None,
            this_update: at,
            next_update: at,
            next_due: at,
            max_age: 60,
            scheduled: true,
            entries: 0,
            octets: 1,
            sha256: sha256.to_string().repeat(64),
            as_of: number,
        }
    }

    fn placed(shelf: &Shelf, editions: &[CrlEdition]) -> Arc<CrlListing> {
        let finished = editions.iter().map(|edition| {
            let file = shelf.unfinished();
            file.create().unwrap().write_all(b"x").unwrap();
            (Some(file), edition.clone())
        });
        let finished = finished.collect();
        shelf
            .place(0, finished, |_| true, |_| Ok(Vec::new()))
            .unwrap()
    }

    #[test]
    fn the_newest_of_each_kind_is_listed_and_the_rest_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("crl");
        let shelf = Shelf::open(&path).unwrap();
        assert_eq!(*shelf.listing(), CrlListing::default());
        placed(&shelf, &[edition(CrlKind::Full, 1, 'a')]);
        placed(
            &shelf,
            &[
                edition(CrlKind::Full, 2, 'b'),
                edition(CrlKind::Delta, 2, 'c'),
            ],
        );
        drop(shelf.unfinished().create().unwrap());
        let listing = shelf.listing();
        assert_eq!(listing.generation, 2);
        assert_eq!(listing.edition("ca", CrlKind::Full).unwrap().number, 2);
        drop(shelf);

        fs::write(path.join("1-1.tmp"), "torn").unwrap();
        fs::write(path.join("notes.txt"), "somebody's").unwrap();
        let shelf = Shelf::open(&path).unwrap();
        assert_eq!(shelf.listing(), listing);
        let mut names: Vec<_> = fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let (b, c) = ("b".repeat(64) + ".crl", "c".repeat(64) + ".crl");
        assert_eq!(names, [&b, &c, LISTING, "notes.txt"]);
        let base = edition(CrlKind::Base, 2, 'b');
        let keep = |edition: &CrlEdition| edition.kind != CrlKind::Delta;
        let left = shelf.place(0, vec![(None, base)], keep, |_| Ok(Vec::new()));
        assert_eq!(left.unwrap().editions.len(), 2);
        assert!(path.join(b).exists() && !path.join(c).exists());
    }

    #[test]
    fn a_listing_that_is_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(LISTING), "{}").unwrap();
        let error = Shelf::open(folder.path()).unwrap_err();
        assert!(error.to_string().contains("listing.json"), "{error}");
    }
}
