//! Files and folders on disk, sent as one [`stream`](super::stream).
//!
//! Folders are walked to any depth, each in the order of its names. Names that begin with a dot are
//! left out. A link leads to its file; one that leads to a folder, and whatever is neither file nor
//! folder, is told as a file that cannot be read. A file that cannot be opened is told, not passed
//! over.

use std::collections::VecDeque;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::stream::{FILE_OCTETS_MAX, FileHead, NAME_OCTETS_MAX};

/// The files under `paths`, in order. What was named itself must be a file or a folder, or lead to
/// one.
///
/// # Errors
/// [`ListError`], naming the path.
pub fn list(paths: &[PathBuf]) -> Result<Vec<PathBuf>, ListError> {
    let mut files = Vec::new();
    for path in paths {
        let metadata = fs::metadata(path).map_err(|source| ListError::io(path, source))?;
        if metadata.is_dir() {
            walk(path, &mut files)?;
        } else if metadata.is_file() {
            files.push(path.clone());
        } else {
            return Err(ListError::Kind { path: path.clone() });
        }
    }
    Ok(files)
}

/// Adds the files below a folder. Its own stack, since folders can be nested deeper than threads'.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), ListError> {
    let mut ahead = vec![(folder.to_owned(), true)];
    while let Some((path, is_folder)) = ahead.pop() {
        if !is_folder {
            files.push(path);
            continue;
        }
        let failed = |source| ListError::io(&path, source);
        let mut entries = Vec::new();
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if !name.as_encoded_bytes().starts_with(b".") {
                let is_folder = entry.file_type().map_err(failed)?.is_dir();
                entries.push((name, is_folder));
            }
        }
        entries.sort_unstable();
        let below = entries.into_iter().rev();
        ahead.extend(below.map(|(name, is_folder)| (path.join(name), is_folder)));
    }
    Ok(())
}

/// Why the files cannot be listed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// A path that cannot be looked at.
    #[error("{}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A socket, a pipe or a device.
    #[error("{} is neither a file nor a folder", path.display())]
    Kind {
        /// The path.
        path: PathBuf,
    },
}

impl ListError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// Files as a stream, opened one after the other. `on_file` hears how many are done.
#[derive(Debug)]
pub struct FileStream<F> {
    files: VecDeque<PathBuf>,
    done: u64,
    on_file: F,
    head: io::Cursor<Vec<u8>>,
    body: Option<Body>,
}

/// The file that is being sent.
#[derive(Debug)]
struct Body {
    file: File,
    path: PathBuf,
    octets_left: u64,
}

impl<F: FnMut(u64)> FileStream<F> {
    /// A stream of these files.
    pub fn new(files: Vec<PathBuf>, on_file: F) -> Self {
        Self {
            files: files.into(),
            done: 0,
            on_file,
            head: io::Cursor::default(),
            body: None,
        }
    }

    /// Begins the next file.
    fn open(&mut self, path: PathBuf) {
        let name = path.display().to_string();
        let (file, octets, unreadable) = match open(&path) {
            Ok((file, octets)) => (Some(file), octets, None),
            Err(error) => (None, 0, Some(error.to_string())),
        };
        let head = FileHead {
            file: shortened(name),
            octets,
            unreadable,
        };
        self.head = io::Cursor::new(head.to_line());
        self.body = file.map(|file| Body {
            file,
            path,
            octets_left: octets,
        });
    }

    fn count(&mut self) {
        self.done = self.done.saturating_add(1);
        (self.on_file)(self.done);
    }
}

impl<F: FnMut(u64)> Read for FileStream<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let read = self.head.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            if let Some(body) = &mut self.body {
                if body.octets_left > 0 {
                    return body.read(buffer);
                }
                body.judge_end()?;
                self.body = None;
            }
            let Some(path) = self.files.pop_front() else {
                return Ok(0);
            };
            self.open(path);
            self.count();
        }
    }
}

impl Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
        let read = (&mut self.file)
            .take(self.octets_left.min(room))
            .read(buffer)
            .map_err(|error| self.error(error.kind(), &error.to_string()))?;
        if read == 0 {
            return Err(self.changed());
        }
        let octets = u64::try_from(read).unwrap_or(u64::MAX);
        self.octets_left = self.octets_left.saturating_sub(octets);
        Ok(read)
    }

    /// The file ends where it ended when it was opened.
    fn judge_end(&mut self) -> io::Result<()> {
        match self.file.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.changed()),
            Err(error) => Err(self.error(error.kind(), &error.to_string())),
        }
    }

    fn changed(&self) -> io::Error {
        self.error(
            io::ErrorKind::InvalidData,
            "changed while it was read; run the import again",
        )
    }

    fn error(&self, kind: io::ErrorKind, what: &str) -> io::Error {
        io::Error::new(kind, format!("{}: {what}", self.path.display()))
    }
}

/// Opens a file and tells its length. A pipe that took a file's place is not waited for.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let not_a_file = |metadata: &Metadata| {
        io::Error::other(if metadata.is_dir() {
            "it is a link to a folder: name the folder itself"
        } else {
            "it is neither a file nor a folder"
        })
    };
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(not_a_file(&metadata));
    }
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(not_a_file(&metadata));
    }
    if metadata.len() > FILE_OCTETS_MAX {
        return Err(io::Error::other(format!(
            "it is larger than {FILE_OCTETS_MAX} octets"
        )));
    }
    Ok((file, metadata.len()))
}

/// A name that fits a head: octets that are no UTF-8 grow when they are shown.
fn shortened(mut name: String) -> String {
    let end = name.floor_char_boundary(NAME_OCTETS_MAX);
    name.truncate(end);
    name
}
