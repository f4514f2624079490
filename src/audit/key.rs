//! The ledger's key: what signs for the log.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{Ed25519KeyPair, KeyPair as _},
};
use der::pem::LineEnding;
use pkcs8::SecretDocument;

use super::note::{NoteError, VerifierKey, is_name, signature_line};
use crate::config::{self, FileError};

/// An Ed25519 key with the name that it signs under.
///
/// **Trust.** Who can read it can sign a log of their own in this one's name. It shows that the log was
/// not altered by anybody who has not got it; against those who have, only checkpoints that others
/// keep help.
pub struct LedgerKey {
    pair: Ed25519KeyPair,
    verifier: VerifierKey,
    /// Whether others than the owner may read its file.
    is_open_to_others: bool,
}

impl LedgerKey {
    /// Opens the key in `path`, PKCS#8 in PEM. Where there is no file, one is made, mode 0400, in a
    /// folder of mode 0700. `origin` is the log's name; without it, it is called `estelam/` and 16
    /// hexadecimal digits of the hash of its key.
    ///
    /// # Errors
    /// [`LedgerKeyError`].
    pub fn open_or_create(path: &Path, origin: Option<&str>) -> Result<Self, LedgerKeyError> {
        match Self::open(path, origin) {
            Err(LedgerKeyError::File(FileError::NotFound { .. })) => {
                create(path)?;
                Self::open(path, origin)
            }
            opened => opened,
        }
    }

    /// Opens the key in `path`.
    ///
    /// # Errors
    /// [`LedgerKeyError`]; [`FileError::NotFound`] when there is none.
    pub fn open(path: &Path, origin: Option<&str>) -> Result<Self, LedgerKeyError> {
        let file = config::read(path, KEY_FILE_OCTETS_MAX)?;
        let unusable = || LedgerKeyError::NotAKey {
            path: path.to_owned(),
        };
        let text = std::str::from_utf8(&file.content).map_err(|_| unusable())?;
        let (label, pkcs8) = SecretDocument::from_pem(text).map_err(|_| unusable())?;
        if label != LABEL {
            return Err(unusable());
        }
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_bytes()).map_err(|_| unusable())?;
        Self::new(pair, origin, file.is_open_to_others)
    }

    fn new(
        pair: Ed25519KeyPair,
        origin: Option<&str>,
        is_open_to_others: bool,
    ) -> Result<Self, LedgerKeyError> {
        let public_key = pair.public_key().as_ref();
        let named = match origin {
            Some(origin) => origin.to_owned(),
            None => default_name(public_key),
        };
        let public_key = public_key.try_into().map_err(|_| NoteError::VerifierKey)?;
        let verifier = VerifierKey::new(&named, public_key)?;
        Ok(Self {
            pair,
            verifier,
            is_open_to_others,
        })
    }

    /// The log's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.verifier.name()
    }

    /// What others verify with, as C2SP signed-note writes it.
    #[must_use]
    pub fn vkey(&self) -> String {
        self.verifier.to_string()
    }

    /// What verifies its signatures.
    #[must_use]
    pub fn verifier(&self) -> VerifierKey {
        self.verifier.clone()
    }

    /// Whether others than the owner may read its file: worth a warning.
    #[must_use]
    pub const fn is_open_to_others(&self) -> bool {
        self.is_open_to_others
    }

    /// The signed note over `text`, which ends in a newline.
    #[must_use]
    pub fn sign_note(&self, text: &str) -> String {
        debug_assert!(text.ends_with('\n'), "a note's text ends in a newline");
        let signature = self.pair.sign(text.as_bytes());
        format!(
            "{text}\n{}",
            signature_line(&self.verifier, signature.as_ref())
        )
    }

    /// The signature over a text of one line, as manifests of CRLs have it. A checkpoint has several, so
    /// that neither can be taken for the other.
    #[must_use]
    pub(crate) fn sign_line(&self, text: &str) -> Vec<u8> {
        debug_assert!(!text.contains('\n'), "it could be a note");
        self.pair.sign(text.as_bytes()).as_ref().to_vec()
    }

    /// A fresh key.
    #[cfg(test)]
    pub(crate) fn for_tests(origin: &str) -> Self {
        Self::new(Ed25519KeyPair::generate().unwrap(), Some(origin), false).unwrap()
    }
}

impl std::fmt::Debug for LedgerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LedgerKey")
            .field("verifier", &self.verifier)
            .finish_non_exhaustive()
    }
}

/// Whether the log can have this name.
#[must_use]
pub fn is_origin(origin: &str) -> bool {
    is_name(origin)
}

/// PKCS#8, not encrypted (RFC 7468 §10).
const LABEL: &str = "PRIVATE KEY";

/// A key has a hundred octets.
const KEY_FILE_OCTETS_MAX: u64 = 64 << 10;

fn default_name(public_key: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut name = "estelam/".to_owned();
    for octet in digest(&SHA256, public_key).as_ref().iter().take(8) {
        // Writing to a String cannot fail.
        let _infallible = write!(name, "{octet:02x}");
    }
    name
}

/// Makes a key. Of two that do at once, the first one's stays.
fn create(path: &Path) -> Result<(), LedgerKeyError> {
    let failed = |source: io::Error| LedgerKeyError::Create {
        path: path.to_owned(),
        source,
    };
    let no_key = || {
        failed(io::Error::other(
            "the cryptographic library could not make a key",
        ))
    };
    let pair = Ed25519KeyPair::generate().map_err(|_| no_key())?;
    // Version 1, without the public key in it: OpenSSL 3.0 reads no version 2.
    let pkcs8 = pair.to_pkcs8v1().map_err(|_| no_key())?;
    let pem = SecretDocument::try_from(pkcs8.as_ref())
        .and_then(|secret| secret.to_pem(LABEL, LineEnding::LF))
        .map_err(|_| no_key())?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed)?;
    let beside = folder.join(format!(".ledger-key-{}.tmp", std::process::id()));
    let made =
        write_key(&beside, pem.as_bytes()).and_then(|()| match fs::hard_link(&beside, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
    let removed = fs::remove_file(&beside);
    made.and(removed)
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(failed)
}

fn write_key(path: &Path, pem: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o400)
        .open(path)?;
    file.write_all(pem)?;
    file.sync_all()
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerKeyError {
    /// Its file cannot be read.
    #[error("no ledger key: {0}")]
    File(#[from] FileError),
    /// Its file holds something else.
    #[error(
        "{} holds no Ed25519 key in PEM (PKCS#8, not encrypted), which the ledger's key has to be: \
         openssl genpkey -algorithm ed25519 makes one",
        path.display()
    )]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// It could not be made.
    #[error("cannot make the ledger key {}: {source}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
    /// The log cannot have the name.
    #[error("the origin of the ledger's log: {0}")]
    Name(#[from] NoteError),
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::audit::verified_text;

    #[test]
    fn a_key_is_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys/ledger.key");
        let key = LedgerKey::open_or_create(&path, None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o400);
        let folder = path.parent().unwrap();
        assert_eq!(fs::metadata(folder).unwrap().mode() & 0o777, 0o700);
        assert_eq!(
            fs::read_dir(folder).unwrap().count(),
            1,
            "nothing is left beside it"
        );
        assert!(!key.is_open_to_others());

        let name = key.name().strip_prefix("estelam/").unwrap();
        assert_eq!(name.len(), 16);
        let again = LedgerKey::open_or_create(&path, None).unwrap();
        assert_eq!(again.vkey(), key.vkey());
        let named = LedgerKey::open_or_create(&path, Some("example.org/log")).unwrap();
        assert_eq!(named.name(), "example.org/log");
        let note = named.sign_note("example\n");
        assert_eq!(verified_text(&note, &named.verifier()), Ok("example\n"));
        assert!(verified_text(&note, &again.verifier()).is_err());
        assert!(matches!(
            LedgerKey::open_or_create(&path, Some("two words")),
            Err(LedgerKeyError::Name(_))
        ));
    }

    #[test]
    fn what_is_no_key_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.key");
        for text in [
            "",
            "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
        ] {
            fs::write(&path, text).unwrap();
            let error = LedgerKey::open_or_create(&path, None).unwrap_err();
            assert!(matches!(error, LedgerKeyError::NotAKey { .. }), "{error:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
