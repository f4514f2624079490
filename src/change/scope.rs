//! Which certificates of its issuer a CRL speaks of (RFC 5280 §5.2.5).

use std::{fmt, str::FromStr};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use crate::asn1::Certificate;

/// What a CRL lists: all certificates of its issuer, or part of them. CRLs of one scope follow one
/// another by number and time; those of another say nothing about its certificates.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CrlScope {
    /// A URI of the distribution point that it is limited to, octet for octet as its
    /// issuingDistributionPoint has it.
    pub point: Option<String>,
    /// Which kind of certificates it is limited to.
    pub certificates: CertificateKind,
}

/// onlyContainsUserCerts and onlyContainsCACerts, of which at most one is set.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum CertificateKind {
    /// Neither: certificates of both kinds.
    #[default]
    All,
    /// onlyContainsUserCerts: of end entities.
    User,
    /// onlyContainsCACerts: of CAs.
    Ca,
}

impl CrlScope {
    /// The scope of a full CRL.
    pub const FULL: Self = Self {
        point: None,
        certificates: CertificateKind::All,
    };
    /// The longest URI of a distribution point.
    pub const POINT_OCTETS_MAX: usize = 2048;

    /// Whether it is that of a full CRL.
    #[must_use]
    pub fn is_full(&self) -> bool {
        *self == Self::FULL
    }

    /// What the scope is called in every status that follows from it.
    #[must_use]
    pub fn tag(&self) -> ScopeTag {
        if self.is_full() {
            return ScopeTag::FULL;
        }
        let kind = match self.certificates {
            CertificateKind::All => 0,
            CertificateKind::User => 1,
            CertificateKind::Ca => 2,
        };
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&[kind]);
        // No point and an empty one differ.
        if let Some(point) = &self.point {
            context.update(b" ");
            context.update(point.as_bytes());
        }
        let mut tag = [0; ScopeTag::OCTETS];
        for (octet, source) in tag.iter_mut().zip(context.finish().as_ref()) {
            *octet = *source;
        }
        ScopeTag(Some(tag))
    }
}

/// For people: `all certificates`, `the end-entity certificates of http://…`.
impl fmt::Display for CrlScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.certificates {
            CertificateKind::All if self.point.is_none() => "all certificates",
            CertificateKind::All => "the certificates",
            CertificateKind::User => "the end-entity certificates",
            CertificateKind::Ca => "the CA certificates",
        })?;
        match &self.point {
            Some(point) => write!(f, " of {point}"),
            None => Ok(()),
        }
    }
}

/// A scope in few octets: nothing for that of a full CRL, else the first 8 octets of SHA-256 over an
/// octet (0, 1 for onlyContainsUserCerts, 2 for onlyContainsCACerts) and, for a distribution point, a
/// space and its URI.
///
/// The scopes of an issuer are few and named by its operator, so no two have the same.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ScopeTag(Option<[u8; Self::OCTETS]>);

impl ScopeTag {
    /// That of a full CRL.
    pub const FULL: Self = Self(None);
    /// Octets of any other.
    pub const OCTETS: usize = 8;

    /// The octets: none, or [`Self::OCTETS`].
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |octets| octets)
    }

    /// Reads what [`Self::as_bytes`] gives; `None` for another length.
    #[must_use]
    pub fn from_bytes(octets: &[u8]) -> Option<Self> {
        match octets {
            [] => Some(Self::FULL),
            octets => octets.try_into().ok().map(|octets| Self(Some(octets))),
        }
    }
}

/// A distribution point in few octets: the first 8 of SHA-256 over its URL, octet for octet as the
/// certificate has it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PointTag([u8; Self::OCTETS]);

impl PointTag {
    /// Octets of any.
    pub const OCTETS: usize = 8;

    /// That of a URL.
    #[must_use]
    pub fn of(url: &str) -> Self {
        let digest = digest::digest(&digest::SHA256, url.as_bytes());
        Self(digest.as_ref().first_chunk().copied().unwrap_or_default())
    }

    /// That of a certificate: of the first URL in its cRLDistributionPoints.
    #[must_use]
    pub fn of_certificate(certificate: &Certificate) -> Option<Self> {
        let urls = certificate.crl_urls();
        let mut urls = urls.into_iter();
        urls.find(|url| url.starts_with("http://") || url.starts_with("https://"))
            .map(Self::of)
    }

    /// The octets.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::OCTETS] {
        &self.0
    }

    /// Of these octets.
    #[must_use]
    pub const fn from_bytes(octets: [u8; Self::OCTETS]) -> Self {
        Self(octets)
    }
}

/// The scope that an operator expects: in the configuration and on the command line a word, `full`,
/// `user` or `ca`, or the URI of a distribution point.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum ExpectedScope {
    /// All certificates: a full CRL.
    Full,
    /// All end-entity certificates.
    User,
    /// All CA certificates.
    Ca,
    /// Those of the distribution point with this URI, of whichever kind the CRL says.
    Point(String),
}

impl ExpectedScope {
    /// Whether CRLs of this scope are meant.
    #[must_use]
    pub fn includes(&self, scope: &CrlScope) -> bool {
        match (self, scope.point.as_deref()) {
            (Self::Full, None) => scope.certificates == CertificateKind::All,
            (Self::User, None) => scope.certificates == CertificateKind::User,
            (Self::Ca, None) => scope.certificates == CertificateKind::Ca,
            (Self::Point(expected), Some(point)) => expected == point,
            _ => false,
        }
    }
}

impl FromStr for ExpectedScope {
    type Err = ExpectedScopeError;

    fn from_str(text: &str) -> Result<Self, ExpectedScopeError> {
        match text {
            "full" => Ok(Self::Full),
            "user" => Ok(Self::User),
            "ca" => Ok(Self::Ca),
            uri if uri.len() > CrlScope::POINT_OCTETS_MAX => Err(ExpectedScopeError::TooLong {
                octets: uri.len(),
                octets_max: CrlScope::POINT_OCTETS_MAX,
            }),
            uri if is_uri(uri) => Ok(Self::Point(uri.to_owned())),
            other => Err(ExpectedScopeError::Word(other.to_owned())),
        }
    }
}

/// A scheme, a colon, and something behind it, without blanks or anything else that no URI has.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let mut letters = scheme.bytes();
    letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet))
        && !rest.is_empty()
        && rest.bytes().all(|octet| octet.is_ascii_graphic())
}

impl TryFrom<String> for ExpectedScope {
    type Error = ExpectedScopeError;

    fn try_from(text: String) -> Result<Self, ExpectedScopeError> {
        text.parse()
    }
}

impl From<ExpectedScope> for String {
    fn from(scope: ExpectedScope) -> Self {
        scope.to_string()
    }
}

impl fmt::Display for ExpectedScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::User => "user",
            Self::Ca => "ca",
            Self::Point(uri) => uri,
        })
    }
}

/// Why a text names no scope.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpectedScopeError {
    /// Neither a word that is known nor a URI.
    #[error(
        "{0:?} is no scope of a CRL: write full, user (end-entity certificates alone), ca (CA \
         certificates alone), or the URI of a distribution point, octet for octet as the CRL's \
         issuingDistributionPoint has it"
    )]
    Word(String),
    /// A URI that no CRL is taken with.
    #[error("the URI of a distribution point has {octets} octets; at most {octets_max} are taken")]
    TooLong {
        /// Its length.
        octets: usize,
        /// The limit.
        octets_max: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes() -> Vec<CrlScope> {
        let kinds = [
            CertificateKind::All,
            CertificateKind::User,
            CertificateKind::Ca,
        ];
        let points = [None, Some(""), Some("http://x/1"), Some("http://x/2")];
        let all = kinds.iter().flat_map(|certificates| {
            points.iter().map(|point| CrlScope {
                point: point.map(str::to_owned),
                certificates: *certificates,
            })
        });
        all.collect()
    }

    #[test]
    fn no_two_scopes_have_one_tag() {
        let scopes = scopes();
        for (a, one) in scopes.iter().enumerate() {
            for (b, other) in scopes.iter().enumerate() {
                assert_eq!(one.tag() == other.tag(), a == b, "{one:?} {other:?}");
            }
            let tag = one.tag();
            assert_eq!(ScopeTag::from_bytes(tag.as_bytes()), Some(tag));
            assert_eq!(tag == ScopeTag::FULL, one.is_full());
        }
        assert_eq!(ScopeTag::from_bytes(&[1; 7]), None);
        // `printf '\001 http://x/1' | sha256sum`
        let one = CrlScope {
            point: Some("http://x/1".to_owned()),
            certificates: CertificateKind::User,
        };
        assert_eq!(one.tag().as_bytes(), hex_literal::hex!("4d8aed0c8e90c448"));
    }

    #[test]
    fn a_scope_is_written_as_a_word_or_a_uri() {
        for (text, includes) in [
            ("full", CrlScope::FULL.to_string()),
            ("user", "the end-entity certificates".to_owned()),
            ("ca", "the CA certificates".to_owned()),
        ] {
            let expected: ExpectedScope = text.parse().unwrap();
            assert_eq!(expected.to_string(), text);
            let found: Vec<String> = scopes()
                .iter()
                .filter(|scope| expected.includes(scope))
                .map(ToString::to_string)
                .collect();
            assert_eq!(found, [includes]);
        }
        let expected: ExpectedScope = "http://x/1".parse().unwrap();
        let found = scopes();
        let found: Vec<_> = found.iter().filter(|one| expected.includes(one)).collect();
        assert_eq!(found.len(), 3);
        assert!(
            found
                .iter()
                .all(|one| one.point.as_deref() == Some("http://x/1"))
        );
        for bad in [
            "",
            "Full",
            "all",
            "x",
            ":",
            "http:",
            "1http://x",
            "http://x y",
            "http://é",
        ] {
            let error = bad.parse::<ExpectedScope>().unwrap_err();
            assert!(error.to_string().contains("write full"), "{error}");
        }
        let long = format!("http://{}", "x".repeat(CrlScope::POINT_OCTETS_MAX));
        assert!(long.parse::<ExpectedScope>().is_err());
    }
}
