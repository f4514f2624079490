//! A key out of its file, for whoever judges himself what it may sign.

use std::{path::Path, sync::Arc};

use super::{
    KeyError, LoadError, Passphrase, Signer, SoftwareSigner, Warning, forbid_core_dumps, key_file,
    token,
};
use crate::config::{self, KeyPlace, PassphraseSource, RsaSignature};

/// Opens a key in this process, as it is: of one that lies elsewhere nothing is verified yet.
pub(super) fn open_here(place: &KeyPlace) -> Result<(Arc<dyn Signer>, Vec<Warning>), LoadError> {
    forbid_core_dumps();
    match place {
        KeyPlace::File {
            path,
            passphrase,
            signature,
        } => {
            let (signer, warnings) = open_key(path, passphrase.as_ref(), *signature)?;
            Ok((Arc::new(signer), warnings))
        }
        KeyPlace::Token {
            key,
            certificate,
            signature,
        } => {
            let token = key.token.as_ref().ok_or_else(|| LoadError::NoToken {
                key: key.to_string(),
            })?;
            let read = certificate
                .as_deref()
                .map(|path| config::read_certificate(path).map(|read| (path, read)))
                .transpose()?;
            let certificate = read.as_ref().map(|(path, read)| (*path, read));
            let signer = token::open(token, &key.uri, certificate, *signature)?;
            Ok((Arc::new(signer), pin_warnings(token)))
        }
    }
}

/// What is odd about the place of a token's PIN.
fn pin_warnings(token: &config::Token) -> Vec<Warning> {
    let Some(PassphraseSource::File(path)) = token.pin() else {
        return Vec::new();
    };
    // It was read when the token was opened; what became of it since is not of interest here.
    let read = Passphrase::read(&PassphraseSource::File(path));
    let open = read
        .ok()
        .and_then(|pin| pin.file_open_to_others().map(ToOwned::to_owned));
    open.map(|path| Warning::OpenToOthers { path })
        .into_iter()
        .collect()
}

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
    match passphrase {
        Some(_) if !key.was_encrypted => warnings.push(Warning::PassphraseNotNeeded { path }),
        Some(passphrase) => {
            let open = passphrase.file_open_to_others().map(ToOwned::to_owned);
            warnings.extend(open.map(|path| Warning::OpenToOthers { path }));
        }
        None => {}
    }
    Ok((signer, warnings))
}
