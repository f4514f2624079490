//! What the settings of a feed from a database must keep to.

use std::time::Duration;

use super::sql::{SqlFeed, SqlPreset, SqlSerials, SqlStatus, SqlTimes};
use super::sql_address::{SqlAddressError, SqlEngine, SqlTlsMode};
use crate::config::duration;

/// What was found: the keys to the value, and why it cannot be used.
type Found = Vec<(Vec<&'static str>, SqlProblem)>;

impl SqlFeed {
    /// Everything that is wrong with it, but for what all kinds of feeds have in common.
    pub(in crate::config) fn judge(&self) -> Found {
        let mut found = Vec::new();
        self.judge_address(&mut found);
        self.judge_passwords(&mut found);
        self.judge_shape(&mut found);
        self.judge_limits(&mut found);
        found
    }

    fn judge_address(&self, found: &mut Found) {
        let address = match self.address() {
            Ok(address) => address,
            Err(error) => {
                found.push((vec!["database"], SqlProblem::Address(error)));
                return;
            }
        };
        if address.engine() == SqlEngine::Sqlite {
            let given = [
                ("password_file", self.password_file.is_some()),
                ("password_env", self.password_env.is_some()),
                ("password_credential", self.password_credential.is_some()),
                ("tls", self.tls.is_some()),
                ("tls_roots", self.tls_roots.is_some()),
            ];
            for (key, _) in given.into_iter().filter(|(_, is_set)| *is_set) {
                found.push((vec![key], SqlProblem::NotOfFiles));
            }
        } else if self.tls_roots.is_some() && self.tls_mode(&address) == SqlTlsMode::Off {
            found.push((vec!["tls_roots"], SqlProblem::RootsWithoutTls));
        }
    }

    fn judge_passwords(&self, found: &mut Found) {
        let set = [
            self.password_file.is_some(),
            self.password_env.is_some(),
            self.password_credential.is_some(),
        ];
        if set.into_iter().filter(|is_set| *is_set).count() > 1 {
            found.push((Vec::new(), SqlProblem::SeveralPasswords));
        }
    }

    fn judge_shape(&self, found: &mut Found) {
        let mut preset_only = |key, is_set: bool, of: SqlPreset| {
            if is_set && self.preset != Some(of) {
                found.push((vec![key], SqlProblem::OnlyOfPreset { preset: of }));
            }
        };
        preset_only("issuer_dn", self.issuer_dn.is_some(), SqlPreset::Ejbca);
        let fingerprints = !self.ca_fingerprints.is_empty();
        preset_only("ca_fingerprints", fingerprints, SqlPreset::Ejbca);
        let key = self.authority_key_identifier.is_some();
        preset_only("authority_key_identifier", key, SqlPreset::Cfssl);
        for fingerprint in &self.ca_fingerprints {
            if fingerprint.len() != 40 || !is_hex(fingerprint) {
                found.push((vec!["ca_fingerprints"], SqlProblem::Fingerprint));
            }
        }
        if let Some(key) = &self.authority_key_identifier
            && (key.is_empty() || !is_hex(key))
        {
            found.push((vec!["authority_key_identifier"], SqlProblem::KeyIdentifier));
        }
        for (key, text) in [("query", &self.query), ("where", &self.filter)] {
            if text.as_deref().is_some_and(|text| text.trim().is_empty()) {
                found.push((vec![key], SqlProblem::Empty));
            }
        }
        if let Some(query) = &self.query
            && !is_select(query)
        {
            found.push((vec!["query"], SqlProblem::NotSelect));
        }
        if let Some(table) = &self.table
            && (table.split('.').any(str::is_empty) || table.contains('\0'))
        {
            found.push((vec!["table"], SqlProblem::Table));
        }
        match self.preset {
            Some(_) => self.judge_preset(found),
            None => self.judge_mapping(found),
        }
    }

    fn judge_preset(&self, found: &mut Found) {
        let is_step_ca = self.preset == Some(SqlPreset::StepCa);
        let given = [
            ("query", self.query.is_some()),
            ("columns", self.columns.set().next().is_some()),
            ("serials", self.serials != SqlSerials::default()),
            ("times", self.times != SqlTimes::default()),
            ("statuses", !self.statuses.is_empty()),
            ("every_status", self.every_status.is_some()),
            // Two tables, so one name and one clause do not do.
            ("table", is_step_ca && self.table.is_some()),
            ("where", is_step_ca && self.filter.is_some()),
        ];
        for (key, _) in given.into_iter().filter(|(_, is_set)| *is_set) {
            found.push((vec![key], SqlProblem::NotWithPreset));
        }
    }

    fn judge_mapping(&self, found: &mut Found) {
        match (&self.table, &self.query) {
            (None, None) => found.push((Vec::new(), SqlProblem::NoTable)),
            (Some(_), Some(_)) => found.push((vec!["query"], SqlProblem::TableAndQuery)),
            _ => {}
        }
        for (key, column) in self.columns.set() {
            if column.is_empty() || column.contains('\0') {
                found.push((vec!["columns", key], SqlProblem::Empty));
            }
        }
        if self.columns.serial.is_none() {
            found.push((vec!["columns"], SqlProblem::NoSerial));
        }
        match (&self.columns.status, self.every_status) {
            (None, None) => found.push((vec!["columns"], SqlProblem::NoStatus)),
            (Some(_), Some(_)) => found.push((vec!["every_status"], SqlProblem::StatusTwice)),
            (None, Some(_)) if !self.statuses.is_empty() => {
                found.push((vec!["statuses"], SqlProblem::StatusTwice));
            }
            _ => {}
        }
        let only_good = |status| status == SqlStatus::Good;
        let never_revoked = match self.every_status {
            Some(status) => only_good(status),
            None => !self.statuses.is_empty() && self.statuses.values().copied().all(only_good),
        };
        if self.columns.revocation_time.is_none() && !never_revoked {
            found.push((vec!["columns"], SqlProblem::NoRevocationTime));
        }
    }

    fn judge_limits(&self, found: &mut Found) {
        if !(100..=100_000).contains(&self.page_rows) {
            let value = self.page_rows;
            found.push((vec!["page_rows"], SqlProblem::PageRows { value }));
        }
        let (second, minute, hour) = (1, 60, 3_600);
        for (key, value, least, most) in [
            ("overlap", self.overlap, 0, 24 * hour),
            ("full_sweep", self.full_sweep, minute, 31 * 24 * hour),
            ("connect_timeout", self.connect_timeout, second, 5 * minute),
            ("statement_timeout", self.statement_timeout, second, hour),
            ("lock_timeout", self.lock_timeout, second, hour),
        ] {
            let (min, max) = (Duration::from_secs(least), Duration::from_secs(most));
            if !(min..=max).contains(&value) {
                found.push((vec![key], SqlProblem::Duration { value, min, max }));
            }
        }
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|octet| octet.is_ascii_hexdigit())
}

/// Whether it begins as a query does that only reads. The database judges the rest, in a transaction
/// that cannot write.
fn is_select(query: &str) -> bool {
    let query = query.trim_start();
    let word: String = query
        .chars()
        .take_while(char::is_ascii_alphabetic)
        .collect();
    ["select", "with"].contains(&word.to_ascii_lowercase().as_str())
}

/// Why a setting of such a feed cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SqlProblem {
    /// The address of the database.
    #[error("{0}")]
    Address(SqlAddressError),
    /// More than one source of the password.
    #[error(
        "set only one of password_file, password_env and password_credential: which one is meant?"
    )]
    SeveralPasswords,
    /// Of no use with a file.
    #[error("an SQLite database is a file: it has no password and nothing to protect on the way")]
    NotOfFiles,
    /// Roots, but nobody looks at the server's certificate.
    #[error(
        "tls_roots are of no use without TLS, which is off for a server on this host: set tls = \
         \"verify_full\", or leave them out"
    )]
    RootsWithoutTls,
    /// A setting of another preset.
    #[error("this goes with preset = {:?} alone", preset.name())]
    OnlyOfPreset {
        /// The preset that has it.
        preset: SqlPreset,
    },
    /// A setting that the preset has settled.
    #[error(
        "the preset knows this: leave it out, or leave out the preset and set all of the columns"
    )]
    NotWithPreset,
    /// No SHA-1 in hexadecimal.
    #[error("a fingerprint is the SHA-1 of a CA certificate: 40 hexadecimal digits")]
    Fingerprint,
    /// Not in hexadecimal.
    #[error("a key identifier is written in hexadecimal digits, without colons")]
    KeyIdentifier,
    /// Nothing to read.
    #[error("set table or query: where are the certificates?")]
    NoTable,
    /// Two things to read.
    #[error("table and query exclude each other: leave the one that is meant")]
    TableAndQuery,
    /// Not a name.
    #[error("the table is NAME or SCHEMA.NAME")]
    Table,
    /// Something else than a SELECT.
    #[error("the query is one SELECT, or WITH … SELECT")]
    NotSelect,
    /// An empty value.
    #[error("the value is empty")]
    Empty,
    /// No serial numbers.
    #[error("columns.serial is missing: which column has the serial number?")]
    NoSerial,
    /// No statuses.
    #[error(
        "columns.status is missing: which column says whether a certificate is revoked? If none does, \
         set every_status"
    )]
    NoStatus,
    /// A status column and none.
    #[error(
        "columns.status and statuses say what each row has, every_status what all have: leave one"
    )]
    StatusTwice,
    /// Revocations without a time.
    #[error("columns.revocation_time is missing: a revocation has a time, and clients are told it")]
    NoRevocationTime,
    /// Too few or too many rows at once.
    #[error("{value} is out of range: 100 to 100000")]
    PageRows {
        /// The number.
        value: usize,
    },
    /// A duration outside its limits.
    #[error(
        "{} is out of range: {} to {}",
        duration::text(*value), duration::text(*min), duration::text(*max)
    )]
    Duration {
        /// The duration.
        value: Duration,
        /// The least.
        min: Duration,
        /// The most.
        max: Duration,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::feed::SqlTls;

    fn feed(text: &str) -> SqlFeed {
        let text = format!("database = \"postgresql://ocsp@db.example.org/ca\"\n{text}");
        toml::from_str(&text).unwrap_or_else(|error| panic!("{error}"))
    }

    fn found(text: &str) -> Vec<String> {
        let shown = |(keys, problem): (Vec<&str>, SqlProblem)| {
            let problem = problem.to_string();
            format!("{}: {problem}", keys.join("."))
        };
        feed(text).judge().into_iter().map(shown).collect()
    }

    const MAPPED: &str = "table = \"certs\"\n[columns]\nserial = \"s\"\nstatus = \"st\"\n\
                          revocation_time = \"r\"\n";

    #[test]
    fn a_preset_and_a_mapping_are_enough() {
        assert_eq!(found("preset = \"ejbca\"\n"), [""; 0]);
        assert_eq!(found("preset = \"step-ca\"\n"), [""; 0]);
        assert_eq!(found(MAPPED), [""; 0]);
        assert_eq!(
            found("table = \"c\"\nevery_status = \"good\"\ncolumns = { serial = \"s\" }\n"),
            [""; 0]
        );
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        for (text, expected) in [
            ("", "columns: columns.serial is missing: which column ha"),
            ("", ": set table or query: where are the certifi"),
            (
                "preset = \"ejbca\"\nserials = \"decimal\"\n",
                "serials: the preset knows this",
            ),
            (
                "preset = \"step-ca\"\ntable = \"x\"\n",
                "table: the preset knows this",
            ),
            (
                "preset = \"cfssl\"\nissuer_dn = \"CN=a\"\n",
                "issuer_dn: this goes with preset",
            ),
            (
                "preset = \"ejbca\"\nca_fingerprints = [\"12\"]\n",
                "ca_fingerprints: a fingerprint is the SHA-1",
            ),
            (
                "query = \"DELETE FROM x\"\n",
                "query: the query is one SELECT",
            ),
            ("table = \"a.\"\n", "table: the table is NAME"),
            (
                "preset = \"ejbca\"\npage_rows = 1\n",
                "page_rows: 1 is out of range",
            ),
            (
                "preset = \"ejbca\"\noverlap = \"2d\"\n",
                "overlap: 48h is out of range",
            ),
            (
                "preset = \"ejbca\"\npassword_env = \"A\"\npassword_file = \"b\"\n",
                ": set only one of password_file",
            ),
            (
                "table = \"c\"\ncolumns = { serial = \"s\" }\n",
                "columns: columns.status is missing",
            ),
            (
                "table = \"c\"\ncolumns = { serial = \"s\", status = \"t\" }\n",
                "columns: columns.revocation_time is missing",
            ),
        ] {
            let found = found(text);
            assert!(
                found.iter().any(|it| it.starts_with(expected)),
                "{text}: {expected}: {found:#?}"
            );
        }
    }

    #[test]
    fn tls_is_off_for_this_host_alone() {
        for (database, mode) in [
            ("postgresql://u@db.example.org/x", SqlTlsMode::VerifyFull),
            ("postgresql://u@localhost/x", SqlTlsMode::Off),
            ("postgresql://u@127.0.0.1/x", SqlTlsMode::Off),
            ("postgresql://u@[::1]/x", SqlTlsMode::Off),
            ("postgresql://u@/x?host=/run/postgresql", SqlTlsMode::Off),
            ("mariadb://u@db/x", SqlTlsMode::VerifyFull),
        ] {
            let feed = SqlFeed::new(database);
            assert_eq!(feed.tls_mode(&feed.address().unwrap()), mode, "{database}");
        }
        let feed = SqlFeed {
            tls: Some(SqlTls::VerifyFull),
            ..SqlFeed::new("mariadb://u@localhost/x")
        };
        assert_eq!(
            feed.tls_mode(&feed.address().unwrap()),
            SqlTlsMode::VerifyFull
        );
    }
}
