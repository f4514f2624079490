//! Why a database did not say what it was asked.

use std::{io, time::Duration};

use crate::{
    config::feed::{SqlAddressError, SqlEngine},
    signer::PassphraseError,
};

/// Why nothing was read. No variant holds a password: drivers are given it and never print it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// The address of the database.
    #[error(transparent)]
    Address(#[from] SqlAddressError),
    /// The password cannot be had.
    #[error("{}", password(source))]
    Password {
        /// Why.
        source: PassphraseError,
    },
    /// The password is not UTF-8, which all of these databases want.
    #[error("the password is not UTF-8")]
    PasswordNotText,
    /// No thread or descriptor for the work.
    #[error("no runtime for the connection: {0}")]
    Runtime(io::Error),
    /// Nobody answers.
    #[error("it cannot be reached: {0}")]
    Unreachable(io::Error),
    /// It answers too slowly.
    #[error("no {what} within {} s", after.as_secs())]
    Slow {
        /// What was waited for.
        what: &'static str,
        /// How long.
        after: Duration,
    },
    /// It is there and cannot work now: starting, stopping, out of connections, locked.
    #[error("it cannot answer now: {message}")]
    Busy {
        /// What it says.
        message: String,
    },
    /// The way to it is not protected as it should be.
    #[error("TLS: {message}")]
    Tls {
        /// What is wrong.
        message: String,
    },
    /// It does not let us in.
    #[error("it refuses the user or the password: {message}")]
    Credentials {
        /// What it says.
        message: String,
    },
    /// It lets us in, and not read.
    #[error("the user may not read this: {message}: GRANT SELECT to it, and no more")]
    Permission {
        /// What it says.
        message: String,
    },
    /// Another database than was meant.
    #[error("{message}: is the name of the database right?")]
    NoDatabase {
        /// What it says.
        message: String,
    },
    /// No such table.
    #[error("{message}: is the name of the table right, with its schema and letter case?")]
    NoTable {
        /// What it says.
        message: String,
    },
    /// No such column.
    #[error("there is no column {column:?}; there are: {known}")]
    NoColumn {
        /// The one asked for.
        column: String,
        /// Those that are there.
        known: String,
    },
    /// A column that cannot be used for this.
    #[error("column {column:?} of type {type_name} cannot be `{used_as}`: {wanted}")]
    ColumnType {
        /// Which one.
        column: String,
        /// Its type.
        type_name: String,
        /// What it should be used as.
        used_as: &'static str,
        /// What could be.
        wanted: &'static str,
    },
    /// Rows that cannot be told apart: a page that ends between two of them would lose one.
    #[error(
        "several rows have {value} in column {column:?}: set columns.key to a column that is unique"
    )]
    KeyNotUnique {
        /// The column.
        column: String,
        /// What the rows have in it.
        value: String,
    },
    /// A row without a key, which no page could go on from.
    #[error("a row has no {column:?} (NULL): set columns.key to a column that every row has")]
    KeyMissing {
        /// The column.
        column: String,
    },
    /// The table has lost most of its rows, or is another one.
    #[error("there are {now} rows where there were {before}; nothing that was known is forgotten")]
    RowsLost {
        /// At the last sweep.
        before: u64,
        /// Now.
        now: u64,
    },
    /// The server is stopping. Not told.
    #[error("the server is stopping")]
    Stopped,
    /// No row of this issuer.
    #[error("no row is of this issuer{looked_for}")]
    NoRows {
        /// What was looked for.
        looked_for: String,
    },
    /// The file is no database or is damaged.
    #[error("it is damaged, or no database: {message}")]
    Damaged {
        /// What the driver says.
        message: String,
    },
    /// It does not do what it is asked.
    #[error("it refuses the statement: {message}")]
    Refused {
        /// What it says.
        message: String,
    },
    /// It says what the driver does not understand.
    #[error("it speaks otherwise than expected: {message}")]
    Protocol {
        /// What the driver says.
        message: String,
    },
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SqlErrorKind {
    /// It may go away by itself.
    Unreachable,
    /// Somebody has to let us in.
    Refused,
    /// The table is not what the configuration says.
    Malformed,
    /// What was read was judged and refused.
    Rejected,
    /// An operator has to say that it is right.
    Quarantined,
    /// The server is stopping.
    Stopped,
}

impl SqlError {
    /// What kind of failure it is.
    #[must_use]
    pub const fn kind(&self) -> SqlErrorKind {
        match self {
            Self::Runtime(_)
            | Self::Unreachable(_)
            | Self::Slow { .. }
            | Self::Busy { .. }
            | Self::Protocol { .. } => SqlErrorKind::Unreachable,
            Self::Password { .. }
            | Self::PasswordNotText
            | Self::Tls { .. }
            | Self::Credentials { .. }
            | Self::Permission { .. } => SqlErrorKind::Refused,
            Self::Address(_)
            | Self::NoDatabase { .. }
            | Self::NoTable { .. }
            | Self::NoColumn { .. }
            | Self::ColumnType { .. }
            | Self::KeyNotUnique { .. }
            | Self::KeyMissing { .. }
            | Self::Damaged { .. }
            | Self::Refused { .. } => SqlErrorKind::Malformed,
            Self::RowsLost { .. } => SqlErrorKind::Quarantined,
            Self::NoRows { .. } => SqlErrorKind::Rejected,
            Self::Stopped => SqlErrorKind::Stopped,
        }
    }

    /// Whether a connection that was kept may simply have ended: then another one is worth a try.
    pub(super) const fn may_be_an_old_connection(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_) | Self::Busy { .. } | Self::Protocol { .. }
        )
    }

    /// What a driver says.
    pub(super) fn of_driver(engine: SqlEngine, error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(error) => of_io(error),
            sqlx::Error::Tls(error) => Self::Tls {
                message: line(&error.to_string()),
            },
            sqlx::Error::Database(error) => of_database(engine, &*error),
            sqlx::Error::Configuration(error) => Self::Credentials {
                message: line(&error.to_string()),
            },
            sqlx::Error::Protocol(message) if message.contains("authentication plugin") => {
                Self::Credentials {
                    message: line(&message),
                }
            }
            other => Self::Protocol {
                message: line(&other.to_string()),
            },
        }
    }
}

/// A handshake fails as a read does, and has its own error within.
fn of_io(error: io::Error) -> SqlError {
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        Some(tls) => SqlError::Tls {
            message: line(&tls.to_string()),
        },
        None => SqlError::Unreachable(error),
    }
}

fn of_database(engine: SqlEngine, error: &dyn sqlx::error::DatabaseError) -> SqlError {
    let message = line(error.message());
    let code = error.code().unwrap_or_default();
    match engine {
        SqlEngine::PostgreSql => of_postgresql(&code, message),
        SqlEngine::MariaDb => {
            let number = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>();
            of_mariadb(number.map_or(0, |error| error.number()), message)
        }
        SqlEngine::Sqlite => of_sqlite(code.parse().unwrap_or(1), message),
    }
}

/// By SQLSTATE (PostgreSQL, appendix A).
fn of_postgresql(code: &str, message: String) -> SqlError {
    match code {
        "28000" | "28P01" => SqlError::Credentials { message },
        "42501" => SqlError::Permission { message },
        "3D000" => SqlError::NoDatabase { message },
        "42P01" | "3F000" => SqlError::NoTable { message },
        // query_canceled, which our own statement_timeout causes; lock_not_available.
        "57014" | "55P03" => SqlError::Busy { message },
        // Shutting down, crashed, starting; connections, memory and disk used up; deadlocks.
        code if ["57P", "53", "08", "40", "58"]
            .iter()
            .any(|class| code.starts_with(class)) =>
        {
            SqlError::Busy { message }
        }
        _ => SqlError::Refused { message },
    }
}

/// By error number (MariaDB, "MariaDB Error Codes"; the first thousands are MySQL's).
fn of_mariadb(number: u16, message: String) -> SqlError {
    match number {
        // Access denied for user, also without a plugin; password expired; locked.
        1045 | 1698 | 1820 | 1862 | 3118 | 4151 => SqlError::Credentials { message },
        // Denied for the database, table, column or a privilege.
        1044 | 1142 | 1143 | 1227 => SqlError::Permission { message },
        1049 => SqlError::NoDatabase { message },
        1146 => SqlError::NoTable { message },
        // Too many connections or memory; shutdown; killed; locks; timeouts of statements.
        1040 | 1037 | 1038 | 1041 | 1053 | 1077 | 1079 | 1129 | 1203 | 1205 | 1213 | 1226
        | 1317 | 1927 | 1969 | 3024 => SqlError::Busy { message },
        _ => SqlError::Refused { message },
    }
}

/// By result code (sqlite.org/rescode.html), whose lowest octet is the primary one.
fn of_sqlite(code: i32, message: String) -> SqlError {
    match code & 0xff {
        // BUSY, LOCKED, INTERRUPT, SCHEMA, PROTOCOL, NOMEM
        5 | 6 | 9 | 17 | 15 | 7 => SqlError::Busy { message },
        // PERM, AUTH, READONLY
        3 | 23 | 8 => SqlError::Permission { message },
        // CANTOPEN, IOERR
        14 | 10 => SqlError::Unreachable(io::Error::other(message)),
        // CORRUPT, NOTADB
        11 | 26 => SqlError::Damaged { message },
        _ if message.contains("no such table") => SqlError::NoTable { message },
        _ => SqlError::Refused { message },
    }
}

/// One line, of a length that a log takes.
fn line(message: &str) -> String {
    let words: Vec<&str> = message.split_whitespace().collect();
    let text: String = words
        .join(" ")
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    match text.char_indices().nth(MESSAGE_MAX) {
        None => text,
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

/// Databases quote what they do not understand.
const MESSAGE_MAX: usize = 300;

/// The words are those of the passphrases of keys, which are read in the same way.
fn password(source: &PassphraseError) -> String {
    let said = source.to_string();
    match said.strip_prefix("no passphrase: ") {
        Some(rest) => format!("no password: {rest}"),
        None => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_databases_say_is_told_apart() {
        let message = || "said".to_owned();
        for (error, kind, says) in [
            (
                of_postgresql("28P01", message()),
                SqlErrorKind::Refused,
                "the user or the password",
            ),
            (
                of_postgresql("42501", message()),
                SqlErrorKind::Refused,
                "may not read",
            ),
            (
                of_postgresql("42P01", message()),
                SqlErrorKind::Malformed,
                "name of the table",
            ),
            (
                of_postgresql("57P03", message()),
                SqlErrorKind::Unreachable,
                "cannot answer now",
            ),
            (
                of_postgresql("57014", message()),
                SqlErrorKind::Unreachable,
                "cannot answer now",
            ),
            (
                of_postgresql("53300", message()),
                SqlErrorKind::Unreachable,
                "cannot answer now",
            ),
            (
                of_postgresql("42601", message()),
                SqlErrorKind::Malformed,
                "refuses the statement",
            ),
            (
                of_mariadb(1045, message()),
                SqlErrorKind::Refused,
                "the user or the password",
            ),
            (
                of_mariadb(1142, message()),
                SqlErrorKind::Refused,
                "may not read",
            ),
            (
                of_mariadb(1146, message()),
                SqlErrorKind::Malformed,
                "name of the table",
            ),
            (
                of_mariadb(1969, message()),
                SqlErrorKind::Unreachable,
                "cannot answer now",
            ),
            (
                of_sqlite(5, message()),
                SqlErrorKind::Unreachable,
                "cannot answer now",
            ),
            (
                of_sqlite(14, message()),
                SqlErrorKind::Unreachable,
                "cannot be reached",
            ),
            (of_sqlite(26, message()), SqlErrorKind::Malformed, "damaged"),
        ] {
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn a_message_is_one_line() {
        assert_eq!(line("a\nb\u{7}  c"), "a b c");
        assert_eq!(line(&"é".repeat(400)).chars().count(), 301);
    }
}
