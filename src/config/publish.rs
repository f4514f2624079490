//! `[publish]`: where the CRLs that are made here are brought, and what lists them.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

use super::{duration, settings::PassphraseSource};

/// `[publish]`
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Publish {
    /// The path at which the signed manifest of all CRLs is served, for mirrors; that of each issuer lies
    /// beside it, as `ISSUER.json`. Default `/crl/manifest.json`.
    pub manifest: String,
    /// Where the CRLs are brought besides. Default nowhere.
    #[serde(rename = "target")]
    pub targets: Vec<PublishTarget>,
}

impl Default for Publish {
    fn default() -> Self {
        Self {
            manifest: "/crl/manifest.json".to_owned(),
            targets: Vec::new(),
        }
    }
}

/// One `[[publish.target]]` table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PublishTarget {
    /// A folder on this machine, or mounted there.
    Folder(FolderTarget),
    /// A store that speaks the protocol of Amazon S3.
    S3(StoreTarget),
    /// Google Cloud Storage.
    Gcs(StoreTarget),
    /// Azure Blob Storage.
    Azure(StoreTarget),
}

impl PublishTarget {
    /// What operators call it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Folder(target) => &target.name,
            Self::S3(target) | Self::Gcs(target) | Self::Azure(target) => &target.name,
        }
    }

    /// The word for its kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Folder(_) => "folder",
            Self::S3(_) => "s3",
            Self::Gcs(_) => "gcs",
            Self::Azure(_) => "azure",
        }
    }

    /// The issuers whose CRLs are brought there; empty: all.
    #[must_use]
    pub fn issuers(&self) -> &[String] {
        match self {
            Self::Folder(target) => &target.issuers,
            Self::S3(target) | Self::Gcs(target) | Self::Azure(target) => &target.issuers,
        }
    }

    /// What empties caches after a delivery.
    #[must_use]
    pub fn purge(&self) -> &[Purge] {
        match self {
            Self::Folder(target) => &target.purge,
            Self::S3(target) | Self::Gcs(target) | Self::Azure(target) => &target.purge,
        }
    }

    /// The paths of files that it names.
    pub(super) fn paths(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Self::Folder(target) => vec![&mut target.path],
            Self::S3(target) | Self::Gcs(target) | Self::Azure(target) => {
                let mut paths = vec![&mut target.tls_roots];
                paths.extend(target.secret_file.as_mut());
                paths
            }
        }
    }
}

/// A folder.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct FolderTarget {
    /// What it is called in logs and statistics. No default.
    pub name: String,
    /// The folder: each CRL lies below it at the path of its URL. No default. Who can write there can
    /// serve old CRLs.
    pub path: PathBuf,
    /// The mode of files. Default `0o644`.
    #[serde(default = "FolderTarget::default_mode")]
    pub mode: u32,
    /// The names of the issuers whose CRLs are brought there. Default all.
    #[serde(default)]
    pub issuers: Vec<String>,
    /// What empties caches after a delivery. Default nothing.
    #[serde(default)]
    pub purge: Vec<Purge>,
}

impl FolderTarget {
    const fn default_mode() -> u32 {
        0o644
    }
}

/// A store: keys are the paths of the CRLs' URLs, below the prefix.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct StoreTarget {
    /// What it is called in logs and statistics. No default.
    pub name: String,
    /// The bucket; Azure calls it container. No default.
    pub bucket: String,
    /// What keys begin with, without a slash at either end. Default nothing.
    #[serde(default)]
    pub prefix: String,
    /// The store's URL, where it is not the provider's own. `http://` sends CRLs, which are public, and
    /// signed requests in the clear.
    pub endpoint: Option<String>,
    /// The region, of S3 alone. Default `us-east-1`.
    pub region: Option<String>,
    /// Whether the bucket stands in the host's name, of S3 alone. Default false: in the path.
    #[serde(default)]
    pub virtual_host: bool,
    /// The account, of Azure alone, which needs it.
    pub account: Option<String>,
    /// The name of the key, of S3 alone. Without it, the machine's own role is asked for one.
    pub access_key_id: Option<String>,
    /// The file with the secret: S3's secret access key, Azure's access key, or the JSON of a Google
    /// service account. Who can read it can replace what is in the store. One line break at its end does
    /// not count.
    pub secret_file: Option<PathBuf>,
    /// The environment variable with the secret.
    pub secret_env: Option<String>,
    /// The systemd credential with the secret.
    pub secret_credential: Option<String>,
    /// The certificates that the store is trusted by, PEM. Default those of Debian's `ca-certificates`.
    #[serde(default = "StoreTarget::default_tls_roots")]
    pub tls_roots: PathBuf,
    /// How long one request may take, with its body. Default 2 min.
    #[serde(
        default = "StoreTarget::default_timeout",
        deserialize_with = "duration::deserialize"
    )]
    pub timeout: Duration,
    /// The names of the issuers whose CRLs are brought there. Default all.
    #[serde(default)]
    pub issuers: Vec<String>,
    /// What empties caches after a delivery. Default nothing.
    #[serde(default)]
    pub purge: Vec<Purge>,
}

impl StoreTarget {
    /// A store of the provider, asked with the machine's own role.
    #[must_use]
    pub fn new(name: &str, bucket: &str) -> Self {
        Self {
            name: name.to_owned(),
            bucket: bucket.to_owned(),
            prefix: String::new(),
            endpoint: None,
            region: None,
            virtual_host: false,
            account: None,
            access_key_id: None,
            secret_file: None,
            secret_env: None,
            secret_credential: None,
            tls_roots: Self::default_tls_roots(),
            timeout: Self::default_timeout(),
            issuers: Vec::new(),
            purge: Vec::new(),
        }
    }

    fn default_tls_roots() -> PathBuf {
        PathBuf::from("/etc/ssl/certs/ca-certificates.crt")
    }

    const fn default_timeout() -> Duration {
        Duration::from_secs(120)
    }

    /// Where the secret comes from; at most one of the three is set in a judged configuration.
    #[must_use]
    pub fn secret(&self) -> Option<PassphraseSource> {
        PassphraseSource::first(
            self.secret_file.as_deref(),
            self.secret_env.as_deref(),
            self.secret_credential.as_deref(),
        )
    }
}

/// What empties caches of the files that changed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Purge {
    /// Sends `PURGE path` to each host, as Varnish and nginx's purge modules take it.
    Http(PurgeHosts),
    /// Runs a command.
    Command(PurgeCommand),
}

/// The caches.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct PurgeHosts {
    /// `host:port` of each; nothing else is asked.
    pub hosts: Vec<String>,
}

/// A command that is run without a shell.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct PurgeCommand {
    /// The program's path and its first arguments; the URLs of what changed follow them.
    pub command: Vec<String>,
    /// How long it may take. Default 30 s.
    #[serde(
        default = "PurgeCommand::default_timeout",
        deserialize_with = "duration::deserialize"
    )]
    pub timeout: Duration,
}

impl PurgeCommand {
    const fn default_timeout() -> Duration {
        Duration::from_secs(30)
    }
}
