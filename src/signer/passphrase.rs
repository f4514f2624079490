//! The passphrase of a key file.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::config::{self, FileError, PassphraseSource};

/// A passphrase: overwritten when dropped, and never shown.
pub struct Passphrase {
    octets: Zeroizing<Vec<u8>>,
    /// The file it came from, where others than the owner may read that.
    file_open_to_others: Option<PathBuf>,
}

impl Passphrase {
    /// Reads a passphrase; one line break at its end does not belong to it.
    ///
    /// # Errors
    /// [`PassphraseError`], which names the source, never the content.
    pub fn read(source: &PassphraseSource) -> Result<Self, PassphraseError> {
        Self::read_with(source, |name| std::env::var_os(name))
    }

    /// `environment` gives the value of a variable.
    fn read_with(
        source: &PassphraseSource,
        environment: impl Fn(&OsStr) -> Option<OsString>,
    ) -> Result<Self, PassphraseError> {
        match source {
            PassphraseSource::File(path) => Self::from_file(path),
            PassphraseSource::Environment(name) => {
                let value = environment(name.as_ref())
                    .ok_or_else(|| PassphraseError::NoVariable { name: name.clone() })?;
                let place = || format!("the environment variable {name}");
                Self::new(Zeroizing::new(value.into_vec()), None, place)
            }
            PassphraseSource::Credential(name) => {
                let folder = environment(CREDENTIALS_DIRECTORY.as_ref())
                    .ok_or_else(|| PassphraseError::NoCredentials { name: name.clone() })?;
                Self::from_file(&Path::new(&folder).join(name))
            }
        }
    }

    fn from_file(path: &Path) -> Result<Self, PassphraseError> {
        let file = config::read(path, OCTETS_MAX)?;
        let open = file.is_open_to_others.then(|| path.to_owned());
        Self::new(file.content, open, || path.display().to_string())
    }

    fn new(
        mut octets: Zeroizing<Vec<u8>>,
        file_open_to_others: Option<PathBuf>,
        place: impl Fn() -> String,
    ) -> Result<Self, PassphraseError> {
        if octets.last() == Some(&b'\n') {
            octets.pop();
            if octets.last() == Some(&b'\r') {
                octets.pop();
            }
        }
        if octets.is_empty() {
            return Err(PassphraseError::Empty { place: place() });
        }
        Ok(Self {
            octets,
            file_open_to_others,
        })
    }

    /// The passphrase, to be used and forgotten.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The file it came from, where others than the owner may read that.
    pub(super) fn file_open_to_others(&self) -> Option<&Path> {
        self.file_open_to_others.as_deref()
    }
}

/// Set by systemd for a unit with `LoadCredential=` and its like.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Nobody's passphrase is longer, and OpenSSL takes 1024.
const OCTETS_MAX: u64 = 4096;

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PassphraseError {
    /// The file cannot be read.
    #[error("no passphrase: {0}")]
    File(#[from] FileError),
    /// The environment variable is not set.
    #[error("no passphrase: the environment variable {name} is not set")]
    NoVariable {
        /// The variable.
        name: String,
    },
    /// Not started by systemd with credentials.
    #[error(
        "no passphrase: $CREDENTIALS_DIRECTORY is not set, so there is no systemd credential {name}: add \
         LoadCredential={name}:FILE or LoadCredentialEncrypted={name}:FILE to the unit"
    )]
    NoCredentials {
        /// The credential.
        name: String,
    },
    /// There, but empty.
    #[error("no passphrase: {place} is empty")]
    Empty {
        /// Where it was looked for.
        place: String,
    },
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn from_variable(value: &str) -> Result<Vec<u8>, PassphraseError> {
        let source = PassphraseSource::Environment("P".to_owned());
        Passphrase::read_with(&source, |_| Some(value.into())).map(|read| read.octets.to_vec())
    }

    #[test]
    fn one_line_break_at_the_end_does_not_count() {
        for (value, passphrase) in [
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\n", "secret"),
            ("secret\n\n", "secret\n"),
            (" se cret ", " se cret "),
            ("گذرواژه\n", "گذرواژه"),
        ] {
            assert_eq!(from_variable(value).unwrap(), passphrase.as_bytes());
        }
        for value in ["", "\n", "\r\n"] {
            assert!(matches!(
                from_variable(value),
                Err(PassphraseError::Empty { .. })
            ));
        }
    }

    #[test]
    fn a_credential_is_a_file_in_systemds_folder() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ocsp-key"), "secret\n").unwrap();
        let source = PassphraseSource::Credential("ocsp-key".to_owned());
        let environment = |name: &OsStr| {
            (name == CREDENTIALS_DIRECTORY).then(|| folder.path().as_os_str().to_owned())
        };
        let passphrase = Passphrase::read_with(&source, environment).unwrap();
        assert_eq!(passphrase.octets(), b"secret");
        assert!(passphrase.file_open_to_others().is_some());

        assert!(matches!(
            Passphrase::read_with(&source, |_| None),
            Err(PassphraseError::NoCredentials { .. })
        ));
    }

    #[test]
    fn what_is_missing_is_named() {
        let source = PassphraseSource::Environment("OCSP_PASS".to_owned());
        let error = Passphrase::read_with(&source, |_| None).err().unwrap();
        assert!(error.to_string().contains("OCSP_PASS is not set"));
        let error = Passphrase::read(&PassphraseSource::File("/nowhere/pass".into()))
            .err()
            .unwrap();
        assert!(
            error.to_string().contains("/nowhere/pass does not exist"),
            "{error}"
        );
    }
}
