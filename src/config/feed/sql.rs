//! `kind = "sql"`: a table or view of a database that is asked again and again.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use super::sql_address::{SqlAddress, SqlAddressError, SqlTlsMode};
use crate::config::{PassphraseSource, duration};

/// A table or view of a database.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct SqlFeed {
    /// What operators call it. Default `sql`.
    pub name: Option<String>,
    /// How often it is asked. Default 5 s.
    #[serde(default, deserialize_with = "duration::optional")]
    pub interval: Option<Duration>,
    /// How long after the last success the issuer is stale. Default never.
    #[serde(default, deserialize_with = "duration::optional")]
    pub stale_after: Option<Duration>,
    /// Where the database is: `postgresql://USER@HOST/NAME`, `mariadb://USER@HOST/NAME` or
    /// `sqlite:PATH`. No default, and never with a password. Who can write to the table can revoke
    /// certificates and make serials known, never take a revocation back but for a hold.
    pub database: String,
    /// The file with the user's password; one line break at its end does not count.
    pub password_file: Option<PathBuf>,
    /// The environment variable with the user's password.
    pub password_env: Option<String>,
    /// The systemd credential with the user's password.
    pub password_credential: Option<String>,
    /// Whether the way to the server is protected. Default `verify_full` unless the server is on this
    /// host; `off` elsewhere only where it is written here.
    pub tls: Option<SqlTls>,
    /// The CAs that may vouch for the server, PEM, beside those that browsers know. Who can write
    /// them can be the database.
    pub tls_roots: Option<PathBuf>,
    /// A CA product whose tables are known. Default none: then `table` or `query`, and `columns`.
    pub preset: Option<SqlPreset>,
    /// The rows of this CA alone, by the name that EJBCA writes (`ejbca`).
    pub issuer_dn: Option<String>,
    /// The rows of these CA certificates alone, SHA-1 in hexadecimal (`ejbca`). Default that of the
    /// issuer's certificate, unless `issuer_dn` is set.
    #[serde(default)]
    pub ca_fingerprints: Vec<String>,
    /// The rows of this CA alone, its key identifier in hexadecimal (`cfssl`). Default that of the
    /// issuer's certificate.
    pub authority_key_identifier: Option<String>,
    /// The table or view, `NAME` or `SCHEMA.NAME`, as the database spells it.
    pub table: Option<String>,
    /// A SELECT in place of a table.
    pub query: Option<String>,
    /// What a row has to fulfil beside that, as a WHERE clause has it. It is sent as it is.
    #[serde(rename = "where")]
    pub filter: Option<String>,
    /// Which column holds what.
    #[serde(default)]
    pub columns: SqlColumns,
    /// How serial numbers are written. Default `hex`.
    #[serde(default)]
    pub serials: SqlSerials,
    /// What a time is that is written as a number. Default `none`: all times are timestamps or text.
    #[serde(default)]
    pub times: SqlTimes,
    /// The words or numbers of the status column, letter case aside. Default `good`, `revoked` and
    /// `hold`.
    #[serde(default)]
    pub statuses: BTreeMap<String, SqlStatus>,
    /// The status of every row, of a table without a status column.
    pub every_status: Option<SqlStatus>,
    /// How far behind the newest row each poll begins, so that rows are seen that were committed late
    /// or dated by a clock that is behind. Default 5 min.
    #[serde(
        default = "SqlFeed::default_overlap",
        deserialize_with = "duration::deserialize"
    )]
    pub overlap: Duration,
    /// How often every row is read again, in pieces: what changed without its `updated`. Default 24 h.
    #[serde(
        default = "SqlFeed::default_full_sweep",
        deserialize_with = "duration::deserialize"
    )]
    pub full_sweep: Duration,
    /// The most rows that are read, judged and kept in memory at once. Default 10000.
    #[serde(default = "SqlFeed::default_page_rows")]
    pub page_rows: usize,
    /// How long the server may take to let us in. Default 10 s.
    #[serde(
        default = "SqlFeed::default_connect_timeout",
        deserialize_with = "duration::deserialize"
    )]
    pub connect_timeout: Duration,
    /// How long one SELECT may take. Default 30 s.
    #[serde(
        default = "SqlFeed::default_statement_timeout",
        deserialize_with = "duration::deserialize"
    )]
    pub statement_timeout: Duration,
    /// How long one SELECT may wait for somebody else's lock. Default 5 s.
    #[serde(
        default = "SqlFeed::default_lock_timeout",
        deserialize_with = "duration::deserialize"
    )]
    pub lock_timeout: Duration,
}

impl SqlFeed {
    /// A feed of this database with every other setting at its default.
    #[must_use]
    pub fn new(database: &str) -> Self {
        Self {
            name: None,
            interval: None,
            stale_after: None,
            database: database.to_owned(),
            password_file: None,
            password_env: None,
            password_credential: None,
            tls: None,
            tls_roots: None,
            preset: None,
            issuer_dn: None,
            ca_fingerprints: Vec::new(),
            authority_key_identifier: None,
            table: None,
            query: None,
            filter: None,
            columns: SqlColumns::default(),
            serials: SqlSerials::default(),
            times: SqlTimes::default(),
            statuses: BTreeMap::new(),
            every_status: None,
            overlap: Self::default_overlap(),
            full_sweep: Self::default_full_sweep(),
            page_rows: Self::default_page_rows(),
            connect_timeout: Self::default_connect_timeout(),
            statement_timeout: Self::default_statement_timeout(),
            lock_timeout: Self::default_lock_timeout(),
        }
    }

    /// The database's address, read from [`SqlFeed::database`].
    ///
    /// # Errors
    /// [`SqlAddressError`]; a judged configuration has none.
    pub fn address(&self) -> Result<SqlAddress, SqlAddressError> {
        self.database.parse()
    }

    /// Where the password comes from; at most one of the three is set in a judged configuration.
    #[must_use]
    pub fn password(&self) -> Option<PassphraseSource> {
        PassphraseSource::first(
            self.password_file.as_deref(),
            self.password_env.as_deref(),
            self.password_credential.as_deref(),
        )
    }

    /// How the way to `address` is protected.
    #[must_use]
    pub fn tls_mode(&self, address: &SqlAddress) -> SqlTlsMode {
        match self.tls {
            Some(SqlTls::VerifyFull) => SqlTlsMode::VerifyFull,
            Some(SqlTls::Off) => SqlTlsMode::Off,
            None if address.is_local() => SqlTlsMode::Off,
            None => SqlTlsMode::VerifyFull,
        }
    }

    /// The paths that are relative to the configuration's folder.
    pub(super) fn paths(&mut self) -> Vec<&mut PathBuf> {
        let given = [self.password_file.as_mut(), self.tls_roots.as_mut()];
        given.into_iter().flatten().collect()
    }

    /// Makes the path of an SQLite file one below `folder`.
    pub(super) fn resolve_file(&mut self, folder: &Path) {
        if let Some(path) = self.database.strip_prefix("sqlite:")
            && !path.is_empty()
            && let Some(path) = folder.join(path).to_str()
        {
            self.database = format!("sqlite:{path}");
        }
    }

    const fn default_overlap() -> Duration {
        Duration::from_secs(5 * 60)
    }

    const fn default_full_sweep() -> Duration {
        Duration::from_secs(24 * 60 * 60)
    }

    const fn default_page_rows() -> usize {
        10_000
    }

    const fn default_connect_timeout() -> Duration {
        Duration::from_secs(10)
    }

    const fn default_statement_timeout() -> Duration {
        Duration::from_secs(30)
    }

    const fn default_lock_timeout() -> Duration {
        Duration::from_secs(5)
    }
}

/// Whether the way to a server is protected.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum SqlTls {
    /// TLS 1.2 or 1.3, and the server's certificate is valid for the host in `database`.
    VerifyFull,
    /// In the clear: whoever is on the way can read the password and write what the table says.
    Off,
}

/// A CA product whose tables are known.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SqlPreset {
    /// EJBCA's `CertificateData`.
    Ejbca,
    /// step-ca's `x509_certs` and `revoked_x509_certs`.
    StepCa,
    /// CFSSL's `certificates`.
    Cfssl,
}

impl SqlPreset {
    /// The word for it in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ejbca => "ejbca",
            Self::StepCa => "step-ca",
            Self::Cfssl => "cfssl",
        }
    }
}

/// `columns`: which column of the table holds what. Only `serial` has to be there.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct SqlColumns {
    /// serialNumber
    pub serial: Option<String>,
    /// Whether it is revoked.
    pub status: Option<String>,
    /// reasonCode: a name or number of RFC 5280 §5.3.1; NULL, empty or -1 for none.
    pub reason: Option<String>,
    /// revocationTime
    pub revocation_time: Option<String>,
    /// invalidityDate
    pub invalidity_date: Option<String>,
    /// notBefore
    pub not_before: Option<String>,
    /// notAfter
    pub not_after: Option<String>,
    /// SHA-256 of the certificate: 32 octets or 64 hexadecimal digits.
    pub sha256: Option<String>,
    /// The certificate, DER or PEM. Its dates and hash are then taken from it, and a row of another
    /// issuer is passed over.
    pub certificate: Option<String>,
    /// When the row was last changed: what each poll goes by. Without it every poll reads every row.
    pub updated: Option<String>,
    /// What orders rows and tells them apart; indexed. Default that of `serial`.
    pub key: Option<String>,
}

impl SqlColumns {
    /// Each that is set, with its key.
    pub(super) fn set(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("serial", &self.serial),
            ("status", &self.status),
            ("reason", &self.reason),
            ("revocation_time", &self.revocation_time),
            ("invalidity_date", &self.invalidity_date),
            ("not_before", &self.not_before),
            ("not_after", &self.not_after),
            ("sha256", &self.sha256),
            ("certificate", &self.certificate),
            ("updated", &self.updated),
            ("key", &self.key),
        ]
        .into_iter()
        .filter_map(|(key, column)| Some((key, column.as_deref()?)))
    }
}

/// How serial numbers are written in a table.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum SqlSerials {
    /// Hexadecimal digits.
    #[default]
    Hex,
    /// Decimal digits, or a number.
    Decimal,
    /// The octets of the number itself, highest first.
    Octets,
}

/// What a time is that is written as a number; -1 and 0 are none.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum SqlTimes {
    /// No time: a row that has one is bad.
    #[default]
    None,
    /// Seconds since 1970.
    Unix,
    /// Milliseconds since 1970.
    UnixMs,
}

/// What a word of the status column means.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum SqlStatus {
    /// Issued and not revoked.
    Good,
    /// Revoked, or on hold where the reason says so.
    Revoked,
    /// On hold.
    Hold,
    /// Revoked where a revocation time is given, else good.
    ByTime,
}
