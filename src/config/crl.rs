//! `[issuer.crl]`: an issuer whose CRL is made here.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use super::{duration, settings::PassphraseSource};

/// `[issuer.crl]`: how the issuer's CRL is made.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Crl {
    /// Where the CRL is written, in DER; a web server may serve it from there. No default.
    pub file: PathBuf,
    /// The CA's private key: PKCS#8 PEM, plain or encrypted. No default. Who can read it (and its
    /// passphrase) can issue any certificate in the CA's name.
    pub key: PathBuf,
    /// The file with the passphrase of the key; one line break at its end does not count.
    pub passphrase_file: Option<PathBuf>,
    /// The environment variable with the passphrase of the key.
    pub passphrase_env: Option<String>,
    /// The systemd credential with the passphrase of the key.
    pub passphrase_credential: Option<String>,
    /// From thisUpdate to nextUpdate. Default 7 days.
    #[serde(
        default = "Crl::default_validity",
        deserialize_with = "duration::deserialize"
    )]
    pub validity: Duration,
}

impl Crl {
    /// A CRL whose key is not encrypted.
    #[must_use]
    pub fn new(file: &Path, key: &Path) -> Self {
        Self {
            file: file.to_owned(),
            key: key.to_owned(),
            passphrase_file: None,
            passphrase_env: None,
            passphrase_credential: None,
            validity: Self::default_validity(),
        }
    }

    /// A week: what BR §4.9.7 asks at least is a new one every seven days.
    const fn default_validity() -> Duration {
        Duration::from_secs(7 * 24 * 60 * 60)
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
