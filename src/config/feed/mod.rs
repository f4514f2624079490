//! `[[issuer.feed]]`: where the status of an issuer's certificates comes from while the server runs.
//!
//! A table says its `kind`, and each kind has the keys of its own struct, in a file of its own.

mod crl_url;
mod push;
mod sql;
mod sql_address;
mod sql_judge;
mod target;
mod watched;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use serde::de::IntoDeserializer as _;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

pub use crl_url::{CrlUrl, CrlUrlFeed};
pub use push::PushFeed;
pub use sql::{SqlColumns, SqlFeed, SqlPreset, SqlSerials, SqlStatus, SqlTimes, SqlTls};
pub use sql_address::{SqlAddress, SqlAddressError, SqlEngine, SqlPlace, SqlServer, SqlTlsMode};
pub use sql_judge::SqlProblem;
pub use target::{Target, TargetError};
pub use watched::{
    CertificateFolderFeed, CrlFolderFeed, CsvFeed, CsvField, CsvSerials, CsvStatus, CsvTimes,
    IndexFeed,
};

/// One `[[issuer.feed]]` table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Feed {
    /// The `index.txt` of `openssl ca`.
    Index(IndexFeed),
    /// A CSV file.
    Csv(CsvFeed),
    /// A folder that CRLs are dropped into.
    CrlFolder(CrlFolderFeed),
    /// A folder that certificates are dropped into.
    CertificateFolder(CertificateFolderFeed),
    /// CRLs that are fetched by HTTP.
    CrlUrl(CrlUrlFeed),
    /// A database table that is asked again and again.
    Sql(Box<SqlFeed>),
    /// A client that sends changes itself.
    Push(PushFeed),
}

/// The kinds of feeds.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum FeedKind {
    /// See [`Feed::Index`].
    Index,
    /// See [`Feed::Csv`].
    Csv,
    /// See [`Feed::CrlFolder`].
    CrlFolder,
    /// See [`Feed::CertificateFolder`].
    CertificateFolder,
    /// See [`Feed::CrlUrl`].
    CrlUrl,
    /// See [`Feed::Sql`].
    Sql,
    /// See [`Feed::Push`].
    Push,
}

impl FeedKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Index,
        Self::Csv,
        Self::CrlFolder,
        Self::CertificateFolder,
        Self::CrlUrl,
        Self::Sql,
        Self::Push,
    ];

    /// The word for it in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Csv => "csv",
            Self::CrlFolder => "crl_folder",
            Self::CertificateFolder => "certificate_folder",
            Self::CrlUrl => "crl_url",
            Self::Sql => "sql",
            Self::Push => "push",
        }
    }

    /// How often it is looked at unless its table says so; `None` for one that comes by itself.
    #[must_use]
    pub const fn default_interval(self) -> Option<Duration> {
        Some(Duration::from_secs(match self {
            Self::Index | Self::Csv => 1,
            Self::CrlFolder | Self::CertificateFolder => 5,
            Self::CrlUrl => 300,
            Self::Sql => 5,
            Self::Push => return None,
        }))
    }

    /// Whether a poll may wait for another machine: then it is made by threads that files do not wait
    /// for.
    #[must_use]
    pub const fn is_remote(self) -> bool {
        match self {
            Self::Index | Self::Csv | Self::CrlFolder | Self::CertificateFolder => false,
            Self::CrlUrl | Self::Sql | Self::Push => true,
        }
    }
}

impl std::fmt::Display for FeedKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What tables of every kind can say.
struct Common<'a> {
    name: Option<&'a str>,
    interval: Option<Duration>,
    stale_after: Option<Duration>,
}

impl Feed {
    /// What kind it is.
    #[must_use]
    pub const fn kind(&self) -> FeedKind {
        match self {
            Self::Index(_) => FeedKind::Index,
            Self::Csv(_) => FeedKind::Csv,
            Self::CrlFolder(_) => FeedKind::CrlFolder,
            Self::CertificateFolder(_) => FeedKind::CertificateFolder,
            Self::CrlUrl(_) => FeedKind::CrlUrl,
            Self::Sql(_) => FeedKind::Sql,
            Self::Push(_) => FeedKind::Push,
        }
    }

    /// What operators call it; the kind unless it has a name of its own.
    #[must_use]
    pub fn name(&self) -> &str {
        self.common().name.unwrap_or_else(|| self.kind().name())
    }

    /// How often it is looked at; `None` for one that comes by itself.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        let default = self.kind().default_interval()?;
        Some(self.common().interval.unwrap_or(default))
    }

    /// How long after its last success its issuer is stale; `None` for never.
    #[must_use]
    pub fn stale_after(&self) -> Option<Duration> {
        self.common().stale_after
    }

    fn common(&self) -> Common<'_> {
        macro_rules! common {
            ($feed:expr, $interval:expr) => {
                Common {
                    name: $feed.name.as_deref(),
                    interval: $interval,
                    stale_after: $feed.stale_after,
                }
            };
        }
        match self {
            Self::Index(feed) => common!(feed, feed.interval),
            Self::Csv(feed) => common!(feed, feed.interval),
            Self::CrlFolder(feed) => common!(feed, feed.interval),
            Self::CertificateFolder(feed) => common!(feed, feed.interval),
            Self::CrlUrl(feed) => common!(feed, feed.interval),
            Self::Sql(feed) => common!(feed, feed.interval),
            Self::Push(feed) => common!(feed, None),
        }
    }

    /// Makes the paths that are part of other settings ones below `folder`.
    pub(super) fn resolve_files(&mut self, folder: &Path) {
        if let Self::Sql(feed) = self {
            feed.resolve_file(folder);
        }
    }

    /// The paths in it that are relative to the configuration's folder.
    pub(super) fn paths(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Self::Index(feed) => vec![&mut feed.path],
            Self::Csv(feed) => vec![&mut feed.path],
            Self::CrlFolder(feed) => vec![&mut feed.path],
            Self::CertificateFolder(feed) => vec![&mut feed.path],
            Self::CrlUrl(feed) => feed.paths(),
            Self::Sql(feed) => feed.paths(),
            Self::Push(_) => Vec::new(),
        }
    }
}

/// A fault in the form of a feed's table.
pub(super) struct FeedFault {
    /// The octet in the text at which it is.
    pub(super) offset: usize,
    /// What is wrong, in serde's words.
    pub(super) message: String,
}

/// The first fault in the form of the feeds in a text.
///
/// A table that is told from others by one of its keys is kept by serde until it has seen that key,
/// and loses its places; this reads each as what it says it is.
pub(super) fn fault(root: DeTable<'_>) -> Option<FeedFault> {
    let issuers = elements(taken(root, "issuer"));
    let feeds = issuers
        .into_iter()
        .flat_map(|issuer| match issuer.into_inner() {
            DeValue::Table(issuer) => elements(taken(issuer, "feed")),
            _ => Vec::new(),
        });
    feeds.into_iter().find_map(table_fault)
}

fn table_fault(element: Spanned<DeValue<'_>>) -> Option<FeedFault> {
    let span = element.span();
    let at = |offset: usize, message: String| Some(FeedFault { offset, message });
    let DeValue::Table(table) = element.into_inner() else {
        return at(
            span.start,
            "a feed is a table: write [[issuer.feed]]".to_owned(),
        );
    };
    let kind = table
        .iter()
        .find_map(|(name, value)| (name.get_ref() == KIND).then(|| value.clone()));
    let Some(kind) = kind else {
        return at(
            span.start,
            format!("a feed says what it is: set kind to {}", kinds()),
        );
    };
    let kind_at = kind.span().start;
    let DeValue::String(kind) = kind.into_inner() else {
        return at(kind_at, format!("the kind of a feed is one of {}", kinds()));
    };
    let table: DeTable<'_> = table
        .into_iter()
        .filter(|(name, _)| name.get_ref() != KIND)
        .collect();
    let table = Spanned::new(span.clone(), DeValue::Table(table)).into_deserializer();
    let read = match FeedKind::ALL.into_iter().find(|known| known.name() == kind) {
        None => {
            return at(
                kind_at,
                format!("unknown variant `{kind}`, expected one of {}", kinds()),
            );
        }
        Some(FeedKind::Index) => IndexFeed::deserialize(table).map(drop),
        Some(FeedKind::Csv) => CsvFeed::deserialize(table).map(drop),
        Some(FeedKind::CrlFolder) => CrlFolderFeed::deserialize(table).map(drop),
        Some(FeedKind::CertificateFolder) => CertificateFolderFeed::deserialize(table).map(drop),
        Some(FeedKind::CrlUrl) => CrlUrlFeed::deserialize(table).map(drop),
        Some(FeedKind::Sql) => SqlFeed::deserialize(table).map(drop),
        Some(FeedKind::Push) => PushFeed::deserialize(table).map(drop),
    };
    let error = read.err()?;
    let offset = error.span().map_or(span.start, |span| span.start);
    at(offset, error.message().to_owned())
}

/// As serde lists them.
fn kinds() -> String {
    FeedKind::ALL.map(|kind| format!("`{kind}`")).join(", ")
}

fn elements(value: Option<Spanned<DeValue<'_>>>) -> Vec<Spanned<DeValue<'_>>> {
    match value.map(Spanned::into_inner) {
        Some(DeValue::Array(array)) => array.into_iter().collect(),
        _ => Vec::new(),
    }
}

fn taken<'a>(table: DeTable<'a>, key: &str) -> Option<Spanned<DeValue<'a>>> {
    let mut entries = table.into_iter();
    entries.find_map(|(name, value)| (name.get_ref() == key).then_some(value))
}

const KIND: &str = "kind";
