//! The small files that a configuration names: certificates, keys, passphrases.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::asn1::{Certificate, CertificateError};

/// The longest file that is taken for a certificate: chains of a CA have a few KiB.
const CERTIFICATE_FILE_OCTETS_MAX: u64 = 1024 * 1024;

/// Reads a file with one certificate, PEM (among whatever other text and blocks) or DER.
///
/// # Errors
/// [`CertificateFileError`], which names the file.
pub fn read_certificate(path: &Path) -> Result<Certificate, CertificateFileError> {
    let file = read(path, CERTIFICATE_FILE_OCTETS_MAX)?;
    // DER begins with the SEQUENCE tag, which is `0` in ASCII: no PEM file begins with it.
    let certificate = if file.content.first() == Some(&0x30) {
        Certificate::from_der(file.content.as_slice())
    } else {
        Certificate::from_pem(&file.content)
    };
    certificate.map_err(|source| CertificateFileError::Certificate {
        path: path.to_owned(),
        source,
    })
}

/// Why a file gave no certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateFileError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// What it holds is not one certificate.
    #[error("{} is not a certificate in PEM or DER: {source}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CertificateError,
    },
}

/// A file that was read whole.
pub(crate) struct Content {
    /// What it holds, overwritten when dropped: it may be secret.
    pub(crate) content: Zeroizing<Vec<u8>>,
    /// Whether the group or everybody may read or write it.
    pub(crate) is_open_to_others: bool,
}

/// Reads a file whole.
pub(crate) fn read(path: &Path, octets_max: u64) -> Result<Content, FileError> {
    let failed = |source: io::Error| FileError::from_io(path, source);
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    // One allocation that never moves, so that no copy of a secret stays behind.
    let expected = usize::try_from(metadata.len().min(octets_max)).unwrap_or(0);
    let mut content = Zeroizing::new(Vec::with_capacity(expected.saturating_add(1)));
    let mut limited = file.take(octets_max.saturating_add(1));
    limited.read_to_end(&mut content).map_err(failed)?;
    if limited.limit() == 0 {
        return Err(FileError::TooLong {
            path: path.to_owned(),
            octets_max,
        });
    }
    Ok(Content {
        content,
        is_open_to_others: metadata.is_file() && metadata.mode() & 0o077 != 0,
    })
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// There is none.
    #[error("{} does not exist: check the path", path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
    },
    /// A folder stands in its place.
    #[error("{} is a folder: name the file in it", path.display())]
    IsDirectory {
        /// The folder.
        path: PathBuf,
    },
    /// The process may not read it.
    #[error(
        "{} may not be read by the user that runs this (uid {uid}): give that user read permission, \
         on the folders above it as well",
        path.display()
    )]
    PermissionDenied {
        /// The file.
        path: PathBuf,
        /// The effective user.
        uid: u32,
    },
    /// Longer than anything that belongs there.
    #[error("{} is longer than {octets_max} octets: is it the file that was meant?", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The most octets.
        octets_max: u64,
    },
    /// Anything else.
    #[error("{} cannot be read: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl FileError {
    fn from_io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { path },
            io::ErrorKind::IsADirectory => Self::IsDirectory { path },
            io::ErrorKind::PermissionDenied => Self::PermissionDenied {
                path,
                uid: rustix::process::geteuid().as_raw(),
            },
            _ => Self::Io { path, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn a_file_is_read_with_what_its_mode_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "secret").unwrap();
        for (mode, open) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let file = read(&path, 6).unwrap();
            assert_eq!(
                (&**file.content, file.is_open_to_others),
                (&b"secret"[..], open)
            );
        }
    }

    #[test]
    fn each_way_to_be_unreadable_has_its_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        assert!(matches!(read(&path, 9), Err(FileError::NotFound { .. })));
        assert!(matches!(
            read(folder.path(), 9),
            Err(FileError::IsDirectory { .. })
        ));
        fs::write(&path, "0123456789").unwrap();
        assert!(matches!(
            read(&path, 9),
            Err(FileError::TooLong { octets_max: 9, .. })
        ));
        assert!(matches!(
            read(&path.join("below"), 9),
            Err(FileError::Io { .. })
        ));
        // Root reads everything, so the kernel's answer is put in its place.
        let denied = FileError::from_io(&path, io::ErrorKind::PermissionDenied.into());
        assert!(
            denied
                .to_string()
                .contains("give that user read permission"),
            "{denied}"
        );
    }
}
