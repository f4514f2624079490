//! `[issuer.ca]`: an issuer whose certificates are issued here.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{settings::PassphraseSource, token::Key};

/// `[issuer.ca]`: the CA's own key and what its certificates name. Only `estelam ca` reads it; the
/// server needs no CA key, and it is best kept on another machine or medium.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Ca {
    /// The CA's private key: the file of one in PKCS#8 PEM, plain or encrypted, or the `pkcs11:` URI of one
    /// on a token. No default. Who can read the file (and its passphrase), or use the token, can issue any
    /// certificate in the CA's name.
    pub key: Key,
    /// The name of the `[[token]]` that the key is on. Default: the only one.
    pub token: Option<String>,
    /// The file with the passphrase of the key; one line break at its end does not count.
    pub passphrase_file: Option<PathBuf>,
    /// The environment variable with the passphrase of the key.
    pub passphrase_env: Option<String>,
    /// The systemd credential with the passphrase of the key.
    pub passphrase_credential: Option<String>,
    /// Where the status of its certificates is asked: named in each of them. At least one.
    pub ocsp_urls: Vec<String>,
    /// Where its own certificate is found in DER: named in each. Default none.
    #[serde(default)]
    pub ca_issuers_urls: Vec<String>,
    /// Where its CRL is found: named in each, so only once it is served there. Default none.
    #[serde(default)]
    pub crl_urls: Vec<String>,
}

impl Ca {
    /// A CA whose key is not encrypted.
    #[must_use]
    pub fn new(key: &Path, ocsp_url: &str) -> Self {
        Self {
            key: Key::File(key.to_owned()),
            token: None,
            passphrase_file: None,
            passphrase_env: None,
            passphrase_credential: None,
            ocsp_urls: vec![ocsp_url.to_owned()],
            ca_issuers_urls: Vec::new(),
            crl_urls: Vec::new(),
        }
    }

    /// Where the passphrase comes from; at most one of the three is set in a judged configuration.
    #[must_use]
    pub fn passphrase(&self) -> Option<PassphraseSource> {
        PassphraseSource::first(
            self.passphrase_file.as_deref(),
            self.passphrase_env.as_deref(),
            self.passphrase_credential.as_deref(),
        )
    }
}
