//! `[[token]]`: where keys are that never leave their hardware.

mod uri;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Deserializer};

use super::{duration, settings::PassphraseSource};

pub use uri::{KeyUri, KeyUriError};

/// `[[token]]`: one token of a PKCS#11 module, for all keys on it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// What the keys' settings call it. No default.
    pub name: String,
    /// The vendor's PKCS#11 module, a shared library. No default. Who can write it runs his code with the
    /// server's rights and its PIN.
    pub module: PathBuf,
    /// The token's label.
    pub label: Option<String>,
    /// The token's serial number.
    pub serial: Option<String>,
    /// The number of the slot that the token is in. Many modules number slots anew at every start: prefer
    /// label or serial. Default of the three: the only token there is.
    pub slot: Option<u64>,
    /// The file with the PIN of the token's user; one line break at its end does not count. Who can read it
    /// and reach the token can sign with every key on it.
    pub pin_file: Option<PathBuf>,
    /// The environment variable with the PIN.
    pub pin_env: Option<String>,
    /// The systemd credential with the PIN.
    pub pin_credential: Option<String>,
    /// How many sessions sign at once. Default: as many as the machine has cores, and no more than the token
    /// has. A token in the network signs more with more of them.
    pub sessions: Option<usize>,
    /// How long one call of the module may take before it is given up. Default 5 s.
    #[serde(
        default = "Token::default_deadline",
        deserialize_with = "duration::deserialize"
    )]
    pub deadline: Duration,
    /// Whether keys are taken that can leave the token, or be read there. Default `false`.
    #[serde(default)]
    pub allow_extractable: bool,
    /// Whether the module runs in the server's own process, which then ends with it should it crash.
    /// Default `false`.
    #[serde(default)]
    pub in_process: bool,
}

impl Token {
    /// The only token of a module, without a PIN.
    #[must_use]
    pub fn new(name: &str, module: &Path) -> Self {
        Self {
            name: name.to_owned(),
            module: module.to_owned(),
            label: None,
            serial: None,
            slot: None,
            pin_file: None,
            pin_env: None,
            pin_credential: None,
            sessions: None,
            deadline: Self::default_deadline(),
            allow_extractable: false,
            in_process: false,
        }
    }

    /// Where the PIN comes from; at most one of the three is set in a judged configuration.
    #[must_use]
    pub fn pin(&self) -> Option<PassphraseSource> {
        PassphraseSource::first(
            self.pin_file.as_deref(),
            self.pin_env.as_deref(),
            self.pin_credential.as_deref(),
        )
    }

    /// A signature takes milliseconds on slow hardware; a token behind a network that has to find another
    /// member of its cluster, some seconds.
    const fn default_deadline() -> Duration {
        Duration::from_secs(5)
    }
}

/// Where a private key is: `"ocsp.key"`, or `"pkcs11:object=ocsp"`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Key {
    /// PKCS#8 PEM in this file, plain or encrypted.
    File(PathBuf),
    /// On a token.
    Token(TokenKey),
}

/// A key on a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenKey {
    /// Which one.
    pub uri: KeyUri,
    /// The `[[token]]` that it is on, which loading the configuration fills in.
    pub token: Option<Arc<Token>>,
}

impl Key {
    /// A key in this file, or on a token where the path is a `pkcs11:` URI.
    ///
    /// # Errors
    /// [`KeyUriError`].
    pub fn parse(text: &str) -> Result<Self, KeyUriError> {
        if KeyUri::is_meant(text) {
            let uri = text.parse()?;
            return Ok(Self::Token(TokenKey { uri, token: None }));
        }
        Ok(Self::File(PathBuf::from(text)))
    }

    /// The file, if it is in one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Token(_) => None,
        }
    }

    /// The file's path, to be resolved.
    pub(super) fn file_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::File(path) => Some(path),
            Self::Token(_) => None,
        }
    }

    /// Gives it the token that it is on: the one called `name`, without a name the only one.
    pub(super) fn bind(&mut self, tokens: &[Token], name: Option<&str>) {
        if let Self::Token(key) = self {
            key.token = match (name, tokens) {
                (None, [only]) => Some(Arc::new(only.clone())),
                (None, _) => None,
                (Some(name), tokens) => tokens
                    .iter()
                    .find(|token| token.name == name)
                    .map(|token| Arc::new(token.clone())),
            };
        }
    }
}

impl From<PathBuf> for Key {
    fn from(file: PathBuf) -> Self {
        Self::File(file)
    }
}

/// The key's name in messages and between processes.
impl std::fmt::Display for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.token {
            Some(token) => write!(f, "{} of token {}", self.uri, token.name),
            None => self.uri.fmt(f),
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Token(key) => key.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_in_a_file_unless_it_is_a_uri() {
        let file = |text: &str| Key::parse(text).unwrap().file().map(Path::to_owned);
        assert_eq!(file("ocsp.key"), Some("ocsp.key".into()));
        assert_eq!(file("pkcs11/ocsp.key"), Some("pkcs11/ocsp.key".into()));
        assert_eq!(file("pkcs11:object=a"), None);
        assert_eq!(Key::parse("pkcs11:token=a"), Err(KeyUriError::NoKey));
    }

    #[test]
    fn a_key_finds_its_token() {
        let tokens = ["a", "b"].map(|name| Token::new(name, Path::new("m.so")));
        let bound = |tokens: &[Token], name| {
            let mut key = Key::parse("pkcs11:object=k").unwrap();
            key.bind(tokens, name);
            match key {
                Key::Token(key) => key.token.map(|token| token.name.clone()),
                Key::File(_) => unreachable!(),
            }
        };
        assert_eq!(bound(&tokens, Some("b")).as_deref(), Some("b"));
        assert_eq!(bound(&tokens, Some("c")), None);
        assert_eq!(bound(&tokens, None), None);
        assert_eq!(bound(&tokens[..1], None).as_deref(), Some("a"));
    }
}
