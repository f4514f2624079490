//! A folder that CRLs are brought into, so that a reader sees the old file or the new one, and never a
//! CRL that is older than the one it saw before.
//!
//! ```text
//! FOLDER/…                  the files, at the paths of their URLs
//! FOLDER/.estelam-NAME/     0700: a lock, and files that are not whole yet
//! ```
//!
//! A file gets its name when it is whole and synced, and its folder is synced before the next one does.
//! What was placed is remembered by length and time, so that it need not be read to be known; what
//! somebody else put there, or touched, is read.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, BufReader},
    os::unix::fs::{
        DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
    },
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use aws_lc_rs::digest;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use super::{
    facts::CrlFacts,
    served_path::{OWN_PREFIX, ServedPath},
};
use crate::{asn1::CrlNumber, catalog::crls::CrlEdition, segment::names::hexadecimal};

/// The folder, held by this process alone.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    own: PathBuf,
    mode: u32,
    pub(crate) placed: Placed,
    /// Goes when this goes.
    _lock: File,
}

/// What was placed, by path.
pub(crate) type Placed = BTreeMap<String, PlacedFile>;

/// One file, as it was left.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlacedFile {
    octets: u64,
    modified_ns: i128,
    inode: u64,
    pub(crate) sha256: String,
    /// CRLNumber; `None` for what is no CRL.
    pub(crate) number: Option<u64>,
}

/// What lies where a CRL is to lie.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Lying {
    pub(crate) sha256: String,
    /// `None` where it is no CRL, or not a whole one.
    pub(crate) number: Option<CrlNumber>,
    /// Whether it is known to be as it was placed.
    pub(crate) is_intact: bool,
}

/// A file or folder that could not be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct TreeError {
    /// The file or folder.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// Why a CRL is not put over another.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GoesBack {
    /// A higher number lies there.
    #[error(
        "CRL {lies} lies there, and {offered} would follow it: CRLs never go back. If it is right to, \
         remove what lies there"
    )]
    Lower {
        /// What lies there.
        lies: CrlNumber,
        /// What would follow.
        offered: CrlNumber,
    },
    /// Another CRL with the same number lies there.
    #[error(
        "another CRL with the number {number} lies there, and no two have the same. If this one is right, \
         remove what lies there"
    )]
    Twin {
        /// The number of both.
        number: CrlNumber,
    },
}

impl Lying {
    /// Whether a CRL may follow this: `false` when it is this.
    pub(crate) fn may_be_followed(&self, edition: &CrlEdition) -> Result<bool, GoesBack> {
        if self.sha256 == edition.sha256 {
            return Ok(false);
        }
        let offered = CrlNumber::from(edition.number);
        match self.number {
            Some(lies) if lies > offered => Err(GoesBack::Lower { lies, offered }),
            // Damaged, it is what this one mends.
            Some(number) if number == offered && self.is_intact => Err(GoesBack::Twin { number }),
            _ => Ok(true),
        }
    }
}

impl Tree {
    /// Opens a folder, created if need be. `name` tells its own folder from those of others. New files get
    /// the mode.
    pub(crate) fn open(
        root: &Path,
        name: &str,
        mode: u32,
        placed: Placed,
    ) -> Result<Self, TreeError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| TreeError { path, source }
        };
        fs::create_dir_all(root).map_err(failed(root))?;
        let own = root.join(format!("{OWN_PREFIX}-{name}"));
        let made = DirBuilder::new().mode(0o700).create(&own);
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.map_err(failed(&own))?,
        }
        let path = own.join("lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(&path).map_err(failed(&path))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
            let source = match error {
                rustix::io::Errno::WOULDBLOCK => io::Error::new(
                    io::ErrorKind::WouldBlock,
                    "another process fills this folder now",
                ),
                error => error.into(),
            };
            TreeError { path, source }
        })?;
        Ok(Self {
            root: root.to_owned(),
            own,
            mode,
            placed,
            _lock: lock,
        })
    }

    /// A file of our own.
    pub(crate) fn own(&self, name: &str) -> PathBuf {
        self.own.join(name)
    }

    /// Removes files of our own that `keep` is false for; the lock stays.
    pub(crate) fn sweep(&self, keep: impl Fn(&str) -> bool) -> Result<(), TreeError> {
        let failed = |source| TreeError {
            path: self.own.clone(),
            source,
        };
        for entry in fs::read_dir(&self.own).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name != "lock" && !keep(&name) {
                fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// What lies at a place, without reading it where it is as it was placed.
    pub(crate) fn lies(&self, path: &ServedPath) -> Result<Option<Lying>, TreeError> {
        let file = path.below(&self.root);
        let failed = |source| TreeError {
            path: file.clone(),
            source,
        };
        let metadata = match fs::metadata(&file) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if let Some(known) = self.placed.get(path.as_str())
            && known.is(&metadata)
        {
            return Ok(Some(Lying {
                sha256: known.sha256.clone(),
                number: known.number.map(CrlNumber::from),
                is_intact: true,
            }));
        }
        let open = || File::open(&file).map(|file| BufReader::with_capacity(READ_OCTETS, file));
        let number = match CrlFacts::read(open().map_err(failed)?, false) {
            Ok(facts) => {
                return Ok(Some(Lying {
                    sha256: facts.sha256,
                    number: facts.number,
                    is_intact: false,
                }));
            }
            Err(crate::crl::CrlError::Read(source)) => return Err(failed(source)),
            Err(_) => None,
        };
        let sha256 = sha256(open().map_err(failed)?).map_err(failed)?;
        Ok(Some(Lying {
            sha256,
            number,
            is_intact: false,
        }))
    }

    /// Gives a whole file its name. It is synced here; so is every folder that is made, and the one that
    /// it comes into.
    pub(crate) fn place(
        &mut self,
        whole: &Path,
        path: &ServedPath,
        sha256: &str,
        number: Option<u64>,
    ) -> Result<(), TreeError> {
        let file = path.below(&self.root);
        let of = |path: &Path| {
            let path = path.to_owned();
            move |source| TreeError { path, source }
        };
        let folder = file.parent().unwrap_or(&self.root).to_owned();
        make_folders(&self.root, &folder).map_err(of(&folder))?;
        let mode = fs::Permissions::from_mode(self.mode);
        fs::set_permissions(whole, mode).map_err(of(whole))?;
        let open = File::open(whole).map_err(of(whole))?;
        if let Ok(before) = fs::metadata(&file) {
            distinguish(&open, &before).map_err(of(whole))?;
        }
        open.sync_all().map_err(of(whole))?;
        let metadata = open.metadata().map_err(of(whole))?;
        fs::rename(whole, &file).map_err(of(&file))?;
        sync(&folder).map_err(of(&folder))?;
        let placed = PlacedFile {
            octets: metadata.len(),
            modified_ns: modified(&metadata),
            inode: metadata.ino(),
            sha256: sha256.to_owned(),
            number,
        };
        self.placed.insert(path.as_str().to_owned(), placed);
        Ok(())
    }

    /// Writes a small file, not a CRL, in the same way.
    pub(crate) fn write(&mut self, path: &ServedPath, content: &[u8]) -> Result<(), TreeError> {
        let beside = self.own(&format!("{}.tmp", std::process::id()));
        let failed = |source| TreeError {
            path: beside.clone(),
            source,
        };
        fs::write(&beside, content).map_err(failed)?;
        let digest = digest::digest(&digest::SHA256, content);
        self.place(&beside, path, &hexadecimal(digest.as_ref()), None)
    }

    /// Removes a file.
    pub(crate) fn remove(&mut self, path: &str) -> Result<bool, TreeError> {
        let file = self.root.join(path);
        self.placed.remove(path);
        match fs::remove_file(&file) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(TreeError { path: file, source }),
        }
    }
}

impl PlacedFile {
    fn is(&self, found: &fs::Metadata) -> bool {
        found.is_file()
            && self.octets == found.len()
            && self.modified_ns == modified(found)
            && self.inode == found.ino()
    }
}

fn modified(metadata: &fs::Metadata) -> i128 {
    i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec())
}

/// Web servers know a file by the second that it was written in, and its length (nginx's ETag is these
/// two): one that follows another within that second would be taken for it, so it gets the next second.
fn distinguish(file: &File, before: &fs::Metadata) -> io::Result<()> {
    let next = before.mtime().saturating_add(1);
    if file.metadata()?.mtime() >= next {
        return Ok(());
    }
    let since = Duration::from_secs(u64::try_from(next).unwrap_or(0));
    file.set_modified(UNIX_EPOCH + since)
}

/// Makes what is missing of the folders between, and syncs the one that each is made in.
fn make_folders(root: &Path, folder: &Path) -> io::Result<()> {
    if folder == root || folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().unwrap_or(root);
    make_folders(root, above)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    sync(above)
}

pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Writes a file of our own state, so that it is there whole or as it was.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> Result<(), TreeError> {
    use io::Write as _;
    let beside = path.with_extension("new");
    let write = || {
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&beside)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        path.parent().map_or(Ok(()), sync)
    };
    write().map_err(|source| TreeError {
        path: path.to_owned(),
        source,
    })
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(mut input: impl io::BufRead) -> io::Result<String> {
    let mut hasher = digest::Context::new(&digest::SHA256);
    loop {
        let octets = input.fill_buf()?;
        if octets.is_empty() {
            return Ok(hexadecimal(hasher.finish().as_ref()));
        }
        hasher.update(octets);
        let read = octets.len();
        input.consume(read);
    }
}

pub(crate) const READ_OCTETS: usize = 128 << 10;
