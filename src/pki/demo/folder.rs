//! The folder of a demo: whether there is one, and how it comes to be all at once.
//!
//! A demo is built in a folder beside its place and renamed into it when it is whole, so that a build
//! that was interrupted leaves nothing that could be taken for a demo. The next one removes what lies
//! there.

use std::{
    fs::{self, File},
    io,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf, absolute},
};

use rustix::fs::{FlockOperation, flock};

use crate::config::SOCKET_PATH_MAX;

/// What is at the place of a demo.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Found {
    /// Nothing, or an empty folder.
    Nothing,
    /// A demo.
    Demo,
}

/// Within a demo: what is known of it beside its configuration.
pub(super) const RECORD: &str = "state/demo.json";
/// Its configuration.
pub(super) const CONFIG: &str = "estelam.toml";

/// Looks what is there. Changes nothing.
///
/// # Errors
/// [`FolderError`] where no demo could be built or run.
pub fn look(dir: &Path) -> Result<Found, FolderError> {
    let io = |source| FolderError::Io {
        path: dir.to_owned(),
        source,
    };
    judge_socket_path(dir)?;
    match fs::metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A symbolic link to nowhere would be replaced by the demo.
            return match fs::symlink_metadata(dir) {
                Ok(_) => Err(FolderError::NotADirectory {
                    path: dir.to_owned(),
                }),
                Err(_) => Ok(Found::Nothing),
            };
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(FolderError::NotADirectory {
                path: dir.to_owned(),
            });
        }
        Err(error) => return Err(io(error)),
        Ok(metadata) if !metadata.is_dir() => {
            return Err(FolderError::NotADirectory {
                path: dir.to_owned(),
            });
        }
        Ok(_) => {}
    }
    let Some(first) = fs::read_dir(dir).map_err(io)?.next() else {
        judge_working_folder(dir)?;
        return Ok(Found::Nothing);
    };
    let holds = first.map_err(io)?.file_name();
    if !dir.join(RECORD).exists() {
        return Err(FolderError::NotOurs {
            path: dir.to_owned(),
            holds: holds.into(),
        });
    }
    for needed in [CONFIG, "root.pem", "state/ledger/CURRENT"] {
        if !dir.join(needed).exists() {
            return Err(FolderError::Incomplete {
                path: dir.to_owned(),
                missing: needed,
            });
        }
    }
    Ok(Found::Demo)
}

fn judge_socket_path(dir: &Path) -> Result<(), FolderError> {
    let socket = absolute(dir)
        .unwrap_or_else(|_| dir.to_owned())
        .join("state/admin.sock");
    let octets = socket.as_os_str().as_bytes().len();
    if octets > SOCKET_PATH_MAX {
        return Err(FolderError::LongPath {
            path: dir.to_owned(),
            over: octets.saturating_sub(SOCKET_PATH_MAX),
        });
    }
    Ok(())
}

/// Whoever stands in a folder that is replaced stands in none any more.
fn judge_working_folder(dir: &Path) -> Result<(), FolderError> {
    let resolved = |path: &Path| fs::canonicalize(path).ok();
    let here = std::env::current_dir()
        .ok()
        .and_then(|here| resolved(&here));
    match (here, resolved(dir)) {
        (Some(here), Some(dir)) if here.starts_with(&dir) => {
            Err(FolderError::WorkingFolder { path: dir })
        }
        _ => Ok(()),
    }
}

/// A folder in which a demo is being built. What is not finished is removed when this is dropped.
#[derive(Debug)]
pub struct Building {
    path: PathBuf,
    target: PathBuf,
    /// Held as long as we build here; the system releases it however we end.
    _lock: File,
    finished: bool,
}

impl Building {
    /// Begins to build what shall come to `target`, removing what an interrupted build left.
    ///
    /// # Errors
    /// [`FolderError`], for instance when somebody else builds the same.
    pub fn begin(target: &Path) -> Result<Self, FolderError> {
        // A link to an empty folder stays one: the folder behind it is replaced.
        let target = fs::canonicalize(target)
            .or_else(|_| absolute(target))
            .map_err(|source| FolderError::Io {
                path: target.to_owned(),
                source,
            })?;
        let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(FolderError::WorkingFolder { path: target });
        };
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(".estelam-demo-building");
        let path = parent.join(hidden);
        let io = |source| FolderError::Io {
            path: path.clone(),
            source,
        };
        fs::create_dir_all(&path).map_err(io)?;
        let lock = File::open(&path).map_err(io)?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(FolderError::BeingBuilt { path: target });
        }
        // Its builder may have finished between our opening and our locking.
        let inode = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let ours = lock.metadata().map(inode).map_err(io)?;
        if fs::metadata(&path).map(inode).ok() != Some(ours) {
            return Err(FolderError::BeingBuilt { path: target });
        }
        for left in fs::read_dir(&path).map_err(io)? {
            let left = left.map_err(io)?;
            let removed = if left.file_type().map_err(io)?.is_dir() {
                fs::remove_dir_all(left.path())
            } else {
                fs::remove_file(left.path())
            };
            removed.map_err(io)?;
        }
        Ok(Self {
            path,
            target,
            _lock: lock,
            finished: false,
        })
    }

    /// Where to build.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves what was built to its place, where nothing or an empty folder is.
    ///
    /// # Errors
    /// [`FolderError`] when something came there meanwhile.
    pub fn finish(mut self) -> Result<(), FolderError> {
        match fs::rename(&self.path, &self.target) {
            Ok(()) => {
                self.finished = true;
                Ok(())
            }
            Err(source) => Err(FolderError::NotReplaced {
                path: self.target.clone(),
                source,
            }),
        }
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        if !self.finished {
            // What cannot be removed now is removed by the next build.
            let _left = fs::remove_dir_all(&self.path);
        }
    }
}

/// Why no demo can be built or run in a folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// There is something else.
    #[error(
        "{} is not a folder: name one that does not exist yet with --dir DIR",
        path.display()
    )]
    NotADirectory {
        /// What was named.
        path: PathBuf,
    },
    /// A folder with other things in it.
    #[error(
        "{} is not empty and no demo ({} is in it): it is left as it is. Name a folder that does \
         not exist yet with --dir DIR",
        path.display(), holds.display()
    )]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// The first thing found in it.
        holds: PathBuf,
    },
    /// A demo from which something was taken.
    #[error(
        "the demo in {} lacks {missing}: put it back, or remove the folder and run `estelam demo` \
         again for a new one",
        path.display()
    )]
    Incomplete {
        /// The folder.
        path: PathBuf,
        /// What it lacks.
        missing: &'static str,
    },
    /// The folder in which the command runs.
    #[error(
        "{} is the working folder, which cannot be replaced: name a new folder in it, for instance \
         --dir estelam-demo",
        path.display()
    )]
    WorkingFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The admin socket's path would be too long.
    #[error(
        "{} is too long by {over} octets for the path of a Unix socket in it: name a shorter one \
         with --dir DIR",
        path.display()
    )]
    LongPath {
        /// The folder.
        path: PathBuf,
        /// By how much.
        over: usize,
    },
    /// Another process builds it now.
    #[error(
        "another `estelam demo` is building {} at this moment: wait for it, or name another folder \
         with --dir DIR",
        path.display()
    )]
    BeingBuilt {
        /// The folder.
        path: PathBuf,
    },
    /// The finished demo cannot be moved to its place.
    #[error(
        "the finished demo cannot be moved to {}: {source}. Is that a mount point, or did something \
         come there meanwhile? Name a folder that does not exist yet with --dir DIR",
        path.display()
    )]
    NotReplaced {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The system refused.
    #[error(
        "{}: {source}. The demo needs a folder that can be written: name one with --dir DIR",
        path.display()
    )]
    Io {
        /// What could not be read or written.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_and_an_empty_folder_are_free() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(look(folder.path()).unwrap(), Found::Nothing);
        assert_eq!(look(&folder.path().join("a/b")).unwrap(), Found::Nothing);
    }

    #[test]
    fn what_is_not_ours_is_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("thesis.txt");
        fs::write(&file, "precious").unwrap();
        let error = look(folder.path()).unwrap_err();
        assert!(error.to_string().contains("thesis.txt"), "{error}");
        assert!(matches!(
            look(&file),
            Err(FolderError::NotADirectory { .. })
        ));
        assert!(matches!(
            look(&file.join("demo")),
            Err(FolderError::NotADirectory { .. })
        ));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert!(matches!(
            look(&link),
            Err(FolderError::NotADirectory { .. })
        ));
    }

    #[test]
    fn a_demo_that_lacks_something_says_what() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("state/ledger")).unwrap();
        fs::write(folder.path().join(RECORD), "{}").unwrap();
        for (missing, file) in [
            (CONFIG, CONFIG),
            ("root.pem", "root.pem"),
            ("state/ledger/CURRENT", "state/ledger/CURRENT"),
        ] {
            let error = look(folder.path()).unwrap_err().to_string();
            assert!(error.contains(missing), "{error}");
            fs::write(folder.path().join(file), "").unwrap();
        }
        assert_eq!(look(folder.path()).unwrap(), Found::Demo);
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused_before_anything_is_built() {
        let path = Path::new("/").join("x".repeat(100));
        assert!(matches!(look(&path), Err(FolderError::LongPath { .. })));
    }

    #[test]
    fn what_is_built_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("demo");
        let building = Building::begin(&target).unwrap();
        fs::write(building.path().join("half"), "").unwrap();
        assert!(matches!(
            Building::begin(&target),
            Err(FolderError::BeingBuilt { .. })
        ));
        drop(building);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

        // What a killed build left is removed.
        let left = folder.path().join(".demo.estelam-demo-building/state");
        fs::create_dir_all(&left).unwrap();
        fs::write(left.join("half"), "").unwrap();
        let building = Building::begin(&target).unwrap();
        assert_eq!(fs::read_dir(building.path()).unwrap().count(), 0);
        fs::write(building.path().join("whole"), "").unwrap();
        fs::create_dir(&target).unwrap();
        building.finish().unwrap();
        assert!(target.join("whole").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_came_to_its_place_meanwhile_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("demo");
        let building = Building::begin(&target).unwrap();
        fs::create_dir(&target).unwrap();
        fs::write(target.join("mine"), "").unwrap();
        assert!(matches!(
            building.finish(),
            Err(FolderError::NotReplaced { .. })
        ));
        assert!(target.join("mine").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
