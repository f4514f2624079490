//! A key out of its file, for whoever judges himself what it may sign.

use std::path::Path;

use super::{KeyError, LoadError, Passphrase, SoftwareSigner, Warning, key_file};
use crate::config::{PassphraseSource, RsaSignature};

/// Reads a software key: PKCS#8 PEM, plain or encrypted. With it comes what is odd about its file.
/// `signature` is the way in which an RSA key is to sign.
///
/// # Errors
/// [`LoadError`], which names the file.
pub fn open_key(
    path: &Path,
    passphrase: Option<&PassphraseSource>,
    signature: Option<RsaSignature>,
) -> Result<(SoftwareSigner, Vec<Warning>), LoadError> {
    let passphrase = passphrase.map(Passphrase::read).transpose()?;
    let key = key_file::read(path, passphrase.as_ref())?;
    let unusable = |source| KeyError::Unusable {
        path: path.to_owned(),
        source,
    };
    let signer =
        SoftwareSigner::from_pkcs8_signing(key.pkcs8.as_bytes(), signature).map_err(unusable)?;
    let mut warnings = Vec::new();
    let path = path.to_owned();
    if key.is_open_to_others {
        warnings.push(Warning::OpenToOthers { path: path.clone() });
    }
    if passphrase.is_some() && !key.was_encrypted {
        warnings.push(Warning::PassphraseNotNeeded { path });
    }
    let open = passphrase
        .as_ref()
        .and_then(Passphrase::file_open_to_others);
    warnings.extend(open.map(|path| Warning::OpenToOthers {
        path: path.to_owned(),
    }));
    Ok((signer, warnings))
}
