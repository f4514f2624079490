//! Files and folders that are watched: `index`, `csv`, `crl_folder`, `certificate_folder`.
//!
//! Who can write what is watched says the status of the issuer's certificates; a CRL alone proves
//! itself.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::Deserialize;

use crate::config::duration;

/// The `index.txt` of `openssl ca`, which is rewritten whole.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct IndexFeed {
    /// What operators call it. Default `index`.
    pub name: Option<String>,
    /// The file.
    pub path: PathBuf,
    /// How often it is looked at; it is read only when it has changed. Default 1 s.
    #[serde(default, deserialize_with = "duration::optional")]
    pub interval: Option<Duration>,
    /// How long after the last success the issuer is stale. Default never.
    #[serde(default, deserialize_with = "duration::optional")]
    pub stale_after: Option<Duration>,
}

/// A CSV file, which is rewritten whole or grows.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct CsvFeed {
    /// What operators call it. Default `csv`.
    pub name: Option<String>,
    /// The file.
    pub path: PathBuf,
    /// How often it is looked at; it is read only when it has changed. Default 1 s.
    #[serde(default, deserialize_with = "duration::optional")]
    pub interval: Option<Duration>,
    /// How long after the last success the issuer is stale. Default never.
    #[serde(default, deserialize_with = "duration::optional")]
    pub stale_after: Option<Duration>,
    /// The column of each field by its header, or by its number where the file has no header line.
    /// Default: each field by its own name.
    #[serde(default)]
    pub columns: BTreeMap<CsvField, String>,
    /// What stands between fields. Default a comma.
    pub delimiter: Option<char>,
    /// How serial numbers are written. Default `hex`.
    #[serde(default)]
    pub serials: CsvSerials,
    /// How times are written. Default `rfc3339`.
    #[serde(default)]
    pub times: CsvTimes,
    /// What the words of the status column mean. Default `good`, `revoked` and `hold` by themselves.
    #[serde(default)]
    pub statuses: BTreeMap<String, CsvStatus>,
    /// What every line means, in a file without a status column. Default: there is one.
    pub every_status: Option<CsvStatus>,
}

/// A folder that CRLs are dropped into.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct CrlFolderFeed {
    /// What operators call it. Default `crl_folder`.
    pub name: Option<String>,
    /// The folder. Every CRL in it counts that is the issuer's, DER or PEM.
    pub path: PathBuf,
    /// How often it is looked at; files are read only when they have changed. Default 5 s.
    #[serde(default, deserialize_with = "duration::optional")]
    pub interval: Option<Duration>,
    /// How long after the last success the issuer is stale. Default never.
    #[serde(default, deserialize_with = "duration::optional")]
    pub stale_after: Option<Duration>,
}

/// A folder that certificates are dropped into.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct CertificateFolderFeed {
    /// What operators call it. Default `certificate_folder`.
    pub name: Option<String>,
    /// The folder, with all folders in it. Every certificate in it that the issuer signed is recorded
    /// as issued.
    pub path: PathBuf,
    /// How often it is looked at; files are read only when they have changed. Default 5 s.
    #[serde(default, deserialize_with = "duration::optional")]
    pub interval: Option<Duration>,
    /// How long after the last success the issuer is stale. Default never.
    #[serde(default, deserialize_with = "duration::optional")]
    pub stale_after: Option<Duration>,
}

/// What a column of a CSV file can hold.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "snake_case")]
pub enum CsvField {
    /// serialNumber
    Serial,
    /// Whether it is revoked.
    Status,
    /// reasonCode
    Reason,
    /// revocationTime
    RevocationTime,
    /// invalidityDate
    InvalidityDate,
    /// notBefore
    NotBefore,
    /// notAfter
    NotAfter,
    /// SHA-256 of the certificate.
    Sha256,
}

/// How serial numbers are written in a CSV file.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum CsvSerials {
    /// Hexadecimal.
    #[default]
    Hex,
    /// Decimal.
    Decimal,
}

/// How times are written in a CSV file.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum CsvTimes {
    /// `2026-03-21T08:30:00Z`
    #[default]
    Rfc3339,
    /// Seconds since 1970.
    Unix,
    /// Milliseconds since 1970.
    UnixMs,
    /// `2026-03-21 08:30:00`, UTC.
    Utc,
}

/// What a word of a status column means.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum CsvStatus {
    /// Issued, not revoked.
    Good,
    /// Revoked.
    Revoked,
    /// On hold.
    Hold,
    /// Revoked where a revocation time is given.
    ByTime,
}
