//! `[issuer.crl]`: an issuer whose CRLs are made here.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use super::{duration, rsa_signature::RsaSignature, settings::PassphraseSource, token::Key};

/// `[issuer.crl]`: how the issuer's full CRL is made.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Crl {
    /// Where certificates say that the CRL is, octet for octet. Its path is where we serve it. No
    /// default.
    pub url: String,
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
    /// Whether the key lives in a process of its own (`estelam signer`) while a server runs. Default
    /// `false` for a key in a file.
    pub signer_process: Option<bool>,
    /// How an RSA key signs the CRLs: `pkcs1` (PKCS#1 v1.5 with SHA-256), `pss` (RSASSA-PSS with SHA-256) or
    /// `pss-sha384`. Default: `pkcs1`, and for a key made for RSASSA-PSS alone the hash that it is bound to,
    /// else SHA-256.
    pub signature: Option<RsaSignature>,
    /// From thisUpdate to nextUpdate. Default 7 days.
    #[serde(
        default = "Crl::default_validity",
        deserialize_with = "duration::deserialize"
    )]
    pub validity: Duration,
    /// How often one is made on schedule. Default 1 day.
    #[serde(
        default = "Crl::default_interval",
        deserialize_with = "duration::deserialize"
    )]
    pub interval: Duration,
    /// One is made this long after a revocation or release too, for all that came meanwhile. Default:
    /// on schedule alone.
    #[serde(default, deserialize_with = "duration::optional")]
    pub after_revocation: Option<Duration>,
    /// Whether entries stay when their certificates have expired, which the CRL says then
    /// (expiredCertsOnCRL). Default `false`: they leave after one CRL made on schedule after their end.
    #[serde(default)]
    pub keep_expired: bool,
    /// What changed since a full CRL. Default none.
    pub delta: Option<DeltaCrl>,
    /// The same by distribution point. Default none.
    pub shards: Option<CrlShards>,
}

/// `[issuer.crl.delta]`: how deltas are made.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct DeltaCrl {
    /// Where full CRLs say that the delta is (freshestCRL). No default.
    pub url: String,
    /// Where the full CRL is kept that the delta is based on, for whoever has none. Default: nowhere.
    pub base_url: Option<String>,
    /// From thisUpdate to nextUpdate. Default 1 day.
    #[serde(
        default = "Crl::default_interval",
        deserialize_with = "duration::deserialize"
    )]
    pub validity: Duration,
    /// How often one is made on schedule. Default 1 hour.
    #[serde(
        default = "DeltaCrl::default_interval",
        deserialize_with = "duration::deserialize"
    )]
    pub interval: Duration,
    /// One is made this long after a revocation or release too, for all that came meanwhile. Default:
    /// on schedule alone.
    #[serde(default, deserialize_with = "duration::optional")]
    pub after_revocation: Option<Duration>,
}

/// `[issuer.crl.shards]`: how CRLs of single distribution points are made.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct CrlShards {
    /// Where certificates say that the shards are, with `{shard}` for the number from 0. No default.
    pub url: String,
    /// How many there are. No default, and not to be changed while certificates name them.
    pub count: u32,
    /// From thisUpdate to nextUpdate. Default 7 days.
    #[serde(
        default = "Crl::default_validity",
        deserialize_with = "duration::deserialize"
    )]
    pub validity: Duration,
    /// How often all of them are made on schedule. Default 1 day.
    #[serde(
        default = "Crl::default_interval",
        deserialize_with = "duration::deserialize"
    )]
    pub interval: Duration,
    /// The shard concerned is made this long after a revocation or release too. Default: on schedule
    /// alone.
    #[serde(default, deserialize_with = "duration::optional")]
    pub after_revocation: Option<Duration>,
}

/// What stands for the number in the URL of shards.
pub(crate) const SHARD: &str = "{shard}";

impl Crl {
    /// A full CRL alone, whose key is not encrypted.
    #[must_use]
    pub fn new(url: &str, key: &Path) -> Self {
        Self {
            url: url.to_owned(),
            key: Key::File(key.to_owned()),
            token: None,
            passphrase_file: None,
            passphrase_env: None,
            passphrase_credential: None,
            signer_process: None,
            signature: None,
            validity: Self::default_validity(),
            interval: Self::default_interval(),
            after_revocation: None,
            keep_expired: false,
            delta: None,
            shards: None,
        }
    }

    /// A week: what BR §4.9.7 asks at least is a new one every seven days.
    const fn default_validity() -> Duration {
        Duration::from_secs(7 * 24 * 60 * 60)
    }

    /// A day: so that a week's outage passes unnoticed.
    const fn default_interval() -> Duration {
        Duration::from_secs(24 * 60 * 60)
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

    /// Every URL at which something of it is found, with the way to the setting that says so.
    pub fn urls(&self) -> impl Iterator<Item = (&'static [&'static str], String)> + '_ {
        let delta = self.delta.as_ref();
        let base = delta.and_then(|delta| delta.base_url.as_ref());
        let shards = self.shards.iter().flat_map(CrlShards::urls);
        std::iter::once((&["url"][..], self.url.clone()))
            .chain(delta.map(|delta| (&["delta", "url"][..], delta.url.clone())))
            .chain(base.map(|url| (&["delta", "base_url"][..], url.clone())))
            .chain(shards.map(|url| (&["shards", "url"][..], url)))
    }
}

impl DeltaCrl {
    /// A delta with the default times.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            base_url: None,
            validity: Crl::default_interval(),
            interval: Self::default_interval(),
            after_revocation: None,
        }
    }

    const fn default_interval() -> Duration {
        Duration::from_secs(60 * 60)
    }
}

impl CrlShards {
    /// Shards with the default times.
    #[must_use]
    pub fn new(url: &str, count: u32) -> Self {
        Self {
            url: url.to_owned(),
            count,
            validity: Crl::default_validity(),
            interval: Crl::default_interval(),
            after_revocation: None,
        }
    }

    /// Where a shard is.
    #[must_use]
    pub fn url_of(&self, shard: u32) -> String {
        self.url.replace(SHARD, &shard.to_string())
    }

    /// Where they are, in their order.
    pub fn urls(&self) -> impl Iterator<Item = String> + '_ {
        (0..self.count).map(|shard| self.url_of(shard))
    }
}
