//! Compressed forms of a CRL, made once and kept beside it.
//!
//! A form is used only after it was decompressed and found to be the CRL, octet for octet.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest;

use crate::segment::{MappedFile, SegmentError, names};

/// A content coding (RFC 9110 §8.4.1).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Coding {
    /// None.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 8878, with a window of 8 MiB at most (RFC 9659).
    Zstd,
}

impl Coding {
    /// Those that compress.
    pub const COMPRESSED: [Self; 2] = [Self::Zstd, Self::Gzip];

    /// Its name in Content-Encoding.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    const fn extension(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }
}

/// Why there is no compressed form.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodingError {
    /// The disk.
    #[error("{}: {source}", path.display())]
    Io {
        /// The compressed file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The CRL, or the compressed file when it was mapped.
    #[error(transparent)]
    File(#[from] SegmentError),
    /// It decompresses to something else.
    #[error("{} is not the CRL compressed", path.display())]
    Content {
        /// The compressed file.
        path: PathBuf,
    },
}

/// Where a coding of a CRL lies: `SHA-256.crl.gz`, after the CRL's own digest, so that it goes with it.
#[must_use]
pub fn compressed_path(folder: &Path, sha256: &[u8; 32], coding: Coding) -> PathBuf {
    let name = names::name(sha256, ".crl");
    folder.join(format!("{name}{}", coding.extension()))
}

/// It is used if it is smaller by this part: less is not worth the client's work.
const SAVED: u64 = 20;
/// zstd's 6 of 22: a CRL of random serials gains nothing above, and it holds 10 MB at most.
const ZSTD_LEVEL: i32 = 6;
const GZIP_LEVEL: u32 = 6;
/// RFC 9659 §3: 2^23 octets.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// Octets compressed between two looks at whether to go on; a frame of both costs a few milliseconds.
const STEP: usize = 1 << 18;

/// Compresses a CRL into its place. False where that is not worth it, or `keep_going` said no; then there
/// is no file. Looks whether to go on at every quarter of a megabyte.
///
/// # Errors
/// [`CodingError`]: the disk refuses, or the CRL is damaged.
pub fn compress(
    folder: &Path,
    crl: &MappedFile,
    coding: Coding,
    keep_going: impl FnMut() -> bool,
) -> Result<bool, CodingError> {
    let path = compressed_path(folder, crl.sha256(), coding);
    let name = names::hexadecimal(crl.sha256());
    // The shelf's sweep spares this process's own unfinished files, and no other's.
    let unfinished = format!("{}-{name}{}.tmp", std::process::id(), coding.extension());
    let unfinished = folder.join(unfinished);
    let failed = |source| CodingError::Io {
        path: path.clone(),
        source,
    };
    let written = write(&unfinished, crl, coding, keep_going).map_err(failed);
    let plain = u64::try_from(crl.octets()).unwrap_or(u64::MAX);
    let enough = plain.saturating_sub(plain.div_ceil(SAVED));
    let kept = match written {
        Ok(Some(octets)) if octets <= enough => fs::rename(&unfinished, &path).map_err(failed),
        Ok(_) => {
            drop(fs::remove_file(&unfinished));
            return Ok(false);
        }
        Err(error) => Err(error),
    };
    if kept.is_err() {
        drop(fs::remove_file(&unfinished));
    }
    kept.map(|()| true)
}

/// Gives the length; `None` when it was told to stop. Nothing is synced: a torn file is found at the next
/// start, and made anew.
fn write(
    path: &Path,
    crl: &MappedFile,
    coding: Coding,
    mut keep_going: impl FnMut() -> bool,
) -> io::Result<Option<u64>> {
    // Left by a process of the same number that was killed.
    drop(fs::remove_file(path));
    let mut options = fs::OpenOptions::new();
    let file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let mut pour = |into: &mut dyn Write| -> io::Result<bool> {
        let mut at = 0;
        while at < crl.octets() {
            if !keep_going() {
                return Ok(false);
            }
            let piece = crl.read(at..at.saturating_add(STEP));
            let piece = piece.map_err(io::Error::other)?;
            into.write_all(piece)?;
            at = at.saturating_add(piece.len());
        }
        Ok(true)
    };
    let (file, whole) = match coding {
        Coding::Identity => return Err(io::ErrorKind::InvalidInput.into()),
        Coding::Gzip => {
            let level = flate2::Compression::new(GZIP_LEVEL);
            // No name and no time: the same CRL gives the same octets.
            let mut encoder = flate2::GzBuilder::new().write(file, level);
            let whole = pour(&mut encoder)?;
            (encoder.finish()?, whole)
        }
        Coding::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(file, ZSTD_LEVEL)?;
            encoder.set_pledged_src_size(u64::try_from(crl.octets()).ok())?;
            encoder.include_checksum(true)?;
            let whole = pour(&mut encoder)?;
            if !whole {
                return Ok(None);
            }
            (encoder.finish()?, whole)
        }
    };
    if !whole {
        return Ok(None);
    }
    file.set_permissions(fs::Permissions::from_mode(0o444))?;
    Ok(Some(file.metadata()?.len()))
}

/// Opens a coding of a CRL after it was decompressed and found to be that CRL.
pub(super) fn open(
    folder: &Path,
    crl: &MappedFile,
    coding: Coding,
) -> Result<Arc<MappedFile>, CodingError> {
    let path = compressed_path(folder, crl.sha256(), coding);
    let failed = |source| CodingError::Io {
        path: path.clone(),
        source,
    };
    let file = File::open(&path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    let mut source = Digesting {
        file,
        context: digest::Context::new(&digest::SHA256),
    };
    let is_crl = match coding {
        Coding::Identity => return Err(failed(io::ErrorKind::InvalidInput.into())),
        Coding::Gzip => is_crl(flate2::read::MultiGzDecoder::new(&mut source), crl),
        Coding::Zstd => zstd::stream::read::Decoder::new(&mut source).and_then(|mut decoder| {
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            is_crl(decoder, crl)
        }),
    };
    // What does not decompress at all is no better than what decompresses to something else.
    if !is_crl.unwrap_or(false) {
        return Err(CodingError::Content { path });
    }
    // The decoders read to the end, or they would not have known that nothing follows.
    let digest = source.context.finish();
    let Ok(sha256) = digest.as_ref().try_into() else {
        return Err(CodingError::Content { path });
    };
    Ok(MappedFile::open(&path, len, sha256)?)
}

/// Whether what can be read is the CRL. Holds no more than one step of it.
fn is_crl(mut source: impl Read, crl: &MappedFile) -> io::Result<bool> {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut step = vec![0; STEP];
    let mut octets = 0_usize;
    loop {
        let read = match source.read(&mut step) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        octets = octets.saturating_add(read);
        if octets > crl.octets() {
            return Ok(false);
        }
        context.update(step.get(..read).unwrap_or_default());
    }
    Ok(context.finish().as_ref() == crl.sha256())
}

/// A file, and the digest of what was read of it.
struct Digesting {
    file: File,
    context: digest::Context,
}

impl Read for Digesting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.context.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crl(folder: &Path, octets: &[u8]) -> Arc<MappedFile> {
        let digest = digest::digest(&digest::SHA256, octets);
        let sha256: [u8; 32] = digest.as_ref().try_into().unwrap();
        let path = folder.join(names::name(&sha256, ".crl"));
        fs::write(&path, octets).unwrap();
        MappedFile::open(&path, u64::try_from(octets.len()).unwrap(), sha256).unwrap()
    }

    fn text() -> Vec<u8> {
        let lines = (0..40_000).map(|n| format!("entry {n} of a list\n"));
        lines.collect::<String>().into_bytes()
    }

    #[test]
    fn a_coding_is_the_crl_again() {
        let folder = tempfile::tempdir().unwrap();
        let crl = crl(folder.path(), &text());
        for coding in Coding::COMPRESSED {
            assert!(compress(folder.path(), &crl, coding, || true).unwrap());
            let coded = open(folder.path(), &crl, coding).unwrap();
            assert!(coded.octets() < crl.octets() / 3);
        }
        let names = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 3, "nothing unfinished is left");
    }

    #[test]
    fn any_flipped_bit_or_lost_octet_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let crl = crl(folder.path(), &text()[..3_000]);
        for coding in Coding::COMPRESSED {
            assert!(compress(folder.path(), &crl, coding, || true).unwrap());
            let path = compressed_path(folder.path(), crl.sha256(), coding);
            let octets = fs::read(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let mut harmless = 0;
            for at in 0..octets.len() {
                let mut flipped = octets.clone();
                flipped[at] ^= 1 << (at % 8);
                fs::write(&path, flipped).unwrap();
                match open(folder.path(), &crl, coding) {
                    Err(CodingError::Content { .. }) => {}
                    Ok(_) => harmless += 1,
                    Err(other) => panic!("{at}: {other}"),
                }
            }
            // Fields of gzip's head that mean nothing: time, system, extra flags.
            assert!(harmless <= 6, "{coding:?}: {harmless}");
            for cut in [0, 1, octets.len() / 2, octets.len() - 1] {
                fs::write(&path, &octets[..cut]).unwrap();
                assert!(open(folder.path(), &crl, coding).is_err(), "{cut}");
            }
            fs::write(&path, [&octets[..], b"more"].concat()).unwrap();
            assert!(open(folder.path(), &crl, coding).is_err());
        }
    }

    #[test]
    fn what_is_not_worth_it_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        // Digests are as random as anything.
        let random: Vec<u8> = (0..500_u32)
            .flat_map(|n| {
                digest::digest(&digest::SHA256, &n.to_be_bytes())
                    .as_ref()
                    .to_vec()
            })
            .collect();
        let crl = crl(folder.path(), &random);
        for coding in Coding::COMPRESSED {
            assert!(!compress(folder.path(), &crl, coding, || true).unwrap());
            assert!(!compress(folder.path(), &crl, coding, || false).unwrap());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(compress(folder.path(), &crl, Coding::Identity, || true).is_err());
    }
}
