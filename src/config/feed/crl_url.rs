//! `kind = "crl_url"`: CRLs that are fetched.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{
    Deserialize, Deserializer,
    de::{self, value::MapAccessDeserializer},
};

use crate::{change::ExpectedScope, config::duration};

/// CRLs that are fetched by HTTP or HTTPS.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct CrlUrlFeed {
    /// What operators call it. Default `crl_url`.
    pub name: Option<String>,
    /// Where the CRLs are, each a URL or a table. At least one. Who can answer there can withhold a CRL,
    /// not forge one.
    pub urls: Vec<CrlUrl>,
    /// How often they are looked at, unless nextUpdate says sooner. Default 5 min.
    #[serde(default, deserialize_with = "duration::optional")]
    pub interval: Option<Duration>,
    /// How long after the last success the issuer is stale. Default never.
    #[serde(default, deserialize_with = "duration::optional")]
    pub stale_after: Option<Duration>,
    /// The certificates, PEM, that `https` servers are trusted by. Default the system's. Who can write
    /// them can withhold a CRL, not forge one.
    #[serde(default = "CrlUrlFeed::default_tls_roots")]
    pub tls_roots: PathBuf,
    /// Whether hosts may be asked whose addresses are not public: this one's, those of private networks.
    /// Default no, so that no name and no redirection can make this host ask its neighbours.
    #[serde(default)]
    pub allow_private: bool,
    /// The longest CRL, in octets. Default 268435456 (256 MiB).
    #[serde(default = "CrlUrlFeed::default_max_octets")]
    pub max_octets: u64,
    /// How long one CRL may take, from the first look-up to the last octet. Default 5 min.
    #[serde(
        default = "CrlUrlFeed::default_timeout",
        deserialize_with = "duration::deserialize"
    )]
    pub timeout: Duration,
}

/// One CRL of a feed: its URL alone, or a table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CrlUrl {
    /// Where it is.
    pub url: String,
    /// What it lists. Default, of a single URL, the full CRL; of several, the certificates of the
    /// distribution point that is this very URL.
    pub scope: Option<ExpectedScope>,
    /// Where the deltas of the same scope are. Default none.
    pub delta: Option<String>,
}

/// The table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    url: String,
    scope: Option<ExpectedScope>,
    delta: Option<String>,
}

impl CrlUrlFeed {
    /// The paths that are relative to the configuration's folder.
    pub(super) fn paths(&mut self) -> Vec<&mut PathBuf> {
        vec![&mut self.tls_roots]
    }

    /// Each CRL with what it must list.
    pub fn crls(&self) -> impl Iterator<Item = (&CrlUrl, ExpectedScope)> {
        let is_only = self.urls.len() == 1;
        self.urls.iter().map(move |crl| {
            let scope = match &crl.scope {
                Some(scope) => scope.clone(),
                None if is_only => ExpectedScope::Full,
                None => ExpectedScope::Point(crl.url.clone()),
            };
            (crl, scope)
        })
    }

    fn default_tls_roots() -> PathBuf {
        Path::new("/etc/ssl/certs/ca-certificates.crt").to_owned()
    }

    const fn default_max_octets() -> u64 {
        256 << 20
    }

    const fn default_timeout() -> Duration {
        Duration::from_secs(5 * 60)
    }
}

impl<'de> Deserialize<'de> for CrlUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UrlOrTable)
    }
}

struct UrlOrTable;

impl<'de> de::Visitor<'de> for UrlOrTable {
    type Value = CrlUrl;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a URL in quotes, or a table { url = \"…\", scope = \"…\", delta = \"…\" }")
    }

    fn visit_str<E: de::Error>(self, url: &str) -> Result<CrlUrl, E> {
        Ok(CrlUrl {
            url: url.to_owned(),
            scope: None,
            delta: None,
        })
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<CrlUrl, A::Error> {
        let Table { url, scope, delta } = Table::deserialize(MapAccessDeserializer::new(map))?;
        Ok(CrlUrl { url, scope, delta })
    }
}
