//! Writing a demo's files.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use der::pem::LineEnding;

use super::DemoError;
use crate::pki::ca::GeneratedKey;

/// A folder that is being filled; names are relative to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Files<'a>(pub(super) &'a Path);

impl Files<'_> {
    /// A folder in it.
    pub(super) fn folder(self, name: &str) -> Result<(), DemoError> {
        let path = self.0.join(name);
        fs::create_dir(&path).map_err(|source| DemoError::Write { path, source })
    }

    /// A certificate.
    pub(super) fn certificate(self, name: &str, der: &[u8]) -> Result<(), DemoError> {
        self.file(name, pem(der)?.as_bytes())
    }

    /// A private key, for its owner alone.
    pub(super) fn key(self, name: &str, key: &GeneratedKey) -> Result<(), DemoError> {
        self.write(name, 0o600, key.to_pem().as_bytes())
    }

    /// Anything.
    pub(super) fn file(self, name: &str, content: &[u8]) -> Result<(), DemoError> {
        self.write(name, 0o666, content)
    }

    fn write(self, name: &str, mode: u32, content: &[u8]) -> Result<(), DemoError> {
        let path = self.0.join(name);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)
            .and_then(|mut file| file.write_all(content))
            .map_err(|source| DemoError::Write { path, source })
    }

    /// A file that is written little by little.
    pub(super) fn stream(self, name: &str) -> Result<Stream, DemoError> {
        let path = self.0.join(name);
        match File::create_new(&path) {
            Ok(file) => Ok(Stream {
                file: BufWriter::new(file),
                path,
            }),
            Err(source) => Err(DemoError::Write { path, source }),
        }
    }
}

/// A file that is written little by little.
#[derive(Debug)]
pub(super) struct Stream {
    file: BufWriter<File>,
    path: PathBuf,
}

impl Stream {
    pub(super) fn push(&mut self, text: &str) -> Result<(), DemoError> {
        let written = self.file.write_all(text.as_bytes());
        self.told(written)
    }

    pub(super) fn finish(mut self) -> Result<(), DemoError> {
        let written = self.file.flush();
        self.told(written)
    }

    fn told(&self, written: io::Result<()>) -> Result<(), DemoError> {
        written.map_err(|source| DemoError::Write {
            path: self.path.clone(),
            source,
        })
    }
}

/// A certificate as a file holds it.
pub(super) fn pem(der: &[u8]) -> Result<String, DemoError> {
    der::pem::encode_string("CERTIFICATE", LineEnding::LF, der).map_err(|_| DemoError::Unreadable)
}
