//! The files that TLS needs, and whether they have changed.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Where the certificate, its key and the CAs of clients lie.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFiles {
    /// The server's certificate and its chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The CAs whose client certificates are looked at, PEM.
    pub client_ca: Option<PathBuf>,
}

/// What tells one state of the files from another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Stamps([Option<Stamp>; 3]);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp {
    inode: u64,
    octets: u64,
    changed: (i64, i64),
}

impl TlsFiles {
    pub(super) fn stamps(&self) -> Stamps {
        Stamps([
            stamp(&self.certificate),
            stamp(&self.key),
            self.client_ca.as_deref().and_then(stamp),
        ])
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some(Stamp {
        inode: metadata.ino(),
        octets: metadata.len(),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}
