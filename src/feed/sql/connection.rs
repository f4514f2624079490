//! One connection to a database: opened so that it cannot write, asked one statement at a time, none of
//! them for longer than it may take.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Connection as _, Executor as _, Row as _,
    SqlSafeStr as _, Statement as _, TypeInfo as _, ValueRef as _,
    mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode},
    postgres::{PgConnectOptions, PgConnection, PgSslMode},
    sqlite::{SqliteConnectOptions, SqliteConnection},
};
use zeroize::Zeroizing;

use crate::config::feed::{SqlAddress, SqlEngine, SqlPlace, SqlServer, SqlTlsMode};

use super::{
    engine::{Column, Kind},
    error::SqlError,
    statement::Statement,
    value::{Bind, Value},
};

/// Where to connect, and how long anything may take.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) address: SqlAddress,
    pub(super) tls: SqlTlsMode,
    pub(super) tls_roots: Option<PathBuf>,
    pub(super) connect_timeout: Duration,
    pub(super) statement_timeout: Duration,
    pub(super) lock_timeout: Duration,
}

/// A connection. Dropped without ceremony: the server notices.
#[derive(Debug)]
pub(super) enum Connection {
    PostgreSql(PgConnection),
    MariaDb(MySqlConnection),
    Sqlite(SqliteConnection),
}

impl Connection {
    /// Connects as the address's user with `password`.
    pub(super) async fn open(
        target: &Target,
        password: Option<Zeroizing<String>>,
    ) -> Result<Self, SqlError> {
        let opened = tokio::time::timeout(target.connect_timeout, Self::opened(target, password));
        let after = target.connect_timeout;
        let what = "connection";
        let opened = opened.await.map_err(|_| SqlError::Slow { what, after })?;
        opened.map_err(|error| SqlError::of_driver(target.address.engine(), error))
    }

    async fn opened(
        target: &Target,
        password: Option<Zeroizing<String>>,
    ) -> Result<Self, sqlx::Error> {
        let password = password.as_ref().map(|password| password.as_str());
        match &target.address {
            SqlAddress::File(path) => {
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .read_only(true)
                    .busy_timeout(target.lock_timeout)
                    .disable_statement_logging();
                Ok(Self::Sqlite(
                    SqliteConnection::connect_with(&options).await?,
                ))
            }
            SqlAddress::Server(server) if server.engine == SqlEngine::MariaDb => {
                let mut connection = mariadb(server, target, password).connect().await?;
                set_up_mariadb(&mut connection, target).await?;
                Ok(Self::MariaDb(connection))
            }
            SqlAddress::Server(server) => {
                let mut connection = postgresql(server, target, password).connect().await?;
                set_up_postgresql(&mut connection, target).await?;
                Ok(Self::PostgreSql(connection))
            }
        }
    }

    const fn engine(&self) -> SqlEngine {
        match self {
            Self::PostgreSql(_) => SqlEngine::PostgreSql,
            Self::MariaDb(_) => SqlEngine::MariaDb,
            Self::Sqlite(_) => SqlEngine::Sqlite,
        }
    }

    /// The columns of what `from` names: a table in quotes, or a query in brackets with a name.
    pub(super) async fn columns(
        &mut self,
        from: &str,
        limit: Duration,
    ) -> Result<Vec<Column>, SqlError> {
        let engine = self.engine();
        let asked = tokio::time::timeout(limit, self.described(from)).await;
        let what = "description of the table";
        let after = limit;
        let described = asked.map_err(|_| SqlError::Slow { what, after })?;
        described.map_err(|error| SqlError::of_driver(engine, error))
    }

    async fn described(&mut self, from: &str) -> Result<Vec<Column>, sqlx::Error> {
        let text = AssertSqlSafe(format!("SELECT * FROM {from} WHERE 1 = 0")).into_sql_str();
        macro_rules! columns {
            ($connection:expr, $type_name:expr) => {{
                let statement = $connection.prepare(text).await?;
                let columns = statement.columns().iter().map(|column| Column {
                    name: column.name().to_owned(),
                    type_name: $type_name(column.type_info().name()),
                });
                Ok(columns.collect())
            }};
        }
        match self {
            Self::PostgreSql(connection) => columns!(connection, str::to_owned),
            Self::MariaDb(connection) => columns!(connection, str::to_owned),
            Self::Sqlite(connection) => columns!(connection, |_: &str| String::new()),
        }
    }

    /// The rows that a statement selects; `kinds` says of each column what it is.
    pub(super) async fn rows(
        &mut self,
        statement: &Statement,
        kinds: &[Kind],
        limit: Duration,
    ) -> Result<Vec<Vec<Value>>, SqlError> {
        let engine = self.engine();
        // The server ends what takes too long by itself, and says so; this is for one that hangs.
        let grace = limit.saturating_add(GRACE);
        let asked = tokio::time::timeout(grace, self.selected(statement, kinds, limit)).await;
        let what = "answer";
        let rows = asked.map_err(|_| SqlError::Slow { what, after: grace })?;
        rows.map_err(|error| SqlError::of_driver(engine, error))
    }

    async fn selected(
        &mut self,
        statement: &Statement,
        kinds: &[Kind],
        limit: Duration,
    ) -> Result<Vec<Vec<Value>>, sqlx::Error> {
        // All of it is made of our own words, quoted identifiers and the operator's own clauses.
        let text = AssertSqlSafe(statement.text.as_str());
        macro_rules! rows {
            ($connection:expr, $value:expr) => {{
                let mut query = sqlx::query(text);
                for bind in &statement.binds {
                    query = match bind {
                        Bind::Number(number) => query.bind(*number),
                        Bind::Text(text) => query.bind(text.clone()),
                        Bind::Octets(octets) => query.bind(octets.clone()),
                    };
                }
                let rows = query.fetch_all($connection).await?;
                let mut read = Vec::with_capacity(rows.len());
                for row in rows {
                    let mut values = Vec::with_capacity(kinds.len());
                    for (place, kind) in kinds.iter().enumerate() {
                        values.push($value(&row, place, *kind)?);
                    }
                    read.push(values);
                }
                Ok(read)
            }};
        }
        match self {
            Self::PostgreSql(connection) => {
                rows!(connection, |row: &sqlx::postgres::PgRow,
                                   place: usize,
                                   kind| {
                    row.try_get_unchecked(place)
                        .map(|octets| printed(octets, kind))
                })
            }
            Self::MariaDb(connection) => {
                rows!(connection, |row: &sqlx::mysql::MySqlRow,
                                   place: usize,
                                   kind| {
                    row.try_get_unchecked(place)
                        .map(|octets| printed(octets, kind))
                })
            }
            Self::Sqlite(connection) => {
                let begun = Instant::now();
                let mut handle = connection.lock_handle().await?;
                handle.set_progress_handler(SQLITE_STEPS, move || begun.elapsed() < limit);
                drop(handle);
                rows!(connection, |row: &sqlx::sqlite::SqliteRow,
                                   place: usize,
                                   _| {
                    of_sqlite(row, place)
                })
            }
        }
    }
}

/// What a server printed, or octets.
fn printed(octets: Option<Vec<u8>>, kind: Kind) -> Value {
    match octets {
        None => Value::Null,
        Some(octets) if kind == Kind::Octets => Value::Octets(octets),
        Some(octets) => match String::from_utf8(octets) {
            Ok(text) => Value::Text(text),
            Err(error) => Value::Octets(error.into_bytes()),
        },
    }
}

fn of_sqlite(row: &sqlx::sqlite::SqliteRow, place: usize) -> Result<Value, sqlx::Error> {
    let value = row.try_get_raw(place)?;
    if value.is_null() {
        return Ok(Value::Null);
    }
    let type_name = value.type_info().name().to_owned();
    match type_name.as_str() {
        "INTEGER" => row.try_get_unchecked(place).map(Value::Number),
        "REAL" => {
            let number: f64 = row.try_get_unchecked(place)?;
            Ok(Value::Text(number.to_string()))
        }
        _ => {
            let octets: Vec<u8> = row.try_get_unchecked(place)?;
            match type_name.as_str() {
                "BLOB" => Ok(Value::Octets(octets)),
                _ => Ok(printed(Some(octets), Kind::Text)),
            }
        }
    }
}

fn postgresql(server: &SqlServer, target: &Target, password: Option<&str>) -> PgConnectOptions {
    let options = PgConnectOptions::new_without_pgpass()
        .username(&server.user)
        .database(&server.name)
        .application_name("estelam")
        // Else that of PGPASSWORD would be sent.
        .password(password.unwrap_or_default())
        .statement_cache_capacity(STATEMENTS_KEPT)
        .disable_statement_logging();
    let options = match &server.place {
        SqlPlace::Host { host, port } => options.host(host).port(*port),
        SqlPlace::Socket { path, port } => options.socket(path).port(*port),
    };
    let options = options.ssl_mode(match target.tls {
        SqlTlsMode::VerifyFull => PgSslMode::VerifyFull,
        SqlTlsMode::Off => PgSslMode::Disable,
    });
    match &target.tls_roots {
        Some(roots) => options.ssl_root_cert(roots),
        None => options,
    }
}

/// Nothing of a session can write, and everything is printed in one way whatever the server's defaults.
async fn set_up_postgresql(
    connection: &mut PgConnection,
    target: &Target,
) -> Result<(), sqlx::Error> {
    let text = format!(
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; SET statement_timeout = {}; \
         SET lock_timeout = {}; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; \
         SET client_encoding = 'UTF8'",
        target.statement_timeout.as_millis(),
        target.lock_timeout.as_millis()
    );
    sqlx::raw_sql(AssertSqlSafe(text))
        .execute(connection)
        .await?;
    Ok(())
}

fn mariadb(server: &SqlServer, target: &Target, password: Option<&str>) -> MySqlConnectOptions {
    let options = MySqlConnectOptions::new()
        .username(&server.user)
        .database(&server.name)
        .statement_cache_capacity(STATEMENTS_KEPT)
        .disable_statement_logging();
    let options = match &server.place {
        SqlPlace::Host { host, port } => options.host(host).port(*port),
        SqlPlace::Socket { path, .. } => options.socket(path),
    };
    let options = options.ssl_mode(match target.tls {
        SqlTlsMode::VerifyFull => MySqlSslMode::VerifyIdentity,
        SqlTlsMode::Off => MySqlSslMode::Disabled,
    });
    let options = match &target.tls_roots {
        Some(roots) => options.ssl_ca(roots),
        None => options,
    };
    match password {
        Some(password) => options.password(password),
        None => options,
    }
}

/// The same for MariaDB. MySQL has another name for the limit on statements.
async fn set_up_mariadb(
    connection: &mut MySqlConnection,
    target: &Target,
) -> Result<(), sqlx::Error> {
    let lock_secs = target.lock_timeout.as_secs().max(1);
    let locks = format!(
        "SET SESSION lock_wait_timeout = {lock_secs}, innodb_lock_wait_timeout = {lock_secs}"
    );
    for text in ["SET SESSION TRANSACTION READ ONLY", &locks] {
        sqlx::raw_sql(AssertSqlSafe(text))
            .execute(&mut *connection)
            .await?;
    }
    let secs = target.statement_timeout.as_secs().max(1);
    let of_mariadb = format!("SET SESSION max_statement_time = {secs}");
    let set = sqlx::raw_sql(AssertSqlSafe(of_mariadb))
        .execute(&mut *connection)
        .await;
    if let Err(sqlx::Error::Database(_)) = set {
        let millis = target.statement_timeout.as_millis();
        let of_mysql = format!("SET SESSION max_execution_time = {millis}");
        sqlx::raw_sql(AssertSqlSafe(of_mysql))
            .execute(connection)
            .await?;
    } else {
        set?;
    }
    Ok(())
}

/// How much longer than a statement may take we wait for the server to say so.
const GRACE: Duration = Duration::from_secs(5);

/// Each kind of table needs a handful.
const STATEMENTS_KEPT: usize = 16;

/// SQLite looks at the clock each time it has done this many steps: about a millisecond.
const SQLITE_STEPS: i32 = 10_000;
