//! A published file in memory.

#![allow(
    unsafe_code,
    reason = "mapping a file is unsafe: another process could change it under the map"
)]

use std::fs::File;
use std::ops::Deref;

use memmap2::{Mmap, MmapOptions};
use rustix::fs::SealFlags;

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

/// A memory file that nobody can change any more, whoever else has it open.
pub(crate) struct SealedMemory(Option<Mmap>);

/// What a memory file must be sealed against, before what lies in it is taken as it stands.
pub(crate) const SEALS: SealFlags = SealFlags::WRITE
    .union(SealFlags::SHRINK)
    .union(SealFlags::GROW)
    .union(SealFlags::SEAL);

/// Maps a memory file, if its seals say that it stays as it is.
///
/// # Errors
/// [`std::io::ErrorKind::InvalidInput`] for what is not sealed, or no memory file.
pub(crate) fn sealed_memory(file: impl std::os::fd::AsFd) -> std::io::Result<SealedMemory> {
    let refused = |why| std::io::Error::new(std::io::ErrorKind::InvalidInput, why);
    let seals = rustix::fs::fcntl_get_seals(&file).map_err(|_| refused("it is no memory file"))?;
    if !seals.contains(SEALS) {
        return Err(refused("it is not sealed"));
    }
    if rustix::fs::fstat(&file)?.st_size == 0 {
        return Ok(SealedMemory(None));
    }
    let fd = std::os::fd::AsRawFd::as_raw_fd(&file.as_fd());
    // SAFETY: the octets must not change while they are borrowed, and their pages must stay. The seals
    // were looked at above: the kernel lets nobody write to this file, punch holes into it, shorten it
    // or take a seal off, and a file with a writable mapping cannot be sealed. The map is a private one,
    // as kernels before 6.7 map no sealed file otherwise.
    let map = unsafe { MmapOptions::new().map_copy_read_only(fd) }?;
    Ok(SealedMemory(Some(map)))
}

impl AsRef<[u8]> for SealedMemory {
    fn as_ref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}
