//! Where a database is.
//!
//! ```text
//! postgresql://USER@HOST[:PORT]/NAME     or  postgresql://USER@/NAME?host=/run/postgresql
//! mariadb://USER@HOST[:PORT]/NAME        or  mariadb://USER@/NAME?socket=/run/mysqld/mysqld.sock
//! sqlite:PATH
//! ```
//!
//! `postgres:` and `mysql:` are the same as `postgresql:` and `mariadb:`. USER and NAME may have percent
//! escapes. A password is refused: the configuration holds no secrets, and a URL ends up in logs.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr};

/// Which database.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SqlEngine {
    /// PostgreSQL.
    PostgreSql,
    /// MariaDB, and MySQL.
    MariaDb,
    /// A file of SQLite.
    Sqlite,
}

impl SqlEngine {
    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PostgreSql => "PostgreSQL",
            Self::MariaDb => "MariaDB",
            Self::Sqlite => "SQLite",
        }
    }
}

/// How the way to a server is protected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SqlTlsMode {
    /// TLS, and the server's certificate is valid for the host.
    VerifyFull,
    /// Not at all.
    Off,
}

/// Where a database is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SqlAddress {
    /// A file of SQLite.
    File(PathBuf),
    /// A server.
    Server(SqlServer),
}

/// A server of databases.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SqlServer {
    /// Which make.
    pub engine: SqlEngine,
    /// Who asks.
    pub user: String,
    /// Which of its databases.
    pub name: String,
    /// Where it listens.
    pub place: SqlPlace,
}

/// Where a server listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SqlPlace {
    /// On a port of a host.
    Host {
        /// A name, or an address without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// On a Unix socket: the folder of it (PostgreSQL) or its path (MariaDB), and the port, which is
    /// part of its name (PostgreSQL).
    Socket {
        /// The folder or path.
        path: PathBuf,
        /// The port.
        port: u16,
    },
}

impl SqlAddress {
    /// Which database it is.
    #[must_use]
    pub const fn engine(&self) -> SqlEngine {
        match self {
            Self::File(_) => SqlEngine::Sqlite,
            Self::Server(server) => server.engine,
        }
    }

    /// Whether nothing leaves this host on the way to it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::File(_) => true,
            Self::Server(server) => match &server.place {
                SqlPlace::Socket { .. } => true,
                SqlPlace::Host { host, .. } => {
                    let address = host.parse::<IpAddr>();
                    host.eq_ignore_ascii_case("localhost")
                        || address.is_ok_and(|address| address.is_loopback())
                }
            },
        }
    }
}

/// Without the user: for messages.
impl fmt::Display for SqlAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "SQLite {}", path.display()),
            Self::Server(SqlServer {
                engine,
                name,
                place,
                ..
            }) => {
                write!(f, "{} ", engine.name())?;
                match place {
                    SqlPlace::Host { host, port } if host.contains(':') => {
                        write!(f, "[{host}]:{port}")?;
                    }
                    SqlPlace::Host { host, port } => write!(f, "{host}:{port}")?,
                    SqlPlace::Socket { path, .. } => write!(f, "{}", path.display())?,
                }
                write!(f, " {name}")
            }
        }
    }
}

impl FromStr for SqlAddress {
    type Err = SqlAddressError;

    fn from_str(text: &str) -> Result<Self, SqlAddressError> {
        let (scheme, rest) = text.split_once(':').ok_or(SqlAddressError::Scheme)?;
        let (engine, default_port, socket_key) = match scheme {
            "sqlite" => {
                return match rest {
                    "" | ":memory:" => Err(SqlAddressError::NoFile),
                    path => Ok(Self::File(PathBuf::from(path))),
                };
            }
            "postgresql" | "postgres" => (SqlEngine::PostgreSql, 5_432, "host"),
            "mariadb" | "mysql" => (SqlEngine::MariaDb, 3_306, "socket"),
            _ => return Err(SqlAddressError::Scheme),
        };
        let rest = rest.strip_prefix("//").ok_or(SqlAddressError::Form)?;
        let (authority, path) = rest.split_once('/').ok_or(SqlAddressError::NoName)?;
        let (name, query) = match path.split_once('?') {
            None => (path, None),
            Some((name, query)) => (name, Some(query)),
        };
        let (user, place) = authority.rsplit_once('@').ok_or(SqlAddressError::NoUser)?;
        if user.contains(':') {
            return Err(SqlAddressError::Password);
        }
        let (user, name) = (unescaped(user)?, unescaped(name)?);
        if user.is_empty() {
            return Err(SqlAddressError::NoUser);
        }
        if name.is_empty() || name.contains('/') {
            return Err(SqlAddressError::NoName);
        }
        let (host, port) = host_and_port(place, default_port)?;
        let place = match query {
            None if host.is_empty() => return Err(SqlAddressError::NoHost),
            None => SqlPlace::Host { host, port },
            Some(query) => {
                let path = query
                    .strip_prefix(socket_key)
                    .and_then(|rest| rest.strip_prefix('='))
                    .filter(|path| path.starts_with('/') && !path.contains('&'))
                    .ok_or(SqlAddressError::Parameter { socket_key })?;
                if !host.is_empty() {
                    return Err(SqlAddressError::Parameter { socket_key });
                }
                let path = PathBuf::from(unescaped(path)?);
                SqlPlace::Socket { path, port }
            }
        };
        Ok(Self::Server(SqlServer {
            engine,
            user,
            name,
            place,
        }))
    }
}

fn host_and_port(place: &str, default_port: u16) -> Result<(String, u16), SqlAddressError> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(SqlAddressError::Form)?;
            if !matches!(host.parse(), Ok(IpAddr::V6(_))) {
                return Err(SqlAddressError::Form);
            }
            (host, port.strip_prefix(':'))
        }
        None => match place.split_once(':') {
            None => (place, None),
            Some((host, port)) => (host, Some(port)),
        },
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    if !host.chars().all(is_host) {
        return Err(SqlAddressError::Form);
    }
    let port = match port {
        None => default_port,
        Some(port) => port.parse().map_err(|_| SqlAddressError::Form)?,
    };
    Ok((host.to_owned(), port))
}

/// A part of a URL without its percent escapes.
fn unescaped(text: &str) -> Result<String, SqlAddressError> {
    let mut octets = Vec::new();
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit(), digit());
        let value = high.zip(low).map(|(high, low)| high * 16 + low);
        let value = value.and_then(|value| u8::try_from(value).ok());
        octets.push(value.ok_or(SqlAddressError::Form)?);
    }
    String::from_utf8(octets)
        .ok()
        .filter(|text| !text.contains('\0'))
        .ok_or(SqlAddressError::Form)
}

/// Why a text is no address of a database. The text itself is not shown: it may hold a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SqlAddressError {
    /// Another kind of URL, or none.
    #[error(
        "the address of a database begins with postgresql://, mariadb:// or sqlite: (for instance \
         postgresql://ocsp@db.example.org/ejbca)"
    )]
    Scheme,
    /// A form of its own.
    #[error("the address of a database has the form postgresql://USER@HOST:PORT/NAME")]
    Form,
    /// A password in it.
    #[error(
        "the password does not belong into the address: set password_file, password_env or \
         password_credential"
    )]
    Password,
    /// Nobody asks.
    #[error("the address has no user: postgresql://USER@HOST/NAME")]
    NoUser,
    /// Nowhere.
    #[error("the address has no host: postgresql://USER@HOST/NAME")]
    NoHost,
    /// None of its databases.
    #[error("the address has no name of a database: postgresql://USER@HOST/NAME")]
    NoName,
    /// No file.
    #[error("the address has no file: sqlite:PATH")]
    NoFile,
    /// A parameter that is not known here.
    #[error(
        "the one parameter that an address can have is ?{socket_key}=/PATH, in place of a host: \
         everything else has a setting of its own"
    )]
    Parameter {
        /// The parameter for a Unix socket.
        socket_key: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_shown_without_the_user() {
        for (text, shown) in [
            (
                "postgresql://ocsp@db.example.org/ejbca",
                "PostgreSQL db.example.org:5432 ejbca",
            ),
            (
                "postgres://a%40b@10.0.0.7:6432/x%20y",
                "PostgreSQL 10.0.0.7:6432 x y",
            ),
            (
                "postgresql://u@/x?host=/run/postgresql",
                "PostgreSQL /run/postgresql x",
            ),
            (
                "mariadb://u@[2001:db8::1]/x",
                "MariaDB [2001:db8::1]:3306 x",
            ),
            ("mysql://u@/x?socket=/run/m.sock", "MariaDB /run/m.sock x"),
            ("sqlite:/var/lib/ca.db", "SQLite /var/lib/ca.db"),
            ("sqlite:ca.db", "SQLite ca.db"),
        ] {
            let address: SqlAddress = text
                .parse()
                .unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(address.to_string(), shown);
        }
        let SqlAddress::Server(server) = "postgres://a%40b@h/x".parse().unwrap() else {
            panic!("a server")
        };
        assert_eq!(server.user, "a@b");
    }

    #[test]
    fn what_is_none_is_refused_and_a_password_never_shown() {
        for (text, error) in [
            ("db.example.org/ejbca", SqlAddressError::Scheme),
            ("oracle://u@h/x", SqlAddressError::Scheme),
            ("postgresql:u@h/x", SqlAddressError::Form),
            ("postgresql://u:hunter2@h/x", SqlAddressError::Password),
            ("postgresql://h/x", SqlAddressError::NoUser),
            ("postgresql://@h/x", SqlAddressError::NoUser),
            ("postgresql://u@h", SqlAddressError::NoName),
            ("postgresql://u@h/", SqlAddressError::NoName),
            ("postgresql://u@/x", SqlAddressError::NoHost),
            ("postgresql://u@h:port/x", SqlAddressError::Form),
            ("postgresql://u@h h/x", SqlAddressError::Form),
            ("postgresql://u@h/%zz", SqlAddressError::Form),
            (
                "postgresql://u@h/x?sslmode=disable",
                SqlAddressError::Parameter { socket_key: "host" },
            ),
            (
                "mariadb://u@h/x?socket=/s",
                SqlAddressError::Parameter {
                    socket_key: "socket",
                },
            ),
            ("sqlite:", SqlAddressError::NoFile),
            ("sqlite::memory:", SqlAddressError::NoFile),
        ] {
            let found = text.parse::<SqlAddress>().unwrap_err();
            assert_eq!(found, error, "{text}");
            assert!(!found.to_string().contains("hunter2"));
        }
    }
}
