//! What is known of a CRL without reading it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::asn1::UnixTime;

/// Which of an issuer's CRLs it is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum CrlKind {
    /// All certificates.
    Full,
    /// What changed since a full one.
    Delta,
    /// The full one that the delta is based on.
    Base,
    /// The certificates of one distribution point, counted from 0.
    Shard(u32),
}

/// `full`, `delta`, `base`, `shard-0`…
impl fmt::Display for CrlKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("full"),
            Self::Delta => f.write_str("delta"),
            Self::Base => f.write_str("base"),
            Self::Shard(number) => write!(f, "shard-{number}"),
        }
    }
}

impl From<CrlKind> for String {
    fn from(kind: CrlKind) -> Self {
        kind.to_string()
    }
}

/// A word that names no kind of CRL.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is no kind of CRL: it is full, delta, base or shard-N")]
pub struct CrlKindError(String);

impl FromStr for CrlKind {
    type Err = CrlKindError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "full" => Ok(Self::Full),
            "delta" => Ok(Self::Delta),
            "base" => Ok(Self::Base),
            _ => {
                let number = text.strip_prefix("shard-");
                let number = number.filter(|number| !number.starts_with('+'));
                let number = number.and_then(|number| number.parse().ok());
                number
                    .map(Self::Shard)
                    .ok_or_else(|| CrlKindError(text.to_owned()))
            }
        }
    }
}

impl TryFrom<String> for CrlKind {
    type Error = CrlKindError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// A CRL that was made, checked and put into its place.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CrlEdition {
    /// The issuer's configured name.
    pub issuer: String,
    /// Which of its CRLs.
    pub kind: CrlKind,
    /// Where certificates and other CRLs say that it is, octet for octet. Its path is where we serve it.
    pub url: String,
    /// CRLNumber
    pub number: u64,
    /// BaseCRLNumber, of a delta.
    pub base: Option<u64>,
    /// The last ledger entry that the full CRL of that number speaks for.
    pub base_as_of: Option<u64>,
    /// thisUpdate
    #[serde(with = "rfc3339")]
    pub this_update: UnixTime,
    /// nextUpdate
    #[serde(with = "rfc3339")]
    pub next_update: UnixTime,
    /// Whether it was made on schedule, and not between two that are.
    pub scheduled: bool,
    /// When the next one is due by its schedule: until then a cache need not ask again.
    #[serde(with = "rfc3339")]
    pub next_due: UnixTime,
    /// The longest that a cache may keep it, in seconds: one may be made before its schedule says so.
    pub max_age: u64,
    /// How many entries it has.
    pub entries: u64,
    /// Its length.
    pub octets: u64,
    /// Its SHA-256, 64 lower-case hexadecimal digits: the name of its file too.
    pub sha256: String,
    /// The last ledger entry that it speaks for.
    pub as_of: u64,
}

impl CrlEdition {
    /// The path of its URL, from its first `/`, octet for octet.
    #[must_use]
    pub fn path(&self) -> &str {
        url_path(&self.url)
    }
}

/// The path of a URL, octet for octet: what a client sends in its request line, without query and
/// fragment. `/` where there is none.
#[must_use]
pub fn url_path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find('/').and_then(|at| rest.get(at..));
    let path = path.unwrap_or("/");
    path.split(['?', '#']).next().unwrap_or(path)
}

/// Something signed that is served as it is: a manifest for mirrors.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SignedDocument {
    /// The path that it is served at.
    pub path: String,
    /// Content-Type
    pub media_type: String,
    /// The octets.
    pub text: String,
}

/// All CRLs that may be served, and what says so. A later listing has a higher generation.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CrlListing {
    /// Rises with every listing, also over restarts.
    pub generation: u64,
    /// One for each issuer and kind, in their order.
    pub editions: Vec<CrlEdition>,
    /// What is served beside them.
    pub documents: Vec<SignedDocument>,
}

impl CrlListing {
    /// The CRL of an issuer.
    #[must_use]
    pub fn edition(&self, issuer: &str, kind: CrlKind) -> Option<&CrlEdition> {
        let of =
            |edition: &CrlEdition| (edition.issuer.as_str(), edition.kind).cmp(&(issuer, kind));
        let place = self.editions.binary_search_by(of).ok()?;
        self.editions.get(place)
    }
}

/// Times as operators read them.
pub(crate) mod rfc3339 {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::asn1::UnixTime;

    pub(crate) fn serialize<S: Serializer>(time: &UnixTime, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(time)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(text: D) -> Result<UnixTime, D::Error> {
        let text = String::deserialize(text)?;
        UnixTime::from_rfc3339(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_words() {
        for kind in [
            CrlKind::Full,
            CrlKind::Delta,
            CrlKind::Base,
            CrlKind::Shard(17),
        ] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        for text in [
            "",
            "Full",
            "shard-",
            "shard--1",
            "shard-+1",
            "shard-4294967296",
        ] {
            assert!(text.parse::<CrlKind>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_path_of_a_url_is_its_own_octets() {
        for (url, path) in [
            ("http://crl.example/ca.crl", "/ca.crl"),
            ("http://crl.example", "/"),
            ("http://crl.example/a//b%20c.crl?x=/y#z", "/a//b%20c.crl"),
            ("/only/a/path", "/only/a/path"),
        ] {
            assert_eq!(url_path(url), path);
        }
    }
}
