//! A published file in memory.

#![allow(
    unsafe_code,
    reason = "mapping a file is unsafe: another process could change it under the map"
)]

use std::fs::File;
use std::ops::Deref;

use memmap2::Mmap;

use super::fault::{Registration, Watched};

/// The octets of a segment, or of a file that is served as it is, readable for as long as this lives, also after the file is unlinked.
///
/// A page that the disk cannot deliver, or that lies behind the end of a file that somebody truncated,
/// stops the process by SIGBUS; [`super::fault`] then leaves a marker that names the file.
#[derive(Debug)]
pub(super) struct Mapping {
    // Dropped first: a range must not be watched once it is unmapped.
    _registration: Registration,
    map: Mmap,
}

impl Mapping {
    pub(super) fn new(file: &File, watched: Watched) -> std::io::Result<Self> {
        // SAFETY: the octets must not change while they are borrowed. Segments are immutable: they are
        // written under another name, made read-only, renamed into place and later unlinked, never
        // written to or truncated (`super::writer`, `crate::catalog`). Somebody who may write to the
        // folder can break that, and can replace the whole program as well; what they change is still
        // checked by checksum at each read, and the octets are plain integers of no invalid value. Of CRLs the same
        // is true (`super::mapped_file`, `crate::catalog::crls`).
        let map = unsafe { Mmap::map(file) }?;
        let registration = Registration::new(map.as_ptr_range(), watched);
        Ok(Self {
            _registration: registration,
            map,
        })
    }
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

/// A file that nobody changes while it is mapped: a CRL that is whole, or that its only writer has gone
/// through up to its signature.
#[cfg(feature = "rocksdb")]
pub(crate) struct WholeFile(Option<Mmap>);

/// Maps a whole file.
#[cfg(feature = "rocksdb")]
pub(crate) fn whole_file(file: &File) -> std::io::Result<WholeFile> {
    // The kernel maps no octets not at all.
    if file.metadata()?.len() == 0 {
        return Ok(WholeFile(None));
    }
    // SAFETY: as for segments: the files are made under another name, made read-only, renamed into place
    // and later unlinked, never truncated (`crate::catalog::crls`). What is mapped of one in the making is
    // not written to meanwhile: its writer waits for what is computed over it.
    let map = unsafe { Mmap::map(file) }?;
    Ok(WholeFile(Some(map)))
}

#[cfg(feature = "rocksdb")]
impl AsRef<[u8]> for WholeFile {
    fn as_ref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}
