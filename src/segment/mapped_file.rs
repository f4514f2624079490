//! A file that is served as it is, mapped: a CRL.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use aws_lc_rs::digest;

use super::disk::{self, DiskError};
use super::error::SegmentError;
use super::fault::Watched;
use super::map::Mapping;
use super::names;
use super::octets::{long, short};

/// Octets under one checksum. What is served is checked in whole blocks, so a small one makes short
/// answers cheap; at 32 KiB the checksums of 400 MB take 50 kB, and one takes 3 µs.
const BLOCK: usize = 32 * 1_024;

/// A mapped file whose octets were found to have the SHA-256 that it was opened for.
///
/// Nobody writes to such a file once it has its name, but a disk can lose what it had. So each block is
/// checked again whenever it is read, against a checksum taken while the digest was computed: a bit that
/// flips later is never handed out. A page that cannot be read at all stops the process by SIGBUS, as
/// that of a segment does, and leaves a marker with the file's digest.
#[derive(Debug)]
pub struct MappedFile {
    path: PathBuf,
    sha256: [u8; 32],
    /// CRC-32C of each block, started from its number: blocks that trade places are found.
    checksums: Box<[u32]>,
    state: AtomicU8,
    map: Mapping,
}

/// Why octets of a mapped file are not handed out.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// They are not what they were when the file was opened.
    #[error("its octets are not what they were when it was opened: check the disk")]
    Damaged,
    /// A newer one has taken its place, and too many old ones are still read.
    #[error("others have taken its place, and it was read for too long")]
    Withdrawn,
}

const FIT: u8 = 0;
const WITHDRAWN: u8 = 1;
const DAMAGED: u8 = 2;

impl MappedFile {
    /// Opens a file, reads all of it, and maps it if it has this length and SHA-256. It is read with
    /// pread first, so that a bad sector is an error and not a signal.
    ///
    /// # Errors
    /// [`SegmentError`]: it cannot be read, has another length, or another digest.
    pub fn open(path: &Path, len: u64, sha256: [u8; 32]) -> Result<Arc<Self>, SegmentError> {
        let file = disk::open(path)?;
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Err(SegmentError::NotAFile {
                path: path.to_owned(),
            });
        }
        let actual = disk::length(&file, path)?;
        if actual != len || len == 0 {
            return Err(SegmentError::Length {
                path: path.to_owned(),
                expected: len,
                actual,
            });
        }
        let mut context = digest::Context::new(&digest::SHA256);
        let mut checksums = Vec::with_capacity(short(len.div_ceil(long(BLOCK))));
        let mut block = vec![0; BLOCK];
        let mut at = 0;
        while at < len {
            let octets = short(len.saturating_sub(at)).min(BLOCK);
            let octets = block.get_mut(..octets).unwrap_or_default();
            disk::read_at(&file, path, octets, at)?;
            context.update(octets);
            checksums.push(checksum(checksums.len(), octets));
            at = at.saturating_add(long(octets.len()));
        }
        if context.finish().as_ref() != sha256 {
            return Err(SegmentError::Digest {
                path: path.to_owned(),
            });
        }
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let map = Watched::new(folder, sha256).and_then(|watched| Mapping::new(&file, watched));
        let map = map.map_err(|source| DiskError {
            action: "map",
            path: path.to_owned(),
            source,
        })?;
        Ok(Arc::new(Self {
            path: path.to_owned(),
            sha256,
            checksums: checksums.into(),
            state: AtomicU8::new(FIT),
            map,
        }))
    }

    /// Where it lay when it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its digest.
    #[must_use]
    pub const fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// Its digest in 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn digits(&self) -> String {
        names::hexadecimal(&self.sha256)
    }

    /// How many octets it has. Not none.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.map.len()
    }

    /// Whether it may be served: no octet of it was found damaged, and it was not withdrawn.
    #[must_use]
    pub fn is_fit(&self) -> bool {
        self.state.load(Ordering::Relaxed) == FIT
    }

    /// From now on [`MappedFile::read`] gives nothing: who still reads it has to end.
    pub fn withdraw(&self) {
        // What is damaged stays so.
        let _damaged =
            self.state
                .compare_exchange(FIT, WITHDRAWN, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Some of its octets, after the blocks that they lie in were checked. No allocation and no system
    /// call; a page that is not in memory is read from the disk. Octets behind the end are not there.
    ///
    /// # Errors
    /// [`Unreadable`], for the damaged file also at every later call.
    pub fn read(&self, range: Range<usize>) -> Result<&[u8], Unreadable> {
        match self.state.load(Ordering::Relaxed) {
            FIT => {}
            WITHDRAWN => return Err(Unreadable::Withdrawn),
            _ => return Err(Unreadable::Damaged),
        }
        let range = range.start..range.end.min(self.map.len());
        let Some(octets) = self.map.get(range.clone()) else {
            return Ok(&[]);
        };
        let first = range.start / BLOCK;
        let blocks = range.end.div_ceil(BLOCK).saturating_sub(first);
        let checksums = self.checksums.iter().enumerate().skip(first).take(blocks);
        for (number, expected) in checksums {
            let start = number.saturating_mul(BLOCK);
            let end = start.saturating_add(BLOCK).min(self.map.len());
            let block = self.map.get(start..end).unwrap_or_default();
            if checksum(number, block) != *expected {
                self.state.store(DAMAGED, Ordering::Relaxed);
                return Err(Unreadable::Damaged);
            }
        }
        Ok(octets)
    }

    /// Its octets as they lie there: for the slices of [`MappedFile::read`], once they were read.
    #[must_use]
    pub fn unchecked(&self) -> &[u8] {
        &self.map
    }
}

fn checksum(number: usize, octets: &[u8]) -> u32 {
    crc32c::crc32c_append(u32::try_from(number).unwrap_or(u32::MAX), octets)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{FileExt as _, PermissionsExt as _};

    use super::*;

    fn sha256(octets: &[u8]) -> [u8; 32] {
        let digest = digest::digest(&digest::SHA256, octets);
        digest.as_ref().try_into().unwrap()
    }

    fn written(octets: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.crl");
        fs::write(&path, octets).unwrap();
        (folder, path)
    }

    #[test]
    fn what_does_not_fit_is_not_opened() {
        let octets = vec![7; 3 * BLOCK + 5];
        let right = sha256(&octets);
        let (_folder, path) = written(&octets);
        let len = long(octets.len());
        assert!(MappedFile::open(&path, len, right).is_ok());
        let length = MappedFile::open(&path, len + 1, right);
        assert!(matches!(length, Err(SegmentError::Length { .. })));
        let digest = MappedFile::open(&path, len, [0; 32]);
        assert!(matches!(digest, Err(SegmentError::Digest { .. })));
        for (at, bit) in [(0, 1), (BLOCK, 0x80), (octets.len() - 1, 4)] {
            let mut flipped = octets.clone();
            flipped[at] ^= bit;
            fs::write(&path, flipped).unwrap();
            assert!(MappedFile::open(&path, len, right).is_err(), "{at}");
        }
        fs::write(&path, "").unwrap();
        assert!(MappedFile::open(&path, 0, sha256(b"")).is_err());
        fs::remove_file(&path).unwrap();
        assert!(MappedFile::open(&path, len, right).is_err());
        assert!(MappedFile::open(path.parent().unwrap(), len, right).is_err());
    }

    #[test]
    fn any_piece_can_be_read() {
        let octets: Vec<u8> = (0..=250).cycle().take(2 * BLOCK + 100).collect();
        let (_folder, path) = written(&octets);
        let file = MappedFile::open(&path, long(octets.len()), sha256(&octets)).unwrap();
        assert_eq!(file.octets(), octets.len());
        for range in [
            0..1,
            0..octets.len(),
            BLOCK - 1..BLOCK + 1,
            BLOCK..2 * BLOCK,
            2 * BLOCK + 99..2 * BLOCK + 100,
            5..5,
        ] {
            assert_eq!(file.read(range.clone()).unwrap(), &octets[range]);
        }
        let end = octets.len();
        assert_eq!(file.read(end - 3..end + 3).unwrap(), &octets[end - 3..]);
        assert_eq!(file.read(end + 3..end + 6).unwrap(), b"");
    }

    #[test]
    fn a_bit_that_flips_afterwards_is_not_handed_out() {
        let octets = vec![7; 3 * BLOCK];
        let (_folder, path) = written(&octets);
        let file = MappedFile::open(&path, long(octets.len()), sha256(&octets)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let writer = fs::OpenOptions::new().write(true).open(&path).unwrap();
        writer.write_all_at(&[5], long(BLOCK + 17)).unwrap();
        assert!(file.read(0..BLOCK).is_ok());
        assert!(file.read(2 * BLOCK..2 * BLOCK + 1).is_ok());
        assert!(file.is_fit());
        assert_eq!(file.read(BLOCK..BLOCK + 1), Err(Unreadable::Damaged));
        assert!(!file.is_fit());
        file.withdraw();
        assert_eq!(file.read(0..BLOCK), Err(Unreadable::Damaged));
    }

    #[test]
    fn a_withdrawn_file_gives_nothing_more() {
        let (_folder, path) = written(b"octets");
        let file = MappedFile::open(&path, 6, sha256(b"octets")).unwrap();
        assert_eq!(file.read(0..6), Ok(&b"octets"[..]));
        file.withdraw();
        assert_eq!(file.read(0..6), Err(Unreadable::Withdrawn));
    }
}
