//! What differs between databases in the few statements that are sent.

use crate::config::feed::{SqlEngine, SqlTimes};

use super::time::Moment;

/// A column as the database describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Column {
    /// Its name, exactly.
    pub(super) name: String,
    /// What the database calls its type; empty for SQLite, whose values have types.
    pub(super) type_name: String,
}

/// What can be done with a type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// Octets.
    Octets,
    /// Text.
    Text,
    /// A whole number; also such of any length.
    Number,
    /// Date and time.
    Timestamp,
    /// SQLite: whatever is in the row.
    Any,
    /// Anything else; printed as text.
    Other,
}

/// The identifier in quotes, so that no name is anything else.
pub(super) fn quoted(engine: SqlEngine, name: &str) -> String {
    let quote = match engine {
        SqlEngine::MariaDb => '`',
        SqlEngine::PostgreSql | SqlEngine::Sqlite => '"',
    };
    let doubled = name.replace(quote, &format!("{quote}{quote}"));
    format!("{quote}{doubled}{quote}")
}

/// `SCHEMA.NAME`, each in quotes.
pub(super) fn quoted_table(engine: SqlEngine, table: &str) -> String {
    let parts = table.split('.').map(|part| quoted(engine, part));
    parts.collect::<Vec<_>>().join(".")
}

/// The place of the bind with this number, counted from 1.
pub(super) fn place(engine: SqlEngine, number: usize) -> String {
    match engine {
        SqlEngine::PostgreSql => format!("${number}"),
        SqlEngine::MariaDb | SqlEngine::Sqlite => "?".to_owned(),
    }
}

impl Column {
    pub(super) fn kind(&self, engine: SqlEngine) -> Kind {
        match engine {
            SqlEngine::Sqlite => Kind::Any,
            SqlEngine::PostgreSql => match self.type_name.as_str() {
                "BYTEA" => Kind::Octets,
                "TEXT" | "VARCHAR" | "CHAR" | "NAME" => Kind::Text,
                "INT2" | "INT4" | "INT8" | "NUMERIC" => Kind::Number,
                "TIMESTAMP" | "TIMESTAMPTZ" => Kind::Timestamp,
                _ => Kind::Other,
            },
            SqlEngine::MariaDb => match self.type_name.as_str() {
                "BINARY" | "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => {
                    Kind::Octets
                }
                "CHAR" | "VARCHAR" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" | "ENUM" => {
                    Kind::Text
                }
                "DECIMAL" => Kind::Number,
                number if number.contains("INT") => Kind::Number,
                "TIMESTAMP" | "DATETIME" => Kind::Timestamp,
                _ => Kind::Other,
            },
        }
    }

    /// What is selected: octets as they are, all else as the database prints it.
    pub(super) fn selected(&self, engine: SqlEngine) -> String {
        let name = quoted(engine, &self.name);
        match (engine, self.kind(engine)) {
            (_, Kind::Octets) | (SqlEngine::Sqlite, _) => name,
            (SqlEngine::PostgreSql, _) => format!("CAST({name} AS text)"),
            (SqlEngine::MariaDb, _) => format!("CAST({name} AS CHAR)"),
        }
    }

    /// What a bind is compared as, so that an index of the column is used.
    pub(super) fn compared(&self, engine: SqlEngine, place: &str) -> String {
        let kind = self.kind(engine);
        match (engine, kind) {
            (SqlEngine::PostgreSql, Kind::Octets) | (SqlEngine::Sqlite, _) => place.to_owned(),
            // A name of our own list.
            (SqlEngine::PostgreSql, Kind::Number | Kind::Timestamp) => {
                format!("CAST(CAST({place} AS text) AS {})", self.type_name)
            }
            (SqlEngine::PostgreSql, _) if self.type_name == "UUID" => {
                format!("CAST(CAST({place} AS text) AS uuid)")
            }
            (SqlEngine::PostgreSql, _) => format!("CAST({place} AS text)"),
            (SqlEngine::MariaDb, Kind::Number) => {
                let as_type = match self.type_name.as_str() {
                    "DECIMAL" => "DECIMAL(65, 0)",
                    unsigned if unsigned.contains("UNSIGNED") => "UNSIGNED",
                    _ => "SIGNED",
                };
                format!("CAST({place} AS {as_type})")
            }
            (SqlEngine::MariaDb, Kind::Timestamp) => format!("CAST({place} AS DATETIME(6))"),
            (SqlEngine::MariaDb, _) => place.to_owned(),
        }
    }

    /// Whether rows can be put in an order by it and told apart.
    pub(super) fn can_be_key(&self, engine: SqlEngine) -> bool {
        match self.kind(engine) {
            Kind::Octets | Kind::Text | Kind::Number | Kind::Any => true,
            Kind::Timestamp => false,
            Kind::Other => self.type_name == "UUID",
        }
    }

    /// Whether it can say when a row was changed. Text cannot: the order of a database's texts is its
    /// own, and not that of times.
    pub(super) fn can_be_updated(&self, engine: SqlEngine) -> bool {
        matches!(
            self.kind(engine),
            Kind::Number | Kind::Timestamp | Kind::Any
        )
    }
}

/// A time as a column holds it; `is_number` says which of the two an SQLite column has.
pub(super) fn written(
    engine: SqlEngine,
    moment: Moment,
    is_number: bool,
    numbers: SqlTimes,
) -> String {
    if is_number {
        let micros = moment.as_micros();
        return match numbers {
            SqlTimes::UnixMs => micros / 1_000,
            SqlTimes::Unix | SqlTimes::None => micros / 1_000_000,
        }
        .to_string();
    }
    match engine {
        SqlEngine::PostgreSql => format!("{}+00", moment.civil()),
        SqlEngine::MariaDb => moment.civil(),
        // A blank comes before `T`, and nothing before a fraction: never later than meant.
        SqlEngine::Sqlite => moment
            .civil()
            .split('.')
            .next()
            .unwrap_or_default()
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_a_name() {
        for (engine, name, expected) in [
            (SqlEngine::PostgreSql, "serialNumber", "\"serialNumber\""),
            (
                SqlEngine::PostgreSql,
                "a\" OR 1=1 --",
                "\"a\"\" OR 1=1 --\"",
            ),
            (SqlEngine::MariaDb, "a`b\"c", "`a``b\"c`"),
            (SqlEngine::Sqlite, "a\"b", "\"a\"\"b\""),
        ] {
            assert_eq!(quoted(engine, name), expected);
        }
        assert_eq!(
            quoted_table(SqlEngine::PostgreSql, "pki.certs"),
            "\"pki\".\"certs\""
        );
    }
}
