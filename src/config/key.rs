//! Where a private key is, and in which process it lives.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use super::{
    ca::Ca,
    crl::Crl,
    duration,
    settings::{Config, PassphraseSource, Signer},
    token::{Key, TokenKey},
};

/// `[signer_process]`: the process that keys live in which are not to live in the server.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct SignerProcess {
    /// The Unix socket of an `estelam signer` that a service manager runs. Default: none, and the
    /// server starts the process itself. Who can connect to it, and runs as the server's user, can have
    /// anything signed.
    pub socket: Option<PathBuf>,
    /// The user id of the server, where it is not the signer's own. Default: the signer's own.
    pub server_uid: Option<u32>,
    /// The user id of the signer, where it is not the server's own. Default: the server's own.
    pub signer_uid: Option<u32>,
    /// How long the process may take for one signature, or give no sign of life. One that takes longer
    /// hangs: it is killed and started again, or left to its service manager and connected to again.
    /// Default 10 s: tokens have a deadline of their own for each call, 5 s, and are given it.
    #[serde(deserialize_with = "duration::deserialize")]
    pub deadline: Duration,
}

impl Default for SignerProcess {
    fn default() -> Self {
        Self {
            socket: None,
            server_uid: None,
            signer_uid: None,
            deadline: Duration::from_secs(10),
        }
    }
}

/// A private key as configured.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfiguredKey {
    /// Where it is.
    pub place: KeyPlace,
    /// Whether it lives in a process of its own while a server runs.
    pub own_process: bool,
}

impl ConfiguredKey {
    /// A key in `place`; where nobody chose, it lives where its kind does.
    #[must_use]
    pub fn new(place: KeyPlace, own_process: Option<bool>) -> Self {
        Self {
            own_process: own_process.unwrap_or_else(|| place.lives_apart()),
            place,
        }
    }
}

/// Where a private key is. Shown, it is the key's name in messages and between processes.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum KeyPlace {
    /// In a file.
    File {
        /// PKCS#8 PEM.
        path: PathBuf,
        /// Where its passphrase comes from, if it has one.
        passphrase: Option<PassphraseSource>,
    },
    /// On a token.
    Token {
        /// Which one, on which token.
        key: TokenKey,
        /// The file of the certificate that the key is meant for, for a token that keeps no public key.
        certificate: Option<PathBuf>,
    },
}

impl KeyPlace {
    fn new(key: &Key, passphrase: Option<PassphraseSource>, certificate: Option<&Path>) -> Self {
        match key {
            Key::File(path) => Self::File {
                path: path.clone(),
                passphrase,
            },
            Key::Token(key) => Self::Token {
                key: key.clone(),
                certificate: certificate.map(Path::to_owned),
            },
        }
    }

    fn lives_apart(&self) -> bool {
        match self {
            Self::File { .. } => false,
            Self::Token { key, .. } => key.token.as_ref().is_none_or(|token| !token.in_process),
        }
    }

    /// Whether somebody else's library has it, which may crash, hang, or lock a key for good that was
    /// asked for with a wrong PIN too often.
    #[must_use]
    pub const fn is_on_token(&self) -> bool {
        match self {
            Self::File { .. } => false,
            Self::Token { .. } => true,
        }
    }
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => path.display().fmt(f),
            Self::Token { key, .. } => key.fmt(f),
        }
    }
}

impl Signer {
    /// Its key.
    #[must_use]
    pub fn configured_key(&self) -> ConfiguredKey {
        let place = KeyPlace::new(&self.key, self.passphrase(), Some(&self.certificate));
        ConfiguredKey::new(place, self.signer_process)
    }
}

impl Ca {
    /// Its key, which only commands use, in their own process.
    #[must_use]
    pub fn configured_key(&self) -> ConfiguredKey {
        ConfiguredKey::new(
            KeyPlace::new(&self.key, self.passphrase(), None),
            Some(false),
        )
    }
}

impl Crl {
    /// Its key.
    #[must_use]
    pub fn configured_key(&self) -> ConfiguredKey {
        let place = KeyPlace::new(&self.key, self.passphrase(), None);
        ConfiguredKey::new(place, self.signer_process)
    }
}

impl Config {
    /// The keys that answers and CRLs are signed with, each once.
    #[must_use]
    pub fn keys(&self) -> Vec<ConfiguredKey> {
        let mut keys: Vec<ConfiguredKey> = Vec::new();
        for issuer in &self.issuers {
            let signers = issuer.signers.iter().map(Signer::configured_key);
            for key in signers.chain(issuer.crl.as_ref().map(Crl::configured_key)) {
                let place = key.place.to_string();
                match keys
                    .iter_mut()
                    .find(|known| known.place.to_string() == place)
                {
                    Some(known) => known.own_process |= key.own_process,
                    None => keys.push(key),
                }
            }
        }
        keys
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::settings::Issuer;
    use super::*;

    #[test]
    fn keys_are_listed_once_and_live_apart_where_somebody_says_so() {
        let mut config = Config::default();
        for (name, key, apart) in [("a", "a.key", None), ("b", "b.key", Some(true))] {
            let mut issuer = Issuer::new(name, Path::new("ca.pem"));
            let mut signer = Signer::new(Path::new("ocsp.pem"), Path::new(key));
            signer.signer_process = apart;
            issuer.signers.push(signer);
            let mut crl = Crl::new("http://a/x", Path::new("b.key"));
            crl.signer_process = Some(false);
            issuer.crl = Some(crl);
            config.issuers.push(issuer);
        }
        let keys = config.keys();
        let keys: Vec<(String, bool)> = (keys.iter())
            .map(|key| (key.place.to_string(), key.own_process))
            .collect();
        assert_eq!(
            keys,
            [("a.key".to_owned(), false), ("b.key".to_owned(), true)]
        );
    }
}
